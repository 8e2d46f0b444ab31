/* The few pieces of JSON that describing rows and commands takes. */
#include <inttypes.h>
#include <stdio.h>

#include "base/error.h"
#include "fsm/describe.h"

static void put(struct vxc_json *json, const void *data, size_t size)
{
    if (json->code == 0) {
        json->code = vxc_buffer_append(json->out, data, size);
    }
}

static void put_string(struct vxc_json *json, const char *string)
{
    put(json, string, strlen(string));
}

/* "name<suffix>":  with the comma before it. */
static void put_name(struct vxc_json *json, const char *name, const char *suffix)
{
    put_string(json, json->comma ? ",\"" : "\"");
    put_string(json, name);
    put_string(json, suffix);
    put_string(json, "\":");
    json->comma = true;
}

void vxc_json_open(struct vxc_json *json, struct vxc_buffer *out)
{
    *json = (struct vxc_json){.out = out};
    put_string(json, "{");
}

void vxc_json_close(struct vxc_json *json)
{
    put_string(json, "}");
}

void vxc_json_u64(struct vxc_json *json, const char *name, uint64_t value)
{
    char text[24];

    (void)snprintf(text, sizeof text, "%" PRIu64, value);
    put_name(json, name, "");
    put_string(json, text);
}

void vxc_json_i64(struct vxc_json *json, const char *name, int64_t value)
{
    char text[24];

    (void)snprintf(text, sizeof text, "%" PRId64, value);
    put_name(json, name, "");
    put_string(json, text);
}

void vxc_json_bool(struct vxc_json *json, const char *name, bool value)
{
    put_name(json, name, "");
    put_string(json, value ? "true" : "false");
}

void vxc_json_string(struct vxc_json *json, const char *name, const char *value)
{
    put_name(json, name, "");
    put_string(json, "\"");
    put_string(json, value);
    put_string(json, "\"");
}

/* Size of the UTF-8 sequence at `at`, 0 when it is none: no overlong forms, no surrogates. */
static size_t utf8_sequence(const uint8_t *at, size_t left)
{
    static const uint32_t smallest[] = {0, 0, 0x80, 0x800, 0x10000};
    size_t size = at[0] < 0x80             ? 1
                  : (at[0] & 0xe0) == 0xc0 ? 2
                  : (at[0] & 0xf0) == 0xe0 ? 3
                  : (at[0] & 0xf8) == 0xf0 ? 4
                                           : 0;
    uint32_t point;

    if (size <= 1 || size > left) {
        return size <= left ? size : 0;
    }
    point = at[0] & (0xffu >> (size + 1));
    for (size_t i = 1; i < size; i++) {
        if ((at[i] & 0xc0) != 0x80) {
            return 0;
        }
        point = point << 6 | (at[i] & 0x3fu);
    }
    if (point < smallest[size] || point > 0x10ffff || (point >= 0xd800 && point <= 0xdfff)) {
        return 0;
    }
    return size;
}

static bool is_utf8(struct vxc_slice bytes)
{
    for (size_t at = 0; at < bytes.size;) {
        size_t size = utf8_sequence(bytes.data + at, bytes.size - at);
        if (size == 0) {
            return false;
        }
        at += size;
    }
    return true;
}

static void put_escaped(struct vxc_json *json, struct vxc_slice text)
{
    size_t plain = 0; /* first byte not yet written */

    for (size_t at = 0; at < text.size; at++) {
        uint8_t byte = text.data[at];
        char escape[8];
        if (byte >= 0x20 && byte != '"' && byte != '\\' && byte != 0x7f) {
            continue;
        }
        if (byte == '"' || byte == '\\') {
            (void)snprintf(escape, sizeof escape, "\\%c", byte);
        } else {
            (void)snprintf(escape, sizeof escape, "\\u%04x", byte);
        }
        put(json, text.data + plain, at - plain);
        put_string(json, escape);
        plain = at + 1;
    }
    if (plain < text.size) {
        put(json, text.data + plain, text.size - plain);
    }
}

static void put_base64(struct vxc_json *json, struct vxc_slice bytes)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

    for (size_t at = 0; at < bytes.size; at += 3) {
        size_t left = bytes.size - at;
        uint32_t group = (uint32_t)bytes.data[at] << 16;
        char out[4];
        group |= left > 1 ? (uint32_t)bytes.data[at + 1] << 8 : 0;
        group |= left > 2 ? bytes.data[at + 2] : 0;
        out[0] = digits[group >> 18];
        out[1] = digits[group >> 12 & 63];
        out[2] = left > 1 ? digits[group >> 6 & 63] : '=';
        out[3] = left > 2 ? digits[group & 63] : '=';
        put(json, out, sizeof out);
    }
}

void vxc_json_bytes(struct vxc_json *json, const char *name, struct vxc_slice value)
{
    bool text = is_utf8(value);

    put_name(json, name, text ? "" : "64");
    put_string(json, "\"");
    if (text) {
        put_escaped(json, value);
    } else {
        put_base64(json, value);
    }
    put_string(json, "\"");
}

void vxc_json_hex(struct vxc_json *json, const char *name, struct vxc_slice value)
{
    put_name(json, name, "");
    put_string(json, "\"");
    for (size_t i = 0; i < value.size; i++) {
        char digits[4];
        (void)snprintf(digits, sizeof digits, "%02x", value.data[i]);
        put_string(json, digits);
    }
    put_string(json, "\"");
}

void vxc_json_array_open(struct vxc_json *json, const char *name)
{
    put_name(json, name, "");
    put_string(json, "[");
    json->comma = false;
}

void vxc_json_item_open(struct vxc_json *json)
{
    put_string(json, json->comma ? ",{" : "{");
    json->comma = false;
}

void vxc_json_item_close(struct vxc_json *json)
{
    put_string(json, "}");
    json->comma = true;
}

void vxc_json_array_close(struct vxc_json *json)
{
    put_string(json, "]");
    json->comma = true;
}
