/* Seeded random commands against three state machines and a naive model (model.h).
 *
 * One state machine runs in the fast mode: many entries per commit, commits that stay uncollected
 * for a while. Another one commits after every single command. The third commits at moments of its
 * own and keeps next to no rows in memory. All are dropped at random moments without warning — the
 * second also in the middle of an entry — and replay the log from what LMDB holds. All must answer
 * every command alike, also when it is sent again, and have equal digests at every index at which
 * more than one of them commits.
 *
 * VXC_MODEL_SEED and VXC_MODEL_STEPS in the environment replay or lengthen a run. */
#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "fsm/fsm.h"
#include "model.h"
#include "storage/store.h"
#include "storage/table.h"

enum {
    SEEDS_DEFAULT = 6,
    STEPS_DEFAULT = 3000, /* entries per seed */
    COMMANDS_MAX = 6,     /* per entry */
    SENT_MAX = 64,        /* commands kept to be sent again */
    STEPS_MAX = 1000000,
    SESSIONS_MAX = 10, /* open at a time, about */
    SYNC_IDS = 900,
    CLEAN_BYTES =
        64 * 1024, /* of rows that a node keeps in memory; and one that keeps next to none */
    CLEAN_BYTES_SMALL = 512,
};

/* ---- a node: store, table, state machine ---- */

struct digest { /* of the state after an entry, as the first node that committed it has it */
    bool known;
    uint64_t value;
};

struct node {
    bool each;              /* commits after every command */
    size_t clean_bytes;     /* of rows kept in memory */
    struct digest *digests; /* of all nodes; borrowed */
    uint32_t lost_from; /* `each`: commits of the entry from here on are lost; UINT32_MAX none */
    char folder[64];
    struct vxc_store *store;
    struct vxc_table *table;
    struct vxc_fsm *fsm;
    struct vxc_buffer
        answers;         /* of the last entry: list of encoded results, replayed u8 before each */
    uint64_t event_hash; /* of the events of the last entry */
    uint32_t event_count;
};

static void hash_bytes(uint64_t *hash, const void *data, size_t size)
{
    const uint8_t *bytes = data;

    for (size_t i = 0; i < size; i++) {
        *hash = (*hash ^ bytes[i]) * 0x100000001b3ull;
    }
}

static void on_event(void *data, const struct vxc_event *event)
{
    struct node *node = data;
    const uint64_t words[] = {
        (uint64_t)event->type, (uint64_t)event->kind, event->index,
        event->ordinal,        event->session,        event->watch,
        event->ticket,         event->token,          (uint64_t)event->number};

    uint64_t hash = 0xcbf29ce484222325ull;

    hash_bytes(&hash, words, sizeof words);
    hash_bytes(&hash, event->name.data, event->name.size);
    hash_bytes(&hash, event->key.data, event->key.size);
    hash_bytes(&hash, event->value.data, event->value.size);
    hash_bytes(&hash, event->view.data, event->view.size);
    node->event_hash += hash; /* sessions that are told the same thing have no order among them */
    node->event_count++;
}

static void on_result(void *data, uint32_t position, const struct vxc_result *result)
{
    struct node *node = data;
    size_t start = node->answers.size;

    (void)position;
    assert_int_equal(vxc_buffer_put_u32(&node->answers, 0), 0);
    assert_int_equal(vxc_buffer_put_u8(&node->answers, result->replayed), 0);
    assert_int_equal(vxc_result_encode(result, &node->answers), 0);
    vxc_store_u32(node->answers.data + start, (uint32_t)(node->answers.size - start - 4));
}

static void node_open(struct node *node)
{
    const struct vxc_store_options options = {.map_size = 1ull << 32, .synchronous = node->each};
    const struct vxc_fsm_hooks hooks = {node, on_result, on_event};
    struct vxc_error err = {0};

    if (vxc_store_open(node->folder, &options, &node->store, &err) != 0) {
        fail_msg("%s", err.text);
    }
    assert_int_equal(vxc_table_create(node->store, node->clean_bytes, &node->table), 0);
    if (vxc_fsm_create(node->table, &node->fsm, &err) != 0) {
        fail_msg("%s", err.text);
    }
    vxc_fsm_set_hooks(node->fsm, &hooks);
}

static void node_drop(struct node *node)
{
    vxc_fsm_free(node->fsm);
    vxc_table_free(node->table);
    vxc_store_close(node->store);
}

/* Every node that commits an index has the same state there. */
static void compare_digest(struct node *node)
{
    const struct vxc_store_meta *meta = vxc_store_meta(node->store);
    struct digest *digest = &node->digests[meta->applied_index];

    if (meta->applied_position != 0) {
        return; /* in the middle of an entry */
    }
    if (!digest->known) {
        *digest = (struct digest){true, vxc_store_digest(node->store)};
    } else if (digest->value != vxc_store_digest(node->store)) {
        fail_msg("index %llu: another digest than the node that committed it before",
                 (unsigned long long)meta->applied_index);
    }
}

static void node_collect(struct node *node)
{
    if (vxc_table_freezing(node->table)) {
        vxc_store_wait(node->store);
        assert_true(vxc_store_collect(node->store));
        vxc_table_thaw(node->table);
        compare_digest(node);
    }
    vxc_table_end_turn(node->table);
}

static void node_freeze(struct node *node)
{
    struct vxc_store_meta meta = {0};

    node_collect(node);
    vxc_fsm_flush(node->fsm, &meta);
    vxc_table_freeze(node->table, &meta);
}

static void after_each(void *data, uint32_t done)
{
    struct node *node = data;

    if (done <= node->lost_from) {
        node_freeze(node);
        node_collect(node);
    }
}

static void node_apply(struct node *node, uint64_t index, struct vxc_slice entry, uint32_t skip)
{
    struct vxc_error err = {0};

    vxc_buffer_clear(&node->answers);
    node->event_hash = 0;
    node->event_count = 0;
    if (vxc_fsm_apply(node->fsm, index, 1, entry, index % 2 == 0, skip,
                      node->each ? after_each : NULL, node, &err) != 0) {
        fail_msg("%s", err.text);
    }
}

/* ---- the world ---- */

struct record { /* one entry of the log and what it answered */
    struct vxc_buffer entry;
    struct vxc_buffer answers;
};

struct world {
    uint64_t random; /* state of the generator */
    struct node fast, each, small;
    struct model *model;
    struct record *log;     /* index 1 at position 0 */
    struct digest *digests; /* index 0 at position 0 */
    uint64_t index;         /* of the last entry */
    uint64_t stamp_ms;
    uint64_t next_sequence;
    uint64_t spaces[3];               /* namespace ids */
    struct vxc_buffer sent[SENT_MAX]; /* commands with sequences, encoded */
    unsigned sent_count;
    char long_key[2][600]; /* equal but for the last byte */
};

static uint32_t roll(struct world *w, uint32_t below)
{
    w->random ^= w->random << 13;
    w->random ^= w->random >> 7;
    w->random ^= w->random << 17;
    return (uint32_t)((w->random >> 32) % below);
}

static bool one_in(struct world *w, uint32_t odds)
{
    return roll(w, odds) == 0;
}

static struct vxc_slice one_letter(struct world *w, const char *letters)
{
    return vxc_slice(&letters[roll(w, (uint32_t)strlen(letters))], 1);
}

static struct vxc_slice any_name(struct world *w)
{
    static const char *const names[] = {"a", "b", "", "\xff\x00z"};
    uint32_t choice = roll(w, 16);

    return choice == 0 ? vxc_slice(w->long_key[0], 500) : vxc_slice_of_string(names[choice % 4]);
}

static struct vxc_slice any_key(struct world *w)
{
    static const char keys[] = "abcdefgh";
    uint32_t choice = roll(w, 24);

    return choice < 2    ? vxc_slice(w->long_key[choice], 600)
           : choice == 2 ? vxc_slice(w->long_key[0], 440)
           : choice == 3 ? vxc_slice(w->long_key[0], 441)
                         : vxc_slice(&keys[choice % 8], choice % 3);
}

static struct vxc_slice any_value(struct world *w)
{
    static const char values[] = "0123456789";
    uint32_t choice = roll(w, 12);

    return choice == 0 ? vxc_slice(w->long_key[1], 600)
                       : vxc_slice(&values[choice % 4], choice % 5);
}

/* ---- commands ---- */

static void fill_data(struct world *w, struct vxc_command *c)
{
    static const uint16_t ops[] = {
        VXC_OP_MAP_PUT,     VXC_OP_MAP_PUT,       VXC_OP_MAP_PUT,        VXC_OP_MAP_PUT_IF_ABSENT,
        VXC_OP_MAP_REMOVE,  VXC_OP_MAP_REMOVE_IF, VXC_OP_MAP_REPLACE,    VXC_OP_MAP_REPLACE_IF,
        VXC_OP_SET_ADD,     VXC_OP_SET_ADD,       VXC_OP_SET_REMOVE,     VXC_OP_COUNTER_ADD,
        VXC_OP_COUNTER_ADD, VXC_OP_COUNTER_CAS,   VXC_OP_COUNTER_CREATE, VXC_OP_COUNTER_DESTROY,
    };
    static const uint16_t whole[] = {VXC_OP_MAP_CREATE, VXC_OP_MAP_CLEAR, VXC_OP_MAP_DESTROY,
                                     VXC_OP_SET_CREATE, VXC_OP_SET_CLEAR, VXC_OP_SET_DESTROY};

    c->op = one_in(w, 20) ? whole[roll(w, 6)] : ops[roll(w, 16)];
    c->name = any_name(w);
    c->key = any_key(w);
    c->value = any_value(w);
    c->expect = any_value(w);
    c->flags = one_in(w, 2) ? VXC_COMMAND_WANT_OLD : 0;
    if (c->op >= VXC_OP_COUNTER_CREATE) {
        c->a = one_in(w, 8) ? INT64_MAX : (int64_t)roll(w, 3) - 1;
        c->b = roll(w, 3);
    } else if (one_in(w, 3)) {
        c->a = one_in(w, 10) ? -1 : (int64_t)roll(w, 40);
    }
}

static void fill_multimap(struct world *w, struct vxc_command *c)
{
    static const uint16_t ops[] = {VXC_OP_MULTIMAP_PUT,    VXC_OP_MULTIMAP_PUT,
                                   VXC_OP_MULTIMAP_PUT,    VXC_OP_MULTIMAP_REMOVE,
                                   VXC_OP_MULTIMAP_REMOVE, VXC_OP_MULTIMAP_REMOVE_KEY};

    c->op = ops[roll(w, 6)];
    if (one_in(w, 25)) {
        c->op = (uint16_t)(VXC_OP_MULTIMAP_CREATE + 4 * roll(w, 2));
        c->op = one_in(w, 3) ? VXC_OP_MULTIMAP_DESTROY : c->op;
    }
    c->name = any_name(w);
    c->key = any_key(w);
    c->value = any_value(w);
}

static void fill_lock(struct world *w, struct vxc_command *c)
{
    static const uint16_t ops[] = {VXC_OP_LOCK_ACQUIRE, VXC_OP_LOCK_ACQUIRE, VXC_OP_LOCK_RELEASE,
                                   VXC_OP_LOCK_RELEASE, VXC_OP_LOCK_CANCEL,  VXC_OP_LOCK_CREATE,
                                   VXC_OP_LOCK_DESTROY};

    c->op = ops[roll(w, 7)];
    c->name = one_letter(w, "xyz");
    if (c->op == VXC_OP_LOCK_ACQUIRE) {
        c->a = one_in(w, 4) ? (int64_t)roll(w, 3) - 2 : (int64_t)roll(w, 60);
        c->b = c->sequence == 0 || one_in(w, 2) ? ++w->next_sequence : 0;
    } else if (c->op == VXC_OP_LOCK_CANCEL) {
        c->b = w->next_sequence - roll(w, 12);
    } else if (c->op == VXC_OP_LOCK_RELEASE && one_in(w, 10)) {
        c->b = roll(w, 100) + 1;
    }
}

static void fill_registration(struct world *w, struct vxc_command *c)
{
    c->op = one_in(w, 3) ? VXC_OP_REGISTRATION_REMOVE : VXC_OP_REGISTRATION_ADD;
    c->name = one_letter(w, "pq");
    c->key = one_letter(w, "nm");
    c->a = roll(w, 3);
    c->value = any_value(w);
}

static void fill_member(struct world *w, struct vxc_command *c)
{
    static const uint8_t lives[4][8] = {{1}, {2}, {3}, {4, 1}};

    c->op = one_in(w, 12) ? VXC_OP_MEMBER_FORGET : VXC_OP_MEMBER_SET;
    c->a = roll(w, 30); /* 0 is none */
    c->session = c->sequence = c->floor = 0;
    if (c->op == VXC_OP_MEMBER_SET) {
        c->b = roll(w, 3);
        c->name = one_in(w, 4) ? vxc_slice(NULL, 0) : one_letter(w, "abc");
        c->value = one_in(w, 3) ? vxc_slice(NULL, 0) : vxc_slice(lives[roll(w, 4)], 8);
    }
}

static void fill_other(struct world *w, struct vxc_command *c)
{
    static const uint8_t secret[16] = {1, 2, 3};
    uint32_t choice = roll(w, 8);

    if (choice > 5 && model_session_count(w->model) >= SESSIONS_MAX) {
        choice = 1;
    }
    switch (choice) {
    case 0:
        c->op = VXC_OP_NAMESPACE_ENSURE;
        c->name = any_name(w);
        break;
    case 1:
        c->op = VXC_OP_SESSION_EXPIRE;
        c->a = (int64_t)model_session(w->model, roll(w, 100));
        c->b = one_in(w, 2) ? 0 : w->index - roll(w, 20) % (w->index + 1);
        c->session = 0;
        break;
    case 2:
        c->op = one_in(w, 3) ? VXC_OP_SESSION_CLOSE : VXC_OP_CHECKPOINT;
        break;
    case 3:
        c->op = one_in(w, 4) ? VXC_OP_WATCH_REMOVE : VXC_OP_WATCH_ADD;
        c->a = c->op == VXC_OP_WATCH_REMOVE ? (int64_t)roll(w, 400) : 1 + roll(w, 7);
        c->name = c->a == VXC_WATCH_MEMBERS || c->op == VXC_OP_WATCH_REMOVE ? vxc_slice(NULL, 0)
                                                                            : any_name(w);
        break;
    case 4:
        c->op = one_in(w, 4) ? VXC_OP_NODE_LEAVE : VXC_OP_NODE_JOIN;
        c->key = one_letter(w, "nm");
        break;
    case 5:
        c->op = VXC_OP_NODE_SET_INFO;
        c->value = any_value(w);
        break;
    default:
        c->op = VXC_OP_SESSION_OPEN;
        c->session = 0;
        c->value = vxc_slice(secret, 16);
        c->a = 1000;
        break;
    }
    if (c->op == VXC_OP_SESSION_CLOSE && c->session == 0) {
        c->op = VXC_OP_CHECKPOINT;
    }
    if (c->session == 0) {
        c->sequence = 0;
        c->floor = 0;
    }
}

/* What a nested command of a list is. */
enum nested { COMPARE, OPERATION, SYNCED, REGISTERED };

static void fill_nested(struct world *w, enum nested what, struct vxc_command *c)
{
    switch (what) {
    case COMPARE:
        fill_data(w, c);
        c->op = one_in(w, 2) ? VXC_OP_MAP_GET : VXC_OP_COUNTER_GET;
        c->flags = 1 + roll(w, 2);
        break;
    case OPERATION:
        fill_data(w, c);
        if (one_in(w, 4)) {
            c->op = one_in(w, 2) ? VXC_OP_MAP_GET : VXC_OP_MAP_SIZE;
        }
        break;
    case SYNCED:
        if (one_in(w, 6)) {
            c->op = one_in(w, 2) ? VXC_OP_LOCK_CREATE : VXC_OP_LOCK_DESTROY;
            c->name = one_letter(w, "xyz");
        } else if (one_in(w, 2)) {
            fill_multimap(w, c);
        } else {
            fill_data(w, c);
        }
        break;
    case REGISTERED:
        fill_registration(w, c);
        c->op = VXC_OP_REGISTRATION_ADD;
        break;
    }
}

static struct vxc_slice any_list(struct world *w, struct vxc_buffer *out, enum nested what)
{
    uint32_t count = roll(w, 4);
    struct vxc_buffer item = {0};

    vxc_buffer_clear(out);
    assert_int_equal(vxc_buffer_put_u32(out, count), 0);
    for (uint32_t i = 0; i < count; i++) {
        struct vxc_command c = {0};
        fill_nested(w, what, &c);
        vxc_buffer_clear(&item);
        assert_int_equal(vxc_command_encode(&c, &item), 0);
        assert_int_equal(vxc_buffer_put_bytes(out, vxc_buffer_slice(&item)), 0);
    }
    vxc_buffer_free(&item);
    return vxc_buffer_slice(out);
}

/* Adds a new random command to the entry. */
static void add_command(struct world *w, struct vxc_buffer *entry)
{
    struct vxc_buffer lists[3] = {{0}, {0}, {0}};
    struct vxc_command c = {.namespace_id = w->spaces[roll(w, 3)]};
    uint32_t kind = roll(w, 21);

    if (one_in(w, 2)) {
        c.session = one_in(w, 20) ? 999999 : model_session(w->model, roll(w, 100));
        c.sequence = c.session != 0 && !one_in(w, 4) ? ++w->next_sequence : 0;
        c.floor = c.sequence > 40 && one_in(w, 4) ? c.sequence - 1 - roll(w, 40) : 0;
    }
    if (kind < 9) {
        fill_data(w, &c);
    } else if (kind < 13) {
        fill_multimap(w, &c);
    } else if (kind < 16) {
        fill_lock(w, &c);
    } else if (kind == 16) {
        fill_registration(w, &c);
        if (one_in(w, 4)) {
            c = (struct vxc_command){.op = VXC_OP_REGISTRATION_RESYNC,
                                     .namespace_id = c.namespace_id,
                                     .session = c.session,
                                     .sequence = c.sequence,
                                     .floor = c.floor,
                                     .value = any_list(w, &lists[0], REGISTERED)};
        }
    } else if (kind == 17) {
        c.op = VXC_OP_TRANSACTION;
        c.key = any_list(w, &lists[0], COMPARE);
        c.value = any_list(w, &lists[1], OPERATION);
        c.expect = any_list(w, &lists[2], OPERATION);
    } else if (kind == 18 && one_in(w, 2)) {
        c.op = VXC_OP_STATE_SYNC;
        c.a = roll(w, SYNC_IDS); /* many come twice */
        c.value = any_list(w, &lists[0], SYNCED);
    } else if (kind == 18) {
        fill_member(w, &c);
    } else {
        fill_other(w, &c);
    }
    assert_int_equal(vxc_entry_add(entry, &c), 0);
    if (c.sequence != 0) {
        struct vxc_buffer *kept = &w->sent[w->sent_count++ % SENT_MAX];
        vxc_buffer_clear(kept);
        assert_int_equal(vxc_command_encode(&c, kept), 0);
    }
    for (int i = 0; i < 3; i++) {
        vxc_buffer_free(&lists[i]);
    }
}

/* Adds a command that was sent before, as a client does that got no answer. */
static void add_again(struct world *w, struct vxc_buffer *entry)
{
    unsigned kept = w->sent_count < SENT_MAX ? w->sent_count : SENT_MAX;
    struct vxc_command c;

    if (kept == 0) {
        c = (struct vxc_command){.op = VXC_OP_CHECKPOINT};
    } else {
        const struct vxc_buffer *bytes = &w->sent[roll(w, kept)];
        assert_int_equal(vxc_command_decode(vxc_buffer_slice(bytes), &c), 0);
    }
    assert_int_equal(vxc_entry_add(entry, &c), 0);
}

/* ---- comparing with the model ---- */

static int compare_items(const void *a, const void *b)
{
    return vxc_slice_compare(*(const struct vxc_slice *)a, *(const struct vxc_slice *)b);
}

/* Lists as multisets of rows: `width` items of a row stand together. */
static void assert_same_rows(struct vxc_slice real, struct vxc_slice model, unsigned width)
{
    struct vxc_slice lists[2] = {real, model}, rest, item;
    struct vxc_slice *rows[2];
    uint32_t counts[2];

    for (int i = 0; i < 2; i++) {
        assert_int_equal(vxc_list_read_head(lists[i], &counts[i], &rest), 0);
        rows[i] = calloc(counts[i] + 1, sizeof *rows[i]);
        for (uint32_t n = 0; n < counts[i]; n += width) {
            const uint8_t *start = rest.data;
            for (unsigned k = 0; k < width; k++) {
                assert_int_equal(vxc_list_next(&rest, &item), 0);
            }
            rows[i][n / width] = vxc_slice(start, (size_t)(item.data + item.size - start));
        }
        qsort(rows[i], counts[i] / width, sizeof *rows[i], compare_items);
    }
    assert_int_equal(counts[0], counts[1]);
    for (uint32_t n = 0; n < counts[0] / width; n++) {
        assert_true(vxc_slice_equal(rows[0][n], rows[1][n]));
    }
    free(rows[0]);
    free(rows[1]);
}

static void assert_same_answer(const struct world *w, const struct vxc_command *c,
                               const struct vxc_result *real, const struct vxc_result *model)
{
    bool same = real->code == model->code && real->found == model->found &&
                real->replayed == model->replayed && real->number == model->number &&
                real->token == model->token &&
                (real->value.data == NULL) == (model->value.data == NULL) &&
                vxc_slice_equal(real->value, model->value);

    if (!same) {
        struct vxc_buffer line = {0};
        assert_int_equal(vxc_command_describe(c, &line), 0);
        fail_msg("index %llu: %.*s\nanswer: code %d found %d replayed %d number %lld token %llu "
                 "value %zu"
                 "\nmodel:  code %d found %d replayed %d number %lld token %llu value %zu",
                 (unsigned long long)w->index, (int)line.size, (const char *)line.data, real->code,
                 real->found, real->replayed, (long long)real->number,
                 (unsigned long long)real->token, real->value.size, model->code, model->found,
                 model->replayed, (long long)model->number, (unsigned long long)model->token,
                 model->value.size);
    }
}

/* The fast node's answers to the entry against the model's. */
static void check_entry(struct world *w, struct vxc_slice entry)
{
    struct vxc_slice rest, answers = vxc_buffer_slice(&w->fast.answers), bytes, answer;
    struct vxc_entry_head head;

    assert_int_equal(vxc_entry_read_head(entry, &head, &rest), 0);
    model_begin_entry(w->model, w->index, w->stamp_ms);
    for (uint32_t i = 0; i < head.count; i++) {
        struct model_result expected = {0};
        struct vxc_command c;
        struct vxc_result real;
        assert_int_equal(vxc_entry_next(&rest, &bytes), 0);
        assert_int_equal(vxc_command_decode(bytes, &c), 0);
        assert_int_equal(vxc_list_next(&answers, &answer), 0);
        assert_int_equal(vxc_result_decode(vxc_slice(answer.data + 1, answer.size - 1), &real), 0);
        real.replayed = answer.data[0] != 0;
        model_apply(w->model, &c, &real, &expected);
        assert_same_answer(w, &c, &real, &expected.result);
        assert_int_equal(real.index, expected.result.index);
        vxc_buffer_free(&expected.value);
        if (c.op == VXC_OP_NAMESPACE_ENSURE && real.code == 0 && real.number != 0) {
            w->spaces[1 + roll(w, 2)] = (uint64_t)real.number;
        }
    }
    assert_int_equal(answers.size, 0);
}

/* Collects all pages of a scan into one list. */
static void ask_all_pages(struct world *w, struct node *node, struct vxc_command *q,
                          struct vxc_buffer *list)
{
    struct vxc_slice *cursor_field = q->op == VXC_OP_MULTIMAP_GET ? &q->expect : &q->key;
    struct vxc_buffer cursor = {0};
    struct vxc_result page;
    uint32_t count;
    struct vxc_slice rest;

    vxc_buffer_clear(list);
    assert_int_equal(vxc_buffer_put_u32(list, 0), 0);
    do {
        q->b = (uint64_t)roll(w, 5) << 32 | (one_in(w, 3) ? 1 + roll(w, 50) : 0);
        vxc_fsm_query(node->fsm, q, &page);
        assert_int_equal(page.code, 0);
        assert_int_equal(vxc_list_read_head(page.value, &count, &rest), 0);
        assert_true(page.next.data == NULL || count > 0);
        assert_int_equal(vxc_buffer_append(list, rest.data, rest.size), 0);
        vxc_store_u32(list->data, vxc_load_u32(list->data) + count);
        vxc_buffer_clear(&cursor);
        assert_int_equal(vxc_buffer_append(&cursor, page.next.data, page.next.size), 0);
        *cursor_field = page.next.data == NULL ? page.next : vxc_buffer_slice(&cursor);
    } while (cursor_field->data != NULL);
    vxc_buffer_free(&cursor);
}

static void check_lists(struct world *w, struct node *node)
{
    static const uint16_t ops[] = {VXC_OP_MAP_SCAN,     VXC_OP_SET_SCAN,    VXC_OP_MULTIMAP_SCAN,
                                   VXC_OP_MAP_LIST,     VXC_OP_SET_LIST,    VXC_OP_MULTIMAP_LIST,
                                   VXC_OP_COUNTER_LIST, VXC_OP_MULTIMAP_GET};
    struct vxc_command q = {.op = ops[roll(w, 8)],
                            .namespace_id = w->spaces[roll(w, 3)],
                            .name = any_name(w),
                            .a = 1 + roll(w, 3)};
    bool list = q.op == VXC_OP_MAP_LIST || q.op == VXC_OP_SET_LIST ||
                q.op == VXC_OP_MULTIMAP_LIST || q.op == VXC_OP_COUNTER_LIST;
    bool pairs =
        list || (q.a == VXC_SCAN_ENTRIES && q.op != VXC_OP_SET_SCAN && q.op != VXC_OP_MULTIMAP_GET);
    struct vxc_command model_q = q;
    struct model_result expected = {0};
    struct vxc_buffer real = {0};

    if (q.op == VXC_OP_MULTIMAP_GET) {
        q.key = model_q.key = any_key(w);
    }
    ask_all_pages(w, node, &q, &real);
    model_query(w->model, &model_q, &expected);
    assert_same_rows(vxc_buffer_slice(&real), expected.result.value, pairs ? 2 : 1);
    vxc_buffer_free(&real);
    vxc_buffer_free(&expected.value);
}

static void check_query(struct world *w, struct node *node)
{
    static const uint16_t ops[] = {
        VXC_OP_MAP_GET,
        VXC_OP_MAP_CONTAINS,
        VXC_OP_MAP_SIZE,
        VXC_OP_SET_CONTAINS,
        VXC_OP_SET_SIZE,
        VXC_OP_MULTIMAP_CONTAINS_KEY,
        VXC_OP_MULTIMAP_SIZE,
        VXC_OP_MULTIMAP_CONTAINS_VALUE,
        VXC_OP_MULTIMAP_CONTAINS_ENTRY,
        VXC_OP_MULTIMAP_KEY_SIZE,
        VXC_OP_COUNTER_GET,
        VXC_OP_NAMESPACE_FIND,
        VXC_OP_LOCK_INFO,
        VXC_OP_LOCK_HELD,
        VXC_OP_REGISTRATION_GET,
    };
    struct vxc_command q = {.op = ops[roll(w, 15)],
                            .namespace_id = w->spaces[roll(w, 3)],
                            .name = any_name(w),
                            .key = any_key(w),
                            .value = any_value(w)};
    struct model_result expected = {0};
    struct vxc_result real;

    if (q.op == VXC_OP_LOCK_INFO || q.op == VXC_OP_LOCK_HELD) {
        q.name = one_letter(w, "xyz");
        q.key = vxc_slice(NULL, 0);
        q.session = model_session(w->model, roll(w, 100));
    } else if (q.op == VXC_OP_REGISTRATION_GET) {
        q.name = one_letter(w, "pq");
    }
    vxc_fsm_query(node->fsm, &q, &real);
    model_query(w->model, &q, &expected);
    if (q.op == VXC_OP_LOCK_INFO) {
        real.value = expected.result.value; /* records: tests of locks look at them */
    }
    assert_same_answer(w, &q, &real, &expected.result);
    vxc_buffer_free(&expected.value);
}

static void check_members(struct world *w, struct node *node)
{
    const struct model_member *expected;
    struct vxc_member_view view;

    for (unsigned i = 0; (expected = model_member(w->model, i)) != NULL; i++) {
        assert_int_equal(vxc_fsm_member(node->fsm, expected->id, &view), 0);
        assert_true(view.incarnation == expected->incarnation);
        assert_true(view.life == expected->life);
        assert_int_equal(view.gone, expected->gone);
        assert_true(vxc_slice_equal(view.address, expected->address));
    }
}

/* ---- faults and checkpoints ---- */

/* Loses all that is not in LMDB, and replays. */
static void crash(struct world *w, struct node *node)
{
    const struct vxc_store_meta *meta;
    uint64_t first;
    uint32_t skip;

    node_drop(node);
    node_open(node);
    meta = vxc_store_meta(node->store);
    first = meta->applied_index + 1;
    skip = meta->applied_position;
    assert_int_equal(vxc_fsm_applied_index(node->fsm), meta->applied_index);
    for (uint64_t index = first; index <= w->index; index++) {
        const struct record *record = &w->log[index - 1];
        struct vxc_slice answers = vxc_buffer_slice(&record->answers), answer;
        node_apply(node, index, vxc_buffer_slice(&record->entry), skip);
        for (; skip > 0; skip--) {
            assert_int_equal(vxc_list_next(&answers, &answer), 0);
        }
        assert_true(vxc_slice_equal(answers, vxc_buffer_slice(&node->answers)));
    }
}

static void check_digests(struct world *w)
{
    struct node *const nodes[] = {&w->fast, &w->each, &w->small};

    for (int i = 0; i < 3; i++) {
        node_freeze(nodes[i]);
        node_collect(nodes[i]);
        assert_int_equal(vxc_store_meta(nodes[i]->store)->applied_index, w->index);
        assert_true(vxc_store_digest(nodes[i]->store) == vxc_store_digest(w->fast.store));
        check_members(w, nodes[i]);
    }
}

static void cause_trouble(struct world *w)
{
    if (one_in(w, 8)) {
        node_freeze(&w->fast); /* collected later: new writes go on beside the frozen rows */
    } else if (one_in(w, 6)) {
        node_collect(&w->fast);
    }
    if (one_in(w, 3)) {
        node_freeze(&w->small);
    } else if (one_in(w, 3)) {
        node_collect(&w->small);
    }
    if (one_in(w, 60)) {
        crash(w, &w->fast);
    }
    if (one_in(w, 25)) {
        crash(w, &w->small);
    }
    if (w->each.lost_from != UINT32_MAX) {
        w->each.lost_from = UINT32_MAX;
        crash(w, &w->each);
    }
    if (one_in(w, 20)) {
        check_digests(w);
    }
}

/* ---- a run ---- */

/* Applies the newest entry and holds the node to what the fast one answered and told. */
static void apply_alike(struct world *w, struct node *node, struct vxc_slice entry)
{
    node_apply(node, w->index, entry, 0);
    assert_true(
        vxc_slice_equal(vxc_buffer_slice(&w->fast.answers), vxc_buffer_slice(&node->answers)));
    assert_int_equal(w->fast.event_count, node->event_count);
    assert_true(w->fast.event_hash == node->event_hash);
}

static void step(struct world *w)
{
    struct record *record = &w->log[w->index++];
    uint32_t count = roll(w, COMMANDS_MAX + 1);

    w->stamp_ms += one_in(w, 3) ? roll(w, 30) : 0;
    assert_int_equal(vxc_entry_begin(&record->entry), 0);
    for (uint32_t i = 0; i < count; i++) {
        if (one_in(w, 12)) {
            add_again(w, &record->entry);
        } else {
            add_command(w, &record->entry);
        }
    }
    vxc_entry_finish(&record->entry, w->stamp_ms, count);
    if (count > 1 && one_in(w, 30)) {
        w->each.lost_from = roll(w, count);
    }
    node_apply(&w->fast, w->index, vxc_buffer_slice(&record->entry), 0);
    check_entry(w, vxc_buffer_slice(&record->entry));
    apply_alike(w, &w->each, vxc_buffer_slice(&record->entry));
    apply_alike(w, &w->small, vxc_buffer_slice(&record->entry));
    assert_int_equal(vxc_fsm_time_ms(w->fast.fsm), w->stamp_ms);
    assert_int_equal(
        vxc_buffer_append(&record->answers, w->fast.answers.data, w->fast.answers.size), 0);
    cause_trouble(w);
    check_query(w, &w->fast);
    check_query(w, one_in(w, 2) ? &w->fast : &w->each);
    check_lists(w, one_in(w, 4) ? &w->each : &w->fast);
}

static int remove_one(const char *path, const struct stat *info, int type, struct FTW *ftw)
{
    (void)info;
    (void)type;
    (void)ftw;
    return remove(path);
}

static void make_node(struct world *w, struct node *node, size_t clean_bytes)
{
    /* In memory where there is such a folder: a commit per command is slow on a disk, and what a
     * disk keeps over a power cut is not the matter here. */
    const char *base = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : getenv("TMPDIR");

    (void)snprintf(node->folder, sizeof node->folder, "%s/vxc-model-XXXXXX",
                   base == NULL ? "/tmp" : base);
    assert_non_null(mkdtemp(node->folder));
    node->lost_from = UINT32_MAX;
    node->clean_bytes = clean_bytes;
    node->digests = w->digests;
    node_open(node);
}

static void remove_node(struct node *node)
{
    node_drop(node);
    vxc_buffer_free(&node->answers);
    assert_int_equal(nftw(node->folder, remove_one, 8, FTW_DEPTH | FTW_PHYS), 0);
}

static void run(uint64_t seed, uint64_t steps)
{
    struct world *w = calloc(1, sizeof *w);

    print_message("seed %llu, %llu entries\n", (unsigned long long)seed, (unsigned long long)steps);
    assert_non_null(w);
    w->random = seed * 0x9e3779b97f4a7c15ull + 1;
    w->each.each = true;
    memset(w->long_key, 'L', sizeof w->long_key);
    w->long_key[1][599] = 'M';
    w->log = calloc(steps, sizeof *w->log);
    assert_non_null(w->log);
    w->digests = calloc(steps + 1, sizeof *w->digests);
    assert_non_null(w->digests);
    w->model = model_create();
    make_node(w, &w->fast, CLEAN_BYTES);
    make_node(w, &w->each, CLEAN_BYTES);
    make_node(w, &w->small, CLEAN_BYTES_SMALL);
    while (w->index < steps) {
        step(w);
    }
    check_digests(w);
    remove_node(&w->fast);
    remove_node(&w->each);
    remove_node(&w->small);
    model_free(w->model);
    for (uint64_t i = 0; i < steps; i++) {
        vxc_buffer_free(&w->log[i].entry);
        vxc_buffer_free(&w->log[i].answers);
    }
    for (int i = 0; i < SENT_MAX; i++) {
        vxc_buffer_free(&w->sent[i]);
    }
    free(w->log);
    free(w->digests);
    free(w);
}

static uint64_t from_environment(const char *name, uint64_t otherwise)
{
    const char *text = getenv(name);

    return text == NULL ? otherwise : strtoull(text, NULL, 10);
}

static void all_answer_as_the_model_and_agree(void **state)
{
    uint64_t seed = from_environment("VXC_MODEL_SEED", 0);
    uint64_t steps = from_environment("VXC_MODEL_STEPS", STEPS_DEFAULT);

    (void)state;
    assert_in_range(steps, 1, STEPS_MAX);
    if (seed != 0) {
        run(seed, steps);
        return;
    }
    for (seed = 1; seed <= SEEDS_DEFAULT; seed++) {
        run(seed, steps);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_answer_as_the_model_and_agree),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
