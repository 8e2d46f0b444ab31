/* Nodes as a program embeds them: what they are told, and what they refuse. */
#include "embedded_fixture.h"

#include <stdlib.h>
#include <string.h>

/* ---- options ---- */

static void forget_environment(void)
{
    unsetenv("NODE_ID");
    unsetenv("CLUSTER_HOST");
    unsetenv("CLUSTER_PORT");
    unsetenv("VERTX_CLUSTER_NODE_ID");
    unsetenv("VERTX_CLUSTER_TIMEOUT");
}

static void options_come_from_the_environment_the_longer_name_first(void **state)
{
    struct vxc_node_options o = vxc_node_options();

    (void)state;
    forget_environment();
    assert_int_equal(vxc_node_options_environment(&o, NULL), 0);
    assert_int_equal(o.node_id, 1);
    assert_string_equal(o.host, "127.0.0.1");
    assert_int_equal(o.timeout_ms, 20000);
    o.heartbeat_ms = 77;
    setenv("NODE_ID", "7", 1);
    setenv("CLUSTER_HOST", "::1", 1);
    setenv("CLUSTER_PORT", "7401", 1);
    setenv("VERTX_CLUSTER_TIMEOUT", "1234", 1);
    assert_int_equal(vxc_node_options_environment(&o, NULL), 0);
    assert_int_equal(o.node_id, 7);
    assert_string_equal(o.host, "::1");
    assert_int_equal(o.port, 7401);
    assert_int_equal(o.timeout_ms, 1234);
    assert_int_equal(o.heartbeat_ms, 77);
    setenv("VERTX_CLUSTER_NODE_ID", "8", 1);
    assert_int_equal(vxc_node_options_environment(&o, NULL), 0);
    assert_int_equal(o.node_id, 8);
    forget_environment();
}

static void a_bad_variable_is_named_and_changes_nothing(void **state)
{
    struct vxc_node_options o = vxc_node_options();
    struct vxc_error err = {0};

    (void)state;
    forget_environment();
    setenv("NODE_ID", "3", 1);
    setenv("CLUSTER_PORT", "70000", 1);
    assert_int_equal(vxc_node_options_environment(&o, &err), VXC_EINVAL);
    assert_non_null(strstr(err.text, "CLUSTER_PORT"));
    assert_non_null(strstr(err.text, "\"70000\" is not a number from 0 to 65535"));
    assert_int_equal(o.node_id, 1);
    setenv("CLUSTER_PORT", "1", 1);
    setenv("NODE_ID", "web-1", 1);
    assert_int_equal(vxc_node_options_environment(&o, &err), VXC_EINVAL);
    assert_non_null(strstr(err.text, "NODE_ID: \"web-1\""));
    setenv("NODE_ID", "3", 1);
    setenv("CLUSTER_HOST", "localhost", 1);
    assert_int_equal(vxc_node_options_environment(&o, &err), VXC_EINVAL);
    assert_non_null(strstr(err.text, "CLUSTER_HOST"));
    forget_environment();
}

static void create_refuses_options_out_of_their_bounds(void **state)
{
    struct vxc_node *node = NULL;
    struct vxc_error err = {0};
    struct vxc_node_options o = vxc_node_options();

    (void)state;
    o.node_id = 0;
    assert_int_equal(vxc_node_create(&o, &node, &err), VXC_EINVAL);
    assert_non_null(strstr(err.text, "option node-id: \"0\""));
    o = vxc_node_options();
    o.timeout_ms = 1;
    assert_int_equal(vxc_node_create(&o, &node, &err), VXC_EINVAL);
    assert_non_null(strstr(err.text, "option timeout"));
    o = vxc_node_options();
    o.host = "example.org";
    assert_int_equal(vxc_node_create(&o, &node, &err), VXC_EINVAL);
    o = vxc_node_options();
    o.host = "0.0.0.0";
    assert_int_equal(vxc_node_create(&o, &node, &err), VXC_EINVAL);
    assert_non_null(strstr(err.text, "refusing to listen on 0.0.0.0"));
    o = vxc_node_options();
    o.data = NULL;
    assert_int_equal(vxc_node_create(&o, &node, &err), VXC_EINVAL);
    o = vxc_node_options();
    o.log_level = (enum vxc_log_level)9;
    assert_int_equal(vxc_node_create(&o, &node, &err), VXC_EINVAL);
    memset(&o, 0, sizeof o);
    assert_int_equal(vxc_node_create(&o, &node, &err), VXC_EINVAL);
    assert_non_null(strstr(err.text, "vxc_node_options()"));
    assert_null(node);
}

static void options_of_an_older_program_are_filled_with_defaults(void **state)
{
    struct place p;

    (void)state;
    make_place(&p);
    p.options.struct_size = offsetof(struct vxc_node_options, clean_cache_mib);
    p.options.clean_cache_mib = 0; /* out of its bounds, had it been looked at */
    p.options.log_level = (enum vxc_log_level)9;
    start(&p);
    p.options.struct_size = sizeof p.options;
    remove_place(&p);
}

static void the_library_says_who_it_is(void **state)
{
    (void)state;
    assert_non_null(strstr(vxc_greeting(), vxc_version()));
    assert_non_null(strstr(vxc_greeting(), "vertx-cluster"));
    assert_non_null(strstr(vxc_greeting(), ", libraft 0.22.1, LMDB 0.9."));
    assert_ptr_equal(vxc_greeting(), vxc_greeting());
}

/* ---- misuse ---- */

static void what_needs_a_start_says_so(void **state)
{
    struct vxc_connection_options options = vxc_connection_options();
    struct vxc_connection *connection;
    struct vxc_node_stats stats;
    struct vxc_error err = {0};
    struct place p;

    (void)state;
    make_place(&p);
    assert_int_equal(vxc_node_create(&p.options, &p.node, NULL), 0);
    assert_string_equal(vxc_node_address(p.node), "");
    options.on_frame = on_frame;
    options.on_close = on_close;
    assert_int_equal(vxc_node_connect(p.node, &options, &connection, &err), VXC_EINVAL);
    assert_int_equal(vxc_node_stats(p.node, &stats, sizeof stats), VXC_EINVAL);
    assert_int_equal(vxc_node_spawn(p.node, &err), VXC_EINVAL);
    assert_int_equal(vxc_node_run(p.node), VXC_EINVAL);
    assert_int_equal(vxc_node_snapshot(p.node, "x", VXC_SNAPSHOT_LZ4, NULL, &err), VXC_EINVAL);
    assert_int_equal(vxc_node_process_timeouts(p.node), 0);
    assert_false(vxc_node_dispatch(p.node));
    vxc_node_join(p.node);
    assert_int_equal(vxc_node_start(p.node, &err), 0);
    assert_int_equal(vxc_node_start(p.node, &err), VXC_EEXISTS);
    options.on_close = NULL;
    assert_int_equal(vxc_node_connect(p.node, &options, &connection, &err), VXC_EINVAL);
    vxc_node_disconnect(NULL);
    vxc_node_free(NULL);
    remove_place(&p);
}

static void a_node_has_one_driver(void **state)
{
    struct vxc_error err = {0};
    struct place p;

    (void)state;
    make_place(&p);
    spawn(&p);
    assert_int_equal(vxc_node_spawn(p.node, &err), VXC_EINVAL);
    assert_int_equal(vxc_node_run(p.node), VXC_EINVAL);
    vxc_node_stop(p.node);
    vxc_node_join(p.node);
    vxc_node_join(p.node);
    assert_int_equal(vxc_node_run(p.node), 0); /* it has stopped, so this ends */
    assert_false(vxc_node_dispatch(p.node));
    remove_place(&p);
}

static void a_directory_in_use_is_locked_also_within_the_process(void **state)
{
    struct vxc_node *second;
    struct vxc_error err = {0};
    struct place p;

    (void)state;
    make_place(&p);
    spawn(&p);
    assert_int_equal(vxc_node_create(&p.options, &second, NULL), 0);
    assert_int_equal(vxc_node_start(second, &err), VXC_ELOCKED);
    assert_non_null(strstr(err.text, p.data));
    vxc_node_free(second);
    remove_place(&p);
}

static void an_address_in_use_is_refused(void **state)
{
    struct vxc_error err = {0};
    struct place p;
    struct place q;

    (void)state;
    make_place(&p);
    p.options.host = "127.0.0.1";
    spawn(&p);
    make_place(&q);
    q.options.host = "127.0.0.1";
    q.options.port = (uint64_t)atoi(strrchr(vxc_node_address(p.node), ':') + 1);
    assert_int_equal(vxc_node_create(&q.options, &q.node, NULL), 0);
    assert_int_equal(vxc_node_start(q.node, &err), VXC_EADDRINUSE);
    assert_non_null(strstr(err.text, vxc_node_address(p.node)));
    remove_place(&q);
    remove_place(&p);
}

static void a_directory_that_cannot_be_made_is_an_error(void **state)
{
    struct vxc_error err = {0};
    struct place p;

    (void)state;
    make_place(&p);
    p.options.data = "/dev/null/d";
    assert_int_equal(vxc_node_create(&p.options, &p.node, NULL), 0);
    assert_true(vxc_node_start(p.node, &err) < 0);
    assert_non_null(strstr(err.text, "/dev/null/d"));
    remove_place(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(options_come_from_the_environment_the_longer_name_first),
        cmocka_unit_test(a_bad_variable_is_named_and_changes_nothing),
        cmocka_unit_test(create_refuses_options_out_of_their_bounds),
        cmocka_unit_test(options_of_an_older_program_are_filled_with_defaults),
        cmocka_unit_test(the_library_says_who_it_is),
        cmocka_unit_test(what_needs_a_start_says_so),
        cmocka_unit_test(a_node_has_one_driver),
        cmocka_unit_test(a_directory_in_use_is_locked_also_within_the_process),
        cmocka_unit_test(an_address_in_use_is_refused),
        cmocka_unit_test(a_directory_that_cannot_be_made_is_an_error),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
