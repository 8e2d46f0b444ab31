#include "log_keeper.h"

#include "base/memory.h"
#include "base/thread.h"

#include <pthread.h>
#include <stdbool.h>
#include <sys/eventfd.h>

struct job_list {
    struct vxc_log_job *first;
    struct vxc_log_job **end;
};

struct vxc_log_keeper {
    int event_fd;
    pthread_t thread;
    pthread_mutex_t mutex; /* guards all below */
    pthread_cond_t work;
    struct job_list waiting;
    struct job_list finished;
    bool stop;
};

static void list_init(struct job_list *list)
{
    list->first = NULL;
    list->end = &list->first;
}

static void list_push(struct job_list *list, struct vxc_log_job *job)
{
    job->next = NULL;
    *list->end = job;
    list->end = &job->next;
}

static struct vxc_log_job *list_pop(struct job_list *list)
{
    struct vxc_log_job *job = list->first;

    if (job != NULL) {
        list->first = job->next;
        if (list->first == NULL) {
            list->end = &list->first;
        }
    }
    return job;
}

static void *keeper_run(void *data)
{
    struct vxc_log_keeper *keeper = data;

    (void)pthread_setname_np(pthread_self(), "vxc-segments"); /* for people who look at threads */
    (void)pthread_mutex_lock(&keeper->mutex);
    for (;;) {
        struct vxc_log_job *job = list_pop(&keeper->waiting);

        if (job != NULL) {
            (void)pthread_mutex_unlock(&keeper->mutex);
            job->run(job);
            (void)pthread_mutex_lock(&keeper->mutex);
            list_push(&keeper->finished, job);
            (void)eventfd_write(keeper->event_fd, 1); /* can only fail when already readable */
        } else if (keeper->stop) {
            break;
        } else {
            (void)pthread_cond_wait(&keeper->work, &keeper->mutex);
        }
    }
    (void)pthread_mutex_unlock(&keeper->mutex);
    return NULL;
}

struct vxc_log_keeper *vxc_log_keeper_create(int event_fd)
{
    struct vxc_log_keeper *keeper = vxc_calloc(1, sizeof *keeper);

    if (keeper == NULL) {
        return NULL;
    }
    keeper->event_fd = event_fd;
    list_init(&keeper->waiting);
    list_init(&keeper->finished);
    if (pthread_mutex_init(&keeper->mutex, NULL) != 0) {
        goto free_keeper;
    }
    if (pthread_cond_init(&keeper->work, NULL) != 0) {
        goto destroy_mutex;
    }
    if (event_fd >= 0 && vxc_thread_create(&keeper->thread, keeper_run, keeper) != 0) {
        goto destroy_cond;
    }
    return keeper;

destroy_cond:
    (void)pthread_cond_destroy(&keeper->work);
destroy_mutex:
    (void)pthread_mutex_destroy(&keeper->mutex);
free_keeper:
    vxc_free(keeper);
    return NULL;
}

void vxc_log_keeper_submit(struct vxc_log_keeper *keeper, struct vxc_log_job *job)
{
    if (keeper->event_fd < 0) {
        job->run(job);
        list_push(&keeper->finished, job);
        return;
    }
    (void)pthread_mutex_lock(&keeper->mutex);
    list_push(&keeper->waiting, job);
    (void)pthread_cond_signal(&keeper->work);
    (void)pthread_mutex_unlock(&keeper->mutex);
}

void vxc_log_keeper_collect(struct vxc_log_keeper *keeper)
{
    for (;;) {
        struct vxc_log_job *job;

        (void)pthread_mutex_lock(&keeper->mutex);
        job = list_pop(&keeper->finished);
        (void)pthread_mutex_unlock(&keeper->mutex);
        if (job == NULL) {
            return;
        }
        job->done(job);
    }
}

void vxc_log_keeper_free(struct vxc_log_keeper *keeper)
{
    if (keeper == NULL) {
        return;
    }
    if (keeper->event_fd >= 0) {
        (void)pthread_mutex_lock(&keeper->mutex);
        keeper->stop = true;
        (void)pthread_cond_signal(&keeper->work);
        (void)pthread_mutex_unlock(&keeper->mutex);
        (void)pthread_join(keeper->thread, NULL);
    }
    vxc_log_keeper_collect(keeper);
    (void)pthread_cond_destroy(&keeper->work);
    (void)pthread_mutex_destroy(&keeper->mutex);
    vxc_free(keeper);
}
