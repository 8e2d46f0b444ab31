#include "net/loop.h"

#include "base/check.h"
#include "base/memory.h"

#include <stdbool.h>
#include <uv.h>

struct source {
    union {
        uv_handle_t handle;
        uv_poll_t poll;
        uv_signal_t signal;
        uv_timer_t timer;
    } uv;
    void (*cb)(void *data);
    void *data;
    struct source *next;
};

/* A wait that took so much longer than it was to: the process stood still. */
enum { OVERSLEPT_MS = 100 };

struct vxc_loop {
    uv_loop_t uv;
    uv_prepare_t prepare; /* before the wait of an iteration */
    uv_check_t check;     /* after the I/O callbacks of an iteration */
    uv_timer_t timer;     /* for a turn without I/O */
    uv_idle_t idle;       /* for a turn at once: active, it keeps the loop from waiting */
    uv_async_t wake;
    vxc_loop_turn_cb turn;
    void *turn_data;
    uint64_t wait_began_ms;
    int wait_ms; /* how long the wait may be; -1 = for ever */
    bool looked_again;
    struct source *sources;
};

static void run_turn(struct vxc_loop *loop);

static void on_idle(uv_idle_t *idle)
{
    (void)idle; /* the check phase follows */
}

/* A timer that fires before the wait must not let the loop wait: sockets, check phase, turn. */
static void on_timer(uv_timer_t *timer)
{
    struct vxc_loop *loop = timer->data;

    (void)uv_idle_start(&loop->idle, on_idle);
}

static void on_prepare(uv_prepare_t *prepare)
{
    struct vxc_loop *loop = prepare->data;

    loop->wait_began_ms = uv_hrtime() / 1000000;
    loop->wait_ms = uv_backend_timeout(&loop->uv);
}

/* A process that was stopped comes out of its wait without having looked at the sockets, and what
 * is in them says who is alive: it looks once more before the turn. */
static void on_check(uv_check_t *check)
{
    struct vxc_loop *loop = check->data;
    uint64_t now_ms = uv_now(&loop->uv);
    bool overslept =
        loop->wait_ms >= 0 && now_ms > loop->wait_began_ms + (uint64_t)loop->wait_ms + OVERSLEPT_MS;

    if (overslept && !loop->looked_again) {
        loop->looked_again = true;
        (void)uv_idle_start(&loop->idle, on_idle);
        return;
    }
    loop->looked_again = false;
    run_turn(loop);
}

static void on_wake(uv_async_t *async)
{
    (void)async; /* being awake is the point: the check phase follows */
}

static void run_turn(struct vxc_loop *loop)
{
    uint64_t wait_ms;

    if (loop->turn == NULL) {
        return;
    }
    wait_ms = loop->turn(loop->turn_data);
    if (wait_ms == 0) {
        (void)uv_timer_stop(&loop->timer); /* a timer of 0 ms would starve everything else */
        (void)uv_idle_start(&loop->idle, on_idle);
        return;
    }
    (void)uv_idle_stop(&loop->idle);
    if (wait_ms == UINT64_MAX) {
        (void)uv_timer_stop(&loop->timer);
    } else {
        uv_update_time(&loop->uv);
        (void)uv_timer_start(&loop->timer, on_timer, wait_ms, 0);
    }
}

int vxc_loop_create(struct vxc_loop **out, struct vxc_error *err)
{
    struct vxc_loop *loop = vxc_calloc(1, sizeof *loop);
    int rv;

    if (loop == NULL) {
        return vxc_error_set(err, VXC_ENOMEM, "event loop: out of memory");
    }
    rv = uv_loop_init(&loop->uv);
    if (rv != 0) {
        vxc_free(loop);
        return vxc_error_set(err, VXC_EIO, "event loop: %s", uv_strerror(rv));
    }
    rv = uv_async_init(&loop->uv, &loop->wake, on_wake);
    if (rv != 0) {
        (void)uv_loop_close(&loop->uv); /* nothing is open on it */
        vxc_free(loop);
        return vxc_error_set(err, VXC_EIO, "event loop: %s", uv_strerror(rv));
    }
    (void)uv_prepare_init(&loop->uv, &loop->prepare); /* none of these can fail */
    (void)uv_check_init(&loop->uv, &loop->check);
    (void)uv_timer_init(&loop->uv, &loop->timer);
    (void)uv_idle_init(&loop->uv, &loop->idle);
    loop->prepare.data = loop;
    loop->check.data = loop;
    loop->timer.data = loop;
    (void)uv_prepare_start(&loop->prepare, on_prepare);
    (void)uv_check_start(&loop->check, on_check);
    *out = loop;
    return 0;
}

static void on_source_closed(uv_handle_t *handle)
{
    (void)handle;
}

void vxc_loop_free(struct vxc_loop *loop)
{
    if (loop == NULL) {
        return;
    }
    loop->turn = NULL;
    uv_close((uv_handle_t *)&loop->prepare, on_source_closed);
    uv_close((uv_handle_t *)&loop->check, on_source_closed);
    uv_close((uv_handle_t *)&loop->timer, on_source_closed);
    uv_close((uv_handle_t *)&loop->idle, on_source_closed);
    uv_close((uv_handle_t *)&loop->wake, on_source_closed);
    for (struct source *s = loop->sources; s != NULL; s = s->next) {
        uv_close(&s->uv.handle, on_source_closed);
    }
    while (uv_run(&loop->uv, UV_RUN_DEFAULT) != 0) {
        /* closing callbacks run here */
    }
    vxc_check(uv_loop_close(&loop->uv) == 0);
    while (loop->sources != NULL) {
        struct source *s = loop->sources;
        loop->sources = s->next;
        vxc_free(s);
    }
    vxc_free(loop);
}

void vxc_loop_on_turn(struct vxc_loop *loop, vxc_loop_turn_cb cb, void *data)
{
    loop->turn = cb;
    loop->turn_data = data;
    (void)uv_idle_start(&loop->idle, on_idle); /* the first turn comes at once */
}

static struct source *add_source(struct vxc_loop *loop, void (*cb)(void *data), void *data)
{
    struct source *s = vxc_calloc(1, sizeof *s);

    if (s != NULL) {
        s->cb = cb;
        s->data = data;
    }
    (void)loop;
    return s;
}

/* Links a source whose handle is live, or frees it after a failed init. */
static int keep_source(struct vxc_loop *loop, struct source *s, int rv)
{
    if (rv != 0) {
        vxc_free(s);
        return VXC_EIO;
    }
    s->uv.handle.data = s;
    s->next = loop->sources;
    loop->sources = s;
    return 0;
}

static void on_readable(uv_poll_t *poll, int status, int events)
{
    struct source *s = poll->data;

    (void)status; /* an error makes the descriptor readable too; the reader will meet it */
    (void)events;
    s->cb(s->data);
}

int vxc_loop_watch(struct vxc_loop *loop, int descriptor, void (*cb)(void *data), void *data)
{
    struct source *s = add_source(loop, cb, data);
    int rv;

    if (s == NULL) {
        return VXC_ENOMEM;
    }
    rv = keep_source(loop, s, uv_poll_init(&loop->uv, &s->uv.poll, descriptor));
    return rv != 0 ? rv : uv_poll_start(&s->uv.poll, UV_READABLE, on_readable) == 0 ? 0 : VXC_EIO;
}

static void free_source(uv_handle_t *handle)
{
    vxc_free(handle->data);
}

void vxc_loop_unwatch(struct vxc_loop *loop, int descriptor)
{
    for (struct source **at = &loop->sources; *at != NULL; at = &(*at)->next) {
        struct source *s = *at;
        uv_os_fd_t watched;

        if (s->uv.handle.type == UV_POLL && uv_fileno(&s->uv.handle, &watched) == 0 &&
            watched == descriptor) {
            *at = s->next;
            uv_close(&s->uv.handle, free_source); /* the kernel forgets the descriptor at once */
            return;
        }
    }
}

static void on_signal(uv_signal_t *signal, int number)
{
    struct source *s = signal->data;

    (void)number;
    s->cb(s->data);
}

int vxc_loop_signal(struct vxc_loop *loop, int signal_number, void (*cb)(void *data), void *data)
{
    struct source *s = add_source(loop, cb, data);
    int rv;

    if (s == NULL) {
        return VXC_ENOMEM;
    }
    rv = keep_source(loop, s, uv_signal_init(&loop->uv, &s->uv.signal));
    return rv != 0                                                         ? rv
           : uv_signal_start(&s->uv.signal, on_signal, signal_number) == 0 ? 0
                                                                           : VXC_EIO;
}

static void on_interval(uv_timer_t *timer)
{
    struct source *s = timer->data;

    s->cb(s->data);
}

int vxc_loop_every(struct vxc_loop *loop, uint64_t interval_ms, void (*cb)(void *data), void *data)
{
    struct source *s = add_source(loop, cb, data);
    int rv;

    if (s == NULL) {
        return VXC_ENOMEM;
    }
    rv = keep_source(loop, s, uv_timer_init(&loop->uv, &s->uv.timer));
    if (rv != 0) {
        return rv;
    }
    (void)uv_timer_start(&s->uv.timer, on_interval, interval_ms, interval_ms);
    return 0;
}

void vxc_loop_run(struct vxc_loop *loop)
{
    (void)uv_run(&loop->uv, UV_RUN_DEFAULT);
}

int vxc_loop_fd(const struct vxc_loop *loop)
{
    return uv_backend_fd(&loop->uv);
}

int vxc_loop_timeout_ms(struct vxc_loop *loop)
{
    uv_update_time(&loop->uv); /* else the timeout counts from the last dispatch */
    return uv_backend_timeout(&loop->uv);
}

void vxc_loop_dispatch(struct vxc_loop *loop)
{
    (void)uv_run(&loop->uv, UV_RUN_NOWAIT);
}

void vxc_loop_stop(struct vxc_loop *loop)
{
    uv_stop(&loop->uv);
}

void vxc_loop_wake(struct vxc_loop *loop)
{
    (void)uv_async_send(&loop->wake); /* fails only on a closing handle */
}

uint64_t vxc_loop_now_ms(const struct vxc_loop *loop)
{
    return uv_now(&loop->uv);
}

void *vxc_loop_handle(struct vxc_loop *loop)
{
    return &loop->uv;
}
