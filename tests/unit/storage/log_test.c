/* The log's life: append, flush, reopen, read back, truncate, base, reset; with both kinds of I/O.
 */
#include "log_fixture.h"

#include "storage/log_io.h"

#include <poll.h>
#include <signal.h>
#include <sys/wait.h>

struct context {
    char path[PATH_SIZE];
    char copy[PATH_SIZE];
    struct vxc_log_options options;
};

static int setup(void **state, enum vxc_log_io io)
{
    struct context *c = calloc(1, sizeof *c);

    assert_non_null(c);
    folder_make(c->path);
    folder_make(c->copy);
    c->options = options_small(io);
    *state = c;
    return 0;
}

static int setup_uring(void **state)
{
    return setup(state, VXC_LOG_IO_AUTO);
}

static int setup_thread(void **state)
{
    return setup(state, VXC_LOG_IO_THREAD);
}

static int teardown(void **state)
{
    struct context *c = *state;

    folder_remove(c->path);
    folder_remove(c->copy);
    free(c);
    return 0;
}

static struct vxc_log *reopen(struct context *c, struct vxc_log *log)
{
    vxc_log_close(log);
    return log_open_ok(c->path, &c->options);
}

/* Appends n entries of the given size, one flush each, all durable on return. */
static void fill(struct vxc_log *log, uint64_t term, int n, size_t size)
{
    for (int i = 0; i < n; i++) {
        entry_append(log, term, size);
        assert_int_equal(vxc_log_flush(log), 0);
        (void)vxc_log_poll(log);
    }
    vxc_log_sync(log);
    assert_int_equal(vxc_log_durable_index(log), vxc_log_last_index(log));
}

static void an_empty_folder_is_a_new_log(void **state)
{
    struct context *c = *state;
    struct vxc_log *log = log_open_ok(c->path, &c->options);
    struct vxc_log_entry e;
    struct vxc_error err = {0};

    assert_int_equal(vxc_log_first_index(log), 1);
    assert_int_equal(vxc_log_last_index(log), 0);
    assert_int_equal(vxc_log_durable_index(log), 0);
    assert_int_equal(vxc_log_base(log)->index, 0);
    assert_int_equal(vxc_log_term(log, 1), 0);
    assert_int_equal(vxc_log_get(log, 1, &e, &err), VXC_ENOTFOUND);
    log = reopen(c, log);
    assert_int_equal(vxc_log_last_index(log), 0);
    vxc_log_close(log);
}

static void entries_of_every_size_come_back(void **state)
{
    static const size_t sizes[] = {0,
                                   1,
                                   7,
                                   8,
                                   3967,
                                   3968,
                                   3969,
                                   4095,
                                   4096,
                                   4097,
                                   65536,
                                   1024 * 1024,
                                   0,
                                   1,
                                   1048576 + 1,
                                   16777216,
                                   VXC_ENTRY_SIZE_MAX,
                                   5};
    enum { COUNT = sizeof sizes / sizeof sizes[0] };
    struct context *c = *state;
    struct vxc_log *log = log_open_ok(c->path, &c->options);
    struct vxc_log_entry e;

    for (size_t i = 0; i < COUNT; i++) {
        entry_append(log, 1 + i / 4, sizes[i]);
        if (i % 3 == 0) {
            assert_int_equal(vxc_log_flush(log), 0);
        }
    }
    entries_are_right(log, 1, COUNT); /* from memory */
    vxc_log_sync(log);
    assert_int_equal(vxc_log_durable_index(log), COUNT);
    vxc_log_release(log, COUNT);
    entries_are_right(log, 1, COUNT); /* from disk */
    log = reopen(c, log);
    assert_int_equal(vxc_log_last_index(log), COUNT);
    assert_int_equal(vxc_log_durable_index(log), COUNT);
    entries_are_right(log, 1, COUNT);
    for (uint64_t i = COUNT; i > 0; i--) { /* backwards: the reader jumps */
        assert_true(entry_is_right(log, i));
        assert_int_equal(vxc_log_get(log, i, &e, NULL), 0);
        assert_int_equal(e.payload.size, sizes[i - 1]);
        assert_int_equal(e.term, 1 + (i - 1) / 4);
    }
    vxc_log_close(log);
}

/* The reader keeps what it has read; that must not stand for what is written behind it later. */
static void entries_are_read_back_while_others_are_written(void **state)
{
    struct context *c = *state;
    struct vxc_log *log = log_open_ok(c->path, &c->options);

    for (uint64_t i = 1; i <= 50; i++) {
        entry_append(log, 1, 100);
        vxc_log_sync(log);
        vxc_log_release(log, i);
        assert_true(entry_is_right(log, i));
        assert_true(entry_is_right(log, (i + 1) / 2));
    }
    vxc_log_close(log);
}

static void an_entry_over_the_bound_or_out_of_order_is_refused(void **state)
{
    struct context *c = *state;
    struct vxc_log *log = log_open_ok(c->path, &c->options);
    struct vxc_slice none = vxc_slice(NULL, 0);
    uint8_t byte = 0;

    assert_int_equal(
        vxc_log_append(log, 1, 1, VXC_LOG_COMMAND, vxc_slice(&byte, VXC_ENTRY_SIZE_MAX + 1)),
        VXC_ETOOBIG);
    assert_int_equal(vxc_log_append(log, 2, 1, VXC_LOG_COMMAND, none), VXC_EINVAL);
    assert_int_equal(vxc_log_append(log, 1, 0, VXC_LOG_COMMAND, none), VXC_EINVAL);
    assert_int_equal(vxc_log_append(log, 1, 1, 4, none), VXC_EINVAL);
    assert_int_equal(vxc_log_append(log, 1, 5, VXC_LOG_COMMAND, none), 0);
    assert_int_equal(vxc_log_append(log, 2, 4, VXC_LOG_COMMAND, none), VXC_EINVAL);
    assert_int_equal(vxc_log_last_index(log), 1);
    vxc_log_close(log);
}

static void terms_and_types_are_known_without_reading(void **state)
{
    struct context *c = *state;
    struct vxc_log *log = log_open_ok(c->path, &c->options);

    for (uint64_t i = 1; i <= 300; i++) {
        uint16_t type = i % 100 == 1   ? VXC_LOG_BARRIER
                        : i % 100 == 2 ? VXC_LOG_CHANGE
                                       : VXC_LOG_COMMAND;
        assert_int_equal(vxc_log_append(log, i, 1 + (i - 1) / 100, type, vxc_slice("x", 1)), 0);
    }
    for (int round = 0; round < 2; round++) {
        for (uint64_t i = 1; i <= 300; i++) {
            assert_int_equal(vxc_log_term(log, i), 1 + (i - 1) / 100);
            assert_int_equal(vxc_log_type(log, i), i % 100 == 1   ? VXC_LOG_BARRIER
                                                   : i % 100 == 2 ? VXC_LOG_CHANGE
                                                                  : VXC_LOG_COMMAND);
        }
        assert_int_equal(vxc_log_term(log, 301), 0);
        assert_int_equal(vxc_log_type(log, 0), 0);
        log = reopen(c, log);
    }
    vxc_log_close(log);
}

static void the_descriptor_wakes_the_loop_until_all_is_durable(void **state)
{
    struct context *c = *state;
    struct vxc_log *log = log_open_ok(c->path, &c->options);

    for (int i = 0; i < 200; i++) {
        entry_append(log, 1, 100);
        assert_int_equal(vxc_log_flush(log), 0);
        while (vxc_log_durable_index(log) < vxc_log_last_index(log)) {
            uint64_t before = vxc_log_durable_index(log);
            bool moved;
            struct pollfd p = {.fd = vxc_log_fd(log), .events = POLLIN};
            assert_int_equal(poll(&p, 1, 10000), 1);
            moved = vxc_log_poll(log);
            assert_int_equal(moved, vxc_log_durable_index(log) > before);
        }
    }
    vxc_log_close(log);
}

/* A child that appends for ever and says on the pipe what is durable. */
static void write_until_killed(struct context *c, int pipe_fd, uint64_t seed)
{
    struct vxc_log *log = log_open_ok(c->path, &c->options);

    for (;;) {
        struct vxc_log_base base = {.index = vxc_log_durable_index(log)};
        uint64_t durable;
        for (uint64_t n = random_next(&seed) % 8; n > 0; n--) {
            entry_append(log, 1, random_next(&seed) % 9000);
        }
        (void)vxc_log_flush(log);
        (void)vxc_log_poll(log);
        durable = vxc_log_durable_index(log);
        vxc_log_release(log, durable);
        base.term = vxc_log_term(log, base.index);
        if (random_next(&seed) % 16 == 0 && base.index > 0) {
            (void)vxc_log_set_base(log, &base, 65536, NULL);
        }
        if (write(pipe_fd, &durable, sizeof durable) != (ssize_t)sizeof durable) {
            _exit(1);
        }
    }
}

static void what_was_durable_survives_a_kill_at_any_moment(void **state)
{
    struct context *c = *state;
    uint64_t seed = 1;
    uint64_t durable = 0;

    for (int i = 0; i < 40; i++) {
        struct vxc_log *log;
        uint64_t until = durable + random_next(&seed) % 120;
        int fds[2];
        int status;
        pid_t child;

        assert_int_equal(pipe(fds), 0);
        child = fork();
        assert_true(child >= 0);
        if (child == 0) {
            close(fds[0]);
            write_until_killed(c, fds[1], random_next(&seed));
        }
        close(fds[1]);
        while (durable <= until && read(fds[0], &durable, sizeof durable) == sizeof durable) {
        }
        kill(child, SIGKILL);
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_true(WIFSIGNALED(status));
        while (read(fds[0], &durable, sizeof durable) == sizeof durable) {
        }
        close(fds[0]);
        log = log_open_ok(c->path, &c->options);
        assert_true(vxc_log_last_index(log) >= durable);
        entries_are_right(log, vxc_log_first_index(log), vxc_log_last_index(log));
        vxc_log_close(log);
    }
}

static void truncated_entries_never_come_back(void **state)
{
    struct context *c = *state;
    struct vxc_log *log = log_open_ok(c->path, &c->options);
    struct vxc_error err = {0};
    uint64_t seed = 2;
    uint64_t term = 1;

    for (int round = 0; round < 40; round++) {
        uint64_t last, cut;
        fill(log, term, 1 + (int)(random_next(&seed) % 12), random_next(&seed) % 6000);
        if (random_next(&seed) % 3 == 0) {
            entry_append(log, term, 10); /* waiting, not issued */
        }
        if (random_next(&seed) % 3 == 0) {
            vxc_log_release(log, vxc_log_last_index(log));
        }
        last = vxc_log_last_index(log);
        cut = last - random_next(&seed) % (last > 20 ? 20 : last);
        assert_int_equal(vxc_log_truncate(log, cut, &err), 0);
        assert_int_equal(vxc_log_last_index(log), cut - 1);
        assert_true(vxc_log_durable_index(log) <= cut - 1);
        assert_int_equal(vxc_log_term(log, cut), 0);
        if (random_next(&seed) % 2 == 0) {
            struct vxc_log *killed;
            folder_copy(c->path, c->copy);
            killed = log_open_ok(c->copy, &c->options);
            assert_int_equal(vxc_log_last_index(killed), vxc_log_durable_index(log));
            vxc_log_close(killed);
        }
        entries_are_right(log, 1, vxc_log_last_index(log));
        term++;
        fill(log, term, 1 + (int)(random_next(&seed) % 5), random_next(&seed) % 6000);
        entries_are_right(log, 1, vxc_log_last_index(log));
        for (uint64_t i = cut; i <= vxc_log_last_index(log); i++) {
            assert_int_equal(vxc_log_term(log, i), term);
        }
        if (random_next(&seed) % 4 == 0) {
            last = vxc_log_last_index(log);
            log = reopen(c, log);
            assert_int_equal(vxc_log_last_index(log), last);
            entries_are_right(log, 1, last);
        }
    }
    vxc_log_close(log);
}

static void truncation_at_every_entry_keeps_what_is_before(void **state)
{
    struct context *c = *state;
    struct vxc_error err = {0};

    for (uint64_t cut = 1; cut <= 12; cut++) {
        struct vxc_log *log;
        folder_empty(c->path);
        log = log_open_ok(c->path, &c->options);
        fill(log, 1, 12, 3000);
        assert_int_equal(vxc_log_truncate(log, cut, &err), 0);
        fill(log, 2, 2, 50);
        log = reopen(c, log);
        assert_int_equal(vxc_log_last_index(log), cut + 1);
        assert_int_equal(vxc_log_term(log, cut), 2);
        assert_int_equal(vxc_log_term(log, cut - 1), cut == 1 ? 0 : 1);
        entries_are_right(log, 1, cut + 1);
        vxc_log_close(log);
    }
}

static void a_base_drops_whole_segments_and_keeps_a_trailing_part(void **state)
{
    struct context *c = *state;
    struct vxc_log *log = log_open_ok(c->path, &c->options);
    struct vxc_log_base base = {.configuration = vxc_slice("conf", 4), .configuration_index = 3};
    struct vxc_error err = {0};
    struct vxc_log_stats stats;
    uint64_t first;

    for (int i = 0; i < 200; i++) {
        fill(log, 2, 1, 4000); /* one by one: units of 8 KiB, 7 to a segment of 64 KiB */
    }
    base.index = 201;
    base.term = 2;
    assert_int_equal(vxc_log_set_base(log, &base, 0, &err), VXC_EINVAL); /* not there */
    base.index = 150;
    base.term = 1;
    assert_int_equal(vxc_log_set_base(log, &base, 0, &err), VXC_EINVAL); /* another term */
    base.term = 2;
    assert_int_equal(vxc_log_set_base(log, &base, 3 * 65536, &err), 0);
    first = vxc_log_first_index(log);
    assert_in_range(first, 150 - 4 * 7, 150 - 3 * 7 + 1);
    entries_are_right(log, first, 200);
    assert_int_equal(vxc_log_term(log, first - 1), 0);
    assert_int_equal(vxc_log_truncate(log, 150, &err), VXC_EINVAL);
    base.index = 190;
    assert_int_equal(vxc_log_set_base(log, &base, 0, &err), 0);
    assert_in_range(vxc_log_first_index(log), 184, 191);
    log = reopen(c, log);
    assert_int_equal(vxc_log_base(log)->index, 190);
    assert_int_equal(vxc_log_base(log)->term, 2);
    assert_int_equal(vxc_log_base(log)->configuration_index, 3);
    assert_true(vxc_slice_equal(vxc_log_base(log)->configuration, vxc_slice("conf", 4)));
    assert_in_range(vxc_log_first_index(log), 184, 191);
    assert_int_equal(vxc_log_term(log, 190), 2);
    entries_are_right(log, vxc_log_first_index(log), 200);
    fill(log, 3, 20, 100);
    log = reopen(c, log);
    assert_int_equal(vxc_log_last_index(log), 220);
    vxc_log_stats(log, &stats);
    assert_true(stats.segments < 8);
    vxc_log_close(log);
}

static void reset_begins_after_an_installed_image(void **state)
{
    struct context *c = *state;
    struct vxc_log *log = log_open_ok(c->path, &c->options);
    struct vxc_log_base base = {.index = 5000, .term = 9, .configuration = vxc_slice("c", 1)};
    struct vxc_error err = {0};

    fill(log, 2, 30, 4000);
    entry_append(log, 2, 10); /* waiting */
    for (int round = 0; round < 3; round++) {
        assert_int_equal(vxc_log_reset(log, &base, &err), 0);
        assert_int_equal(vxc_log_first_index(log), base.index + 1);
        assert_int_equal(vxc_log_last_index(log), base.index);
        assert_int_equal(vxc_log_durable_index(log), base.index);
        assert_int_equal(vxc_log_term(log, base.index), 9);
        if (round == 0) { /* killed before anything follows */
            struct vxc_log *killed;
            folder_copy(c->path, c->copy);
            killed = log_open_ok(c->copy, &c->options);
            assert_int_equal(vxc_log_last_index(killed), base.index);
            assert_int_equal(vxc_log_first_index(killed), base.index + 1);
            vxc_log_close(killed);
        }
        fill(log, 9, 25, 4000);
        entries_are_right(log, base.index + 1, base.index + 25);
        log = reopen(c, log);
        assert_int_equal(vxc_log_last_index(log), base.index + 25);
        entries_are_right(log, base.index + 1, base.index + 25);
        base.index = round == 0 ? 100 : 5010;
    }
    vxc_log_close(log);
}

static void read_only_shows_entries_and_writes_nothing(void **state)
{
    struct context *c = *state;
    struct vxc_log_options ro = c->options;
    struct vxc_log *log = log_open_ok(c->path, &c->options);
    struct vxc_error err = {0};
    struct vxc_log *reader;
    struct stat before, after;

    ro.read_only = true;
    ro.node_id = 0;
    ro.cluster_id_lo = ro.cluster_id_hi = 0;
    assert_int_equal(vxc_log_open(c->copy, &ro, &reader, &err), VXC_ENOTFOUND);
    fill(log, 1, 20, 4000);
    for (int round = 0; round < 2; round++) { /* beside the writer, then alone */
        assert_int_equal(stat(c->path, &before), 0);
        reader = log_open_ok(c->path, &ro);
        assert_int_equal(vxc_log_last_index(reader), 20);
        entries_are_right(reader, 1, 20);
        assert_int_equal(vxc_log_append(reader, 21, 1, VXC_LOG_COMMAND, vxc_slice("", 0)),
                         VXC_EREADONLY);
        assert_int_equal(vxc_log_flush(reader), VXC_EREADONLY);
        assert_int_equal(vxc_log_truncate(reader, 1, &err), VXC_EREADONLY);
        vxc_log_close(reader);
        vxc_log_close(log);
        log = NULL;
    }
    assert_int_equal(stat(c->path, &after), 0);
    assert_int_equal(before.st_mtim.tv_nsec, after.st_mtim.tv_nsec);
}

static void an_idle_log_writes_one_marker(void **state)
{
    struct context *c = *state;
    struct vxc_log *log = log_open_ok(c->path, &c->options);
    struct vxc_log_stats stats;
    uint64_t units;

    assert_int_equal(vxc_log_idle(log, 1000), UINT64_MAX);
    fill(log, 1, 1, 10);
    vxc_log_stats(log, &stats);
    units = stats.units_total;
    assert_int_equal(vxc_log_idle(log, 2000), VXC_LOG_MARKER_IDLE_MS);
    assert_int_equal(vxc_log_idle(log, 2040), VXC_LOG_MARKER_IDLE_MS - 40);
    assert_int_equal(vxc_log_idle(log, 2100), UINT64_MAX);
    vxc_log_sync(log);
    assert_int_equal(vxc_log_idle(log, 9000), UINT64_MAX);
    vxc_log_stats(log, &stats);
    assert_int_equal(stats.units_total, units + 1);
    vxc_log_close(log);
}

static void bytes_behind_an_entry_are_about_those_of_the_log(void **state)
{
    enum { ENTRIES = 40, PAYLOAD = 100 * 1000 };
    static uint8_t payload[PAYLOAD];
    struct context *c = *state;
    struct vxc_log *log;

    c->options.segment_size = 0;
    log = log_open_ok(c->path, &c->options);
    assert_int_equal(vxc_log_bytes_after(log, 0), 0);
    for (uint64_t i = 1; i <= ENTRIES; i++) {
        assert_int_equal(
            vxc_log_append(log, i, 1, VXC_LOG_COMMAND, vxc_slice(payload, sizeof payload)), 0);
        vxc_log_sync(log);
    }
    for (int life = 0; life < 2; life++) { /* a reopened log knows it too */
        const uint64_t all = vxc_log_bytes_after(log, 0);

        assert_in_range(all, (ENTRIES - 3) * PAYLOAD,
                        (ENTRIES + 3) * (PAYLOAD + VXC_LOG_BLOCK_SIZE));
        assert_in_range(vxc_log_bytes_after(log, ENTRIES / 2), all / 2 - 2 * PAYLOAD,
                        all / 2 + 2 * PAYLOAD);
        assert_true(vxc_log_bytes_after(log, ENTRIES) <= 2 * PAYLOAD);
        vxc_log_close(log);
        log = log_open_ok(c->path, &c->options);
    }
    vxc_log_close(log);
}

static void a_log_of_another_node_or_cluster_is_foreign(void **state)
{
    struct context *c = *state;
    struct vxc_log_options other = c->options;
    struct vxc_error err = {0};
    struct vxc_log *log = log_open_ok(c->path, &c->options);

    vxc_log_close(log);
    other.node_id = NODE + 1;
    assert_int_equal(vxc_log_open(c->path, &other, &log, &err), VXC_EFOREIGN);
    assert_non_null(strstr(err.text, c->path));
    other = c->options;
    other.cluster_id_lo = 99;
    assert_int_equal(vxc_log_open(c->path, &other, &log, &err), VXC_EFOREIGN);
    other.cluster_id_lo = other.cluster_id_hi = 0; /* not known yet: fine */
    log = log_open_ok(c->path, &other);
    vxc_log_close(log);
}

static void memory_stays_small_over_many_entries(void **state)
{
    struct context *c = *state;
    struct vxc_log *log;
    struct vxc_log_stats stats;

    c->options.segment_size = 0;
    log = log_open_ok(c->path, &c->options);
    for (int i = 0; i < 300000; i++) {
        assert_int_equal(
            vxc_log_append(log, (uint64_t)i + 1, 1, VXC_LOG_COMMAND, vxc_slice("0123456789", 10)),
            0);
        if (i % 1000 == 999) {
            assert_int_equal(vxc_log_flush(log), 0);
            (void)vxc_log_poll(log);
            vxc_log_release(log, vxc_log_durable_index(log));
        }
    }
    vxc_log_sync(log);
    vxc_log_release(log, vxc_log_last_index(log));
    vxc_log_stats(log, &stats);
    assert_int_equal(stats.bytes_in_memory, 0);
    log = reopen(c, log);
    assert_int_equal(vxc_log_last_index(log), 300000);
    vxc_log_close(log);
}

#define BOTH(test)                                                                                 \
    {"io_uring: " #test, test, setup_uring, teardown, NULL},                                       \
    {                                                                                              \
        "thread: " #test, test, setup_thread, teardown, NULL                                       \
    }

int main(void)
{
    const struct CMUnitTest tests[] = {
        BOTH(an_empty_folder_is_a_new_log),
        BOTH(entries_of_every_size_come_back),
        BOTH(entries_are_read_back_while_others_are_written),
        BOTH(an_entry_over_the_bound_or_out_of_order_is_refused),
        BOTH(terms_and_types_are_known_without_reading),
        BOTH(the_descriptor_wakes_the_loop_until_all_is_durable),
        BOTH(what_was_durable_survives_a_kill_at_any_moment),
        BOTH(truncated_entries_never_come_back),
        BOTH(truncation_at_every_entry_keeps_what_is_before),
        BOTH(a_base_drops_whole_segments_and_keeps_a_trailing_part),
        BOTH(reset_begins_after_an_installed_image),
        BOTH(read_only_shows_entries_and_writes_nothing),
        BOTH(an_idle_log_writes_one_marker),
        BOTH(bytes_behind_an_entry_are_about_those_of_the_log),
        BOTH(a_log_of_another_node_or_cluster_is_foreign),
        BOTH(memory_stays_small_over_many_entries),
    };
    return cmocka_run_group_tests_name("log", tests, NULL, NULL);
}
