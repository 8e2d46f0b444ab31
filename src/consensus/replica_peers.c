#include "consensus/replica_internal.h"

#include "base/check.h"
#include "base/memory.h"
#include "base/planted.h"

/* ---- who they are ---- */

struct vxc_replica_peer *vxc_replica_peer(const struct vxc_replica *replica, uint64_t id)
{
    for (uint32_t i = 0; i < replica->peers_count; i++) {
        if (replica->peers[i]->id == id) {
            return replica->peers[i];
        }
    }
    return NULL;
}

static void free_peer(struct vxc_replica_peer *peer)
{
    vxc_buffer_free(&peer->image_offered);
    vxc_free(peer);
}

/* Makes room by forgetting whoever is no member any more; there are fewer members than places. */
static void forget_strangers(struct vxc_replica *replica)
{
    struct vxc_configuration newest;
    uint32_t kept = 0;

    vxc_engine_configuration(replica->engine, &newest);
    for (uint32_t i = 0; i < replica->peers_count; i++) {
        if (vxc_configuration_find(&newest, replica->peers[i]->id) >= 0) {
            replica->peers[kept++] = replica->peers[i];
        } else {
            free_peer(replica->peers[i]);
        }
    }
    replica->peers_count = kept;
}

/* Finds or makes it; NULL: too many strangers have spoken at once. */
static struct vxc_replica_peer *need_peer(struct vxc_replica *replica, uint64_t id)
{
    struct vxc_replica_peer *peer = vxc_replica_peer(replica, id);

    if (peer != NULL) {
        return peer;
    }
    if (replica->peers_count == VXC_REPLICA_PEERS_MAX) {
        forget_strangers(replica);
    }
    if (replica->peers_count == VXC_REPLICA_PEERS_MAX) {
        return NULL;
    }
    peer = vxc_calloc(1, sizeof *peer);
    vxc_need_memory(peer != NULL, "a member of the cluster");
    peer->id = id;
    replica->peers[replica->peers_count++] = peer;
    return peer;
}

void vxc_replica_free_peers(struct vxc_replica *replica)
{
    for (uint32_t i = 0; i < replica->peers_count; i++) {
        free_peer(replica->peers[i]);
    }
    replica->peers_count = 0;
}

uint32_t vxc_replica_members(const struct vxc_replica *replica, struct vxc_replica_member *members)
{
    const uint64_t now_ms = vxc_replica_now_ms(replica);
    struct vxc_configuration newest;

    vxc_engine_configuration(replica->engine, &newest);
    for (uint32_t i = 0; i < newest.count; i++) {
        const uint64_t id = newest.members[i].id;
        const struct vxc_replica_peer *peer = vxc_replica_peer(replica, id);

        members[i] = (struct vxc_replica_member){
            .id = id,
            .role = newest.members[i].role,
            .match_index = vxc_engine_match_index(replica->engine, id),
            .heard_ms = peer == NULL || !peer->heard ? UINT64_MAX : now_ms - peer->heard_ms,
        };
    }
    return newest.count;
}

/* ---- going out ---- */

void vxc_replica_push(struct vxc_replica *replica, uint64_t id, struct vxc_peer_message message)
{
    struct vxc_replica_peer *peer = need_peer(replica, id);

    if (peer != NULL) {
        message.peer = id;
        vxc_outbox_push(&peer->outbox, &message);
    }
}

void vxc_replica_tell_lack(struct vxc_replica *replica, uint64_t id)
{
    vxc_replica_push(
        replica, id,
        (struct vxc_peer_message){.type = VXC_PEER_LACK, .lack = {.code = replica->lack}});
}

void vxc_replica_push_all(struct vxc_replica *replica, const struct vxc_peer_message *message,
                          bool voters_only)
{
    struct vxc_configuration newest;

    vxc_engine_configuration(replica->engine, &newest);
    for (uint32_t i = 0; i < newest.count; i++) {
        if (newest.members[i].id != replica->options.node_id &&
            (!voters_only || newest.members[i].role == VXC_MEMBER_VOTER)) {
            vxc_replica_push(replica, newest.members[i].id, *message);
        }
    }
}

void vxc_replica_send(void *data, const struct vxc_engine_message *message)
{
    struct vxc_replica *replica = data;

    if (message->type == VXC_ENGINE_IMAGE) {
        struct vxc_replica_peer *peer = need_peer(replica, message->peer);
        if (peer != NULL) {
            peer->image_wanted = true; /* the owner is told when the engine's step is over */
        }
        return;
    }
    vxc_replica_push(replica, message->peer,
                     (struct vxc_peer_message){.type = VXC_PEER_ENGINE, .engine = *message});
}

/* Is this range still what the engine wants sent? The log may have been trimmed or cut since. */
static bool is_current(const struct vxc_replica *replica, const struct vxc_engine_message *append)
{
    const struct vxc_log *log = replica->options.log;
    const uint64_t prev = append->append.prev_index;

    return replica->role == VXC_ENGINE_LEADER && append->term == replica->term &&
           prev + append->append.count <= vxc_log_last_index(log) &&
           prev + 1 >= vxc_log_first_index(log) &&
           (prev == 0 || vxc_log_term(log, prev) == append->append.prev_term);
}

/* Reads entries behind prev_index until bytes_max; how many. What was appended in this life and is
 * not applied yet is in memory and stays there; what is read back from disk lives only until the
 * next read, so it is copied. */
static uint32_t collect_entries(struct vxc_replica *replica,
                                const struct vxc_engine_message *append, size_t bytes_max)
{
    size_t offsets[VXC_PEER_ENTRIES_MAX]; /* of the copies, which move while they grow */
    size_t bytes = 0;
    uint32_t count = 0;

    vxc_buffer_clear(&replica->outgoing);
    while (count < append->append.count && (count == 0 || bytes < bytes_max)) {
        const uint64_t index = append->append.prev_index + 1 + count;
        struct vxc_log_entry entry;
        struct vxc_error err = {0};
        int rv = vxc_log_get(replica->options.log, index, &entry, &err);

        if (rv != 0) {
            (void)vxc_error_prefix(&err, "entry %llu", (unsigned long long)index);
            vxc_replica_end_unread(&err, "reading");
        }
        if (count > 0 && bytes + entry.payload.size > bytes_max) {
            break; /* the next message begins with it */
        }
        offsets[count] = SIZE_MAX;
        if (index <= replica->applied_index ||
            (!VXC_PLANTED(sent_without_copy) && index <= replica->recovered_index)) {
            offsets[count] = replica->outgoing.size;
            vxc_need_memory(
                vxc_buffer_append(&replica->outgoing, entry.payload.data, entry.payload.size) == 0,
                "entries for another node");
        }
        replica->outgoing_entries[count] = (struct vxc_engine_entry){
            .term = entry.term, .type = entry.type, .payload = entry.payload};
        bytes += entry.payload.size;
        count++;
    }
    for (uint32_t i = 0; i < count; i++) {
        if (offsets[i] != SIZE_MAX) {
            replica->outgoing_entries[i].payload.data = replica->outgoing.data + offsets[i];
        }
    }
    return count;
}

/* Fills the append at the front of an outbox in; false when it is of no use any more. */
static bool fill_append(struct vxc_replica *replica, struct vxc_outbox *outbox, size_t bytes_max,
                        struct vxc_peer_message *message)
{
    struct vxc_engine_message *first = &vxc_outbox_first(outbox)->engine;
    uint32_t count;

    if (!is_current(replica, first)) {
        vxc_outbox_pop(outbox);
        return false;
    }
    count = collect_entries(replica, first, bytes_max);
    *message = *vxc_outbox_first(outbox);
    message->engine.append.count = count;
    message->engine.append.entries = replica->outgoing_entries;
    if (count == first->append.count) {
        vxc_outbox_pop(outbox);
        return true;
    }
    first->append.prev_index += count; /* the rest of the range goes with the next call */
    first->append.prev_term = replica->outgoing_entries[count - 1].term;
    first->append.count -= count;
    return true;
}

bool vxc_replica_next(struct vxc_replica *replica, uint64_t id, size_t bytes_max,
                      struct vxc_peer_message *message)
{
    struct vxc_replica_peer *peer = vxc_replica_peer(replica, id);
    const struct vxc_peer_message *first;

    if (peer == NULL) {
        return false;
    }
    while ((first = vxc_outbox_first(&peer->outbox)) != NULL) {
        if (first->type == VXC_PEER_ENGINE && first->engine.type == VXC_ENGINE_APPEND &&
            first->engine.append.count > 0) {
            if (fill_append(replica, &peer->outbox, bytes_max, message)) {
                return true;
            }
            continue;
        }
        *message = *first;
        vxc_outbox_pop(&peer->outbox);
        return true;
    }
    return false;
}

void vxc_replica_disconnected(struct vxc_replica *replica, uint64_t id)
{
    struct vxc_replica_peer *peer = vxc_replica_peer(replica, id);

    if (peer != NULL) {
        vxc_outbox_clear(&peer->outbox);
    }
}

void vxc_replica_peer_gone(struct vxc_replica *replica, uint64_t id)
{
    vxc_engine_peer_gone(replica->engine, vxc_replica_now_ms(replica), id);
    vxc_replica_observe(replica);
}

/* ---- coming in ---- */

static void answer_probe(struct vxc_replica *replica, const struct vxc_peer_message *probe)
{
    struct vxc_peer_message answer = {
        .type = VXC_PEER_PROBE_RESULT,
        .probe_result = {.round = probe->probe.round, .term = replica->vote.term},
    };

    vxc_replica_push(replica, probe->peer, answer);
}

static void take_probe_result(struct vxc_replica *replica, const struct vxc_peer_message *message)
{
    if (replica->role == VXC_ENGINE_LEADER && replica->ready &&
        message->probe_result.term <= replica->term) {
        vxc_read_index_answer(&replica->reads, message->peer, message->probe_result.round);
    }
}

static int take_engine_message(struct vxc_replica *replica, const struct vxc_peer_message *message)
{
    struct vxc_engine_message engine = message->engine;
    int rv;

    if (engine.peer != message->peer) {
        return VXC_EPROTO;
    }
    if (engine.type == VXC_ENGINE_APPEND && engine.append.count > 0 &&
        replica->no_space_until_ms != 0) {
        engine.append.count = 0; /* there is no room: it still is a heartbeat, and comes again */
        vxc_replica_tell_lack(replica, message->peer);
    }
    replica->receiving_from = message->peer;
    rv = vxc_engine_receive(replica->engine, vxc_replica_now_ms(replica), &engine);
    replica->receiving_from = 0;
    vxc_replica_observe(replica);
    if (replica->install_asked) {
        replica->install_asked = false;
        replica->options.on_install(replica->options.data, replica->install_from,
                                    &replica->install);
    }
    return rv;
}

int vxc_replica_receive(struct vxc_replica *replica, const struct vxc_peer_message *message)
{
    struct vxc_replica_peer *peer;

    if (message->peer == 0 || message->peer == replica->options.node_id) {
        return VXC_EPROTO;
    }
    if (replica->restart_engine || replica->stopping) {
        return 0; /* lost: the engine is begun anew in this turn, or nothing is any more */
    }
    peer = need_peer(replica, message->peer);
    if (peer != NULL) {
        peer->heard = true;
        peer->heard_ms = vxc_replica_now_ms(replica);
    }
    switch (message->type) {
    case VXC_PEER_ENGINE:
        return take_engine_message(replica, message);
    case VXC_PEER_PROBE:
        answer_probe(replica, message);
        return 0;
    case VXC_PEER_PROBE_RESULT:
        take_probe_result(replica, message);
        return 0;
    case VXC_PEER_DIGEST:
        if (peer != NULL) {
            peer->digest_index = message->digest.index;
            peer->digest = message->digest.digest;
            peer->digest_seen = false;
        }
        return 0;
    case VXC_PEER_LACK:
        if (peer != NULL) {
            peer->lack = message->lack.code;
            peer->lack_ms = vxc_replica_now_ms(replica);
            replica->peers_lack = true;
        }
        return 0;
    default:
        return VXC_EPROTO;
    }
}

/* ---- images ---- */

void vxc_replica_tell_images(struct vxc_replica *replica)
{
    for (uint32_t i = 0; i < replica->peers_count; i++) {
        struct vxc_replica_peer *peer = replica->peers[i];

        if (peer->image_wanted) {
            peer->image_wanted = false;
            if (replica->role == VXC_ENGINE_LEADER && replica->options.on_image_wanted != NULL) {
                replica->options.on_image_wanted(replica->options.data, peer->id);
            }
        }
    }
}

uint64_t vxc_replica_base_index(const struct vxc_replica *replica)
{
    return vxc_log_base(replica->options.log)->index;
}

void vxc_replica_offer_image(struct vxc_replica *replica, uint64_t id,
                             const struct vxc_log_base *image)
{
    struct vxc_replica_peer *peer = vxc_replica_peer(replica, id);
    struct vxc_peer_message message = {.type = VXC_PEER_ENGINE};

    if (peer == NULL || replica->role != VXC_ENGINE_LEADER ||
        image->index < vxc_replica_base_index(replica)) {
        return;
    }
    vxc_outbox_clear(&peer->outbox); /* nothing before it is of use; and its buffer may be reused */
    vxc_buffer_clear(&peer->image_offered);
    vxc_need_memory(vxc_buffer_append(&peer->image_offered, image->configuration.data,
                                      image->configuration.size) == 0,
                    "a configuration");
    message.engine.type = VXC_ENGINE_IMAGE;
    message.engine.peer = id;
    message.engine.term = replica->term;
    message.engine.image = *image;
    message.engine.image.configuration = vxc_buffer_slice(&peer->image_offered);
    vxc_replica_push(replica, id, message);
}

void vxc_replica_hold_log(struct vxc_replica *replica, uint64_t index)
{
    replica->held_index = index;
}
