/* The mailbox: what other threads want of the thread that drives a node.
 *
 * A letter is posted from any thread, wakes the loop, and is opened by the driver at the beginning
 * of its next turn, in the order of posting. It is the sender's memory and may be posted again once
 * it is being opened. The mailbox is counted: connections keep it for as long as their owners do,
 * which may be longer than the node lives.
 *
 * Who drives is known here: begin and end of a run are told. While nobody runs the node, the one
 * thread that has it is the driver, as in a loop of the embedder's.
 */
#ifndef VXC_NODE_MAILBOX_H
#define VXC_NODE_MAILBOX_H

#include "net/loop.h"

#include <stdbool.h>

struct vxc_mailbox;

struct vxc_letter {
    void (*open)(struct vxc_letter *letter); /* on the driver */
    struct vxc_letter *next;
    bool posted;
};

/* NULL without memory. The loop is borrowed until close. */
struct vxc_mailbox *vxc_mailbox_create(struct vxc_loop *loop);
struct vxc_mailbox *vxc_mailbox_keep(struct vxc_mailbox *mailbox);
void vxc_mailbox_release(struct vxc_mailbox *mailbox); /* NULL is fine */

/* False once it is closed. One that is posted already stays where it is. Any thread. */
bool vxc_mailbox_post(struct vxc_mailbox *mailbox, struct vxc_letter *letter);

/* Does `work` on the driver and waits until it is done. Any thread; on the driver, or when nobody
 * runs the node, it is done right here. */
void vxc_mailbox_call(struct vxc_mailbox *mailbox, void (*work)(void *data), void *data);

/* Some thread begins to run the node, this one or one about to be; false: one does already. */
bool vxc_mailbox_begin_run(struct vxc_mailbox *mailbox);
/* It is this thread. */
void vxc_mailbox_drive(struct vxc_mailbox *mailbox);
void vxc_mailbox_end_run(struct vxc_mailbox *mailbox);
/* Does some thread run the node, be it this one? */
bool vxc_mailbox_is_run(struct vxc_mailbox *mailbox);
/* Is it this one? */
bool vxc_mailbox_is_driver(struct vxc_mailbox *mailbox);

/* Opens what was posted; part of each turn. */
void vxc_mailbox_open(struct vxc_mailbox *mailbox);
/* Opens what was posted, and takes nothing more; the loop is not touched again. */
void vxc_mailbox_close(struct vxc_mailbox *mailbox);

#endif
