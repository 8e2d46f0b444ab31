#include "device.h"

#include "base/check.h"
#include "base/limits.h"
#include "world.h"

#include <stdlib.h>

enum { IN_FLIGHT_MAX = 2 * VXC_LOG_INFLIGHT_MAX };

struct device {
    struct vxc_log_device base; /* first */
    struct node *node;
    bool gone; /* the life it belonged to is over */
    struct flight {
        struct vxc_log_write *write; /* NULL: free */
        bool done;
    } flights[IN_FLIGHT_MAX];
};

static void complete(struct flight *flight)
{
    struct vxc_log_write *write = flight->write;

    disk_write_durable(write->fd, write->offset, write->data, write->size);
    write->result = 0;
    flight->done = true;
}

static void on_done(struct world *world, void *subject, uint64_t number)
{
    struct device *device = subject;
    struct flight *flight = &device->flights[number % IN_FLIGHT_MAX];

    (void)world;
    /* it may have been waited for meanwhile, and its place be taken by a later one */
    if (!device->gone && flight->write != NULL && !flight->done &&
        (uint64_t)(uintptr_t)flight->write->next == number / IN_FLIGHT_MAX) {
        complete(flight);
        node_wake(device->node, NODE_WAKE_LOG);
    }
}

static void submit(struct vxc_log_device *base, struct vxc_log_write *write)
{
    struct device *device = (struct device *)base;
    struct node *node = device->node;
    unsigned at = 0;

    disk_step(&node->disk);
    while (device->flights[at].write != NULL) {
        at++;
        vxc_check(at < IN_FLIGHT_MAX);
    }
    node->flights++;
    write->next = (struct vxc_log_write *)(uintptr_t)node->flights; /* the device's own: a number */
    device->flights[at] = (struct flight){.write = write};
    sim_after(node->world, node_flush_ns(node), on_done, device,
              node->flights * IN_FLIGHT_MAX + at);
}

static struct vxc_log_write *collect(struct vxc_log_device *base)
{
    struct device *device = (struct device *)base;

    for (unsigned i = 0; i < IN_FLIGHT_MAX; i++) {
        struct vxc_log_write *write = device->flights[i].write;

        if (write != NULL && device->flights[i].done) {
            device->flights[i] = (struct flight){0};
            return write;
        }
    }
    return NULL;
}

/* The node stands still until something is done. */
static void wait_for_one(struct vxc_log_device *base)
{
    struct device *device = (struct device *)base;

    disk_step(&device->node->disk);
    for (unsigned i = 0; i < IN_FLIGHT_MAX; i++) {
        if (device->flights[i].write != NULL && !device->flights[i].done) {
            complete(&device->flights[i]);
            return;
        }
    }
}

static void free_device(struct vxc_log_device *base)
{
    ((struct device *)base)->gone = true; /* events may still speak of it: it is left */
}

struct vxc_log_device *device_create(struct node *node)
{
    struct device *device = calloc(1, sizeof *device); /* of the world's: it outlives the life */

    if (device == NULL) {
        sim_broken("out of memory");
    }
    device->node = node;
    device->base = (struct vxc_log_device){.name = "simulated",
                                           .event_fd = -1,
                                           .submit = submit,
                                           .collect = collect,
                                           .wait = wait_for_one,
                                           .free = free_device};
    return &device->base;
}

void device_cut(struct vxc_log_device *base)
{
    struct device *device = (struct device *)base;
    struct stream *chance = &device->node->world->disk;

    device->gone = true;
    for (unsigned i = 0; i < IN_FLIGHT_MAX; i++) {
        const struct vxc_log_write *write = device->flights[i].write;
        const unsigned kept = (unsigned)sim_draw(chance, 3) * 500; /* none, half, all of it */

        for (size_t at = 0; write != NULL && !device->flights[i].done && at < write->size;
             at += VXC_LOG_BLOCK_SIZE) {
            if (sim_chance(chance, kept)) {
                disk_write_durable(write->fd, write->offset + at, (const uint8_t *)write->data + at,
                                   VXC_LOG_BLOCK_SIZE);
            }
        }
    }
}

/* In place of storage/log_io.c: who opens a log without a device of his own gets one of these. */
int vxc_log_device_create(enum vxc_log_io kind, struct vxc_log_device **device,
                          struct vxc_error *err)
{
    (void)kind, (void)err;
    vxc_check(node_current != NULL);
    *device = device_create(node_current);
    return 0;
}
