/* Members: the nodes of a namespace in the order in which they joined.
 *
 *   NODE_JOIN      session, key node id, value info (no bytes: none yet), name map to clear
 *                  when this is the first member → value the list of node ids in join order,
 *                  number epoch, found = it joined now
 *   NODE_LEAVE     session, key node id (optional) → found, number epoch
 *   NODE_SET_INFO  session, key node id (optional), value info → found
 *   NODE_GET       key node id → found = it has info, value info, number join order,
 *                  token session; VXC_ENOTFOUND when it is no member
 *   NODE_LIST      key cursor, b limits (0: all that fit a reply) → value pairs
 *                  (node id, info) in join order, number epoch
 *
 * One total order, by the epoch at which each joined; the epoch counts joins and leaves of the
 * namespace for ever. Every event carries the whole ordered list of node ids as of then, the same
 * for all who watch.
 *
 * A session has at most one node entry. A node id that joins again under a new session while the
 * old one lives moves to the new session: its place, the epoch and the view stay, so nobody is told
 * of a failure that was none; only changed info is an event. The old session's end then no longer
 * touches the node. Leaving takes the session's registrations first, each with its event, then the
 * entry.
 *
 * Rows.  namespace(8) 'n' node id   order u64 | session u64 | joined ms u64 |
 *                                   flags u8 (1 has info) | node id (u32 length + bytes) |
 *                                   info (the rest)
 *        namespace(8) 'e'           epoch u64
 */
#include "base/check.h"
#include "base/limits.h"
#include "base/memory.h"
#include "fsm/describe.h"
#include "fsm/memory.h"
#include "fsm/state.h"

#define uthash_fatal(message)     vxc_fatal("members: %s", message)
#define uthash_malloc(size)       vxc_malloc(size)
#define uthash_free(memory, size) vxc_free(memory)
#include <uthash.h>

/* The encoded list of node ids of one namespace: it travels whole in every membership event. */
#define MEMBER_VIEW_SIZE_MAX (4u * VXC_MIB)
/* What a node says of itself (host, port, a little metadata). */
#define MEMBER_INFO_SIZE_MAX VXC_NAME_SIZE_MAX
/* Of a list asked for without limits: it fits a frame. */
#define MEMBER_LIST_SIZE_MAX (8u * VXC_MIB)

static_assert(MEMBER_VIEW_SIZE_MAX + MEMBER_INFO_SIZE_MAX < VXC_VALUE_SIZE_MAX,
              "a membership event fits a frame");

enum { MEMBER_HAS_INFO = 1, MEMBERS_FIRST = 8, EPOCH_KEY_SIZE = 8 + 1 };

struct member {
    uint64_t order;
    struct vxc_slice node_id; /* owned */
};

/* The members of one namespace, resident. */
struct member_space {
    uint64_t namespace_id;
    uint64_t epoch;
    struct member *members; /* in join order */
    size_t count;
    size_t capacity;
    size_t view_size; /* of the encoded list */
    bool view_current;
    struct vxc_buffer view; /* the encoded list, when current */
    UT_hash_handle hh;
};

struct vxc_member_set {
    struct member_space *spaces;
};

/* What a row says. */
struct member_row {
    struct vxc_row_key key;
    uint64_t order;
    uint64_t session;
    uint64_t joined_ms;
    bool has_info;
    struct vxc_slice node_id;
    struct vxc_slice info;
};

/* ---- rows ---- */

static void member_key(struct vxc_row_key *key, uint64_t namespace_id, struct vxc_slice node_id)
{
    vxc_row_key_begin(key);
    vxc_row_key_u64(key, namespace_id);
    vxc_row_key_u8(key, 'n');
    vxc_row_key_user(key, node_id);
}

static int row_decode(struct vxc_slice body, struct member_row *row)
{
    struct vxc_reader reader = vxc_reader(body);
    uint8_t flags;

    row->order = vxc_reader_u64(&reader);
    row->session = vxc_reader_u64(&reader);
    row->joined_ms = vxc_reader_u64(&reader);
    flags = vxc_reader_u8(&reader);
    row->has_info = flags == MEMBER_HAS_INFO;
    row->node_id = vxc_reader_bytes(&reader);
    row->info = vxc_reader_raw(&reader, vxc_reader_left(&reader));
    return vxc_reader_ok(&reader) && flags <= MEMBER_HAS_INFO ? 0 : VXC_ECORRUPT;
}

static void row_put(struct vxc_fsm *fsm, const struct member_row *row)
{
    struct vxc_buffer head = {0};

    vxc_must(vxc_buffer_put_u64(&head, row->order));
    vxc_must(vxc_buffer_put_u64(&head, row->session));
    vxc_must(vxc_buffer_put_u64(&head, row->joined_ms));
    vxc_must(vxc_buffer_put_u8(&head, row->has_info ? MEMBER_HAS_INFO : 0));
    vxc_must(vxc_buffer_put_bytes(&head, row->node_id));
    vxc_table_put(fsm->table, VXC_DB_NODES, vxc_row_key_slice(&row->key), vxc_buffer_slice(&head),
                  row->info);
    vxc_buffer_free(&head);
}

/* Node id and info borrow from the table until its next change. */
static bool row_get(struct vxc_fsm *fsm, uint64_t namespace_id, struct vxc_slice node_id,
                    struct member_row *row)
{
    struct vxc_slice body;

    member_key(&row->key, namespace_id, node_id);
    if (vxc_table_get(fsm->table, VXC_DB_NODES, vxc_row_key_slice(&row->key), &body) != 0) {
        return false;
    }
    if (row_decode(body, row) != 0) {
        vxc_fsm_damaged(fsm, VXC_DB_NODES, "a member cannot be read");
        return false;
    }
    return true;
}

static void epoch_put(struct vxc_fsm *fsm, const struct member_space *space)
{
    struct vxc_row_key key;
    uint8_t body[8];

    vxc_row_key_begin(&key);
    vxc_row_key_u64(&key, space->namespace_id);
    vxc_row_key_u8(&key, 'e');
    vxc_store_u64(body, space->epoch);
    vxc_table_put(fsm->table, VXC_DB_NODES, vxc_row_key_slice(&key), vxc_slice(body, sizeof body),
                  vxc_slice(NULL, 0));
}

/* ---- the resident view ---- */

static struct member_space *find(const struct vxc_member_set *set, uint64_t namespace_id)
{
    struct member_space *space = NULL;

    HASH_FIND(hh, set->spaces, &namespace_id, sizeof namespace_id, space);
    return space;
}

static struct member_space *ensure(struct vxc_member_set *set, uint64_t namespace_id)
{
    struct member_space *space = find(set, namespace_id);

    if (space == NULL) {
        space = vxc_must_calloc(1, sizeof *space);
        space->namespace_id = namespace_id;
        space->view_size = 4;
        HASH_ADD(hh, set->spaces, namespace_id, sizeof space->namespace_id, space);
    }
    return space;
}

static void view_append(struct member_space *space, const struct member *member)
{
    vxc_must(vxc_buffer_put_bytes(&space->view, member->node_id));
    vxc_store_u32(space->view.data, (uint32_t)space->count);
}

/* The list of node ids in join order, borrowed until members change. */
static struct vxc_slice view_of(struct member_space *space)
{
    if (!space->view_current) {
        vxc_buffer_clear(&space->view);
        vxc_must(vxc_buffer_put_u32(&space->view, (uint32_t)space->count));
        for (size_t i = 0; i < space->count; i++) {
            view_append(space, &space->members[i]);
        }
        space->view_current = true;
    }
    vxc_check(space->view.size == space->view_size);
    return vxc_buffer_slice(&space->view);
}

static void view_push(struct member_space *space, uint64_t order, struct vxc_slice node_id)
{
    struct member *member;

    if (space->count == space->capacity) {
        space->capacity = space->capacity == 0 ? MEMBERS_FIRST : space->capacity * 2;
        space->members = vxc_must_realloc(space->members, space->capacity, sizeof *space->members);
    }
    member = &space->members[space->count++];
    member->order = order;
    member->node_id = vxc_must_copy(node_id);
    space->view_size += 4 + node_id.size;
    if (space->view_current) {
        view_append(space, member);
    }
}

/* Position of a join order; count when it is none of a member. */
static size_t position_of(const struct member_space *space, uint64_t order)
{
    size_t low = 0;
    size_t high = space->count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (space->members[middle].order < order) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

static void view_remove(struct member_space *space, uint64_t order)
{
    size_t position = position_of(space, order);

    vxc_check(position < space->count && space->members[position].order == order);
    space->view_size -= 4 + space->members[position].node_id.size;
    vxc_slice_free(&space->members[position].node_id);
    space->count--;
    memmove(&space->members[position], &space->members[position + 1],
            (space->count - position) * sizeof *space->members);
    space->view_current = false;
}

/* ---- birth and death ---- */

static int compare_members(const void *a, const void *b)
{
    const struct member *left = a;
    const struct member *right = b;

    return left->order < right->order ? -1 : left->order > right->order;
}

static int load_row(struct vxc_member_set *set, struct vxc_slice key, struct vxc_slice body)
{
    struct member_row row;
    struct member_space *space;

    if (key.size < EPOCH_KEY_SIZE) {
        return VXC_ECORRUPT;
    }
    space = ensure(set, vxc_load_be64(key.data));
    if (key.data[8] == 'e') {
        space->epoch = body.size == 8 ? vxc_load_u64(body.data) : 0;
        return body.size == 8 && key.size == EPOCH_KEY_SIZE ? 0 : VXC_ECORRUPT;
    }
    if (key.data[8] != 'n' || row_decode(body, &row) != 0) {
        return VXC_ECORRUPT;
    }
    view_push(space, row.order, row.node_id);
    return 0;
}

int vxc_members_create(struct vxc_fsm *fsm, struct vxc_error *err)
{
    struct vxc_slice all = {NULL, 0};
    struct member_space *space;
    struct member_space *next;
    struct vxc_table_scan *scan;
    struct vxc_slice key;
    struct vxc_slice body;
    int rv = 0;

    fsm->members = vxc_calloc(1, sizeof *fsm->members);
    if (fsm->members == NULL) {
        return vxc_error_set(err, VXC_ENOMEM, "members");
    }
    scan = vxc_table_scan_open(fsm->table, VXC_DB_NODES, all, all, false);
    while (rv == 0 && vxc_table_scan_next(scan, &key, &body)) {
        rv = load_row(fsm->members, key, body);
    }
    vxc_table_scan_close(scan);
    if (rv != 0) {
        vxc_members_free(fsm);
        return vxc_error_set(err, rv, "nodes: a row cannot be read");
    }
    HASH_ITER(hh, fsm->members->spaces, space, next)
    {
        if (space->count > 1) {
            qsort(space->members, space->count, sizeof *space->members, compare_members);
        }
    }
    return 0;
}

void vxc_members_free(struct vxc_fsm *fsm)
{
    struct member_space *space;
    struct member_space *next;

    if (fsm->members == NULL) {
        return;
    }
    HASH_ITER(hh, fsm->members->spaces, space, next)
    {
        HASH_DELETE(hh, fsm->members->spaces, space);
        for (size_t i = 0; i < space->count; i++) {
            vxc_slice_free(&space->members[i].node_id);
        }
        vxc_free(space->members);
        vxc_buffer_free(&space->view);
        vxc_free(space);
    }
    vxc_free(fsm->members);
    fsm->members = NULL;
}

/* ---- changes ---- */

static struct vxc_slice info_of(const struct member_row *row)
{
    return row->has_info ? row->info : vxc_slice(NULL, 0);
}

static void notify(struct vxc_fsm *fsm, struct member_space *space, enum vxc_event_type type,
                   struct vxc_slice node_id, struct vxc_slice info)
{
    struct vxc_event event = {.type = type, .kind = VXC_WATCH_MEMBERS};

    if (vxc_watched(fsm, VXC_WATCH_MEMBERS, space->namespace_id, vxc_slice(NULL, 0))) {
        event.key = node_id;
        event.value = info;
        event.view = view_of(space);
        event.number = (int64_t)space->epoch;
        vxc_watch_notify(fsm, space->namespace_id, &event);
    }
}

/* Takes the node entry of a session away. The slices of *row are kept in scratch. */
static void member_leave(struct vxc_fsm *fsm, struct vxc_session *session, struct member_row *row)
{
    uint64_t namespace_id = vxc_session_node_namespace(session);
    struct member_space *space = find(fsm->members, namespace_id);

    vxc_check(space != NULL);
    row->node_id = vxc_fsm_keep(fsm, row->node_id);
    vxc_table_del(fsm->table, VXC_DB_NODES, vxc_row_key_slice(&row->key));
    view_remove(space, row->order);
    space->epoch++;
    epoch_put(fsm, space);
    vxc_session_disown(fsm, row->session, VXC_OWNED_NODE, vxc_row_key_slice(&row->key));
    vxc_session_set_node(fsm, session, 0, vxc_slice(NULL, 0));
    notify(fsm, space, VXC_EVENT_NODE_LEFT, row->node_id, vxc_slice(NULL, 0));
}

void vxc_member_disown(struct vxc_fsm *fsm, uint64_t id, struct vxc_slice key)
{
    struct vxc_session *session = vxc_session_find(fsm, id);
    struct member_row row;

    (void)key; /* a session has one node entry, and knows which */
    vxc_check(session != NULL);
    if (!row_get(fsm, vxc_session_node_namespace(session), vxc_session_node_id(session), &row) ||
        row.session != id) {
        vxc_fsm_damaged(fsm, VXC_DB_NODES, "a session owns a node entry that is not there");
        return;
    }
    member_leave(fsm, session, &row);
}

/* ---- join ---- */

static int check_join(struct vxc_fsm *fsm, const struct vxc_command *command,
                      const struct vxc_session *session, const char **text)
{
    const struct member_space *space = find(fsm->members, command->namespace_id);
    size_t view_size = space == NULL ? 4 : space->view_size;
    struct vxc_slice own;

    if (session == NULL) {
        *text = "a node joins with a live session";
        return VXC_ESESSION;
    }
    if (command->key.size == 0) {
        *text = "a node id has at least one byte";
        return VXC_EINVAL;
    }
    if (command->value.size > MEMBER_INFO_SIZE_MAX) {
        *text = "the info of a node is at most 64 KiB";
        return VXC_ETOOBIG;
    }
    own = vxc_session_node_id(session);
    if (own.size != 0 && (!vxc_slice_equal(own, command->key) ||
                          vxc_session_node_namespace(session) != command->namespace_id)) {
        *text = "the session has joined as another node; leave first, or open another session";
        return VXC_EEXISTS;
    }
    if (own.size == 0 && view_size + 4 + command->key.size > MEMBER_VIEW_SIZE_MAX) {
        *text = "the node ids of this namespace take too much room";
        return VXC_ELIMIT;
    }
    return 0;
}

/* A node that was no member before. */
static void join_new(struct vxc_fsm *fsm, const struct vxc_command *command,
                     struct vxc_session *session, struct member_row *row)
{
    struct member_space *space = ensure(fsm->members, command->namespace_id);

    if (space->count == 0 && command->name.size != 0) {
        vxc_map_clear_by_name(fsm, command->namespace_id, command->name);
    }
    space->epoch++;
    epoch_put(fsm, space);
    row->order = space->epoch;
    row->session = command->session;
    row->joined_ms = fsm->time_ms;
    row->has_info = command->value.size != 0;
    row->node_id = command->key;
    row->info = command->value;
    row_put(fsm, row);
    view_push(space, row->order, command->key);
    vxc_session_own(fsm, command->session, VXC_OWNED_NODE, vxc_row_key_slice(&row->key));
    vxc_session_set_node(fsm, session, command->namespace_id, command->key);
    notify(fsm, space, VXC_EVENT_NODE_JOINED, command->key, info_of(row));
}

/* A member that joins again, by the same session or by another one that takes the entry over. */
static void join_again(struct vxc_fsm *fsm, const struct vxc_command *command,
                       struct vxc_session *session, struct member_row *row)
{
    struct member_space *space = find(fsm->members, command->namespace_id);
    bool new_info =
        command->value.size != 0 && !(row->has_info && vxc_slice_equal(row->info, command->value));
    struct vxc_session *before = vxc_session_find(fsm, row->session);

    if (before == NULL) {
        vxc_fsm_damaged(fsm, VXC_DB_NODES, "a member of a session that is not there");
        return;
    }
    row->node_id = command->key;
    row->info = new_info ? command->value : vxc_fsm_keep(fsm, row->info);
    row->has_info = row->has_info || new_info;
    if (before != session) {
        vxc_session_disown(fsm, row->session, VXC_OWNED_NODE, vxc_row_key_slice(&row->key));
        vxc_session_set_node(fsm, before, 0, vxc_slice(NULL, 0));
        row->session = command->session;
        vxc_session_own(fsm, command->session, VXC_OWNED_NODE, vxc_row_key_slice(&row->key));
        vxc_session_set_node(fsm, session, command->namespace_id, command->key);
    } else if (!new_info) {
        return;
    }
    row_put(fsm, row);
    if (new_info) {
        notify(fsm, space, VXC_EVENT_NODE_INFO, command->key, command->value);
    }
}

static struct vxc_session *live_session(struct vxc_fsm *fsm, uint64_t id)
{
    return vxc_session_live(fsm, id) ? vxc_session_find(fsm, id) : NULL;
}

static void apply_join(struct vxc_fsm *fsm, const struct vxc_command *command,
                       struct vxc_result *result)
{
    struct vxc_session *session = live_session(fsm, command->session);
    const char *text = NULL;
    int rv = check_join(fsm, command, session, &text);
    struct member_space *space;
    struct member_row row;

    if (rv != 0) {
        vxc_result_fail(result, rv, text);
        return;
    }
    if (!row_get(fsm, command->namespace_id, command->key, &row)) {
        join_new(fsm, command, session, &row);
        result->found = true;
    } else if (vxc_slice_equal(row.node_id, command->key)) {
        join_again(fsm, command, session, &row);
    } else {
        vxc_result_fail(result, VXC_EEXISTS, "another node id has the same hash; use another one");
        return;
    }
    space = ensure(fsm->members, command->namespace_id);
    result->value = view_of(space);
    result->number = (int64_t)space->epoch;
}

/* ---- the other commands ---- */

/* The session's own entry; false with *result set when it has none, or not that of the key given.
 */
static bool own_entry(struct vxc_fsm *fsm, const struct vxc_command *command,
                      struct vxc_session **session, struct vxc_slice *node_id,
                      struct vxc_result *result)
{
    *session = live_session(fsm, command->session);
    if (*session == NULL) {
        vxc_result_fail(result, VXC_ESESSION, "the session is unknown or has expired");
        return false;
    }
    *node_id = vxc_session_node_id(*session);
    if (node_id->size == 0 ||
        (command->key.size != 0 && !vxc_slice_equal(command->key, *node_id))) {
        vxc_result_fail(result, VXC_ENOTFOUND, "the session has not joined as that node");
        return false;
    }
    return true;
}

static void apply_leave(struct vxc_fsm *fsm, const struct vxc_command *command,
                        struct vxc_result *result)
{
    struct vxc_session *session;
    struct vxc_slice node_id;
    uint64_t namespace_id;

    if (!own_entry(fsm, command, &session, &node_id, result)) {
        if (result->code == VXC_ENOTFOUND) {
            *result = (struct vxc_result){0}; /* leaving twice is no error */
        }
        return;
    }
    namespace_id = vxc_session_node_namespace(session);
    vxc_session_release(fsm, command->session, VXC_OWNED_REGISTRATION);
    vxc_session_release(fsm, command->session, VXC_OWNED_NODE);
    result->found = true;
    result->number = (int64_t)find(fsm->members, namespace_id)->epoch;
}

static void apply_set_info(struct vxc_fsm *fsm, const struct vxc_command *command,
                           struct vxc_result *result)
{
    struct vxc_session *session;
    struct vxc_slice node_id;
    struct member_space *space;
    struct member_row row;

    if (!own_entry(fsm, command, &session, &node_id, result)) {
        return;
    }
    if (command->value.size > MEMBER_INFO_SIZE_MAX) {
        vxc_result_fail(result, VXC_ETOOBIG, "the info of a node is at most 64 KiB");
        return;
    }
    space = find(fsm->members, vxc_session_node_namespace(session));
    if (!row_get(fsm, vxc_session_node_namespace(session), node_id, &row)) {
        vxc_fsm_damaged(fsm, VXC_DB_NODES, "a session owns a node entry that is not there");
        return;
    }
    result->found = true;
    if (row.has_info && vxc_slice_equal(row.info, command->value)) {
        return;
    }
    row.node_id = node_id;
    row.has_info = true;
    row.info = vxc_fsm_keep(fsm, command->value);
    row_put(fsm, &row);
    notify(fsm, space, VXC_EVENT_NODE_INFO, node_id, row.info);
}

void vxc_member_apply(struct vxc_fsm *fsm, const struct vxc_command *command,
                      struct vxc_result *result)
{
    switch (command->op) {
    case VXC_OP_NODE_JOIN:
        apply_join(fsm, command, result);
        break;
    case VXC_OP_NODE_LEAVE:
        apply_leave(fsm, command, result);
        break;
    case VXC_OP_NODE_SET_INFO:
        apply_set_info(fsm, command, result);
        break;
    default:
        vxc_result_fail(result, VXC_EUNSUPPORTED, "not an operation of members");
    }
}

/* ---- queries ---- */

static void query_get(struct vxc_fsm *fsm, const struct vxc_command *query,
                      struct vxc_result *result)
{
    struct member_row row;

    if (!row_get(fsm, query->namespace_id, query->key, &row) ||
        !vxc_slice_equal(row.node_id, query->key)) {
        vxc_result_fail(result, VXC_ENOTFOUND, "not a member of the cluster");
        return;
    }
    result->found = row.has_info;
    result->number = (int64_t)row.order;
    result->token = row.session;
    if (row.has_info) {
        result->value = vxc_fsm_keep(fsm, row.info);
    }
}

/* First position behind the cursor (1, join order). */
static bool list_position(const struct member_space *space, struct vxc_slice cursor,
                          size_t *position)
{
    *position = 0;
    if (cursor.data == NULL) {
        return true;
    }
    if (cursor.size != 1 + 8 || cursor.data[0] != 1) {
        return false;
    }
    *position = space == NULL ? 0 : position_of(space, vxc_load_be64(cursor.data + 1) + 1);
    return true;
}

static void query_list(struct vxc_fsm *fsm, const struct vxc_command *query,
                       struct vxc_result *result)
{
    struct member_space *space = find(fsm->members, query->namespace_id);
    struct vxc_page page;
    uint8_t tail[8];
    size_t position;
    bool more = false;

    if (!list_position(space, query->key, &position)) {
        vxc_result_fail(result, VXC_EINVAL, "the cursor was not given by this cluster");
        return;
    }
    vxc_page_begin(fsm, &page, query->b);
    if (query->b == 0) {
        page.row_count_max = UINT32_MAX;
        page.size_max = MEMBER_LIST_SIZE_MAX;
    }
    for (; space != NULL && position < space->count; position++) {
        const struct member *member = &space->members[position];
        struct member_row row;
        if (!row_get(fsm, space->namespace_id, member->node_id, &row)) {
            vxc_fsm_damaged(fsm, VXC_DB_NODES, "a member is missing");
            break;
        }
        more = !vxc_page_has_room(&page, row.node_id.size + row.info.size);
        if (more) {
            break;
        }
        vxc_store_be64(tail, member->order);
        vxc_page_add(&page, vxc_slice(tail, sizeof tail), row.node_id, &row.info);
    }
    vxc_page_end(&page, more, result);
    result->number = space == NULL ? 0 : (int64_t)space->epoch;
}

void vxc_member_query(struct vxc_fsm *fsm, const struct vxc_command *query,
                      struct vxc_result *result)
{
    if (query->op == VXC_OP_NODE_GET) {
        query_get(fsm, query, result);
    } else if (query->op == VXC_OP_NODE_LIST) {
        query_list(fsm, query, result);
    } else {
        vxc_result_fail(result, VXC_EUNSUPPORTED, "not a query of members");
    }
}

/* ---- dumps ---- */

int vxc_member_describe_row(struct vxc_slice key, struct vxc_slice body, struct vxc_json *json)
{
    struct member_row row;

    if (key.size < EPOCH_KEY_SIZE) {
        return VXC_ECORRUPT;
    }
    vxc_json_u64(json, "namespace_id", vxc_load_be64(key.data));
    if (key.data[8] == 'e' && body.size == 8) {
        vxc_json_u64(json, "epoch", vxc_load_u64(body.data));
        return json->code;
    }
    if (key.data[8] != 'n' || row_decode(body, &row) != 0) {
        return VXC_ECORRUPT;
    }
    vxc_json_bytes(json, "node", row.node_id);
    vxc_json_u64(json, "order", row.order);
    vxc_json_u64(json, "session", row.session);
    vxc_json_u64(json, "joined_ms", row.joined_ms);
    if (row.has_info) {
        vxc_json_bytes(json, "info", row.info);
    }
    return json->code;
}
