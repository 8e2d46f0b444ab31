/* A frame's kind (u16) and payload as another node may send them: what decodes must encode to a frame
 * that decodes to the same. */
#include "base/check.h"
#include "node/cluster_internal.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct vxc_engine_entry first[VXC_PEER_ENTRIES_MAX];
static struct vxc_engine_entry second[VXC_PEER_ENTRIES_MAX];

static void compare_entries(const struct vxc_engine_message *a, const struct vxc_engine_message *b)
{
    vxc_check(a->append.count == b->append.count);
    for (uint32_t i = 0; i < a->append.count; i++) {
        vxc_check(a->append.entries[i].term == b->append.entries[i].term);
        vxc_check(a->append.entries[i].type == b->append.entries[i].type);
        vxc_check(vxc_slice_equal(a->append.entries[i].payload, b->append.entries[i].payload));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct vxc_peer_message a;
    struct vxc_peer_message b;
    struct vxc_buffer out = {0};
    struct vxc_frame frame;
    uint32_t need;

    if (size < 2 || vxc_peer_message_decode(vxc_load_u16(data), vxc_slice(data + 2, size - 2), 3,
                                            first, &a) != 0) {
        return 0;
    }
    vxc_check(vxc_peer_message_encode(&a, &out) == 0);
    vxc_check(vxc_frame_decode(vxc_buffer_slice(&out), VXC_PEER_FRAME_SIZE_MAX, &frame, &need) ==
              0);
    vxc_check(frame.kind == vxc_load_u16(data));
    vxc_check(vxc_peer_message_decode(frame.kind, frame.payload, 3, second, &b) == 0);
    vxc_check(a.type == b.type && b.peer == 3);
    if (a.type == VXC_PEER_ENGINE) {
        vxc_check(a.engine.type == b.engine.type && a.engine.term == b.engine.term);
        if (a.engine.type == VXC_ENGINE_APPEND) {
            compare_entries(&a.engine, &b.engine);
        }
    }
    vxc_buffer_free(&out);
    return 0;
}
