#include "wire/operations.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "wire/message.h"

#define S(text) vxc_slice(text, sizeof(text) - 1)

/* One of each tag, with every field set. */
static struct vxc_buffer one_of(uint8_t tag)
{
    size_t count;
    const struct vxc_sync_schema *schema = &vxc_sync_schemas(&count)[tag];
    struct vxc_sync_operation o;
    struct vxc_buffer out = {0};

    memset(&o, 0, sizeof o);
    o.tag = tag;
    for (size_t f = 0; f < schema->fields_count; f++) {
        void *field = (char *)&o.map_created + schema->fields[f].offset;
        switch (schema->fields[f].type) {
        case VXC_TYPE_BYTES:
            *(struct vxc_slice *)field = S("name");
            break;
        case VXC_TYPE_OPT_BYTES:
            *(struct vxc_opt_bytes *)field = (struct vxc_opt_bytes){true, S("value")};
            break;
        case VXC_TYPE_BOOL:
            *(bool *)field = true;
            break;
        default:
            *(uint64_t *)field = UINT64_MAX - 1;
        }
    }
    assert_int_equal(vxc_sync_encode(&o, &out), 0);
    return out;
}

static void there_are_21_tags_in_order(void **state)
{
    size_t count;
    const struct vxc_sync_schema *all = vxc_sync_schemas(&count);

    (void)state;
    assert_int_equal(count, 21);
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(all[i].tag, i);
        assert_true(all[i].fields_count > 0);
    }
    assert_string_equal(all[10].name, "multimap_updated");
}

static void every_tag_comes_back_as_it_was(void **state)
{
    (void)state;
    for (uint8_t tag = 0; tag <= 20; tag++) {
        struct vxc_buffer encoded = one_of(tag);
        struct vxc_buffer again = {0};
        struct vxc_slice rest = vxc_buffer_slice(&encoded);
        struct vxc_sync_operation o;
        assert_int_equal(vxc_sync_decode(&rest, &o), 0);
        assert_int_equal(rest.size, 0);
        assert_int_equal(o.tag, tag);
        assert_int_equal(vxc_sync_encode(&o, &again), 0);
        assert_true(vxc_slice_equal(vxc_buffer_slice(&encoded), vxc_buffer_slice(&again)));
        vxc_buffer_free(&encoded);
        vxc_buffer_free(&again);
    }
}

static void fields_are_where_the_original_has_them(void **state)
{
    struct vxc_slice rest = S("\1\1\0\0\0m\1\0\0\0k\0"
                              "\7\1\0\0\0c\376\377\377\377\377\377\377\377"
                              "\17\1\0\0\0l\2\0\0\0n1"
                              "\24\2\0\0\0n1\7\0\0\0\0\0\0\0");
    struct vxc_sync_operation o;

    (void)state;
    assert_int_equal(vxc_sync_decode(&rest, &o), 0);
    assert_int_equal(o.tag, VXC_SYNC_MAP_UPDATED);
    assert_true(vxc_slice_equal(o.map_updated.key, S("k")));
    assert_false(o.map_updated.value.present);
    assert_int_equal(vxc_sync_decode(&rest, &o), 0);
    assert_int_equal(o.counter_updated.value, -2);
    assert_int_equal(vxc_sync_decode(&rest, &o), 0);
    assert_true(vxc_slice_equal(o.lock_released.node_id, S("n1")));
    assert_int_equal(vxc_sync_decode(&rest, &o), 0);
    assert_int_equal(o.node_connection_removed.connection_id, 7);
    assert_int_equal(rest.size, 0);
}

static void every_truncation_is_refused_and_takes_nothing(void **state)
{
    (void)state;
    for (uint8_t tag = 0; tag <= 20; tag++) {
        struct vxc_buffer encoded = one_of(tag);
        for (size_t size = 0; size < encoded.size; size++) {
            struct vxc_slice rest = vxc_slice(encoded.data, size);
            struct vxc_sync_operation o;
            assert_int_equal(vxc_sync_decode(&rest, &o), VXC_EPROTO);
            assert_int_equal(rest.size, size);
        }
        vxc_buffer_free(&encoded);
    }
}

static void unknown_tags_are_refused(void **state)
{
    struct vxc_sync_operation o;
    struct vxc_buffer out = {0};

    (void)state;
    for (unsigned tag = 21; tag < 256; tag++) {
        uint8_t bytes[64] = {(uint8_t)tag};
        struct vxc_slice rest = vxc_slice(bytes, sizeof bytes);
        assert_int_equal(vxc_sync_decode(&rest, &o), VXC_EPROTO);
        memset(&o, 0, sizeof o);
        o.tag = (uint8_t)tag;
        assert_int_equal(vxc_sync_encode(&o, &out), VXC_EINVAL);
    }
    assert_int_equal(out.size, 0);
}

static void operations_that_fit_nowhere_are_refused(void **state)
{
    struct vxc_sync_operation o = {.tag = VXC_SYNC_NODE_LEFT};
    struct vxc_buffer out = {0};
    struct vxc_buffer full = {.size = SIZE_MAX / 2 - 4, .capacity = SIZE_MAX / 2 - 4};

    (void)state;
    o.node_left.node_id = vxc_slice("n", (size_t)UINT32_MAX + 1); /* never looked at */
    assert_int_equal(vxc_sync_encode(&o, &out), VXC_ETOOBIG);
    o.node_left.node_id = S("n");
    assert_int_equal(vxc_sync_encode(&o, &full), VXC_ENOMEM);
    assert_int_equal(out.size, 0);
    assert_true(full.size == SIZE_MAX / 2 - 4);
}

static void list_of_all_tags_is_walked(void **state)
{
    struct vxc_buffer payload = {0};
    struct vxc_sync_operation o;
    struct vxc_message m;

    (void)state;
    assert_int_equal(vxc_buffer_put_u64(&payload, 9), 0);
    assert_int_equal(vxc_buffer_put_u32(&payload, 21), 0);
    for (uint8_t tag = 0; tag <= 20; tag++) {
        struct vxc_buffer one = one_of(tag);
        assert_int_equal(vxc_buffer_append(&payload, one.data, one.size), 0);
        vxc_buffer_free(&one);
    }
    assert_int_equal(vxc_message_decode(VXC_KIND_STATE_SYNC, vxc_buffer_slice(&payload), &m), 0);
    assert_int_equal(m.state_sync.operations.count, 21);
    for (uint8_t tag = 0; tag <= 20; tag++) {
        assert_true(vxc_list_next_sync(&m.state_sync.operations, &o));
        assert_int_equal(o.tag, tag);
    }
    assert_false(vxc_list_next_sync(&m.state_sync.operations, &o));

    /* one bad operation spoils the message */
    payload.data[12] = 21;
    assert_int_equal(vxc_message_decode(VXC_KIND_STATE_SYNC, vxc_buffer_slice(&payload), &m),
                     VXC_EPROTO);
    vxc_buffer_free(&payload);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(there_are_21_tags_in_order),
        cmocka_unit_test(every_tag_comes_back_as_it_was),
        cmocka_unit_test(fields_are_where_the_original_has_them),
        cmocka_unit_test(every_truncation_is_refused_and_takes_nothing),
        cmocka_unit_test(unknown_tags_are_refused),
        cmocka_unit_test(operations_that_fit_nowhere_are_refused),
        cmocka_unit_test(list_of_all_tags_is_walked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
