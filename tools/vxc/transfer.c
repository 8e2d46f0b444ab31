/* map import and map export: entries as JSON lines.
 *
 *   {"key":"…","value":"…"}   text; key64, value64: base64 of any bytes; ttl_ms: optional, import
 * only
 *
 * Import keeps hundreds of puts under way within one session, so that each takes effect once,
 * however often the server restarts meanwhile. Two lines of the same key are never under way
 * together: the later one wins. A key goes to the file of --acked when its put is acknowledged: the
 * text as it stands, or "base64:…" when it was given as key64, holds a line break, or begins with
 * "base64:" itself. What was acknowledged between two waits for the server is written by one
 * write(2).
 */
#include "base/check.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/limits.h"

#include "tools/vxc/cli.h"
#include "tools/vxc/lines.h"
#include "tools/vxc/text.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define uthash_fatal(message) vxc_fatal("import: %s", message)
#include <uthash.h>

#define PIPELINE_DEFAULT   512u
#define PIPELINE_MAX       4000u           /* below the client's own bound */
#define INFLIGHT_BYTES_MAX (16u * VXC_MIB) /* or one larger entry */
#define LINE_SIZE_MAX      (32u * VXC_MIB) /* a largest value as base64 fits */
#define PROGRESS_MS        100u

/* ---- one entry under way ---- */

struct import;

struct entry {
    struct import *import;
    uint64_t line;
    size_t size;             /* counted against INFLIGHT_BYTES_MAX */
    struct vxc_buffer acked; /* its line of the acked file */
    UT_hash_handle hh;       /* by key */
    size_t key_size;
    uint8_t key[];
};

struct import {
    struct vxc_cli *cli;
    struct vxc_bytes map;
    struct vxc_lines lines;
    uint64_t pipeline;
    int acked_fd; /* -1 = none */
    struct vxc_buffer acked;
    struct entry *under_way; /* hash by key */
    size_t bytes_under_way;
    uint64_t done;
    uint64_t progress_ms; /* last acknowledgement, or the begin */
    uint64_t began_ms;
    uint64_t shown_ms;
    uint64_t input_size; /* bytes of a regular file, else 0 */
    bool bar;
    int status; /* of the first failure */
};

static uint64_t now_ms(void)
{
    return vxc_clock_ms(vxc_clock_system());
}

static struct vxc_slice slice_of(struct vxc_bytes bytes)
{
    return vxc_slice(bytes.data, bytes.size);
}

/* ---- a line into a put ---- */

struct parsed {
    json_t *object; /* owns the text that key and value may point into */
    struct vxc_buffer decoded[2];
    struct vxc_bytes key, value;
    bool key64;
    uint64_t ttl_ms;
};

static void parsed_free(struct parsed *p)
{
    json_decref(p->object);
    vxc_buffer_free(&p->decoded[0]);
    vxc_buffer_free(&p->decoded[1]);
}

static int fail_line(struct import *import, const char *what)
{
    return vxc_cli_fail(import->cli, VXC_EXIT_USAGE, "line %" PRIu64 ": %s", import->lines.number,
                        what);
}

static int take_bytes(struct import *import, const json_t *member, const char *name, bool base64,
                      struct vxc_buffer *decoded, struct vxc_bytes *bytes)
{
    char text[96];

    if (bytes->data != NULL) {
        (void)snprintf(text, sizeof text, "the %.5s is given twice", name);
        return fail_line(import, text);
    }
    if (!json_is_string(member)) {
        (void)snprintf(text, sizeof text, "\"%s\" must be a string", name);
        return fail_line(import, text);
    }
    *bytes = vxc_bytes(json_string_value(member), json_string_length(member));
    if (base64) {
        if (vxc_text_base64_decode(slice_of(*bytes), decoded) != VXC_OK) {
            (void)snprintf(text, sizeof text, "\"%s\" is not base64", name);
            return fail_line(import, text);
        }
        *bytes = vxc_bytes(decoded->data == NULL ? "" : (const void *)decoded->data, decoded->size);
    }
    return 0;
}

static int take_member(struct import *import, const char *name, const json_t *member,
                       struct parsed *p)
{
    char text[160];

    if (strcmp(name, "key") == 0 || strcmp(name, "key64") == 0) {
        p->key64 = name[3] != '\0';
        return take_bytes(import, member, name, p->key64, &p->decoded[0], &p->key);
    }
    if (strcmp(name, "value") == 0 || strcmp(name, "value64") == 0) {
        return take_bytes(import, member, name, name[5] != '\0', &p->decoded[1], &p->value);
    }
    if (strcmp(name, "ttl_ms") == 0) {
        if (!json_is_integer(member) || json_integer_value(member) < 0) {
            return fail_line(import, "\"ttl_ms\" must be a number of milliseconds");
        }
        p->ttl_ms = (uint64_t)json_integer_value(member);
        return 0;
    }
    (void)snprintf(text, sizeof text,
                   "unknown member \"%.40s\"; expected key or key64, value or "
                   "value64",
                   name);
    return fail_line(import, text);
}

static int parse_line(struct import *import, struct vxc_slice line, struct parsed *p)
{
    json_error_t error;
    const char *name;
    json_t *member;
    char text[300];

    p->object = json_loadb((const char *)line.data, line.size,
                           JSON_ALLOW_NUL | JSON_REJECT_DUPLICATES, &error);
    if (p->object == NULL) {
        (void)snprintf(text, sizeof text, "not JSON: %s (column %d)", error.text, error.column);
        return fail_line(import, text);
    }
    if (!json_is_object(p->object)) {
        return fail_line(import, "not an object such as {\"key\":\"a\",\"value\":\"b\"}");
    }
    json_object_foreach(p->object, name, member)
    {
        const int rc = take_member(import, name, member, p);
        if (rc != 0) {
            return rc;
        }
    }
    if (p->key.data == NULL || p->value.data == NULL) {
        return fail_line(import, p->key.data == NULL ? "there is no key (key or key64)"
                                                     : "there is no value (value or value64)");
    }
    return 0;
}

/* ---- acknowledgements ---- */

static int make_acked_line(const struct parsed *p, struct vxc_buffer *out)
{
    const struct vxc_slice key = slice_of(p->key);
    static const char prefix[] = "base64:";
    const size_t size = sizeof prefix - 1;
    const bool plain = !p->key64 && (key.size == 0 || memchr(key.data, '\n', key.size) == NULL) &&
                       !(key.size >= size && memcmp(key.data, prefix, size) == 0);
    int rc;

    if (plain) {
        rc = vxc_buffer_append(out, key.data, key.size);
    } else {
        rc = vxc_buffer_append(out, prefix, size);
        rc = rc != VXC_OK ? rc : vxc_text_base64(out, key);
    }
    return rc != VXC_OK ? rc : vxc_buffer_put_u8(out, '\n');
}

static void on_put(void *data, const struct vxc_reply *reply)
{
    struct entry *entry = data;
    struct import *import = entry->import;

    HASH_DEL(import->under_way, entry);
    import->bytes_under_way -= entry->size;
    import->progress_ms = now_ms();
    if (reply->code == VXC_OK) {
        import->done++;
        if (import->acked_fd >= 0 &&
            vxc_buffer_append(&import->acked, entry->acked.data, entry->acked.size) != VXC_OK) {
            vxc_fatal("out of memory for the acknowledged keys");
        }
    } else if (import->status == 0 && reply->code != VXC_ECANCELED) {
        import->status = vxc_cli_exit_of(import->cli, reply->code);
        (void)vxc_cli_fail(import->cli, import->status, "line %" PRIu64 ": %s", entry->line,
                           reply->message);
    }
    vxc_buffer_free(&entry->acked);
    free(entry);
}

/* One write for all that came together; a file that cannot be written ends the import. */
static void write_acked(struct import *import)
{
    size_t at = 0;

    while (at < import->acked.size) {
        const ssize_t n = write(import->acked_fd, import->acked.data + at, import->acked.size - at);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n <= 0) {
            if (import->status == 0) {
                import->status =
                    vxc_cli_fail(import->cli, VXC_EXIT_REFUSED, "%s: %s",
                                 import->cli->value[VXC_OPTION_ACKED], strerror(errno));
            }
            break;
        }
        at += (size_t)n;
    }
    vxc_buffer_clear(&import->acked);
}

static bool is_under_way(struct import *import, struct vxc_bytes key)
{
    struct entry *found;
    vxc_check(key.data != NULL); /* as parse_line() made sure */
    HASH_FIND(hh, import->under_way, key.data, key.size, found);
    return found != NULL;
}

static int submit(struct import *import, const struct parsed *p)
{
    struct vxc_request put = vxc_request(VXC_CALL_MAP_PUT);
    struct entry *entry = calloc(1, sizeof *entry + p->key.size);
    int rc;

    vxc_check(p->key.data != NULL && p->value.data != NULL); /* as parse_line() made sure */
    if (entry == NULL || make_acked_line(p, &entry->acked) != VXC_OK) {
        free(entry);
        return vxc_cli_fail_code(import->cli, VXC_ENOMEM, "");
    }
    entry->import = import;
    entry->line = import->lines.number;
    entry->size = p->key.size + p->value.size;
    entry->key_size = p->key.size;
    memcpy(entry->key, p->key.data, p->key.size);
    put.name = import->map;
    put.key = p->key;
    put.value = p->value;
    put.ttl_ms = p->ttl_ms;
    put.timeout_ms = -1; /* the import as a whole gives up when nothing is acknowledged any more */
    rc = vxc_client_submit(import->cli->client, &put, entry, on_put);
    if (rc != VXC_OK) {
        vxc_buffer_free(&entry->acked);
        free(entry);
        return vxc_cli_fail(import->cli, vxc_cli_exit_of(import->cli, rc), "line %" PRIu64 ": %s",
                            import->lines.number, vxc_client_message(import->cli->client));
    }
    HASH_ADD_KEYPTR(hh, import->under_way, entry->key, entry->key_size, entry);
    import->bytes_under_way += entry->size;
    return 0;
}

/* ---- progress ---- */

static void show_progress(struct import *import, bool last)
{
    const uint64_t now = now_ms();
    const uint64_t took_ms = now - import->began_ms;
    const double rate = took_ms == 0 ? 0 : (double)import->done * 1000 / (double)took_ms;
    char bar[31];

    if (!import->bar || (!last && now - import->shown_ms < PROGRESS_MS)) {
        return;
    }
    import->shown_ms = now;
    if (import->input_size == 0) {
        (void)fprintf(stderr, "\r%" PRIu64 " entries  %.0f/s ", import->done, rate);
    } else {
        const double part = (double)import->lines.bytes_taken / (double)import->input_size;
        const size_t filled = part >= 1 ? sizeof bar - 1 : (size_t)(part * (sizeof bar - 1));
        memset(bar, ' ', sizeof bar - 1);
        memset(bar, '#', filled);
        bar[sizeof bar - 1] = '\0';
        (void)fprintf(stderr, "\r[%s] %3.0f%%  %" PRIu64 " entries  %.0f/s ", bar,
                      part >= 1 ? 100 : part * 100, import->done, rate);
    }
    if (last) {
        (void)fputc('\n', stderr);
    }
}

/* ---- the import ---- */

/* Submits what may go; *wants_input when more lines would be welcome. */
static void submit_lines(struct import *import, struct parsed *held, bool *wants_input)
{
    *wants_input = false;
    while (import->status == 0 && vxc_client_pending(import->cli->client) < import->pipeline &&
           import->bytes_under_way < INFLIGHT_BYTES_MAX) {
        if (held->object == NULL) {
            struct vxc_slice line;
            if (!vxc_lines_next(&import->lines, &line)) {
                *wants_input = !import->lines.at_end;
                return;
            }
            import->status = parse_line(import, line, held);
        }
        if (import->status == 0 && is_under_way(import, held->key)) {
            return; /* the later line of a key waits for the earlier one */
        }
        if (import->status == 0) {
            import->status = submit(import, held);
        }
        parsed_free(held);
        *held = (struct parsed){0};
    }
}

static bool has_stalled(struct import *import)
{
    return vxc_client_pending(import->cli->client) > 0 &&
           now_ms() - import->progress_ms > import->cli->timeout_ms;
}

static void run_import(struct import *import)
{
    struct parsed held = {0};
    struct vxc_client *client = import->cli->client;

    for (;;) {
        bool wants_input;
        const bool idle = vxc_client_pending(client) == 0;
        submit_lines(import, &held, &wants_input);
        if (idle) {
            import->progress_ms = now_ms(); /* waiting for input is no stall */
        }
        if (vxc_client_pending(client) == 0 && !wants_input && held.object == NULL) {
            break;
        }
        if (vxc_cli_poll(import->cli, wants_input ? import->lines.fd : -1, PROGRESS_MS)) {
            const int rc = vxc_lines_read(&import->lines);
            if (rc != VXC_OK && import->status == 0) {
                import->status =
                    fail_line(import, rc == VXC_ETOOBIG ? "the line is too long" : strerror(errno));
            }
        }
        write_acked(import);
        show_progress(import, false);
        if (has_stalled(import)) {
            import->status = vxc_cli_fail(
                import->cli, VXC_EXIT_TIMEOUT,
                "nothing was acknowledged for %" PRIu64 " ms (%s); whether the last %zu entries "
                "took effect is not known",
                import->cli->timeout_ms, vxc_client_message(client), vxc_client_pending(client));
            break;
        }
    }
    parsed_free(&held);
    show_progress(import, true);
}

static int open_input(struct import *import, const char *path)
{
    struct stat st;
    int fd = STDIN_FILENO;

    if (strcmp(path, "-") != 0) {
        fd = open(path, O_RDONLY | O_CLOEXEC);
        if (fd < 0) {
            return vxc_cli_fail(import->cli, VXC_EXIT_USAGE, "%s: %s", path, strerror(errno));
        }
    }
    if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode)) {
        import->input_size = (uint64_t)st.st_size;
    }
    vxc_lines_init(&import->lines, fd, LINE_SIZE_MAX);
    return 0;
}

static int open_acked(struct import *import)
{
    const char *path = import->cli->value[VXC_OPTION_ACKED];

    import->acked_fd = -1;
    if (path != NULL) {
        import->acked_fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
        if (import->acked_fd < 0) {
            return vxc_cli_fail(import->cli, VXC_EXIT_USAGE, "%s: %s", path, strerror(errno));
        }
    }
    return 0;
}

static void show_summary(struct import *import)
{
    static const char *const columns[] = {"imported", "seconds", NULL};
    const double seconds = (double)(now_ms() - import->began_ms) / 1000;
    char text[32];

    if (import->cli->out.mode == VXC_OUT_JSON || import->cli->out.mode == VXC_OUT_JSONL) {
        (void)snprintf(text, sizeof text, "%.3f", seconds);
        vxc_out_begin_single(&import->cli->out, columns);
        vxc_out_u64(&import->cli->out, import->done);
        vxc_out_json(&import->cli->out, vxc_slice_of_string(text));
        vxc_out_end_row(&import->cli->out);
        vxc_out_end(&import->cli->out);
    } else {
        vxc_cli_say(import->cli, "%" PRIu64 " entries imported in %.1f s", import->done, seconds);
    }
}

static uint32_t import_lease(const struct vxc_cli *cli)
{
    /* Longer than a restart that the import is to survive. */
    const uint64_t lease_ms = 2 * cli->timeout_ms + VXC_SESSION_TIMEOUT_MS_DEFAULT;
    return lease_ms < VXC_SESSION_TIMEOUT_MS_MAX ? (uint32_t)lease_ms : VXC_SESSION_TIMEOUT_MS_MAX;
}

int vxc_run_map_import(struct vxc_cli *cli)
{
    struct import import = {.cli = cli, .map = vxc_text(cli->argv[0]), .acked_fd = -1};
    int rc = vxc_cli_count(cli, VXC_OPTION_PIPELINE, 1, PIPELINE_MAX, PIPELINE_DEFAULT,
                           &import.pipeline);

    if (rc == 0) {
        rc = open_input(&import, cli->argv[1]);
    }
    if (rc == 0) {
        rc = open_acked(&import);
    }
    if (rc == 0) {
        rc = vxc_cli_session(cli, import_lease(cli));
    }
    if (rc == 0) {
        import.began_ms = import.progress_ms = now_ms();
        import.bar = isatty(STDERR_FILENO) == 1 && !cli->quiet;
        run_import(&import);
        rc = import.status;
        if (rc == 0) {
            (void)vxc_client_session_close(cli->client); /* else its lease ends it */
            show_summary(&import);
        } else {
            vxc_cli_say(cli, "%" PRIu64 " entries were imported before", import.done);
        }
    }
    vxc_client_free(cli->client); /* ends what is under way, while it can still be told */
    cli->client = NULL;
    write_acked(&import);
    if (import.acked_fd >= 0 && close(import.acked_fd) != 0 && rc == 0) {
        rc = vxc_cli_fail(cli, VXC_EXIT_REFUSED, "%s: %s", cli->value[VXC_OPTION_ACKED],
                          strerror(errno));
    }
    vxc_buffer_free(&import.acked);
    vxc_lines_free(&import.lines);
    return rc;
}

/* ---- export ---- */

static void on_row(struct vxc_cli *cli, struct vxc_bytes first, struct vxc_bytes second)
{
    struct vxc_buffer *line = &cli->out.line;

    vxc_buffer_clear(line);
    if (vxc_buffer_put_u8(line, '{') != VXC_OK ||
        vxc_text_json_member(line, "key", slice_of(first)) != VXC_OK ||
        vxc_buffer_put_u8(line, ',') != VXC_OK ||
        vxc_text_json_member(line, "value", slice_of(second)) != VXC_OK ||
        vxc_buffer_append(line, "}\n", 2) != VXC_OK) {
        vxc_fatal("out of memory for a line of the export");
    }
    vxc_out_plain(&cli->out, vxc_buffer_slice(line));
}

int vxc_run_map_export(struct vxc_cli *cli)
{
    struct vxc_request request = vxc_request(VXC_CALL_MAP_SCAN);

    request.name = vxc_text(cli->argv[0]);
    request.what = VXC_ROWS_ENTRIES;
    request.limit_bytes = VXC_SCAN_PAGE_BYTES_MAX;
    return vxc_cli_pages(cli, &request, on_row);
}
