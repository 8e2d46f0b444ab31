#include "base/crc.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>
#include <zlib.h>

enum { SIZE_MAX_TESTED = 100000 };

static uint8_t *random_bytes(size_t size)
{
    uint64_t seed = 42;
    uint8_t *bytes = malloc(size);

    assert_non_null(bytes);
    for (size_t i = 0; i < size; i++) {
        seed = seed * 6364136223846793005u + 1442695040888963407u;
        bytes[i] = (uint8_t)(seed >> 56);
    }
    return bytes;
}

static void known_values_hold(void **state)
{
    (void)state;
    assert_int_equal(vxc_crc32(0, "123456789", 9), 0xcbf43926);
    assert_int_equal(vxc_crc32(0, "", 0), 0);
    assert_int_equal(vxc_crc32(0, NULL, 0), 0);
    assert_int_equal(vxc_crc32(7, NULL, 0), 7);
}

static void random_input_gives_what_zlib_gives(void **state)
{
    uint8_t *bytes = random_bytes(SIZE_MAX_TESTED);

    (void)state;
    for (size_t size = 0; size < 300; size++) {
        for (size_t at = 0; at < 9; at++) {
            assert_true(vxc_crc32(0, bytes + at, size) == crc32(0, bytes + at, (uInt)size));
        }
    }
    for (size_t size = 300; size <= SIZE_MAX_TESTED; size += 977) {
        assert_true(vxc_crc32(0, bytes, size) == crc32(0, bytes, (uInt)size));
    }
    free(bytes);
}

static void input_may_come_in_pieces(void **state)
{
    uint8_t *bytes = random_bytes(SIZE_MAX_TESTED);
    uint32_t whole = vxc_crc32(0, bytes, SIZE_MAX_TESTED);

    (void)state;
    for (size_t cut = 0; cut <= SIZE_MAX_TESTED; cut += 1013) {
        uint32_t first = vxc_crc32(0, bytes, cut);
        assert_true(vxc_crc32(first, bytes + cut, SIZE_MAX_TESTED - cut) == whole);
    }
    free(bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(known_values_hold),
        cmocka_unit_test(random_input_gives_what_zlib_gives),
        cmocka_unit_test(input_may_come_in_pieces),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
