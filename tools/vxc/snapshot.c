/* snapshot: files that hold a whole state, looked at and unpacked without a server. Saving, which
 * needs one, and restoring have files of their own. */
#include "base/error.h"

#include "fsm/fsm.h"
#include "storage/image.h"
#include "tools/vxc/cli.h"
#include "tools/vxc/progress.h"
#include "tools/vxc/snapshot.h"
#include "tools/vxc/text.h"

#include <inttypes.h>

/* ---- how it ends ---- */

int vxc_snapshot_fail(struct vxc_cli *cli, const struct vxc_progress_bar *bar, int code,
                      const struct vxc_error *err)
{
    int status = vxc_cli_exit_of(cli, code);

    if (code == VXC_ECANCELED && bar->signal_seen != 0) {
        return vxc_cli_fail(cli, VXC_EXIT_SIGNAL + bar->signal_seen, "interrupted");
    }
    switch (code) {
    case VXC_EVERSION:
    case VXC_ENOTFOUND:
    case VXC_EREADONLY:
        status = VXC_EXIT_USAGE;
        break;
    case VXC_EEXISTS:
        status = VXC_EXIT_UNSAFE;
        break;
    default:
        break;
    }
    return vxc_cli_fail(cli, status, "%s", err->text[0] != '\0' ? err->text : vxc_strerror(code));
}

/* ---- verify, inspect ---- */

static int run_verify(struct vxc_cli *cli)
{
    struct vxc_progress_bar bar;
    struct vxc_image_info info;
    struct vxc_error err = {0};
    int rc = vxc_progress_begin(cli, &bar);

    if (rc != 0) {
        return rc;
    }
    rc = vxc_image_verify(cli->argv[0], NULL, &bar.hooks, &info, &err);
    vxc_progress_end(&bar);
    return rc != VXC_OK ? vxc_snapshot_fail(cli, &bar, rc, &err)
                        : vxc_snapshot_show(cli, vxc_snapshot_describe(&info, cli->argv[0]));
}

static int run_inspect(struct vxc_cli *cli)
{
    struct vxc_progress_bar bar;
    struct vxc_image_view view;
    struct vxc_error err = {0};
    json_t *all;
    int rc = vxc_progress_begin(cli, &bar);

    if (rc != 0) {
        return rc;
    }
    rc = vxc_image_view_open(cli->argv[0], NULL, &bar.hooks, &view, &err);
    vxc_progress_end(&bar);
    if (rc != VXC_OK) {
        return vxc_snapshot_fail(cli, &bar, rc, &err);
    }
    all = vxc_snapshot_describe(&view.info, cli->argv[0]);
    rc = vxc_snapshot_find_largest(view.store, all, &err);
    vxc_image_view_close(&view);
    if (rc != VXC_OK) {
        json_decref(all);
        return vxc_snapshot_fail(cli, &bar, rc, &err);
    }
    return vxc_snapshot_show(cli, all);
}

/* ---- extract ---- */

static int run_extract(struct vxc_cli *cli)
{
    struct vxc_progress_bar bar;
    struct vxc_image_info info;
    struct vxc_error err = {0};
    int rc = vxc_progress_begin(cli, &bar);

    if (rc != 0) {
        return rc;
    }
    rc = vxc_image_extract(cli->argv[0], cli->argv[1], &bar.hooks, &info, &err);
    vxc_progress_end(&bar);
    if (rc != VXC_OK) {
        return vxc_snapshot_fail(cli, &bar, rc, &err);
    }
    vxc_cli_say(cli, "%s/data.mdb: %" PRIu64 " bytes, index %" PRIu64 "; look: mdb_stat -a %s",
                cli->argv[1], info.raw_bytes, info.applied_index, cli->argv[1]);
    return VXC_EXIT_DONE;
}

/* ---- diff ---- */

static void show_difference(void *data, const struct vxc_image_difference *d)
{
    struct vxc_cli *cli = data;
    struct vxc_slice header = d->after_header.data != NULL ? d->after_header : d->before_header;
    json_t *described =
        header.data == NULL ? NULL : vxc_snapshot_describe_header(d->db, d->object_id, header);
    json_t *item = json_object();
    const char *name;
    const char *coded;
    struct vxc_buffer decoded = {0};

    vxc_snapshot_take_name(item, described);
    name = json_string_value(json_object_get(item, "name"));
    coded = json_string_value(json_object_get(item, "name64"));
    vxc_out_text(&cli->out, vxc_database_name(d->db));
    if (name != NULL) {
        vxc_out_bytes(&cli->out,
                      vxc_slice(name, json_string_length(json_object_get(item, "name"))));
    } else if (coded != NULL &&
               vxc_text_base64_decode(vxc_slice_of_string(coded), &decoded) == VXC_OK) {
        vxc_out_bytes(&cli->out, vxc_buffer_slice(&decoded));
    } else {
        vxc_out_null(&cli->out);
    }
    if (described == NULL) {
        vxc_out_null(&cli->out);
        vxc_out_text(&cli->out, "both");
    } else {
        vxc_out_u64(&cli->out,
                    (uint64_t)json_integer_value(json_object_get(described, "namespace")));
        vxc_out_text(&cli->out, d->before_header.data == NULL  ? "second"
                                : d->after_header.data == NULL ? "first"
                                                               : "both");
    }
    vxc_out_u64(&cli->out, d->added);
    vxc_out_u64(&cli->out, d->removed);
    vxc_out_u64(&cli->out, d->changed);
    vxc_out_end_row(&cli->out);
    vxc_buffer_free(&decoded);
    json_decref(described);
    json_decref(item);
}

static int run_diff(struct vxc_cli *cli)
{
    static const char *const columns[] = {"type",  "name",    "namespace", "in",
                                          "added", "removed", "changed",   NULL};
    struct vxc_progress_bar bar;
    struct vxc_image_view before = {.store = NULL};
    struct vxc_image_view after = {.store = NULL};
    struct vxc_error err = {0};
    int rc = vxc_progress_begin(cli, &bar);

    if (rc != 0) {
        return rc;
    }
    rc = vxc_image_view_open(cli->argv[0], NULL, &bar.hooks, &before, &err);
    if (rc == VXC_OK) {
        rc = vxc_image_view_open(cli->argv[1], NULL, &bar.hooks, &after, &err);
    }
    vxc_progress_end(&bar);
    if (rc == VXC_OK) {
        if (memcmp(before.info.cluster_id, after.info.cluster_id, 16) != 0) {
            vxc_cli_say(cli, "the two are of different clusters");
        }
        vxc_out_begin(&cli->out, columns);
        rc = vxc_image_diff(before.store, after.store, cli, show_difference, &err);
        vxc_out_end(&cli->out);
    }
    vxc_image_view_close(&before);
    vxc_image_view_close(&after);
    return rc != VXC_OK ? vxc_snapshot_fail(cli, &bar, rc, &err) : VXC_EXIT_DONE;
}

/* ---- export ---- */

static int resolve(void *data, enum vxc_database db, uint64_t object_id, struct vxc_slice *body)
{
    struct vxc_row_key key;

    vxc_row_key_begin(&key);
    vxc_row_key_u64(&key, object_id);
    return vxc_store_get(data, db, vxc_row_key_slice(&key), body, NULL);
}

static int export_database(struct vxc_cli *cli, struct vxc_store *store, enum vxc_database db,
                           uint64_t *left, struct vxc_error *err)
{
    const struct vxc_row_resolver resolver = {store, resolve};
    const char *name = vxc_database_name(db);
    struct vxc_buffer line = {0};
    struct vxc_store_cursor *cursor;
    struct vxc_slice key, body;
    int rc = vxc_store_cursor_open(store, db, vxc_slice(NULL, 0), vxc_slice(NULL, 0), &cursor, err);

    if (rc != VXC_OK) {
        return rc;
    }
    while (*left > 0 && (rc = vxc_store_cursor_next(cursor, &key, &body, err)) == VXC_OK) {
        vxc_buffer_clear(&line);
        rc = vxc_row_describe(db, key, body, &resolver, &line);
        if (rc == VXC_OK) {
            vxc_cli_dump_row(cli, vxc_bytes(name, strlen(name)), vxc_bytes(line.data, line.size));
            (*left)--;
        } else if (rc != VXC_ENOTFOUND) { /* a row that is not shown */
            (void)vxc_error_set(err, rc, "%s: a row that this version cannot read", name);
            break;
        }
    }
    vxc_store_cursor_close(cursor);
    vxc_buffer_free(&line);
    return rc == VXC_ENOTFOUND ? VXC_OK : rc;
}

static int run_export(struct vxc_cli *cli)
{
    static const char *const columns[] = {"database", "row", NULL};
    struct vxc_progress_bar bar;
    struct vxc_image_view view;
    struct vxc_error err = {0};
    uint64_t left;
    int rc = vxc_cli_count(cli, VXC_OPTION_LIMIT, 0, UINT64_MAX, UINT64_MAX, &left);

    rc = rc != 0 ? rc : vxc_progress_begin(cli, &bar);
    if (rc != 0) {
        return rc;
    }
    rc = vxc_image_view_open(cli->argv[0], NULL, &bar.hooks, &view, &err);
    vxc_progress_end(&bar);
    if (rc != VXC_OK) {
        return vxc_snapshot_fail(cli, &bar, rc, &err);
    }
    vxc_out_begin(&cli->out, columns);
    for (int db = 0; rc == VXC_OK && db < VXC_DB_COUNT; db++) {
        rc = export_database(cli, view.store, (enum vxc_database)db, &left, &err);
    }
    if (rc == VXC_OK || cli->out.rows > 0) {
        vxc_out_end(&cli->out);
    }
    vxc_image_view_close(&view);
    return rc != VXC_OK ? vxc_snapshot_fail(cli, &bar, rc, &err) : VXC_EXIT_DONE;
}

const struct vxc_cli_command vxc_snapshot_commands[] = {
    {.name = "save",
     .arguments = "FILE",
     .help = "save the state of the running node; it holds all that was acknowledged before",
     .args_min = 1,
     .args_max = 1,
     .options = VXC_OPTION_BIT(COMPRESSION),
     .run = vxc_run_snapshot_save},
    {.name = "verify",
     .arguments = "FILE",
     .help = "check every byte and every row; exit 6 on damage, 2 for a newer version",
     .args_min = 1,
     .args_max = 1,
     .run = run_verify},
    {.name = "inspect",
     .arguments = "FILE",
     .help = "whose state it is and at which index, counts and bytes, the largest objects",
     .args_min = 1,
     .args_max = 1,
     .run = run_inspect},
    {.name = "extract",
     .arguments = "FILE DIR",
     .help = "write the plain LMDB file into an absent or empty folder, for mdb_dump",
     .args_min = 2,
     .args_max = 2,
     .run = run_extract},
    {.name = "restore",
     .arguments = "FILE --data DIR [--node-id ID] [--initial-cluster LIST]",
     .help = "make the data directory of a new cluster; exit 7 unless DIR is absent or empty",
     .args_min = 1,
     .args_max = 1,
     .options = VXC_OPTION_BIT(DATA) | VXC_OPTION_BIT(NODE_ID) | VXC_OPTION_BIT(INITIAL_CLUSTER),
     .run = vxc_run_snapshot_restore},
    {.name = "diff",
     .arguments = "FILE FILE",
     .help = "rows added, removed and changed, per map, set, multimap and type",
     .args_min = 2,
     .args_max = 2,
     .run = run_diff},
    {.name = "export",
     .arguments = "FILE",
     .help = "all rows as JSON lines, as dump shows them",
     .args_min = 1,
     .args_max = 1,
     .options = VXC_OPTION_BIT(LIMIT),
     .run = run_export},
    {0},
};
