#include "store_internal.h"

#include "base/check.h"
#include "base/memory.h"
#include "storage/key_sort.h"

/* One LMDB transaction under way. The cursor walks the databases in the order of the sorted
 * changes, so that every leaf page is visited once. */
struct commit {
    struct vxc_store *store;
    const struct vxc_store_change *changes;
    const struct vxc_key_sort_item *order;
    MDB_txn *txn;
    MDB_cursor *cursor; /* of the database being written */
    enum vxc_database db;
    struct vxc_row_key last; /* greatest key of the database before this commit */
    bool appending;          /* this change and all that follow lie behind `last` */
    struct vxc_store_sums sums;
    bool garbage_left;
};

struct header {
    bool found;
    uint64_t checksum;
    uint64_t generation;
    uint64_t digest;
};

static MDB_val to_val(struct vxc_slice s)
{
    return (MDB_val){s.size,
                     (void *)(uintptr_t)s.data}; /* LMDB takes keys as void * but reads only */
}

static uint64_t checksum_of(MDB_val value)
{
    return vxc_load_u64(value.mv_data);
}

static const struct vxc_store_change *change_at(const struct commit *c, size_t at)
{
    return &c->changes[c->order[at].index];
}

/* ---- rows ---- */

/* The stored row under the cursor. MDB_NOTFOUND without a search while appending. */
static int find_old(struct commit *c, struct vxc_slice key, MDB_val *old)
{
    MDB_val k = to_val(key);
    int rc;

    if (!c->appending && vxc_slice_compare(key, vxc_row_key_slice(&c->last)) > 0) {
        c->appending = true;
    }
    if (c->appending) {
        return MDB_NOTFOUND;
    }
    rc = mdb_cursor_get(c->cursor, &k, old, MDB_SET_KEY);
    if (rc == 0 && old->mv_size < VXC_ROW_CHECKSUM_SIZE) {
        return MDB_CORRUPTED;
    }
    return rc;
}

/* Writes checksum and body straight into the page; *value is where it lies until the next write. */
static int put_row(struct commit *c, const struct vxc_store_change *change, unsigned flags,
                   uint8_t **value)
{
    MDB_val k = to_val(change->key);
    MDB_val v = {VXC_ROW_CHECKSUM_SIZE + change->value.size, NULL};
    int rc = mdb_cursor_put(c->cursor, &k, &v, flags | MDB_RESERVE);

    if (rc == 0) {
        *value = v.mv_data;
        vxc_store_u64(*value, change->checksum);
        if (change->value.size != 0) {
            memcpy(*value + VXC_ROW_CHECKSUM_SIZE, change->value.data, change->value.size);
        }
    }
    return rc;
}

/* Puts or deletes one row and moves *sum from its old checksum to the new one. */
static int commit_row(struct commit *c, const struct vxc_store_change *change, uint64_t *sum)
{
    MDB_val old;
    uint8_t *value;
    int rc = find_old(c, change->key, &old);

    if (rc == 0) {
        *sum -= checksum_of(old);
        if (change->deleted) {
            return mdb_cursor_del(c->cursor, 0);
        }
    } else if (rc != MDB_NOTFOUND) {
        return rc;
    } else if (change->deleted) {
        return 0; /* born and deleted since the last commit */
    }
    rc = put_row(c, change, c->appending ? MDB_APPEND : 0, &value);
    if (rc == 0) {
        *sum += change->checksum;
    }
    return rc;
}

/* ---- local rows: meta and garbage ---- */

static int local_put(struct commit *c, enum vxc_database db, struct vxc_slice key,
                     struct vxc_slice body, bool counted)
{
    MDB_val k = to_val(key);
    MDB_val old;
    MDB_val v = {VXC_ROW_CHECKSUM_SIZE + body.size, NULL};
    uint64_t checksum = vxc_row_checksum(db, key, body);
    int rc = mdb_get(c->txn, c->store->dbis[db], &k, &old);

    if (rc == 0 && old.mv_size < VXC_ROW_CHECKSUM_SIZE) {
        return MDB_CORRUPTED;
    }
    if (rc == 0 && counted) {
        c->sums.local -= checksum_of(old);
    }
    if (rc != 0 && rc != MDB_NOTFOUND) {
        return rc;
    }
    rc = mdb_put(c->txn, c->store->dbis[db], &k, &v, MDB_RESERVE);
    if (rc != 0) {
        return rc;
    }
    vxc_store_u64(v.mv_data, checksum);
    if (body.size != 0) {
        memcpy((uint8_t *)v.mv_data + VXC_ROW_CHECKSUM_SIZE, body.data, body.size);
    }
    if (counted) {
        c->sums.local += checksum;
    }
    return 0;
}

static int add_garbage(struct commit *c, uint64_t object_id, uint64_t generation)
{
    uint8_t key[VXC_STORE_GARBAGE_KEY_SIZE];

    key[0] = (uint8_t)c->db;
    vxc_store_be64(key + 1, object_id);
    vxc_store_be64(key + 9, generation);
    c->garbage_left = true;
    return local_put(c, VXC_DB_GARBAGE, vxc_slice(key, sizeof key), vxc_slice(NULL, 0), true);
}

static int write_meta(struct commit *c, const struct vxc_store_meta *meta)
{
    uint8_t body[VXC_STORE_COMMIT_SIZE];
    int rc = local_put(c, VXC_DB_META, vxc_slice_of_string(VXC_STORE_KEY_CONFIGURATION),
                       meta->configuration, true);

    if (rc != 0) {
        return rc;
    }
    vxc_store_commit_encode(meta, &c->sums, body);
    return local_put(c, VXC_DB_META, vxc_slice_of_string(VXC_STORE_KEY_COMMIT),
                     vxc_slice(body, sizeof body), false);
}

/* ---- objects ---- */

static int find_header(struct commit *c, struct vxc_slice key, struct header *header)
{
    MDB_val old;
    int rc = find_old(c, key, &old);

    *header = (struct header){0};
    if (rc == MDB_NOTFOUND) {
        return 0;
    }
    if (rc != 0) {
        return rc;
    }
    if (old.mv_size < VXC_ROW_CHECKSUM_SIZE + VXC_ROW_HEADER_SIZE_MIN) {
        return MDB_CORRUPTED;
    }
    const uint8_t *body = (const uint8_t *)old.mv_data + VXC_ROW_CHECKSUM_SIZE;
    *header = (struct header){
        .found = true,
        .checksum = checksum_of(old),
        .generation = vxc_load_u64(body),
        .digest = vxc_load_u64(body + VXC_ROW_DIGEST_OFFSET),
    };
    return 0;
}

static int put_header(struct commit *c, const struct vxc_store_change *change, unsigned flags,
                      uint64_t digest)
{
    uint8_t *value;
    int rc = put_row(c, change, flags, &value);

    if (rc == 0) {
        vxc_store_u64(value + VXC_ROW_CHECKSUM_SIZE + VXC_ROW_DIGEST_OFFSET, digest);
    }
    return rc;
}

static int delete_header(struct commit *c, struct vxc_slice key)
{
    MDB_val k = to_val(key);
    MDB_val old;
    int rc = mdb_cursor_get(c->cursor, &k, &old, MDB_SET_KEY);

    return rc != 0 ? rc : mdb_cursor_del(c->cursor, 0);
}

static bool belongs_to(const struct vxc_store_change *change, const struct vxc_store_change *header)
{
    return change->db == header->db && change->key.size >= VXC_ROW_OBJECT_ID_SIZE &&
           memcmp(change->key.data, header->key.data, VXC_ROW_OBJECT_ID_SIZE) == 0;
}

/* Writes the elements of the header's generation from position `at` on; *end is behind the object.
 */
static int commit_elements(struct commit *c, const struct vxc_store_change *header, size_t at,
                           size_t count, uint64_t *digest, size_t *end)
{
    for (; at < count && belongs_to(change_at(c, at), header); at++) {
        const struct vxc_store_change *element = change_at(c, at);
        int rc;

        vxc_check(element->key.size >= VXC_ROW_ELEMENT_KEY_MIN);
        if (header->deleted || vxc_load_be64(element->key.data + VXC_ROW_OBJECT_ID_SIZE) !=
                                   vxc_load_u64(header->value.data)) {
            continue; /* of a generation that is gone: never written, or garbage by now */
        }
        rc = commit_row(c, element, digest);
        if (rc != 0) {
            return rc;
        }
    }
    *end = at;
    return 0;
}

/* One object: its header, which sorts first, and its elements. The header is written last, when the
 * digest is known; a new one also first, to keep appending in key order. */
static int commit_object(struct commit *c, size_t at, size_t count, size_t *end)
{
    const struct vxc_store_change *change = change_at(c, at);
    struct header old;
    bool same;
    uint64_t digest;
    int rc;

    vxc_check(vxc_row_is_header(change->db, change->key)); /* an element came without its header */
    vxc_check(change->deleted || change->value.size >= VXC_ROW_HEADER_SIZE_MIN);
    rc = find_header(c, change->key, &old);
    if (rc != 0) {
        return rc;
    }
    same = old.found && !change->deleted && old.generation == vxc_load_u64(change->value.data);
    digest = same ? old.digest : 0;
    if (old.found) {
        c->sums.total -= old.checksum + old.digest;
        if (!same) {
            rc = add_garbage(c, vxc_load_be64(change->key.data), old.generation);
        }
    } else if (!change->deleted) {
        rc = put_header(c, change, c->appending ? MDB_APPEND : 0, 0);
    }
    if (rc == 0) {
        rc = commit_elements(c, change, at + 1, count, &digest, end);
    }
    if (rc != 0) {
        return rc;
    }
    if (change->deleted) {
        return old.found ? delete_header(c, change->key) : 0;
    }
    c->sums.total += change->checksum + digest;
    return old.found || digest != 0 ? put_header(c, change, 0, digest) : 0;
}

/* ---- garbage ---- */

/* Deletes rows whose key begins with prefix, at most *budget; *emptied when none is left. */
static int reclaim_prefix(struct commit *c, MDB_dbi dbi, struct vxc_slice prefix, size_t *budget,
                          bool *emptied)
{
    MDB_cursor *cursor;
    MDB_val k = to_val(prefix);
    MDB_val v;
    int rc = mdb_cursor_open(c->txn, dbi, &cursor);

    *emptied = false;
    if (rc != 0) {
        return rc;
    }
    rc = mdb_cursor_get(cursor, &k, &v, MDB_SET_RANGE);
    while (rc == 0) {
        if (k.mv_size < prefix.size || memcmp(k.mv_data, prefix.data, prefix.size) != 0) {
            rc = MDB_NOTFOUND;
            break;
        }
        if (*budget == 0) {
            break;
        }
        (*budget)--;
        rc = mdb_cursor_del(cursor, 0);
        if (rc == 0) {
            rc = mdb_cursor_get(cursor, &k, &v, MDB_NEXT);
        }
    }
    *emptied = rc == MDB_NOTFOUND;
    mdb_cursor_close(cursor);
    return rc == MDB_NOTFOUND ? 0 : rc;
}

static int reclaim(struct commit *c)
{
    size_t budget = VXC_RECLAIM_ROWS_PER_COMMIT;
    MDB_cursor *cursor;
    MDB_val k;
    MDB_val v;
    int rc;

    if (!c->garbage_left) {
        return 0;
    }
    rc = mdb_cursor_open(c->txn, c->store->dbis[VXC_DB_GARBAGE], &cursor);
    if (rc != 0) {
        return rc;
    }
    rc = mdb_cursor_get(cursor, &k, &v, MDB_FIRST);
    while (rc == 0 && budget > 0) {
        const uint8_t *key = k.mv_data;
        bool emptied;

        if (k.mv_size != VXC_STORE_GARBAGE_KEY_SIZE || v.mv_size < VXC_ROW_CHECKSUM_SIZE ||
            key[0] >= VXC_DB_COUNT || !vxc_database_has_objects(key[0])) {
            rc = MDB_CORRUPTED;
            break;
        }
        uint8_t prefix[VXC_ROW_ELEMENT_KEY_MIN];
        uint64_t checksum = checksum_of(v);
        memcpy(prefix, key + 1, sizeof prefix);
        rc = reclaim_prefix(c, c->store->dbis[key[0]], vxc_slice(prefix, sizeof prefix), &budget,
                            &emptied);
        if (rc == 0 && emptied) {
            c->sums.local -= checksum;
            rc = mdb_cursor_del(cursor, 0);
            if (rc == 0) {
                rc = mdb_cursor_get(cursor, &k, &v, MDB_NEXT);
            }
        }
    }
    mdb_cursor_close(cursor);
    c->garbage_left = rc != MDB_NOTFOUND;
    return rc == MDB_NOTFOUND ? 0 : rc;
}

/* ---- the whole ---- */

static int enter_database(struct commit *c, enum vxc_database db)
{
    MDB_val k;
    MDB_val v;
    int rc;

    if (c->cursor != NULL) {
        mdb_cursor_close(c->cursor);
        c->cursor = NULL;
    }
    c->db = db;
    c->appending = false;
    rc = mdb_cursor_open(c->txn, c->store->dbis[db], &c->cursor);
    if (rc != 0) {
        return rc;
    }
    rc = mdb_cursor_get(c->cursor, &k, &v, MDB_LAST);
    if (rc == MDB_NOTFOUND) {
        c->appending = true;
        return 0;
    }
    if (rc == 0) {
        vxc_row_key_begin(&c->last);
        if (k.mv_size > sizeof c->last.data) {
            return MDB_CORRUPTED;
        }
        memcpy(c->last.data, k.mv_data, k.mv_size);
        c->last.size = (uint16_t)k.mv_size;
    }
    return rc;
}

static int commit_rows(struct commit *c, size_t count)
{
    size_t at = 0;
    int rc = 0;

    c->db = VXC_DB_COUNT;
    while (at < count && rc == 0) {
        const struct vxc_store_change *change = change_at(c, at);

        if (change->db != c->db) {
            rc = enter_database(c, change->db);
            if (rc != 0) {
                break;
            }
        }
        if (vxc_database_has_objects(change->db)) {
            rc = commit_object(c, at, count, &at);
        } else {
            rc = commit_row(c, change, change->db == VXC_DB_META ? &c->sums.local : &c->sums.total);
            at++;
        }
    }
    if (c->cursor != NULL) {
        mdb_cursor_close(c->cursor);
        c->cursor = NULL;
    }
    return rc;
}

/* Ends the transaction; on success the writer's sums and index are those of the new state. */
static int finish(struct commit *c, int rc, uint64_t applied_index)
{
    struct vxc_store_writer *writer = &c->store->writer;

    if (rc != 0) {
        mdb_txn_abort(c->txn);
    } else {
        rc = mdb_txn_commit(c->txn);
        if (rc == 0) {
            writer->sums = c->sums;
            writer->garbage_left = c->garbage_left;
            writer->applied_index = applied_index;
        }
    }
    (void)pthread_mutex_unlock(&c->store->gate);
    return rc;
}

/* Every commit passes the gate, which finish() opens again. */
static int begin(struct commit *c, struct vxc_store *store)
{
    int rc;

    *c = (struct commit){
        .store = store, .sums = store->writer.sums, .garbage_left = store->writer.garbage_left};
    (void)pthread_mutex_lock(&store->gate);
    rc = mdb_txn_begin(store->env, NULL, 0, &c->txn);
    if (rc != 0) {
        (void)pthread_mutex_unlock(&store->gate);
    }
    return rc;
}

/* Order of the changes by database, then key: buckets by database, each sorted by key. */
static void make_order(struct vxc_store_job *job)
{
    size_t starts[VXC_DB_COUNT + 1] = {0};
    size_t fills[VXC_DB_COUNT];

    job->order = vxc_malloc((job->count + 1) * sizeof *job->order);
    if (job->order == NULL) {
        vxc_fatal("out of memory for a commit of %zu rows", job->count);
    }
    for (size_t i = 0; i < job->count; i++) {
        const struct vxc_store_change *change = &job->changes[i];

        vxc_check((unsigned)change->db < VXC_DB_COUNT && change->db != VXC_DB_GARBAGE);
        vxc_check(change->key.size > 0 && change->key.size <= VXC_ROW_KEY_SIZE_MAX);
        vxc_check(change->db != VXC_DB_META || change->key.size < sizeof VXC_STORE_KEY_PREFIX - 1 ||
                  memcmp(change->key.data, VXC_STORE_KEY_PREFIX, sizeof VXC_STORE_KEY_PREFIX - 1) !=
                      0);
        starts[change->db + 1]++;
    }
    for (int db = 0; db < VXC_DB_COUNT; db++) {
        starts[db + 1] += starts[db];
        fills[db] = starts[db];
    }
    for (size_t i = 0; i < job->count; i++) {
        const struct vxc_store_change *change = &job->changes[i];

        job->order[fills[change->db]++] = (struct vxc_key_sort_item){
            .key = change->key.data, .size = (uint32_t)change->key.size, .index = (uint32_t)i};
    }
    for (int db = 0; db < VXC_DB_COUNT; db++) {
        vxc_key_sort(job->order + starts[db], starts[db + 1] - starts[db]);
    }
}

int vxc_store_commit_job(struct vxc_store *store, struct vxc_store_job *job)
{
    struct commit c;
    int rc;

    if (job->fill != NULL && job->changes == NULL) {
        job->changes = vxc_malloc((job->count + 1) * sizeof *job->changes);
        if (job->changes == NULL) {
            vxc_fatal("out of memory for a commit of %zu rows", job->count);
        }
        job->fill(job->fill_data, job->changes, job->count);
    }
    if (job->order == NULL) {
        make_order(job);
    }
    rc = begin(&c, store);
    if (rc != 0) {
        return rc;
    }
    c.changes = job->changes;
    c.order = job->order;
    rc = commit_rows(&c, job->count);
    if (rc == 0) {
        rc = reclaim(&c);
    }
    if (rc == 0) {
        rc = write_meta(&c, &job->meta);
    }
    return finish(&c, rc, job->meta.applied_index);
}

/* Rewrites the commit row, for the local sum moves with the garbage rows. */
int vxc_store_commit_reclaim(struct vxc_store *store)
{
    struct vxc_store_meta meta = {0};
    struct vxc_store_sums sums;
    struct commit c;
    MDB_val k = to_val(vxc_slice_of_string(VXC_STORE_KEY_COMMIT));
    MDB_val v;
    int rc = begin(&c, store);

    if (rc != 0) {
        return rc;
    }
    rc = reclaim(&c);
    if (rc == 0) {
        rc = mdb_get(c.txn, store->dbis[VXC_DB_META], &k, &v);
    }
    if (rc == 0) {
        struct vxc_slice body;
        uint8_t raw[VXC_STORE_COMMIT_SIZE];

        if (vxc_store_row_decode(VXC_DB_META, vxc_slice_of_string(VXC_STORE_KEY_COMMIT), v, &body,
                                 NULL) != 0 ||
            vxc_store_commit_decode(body, &meta, &sums, NULL) != 0) {
            rc = MDB_CORRUPTED;
        } else {
            vxc_store_commit_encode(&meta, &c.sums, raw);
            rc = local_put(&c, VXC_DB_META, vxc_slice_of_string(VXC_STORE_KEY_COMMIT),
                           vxc_slice(raw, sizeof raw), false);
        }
    }
    return finish(&c, rc, store->writer.applied_index);
}

int vxc_store_commit_birth(struct vxc_store *store)
{
    static const struct vxc_store_meta meta = {0};
    uint8_t format[VXC_STORE_FORMAT_SIZE];
    struct commit c;
    int rc = begin(&c, store);

    if (rc != 0) {
        return rc;
    }
    memcpy(format, VXC_STORE_FORMAT_MAGIC, 8);
    vxc_store_u32(format + 8, VXC_STORE_FORMAT_VERSION);
    rc = local_put(&c, VXC_DB_META, vxc_slice_of_string(VXC_STORE_KEY_FORMAT),
                   vxc_slice(format, sizeof format), true);
    if (rc == 0) {
        rc = write_meta(&c, &meta);
    }
    return finish(&c, rc, 0);
}
