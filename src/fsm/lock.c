/* Locks: fenced, fair (first in the log, first served), owned by sessions.
 *
 *   LOCK_CREATE   name → found = it was there. A created lock stays until destroyed; one made by an
 *                 acquire vanishes with its last holder and waiter.
 *   LOCK_ACQUIRE  session, name, a wait ms (0 do not queue, -1 for ever), b ticket (0 = the
 * sequence) → found, token: it is held now → not found, number: place in the queue from 1; 0 = held
 * by another, not queued LOCK_CANCEL   session, name, b ticket → found, number 0: left the queue,
 * 1: had it, released it LOCK_RELEASE  session, name, b token (0 = whatever the session holds) →
 * found = it was held LOCK_DESTROY  name → found; VXC_EBUSY while held or waited for LOCK_INFO
 * name, key cursor, b limits → found, token (0 = free), number waiters; value a list: the lock
 *                 record (first page only), then waiter records in the order of the queue
 *   LOCK_LIST     key cursor, b limits → value pairs (name, lock record)
 *   LOCK_HELD     session, name → found = this session holds it, token
 *
 *   lock record    holder session u64 (0 = free) | token u64 | ticket u64 | since ms u64 | waiters
 * u32 | holder's node id | holder's client name (u32 length + bytes each) waiter record  session
 * u64 | ticket u64 | since ms u64 | due ms u64 (all ones = never) | node id | client name
 *
 * Not reentrant: a session that asks twice with two tickets waits for itself, as Vert.x wants it.
 * The same ticket asked again re-attaches: to the lock if it was granted, else to its queue place.
 * With the flag LEGACY a session has one place per lock, waits for ever, and the owner asking again
 * is answered with what it has. A place in a queue is exact when taken; when re-attached it is an
 * upper bound, because those who left in between are not counted off.
 *
 * Outcomes of waiting go to the session as events keyed by the ticket and replace the cached reply
 * of the acquire: granted (found, token), VXC_ETIMEOUT, VXC_ECANCELED.
 *
 * Rows. The queue is a doubly linked list of waiter rows, so that every operation touches a handful
 * of rows, found by their keys, however long the queue is.
 *
 *   'l' namespace(8) name   flags u8 (1 created) | id u64 | holder u64 | token u64 | ticket u64 |
 * since ms u64 | waiters u32 | next order u64 | first (session u64, ticket u64) | last (session
 * u64, ticket u64) | name (the rest) 'w' lock id(8) session(8) ticket(8) flags u8 (1 legacy) |
 * order u64 | ticket to answer u64 | sequence u64 | since ms u64 | due ms u64 | before (session
 * u64, ticket u64) | behind (session u64, ticket u64) | row key of the lock (the rest)
 */
#include "base/check.h"
#include "base/limits.h"
#include "fsm/describe.h"
#include "fsm/memory.h"
#include "fsm/state.h"

enum {
    LOCK_CREATED = 1,
    WAITER_LEGACY = 1,
    LOCK_HEAD_SIZE = 1 + 5 * 8 + 4 + 8 + 4 * 8,
    WAITER_HEAD_SIZE = 1 + 5 * 8 + 4 * 8,
    WAITER_KEY_SIZE = 1 + 3 * 8,
};

#define NEVER UINT64_MAX

/* Names a waiter within its lock; session 0 = none. */
struct waiter_ref {
    uint64_t session;
    uint64_t ticket; /* 0 for the one place of a legacy session */
};

struct lock {
    struct vxc_row_key key;
    bool created;
    uint64_t id;
    uint64_t holder; /* session; 0 = free */
    uint64_t token;
    uint64_t ticket;
    uint64_t since_ms;
    uint32_t waiter_count;
    uint64_t next_order;
    struct waiter_ref first;
    struct waiter_ref last;
    uint64_t namespace_id; /* from the key */
    struct vxc_slice name; /* borrowed from the command, or kept in scratch */
};

struct waiter {
    uint64_t lock_id;
    struct waiter_ref ref;
    bool legacy;
    uint64_t order;    /* rises along the queue */
    uint64_t ticket;   /* to answer */
    uint64_t sequence; /* whose cached reply follows the outcome */
    uint64_t since_ms;
    uint64_t due_ms;
    struct waiter_ref before;
    struct waiter_ref behind;
    struct vxc_row_key lock_key;
};

/* ---- rows ---- */

static void lock_key(struct vxc_row_key *key, uint64_t namespace_id, struct vxc_slice name)
{
    vxc_row_key_begin(key);
    vxc_row_key_u8(key, 'l');
    vxc_row_key_u64(key, namespace_id);
    vxc_row_key_user(key, name);
}

static void waiter_key(struct vxc_row_key *key, uint64_t lock_id, struct waiter_ref ref)
{
    vxc_row_key_begin(key);
    vxc_row_key_u8(key, 'w');
    vxc_row_key_u64(key, lock_id);
    vxc_row_key_u64(key, ref.session);
    vxc_row_key_u64(key, ref.ticket);
}

static struct waiter_ref read_ref(struct vxc_reader *reader)
{
    uint64_t session = vxc_reader_u64(reader);

    return (struct waiter_ref){session, vxc_reader_u64(reader)};
}

static uint8_t *write_u64(uint8_t *at, uint64_t v)
{
    vxc_store_u64(at, v);
    return at + 8;
}

static uint8_t *write_ref(uint8_t *at, struct waiter_ref ref)
{
    return write_u64(write_u64(at, ref.session), ref.ticket);
}

/* Everything but the key; the name borrows from the body. */
static int lock_decode(struct vxc_slice body, struct lock *lock)
{
    struct vxc_reader reader = vxc_reader(body);
    uint8_t flags = vxc_reader_u8(&reader);

    lock->created = flags == LOCK_CREATED;
    lock->id = vxc_reader_u64(&reader);
    lock->holder = vxc_reader_u64(&reader);
    lock->token = vxc_reader_u64(&reader);
    lock->ticket = vxc_reader_u64(&reader);
    lock->since_ms = vxc_reader_u64(&reader);
    lock->waiter_count = vxc_reader_u32(&reader);
    lock->next_order = vxc_reader_u64(&reader);
    lock->first = read_ref(&reader);
    lock->last = read_ref(&reader);
    lock->name = vxc_reader_raw(&reader, vxc_reader_left(&reader));
    return vxc_reader_ok(&reader) && flags <= LOCK_CREATED ? 0 : VXC_ECORRUPT;
}

static void lock_put(struct vxc_fsm *fsm, const struct lock *lock)
{
    uint8_t head[LOCK_HEAD_SIZE];
    uint8_t *at = head;

    *at++ = lock->created ? LOCK_CREATED : 0;
    at = write_u64(at, lock->id);
    at = write_u64(at, lock->holder);
    at = write_u64(at, lock->token);
    at = write_u64(at, lock->ticket);
    at = write_u64(at, lock->since_ms);
    vxc_store_u32(at, lock->waiter_count);
    at = write_u64(at + 4, lock->next_order);
    at = write_ref(at, lock->first);
    at = write_ref(at, lock->last);
    vxc_check(at == head + sizeof head);
    vxc_table_put(fsm->table, VXC_DB_LOCKS, vxc_row_key_slice(&lock->key),
                  vxc_slice(head, sizeof head), lock->name);
}

static int waiter_decode(struct vxc_slice key, struct vxc_slice body, struct waiter *waiter)
{
    struct vxc_reader reader = vxc_reader(body);
    uint8_t flags = vxc_reader_u8(&reader);
    struct vxc_slice lock;

    if (key.size != WAITER_KEY_SIZE || key.data[0] != 'w') {
        return VXC_ECORRUPT;
    }
    waiter->lock_id = vxc_load_be64(key.data + 1);
    waiter->ref.session = vxc_load_be64(key.data + 9);
    waiter->ref.ticket = vxc_load_be64(key.data + 17);
    waiter->legacy = flags == WAITER_LEGACY;
    waiter->order = vxc_reader_u64(&reader);
    waiter->ticket = vxc_reader_u64(&reader);
    waiter->sequence = vxc_reader_u64(&reader);
    waiter->since_ms = vxc_reader_u64(&reader);
    waiter->due_ms = vxc_reader_u64(&reader);
    waiter->before = read_ref(&reader);
    waiter->behind = read_ref(&reader);
    lock = vxc_reader_raw(&reader, vxc_reader_left(&reader));
    if (!vxc_reader_ok(&reader) || flags > WAITER_LEGACY || lock.size > VXC_ROW_KEY_SIZE_MAX) {
        return VXC_ECORRUPT;
    }
    vxc_row_key_begin(&waiter->lock_key);
    memcpy(waiter->lock_key.data, lock.data, lock.size);
    waiter->lock_key.size = (uint16_t)lock.size;
    return 0;
}

static void waiter_put(struct vxc_fsm *fsm, const struct waiter *waiter)
{
    uint8_t head[WAITER_HEAD_SIZE];
    uint8_t *at = head;
    struct vxc_row_key key;

    *at++ = waiter->legacy ? WAITER_LEGACY : 0;
    at = write_u64(at, waiter->order);
    at = write_u64(at, waiter->ticket);
    at = write_u64(at, waiter->sequence);
    at = write_u64(at, waiter->since_ms);
    at = write_u64(at, waiter->due_ms);
    at = write_ref(at, waiter->before);
    at = write_ref(at, waiter->behind);
    vxc_check(at == head + sizeof head);
    waiter_key(&key, waiter->lock_id, waiter->ref);
    vxc_table_put(fsm->table, VXC_DB_LOCKS, vxc_row_key_slice(&key), vxc_slice(head, sizeof head),
                  vxc_row_key_slice(&waiter->lock_key));
}

static void waiter_del(struct vxc_fsm *fsm, const struct waiter *waiter)
{
    struct vxc_row_key key;

    waiter_key(&key, waiter->lock_id, waiter->ref);
    vxc_table_del(fsm->table, VXC_DB_LOCKS, vxc_row_key_slice(&key));
}

/* ---- loading ---- */

/* Loads the lock whose key is set; its name is kept in scratch, for the row may change. */
static bool lock_load_key(struct vxc_fsm *fsm, struct lock *lock)
{
    struct vxc_slice body;

    if (vxc_table_get(fsm->table, VXC_DB_LOCKS, vxc_row_key_slice(&lock->key), &body) != 0) {
        return false;
    }
    if (lock_decode(body, lock) != 0 || lock->key.size < 1 + 8) {
        vxc_fsm_damaged(fsm, VXC_DB_LOCKS, "a lock cannot be read");
        return false;
    }
    lock->namespace_id = vxc_load_be64(lock->key.data + 1);
    lock->name = vxc_fsm_keep(fsm, lock->name);
    return true;
}

/* Loads the lock of a name; without one *lock is made ready for it, with id 0. */
static bool lock_load(struct vxc_fsm *fsm, uint64_t namespace_id, struct vxc_slice name,
                      struct lock *lock)
{
    struct vxc_slice body;

    *lock = (struct lock){.namespace_id = namespace_id, .name = name};
    lock_key(&lock->key, namespace_id, name);
    if (vxc_table_get(fsm->table, VXC_DB_LOCKS, vxc_row_key_slice(&lock->key), &body) != 0) {
        return false;
    }
    if (lock_decode(body, lock) != 0) {
        vxc_fsm_damaged(fsm, VXC_DB_LOCKS, "a lock cannot be read");
        lock->id = UINT64_MAX; /* nothing more is done with it */
        return false;
    }
    if (lock->key.hashed && !vxc_slice_equal(lock->name, name)) {
        lock->id = UINT64_MAX; /* another name with the same hash */
    }
    lock->name = name;
    return true;
}

/* Two long names with one SHA-256 prefix (nobody meets that by chance), or an unreadable row. */
static bool is_unusable(const struct lock *lock, struct vxc_result *result)
{
    if (lock->id != UINT64_MAX) {
        return false;
    }
    vxc_result_fail(result, VXC_EEXISTS, "another lock name has the same hash; use another name");
    return true;
}

static bool waiter_load(struct vxc_fsm *fsm, uint64_t lock_id, struct waiter_ref ref,
                        struct waiter *waiter)
{
    struct vxc_row_key key;
    struct vxc_slice body;

    waiter_key(&key, lock_id, ref);
    if (vxc_table_get(fsm->table, VXC_DB_LOCKS, vxc_row_key_slice(&key), &body) != 0) {
        return false;
    }
    if (waiter_decode(vxc_row_key_slice(&key), body, waiter) != 0) {
        vxc_fsm_damaged(fsm, VXC_DB_LOCKS, "a queue place cannot be read");
        return false;
    }
    return true;
}

/* A waiter that the list says is there. False only when the table could not read it, which stops
 * the node before anything of this entry is seen. */
static bool linked_load(struct vxc_fsm *fsm, const struct lock *lock, struct waiter_ref ref,
                        struct waiter *waiter)
{
    if (!waiter_load(fsm, lock->id, ref, waiter)) {
        vxc_fsm_damaged(fsm, VXC_DB_LOCKS, "a queue place is missing");
        return false;
    }
    return true;
}

/* ---- the queue ---- */

static void queue_append(struct vxc_fsm *fsm, struct lock *lock, struct waiter *waiter)
{
    struct waiter last;

    waiter->before = lock->last;
    waiter->behind = (struct waiter_ref){0, 0};
    waiter->order = lock->next_order++;
    if (lock->waiter_count == 0) {
        lock->first = waiter->ref;
    } else if (linked_load(fsm, lock, lock->last, &last)) {
        last.behind = waiter->ref;
        waiter_put(fsm, &last);
    }
    lock->last = waiter->ref;
    lock->waiter_count++;
    waiter_put(fsm, waiter);
}

static void queue_unlink(struct vxc_fsm *fsm, struct lock *lock, const struct waiter *waiter)
{
    struct waiter neighbour;

    vxc_check(lock->waiter_count > 0);
    if (waiter->before.session == 0) {
        lock->first = waiter->behind;
    } else if (linked_load(fsm, lock, waiter->before, &neighbour)) {
        neighbour.behind = waiter->behind;
        waiter_put(fsm, &neighbour);
    }
    if (waiter->behind.session == 0) {
        lock->last = waiter->before;
    } else if (linked_load(fsm, lock, waiter->behind, &neighbour)) {
        neighbour.before = waiter->before;
        waiter_put(fsm, &neighbour);
    }
    lock->waiter_count--;
    waiter_del(fsm, waiter);
}

/* Takes a waiter out of its queue, out of what its session owns and, unless it is due, out of what
 * falls due. The caller writes the lock. */
static void waiter_leave(struct vxc_fsm *fsm, struct lock *lock, const struct waiter *waiter,
                         bool due)
{
    struct vxc_row_key key;

    waiter_key(&key, waiter->lock_id, waiter->ref);
    queue_unlink(fsm, lock, waiter);
    vxc_session_disown(fsm, waiter->ref.session, VXC_OWNED_WAIT, vxc_row_key_slice(&key));
    if (!due && waiter->due_ms != NEVER) {
        vxc_deadline_remove(fsm, waiter->due_ms, VXC_DEADLINE_LOCK_WAIT, vxc_row_key_slice(&key));
    }
}

static int64_t queue_position(struct vxc_fsm *fsm, const struct lock *lock,
                              const struct waiter *waiter)
{
    struct waiter first;
    uint64_t ahead;

    if (!linked_load(fsm, lock, lock->first, &first)) {
        return 1;
    }
    ahead = waiter->order - first.order;
    return (int64_t)(ahead < lock->waiter_count ? ahead + 1 : lock->waiter_count);
}

/* ---- holding ---- */

static void notify_watchers(struct vxc_fsm *fsm, const struct lock *lock, enum vxc_event_type type)
{
    struct vxc_event event = {.type = type, .kind = VXC_WATCH_LOCK};

    if (vxc_watched(fsm, VXC_WATCH_LOCK, lock->namespace_id, lock->name)) {
        event.name = lock->name;
        event.number = (int64_t)lock->holder;
        event.token = lock->token;
        vxc_watch_notify(fsm, lock->namespace_id, &event);
    }
}

/* What became of a waiter, to its session and into the cached reply of its acquire. */
static void notify_waiter(struct vxc_fsm *fsm, const struct lock *lock, const struct waiter *waiter,
                          enum vxc_event_type type, const struct vxc_result *outcome)
{
    struct vxc_event event = {
        .type = type,
        .ticket = waiter->ticket,
        .token = outcome->token,
        .name = lock->name,
    };

    if (waiter->sequence != 0) {
        vxc_session_amend(fsm, waiter->ref.session, waiter->sequence, outcome);
    }
    vxc_session_notify(fsm, waiter->ref.session, &event);
}

static void hold(struct vxc_fsm *fsm, struct lock *lock, uint64_t session, uint64_t ticket)
{
    vxc_check(lock->holder == 0);
    lock->holder = session;
    lock->token = vxc_fsm_take_token(fsm);
    lock->ticket = ticket;
    lock->since_ms = fsm->time_ms;
    vxc_session_own(fsm, session, VXC_OWNED_LOCK, vxc_row_key_slice(&lock->key));
}

/* Gives a free lock to the first live waiter. Those of a session that is ending leave the queue
 * here; its end finds them gone. */
static void grant_next(struct vxc_fsm *fsm, struct lock *lock)
{
    while (lock->holder == 0 && lock->waiter_count > 0) {
        struct vxc_result outcome = {.found = true, .index = fsm->index};
        struct waiter waiter;

        if (!linked_load(fsm, lock, lock->first, &waiter)) {
            return;
        }
        waiter_leave(fsm, lock, &waiter, false);
        if (!vxc_session_live(fsm, waiter.ref.session)) {
            continue;
        }
        hold(fsm, lock, waiter.ref.session, waiter.ticket);
        outcome.token = lock->token;
        notify_waiter(fsm, lock, &waiter, VXC_EVENT_LOCK_GRANTED, &outcome);
        notify_watchers(fsm, lock, VXC_EVENT_LOCKED);
    }
}

/* Writes a lock, or takes it away when only an acquire had made it and nobody needs it any more. */
static void lock_settle(struct vxc_fsm *fsm, const struct lock *lock)
{
    if (lock->holder != 0 || lock->waiter_count != 0 || lock->created) {
        lock_put(fsm, lock);
        return;
    }
    vxc_table_del(fsm->table, VXC_DB_LOCKS, vxc_row_key_slice(&lock->key));
    fsm->stats.locks--;
    fsm->meta_dirty = true;
}

static void release(struct vxc_fsm *fsm, struct lock *lock)
{
    vxc_check(lock->holder != 0);
    vxc_session_disown(fsm, lock->holder, VXC_OWNED_LOCK, vxc_row_key_slice(&lock->key));
    notify_watchers(fsm, lock, VXC_EVENT_UNLOCKED);
    lock->holder = 0;
    lock->token = 0;
    lock->ticket = 0;
    lock->since_ms = 0;
    grant_next(fsm, lock);
    lock_settle(fsm, lock);
}

static void give_birth(struct vxc_fsm *fsm, struct lock *lock)
{
    if (lock->id == 0) {
        lock->id = vxc_fsm_take_id(fsm);
        fsm->stats.locks++;
        fsm->meta_dirty = true;
    }
}

/* ---- acquire ---- */

static bool is_legacy(const struct vxc_command *command)
{
    return (command->flags & VXC_COMMAND_LEGACY) != 0;
}

static uint64_t ticket_of(const struct vxc_command *command)
{
    return command->b != 0 ? command->b : command->sequence;
}

static struct waiter_ref ref_of(const struct vxc_command *command)
{
    return (struct waiter_ref){command->session, is_legacy(command) ? 0 : ticket_of(command)};
}

static int check_acquire(struct vxc_fsm *fsm, const struct vxc_command *command, const char **text)
{
    if (!vxc_session_live(fsm, command->session)) {
        *text = "the session is unknown or has expired";
        return VXC_ESESSION;
    }
    if (command->a < -1) {
        *text = "the wait is in milliseconds, 0 for no wait, -1 for ever";
        return VXC_EINVAL;
    }
    if (!is_legacy(command) && ticket_of(command) == 0) {
        *text = "an acquire needs a ticket or a sequence";
        return VXC_EINVAL;
    }
    return 0;
}

/* Answers from what the session has already: the lock under this ticket, or a place in the queue.
 */
static bool reattach(struct vxc_fsm *fsm, const struct vxc_command *command,
                     const struct lock *lock, struct vxc_result *result)
{
    struct waiter waiter;

    if (lock->holder == command->session &&
        (is_legacy(command) || lock->ticket == ticket_of(command))) {
        result->found = true;
        result->token = lock->token;
        return true;
    }
    if (lock->waiter_count == 0 || !waiter_load(fsm, lock->id, ref_of(command), &waiter)) {
        return false;
    }
    result->number = queue_position(fsm, lock, &waiter);
    waiter.ticket = ticket_of(command);
    if (command->sequence != 0) {
        waiter.sequence = command->sequence;
    }
    waiter_put(fsm, &waiter);
    return true;
}

static int check_limits(struct vxc_fsm *fsm, uint64_t session, const struct lock *lock,
                        const char **text)
{
    uint64_t count = vxc_session_owned_count(fsm, session, VXC_OWNED_LOCK) +
                     vxc_session_owned_count(fsm, session, VXC_OWNED_WAIT);

    if (count >= VXC_SESSION_LOCKS_MAX) {
        *text = "the session holds and awaits too many locks; release some";
        return VXC_ELIMIT;
    }
    if (lock->waiter_count >= VXC_LOCK_WAITERS_MAX) {
        *text = "too many wait for this lock";
        return VXC_ELIMIT;
    }
    return 0;
}

static uint64_t due_of(const struct vxc_fsm *fsm, const struct vxc_command *command)
{
    uint64_t wait = (uint64_t)command->a;

    if (is_legacy(command) || command->a < 0 || wait >= NEVER - fsm->stamp_ms) {
        return NEVER;
    }
    return fsm->stamp_ms + wait;
}

static void enqueue(struct vxc_fsm *fsm, const struct vxc_command *command, struct lock *lock,
                    struct vxc_result *result)
{
    struct waiter waiter = {
        .lock_id = lock->id,
        .ref = ref_of(command),
        .legacy = is_legacy(command),
        .ticket = ticket_of(command),
        .sequence = command->sequence,
        .since_ms = fsm->time_ms,
        .due_ms = due_of(fsm, command),
        .lock_key = lock->key,
    };
    struct vxc_row_key key;

    waiter_key(&key, waiter.lock_id, waiter.ref);
    queue_append(fsm, lock, &waiter);
    vxc_session_own(fsm, command->session, VXC_OWNED_WAIT, vxc_row_key_slice(&key));
    if (waiter.due_ms != NEVER) {
        vxc_deadline_add(fsm, waiter.due_ms, VXC_DEADLINE_LOCK_WAIT, vxc_row_key_slice(&key));
    }
    lock_put(fsm, lock);
    result->number = lock->waiter_count;
}

static void apply_acquire(struct vxc_fsm *fsm, const struct vxc_command *command, struct lock *lock,
                          struct vxc_result *result)
{
    const char *text = NULL;
    int rv = check_acquire(fsm, command, &text);

    if (rv == 0 && lock->id != 0 && reattach(fsm, command, lock, result)) {
        return;
    }
    if (rv == 0 && lock->holder != 0 && command->a == 0 && !is_legacy(command)) {
        return; /* taken, and not to be waited for */
    }
    if (rv == 0) {
        rv = check_limits(fsm, command->session, lock, &text);
    }
    if (rv != 0) {
        vxc_result_fail(result, rv, text);
        return;
    }
    give_birth(fsm, lock);
    if (lock->holder != 0) {
        enqueue(fsm, command, lock, result);
        return;
    }
    vxc_check(lock->waiter_count == 0);
    hold(fsm, lock, command->session, ticket_of(command));
    lock_put(fsm, lock);
    result->found = true;
    result->token = lock->token;
    notify_watchers(fsm, lock, VXC_EVENT_LOCKED);
}

/* ---- the other commands ---- */

static void apply_create(struct vxc_fsm *fsm, struct lock *lock, struct vxc_result *result)
{
    result->found = lock->id != 0;
    give_birth(fsm, lock);
    if (!lock->created) {
        lock->created = true;
        lock_put(fsm, lock);
    }
}

static void apply_cancel(struct vxc_fsm *fsm, const struct vxc_command *command, struct lock *lock,
                         struct vxc_result *result)
{
    struct vxc_result outcome = {
        .code = VXC_ECANCELED, .text = "the wait for the lock was canceled", .index = fsm->index};
    struct waiter waiter;

    if (!vxc_session_live(fsm, command->session)) {
        vxc_result_fail(result, VXC_ESESSION, "the session is unknown or has expired");
        return;
    }
    if (lock->id == 0) {
        return;
    }
    if (lock->holder == command->session && lock->ticket == ticket_of(command)) {
        release(fsm, lock);
        result->found = true;
        result->number = 1;
    } else if (lock->waiter_count > 0 && waiter_load(fsm, lock->id, ref_of(command), &waiter)) {
        waiter_leave(fsm, lock, &waiter, false);
        lock_settle(fsm, lock);
        notify_waiter(fsm, lock, &waiter, VXC_EVENT_LOCK_CANCELED, &outcome);
        result->found = true;
    }
}

static void apply_release(struct vxc_fsm *fsm, const struct vxc_command *command, struct lock *lock,
                          struct vxc_result *result)
{
    if (!vxc_session_live(fsm, command->session)) {
        vxc_result_fail(result, VXC_ESESSION, "the session is unknown or has expired");
        return;
    }
    if (lock->holder == command->session && (command->b == 0 || lock->token == command->b)) {
        result->token = lock->token;
        release(fsm, lock);
        result->found = true;
    }
}

static void apply_destroy(struct vxc_fsm *fsm, struct lock *lock, struct vxc_result *result)
{
    if (lock->id == 0) {
        return;
    }
    if (lock->holder != 0 || lock->waiter_count != 0) {
        vxc_result_fail(result, VXC_EBUSY, "the lock is held; it can be destroyed when it is free");
        return;
    }
    lock->created = false;
    lock_settle(fsm, lock);
    notify_watchers(fsm, lock, VXC_EVENT_DESTROY);
    result->found = true;
}

void vxc_lock_apply(struct vxc_fsm *fsm, const struct vxc_command *command,
                    struct vxc_result *result)
{
    struct lock lock;

    (void)lock_load(fsm, command->namespace_id, command->name,
                    &lock); /* id 0 says that it is new */
    if (is_unusable(&lock, result)) {
        return;
    }
    switch (command->op) {
    case VXC_OP_LOCK_CREATE:
        apply_create(fsm, &lock, result);
        break;
    case VXC_OP_LOCK_ACQUIRE:
        apply_acquire(fsm, command, &lock, result);
        break;
    case VXC_OP_LOCK_CANCEL:
        apply_cancel(fsm, command, &lock, result);
        break;
    case VXC_OP_LOCK_RELEASE:
        apply_release(fsm, command, &lock, result);
        break;
    case VXC_OP_LOCK_DESTROY:
        apply_destroy(fsm, &lock, result);
        break;
    default:
        vxc_result_fail(result, VXC_EUNSUPPORTED, "not an operation of locks");
    }
}

/* ---- what happens without a command of the holder ---- */

void vxc_lock_wait_due(struct vxc_fsm *fsm, struct vxc_slice row_key, uint64_t due_ms)
{
    struct vxc_result outcome = {
        .code = VXC_ETIMEOUT, .text = "the wait for the lock timed out", .index = fsm->index};
    struct vxc_slice body;
    struct waiter waiter;
    struct lock lock;

    if (vxc_table_get(fsm->table, VXC_DB_LOCKS, row_key, &body) != 0 ||
        waiter_decode(row_key, body, &waiter) != 0 || waiter.due_ms != due_ms) {
        vxc_fsm_damaged(fsm, VXC_DB_LOCKS, "a due queue place cannot be read");
        return;
    }
    lock.key = waiter.lock_key;
    if (!lock_load_key(fsm, &lock)) {
        vxc_fsm_damaged(fsm, VXC_DB_LOCKS, "a queue without its lock");
        return;
    }
    waiter_leave(fsm, &lock, &waiter, true);
    lock_settle(fsm, &lock);
    notify_waiter(fsm, &lock, &waiter, VXC_EVENT_LOCK_TIMEOUT, &outcome);
}

void vxc_lock_disown(struct vxc_fsm *fsm, uint64_t session, struct vxc_slice key)
{
    size_t kept = fsm->scratch.size;
    struct lock lock;

    vxc_row_key_begin(&lock.key);
    memcpy(lock.key.data, key.data, key.size);
    lock.key.size = (uint16_t)key.size;
    if (!lock_load_key(fsm, &lock) || lock.holder != session) {
        vxc_fsm_damaged(fsm, VXC_DB_LOCKS, "a session owns a lock that it does not hold");
        return;
    }
    release(fsm, &lock);
    fsm->scratch.size = kept; /* one of perhaps very many */
}

void vxc_lock_wait_disown(struct vxc_fsm *fsm, uint64_t session, struct vxc_slice key)
{
    size_t kept = fsm->scratch.size;
    struct vxc_slice body;
    struct waiter waiter;
    struct lock lock;

    vxc_check(key.size == WAITER_KEY_SIZE);
    if (vxc_table_get(fsm->table, VXC_DB_LOCKS, key, &body) != 0) {
        return; /* left the queue when a lock before it was granted: grant_next() */
    }
    if (waiter_decode(key, body, &waiter) != 0 || waiter.ref.session != session) {
        vxc_fsm_damaged(fsm, VXC_DB_LOCKS, "a queue place cannot be read");
        return;
    }
    lock.key = waiter.lock_key;
    if (lock_load_key(fsm, &lock)) {
        waiter_leave(fsm, &lock, &waiter, false);
        lock_settle(fsm, &lock);
    }
    fsm->scratch.size = kept;
}

/* ---- queries ---- */

static void add_owner(struct vxc_fsm *fsm, uint64_t id, struct vxc_buffer *out)
{
    const struct vxc_session *session = id == 0 ? NULL : vxc_session_find(fsm, id);
    struct vxc_slice none = {NULL, 0};

    vxc_must(vxc_buffer_put_bytes(out, session == NULL ? none : vxc_session_node_id(session)));
    vxc_must(vxc_buffer_put_bytes(out, session == NULL ? none : vxc_session_client_name(session)));
}

static void lock_record(struct vxc_fsm *fsm, const struct lock *lock, struct vxc_buffer *out)
{
    vxc_buffer_clear(out);
    vxc_must(vxc_buffer_put_u64(out, lock->holder));
    vxc_must(vxc_buffer_put_u64(out, lock->token));
    vxc_must(vxc_buffer_put_u64(out, lock->ticket));
    vxc_must(vxc_buffer_put_u64(out, lock->since_ms));
    vxc_must(vxc_buffer_put_u32(out, lock->waiter_count));
    add_owner(fsm, lock->holder, out);
}

static void waiter_record(struct vxc_fsm *fsm, const struct waiter *waiter, struct vxc_buffer *out)
{
    vxc_buffer_clear(out);
    vxc_must(vxc_buffer_put_u64(out, waiter->ref.session));
    vxc_must(vxc_buffer_put_u64(out, waiter->ticket));
    vxc_must(vxc_buffer_put_u64(out, waiter->since_ms));
    vxc_must(vxc_buffer_put_u64(out, waiter->due_ms));
    add_owner(fsm, waiter->ref.session, out);
}

/* Where a page of the queue begins: behind the waiter that the cursor (1, session, ticket) names.
 */
static bool queue_cursor(struct vxc_fsm *fsm, const struct lock *lock, struct vxc_slice cursor,
                         struct waiter_ref *next, struct vxc_result *result)
{
    struct waiter waiter;
    struct waiter_ref ref;

    if (cursor.data == NULL) {
        *next = lock->first;
        return true;
    }
    if (cursor.size != 1 + 16 || cursor.data[0] != 1) {
        vxc_result_fail(result, VXC_EINVAL, "the cursor was not given by this cluster");
        return false;
    }
    ref = (struct waiter_ref){vxc_load_be64(cursor.data + 1), vxc_load_be64(cursor.data + 9)};
    if (!waiter_load(fsm, lock->id, ref, &waiter)) {
        vxc_result_fail(result, VXC_ENOTFOUND, "the queue has moved on; begin again");
        return false;
    }
    *next = waiter.behind;
    return true;
}

static void query_info(struct vxc_fsm *fsm, const struct vxc_command *query,
                       const struct lock *lock, struct vxc_result *result)
{
    struct vxc_buffer record = {0};
    struct waiter_ref next;
    struct waiter waiter;
    struct vxc_page page;
    uint8_t tail[16] = {0};
    bool more = false;

    if (lock->id == 0 || !queue_cursor(fsm, lock, query->key, &next, result)) {
        return;
    }
    vxc_page_begin(fsm, &page, query->b);
    if (query->key.data == NULL) {
        lock_record(fsm, lock, &record);
        vxc_list_add(&page.list, vxc_buffer_slice(&record));
    }
    while (!more && next.session != 0 && linked_load(fsm, lock, next, &waiter)) {
        waiter_record(fsm, &waiter, &record);
        more = !vxc_page_has_room(&page, record.size);
        if (!more) {
            vxc_store_be64(tail, waiter.ref.session);
            vxc_store_be64(tail + 8, waiter.ref.ticket);
            vxc_page_add(&page, vxc_slice(tail, sizeof tail), vxc_buffer_slice(&record), NULL);
            next = waiter.behind;
        }
    }
    vxc_page_end(&page, more, result);
    result->found = true;
    result->number = lock->waiter_count;
    result->token = lock->token;
    vxc_buffer_free(&record);
}

static void query_list(struct vxc_fsm *fsm, const struct vxc_command *query,
                       struct vxc_result *result)
{
    struct vxc_buffer record = {0};
    struct vxc_table_scan *scan;
    struct vxc_row_key prefix;
    struct vxc_page page;
    struct vxc_slice key;
    struct vxc_slice body;
    struct vxc_slice second;
    bool more = false;

    vxc_row_key_begin(&prefix);
    vxc_row_key_u8(&prefix, 'l');
    vxc_row_key_u64(&prefix, query->namespace_id);
    scan = vxc_page_scan(fsm, VXC_DB_LOCKS, &prefix, query->key, result);
    if (scan == NULL) {
        return;
    }
    vxc_page_begin(fsm, &page, query->b);
    while (!more && vxc_table_scan_next(scan, &key, &body)) {
        struct lock lock;
        if (lock_decode(body, &lock) != 0) {
            vxc_fsm_damaged(fsm, VXC_DB_LOCKS, "a lock cannot be read");
            break;
        }
        lock_record(fsm, &lock, &record);
        second = vxc_buffer_slice(&record);
        more = !vxc_page_has_room(&page, lock.name.size + record.size);
        if (!more) {
            vxc_page_add(&page, vxc_slice(key.data + prefix.size, key.size - prefix.size),
                         lock.name, &second);
        }
    }
    vxc_table_scan_close(scan);
    vxc_page_end(&page, more, result);
    vxc_buffer_free(&record);
}

void vxc_lock_query(struct vxc_fsm *fsm, const struct vxc_command *query, struct vxc_result *result)
{
    struct lock lock;

    if (query->op == VXC_OP_LOCK_LIST) {
        query_list(fsm, query, result);
        return;
    }
    (void)lock_load(fsm, query->namespace_id, query->name,
                    &lock); /* id 0 says that it is not there */
    if (is_unusable(&lock, result)) {
        return;
    }
    if (query->op == VXC_OP_LOCK_INFO) {
        query_info(fsm, query, &lock, result);
    } else if (query->op == VXC_OP_LOCK_HELD) {
        result->found = query->session != 0 && lock.holder == query->session;
        result->token = result->found ? lock.token : 0;
    } else {
        vxc_result_fail(result, VXC_EUNSUPPORTED, "not a query of locks");
    }
}

/* ---- dumps ---- */

int vxc_lock_describe_row(struct vxc_slice key, struct vxc_slice body, struct vxc_json *json)
{
    struct waiter waiter;
    struct lock lock;

    if (key.size >= 1 + 8 && key.data[0] == 'l') {
        if (lock_decode(body, &lock) != 0) {
            return VXC_ECORRUPT;
        }
        vxc_json_u64(json, "namespace_id", vxc_load_be64(key.data + 1));
        vxc_json_bytes(json, "lock", lock.name);
        vxc_json_u64(json, "id", lock.id);
        vxc_json_u64(json, "holder", lock.holder);
        vxc_json_u64(json, "token", lock.token);
        vxc_json_u64(json, "since_ms", lock.since_ms);
        vxc_json_u64(json, "waiters", lock.waiter_count);
        return json->code;
    }
    if (waiter_decode(key, body, &waiter) != 0) {
        return VXC_ECORRUPT;
    }
    vxc_json_u64(json, "lock_id", waiter.lock_id);
    vxc_json_u64(json, "session", waiter.ref.session);
    vxc_json_u64(json, "ticket", waiter.ticket);
    vxc_json_u64(json, "order", waiter.order);
    vxc_json_u64(json, "since_ms", waiter.since_ms);
    if (waiter.due_ms != NEVER) {
        vxc_json_u64(json, "due_ms", waiter.due_ms);
    }
    return json->code;
}
