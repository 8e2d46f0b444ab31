#include "consensus/configuration.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

enum { FORMAT = 1, ADDRESS_SIZE_MAX = 24, ALIGNMENT = 8 };

int vxc_configuration_find(const struct vxc_configuration *configuration, uint64_t id)
{
    for (uint32_t i = 0; i < configuration->count; i++) {
        if (configuration->members[i].id == id) {
            return (int)i;
        }
    }
    return -1;
}

static int read_member(struct vxc_reader *reader, struct vxc_configuration *out)
{
    char expected[ADDRESS_SIZE_MAX];
    uint64_t id = vxc_reader_u64(reader);
    size_t size = (size_t)snprintf(expected, sizeof expected, "%" PRIu64, id) + 1;
    struct vxc_slice address = vxc_reader_raw(reader, size);
    uint8_t role = vxc_reader_u8(reader);

    if (!vxc_reader_ok(reader) || id == 0 || role > VXC_MEMBER_SPARE ||
        !vxc_slice_equal(address, vxc_slice(expected, size)) ||
        vxc_configuration_find(out, id) >= 0) {
        return VXC_ECORRUPT;
    }
    out->members[out->count].id = id;
    out->members[out->count].role = (enum vxc_member_role)role;
    out->count++;
    return 0;
}

int vxc_configuration_decode(struct vxc_slice bytes, struct vxc_configuration *configuration)
{
    struct vxc_reader reader = vxc_reader(bytes);
    struct vxc_configuration out = {0};
    uint8_t format = vxc_reader_u8(&reader);
    uint64_t count = vxc_reader_u64(&reader);

    if (!vxc_reader_ok(&reader) || format != FORMAT || count == 0 ||
        count > VXC_CONFIGURATION_MEMBERS_MAX || bytes.size % ALIGNMENT != 0) {
        return VXC_ECORRUPT;
    }
    for (uint64_t i = 0; i < count; i++) {
        int rv = read_member(&reader, &out);
        if (rv != 0) {
            return rv;
        }
    }
    if (vxc_reader_left(&reader) >= ALIGNMENT) {
        return VXC_ECORRUPT;
    }
    *configuration = out;
    return 0;
}

int vxc_configuration_encode(const struct vxc_configuration *configuration, struct vxc_buffer *out)
{
    size_t size_most =
        1 + 8 + VXC_CONFIGURATION_MEMBERS_MAX * (8 + ADDRESS_SIZE_MAX + 1) + ALIGNMENT;
    size_t start = out->size;
    int rv = vxc_buffer_reserve(out, size_most);

    if (rv != 0) {
        return rv;
    }
    /* Room is reserved: the appends below cannot fail. */
    (void)vxc_buffer_put_u8(out, FORMAT);
    (void)vxc_buffer_put_u64(out, configuration->count);
    for (uint32_t i = 0; i < configuration->count; i++) {
        char address[ADDRESS_SIZE_MAX];
        int length = snprintf(address, sizeof address, "%" PRIu64, configuration->members[i].id);
        (void)vxc_buffer_put_u64(out, configuration->members[i].id);
        (void)vxc_buffer_append(out, address, (size_t)length + 1);
        (void)vxc_buffer_put_u8(out, (uint8_t)configuration->members[i].role);
    }
    while ((out->size - start) % ALIGNMENT != 0) {
        (void)vxc_buffer_put_u8(out, 0);
    }
    return 0;
}

uint32_t vxc_configuration_voters(const struct vxc_configuration *configuration)
{
    uint32_t voters = 0;

    for (uint32_t i = 0; i < configuration->count; i++) {
        voters += configuration->members[i].role == VXC_MEMBER_VOTER ? 1 : 0;
    }
    return voters;
}

bool vxc_configuration_sole_voter(const struct vxc_configuration *configuration, uint64_t id)
{
    int at = vxc_configuration_find(configuration, id);

    return vxc_configuration_voters(configuration) == 1 && at >= 0 &&
           configuration->members[at].role == VXC_MEMBER_VOTER;
}
