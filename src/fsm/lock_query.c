/* Looking at locks. The forms of the answers are in lock.c. */
#include "fsm/lock_row.h"
#include "fsm/memory.h"

static void add_owner(struct vxc_fsm *fsm, uint64_t id, struct vxc_buffer *out)
{
    const struct vxc_session *session = id == 0 ? NULL : vxc_session_find(fsm, id);
    struct vxc_slice none = {NULL, 0};

    vxc_must(vxc_buffer_put_bytes(out, session == NULL ? none : vxc_session_node_id(session)));
    vxc_must(vxc_buffer_put_bytes(out, session == NULL ? none : vxc_session_client_name(session)));
}

static void lock_record(struct vxc_fsm *fsm, const struct vxc_lock *lock, struct vxc_buffer *out)
{
    vxc_buffer_clear(out);
    vxc_must(vxc_buffer_put_u64(out, lock->holder));
    vxc_must(vxc_buffer_put_u64(out, lock->token));
    vxc_must(vxc_buffer_put_u64(out, lock->ticket));
    vxc_must(vxc_buffer_put_u64(out, lock->since_ms));
    vxc_must(vxc_buffer_put_u32(out, lock->waiter_count));
    add_owner(fsm, lock->holder, out);
}

static void waiter_record(struct vxc_fsm *fsm, const struct vxc_waiter *waiter,
                          struct vxc_buffer *out)
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
static bool queue_cursor(struct vxc_fsm *fsm, const struct vxc_lock *lock, struct vxc_slice cursor,
                         struct vxc_waiter_ref *next, struct vxc_result *result)
{
    struct vxc_waiter waiter;
    struct vxc_waiter_ref ref;

    if (cursor.data == NULL) {
        *next = lock->first;
        return true;
    }
    if (cursor.size != 1 + 16 || cursor.data[0] != 1) {
        vxc_result_fail(result, VXC_EINVAL, "the cursor was not given by this cluster");
        return false;
    }
    ref = (struct vxc_waiter_ref){vxc_load_be64(cursor.data + 1), vxc_load_be64(cursor.data + 9)};
    if (!vxc_waiter_load(fsm, lock->id, ref, &waiter)) {
        vxc_result_fail(result, VXC_ENOTFOUND, "the queue has moved on; begin again");
        return false;
    }
    *next = waiter.behind;
    return true;
}

static void query_info(struct vxc_fsm *fsm, const struct vxc_command *query,
                       const struct vxc_lock *lock, struct vxc_result *result)
{
    struct vxc_buffer record = {0};
    struct vxc_waiter_ref next;
    struct vxc_waiter waiter;
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
    while (!more && next.session != 0 && vxc_waiter_load_linked(fsm, lock, next, &waiter)) {
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
        struct vxc_lock lock;
        if (vxc_lock_decode(body, &lock) != 0) {
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
    struct vxc_lock lock;

    if (query->op == VXC_OP_LOCK_LIST) {
        query_list(fsm, query, result);
        return;
    }
    (void)vxc_lock_load(fsm, query->namespace_id, query->name,
                        &lock); /* id 0 says that it is not there */
    if (vxc_lock_is_unusable(&lock, result)) {
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
