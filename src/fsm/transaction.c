/* Transactions: compares, then one of two lists of operations, as one command.
 *
 *   TRANSACTION  key compares, value then, expect else   (lists of encoded commands)
 *                found = all compares held; value = list of the encoded results of the list that
 * ran
 *
 * Compares see the state as of this command; each operation sees the ones before it. Nested
 * commands are those of maps, sets and counters (writes, GET, CONTAINS, SIZE); their namespace,
 * session and sequence are those of the transaction, whatever they say themselves.
 *
 * Wholly or not at all: everything that could refuse an operation is looked at before the first
 * write — kinds, times to live, the sum of what the writes add against the quota, room for the
 * answers, and long keys whose hashes collide with rows or with each other. After that nothing can
 * fail.
 *
 * A state sync (state_sync.c) is a list of more kinds of writes, carried out in the same way.
 */
#include "base/check.h"
#include "fsm/element.h"

enum {
    HASH_SIZE = 16,
    ANSWER_SIZE_FIXED = 64, /* bytes: more than any encoded result without its value */
};

/* What the operations of a list will take at most. */
struct survey {
    uint64_t growth;       /* bytes of quota */
    uint64_t answer_size;  /* bytes of results */
    size_t value_size_max; /* bytes; largest value put so far */
};

struct long_key {
    struct vxc_slice bytes;
    uint8_t hash[HASH_SIZE];
};

/* ---- walking the lists; encode() and decode() of commands have checked their form ---- */

struct walk {
    struct vxc_slice rest;
    uint32_t left;
    uint64_t namespace_id;
};

static struct walk walk_of(const struct vxc_command *transaction, struct vxc_slice list)
{
    struct walk walk = {.namespace_id = transaction->namespace_id};

    if (vxc_list_read_head(list, &walk.left, &walk.rest) != 0) {
        walk.left = 0;
    }
    return walk;
}

static bool walk_next(struct walk *walk, struct vxc_command *command)
{
    struct vxc_slice bytes;

    if (walk->left == 0 || vxc_list_next(&walk->rest, &bytes) != 0 ||
        vxc_command_decode(bytes, command) != 0) {
        return false;
    }
    walk->left--;
    command->namespace_id = walk->namespace_id;
    command->session = 0;
    command->sequence = 0;
    command->floor = 0;
    return true;
}

/* ---- kinds ---- */

static bool is_operation(uint16_t op)
{
    switch (op) {
    case VXC_OP_MAP_GET:
    case VXC_OP_MAP_CONTAINS:
    case VXC_OP_MAP_SIZE:
    case VXC_OP_SET_CONTAINS:
    case VXC_OP_SET_SIZE:
    case VXC_OP_COUNTER_GET:
        return true;
    default:
        return (op >= VXC_OP_MAP_CREATE && op <= VXC_OP_MAP_DESTROY) ||
               (op >= VXC_OP_SET_CREATE && op <= VXC_OP_SET_DESTROY) ||
               (op >= VXC_OP_COUNTER_CREATE && op <= VXC_OP_COUNTER_DESTROY);
    }
}

static bool is_compare(const struct vxc_command *compare)
{
    uint64_t how = compare->flags;

    switch (compare->op) {
    case VXC_OP_MAP_GET:
        return how == VXC_COMPARE_EQUAL || how == VXC_COMPARE_NOT_EQUAL ||
               how == VXC_COMPARE_EXISTS || how == VXC_COMPARE_ABSENT;
    case VXC_OP_SET_CONTAINS:
        return how == VXC_COMPARE_EXISTS || how == VXC_COMPARE_ABSENT;
    case VXC_OP_COUNTER_GET:
        return how >= VXC_COMPARE_EQUAL && how <= VXC_COMPARE_GREATER;
    default:
        return false;
    }
}

static bool check_count(uint64_t count, struct vxc_result *result)
{
    if (count > VXC_TRANSACTION_OPS_MAX) {
        vxc_result_fail(result, VXC_ELIMIT, "a transaction has at most 1024 operations");
        return false;
    }
    return true;
}

static bool check_operations(struct walk list, bool (*takes)(uint16_t op), const char *text,
                             struct vxc_result *result)
{
    struct vxc_command command;

    while (walk_next(&list, &command)) {
        if (!takes(command.op)) {
            vxc_result_fail(result, VXC_EINVAL, text);
            return false;
        }
    }
    return true;
}

static bool check_kinds(const struct vxc_command *transaction, struct vxc_result *result)
{
    static const char text[] = "a transaction takes operations of maps, sets and counters only";
    struct walk compares = walk_of(transaction, transaction->key);
    struct walk then = walk_of(transaction, transaction->value);
    struct walk otherwise = walk_of(transaction, transaction->expect);
    struct vxc_command command;

    if (!check_count((uint64_t)compares.left + then.left + otherwise.left, result)) {
        return false;
    }
    while (walk_next(&compares, &command)) {
        if (!is_compare(&command)) {
            vxc_result_fail(result, VXC_EINVAL,
                            "a compare of a transaction is none of those known");
            return false;
        }
    }
    return check_operations(then, is_operation, text, result) &&
           check_operations(otherwise, is_operation, text, result);
}

/* ---- compares ---- */

static void run_query(struct vxc_fsm *fsm, const struct vxc_command *query,
                      struct vxc_result *result)
{
    if (query->op >= VXC_OP_COUNTER_GET) {
        vxc_counter_query(fsm, query, result);
    } else if (query->op == VXC_OP_MULTIMAP_SIZE) {
        vxc_multimap_query(fsm, query, result);
    } else if (query->op >= VXC_OP_SET_CONTAINS) {
        vxc_set_query(fsm, query, result);
    } else {
        vxc_map_query(fsm, query, result);
    }
}

static bool compare_holds(struct vxc_fsm *fsm, const struct vxc_command *compare)
{
    struct vxc_result answer = {0};
    bool equal;

    run_query(fsm, compare, &answer); /* a key that collides is not there: found stays false */
    equal = compare->op == VXC_OP_COUNTER_GET
                ? answer.number == (int64_t)compare->b
                : answer.found && vxc_slice_equal(answer.value, compare->expect);
    switch (compare->flags) {
    case VXC_COMPARE_EQUAL:
        return equal;
    case VXC_COMPARE_NOT_EQUAL:
        return !equal;
    case VXC_COMPARE_LESS:
        return answer.number < (int64_t)compare->b;
    case VXC_COMPARE_GREATER:
        return answer.number > (int64_t)compare->b;
    case VXC_COMPARE_EXISTS:
        return answer.found;
    default:
        return !answer.found;
    }
}

static bool compares_hold(struct vxc_fsm *fsm, const struct vxc_command *transaction)
{
    struct walk walk = walk_of(transaction, transaction->key);
    struct vxc_command compare;

    while (walk_next(&walk, &compare)) {
        if (!compare_holds(fsm, &compare)) {
            return false;
        }
    }
    return true;
}

/* ---- the survey before the first write ---- */

static bool is_of_locks(uint16_t op)
{
    return op == VXC_OP_LOCK_CREATE || op == VXC_OP_LOCK_DESTROY;
}

static bool is_of_multimaps(uint16_t op)
{
    return op >= VXC_OP_MULTIMAP_CREATE && op <= VXC_OP_MULTIMAP_DESTROY;
}

/* The query that shows what an operation will meet. */
static uint16_t query_before(uint16_t op)
{
    switch (op) {
    case VXC_OP_MULTIMAP_CREATE:
    case VXC_OP_MULTIMAP_CLEAR:
    case VXC_OP_MULTIMAP_DESTROY:
        return VXC_OP_MULTIMAP_SIZE;
    case VXC_OP_MAP_CREATE:
    case VXC_OP_MAP_CLEAR:
    case VXC_OP_MAP_DESTROY:
    case VXC_OP_MAP_SIZE:
        return VXC_OP_MAP_SIZE;
    case VXC_OP_SET_CREATE:
    case VXC_OP_SET_CLEAR:
    case VXC_OP_SET_DESTROY:
    case VXC_OP_SET_SIZE:
        return VXC_OP_SET_SIZE;
    case VXC_OP_SET_ADD:
    case VXC_OP_SET_REMOVE:
    case VXC_OP_SET_CONTAINS:
        return VXC_OP_SET_CONTAINS;
    case VXC_OP_COUNTER_CREATE:
    case VXC_OP_COUNTER_ADD:
    case VXC_OP_COUNTER_CAS:
    case VXC_OP_COUNTER_DESTROY:
    case VXC_OP_COUNTER_GET:
        return VXC_OP_COUNTER_GET;
    default:
        return VXC_OP_MAP_GET;
    }
}

/* What an operation will meet: found, the value that is there, or why it will be refused. */
static void look_before(struct vxc_fsm *fsm, const struct vxc_command *command,
                        struct vxc_result *before)
{
    struct vxc_command query = *command;

    switch (command->op) {
    case VXC_OP_LOCK_CREATE:
    case VXC_OP_LOCK_DESTROY:
        vxc_lock_probe(fsm, command, before);
        break;
    case VXC_OP_MULTIMAP_PUT:
    case VXC_OP_MULTIMAP_REMOVE:
    case VXC_OP_MULTIMAP_REMOVE_KEY:
        vxc_multimap_probe(fsm, command, before);
        break;
    default:
        query.op = query_before(command->op);
        run_query(fsm, &query, before);
        break;
    }
}

static bool puts_value(uint16_t op)
{
    return op == VXC_OP_MAP_PUT || op == VXC_OP_MAP_PUT_IF_ABSENT || op == VXC_OP_MAP_REPLACE ||
           op == VXC_OP_MAP_REPLACE_IF;
}

static uint64_t cost_of_name(struct vxc_fsm *fsm, enum vxc_watch_kind kind,
                             const struct vxc_command *command)
{
    struct vxc_object *object;

    if (vxc_object_find(fsm, kind, command->namespace_id, command->name, &object) == 0 &&
        object != NULL) {
        return 0;
    }
    return vxc_object_cost(command->name);
}

/* Bytes of quota that an operation adds at most to the state before the transaction. Their sum is
 * never less than what any part of the transaction adds: removals on the way are not counted. */
static uint64_t growth_of(struct vxc_fsm *fsm, const struct vxc_command *command,
                          const struct vxc_result *before)
{
    if (puts_value(command->op)) {
        uint64_t old_size = before->found ? before->value.size : 0;
        uint64_t growth = command->value.size > old_size ? command->value.size - old_size : 0;
        return growth + (before->found ? 0 : command->key.size) +
               cost_of_name(fsm, VXC_WATCH_MAP, command);
    }
    if (command->op == VXC_OP_LOCK_CREATE) {
        return (uint64_t)before->number;
    }
    if (before->found) {
        return 0;
    }
    switch (command->op) {
    case VXC_OP_MAP_CREATE:
    case VXC_OP_SET_CREATE:
    case VXC_OP_MULTIMAP_CREATE:
        return vxc_object_cost(command->name);
    case VXC_OP_MULTIMAP_PUT:
        return command->key.size + command->value.size +
               cost_of_name(fsm, VXC_WATCH_MULTIMAP, command);
    case VXC_OP_SET_ADD:
        return command->key.size + cost_of_name(fsm, VXC_WATCH_SET, command);
    case VXC_OP_COUNTER_CREATE:
    case VXC_OP_COUNTER_ADD:
    case VXC_OP_COUNTER_CAS:
        return command->name.size + sizeof(uint64_t);
    default:
        return 0;
    }
}

static bool survey_operation(struct vxc_fsm *fsm, const struct vxc_command *command,
                             struct survey *survey, struct vxc_result *result)
{
    struct vxc_result before = {0};
    uint64_t due_ms;
    bool gives_value =
        command->op == VXC_OP_MAP_GET ||
        (!vxc_op_is_query(command->op) && (command->flags & VXC_COMMAND_WANT_OLD) != 0);

    look_before(fsm, command, &before);
    if (before.code != 0) {
        *result = before; /* a collision of long keys or names */
        return false;
    }
    if (puts_value(command->op) && !vxc_map_due(fsm, command->a, &due_ms)) {
        vxc_result_fail(result, VXC_EINVAL, VXC_TEXT_TTL);
        return false;
    }
    survey->growth += growth_of(fsm, command, &before);
    survey->answer_size += ANSWER_SIZE_FIXED;
    if (gives_value) {
        survey->answer_size +=
            before.value.size > survey->value_size_max ? before.value.size : survey->value_size_max;
    }
    if (puts_value(command->op) && command->value.size > survey->value_size_max) {
        survey->value_size_max = command->value.size;
    }
    return true;
}

/* Notes what may stand in a row key as a hash: what is longer than `plain_max`. */
static void note_long_key(struct vxc_fsm *fsm, struct vxc_slice bytes, size_t plain_max)
{
    struct long_key key = {.bytes = bytes};
    uint8_t digest[32];

    if (bytes.size > plain_max) {
        vxc_sha256(bytes, digest);
        memcpy(key.hash, digest, HASH_SIZE);
        if (vxc_buffer_append(&fsm->work, &key, sizeof key) != 0) {
            vxc_fatal("out of memory for the long keys of a transaction");
        }
    }
}

/* True when two different long keys noted in fsm->work would get the same row key. */
static bool long_keys_collide(const struct vxc_fsm *fsm)
{
    size_t count = fsm->work.size / sizeof(struct long_key);
    struct long_key a, b;

    for (size_t i = 0; i < count; i++) {
        memcpy(&a, fsm->work.data + i * sizeof a, sizeof a);
        for (size_t j = i + 1; j < count; j++) {
            memcpy(&b, fsm->work.data + j * sizeof b, sizeof b);
            if (memcmp(a.hash, b.hash, HASH_SIZE) == 0 && !vxc_slice_equal(a.bytes, b.bytes)) {
                return true;
            }
        }
    }
    return false;
}

static bool survey_list(struct vxc_fsm *fsm, const struct vxc_command *transaction,
                        struct vxc_slice list, struct vxc_result *result)
{
    struct walk walk = walk_of(transaction, list);
    struct survey survey = {0};
    struct vxc_command command;

    vxc_buffer_clear(&fsm->work);
    while (walk_next(&walk, &command)) {
        if (!survey_operation(fsm, &command, &survey, result)) {
            return false;
        }
        note_long_key(fsm, command.name, VXC_ROW_KEY_PLAIN_MAX);
        note_long_key(fsm, command.key, VXC_ROW_KEY_PLAIN_MAX);
        if (is_of_multimaps(command.op)) {
            note_long_key(fsm, command.value, HASH_SIZE); /* a long key leaves it little more */
        }
    }
    if (survey.growth != 0 && !vxc_quota_has_room(fsm, survey.growth)) {
        vxc_result_fail(result, VXC_ENOSPC, VXC_TEXT_QUOTA);
        return false;
    }
    if (survey.answer_size > VXC_VALUE_SIZE_MAX) {
        vxc_result_fail(result, VXC_ETOOBIG, "the values it gives might not fit one reply");
        return false;
    }
    if (long_keys_collide(fsm)) {
        vxc_result_fail(result, VXC_ECONFLICT, VXC_TEXT_KEY_COLLISION);
        return false;
    }
    return true;
}

/* ---- the writes ---- */

static void run_operation(struct vxc_fsm *fsm, const struct vxc_command *command,
                          struct vxc_result *result)
{
    vxc_buffer_clear(&fsm->scratch);
    if (vxc_op_is_query(command->op)) {
        run_query(fsm, command, result);
    } else if (is_of_locks(command->op)) {
        vxc_lock_apply(fsm, command, result);
    } else if (is_of_multimaps(command->op)) {
        vxc_multimap_apply(fsm, command, result);
    } else if (command->op >= VXC_OP_COUNTER_CREATE) {
        vxc_counter_apply(fsm, command, result);
    } else if (command->op >= VXC_OP_SET_CREATE) {
        vxc_set_apply(fsm, command, result);
    } else {
        vxc_map_apply(fsm, command, result);
    }
    vxc_check(result->code == 0); /* the survey has seen everything that could refuse it */
}

/* Runs the list; its results, encoded, go into fsm->work. */
static void run_list(struct vxc_fsm *fsm, const struct vxc_command *transaction,
                     struct vxc_slice list, struct vxc_result *result)
{
    struct walk walk = walk_of(transaction, list);
    struct vxc_buffer *out = &fsm->work;
    struct vxc_command command;

    vxc_buffer_clear(out);
    if (vxc_buffer_put_u32(out, walk.left) != 0) {
        vxc_fatal("out of memory for the results of a transaction");
    }
    while (walk_next(&walk, &command)) {
        struct vxc_result outcome = {0};
        size_t start = out->size;
        run_operation(fsm, &command, &outcome);
        if (vxc_buffer_put_u32(out, 0) != 0 || vxc_result_encode(&outcome, out) != 0) {
            vxc_fatal("out of memory for the results of a transaction");
        }
        vxc_store_u32(out->data + start, (uint32_t)(out->size - start - 4));
    }
    result->value = vxc_buffer_slice(out);
}

void vxc_transaction_apply(struct vxc_fsm *fsm, const struct vxc_command *command,
                           struct vxc_result *result)
{
    struct vxc_slice list;
    bool holds;

    if (!check_kinds(command, result)) {
        return;
    }
    holds = compares_hold(fsm, command);
    list = holds ? command->value : command->expect;
    if (survey_list(fsm, command, list, result)) {
        run_list(fsm, command, list, result);
        result->found = holds;
    }
}

bool vxc_transaction_run(struct vxc_fsm *fsm, const struct vxc_command *command,
                         struct vxc_slice list, bool (*takes)(uint16_t op),
                         struct vxc_result *result)
{
    struct walk walk = walk_of(command, list);

    if (!check_count(walk.left, result) ||
        !check_operations(walk, takes,
                          "a state sync takes writes to maps, sets, multimaps and counters, and "
                          "locks only to create or destroy them",
                          result) ||
        !survey_list(fsm, command, list, result)) {
        return false;
    }
    run_list(fsm, command, list, result);
    return true;
}

void vxc_transaction_query(struct vxc_fsm *fsm, const struct vxc_command *query,
                           struct vxc_result *result)
{
    (void)fsm;
    (void)query; /* a transaction writes: there is nothing to ask it */
    vxc_result_fail(result, VXC_EINVAL, "a transaction is no query");
}
