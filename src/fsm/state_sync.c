/* State sync: operations of another server's state, as one unit, once per sync id.
 *
 *   STATE_SYNC  a sync id, value list of encoded commands
 *               → found = applied now; replayed = it had been applied; number = operations
 *
 * The operations are writes to maps, sets, multimaps and counters, and LOCK_CREATE and LOCK_DESTROY;
 * a counter is set by destroying it and adding. Their namespace, session and sequence are those of
 * the sync, whatever they say themselves. What refuses one of them refuses all, with nothing
 * changed, and then the id counts as not seen. The ids of the last VXC_STATE_SYNCS_KEPT syncs are
 * kept; one that is older is applied again.
 *
 * Rows.  's' order(8)   sync id u64 | index u64      order: 1, 2, … in the order of applying
 */
#include "base/check.h"
#include "fsm/memory.h"
#include "fsm/state.h"

enum { TAG = 's', KEY_SIZE = 1 + 8, BODY_SIZE = 8 + 8 };

struct vxc_state_syncs {
    uint64_t next_order;
    uint64_t count;
    uint64_t ids[VXC_STATE_SYNCS_KEPT]; /* of order n at n modulo VXC_STATE_SYNCS_KEPT */
};

static void row_key_of(uint64_t order, struct vxc_row_key *key)
{
    vxc_row_key_begin(key);
    vxc_row_key_u8(key, TAG);
    vxc_row_key_u64(key, order);
}

/* ---- birth and death ---- */

/* Rows come in the order of applying, without gaps. */
static int load(struct vxc_state_syncs *syncs, struct vxc_slice key, struct vxc_slice body)
{
    uint64_t order;

    if (key.size != KEY_SIZE || body.size != BODY_SIZE || syncs->count == VXC_STATE_SYNCS_KEPT) {
        return VXC_ECORRUPT;
    }
    order = vxc_load_be64(key.data + 1);
    if (syncs->count != 0 && order != syncs->next_order) {
        return VXC_ECORRUPT;
    }
    syncs->ids[order % VXC_STATE_SYNCS_KEPT] = vxc_load_u64(body.data);
    syncs->count++;
    syncs->next_order = order + 1;
    return 0;
}

int vxc_state_syncs_create(struct vxc_fsm *fsm, struct vxc_error *err)
{
    static const uint8_t tag = TAG;
    struct vxc_slice prefix = vxc_slice(&tag, 1);
    struct vxc_table_scan *scan;
    struct vxc_slice key, body;
    int rv = 0;

    fsm->state_syncs = vxc_must_calloc(1, sizeof *fsm->state_syncs);
    fsm->state_syncs->next_order = 1;
    scan = vxc_table_scan_open(fsm->table, VXC_DB_CLUSTER, prefix, prefix, false);
    while (rv == 0 && vxc_table_scan_next(scan, &key, &body)) {
        rv = load(fsm->state_syncs, key, body);
    }
    vxc_table_scan_close(scan);
    return rv == 0 ? 0 : vxc_error_set(err, rv, "cluster: a state sync cannot be read");
}

void vxc_state_syncs_free(struct vxc_fsm *fsm)
{
    vxc_free(fsm->state_syncs);
    fsm->state_syncs = NULL;
}

/* ---- work ---- */

static bool takes(uint16_t op)
{
    return (op >= VXC_OP_MAP_CREATE && op <= VXC_OP_MAP_DESTROY) ||
           (op >= VXC_OP_SET_CREATE && op <= VXC_OP_SET_DESTROY) ||
           (op >= VXC_OP_MULTIMAP_CREATE && op <= VXC_OP_MULTIMAP_DESTROY) ||
           (op >= VXC_OP_COUNTER_CREATE && op <= VXC_OP_COUNTER_DESTROY) ||
           op == VXC_OP_LOCK_CREATE || op == VXC_OP_LOCK_DESTROY;
}

static bool was_applied(const struct vxc_state_syncs *syncs, uint64_t id)
{
    for (uint64_t i = 1; i <= syncs->count; i++) { /* a retry is of a late one, mostly */
        if (syncs->ids[(syncs->next_order - i) % VXC_STATE_SYNCS_KEPT] == id) {
            return true;
        }
    }
    return false;
}

static void remember(struct vxc_fsm *fsm, uint64_t id)
{
    struct vxc_state_syncs *syncs = fsm->state_syncs;
    uint8_t body[BODY_SIZE];
    struct vxc_row_key key;

    if (syncs->count == VXC_STATE_SYNCS_KEPT) {
        row_key_of(syncs->next_order - syncs->count, &key);
        vxc_table_del(fsm->table, VXC_DB_CLUSTER, vxc_row_key_slice(&key));
        syncs->count--;
    }
    vxc_store_u64(body, id);
    vxc_store_u64(body + 8, fsm->index);
    row_key_of(syncs->next_order, &key);
    vxc_table_put(fsm->table, VXC_DB_CLUSTER, vxc_row_key_slice(&key), vxc_slice(body, sizeof body),
                  vxc_slice(NULL, 0));
    syncs->ids[syncs->next_order % VXC_STATE_SYNCS_KEPT] = id;
    syncs->next_order++;
    syncs->count++;
}

void vxc_state_sync_apply(struct vxc_fsm *fsm, const struct vxc_command *command,
                          struct vxc_result *result)
{
    uint64_t id = (uint64_t)command->a;
    struct vxc_slice rest;
    uint32_t count;

    vxc_check(vxc_list_read_head(command->value, &count, &rest) == 0); /* encode() looked at it */
    if (was_applied(fsm->state_syncs, id)) {
        result->replayed = true;
        result->number = count;
        return;
    }
    if (!vxc_transaction_run(fsm, command, command->value, takes, result)) {
        return;
    }
    remember(fsm, id);
    *result = (struct vxc_result){.found = true, .number = count};
}
