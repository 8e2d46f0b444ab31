#include "model_internal.h"

#include <stdlib.h>

struct model *model_create(void)
{
    struct model *m = calloc(1, sizeof *m);

    vxc_check(m != NULL);
    m->next_token = 1;
    return m;
}

void model_free(struct model *m)
{
    for (unsigned i = 0; i < m->string_count; i++) {
        free((void *)(uintptr_t)m->strings[i].data);
    }
    for (unsigned i = 0; i < m->session_count; i++) {
        free(m->sessions[i]);
    }
    free(m);
}

struct vxc_slice model_intern(struct model *m, struct vxc_slice bytes)
{
    uint8_t *copy;

    for (unsigned i = 0; i < m->string_count; i++) {
        if (vxc_slice_equal(m->strings[i], bytes)) {
            return m->strings[i];
        }
    }
    vxc_check(m->string_count < STRINGS_MAX);
    copy = malloc(bytes.size + 1);
    vxc_check(copy != NULL);
    if (bytes.size != 0) {
        memcpy(copy, bytes.data, bytes.size);
    }
    return m->strings[m->string_count++] = vxc_slice(copy, bytes.size);
}

/* ---- named things ---- */

struct named *model_find_named(struct model *m, uint16_t kind, uint64_t space,
                               struct vxc_slice name)
{
    for (unsigned i = 0; i < m->named_count; i++) {
        struct named *n = &m->named[i];
        if (n->kind == kind && n->space == space && vxc_slice_equal(n->name, name)) {
            return n;
        }
    }
    return NULL;
}

/* True when it was not there. */
static bool ensure_named(struct model *m, uint16_t kind, uint64_t space, struct vxc_slice name)
{
    if (model_find_named(m, kind, space, name) != NULL) {
        return false;
    }
    vxc_check(m->named_count < ITEMS_MAX);
    m->named[m->named_count++] =
        (struct named){.kind = kind, .space = space, .name = model_intern(m, name)};
    return true;
}

static void drop_named(struct model *m, struct named *named)
{
    *named = m->named[--m->named_count];
}

/* ---- elements ---- */

bool model_in_object(const struct item *item, uint16_t kind, const struct vxc_command *c)
{
    return item->kind == kind && item->space == c->namespace_id &&
           vxc_slice_equal(item->name, c->name);
}

struct item *model_find_item(struct model *m, uint16_t kind, const struct vxc_command *c)
{
    for (unsigned i = 0; i < m->item_count; i++) {
        struct item *item = &m->items[i];
        if (model_in_object(item, kind, c) && vxc_slice_equal(item->key, c->key) &&
            (kind != VXC_WATCH_MULTIMAP || vxc_slice_equal(item->value, c->value))) {
            return item;
        }
    }
    return NULL;
}

static void drop_item(struct model *m, struct item *item)
{
    *item = m->items[--m->item_count];
}

static void put_item(struct model *m, uint16_t kind, const struct vxc_command *c)
{
    struct item *item = model_find_item(m, kind, c);

    (void)ensure_named(m, kind, c->namespace_id, c->name);
    if (item == NULL) {
        vxc_check(m->item_count < ITEMS_MAX);
        item = &m->items[m->item_count++];
        *item = (struct item){.kind = kind,
                              .space = c->namespace_id,
                              .name = model_intern(m, c->name),
                              .key = model_intern(m, c->key)};
    }
    item->value = kind == VXC_WATCH_SET ? vxc_slice(NULL, 0) : model_intern(m, c->value);
    item->due_ms = kind == VXC_WATCH_MAP && c->a != 0 ? m->stamp_ms + (uint64_t)c->a : 0;
}

/* Removes all elements, or only those of one key; how many they were. */
static int64_t drop_items(struct model *m, uint16_t kind, const struct vxc_command *c, bool of_key)
{
    int64_t count = 0;

    for (unsigned i = m->item_count; i-- > 0;) {
        if (model_in_object(&m->items[i], kind, c) &&
            (!of_key || vxc_slice_equal(m->items[i].key, c->key))) {
            drop_item(m, &m->items[i]);
            count++;
        }
    }
    return count;
}

/* ---- maps, sets, multimaps, counters ---- */

bool model_has_bad_ttl(const struct vxc_command *c)
{
    return c->a < 0 && (c->op == VXC_OP_MAP_PUT || c->op == VXC_OP_MAP_PUT_IF_ABSENT ||
                        c->op == VXC_OP_MAP_REPLACE || c->op == VXC_OP_MAP_REPLACE_IF);
}

static void apply_map(struct model *m, const struct vxc_command *c, struct model_result *out)
{
    struct item *item = model_find_item(m, VXC_WATCH_MAP, c);
    bool want_old = (c->flags & VXC_COMMAND_WANT_OLD) != 0;
    bool put = c->op == VXC_OP_MAP_PUT || (c->op == VXC_OP_MAP_PUT_IF_ABSENT && item == NULL);
    bool remove = c->op == VXC_OP_MAP_REMOVE;

    if (model_has_bad_ttl(c)) {
        out->result.code = VXC_EINVAL;
        return;
    }
    if (c->op == VXC_OP_MAP_PUT || c->op == VXC_OP_MAP_PUT_IF_ABSENT) {
        out->result.found = item != NULL;
    } else if (item != NULL && (c->op == VXC_OP_MAP_REPLACE || c->op == VXC_OP_MAP_REMOVE ||
                                vxc_slice_equal(item->value, c->expect))) {
        out->result.found = true;
        put = c->op == VXC_OP_MAP_REPLACE || c->op == VXC_OP_MAP_REPLACE_IF;
        remove = !put;
    }
    if (out->result.found && want_old) {
        model_say_value(out, item->value);
    }
    if (put) {
        put_item(m, VXC_WATCH_MAP, c);
    } else if (remove && item != NULL && out->result.found) {
        drop_item(m, item);
    }
}

static void apply_set_or_multimap(struct model *m, uint16_t kind, const struct vxc_command *c,
                                  struct model_result *out)
{
    struct item *item = model_find_item(m, kind, c);

    switch (c->op) {
    case VXC_OP_SET_ADD:
    case VXC_OP_MULTIMAP_PUT:
        out->result.found = item == NULL;
        if (item == NULL) {
            put_item(m, kind, c);
        }
        break;
    case VXC_OP_MULTIMAP_REMOVE_KEY:
        out->result.number = drop_items(m, kind, c, true);
        out->result.found = out->result.number > 0;
        break;
    default:
        out->result.found = item != NULL;
        if (item != NULL) {
            drop_item(m, item);
        }
        break;
    }
}

static void apply_counter(struct model *m, const struct vxc_command *c, struct model_result *out)
{
    struct named *counter = model_find_named(m, VXC_WATCH_COUNTER, c->namespace_id, c->name);
    uint64_t old = counter == NULL ? 0 : counter->value;
    uint64_t value = old;
    bool write = true;

    out->result.found = counter != NULL;
    switch (c->op) {
    case VXC_OP_COUNTER_CREATE:
        out->result.found = counter == NULL;
        break;
    case VXC_OP_COUNTER_ADD:
        value = old + (uint64_t)c->a;
        out->result.number = (int64_t)((c->flags & VXC_COMMAND_WANT_OLD) != 0 ? old : value);
        break;
    case VXC_OP_COUNTER_CAS:
        write = old == (uint64_t)c->a;
        value = write ? c->b : old;
        out->result.found = write;
        out->result.number = (int64_t)value;
        break;
    default:
        write = false;
        out->result.number = (int64_t)old;
        if (counter != NULL) {
            drop_named(m, counter);
        }
        break;
    }
    if (write) {
        (void)ensure_named(m, VXC_WATCH_COUNTER, c->namespace_id, c->name);
        model_find_named(m, VXC_WATCH_COUNTER, c->namespace_id, c->name)->value = value;
    }
}

/* CREATE, CLEAR, DESTROY have the same distance from each other for all three kinds. */
static bool apply_whole(struct model *m, uint16_t kind, uint16_t create, uint16_t clear,
                        const struct vxc_command *c, struct model_result *out)
{
    struct named *object = model_find_named(m, kind, c->namespace_id, c->name);

    if (c->op == create) {
        out->result.found = ensure_named(m, kind, c->namespace_id, c->name);
    } else if (c->op == clear || c->op == clear + 1) {
        out->result.found = object != NULL;
        out->result.number = drop_items(m, kind, c, false);
        if (c->op == clear + 1 && object != NULL) {
            drop_named(m, object);
        }
    } else {
        return false;
    }
    return true;
}

bool model_apply_data(struct model *m, const struct vxc_command *c, struct model_result *out)
{
    if (c->op >= VXC_OP_MAP_CREATE && c->op <= VXC_OP_MAP_DESTROY) {
        if (!apply_whole(m, VXC_WATCH_MAP, VXC_OP_MAP_CREATE, VXC_OP_MAP_CLEAR, c, out)) {
            apply_map(m, c, out);
        }
    } else if (c->op >= VXC_OP_SET_CREATE && c->op <= VXC_OP_SET_DESTROY) {
        if (!apply_whole(m, VXC_WATCH_SET, VXC_OP_SET_CREATE, VXC_OP_SET_CLEAR, c, out)) {
            apply_set_or_multimap(m, VXC_WATCH_SET, c, out);
        }
    } else if (c->op >= VXC_OP_MULTIMAP_CREATE && c->op <= VXC_OP_MULTIMAP_DESTROY) {
        if (!apply_whole(m, VXC_WATCH_MULTIMAP, VXC_OP_MULTIMAP_CREATE, VXC_OP_MULTIMAP_CLEAR, c,
                         out)) {
            apply_set_or_multimap(m, VXC_WATCH_MULTIMAP, c, out);
        }
    } else if (c->op >= VXC_OP_COUNTER_CREATE && c->op <= VXC_OP_COUNTER_DESTROY) {
        apply_counter(m, c, out);
    } else {
        return false;
    }
    return true;
}

/* ---- transactions ---- */

bool model_nested_next(struct vxc_slice *rest, uint64_t space, struct vxc_command *c)
{
    struct vxc_slice bytes;

    must(vxc_list_next(rest, &bytes));
    must(vxc_command_decode(bytes, c));
    c->namespace_id = space;
    return true;
}

static bool compare_holds(struct model *m, const struct vxc_command *c)
{
    struct model_result answer = {0};
    bool equal, holds;

    model_query(m, c, &answer);
    equal = c->op == VXC_OP_COUNTER_GET
                ? answer.result.number == (int64_t)c->b
                : answer.result.found && vxc_slice_equal(answer.result.value, c->expect);
    holds = c->flags == VXC_COMPARE_EQUAL       ? equal
            : c->flags == VXC_COMPARE_NOT_EQUAL ? !equal
            : c->flags == VXC_COMPARE_EXISTS    ? answer.result.found
            : c->flags == VXC_COMPARE_ABSENT    ? !answer.result.found
            : c->flags == VXC_COMPARE_LESS      ? answer.result.number < (int64_t)c->b
                                                : answer.result.number > (int64_t)c->b;
    vxc_buffer_free(&answer.value);
    return holds;
}

static void apply_transaction(struct model *m, const struct vxc_command *t,
                              struct model_result *out)
{
    struct vxc_slice rest, list;
    struct vxc_command c;
    uint32_t count;
    bool holds = true;

    must(vxc_list_read_head(t->key, &count, &rest));
    while (count-- > 0 && model_nested_next(&rest, t->namespace_id, &c)) {
        holds = holds && compare_holds(m, &c);
    }
    list = holds ? t->value : t->expect;
    must(vxc_list_read_head(list, &count, &rest));
    for (uint32_t i = 0; i < count && model_nested_next(&rest, t->namespace_id, &c); i++) {
        if (model_has_bad_ttl(&c)) {
            out->result = (struct vxc_result){.code = VXC_EINVAL};
            return;
        }
    }
    model_begin_list(out);
    must(vxc_list_read_head(list, &count, &rest));
    while (count-- > 0 && model_nested_next(&rest, t->namespace_id, &c)) {
        struct model_result nested = {0};
        struct vxc_buffer encoded = {0};
        if (!model_apply_data(m, &c, &nested)) {
            model_query(m, &c, &nested);
        }
        must(vxc_result_encode(&nested.result, &encoded));
        model_add_item(out, vxc_buffer_slice(&encoded));
        vxc_buffer_free(&encoded);
        vxc_buffer_free(&nested.value);
    }
    out->result.found = holds;
}

/* ---- sessions and replies ---- */

struct session *model_find_session(const struct model *m, uint64_t id)
{
    for (unsigned i = 0; i < m->session_count; i++) {
        if (m->sessions[i]->id == id) {
            return m->sessions[i];
        }
    }
    return NULL;
}

static struct reply *find_reply(struct session *session, uint64_t sequence)
{
    for (unsigned i = 0; i < session->reply_count; i++) {
        if (session->replies[i].sequence == sequence) {
            return &session->replies[i];
        }
    }
    return NULL;
}

uint64_t model_session(const struct model *m, uint32_t choice)
{
    return m->session_count == 0 ? 0 : m->sessions[choice % m->session_count]->id;
}

unsigned model_session_count(const struct model *m)
{
    return m->session_count;
}

/* ---- locks ---- */

struct lock *model_find_lock(struct model *m, uint64_t space, struct vxc_slice name)
{
    for (unsigned i = 0; i < m->lock_count; i++) {
        if (m->locks[i].space == space && vxc_slice_equal(m->locks[i].name, name)) {
            return &m->locks[i];
        }
    }
    return NULL;
}

static void settle_lock(struct model *m, struct lock *lock)
{
    if (lock->holder == 0 && lock->waiter_count == 0 && !lock->created) {
        *lock = m->locks[--m->lock_count];
    }
}

static struct waiter take_waiter(struct lock *lock, unsigned position)
{
    struct waiter waiter = lock->waiters[position];

    lock->waiter_count--;
    memmove(&lock->waiters[position], &lock->waiters[position + 1],
            (lock->waiter_count - position) * sizeof waiter);
    return waiter;
}

/* The outcome of waiting replaces the cached reply of the acquire. */
static void tell_waiter(struct model *m, const struct waiter *waiter, struct vxc_result outcome)
{
    struct session *session = model_find_session(m, waiter->session);
    struct reply *reply =
        session == NULL || waiter->sequence == 0 ? NULL : find_reply(session, waiter->sequence);

    if (reply != NULL) {
        outcome.index = m->index;
        reply->result = outcome;
    }
}

static void hold(struct model *m, struct lock *lock, uint64_t session, uint64_t ticket)
{
    lock->holder = session;
    lock->ticket = ticket;
    lock->token = m->next_token++;
}

static void release(struct model *m, struct lock *lock)
{
    lock->holder = lock->token = lock->ticket = 0;
    while (lock->holder == 0 && lock->waiter_count > 0) {
        struct waiter waiter = take_waiter(lock, 0);
        if (waiter.session != m->ending) {
            hold(m, lock, waiter.session, waiter.ticket);
            tell_waiter(m, &waiter, (struct vxc_result){.found = true, .token = lock->token});
        }
    }
    settle_lock(m, lock);
}

static void acquire(struct model *m, const struct vxc_command *c, struct lock *lock,
                    struct model_result *out)
{
    uint64_t ticket = c->b != 0 ? c->b : c->sequence;

    if (c->a < -1) {
        out->result.code = VXC_EINVAL;
        return;
    }
    if (lock != NULL && lock->holder != 0 && c->a == 0) {
        return;
    }
    if (lock == NULL) {
        vxc_check(m->lock_count < SESSIONS_MAX);
        lock = &m->locks[m->lock_count++];
        *lock = (struct lock){.space = c->namespace_id, .name = model_intern(m, c->name)};
    }
    if (lock->holder != 0) {
        vxc_check(lock->waiter_count < WAITERS_MAX);
        lock->waiters[lock->waiter_count++] = (struct waiter){
            c->session, ticket, c->sequence, c->a < 0 ? UINT64_MAX : m->stamp_ms + (uint64_t)c->a};
        out->result.number = lock->waiter_count;
        return;
    }
    hold(m, lock, c->session, ticket);
    out->result.found = true;
    out->result.token = lock->token;
}

static void cancel(struct model *m, const struct vxc_command *c, struct lock *lock,
                   struct model_result *out)
{
    if (lock != NULL && lock->holder == c->session && lock->ticket == c->b) {
        release(m, lock);
        out->result.found = true;
        out->result.number = 1;
        return;
    }
    for (unsigned i = 0; lock != NULL && i < lock->waiter_count; i++) {
        if (lock->waiters[i].session == c->session && lock->waiters[i].ticket == c->b) {
            struct waiter waiter = take_waiter(lock, i);
            tell_waiter(m, &waiter, (struct vxc_result){.code = VXC_ECANCELED});
            settle_lock(m, lock);
            out->result.found = true;
            return;
        }
    }
}

void model_apply_lock(struct model *m, const struct vxc_command *c, struct model_result *out)
{
    struct lock *lock = model_find_lock(m, c->namespace_id, c->name);

    out->result.found = lock != NULL;
    switch (c->op) {
    case VXC_OP_LOCK_CREATE:
        if (lock == NULL) {
            vxc_check(m->lock_count < SESSIONS_MAX);
            lock = &m->locks[m->lock_count++];
            *lock = (struct lock){.space = c->namespace_id, .name = model_intern(m, c->name)};
        }
        lock->created = true;
        return;
    case VXC_OP_LOCK_DESTROY:
        if (lock != NULL && (lock->holder != 0 || lock->waiter_count != 0)) {
            out->result = (struct vxc_result){.code = VXC_EBUSY};
        } else if (lock != NULL) {
            lock->created = false;
            settle_lock(m, lock);
        }
        return;
    default:
        break;
    }
    out->result.found = false;
    if (model_find_session(m, c->session) == NULL) {
        out->result.code = VXC_ESESSION;
    } else if (c->op == VXC_OP_LOCK_ACQUIRE) {
        acquire(m, c, lock, out);
    } else if (c->op == VXC_OP_LOCK_CANCEL) {
        cancel(m, c, lock, out);
    } else if (lock != NULL && lock->holder == c->session && (c->b == 0 || c->b == lock->token)) {
        out->result.found = true;
        out->result.token = lock->token;
        release(m, lock);
    }
}

/* ---- the end of a session ---- */

/* The lock next in (namespace, name) order that the session holds. */
static struct lock *first_held(struct model *m, uint64_t session)
{
    struct lock *first = NULL;

    for (unsigned i = 0; i < m->lock_count; i++) {
        struct lock *lock = &m->locks[i];
        if (lock->holder == session &&
            (first == NULL || lock->space < first->space ||
             (lock->space == first->space && vxc_slice_compare(lock->name, first->name) < 0))) {
            first = lock;
        }
    }
    return first;
}

static void end_session(struct model *m, struct session *session)
{
    struct lock *lock;

    m->ending = session->id;
    model_drop_registrations_of(m, session->id);
    while ((lock = first_held(m, session->id)) != NULL) {
        release(m, lock);
    }
    for (unsigned i = m->lock_count; i-- > 0;) {
        for (unsigned w = m->locks[i].waiter_count; w-- > 0;) {
            if (m->locks[i].waiters[w].session == session->id) {
                (void)take_waiter(&m->locks[i], w);
            }
        }
    }
    m->ending = 0;
    for (unsigned i = 0; i < m->session_count; i++) {
        if (m->sessions[i] == session) {
            m->sessions[i] = m->sessions[--m->session_count];
        }
    }
    free(session);
}

static void open_session(struct model *m, const struct vxc_command *c,
                         const struct vxc_result *real, struct model_result *out)
{
    struct session *session = calloc(1, sizeof *session);

    vxc_check(session != NULL && m->session_count < SESSIONS_MAX);
    vxc_check(real->token != 0 && model_find_session(m, real->token) == NULL);
    session->id = real->token;
    m->sessions[m->session_count++] = session;
    out->result.token = real->token;
    out->result.number = c->a;
}

/* ---- all commands ---- */

static void bootstrap(struct model *m, const struct vxc_command *c, struct model_result *out)
{
    if (m->bootstrapped) {
        out->result.code = VXC_EEXISTS;
        return;
    }
    m->bootstrapped = true;
    if ((uint64_t)c->a > m->next_token) {
        m->next_token = (uint64_t)c->a;
    }
}

static void ensure_namespace(struct model *m, const struct vxc_command *c,
                             const struct vxc_result *real, struct model_result *out)
{
    out->result.found = c->name.size == 0 || !ensure_named(m, 0, 0, c->name);
    if (c->name.size != 0) {
        struct named *space = model_find_named(m, 0, 0, c->name);
        if (!out->result.found) {
            space->value = (uint64_t)real->number;
        }
        out->result.number = (int64_t)space->value;
    }
}

static void carry_out(struct model *m, const struct vxc_command *c, const struct vxc_result *real,
                      struct model_result *out)
{
    struct session *session;

    if (model_apply_data(m, c, out)) {
        return;
    }
    switch (c->op) {
    case VXC_OP_BOOTSTRAP:
        bootstrap(m, c, out);
        break;
    case VXC_OP_NAMESPACE_ENSURE:
        ensure_namespace(m, c, real, out);
        break;
    case VXC_OP_TRANSACTION:
        apply_transaction(m, c, out);
        break;
    case VXC_OP_SESSION_OPEN:
        open_session(m, c, real, out);
        break;
    case VXC_OP_SESSION_CLOSE:
        out->result.found = true;
        end_session(m, model_find_session(m, c->session));
        break;
    case VXC_OP_SESSION_EXPIRE:
        session = model_find_session(m, (uint64_t)c->a);
        if (session != NULL && (c->b == 0 || session->heard_index <= c->b)) {
            out->result.found = true;
            end_session(m, session);
        }
        break;
    case VXC_OP_LOCK_CREATE:
    case VXC_OP_LOCK_ACQUIRE:
    case VXC_OP_LOCK_CANCEL:
    case VXC_OP_LOCK_RELEASE:
    case VXC_OP_LOCK_DESTROY:
        model_apply_lock(m, c, out);
        break;
    case VXC_OP_REGISTRATION_ADD:
    case VXC_OP_REGISTRATION_REMOVE:
        model_apply_registration(m, c, out);
        break;
    case VXC_OP_REGISTRATION_RESYNC:
        model_apply_resync(m, c, out);
        break;
    case VXC_OP_MEMBER_SET:
    case VXC_OP_MEMBER_FORGET:
        model_apply_member(m, c, out);
        break;
    case VXC_OP_STATE_SYNC:
        model_apply_sync(m, c, out);
        break;
    case VXC_OP_NODE_LEAVE:
        if (real->found) {
            model_drop_registrations_of(m, c->session);
        }
        out->result = *real;
        break;
    case VXC_OP_WATCH_ADD:
    case VXC_OP_WATCH_REMOVE:
    case VXC_OP_NODE_JOIN:
    case VXC_OP_NODE_SET_INFO:
        out->result =
            *real; /* not modelled: the same in both modes and when sent again is enough */
        if (real->value.data != NULL) {
            model_say_value(out, real->value);
        }
        break;
    default:
        vxc_check(c->op == VXC_OP_CHECKPOINT);
        break;
    }
}

static void remember(struct model *m, uint64_t session_id, uint64_t sequence,
                     const struct vxc_result *result)
{
    struct session *session = model_find_session(m, session_id);
    struct reply *reply;

    if (session == NULL) {
        return;
    }
    vxc_check(session->reply_count < REPLIES_MAX);
    reply = &session->replies[session->reply_count++];
    *reply = (struct reply){sequence, *result};
    if (result->value.data != NULL) {
        reply->result.value = model_intern(m, result->value);
    }
    session->heard_index = m->index;
}

/* What is answered up to there is not asked for again; the replies stay in their order. */
static void raise_floor(struct session *session, uint64_t floor)
{
    unsigned kept = 0;

    if (floor <= session->floor) {
        return;
    }
    session->floor = floor;
    for (unsigned i = 0; i < session->reply_count; i++) {
        if (session->replies[i].sequence > floor) {
            session->replies[kept++] = session->replies[i];
        }
    }
    session->reply_count = kept;
}

/* 0 carry it out, 1 answered. */
static int pass_gate(struct model *m, const struct vxc_command *c, struct model_result *out)
{
    struct session *session = model_find_session(m, c->session);
    struct reply *reply;

    if (c->session == 0) {
        return 0;
    }
    if (session == NULL) {
        out->result.code = VXC_ESESSION;
    } else if (c->sequence != 0) {
        raise_floor(session, c->floor);
        reply = find_reply(session, c->sequence);
        if (c->sequence <= session->floor) {
            out->result.code = VXC_ESEQUENCE;
        } else if (reply != NULL) {
            out->result = reply->result;
            out->result.replayed = true;
            if (reply->result.value.data != NULL) {
                model_say_value(out, reply->result.value);
            }
            return 1;
        }
    }
    return out->result.code != 0;
}

void model_apply(struct model *m, const struct vxc_command *c, const struct vxc_result *real,
                 struct model_result *out)
{
    int passed;

    out->result = (struct vxc_result){0};
    passed = pass_gate(m, c, out);
    if (passed == 0) {
        carry_out(m, c, real, out);
    }
    if (!out->result.replayed) {
        out->result.index = m->index;
    }
    if (passed == 0 && c->session != 0 && c->sequence != 0) {
        remember(m, c->session, c->sequence, &out->result);
    }
}

void model_begin_entry(struct model *m, uint64_t index, uint64_t stamp_ms)
{
    m->index = index;
    m->stamp_ms = stamp_ms;
    for (unsigned i = m->item_count; i-- > 0;) {
        if (m->items[i].due_ms != 0 && m->items[i].due_ms <= stamp_ms) {
            drop_item(m, &m->items[i]);
        }
    }
    for (unsigned i = 0; i < m->lock_count; i++) {
        for (unsigned w = m->locks[i].waiter_count; w-- > 0;) {
            if (m->locks[i].waiters[w].due_ms <= stamp_ms) {
                struct waiter waiter = take_waiter(&m->locks[i], w);
                tell_waiter(m, &waiter, (struct vxc_result){.code = VXC_ETIMEOUT});
            }
        }
    }
}
