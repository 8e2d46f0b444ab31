#include "tools/vxc/text.h"

#include "base/error.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

/* ---- UTF-8 ---- */

/* Size of the well-formed sequence at `p`, 0 when there is none. */
static size_t sequence_size(const uint8_t *p, size_t left)
{
    const uint8_t b = p[0];
    size_t size;
    uint32_t point;

    if (b < 0x80) {
        return 1;
    }
    if (b >= 0xc2 && b <= 0xdf) {
        size = 2, point = b & 0x1f;
    } else if (b >= 0xe0 && b <= 0xef) {
        size = 3, point = b & 0x0f;
    } else if (b >= 0xf0 && b <= 0xf4) {
        size = 4, point = b & 0x07;
    } else {
        return 0;
    }
    if (left < size) {
        return 0;
    }
    for (size_t i = 1; i < size; i++) {
        if ((p[i] & 0xc0) != 0x80) {
            return 0;
        }
        point = point << 6 | (p[i] & 0x3fu);
    }
    const bool overlong = (size == 3 && point < 0x800) || (size == 4 && point < 0x10000);
    const bool surrogate = point >= 0xd800 && point <= 0xdfff;
    return overlong || surrogate || point > 0x10ffff ? 0 : size;
}

bool vxc_text_is_utf8(struct vxc_slice bytes)
{
    for (size_t at = 0; at < bytes.size;) {
        const size_t size = sequence_size(bytes.data + at, bytes.size - at);
        if (size == 0) {
            return false;
        }
        at += size;
    }
    return true;
}

/* C0 and C1 control characters move cursors and change colours. */
static bool is_control(const uint8_t *p, size_t size)
{
    return (size == 1 && (p[0] < 0x20 || p[0] == 0x7f)) ||
           (size == 2 && p[0] == 0xc2 && p[1] < 0xa0);
}

bool vxc_text_is_printable(struct vxc_slice bytes)
{
    for (size_t at = 0; at < bytes.size;) {
        const size_t size = sequence_size(bytes.data + at, bytes.size - at);
        if (size == 0 || is_control(bytes.data + at, size)) {
            return false;
        }
        at += size;
    }
    return true;
}

int vxc_text_escape(struct vxc_buffer *out, struct vxc_slice bytes)
{
    for (size_t at = 0; at < bytes.size;) {
        const uint8_t *p = bytes.data + at;
        size_t size = sequence_size(p, bytes.size - at);
        char hex[8];
        int rc;
        if (size == 0 || is_control(p, size) || (size == 1 && p[0] == '\\')) {
            size = size == 0 ? 1 : size;
            rc = VXC_OK;
            for (size_t i = 0; rc == VXC_OK && i < size; i++) {
                const int n = snprintf(hex, sizeof hex, "\\%02x", p[i]);
                rc = vxc_buffer_append(out, hex, (size_t)n);
            }
        } else {
            rc = vxc_buffer_append(out, p, size);
        }
        if (rc != VXC_OK) {
            return rc;
        }
        at += size;
    }
    return VXC_OK;
}

/* ---- JSON ---- */

static int json_escape_of(uint8_t byte, char out[8])
{
    static const char letters[] = "btn.fr"; /* of 8 … 13 */

    if (byte == '"' || byte == '\\') {
        return snprintf(out, 8, "\\%c", byte);
    }
    if (byte >= 8 && byte <= 13 && byte != 11) {
        return snprintf(out, 8, "\\%c", letters[byte - 8]);
    }
    return snprintf(out, 8, "\\u%04x", byte);
}

int vxc_text_json_string(struct vxc_buffer *out, struct vxc_slice bytes)
{
    size_t plain = 0; /* where the run of bytes that need no escape begins */
    int rc = vxc_buffer_put_u8(out, '"');

    for (size_t at = 0; rc == VXC_OK && at < bytes.size; at++) {
        const uint8_t b = bytes.data[at];
        char escape[8];
        if (b >= 0x20 && b != '"' && b != '\\' && b != 0x7f) {
            continue;
        }
        const int size = json_escape_of(b, escape);
        rc = vxc_buffer_append(out, bytes.data + plain, at - plain);
        if (rc == VXC_OK) {
            rc = vxc_buffer_append(out, escape, (size_t)size);
        }
        plain = at + 1;
    }
    if (rc == VXC_OK && plain < bytes.size) {
        rc = vxc_buffer_append(out, bytes.data + plain, bytes.size - plain);
    }
    return rc == VXC_OK ? vxc_buffer_put_u8(out, '"') : rc;
}

int vxc_text_json_member(struct vxc_buffer *out, const char *name, struct vxc_slice bytes)
{
    const bool text = vxc_text_is_utf8(bytes);
    int rc = vxc_buffer_put_u8(out, '"');

    if (rc == VXC_OK) {
        rc = vxc_buffer_append(out, name, strlen(name));
    }
    if (rc == VXC_OK) {
        rc = vxc_buffer_append(out, text ? "\":" : "64\":\"", text ? 2 : 5);
    }
    if (rc != VXC_OK) {
        return rc;
    }
    if (text) {
        return vxc_text_json_string(out, bytes);
    }
    rc = vxc_text_base64(out, bytes);
    return rc == VXC_OK ? vxc_buffer_put_u8(out, '"') : rc;
}

/* ---- base64, hex ---- */

static const char base64_digits[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

int vxc_text_base64(struct vxc_buffer *out, struct vxc_slice bytes)
{
    int rc = vxc_buffer_reserve(out, (bytes.size + 2) / 3 * 4);

    for (size_t at = 0; rc == VXC_OK && at < bytes.size; at += 3) {
        const size_t left = bytes.size - at;
        uint32_t group = (uint32_t)bytes.data[at] << 16;
        group |= left > 1 ? (uint32_t)bytes.data[at + 1] << 8 : 0;
        group |= left > 2 ? bytes.data[at + 2] : 0;
        const char four[4] = {base64_digits[group >> 18], base64_digits[group >> 12 & 63],
                              left > 1 ? base64_digits[group >> 6 & 63] : '=',
                              left > 2 ? base64_digits[group & 63] : '='};
        rc = vxc_buffer_append(out, four, sizeof four);
    }
    return rc;
}

static int base64_value(uint8_t digit)
{
    const char *found = digit == '\0' ? NULL : strchr(base64_digits, digit);
    return found == NULL ? -1 : (int)(found - base64_digits);
}

int vxc_text_base64_decode(struct vxc_slice text, struct vxc_buffer *out)
{
    if (text.size % 4 != 0) {
        return VXC_EINVAL;
    }
    for (size_t at = 0; at < text.size; at += 4) {
        const uint8_t *p = text.data + at;
        const bool last = at + 4 == text.size;
        const size_t pad = last && p[3] == '=' ? (p[2] == '=' ? 2 : 1) : 0;
        uint32_t group = 0;
        for (size_t i = 0; i < 4; i++) {
            const int value = i >= 4 - pad ? 0 : base64_value(p[i]);
            if (value < 0) {
                return VXC_EINVAL;
            }
            group = group << 6 | (uint32_t)value;
        }
        const uint8_t three[3] = {(uint8_t)(group >> 16), (uint8_t)(group >> 8), (uint8_t)group};
        const int rc = vxc_buffer_append(out, three, 3 - pad);
        if (rc != VXC_OK) {
            return rc;
        }
    }
    return VXC_OK;
}

int vxc_text_hex_decode(const char *text, uint8_t *out, size_t size)
{
    static const char digits[] = "0123456789abcdef";

    if (strlen(text) != 2 * size) {
        return VXC_EINVAL;
    }
    for (size_t i = 0; i < 2 * size; i++) {
        const char *found = strchr(digits, text[i]);
        if (found == NULL || text[i] == '\0') {
            return VXC_EINVAL;
        }
        out[i / 2] = (uint8_t)(out[i / 2] << 4 | (found - digits));
    }
    return VXC_OK;
}

/* ---- numbers ---- */

int vxc_text_u64(const char *text, uint64_t *number)
{
    uint64_t n = 0;

    if (*text == '\0') {
        return VXC_EINVAL;
    }
    for (; *text != '\0'; text++) {
        const unsigned digit = (unsigned)(*text - '0');
        if (digit > 9 || n > (UINT64_MAX - digit) / 10) {
            return VXC_EINVAL;
        }
        n = n * 10 + digit;
    }
    *number = n;
    return VXC_OK;
}

int vxc_text_i64(const char *text, int64_t *number)
{
    const bool negative = *text == '-';
    uint64_t n;

    if (vxc_text_u64(negative || *text == '+' ? text + 1 : text, &n) != VXC_OK) {
        return VXC_EINVAL;
    }
    if (n > (uint64_t)INT64_MAX + (negative ? 1 : 0)) {
        return VXC_EINVAL;
    }
    *number = negative ? (int64_t)(0 - n) : (int64_t)n;
    return VXC_OK;
}

int vxc_text_duration(const char *text, uint64_t *ms)
{
    static const struct {
        const char *unit;
        uint64_t ms;
    } units[] = {{"ms", 1}, {"s", 1000}, {"m", 60000}, {"h", 3600000}};
    const size_t digits = strspn(text, "0123456789");
    char number[21];
    uint64_t n;

    if (digits == 0 || digits >= sizeof number) {
        return VXC_EINVAL;
    }
    memcpy(number, text, digits);
    number[digits] = '\0';
    if (vxc_text_u64(number, &n) != VXC_OK || n == 0) {
        return VXC_EINVAL;
    }
    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++) {
        if (strcmp(text + digits, units[i].unit) == 0) {
            /* a year is for ever */
            *ms = n > 31536000000ull / units[i].ms ? 31536000000ull : n * units[i].ms;
            return VXC_OK;
        }
    }
    return VXC_EINVAL;
}

/* ---- did you mean ---- */

#define WORD_SIZE_MAX 32u

/* Levenshtein's distance, where two neighbours exchanged count once. */
static size_t distance(const char *a, const char *b)
{
    const size_t m = strlen(a), n = strlen(b);
    size_t rows[3][WORD_SIZE_MAX + 1];

    if (m > WORD_SIZE_MAX || n > WORD_SIZE_MAX) {
        return SIZE_MAX;
    }
    for (size_t j = 0; j <= n; j++) {
        rows[0][j] = j;
    }
    for (size_t i = 1; i <= m; i++) {
        size_t *row = rows[i % 3], *up = rows[(i - 1) % 3], *up2 = rows[(i + 1) % 3];
        row[0] = i;
        for (size_t j = 1; j <= n; j++) {
            size_t best = up[j - 1] + (a[i - 1] != b[j - 1]);
            best = up[j] + 1 < best ? up[j] + 1 : best;
            best = row[j - 1] + 1 < best ? row[j - 1] + 1 : best;
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
                best = up2[j - 2] + 1 < best ? up2[j - 2] + 1 : best;
            }
            row[j] = best;
        }
    }
    return rows[m % 3][n];
}

const char *vxc_text_suggest(const char *word, const char *const *words, size_t count)
{
    const size_t size = strlen(word);
    size_t nearest = size <= 3 ? 2 : size / 2 < 3 ? size / 2 + 1 : 4; /* first that is too far */
    const char *found = NULL;

    for (size_t i = 0; i < count; i++) {
        const bool begins = size >= 3 && strncmp(word, words[i], size) == 0;
        const size_t far = begins ? 1 : distance(word, words[i]);
        if (far < nearest) {
            nearest = far;
            found = words[i];
        }
    }
    return found;
}
