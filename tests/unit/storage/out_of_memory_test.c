/* Log, vote and images when their k-th allocation fails, for every k: an error or the fatal end, no
 * memory left behind, nothing lost that was durable, no half of a file under its final name. */
#include "log_fixture.h"
#include "state_model.h"

#include <sys/mman.h>

#include "lib/failing_heap.h"
#include "storage/image.h"
#include "storage/verify.h"
#include "storage/vote.h"

enum { ENTRIES = 40, ENTRY_SIZE = 3000, SEGMENT_SIZE = 64 * 1024 };

/* ---- the log ---- */

struct log_world {
    char folder[PATH_SIZE];
    uint64_t *durable; /* shared with the child: what its log said last */
};

static const struct vxc_log_options log_options = {
    .io = VXC_LOG_IO_THREAD, .node_id = NODE, .segment_size = SEGMENT_SIZE};

static int fill_log(struct log_world *w, struct vxc_log *log)
{
    static uint8_t payload[ENTRY_SIZE];
    struct vxc_log_entry entry;
    struct vxc_error err = {0};
    int rv = 0;

    for (uint64_t i = vxc_log_last_index(log) + 1; rv == 0 && i <= ENTRIES; i++) {
        memset(payload, (int)i, sizeof payload);
        rv = vxc_log_append(log, i, 1, VXC_LOG_COMMAND, vxc_slice(payload, sizeof payload));
        vxc_log_sync(log);
        *w->durable = vxc_log_durable_index(log);
    }
    if (rv == 0 && *w->durable == ENTRIES) {
        const struct vxc_log_base base = {
            .index = ENTRIES / 2, .term = 1, .configuration = vxc_slice_of_string("conf")};

        vxc_log_release(log, ENTRIES);
        rv = vxc_log_get(log, ENTRIES - 1, &entry, &err);
        rv = rv != 0 ? rv : vxc_log_set_base(log, &base, SEGMENT_SIZE, &err);
        rv = rv != 0 ? rv : vxc_log_truncate(log, ENTRIES, &err);
        *w->durable = rv == 0 ? ENTRIES - 1 : *w->durable;
    }
    return rv;
}

static int live_with_log(void *data)
{
    struct log_world *w = data;
    struct vxc_error err = {0};
    struct vxc_log *log;
    int rv = 0;

    for (int life = 0; rv == 0 && life < 2; life++) { /* the second one recovers */
        rv = vxc_log_open(w->folder, &log_options, &log, &err);
        if (rv == 0) {
            rv = fill_log(w, log);
            vxc_log_close(log);
        }
    }
    return rv;
}

static void empty_log(void *data)
{
    struct log_world *w = data;

    folder_empty(w->folder);
    *w->durable = 0;
}

static void check_log(void *data)
{
    struct log_world *w = data;
    struct vxc_error err = {0};
    struct vxc_log_entry entry;
    struct vxc_log *log;

    if (vxc_log_open(w->folder, &log_options, &log, &err) != 0) {
        fail_msg("the log does not open again: %s", err.text);
    }
    assert_true(vxc_log_last_index(log) + 1 >= *w->durable); /* a truncation takes one back */
    for (uint64_t i = vxc_log_first_index(log); i <= vxc_log_last_index(log); i++) {
        assert_int_equal(vxc_log_get(log, i, &entry, &err), 0);
        assert_int_equal(entry.payload.size, ENTRY_SIZE);
        assert_int_equal(entry.payload.data[ENTRY_SIZE - 1], i);
    }
    vxc_log_close(log);
}

static void the_log_keeps_what_was_durable(void **state)
{
    static const int codes[] = {VXC_ENOSPC, 0}; /* no memory for a segment: no place for entries */
    struct log_world w;
    const struct failing_heap_story story = {.data = &w,
                                             .prepare = empty_log,
                                             .run = live_with_log,
                                             .check = check_log,
                                             .may_end = true,
                                             .codes = codes};

    (void)state;
    folder_make(w.folder);
    w.durable = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_true(w.durable != MAP_FAILED);
    failing_heap_sweep(&story);
    folder_remove(w.folder);
    assert_int_equal(munmap(w.durable, 4096), 0);
}

/* ---- the vote ---- */

static int live_with_vote(void *data)
{
    struct vxc_vote vote = {0};
    struct vxc_vote_file *file;
    struct vxc_error err = {0};
    int rv = vxc_vote_open(data, 1, NODE, &file, &vote, &err);

    if (rv == 0) {
        vote.term++;
        vxc_vote_store(file, &vote);
        vxc_vote_close(file);
    }
    return rv;
}

static void check_vote(void *data)
{
    struct vxc_vote vote = {0};
    struct vxc_vote_file *file;
    struct vxc_error err = {0};

    assert_int_equal(vxc_vote_open(data, 1, NODE, &file, &vote, &err), 0);
    vxc_vote_close(file);
}

static void the_vote_is_opened_or_not(void **state)
{
    char folder[PATH_SIZE];
    const struct failing_heap_story story = {
        .data = folder, .run = live_with_vote, .check = check_vote};

    (void)state;
    folder_make(folder);
    failing_heap_sweep(&story);
    folder_remove(folder);
}

/* ---- images ---- */

struct image_world {
    struct driver d;
    char state[4200];
    char image[4200];
    char first[4200]; /* an image of before */
    char target[4200];
};

static const struct vxc_image_write_options image_options = {.compression = VXC_IMAGE_LZ4,
                                                             .chunk_size = 4096};

static void ignore_difference(void *data, const struct vxc_image_difference *difference)
{
    (void)data;
    (void)difference;
}

static int write_and_verify(void *data)
{
    struct image_world *w = data;
    struct vxc_image_info info;
    struct vxc_error err = {0};
    int rv = vxc_image_write_folder(w->state, w->image, &image_options, NULL, &info, &err);

    rv = rv != 0 ? rv : vxc_image_verify(w->image, w->d.folder, NULL, &info, &err);
    return rv != 0 ? rv : vxc_image_extract(w->image, w->target, NULL, &info, &err);
}

static int compare(void *data)
{
    struct image_world *w = data;
    struct vxc_image_view before = {0};
    struct vxc_image_view after = {0};
    struct vxc_error err = {0};
    int rv = vxc_image_view_open(w->first, w->d.folder, NULL, &before, &err);

    rv = rv != 0 ? rv : vxc_image_view_open(w->first, w->d.folder, NULL, &after, &err);
    rv = rv != 0 ? rv : vxc_image_diff(before.store, after.store, NULL, ignore_difference, &err);
    vxc_image_view_close(&before);
    vxc_image_view_close(&after);
    return rv;
}

static void remove_state_copy(const char *folder)
{
    char path[4300];

    (void)snprintf(path, sizeof path, "%s/data.mdb", folder);
    (void)unlink(path);
    (void)snprintf(path, sizeof path, "%s/lock.mdb", folder);
    (void)unlink(path);
    (void)rmdir(folder);
}

/* Whole or not there, and nothing beside it. */
static void check_images(void *data)
{
    struct image_world *w = data;
    struct vxc_image_info info;
    struct vxc_error err = {0};
    char path[4300];

    if (access(w->image, F_OK) == 0) {
        assert_int_equal(vxc_image_inspect(w->image, NULL, &info, &err), 0);
        assert_int_equal(unlink(w->image), 0);
    }
    (void)snprintf(path, sizeof path, "%s.part", w->image);
    assert_int_not_equal(access(path, F_OK), 0);
    if (access(w->target, F_OK) == 0) {
        (void)snprintf(path, sizeof path, "%s/data.mdb", w->target);
        assert_int_equal(access(path, F_OK), 0); /* not an empty folder */
        remove_state_copy(w->target);
    }
}

static void make_images(struct image_world *w)
{
    struct vxc_error err = {0};

    memset(w, 0, sizeof *w);
    driver_init(&w->d, 5, true);
    for (int i = 0; i < 200; i++) {
        w->d.index++;
        change_object(&w->d);
    }
    driver_flush(&w->d);
    (void)snprintf(w->state, sizeof w->state, "%s", w->d.path);
    (void)snprintf(w->image, sizeof w->image, "%s/image", w->d.folder);
    (void)snprintf(w->first, sizeof w->first, "%s/first", w->d.folder);
    (void)snprintf(w->target, sizeof w->target, "%s/target", w->d.folder);
    assert_int_equal(vxc_image_write(w->d.store, w->first, &image_options, NULL, NULL, &err), 0);
    driver_close(&w->d); /* an open one is of no use in a child */
}

static void sweep_images(int (*run)(void *data))
{
    struct image_world w;
    const struct failing_heap_story story = {
        .data = &w, .run = run, .check = check_images, .may_end = true};

    make_images(&w);
    failing_heap_sweep(&story);
    assert_int_equal(unlink(w.first), 0);
    driver_deinit(&w.d); /* fails when anything else is left in the folder */
}

static void an_image_is_whole_or_not_there(void **state)
{
    (void)state;
    sweep_images(write_and_verify);
}

static void images_are_compared_or_not(void **state)
{
    (void)state;
    sweep_images(compare);
}

#define sweep(test) cmocka_unit_test_teardown(test, failing_heap_give_up)

int main(void)
{
    const struct CMUnitTest tests[] = {
        sweep(the_log_keeps_what_was_durable),
        sweep(the_vote_is_opened_or_not),
        sweep(an_image_is_whole_or_not_there),
        sweep(images_are_compared_or_not),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
