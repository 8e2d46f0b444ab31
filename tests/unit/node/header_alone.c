/* Compiles with nothing but include/ on the path, in strict C99. */
#include "vxc/node.h"

int node_header_alone(void);

int node_header_alone(void)
{
    struct vxc_node_options options = vxc_node_options();

    options.data = "d";
    return options.struct_size == sizeof options ? VXC_OK : VXC_EINVAL;
}
