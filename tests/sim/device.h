/* The log's device: writes in flight complete later, in any order, and a crash loses or tears those
 * that have not. See storage/log_io.h. */
#ifndef VXC_TESTS_SIM_DEVICE_H
#define VXC_TESTS_SIM_DEVICE_H

#include "sim.h"
#include "storage/log_io.h"

/* For node's log; it is freed with the log, or left when the life ends in a crash. */
struct vxc_log_device *device_create(struct node *node);
/* The node has crashed: of each write in flight some blocks are on the disk. */
void device_cut(struct vxc_log_device *device);

#endif
