#include "tools/vxc/cli.h"

#define KEY64    VXC_OPTION_BIT(KEY64)
#define VALUE64  VXC_OPTION_BIT(VALUE64)
#define FILE_TOO VXC_OPTION_BIT(FILE)
#define LIMIT    VXC_OPTION_BIT(LIMIT)

const struct vxc_cli_command vxc_multimap_commands[] = {
    {"put", "MULTIMAP KEY VALUE|-", "add a value to a key; exit 1 when it is there already", 2, 3,
     KEY64 | VALUE64 | FILE_TOO, VXC_CALL_MULTIMAP_PUT, "nkv", VXC_SHOW_DONE, false, 0, NULL},
    {"get", "MULTIMAP KEY", "values of a key in order", 2, 2, KEY64 | LIMIT, VXC_CALL_MULTIMAP_GET,
     "nk", VXC_SHOW_VALUES, false, 0, NULL},
    {"remove", "MULTIMAP KEY VALUE|-", "remove a value of a key; exit 1 when it is not there", 2, 3,
     KEY64 | VALUE64 | FILE_TOO, VXC_CALL_MULTIMAP_REMOVE, "nkv", VXC_SHOW_DONE, false, 0, NULL},
    {"remove-key", "MULTIMAP KEY", "remove all values of a key; show how many", 2, 2, KEY64,
     VXC_CALL_MULTIMAP_REMOVE_KEY, "nk", VXC_SHOW_NUMBER, false, 0, NULL},
    {"contains-key", "MULTIMAP KEY", "has the key values?", 2, 2, KEY64,
     VXC_CALL_MULTIMAP_CONTAINS_KEY, "nk", VXC_SHOW_TRUTH, false, 0, NULL},
    {"contains-value", "MULTIMAP VALUE|-", "has any key this value?", 1, 2, VALUE64 | FILE_TOO,
     VXC_CALL_MULTIMAP_CONTAINS_VALUE, "nv", VXC_SHOW_TRUTH, false, 0, NULL},
    {"contains-entry", "MULTIMAP KEY VALUE|-", "has the key this value?", 2, 3,
     KEY64 | VALUE64 | FILE_TOO, VXC_CALL_MULTIMAP_CONTAINS_ENTRY, "nkv", VXC_SHOW_TRUTH, false, 0,
     NULL},
    {"size", "MULTIMAP", "how many values of all keys?", 1, 1, 0, VXC_CALL_MULTIMAP_SIZE, "n",
     VXC_SHOW_NUMBER, false, 0, NULL},
    {"key-size", "MULTIMAP KEY", "how many values of a key?", 2, 2, KEY64,
     VXC_CALL_MULTIMAP_KEY_SIZE, "nk", VXC_SHOW_NUMBER, false, 0, NULL},
    {"keys", "MULTIMAP", "keys in order, each once", 1, 1, LIMIT, VXC_CALL_MULTIMAP_SCAN, "n",
     VXC_SHOW_KEYS, false, 0, NULL},
    {"values", "MULTIMAP", "values in the order of their keys", 1, 1, LIMIT, VXC_CALL_MULTIMAP_SCAN,
     "n", VXC_SHOW_VALUES, false, 0, NULL},
    {"entries", "MULTIMAP", "keys and values in order", 1, 1, LIMIT, VXC_CALL_MULTIMAP_SCAN, "n",
     VXC_SHOW_ENTRIES, false, 0, NULL},
    {"list", "", "multimaps of the namespace", 0, 0, LIMIT, VXC_CALL_MULTIMAP_LIST, "",
     VXC_SHOW_OBJECTS, false, 0, NULL},
    {"create", "MULTIMAP", "make an empty multimap; exit 1 when there is one", 1, 1, 0,
     VXC_CALL_MULTIMAP_CREATE, "n", VXC_SHOW_DONE, false, 0, NULL},
    {"clear", "MULTIMAP", "remove all values of all keys", 1, 1, 0, VXC_CALL_MULTIMAP_CLEAR, "n",
     VXC_SHOW_NUMBER, true, 0, NULL},
    {"destroy", "MULTIMAP", "remove the multimap; exit 1 when there is none", 1, 1, 0,
     VXC_CALL_MULTIMAP_DESTROY, "n", VXC_SHOW_DONE, true, 0, NULL},
    {0},
};
