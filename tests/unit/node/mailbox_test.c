/* Letters to the thread that drives a node, without a node. */
#include "node/mailbox.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

struct note {
    struct vxc_letter letter; /* first */
    struct vxc_mailbox *mailbox;
    int opened;
    int order;
    int again; /* is posted so often from within its opening */
};

static int turn;

static void open_note(struct vxc_letter *letter)
{
    struct note *note = (struct note *)(void *)letter;

    note->opened++;
    note->order = ++turn;
    if (note->again > 0) {
        note->again--;
        assert_true(vxc_mailbox_post(note->mailbox, letter));
    }
}

static struct vxc_mailbox *create(struct vxc_loop **loop)
{
    struct vxc_mailbox *mailbox;

    turn = 0;
    assert_int_equal(vxc_loop_create(loop, NULL), 0);
    mailbox = vxc_mailbox_create(*loop);
    assert_non_null(mailbox);
    return mailbox;
}

static void destroy(struct vxc_mailbox *mailbox, struct vxc_loop *loop)
{
    vxc_mailbox_close(mailbox);
    vxc_mailbox_release(mailbox);
    vxc_loop_free(loop);
}

static void letters_are_opened_in_order_and_once(void **state)
{
    struct vxc_loop *loop;
    struct vxc_mailbox *mailbox = create(&loop);
    struct note a = {.letter = {.open = open_note}};
    struct note b = {.letter = {.open = open_note}};

    (void)state;
    assert_true(vxc_mailbox_post(mailbox, &a.letter));
    assert_true(vxc_mailbox_post(mailbox, &b.letter));
    assert_true(vxc_mailbox_post(mailbox, &a.letter)); /* is posted already */
    vxc_mailbox_open(mailbox);
    vxc_mailbox_open(mailbox);
    assert_int_equal(a.opened, 1);
    assert_int_equal(b.opened, 1);
    assert_true(a.order < b.order);
    destroy(mailbox, loop);
}

static void a_letter_posted_while_being_opened_waits_for_the_next_turn(void **state)
{
    struct vxc_loop *loop;
    struct vxc_mailbox *mailbox = create(&loop);
    struct note a = {.letter = {.open = open_note}, .mailbox = mailbox, .again = 1};

    (void)state;
    assert_true(vxc_mailbox_post(mailbox, &a.letter));
    vxc_mailbox_open(mailbox);
    assert_int_equal(a.opened, 1);
    vxc_mailbox_open(mailbox);
    assert_int_equal(a.opened, 2);
    destroy(mailbox, loop);
}

static void a_closed_mailbox_opens_what_it_has_and_takes_nothing_more(void **state)
{
    struct vxc_loop *loop;
    struct vxc_mailbox *mailbox = create(&loop);
    struct note a = {.letter = {.open = open_note}};

    (void)state;
    assert_true(vxc_mailbox_post(mailbox, &a.letter));
    vxc_mailbox_close(mailbox);
    assert_int_equal(a.opened, 1);
    assert_false(vxc_mailbox_post(mailbox, &a.letter));
    vxc_mailbox_release(vxc_mailbox_keep(mailbox));
    vxc_mailbox_release(mailbox);
    vxc_mailbox_release(NULL);
    vxc_loop_free(loop);
}

/* ---- calls ---- */

struct work {
    struct vxc_mailbox *mailbox;
    struct vxc_loop *loop;
    pthread_t by;
    int done;
};

static void do_work(void *data)
{
    struct work *w = data;

    w->by = pthread_self();
    w->done++;
}

static uint64_t on_turn(void *data)
{
    struct work *w = data;

    vxc_mailbox_open(w->mailbox);
    return UINT64_MAX;
}

static void end(void *data)
{
    struct work *w = data;

    do_work(w);
    vxc_loop_stop(w->loop);
}

static void *drive(void *data)
{
    struct work *w = data;

    vxc_mailbox_drive(w->mailbox);
    assert_true(vxc_mailbox_is_driver(w->mailbox));
    vxc_loop_run(w->loop);
    vxc_mailbox_end_run(w->mailbox);
    return NULL;
}

static void a_call_is_done_by_the_driver_or_by_who_asks(void **state)
{
    struct work w = {0};
    pthread_t thread;

    (void)state;
    w.mailbox = create(&w.loop);
    vxc_mailbox_call(w.mailbox, do_work, &w);
    assert_true(pthread_equal(w.by, pthread_self()));
    vxc_loop_on_turn(w.loop, on_turn, &w);
    assert_true(vxc_mailbox_begin_run(w.mailbox));
    assert_false(vxc_mailbox_begin_run(w.mailbox));
    assert_true(vxc_mailbox_is_run(w.mailbox));
    assert_false(vxc_mailbox_is_driver(w.mailbox));
    assert_int_equal(pthread_create(&thread, NULL, drive, &w), 0);
    for (int i = 0; i < 100; i++) {
        vxc_mailbox_call(w.mailbox, do_work, &w);
        assert_true(pthread_equal(w.by, thread));
    }
    vxc_mailbox_call(w.mailbox, end, &w);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_false(vxc_mailbox_is_run(w.mailbox));
    vxc_mailbox_call(w.mailbox, do_work, &w);
    assert_true(pthread_equal(w.by, pthread_self()));
    assert_int_equal(w.done, 103);
    destroy(w.mailbox, w.loop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(letters_are_opened_in_order_and_once),
        cmocka_unit_test(a_letter_posted_while_being_opened_waits_for_the_next_turn),
        cmocka_unit_test(a_closed_mailbox_opens_what_it_has_and_takes_nothing_more),
        cmocka_unit_test(a_call_is_done_by_the_driver_or_by_who_asks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
