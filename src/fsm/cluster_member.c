/* Members of the cluster: who they are and where they can be reached.
 *
 *   MEMBER_SET     a id, b incarnation (0: not known yet), name address (not given: as it was),
 *                  value life u64 (not given: as it was) → found = something of it was news
 *   MEMBER_FORGET  a id → found = it was no more than absent: from now on it is gone for ever
 *
 * The engine's configuration says who votes; these rows say what a configuration has no room for.
 * Three rules keep a node out that is not who it was: an id that is gone never comes back
 * (VXC_EEXISTS), an incarnation is set once (VXC_ECONFLICT: another disk), and lives only rise
 * (VXC_ECONFLICT: an old copy of its disk, or an announcement that was overtaken). An address may
 * change at any time. An id can be forgotten before anybody announced it.
 *
 * All are resident, in the order of ids; a change writes its row at once.
 *
 * Rows.  'm' id(8)   incarnation u64 | life u64 | flags u8 (1 gone) | address (the rest)
 */
#include "base/limits.h"
#include "fsm/describe.h"
#include "fsm/memory.h"
#include "fsm/state.h"

enum { TAG = 'm', KEY_SIZE = 1 + 8, SYNC_TAG = 's', GONE = 1, CAPACITY_FIRST = 16 };

struct cluster_member {
    uint64_t id;
    uint64_t incarnation;
    uint64_t life;
    bool gone;
    struct vxc_slice address; /* owned; empty when gone */
};

struct vxc_cluster_members {
    struct cluster_member *members; /* by id */
    size_t count;
    size_t capacity;
    size_t gone_count;
};

/* ---- rows ---- */

static void row_key_of(uint64_t id, struct vxc_row_key *key)
{
    vxc_row_key_begin(key);
    vxc_row_key_u8(key, TAG);
    vxc_row_key_u64(key, id);
}

static void row_put(struct vxc_fsm *fsm, const struct cluster_member *member)
{
    uint8_t head[8 + 8 + 1];
    struct vxc_row_key key;

    row_key_of(member->id, &key);
    vxc_store_u64(head, member->incarnation);
    vxc_store_u64(head + 8, member->life);
    head[16] = member->gone ? GONE : 0;
    vxc_table_put(fsm->table, VXC_DB_CLUSTER, vxc_row_key_slice(&key), vxc_slice(head, sizeof head),
                  member->address);
}

/* The address borrows from body. VXC_ECORRUPT. */
static int row_decode(struct vxc_slice key, struct vxc_slice body, struct cluster_member *member)
{
    struct vxc_reader reader = vxc_reader(body);
    uint8_t flags;

    if (key.size != KEY_SIZE || key.data[0] != TAG) {
        return VXC_ECORRUPT;
    }
    member->id = vxc_load_be64(key.data + 1);
    member->incarnation = vxc_reader_u64(&reader);
    member->life = vxc_reader_u64(&reader);
    flags = vxc_reader_u8(&reader);
    member->gone = flags == GONE;
    member->address = vxc_reader_raw(&reader, vxc_reader_left(&reader));
    return vxc_reader_ok(&reader) && flags <= GONE &&
                   member->address.size <= VXC_MEMBER_ADDRESS_SIZE_MAX
               ? 0
               : VXC_ECORRUPT;
}

/* ---- the resident rows ---- */

/* Position of the first member whose id is not below. */
static size_t position_of(const struct vxc_cluster_members *set, uint64_t id)
{
    size_t low = 0;
    size_t high = set->count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (set->members[middle].id < id) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

static struct cluster_member *find(const struct vxc_cluster_members *set, uint64_t id)
{
    size_t position = position_of(set, id);

    return position < set->count && set->members[position].id == id ? &set->members[position]
                                                                    : NULL;
}

/* Takes the member's address over. */
static struct cluster_member *insert(struct vxc_cluster_members *set,
                                     const struct cluster_member *member)
{
    size_t position = position_of(set, member->id);

    if (set->count == set->capacity) {
        set->capacity = set->capacity == 0 ? CAPACITY_FIRST : set->capacity * 2;
        set->members = vxc_must_realloc(set->members, set->capacity, sizeof *set->members);
    }
    memmove(&set->members[position + 1], &set->members[position],
            (set->count - position) * sizeof *set->members);
    set->members[position] = *member;
    set->count++;
    set->gone_count += member->gone ? 1 : 0;
    return &set->members[position];
}

static void set_address(struct cluster_member *member, struct vxc_slice address)
{
    struct vxc_slice old = member->address;

    member->address = vxc_must_copy(address);
    vxc_slice_free(&old);
}

/* ---- birth and death ---- */

int vxc_cluster_members_create(struct vxc_fsm *fsm, struct vxc_error *err)
{
    static const uint8_t tag = TAG;
    struct vxc_slice prefix = vxc_slice(&tag, 1);
    struct vxc_table_scan *scan;
    struct vxc_slice key, body;
    int rv = 0;

    fsm->cluster_members = vxc_must_calloc(1, sizeof *fsm->cluster_members);
    scan = vxc_table_scan_open(fsm->table, VXC_DB_CLUSTER, prefix, prefix, false);
    while (rv == 0 && vxc_table_scan_next(scan, &key, &body)) {
        struct cluster_member member;

        rv = row_decode(key, body, &member);
        if (rv == 0) {
            member.address = vxc_must_copy(member.address);
            (void)insert(fsm->cluster_members, &member);
        }
    }
    vxc_table_scan_close(scan);
    return rv == 0 ? 0 : vxc_error_set(err, rv, "cluster: a member cannot be read");
}

void vxc_cluster_members_free(struct vxc_fsm *fsm)
{
    struct vxc_cluster_members *set = fsm->cluster_members;

    if (set == NULL) {
        return;
    }
    for (size_t i = 0; i < set->count; i++) {
        vxc_slice_free(&set->members[i].address);
    }
    vxc_free(set->members);
    vxc_free(set);
    fsm->cluster_members = NULL;
}

void vxc_cluster_members_drop(struct vxc_fsm *fsm)
{
    struct vxc_cluster_members *set = fsm->cluster_members;
    struct vxc_row_key key;

    for (size_t i = 0; i < set->count; i++) {
        row_key_of(set->members[i].id, &key);
        vxc_table_del(fsm->table, VXC_DB_CLUSTER, vxc_row_key_slice(&key));
        vxc_slice_free(&set->members[i].address);
    }
    set->count = 0;
    set->gone_count = 0;
}

/* ---- changes ---- */

static bool id_is_valid(const struct vxc_command *command, struct vxc_result *result)
{
    if (command->a >= 1 && command->a <= UINT32_MAX) {
        return true;
    }
    vxc_result_fail(result, VXC_EINVAL, "the id of a member is a number from 1 to 4294967295");
    return false;
}

/* What MEMBER_SET says, as a whole member: what it does not give is as before. */
static struct cluster_member wanted_of(const struct vxc_command *command,
                                       const struct cluster_member *before)
{
    struct cluster_member wanted = {.id = (uint64_t)command->a};

    if (before != NULL) {
        wanted = *before;
    }
    if (command->b != 0) {
        wanted.incarnation = command->b;
    }
    if (command->value.size == 8) {
        wanted.life = vxc_load_u64(command->value.data);
    }
    if (command->name.data != NULL) {
        wanted.address = command->name;
    }
    return wanted;
}

/* Could the member become what is wanted? */
static bool may_become(const struct vxc_cluster_members *set, const struct cluster_member *before,
                       const struct cluster_member *wanted, struct vxc_result *result)
{
    if (before == NULL) {
        if (set->count - set->gone_count >= VXC_MEMBERS_MAX) {
            vxc_result_fail(result, VXC_ELIMIT, "the cluster has too many members");
        }
    } else if (before->gone) {
        vxc_result_fail(result, VXC_EEXISTS,
                        "this member was removed and never comes back: choose a new node id");
    } else if (before->incarnation != 0 && wanted->incarnation != before->incarnation) {
        vxc_result_fail(result, VXC_ECONFLICT,
                        "the member of this id has another data directory: choose a new node id");
    } else if (wanted->life < before->life) {
        vxc_result_fail(result, VXC_ECONFLICT, "the member was started more often than that");
    }
    return result->code == 0;
}

static void apply_set(struct vxc_fsm *fsm, const struct vxc_command *command,
                      struct vxc_result *result)
{
    struct vxc_cluster_members *set = fsm->cluster_members;
    struct cluster_member *member = find(set, (uint64_t)command->a);
    struct cluster_member wanted = wanted_of(command, member);

    if (command->name.size > VXC_MEMBER_ADDRESS_SIZE_MAX ||
        (command->value.size != 0 && command->value.size != 8)) {
        vxc_result_fail(result, VXC_EINVAL,
                        "a member has an address of at most 299 bytes and a life of 8");
        return;
    }
    if (!may_become(set, member, &wanted, result)) {
        return;
    }
    if (member == NULL) {
        struct cluster_member young = wanted;

        young.address = vxc_must_copy(wanted.address);
        row_put(fsm, insert(set, &young));
        result->found = true;
        return;
    }
    result->found = wanted.incarnation != member->incarnation || wanted.life != member->life ||
                    !vxc_slice_equal(wanted.address, member->address);
    if (result->found) {
        member->incarnation = wanted.incarnation;
        member->life = wanted.life;
        set_address(member, wanted.address);
        row_put(fsm, member);
    }
}

static void apply_forget(struct vxc_fsm *fsm, const struct vxc_command *command,
                         struct vxc_result *result)
{
    struct vxc_cluster_members *set = fsm->cluster_members;
    struct cluster_member *member = find(set, (uint64_t)command->a);

    if (member != NULL && member->gone) {
        return;
    }
    if (set->gone_count >= VXC_MEMBERS_FORGOTTEN_MAX) {
        vxc_result_fail(result, VXC_ELIMIT,
                        "too many members were removed: restore a snapshot as a new cluster");
        return;
    }
    if (member == NULL) {
        const struct cluster_member unknown = {
            .id = (uint64_t)command->a, .gone = true, .address = vxc_must_copy(vxc_slice(NULL, 0))};
        member = insert(set, &unknown);
    } else {
        member->gone = true;
        set->gone_count++;
        set_address(member, vxc_slice(NULL, 0));
    }
    row_put(fsm, member);
    result->found = true;
}

void vxc_cluster_member_apply(struct vxc_fsm *fsm, const struct vxc_command *command,
                              struct vxc_result *result)
{
    if (!id_is_valid(command, result)) {
        return;
    }
    if (command->op == VXC_OP_MEMBER_SET) {
        apply_set(fsm, command, result);
    } else {
        apply_forget(fsm, command, result);
    }
}

/* ---- inspection ---- */

static struct vxc_member_view view_of(const struct cluster_member *member)
{
    return (struct vxc_member_view){.id = member->id,
                                    .incarnation = member->incarnation,
                                    .life = member->life,
                                    .gone = member->gone,
                                    .address = member->address};
}

int vxc_fsm_member(struct vxc_fsm *fsm, uint64_t id, struct vxc_member_view *view)
{
    const struct cluster_member *member = find(fsm->cluster_members, id);

    if (member == NULL) {
        return VXC_ENOTFOUND;
    }
    *view = view_of(member);
    return 0;
}

void vxc_fsm_each_member(struct vxc_fsm *fsm,
                         void (*each)(void *data, const struct vxc_member_view *), void *data)
{
    const struct vxc_cluster_members *set = fsm->cluster_members;

    for (size_t i = 0; i < set->count; i++) {
        const struct vxc_member_view view = view_of(&set->members[i]);
        each(data, &view);
    }
}

static int describe_sync(struct vxc_slice key, struct vxc_slice body, struct vxc_json *json)
{
    if (key.size != KEY_SIZE || body.size != 8 + 8) {
        return VXC_ECORRUPT;
    }
    vxc_json_u64(json, "state_sync", vxc_load_u64(body.data));
    vxc_json_u64(json, "order", vxc_load_be64(key.data + 1));
    vxc_json_u64(json, "index", vxc_load_u64(body.data + 8));
    return json->code;
}

/* Incarnations are random words: in hex, for many readers of JSON lose digits of large numbers. */
int vxc_cluster_describe_row(struct vxc_slice key, struct vxc_slice body, struct vxc_json *json)
{
    struct cluster_member member;
    uint8_t incarnation[8];

    if (key.size > 0 && key.data[0] == SYNC_TAG) {
        return describe_sync(key, body, json);
    }
    if (row_decode(key, body, &member) != 0) {
        return VXC_ECORRUPT;
    }
    vxc_store_be64(incarnation, member.incarnation);
    vxc_json_u64(json, "member", member.id);
    vxc_json_bytes(json, "address", member.address);
    vxc_json_hex(json, "incarnation", vxc_slice(incarnation, sizeof incarnation));
    vxc_json_u64(json, "life", member.life);
    vxc_json_bool(json, "gone", member.gone);
    return json->code;
}
