/* An image that comes in pieces: cut anywhere, damaged anywhere, it becomes the same file or none. */
#include "state_model.h"

#include <stdio.h>

#include "storage/image.h"
#include "storage/image_arrival.h"

struct fixture {
    struct driver d;
    char image[4200];
    char arrived[4200];
    uint8_t *bytes; /* of the image */
    size_t size;
    struct vxc_image_info info;
    struct vxc_image_arrival arrival;
    struct vxc_error err;
};

static void read_file(const char *path, uint8_t **bytes, size_t *size)
{
    FILE *file = fopen(path, "rb");

    assert_non_null(file);
    assert_int_equal(fseek(file, 0, SEEK_END), 0);
    *size = (size_t)ftell(file);
    rewind(file);
    *bytes = malloc(*size + 1);
    assert_int_equal(fread(*bytes, 1, *size, file), *size);
    (void)fclose(file);
}

static void init(struct fixture *f, int changes)
{
    const struct vxc_image_write_options options = {
        .compression = VXC_IMAGE_LZ4, .cluster_id = {1, 2, 3}, .node_id = 7, .chunk_size = 4096};

    memset(f, 0, sizeof *f);
    f->arrival.fd = -1;
    driver_init(&f->d, 3, true);
    (void)snprintf(f->image, sizeof f->image, "%s/image", f->d.folder);
    (void)snprintf(f->arrived, sizeof f->arrived, "%s/arrived", f->d.folder);
    for (int i = 0; i < changes; i++) {
        f->d.index++;
        change_plain(&f->d);
    }
    driver_flush(&f->d);
    assert_int_equal(vxc_image_write(f->d.store, f->image, &options, NULL, &f->info, &f->err), 0);
    read_file(f->image, &f->bytes, &f->size);
    assert_int_equal(f->size, f->info.file_bytes);
}

static void deinit(struct fixture *f)
{
    vxc_image_arrival_end(&f->arrival);
    free(f->bytes);
    (void)remove(f->image);
    (void)remove(f->arrived);
    driver_deinit(&f->d);
}

static void begin(struct fixture *f, uint64_t size)
{
    vxc_image_arrival_end(&f->arrival);
    assert_int_equal(vxc_image_arrival_begin(f->arrived, size, &f->arrival, &f->err), 0);
}

/* From where the arrival stands to `end`, in pieces of at most `piece` bytes. */
static int give(struct fixture *f, const uint8_t *bytes, uint64_t end, size_t piece)
{
    int rv = 0;

    while (rv == 0 && vxc_image_arrival_next(&f->arrival) < end) {
        uint64_t at = vxc_image_arrival_next(&f->arrival);
        size_t size = end - at < piece ? (size_t)(end - at) : piece;

        rv = vxc_image_arrival_take(&f->arrival, vxc_slice(bytes + at, size), &f->err);
    }
    return rv;
}

static void check_arrived(struct fixture *f)
{
    uint8_t *bytes;
    size_t size;

    assert_true(f->arrival.ended);
    assert_int_equal(f->arrival.good, f->size);
    assert_int_equal(f->arrival.info.chunks, f->info.chunks);
    assert_int_equal(f->arrival.info.applied_index, f->info.applied_index);
    assert_memory_equal(f->arrival.info.sha256, f->info.sha256, sizeof f->info.sha256);
    read_file(f->arrived, &bytes, &size);
    assert_int_equal(size, f->size);
    assert_memory_equal(bytes, f->bytes, size);
    free(bytes);
}

static void pieces_of_every_size_become_the_same_file(void **state)
{
    static const size_t sizes[] = {1, 3, 15, 16, 17, 24, 100, 4095, 4096, 4097, 65536, SIZE_MAX};
    struct fixture f;

    (void)state;
    init(&f, 400);
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        begin(&f, f.size);
        assert_int_equal(give(&f, f.bytes, f.size, sizes[i]), 0);
        check_arrived(&f);
    }
    deinit(&f);
}

/* The file has only whole, checked parts at every moment, so a cut leaves nothing to be believed. */
static void a_cut_at_every_byte_leaves_whole_parts_and_goes_on(void **state)
{
    struct fixture f;

    (void)state;
    init(&f, 12);
    for (uint64_t cut = 0; cut < f.size; cut++) {
        struct vxc_image_info info;

        begin(&f, f.size);
        assert_int_equal(give(&f, f.bytes, cut, 4096), 0);
        assert_false(f.arrival.ended);
        assert_true(f.arrival.good <= cut);
        if (cut % 64 == 0) { /* reading it takes its time */
            assert_int_equal(vxc_image_inspect(f.arrived, NULL, &info, &f.err), VXC_ECORRUPT);
        }
        assert_int_equal(give(&f, f.bytes, f.size, 4096), 0);
        assert_true(f.arrival.ended);
    }
    check_arrived(&f);
    deinit(&f);
}

static void a_flipped_bit_at_every_byte_is_refused_and_comes_again(void **state)
{
    struct fixture f;
    uint8_t *bad;

    (void)state;
    init(&f, 12);
    bad = malloc(f.size);
    memcpy(bad, f.bytes, f.size);
    for (uint64_t at = 0; at < f.size; at++) {
        int rv;

        begin(&f, f.size);
        bad[at] ^= (uint8_t)(1u << (at % 8));
        rv = give(&f, bad, f.size, 1000);
        assert_true(rv == VXC_ECORRUPT || rv == VXC_EVERSION);
        assert_true(f.arrival.good <= at); /* nothing at or behind the place was kept */
        assert_int_equal(vxc_image_arrival_next(&f.arrival), f.arrival.good);
        bad[at] = f.bytes[at];
        assert_int_equal(give(&f, f.bytes, f.size, 1000), 0);
        assert_true(f.arrival.ended);
    }
    check_arrived(&f);
    free(bad);
    deinit(&f);
}

static void another_size_than_announced_is_refused(void **state)
{
    struct fixture f;
    uint8_t *more;

    (void)state;
    init(&f, 12);
    assert_int_equal(vxc_image_arrival_begin(f.arrived, 20, &f.arrival, &f.err), VXC_ECORRUPT);
    f.arrival.fd = -1;
    more = calloc(1, f.size + 1);
    memcpy(more, f.bytes, f.size);
    begin(&f, f.size + 1); /* the trailer comes too early */
    assert_int_equal(give(&f, more, f.size + 1, 4096), VXC_ECORRUPT);
    assert_false(f.arrival.ended);
    begin(&f, f.size - 1); /* and never */
    assert_int_equal(give(&f, f.bytes, f.size - 1, 4096), VXC_ECORRUPT);
    begin(&f, f.size);
    assert_int_equal(vxc_image_arrival_take(&f.arrival, vxc_slice(more, f.size + 1), &f.err),
                     VXC_ECORRUPT);
    assert_int_equal(give(&f, f.bytes, f.size, 4096), 0);
    check_arrived(&f);
    free(more);
    deinit(&f);
}

/* Parts of another image fit this one by their own checksums, but not by their number. */
static void a_chunk_in_the_wrong_place_is_refused(void **state)
{
    struct fixture f;
    uint64_t first;
    uint64_t second;

    (void)state;
    init(&f, 400);
    assert_true(f.info.chunks > 2);
    begin(&f, f.size);
    while (f.arrival.info.chunks < 1) {
        assert_int_equal(give(&f, f.bytes, vxc_image_arrival_next(&f.arrival) + 1, 1), 0);
    }
    first = f.arrival.good;
    while (f.arrival.info.chunks < 2) {
        assert_int_equal(give(&f, f.bytes, vxc_image_arrival_next(&f.arrival) + 1, 1), 0);
    }
    second = f.arrival.good;
    assert_int_equal(vxc_image_arrival_take(
                         &f.arrival, vxc_slice(f.bytes + first, (size_t)(second - first)), &f.err),
                     VXC_ECORRUPT);
    assert_int_equal(give(&f, f.bytes, f.size, 4096), 0);
    check_arrived(&f);
    deinit(&f);
}

/* What a former life has left of the file: `size` bytes of it, of which one may be another. */
static void leave_file(struct fixture *f, uint64_t size, uint64_t flipped)
{
    FILE *file = fopen(f->arrived, "wb");

    vxc_image_arrival_end(&f->arrival);
    assert_non_null(file);
    f->bytes[flipped] ^= flipped < f->size;
    assert_int_equal(fwrite(f->bytes, 1, (size_t)size, file), size);
    f->bytes[flipped] ^= flipped < f->size;
    assert_int_equal(fclose(file), 0);
}

static void look_through(struct fixture *f)
{
    assert_int_equal(vxc_image_arrival_resume(f->arrived, f->size, &f->arrival, &f->err), 0);
    while (f->arrival.again) {
        assert_int_equal(vxc_image_arrival_look(&f->arrival, &f->err), 0);
    }
}

static void what_a_former_life_has_left_is_gone_on_with_from_its_last_whole_part(void **state)
{
    struct fixture f;
    uint64_t whole = 0; /* where the last whole part of what was given ends */

    (void)state;
    init(&f, 40);
    for (uint64_t size = 0; size <= f.size; size++) {
        begin(&f, f.size);
        assert_int_equal(give(&f, f.bytes, size, SIZE_MAX), 0);
        whole = f.arrival.good;
        leave_file(&f, size, f.size);
        look_through(&f);
        assert_int_equal(f.arrival.good, whole);
        assert_int_equal(f.arrival.ended, size == f.size);
        assert_int_equal(give(&f, f.bytes, f.size, SIZE_MAX), 0);
        check_arrived(&f);
    }
    for (uint64_t at = 0; at < f.size; at += 7) { /* a power failure has spoilt it */
        leave_file(&f, f.size, at);
        look_through(&f);
        assert_in_range(f.arrival.good, 0, at);
        assert_int_equal(give(&f, f.bytes, f.size, SIZE_MAX), 0);
        check_arrived(&f);
    }
    deinit(&f);
}

static void a_note_is_of_one_image_only(void **state)
{
    const struct vxc_image_source source = {.peer = 1, .image = 2, .file_bytes = 3, .index = 4};
    struct vxc_image_source other;
    struct fixture f;

    (void)state;
    init(&f, 1);
    assert_false(vxc_image_source_is(f.arrived, &source));
    assert_int_equal(vxc_image_source_write(f.arrived, &source, &f.err), 0);
    assert_true(vxc_image_source_is(f.arrived, &source));
    for (int i = 0; i < 4; i++) {
        other = source;
        *(i == 0   ? &other.peer
          : i == 1 ? &other.image
          : i == 2 ? &other.file_bytes
                   : &other.index) += 1;
        assert_false(vxc_image_source_is(f.arrived, &other));
    }
    for (int size = 0; size < 48; size++) {
        assert_int_equal(truncate(f.arrived, size), 0);
        assert_false(vxc_image_source_is(f.arrived, &source));
        assert_int_equal(vxc_image_source_write(f.arrived, &source, &f.err), 0);
    }
    deinit(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pieces_of_every_size_become_the_same_file),
        cmocka_unit_test(a_cut_at_every_byte_leaves_whole_parts_and_goes_on),
        cmocka_unit_test(a_flipped_bit_at_every_byte_is_refused_and_comes_again),
        cmocka_unit_test(another_size_than_announced_is_refused),
        cmocka_unit_test(a_chunk_in_the_wrong_place_is_refused),
        cmocka_unit_test(what_a_former_life_has_left_is_gone_on_with_from_its_last_whole_part),
        cmocka_unit_test(a_note_is_of_one_image_only),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
