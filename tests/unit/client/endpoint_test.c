#include "client/endpoint.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static int parse(const char *text, struct vxc_endpoint *endpoints, size_t *count)
{
    struct vxc_error err = {0};
    const int rc = vxc_endpoints_parse(text, endpoints, count, &err);
    assert_int_equal(err.text[0] != '\0', rc != 0);
    return rc;
}

static void endpoints_are_host_and_port_with_commas_between(void **state)
{
    struct vxc_endpoint e[VXC_ENDPOINTS_MAX];
    size_t count;

    (void)state;
    assert_int_equal(parse("127.0.0.1:7400,[::1]:1,node-3.example:65535", e, &count), 0);
    assert_int_equal(count, 3);
    assert_string_equal(e[0].host, "127.0.0.1");
    assert_string_equal(e[0].port, "7400");
    assert_string_equal(e[1].host, "::1");
    assert_string_equal(e[1].port, "1");
    assert_string_equal(e[2].host, "node-3.example");
    assert_string_equal(e[2].port, "65535");
}

static void what_is_no_endpoint_is_refused_with_a_reason(void **state)
{
    static const char *const wrong[] = {
        "",           "host",     ":7400",      "host:",    "host:0",
        "host:65536", "host:-1",  "h:1x",       "::1:7400", "a:1,",
        ",a:1",       "a:1,,b:2", "host:7400 ", "[]:1",     "host:999999999999",
    };
    struct vxc_endpoint e[VXC_ENDPOINTS_MAX];
    size_t count;

    (void)state;
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        assert_int_equal(parse(wrong[i], e, &count), VXC_EADDRESS);
    }
}

static void more_endpoints_than_the_bound_are_refused(void **state)
{
    struct vxc_endpoint e[VXC_ENDPOINTS_MAX];
    char text[8 * (VXC_ENDPOINTS_MAX + 1)] = "";
    size_t count;

    (void)state;
    for (unsigned i = 0; i < VXC_ENDPOINTS_MAX; i++) {
        (void)strcat(text, i == 0 ? "h:1" : ",h:1");
    }
    assert_int_equal(parse(text, e, &count), 0);
    assert_int_equal(count, VXC_ENDPOINTS_MAX);
    (void)strcat(text, ",h:1");
    assert_int_equal(parse(text, e, &count), VXC_EADDRESS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(endpoints_are_host_and_port_with_commas_between),
        cmocka_unit_test(what_is_no_endpoint_is_refused_with_a_reason),
        cmocka_unit_test(more_endpoints_than_the_bound_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
