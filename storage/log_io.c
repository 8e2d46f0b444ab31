#include "log_io.h"

#include "base/check.h"
#include "base/limits.h"
#include "base/memory.h"
#include "base/thread.h"
#include "storage/disk.h"

#include <errno.h>
#include <fcntl.h>
#include <liburing.h>
#include <poll.h>
#include <pthread.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum { RING_ENTRIES = 16 };
static_assert(RING_ENTRIES >= 2 * VXC_LOG_INFLIGHT_MAX, "a submission entry is always free");

static void wait_event(struct vxc_log_device *device)
{
    struct pollfd p = {.fd = device->event_fd, .events = POLLIN};

    while (poll(&p, 1, -1) < 0) {
        if (errno != EINTR) {
            vxc_fatal("log: poll failed: %s", strerror(errno));
        }
    }
}

/* ---- io_uring ---- */

struct ring {
    struct vxc_log_device device;
    struct io_uring uring;
};

static void ring_submit(struct vxc_log_device *device, struct vxc_log_write *write)
{
    struct ring *ring = (struct ring *)device;
    struct io_uring_sqe *sqe = io_uring_get_sqe(&ring->uring);
    int rv;

    vxc_check(sqe != NULL);
    io_uring_prep_write(sqe, write->fd, write->data, (unsigned)write->size, write->offset);
    io_uring_sqe_set_data(sqe, write);
    do {
        rv = io_uring_submit(&ring->uring);
    } while (rv == -EINTR || rv == -EAGAIN);
    if (rv < 0) {
        vxc_fatal("log: io_uring submit failed: %s", strerror(-rv));
    }
}

static struct vxc_log_write *ring_collect(struct vxc_log_device *device)
{
    struct ring *ring = (struct ring *)device;
    struct io_uring_cqe *cqe;

    while (io_uring_peek_cqe(&ring->uring, &cqe) == 0) {
        struct vxc_log_write *write = io_uring_cqe_get_data(cqe);
        int result = cqe->res;

        io_uring_cqe_seen(&ring->uring, cqe);
        if (result == -EINTR || result == -EAGAIN) {
            ring_submit(device, write); /* not begun, says the kernel: the same write once more */
            continue;
        }
        /* A short write counts as an error of the device: on a preallocated file it has
         * no excuse. */
        write->result = result < 0 ? -result : (size_t)result == write->size ? 0 : EIO;
        return write;
    }
    return NULL;
}

static void ring_free(struct vxc_log_device *device)
{
    struct ring *ring = (struct ring *)device;

    io_uring_queue_exit(&ring->uring);
    (void)close(device->event_fd); /* carries no data */
    vxc_free(ring);
}

static int ring_create(struct vxc_log_device **device)
{
    struct ring *ring = vxc_calloc(1, sizeof *ring);
    struct io_uring_probe *probe;

    if (ring == NULL) {
        return VXC_ENOMEM;
    }
    if (io_uring_queue_init(RING_ENTRIES, &ring->uring, 0) != 0) {
        goto free_ring;
    }
    probe = io_uring_get_probe_ring(&ring->uring);
    if (probe == NULL || !io_uring_opcode_supported(probe, IORING_OP_WRITE)) {
        io_uring_free_probe(probe);
        goto exit_queue;
    }
    io_uring_free_probe(probe);
    ring->device = (struct vxc_log_device){.name = "io_uring",
                                           .open_flags = O_DSYNC,
                                           .event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK),
                                           .submit = ring_submit,
                                           .collect = ring_collect,
                                           .wait = wait_event,
                                           .free = ring_free};
    if (ring->device.event_fd < 0) {
        goto exit_queue;
    }
    if (io_uring_register_eventfd(&ring->uring, ring->device.event_fd) != 0) {
        goto close_event;
    }
    *device = &ring->device;
    return 0;

close_event:
    (void)close(ring->device.event_fd);
exit_queue:
    io_uring_queue_exit(&ring->uring);
free_ring:
    vxc_free(ring);
    return VXC_EUNSUPPORTED;
}

/* ---- a thread with fdatasync ---- */

struct write_list {
    struct vxc_log_write *first;
    struct vxc_log_write **end;
};

struct threaded {
    struct vxc_log_device device;
    pthread_t thread;
    pthread_mutex_t mutex; /* guards all below */
    pthread_cond_t work;
    struct write_list waiting;
    struct write_list done;
    bool stop;
};

static void list_init(struct write_list *list)
{
    list->first = NULL;
    list->end = &list->first;
}

static void list_push(struct write_list *list, struct vxc_log_write *write)
{
    write->next = NULL;
    *list->end = write;
    list->end = &write->next;
}

/* Writes all, then flushes each file once: this is the thread's group commit. */
static void write_all(struct vxc_log_write *first)
{
    int flushed_fd = -1;
    int flush_result = 0;

    for (struct vxc_log_write *w = first; w != NULL; w = w->next) {
        int rv = vxc_disk_write(w->fd, w->offset, w->data, w->size);
        w->result = rv == 0 ? 0 : errno;
    }
    for (struct vxc_log_write *w = first; w != NULL; w = w->next) {
        if (w->fd != flushed_fd) {
            flush_result = fdatasync(w->fd) == 0 ? 0 : errno;
            flushed_fd = w->fd;
        }
        w->result = w->result != 0 ? w->result : flush_result;
    }
}

static void *threaded_run(void *data)
{
    struct threaded *t = data;

    (void)pthread_setname_np(pthread_self(), "vxc-log"); /* for people who look at threads */
    (void)pthread_mutex_lock(&t->mutex);
    for (;;) {
        struct vxc_log_write *batch;

        while (t->waiting.first == NULL && !t->stop) {
            (void)pthread_cond_wait(&t->work, &t->mutex);
        }
        if (t->waiting.first == NULL) {
            break;
        }
        batch = t->waiting.first;
        list_init(&t->waiting);
        (void)pthread_mutex_unlock(&t->mutex);
        write_all(batch);
        (void)pthread_mutex_lock(&t->mutex);
        while (batch != NULL) {
            struct vxc_log_write *next = batch->next;
            list_push(&t->done, batch);
            batch = next;
        }
        (void)eventfd_write(t->device.event_fd, 1); /* can only fail when already readable */
    }
    (void)pthread_mutex_unlock(&t->mutex);
    return NULL;
}

static void threaded_submit(struct vxc_log_device *device, struct vxc_log_write *write)
{
    struct threaded *t = (struct threaded *)device;

    (void)pthread_mutex_lock(&t->mutex);
    list_push(&t->waiting, write);
    (void)pthread_cond_signal(&t->work);
    (void)pthread_mutex_unlock(&t->mutex);
}

static struct vxc_log_write *threaded_collect(struct vxc_log_device *device)
{
    struct threaded *t = (struct threaded *)device;
    struct vxc_log_write *write;

    (void)pthread_mutex_lock(&t->mutex);
    write = t->done.first;
    if (write != NULL) {
        t->done.first = write->next;
        if (t->done.first == NULL) {
            t->done.end = &t->done.first;
        }
    }
    (void)pthread_mutex_unlock(&t->mutex);
    return write;
}

static void threaded_free(struct vxc_log_device *device)
{
    struct threaded *t = (struct threaded *)device;

    (void)pthread_mutex_lock(&t->mutex);
    t->stop = true;
    (void)pthread_cond_signal(&t->work);
    (void)pthread_mutex_unlock(&t->mutex);
    (void)pthread_join(t->thread, NULL);
    (void)pthread_cond_destroy(&t->work);
    (void)pthread_mutex_destroy(&t->mutex);
    (void)close(device->event_fd); /* carries no data */
    vxc_free(t);
}

static int threaded_create(struct vxc_log_device **device)
{
    struct threaded *t = vxc_calloc(1, sizeof *t);

    if (t == NULL) {
        return VXC_ENOMEM;
    }
    t->device = (struct vxc_log_device){.name = "thread",
                                        .event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK),
                                        .submit = threaded_submit,
                                        .collect = threaded_collect,
                                        .wait = wait_event,
                                        .free = threaded_free};
    list_init(&t->waiting);
    list_init(&t->done);
    if (t->device.event_fd < 0) {
        goto free_threaded;
    }
    if (pthread_mutex_init(&t->mutex, NULL) != 0) {
        goto close_event;
    }
    if (pthread_cond_init(&t->work, NULL) != 0) {
        goto destroy_mutex;
    }
    if (vxc_thread_create(&t->thread, threaded_run, t) != 0) {
        goto destroy_cond;
    }
    *device = &t->device;
    return 0;

destroy_cond:
    (void)pthread_cond_destroy(&t->work);
destroy_mutex:
    (void)pthread_mutex_destroy(&t->mutex);
close_event:
    (void)close(t->device.event_fd);
free_threaded:
    vxc_free(t);
    return VXC_ENOMEM;
}

int vxc_log_device_create(enum vxc_log_io kind, struct vxc_log_device **device,
                          struct vxc_error *err)
{
    int rv = VXC_EUNSUPPORTED;

    if (kind != VXC_LOG_IO_THREAD) {
        rv = ring_create(device);
    }
    if (kind == VXC_LOG_IO_THREAD || (kind == VXC_LOG_IO_AUTO && rv != 0)) {
        rv = threaded_create(device);
    }
    if (rv != 0) {
        return vxc_error_set(err, rv, "%s is not available to the log",
                             kind == VXC_LOG_IO_THREAD ? "a thread" : "io_uring");
    }
    return 0;
}
