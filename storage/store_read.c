#include "store_internal.h"

#include "base/check.h"
#include "base/memory.h"

struct vxc_store_cursor {
    struct vxc_store_cursor *next; /* in the store's list of idle cursors */
    struct vxc_store *store;
    enum vxc_database db;
    MDB_cursor *cursor;
    struct vxc_row_key prefix;
    struct vxc_row_key from;
    bool begun;
};

static MDB_val to_val(struct vxc_slice s)
{
    return (MDB_val){s.size,
                     (void *)(uintptr_t)s.data}; /* LMDB takes keys as void * but reads only */
}

int vxc_store_begin_read(struct vxc_store *store, struct vxc_error *err)
{
    int rc;

    if (store->reading) {
        return 0;
    }
    rc = store->reader == NULL ? mdb_txn_begin(store->env, NULL, MDB_RDONLY, &store->reader)
                               : mdb_txn_renew(store->reader);
    if (rc != 0) {
        return vxc_store_fail(store, err, rc, "begin a read");
    }
    store->reading = true;
    return 0;
}

void vxc_store_end_reads(struct vxc_store *store)
{
    if (store->reading) {
        mdb_txn_reset(store->reader);
        store->reading = false;
    }
}

int vxc_store_get(struct vxc_store *store, enum vxc_database db, struct vxc_slice key,
                  struct vxc_slice *body, struct vxc_error *err)
{
    MDB_val k = to_val(key);
    MDB_val v;
    int rc = vxc_store_begin_read(store, err);

    if (rc != 0) {
        return rc;
    }
    if (!store->db_known[db]) {
        return VXC_ENOTFOUND;
    }
    rc = mdb_get(store->reader, store->dbis[db], &k, &v);
    if (rc == MDB_NOTFOUND) {
        return VXC_ENOTFOUND;
    }
    if (rc != 0) {
        return vxc_store_fail(store, err, rc, vxc_database_name(db));
    }
    rc = vxc_store_row_decode(db, key, v, body, err);
    return rc != 0 ? vxc_error_prefix(err, "%s/data.mdb", store->path), rc : 0;
}

/* ---- cursors ---- */

static void copy_key(struct vxc_row_key *key, struct vxc_slice from)
{
    vxc_check(from.size <= sizeof key->data);
    if (from.size != 0) {
        memcpy(key->data, from.data, from.size);
    }
    key->size = (uint16_t)from.size;
}

/* A cursor from the idle list, or a new one: short scans come once per message. */
static struct vxc_store_cursor *take_cursor(struct vxc_store *store, enum vxc_database db)
{
    struct vxc_store_cursor **link = &store->idle_cursors;
    struct vxc_store_cursor *cursor;

    while (*link != NULL && (*link)->db != db) {
        link = &(*link)->next;
    }
    cursor = *link;
    if (cursor != NULL) {
        *link = cursor->next;
        return cursor;
    }
    cursor = vxc_calloc(1, sizeof *cursor);
    if (cursor != NULL) {
        cursor->store = store;
        cursor->db = db;
    }
    return cursor;
}

int vxc_store_cursor_open(struct vxc_store *store, enum vxc_database db, struct vxc_slice prefix,
                          struct vxc_slice from, struct vxc_store_cursor **cursor,
                          struct vxc_error *err)
{
    struct vxc_store_cursor *c;
    int rc = vxc_store_begin_read(store, err);

    if (rc != 0) {
        return rc;
    }
    c = take_cursor(store, db);
    if (c == NULL) {
        return vxc_error_set(err, VXC_ENOMEM, "out of memory for a cursor");
    }
    if (store->db_known[db]) {
        rc = c->cursor == NULL ? mdb_cursor_open(store->reader, store->dbis[db], &c->cursor)
                               : mdb_cursor_renew(store->reader, c->cursor);
    }
    if (rc != 0) {
        vxc_store_cursor_close(c);
        return vxc_store_fail(store, err, rc, "open a cursor");
    }
    copy_key(&c->prefix, prefix);
    copy_key(&c->from, vxc_slice_compare(from, prefix) < 0 ? prefix : from);
    c->begun = false;
    *cursor = c;
    return 0;
}

int vxc_store_cursor_next(struct vxc_store_cursor *cursor, struct vxc_slice *key,
                          struct vxc_slice *body, struct vxc_error *err)
{
    MDB_val k;
    MDB_val v;
    int rc;

    vxc_check(cursor->store->reading); /* a cursor ends with the reads of its turn */
    if (cursor->cursor == NULL) {
        return VXC_ENOTFOUND;
    }
    if (cursor->begun) {
        rc = mdb_cursor_get(cursor->cursor, &k, &v, MDB_NEXT);
    } else if (cursor->from.size == 0) {
        rc = mdb_cursor_get(cursor->cursor, &k, &v, MDB_FIRST);
    } else {
        k = to_val(vxc_row_key_slice(&cursor->from));
        rc = mdb_cursor_get(cursor->cursor, &k, &v, MDB_SET_RANGE);
    }
    cursor->begun = true;
    if (rc == MDB_NOTFOUND) {
        return VXC_ENOTFOUND;
    }
    if (rc != 0) {
        return vxc_store_fail(cursor->store, err, rc, vxc_database_name(cursor->db));
    }
    if (k.mv_size < cursor->prefix.size ||
        memcmp(k.mv_data, cursor->prefix.data, cursor->prefix.size) != 0) {
        return VXC_ENOTFOUND;
    }
    *key = vxc_slice(k.mv_data, k.mv_size);
    rc = vxc_store_row_decode(cursor->db, *key, v, body, err);
    if (rc != 0) {
        (void)vxc_error_prefix(err, "%s/data.mdb", cursor->store->path);
    }
    return rc;
}

void vxc_store_cursor_close(struct vxc_store_cursor *cursor)
{
    if (cursor != NULL) {
        cursor->next = cursor->store->idle_cursors;
        cursor->store->idle_cursors = cursor;
    }
}

void vxc_store_free_cursors(struct vxc_store *store)
{
    while (store->idle_cursors != NULL) {
        struct vxc_store_cursor *cursor = store->idle_cursors;

        store->idle_cursors = cursor->next;
        if (cursor->cursor != NULL) {
            mdb_cursor_close(cursor->cursor);
        }
        vxc_free(cursor);
    }
}

/* ---- meta ---- */

static int load_row(struct vxc_store *store, const char *name, struct vxc_slice *body,
                    struct vxc_error *err)
{
    int rc = vxc_store_get(store, VXC_DB_META, vxc_slice_of_string(name), body, err);

    if (rc == VXC_ENOTFOUND) {
        return vxc_error_set(err, VXC_ECORRUPT, "%s/data.mdb: row %s is missing in meta",
                             store->path, name);
    }
    return rc;
}

int vxc_store_load_meta(struct vxc_store *store, struct vxc_store_sums *sums, struct vxc_error *err)
{
    struct vxc_slice body;
    int rc =
        vxc_store_get(store, VXC_DB_META, vxc_slice_of_string(VXC_STORE_KEY_FORMAT), &body, err);

    if (rc == VXC_ENOTFOUND) {
        return vxc_error_set(err, VXC_EFOREIGN, "%s/data.mdb: an LMDB file of another program",
                             store->path);
    }
    if (rc == 0) {
        rc = vxc_store_format_check(body, err);
    }
    if (rc != 0) {
        return rc;
    }
    rc = load_row(store, VXC_STORE_KEY_COMMIT, &body, err);
    if (rc == 0) {
        rc = vxc_store_commit_decode(body, &store->meta, sums, err);
    }
    if (rc == 0) {
        rc = load_row(store, VXC_STORE_KEY_CONFIGURATION, &body, err);
    }
    if (rc != 0) {
        return rc;
    }
    vxc_buffer_clear(&store->configuration);
    if (vxc_buffer_append(&store->configuration, body.data, body.size) != 0) {
        return vxc_error_set(err, VXC_ENOMEM, "out of memory for the configuration");
    }
    store->meta.configuration = vxc_buffer_slice(&store->configuration);
    return 0;
}
