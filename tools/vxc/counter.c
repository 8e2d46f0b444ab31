#include "tools/vxc/cli.h"

/* A counter that was never written counts as 0, as in the protocol. */
const struct vxc_cli_command vxc_counter_commands[] = {
    {"get", "COUNTER", "show the value; 0 when there is none", 1, 1, 0, VXC_CALL_COUNTER_GET, "n",
     VXC_SHOW_COUNTER, false, 0, NULL},
    {"add", "COUNTER [-]N", "add, wrapping at 64 bits; show the new value", 2, 2,
     VXC_OPTION_BIT(OLD), VXC_CALL_COUNTER_ADD, "nd", VXC_SHOW_COUNTER, false, 0, NULL},
    {"cas", "COUNTER EXPECTED VALUE", "set where EXPECTED stands, else exit 4", 3, 3, 0,
     VXC_CALL_COUNTER_COMPARE_AND_SET, "nDd", VXC_SHOW_HELD, false, 0, NULL},
    {"list", "", "counters of the namespace", 0, 0, VXC_OPTION_BIT(LIMIT), VXC_CALL_COUNTER_LIST,
     "", VXC_SHOW_COUNTERS, false, 0, NULL},
    {"destroy", "COUNTER", "remove the counter; exit 1 when there is none", 1, 1, 0,
     VXC_CALL_COUNTER_DESTROY, "n", VXC_SHOW_DONE, true, 0, NULL},
    {0},
};
