#include "harness.h"

#include <stdio.h>
#include <time.h>

/* "node:seq=data …" of an encoded list. */
static const char *shown(struct vxc_slice list)
{
    static char out[512];
    struct vxc_slice rest, node, info;
    uint32_t count;
    size_t used = 0;

    assert_int_equal(vxc_list_read_head(list, &count, &rest), 0);
    out[0] = '\0';
    for (uint32_t i = 0; i < count; i += 2) {
        assert_int_equal(vxc_list_next(&rest, &node), 0);
        assert_int_equal(vxc_list_next(&rest, &info), 0);
        used += (size_t)snprintf(out + used, sizeof out - used, "%s%.*s:%llu=%.*s",
                                 i == 0 ? "" : " ", (int)node.size, (const char *)node.data,
                                 (unsigned long long)vxc_load_u64(info.data), (int)info.size - 8,
                                 (const char *)info.data + 8);
    }
    assert_int_equal(rest.size, 0);
    return out;
}

static const char *at(struct harness *h, const char *address)
{
    return shown(
        harness_ask(h, (struct vxc_command){.op = VXC_OP_REGISTRATION_GET, .name = text(address)})
            ->value);
}

static const struct vxc_result *drop(struct harness *h, uint64_t session, const char *address,
                                     const char *node, int64_t seq)
{
    return run_as(
        h, session,
        (struct vxc_command){
            .op = VXC_OP_REGISTRATION_REMOVE, .name = text(address), .key = text(node), .a = seq});
}

/* A resync to what the text names: "address node seq data" per line. */
static const struct vxc_result *resync(struct harness *h, uint64_t session, const char *lines)
{
    struct vxc_buffer list = {0};
    struct vxc_buffer item = {0};
    char address[32], node[32], data[32];
    const struct vxc_result *r;
    int seq, used;
    uint32_t count = 0;

    assert_int_equal(vxc_buffer_put_u32(&list, 0), 0);
    while (sscanf(lines, "%31s %31s %d %31s\n%n", address, node, &seq, data, &used) == 4) {
        struct vxc_command add = {.op = VXC_OP_REGISTRATION_ADD,
                                  .name = text(address),
                                  .key = text(node),
                                  .a = seq,
                                  .value = text(data)};
        vxc_buffer_clear(&item);
        assert_int_equal(vxc_command_encode(&add, &item), 0);
        assert_int_equal(vxc_buffer_put_bytes(&list, vxc_buffer_slice(&item)), 0);
        lines += used;
        count++;
    }
    vxc_store_u32(list.data, count);
    r = run_as(
        h, session,
        (struct vxc_command){.op = VXC_OP_REGISTRATION_RESYNC, .value = vxc_buffer_slice(&list)});
    vxc_buffer_free(&list);
    vxc_buffer_free(&item);
    return r;
}

static void add_and_remove_are_idempotent(void **state)
{
    struct harness *h = *state;
    uint64_t session = open_session(h, "c");

    assert_true(add_registration(h, session, "a", "n1", 1, "x")->found);
    assert_false(add_registration(h, session, "a", "n1", 1, "x")->found);
    assert_true(add_registration(h, session, "a", "n1", 2, "y")->found);
    assert_true(add_registration(h, session, "a", "n1", 1, "z")->found); /* new data */
    assert_int_equal(h->f.result.number, 2);
    harness_restart(h);
    assert_string_equal(at(h, "a"), "n1:1=z n1:2=y");
    assert_true(drop(h, session, "a", "n1", 1)->found);
    assert_false(drop(h, session, "a", "n1", 1)->found);
    assert_false(drop(h, session, "a", "n2", 2)->found);
    assert_false(drop(h, session, "b", "n1", 2)->found);
    assert_string_equal(at(h, "a"), "n1:2=y");
    assert_true(drop(h, session, "a", "n1", 2)->found);
    assert_string_equal(at(h, "a"), "");
    assert_false(h->f.result.found);
    assert_int_equal(count_rows(h, VXC_DB_REGISTRATIONS, ""), 0);
    assert_int_equal(vxc_session_registration_count(h->f.fsm, session), 0);
}

static void every_change_is_an_event_with_the_whole_list(void **state)
{
    struct harness *h = *state;
    uint64_t watcher = open_session(h, "w");
    uint64_t session = open_session(h, "c");

    (void)watch(h, watcher, VXC_WATCH_REGISTRATIONS, NULL, NULL);
    (void)add_registration(h, session, "a", "n1", 1, "");
    (void)add_registration(h, session, "a", "n1", 1, "");
    (void)add_registration(h, session, "a", "n2", 1, "");
    (void)drop(h, session, "a", "n1", 1);
    (void)drop(h, session, "a", "n2", 1);
    assert_int_equal(h->event_count, 4);
    assert_string_equal(shown(h->events[0].view), "n1:1=");
    assert_string_equal(shown(h->events[1].view), "n1:1= n2:1=");
    assert_string_equal(shown(h->events[2].view), "n2:1=");
    assert_string_equal(shown(h->events[3].view), "");
    assert_slice_is(h->events[3].name, "a");
    assert_non_null(h->events[3].view.data);
}

static void a_watch_may_be_of_one_address(void **state)
{
    struct harness *h = *state;
    uint64_t watcher = open_session(h, "w");
    uint64_t session = open_session(h, "c");

    (void)watch(h, watcher, VXC_WATCH_REGISTRATIONS, "b", NULL);
    (void)add_registration(h, session, "a", "n", 1, "");
    (void)add_registration(h, session, "b", "n", 1, "");
    assert_int_equal(h->event_count, 1);
    assert_slice_is(h->events[0].name, "b");
}

static void expiry_is_one_event_per_address(void **state)
{
    struct harness *h = *state;
    uint64_t watcher = open_session(h, "w");
    uint64_t session = open_session(h, "c");
    uint64_t other = open_session(h, "c");

    for (int i = 0; i < 10; i++) {
        (void)add_registration(h, session, "a", "n1", i, "");
        (void)add_registration(h, session, "b", "n1", i, "");
    }
    (void)add_registration(h, other, "a", "n2", 1, "");
    (void)watch(h, watcher, VXC_WATCH_REGISTRATIONS, NULL, NULL);
    harness_restart(h);
    (void)expire_session(h, session);
    assert_int_equal(h->event_count, 3);
    assert_slice_is(h->events[0].name, "a");
    assert_string_equal(shown(h->events[0].view), "n2:1=");
    assert_slice_is(h->events[1].name, "b");
    assert_string_equal(shown(h->events[1].view), "");
    assert_int_equal(h->f.fsm->stats.registrations, 1);
}

static void a_returning_node_takes_its_own_over(void **state)
{
    struct harness *h = *state;
    uint64_t watcher = open_session(h, "w");
    uint64_t before = open_session(h, "c");
    uint64_t after = open_session(h, "c");

    (void)add_registration(h, before, "a", "n", 1, "x");
    (void)add_registration(h, before, "a", "n", 2, "x");
    (void)watch(h, watcher, VXC_WATCH_REGISTRATIONS, NULL, NULL);
    assert_false(add_registration(h, after, "a", "n", 1, "x")->found);
    assert_int_equal(h->event_count, 0);
    assert_int_equal(vxc_session_registration_count(h->f.fsm, before), 1);
    assert_int_equal(vxc_session_registration_count(h->f.fsm, after), 1);
    (void)expire_session(h, before);
    assert_string_equal(at(h, "a"), "n:1=x");
    (void)expire_session(h, after);
    assert_string_equal(at(h, "a"), "");
    assert_int_equal(count_rows(h, VXC_DB_SESSIONS, "o"), 1); /* the watch */
}

static void resync_makes_the_own_set_exactly_that(void **state)
{
    struct harness *h = *state;
    uint64_t watcher = open_session(h, "w");
    uint64_t session = open_session(h, "c");
    uint64_t other = open_session(h, "c");

    (void)add_registration(h, session, "same", "n", 1, "d");
    (void)add_registration(h, session, "gone", "n", 2, "d");
    (void)add_registration(h, session, "part", "n", 3, "d");
    (void)add_registration(h, session, "part", "n", 4, "d");
    (void)add_registration(h, other, "part", "m", 1, "d");
    (void)watch(h, watcher, VXC_WATCH_REGISTRATIONS, NULL, NULL);
    harness_restart(h);
    assert_true(resync(h, session, "same n 1 d\npart n 4 d\nnew n 5 e\npart n 6 f\n")->found);
    assert_int_equal(h->f.result.number, 4);
    assert_int_equal(h->event_count, 3); /* gone, new, part */
    assert_string_equal(at(h, "same"), "n:1=d");
    assert_string_equal(at(h, "gone"), "");
    assert_string_equal(at(h, "part"), "n:4=d m:1=d n:6=f");
    assert_string_equal(at(h, "new"), "n:5=e");
    assert_false(resync(h, session, "part n 6 f\nsame n 1 d\npart n 4 d\nnew n 5 e\n")->found);
    assert_int_equal(h->event_count, 3);
    assert_true(resync(h, session, "")->found);
    assert_int_equal(h->event_count, 6);
    assert_string_equal(at(h, "part"), "m:1=d");
    assert_int_equal(vxc_session_registration_count(h->f.fsm, session), 0);
    assert_int_equal(vxc_session_owned_count(h->f.fsm, session, VXC_OWNED_REGISTRATION), 0);
}

static void resync_takes_over_from_the_old_session(void **state)
{
    struct harness *h = *state;
    uint64_t old[2] = {open_session(h, "c"), open_session(h, "c")};
    uint64_t session = open_session(h, "c");

    (void)add_registration(h, old[0], "a", "n", 1, "d");
    (void)add_registration(h, old[1], "a", "n", 2, "d");
    (void)add_registration(h, old[0], "a", "n", 3, "d");
    (void)add_registration(h, old[0], "a", "n", 4, "d");
    assert_false(resync(h, session, "a n 1 d\na n 2 d\na n 3 d\n")->found);
    assert_int_equal(vxc_session_registration_count(h->f.fsm, session), 3);
    assert_int_equal(vxc_session_registration_count(h->f.fsm, old[0]), 1);
    assert_int_equal(vxc_session_registration_count(h->f.fsm, old[1]), 0);
    (void)expire_session(h, old[0]);
    (void)expire_session(h, old[1]);
    assert_string_equal(at(h, "a"), "n:1=d n:2=d n:3=d");
    (void)expire_session(h, session);
    assert_int_equal(count_rows(h, VXC_DB_REGISTRATIONS, ""), 0);
    assert_int_equal(count_rows(h, VXC_DB_SESSIONS, ""), 0);
}

static void resync_refuses_what_it_cannot_do_as_a_whole(void **state)
{
    struct harness *h = *state;
    uint64_t session = open_session(h, "c");

    (void)add_registration(h, session, "a", "n", 1, "d");
    assert_int_equal(resync(h, session, "b n 1 d\nb n 1 e\n")->code, VXC_EINVAL);
    assert_int_equal(resync(h, session + 1, "b n 1 d\n")->code, VXC_ESESSION);
    assert_string_equal(at(h, "a"), "n:1=d");
    assert_string_equal(at(h, "b"), "");
}

static void bad_registrations_are_refused(void **state)
{
    struct harness *h = *state;
    uint64_t session = open_session(h, "c");

    assert_int_equal(add_registration(h, session, "", "n", 1, "")->code, VXC_EINVAL);
    assert_int_equal(add_registration(h, session, "a", "", 1, "")->code, VXC_EINVAL);
    assert_int_equal(add_registration(h, 0, "a", "n", 1, "")->code, VXC_ESESSION);
    assert_int_equal(drop(h, 0, "a", "n", 1)->code, VXC_ESESSION);
}

static void the_list_of_an_address_is_bounded(void **state)
{
    static uint8_t data[VXC_MIB];
    struct harness *h = *state;
    uint64_t session = open_session(h, "c");
    struct vxc_command add = {.op = VXC_OP_REGISTRATION_ADD,
                              .name = text("a"),
                              .key = text("n"),
                              .value = vxc_slice(data, sizeof data)};

    for (add.a = 0; add.a < 3; add.a++) {
        assert_int_equal(run_as(h, session, add)->code, 0);
    }
    assert_int_equal(run_as(h, session, add)->code, VXC_ELIMIT);
    assert_int_equal(
        harness_ask(h, (struct vxc_command){.op = VXC_OP_REGISTRATION_GET, .name = text("a")})
            ->number,
        3);
    harness_restart(h);
    (void)expire_session(h, session);
    assert_int_equal(count_rows(h, VXC_DB_REGISTRATIONS, ""), 0);
}

static void addresses_up_to_64_kib_of_any_bytes(void **state)
{
    static uint8_t address[VXC_NAME_SIZE_MAX];
    struct harness *h = *state;
    uint64_t session = open_session(h, "c");
    struct vxc_command add = {.op = VXC_OP_REGISTRATION_ADD,
                              .name = vxc_slice(address, sizeof address),
                              .key = text("n"),
                              .a = 1};

    (void)run_as(h, session, add);
    address[sizeof address - 1] = 1;
    (void)run_as(h, session, add);
    (void)run_as(h, session, add);
    harness_restart(h);
    assert_int_equal(count_rows(h, VXC_DB_REGISTRATIONS, ""), 2);
    assert_int_equal(
        harness_ask(h, (struct vxc_command){.op = VXC_OP_REGISTRATION_GET, .name = add.name})
            ->number,
        1);
    (void)expire_session(h, session);
    assert_int_equal(count_rows(h, VXC_DB_REGISTRATIONS, ""), 0);
}

static void list_pages_through_addresses(void **state)
{
    struct harness *h = *state;
    uint64_t session = open_session(h, "c");
    struct vxc_command list = {.op = VXC_OP_REGISTRATION_LIST, .b = UINT64_C(3) << 32};
    uint8_t cursor[600];
    char name[8];
    uint32_t seen = 0;

    for (int i = 0; i < 10; i++) {
        (void)snprintf(name, sizeof name, "a%d", i);
        (void)add_registration(h, session, name, "n", i, "d");
    }
    for (;;) {
        const struct vxc_result *r = harness_ask(h, list);
        for (uint32_t i = 0; i < fixture_count(r->value); i += 2, seen++) {
            char expected[16];
            (void)snprintf(name, sizeof name, "a%u", seen);
            (void)snprintf(expected, sizeof expected, "n:%u=d", seen);
            assert_slice_is(fixture_item(r->value, i), name);
            assert_string_equal(shown(fixture_item(r->value, i + 1)), expected);
        }
        if (r->next.data == NULL) {
            break;
        }
        memcpy(cursor, r->next.data, r->next.size);
        list.key = vxc_slice(cursor, r->next.size);
    }
    assert_int_equal(seen, 10);
}

static void a_session_with_100000_addresses_ends_in_one_command(void **state)
{
    enum { ADDRESSES = 100000 };
    struct harness *h = *state;
    uint64_t session = open_session(h, "c");
    struct timespec begin, end;
    char name[32];

    for (int i = 0; i < ADDRESSES; i++) {
        (void)snprintf(name, sizeof name, "address-%d", i);
        assert_true(add_registration(h, session, name, "n", 1, "")->found);
    }
    (void)watch(h, open_session(h, "w"), VXC_WATCH_REGISTRATIONS, NULL, NULL);
    (void)clock_gettime(CLOCK_MONOTONIC, &begin);
    (void)expire_session(h, session);
    (void)clock_gettime(CLOCK_MONOTONIC, &end);
    print_message("%d addresses given up in %ld ms\n", ADDRESSES,
                  (end.tv_sec - begin.tv_sec) * 1000 + (end.tv_nsec - begin.tv_nsec) / 1000000);
    assert_int_equal(h->event_count, ADDRESSES + 1);
    assert_int_equal(count_rows(h, VXC_DB_REGISTRATIONS, ""), 0);
    assert_int_equal(count_rows(h, VXC_DB_EVENTS, ""), 10000 + 1); /* bounded */
}

#define test(name) cmocka_unit_test_setup_teardown(name, harness_setup, harness_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        test(add_and_remove_are_idempotent),
        test(every_change_is_an_event_with_the_whole_list),
        test(a_watch_may_be_of_one_address),
        test(expiry_is_one_event_per_address),
        test(a_returning_node_takes_its_own_over),
        test(resync_makes_the_own_set_exactly_that),
        test(resync_takes_over_from_the_old_session),
        test(resync_refuses_what_it_cannot_do_as_a_whole),
        test(bad_registrations_are_refused),
        test(the_list_of_an_address_is_bounded),
        test(addresses_up_to_64_kib_of_any_bytes),
        test(list_pages_through_addresses),
        test(a_session_with_100000_addresses_ends_in_one_command),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
