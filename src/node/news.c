/* News of addresses: of several lists of one address that a turn makes, a client gets the last.
 *
 * An event of an address carries its whole list. When thousands listen at one address, and a node
 * starts or ends, that is thousands of events with thousands of registrations each. So large lists
 * are held until the turn ends, or, while the client has not taken what was sent before, until it
 * has; another change of the address takes the place of the one that is held. What the client gets
 * is as new as it ever was, and the ring of events has all of them for whoever resumes.
 *
 * Two rules of docs/protocol.md stand: a reply comes behind the events of what it tells, and events
 * come in the order of (index, ordinal). So what is held leaves before anything else does, but for
 * the replies to registrations, of which there are as many: they are held behind it. And while
 * something is held, small lists wait behind it.
 */
#include "base/check.h"
#include "base/memory.h"
#include "node/gateway_internal.h"

struct vxc_news_item {
    TAILQ_ENTRY(vxc_news_item) of_news;
    uint64_t index;
    uint32_t ordinal;
    uint64_t watch;
    uint32_t name_size;
    struct vxc_buffer bytes; /* the name, then the list as the state machine encodes it */
};

static struct vxc_slice name_of(const struct vxc_news_item *item)
{
    return vxc_slice(item->bytes.data, item->name_size);
}

static struct vxc_slice view_of(const struct vxc_news_item *item)
{
    return vxc_slice(item->bytes.data + item->name_size, item->bytes.size - item->name_size);
}

static void push(struct vxc_caller *caller, const struct vxc_event *e)
{
    struct vxc_gateway *g = caller->gateway;
    VXC_UNINITIALIZED struct vxc_message m;

    m.kind = VXC_KIND_EVENT_REGISTRATIONS;
    m.event_registrations = (struct vxc_msg_event_registrations){
        .index = e->index, .ordinal = e->ordinal, .watch = e->watch, .address = e->name};
    (void)vxc_reply_registrations(g, e->view, &m.event_registrations.registrations);
    vxc_reply_message(caller, 0, VXC_FRAME_EVENT, &m);
    g->stats.events_total++;
}

/* ---- what is held ---- */

static struct vxc_news_item *find(struct vxc_news *news, const struct vxc_event *e)
{
    struct vxc_news_item *item;

    TAILQ_FOREACH(item, &news->items, of_news)
    {
        if (item->watch == e->watch && vxc_slice_equal(name_of(item), e->name)) {
            return item;
        }
    }
    return NULL;
}

/* Of the connection, and of all. */
static void count_bytes(struct vxc_caller *caller, const struct vxc_news_item *item, int sign)
{
    uint64_t bytes = item->bytes.size;

    caller->news.bytes += sign > 0 ? bytes : -bytes;
    caller->gateway->news_bytes += sign > 0 ? bytes : -bytes;
}

static void drop(struct vxc_caller *caller, struct vxc_news_item *item)
{
    struct vxc_news *news = &caller->news;

    TAILQ_REMOVE(&news->items, item, of_news);
    news->count--;
    count_bytes(caller, item, -1);
    vxc_buffer_free(&item->bytes);
    vxc_free(item);
}

static bool is_holding(const struct vxc_caller *caller)
{
    return caller->news.count > 0;
}

static int hold(struct vxc_caller *caller, const struct vxc_event *e)
{
    struct vxc_news *news = &caller->news;
    struct vxc_news_item *item = find(news, e);
    int rv;

    if (item == NULL) {
        item = vxc_calloc(1, sizeof *item);
        if (item == NULL) {
            return VXC_ENOMEM;
        }
        if (news->count++ == 0) {
            TAILQ_INIT(&news->items);
            LIST_INSERT_HEAD(&caller->gateway->with_news, caller, of_news);
        }
    } else {
        TAILQ_REMOVE(&news->items, item, of_news);
        count_bytes(caller, item, -1);
        vxc_buffer_clear(&item->bytes);
    }
    TAILQ_INSERT_TAIL(&news->items, item, of_news);
    item->index = e->index;
    item->ordinal = e->ordinal;
    item->watch = e->watch;
    item->name_size = (uint32_t)e->name.size;
    rv = vxc_buffer_append(&item->bytes, e->name.data, e->name.size);
    rv = rv != 0 ? rv : vxc_buffer_append(&item->bytes, e->view.data, e->view.size);
    count_bytes(caller, item, 1);
    return rv;
}

void vxc_news_add(struct vxc_caller *caller, const struct vxc_event *e)
{
    if (caller->conn == NULL) {
        return;
    }
    if (!is_holding(caller) && e->view.size < caller->gateway->options.news_held_size_min) {
        push(caller, e);
        return;
    }
    if (hold(caller, e) != 0) {
        vxc_news_forget(caller);
        vxc_conn_cut(caller->conn, VXC_ENOMEM, "out of memory", false);
    } else if (caller->news.count >= VXC_NEWS_ADDRESSES_MAX ||
               caller->news.bytes >= VXC_NEWS_BYTES_MAX ||
               caller->gateway->news_bytes >= VXC_NODE_NEWS_BYTES_MAX) {
        vxc_news_tell(caller);
    }
}

/* ---- what leaves ---- */

struct vxc_buffer *vxc_news_replies(struct vxc_caller *caller, uint16_t kind)
{
    if (is_holding(caller) &&
        (kind == VXC_KIND_REGISTRATION_ADD || kind == VXC_KIND_REGISTRATION_REMOVE)) {
        return &caller->news.replies;
    }
    vxc_news_tell(caller);
    return NULL;
}

void vxc_news_tell(struct vxc_caller *caller)
{
    struct vxc_news_item *item;

    if (!is_holding(caller)) {
        return;
    }
    TAILQ_FOREACH(item, &caller->news.items, of_news)
    {
        push(caller, &(struct vxc_event){.index = item->index,
                                         .ordinal = item->ordinal,
                                         .watch = item->watch,
                                         .name = name_of(item),
                                         .view = view_of(item)});
    }
    vxc_reply_kept(caller, vxc_buffer_slice(&caller->news.replies));
    vxc_news_forget(caller);
}

void vxc_news_forget(struct vxc_caller *caller)
{
    struct vxc_news *news = &caller->news;

    if (!is_holding(caller)) {
        return;
    }
    while (news->count > 0) {
        drop(caller, TAILQ_FIRST(&news->items));
    }
    LIST_REMOVE(caller, of_news);
    vxc_buffer_free(&news->replies);
}

void vxc_gateway_end_turn(struct vxc_gateway *g)
{
    struct vxc_caller *caller;
    struct vxc_caller *next;

    for (caller = LIST_FIRST(&g->with_news); caller != NULL; caller = next) {
        next = LIST_NEXT(caller, of_news);
        if (!vxc_conn_is_choked(caller->conn) ||
            caller->news.replies.size >= VXC_NEWS_REPLIES_SIZE_MAX) {
            vxc_news_tell(caller);
        }
    }
}
