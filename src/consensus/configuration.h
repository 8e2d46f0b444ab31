/* A configuration: who is in the cluster and in which role, in the engine's own encoding.
 *
 *   format u8 (1) | count u64 | count × (id u64 | address, NUL-terminated | role u8) | zeros to 8
 * bytes
 *
 * The engine's decoder trusts its input, so bytes from disk and network are checked here first. The
 * address is the node id in decimal: ports may change, real addresses live in the member table.
 */
#ifndef VXC_CONSENSUS_CONFIGURATION_H
#define VXC_CONSENSUS_CONFIGURATION_H

#include "base/bytes.h"
#include "base/error.h"

#include <stdbool.h>
#include <stdint.h>

enum { VXC_CONFIGURATION_MEMBERS_MAX = 16 }; /* 5 voters and as many in transit fit three times */

enum vxc_member_role { VXC_MEMBER_STANDBY = 0, VXC_MEMBER_VOTER = 1, VXC_MEMBER_SPARE = 2 };

struct vxc_configuration {
    uint32_t count;
    struct {
        uint64_t id; /* node id, ≥ 1, each once */
        enum vxc_member_role role;
    } members[VXC_CONFIGURATION_MEMBERS_MAX];
};

/* VXC_ECORRUPT on anything that encode() would not have written. */
int vxc_configuration_decode(struct vxc_slice bytes, struct vxc_configuration *configuration);

/* Appends; VXC_ENOMEM leaves `out` unchanged. */
int vxc_configuration_encode(const struct vxc_configuration *configuration, struct vxc_buffer *out);

/* Where `id` stands among the members; -1 = it is none. */
int vxc_configuration_find(const struct vxc_configuration *configuration, uint64_t id);

uint32_t vxc_configuration_voters(const struct vxc_configuration *configuration);

/* Is `id` a voter, and the only one? Such a node elects itself. */
bool vxc_configuration_sole_voter(const struct vxc_configuration *configuration, uint64_t id);

#endif
