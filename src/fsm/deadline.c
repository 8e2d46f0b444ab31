/* Deadlines: what falls due, in the order of time.
 *
 *   row key  due_ms u64 (big-endian) | kind u8 | row key of the thing      body: empty
 *
 * Reaping is the first thing an entry does: at most VXC_REAP_ROWS_PER_ENTRY rows that are due by
 * the entry's stamp go, in the order of the rows. If more remain, effective time stops at the first
 * of them and the next entry goes on: late, never early.
 */
#include "fsm/deadline.h"

#include "base/check.h"

enum { DUE_SIZE = 8, HEAD_SIZE = DUE_SIZE + 1 };

static void row_key_of(uint64_t due_ms, enum vxc_deadline_kind kind, struct vxc_slice key,
                       struct vxc_row_key *row)
{
    vxc_check(key.size <= (size_t)VXC_ROW_KEY_SIZE_MAX - HEAD_SIZE);
    vxc_row_key_begin(row);
    vxc_row_key_u64(row, due_ms);
    vxc_row_key_u8(row, (uint8_t)kind);
    if (key.size != 0) {
        memcpy(row->data + row->size, key.data, key.size);
    }
    row->size = (uint16_t)(row->size + key.size);
}

void vxc_deadline_add(struct vxc_fsm *fsm, uint64_t due_ms, enum vxc_deadline_kind kind,
                      struct vxc_slice key)
{
    struct vxc_row_key row;

    row_key_of(due_ms, kind, key, &row);
    vxc_table_put(fsm->table, VXC_DB_DEADLINES, vxc_row_key_slice(&row), vxc_slice(NULL, 0),
                  vxc_slice(NULL, 0));
    fsm->deadline_count++;
    fsm->meta_dirty = true;
    if (due_ms < fsm->next_due_ms) {
        fsm->next_due_ms = due_ms;
    }
}

static void remove_row(struct vxc_fsm *fsm, const struct vxc_row_key *row)
{
    vxc_check(fsm->deadline_count > 0);
    vxc_table_del(fsm->table, VXC_DB_DEADLINES, vxc_row_key_slice(row));
    fsm->deadline_count--;
    fsm->meta_dirty = true;
    if (fsm->deadline_count == 0) {
        fsm->next_due_ms = UINT64_MAX;
    } /* else next_due_ms stays a lower bound: looking for the new first one would take a scan */
}

void vxc_deadline_remove(struct vxc_fsm *fsm, uint64_t due_ms, enum vxc_deadline_kind kind,
                         struct vxc_slice key)
{
    struct vxc_row_key row;

    row_key_of(due_ms, kind, key, &row);
    remove_row(fsm, &row);
}

static struct vxc_table_scan *scan_all(struct vxc_fsm *fsm)
{
    return vxc_table_scan_open(fsm->table, VXC_DB_DEADLINES, vxc_slice(NULL, 0), vxc_slice(NULL, 0),
                               false);
}

void vxc_deadlines_load(struct vxc_fsm *fsm)
{
    struct vxc_slice key, body;
    struct vxc_table_scan *scan;

    fsm->next_due_ms = UINT64_MAX;
    if (fsm->deadline_count == 0) {
        return;
    }
    scan = scan_all(fsm);
    if (vxc_table_scan_next(scan, &key, &body) && key.size >= HEAD_SIZE) {
        fsm->next_due_ms = vxc_load_be64(key.data);
    }
    vxc_table_scan_close(scan);
}

/* Copies the keys of what is due into fsm->work as a list, at most as many as one entry reaps, and
 * notes when the next one behind them is due. Reaping changes rows, so it cannot run within the
 * scan. */
static uint32_t collect_due(struct vxc_fsm *fsm, uint64_t stamp_ms)
{
    struct vxc_table_scan *scan = scan_all(fsm);
    struct vxc_slice key, body;
    uint32_t count = 0;

    vxc_buffer_clear(&fsm->work);
    fsm->next_due_ms = UINT64_MAX;
    while (vxc_table_scan_next(scan, &key, &body)) {
        if (key.size < HEAD_SIZE) {
            vxc_fsm_damaged(fsm, VXC_DB_DEADLINES, "row key");
            break;
        }
        if (vxc_load_be64(key.data) > stamp_ms || count == VXC_REAP_ROWS_PER_ENTRY) {
            fsm->next_due_ms = vxc_load_be64(key.data);
            break;
        }
        if (vxc_buffer_put_bytes(&fsm->work, key) != 0) {
            vxc_fatal("out of memory for due rows");
        }
        count++;
    }
    vxc_table_scan_close(scan);
    return count;
}

static void reap_one(struct vxc_fsm *fsm, struct vxc_slice key)
{
    uint64_t due_ms = vxc_load_be64(key.data);
    struct vxc_slice thing = vxc_slice(key.data + HEAD_SIZE, key.size - HEAD_SIZE);
    struct vxc_row_key row;
    struct vxc_slice body;

    if (vxc_table_get(fsm->table, VXC_DB_DEADLINES, key, &body) != 0) {
        return; /* withdrawn by what was reaped before it */
    }
    row_key_of(due_ms, (enum vxc_deadline_kind)key.data[DUE_SIZE], thing, &row);
    remove_row(fsm, &row);
    vxc_buffer_clear(&fsm->scratch);
    fsm->time_ms = due_ms > fsm->time_ms ? due_ms : fsm->time_ms;
    switch (key.data[DUE_SIZE]) {
    case VXC_DEADLINE_MAP_ENTRY:
        vxc_map_entry_due(fsm, thing, due_ms);
        break;
    case VXC_DEADLINE_LOCK_WAIT:
        vxc_lock_wait_due(fsm, thing, due_ms);
        break;
    default:
        vxc_fsm_damaged(fsm, VXC_DB_DEADLINES, "kind of deadline");
        break;
    }
}

void vxc_deadlines_reap(struct vxc_fsm *fsm)
{
    struct vxc_slice rest, key;
    uint64_t next_ms;
    uint32_t count;

    if (fsm->stamp_ms >= fsm->next_due_ms) {
        count = collect_due(fsm, fsm->stamp_ms);
        rest = vxc_buffer_slice(&fsm->work);
        for (uint32_t i = 0; i < count && vxc_list_next(&rest, &key) == 0; i++) {
            reap_one(fsm, key);
        }
    }
    next_ms = fsm->next_due_ms < fsm->stamp_ms ? fsm->next_due_ms : fsm->stamp_ms;
    if (next_ms > fsm->time_ms) {
        fsm->time_ms = next_ms;
    }
}
