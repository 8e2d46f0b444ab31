#include "heap.h"

#include "base/memory.h"
#include "world.h"

#include <malloc.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define HAS_SANITIZER 1
#endif
#elif defined(__SANITIZE_ADDRESS__)
#define HAS_SANITIZER 1
#endif
#ifndef HAS_SANITIZER
#define HAS_SANITIZER 0
#endif

enum {
    STEP = 16,               /* bytes: pieces are of a multiple of it up to … */
    SMALL_MAX = 8 * 1024,    /* … here, and in four steps of twice the size up to … */
    PIECE_MAX = 1024 * 1024, /* … here; what is larger is libc's */
    SMALL_BINS = SMALL_MAX / STEP + 1,
    BINS = SMALL_BINS + 4 * 7,
    BIN_BIG = BINS,
    CHUNK_SIZE = 4 * 1024 * 1024, /* of huge pages where the system has them */
    /* libc's: what LMDB asks for at each start comes zeroed, and most of it is never touched */
    MMAP_THRESHOLD = 1024 * 1024,
};

/* In front of each piece. */
struct head {
    struct heap *heap;
    uint64_t bin;
};

/* In front of that, when libc gave it. */
struct big {
    struct big *next, **back;
    uint64_t size;
    uint64_t unused; /* pieces are aligned to 16 bytes */
};

struct chunk {
    struct chunk *next;
    uint64_t unused; /* likewise */
    uint8_t bytes[CHUNK_SIZE - 16];
};

/* A free piece holds the next one of its bin, which are those of a size. */
struct heap {
    struct chunk *chunks;
    size_t used; /* of the first one */
    void *free[BINS];
    struct big *bigs;
};

static struct heap heaps[SIM_NODES_MAX + 1]; /* by node; 0 is the one of all that is no node */
static struct chunk *free_chunks;

static size_t size_of(size_t bin)
{
    size_t step, base;

    if (bin < SMALL_BINS) {
        return bin * STEP;
    }
    step = bin - SMALL_BINS;
    base = (size_t)SMALL_MAX << step / 4;
    return base + base / 4 * (step % 4 + 1);
}

static size_t bin_of(size_t size)
{
    size_t bin = SMALL_BINS;

    if (size <= SMALL_MAX) {
        return (size + STEP - 1) / STEP;
    }
    while (size_of(bin) < size) {
        bin++;
    }
    return bin;
}

static struct chunk *new_chunk(void)
{
    struct chunk *chunk = aligned_alloc(CHUNK_SIZE / 2, sizeof *chunk);

    if (chunk != NULL) {
        (void)madvise(chunk, sizeof *chunk, MADV_HUGEPAGE); /* advice only */
    }
    return chunk;
}

static bool add_chunk(struct heap *heap)
{
    struct chunk *chunk = free_chunks;

    if (chunk != NULL) {
        free_chunks = chunk->next;
    } else {
        chunk = new_chunk();
    }
    if (chunk != NULL) {
        chunk->next = heap->chunks;
        heap->chunks = chunk;
        heap->used = 0;
    }
    return chunk != NULL;
}

static void *new_piece(struct heap *heap, size_t bin)
{
    const size_t size = sizeof(struct head) + size_of(bin);
    struct head *head;

    if ((heap->chunks == NULL || sizeof heap->chunks->bytes - heap->used < size) &&
        !add_chunk(heap)) {
        return NULL;
    }
    head = (struct head *)(heap->chunks->bytes + heap->used);
    heap->used += size;
    *head = (struct head){heap, bin};
    return head + 1;
}

static void *new_big(struct heap *heap, size_t size)
{
    struct big *big = malloc(sizeof *big + sizeof(struct head) + size);
    struct head *head;

    if (big == NULL) {
        return NULL;
    }
    *big = (struct big){.next = heap->bigs, .back = &heap->bigs, .size = size};
    if (big->next != NULL) {
        big->next->back = &big->next;
    }
    heap->bigs = big;
    head = (struct head *)(big + 1);
    *head = (struct head){heap, BIN_BIG};
    return head + 1;
}

static void free_big(struct big *big)
{
    *big->back = big->next;
    if (big->next != NULL) {
        big->next->back = big->back;
    }
    free(big);
}

/* ---- the allocator ---- */

static void *take(struct heap *heap, size_t size)
{
    size_t bin;
    void *piece;

    if (size > PIECE_MAX) {
        return new_big(heap, size);
    }
    bin = bin_of(size == 0 ? 1 : size);
    piece = heap->free[bin];
    if (piece == NULL) {
        return new_piece(heap, bin);
    }
    memcpy(&heap->free[bin], piece, sizeof piece);
    return piece;
}

static void *heap_malloc(void *data, size_t size)
{
    (void)data;
    return take(&heaps[node_current == NULL ? 0 : node_current->id], size);
}

static void give_back(void *data, void *piece)
{
    struct head *head = (struct head *)piece - 1;

    (void)data;
    if (piece == NULL) {
        return;
    }
    if (head->bin == BIN_BIG) {
        free_big((struct big *)head - 1);
        return;
    }
    memcpy(piece, &head->heap->free[head->bin], sizeof piece);
    head->heap->free[head->bin] = piece;
}

static void *heap_realloc(void *data, void *piece, size_t size)
{
    const struct head *head = (const struct head *)piece - 1;
    size_t room;
    void *more;

    if (piece == NULL) {
        return heap_malloc(data, size);
    }
    room = head->bin == BIN_BIG ? ((const struct big *)head - 1)->size : size_of(head->bin);
    if (size <= room && head->bin != BIN_BIG) {
        return piece;
    }
    more = heap_malloc(data, size);
    if (more != NULL) {
        memcpy(more, piece, size < room ? size : room);
        give_back(data, piece);
    }
    return more;
}

/* ---- lives ---- */

void heap_begin(void)
{
    static const struct vxc_allocator allocator = {
        .malloc = heap_malloc, .realloc = heap_realloc, .free = give_back};

    (void)mallopt(M_TRIM_THRESHOLD, INT32_MAX);
    (void)mallopt(M_MMAP_THRESHOLD, MMAP_THRESHOLD);
    if (!HAS_SANITIZER) {
        vxc_memory_set(&allocator);
    }
}

void *heap_new(size_t size)
{
    void *piece = HAS_SANITIZER ? malloc(size) : take(&heaps[0], size);

    if (piece == NULL) {
        sim_broken("out of memory");
    }
    return piece;
}

void heap_free(void *piece)
{
    if (HAS_SANITIZER) {
        free(piece);
    } else {
        give_back(NULL, piece);
    }
}

void heap_end_life(const struct node *node)
{
    struct heap *heap = &heaps[node->id];

    while (heap->bigs != NULL) {
        free_big(heap->bigs);
    }
    while (heap->chunks != NULL) {
        struct chunk *chunk = heap->chunks;

        heap->chunks = chunk->next;
        chunk->next = free_chunks;
        free_chunks = chunk;
    }
    *heap = (struct heap){0};
}
