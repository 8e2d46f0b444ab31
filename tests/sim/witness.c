#include "witness.h"

#include "base/check.h"
#include "check.h"
#include "members.h"
#include "queues.h"
#include "unit/fsm/model.h"
#include "versions.h"
#include "world.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAP_SIZE = 256 * 1024 * 1024, CLEAN_BYTES = 64 * 1024 * 1024, COMMANDS_MAX = 4096 };

/* An entry as some node's log had it. */
struct variant {
    struct variant *next; /* of the same index, with another term */
    uint64_t term;
    uint16_t type;
    size_t size;
    uint8_t bytes[];
};

struct session_events {
    uint64_t session;
    struct event_seen *events;
    size_t count, room;
};

struct witness {
    struct world *world;
    struct variant **entries; /* by index */
    uint64_t *terms;          /* by index, of the one that was applied */
    size_t room;
    uint64_t applied;

    struct vxc_store *store;
    struct vxc_table *table;
    struct vxc_fsm *fsm;
    struct model *model;
    struct vxc_command commands[COMMANDS_MAX]; /* of the entry being replayed */
    uint32_t command_count;

    struct outcome *outcomes; /* hash by session and sequence */
    size_t outcome_count, outcome_room;
    struct versions *versions;
    struct queues *queues;
    struct session_events *sessions; /* by session id, rising */
    size_t session_count, session_room;
};

static void *must(void *memory)
{
    if (memory == NULL) {
        sim_broken("out of memory");
    }
    return memory;
}

uint64_t witness_hash(struct vxc_slice bytes)
{
    uint64_t h = 0xcbf29ce484222325u; /* FNV-1a */

    for (size_t i = 0; i < bytes.size; i++) {
        h = (h ^ bytes.data[i]) * 0x100000001b3u;
    }
    return h;
}

uint64_t witness_hash_event(struct vxc_slice name, struct vxc_slice key, struct vxc_slice value)
{
    return witness_hash(name) * 31 + witness_hash(key) * 7 + witness_hash(value);
}

uint64_t witness_hash_registration(uint64_t before, struct vxc_slice node_id, uint64_t seq,
                                   struct vxc_slice data)
{
    return before * 0x9e3779b97f4a7c15u + witness_hash(node_id) * 31 + seq * 7 +
           witness_hash(data) + 1;
}

/* ---- outcomes ---- */

static struct outcome *outcome_place(const struct witness *w, uint64_t session, uint64_t sequence)
{
    size_t at = (size_t)((session * 0x9e3779b97f4a7c15u + sequence * 0xc2b2ae3d27d4eb4fu) >> 20) &
                (w->outcome_room - 1);

    while (w->outcomes[at].session != 0 &&
           (w->outcomes[at].session != session || w->outcomes[at].sequence != sequence)) {
        at = (at + 1) & (w->outcome_room - 1);
    }
    return &w->outcomes[at];
}

static void outcomes_grow(struct witness *w)
{
    struct outcome *old = w->outcomes;
    const size_t room = w->outcome_room;

    w->outcome_room = room == 0 ? 4096 : 2 * room;
    w->outcomes = must(calloc(w->outcome_room, sizeof *w->outcomes));
    for (size_t i = 0; i < room; i++) {
        if (old[i].session != 0) {
            *outcome_place(w, old[i].session, old[i].sequence) = old[i];
        }
    }
    free(old);
}

const struct outcome *witness_outcome(const struct witness *w, uint64_t session, uint64_t sequence)
{
    const struct outcome *outcome = outcome_place(w, session, sequence);

    return outcome->session == 0 ? NULL : outcome;
}

static void note_acquire(struct witness *w, const struct vxc_command *c,
                         const struct vxc_result *result)
{
    if (result->code == 0 && result->found) {
        queues_take_token(w->queues, c->session, result->token);
    } else if (result->code == 0 && result->number > 0) {
        queues_wait(w->queues, witness_hash(c->name) ^ c->namespace_id, c->session, c->sequence);
    }
}

static void note_outcome(struct witness *w, const struct vxc_command *c,
                         const struct vxc_result *result)
{
    struct outcome *outcome;

    if (c->session == 0 || c->sequence == 0 || result->replayed) {
        return;
    }
    if (2 * w->outcome_count >= w->outcome_room) {
        outcomes_grow(w);
    }
    outcome = outcome_place(w, c->session, c->sequence);
    if (outcome->session != 0) {
        if (result->code != VXC_ESEQUENCE && result->code != VXC_ESESSION) {
            sim_violation(w->world,
                          "exactly once: sequence %" PRIu64 " of session %" PRIu64
                          " took effect at %" PRIu64 " and again at %" PRIu64,
                          c->sequence, c->session, outcome->index, result->index);
        }
        return;
    }
    if (c->op == VXC_OP_LOCK_ACQUIRE) {
        note_acquire(w, c, result);
    }
    w->outcome_count++;
    *outcome = (struct outcome){
        .session = c->session,
        .sequence = c->sequence,
        .index = w->applied,
        .op = c->op,
        .queued = c->op == VXC_OP_LOCK_ACQUIRE && result->code == 0 && !result->found &&
                  result->number > 0,
        .found = result->found,
        .has_value = result->value.data != NULL,
        .code = result->code,
        .number = result->number,
        .token = result->token,
        .value = result->value.data == NULL ? 0 : witness_hash(result->value),
    };
}

/* ---- events ---- */

static struct session_events *events_of(struct witness *w, uint64_t session)
{
    size_t at = w->session_count;

    while (at > 0 && w->sessions[at - 1].session > session) {
        at--;
    }
    if (at > 0 && w->sessions[at - 1].session == session) {
        return &w->sessions[at - 1];
    }
    if (w->session_count == w->session_room) {
        w->session_room = w->session_room == 0 ? 64 : 2 * w->session_room;
        w->sessions = must(realloc(w->sessions, w->session_room * sizeof *w->sessions));
    }
    memmove(&w->sessions[at + 1], &w->sessions[at],
            (w->session_count - at) * sizeof w->sessions[0]);
    w->session_count++;
    w->sessions[at] = (struct session_events){.session = session};
    return &w->sessions[at];
}

const struct event_seen *witness_events(const struct witness *w, uint64_t session, size_t *count)
{
    for (size_t i = w->session_count; i-- > 0;) {
        if (w->sessions[i].session == session) {
            *count = w->sessions[i].count;
            return w->sessions[i].events;
        }
    }
    *count = 0;
    return NULL;
}

static void note_lock_event(struct witness *w, const struct vxc_event *e)
{
    struct outcome *outcome = outcome_place(w, e->session, e->ticket);

    if (outcome->session == 0 || !outcome->queued) {
        sim_violation(w->world,
                      "lock: session %" PRIu64 " is told of ticket %" PRIu64
                      ", which does not wait",
                      e->session, e->ticket);
    }
    if (e->type == VXC_EVENT_LOCK_GRANTED) {
        queues_grant(w->queues, w->fsm, e->session, e->ticket);
        queues_take_token(w->queues, e->session, e->token);
    } else {
        queues_leave(w->queues, e->session, e->ticket);
    }
    outcome->queued = false;
    outcome->number = 0;
    outcome->found = e->type == VXC_EVENT_LOCK_GRANTED;
    outcome->token = e->token;
    outcome->code = e->type == VXC_EVENT_LOCK_CANCELED ? VXC_ECANCELED : 0;
}

static uint64_t hash_of_list(struct vxc_slice view)
{
    struct vxc_list list;
    struct vxc_slice node_id;
    struct vxc_slice second; /* seq u64, data */
    uint64_t hash = 0;

    if (vxc_list_read_items(view, &list) != 0) {
        return 0;
    }
    while (vxc_list_next_item(&list, &node_id) && vxc_list_next_item(&list, &second)) {
        hash = witness_hash_registration(hash, node_id, vxc_load_u64(second.data),
                                         vxc_slice(second.data + 8, second.size - 8));
    }
    return hash;
}

static void on_event(void *data, const struct vxc_event *e)
{
    struct witness *w = data;
    struct session_events *s;

    if (e->type == VXC_EVENT_LOCK_GRANTED || e->type == VXC_EVENT_LOCK_TIMEOUT ||
        e->type == VXC_EVENT_LOCK_CANCELED) {
        note_lock_event(w, e);
        return;
    }
    if (e->kind == 0) {
        return;
    }
    s = events_of(w, e->session);
    if (s->count == s->room) {
        s->room = s->room == 0 ? 64 : 2 * s->room;
        s->events = must(realloc(s->events, s->room * sizeof *s->events));
    }
    s->events[s->count++] = (struct event_seen){
        .index = e->index,
        .ordinal = e->ordinal,
        .watch = e->watch,
        .token = e->token,
        .number = e->number,
        .hash = witness_hash_event(e->name, e->key, e->value),
        .address = e->type == VXC_EVENT_REGISTRATIONS ? witness_hash(e->name) : 0,
        .list = e->type == VXC_EVENT_REGISTRATIONS ? hash_of_list(e->view) : 0,
        .type = (uint32_t)e->type,
    };
}

/* ---- results ---- */

static void ask_model(struct witness *w, const struct vxc_command *c, const struct vxc_result *real)
{
    struct model_result expected = {0};
    const struct vxc_result *model = &expected.result;

    model_apply(w->model, c, real, &expected);
    if (real->code != model->code || real->found != model->found ||
        real->replayed != model->replayed || real->number != model->number ||
        real->token != model->token || (real->value.data == NULL) != (model->value.data == NULL) ||
        !vxc_slice_equal(real->value, model->value)) {
        sim_violation(
            w->world,
            "state machine: %s at entry %" PRIu64 " (session %" PRIu64 ", sequence %" PRIu64
            "): code %d found %d replayed %d number %" PRId64 " token %" PRIu64
            ", the model says code %d found %d replayed %d number %" PRId64 " token %" PRIu64,
            vxc_op_name(c->op), w->applied, c->session, c->sequence, real->code, real->found,
            real->replayed, real->number, real->token, model->code, model->found, model->replayed,
            model->number, model->token);
    }
    vxc_buffer_free(&expected.value);
}

static void trace_result(const struct witness *w, uint32_t position, const struct vxc_result *r)
{
    struct vxc_buffer line = {0};

    if (w->world->options.trace && vxc_command_describe(&w->commands[position], &line) == 0) {
        printf("  %" PRIu64 ".%u %.*s -> code %d found %d number %" PRId64 " token %" PRIu64 "%s\n",
               w->applied, position, (int)line.size, (const char *)line.data, r->code, r->found,
               r->number, r->token, r->replayed ? " replayed" : "");
    }
    vxc_buffer_free(&line);
}

static void on_result(void *data, uint32_t position, const struct vxc_result *result)
{
    struct witness *w = data;
    const struct vxc_command *c = &w->commands[position];

    vxc_check(position < w->command_count);
    trace_result(w, position, result);
    ask_model(w, c, result);
    note_outcome(w, c, result);
    if (result->code == 0 && !result->replayed) {
        versions_note(w->versions, w->applied, position + 1, c, result);
    }
}

/* ---- replay ---- */

static void decode_commands(struct witness *w, struct vxc_slice entry)
{
    struct vxc_entry_head head;
    struct vxc_slice rest, bytes;

    vxc_check(vxc_entry_read_head(entry, &head, &rest) == 0);
    vxc_check(head.count <= COMMANDS_MAX);
    w->command_count = head.count;
    for (uint32_t i = 0; i < head.count; i++) {
        vxc_check(vxc_entry_next(&rest, &bytes) == 0);
        vxc_check(vxc_command_decode(bytes, &w->commands[i]) == 0);
    }
    model_begin_entry(w->model, w->applied, head.stamp_ms);
    versions_begin_entry(w->versions, w->applied, head.stamp_ms);
}

static void replay(struct witness *w, uint64_t index, const struct variant *entry)
{
    const struct vxc_slice bytes = vxc_slice(entry->bytes, entry->size);
    struct vxc_error err = {0};

    w->applied = index;
    w->terms[index] = entry->term;
    w->world->counts.entries++;
    if (entry->type != VXC_LOG_COMMAND) {
        if (entry->type == VXC_LOG_CHANGE) {
            struct vxc_configuration configuration;

            vxc_check(vxc_configuration_decode(bytes, &configuration) == 0);
            members_committed(w->world, &configuration);
            w->world->counts.changes += index > 1;
        }
        vxc_fsm_pass(w->fsm, index, entry->term);
        return;
    }
    decode_commands(w, bytes);
    if (vxc_fsm_apply(w->fsm, index, entry->term, bytes, false, 0, NULL, NULL, &err) != 0) {
        sim_violation(w->world, "entry %" PRIu64 " cannot be applied: %s", index, err.text);
    }
    vxc_table_end_turn(w->table);
}

/* ---- what nodes have ---- */

static void make_room(struct witness *w, uint64_t index)
{
    const size_t room = w->room;

    if (index < room) {
        return;
    }
    w->room = room == 0 ? 4096 : 2 * room;
    w->entries = must(realloc(w->entries, w->room * sizeof *w->entries));
    w->terms = must(realloc(w->terms, w->room * sizeof *w->terms));
    memset(w->entries + room, 0, (w->room - room) * sizeof *w->entries);
    memset(w->terms + room, 0, (w->room - room) * sizeof *w->terms);
}

static struct variant *find_variant(const struct witness *w, uint64_t index, uint64_t term)
{
    struct variant *v = index < w->room ? w->entries[index] : NULL;

    while (v != NULL && v->term != term) {
        v = v->next;
    }
    return v;
}

/* Log matching: an index and a term mean one entry, wherever it is. */
static void compare_entry(struct witness *w, struct node *node, uint64_t index)
{
    struct vxc_error err = {0};
    struct vxc_log_entry entry;
    struct variant *v;

    if (vxc_log_get(node->log, index, &entry, &err) != 0) {
        sim_violation(w->world, "node %" PRIu64 " cannot read entry %" PRIu64 ": %s", node->id,
                      index, err.text);
    }
    v = find_variant(w, index, entry.term);
    if (v == NULL) {
        make_room(w, index);
        v = must(malloc(sizeof *v + entry.payload.size));
        *v = (struct variant){.next = w->entries[index],
                              .term = entry.term,
                              .type = entry.type,
                              .size = entry.payload.size};
        memcpy(v->bytes, entry.payload.data, entry.payload.size);
        w->entries[index] = v;
    } else if (v->type != entry.type || v->size != entry.payload.size ||
               memcmp(v->bytes, entry.payload.data, v->size) != 0) {
        sim_violation(w->world,
                      "log matching: entry %" PRIu64 " of term %" PRIu64
                      " has other bytes on node %" PRIu64,
                      index, entry.term, node->id);
    }
}

static void look_at_log(struct witness *w, struct node *node)
{
    const uint64_t last = vxc_log_last_index(node->log);
    const uint64_t first = vxc_log_first_index(node->log);

    /* a tail was replaced: back to where the old entries still stand */
    while (node->seen_index >= first &&
           (node->seen_index > last ||
            vxc_log_term(node->log, node->seen_index) != node->seen_terms[node->seen_index])) {
        node->seen_index--;
    }
    if (node->seen_index + 1 < first) {
        node->seen_index = first - 1; /* after an image */
    }
    while (node->seen_index < last) {
        const uint64_t index = ++node->seen_index;

        if (index >= node->seen_room) {
            node->seen_room = node->seen_room == 0 ? 4096 : 2 * node->seen_room;
            node->seen_terms =
                must(realloc(node->seen_terms, node->seen_room * sizeof *node->seen_terms));
        }
        node->seen_terms[index] = vxc_log_term(node->log, index);
        compare_entry(w, node, index);
    }
}

static void look_at_applied(struct witness *w, struct node *node)
{
    const uint64_t applied = vxc_fsm_applied_index(node->fsm);

    if (applied < node->applied_index) {
        sim_violation(w->world, "node %" PRIu64 " went back from applied %" PRIu64 " to %" PRIu64,
                      node->id, node->applied_index, applied);
    }
    while (node->applied_index < applied) {
        const uint64_t index = ++node->applied_index;
        const uint64_t term = vxc_log_term(node->log, index);

        if (index == w->applied + 1) {
            struct variant *v = find_variant(w, index, term);

            vxc_check(v != NULL);
            replay(w, index, v);
            sim_trace(w->world, SIM_TRACE_APPLY, node->id, index, term,
                      witness_hash(vxc_slice(v->bytes, v->size)));
        } else if (term != 0 && w->terms[index] != term) {
            sim_violation(w->world,
                          "state machine safety: node %" PRIu64 " applies entry %" PRIu64
                          " of term %" PRIu64 ", where that of term %" PRIu64 " was applied",
                          node->id, index, term, w->terms[index]);
        }
    }
}

void witness_look(struct world *world, struct node *node)
{
    look_at_log(world->witness, node);
    look_at_applied(world->witness, node);
}

void witness_begin_life(struct world *world, struct node *node)
{
    struct witness *w = world->witness;
    const uint64_t first = vxc_log_first_index(node->log);
    const uint64_t applied = vxc_store_meta(node->store)->applied_index;

    (void)w;
    /* what was compared in an earlier life is told apart by its terms, which the log checks */
    if (node->seen_index + 1 < first) {
        node->seen_index = first - 1;
    }
    if (applied > w->applied) {
        sim_violation(world,
                      "node %" PRIu64 " comes back with applied %" PRIu64
                      ", but no more than %" PRIu64 " was ever applied",
                      node->id, applied, w->applied);
    }
    node->applied_index = applied;
    witness_look(world, node);
}

/* ---- all of it ---- */

struct witness *witness_create(struct world *world)
{
    struct witness *w = must(calloc(1, sizeof *w));
    struct vxc_store_options options = {.map_size = MAP_SIZE, .synchronous = true};
    struct vxc_fsm_hooks hooks = {.data = w, .on_result = on_result, .on_event = on_event};
    struct vxc_error err = {0};
    char path[300];

    w->world = world;
    make_room(w, 0);
    outcomes_grow(w);
    w->versions = versions_create();
    w->queues = queues_create(world);
    w->model = model_create();
    (void)snprintf(path, sizeof path, "%s/witness", world->folder);
    if (vxc_store_open(path, &options, &w->store, &err) != 0 ||
        vxc_table_create(w->store, CLEAN_BYTES, &w->table) != 0 ||
        vxc_fsm_create(w->table, &w->fsm, &err) != 0) {
        sim_broken("the witness: %s", err.text);
    }
    vxc_fsm_set_hooks(w->fsm, &hooks);
    return w;
}

uint64_t witness_applied(const struct witness *w)
{
    return w->applied;
}

const struct version *witness_versions(struct witness *w, char what, const char *name,
                                       const char *key, size_t *count)
{
    return versions_of(w->versions, what, name, key, count);
}

uint64_t witness_digest(struct witness *w)
{
    struct vxc_store_meta meta = {0};

    vxc_fsm_flush(w->fsm, &meta);
    vxc_table_freeze(w->table, &meta);
    while (vxc_table_freezing(w->table)) {
        if (vxc_store_collect(w->store)) {
            vxc_table_thaw(w->table);
        }
    }
    return vxc_store_digest(w->store);
}
