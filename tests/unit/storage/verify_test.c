/* Verification of a state folder: damage of every kind is reported, or does no harm; nothing that a
 * file holds ends the process. */
#include "state_model.h"

#include <fcntl.h>

enum { FAULTS = 480, PAGE = 4096, SECTOR = 512 };

struct image {
    uint8_t *data;
    size_t size;
};

static void file_of(const struct driver *d, char *out, size_t capacity)
{
    assert_true((size_t)snprintf(out, capacity, "%s/data.mdb", d->path) < capacity);
}

static struct image read_image(const struct driver *d)
{
    struct image image;
    struct stat info;
    char file[4300];
    int fd;

    file_of(d, file, sizeof file);
    fd = open(file, O_RDONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(fstat(fd, &info), 0);
    image.size = (size_t)info.st_size;
    image.data = malloc(image.size);
    assert_int_equal(read(fd, image.data, image.size), (ssize_t)image.size);
    (void)close(fd);
    return image;
}

static void write_image(const struct driver *d, const uint8_t *data, size_t size)
{
    char file[4300];
    int fd;

    file_of(d, file, sizeof file);
    fd = open(file, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, data, size), (ssize_t)size);
    (void)close(fd);
}

/* A state with all that a state can hold: objects, cleared ones with garbage, large values, freed
 * pages. The driver is closed afterwards. */
static void make_state(struct driver *d, uint64_t seed)
{
    driver_init(d, seed, true);
    for (int commit = 0; commit < 12; commit++) {
        for (int i = 0; i < 250; i++) {
            d->index++;
            change_object(d);
            change_plain(d);
        }
        driver_flush(d);
        vxc_table_end_turn(d->table);
    }
    driver_close(d);
}

static void check_rows(struct driver *d)
{
    for (size_t i = 0; i < d->committed.count; i++) {
        const struct model_row *row = d->committed.rows[i];
        struct vxc_slice body;

        assert_int_equal(vxc_table_get(d->table, row->db, model_key(row), &body), 0);
        assert_true(vxc_slice_equal(body, vxc_slice(row->value, row->value_size)));
    }
    for (int db = VXC_DB_NAMES; db < VXC_DB_GARBAGE; db++) { /* and none more */
        struct vxc_slice none = vxc_slice("", 0);
        struct vxc_table_scan *scan =
            vxc_table_scan_open(d->table, (enum vxc_database)db, none, none, false);
        size_t at = model_lower(&d->committed, (enum vxc_database)db, none);
        struct vxc_slice key;
        struct vxc_slice body;

        while (vxc_table_scan_next(scan, &key, &body)) {
            assert_true(at < d->committed.count);
            assert_true(vxc_slice_equal(key, model_key(d->committed.rows[at++])));
        }
        vxc_table_scan_close(scan);
    }
    assert_int_equal(vxc_table_error(d->table, NULL), 0);
}

/* Verification said that the file is good: then it serves right data and can be written on. */
static void check_good(struct driver *d)
{
    struct vxc_verify_report report;
    struct vxc_error err = {0, ""};

    driver_open(d);
    assert_int_equal(vxc_store_digest(d->store), model_digest(&d->committed));
    check_rows(d);
    vxc_table_end_turn(d->table);
    for (int i = 0; i < 30; i++) {
        d->index++;
        change_object(d);
        change_plain(d);
    }
    driver_flush(d);
    driver_close(d);
    if (vxc_verify_state(d->path, &report, &err) != 0) {
        fail_msg("after writing on: %s", err.text);
    }
}

enum fault { BIT_FLIP, ZEROED_SECTOR, MISPLACED_PAGE, CUT, FAULT_KINDS };

/* Damages the image; returns its new size. */
static size_t damage(struct driver *d, enum fault fault, uint8_t *data, size_t size, char *what,
                     size_t capacity)
{
    size_t at = random_below(&d->random, size);
    size_t pages = size / PAGE;
    size_t from;

    switch (fault) {
    case BIT_FLIP:
        if (random_below(&d->random, 4) == 0) {
            at = random_below(&d->random, 2) * PAGE + random_below(&d->random, 152);
        }
        data[at] ^= (uint8_t)(1u << random_below(&d->random, 8));
        (void)snprintf(what, capacity, "bit flip at %zu", at);
        return size;
    case ZEROED_SECTOR:
        at -= at % SECTOR;
        memset(data + at, 0, SECTOR);
        (void)snprintf(what, capacity, "zeroed sector at %zu", at);
        return size;
    case MISPLACED_PAGE:
        from = random_below(&d->random, pages);
        at = random_below(&d->random, pages);
        memcpy(data + at * PAGE, data + from * PAGE, PAGE);
        (void)snprintf(what, capacity, "page %zu over page %zu", from, at);
        return size;
    default:
        if (random_below(&d->random, 3) == 0) {
            at = size - 1 - random_below(&d->random, 3 * PAGE);
        }
        (void)snprintf(what, capacity, "cut at %zu", at);
        return at;
    }
}

static void damage_is_reported_or_harmless_and_never_ends_the_process(void **state)
{
    unsigned reported[FAULT_KINDS] = {0};
    unsigned harmless[FAULT_KINDS] = {0};
    struct image image;
    struct driver d;
    struct model committed = {0};
    uint64_t generations[DRIVER_OBJECTS];

    (void)state;
    make_state(&d, 7);
    image = read_image(&d);
    model_copy(&committed, &d.committed);
    memcpy(generations, d.generations, sizeof generations);
    for (unsigned i = 0; i < FAULTS; i++) {
        enum fault fault = (enum fault)(i % FAULT_KINDS);
        uint8_t *copy = malloc(image.size);
        struct vxc_verify_report report;
        struct vxc_error err = {0, ""};
        char what[64];
        size_t size;
        int rv;

        memcpy(copy, image.data, image.size);
        size = damage(&d, fault, copy, image.size, what, sizeof what);
        write_image(&d, copy, size);
        rv = vxc_verify_state(d.path, &report, &err);
        if (rv == 0) {
            print_message("%s: harmless\n", what);
            harmless[fault]++;
            model_copy(&d.model, &committed);
            model_copy(&d.committed, &committed);
            memcpy(d.generations, generations, sizeof generations);
            check_good(&d);
        } else {
            reported[fault]++;
            if (rv != VXC_ECORRUPT && rv != VXC_EFOREIGN && rv != VXC_EVERSION) {
                fail_msg("%s: %s: %s", what, vxc_error_name(rv), err.text);
            }
            assert_non_null(strstr(err.text, "data.mdb"));
        }
        free(copy);
    }
    print_message("reported/harmless: flips %u/%u, sectors %u/%u, pages %u/%u, cuts %u/%u\n",
                  reported[0], harmless[0], reported[1], harmless[1], reported[2], harmless[2],
                  reported[3], harmless[3]);
    free(image.data);
    model_clear(&committed);
    driver_deinit(&d);
}

/* ---- single behaviours ---- */

static int verify(const struct driver *d, struct vxc_error *err)
{
    struct vxc_verify_report report;

    *err = (struct vxc_error){0, ""};
    return vxc_verify_state(d->path, &report, err);
}

static void a_good_state_is_reported_with_its_counts(void **state)
{
    struct vxc_verify_report report;
    struct vxc_error err = {0, ""};
    struct driver d;

    (void)state;
    make_state(&d, 3);
    assert_int_equal(vxc_verify_state(d.path, &report, &err), 0);
    assert_true(report.rows >= d.committed.count);
    assert_int_equal(report.digest, model_digest(&d.committed));
    assert_true(report.applied_index > 0);
    driver_deinit(&d);
}

static void no_folder_and_an_empty_folder_are_no_state(void **state)
{
    struct vxc_error err;
    struct driver d;

    (void)state;
    make_state(&d, 3);
    remove_state(d.folder);
    assert_int_equal(verify(&d, &err), VXC_ENOTFOUND);
    assert_int_equal(mkdir(d.path, 0700), 0);
    assert_int_equal(verify(&d, &err), VXC_ENOTFOUND);
    driver_open(&d); /* and a state can be made there */
    driver_close(&d);
    assert_int_equal(verify(&d, &err), 0);
    driver_deinit(&d);
}

static void a_missing_empty_or_foreign_file_is_damage_and_is_not_opened(void **state)
{
    static const uint8_t text[] = "This is not a database, whatever its name may say about it.";
    struct vxc_store *store = NULL;
    struct vxc_error err;
    struct driver d;
    char file[4300];

    (void)state;
    make_state(&d, 3);
    write_image(&d, text, 0);
    assert_int_equal(verify(&d, &err), VXC_ECORRUPT);
    assert_int_equal(vxc_store_open(d.path, &d.options, &store, &err), VXC_ECORRUPT);
    write_image(&d, text, sizeof text);
    assert_int_equal(verify(&d, &err), VXC_ECORRUPT);
    assert_int_equal(vxc_store_open(d.path, &d.options, &store, &err), VXC_ECORRUPT);
    uint8_t *noise = malloc(8 * PAGE);
    memset(noise, 0x5a, 8 * PAGE);
    write_image(&d, noise, 8 * PAGE);
    free(noise);
    assert_int_equal(verify(&d, &err), VXC_EFOREIGN);
    assert_int_equal(vxc_store_open(d.path, &d.options, &store, &err), VXC_EFOREIGN);
    file_of(&d, file, sizeof file);
    assert_int_equal(unlink(file), 0);
    assert_int_equal(verify(&d, &err), VXC_ECORRUPT);
    assert_non_null(strstr(err.text, "missing"));
    assert_int_equal(vxc_store_open(d.path, &d.options, &store, &err), VXC_ECORRUPT);
    driver_deinit(&d);
}

/* A row written by a process that forgot the digest: every page and checksum is right. */
static void a_row_too_many_is_seen_by_the_digest(void **state)
{
    struct vxc_slice key = vxc_slice_of_string("one too many");
    struct vxc_slice body = vxc_slice_of_string("body");
    struct image before;
    struct image after;
    struct vxc_error err;
    struct driver d;

    (void)state;
    make_state(&d, 3);
    before = read_image(&d);
    driver_open(&d);
    both_put(&d, VXC_DB_COUNTERS, key, body);
    driver_flush(&d);
    driver_close(&d);
    after = read_image(&d);
    /* The commit row is found by its name; an older sum in it, with a checksum that fits. */
    for (size_t i = 0; i + 100 < after.size; i++) {
        if (memcmp(after.data + i, "store.commit", 12) == 0) {
            uint8_t *value = after.data + i + 12;

            vxc_store_u64(value + 8 + 36, vxc_load_u64(value + 8 + 36) - 1);
            vxc_store_u64(value, vxc_row_checksum(VXC_DB_META, vxc_slice_of_string("store.commit"),
                                                  vxc_slice(value + 8, 52)));
        }
    }
    write_image(&d, after.data, after.size);
    assert_int_equal(verify(&d, &err), VXC_ECORRUPT);
    assert_non_null(strstr(err.text, "digest of the state"));
    free(before.data);
    free(after.data);
    driver_deinit(&d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_good_state_is_reported_with_its_counts),
        cmocka_unit_test(no_folder_and_an_empty_folder_are_no_state),
        cmocka_unit_test(a_missing_empty_or_foreign_file_is_damage_and_is_not_opened),
        cmocka_unit_test(a_row_too_many_is_seen_by_the_digest),
        cmocka_unit_test(damage_is_reported_or_harmless_and_never_ends_the_process),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
