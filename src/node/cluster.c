#include "node/cluster.h"

#include "base/check.h"
#include "base/endpoint.h"
#include "base/memory.h"
#include "node/cluster_internal.h"
#include "node/secret.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { LOOK_MS = 100 }; /* how often configuration and member table are looked at */

/* ---- small things ---- */

uint64_t vxc_cluster_now_ms(const struct vxc_cluster *c)
{
    return vxc_clock_ms(c->clock);
}

static uint64_t least(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

struct vxc_slice vxc_cluster_id(const struct vxc_cluster *c)
{
    if (c->stands_in && c->stand_in.has_cluster_id) {
        return vxc_slice(c->stand_in.cluster_id, CLUSTER_ID_SIZE);
    }
    if (c->fsm == NULL || !vxc_fsm_bootstrapped(c->fsm)) {
        return vxc_slice(NULL, 0);
    }
    return vxc_slice(vxc_fsm_cluster_id(c->fsm), CLUSTER_ID_SIZE);
}

bool vxc_cluster_has_member(const struct vxc_cluster *c, uint64_t id)
{
    for (uint32_t i = 0; i < c->member_count; i++) {
        if (c->members[i].id == id) {
            return true;
        }
    }
    return false;
}

static void copy_address(char to[VXC_ADDRESS_TEXT_MAX], struct vxc_slice from)
{
    size_t size = from.size < VXC_ADDRESS_TEXT_MAX ? from.size : 0; /* too long is none */

    if (size > 0) {
        memcpy(to, from.data, size);
    }
    to[size] = '\0';
}

/* ---- peers ---- */

struct peer *vxc_cluster_peer(struct vxc_cluster *c, uint64_t id)
{
    for (int i = 0; id != 0 && i < PEERS_MAX; i++) {
        if (c->peers[i].used && c->peers[i].id == id) {
            return &c->peers[i];
        }
    }
    return NULL;
}

static struct peer *new_peer(struct vxc_cluster *c, uint64_t id)
{
    for (int i = 0; i < PEERS_MAX; i++) {
        struct peer *peer = &c->peers[i];

        if (!peer->used) {
            memset(peer, 0, sizeof *peer);
            c->look_ms = 0; /* for its address */
            peer->used = true;
            peer->id = id;
            return peer;
        }
    }
    return NULL;
}

struct peer *vxc_cluster_add_peer(struct vxc_cluster *c, uint64_t id)
{
    struct peer *peer = vxc_cluster_peer(c, id);

    return peer != NULL ? peer : new_peer(c, id);
}

static void drop_peer(struct peer *peer, const char *reason)
{
    if (peer->out != NULL) {
        vxc_link_end(peer->out, VXC_ECANCELED, reason, false);
    }
    if (peer->in != NULL) {
        vxc_link_end(peer->in, VXC_ECANCELED, reason, false);
    }
    peer->used = false;
}

/* ---- links ---- */

static void on_frame(void *data, struct vxc_conn *conn, const struct vxc_frame *frame);
static void *on_open(void *data, struct vxc_conn *conn);
static void on_close(void *data, struct vxc_conn *conn, int code, const char *reason);

static struct link *new_link(struct vxc_cluster *c, bool outgoing)
{
    struct link *link = vxc_calloc(1, sizeof *link);

    if (link == NULL) {
        return NULL;
    }
    link->cluster = c;
    link->outgoing = outgoing;
    link->state = outgoing ? LINK_DIALING : LINK_PROOF;
    link->hooks = (struct vxc_conn_hooks){
        .data = link,
        .on_open = on_open,
        .on_frame = on_frame,
        .on_close = on_close,
        .frame_size_max = VXC_PEER_FRAME_SIZE_MAX,
    };
    link->deadline_ms = UINT64_MAX; /* the listener bounds the dialing */
    link->next = c->links;
    c->links = link;
    return link;
}

static void begin_handshake(struct link *link)
{
    link->deadline_ms = vxc_cluster_now_ms(link->cluster) + VXC_PEER_HANDSHAKE_MS;
}

/* The next attempt: soon after a connection that was good, later and later after failures, and never
 * at the same moment as everybody else. */
static void plan_dial(struct vxc_cluster *c, struct peer *peer)
{
    uint64_t random;

    c->clock->random(c->clock->data, &random, sizeof random);
    peer->delay_ms = peer->delay_ms == 0 ? VXC_PEER_REDIAL_MS_MIN
                                         : least(2 * peer->delay_ms, VXC_PEER_REDIAL_MS_MAX);
    peer->dial_ms = vxc_cluster_now_ms(c) + peer->delay_ms / 2 + random % (peer->delay_ms / 2 + 1);
}

/* It is nobody's any more; what is lost with it is told. */
static void leave_peer(struct link *link, const char *reason)
{
    struct vxc_cluster *c = link->cluster;
    struct peer *peer = link->peer;
    bool was_open = link->state == LINK_OPEN;

    link->state = LINK_CLOSING;
    link->peer = NULL;
    if (peer == NULL) {
        return;
    }
    if (peer->out == link) {
        peer->out = NULL;
        plan_dial(c, peer);
        if (was_open && c->replica != NULL) {
            vxc_replica_disconnected(c->replica, peer->id);
        }
    } else if (peer->in == link) {
        peer->in = NULL;
    }
    if (was_open) {
        vxc_log_event(c->logger, VXC_LOG_INFO, "peer disconnected",
                      "peer=%" PRIu64 " direction=%s reason=\"%s\"", peer->id,
                      link->outgoing ? "out" : "in", reason);
    }
}

void vxc_link_end(struct link *link, int code, const char *reason, bool flush)
{
    if (link->state != LINK_CLOSING) {
        leave_peer(link, reason);
        vxc_conn_cut(link->conn, code, reason, flush);
    }
}

int vxc_link_send(struct link *link, const struct vxc_message *message, uint8_t flags)
{
    struct vxc_buffer *out = vxc_conn_out(link->conn);
    int rv;

    if (out == NULL) {
        return VXC_ECLOSED;
    }
    rv = vxc_message_frame(message, flags, 0, out);
    if (rv == 0) {
        vxc_conn_touch(link->conn);
    }
    return rv;
}

static void *on_open(void *data, struct vxc_conn *conn)
{
    struct link *link = data;

    link->conn = conn;
    if (link->state == LINK_CLOSING) {
        return NULL;
    }
    begin_handshake(link);
    vxc_link_greet(link);
    return link;
}

static void on_close(void *data, struct vxc_conn *conn, int code, const char *reason)
{
    struct link *link = data;
    struct vxc_cluster *c = link->cluster;

    (void)conn;
    if (c != NULL) {
        struct link **at = &c->links;

        if (link->peer != NULL && link->state == LINK_DIALING &&
            link->peer->delay_ms == VXC_PEER_REDIAL_MS_MAX) { /* not for a moment only */
            vxc_cluster_log_refusal(c, link->peer, "peer not reached", code, link->peer->address,
                                    reason);
        }
        if (link->state == LINK_OPEN && !link->outgoing && code == VXC_ECLOSED &&
            c->replica != NULL) { /* not by us: a process that ends closes what it has open */
            vxc_replica_peer_gone(c->replica, link->peer->id);
        }
        leave_peer(link, reason);
        while (*at != link) {
            at = &(*at)->next;
        }
        *at = link->next;
    }
    vxc_buffer_free(&link->transcript);
    vxc_free(link);
}

/* ---- what comes in ---- */

static void take_members(struct vxc_cluster *c, struct vxc_slice payload)
{
    struct vxc_message m;
    struct vxc_slice id;
    struct vxc_slice address;

    if (vxc_message_decode(VXC_KIND_PEER_MEMBERS, payload, &m) != 0) {
        return;
    }
    while (vxc_list_next_pair(&m.peer_members.members, &id, &address)) {
        char text[VXC_ADDRESS_TEXT_MAX];
        struct vxc_endpoint endpoint;
        struct peer *peer;

        copy_address(text, address);
        if (id.size != 8 || vxc_endpoint_parse(text, strlen(text), &endpoint) != 0 ||
            vxc_load_u64(id.data) == c->node_id) {
            continue;
        }
        peer = vxc_cluster_add_peer(c, vxc_load_u64(id.data));
        if (peer != NULL && peer->given[0] == '\0') {
            memcpy(peer->given, text, sizeof text);
        }
    }
}

/* Image messages are for the owner; one that announces an image is also the engine's. */
static bool take_image_message(struct link *link, const struct vxc_frame *frame)
{
    struct vxc_cluster *c = link->cluster;
    struct vxc_message m;

    if (frame->kind < VXC_KIND_PEER_IMAGE || frame->kind > VXC_KIND_PEER_IMAGE_BYTES) {
        return false;
    }
    if (vxc_message_decode(frame->kind, frame->payload, &m) != 0) {
        return false; /* and is told so as any other that does not parse */
    }
    if (c->on_image_message != NULL) {
        c->on_image_message(c->data, link->peer->id, &m);
    }
    /* in no term is what was asked for by peer_image_want */
    return frame->kind != VXC_KIND_PEER_IMAGE || m.peer_image.term == 0;
}

/* The peer is heard, so the network between us is whole, at least in one direction: what waits for
 * the other one to show signs of life need not wait longer. */
static void hurry(struct peer *peer)
{
    struct link *out = peer->out;

    if (out != NULL && out->state != LINK_DIALING && !vxc_conn_is_stalled(out->conn)) {
        return;
    }
    if (out != NULL) {
        vxc_link_end(out, VXC_ETIMEOUT, "it did not answer, but is heard again", false);
    }
    peer->delay_ms = 0;
    peer->dial_ms = 0;
}

static void note_heard(struct link *link)
{
    const uint64_t now_ms = vxc_cluster_now_ms(link->cluster);
    const uint64_t before_ms = link->heard_ms;

    link->heard_ms = now_ms;
    if (now_ms - before_ms > link->cluster->patience_ms / 2) {
        hurry(link->peer);
    }
}

static void on_peer_message(struct link *link, const struct vxc_frame *frame)
{
    struct vxc_cluster *c = link->cluster;
    struct vxc_peer_message message;
    int rv;

    note_heard(link);
    if (frame->kind == VXC_KIND_PEER_MEMBERS) {
        take_members(c, frame->payload);
        return;
    }
    if (take_image_message(link, frame) || link->state != LINK_OPEN) {
        return;
    }
    rv = vxc_peer_message_decode(frame->kind, frame->payload, link->peer->id, c->entries, &message);
    if (rv == VXC_EKIND && frame->kind > VXC_KIND_PEER_WELCOME &&
        frame->kind <= VXC_KIND_PEER_LAST) {
        return; /* of a later release; and whatever it is, it might have been lost */
    }
    if (rv == 0 && c->replica != NULL) {
        rv = vxc_replica_receive(c->replica, &message);
    }
    if (rv != 0 && link->state == LINK_OPEN) {
        char reason[96];

        (void)snprintf(reason, sizeof reason, "message of kind %u: %s", frame->kind,
                       vxc_strerror(rv));
        vxc_cluster_log_refusal(c, link->peer, "peer connection ended", rv,
                                vxc_conn_address(link->conn), reason);
        vxc_link_end(link, rv, reason, false);
    }
}

static void on_frame(void *data, struct vxc_conn *conn, const struct vxc_frame *frame)
{
    struct link *link = data;

    (void)conn;
    if (link->state == LINK_CLOSING) {
        return;
    }
    if (link->state != LINK_OPEN) {
        vxc_link_on_handshake(link, frame);
    } else if (!link->outgoing) {
        on_peer_message(link, frame);
    } else if (frame->kind != VXC_KIND_ERROR_REPLY) { /* the reason of an end that follows */
        vxc_link_end(link, VXC_EPROTO, "the other side sends on a connection that is ours", false);
    }
}

void vxc_cluster_accept(struct vxc_cluster *c, struct vxc_conn *conn, const struct vxc_frame *frame)
{
    static const struct vxc_conn_hooks dead = {0}; /* none is called of a cut one without a user */
    struct link *link = new_link(c, false);

    if (link == NULL) {
        vxc_conn_hand_over(conn, &dead, NULL);
        vxc_conn_cut(conn, VXC_ENOMEM, "out of memory", false);
        return;
    }
    link->conn = conn;
    vxc_conn_hand_over(conn, &link->hooks, link);
    begin_handshake(link);
    vxc_link_on_hello(link, frame);
}

/* ---- open ---- */

/* For those who do not have them from the log: who joins, above all. */
static void tell_members(struct link *link)
{
    struct vxc_cluster *c = link->cluster;
    struct vxc_message m = {.kind = VXC_KIND_PEER_MEMBERS};
    struct vxc_buffer raw = {0};
    uint8_t id[8];
    int rv = 0;

    for (uint32_t i = 0; i < c->member_count && rv == 0; i++) {
        const char *address = vxc_cluster_address(c, c->members[i].id);

        if (address[0] != '\0') {
            vxc_store_u64(id, c->members[i].id);
            rv = vxc_buffer_put_bytes(&raw, vxc_slice(id, sizeof id));
            rv = rv != 0 ? rv : vxc_buffer_put_bytes(&raw, vxc_slice_of_string(address));
            m.peer_members.members.count++;
        }
    }
    m.peer_members.members.raw = vxc_buffer_slice(&raw);
    if (rv == 0 && m.peer_members.members.count > 0) {
        (void)vxc_link_send(link, &m, VXC_FRAME_EVENT); /* it hears of them by the log as well */
    }
    vxc_buffer_free(&raw);
}

static void remember(struct peer *peer, const struct link *link)
{
    peer->said.id = peer->id;
    peer->said.incarnation = link->other.incarnation;
    peer->said.life = link->other.life;
    if (!link->outgoing) {
        memcpy(peer->said.address, link->other.address, sizeof peer->said.address);
    }
    peer->announce_ms = 0;
}

void vxc_link_opened(struct link *link)
{
    struct vxc_cluster *c = link->cluster;
    struct peer *peer = link->outgoing ? link->peer : vxc_cluster_peer(c, link->other.id);

    vxc_check(peer != NULL); /* the handshake made sure */
    if (!link->outgoing) {
        if (peer->in != NULL) {
            vxc_link_end(peer->in, VXC_ECLOSED, "a newer connection of this node is there", false);
        }
        peer->in = link;
        link->peer = peer;
        link->heard_ms = vxc_cluster_now_ms(c);
        vxc_conn_set_apart(link->conn);
        hurry(peer);
    }
    link->state = LINK_OPEN;
    link->deadline_ms = UINT64_MAX;
    link->taken_ms = vxc_cluster_now_ms(c);
    remember(peer, link);
    peer->refusal.code = 0;
    vxc_log_event(c->logger, VXC_LOG_INFO, "peer connected",
                  "peer=%" PRIu64 " direction=%s address=%s life=%" PRIu64, peer->id,
                  link->outgoing ? "out" : "in", vxc_conn_address(link->conn),
                  link->other.life >> 32);
    if (link->outgoing) {
        peer->delay_ms = 0;
        if (c->replica != NULL) {
            vxc_replica_disconnected(c->replica, peer->id);
        }
        tell_members(link);
    }
}

/* ---- what goes out ---- */

static size_t room(const struct link *link)
{
    uint64_t waiting = vxc_conn_outbound_bytes(link->conn);

    return waiting < VXC_PEER_OUTBOUND_BYTES_MAX ? VXC_PEER_OUTBOUND_BYTES_MAX - waiting : 0;
}

static int send_peer_message(struct link *link, const struct vxc_peer_message *message)
{
    struct vxc_buffer *out = vxc_conn_out(link->conn);
    int rv;

    if (out == NULL) {
        return VXC_ECLOSED;
    }
    rv = vxc_peer_message_encode(message, out);
    if (rv == 0) {
        vxc_conn_touch(link->conn); /* may send and clear what was appended */
    }
    return rv;
}

/* Moves what the replica has for the peer into the connection, as much as there is room for. */
static void pump(struct link *link)
{
    struct vxc_cluster *c = link->cluster;
    struct vxc_peer_message message;

    while (link->state == LINK_OPEN && room(link) > 0) {
        size_t bytes_max =
            room(link) < VXC_PEER_FRAME_SIZE_TARGET ? room(link) : VXC_PEER_FRAME_SIZE_TARGET;
        int rv;

        if (!vxc_replica_next(c->replica, link->peer->id, bytes_max, &message)) {
            return;
        }
        rv = send_peer_message(link, &message);
        if (rv != 0) { /* it is lost, and with it the order */
            vxc_link_end(link, rv, vxc_strerror(rv), false);
        }
    }
}

/* Does the other side take what is sent? */
static void watch(struct link *link, uint64_t now_ms)
{
    uint64_t taken = vxc_conn_taken_bytes(link->conn);

    if (vxc_conn_outbound_bytes(link->conn) == 0 || taken != link->taken_bytes) {
        link->taken_bytes = taken;
        link->taken_ms = now_ms;
    } else if (now_ms - link->taken_ms > VXC_PEER_SILENCE_MS) {
        vxc_link_end(link, VXC_ETIMEOUT, "it takes nothing of what is sent", false);
    }
}

static void dial(struct vxc_cluster *c, struct peer *peer)
{
    struct vxc_endpoint endpoint;
    struct vxc_error err = {0};
    struct link *link;
    int rv = vxc_endpoint_parse(peer->address, strlen(peer->address), &endpoint);

    if (rv == 0 && c->secret.size == 0 && !vxc_host_is_loopback(endpoint.host)) {
        vxc_cluster_log_refusal(c, peer, "peer not dialed", VXC_ESECRET, peer->address,
                                "it is off loopback: give all nodes the same --secret-file");
        rv = VXC_ESECRET;
    }
    link = rv != 0 ? NULL : new_link(c, true);
    if (link == NULL) {
        plan_dial(c, peer);
        return;
    }
    rv = vxc_listener_dial(c->listener, peer->address, c->patience_ms, &link->hooks, &link->conn,
                           &err);
    if (rv != 0) {
        c->links = link->next; /* it is the first */
        vxc_free(link);
        plan_dial(c, peer);
        return;
    }
    link->peer = peer;
    peer->out = link;
}

/* ---- who there is ---- */

static const char *address_of(struct vxc_cluster *c, const struct peer *peer,
                              char text[VXC_ADDRESS_TEXT_MAX])
{
    struct vxc_member_view member;
    const char *spec;

    if (peer->id != 0 && c->fsm != NULL && vxc_fsm_member(c->fsm, peer->id, &member) == 0 &&
        !member.gone && member.address.size > 0) {
        copy_address(text, member.address);
        return text;
    }
    spec = peer->id != 0 ? vxc_cluster_spec_address(&c->spec, peer->id) : NULL;
    return spec != NULL ? spec : peer->given[0] != '\0' ? peer->given : peer->said.address;
}

bool vxc_cluster_knows_members(const struct vxc_cluster *c)
{
    return vxc_cluster_has_member(c, c->node_id);
}

static bool is_gone(struct vxc_cluster *c, uint64_t id)
{
    struct vxc_member_view member;

    return c->fsm != NULL && vxc_fsm_member(c->fsm, id, &member) == 0 && member.gone;
}

static uint32_t stand_in_members(struct vxc_cluster *c)
{
    const struct vxc_configuration *configuration = &c->stand_in.configuration;

    for (uint32_t i = 0; i < configuration->count; i++) {
        c->members[i] = (struct vxc_replica_member){.id = configuration->members[i].id,
                                                    .role = configuration->members[i].role,
                                                    .heard_ms = UINT64_MAX};
    }
    return configuration->count;
}

/* The members of the newest configuration, and whoever has come in without being one of them: the
 * configuration here may be older than the one by which the other side is a member. */
static void refresh_peers(struct vxc_cluster *c)
{
    c->member_count =
        c->replica != NULL ? vxc_replica_members(c->replica, c->members) : stand_in_members(c);
    for (int i = 0; vxc_cluster_knows_members(c) && i < PEERS_MAX; i++) {
        struct peer *peer = &c->peers[i];

        if (peer->used && !vxc_cluster_has_member(c, peer->id) &&
            (peer->in == NULL || is_gone(c, peer->id))) {
            drop_peer(peer, "not a member any more");
        }
    }
    for (uint32_t i = 0; i < c->member_count; i++) {
        if (c->members[i].id != c->node_id) {
            (void)vxc_cluster_add_peer(c,
                                       c->members[i].id); /* no room: with one of the next looks */
        }
    }
}

static void refresh_addresses(struct vxc_cluster *c)
{
    char own[VXC_ADDRESS_TEXT_MAX];

    (void)snprintf(c->self.address, sizeof c->self.address, "%s", address_of(c, &c->self, own));
    for (int i = 0; i < PEERS_MAX; i++) {
        struct peer *peer = &c->peers[i];
        char text[VXC_ADDRESS_TEXT_MAX];
        const char *address;

        if (!peer->used) {
            continue;
        }
        address = address_of(c, peer, text);
        if (strcmp(peer->address, address) != 0) {
            (void)snprintf(peer->address, sizeof peer->address, "%s", address);
            peer->delay_ms = 0;
            peer->dial_ms = 0;
        }
    }
}

static void look_at_self(struct vxc_cluster *c)
{
    struct vxc_member_view member;

    if (c->fsm != NULL && vxc_fsm_member(c->fsm, c->node_id, &member) == 0 && member.gone) {
        vxc_cluster_take_refusal(
            c, "the cluster",
            "this node was removed, and its id never comes back: start it with an "
            "empty --data under a new --node-id with --join, and add that one "
            "with vxc member add");
    }
}

/* ---- the turn ---- */

static void end_late_handshakes(struct vxc_cluster *c, uint64_t now_ms)
{
    for (struct link *link = c->links; link != NULL; link = link->next) {
        if (link->state != LINK_CLOSING && now_ms >= link->deadline_ms) {
            vxc_link_end(link, VXC_ETIMEOUT, "the handshake was not finished in time", false);
        }
    }
}

static uint64_t turn_of_peer(struct vxc_cluster *c, struct peer *peer, uint64_t now_ms)
{
    if (peer->out == NULL && now_ms >= peer->dial_ms && peer->address[0] != '\0') {
        dial(c, peer);
    }
    if (peer->out == NULL) {
        return peer->address[0] == '\0'  ? LOOK_MS
               : peer->dial_ms <= now_ms ? 1
                                         : peer->dial_ms - now_ms;
    }
    if (peer->out->state == LINK_OPEN && c->replica != NULL) {
        pump(peer->out);
    }
    if (peer->out != NULL && peer->out->state == LINK_OPEN) {
        watch(peer->out, now_ms);
    }
    return VXC_PEER_SILENCE_MS / 4;
}

uint64_t vxc_cluster_turn(struct vxc_cluster *c)
{
    uint64_t now_ms = vxc_cluster_now_ms(c);
    uint64_t wait_ms = UINT64_MAX;

    end_late_handshakes(c, now_ms);
    if (c->replica == NULL && !c->stands_in) {
        return LOOK_MS;
    }
    if (now_ms >= c->look_ms) {
        c->look_ms = now_ms + LOOK_MS;
        refresh_peers(c);
        look_at_self(c);
        refresh_addresses(c);
    }
    for (int i = 0; i < PEERS_MAX; i++) {
        if (c->peers[i].used) {
            wait_ms = least(wait_ms, turn_of_peer(c, &c->peers[i], now_ms));
        }
    }
    if (c->links != NULL) {
        wait_ms = least(wait_ms, VXC_PEER_HANDSHAKE_MS / 4);
    }
    return vxc_cluster_announce(c, now_ms) ? 0 : wait_ms;
}

int vxc_cluster_send(struct vxc_cluster *c, uint64_t id, const struct vxc_message *message)
{
    struct peer *peer = vxc_cluster_peer(c, id);

    if (peer == NULL || peer->out == NULL || peer->out->state != LINK_OPEN) {
        return VXC_ECLOSED;
    }
    if (room(peer->out) == 0) {
        return VXC_EBUSY;
    }
    return vxc_link_send(peer->out, message, VXC_FRAME_EVENT);
}

const char *vxc_cluster_address(const struct vxc_cluster *c, uint64_t id)
{
    if (id == c->node_id) { /* a node that listens everywhere knows it from the cluster alone */
        return c->address[0] != '\0' ? c->address : c->self.address;
    }
    for (int i = 0; id != 0 && i < PEERS_MAX; i++) {
        if (c->peers[i].used && c->peers[i].id == id) {
            return c->peers[i].address;
        }
    }
    return "";
}

bool vxc_cluster_is_connected(const struct vxc_cluster *c, uint64_t id)
{
    for (int i = 0; id != 0 && i < PEERS_MAX; i++) {
        const struct peer *peer = &c->peers[i];

        if (peer->used && peer->id == id && peer->out != NULL && peer->out->state == LINK_OPEN) {
            return true;
        }
    }
    return false;
}

void vxc_cluster_count(const struct vxc_cluster *c, uint64_t *members, uint64_t *connected)
{
    struct vxc_replica_member now[VXC_CONFIGURATION_MEMBERS_MAX];

    *members = c->replica != NULL ? vxc_replica_members(c->replica, now)
               : c->stands_in     ? c->stand_in.configuration.count
                                  : c->member_count;
    *connected = 0;
    for (int i = 0; i < PEERS_MAX; i++) {
        const struct link *out = c->peers[i].used ? c->peers[i].out : NULL;

        *connected += out != NULL && out->state == LINK_OPEN;
    }
}

const char *vxc_cluster_refused(const struct vxc_cluster *c)
{
    return c->refused[0] != '\0' ? c->refused : NULL;
}

/* ---- life ---- */

const char *vxc_cluster_spec_address(const struct vxc_cluster_spec *spec, uint64_t id)
{
    for (uint32_t i = 0; i < spec->count; i++) {
        if (spec->members[i].id == id) {
            return spec->members[i].address;
        }
    }
    return NULL;
}

static void take_spec(struct vxc_cluster *c, const struct vxc_cluster_spec *spec)
{
    if (spec == NULL) {
        return;
    }
    c->spec = *spec;
    for (uint32_t i = 0; i < spec->count; i++) {
        if (spec->members[i].id == 0) { /* --join: who is there will be told by the challenge */
            struct peer *peer = new_peer(c, 0);

            vxc_check(peer != NULL); /* there is room for as many */
            memcpy(peer->given, spec->members[i].address, sizeof peer->given);
        }
    }
}

int vxc_cluster_create(const struct vxc_cluster_options *options, struct vxc_cluster **out,
                       struct vxc_error *err)
{
    struct vxc_cluster *c = vxc_calloc(1, sizeof *c);

    if (c == NULL ||
        vxc_buffer_append(&c->secret, options->secret.data, options->secret.size) != 0) {
        vxc_free(c);
        return vxc_error_set(err, VXC_ENOMEM, "out of memory");
    }
    c->node_id = options->node_id;
    c->incarnation = options->incarnation;
    c->life = options->life;
    c->patience_ms = VXC_PEER_PATIENCE_TIMES * options->election_timeout_ms;
    if (c->patience_ms < VXC_PEER_PATIENCE_MS_MIN) {
        c->patience_ms = VXC_PEER_PATIENCE_MS_MIN;
    }
    c->listener = options->listener;
    c->clock = options->clock;
    c->logger = options->logger;
    c->data = options->data;
    c->on_image_message = options->on_image_message;
    copy_address(c->address, vxc_slice_of_string(options->address));
    c->self.used = true;
    c->self.id = c->node_id;
    c->self.said =
        (struct introduction){.id = c->node_id, .incarnation = c->incarnation, .life = c->life};
    memcpy(c->self.said.address, c->address, sizeof c->address);
    take_spec(c, options->spec);
    *out = c;
    return 0;
}

void vxc_cluster_free(struct vxc_cluster *c)
{
    if (c == NULL) {
        return;
    }
    c->replica = NULL; /* it need not hear of the end */
    for (struct link *link = c->links; link != NULL; link = link->next) {
        vxc_link_end(link, VXC_ECLOSED, "the node stops", false);
        link->cluster = NULL; /* its last call comes when the connection has closed */
    }
    vxc_secret_free(&c->secret);
    vxc_free(c);
}

void vxc_cluster_set_stand_in(struct vxc_cluster *c, const struct vxc_cluster_stand_in *stand_in)
{
    vxc_check(c->replica == NULL);
    c->stand_in = *stand_in;
    c->stands_in = true;
    c->look_ms = 0;
}

void vxc_cluster_set_replica(struct vxc_cluster *c, struct vxc_replica *replica,
                             struct vxc_fsm *fsm)
{
    c->replica = replica;
    c->fsm = fsm;
    c->stands_in = false;
    c->look_ms = 0;
    for (int i = 0; replica != NULL && i < PEERS_MAX; i++) {
        /* it knows nothing of what the one before has sent */
        if (c->peers[i].used && c->peers[i].out != NULL && c->peers[i].out->state == LINK_OPEN) {
            vxc_replica_disconnected(replica, c->peers[i].id);
        }
    }
}
