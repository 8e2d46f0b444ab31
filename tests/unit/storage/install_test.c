/* Installing an image: a process killed at any step leaves the old node or the new one, whole. */
#include "state_model.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "storage/image.h"
#include "storage/install.h"
#include "storage/verify.h"
#include "storage/vote.h"

enum { NODE = 7, OLD_ENTRIES = 20, NEW_INDEX = 500, NEW_TERM = 9, SEGMENT = 1 << 16 };

struct fixture {
    struct driver d; /* whose state is the new one */
    char data[4200];
    uint64_t old_digest;
    struct vxc_image_info info;
    struct vxc_error err;
};

static const struct vxc_slice configuration = {(const uint8_t *)"configuration", 13};

static char *path_in(const struct fixture *f, const char *name)
{
    static char path[8][4400];
    static unsigned turn;
    char *p = path[turn++ % 8];

    (void)snprintf(p, sizeof path[0], "%s/%s", f->data, name);
    return p;
}

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

static bool exists(const struct fixture *f, const char *name)
{
    return access(path_in(f, name), F_OK) == 0;
}

static struct vxc_log *open_log(const struct fixture *f)
{
    const struct vxc_log_options options = {
        .io = VXC_LOG_IO_THREAD, .node_id = NODE, .segment_size = 1 << 20};
    struct vxc_error err;
    struct vxc_log *log;

    if (vxc_log_open(path_in(f, "log"), &options, &log, &err) != 0) {
        fail_msg("%s", err.text);
    }
    return log;
}

static void make_state(const char *path, uint64_t index, uint64_t term)
{
    const struct vxc_store_options options = {.synchronous = true};
    const struct vxc_store_meta meta = {.applied_index = index,
                                        .applied_term = term,
                                        .configuration_index = 1,
                                        .configuration = configuration};
    struct vxc_row_key key;
    struct vxc_store_change change = {.db = VXC_DB_COUNTERS, .value = vxc_slice(&index, 8)};
    struct vxc_error err;
    struct vxc_store *store;

    vxc_row_key_begin(&key);
    vxc_row_key_u64(&key, 1);
    change.key = vxc_row_key_slice(&key);
    change.checksum = vxc_row_checksum(change.db, change.key, change.value);
    assert_int_equal(vxc_store_open(path, &options, &store, &err), 0);
    vxc_store_commit(store, &change, 1, &meta);
    vxc_store_wait(store);
    assert_true(vxc_store_collect(store));
    vxc_store_close(store);
}

/* A node with OLD_ENTRIES in its log and state and a vote in term 3, and a new state beside it. */
static void make_node(struct fixture *f)
{
    struct vxc_vote vote;
    struct vxc_vote_file *file;
    struct vxc_log *log;

    remove_tree(f->data);
    assert_int_equal(mkdir(f->data, 0700), 0);
    assert_int_equal(mkdir(path_in(f, "incoming"), 0700), 0);
    make_state(path_in(f, "state"), OLD_ENTRIES, 2);
    make_state(path_in(f, "incoming/state"), NEW_INDEX, NEW_TERM);
    log = open_log(f);
    for (uint64_t i = 1; i <= OLD_ENTRIES; i++) {
        assert_int_equal(vxc_log_append(log, i, 2, VXC_LOG_COMMAND, vxc_slice("entry", 5)), 0);
    }
    vxc_log_sync(log);
    vxc_log_close(log);
    assert_int_equal(vxc_vote_open(path_in(f, "vote"), 1, NODE, &file, &vote, &f->err), 0);
    vote = (struct vxc_vote){.term = 3, .voted_for = 2};
    vxc_vote_store(file, &vote);
    vxc_vote_close(file);
}

static void init(struct fixture *f)
{
    const char *folder = getenv("TMPDIR");

    memset(f, 0, sizeof *f);
    (void)snprintf(f->data, sizeof f->data, "%s/install-XXXXXX", folder != NULL ? folder : "/tmp");
    assert_non_null(mkdtemp(f->data));
}

static struct vxc_install plan_of(bool keep_log, uint64_t term)
{
    return (struct vxc_install){.cluster_id = {4, 5, 6},
                                .base = {.index = NEW_INDEX,
                                         .term = term,
                                         .configuration_index = 1,
                                         .configuration = configuration},
                                .keep_log = keep_log};
}

static uint64_t state_index(struct fixture *f)
{
    struct vxc_verify_report report;

    if (vxc_verify_state(path_in(f, "state"), &report, &f->err) != 0) {
        fail_msg("%s", f->err.text);
    }
    return report.applied_index;
}

static struct vxc_vote read_vote(struct fixture *f)
{
    struct vxc_vote_file *file;
    struct vxc_vote vote;

    assert_int_equal(vxc_vote_open(path_in(f, "vote"), 0, NODE, &file, &vote, &f->err), 0);
    vxc_vote_close(file);
    return vote;
}

static void check_old(struct fixture *f)
{
    struct vxc_log *log = open_log(f);

    assert_int_equal(vxc_log_last_index(log), OLD_ENTRIES);
    assert_int_equal(vxc_log_first_index(log), 1);
    vxc_log_close(log);
    assert_int_equal(state_index(f), OLD_ENTRIES);
    assert_int_equal(read_vote(f).term, 3);
    assert_int_equal(read_vote(f).voted_for, 2);
}

static void check_new(struct fixture *f)
{
    struct vxc_log *log = open_log(f);
    const struct vxc_log_base *base = vxc_log_base(log);

    assert_int_equal(vxc_log_last_index(log), NEW_INDEX);
    assert_int_equal(vxc_log_first_index(log), NEW_INDEX + 1);
    assert_int_equal(base->index, NEW_INDEX);
    assert_int_equal(base->term, NEW_TERM);
    assert_int_equal(base->configuration_index, 1);
    assert_true(vxc_slice_equal(base->configuration, configuration));
    assert_int_equal(
        vxc_log_append(log, NEW_INDEX + 1, NEW_TERM, VXC_LOG_COMMAND, vxc_slice("more", 4)), 0);
    vxc_log_sync(log);
    vxc_log_close(log);
    assert_int_equal(state_index(f), NEW_INDEX);
    assert_int_equal(read_vote(f).term, NEW_TERM);
    assert_int_equal(read_vote(f).voted_for, 0);
}

static void check_tidy(const struct fixture *f)
{
    assert_false(exists(f, "incoming"));
    assert_false(exists(f, "install"));
    assert_false(exists(f, "install.part"));
}

static void install(struct fixture *f, const struct vxc_install_watch *watch)
{
    const struct vxc_install plan = plan_of(false, NEW_TERM);
    bool installed = false;

    if (vxc_install_plan(f->data, &plan, watch, &f->err) != 0 ||
        vxc_install_finish(f->data, NODE, watch, &installed, &f->err) != 0) {
        fail_msg("%s", f->err.text);
    }
    assert_true(installed);
}

static void an_image_takes_the_place_of_state_and_log(void **state)
{
    struct fixture f;

    (void)state;
    init(&f);
    make_node(&f);
    install(&f, NULL);
    check_tidy(&f);
    check_new(&f);
    remove_tree(f.data);
}

static void a_log_that_goes_on_behind_the_image_is_kept(void **state)
{
    const struct vxc_install plan = plan_of(true, 1);
    struct vxc_log *log;
    struct fixture f;
    bool installed = false;

    (void)state;
    init(&f);
    make_node(&f);
    assert_int_equal(vxc_install_plan(f.data, &plan, NULL, &f.err), 0);
    assert_int_equal(vxc_install_finish(f.data, NODE, NULL, &installed, &f.err), 0);
    assert_true(installed);
    check_tidy(&f);
    assert_int_equal(state_index(&f), NEW_INDEX);
    log = open_log(&f);
    assert_int_equal(vxc_log_last_index(log), OLD_ENTRIES);
    assert_int_equal(vxc_log_first_index(log), 1);
    vxc_log_close(log);
    assert_int_equal(read_vote(&f).term, 3); /* a vote in a higher term stays */
    assert_int_equal(read_vote(&f).voted_for, 2);
    remove_tree(f.data);
}

/* Entries 1 to `count` of term 2 in small segments, the first ones let go of behind a base. */
static struct vxc_log *open_trimmed_log(const struct fixture *f, uint64_t count)
{
    const struct vxc_log_options options = {
        .io = VXC_LOG_IO_THREAD, .node_id = NODE, .segment_size = SEGMENT};
    const struct vxc_log_base base = {
        .index = count - 1, .term = 2, .configuration_index = 1, .configuration = configuration};
    static const uint8_t payload[8192];
    struct vxc_error err;
    struct vxc_log *log;

    assert_int_equal(vxc_log_open(path_in(f, "trimmed"), &options, &log, &err), 0);
    for (uint64_t i = 1; i <= count; i++) {
        assert_int_equal(
            vxc_log_append(log, i, 2, VXC_LOG_COMMAND, vxc_slice(payload, sizeof payload)), 0);
        vxc_log_sync(log);
    }
    assert_int_equal(vxc_log_set_base(log, &base, SEGMENT, &err), 0);
    assert_in_range(vxc_log_first_index(log), 2, base.index - 1); /* a trailing part is left */
    return log;
}

/* What is in it may be what a majority counts on. */
static void a_log_is_kept_when_it_has_what_the_image_lacks(void **state)
{
    struct vxc_log *log;
    struct fixture f;
    struct vxc_log_base end = {.term = 2};

    (void)state;
    init(&f);
    make_node(&f);
    log = open_trimmed_log(&f, 60);
    for (end.index = vxc_log_first_index(log) - 1; end.index <= 60; end.index++) {
        assert_true(vxc_install_keeps_log(log, &end));
    }
    assert_false(vxc_install_keeps_log(log, &end)); /* 61: all of it is in the image */
    end = (struct vxc_log_base){.index = 60, .term = 3};
    assert_false(vxc_install_keeps_log(log, &end)); /* it has what was never committed */
    vxc_log_close(log);
    remove_tree(f.data);
}

static void without_an_intent_nothing_but_leftovers_goes(void **state)
{
    struct fixture f;
    bool installed = true;

    (void)state;
    init(&f);
    make_node(&f);
    assert_int_equal(close(creat(path_in(&f, "incoming/image.part"), 0600)), 0);
    assert_int_equal(close(creat(path_in(&f, "install.part"), 0600)), 0);
    assert_int_equal(vxc_install_finish(f.data, NODE, NULL, &installed, &f.err), 0);
    assert_false(installed);
    check_tidy(&f);
    check_old(&f);
    assert_int_equal(vxc_install_finish(f.data, NODE, NULL, &installed, &f.err), 0);
    check_old(&f);
    remove_tree(f.data);
}

static void an_image_that_was_still_arriving_stays_unless_one_was_installed(void **state)
{
    struct fixture f;
    bool installed = true;

    (void)state;
    init(&f);
    make_node(&f);
    assert_int_equal(close(creat(path_in(&f, "incoming/image.part"), 0600)), 0);
    assert_int_equal(close(creat(path_in(&f, "incoming/image.source"), 0600)), 0);
    assert_int_equal(vxc_install_finish(f.data, NODE, NULL, &installed, &f.err), 0);
    assert_false(installed);
    assert_true(exists(&f, "incoming/image.part"));
    assert_true(exists(&f, "incoming/image.source"));
    assert_false(exists(&f, "incoming/state"));
    check_old(&f);
    remove_tree(f.data);
    init(&f);
    make_node(&f);
    assert_int_equal(close(creat(path_in(&f, "incoming/image.part"), 0600)), 0);
    assert_int_equal(close(creat(path_in(&f, "incoming/image.source"), 0600)), 0);
    install(&f, NULL);
    check_tidy(&f);
    check_new(&f);
    remove_tree(f.data);
}

static void a_state_that_was_lost_is_replaced_too(void **state)
{
    struct fixture f;

    (void)state;
    init(&f);
    make_node(&f);
    remove_tree(path_in(&f, "state"));
    install(&f, NULL);
    check_tidy(&f);
    check_new(&f);
    remove_tree(f.data);
}

static void an_intent_needs_a_state(void **state)
{
    const struct vxc_install plan = plan_of(false, NEW_TERM);
    struct fixture f;
    bool installed;

    (void)state;
    init(&f);
    make_node(&f);
    remove_tree(path_in(&f, "incoming"));
    assert_int_equal(vxc_install_plan(f.data, &plan, NULL, &f.err), VXC_ENOTFOUND);
    assert_false(exists(&f, "install"));
    make_node(&f);
    assert_int_equal(vxc_install_plan(f.data, &plan, NULL, &f.err), 0);
    remove_tree(path_in(&f, "incoming"));
    remove_tree(path_in(&f, "state"));
    assert_int_equal(vxc_install_finish(f.data, NODE, NULL, &installed, &f.err), VXC_ECORRUPT);
    remove_tree(f.data);
}

/* ---- killed ---- */

struct killer {
    int at;
    int count;
};

static void count_or_die(void *data, const char *step)
{
    struct killer *k = data;

    (void)step;
    if (k->count++ == k->at) {
        (void)raise(SIGKILL);
    }
}

/* The number of steps that a whole install has. */
static int steps_of_install(struct fixture *f)
{
    struct killer k = {.at = -1};
    const struct vxc_install_watch watch = {&k, count_or_die};

    make_node(f);
    install(f, &watch);
    return k.count;
}

/* What the next start does, killed at `at` as well; true when it got to its end. */
static bool start(struct fixture *f, int at)
{
    pid_t child = fork();
    int status;

    if (child == 0) {
        struct killer k = {.at = at};
        const struct vxc_install_watch watch = {&k, count_or_die};
        bool installed;

        _exit(vxc_install_finish(f->data, NODE, &watch, &installed, &f->err) == 0 ? 0 : 1);
    }
    assert_true(child > 0);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status) || WEXITSTATUS(status) == 0);
    return WIFEXITED(status);
}

static void killed_install(struct fixture *f, int at)
{
    pid_t child = fork();
    int status;

    if (child == 0) {
        struct killer k = {.at = at};
        const struct vxc_install_watch watch = {&k, count_or_die};
        const struct vxc_install plan = plan_of(false, NEW_TERM);
        bool installed;

        (void)vxc_install_plan(f->data, &plan, &watch, &f->err);
        (void)vxc_install_finish(f->data, NODE, &watch, &installed, &f->err);
        _exit(1); /* it should have been killed */
    }
    assert_true(child > 0);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGKILL);
}

static void killed_at_any_step_and_again_at_any_step_it_is_the_old_node_or_the_new(void **state)
{
    struct fixture f;
    int steps;
    int old = 0;

    (void)state;
    init(&f);
    steps = steps_of_install(&f);
    assert_true(steps >= 8);
    for (int at = 0; at < steps; at++) {
        for (int again = -1; again < steps; again++) {
            bool planned;

            make_node(&f);
            killed_install(&f, at);
            planned = exists(&f, "install");
            if (again >= 0 && start(&f, again)) {
                break; /* it has fewer steps than that */
            }
            assert_true(start(&f, -1));
            check_tidy(&f);
            if (planned || state_index(&f) == NEW_INDEX) {
                check_new(&f);
            } else {
                check_old(&f);
                old++;
            }
        }
    }
    assert_true(old > 0);
    remove_tree(f.data);
}

/* ---- the record ---- */

static void a_record_that_is_cut_or_flipped_anywhere_is_refused_and_nothing_touched(void **state)
{
    const struct vxc_install plan = plan_of(false, NEW_TERM);
    struct vxc_buffer bytes = {0};
    struct vxc_install read;
    struct fixture f;
    bool installed;

    (void)state;
    init(&f);
    assert_int_equal(vxc_install_encode(&plan, &bytes), 0);
    assert_int_equal(vxc_install_decode(vxc_buffer_slice(&bytes), &read, &f.err), 0);
    assert_int_equal(read.base.index, NEW_INDEX);
    assert_int_equal(read.base.term, NEW_TERM);
    assert_int_equal(read.base.configuration_index, 1);
    assert_memory_equal(read.cluster_id, plan.cluster_id, sizeof read.cluster_id);
    assert_true(vxc_slice_equal(read.base.configuration, configuration));
    assert_false(read.keep_log);
    for (size_t size = 0; size < bytes.size; size++) {
        assert_int_equal(vxc_install_decode(vxc_slice(bytes.data, size), &read, &f.err),
                         VXC_ECORRUPT);
    }
    for (size_t at = 0; at < bytes.size; at++) {
        bytes.data[at] ^= 0x10;
        assert_int_equal(vxc_install_decode(vxc_buffer_slice(&bytes), &read, &f.err), VXC_ECORRUPT);
        bytes.data[at] ^= 0x10;
    }
    make_node(&f);
    assert_int_equal(vxc_install_plan(f.data, &plan, NULL, &f.err), 0);
    assert_int_equal(truncate(path_in(&f, "install"), 70), 0);
    assert_int_equal(vxc_install_finish(f.data, NODE, NULL, &installed, &f.err), VXC_ECORRUPT);
    assert_non_null(strstr(f.err.text, "/install"));
    assert_true(exists(&f, "incoming/state"));
    check_old(&f);
    vxc_buffer_free(&bytes);
    remove_tree(f.data);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_image_takes_the_place_of_state_and_log),
        cmocka_unit_test(a_log_that_goes_on_behind_the_image_is_kept),
        cmocka_unit_test(a_log_is_kept_when_it_has_what_the_image_lacks),
        cmocka_unit_test(without_an_intent_nothing_but_leftovers_goes),
        cmocka_unit_test(an_image_that_was_still_arriving_stays_unless_one_was_installed),
        cmocka_unit_test(a_state_that_was_lost_is_replaced_too),
        cmocka_unit_test(an_intent_needs_a_state),
        cmocka_unit_test(killed_at_any_step_and_again_at_any_step_it_is_the_old_node_or_the_new),
        cmocka_unit_test(a_record_that_is_cut_or_flipped_anywhere_is_refused_and_nothing_touched),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
