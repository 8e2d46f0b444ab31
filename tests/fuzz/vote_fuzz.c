/* Any bytes as a vote: with a right checksum they are a vote, else an error, never a crash. */
#include "base/bytes.h"
#include "base/crc.h"
#include "storage/vote.h"

#include <stdint.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct vxc_error err;
    struct vxc_vote vote;
    uint64_t sequence, node_id;
    uint8_t fixed[64];

    (void)vxc_vote_decode(data, size, &vote, &sequence, &node_id, &err);
    if (size >= sizeof fixed) { /* the same bytes behind a checksum put right */
        memcpy(fixed, data, sizeof fixed);
        vxc_store_u32(fixed + 8, vxc_crc32(0, fixed + 12, sizeof fixed - 12));
        (void)vxc_vote_decode(fixed, sizeof fixed, &vote, &sequence, &node_id, &err);
    }
    return 0;
}
