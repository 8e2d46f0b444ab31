#include "base/error.h"

#include "tools/vxc/cli.h"
#include "tools/vxc/text.h"

#include <sys/signalfd.h>
#include <unistd.h>

static struct vxc_slice slice_of(struct vxc_bytes bytes)
{
    return vxc_slice(bytes.data, bytes.size);
}

static void on_node(struct vxc_cli *cli, struct vxc_bytes first, struct vxc_bytes second)
{
    vxc_out_bytes(&cli->out, slice_of(first));
    vxc_out_bytes(&cli->out, slice_of(second));
    vxc_out_end_row(&cli->out);
}

static int run_list(struct vxc_cli *cli)
{
    static const char *const columns[] = {"node", "info", NULL};
    struct vxc_request request = vxc_request(VXC_CALL_NODE_LIST);

    vxc_out_begin(&cli->out, columns);
    const int rc = vxc_cli_pages(cli, &request, on_node);
    if (rc == 0 || cli->out.rows > 0) {
        vxc_out_end(&cli->out);
    }
    return rc;
}

/* ---- join: a node entry as long as this process lives ---- */

static void on_notice(void *data, const struct vxc_notice *notice)
{
    bool *lost = data;

    if (notice->type == VXC_NOTICE_SESSION_EXPIRED || notice->type == VXC_NOTICE_SESSION_CLOSED) {
        *lost = true;
    }
}

/* Until a signal (its number) or the end of the session (0). */
static int stay(struct vxc_cli *cli, int signals)
{
    struct signalfd_siginfo info;
    bool lost = false;

    cli->data = &lost;
    cli->on_notice = on_notice;
    while (!lost) {
        if (vxc_cli_poll(cli, signals, -1) && read(signals, &info, sizeof info) > 0) {
            cli->on_notice = NULL;
            return (int)info.ssi_signo;
        }
    }
    cli->on_notice = NULL;
    return 0;
}

static int run_join(struct vxc_cli *cli)
{
    struct vxc_request request = vxc_request(VXC_CALL_NODE_JOIN);
    struct vxc_reply reply;
    uint32_t lease_ms;
    int signals = -1;
    int signal_number;
    int rc = vxc_cli_lease(cli, &lease_ms);

    request.key = vxc_text(cli->argv[0]);
    if (cli->value[VXC_OPTION_INFO] != NULL) {
        request.value = vxc_text(cli->value[VXC_OPTION_INFO]);
    }
    if (rc == 0) {
        rc = vxc_cli_signals(cli, 0, &signals);
    }
    if (rc == 0) {
        rc = vxc_cli_session(cli, lease_ms);
    }
    if (rc == 0) {
        rc = vxc_cli_call(cli, &request, &reply);
    }
    if (rc != 0) {
        return rc;
    }
    vxc_cli_say(cli, "joined; %u nodes; leaves on SIGINT or SIGTERM", reply.rows.count);
    signal_number = stay(cli, signals);
    if (signal_number == 0) {
        return vxc_cli_fail_code(cli, VXC_ESESSION, "the session has ended: the node has left");
    }
    rc = vxc_client_session_close(cli->client);
    return rc != VXC_OK ? vxc_cli_fail_code(cli, rc, vxc_client_message(cli->client))
                        : VXC_EXIT_SIGNAL + signal_number;
}

const struct vxc_cli_command vxc_node_commands[] = {
    {.name = "list",
     .arguments = "",
     .help = "nodes in the order in which they joined",
     .options = VXC_OPTION_BIT(LIMIT),
     .run = run_list},
    {.name = "get",
     .arguments = "NODE",
     .help = "info of a node; exit 1 when it is not there or has none",
     .args_min = 1,
     .args_max = 1,
     .options = VXC_OPTION_BIT(KEY64) | VXC_OPTION_BIT(FILE),
     .operation = VXC_CALL_NODE_GET,
     .fields = "k",
     .show = VXC_SHOW_VALUE},
    {.name = "join",
     .arguments = "NODE",
     .help = "be a node until SIGINT or SIGTERM",
     .args_min = 1,
     .args_max = 1,
     .options = VXC_OPTION_BIT(INFO) | VXC_OPTION_BIT(LEASE),
     .run = run_join},
    {0},
};
