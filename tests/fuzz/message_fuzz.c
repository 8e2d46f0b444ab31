/* A kind (u16) and a payload: what decodes must walk to its end, encode again, and decode to the
 * same. Nested messages of transactions and resyncs are decoded too. */
#include "base/check.h"
#include "wire/message.h"
#include "wire/operations.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Walks every item; the walkers must find as many as decode counted. */
static void walk(enum vxc_field_type type, struct vxc_list list)
{
    struct vxc_sync_operation operation;
    struct vxc_message nested;
    struct vxc_list items;
    struct vxc_slice a;
    struct vxc_slice b;
    uint16_t kind;

    switch (type) {
    case VXC_TYPE_ITEMS:
        while (vxc_list_next_item(&list, &a)) {
        }
        break;
    case VXC_TYPE_PAIRS:
        while (vxc_list_next_pair(&list, &a, &b)) {
        }
        break;
    case VXC_TYPE_MULTI:
        while (vxc_list_next_multi(&list, &a, &items)) {
            walk(VXC_TYPE_ITEMS, items);
        }
        break;
    case VXC_TYPE_MESSAGES:
        while (vxc_list_next_message(&list, &kind, &a)) {
            (void)vxc_message_decode(kind, a, &nested); /* any code is fine, a crash is not */
        }
        break;
    case VXC_TYPE_OPERATIONS:
        while (vxc_list_next_sync(&list, &operation)) {
        }
        break;
    default:
        return; /* not a list */
    }
    vxc_check(list.count == 0);
    vxc_check(list.raw.size == 0);
}

static void walk_lists(const struct vxc_message *m)
{
    const struct vxc_message_schema *schema = vxc_message_schema(m->kind);

    for (size_t i = 0; i < schema->fields_count; i++) {
        if (schema->fields[i].type >= VXC_TYPE_ITEMS) {
            const char *at = (const char *)&m->join + schema->fields[i].offset;
            walk(schema->fields[i].type, *(const struct vxc_list *)(const void *)at);
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct vxc_buffer once = {0};
    struct vxc_buffer twice = {0};
    struct vxc_message m;
    uint16_t kind;

    if (size < 2) {
        return 0;
    }
    kind = vxc_load_u16(data);
    if (vxc_message_decode(kind, vxc_slice(data + 2, size - 2), &m) != 0) {
        return 0;
    }
    walk_lists(&m);
    vxc_check(vxc_message_encode(&m, &once) == 0);
    vxc_check(once.size == vxc_message_payload_size(&m));
    /* What was read comes back; behind it only fields can follow that were not there. */
    vxc_check(vxc_slice_equal(vxc_slice(once.data, once.size < size - 2 ? once.size : size - 2),
                              vxc_slice(data + 2, once.size < size - 2 ? once.size : size - 2)));
    vxc_check(vxc_message_decode(kind, vxc_buffer_slice(&once), &m) == 0);
    vxc_check(vxc_message_encode(&m, &twice) == 0);
    vxc_check(vxc_slice_equal(vxc_buffer_slice(&once), vxc_buffer_slice(&twice)));
    vxc_buffer_free(&once);
    vxc_buffer_free(&twice);
    return 0;
}
