/* bench: options, whether the map is to be filled, progress, report. The load itself is load.c. */
#include "base/error.h"
#include "base/limits.h"

#include "tools/vxc/cli.h"
#include "tools/vxc/load.h"
#include "tools/vxc/text.h"

#include <inttypes.h>
#include <stdio.h>

static const char *const op_names[] = {
#define X(ID, name) name,
    VXC_LOAD_OP_MAP(X)
#undef X
};

#define OPS_COUNT (sizeof op_names / sizeof op_names[0])

static int find_op(struct vxc_cli *cli, struct vxc_load_options *options)
{
    const char *text = cli->value[VXC_OPTION_OP] == NULL ? "map-put" : cli->value[VXC_OPTION_OP];
    const char *meant;

    for (size_t i = 0; i < OPS_COUNT; i++) {
        if (strcmp(op_names[i], text) == 0) {
            options->op = (enum vxc_load_op)i;
            return 0;
        }
    }
    meant = vxc_text_suggest(text, op_names, OPS_COUNT);
    return vxc_cli_fail(cli, VXC_EXIT_USAGE,
                        "--op \"%s\": expected map-put, map-get, counter-add, lock, mixed or "
                        "ping%s%s%s",
                        text, meant == NULL ? "" : "; did you mean \"", meant == NULL ? "" : meant,
                        meant == NULL ? "" : "\"?");
}

static int read_options(struct vxc_cli *cli, struct vxc_load_options *options)
{
    uint64_t connections, pipeline, value_size, seconds;
    int rc = find_op(cli, options);

    rc = rc != 0
             ? rc
             : vxc_cli_count(cli, VXC_OPTION_CONNECTIONS, 1, VXC_CONNECTIONS_MAX, 1, &connections);
    rc = rc != 0 ? rc
                 : vxc_cli_count(cli, VXC_OPTION_PIPELINE, 1, VXC_LOAD_PIPELINE_MAX, 64, &pipeline);
    rc = rc != 0 ? rc : vxc_cli_count(cli, VXC_OPTION_COUNT, 1, UINT64_MAX, 0, &options->count);
    rc = rc != 0 ? rc : vxc_cli_count(cli, VXC_OPTION_SECONDS, 1, 86400, 5, &seconds);
    rc = rc != 0
             ? rc
             : vxc_cli_count(cli, VXC_OPTION_KEYS, 1, VXC_LOAD_KEYS_MAX, 100000, &options->keys);
    rc = rc != 0
             ? rc
             : vxc_cli_count(cli, VXC_OPTION_VALUE_SIZE, 0, VXC_VALUE_SIZE_MAX, 64, &value_size);
    if (rc != 0) {
        return rc;
    }
    options->connections = (unsigned)connections;
    options->pipeline = (unsigned)pipeline;
    options->value_size = (uint32_t)value_size;
    options->seconds =
        options->count != 0 && !vxc_cli_has(cli, VXC_OPTION_SECONDS) ? 0 : (unsigned)seconds;
    options->timeout_ms = cli->timeout_ms;
    options->namespace_name = cli->value[VXC_OPTION_NAMESPACE];
    return 0;
}

/* ---- filling ---- */

/* Has this key a value of the size that is asked for? */
static int look_at_key(struct vxc_cli *cli, const struct vxc_load_options *options, uint64_t key,
                       bool *right)
{
    struct vxc_request request = vxc_request(VXC_CALL_MAP_GET);
    struct vxc_reply reply;
    char name[VXC_LOAD_KEY_SIZE + 1];
    int rc;

    vxc_load_key(name, key);
    request.name = vxc_text("bench");
    request.key = vxc_bytes(name, VXC_LOAD_KEY_SIZE);
    rc = vxc_cli_call(cli, &request, &reply);
    *right = rc == 0 && reply.found && reply.value.size == options->value_size;
    return rc;
}

static bool uses_map(const struct vxc_load_options *options)
{
    return options->op == VXC_LOAD_MAP_PUT || options->op == VXC_LOAD_MAP_GET ||
           options->op == VXC_LOAD_MIXED;
}

/* A map that an earlier run filled for the same keys and values need not be filled again. Its size is
 * asked for any load: only the primary answers, so that the client is connected to it then. */
static int decide_fill(struct vxc_cli *cli, struct vxc_load_options *options)
{
    const uint64_t keys = options->keys;
    const uint64_t samples[] = {0, keys / 3, keys / 2, keys - 1};
    struct vxc_request request = vxc_request(VXC_CALL_MAP_SIZE);
    struct vxc_reply reply;
    bool right;
    int rc;

    request.name = vxc_text("bench");
    rc = vxc_cli_call(cli, &request, &reply);
    if (rc != 0 || vxc_cli_has(cli, VXC_OPTION_NO_FILL) || !uses_map(options)) {
        return rc;
    }
    right = reply.number >= 0 && (uint64_t)reply.number == keys;
    for (size_t i = 0; rc == 0 && right && i < sizeof samples / sizeof samples[0]; i++) {
        rc = look_at_key(cli, options, samples[i], &right);
    }
    options->fill = rc == 0 && !right;
    if (options->fill) {
        vxc_cli_say(cli, "filling map bench with %" PRIu64 " keys of %" PRIu32 " bytes, untimed",
                    keys, options->value_size);
    }
    return rc;
}

/* ---- progress, report ---- */

static void on_second(void *data, uint64_t second, uint64_t successes)
{
    vxc_cli_say(data, "second %" PRIu64 ": %" PRIu64 " operations", second, successes);
}

static void put_double(struct vxc_cli *cli, double number, int digits)
{
    char text[48];
    (void)snprintf(text, sizeof text, "%.*f", digits, number);
    vxc_out_json(&cli->out, vxc_slice_of_string(text));
}

static void put_us(struct vxc_cli *cli, uint64_t ns)
{
    put_double(cli, (double)ns / 1000, 1);
}

/* {"busy":3}: by the server's words. */
static void put_faults(struct vxc_cli *cli, const struct vxc_load_report *r)
{
    char text[VXC_LOAD_FAULTS_MAX * 128] = "{";
    size_t size = 1;

    for (unsigned i = 0; i < r->faults_count; i++) {
        size += (size_t)snprintf(text + size, sizeof text - size, "%s\"%.80s\":%" PRIu64,
                                 i == 0 ? "" : ",", vxc_strerror(r->faults[i].code),
                                 r->faults[i].count);
    }
    text[size] = '}';
    vxc_out_json(&cli->out, vxc_slice(text, size + 1));
}

static void put_seconds(struct vxc_cli *cli, const struct vxc_load_report *r)
{
    struct vxc_buffer text = {0};
    char number[24];
    int rc = vxc_buffer_put_u8(&text, '[');

    for (size_t i = 0; rc == VXC_OK && i < r->per_second_count; i++) {
        const int size =
            snprintf(number, sizeof number, "%s%" PRIu64, i == 0 ? "" : ",", r->per_second[i]);
        rc = vxc_buffer_append(&text, number, (size_t)size);
    }
    rc = rc == VXC_OK ? vxc_buffer_put_u8(&text, ']') : rc;
    vxc_out_json(&cli->out, rc == VXC_OK ? vxc_buffer_slice(&text) : vxc_slice_of_string("null"));
    vxc_buffer_free(&text);
}

static void report(struct vxc_cli *cli, const struct vxc_load_options *options,
                   const struct vxc_load_report *r)
{
    static const char *const columns[] = {
        "op",       "connections",    "pipeline",       "keys",   "value_size", "operations",
        "seconds",  "ops_per_second", "p50_us",         "p99_us", "p999_us",    "max_us",
        "stall_us", "errors",         "errors_by_kind", NULL};
    static const char *const columns_json[] = {
        "op",       "connections",    "pipeline",       "keys",       "value_size", "operations",
        "seconds",  "ops_per_second", "p50_us",         "p99_us",     "p999_us",    "max_us",
        "stall_us", "errors",         "errors_by_kind", "per_second", NULL};
    const bool json = cli->out.mode == VXC_OUT_JSON || cli->out.mode == VXC_OUT_JSONL;
    const uint64_t successes = r->operations - r->errors;

    vxc_out_begin_single(&cli->out, json ? columns_json : columns);
    vxc_out_text(&cli->out, op_names[options->op]);
    vxc_out_u64(&cli->out, options->connections);
    vxc_out_u64(&cli->out, options->pipeline);
    vxc_out_u64(&cli->out, options->keys);
    vxc_out_u64(&cli->out, options->value_size);
    vxc_out_u64(&cli->out, r->operations);
    put_double(cli, r->seconds, 3);
    put_double(cli, r->seconds > 0 ? (double)successes / r->seconds : 0, 0);
    put_us(cli, vxc_histogram_percentile(&r->latency_ns, 50));
    put_us(cli, vxc_histogram_percentile(&r->latency_ns, 99));
    put_us(cli, vxc_histogram_percentile(&r->latency_ns, 99.9));
    put_us(cli, r->latency_ns.max);
    put_us(cli, r->stall_ns);
    vxc_out_u64(&cli->out, r->errors);
    put_faults(cli, r);
    if (json) {
        put_seconds(cli, r);
    }
    vxc_out_end_row(&cli->out);
    vxc_out_end(&cli->out);
}

/* Only the primary is measured, and it is another one now: the client finds out who. */
static int tell_primary(struct vxc_cli *cli, const char *before)
{
    struct vxc_request request = vxc_request(VXC_CALL_MAP_SIZE);
    struct vxc_reply reply;
    int rc;

    request.name = vxc_text("bench");
    rc = vxc_cli_call(cli, &request, &reply);
    return rc != 0 ? rc
                   : vxc_cli_fail(cli, VXC_EXIT_UNREACHED,
                                  "%s is not the primary any more; it is %s now: measure again",
                                  before, vxc_client_endpoint(cli->client));
}

static int run_load(struct vxc_cli *cli, struct vxc_load_options *options,
                    struct vxc_load_report *result)
{
    struct vxc_error err = {0};
    char endpoint[VXC_ERROR_TEXT_MAX]; /* the client's own changes when it goes elsewhere */
    int rc;

    (void)snprintf(endpoint, sizeof endpoint, "%s", options->endpoint);
    options->endpoint = endpoint;
    rc = vxc_load_run(options, result, &err);
    if (rc == VXC_ENOTPRIMARY) {
        return tell_primary(cli, endpoint);
    }
    if (rc != VXC_OK) {
        return vxc_cli_fail_code(cli, rc, err.text);
    }
    report(cli, options, result);
    if (result->errors > 0) {
        return vxc_cli_fail(cli, VXC_EXIT_REFUSED,
                            "%" PRIu64 " of %" PRIu64 " operations failed: %s", result->errors,
                            result->operations, vxc_strerror(result->faults[0].code));
    }
    return VXC_EXIT_DONE;
}

static int run_bench(struct vxc_cli *cli)
{
    struct vxc_load_options options = {0};
    static struct vxc_load_report result; /* 32 KiB of histogram */
    int rc = read_options(cli, &options);

    rc = rc != 0 ? rc : vxc_cli_client(cli); /* finds the endpoint, and that somebody is there */
    if (rc != 0) {
        return rc;
    }
    rc = vxc_client_connect(cli->client, NULL);
    if (rc != VXC_OK) {
        return vxc_cli_fail_code(cli, rc, vxc_client_message(cli->client));
    }
    rc = decide_fill(cli, &options);
    if (rc != 0) {
        return rc;
    }
    options.endpoint = vxc_client_endpoint(cli->client);
    options.data = cli;
    options.on_second = options.seconds == 0 ? NULL : on_second;
    rc = run_load(cli, &options, &result);
    vxc_load_report_free(&result);
    return rc;
}

const struct vxc_cli_command vxc_bench_commands[] = {
    {.name = "",
     .arguments = "",
     .help = "operations per second and latencies, with pipelined connections from one thread",
     .options = VXC_OPTION_BIT(OP) | VXC_OPTION_BIT(CONNECTIONS) | VXC_OPTION_BIT(PIPELINE) |
                VXC_OPTION_BIT(COUNT) | VXC_OPTION_BIT(SECONDS) | VXC_OPTION_BIT(KEYS) |
                VXC_OPTION_BIT(VALUE_SIZE) | VXC_OPTION_BIT(NO_FILL),
     .run = run_bench},
    {0},
};
