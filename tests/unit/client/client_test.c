/* The synchronous client over a real socket, against a server that the test plays in a thread-free
 * way: a listening socket that is never answered, closed at once, or not there. */
#define _GNU_SOURCE /* SOCK_CLOEXEC */
#include "vxc/client.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

/* A socket bound to a free port of the loopback; listening or not. */
static int bind_somewhere(char endpoint[32], bool listening)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_true(fd >= 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &size), 0);
    if (listening) {
        assert_int_equal(listen(fd, 4), 0);
    }
    (void)snprintf(endpoint, 32, "127.0.0.1:%u", ntohs(address.sin_port));
    return fd;
}

static struct vxc_client *client_of(const char *endpoints, uint64_t timeout_ms)
{
    struct vxc_client_options options = vxc_client_options();
    struct vxc_client *client = NULL;

    options.endpoints = endpoints;
    options.timeout_ms = timeout_ms;
    assert_int_equal(vxc_client_create(&options, &client), 0);
    return client;
}

static void nobody_at_the_port_is_told_as_not_reached(void **state)
{
    struct vxc_request get = vxc_request(VXC_CALL_MAP_GET);
    struct vxc_client *client;
    struct vxc_reply reply;
    char endpoint[32];
    const int fd = bind_somewhere(endpoint, false);

    (void)state;
    client = client_of(endpoint, 100);
    assert_int_equal(vxc_client_call(client, &get, &reply), VXC_ECLOSED);
    assert_non_null(strstr(reply.message, "refused"));
    assert_non_null(strstr(reply.message, endpoint));
    vxc_reply_free(&reply);
    assert_false(vxc_client_reached(client));
    assert_int_equal(vxc_client_connect(client, NULL), VXC_ECLOSED);
    assert_int_equal(vxc_client_session_open(client, 1000, vxc_text("x")), VXC_ECLOSED);
    vxc_client_free(client);
    (void)close(fd);
}

static void a_server_that_never_answers_costs_no_more_than_the_timeout(void **state)
{
    struct vxc_request put = vxc_request(VXC_CALL_MAP_PUT);
    struct vxc_client *client;
    struct vxc_reply reply;
    char endpoint[32];
    const int fd = bind_somewhere(endpoint, true);

    (void)state;
    client = client_of(endpoint, 100);
    assert_int_equal(vxc_client_call(client, &put, &reply), VXC_ETIMEOUT);
    vxc_reply_free(&reply);
    vxc_reply_free(&reply); /* twice is fine */
    assert_true(vxc_client_reached(client));
    assert_int_equal(vxc_client_connect(client, NULL), VXC_ETIMEOUT);
    assert_int_equal(vxc_client_silence_ms(client), -1);
    vxc_client_free(client);
    (void)close(fd);
}

static void on_canceled(void *data, const struct vxc_reply *reply)
{
    assert_int_equal(reply->code, VXC_ECANCELED);
    ++*(int *)data;
}

static void freeing_ends_what_is_under_way(void **state)
{
    struct vxc_request get = vxc_request(VXC_CALL_MAP_GET);
    struct vxc_client *client;
    char endpoint[32];
    const int fd = bind_somewhere(endpoint, true);
    int canceled = 0;

    (void)state;
    client = client_of(endpoint, 1000);
    assert_int_equal(vxc_client_submit(client, &get, &canceled, on_canceled), 0);
    assert_int_equal(vxc_client_submit(client, &get, &canceled, on_canceled), 0);
    assert_int_equal(vxc_client_dispatch(client), 0);
    assert_true(vxc_client_fd(client) >= 0);
    assert_int_equal(vxc_client_pending(client), 2);
    vxc_client_free(client);
    assert_int_equal(canceled, 2);
    (void)close(fd);
}

static void endpoints_that_cannot_be_read_are_refused(void **state)
{
    struct vxc_client_options options = vxc_client_options();
    struct vxc_client *client = NULL;

    (void)state;
    assert_int_equal(vxc_client_create(&options, &client), VXC_EINVAL);
    options.endpoints = "nonsense";
    assert_int_equal(vxc_client_create(&options, &client), VXC_EADDRESS);
    assert_null(client);
    vxc_client_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nobody_at_the_port_is_told_as_not_reached),
        cmocka_unit_test(a_server_that_never_answers_costs_no_more_than_the_timeout),
        cmocka_unit_test(freeing_ends_what_is_under_way),
        cmocka_unit_test(endpoints_that_cannot_be_read_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
