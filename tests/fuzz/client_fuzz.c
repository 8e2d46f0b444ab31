/* A client core with every kind of request under way, and a server that says anything: each request
 * is answered exactly once, nothing is read that was not sent, and what replies and notices point
 * to can be walked to its end.
 *
 * The first byte: 1 = what follows goes to the core as it is; 2 = a session is wanted; 4 = bytes
 * arrive in small pieces; 8 = the core's own bytes leave slowly. Otherwise records follow, and each becomes a frame whose size and checksum
 * are right: flags u8 | kind u16 | which u8 | size u16 | payload. `which` 0 makes the request id 0,
 * n that of the n-th request which the core has sent and nobody has answered, 200 and more a small
 * number that may be one not sent yet. */
#include "base/check.h"
#include "client/core.h"
#include "client/payload.h"
#include "client/router.h"
#include "wire/frame.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { IDS_MAX = 64, CONNECTIONS_MAX = 4, RECORD_HEAD = 6 };

enum { MODE_RAW = 1, MODE_SESSION = 2, MODE_PIECES = 4, MODE_SLOW = 8 };

enum { SLOW_STEP = 5000, GUESSED_ID = 200 };

struct talk {
    struct vxc_core *core;
    uint64_t now_ms;
    unsigned submitted, answered, connections;
    uint32_t ids[IDS_MAX]; /* of requests sent on this connection, oldest first */
    size_t ids_count;
    bool slow;
    struct vxc_buffer taken; /* off the core; the next frame is at its front */
    uint8_t lent[VXC_CLIENT_BORROW_SIZE_MIN];
};

/* ---- looking at all that the client is told ---- */

static volatile uint8_t sink; /* so that every byte is really read */

static void look(struct vxc_bytes bytes)
{
    const uint8_t *at = bytes.data;
    for (size_t i = 0; i < bytes.size; i++) {
        sink = (uint8_t)(sink + at[i]);
    }
}

static void look_at_records(struct vxc_bytes bytes)
{
    struct vxc_session_record session;
    struct vxc_lock_record lock;
    struct vxc_waiter_record waiter;
    struct vxc_snapshot_record snapshot;
    struct vxc_registration_record registration;
    struct vxc_bytes first, second;

    if (vxc_session_record_read(bytes, &session) == 0) {
        look(session.name), look(session.namespace_name), look(session.node_id);
        look(session.address);
    }
    if (vxc_lock_record_read(bytes, &lock) == 0) {
        look(lock.name), look(lock.owner);
        while (vxc_rows_next(&lock.waiters, &first, &second)) {
            look(first);
            if (vxc_waiter_record_read(first, &waiter) == 0) {
                look(waiter.owner);
            }
        }
    }
    if (vxc_snapshot_record_read(bytes, &snapshot) == 0) {
        look(snapshot.sha256);
    }
    if (vxc_registration_record_read(bytes, &registration) == 0) {
        look(registration.data);
    }
}

static void look_at_rows(struct vxc_rows rows)
{
    struct vxc_bytes first, second;
    struct vxc_reply reply;

    for (struct vxc_rows walk = rows; vxc_rows_next(&walk, &first, &second);) {
        look(first), look(second);
        look_at_records(first), look_at_records(second);
    }
    while (vxc_reply_next(&rows, &reply)) { /* no deeper: a transaction has none within */
        vxc_check(reply.message != NULL);
        look(reply.value), look(reply.next);
    }
}

static void on_reply(void *data, const struct vxc_reply *reply)
{
    struct talk *t = data;

    vxc_check(reply->message != NULL);
    vxc_check(reply->code <= 0);
    t->answered++;
    look(reply->value), look(reply->next);
    look_at_records(reply->value);
    look_at_rows(reply->rows);
}

static void on_notice(void *data, const struct vxc_notice *notice)
{
    (void)data;
    vxc_check(notice->text != NULL);
    look(notice->name), look(notice->key), look(notice->value);
    look_at_rows(notice->view);
}

static void on_members(void *data, const struct vxc_slice *addresses, size_t count)
{
    struct vxc_router router;

    (void)data;
    vxc_check(vxc_router_init(&router, "h:1,h:2", false, 1, NULL) == VXC_OK);
    vxc_router_learn(&router, addresses, count);
    vxc_check(router.count >= 2 && router.count <= VXC_ROUTER_PLACES_MAX);
}

static void on_session(void *data, int code, const char *text)
{
    (void)data;
    (void)code;
    vxc_check(text != NULL);
}

/* ---- the client's side ---- */

static void submit(struct talk *t, int operation, uint64_t deadline_ms)
{
    struct vxc_request r = vxc_request(operation);
    struct vxc_request inner = vxc_request(VXC_CALL_MAP_GET);

    r.name = r.key = r.expected = inner.name = inner.key = vxc_text("x");
    r.value = vxc_bytes(t->lent, operation == VXC_CALL_SET_ADD ? 1 : sizeof t->lent);
    r.flags = VXC_REQUEST_BORROW;
    r.then_calls = &inner, r.then_count = 1;
    t->submitted +=
        vxc_core_submit(t->core, &r, t->now_ms, deadline_ms, t, on_reply, NULL) == VXC_OK;
}

static void submit_all(struct talk *t)
{
    static const int operations[] = {
        VXC_CALL_MAP_GET,       VXC_CALL_MAP_PUT,          VXC_CALL_LOCK_ACQUIRE,
        VXC_CALL_MAP_SCAN,      VXC_CALL_LOCK_RELEASE,     VXC_CALL_SESSION_GET,
        VXC_CALL_LOCK_GET,      VXC_CALL_REGISTRATION_GET, VXC_CALL_NODE_LIST,
        VXC_CALL_COUNTER_ADD,   VXC_CALL_TRANSACTION,      VXC_CALL_STATUS,
        VXC_CALL_SNAPSHOT_READ, VXC_CALL_WATCH_ADD,        VXC_CALL_SET_ADD};
    for (size_t i = 0; i < sizeof operations / sizeof operations[0]; i++) {
        submit(t, operations[i], i % 3 == 0 ? t->now_ms + 50 : UINT64_MAX);
    }
}

static void connect_again(struct talk *t)
{
    t->ids_count = t->taken.size = 0;
    if (t->connections++ < CONNECTIONS_MAX) {
        vxc_core_on_connected(t->core, t->now_ms);
    }
}

/* Takes what the core sends, which is always whole frames, and notes their ids. */
static void take_output(struct talk *t)
{
    size_t left = t->slow ? SLOW_STEP : SIZE_MAX, at = 0;
    struct vxc_frame frame;
    struct vxc_slice part;
    uint32_t need;

    while (left > 0 && vxc_core_output(t->core, &part, 1) > 0) {
        const size_t step = part.size < left ? part.size : left;
        vxc_check(vxc_buffer_append(&t->taken, part.data, step) == VXC_OK);
        vxc_core_sent(t->core, step, t->now_ms);
        left -= step;
    }
    while (at < t->taken.size) {
        const int rc = vxc_frame_decode(vxc_slice(t->taken.data + at, t->taken.size - at),
                                        VXC_FRAME_SIZE_MAX, &frame, &need);
        if (rc == VXC_EBUSY && t->slow) {
            break;
        }
        vxc_check(rc == VXC_OK);
        at += frame.size;
        if (t->ids_count < IDS_MAX) {
            t->ids[t->ids_count++] = frame.request_id;
        }
    }
    if (at > 0) {
        memmove(t->taken.data, t->taken.data + at, t->taken.size - at);
        t->taken.size -= at;
    }
}

static void give(struct talk *t, const uint8_t *data, size_t size)
{
    if (vxc_core_state(t->core) == VXC_CORE_DOWN) {
        return;
    }
    t->now_ms += 7;
    if (vxc_core_input(t->core, vxc_slice(data, size), t->now_ms, NULL) != VXC_OK ||
        vxc_core_tick(t->core, t->now_ms, NULL) != VXC_OK) {
        vxc_core_on_disconnected(t->core, "the fuzzer talks nonsense");
        connect_again(t);
    }
    (void)vxc_core_due_ms(t->core);
    take_output(t);
}

/* ---- the server's side ---- */

static uint32_t choose_id(struct talk *t, uint8_t which)
{
    uint32_t id;

    if (which >= GUESSED_ID) {
        return which - GUESSED_ID;
    }
    if (which == 0 || t->ids_count == 0) {
        return 0;
    }
    const size_t at = (which - 1u) % t->ids_count;
    id = t->ids[at];
    t->ids_count--;
    memmove(&t->ids[at], &t->ids[at + 1], (t->ids_count - at) * sizeof t->ids[0]);
    return id;
}

/* Makes a frame of one record and returns how many bytes that took. */
static size_t make_frame(struct talk *t, const uint8_t *data, size_t size, struct vxc_buffer *frame)
{
    size_t payload = vxc_load_u16(data + 4);
    size_t at;

    payload = payload < size - RECORD_HEAD ? payload : size - RECORD_HEAD;
    vxc_buffer_clear(frame);
    at = vxc_frame_begin(frame, data[0] & (uint8_t)~VXC_FRAME_SEQUENCED, vxc_load_u16(data + 1),
                         choose_id(t, data[3]));
    vxc_check(vxc_buffer_append(frame, data + RECORD_HEAD, payload) == VXC_OK);
    vxc_check(vxc_frame_finish(frame, at) == VXC_OK);
    return RECORD_HEAD + payload;
}

static void give_in_pieces(struct talk *t, const uint8_t *data, size_t size, bool pieces)
{
    const size_t step = pieces ? 11 : size;
    for (size_t at = 0; at < size; at += step) {
        give(t, data + at, step < size - at ? step : size - at);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct vxc_core_options options = {.client_name = "fuzz",
                                             .ping_interval_ms = 100,
                                             .random_seed = 1,
                                             .on_notice = on_notice,
                                             .on_members = on_members};
    struct talk t = {.now_ms = 1000};
    struct vxc_buffer frame = {0};

    if (size < 1) {
        return 0;
    }
    vxc_check(vxc_core_create(&options, &t.core) == VXC_OK);
    t.slow = (data[0] & MODE_SLOW) != 0;
    submit_all(&t);
    if ((data[0] & MODE_SESSION) != 0) {
        vxc_check(vxc_core_want_session(t.core, 0, vxc_slice(NULL, 0), 1, 300,
                                        vxc_slice_of_string("s"), NULL, on_session) == VXC_OK);
    }
    connect_again(&t);
    take_output(&t);
    if ((data[0] & MODE_RAW) != 0) {
        give_in_pieces(&t, data + 1, size - 1, (data[0] & MODE_PIECES) != 0);
    } else {
        for (size_t at = 1; size - at >= RECORD_HEAD;) {
            at += make_frame(&t, data + at, size - at, &frame);
            give_in_pieces(&t, frame.data, frame.size, (data[0] & MODE_PIECES) != 0);
            if (at % 3 == 0) {
                submit(&t, VXC_CALL_LOCK_ACQUIRE, UINT64_MAX); /* in a session, if there is one */
            }
        }
    }
    vxc_core_free(t.core);
    vxc_check(t.answered == t.submitted);
    vxc_buffer_free(&frame);
    vxc_buffer_free(&t.taken);
    return 0;
}
