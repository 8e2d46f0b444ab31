/* A vxcd of its own process, for unit tests that need a whole server which can be killed. */
#ifndef VXC_TESTS_LIB_DAEMON_H
#define VXC_TESTS_LIB_DAEMON_H

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

struct test_daemon {
    char root[64]; /* its folder, removed at the end */
    char endpoint[64];
    pid_t pid; /* 0 = not running */
};

/* Starts VXC_TESTS_VXCD on the daemon's data and waits until it says that it is ready; at the
 * port of before, if it ran before. */
static inline void daemon_start(struct test_daemon *d)
{
    char data[96], port[16], line[256];
    int pipe_fds[2];
    const char *colon = strrchr(d->endpoint, ':');
    FILE *out;

    (void)snprintf(data, sizeof data, "%s/data", d->root);
    (void)snprintf(port, sizeof port, "%s", colon == NULL ? "0" : colon + 1);
    assert_int_equal(pipe(pipe_fds), 0);
    d->pid = fork();
    assert_true(d->pid >= 0);
    if (d->pid == 0) {
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL); /* it does not outlive the test */
        if (dup2(pipe_fds[1], STDOUT_FILENO) >= 0) {
            (void)close(pipe_fds[0]);
            (void)close(pipe_fds[1]);
            (void)execl(VXC_TESTS_VXCD, "vxcd", "--data", data, "--port", port, (char *)NULL);
        }
        _exit(127);
    }
    (void)close(pipe_fds[1]);
    out = fdopen(pipe_fds[0], "r");
    assert_non_null(out);
    do {
        if (fgets(line, sizeof line, out) == NULL) {
            fail_msg("vxcd ended before it was ready");
        }
    } while (strstr(line, "ready in") == NULL);
    (void)fclose(out); /* it prints nothing more that matters */
    (void)snprintf(data, sizeof data, "%s/data/endpoint", d->root);
    out = fopen(data, "r");
    assert_non_null(out);
    assert_non_null(fgets(d->endpoint, sizeof d->endpoint, out));
    (void)fclose(out);
    d->endpoint[strcspn(d->endpoint, "\n")] = '\0';
}

static inline void daemon_make(struct test_daemon *d)
{
    *d = (struct test_daemon){.root = "/tmp/vxc-daemon-XXXXXX"};
    assert_non_null(mkdtemp(d->root));
    daemon_start(d);
}

static inline void daemon_kill(struct test_daemon *d)
{
    assert_int_equal(kill(d->pid, SIGKILL), 0);
    assert_int_equal(waitpid(d->pid, NULL, 0), d->pid);
    d->pid = 0;
}

static inline void daemon_unmake(struct test_daemon *d)
{
    char command[128];

    if (d->pid != 0) {
        daemon_kill(d);
    }
    (void)snprintf(command, sizeof command, "rm -rf '%s'", d->root);
    assert_int_equal(system(command), 0);
}

#endif
