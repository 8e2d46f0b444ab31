#include "base/bytes.h"

#include "base/error.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#define S(text) vxc_slice(text, sizeof(text) - 1)

static int sign(int v)
{
    return (v > 0) - (v < 0);
}

static void slices_order_by_bytes_and_prefixes_come_first(void **state)
{
    static const char *const ordered[] = {"",     "a",    "aa",   "ab",      "b",
                                          "\x7f", "\x80", "\xff", "\xff\xff"};

    (void)state;
    for (int i = 0; i < 9; i++) {
        for (int k = 0; k < 9; k++) {
            struct vxc_slice a = vxc_slice_of_string(ordered[i]);
            struct vxc_slice b = vxc_slice_of_string(ordered[k]);
            assert_int_equal(sign(vxc_slice_compare(a, b)), sign(i - k));
            assert_int_equal(vxc_slice_equal(a, b), i == k);
        }
    }
    assert_true(vxc_slice_equal(vxc_slice(NULL, 0), S("")));
    assert_int_equal(vxc_slice_compare(vxc_slice(NULL, 0), S("")), 0);
    assert_true(vxc_slice_compare(vxc_slice(NULL, 0), S("a")) < 0);
}

static void words_are_little_endian_and_sort_keys_big_endian(void **state)
{
    uint8_t p[8];

    (void)state;
    vxc_store_u16(p, 0x0102);
    assert_memory_equal(p, "\2\1", 2);
    assert_int_equal(vxc_load_u16(p), 0x0102);
    vxc_store_u32(p, 0xfffefdfc);
    assert_memory_equal(p, "\xfc\xfd\xfe\xff", 4);
    assert_true(vxc_load_u32(p) == 0xfffefdfc);
    vxc_store_u64(p, UINT64_C(0x8102030405060708));
    assert_memory_equal(p, "\x08\x07\x06\x05\x04\x03\x02\x81", 8);
    assert_true(vxc_load_u64(p) == UINT64_C(0x8102030405060708));
    vxc_store_be64(p, UINT64_C(0x8102030405060708));
    assert_memory_equal(p, "\x81\x02\x03\x04\x05\x06\x07\x08", 8);
    assert_true(vxc_load_be64(p) == UINT64_C(0x8102030405060708));
    vxc_store_be32(p, 0xf1020304);
    assert_memory_equal(p, "\xf1\x02\x03\x04", 4);
    assert_true(vxc_load_be32(p) == 0xf1020304);
}

static void buffer_keeps_what_is_appended(void **state)
{
    struct vxc_buffer b;

    (void)state;
    vxc_buffer_init(&b);
    assert_int_equal(vxc_buffer_append(&b, NULL, 0), 0);
    assert_int_equal(b.size, 0);
    for (unsigned i = 0; i < 100000; i++) {
        assert_int_equal(vxc_buffer_put_u32(&b, i), 0);
    }
    assert_int_equal(b.size, 400000);
    assert_true(b.capacity >= b.size && b.capacity <= 2 * b.size + 256);
    for (unsigned i = 0; i < 100000; i++) {
        assert_int_equal(vxc_load_u32(b.data + 4 * (size_t)i), i);
    }
    vxc_buffer_clear(&b);
    assert_int_equal(b.size, 0);
    vxc_buffer_free(&b);
    assert_null(b.data);
    vxc_buffer_free(&b);
}

static void buffer_refuses_what_cannot_be_allocated(void **state)
{
    struct vxc_buffer b = {0};

    (void)state;
    assert_int_equal(vxc_buffer_put_u8(&b, 7), 0);
    assert_int_equal(vxc_buffer_reserve(&b, SIZE_MAX), VXC_ENOMEM);
    assert_int_equal(vxc_buffer_reserve(&b, SIZE_MAX / 2), VXC_ENOMEM);
    assert_int_equal(vxc_buffer_put_bytes(&b, vxc_slice("", (size_t)UINT32_MAX + 1)), VXC_ETOOBIG);
    assert_int_equal(b.size, 1);
    assert_int_equal(b.data[0], 7);
    vxc_buffer_free(&b);
}

static void reader_gives_back_what_was_written(void **state)
{
    struct vxc_buffer b = {0};
    struct vxc_reader r;

    (void)state;
    assert_int_equal(vxc_buffer_put_u8(&b, 0xfe), 0);
    assert_int_equal(vxc_buffer_put_u16(&b, 0xfedc), 0);
    assert_int_equal(vxc_buffer_put_u32(&b, 0xfedcba98), 0);
    assert_int_equal(vxc_buffer_put_u64(&b, UINT64_MAX - 1), 0);
    assert_int_equal(vxc_buffer_put_bytes(&b, S("key")), 0);
    assert_int_equal(vxc_buffer_put_bytes(&b, vxc_slice(NULL, 0)), 0);
    r = vxc_reader(vxc_buffer_slice(&b));
    assert_int_equal(vxc_reader_u8(&r), 0xfe);
    assert_int_equal(vxc_reader_u16(&r), 0xfedc);
    assert_true(vxc_reader_u32(&r) == 0xfedcba98);
    assert_true(vxc_reader_u64(&r) == UINT64_MAX - 1);
    assert_false(vxc_reader_at_end(&r));
    assert_true(vxc_slice_equal(vxc_reader_bytes(&r), S("key")));
    assert_int_equal(vxc_reader_bytes(&r).size, 0);
    assert_true(vxc_reader_ok(&r));
    assert_true(vxc_reader_at_end(&r));
    vxc_buffer_free(&b);
}

static void reader_stays_bad_after_a_short_read(void **state)
{
    struct vxc_reader r = vxc_reader(S("abc"));

    (void)state;
    assert_int_equal(vxc_reader_u32(&r), 0);
    assert_false(vxc_reader_ok(&r));
    assert_int_equal(vxc_reader_u8(&r), 0);
    assert_int_equal(vxc_reader_left(&r), 0);
    assert_false(vxc_reader_at_end(&r));
    r = vxc_reader(vxc_slice(NULL, 0));
    assert_true(vxc_reader_at_end(&r));
    assert_int_equal(vxc_reader_raw(&r, 0).size, 0);
    assert_true(vxc_reader_ok(&r));
    assert_int_equal(vxc_reader_u8(&r), 0);
    assert_false(vxc_reader_ok(&r));
}

static void reader_refuses_lengths_beyond_what_is_left(void **state)
{
    static const uint32_t lengths[] = {2, 0x7fffffff, 0x80000000, 0xffffffff};

    (void)state;
    for (size_t i = 0; i < 4; i++) {
        uint8_t bytes[5] = {0, 0, 0, 0, 'x'};
        struct vxc_reader r;
        vxc_store_u32(bytes, lengths[i]);
        r = vxc_reader(vxc_slice(bytes, sizeof bytes));
        assert_int_equal(vxc_reader_bytes(&r).size, 0);
        assert_false(vxc_reader_ok(&r));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(slices_order_by_bytes_and_prefixes_come_first),
        cmocka_unit_test(words_are_little_endian_and_sort_keys_big_endian),
        cmocka_unit_test(buffer_keeps_what_is_appended),
        cmocka_unit_test(buffer_refuses_what_cannot_be_allocated),
        cmocka_unit_test(reader_gives_back_what_was_written),
        cmocka_unit_test(reader_stays_bad_after_a_short_read),
        cmocka_unit_test(reader_refuses_lengths_beyond_what_is_left),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
