/* The client core when its k-th allocation fails, for every k: a request is refused or answered, each
 * exactly once, and nothing is left behind. */
#include "client/core.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/crc.h"
#include "lib/failing_heap.h"
#include "wire/frame.h"
#include "wire/message.h"

enum { FRAME_SIZE_MAX = 512, REQUESTS_MAX = 16, AT_REQUEST_ID = 12, AT_CHECKED = 4 };

/* Answers of a server, made before memory runs out; only the request id is filled in later. */
struct answer {
    uint8_t bytes[FRAME_SIZE_MAX];
    size_t size;
};

struct world {
    struct answer hello, session, value, done;
    struct vxc_core *core;
    int accepted;           /* requests that submit took */
    int told[REQUESTS_MAX]; /* times that each was answered */
    int session_told;
    bool wanted_session;
};

static void make_answer(struct answer *a, const struct vxc_message *m)
{
    struct vxc_buffer bytes = {0};

    assert_int_equal(vxc_message_frame(m, VXC_FRAME_RESPONSE, 0, &bytes), 0);
    assert_true(bytes.size <= sizeof a->bytes);
    memcpy(a->bytes, bytes.data, bytes.size);
    a->size = bytes.size;
    vxc_buffer_free(&bytes);
}

static void make_answers(struct world *w)
{
    struct vxc_message m = {.kind = VXC_KIND_HELLO_REPLY};

    m.hello_reply.version = 1;
    m.hello_reply.primary = true;
    make_answer(&w->hello, &m);
    memset(&m, 0, sizeof m);
    m.kind = VXC_KIND_SESSION_REPLY;
    m.session_reply.session = 5;
    m.session_reply.secret = vxc_slice("0123456789abcdef", 16);
    m.session_reply.timeout_ms = 9000;
    make_answer(&w->session, &m);
    memset(&m, 0, sizeof m);
    m.kind = VXC_KIND_VALUE_REPLY;
    m.value_reply.value.present = true;
    m.value_reply.value.bytes = vxc_slice_of_string("value");
    make_answer(&w->value, &m);
    memset(&m, 0, sizeof m);
    m.kind = VXC_KIND_DONE_REPLY;
    make_answer(&w->done, &m);
}

static int give(struct world *w, struct answer *a, uint32_t request_id)
{
    struct vxc_error err = {0};

    vxc_store_u32(a->bytes + AT_REQUEST_ID, request_id);
    vxc_store_u32(a->bytes, vxc_crc32(0, a->bytes + AT_CHECKED, a->size - AT_CHECKED));
    return vxc_core_input(w->core, vxc_slice(a->bytes, a->size), 1000, &err);
}

static struct answer *answer_to(struct world *w, uint16_t kind)
{
    switch (kind) {
    case VXC_KIND_HELLO:
        return &w->hello;
    case VXC_KIND_SESSION_OPEN:
    case VXC_KIND_SESSION_RESUME:
        return &w->session;
    case VXC_KIND_SESSION_CLOSE:
        return &w->done;
    default:
        return &w->value;
    }
}

/* Takes what the core wants sent and answers each request. Not 0: the connection is of no use. */
static int serve(struct world *w)
{
    for (;;) {
        struct vxc_slice out;
        struct vxc_frame frame;
        uint32_t need;
        uint32_t id;
        uint16_t kind;
        int rv;

        if (vxc_core_output(w->core, &out, 1) == 0 ||
            vxc_frame_decode(out, VXC_FRAME_SIZE_MAX, &frame, &need) != 0) {
            return 0;
        }
        id = frame.request_id;
        kind = frame.kind;
        vxc_core_sent(w->core, frame.size, 1000);
        rv = give(w, answer_to(w, kind), id);
        if (rv != 0) {
            return rv;
        }
    }
}

static void on_reply(void *data, const struct vxc_reply *reply)
{
    (void)reply;
    (*(int *)data)++;
}

static void on_session(void *data, int code, const char *text)
{
    struct world *w = data;

    (void)code;
    (void)text;
    w->session_told++;
}

static void on_notice(void *data, const struct vxc_notice *notice)
{
    (void)data;
    (void)notice;
}

static void submit(struct world *w, int operation)
{
    struct vxc_request r = vxc_request(operation);
    struct vxc_error err = {0};

    r.name = vxc_text("m");
    r.key = vxc_text("k");
    r.value = vxc_text("a value that is longer than a few bytes");
    if (vxc_core_submit(w->core, &r, 1000, UINT64_MAX, &w->told[w->accepted], on_reply, &err) ==
        0) {
        w->accepted++;
    }
}

static void talk(struct world *w)
{
    vxc_core_on_connected(w->core, 1000);
    submit(w, VXC_CALL_MAP_PUT); /* before there is a hello */
    if (serve(w) != 0) {
        vxc_core_on_disconnected(w->core, "test");
        return;
    }
    w->wanted_session = vxc_core_want_session(w->core, 0, vxc_slice(NULL, 0), 1, 9000,
                                              vxc_slice_of_string("test"), w, on_session) == 0;
    if (serve(w) != 0) {
        vxc_core_on_disconnected(w->core, "test");
        return;
    }
    submit(w, VXC_CALL_MAP_GET);
    submit(w, VXC_CALL_MAP_PUT);
    submit(w, VXC_CALL_COUNTER_ADD);
    vxc_core_on_disconnected(w->core, "cable"); /* what was not sent is asked again */
    vxc_core_on_connected(w->core, 1000);
    (void)serve(w);
    submit(w, VXC_CALL_SET_ADD); /* ends by cancel */
}

/* Each request that was taken was answered once, the others never. */
static int run(void *data)
{
    struct world *w = data;
    const struct vxc_core_options options = {.namespace_name = vxc_slice_of_string("n"),
                                             .client_name = "test",
                                             .ping_interval_ms = 20000,
                                             .data = w,
                                             .on_notice = on_notice};
    int rv;

    w->accepted = w->session_told = 0;
    w->wanted_session = false;
    memset(w->told, 0, sizeof w->told);
    rv = vxc_core_create(&options, &w->core);
    if (rv != 0) {
        return rv;
    }
    talk(w);
    vxc_core_free(w->core);
    for (int i = 0; i < REQUESTS_MAX; i++) {
        if (w->told[i] != (i < w->accepted)) {
            fprintf(stderr, "request %d of %d was answered %d times\n", i, w->accepted, w->told[i]);
            return VXC_EINVAL;
        }
    }
    if (w->session_told != w->wanted_session) {
        fprintf(stderr, "the session was answered %d times\n", w->session_told);
        return VXC_EINVAL;
    }
    return 0;
}

static void a_request_is_refused_or_answered_once(void **state)
{
    struct world w;
    const struct failing_heap_story story = {.data = &w, .run = run};

    (void)state;
    memset(&w, 0, sizeof w);
    make_answers(&w);
    failing_heap_sweep(&story);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(a_request_is_refused_or_answered_once, failing_heap_give_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
