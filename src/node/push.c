/* Events of the state machine become frames of the connections that they are for. */
#include "node/gateway_internal.h"

static void data_event(const struct vxc_event *e, struct vxc_message *m)
{
    m->kind = VXC_KIND_EVENT_DATA;
    m->event_data = (struct vxc_msg_event_data){
        .index = e->index,
        .ordinal = e->ordinal,
        .watch = e->watch,
        .kind = (uint8_t)e->kind,
        .type = (uint8_t)e->type,
        .name = e->name,
        .key = {.present = e->key.data != NULL, .bytes = e->key},
        .value = {.present = e->value.data != NULL, .bytes = e->value},
        .number = e->number,
        .token = e->token,
    };
}

static void members_event(const struct vxc_event *e, struct vxc_message *m)
{
    m->kind = VXC_KIND_EVENT_MEMBERS;
    m->event_members = (struct vxc_msg_event_members){
        .index = e->index,
        .ordinal = e->ordinal,
        .watch = e->watch,
        .type = (uint8_t)e->type,
        .epoch = (uint64_t)e->number,
        .node_id = e->key,
        .info = e->value,
    };
    (void)vxc_list_read_items(e->view, &m->event_members.view); /* written by our state machine */
}

static void lock_event(const struct vxc_event *e, struct vxc_message *m)
{
    m->kind = VXC_KIND_EVENT_LOCK;
    m->event_lock = (struct vxc_msg_event_lock){
        .index = e->index,
        .ordinal = e->ordinal,
        .acquire_sequence = e->ticket,
        .type = (uint8_t)e->type,
        .lock = e->name,
        .token = e->token,
    };
}

/* A legacy node hears only of its lock grants: the second kind-36 frame with the same request id.
 */
static void push_legacy(struct vxc_lease *lease, const struct vxc_event *e)
{
    struct vxc_message m = vxc_message_of(VXC_KIND_LEGACY_LOCK_ACQUIRE_REPLY);

    if (e->type != VXC_EVENT_LOCK_GRANTED) {
        return;
    }
    m.legacy_lock_acquire_reply.acquired = true;
    for (struct vxc_caller *c = lease->callers; c != NULL; c = c->next_of_lease) {
        if (c->id == (uint32_t)(e->ticket >> 32)) {
            vxc_reply_message(c, (uint32_t)e->ticket, 0, &m);
            return;
        }
    }
}

void vxc_gateway_on_event(void *data, const struct vxc_event *e)
{
    struct vxc_gateway *g = data;
    struct vxc_lease *lease = vxc_lease_find(g, e->session);
    bool ends = e->type == VXC_EVENT_SESSION_EXPIRED || e->type == VXC_EVENT_SESSION_CLOSED;
    struct vxc_message m;

    if (lease == NULL) {
        return;
    }
    if (lease->legacy) {
        push_legacy(lease, e);
    } else if (e->type == VXC_EVENT_REGISTRATIONS && lease->callers != NULL) {
        vxc_news_add(lease->callers, e);
    } else if (lease->callers != NULL) {
        vxc_news_tell(lease->callers);
        switch (e->type) {
        case VXC_EVENT_NODE_JOINED:
        case VXC_EVENT_NODE_LEFT:
        case VXC_EVENT_NODE_INFO:
            members_event(e, &m);
            break;
        case VXC_EVENT_LOCK_GRANTED:
        case VXC_EVENT_LOCK_TIMEOUT:
        case VXC_EVENT_LOCK_CANCELED:
            lock_event(e, &m);
            break;
        case VXC_EVENT_SESSION_EXPIRED:
        case VXC_EVENT_SESSION_CLOSED:
            m.kind = VXC_KIND_EVENT_SESSION;
            m.event_session = (struct vxc_msg_event_session){.index = e->index,
                                                             .ordinal = e->ordinal,
                                                             .session = e->session,
                                                             .type = (uint8_t)e->type};
            break;
        default:
            data_event(e, &m);
            break;
        }
        vxc_reply_message(lease->callers, 0, VXC_FRAME_EVENT, &m);
        g->stats.events_total++;
    }
    if (ends) {
        if (e->type == VXC_EVENT_SESSION_EXPIRED) {
            vxc_log_event(g->options.logger, VXC_LOG_INFO, "session_expired", "session=%llu",
                          (unsigned long long)e->session);
        }
        vxc_lease_drop(g, lease);
    }
}
