/* Text of the vector files: fields of a message, bytes as hex. The grammar is in docs/protocol.md.
 */
#ifndef VXC_TESTS_VECTORS_TEXT_H
#define VXC_TESTS_VECTORS_TEXT_H

#include "base/bytes.h"
#include "wire/message.h"

#include <stdio.h>

/* field=value … of a decoded message, "-" when it has none. */
void text_fields(FILE *out, const struct vxc_message *message);
/* Types of its fields for the documentation: "map: bytes, key: bytes". */
void text_field_types(FILE *out, const struct vxc_message_schema *schema);
/* Lower-case hex, "-" when empty. */
void text_hex(FILE *out, struct vxc_slice bytes);

#endif
