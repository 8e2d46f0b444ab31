/* watch: events as JSON lines, one object per event. */
#include "base/error.h"

#include "tools/vxc/cli.h"
#include "tools/vxc/text.h"

#include <inttypes.h>
#include <sys/signalfd.h>
#include <unistd.h>

struct watcher {
    struct vxc_cli *cli;
    uint64_t seen;
    uint64_t count_max;
    bool lost;
    struct vxc_buffer line;
};

static const struct {
    const char *name;
    int watched;
    int args_min, args_max; /* behind the kind */
} kinds[] = {
    {"map", VXC_WATCHED_MAP, 1, 2},
    {"set", VXC_WATCHED_SET, 1, 2},
    {"multimap", VXC_WATCHED_MULTIMAP, 1, 2},
    {"counter", VXC_WATCHED_COUNTER, 1, 1},
    {"lock", VXC_WATCHED_LOCK, 1, 1},
    {"members", VXC_WATCHED_MEMBERS, 0, 0},
    {"registrations", VXC_WATCHED_REGISTRATIONS, 0, 1},
};

#define KINDS_COUNT (sizeof kinds / sizeof kinds[0])

static const char *event_name(int type)
{
    switch (type) {
    case VXC_NOTICE_PUT:
        return "put";
    case VXC_NOTICE_REMOVE:
        return "remove";
    case VXC_NOTICE_EXPIRE:
        return "expire";
    case VXC_NOTICE_CLEAR:
        return "clear";
    case VXC_NOTICE_DESTROY:
        return "destroy";
    case VXC_NOTICE_LOCKED:
        return "locked";
    case VXC_NOTICE_UNLOCKED:
        return "unlocked";
    case VXC_NOTICE_NODE_JOINED:
        return "joined";
    case VXC_NOTICE_NODE_LEFT:
        return "left";
    case VXC_NOTICE_NODE_INFO:
        return "info";
    case VXC_NOTICE_REGISTRATIONS:
        return "registrations";
    case VXC_NOTICE_RESYNC:
        return "resync";
    default:
        return "unknown";
    }
}

/* ---- one line ---- */

static struct vxc_slice slice_of(struct vxc_bytes bytes)
{
    return vxc_slice(bytes.data, bytes.size);
}

/* Out of memory shows when the line is written: it is then empty. */
static void put(struct watcher *w, const char *text)
{
    (void)vxc_buffer_append(&w->line, text, strlen(text));
}

static void put_bytes(struct watcher *w, const char *name, struct vxc_bytes bytes)
{
    if (bytes.data != NULL) {
        put(w, ",");
        (void)vxc_text_json_member(&w->line, name, slice_of(bytes));
    }
}

static void put_number(struct watcher *w, const char *name, int64_t number)
{
    char text[64];
    (void)snprintf(text, sizeof text, ",\"%s\":%" PRId64, name, number);
    put(w, text);
}

static void put_view(struct watcher *w, const char *name, struct vxc_rows view, bool pairs)
{
    struct vxc_bytes first, second;
    bool comma = false;

    put(w, ",\"");
    put(w, name);
    put(w, "\":[");
    while (vxc_rows_next(&view, &first, &second)) {
        put(w, comma ? ",{" : "{");
        (void)vxc_text_json_member(&w->line, "node", slice_of(first));
        if (pairs) {
            put_bytes(w, "data", second);
        }
        put(w, "}");
        comma = true;
    }
    put(w, "]");
}

static void put_event(struct watcher *w, const struct vxc_notice *n)
{
    put(w, "{\"event\":\"");
    put(w, event_name(n->type));
    put(w, "\"");
    switch (n->watched) {
    case VXC_WATCHED_MEMBERS:
        put_bytes(w, "node", n->key);
        put_bytes(w, "info", n->value);
        put_number(w, "epoch", n->number);
        put_view(w, "members", n->view, false);
        break;
    case VXC_WATCHED_REGISTRATIONS:
        put_bytes(w, "address", n->name);
        put_view(w, "registrations", n->view, true);
        break;
    case VXC_WATCHED_COUNTER:
        put_bytes(w, "name", n->name);
        put_number(w, "value", n->number);
        break;
    case VXC_WATCHED_LOCK:
        put_bytes(w, "name", n->name);
        put_number(w, "token", (int64_t)n->token);
        break;
    case 0: /* resync */
        break;
    default:
        put_bytes(w, "name", n->name);
        put_bytes(w, "key", n->key);
        put_bytes(w, "value", n->value);
        break;
    }
    put_number(w, "index", (int64_t)n->index);
    put(w, "}\n");
}

static void on_notice(void *data, const struct vxc_notice *notice)
{
    struct watcher *w = data;

    if (notice->type == VXC_NOTICE_SESSION_EXPIRED || notice->type == VXC_NOTICE_SESSION_CLOSED) {
        w->lost = true;
        return;
    }
    if ((notice->watched == 0 && notice->type != VXC_NOTICE_RESYNC) || w->seen == w->count_max) {
        return;
    }
    vxc_buffer_clear(&w->line);
    put_event(w, notice);
    vxc_out_plain(&w->cli->out, vxc_buffer_slice(&w->line));
    w->seen += notice->type != VXC_NOTICE_RESYNC;
}

/* ---- the command ---- */

static int find_kind(struct vxc_cli *cli, size_t *kind)
{
    const char *words[KINDS_COUNT];

    for (*kind = 0; *kind < KINDS_COUNT; (*kind)++) {
        words[*kind] = kinds[*kind].name;
        if (strcmp(cli->argv[0], kinds[*kind].name) == 0) {
            const int more = cli->argc - 1;
            if (more >= kinds[*kind].args_min && more <= kinds[*kind].args_max) {
                return 0;
            }
            return vxc_cli_fail(cli, VXC_EXIT_USAGE, "%s",
                                more < kinds[*kind].args_min ? "of what name?"
                                                             : "too many arguments");
        }
    }
    const char *meant = vxc_text_suggest(cli->argv[0], words, KINDS_COUNT);
    return vxc_cli_fail(
        cli, VXC_EXIT_USAGE,
        "expected map, set, multimap, counter, lock, members or registrations%s%s%s",
        meant != NULL ? "; did you mean \"" : "", meant != NULL ? meant : "",
        meant != NULL ? "\"?" : "");
}

static int add_watch(struct vxc_cli *cli, size_t kind)
{
    struct vxc_request request = vxc_request(VXC_CALL_WATCH_ADD);
    struct vxc_reply reply;
    int rc = 0;

    request.what = kinds[kind].watched;
    request.name = cli->argc > 1 ? vxc_text(cli->argv[1]) : vxc_text("");
    if (cli->argc > 2) {
        rc = vxc_cli_bytes(cli, cli->argv[2], vxc_cli_has(cli, VXC_OPTION_KEY64), false,
                           &request.key);
    }
    return rc != 0 ? rc : vxc_cli_call(cli, &request, &reply);
}

/* Until enough was seen, a signal came (its status), or the session ended. */
static int watch(struct watcher *w, int signals)
{
    struct signalfd_siginfo info;

    while (w->seen < w->count_max && !w->lost) {
        (void)fflush(stdout); /* a failed write is seen below */
        if (ferror(stdout)) {
            return VXC_EXIT_DONE; /* who reads has enough; finish tells */
        }
        if (vxc_cli_poll(w->cli, signals, -1) && read(signals, &info, sizeof info) > 0) {
            return VXC_EXIT_SIGNAL + (int)info.ssi_signo;
        }
    }
    return w->lost ? vxc_cli_fail_code(w->cli, VXC_ESESSION,
                                       "the session has ended; events may be missing from here on")
                   : VXC_EXIT_DONE;
}

static int run_watch(struct vxc_cli *cli)
{
    struct watcher w = {.cli = cli};
    uint32_t lease_ms;
    size_t kind;
    int signals = -1;
    int rc = find_kind(cli, &kind);

    if (rc == 0) {
        rc = vxc_cli_count(cli, VXC_OPTION_COUNT, 1, UINT64_MAX, UINT64_MAX, &w.count_max);
    }
    if (rc == 0) {
        rc = vxc_cli_lease(cli, &lease_ms);
    }
    if (rc == 0) {
        rc = vxc_cli_signals(cli, 0, &signals);
    }
    if (rc == 0) {
        rc = vxc_cli_session(cli, lease_ms);
    }
    if (rc == 0) {
        cli->data = &w;
        cli->on_notice = on_notice;
        rc = add_watch(cli, kind);
    }
    if (rc == 0) {
        vxc_cli_say(cli, "watching %s", cli->argc > 1 ? cli->argv[1] : cli->argv[0]);
        rc = watch(&w, signals);
        cli->on_notice = NULL;
        (void)vxc_client_session_close(cli->client); /* else its lease ends it */
    }
    vxc_buffer_free(&w.line);
    return rc;
}

const struct vxc_cli_command vxc_watch_commands[] = {
    {.name = "",
     .arguments =
         "map|set|multimap NAME [KEY] | counter|lock NAME | members | registrations [ADDRESS]",
     .help = "show changes as JSON lines until a signal, or --count N",
     .args_min = 1,
     .args_max = 3,
     .options = VXC_OPTION_BIT(COUNT) | VXC_OPTION_BIT(LEASE) | VXC_OPTION_BIT(KEY64),
     .run = run_watch},
    {0},
};
