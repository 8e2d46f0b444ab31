/* What the log knows of its entries without their bytes: term and type as runs, and a place on disk
 * every VXC_LOG_INDEX_STRIDE bytes to begin looking from.
 *
 * Terms and types change rarely, so millions of entries are a few runs; places are bounded by the
 * bytes on disk (16 KiB of memory per 64 MiB), not by the number of entries. Both lists ascend by
 * index, and places ascend by position as well: whatever is looked up at a place and onwards, the
 * first unit that holds the index is the one that counts. That is why a truncation asks for a new
 * place.
 */
#ifndef VXC_STORAGE_LOG_INDEX_H
#define VXC_STORAGE_LOG_INDEX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define VXC_LOG_INDEX_STRIDE (64u * 1024u) /* bytes of log between two places */

struct vxc_log_run {
    uint64_t first_index; /* up to the next run's, or the last index */
    uint64_t term;
    uint16_t type;
};

struct vxc_log_place {
    uint64_t index;   /* first entry of the unit there */
    uint64_t segment; /* number */
    uint64_t offset;  /* of the unit, bytes */
};

struct vxc_log_index {
    struct vxc_log_run *runs;
    size_t run_count, run_capacity;
    struct vxc_log_place *places;
    size_t place_count, place_capacity;
    bool want_place; /* the next unit gets a place in any case */
};

void vxc_log_index_deinit(struct vxc_log_index *ix);

/* The next entry. VXC_ENOMEM leaves all as it was. */
int vxc_log_index_add(struct vxc_log_index *ix, uint64_t index, uint64_t term, uint16_t type);

/* A unit with entries stands at this place. VXC_ENOMEM is harmless: lookups begin further ahead. */
void vxc_log_index_place(struct vxc_log_index *ix, uint64_t index, uint64_t segment,
                         uint64_t offset);

/* Entries ≥ index are gone; what is added from now on stands behind them. */
void vxc_log_index_truncate(struct vxc_log_index *ix, uint64_t index);

/* Entries < index and segments < segment are gone. */
void vxc_log_index_drop(struct vxc_log_index *ix, uint64_t index, uint64_t segment);

/* The run that holds index, or NULL when it lies before the first. */
const struct vxc_log_run *vxc_log_index_run(const struct vxc_log_index *ix, uint64_t index);

/* About how many bytes of log lie from the unit that holds index to the last unit. */
uint64_t vxc_log_index_bytes_after(const struct vxc_log_index *ix, uint64_t index);

/* The last place at or before index, or NULL. */
const struct vxc_log_place *vxc_log_index_find(const struct vxc_log_index *ix, uint64_t index);

#endif
