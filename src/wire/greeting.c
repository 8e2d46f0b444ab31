#include "vxc.h"

#include "wire/frame.h"

static_assert(VXC_PROTOCOL_VERSION == 1, "the greeting says so");

const char *vxc_greeting(void)
{
    return "vertx-cluster " VXC_VERSION ", protocol version 1";
}
