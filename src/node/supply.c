#include "node/supply.h"

#include "base/limits.h"
#include "base/memory.h"

#include <inttypes.h>
#include <string.h>

enum {
    LOOK_MS = 50,    /* between looks at what is under way */
    OFFER_MS = 1000, /* a peer that does not answer an offer is made another one */
    PEERS_MAX = VXC_CONFIGURATION_MEMBERS_MAX,
    QUESTIONS_MAX = 2 * VXC_PEER_IMAGE_INFLIGHT, /* asked again before the first was answered */
};

struct question {
    uint64_t offset;
    uint32_t size;
};

/* A peer that an image is made or kept for. */
struct consumer {
    uint64_t peer;  /* 0 = this place is free */
    bool behind;    /* the replica said so: it is done with when it has caught up */
    bool wanted;    /* the image is still to be offered to it through the engine */
    bool asked;     /* it wants to be told the image's name */
    uint64_t index; /* it wants one that ends there or later */
    uint64_t heard_ms;
    uint64_t offered_ms;
    uint32_t questions_count;
    struct question questions[QUESTIONS_MAX]; /* oldest first */
};

struct vxc_supply {
    struct vxc_supply_options options;
    struct vxc_snapshots *snapshots;
    struct vxc_replica *replica; /* all four or none */
    struct vxc_fsm *fsm;
    struct vxc_store *store;
    struct vxc_log *log;

    uint64_t names; /* of this life's images: no two lives name one alike */
    bool begun;     /* there is an image, or it is being made */
    bool ready;
    bool held;                  /* the log is */
    uint64_t id;                /* of the snapshot */
    uint64_t failed_ms;         /* the last one could not be made: the next one waits */
    struct vxc_image_info info; /* ready */
    struct consumer consumers[PEERS_MAX];
    uint32_t first; /* whose turn it is to be answered first */
    struct vxc_buffer piece;
};

static uint64_t now_ms(const struct vxc_supply *s)
{
    return vxc_clock_ms(s->options.clock);
}

int vxc_supply_create(const struct vxc_supply_options *options, struct vxc_supply **supply,
                      struct vxc_error *err)
{
    const struct vxc_snapshots_options snapshots = {.folder = options->folder,
                                                    .clock = options->clock,
                                                    .logger = options->logger,
                                                    .node_id = options->node_id};
    struct vxc_supply *s = vxc_calloc(1, sizeof *s);
    int rv;

    if (s == NULL) {
        return vxc_error_set(err, VXC_ENOMEM, "out of memory");
    }
    s->options = *options;
    options->clock->random(options->clock->data, &s->names, sizeof s->names);
    rv = vxc_snapshots_create(&snapshots, &s->snapshots, err);
    if (rv != 0) {
        vxc_free(s);
        return rv;
    }
    *supply = s;
    return 0;
}

void vxc_supply_free(struct vxc_supply *s)
{
    if (s == NULL) {
        return;
    }
    vxc_snapshots_free(s->snapshots);
    vxc_buffer_free(&s->piece);
    vxc_free(s);
}

/* Never 0, which on the wire means none. */
static uint64_t name_of(const struct vxc_supply *s)
{
    return (s->names << 16 ^ s->id) | 1ull << 63;
}

/* ---- consumers ---- */

static struct consumer *find(struct vxc_supply *s, uint64_t peer)
{
    struct consumer *free_place = NULL;

    for (uint32_t i = 0; i < PEERS_MAX; i++) {
        if (s->consumers[i].peer == peer) {
            return &s->consumers[i];
        }
        if (s->consumers[i].peer == 0) {
            free_place = &s->consumers[i];
        }
    }
    if (free_place != NULL) {
        *free_place = (struct consumer){.peer = peer};
    }
    return free_place;
}

static bool has_consumers(const struct vxc_supply *s)
{
    for (uint32_t i = 0; i < PEERS_MAX; i++) {
        if (s->consumers[i].peer != 0) {
            return true;
        }
    }
    return false;
}

/* As the primary knows it: it has what the image holds. */
static bool has_caught_up(const struct vxc_supply *s, uint64_t peer)
{
    struct vxc_replica_member members[VXC_CONFIGURATION_MEMBERS_MAX];
    uint32_t count = vxc_replica_members(s->replica, members);

    for (uint32_t i = 0; i < count; i++) {
        if (members[i].id == peer) {
            return members[i].match_index >= s->info.applied_index;
        }
    }
    return false;
}

static void tell_code(struct vxc_supply *s, uint64_t peer, uint64_t image, uint64_t offset,
                      int code)
{
    struct vxc_message m = {.kind = VXC_KIND_PEER_IMAGE_BYTES};

    m.peer_image_bytes.image = image;
    m.peer_image_bytes.offset = offset;
    m.peer_image_bytes.code = code;
    (void)s->options.send(s->options.data, peer, &m); /* who does not hear it asks again */
}

/* ---- the image ---- */

static void hold(struct vxc_supply *s, uint64_t index)
{
    vxc_replica_hold_log(s->replica, index);
    s->held = true;
}

static void let_go(struct vxc_supply *s)
{
    if (s->held) {
        vxc_replica_hold_log(s->replica, UINT64_MAX);
        s->held = false;
    }
}

/* Who still fetches it hears so with the next question. */
static void give_up(struct vxc_supply *s, const char *why)
{
    if (s->begun) {
        (void)vxc_snapshots_end(s->snapshots, s, s->id);
        vxc_log_event(s->options.logger, VXC_LOG_INFO, "peer_image_dropped",
                      "index=%" PRIu64 " why=\"%s\"", s->ready ? s->info.applied_index : 0, why);
    }
    let_go(s);
    s->begun = s->ready = false;
}

void vxc_supply_set_replica(struct vxc_supply *s, struct vxc_replica *replica, struct vxc_fsm *fsm,
                            struct vxc_store *store, struct vxc_log *log)
{
    give_up(s, "another state");
    memset(s->consumers, 0, sizeof s->consumers);
    vxc_snapshots_set_store(s->snapshots, store);
    s->replica = replica;
    s->fsm = fsm;
    s->store = store;
    s->log = log;
}

uint64_t vxc_supply_index(const struct vxc_supply *s)
{
    return s->ready ? s->info.applied_index : 0;
}

/* Does what is there, or is being made, end where `index` or later? */
static bool suffices(const struct vxc_supply *s, uint64_t index)
{
    return s->ready && s->info.applied_index >= index &&
           s->info.applied_index >= vxc_replica_base_index(s->replica);
}

static void begin(struct vxc_supply *s)
{
    struct vxc_error err = {0};
    int rv = vxc_snapshots_begin(s->snapshots, s, VXC_IMAGE_LZ4, vxc_fsm_cluster_id(s->fsm), &s->id,
                                 &err);
    uint64_t index;

    if (rv == VXC_EBUSY) {
        return; /* the thread of one that was given up ends soon */
    }
    if (rv != 0) {
        s->failed_ms = now_ms(s);
        return;
    }
    index = vxc_replica_ask_commit(s->replica);
    vxc_snapshots_await(s->snapshots, index);
    hold(s, index); /* the image ends there or later */
    s->begun = true;
}

/* For whom is there none that is new enough? */
static void begin_when_wanted(struct vxc_supply *s)
{
    const uint64_t applied = vxc_fsm_applied_index(s->fsm);

    if (s->begun && !s->ready) {
        return;
    }
    for (uint32_t i = 0; i < PEERS_MAX; i++) {
        struct consumer *c = &s->consumers[i];

        if (c->peer == 0 || (!c->wanted && !c->asked) || suffices(s, c->index)) {
            continue;
        }
        if (c->asked && c->index > applied) {
            tell_code(s, c->peer, 0, 0, VXC_ENOTFOUND); /* somebody else may be further */
            c->asked = false;
            continue;
        }
        if (s->failed_ms != 0 && now_ms(s) - s->failed_ms < OFFER_MS) {
            continue;
        }
        if (s->ready) {
            give_up(s, "too old");
        }
        begin(s);
        return;
    }
}

static void look(struct vxc_supply *s)
{
    struct vxc_snapshot_view view;
    struct vxc_error err = {0};
    int rv;

    if (!s->begun) {
        return;
    }
    rv = vxc_snapshots_look(s->snapshots, s, s->id, &view, &err);
    if (rv != 0) {
        s->failed_ms = now_ms(s); /* the snapshots have logged why */
        s->begun = false;
        give_up(s, err.text);
    } else if (view.image != NULL && !s->ready) {
        s->info = *view.image;
        s->ready = true;
        s->failed_ms = 0;
        hold(s, s->info.applied_index);
    }
}

/* The log behind it is bounded, be it of use or not. */
static void judge(struct vxc_supply *s)
{
    for (uint32_t i = 0; i < PEERS_MAX; i++) {
        struct consumer *c = &s->consumers[i];

        if (c->peer != 0 && (now_ms(s) - c->heard_ms > VXC_SNAPSHOT_IDLE_MS ||
                             (s->ready && c->behind && has_caught_up(s, c->peer)))) {
            *c = (struct consumer){0};
        }
    }
    if (s->ready && vxc_log_bytes_after(s->log, s->info.applied_index) > VXC_LOG_HELD_BYTES_MAX) {
        give_up(s, "the log behind it has grown too long");
    } else if (s->begun && !has_consumers(s)) {
        give_up(s, "nobody needs it any more");
    }
}

/* ---- answers ---- */

static void offer(struct vxc_supply *s, struct consumer *c)
{
    const struct vxc_log_base base = {
        .index = s->info.applied_index,
        .term = s->info.applied_term,
        .configuration_index = s->info.configuration_index,
        .configuration = vxc_slice(s->info.configuration, s->info.configuration_size)};

    c->wanted = false;
    c->offered_ms = now_ms(s);
    vxc_replica_offer_image(s->replica, c->peer, &base);
}

static void name_image(struct vxc_supply *s, struct consumer *c)
{
    struct vxc_message m = {.kind = VXC_KIND_PEER_IMAGE};

    m.peer_image.image = name_of(s);
    m.peer_image.file_bytes = s->info.file_bytes;
    m.peer_image.index = s->info.applied_index;
    m.peer_image.index_term = s->info.applied_term;
    m.peer_image.configuration_index = s->info.configuration_index;
    m.peer_image.configuration = vxc_slice(s->info.configuration, s->info.configuration_size);
    (void)s->options.send(s->options.data, c->peer, &m); /* who does not hear it asks again */
    c->asked = false;
}

/* The bytes asked for, or why not. False when the connection is full. */
static bool answer(struct vxc_supply *s, const struct consumer *c, const struct question *q,
                   uint64_t *sent)
{
    struct vxc_message m = {.kind = VXC_KIND_PEER_IMAGE_BYTES};
    struct vxc_error err = {0};
    int rv = vxc_snapshots_read(s->snapshots, s, s->id, q->offset, q->size, &s->piece, &err);

    m.peer_image_bytes.image = name_of(s);
    m.peer_image_bytes.offset = q->offset;
    m.peer_image_bytes.code = rv;
    m.peer_image_bytes.bytes = rv == 0 ? vxc_buffer_slice(&s->piece) : vxc_slice(NULL, 0);
    if (s->options.send(s->options.data, c->peer, &m) == VXC_EBUSY) {
        return false;
    }
    *sent += m.peer_image_bytes.bytes.size;
    return true;
}

static void answer_some(struct vxc_supply *s, struct consumer *c, uint64_t *sent)
{
    if (c->questions_count == 0 || !answer(s, c, &c->questions[0], sent)) {
        return;
    }
    c->questions_count--;
    memmove(c->questions, c->questions + 1, c->questions_count * sizeof *c->questions);
}

/* One piece for each in turn until the turn has sent enough. True when questions are left. */
static bool answer_all(struct vxc_supply *s)
{
    uint64_t sent = 0;
    bool left = false;

    for (uint32_t i = 0; i < PEERS_MAX; i++) {
        struct consumer *c = &s->consumers[(s->first + i) % PEERS_MAX];

        if (c->peer != 0 && s->ready && sent < VXC_PEER_IMAGE_TURN_BYTES) {
            answer_some(s, c, &sent);
        }
        left = left || c->questions_count != 0;
    }
    s->first = (s->first + 1) % PEERS_MAX;
    return left;
}

static void serve(struct vxc_supply *s)
{
    for (uint32_t i = 0; i < PEERS_MAX; i++) {
        struct consumer *c = &s->consumers[i];

        if (c->peer == 0 || !suffices(s, c->index)) {
            continue;
        }
        if (c->asked) {
            name_image(s, c);
        } else if (c->wanted && now_ms(s) - c->offered_ms >= OFFER_MS) {
            offer(s, c);
        }
    }
}

/* ---- what comes in ---- */

void vxc_supply_on_wanted(struct vxc_supply *s, uint64_t peer)
{
    struct consumer *c = find(s, peer);

    if (c != NULL && s->replica != NULL) {
        c->behind = c->wanted = true;
        c->heard_ms = now_ms(s);
    }
}

static void on_want(struct vxc_supply *s, uint64_t peer, uint64_t index)
{
    struct consumer *c = s->replica == NULL ? NULL : find(s, peer);

    if (c == NULL) {
        tell_code(s, peer, 0, 0, s->replica == NULL ? VXC_ENOTFOUND : VXC_EBUSY);
        return;
    }
    c->asked = true;
    c->index = index;
    c->heard_ms = now_ms(s);
    c->questions_count = 0; /* it begins anew */
    if (!suffices(s, index)) {
        tell_code(s, peer, 0, 0, VXC_EBUSY);
    }
}

static void on_read(struct vxc_supply *s, uint64_t peer, const struct vxc_msg_peer_image_read *read)
{
    struct consumer *c;

    if (read->image == 0) {
        return; /* no image has that name */
    }
    if (!s->ready || read->image != name_of(s)) {
        tell_code(s, peer, read->image, read->offset, VXC_ENOTFOUND);
        return;
    }
    c = find(s, peer);
    if (c == NULL || c->questions_count == QUESTIONS_MAX) {
        return; /* it asks again */
    }
    c->heard_ms = now_ms(s);
    c->questions[c->questions_count++] =
        (struct question){.offset = read->offset, .size = read->size};
}

void vxc_supply_on_message(struct vxc_supply *s, uint64_t peer, const struct vxc_message *message)
{
    if (peer == 0) {
        return;
    }
    if (message->kind == VXC_KIND_PEER_IMAGE_WANT) {
        on_want(s, peer, message->peer_image_want.index);
    } else if (message->kind == VXC_KIND_PEER_IMAGE_READ) {
        on_read(s, peer, &message->peer_image_read);
    }
}

uint64_t vxc_supply_turn(struct vxc_supply *s)
{
    uint64_t wait_ms;

    if (s->replica == NULL) {
        return UINT64_MAX;
    }
    wait_ms = vxc_snapshots_turn(s->snapshots, s->replica);
    if (!s->begun && !has_consumers(s)) {
        return wait_ms;
    }
    look(s);
    judge(s);
    begin_when_wanted(s);
    serve(s);
    return answer_all(s) ? 1 : LOOK_MS;
}
