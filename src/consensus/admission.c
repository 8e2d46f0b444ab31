#include "consensus/admission.h"

bool vxc_command_grows(const struct vxc_command *command)
{
    switch (command->op) {
    case VXC_OP_SESSION_CLOSE:
    case VXC_OP_SESSION_EXPIRE:
    case VXC_OP_MAP_REMOVE:
    case VXC_OP_MAP_REMOVE_IF:
    case VXC_OP_MAP_CLEAR:
    case VXC_OP_MAP_DESTROY:
    case VXC_OP_SET_REMOVE:
    case VXC_OP_SET_CLEAR:
    case VXC_OP_SET_DESTROY:
    case VXC_OP_MULTIMAP_REMOVE:
    case VXC_OP_MULTIMAP_REMOVE_KEY:
    case VXC_OP_MULTIMAP_CLEAR:
    case VXC_OP_MULTIMAP_DESTROY:
    case VXC_OP_COUNTER_DESTROY:
    case VXC_OP_LOCK_CANCEL:
    case VXC_OP_LOCK_RELEASE:
    case VXC_OP_LOCK_DESTROY:
    case VXC_OP_NODE_LEAVE:
    case VXC_OP_REGISTRATION_REMOVE:
    case VXC_OP_WATCH_REMOVE:
        return false;
    default:
        return true;
    }
}
