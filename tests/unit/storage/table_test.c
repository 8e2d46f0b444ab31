/* The table in front of a store, against a naive sorted array. */
#include "state_model.h"

#ifdef VXC_DEBUG_CHECKS
enum { SEEDS = 20, STEPS = 3000 }; /* sanitizers take their time */
#else
enum { SEEDS = 60, STEPS = 3000 };
#endif

static void check_get(struct driver *d)
{
    struct vxc_slice body;
    struct vxc_row_key key;
    enum vxc_database db;
    const struct model_row *row;
    size_t object = random_below(&d->random, DRIVER_OBJECTS);

    if (random_below(&d->random, 2) == 0 && d->generations[object] != 0) {
        db = object_database(object);
        make_element_key(d, object, &key);
    } else {
        db = plain_database(d);
        make_plain_key(d, db, &key);
    }
    row = model_find(&d->model, db, vxc_row_key_slice(&key));
    if (random_below(&d->random, 2) == 0) {
        vxc_table_expect(d->table, db, vxc_row_key_slice(&key)); /* changes nothing */
    }
    if (row == NULL) {
        assert_int_equal(vxc_table_get(d->table, db, vxc_row_key_slice(&key), &body),
                         VXC_ENOTFOUND);
    } else {
        assert_int_equal(vxc_table_get(d->table, db, vxc_row_key_slice(&key), &body), 0);
        assert_true(vxc_slice_equal(body, vxc_slice(row->value, row->value_size)));
    }
}

/* A random prefix: the whole database, a head, or the elements of one object, perhaps narrowed. */
static enum vxc_database random_prefix(struct driver *d, struct vxc_row_key *prefix)
{
    size_t object = random_below(&d->random, DRIVER_OBJECTS);
    enum vxc_database db;

    vxc_row_key_begin(prefix);
    if (random_below(&d->random, 2) == 0) {
        db = object_database(object);
        if (random_below(&d->random, 4) == 0) {
            return db; /* all objects */
        }
        vxc_row_key_u64(prefix, object + 1);
        if (d->generations[object] != 0 && random_below(&d->random, 5) != 0) {
            vxc_row_key_u64(prefix, d->generations[object]);
            if (random_below(&d->random, 2) == 0) {
                vxc_row_key_user(prefix, vxc_slice_of_string("key-1"));
            }
        }
        return db;
    }
    db = plain_database(d);
    if (db == VXC_DB_META) {
        vxc_row_key_u8(prefix, 'b'); /* the store's own rows are not in the model */
    } else if (db != VXC_DB_DEADLINES && random_below(&d->random, 2) == 0) {
        vxc_row_key_u8(prefix, (uint8_t)('a' + random_below(&d->random, 4)));
    }
    return db;
}

/* Overwrites or deletes the row that the scan has just returned. */
static void change_returned(struct driver *d, enum vxc_database db, const struct model_row *row)
{
    uint8_t value[300];
    struct vxc_row_key key;

    if (vxc_database_has_objects(db)) {
        return; /* would need its header, which is another row */
    }
    memcpy(key.data, row->key, row->key_size);
    key.size = row->key_size;
    if (random_below(&d->random, 2) == 0) {
        both_put(d, db, vxc_row_key_slice(&key), make_value(d, value, sizeof value));
    } else {
        model_del(&d->model, db, vxc_row_key_slice(&key));
        vxc_table_del(d->table, db, vxc_row_key_slice(&key));
    }
}

static bool has_prefix(const struct model_row *row, enum vxc_database db, struct vxc_slice prefix)
{
    return row->db == db && row->key_size >= prefix.size &&
           memcmp(row->key, prefix.data, prefix.size) == 0;
}

static void check_scan(struct driver *d)
{
    struct vxc_row_key prefix;
    enum vxc_database db = random_prefix(d, &prefix);
    struct vxc_row_key from = prefix;
    bool after = random_below(&d->random, 2) == 0;
    bool changing = random_below(&d->random, 4) == 0;
    size_t limit = random_below(&d->random, 3) == 0 ? SIZE_MAX : random_below(&d->random, 5);
    struct vxc_slice key;
    struct vxc_slice body;
    size_t at;

    if (d->model.count > 0 && random_below(&d->random, 2) == 0) { /* from some row of the prefix */
        at = model_lower(&d->model, db, vxc_row_key_slice(&prefix));
        at += random_below(&d->random, 30);
        if (at < d->model.count && d->model.rows[at]->db == db) {
            memcpy(from.data, d->model.rows[at]->key, d->model.rows[at]->key_size);
            from.size = d->model.rows[at]->key_size;
        }
    }
    if (vxc_slice_compare(vxc_row_key_slice(&from), vxc_row_key_slice(&prefix)) == 0) {
        after = after && prefix.size > 0;
    }
    at = model_lower(&d->model, db, vxc_row_key_slice(&from));
    if (after && at < d->model.count && d->model.rows[at]->db == db &&
        vxc_slice_equal(model_key(d->model.rows[at]), vxc_row_key_slice(&from))) {
        at++;
    }
    struct vxc_table_scan *scan = vxc_table_scan_open(d->table, db, vxc_row_key_slice(&prefix),
                                                      vxc_row_key_slice(&from), after);
    while (limit-- > 0) {
        struct vxc_row_key returned;

        if (at >= d->model.count ||
            !has_prefix(d->model.rows[at], db, vxc_row_key_slice(&prefix))) {
            assert_false(vxc_table_scan_next(scan, &key, &body));
            break;
        }
        const struct model_row *row = d->model.rows[at];
        assert_true(vxc_table_scan_next(scan, &key, &body));
        assert_true(vxc_slice_equal(key, model_key(row)));
        assert_true(vxc_slice_equal(body, vxc_slice(row->value, row->value_size)));
        memcpy(returned.data, row->key, row->key_size);
        returned.size = row->key_size;
        if (changing) {
            change_returned(d, db, row);
        }
        at = model_lower(&d->model, db, vxc_row_key_slice(&returned));
        if (at < d->model.count && d->model.rows[at]->db == db &&
            vxc_slice_equal(model_key(d->model.rows[at]), vxc_row_key_slice(&returned))) {
            at++;
        }
    }
    vxc_table_scan_close(scan);
}

/* Takes due rows off the front, as the reaper does. */
static void reap_front(struct driver *d)
{
    struct vxc_slice none = vxc_slice("", 0);
    size_t count = random_below(&d->random, 30);

    for (size_t i = 0; i < count; i++) {
        struct vxc_row_key first;
        struct vxc_slice key;
        struct vxc_slice body;
        struct vxc_table_scan *scan =
            vxc_table_scan_open(d->table, VXC_DB_DEADLINES, none, none, false);
        bool found = vxc_table_scan_next(scan, &key, &body);
        size_t at = model_lower(&d->model, VXC_DB_DEADLINES, none);
        bool expected = at < d->model.count && d->model.rows[at]->db == VXC_DB_DEADLINES;

        assert_int_equal(found, expected);
        if (found) {
            assert_true(vxc_slice_equal(key, model_key(d->model.rows[at])));
            memcpy(first.data, key.data, key.size);
            first.size = (uint16_t)key.size;
        }
        vxc_table_scan_close(scan);
        if (!found) {
            return;
        }
        model_del(&d->model, VXC_DB_DEADLINES, vxc_row_key_slice(&first));
        vxc_table_del(d->table, VXC_DB_DEADLINES, vxc_row_key_slice(&first));
    }
}

/* Ends the process's view of the state, with or without what was not yet committed. */
static void reopen(struct driver *d)
{
    struct vxc_verify_report report;
    struct vxc_error err = {0, ""};

    if (random_below(&d->random, 2) == 0) {
        driver_flush(d);
    } else {
        driver_finish_commit(d);
    }
    driver_close(d);
    model_copy(&d->model, &d->committed);
    memcpy(d->generations, d->generations_committed, sizeof d->generations);
    if (vxc_verify_state(d->path, &report, &err) != 0) {
        fail_msg("verify: %s", err.text);
    }
    assert_int_equal(report.digest, model_digest(&d->committed));
    driver_open(d);
    if (random_below(&d->random, 2) == 0) {
        vxc_table_preload(d->table,
                          random_below(&d->random, 2) * report.rows); /* a guess will do */
    }
    assert_int_equal(vxc_store_digest(d->store), model_digest(&d->committed));
}

static void check_accounts(struct driver *d)
{
    struct vxc_table_stats stats;

    vxc_table_stats(d->table, &stats);
    assert_true(stats.dirty_rows != 0 || stats.dirty_bytes == 0);
    assert_true(stats.clean_rows != 0 || stats.clean_bytes == 0);
    assert_int_equal(vxc_table_error(d->table, NULL), 0);
}

static void step(struct driver *d)
{
    size_t dice = random_below(&d->random, 1000);

    d->index++;
    if (dice < 300) {
        change_object(d);
    } else if (dice < 550) {
        change_plain(d);
    } else if (dice < 750) {
        check_get(d);
    } else if (dice < 900) {
        check_scan(d);
    } else if (dice < 915) {
        reap_front(d);
    } else if (dice < 940 && !vxc_table_freezing(d->table)) {
        driver_freeze(d);
    } else if (dice < 970 && vxc_store_collect(d->store)) {
        driver_thaw(d);
    } else if (dice < 998) {
        vxc_table_end_turn(d->table);
        check_accounts(d);
    } else {
        reopen(d);
    }
}

static void run_model(uint64_t first_seed, bool synchronous)
{
    for (uint64_t seed = first_seed; seed < first_seed + SEEDS; seed++) {
        struct driver d;

        print_message("seed %llu\n", (unsigned long long)seed);
        driver_init(&d, seed, synchronous);
        for (size_t i = 0; i < STEPS; i++) {
            step(&d);
        }
        driver_flush(&d);
        driver_deinit(&d);
    }
}

static void table_agrees_with_a_naive_model_when_commits_run_in_the_caller(void **state)
{
    (void)state;
    run_model(1, true);
}

static void table_agrees_with_a_naive_model_when_commits_run_on_the_storage_thread(void **state)
{
    (void)state;
    run_model(1000, false);
}

/* ---- single behaviours ---- */

static void put_number(struct driver *d, enum vxc_database db, uint64_t number, size_t value_size)
{
    struct vxc_row_key key;
    uint8_t *value = calloc(1, value_size + 1);

    vxc_row_key_begin(&key);
    vxc_row_key_u64(&key, number);
    vxc_table_put(d->table, db, vxc_row_key_slice(&key), vxc_slice("", 0),
                  vxc_slice(value, value_size));
    free(value);
}

static void freeze_keeps_the_old_value_for_the_commit_while_new_ones_are_written(void **state)
{
    struct driver d;
    uint8_t one[] = "one";
    uint8_t two[] = "two, and longer than one";
    struct vxc_slice key = vxc_slice_of_string("c");
    struct vxc_slice body;

    (void)state;
    driver_init(&d, 1, false);
    both_put(&d, VXC_DB_COUNTERS, key, vxc_slice(one, sizeof one));
    driver_freeze(&d);
    both_put(&d, VXC_DB_COUNTERS, key, vxc_slice(two, sizeof two));
    driver_finish_commit(&d);
    assert_int_equal(vxc_store_get(d.store, VXC_DB_COUNTERS, key, &body, NULL), 0);
    assert_true(vxc_slice_equal(body, vxc_slice(one, sizeof one)));
    assert_int_equal(vxc_table_get(d.table, VXC_DB_COUNTERS, key, &body), 0);
    assert_true(vxc_slice_equal(body, vxc_slice(two, sizeof two)));
    vxc_table_end_turn(d.table);
    driver_flush(&d);
    driver_deinit(&d);
}

static void values_up_to_the_limit_grow_and_shrink_in_place(void **state)
{
    static const size_t sizes[] = {0, 1, VXC_VALUE_SIZE_MAX, 10, 5000, 200, VXC_MIB, 0, 64};
    struct driver d;
    struct vxc_slice key = vxc_slice_of_string("big");

    (void)state;
    driver_init(&d, 1, true);
    for (size_t i = 0; i < 3 * sizeof sizes / sizeof sizes[0]; i++) {
        size_t size = sizes[i % (sizeof sizes / sizeof sizes[0])];
        uint8_t *value = malloc(size + 1);
        struct vxc_slice body;

        memset(value, (int)(uint8_t)i, size);
        both_put(&d, VXC_DB_LOCKS, key, vxc_slice(value, size));
        if (i % 3 == 0) {
            driver_flush(&d);
            vxc_table_end_turn(d.table);
        }
        assert_int_equal(vxc_table_get(d.table, VXC_DB_LOCKS, key, &body), 0);
        assert_true(vxc_slice_equal(body, vxc_slice(value, size)));
        free(value);
    }
    driver_flush(&d);
    driver_deinit(&d);
}

static void clean_rows_stay_within_their_bound(void **state)
{
    struct driver d;
    struct vxc_table_stats stats;

    (void)state;
    driver_init(&d, 1, true);
    for (uint64_t i = 0; i < 5000; i++) {
        put_number(&d, VXC_DB_COUNTERS, i, 100);
    }
    vxc_table_freeze(d.table, &(struct vxc_store_meta){.applied_index = 1});
    assert_true(vxc_store_collect(d.store));
    vxc_table_thaw(d.table);
    for (int i = 0; i < 20; i++) {
        vxc_table_end_turn(d.table);
    }
    vxc_table_stats(d.table, &stats);
    assert_int_equal(stats.dirty_rows, 0);
    assert_int_equal(stats.frozen_rows, 0);
    assert_true(stats.clean_bytes <= d.clean_bytes_max);
    assert_true(stats.clean_rows > 0);
    driver_deinit(&d);
}

static void preloaded_rows_are_found_without_the_store(void **state)
{
    enum { ROWS = 1000 };
    struct driver d;
    struct vxc_table_stats stats;

    (void)state;
    driver_init(&d, 1, true);
    for (uint64_t i = 0; i < ROWS; i++) {
        put_number(&d, VXC_DB_COUNTERS, i, 10);
    }
    vxc_table_freeze(d.table, &(struct vxc_store_meta){.applied_index = 1});
    assert_true(vxc_store_collect(d.store));
    vxc_table_thaw(d.table);
    driver_close(&d);
    d.clean_bytes_max = VXC_MIB;
    driver_open(&d);
    vxc_table_preload(d.table, ROWS);
    for (uint64_t i = 0; i < ROWS; i++) {
        struct vxc_row_key key;
        struct vxc_slice body;

        vxc_row_key_begin(&key);
        vxc_row_key_u64(&key, i);
        assert_int_equal(vxc_table_get(d.table, VXC_DB_COUNTERS, vxc_row_key_slice(&key), &body),
                         0);
        assert_int_equal(body.size, 10);
    }
    vxc_table_stats(d.table, &stats);
    assert_int_equal(stats.clean_rows, ROWS);
    assert_int_equal(stats.misses_total, 0);
    driver_close(&d);
    d.clean_bytes_max = 10000;
    driver_open(&d);
    vxc_table_preload(d.table, ROWS);
    vxc_table_stats(d.table, &stats);
    assert_in_range(stats.clean_bytes, d.clean_bytes_max,
                    d.clean_bytes_max + 200); /* one row over */
    driver_deinit(&d);
}

static void the_first_row_is_found_quickly_behind_many_deleted_ones(void **state)
{
    enum { ROWS = 20000 };
    struct driver d;
    struct vxc_slice none = vxc_slice("", 0);

    (void)state;
    driver_init(&d, 1, true);
    for (uint64_t i = 0; i < ROWS; i++) {
        put_number(&d, VXC_DB_DEADLINES, i, 8);
    }
    vxc_table_freeze(d.table, &(struct vxc_store_meta){.applied_index = 1});
    assert_true(vxc_store_collect(d.store));
    vxc_table_thaw(d.table);
    for (uint64_t i = 0; i < ROWS; i++) { /* quadratic without the remembered ranges: minutes */
        struct vxc_slice key;
        struct vxc_slice body;
        struct vxc_table_scan *scan =
            vxc_table_scan_open(d.table, VXC_DB_DEADLINES, none, none, false);
        struct vxc_row_key first;

        assert_true(vxc_table_scan_next(scan, &key, &body));
        assert_int_equal(vxc_load_be64(key.data), i);
        memcpy(first.data, key.data, key.size);
        first.size = (uint16_t)key.size;
        vxc_table_scan_close(scan);
        vxc_table_del(d.table, VXC_DB_DEADLINES, vxc_row_key_slice(&first));
        if (i % 100 == 0) {
            vxc_table_end_turn(d.table);
        }
    }
    driver_deinit(&d);
}

static void freeze_without_changes_commits_only_when_meta_moved(void **state)
{
    struct driver d;
    struct vxc_store_meta meta = {.applied_index = 7, .applied_term = 2};

    (void)state;
    driver_init(&d, 1, true);
    vxc_table_freeze(d.table, &meta);
    assert_true(vxc_table_freezing(d.table));
    assert_true(vxc_store_collect(d.store));
    vxc_table_thaw(d.table);
    assert_int_equal(vxc_store_meta(d.store)->applied_index, 7);
    vxc_table_freeze(d.table, &meta);
    assert_false(vxc_table_freezing(d.table));
    driver_deinit(&d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(freeze_keeps_the_old_value_for_the_commit_while_new_ones_are_written),
        cmocka_unit_test(values_up_to_the_limit_grow_and_shrink_in_place),
        cmocka_unit_test(clean_rows_stay_within_their_bound),
        cmocka_unit_test(preloaded_rows_are_found_without_the_store),
        cmocka_unit_test(the_first_row_is_found_quickly_behind_many_deleted_ones),
        cmocka_unit_test(freeze_without_changes_commits_only_when_meta_moved),
        cmocka_unit_test(table_agrees_with_a_naive_model_when_commits_run_in_the_caller),
        cmocka_unit_test(table_agrees_with_a_naive_model_when_commits_run_on_the_storage_thread),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
