/* Who owns what, per event of raft_step in exactly this version (another one frees differently):
 *
 *   event               passes to the engine                stays ours
 *   START               metadata.configuration              entries array, payloads, batches
 *   SUBMIT              nothing                             entry, batch (may point anywhere, not
 * NULL) RECEIVE append      the one batch of all entries: freed by the engine, or handed back in
 *                       update.entries.batch[0].batch and then ours to raft_free()    entries array
 *   RECEIVE image       conf and data: freed by the engine, or handed back in update.snapshot;
 *                       leaked when one is being installed already (so we never pass a second)
 *   PERSISTED_SNAPSHOT  metadata.configuration
 *   CONFIGURATION       conf
 *   SNAPSHOT            metadata.configuration
 *   update.messages     the array and the addresses in it live until the next raft_step()
 *
 * The batch of a received message is one byte that only carries this ownership: the engine reads
 * payloads during the step and never after, so they stay in the receive buffer and are not copied.
 */
#include "consensus/engine.h"

#include "base/check.h"

#include <inttypes.h>
#include <raft.h>
#include <stdio.h>
#include <stdlib.h>

#if !defined(RAFT_VERSION_NUMBER) || RAFT_VERSION_NUMBER != 2201
#error "needs libraft 0.22.1 exactly: older ones lose data, newer ones own memory differently"
#endif

_Static_assert((int)VXC_LOG_COMMAND == (int)RAFT_COMMAND, "entry types are the engine's");
_Static_assert((int)VXC_LOG_BARRIER == (int)RAFT_BARRIER, "entry types are the engine's");
_Static_assert((int)VXC_LOG_CHANGE == (int)RAFT_CHANGE, "entry types are the engine's");
_Static_assert((int)VXC_ENGINE_APPEND == (int)RAFT_APPEND_ENTRIES, "message types too");
_Static_assert((int)VXC_ENGINE_APPEND_RESULT == (int)RAFT_APPEND_ENTRIES_RESULT, "…");
_Static_assert((int)VXC_ENGINE_VOTE == (int)RAFT_REQUEST_VOTE, "…");
_Static_assert((int)VXC_ENGINE_VOTE_RESULT == (int)RAFT_REQUEST_VOTE_RESULT, "…");
_Static_assert((int)VXC_ENGINE_IMAGE == (int)RAFT_INSTALL_SNAPSHOT, "…");
_Static_assert((int)VXC_ENGINE_TIMEOUT_NOW == (int)RAFT_TIMEOUT_NOW, "…");
_Static_assert((int)VXC_ENGINE_FOLLOWER == (int)RAFT_FOLLOWER, "and roles");
_Static_assert((int)VXC_ENGINE_CANDIDATE == (int)RAFT_CANDIDATE, "…");
_Static_assert((int)VXC_ENGINE_LEADER == (int)RAFT_LEADER, "…");
_Static_assert((int)VXC_MEMBER_STANDBY == (int)RAFT_STANDBY, "and members");
_Static_assert((int)VXC_MEMBER_VOTER == (int)RAFT_VOTER, "…");
_Static_assert((int)VXC_MEMBER_SPARE == (int)RAFT_SPARE, "…");

enum {
    ADDRESS_SIZE = 24,         /* bytes: a node id in decimal */
    CAPACITY = 65535,          /* the engine's own space check is off: we refuse before we submit */
    INFLIGHT_ENTRIES = 128,    /* per follower; 64–256 keeps a pipe full at one batch per entry */
    REQUEST_VOTE_VERSION = 2,  /* of the engine's messages: with pre-vote */
    APPEND_RESULT_VERSION = 2, /* with features and capacity */
    FEATURE_CAPACITY = 1,
};

struct vxc_engine {
    struct vxc_engine_options options;
    char address[ADDRESS_SIZE];

    struct raft raft;
    bool started;
    uint64_t now_ms;         /* of the last event: the engine's time never goes back */
    uint64_t confirmed_term; /* an own entry of this term was applied (G4) */
    bool installing;
    struct raft_snapshot_metadata
        image; /* while installing; its configuration is ours until then */
};

static const char *const event_names[] = {
    [RAFT_START] = "start",
    [RAFT_RECEIVE] = "receive",
    [RAFT_PERSISTED_ENTRIES] = "persisted entries",
    [RAFT_PERSISTED_SNAPSHOT] = "persisted image",
    [RAFT_CONFIGURATION] = "configuration",
    [RAFT_SNAPSHOT] = "trimmed",
    [RAFT_TIMEOUT] = "timeout",
    [RAFT_SUBMIT] = "submit",
};

static struct vxc_engine *mutable_engine(const struct vxc_engine *engine)
{
    /* Some of the engine's getters take a non-const struct though they only read it. */
    return (struct vxc_engine *)(uintptr_t)engine;
}

static bool flagged(const struct raft_update *update, unsigned flag)
{
    return (update->flags & flag) != 0;
}

/* ---- updates: what the engine wants done ---- */

static struct vxc_engine_entry view_entry(const struct raft_entry *entry)
{
    return (struct vxc_engine_entry){
        .term = entry->term,
        .type = (uint16_t)entry->type,
        .payload = vxc_slice(entry->buf.base, entry->buf.len),
    };
}

static void emit_entries(struct vxc_engine *engine, const struct raft_update *update)
{
    uint32_t count = update->entries.n;
    struct vxc_engine_entry *entries = calloc(count, sizeof *entries);

    vxc_check(entries != NULL); /* the engine has accepted them: there is no way back */
    for (uint32_t i = 0; i < count; i++) {
        entries[i] = view_entry(&update->entries.batch[i]);
    }
    engine->options.append(engine->options.data, update->entries.index, entries, count);
    free(entries);
    raft_free(update->entries.batch[0].batch);
}

static void emit_install(struct vxc_engine *engine, const struct raft_update *update,
                         struct vxc_slice configuration)
{
    engine->installing = true;
    engine->image = update->snapshot.metadata;
    raft_free(update->snapshot.chunk.base);
    engine->options.install(engine->options.data,
                            &(struct vxc_log_base){
                                .index = engine->image.index,
                                .term = engine->image.term,
                                .configuration_index = engine->image.configuration_index,
                                .configuration = configuration,
                            });
}

static struct vxc_engine_message view_message(const struct raft_message *from)
{
    struct vxc_engine_message to = {
        .type = (enum vxc_engine_message_type)from->type,
        .peer = from->server_id,
    };

    switch (from->type) {
    case RAFT_APPEND_ENTRIES:
        to.term = from->append_entries.term;
        to.append.prev_index = from->append_entries.prev_log_index;
        to.append.prev_term = from->append_entries.prev_log_term;
        to.append.commit_index = from->append_entries.leader_commit;
        to.append.count = from->append_entries.n_entries;
        break;
    case RAFT_APPEND_ENTRIES_RESULT:
        to.term = from->append_entries_result.term;
        to.append_result.rejected = from->append_entries_result.rejected;
        to.append_result.last_index = from->append_entries_result.last_log_index;
        break;
    case RAFT_REQUEST_VOTE:
        to.term = from->request_vote.term;
        to.vote.last_index = from->request_vote.last_log_index;
        to.vote.last_term = from->request_vote.last_log_term;
        to.vote.disrupt_leader = from->request_vote.disrupt_leader;
        to.vote.pre_vote = from->request_vote.pre_vote;
        break;
    case RAFT_REQUEST_VOTE_RESULT:
        to.term = from->request_vote_result.term;
        to.vote_result.granted = from->request_vote_result.vote_granted;
        to.vote_result.pre_vote = from->request_vote_result.pre_vote;
        break;
    case RAFT_INSTALL_SNAPSHOT:
        to.term = from->install_snapshot.term;
        break;
    case RAFT_TIMEOUT_NOW:
        to.term = from->timeout_now.term;
        to.timeout_now.last_index = from->timeout_now.last_log_index;
        to.timeout_now.last_term = from->timeout_now.last_log_term;
        break;
    }
    return to;
}

static void emit_messages(struct vxc_engine *engine, const struct raft_update *update)
{
    if (engine->options.send == NULL) {
        return;
    }
    for (unsigned i = 0; i < update->messages.n; i++) {
        struct vxc_engine_message message = view_message(&update->messages.batch[i]);
        engine->options.send(engine->options.data, &message);
    }
}

/* Feeds one event and carries its updates out, in the order of the header. Only a submit may fail;
 * `configuration` is that of an image being announced. */
static int step_with(struct vxc_engine *engine, uint64_t now_ms, struct raft_event *event,
                     struct vxc_slice configuration)
{
    struct raft_update update = {0};
    int rv;

    engine->now_ms = now_ms > engine->now_ms ? now_ms : engine->now_ms;
    event->time = engine->now_ms;
    event->capacity = CAPACITY;
    rv = raft_step(&engine->raft, event, &update);
    if (rv != 0) {
        if (event->type == RAFT_SUBMIT &&
            (rv == RAFT_NOTLEADER || rv == RAFT_NOSPACE || rv == RAFT_CANTCHANGE)) {
            return rv;
        }
        vxc_fatal("consensus engine of node %" PRIu64 ": event \"%s\" failed: %s (term %" PRIu64
                  ", last index %" PRIu64 "); stopped before anything else could happen",
                  engine->options.node_id, event_names[event->type], raft_strerror(rv),
                  vxc_engine_term(engine), vxc_engine_last_index(engine));
    }
    if (flagged(&update, RAFT_UPDATE_CURRENT_TERM) || flagged(&update, RAFT_UPDATE_VOTED_FOR)) {
        engine->options.store_vote(engine->options.data, raft_current_term(&engine->raft),
                                   raft_voted_for(&engine->raft));
    }
    if (flagged(&update, RAFT_UPDATE_ENTRIES) && event->type != RAFT_SUBMIT) {
        emit_entries(engine, &update);
    }
    if (flagged(&update, RAFT_UPDATE_SNAPSHOT)) {
        emit_install(engine, &update, configuration);
    }
    if (flagged(&update, RAFT_UPDATE_MESSAGES) || update.messages.n > 0) {
        emit_messages(engine, &update);
    }
    return 0;
}

static int step(struct vxc_engine *engine, uint64_t now_ms, struct raft_event *event)
{
    return step_with(engine, now_ms, event, vxc_slice(NULL, 0));
}

/* ---- configurations ---- */

static void decode_checked(struct vxc_slice bytes, struct raft_configuration *out)
{
    struct raft_buffer buffer = {(void *)(uintptr_t)bytes.data, bytes.size};

    /* The bytes were checked by vxc_configuration_decode(): only memory can fail. */
    vxc_check(raft_configuration_decode(&buffer, out) == 0);
}

static bool sole_voter_of(const struct raft_configuration *configuration, uint64_t id)
{
    unsigned voters = 0;
    bool self = false;

    for (unsigned i = 0; i < configuration->n; i++) {
        if (configuration->servers[i].role == RAFT_VOTER) {
            voters++;
            self = self || configuration->servers[i].id == id;
        }
    }
    return self && voters == 1;
}

static bool would_elect_itself(const struct vxc_engine *engine)
{
    const struct raft *raft = &engine->raft;

    return raft->state == RAFT_FOLLOWER &&
           sole_voter_of(&raft->configuration, engine->options.node_id);
}

/* ---- birth and death ---- */

int vxc_engine_create(const struct vxc_engine_options *options, struct vxc_engine **engine,
                      struct vxc_error *err)
{
    struct vxc_engine *created = calloc(1, sizeof *created);

    if (created == NULL) {
        return vxc_error_set(err, VXC_ENOMEM, "consensus engine");
    }
    created->options = *options;
    (void)snprintf(created->address, sizeof created->address, "%" PRIu64, options->node_id);
    if (raft_init(&created->raft, NULL, NULL, options->node_id, created->address) != 0) {
        free(created);
        return vxc_error_set(err, VXC_ENOMEM, "consensus engine");
    }
    created->raft.tracer = NULL; /* the default one formats into a static buffer on every step */
    raft_seed(&created->raft, options->seed);
    raft_set_election_timeout(&created->raft, options->election_timeout_ms);
    raft_set_heartbeat_timeout(&created->raft, options->heartbeat_ms);
    raft_set_pre_vote(&created->raft, true);
    raft_set_max_inflight_entries(&created->raft, INFLIGHT_ENTRIES);
    *engine = created;
    return 0;
}

void vxc_engine_free(struct vxc_engine *engine)
{
    if (engine == NULL) {
        return;
    }
    if (engine->installing) {
        raft_configuration_close(&engine->image.configuration);
    }
    raft_close(&engine->raft, NULL);
    free(engine);
}

/* Collects terms and types; the payloads of configurations are copied, for a log may lend only one
 * at a time. *newest is the last of them behind the base. */
static int load_entries(const struct vxc_engine_start *start, struct raft_entry *entries,
                        uint64_t count, struct vxc_configuration *newest, struct vxc_error *err)
{
    uint64_t known = start->base == NULL ? 0 : start->base->configuration_index;

    for (uint64_t i = 0; i < count; i++) {
        uint64_t index = start->first_index + i;
        struct vxc_engine_entry entry = {0};
        int rv = start->entry(start->data, index, &entry, err);

        if (rv != 0) {
            return rv;
        }
        entries[i].term = entry.term;
        entries[i].type = (enum raft_entry_type)entry.type;
        if (entry.type != VXC_LOG_CHANGE) {
            continue;
        }
        struct vxc_configuration configuration;
        if (vxc_configuration_decode(entry.payload, &configuration) != 0) {
            return vxc_error_set(err, VXC_ECORRUPT,
                                 "entry %" PRIu64 " of the log is not a configuration", index);
        }
        entries[i].buf.base = raft_malloc(entry.payload.size);
        if (entries[i].buf.base == NULL) {
            return vxc_error_set(err, VXC_ENOMEM, "configuration of entry %" PRIu64, index);
        }
        memcpy(entries[i].buf.base, entry.payload.data, entry.payload.size);
        entries[i].buf.len = entry.payload.size;
        if (index > known) {
            *newest = configuration;
        }
    }
    return 0;
}

static void free_entries(struct raft_entry *entries, uint64_t count)
{
    for (uint64_t i = 0; entries != NULL && i < count; i++) {
        raft_free(entries[i].buf.base);
    }
    free(entries);
}

/* G3: a sole voter elects itself without raising the term, so after a restart two histories would
 * carry one term. The term is raised here, durably, before the event that elects. */
static void raise_term(struct vxc_engine *engine, uint64_t *term, uint64_t *voted_for)
{
    *term += 1;
    *voted_for = engine->options.node_id;
    engine->options.store_vote(engine->options.data, *term, *voted_for);
}

static int check_start(const struct vxc_engine_start *start, uint64_t count,
                       struct vxc_configuration *newest, struct vxc_error *err)
{
    if (count > UINT32_MAX) {
        return vxc_error_set(err, VXC_ELIMIT, "%" PRIu64 " entries in the log", count);
    }
    if (start->base != NULL) {
        vxc_check(start->base->index > 0);
        vxc_check(start->first_index <= start->base->index + 1);
        vxc_check(count == 0 || start->last_index >= start->base->index);
        if (vxc_configuration_decode(start->base->configuration, newest) != 0) {
            return vxc_error_set(err, VXC_ECORRUPT,
                                 "the state's configuration (of index %" PRIu64 ") is unreadable",
                                 start->base->configuration_index);
        }
    } else {
        vxc_check(count == 0 || start->first_index == 1);
    }
    return 0;
}

int vxc_engine_start(struct vxc_engine *engine, uint64_t now_ms,
                     const struct vxc_engine_start *start, struct vxc_error *err)
{
    uint64_t count =
        start->last_index < start->first_index ? 0 : start->last_index - start->first_index + 1;
    struct vxc_configuration newest = {0};
    struct raft_snapshot_metadata metadata;
    struct raft_entry *entries = NULL;
    uint64_t term = start->term;
    uint64_t voted_for = start->voted_for;
    int rv;

    vxc_check(!engine->started);
    rv = check_start(start, count, &newest, err);
    if (rv != 0) {
        return rv;
    }
    if (count > 0) {
        entries = calloc(count, sizeof *entries);
        rv = entries == NULL ? vxc_error_set(err, VXC_ENOMEM, "terms of %" PRIu64 " entries", count)
                             : load_entries(start, entries, count, &newest, err);
        if (rv == 0 && start->base == NULL && entries[0].type != RAFT_CHANGE) {
            rv = vxc_error_set(err, VXC_ECORRUPT, "entry 1 of the log is not a configuration");
        }
        if (rv != 0) {
            free_entries(entries, count);
            return rv;
        }
    }
    if (vxc_configuration_sole_voter(&newest, engine->options.node_id)) {
        raise_term(engine, &term, &voted_for);
    }
    if (start->base != NULL) {
        metadata.index = start->base->index;
        metadata.term = start->base->term;
        metadata.configuration_index = start->base->configuration_index;
        decode_checked(start->base->configuration, &metadata.configuration);
    }
    (void)step(
        engine, now_ms, /* cannot fail: not a submit */
        &(struct raft_event){
            .type = RAFT_START,
            .start = {.term = term,
                      .voted_for = voted_for,
                      .metadata = start->base == NULL ? NULL : &metadata,
                      .start_index = count == 0 && start->base != NULL ? start->base->index + 1
                                                                       : start->first_index,
                      .entries = entries,
                      .n_entries = (unsigned)count},
        });
    engine->started = true;
    free_entries(entries, count);
    return 0;
}

/* ---- events ---- */

int vxc_engine_submit(struct vxc_engine *engine, uint64_t now_ms,
                      const struct vxc_engine_entry *entry)
{
    uint64_t index = vxc_engine_last_index(engine) + 1;
    void *bytes = (void *)(uintptr_t)entry->payload.data;
    struct raft_entry submitted = {
        .term = entry->term,
        .type = (enum raft_entry_type)entry->type,
        .buf = {bytes, entry->payload.size},
        .batch = bytes,
    };

    vxc_check(bytes != NULL);
    if (entry->type == VXC_LOG_CHANGE) {
        struct vxc_configuration configuration;

        if (vxc_configuration_decode(entry->payload, &configuration) != 0) {
            return VXC_ECORRUPT;
        }
        /* G4: a change before an own entry is applied may build on one that will be rolled back. */
        if (vxc_engine_can_submit(engine) && engine->confirmed_term != vxc_engine_term(engine)) {
            return VXC_EBUSY;
        }
    }
    vxc_check(!vxc_engine_can_submit(engine) || entry->term == vxc_engine_term(engine));
    switch (step(
        engine, now_ms,
        &(struct raft_event){.type = RAFT_SUBMIT, .submit = {.entries = &submitted, .n = 1}})) {
    case 0:
        vxc_check(vxc_engine_last_index(engine) == index);
        return 0;
    case RAFT_NOTLEADER:
        return VXC_ENOTPRIMARY;
    case RAFT_CANTCHANGE:
        return VXC_EBUSY;
    default:
        return VXC_ENOSPC;
    }
}

void vxc_engine_persisted(struct vxc_engine *engine, uint64_t now_ms, uint64_t index)
{
    if (engine->installing || index <= engine->raft.last_stored) {
        return;
    }
    vxc_check(index <= vxc_engine_last_index(engine));
    (void)step(engine, now_ms,
               &(struct raft_event){.type = RAFT_PERSISTED_ENTRIES,
                                    .persisted_entries = {.index = index}});
}

void vxc_engine_configured(struct vxc_engine *engine, uint64_t now_ms, uint64_t index,
                           struct vxc_slice configuration)
{
    struct raft_event event = {.type = RAFT_CONFIGURATION, .configuration = {.index = index}};

    decode_checked(configuration, &event.configuration.conf);
    (void)step(engine, now_ms, &event);
}

void vxc_engine_confirmed(struct vxc_engine *engine)
{
    engine->confirmed_term = vxc_engine_term(engine);
}

void vxc_engine_trimmed(struct vxc_engine *engine, uint64_t now_ms, const struct vxc_log_base *base,
                        uint64_t first_index)
{
    struct raft_event event = {.type = RAFT_SNAPSHOT};
    uint64_t trailing = base->index + 1 - first_index;

    vxc_check(first_index <= base->index + 1);
    if (engine->installing || base->index <= engine->raft.trail.snapshot.index) {
        return; /* the engine must not be told the same index twice */
    }
    event.snapshot.metadata.index = base->index;
    event.snapshot.metadata.term = base->term;
    event.snapshot.metadata.configuration_index = base->configuration_index;
    decode_checked(base->configuration, &event.snapshot.metadata.configuration);
    event.snapshot.trailing = trailing > UINT32_MAX ? UINT32_MAX : (unsigned)trailing;
    (void)step(engine, now_ms, &event);
}

void vxc_engine_timeout(struct vxc_engine *engine, uint64_t now_ms)
{
    struct raft *raft = &engine->raft;

    /* G3, the other door: a follower that became the only voter elects itself at its timeout.
     * Raising the term is what an election proper would do; the engine forgets it. */
    if (would_elect_itself(engine) && !engine->installing && now_ms >= raft_timeout(raft) &&
        raft->last_stored == raft_last_index(raft)) {
        uint64_t term = raft->current_term;
        uint64_t voted_for;

        raise_term(engine, &term, &voted_for);
        raft->current_term = term;
        raft->voted_for = voted_for;
    }
    (void)step(engine, now_ms, &(struct raft_event){.type = RAFT_TIMEOUT});
}

void vxc_engine_installed(struct vxc_engine *engine, uint64_t now_ms)
{
    struct raft_event event = {.type = RAFT_PERSISTED_SNAPSHOT};

    vxc_check(engine->installing);
    engine->installing = false;
    event.persisted_snapshot.metadata = engine->image;
    event.persisted_snapshot.last = true;
    (void)step(engine, now_ms, &event);
}

/* ---- messages coming in ---- */

static void receive(struct vxc_engine *engine, uint64_t now_ms, struct raft_message *message,
                    uint64_t peer, struct vxc_slice configuration)
{
    char address[ADDRESS_SIZE];

    (void)snprintf(address, sizeof address, "%" PRIu64, peer);
    message->server_id = peer;
    message->server_address = address;
    (void)step_with(engine, now_ms,
                    &(struct raft_event){.type = RAFT_RECEIVE, .receive = {.message = message}},
                    configuration);
}

/* Could an engine have sent these entries? */
static bool append_is_sane(const struct vxc_engine_message *message)
{
    uint64_t term = message->append.prev_term;

    if ((message->append.prev_index == 0) != (message->append.prev_term == 0) ||
        (message->append.count > 0 && message->append.entries == NULL)) {
        return false;
    }
    for (uint32_t i = 0; i < message->append.count; i++) {
        const struct vxc_engine_entry *entry = &message->append.entries[i];
        struct vxc_configuration configuration;

        if (entry->term == 0 || entry->term < term || entry->term > message->term ||
            entry->type < VXC_LOG_COMMAND || entry->type > VXC_LOG_CHANGE ||
            (entry->type == VXC_LOG_CHANGE &&
             vxc_configuration_decode(entry->payload, &configuration) != 0)) {
            return false;
        }
        term = entry->term;
    }
    return term <= message->term;
}

/* Hands `count` entries behind (prev_index, prev_term) to the engine. */
static void deliver_append(struct vxc_engine *engine, uint64_t now_ms,
                           const struct vxc_engine_message *message, uint64_t prev_index,
                           uint64_t prev_term, const struct vxc_engine_entry *entries,
                           uint32_t count)
{
    struct raft_entry *received = NULL;
    struct raft_message out = {.type = RAFT_APPEND_ENTRIES};

    if (count > 0) {
        void *batch = raft_malloc(1);

        received = calloc(count, sizeof *received);
        vxc_check(batch != NULL);
        vxc_check(received != NULL);
        for (uint32_t i = 0; i < count; i++) {
            received[i].term = entries[i].term;
            received[i].type = (enum raft_entry_type)entries[i].type;
            received[i].buf.base = (void *)(uintptr_t)entries[i].payload.data;
            received[i].buf.len = entries[i].payload.size;
            received[i].batch = batch;
        }
    }
    out.append_entries.term = message->term;
    out.append_entries.prev_log_index = prev_index;
    out.append_entries.prev_log_term = prev_term;
    out.append_entries.leader_commit = message->append.commit_index;
    out.append_entries.entries = received;
    out.append_entries.n_entries = count;
    receive(engine, now_ms, &out, message->peer, vxc_slice(NULL, 0));
    free(received);
}

/* G2: the engine's own answer to a stale term carries an uninitialised last index that reads as
 * success if the sender leads our term meanwhile. This one can only be read as a refusal. */
static void answer_stale_append(struct vxc_engine *engine, const struct vxc_engine_message *message)
{
    uint64_t prev = message->append.prev_index;
    struct vxc_engine_message answer = {
        .type = VXC_ENGINE_APPEND_RESULT,
        .peer = message->peer,
        .term = vxc_engine_term(engine),
        .append_result = {.rejected = prev == 0 ? 1 : prev, .last_index = 0},
    };

    if (engine->options.send != NULL) {
        engine->options.send(engine->options.data, &answer);
    }
}

static void receive_append(struct vxc_engine *engine, uint64_t now_ms,
                           const struct vxc_engine_message *message)
{
    const struct raft_trail *trail = &engine->raft.trail;
    uint64_t prev_index = message->append.prev_index;
    uint64_t prev_term = message->append.prev_term;
    uint32_t total = message->append.count;
    uint32_t done = 0;

    if (message->term < vxc_engine_term(engine)) {
        answer_stale_append(engine, message);
        return;
    }
    /* G5: entries below our compaction are committed and ours already, yet the engine refuses an
     * append that begins there, and the leader would walk back one index per round trip. */
    if (!engine->installing && prev_index < trail->snapshot.index && prev_index <= trail->offset) {
        uint64_t known = trail->snapshot.index - prev_index;

        done = known < total ? (uint32_t)known : total;
        prev_index = trail->snapshot.index;
        prev_term = trail->snapshot.term;
    }
    /* G1: the engine files a configuration under the index of the batch's first entry, so every
     * configuration is made to be the first of its batch. */
    do {
        const struct vxc_engine_entry *entries = total == 0 ? NULL : message->append.entries + done;
        uint32_t count = total - done;

        for (uint32_t i = 1; i < count; i++) {
            if (entries[i].type == VXC_LOG_CHANGE) {
                count = i;
            }
        }
        deliver_append(engine, now_ms, message, prev_index, prev_term, entries, count);
        if (count > 0) {
            prev_index += count;
            prev_term = entries[count - 1].term;
        }
        done += count;
    } while (done < total);
}

static void receive_append_result(struct vxc_engine *engine, uint64_t now_ms,
                                  const struct vxc_engine_message *message)
{
    struct raft_message out = {.type = RAFT_APPEND_ENTRIES_RESULT};
    raft_index match;

    /* G6: a refusal that was overtaken by a success would move the follower's next index below what
     * it is known to have. */
    if (message->append_result.rejected > 0 && engine->raft.state == RAFT_LEADER &&
        message->term == vxc_engine_term(engine) &&
        raft_match_index(&engine->raft, message->peer, &match) == 0 &&
        message->append_result.rejected <= match) {
        return;
    }
    out.append_entries_result.version = APPEND_RESULT_VERSION;
    out.append_entries_result.term = message->term;
    out.append_entries_result.rejected = message->append_result.rejected;
    out.append_entries_result.last_log_index = message->append_result.last_index;
    out.append_entries_result.features = FEATURE_CAPACITY;
    out.append_entries_result.capacity = CAPACITY;
    receive(engine, now_ms, &out, message->peer, vxc_slice(NULL, 0));
}

static void receive_vote(struct vxc_engine *engine, uint64_t now_ms,
                         const struct vxc_engine_message *message)
{
    struct raft_message out = {.type = RAFT_REQUEST_VOTE};

    out.request_vote.version = REQUEST_VOTE_VERSION;
    out.request_vote.term = message->term;
    out.request_vote.candidate_id = message->peer;
    out.request_vote.last_log_index = message->vote.last_index;
    out.request_vote.last_log_term = message->vote.last_term;
    out.request_vote.disrupt_leader = message->vote.disrupt_leader;
    out.request_vote.pre_vote = message->vote.pre_vote;
    receive(engine, now_ms, &out, message->peer, vxc_slice(NULL, 0));
}

static void receive_vote_result(struct vxc_engine *engine, uint64_t now_ms,
                                const struct vxc_engine_message *message)
{
    struct raft_message out = {.type = RAFT_REQUEST_VOTE_RESULT};

    if (engine->raft.state != RAFT_CANDIDATE) {
        return; /* the engine would read the candidate's arm of a union that is not one */
    }
    out.request_vote_result.version = REQUEST_VOTE_VERSION;
    out.request_vote_result.term = message->term;
    out.request_vote_result.vote_granted = message->vote_result.granted;
    out.request_vote_result.pre_vote = message->vote_result.pre_vote;
    out.request_vote_result.features = FEATURE_CAPACITY;
    out.request_vote_result.capacity = CAPACITY;
    receive(engine, now_ms, &out, message->peer, vxc_slice(NULL, 0));
}

static int receive_image(struct vxc_engine *engine, uint64_t now_ms,
                         const struct vxc_engine_message *message)
{
    struct raft_message out = {.type = RAFT_INSTALL_SNAPSHOT};
    struct vxc_configuration configuration;

    if (message->image.index == 0 || message->image.term == 0 ||
        message->image.term > message->term ||
        message->image.configuration_index > message->image.index ||
        vxc_configuration_decode(message->image.configuration, &configuration) != 0) {
        return VXC_EPROTO;
    }
    /* G2 again for a stale term; while installing the engine would ignore and leak a second one. */
    if (message->term < vxc_engine_term(engine) || engine->installing) {
        return 0;
    }
    out.install_snapshot.term = message->term;
    out.install_snapshot.last_index = message->image.index;
    out.install_snapshot.last_term = message->image.term;
    out.install_snapshot.conf_index = message->image.configuration_index;
    decode_checked(message->image.configuration, &out.install_snapshot.conf);
    out.install_snapshot.data.base = raft_malloc(1); /* the bytes travel beside the engine */
    out.install_snapshot.data.len = 1;
    vxc_check(out.install_snapshot.data.base != NULL);
    receive(engine, now_ms, &out, message->peer, message->image.configuration);
    return 0;
}

static void receive_timeout_now(struct vxc_engine *engine, uint64_t now_ms,
                                const struct vxc_engine_message *message)
{
    struct raft_message out = {.type = RAFT_TIMEOUT_NOW};

    if (would_elect_itself(engine)) {
        return; /* G3: its own timeout will do, with the term raised */
    }
    out.timeout_now.term = message->term;
    out.timeout_now.last_log_index = message->timeout_now.last_index;
    out.timeout_now.last_log_term = message->timeout_now.last_term;
    receive(engine, now_ms, &out, message->peer, vxc_slice(NULL, 0));
}

int vxc_engine_receive(struct vxc_engine *engine, uint64_t now_ms,
                       const struct vxc_engine_message *message)
{
    bool from_leader = message->type == VXC_ENGINE_APPEND || message->type == VXC_ENGINE_IMAGE;

    /* Two leaders of one term cannot be, so nobody may tell us that there are. */
    if (message->peer == 0 || message->peer == engine->options.node_id || message->term == 0 ||
        (from_leader && engine->raft.state == RAFT_LEADER &&
         message->term == vxc_engine_term(engine))) {
        return VXC_EPROTO;
    }
    switch (message->type) {
    case VXC_ENGINE_APPEND:
        if (!append_is_sane(message)) {
            return VXC_EPROTO;
        }
        receive_append(engine, now_ms, message);
        return 0;
    case VXC_ENGINE_APPEND_RESULT:
        receive_append_result(engine, now_ms, message);
        return 0;
    case VXC_ENGINE_VOTE:
        receive_vote(engine, now_ms, message);
        return 0;
    case VXC_ENGINE_VOTE_RESULT:
        receive_vote_result(engine, now_ms, message);
        return 0;
    case VXC_ENGINE_IMAGE:
        return receive_image(engine, now_ms, message);
    case VXC_ENGINE_TIMEOUT_NOW:
        receive_timeout_now(engine, now_ms, message);
        return 0;
    default:
        return VXC_EPROTO;
    }
}

/* ---- inspection ---- */

enum vxc_engine_role vxc_engine_role(const struct vxc_engine *engine)
{
    return (enum vxc_engine_role)engine->raft.state;
}

uint64_t vxc_engine_term(const struct vxc_engine *engine)
{
    return raft_current_term(&engine->raft);
}

uint64_t vxc_engine_voted_for(const struct vxc_engine *engine)
{
    return raft_voted_for(&engine->raft);
}

uint64_t vxc_engine_leader(const struct vxc_engine *engine)
{
    raft_id id = 0;
    const char *address;

    raft_leader(&mutable_engine(engine)->raft, &id, &address);
    return id;
}

uint64_t vxc_engine_commit_index(const struct vxc_engine *engine)
{
    return raft_commit_index(&engine->raft);
}

uint64_t vxc_engine_last_index(const struct vxc_engine *engine)
{
    return raft_last_index(&mutable_engine(engine)->raft);
}

uint64_t vxc_engine_timeout_ms(const struct vxc_engine *engine)
{
    return raft_timeout(&engine->raft);
}

bool vxc_engine_installing(const struct vxc_engine *engine)
{
    return engine->installing;
}

bool vxc_engine_can_submit(const struct vxc_engine *engine)
{
    return engine->raft.state == RAFT_LEADER && raft_transferee(&engine->raft) == 0;
}

bool vxc_engine_is_voter(const struct vxc_engine *engine)
{
    return raft_role(&mutable_engine(engine)->raft) == RAFT_VOTER;
}

bool vxc_engine_is_alone(const struct vxc_engine *engine)
{
    const struct raft *raft = &engine->raft;

    return sole_voter_of(&raft->configuration, engine->options.node_id) &&
           sole_voter_of(&raft->configuration_committed, engine->options.node_id);
}

uint64_t vxc_engine_committed_configuration(const struct vxc_engine *engine)
{
    return engine->raft.configuration_committed_index;
}

uint64_t vxc_engine_pending_configuration(const struct vxc_engine *engine)
{
    return engine->raft.configuration_uncommitted_index;
}
