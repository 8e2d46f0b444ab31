#include "node/config.h"

#include "base/limits.h"
#include "node/cluster.h"
#include "node/secret.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
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

#define LIST "1=127.0.0.1:7401,2=127.0.0.1:7402,3=localhost:7403"
#define FAR  "1=10.0.0.1:7401,2=10.0.0.2:7402"

static void expect_refusal(int rv, const char *text)
{
    assert_int_equal(rv, VXC_EINVAL);
    if (strstr(err.text, text) == NULL) {
        fail_msg("\"%s\" does not say \"%s\"", err.text, text);
    }
}

static void the_cluster_is_read_from_wherever_options_come(void **state)
{
    struct vxc_cluster_spec spec;
    char path[32];
    (void)state;
    assert_int_equal(LOAD("--initial-cluster", LIST), 0);
    assert_int_equal(vxc_config_cluster(&config.node, &spec, &err), 0);
    assert_int_equal(spec.count, 3);
    assert_string_equal(vxc_cluster_spec_address(&spec, 3), "localhost:7403");
    assert_null(vxc_cluster_spec_address(&spec, 4));
    file_with("initial-cluster = " LIST "\nsecret-file = /there\n", path);
    assert_int_equal(LOAD("--config", path), 0);
    assert_string_equal(config.node.initial_cluster, LIST);
    assert_string_equal(config.node.secret_file, "/there");
    unlink(path);
    setenv("VERTX_CLUSTER_JOIN", "127.0.0.1:7401,[::1]:7402", 1);
    assert_int_equal(LOAD("--node-id", "4"), 0);
    assert_int_equal(vxc_config_cluster(&config.node, &spec, &err), 0);
    assert_int_equal(spec.count, 2);
    assert_int_equal(spec.members[1].id, 0);
    unsetenv("VERTX_CLUSTER_JOIN");
    assert_int_equal(LOAD("--node-id", "4"), 0);
    assert_int_equal(vxc_config_cluster(&config.node, &spec, &err), 0);
    assert_int_equal(spec.count, 0);
}

static void a_cluster_that_this_node_is_not_in_is_refused(void **state)
{
    (void)state;
    expect_refusal(LOAD("--initial-cluster", "1=nonsense"), "--initial-cluster: part 1");
    expect_refusal(LOAD("--join", "nonsense"), "--join: part 1");
    expect_refusal(LOAD("--initial-cluster", LIST, "--join", "127.0.0.1:1"), "give one of them");
    expect_refusal(LOAD("--initial-cluster", LIST, "--node-id", "4"), "does not name node 4");
    expect_refusal(LOAD("--initial-cluster", LIST, "--port", "7402"), "node 1 listens on");
    expect_refusal(LOAD("--initial-cluster", LIST, "--host", "127.0.0.2"), "node 1 listens on");
    assert_int_equal(LOAD("--initial-cluster", LIST, "--port", "7401"), 0);
    assert_int_equal(LOAD("--initial-cluster", LIST, "--node-id", "3", "--host", "::1"), 0);
}

static void peers_off_loopback_need_a_secret_and_the_plaintext_flag(void **state)
{
    (void)state;
    expect_refusal(
        LOAD("--initial-cluster", FAR, "--host", "10.0.0.1", "--i-accept-plaintext-on", "10.0.0.1"),
        "--secret-file");
    expect_refusal(LOAD("--join", "node-a.example:7400", "--secret-file", "s"),
                   "--i-accept-plaintext-on");
    assert_int_equal(LOAD("--initial-cluster", FAR, "--host", "10.0.0.1", "--i-accept-plaintext-on",
                          "10.0.0.1", "--secret-file", "s"),
                     0);
    assert_int_equal(LOAD("--initial-cluster", FAR, "--host", "0.0.0.0", "--i-accept-plaintext-on",
                          "0.0.0.0", "--secret-file", "s"),
                     0);
}

/* ---- the secret ---- */

static int read_secret(const char *path, size_t *size)
{
    struct vxc_buffer secret = {0};
    int rv = vxc_secret_read(path, &secret, &err);

    *size = secret.size;
    vxc_secret_free(&secret);
    return rv;
}

static void a_secret_is_its_owners_alone_and_long_enough(void **state)
{
    char text[VXC_PEER_SECRET_SIZE_MAX + 2];
    char path[32];
    size_t size;
    (void)state;
    file_with("0123456789abcdef\r\n\n", path); /* made with mode 0600 */
    assert_int_equal(read_secret(path, &size), 0);
    assert_int_equal(size, 16);
    for (unsigned mode = 1; mode <= 040; mode <<= 1) {
        assert_int_equal(chmod(path, 0600 | mode), 0);
        expect_refusal(read_secret(path, &size), "chmod 600");
    }
    unlink(path);
    file_with("0123456789abcde\n", path);
    expect_refusal(read_secret(path, &size), "fewer than 16 bytes");
    unlink(path);
    expect_refusal(read_secret(path, &size), "No such file");
    expect_refusal(read_secret("/tmp", &size), "not a file");
    memset(text, 'x', sizeof text);
    text[VXC_PEER_SECRET_SIZE_MAX] = '\0';
    file_with(text, path);
    assert_int_equal(read_secret(path, &size), 0);
    assert_int_equal(size, VXC_PEER_SECRET_SIZE_MAX);
    unlink(path);
    text[VXC_PEER_SECRET_SIZE_MAX] = 'x';
    text[VXC_PEER_SECRET_SIZE_MAX + 1] = '\0';
    file_with(text, path);
    expect_refusal(read_secret(path, &size), "more than 4096 bytes");
    unlink(path);
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
        cmocka_unit_test_setup(the_cluster_is_read_from_wherever_options_come, clean_environment),
        cmocka_unit_test_setup(a_cluster_that_this_node_is_not_in_is_refused, clean_environment),
        cmocka_unit_test_setup(peers_off_loopback_need_a_secret_and_the_plaintext_flag,
                               clean_environment),
        cmocka_unit_test(a_secret_is_its_owners_alone_and_long_enough),
        cmocka_unit_test_setup(help_and_version_are_seen_among_other_flags, clean_environment),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
