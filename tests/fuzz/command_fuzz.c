/* Commands, entries and results from arbitrary bytes: never a crash, and what decodes encodes to
 * the same bytes again. */
#include <stdlib.h>

#include "base/check.h"
#include "fsm/command.h"
#include "fsm/fsm.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_command(struct vxc_slice bytes)
{
    struct vxc_command command;
    struct vxc_buffer out = {0};
    int rv = vxc_command_decode(bytes, &command);

    if (rv == 0) {
        rv = vxc_command_encode(&command, &out);
        vxc_check(rv == 0);
        vxc_check(vxc_slice_equal(vxc_buffer_slice(&out), bytes));
        vxc_buffer_clear(&out);
        rv = vxc_command_describe(&command, &out);
        vxc_check(rv == 0);
        vxc_check(memchr(out.data, '\n', out.size) == NULL);
    } else {
        vxc_check(rv == VXC_ECORRUPT || rv == VXC_EVERSION);
    }
    vxc_buffer_free(&out);
}

static void check_entry(struct vxc_slice entry)
{
    struct vxc_entry_head head;
    struct vxc_slice rest, bytes;

    if (vxc_entry_read_head(entry, &head, &rest) != 0) {
        return;
    }
    for (uint32_t i = 0; i < head.count && vxc_entry_next(&rest, &bytes) == 0; i++) {
        check_command(bytes);
    }
}

static void check_result(struct vxc_slice bytes)
{
    struct vxc_result result;
    struct vxc_buffer out = {0};
    int rv = vxc_result_decode(bytes, &result);

    if (rv == 0) {
        rv = vxc_result_encode(&result, &out);
        vxc_check(rv == 0);
        vxc_check(vxc_slice_equal(vxc_buffer_slice(&out), bytes));
    }
    vxc_buffer_free(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    /* A copy of exactly this size, so that the sanitizer sees a read one byte behind it. */
    uint8_t *copy = malloc(size + (size == 0));
    struct vxc_slice bytes = vxc_slice(copy, size);

    vxc_check(copy != NULL);
    if (size != 0) {
        memcpy(copy, data, size);
    }
    check_command(bytes);
    check_entry(bytes);
    check_result(bytes);
    free(copy);
    return 0;
}
