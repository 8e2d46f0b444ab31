/* Text: how bytes, numbers and times stand on command lines, in JSON and in tables. Pure. */
#ifndef VXC_TOOLS_TEXT_H
#define VXC_TOOLS_TEXT_H

#include "base/bytes.h"

#include <stdbool.h>
#include <stdint.h>

/* Strict UTF-8: no overlong forms, no surrogates, nothing above U+10FFFF. */
bool vxc_text_is_utf8(struct vxc_slice bytes);
/* UTF-8 without control characters: may go to a terminal as it is. */
bool vxc_text_is_printable(struct vxc_slice bytes);

/* Appends a JSON string with its quotes; `bytes` must be UTF-8. 0 or VXC_ENOMEM. */
int vxc_text_json_string(struct vxc_buffer *out, struct vxc_slice bytes);
/* Appends "name":"…", or "name64":"<base64>" when the bytes are not UTF-8. */
int vxc_text_json_member(struct vxc_buffer *out, const char *name, struct vxc_slice bytes);

int vxc_text_base64(struct vxc_buffer *out, struct vxc_slice bytes);
/* RFC 4648 with padding; VXC_EINVAL for anything else. */
int vxc_text_base64_decode(struct vxc_slice text, struct vxc_buffer *out);

/* Appends the bytes with everything that is not printable as \NN, as mdb_dump -p does: for tables
 * and messages. */
int vxc_text_escape(struct vxc_buffer *out, struct vxc_slice bytes);

/* "500ms", "2s", "1m", "1h" → milliseconds, at least 1. */
int vxc_text_duration(const char *text, uint64_t *ms);
/* Decimal numbers, nothing around them. */
int vxc_text_u64(const char *text, uint64_t *number);
int vxc_text_i64(const char *text, int64_t *number);
/* Lower-case hex. */
int vxc_text_hex_decode(const char *text, uint8_t *out, size_t size);

/* The nearest of `count` words if it is near enough to be meant, else NULL. */
const char *vxc_text_suggest(const char *word, const char *const *words, size_t count);

#endif
