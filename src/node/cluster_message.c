/* What replicas say to each other, as frames of kinds 310 to 320 and back.
 *
 *   entries of an append   count × (term u64 | type u16 | size u32 | payload)
 */
#include "base/check.h"
#include "node/cluster_internal.h"

#include <string.h>

enum { ENTRY_HEAD_SIZE = 8 + 2 + 4 };

static_assert(VXC_FRAME_HEADER_SIZE + 4 * 8 + 4 + 4 + ENTRY_HEAD_SIZE + VXC_ENTRY_SIZE_MAX <=
                  VXC_PEER_FRAME_SIZE_MAX,
              "the largest entry fits a frame between nodes");

/* ---- out ---- */

/* The other messages go through the general codec; these bytes are many, and are copied once. */
static int encode_append(const struct vxc_engine_message *m, struct vxc_buffer *out)
{
    size_t size = 0;
    size_t at;

    for (uint32_t i = 0; i < m->append.count; i++) {
        size += ENTRY_HEAD_SIZE + m->append.entries[i].payload.size;
    }
    if (size > VXC_PEER_FRAME_SIZE_MAX) {
        return VXC_ETOOBIG;
    }
    if (vxc_buffer_reserve(out, VXC_FRAME_HEADER_SIZE + 4 * 8 + 4 + 4 + size) != 0) {
        return VXC_ENOMEM;
    }
    at = vxc_frame_begin(out, VXC_FRAME_EVENT, VXC_KIND_PEER_APPEND, 0);
    /* the room is there: none of these fails */
    (void)vxc_buffer_put_u64(out, m->term);
    (void)vxc_buffer_put_u64(out, m->append.prev_index);
    (void)vxc_buffer_put_u64(out, m->append.prev_term);
    (void)vxc_buffer_put_u64(out, m->append.commit_index);
    (void)vxc_buffer_put_u32(out, m->append.count);
    (void)vxc_buffer_put_u32(out, (uint32_t)size);
    for (uint32_t i = 0; i < m->append.count; i++) {
        const struct vxc_engine_entry *e = &m->append.entries[i];

        (void)vxc_buffer_put_u64(out, e->term);
        (void)vxc_buffer_put_u16(out, e->type);
        (void)vxc_buffer_put_bytes(out, e->payload);
    }
    return vxc_frame_finish_within(out, at, VXC_PEER_FRAME_SIZE_MAX);
}

static void fill_engine(const struct vxc_engine_message *m, struct vxc_message *out)
{
    switch (m->type) {
    case VXC_ENGINE_APPEND: /* see encode_append() */
        break;
    case VXC_ENGINE_APPEND_RESULT:
        out->kind = VXC_KIND_PEER_APPEND_RESULT;
        out->peer_append_result.term = m->term;
        out->peer_append_result.rejected = m->append_result.rejected;
        out->peer_append_result.last_index = m->append_result.last_index;
        break;
    case VXC_ENGINE_VOTE:
        out->kind = VXC_KIND_PEER_VOTE;
        out->peer_vote.term = m->term;
        out->peer_vote.last_index = m->vote.last_index;
        out->peer_vote.last_term = m->vote.last_term;
        out->peer_vote.disrupt_leader = m->vote.disrupt_leader;
        out->peer_vote.pre_vote = m->vote.pre_vote;
        break;
    case VXC_ENGINE_VOTE_RESULT:
        out->kind = VXC_KIND_PEER_VOTE_RESULT;
        out->peer_vote_result.term = m->term;
        out->peer_vote_result.granted = m->vote_result.granted;
        out->peer_vote_result.pre_vote = m->vote_result.pre_vote;
        break;
    case VXC_ENGINE_IMAGE:
        out->kind = VXC_KIND_PEER_IMAGE;
        out->peer_image.term = m->term;
        out->peer_image.index = m->image.index;
        out->peer_image.index_term = m->image.term;
        out->peer_image.configuration_index = m->image.configuration_index;
        out->peer_image.configuration = m->image.configuration;
        break;
    case VXC_ENGINE_TIMEOUT_NOW:
        out->kind = VXC_KIND_PEER_TIMEOUT_NOW;
        out->peer_timeout_now.term = m->term;
        out->peer_timeout_now.last_index = m->timeout_now.last_index;
        out->peer_timeout_now.last_term = m->timeout_now.last_term;
        break;
    }
}

int vxc_peer_message_encode(const struct vxc_peer_message *message, struct vxc_buffer *out)
{
    struct vxc_message m;

    if (message->type == VXC_PEER_ENGINE && message->engine.type == VXC_ENGINE_APPEND) {
        return encode_append(&message->engine, out);
    }
    memset(&m, 0, sizeof m);
    switch (message->type) {
    case VXC_PEER_ENGINE:
        fill_engine(&message->engine, &m);
        break;
    case VXC_PEER_PROBE:
        m.kind = VXC_KIND_PEER_PROBE;
        m.peer_probe.round = message->probe.round;
        m.peer_probe.term = message->probe.term;
        break;
    case VXC_PEER_PROBE_RESULT:
        m.kind = VXC_KIND_PEER_PROBE_RESULT;
        m.peer_probe_result.round = message->probe_result.round;
        m.peer_probe_result.term = message->probe_result.term;
        break;
    case VXC_PEER_DIGEST:
        m.kind = VXC_KIND_PEER_DIGEST;
        m.peer_digest.index = message->digest.index;
        m.peer_digest.digest = message->digest.digest;
        break;
    case VXC_PEER_LACK:
        m.kind = VXC_KIND_PEER_LACK;
        m.peer_lack.code = message->lack.code;
        break;
    }
    vxc_check(m.kind != 0); /* the replica knows no others */
    return vxc_message_frame(&m, VXC_FRAME_EVENT, 0, out);
}

/* ---- in ---- */

static int decode_entries(struct vxc_slice bytes, uint32_t count, struct vxc_engine_entry *entries)
{
    struct vxc_reader r = vxc_reader(bytes);

    for (uint32_t i = 0; i < count; i++) {
        struct vxc_engine_entry *e = &entries[i];

        e->term = vxc_reader_u64(&r);
        e->type = vxc_reader_u16(&r);
        e->payload = vxc_reader_bytes(&r);
        if (!vxc_reader_ok(&r) || e->payload.size > VXC_ENTRY_SIZE_MAX || e->term == 0 ||
            e->type < VXC_LOG_COMMAND || e->type > VXC_LOG_CHANGE) {
            return VXC_EPROTO;
        }
    }
    return vxc_reader_at_end(&r) ? 0 : VXC_EPROTO;
}

static int decode_append(const struct vxc_msg_peer_append *m, struct vxc_engine_entry *entries,
                         struct vxc_engine_message *out)
{
    if (m->count > VXC_PEER_ENTRIES_MAX || decode_entries(m->entries, m->count, entries) != 0) {
        return VXC_EPROTO;
    }
    out->type = VXC_ENGINE_APPEND;
    out->term = m->term;
    out->append.prev_index = m->prev_index;
    out->append.prev_term = m->prev_term;
    out->append.commit_index = m->commit_index;
    out->append.count = m->count;
    out->append.entries = entries;
    return 0;
}

static void take_image(const struct vxc_msg_peer_image *m, struct vxc_engine_message *out)
{
    out->type = VXC_ENGINE_IMAGE;
    out->term = m->term;
    out->image.index = m->index;
    out->image.term = m->index_term;
    out->image.configuration_index = m->configuration_index;
    out->image.configuration = m->configuration;
}

int vxc_peer_message_decode(uint16_t kind, struct vxc_slice payload, uint64_t peer,
                            struct vxc_engine_entry *entries, struct vxc_peer_message *out)
{
    struct vxc_engine_message *engine = &out->engine;
    struct vxc_message m;

    if (kind < VXC_KIND_PEER_APPEND || kind > VXC_KIND_PEER_IMAGE ||
        kind == VXC_KIND_PEER_MEMBERS) {
        return VXC_EKIND;
    }
    /* to a client's message a missing field is zero; a node says all of them */
    if (vxc_message_decode(kind, payload, &m) != 0 || payload.size < vxc_message_payload_size(&m)) {
        return VXC_EPROTO;
    }
    memset(out, 0, sizeof *out);
    out->type = VXC_PEER_ENGINE;
    out->peer = peer;
    engine->peer = peer;
    switch (kind) {
    case VXC_KIND_PEER_APPEND:
        return decode_append(&m.peer_append, entries, engine);
    case VXC_KIND_PEER_APPEND_RESULT:
        engine->type = VXC_ENGINE_APPEND_RESULT;
        engine->term = m.peer_append_result.term;
        engine->append_result.rejected = m.peer_append_result.rejected;
        engine->append_result.last_index = m.peer_append_result.last_index;
        return 0;
    case VXC_KIND_PEER_VOTE:
        engine->type = VXC_ENGINE_VOTE;
        engine->term = m.peer_vote.term;
        engine->vote.last_index = m.peer_vote.last_index;
        engine->vote.last_term = m.peer_vote.last_term;
        engine->vote.disrupt_leader = m.peer_vote.disrupt_leader;
        engine->vote.pre_vote = m.peer_vote.pre_vote;
        return 0;
    case VXC_KIND_PEER_VOTE_RESULT:
        engine->type = VXC_ENGINE_VOTE_RESULT;
        engine->term = m.peer_vote_result.term;
        engine->vote_result.granted = m.peer_vote_result.granted;
        engine->vote_result.pre_vote = m.peer_vote_result.pre_vote;
        return 0;
    case VXC_KIND_PEER_TIMEOUT_NOW:
        engine->type = VXC_ENGINE_TIMEOUT_NOW;
        engine->term = m.peer_timeout_now.term;
        engine->timeout_now.last_index = m.peer_timeout_now.last_index;
        engine->timeout_now.last_term = m.peer_timeout_now.last_term;
        return 0;
    case VXC_KIND_PEER_PROBE:
        out->type = VXC_PEER_PROBE;
        out->probe.round = m.peer_probe.round;
        out->probe.term = m.peer_probe.term;
        return 0;
    case VXC_KIND_PEER_PROBE_RESULT:
        out->type = VXC_PEER_PROBE_RESULT;
        out->probe_result.round = m.peer_probe_result.round;
        out->probe_result.term = m.peer_probe_result.term;
        return 0;
    case VXC_KIND_PEER_DIGEST:
        out->type = VXC_PEER_DIGEST;
        out->digest.index = m.peer_digest.index;
        out->digest.digest = m.peer_digest.digest;
        return 0;
    case VXC_KIND_PEER_LACK:
        out->type = VXC_PEER_LACK;
        out->lack.code = (int)m.peer_lack.code;
        return m.peer_lack.code == VXC_ENOSPC || m.peer_lack.code == VXC_ENOMEM ? 0 : VXC_EPROTO;
    case VXC_KIND_PEER_IMAGE:
        take_image(&m.peer_image, engine);
        return 0;
    default:
        return VXC_EKIND;
    }
}
