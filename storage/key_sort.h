/* Sorting of row keys: multikey quicksort that looks at seven bytes of each key at a time and keeps
 * them beside the pointer, so that most comparisons touch no key. Keys of one object share their first
 * 16 bytes, which a plain comparison sort would read again at every step (4x slower at 250k rows). */
#ifndef VXC_STORAGE_KEY_SORT_H
#define VXC_STORAGE_KEY_SORT_H

#include <stddef.h>
#include <stdint.h>

struct vxc_key_sort_item {
    uint64_t word;      /* private to the sort */
    const uint8_t *key; /* borrowed */
    uint32_t size;      /* bytes of key */
    uint32_t index;     /* the caller's: which row this is */
};

/* Sorts by memcmp order, a prefix first, as LMDB does. Equal keys end up side by side. */
void vxc_key_sort(struct vxc_key_sort_item *items, size_t count);

#endif
