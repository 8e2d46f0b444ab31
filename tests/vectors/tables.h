/* The tables of docs/protocol.md, from message.def, semantics.def and the X-macros of src/base. */
#ifndef VXC_TESTS_VECTORS_TABLES_H
#define VXC_TESTS_VECTORS_TABLES_H

#include <stdbool.h>
#include <stdio.h>

/* "legacy-requests", "legacy-replies", "requests", "replies", "events", "records", "operations" or
 * "errors"; false for another name. */
bool print_table(FILE *out, const char *name);

#endif
