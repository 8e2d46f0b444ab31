/* A client in a loop that is not its own: plain epoll, with a timer of the program's beside it.
 * client_epoll ENDPOINT */
#include <vxc/client.h>

#include <poll.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <unistd.h>

enum { ROUNDS = 5 };

struct program {
    struct vxc_client *client;
    int epoll;
    int watched_fd; /* the client's descriptor that epoll knows; -1 = none */
    uint32_t watched_events;
    int answered, failed;
};

/* What the client wants may change with every dispatch: its descriptor, and the events on it. */
static void follow(struct program *p)
{
    const int fd = vxc_client_fd(p->client);
    const short wanted = vxc_client_poll_events(p->client);
    struct epoll_event event = {.data = {.fd = fd}};

    event.events =
        (wanted & POLLIN ? (uint32_t)EPOLLIN : 0u) | (wanted & POLLOUT ? (uint32_t)EPOLLOUT : 0u);
    if (fd >= 0 && (fd != p->watched_fd || event.events != p->watched_events) &&
        epoll_ctl(p->epoll, EPOLL_CTL_MOD, fd, &event) != 0) {
        /* New to epoll, perhaps under an old number: what is closed leaves epoll by itself. */
        (void)epoll_ctl(p->epoll, EPOLL_CTL_ADD, fd, &event);
    }
    p->watched_fd = fd;
    p->watched_events = event.events;
}

static void on_counted(void *data, const struct vxc_reply *reply)
{
    struct program *p = data;

    p->answered++;
    if (reply->code != VXC_OK) {
        p->failed++;
        fprintf(stderr, "%s\n", reply->message);
    } else {
        printf("ticks: %lld\n", (long long)reply->number);
    }
}

static void on_tick(struct program *p)
{
    struct vxc_request add = vxc_request(VXC_CALL_COUNTER_ADD);

    add.name = vxc_text("ticks");
    add.number = 1;
    if (vxc_client_submit(p->client, &add, p, on_counted) != VXC_OK) {
        p->failed++;
    }
}

static void run(struct program *p, int timer)
{
    int ticks = 0;

    while (p->answered < ROUNDS && p->failed == 0) {
        struct epoll_event events[8];
        uint64_t expirations;
        int64_t timeout_ms;
        int count;

        (void)vxc_client_dispatch(p->client); /* also sends what was submitted */
        follow(p);
        timeout_ms = vxc_client_timeout_ms(p->client);
        count = epoll_wait(p->epoll, events, 8, timeout_ms < 0 ? -1 : (int)timeout_ms);
        for (int i = 0; i < count; i++) {
            if (events[i].data.fd == timer && ticks < ROUNDS &&
                read(timer, &expirations, sizeof expirations) > 0) {
                ticks++;
                on_tick(p);
            }
        }
    }
}

int main(int argc, char **argv)
{
    struct vxc_client_options options = vxc_client_options();
    struct program p = {.epoll = epoll_create1(EPOLL_CLOEXEC), .watched_fd = -1};
    const int timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
    const struct itimerspec every = {.it_interval = {.tv_nsec = 20000000},
                                     .it_value = {.tv_nsec = 20000000}};
    struct epoll_event event = {.events = EPOLLIN, .data = {.fd = timer}};

    options.endpoints = argc > 1 ? argv[1] : "127.0.0.1:7400";
    if (p.epoll < 0 || timer < 0 || timerfd_settime(timer, 0, &every, NULL) != 0 ||
        epoll_ctl(p.epoll, EPOLL_CTL_ADD, timer, &event) != 0) {
        perror("epoll");
        return 1;
    }
    if (vxc_client_create(&options, &p.client) != VXC_OK) {
        fprintf(stderr, "%s: not an endpoint\n", options.endpoints);
        return 1;
    }
    run(&p, timer);
    vxc_client_free(p.client);
    (void)close(timer);
    (void)close(p.epoll);
    return p.failed == 0 ? 0 : 1;
}
