/* Lists inside results, and the pages of scans made of them. */
#include "base/check.h"
#include "fsm/state.h"

enum { CURSOR_FORMAT = 1 };

static void append(struct vxc_fsm *fsm, const void *data, size_t size)
{
    if (vxc_buffer_append(&fsm->scratch, data, size) != 0) {
        vxc_fatal("out of memory for a result of %zu bytes", fsm->scratch.size + size);
    }
}

struct vxc_slice vxc_fsm_keep(struct vxc_fsm *fsm, struct vxc_slice bytes)
{
    size_t start = fsm->scratch.size;

    /* One byte more, so that an empty slice has an address too: it is there, not absent. */
    if (vxc_buffer_reserve(&fsm->scratch, bytes.size + 1) != 0) {
        vxc_fatal("out of memory for a result of %zu bytes", bytes.size);
    }
    append(fsm, bytes.data, bytes.size);
    return vxc_slice(fsm->scratch.data + start, bytes.size);
}

void vxc_list_begin(struct vxc_fsm *fsm, struct vxc_list_writer *list)
{
    static const uint8_t no_count[4];

    *list = (struct vxc_list_writer){.fsm = fsm, .start = fsm->scratch.size};
    append(fsm, no_count, sizeof no_count);
}

void vxc_list_add(struct vxc_list_writer *list, struct vxc_slice item)
{
    uint8_t size[4];

    vxc_check(item.size <= UINT32_MAX);
    vxc_store_u32(size, (uint32_t)item.size);
    append(list->fsm, size, sizeof size);
    append(list->fsm, item.data, item.size);
    list->count++;
}

struct vxc_slice vxc_list_end(struct vxc_list_writer *list)
{
    struct vxc_buffer *scratch = &list->fsm->scratch;

    vxc_store_u32(scratch->data + list->start, list->count);
    return vxc_slice(scratch->data + list->start, scratch->size - list->start);
}

void vxc_page_begin(struct vxc_fsm *fsm, struct vxc_page *page, uint64_t limits)
{
    uint32_t rows = (uint32_t)(limits >> 32);
    uint32_t size = (uint32_t)limits;

    page->row_count = 0;
    page->row_count_max =
        rows == 0 || rows > VXC_SCAN_PAGE_ROWS_MAX ? VXC_SCAN_PAGE_ROWS_MAX : rows;
    page->size_max = size == 0 ? VXC_SCAN_PAGE_BYTES_DEFAULT : size;
    if (page->size_max > VXC_SCAN_PAGE_BYTES_MAX) {
        page->size_max = VXC_SCAN_PAGE_BYTES_MAX;
    }
    page->last.size = 0;
    vxc_list_begin(fsm, &page->list);
}

bool vxc_page_has_room(const struct vxc_page *page, size_t size)
{
    size_t used = page->list.fsm->scratch.size - page->list.start;

    if (page->row_count == 0) {
        return true;
    }
    return page->row_count < page->row_count_max && size <= page->size_max &&
           used <= page->size_max - size;
}

void vxc_page_add(struct vxc_page *page, struct vxc_slice tail, struct vxc_slice first,
                  const struct vxc_slice *second)
{
    vxc_list_add(&page->list, first);
    if (second != NULL) {
        vxc_list_add(&page->list, *second);
    }
    vxc_page_mark(page, tail);
    page->row_count++;
}

void vxc_page_mark(struct vxc_page *page, struct vxc_slice tail)
{
    vxc_check(tail.size < VXC_CURSOR_SIZE_MAX);
    page->last.data[0] = CURSOR_FORMAT;
    if (tail.size != 0) {
        memcpy(page->last.data + 1, tail.data, tail.size);
    }
    page->last.size = 1 + tail.size;
}

void vxc_page_end(struct vxc_page *page, bool more, struct vxc_result *result)
{
    struct vxc_fsm *fsm = page->list.fsm;

    result->number = page->row_count;
    result->found = page->row_count != 0;
    result->value = vxc_list_end(&page->list);
    if (more) {
        fsm->cursor = page->last;
        result->next = vxc_slice(fsm->cursor.data, fsm->cursor.size);
    }
}

struct vxc_table_scan *vxc_page_scan(struct vxc_fsm *fsm, enum vxc_database db,
                                     const struct vxc_row_key *prefix, struct vxc_slice cursor,
                                     struct vxc_result *result)
{
    struct vxc_row_key from = *prefix;

    if (cursor.data == NULL) {
        return vxc_table_scan_open(fsm->table, db, vxc_row_key_slice(prefix),
                                   vxc_row_key_slice(prefix), false);
    }
    if (cursor.size < 1 || cursor.data[0] != CURSOR_FORMAT ||
        cursor.size - 1 > (size_t)VXC_ROW_KEY_SIZE_MAX - prefix->size) {
        vxc_result_fail(result, VXC_EINVAL, "the cursor was not given by this cluster");
        return NULL;
    }
    memcpy(from.data + from.size, cursor.data + 1, cursor.size - 1);
    from.size = (uint16_t)(from.size + cursor.size - 1);
    return vxc_table_scan_open(fsm->table, db, vxc_row_key_slice(prefix), vxc_row_key_slice(&from),
                               true);
}
