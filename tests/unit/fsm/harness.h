/* The fixture, with sessions: whole events are kept, and commands are written in one line each. */
#ifndef TESTS_UNIT_FSM_HARNESS_H
#define TESTS_UNIT_FSM_HARNESS_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "fixture.h"

struct harness {
    struct fixture f;         /* first: the hooks' data is its address */
    struct vxc_event *events; /* slices are owned copies; since the last harness_forget() */
    size_t event_count;
    size_t event_capacity;
};

static inline struct vxc_slice harness_copy(struct vxc_slice from)
{
    uint8_t *copy;

    if (from.data == NULL) {
        return from;
    }
    copy = malloc(from.size + 1);
    assert_non_null(copy);
    if (from.size != 0) {
        memcpy(copy, from.data, from.size);
    }
    return vxc_slice(copy, from.size);
}

static inline void harness_drop(struct vxc_slice owned)
{
    free((void *)(uintptr_t)owned.data);
}

static inline void harness_on_event(void *data, const struct vxc_event *event)
{
    struct harness *h = data;
    struct vxc_event *copy;

    if (h->event_count == h->event_capacity) {
        h->event_capacity = h->event_capacity == 0 ? 64 : h->event_capacity * 2;
        h->events = realloc(h->events, h->event_capacity * sizeof *h->events);
        assert_non_null(h->events);
    }
    copy = &h->events[h->event_count++];
    *copy = *event;
    copy->name = harness_copy(event->name);
    copy->key = harness_copy(event->key);
    copy->value = harness_copy(event->value);
    copy->view = harness_copy(event->view);
}

static inline void harness_forget(struct harness *h)
{
    for (size_t i = 0; i < h->event_count; i++) {
        harness_drop(h->events[i].name);
        harness_drop(h->events[i].key);
        harness_drop(h->events[i].value);
        harness_drop(h->events[i].view);
    }
    h->event_count = 0;
}

static inline void harness_listen(struct harness *h)
{
    struct vxc_fsm_hooks hooks = h->f.fsm->hooks;

    hooks.on_event = harness_on_event;
    vxc_fsm_set_hooks(h->f.fsm, &hooks);
}

static inline void harness_open(struct harness *h)
{
    *h = (struct harness){0};
    fixture_open(&h->f);
    harness_listen(h);
}

static inline void harness_close(struct harness *h)
{
    harness_forget(h);
    free(h->events);
    fixture_close(&h->f);
}

static inline int harness_setup(void **state)
{
    struct harness *h = malloc(sizeof *h);

    assert_non_null(h);
    harness_open(h);
    *state = h;
    return 0;
}

static inline int harness_teardown(void **state)
{
    harness_close(*state);
    free(*state);
    return 0;
}

static inline void harness_restart(struct harness *h)
{
    fixture_restart(&h->f);
    harness_listen(h);
}

static inline const struct vxc_result *harness_run(struct harness *h, struct vxc_command command)
{
    return fixture_run(&h->f, &command);
}

static inline const struct vxc_result *harness_ask(struct harness *h, struct vxc_command query)
{
    return fixture_ask(&h->f, &query);
}

/* ---- sessions ---- */

static inline uint64_t open_session(struct harness *h, const char *name)
{
    const struct vxc_result *r =
        harness_run(h, (struct vxc_command){.op = VXC_OP_SESSION_OPEN,
                                            .name = text(name),
                                            .value = text("0123456789abcdef"),
                                            .a = 20000});

    assert_int_equal(r->code, 0);
    assert_int_not_equal(r->token, 0);
    return r->token;
}

static inline const struct vxc_result *close_session(struct harness *h, uint64_t session)
{
    return harness_run(h, (struct vxc_command){.op = VXC_OP_SESSION_CLOSE, .session = session});
}

static inline const struct vxc_result *expire_session(struct harness *h, uint64_t session)
{
    return harness_run(h, (struct vxc_command){.op = VXC_OP_SESSION_EXPIRE, .a = (int64_t)session});
}

static inline const struct vxc_result *run_as(struct harness *h, uint64_t session,
                                              struct vxc_command command)
{
    command.session = session;
    return harness_run(h, command);
}

static inline const struct vxc_result *acquire(struct harness *h, uint64_t session,
                                               const char *lock, uint64_t ticket, int64_t wait_ms)
{
    return run_as(h, session,
                  (struct vxc_command){.op = VXC_OP_LOCK_ACQUIRE,
                                       .name = text(lock),
                                       .a = wait_ms,
                                       .b = ticket,
                                       .sequence = 0});
}

static inline uint64_t watch(struct harness *h, uint64_t session, enum vxc_watch_kind kind,
                             const char *name, const char *key)
{
    const struct vxc_result *r =
        run_as(h, session,
               (struct vxc_command){
                   .op = VXC_OP_WATCH_ADD, .name = text(name), .key = text(key), .a = kind});

    assert_int_equal(r->code, 0);
    return (uint64_t)r->number;
}

static inline const struct vxc_result *join(struct harness *h, uint64_t session, const char *node,
                                            const char *info)
{
    return run_as(
        h, session,
        (struct vxc_command){.op = VXC_OP_NODE_JOIN, .key = text(node), .value = text(info)});
}

static inline const struct vxc_result *add_registration(struct harness *h, uint64_t session,
                                                        const char *address, const char *node,
                                                        int64_t seq, const char *data)
{
    return run_as(h, session,
                  (struct vxc_command){.op = VXC_OP_REGISTRATION_ADD,
                                       .name = text(address),
                                       .key = text(node),
                                       .a = seq,
                                       .value = text(data)});
}

/* Live rows of a database that begin with a prefix. */
static inline size_t count_rows(struct harness *h, enum vxc_database db, const char *prefix)
{
    struct vxc_table_scan *scan =
        vxc_table_scan_open(h->f.table, db, text(prefix), text(prefix), false);
    struct vxc_slice key, body;
    size_t count = 0;

    while (vxc_table_scan_next(scan, &key, &body)) {
        count++;
    }
    vxc_table_scan_close(scan);
    return count;
}

/* The items of a list, joined by blanks. */
static inline const char *joined(struct vxc_slice list, char *out, size_t room)
{
    struct vxc_slice rest, item;
    uint32_t count;
    size_t used = 0;

    assert_int_equal(vxc_list_read_head(list, &count, &rest), 0);
    out[0] = '\0';
    for (uint32_t i = 0; i < count; i++) {
        assert_int_equal(vxc_list_next(&rest, &item), 0);
        assert_true(used + item.size + 2 < room);
        if (used != 0) {
            out[used++] = ' ';
        }
        if (item.size != 0) {
            memcpy(out + used, item.data, item.size);
        }
        used += item.size;
        out[used] = '\0';
    }
    return out;
}

#endif
