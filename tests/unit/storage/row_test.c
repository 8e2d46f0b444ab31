/* Row keys, checksums, and the sort of keys. */
#include "state_model.h"

#include "storage/key_sort.h"

static struct vxc_row_key make_key(uint64_t id, const void *user, size_t size)
{
    struct vxc_row_key key;

    vxc_row_key_begin(&key);
    vxc_row_key_u64(&key, id);
    vxc_row_key_user(&key, vxc_slice(user, size));
    return key;
}

static void keys_sort_by_number_then_by_user_key(void **state)
{
    struct vxc_row_key a = make_key(1, "z", 1);
    struct vxc_row_key b = make_key(2, "a", 1);
    struct vxc_row_key c = make_key(2, "a\0", 2);
    struct vxc_row_key d = make_key(256, "", 0);

    (void)state;
    assert_true(vxc_slice_compare(vxc_row_key_slice(&a), vxc_row_key_slice(&b)) < 0);
    assert_true(vxc_slice_compare(vxc_row_key_slice(&b), vxc_row_key_slice(&c)) < 0);
    assert_true(vxc_slice_compare(vxc_row_key_slice(&c), vxc_row_key_slice(&d)) < 0);
}

static void long_keys_keep_their_head_and_a_hash_of_the_whole(void **state)
{
    static uint8_t user[VXC_KEY_SIZE_MAX];
    uint8_t digest[32];

    (void)state;
    memset(user, 'k', sizeof user);
    struct vxc_row_key plain = make_key(7, user, VXC_ROW_KEY_PLAIN_MAX);
    struct vxc_row_key hashed = make_key(7, user, VXC_ROW_KEY_PLAIN_MAX + 1);
    struct vxc_row_key longest = make_key(7, user, sizeof user);
    user[sizeof user - 1] = 'l';
    struct vxc_row_key other = make_key(7, user, sizeof user);

    assert_false(plain.hashed);
    assert_int_equal(plain.size, 8 + VXC_ROW_KEY_PLAIN_MAX);
    assert_true(hashed.hashed);
    assert_int_equal(hashed.size, 8 + VXC_ROW_KEY_PLAIN_MAX + 16);
    assert_memory_equal(hashed.data, plain.data, plain.size);
    assert_true(longest.hashed);
    assert_memory_not_equal(longest.data, other.data, other.size);
    vxc_sha256(vxc_slice(user, sizeof user), digest);
    assert_memory_equal(other.data + 8 + VXC_ROW_KEY_PLAIN_MAX, digest, 16);
}

static void sha256_gives_the_published_values(void **state)
{
    static const uint8_t of_abc[] = {0xba, 0x78, 0x16, 0xbf, 0x8f, 0x01, 0xcf, 0xea};
    static const uint8_t of_nothing[] = {0xe3, 0xb0, 0xc4, 0x42, 0x98, 0xfc, 0x1c, 0x14};
    uint8_t digest[32];

    (void)state;
    vxc_sha256(vxc_slice_of_string("abc"), digest);
    assert_memory_equal(digest, of_abc, sizeof of_abc);
    vxc_sha256(vxc_slice(NULL, 0), digest);
    assert_memory_equal(digest, of_nothing, sizeof of_nothing);
}

static void a_checksum_depends_on_database_key_and_body_and_where_they_meet(void **state)
{
    struct vxc_slice ab = vxc_slice_of_string("ab");
    struct vxc_slice a = vxc_slice_of_string("a");
    struct vxc_slice c = vxc_slice_of_string("c");
    struct vxc_slice bc = vxc_slice_of_string("bc");
    uint64_t sum = vxc_row_checksum(VXC_DB_COUNTERS, ab, c);

    (void)state;
    assert_int_equal(sum, vxc_row_checksum(VXC_DB_COUNTERS, ab, c));
    assert_int_not_equal(sum, vxc_row_checksum(VXC_DB_LOCKS, ab, c));
    assert_int_not_equal(sum, vxc_row_checksum(VXC_DB_COUNTERS, a, bc));
    assert_int_not_equal(sum, vxc_row_checksum(VXC_DB_COUNTERS, ab, bc));
}

/* These values are part of the format (docs/format.md): they must never change. */
static void checksums_are_those_of_the_format(void **state)
{
    uint8_t key[8] = {0, 0, 0, 0, 0, 0, 0, 1};
    uint8_t header[24] = {5};

    (void)state;
    assert_int_equal(
        vxc_row_checksum(VXC_DB_COUNTERS, vxc_slice_of_string("key"), vxc_slice_of_string("value")),
        0xa3f1fd0fc46a00d6u);
    assert_int_equal(vxc_row_checksum(VXC_DB_MAPS, vxc_slice(key, 8), vxc_slice(header, 24)),
                     0xcd11bf091ce52b80u);
}

static void the_digest_slot_of_a_header_does_not_count(void **state)
{
    uint8_t key[17] = {0};
    uint8_t body[24] = {1, 2, 3};
    struct vxc_slice header = vxc_slice(key, 8);
    struct vxc_slice element = vxc_slice(key, 17);
    struct vxc_slice value = vxc_slice(body, sizeof body);
    uint64_t of_header = vxc_row_checksum(VXC_DB_MAPS, header, value);
    uint64_t of_element = vxc_row_checksum(VXC_DB_MAPS, element, value);
    uint64_t of_lock = vxc_row_checksum(VXC_DB_LOCKS, header, value);

    (void)state;
    for (size_t i = 8; i < 16; i++) {
        body[i] = 0xff;
        assert_int_equal(of_header, vxc_row_checksum(VXC_DB_MAPS, header, value));
        assert_int_not_equal(of_element, vxc_row_checksum(VXC_DB_MAPS, element, value));
        assert_int_not_equal(of_lock, vxc_row_checksum(VXC_DB_LOCKS, header, value));
        body[i] = 0;
    }
    body[16] = 1;
    assert_int_not_equal(of_header, vxc_row_checksum(VXC_DB_MAPS, header, value));
}

/* ---- the sort ---- */

static int compare_items(const void *a, const void *b)
{
    const struct vxc_key_sort_item *x = a;
    const struct vxc_key_sort_item *y = b;

    return vxc_slice_compare(vxc_slice(x->key, x->size), vxc_slice(y->key, y->size));
}

static void key_sort_orders_like_a_plain_sort(void **state)
{
    uint64_t random = 12345;

    (void)state;
    for (int round = 0; round < 200; round++) {
        size_t count = random_below(&random, round % 10 == 0 ? 8000 : 300);
        size_t shared = random_below(&random, 3) * 20;
        size_t letters = 1 + random_below(&random, 255);
        size_t size_max = 1 + random_below(&random, 60);
        struct vxc_key_sort_item *items = calloc(count + 1, sizeof *items);
        struct vxc_key_sort_item *expected = calloc(count + 1, sizeof *items);
        uint8_t *keys = calloc(count + 1, 128);

        for (size_t i = 0; i < count; i++) {
            uint8_t *key = keys + i * 128;
            size_t size = shared + random_below(&random, size_max);

            for (size_t at = shared; at < size; at++) {
                key[at] = (uint8_t)random_below(&random, letters);
            }
            items[i] = (struct vxc_key_sort_item){
                .key = key, .size = (uint32_t)size, .index = (uint32_t)i};
            expected[i] = items[i];
        }
        vxc_key_sort(items, count);
        qsort(expected, count, sizeof *expected, compare_items);
        for (size_t i = 0; i < count; i++) {
            assert_int_equal(compare_items(&items[i], &expected[i]), 0);
        }
        free(items);
        free(expected);
        free(keys);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keys_sort_by_number_then_by_user_key),
        cmocka_unit_test(long_keys_keep_their_head_and_a_hash_of_the_whole),
        cmocka_unit_test(sha256_gives_the_published_values),
        cmocka_unit_test(a_checksum_depends_on_database_key_and_body_and_where_they_meet),
        cmocka_unit_test(checksums_are_those_of_the_format),
        cmocka_unit_test(the_digest_slot_of_a_header_does_not_count),
        cmocka_unit_test(key_sort_orders_like_a_plain_sort),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
