/* Which operation a request becomes: every request kind from 100 up has one, or is answered
 * elsewhere. */
#include "node/gateway_internal.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

/* Answered by the gateway itself (src/node/session.c, record.c, gateway.c). */
static bool has_no_operation(uint16_t kind)
{
    switch (kind) {
    case VXC_KIND_HELLO:
    case VXC_KIND_USE_NAMESPACE:
    case VXC_KIND_SESSION_OPEN:
    case VXC_KIND_SESSION_RESUME:
    case VXC_KIND_SESSION_GET:
    case VXC_KIND_STATUS:
    case VXC_KIND_SNAPSHOT_BEGIN:
    case VXC_KIND_SNAPSHOT_GET:
    case VXC_KIND_SNAPSHOT_READ:
    case VXC_KIND_SNAPSHOT_END:
    case VXC_KIND_MEMBER_LIST:
    case VXC_KIND_PEER_HELLO: /* between nodes */
    case VXC_KIND_PEER_PROOF:
        return true;
    default:
        return vxc_membership_is_change(kind);
    }
}

/* A request whose numeric choices are valid and whose texts are empty. */
static struct vxc_message plain(uint16_t kind)
{
    struct vxc_message m = vxc_message_of(kind);

    if (kind == VXC_KIND_MAP_SCAN) {
        m.map_scan.what = VXC_SCAN_KEYS;
    } else if (kind == VXC_KIND_MULTIMAP_SCAN) {
        m.multimap_scan.what = VXC_SCAN_KEYS;
    } else if (kind == VXC_KIND_WATCH_ADD) {
        m.watch_add.kind = VXC_WATCH_MAP;
    }
    return m;
}

static void every_request_has_an_operation(void **state)
{
    size_t count;
    const struct vxc_message_schema *all = vxc_message_schemas(&count);
    struct vxc_buffer scratch = {0};

    (void)state;
    for (size_t i = 0; i < count; i++) {
        struct vxc_message m = plain(all[i].kind);
        struct vxc_command c;
        const char *text = NULL;

        if (all[i].kind < VXC_KIND_ERROR_REPLY || all[i].role != VXC_ROLE_REQUEST ||
            has_no_operation(all[i].kind)) {
            continue;
        }
        if (vxc_route(&m, &scratch, &c, &text) != 0) {
            fail_msg("%s has no operation", all[i].name);
        }
        assert_non_null(vxc_op_name(c.op));
        assert_int_not_equal(all[i].reply, 0);
    }
    vxc_buffer_free(&scratch);
}

static void fields_land_where_the_operation_reads_them(void **state)
{
    struct vxc_message m = vxc_message_of(VXC_KIND_MAP_REPLACE_IF);
    struct vxc_command c;
    const char *text = NULL;

    (void)state;
    m.map_replace_if.map = vxc_slice_of_string("m");
    m.map_replace_if.key = vxc_slice_of_string("k");
    m.map_replace_if.expected = vxc_slice_of_string("old");
    m.map_replace_if.value = vxc_slice_of_string("new");
    m.map_replace_if.ttl_ms = 5;
    assert_int_equal(vxc_route(&m, NULL, &c, &text), 0);
    assert_int_equal(c.op, VXC_OP_MAP_REPLACE_IF);
    assert_true(vxc_slice_equal(c.name, vxc_slice_of_string("m")));
    assert_true(vxc_slice_equal(c.key, vxc_slice_of_string("k")));
    assert_true(vxc_slice_equal(c.expect, vxc_slice_of_string("old")));
    assert_true(vxc_slice_equal(c.value, vxc_slice_of_string("new")));
    assert_int_equal(c.a, 5);
}

static void choices_out_of_range_are_refused_with_a_text(void **state)
{
    struct vxc_message m = vxc_message_of(VXC_KIND_MAP_SCAN);
    struct vxc_command c;
    const char *text = NULL;

    (void)state;
    assert_int_equal(vxc_route(&m, NULL, &c, &text), VXC_EINVAL);
    assert_non_null(text);
    m = vxc_message_of(VXC_KIND_WATCH_ADD);
    m.watch_add.kind = 99;
    assert_int_equal(vxc_route(&m, NULL, &c, &text), VXC_EINVAL);
    m = vxc_message_of(VXC_KIND_MAP_PUT);
    m.map_put.ttl_ms = UINT64_MAX;
    assert_int_equal(vxc_route(&m, NULL, &c, &text), VXC_EINVAL);
    m = vxc_message_of(VXC_KIND_LOCK_ACQUIRE);
    m.lock_acquire.wait_ms = -2;
    assert_int_equal(vxc_route(&m, NULL, &c, &text), VXC_EINVAL);
}

static void transactions_take_data_operations_only(void **state)
{
    struct vxc_message op = vxc_message_of(VXC_KIND_LOCK_ACQUIRE);
    struct vxc_message m = vxc_message_of(VXC_KIND_TRANSACTION);
    struct vxc_buffer payload = {0};
    struct vxc_buffer list = {0};
    struct vxc_buffer scratch = {0};
    struct vxc_command c;
    const char *text = NULL;

    (void)state;
    assert_int_equal(vxc_message_encode(&op, &payload), 0);
    assert_int_equal(vxc_buffer_put_u16(&list, op.kind), 0);
    assert_int_equal(vxc_buffer_put_bytes(&list, vxc_buffer_slice(&payload)), 0);
    m.transaction.then_operations = (struct vxc_list){.count = 1, .raw = vxc_buffer_slice(&list)};
    assert_int_equal(vxc_route(&m, &scratch, &c, &text), VXC_EINVAL);
    assert_non_null(text);
    m.transaction.then_operations.count = VXC_TRANSACTION_OPS_MAX + 1;
    assert_int_equal(vxc_route(&m, &scratch, &c, &text), VXC_ETOOBIG);
    vxc_buffer_free(&payload);
    vxc_buffer_free(&list);
    vxc_buffer_free(&scratch);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_request_has_an_operation),
        cmocka_unit_test(fields_land_where_the_operation_reads_them),
        cmocka_unit_test(choices_out_of_range_are_refused_with_a_text),
        cmocka_unit_test(transactions_take_data_operations_only),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
