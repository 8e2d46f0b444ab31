/* bench: options, progress, report. The load itself is load.c. */
#include "base/error.h"
#include "base/limits.h"

#include "tools/vxc/cli.h"
#include "tools/vxc/load.h"
#include "tools/vxc/text.h"

#include <inttypes.h>

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
    rc = rc != 0 ? rc : vxc_cli_count(cli, VXC_OPTION_KEYS, 1, 1000000000, 100000, &options->keys);
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

static void put_double(struct vxc_cli *cli, double number, int digits)
{
    char text[48];
    (void)snprintf(text, sizeof text, "%.*f", digits, number);
    vxc_out_json(&cli->out, vxc_slice_of_string(text));
}

static void report(struct vxc_cli *cli, const struct vxc_load_options *options,
                   const struct vxc_load_report *r)
{
    static const char *const columns[] = {
        "op",      "connections",    "pipeline", "value_size", "operations",
        "seconds", "ops_per_second", "p50_us",   "p99_us",     "p999_us",
        "max_us",  "errors",         NULL};

    vxc_out_begin_single(&cli->out, columns);
    vxc_out_text(&cli->out, op_names[options->op]);
    vxc_out_u64(&cli->out, options->connections);
    vxc_out_u64(&cli->out, options->pipeline);
    vxc_out_u64(&cli->out, options->value_size);
    vxc_out_u64(&cli->out, r->operations);
    put_double(cli, r->seconds, 3);
    put_double(cli, r->seconds > 0 ? (double)r->operations / r->seconds : 0, 0);
    put_double(cli, (double)vxc_histogram_percentile(&r->latency_ns, 50) / 1000, 1);
    put_double(cli, (double)vxc_histogram_percentile(&r->latency_ns, 99) / 1000, 1);
    put_double(cli, (double)vxc_histogram_percentile(&r->latency_ns, 99.9) / 1000, 1);
    put_double(cli, (double)r->latency_ns.max / 1000, 1);
    vxc_out_u64(&cli->out, r->errors);
    vxc_out_end_row(&cli->out);
    vxc_out_end(&cli->out);
}

static int run_bench(struct vxc_cli *cli)
{
    struct vxc_load_options options = {0};
    static struct vxc_load_report result; /* 8 KiB of histogram */
    struct vxc_error err = {0};
    int rc = read_options(cli, &options);

    rc = rc != 0 ? rc : vxc_cli_client(cli); /* finds the endpoint, and that somebody is there */
    if (rc != 0) {
        return rc;
    }
    rc = vxc_client_connect(cli->client, NULL);
    if (rc != VXC_OK) {
        return vxc_cli_fail_code(cli, rc, vxc_client_message(cli->client));
    }
    options.endpoint = vxc_client_endpoint(cli->client);
    rc = vxc_load_run(&options, &result, &err);
    if (rc != VXC_OK) {
        return vxc_cli_fail_code(cli, rc, err.text);
    }
    report(cli, &options, &result);
    if (result.errors > 0) {
        return vxc_cli_fail(cli, VXC_EXIT_REFUSED,
                            "%" PRIu64 " of %" PRIu64 " operations failed: %s", result.errors,
                            result.operations, vxc_strerror(result.error_code));
    }
    return VXC_EXIT_DONE;
}

const struct vxc_cli_command vxc_bench_commands[] = {
    {.name = "",
     .arguments = "",
     .help = "operations per second and latencies, with pipelined connections from one thread",
     .options = VXC_OPTION_BIT(OP) | VXC_OPTION_BIT(CONNECTIONS) | VXC_OPTION_BIT(PIPELINE) |
                VXC_OPTION_BIT(COUNT) | VXC_OPTION_BIT(SECONDS) | VXC_OPTION_BIT(KEYS) |
                VXC_OPTION_BIT(VALUE_SIZE),
     .run = run_bench},
    {0},
};
