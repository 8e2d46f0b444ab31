/* The store by itself: commits, digests, garbage, lack of space, other processes, damaged files. */
#include "state_model.h"

#include <dirent.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>

struct fixture {
    char *folder;
    char path[4200];
    struct vxc_store_options options;
    struct vxc_store *store;
    struct vxc_error err;
};

static void open_store(struct fixture *f)
{
    if (vxc_store_open(f->path, &f->options, &f->store, &f->err) != 0) {
        fail_msg("open: %s", f->err.text);
    }
}

static void init(struct fixture *f, bool synchronous)
{
    memset(f, 0, sizeof *f);
    f->folder = make_folder();
    (void)snprintf(f->path, sizeof f->path, "%s/state", f->folder);
    f->options.synchronous = synchronous;
    open_store(f);
}

static void reopen_store(struct fixture *f)
{
    vxc_store_close(f->store);
    open_store(f);
}

static void deinit(struct fixture *f)
{
    vxc_store_close(f->store);
    remove_folder_of_test(f->folder);
}

/* ---- changes with memory of their own ---- */

struct changes {
    struct vxc_store_change *items;
    size_t count;
    size_t capacity;
};

static void add_change(struct changes *c, enum vxc_database db, struct vxc_slice key,
                       struct vxc_slice value, bool deleted)
{
    uint8_t *copy = malloc(key.size + value.size + 1);

    if (c->count == c->capacity) {
        c->capacity = c->capacity * 2 + 16;
        c->items = realloc(c->items, c->capacity * sizeof *c->items);
    }
    memcpy(copy, key.data, key.size);
    if (value.size != 0) {
        memcpy(copy + key.size, value.data, value.size);
    }
    key.data = copy;
    value.data = copy + key.size;
    c->items[c->count++] = (struct vxc_store_change){
        .db = db,
        .key = key,
        .value = value,
        .deleted = deleted,
        .checksum = deleted ? 0 : vxc_row_checksum(db, key, value),
    };
}

static void free_changes(struct changes *c)
{
    for (size_t i = 0; i < c->count; i++) {
        free((void *)(uintptr_t)c->items[i].key.data);
    }
    free(c->items);
    *c = (struct changes){0};
}

static void add_header(struct changes *c, uint64_t id, uint64_t generation)
{
    uint8_t key[8];
    uint8_t body[24] = {0};

    vxc_store_be64(key, id);
    vxc_store_u64(body, generation);
    add_change(c, VXC_DB_MAPS, vxc_slice(key, sizeof key), vxc_slice(body, sizeof body),
               generation == 0);
}

static void add_element(struct changes *c, uint64_t id, uint64_t generation, uint64_t number,
                        const char *value)
{
    uint8_t key[24];

    vxc_store_be64(key, id);
    vxc_store_be64(key + 8, generation);
    vxc_store_be64(key + 16, number);
    add_change(c, VXC_DB_MAPS, vxc_slice(key, sizeof key),
               value == NULL ? vxc_slice("", 0) : vxc_slice_of_string(value), value == NULL);
}

static void commit_index(struct fixture *f, struct changes *c, uint64_t index)
{
    struct vxc_store_meta meta = {.applied_index = index, .applied_term = 1};

    vxc_store_commit(f->store, c->items, c->count, &meta);
    vxc_store_wait(f->store);
    assert_true(vxc_store_collect(f->store));
    free_changes(c);
}

static size_t count_rows(struct fixture *f, enum vxc_database db)
{
    struct vxc_slice none = vxc_slice("", 0);
    struct vxc_store_cursor *cursor;
    struct vxc_slice key;
    struct vxc_slice body;
    size_t count = 0;

    assert_int_equal(vxc_store_cursor_open(f->store, db, none, none, &cursor, &f->err), 0);
    while (vxc_store_cursor_next(cursor, &key, &body, &f->err) == 0) {
        count++;
    }
    vxc_store_cursor_close(cursor);
    vxc_store_end_reads(f->store);
    return count;
}

/* ---- life ---- */

static void a_new_state_is_empty_and_what_is_committed_is_there_after_reopening(void **state)
{
    struct vxc_store_meta meta = {
        .applied_index = 42,
        .applied_term = 7,
        .applied_position = 3,
        .cluster_time_ms = 99,
        .configuration_index = 40,
        .configuration = vxc_slice_of_string("the configuration"),
    };
    struct changes c = {0};
    struct vxc_slice body;
    struct fixture f;
    uint64_t digest;

    (void)state;
    init(&f, false);
    assert_int_equal(vxc_store_meta(f.store)->applied_index, 0);
    assert_int_equal(vxc_store_digest(f.store), 0);
    add_change(&c, VXC_DB_COUNTERS, vxc_slice_of_string("c"), vxc_slice_of_string("12"), false);
    add_change(&c, VXC_DB_META, vxc_slice_of_string("fsm"), vxc_slice_of_string("next"), false);
    digest = c.items[0].checksum;
    vxc_store_commit(f.store, c.items, c.count, &meta);
    assert_true(vxc_store_busy(f.store));
    vxc_store_wait(f.store);
    assert_true(vxc_store_busy(f.store));
    assert_true(vxc_store_collect(f.store));
    assert_false(vxc_store_collect(f.store));
    assert_false(vxc_store_busy(f.store));
    free_changes(&c);
    for (int round = 0; round < 2; round++) {
        const struct vxc_store_meta *got = vxc_store_meta(f.store);

        assert_int_equal(got->applied_index, 42);
        assert_int_equal(got->applied_term, 7);
        assert_int_equal(got->applied_position, 3);
        assert_int_equal(got->cluster_time_ms, 99);
        assert_int_equal(got->configuration_index, 40);
        assert_true(vxc_slice_equal(got->configuration, meta.configuration));
        assert_int_equal(vxc_store_digest(f.store), digest);
        assert_int_equal(
            vxc_store_get(f.store, VXC_DB_COUNTERS, vxc_slice_of_string("c"), &body, &f.err), 0);
        assert_true(vxc_slice_equal(body, vxc_slice_of_string("12")));
        assert_int_equal(
            vxc_store_get(f.store, VXC_DB_COUNTERS, vxc_slice_of_string("d"), &body, &f.err),
            VXC_ENOTFOUND);
        reopen_store(&f);
    }
    deinit(&f);
}

static void a_cursor_walks_a_prefix_from_a_key_on(void **state)
{
    static const char *const keys[] = {"a1", "b1", "b2", "b3", "c1"};
    struct changes c = {0};
    struct vxc_store_cursor *cursor;
    struct vxc_slice key;
    struct vxc_slice body;
    struct fixture f;

    (void)state;
    init(&f, true);
    for (size_t i = 5; i-- > 0;) {
        add_change(&c, VXC_DB_LOCKS, vxc_slice_of_string(keys[i]), vxc_slice_of_string(keys[i]),
                   false);
    }
    commit_index(&f, &c, 1);
    assert_int_equal(vxc_store_cursor_open(f.store, VXC_DB_LOCKS, vxc_slice_of_string("b"),
                                           vxc_slice_of_string("b2"), &cursor, &f.err),
                     0);
    for (size_t i = 2; i < 4; i++) {
        assert_int_equal(vxc_store_cursor_next(cursor, &key, &body, &f.err), 0);
        assert_true(vxc_slice_equal(key, vxc_slice_of_string(keys[i])));
        assert_true(vxc_slice_equal(body, key));
    }
    assert_int_equal(vxc_store_cursor_next(cursor, &key, &body, &f.err), VXC_ENOTFOUND);
    vxc_store_cursor_close(cursor);
    vxc_store_end_reads(f.store);
    deinit(&f);
}

static void clear_and_destroy_drop_elements_at_once_and_delete_their_rows_later(void **state)
{
    enum { ROWS = 3 * VXC_RECLAIM_ROWS_PER_COMMIT / 2 };
    struct changes c = {0};
    struct fixture f;
    uint64_t digest;

    (void)state;
    init(&f, true);
    add_header(&c, 1, 10);
    add_header(&c, 2, 11);
    add_element(&c, 2, 11, 1, "kept");
    digest = c.items[1].checksum + c.items[2].checksum;
    for (uint64_t i = 0; i < ROWS; i++) {
        add_element(&c, 1, 10, i, "gone");
    }
    commit_index(&f, &c, 1);
    add_header(&c, 1, 20);
    digest += c.items[0].checksum;
    add_element(&c, 1, 20, 5, "new");
    digest += c.items[1].checksum;
    add_element(&c, 1, 10, 6, "of the old generation: not written");
    commit_index(&f, &c, 2);
    assert_int_equal(vxc_store_digest(f.store), digest);
    reopen_store(&f); /* garbage survives a restart */
    while (vxc_store_reclaim(f.store)) {
    }
    assert_int_equal(count_rows(&f, VXC_DB_MAPS), 4);
    assert_int_equal(count_rows(&f, VXC_DB_GARBAGE), 0);
    add_header(&c, 1, 0);
    commit_index(&f, &c, 3);
    add_header(&c, 2, 0);
    commit_index(&f, &c, 4);
    assert_int_equal(vxc_store_digest(f.store), 0);
    while (vxc_store_reclaim(f.store)) {
    }
    assert_int_equal(count_rows(&f, VXC_DB_MAPS), 0);
    deinit(&f);
}

static void garbage_is_deleted_by_an_idle_storage_thread(void **state)
{
    struct vxc_store_stats stats;
    struct changes c = {0};
    struct fixture f;

    (void)state;
    init(&f, false);
    add_header(&c, 1, 10);
    for (uint64_t i = 0; i < 3 * VXC_RECLAIM_ROWS_PER_COMMIT; i++) {
        add_element(&c, 1, 10, i, "gone");
    }
    commit_index(&f, &c, 1);
    add_header(&c, 1, 20);
    commit_index(&f, &c, 2);
    do {
        (void)sched_yield();
        vxc_store_stats(f.store, &stats);
    } while (stats.garbage_left);
    assert_int_equal(count_rows(&f, VXC_DB_MAPS), 1);
    deinit(&f);
}

static void a_sync_says_which_index_it_covers(void **state)
{
    struct vxc_store_stats stats;
    struct changes c = {0};
    struct fixture f;

    (void)state;
    for (int synchronous = 0; synchronous < 2; synchronous++) {
        init(&f, synchronous != 0);
        commit_index(&f, &c, 9);
        vxc_store_stats(f.store, &stats);
        assert_int_equal(stats.synced_index, 0);
        vxc_store_sync(f.store);
        vxc_store_wait(f.store);
        assert_false(vxc_store_collect(f.store));
        vxc_store_stats(f.store, &stats);
        assert_int_equal(stats.synced_index, 9);
        deinit(&f);
    }
}

/* ---- no space ---- */

static void add_many(struct changes *c, size_t count)
{
    uint8_t value[1000] = {0};

    for (uint64_t i = 0; i < count; i++) {
        uint8_t key[8];

        vxc_store_be64(key, i);
        add_change(c, VXC_DB_COUNTERS, vxc_slice(key, 8), vxc_slice(value, sizeof value), false);
    }
}

static void wait_for_no_space(struct fixture *f)
{
    struct vxc_store_stats stats;

    do {
        (void)sched_yield();
        vxc_store_stats(f->store, &stats);
    } while (!stats.no_space);
}

static void a_commit_without_space_is_kept_and_succeeds_when_there_is_some(void **state)
{
    struct vxc_store_meta meta = {.applied_index = 5};
    struct vxc_store_stats stats;
    struct rlimit before;
    struct rlimit little;
    struct changes c = {0};
    struct fixture f;

    (void)state;
    init(&f, false);
    (void)signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    little = before;
    little.rlim_cur =
        1000000; /* a file may not grow beyond this: EFBIG, handled like a full disk */
    add_many(&c, 5000);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &little), 0);
    vxc_store_commit(f.store, c.items, c.count, &meta);
    wait_for_no_space(&f);
    assert_true(vxc_store_busy(f.store));
    assert_false(vxc_store_collect(f.store));
    assert_int_equal(vxc_store_meta(f.store)->applied_index, 0);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    vxc_store_wait(f.store);
    assert_true(vxc_store_collect(f.store));
    vxc_store_stats(f.store, &stats);
    assert_false(stats.no_space);
    free_changes(&c);
    assert_int_equal(count_rows(&f, VXC_DB_COUNTERS), 5000);
    deinit(&f);
}

static void close_does_not_wait_for_a_commit_that_has_no_space(void **state)
{
    struct vxc_store_meta meta = {.applied_index = 5};
    struct changes c = {0};
    struct fixture f;

    (void)state;
    init(&f, false);
    vxc_store_close(f.store);
    f.options.map_size = 1u << 20;
    open_store(&f);
    add_many(&c, 5000);
    vxc_store_commit(f.store, c.items, c.count, &meta);
    wait_for_no_space(&f);
    vxc_store_close(f.store);
    free_changes(&c);
    f.options.map_size = 0;
    open_store(&f);
    assert_int_equal(vxc_store_meta(f.store)->applied_index, 0);
    assert_int_equal(count_rows(&f, VXC_DB_COUNTERS), 0);
    add_many(&c, 5000);
    commit_index(&f, &c, 5);
    assert_int_equal(count_rows(&f, VXC_DB_COUNTERS), 5000);
    deinit(&f);
}

static void a_full_map_in_a_synchronous_store_is_told_and_the_table_can_be_freed(void **state)
{
    struct vxc_store_meta meta = {.applied_index = 5};
    struct vxc_store_stats stats;
    struct vxc_table *table;
    struct fixture f;
    uint8_t value[1000] = {0};

    (void)state;
    for (int synchronous = 0; synchronous < 2; synchronous++) {
        init(&f, true);
        vxc_store_close(f.store);
        f.options.map_size = 1u << 20;
        f.options.synchronous = synchronous != 0;
        open_store(&f);
        assert_int_equal(vxc_table_create(f.store, 1000, &table), 0);
        for (uint64_t i = 0; i < 5000; i++) {
            uint8_t key[8];

            vxc_store_be64(key, i);
            vxc_table_put(table, VXC_DB_COUNTERS, vxc_slice(key, 8), vxc_slice("", 0),
                          vxc_slice(value, sizeof value));
        }
        vxc_table_freeze(table, &meta);
        wait_for_no_space(&f);
        assert_false(vxc_store_collect(f.store));
        vxc_store_stats(f.store, &stats);
        assert_true(stats.no_space);
        vxc_table_free(table);
        assert_false(vxc_store_busy(f.store));
        deinit(&f);
    }
}

static void no_space_for_the_first_files_is_an_error_and_leaves_nothing_behind(void **state)
{
    struct rlimit before;
    struct rlimit little;
    struct fixture f;
    struct stat info;

    (void)state;
    init(&f, true);
    vxc_store_close(f.store);
    f.store = NULL;
    remove_state(f.folder);
    (void)signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    little = before;
    little.rlim_cur = 10000;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &little), 0);
    assert_true(vxc_store_open(f.path, &f.options, &f.store, &f.err) < 0);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    assert_int_equal(stat(f.path, &info), -1);
    open_store(&f);
    deinit(&f);
}

/* ---- other processes ---- */

static void descriptors_are_closed_on_exec(void **state)
{
    struct fixture f;
    struct dirent *entry;
    DIR *dir;
    int found = 0;

    (void)state;
    init(&f, false);
    dir = opendir("/proc/self/fd");
    assert_non_null(dir);
    while ((entry = readdir(dir)) != NULL) {
        char target[4200];
        ssize_t size = readlinkat(dirfd(dir), entry->d_name, target, sizeof target - 1);

        if (size > 0) {
            target[size] = '\0';
            if (strstr(target, f.folder) != NULL || strstr(target, "eventfd") != NULL) {
                assert_int_equal(fcntl(atoi(entry->d_name), F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
                found++;
            }
        }
    }
    (void)closedir(dir);
    assert_true(found >= 3); /* data, lock, eventfd */
    deinit(&f);
}

/* A reader in another process: says that it has begun, then waits to be told to end. */
static _Noreturn void run_reader(struct fixture *f, int ready, int end)
{
    struct vxc_store_options options = {.read_only = true};
    struct vxc_store *store;
    struct vxc_slice body;
    char byte = 'r';

    if (vxc_store_open(f->path, &options, &store, NULL) != 0 ||
        vxc_store_get(store, VXC_DB_COUNTERS, vxc_slice("\0\0\0\0\0\0\0\1", 8), &body, NULL) != 0 ||
        write(ready, &byte, 1) != 1 || read(end, &byte, 1) < 0) {
        _exit(1);
    }
    _exit(0);
}

static void a_reader_in_another_process_sees_the_state_and_is_named_when_it_pins_pages(void **state)
{
    struct vxc_store_stats stats;
    struct changes c = {0};
    struct fixture f;
    int ready[2];
    int end[2];
    char byte;
    int status;
    pid_t child;

    (void)state;
    init(&f, true);
    add_many(&c, 1000);
    commit_index(&f, &c, 1);
    assert_int_equal(pipe(ready), 0);
    assert_int_equal(pipe(end), 0);
    child = fork();
    if (child == 0) {
        (void)close(end[1]);
        run_reader(&f, ready[1], end[0]);
    }
    (void)close(ready[1]);
    assert_int_equal(read(ready[0], &byte, 1), 1);
    for (uint64_t i = 2; i < 6; i++) {
        add_many(&c, 1000);
        commit_index(&f, &c, i);
    }
    vxc_store_stats(f.store, &stats);
    assert_int_equal(stats.pinned_by_pid, child);
    assert_true(stats.pinned_bytes > 500000);
    vxc_store_end_reads(f.store);
    (void)close(end[1]);
    (void)close(end[0]);
    (void)close(ready[0]);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    reopen_store(&f); /* gives the slot of the ended process back */
    vxc_store_stats(f.store, &stats);
    assert_int_equal(stats.pinned_by_pid, 0);
    deinit(&f);
}

/* ---- files ---- */

static void write_file(const char *path, const uint8_t *data, size_t size, off_t at)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

    assert_true(fd >= 0);
    assert_int_equal(pwrite(fd, data, size, at), (ssize_t)size);
    (void)close(fd);
}

static void a_damaged_lock_file_is_made_anew(void **state)
{
    struct changes c = {0};
    struct fixture f;
    char lock[4300];
    uint8_t noise[9000];

    (void)state;
    init(&f, false);
    add_many(&c, 10);
    commit_index(&f, &c, 1);
    vxc_store_close(f.store);
    memset(noise, 0x77, sizeof noise);
    (void)snprintf(lock, sizeof lock, "%s/lock.mdb", f.path);
    write_file(lock, noise, sizeof noise, 0);
    open_store(&f);
    assert_int_equal(count_rows(&f, VXC_DB_COUNTERS), 10);
    vxc_store_close(f.store);
    assert_int_equal(truncate(lock, 0), 0);
    open_store(&f);
    assert_int_equal(count_rows(&f, VXC_DB_COUNTERS), 10);
    deinit(&f);
}

/* Offset of the first occurrence of `text` in the data file. */
static off_t find_in_file(const char *file, const char *text)
{
    static uint8_t data[1u << 20];
    int fd = open(file, O_RDONLY | O_CLOEXEC);
    ssize_t size = read(fd, data, sizeof data);
    const uint8_t *at;

    (void)close(fd);
    assert_true(size > 0);
    at = memmem(data, (size_t)size, text, strlen(text));
    assert_non_null(at);
    return (off_t)(at - data);
}

static void a_damaged_row_is_told_by_reads_with_database_and_key(void **state)
{
    struct vxc_slice key = vxc_slice_of_string("the key");
    struct changes c = {0};
    struct vxc_slice body;
    struct fixture f;
    char file[4300];

    (void)state;
    init(&f, true);
    add_change(&c, VXC_DB_LOCKS, key, vxc_slice_of_string("the very value"), false);
    commit_index(&f, &c, 1);
    vxc_store_close(f.store);
    (void)snprintf(file, sizeof file, "%s/data.mdb", f.path);
    write_file(file, (const uint8_t *)"V", 1, find_in_file(file, "very"));
    open_store(&f);
    assert_int_equal(vxc_store_get(f.store, VXC_DB_LOCKS, key, &body, &f.err), VXC_ECORRUPT);
    assert_non_null(strstr(f.err.text, "locks"));
    assert_non_null(strstr(f.err.text, "the\\20key"));
    deinit(&f);
}

static void a_state_of_a_newer_format_is_refused(void **state)
{
    uint8_t value[8 + 12];
    struct fixture f;
    char file[4300];

    (void)state;
    init(&f, true);
    vxc_store_close(f.store);
    f.store = NULL;
    memcpy(value + 8, "VXCSTATE", 8);
    vxc_store_u32(value + 16, 99);
    vxc_store_u64(value, vxc_row_checksum(VXC_DB_META, vxc_slice_of_string("store.format"),
                                          vxc_slice(value + 8, 12)));
    (void)snprintf(file, sizeof file, "%s/data.mdb", f.path);
    write_file(file, value, sizeof value, find_in_file(file, "VXCSTATE") - 8);
    assert_int_equal(vxc_store_open(f.path, &f.options, &f.store, &f.err), VXC_EVERSION);
    assert_non_null(strstr(f.err.text, "99"));
    remove_folder_of_test(f.folder);
}

static void a_path_that_cannot_hold_a_state_is_refused(void **state)
{
    struct vxc_store_options options = {0};
    struct vxc_store *store = NULL;
    struct vxc_error err;

    (void)state;
    assert_true(vxc_store_open("/dev/null/state", &options, &store, &err) < 0);
    assert_non_null(strstr(err.text, "/dev/null/state"));
    assert_true(vxc_store_open("/nowhere/at/all/state", &options, &store, &err) < 0);
    options.read_only = true;
    assert_int_equal(vxc_store_open("/nowhere/at/all/state", &options, &store, &err),
                     VXC_ENOTFOUND);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_new_state_is_empty_and_what_is_committed_is_there_after_reopening),
        cmocka_unit_test(a_cursor_walks_a_prefix_from_a_key_on),
        cmocka_unit_test(clear_and_destroy_drop_elements_at_once_and_delete_their_rows_later),
        cmocka_unit_test(garbage_is_deleted_by_an_idle_storage_thread),
        cmocka_unit_test(a_sync_says_which_index_it_covers),
        cmocka_unit_test(a_commit_without_space_is_kept_and_succeeds_when_there_is_some),
        cmocka_unit_test(close_does_not_wait_for_a_commit_that_has_no_space),
        cmocka_unit_test(a_full_map_in_a_synchronous_store_is_told_and_the_table_can_be_freed),
        cmocka_unit_test(no_space_for_the_first_files_is_an_error_and_leaves_nothing_behind),
        cmocka_unit_test(descriptors_are_closed_on_exec),
        cmocka_unit_test(
            a_reader_in_another_process_sees_the_state_and_is_named_when_it_pins_pages),
        cmocka_unit_test(a_damaged_lock_file_is_made_anew),
        cmocka_unit_test(a_damaged_row_is_told_by_reads_with_database_and_key),
        cmocka_unit_test(a_state_of_a_newer_format_is_refused),
        cmocka_unit_test(a_path_that_cannot_hold_a_state_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
