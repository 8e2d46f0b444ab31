#include "tools/vxc/cli.h"

#define KEY64    VXC_OPTION_BIT(KEY64)
#define BOTH64   (VXC_OPTION_BIT(KEY64) | VXC_OPTION_BIT(VALUE64))
#define FILE_TOO VXC_OPTION_BIT(FILE)
#define TTL      VXC_OPTION_BIT(TTL)
#define OLD      VXC_OPTION_BIT(OLD)
#define LIMIT    VXC_OPTION_BIT(LIMIT)

const struct vxc_cli_command vxc_map_commands[] = {
    {"get", "MAP KEY", "show a value; exit 1 when there is none", 2, 2, KEY64 | FILE_TOO,
     VXC_CALL_MAP_GET, "nk", VXC_SHOW_VALUE, false, 0, NULL},
    {"put", "MAP KEY VALUE|-", "set a value", 2, 3, BOTH64 | FILE_TOO | TTL | OLD, VXC_CALL_MAP_PUT,
     "nkv", VXC_SHOW_OLD, false, 0, NULL},
    {"remove", "MAP KEY", "remove an entry; exit 1 when there is none", 2, 2, KEY64 | OLD,
     VXC_CALL_MAP_REMOVE, "nk", VXC_SHOW_REMOVED, false, 0, NULL},
    {"contains", "MAP KEY", "is there an entry?", 2, 2, KEY64, VXC_CALL_MAP_CONTAINS, "nk",
     VXC_SHOW_TRUTH, false, 0, NULL},
    {"put-if-absent", "MAP KEY VALUE|-", "set a value where there is none, else exit 4", 2, 3,
     BOTH64 | FILE_TOO | TTL, VXC_CALL_MAP_PUT_IF_ABSENT, "nkv", VXC_SHOW_ABSENT, false, 0, NULL},
    {"remove-if", "MAP KEY EXPECTED", "remove an entry of this value, else exit 4", 3, 3, BOTH64,
     VXC_CALL_MAP_REMOVE_IF, "nkx", VXC_SHOW_HELD, false, 0, NULL},
    {"replace", "MAP KEY VALUE|-", "set a value where there is one, else exit 1", 2, 3,
     BOTH64 | FILE_TOO | TTL | OLD, VXC_CALL_MAP_REPLACE, "nkv", VXC_SHOW_REMOVED, false, 0, NULL},
    {"replace-if", "MAP KEY EXPECTED VALUE|-", "set a value where this one stands, else exit 4", 3,
     4, BOTH64 | FILE_TOO | TTL, VXC_CALL_MAP_REPLACE_IF, "nkxv", VXC_SHOW_HELD, false, 0, NULL},
    {"size", "MAP", "how many entries?", 1, 1, 0, VXC_CALL_MAP_SIZE, "n", VXC_SHOW_NUMBER, false, 0,
     NULL},
    {"keys", "MAP", "keys in order", 1, 1, LIMIT, VXC_CALL_MAP_SCAN, "n", VXC_SHOW_KEYS, false, 0,
     NULL},
    {"values", "MAP", "values in the order of their keys", 1, 1, LIMIT, VXC_CALL_MAP_SCAN, "n",
     VXC_SHOW_VALUES, false, 0, NULL},
    {"entries", "MAP", "keys and values in order", 1, 1, LIMIT, VXC_CALL_MAP_SCAN, "n",
     VXC_SHOW_ENTRIES, false, 0, NULL},
    {"list", "", "maps of the namespace", 0, 0, LIMIT, VXC_CALL_MAP_LIST, "", VXC_SHOW_OBJECTS,
     false, 0, NULL},
    {"create", "MAP", "make an empty map; exit 1 when there is one", 1, 1, 0, VXC_CALL_MAP_CREATE,
     "n", VXC_SHOW_DONE, false, 0, NULL},
    {"clear", "MAP", "remove all entries", 1, 1, 0, VXC_CALL_MAP_CLEAR, "n", VXC_SHOW_NUMBER, true,
     0, NULL},
    {"destroy", "MAP", "remove the map with all entries; exit 1 when there is none", 1, 1, 0,
     VXC_CALL_MAP_DESTROY, "n", VXC_SHOW_DONE, true, 0, NULL},
    {"import", "MAP FILE|-", "set entries from JSON lines", 2, 2,
     VXC_OPTION_BIT(ACKED) | VXC_OPTION_BIT(PIPELINE), 0, NULL, VXC_SHOW_NOTHING, false, 0,
     vxc_run_map_import},
    {"export", "MAP", "all entries as JSON lines, in the order of their keys", 1, 1, LIMIT, 0, NULL,
     VXC_SHOW_NOTHING, false, 0, vxc_run_map_export},
    {0},
};
