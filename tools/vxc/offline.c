/* dump --data: the state and the log from the files, of a stopped or a running node.
 *
 * The state is opened read-only, then the log; the log's durable tail is replayed in memory, so
 * that the rows are those that a restart would show. Nothing is written and no lock is taken.
 * Beside a running node all rows are of one moment: the reads stay within one transaction of LMDB.
 * Should the node drop log segments between the two openings, all is opened once more.
 */
#define _GNU_SOURCE /* mkdtemp, nftw */
#include "base/error.h"

#include "fsm/command.h"
#include "fsm/fsm.h"
#include "storage/log.h"
#include "storage/store.h"
#include "storage/table.h"
#include "storage/verify.h"
#include "tools/vxc/cli.h"
#include "wire/message.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define TRIES 3 /* openings, when the running node drops what was about to be read */

struct offline {
    struct vxc_cli *cli;
    char state_path[1024];
    char log_path[1024];
    char spare_path[64]; /* an empty store, when the node never made a commit; "" = none */
    struct vxc_log *log;
    struct vxc_store *store;
    struct vxc_table *table;
    struct vxc_fsm *fsm;
    struct vxc_error err;
};

/* ---- opening ---- */

static int find_folders(struct offline *o, const char *data)
{
    struct stat st;
    const int size = snprintf(o->state_path, sizeof o->state_path, "%s/state", data);

    if (size < 0 || (size_t)size >= sizeof o->state_path) {
        return vxc_cli_fail(o->cli, VXC_EXIT_USAGE, "the name of the folder is too long");
    }
    (void)snprintf(o->log_path, sizeof o->log_path, "%s/log", data);
    if (stat(data, &st) != 0) {
        return vxc_cli_fail(o->cli, VXC_EXIT_USAGE, "%s: %s", data, strerror(errno));
    }
    if (stat(o->log_path, &st) != 0 || !S_ISDIR(st.st_mode)) {
        return vxc_cli_fail(o->cli, VXC_EXIT_USAGE,
                            "%s: there is no log in it: is it the --data of a vxcd?", data);
    }
    return 0;
}

static int open_log(struct offline *o)
{
    const struct vxc_log_options options = {.read_only = true};
    return vxc_log_open(o->log_path, &options, &o->log, &o->err);
}

/* A node that was killed before its first commit has all in its log: replayed over nothing. */
static int open_nothing(struct offline *o)
{
    const struct vxc_store_options options = {.synchronous = true};
    const char *folder = getenv("TMPDIR");

    (void)snprintf(o->spare_path, sizeof o->spare_path, "%.40s/vxc-dump.XXXXXX",
                   folder == NULL || *folder == '\0' ? "/tmp" : folder);
    if (mkdtemp(o->spare_path) == NULL) {
        o->spare_path[0] = '\0';
        return vxc_error_set(&o->err, VXC_EIO, "a temporary folder: %s", strerror(errno));
    }
    return vxc_store_open(o->spare_path, &options, &o->store, &o->err);
}

static int open_state(struct offline *o)
{
    const struct vxc_store_options options = {.read_only = true};
    struct vxc_verify_report report;
    int rc = vxc_verify_state(o->state_path, &report, &o->err);

    if (rc == VXC_ENOTFOUND) {
        rc = open_nothing(o);
    } else if (rc == VXC_OK) {
        rc = vxc_store_open(o->state_path, &options, &o->store, &o->err);
    }
    if (rc == VXC_OK && vxc_table_create(o->store, VXC_CLEAN_BYTES_DEFAULT, &o->table) != VXC_OK) {
        rc = vxc_error_set(&o->err, VXC_ENOMEM, "%s", vxc_strerror(VXC_ENOMEM));
    }
    return rc != VXC_OK ? rc : vxc_fsm_create(o->table, &o->fsm, &o->err);
}

static void remove_spare(struct offline *o)
{
    char path[400];
    DIR *folder;
    const struct dirent *entry;

    if (o->spare_path[0] == '\0') {
        return;
    }
    folder = opendir(o->spare_path);
    while (folder != NULL && (entry = readdir(folder)) != NULL) {
        (void)snprintf(path, sizeof path, "%s/%s", o->spare_path, entry->d_name);
        (void)unlink(path); /* "." and ".." refuse, and are meant to */
    }
    if (folder != NULL) {
        (void)closedir(folder);
    }
    (void)rmdir(o->spare_path);
    o->spare_path[0] = '\0';
}

static void close_all(struct offline *o)
{
    vxc_fsm_free(o->fsm);
    vxc_table_free(o->table);
    vxc_store_close(o->store);
    vxc_log_close(o->log);
    o->fsm = NULL;
    o->table = NULL;
    o->store = NULL;
    o->log = NULL;
    remove_spare(o);
}

/* ---- the state ---- */

static int replay(struct offline *o)
{
    const uint64_t last = vxc_log_last_index(o->log);
    uint32_t skip = vxc_store_meta(o->store)->applied_position;

    for (uint64_t i = vxc_fsm_applied_index(o->fsm) + 1; i <= last; i++) {
        struct vxc_log_entry entry;
        int rc = vxc_log_get(o->log, i, &entry, &o->err);
        if (rc == VXC_OK && entry.type == VXC_LOG_COMMAND) {
            rc = vxc_fsm_apply(o->fsm, i, entry.term, entry.payload, false, skip, NULL, NULL,
                               &o->err);
            skip = 0;
        }
        if (rc != VXC_OK) {
            return rc;
        }
    }
    return VXC_OK;
}

static int open_and_replay(struct offline *o)
{
    int rc = open_state(o);

    if (rc == VXC_OK) {
        rc = open_log(o);
    }
    if (rc == VXC_OK && vxc_log_last_index(o->log) > vxc_fsm_applied_index(o->fsm) &&
        vxc_log_first_index(o->log) > vxc_fsm_applied_index(o->fsm) + 1) {
        return vxc_error_set(&o->err, VXC_ECORRUPT,
                             "%s begins at entry %" PRIu64 ", but the state ends at entry %" PRIu64,
                             o->log_path, vxc_log_first_index(o->log),
                             vxc_fsm_applied_index(o->fsm));
    }
    return rc != VXC_OK ? rc : replay(o);
}

/* One page of rows: the state machine counts the items of its pairs. *left counts what may be
 * shown. */
static int show_page(struct offline *o, struct vxc_slice rows, uint64_t *left)
{
    struct vxc_slice database, line;
    struct vxc_list list;

    if (vxc_list_read_items(rows, &list) != VXC_OK) {
        return vxc_cli_fail_code(o->cli, VXC_EPROTO, "a page of rows cannot be read");
    }
    while (*left > 0 && vxc_list_next_item(&list, &database) && vxc_list_next_item(&list, &line)) {
        vxc_cli_dump_row(o->cli, vxc_bytes(database.data, database.size),
                         vxc_bytes(line.data, line.size));
        (*left)--;
    }
    return 0;
}

static int show_rows(struct offline *o, uint64_t left)
{
    static const char *const columns[] = {"database", "row", NULL};
    struct vxc_command query = {.op = VXC_OP_DUMP};
    struct vxc_buffer cursor = {0};
    struct vxc_result result;
    int rc = 0;

    vxc_out_begin(&o->cli->out, columns);
    while (rc == 0 && left > 0) {
        vxc_fsm_query(o->fsm, &query, &result);
        if (result.code != VXC_OK) {
            rc = vxc_cli_fail_code(o->cli, result.code, result.text);
            break;
        }
        rc = show_page(o, result.value, &left);
        if (result.next.data == NULL) {
            break;
        }
        vxc_buffer_clear(&cursor);
        if (rc == 0 && vxc_buffer_append(&cursor, result.next.data, result.next.size) != VXC_OK) {
            rc = vxc_cli_fail_code(o->cli, VXC_ENOMEM, "");
        }
        query.key = vxc_buffer_slice(&cursor);
    }
    vxc_buffer_free(&cursor);
    if (rc == 0 && vxc_table_error(o->table, &o->err) != VXC_OK) {
        rc = vxc_cli_fail_code(o->cli, o->err.code, o->err.text);
    }
    if (rc == 0 || o->cli->out.rows > 0) {
        vxc_out_end(&o->cli->out);
    }
    return rc;
}

static int dump_state(struct offline *o, uint64_t left)
{
    int rc = open_and_replay(o);

    for (int i = 1; i < TRIES && (rc == VXC_ECORRUPT || rc == VXC_ENOTFOUND); i++) {
        close_all(o); /* damage stays, a running node's truncation does not */
        rc = open_and_replay(o);
    }
    return rc != VXC_OK ? vxc_cli_fail_code(o->cli, rc, o->err.text) : show_rows(o, left);
}

/* ---- the log ---- */

/* {"index":…,"term":…,"type":"…"} in front of what the command says of itself. */
static void show_line(struct offline *o, const struct vxc_log_entry *entry, const char *type,
                      const struct vxc_entry_head *head, uint32_t position,
                      struct vxc_slice described)
{
    struct vxc_cli *cli = o->cli;
    const bool json = cli->out.mode == VXC_OUT_JSON;
    char text[200];
    int size =
        snprintf(text, sizeof text, "%s{\"index\":%" PRIu64 ",\"term\":%" PRIu64 ",\"type\":\"%s\"",
                 !json                ? ""
                 : cli->out.rows == 0 ? "["
                                      : ",\n ",
                 entry->index, entry->term, type);

    if (head != NULL) {
        size +=
            snprintf(text + size, sizeof text - (size_t)size,
                     ",\"stamp_ms\":%" PRIu64 ",\"position\":%" PRIu32, head->stamp_ms, position);
    }
    vxc_out_plain(&cli->out, vxc_slice(text, (size_t)size));
    if (described.size > 2) { /* its members, without the opening brace */
        vxc_out_plain(&cli->out, vxc_slice_of_string(","));
        vxc_out_plain(&cli->out, vxc_slice(described.data + 1, described.size - 1));
    } else {
        vxc_out_plain(&cli->out, vxc_slice_of_string("}"));
    }
    vxc_out_plain(&cli->out, vxc_slice_of_string(json ? "" : "\n"));
    cli->out.rows++;
}

static int fail_entry(struct offline *o, uint64_t index, int code, const char *what)
{
    return vxc_cli_fail(o->cli, vxc_cli_exit_of(o->cli, code), "%s: entry %" PRIu64 ": %s",
                        o->log_path, index, what);
}

static int show_commands(struct offline *o, const struct vxc_log_entry *entry, uint64_t *left)
{
    struct vxc_buffer described = {0};
    struct vxc_entry_head head;
    struct vxc_slice rest, bytes;
    int rc = vxc_entry_read_head(entry->payload, &head, &rest);

    if (rc != VXC_OK) {
        return fail_entry(o, entry->index, rc, "not an entry that this version knows");
    }
    if (head.count == 0) {
        show_line(o, entry, "tick", &head, 0, vxc_slice(NULL, 0));
        (*left)--;
    }
    for (uint32_t i = 0; rc == VXC_OK && *left > 0 && i < head.count; i++) {
        struct vxc_command command;
        vxc_buffer_clear(&described);
        rc = vxc_entry_next(&rest, &bytes);
        rc = rc != VXC_OK ? rc : vxc_command_decode(bytes, &command);
        rc = rc != VXC_OK ? rc : vxc_command_describe(&command, &described);
        if (rc == VXC_OK) {
            show_line(o, entry, "command", &head, i, vxc_buffer_slice(&described));
            (*left)--;
        }
    }
    vxc_buffer_free(&described);
    return rc != VXC_OK ? fail_entry(o, entry->index, rc, "a command that cannot be read") : 0;
}

static int dump_log(struct offline *o, uint64_t left)
{
    static const char *const columns[] = {"entry", NULL};
    int rc = open_log(o);

    if (rc != VXC_OK) {
        return vxc_cli_fail_code(o->cli, rc, o->err.text);
    }
    vxc_out_begin(&o->cli->out, columns);
    for (uint64_t i = vxc_log_first_index(o->log);
         rc == 0 && left > 0 && i <= vxc_log_last_index(o->log); i++) {
        struct vxc_log_entry entry;
        rc = vxc_log_get(o->log, i, &entry, &o->err);
        if (rc != VXC_OK) {
            rc = vxc_cli_fail_code(o->cli, rc, o->err.text);
        } else if (entry.type == VXC_LOG_COMMAND) {
            rc = show_commands(o, &entry, &left);
        } else {
            show_line(o, &entry, entry.type == VXC_LOG_CHANGE ? "configuration" : "barrier", NULL,
                      0, vxc_slice(NULL, 0));
            left--;
        }
    }
    if (o->cli->out.mode == VXC_OUT_JSON && (rc == 0 || o->cli->out.rows > 0)) {
        vxc_out_end(&o->cli->out);
    }
    return rc;
}

int vxc_run_dump_offline(struct vxc_cli *cli)
{
    struct offline *o = calloc(1, sizeof *o);
    uint64_t left;
    int rc;

    if (o == NULL) {
        return vxc_cli_fail_code(cli, VXC_ENOMEM, "");
    }
    o->cli = cli;
    rc = vxc_cli_count(cli, VXC_OPTION_LIMIT, 0, UINT64_MAX, UINT64_MAX, &left);
    rc = rc != 0 ? rc : find_folders(o, cli->value[VXC_OPTION_DATA]);
    if (rc == 0) {
        rc = vxc_cli_has(cli, VXC_OPTION_LOG) ? dump_log(o, left) : dump_state(o, left);
    }
    close_all(o);
    free(o);
    return rc;
}
