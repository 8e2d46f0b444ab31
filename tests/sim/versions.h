/* Versions: what each key held from which place in the log on, from commands and their answers
 * alone. */
#ifndef VXC_TESTS_SIM_VERSIONS_H
#define VXC_TESTS_SIM_VERSIONS_H

#include "witness.h"

struct versions *versions_create(void);
/* Takes away what is due by `stamp_ms`. */
void versions_begin_entry(struct versions *versions, uint64_t index, uint64_t stamp_ms);
/* A command was carried out. */
void versions_note(struct versions *versions, uint64_t index, uint32_t position,
                   const struct vxc_command *command, const struct vxc_result *result);
/* NULL when it never held anything. */
const struct version *versions_of(struct versions *versions, char what, const char *name,
                                  const char *key, size_t *count);

#endif
