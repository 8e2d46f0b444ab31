/* The vote: survives reopening, heals one damaged copy, never guesses when both are damaged. */
#include "log_fixture.h"

#include "base/bytes.h"
#include "base/crc.h"
#include "storage/vote.h"

enum { VOTE_SIZE = 64 };

static char path[PATH_SIZE];

static int setup(void **state)
{
    (void)state;
    folder_make(path);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    folder_remove(path);
    return 0;
}

static const char *copy_name(char c)
{
    static char name[2][2 * PATH_SIZE];

    snprintf(name[c - 'a'], sizeof name[0], "%s/vote-%c", path, c);
    return name[c - 'a'];
}

static int vote_load(struct vxc_vote *vote, struct vxc_error *err)
{
    struct vxc_vote_file *file;
    int rv = vxc_vote_open(path, 0, NODE, &file, vote, err);

    if (rv == 0) {
        vxc_vote_close(file);
    }
    return rv;
}

/* Leaves a pair with term 6, vote 2 and before that term 5, vote 3. */
static void vote_make(void)
{
    struct vxc_vote_file *file;
    struct vxc_vote vote;
    struct vxc_error err = {0};

    folder_empty(path);
    assert_int_equal(vxc_vote_open(path, 1, NODE, &file, &vote, &err), 0);
    assert_int_equal(vote.term, 0);
    assert_int_equal(vote.voted_for, 0);
    vxc_vote_store(file, &(struct vxc_vote){5, 3});
    vxc_vote_store(file, &(struct vxc_vote){6, 2});
    vxc_vote_close(file);
}

static void a_stored_vote_comes_back(void **state)
{
    struct vxc_error err = {0};
    struct vxc_vote vote;

    (void)state;
    assert_int_equal(vote_load(&vote, &err), VXC_ENOTFOUND);
    vote_make();
    assert_int_equal(vote_load(&vote, &err), 0);
    assert_int_equal(vote.term, 6);
    assert_int_equal(vote.voted_for, 2);
}

static void every_flipped_bit_of_one_copy_is_healed(void **state)
{
    struct vxc_error err = {0};
    struct vxc_vote vote;
    uint8_t *good, *healed;
    size_t size;

    (void)state;
    vote_make();
    good = file_load(copy_name('a'), &size);
    assert_int_equal(size, VOTE_SIZE);
    for (char c = 'a'; c <= 'b'; c++) {
        for (size_t bit = 0; bit < 8 * VOTE_SIZE; bit++) {
            uint8_t bad[VOTE_SIZE];
            memcpy(bad, good, sizeof bad);
            bad[bit / 8] = (uint8_t)(bad[bit / 8] ^ (1u << bit % 8));
            file_save(copy_name(c), bad, sizeof bad);
            assert_int_equal(vote_load(&vote, &err), 0);
            assert_int_equal(vote.term, 6);
            assert_int_equal(vote.voted_for, 2);
            healed = file_load(copy_name(c), &size);
            assert_int_equal(size, VOTE_SIZE);
            assert_memory_equal(healed, good, VOTE_SIZE);
            free(healed);
        }
    }
    free(good);
}

static void both_copies_damaged_is_corrupt_and_names_the_file(void **state)
{
    struct vxc_error err = {0};
    struct vxc_vote vote;
    uint8_t *good;
    size_t size;

    (void)state;
    vote_make();
    good = file_load(copy_name('a'), &size);
    for (size_t bit = 0; bit < 8 * VOTE_SIZE; bit++) {
        uint8_t bad[VOTE_SIZE];
        memcpy(bad, good, sizeof bad);
        bad[bit / 8] = (uint8_t)(bad[bit / 8] ^ (1u << bit % 8));
        file_save(copy_name('a'), bad, sizeof bad);
        bad[bit / 8] = good[bit / 8];
        bad[63 - bit / 8] = (uint8_t)(bad[63 - bit / 8] ^ (1u << bit % 8));
        file_save(copy_name('b'), bad, sizeof bad);
        assert_int_equal(vote_load(&vote, &err), VXC_ECORRUPT);
        assert_non_null(strstr(err.text, path));
        assert_non_null(strstr(err.text, "vote-a: offset "));
    }
    free(good);
}

static void a_copy_of_any_wrong_length_is_healed(void **state)
{
    struct vxc_error err = {0};
    struct vxc_vote vote;
    uint8_t *good;
    size_t size;

    (void)state;
    vote_make();
    good = file_load(copy_name('a'), &size);
    for (char c = 'a'; c <= 'b'; c++) {
        for (size_t length = 0; length < VOTE_SIZE; length++) {
            file_save(copy_name(c), good, length);
            assert_int_equal(vote_load(&vote, &err), 0);
            assert_int_equal(vote.term, 6);
        }
    }
    free(good);
}

static void one_missing_copy_is_healed_but_not_beside_a_damaged_one(void **state)
{
    struct vxc_error err = {0};
    struct vxc_vote vote;

    (void)state;
    vote_make();
    assert_int_equal(unlink(copy_name('a')), 0);
    assert_int_equal(vote_load(&vote, &err), 0);
    assert_int_equal(vote.term, 6);
    assert_int_equal(access(copy_name('a'), F_OK), 0);
    assert_int_equal(unlink(copy_name('b')), 0);
    file_save(copy_name('a'), "torn", 4);
    assert_int_equal(vote_load(&vote, &err), VXC_ECORRUPT);
}

static void a_cut_between_the_copies_leaves_the_old_or_the_new_vote(void **state)
{
    struct vxc_error err = {0};
    struct vxc_vote_file *file;
    struct vxc_vote vote;
    uint8_t *old, *new;
    size_t size;

    (void)state;
    vote_make();
    old = file_load(copy_name('a'), &size);
    assert_int_equal(vxc_vote_open(path, 0, NODE, &file, &vote, &err), 0);
    vxc_vote_store(file, &(struct vxc_vote){9, 1});
    vxc_vote_close(file);
    new = file_load(copy_name('a'), &size);
    for (size_t cut = 0; cut <= 2 * VOTE_SIZE; cut++) { /* bytes that reached the disk */
        uint8_t a[VOTE_SIZE], b[VOTE_SIZE];
        for (size_t i = 0; i < VOTE_SIZE; i++) {
            a[i] = i < cut ? new[i] : old[i];
            b[i] = VOTE_SIZE + i < cut ? new[i] : old[i];
        }
        file_save(copy_name('a'), a, sizeof a);
        file_save(copy_name('b'), b, sizeof b);
        assert_int_equal(vote_load(&vote, &err), 0);
        if (memcmp(a, new, sizeof a) == 0) {
            assert_int_equal(vote.term, 9);
        } else {
            assert_int_equal(vote.term, 6);
        }
        assert_int_equal(vote_load(&vote, &err), 0); /* both copies agree from now on */
        assert_int_equal(unlink(copy_name('a')), 0);
        assert_int_equal(vote_load(&vote, &err), 0);
        assert_int_equal(vote.term, memcmp(a, new, sizeof a) == 0 ? 9 : 6);
    }
    free(old);
    free(new);
}

static void the_vote_of_another_node_is_foreign_even_in_one_copy(void **state)
{
    struct vxc_error err = {0};
    struct vxc_vote_file *file;
    struct vxc_vote vote;
    uint8_t *bytes;
    size_t size;

    (void)state;
    vote_make();
    assert_int_equal(vxc_vote_open(path, 1, NODE + 1, &file, &vote, &err), VXC_EFOREIGN);
    bytes = file_load(copy_name('b'), &size);
    vxc_store_u64(bytes + 16, NODE + 1);
    vxc_store_u32(bytes + 8, vxc_crc32(0, bytes + 12, VOTE_SIZE - 12));
    file_save(copy_name('b'), bytes, size);
    assert_int_equal(vote_load(&vote, &err), VXC_EFOREIGN);
    free(bytes);
}

static void a_newer_format_is_left_alone(void **state)
{
    struct vxc_error err = {0};
    struct vxc_vote vote;
    uint64_t sequence, node_id;
    uint8_t *bytes;
    size_t size;

    (void)state;
    vote_make();
    bytes = file_load(copy_name('b'), &size);
    bytes[12] = 2;
    vxc_store_u32(bytes + 8, vxc_crc32(0, bytes + 12, VOTE_SIZE - 12));
    file_save(copy_name('b'), bytes, size);
    assert_int_equal(vote_load(&vote, &err), VXC_EVERSION);
    assert_int_equal(vxc_vote_decode(bytes, size, &vote, &sequence, &node_id, &err), VXC_EVERSION);
    assert_int_equal(vxc_vote_decode(bytes, 0, &vote, &sequence, &node_id, &err), VXC_ECORRUPT);
    free(bytes);
}

static void a_vote_is_bound_to_one_cluster(void **state)
{
    struct vxc_error err = {0};
    struct vxc_vote_file *file;
    struct vxc_vote vote;

    (void)state;
    vote_make();
    assert_int_equal(vxc_vote_open(path, 0, NODE, &file, &vote, &err), 0);
    assert_int_equal(vxc_vote_bind(file, 1, 2, &err), 0);
    assert_int_equal(vxc_vote_bind(file, 1, 2, &err), 0);
    vxc_vote_close(file);
    assert_int_equal(vxc_vote_open(path, 0, NODE, &file, &vote, &err), 0);
    assert_int_equal(vote.term, 6);
    assert_int_equal(vxc_vote_bind(file, 1, 3, &err), VXC_EFOREIGN);
    vxc_vote_close(file);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_stored_vote_comes_back, setup, teardown),
        cmocka_unit_test_setup_teardown(every_flipped_bit_of_one_copy_is_healed, setup, teardown),
        cmocka_unit_test_setup_teardown(both_copies_damaged_is_corrupt_and_names_the_file, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_copy_of_any_wrong_length_is_healed, setup, teardown),
        cmocka_unit_test_setup_teardown(one_missing_copy_is_healed_but_not_beside_a_damaged_one,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(a_cut_between_the_copies_leaves_the_old_or_the_new_vote,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(the_vote_of_another_node_is_foreign_even_in_one_copy, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_newer_format_is_left_alone, setup, teardown),
        cmocka_unit_test_setup_teardown(a_vote_is_bound_to_one_cluster, setup, teardown),
    };
    return cmocka_run_group_tests_name("vote", tests, NULL, NULL);
}
