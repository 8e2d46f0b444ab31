#include "tools/vxc/output.h"

#include "base/error.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const char *const columns[] = {"name", "count", NULL};

/* Two rows in a mode, compared with what they should be. */
static void expect_rows(enum vxc_out_mode mode, const char *expected)
{
    FILE *file = tmpfile();
    char text[512];
    struct vxc_out out;
    size_t size;

    assert_non_null(file);
    vxc_out_init(&out, file, mode, true);
    vxc_out_begin(&out, columns);
    vxc_out_text(&out, "a");
    vxc_out_u64(&out, UINT64_MAX);
    vxc_out_end_row(&out);
    vxc_out_bytes(&out, vxc_slice("\xff\"", 2));
    vxc_out_null(&out);
    vxc_out_end_row(&out);
    vxc_out_end(&out);
    assert_int_equal(vxc_out_finish(&out), 0);
    rewind(file);
    size = fread(text, 1, sizeof text - 1, file);
    text[size] = '\0';
    assert_string_equal(text, expected);
    (void)fclose(file);
}

static void rows_stand_in_every_mode(void **state)
{
    (void)state;
    expect_rows(VXC_OUT_RAW, "a\t18446744073709551615\n\xff\"\t\n");
    expect_rows(VXC_OUT_AUTO, "a\t18446744073709551615\n\xff\"\t\n"); /* a file is no terminal */
    expect_rows(VXC_OUT_JSONL, "{\"name\":\"a\",\"count\":18446744073709551615}\n"
                               "{\"name64\":\"/yI=\",\"count\":null}\n");
    expect_rows(VXC_OUT_JSON, "[{\"name\":\"a\",\"count\":18446744073709551615},\n"
                              " {\"name64\":\"/yI=\",\"count\":null}]\n");
    expect_rows(VXC_OUT_TABLE, "NAME COUNT\n"
                               "a    18446744073709551615\n"
                               "\\ff\"  \n");
}

static void nothing_is_an_empty_list(void **state)
{
    static const struct {
        enum vxc_out_mode mode;
        const char *expected;
    } cases[] = {
        {VXC_OUT_RAW, ""}, {VXC_OUT_JSON, "[]\n"}, {VXC_OUT_JSONL, ""}, {VXC_OUT_TABLE, ""}};

    (void)state;
    for (size_t i = 0; i < 4; i++) {
        FILE *file = tmpfile();
        struct vxc_out out;
        char text[16];
        vxc_out_init(&out, file, cases[i].mode, true);
        vxc_out_begin(&out, columns);
        vxc_out_end(&out);
        assert_int_equal(vxc_out_finish(&out), 0);
        rewind(file);
        text[fread(text, 1, sizeof text - 1, file)] = '\0';
        assert_string_equal(text, cases[i].expected);
        (void)fclose(file);
    }
}

static void a_write_that_fails_is_told_at_the_end(void **state)
{
    FILE *file = fopen("/dev/full", "w");
    struct vxc_out out;

    (void)state;
    assert_non_null(file);
    vxc_out_init(&out, file, VXC_OUT_JSONL, true);
    vxc_out_begin(&out, columns);
    vxc_out_text(&out, "a");
    vxc_out_u64(&out, 1);
    vxc_out_end_row(&out);
    vxc_out_end(&out);
    assert_int_equal(vxc_out_finish(&out), ENOSPC);
    (void)fclose(file);
}

static void modes_are_known_by_name(void **state)
{
    enum vxc_out_mode mode;

    (void)state;
    assert_int_equal(vxc_out_mode_parse("jsonl", &mode), 0);
    assert_int_equal(mode, VXC_OUT_JSONL);
    assert_int_equal(vxc_out_mode_parse("xml", &mode), VXC_EINVAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_stand_in_every_mode),
        cmocka_unit_test(nothing_is_an_empty_list),
        cmocka_unit_test(a_write_that_fails_is_told_at_the_end),
        cmocka_unit_test(modes_are_known_by_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
