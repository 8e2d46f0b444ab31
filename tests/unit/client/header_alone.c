/* Compiles with nothing but include/ on the path, in strict C99. */
#include "vxc/client.h"

int client_header_alone(void);

int client_header_alone(void)
{
    struct vxc_client_options options = vxc_client_options();
    struct vxc_request request = vxc_request(VXC_CALL_MAP_GET);

    options.endpoints = "127.0.0.1:7400";
    request.name = vxc_text("map");
    request.key = vxc_bytes("\0\1", 2);
    return request.operation == (int)VXC_CALL_MAP_GET && options.endpoints != NULL ? VXC_OK
                                                                                   : VXC_EINVAL;
}
