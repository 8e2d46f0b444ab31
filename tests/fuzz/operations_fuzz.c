/* State-sync operations, one after the other: what decodes must encode to the same bytes. */
#include "base/check.h"
#include "wire/operations.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct vxc_slice rest = vxc_slice(data, size);
    struct vxc_sync_operation operation;
    struct vxc_buffer out = {0};

    for (;;) {
        struct vxc_slice before = rest;
        if (vxc_sync_decode(&rest, &operation) != 0) {
            vxc_check(rest.data == before.data && rest.size == before.size);
            break;
        }
        vxc_check(rest.size < before.size);
        vxc_buffer_clear(&out);
        vxc_check(vxc_sync_encode(&operation, &out) == 0);
        vxc_check(vxc_slice_equal(vxc_buffer_slice(&out),
                                  vxc_slice(before.data, before.size - rest.size)));
    }
    vxc_buffer_free(&out);
    return 0;
}
