/* lock run: a child process that lives while a lock is held. */
#define _GNU_SOURCE /* SI_KERNEL */
#include "base/clock.h"
#include "base/error.h"

#include "tools/vxc/lock_wait.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#define KILL_AFTER_MS 5000u /* from SIGTERM to SIGKILL when the lock is lost */

struct guarded {
    struct vxc_cli *cli;
    pid_t child;
    uint32_t lease_ms;
    bool session_lost;
    bool told; /* the child was told that the lock is lost */
    uint64_t kill_due_ms;
};

static void on_notice(void *data, const struct vxc_notice *notice)
{
    struct guarded *g = data;

    if (notice->type == VXC_NOTICE_SESSION_EXPIRED || notice->type == VXC_NOTICE_SESSION_CLOSED) {
        g->session_lost = true;
    }
}

/* Never returns: env(1)'s statuses for what cannot be run. */
_Noreturn static void become_command(char **words, uint64_t token)
{
    sigset_t none;
    char text[24];

    (void)snprintf(text, sizeof text, "%" PRIu64, token);
    (void)setenv("VERTX_CLUSTER_FENCING_TOKEN", text, 1);
    (void)sigemptyset(&none);
    (void)sigprocmask(SIG_SETMASK, &none, NULL);
    (void)execvp(words[0], words);
    const int failed = errno;
    (void)fprintf(stderr, "vxc: lock run: %s: %s\n", words[0], strerror(failed));
    _exit(failed == ENOENT ? VXC_EXIT_NO_COMMAND : VXC_EXIT_CANNOT_RUN);
}

static uint64_t now_ms(void)
{
    return vxc_clock_ms(vxc_clock_system());
}

/* The lease may have run out at the server, as far as we can know: pings come three times in a
 * lease, and its last tenth is for the way of the last one. */
static bool lease_is_over(const struct guarded *g)
{
    return vxc_client_silence_ms(g->cli->client) > (int64_t)(g->lease_ms - g->lease_ms / 10);
}

static void tell_the_child(struct guarded *g)
{
    if (g->told || (!g->session_lost && !lease_is_over(g))) {
        return;
    }
    (void)fprintf(stderr, "vxc: %s: the lock is lost: %s; sending SIGTERM to the command\n",
                  g->cli->doing,
                  g->session_lost ? "the session has ended" : "the server is silent");
    g->told = true;
    g->kill_due_ms = now_ms() + KILL_AFTER_MS;
    (void)kill(g->child, SIGTERM); /* fails only when it has just gone */
}

/* What the terminal sends, it sends to the child too; what others send to us is meant for it. */
static void pass_signals_on(struct guarded *g, int signals)
{
    struct signalfd_siginfo info;

    while (read(signals, &info, sizeof info) > 0) {
        if (info.ssi_signo != SIGCHLD && info.ssi_code != SI_KERNEL) {
            (void)kill(g->child, (int)info.ssi_signo); /* fails only when it has just gone */
        }
    }
}

static int status_of(int status)
{
    return WIFEXITED(status) ? WEXITSTATUS(status) : VXC_EXIT_SIGNAL + WTERMSIG(status);
}

/* Keeps the session alive until the child has ended; returns its status. */
static int guard(struct guarded *g, int signals)
{
    for (;;) {
        int status;
        const pid_t ended = waitpid(g->child, &status, WNOHANG);
        if (ended == g->child) {
            return status_of(status);
        }
        if (ended < 0 && errno != EINTR) {
            return vxc_cli_fail(g->cli, VXC_EXIT_REFUSED, "wait: %s", strerror(errno));
        }
        if (vxc_cli_poll(g->cli, signals, g->told ? 100 : (int64_t)(g->lease_ms / 10))) {
            pass_signals_on(g, signals);
        }
        tell_the_child(g);
        if (g->told && g->kill_due_ms != 0 && now_ms() >= g->kill_due_ms) {
            (void)fprintf(stderr, "vxc: %s: the command is still there; sending SIGKILL\n",
                          g->cli->doing);
            (void)kill(g->child, SIGKILL); /* fails only when it has just gone */
            g->kill_due_ms = 0;
        }
    }
}

static int run_guarded(struct vxc_cli *cli, const struct vxc_lock_wait *wait, int signals)
{
    struct guarded g = {.cli = cli, .lease_ms = wait->lease_ms};
    int status;

    cli->data = &g;
    cli->on_notice = on_notice;
    g.child = fork();
    if (g.child == 0) {
        become_command(cli->argv + 1, wait->token);
    }
    if (g.child < 0) {
        return vxc_cli_fail(cli, VXC_EXIT_CANNOT_RUN, "fork: %s", strerror(errno));
    }
    status = guard(&g, signals);
    cli->on_notice = NULL;
    return status;
}

int vxc_run_lock_run(struct vxc_cli *cli)
{
    struct vxc_lock_wait wait;
    int signals = -1;
    int rc = vxc_lock_wait_options(cli, &wait);

    if (rc == 0) {
        rc = vxc_cli_signals(cli, SIGCHLD, &signals);
    }
    if (rc == 0) {
        rc = vxc_cli_session(cli, wait.lease_ms);
    }
    if (rc == 0) {
        rc = vxc_lock_wait_acquire(cli, &wait, cli->argv[0], signals);
        if (rc == 0) {
            vxc_cli_detail(cli, "fencing token %" PRIu64, wait.token);
            rc = run_guarded(cli, &wait, signals);
        }
        if (cli->client != NULL && vxc_client_session_close(cli->client) != VXC_OK) {
            vxc_cli_say(cli, "%s: the lock could not be given back; its lease ends it in %u ms",
                        cli->doing, wait.lease_ms);
        }
    }
    if (signals >= 0) {
        (void)close(signals); /* nothing more is read from it */
    }
    return rc;
}
