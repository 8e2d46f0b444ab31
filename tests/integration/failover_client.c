/* A client that writes every few milliseconds, and one that watches, for failover.py.
 *
 *     failover_client ENDPOINTS COUNTER INTERVAL_MS TIMEOUT_MS
 *
 * Until its standard input ends it adds 1 to the counter every INTERVAL_MS within a session, whatever
 * became of those before, and says for each what came of it:
 *
 *     ack SUBMITTED ANSWERED VALUE      times in ms of the monotonic clock
 *     fail SUBMITTED ANSWERED CODE TEXT
 *     event VALUE                       what a watch of the counter, in another session, told
 *     notice TYPE                       of either client, but for events
 *     end PENDING                       all that was asked has been answered, or PENDING is not 0
 */
#include "vxc/client.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

enum { SESSION_MS = 10000, DRAIN_MS = 30000 };

struct write {
    double submitted_ms;
};

static double now_ms(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

static void on_added(void *data, const struct vxc_reply *reply)
{
    struct write *write = data;

    if (reply->code == 0) {
        printf("ack %.3f %.3f %lld\n", write->submitted_ms, now_ms(), (long long)reply->number);
    } else {
        printf("fail %.3f %.3f %d %s\n", write->submitted_ms, now_ms(), reply->code,
               reply->message);
    }
    free(write);
}

static void on_notice(void *data, const struct vxc_notice *notice)
{
    (void)data;
    if (notice->type == VXC_NOTICE_PUT) {
        printf("event %lld\n", (long long)notice->number);
    } else {
        printf("notice %d %s\n", notice->type, notice->text);
    }
}

static struct vxc_client *make(const char *endpoints, uint64_t timeout_ms, const char *name)
{
    struct vxc_client_options options = vxc_client_options();
    struct vxc_client *client = NULL;

    options.endpoints = endpoints;
    options.client_name = name;
    options.timeout_ms = timeout_ms;
    options.on_notice = on_notice;
    if (vxc_client_create(&options, &client) != 0 ||
        vxc_client_session_open(client, SESSION_MS, vxc_text(name)) != 0) {
        fprintf(stderr, "%s: %s\n", name, client == NULL ? "" : vxc_client_message(client));
        exit(3);
    }
    return client;
}

static void add(struct vxc_client *client, const char *counter)
{
    struct vxc_request request = vxc_request(VXC_CALL_COUNTER_ADD);
    struct write *write = malloc(sizeof *write);
    int rc;

    if (write == NULL) {
        exit(3);
    }
    write->submitted_ms = now_ms();
    request.name = vxc_text(counter);
    request.number = 1;
    rc = vxc_client_submit(client, &request, write, on_added);
    if (rc != 0) {
        printf("fail %.3f %.3f %d %s\n", write->submitted_ms, now_ms(), rc,
               vxc_client_message(client));
        free(write);
    }
}

/* Waits for either client, for the end of the input (true), or for the time. */
static int turn(struct vxc_client *const *clients, double until_ms, int input)
{
    struct pollfd fds[3];
    double timeout_ms = until_ms - now_ms();

    for (int i = 0; i < 2; i++) {
        (void)vxc_client_dispatch(clients[i]);
        const int64_t own_ms = vxc_client_timeout_ms(clients[i]);
        timeout_ms = own_ms >= 0 && (double)own_ms < timeout_ms ? (double)own_ms : timeout_ms;
        fds[i] = (struct pollfd){.fd = vxc_client_fd(clients[i]),
                                 .events = vxc_client_poll_events(clients[i])};
    }
    fds[2] = (struct pollfd){.fd = input, .events = POLLIN};
    (void)fflush(stdout);
    (void)poll(fds, 3, timeout_ms > 0 ? (int)timeout_ms + 1 : 0);
    return input >= 0 && fds[2].revents != 0;
}

int main(int argc, char **argv)
{
    struct vxc_client *clients[2];
    struct vxc_request watch = vxc_request(VXC_CALL_WATCH_ADD);
    double next_ms;

    if (argc != 5) {
        return 2;
    }
    const double interval_ms = strtod(argv[3], NULL);
    const uint64_t timeout_ms = strtoull(argv[4], NULL, 10);
    clients[0] = make(argv[1], timeout_ms, "writer");
    clients[1] = make(argv[1], timeout_ms, "watcher");
    watch.what = VXC_WATCHED_COUNTER;
    watch.name = vxc_text(argv[2]);
    if (vxc_client_call(clients[1], &watch, NULL) != 0) {
        return 3;
    }
    next_ms = now_ms();
    for (;;) {
        add(clients[0], argv[2]);
        next_ms += interval_ms;
        while (now_ms() < next_ms) {
            if (turn(clients, next_ms, STDIN_FILENO)) {
                goto drain;
            }
        }
    }
drain:
    for (const double end_ms = now_ms() + DRAIN_MS;
         vxc_client_pending(clients[0]) > 0 && now_ms() < end_ms;) {
        (void)turn(clients, end_ms, -1);
    }
    /* Events of the last writes leave before the reply of a read that was asked after them. */
    watch = vxc_request(VXC_CALL_COUNTER_GET);
    watch.name = vxc_text(argv[2]);
    (void)vxc_client_call(clients[1], &watch, NULL);
    printf("end %zu\n", vxc_client_pending(clients[0]));
    (void)fflush(stdout);
    vxc_client_free(clients[0]);
    vxc_client_free(clients[1]);
    return 0;
}
