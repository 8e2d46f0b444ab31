#include "table_internal.h"

#include "base/memory.h"

/* A scan merges three ordered sources: the dirty rows, the frozen rows, the store. On equal keys
 * the newest wins, in that order. A source is moved on only when the next row is asked for, so that
 * "first row" costs one step of each. */
struct vxc_table_scan {
    struct vxc_table_scan *next_idle;
    struct vxc_table *table;
    enum vxc_database db;
    struct vxc_row_key prefix;
    struct vxc_row_key from;
    bool after; /* a row equal to `from` is left out */
    struct vxc_view_node *dirty;
    struct vxc_view_node *frozen;
    struct vxc_store_cursor *stored;
    bool stored_loaded; /* the two below hold the store's next row */
    bool stored_ended;
    struct vxc_slice stored_key;
    struct vxc_slice stored_body;
    struct vxc_row_key low; /* no live row met since here; size 0 and !low_known = unknown */
    bool low_known;
    bool low_gap; /* low comes from a remembered gap: any dead row is reason to widen it */
    /* a walk over whole objects leaves out elements of old generations */
    bool whole_objects;
    bool header_known;
    bool header_live;
    uint64_t header_id;
    uint64_t header_generation;
    struct vxc_buffer copy; /* of a header read from the store */
    struct vxc_error err;   /* set by a failed step; here, so that no step has to clear it */
};

/* One row of the merge. */
struct candidate {
    struct vxc_slice key;
    struct vxc_slice body;
    bool dead;
    bool from_store;
};

static void copy_key(struct vxc_row_key *key, struct vxc_slice from)
{
    vxc_check(from.size <= sizeof key->data);
    if (from.size != 0) {
        memcpy(key->data, from.data, from.size);
    }
    key->size = (uint16_t)from.size;
}

static bool begins_with_prefix(const struct vxc_table_scan *scan, struct vxc_slice key)
{
    return key.size >= scan->prefix.size &&
           memcmp(key.data, scan->prefix.data, scan->prefix.size) == 0;
}

/* ---- ranges without live rows ---- */

/* The least key behind all that begin with prefix; all 0xff if there is none. */
static void key_after_prefix(struct vxc_row_key *key, struct vxc_slice prefix)
{
    copy_key(key, prefix);
    while (key->size > 0 && key->data[key->size - 1] == 0xff) {
        key->size--;
    }
    if (key->size > 0) {
        key->data[key->size - 1]++;
    } else {
        memset(key->data, 0xff, sizeof key->data);
        key->size = sizeof key->data;
    }
}

static bool gap_holds(const struct vxc_table_gap *gap, struct vxc_slice key)
{
    return vxc_slice_compare(vxc_row_key_slice(&gap->low), key) <= 0 &&
           vxc_slice_compare(key, vxc_row_key_slice(&gap->high)) < 0;
}

static struct vxc_table_gap *find_gap(struct vxc_table_gaps *gaps, struct vxc_slice key)
{
    for (unsigned i = 0; i < gaps->count; i++) {
        if (gap_holds(&gaps->gaps[i], key)) {
            return &gaps->gaps[i];
        }
    }
    return NULL;
}

void vxc_table_gaps_cut(struct vxc_table *table, enum vxc_database db, struct vxc_slice key)
{
    struct vxc_table_gaps *gaps = &table->gaps[db];

    for (unsigned i = 0; i < gaps->count; i++) {
        struct vxc_table_gap *gap = &gaps->gaps[i];

        if (!gap_holds(gap, key)) {
            continue;
        }
        copy_key(&gap->high, key);
        if (vxc_slice_equal(vxc_row_key_slice(&gap->low), key)) {
            *gap = gaps->gaps[--gaps->count];
            i--; /* the one that took its place */
        }
    }
}

static void remember_gap(struct vxc_table *table, enum vxc_database db,
                         const struct vxc_row_key *low, struct vxc_slice high)
{
    struct vxc_table_gaps *gaps = &table->gaps[db];
    struct vxc_table_gap *gap;

    if (vxc_slice_compare(vxc_row_key_slice(low), high) >= 0) {
        return;
    }
    if (gaps->gaps == NULL) {
        gaps->gaps = vxc_calloc(VXC_TABLE_GAPS, sizeof *gaps->gaps);
        if (gaps->gaps == NULL) {
            return; /* only speed is lost */
        }
    }
    gap = find_gap(gaps, vxc_row_key_slice(low));
    if (gap == NULL && gaps->count < VXC_TABLE_GAPS) {
        gap = &gaps->gaps[gaps->count++];
        copy_key(&gap->low, vxc_row_key_slice(low));
    } else if (gap == NULL) {
        gap = &gaps->gaps[gaps->replace_next++ % VXC_TABLE_GAPS];
        copy_key(&gap->low, vxc_row_key_slice(low));
    } else if (vxc_slice_compare(high, vxc_row_key_slice(&gap->high)) <= 0) {
        return;
    }
    copy_key(&gap->high, high);
}

/* Called when the next live row, or the end, is found `dead_rows` behind scan->low. Walks over
 * whole objects remember nothing: their dead rows may come alive with a later put of their header.
 */
static void note_gap(struct vxc_table_scan *scan, size_t dead_rows, struct vxc_slice high)
{
    if (scan->low_known && !scan->whole_objects &&
        dead_rows >= (scan->low_gap ? 1 : VXC_TABLE_GAP_ROWS)) {
        remember_gap(scan->table, scan->db, &scan->low, high);
    }
}

/* The range after a live key begins with that key and a zero byte. */
static void begin_range_after(struct vxc_table_scan *scan, struct vxc_slice key)
{
    scan->low_gap = false;
    scan->low_known = key.size < VXC_ROW_KEY_SIZE_MAX;
    if (scan->low_known) {
        copy_key(&scan->low, key);
        scan->low.data[scan->low.size++] = 0;
    }
}

/* Where to begin: at `from`, or behind a range known to hold no live row. False: nothing is left.
 */
static bool skip_known_gap(struct vxc_table_scan *scan)
{
    struct vxc_slice from = vxc_row_key_slice(&scan->from);
    const struct vxc_table_gap *gap = find_gap(&scan->table->gaps[scan->db], from);

    if (gap == NULL) {
        if (scan->after) {
            begin_range_after(scan, from);
        } else {
            scan->low = scan->from;
            scan->low_known = true;
            scan->low_gap = false;
        }
        return true;
    }
    scan->low = gap->low;
    scan->low_known = true;
    scan->low_gap = true;
    scan->from = gap->high;
    scan->after = false;
    return begins_with_prefix(scan, vxc_row_key_slice(&scan->from));
}

/* ---- opening and closing ---- */

static struct vxc_table_scan *take_scan(struct vxc_table *table)
{
    struct vxc_table_scan *scan = table->idle_scans;

    if (scan != NULL) {
        table->idle_scans = scan->next_idle;
        return scan;
    }
    scan = vxc_calloc(1, sizeof *scan);
    if (scan == NULL) {
        vxc_fatal("out of memory for a scan");
    }
    return scan;
}

static void open_sources(struct vxc_table_scan *scan)
{
    struct vxc_table *table = scan->table;
    struct vxc_slice prefix = vxc_row_key_slice(&scan->prefix);
    struct vxc_slice from = vxc_row_key_slice(&scan->from);

    scan->dirty = vxc_batch_seek(table->dirty, scan->db, prefix, from);
    if (table->frozen != NULL) {
        scan->frozen = vxc_batch_seek(table->frozen, scan->db, prefix, from);
    }
    if (vxc_store_cursor_open(table->store, scan->db, prefix, from, &scan->stored, &scan->err) !=
        0) {
        vxc_table_latch(table, &scan->err);
        scan->stored = NULL;
        scan->stored_ended = true;
    }
}

struct vxc_table_scan *vxc_table_scan_open(struct vxc_table *table, enum vxc_database db,
                                           struct vxc_slice prefix, struct vxc_slice from,
                                           bool after)
{
    struct vxc_table_scan *scan = take_scan(table);

    scan->table = table;
    scan->db = db;
    copy_key(&scan->prefix, prefix);
    scan->after = after && vxc_slice_compare(from, prefix) >= 0;
    copy_key(&scan->from, vxc_slice_compare(from, prefix) < 0 ? prefix : from);
    scan->dirty = NULL;
    scan->frozen = NULL;
    scan->stored = NULL;
    scan->stored_loaded = false;
    scan->stored_ended = false;
    scan->whole_objects = vxc_database_has_objects(db) && prefix.size < VXC_ROW_ELEMENT_KEY_MIN;
    scan->header_known = false;
    table->open_scans++;
    scan->low_known = false;
    if (begins_with_prefix(scan, vxc_row_key_slice(&scan->from)) && skip_known_gap(scan)) {
        open_sources(scan);
    } else {
        scan->stored_ended = true;
    }
    return scan;
}

void vxc_table_scan_close(struct vxc_table_scan *scan)
{
    if (scan != NULL) {
        vxc_store_cursor_close(scan->stored);
        scan->table->open_scans--;
        scan->next_idle = scan->table->idle_scans;
        scan->table->idle_scans = scan;
    }
}

void vxc_table_scans_free(struct vxc_table *table)
{
    while (table->idle_scans != NULL) {
        struct vxc_table_scan *scan = table->idle_scans;

        table->idle_scans = scan->next_idle;
        vxc_buffer_free(&scan->copy);
        vxc_free(scan);
    }
    for (int db = 0; db < VXC_DB_COUNT; db++) {
        vxc_free(table->gaps[db].gaps);
    }
}

/* ---- the merge ---- */

static void load_stored(struct vxc_table_scan *scan)
{
    int rv;

    if (scan->stored_loaded || scan->stored_ended) {
        return;
    }
    rv = vxc_store_cursor_next(scan->stored, &scan->stored_key, &scan->stored_body, &scan->err);
    scan->stored_loaded = rv == 0;
    scan->stored_ended = rv != 0;
    if (rv != 0 && rv != VXC_ENOTFOUND) {
        vxc_table_latch(scan->table, &scan->err);
    }
}

/* The source's row, or NULL behind the prefix. */
static struct vxc_row *head_of(const struct vxc_table_scan *scan, const struct vxc_view_node *node)
{
    return node != NULL && begins_with_prefix(scan, vxc_row_key_of(node->row)) ? node->row : NULL;
}

static void take_row(struct candidate *out, struct vxc_row *row)
{
    out->key = vxc_row_key_of(row);
    out->body = vxc_row_value_of(row);
    out->dead = row->deleted != 0;
    out->from_store = false;
}

/* Takes the least key off all sources that have it; the newest says what it holds. False at the
 * end. */
static bool take_next(struct vxc_table_scan *scan, struct candidate *out)
{
    struct vxc_row *dirty = head_of(scan, scan->dirty);
    struct vxc_row *frozen = head_of(scan, scan->frozen);
    int order;

    load_stored(scan);
    if (dirty == NULL && frozen == NULL && !scan->stored_loaded) {
        return false;
    }
    if (dirty != NULL && frozen != NULL) {
        order = vxc_slice_compare(vxc_row_key_of(dirty), vxc_row_key_of(frozen));
        if (order > 0) {
            dirty = NULL; /* comes later */
        } else if (order < 0) {
            frozen = NULL;
        }
    }
    /* What is left of the two holds the same key. */
    struct vxc_row *newest = dirty != NULL ? dirty : frozen;
    order = newest == NULL         ? 1
            : !scan->stored_loaded ? -1
                                   : vxc_slice_compare(vxc_row_key_of(newest), scan->stored_key);
    if (order > 0) {
        *out = (struct candidate){scan->stored_key, scan->stored_body, false, true};
        scan->stored_loaded = false;
        return true;
    }
    take_row(out, newest);
    if (dirty != NULL) {
        scan->dirty = scan->dirty->next[0];
    }
    if (frozen != NULL) {
        scan->frozen = scan->frozen->next[0];
    }
    if (order == 0) {
        scan->stored_loaded = false;
    }
    return true;
}

/* ---- walks over whole objects ---- */

static void note_header(struct vxc_table_scan *scan, uint64_t id, bool live, struct vxc_slice body)
{
    scan->header_known = true;
    scan->header_id = id;
    scan->header_live = live && body.size >= VXC_ROW_HEADER_SIZE_MIN;
    if (scan->header_live) {
        scan->header_generation = vxc_load_u64(body.data);
    }
}

/* True for an element of a generation that its object has left behind. */
static bool is_left_behind(struct vxc_table_scan *scan, const struct candidate *row)
{
    uint64_t id;

    if (row->key.size < VXC_ROW_OBJECT_ID_SIZE) {
        return false;
    }
    id = vxc_load_be64(row->key.data);
    if (row->key.size == VXC_ROW_OBJECT_ID_SIZE) {
        note_header(scan, id, !row->dead, row->body);
        return false;
    }
    if (!scan->header_known || scan->header_id != id) {
        struct vxc_slice body = {NULL, 0};
        int rv = vxc_table_get(scan->table, scan->db,
                               vxc_slice(row->key.data, VXC_ROW_OBJECT_ID_SIZE), &body);

        note_header(scan, id, rv == 0, body);
    }
    return !scan->header_live || row->key.size < VXC_ROW_ELEMENT_KEY_MIN ||
           vxc_load_be64(row->key.data + VXC_ROW_OBJECT_ID_SIZE) != scan->header_generation;
}

/* ---- next ---- */

/* A stored header carries the storage thread's digest, a resident one never does. */
static struct vxc_slice without_digest(struct vxc_table_scan *scan, const struct candidate *row)
{
    if (!row->from_store || !vxc_row_is_header(scan->db, row->key)) {
        return row->body;
    }
    vxc_buffer_clear(&scan->copy);
    if (vxc_buffer_append(&scan->copy, row->body.data, row->body.size) != 0) {
        vxc_fatal("out of memory for a scan");
    }
    memset(scan->copy.data + VXC_ROW_DIGEST_OFFSET, 0,
           VXC_ROW_HEADER_SIZE_MIN - VXC_ROW_DIGEST_OFFSET);
    return vxc_buffer_slice(&scan->copy);
}

bool vxc_table_scan_next(struct vxc_table_scan *scan, struct vxc_slice *key, struct vxc_slice *body)
{
    struct candidate row;
    size_t dead_rows = 0;

    while (take_next(scan, &row)) {
        if (scan->after && vxc_slice_equal(row.key, vxc_row_key_slice(&scan->from))) {
            continue;
        }
        if ((scan->whole_objects && is_left_behind(scan, &row)) || row.dead) {
            dead_rows++;
            continue;
        }
        note_gap(scan, dead_rows, row.key);
        begin_range_after(scan, row.key);
        *key = row.key;
        *body = without_digest(scan, &row);
        return true;
    }
    if (scan->table->error.code == 0) {
        struct vxc_row_key end;

        key_after_prefix(&end, vxc_row_key_slice(&scan->prefix));
        note_gap(scan, dead_rows, vxc_row_key_slice(&end));
    }
    return false;
}
