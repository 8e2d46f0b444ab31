#include "consensus/engine_internal.h"

#include "base/check.h"
#include "base/memory.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>

static const char *const event_names[] = {
    [RAFT_START] = "start",
    [RAFT_RECEIVE] = "receive",
    [RAFT_PERSISTED_ENTRIES] = "persisted entries",
    [RAFT_PERSISTED_SNAPSHOT] = "persisted image",
    [RAFT_CONFIGURATION] = "configuration",
    [RAFT_SNAPSHOT] = "trimmed",
    [RAFT_TIMEOUT] = "timeout",
    [RAFT_SUBMIT] = "submit",
    [RAFT_TRANSFER] = "transfer",
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
    struct vxc_engine_entry *entries = vxc_calloc(count, sizeof *entries);

    vxc_need_memory(entries != NULL, "entries that the consensus engine has accepted");
    for (uint32_t i = 0; i < count; i++) {
        entries[i] = view_entry(&update->entries.batch[i]);
    }
    engine->options.append(engine->options.data, update->entries.index, entries, count);
    vxc_free(entries);
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

int vxc_engine_step(struct vxc_engine *engine, uint64_t now_ms, struct raft_event *event,
                    struct vxc_slice configuration)
{
    struct raft_update update = {0};
    int rv;

    engine->now_ms = now_ms > engine->now_ms ? now_ms : engine->now_ms;
    event->time = engine->now_ms;
    event->capacity = CAPACITY;
    rv = raft_step(&engine->raft, event, &update);
    if (rv != 0) {
        if ((event->type == RAFT_SUBMIT &&
             (rv == RAFT_NOTLEADER || rv == RAFT_NOSPACE || rv == RAFT_CANTCHANGE)) ||
            (event->type == RAFT_TRANSFER &&
             (rv == RAFT_NOTLEADER || rv == RAFT_NOTFOUND || rv == RAFT_BADID))) {
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
        vxc_engine_send(engine, &update);
    }
    return 0;
}

/* The same for events that bring no image. */
static int step(struct vxc_engine *engine, uint64_t now_ms, struct raft_event *event)
{
    return vxc_engine_step(engine, now_ms, event, vxc_slice(NULL, 0));
}

/* ---- configurations ---- */

void vxc_engine_decode_configuration(struct vxc_slice bytes, struct raft_configuration *out)
{
    struct raft_buffer buffer = {(void *)(uintptr_t)bytes.data, bytes.size};

    /* The bytes were checked by vxc_configuration_decode(): only memory can fail. */
    vxc_need_memory(raft_configuration_decode(&buffer, out) == 0, "a configuration");
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

bool vxc_engine_would_elect_itself(const struct vxc_engine *engine)
{
    const struct raft *raft = &engine->raft;

    return raft->state == RAFT_FOLLOWER &&
           sole_voter_of(&raft->configuration, engine->options.node_id);
}

/* ---- birth and death ---- */

static void *heap_malloc(void *data, size_t size)
{
    (void)data;
    return vxc_malloc(size);
}

static void heap_free(void *data, void *memory)
{
    (void)data;
    vxc_free(memory);
}

static void *heap_calloc(void *data, size_t count, size_t size)
{
    (void)data;
    return vxc_calloc(count, size);
}

static void *heap_realloc(void *data, void *memory, size_t size)
{
    (void)data;
    return vxc_realloc(memory, size);
}

static void *heap_aligned_alloc(void *data, size_t alignment, size_t size)
{
    (void)data;
    return vxc_aligned_malloc(alignment, size);
}

static void heap_aligned_free(void *data, size_t alignment, void *memory)
{
    (void)data;
    (void)alignment;
    vxc_aligned_free(memory);
}

static pthread_once_t heap_shared = PTHREAD_ONCE_INIT;

/* The engine's heap is one for the process: it is ours, told once. */
static void share_heap(void)
{
    static struct raft_heap heap = {.malloc = heap_malloc,
                                    .free = heap_free,
                                    .calloc = heap_calloc,
                                    .realloc = heap_realloc,
                                    .aligned_alloc = heap_aligned_alloc,
                                    .aligned_free = heap_aligned_free};

    raft_heap_set(&heap);
}

int vxc_engine_create(const struct vxc_engine_options *options, struct vxc_engine **engine,
                      struct vxc_error *err)
{
    struct vxc_engine *created = vxc_calloc(1, sizeof *created);

    if (created == NULL) {
        return vxc_error_set(err, VXC_ENOMEM, "consensus engine");
    }
    (void)pthread_once(&heap_shared, share_heap); /* cannot fail */
    created->options = *options;
    (void)snprintf(created->address, sizeof created->address, "%" PRIu64, options->node_id);
    if (raft_init(&created->raft, NULL, NULL, options->node_id, created->address) != 0) {
        vxc_free(created);
        return vxc_error_set(err, VXC_ENOMEM, "consensus engine");
    }
    created->raft.tracer = NULL; /* the default one formats into a static buffer on every step */
    raft_seed(&created->raft, options->seed);
    raft_set_election_timeout(&created->raft, options->election_timeout_ms);
    raft_set_heartbeat_timeout(&created->raft, options->heartbeat_ms);
    raft_set_pre_vote(&created->raft, true);
    raft_set_install_snapshot_timeout(&created->raft, INSTALL_AGAIN_MS);
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
    vxc_free(engine);
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
    vxc_free(entries);
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
        entries = vxc_calloc(count, sizeof *entries);
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
        vxc_engine_decode_configuration(start->base->configuration, &metadata.configuration);
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

    vxc_engine_decode_configuration(configuration, &event.configuration.conf);
    (void)step(engine, now_ms, &event);
}

void vxc_engine_confirmed(struct vxc_engine *engine)
{
    engine->confirmed_term = vxc_engine_term(engine);
}

uint64_t vxc_engine_base_index(const struct vxc_engine *engine)
{
    return engine->raft.trail.snapshot.index;
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
    vxc_engine_decode_configuration(base->configuration, &event.snapshot.metadata.configuration);
    event.snapshot.trailing = trailing > UINT32_MAX ? UINT32_MAX : (unsigned)trailing;
    (void)step(engine, now_ms, &event);
}

void vxc_engine_peer_gone(struct vxc_engine *engine, uint64_t now_ms, uint64_t peer)
{
    struct raft *raft = &engine->raft;
    uint64_t delay_ms, timeout_ms;

    if (raft->state != RAFT_FOLLOWER || raft->follower_state.current_leader.id != peer ||
        engine->installing) {
        return;
    }
    raft_free(raft->follower_state.current_leader.address);
    raft->follower_state.current_leader.address = NULL;
    raft->follower_state.current_leader.id = 0;
    /* Several followers notice at once: they are spread over one heartbeat. The timer is moved by its
     * start, which the next message of a leader sets again. */
    delay_ms = raft_random(&raft->random, 1, engine->options.heartbeat_ms);
    timeout_ms = raft->follower_state.randomized_election_timeout;
    engine->now_ms = now_ms > engine->now_ms ? now_ms : engine->now_ms;
    raft->election_timer_start =
        engine->now_ms + delay_ms > timeout_ms ? engine->now_ms + delay_ms - timeout_ms : 0;
}

/* A follower stands for election only with all its entries durable; asked before, the engine would
 * begin its whole timeout anew. */
static bool waits_for_disk(const struct vxc_engine *engine)
{
    const struct raft *raft = &engine->raft;

    return raft->state == RAFT_FOLLOWER && !engine->installing &&
           raft->last_stored < vxc_engine_last_index(engine);
}

void vxc_engine_timeout(struct vxc_engine *engine, uint64_t now_ms)
{
    struct raft *raft = &engine->raft;

    vxc_engine_look_after_heir(engine, now_ms);
    if (waits_for_disk(engine)) {
        return;
    }

    /* G3, the other door: a follower that became the only voter elects itself at its timeout.
     * Raising the term is what an election proper would do; the engine forgets it. */
    if (vxc_engine_would_elect_itself(engine) && !engine->installing &&
        now_ms >= raft_timeout(raft) && raft->last_stored == raft_last_index(raft)) {
        uint64_t term = raft->current_term;
        uint64_t voted_for;

        raise_term(engine, &term, &voted_for);
        raft->current_term = term;
        raft->voted_for = voted_for;
    }
    (void)step(engine, now_ms, &(struct raft_event){.type = RAFT_TIMEOUT});
}

static int hand_over(struct vxc_engine *engine, uint64_t now_ms, uint64_t id)
{
    struct raft_event event = {.type = RAFT_TRANSFER, .transfer = {.server_id = id}};

    switch (step(engine, now_ms, &event)) {
    case 0:
        return 0;
    case RAFT_NOTLEADER:
        return VXC_ENOTPRIMARY;
    default:
        return VXC_EINVAL;
    }
}

static bool is_other_voter(const struct vxc_engine *engine, uint64_t id)
{
    const struct raft_configuration *from = &engine->raft.configuration;

    for (unsigned i = 0; i < from->n; i++) {
        if (from->servers[i].id == id) {
            return id != engine->options.node_id && from->servers[i].role == RAFT_VOTER;
        }
    }
    return false;
}

/* G7: the engine takes any answer of a follower that it wants to hand over to for the last one it
 * waits for, orders it to take over too early, once, and the follower ignores that. So it gets to
 * know of the transfer when the follower has all of the log. */
int vxc_engine_transfer(struct vxc_engine *engine, uint64_t now_ms, uint64_t id)
{
    if (!vxc_engine_can_submit(engine) || !is_other_voter(engine, id) ||
        vxc_engine_match_index(engine, id) == vxc_engine_last_index(engine)) {
        return hand_over(engine, now_ms, id);
    }
    engine->heir_id = id;
    engine->heir_until_ms = now_ms + engine->options.election_timeout_ms;
    return 0;
}

void vxc_engine_look_after_heir(struct vxc_engine *engine, uint64_t now_ms)
{
    const uint64_t id = engine->heir_id;

    if (id == 0) {
        return;
    }
    if (engine->raft.state != RAFT_LEADER || now_ms >= engine->heir_until_ms) {
        engine->heir_id = 0;
    } else if (vxc_engine_match_index(engine, id) == vxc_engine_last_index(engine)) {
        engine->heir_id = 0;
        (void)hand_over(engine, now_ms, id); /* refused when it is no voter any more */
    }
}

/* ---- inspection ---- */

unsigned vxc_engine_version(void)
{
    return (unsigned)raft_version_number();
}

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
    const uint64_t timeout_ms = raft_timeout(&engine->raft);

    return waits_for_disk(engine) && timeout_ms <= engine->now_ms ? engine->now_ms + 1 : timeout_ms;
}

bool vxc_engine_installing(const struct vxc_engine *engine)
{
    return engine->installing;
}

bool vxc_engine_can_submit(const struct vxc_engine *engine)
{
    return engine->raft.state == RAFT_LEADER && raft_transferee(&engine->raft) == 0 &&
           engine->heir_id == 0;
}

void vxc_engine_configuration(const struct vxc_engine *engine,
                              struct vxc_configuration *configuration)
{
    const struct raft_configuration *from = &engine->raft.configuration;

    vxc_check(from->n <= VXC_CONFIGURATION_MEMBERS_MAX);
    *configuration = (struct vxc_configuration){.count = from->n};
    for (unsigned i = 0; i < from->n; i++) {
        configuration->members[i].id = from->servers[i].id;
        configuration->members[i].role = (enum vxc_member_role)from->servers[i].role;
    }
}

uint64_t vxc_engine_match_index(const struct vxc_engine *engine, uint64_t id)
{
    raft_index index = 0;

    return raft_match_index(&engine->raft, id, &index) == 0 ? index : 0;
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
