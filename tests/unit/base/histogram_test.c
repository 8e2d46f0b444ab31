#include "base/histogram.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

enum { VALUES = 20000 };

static const double percents[] = {0.01, 1, 10, 25, 50, 75, 90, 99, 99.9, 99.99};

static uint64_t next_random(uint64_t *seed)
{
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    return *seed;
}

static int by_value(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a;
    uint64_t y = *(const uint64_t *)b;

    return (x > y) - (x < y);
}

/* The value that so many percent of the sorted ones do not exceed. */
static uint64_t exact_percentile(const uint64_t *sorted, size_t count, double percent)
{
    double exact = (double)count * percent / 100.0;
    size_t rank = (size_t)exact;

    rank += (double)rank < exact || rank == 0;
    return sorted[(rank < count ? rank : count) - 1];
}

static void assert_close(const struct vxc_histogram *h, uint64_t *values, size_t count)
{
    qsort(values, count, sizeof values[0], by_value);
    for (size_t i = 0; i < sizeof percents / sizeof percents[0]; i++) {
        uint64_t exact = exact_percentile(values, count, percents[i]);
        uint64_t got = vxc_histogram_percentile(h, percents[i]);
        assert_true(got >= exact);
        assert_true(got - exact <= exact / 64);
    }
    assert_true(vxc_histogram_percentile(h, 0) == values[0]);
    assert_true(vxc_histogram_percentile(h, 100) == values[count - 1]);
    assert_true(h->min == values[0] && h->max == values[count - 1] && h->count == count);
}

static void percentiles_are_within_a_sixty_fourth_of_the_sorted_values(void **state)
{
    static uint64_t values[VALUES];
    struct vxc_histogram *h = calloc(1, sizeof *h);
    uint64_t seed = 7;

    (void)state;
    assert_non_null(h);
    for (unsigned bits = 1; bits <= 64; bits += 7) {
        vxc_histogram_clear(h);
        for (size_t i = 0; i < VALUES; i++) {
            /* all magnitudes up to `bits` */
            values[i] = next_random(&seed) >> (64 - bits) >> (next_random(&seed) % bits);
            vxc_histogram_record(h, values[i]);
        }
        assert_close(h, values, VALUES);
    }
    free(h);
}

static void small_values_are_exact(void **state)
{
    struct vxc_histogram h = {0};

    (void)state;
    for (uint64_t v = 0; v < 64; v++) {
        vxc_histogram_record(&h, v);
    }
    for (uint64_t v = 1; v <= 64; v++) {
        assert_true(vxc_histogram_percentile(&h, (double)v * 100 / 64) == v - 1);
    }
    assert_true(vxc_histogram_mean(&h) == 31.5);
}

static void extremes_have_buckets_of_their_own(void **state)
{
    static const uint64_t values[] = {
        0, 1, 63, 64, 65, 127, 128, UINT32_MAX, 1ull << 32, 1ull << 63, UINT64_MAX - 1, UINT64_MAX};

    (void)state;
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
        struct vxc_histogram h = {0};
        vxc_histogram_record(&h, values[i]);
        vxc_histogram_record(&h, values[i]);
        assert_true(vxc_histogram_percentile(&h, 50) == values[i]); /* never above the maximum */
        assert_true(h.max == values[i] && h.min == values[i]);
    }
}

static void empty_histogram_answers_zero(void **state)
{
    struct vxc_histogram h = {0};

    (void)state;
    assert_true(vxc_histogram_percentile(&h, 50) == 0);
    assert_true(vxc_histogram_percentile(&h, 100) == 0);
    assert_true(vxc_histogram_mean(&h) == 0.0);
}

static void merged_histograms_answer_as_one(void **state)
{
    static uint64_t values[VALUES];
    static struct vxc_histogram parts[3];
    static struct vxc_histogram whole;
    uint64_t seed = 11;

    (void)state;
    for (size_t i = 0; i < VALUES; i++) {
        values[i] = next_random(&seed) >> 40;
        vxc_histogram_record(&parts[i % 2], values[i]); /* the third part stays empty */
    }
    for (size_t i = 0; i < 3; i++) {
        vxc_histogram_merge(&whole, &parts[i]);
    }
    assert_close(&whole, values, VALUES);
    assert_true(whole.sum == parts[0].sum + parts[1].sum);
}

static void value_recorded_many_times_counts_as_often(void **state)
{
    static struct vxc_histogram one_by_one;
    static struct vxc_histogram at_once;

    (void)state;
    for (uint64_t value = 0; value < 1000; value += 7) {
        for (uint64_t i = 0; i < value % 5; i++) {
            vxc_histogram_record(&one_by_one, value);
        }
        vxc_histogram_record_many(&at_once, value, value % 5);
    }
    assert_memory_equal(&one_by_one, &at_once, sizeof at_once);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(percentiles_are_within_a_sixty_fourth_of_the_sorted_values),
        cmocka_unit_test(small_values_are_exact),
        cmocka_unit_test(extremes_have_buckets_of_their_own),
        cmocka_unit_test(empty_histogram_answers_zero),
        cmocka_unit_test(merged_histograms_answer_as_one),
        cmocka_unit_test(value_recorded_many_times_counts_as_often),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
