/* For what is preloaded into a program to come between it and the disk: writes and flushes through
 * io_uring would not come by, so setting up a ring fails as on a kernel without it, and the log works
 * by its thread. Defines functions: to be included once.
 */
#ifndef VXC_TESTS_INTEGRATION_NO_RING_H
#define VXC_TESTS_INTEGRATION_NO_RING_H

#include <errno.h>

int io_uring_queue_init(unsigned entries, void *ring, unsigned flags);
int io_uring_queue_init_params(unsigned entries, void *ring, void *params);

int io_uring_queue_init(unsigned entries, void *ring, unsigned flags)
{
    (void)entries;
    (void)ring;
    (void)flags;
    return -ENOSYS;
}

int io_uring_queue_init_params(unsigned entries, void *ring, void *params)
{
    (void)entries;
    (void)ring;
    (void)params;
    return -ENOSYS;
}

#endif
