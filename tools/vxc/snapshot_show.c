/* What a snapshot file says of itself, as JSON and as tables. */
#include "base/error.h"

#include "consensus/configuration.h"
#include "fsm/fsm.h"
#include "tools/vxc/snapshot.h"

#include <inttypes.h>
#include <stdlib.h>
#include <time.h>

/* ---- what a file says ---- */

static const char *const roles[] = {"standby", "voter", "spare"};

static void hex(const uint8_t *bytes, size_t size, char *out)
{
    for (size_t i = 0; i < size; i++) {
        (void)snprintf(out + 2 * i, 3, "%02x", bytes[i]);
    }
}

static void time_text(uint64_t us, char out[32])
{
    const time_t seconds = (time_t)(us / 1000000);
    struct tm tm;

    if (gmtime_r(&seconds, &tm) == NULL || strftime(out, 32, "%Y-%m-%dT%H:%M:%SZ", &tm) == 0) {
        (void)snprintf(out, 32, "%" PRIu64 " us", us);
    }
}

json_t *vxc_snapshot_describe(const struct vxc_image_info *info, const char *path)
{
    struct vxc_configuration configuration = {.count = 0};
    json_t *all = json_object();
    json_t *members = json_array();
    json_t *databases = json_array();
    char text[80];

#define NUMBER(value) json_integer((json_int_t)(value))
    (void)json_object_set_new(all, "file", json_string(path));
    hex(info->cluster_id, sizeof info->cluster_id, text);
    (void)json_object_set_new(all, "cluster_id", json_string(text));
    (void)json_object_set_new(all, "index", NUMBER(info->applied_index));
    (void)json_object_set_new(all, "term", NUMBER(info->applied_term));
    time_text(info->saved_at_us, text);
    (void)json_object_set_new(all, "saved_at", json_string(text));
    (void)json_object_set_new(all, "node", NUMBER(info->node_id));
    (void)json_object_set_new(all, "format", NUMBER(info->version));
    (void)json_object_set_new(all, "compression",
                              json_string(vxc_image_compression_name(info->compression)));
    (void)json_object_set_new(all, "rows", NUMBER(vxc_image_rows(info)));
    (void)json_object_set_new(all, "state_bytes", NUMBER(info->raw_bytes));
    (void)json_object_set_new(all, "file_bytes", NUMBER(info->file_bytes));
    (void)json_object_set_new(all, "chunks", NUMBER(info->chunks));
    (void)snprintf(text, sizeof text, "%016" PRIx64, info->digest);
    (void)json_object_set_new(all, "digest", json_string(text));
    hex(info->sha256, sizeof info->sha256, text);
    (void)json_object_set_new(all, "sha256", json_string(text));
    (void)vxc_configuration_decode(vxc_slice(info->configuration, info->configuration_size),
                                   &configuration); /* none before the first entry */
    for (uint32_t i = 0; i < configuration.count; i++) {
        (void)json_array_append_new(
            members, json_pack("{s:I,s:s}", "id", (json_int_t)configuration.members[i].id, "role",
                               roles[configuration.members[i].role]));
    }
    (void)json_object_set_new(all, "members", members);
    for (int db = 0; db < VXC_DB_COUNT; db++) {
        (void)json_array_append_new(
            databases, json_pack("{s:s,s:I,s:I}", "type", vxc_database_name((enum vxc_database)db),
                                 "rows", (json_int_t)info->databases[db].rows, "bytes",
                                 (json_int_t)info->databases[db].bytes));
    }
    (void)json_object_set_new(all, "types", databases);
#undef NUMBER
    return all;
}

static void show_scalar(struct vxc_cli *cli, const json_t *value)
{
    if (json_is_string(value)) {
        vxc_out_bytes(&cli->out, vxc_slice(json_string_value(value), json_string_length(value)));
    } else {
        char *text = json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY);
        vxc_out_text(&cli->out, text == NULL ? "" : text);
        free(text);
    }
}

/* A list of objects as a table whose columns are the members of the first one. */
static void show_list(struct vxc_cli *cli, const char *name, json_t *list)
{
    const char *columns[VXC_OUT_COLUMNS_MAX] = {NULL};
    size_t count = 0;
    size_t index;
    json_t *item;
    json_t *value;
    const char *member;

    if (json_array_size(list) == 0) {
        return;
    }
    json_object_foreach(json_array_get(list, 0), member, value)
    {
        columns[count++] = member;
    }
    vxc_out_plain(&cli->out, vxc_slice_of_string("\n"));
    vxc_out_plain(&cli->out, vxc_slice_of_string(name));
    vxc_out_plain(&cli->out, vxc_slice_of_string("\n"));
    vxc_out_begin(&cli->out, columns);
    json_array_foreach(list, index, item)
    {
        for (size_t i = 0; i < count; i++) {
            show_scalar(cli, json_object_get(item, columns[i]));
        }
        vxc_out_end_row(&cli->out);
    }
    vxc_out_end(&cli->out);
}

int vxc_snapshot_show(struct vxc_cli *cli, json_t *all)
{
    static const char *const columns[] = {"what", "value", NULL};
    const char *name;
    json_t *value;

    if (cli->out.mode == VXC_OUT_JSON || cli->out.mode == VXC_OUT_JSONL) {
        char *text = json_dumps(all, cli->out.mode == VXC_OUT_JSON ? JSON_INDENT(2) : JSON_COMPACT);
        if (text != NULL) {
            vxc_out_plain(&cli->out, vxc_slice_of_string(text));
            vxc_out_plain(&cli->out, vxc_slice_of_string("\n"));
        }
        free(text);
        json_decref(all);
        return VXC_EXIT_DONE;
    }
    vxc_out_begin(&cli->out, columns);
    json_object_foreach(all, name, value)
    {
        if (!json_is_array(value)) {
            vxc_out_text(&cli->out, name);
            show_scalar(cli, value);
            vxc_out_end_row(&cli->out);
        }
    }
    vxc_out_end(&cli->out);
    json_object_foreach(all, name, value)
    {
        if (json_is_array(value)) {
            show_list(cli, name, value);
        }
    }
    json_decref(all);
    return VXC_EXIT_DONE;
}

/* ---- the largest objects ---- */

enum { LARGEST = 10 };

struct largest {
    enum vxc_database db;
    json_t *items[LARGEST]; /* by bytes, falling */
    size_t count;
    uint64_t objects[VXC_DB_COUNT];
};

static int no_object(void *data, enum vxc_database db, uint64_t object_id, struct vxc_slice *body)
{
    (void)data;
    (void)db;
    (void)object_id;
    (void)body;
    return VXC_ENOTFOUND; /* header rows need no other row */
}

json_t *vxc_snapshot_describe_header(enum vxc_database db, uint64_t id, struct vxc_slice body)
{
    const struct vxc_row_resolver resolver = {NULL, no_object};
    struct vxc_buffer line = {0};
    struct vxc_row_key key;
    json_t *header = NULL;

    vxc_row_key_begin(&key);
    vxc_row_key_u64(&key, id);
    if (vxc_row_describe(db, vxc_row_key_slice(&key), body, &resolver, &line) == VXC_OK) {
        header = json_loadb((const char *)line.data, line.size, JSON_ALLOW_NUL, NULL);
    }
    vxc_buffer_free(&line);
    return header;
}

void vxc_snapshot_take_name(json_t *to, const json_t *header)
{
    static const char *const kinds[] = {"map", "set", "multimap"};

    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        char coded[16];
        json_t *name = json_object_get(header, kinds[i]);

        (void)snprintf(coded, sizeof coded, "%s64", kinds[i]);
        if (name != NULL) {
            (void)json_object_set(to, "name", name);
        } else if (json_object_get(header, coded) != NULL) {
            (void)json_object_set(to, "name64", json_object_get(header, coded));
        }
    }
}

static json_int_t bytes_of(const json_t *item)
{
    return json_integer_value(json_object_get(item, "bytes"));
}

static int note_object(void *data, uint64_t object_id, struct vxc_slice body)
{
    struct largest *l = data;
    json_t *header = vxc_snapshot_describe_header(l->db, object_id, body);
    json_t *item = json_object();
    size_t at = l->count;

    (void)json_object_set_new(item, "type", json_string(vxc_database_name(l->db)));
    vxc_snapshot_take_name(item, header);
    (void)json_object_set(item, "namespace", json_object_get(header, "namespace"));
    (void)json_object_set(item, "count", json_object_get(header, "count"));
    (void)json_object_set(item, "bytes", json_object_get(header, "bytes"));
    json_decref(header);
    l->objects[l->db]++;
    while (at > 0 && bytes_of(l->items[at - 1]) < bytes_of(item)) {
        at--;
    }
    if (at == LARGEST) {
        json_decref(item);
        return 0;
    }
    if (l->count == LARGEST) {
        json_decref(l->items[--l->count]);
    }
    memmove(l->items + at + 1, l->items + at, (l->count - at) * sizeof l->items[0]);
    l->items[at] = item;
    l->count++;
    return 0;
}

int vxc_snapshot_find_largest(struct vxc_store *store, json_t *all, struct vxc_error *err)
{
    static const enum vxc_database databases[] = {VXC_DB_MAPS, VXC_DB_SETS, VXC_DB_MULTIMAPS};
    struct largest largest = {.count = 0};
    json_t *list = json_array();
    int rc = VXC_OK;

    for (size_t i = 0; rc == VXC_OK && i < 3; i++) {
        largest.db = databases[i];
        rc = vxc_image_each_object(store, largest.db, &largest, note_object, err);
        (void)json_object_set_new(all, vxc_database_name(largest.db),
                                  json_integer((json_int_t)largest.objects[largest.db]));
    }
    for (size_t i = 0; i < largest.count; i++) {
        (void)json_array_append_new(list, largest.items[i]);
    }
    (void)json_object_set_new(all, "largest", list);
    return rc;
}
