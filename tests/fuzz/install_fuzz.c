/* Any bytes as the record of an install: refused, or what encoding it again gives. Read twice: as they
 * are, and with the checksum put right, so that what lies behind it is reached. */
#include "base/crc.h"
#include "storage/install.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void read_record(const uint8_t *data, size_t size)
{
    struct vxc_buffer again = {0};
    struct vxc_install install;
    struct vxc_install copy;
    struct vxc_error err;

    if (vxc_install_decode(vxc_slice(data, size), &install, &err) != 0) {
        return;
    }
    if (vxc_install_encode(&install, &again) != 0 ||
        vxc_install_decode(vxc_buffer_slice(&again), &copy, &err) != 0 ||
        copy.base.index != install.base.index || copy.base.term != install.base.term ||
        copy.keep_log != install.keep_log ||
        !vxc_slice_equal(copy.base.configuration, install.base.configuration)) {
        abort();
    }
    vxc_buffer_free(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t fixed[VXC_INSTALL_SIZE_MAX];

    read_record(data, size);
    if (size >= VXC_INSTALL_HEAD_SIZE && size <= sizeof fixed) {
        memcpy(fixed, data, size);
        vxc_store_u32(fixed + 8, vxc_crc32(0, fixed + 12, size - 12));
        read_record(fixed, size);
    }
    return 0;
}
