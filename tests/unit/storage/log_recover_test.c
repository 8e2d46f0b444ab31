/* The log after a crash and after damage: power cuts on a simulated device, seeded faults in files.
 */
#include "log_fixture.h"

#include "base/crc.h"
#include "storage/log_format.h"
#include "storage/log_io.h"

#include <errno.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/wait.h>

enum { FILES_MAX = 64, HELD_MAX = 16, SECTOR = 512 };

/* ---- a folder held in memory, to be written out again and again ---- */

struct image {
    size_t count;
    struct {
        char name[64];
        uint8_t *bytes;
        size_t size;
    } file[FILES_MAX];
};

static void image_add(const char *file, void *data)
{
    struct image *image = data;

    assert_true(image->count < FILES_MAX);
    snprintf(image->file[image->count].name, sizeof image->file[0].name, "%s",
             strrchr(file, '/') + 1);
    image->file[image->count].bytes = file_load(file, &image->file[image->count].size);
    image->count++;
}

static void image_load(struct image *image, const char *path)
{
    memset(image, 0, sizeof *image);
    folder_each(path, image_add, image);
}

static void image_free(struct image *image)
{
    for (size_t i = 0; i < image->count; i++) {
        free(image->file[i].bytes);
    }
}

static void image_write(const struct image *image, const char *path)
{
    folder_empty(path);
    for (size_t i = 0; i < image->count; i++) {
        char file[2 * PATH_SIZE];
        snprintf(file, sizeof file, "%s/%s", path, image->file[i].name);
        file_save(file, image->file[i].bytes, image->file[i].size);
    }
}

/* Faults by the thousand are about bytes, not about the disk: memory will do, where there is some.
 */
static void folder_make_fast(char path[PATH_SIZE])
{
    snprintf(path, PATH_SIZE, "/dev/shm/vxc-log-XXXXXX");
    if (mkdtemp(path) == NULL) {
        folder_make(path);
    }
}

static void fill(struct vxc_log *log, uint64_t term, int n, size_t size_max, uint64_t *seed)
{
    for (int i = 0; i < n; i++) {
        entry_append(log, term, random_next(seed) % size_max);
        if (random_next(seed) % 3 != 0) {
            assert_int_equal(vxc_log_flush(log), 0);
            vxc_log_sync(log);
        }
    }
    vxc_log_sync(log);
}

/* ---- faults ---- */

struct fault {
    char text[160];
};

static struct fault fault_apply(struct image *image, uint64_t *seed)
{
    struct fault fault;
    size_t i, at, from;
    size_t size;
    uint8_t *bytes;

    do {
        i = random_next(seed) % image->count;
    } while (image->file[i].size == 0 || strcmp(image->file[i].name, "spare") == 0);
    bytes = image->file[i].bytes;
    size = image->file[i].size;
    at = random_next(seed) % size;
    switch (random_next(seed) % 6) {
    case 0:
    case 1: {
        unsigned bit = (unsigned)(random_next(seed) % 8);
        bytes[at] = (uint8_t)(bytes[at] ^ (1u << bit));
        snprintf(fault.text, sizeof fault.text, "%s: bit %u of byte %zu", image->file[i].name, bit,
                 at);
        break;
    }
    case 2:
        at = at / SECTOR * SECTOR;
        memset(bytes + at, 0, SECTOR);
        snprintf(fault.text, sizeof fault.text, "%s: sector at %zu zeroed", image->file[i].name,
                 at);
        break;
    case 3:
        image->file[i].size = at;
        snprintf(fault.text, sizeof fault.text, "%s: cut at %zu", image->file[i].name, at);
        break;
    case 4:
        at = at / VXC_LOG_BLOCK_SIZE * VXC_LOG_BLOCK_SIZE;
        from = random_next(seed) % size / VXC_LOG_BLOCK_SIZE * VXC_LOG_BLOCK_SIZE;
        memmove(bytes + at, bytes + from, VXC_LOG_BLOCK_SIZE);
        snprintf(fault.text, sizeof fault.text, "%s: block %zu is a copy of block %zu",
                 image->file[i].name, at, from);
        break;
    default: { /* a block of another segment */
        size_t k = random_next(seed) % image->count;
        at = at / VXC_LOG_BLOCK_SIZE * VXC_LOG_BLOCK_SIZE;
        from = image->file[k].size <= at ? 0 : at;
        memmove(bytes + at, image->file[k].bytes + from, VXC_LOG_BLOCK_SIZE);
        snprintf(fault.text, sizeof fault.text, "%s: block %zu is block %zu of %s",
                 image->file[i].name, at, from, image->file[k].name);
    }
    }
    return fault;
}

/* One block is wrong in one file of a cleanly closed log: all entries are there and right, or the
 * damage is named. */
static void check_damaged(const char *path, const struct vxc_log_options *options, uint64_t first,
                          uint64_t last, const struct fault *fault, int *reported)
{
    struct vxc_error err = {0};
    struct vxc_log *log;
    int rv = vxc_log_open(path, options, &log, &err);

    if (rv != 0) {
        if (rv != VXC_ECORRUPT || strstr(err.text, path) == NULL ||
            strstr(err.text, "offset ") == NULL) {
            fail_msg("%s: %d %s", fault->text, rv, err.text);
        }
        (*reported)++;
        return;
    }
    if (vxc_log_last_index(log) != last || vxc_log_first_index(log) > first) {
        fail_msg("%s: entries %llu to %llu were lost in silence (now %llu to %llu)", fault->text,
                 (unsigned long long)first, (unsigned long long)last,
                 (unsigned long long)vxc_log_first_index(log),
                 (unsigned long long)vxc_log_last_index(log));
    }
    for (uint64_t i = vxc_log_first_index(log); i <= last; i++) {
        if (!entry_is_right(log, i)) {
            fail_msg("%s: entry %llu is wrong", fault->text, (unsigned long long)i);
        }
    }
    vxc_log_close(log);
}

static void damage_is_reported_or_harmless(void **state)
{
    struct vxc_log_options options = options_small(VXC_LOG_IO_AUTO);
    struct vxc_log_options ro = options;
    char path[PATH_SIZE];
    int reported = 0;
    uint64_t seed = 42;

    (void)state;
    ro.read_only = true;
    folder_make_fast(path);
    for (int made = 0; made < 12; made++) {
        struct vxc_log_base base = {.configuration = vxc_slice("conf", 4)};
        struct vxc_log *log;
        uint64_t first, last;
        struct image whole;

        folder_empty(path);
        log = log_open_ok(path, &options);
        fill(log, 1, 20, made % 3 == 2 ? 30000 : 3000, &seed);
        if (made % 4 >= 2) {
            assert_int_equal(vxc_log_truncate(log, 1 + random_next(&seed) % 20, NULL), 0);
        }
        fill(log, 2, 10, 6000, &seed);
        if (made % 2 == 1) {
            base.index = 1 + random_next(&seed) % vxc_log_last_index(log);
            base.term = vxc_log_term(log, base.index);
            assert_int_equal(vxc_log_set_base(log, &base, 0, NULL), 0);
        }
        first = vxc_log_first_index(log);
        last = vxc_log_last_index(log);
        vxc_log_close(log);
        image_load(&whole, path);
        for (int k = 0; k < 110; k++) {
            struct image damaged;
            struct fault fault;
            image_write(&whole, path);
            image_load(&damaged, path);
            fault = fault_apply(&damaged, &seed);
            image_write(&damaged, path);
            options.io = k % 2 == 0 ? VXC_LOG_IO_AUTO : VXC_LOG_IO_THREAD;
            check_damaged(path, &ro, first, last, &fault, &reported);
            check_damaged(path, &options, first, last, &fault, &reported);
            image_free(&damaged);
        }
        image_free(&whole);
    }
    print_message("1320 faults, each opened twice, %d reported\n", reported);
    assert_true(reported > 200);
    folder_remove(path);
}

static void every_block_of_a_closed_log_matters(void **state)
{
    struct vxc_log_options options = options_small(VXC_LOG_IO_AUTO);
    char path[PATH_SIZE];
    struct image whole;
    struct vxc_log *log;
    uint64_t seed = 5;
    int reported = 0;

    (void)state;
    folder_make_fast(path);
    log = log_open_ok(path, &options);
    fill(log, 1, 25, 9000, &seed);
    vxc_log_close(log);
    image_load(&whole, path);
    for (size_t i = 0; i < whole.count; i++) {
        for (size_t at = 0; at < whole.file[i].size; at += VXC_LOG_BLOCK_SIZE) {
            uint8_t kept[VXC_LOG_BLOCK_SIZE];
            struct fault fault;
            memcpy(kept, whole.file[i].bytes + at, sizeof kept);
            memset(whole.file[i].bytes + at, 0, sizeof kept);
            image_write(&whole, path);
            memcpy(whole.file[i].bytes + at, kept, sizeof kept);
            snprintf(fault.text, sizeof fault.text, "%s: block %zu zeroed", whole.file[i].name, at);
            check_damaged(path, &options, 1, 25, &fault, &reported);
        }
    }
    assert_true(reported > 20);
    image_free(&whole);
    folder_remove(path);
}

static void a_missing_segment_is_damage_wherever_it_was(void **state)
{
    struct vxc_log_options options = options_small(VXC_LOG_IO_AUTO);
    char path[PATH_SIZE];
    struct image whole;
    struct vxc_log *log;
    uint64_t seed = 6;

    (void)state;
    folder_make_fast(path);
    log = log_open_ok(path, &options);
    fill(log, 1, 60, 9000, &seed);
    vxc_log_close(log);
    image_load(&whole, path);
    for (size_t i = 0; i < whole.count; i++) {
        char file[2 * PATH_SIZE];
        struct vxc_error err = {0};
        int rv;
        image_write(&whole, path);
        snprintf(file, sizeof file, "%s/%s", path, whole.file[i].name);
        assert_int_equal(unlink(file), 0);
        rv = vxc_log_open(path, &options, &log, &err);
        if (strstr(file, ".log") != NULL) {
            assert_int_equal(rv, VXC_ECORRUPT);
            assert_non_null(strstr(err.text, "missing"));
        } else { /* one copy of the base, the spare: healed */
            assert_int_equal(rv, 0);
            entries_are_right(log, 1, 60);
            vxc_log_close(log);
        }
    }
    image_write(&whole, path);
    for (char c = 'a'; c <= 'b'; c++) {
        char file[2 * PATH_SIZE];
        snprintf(file, sizeof file, "%s/base-%c", path, c);
        assert_int_equal(unlink(file), 0);
    }
    assert_int_equal(vxc_log_open(path, &options, &log, NULL), VXC_ECORRUPT);
    image_free(&whole);
    folder_remove(path);
}

static void a_newer_format_is_named_and_left_alone(void **state)
{
    struct vxc_log_options options = options_small(VXC_LOG_IO_AUTO);
    char path[PATH_SIZE], file[2 * PATH_SIZE];
    struct vxc_error err = {0};
    struct vxc_log *log;
    uint8_t *bytes;
    size_t size;
    uint64_t seed = 7;

    (void)state;
    folder_make_fast(path);
    log = log_open_ok(path, &options);
    fill(log, 1, 3, 100, &seed);
    vxc_log_close(log);
    last_segment(path, file);
    bytes = file_load(file, &size);
    bytes[12] = 2; /* version */
    vxc_store_u32(bytes + 8, vxc_crc32(0, bytes + 12, VXC_LOG_BLOCK_SIZE - 12));
    file_save(file, bytes, size);
    free(bytes);
    assert_int_equal(vxc_log_open(path, &options, &log, &err), VXC_EVERSION);
    assert_non_null(strstr(err.text, "version 2"));
    folder_remove(path);
}

static void a_segment_of_another_log_is_foreign(void **state)
{
    struct vxc_log_options options = options_small(VXC_LOG_IO_AUTO);
    char path[PATH_SIZE], other[PATH_SIZE], from[2 * PATH_SIZE], to[2 * PATH_SIZE];
    struct vxc_log *log;
    uint8_t *bytes;
    size_t size;
    uint64_t seed = 8;

    (void)state;
    folder_make_fast(path);
    folder_make_fast(other);
    for (int i = 0; i < 2; i++) {
        log = log_open_ok(i == 0 ? path : other, &options);
        fill(log, 1, 3, 100, &seed);
        vxc_log_close(log);
    }
    last_segment(path, to);
    last_segment(other, from);
    bytes = file_load(from, &size);
    file_save(to, bytes, size);
    free(bytes);
    assert_int_equal(vxc_log_open(path, &options, &log, NULL), VXC_EFOREIGN);
    folder_remove(path);
    folder_remove(other);
}

/* ---- power cuts ---- */

/* Holds writes until told; whatever is held at a cut reaches the disk in part, sector by sector. */
struct sim {
    struct vxc_log_device device;
    struct vxc_log_write *held[HELD_MAX];
    size_t held_count;
    struct vxc_log_write *done;
    uint64_t *seed;
    int fail_errno;
};

static void sim_submit(struct vxc_log_device *device, struct vxc_log_write *write)
{
    struct sim *sim = (struct sim *)device;

    assert_true(sim->held_count < VXC_LOG_INFLIGHT_MAX);
    sim->held[sim->held_count++] = write;
}

static void sim_finish_one(struct sim *sim)
{
    size_t i = random_next(sim->seed) % sim->held_count;
    struct vxc_log_write *write = sim->held[i];

    sim->held[i] = sim->held[--sim->held_count];
    write->result = sim->fail_errno;
    if (sim->fail_errno == 0) {
        assert_int_equal(pwrite(write->fd, write->data, write->size, (off_t)write->offset),
                         write->size);
    }
    write->next = sim->done;
    sim->done = write;
}

static struct vxc_log_write *sim_collect(struct vxc_log_device *device)
{
    struct sim *sim = (struct sim *)device;
    struct vxc_log_write *write = sim->done;

    if (write != NULL) {
        sim->done = write->next;
    }
    return write;
}

static void sim_wait(struct vxc_log_device *device)
{
    struct sim *sim = (struct sim *)device;

    if (sim->held_count > 0) {
        sim_finish_one(sim);
    }
}

static void sim_free(struct vxc_log_device *device)
{
    free(device);
}

static struct sim *sim_create(uint64_t *seed)
{
    struct sim *sim = calloc(1, sizeof *sim);

    assert_non_null(sim);
    sim->seed = seed;
    sim->device = (struct vxc_log_device){.name = "simulated",
                                          .event_fd = -1,
                                          .submit = sim_submit,
                                          .collect = sim_collect,
                                          .wait = sim_wait,
                                          .free = sim_free};
    return sim;
}

/* The folder as a power cut leaves it: of each held write, some sectors. */
static void power_cut(struct sim *sim, const char *path, char *copy)
{
    folder_copy(path, copy);
    for (size_t i = 0; i < sim->held_count; i++) {
        const struct vxc_log_write *w = sim->held[i];
        unsigned of_eight = (unsigned)(random_next(sim->seed) % 9);
        char link[64], file[PATH_SIZE], name[2 * PATH_SIZE];
        ssize_t n;
        int fd;

        snprintf(link, sizeof link, "/proc/self/fd/%d", w->fd);
        n = readlink(link, file, sizeof file - 1);
        assert_true(n > 0);
        file[n] = 0;
        snprintf(name, sizeof name, "%s/%s", copy, strrchr(file, '/') + 1);
        fd = open(name, O_WRONLY);
        assert_true(fd >= 0);
        for (size_t at = 0; at < w->size; at += SECTOR) {
            if (random_next(sim->seed) % 8 < of_eight) {
                const uint8_t *data = w->data;
                assert_int_equal(pwrite(fd, data + at, SECTOR, (off_t)(w->offset + at)), SECTOR);
            }
        }
        close(fd);
    }
}

/* One step of a log's life, drawn by lot. */
static void live(struct vxc_log *log, struct sim *sim, uint64_t *term)
{
    uint64_t *seed = sim->seed;
    uint64_t last = vxc_log_last_index(log);

    switch (random_next(seed) % 16) {
    case 0:
        if (last > vxc_log_base(log)->index) {
            uint64_t held = last - vxc_log_base(log)->index;
            uint64_t cut = last + 1 - (1 + random_next(seed) % (held > 9 ? 9 : held));
            assert_int_equal(vxc_log_truncate(log, cut, NULL), 0);
            (*term)++;
        }
        return;
    case 1: {
        uint64_t old = vxc_log_base(log)->index;
        uint64_t durable = vxc_log_durable_index(log);
        struct vxc_log_base base = {.index = old};
        base.index += durable > old ? random_next(seed) % (durable - old) : 0;
        base.term = vxc_log_term(log, base.index);
        assert_int_equal(vxc_log_set_base(log, &base, random_next(seed) % 100000, NULL), 0);
        return;
    }
    case 2:
        if (random_next(seed) % 8 == 0) {
            struct vxc_log_base base = {.index = last + random_next(seed) % 50, .term = *term};
            assert_int_equal(vxc_log_reset(log, &base, NULL), 0);
        }
        return;
    case 3:
        vxc_log_release(log, vxc_log_durable_index(log));
        return;
    case 4:
        (void)vxc_log_idle(log, random_next(seed) % 100000);
        return;
    case 5:
    case 6:
    case 7:
        if (sim->held_count > 0) {
            sim_finish_one(sim);
        }
        (void)vxc_log_poll(log);
        return;
    default:
        entry_append(log, *term,
                     random_next(seed) % 10 == 0 ? random_next(seed) % 40000
                                                 : random_next(seed) % 3000);
        if (random_next(seed) % 2 == 0) {
            assert_int_equal(vxc_log_flush(log), 0);
        }
    }
}

static void power_cuts_lose_nothing_durable(void **state)
{
    struct vxc_log_options options = options_small(VXC_LOG_IO_AUTO);
    char path[PATH_SIZE], copy[PATH_SIZE];
    uint64_t cuts = 0;

    (void)state;
    folder_make_fast(path);
    folder_make_fast(copy);
    for (uint64_t s = 1; s <= 60; s++) {
        uint64_t seed = s;
        uint64_t term = 1;
        struct sim *sim = sim_create(&seed);
        struct vxc_error err = {0};
        struct vxc_log *log;

        folder_empty(path);
        assert_int_equal(vxc_log_open_on(path, &options, &sim->device, &log, &err), 0);
        for (int i = 0; i < 20; i++) {
            struct sim *next;
            struct vxc_log *recovered;
            uint64_t durable;

            for (uint64_t n = random_next(&seed) % 60; n > 0; n--) {
                live(log, sim, &term);
            }
            durable = vxc_log_durable_index(log);
            power_cut(sim, path, copy);
            cuts++;
            next = sim_create(&seed);
            if (vxc_log_open_on(copy, &options, &next->device, &recovered, &err) != 0) {
                fail_msg("seed %llu cut %d: %s", (unsigned long long)s, i, err.text);
            }
            if (vxc_log_last_index(recovered) < durable ||
                vxc_log_last_index(recovered) > vxc_log_last_index(log)) {
                fail_msg("seed %llu cut %d: durable %llu, recovered %llu", (unsigned long long)s, i,
                         (unsigned long long)durable,
                         (unsigned long long)vxc_log_last_index(recovered));
            }
            assert_int_equal(vxc_log_base(recovered)->index, vxc_log_base(log)->index);
            for (uint64_t k = vxc_log_first_index(recovered); k <= vxc_log_last_index(recovered);
                 k++) {
                assert_true(entry_is_right(recovered, k));
                if (k >= vxc_log_first_index(log)) { /* nothing truncated came back */
                    assert_int_equal(vxc_log_term(recovered, k), vxc_log_term(log, k));
                }
            }
            vxc_log_close(log);
            if (i % 2 == 0) { /* life goes on after the cut, else without it */
                folder_copy(copy, path);
            }
            vxc_log_close(recovered);
            sim = sim_create(&seed);
            assert_int_equal(vxc_log_open_on(path, &options, &sim->device, &log, &err), 0);
        }
        vxc_log_close(log);
    }
    print_message("%llu power cuts\n", (unsigned long long)cuts);
    folder_remove(path);
    folder_remove(copy);
}

static void recovery_survives_a_power_cut_of_its_own(void **state)
{
    struct vxc_log_options options = options_small(VXC_LOG_IO_AUTO);
    char path[PATH_SIZE], copy[PATH_SIZE];
    uint64_t seed = 77;
    struct sim *sim = sim_create(&seed);
    struct vxc_log *log;
    struct vxc_log_stats stats;
    uint64_t last;

    (void)state;
    folder_make_fast(path);
    folder_make_fast(copy);
    assert_int_equal(vxc_log_open_on(path, &options, &sim->device, &log, NULL), 0);
    for (int i = 0; i < 30; i++) {
        entry_append(log, 1, 12000);
        assert_int_equal(vxc_log_flush(log), 0);
        (void)vxc_log_poll(log);
        while (sim->held_count >= 3) {
            sim_finish_one(sim);
        }
    }
    power_cut(sim, path, copy);
    vxc_log_close(log);
    for (int i = 0; i < 3; i++) { /* opened again and again, the same entries */
        log = log_open_ok(copy, &options);
        vxc_log_stats(log, &stats);
        assert_true(i == 0 || vxc_log_last_index(log) == last);
        assert_true(i == 0 || stats.recovered_cut_bytes == 0);
        last = vxc_log_last_index(log);
        entries_are_right(log, 1, last);
        vxc_log_close(log);
    }
    folder_remove(path);
    folder_remove(copy);
}

static void a_failed_write_ends_the_process(void **state)
{
    struct vxc_log_options options = options_small(VXC_LOG_IO_AUTO);
    char path[PATH_SIZE];
    int status;
    pid_t child;

    (void)state;
    folder_make_fast(path);
    child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        uint64_t seed = 1;
        struct sim *sim = sim_create(&seed);
        struct vxc_log *log;
        if (freopen("/dev/null", "w", stderr) == NULL) {
            _exit(99);
        }
        if (vxc_log_open_on(path, &options, &sim->device, &log, NULL) == 0) {
            sim->fail_errno = EIO;
            entry_append(log, 1, 10);
            vxc_log_sync(log);
        }
        _exit(0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 70);
    folder_remove(path);
}

/* ---- a full disk ---- */

/* In a child with a mount of its own: 0 = as it should be, 77 = not allowed here. */
static int fill_the_disk(const char *path)
{
    struct vxc_log_options options = options_small(VXC_LOG_IO_THREAD);
    struct vxc_log_base base = {0};
    char folder[2 * PATH_SIZE];
    struct vxc_log_stats stats;
    struct vxc_log *log;
    uint64_t refused;
    int rv = 0;

    if (unshare(CLONE_NEWNS) != 0 || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
        mount("vxc", path, "tmpfs", 0, "size=1m") != 0) {
        return 77;
    }
    snprintf(folder, sizeof folder, "%s/log", path);
    if (vxc_log_open(folder, &options, &log, NULL) != 0) {
        return 1;
    }
    while (rv == 0 && vxc_log_last_index(log) < 10000) {
        rv =
            vxc_log_append(log, vxc_log_last_index(log) + 1, 1, VXC_LOG_COMMAND, vxc_slice("x", 1));
        if (rv == 0) {
            rv = vxc_log_flush(log);
        }
        vxc_log_sync(log);
    }
    vxc_log_stats(log, &stats);
    if (rv != VXC_ENOSPC || !stats.no_space) {
        return 2;
    }
    refused = vxc_log_durable_index(log) + 1;
    if (refused < 100) {
        return 3;
    }
    base.index = refused - 2; /* the way out: the base moves, segments go */
    base.term = 1;
    if (vxc_log_set_base(log, &base, 0, NULL) != 0) {
        return 4;
    }
    for (int i = 0; i < 100 && vxc_log_durable_index(log) < refused + 20; i++) {
        (void)vxc_log_append(log, vxc_log_last_index(log) + 1, 1, VXC_LOG_COMMAND,
                             vxc_slice("y", 1));
        (void)vxc_log_flush(log);
        (void)vxc_log_idle(log, 0);
        usleep(5000);
        (void)vxc_log_poll(log);
    }
    vxc_log_sync(log);
    if (vxc_log_durable_index(log) < refused + 20) {
        return 5;
    }
    refused = vxc_log_last_index(log);
    vxc_log_close(log);
    if (vxc_log_open(folder, &options, &log, NULL) != 0) {
        return 6;
    }
    rv = vxc_log_last_index(log) == refused ? 0 : 7;
    vxc_log_close(log);
    return rv;
}

static void a_full_disk_refuses_and_recovers(void **state)
{
    char path[PATH_SIZE];
    int status;
    pid_t child;

    (void)state;
    folder_make(path);
    child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        _exit(fill_the_disk(path));
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    folder_remove(path);
    assert_true(WIFEXITED(status));
    if (WEXITSTATUS(status) == 77) {
        print_message("not allowed to mount: skipped\n");
        skip();
    }
    assert_int_equal(WEXITSTATUS(status), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(damage_is_reported_or_harmless),
        cmocka_unit_test(every_block_of_a_closed_log_matters),
        cmocka_unit_test(a_missing_segment_is_damage_wherever_it_was),
        cmocka_unit_test(a_newer_format_is_named_and_left_alone),
        cmocka_unit_test(a_segment_of_another_log_is_foreign),
        cmocka_unit_test(power_cuts_lose_nothing_durable),
        cmocka_unit_test(recovery_survives_a_power_cut_of_its_own),
        cmocka_unit_test(a_failed_write_ends_the_process),
        cmocka_unit_test(a_full_disk_refuses_and_recovers),
    };
    return cmocka_run_group_tests_name("log_recover", tests, NULL, NULL);
}
