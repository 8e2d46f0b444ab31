#include "tools/vxc/text.h"

#include "base/error.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <jansson.h>

#include <cmocka.h>

#define S(text) vxc_slice(text, sizeof(text) - 1)

static void utf8_is_taken_strictly(void **state)
{
    static const struct {
        struct vxc_slice bytes;
        bool valid;
    } cases[] = {
        {{(const uint8_t *)"", 0}, true},
        {{(const uint8_t *)"a\0b", 3}, true},
        {{(const uint8_t *)"\xc3\xa4", 2}, true},
        {{(const uint8_t *)"\xe2\x82\xac", 3}, true},
        {{(const uint8_t *)"\xf0\x9f\x98\x80", 4}, true},
        {{(const uint8_t *)"\xf4\x8f\xbf\xbf", 4}, true},
        {{(const uint8_t *)"\x80", 1}, false},             /* continuation alone */
        {{(const uint8_t *)"\xc3", 1}, false},             /* cut */
        {{(const uint8_t *)"\xc0\x80", 2}, false},         /* overlong */
        {{(const uint8_t *)"\xe0\x9f\xbf", 3}, false},     /* overlong */
        {{(const uint8_t *)"\xf0\x8f\xbf\xbf", 4}, false}, /* overlong */
        {{(const uint8_t *)"\xed\xa0\x80", 3}, false},     /* surrogate */
        {{(const uint8_t *)"\xf4\x90\x80\x80", 4}, false}, /* above U+10FFFF */
        {{(const uint8_t *)"\xff", 1}, false},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_int_equal(vxc_text_is_utf8(cases[i].bytes), cases[i].valid);
    }
    assert_true(vxc_text_is_printable(S("a \xc3\xa4")));
    assert_false(vxc_text_is_printable(S("\x1b[31m")));
    assert_false(vxc_text_is_printable(S("\xc2\x9b"))); /* the same as one C1 character */
}

/* For any bytes: what is printed is JSON, and jansson reads the same bytes out of it. */
static void json_of_any_bytes_is_read_back_the_same(void **state)
{
    uint32_t random = 12345;

    (void)state;
    for (int round = 0; round < 3000; round++) {
        uint8_t bytes[40];
        struct vxc_buffer out = {0}, decoded = {0};
        size_t size;
        json_t *object;
        const json_t *text;

        random = random * 1664525u + 1013904223u;
        size = random >> 8 & 31;
        for (size_t i = 0; i < size; i++) {
            random = random * 1664525u + 1013904223u;
            bytes[i] = (uint8_t)(round % 3 == 0 ? random >> 24 : (random >> 24) & 0x7f);
        }
        assert_int_equal(vxc_buffer_put_u8(&out, '{'), 0);
        assert_int_equal(vxc_text_json_member(&out, "key", vxc_slice(bytes, size)), 0);
        assert_int_equal(vxc_buffer_put_u8(&out, '}'), 0);
        object = json_loadb((const char *)out.data, out.size, JSON_ALLOW_NUL, NULL);
        assert_non_null(object);
        text = json_object_get(object, "key");
        if (text != NULL) {
            assert_int_equal(
                vxc_buffer_append(&decoded, json_string_value(text), json_string_length(text)), 0);
        } else {
            text = json_object_get(object, "key64");
            assert_int_equal(
                vxc_text_base64_decode(vxc_slice(json_string_value(text), json_string_length(text)),
                                       &decoded),
                0);
        }
        assert_int_equal(decoded.size, size);
        if (size > 0) {
            assert_memory_equal(decoded.data, bytes, size);
        }
        json_decref(object);
        vxc_buffer_free(&out);
        vxc_buffer_free(&decoded);
    }
}

static void base64_is_that_of_the_rfc(void **state)
{
    static const char *const pairs[][2] = {
        {"", ""},
        {"f", "Zg=="},
        {"fo", "Zm8="},
        {"foo", "Zm9v"},
        {"foob", "Zm9vYg=="},
        {"fooba", "Zm9vYmE="},
        {"foobar", "Zm9vYmFy"},
    };
    static const char *const wrong[] = {"Z",    "Zg",   "Zg=",       "Zg=a",
                                        "====", "Z===", "Zm9v Zm9v", "Zm-_"};

    (void)state;
    for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++) {
        struct vxc_buffer coded = {0}, back = {0};
        assert_int_equal(vxc_text_base64(&coded, vxc_slice_of_string(pairs[i][0])), 0);
        assert_true(vxc_slice_equal(vxc_buffer_slice(&coded), vxc_slice_of_string(pairs[i][1])));
        assert_int_equal(vxc_text_base64_decode(vxc_buffer_slice(&coded), &back), 0);
        assert_true(vxc_slice_equal(vxc_buffer_slice(&back), vxc_slice_of_string(pairs[i][0])));
        vxc_buffer_free(&coded);
        vxc_buffer_free(&back);
    }
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        struct vxc_buffer back = {0};
        assert_int_equal(vxc_text_base64_decode(vxc_slice_of_string(wrong[i]), &back), VXC_EINVAL);
        vxc_buffer_free(&back);
    }
}

static void what_cannot_be_printed_is_escaped(void **state)
{
    struct vxc_buffer out = {0};

    (void)state;
    assert_int_equal(vxc_text_escape(&out, S("a\xff\n\\\xc3\xa4\xc2\x9b")), 0);
    assert_true(vxc_slice_equal(vxc_buffer_slice(&out), S("a\\ff\\0a\\5c\xc3\xa4\\c2\\9b")));
    vxc_buffer_free(&out);
}

static void numbers_are_whole_and_within_64_bits(void **state)
{
    uint64_t u;
    int64_t i;

    (void)state;
    assert_int_equal(vxc_text_u64("18446744073709551615", &u), 0);
    assert_true(u == UINT64_MAX);
    assert_int_equal(vxc_text_u64("18446744073709551616", &u), VXC_EINVAL);
    assert_int_equal(vxc_text_u64("", &u), VXC_EINVAL);
    assert_int_equal(vxc_text_u64("1 ", &u), VXC_EINVAL);
    assert_int_equal(vxc_text_u64("-1", &u), VXC_EINVAL);
    assert_int_equal(vxc_text_i64("-9223372036854775808", &i), 0);
    assert_true(i == INT64_MIN);
    assert_int_equal(vxc_text_i64("9223372036854775807", &i), 0);
    assert_true(i == INT64_MAX);
    assert_int_equal(vxc_text_i64("9223372036854775808", &i), VXC_EINVAL);
    assert_int_equal(vxc_text_i64("-9223372036854775809", &i), VXC_EINVAL);
    assert_int_equal(vxc_text_i64("+5", &i), 0);
    assert_int_equal(i, 5);
    assert_int_equal(vxc_text_i64("--5", &i), VXC_EINVAL);
}

static void times_have_a_unit(void **state)
{
    static const char *const wrong[] = {"",    "5",  "ms", "-1s", "1.5s",
                                        "1 s", "1S", "0s", "1d",  "99999999999999999999s"};
    uint64_t ms;

    (void)state;
    assert_int_equal(vxc_text_duration("500ms", &ms), 0);
    assert_int_equal(ms, 500);
    assert_int_equal(vxc_text_duration("2s", &ms), 0);
    assert_int_equal(ms, 2000);
    assert_int_equal(vxc_text_duration("1m", &ms), 0);
    assert_int_equal(ms, 60000);
    assert_int_equal(vxc_text_duration("1h", &ms), 0);
    assert_int_equal(ms, 3600000);
    assert_int_equal(vxc_text_duration("999999999999999h", &ms), 0); /* a year is for ever */
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        assert_int_equal(vxc_text_duration(wrong[i], &ms), VXC_EINVAL);
    }
}

static void a_near_word_is_suggested_and_a_far_one_is_not(void **state)
{
    static const char *const words[] = {"get", "put", "remove", "remove-if", "entries", "timeout"};
    const size_t count = sizeof words / sizeof words[0];

    (void)state;
    assert_string_equal(vxc_text_suggest("gte", words, count), "get");
    assert_string_equal(vxc_text_suggest("timout", words, count), "timeout");
    assert_string_equal(vxc_text_suggest("ent", words, count), "entries");
    assert_string_equal(vxc_text_suggest("removeif", words, count), "remove-if");
    assert_null(vxc_text_suggest("banana", words, count));
    assert_null(vxc_text_suggest("x", words, count));
    assert_null(vxc_text_suggest("a-word-that-is-longer-than-any-command-or-option-could-ever-be",
                                 words, count));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(utf8_is_taken_strictly),
        cmocka_unit_test(json_of_any_bytes_is_read_back_the_same),
        cmocka_unit_test(base64_is_that_of_the_rfc),
        cmocka_unit_test(what_cannot_be_printed_is_escaped),
        cmocka_unit_test(numbers_are_whole_and_within_64_bits),
        cmocka_unit_test(times_have_a_unit),
        cmocka_unit_test(a_near_word_is_suggested_and_a_far_one_is_not),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
