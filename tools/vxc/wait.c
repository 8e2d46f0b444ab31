/* Waiting: for the server, for signals, for input, whichever comes first. */
#include "tools/vxc/cli.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/signalfd.h>

bool vxc_cli_poll(struct vxc_cli *cli, int fd, int64_t timeout_ms)
{
    struct pollfd pollers[2];
    int64_t own;

    if (vxc_client_dispatch(cli->client) > 0) { /* also sends what was submitted */
        timeout_ms = 0; /* something happened: look at the descriptor, but do not wait */
    }
    own = vxc_client_timeout_ms(cli->client);
    if (own >= 0 && (timeout_ms < 0 || own < timeout_ms)) {
        timeout_ms = own;
    }
    if (timeout_ms < 0 || timeout_ms > 60000) {
        timeout_ms = 60000;
    }
    pollers[0] = (struct pollfd){.fd = vxc_client_fd(cli->client),
                                 .events = vxc_client_poll_events(cli->client)};
    pollers[1] = (struct pollfd){.fd = fd, .events = POLLIN};
    if (poll(pollers, 2, (int)timeout_ms) <= 0) {
        return false;
    }
    if (pollers[0].revents != 0) {
        (void)vxc_client_dispatch(cli->client);
    }
    return pollers[1].revents != 0;
}

int vxc_cli_signals(struct vxc_cli *cli, int more, int *fd)
{
    sigset_t set;

    (void)sigemptyset(&set);
    (void)sigaddset(&set, SIGINT);
    (void)sigaddset(&set, SIGTERM);
    (void)sigaddset(&set, SIGHUP);
    if (more != 0) {
        (void)sigaddset(&set, more);
    }
    if (sigprocmask(SIG_BLOCK, &set, NULL) == 0) {
        *fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
        if (*fd >= 0) {
            return 0;
        }
    }
    return vxc_cli_fail(cli, VXC_EXIT_REFUSED, "signals: %s", strerror(errno));
}
