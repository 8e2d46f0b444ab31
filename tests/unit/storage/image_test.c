/* Image files: round trips, damage at every byte, lack of space, restore, differences. */
#include "state_model.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/file.h>
#include <sys/resource.h>

#include "base/crc.h"
#include "storage/image.h"
#include "storage/log.h"
#include "storage/vote.h"

struct fixture {
    struct driver d;
    char image[4200];
    char other[4200];
    char target[4200]; /* a folder that a test may make */
    struct vxc_image_info info;
    struct vxc_error err;
};

static void remove_tree(const char *path)
{
    DIR *dir = opendir(path);
    const struct dirent *entry;
    char inside[8500];

    while (dir != NULL && (entry = readdir(dir)) != NULL) {
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0) {
            (void)snprintf(inside, sizeof inside, "%s/%s", path, entry->d_name);
            remove_tree(inside);
        }
    }
    if (dir != NULL) {
        (void)closedir(dir);
    }
    (void)remove(path);
}

static void init(struct fixture *f, uint64_t seed)
{
    memset(f, 0, sizeof *f);
    driver_init(&f->d, seed, true);
    (void)snprintf(f->image, sizeof f->image, "%s/image", f->d.folder);
    (void)snprintf(f->other, sizeof f->other, "%s/other", f->d.folder);
    (void)snprintf(f->target, sizeof f->target, "%s/target", f->d.folder);
}

static void deinit(struct fixture *f)
{
    remove_tree(f->image);
    remove_tree(f->other);
    remove_tree(f->target);
    driver_deinit(&f->d); /* fails when anything else is left in the folder */
}

static void change(struct driver *d, int times)
{
    for (int i = 0; i < times; i++) {
        d->index++;
        if (random_below(&d->random, 2) == 0) {
            change_object(d);
        } else {
            change_plain(d);
        }
        if (random_below(&d->random, 50) == 0) {
            driver_flush(d);
        }
    }
    driver_flush(d);
}

static const struct vxc_image_write_options *options_of(enum vxc_image_compression compression)
{
    static struct vxc_image_write_options options;

    options = (struct vxc_image_write_options){.compression = compression,
                                               .cluster_id = {1, 2, 3, 4, 5, 6, 7, 8, 9},
                                               .node_id = 7,
                                               .saved_at_us = 1700000000000000,
                                               .chunk_size = 4096};
    return &options;
}

static void save(struct fixture *f, const char *path, enum vxc_image_compression compression)
{
    if (vxc_image_write(f->d.store, path, options_of(compression), NULL, &f->info, &f->err) != 0) {
        fail_msg("%s", f->err.text);
    }
}

static size_t read_file(const char *path, uint8_t **bytes)
{
    FILE *file = fopen(path, "rb");
    long size;

    assert_non_null(file);
    assert_int_equal(fseek(file, 0, SEEK_END), 0);
    size = ftell(file);
    rewind(file);
    *bytes = malloc((size_t)size + 1);
    assert_int_equal(fread(*bytes, 1, (size_t)size, file), (size_t)size);
    (void)fclose(file);
    return (size_t)size;
}

static void write_file(const char *path, const uint8_t *bytes, size_t size)
{
    FILE *file = fopen(path, "wb");

    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, size, file), size);
    assert_int_equal(fclose(file), 0);
}

static bool exists(const char *path)
{
    return access(path, F_OK) == 0;
}

static size_t files_in(const char *path)
{
    DIR *dir = opendir(path);
    size_t count = 0;

    assert_non_null(dir);
    while (readdir(dir) != NULL) {
        count++;
    }
    (void)closedir(dir);
    return count - 2;
}

/* Elements of one map, with nothing of the driver's model. */
static void fill(struct vxc_store *store, uint64_t id, uint32_t count, uint64_t index,
                 uint8_t first)
{
    struct vxc_store_change *changes = calloc(count + 1, sizeof *changes);
    struct vxc_store_meta meta = {.applied_index = index,
                                  .applied_term = 2,
                                  .configuration_index = 1,
                                  .configuration = vxc_slice_of_string("conf")};
    struct vxc_row_key *keys = calloc(count + 1, sizeof *keys);
    uint8_t(*values)[32] = calloc(count + 1, sizeof *values);

    for (uint32_t i = 0; i <= count; i++) {
        vxc_row_key_begin(&keys[i]);
        vxc_row_key_u64(&keys[i], id);
        if (i > 0) {
            vxc_row_key_u64(&keys[i], 1);
            vxc_row_key_u64(&keys[i], i);
            memset(values[i], (int)((uint8_t)i ^ first), sizeof values[i]);
        } else {
            vxc_store_u64(values[i], 1); /* the header: generation, and the slot of the digest */
        }
        changes[i] = (struct vxc_store_change){.db = VXC_DB_MAPS,
                                               .key = vxc_row_key_slice(&keys[i]),
                                               .value = vxc_slice(values[i], sizeof values[i])};
        changes[i].checksum = vxc_row_checksum(VXC_DB_MAPS, changes[i].key, changes[i].value);
    }
    vxc_store_commit(store, changes, count + 1, &meta);
    vxc_store_wait(store);
    assert_true(vxc_store_collect(store));
    free(changes);
    free(keys);
    free(values);
}

static void count_difference(void *data, const struct vxc_image_difference *d)
{
    uint64_t *count = data;

    *count += d->added + d->removed + d->changed + 1;
}

static uint64_t differences(struct vxc_store *a, struct vxc_store *b)
{
    uint64_t count = 0;

    assert_int_equal(vxc_image_diff(a, b, &count, count_difference, NULL), 0);
    vxc_store_end_reads(a);
    return count;
}

/* ---- round trips ---- */

static void check_round_trip(enum vxc_image_compression compression)
{
    struct fixture f;
    struct vxc_image_view view;
    struct vxc_image_info read;

    init(&f, 11 + (uint64_t)compression);
    change(&f.d, 1500);
    save(&f, f.image, compression);
    assert_int_equal(files_in(f.d.folder), 2); /* the image and the state */
    assert_int_equal(vxc_image_verify(f.image, f.d.folder, NULL, &read, &f.err), 0);
    assert_memory_equal(&read, &f.info, sizeof read);
    assert_int_equal(read.compression, compression);
    assert_int_equal(read.applied_index, vxc_store_meta(f.d.store)->applied_index);
    assert_int_equal(read.applied_term, 3);
    assert_int_equal(read.digest, model_digest(&f.d.committed));
    assert_int_equal(read.node_id, 7);
    assert_int_equal(read.cluster_id[8], 9);
    assert_int_equal(read.configuration_size, strlen("configuration"));
    assert_memory_equal(read.configuration, "configuration", read.configuration_size);
    assert_int_equal(vxc_image_view_open(f.image, f.d.folder, NULL, &view, &f.err), 0);
    assert_int_equal(differences(f.d.store, view.store), 0);
    assert_int_equal(vxc_store_digest(view.store), read.digest);
    vxc_image_view_close(&view);
    deinit(&f);
}

static void an_image_holds_the_state_uncompressed(void **state)
{
    (void)state;
    check_round_trip(VXC_IMAGE_PLAIN);
}

static void an_image_holds_the_state_with_lz4(void **state)
{
    (void)state;
    check_round_trip(VXC_IMAGE_LZ4);
}

static void an_image_holds_the_state_with_zlib(void **state)
{
    (void)state;
    check_round_trip(VXC_IMAGE_ZLIB);
}

static void an_empty_state_has_an_image(void **state)
{
    struct fixture f;

    (void)state;
    init(&f, 5);
    save(&f, f.image, VXC_IMAGE_LZ4);
    assert_int_equal(vxc_image_verify(f.image, NULL, NULL, &f.info, &f.err), 0);
    assert_int_equal(f.info.applied_index, 0);
    assert_int_equal(f.info.configuration_size, 0);
    deinit(&f);
}

static bool note_progress(void *data, enum vxc_image_step step, uint64_t done, uint64_t total)
{
    uint64_t *ends = data;

    assert_true(done <= total);
    ends[step] += done == total;
    return true;
}

static void a_hundred_thousand_rows_go_through_an_image(void **state)
{
    struct fixture f;
    uint64_t ends[5] = {0};
    const struct vxc_image_progress progress = {ends, note_progress};
    struct vxc_image_write_options options = *options_of(VXC_IMAGE_LZ4);

    (void)state;
    init(&f, 6);
    fill(f.d.store, 9, 100000, 44, 0);
    options.chunk_size = 0;
    assert_int_equal(vxc_image_write(f.d.store, f.image, &options, &progress, &f.info, &f.err), 0);
    assert_int_equal(f.info.databases[VXC_DB_MAPS].rows, 100001);
    assert_true(f.info.databases[VXC_DB_MAPS].bytes > 100000 * 40);
    assert_int_equal(f.info.applied_index, 44);
    assert_true(f.info.file_bytes < f.info.raw_bytes);
    assert_int_equal(vxc_image_verify(f.image, NULL, &progress, &f.info, &f.err), 0);
    for (int step = VXC_IMAGE_WRITING; step <= VXC_IMAGE_WALKING; step++) {
        assert_true(ends[step] >= 1);
    }
    deinit(&f);
}

static void a_state_folder_can_be_saved_beside_its_node(void **state)
{
    struct fixture f;

    (void)state;
    init(&f, 61);
    change(&f.d, 300);
    driver_close(&f.d);
    assert_int_equal(
        vxc_image_write_folder(f.d.path, f.image, options_of(VXC_IMAGE_LZ4), NULL, &f.info, &f.err),
        0);
    assert_int_equal(f.info.digest, model_digest(&f.d.committed));
    assert_int_equal(
        vxc_image_write_folder(f.target, f.other, options_of(VXC_IMAGE_LZ4), NULL, &f.info, &f.err),
        VXC_ENOTFOUND);
    assert_false(exists(f.other));
    driver_open(&f.d);
    deinit(&f);
}

/* ---- while writes go on ---- */

struct saver {
    struct fixture *f;
    _Atomic bool done;
    int rv;
};

static void *save_some(void *data)
{
    struct saver *s = data;

    for (int i = 0; s->rv == 0 && i < 10; i++) {
        s->rv = vxc_image_write(s->f->d.store, s->f->image, options_of(VXC_IMAGE_LZ4), NULL,
                                &s->f->info, &s->f->err);
    }
    atomic_store(&s->done, true);
    return NULL;
}

static void an_image_taken_while_writes_go_on_is_of_one_commit(void **state)
{
    enum { COMMITS_MAX = 4000 };
    static uint64_t digests[COMMITS_MAX];
    struct fixture f;
    struct saver saver = {.f = &f};
    uint64_t index = 1;
    pthread_t thread;

    (void)state;
    init(&f, 62);
    driver_close(&f.d);
    f.d.options.synchronous = false;
    driver_open(&f.d);
    assert_int_equal(pthread_create(&thread, NULL, save_some, &saver), 0);
    while (!atomic_load(&saver.done) && index < COMMITS_MAX) {
        fill(f.d.store, index % 5 + 1, 200, index, (uint8_t)index);
        digests[index++] = vxc_store_digest(f.d.store);
    }
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_int_equal(saver.rv, 0);
    assert_int_equal(vxc_image_verify(f.image, NULL, NULL, &f.info, &f.err), 0);
    assert_true(f.info.applied_index < index);
    assert_int_equal(f.info.digest, digests[f.info.applied_index]);
    deinit(&f);
}

/* ---- damage ---- */

/* Beside the code: the text says at which offset of which file. */
static void expect_damage(struct fixture *f, const char *what, size_t at)
{
    f->err.text[0] = '\0';
    if (vxc_image_inspect(f->other, NULL, &f->info, &f->err) != VXC_ECORRUPT ||
        strstr(f->err.text, "offset ") == NULL || strstr(f->err.text, f->other) == NULL) {
        fail_msg("%s at %zu: %d %s", what, at, f->err.code, f->err.text);
    }
}

static void every_cut_is_damage_at_the_place_of_the_cut(void **state)
{
    struct fixture f;
    uint8_t *bytes;
    size_t size;
    char expected[64];

    (void)state;
    init(&f, 7);
    fill(f.d.store, 1, 40, 3, 0);
    save(&f, f.image, VXC_IMAGE_LZ4);
    size = read_file(f.image, &bytes);
    write_file(f.other, bytes, size);
    for (size_t cut = size; cut-- > 0;) {
        assert_int_equal(truncate(f.other, (off_t)cut), 0);
        expect_damage(&f, "cut", cut);
        (void)snprintf(expected, sizeof expected, "offset %zu: the file ends here", cut);
        assert_non_null(strstr(f.err.text, expected));
    }
    free(bytes);
    deinit(&f);
}

static void bytes_behind_the_end_are_damage(void **state)
{
    struct fixture f;
    uint8_t *bytes;
    size_t size;

    (void)state;
    init(&f, 8);
    save(&f, f.image, VXC_IMAGE_LZ4);
    size = read_file(f.image, &bytes);
    bytes[size] = 0;
    write_file(f.other, bytes, size + 1);
    expect_damage(&f, "one more byte", size);
    free(bytes);
    deinit(&f);
}

static void flip_and_expect(struct fixture *f, int fd, const uint8_t *bytes, size_t at,
                            unsigned bit)
{
    uint8_t byte = bytes[at] ^ (uint8_t)(1u << bit);

    assert_int_equal(pwrite(fd, &byte, 1, (off_t)at), 1);
    expect_damage(f, "flip", at);
    assert_int_equal(pwrite(fd, bytes + at, 1, (off_t)at), 1);
}

static void check_flips(enum vxc_image_compression compression, bool every_byte)
{
    struct fixture f;
    uint64_t random = 99 + (uint64_t)compression;
    uint8_t *bytes;
    size_t size;
    int fd;

    init(&f, 9);
    fill(f.d.store, 1, 40, 3, 0);
    save(&f, f.image, compression);
    size = read_file(f.image, &bytes);
    write_file(f.other, bytes, size);
    fd = open(f.other, O_RDWR | O_CLOEXEC);
    assert_true(fd >= 0);
    for (size_t at = 0; every_byte && at < size; at++) {
        flip_and_expect(&f, fd, bytes, at, (unsigned)random_below(&random, 8));
    }
    for (int i = 0; i < 600; i++) {
        flip_and_expect(&f, fd, bytes, random_below(&random, size),
                        (unsigned)random_below(&random, 8));
    }
    (void)close(fd);
    assert_int_equal(vxc_image_inspect(f.other, NULL, &f.info, &f.err), 0); /* all put back */
    free(bytes);
    deinit(&f);
}

static void a_flip_in_any_byte_is_damage(void **state)
{
    (void)state;
    check_flips(VXC_IMAGE_LZ4, true);
    check_flips(VXC_IMAGE_ZLIB, false);
    check_flips(VXC_IMAGE_PLAIN, false);
}

static void damage_leaves_no_extracted_files(void **state)
{
    struct fixture f;
    uint8_t *bytes;
    size_t size;

    (void)state;
    init(&f, 10);
    change(&f.d, 200);
    save(&f, f.image, VXC_IMAGE_LZ4);
    size = read_file(f.image, &bytes);
    bytes[size / 2] ^= 4;
    write_file(f.other, bytes, size);
    assert_int_equal(vxc_image_extract(f.other, f.target, NULL, &f.info, &f.err), VXC_ECORRUPT);
    assert_false(exists(f.target));
    assert_int_equal(mkdir(f.target, 0700), 0);
    assert_int_equal(vxc_image_extract(f.other, f.target, NULL, &f.info, &f.err), VXC_ECORRUPT);
    assert_int_equal(files_in(f.target), 0);
    free(bytes);
    deinit(&f);
}

static void a_newer_version_is_told_only_when_the_header_is_intact(void **state)
{
    struct fixture f;
    uint8_t *bytes;
    size_t size;
    uint32_t header_size;

    (void)state;
    init(&f, 12);
    save(&f, f.image, VXC_IMAGE_LZ4);
    size = read_file(f.image, &bytes);
    header_size = vxc_load_u32(bytes + 12);
    vxc_store_u16(bytes + 16, 2);
    write_file(f.other, bytes, size);
    expect_damage(&f, "version without checksum", 16);
    vxc_store_u32(bytes + 8, vxc_crc32(0, bytes + 12, header_size - 12));
    write_file(f.other, bytes, size);
    assert_int_equal(vxc_image_inspect(f.other, NULL, &f.info, &f.err), VXC_EVERSION);
    assert_int_equal(vxc_image_extract(f.other, f.target, NULL, &f.info, &f.err), VXC_EVERSION);
    assert_false(exists(f.target));
    write_file(f.other, bytes, header_size); /* nothing behind the header matters then */
    assert_int_equal(vxc_image_inspect(f.other, NULL, &f.info, &f.err), VXC_EVERSION);
    free(bytes);
    deinit(&f);
}

static void what_is_no_image_is_refused(void **state)
{
    struct fixture f;

    (void)state;
    init(&f, 13);
    assert_int_equal(vxc_image_inspect(f.other, NULL, &f.info, &f.err), VXC_ENOTFOUND);
    write_file(f.other, (const uint8_t *)"", 0);
    expect_damage(&f, "empty", 0);
    write_file(f.other, (const uint8_t *)"a text that is long enough", 26);
    expect_damage(&f, "text", 0);
    assert_int_equal(vxc_image_inspect(f.d.folder, NULL, &f.info, &f.err), VXC_EINVAL);
    deinit(&f);
}

/* ---- files ---- */

static void limit_file_size(uint64_t bytes)
{
    struct rlimit limit;

    assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
    limit.rlim_cur = bytes;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

static void no_space_leaves_the_older_file_and_nothing_else(void **state)
{
    struct fixture f;
    uint8_t *before;
    uint8_t *after;
    size_t size;
    unsigned refused = 0;
    int rv = VXC_ENOSPC;

    (void)state;
    init(&f, 14);
    save(&f, f.image, VXC_IMAGE_LZ4);
    size = read_file(f.image, &before);
    change(&f.d, 100);
    (void)signal(SIGXFSZ, SIG_IGN);
    for (uint64_t limit = 0; rv != 0; limit += 1000) { /* fails in the copy, later in the image */
        limit_file_size(limit);
        rv =
            vxc_image_write(f.d.store, f.image, options_of(VXC_IMAGE_PLAIN), NULL, &f.info, &f.err);
        limit_file_size(RLIM_INFINITY);
        if (rv != 0) {
            assert_int_equal(rv, VXC_ENOSPC);
            refused++;
            assert_int_equal(files_in(f.d.folder), 2);
            assert_int_equal(read_file(f.image, &after), size);
            assert_memory_equal(before, after, size);
            free(after);
        }
    }
    assert_true(refused > 50);
    assert_int_equal(f.info.digest, model_digest(&f.d.committed));
    free(before);
    deinit(&f);
}

static void a_save_replaces_the_file_and_what_a_killed_one_left(void **state)
{
    struct fixture f;
    char path[4300];

    (void)state;
    init(&f, 15);
    (void)snprintf(path, sizeof path, "%s.part", f.image);
    write_file(path, (const uint8_t *)"half", 4);
    save(&f, f.image, VXC_IMAGE_LZ4);
    change(&f.d, 10);
    save(&f, f.image, VXC_IMAGE_ZLIB);
    assert_int_equal(f.info.compression, VXC_IMAGE_ZLIB);
    assert_int_equal(files_in(f.d.folder), 2);
    deinit(&f);
}

static void two_saves_of_one_name_do_not_mix(void **state)
{
    struct fixture f;
    char path[4300];
    int fd;

    (void)state;
    init(&f, 151);
    (void)snprintf(path, sizeof path, "%s.part", f.image);
    fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    assert_int_equal(flock(fd, LOCK_EX | LOCK_NB), 0);
    assert_int_equal(
        vxc_image_write(f.d.store, f.image, options_of(VXC_IMAGE_LZ4), NULL, &f.info, &f.err),
        VXC_ELOCKED);
    assert_true(exists(path));
    (void)close(fd);
    save(&f, f.image, VXC_IMAGE_LZ4);
    assert_false(exists(path));
    deinit(&f);
}

static void a_path_that_cannot_be_written_is_told(void **state)
{
    struct fixture f;
    char path[4300];

    (void)state;
    init(&f, 16);
    (void)snprintf(path, sizeof path, "%s/nowhere/image", f.d.folder);
    assert_int_not_equal(
        vxc_image_write(f.d.store, path, options_of(VXC_IMAGE_LZ4), NULL, &f.info, &f.err), 0);
    assert_non_null(strstr(f.err.text, path));
    assert_int_equal(
        vxc_image_write(f.d.store, f.d.folder, options_of(VXC_IMAGE_LZ4), NULL, &f.info, &f.err),
        VXC_EINVAL);
    deinit(&f);
}

/* At the last moment before the image's commit is chosen. */
static bool commit_before(void *data, enum vxc_image_step step, uint64_t done, uint64_t total)
{
    (void)done;
    (void)total;
    if (step == VXC_IMAGE_BEGINNING) {
        change(data, 1);
    }
    return true;
}

static void a_save_is_of_the_last_commit_before_it_begins(void **state)
{
    struct fixture f;
    const struct vxc_image_progress progress = {&f.d, commit_before};

    (void)state;
    init(&f, 171);
    change(&f.d, 100);
    assert_int_equal(
        vxc_image_write(f.d.store, f.image, options_of(VXC_IMAGE_LZ4), &progress, &f.info, &f.err),
        0);
    assert_int_equal(f.info.applied_index, vxc_store_meta(f.d.store)->applied_index);
    assert_int_equal(f.info.digest, model_digest(&f.d.committed));
    assert_int_equal(vxc_image_verify(f.image, NULL, NULL, &f.info, &f.err), 0);
    deinit(&f);
}

static bool cancel_later(void *data, enum vxc_image_step step, uint64_t done, uint64_t total)
{
    unsigned *left = data;

    (void)step;
    (void)done;
    (void)total;
    return (*left)-- > 0;
}

static void a_canceled_save_leaves_nothing(void **state)
{
    struct fixture f;
    unsigned left = 0;
    const struct vxc_image_progress progress = {&left, cancel_later};
    int rv = VXC_ECANCELED;

    (void)state;
    init(&f, 17);
    for (unsigned first = 0; rv != 0; first++) {
        left = first;
        rv = vxc_image_write(f.d.store, f.image, options_of(VXC_IMAGE_LZ4), &progress, &f.info,
                             &f.err);
        if (rv != 0) {
            assert_int_equal(rv, VXC_ECANCELED);
            assert_int_equal(files_in(f.d.folder), 1);
        }
    }
    deinit(&f);
}

static void extract_wants_an_empty_folder(void **state)
{
    struct fixture f;
    char path[4300];

    (void)state;
    init(&f, 18);
    change(&f.d, 100);
    save(&f, f.image, VXC_IMAGE_LZ4);
    assert_int_equal(vxc_image_extract(f.image, f.target, NULL, &f.info, &f.err), 0);
    (void)snprintf(path, sizeof path, "%s/data.mdb", f.target);
    assert_true(exists(path));
    assert_int_equal(files_in(f.target), 1);
    assert_int_equal(vxc_image_extract(f.image, f.target, NULL, &f.info, &f.err), VXC_EEXISTS);
    assert_int_equal(vxc_image_extract(f.image, path, NULL, &f.info, &f.err), VXC_EEXISTS);
    deinit(&f);
}

/* ---- differences ---- */

struct seen {
    struct vxc_image_difference items[16];
    size_t count;
};

static void note_difference(void *data, const struct vxc_image_difference *d)
{
    struct seen *seen = data;

    assert_true(seen->count < 16);
    seen->items[seen->count++] = *d;
}

static void differences_are_counted_per_object(void **state)
{
    struct fixture f;
    struct vxc_image_view before;
    struct seen seen = {.count = 0};

    (void)state;
    init(&f, 19);
    fill(f.d.store, 1, 10, 3, 0);
    fill(f.d.store, 2, 10, 4, 0);
    save(&f, f.image, VXC_IMAGE_LZ4);
    fill(f.d.store, 2, 15, 5, 0);  /* 5 added */
    fill(f.d.store, 1, 10, 6, 16); /* all changed */
    fill(f.d.store, 3, 4, 7, 0);
    assert_int_equal(vxc_image_view_open(f.image, NULL, NULL, &before, &f.err), 0);
    assert_int_equal(vxc_image_diff(before.store, f.d.store, &seen, note_difference, &f.err), 0);
    assert_int_equal(seen.count, 3);
    assert_int_equal(seen.items[0].object_id, 1);
    assert_int_equal(seen.items[0].changed, 10);
    assert_int_equal(seen.items[0].added + seen.items[0].removed, 0);
    assert_int_equal(seen.items[1].object_id, 2);
    assert_int_equal(seen.items[1].added, 5);
    assert_int_equal(seen.items[2].object_id, 3);
    assert_int_equal(seen.items[2].added, 4);
    assert_null(seen.items[2].before_header.data);
    seen.count = 0; /* and the other way round */
    assert_int_equal(vxc_image_diff(f.d.store, before.store, &seen, note_difference, &f.err), 0);
    assert_int_equal(seen.items[1].removed, 5);
    assert_int_equal(seen.items[2].removed, 4);
    assert_null(seen.items[2].after_header.data);
    vxc_store_end_reads(f.d.store);
    vxc_image_view_close(&before);
    deinit(&f);
}

/* ---- restore ---- */

struct hooks {
    int edit_result;
    int identify_result;
    uint64_t seen_index;
};

static int edit(void *data, struct vxc_store *store, const struct vxc_image_info *info,
                struct vxc_error *err)
{
    struct hooks *h = data;
    struct vxc_store_meta meta = *vxc_store_meta(store);

    h->seen_index = info->applied_index;
    meta.applied_index++;
    meta.applied_position = 0;
    meta.configuration_index = meta.applied_index;
    meta.configuration = vxc_slice_of_string("alone");
    vxc_store_commit(store, NULL, 0, &meta);
    assert_true(vxc_store_collect(store));
    return h->edit_result == 0 ? 0 : vxc_error_set(err, h->edit_result, "planted");
}

static int identify(void *data, const char *folder, struct vxc_error *err)
{
    struct hooks *h = data;
    char path[4400];

    (void)snprintf(path, sizeof path, "%s/node", folder);
    write_file(path, (const uint8_t *)"me", 2);
    (void)snprintf(path, sizeof path, "%s/lock", folder);
    write_file(path, (const uint8_t *)"", 0);
    return h->identify_result == 0 ? 0 : vxc_error_set(err, h->identify_result, "planted");
}

static void check_restored_log(const char *path)
{
    const struct vxc_log_options options = {.read_only = true};
    struct vxc_log *log;

    assert_int_equal(vxc_log_open(path, &options, &log, NULL), 0);
    assert_int_equal(vxc_log_base(log)->index, 45);
    assert_int_equal(vxc_log_base(log)->term, 2);
    assert_int_equal(vxc_log_base(log)->configuration_index, 45);
    assert_true(vxc_slice_equal(vxc_log_base(log)->configuration, vxc_slice_of_string("alone")));
    assert_int_equal(vxc_log_last_index(log), 45);
    assert_int_equal(vxc_log_first_index(log), 46);
    vxc_log_close(log);
}

static void check_restored_vote(const char *path)
{
    struct vxc_vote_file *file;
    struct vxc_vote vote;

    assert_int_equal(vxc_vote_open(path, 0, 8, &file, &vote, NULL), 0);
    assert_int_equal(vote.term, 2);
    assert_int_equal(vote.voted_for, 0);
    vxc_vote_close(file);
}

static void a_restored_folder_holds_state_log_vote_and_node(void **state)
{
    struct fixture f;
    struct hooks h = {0};
    const struct vxc_image_restore_hooks hooks = {&h, edit, identify};
    struct vxc_verify_report report;
    char path[4300];

    (void)state;
    init(&f, 20);
    fill(f.d.store, 1, 500, 44, 0);
    save(&f, f.image, VXC_IMAGE_LZ4);
    assert_int_equal(vxc_image_restore(f.image, f.target, 8, &hooks, NULL, &f.info, &f.err), 0);
    assert_int_equal(h.seen_index, 44);
    assert_int_equal(files_in(f.target), 4);
    (void)snprintf(path, sizeof path, "%s/state", f.target);
    assert_int_equal(vxc_verify_state(path, &report, &f.err), 0);
    assert_int_equal(report.applied_index, 45);
    assert_int_equal(report.digest, f.info.digest);
    (void)snprintf(path, sizeof path, "%s/log", f.target);
    check_restored_log(path);
    (void)snprintf(path, sizeof path, "%s/vote", f.target);
    check_restored_vote(path);
    (void)snprintf(path, sizeof path, "%s/node", f.target);
    assert_true(exists(path));
    assert_int_equal(vxc_image_restore(f.image, f.target, 8, &hooks, NULL, &f.info, &f.err),
                     VXC_EEXISTS);
    deinit(&f);
}

static void a_failed_restore_leaves_the_folder_as_it_was(void **state)
{
    struct fixture f;
    struct hooks h = {.edit_result = VXC_ECORRUPT};
    const struct vxc_image_restore_hooks hooks = {&h, edit, identify};
    uint8_t *bytes;
    size_t size;

    (void)state;
    init(&f, 21);
    fill(f.d.store, 1, 500, 44, 0);
    save(&f, f.image, VXC_IMAGE_LZ4);
    assert_int_equal(vxc_image_restore(f.image, f.target, 8, &hooks, NULL, &f.info, &f.err),
                     VXC_ECORRUPT);
    assert_false(exists(f.target));
    h = (struct hooks){.identify_result = VXC_ENOSPC};
    assert_int_equal(mkdir(f.target, 0700), 0);
    assert_int_equal(vxc_image_restore(f.image, f.target, 8, &hooks, NULL, &f.info, &f.err),
                     VXC_ENOSPC);
    assert_int_equal(files_in(f.target), 0);
    h = (struct hooks){0};
    size = read_file(f.image, &bytes);
    write_file(f.other, bytes, size - 1);
    assert_int_equal(vxc_image_restore(f.other, f.target, 8, &hooks, NULL, &f.info, &f.err),
                     VXC_ECORRUPT);
    assert_int_equal(files_in(f.target), 0);
    assert_int_equal(vxc_image_restore(f.image, f.target, 8, &hooks, NULL, &f.info, &f.err), 0);
    free(bytes);
    deinit(&f);
}

/* The state fits each time, its log does not, or nothing does. */
static void no_space_for_a_restore_leaves_the_folder_as_it_was(void **state)
{
    static const uint64_t limits[] = {0, 3000, 100000, 1 << 20, 32 << 20};
    struct fixture f;
    struct hooks h = {0};
    const struct vxc_image_restore_hooks hooks = {&h, edit, identify};

    (void)state;
    init(&f, 22);
    fill(f.d.store, 1, 50, 44, 0);
    save(&f, f.image, VXC_IMAGE_LZ4);
    (void)signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(mkdir(f.target, 0700), 0);
    for (size_t i = 0; i < sizeof limits / sizeof limits[0]; i++) {
        limit_file_size(limits[i]);
        assert_int_not_equal(vxc_image_restore(f.image, f.target, 8, &hooks, NULL, &f.info, &f.err),
                             0);
        assert_int_equal(vxc_image_extract(f.image, f.target, NULL, &f.info, &f.err) == 0, i > 1);
        limit_file_size(RLIM_INFINITY);
        if (i > 1) { /* the small state alone did fit */
            remove_tree(f.target);
            assert_int_equal(mkdir(f.target, 0700), 0);
        }
        assert_int_equal(files_in(f.target), 0);
    }
    deinit(&f);
}

static void compressions_have_names(void **state)
{
    enum vxc_image_compression compression = VXC_IMAGE_PLAIN;

    (void)state;
    for (unsigned i = 0; i < VXC_IMAGE_COMPRESSIONS; i++) {
        const char *name = vxc_image_compression_name((enum vxc_image_compression)i);
        assert_int_equal(vxc_image_compression_parse(name, &compression), 0);
        assert_int_equal(compression, i);
    }
    assert_int_equal(vxc_image_compression_parse("gzip", &compression), VXC_EINVAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_image_holds_the_state_uncompressed),
        cmocka_unit_test(an_image_holds_the_state_with_lz4),
        cmocka_unit_test(an_image_holds_the_state_with_zlib),
        cmocka_unit_test(an_empty_state_has_an_image),
        cmocka_unit_test(a_hundred_thousand_rows_go_through_an_image),
        cmocka_unit_test(a_state_folder_can_be_saved_beside_its_node),
        cmocka_unit_test(an_image_taken_while_writes_go_on_is_of_one_commit),
        cmocka_unit_test(every_cut_is_damage_at_the_place_of_the_cut),
        cmocka_unit_test(bytes_behind_the_end_are_damage),
        cmocka_unit_test(a_flip_in_any_byte_is_damage),
        cmocka_unit_test(damage_leaves_no_extracted_files),
        cmocka_unit_test(a_newer_version_is_told_only_when_the_header_is_intact),
        cmocka_unit_test(what_is_no_image_is_refused),
        cmocka_unit_test(no_space_leaves_the_older_file_and_nothing_else),
        cmocka_unit_test(a_save_replaces_the_file_and_what_a_killed_one_left),
        cmocka_unit_test(two_saves_of_one_name_do_not_mix),
        cmocka_unit_test(a_path_that_cannot_be_written_is_told),
        cmocka_unit_test(a_save_is_of_the_last_commit_before_it_begins),
        cmocka_unit_test(a_canceled_save_leaves_nothing),
        cmocka_unit_test(extract_wants_an_empty_folder),
        cmocka_unit_test(differences_are_counted_per_object),
        cmocka_unit_test(a_restored_folder_holds_state_log_vote_and_node),
        cmocka_unit_test(a_failed_restore_leaves_the_folder_as_it_was),
        cmocka_unit_test(no_space_for_a_restore_leaves_the_folder_as_it_was),
        cmocka_unit_test(compressions_have_names),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
