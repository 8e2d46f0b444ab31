/* Output: rows of named fields on stdout, as a table, JSON, JSON lines or raw text.
 *
 *     static const char *const columns[] = {"key", "value", NULL};
 *     vxc_out_begin(out, columns);
 *     … vxc_out_bytes(out, key); vxc_out_bytes(out, value); vxc_out_end_row(out); …
 *     vxc_out_end(out);
 *
 *   table  a heading and aligned columns; what cannot be printed is escaped as \NN
 *   json   [{"key":"a","value":"b"},…]; bytes that are not UTF-8 as "key64": base64
 *   jsonl  one such object per line
 *   raw    the bytes themselves, fields with a tab between, a newline after each row
 *
 * Rows stream: nothing is kept but a table of up to VXC_OUT_TABLE_ROWS rows.
 */
#ifndef VXC_TOOLS_OUTPUT_H
#define VXC_TOOLS_OUTPUT_H

#include "base/bytes.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#define VXC_OUT_COLUMNS_MAX 16u
#define VXC_OUT_TABLE_ROWS  1000u /* rows aligned together */

enum vxc_out_mode { VXC_OUT_AUTO, VXC_OUT_TABLE, VXC_OUT_JSON, VXC_OUT_JSONL, VXC_OUT_RAW };

struct libscols_table;
struct libscols_line;

struct vxc_out {
    FILE *file; /* borrowed */
    enum vxc_out_mode mode;
    bool color;
    bool flush_rows; /* each row leaves at once: events */

    const char *const *columns; /* borrowed; ends with NULL */
    bool single;                /* one object, not a list */
    unsigned column;            /* next field of the row */
    uint64_t rows;
    bool headed; /* a heading was printed */
    struct vxc_buffer line;
    struct libscols_table *table;
    struct libscols_line *table_line;
    unsigned table_rows;
};

/* "table", "json", "jsonl", "raw"; VXC_EINVAL else. */
int vxc_out_mode_parse(const char *text, enum vxc_out_mode *mode);

/* AUTO becomes a table on a terminal, raw elsewhere. */
void vxc_out_init(struct vxc_out *out, FILE *file, enum vxc_out_mode mode, bool color);

void vxc_out_begin(struct vxc_out *out, const char *const *columns);
/* The same for what is one thing: json prints an object, not a list of one. */
void vxc_out_begin_single(struct vxc_out *out, const char *const *columns);
void vxc_out_bytes(struct vxc_out *out, struct vxc_slice bytes);
void vxc_out_text(struct vxc_out *out, const char *text);
void vxc_out_u64(struct vxc_out *out, uint64_t number);
void vxc_out_i64(struct vxc_out *out, int64_t number);
void vxc_out_bool(struct vxc_out *out, bool truth);
void vxc_out_null(struct vxc_out *out);
/* JSON written by somebody else, without newline. */
void vxc_out_json(struct vxc_out *out, struct vxc_slice json);
void vxc_out_end_row(struct vxc_out *out);
void vxc_out_end(struct vxc_out *out);

/* Bytes as they are, in every mode. */
void vxc_out_plain(struct vxc_out *out, struct vxc_slice bytes);

/* Everything is out: 0, or the errno of the first write that failed. */
int vxc_out_finish(struct vxc_out *out);

#endif
