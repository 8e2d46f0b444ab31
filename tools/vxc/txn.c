/* txn: several operations on maps, sets and counters, all or none, described in JSON.
 *
 *   {"if":   [{"map":"m","key":"k","equal":"v"}, {"set":"s","value":"x","absent":true},
 *             {"counter":"c","less":10}],
 *    "then": [{"op":"map put","map":"m","key":"k","value":"w"}, {"op":"counter
 * add","counter":"c","delta":1}], "else": [{"op":"map get","map":"m","key":"k"}]}
 *
 * An operation is named like the command that does it alone, and has a member per argument of that
 * command; bytes that are no text are given as key64, value64, expected64. Prints {"succeeded":…,
 * "replies":[…]}; exit 4 when a condition did not hold (then `else` was carried out).
 */
#include "base/error.h"
#include "base/limits.h"

#include "tools/vxc/cli.h"
#include "tools/vxc/text.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>

/* Everything that the request borrows lives here until it was sent. */
struct txn {
    struct vxc_cli *cli;
    json_t *root;
    struct vxc_buffer *decoded; /* of …64 members */
    size_t decoded_count;
    struct vxc_condition_on compares[VXC_TRANSACTION_OPS_MAX];
    struct vxc_request calls[2][VXC_TRANSACTION_OPS_MAX]; /* then, else */
    size_t counts[2];
    size_t compares_count;
};

/* What the counted place in a list is called in messages. */
struct place {
    const char *list;
    size_t index;
};

static int fail_at(struct txn *t, struct place at, const char *what, const char *name)
{
    return vxc_cli_fail(t->cli, VXC_EXIT_USAGE, "%s[%zu]: %s \"%s\"", at.list, at.index, what,
                        name);
}

/* ---- members ---- */

/* The member `name`, or `name`64. 0 with data NULL when there is none of them. */
static int get_bytes(struct txn *t, struct place at, const json_t *object, const char *name,
                     struct vxc_bytes *bytes)
{
    char name64[32];
    const json_t *text = json_object_get(object, name);
    const json_t *coded;

    (void)snprintf(name64, sizeof name64, "%s64", name);
    coded = json_object_get(object, name64);
    *bytes = vxc_bytes(NULL, 0);
    if (text != NULL) {
        if (!json_is_string(text) || coded != NULL) {
            return fail_at(t, at, coded != NULL ? "given twice:" : "expected text as", name);
        }
        *bytes = vxc_bytes(json_string_value(text), json_string_length(text));
    } else if (coded != NULL) {
        struct vxc_buffer *to = &t->decoded[t->decoded_count++];
        if (!json_is_string(coded) ||
            vxc_text_base64_decode(vxc_slice(json_string_value(coded), json_string_length(coded)),
                                   to) != VXC_OK) {
            return fail_at(t, at, "expected base64 as", name64);
        }
        *bytes = vxc_bytes(to->data == NULL ? "" : (const void *)to->data, to->size);
    }
    return 0;
}

static int need_bytes(struct txn *t, struct place at, const json_t *object, const char *name,
                      struct vxc_bytes *bytes)
{
    const int rc = get_bytes(t, at, object, name, bytes);
    return rc == 0 && bytes->data == NULL ? fail_at(t, at, "there is no", name) : rc;
}

static int need_number(struct txn *t, struct place at, const json_t *object, const char *name,
                       int64_t *number)
{
    const json_t *member = json_object_get(object, name);

    if (!json_is_integer(member)) {
        return fail_at(t, at, "expected a number as", name);
    }
    *number = json_integer_value(member);
    return 0;
}

/* ---- conditions ---- */

static int read_relation(struct txn *t, struct place at, const json_t *object,
                         struct vxc_condition_on *c)
{
    static const struct {
        const char *name;
        int condition;
    } relations[] = {{"equal", VXC_IF_EQUAL},   {"not_equal", VXC_IF_NOT_EQUAL},
                     {"less", VXC_IF_LESS},     {"greater", VXC_IF_GREATER},
                     {"exists", VXC_IF_EXISTS}, {"absent", VXC_IF_ABSENT},
                     {"equal64", VXC_IF_EQUAL}, {"not_equal64", VXC_IF_NOT_EQUAL}};

    for (size_t i = 0; i < sizeof relations / sizeof relations[0]; i++) {
        const json_t *member = json_object_get(object, relations[i].name);
        char name[16];
        if (member == NULL) {
            continue;
        }
        c->condition = relations[i].condition;
        if (c->condition == VXC_IF_EXISTS || c->condition == VXC_IF_ABSENT) {
            return json_is_true(member) ? 0 : fail_at(t, at, "expected true as", relations[i].name);
        }
        if (c->target == VXC_CALL_COUNTER_GET) {
            return need_number(t, at, object, relations[i].name, &c->number);
        }
        (void)snprintf(name, sizeof name, "%s",
                       c->condition == VXC_IF_EQUAL ? "equal" : "not_equal");
        return need_bytes(t, at, object, name, &c->expected);
    }
    return fail_at(t, at, "expected one of equal, not_equal, less, greater, exists,", "absent");
}

static int read_condition(struct txn *t, struct place at, const json_t *object,
                          struct vxc_condition_on *c)
{
    int rc;

    if (json_object_get(object, "map") != NULL || json_object_get(object, "map64") != NULL) {
        c->target = VXC_CALL_MAP_GET;
        rc = need_bytes(t, at, object, "map", &c->name);
        rc = rc != 0 ? rc : need_bytes(t, at, object, "key", &c->key);
    } else if (json_object_get(object, "set") != NULL || json_object_get(object, "set64") != NULL) {
        c->target = VXC_CALL_SET_CONTAINS;
        rc = need_bytes(t, at, object, "set", &c->name);
        rc = rc != 0 ? rc : need_bytes(t, at, object, "value", &c->key);
    } else {
        c->target = VXC_CALL_COUNTER_GET;
        rc = need_bytes(t, at, object, "counter", &c->name);
    }
    return rc != 0 ? rc : read_relation(t, at, object, c);
}

/* ---- operations ---- */

/* "map put" → its row in the table of commands. */
static const struct vxc_cli_command *find_operation(const char *op,
                                                    const struct vxc_family **family)
{
    char name[16];
    const size_t size = strcspn(op, " ");
    const struct vxc_cli_command *found;

    if (size >= sizeof name || op[size] != ' ') {
        return NULL;
    }
    (void)snprintf(name, sizeof name, "%.*s", (int)size, op);
    if (strcmp(name, "map") != 0 && strcmp(name, "set") != 0 && strcmp(name, "counter") != 0) {
        return NULL;
    }
    *family = vxc_family_find(name);
    found = vxc_command_find(*family, op + size + 1);
    /* Pages do not fit a transaction. */
    return found == NULL || found->operation == 0 || found->show >= VXC_SHOW_KEYS ? NULL : found;
}

static int read_field(struct txn *t, struct place at, const json_t *object, char field,
                      const struct vxc_family *family, struct vxc_request *call)
{
    switch (field) {
    case 'n':
        return need_bytes(t, at, object, family->name, &call->name);
    case 'k':
        return need_bytes(t, at, object, "key", &call->key);
    case 'v':
        return need_bytes(t, at, object, "value", &call->value);
    case 'x':
        return need_bytes(t, at, object, "expected", &call->expected);
    case 'D':
        return need_number(t, at, object, "expected", &call->expected_number);
    default: /* 'd' */
        return need_number(t, at, object,
                           call->operation == VXC_CALL_COUNTER_ADD ? "delta" : "value",
                           &call->number);
    }
}

static int read_operation(struct txn *t, struct place at, const json_t *object,
                          struct vxc_request *call)
{
    const json_t *op = json_object_get(object, "op");
    const json_t *ttl = json_object_get(object, "ttl_ms");
    const struct vxc_family *family;
    const struct vxc_cli_command *command;
    int rc = 0;

    if (!json_is_string(op)) {
        return fail_at(t, at, "there is no", "op");
    }
    command = find_operation(json_string_value(op), &family);
    if (command == NULL) {
        return fail_at(t, at,
                       "expected an operation on maps, sets or counters, such as \"map put\", not",
                       json_string_value(op));
    }
    *call = vxc_request(command->operation);
    call->flags = command->show == VXC_SHOW_REMOVED || command->show == VXC_SHOW_ABSENT
                      ? VXC_REQUEST_WANT_OLD
                      : 0;
    for (const char *field = command->fields; rc == 0 && *field != '\0'; field++) {
        rc = read_field(t, at, object, *field, family, call);
    }
    if (rc == 0 && ttl != NULL) {
        if (!json_is_integer(ttl) || json_integer_value(ttl) < 0) {
            return fail_at(t, at, "expected a number as", "ttl_ms");
        }
        call->ttl_ms = (uint64_t)json_integer_value(ttl);
    }
    return rc;
}

/* ---- the whole ---- */

static int read_list(struct txn *t, const char *name,
                     int (*read)(struct txn *t, struct place at, const json_t *object,
                                 size_t index))
{
    const json_t *list = json_object_get(t->root, name);
    size_t index;
    json_t *object;

    if (list == NULL) {
        return 0;
    }
    if (!json_is_array(list) || json_array_size(list) > VXC_TRANSACTION_OPS_MAX) {
        return vxc_cli_fail(t->cli, VXC_EXIT_USAGE, "\"%s\" must be a list of at most %u", name,
                            VXC_TRANSACTION_OPS_MAX);
    }
    json_array_foreach(list, index, object)
    {
        const struct place at = {name, index};
        const int rc = json_is_object(object) ? read(t, at, object, index)
                                              : fail_at(t, at, "expected an object in", name);
        if (rc != 0) {
            return rc;
        }
    }
    return 0;
}

static int read_if(struct txn *t, struct place at, const json_t *object, size_t index)
{
    t->compares_count = index + 1;
    return read_condition(t, at, object, &t->compares[index]);
}

static int read_then(struct txn *t, struct place at, const json_t *object, size_t index)
{
    t->counts[0] = index + 1;
    return read_operation(t, at, object, &t->calls[0][index]);
}

static int read_else(struct txn *t, struct place at, const json_t *object, size_t index)
{
    t->counts[1] = index + 1;
    return read_operation(t, at, object, &t->calls[1][index]);
}

static int read_all(struct txn *t)
{
    const char *name;
    json_t *member;
    int rc;

    json_object_foreach(t->root, name, member)
    {
        if (strcmp(name, "if") != 0 && strcmp(name, "then") != 0 && strcmp(name, "else") != 0) {
            return vxc_cli_fail(t->cli, VXC_EXIT_USAGE,
                                "unknown member \"%s\"; expected if, then, else", name);
        }
    }
    rc = read_list(t, "if", read_if);
    rc = rc != 0 ? rc : read_list(t, "then", read_then);
    return rc != 0 ? rc : read_list(t, "else", read_else);
}

/* Members with base64 in the whole text: no more than its strings. */
static size_t count_members(const json_t *value)
{
    size_t count = 0, index;
    const char *name;
    json_t *list, *object;

    json_object_foreach((json_t *)(uintptr_t)value, name, list)
    {
        json_array_foreach(list, index, object)
        {
            count += json_object_size(object);
        }
    }
    return count;
}

static int load(struct txn *t)
{
    struct vxc_bytes text;
    json_error_t error;
    const int rc = vxc_cli_read_file(t->cli, t->cli->argc > 0 ? t->cli->argv[0] : "-", &text);

    if (rc != 0) {
        return rc;
    }
    t->root = json_loadb(text.data, text.size, JSON_ALLOW_NUL | JSON_REJECT_DUPLICATES, &error);
    if (!json_is_object(t->root)) {
        return vxc_cli_fail(t->cli, VXC_EXIT_USAGE, "line %d: %s", t->root == NULL ? error.line : 1,
                            t->root == NULL ? error.text : "expected an object");
    }
    t->decoded = calloc(count_members(t->root) + 1, sizeof *t->decoded);
    return t->decoded == NULL ? vxc_cli_fail_code(t->cli, VXC_ENOMEM, "") : read_all(t);
}

static int put_reply(struct vxc_buffer *out, const struct vxc_request *call,
                     const struct vxc_reply *reply)
{
    char text[64];
    int rc;

    if (reply->value.data != NULL) {
        rc = vxc_buffer_append(out, "{\"found\":true,", 14);
        rc = rc != VXC_OK ? rc
                          : vxc_text_json_member(out, "value",
                                                 vxc_slice(reply->value.data, reply->value.size));
        return rc != VXC_OK ? rc : vxc_buffer_put_u8(out, '}');
    }
    const bool counts =
        call->operation == VXC_CALL_MAP_SIZE || call->operation == VXC_CALL_SET_SIZE ||
        call->operation == VXC_CALL_MAP_CLEAR || call->operation == VXC_CALL_SET_CLEAR ||
        call->operation == VXC_CALL_COUNTER_GET || call->operation == VXC_CALL_COUNTER_ADD;
    const int size =
        counts ? snprintf(text, sizeof text, "{\"number\":%" PRId64 "}", reply->number)
               : snprintf(text, sizeof text, "{\"found\":%s}", reply->found ? "true" : "false");
    return vxc_buffer_append(out, text, (size_t)size);
}

static int show(struct txn *t, struct vxc_reply *reply)
{
    const size_t branch = reply->found ? 0 : 1;
    struct vxc_buffer out = {0};
    struct vxc_reply one;
    int rc = vxc_buffer_append(&out, "{\"succeeded\":", 13);

    rc = rc != VXC_OK
             ? rc
             : vxc_buffer_append(&out, reply->found ? "true" : "false", reply->found ? 4 : 5);
    rc = rc != VXC_OK ? rc : vxc_buffer_append(&out, ",\"replies\":[", 12);
    for (size_t i = 0; rc == VXC_OK && vxc_reply_next(&reply->rows, &one); i++) {
        rc = i > 0 ? vxc_buffer_put_u8(&out, ',') : VXC_OK;
        rc = rc != VXC_OK ? rc : put_reply(&out, &t->calls[branch][i], &one);
    }
    rc = rc != VXC_OK ? rc : vxc_buffer_append(&out, "]}\n", 3);
    if (rc == VXC_OK) {
        vxc_out_plain(&t->cli->out, vxc_buffer_slice(&out));
    }
    vxc_buffer_free(&out);
    if (rc != VXC_OK) {
        return vxc_cli_fail_code(t->cli, rc, "");
    }
    return reply->found ? VXC_EXIT_DONE : VXC_EXIT_CONFLICT;
}

static int run_txn(struct vxc_cli *cli)
{
    struct vxc_request request = vxc_request(VXC_CALL_TRANSACTION);
    struct txn *t = calloc(1, sizeof *t);
    struct vxc_reply reply;
    int rc;

    if (t == NULL) {
        return vxc_cli_fail_code(cli, VXC_ENOMEM, "");
    }
    t->cli = cli;
    rc = load(t);
    if (rc == 0) {
        request.compares = t->compares;
        request.compares_count = t->compares_count;
        request.then_calls = t->calls[0];
        request.then_count = t->counts[0];
        request.else_calls = t->calls[1];
        request.else_count = t->counts[1];
        rc = vxc_cli_call(cli, &request, &reply);
    }
    if (rc == 0) {
        rc = show(t, &reply);
    }
    for (size_t i = 0; i < t->decoded_count; i++) {
        vxc_buffer_free(&t->decoded[i]);
    }
    free(t->decoded);
    json_decref(t->root);
    free(t);
    return rc;
}

const struct vxc_cli_command vxc_txn_commands[] = {
    {.name = "",
     .arguments = "[FILE|-]",
     .help = "carry out operations all or none; described as JSON (docs/cli.md)",
     .args_max = 1,
     .run = run_txn},
    {0},
};
