/* Results of the state machine become the replies that message.def names. Replies are appended to
 * the caller's connection and leave with its one write at the end of the turn. */
#include "base/check.h"
#include "node/gateway_internal.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

void vxc_reply_message(struct vxc_caller *caller, uint32_t request_id, uint8_t flags,
                       const struct vxc_message *message)
{
    struct vxc_buffer *out;
    int rv;

    if (caller->conn == NULL) {
        return;
    }
    if ((flags & VXC_FRAME_EVENT) == 0) {
        flags |= VXC_FRAME_RESPONSE;
        caller->gateway->stats.replies_total++;
    }
    out = caller->early != NULL ? caller->early : vxc_conn_out(caller->conn);
    if (out == NULL) {
        return; /* it was cut in this turn */
    }
    rv = vxc_message_frame(message, flags, request_id, out);
    if (rv == VXC_ETOOBIG && (flags & VXC_FRAME_EVENT) == 0 &&
        message->kind != VXC_KIND_ERROR_REPLY && message->kind != VXC_KIND_LEGACY_ERROR) {
        vxc_reply_error(caller, message->kind, request_id, VXC_ETOOBIG,
                        "the answer is larger than a frame may be; read it in pages");
        return;
    }
    if (rv != 0) {
        vxc_conn_cut(caller->conn, rv, "a reply could not be encoded", false);
        return;
    }
    if (caller->early == NULL) {
        vxc_conn_touch(caller->conn);
    }
}

void vxc_reply_kept(struct vxc_caller *caller, struct vxc_slice frames)
{
    struct vxc_buffer *out = vxc_conn_out(caller->conn);

    if (out == NULL || frames.size == 0) {
        return;
    }
    if (vxc_buffer_append(out, frames.data, frames.size) != 0) {
        vxc_conn_cut(caller->conn, VXC_ENOMEM, "out of memory", false);
        return;
    }
    vxc_conn_touch(caller->conn);
}

/* Says who is primary, in the dialect of the kind. */
static void refuse_as_backup(struct vxc_caller *caller, uint16_t kind, struct vxc_message *m,
                             char *text, size_t room)
{
    struct vxc_gateway *g = caller->gateway;
    struct vxc_replica_status status = {0};
    struct vxc_slice address = {0};

    if (g->options.replica != NULL) {
        vxc_replica_status(g->options.replica, &status);
        address = vxc_membership_address(g, status.primary_id);
    }
    if (kind < VXC_KIND_ERROR_REPLY) {
        *m = vxc_message_of(VXC_KIND_LEADER_REDIRECT);
        m->leader_redirect.code = 1;
        m->leader_redirect.leader_address.present = address.size != 0;
        m->leader_redirect.leader_address.bytes = address;
        return;
    }
    if (status.primary_id == 0) {
        (void)snprintf(text, room, "not the primary; no primary is known at present");
    } else if (status.primary_id == g->options.node_id) {
        (void)snprintf(text, room, "not the primary when this began; it is now: say hello again");
    } else {
        (void)snprintf(text, room, "not the primary; it is node %" PRIu64 "%s%.*s",
                       status.primary_id, address.size != 0 ? " at " : "",
                       (int)(address.size < room / 2 ? address.size : room / 2),
                       address.size != 0 ? (const char *)address.data : "");
    }
}

void vxc_reply_error(struct vxc_caller *caller, uint16_t kind, uint32_t request_id, int code,
                     const char *text)
{
    struct vxc_gateway *g = caller->gateway;
    struct vxc_message m = {0};
    char refusal[512];

    g->stats.errors_total++;
    if (code == VXC_ENOTPRIMARY) {
        refuse_as_backup(caller, kind, &m, refusal, sizeof refusal);
        text = refusal;
    } else if (text == NULL) {
        text = code == VXC_EBUSY && g->options.replica == NULL
                   ? "this node is getting its state from a peer; try again"
                   : vxc_strerror(code);
    }
    if (kind >= VXC_KIND_ERROR_REPLY) {
        m.kind = VXC_KIND_ERROR_REPLY;
        m.error_reply.code = code;
        m.error_reply.index = vxc_gateway_applied_index(g);
        m.error_reply.message = vxc_slice_of_string(text);
    } else if (code != VXC_ENOTPRIMARY) {
        m.kind = VXC_KIND_LEGACY_ERROR;
        m.legacy_error.code = 1;
        m.legacy_error.error = vxc_slice_of_string(text);
    }
    vxc_reply_message(caller, request_id, 0, &m);
}

/* ---- lists ---- */

int vxc_state_pairs(struct vxc_slice encoded, struct vxc_list *pairs)
{
    int rv = vxc_list_read_items(encoded, pairs);

    if (rv == 0 && pairs->count % 2 != 0) {
        return VXC_EPROTO;
    }
    pairs->count /= 2;
    return rv;
}

/* Keys alone or values alone become pairs with the other side empty. */
static int pairs_of_items(struct vxc_slice encoded, bool keys, struct vxc_buffer *out,
                          struct vxc_list *rows)
{
    struct vxc_list items;
    struct vxc_slice item;
    int rv = vxc_list_read_items(encoded, &items);

    rows->count = items.count;
    vxc_buffer_clear(out);
    while (rv == 0 && vxc_list_next_item(&items, &item)) {
        rv = keys ? 0 : vxc_buffer_put_u32(out, 0);
        rv = rv != 0 ? rv : vxc_buffer_put_bytes(out, item);
        if (rv == 0 && keys) {
            rv = vxc_buffer_put_u32(out, 0);
        }
    }
    rows->raw = vxc_buffer_slice(out);
    return rv;
}

/* Which side of a page's rows an items list of the state machine fills: 0 = it is pairs already. */
enum side { SIDE_PAIRS, SIDE_KEYS, SIDE_VALUES };

static enum side page_side(const struct vxc_request *r)
{
    switch (r->kind) {
    case VXC_KIND_SET_SCAN:
        return SIDE_KEYS;
    case VXC_KIND_MULTIMAP_GET:
        return SIDE_VALUES;
    case VXC_KIND_MAP_SCAN:
    case VXC_KIND_MULTIMAP_SCAN:
        return r->stage == VXC_SCAN_KEYS     ? SIDE_KEYS
               : r->stage == VXC_SCAN_VALUES ? SIDE_VALUES
                                             : SIDE_PAIRS;
    default:
        return SIDE_PAIRS;
    }
}

static int page(struct vxc_caller *caller, const struct vxc_request *r,
                const struct vxc_result *result, struct vxc_message *m)
{
    enum side side = page_side(r);
    struct vxc_list rows = {0};
    int rv = 0;

    if (result->value.size > 0 && side == SIDE_PAIRS) {
        rv = vxc_state_pairs(result->value, &rows);
    } else if (result->value.size > 0) {
        rv = pairs_of_items(result->value, side == SIDE_KEYS, &caller->gateway->scratch, &rows);
    }
    m->page_reply.index = result->index;
    m->page_reply.next.present = result->next.data != NULL;
    m->page_reply.next.bytes = result->next;
    m->page_reply.rows = rows;
    return rv;
}

/* ---- transactions ---- */

static void fill_reply(uint16_t reply, const struct vxc_result *result, struct vxc_message *m)
{
    m->kind = reply;
    switch (reply) {
    case VXC_KIND_DONE_REPLY:
        m->done_reply.index = result->index;
        break;
    case VXC_KIND_VALUE_REPLY:
        m->value_reply.index = result->index;
        m->value_reply.value.present = result->found && result->value.data != NULL;
        m->value_reply.value.bytes = result->value;
        break;
    case VXC_KIND_NUMBER_REPLY:
        m->number_reply.index = result->index;
        m->number_reply.number = result->number;
        m->number_reply.found = result->found;
        break;
    case VXC_KIND_TRUTH_REPLY:
        m->truth_reply.index = result->index;
        m->truth_reply.truth = result->found;
        break;
    default:
        vxc_check(reply == VXC_KIND_TRUTH_REPLY); /* only simple kinds come here */
    }
}

int vxc_reply_transaction(const struct vxc_request *r, const struct vxc_result *result,
                          struct vxc_buffer *scratch, struct vxc_message *m)
{
    size_t then_count = vxc_load_u16(r->payload);
    size_t else_count = (r->payload_size - 2) / 2 - then_count;
    const uint8_t *kinds = r->payload + 2 + (result->found ? 0 : 2 * then_count);
    struct vxc_buffer payload = {0};
    struct vxc_list list;
    struct vxc_slice encoded;
    int rv = vxc_list_read_items(result->value, &list);

    if (rv == 0 && list.count != (result->found ? then_count : else_count)) {
        return VXC_ESEQUENCE; /* the reply kept for this sequence was to another request */
    }
    vxc_buffer_clear(scratch);
    m->kind = VXC_KIND_TRANSACTION_REPLY;
    m->transaction_reply.index = result->index;
    m->transaction_reply.succeeded = result->found;
    m->transaction_reply.replies.count = list.count;
    while (rv == 0 && vxc_list_next_item(&list, &encoded)) {
        struct vxc_result one;
        struct vxc_message reply;

        rv = vxc_result_decode(encoded, &one);
        if (rv != 0) {
            break;
        }
        one.index = result->index;
        fill_reply(vxc_message_schema(vxc_load_u16(kinds))->reply, &one, &reply);
        kinds += 2;
        vxc_buffer_clear(&payload);
        rv = vxc_message_encode(&reply, &payload);
        rv = rv != 0 ? rv : vxc_buffer_put_u16(scratch, reply.kind);
        rv = rv != 0 ? rv : vxc_buffer_put_bytes(scratch, vxc_buffer_slice(&payload));
    }
    vxc_buffer_free(&payload);
    m->transaction_reply.replies.raw = vxc_buffer_slice(scratch);
    return rv;
}

/* ---- one result ---- */

static void lock_reply(const struct vxc_result *result, struct vxc_message *m)
{
    m->kind = VXC_KIND_LOCK_REPLY;
    m->lock_reply.index = result->index;
    m->lock_reply.acquired = result->found;
    m->lock_reply.token = result->token;
    m->lock_reply.queue_position = result->found ? 0 : (uint64_t)result->number;
}

void vxc_reply_result(struct vxc_caller *caller, const struct vxc_request *r,
                      const struct vxc_result *result)
{
    uint16_t reply = vxc_message_schema(r->kind)->reply;
    uint8_t flags = 0;
    VXC_UNINITIALIZED struct vxc_message m;
    int rv = 0;

    if (result->code != 0) {
        vxc_reply_error(caller, r->kind, r->request_id, result->code, result->text);
        return;
    }
    m.kind = reply;
    switch (reply) {
    case VXC_KIND_PAGE_REPLY:
        rv = page(caller, r, result, &m);
        break;
    case VXC_KIND_ITEMS_REPLY:
        m.items_reply.index = result->index;
        rv = vxc_list_read_items(result->value, &m.items_reply.items);
        break;
    case VXC_KIND_MEMBERS_REPLY:
        m.members_reply.index = result->index;
        m.members_reply.epoch = (uint64_t)result->number;
        rv = vxc_list_read_items(result->value, &m.members_reply.nodes);
        break;
    case VXC_KIND_LOCK_REPLY:
        lock_reply(result, &m);
        flags = !result->found && result->number > 0 ? VXC_FRAME_MORE : 0;
        break;
    case VXC_KIND_TRANSACTION_REPLY:
        rv = vxc_reply_transaction(r, result, &caller->gateway->scratch, &m);
        break;
    default:
        fill_reply(reply, result, &m);
        break;
    }
    if (rv != 0) {
        vxc_reply_error(caller, r->kind, r->request_id, rv, NULL);
        return;
    }
    vxc_reply_message(caller, r->request_id, flags, &m);
}
