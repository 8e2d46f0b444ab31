#include "thread.h"

#include <signal.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

enum {
    NICENESS = 10,
    /* linux/ioprio.h, which older systems do not install: */
    IO_CLASS_IDLE = 3,
    IO_CLASS_SHIFT = 13,
    IO_WHO_THREAD = 1,
};

int vxc_thread_create(pthread_t *thread, void *(*run)(void *data), void *data)
{
    sigset_t all;
    sigset_t before;
    int rc;

    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &before); /* fails for bad arguments only */
    rc = pthread_create(thread, NULL, run, data);
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    return rc;
}

void vxc_thread_stand_back(void)
{
    (void)setpriority(PRIO_PROCESS, (id_t)gettid(), NICENESS); /* of this thread only, on Linux */
    (void)syscall(SYS_ioprio_set, IO_WHO_THREAD, 0, IO_CLASS_IDLE << IO_CLASS_SHIFT);
}
