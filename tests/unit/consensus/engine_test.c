/* The shim in front of raft_step: the bugs of the engine, shown bare, and the guards that cure
 * them.
 *
 * raft.h is included here, and nowhere else outside src/consensus/engine.c, to feed the bare
 * engine. */
#include "consensus/engine.h"

#include "base/check.h"

#include <raft.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

enum { LOG_MAX = 512, PAYLOAD_MAX = 256, WIRE_MAX = 256, ELECTION_MS = 300, HEARTBEAT_MS = 50 };

/* ---- a node made of an engine, an array as its log, and a wire to the others ---- */

struct stored_entry {
    struct vxc_engine_entry entry;
    uint8_t bytes[PAYLOAD_MAX];
};

struct wired_message {
    struct vxc_engine_message message; /* peer = the sender */
    uint64_t to;
    struct stored_entry entries[8];
};

struct wire {
    struct wired_message *messages[WIRE_MAX];
    size_t count;
};

struct node {
    uint64_t id;
    struct vxc_engine *engine;
    struct wire *wire;
    struct vxc_log_base base; /* what a state would hold */
    struct vxc_buffer base_configuration;
    struct stored_entry *log[LOG_MAX]; /* by index */
    uint64_t first, last;
    uint64_t applied;
    uint64_t voted_term, voted_for; /* durable */
    int votes_stored;
    uint64_t append_index; /* of the last append announced */
    uint32_t append_count;
    int installs;
    struct vxc_log_base installed;
    char order[64]; /* of hooks: v a i s */
    size_t order_size;
};

static void note(struct node *node, char what)
{
    if (node->order_size + 1 < sizeof node->order) {
        node->order[node->order_size++] = what;
        node->order[node->order_size] = '\0';
    }
}

static void put_entry(struct stored_entry *to, const struct vxc_engine_entry *from)
{
    assert_true(from->payload.size <= PAYLOAD_MAX);
    to->entry = *from;
    memcpy(to->bytes, from->payload.data, from->payload.size);
    to->entry.payload = vxc_slice(to->bytes, from->payload.size);
}

static void log_cut(struct node *node, uint64_t index)
{
    while (node->last >= index && node->last >= node->first) {
        free(node->log[node->last]);
        node->log[node->last--] = NULL;
    }
}

static void log_append(struct node *node, const struct vxc_engine_entry *entry)
{
    struct stored_entry *stored = calloc(1, sizeof *stored);

    assert_non_null(stored);
    assert_true(node->last + 1 < LOG_MAX);
    put_entry(stored, entry);
    node->log[++node->last] = stored;
}

static void on_vote(void *data, uint64_t term, uint64_t voted_for)
{
    struct node *node = data;

    note(node, 'v');
    node->voted_term = term;
    node->voted_for = voted_for;
    node->votes_stored++;
}

static void on_append(void *data, uint64_t index, const struct vxc_engine_entry *entries,
                      uint32_t count)
{
    struct node *node = data;

    note(node, 'a');
    node->append_index = index;
    node->append_count = count;
    log_cut(node, index);
    assert_int_equal(node->last + 1, index);
    for (uint32_t i = 0; i < count; i++) {
        log_append(node, &entries[i]);
    }
}

static void on_install(void *data, const struct vxc_log_base *base)
{
    struct node *node = data;

    note(node, 'i');
    node->installs++;
    node->installed = *base;
    node->installed.configuration = vxc_slice(NULL, 0);
    vxc_buffer_clear(&node->base_configuration);
    assert_int_equal(vxc_buffer_append(&node->base_configuration, base->configuration.data,
                                       base->configuration.size),
                     0);
}

static void on_send(void *data, const struct vxc_engine_message *message)
{
    struct node *node = data;
    struct wired_message *wired;

    note(node, 's');
    if (node->wire == NULL) {
        return;
    }
    assert_true(node->wire->count < WIRE_MAX);
    wired = calloc(1, sizeof *wired);
    assert_non_null(wired);
    wired->message = *message;
    wired->message.peer = node->id;
    wired->to = message->peer;
    if (message->type == VXC_ENGINE_APPEND) {
        if (message->append.count > 8) {
            wired->message.append.count = 8; /* a prefix is as good as the whole */
        }
        for (uint32_t i = 0; i < wired->message.append.count; i++) {
            put_entry(&wired->entries[i], &node->log[message->append.prev_index + 1 + i]->entry);
        }
    }
    node->wire->messages[node->wire->count++] = wired;
}

static void node_create(struct node *node, uint64_t id, struct wire *wire)
{
    struct vxc_engine_options options = {
        .node_id = id,
        .election_timeout_ms = ELECTION_MS,
        .heartbeat_ms = HEARTBEAT_MS,
        .seed = (uint32_t)id * 7919,
        .data = node,
        .store_vote = on_vote,
        .append = on_append,
        .install = on_install,
        .send = on_send,
    };
    struct vxc_error err;

    node->id = id;
    node->wire = wire;
    assert_int_equal(vxc_engine_create(&options, &node->engine, &err), 0);
}

static void encode_voters(const uint64_t *ids, uint32_t count, struct vxc_buffer *out)
{
    struct vxc_configuration configuration = {.count = count};

    for (uint32_t i = 0; i < count; i++) {
        configuration.members[i].id = ids[i];
        configuration.members[i].role = VXC_MEMBER_VOTER;
    }
    assert_int_equal(vxc_configuration_encode(&configuration, out), 0);
}

static int read_log(void *data, uint64_t index, struct vxc_engine_entry *entry,
                    struct vxc_error *err)
{
    struct node *node = data;

    (void)err;
    *entry = node->log[index]->entry;
    return 0;
}

static int node_start(struct node *node, uint64_t now)
{
    struct vxc_error err = {0};
    struct vxc_engine_start start = {
        .term = node->voted_term,
        .voted_for = node->voted_for,
        .base = node->base.index == 0 ? NULL : &node->base,
        .first_index = node->first,
        .last_index = node->last,
        .entry = read_log,
        .data = node,
    };

    node->applied = node->base.index;
    return vxc_engine_start(node->engine, now, &start, &err);
}

/* A node with entry 1 = the given voters, at the given term, started. */
static void node_begin(struct node *node, uint64_t id, const uint64_t *voters, uint32_t count,
                       uint64_t term, uint64_t now, struct wire *wire)
{
    struct vxc_buffer configuration = {0};

    *node = (struct node){.first = 1, .voted_term = term};
    node_create(node, id, wire);
    encode_voters(voters, count, &configuration);
    log_append(node, &(struct vxc_engine_entry){.term = 1,
                                                .type = VXC_LOG_CHANGE,
                                                .payload = vxc_buffer_slice(&configuration)});
    vxc_buffer_free(&configuration);
    assert_int_equal(node_start(node, now), 0);
    node->order_size = 0;
    node->order[0] = '\0';
}

static void node_end(struct node *node)
{
    vxc_engine_free(node->engine);
    for (uint64_t i = 0; i < LOG_MAX; i++) {
        free(node->log[i]);
    }
    vxc_buffer_free(&node->base_configuration);
}

static void node_apply(struct node *node, uint64_t now)
{
    while (node->applied < vxc_engine_commit_index(node->engine) && node->applied < node->last) {
        const struct vxc_engine_entry *entry = &node->log[++node->applied]->entry;

        if (entry->type == VXC_LOG_CHANGE) {
            vxc_engine_configured(node->engine, now, node->applied, entry->payload);
        } else if (entry->term == vxc_engine_term(node->engine)) {
            vxc_engine_confirmed(node->engine);
        }
    }
}

static int node_submit(struct node *node, uint64_t now, uint16_t type, struct vxc_slice payload)
{
    struct vxc_engine_entry entry = {
        .term = vxc_engine_term(node->engine), .type = type, .payload = payload};
    int rv;

    log_append(node, &entry);
    rv = vxc_engine_submit(node->engine, now, &entry);
    if (rv != 0) {
        log_cut(node, node->last);
    } else {
        vxc_engine_persisted(node->engine, now, node->last);
        node_apply(node, now);
    }
    return rv;
}

static void wire_clear(struct wire *wire)
{
    for (size_t i = 0; i < wire->count; i++) {
        free(wire->messages[i]);
    }
    wire->count = 0;
}

/* Delivers in order until nothing is under way; every write is durable at once. */
static void wire_run(struct wire *wire, struct node *nodes, size_t count, uint64_t now)
{
    for (size_t step = 0; wire->count > 0; step++) {
        struct wired_message *wired = wire->messages[0];
        struct vxc_engine_entry entries[8];

        assert_true(step < 10000);
        wire->count--;
        memmove(&wire->messages[0], &wire->messages[1], wire->count * sizeof wire->messages[0]);
        for (size_t i = 0; i < count; i++) {
            if (nodes[i].id != wired->to) {
                continue;
            }
            if (wired->message.type == VXC_ENGINE_APPEND) {
                for (uint32_t k = 0; k < wired->message.append.count; k++) {
                    entries[k] = wired->entries[k].entry;
                }
                wired->message.append.entries = entries;
            }
            assert_int_equal(vxc_engine_receive(nodes[i].engine, now, &wired->message), 0);
            vxc_engine_persisted(nodes[i].engine, now, nodes[i].last);
            node_apply(&nodes[i], now);
        }
        free(wired);
    }
}

static struct vxc_slice text(const char *string)
{
    return vxc_slice_of_string(string);
}

static const uint64_t ONE[] = {1};
static const uint64_t THREE[] = {1, 2, 3};
static const uint64_t FOUR[] = {1, 2, 3, 4};

static struct vxc_engine_message append_message(uint64_t term, uint64_t prev_index,
                                                uint64_t prev_term, uint64_t commit,
                                                const struct vxc_engine_entry *entries,
                                                uint32_t count)
{
    return (struct vxc_engine_message){.type = VXC_ENGINE_APPEND,
                                       .peer = 2,
                                       .term = term,
                                       .append = {.prev_index = prev_index,
                                                  .prev_term = prev_term,
                                                  .commit_index = commit,
                                                  .entries = entries,
                                                  .count = count}};
}

/* ---- the bare engine, for the bugs ---- */

static void bare_start(struct raft *raft, uint64_t term)
{
    struct vxc_buffer configuration = {0};
    struct raft_entry first = {.term = 1, .type = RAFT_CHANGE};
    struct raft_event event = {.time = 1000, .type = RAFT_START};
    struct raft_update update;

    memset(raft, 0, sizeof *raft);
    assert_int_equal(raft_init(raft, NULL, NULL, 1, "1"), 0);
    raft->tracer = NULL;
    encode_voters(THREE, 3, &configuration);
    first.buf.base = configuration.data;
    first.buf.len = configuration.size;
    first.batch = configuration.data;
    event.start.term = term;
    event.start.start_index = 1;
    event.start.entries = &first;
    event.start.n_entries = 1;
    assert_int_equal(raft_step(raft, &event, &update), 0);
    vxc_buffer_free(&configuration);
}

static void bare_receive(struct raft *raft, struct raft_message *message,
                         struct raft_update *update)
{
    struct raft_event event = {.time = 1001, .type = RAFT_RECEIVE, .receive = {message}};

    message->server_id = 2;
    message->server_address = "2";
    assert_int_equal(raft_step(raft, &event, update), 0);
}

/* ---- tests: encoding ---- */

static void configuration_encoding_is_the_engines_own(void **state)
{
    struct raft_configuration theirs;
    struct raft_buffer encoded;
    struct vxc_buffer ours = {0};
    struct vxc_configuration configuration = {
        .count = 3,
        .members = {{1, VXC_MEMBER_VOTER},
                    {18446744073709551615ull, VXC_MEMBER_STANDBY},
                    {77, VXC_MEMBER_SPARE}}};
    struct vxc_configuration decoded;

    (void)state;
    raft_configuration_init(&theirs);
    assert_int_equal(raft_configuration_add(&theirs, 1, "1", RAFT_VOTER), 0);
    assert_int_equal(raft_configuration_add(&theirs, 18446744073709551615ull,
                                            "18446744073709551615", RAFT_STANDBY),
                     0);
    assert_int_equal(raft_configuration_add(&theirs, 77, "77", RAFT_SPARE), 0);
    assert_int_equal(raft_configuration_encode(&theirs, &encoded), 0);
    assert_int_equal(vxc_configuration_encode(&configuration, &ours), 0);
    assert_int_equal(ours.size, encoded.len);
    assert_memory_equal(ours.data, encoded.base, encoded.len);
    assert_int_equal(vxc_configuration_decode(vxc_buffer_slice(&ours), &decoded), 0);
    assert_int_equal(decoded.count, 3);
    assert_int_equal(decoded.members[1].role, VXC_MEMBER_STANDBY);
    assert_int_equal(vxc_configuration_voters(&decoded), 1);
    assert_true(vxc_configuration_sole_voter(&decoded, 1));
    assert_false(vxc_configuration_sole_voter(&decoded, 77));
    raft_free(encoded.base);
    raft_configuration_close(&theirs);
    vxc_buffer_free(&ours);
}

static void configuration_decode_refuses_every_cut_and_most_flips(void **state)
{
    struct vxc_buffer good = {0};
    struct vxc_configuration decoded;

    (void)state;
    encode_voters(FOUR, 4, &good);
    for (size_t size = 0; size < good.size; size++) {
        assert_int_equal(vxc_configuration_decode(vxc_slice(good.data, size), &decoded),
                         VXC_ECORRUPT);
    }
    for (size_t bit = 0; bit < good.size * 8; bit++) {
        good.data[bit / 8] ^= (uint8_t)(1u << (bit % 8));
        (void)vxc_configuration_decode(vxc_buffer_slice(&good), &decoded); /* must not overrun */
        good.data[bit / 8] ^= (uint8_t)(1u << (bit % 8));
    }
    good.data[1] = 200; /* more members than there are bytes */
    assert_int_equal(vxc_configuration_decode(vxc_buffer_slice(&good), &decoded), VXC_ECORRUPT);
    vxc_buffer_free(&good);
}

/* ---- tests: a single voter ---- */

static void sole_voter_leads_at_once_with_a_raised_and_stored_term(void **state)
{
    struct node node;

    (void)state;
    node_begin(&node, 1, ONE, 1, 1, 1000, NULL);
    assert_int_equal(vxc_engine_role(node.engine), VXC_ENGINE_LEADER);
    assert_int_equal(vxc_engine_term(node.engine), 2);
    assert_int_equal(node.voted_term, 2);
    assert_int_equal(node.voted_for, 1);
    assert_int_equal(node.votes_stored, 1);
    assert_int_equal(vxc_engine_leader(node.engine), 1);
    assert_int_equal(vxc_engine_commit_index(node.engine), 1);
    assert_true(vxc_engine_is_alone(node.engine));
    node_end(&node);
}

static void guard_g3_raises_the_term_at_every_start(void **state)
{
    struct node node;
    struct vxc_error err;

    (void)state;
    node_begin(&node, 1, ONE, 1, 7, 1000, NULL);
    assert_int_equal(vxc_engine_term(node.engine), 8);
    for (uint64_t term = 9; term < 12; term++) {
        assert_int_equal(node_submit(&node, 1000, VXC_LOG_COMMAND, text("a command")), 0);
        vxc_engine_free(node.engine);
        node_create(&node, 1, NULL);
        assert_int_equal(node_start(&node, 1000), 0);
        assert_int_equal(vxc_engine_term(node.engine), term);
        assert_int_equal(node.voted_term, term);
        assert_int_equal(vxc_engine_commit_index(node.engine), node.last);
    }
    (void)err;
    node_end(&node);
}

static void bare_engine_keeps_the_term_when_it_elects_itself(void **state)
{
    struct raft raft;
    struct raft_event event = {.time = 1000, .type = RAFT_START};
    struct raft_update update;
    struct vxc_buffer configuration = {0};
    struct raft_entry first = {.term = 1, .type = RAFT_CHANGE};

    (void)state;
    memset(&raft, 0, sizeof raft);
    assert_int_equal(raft_init(&raft, NULL, NULL, 1, "1"), 0);
    raft.tracer = NULL;
    encode_voters(ONE, 1, &configuration);
    first.buf.base = configuration.data;
    first.buf.len = configuration.size;
    first.batch = configuration.data;
    event.start.term = 7;
    event.start.start_index = 1;
    event.start.entries = &first;
    event.start.n_entries = 1;
    assert_int_equal(raft_step(&raft, &event, &update), 0);
    assert_int_equal(raft_state(&raft), RAFT_LEADER);
    assert_int_equal(raft_current_term(&raft), 7); /* the bug: two lives share a term */
    raft_close(&raft, NULL);
    vxc_buffer_free(&configuration);
}

static void guard_g3_raises_the_term_before_a_timeout_that_elects(void **state)
{
    struct node node;
    struct vxc_buffer alone = {0};
    struct vxc_engine_entry change;
    struct vxc_engine_message message;
    uint64_t later;

    (void)state;
    node_begin(&node, 1, THREE, 3, 1, 1000, NULL);
    encode_voters(ONE, 1, &alone);
    change = (struct vxc_engine_entry){3, VXC_LOG_CHANGE, vxc_buffer_slice(&alone)};
    message = append_message(3, 1, 1, 2, &change, 1);
    assert_int_equal(vxc_engine_receive(node.engine, 1001, &message), 0);
    vxc_engine_persisted(node.engine, 1001, 2);
    node_apply(&node, 1001);
    assert_int_equal(vxc_engine_role(node.engine), VXC_ENGINE_FOLLOWER);
    later = vxc_engine_timeout_ms(node.engine);
    vxc_engine_timeout(node.engine, later);
    assert_int_equal(vxc_engine_role(node.engine), VXC_ENGINE_LEADER);
    assert_int_equal(vxc_engine_term(node.engine), 4);
    assert_int_equal(node.voted_term, 4);
    assert_int_equal(node.voted_for, 1);
    vxc_buffer_free(&alone);
    node_end(&node);
}

static void submitted_entry_commits_when_durable_and_not_before(void **state)
{
    struct node node;
    struct vxc_engine_entry entry = {2, VXC_LOG_COMMAND, {0}};

    (void)state;
    node_begin(&node, 1, ONE, 1, 1, 1000, NULL);
    entry.payload = text("command");
    log_append(&node, &entry);
    assert_int_equal(vxc_engine_submit(node.engine, 1001, &entry), 0);
    assert_int_equal(node.order_size, 0); /* the caller has it: not announced again */
    assert_int_equal(vxc_engine_last_index(node.engine), 2);
    assert_int_equal(vxc_engine_commit_index(node.engine), 1);
    vxc_engine_persisted(node.engine, 1002, 2);
    assert_int_equal(vxc_engine_commit_index(node.engine), 2);
    vxc_engine_persisted(node.engine, 1002, 2); /* old news is no news */
    node_end(&node);
}

static void follower_refuses_a_submit_and_keeps_its_log(void **state)
{
    struct node node;

    (void)state;
    node_begin(&node, 1, THREE, 3, 1, 1000, NULL);
    assert_false(vxc_engine_can_submit(node.engine));
    assert_int_equal(node_submit(&node, 1000, VXC_LOG_COMMAND, text("x")), VXC_ENOTPRIMARY);
    assert_int_equal(vxc_engine_last_index(node.engine), 1);
    node_end(&node);
}

static void restart_from_a_state_above_the_first_entry(void **state)
{
    struct node node;

    (void)state;
    node_begin(&node, 1, ONE, 1, 1, 1000, NULL);
    for (int i = 0; i < 20; i++) {
        assert_int_equal(node_submit(&node, 1000, VXC_LOG_COMMAND, text("command")), 0);
    }
    encode_voters(ONE, 1, &node.base_configuration);
    node.base = (struct vxc_log_base){.index = 15,
                                      .term = 2,
                                      .configuration_index = 1,
                                      .configuration = vxc_buffer_slice(&node.base_configuration)};
    vxc_engine_free(node.engine);
    node_create(&node, 1, NULL);
    assert_int_equal(node_start(&node, 1000), 0); /* the log still begins at entry 1 */
    assert_int_equal(vxc_engine_commit_index(node.engine), 21);
    assert_int_equal(vxc_engine_role(node.engine), VXC_ENGINE_LEADER);
    assert_true(vxc_engine_is_alone(node.engine));

    node_apply(&node, 1000);
    node.base.index = 21;
    for (uint64_t i = 1; i < 18; i++) {
        free(node.log[i]);
        node.log[i] = NULL;
    }
    node.first = 18;
    vxc_engine_trimmed(node.engine, 1000, &node.base, node.first);
    vxc_engine_trimmed(node.engine, 1000, &node.base, node.first); /* twice does no harm */
    assert_int_equal(vxc_engine_last_index(node.engine), 21);
    assert_int_equal(node_submit(&node, 1001, VXC_LOG_COMMAND, text("next")), 0);
    assert_int_equal(vxc_engine_commit_index(node.engine), 22);

    vxc_engine_free(node.engine);
    node_create(&node, 1, NULL);
    assert_int_equal(node_start(&node, 1001), 0);
    assert_int_equal(vxc_engine_commit_index(node.engine), 22);
    node_end(&node);
}

static void restart_with_an_empty_log_behind_the_state(void **state)
{
    struct node node;

    (void)state;
    node = (struct node){.first = 101, .last = 100, .voted_term = 5};
    encode_voters(ONE, 1, &node.base_configuration);
    node.base = (struct vxc_log_base){.index = 100,
                                      .term = 4,
                                      .configuration_index = 1,
                                      .configuration = vxc_buffer_slice(&node.base_configuration)};
    node_create(&node, 1, NULL);
    assert_int_equal(node_start(&node, 1000), 0);
    assert_int_equal(vxc_engine_role(node.engine), VXC_ENGINE_LEADER);
    assert_int_equal(vxc_engine_term(node.engine), 6);
    assert_int_equal(vxc_engine_last_index(node.engine), 100);
    assert_int_equal(node_submit(&node, 1001, VXC_LOG_COMMAND, text("next")), 0);
    assert_int_equal(vxc_engine_commit_index(node.engine), 101);
    node_end(&node);
}

static void start_reports_an_unreadable_configuration(void **state)
{
    struct node node = {.first = 1, .voted_term = 1};
    struct vxc_engine_entry bad = {1, VXC_LOG_CHANGE, {0}};

    (void)state;
    node_create(&node, 1, NULL);
    bad.payload = text("garbage!");
    log_append(&node, &bad);
    assert_int_equal(node_start(&node, 1000), VXC_ECORRUPT);
    assert_int_equal(node.votes_stored, 0);
    log_cut(&node, 1);
    bad = (struct vxc_engine_entry){1, VXC_LOG_COMMAND, text("first")};
    log_append(&node, &bad);
    assert_int_equal(node_start(&node, 1000), VXC_ECORRUPT);
    node_end(&node);
}

/* ---- tests: G1 ---- */

static void bare_engine_files_a_change_under_the_wrong_index(void **state)
{
    struct raft raft;
    struct raft_update update;
    struct vxc_buffer four = {0};
    struct raft_entry entries[2] = {0};
    struct raft_message message = {.type = RAFT_APPEND_ENTRIES};
    char *batch = raft_malloc(8);

    (void)state;
    bare_start(&raft, 1);
    encode_voters(FOUR, 4, &four);
    entries[0] = (struct raft_entry){1, RAFT_COMMAND, {batch, 8}, batch};
    entries[1] = (struct raft_entry){1, RAFT_CHANGE, {four.data, four.size}, batch};
    message.append_entries.term = 1;
    message.append_entries.prev_log_index = 1;
    message.append_entries.prev_log_term = 1;
    message.append_entries.entries = entries;
    message.append_entries.n_entries = 2;
    bare_receive(&raft, &message, &update);
    assert_int_equal(raft.configuration_uncommitted_index, 2); /* the bug: it is entry 3 */
    raft_free(batch);
    raft_close(&raft, NULL);
    vxc_buffer_free(&four);
}

static void guard_g1_makes_every_change_the_first_of_its_batch(void **state)
{
    struct node node;
    struct vxc_buffer four = {0}, three = {0};
    struct vxc_engine_entry entries[5];
    struct vxc_engine_message message;

    (void)state;
    node_begin(&node, 1, THREE, 3, 1, 1000, NULL);
    encode_voters(FOUR, 4, &four);
    encode_voters(THREE, 3, &three);
    entries[0] = (struct vxc_engine_entry){1, VXC_LOG_COMMAND, text("2")};
    entries[1] = (struct vxc_engine_entry){1, VXC_LOG_CHANGE, vxc_buffer_slice(&four)};
    entries[2] = (struct vxc_engine_entry){1, VXC_LOG_COMMAND, text("4")};
    entries[3] = (struct vxc_engine_entry){1, VXC_LOG_CHANGE, vxc_buffer_slice(&three)};
    entries[4] = (struct vxc_engine_entry){1, VXC_LOG_COMMAND, text("6")};
    message = append_message(1, 1, 1, 1, entries, 2);
    assert_int_equal(vxc_engine_receive(node.engine, 1001, &message), 0);
    assert_int_equal(vxc_engine_pending_configuration(node.engine), 3);
    assert_int_equal(node.last, 3);
    vxc_engine_persisted(node.engine, 1002, 3);
    message = append_message(1, 3, 1, 3, NULL, 0);
    assert_int_equal(vxc_engine_receive(node.engine, 1003, &message), 0);
    node_apply(&node, 1003);
    assert_int_equal(vxc_engine_committed_configuration(node.engine), 3);
    assert_int_equal(vxc_engine_pending_configuration(node.engine), 0);

    message = append_message(1, 3, 1, 3, &entries[2], 3);
    assert_int_equal(vxc_engine_receive(node.engine, 1004, &message), 0);
    assert_int_equal(vxc_engine_pending_configuration(node.engine), 5);
    assert_int_equal(node.last, 6);
    vxc_buffer_free(&four);
    vxc_buffer_free(&three);
    node_end(&node);
}

/* ---- tests: G2 ---- */

static __attribute__((noinline)) void dirty_the_stack(void)
{
    volatile unsigned char bytes[4096];

    for (size_t i = 0; i < sizeof bytes; i++) {
        bytes[i] = 0x5a;
    }
}

static void bare_engine_answers_a_stale_term_like_a_success(void **state)
{
    struct raft raft;
    struct raft_update update;
    struct raft_message message = {.type = RAFT_APPEND_ENTRIES};

    (void)state;
    bare_start(&raft, 5);
    message.append_entries.term = 4; /* prev_log_index 0, as a first probe may have */
    dirty_the_stack();
    bare_receive(&raft, &message, &update);
    assert_int_equal(update.messages.n, 1);
    assert_int_equal(update.messages.batch[0].append_entries_result.term, 5);
    /* The bug: rejected 0 reads as success up to last_log_index, which was never set. */
    assert_int_equal(update.messages.batch[0].append_entries_result.rejected, 0);
    raft_close(&raft, NULL);
}

static void guard_g2_answers_a_stale_term_with_a_refusal(void **state)
{
    struct node node;
    struct wire wire = {0};
    struct vxc_engine_message message = append_message(4, 0, 0, 0, NULL, 0);
    const struct vxc_engine_message *answer;

    (void)state;
    node_begin(&node, 1, THREE, 3, 5, 1000, &wire);
    dirty_the_stack();
    assert_int_equal(vxc_engine_receive(node.engine, 1001, &message), 0);
    assert_int_equal(wire.count, 1);
    answer = &wire.messages[0]->message;
    assert_int_equal(answer->type, VXC_ENGINE_APPEND_RESULT);
    assert_int_equal(wire.messages[0]->to, 2);
    assert_int_equal(answer->term, 5);
    assert_int_equal(answer->append_result.rejected, 1);
    assert_int_equal(answer->append_result.last_index, 0);
    wire_clear(&wire);

    message = append_message(4, 17, 3, 0, NULL, 0);
    assert_int_equal(vxc_engine_receive(node.engine, 1001, &message), 0);
    assert_int_equal(wire.messages[0]->message.append_result.rejected, 17);
    wire_clear(&wire);
    node_end(&node);
}

static void guard_g2_drops_an_image_of_a_stale_term(void **state)
{
    struct node node;
    struct wire wire = {0};
    struct vxc_buffer three = {0};
    struct vxc_engine_message message = {.type = VXC_ENGINE_IMAGE, .peer = 2, .term = 4};

    (void)state;
    node_begin(&node, 1, THREE, 3, 5, 1000, &wire);
    encode_voters(THREE, 3, &three);
    message.image = (struct vxc_log_base){
        .index = 9, .term = 4, .configuration_index = 1, .configuration = vxc_buffer_slice(&three)};
    assert_int_equal(vxc_engine_receive(node.engine, 1001, &message), 0);
    assert_int_equal(node.installs, 0);
    assert_int_equal(wire.count, 0);
    vxc_buffer_free(&three);
    node_end(&node);
}

/* ---- tests: images ---- */

static void image_is_installed_and_entries_follow_it(void **state)
{
    struct node node;
    struct wire wire = {0};
    struct vxc_buffer three = {0};
    struct vxc_engine_message message = {.type = VXC_ENGINE_IMAGE, .peer = 2, .term = 5};
    struct vxc_engine_entry entry = {5, VXC_LOG_COMMAND, {0}};

    (void)state;
    node_begin(&node, 1, THREE, 3, 5, 1000, &wire);
    encode_voters(THREE, 3, &three);
    message.image = (struct vxc_log_base){
        .index = 9, .term = 4, .configuration_index = 1, .configuration = vxc_buffer_slice(&three)};
    assert_int_equal(vxc_engine_receive(node.engine, 1001, &message), 0);
    assert_int_equal(node.installs, 1);
    assert_int_equal(node.installed.index, 9);
    assert_int_equal(node.installed.term, 4);
    assert_true(vxc_engine_installing(node.engine));
    assert_int_equal(vxc_engine_receive(node.engine, 1002, &message), 0); /* a repeat is dropped */
    assert_int_equal(node.installs, 1);

    log_cut(&node, 1); /* the image is in place: another engine begins with it */
    node.first = 10;
    node.last = 9;
    node.base = node.installed;
    node.base.configuration = vxc_buffer_slice(&node.base_configuration);
    vxc_engine_free(node.engine);
    node_create(&node, 1, &wire);
    assert_int_equal(node_start(&node, 1003), 0);
    assert_false(vxc_engine_installing(node.engine));
    assert_int_equal(vxc_engine_commit_index(node.engine), 9);
    assert_int_equal(vxc_engine_last_index(node.engine), 9);
    entry.payload = text("ten");
    message = append_message(5, 9, 4, 10, &entry, 1);
    assert_int_equal(vxc_engine_receive(node.engine, 1004, &message), 0);
    vxc_engine_persisted(node.engine, 1004, 10);
    assert_int_equal(node.last, 10);
    assert_int_equal(vxc_engine_commit_index(node.engine), 10);
    wire_clear(&wire);
    vxc_buffer_free(&three);
    node_end(&node);
}

static void free_while_installing_leaks_nothing(void **state)
{
    struct node node;
    struct vxc_buffer three = {0};
    struct vxc_engine_message message = {.type = VXC_ENGINE_IMAGE, .peer = 2, .term = 5};

    (void)state;
    node_begin(&node, 1, THREE, 3, 5, 1000, NULL);
    encode_voters(THREE, 3, &three);
    message.image = (struct vxc_log_base){
        .index = 9, .term = 4, .configuration_index = 1, .configuration = vxc_buffer_slice(&three)};
    assert_int_equal(vxc_engine_receive(node.engine, 1001, &message), 0);
    vxc_buffer_free(&three);
    node_end(&node); /* the leak checker judges */
}

/* ---- tests: G4 to G7 ---- */

static void elect(struct node *nodes, size_t count, struct wire *wire, uint64_t now)
{
    vxc_engine_timeout(nodes[0].engine, now);
    wire_run(wire, nodes, count, now);
    assert_int_equal(vxc_engine_role(nodes[0].engine), VXC_ENGINE_LEADER);
}

static void begin_three(struct node *nodes, struct wire *wire)
{
    for (uint64_t i = 0; i < 3; i++) {
        node_begin(&nodes[i], i + 1, THREE, 3, 1, 1000, wire);
    }
}

static void end_three(struct node *nodes, struct wire *wire)
{
    wire_clear(wire);
    for (size_t i = 0; i < 3; i++) {
        node_end(&nodes[i]);
    }
}

static void guard_g4_refuses_a_change_before_an_own_entry_is_applied(void **state)
{
    struct node nodes[3];
    struct wire wire = {0};
    struct vxc_buffer four = {0};
    uint64_t now = 2000;

    (void)state;
    begin_three(nodes, &wire);
    encode_voters(FOUR, 4, &four);
    elect(nodes, 3, &wire, now);
    assert_int_equal(node_submit(&nodes[0], now, VXC_LOG_CHANGE, vxc_buffer_slice(&four)),
                     VXC_EBUSY);
    assert_int_equal(node_submit(&nodes[0], now, VXC_LOG_COMMAND, text("no-op")), 0);
    assert_int_equal(node_submit(&nodes[0], now, VXC_LOG_CHANGE, vxc_buffer_slice(&four)),
                     VXC_EBUSY); /* not committed yet */
    wire_run(&wire, nodes, 3, now);
    assert_int_equal(node_submit(&nodes[0], now, VXC_LOG_CHANGE, vxc_buffer_slice(&four)), 0);
    assert_int_equal(node_submit(&nodes[0], now, VXC_LOG_CHANGE, vxc_buffer_slice(&four)),
                     VXC_EBUSY); /* one at a time */
    assert_int_equal(node_submit(&nodes[0], now, VXC_LOG_CHANGE, text("no configuration")),
                     VXC_ECORRUPT);
    vxc_buffer_free(&four);
    end_three(nodes, &wire);
}

static void three_nodes_elect_replicate_and_commit(void **state)
{
    struct node nodes[3];
    struct wire wire = {0};
    uint64_t now = 2000;

    (void)state;
    begin_three(nodes, &wire);
    elect(nodes, 3, &wire, now);
    assert_int_equal(nodes[1].voted_term, vxc_engine_term(nodes[0].engine));
    assert_int_equal(nodes[1].voted_for, 1);
    for (int i = 0; i < 40; i++) {
        assert_int_equal(node_submit(&nodes[0], now, VXC_LOG_COMMAND, text("command")), 0);
        wire_run(&wire, nodes, 3, now);
    }
    vxc_engine_timeout(nodes[0].engine, now + HEARTBEAT_MS); /* tells the commit index */
    wire_run(&wire, nodes, 3, now + HEARTBEAT_MS);
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(vxc_engine_commit_index(nodes[i].engine), 41);
        assert_int_equal(nodes[i].last, 41);
        assert_int_equal(vxc_engine_leader(nodes[i].engine), 1);
        assert_false(vxc_engine_is_alone(nodes[i].engine));
    }
    end_three(nodes, &wire);
}

static void vote_is_stored_before_entries_and_entries_before_messages(void **state)
{
    struct node node;
    struct vxc_engine_entry entry = {3, VXC_LOG_COMMAND, {0}};
    struct vxc_engine_message message;

    (void)state;
    node_begin(&node, 1, THREE, 3, 1, 1000, NULL);
    entry.payload = text("two");
    message = append_message(3, 1, 1, 1, &entry, 1); /* a higher term and an entry at once */
    assert_int_equal(vxc_engine_receive(node.engine, 1001, &message), 0);
    vxc_engine_persisted(node.engine, 1002, 2);
    assert_string_equal(node.order, "vas");
    node_end(&node);
}

static void conflicting_entries_are_announced_at_the_index_to_cut(void **state)
{
    struct node node;
    struct vxc_engine_entry old[3] = {{2, VXC_LOG_COMMAND, {0}}, {2, VXC_LOG_COMMAND, {0}}};
    struct vxc_engine_entry new = {3, VXC_LOG_COMMAND, {0}};
    struct vxc_engine_message message;

    (void)state;
    node_begin(&node, 1, THREE, 3, 1, 1000, NULL);
    old[0].payload = text("two");
    old[1].payload = text("three");
    message = append_message(2, 1, 1, 1, old, 2);
    assert_int_equal(vxc_engine_receive(node.engine, 1001, &message), 0);
    vxc_engine_persisted(node.engine, 1001, 3);
    new.payload = text("other two");
    message = append_message(3, 1, 1, 1, &new, 1);
    assert_int_equal(vxc_engine_receive(node.engine, 1002, &message), 0);
    assert_int_equal(node.append_index, 2);
    assert_int_equal(node.append_count, 1);
    assert_int_equal(node.last, 2);
    assert_int_equal(vxc_engine_last_index(node.engine), 2);
    node_end(&node);
}

/* A follower whose log begins at 18 behind a state of 21 is sent what begins at `prev`. */
static void begin_compacted(struct node *node, struct wire *wire)
{
    struct vxc_engine_entry entry = {1, VXC_LOG_COMMAND, {0}};

    *node = (struct node){.first = 18, .last = 17, .voted_term = 1};
    entry.payload = text("old");
    for (int i = 18; i <= 23; i++) {
        log_append(node, &entry);
    }
    encode_voters(THREE, 3, &node->base_configuration);
    node->base =
        (struct vxc_log_base){.index = 21,
                              .term = 1,
                              .configuration_index = 1,
                              .configuration = vxc_buffer_slice(&node->base_configuration)};
    node_create(node, 1, wire);
    assert_int_equal(node_start(node, 1000), 0);
}

static void guard_g5_accepts_an_append_that_begins_below_the_compaction(void **state)
{
    struct vxc_engine_entry entries[24];

    (void)state;
    for (size_t i = 0; i < 24; i++) {
        entries[i] = (struct vxc_engine_entry){1, VXC_LOG_COMMAND, text("old")};
    }
    for (uint64_t prev = 0; prev <= 24; prev++) {
        struct wire wire = {0};
        struct node node;
        uint32_t count =
            prev <= 23 ? (uint32_t)(24 - prev) : 0; /* through entry 24, which is new */
        struct vxc_engine_message message =
            append_message(1, prev, prev == 0 ? 0 : 1, 21, &entries[0], count);

        begin_compacted(&node, &wire);
        assert_int_equal(vxc_engine_receive(node.engine, 1001, &message), 0);
        if (prev <= 23) {
            assert_int_equal(node.last, 24);
            vxc_engine_persisted(node.engine, 1002, 24);
        }
        assert_int_equal(wire.count, 1);
        assert_int_equal(wire.messages[0]->message.append_result.rejected, prev <= 23 ? 0 : 24);
        assert_int_equal(wire.messages[0]->message.append_result.last_index, prev <= 23 ? 24 : 23);
        wire_clear(&wire);
        node_end(&node);
    }
}

static void guard_g5_takes_an_append_that_ends_below_the_compaction(void **state)
{
    struct wire wire = {0};
    struct node node;
    struct vxc_engine_entry entries[3];
    struct vxc_engine_message message;

    (void)state;
    for (size_t i = 0; i < 3; i++) {
        entries[i] = (struct vxc_engine_entry){1, VXC_LOG_COMMAND, text("old")};
    }
    begin_compacted(&node, &wire);
    message = append_message(1, 5, 1, 8, entries, 3);
    assert_int_equal(vxc_engine_receive(node.engine, 1001, &message), 0);
    assert_int_equal(node.last, 23);
    assert_int_equal(wire.messages[0]->message.append_result.rejected, 0);
    assert_int_equal(wire.messages[0]->message.append_result.last_index, 21);
    wire_clear(&wire);
    node_end(&node);
}

static void guard_g6_ignores_a_refusal_that_a_success_has_overtaken(void **state)
{
    struct node nodes[3];
    struct wire wire = {0};
    struct vxc_engine_message stale = {.type = VXC_ENGINE_APPEND_RESULT, .peer = 2};
    uint64_t now = 2000;

    (void)state;
    begin_three(nodes, &wire);
    elect(nodes, 3, &wire, now);
    for (int i = 0; i < 5; i++) {
        assert_int_equal(node_submit(&nodes[0], now, VXC_LOG_COMMAND, text("command")), 0);
    }
    wire_run(&wire, nodes, 3, now);

    /* Node 2 falls silent, so that the leader goes back to probing it behind what it has. */
    nodes[1].id = 0;
    for (int i = 0; i < 3; i++) {
        now += HEARTBEAT_MS;
        vxc_engine_timeout(nodes[0].engine, now);
        wire_run(&wire, nodes, 3, now);
    }
    assert_int_equal(vxc_engine_role(nodes[0].engine), VXC_ENGINE_LEADER);
    stale.term = vxc_engine_term(nodes[0].engine);
    stale.append_result.rejected = 6; /* which node 2 is known to have */
    stale.append_result.last_index = 2;
    assert_int_equal(vxc_engine_receive(nodes[0].engine, now, &stale), 0);
    assert_int_equal(wire.count, 0); /* nothing is sent again from entry 3 on */
    end_three(nodes, &wire);
}

static void guard_g7_hands_over_when_all_of_the_log_is_there(void **state)
{
    struct node nodes[3];
    struct wire wire = {0};
    struct vxc_engine_message answer = {.type = VXC_ENGINE_APPEND_RESULT, .peer = 2};
    const uint64_t now = 2000;

    (void)state;
    begin_three(nodes, &wire);
    elect(nodes, 3, &wire, now);
    assert_int_equal(node_submit(&nodes[0], now, VXC_LOG_COMMAND, text("first")), 0);
    assert_int_equal(node_submit(&nodes[0], now, VXC_LOG_COMMAND, text("second")), 0);
    assert_int_equal(vxc_engine_transfer(nodes[0].engine, now, 2), 0);
    assert_false(vxc_engine_can_submit(nodes[0].engine));

    /* Node 2 has the first of them: an order to take over would come too early. */
    answer.term = vxc_engine_term(nodes[0].engine);
    answer.append_result.last_index = nodes[0].last - 1;
    assert_int_equal(vxc_engine_receive(nodes[0].engine, now, &answer), 0);
    for (size_t i = 0; i < wire.count; i++) {
        assert_int_not_equal(wire.messages[i]->message.type, VXC_ENGINE_TIMEOUT_NOW);
    }
    wire_run(&wire, nodes, 3, now);
    assert_int_equal(vxc_engine_role(nodes[1].engine), VXC_ENGINE_LEADER);
    assert_int_equal(vxc_engine_role(nodes[0].engine), VXC_ENGINE_FOLLOWER);
    end_three(nodes, &wire);
}

static void a_transfer_to_who_gets_no_entries_is_given_up(void **state)
{
    struct node nodes[3];
    struct wire wire = {0};
    uint64_t now = 2000;

    (void)state;
    begin_three(nodes, &wire);
    elect(nodes, 3, &wire, now);
    nodes[1].id = 0; /* silent from now on */
    assert_int_equal(node_submit(&nodes[0], now, VXC_LOG_COMMAND, text("command")), 0);
    assert_int_equal(vxc_engine_transfer(nodes[0].engine, now, 2), 0);
    for (now += HEARTBEAT_MS; now < 2000 + ELECTION_MS; now += HEARTBEAT_MS) {
        wire_run(&wire, nodes, 3, now);
        vxc_engine_timeout(nodes[0].engine, now);
        assert_false(vxc_engine_can_submit(nodes[0].engine));
    }
    wire_run(&wire, nodes, 3, now);
    vxc_engine_timeout(nodes[0].engine, now);
    assert_true(vxc_engine_can_submit(nodes[0].engine));
    end_three(nodes, &wire);
}

static void messages_that_no_engine_sends_are_refused(void **state)
{
    struct node node;
    struct vxc_engine_entry entry = {9, VXC_LOG_COMMAND, {0}};
    struct vxc_engine_message message;

    (void)state;
    node_begin(&node, 1, THREE, 3, 5, 1000, NULL);
    entry.payload = text("from a term to come");
    message = append_message(6, 1, 1, 1, &entry, 1);
    assert_int_equal(vxc_engine_receive(node.engine, 1001, &message), VXC_EPROTO);
    message = append_message(6, 1, 0, 1, NULL, 0);
    assert_int_equal(vxc_engine_receive(node.engine, 1001, &message), VXC_EPROTO);
    message = append_message(0, 1, 1, 1, NULL, 0);
    assert_int_equal(vxc_engine_receive(node.engine, 1001, &message), VXC_EPROTO);
    message = append_message(6, 1, 1, 1, NULL, 0);
    message.peer = 1; /* ourselves */
    assert_int_equal(vxc_engine_receive(node.engine, 1001, &message), VXC_EPROTO);
    message.peer = 2;
    message.type = (enum vxc_engine_message_type)99;
    assert_int_equal(vxc_engine_receive(node.engine, 1001, &message), VXC_EPROTO);
    entry = (struct vxc_engine_entry){6, VXC_LOG_CHANGE, text("garbage!")};
    message = append_message(6, 1, 1, 1, &entry, 1);
    assert_int_equal(vxc_engine_receive(node.engine, 1001, &message), VXC_EPROTO);
    message = (struct vxc_engine_message){.type = VXC_ENGINE_IMAGE, .peer = 2, .term = 6};
    assert_int_equal(vxc_engine_receive(node.engine, 1001, &message), VXC_EPROTO);
    assert_int_equal(vxc_engine_term(node.engine), 5);
    node_end(&node);
}

static void second_leader_of_a_term_is_not_believed(void **state)
{
    struct node node;
    struct vxc_engine_message message = append_message(2, 1, 1, 1, NULL, 0);

    (void)state;
    node_begin(&node, 1, ONE, 1, 1, 1000, NULL);
    assert_int_equal(vxc_engine_receive(node.engine, 1001, &message), VXC_EPROTO);
    assert_int_equal(vxc_engine_role(node.engine), VXC_ENGINE_LEADER);
    node_end(&node);
}

static void time_that_goes_back_does_not_reach_the_engine(void **state)
{
    struct node node;

    (void)state;
    node_begin(&node, 1, THREE, 3, 1, 10000, NULL);
    vxc_engine_timeout(node.engine, 5000);
    assert_int_equal(vxc_engine_role(node.engine), VXC_ENGINE_FOLLOWER);
    assert_true(vxc_engine_timeout_ms(node.engine) >= 10000 + ELECTION_MS);
    node_end(&node);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(configuration_encoding_is_the_engines_own),
        cmocka_unit_test(configuration_decode_refuses_every_cut_and_most_flips),
        cmocka_unit_test(sole_voter_leads_at_once_with_a_raised_and_stored_term),
        cmocka_unit_test(guard_g3_raises_the_term_at_every_start),
        cmocka_unit_test(bare_engine_keeps_the_term_when_it_elects_itself),
        cmocka_unit_test(guard_g3_raises_the_term_before_a_timeout_that_elects),
        cmocka_unit_test(submitted_entry_commits_when_durable_and_not_before),
        cmocka_unit_test(follower_refuses_a_submit_and_keeps_its_log),
        cmocka_unit_test(restart_from_a_state_above_the_first_entry),
        cmocka_unit_test(restart_with_an_empty_log_behind_the_state),
        cmocka_unit_test(start_reports_an_unreadable_configuration),
        cmocka_unit_test(bare_engine_files_a_change_under_the_wrong_index),
        cmocka_unit_test(guard_g1_makes_every_change_the_first_of_its_batch),
        cmocka_unit_test(bare_engine_answers_a_stale_term_like_a_success),
        cmocka_unit_test(guard_g2_answers_a_stale_term_with_a_refusal),
        cmocka_unit_test(guard_g2_drops_an_image_of_a_stale_term),
        cmocka_unit_test(image_is_installed_and_entries_follow_it),
        cmocka_unit_test(free_while_installing_leaks_nothing),
        cmocka_unit_test(guard_g4_refuses_a_change_before_an_own_entry_is_applied),
        cmocka_unit_test(three_nodes_elect_replicate_and_commit),
        cmocka_unit_test(vote_is_stored_before_entries_and_entries_before_messages),
        cmocka_unit_test(conflicting_entries_are_announced_at_the_index_to_cut),
        cmocka_unit_test(guard_g5_accepts_an_append_that_begins_below_the_compaction),
        cmocka_unit_test(guard_g5_takes_an_append_that_ends_below_the_compaction),
        cmocka_unit_test(guard_g6_ignores_a_refusal_that_a_success_has_overtaken),
        cmocka_unit_test(guard_g7_hands_over_when_all_of_the_log_is_there),
        cmocka_unit_test(a_transfer_to_who_gets_no_entries_is_given_up),
        cmocka_unit_test(messages_that_no_engine_sends_are_refused),
        cmocka_unit_test(second_leader_of_a_term_is_not_believed),
        cmocka_unit_test(time_that_goes_back_does_not_reach_the_engine),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
