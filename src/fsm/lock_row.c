#include "fsm/lock_row.h"

#include "base/check.h"
#include "fsm/describe.h"

enum {
    LOCK_CREATED = 1,
    WAITER_LEGACY = 1,
    LOCK_HEAD_SIZE = 1 + 5 * 8 + 4 + 8 + 4 * 8,
    WAITER_HEAD_SIZE = 1 + 5 * 8 + 4 * 8,
};

/* ---- rows ---- */

static void lock_key(struct vxc_row_key *key, uint64_t namespace_id, struct vxc_slice name)
{
    vxc_row_key_begin(key);
    vxc_row_key_u8(key, 'l');
    vxc_row_key_u64(key, namespace_id);
    vxc_row_key_user(key, name);
}

void vxc_waiter_key(struct vxc_row_key *key, uint64_t lock_id, struct vxc_waiter_ref ref)
{
    vxc_row_key_begin(key);
    vxc_row_key_u8(key, 'w');
    vxc_row_key_u64(key, lock_id);
    vxc_row_key_u64(key, ref.session);
    vxc_row_key_u64(key, ref.ticket);
}

static struct vxc_waiter_ref read_ref(struct vxc_reader *reader)
{
    uint64_t session = vxc_reader_u64(reader);

    return (struct vxc_waiter_ref){session, vxc_reader_u64(reader)};
}

static uint8_t *write_u64(uint8_t *at, uint64_t v)
{
    vxc_store_u64(at, v);
    return at + 8;
}

static uint8_t *write_ref(uint8_t *at, struct vxc_waiter_ref ref)
{
    return write_u64(write_u64(at, ref.session), ref.ticket);
}

int vxc_lock_decode(struct vxc_slice body, struct vxc_lock *lock)
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

void vxc_lock_put(struct vxc_fsm *fsm, const struct vxc_lock *lock)
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

int vxc_waiter_decode(struct vxc_slice key, struct vxc_slice body, struct vxc_waiter *waiter)
{
    struct vxc_reader reader = vxc_reader(body);
    uint8_t flags = vxc_reader_u8(&reader);
    struct vxc_slice lock;

    if (key.size != VXC_WAITER_KEY_SIZE || key.data[0] != 'w') {
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

void vxc_waiter_put(struct vxc_fsm *fsm, const struct vxc_waiter *waiter)
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
    vxc_waiter_key(&key, waiter->lock_id, waiter->ref);
    vxc_table_put(fsm->table, VXC_DB_LOCKS, vxc_row_key_slice(&key), vxc_slice(head, sizeof head),
                  vxc_row_key_slice(&waiter->lock_key));
}

void vxc_waiter_del(struct vxc_fsm *fsm, const struct vxc_waiter *waiter)
{
    struct vxc_row_key key;

    vxc_waiter_key(&key, waiter->lock_id, waiter->ref);
    vxc_table_del(fsm->table, VXC_DB_LOCKS, vxc_row_key_slice(&key));
}

/* ---- loading ---- */

bool vxc_lock_load_row(struct vxc_fsm *fsm, struct vxc_lock *lock)
{
    struct vxc_slice body;

    if (vxc_table_get(fsm->table, VXC_DB_LOCKS, vxc_row_key_slice(&lock->key), &body) != 0) {
        return false;
    }
    if (vxc_lock_decode(body, lock) != 0 || lock->key.size < 1 + 8) {
        vxc_fsm_damaged(fsm, VXC_DB_LOCKS, "a lock cannot be read");
        return false;
    }
    lock->namespace_id = vxc_load_be64(lock->key.data + 1);
    lock->name = vxc_fsm_keep(fsm, lock->name);
    return true;
}

bool vxc_lock_load(struct vxc_fsm *fsm, uint64_t namespace_id, struct vxc_slice name,
                   struct vxc_lock *lock)
{
    struct vxc_slice body;

    *lock = (struct vxc_lock){.namespace_id = namespace_id, .name = name};
    lock_key(&lock->key, namespace_id, name);
    if (vxc_table_get(fsm->table, VXC_DB_LOCKS, vxc_row_key_slice(&lock->key), &body) != 0) {
        return false;
    }
    if (vxc_lock_decode(body, lock) != 0) {
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

bool vxc_lock_is_unusable(const struct vxc_lock *lock, struct vxc_result *result)
{
    if (lock->id != UINT64_MAX) {
        return false;
    }
    vxc_result_fail(result, VXC_EEXISTS, "another lock name has the same hash; use another name");
    return true;
}

bool vxc_waiter_load(struct vxc_fsm *fsm, uint64_t lock_id, struct vxc_waiter_ref ref,
                     struct vxc_waiter *waiter)
{
    struct vxc_row_key key;
    struct vxc_slice body;

    vxc_waiter_key(&key, lock_id, ref);
    if (vxc_table_get(fsm->table, VXC_DB_LOCKS, vxc_row_key_slice(&key), &body) != 0) {
        return false;
    }
    if (vxc_waiter_decode(vxc_row_key_slice(&key), body, waiter) != 0) {
        vxc_fsm_damaged(fsm, VXC_DB_LOCKS, "a queue place cannot be read");
        return false;
    }
    return true;
}

bool vxc_waiter_load_linked(struct vxc_fsm *fsm, const struct vxc_lock *lock,
                            struct vxc_waiter_ref ref, struct vxc_waiter *waiter)
{
    if (!vxc_waiter_load(fsm, lock->id, ref, waiter)) {
        vxc_fsm_damaged(fsm, VXC_DB_LOCKS, "a queue place is missing");
        return false;
    }
    return true;
}

/* ---- dumps ---- */

int vxc_lock_describe_row(struct vxc_slice key, struct vxc_slice body, struct vxc_json *json)
{
    struct vxc_waiter waiter;
    struct vxc_lock lock;

    if (key.size >= 1 + 8 && key.data[0] == 'l') {
        if (vxc_lock_decode(body, &lock) != 0) {
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
    if (vxc_waiter_decode(key, body, &waiter) != 0) {
        return VXC_ECORRUPT;
    }
    vxc_json_u64(json, "lock_id", waiter.lock_id);
    vxc_json_u64(json, "session", waiter.ref.session);
    vxc_json_u64(json, "ticket", waiter.ticket);
    vxc_json_u64(json, "order", waiter.order);
    vxc_json_u64(json, "since_ms", waiter.since_ms);
    if (waiter.due_ms != VXC_WAIT_NEVER) {
        vxc_json_u64(json, "due_ms", waiter.due_ms);
    }
    return json->code;
}
