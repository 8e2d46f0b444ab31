#include "text.h"

#include "wire/operations.h"

#include <inttypes.h>

static const char *const type_names[] = {
    [VXC_TYPE_U8] = "u8",
    [VXC_TYPE_U16] = "u16",
    [VXC_TYPE_U32] = "u32",
    [VXC_TYPE_U64] = "u64",
    [VXC_TYPE_I64] = "i64",
    [VXC_TYPE_BOOL] = "bool",
    [VXC_TYPE_CODE] = "code",
    [VXC_TYPE_BYTES] = "bytes",
    [VXC_TYPE_OPT_BYTES] = "bytes?",
    [VXC_TYPE_OPT_U64] = "u64?",
    [VXC_TYPE_ITEMS] = "items",
    [VXC_TYPE_PAIRS] = "pairs",
    [VXC_TYPE_MULTI] = "multi",
    [VXC_TYPE_MESSAGES] = "messages",
    [VXC_TYPE_OPERATIONS] = "operations",
};

void text_hex(FILE *out, struct vxc_slice bytes)
{
    if (bytes.size == 0) {
        fputc('-', out);
    }
    for (size_t i = 0; i < bytes.size; i++) {
        fprintf(out, "%02x", bytes.data[i]);
    }
}

/* Printable ASCII without the three characters that mean something in the vector files. */
static bool is_plain(struct vxc_slice bytes)
{
    for (size_t i = 0; i < bytes.size; i++) {
        uint8_t c = bytes.data[i];
        if (c < 0x20 || c > 0x7e || c == '"' || c == '\\' || c == '|') {
            return false;
        }
    }
    return true;
}

static void text_bytes(FILE *out, struct vxc_slice bytes)
{
    if (is_plain(bytes)) {
        fprintf(out, "\"%.*s\"", (int)bytes.size, bytes.size == 0 ? "" : (const char *)bytes.data);
        return;
    }
    fputs("hex:", out);
    text_hex(out, bytes);
}

static void text_items(FILE *out, struct vxc_list list)
{
    struct vxc_slice item;
    const char *comma = "";

    fputc('[', out);
    while (vxc_list_next_item(&list, &item)) {
        fputs(comma, out);
        text_bytes(out, item);
        comma = ", ";
    }
    fputc(']', out);
}

static void text_pairs(FILE *out, struct vxc_list list)
{
    struct vxc_slice first;
    struct vxc_slice second;
    const char *comma = "";

    fputc('[', out);
    while (vxc_list_next_pair(&list, &first, &second)) {
        fprintf(out, "%s(", comma);
        text_bytes(out, first);
        fputs(", ", out);
        text_bytes(out, second);
        fputc(')', out);
        comma = ", ";
    }
    fputc(']', out);
}

static void text_multi(FILE *out, struct vxc_list list)
{
    struct vxc_slice key;
    struct vxc_list items;
    const char *comma = "";

    fputc('[', out);
    while (vxc_list_next_multi(&list, &key, &items)) {
        fprintf(out, "%s(", comma);
        text_bytes(out, key);
        fputs(", ", out);
        text_items(out, items);
        fputc(')', out);
        comma = ", ";
    }
    fputc(']', out);
}

/* The payloads of nested messages stay bytes: the reader decodes them by their kind. */
static void text_messages(FILE *out, struct vxc_list list)
{
    uint16_t kind;
    struct vxc_slice payload;
    const char *comma = "";

    fputc('[', out);
    while (vxc_list_next_message(&list, &kind, &payload)) {
        fprintf(out, "%s(%u, hex:", comma, kind);
        text_hex(out, payload);
        fputc(')', out);
        comma = ", ";
    }
    fputc(']', out);
}

static void text_struct(FILE *out, const struct vxc_field_schema *fields, size_t count,
                        const void *in);

static void text_operations(FILE *out, struct vxc_list list)
{
    size_t count;
    const struct vxc_sync_schema *schemas = vxc_sync_schemas(&count);
    struct vxc_sync_operation operation;
    const char *comma = "";

    fputc('[', out);
    while (vxc_list_next_sync(&list, &operation)) {
        const struct vxc_sync_schema *schema = &schemas[operation.tag];
        fprintf(out, "%s(%u %s ", comma, operation.tag, schema->name);
        text_struct(out, schema->fields, schema->fields_count, &operation.map_created);
        fputc(')', out);
        comma = ", ";
    }
    fputc(']', out);
}

static void text_list(FILE *out, enum vxc_field_type type, struct vxc_list list)
{
    switch (type) {
    case VXC_TYPE_PAIRS:
        text_pairs(out, list);
        break;
    case VXC_TYPE_MULTI:
        text_multi(out, list);
        break;
    case VXC_TYPE_MESSAGES:
        text_messages(out, list);
        break;
    case VXC_TYPE_OPERATIONS:
        text_operations(out, list);
        break;
    default:
        text_items(out, list);
    }
}

static void text_optional(FILE *out, enum vxc_field_type type, const void *field)
{
    const struct vxc_opt_bytes *bytes = field;
    const struct vxc_opt_u64 *number = field;

    if (type == VXC_TYPE_OPT_BYTES && bytes->present) {
        text_bytes(out, bytes->bytes);
    } else if (type == VXC_TYPE_OPT_U64 && number->present) {
        fprintf(out, "%" PRIu64, number->number);
    } else {
        fputs("none", out);
    }
}

static void text_value(FILE *out, enum vxc_field_type type, const void *field)
{
    switch (type) {
    case VXC_TYPE_U8:
    case VXC_TYPE_BOOL:
    case VXC_TYPE_CODE:
        fprintf(out, "%u", *(const uint8_t *)field);
        break;
    case VXC_TYPE_U16:
        fprintf(out, "%u", *(const uint16_t *)field);
        break;
    case VXC_TYPE_U32:
        fprintf(out, "%" PRIu32, *(const uint32_t *)field);
        break;
    case VXC_TYPE_U64:
        fprintf(out, "%" PRIu64, *(const uint64_t *)field);
        break;
    case VXC_TYPE_I64:
        fprintf(out, "%" PRId64, *(const int64_t *)field);
        break;
    case VXC_TYPE_BYTES:
        text_bytes(out, *(const struct vxc_slice *)field);
        break;
    case VXC_TYPE_OPT_BYTES:
    case VXC_TYPE_OPT_U64:
        text_optional(out, type, field);
        break;
    default:
        text_list(out, type, *(const struct vxc_list *)field);
    }
}

static void text_struct(FILE *out, const struct vxc_field_schema *fields, size_t count,
                        const void *in)
{
    for (size_t i = 0; i < count; i++) {
        fprintf(out, "%s%s=", i == 0 ? "" : " ", fields[i].name);
        text_value(out, fields[i].type, (const char *)in + fields[i].offset);
    }
    if (count == 0) {
        fputc('-', out);
    }
}

void text_fields(FILE *out, const struct vxc_message *message)
{
    const struct vxc_message_schema *schema = vxc_message_schema(message->kind);

    text_struct(out, schema->fields, schema->fields_count, &message->join);
}

void text_field_types(FILE *out, const struct vxc_message_schema *schema)
{
    for (size_t i = 0; i < schema->fields_count; i++) {
        fprintf(out, "%s%s: %s", i == 0 ? "" : ", ", schema->fields[i].name,
                type_names[schema->fields[i].type]);
    }
    if (schema->fields_count == 0) {
        fputc('-', out);
    }
}
