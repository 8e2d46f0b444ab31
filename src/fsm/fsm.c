#include "fsm/fsm.h"

#include <inttypes.h>

#include "base/check.h"
#include "base/memory.h"
#include "base/planted.h"
#include "fsm/deadline.h"
#include "fsm/dump.h"
#include "fsm/element.h"
#include "fsm/meta.h"
#include "fsm/state.h"

/* ---- birth and death ---- */

int vxc_fsm_create(struct vxc_table *table, struct vxc_fsm **created, struct vxc_error *err)
{
    struct vxc_fsm *fsm = vxc_calloc(1, sizeof *fsm);
    int rv;

    if (fsm == NULL) {
        return vxc_error_set(err, VXC_ENOMEM, "out of memory for the state machine");
    }
    fsm->table = table;
    vxc_meta_begin(fsm);
    rv = vxc_meta_load(fsm, err);
    if (rv == 0 && vxc_objects_create(fsm) != 0) {
        rv = vxc_error_set(err, VXC_ENOMEM, "out of memory for object headers");
    }
    if (rv == 0) {
        rv = vxc_sessions_create(fsm, err);
    }
    if (rv == 0) {
        rv = vxc_watches_create(fsm, err);
    }
    if (rv == 0) {
        rv = vxc_cluster_members_create(fsm, err);
    }
    if (rv == 0) {
        rv = vxc_state_syncs_create(fsm, err);
    }
    if (rv == 0) {
        vxc_deadlines_load(fsm);
        rv = vxc_table_error(table, err);
    }
    if (rv != 0) {
        vxc_fsm_free(fsm);
        return rv;
    }
    *created = fsm;
    return 0;
}

void vxc_fsm_free(struct vxc_fsm *fsm)
{
    if (fsm == NULL) {
        return;
    }
    vxc_state_syncs_free(fsm);
    vxc_cluster_members_free(fsm);
    vxc_watches_free(fsm);
    vxc_sessions_free(fsm);
    vxc_objects_free(fsm);
    vxc_buffer_free(&fsm->scratch);
    vxc_buffer_free(&fsm->head);
    vxc_buffer_free(&fsm->work);
    vxc_free(fsm);
}

void vxc_fsm_set_hooks(struct vxc_fsm *fsm, const struct vxc_fsm_hooks *hooks)
{
    fsm->hooks = *hooks;
}

/* ---- what the modules draw from ---- */

uint64_t vxc_fsm_take_id(struct vxc_fsm *fsm)
{
    fsm->meta_dirty = true;
    return fsm->next_id++;
}

uint64_t vxc_fsm_take_token(struct vxc_fsm *fsm)
{
    fsm->meta_dirty = true;
    return fsm->next_token++;
}

void vxc_fsm_damaged(struct vxc_fsm *fsm, enum vxc_database db, const char *what)
{
    if (fsm->damage.code == 0) {
        (void)vxc_error_set(&fsm->damage, VXC_ECORRUPT,
                            "%s: %s: a row that no version of this program writes",
                            vxc_database_name(db), what);
    }
}

/* First damage met by rows or table: 0 or the code, with text. */
static int check_damage(const struct vxc_fsm *fsm, struct vxc_error *err)
{
    /* a read that failed also looks like damage to the modules, and the table knows file and place */
    int rv = vxc_table_error(fsm->table, err);

    if (rv == 0 && fsm->damage.code != 0) {
        rv = vxc_error_set(err, fsm->damage.code, "%s", fsm->damage.text);
    }
    return rv;
}

/* ---- commands ---- */

static void bootstrap(struct vxc_fsm *fsm, const struct vxc_command *command,
                      struct vxc_result *result)
{
    if (fsm->bootstrapped) {
        vxc_result_fail(result, VXC_EEXISTS, "the cluster was bootstrapped before");
        return;
    }
    if (command->value.size != sizeof fsm->cluster_id || command->a < 0) {
        vxc_result_fail(result, VXC_EINVAL, "a bootstrap has a cluster id of 16 bytes and a time");
        return;
    }
    memcpy(fsm->cluster_id, command->value.data, sizeof fsm->cluster_id);
    fsm->bootstrapped = true;
    fsm->meta_dirty = true;
    if ((uint64_t)command->a > fsm->next_token) {
        fsm->next_token = (uint64_t)command->a;
    }
}

static void carry_out(struct vxc_fsm *fsm, const struct vxc_command *command,
                      struct vxc_result *result)
{
    uint16_t op = command->op;

    if (op >= VXC_OP_MAP_CREATE && op <= VXC_OP_MAP_DESTROY) {
        vxc_map_apply(fsm, command, result);
    } else if (op >= VXC_OP_SET_CREATE && op <= VXC_OP_SET_DESTROY) {
        vxc_set_apply(fsm, command, result);
    } else if (op >= VXC_OP_MULTIMAP_CREATE && op <= VXC_OP_MULTIMAP_DESTROY) {
        vxc_multimap_apply(fsm, command, result);
    } else if (op >= VXC_OP_COUNTER_CREATE && op <= VXC_OP_COUNTER_DESTROY) {
        vxc_counter_apply(fsm, command, result);
    } else if (op >= VXC_OP_LOCK_CREATE && op <= VXC_OP_LOCK_DESTROY) {
        vxc_lock_apply(fsm, command, result);
    } else if (op >= VXC_OP_NODE_JOIN && op <= VXC_OP_NODE_SET_INFO) {
        vxc_member_apply(fsm, command, result);
    } else if (op >= VXC_OP_REGISTRATION_ADD && op <= VXC_OP_REGISTRATION_RESYNC) {
        vxc_registration_apply(fsm, command, result);
    } else if (op == VXC_OP_WATCH_ADD || op == VXC_OP_WATCH_REMOVE) {
        vxc_watch_apply(fsm, command, result);
    } else if (op >= VXC_OP_SESSION_OPEN && op <= VXC_OP_SESSION_EXPIRE) {
        vxc_session_apply(fsm, command, result);
    } else if (op == VXC_OP_TRANSACTION) {
        vxc_transaction_apply(fsm, command, result);
    } else if (op == VXC_OP_NAMESPACE_ENSURE) {
        vxc_namespace_apply(fsm, command, result);
    } else if (op == VXC_OP_MEMBER_SET || op == VXC_OP_MEMBER_FORGET) {
        vxc_cluster_member_apply(fsm, command, result);
    } else if (op == VXC_OP_STATE_SYNC) {
        vxc_state_sync_apply(fsm, command, result);
    } else if (op == VXC_OP_BOOTSTRAP) {
        bootstrap(fsm, command, result);
    } else if (op == VXC_OP_CHECKPOINT) {
        fsm->checkpoint_index = fsm->index; /* changes nothing: the nodes freeze here */
    } else {
        vxc_result_fail(result, VXC_EINVAL, "a query is no command");
    }
}

/* One command behind the exactly-once gate. */
static void apply_command(struct vxc_fsm *fsm, const struct vxc_command *command,
                          struct vxc_result *result)
{
    int rv = 0;

    vxc_buffer_clear(&fsm->scratch);
    fsm->stats.commands_total++;
    if (command->session != 0) {
        if (command->sequence != 0) {
            rv = vxc_session_admit(fsm, command, result);
        } else if (vxc_session_find(fsm, command->session) == NULL) {
            rv = VXC_ESESSION;
        }
    }
    if (rv > 0) {
        fsm->stats.replayed_total++;
        return;
    }
    if (rv < 0) {
        vxc_result_fail(result, rv, vxc_strerror(rv));
    } else {
        carry_out(fsm, command, result);
    }
    result->index = fsm->index;
    if (rv == 0 && command->session != 0 && command->sequence != 0) {
        vxc_session_remember(fsm, command, result);
    }
}

/* ---- entries ---- */

/* Looks at all commands before the first is applied, so that an entry with one that this version
 * does not know is left alone as a whole. */
static int check_commands(struct vxc_slice rest, uint32_t count, struct vxc_error *err)
{
    for (uint32_t i = 0; i < count; i++) {
        struct vxc_slice bytes;
        struct vxc_command command;
        int rv = vxc_entry_next(&rest, &bytes);
        if (rv == 0) {
            rv = vxc_command_decode(bytes, &command);
        }
        if (rv == VXC_EVERSION) {
            return vxc_error_set(err, rv, "command %" PRIu32 " needs a newer version", i);
        }
        if (rv != 0) {
            return vxc_error_set(err, rv, "command %" PRIu32 " cannot be read", i);
        }
    }
    if (rest.size != 0) {
        return vxc_error_set(err, VXC_ECORRUPT, "%zu bytes behind the last command", rest.size);
    }
    return 0;
}

static void finish_entry(struct vxc_fsm *fsm, uint64_t index, uint64_t term)
{
    fsm->applied_index = index;
    fsm->applied_term = term;
    fsm->applied_position = 0;
    fsm->ordinal = 0;
}

static void begin_entry(struct vxc_fsm *fsm, uint64_t stamp_ms)
{
    fsm->position = 0;
    fsm->ordinal = 0;
    if (stamp_ms > fsm->stamp_ms) { /* time never goes back, whatever a stamp says */
        fsm->stamp_ms = stamp_ms;
    }
    vxc_deadlines_reap(fsm);
}

/* Head and commands of the entry, before anything of it is applied. */
static int check_entry(struct vxc_slice entry, bool own, uint32_t skip, struct vxc_entry_head *head,
                       struct vxc_slice *rest, struct vxc_error *err)
{
    int rv = vxc_entry_read_head(entry, head, rest);

    if (rv != 0) {
        return vxc_error_set(err, rv, "not the head of an entry that this version knows");
    }
    if (skip != 0 && skip >= head->count) {
        return vxc_error_set(err, VXC_ECORRUPT, "%" PRIu32 " of %" PRIu32 " commands are done",
                             skip, head->count);
    }
    return own ? 0 : check_commands(*rest, head->count, err);
}

/* The commands of an entry, decoded some ahead of being applied, so that what they will look at is
 * on its way from memory meanwhile. */
struct pipeline {
    struct vxc_slice rest; /* not yet decoded */
    uint32_t count;        /* commands of the entry */
    uint32_t decoded;
    struct vxc_command ring[VXC_FSM_EXPECT_AHEAD];
};

static void look_ahead(struct vxc_fsm *fsm, struct pipeline *p, uint32_t position)
{
    while (p->decoded < p->count && p->decoded < position + VXC_FSM_EXPECT_AHEAD) {
        struct vxc_command *command = &p->ring[p->decoded++ % VXC_FSM_EXPECT_AHEAD];
        struct vxc_slice bytes;

        /* as check_commands() found, or as vxc_entry_add() wrote it */
        vxc_check(vxc_entry_next(&p->rest, &bytes) == 0);
        vxc_check(vxc_command_decode(bytes, command) == 0);
        vxc_fsm_expect(fsm, command);
    }
}

/* One command with its result given out, unless what it read was damaged. */
static int apply_at(struct vxc_fsm *fsm, uint32_t position, const struct vxc_command *command,
                    struct vxc_error *err)
{
    struct vxc_result result = {0};
    int rv;

    fsm->position = position;
    apply_command(fsm, command, &result);
    rv = check_damage(fsm, err);
    if (rv == 0 && fsm->hooks.on_result != NULL) {
        fsm->hooks.on_result(fsm->hooks.data, position, &result);
    }
    return rv;
}

int vxc_fsm_apply(struct vxc_fsm *fsm, uint64_t index, uint64_t term, struct vxc_slice entry,
                  bool own, uint32_t skip, void (*after_each)(void *data, uint32_t done),
                  void *data, struct vxc_error *err)
{
    struct vxc_entry_head head;
    VXC_UNINITIALIZED struct pipeline pipeline;
    int rv = check_entry(entry, own, skip, &head, &pipeline.rest, err);

    vxc_check(index > fsm->applied_index);
    vxc_check(skip == fsm->applied_position);
    if (rv == 0) {
        fsm->index = index;
        if (skip == 0) {
            begin_entry(fsm, head.stamp_ms);
        }
        rv = check_damage(fsm, err);
        pipeline.count = head.count;
        pipeline.decoded = 0;
    }
    for (uint32_t i = 0; rv == 0 && i < head.count; i++) {
        look_ahead(fsm, &pipeline, i);
        if (i < skip) {
            continue;
        }
        rv = apply_at(fsm, i, &pipeline.ring[i % VXC_FSM_EXPECT_AHEAD], err);
        if (rv != 0) {
            break;
        }
        fsm->applied_position = i + 1;
        if (i + 1 == head.count) {
            finish_entry(fsm, index, term); /* the last commit of an entry is that of the entry */
        }
        if (after_each != NULL) {
            after_each(data, i + 1);
        }
    }
    if (rv != 0) {
        (void)vxc_error_prefix(err, "entry %" PRIu64, index);
        return rv;
    }
    finish_entry(fsm, index, term);
    return 0;
}

void vxc_fsm_pass(struct vxc_fsm *fsm, uint64_t index, uint64_t term)
{
    vxc_check(index > fsm->applied_index);
    vxc_check(fsm->applied_position == 0);
    finish_entry(fsm, index, term);
}

/* ---- queries ---- */

static void answer(struct vxc_fsm *fsm, const struct vxc_command *query, struct vxc_result *result)
{
    uint16_t op = query->op;

    if (op >= VXC_OP_MAP_GET && op <= VXC_OP_MAP_LIST) {
        vxc_map_query(fsm, query, result);
    } else if (op >= VXC_OP_SET_CONTAINS && op <= VXC_OP_SET_LIST) {
        vxc_set_query(fsm, query, result);
    } else if (op >= VXC_OP_MULTIMAP_GET && op <= VXC_OP_MULTIMAP_LIST) {
        vxc_multimap_query(fsm, query, result);
    } else if (op == VXC_OP_COUNTER_GET || op == VXC_OP_COUNTER_LIST) {
        vxc_counter_query(fsm, query, result);
    } else if (op >= VXC_OP_LOCK_INFO && op <= VXC_OP_LOCK_HELD) {
        vxc_lock_query(fsm, query, result);
    } else if (op == VXC_OP_NODE_GET || op == VXC_OP_NODE_LIST) {
        vxc_member_query(fsm, query, result);
    } else if (op == VXC_OP_REGISTRATION_GET || op == VXC_OP_REGISTRATION_LIST) {
        vxc_registration_query(fsm, query, result);
    } else if (op == VXC_OP_SESSION_GET || op == VXC_OP_SESSION_LIST) {
        vxc_session_query(fsm, query, result);
    } else if (op == VXC_OP_NAMESPACE_FIND || op == VXC_OP_NAMESPACE_LIST) {
        vxc_namespace_query(fsm, query, result);
    } else if (op == VXC_OP_WATCH_LIST) {
        vxc_watch_query(fsm, query, result);
    } else if (op == VXC_OP_DUMP) {
        vxc_dump_query(fsm, query, result);
    } else {
        vxc_result_fail(result, VXC_EINVAL, "not a query");
    }
}

void vxc_fsm_expect(struct vxc_fsm *fsm, const struct vxc_command *command)
{
    switch (command->op) {
    case VXC_OP_MAP_GET:
    case VXC_OP_MAP_CONTAINS:
    case VXC_OP_MAP_PUT:
    case VXC_OP_MAP_PUT_IF_ABSENT:
    case VXC_OP_MAP_REMOVE:
    case VXC_OP_MAP_REMOVE_IF:
    case VXC_OP_MAP_REPLACE:
    case VXC_OP_MAP_REPLACE_IF:
        vxc_element_expect(fsm, VXC_WATCH_MAP, command);
        break;
    case VXC_OP_SET_ADD:
    case VXC_OP_SET_REMOVE:
    case VXC_OP_SET_CONTAINS:
        vxc_element_expect(fsm, VXC_WATCH_SET, command);
        break;
    case VXC_OP_COUNTER_GET:
    case VXC_OP_COUNTER_ADD:
    case VXC_OP_COUNTER_CAS:
        vxc_counter_expect(fsm, command);
        break;
    default: /* others are rare, or look at little */
        break;
    }
}

void vxc_fsm_query(struct vxc_fsm *fsm, const struct vxc_command *query, struct vxc_result *result)
{
    vxc_buffer_clear(&fsm->scratch);
    *result = (struct vxc_result){0};
    answer(fsm, query, result);
    if (check_damage(fsm, NULL) != 0) {
        vxc_result_fail(result, VXC_ECORRUPT, "the state on this node is damaged");
    }
    result->index = fsm->applied_index;
}

/* ---- writing back ---- */

void vxc_fsm_write_back(struct vxc_fsm *fsm)
{
    vxc_objects_flush(fsm);
    vxc_sessions_flush(fsm);
    vxc_meta_flush(fsm);
}

void vxc_fsm_flush(struct vxc_fsm *fsm, struct vxc_store_meta *meta)
{
    vxc_fsm_write_back(fsm);
    meta->applied_index = fsm->applied_index;
    meta->applied_term = fsm->applied_term;
    meta->applied_position = fsm->applied_position;
    meta->cluster_time_ms = fsm->stamp_ms;
    if (VXC_PLANTED(freeze_inside_entry) && meta->applied_position != 0) {
        meta->applied_index = fsm->index;
        meta->applied_position = 0;
    }
}

/* ---- inspection ---- */

uint64_t vxc_fsm_applied_index(const struct vxc_fsm *fsm)
{
    return fsm->applied_index;
}

uint64_t vxc_fsm_time_ms(const struct vxc_fsm *fsm)
{
    return fsm->time_ms;
}

uint64_t vxc_fsm_stamp_ms(const struct vxc_fsm *fsm)
{
    return fsm->stamp_ms;
}

uint64_t vxc_fsm_checkpoint_index(const struct vxc_fsm *fsm)
{
    return fsm->checkpoint_index;
}

uint64_t vxc_fsm_next_deadline_ms(struct vxc_fsm *fsm)
{
    return fsm->next_due_ms;
}

bool vxc_fsm_bootstrapped(const struct vxc_fsm *fsm)
{
    return fsm->bootstrapped;
}

const uint8_t *vxc_fsm_cluster_id(const struct vxc_fsm *fsm)
{
    return fsm->cluster_id;
}

void vxc_fsm_stats(struct vxc_fsm *fsm, struct vxc_fsm_stats *stats)
{
    *stats = fsm->stats;
    stats->quota_bytes_used = fsm->quota_bytes_used;
}
