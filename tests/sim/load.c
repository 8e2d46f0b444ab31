#include "load.h"

#include "check.h"
#include "world.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    REQUEST_MS = 27, /* between requests of one client, on average */
    BUSY_MS = 200,   /* between bursts of a client that asks often and little, on average … */
    LAZY_MS = 1000,  /* … and of one that collects what it has to ask: an entry holds more then */
    BUSY_PER_MILLE = 250,
    PENDING_MAX = 96,
    DEADLINE_MS = 6000,
    VALUES = 200,
    TOKENS = 16,
};

struct load {
    struct op *free_ops;
    unsigned burst_ms; /* between bursts, on average */
    unsigned pending;
    bool stopped;
    bool wants_session; /* none is open or on its way */
    uint64_t session;
    bool watches; /* asked for in this session */
    char node_name[16];
    unsigned sessions;
    struct held {
        char name[8];
        uint64_t token;
        uint64_t sequence; /* of the acquire */
    } held[TOKENS];
    uint64_t acquires[TOKENS]; /* sequences that may still wait */
    unsigned acquire_at;
    struct {
        char name[8];
        uint64_t sequence;
    } cancels[TOKENS]; /* acquires that were given up, but may still stand in a queue */
    unsigned cancel_count;
};

static struct stream *chance(const struct client *client)
{
    return &client->world->load;
}

/* ---- sessions ---- */

static void on_session(void *data, int code, const char *text)
{
    struct client *client = data;
    struct load *load = client->load;

    (void)text;
    if (code != 0) {
        load->wants_session = true;
        return;
    }
    load->session = vxc_core_session(client->core, NULL);
    load->watches = false;
    sim_trace(client->world, SIM_TRACE_SESSION, client->number, load->session, 0, 0);
    check_session_open(client->world, client->number, load->session);
}

static void want_session(struct client *client)
{
    static const uint32_t timeouts[] = {3000, 6000, 20000};
    struct load *load = client->load;
    char name[32];

    load->wants_session = false;
    load->session = 0;
    memset(load->held, 0, sizeof load->held);
    memset(load->acquires, 0, sizeof load->acquires);
    load->cancel_count = 0;
    vxc_core_forget_session(client->core);
    load->sessions++;
    (void)snprintf(name, sizeof name, "c%u", client->number);
    (void)snprintf(load->node_name, sizeof load->node_name, "n%u", client->number);
    if (vxc_core_want_session(client->core, 0, vxc_slice(NULL, 0), 1,
                              timeouts[sim_draw(chance(client), 3)], vxc_slice_of_string(name),
                              client, on_session) != 0) {
        load->wants_session = true;
    }
}

void load_on_notice(struct client *client, const struct vxc_notice *notice)
{
    struct load *load = client->load;

    sim_trace(client->world, SIM_TRACE_NOTICE, client->number, (uint64_t)notice->type,
              notice->index, notice->id);
    switch (notice->type) {
    case VXC_NOTICE_SESSION_EXPIRED:
    case VXC_NOTICE_SESSION_CLOSED:
        if (load->session != 0) {
            client->world->counts.sessions_lost++;
            check_session_lost(client->world, client->number, load->session);
        }
        load->wants_session = true;
        load->session = 0;
        break;
    case VXC_NOTICE_RESYNC:
        client->world->counts.resyncs++;
        check_resync(client->world, client->number);
        break;
    case VXC_NOTICE_LOCK_LOST:
    case VXC_NOTICE_LOCK_QUEUED:
    case VXC_NOTICE_SESSION_DOUBTFUL:
    case VXC_NOTICE_CONNECTED:
    case VXC_NOTICE_DISCONNECTED:
        break;
    default:
        client->world->counts.notices++;
        check_notice(client->world, client->number, load->session, notice);
        break;
    }
}

/* ---- replies ---- */

static void note_lock(struct load *load, const struct op *op, const struct vxc_reply *reply)
{
    if (op->kind == VXC_CALL_LOCK_ACQUIRE && reply->found) {
        for (unsigned i = 0; i < TOKENS; i++) {
            if (load->held[i].token == 0) {
                (void)snprintf(load->held[i].name, sizeof load->held[i].name, "%s", op->name);
                load->held[i].token = reply->token;
                load->held[i].sequence = reply->sequence;
                return;
            }
        }
    }
}

/* Its time was over before the lock's wait was: it is to leave the queue. */
static void note_given_up(struct load *load, const struct op *op, const struct vxc_reply *reply)
{
    if (op->kind == VXC_CALL_LOCK_ACQUIRE && load->cancel_count < TOKENS) {
        (void)snprintf(load->cancels[load->cancel_count].name, sizeof op->name, "%s", op->name);
        load->cancels[load->cancel_count++].sequence = reply->sequence;
    }
}

static void on_reply(void *data, const struct vxc_reply *reply)
{
    struct op *op = data;
    struct client *client = op->client;
    struct load *load = client->load;
    struct world *world = client->world;

    sim_trace(world, SIM_TRACE_REPLY, client->number, reply->sequence, (uint64_t)-reply->code,
              reply->index);
    load->pending--;
    switch (reply->code) {
    case 0:
        world->counts.acknowledged++;
        note_lock(load, op, reply);
        break;
    case VXC_ETIMEOUT:
        note_given_up(load, op, reply);
        /* fallthrough */
    case VXC_EUNKNOWN:
    case VXC_ECANCELED:
        world->counts.unknown++;
        break;
    default:
        world->counts.refused++;
        break;
    }
    check_reply(world, op, reply);
    op->next = load->free_ops;
    load->free_ops = op;
}

static struct op *new_op(struct client *client)
{
    struct load *load = client->load;
    struct op *op = load->free_ops;

    if (op != NULL) {
        load->free_ops = op->next;
    } else {
        op = malloc(sizeof *op);
        if (op == NULL) {
            sim_broken("out of memory");
        }
    }
    *op = (struct op){.client = client};
    return op;
}

static void keep_text(char *out, size_t room, struct vxc_bytes text)
{
    const size_t size = text.size < room ? text.size : room - 1;

    if (size > 0) {
        memcpy(out, text.data, size);
    }
    out[size] = '\0';
}

static void submit(struct client *client, const struct vxc_request *request, bool is_read,
                   bool is_probe)
{
    struct load *load = client->load;
    struct world *world = client->world;
    struct op *op = new_op(client);
    struct vxc_error err = {0};
    const uint64_t now_ms = client_now_ms(client);
    int rv;

    op->kind = request->operation;
    op->flags = request->flags;
    op->is_read = is_read;
    op->is_probe = is_probe;
    op->session = load->session;
    op->begun_ns = world->now_ns;
    op->floor_index = check_floor(world);
    keep_text(op->name, sizeof op->name, request->name);
    keep_text(op->key, sizeof op->key,
              request->operation >= VXC_CALL_SET_ADD && request->operation <= VXC_CALL_SET_CONTAINS
                  ? request->value
                  : request->key);
    rv = vxc_core_submit(client->core, request, now_ms, now_ms + DEADLINE_MS, op, on_reply, &err);
    if (rv != 0) {
        op->next = load->free_ops;
        load->free_ops = op;
        if (rv != VXC_ESESSION && rv != VXC_EBUSY) {
            sim_violation(world, "client %u: the core refuses a request: %s", client->number,
                          err.text);
        }
        return;
    }
    sim_trace(world, SIM_TRACE_SUBMIT, client->number, (uint64_t)request->operation, load->session,
              0);
    load->pending++;
    world->counts.submitted++;
    world->counts.reads += is_read;
}

/* ---- requests ---- */

/* Texts of a request: small, and from few, so that requests meet. */
struct words {
    char name[8], key[8], value[8], expected[8];
};

static struct vxc_bytes word(char *out, const char *prefix, uint64_t number)
{
    /* a hundred thousand in a run: by hand, and below 1000 */
    char *at = stpcpy(out, prefix);

    if (number >= 100) {
        *at++ = (char)('0' + number / 100);
    }
    if (number >= 10) {
        *at++ = (char)('0' + number / 10 % 10);
    }
    *at++ = (char)('0' + number % 10);
    *at = '\0';
    return vxc_bytes(out, (size_t)(at - out));
}

static bool make_map(struct stream *s, struct vxc_request *r, struct words *w)
{
    static const int writes[] = {VXC_CALL_MAP_PUT,        VXC_CALL_MAP_PUT,
                                 VXC_CALL_MAP_PUT,        VXC_CALL_MAP_REMOVE,
                                 VXC_CALL_MAP_REPLACE,    VXC_CALL_MAP_PUT_IF_ABSENT,
                                 VXC_CALL_MAP_REPLACE_IF, VXC_CALL_MAP_REMOVE_IF};
    const bool read = sim_chance(s, 450);

    *r = vxc_request(read ? VXC_CALL_MAP_GET : writes[sim_draw(s, 8)]);
    r->name = word(w->name, "m", sim_draw(s, 2));
    r->key = word(w->key, "k", sim_draw(s, 12));
    if (!read) {
        r->value = word(w->value, "v", sim_draw(s, VALUES));
        r->expected = word(w->expected, "v", sim_draw(s, VALUES));
        r->flags = sim_chance(s, 500) ? VXC_REQUEST_WANT_OLD : 0;
        r->ttl_ms =
            r->operation == VXC_CALL_MAP_PUT && sim_chance(s, 200) ? sim_between(s, 50, 3000) : 0;
    }
    return read;
}

static bool make_counter(struct stream *s, struct vxc_request *r, struct words *w)
{
    const bool read = sim_chance(s, 400);

    *r = vxc_request(read                 ? VXC_CALL_COUNTER_GET
                     : sim_chance(s, 850) ? VXC_CALL_COUNTER_ADD
                                          : VXC_CALL_COUNTER_COMPARE_AND_SET);
    r->name = word(w->name, "c", sim_draw(s, 3));
    r->number = (int64_t)sim_draw(s, 5) - 1;
    r->expected_number = (int64_t)sim_draw(s, 20);
    r->flags =
        r->operation == VXC_CALL_COUNTER_ADD && sim_chance(s, 300) ? VXC_REQUEST_WANT_OLD : 0;
    return read;
}

static bool make_set(struct stream *s, struct vxc_request *r, struct words *w)
{
    static const int kinds[] = {VXC_CALL_SET_CONTAINS, VXC_CALL_SET_ADD, VXC_CALL_SET_REMOVE};

    *r = vxc_request(kinds[sim_draw(s, 3)]);
    r->name = word(w->name, "s", sim_draw(s, 2));
    r->value = word(w->value, "e", sim_draw(s, 10));
    return r->operation == VXC_CALL_SET_CONTAINS;
}

static void make_lock(struct client *client, struct vxc_request *r, struct words *w)
{
    static const int64_t waits[] = {0, 100, 500, 2000, 5000, -1};
    struct load *load = client->load;
    struct stream *s = chance(client);

    for (unsigned i = 0; i < TOKENS; i++) {
        if (load->held[i].token != 0 && sim_chance(s, 600)) {
            *r = vxc_request(VXC_CALL_LOCK_RELEASE);
            (void)snprintf(w->name, sizeof w->name, "%s", load->held[i].name);
            r->name = vxc_text(w->name);
            r->id = sim_chance(s, 800) ? load->held[i].token : 0;
            load->held[i].token = 0;
            return;
        }
    }
    r->name = word(w->name, "l", sim_draw(s, 3));
    if (sim_chance(s, 100) && load->acquires[load->acquire_at % TOKENS] != 0) {
        *r = vxc_request(VXC_CALL_LOCK_CANCEL);
        r->name = vxc_text(w->name);
        r->id = load->acquires[sim_draw(s, TOKENS)];
        return;
    }
    *r = vxc_request(VXC_CALL_LOCK_ACQUIRE);
    r->name = vxc_text(w->name);
    r->number = waits[sim_draw(s, 6)];
    load->acquires[++load->acquire_at % TOKENS] = vxc_core_sequence(client->core);
}

static void make_registration(struct client *client, struct vxc_request *r, struct words *w)
{
    struct stream *s = chance(client);

    *r = vxc_request(sim_chance(s, 600) ? VXC_CALL_REGISTRATION_ADD : VXC_CALL_REGISTRATION_REMOVE);
    r->name = word(w->name, "a", sim_draw(s, 4));
    r->key = vxc_text(client->load->node_name);
    r->id = sim_draw(s, 4);
    r->value = word(w->value, "d", sim_draw(s, 8));
}

/* Some clients only look. Behind a write that nobody answers a read waits, too, so they are the ones
 * who would be told by a primary that is none any more what it still believes. */
static bool only_reads(const struct client *client)
{
    return client->number % 3 == 2;
}

static void make_read(struct stream *s, struct vxc_request *r, struct words *w)
{
    static const int kinds[] = {VXC_CALL_MAP_GET, VXC_CALL_MAP_GET, VXC_CALL_COUNTER_GET,
                                VXC_CALL_SET_CONTAINS};

    *r = vxc_request(kinds[sim_draw(s, 4)]);
    if (r->operation == VXC_CALL_MAP_GET) {
        r->name = word(w->name, "m", sim_draw(s, 2));
        r->key = word(w->key, "k", sim_draw(s, 12));
    } else if (r->operation == VXC_CALL_COUNTER_GET) {
        r->name = word(w->name, "c", sim_draw(s, 3));
    } else {
        r->name = word(w->name, "s", sim_draw(s, 2));
        r->value = word(w->value, "e", sim_draw(s, 10));
    }
}

static void ask(struct client *client)
{
    struct stream *s = chance(client);
    const uint64_t what = sim_draw(s, 100);
    struct vxc_request r = vxc_request(0);
    struct words w = {{0}, {0}, {0}, {0}};
    bool read = false;

    if (only_reads(client)) {
        make_read(s, &r, &w);
        read = true;
    } else if (what < 52) {
        read = make_map(s, &r, &w);
    } else if (what < 74) {
        read = make_counter(s, &r, &w);
    } else if (what < 87) {
        read = make_set(s, &r, &w);
    } else if (what < 95) {
        make_lock(client, &r, &w);
    } else {
        make_registration(client, &r, &w);
    }
    if (read && sim_chance(s, 200)) {
        r.flags |= VXC_REQUEST_STALE;
        client->world->counts.stale_reads++;
    }
    if (client->load->session == 0 && !read) {
        return; /* without a session nobody could tell whether it took effect */
    }
    submit(client, &r, read, false);
}

static void cancel(struct client *client)
{
    struct load *load = client->load;

    while (load->cancel_count > 0) {
        struct vxc_request r = vxc_request(VXC_CALL_LOCK_CANCEL);

        load->cancel_count--;
        r.name = vxc_text(load->cancels[load->cancel_count].name);
        r.id = load->cancels[load->cancel_count].sequence;
        submit(client, &r, false, false);
    }
}

static void watch(struct client *client)
{
    static const struct {
        int what;
        const char *name;
        const char *key;
    } watches[] = {{VXC_WATCHED_MAP, "m0", NULL},          {VXC_WATCHED_MAP, "m1", "k3"},
                   {VXC_WATCHED_COUNTER, "c0", NULL},      {VXC_WATCHED_SET, "s1", NULL},
                   {VXC_WATCHED_LOCK, "l1", NULL},         {VXC_WATCHED_MEMBERS, NULL, NULL},
                   {VXC_WATCHED_REGISTRATIONS, NULL, NULL}};
    struct vxc_request r = vxc_request(VXC_CALL_NODE_JOIN);

    client->load->watches = true;
    r.key = vxc_text(client->load->node_name);
    r.value = vxc_text("info");
    submit(client, &r, false, false);
    for (unsigned i = 0; i < sizeof watches / sizeof watches[0]; i++) {
        if (!sim_chance(chance(client), 400)) {
            continue;
        }
        r = vxc_request(VXC_CALL_WATCH_ADD);
        r.what = watches[i].what;
        r.name = watches[i].name == NULL ? r.name : vxc_text(watches[i].name);
        r.key = watches[i].key == NULL ? r.key : vxc_text(watches[i].key);
        submit(client, &r, false, false);
    }
}

static void on_burst(struct world *world, void *subject, uint64_t number)
{
    struct client *client = subject;
    struct load *load = client->load;

    (void)number;
    if (load->stopped) {
        return;
    }
    sim_after(world, sim_between(chance(client), 1, 2 * load->burst_ms) * SIM_MS, on_burst, client,
              0);
    if (world->now_ns < client->stopped_until_ns) {
        return;
    }
    if (load->session != 0 && !load->watches) {
        watch(client);
    }
    if (load->session != 0) {
        cancel(client);
    }
    for (uint64_t n = sim_between(chance(client), 1, 2 * load->burst_ms / REQUEST_MS);
         n > 0 && load->pending < PENDING_MAX; n--) {
        ask(client);
    }
    if (load->session != 0 && load->pending == 0 && sim_chance(chance(client), 20)) {
        /* leaves without a word; requests under way would go on in the next session */
        vxc_core_forget_session(client->core);
        load->wants_session = true;
        load->session = 0;
    }
    client_turn(client);
}

void load_begin(struct client *client)
{
    client->load = calloc(1, sizeof *client->load);
    if (client->load == NULL) {
        sim_broken("out of memory");
    }
    client->load->wants_session = true;
    client->load->burst_ms = sim_chance(chance(client), BUSY_PER_MILLE) ? BUSY_MS : LAZY_MS;
    sim_after(client->world, sim_draw(chance(client), client->load->burst_ms) * SIM_MS, on_burst,
              client, 0);
}

void load_stop(struct client *client)
{
    client->load->stopped = true;
}

void load_after_turn(struct client *client)
{
    if (client->load->wants_session) {
        want_session(client);
    }
}

void load_probe(struct client *client)
{
    struct vxc_request r = vxc_request(VXC_CALL_COUNTER_ADD);

    r.name = vxc_text("c9");
    r.number = 1;
    if (client->load->session != 0) {
        submit(client, &r, false, true);
        client_turn(client);
    }
}

unsigned load_pending(const struct client *client)
{
    return client->load->pending;
}
