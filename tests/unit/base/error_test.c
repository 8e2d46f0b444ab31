#include "base/error.h"

#include <errno.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void numbers_are_those_of_the_protocol(void **state)
{
    (void)state;
    assert_int_equal(VXC_OK, 0);
    assert_int_equal(VXC_EINVAL, -1);
    assert_int_equal(VXC_EBUSY, -5);
    assert_int_equal(VXC_EUNKNOWN, -9);
    assert_int_equal(VXC_ENOTPRIMARY, -12);
    assert_int_equal(VXC_ECRC, -21);
    assert_int_equal(VXC_EADDRESS, -33);
}

static void every_code_has_a_name_and_a_text(void **state)
{
    static const int codes[] = {
#define X(name, text) VXC_##name,
        VXC_ERROR_MAP(X)
#undef X
    };

    (void)state;
    for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++) {
        assert_int_equal(codes[i], -(int)i - 1); /* no gap, no number twice */
        assert_string_not_equal(vxc_error_name(codes[i]), "EUNDEFINED");
        assert_string_not_equal(vxc_strerror(codes[i]), "unknown error");
    }
    assert_string_equal(vxc_error_name(VXC_ENOSPC), "ENOSPC");
    assert_string_equal(vxc_strerror(VXC_ENOSPC), "no space");
    assert_string_equal(vxc_error_name(0), "OK");
    assert_string_equal(vxc_strerror(0), "ok");
    assert_string_equal(vxc_error_name(-10000), "EUNDEFINED");
    assert_string_equal(vxc_strerror(1), "unknown error");
}

static void layers_put_what_they_know_in_front(void **state)
{
    struct vxc_error err = {0};

    (void)state;
    assert_int_equal(vxc_error_set(&err, VXC_EIO, "write of %d bytes failed", 4096), VXC_EIO);
    assert_int_equal(vxc_error_prefix(&err, "segment %s", "0001"), VXC_EIO);
    assert_int_equal(err.code, VXC_EIO);
    assert_string_equal(err.text, "segment 0001: write of 4096 bytes failed");
}

static void without_an_object_only_the_code_travels(void **state)
{
    (void)state;
    assert_int_equal(vxc_error_set(NULL, VXC_EBUSY, "not %s", "kept"), VXC_EBUSY);
    assert_int_equal(vxc_error_prefix(NULL, "not kept"), VXC_EINVAL);
}

static void texts_too_long_are_cut(void **state)
{
    struct vxc_error err;
    char text[2 * VXC_ERROR_TEXT_MAX];

    (void)state;
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    assert_int_equal(vxc_error_set(&err, VXC_EIO, "%s", text), VXC_EIO);
    assert_int_equal(strlen(err.text), VXC_ERROR_TEXT_MAX - 1);
    for (int i = 0; i < 10; i++) {
        assert_int_equal(vxc_error_prefix(&err, "%s", text), VXC_EIO);
        assert_true(strlen(err.text) < VXC_ERROR_TEXT_MAX);
    }
}

static void errno_values_are_translated(void **state)
{
    (void)state;
    assert_int_equal(vxc_error_from_errno(0), 0);
    assert_int_equal(vxc_error_from_errno(ENOSPC), VXC_ENOSPC);
    assert_int_equal(vxc_error_from_errno(EDQUOT), VXC_ENOSPC);
    assert_int_equal(vxc_error_from_errno(EROFS), VXC_EREADONLY);
    assert_int_equal(vxc_error_from_errno(EACCES), VXC_EREADONLY);
    assert_int_equal(vxc_error_from_errno(ENOENT), VXC_ENOTFOUND);
    assert_int_equal(vxc_error_from_errno(EADDRINUSE), VXC_EADDRINUSE);
    assert_int_equal(vxc_error_from_errno(EIO), VXC_EIO);
    assert_int_equal(vxc_error_from_errno(EXDEV), VXC_EIO);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_are_those_of_the_protocol),
        cmocka_unit_test(every_code_has_a_name_and_a_text),
        cmocka_unit_test(layers_put_what_they_know_in_front),
        cmocka_unit_test(without_an_object_only_the_code_travels),
        cmocka_unit_test(texts_too_long_are_cut),
        cmocka_unit_test(errno_values_are_translated),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
