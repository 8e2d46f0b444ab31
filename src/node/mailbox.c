#include "node/mailbox.h"

#include "base/memory.h"

#include <pthread.h>
#include <stdatomic.h>

struct vxc_mailbox {
    atomic_uint owners;
    atomic_bool full; /* a look without the lock, once per turn */
    pthread_mutex_t lock;
    pthread_cond_t done;
    pthread_mutex_t direct; /* one at a time when nobody runs the node */
    /* under the lock: */
    struct vxc_loop *loop; /* NULL once closed */
    struct vxc_letter *head, *tail;
    bool running;
    bool known; /* who it is that runs: */
    pthread_t driver;
};

struct vxc_mailbox *vxc_mailbox_create(struct vxc_loop *loop)
{
    struct vxc_mailbox *m = vxc_calloc(1, sizeof *m);

    if (m != NULL) {
        m->loop = loop;
        atomic_init(&m->owners, 1);
        (void)pthread_mutex_init(&m->lock, NULL); /* none of these can fail on Linux */
        (void)pthread_mutex_init(&m->direct, NULL);
        (void)pthread_cond_init(&m->done, NULL);
    }
    return m;
}

struct vxc_mailbox *vxc_mailbox_keep(struct vxc_mailbox *m)
{
    atomic_fetch_add(&m->owners, 1);
    return m;
}

void vxc_mailbox_release(struct vxc_mailbox *m)
{
    if (m != NULL && atomic_fetch_sub(&m->owners, 1) == 1) {
        (void)pthread_cond_destroy(&m->done); /* nobody has it any more */
        (void)pthread_mutex_destroy(&m->direct);
        (void)pthread_mutex_destroy(&m->lock);
        vxc_free(m);
    }
}

static bool post_locked(struct vxc_mailbox *m, struct vxc_letter *letter)
{
    if (m->loop == NULL) {
        return false;
    }
    if (!letter->posted) {
        letter->posted = true;
        letter->next = NULL;
        if (m->tail != NULL) {
            m->tail->next = letter;
        } else {
            m->head = letter;
        }
        m->tail = letter;
        atomic_store(&m->full, true);
        vxc_loop_wake(m->loop);
    }
    return true;
}

bool vxc_mailbox_post(struct vxc_mailbox *m, struct vxc_letter *letter)
{
    bool posted;

    (void)pthread_mutex_lock(&m->lock);
    posted = post_locked(m, letter);
    (void)pthread_mutex_unlock(&m->lock);
    return posted;
}

/* Letters that are posted while others are opened wait for the next turn, so that a turn ends. */
void vxc_mailbox_open(struct vxc_mailbox *m)
{
    struct vxc_letter *list;

    if (!atomic_load(&m->full)) {
        return;
    }
    (void)pthread_mutex_lock(&m->lock);
    list = m->head;
    m->head = m->tail = NULL;
    atomic_store(&m->full, false);
    (void)pthread_mutex_unlock(&m->lock);
    while (list != NULL) {
        struct vxc_letter *letter = list;

        (void)pthread_mutex_lock(&m->lock);
        list = letter->next;
        letter->posted = false; /* from here on it may be posted again */
        (void)pthread_mutex_unlock(&m->lock);
        letter->open(letter);
    }
}

void vxc_mailbox_close(struct vxc_mailbox *m)
{
    (void)pthread_mutex_lock(&m->lock);
    m->loop = NULL;
    (void)pthread_mutex_unlock(&m->lock);
    vxc_mailbox_open(m);
}

/* ---- calls ---- */

struct call {
    struct vxc_letter letter; /* first */
    struct vxc_mailbox *mailbox;
    void (*work)(void *data);
    void *data;
    bool done; /* under the lock */
};

static void open_call(struct vxc_letter *letter)
{
    struct call *call = (struct call *)(void *)letter;
    struct vxc_mailbox *m = call->mailbox;

    call->work(call->data);
    (void)pthread_mutex_lock(&m->lock);
    call->done = true; /* whoever waits may be gone as soon as the lock is */
    (void)pthread_cond_broadcast(&m->done);
    (void)pthread_mutex_unlock(&m->lock);
}

static bool is_driver(const struct vxc_mailbox *m)
{
    return m->running && m->known && pthread_equal(m->driver, pthread_self());
}

void vxc_mailbox_call(struct vxc_mailbox *m, void (*work)(void *data), void *data)
{
    struct call call = {.letter = {.open = open_call}, .mailbox = m, .work = work, .data = data};
    bool posted;
    bool running;

    (void)pthread_mutex_lock(&m->lock);
    running = m->running;
    posted = running && !is_driver(m) && post_locked(m, &call.letter);
    while (posted && !call.done) {
        (void)pthread_cond_wait(&m->done, &m->lock);
    }
    (void)pthread_mutex_unlock(&m->lock);
    if (posted) {
        return;
    }
    if (running) {
        work(data);
        return;
    }
    (void)pthread_mutex_lock(&m->direct);
    work(data);
    (void)pthread_mutex_unlock(&m->direct);
}

/* ---- who drives ---- */

bool vxc_mailbox_begin_run(struct vxc_mailbox *m)
{
    bool begun;

    (void)pthread_mutex_lock(&m->lock);
    begun = !m->running;
    m->running = true;
    (void)pthread_mutex_unlock(&m->lock);
    return begun;
}

void vxc_mailbox_drive(struct vxc_mailbox *m)
{
    (void)pthread_mutex_lock(&m->lock);
    m->driver = pthread_self();
    m->known = true;
    (void)pthread_mutex_unlock(&m->lock);
}

/* What was posted until now still counts on a driver; what comes later is done by who asks. */
void vxc_mailbox_end_run(struct vxc_mailbox *m)
{
    for (bool running = true; running;) {
        vxc_mailbox_open(m);
        (void)pthread_mutex_lock(&m->lock);
        running = m->running = m->head != NULL;
        m->known = m->known && running;
        (void)pthread_mutex_unlock(&m->lock);
    }
}

bool vxc_mailbox_is_run(struct vxc_mailbox *m)
{
    bool is;

    (void)pthread_mutex_lock(&m->lock);
    is = m->running;
    (void)pthread_mutex_unlock(&m->lock);
    return is;
}

bool vxc_mailbox_is_driver(struct vxc_mailbox *m)
{
    bool is;

    (void)pthread_mutex_lock(&m->lock);
    is = is_driver(m);
    (void)pthread_mutex_unlock(&m->lock);
    return is;
}
