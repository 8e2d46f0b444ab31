#include "table_internal.h"

#include "base/memory.h"

enum {
    SETTLE_PER_TURN = 2048, /* thawing rows settled at the end of a turn */
    SETTLE_PER_CHANGE = 2,  /* and before each put or del, to be done before the next freeze */
    EVICT_BUCKETS_PER_TURN =
        8192, /* looked at in one turn, and so many more per row loaded in it: */
    EVICT_BUCKETS_PER_LOAD = 4,
    PREFETCH = 16,             /* rows fetched ahead of their turn */
    CACHED_VALUE_MAX = VXC_MIB /* bytes; larger values are read from the store each time */
};

/* ---- birth and death ---- */

int vxc_table_create(struct vxc_store *store, uint64_t clean_bytes_max, struct vxc_table **table)
{
    struct vxc_table *t = vxc_calloc(1, sizeof *t);

    if (t == NULL) {
        return VXC_ENOMEM;
    }
    t->store = store;
    t->clean_bytes_max = clean_bytes_max;
    vxc_row_hash_init(&t->hash);
    t->dirty = vxc_batch_create(1);
    *table = t;
    return 0;
}

/* Rows that only the batch knows of; the others go with the hash. */
static void free_detached(struct vxc_batch *batch, size_t from)
{
    for (size_t i = from; batch != NULL && i < batch->count; i++) {
        struct vxc_row *row = batch->rows[i];

        if (row->epoch == batch->epoch && (row->marks & VXC_ROW_DETACHED) != 0) {
            vxc_row_free(row);
        }
    }
    vxc_batch_free(batch);
}

void vxc_table_free(struct vxc_table *table)
{
    if (table == NULL) {
        return;
    }
    vxc_check(table->open_scans == 0);
    if (table->frozen != NULL) {
        vxc_store_abandon(table->store); /* the storage thread reads the frozen rows */
    }
    while (table->thawing != NULL) { /* oldest first, see settle_row */
        struct vxc_batch *next = table->thawing->next;

        free_detached(table->thawing, table->thawing_next);
        table->thawing = next;
        table->thawing_next = 0;
    }
    free_detached(table->frozen, 0);
    vxc_batch_free(table->dirty);
    vxc_row_hash_deinit(&table->hash);
    vxc_table_scans_free(table);
    vxc_free(table);
}

/* ---- errors of the store ---- */

void vxc_table_latch(struct vxc_table *table, const struct vxc_error *err)
{
    if (table->error.code == 0) {
        table->error = *err;
    }
}

int vxc_table_error(const struct vxc_table *table, struct vxc_error *err)
{
    if (table->error.code != 0 && err != NULL) {
        *err = table->error;
    }
    return table->error.code;
}

/* ---- settling: what a finished commit leaves behind ---- */

static bool is_frozen(const struct vxc_table *table, const struct vxc_row *row)
{
    return table->frozen != NULL && row->epoch == table->frozen->epoch;
}

/* Settles one row of a batch that is in the store. A row that was changed again belongs to a later
 * batch, and only that one may free it: batches are settled in order. */
static void settle_row(struct vxc_table *table, uint32_t epoch, struct vxc_row *row)
{
    if (row->epoch != epoch) {
        return;
    }
    table->thawing_rows--;
    table->thawing_bytes -= vxc_row_bytes(row);
    if ((row->marks & VXC_ROW_DETACHED) != 0) {
        vxc_row_free(row);
        return;
    }
    row->epoch = 0;
    if (row->deleted) {
        vxc_row_hash_remove(&table->hash, row);
        vxc_row_free(row);
    } else {
        table->clean_rows++;
        table->clean_bytes += vxc_row_bytes(row);
    }
}

static void settle(struct vxc_table *table, size_t budget)
{
    while (table->thawing != NULL) {
        struct vxc_batch *batch = table->thawing;

        if (table->thawing_next == batch->count) {
            table->thawing = batch->next;
            table->thawing_next = 0;
            vxc_batch_free(batch);
            continue;
        }
        if (budget-- == 0) {
            return;
        }
        if (table->thawing_next + PREFETCH < batch->count) {
            __builtin_prefetch(batch->rows[table->thawing_next + PREFETCH]);
        }
        settle_row(table, batch->epoch, batch->rows[table->thawing_next++]);
    }
}

/* ---- get ---- */

/* The digest in a stored header belongs to the storage thread: the state machine never sees it. */
static void clear_digest(enum vxc_database db, struct vxc_slice key, uint8_t *body, size_t size)
{
    if (vxc_row_is_header(db, key) && size >= VXC_ROW_HEADER_SIZE_MIN) {
        memset(body + VXC_ROW_DIGEST_OFFSET, 0, VXC_ROW_HEADER_SIZE_MIN - VXC_ROW_DIGEST_OFFSET);
    }
}

static struct vxc_row *copy_stored(enum vxc_database db, struct vxc_slice key, uint32_t hash,
                                   struct vxc_slice stored)
{
    struct vxc_row *row = vxc_row_create(db, key, hash, stored.size);

    if (stored.size != 0) {
        memcpy(vxc_row_room(row), stored.data, stored.size);
    }
    clear_digest(db, key, vxc_row_room(row), stored.size);
    return row;
}

/* Makes a row of the store resident and clean. */
static void keep(struct vxc_table *table, struct vxc_row *row)
{
    vxc_row_hash_insert(&table->hash, row);
    table->clean_rows++;
    table->clean_bytes += vxc_row_bytes(row);
}

/* A row waits for its bucket to come from memory while the next ones are read. */
static void preload_database(struct vxc_table *table, enum vxc_database db)
{
    const struct vxc_slice all = vxc_slice(NULL, 0);
    struct vxc_row *waiting[PREFETCH] = {NULL};
    struct vxc_store_cursor *cursor;
    struct vxc_error err;
    struct vxc_slice key, stored;
    uint64_t bytes = table->clean_bytes; /* with those that wait */
    size_t count = 0;

    if (vxc_store_cursor_open(table->store, db, all, all, &cursor, &err) != 0) {
        return;
    }
    while (bytes < table->clean_bytes_max &&
           vxc_store_cursor_next(cursor, &key, &stored, &err) == 0) {
        const uint32_t hash = vxc_row_hash_of(&table->hash, db, key);
        struct vxc_row **slot = &waiting[count % PREFETCH];

        if (stored.size > CACHED_VALUE_MAX) {
            continue;
        }
        if (*slot != NULL) {
            keep(table, *slot);
        }
        vxc_row_hash_fetch_bucket(&table->hash, hash);
        *slot = copy_stored(db, key, hash, stored);
        bytes += vxc_row_bytes(*slot);
        count++;
    }
    for (size_t i = 0; i < PREFETCH; i++) {
        if (waiting[i] != NULL) {
            keep(table, waiting[i]);
        }
    }
    vxc_store_cursor_close(cursor);
}

void vxc_table_preload(struct vxc_table *table, uint64_t rows)
{
    const uint64_t rows_most = table->clean_bytes_max / sizeof(struct vxc_row);

    vxc_check(table->hash.row_count == 0);
    vxc_row_hash_reserve(&table->hash, (size_t)(rows < rows_most ? rows : rows_most));
    for (int db = 0; db < VXC_DB_COUNT; db++) {
        if (db != VXC_DB_META && db != VXC_DB_GARBAGE) { /* few rows, and not the table's */
            preload_database(table, (enum vxc_database)db);
        }
    }
    vxc_store_end_reads(table->store);
}

static int load(struct vxc_table *table, enum vxc_database db, struct vxc_slice key, uint32_t hash,
                struct vxc_slice *body)
{
    struct vxc_error err;
    struct vxc_slice stored;
    struct vxc_row *row;
    int rv;

    err.code = 0;
    err.text[0] = '\0';
    table->misses_total++;
    rv = vxc_store_get(table->store, db, key, &stored, &err);
    if (rv != 0) {
        if (rv != VXC_ENOTFOUND) {
            vxc_table_latch(table, &err);
        }
        return VXC_ENOTFOUND;
    }
    if (stored.size > CACHED_VALUE_MAX) {
        *body = stored;
        return 0;
    }
    row = copy_stored(db, key, hash, stored);
    keep(table, row);
    row->marks |= VXC_ROW_REFERENCED;
    table->loaded_in_turn++;
    *body = vxc_row_value_of(row);
    return 0;
}

int vxc_table_get(struct vxc_table *table, enum vxc_database db, struct vxc_slice key,
                  struct vxc_slice *body)
{
    uint32_t hash = vxc_row_hash_of(&table->hash, db, key);
    struct vxc_row *row = vxc_row_hash_find(&table->hash, db, key, hash);

    if (row == NULL) {
        return load(table, db, key, hash, body);
    }
    table->hits_total++;
    if (row->deleted) {
        return VXC_ENOTFOUND;
    }
    if ((row->marks & VXC_ROW_REFERENCED) == 0) {
        row->marks |= VXC_ROW_REFERENCED;
    }
    *body = vxc_row_value_of(row);
    return 0;
}

static uint32_t expected(const struct vxc_table *table, unsigned at)
{
    return table->expected[at % VXC_TABLE_EXPECTED];
}

void vxc_table_expect(struct vxc_table *table, enum vxc_database db, struct vxc_slice key)
{
    const unsigned at = table->expected_count++;
    const uint32_t hash = vxc_row_hash_of(&table->hash, db, key);

    table->expected[at % VXC_TABLE_EXPECTED] = hash;
    vxc_row_hash_fetch_bucket(&table->hash, hash);
    vxc_row_hash_fetch_first(&table->hash, expected(table, at - VXC_TABLE_BUCKET_CALLS));
    vxc_row_hash_fetch_second(&table->hash,
                              expected(table, at - VXC_TABLE_BUCKET_CALLS - VXC_TABLE_FIRST_CALLS));
}

/* ---- put and del ---- */

/* The row's memory leaves the account that its epoch names. */
static void uncount(struct vxc_table *table, struct vxc_row *row)
{
    if (row->epoch == 0) {
        table->clean_rows--;
        table->clean_bytes -= vxc_row_bytes(row);
    } else if (row->epoch == table->dirty->epoch) {
        table->dirty->bytes -= vxc_row_bytes(row);
    } else {
        vxc_check(!is_frozen(table, row));
        table->thawing_rows--;
        table->thawing_bytes -= vxc_row_bytes(row);
    }
}

static void make_dirty(struct vxc_table *table, struct vxc_row *row)
{
    vxc_batch_add(table->dirty, row);
    table->dirty->bytes += vxc_row_bytes(row);
}

/* Gives up a row that another has replaced in the hash; its value may still be read until
 * *graveyard is freed. A frozen row, or a thawing one whose batch still lists it, is freed when
 * settled. */
static void give_up(struct vxc_table *table, struct vxc_row *row, struct vxc_row **graveyard)
{
    if (row->epoch != 0) {
        row->marks |= VXC_ROW_DETACHED;
    } else {
        uncount(table, row);
        *graveyard = row;
    }
}

/* Body from its two parts; the second may overlap the row's old value. */
static void fill_body(struct vxc_row *row, struct vxc_slice head, struct vxc_slice tail)
{
    uint8_t *room = vxc_row_room(row);

    if (tail.size != 0) {
        memmove(room + head.size, tail.data, tail.size);
    }
    if (head.size != 0) {
        memmove(room, head.data, head.size);
    }
    row->value_size = (uint32_t)(head.size + tail.size);
}

static void check_header(struct vxc_row *row)
{
    if (vxc_row_is_header((enum vxc_database)row->db, vxc_row_key_of(row))) {
        struct vxc_slice body = vxc_row_value_of(row);

        vxc_check(body.size >= VXC_ROW_HEADER_SIZE_MIN);
        vxc_check(vxc_load_u64(body.data + VXC_ROW_DIGEST_OFFSET) == 0);
    }
}

/* A row in the hash, dirty, with room for `size` bytes, whose old value is still readable while
 * *graveyard and *outside are not freed. */
static struct vxc_row *row_for_write(struct vxc_table *table, struct vxc_row *row,
                                     enum vxc_database db, struct vxc_slice key, uint32_t hash,
                                     size_t size, struct vxc_row **graveyard,
                                     struct vxc_row_outside **outside)
{
    struct vxc_row *fresh;

    if (row != NULL && row->epoch == table->dirty->epoch) {
        if (!vxc_row_fits(row, size)) {
            uncount(table, row);
            vxc_row_grow(row, size, outside);
            table->dirty->bytes += vxc_row_bytes(row);
        }
        return row;
    }
    if (row != NULL && !is_frozen(table, row) && vxc_row_fits(row, size) &&
        !vxc_row_wastes(row, size)) {
        uncount(table, row);
        make_dirty(table, row);
        return row;
    }
    fresh = vxc_row_create(db, key, hash, size);
    if (row == NULL) {
        vxc_row_hash_insert(&table->hash, fresh);
    } else {
        vxc_row_hash_replace(&table->hash, row, fresh);
        give_up(table, row, graveyard);
    }
    make_dirty(table, fresh);
    return fresh;
}

void vxc_table_put(struct vxc_table *table, enum vxc_database db, struct vxc_slice key,
                   struct vxc_slice head, struct vxc_slice tail)
{
    uint32_t hash = vxc_row_hash_of(&table->hash, db, key);
    struct vxc_row_outside *outside = NULL;
    struct vxc_row *graveyard = NULL;
    struct vxc_row *row;

    settle(table, SETTLE_PER_CHANGE);
    row = vxc_row_hash_find(&table->hash, db, key, hash);
    if (row == NULL || row->deleted) {
        vxc_table_gaps_cut(table, db, key);
    }
    row = row_for_write(table, row, db, key, hash, head.size + tail.size, &graveyard, &outside);
    fill_body(row, head, tail);
    row->deleted = 0;
    row->marks |= VXC_ROW_REFERENCED;
    check_header(row);
    vxc_free(outside);
    if (graveyard != NULL) {
        vxc_row_free(graveyard);
    }
}

void vxc_table_del(struct vxc_table *table, enum vxc_database db, struct vxc_slice key)
{
    uint32_t hash = vxc_row_hash_of(&table->hash, db, key);
    struct vxc_row_outside *outside = NULL;
    struct vxc_row *graveyard = NULL;
    struct vxc_row *row;

    settle(table, SETTLE_PER_CHANGE);
    row = vxc_row_hash_find(&table->hash, db, key, hash);
    if (row != NULL && row->deleted) {
        return;
    }
    row = row_for_write(table, row, db, key, hash, 0, &graveyard, &outside);
    row->value_size = 0;
    row->deleted = 1;
    vxc_free(outside);
    if (graveyard != NULL) {
        vxc_row_free(graveyard);
    }
}

/* ---- commits ---- */

/* On the storage thread: frozen rows do not change, and their marks and links are not looked at. */
static void fill_changes(void *data, struct vxc_store_change *changes, size_t count)
{
    struct vxc_batch *batch = data;

    vxc_check(count == batch->count);
    for (size_t i = 0; i < count; i++) {
        struct vxc_row *row = batch->rows[i];
        enum vxc_database db = (enum vxc_database)row->db;

        if (i + PREFETCH < count) {
            __builtin_prefetch(batch->rows[i + PREFETCH]);
        }
        changes[i] = (struct vxc_store_change){
            .db = db,
            .key = vxc_row_key_of(row),
            .deleted = row->deleted != 0,
        };
        if (!row->deleted) {
            changes[i].value = vxc_row_value_of(row);
            changes[i].checksum = vxc_row_checksum(db, changes[i].key, changes[i].value);
        }
    }
}

static bool same_meta(const struct vxc_store_meta *a, const struct vxc_store_meta *b)
{
    return a->applied_index == b->applied_index && a->applied_term == b->applied_term &&
           a->applied_position == b->applied_position && a->cluster_time_ms == b->cluster_time_ms &&
           a->configuration_index == b->configuration_index &&
           vxc_slice_equal(a->configuration, b->configuration);
}

void vxc_table_freeze(struct vxc_table *table, const struct vxc_store_meta *meta)
{
    vxc_check(table->frozen == NULL);
    vxc_check(table->open_scans == 0);
    vxc_check(table->error.code == 0); /* a state built on a failed read must not become durable */
    if (table->dirty->count == 0 && same_meta(meta, vxc_store_meta(table->store))) {
        return;
    }
    table->frozen = table->dirty;
    table->dirty = vxc_batch_create(table->frozen->epoch + 1);
    vxc_store_commit_filled(table->store, table->frozen->count, table->frozen, meta, fill_changes);
}

bool vxc_table_freezing(const struct vxc_table *table)
{
    return table->frozen != NULL;
}

void vxc_table_thaw(struct vxc_table *table)
{
    struct vxc_batch **last = &table->thawing;

    vxc_check(table->frozen != NULL);
    vxc_check(table->open_scans == 0);
    vxc_batch_drop_views(table->frozen);
    while (*last != NULL) {
        last = &(*last)->next;
    }
    *last = table->frozen;
    table->thawing_rows += table->frozen->count;
    table->thawing_bytes += table->frozen->bytes;
    table->frozen = NULL;
}

/* ---- the end of a turn ---- */

static void evict_from(struct vxc_table *table, struct vxc_row **link)
{
    while (*link != NULL) {
        struct vxc_row *row = *link;

        if (row->epoch == 0 && (row->marks & VXC_ROW_REFERENCED) == 0) {
            uncount(table, row);
            *link = row->hash_next;
            table->hash.row_count--;
            vxc_row_free(row);
            continue;
        }
        if (row->epoch == 0) {
            row->marks &= (uint8_t)~VXC_ROW_REFERENCED;
        }
        link = &row->hash_next;
    }
}

/* The clock: its hand goes round the buckets and takes clean rows not read since it came by last.
 */
static void evict(struct vxc_table *table)
{
    size_t budget = EVICT_BUCKETS_PER_TURN + EVICT_BUCKETS_PER_LOAD * table->loaded_in_turn;

    while (table->clean_bytes > table->clean_bytes_max && budget-- > 0) {
        if (table->clock_hand >= table->hash.bucket_count) {
            table->clock_hand = 0;
        }
        evict_from(table, vxc_row_hash_bucket(&table->hash, table->clock_hand++));
    }
}

void vxc_table_end_turn(struct vxc_table *table)
{
    vxc_check(table->open_scans == 0);
    settle(table, SETTLE_PER_TURN);
    evict(table);
    table->loaded_in_turn = 0;
    vxc_store_end_reads(table->store);
}

/* ---- inspection ---- */

void vxc_table_stats(const struct vxc_table *table, struct vxc_table_stats *stats)
{
    *stats = (struct vxc_table_stats){
        .dirty_rows = table->dirty->count,
        .dirty_bytes = table->dirty->bytes,
        .clean_rows = table->clean_rows + table->thawing_rows, /* as good as clean */
        .clean_bytes = table->clean_bytes + table->thawing_bytes,
        .hits_total = table->hits_total,
        .misses_total = table->misses_total,
    };
    if (table->frozen != NULL) {
        stats->frozen_rows = table->frozen->count;
        stats->frozen_bytes = table->frozen->bytes;
    }
}
