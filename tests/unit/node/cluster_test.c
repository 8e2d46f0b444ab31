/* Two real nodes of three, and the third one played by this test: over real sockets, with a handshake
 * of its own, so that every word of it can be wrong. */
#include "vxc/node.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "base/limits.h"
#include "lib/caller.h"
#include "wire/frame.h"

#define SECRET "0123456789abcdef, and some more"

enum { PATIENCE_S = 20, NODES = 2, THIRD = 3, INCARNATION = 4711 };

#define LIFE_OF(number) ((uint64_t)(number) << 32 | 99)
#define LIFE            LIFE_OF(5)

/* ---- the cluster ---- */

struct member {
    struct vxc_node_options options;
    struct vxc_node *node;
    char data[96];
};

static struct {
    char root[64];
    char secret_file[96];
    char initial[200];
    uint16_t ports[THIRD];
    int third_fd; /* where the third one listens */
    struct member members[NODES];
} world;

static atomic_int silences; /* peers that were left for taking nothing */

static void drop_line(void *data, enum vxc_log_level level, const char *line)
{
    (void)data;
    (void)level;
    if (strstr(line, "it takes nothing of what is sent") != NULL) {
        atomic_fetch_add(&silences, 1);
    }
    if (getenv("VXC_TEST_LOG") != NULL) {
        (void)fprintf(stderr, "%s\n", line);
    }
}

/* A socket that listens on a free port of loopback. */
static int listen_somewhere(uint16_t *port)
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    socklen_t size = sizeof address;
    const struct timeval patience = {.tv_sec = PATIENCE_S};
    const int one = 1;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one), 0);
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience), 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(listen(fd, 64), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &size), 0);
    *port = ntohs(address.sin_port);
    return fd;
}

/* Of each member; 0 = as usual. */
static uint64_t connections_max, election_timeout_ms;

static int start(struct member *m, struct vxc_error *err)
{
    int rv = vxc_node_create(&m->options, &m->node, err);

    assert_int_equal(rv, 0);
    rv = vxc_node_start(m->node, err);
    if (rv == 0) {
        assert_int_equal(vxc_node_spawn(m->node, err), 0);
    } else {
        vxc_node_free(m->node);
        m->node = NULL;
    }
    return rv;
}

static void choose_ports(void)
{
    int fds[NODES];

    for (int i = 0; i < NODES; i++) {
        fds[i] = listen_somewhere(&world.ports[i]);
    }
    for (int i = 0; i < NODES; i++) {
        (void)close(fds[i]);
    }
    (void)snprintf(world.initial, sizeof world.initial,
                   "1=127.0.0.1:%u,2=127.0.0.1:%u,3=127.0.0.1:%u", world.ports[0], world.ports[1],
                   world.ports[2]);
}

/* Another process may have taken one of the ports meanwhile. */
static bool start_members(int count)
{
    choose_ports();
    for (int i = 0; i < count; i++) {
        struct member *m = &world.members[i];
        struct vxc_error err = {0};

        (void)snprintf(m->data, sizeof m->data, "%s/%d", world.root, i + 1);
        m->options = vxc_node_options();
        m->options.data = m->data;
        m->options.node_id = (uint64_t)i + 1;
        m->options.initial_cluster = world.initial;
        m->options.secret_file = world.secret_file[0] != '\0' ? world.secret_file : NULL;
        m->options.on_log = drop_line;
        if (connections_max != 0) {
            m->options.connections_max = connections_max;
        }
        if (election_timeout_ms != 0) {
            m->options.election_timeout_ms = election_timeout_ms;
        }
        if (start(m, &err) != 0) {
            assert_int_equal(err.code, VXC_EADDRINUSE);
            while (i-- > 0) {
                vxc_node_free(world.members[i].node);
                world.members[i].node = NULL;
            }
            return false;
        }
    }
    return true;
}

static void make_world(const char *secret, int count)
{
    memset(&world, 0, sizeof world);
    strcpy(world.root, "/tmp/vxc-cluster-XXXXXX");
    assert_non_null(mkdtemp(world.root));
    if (secret != NULL) {
        int fd;

        (void)snprintf(world.secret_file, sizeof world.secret_file, "%s/secret", world.root);
        fd = open(world.secret_file, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
        assert_int_equal(write(fd, secret, strlen(secret)), (ssize_t)strlen(secret));
        (void)close(fd);
    }
    world.third_fd = listen_somewhere(&world.ports[2]);
    while (!start_members(count)) {
        /* other ports */
    }
}

static void end_world(void)
{
    char command[128];

    for (int i = 0; i < NODES; i++) {
        vxc_node_free(world.members[i].node);
    }
    (void)close(world.third_fd);
    (void)snprintf(command, sizeof command, "rm -rf '%s'", world.root);
    assert_int_equal(system(command), 0);
}

static struct vxc_node_stats stats_of(const struct member *m)
{
    struct vxc_node_stats stats;

    assert_int_equal(vxc_node_stats(m->node, &stats, sizeof stats), 0);
    return stats;
}

/* Waits for a condition, which the nodes bring about on threads of their own. */
static void until(bool (*holds)(void))
{
    for (int i = 0; i < PATIENCE_S * 200; i++) {
        if (holds()) {
            return;
        }
        (void)poll(NULL, 0, 5);
    }
    fail_msg("it did not come about");
}

/* Index of the primary, -1. */
static int primary(void)
{
    for (int i = 0; i < NODES; i++) {
        if (world.members[i].node != NULL &&
            strcmp(stats_of(&world.members[i]).role, "primary") == 0) {
            return i;
        }
    }
    return -1;
}

static bool has_primary(void)
{
    return primary() >= 0;
}

static void cluster_id(uint8_t id[16])
{
    static const uint8_t none[16];
    struct vxc_node_stats stats;

    do {
        until(has_primary);
        stats = stats_of(&world.members[primary()]);
        memcpy(id, stats.cluster_id, 16);
    } while (memcmp(id, none, 16) == 0);
}

/* ---- the third one ---- */

struct person {
    struct vxc_message hello; /* what it says */
    const char *secret;
    uint8_t cluster[16];
    uint8_t nonce[16];
    char text[400]; /* of the refusal */
};

static struct person third_person(uint64_t target)
{
    struct person p = {.hello = caller_message(VXC_KIND_PEER_HELLO)};

    p.secret = world.secret_file[0] != '\0' ? SECRET : NULL;
    p.hello.peer_hello.version_min = 1;
    p.hello.peer_hello.version_max = 1;
    p.hello.peer_hello.node_id = THIRD;
    p.hello.peer_hello.target_id = target;
    p.hello.peer_hello.incarnation = INCARNATION;
    p.hello.peer_hello.life = LIFE;
    p.hello.peer_hello.last_index = 1u << 30; /* it never has less than it said */
    return p;
}

/* Where its slices point to moves with it. */
static const struct vxc_message *hello_of(struct person *p)
{
    p->hello.peer_hello.nonce = vxc_slice(p->nonce, sizeof p->nonce);
    if (p->hello.peer_hello.cluster_id.size > 0) {
        p->hello.peer_hello.cluster_id.data = p->cluster;
    }
    return &p->hello;
}

static void hmac(const char *secret, const char *word, const struct vxc_buffer *transcript,
                 uint8_t proof[32])
{
    struct vxc_buffer all = {0};
    unsigned size = 0;

    assert_int_equal(vxc_buffer_append(&all, word, strlen(word) + 1), 0);
    assert_int_equal(vxc_buffer_append(&all, transcript->data, transcript->size), 0);
    assert_non_null(
        HMAC(EVP_sha256(), secret, (int)strlen(secret), all.data, all.size, proof, &size));
    assert_int_equal(size, 32);
    vxc_buffer_free(&all);
}

/* Both hellos, the second without its proof. */
static void transcribe(const struct vxc_message *hello, const struct vxc_message *challenge,
                       struct vxc_buffer *out)
{
    struct vxc_message bare = *challenge;

    bare.peer_challenge.proof = vxc_slice(NULL, 0);
    assert_int_equal(vxc_message_encode(hello, out), 0);
    assert_int_equal(vxc_message_encode(&bare, out), 0);
    out->size -= 4; /* the length of the proof */
}

/* What the node answers: 0 when it is the kind that was hoped for, else its refusal. */
static int answer(struct caller *c, uint16_t kind, struct vxc_message *m, struct person *p)
{
    uint32_t id;

    if (!caller_next(c, m, &id)) {
        assert_false(c->timed_out);
        return VXC_ECLOSED;
    }
    if (m->kind == VXC_KIND_ERROR_REPLY) {
        (void)snprintf(p->text, sizeof p->text, "%.*s", (int)m->error_reply.message.size,
                       (const char *)m->error_reply.message.data);
        return (int)m->error_reply.code;
    }
    assert_int_equal(m->kind, kind);
    return 0;
}

/* Dials member `to` and says its words; 0: welcome. The caller hangs up. */
static int enter(struct caller *c, int to, struct person *p)
{
    struct vxc_message proof = caller_message(VXC_KIND_PEER_PROOF);
    struct vxc_buffer transcript = {0};
    struct vxc_message m;
    uint8_t expected[32];
    int rv;

    assert_true(caller_dial(c, world.ports[to], PATIENCE_S));
    assert_true(caller_post(c, hello_of(p), false) > 0);
    rv = answer(c, VXC_KIND_PEER_CHALLENGE, &m, p);
    if (rv != 0) {
        return rv;
    }
    assert_int_equal(m.peer_challenge.version, 1);
    assert_int_equal(m.peer_challenge.node_id, to + 1);
    transcribe(&p->hello, &m, &transcript);
    if (world.secret_file[0] != '\0') {
        hmac(SECRET, "vxc peer: the one that was dialed", &transcript, expected);
        assert_true(vxc_slice_equal(m.peer_challenge.proof, vxc_slice(expected, 32)));
    } else {
        assert_int_equal(m.peer_challenge.proof.size, 0);
    }
    if (p->secret != NULL) {
        hmac(p->secret, "vxc peer: the one that dialed", &transcript, expected);
        proof.peer_proof.proof = vxc_slice(expected, 32);
    }
    vxc_buffer_free(&transcript);
    assert_true(caller_post(c, &proof, false) > 0);
    return answer(c, VXC_KIND_PEER_WELCOME, &m, p);
}

static int knock(int to, struct person *p)
{
    struct caller c;
    int rv = enter(&c, to, p);

    caller_hang_up(&c);
    return rv;
}

static void expect_refusal(int to, struct person p, int code, const char *text)
{
    int rv = knock(to, &p);

    if (rv != code || strstr(p.text, text) == NULL) {
        fail_msg("expected %s with \"%s\", got %s: %s", vxc_error_name(code), text,
                 rv == 0 ? "a welcome" : vxc_error_name(rv), p.text);
    }
}

/* ---- who may come in ---- */

static void a_member_is_welcome(void **state)
{
    struct person p;
    (void)state;
    make_world(SECRET, NODES);
    p = third_person(1);
    for (int to = 0; to < NODES; to++) {
        p.hello.peer_hello.target_id = (uint64_t)to + 1;
        assert_int_equal(knock(to, &p), 0);
        p.hello.peer_hello.target_id = 0; /* whoever is there */
        assert_int_equal(knock(to, &p), 0);
    }
    end_world();
}

static void without_a_secret_proofs_are_empty(void **state)
{
    struct person p;
    (void)state;
    make_world(NULL, NODES);
    p = third_person(1);
    assert_int_equal(knock(0, &p), 0);
    p.secret = SECRET;
    expect_refusal(0, p, VXC_ESECRET, "--secret-file");
    end_world();
}

static void who_is_not_meant_or_does_not_fit_is_told_why(void **state)
{
    struct person p;
    (void)state;
    make_world(SECRET, NODES);

    p = third_person(2);
    expect_refusal(0, p, VXC_EADDRESS, "node 2 was meant, but node 1 is here");
    p = third_person(1);
    p.hello.peer_hello.version_min = 2;
    p.hello.peer_hello.version_max = 3;
    expect_refusal(0, p, VXC_EVERSION, "versions 2 to 3");
    p = third_person(1);
    p.hello.peer_hello.node_id = 1;
    expect_refusal(0, p, VXC_EEXISTS, "--node-id of its own");
    p = third_person(1);
    p.hello.peer_hello.node_id = 9;
    expect_refusal(0, p, VXC_ENOTFOUND, "vxc member add");
    p = third_person(1);
    p.secret = NULL;
    expect_refusal(0, p, VXC_ESECRET, "same --secret-file");
    p.secret = "0123456789abcdef, and some less";
    expect_refusal(0, p, VXC_ESECRET, "same --secret-file");

    p = third_person(1);
    cluster_id(p.cluster);
    p.hello.peer_hello.cluster_id.size = 16;
    p.hello.peer_hello.target_id = 0;
    assert_int_equal(knock(primary(), &p), 0);
    p.cluster[7] ^= 1;
    expect_refusal(primary(), p, VXC_EFOREIGN, "another cluster");
    end_world();
}

/* Versions to come only ever add behind the fields that there are. */
static void a_hello_of_versions_to_come_can_be_read(void **state)
{
    static const struct {
        uint8_t min, max;
        int code;
    } cases[] = {{1, 1, 0}, {1, 2, 0}, {0, 255, 0}, {2, 2, VXC_EVERSION}, {2, 255, VXC_EVERSION}};
    (void)state;
    make_world(NULL, NODES);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct person p = third_person(1);
        struct vxc_message m;
        struct caller c;
        size_t at;

        p.hello.peer_hello.version_min = cases[i].min;
        p.hello.peer_hello.version_max = cases[i].max;
        assert_true(caller_dial(&c, world.ports[0], PATIENCE_S));
        at = vxc_frame_begin(&c.out, VXC_FRAME_REQUEST, VXC_KIND_PEER_HELLO, 1);
        assert_int_equal(vxc_message_encode(hello_of(&p), &c.out), 0);
        assert_int_equal(vxc_buffer_append(&c.out, "something new", 13), 0);
        assert_int_equal(vxc_frame_finish(&c.out, at), 0);
        assert_int_equal(send(c.fd, c.out.data, c.out.size, MSG_NOSIGNAL), c.out.size);
        assert_int_equal(answer(&c, VXC_KIND_PEER_CHALLENGE, &m, &p), cases[i].code);
        assert_true(cases[i].code == 0 || strstr(p.text, "run releases that have one in common"));
        caller_hang_up(&c);
    }
    end_world();
}

/* It may be one by a configuration that this node was cut off from: the one who can tell is not to be
 * kept out. */
static void who_knows_the_cluster_may_be_a_member_that_is_not_known_yet(void **state)
{
    struct person p;
    (void)state;
    make_world(SECRET, NODES);
    p = third_person(0);
    p.hello.peer_hello.node_id = 9;
    cluster_id(p.cluster);
    expect_refusal(primary(), p, VXC_ENOTFOUND, "vxc member add");
    p.hello.peer_hello.cluster_id.size = 16;
    assert_int_equal(knock(primary(), &p), 0);
    end_world();
}

/* The primary writes down who the third one is; then it is not only a memory of who met it. */
static bool third_is_known_to_both(void)
{
    for (int i = 0; i < NODES; i++) {
        struct person p = third_person((uint64_t)i + 1);
        p.hello.peer_hello.incarnation = INCARNATION + 1;
        if (knock(i, &p) != VXC_EFOREIGN) {
            return false;
        }
    }
    return true;
}

static void a_wiped_or_rolled_back_disk_is_recognised(void **state)
{
    struct person p;
    (void)state;
    make_world(SECRET, NODES);
    p = third_person(0);
    until(has_primary);
    for (int i = 0; i < NODES; i++) {
        assert_int_equal(knock(i, &p), 0);
    }
    until(third_is_known_to_both);
    for (int i = 0; i < NODES; i++) {
        p = third_person(0);
        p.hello.peer_hello.life = LIFE_OF(4);
        expect_refusal(i, p, VXC_EFOREIGN,
                       "older copy of its data directory (start 4, but another start 5");
        p.hello.peer_hello.life = LIFE + 1; /* as often, from a copy */
        expect_refusal(i, p, VXC_EFOREIGN,
                       "older copy of its data directory (start 5, but another start 5");
        p.hello.peer_hello.life = LIFE_OF(6);
        p.hello.peer_hello.incarnation = INCARNATION + 1;
        expect_refusal(i, p, VXC_EFOREIGN, "its disk was wiped, or another node uses its id");
        expect_refusal(i, p, VXC_EFOREIGN, "under a new --node-id");
        p = third_person(0);
        assert_int_equal(knock(i, &p), 0); /* the same life may connect as often as it likes */
    }
    p.hello.peer_hello.life = LIFE_OF(6); /* and start again */
    assert_int_equal(knock(0, &p), 0);
    assert_int_equal(knock(1, &p), 0);
    end_world();
}

static void a_second_node_of_the_same_id_does_not_get_in_beside_the_first(void **state)
{
    struct person p;
    struct caller first;
    (void)state;
    make_world(SECRET, NODES);
    p = third_person(0);
    assert_int_equal(enter(&first, 1, &p), 0);
    p.hello.peer_hello.incarnation = INCARNATION + 1;
    expect_refusal(1, p, VXC_EEXISTS, "two nodes say that they are node 3");
    caller_hang_up(&first);
    end_world();
}

static void a_new_connection_ends_the_old_one(void **state)
{
    struct person p;
    struct vxc_message m;
    struct caller first, second;
    uint32_t id;
    (void)state;
    make_world(SECRET, NODES);
    p = third_person(0);
    assert_int_equal(enter(&first, 0, &p), 0);
    assert_int_equal(enter(&second, 0, &p), 0);
    assert_false(caller_next(&first, &m, &id)); /* it has ended */
    assert_false(first.timed_out);
    caller_hang_up(&first);
    caller_hang_up(&second);
    end_world();
}

/* ---- strangers ---- */

/* What nothing that comes from outside may change. */
struct facts {
    uint64_t term, last_index;
    const char *role;
    uint8_t vote[4096];
    size_t vote_size;
};

static struct facts facts_of(int i)
{
    struct vxc_node_stats stats = stats_of(&world.members[i]);
    struct facts f = {.term = stats.term, .last_index = stats.last_index, .role = stats.role};
    char path[128];
    struct dirent *entry;
    DIR *folder;

    (void)snprintf(path, sizeof path, "%s/vote", world.members[i].data);
    folder = opendir(path);
    assert_non_null(folder);
    while ((entry = readdir(folder)) != NULL) {
        char file[400];
        int fd;
        ssize_t size;

        (void)snprintf(file, sizeof file, "%s/%s", path, entry->d_name);
        fd = entry->d_name[0] == '.' ? -1 : open(file, O_RDONLY | O_CLOEXEC);
        if (fd >= 0) {
            size = read(fd, f.vote + f.vote_size, sizeof f.vote - f.vote_size);
            assert_true(size >= 0);
            f.vote_size += (size_t)size;
            (void)close(fd);
        }
    }
    (void)closedir(folder);
    assert_true(f.vote_size > 0);
    return f;
}

static void expect_same(int i, const struct facts *before)
{
    struct facts now = facts_of(i);

    assert_int_equal(now.term, before->term);
    assert_int_equal(now.last_index, before->last_index);
    assert_string_equal(now.role, before->role);
    assert_int_equal(now.vote_size, before->vote_size);
    assert_memory_equal(now.vote, before->vote, now.vote_size);
}

static bool is_calm(void)
{
    static struct facts last;
    struct facts now;

    if (primary() < 0) {
        return false;
    }
    now = facts_of(primary());
    if (now.last_index == last.last_index && now.term == last.term) {
        return true;
    }
    last = now;
    (void)poll(NULL, 0, 300); /* longer than anything that the primary does by itself */
    return false;
}

static void put_frame(struct vxc_buffer *out, uint16_t kind, const void *payload, size_t size)
{
    size_t at = vxc_frame_begin(out, VXC_FRAME_EVENT, kind, 0);

    assert_int_equal(vxc_buffer_append(out, payload, size), 0);
    assert_int_equal(vxc_frame_finish(out, at), 0);
}

/* The nine cases by which a stranger gets at an engine that trusts its peers (and one more), in our
 * framing. */
static struct vxc_buffer stranger_bytes(int which)
{
    struct vxc_buffer out = {0};
    uint8_t raw[256] = {0};

    switch (which) {
    case 0: /* a hello whose address has 4 GiB */
    case 1: /* 1 GiB */
        raw[0] = raw[1] = 1;
        vxc_store_u64(raw + 6, THIRD);
        vxc_store_u64(raw + 22, INCARNATION);
        vxc_store_u64(raw + 30, LIFE);
        vxc_store_u32(raw + 46, which == 0 ? UINT32_MAX : 1u << 30);
        put_frame(&out, VXC_KIND_PEER_HELLO, raw, 70);
        break;
    case 2: /* a request for a vote of 8 bytes */
        vxc_store_u64(raw, 1000);
        put_frame(&out, VXC_KIND_PEER_VOTE, raw, 8);
        break;
    case 3: /* entries without end, and none of them there */
        vxc_store_u64(raw, 1000);
        vxc_store_u32(raw + 32, UINT32_MAX);
        put_frame(&out, VXC_KIND_PEER_APPEND, raw, 40);
        break;
    case 4: /* one entry, of which half the head is there */
        vxc_store_u64(raw, 1000);
        vxc_store_u32(raw + 32, 1);
        vxc_store_u32(raw + 36, 7);
        put_frame(&out, VXC_KIND_PEER_APPEND, raw, 47);
        break;
    case 5: /* an image whose configuration has 4 GiB */
    case 6: /* none */
        vxc_store_u64(raw, 1000);
        vxc_store_u64(raw + 24, 1000000);
        vxc_store_u64(raw + 32, 999);
        vxc_store_u32(raw + 48, which == 5 ? UINT32_MAX : 0);
        put_frame(&out, VXC_KIND_PEER_IMAGE, raw, 52);
        break;
    case 7: /* a frame of 3 GiB */
        put_frame(&out, VXC_KIND_PEER_APPEND, raw, 40);
        vxc_store_u32(out.data + 4, 3u << 30);
        break;
    case 8: /* a sound append of term 1000 */
        vxc_store_u64(raw, 1000);
        vxc_store_u64(raw + 8, 1);
        vxc_store_u64(raw + 16, 1);
        put_frame(&out, VXC_KIND_PEER_APPEND, raw, 40);
        break;
    default: /* a sound request for a vote in term 1000, by somebody who knows everything */
        vxc_store_u64(raw, 1000);
        vxc_store_u64(raw + 8, 1000000);
        vxc_store_u64(raw + 16, 999);
        raw[24] = 1;
        put_frame(&out, VXC_KIND_PEER_VOTE, raw, 26);
        break;
    }
    return out;
}

/* Sends the bytes and waits until the node has ended the connection. */
static void throw_at(struct caller *c, const struct vxc_buffer *bytes)
{
    struct vxc_message m;
    uint32_t id;

    (void)send(c->fd, bytes->data, bytes->size, MSG_NOSIGNAL);
    while (caller_next(c, &m, &id)) {
        assert_int_not_equal(m.kind, VXC_KIND_PEER_WELCOME);
    }
    assert_false(c->timed_out);
    caller_hang_up(c);
}

static void a_stranger_changes_nothing(void **state)
{
    struct person p;
    (void)state;
    make_world(SECRET, NODES);
    p = third_person(0);
    until(is_calm);
    for (int to = 0; to < NODES; to++) {
        const struct facts before = facts_of(to);

        for (int which = 0; which < 10; which++) {
            struct vxc_buffer bytes = stranger_bytes(which);
            struct vxc_message m;
            struct caller c;

            assert_true(caller_dial(&c, world.ports[to], PATIENCE_S)); /* as the first words */
            throw_at(&c, &bytes);
            assert_true(caller_dial(&c, world.ports[to], PATIENCE_S)); /* instead of a proof */
            assert_true(caller_post(&c, hello_of(&p), false) > 0);
            assert_int_equal(answer(&c, VXC_KIND_PEER_CHALLENGE, &m, &p), 0);
            throw_at(&c, &bytes);
            vxc_buffer_free(&bytes);
        }
        expect_same(to, &before);
    }
    end_world();
}

/* What a member sends is looked at no less: it loses its connection, and no more. */
static void nonsense_of_a_member_ends_its_connection(void **state)
{
    (void)state;
    make_world(SECRET, NODES);
    until(is_calm);
    for (int to = 0; to < NODES; to++) {
        const struct facts before = facts_of(to);

        for (int which = 0; which < 8; which++) {
            struct vxc_buffer bytes = stranger_bytes(which);
            struct person p = third_person(0);
            struct caller c;

            assert_int_equal(enter(&c, to, &p), 0);
            throw_at(&c, &bytes);
            vxc_buffer_free(&bytes);
        }
        assert_int_equal(facts_of(to).term, before.term);
        assert_string_equal(facts_of(to).role, before.role);
    }
    end_world();
}

static bool has_term_1000(void)
{
    return facts_of(0).term >= 1000;
}

/* A newer release may say what this one does not know: what comes behind it counts. */
static void a_word_of_a_later_release_is_passed_over(void **state)
{
    struct vxc_buffer bytes = {0};
    struct person p;
    struct vxc_buffer vote = stranger_bytes(9);
    struct caller c;

    (void)state;
    make_world(SECRET, NODES);
    until(is_calm);
    p = third_person(0);
    assert_int_equal(enter(&c, 0, &p), 0);
    put_frame(&bytes, VXC_KIND_PEER_LAST, "whatever", 8);
    assert_int_equal(vxc_buffer_append(&bytes, vote.data, vote.size), 0);
    assert_int_equal(send(c.fd, bytes.data, bytes.size, MSG_NOSIGNAL), (ssize_t)bytes.size);
    until(has_term_1000);
    caller_hang_up(&c);
    vxc_buffer_free(&vote);
    vxc_buffer_free(&bytes);
    end_world();
}

static void frames_that_end_anywhere_change_nothing(void **state)
{
    struct vxc_buffer bytes = {0};
    struct person p;
    (void)state;
    make_world(SECRET, NODES);
    p = third_person(0);
    until(is_calm);
    assert_int_equal(vxc_message_frame(hello_of(&p), VXC_FRAME_REQUEST, 1, &bytes), 0);
    const struct facts before = facts_of(0);
    for (size_t size = 0; size < bytes.size; size++) {
        struct caller c;

        assert_true(caller_dial(&c, world.ports[0], PATIENCE_S));
        assert_int_equal(send(c.fd, bytes.data, size, MSG_NOSIGNAL), (ssize_t)size);
        caller_hang_up(&c);
    }
    expect_same(0, &before);

    struct vxc_buffer vote = stranger_bytes(9);
    for (size_t size = 0; size < vote.size; size++) {
        struct caller c;

        p = third_person(0);
        assert_int_equal(enter(&c, 0, &p), 0);
        assert_int_equal(send(c.fd, vote.data, size, MSG_NOSIGNAL), (ssize_t)size);
        caller_hang_up(&c);
    }
    assert_int_equal(facts_of(0).term, before.term);
    p = third_person(0);
    assert_int_equal(knock(0, &p), 0); /* it is alive and welcomes as ever */
    vxc_buffer_free(&vote);
    vxc_buffer_free(&bytes);
    end_world();
}

/* ---- whom a node believes ---- */

/* Somebody dials the third node. */
static void accept_caller(struct caller *c)
{
    const struct timeval patience = {.tv_sec = PATIENCE_S};

    memset(c, 0, sizeof *c);
    do {
        c->fd = accept4(world.third_fd, NULL, NULL, SOCK_CLOEXEC);
    } while (c->fd < 0 && errno == EINTR); /* io_uring of a node in this process can do that */
    assert_true(c->fd >= 0);
    assert_int_equal(setsockopt(c->fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience), 0);
}

/* A node dials the third one: its hello, on an accepted connection. */
static void be_dialed_by(uint64_t node, struct caller *c, struct vxc_message *hello,
                         struct vxc_buffer *transcript)
{
    uint32_t id;

    memset(c, 0, sizeof *c);
    c->fd = -1;
    do { /* one that another member has begun is not looked at */
        caller_hang_up(c);
        accept_caller(c);
        assert_true(caller_next(c, hello, &id));
        assert_int_equal(hello->kind, VXC_KIND_PEER_HELLO);
    } while (hello->peer_hello.node_id != node);
    assert_int_equal(hello->peer_hello.target_id, THIRD);
    assert_int_equal(hello->peer_hello.life >> 32, 1);
    assert_int_not_equal(hello->peer_hello.incarnation, 0);
    vxc_buffer_clear(transcript);
    assert_int_equal(vxc_message_encode(hello, transcript), 0);
}

static void be_dialed(struct caller *c, struct vxc_message *hello, struct vxc_buffer *transcript)
{
    be_dialed_by(1, c, hello, transcript);
}

static void send_message(struct caller *c, const struct vxc_message *m)
{
    struct vxc_buffer out = {0};

    assert_int_equal(vxc_message_frame(m, VXC_FRAME_RESPONSE, 0, &out), 0);
    (void)send(c->fd, out.data, out.size, MSG_NOSIGNAL);
    vxc_buffer_free(&out);
}

static struct vxc_message challenge_of(struct person *p, const char *secret,
                                       struct vxc_buffer *transcript, uint8_t proof[32])
{
    struct vxc_message m = caller_message(VXC_KIND_PEER_CHALLENGE);

    m.peer_challenge.version = 1;
    m.peer_challenge.node_id = THIRD;
    m.peer_challenge.incarnation = INCARNATION;
    m.peer_challenge.life = LIFE;
    m.peer_challenge.nonce = vxc_slice(p->nonce, sizeof p->nonce);
    assert_int_equal(vxc_message_encode(&m, transcript), 0);
    transcript->size -= 4;
    hmac(secret, "vxc peer: the one that was dialed", transcript, proof);
    m.peer_challenge.proof = vxc_slice(proof, 32);
    return m;
}

static struct vxc_message for_ever_refused(void)
{
    struct vxc_message m = caller_message(VXC_KIND_ERROR_REPLY);

    m.error_reply.code = VXC_EFOREIGN;
    m.error_reply.message = vxc_slice_of_string("you lost your disk");
    return m;
}

static bool has_ended(void)
{
    return vxc_node_ended(world.members[0].node, NULL) != 0;
}

static void only_a_member_that_proved_itself_can_send_a_node_away(void **state)
{
    struct person p = third_person(0);
    struct vxc_message refusal = for_ever_refused();
    struct vxc_message m, challenge;
    struct vxc_buffer transcript = {0};
    struct vxc_error err = {0};
    struct caller c;
    uint8_t proof[32];
    uint32_t id;
    (void)state;
    make_world(SECRET, 1);

    be_dialed(&c, &m, &transcript); /* before anything was proved */
    send_message(&c, &refusal);
    assert_false(caller_next(&c, &m, &id));
    caller_hang_up(&c);

    be_dialed(&c, &m, &transcript); /* with a secret of its own */
    challenge = challenge_of(&p, "another secret of enough bytes", &transcript, proof);
    send_message(&c, &challenge);
    send_message(&c, &refusal);
    assert_false(caller_next(&c, &m, &id)); /* and gets no proof to learn from */
    caller_hang_up(&c);
    assert_int_equal(vxc_node_ended(world.members[0].node, &err), 0);

    be_dialed(&c, &m, &transcript);
    challenge = challenge_of(&p, SECRET, &transcript, proof);
    send_message(&c, &challenge);
    assert_true(caller_next(&c, &m, &id));
    assert_int_equal(m.kind, VXC_KIND_PEER_PROOF);
    hmac(SECRET, "vxc peer: the one that dialed", &transcript, proof);
    assert_true(vxc_slice_equal(m.peer_proof.proof, vxc_slice(proof, 32)));
    send_message(&c, &refusal);
    until(has_ended);
    assert_int_equal(vxc_node_ended(world.members[0].node, &err), VXC_EFOREIGN);
    assert_non_null(strstr(err.text, "you lost your disk"));
    caller_hang_up(&c);
    vxc_buffer_free(&transcript);
    end_world();
}

static void a_refusal_that_may_pass_is_tried_again(void **state)
{
    struct person p = third_person(0);
    struct vxc_message refusal = for_ever_refused();
    struct vxc_message m, challenge;
    struct vxc_buffer transcript = {0};
    struct caller c;
    uint8_t proof[32];
    uint32_t id;
    (void)state;
    make_world(SECRET, 1);
    refusal.error_reply.code = VXC_ENOTFOUND;
    for (int i = 0; i < 3; i++) {
        be_dialed(&c, &m, &transcript);
        challenge = challenge_of(&p, SECRET, &transcript, proof);
        send_message(&c, &challenge);
        assert_true(caller_next(&c, &m, &id));
        send_message(&c, &refusal);
        assert_false(caller_next(&c, &m, &id));
        caller_hang_up(&c);
    }
    assert_int_equal(vxc_node_ended(world.members[0].node, NULL), 0);
    vxc_buffer_free(&transcript);
    end_world();
}

/* ---- who stands still ---- */

static bool somebody_was_left(void)
{
    return atomic_load(&silences) > 0;
}

/* Welcomes the node that dials, which sends from now on. */
static void welcome(uint64_t node, struct caller *c)
{
    struct vxc_message greeting = caller_message(VXC_KIND_PEER_WELCOME);
    struct person p = third_person(0);
    struct vxc_message m, challenge;
    struct vxc_buffer transcript = {0};
    uint8_t proof[32];
    uint32_t id;

    be_dialed_by(node, c, &m, &transcript);
    challenge = challenge_of(&p, SECRET, &transcript, proof);
    send_message(c, &challenge);
    assert_true(caller_next(c, &m, &id));
    assert_int_equal(m.kind, VXC_KIND_PEER_PROOF);
    send_message(c, &greeting);
    vxc_buffer_free(&transcript);
}

/* Its machine takes what fits its buffers, and no more: nobody reads there. */
static void a_member_that_takes_nothing_is_left_and_dialed_anew(void **state)
{
    enum { PUTS = 24, VALUE = 512 * 1024 };
    static uint8_t value[VALUE];
    struct vxc_message put = caller_message(VXC_KIND_MAP_PUT);
    struct vxc_message m;
    struct caller client, deaf, again;
    uint64_t node;
    uint32_t id;
    int tries = 0;

    (void)state;
    election_timeout_ms = 2000; /* so that it is not TCP whose patience ends first */
    atomic_store(&silences, 0);
    make_world(SECRET, NODES);
    until(has_primary);
    node = (uint64_t)primary() + 1;
    welcome(node, &deaf);
    assert_true(caller_dial(&client, world.ports[node - 1], PATIENCE_S));
    put.map_put.map = vxc_slice_of_string("m");
    put.map_put.key = vxc_slice_of_string("k");
    put.map_put.value = vxc_slice(value, sizeof value);
    do { /* a primary is not ready at once */
        assert_true(tries++ < 1000);
        (void)poll(NULL, 0, 5);
        assert_true(caller_answer(&client, caller_post(&client, &put, false), &m));
    } while (m.kind != VXC_KIND_VALUE_REPLY);
    for (int i = 0; i < PUTS; i++) { /* the other two go on without it */
        assert_true(caller_answer(&client, caller_post(&client, &put, false), &m));
        assert_int_equal(m.kind, VXC_KIND_VALUE_REPLY);
    }
    until(somebody_was_left);
    welcome(node, &again);
    assert_true(caller_next(&again, &m, &id)); /* and is told what there is */
    caller_hang_up(&again);
    caller_hang_up(&deaf);
    caller_hang_up(&client);
    end_world();
    election_timeout_ms = 0;
}

/* ---- options against data ---- */

static void options_that_contradict_the_data_are_refused(void **state)
{
    struct member *m = &world.members[0];
    struct vxc_error err = {0};
    char other[200];
    (void)state;
    make_world(NULL, 1);
    vxc_node_free(m->node);

    (void)snprintf(other, sizeof other, "1=127.0.0.1:%u,2=127.0.0.1:%u", world.ports[0],
                   world.ports[1]);
    m->options.initial_cluster = other;
    assert_int_equal(start(m, &err), VXC_EINVAL);
    assert_non_null(strstr(err.text, "names other members"));
    (void)snprintf(other, sizeof other, "1=127.0.0.1:%u,2=127.0.0.1:%u,4=127.0.0.1:%u",
                   world.ports[0], world.ports[1], world.ports[2]);
    assert_int_equal(start(m, &err), VXC_EINVAL);
    assert_non_null(strstr(err.text, "names other members"));

    m->options.initial_cluster = world.initial; /* the same again is fine, and so is none */
    assert_int_equal(start(m, &err), 0);
    assert_int_equal(stats_of(m).members, 3);
    vxc_node_free(m->node);
    m->options.initial_cluster = NULL;
    m->options.port = world.ports[0];
    assert_int_equal(start(m, &err), 0);
    assert_int_equal(stats_of(m).members, 3);
    end_world();
}

static void a_node_with_a_cluster_of_its_own_cannot_join(void **state)
{
    struct member *m = &world.members[0];
    struct vxc_error err = {0};
    char join[40];
    (void)state;
    make_world(NULL, 0);
    (void)snprintf(m->data, sizeof m->data, "%s/1", world.root);
    m->options = vxc_node_options();
    m->options.data = m->data;
    m->options.on_log = drop_line;
    assert_int_equal(start(m, &err), 0);
    vxc_node_free(m->node);
    (void)snprintf(join, sizeof join, "127.0.0.1:%u", world.ports[2]);
    m->options.join = join;
    assert_int_equal(start(m, &err), VXC_EINVAL);
    assert_non_null(strstr(err.text, "needs an empty --data"));
    end_world();
}

/* It belongs to nobody: it waits, asks, and is told to be added. */
static void a_node_that_joins_waits_for_being_added(void **state)
{
    struct member *m = &world.members[0];
    struct vxc_error err = {0};
    struct vxc_message hello;
    struct vxc_message refusal = for_ever_refused();
    struct caller c;
    uint32_t id;
    char join[40];
    (void)state;
    make_world(NULL, 0);
    (void)snprintf(m->data, sizeof m->data, "%s/1", world.root);
    (void)snprintf(join, sizeof join, "127.0.0.1:%u", world.ports[2]);
    m->options = vxc_node_options();
    m->options.data = m->data;
    m->options.on_log = drop_line;
    m->options.join = join;
    assert_int_equal(start(m, &err), 0);
    assert_int_equal(stats_of(m).members, 0);
    refusal.error_reply.code = VXC_ENOTFOUND;
    for (int i = 0; i < 3; i++) {
        accept_caller(&c);
        assert_true(caller_next(&c, &hello, &id));
        assert_int_equal(hello.peer_hello.node_id, 1);
        assert_int_equal(hello.peer_hello.target_id, 0);
        assert_int_equal(hello.peer_hello.cluster_id.size, 0);
        assert_int_equal(hello.peer_hello.last_index, 0);
        send_message(&c, &refusal);
        assert_false(caller_next(&c, &hello, &id));
        caller_hang_up(&c);
    }
    assert_string_equal(stats_of(m).role, "standby");
    assert_int_equal(vxc_node_ended(m->node, NULL), 0);
    end_world();
}

/* ---- a full house ---- */

enum { PLACES = 5, STRANGERS = 3 * VXC_CONN_GUESTS_MAX };

static bool is_served(struct caller *c)
{
    const struct vxc_message ping = caller_message(VXC_KIND_PING);
    struct vxc_message m;

    return caller_answer(c, caller_post(c, &ping, false), &m);
}

static bool first_is_full(void)
{
    return stats_of(&world.members[0]).connections == PLACES;
}

static bool both_are_connected(void)
{
    return stats_of(&world.members[0]).peers_connected >= 1 &&
           stats_of(&world.members[1]).peers_connected >= 1;
}

static bool none_is_connected(void)
{
    return stats_of(&world.members[0]).peers_connected == 0;
}

static void a_node_full_of_clients_lets_members_in(void **state)
{
    static struct caller strangers[STRANGERS];
    struct caller clients[PLACES];
    struct caller late;
    struct person p;
    struct vxc_error err = {0};

    (void)state;
    connections_max = PLACES;
    make_world(SECRET, NODES);
    until(both_are_connected);
    for (int i = 0; i < PLACES; i++) { /* members have left all places to them */
        assert_true(caller_dial(&clients[i], world.ports[0], PATIENCE_S));
        assert_true(is_served(&clients[i]));
    }
    assert_true(first_is_full());
    for (int i = 0; i < STRANGERS; i++) {
        assert_true(caller_dial(&strangers[i], world.ports[0], PATIENCE_S));
    }
    p = third_person(1);
    assert_int_equal(knock(0, &p), 0);

    vxc_node_free(world.members[1].node);
    until(none_is_connected);
    assert_int_equal(start(&world.members[1], &err), 0);
    until(both_are_connected);
    until(has_primary);

    assert_true(caller_dial(&late, world.ports[0], PATIENCE_S));
    assert_false(is_served(&late)); /* one client more is one too many … */
    caller_hang_up(&late);
    for (int i = 0; i < PLACES; i++) {
        assert_true(is_served(&clients[i])); /* … and nobody else suffers */
        caller_hang_up(&clients[i]);
    }
    assert_in_range(stats_of(&world.members[0]).connections_refused_total,
                    STRANGERS - VXC_CONN_GUESTS_MAX, UINT32_MAX);
    for (int i = 0; i < STRANGERS; i++) {
        caller_hang_up(&strangers[i]);
    }
    end_world();
    connections_max = 0;
}

/* A process that may open few files has fewer clients, but still a log. */
static void connections_are_bounded_by_the_descriptors_that_there_are(void **state)
{
    const struct vxc_message question = caller_message(VXC_KIND_STATUS);
    struct vxc_message m;
    struct rlimit before;
    struct rlimit few;
    struct caller c;
    char status[16384];

    (void)state;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    few = before;
    few.rlim_cur = 1000;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
    make_world(SECRET, 1);
    assert_true(caller_dial(&c, world.ports[0], PATIENCE_S));
    assert_true(caller_answer(&c, caller_post(&c, &question, false), &m));
    (void)snprintf(status, sizeof status, "%.*s", (int)m.value_reply.value.bytes.size,
                   (const char *)m.value_reply.value.bytes.data);
    if (strstr(status, "\"connections\":{\"limit\":808,") == NULL) {
        fail_msg("%s", status);
    }
    caller_hang_up(&c);
    end_world();
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_member_is_welcome),
        cmocka_unit_test(without_a_secret_proofs_are_empty),
        cmocka_unit_test(who_is_not_meant_or_does_not_fit_is_told_why),
        cmocka_unit_test(a_hello_of_versions_to_come_can_be_read),
        cmocka_unit_test(who_knows_the_cluster_may_be_a_member_that_is_not_known_yet),
        cmocka_unit_test(a_wiped_or_rolled_back_disk_is_recognised),
        cmocka_unit_test(a_second_node_of_the_same_id_does_not_get_in_beside_the_first),
        cmocka_unit_test(a_new_connection_ends_the_old_one),
        cmocka_unit_test(a_stranger_changes_nothing),
        cmocka_unit_test(nonsense_of_a_member_ends_its_connection),
        cmocka_unit_test(a_word_of_a_later_release_is_passed_over),
        cmocka_unit_test(frames_that_end_anywhere_change_nothing),
        cmocka_unit_test(only_a_member_that_proved_itself_can_send_a_node_away),
        cmocka_unit_test(a_refusal_that_may_pass_is_tried_again),
        cmocka_unit_test(a_member_that_takes_nothing_is_left_and_dialed_anew),
        cmocka_unit_test(options_that_contradict_the_data_are_refused),
        cmocka_unit_test(a_node_with_a_cluster_of_its_own_cannot_join),
        cmocka_unit_test(a_node_that_joins_waits_for_being_added),
        cmocka_unit_test(a_node_full_of_clients_lets_members_in),
        cmocka_unit_test(connections_are_bounded_by_the_descriptors_that_there_are),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
