/* What people write behind --initial-cluster and --join, right and wrong. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "node/cluster.h"

static void expect_initial(const char *text, const char *message)
{
    struct vxc_cluster_spec spec = {.count = 77};
    struct vxc_error err = {0};

    assert_int_equal(vxc_cluster_parse_initial(text, &spec, &err), VXC_EINVAL);
    if (strstr(err.text, message) == NULL) {
        fail_msg("\"%s\": \"%s\" does not say \"%s\"", text, err.text, message);
    }
    assert_int_equal(spec.count, 77); /* written on success only */
}

static void expect_join(const char *text, const char *message)
{
    struct vxc_cluster_spec spec = {.count = 77};
    struct vxc_error err = {0};

    assert_int_equal(vxc_cluster_parse_join(text, &spec, &err), VXC_EINVAL);
    if (strstr(err.text, message) == NULL) {
        fail_msg("\"%s\": \"%s\" does not say \"%s\"", text, err.text, message);
    }
    assert_int_equal(spec.count, 77);
}

static struct vxc_cluster_spec parsed(const char *text)
{
    struct vxc_cluster_spec spec;
    struct vxc_error err = {0};

    if (vxc_cluster_parse_initial(text, &spec, &err) != 0) {
        fail_msg("%s", err.text);
    }
    return spec;
}

static void ids_and_addresses_come_in_the_order_written(void **state)
{
    struct vxc_cluster_spec spec =
        parsed("2=127.0.0.1:7402,1=node-a.example:65535,4294967295=[fd00::3]:1");

    (void)state;
    assert_int_equal(spec.count, 3);
    assert_int_equal(spec.members[0].id, 2);
    assert_string_equal(spec.members[0].address, "127.0.0.1:7402");
    assert_int_equal(spec.members[1].id, 1);
    assert_string_equal(spec.members[1].address, "node-a.example:65535");
    assert_int_equal(spec.members[2].id, 4294967295);
    assert_string_equal(spec.members[2].address, "[fd00::3]:1");
}

static void one_member_and_sixteen_are_clusters(void **state)
{
    char text[512] = "";
    size_t used = 0;

    (void)state;
    assert_int_equal(parsed("1=a:1").count, 1);
    for (int i = 1; i <= 16; i++) {
        used += (size_t)snprintf(text + used, sizeof text - used, "%s%d=h:%d", i == 1 ? "" : ",", i,
                                 7000 + i);
    }
    assert_int_equal(parsed(text).count, 16);
    (void)snprintf(text + used, sizeof text - used, ",17=h:7017");
    expect_initial(text, "at most 16");
}

static void a_name_may_be_as_long_as_names_are(void **state)
{
    char name[254], text[300];

    (void)state;
    memset(name, 'x', sizeof name);
    for (size_t i = 63; i < 253; i += 64) {
        name[i] = '.';
    }
    name[253] = '\0';
    (void)snprintf(text, sizeof text, "1=%s:65535", name);
    assert_int_equal(strlen(parsed(text).members[0].address), 253 + 6);
    (void)snprintf(text, sizeof text, "1=x%s:65535", name);
    expect_initial(text, "part 1");
    (void)snprintf(text, sizeof text, "1=%.64s:65535",
                   "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
                   "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx");
    expect_initial(text, "no host");
}

static void ids_stand_once_and_are_numbers(void **state)
{
    (void)state;
    expect_initial("1=a:1,2=b:1,1=c:1", "part 3, \"1=c:1\": this id stands there twice");
    expect_initial("0=a:1", "the id is no number from 1");
    expect_initial("01=a:1", "the id is no number");
    expect_initial("-1=a:1", "the id is no number");
    expect_initial("+1=a:1", "the id is no number");
    expect_initial(" 1=a:1", "the id is no number");
    expect_initial("4294967296=a:1", "the id is no number");
    expect_initial("99999999999999999999999999=a:1", "the id is no number");
    expect_initial("=a:1", "the id is no number");
    expect_initial("one=a:1", "the id is no number");
    expect_initial("a:1", "expected ID=HOST:PORT");
    expect_initial("1", "expected ID=HOST:PORT");
    expect_initial("1=", "expected ID=HOST:PORT");
}

static void addresses_stand_once(void **state)
{
    (void)state;
    expect_initial("1=a:1,2=a:1", "part 2, \"2=a:1\": this address stands there twice");
    expect_initial("1=node:1,2=NODE:1", "twice");
    expect_initial("1=[::1]:1,2=[::1]:1", "twice");
    assert_int_equal(parsed("1=a:1,2=a:2").count, 2);
}

static void ports_are_from_1_to_65535(void **state)
{
    (void)state;
    expect_initial("1=a", "no port");
    expect_initial("1=[::1]", "no port");
    expect_initial("1=a:", "the port is no number from 1 to 65535");
    expect_initial("1=a:0", "the port is no number");
    expect_initial("1=a:65536", "the port is no number");
    expect_initial("1=a:184467440737095516160", "the port is no number");
    expect_initial("1=a:080", "the port is no number");
    expect_initial("1=a:80 ", "the port is no number");
    expect_initial("1=a:http", "the port is no number");
}

static void hosts_are_names_or_addresses(void **state)
{
    (void)state;
    expect_initial("1=:1", "no host");
    expect_initial("1=a b:1", "no host");
    expect_initial("1=a..b:1", "no host");
    expect_initial("1=.a:1", "no host");
    expect_initial("1=a/b:1", "no host");
    expect_initial("1=\xc3\xa4:1", "no host");
    expect_initial("1=1.2.3:1", "no host");
    expect_initial("1=1.2.3.400:1", "no host");
    expect_initial("1=7401:1", "no host");
    expect_initial("1=0.0.0.0:1", "no host");
    expect_initial("1=[::]:1", "no host");
    expect_initial("1=[]:1", "no host");
    expect_initial("1=[1.2.3.4]:1", "no host");
    expect_initial("1=[::1:1", "no host");
    expect_initial("1=[zz::1]:1", "no host");
    expect_initial("1=::1:7400", "in brackets");
    assert_int_equal(parsed("1=node_1.a-b:1,2=[::ffff:1.2.3.4]:1,3=1.2.3.4:1,4=n1:1").count, 4);
}

static void no_part_is_empty(void **state)
{
    (void)state;
    expect_initial("", "part 1 is empty");
    expect_initial(",", "part 1 is empty");
    expect_initial("1=a:1,", "part 2 is empty");
    expect_initial("1=a:1,,2=b:1", "part 2 is empty");
    expect_join("", "part 1 is empty");
    expect_join("a:1,", "part 2 is empty");
}

static void a_long_wrong_part_is_shown_in_part(void **state)
{
    struct vxc_cluster_spec spec;
    struct vxc_error err = {0};
    char text[100000];

    (void)state;
    memset(text, 'x', sizeof text);
    text[sizeof text - 1] = '\0';
    assert_int_equal(vxc_cluster_parse_initial(text, &spec, &err), VXC_EINVAL);
    assert_non_null(strstr(err.text, "expected ID=HOST:PORT"));
    assert_true(strlen(err.text) < 200);
}

static void whom_to_ask_has_no_id(void **state)
{
    struct vxc_cluster_spec spec;

    (void)state;
    assert_int_equal(vxc_cluster_parse_join("a:1,[::1]:2", &spec, NULL), 0);
    assert_int_equal(spec.count, 2);
    assert_int_equal(spec.members[0].id, 0);
    assert_string_equal(spec.members[1].address, "[::1]:2");
    expect_join("1=a:1", "without an id");
    expect_join("a:1,a:1", "twice");
    expect_join("a", "no port");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ids_and_addresses_come_in_the_order_written),
        cmocka_unit_test(one_member_and_sixteen_are_clusters),
        cmocka_unit_test(a_name_may_be_as_long_as_names_are),
        cmocka_unit_test(ids_stand_once_and_are_numbers),
        cmocka_unit_test(addresses_stand_once),
        cmocka_unit_test(ports_are_from_1_to_65535),
        cmocka_unit_test(hosts_are_names_or_addresses),
        cmocka_unit_test(no_part_is_empty),
        cmocka_unit_test(a_long_wrong_part_is_shown_in_part),
        cmocka_unit_test(whom_to_ask_has_no_id),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
