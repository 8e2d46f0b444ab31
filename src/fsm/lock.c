/* Locks: fenced, fair (first in the log, first served), owned by sessions.
 *
 *   LOCK_CREATE   name → found = it was there. A created lock stays until destroyed; one made
 *                 by an acquire vanishes with its last holder and waiter.
 *   LOCK_ACQUIRE  session, name, a wait ms (0 do not queue, -1 for ever), b ticket (0 = sequence)
 *                 → found, token: it is held now
 *                 → not found, number: place in the queue from 1; 0 = held by another, not queued
 *   LOCK_CANCEL   session, name, b ticket
 *                 → found, number 0: left the queue; 1: had it already, released it
 *   LOCK_RELEASE  session, name, b token (0 = whatever the session holds) → found = it was held
 *   LOCK_DESTROY  name → found; VXC_EBUSY while held or waited for
 *   LOCK_INFO     name, key cursor, b limits → found, token (0 = free), number waiters,
 *                 value a list: the lock record (first page only), then the waiter records
 *                 in the order of the queue
 *   LOCK_LIST     key cursor, b limits → value pairs (name, lock record)
 *   LOCK_HELD     session, name → found = this session holds it, token
 *
 *   lock record    holder session u64 (0 = free) | token u64 | ticket u64 | since ms u64 |
 *                  waiters u32 | holder's node id | holder's client name
 *   waiter record  session u64 | ticket u64 | since ms u64 | due ms u64 (all ones = never) |
 *                  node id | client name                   (byte fields: u32 length + bytes)
 *
 * Not reentrant: a session that asks twice with two tickets waits for itself, as Vert.x wants it.
 * The same ticket asked again re-attaches: to the lock if it was granted, else to its queue place.
 * With the flag LEGACY a session has one place per lock, waits for ever, and the owner asking again
 * is answered with what it has. A place in a queue is exact when taken; when re-attached it is an
 * upper bound, because those who left in between are not counted off.
 *
 * Outcomes of waiting go to the session as events keyed by the ticket and replace the cached reply
 * of the acquire: granted (found, token), VXC_ETIMEOUT, VXC_ECANCELED. Rows: lock_row.h.
 */
#include "base/check.h"
#include "base/limits.h"
#include "base/planted.h"
#include "fsm/lock_row.h"
#include "fsm/object.h"

enum { CREATED_COST = 96 }; /* bytes of a lock's row beside its name */

#define TEXT_TAKEN "the lock is held; it can be destroyed when it is free"

/* ---- the queue ---- */

static void queue_append(struct vxc_fsm *fsm, struct vxc_lock *lock, struct vxc_waiter *waiter)
{
    struct vxc_waiter last;

    waiter->before = lock->last;
    waiter->behind = (struct vxc_waiter_ref){0, 0};
    waiter->order = lock->next_order++;
    if (lock->waiter_count == 0) {
        lock->first = waiter->ref;
    } else if (vxc_waiter_load_linked(fsm, lock, lock->last, &last)) {
        last.behind = waiter->ref;
        vxc_waiter_put(fsm, &last);
    }
    lock->last = waiter->ref;
    lock->waiter_count++;
    vxc_waiter_put(fsm, waiter);
}

static void queue_unlink(struct vxc_fsm *fsm, struct vxc_lock *lock,
                         const struct vxc_waiter *waiter)
{
    struct vxc_waiter neighbour;

    vxc_check(lock->waiter_count > 0);
    if (waiter->before.session == 0) {
        lock->first = waiter->behind;
    } else if (vxc_waiter_load_linked(fsm, lock, waiter->before, &neighbour)) {
        neighbour.behind = waiter->behind;
        vxc_waiter_put(fsm, &neighbour);
    }
    if (waiter->behind.session == 0) {
        lock->last = waiter->before;
    } else if (vxc_waiter_load_linked(fsm, lock, waiter->behind, &neighbour)) {
        neighbour.before = waiter->before;
        vxc_waiter_put(fsm, &neighbour);
    }
    lock->waiter_count--;
    vxc_waiter_del(fsm, waiter);
}

/* Takes a waiter out of its queue, out of what its session owns and, unless it is due, out of what
 * falls due. The caller writes the lock. */
static void waiter_leave(struct vxc_fsm *fsm, struct vxc_lock *lock,
                         const struct vxc_waiter *waiter, bool due)
{
    struct vxc_row_key key;

    vxc_waiter_key(&key, waiter->lock_id, waiter->ref);
    queue_unlink(fsm, lock, waiter);
    vxc_session_disown(fsm, waiter->ref.session, VXC_OWNED_WAIT, vxc_row_key_slice(&key));
    if (!due && waiter->due_ms != VXC_WAIT_NEVER) {
        vxc_deadline_remove(fsm, waiter->due_ms, VXC_DEADLINE_LOCK_WAIT, vxc_row_key_slice(&key));
    }
}

static int64_t queue_position(struct vxc_fsm *fsm, const struct vxc_lock *lock,
                              const struct vxc_waiter *waiter)
{
    struct vxc_waiter first;
    uint64_t ahead;

    if (!vxc_waiter_load_linked(fsm, lock, lock->first, &first)) {
        return 1;
    }
    ahead = waiter->order - first.order;
    return (int64_t)(ahead < lock->waiter_count ? ahead + 1 : lock->waiter_count);
}

/* ---- holding ---- */

static void notify_watchers(struct vxc_fsm *fsm, const struct vxc_lock *lock,
                            enum vxc_event_type type)
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
static void notify_waiter(struct vxc_fsm *fsm, const struct vxc_lock *lock,
                          const struct vxc_waiter *waiter, enum vxc_event_type type,
                          const struct vxc_result *outcome)
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

static void hold(struct vxc_fsm *fsm, struct vxc_lock *lock, uint64_t session, uint64_t ticket)
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
static void grant_next(struct vxc_fsm *fsm, struct vxc_lock *lock)
{
    while (lock->holder == 0 && lock->waiter_count > 0) {
        struct vxc_result outcome = {.found = true, .index = fsm->index};
        struct vxc_waiter waiter;

        if (!vxc_waiter_load_linked(
                fsm, lock, VXC_PLANTED(lock_out_of_order) ? lock->last : lock->first, &waiter)) {
            return;
        }
        waiter_leave(fsm, lock, &waiter, false);
        if (!VXC_PLANTED(grant_to_expired_session) && !vxc_session_live(fsm, waiter.ref.session)) {
            continue;
        }
        hold(fsm, lock, waiter.ref.session, waiter.ticket);
        outcome.token = lock->token;
        notify_waiter(fsm, lock, &waiter, VXC_EVENT_LOCK_GRANTED, &outcome);
        notify_watchers(fsm, lock, VXC_EVENT_LOCKED);
    }
}

/* Writes a lock, or takes it away when only an acquire had made it and nobody needs it any more. */
static void lock_settle(struct vxc_fsm *fsm, const struct vxc_lock *lock)
{
    if (lock->holder != 0 || lock->waiter_count != 0 || lock->created) {
        vxc_lock_put(fsm, lock);
        return;
    }
    vxc_table_del(fsm->table, VXC_DB_LOCKS, vxc_row_key_slice(&lock->key));
    fsm->stats.locks--;
    fsm->meta_dirty = true;
}

static void release(struct vxc_fsm *fsm, struct vxc_lock *lock)
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

static void give_birth(struct vxc_fsm *fsm, struct vxc_lock *lock)
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

static struct vxc_waiter_ref ref_of(const struct vxc_command *command)
{
    return (struct vxc_waiter_ref){command->session, is_legacy(command) ? 0 : ticket_of(command)};
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
                     const struct vxc_lock *lock, struct vxc_result *result)
{
    struct vxc_waiter waiter;

    if (lock->holder == command->session &&
        (is_legacy(command) || lock->ticket == ticket_of(command))) {
        result->found = true;
        result->token = lock->token;
        return true;
    }
    if (lock->waiter_count == 0 || !vxc_waiter_load(fsm, lock->id, ref_of(command), &waiter)) {
        return false;
    }
    result->number = queue_position(fsm, lock, &waiter);
    waiter.ticket = ticket_of(command);
    if (command->sequence != 0) {
        waiter.sequence = command->sequence;
    }
    vxc_waiter_put(fsm, &waiter);
    return true;
}

static int check_limits(struct vxc_fsm *fsm, uint64_t session, const struct vxc_lock *lock,
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

    if (is_legacy(command) || command->a < 0 || wait >= VXC_WAIT_NEVER - fsm->stamp_ms) {
        return VXC_WAIT_NEVER;
    }
    return fsm->stamp_ms + wait;
}

static void enqueue(struct vxc_fsm *fsm, const struct vxc_command *command, struct vxc_lock *lock,
                    struct vxc_result *result)
{
    struct vxc_waiter waiter = {
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

    vxc_waiter_key(&key, waiter.lock_id, waiter.ref);
    queue_append(fsm, lock, &waiter);
    vxc_session_own(fsm, command->session, VXC_OWNED_WAIT, vxc_row_key_slice(&key));
    if (waiter.due_ms != VXC_WAIT_NEVER) {
        vxc_deadline_add(fsm, waiter.due_ms, VXC_DEADLINE_LOCK_WAIT, vxc_row_key_slice(&key));
    }
    vxc_lock_put(fsm, lock);
    result->number = lock->waiter_count;
}

static void apply_acquire(struct vxc_fsm *fsm, const struct vxc_command *command,
                          struct vxc_lock *lock, struct vxc_result *result)
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
    vxc_lock_put(fsm, lock);
    result->found = true;
    result->token = lock->token;
    notify_watchers(fsm, lock, VXC_EVENT_LOCKED);
}

/* ---- the other commands ---- */

/* Bytes of quota of a lock that stays: what an acquire makes goes with its session. */
static uint64_t created_cost(const struct vxc_lock *lock)
{
    return CREATED_COST + lock->name.size;
}

static void apply_create(struct vxc_fsm *fsm, struct vxc_lock *lock, struct vxc_result *result)
{
    if (!lock->created && !vxc_quota_has_room(fsm, created_cost(lock))) {
        vxc_result_fail(result, VXC_ENOSPC, VXC_TEXT_QUOTA);
        return;
    }
    result->found = lock->id != 0;
    give_birth(fsm, lock);
    if (!lock->created) {
        lock->created = true;
        vxc_quota_move(fsm, (int64_t)created_cost(lock));
        vxc_lock_put(fsm, lock);
    }
}

static void apply_cancel(struct vxc_fsm *fsm, const struct vxc_command *command,
                         struct vxc_lock *lock, struct vxc_result *result)
{
    struct vxc_result outcome = {
        .code = VXC_ECANCELED, .text = "the wait for the lock was canceled", .index = fsm->index};
    struct vxc_waiter waiter;

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
    } else if (lock->waiter_count > 0 && vxc_waiter_load(fsm, lock->id, ref_of(command), &waiter)) {
        waiter_leave(fsm, lock, &waiter, false);
        lock_settle(fsm, lock);
        notify_waiter(fsm, lock, &waiter, VXC_EVENT_LOCK_CANCELED, &outcome);
        result->found = true;
    }
}

static void apply_release(struct vxc_fsm *fsm, const struct vxc_command *command,
                          struct vxc_lock *lock, struct vxc_result *result)
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

static bool lock_is_taken(const struct vxc_lock *lock)
{
    return lock->holder != 0 || lock->waiter_count != 0;
}

static void apply_destroy(struct vxc_fsm *fsm, struct vxc_lock *lock, struct vxc_result *result)
{
    if (lock->id == 0) {
        return;
    }
    if (lock_is_taken(lock)) {
        vxc_result_fail(result, VXC_EBUSY, TEXT_TAKEN);
        return;
    }
    lock->created = false;
    vxc_quota_move(fsm, -(int64_t)created_cost(lock));
    lock_settle(fsm, lock);
    notify_watchers(fsm, lock, VXC_EVENT_DESTROY);
    result->found = true;
}

void vxc_lock_apply(struct vxc_fsm *fsm, const struct vxc_command *command,
                    struct vxc_result *result)
{
    struct vxc_lock lock;

    (void)vxc_lock_load(fsm, command->namespace_id, command->name,
                        &lock); /* id 0 says that it is new */
    if (vxc_lock_is_unusable(&lock, result)) {
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

void vxc_lock_probe(struct vxc_fsm *fsm, const struct vxc_command *command,
                    struct vxc_result *before)
{
    struct vxc_lock lock;

    (void)vxc_lock_load(fsm, command->namespace_id, command->name,
                        &lock); /* id 0 says that it is not there */
    if (vxc_lock_is_unusable(&lock, before)) {
        return;
    }
    if (command->op == VXC_OP_LOCK_CREATE) {
        before->number = lock.created ? 0 : (int64_t)created_cost(&lock);
    } else if (lock_is_taken(&lock)) {
        vxc_result_fail(before, VXC_EBUSY, TEXT_TAKEN);
        return;
    }
    before->found = lock.id != 0;
}

/* ---- what happens without a command of the holder ---- */

void vxc_lock_wait_due(struct vxc_fsm *fsm, struct vxc_slice row_key, uint64_t due_ms)
{
    struct vxc_result outcome = {
        .code = VXC_ETIMEOUT, .text = "the wait for the lock timed out", .index = fsm->index};
    struct vxc_slice body;
    struct vxc_waiter waiter;
    struct vxc_lock lock;

    if (vxc_table_get(fsm->table, VXC_DB_LOCKS, row_key, &body) != 0 ||
        vxc_waiter_decode(row_key, body, &waiter) != 0 || waiter.due_ms != due_ms) {
        vxc_fsm_damaged(fsm, VXC_DB_LOCKS, "a due queue place cannot be read");
        return;
    }
    lock.key = waiter.lock_key;
    if (!vxc_lock_load_row(fsm, &lock)) {
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
    struct vxc_lock lock;

    vxc_row_key_begin(&lock.key);
    memcpy(lock.key.data, key.data, key.size);
    lock.key.size = (uint16_t)key.size;
    if (!vxc_lock_load_row(fsm, &lock) || lock.holder != session) {
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
    struct vxc_waiter waiter;
    struct vxc_lock lock;

    vxc_check(key.size == VXC_WAITER_KEY_SIZE);
    if (vxc_table_get(fsm->table, VXC_DB_LOCKS, key, &body) != 0) {
        return; /* left the queue when a lock before it was granted: grant_next() */
    }
    if (vxc_waiter_decode(key, body, &waiter) != 0 || waiter.ref.session != session) {
        vxc_fsm_damaged(fsm, VXC_DB_LOCKS, "a queue place cannot be read");
        return;
    }
    lock.key = waiter.lock_key;
    if (vxc_lock_load_row(fsm, &lock)) {
        waiter_leave(fsm, &lock, &waiter, false);
        lock_settle(fsm, &lock);
    }
    fsm->scratch.size = kept;
}
