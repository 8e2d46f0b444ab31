/* The members of the cluster: kinds 270–276.
 *
 * What changes them is begun when its turn has come, blocks its connection meanwhile, and is alone:
 * a second one, from whatever connection, is told EBUSY. Each takes two steps, in the order in which
 * a failure between them does no harm and asking again goes on:
 *
 *   member_add       its row in the member table (no incarnation yet) → the configuration
 *   member_remove    the configuration → the row says that it never comes back
 *
 * The primary that removes itself, or loses its place in between, leaves the second step of a
 * removal to the next one, which forgets at its beginning whoever is a member no more.
 *
 * member_transfer is held until the role changes, or the election timeout has passed.
 */
#include "base/check.h"
#include "node/cluster.h"
#include "node/gateway_internal.h"

#include <stdlib.h>

enum { IDLE_MS = 1000 };

/* ---- who they are ---- */

struct vxc_slice vxc_membership_address(const struct vxc_gateway *g, uint64_t id)
{
    struct vxc_member_view view;
    const char *known = NULL;

    if (id == g->options.node_id) {
        return vxc_slice_of_string(g->options.address);
    }
    if (g->options.fsm != NULL && vxc_fsm_member(g->options.fsm, id, &view) == 0 &&
        view.address.size != 0) {
        return view.address;
    }
    if (g->options.address_of != NULL) {
        known = g->options.address_of(g->options.data, id);
    }
    return known != NULL ? vxc_slice_of_string(known) : vxc_slice(NULL, 0);
}

static int by_id(const void *a, const void *b)
{
    const struct vxc_replica_member *x = a;
    const struct vxc_replica_member *y = b;

    return (x->id > y->id) - (x->id < y->id);
}

static bool is_member(const struct vxc_gateway *g, uint64_t id)
{
    struct vxc_replica_member members[VXC_CONFIGURATION_MEMBERS_MAX];
    uint32_t count = vxc_replica_members(g->options.replica, members);

    for (uint32_t i = 0; i < count; i++) {
        if (members[i].id == id) {
            return true;
        }
    }
    return false;
}

static int put_member(const struct vxc_gateway *g, const struct vxc_replica_member *member,
                      uint64_t primary_id, struct vxc_buffer *out)
{
    struct vxc_message m = vxc_message_of(VXC_KIND_MEMBER_INFO);
    bool heard = member->heard_ms != UINT64_MAX && member->id != g->options.node_id;
    uint8_t key[8];
    int rv;

    m.member_info.id = member->id;
    m.member_info.role = member->id == primary_id ? 2 : member->role == VXC_MEMBER_VOTER ? 1 : 0;
    m.member_info.address = vxc_membership_address(g, member->id);
    m.member_info.match_index = member->match_index;
    m.member_info.silent_ms.present = heard;
    m.member_info.silent_ms.number = heard ? member->heard_ms : 0;
    vxc_store_be64(key, member->id);
    rv = vxc_buffer_put_bytes(out, vxc_slice(key, sizeof key));
    return rv != 0 ? rv : vxc_record_put(&m, out);
}

void vxc_membership_list(struct vxc_caller *caller, uint32_t request_id)
{
    struct vxc_gateway *g = caller->gateway;
    struct vxc_replica_member members[VXC_CONFIGURATION_MEMBERS_MAX];
    struct vxc_message reply = vxc_message_of(VXC_KIND_PAGE_REPLY);
    struct vxc_replica_status status;
    uint32_t count = vxc_replica_members(g->options.replica, members);
    int rv = 0;

    vxc_replica_status(g->options.replica, &status);
    qsort(members, count, sizeof members[0], by_id);
    vxc_buffer_clear(&g->scratch);
    for (uint32_t i = 0; rv == 0 && i < count; i++) {
        rv = put_member(g, &members[i], status.primary_id, &g->scratch);
    }
    if (rv != 0) {
        vxc_reply_error(caller, VXC_KIND_MEMBER_LIST, request_id, rv, NULL);
        return;
    }
    reply.page_reply.index = vxc_fsm_applied_index(g->options.fsm);
    reply.page_reply.rows = (struct vxc_list){.count = count, .raw = vxc_buffer_slice(&g->scratch)};
    vxc_reply_message(caller, request_id, 0, &reply);
}

/* ---- how they change ---- */

bool vxc_membership_is_change(uint16_t kind)
{
    return kind >= VXC_KIND_MEMBER_ADD && kind <= VXC_KIND_CHECKPOINT;
}

/* It was answered, one way or the other; its caller's frames are taken again. */
static void release(struct vxc_request *r)
{
    struct vxc_gateway *g = r->caller->gateway;

    if (g->change == r) {
        g->change = NULL;
    }
    r->state = VXC_REQUEST_ANSWERED;
    vxc_caller_unblock(r->caller);
}

static void fail(struct vxc_request *r, int code, const char *text)
{
    vxc_reply_error(r->caller, r->kind, r->request_id, code, text);
    release(r);
}

static void answer_done(struct vxc_request *r, uint64_t index)
{
    struct vxc_message m = vxc_message_of(VXC_KIND_DONE_REPLY);

    m.done_reply.index = index;
    vxc_reply_message(r->caller, r->request_id, 0, &m);
    release(r);
}

static void answer_added(struct vxc_request *r, uint64_t index)
{
    struct vxc_message m = vxc_message_of(VXC_KIND_NUMBER_REPLY);

    m.number_reply.index = index;
    m.number_reply.number = (int64_t)vxc_load_u64(r->payload);
    m.number_reply.found = true;
    vxc_reply_message(r->caller, r->request_id, 0, &m);
    release(r);
}

/* A step was handed to the replica, or refused by it: true when its result will come. */
static bool stepped(struct vxc_request *r, int rv, const struct vxc_error *err)
{
    if (rv != 0) {
        fail(r, rv, err != NULL && err->text[0] != '\0' ? err->text : NULL);
        return false;
    }
    vxc_request_proposed(r);
    return true;
}

/* What a later step needs: the id. */
static bool keep_id(struct vxc_request *r, uint64_t id)
{
    uint8_t bytes[8];

    vxc_store_u64(bytes, id);
    if (vxc_request_keep(r, vxc_slice(bytes, sizeof bytes)) != 0) {
        fail(r, VXC_ENOMEM, NULL);
        return false;
    }
    return true;
}

/* An id that no member ever had, or the one that an earlier attempt noted for this address. */
struct choice {
    const struct vxc_gateway *gateway;
    struct vxc_slice address;
    uint64_t highest;
    uint64_t noted;
};

static void choose(void *data, const struct vxc_member_view *view)
{
    struct choice *c = data;

    c->highest = view->id > c->highest ? view->id : c->highest;
    if (!view->gone && view->incarnation == 0 && vxc_slice_equal(view->address, c->address) &&
        !is_member(c->gateway, view->id)) {
        c->noted = view->id;
    }
}

static uint64_t free_id(const struct vxc_gateway *g, struct vxc_slice address)
{
    struct choice c = {.gateway = g, .address = address};
    struct vxc_replica_member members[VXC_CONFIGURATION_MEMBERS_MAX];
    uint32_t count = vxc_replica_members(g->options.replica, members);

    for (uint32_t i = 0; i < count; i++) {
        c.highest = members[i].id > c.highest ? members[i].id : c.highest;
    }
    vxc_fsm_each_member(g->options.fsm, choose, &c);
    return c.noted != 0 ? c.noted : c.highest + 1;
}

static bool is_address(struct vxc_slice address)
{
    const uint8_t *colon = address.size == 0 ? NULL : memrchr(address.data, ':', address.size);

    return address.size < VXC_ADDRESS_TEXT_MAX && colon != NULL && colon != address.data &&
           colon != address.data + address.size - 1 &&
           memchr(address.data, '\0', address.size) == NULL;
}

static void begin_add(struct vxc_request *r, const struct vxc_msg_member_add *add)
{
    struct vxc_gateway *g = r->caller->gateway;
    struct vxc_command set = {.op = VXC_OP_MEMBER_SET, .name = add->address};
    struct vxc_member_view view;

    if (!is_address(add->address)) {
        fail(r, VXC_EINVAL, "the address of a member is HOST:PORT");
        return;
    }
    set.a = (int64_t)(add->id != 0 ? add->id : free_id(g, add->address));
    if (is_member(g, (uint64_t)set.a)) {
        fail(r, VXC_EEXISTS, "there is a member with this id");
        return;
    }
    if (vxc_fsm_member(g->options.fsm, (uint64_t)set.a, &view) == 0 && view.gone) {
        fail(r, VXC_EEXISTS, "a member with this id was removed: its id never comes back");
        return;
    }
    if (keep_id(r, (uint64_t)set.a)) {
        (void)stepped(r, vxc_replica_propose(g->options.replica, &set, &r->proposal), NULL);
    }
}

static int propose_forget(struct vxc_gateway *g, uint64_t id, struct vxc_proposal *proposal)
{
    struct vxc_command forget = {.op = VXC_OP_MEMBER_FORGET, .a = (int64_t)id};

    return vxc_replica_propose(g->options.replica, &forget, proposal);
}

static void begin_remove(struct vxc_request *r, uint64_t id)
{
    struct vxc_gateway *g = r->caller->gateway;
    struct vxc_member_view view;
    struct vxc_error err = {0};

    if (!keep_id(r, id)) {
        return;
    }
    if (!is_member(g, id) && vxc_fsm_member(g->options.fsm, id, &view) == 0 && !view.gone) {
        r->stage = 1; /* an earlier attempt came so far */
        (void)stepped(r, propose_forget(g, id, &r->proposal), NULL);
        return;
    }
    (void)stepped(r, vxc_replica_remove(g->options.replica, id, &r->proposal, &err), &err);
}

static void begin_transfer(struct vxc_request *r, uint64_t id)
{
    struct vxc_gateway *g = r->caller->gateway;
    struct vxc_error err = {0};
    int rv = vxc_replica_transfer(g->options.replica, id, &err);

    if (rv != 0) {
        (void)stepped(r, rv, &err);
        return;
    }
    r->state = VXC_REQUEST_HELD;
    g->change_due_ms = vxc_gateway_now_ms(g) + g->options.election_timeout_ms;
}

void vxc_membership_begin(struct vxc_request *r, const struct vxc_message *m)
{
    struct vxc_gateway *g = r->caller->gateway;
    struct vxc_error err = {0};
    int rv = vxc_gateway_serves(g);

    if (rv != 0) {
        fail(r, rv, NULL);
        return;
    }
    if (m->kind == VXC_KIND_CHECKPOINT) {
        (void)stepped(r, vxc_replica_checkpoint(g->options.replica, &r->proposal), NULL);
        return;
    }
    if (g->change != NULL) {
        fail(r, VXC_EBUSY, "another change of the members is under way");
        return;
    }
    g->change = r;
    switch (m->kind) {
    case VXC_KIND_MEMBER_ADD:
        begin_add(r, &m->member_add);
        break;
    case VXC_KIND_MEMBER_PROMOTE:
        (void)stepped(
            r, vxc_replica_promote(g->options.replica, m->member_promote.id, &r->proposal, &err),
            &err);
        break;
    case VXC_KIND_MEMBER_REMOVE:
        begin_remove(r, m->member_remove.id);
        break;
    default:
        begin_transfer(r, m->member_transfer.id);
        break;
    }
}

/* The row is there: now the configuration. */
static bool added(struct vxc_request *r, const struct vxc_result *result)
{
    struct vxc_gateway *g = r->caller->gateway;
    struct vxc_error err = {0};

    if (r->stage == 1) {
        answer_added(r, result->index);
        return false;
    }
    r->stage = 1;
    return stepped(
        r,
        vxc_replica_add_standby(g->options.replica, vxc_load_u64(r->payload), &r->proposal, &err),
        &err);
}

/* It is out of the configuration: now it never comes back. */
static bool removed(struct vxc_request *r, const struct vxc_result *result)
{
    struct vxc_gateway *g = r->caller->gateway;
    int rv = VXC_ENOTPRIMARY;

    if (r->stage == 0 && g->options.replica != NULL) {
        r->stage = 1;
        rv = propose_forget(g, vxc_load_u64(r->payload), &r->proposal);
    }
    if (rv == VXC_ENOTPRIMARY) { /* all done, or the next primary does the rest */
        answer_done(r, result->index);
        return false;
    }
    return stepped(r, rv, NULL);
}

bool vxc_membership_result(struct vxc_request *r, const struct vxc_result *result)
{
    if (result->code != 0) {
        fail(r, result->code, result->text);
        return false;
    }
    switch (r->kind) {
    case VXC_KIND_MEMBER_ADD:
        return added(r, result);
    case VXC_KIND_MEMBER_REMOVE:
        return removed(r, result);
    default:
        answer_done(r, result->index);
        return false;
    }
}

/* ---- a new primary, a transfer ---- */

static void forget_removed(void *data, const struct vxc_member_view *view)
{
    struct vxc_gateway *g = data;

    if (!view->gone && view->incarnation != 0 && !is_member(g, view->id)) {
        (void)propose_forget(g, view->id, NULL); /* refused: the next primary does it */
    }
}

void vxc_membership_lead(struct vxc_gateway *g)
{
    vxc_fsm_each_member(g->options.fsm, forget_removed, g);
}

/* The transfer that is held, if there is one, has come to its end. */
static void end_transfer(struct vxc_gateway *g, int code)
{
    struct vxc_request *r = g->change;

    if (code == 0) {
        answer_done(r, g->options.fsm != NULL ? vxc_fsm_applied_index(g->options.fsm) : 0);
    } else {
        fail(r, code, "the other node did not take over in time; this one stays the primary");
    }
    vxc_caller_drain(r->caller);
}

static bool is_transferring(const struct vxc_gateway *g)
{
    return g->change != NULL && g->change->state == VXC_REQUEST_HELD;
}

void vxc_membership_on_role(struct vxc_gateway *g)
{
    if (is_transferring(g) && vxc_gateway_serves(g) != 0) {
        end_transfer(g, 0);
    }
}

uint64_t vxc_membership_turn(struct vxc_gateway *g, uint64_t now_ms)
{
    if (!is_transferring(g)) {
        return IDLE_MS;
    }
    if (now_ms < g->change_due_ms) {
        return g->change_due_ms - now_ms;
    }
    end_transfer(g, VXC_ETIMEOUT);
    return IDLE_MS;
}
