/* Where a client goes when a place fails, refuses, names another, or is learned. */
#include "client/router.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct vxc_router make(const char *endpoints)
{
    struct vxc_router r;
    assert_int_equal(vxc_router_init(&r, endpoints, false, 7, NULL), 0);
    return r;
}

static const char *port(const struct vxc_router *r)
{
    return vxc_router_place(r)->port;
}

static void learn(struct vxc_router *r, const char *const *texts)
{
    struct vxc_slice addresses[64];
    size_t count = 0;
    for (; texts[count] != NULL; count++) {
        addresses[count] = vxc_slice_of_string(texts[count]);
    }
    vxc_router_learn(r, addresses, count);
}

static void what_can_be_tried_now_is_tried_now_and_then_the_first_one_due(void **state)
{
    struct vxc_router r = make("h:1,h:2,h:3");

    (void)state;
    assert_string_equal(port(&r), "1");
    vxc_router_failed(&r, 1000, false);
    assert_string_equal(port(&r), "2");
    assert_true(vxc_router_due_ms(&r) <= 1000);
    vxc_router_failed(&r, 1001, false);
    assert_string_equal(port(&r), "3");
    assert_true(vxc_router_due_ms(&r) <= 1001);
    vxc_router_failed(&r, 1002, false);
    assert_true(vxc_router_due_ms(&r) >= 1010); /* a pause at last … */
    assert_true(vxc_router_due_ms(&r) <= 1022); /* … and a short one */
    for (size_t i = 0; i < 3; i++) {
        assert_true(r.places[i].due_ms >= vxc_router_due_ms(&r));
    }
}

static void a_place_alone_is_tried_again_less_and_less_often(void **state)
{
    struct vxc_router r = make("h:1");
    uint64_t now_ms = 1000, longest_ms = 0;

    (void)state;
    assert_false(vxc_router_has_others(&r));
    for (int i = 0; i < 40; i++) {
        vxc_router_failed(&r, now_ms, i % 2 == 0);
        const uint64_t delay_ms = vxc_router_due_ms(&r) - now_ms;
        assert_true(delay_ms >= VXC_CLIENT_RECONNECT_MS_MIN / 2);
        assert_true(delay_ms <= VXC_CLIENT_RECONNECT_MS_MAX);
        assert_true(i > 0 || delay_ms <= VXC_CLIENT_RECONNECT_MS_MIN);
        longest_ms = delay_ms > longest_ms ? delay_ms : longest_ms;
        now_ms += delay_ms;
    }
    assert_true(longest_ms > VXC_CLIENT_RECONNECT_MS_MAX / 2);
    vxc_router_found(&r);
    assert_int_equal(vxc_router_due_ms(&r), 0);
    vxc_router_failed(&r, now_ms, false);
    assert_true(vxc_router_due_ms(&r) <= now_ms + VXC_CLIENT_RECONNECT_MS_MIN);
}

static void a_named_primary_is_tried_at_once_also_one_that_was_not_known(void **state)
{
    struct vxc_router r = make("h:1,h:2,h:3");

    (void)state;
    vxc_router_refused(&r, 1000, "h:3");
    assert_string_equal(port(&r), "3");
    assert_true(vxc_router_due_ms(&r) <= 1000);
    vxc_router_refused(&r, 1001, "[::1]:9");
    assert_string_equal(vxc_router_place(&r)->host, "::1");
    assert_int_equal(r.count, 4);
    vxc_router_failed(&r, 1002, false); /* back to the list */
    assert_string_equal(port(&r), "2");
    vxc_router_refused(&r, 1003, "what is this");
    assert_int_equal(r.count, 4);
}

static void a_named_primary_that_has_just_failed_is_not_tried_at_once(void **state)
{
    struct vxc_router r = make("h:1,h:2,h:3");

    (void)state;
    vxc_router_failed(&r, 1000, false); /* the primary was killed … */
    assert_string_equal(port(&r), "2");
    vxc_router_refused(&r, 1001, "h:1"); /* … and the backups do not know yet */
    assert_string_equal(port(&r), "3");
    vxc_router_refused(&r, 1002, "h:1");
    assert_true(vxc_router_due_ms(&r) > 1002);
}

static void two_nodes_that_name_each_other_lead_nobody_in_a_circle(void **state)
{
    static const char *const names[] = {"", "h:2", "h:1", ""};
    struct vxc_router r = make("h:1,h:2,h:3");
    uint64_t now_ms = 1000;
    int visits[4] = {0};

    (void)state;
    while (now_ms < 2000) {
        const int at = atoi(port(&r));
        now_ms = vxc_router_due_ms(&r) > now_ms ? vxc_router_due_ms(&r) : now_ms;
        visits[at]++;
        vxc_router_refused(&r, now_ms, names[at]);
    }
    for (int i = 1; i <= 3; i++) {
        assert_true(visits[i] >= 5);   /* the third one gets its turn … */
        assert_true(visits[i] <= 102); /* … and nobody is asked more than every 10 ms */
    }
}

static void a_cluster_without_primary_is_asked_less_often_after_a_while(void **state)
{
    struct vxc_router r = make("h:1");
    uint64_t now_ms = 1000, longest_ms = 0;

    (void)state;
    while (now_ms < 1000 + VXC_CLIENT_SEARCH_EAGER_MS) {
        vxc_router_refused(&r, now_ms, "");
        assert_true(vxc_router_due_ms(&r) >= now_ms + VXC_CLIENT_SEARCH_MS_MIN);
        assert_true(vxc_router_due_ms(&r) <= now_ms + VXC_CLIENT_SEARCH_MS_MAX);
        now_ms = vxc_router_due_ms(&r);
    }
    for (int i = 0; i < 20; i++) {
        vxc_router_refused(&r, now_ms, "");
        const uint64_t delay_ms = vxc_router_due_ms(&r) - now_ms;
        assert_true(delay_ms <= VXC_CLIENT_SEARCH_LAZY_TIMES * VXC_CLIENT_SEARCH_MS_MAX);
        longest_ms = delay_ms > longest_ms ? delay_ms : longest_ms;
        now_ms += delay_ms;
    }
    assert_true(longest_ms > VXC_CLIENT_SEARCH_MS_MAX);
    vxc_router_found(&r);
    vxc_router_refused(&r, now_ms, "");
    assert_true(vxc_router_due_ms(&r) <= now_ms + VXC_CLIENT_SEARCH_MS_MAX);
}

static void a_connection_is_given_up_soon_only_where_there_are_others(void **state)
{
    struct vxc_router alone = make("h:1"), r = make("h:1,h:2");

    (void)state;
    assert_int_equal(vxc_router_connect_ms(&alone), VXC_CLIENT_CONNECT_MS_ALONE);
    assert_int_equal(vxc_router_connect_ms(&r), VXC_CLIENT_CONNECT_MS);
    for (int i = 0; i < 20; i++) { /* a place that is far away gets its time in the end */
        vxc_router_failed(&r, 1000, true);
        assert_true(vxc_router_connect_ms(&r) <= VXC_CLIENT_CONNECT_MS_ALONE);
    }
    assert_int_equal(vxc_router_connect_ms(&r), VXC_CLIENT_CONNECT_MS_ALONE);
}

static void a_silent_place_comes_after_those_that_answer(void **state)
{
    struct vxc_router r = make("h:1,h:2");

    (void)state;
    vxc_router_failed(&r, 1000, true);
    for (uint64_t now_ms = 1000; now_ms < 1400; now_ms = vxc_router_due_ms(&r)) {
        assert_string_equal(port(&r), "2");
        vxc_router_refused(&r, now_ms, "h:1");
    }
}

static void members_are_learned_and_forgotten_and_the_present_place_kept(void **state)
{
    static const char *const three[] = {"h:1", "h:2", "h:3", "nonsense", "", NULL};
    static const char *const other[] = {"h:1", "h:4", NULL};
    struct vxc_router r = make("h:1");

    (void)state;
    learn(&r, three);
    assert_int_equal(r.count, 3);
    assert_true(vxc_router_has_others(&r));
    vxc_router_refused(&r, 1000, "h:3");
    assert_string_equal(port(&r), "3");
    learn(&r, other); /* 2 and 3 were removed, but there is a connection to 3 */
    assert_int_equal(r.count, 3);
    assert_string_equal(port(&r), "3");
    vxc_router_failed(&r, 1001, false);
    assert_string_not_equal(port(&r), "3");
    learn(&r, other);
    assert_int_equal(r.count, 2);
}

static void no_more_members_are_learned_than_there_is_room_for(void **state)
{
    char texts[40][16];
    const char *list[41] = {NULL};
    struct vxc_router r = make("g:1,g:2");

    (void)state;
    for (int i = 0; i < 40; i++) {
        (void)snprintf(texts[i], sizeof texts[i], "h:%d", i + 1);
        list[i] = texts[i];
    }
    learn(&r, list);
    assert_int_equal(r.count, 2 + VXC_CLIENT_LEARNED_MAX);
    vxc_router_refused(&r, 1000, "i:1");
    assert_int_equal(r.count, 2 + VXC_CLIENT_LEARNED_MAX);
    assert_string_equal(port(&r), "2"); /* no room for it: on in the list */
}

static void a_fixed_one_goes_only_where_it_was_told(void **state)
{
    static const char *const members[] = {"h:1", "h:2", "h:3", NULL};
    struct vxc_router r;

    (void)state;
    assert_int_equal(vxc_router_init(&r, "h:1,h:2", true, 7, NULL), 0);
    learn(&r, members);
    assert_int_equal(r.count, 2);
    vxc_router_refused(&r, 1000, "h:3");
    assert_string_equal(port(&r), "2");
    assert_int_equal(vxc_router_init(&r, "h", true, 7, NULL), VXC_EADDRESS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_can_be_tried_now_is_tried_now_and_then_the_first_one_due),
        cmocka_unit_test(a_place_alone_is_tried_again_less_and_less_often),
        cmocka_unit_test(a_named_primary_is_tried_at_once_also_one_that_was_not_known),
        cmocka_unit_test(a_named_primary_that_has_just_failed_is_not_tried_at_once),
        cmocka_unit_test(two_nodes_that_name_each_other_lead_nobody_in_a_circle),
        cmocka_unit_test(a_cluster_without_primary_is_asked_less_often_after_a_while),
        cmocka_unit_test(a_connection_is_given_up_soon_only_where_there_are_others),
        cmocka_unit_test(a_silent_place_comes_after_those_that_answer),
        cmocka_unit_test(members_are_learned_and_forgotten_and_the_present_place_kept),
        cmocka_unit_test(no_more_members_are_learned_than_there_is_room_for),
        cmocka_unit_test(a_fixed_one_goes_only_where_it_was_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
