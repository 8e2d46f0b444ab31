#include "base/error.h"

#include "tools/vxc/lock_wait.h"

#include <sys/signalfd.h>
#include <unistd.h>

int vxc_lock_wait_options(struct vxc_cli *cli, struct vxc_lock_wait *wait)
{
    uint64_t wait_ms;
    int rc = vxc_cli_time(cli, VXC_OPTION_WAIT, 0, &wait_ms);

    if (rc == 0) {
        rc = vxc_cli_lease(cli, &wait->lease_ms);
    }
    if (rc == 0 && vxc_cli_has(cli, VXC_OPTION_WAIT) && vxc_cli_has(cli, VXC_OPTION_NO_WAIT)) {
        rc = vxc_cli_fail(cli, VXC_EXIT_USAGE, "--wait and --no-wait exclude each other");
    }
    wait->wait_ms = vxc_cli_has(cli, VXC_OPTION_NO_WAIT) ? 0
                    : vxc_cli_has(cli, VXC_OPTION_WAIT)  ? (int64_t)wait_ms
                                                         : -1;
    wait->token = 0;
    return rc;
}

struct acquiring {
    bool done;
    int code;
    bool found;
    uint64_t token;
    char text[256];
};

static void on_acquired(void *data, const struct vxc_reply *reply)
{
    struct acquiring *a = data;

    a->done = true;
    a->code = reply->code;
    a->found = reply->found;
    a->token = reply->token;
    (void)snprintf(a->text, sizeof a->text, "%s", reply->message);
}

static void on_queued(void *data, const struct vxc_notice *notice)
{
    const struct vxc_cli *cli = data;

    if (notice->type == VXC_NOTICE_LOCK_QUEUED) {
        vxc_cli_say(cli, "%s: waiting, number %lld in the queue", cli->doing,
                    (long long)notice->number);
    }
}

/* How long may the server be silent before waiting makes no sense? */
static bool is_lost(const struct vxc_cli *cli, const struct vxc_lock_wait *wait)
{
    const int64_t silence_ms = vxc_client_silence_ms(cli->client);
    return silence_ms > (int64_t)cli->timeout_ms && silence_ms > (int64_t)wait->lease_ms;
}

/* Ends the request now, while what it points to lives. */
static int give_up(struct vxc_cli *cli, int status)
{
    vxc_client_free(cli->client);
    cli->client = NULL;
    return status;
}

int vxc_lock_wait_acquire(struct vxc_cli *cli, struct vxc_lock_wait *wait, const char *name,
                          int signals)
{
    struct vxc_request request = vxc_request(VXC_CALL_LOCK_ACQUIRE);
    struct acquiring a = {0};
    struct signalfd_siginfo info;
    int rc;

    request.name = vxc_text(name);
    request.number = wait->wait_ms;
    cli->data = cli;
    cli->on_notice = on_queued;
    rc = vxc_client_submit(cli->client, &request, &a, on_acquired);
    if (rc != VXC_OK) {
        return vxc_cli_fail_code(cli, rc, vxc_client_message(cli->client));
    }
    while (!a.done) {
        if (vxc_cli_poll(cli, signals, 1000) && read(signals, &info, sizeof info) > 0) {
            (void)vxc_client_session_close(cli->client); /* gives the place in the queue back */
            return give_up(cli, VXC_EXIT_SIGNAL + (int)info.ssi_signo);
        }
        if (!a.done && is_lost(cli, wait)) {
            return give_up(cli, vxc_cli_fail(cli, VXC_EXIT_TIMEOUT, "the server is gone: %s",
                                             vxc_client_message(cli->client)));
        }
    }
    cli->on_notice = NULL;
    if (a.code != VXC_OK) {
        return vxc_cli_fail_code(cli, a.code, a.text);
    }
    if (!a.found) {
        return vxc_cli_fail(cli, VXC_EXIT_CONFLICT,
                            wait->wait_ms == 0 ? "the lock is held; see: vxc lock info"
                                               : "the lock was not free in time");
    }
    wait->token = a.token;
    return 0;
}
