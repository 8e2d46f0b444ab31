/* The command line: words into a command, its options and its arguments. */
#include "tools/vxc/cli.h"
#include "tools/vxc/text.h"

#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <locale.h>
#include <stdlib.h>

const struct vxc_option vxc_options[VXC_OPTIONS_COUNT] = {
#define X(ID, name, letter, argument, global, help) {name, letter, argument, global, help},
    VXC_OPTION_MAP(X)
#undef X
};

static_assert(VXC_OPTIONS_COUNT <= 64, "a set of options fits a word");

const struct vxc_family vxc_families[] = {
    {"status", "state of the node and the cluster", vxc_status_commands},
    {"map", "entries by key", vxc_map_commands},
    {"set", "sets of values", vxc_set_commands},
    {"multimap", "several values by key", vxc_multimap_commands},
    {"counter", "64-bit counters", vxc_counter_commands},
    {"lock", "fair locks with fencing tokens", vxc_lock_commands},
    {"node", "nodes that joined", vxc_node_commands},
    {"member", "nodes that make up the cluster", vxc_member_commands},
    {"session", "sessions of clients", vxc_session_commands},
    {"namespace", "namespaces", vxc_namespace_commands},
    {"registration", "event-bus registrations", vxc_registration_commands},
    {"watch", "changes as they happen", vxc_watch_commands},
    {"txn", "several operations, all or none", vxc_txn_commands},
    {"dump", "the whole state, or the log, decoded", vxc_dump_commands},
    {"snapshot", "files that hold a whole state", vxc_snapshot_commands},
    {"bench", "measure a server", vxc_bench_commands},
    {"ping", "is a server there?", vxc_ping_commands},
    {"version", "versions of program and server", vxc_version_commands},
    {"help", "help on a command", vxc_help_commands},
    {NULL, NULL, NULL},
};

#define WORDS_MAX 64u

/* ---- finding ---- */

const struct vxc_family *vxc_family_find(const char *name)
{
    for (const struct vxc_family *f = vxc_families; f->name != NULL; f++) {
        if (strcmp(f->name, name) == 0) {
            return f;
        }
    }
    return NULL;
}

const struct vxc_cli_command *vxc_command_find(const struct vxc_family *family, const char *name)
{
    for (const struct vxc_cli_command *c = family->commands; c->name != NULL; c++) {
        if (strcmp(c->name, name) == 0) {
            return c;
        }
    }
    return NULL;
}

/* A family that is a command itself: status, watch, … */
static bool is_single(const struct vxc_family *family)
{
    return family->commands[0].name[0] == '\0';
}

static void say_suggestion(const char *word, const char *const *words, size_t count,
                           const char *before)
{
    const char *meant = vxc_text_suggest(word, words, count);
    if (meant != NULL) {
        (void)fprintf(stderr, "  did you mean \"%s%s\"?\n", before, meant);
    }
}

static int unknown_family(const char *word)
{
    const char *words[WORDS_MAX];
    size_t count = 0;

    for (const struct vxc_family *f = vxc_families; f->name != NULL && count < WORDS_MAX; f++) {
        words[count++] = f->name;
    }
    (void)fprintf(stderr, "vxc: unknown command \"%s\"\n", word);
    say_suggestion(word, words, count, "vxc ");
    (void)fprintf(stderr, "  all commands: vxc help\n");
    return VXC_EXIT_USAGE;
}

static int unknown_command(const struct vxc_family *family, const char *word)
{
    const char *words[WORDS_MAX];
    char before[64];
    size_t count = 0;

    for (const struct vxc_cli_command *c = family->commands; c->name != NULL && count < WORDS_MAX;
         c++) {
        words[count++] = c->name;
    }
    (void)snprintf(before, sizeof before, "vxc %s ", family->name);
    (void)fprintf(stderr, "vxc: unknown command \"%s %s\"\n", family->name, word);
    say_suggestion(word, words, count, before);
    (void)fprintf(stderr, "  all of them: vxc help %s\n", family->name);
    return VXC_EXIT_USAGE;
}

static int unknown_option(const struct vxc_cli *cli, const char *word)
{
    const char *words[WORDS_MAX];
    const char *name = word + strspn(word, "-");
    char bare[64];
    size_t count = 0;

    for (size_t i = 0; i < VXC_OPTIONS_COUNT; i++) {
        const bool own = cli->command != NULL && (cli->command->options >> i & 1) != 0;
        if (vxc_options[i].global || own) {
            words[count++] = vxc_options[i].name;
        }
    }
    (void)snprintf(bare, sizeof bare, "%.*s", (int)strcspn(name, "="), name);
    if (cli->command != NULL) {
        (void)fprintf(stderr, "vxc: %s%s%s has no option \"%s\"\n", cli->family->name,
                      cli->command->name[0] != '\0' ? " " : "", cli->command->name, word);
    } else {
        (void)fprintf(stderr, "vxc: unknown option \"%s\"\n", word);
    }
    say_suggestion(bare, words, count, "--");
    if (cli->command != NULL) {
        (void)fprintf(stderr, "  its options: vxc help %s%s%s\n", cli->family->name,
                      cli->command->name[0] != '\0' ? " " : "", cli->command->name);
    } else {
        (void)fprintf(stderr, "  all options: vxc help\n");
    }
    return VXC_EXIT_USAGE;
}

/* ---- options ---- */

static int take_value(struct vxc_cli *cli, size_t id, const char *word, const char *attached,
                      char **words, int count, int *at)
{
    if (vxc_options[id].argument == NULL) {
        if (attached != NULL) {
            (void)fprintf(stderr, "vxc: option %s takes no value\n", word);
            return VXC_EXIT_USAGE;
        }
    } else if (attached != NULL) {
        cli->value[id] = attached;
    } else if (*at + 1 < count) {
        cli->value[id] = words[++*at];
    } else {
        (void)fprintf(stderr, "vxc: option %s needs a value: %s\n", word, vxc_options[id].argument);
        return VXC_EXIT_USAGE;
    }
    cli->given |= 1ull << id;
    return 0;
}

/* Is the option known to this command? While no command is known yet, the global ones only; a later
 * word may still name the command, so others are looked at again (see parse_words). */
static bool is_allowed(const struct vxc_cli *cli, size_t id)
{
    return vxc_options[id].global ||
           (cli->command != NULL && (cli->command->options >> id & 1) != 0);
}

static int take_long(struct vxc_cli *cli, char **words, int count, int *at)
{
    const char *word = words[*at];
    const char *name = word + 2;
    const size_t size = strcspn(name, "=");

    for (size_t id = 0; id < VXC_OPTIONS_COUNT; id++) {
        if (strlen(vxc_options[id].name) == size &&
            strncmp(vxc_options[id].name, name, size) == 0 && is_allowed(cli, id)) {
            return take_value(cli, id, word, name[size] == '=' ? name + size + 1 : NULL, words,
                              count, at);
        }
    }
    return unknown_option(cli, word);
}

static int take_letters(struct vxc_cli *cli, char **words, int count, int *at)
{
    const char *word = words[*at];

    for (const char *letter = word + 1; *letter != '\0'; letter++) {
        size_t id = 0;
        while (id < VXC_OPTIONS_COUNT &&
               !(vxc_options[id].letter == *letter && is_allowed(cli, id))) {
            id++;
        }
        if (id == VXC_OPTIONS_COUNT) {
            return unknown_option(cli, word);
        }
        const bool takes = vxc_options[id].argument != NULL;
        const int rc = take_value(cli, id, word, takes && letter[1] != '\0' ? letter + 1 : NULL,
                                  words, count, at);
        if (rc != 0 || takes) {
            return rc;
        }
    }
    return 0;
}

/* "-" is stdin and "-5" a number; both are arguments. */
static bool is_option(const char *word)
{
    return word[0] == '-' && word[1] != '\0' && !isdigit((unsigned char)word[1]);
}

/* ---- words ---- */

/* The family, then the command, then arguments. */
static int take_word(struct vxc_cli *cli, char *word)
{
    if (cli->family == NULL) {
        cli->family = vxc_family_find(word);
        if (cli->family == NULL) {
            return unknown_family(word);
        }
        if (is_single(cli->family)) {
            cli->command = &cli->family->commands[0];
        }
        return 0;
    }
    if (cli->command == NULL) {
        cli->command = vxc_command_find(cli->family, word);
        return cli->command == NULL ? unknown_command(cli->family, word) : 0;
    }
    cli->argv[cli->argc++] = word;
    return 0;
}

static int parse_words(struct vxc_cli *cli, int count, char **words)
{
    bool options_end = false;

    for (int at = 1; at < count; at++) {
        int rc;
        const bool stopped = cli->command != NULL && cli->command->stop_after > 0 &&
                             cli->argc >= cli->command->stop_after;
        if (options_end || stopped || !is_option(words[at])) {
            rc = take_word(cli, words[at]);
        } else if (strcmp(words[at], "--") == 0) {
            options_end = true;
            rc = 0;
        } else if (strcmp(words[at], "--version") == 0 && cli->family == NULL) {
            rc = take_word(cli, words[at] + 2);
        } else if (words[at][1] == '-') {
            rc = take_long(cli, words, count, &at);
        } else {
            rc = take_letters(cli, words, count, &at);
        }
        if (rc != 0) {
            return rc;
        }
    }
    return 0;
}

static int check_arguments(const struct vxc_cli *cli)
{
    const struct vxc_cli_command *c = cli->command;
    const char *space = c->name[0] != '\0' ? " " : "";

    if (cli->argc >= c->args_min && (c->args_max < 0 || cli->argc <= c->args_max)) {
        return 0;
    }
    (void)fprintf(stderr, "vxc: %s%s%s: %s\n  usage: vxc %s%s%s %s\n", cli->family->name, space,
                  c->name,
                  cli->argc < c->args_min ? "an argument is missing" : "too many arguments",
                  cli->family->name, space, c->name, c->arguments);
    return VXC_EXIT_USAGE;
}

static int check_globals(struct vxc_cli *cli)
{
    enum vxc_out_mode mode = VXC_OUT_AUTO;
    const char *output = cli->value[VXC_OPTION_OUTPUT];
    const char *timeout = cli->value[VXC_OPTION_TIMEOUT];

    if (output != NULL && vxc_out_mode_parse(output, &mode) != VXC_OK) {
        (void)fprintf(stderr, "vxc: --output \"%s\": expected table, json, jsonl or raw\n", output);
        return VXC_EXIT_USAGE;
    }
    cli->timeout_ms = 5000;
    if (timeout != NULL && vxc_text_duration(timeout, &cli->timeout_ms) != VXC_OK) {
        (void)fprintf(stderr, "vxc: --timeout \"%s\": expected a time such as 500ms, 2s or 1m\n",
                      timeout);
        return VXC_EXIT_USAGE;
    }
    cli->quiet = vxc_cli_has(cli, VXC_OPTION_QUIET);
    cli->verbose = vxc_cli_has(cli, VXC_OPTION_VERBOSE) && !cli->quiet;
    const char *no_color = getenv("NO_COLOR");
    vxc_out_init(&cli->out, stdout, mode,
                 !vxc_cli_has(cli, VXC_OPTION_NO_COLOR) && (no_color == NULL || *no_color == '\0'));
    return 0;
}

/* Help that was asked for is data; a command that is not whole is a mistake. */
static int show_help(const struct vxc_cli *cli)
{
    const bool asked = vxc_cli_has(cli, VXC_OPTION_HELP);
    FILE *file = asked ? stdout : stderr;

    if (cli->family == NULL) {
        vxc_help_program(file);
    } else if (cli->command == NULL) {
        vxc_help_family(file, cli->family);
    } else {
        vxc_help_command(file, cli->family, cli->command);
    }
    return asked ? VXC_EXIT_DONE : VXC_EXIT_USAGE;
}

static void name_the_deed(struct vxc_cli *cli)
{
    struct vxc_buffer escaped = {0};
    const char *space = cli->command->name[0] != '\0' ? " " : "";

    if (cli->argc > 0 && vxc_text_escape(&escaped, vxc_slice_of_string(cli->argv[0])) == VXC_OK) {
        (void)snprintf(cli->doing, sizeof cli->doing, "%s%s%s %.*s", cli->family->name, space,
                       cli->command->name, escaped.size < 100 ? (int)escaped.size : 100,
                       (const char *)escaped.data);
    } else {
        (void)snprintf(cli->doing, sizeof cli->doing, "%s%s%s", cli->family->name, space,
                       cli->command->name);
    }
    vxc_buffer_free(&escaped);
}

static int finish_output(struct vxc_cli *cli, int status)
{
    const int failed = vxc_out_finish(&cli->out);

    if (failed == EPIPE) {
        return VXC_EXIT_SIGNAL + 13; /* who reads has enough: as SIGPIPE would have ended us */
    }
    if (failed != 0) {
        return vxc_cli_fail(cli, VXC_EXIT_REFUSED, "standard output: %s", strerror(failed));
    }
    return status;
}

static int run(struct vxc_cli *cli, int argc, char **argv)
{
    int rc = parse_words(cli, argc, argv);

    if (rc == 0) {
        rc = check_globals(cli);
    }
    if (rc != 0) {
        return rc;
    }
    if (cli->command == NULL || vxc_cli_has(cli, VXC_OPTION_HELP)) {
        return show_help(cli);
    }
    rc = check_arguments(cli);
    if (rc == 0) {
        name_the_deed(cli);
        if (cli->command->destructive) {
            rc = vxc_cli_confirm(cli);
        }
    }
    if (rc == 0) {
        rc = cli->command->run != NULL ? cli->command->run(cli) : vxc_cli_run_simple(cli);
        rc = finish_output(cli, rc);
    }
    return rc;
}

int vxc_cli_main(int argc, char **argv)
{
    struct vxc_cli cli = {0};
    int status;

    (void)setlocale(LC_CTYPE, "C.UTF-8"); /* for the width of what tables show */
    cli.argv = calloc((size_t)argc + 1, sizeof *cli.argv);
    if (cli.argv == NULL) {
        (void)fprintf(stderr, "vxc: out of memory\n");
        return VXC_EXIT_REFUSED;
    }
    status = run(&cli, argc, argv);
    vxc_client_free(cli.client);
    vxc_reply_free(&cli.kept);
    for (size_t i = 0; i < cli.inputs_count; i++) {
        vxc_buffer_free(&cli.inputs[i]);
    }
    free(cli.argv);
    return status;
}
