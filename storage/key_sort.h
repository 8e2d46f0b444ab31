/* Sorting of row keys, seven bytes of each key at a time, which stand beside the pointer while they
 * are looked at: by their bytes (radix) while there are many, by multikey quicksort when few are
 * left. Keys of one object share their first 16 bytes, which a plain comparison sort would read at
 * every step. */
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
