#include "check.h"

#include "base/check.h"
#include "client/core_internal.h"
#include "witness.h"
#include "world.h"

#include <inttypes.h>
#include <stdlib.h>

enum { TERMS_MAX = 65536, LIVE_S = 10 };

struct follower { /* of a session's events */
    uint64_t session;
    size_t at;      /* events that came */
    bool resyncing; /* the next one may be any later one */
};

struct check {
    uint64_t primaries[TERMS_MAX]; /* by term */
    uint64_t floor_index;
    struct follower followers[SIM_CLIENTS_MAX];
    uint64_t healed_ns;
    uint64_t live_index; /* of a write that succeeded after healing */
};

struct check *check_create(struct world *world)
{
    struct check *check = calloc(1, sizeof *check);

    (void)world;
    if (check == NULL) {
        sim_broken("out of memory");
    }
    return check;
}

void check_elected(struct world *world, uint64_t term, uint64_t id)
{
    uint64_t *primary = &world->check->primaries[term % TERMS_MAX];

    if (*primary != 0 && *primary != id) {
        sim_violation(world,
                      "election safety: node %" PRIu64 " and node %" PRIu64
                      " are primaries of term %" PRIu64,
                      *primary, id, term);
    }
    *primary = id;
}

/* ---- replies ---- */

uint64_t check_floor(const struct world *world)
{
    return world->check->floor_index;
}

static bool is_unknown(int code)
{
    switch (code) {
    case VXC_EUNKNOWN:
    case VXC_ETIMEOUT:
    case VXC_ECANCELED:
    case VXC_ENOSPC:
    case VXC_EBUSY:
    case VXC_ESESSION:
    case VXC_ENOTPRIMARY:
    case VXC_ENOQUORUM:
        return true;
    default:
        return false;
    }
}

static bool same_value(const struct op *op, const struct outcome *outcome,
                       const struct vxc_reply *reply)
{
    if (op->kind < VXC_CALL_MAP_GET || op->kind > VXC_CALL_MAP_CREATE) {
        return true; /* lists have another form in a reply */
    }
    if (reply->value.data == NULL) {
        return !outcome->has_value;
    }
    return outcome->has_value &&
           outcome->value == witness_hash(vxc_slice(reply->value.data, reply->value.size));
}

/* Whether something was there is told with the old value, to who wants that. */
static bool same_found(const struct op *op, const struct outcome *outcome,
                       const struct vxc_reply *reply)
{
    if ((op->kind == VXC_CALL_MAP_PUT || op->kind == VXC_CALL_MAP_REMOVE) &&
        (op->flags & VXC_REQUEST_WANT_OLD) == 0) {
        return true;
    }
    if (op->kind == VXC_CALL_REGISTRATION_ADD || op->kind == VXC_CALL_NODE_JOIN) {
        return true; /* yes to all: it is there now */
    }
    return reply->found == outcome->found;
}

/* A write's answer is what its place in the history gave. */
static void check_write(struct world *world, const struct op *op, const struct vxc_reply *reply)
{
    const struct outcome *outcome = witness_outcome(world->witness, op->session, reply->sequence);
    const bool acquire = op->kind == VXC_CALL_LOCK_ACQUIRE;

    if (outcome == NULL) {
        sim_violation(world,
                      "client %u was told that request %d (session %" PRIu64 ", sequence %" PRIu64
                      ") took effect at %" PRIu64 ", but no applied entry has it",
                      op->client->number, op->kind, op->session, reply->sequence, reply->index);
    }
    if (reply->code != outcome->code || (reply->code == 0 && !same_found(op, outcome, reply)) ||
        (!acquire && reply->code == 0 && reply->index != outcome->index) ||
        (acquire && reply->token != outcome->token) ||
        (!acquire && reply->code == 0 && !same_value(op, outcome, reply)) ||
        (op->kind >= VXC_CALL_COUNTER_GET && op->kind <= VXC_CALL_COUNTER_COMPARE_AND_SET &&
         op->kind != VXC_CALL_COUNTER_COMPARE_AND_SET && reply->number != outcome->number)) {
        sim_violation(world,
                      "client %u: request %d (session %" PRIu64 ", sequence %" PRIu64
                      ") was answered code %d index %" PRIu64 " found %d number %" PRId64
                      " token %" PRIu64 "; the history has code %d index %" PRIu64
                      " found %d number %" PRId64 " token %" PRIu64,
                      op->client->number, op->kind, op->session, reply->sequence, reply->code,
                      reply->index, reply->found, reply->number, reply->token, outcome->code,
                      outcome->index, outcome->found, outcome->number, outcome->token);
    }
    if (reply->code == 0 && !acquire && op->floor_index >= outcome->index) {
        sim_violation(world,
                      "real time: client %u's write took effect at %" PRIu64 ", though %" PRIu64
                      " was acknowledged before it was asked for",
                      op->client->number, outcome->index, op->floor_index);
    }
}

static bool is_version(const struct version *version, const struct op *op,
                       const struct vxc_reply *reply)
{
    const struct version none = {0};

    version = version == NULL ? &none : version;
    if (op->kind == VXC_CALL_COUNTER_GET) {
        return reply->number == version->number;
    }
    if (reply->found != version->found) {
        return false;
    }
    return op->kind != VXC_CALL_MAP_GET || !reply->found ||
           version->value == witness_hash(vxc_slice(reply->value.data, reply->value.size));
}

/* A read is what stood there at the index that it names, or within the entry behind it, for it may
 * be answered between two commands of that entry. */
static bool was_there(struct world *world, const struct op *op, const struct vxc_reply *reply)
{
    const char what = op->kind == VXC_CALL_MAP_GET       ? 'm'
                      : op->kind == VXC_CALL_COUNTER_GET ? 'c'
                                                         : 's';
    size_t count;
    const struct version *versions =
        witness_versions(world->witness, what, op->name, op->key, &count);
    size_t at = count;

    while (at > 0 && versions[at - 1].index > reply->index + 1) {
        at--;
    }
    while (at > 0 && versions[at - 1].index == reply->index + 1) {
        if (is_version(&versions[--at], op, reply)) {
            return true;
        }
    }
    return is_version(at == 0 ? NULL : &versions[at - 1], op, reply);
}

static void check_read(struct world *world, const struct op *op, const struct vxc_reply *reply)
{
    const bool stale = (op->flags & VXC_REQUEST_STALE) != 0;

    if (reply->index > witness_applied(world->witness)) {
        sim_violation(world, "client %u read at index %" PRIu64 ", which nobody has applied",
                      op->client->number, reply->index);
    }
    if (!stale && reply->index < op->floor_index) {
        sim_violation(world,
                      "stale read: client %u saw the state of entry %" PRIu64 ", though %" PRIu64
                      " was acknowledged before it asked",
                      op->client->number, reply->index, op->floor_index);
    }
    if (!was_there(world, op, reply)) {
        sim_violation(world,
                      "wrong read: client %u read %s %s: found %d number %" PRId64
                      " at index %" PRIu64 ", which is not what stood there",
                      op->client->number, op->name, op->key, reply->found, reply->number,
                      reply->index);
    }
}

void check_reply(struct world *world, const struct op *op, const struct vxc_reply *reply)
{
    struct check *check = world->check;

    if (op->is_read) {
        if (reply->code == 0) {
            check_read(world, op, reply);
        }
    } else if (!is_unknown(reply->code) || (reply->code == VXC_ECANCELED && reply->index != 0)) {
        check_write(world, op, reply);
    }
    if (reply->code == 0 && reply->index > check->floor_index &&
        (op->flags & VXC_REQUEST_STALE) == 0) {
        check->floor_index = reply->index;
    }
    if (reply->code == 0 && op->is_probe && reply->index > check->live_index) {
        check->live_index = reply->index;
    }
}

/* ---- events ---- */

void check_session_open(struct world *world, unsigned client, uint64_t session)
{
    world->check->followers[client] = (struct follower){.session = session};
}

void check_session_lost(struct world *world, unsigned client, uint64_t session)
{
    (void)session;
    world->check->followers[client] = (struct follower){0};
}

void check_resync(struct world *world, unsigned client)
{
    world->check->followers[client].resyncing = true;
}

static struct vxc_slice slice_of(struct vxc_bytes bytes)
{
    return vxc_slice(bytes.data, bytes.size);
}

static uint64_t hash_of_list(struct vxc_rows rows)
{
    struct vxc_bytes node_id;
    struct vxc_bytes info; /* seq u64, data with its length */
    uint64_t hash = 0;

    while (vxc_rows_next(&rows, &node_id, &info)) {
        hash =
            witness_hash_registration(hash, slice_of(node_id), vxc_load_u64(info.data),
                                      vxc_slice((const uint8_t *)info.data + 12, info.size - 12));
    }
    return hash;
}

/* `ordinal` is the notice's, which callers are not told. */
static bool is_same_event(const struct event_seen *event, const struct vxc_notice *notice,
                          uint64_t ordinal)
{
    return event->index == notice->index && event->ordinal == ordinal &&
           event->type == (uint32_t)notice->type && event->watch == notice->id &&
           event->list == (event->address != 0 ? hash_of_list(notice->view) : 0) &&
           event->hash == witness_hash_event(slice_of(notice->name), slice_of(notice->key),
                                             slice_of(notice->value));
}

/* Does a later list of the same address follow? It has all that this one tells, and may be told alone. */
static bool is_outdated(const struct event_seen *events, size_t at, size_t count)
{
    const struct event_seen *event = &events[at];

    if (event->type != VXC_EVENT_REGISTRATIONS) {
        return false;
    }
    while (++at < count) {
        if (events[at].type == event->type && events[at].watch == event->watch &&
            events[at].address == event->address) {
            return true;
        }
    }
    return false;
}

/* Every event of the session's watches, once and in order, but for outdated lists; after a resync from
 * some later one on. */
void check_notice(struct world *world, unsigned client, uint64_t session,
                  const struct vxc_notice *notice)
{
    struct follower *follower = &world->check->followers[client];
    const uint64_t ordinal = world->clients_of[client].core->session.event_ordinal;
    const struct event_seen *events;
    size_t count;

    if (notice->watched == 0 || session == 0) {
        return;
    }
    events = witness_events(world->witness, session, &count);
    while (follower->at < count && !is_same_event(&events[follower->at], notice, ordinal) &&
           (follower->resyncing || is_outdated(events, follower->at, count))) {
        follower->at++;
    }
    follower->resyncing = false;
    if (follower->at >= count || !is_same_event(&events[follower->at], notice, ordinal)) {
        const struct event_seen none = {0};
        const struct event_seen *next = follower->at < count ? &events[follower->at] : &none;

        sim_violation(world,
                      "events: client %u (session %" PRIu64 ") got type %d of index %" PRIu64
                      " for watch %" PRIu64 " as its event %zu; the history has type %u of index "
                      "%" PRIu64 " for watch %" PRIu64,
                      client, session, notice->type, notice->index, notice->id, follower->at,
                      next->type, next->index, next->watch);
    }
    follower->at++;
}

/* ---- the end ---- */

void check_liveness_begin(struct world *world)
{
    world->check->healed_ns = world->now_ns;
    world->check->live_index = 0;
}

/* A node that has not applied `index`, 0 = there is none. */
static uint64_t who_lags(const struct world *world, uint64_t index)
{
    for (uint64_t id = 1; id <= SIM_NODES_MAX; id++) {
        const struct node *node = &world->nodes[id];

        if (node->voted && !node->removed &&
            (!node->up || vxc_fsm_applied_index(node->fsm) < index)) {
            return id;
        }
    }
    return 0;
}

bool check_is_live(struct world *world)
{
    const struct check *check = world->check;
    const uint64_t laggard = who_lags(world, check->live_index);

    if (check->live_index != 0 && laggard == 0) {
        return true;
    }
    if (world->now_ns - check->healed_ns > LIVE_S * (uint64_t)SIM_S) {
        if (check->live_index == 0) {
            sim_violation(world, "liveness: no write has succeeded in %d s after healing", LIVE_S);
        }
        sim_violation(world,
                      "liveness: %d s after healing node %" PRIu64 " has applied %" PRIu64
                      " of %" PRIu64 " entries",
                      LIVE_S, laggard,
                      world->nodes[laggard].up ? vxc_fsm_applied_index(world->nodes[laggard].fsm)
                                               : 0,
                      check->live_index);
    }
    for (unsigned i = 0; i < world->client_count; i++) {
        load_probe(&world->clients_of[i]);
    }
    return false;
}

static bool has_all_events(const struct world *world, unsigned client)
{
    const struct follower *follower = &world->check->followers[client];
    size_t count;

    if (follower->session == 0 || vxc_core_session(world->clients_of[client].core, NULL) == 0) {
        return true;
    }
    (void)witness_events(world->witness, follower->session, &count);
    return follower->at == count || follower->resyncing;
}

bool check_is_quiet(struct world *world)
{
    for (unsigned i = 0; i < world->client_count; i++) {
        if (load_pending(&world->clients_of[i]) > 0 || !has_all_events(world, i)) {
            return false;
        }
    }
    return who_lags(world, witness_applied(world->witness)) == 0;
}

struct digest {
    uint64_t index, value;
};

static void take_digest(struct node *node, void *data)
{
    struct digest *digest = data;

    vxc_replica_settle(node->replica);
    digest->index = vxc_store_meta(node->store)->applied_index;
    digest->value = vxc_store_digest(node->store);
}

void check_end(struct world *world)
{
    const uint64_t applied = witness_applied(world->witness);
    const uint64_t expected = witness_digest(world->witness);

    for (unsigned i = 0; i < world->client_count; i++) {
        if (!has_all_events(world, i)) {
            size_t count;

            (void)witness_events(world->witness, world->check->followers[i].session, &count);
            sim_violation(world, "events: client %u got %zu of %zu events of its session", i,
                          world->check->followers[i].at, count);
        }
    }
    for (uint64_t id = 1; id <= SIM_NODES_MAX; id++) {
        struct node *node = &world->nodes[id];
        struct digest digest = {0};

        if (!node->voted || node->removed || !node_run(node, take_digest, &digest)) {
            continue;
        }
        if (digest.index == applied && digest.value != expected) {
            sim_violation(world,
                          "digest: node %" PRIu64 " has %016" PRIx64 " at entry %" PRIu64
                          ", the history gives %016" PRIx64,
                          id, digest.value, applied, expected);
        }
    }
}
