/* Messages of the engine, out and in, and the guards that stand in the way of those coming in:
 * G1 (a configuration is the first of its batch), G2 (stale terms are answered here), G3 (no
 * election by surprise), G5 (appends from below the compaction), G6 (overtaken refusals). */
#include "consensus/engine_internal.h"

#include "base/check.h"
#include "base/memory.h"

#include <inttypes.h>
#include <stdio.h>

/* ---- going out ---- */

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

void vxc_engine_send(struct vxc_engine *engine, const struct raft_update *update)
{
    if (engine->options.send == NULL) {
        return;
    }
    for (unsigned i = 0; i < update->messages.n; i++) {
        struct vxc_engine_message message = view_message(&update->messages.batch[i]);
        engine->options.send(engine->options.data, &message);
    }
}

/* ---- coming in ---- */

static void receive(struct vxc_engine *engine, uint64_t now_ms, struct raft_message *message,
                    uint64_t peer, struct vxc_slice configuration)
{
    char address[ADDRESS_SIZE];

    (void)snprintf(address, sizeof address, "%" PRIu64, peer);
    message->server_id = peer;
    message->server_address = address;
    (void)vxc_engine_step(
        engine, now_ms, &(struct raft_event){.type = RAFT_RECEIVE, .receive = {.message = message}},
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

        received = vxc_calloc(count, sizeof *received);
        vxc_need_memory(batch != NULL && received != NULL, "entries of another node");
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
    vxc_free(received);
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
    vxc_engine_look_after_heir(engine, now_ms); /* G7 */
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
    vxc_engine_decode_configuration(message->image.configuration, &out.install_snapshot.conf);
    out.install_snapshot.data.base = raft_malloc(1); /* the bytes travel beside the engine */
    out.install_snapshot.data.len = 1;
    vxc_need_memory(out.install_snapshot.data.base != NULL, "an image of another node");
    receive(engine, now_ms, &out, message->peer, message->image.configuration);
    return 0;
}

static void receive_timeout_now(struct vxc_engine *engine, uint64_t now_ms,
                                const struct vxc_engine_message *message)
{
    struct raft_message out = {.type = RAFT_TIMEOUT_NOW};

    if (vxc_engine_would_elect_itself(engine)) {
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
