/* Histogram of durations or sizes: log-linear, fixed memory, no allocation.
 *
 * A value falls into one of 64 equal parts of its power of two; values below 64 are exact. So a
 * percentile is at most 1.6 % above the recorded value that it stands for and never below it, from
 * 1 to 2^64 − 1, in 32 KiB. Recording costs a few instructions. Zero-initialised it is empty.
 *
 * Threads: one writer. To read from elsewhere, copy or merge on the writer's thread.
 */
#ifndef VXC_BASE_HISTOGRAM_H
#define VXC_BASE_HISTOGRAM_H

#include <stdint.h>

enum { VXC_HISTOGRAM_PARTS = 64, VXC_HISTOGRAM_BUCKETS = 64 * VXC_HISTOGRAM_PARTS };

struct vxc_histogram {
    uint64_t count; /* values recorded */
    uint64_t sum;   /* of the values; wraps only after centuries of nanoseconds */
    uint64_t min;   /* 0 while empty */
    uint64_t max;
    uint64_t buckets[VXC_HISTOGRAM_BUCKETS];
};

void vxc_histogram_clear(struct vxc_histogram *h);
void vxc_histogram_record(struct vxc_histogram *h, uint64_t value);
/* The same value `times` times over; 0 records nothing. */
void vxc_histogram_record_many(struct vxc_histogram *h, uint64_t value, uint64_t times);

/* Adds what `other` recorded. */
void vxc_histogram_merge(struct vxc_histogram *h, const struct vxc_histogram *other);

/* The value that `percent` of the recorded ones do not exceed (0 gives the least, 100 the largest,
 * exactly); 0 while empty. */
uint64_t vxc_histogram_percentile(const struct vxc_histogram *h, double percent);

/* Mean of the values; 0 while empty. */
double vxc_histogram_mean(const struct vxc_histogram *h);

#endif
