#include "fsm/dump.h"

#include "base/check.h"
#include "fsm/describe.h"

/* Rows looked at per page, shown or not. */
enum { LOOKED_AT_MAX = VXC_SCAN_PAGE_ROWS_MAX };

static int resolve(void *data, enum vxc_database db, uint64_t object_id, struct vxc_slice *body)
{
    struct vxc_fsm *fsm = data;
    struct vxc_row_key key;

    vxc_row_key_begin(&key);
    vxc_row_key_u64(&key, object_id);
    return vxc_table_get(fsm->table, db, vxc_row_key_slice(&key), body);
}

/* A row whose line would not fit a reply is only named: offline dumps show it whole. */
static void shorten(enum vxc_database db, struct vxc_slice key, struct vxc_slice body,
                    struct vxc_buffer *line)
{
    struct vxc_json json;

    vxc_buffer_clear(line);
    vxc_json_open(&json, line);
    vxc_json_string(&json, "db", vxc_database_name(db));
    vxc_json_bytes(&json, "row", key);
    vxc_json_u64(&json, "row_bytes", body.size);
    vxc_json_string(&json, "omitted", "too long for one reply: dump the data folder instead");
    vxc_json_close(&json);
}

struct dump {
    struct vxc_fsm *fsm;
    struct vxc_page page;
    uint32_t looked_at;
    bool full;
    uint8_t tail[1 + VXC_ROW_KEY_SIZE_MAX]; /* database and key of the row last looked at */
    size_t tail_size;
};

/* Adds the row when it is shown. False when the page is full: then the row stays for the next one.
 */
static bool dump_row(struct dump *dump, enum vxc_database db, struct vxc_slice key,
                     struct vxc_slice body)
{
    const struct vxc_row_resolver resolver = {dump->fsm, resolve};
    struct vxc_slice name = vxc_slice_of_string(vxc_database_name(db));
    struct vxc_buffer *line = &dump->fsm->work;
    struct vxc_slice text;
    int rv;

    vxc_buffer_clear(line);
    rv = vxc_row_describe(db, key, body, &resolver, line);
    if (rv == VXC_ENOMEM) {
        vxc_fatal("out of memory for a line of a dump");
    }
    if (rv != 0 && rv != VXC_ENOTFOUND) {
        vxc_fsm_damaged(dump->fsm, db, "row");
        return false;
    }
    if (rv == 0 && line->size > VXC_VALUE_SIZE_MAX) {
        shorten(db, key, body, line);
    }
    if (rv == 0 && !vxc_page_has_room(&dump->page, 8 + name.size + line->size)) {
        return false;
    }
    dump->tail[0] = (uint8_t)db;
    memcpy(dump->tail + 1, key.data, key.size);
    dump->tail_size = 1 + key.size;
    if (rv == 0) {
        text = vxc_buffer_slice(line);
        vxc_page_add(&dump->page, vxc_slice(dump->tail, dump->tail_size), name, &text);
    }
    return true;
}

static void dump_database(struct dump *dump, enum vxc_database db, struct vxc_slice from,
                          bool after)
{
    struct vxc_table_scan *scan =
        vxc_table_scan_open(dump->fsm->table, db, vxc_slice(NULL, 0), from, after);
    struct vxc_slice key, body;

    while (!dump->full && vxc_table_scan_next(scan, &key, &body)) {
        if (dump->looked_at++ == LOOKED_AT_MAX || !dump_row(dump, db, key, body)) {
            dump->full = true;
        }
    }
    vxc_table_scan_close(scan);
}

void vxc_dump_query(struct vxc_fsm *fsm, const struct vxc_command *query, struct vxc_result *result)
{
    struct dump dump = {.fsm = fsm};
    struct vxc_slice cursor = query->key;
    struct vxc_slice from = vxc_slice(NULL, 0);
    unsigned first = 0;

    if (cursor.data != NULL) {
        if (cursor.size < 2 || cursor.size > VXC_CURSOR_SIZE_MAX ||
            cursor.data[1] >= VXC_DB_COUNT) {
            vxc_result_fail(result, VXC_EINVAL, "the cursor was not given by this cluster");
            return;
        }
        first = cursor.data[1];
        from = vxc_slice(cursor.data + 2, cursor.size - 2);
    }
    vxc_fsm_write_back(fsm); /* resident objects are newer than their rows */
    vxc_page_begin(fsm, &dump.page, query->b);
    for (unsigned db = first; db < VXC_DB_COUNT && !dump.full; db++) {
        bool continued = db == first && cursor.data != NULL;
        dump_database(&dump, (enum vxc_database)db, continued ? from : vxc_slice(NULL, 0),
                      continued);
    }
    vxc_page_mark(&dump.page, vxc_slice(dump.tail, dump.tail_size));
    vxc_page_end(&dump.page, dump.full, result);
}
