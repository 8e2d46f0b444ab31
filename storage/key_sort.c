#include "key_sort.h"

#include "base/memory.h"

#include <string.h>

enum {
    WORD_BYTES = 7,       /* of the key in a word; the eighth counts them */
    WORD_MORE = 8,        /* count byte of a word behind which the key goes on */
    INSERTION_MAX = 16,   /* items below which insertion sort wins */
    RADIX_MIN = 1024,     /* items from which sorting words by their bytes wins */
    RADIX = 256,          /* values of a byte */
    PREFETCH = 16,        /* keys fetched ahead of their turn */
    STACK_DEPTH_MAX = 256 /* ranges put off: at most two per halving, see sort */
};

struct range {
    struct vxc_key_sort_item *items;
    size_t count;
    uint32_t depth; /* bytes that all keys of the range share */
};

/* Seven bytes in the high part, in the low byte how many were there: a shorter key sorts first. */
static uint64_t word_at(const struct vxc_key_sort_item *item, uint32_t depth)
{
    uint32_t left = item->size > depth ? item->size - depth : 0;
    uint64_t word = 0;

    if (left > WORD_BYTES) {
        const uint8_t *p = item->key + depth;
        uint64_t raw;

        memcpy(&raw, p, sizeof raw); /* the eighth byte is there, for the key goes on */
        return (__builtin_bswap64(raw) & ~(uint64_t)0xff) | WORD_MORE;
    }
    for (uint32_t i = 0; i < left; i++) {
        word |= (uint64_t)item->key[depth + i] << (56 - 8 * i);
    }
    return word | left;
}

static void load_words(const struct range *r)
{
    for (size_t i = 0; i < r->count; i++) {
        if (i + PREFETCH < r->count) {
            __builtin_prefetch(r->items[i + PREFETCH].key + r->depth);
        }
        r->items[i].word = word_at(&r->items[i], r->depth);
    }
}

static int compare_items(const struct vxc_key_sort_item *a, const struct vxc_key_sort_item *b,
                         uint32_t depth)
{
    uint32_t shared = a->size < b->size ? a->size : b->size;
    int order;

    if (a->word != b->word) {
        return a->word < b->word ? -1 : 1;
    }
    order = shared > depth ? memcmp(a->key + depth, b->key + depth, shared - depth) : 0;
    if (order != 0) {
        return order;
    }
    return (a->size > b->size) - (a->size < b->size);
}

static void insertion_sort(const struct range *r)
{
    for (size_t i = 1; i < r->count; i++) {
        struct vxc_key_sort_item moving = r->items[i];
        size_t at = i;

        while (at > 0 && compare_items(&moving, &r->items[at - 1], r->depth) < 0) {
            r->items[at] = r->items[at - 1];
            at--;
        }
        r->items[at] = moving;
    }
}

static uint64_t median(uint64_t a, uint64_t b, uint64_t c)
{
    if (a < b) {
        return b < c ? b : (a < c ? c : a);
    }
    return a < c ? a : (b < c ? c : b);
}

static uint64_t pivot_of(const struct range *r)
{
    const struct vxc_key_sort_item *p = r->items;
    size_t n = r->count;
    size_t step = n / 8;

    if (n < 64) {
        return median(p[0].word, p[n / 2].word, p[n - 1].word);
    }
    return median(median(p[0].word, p[step].word, p[2 * step].word),
                  median(p[3 * step].word, p[4 * step].word, p[5 * step].word),
                  median(p[6 * step].word, p[7 * step].word, p[n - 1].word));
}

static void swap_items(struct vxc_key_sort_item *a, struct vxc_key_sort_item *b)
{
    struct vxc_key_sort_item t = *a;

    *a = *b;
    *b = t;
}

/* Splits into words below, equal to and above the pivot (Dijkstra's flag). */
static void partition(const struct range *r, uint64_t pivot, size_t *below_end, size_t *equal_end)
{
    size_t low = 0;
    size_t at = 0;
    size_t high = r->count;

    while (at < high) {
        if (r->items[at].word < pivot) {
            swap_items(&r->items[low++], &r->items[at++]);
        } else if (r->items[at].word > pivot) {
            swap_items(&r->items[at], &r->items[--high]);
        } else {
            at++;
        }
    }
    *below_end = low;
    *equal_end = high;
}

/* Works on the smallest part and puts the larger ones off, so that a part put off is at least half
 * as large as the next: the stack holds at most two ranges per halving, 128 for any count. */
__attribute__((noinline)) static void quick_sort(struct range r)
{
    struct range stack[STACK_DEPTH_MAX];
    size_t depth = 0;

    for (;;) {
        if (r.count <= INSERTION_MAX) {
            insertion_sort(&r);
            if (depth == 0) {
                return;
            }
            r = stack[--depth];
            continue;
        }
        size_t below_end;
        size_t equal_end;
        uint64_t pivot = pivot_of(&r);

        partition(&r, pivot, &below_end, &equal_end);
        struct range parts[3] = {
            {r.items, below_end, r.depth},
            {r.items + below_end, equal_end - below_end, r.depth},
            {r.items + equal_end, r.count - equal_end, r.depth},
        };
        if ((pivot & 0xff) == WORD_MORE) {
            parts[1].depth = r.depth + WORD_BYTES;
            load_words(&parts[1]);
        } else {
            parts[1].count = parts[1].count > 0 ? 1 : 0; /* equal keys: nothing left to order */
        }
        for (int i = 0; i < 2; i++) { /* largest first, smallest last */
            for (int j = 0; j < 2 - i; j++) {
                if (parts[j].count < parts[j + 1].count) {
                    struct range t = parts[j];
                    parts[j] = parts[j + 1];
                    parts[j + 1] = t;
                }
            }
        }
        stack[depth++] = parts[0];
        stack[depth++] = parts[1];
        r = parts[2];
    }
}

/* ---- many items ---- */

/* Moves the items into *to by one byte of their words, keeping the order of equal ones. */
static void scatter(const struct vxc_key_sort_item *from, struct vxc_key_sort_item *to,
                    size_t count, unsigned shift, const size_t counts[RADIX])
{
    size_t starts[RADIX];
    size_t start = 0;

    for (int i = 0; i < RADIX; i++) {
        starts[i] = start;
        start += counts[i];
    }
    for (size_t i = 0; i < count; i++) {
        to[starts[from[i].word >> shift & 0xff]++] = from[i];
    }
}

/* Orders a range by its words alone, from the last byte to the first; bytes that are the same in
 * all words cost nothing but their count. */
__attribute__((noinline)) static void sort_words(const struct range *r,
                                                 struct vxc_key_sort_item *spare)
{
    size_t counts[8][RADIX];
    struct vxc_key_sort_item *from = r->items;
    struct vxc_key_sort_item *to = spare;

    memset(counts, 0, sizeof counts);
    for (size_t i = 0; i < r->count; i++) {
        for (unsigned byte = 0; byte < 8; byte++) {
            counts[byte][from[i].word >> (8 * byte) & 0xff]++;
        }
    }
    for (unsigned byte = 0; byte < 8; byte++) {
        if (counts[byte][from[0].word >> (8 * byte) & 0xff] != r->count) {
            struct vxc_key_sort_item *t = to;

            scatter(from, to, r->count, 8 * byte, counts[byte]);
            to = from;
            from = t;
        }
    }
    if (from != r->items) {
        memcpy(r->items, from, r->count * sizeof *from);
    }
}

/* Words first, then what goes on behind equal words (the two sorts are kept out of its stack
 * frame). It calls itself once per seven bytes of key at most, 73 times for the longest. */
static void sort_range(struct range r, struct vxc_key_sort_item *spare)
{
    if (r.count < RADIX_MIN || spare == NULL) {
        quick_sort(r);
        return;
    }
    sort_words(&r, spare);
    for (size_t begin = 0, end; begin < r.count; begin = end) {
        uint64_t word = r.items[begin].word;

        end = begin + 1;
        while (end < r.count && r.items[end].word == word) {
            end++;
        }
        if (end - begin > 1 && (word & 0xff) == WORD_MORE) {
            struct range run = {r.items + begin, end - begin, r.depth + WORD_BYTES};

            load_words(&run);
            if (run.count <= INSERTION_MAX) { /* most runs: spare them the large frames */
                insertion_sort(&run);
            } else {
                sort_range(run, spare);
            }
        }
    }
}

void vxc_key_sort(struct vxc_key_sort_item *items, size_t count)
{
    struct vxc_key_sort_item *spare = count < RADIX_MIN ? NULL : vxc_malloc(count * sizeof *spare);
    struct range r = {items, count, 0};

    load_words(&r);
    sort_range(r, spare); /* without spare memory it only takes longer */
    vxc_free(spare);
}
