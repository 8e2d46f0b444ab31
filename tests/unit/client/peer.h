/* A server made of a test: takes the frames that a core wrote, and answers as the test says. */
#ifndef VXC_TESTS_CLIENT_PEER_H
#define VXC_TESTS_CLIENT_PEER_H

#include "base/bytes.h"
#include "client/core.h"
#include "wire/frame.h"
#include "wire/message.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#define NOTICES_MAX 64

struct peer {
    struct vxc_core *core;
    uint64_t now_ms;
    struct vxc_buffer taken; /* what was last taken off the core's output */
    size_t at;
    int notices[NOTICES_MAX]; /* types in order */
    struct vxc_notice last_notice;
    size_t notices_count;
    char lost_names[64]; /* of locks, in order, each with a space behind */
    uint64_t lost_token; /* of the last one */
};

static inline void peer_on_notice(void *data, const struct vxc_notice *notice)
{
    struct peer *p = data;
    assert_true(p->notices_count < NOTICES_MAX);
    p->notices[p->notices_count++] = notice->type;
    p->last_notice = *notice;
    if (notice->type == VXC_NOTICE_LOCK_LOST) {
        assert_true(strlen(p->lost_names) + notice->name.size + 2 < sizeof p->lost_names);
        strncat(p->lost_names, notice->name.data, notice->name.size);
        strcat(p->lost_names, " ");
        p->lost_token = notice->token;
    }
}

static inline size_t peer_notices(const struct peer *p, int type)
{
    size_t count = 0;
    for (size_t i = 0; i < p->notices_count; i++) {
        count += p->notices[i] == type;
    }
    return count;
}

static inline void peer_init_with(struct peer *p,
                                  void (*on_members)(void *data, const struct vxc_slice *addresses,
                                                     size_t count))
{
    const struct vxc_core_options options = {.client_name = "test",
                                             .ping_interval_ms = 20000,
                                             .random_seed = 7,
                                             .data = p,
                                             .on_notice = peer_on_notice,
                                             .on_members = on_members};
    memset(p, 0, sizeof *p);
    p->now_ms = 1000;
    assert_int_equal(vxc_core_create(&options, &p->core), 0);
}

static inline void peer_init(struct peer *p)
{
    peer_init_with(p, NULL);
}

static inline void peer_deinit(struct peer *p)
{
    vxc_core_free(p->core);
    vxc_buffer_free(&p->taken);
}

/* All that the core wants sent has been sent, or only its first `size` bytes. */
static inline void peer_take(struct peer *p, size_t size)
{
    struct vxc_slice part;
    while (size > 0 && vxc_core_output(p->core, &part, 1) > 0) {
        const size_t step = size < part.size ? size : part.size;
        assert_int_equal(vxc_buffer_append(&p->taken, part.data, step), 0);
        vxc_core_sent(p->core, step, p->now_ms);
        size -= step;
    }
}

/* Bytes that wait to be sent. */
static inline size_t peer_waiting(const struct peer *p)
{
    struct vxc_slice parts[64];
    const size_t count = vxc_core_output(p->core, parts, 64);
    size_t size = 0;
    for (size_t i = 0; i < count; i++) {
        size += parts[i].size;
    }
    assert_int_equal(vxc_core_has_output(p->core), size > 0);
    return size;
}

/* The next frame that the core sent; false when there is none. */
static inline bool peer_next(struct peer *p, struct vxc_frame *frame, struct vxc_message *m)
{
    uint32_t need;
    peer_take(p, SIZE_MAX);
    if (p->at == p->taken.size) {
        p->at = p->taken.size = 0;
        return false;
    }
    assert_int_equal(vxc_frame_decode(vxc_slice(p->taken.data + p->at, p->taken.size - p->at),
                                      VXC_FRAME_SIZE_MAX, frame, &need),
                     0);
    p->at += frame->size;
    assert_int_equal(vxc_message_decode(frame->kind, frame->payload, m), 0);
    return true;
}

static inline int peer_send(struct peer *p, const struct vxc_message *m, uint8_t flags,
                            uint32_t request_id)
{
    struct vxc_buffer bytes = {0};
    struct vxc_error err = {0};
    int rc;
    assert_int_equal(vxc_message_frame(m, flags, request_id, &bytes), 0);
    rc = vxc_core_input(p->core, vxc_buffer_slice(&bytes), p->now_ms, &err);
    vxc_buffer_free(&bytes);
    return rc;
}

static inline int peer_reply(struct peer *p, const struct vxc_message *m, uint32_t request_id)
{
    return peer_send(p, m, VXC_FRAME_RESPONSE, request_id);
}

static inline int peer_fail_with(struct peer *p, uint32_t request_id, int code, const char *text)
{
    struct vxc_message m = {.kind = VXC_KIND_ERROR_REPLY};
    m.error_reply.code = code;
    m.error_reply.message = vxc_slice_of_string(text);
    return peer_reply(p, &m, request_id);
}

static inline int peer_fail(struct peer *p, uint32_t request_id, int code)
{
    return peer_fail_with(p, request_id, code, "because of the test");
}

static inline int peer_value(struct peer *p, uint32_t request_id, const char *value)
{
    struct vxc_message m = {.kind = VXC_KIND_VALUE_REPLY};
    m.value_reply.value.present = value != NULL;
    m.value_reply.value.bytes = vxc_slice_of_string(value == NULL ? "" : value);
    return peer_reply(p, &m, request_id);
}

/* Connects and answers the hello as this node would; returns what the core made of it. */
static inline int peer_hello_of(struct peer *p, uint64_t node_id, bool primary,
                                const char *primary_address)
{
    struct vxc_message m;
    struct vxc_frame frame;

    vxc_core_on_connected(p->core, p->now_ms);
    p->at = p->taken.size = 0;
    assert_true(peer_next(p, &frame, &m));
    assert_int_equal(frame.kind, VXC_KIND_HELLO);
    m = (struct vxc_message){.kind = VXC_KIND_HELLO_REPLY};
    m.hello_reply.version = 1;
    m.hello_reply.node_id = node_id;
    m.hello_reply.server_version = vxc_slice_of_string("0.0.1");
    m.hello_reply.primary = primary;
    m.hello_reply.primary_address = vxc_slice_of_string(primary_address);
    return peer_reply(p, &m, frame.request_id);
}

static inline void peer_hello(struct peer *p)
{
    assert_int_equal(peer_hello_of(p, 5, true, ""), 0);
}

static inline void peer_grant_session(struct peer *p, uint32_t request_id, uint64_t session,
                                      bool resumed, bool resync)
{
    struct vxc_message m = {.kind = VXC_KIND_SESSION_REPLY};
    m.session_reply.session = session;
    m.session_reply.secret = vxc_slice("0123456789abcdef", 16);
    m.session_reply.timeout_ms = 9000;
    m.session_reply.resumed = resumed;
    m.session_reply.resync = resync;
    assert_int_equal(peer_reply(p, &m, request_id), 0);
}

/* What a request ended with. */
struct outcome {
    int count; /* of callbacks; must be 1 in the end */
    int code;
    bool found;
    uint64_t token, sequence;
    char value[32];
};

static inline void on_outcome(void *data, const struct vxc_reply *reply)
{
    struct outcome *o = data;
    o->count++;
    o->code = reply->code;
    o->found = reply->found;
    o->token = reply->token;
    o->sequence = reply->sequence;
    assert_non_null(reply->message);
    if (reply->value.data != NULL && reply->value.size < sizeof o->value) {
        memcpy(o->value, reply->value.data, reply->value.size);
        o->value[reply->value.size] = '\0';
    }
}

static inline int peer_submit(struct peer *p, int operation, uint64_t deadline_ms,
                              struct outcome *outcome)
{
    struct vxc_request r = vxc_request(operation);
    struct vxc_error err = {0};
    r.name = vxc_text("m");
    r.key = vxc_text("k");
    r.value = vxc_text("v");
    r.number = operation == VXC_CALL_LOCK_ACQUIRE ? -1 : 0;
    *outcome = (struct outcome){0};
    return vxc_core_submit(p->core, &r, p->now_ms, deadline_ms, outcome, on_outcome, &err);
}

#endif
