/* Asks all members of the cluster for their status at the same time, each by its own address. */
#ifndef VXC_TOOLS_CENSUS_H
#define VXC_TOOLS_CENSUS_H

#include "client/endpoint.h"
#include "tools/vxc/members.h"

#include <jansson.h>

#define VXC_CENSUS_MAX (VXC_SHOWN_MEMBERS_MAX + VXC_ENDPOINTS_MAX)
#define VXC_CENSUS_MS  2000u /* who has not answered by then is called unreachable */

struct vxc_census_row {
    uint64_t id; /* 0 = not known: an endpoint without an answer, in no list of members */
    char address[VXC_MEMBER_ADDRESS_SIZE];
    json_t *status; /* owned; NULL = no answer */
};

struct vxc_census {
    struct vxc_census_row rows[VXC_CENSUS_MAX]; /* by id, those without one last */
    size_t count;
};

/* The members (none is fine: an older node has no list) and the endpoints of the run. What is the
 * same node is one row. Takes at most VXC_CENSUS_MS, or --timeout if that is less. 0 or an exit
 * status, said. */
int vxc_census_take(struct vxc_cli *cli, const struct vxc_members *members,
                    struct vxc_census *census);
void vxc_census_free(struct vxc_census *census);

/* The status of the node at this address, to be freed by json_decref(); NULL without an answer. */
json_t *vxc_census_ask(struct vxc_cli *cli, const char *address, uint64_t timeout_ms);

/* The rows as a JSON list; a member that did not answer has the role "unreachable" and nulls. */
json_t *vxc_census_json(const struct vxc_census *census);
void vxc_census_show(struct vxc_cli *cli, const struct vxc_census *census);

/* A number of a status; 0 when it is not there. */
uint64_t vxc_census_number(const json_t *status, const char *name);

#endif
