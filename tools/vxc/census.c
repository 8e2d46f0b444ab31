#include "tools/vxc/census.h"

#include "base/clock.h"
#include "base/error.h"

#include <poll.h>
#include <stdlib.h>

/* What is said of each member, in this order: numbers but for the last two. */
static const char *const fields[] = {
    "term",         "commit_index",     "applied_index", "last_index",   "lmdb_applied_index",
    "digest_index", "checkpoint_index", "uptime_ms",     "state_digest", "checkpoint_digest",
    "version"};

#define FIELDS_COUNT (sizeof fields / sizeof fields[0])

uint64_t vxc_census_number(const json_t *status, const char *name)
{
    const json_t *value = json_object_get(status, name);
    return json_is_integer(value) ? (uint64_t)json_integer_value(value) : 0;
}

/* ---- whom to ask ---- */

static void add_row(struct vxc_census *census, uint64_t id, const char *address)
{
    for (size_t i = 0; i < census->count; i++) {
        if (address[0] != '\0' && strcmp(census->rows[i].address, address) == 0) {
            return;
        }
    }
    if (census->count < VXC_CENSUS_MAX) {
        struct vxc_census_row *row = &census->rows[census->count++];
        *row = (struct vxc_census_row){.id = id};
        (void)snprintf(row->address, sizeof row->address, "%s", address);
    }
}

static void add_endpoints(struct vxc_census *census, const char *list)
{
    for (const char *at = list;; at++) {
        const size_t size = strcspn(at, ",");
        char address[VXC_MEMBER_ADDRESS_SIZE];
        if (size < sizeof address) {
            memcpy(address, at, size);
            address[size] = '\0';
            add_row(census, 0, address);
        }
        at += size;
        if (*at == '\0') {
            return;
        }
    }
}

/* ---- asking ---- */

/* One node that is being asked. */
struct question {
    struct vxc_client *client; /* NULL = nobody to ask */
    bool done;
    json_t *status;
};

static void on_status(void *data, const struct vxc_reply *reply)
{
    struct question *q = data;

    q->done = true;
    if (reply->code == VXC_OK) {
        q->status = json_loadb(reply->value.data, reply->value.size, JSON_ALLOW_NUL, NULL);
    }
}

static int ask(struct vxc_cli *cli, const char *address, uint64_t timeout_ms, struct question *q)
{
    struct vxc_client_options options = vxc_client_options();
    struct vxc_request request = vxc_request(VXC_CALL_STATUS);
    int rc;

    options.endpoints = address;
    options.client_name = "vxc status";
    request.timeout_ms = (int64_t)timeout_ms;
    *q = (struct question){.done = true};
    rc = vxc_client_create(&options, &q->client);
    if (rc == VXC_EADDRESS) {
        return 0; /* a member whose address is not known */
    }
    if (rc == VXC_OK) {
        vxc_client_stay(q->client);
        q->done = false;
        rc = vxc_client_submit(q->client, &request, q, on_status);
    }
    return rc == VXC_OK ? 0 : vxc_cli_fail_code(cli, rc, "");
}

/* A place where nobody listens is not asked a second time. */
static bool is_over(const struct question *q)
{
    return q->done || (!vxc_client_reached(q->client) && vxc_client_message(q->client)[0] != '\0');
}

/* A turn of all; false when nothing is left to wait for. */
static bool wait_for_answers(struct question *questions, size_t count)
{
    struct pollfd fds[VXC_CENSUS_MAX];
    int64_t timeout_ms = -1;
    nfds_t open = 0;

    for (size_t i = 0; i < count; i++) {
        struct question *q = &questions[i];
        if (q->done) {
            continue;
        }
        (void)vxc_client_dispatch(q->client);
        if (is_over(q)) {
            q->done = true;
            continue;
        }
        const int64_t own_ms = vxc_client_timeout_ms(q->client);
        timeout_ms = own_ms >= 0 && (timeout_ms < 0 || own_ms < timeout_ms) ? own_ms : timeout_ms;
        fds[open++] = (struct pollfd){.fd = vxc_client_fd(q->client),
                                      .events = vxc_client_poll_events(q->client)};
    }
    if (open > 0) {
        (void)poll(fds, open, (int)timeout_ms); /* each has its deadline */
    }
    return open > 0;
}

/* What one node is known by twice becomes one row; its own name for itself counts. */
static void settle(struct vxc_census *census)
{
    size_t kept = 0;

    for (size_t i = 0; i < census->count; i++) {
        struct vxc_census_row *row = &census->rows[i];
        bool known = false;
        if (row->status != NULL) {
            row->id = vxc_census_number(row->status, "node_id");
        }
        for (size_t k = 0; row->id != 0 && k < kept; k++) {
            struct vxc_census_row *other = &census->rows[k];
            if (other->id == row->id) {
                known = true;
                if (other->status == NULL) { /* it answers under the other name only */
                    other->status = row->status;
                    row->status = NULL;
                }
            }
        }
        if (known) {
            json_decref(row->status);
        } else {
            census->rows[kept++] = *row;
        }
    }
    census->count = kept;
}

static int by_id(const void *a, const void *b)
{
    /* the nameless last */
    const uint64_t x = ((const struct vxc_census_row *)a)->id - 1;
    const uint64_t y = ((const struct vxc_census_row *)b)->id - 1;

    return (x > y) - (x < y);
}

int vxc_census_take(struct vxc_cli *cli, const struct vxc_members *members,
                    struct vxc_census *census)
{
    const uint64_t timeout_ms = cli->timeout_ms < VXC_CENSUS_MS ? cli->timeout_ms : VXC_CENSUS_MS;
    struct question questions[VXC_CENSUS_MAX];
    size_t asked = 0;
    int rc = 0;

    census->count = 0;
    for (size_t i = 0; i < members->count; i++) {
        add_row(census, members->list[i].id, members->list[i].address);
    }
    add_endpoints(census, cli->endpoints);
    for (; rc == 0 && asked < census->count; asked++) {
        rc = ask(cli, census->rows[asked].address, timeout_ms, &questions[asked]);
    }
    while (rc == 0 && wait_for_answers(questions, asked)) {
    }
    for (size_t i = 0; i < asked; i++) {
        vxc_client_free(questions[i].client); /* ends what is under way: on_status once more */
        census->rows[i].status = questions[i].status;
    }
    settle(census);
    qsort(census->rows, census->count, sizeof census->rows[0], by_id);
    return rc;
}

json_t *vxc_census_ask(struct vxc_cli *cli, const char *address, uint64_t timeout_ms)
{
    struct question q;

    if (ask(cli, address, timeout_ms, &q) == 0) {
        while (wait_for_answers(&q, 1)) {
        }
    }
    vxc_client_free(q.client); /* ends what is under way: on_status once more */
    return q.status;
}

void vxc_census_free(struct vxc_census *census)
{
    for (size_t i = 0; i < census->count; i++) {
        json_decref(census->rows[i].status);
    }
    census->count = 0;
}

/* ---- showing ---- */

static const char *role_of(const struct vxc_census_row *row)
{
    const char *role = json_string_value(json_object_get(row->status, "role"));
    return role == NULL ? "unreachable" : role;
}

json_t *vxc_census_json(const struct vxc_census *census)
{
    json_t *list = json_array();

    for (size_t i = 0; i < census->count; i++) {
        const struct vxc_census_row *row = &census->rows[i];
        json_t *member = json_object();
        (void)json_object_set_new(member, "id",
                                  row->id == 0 ? json_null() : json_integer((json_int_t)row->id));
        (void)json_object_set_new(member, "address", json_string(row->address));
        (void)json_object_set_new(member, "role", json_string(role_of(row)));
        for (size_t f = 0; f < FIELDS_COUNT; f++) {
            json_t *value = json_object_get(row->status, fields[f]);
            if (value != NULL || row->status == NULL) {
                (void)json_object_set_new(member, fields[f],
                                          value == NULL ? json_null() : json_incref(value));
            }
        }
        (void)json_array_append_new(list, member); /* out of memory shortens a status */
    }
    return list;
}

void vxc_census_show(struct vxc_cli *cli, const struct vxc_census *census)
{
    static const char *const columns[] = {
        "id",           "address",      "role",    "term", "commit_index", "applied_index",
        "digest_index", "state_digest", "version", NULL};
    static const char *const numbers[] = {"term", "commit_index", "applied_index", "digest_index"};

    vxc_out_begin(&cli->out, columns);
    for (size_t i = 0; i < census->count; i++) {
        const struct vxc_census_row *row = &census->rows[i];
        const char *text;
        if (row->id != 0) {
            vxc_out_u64(&cli->out, row->id);
        } else {
            vxc_out_null(&cli->out);
        }
        vxc_out_text(&cli->out, row->address);
        vxc_out_text(&cli->out, role_of(row));
        for (size_t n = 0; n < sizeof numbers / sizeof numbers[0]; n++) {
            if (row->status == NULL) {
                vxc_out_null(&cli->out);
            } else {
                vxc_out_u64(&cli->out, vxc_census_number(row->status, numbers[n]));
            }
        }
        text = json_string_value(json_object_get(row->status, "state_digest"));
        vxc_out_text(&cli->out, text == NULL ? "" : text);
        text = json_string_value(json_object_get(row->status, "version"));
        vxc_out_text(&cli->out, text == NULL ? "" : text);
        vxc_out_end_row(&cli->out);
    }
    vxc_out_end(&cli->out);
}
