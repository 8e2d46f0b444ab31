/* session, namespace, registration: what clients hold. */
#include "base/error.h"

#include "tools/vxc/cli.h"
#include "tools/vxc/text.h"

static struct vxc_slice slice_of(struct vxc_bytes bytes)
{
    return vxc_slice(bytes.data, bytes.size);
}

/* ---- sessions ---- */

static const char *const session_columns[] = {
    "session", "name",          "namespace", "timeout_ms", "idle_ms", "connected", "locks_held",
    "waiting", "registrations", "watches",   "node",       "kind",    "address",   NULL};

static void on_session(struct vxc_cli *cli, struct vxc_bytes first, struct vxc_bytes second)
{
    struct vxc_session_record s;

    if (vxc_session_record_read(second.size > 0 ? second : first, &s) != VXC_OK) {
        vxc_cli_say(cli, "a session record that this version cannot read was left out");
        return;
    }
    vxc_out_u64(&cli->out, s.session);
    vxc_out_bytes(&cli->out, slice_of(s.name));
    vxc_out_bytes(&cli->out, slice_of(s.namespace_name));
    vxc_out_u64(&cli->out, s.timeout_ms);
    vxc_out_u64(&cli->out, s.idle_ms);
    vxc_out_bool(&cli->out, s.connected);
    vxc_out_u64(&cli->out, s.locks_held);
    vxc_out_u64(&cli->out, s.locks_waiting);
    vxc_out_u64(&cli->out, s.registrations);
    vxc_out_u64(&cli->out, s.watches);
    vxc_out_bytes(&cli->out, slice_of(s.node_id));
    vxc_out_text(&cli->out, s.legacy ? "legacy" : "managed");
    vxc_out_bytes(&cli->out, slice_of(s.address));
    vxc_out_end_row(&cli->out);
}

static int run_session_list(struct vxc_cli *cli)
{
    struct vxc_request request = vxc_request(VXC_CALL_SESSION_LIST);
    vxc_out_begin(&cli->out, session_columns);
    const int rc = vxc_cli_pages(cli, &request, on_session);
    if (rc == 0 || cli->out.rows > 0) {
        vxc_out_end(&cli->out);
    }
    return rc;
}

static int run_session_get(struct vxc_cli *cli)
{
    struct vxc_request request = vxc_request(VXC_CALL_SESSION_GET);
    struct vxc_reply reply;
    int rc;

    if (vxc_text_u64(cli->argv[0], &request.id) != VXC_OK) {
        return vxc_cli_fail(cli, VXC_EXIT_USAGE, "\"%s\" is not the id of a session", cli->argv[0]);
    }
    rc = vxc_cli_call(cli, &request, &reply);
    if (rc != 0) {
        return rc;
    }
    if (!reply.found) {
        return VXC_EXIT_FALSE;
    }
    vxc_out_begin_single(&cli->out, session_columns);
    on_session(cli, vxc_bytes(NULL, 0), reply.value);
    vxc_out_end(&cli->out);
    return VXC_EXIT_DONE;
}

const struct vxc_cli_command vxc_session_commands[] = {
    {.name = "list",
     .arguments = "",
     .help = "sessions of all clients",
     .options = VXC_OPTION_BIT(LIMIT),
     .run = run_session_list},
    {.name = "get",
     .arguments = "ID",
     .help = "one session; exit 1 when there is none",
     .args_min = 1,
     .args_max = 1,
     .run = run_session_get},
    {.name = "expire",
     .arguments = "ID",
     .help = "end a session with all it owns: locks, registrations, node entry",
     .args_min = 1,
     .args_max = 1,
     .operation = VXC_CALL_SESSION_EXPIRE,
     .fields = "i",
     .show = VXC_SHOW_DONE,
     .destructive = true},
    {0},
};

/* ---- namespaces ---- */

static void on_namespace(struct vxc_cli *cli, struct vxc_bytes first, struct vxc_bytes second)
{
    (void)second;
    vxc_out_bytes(&cli->out, slice_of(first));
    vxc_out_end_row(&cli->out);
}

static int run_namespace_list(struct vxc_cli *cli)
{
    static const char *const columns[] = {"name", NULL};
    struct vxc_request request = vxc_request(VXC_CALL_NAMESPACE_LIST);
    vxc_out_begin(&cli->out, columns);
    const int rc = vxc_cli_pages(cli, &request, on_namespace);
    if (rc == 0 || cli->out.rows > 0) {
        vxc_out_end(&cli->out);
    }
    return rc;
}

const struct vxc_cli_command vxc_namespace_commands[] = {
    {.name = "list",
     .arguments = "",
     .help = "namespaces; the default one has the empty name",
     .options = VXC_OPTION_BIT(LIMIT),
     .run = run_namespace_list},
    {0},
};

/* ---- registrations ---- */

static void on_registration(struct vxc_cli *cli, struct vxc_bytes first, struct vxc_bytes second)
{
    struct vxc_registration_record r;

    vxc_out_bytes(&cli->out, slice_of(first));
    if (vxc_registration_record_read(second, &r) == VXC_OK) {
        vxc_out_u64(&cli->out, r.seq);
        vxc_out_bytes(&cli->out, slice_of(r.data));
    } else {
        vxc_out_null(&cli->out);
        vxc_out_bytes(&cli->out, slice_of(second));
    }
    vxc_out_end_row(&cli->out);
}

static int run_registration_get(struct vxc_cli *cli)
{
    static const char *const columns[] = {"node", "seq", "data", NULL};
    struct vxc_request request = vxc_request(VXC_CALL_REGISTRATION_GET);
    request.name = vxc_text(cli->argv[0]);
    vxc_out_begin(&cli->out, columns);
    const int rc = vxc_cli_pages(cli, &request, on_registration);
    if (rc != 0) {
        return rc;
    }
    if (cli->out.rows == 0) {
        return VXC_EXIT_FALSE;
    }
    vxc_out_end(&cli->out);
    return VXC_EXIT_DONE;
}

/* The second of a row is the address's whole list of pairs (node, record): their count comes
 * first. */
static uint32_t count_of(struct vxc_bytes list)
{
    return list.size >= 4 ? vxc_load_u32(list.data) : 0;
}

static void on_address(struct vxc_cli *cli, struct vxc_bytes first, struct vxc_bytes second)
{
    vxc_out_bytes(&cli->out, slice_of(first));
    vxc_out_u64(&cli->out, count_of(second));
    vxc_out_end_row(&cli->out);
}

static int run_registration_list(struct vxc_cli *cli)
{
    static const char *const columns[] = {"address", "registrations", NULL};
    struct vxc_request request = vxc_request(VXC_CALL_REGISTRATION_LIST);
    vxc_out_begin(&cli->out, columns);
    const int rc = vxc_cli_pages(cli, &request, on_address);
    if (rc == 0 || cli->out.rows > 0) {
        vxc_out_end(&cli->out);
    }
    return rc;
}

const struct vxc_cli_command vxc_registration_commands[] = {
    {.name = "list",
     .arguments = "",
     .help = "addresses that have registrations",
     .options = VXC_OPTION_BIT(LIMIT),
     .run = run_registration_list},
    {.name = "get",
     .arguments = "ADDRESS",
     .help = "registrations of an address; exit 1 when there are none",
     .args_min = 1,
     .args_max = 1,
     .options = VXC_OPTION_BIT(LIMIT),
     .run = run_registration_get},
    {0},
};
