#include "node/config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define LOAD(...) load((const char *[]){"vxcd", __VA_ARGS__, NULL})

static struct vxc_config config;
static struct vxc_error err;

static int load(const char **words)
{
    char *argv[32];
    int argc = 0;

    while (words[argc] != NULL) {
        argv[argc] = strdup(words[argc]);
        argc++;
    }
    memset(&err, 0, sizeof err);
    int rv = vxc_config_load(argc, argv, &config, &err);
    for (int i = 0; i < argc; i++) {
        free(argv[i]);
    }
    return rv;
}

static int clean_environment(void **state)
{
    (void)state;
    unsetenv("VERTX_CLUSTER_PORT");
    unsetenv("VERTX_CLUSTER_TIMEOUT");
    unsetenv("VERTX_CLUSTER_HOST");
    return 0;
}

static void file_with(const char *text, char path[32])
{
    strcpy(path, "/tmp/vxc-config-XXXXXX");
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    close(fd);
}

static void defaults_are_loopback_and_a_random_port(void **state)
{
    (void)state;
    assert_int_equal(LOAD("--node-id", "1"), 0);
    assert_string_equal(config.node.host, "127.0.0.1");
    assert_int_equal(config.node.port, 0);
    assert_int_equal(config.node.timeout_ms, 20000);
    assert_int_equal(config.node.ping_interval_ms, 20000);
    assert_string_equal(config.node.data, "./vxc-data");
    assert_false(vxc_config_is_plaintext(&config.node));
}

static void a_flag_beats_environment_beats_file_beats_default(void **state)
{
    char path[32];
    (void)state;
    file_with("[listen]\nport = 1001\ntimeout = 1500\n", path);
    assert_int_equal(LOAD("--config", path), 0);
    assert_int_equal(config.node.port, 1001);
    assert_int_equal(config.node.timeout_ms, 1500);
    setenv("VERTX_CLUSTER_PORT", "1002", 1);
    assert_int_equal(LOAD("--config", path), 0);
    assert_int_equal(config.node.port, 1002);
    assert_int_equal(LOAD("--config", path, "--port=1003"), 0);
    assert_int_equal(config.node.port, 1003);
    assert_int_equal(config.node.timeout_ms, 1500);
    unlink(path);
}

static void an_unknown_flag_is_refused_with_a_guess(void **state)
{
    (void)state;
    assert_int_equal(LOAD("--prot", "1"), VXC_EINVAL);
    assert_non_null(strstr(err.text, "did you mean \"port\""));
    assert_int_equal(LOAD("--entirely-different", "1"), VXC_EINVAL);
    assert_null(strstr(err.text, "did you mean"));
    assert_int_equal(LOAD("stray"), VXC_EINVAL);
    assert_int_equal(LOAD("--port"), VXC_EINVAL);
}

static void values_out_of_range_name_source_value_and_range(void **state)
{
    static const char *const bad[] = {"65536", "-1", "", "7x", "99999999999999999999", " 7"};
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        setenv("VERTX_CLUSTER_PORT", bad[i], 1);
        assert_int_equal(LOAD("--node-id", "1"), VXC_EINVAL);
        assert_non_null(strstr(err.text, "VERTX_CLUSTER_PORT"));
        assert_non_null(strstr(err.text, "from 0 to 65535"));
    }
    unsetenv("VERTX_CLUSTER_PORT");
    assert_int_equal(LOAD("--apply", "maybe"), VXC_EINVAL);
    assert_int_equal(LOAD("--log-level", "loud"), VXC_EINVAL);
}

static void a_file_with_unknown_keys_or_nonsense_is_refused(void **state)
{
    char path[32];
    (void)state;
    file_with("prt = 1\n", path);
    assert_int_equal(LOAD("--config", path), VXC_EINVAL);
    assert_non_null(strstr(err.text, path));
    assert_non_null(strstr(err.text, "did you mean \"port\""));
    unlink(path);
    file_with("i-accept-plaintext-on = 10.0.0.1\n", path);
    assert_int_equal(LOAD("--config", path), VXC_EINVAL);
    unlink(path);
    file_with("this is not a setting\n", path);
    assert_int_equal(LOAD("--config", path), VXC_EINVAL);
    unlink(path);
    assert_int_equal(LOAD("--config", "/nowhere/at/all"), VXC_EINVAL);
}

static void plaintext_off_loopback_needs_its_flag_with_the_same_address(void **state)
{
    (void)state;
    assert_int_equal(LOAD("--host", "0.0.0.0"), VXC_EINVAL);
    assert_non_null(strstr(err.text, "--i-accept-plaintext-on 0.0.0.0"));
    assert_int_equal(LOAD("--host", "10.1.2.3", "--i-accept-plaintext-on", "10.1.2.4"), VXC_EINVAL);
    assert_int_equal(LOAD("--host", "10.1.2.3", "--i-accept-plaintext-on", "10.1.2.3"), 0);
    assert_true(vxc_config_is_plaintext(&config.node));
    assert_int_equal(LOAD("--host", "127.9.9.9"), 0);
    assert_int_equal(LOAD("--host", "::1"), 0);
    assert_false(vxc_config_is_plaintext(&config.node));
    assert_int_equal(LOAD("--host", "localhost"), VXC_EINVAL);
}

static void help_and_version_are_seen_among_other_flags(void **state)
{
    (void)state;
    assert_int_equal(LOAD("--help"), 0);
    assert_true(config.help);
    assert_int_equal(LOAD("--port", "1", "--version"), 0);
    assert_true(config.version);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(defaults_are_loopback_and_a_random_port, clean_environment),
        cmocka_unit_test_setup(a_flag_beats_environment_beats_file_beats_default,
                               clean_environment),
        cmocka_unit_test_setup(an_unknown_flag_is_refused_with_a_guess, clean_environment),
        cmocka_unit_test_setup(values_out_of_range_name_source_value_and_range, clean_environment),
        cmocka_unit_test_setup(a_file_with_unknown_keys_or_nonsense_is_refused, clean_environment),
        cmocka_unit_test_setup(plaintext_off_loopback_needs_its_flag_with_the_same_address,
                               clean_environment),
        cmocka_unit_test_setup(help_and_version_are_seen_among_other_flags, clean_environment),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
