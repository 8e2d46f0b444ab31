#include "tools/vxc/cli.h"

#define VALUE64  VXC_OPTION_BIT(VALUE64)
#define FILE_TOO VXC_OPTION_BIT(FILE)
#define LIMIT    VXC_OPTION_BIT(LIMIT)

const struct vxc_cli_command vxc_set_commands[] = {
    {"add", "SET VALUE|-", "add a value; exit 1 when it is there already", 1, 2, VALUE64 | FILE_TOO,
     VXC_CALL_SET_ADD, "nv", VXC_SHOW_DONE, false, 0, NULL},
    {"remove", "SET VALUE|-", "remove a value; exit 1 when it is not there", 1, 2,
     VALUE64 | FILE_TOO, VXC_CALL_SET_REMOVE, "nv", VXC_SHOW_DONE, false, 0, NULL},
    {"contains", "SET VALUE|-", "is the value there?", 1, 2, VALUE64 | FILE_TOO,
     VXC_CALL_SET_CONTAINS, "nv", VXC_SHOW_TRUTH, false, 0, NULL},
    {"size", "SET", "how many values?", 1, 1, 0, VXC_CALL_SET_SIZE, "n", VXC_SHOW_NUMBER, false, 0,
     NULL},
    {"values", "SET", "values in order", 1, 1, LIMIT, VXC_CALL_SET_SCAN, "n", VXC_SHOW_MEMBERS,
     false, 0, NULL},
    {"list", "", "sets of the namespace", 0, 0, LIMIT, VXC_CALL_SET_LIST, "", VXC_SHOW_OBJECTS,
     false, 0, NULL},
    {"create", "SET", "make an empty set; exit 1 when there is one", 1, 1, 0, VXC_CALL_SET_CREATE,
     "n", VXC_SHOW_DONE, false, 0, NULL},
    {"clear", "SET", "remove all values", 1, 1, 0, VXC_CALL_SET_CLEAR, "n", VXC_SHOW_NUMBER, true,
     0, NULL},
    {"destroy", "SET", "remove the set; exit 1 when there is none", 1, 1, 0, VXC_CALL_SET_DESTROY,
     "n", VXC_SHOW_DONE, true, 0, NULL},
    {0},
};
