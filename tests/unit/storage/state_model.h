/* A naive model of the state, for tests of table, store and verify: a sorted array of live rows,
 * and a driver that changes table and model alike, the way the state machine does (an element is
 * never changed without its header). */
#ifndef VXC_TESTS_STATE_MODEL_H
#define VXC_TESTS_STATE_MODEL_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "storage/store.h"
#include "storage/table.h"
#include "storage/verify.h"

struct model_row {
    enum vxc_database db;
    uint16_t key_size;
    uint8_t key[VXC_ROW_KEY_SIZE_MAX];
    uint8_t *value;
    size_t value_size;
};

struct model {
    struct model_row **rows; /* sorted by database, then key */
    size_t count;
    size_t capacity;
};

/* ---- randomness: xorshift, the same for the same seed everywhere ---- */

static inline uint64_t next_random(uint64_t *state)
{
    uint64_t x = *state;

    x ^= x << 13;
    x ^= x >> 7;
    x ^= x << 17;
    return *state = x;
}

static inline size_t random_below(uint64_t *state, size_t bound)
{
    return (size_t)(next_random(state) >> 11) % bound;
}

/* ---- the model ---- */

static inline struct vxc_slice model_key(const struct model_row *row)
{
    return vxc_slice(row->key, row->key_size);
}

/* Index of the first row ≥ (db, key). */
static inline size_t model_lower(const struct model *m, enum vxc_database db, struct vxc_slice key)
{
    size_t low = 0;
    size_t high = m->count;

    while (low < high) {
        size_t middle = (low + high) / 2;
        const struct model_row *row = m->rows[middle];
        int order =
            row->db != db ? (row->db < db ? -1 : 1) : vxc_slice_compare(model_key(row), key);

        if (order < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

static inline struct model_row *model_find(const struct model *m, enum vxc_database db,
                                           struct vxc_slice key)
{
    size_t at = model_lower(m, db, key);

    if (at < m->count && m->rows[at]->db == db && vxc_slice_equal(model_key(m->rows[at]), key)) {
        return m->rows[at];
    }
    return NULL;
}

static inline void model_put(struct model *m, enum vxc_database db, struct vxc_slice key,
                             struct vxc_slice value)
{
    struct model_row *row = model_find(m, db, key);

    if (row == NULL) {
        size_t at = model_lower(m, db, key);

        if (m->count == m->capacity) {
            m->capacity = m->capacity * 2 + 64;
            m->rows = realloc(m->rows, m->capacity * sizeof *m->rows);
        }
        memmove(m->rows + at + 1, m->rows + at, (m->count - at) * sizeof *m->rows);
        row = calloc(1, sizeof *row);
        row->db = db;
        row->key_size = (uint16_t)key.size;
        memcpy(row->key, key.data, key.size);
        m->rows[at] = row;
        m->count++;
    }
    free(row->value);
    row->value = malloc(value.size + 1);
    memcpy(row->value, value.data, value.size);
    row->value_size = value.size;
}

static inline void model_remove_at(struct model *m, size_t at)
{
    free(m->rows[at]->value);
    free(m->rows[at]);
    memmove(m->rows + at, m->rows + at + 1, (m->count - at - 1) * sizeof *m->rows);
    m->count--;
}

static inline void model_del(struct model *m, enum vxc_database db, struct vxc_slice key)
{
    if (model_find(m, db, key) != NULL) {
        model_remove_at(m, model_lower(m, db, key));
    }
}

static inline void model_del_prefix(struct model *m, enum vxc_database db, struct vxc_slice prefix)
{
    size_t at = model_lower(m, db, prefix);

    while (at < m->count && m->rows[at]->db == db && m->rows[at]->key_size >= prefix.size &&
           memcmp(m->rows[at]->key, prefix.data, prefix.size) == 0) {
        model_remove_at(m, at);
    }
}

static inline void model_clear(struct model *m)
{
    while (m->count > 0) {
        model_remove_at(m, m->count - 1);
    }
    free(m->rows);
    *m = (struct model){0};
}

static inline void model_copy(struct model *to, const struct model *from)
{
    model_clear(to);
    for (size_t i = 0; i < from->count; i++) {
        const struct model_row *row = from->rows[i];

        model_put(to, row->db, model_key(row), vxc_slice(row->value, row->value_size));
    }
}

/* The digest by its definition: the sum of the checksums of all replicated rows, where the elements
 * count twice over nothing: once, through the digest in their header. */
static inline uint64_t model_digest(const struct model *m)
{
    uint64_t sum = 0;

    for (size_t i = 0; i < m->count; i++) {
        const struct model_row *row = m->rows[i];

        if (row->db != VXC_DB_META) {
            sum +=
                vxc_row_checksum(row->db, model_key(row), vxc_slice(row->value, row->value_size));
        }
    }
    return sum;
}

/* ---- folders ---- */

static inline char *make_folder(void)
{
    const char *base = getenv("TMPDIR");
    char *path = malloc(4096);

    (void)snprintf(path, 4096, "%s/vxc-storage-XXXXXX", base == NULL ? "/tmp" : base);
    assert_non_null(mkdtemp(path));
    return path;
}

static inline void remove_state(const char *folder)
{
    char path[4200];
    static const char *const names[] = {"state/data.mdb",     "state/lock.mdb",     "state",
                                        "state.new/data.mdb", "state.new/lock.mdb", "state.new"};

    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        (void)snprintf(path, sizeof path, "%s/%s", folder, names[i]);
        (void)remove(path);
    }
}

static inline void remove_folder_of_test(char *folder)
{
    remove_state(folder);
    assert_int_equal(rmdir(folder), 0);
    free(folder);
}

/* ---- the driver ---- */

enum { DRIVER_OBJECTS = 6, DRIVER_KEYS = 60 };

struct driver {
    uint64_t random;
    char *folder;
    char path[4200];
    struct vxc_store_options options;
    uint64_t clean_bytes_max;
    struct vxc_store *store;
    struct vxc_table *table;
    struct model model;
    struct model frozen;                  /* the model as it was when frozen last */
    struct model committed;               /* and as it is in the store */
    uint64_t index;                       /* next generation and applied index */
    uint64_t generations[DRIVER_OBJECTS]; /* 0 = the object does not exist */
    uint64_t generations_frozen[DRIVER_OBJECTS];
    uint64_t generations_committed[DRIVER_OBJECTS];
};

static inline enum vxc_database object_database(size_t object)
{
    static const enum vxc_database dbs[] = {VXC_DB_MAPS, VXC_DB_SETS, VXC_DB_MULTIMAPS};

    return dbs[object % 3];
}

static inline void driver_open(struct driver *d)
{
    struct vxc_error err = {0, ""};

    if (vxc_store_open(d->path, &d->options, &d->store, &err) != 0) {
        fail_msg("open: %s", err.text);
    }
    assert_int_equal(vxc_table_create(d->store, d->clean_bytes_max, &d->table), 0);
}

static inline void driver_close(struct driver *d)
{
    vxc_table_free(d->table);
    vxc_store_close(d->store);
    d->table = NULL;
    d->store = NULL;
}

static inline void driver_init(struct driver *d, uint64_t seed, bool synchronous)
{
    memset(d, 0, sizeof *d);
    d->random = seed * 0x9e3779b97f4a7c15u + 1;
    d->folder = make_folder();
    (void)snprintf(d->path, sizeof d->path, "%s/state", d->folder);
    d->options.synchronous = synchronous;
    d->options.map_size = 1u << 30;
    d->clean_bytes_max = 20000;
    d->index = 1;
    driver_open(d);
}

static inline void driver_deinit(struct driver *d)
{
    if (d->store != NULL) {
        driver_close(d);
    }
    model_clear(&d->model);
    model_clear(&d->frozen);
    model_clear(&d->committed);
    remove_folder_of_test(d->folder);
}

static inline void both_put(struct driver *d, enum vxc_database db, struct vxc_slice key,
                            struct vxc_slice value)
{
    size_t cut = value.size == 0 ? 0 : random_below(&d->random, value.size + 1);

    model_put(&d->model, db, key, value);
    vxc_table_put(d->table, db, key, vxc_slice(value.data, cut),
                  vxc_slice(value.data + cut, value.size - cut));
}

static inline void put_header(struct driver *d, size_t object)
{
    struct vxc_row_key key;
    uint8_t body[24] = {0};

    vxc_row_key_begin(&key);
    vxc_row_key_u64(&key, object + 1);
    vxc_store_u64(body, d->generations[object]);
    vxc_store_u64(body + 16, d->index);
    both_put(d, object_database(object), vxc_row_key_slice(&key), vxc_slice(body, sizeof body));
}

static inline void make_element_key(struct driver *d, size_t object, struct vxc_row_key *key)
{
    char text[32];

    (void)snprintf(text, sizeof text, "key-%zu", random_below(&d->random, DRIVER_KEYS));
    vxc_row_key_begin(key);
    vxc_row_key_u64(key, object + 1);
    vxc_row_key_u64(key, d->generations[object]);
    vxc_row_key_user(key, vxc_slice_of_string(text));
}

static inline void make_plain_key(struct driver *d, enum vxc_database db, struct vxc_row_key *key)
{
    vxc_row_key_begin(key);
    if (db == VXC_DB_DEADLINES) { /* a queue: mostly growing at the end */
        vxc_row_key_u64(key, d->index / 8 + random_below(&d->random, 40));
    } else {
        vxc_row_key_u8(key, (uint8_t)('a' + random_below(&d->random, 3)));
        vxc_row_key_u64(key, random_below(&d->random, DRIVER_KEYS));
    }
}

/* Fills `value` with random bytes of a random size, mostly small. */
static inline struct vxc_slice make_value(struct driver *d, uint8_t *value, size_t capacity)
{
    size_t size = random_below(&d->random, 10) == 0 ? random_below(&d->random, capacity)
                                                    : random_below(&d->random, 100);

    memset(value, (int)(uint8_t)next_random(&d->random), size);
    return vxc_slice(value, size);
}

static inline void change_object(struct driver *d)
{
    size_t object = random_below(&d->random, DRIVER_OBJECTS);
    enum vxc_database db = object_database(object);
    size_t dice = random_below(&d->random, 100);
    struct vxc_row_key key;
    uint8_t value[6000];
    uint8_t id[8];

    vxc_store_be64(id, object + 1);
    if (d->generations[object] == 0 || dice < 3) { /* create or clear */
        model_del_prefix(&d->model, db, vxc_slice(id, sizeof id));
        d->generations[object] = d->index;
    } else if (dice < 5) { /* destroy */
        model_del_prefix(&d->model, db, vxc_slice(id, sizeof id));
        vxc_table_del(d->table, db, vxc_slice(id, sizeof id));
        d->generations[object] = 0;
        return;
    } else {
        make_element_key(d, object, &key);
        if (dice < 70) {
            both_put(d, db, vxc_row_key_slice(&key), make_value(d, value, sizeof value));
        } else {
            model_del(&d->model, db, vxc_row_key_slice(&key));
            vxc_table_del(d->table, db, vxc_row_key_slice(&key));
        }
    }
    put_header(d, object);
}

static inline enum vxc_database plain_database(struct driver *d)
{
    static const enum vxc_database dbs[] = {VXC_DB_COUNTERS, VXC_DB_LOCKS, VXC_DB_DEADLINES,
                                            VXC_DB_META};

    return dbs[random_below(&d->random, 4)];
}

static inline void change_plain(struct driver *d)
{
    enum vxc_database db = plain_database(d);
    struct vxc_row_key key;
    uint8_t value[6000];

    make_plain_key(d, db, &key);
    if (random_below(&d->random, 100) < 60) {
        both_put(d, db, vxc_row_key_slice(&key), make_value(d, value, sizeof value));
    } else {
        model_del(&d->model, db, vxc_row_key_slice(&key));
        vxc_table_del(d->table, db, vxc_row_key_slice(&key));
    }
}

static inline void driver_freeze(struct driver *d)
{
    struct vxc_store_meta meta = {.applied_index = d->index++,
                                  .applied_term = 3,
                                  .cluster_time_ms = d->index * 10,
                                  .configuration_index = 1,
                                  .configuration = vxc_slice_of_string("configuration")};

    model_copy(&d->frozen, &d->model);
    memcpy(d->generations_frozen, d->generations, sizeof d->generations);
    vxc_table_freeze(d->table, &meta);
}

/* After a collected commit: the store must hold what was frozen. */
static inline void driver_thaw(struct driver *d)
{
    vxc_table_thaw(d->table);
    model_copy(&d->committed, &d->frozen);
    memcpy(d->generations_committed, d->generations_frozen, sizeof d->generations);
    assert_int_equal(vxc_store_digest(d->store), model_digest(&d->committed));
}

static inline void driver_finish_commit(struct driver *d)
{
    if (vxc_table_freezing(d->table)) {
        vxc_store_wait(d->store);
        assert_true(vxc_store_collect(d->store));
        driver_thaw(d);
    }
}

/* Everything into the store. */
static inline void driver_flush(struct driver *d)
{
    driver_finish_commit(d);
    driver_freeze(d);
    driver_finish_commit(d);
}

#endif
