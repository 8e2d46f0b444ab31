#include "histogram.h"

#include <string.h>

enum { PARTS_BITS = 6 };

_Static_assert(1 << PARTS_BITS == VXC_HISTOGRAM_PARTS, "parts are a power of two");

static unsigned bucket_of(uint64_t value)
{
    unsigned power;

    if (value < VXC_HISTOGRAM_PARTS) {
        return (unsigned)value;
    }
    power = 63u - (unsigned)__builtin_clzll(value);
    return (power - PARTS_BITS + 1) * VXC_HISTOGRAM_PARTS +
           (unsigned)(value >> (power - PARTS_BITS)) % VXC_HISTOGRAM_PARTS;
}

/* The largest value that falls into the bucket. */
static uint64_t bucket_top(unsigned bucket)
{
    unsigned shift;
    uint64_t part;

    if (bucket < VXC_HISTOGRAM_PARTS) {
        return bucket;
    }
    shift = bucket / VXC_HISTOGRAM_PARTS - 1;
    part = VXC_HISTOGRAM_PARTS + bucket % VXC_HISTOGRAM_PARTS;
    return (part << shift) + ((UINT64_C(1) << shift) - 1);
}

void vxc_histogram_clear(struct vxc_histogram *h)
{
    memset(h, 0, sizeof *h);
}

void vxc_histogram_record_many(struct vxc_histogram *h, uint64_t value, uint64_t times)
{
    if (times == 0) {
        return;
    }
    if (h->count == 0 || value < h->min) {
        h->min = value;
    }
    if (value > h->max) {
        h->max = value;
    }
    h->count += times;
    h->sum += value * times;
    h->buckets[bucket_of(value)] += times;
}

void vxc_histogram_record(struct vxc_histogram *h, uint64_t value)
{
    vxc_histogram_record_many(h, value, 1);
}

void vxc_histogram_merge(struct vxc_histogram *h, const struct vxc_histogram *other)
{
    if (other->count == 0) {
        return;
    }
    if (h->count == 0 || other->min < h->min) {
        h->min = other->min;
    }
    if (other->max > h->max) {
        h->max = other->max;
    }
    h->count += other->count;
    h->sum += other->sum;
    for (unsigned i = 0; i < VXC_HISTOGRAM_BUCKETS; i++) {
        h->buckets[i] += other->buckets[i];
    }
}

/* Rank, counted from 1, of the value that `percent` of `count` values do not exceed. */
static uint64_t rank_of(uint64_t count, double percent)
{
    double exact = (double)count * percent / 100.0;
    uint64_t rank = (uint64_t)exact;

    if ((double)rank < exact || rank == 0) {
        rank++;
    }
    return rank < count ? rank : count;
}

uint64_t vxc_histogram_percentile(const struct vxc_histogram *h, double percent)
{
    uint64_t rank;
    uint64_t seen = 0;

    if (h->count == 0 || !(percent > 0.0)) {
        return h->min;
    }
    if (percent >= 100.0) {
        return h->max;
    }
    rank = rank_of(h->count, percent);
    for (unsigned i = 0; i < VXC_HISTOGRAM_BUCKETS; i++) {
        seen += h->buckets[i];
        if (seen >= rank) {
            uint64_t top = bucket_top(i);
            return top < h->max ? top : h->max;
        }
    }
    return h->max;
}

double vxc_histogram_mean(const struct vxc_histogram *h)
{
    return h->count == 0 ? 0.0 : (double)h->sum / (double)h->count;
}
