/* switch SOCKET SEED NAMESPACE…: a network between namespaces that can be made as bad as wanted.
 *
 * Kernels without netem can neither delay nor lose packets, so this program carries them itself. In
 * each of the named network namespaces (ip netns) it makes a TUN device "link"; whoever started it
 * gives the k-th of them (from 1) the address 10.77.0.k/24. A packet for 10.77.0.j that comes out of
 * namespace i goes over the link i → j, whose two directions are two links with rules of their own:
 *
 *   drop=0|1         everything is lost
 *   loss=P           of 1000 packets so many are lost
 *   duplicate=P      come twice
 *   reorder=P        are late by up to 5 ms, while those behind pass them
 *   delay=US         microseconds on the way
 *   jitter=US        up to so much more; the order stays
 *   rate=KBIT        kbit/s; what waits for over 500 ms is lost, as in a router
 *
 * On SOCKET (a stream socket, one controller at a time) it takes lines and answers each with a line:
 *   set FROM TO RULE=N…   FROM and TO are numbers of namespaces, 0 for all    → ok
 *   reset                 every link is perfect again                          → ok
 *   count                 → packets CARRIED LOST
 * Chance comes from SEED alone. Prints "ready" when the devices are there; ends at SIGTERM.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

enum {
    PORTS_MAX = 16,
    PACKET_MAX = 65536,
    WAITING_MAX = 50000,      /* packets on their way */
    QUEUE_NS_MAX = 500000000, /* of a link with a rate */
    REORDER_NS_MAX = 5000000,
    BURST = 64, /* packets taken of one port before the others are looked at */
};

/* Of one direction; all zero = perfect. */
struct rules {
    long drop, loss, duplicate, reorder, delay, jitter, rate;
};

struct link {
    struct rules rules;
    int64_t free_ns; /* when the line has sent what it was given */
    int64_t last_ns; /* when the packet before comes out: order is kept */
};

struct packet {
    int64_t due_ns;
    uint64_t number; /* of two that are due at once the first goes first */
    int to;
    size_t size;
    uint8_t data[];
};

static struct {
    int ports_count;
    int ports[PORTS_MAX];
    struct link links[PORTS_MAX][PORTS_MAX];
    struct packet *waiting[WAITING_MAX]; /* a heap, the first that is due on top */
    size_t waiting_count;
    uint64_t numbers;
    uint64_t random;
    uint64_t carried, lost;
} net;

static volatile sig_atomic_t ending;

static void on_signal(int number)
{
    (void)number;
    ending = 1;
}

__attribute__((noreturn)) static void die(const char *what, const char *name)
{
    fprintf(stderr, "switch: %s %s: %s\n", what, name, strerror(errno));
    exit(1);
}

static int64_t now_ns(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now); /* cannot fail with this clock */
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

/* splitmix64 */
static uint64_t draw(uint64_t below)
{
    uint64_t z = (net.random += UINT64_C(0x9e3779b97f4a7c15));

    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return (z ^ (z >> 31)) % below;
}

static bool happens(long per_mille)
{
    return per_mille > 0 && draw(1000) < (uint64_t)per_mille;
}

/* ---- packets on their way ---- */

static bool is_before(const struct packet *a, const struct packet *b)
{
    return a->due_ns != b->due_ns ? a->due_ns < b->due_ns : a->number < b->number;
}

static void push(struct packet *packet)
{
    size_t at = net.waiting_count++;

    for (; at > 0 && is_before(packet, net.waiting[(at - 1) / 2]); at = (at - 1) / 2) {
        net.waiting[at] = net.waiting[(at - 1) / 2];
    }
    net.waiting[at] = packet;
}

static struct packet *pop(void)
{
    struct packet *first = net.waiting[0];
    struct packet *last = net.waiting[--net.waiting_count];
    size_t at = 0;

    for (size_t child = 1; child < net.waiting_count; child = 2 * at + 1) {
        if (child + 1 < net.waiting_count &&
            is_before(net.waiting[child + 1], net.waiting[child])) {
            child++;
        }
        if (!is_before(net.waiting[child], last)) {
            break;
        }
        net.waiting[at] = net.waiting[child];
        at = child;
    }
    net.waiting[at] = last;
    return first;
}

static void deliver(int to, const uint8_t *data, size_t size)
{
    if (write(net.ports[to], data, size) == (ssize_t)size) {
        net.carried++;
    } else {
        net.lost++; /* the device is down, as a cable may be out */
    }
}

static void send_at(int64_t due_ns, int64_t now, int to, const uint8_t *data, size_t size)
{
    struct packet *packet;

    if (due_ns <= now) {
        deliver(to, data, size);
        return;
    }
    packet = net.waiting_count < WAITING_MAX ? malloc(sizeof *packet + size) : NULL;
    if (packet == NULL) {
        net.lost++;
        return;
    }
    *packet = (struct packet){.due_ns = due_ns, .number = net.numbers++, .to = to, .size = size};
    memcpy(packet->data, data, size);
    push(packet);
}

/* When the packet comes out of the link; -1 = never. */
static int64_t passage(struct link *link, size_t size, int64_t now)
{
    const struct rules *rules = &link->rules;
    int64_t due_ns = now;

    if (rules->drop != 0 || happens(rules->loss)) {
        return -1;
    }
    if (rules->rate > 0) {
        const int64_t start_ns = link->free_ns > now ? link->free_ns : now;
        if (start_ns - now > QUEUE_NS_MAX) {
            return -1;
        }
        link->free_ns = start_ns + (int64_t)size * 8 * 1000000 / rules->rate;
        due_ns = link->free_ns;
    }
    due_ns += rules->delay * 1000;
    if (rules->jitter > 0) {
        due_ns += (int64_t)draw((uint64_t)rules->jitter * 1000);
    }
    if (happens(rules->reorder)) {
        return due_ns + 1 + (int64_t)draw(REORDER_NS_MAX);
    }
    if (due_ns < link->last_ns) {
        due_ns = link->last_ns;
    }
    link->last_ns = due_ns;
    return due_ns;
}

static void take_packet(int from, const uint8_t *data, size_t size)
{
    const int64_t now = now_ns();
    struct link *link;
    int64_t due_ns;
    int to;

    /* IPv4 to 10.77.0.1 and on; others, such as IPv6's own talk, have nowhere to go. */
    if (size < 20 || data[0] >> 4 != 4 || data[16] != 10 || data[17] != 77 || data[18] != 0 ||
        data[19] < 1 || data[19] > net.ports_count) {
        return;
    }
    to = data[19] - 1;
    link = &net.links[from][to];
    due_ns = passage(link, size, now);
    if (due_ns < 0) {
        net.lost++;
        return;
    }
    send_at(due_ns, now, to, data, size);
    if (happens(link->rules.duplicate)) {
        send_at(due_ns, now, to, data, size);
    }
}

static void drain_port(int from)
{
    static uint8_t data[PACKET_MAX];

    for (int i = 0; i < BURST; i++) {
        const ssize_t size = read(net.ports[from], data, sizeof data);
        if (size <= 0) {
            return;
        }
        take_packet(from, data, (size_t)size);
    }
}

static void deliver_due(void)
{
    const int64_t now = now_ns();

    while (net.waiting_count > 0 && net.waiting[0]->due_ns <= now) {
        struct packet *packet = pop();
        deliver(packet->to, packet->data, packet->size);
        free(packet);
    }
}

/* ---- the controller ---- */

static bool set_rule(struct rules *rules, const char *word)
{
    const struct {
        const char *name;
        long *number;
    } known[] = {
        {"drop=", &rules->drop},       {"loss=", &rules->loss},   {"duplicate=", &rules->duplicate},
        {"reorder=", &rules->reorder}, {"delay=", &rules->delay}, {"jitter=", &rules->jitter},
        {"rate=", &rules->rate},
    };

    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        const size_t size = strlen(known[i].name);
        if (strncmp(word, known[i].name, size) == 0) {
            char *end;
            *known[i].number = strtol(word + size, &end, 10);
            return end != word + size && *end == '\0' && *known[i].number >= 0;
        }
    }
    return false;
}

static bool set(char *words)
{
    char *rest;
    const char *from_word = strtok_r(words, " ", &rest);
    const char *to_word = strtok_r(NULL, " ", &rest);
    const int from = from_word == NULL ? -1 : atoi(from_word);
    const int to = to_word == NULL ? -1 : atoi(to_word);
    struct rules changes[PORTS_MAX][PORTS_MAX];
    const char *word;

    if (from < 0 || from > net.ports_count || to < 0 || to > net.ports_count) {
        return false;
    }
    for (int i = 0; i < net.ports_count; i++) {
        for (int j = 0; j < net.ports_count; j++) {
            changes[i][j] = net.links[i][j].rules;
        }
    }
    while ((word = strtok_r(NULL, " ", &rest)) != NULL) {
        for (int i = 0; i < net.ports_count; i++) {
            for (int j = 0; j < net.ports_count; j++) {
                if ((from == 0 || from == i + 1) && (to == 0 || to == j + 1) &&
                    !set_rule(&changes[i][j], word)) {
                    return false;
                }
            }
        }
    }
    for (int i = 0; i < net.ports_count; i++) {
        for (int j = 0; j < net.ports_count; j++) {
            net.links[i][j].rules = changes[i][j];
        }
    }
    return true;
}

static void obey(char *line, char answer[64])
{
    bool good = true;

    if (strncmp(line, "set ", 4) == 0) {
        good = set(line + 4);
    } else if (strcmp(line, "reset") == 0) {
        for (int i = 0; i < net.ports_count; i++) {
            for (int j = 0; j < net.ports_count; j++) {
                net.links[i][j].rules = (struct rules){0};
            }
        }
    } else if (strcmp(line, "count") == 0) {
        (void)snprintf(answer, 64, "packets %llu %llu\n", (unsigned long long)net.carried,
                       (unsigned long long)net.lost);
        return;
    } else {
        good = false;
    }
    (void)snprintf(answer, 64, "%s\n", good ? "ok" : "error: not understood");
}

/* Takes what the controller sent; false when it has gone. A line never comes in two parts, for the
 * controller waits for each answer. */
static bool take_lines(int controller)
{
    char lines[4096];
    char answer[64];
    char *rest;
    const ssize_t size = read(controller, lines, sizeof lines - 1);

    if (size <= 0) {
        return false;
    }
    lines[size] = '\0';
    for (char *line = strtok_r(lines, "\n", &rest); line != NULL;
         line = strtok_r(NULL, "\n", &rest)) {
        obey(line, answer);
        if (write(controller, answer, strlen(answer)) < 0) {
            return false;
        }
    }
    return true;
}

/* ---- devices ---- */

/* A device belongs to the namespace of the process that opens it. */
static int open_port(const char *namespace_name)
{
    struct ifreq request = {.ifr_name = "link", .ifr_flags = IFF_TUN | IFF_NO_PI};
    char path[256];
    int space;
    int fd;

    (void)snprintf(path, sizeof path, "/run/netns/%s", namespace_name);
    space = open(path, O_RDONLY | O_CLOEXEC);
    if (space < 0 || setns(space, CLONE_NEWNET) != 0) {
        die("enter the namespace", path);
    }
    fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0 || ioctl(fd, TUNSETIFF, &request) != 0) {
        die("make a TUN device in", namespace_name);
    }
    (void)close(space);
    return fd;
}

static int open_socket(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (strlen(path) >= sizeof address.sun_path) {
        errno = ENAMETOOLONG;
        die("listen on", path);
    }
    memcpy(address.sun_path, path, strlen(path) + 1);
    if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof address) != 0 ||
        listen(fd, 1) != 0) {
        die("listen on", path);
    }
    return fd;
}

/* ---- */

static void turn(int listener, int *controller)
{
    struct pollfd polled[PORTS_MAX + 1];
    struct timespec wait = {.tv_sec = 1};
    int64_t left_ns;

    for (int i = 0; i < net.ports_count; i++) {
        polled[i] = (struct pollfd){.fd = net.ports[i], .events = POLLIN};
    }
    polled[net.ports_count] =
        (struct pollfd){.fd = *controller >= 0 ? *controller : listener, .events = POLLIN};
    if (net.waiting_count > 0) {
        left_ns = net.waiting[0]->due_ns - now_ns();
        left_ns = left_ns < 0 ? 0 : left_ns;
        wait = (struct timespec){.tv_sec = left_ns / 1000000000, .tv_nsec = left_ns % 1000000000};
    }
    if (ppoll(polled, (nfds_t)net.ports_count + 1, &wait, NULL) < 0 && errno != EINTR) {
        die("wait for", "packets");
    }
    deliver_due();
    for (int i = 0; i < net.ports_count; i++) {
        if ((polled[i].revents & POLLIN) != 0) {
            drain_port(i);
        }
    }
    if (polled[net.ports_count].revents != 0) {
        if (*controller < 0) {
            *controller = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
        } else if (!take_lines(*controller)) {
            (void)close(*controller);
            *controller = -1;
        }
    }
}

int main(int argc, char **argv)
{
    int controller = -1;
    int listener;

    if (argc < 4 || argc - 3 > PORTS_MAX) {
        fprintf(stderr, "usage: switch SOCKET SEED NAMESPACE... (at most %d)\n", PORTS_MAX);
        return 2;
    }
    (void)signal(SIGTERM, on_signal);
    (void)signal(SIGPIPE, SIG_IGN);
    listener = open_socket(argv[1]);
    net.random = strtoull(argv[2], NULL, 10);
    net.ports_count = argc - 3;
    for (int i = 0; i < net.ports_count; i++) {
        net.ports[i] = open_port(argv[3 + i]);
    }
    puts("ready");
    (void)fflush(stdout);
    while (!ending) {
        turn(listener, &controller);
    }
    return 0;
}
