#define _GNU_SOURCE
#include "world.h"

#include "base/limits.h"

#include <glob.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

enum { TURNS_MAX = 200000, WAIT_MS = 2, SEGMENT_SIZE = 1024 * 1024, ELECTION_MS = 500 };

/* ---- clock ---- */

static uint64_t world_monotonic(void *data)
{
    return ((struct world *)data)->now_ns;
}

static uint64_t world_wall(void *data)
{
    return 1000000000000000u + ((struct world *)data)->now_ns / 1000;
}

uint64_t random_number(uint64_t *state, uint64_t below)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return below == 0 ? 0 : (*state >> 11) % below;
}

static void world_random(void *data, void *out, uint64_t size)
{
    struct world *world = data;

    for (uint64_t i = 0; i < size; i++) {
        ((uint8_t *)out)[i] = (uint8_t)random_number(&world->random, 256);
    }
}

/* ---- folders ---- */

static int status_of(const char *const *arguments)
{
    int status;
    pid_t pid = fork();

    assert_true(pid >= 0);
    if (pid == 0) {
        execvp(arguments[0], (char *const *)(uintptr_t)arguments);
        _exit(127);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return status;
}

static void run(const char *const *arguments)
{
    assert_int_equal(status_of(arguments), 0);
}

static char *path_in(const char *folder, const char *name)
{
    char *path;

    assert_true(asprintf(&path, "%s/%s", folder, name) > 0);
    return path;
}

static void remove_tree(const char *path)
{
    const char *const arguments[] = {"rm", "-rf", path, NULL};

    run(arguments);
}

/* ---- hooks ---- */

static void count_result(void *data, struct vxc_proposal *proposal, const struct vxc_result *result)
{
    struct world *world = data;
    struct write *write = proposal->data;

    assert_false(write->done); /* exactly one result each */
    write->done = true;
    write->code = result->code;
    write->found = result->found;
    write->number = result->number;
    write->index = result->index;
    if (world->on_result != NULL) {
        world->on_result(world->data, proposal, result);
    }
}

static void count_event(void *data, const struct vxc_event *event)
{
    (void)event;
    ((struct world *)data)->events++;
}

static void count_role(void *data)
{
    ((struct world *)data)->role_calls++;
}

static void note_reads(void *data, uint64_t round, int code)
{
    ((struct world *)data)->reads_round = round;
    ((struct world *)data)->reads_code = code;
}

static void want_image(void *data, uint64_t peer)
{
    struct world *world = data;

    if (world->on_image_wanted != NULL) {
        world->on_image_wanted(world->data, peer);
    }
}

static void install(void *data, uint64_t peer, const struct vxc_log_base *base)
{
    struct world *world = data;

    assert_non_null(world->on_install); /* this test expects none */
    world->on_install(world->data, peer, base);
}

static void note_damage(void *data, uint64_t index, uint64_t ours, uint64_t theirs)
{
    (void)index;
    assert_true(ours != theirs);
    ((struct world *)data)->damages++;
}

static uint64_t node_id(const struct world *world)
{
    return world->options.node_id == 0 ? 1 : world->options.node_id;
}

/* ---- lives ---- */

void world_create(struct world *world, const struct world_options *options)
{
    const char *base = getenv("TMPDIR");

    *world = (struct world){.options = *options, .now_ns = 1000000000};
    world->random = options->seed * 0x9e3779b97f4a7c15u + 88172645463325252u;
    world->clock = (struct vxc_clock){world, world_monotonic, world_wall, world_random};
    assert_true(asprintf(&world->root, "%s/vxc-replica-XXXXXX", base == NULL ? "/tmp" : base) > 0);
    assert_non_null(mkdtemp(world->root));
    world->folder = path_in(world->root, "0");
}

static void open_parts(struct world *world, struct vxc_vote *vote)
{
    struct vxc_log_options log = {.node_id = node_id(world),
                                  .segment_size = world->options.segment_size == 0
                                                      ? SEGMENT_SIZE
                                                      : world->options.segment_size};
    struct vxc_store_options store = {
        .map_size = world->options.map_size == 0 ? 1ull << 32 : world->options.map_size,
        .synchronous = world->options.synchronous};
    char *state = path_in(world->folder, "state");
    char *entries = path_in(world->folder, "log");
    const char *const make[] = {"mkdir", "-p", world->folder, NULL};

    run(make);
    assert_int_equal(
        vxc_vote_open(world->folder, 1, node_id(world), &world->vote, vote, &world->err), 0);
    assert_int_equal(vxc_log_open(entries, &log, &world->log, &world->err), 0);
    assert_int_equal(vxc_store_open(state, &store, &world->store, &world->err), 0);
    assert_int_equal(vxc_table_create(world->store, VXC_CLEAN_BYTES_DEFAULT, &world->table), 0);
    assert_int_equal(vxc_fsm_create(world->table, &world->fsm, &world->err), 0);
    free(state);
    free(entries);
}

static void close_parts(struct world *world)
{
    vxc_fsm_free(world->fsm);
    vxc_table_free(world->table);
    vxc_store_close(world->store);
    vxc_log_close(world->log);
    vxc_vote_close(world->vote);
}

int world_start(struct world *world)
{
    struct vxc_replica_options options = {
        .node_id = node_id(world),
        .initial = world->options.initial,
        .joins = world->options.joins,
        .clock = &world->clock,
        .election_timeout_ms = ELECTION_MS,
        .heartbeat_ms = 100,
        .apply_each = world->options.apply_each,
        .trailing_bytes = world->options.trailing_bytes,
        .data = world,
        .on_result = count_result,
        .on_event = count_event,
        .on_role = count_role,
        .on_reads = note_reads,
        .on_image_wanted = want_image,
        .on_install = install,
        .on_damaged = note_damage,
    };
    static struct vxc_logger logger;
    int rv;

    vxc_logger_init(&logger, VXC_LOG_ERROR);
    options.logger = &logger;
    world->lives++;
    world->role_calls = 0;
    open_parts(world, &options.initial_vote);
    options.log = world->log;
    options.vote = world->vote;
    options.store = world->store;
    options.table = world->table;
    options.fsm = world->fsm;
    rv = vxc_replica_start(&options, &world->replica, &world->err);
    if (rv != 0) {
        world->replica = NULL;
        close_parts(world);
    }
    return rv;
}

void world_stop(struct world *world)
{
    vxc_replica_stop(world->replica);
    world->replica = NULL;
    close_parts(world);
}

static bool names_are(const glob_t *before, const glob_t *after)
{
    bool same = before->gl_pathc == after->gl_pathc;

    for (size_t i = 0; same && i < before->gl_pathc; i++) {
        same = strcmp(before->gl_pathv[i], after->gl_pathv[i]) == 0;
    }
    return same;
}

/* The log's keeper makes, renames and unlinks segments on a thread of its own: only a copy during which
 * it did not is the folder of one moment. */
static void copy_of_one_moment(const char *folder, const char *copy)
{
    const char *const arguments[] = {"cp", "-r", "--sparse=always", folder, copy, NULL};
    char *pattern = path_in(folder, "log/*");
    bool same = false;

    for (int i = 0; !same && i < TURNS_MAX; i++) {
        glob_t before = {0}, after = {0};
        int status;

        remove_tree(copy);
        (void)glob(pattern, 0, NULL, &before);
        status = status_of(arguments);
        (void)glob(pattern, 0, NULL, &after);
        same = names_are(&before, &after);
        assert_true(status == 0 || !same);
        globfree(&before);
        globfree(&after);
    }
    assert_true(same);
    free(pattern);
}

char *world_snapshot(struct world *world)
{
    char name[32];
    char *copy;

    /* The store's file is only a whole one between commits; a crash within one is LMDB's to
     * survive. */
    vxc_store_wait(world->store);
    (void)snprintf(name, sizeof name, "%u", world->lives + 1000000);
    copy = path_in(world->root, name);
    copy_of_one_moment(world->folder, copy);
    return copy;
}

void world_continue_from(struct world *world, char *folder)
{
    char name[32];
    const char *arguments[] = {"mv", folder, NULL, NULL};

    if (world->replica != NULL) {
        world_stop(world);
    }
    remove_tree(world->folder);
    free(world->folder);
    (void)snprintf(name, sizeof name, "%u", world->lives);
    world->folder = path_in(world->root, name);
    arguments[2] = world->folder;
    run(arguments);
    free(folder);
}

void world_crash(struct world *world)
{
    world_continue_from(world, world_snapshot(world));
}

void world_destroy(struct world *world)
{
    if (world->replica != NULL) {
        world_stop(world);
    }
    remove_tree(world->root);
    free(world->folder);
    free(world->root);
}

/* ---- turns ---- */

void world_turn(struct world *world, uint64_t ms)
{
    uint64_t wait_ms = vxc_replica_turn(world->replica);
    struct pollfd ready[] = {{.fd = vxc_log_fd(world->log), .events = POLLIN},
                             {.fd = vxc_store_fd(world->store), .events = POLLIN}};

    if (world->options.lockstep) {
        vxc_log_sync(world->log);
        vxc_replica_on_log(world->replica);
        wait_ms = 0;
    }
    assert_true(poll(ready, 2, wait_ms == 0 ? 0 : WAIT_MS) >= 0);
    if (ready[0].revents != 0) {
        vxc_replica_on_log(world->replica);
    }
    if (ready[1].revents != 0) {
        vxc_replica_on_store(world->replica);
    }
    world->now_ns += ms * 1000000;
}

void world_ready(struct world *world)
{
    for (int i = 0; !vxc_replica_is_ready(world->replica); i++) {
        assert_true(i < TURNS_MAX);
        world_turn(world, 1);
    }
}

void world_wait(struct world *world, const struct write *write)
{
    for (int i = 0; !write->done; i++) {
        assert_true(i < TURNS_MAX);
        world_turn(world, 1);
    }
}

void world_quiet(struct world *world)
{
    struct vxc_replica_status status;

    for (int i = 0; i < TURNS_MAX; i++) {
        world_turn(world, 1);
        vxc_replica_status(world->replica, &status);
        if (status.applied_index == status.last_index && status.uncommitted_bytes == 0 &&
            vxc_replica_is_ready(world->replica)) {
            return;
        }
    }
    fail_msg("the replica does not come to rest");
}

/* ---- commands ---- */

static int propose(struct world *world, struct write *write, const struct vxc_command *command)
{
    *write = (struct write){.proposal = {.data = write}};
    return vxc_replica_propose(world->replica, command, &write->proposal);
}

int world_put(struct world *world, struct write *write, const char *key, struct vxc_slice value)
{
    struct vxc_command command = {.op = VXC_OP_MAP_PUT,
                                  .name = vxc_slice_of_string("m"),
                                  .key = vxc_slice_of_string(key),
                                  .value = value};

    return propose(world, write, &command);
}

int world_put_ttl(struct world *world, struct write *write, const char *key, const char *value,
                  int64_t ttl_ms)
{
    struct vxc_command command = {.op = VXC_OP_MAP_PUT,
                                  .a = ttl_ms,
                                  .name = vxc_slice_of_string("m"),
                                  .key = vxc_slice_of_string(key),
                                  .value = vxc_slice_of_string(value)};

    return propose(world, write, &command);
}

int world_remove(struct world *world, struct write *write, const char *key)
{
    struct vxc_command command = {
        .op = VXC_OP_MAP_REMOVE, .name = vxc_slice_of_string("m"), .key = vxc_slice_of_string(key)};

    return propose(world, write, &command);
}

int world_add(struct world *world, struct write *write, const char *counter, int64_t delta)
{
    struct vxc_command command = {
        .op = VXC_OP_COUNTER_ADD, .a = delta, .name = vxc_slice_of_string(counter)};

    return propose(world, write, &command);
}

bool world_get(struct world *world, const char *key, struct vxc_slice *value)
{
    struct vxc_command query = {
        .op = VXC_OP_MAP_GET, .name = vxc_slice_of_string("m"), .key = vxc_slice_of_string(key)};
    struct vxc_result result;

    vxc_fsm_query(world->fsm, &query, &result);
    assert_int_equal(result.code, 0);
    *value = result.value;
    return result.found;
}

int64_t world_count(struct world *world, const char *counter)
{
    struct vxc_command query = {.op = VXC_OP_COUNTER_GET, .name = vxc_slice_of_string(counter)};
    struct vxc_result result;

    vxc_fsm_query(world->fsm, &query, &result);
    assert_int_equal(result.code, 0);
    return result.number;
}

uint64_t world_digest(struct world *world)
{
    vxc_replica_settle(world->replica);
    assert_int_equal(vxc_store_meta(world->store)->applied_index,
                     vxc_fsm_applied_index(world->fsm));
    return vxc_store_digest(world->store);
}
