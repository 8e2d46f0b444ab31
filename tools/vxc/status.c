/* status, ping, version. */
#include "base/clock.h"
#include "base/error.h"

#include "tools/vxc/cli.h"
#include "tools/vxc/text.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>

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

static uint64_t number_of(const json_t *object, const char *name)
{
    const json_t *value = json_object_get(object, name);
    return json_is_integer(value) ? (uint64_t)json_integer_value(value) : 0;
}

static void show_bounds(struct vxc_cli *cli, json_t *bounds)
{
    static const char *const columns[] = {"bound", "used", "limit", "percent", NULL};
    const char *name;
    json_t *bound;

    vxc_out_begin(&cli->out, columns);
    json_object_foreach(bounds, name, bound)
    {
        const uint64_t used = number_of(bound, "used"), limit = number_of(bound, "limit");
        vxc_out_text(&cli->out, name);
        vxc_out_u64(&cli->out, used);
        vxc_out_u64(&cli->out, limit);
        vxc_out_u64(&cli->out, limit == 0 ? 0 : (uint64_t)((double)used / (double)limit * 100));
        vxc_out_end_row(&cli->out);
    }
    vxc_out_end(&cli->out);
}

static int show_friendly(struct vxc_cli *cli, struct vxc_bytes text)
{
    static const char *const columns[] = {"what", "value", NULL};
    json_error_t error;
    json_t *status = json_loadb(text.data, text.size, JSON_ALLOW_NUL, &error);
    const char *name;
    json_t *value;

    if (!json_is_object(status)) {
        json_decref(status);
        return vxc_cli_fail(cli, VXC_EXIT_INTEGRITY, "the server's status is not JSON: %s",
                            error.text);
    }
    vxc_out_begin(&cli->out, columns);
    json_object_foreach(status, name, value)
    {
        if (cli->out.mode != VXC_OUT_TABLE || !json_is_object(value)) {
            show_member(cli, name, value);
        } else if (strcmp(name, "bounds") != 0) {
            show_group(cli, name, value);
        }
    }
    vxc_out_end(&cli->out);
    value = json_object_get(status, "bounds");
    if (value != NULL && cli->out.mode == VXC_OUT_TABLE) {
        vxc_out_plain(&cli->out, vxc_slice_of_string("\n"));
        show_bounds(cli, value);
    }
    json_decref(status);
    return VXC_EXIT_DONE;
}

static int run_status(struct vxc_cli *cli)
{
    const struct vxc_request request = vxc_request(VXC_CALL_STATUS);
    struct vxc_reply reply;
    const int rc = vxc_cli_call(cli, &request, &reply);

    if (rc != 0) {
        return rc;
    }
    if (cli->out.mode == VXC_OUT_JSON || cli->out.mode == VXC_OUT_JSONL) {
        vxc_out_plain(&cli->out, vxc_slice(reply.value.data, reply.value.size));
        vxc_out_plain(&cli->out, vxc_slice_of_string("\n"));
        return VXC_EXIT_DONE;
    }
    return show_friendly(cli, reply.value);
}

const struct vxc_cli_command vxc_status_commands[] = {
    {.name = "",
     .arguments = "",
     .help = "role, term, indexes, bounds and their fill; as JSON with -o json",
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
