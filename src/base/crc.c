#include "crc.h"

#include <libdeflate.h>

uint32_t vxc_crc32(uint32_t crc, const void *data, size_t size)
{
    return size == 0 ? crc : libdeflate_crc32(crc, data, size);
}
