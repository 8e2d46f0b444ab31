/* The codes that users see are those that have names and texts. */
#include "vxc/client.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static void codes_of_the_public_header_have_the_names_of_our_own(void **state)
{
    static const struct {
        int code;
        const char *name;
    } codes[] = {
        {VXC_EINVAL, "EINVAL"},
        {VXC_ENOMEM, "ENOMEM"},
        {VXC_EIO, "EIO"},
        {VXC_ENOSPC, "ENOSPC"},
        {VXC_EBUSY, "EBUSY"},
        {VXC_ENOTFOUND, "ENOTFOUND"},
        {VXC_EEXISTS, "EEXISTS"},
        {VXC_ECONFLICT, "ECONFLICT"},
        {VXC_EUNKNOWN, "EUNKNOWN"},
        {VXC_ETIMEOUT, "ETIMEOUT"},
        {VXC_ECANCELED, "ECANCELED"},
        {VXC_ENOTPRIMARY, "ENOTPRIMARY"},
        {VXC_ENOQUORUM, "ENOQUORUM"},
        {VXC_ESESSION, "ESESSION"},
        {VXC_ESECRET, "ESECRET"},
        {VXC_ESEQUENCE, "ESEQUENCE"},
        {VXC_ETOOBIG, "ETOOBIG"},
        {VXC_EPROTO, "EPROTO"},
        {VXC_EVERSION, "EVERSION"},
        {VXC_EKIND, "EKIND"},
        {VXC_ECRC, "ECRC"},
        {VXC_ECORRUPT, "ECORRUPT"},
        {VXC_EFOREIGN, "EFOREIGN"},
        {VXC_ELOCKED, "ELOCKED"},
        {VXC_EREADONLY, "EREADONLY"},
        {VXC_EADDRINUSE, "EADDRINUSE"},
        {VXC_ECLOSED, "ECLOSED"},
        {VXC_ELIMIT, "ELIMIT"},
        {VXC_ENOTHELD, "ENOTHELD"},
        {VXC_EQUEUED, "EQUEUED"},
        {VXC_ERESYNC, "ERESYNC"},
        {VXC_EUNSUPPORTED, "EUNSUPPORTED"},
        {VXC_EADDRESS, "EADDRESS"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++) {
        assert_int_equal(codes[i].code, -(int)(i + 1));
        assert_string_equal(vxc_error_name(codes[i].code), codes[i].name);
    }
    /* The one after the last is nobody's: whoever adds a code adds it to both lists. */
    assert_string_equal(vxc_error_name(VXC_EADDRESS - 1), "EUNDEFINED");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(codes_of_the_public_header_have_the_names_of_our_own),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
