/* The keeper: one thread for the log's slow housekeeping (preallocate and zero the next segment,
 * put it in place, unlink old ones), so that the loop never waits for the file system's journal.
 *
 * Jobs run one after the other in the order of submission. A job is memory of the caller, embedded
 * in what it works on; from submit to collect it belongs to the keeper. Without an event descriptor
 * jobs run inside submit: then there is no thread.
 */
#ifndef VXC_STORAGE_LOG_KEEPER_H
#define VXC_STORAGE_LOG_KEEPER_H

struct vxc_log_keeper;

struct vxc_log_job {
    void (*run)(struct vxc_log_job *job);  /* on the keeper's thread */
    void (*done)(struct vxc_log_job *job); /* on the loop thread, from vxc_log_keeper_collect */
    void *data;                            /* for the caller */
    int rv;                                /* result, set by run */
    struct vxc_log_job *next;
};

/* event_fd (borrowed) is made readable when a job has finished; -1 = run jobs inside submit. */
struct vxc_log_keeper *vxc_log_keeper_create(int event_fd);
void vxc_log_keeper_submit(struct vxc_log_keeper *keeper, struct vxc_log_job *job);

/* Calls done() of every finished job. */
void vxc_log_keeper_collect(struct vxc_log_keeper *keeper);

/* Runs what was submitted to its end, collects it, stops the thread. NULL is fine. */
void vxc_log_keeper_free(struct vxc_log_keeper *keeper);

#endif
