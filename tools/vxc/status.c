/* status, ping, version. */
#include "base/clock.h"
#include "base/error.h"

#include "tools/vxc/census.h"
#include "tools/vxc/text.h"

#include <inttypes.h>
#include <poll.h>
#include <stdlib.h>

enum { CHECKPOINT_POLL_MS = 50 };

/* ---- status ---- */

/* A scalar as people read it; objects and lists as JSON. */
static void show_member(struct vxc_cli *cli, const char *name, const json_t *value)
{
    vxc_out_text(&cli->out, name);
    if (json_is_string(value)) {
        vxc_out_text(&cli->out, json_string_value(value));
    } else {
        char *text = json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY);
        vxc_out_text(&cli->out, text == NULL ? "" : text);
        free(text);
    }
    vxc_out_end_row(&cli->out);
}

/* A group of members, one line each: "log.segments". */
static void show_group(struct vxc_cli *cli, const char *group, json_t *members)
{
    const char *name;
    json_t *value;

    json_object_foreach(members, name, value)
    {
        char path[128];

        (void)snprintf(path, sizeof path, "%s.%s", group, name);
        show_member(cli, path, value);
    }
}

static void show_bounds(struct vxc_cli *cli, json_t *bounds)
{
    static const char *const columns[] = {"bound", "used", "limit", "percent", NULL};
    const char *name;
    json_t *bound;

    vxc_out_begin(&cli->out, columns);
    json_object_foreach(bounds, name, bound)
    {
        const uint64_t used = vxc_census_number(bound, "used"),
                       limit = vxc_census_number(bound, "limit");
        vxc_out_text(&cli->out, name);
        vxc_out_u64(&cli->out, used);
        vxc_out_u64(&cli->out, limit);
        vxc_out_u64(&cli->out, limit == 0 ? 0 : (uint64_t)((double)used / (double)limit * 100));
        vxc_out_end_row(&cli->out);
    }
    vxc_out_end(&cli->out);
}

static void show_friendly(struct vxc_cli *cli, const struct vxc_census *census, json_t *status)
{
    static const char *const columns[] = {"what", "value", NULL};
    const bool table = cli->out.mode == VXC_OUT_TABLE;
    const char *name;
    json_t *value;

    if (table) {
        vxc_census_show(cli, census);
        vxc_out_plain(&cli->out, vxc_slice_of_string("\n"));
    }
    vxc_out_begin(&cli->out, columns);
    json_object_foreach(status, name, value)
    {
        if (!table || !(json_is_object(value) || json_is_array(value))) {
            show_member(cli, name, value);
        } else if (json_is_object(value) && strcmp(name, "bounds") != 0) {
            show_group(cli, name, value);
        }
    }
    vxc_out_end(&cli->out);
    value = json_object_get(status, "bounds");
    if (value != NULL && table) {
        vxc_out_plain(&cli->out, vxc_slice_of_string("\n"));
        show_bounds(cli, value);
    }
}

static int show_json(struct vxc_cli *cli, const json_t *status)
{
    char *text = json_dumps(status, JSON_COMPACT);

    if (text == NULL) {
        return vxc_cli_fail_code(cli, VXC_ENOMEM, "");
    }
    vxc_out_plain(&cli->out, vxc_slice_of_string(text));
    vxc_out_plain(&cli->out, vxc_slice_of_string("\n"));
    free(text);
    return VXC_EXIT_DONE;
}

/* ---- a checkpoint, and whether all members have the same state there ---- */

struct checkpoint {
    uint64_t index;
    bool reached;    /* every member that answers has written its state there or later … */
    bool comparable; /* … all of them at the same place … */
    bool equal;      /* … with the same digest */
};

/* Where a node's state has last been written as a whole, and its digest there: at a checkpoint, else
 * at the last commit. */
static uint64_t digest_of(const json_t *status, uint64_t at_least, const char **digest)
{
    const uint64_t index = vxc_census_number(status, "checkpoint_index");

    if (index >= at_least && index > 0) {
        *digest = json_string_value(json_object_get(status, "checkpoint_digest"));
        return *digest == NULL ? 0 : index;
    }
    *digest = json_string_value(json_object_get(status, "state_digest"));
    return *digest == NULL ? 0 : vxc_census_number(status, "digest_index");
}

static void compare_digests(const struct vxc_census *census, struct checkpoint *c)
{
    const char *first = NULL, *digest;
    uint64_t first_index = 0;

    c->reached = c->comparable = c->equal = true;
    for (size_t i = 0; i < census->count; i++) {
        if (census->rows[i].status == NULL) {
            continue;
        }
        const uint64_t index = digest_of(census->rows[i].status, c->index, &digest);
        c->reached = c->reached && index >= c->index;
        if (first == NULL) {
            first = digest;
            first_index = index;
        }
        c->comparable = c->comparable && index == first_index;
        c->equal = c->equal && first != NULL && digest != NULL && strcmp(first, digest) == 0;
    }
}

/* Asks for one; 0 or an exit status, said. */
static int make_checkpoint(struct vxc_cli *cli, struct checkpoint *c)
{
    const struct vxc_request request = vxc_request(VXC_CALL_CHECKPOINT);
    struct vxc_reply reply;
    const int rc = vxc_cli_call(cli, &request, &reply);

    *c = (struct checkpoint){.index = rc == 0 ? reply.index : 0};
    return rc;
}

/* Until all that answer can be compared, or --timeout is over. */
static int await_checkpoint(struct vxc_cli *cli, const struct vxc_members *members,
                            struct vxc_census *census, struct checkpoint *c)
{
    const struct vxc_clock *clock = vxc_clock_system();
    const uint64_t give_up_ms = vxc_clock_ms(clock) + cli->timeout_ms;
    int rc;

    for (;;) {
        rc = vxc_census_take(cli, members, census);
        if (rc != 0) {
            return rc;
        }
        compare_digests(census, c);
        if ((c->reached && c->comparable) || vxc_clock_ms(clock) >= give_up_ms) {
            return 0;
        }
        vxc_census_free(census);
        (void)poll(NULL, 0, CHECKPOINT_POLL_MS);
    }
}

static int judge_checkpoint(struct vxc_cli *cli, const struct vxc_census *census,
                            const struct checkpoint *c)
{
    for (size_t i = 0; i < census->count; i++) {
        if (census->rows[i].status == NULL) {
            vxc_cli_say(cli, "%s does not answer, and was not compared", census->rows[i].address);
        }
    }
    if (!c->reached) {
        return vxc_cli_fail(cli, VXC_EXIT_TIMEOUT,
                            "not every member has written its state at index %" PRIu64 " yet",
                            c->index);
    }
    if (!c->comparable) {
        return vxc_cli_fail(cli, VXC_EXIT_TIMEOUT,
                            "the members have gone on from index %" PRIu64
                            " and were not seen at one place",
                            c->index);
    }
    if (!c->equal) {
        return vxc_cli_fail(cli, VXC_EXIT_INTEGRITY,
                            "the members' states differ at index %" PRIu64
                            "; which of them is wrong: docs/operations.md",
                            c->index);
    }
    vxc_cli_say(cli, "all digests are equal at index %" PRIu64, c->index);
    return VXC_EXIT_DONE;
}

static json_t *checkpoint_json(const struct checkpoint *c)
{
    return json_pack("{s:I,s:b,s:b}", "index", (json_int_t)c->index, "reached", c->reached,
                     "digests_equal", c->reached && c->comparable && c->equal);
}

/* ---- all of it ---- */

/* The status of the node that was reached first, which is asked until --timeout is over. */
static int ask_first(struct vxc_cli *cli, json_t **status)
{
    const struct vxc_request request = vxc_request(VXC_CALL_STATUS);
    struct vxc_reply reply;
    json_error_t error;
    const int rc = vxc_cli_call(cli, &request, &reply);

    if (rc != 0) {
        return rc;
    }
    *status = json_loadb(reply.value.data, reply.value.size, JSON_ALLOW_NUL, &error);
    if (!json_is_object(*status)) {
        json_decref(*status);
        return vxc_cli_fail(cli, VXC_EXIT_INTEGRITY, "the server's status is not JSON: %s",
                            error.text);
    }
    return 0;
}

static int show(struct vxc_cli *cli, const struct vxc_census *census, json_t *status)
{
    (void)json_object_set_new(status, "members", vxc_census_json(census));
    if (cli->out.mode == VXC_OUT_JSON || cli->out.mode == VXC_OUT_JSONL) {
        return show_json(cli, status);
    }
    show_friendly(cli, census, status);
    return VXC_EXIT_DONE;
}

static int run_status(struct vxc_cli *cli)
{
    const bool checkpoint = vxc_cli_has(cli, VXC_OPTION_CHECKPOINT);
    struct vxc_census census = {.count = 0};
    struct vxc_members members;
    struct checkpoint c = {.index = 0};
    json_t *status = NULL;
    int rc = checkpoint ? make_checkpoint(cli, &c) : 0;

    if (rc == 0) {
        rc = ask_first(cli, &status);
    }
    if (rc != 0) {
        return rc;
    }
    if (vxc_members_ask(cli, true, VXC_CENSUS_MS, &members) != VXC_OK) {
        members.count = 0; /* an older node, or none any more: the endpoints are left */
    }
    rc = checkpoint ? await_checkpoint(cli, &members, &census, &c)
                    : vxc_census_take(cli, &members, &census);
    if (rc == 0 && checkpoint) {
        (void)json_object_set_new(status, "checkpoint", checkpoint_json(&c));
    }
    if (rc == 0) {
        rc = show(cli, &census, status);
    }
    if (rc == 0 && checkpoint) {
        rc = judge_checkpoint(cli, &census, &c);
    }
    vxc_census_free(&census);
    json_decref(status);
    return rc;
}

const struct vxc_cli_command vxc_status_commands[] = {
    {.name = "",
     .arguments = "",
     .help = "every member's role and indexes, one node's bounds and their fill; JSON: -o json",
     .options = VXC_OPTION_BIT(CHECKPOINT),
     .run = run_status},
    {0},
};

/* ---- ping ---- */

static int run_ping(struct vxc_cli *cli)
{
    static const char *const columns[] = {"endpoint", "node", "primary", "round_trip_us", NULL};
    const struct vxc_clock *clock = vxc_clock_system();
    const struct vxc_request request = vxc_request(VXC_CALL_STATUS);
    struct vxc_server server;
    struct vxc_reply reply;
    uint64_t began_ns;
    int rc = vxc_cli_client(cli);

    if (rc != 0) {
        return rc;
    }
    rc = vxc_client_connect(cli->client, &server);
    if (rc != VXC_OK) {
        return vxc_cli_fail_code(cli, rc, vxc_client_message(cli->client));
    }
    began_ns = clock->monotonic_ns(clock->data);
    rc = vxc_cli_call(cli, &request, &reply);
    if (rc != 0) {
        return rc;
    }
    const uint64_t took_us = (clock->monotonic_ns(clock->data) - began_ns) / 1000;
    vxc_out_begin_single(&cli->out, columns);
    vxc_out_text(&cli->out, vxc_client_endpoint(cli->client));
    vxc_out_u64(&cli->out, server.node_id);
    vxc_out_bool(&cli->out, server.primary);
    vxc_out_u64(&cli->out, took_us);
    vxc_out_end_row(&cli->out);
    vxc_out_end(&cli->out);
    return VXC_EXIT_DONE;
}

const struct vxc_cli_command vxc_ping_commands[] = {
    {.name = "",
     .arguments = "",
     .help = "ask the server once; exit 3 when it is not reached",
     .run = run_ping},
    {0},
};

/* ---- version ---- */

static int run_version(struct vxc_cli *cli)
{
    static const char *const columns[] = {"vxc", "protocol", NULL};

    vxc_out_begin_single(&cli->out, columns);
    if (cli->out.mode == VXC_OUT_TABLE || cli->out.mode == VXC_OUT_RAW) {
        vxc_out_plain(&cli->out, vxc_slice_of_string("vxc " VXC_VERSION "\n"));
        return VXC_EXIT_DONE;
    }
    vxc_out_text(&cli->out, VXC_VERSION);
    vxc_out_u64(&cli->out, 1);
    vxc_out_end_row(&cli->out);
    vxc_out_end(&cli->out);
    return VXC_EXIT_DONE;
}

const struct vxc_cli_command vxc_version_commands[] = {
    {.name = "", .arguments = "", .help = "show the version of vxc", .run = run_version},
    {0},
};
