/* Reads the committed vector files, as a client in another language does. */
#include "base/limits.h"
#include "vectors/text.h"
#include "wire/frame.h"
#include "wire/message.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

enum { COLUMNS_MAX = 7 };

struct line {
    char *text; /* owned; columns point into it */
    char *columns[COLUMNS_MAX];
    struct vxc_buffer frame; /* of the last column */
};

struct lines {
    struct line *all;
    size_t count;
};

static void parse_hex(const char *hex, struct vxc_buffer *out)
{
    for (; hex[0] != '\0' && hex[0] != '-'; hex += 2) {
        unsigned byte;
        assert_int_equal(sscanf(hex, "%2x", &byte), 1);
        assert_int_equal(vxc_buffer_put_u8(out, (uint8_t)byte), 0);
    }
}

static void parse_line(struct line *line, unsigned columns)
{
    char *at = line->text;

    for (unsigned i = 0; i < columns; i++) {
        char *end = i + 1 < columns ? strstr(at, " | ") : at + strcspn(at, "\n");
        assert_non_null(end);
        line->columns[i] = at;
        at = end + (i + 1 < columns ? 3 : 0);
        *end = '\0';
    }
    parse_hex(line->columns[columns - 1], &line->frame);
}

static struct lines read_lines(const char *path, unsigned columns)
{
    struct lines lines = {NULL, 0};
    FILE *file = fopen(path, "re");
    char *text = NULL;
    size_t capacity = 0;

    assert_non_null(file);
    while (getline(&text, &capacity, file) > 0) {
        struct line line = {.text = text};
        if (text[0] == '#') {
            continue;
        }
        parse_line(&line, columns);
        lines.all = realloc(lines.all, (lines.count + 1) * sizeof line);
        assert_non_null(lines.all);
        lines.all[lines.count++] = line;
        text = NULL;
        capacity = 0;
    }
    free(text);
    assert_int_equal(fclose(file), 0);
    return lines;
}

static void free_lines(struct lines lines)
{
    for (size_t i = 0; i < lines.count; i++) {
        free(lines.all[i].text);
        vxc_buffer_free(&lines.all[i].frame);
    }
    free(lines.all);
}

static struct lines read_vectors(void)
{
    return read_lines(VECTORS_FOLDER "/v1.txt", 7);
}

static struct vxc_frame decoded(const struct line *line, struct vxc_message *m)
{
    struct vxc_frame frame;
    uint32_t need;

    assert_int_equal(
        vxc_frame_decode(vxc_buffer_slice(&line->frame), VXC_FRAME_SIZE_MAX, &frame, &need), 0);
    assert_int_equal(frame.size, line->frame.size);
    assert_int_equal(vxc_message_decode(frame.kind, frame.payload, m), 0);
    return frame;
}

static void assert_fields(const struct vxc_message *m, const char *expected)
{
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);

    assert_non_null(out);
    text_fields(out, m);
    assert_int_equal(fclose(out), 0);
    assert_string_equal(text, expected);
    free(text);
}

static void every_vector_says_what_its_columns_say(void **state)
{
    struct lines lines = read_vectors();

    (void)state;
    for (size_t i = 0; i < lines.count; i++) {
        const struct line *line = &lines.all[i];
        struct vxc_message m;
        struct vxc_frame frame = decoded(line, &m);
        char sequence[64] = "-";
        assert_int_equal(frame.kind, strtoul(line->columns[1], NULL, 10));
        assert_int_equal(frame.flags, strtoul(line->columns[2], NULL, 10));
        assert_int_equal(frame.request_id, strtoul(line->columns[3], NULL, 10));
        if ((frame.flags & VXC_FRAME_SEQUENCED) != 0) {
            (void)snprintf(sequence, sizeof sequence, "%" PRIu64 " %" PRIu64, frame.sequence,
                           frame.floor);
        }
        assert_string_equal(sequence, line->columns[4]);
        assert_fields(&m, line->columns[5]);
    }
    free_lines(lines);
}

static void every_vector_is_encoded_to_the_same_bytes(void **state)
{
    struct lines lines = read_vectors();
    struct vxc_buffer out = {0};

    (void)state;
    for (size_t i = 0; i < lines.count; i++) {
        struct vxc_message m;
        struct vxc_frame frame = decoded(&lines.all[i], &m);
        vxc_buffer_clear(&out);
        if ((frame.flags & VXC_FRAME_SEQUENCED) != 0) {
            assert_int_equal(vxc_message_frame_sequenced(&m, frame.flags, frame.request_id,
                                                         frame.sequence, frame.floor, &out),
                             0);
        } else {
            assert_int_equal(vxc_message_frame(&m, frame.flags, frame.request_id, &out), 0);
        }
        assert_true(vxc_slice_equal(vxc_buffer_slice(&out), vxc_buffer_slice(&lines.all[i].frame)));
    }
    vxc_buffer_free(&out);
    free_lines(lines);
}

static void every_kind_has_a_vector(void **state)
{
    struct lines lines = read_vectors();
    size_t count;
    const struct vxc_message_schema *all = vxc_message_schemas(&count);

    (void)state;
    for (size_t k = 0; k < count; k++) {
        bool found = false;
        for (size_t i = 0; i < lines.count && !found; i++) {
            found = strtoul(lines.all[i].columns[1], NULL, 10) == all[k].kind;
        }
        assert_true(found);
    }
    free_lines(lines);
}

static void every_truncated_vector_asks_for_more(void **state)
{
    struct lines lines = read_vectors();

    (void)state;
    for (size_t i = 0; i < lines.count; i++) {
        struct vxc_slice whole = vxc_buffer_slice(&lines.all[i].frame);
        for (size_t size = 0; size < whole.size; size++) {
            /* a copy of its own, so that the address sanitizer sees a read past the end */
            uint8_t *copy = malloc(size + (size == 0));
            struct vxc_frame frame;
            uint32_t need;
            assert_non_null(copy);
            memcpy(copy, whole.data, size);
            assert_int_equal(
                vxc_frame_decode(vxc_slice(copy, size), VXC_FRAME_SIZE_MAX, &frame, &need),
                VXC_EBUSY);
            assert_int_equal(need, size < 8 ? 16 : whole.size);
            free(copy);
        }
    }
    free_lines(lines);
}

/* Cut within a field: refused. Cut between fields: refused below kind 100; above it what is there
 * was read, and the rest is absent. */
static void every_truncated_payload_is_refused_or_ends_between_fields(void **state)
{
    struct lines lines = read_vectors();
    struct vxc_buffer again = {0};

    (void)state;
    for (size_t i = 0; i < lines.count; i++) {
        struct vxc_message m;
        struct vxc_frame frame = decoded(&lines.all[i], &m);
        for (size_t size = 0; size < frame.payload.size; size++) {
            uint8_t *copy = malloc(size + (size == 0));
            int rv;
            assert_non_null(copy);
            memcpy(copy, frame.payload.data, size);
            rv = vxc_message_decode(frame.kind, vxc_slice(copy, size), &m);
            if (rv == 0) {
                assert_true(frame.kind >= 100);
                vxc_buffer_clear(&again);
                assert_int_equal(vxc_message_encode(&m, &again), 0);
                assert_true(again.size > size);
                assert_memory_equal(again.data, copy, size);
                for (size_t b = size; b < again.size; b++) {
                    assert_int_equal(again.data[b], 0);
                }
            } else {
                assert_int_equal(rv, VXC_EPROTO);
            }
            free(copy);
        }
    }
    vxc_buffer_free(&again);
    free_lines(lines);
}

/* A flip that makes the size larger waits for more bytes: it gets them, as zeros. */
static void every_flipped_bit_of_every_vector_is_noticed(void **state)
{
    struct lines lines = read_vectors();
    uint8_t *bytes = calloc(1, VXC_FRAME_SIZE_MAX);

    (void)state;
    assert_non_null(bytes);
    for (size_t i = 0; i < lines.count; i++) {
        struct vxc_slice whole = vxc_buffer_slice(&lines.all[i].frame);
        memcpy(bytes, whole.data, whole.size);
        for (size_t bit = 0; bit < 8 * whole.size; bit++) {
            struct vxc_frame frame;
            uint32_t need;
            int rv;
            bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
            rv = vxc_frame_decode(vxc_slice(bytes, whole.size), VXC_FRAME_SIZE_MAX, &frame, &need);
            if (rv == VXC_EBUSY) {
                assert_true(need > whole.size && need <= VXC_FRAME_SIZE_MAX);
                rv = vxc_frame_decode(vxc_slice(bytes, need), VXC_FRAME_SIZE_MAX, &frame, &need);
            }
            assert_true(rv == VXC_ECRC || rv == VXC_ETOOBIG || rv == VXC_EPROTO);
            assert_true(rv == VXC_ECRC || (bit >= 32 && bit < 64));
            bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
        }
        memset(bytes, 0, whole.size);
    }
    free(bytes);
    free_lines(lines);
}

static void every_edge_gives_the_result_that_it_names(void **state)
{
    struct lines lines = read_lines(VECTORS_FOLDER "/v1-edges.txt", 4);

    (void)state;
    assert_true(lines.count > 40);
    for (size_t i = 0; i < lines.count; i++) {
        const struct line *line = &lines.all[i];
        struct vxc_frame frame;
        struct vxc_message m;
        uint32_t need;
        int rv =
            vxc_frame_decode(vxc_buffer_slice(&line->frame), VXC_FRAME_SIZE_MAX, &frame, &need);
        if (rv == 0) {
            rv = vxc_message_decode(frame.kind, frame.payload, &m);
        }
        assert_string_equal(vxc_error_name(rv), line->columns[1]);
        if (rv == 0) {
            assert_fields(&m, line->columns[2]);
        }
    }
    free_lines(lines);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_vector_says_what_its_columns_say),
        cmocka_unit_test(every_vector_is_encoded_to_the_same_bytes),
        cmocka_unit_test(every_kind_has_a_vector),
        cmocka_unit_test(every_truncated_vector_asks_for_more),
        cmocka_unit_test(every_truncated_payload_is_refused_or_ends_between_fields),
        cmocka_unit_test(every_flipped_bit_of_every_vector_is_noticed),
        cmocka_unit_test(every_edge_gives_the_result_that_it_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
