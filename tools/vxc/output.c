#include "tools/vxc/output.h"

#include "base/check.h"
#include "base/error.h"
#include "tools/vxc/text.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <libsmartcols/libsmartcols.h>
#include <stdlib.h>
#include <unistd.h>

int vxc_out_mode_parse(const char *text, enum vxc_out_mode *mode)
{
    static const struct {
        const char *name;
        enum vxc_out_mode mode;
    } modes[] = {{"table", VXC_OUT_TABLE},
                 {"json", VXC_OUT_JSON},
                 {"jsonl", VXC_OUT_JSONL},
                 {"raw", VXC_OUT_RAW}};

    for (size_t i = 0; i < sizeof modes / sizeof modes[0]; i++) {
        if (strcmp(text, modes[i].name) == 0) {
            *mode = modes[i].mode;
            return VXC_OK;
        }
    }
    return VXC_EINVAL;
}

void vxc_out_init(struct vxc_out *out, FILE *file, enum vxc_out_mode mode, bool color)
{
    const bool terminal = isatty(fileno(file)) == 1;

    *out = (struct vxc_out){.file = file, .mode = mode, .color = color && terminal};
    if (mode == VXC_OUT_AUTO) {
        out->mode = terminal ? VXC_OUT_TABLE : VXC_OUT_RAW;
    }
}

static void keep(int rc)
{
    if (rc != VXC_OK) {
        vxc_fatal("out of memory for the output");
    }
}

static bool is_json(const struct vxc_out *out)
{
    return out->mode == VXC_OUT_JSON || out->mode == VXC_OUT_JSONL;
}

/* ---- tables ---- */

static void begin_table(struct vxc_out *out)
{
    const bool terminal = isatty(fileno(out->file)) == 1;

    out->table = scols_new_table();
    if (out->table == NULL) {
        vxc_fatal("out of memory for the output");
    }
    (void)scols_table_set_stream(out->table, out->file);
    (void)scols_table_enable_noheadings(out->table, out->headed ? 1 : 0);
    (void)scols_table_enable_colors(out->table, out->color ? 1 : 0);
    for (size_t i = 0; out->columns[i] != NULL; i++) {
        char heading[64];
        size_t n = 0;
        for (; out->columns[i][n] != '\0' && n + 1 < sizeof heading; n++) {
            heading[n] = out->columns[i][n] == '_' ? ' ' : (char)toupper(out->columns[i][n]);
        }
        heading[n] = '\0';
        /* Only the last column gives way to the width of a terminal. */
        const bool last = out->columns[i + 1] == NULL;
        struct libscols_column *column = scols_table_new_column(
            out->table, heading, last ? 0.5 : 1, terminal && last ? SCOLS_FL_TRUNC : 0);
        /* What cannot be printed is escaped before; the library shall not escape the escapes. */
        if (column == NULL || scols_column_set_safechars(column, "\\") != 0) {
            vxc_fatal("out of memory for the output");
        }
    }
    out->table_rows = 0;
}

static void print_table(struct vxc_out *out)
{
    if (out->table == NULL) {
        return;
    }
    if (out->table_rows > 0) {
        (void)scols_print_table(out->table); /* a failed write shows in ferror() at the end */
        out->headed = true;
    }
    scols_unref_table(out->table);
    out->table = NULL;
}

static void put_cell(struct vxc_out *out, const char *text)
{
    keep(scols_line_set_data(out->table_line, out->column, text) == 0 ? VXC_OK : VXC_ENOMEM);
}

/* ---- rows ---- */

static void begin(struct vxc_out *out, const char *const *columns, bool single)
{
    out->columns = columns;
    out->single = single;
    out->rows = 0;
    out->headed = false;
}

void vxc_out_begin(struct vxc_out *out, const char *const *columns)
{
    begin(out, columns, false);
}

void vxc_out_begin_single(struct vxc_out *out, const char *const *columns)
{
    begin(out, columns, true);
}

/* Before each field: what stands between it and the one before, and its name. */
static void begin_field(struct vxc_out *out)
{
    vxc_check(out->columns[out->column] != NULL);
    if (out->column == 0) {
        vxc_buffer_clear(&out->line);
        if (is_json(out)) {
            keep(vxc_buffer_put_u8(&out->line, '{'));
        } else if (out->mode == VXC_OUT_TABLE) {
            if (out->table == NULL) {
                begin_table(out);
            }
            out->table_line = scols_table_new_line(out->table, NULL);
            keep(out->table_line == NULL ? VXC_ENOMEM : VXC_OK);
        }
    } else if (is_json(out)) {
        keep(vxc_buffer_put_u8(&out->line, ','));
    } else if (out->mode == VXC_OUT_RAW) {
        keep(vxc_buffer_put_u8(&out->line, '\t'));
    }
}

static void put_string(struct vxc_buffer *buffer, const char *text)
{
    keep(vxc_buffer_append(buffer, text, strlen(text)));
}

/* A field whose text is the same in all forms. */
static void put_literal(struct vxc_out *out, const char *text)
{
    begin_field(out);
    if (out->mode == VXC_OUT_TABLE) {
        put_cell(out, text);
    } else {
        if (is_json(out)) {
            keep(vxc_text_json_string(&out->line, vxc_slice_of_string(out->columns[out->column])));
            keep(vxc_buffer_put_u8(&out->line, ':'));
        }
        put_string(&out->line, text);
    }
    out->column++;
}

void vxc_out_bytes(struct vxc_out *out, struct vxc_slice bytes)
{
    begin_field(out);
    if (is_json(out)) {
        keep(vxc_text_json_member(&out->line, out->columns[out->column], bytes));
    } else if (out->mode == VXC_OUT_RAW) {
        keep(vxc_buffer_append(&out->line, bytes.data, bytes.size));
    } else {
        struct vxc_buffer escaped = {0};
        keep(vxc_text_escape(&escaped, bytes));
        keep(vxc_buffer_put_u8(&escaped, 0));
        put_cell(out, (const char *)escaped.data);
        vxc_buffer_free(&escaped);
    }
    out->column++;
}

void vxc_out_text(struct vxc_out *out, const char *text)
{
    vxc_out_bytes(out, vxc_slice_of_string(text));
}

void vxc_out_u64(struct vxc_out *out, uint64_t number)
{
    char text[24];
    (void)snprintf(text, sizeof text, "%" PRIu64, number);
    put_literal(out, text);
}

void vxc_out_i64(struct vxc_out *out, int64_t number)
{
    char text[24];
    (void)snprintf(text, sizeof text, "%" PRId64, number);
    put_literal(out, text);
}

void vxc_out_bool(struct vxc_out *out, bool truth)
{
    put_literal(out, is_json(out) ? (truth ? "true" : "false") : (truth ? "yes" : "no"));
}

void vxc_out_null(struct vxc_out *out)
{
    put_literal(out, is_json(out) ? "null" : "");
}

void vxc_out_json(struct vxc_out *out, struct vxc_slice json)
{
    begin_field(out);
    if (is_json(out)) {
        keep(vxc_text_json_string(&out->line, vxc_slice_of_string(out->columns[out->column])));
        keep(vxc_buffer_put_u8(&out->line, ':'));
    }
    if (out->mode == VXC_OUT_TABLE) {
        struct vxc_buffer cell = {0};
        keep(vxc_buffer_append(&cell, json.data, json.size));
        keep(vxc_buffer_put_u8(&cell, 0));
        put_cell(out, (const char *)cell.data);
        vxc_buffer_free(&cell);
    } else {
        keep(vxc_buffer_append(&out->line, json.data, json.size));
    }
    out->column++;
}

void vxc_out_end_row(struct vxc_out *out)
{
    vxc_check(out->columns[out->column] == NULL);
    out->column = 0;
    if (out->mode == VXC_OUT_TABLE) {
        out->table_rows++;
        if (out->table_rows == VXC_OUT_TABLE_ROWS || out->flush_rows) {
            print_table(out);
        }
    } else {
        if (is_json(out)) {
            keep(vxc_buffer_put_u8(&out->line, '}'));
        }
        if (out->mode == VXC_OUT_JSON && !out->single) {
            (void)fputs(out->rows > 0 ? ",\n " : "[", out->file);
        } else {
            keep(vxc_buffer_put_u8(&out->line, '\n'));
        }
        (void)fwrite(out->line.data, 1, out->line.size, out->file); /* seen by finish */
    }
    if (out->flush_rows) {
        (void)fflush(out->file);
    }
    out->rows++;
}

void vxc_out_end(struct vxc_out *out)
{
    if (out->mode == VXC_OUT_TABLE) {
        print_table(out);
    } else if (out->mode == VXC_OUT_JSON && !out->single) {
        (void)fputs(out->rows > 0 ? "]\n" : "[]\n", out->file);
    }
}

void vxc_out_plain(struct vxc_out *out, struct vxc_slice bytes)
{
    (void)fwrite(bytes.data, 1, bytes.size, out->file); /* seen by finish */
}

int vxc_out_finish(struct vxc_out *out)
{
    int failed = 0;

    errno = 0;
    if (fflush(out->file) != 0 || ferror(out->file)) {
        failed = errno != 0 ? errno : EIO;
    }
    vxc_buffer_free(&out->line);
    return failed;
}
