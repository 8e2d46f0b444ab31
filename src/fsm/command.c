#include "fsm/command.h"

enum {
    COMMAND_HEAD_SIZE = 2 + 2, /* op, present */
    U64_FIELD_COUNT = VXC_FIELD_NAME,
    FIELD_COUNT = VXC_FIELD_EXPECT + 1,
    ITEM_HEAD_SIZE = 4,
};

/* Bits of the first byte of an encoded result, in the order of the fields. */
enum {
    RESULT_FOUND = 1 << 0,
    RESULT_CODE = 1 << 1,
    RESULT_NUMBER = 1 << 2,
    RESULT_TOKEN = 1 << 3,
    RESULT_INDEX = 1 << 4,
    RESULT_VALUE = 1 << 5,
    RESULT_NEXT = 1 << 6,
    RESULT_ALL = (1 << 7) - 1,
};

const char *vxc_op_name(uint16_t op)
{
    switch (op) {
#define X(name, number, text)                                                                      \
    case number:                                                                                   \
        return text;
        VXC_OP_MAP(X)
#undef X
    default:
        return NULL;
    }
}

/* A transaction's three lists and the one of a resync or a state sync hold encoded commands. */
static bool holds_lists(uint16_t op)
{
    return op == VXC_OP_TRANSACTION || op == VXC_OP_REGISTRATION_RESYNC || op == VXC_OP_STATE_SYNC;
}

static size_t field_size_max(uint16_t op, int field)
{
    switch (field) {
    case VXC_FIELD_NAME:
        return VXC_NAME_SIZE_MAX;
    case VXC_FIELD_KEY:
        return op == VXC_OP_TRANSACTION ? VXC_VALUE_SIZE_MAX : VXC_KEY_SIZE_MAX;
    default:
        return VXC_VALUE_SIZE_MAX;
    }
}

/* ---- decoding ---- */

/* Lists are not looked into. Only a whole command is written to *command. */
static int decode_fields(struct vxc_slice bytes, struct vxc_command *command)
{
    struct vxc_reader reader = vxc_reader(bytes);
    const uint16_t op = vxc_reader_u16(&reader);
    const uint16_t present = vxc_reader_u16(&reader);
    uint64_t words[U64_FIELD_COUNT] = {0};
    struct vxc_slice fields[FIELD_COUNT - U64_FIELD_COUNT] = {{0}};

    if (!vxc_reader_ok(&reader)) {
        return VXC_ECORRUPT;
    }
    if (vxc_op_name(op) == NULL) {
        return VXC_EVERSION;
    }
    if (present >> FIELD_COUNT != 0) {
        return VXC_ECORRUPT;
    }
    for (int field = 0; field < U64_FIELD_COUNT; field++) {
        if ((present & 1u << field) != 0) {
            words[field] = vxc_reader_u64(&reader);
            if (words[field] == 0) {
                return VXC_ECORRUPT; /* a zero is not written: one command has one encoding */
            }
        }
    }
    for (int field = VXC_FIELD_NAME; field < FIELD_COUNT; field++) {
        if ((present & 1u << field) != 0) {
            const struct vxc_slice slice = vxc_reader_bytes(&reader);
            if (slice.size > field_size_max(op, field)) {
                return VXC_ECORRUPT;
            }
            fields[field - VXC_FIELD_NAME] = slice;
        }
    }
    if (!vxc_reader_at_end(&reader)) {
        return VXC_ECORRUPT;
    }
    *command = (struct vxc_command){.op = op,
                                    .flags = words[VXC_FIELD_FLAGS],
                                    .namespace_id = words[VXC_FIELD_NAMESPACE],
                                    .session = words[VXC_FIELD_SESSION],
                                    .sequence = words[VXC_FIELD_SEQUENCE],
                                    .floor = words[VXC_FIELD_FLOOR],
                                    .a = (int64_t)words[VXC_FIELD_A],
                                    .b = words[VXC_FIELD_B],
                                    .name = fields[0],
                                    .key = fields[VXC_FIELD_KEY - VXC_FIELD_NAME],
                                    .value = fields[VXC_FIELD_VALUE - VXC_FIELD_NAME],
                                    .expect = fields[VXC_FIELD_EXPECT - VXC_FIELD_NAME]};
    return 0;
}

/* Every item must be a command without lists of its own, so that nothing nests deeper than one. */
static int check_list(struct vxc_slice list)
{
    struct vxc_slice rest;
    uint32_t count;
    int rv = vxc_list_read_head(list, &count, &rest);

    for (uint32_t i = 0; rv == 0 && i < count; i++) {
        struct vxc_slice item;
        struct vxc_command nested;
        rv = vxc_list_next(&rest, &item);
        if (rv == 0) {
            rv = decode_fields(item, &nested);
        }
        if (rv == 0 && holds_lists(nested.op)) {
            rv = VXC_ECORRUPT;
        }
    }
    return rv == 0 && rest.size != 0 ? VXC_ECORRUPT : rv;
}

static int check_lists(const struct vxc_command *command)
{
    int rv = check_list(command->value);

    if (rv == 0 && command->op == VXC_OP_TRANSACTION) {
        rv = check_list(command->key);
        if (rv == 0) {
            rv = check_list(command->expect);
        }
    }
    return rv;
}

int vxc_command_decode(struct vxc_slice bytes, struct vxc_command *command)
{
    int rv = decode_fields(bytes, command);

    return rv == 0 && holds_lists(command->op) ? check_lists(command) : rv;
}

/* ---- encoding ---- */

static uint8_t *write_u64(uint8_t *at, uint64_t word)
{
    if (word == 0) {
        return at;
    }
    vxc_store_u64(at, word);
    return at + 8;
}

static uint8_t *write_bytes(uint8_t *at, struct vxc_slice bytes)
{
    if (bytes.data == NULL) {
        return at;
    }
    vxc_store_u32(at, (uint32_t)bytes.size);
    if (bytes.size != 0) {
        memcpy(at + ITEM_HEAD_SIZE, bytes.data, bytes.size);
    }
    return at + ITEM_HEAD_SIZE + bytes.size;
}

/* Which fields are there, and how many bytes all takes. VXC_ETOOBIG. */
static int measure(const struct vxc_command *command, uint16_t *present, size_t *size)
{
    const uint64_t words[] = {command->flags,    command->namespace_id, command->session,
                              command->sequence, command->floor,        (uint64_t)command->a,
                              command->b};
    const struct vxc_slice fields[] = {command->name, command->key, command->value,
                                       command->expect};
    unsigned bits = 0;
    size_t total = COMMAND_HEAD_SIZE;

    for (int i = 0; i < U64_FIELD_COUNT; i++) {
        if (words[i] != 0) {
            bits |= 1u << i;
            total += 8;
        }
    }
    for (int i = 0; i < FIELD_COUNT - U64_FIELD_COUNT; i++) {
        if (fields[i].data != NULL) {
            if (fields[i].size > field_size_max(command->op, VXC_FIELD_NAME + i)) {
                return VXC_ETOOBIG;
            }
            bits |= 1u << (VXC_FIELD_NAME + i);
            total += ITEM_HEAD_SIZE + fields[i].size;
        }
    }
    if (total > VXC_ENTRY_SIZE_MAX - VXC_ENTRY_HEAD_SIZE - ITEM_HEAD_SIZE) {
        return VXC_ETOOBIG; /* it must fit an entry of its own */
    }
    *present = (uint16_t)bits;
    *size = total;
    return 0;
}

/* Appends `head_size` bytes for the caller, then the command; *at is where they begin. */
static int encode_after(const struct vxc_command *command, struct vxc_buffer *out, size_t head_size,
                        size_t *command_size)
{
    uint16_t present;
    size_t size;
    uint8_t *at;
    int rv;

    if (vxc_op_name(command->op) == NULL ||
        (holds_lists(command->op) && check_lists(command) != 0)) {
        return VXC_EINVAL;
    }
    rv = measure(command, &present, &size);
    if (rv == 0) {
        rv = vxc_buffer_reserve(out, head_size + size);
    }
    if (rv != 0) {
        return rv;
    }
    at = out->data + out->size + head_size;
    vxc_store_u16(at, command->op);
    vxc_store_u16(at + 2, present);
    at = write_u64(at + COMMAND_HEAD_SIZE, command->flags);
    at = write_u64(at, command->namespace_id);
    at = write_u64(at, command->session);
    at = write_u64(at, command->sequence);
    at = write_u64(at, command->floor);
    at = write_u64(at, (uint64_t)command->a);
    at = write_u64(at, command->b);
    at = write_bytes(at, command->name);
    at = write_bytes(at, command->key);
    at = write_bytes(at, command->value);
    (void)write_bytes(at, command->expect); /* the last field */
    out->size += head_size + size;
    *command_size = size;
    return 0;
}

int vxc_command_encode(const struct vxc_command *command, struct vxc_buffer *out)
{
    size_t size;

    return encode_after(command, out, 0, &size);
}

/* ---- entries ---- */

int vxc_entry_begin(struct vxc_buffer *out)
{
    int rv = vxc_buffer_reserve(out, VXC_ENTRY_HEAD_SIZE);

    if (rv == 0) {
        vxc_buffer_clear(out);
        memset(out->data, 0, VXC_ENTRY_HEAD_SIZE);
        out->data[0] = VXC_ENTRY_FORMAT;
        out->size = VXC_ENTRY_HEAD_SIZE;
    }
    return rv;
}

int vxc_entry_add(struct vxc_buffer *out, const struct vxc_command *command)
{
    size_t start = out->size;
    size_t size;
    int rv = encode_after(command, out, ITEM_HEAD_SIZE, &size);

    if (rv == 0) {
        vxc_store_u32(out->data + start, (uint32_t)size);
    }
    return rv;
}

void vxc_entry_finish(struct vxc_buffer *out, uint64_t stamp_ms, uint32_t count)
{
    vxc_store_u64(out->data + 2, stamp_ms);
    vxc_store_u32(out->data + 10, count);
}

int vxc_entry_read_head(struct vxc_slice entry, struct vxc_entry_head *head, struct vxc_slice *rest)
{
    struct vxc_reader reader = vxc_reader(entry);
    struct vxc_entry_head read;
    uint8_t format = vxc_reader_u8(&reader);

    read.flags = vxc_reader_u8(&reader);
    read.stamp_ms = vxc_reader_u64(&reader);
    read.count = vxc_reader_u32(&reader);
    if (!vxc_reader_ok(&reader)) {
        return VXC_ECORRUPT;
    }
    if (format > VXC_ENTRY_FORMAT || read.flags != 0) {
        return VXC_EVERSION;
    }
    if (format == 0 || read.count > VXC_ENTRY_COMMANDS_MAX) {
        return VXC_ECORRUPT;
    }
    *head = read;
    *rest = vxc_slice(reader.cursor, vxc_reader_left(&reader));
    return 0;
}

int vxc_entry_next(struct vxc_slice *rest, struct vxc_slice *command_bytes)
{
    return vxc_list_next(rest, command_bytes);
}

/* ---- lists ---- */

int vxc_list_read_head(struct vxc_slice list, uint32_t *count, struct vxc_slice *rest)
{
    if (list.size == 0) {
        *count = 0;
        *rest = list;
        return 0;
    }
    if (list.size < ITEM_HEAD_SIZE) {
        return VXC_ECORRUPT;
    }
    *count = vxc_load_u32(list.data);
    *rest = vxc_slice(list.data + ITEM_HEAD_SIZE, list.size - ITEM_HEAD_SIZE);
    return *count > rest->size / ITEM_HEAD_SIZE ? VXC_ECORRUPT : 0;
}

int vxc_list_next(struct vxc_slice *rest, struct vxc_slice *item)
{
    size_t size;

    if (rest->size < ITEM_HEAD_SIZE) {
        return VXC_ECORRUPT;
    }
    size = vxc_load_u32(rest->data);
    if (size > rest->size - ITEM_HEAD_SIZE) {
        return VXC_ECORRUPT;
    }
    *item = vxc_slice(rest->data + ITEM_HEAD_SIZE, size);
    *rest = vxc_slice(item->data + size, rest->size - ITEM_HEAD_SIZE - size);
    return 0;
}

/* ---- results ---- */

static uint8_t result_present(const struct vxc_result *result)
{
    unsigned bits = 0;

    bits |= result->found ? RESULT_FOUND : 0u;
    bits |= result->code != 0 ? RESULT_CODE : 0u;
    bits |= result->number != 0 ? RESULT_NUMBER : 0u;
    bits |= result->token != 0 ? RESULT_TOKEN : 0u;
    bits |= result->index != 0 ? RESULT_INDEX : 0u;
    bits |= result->value.data != NULL ? RESULT_VALUE : 0u;
    bits |= result->next.data != NULL ? RESULT_NEXT : 0u;
    return (uint8_t)bits;
}

int vxc_result_encode(const struct vxc_result *result, struct vxc_buffer *out)
{
    size_t size_most = 1 + 2 + 3 * 8 + 2 * ITEM_HEAD_SIZE + result->value.size + result->next.size;
    uint8_t *at;
    int rv;

    if (result->value.size > UINT32_MAX || result->next.size > UINT32_MAX) {
        return VXC_ETOOBIG;
    }
    rv = vxc_buffer_reserve(out, size_most);
    if (rv != 0) {
        return rv;
    }
    at = out->data + out->size;
    *at++ = result_present(result);
    if (result->code != 0) {
        vxc_store_u16(at, (uint16_t)-result->code);
        at += 2;
    }
    at = write_u64(at, (uint64_t)result->number);
    at = write_u64(at, result->token);
    at = write_u64(at, result->index);
    at = write_bytes(at, result->value);
    at = write_bytes(at, result->next);
    out->size = (size_t)(at - out->data);
    return 0;
}

int vxc_result_decode(struct vxc_slice bytes, struct vxc_result *result)
{
    struct vxc_reader reader = vxc_reader(bytes);
    uint8_t present = vxc_reader_u8(&reader);
    struct vxc_result read = {.found = (present & RESULT_FOUND) != 0};

    if ((present & RESULT_CODE) != 0) {
        read.code = -(int)vxc_reader_u16(&reader);
        read.text = vxc_strerror(read.code);
    }
    if ((present & RESULT_NUMBER) != 0) {
        read.number = (int64_t)vxc_reader_u64(&reader);
    }
    if ((present & RESULT_TOKEN) != 0) {
        read.token = vxc_reader_u64(&reader);
    }
    if ((present & RESULT_INDEX) != 0) {
        read.index = vxc_reader_u64(&reader);
    }
    if ((present & RESULT_VALUE) != 0) {
        read.value = vxc_reader_bytes(&reader);
    }
    if ((present & RESULT_NEXT) != 0) {
        read.next = vxc_reader_bytes(&reader);
    }
    if (!vxc_reader_at_end(&reader) || present > RESULT_ALL || result_present(&read) != present) {
        return VXC_ECORRUPT;
    }
    *result = read;
    return 0;
}
