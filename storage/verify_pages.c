#include "verify_pages.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/limits.h"
#include "base/memory.h"

/* LMDB 0.9, 64-bit, little-endian:
 *   page   number u64, pad u16, flags u16, lower u16, upper u16 (or u32 pages of an overflow run)
 *   meta   page head, magic u32, version u32, address u64, map size u64, tree free, tree main,
 *          last page u64, transaction id u64
 *   tree   pad u32 (page size in tree free), flags u16, depth u16, branch u64, leaf u64, overflow
 * u64, entries u64, root u64 node   low u16, high u16, flags u16, key size u16, key, value
 */
enum {
    PAGE_HEAD_SIZE = 16,
    NODE_HEAD_SIZE = 8,
    TREE_SIZE = 48,
    META_AT = PAGE_HEAD_SIZE,
    META_TREES_AT = META_AT + 24,
    META_LAST_AT = META_TREES_AT + 2 * TREE_SIZE,
    META_TXNID_AT = META_LAST_AT + 8,
    META_SIZE = META_TXNID_AT + 8,
    META_PAGES = 2,
    META_TRIES_MAX = 8, /* a live file may be committed to between the reads of its meta pages */
    PAGE_BRANCH = 0x01,
    PAGE_LEAF = 0x02,
    PAGE_OVERFLOW = 0x04,
    PAGE_META = 0x08,
    PAGE_DIRTY = 0x10, /* left set on some pages, without meaning on disk */
    NODE_BIG = 0x01,
    NODE_TREE = 0x02,
    TREE_INTEGER_KEYS = 0x08,
    DEPTH_MAX = 32, /* LMDB's own limit of a cursor's stack */
    PAGE_SIZE_MIN = 512,
    PAGE_SIZE_MAX = 65536
};

#define LMDB_MAGIC   0xBEEFC0DEu
#define LMDB_VERSION 1u

/* ---- meta pages ---- */

static void read_tree(const uint8_t *p, struct vxc_pages_tree *tree)
{
    tree->flags = vxc_load_u16(p + 4);
    tree->depth = vxc_load_u16(p + 6);
    tree->entries = vxc_load_u64(p + 32);
    tree->root = vxc_load_u64(p + 40);
}

static int check_meta(const uint8_t *page, uint64_t number, uint64_t page_size, const char *path,
                      struct vxc_error *err)
{
    uint64_t at = number * page_size;
    uint64_t txnid = vxc_load_u64(page + META_TXNID_AT);

    if (vxc_load_u32(page + META_AT) != LMDB_MAGIC) {
        return vxc_error_set(err, VXC_ECORRUPT, "%s: offset %" PRIu64 ": meta page without magic",
                             path, at);
    }
    if (vxc_load_u32(page + META_AT + 4) != LMDB_VERSION) {
        return vxc_error_set(err, VXC_EVERSION,
                             "%s: offset %" PRIu64 ": LMDB data version %u, not 1", path, at,
                             vxc_load_u32(page + META_AT + 4));
    }
    if (vxc_load_u64(page) != number || vxc_load_u16(page + 10) != PAGE_META ||
        vxc_load_u32(page + META_TREES_AT) != page_size ||
        vxc_load_u16(page + META_TREES_AT + 4) != TREE_INTEGER_KEYS ||
        vxc_load_u16(page + META_TREES_AT + TREE_SIZE + 4) != 0 ||
        (txnid != 0 && (txnid & 1) != number)) {
        return vxc_error_set(err, VXC_ECORRUPT, "%s: offset %" PRIu64 ": damaged meta page", path,
                             at);
    }
    return 0;
}

static int read_at(int fd, uint64_t at, uint8_t *out, size_t size, const char *path,
                   struct vxc_error *err)
{
    ssize_t got = pread(fd, out, size, (off_t)at);

    if (got < 0) {
        return vxc_error_set(err, VXC_EIO, "%s: read at %" PRIu64 ": %s", path, at,
                             strerror(errno));
    }
    if ((size_t)got != size) {
        return vxc_error_set(err, VXC_ECORRUPT, "%s: ends within a meta page at offset %" PRIu64,
                             path, at);
    }
    return 0;
}

/* The page size stands in the first meta page, or, if that is damaged, is what check_meta misses.
 */
static int read_page_size(const uint8_t *page, const char *path, uint64_t *page_size,
                          struct vxc_error *err)
{
    uint64_t size = vxc_load_u32(page + META_TREES_AT);

    if (vxc_load_u32(page + META_AT) != LMDB_MAGIC && vxc_load_u64(page) != 0) {
        return vxc_error_set(err, VXC_EFOREIGN, "%s: offset 0: not an LMDB file", path);
    }
    if (size < PAGE_SIZE_MIN || size > PAGE_SIZE_MAX || (size & (size - 1)) != 0) {
        return vxc_error_set(err, VXC_ECORRUPT, "%s: offset 0: damaged meta page", path);
    }
    *page_size = size;
    return 0;
}

static int read_both(int fd, const char *path, uint8_t pages[META_PAGES][META_SIZE],
                     uint64_t *page_size, struct vxc_error *err)
{
    int rv = read_at(fd, 0, pages[0], META_SIZE, path, err);

    if (rv == 0) {
        rv = read_page_size(pages[0], path, page_size, err);
    }
    if (rv == 0) {
        rv = read_at(fd, *page_size, pages[1], META_SIZE, path, err);
    }
    for (uint64_t i = 0; i < META_PAGES && rv == 0; i++) {
        rv = check_meta(pages[i], i, *page_size, path, err);
    }
    return rv;
}

int vxc_pages_read_meta(int fd, const char *path, struct vxc_pages_meta *meta,
                        struct vxc_error *err)
{
    uint8_t pages[META_PAGES][META_SIZE];
    uint64_t txnids[META_PAGES];
    uint64_t page_size = 0;
    struct stat info;
    int newer;

    if (fstat(fd, &info) != 0) {
        return vxc_error_set(err, VXC_EIO, "%s: %s", path, strerror(errno));
    }
    if (info.st_size == 0) {
        return vxc_error_set(err, VXC_ECORRUPT, "%s: the file is empty", path);
    }
    for (int tries = 0;; tries++) {
        int rv = read_both(fd, path, pages, &page_size, err);

        if (rv != 0) {
            return rv;
        }
        txnids[0] = vxc_load_u64(pages[0] + META_TXNID_AT);
        txnids[1] = vxc_load_u64(pages[1] + META_TXNID_AT);
        newer = txnids[1] > txnids[0];
        if (txnids[newer] - txnids[!newer] <= 1) {
            break;
        }
        if (tries == META_TRIES_MAX) { /* LMDB writes them in turn */
            return vxc_error_set(err, VXC_ECORRUPT,
                                 "%s: offset %" PRIu64 ": transactions %" PRIu64 " and %" PRIu64
                                 " do not follow each other",
                                 path, (uint64_t)newer * page_size, txnids[0], txnids[1]);
        }
    }
    if (fstat(fd, &info) != 0) { /* a live file may have grown meanwhile */
        return vxc_error_set(err, VXC_EIO, "%s: %s", path, strerror(errno));
    }
    *meta = (struct vxc_pages_meta){
        .file_size = (uint64_t)info.st_size,
        .page_size = page_size,
        .last_page = vxc_load_u64(pages[newer] + META_LAST_AT),
        .txnid = txnids[newer],
    };
    read_tree(pages[newer] + META_TREES_AT, &meta->free);
    read_tree(pages[newer] + META_TREES_AT + TREE_SIZE, &meta->main);
    return 0;
}

bool vxc_pages_complete(const struct vxc_pages_meta *meta)
{
    return meta->last_page < meta->file_size / meta->page_size;
}

/* ---- the walk ---- */

enum tree_kind { KIND_FREE, KIND_MAIN, KIND_NAMED };

struct walk {
    const char *path;
    const struct vxc_pages_meta *meta;
    const uint8_t *map;
    uint64_t pages;  /* whole pages in the file */
    uint8_t *marks;  /* one bit per page number up to last_page: seen */
    uint64_t marked; /* count of seen pages */
    void *data;
    vxc_pages_row_cb on_row;
    struct vxc_error *err;
};

/* What is being walked: a tree, and the position in it as a stack of branch pages. */
struct tree_walk {
    enum tree_kind kind;
    const struct vxc_pages_tree *tree;
    struct vxc_slice name;
    uint64_t entries;          /* met so far */
    struct vxc_slice previous; /* last key met */
    bool begun;
    struct {
        const uint8_t *page;
        unsigned next; /* child to visit next */
    } stack[DEPTH_MAX];
};

static int damaged(struct walk *w, uint64_t page, const char *what)
{
    return vxc_error_set(w->err, VXC_ECORRUPT, "%s: offset %" PRIu64 " (page %" PRIu64 "): %s",
                         w->path, page * w->meta->page_size, page, what);
}

/* Marks `count` pages as seen; each may be seen once. `from` is the page that points there. */
static int mark_pages(struct walk *w, uint64_t first, uint64_t count, uint64_t from)
{
    if (first < META_PAGES || first > w->meta->last_page ||
        count > w->meta->last_page + 1 - first) {
        return damaged(w, from, "points to a page outside of the file");
    }
    for (uint64_t page = first; page < first + count; page++) {
        uint8_t bit = (uint8_t)(1u << (page % 8));

        if ((w->marks[page / 8] & bit) != 0) {
            return damaged(w, page, "page is used twice");
        }
        w->marks[page / 8] |= bit;
    }
    w->marked += count;
    return 0;
}

static const uint8_t *page_at(const struct walk *w, uint64_t number)
{
    return w->map + number * w->meta->page_size;
}

static uint64_t number_of(const struct walk *w, const uint8_t *page)
{
    return (uint64_t)(page - w->map) / w->meta->page_size;
}

static unsigned node_count(const uint8_t *page)
{
    return (vxc_load_u16(page + 12) - (unsigned)PAGE_HEAD_SIZE) / 2;
}

static const uint8_t *node_at(const uint8_t *page, unsigned i)
{
    return page + vxc_load_u16(page + PAGE_HEAD_SIZE + 2 * (size_t)i);
}

static struct vxc_slice node_key(const uint8_t *node)
{
    return vxc_slice(node + NODE_HEAD_SIZE, vxc_load_u16(node + 6));
}

static uint64_t node_child(const uint8_t *node)
{
    return vxc_load_u32(node) | (uint64_t)vxc_load_u16(node + 4) << 32;
}

/* Bytes of a leaf node's value that lie in the leaf itself. */
static uint64_t node_value_size_here(const uint8_t *node)
{
    return (vxc_load_u16(node + 4) & NODE_BIG) != 0 ? 8 : vxc_load_u32(node);
}

/* Bounds of all nodes of a branch or leaf page. */
static int check_nodes(struct walk *w, const uint8_t *page, uint64_t number, bool leaf)
{
    unsigned lower = vxc_load_u16(page + 12);
    unsigned upper = vxc_load_u16(page + 14);
    unsigned count;

    if (lower < PAGE_HEAD_SIZE || lower % 2 != 0 || upper < lower || upper > w->meta->page_size) {
        return damaged(w, number, "free space is out of bounds");
    }
    count = node_count(page);
    if (count == 0 || (!leaf && count < 2)) {
        return damaged(w, number, "too few nodes");
    }
    for (unsigned i = 0; i < count; i++) {
        uint64_t at = vxc_load_u16(page + PAGE_HEAD_SIZE + 2 * (size_t)i);
        uint64_t left;

        if (at < upper || at % 2 != 0 || at + NODE_HEAD_SIZE > w->meta->page_size) {
            return damaged(w, number, "a node is out of bounds");
        }
        left = w->meta->page_size - at - NODE_HEAD_SIZE;
        struct vxc_slice key = node_key(page + at);
        if (key.size > VXC_ROW_KEY_SIZE_MAX || key.size > left ||
            (leaf && (key.size == 0 || node_value_size_here(page + at) > left - key.size))) {
            return damaged(w, number, "a node is larger than its page");
        }
    }
    return 0;
}

/* A page of a tree at the given depth (1 = root), which `from` points to. */
static int open_page(struct walk *w, const struct tree_walk *t, uint64_t number, unsigned depth,
                     uint64_t from, const uint8_t **page)
{
    unsigned expected = depth == t->tree->depth ? PAGE_LEAF : PAGE_BRANCH;
    int rv = mark_pages(w, number, 1, from);

    if (rv != 0) {
        return rv;
    }
    if (number >= w->pages) {
        return damaged(w, number, "the file ends before this page");
    }
    *page = page_at(w, number);
    if (vxc_load_u64(*page) != number) {
        return damaged(w, number, "page carries another number");
    }
    if ((vxc_load_u16(*page + 10) & ~(unsigned)PAGE_DIRTY) != expected) {
        return damaged(w, number, "page is of the wrong type");
    }
    return check_nodes(w, *page, number, expected == PAGE_LEAF);
}

/* Keys of the free tree are transaction ids in the machine's byte order. */
static int compare_keys(const struct tree_walk *t, struct vxc_slice a, struct vxc_slice b)
{
    if (t->kind == KIND_FREE) {
        uint64_t x = vxc_load_u64(a.data);
        uint64_t y = vxc_load_u64(b.data);

        return (x > y) - (x < y);
    }
    return vxc_slice_compare(a, b);
}

/* Finds the value of a leaf node, in the leaf or in its run of overflow pages. */
static int read_value(struct walk *w, const uint8_t *node, uint64_t number, struct vxc_slice *value)
{
    struct vxc_slice key = node_key(node);
    uint64_t size = vxc_load_u32(node);
    const uint8_t *here = key.data + key.size;
    uint64_t first;
    uint64_t count;
    int rv;

    if ((vxc_load_u16(node + 4) & NODE_BIG) == 0) {
        *value = vxc_slice(here, size);
        return 0;
    }
    first = vxc_load_u64(here);
    count = (PAGE_HEAD_SIZE - 1 + size) / w->meta->page_size + 1;
    rv = mark_pages(w, first, count, number);
    if (rv != 0) {
        return rv;
    }
    if (first + count > w->pages) {
        return damaged(w, first, "the file ends within this run of pages");
    }
    const uint8_t *page = page_at(w, first);
    if (vxc_load_u64(page) != first ||
        (vxc_load_u16(page + 10) & ~(unsigned)PAGE_DIRTY) != PAGE_OVERFLOW ||
        vxc_load_u32(page + 12) != count) {
        return damaged(w, first, "damaged head of a run of pages");
    }
    *value = vxc_slice(page + PAGE_HEAD_SIZE, size);
    return 0;
}

static int walk_tree(struct walk *w, struct tree_walk *t, uint64_t from);

/* A record of the free tree: a count, then page numbers in falling order. */
static int visit_free(struct walk *w, struct vxc_slice key, struct vxc_slice value, uint64_t number)
{
    uint64_t count;
    uint64_t previous = UINT64_MAX;

    if (value.size < 8 || value.size % 8 != 0 || vxc_load_u64(key.data) > w->meta->txnid) {
        return damaged(w, number, "damaged list of free pages");
    }
    count = vxc_load_u64(value.data);
    if (count > value.size / 8 - 1) {
        return damaged(w, number, "damaged list of free pages");
    }
    for (uint64_t i = 1; i <= count; i++) {
        uint64_t page = vxc_load_u64(value.data + 8 * i);
        int rv;

        if (page >= previous) {
            return damaged(w, number, "list of free pages is out of order");
        }
        previous = page;
        rv = mark_pages(w, page, 1, number);
        if (rv != 0) {
            return rv;
        }
    }
    return 0;
}

/* A record of the main tree: the name of a database and its tree. */
static int visit_database(struct walk *w, const uint8_t *node, struct vxc_slice key,
                          struct vxc_slice value, uint64_t number)
{
    struct vxc_pages_tree tree;
    struct tree_walk *inner;
    int rv;

    if (vxc_load_u16(node + 4) != NODE_TREE || value.size != TREE_SIZE) {
        return damaged(w, number, "damaged record of a database");
    }
    read_tree(value.data, &tree);
    if (tree.flags != 0) {
        return damaged(w, number, "a database with unknown flags");
    }
    inner = vxc_calloc(1, sizeof *inner);
    if (inner == NULL) {
        return vxc_error_set(w->err, VXC_ENOMEM, "out of memory");
    }
    inner->kind = KIND_NAMED;
    inner->tree = &tree;
    inner->name = key;
    rv = walk_tree(w, inner, number);
    vxc_free(inner);
    return rv;
}

static int visit_leaf_node(struct walk *w, struct tree_walk *t, const uint8_t *node,
                           uint64_t number)
{
    struct vxc_slice key = node_key(node);
    struct vxc_slice value;
    int rv;

    if (t->kind == KIND_FREE && key.size != 8) {
        return damaged(w, number, "damaged list of free pages");
    }
    if (t->kind != KIND_MAIN && (vxc_load_u16(node + 4) & ~(unsigned)NODE_BIG) != 0) {
        return damaged(w, number, "a node with unknown flags");
    }
    if (t->begun && compare_keys(t, t->previous, key) >= 0) {
        return damaged(w, number, "keys are out of order");
    }
    t->previous = key;
    t->begun = true;
    t->entries++;
    rv = read_value(w, node, number, &value);
    if (rv != 0) {
        return rv;
    }
    switch (t->kind) {
    case KIND_FREE:
        return visit_free(w, key, value, number);
    case KIND_MAIN:
        return visit_database(w, node, key, value, number);
    case KIND_NAMED:
        break;
    }
    rv = w->on_row(w->data, t->name, key, value, w->err);
    if (rv != 0) {
        return vxc_error_prefix(w->err, "%s: offset %" PRIu64 " (page %" PRIu64 ")", w->path,
                                number * w->meta->page_size, number);
    }
    return 0;
}

static int visit_leaf(struct walk *w, struct tree_walk *t, const uint8_t *page)
{
    uint64_t number = number_of(w, page);
    unsigned count = node_count(page);

    for (unsigned i = 0; i < count; i++) {
        int rv = visit_leaf_node(w, t, node_at(page, i), number);

        if (rv != 0) {
            return rv;
        }
    }
    return 0;
}

/* Keys below child i are at least its separator (the first has none): checked against the last key
 * met before the child, and its own first key against it afterwards, by the caller. */
static int check_separator(struct walk *w, const struct tree_walk *t, const uint8_t *page,
                           unsigned i)
{
    struct vxc_slice key = node_key(node_at(page, i));

    if (i == 0) {
        return 0;
    }
    if (key.size == 0 || (t->kind == KIND_FREE && key.size != 8) || !t->begun ||
        compare_keys(t, t->previous, key) >= 0) {
        return damaged(w, number_of(w, page), "a separator is out of order");
    }
    return 0;
}

/* The least key that the leaf about to be visited may hold: the nearest separator on the path. */
static int check_first_key(struct walk *w, const struct tree_walk *t, unsigned levels,
                           const uint8_t *leaf)
{
    struct vxc_slice first = node_key(node_at(leaf, 0));

    if (t->kind == KIND_FREE && first.size != 8) {
        return damaged(w, number_of(w, leaf), "damaged list of free pages");
    }
    for (unsigned level = levels; level > 0; level--) {
        unsigned child = t->stack[level - 1].next - 1;

        if (child > 0) {
            struct vxc_slice separator = node_key(node_at(t->stack[level - 1].page, child));

            return compare_keys(t, first, separator) < 0
                       ? damaged(w, number_of(w, leaf), "a key lies before its separator")
                       : 0;
        }
    }
    return 0;
}

/* Depth first with an explicit stack of branch pages; leaves lie at the tree's depth. */
static int descend(struct walk *w, struct tree_walk *t, uint64_t from)
{
    unsigned levels = 0; /* branch pages on the stack */
    uint64_t next = t->tree->root;
    int rv;

    for (;;) {
        const uint8_t *page = NULL;

        rv = open_page(w, t, next, levels + 1, from, &page);
        if (rv != 0) {
            return rv;
        }
        if (levels + 1 < t->tree->depth) {
            t->stack[levels].page = page;
            t->stack[levels].next = 0;
            levels++;
        } else {
            rv = check_first_key(w, t, levels, page);
            if (rv == 0) {
                rv = visit_leaf(w, t, page);
            }
            if (rv != 0) {
                return rv;
            }
        }
        while (levels > 0 && t->stack[levels - 1].next == node_count(t->stack[levels - 1].page)) {
            levels--;
        }
        if (levels == 0) {
            return 0;
        }
        page = t->stack[levels - 1].page;
        rv = check_separator(w, t, page, t->stack[levels - 1].next);
        if (rv != 0) {
            return rv;
        }
        from = number_of(w, page);
        next = node_child(node_at(page, t->stack[levels - 1].next++));
    }
}

static int walk_tree(struct walk *w, struct tree_walk *t, uint64_t from)
{
    const struct vxc_pages_tree *tree = t->tree;
    int rv;

    if ((tree->root == VXC_PAGES_NONE) != (tree->entries == 0) ||
        (tree->root == VXC_PAGES_NONE) != (tree->depth == 0) || tree->depth > DEPTH_MAX) {
        return damaged(w, from, "damaged description of a tree");
    }
    if (tree->root == VXC_PAGES_NONE) {
        return 0;
    }
    rv = descend(w, t, from);
    if (rv == 0 && t->entries != tree->entries) {
        rv = damaged(w, from, "a tree holds another count of rows than its description says");
    }
    return rv;
}

static int walk_all(struct walk *w)
{
    struct tree_walk main_tree = {.kind = KIND_MAIN, .tree = &w->meta->main};
    struct tree_walk free_tree = {.kind = KIND_FREE, .tree = &w->meta->free};
    uint64_t meta_page = w->meta->txnid & 1;
    int rv = walk_tree(w, &free_tree, meta_page);

    if (rv == 0) {
        rv = walk_tree(w, &main_tree, meta_page);
    }
    if (rv == 0 && w->marked + META_PAGES != w->meta->last_page + 1) {
        rv = damaged(w, meta_page, "pages are neither used nor free");
    }
    return rv;
}

int vxc_pages_walk(int fd, const char *path, const struct vxc_pages_meta *meta, void *data,
                   vxc_pages_row_cb on_row, struct vxc_error *err)
{
    struct walk w = {.path = path, .meta = meta, .data = data, .on_row = on_row, .err = err};
    void *map;
    int rv;

    w.pages = meta->file_size / meta->page_size;
    if (meta->last_page / 2 > w.pages) { /* a short tail is fine, see vxc_pages_complete */
        return vxc_error_set(err, VXC_ECORRUPT,
                             "%s: %" PRIu64 " bytes, but the meta page tells of page %" PRIu64,
                             path, meta->file_size, meta->last_page);
    }
    map = mmap(NULL, meta->file_size, PROT_READ, MAP_SHARED, fd, 0);
    if (map == MAP_FAILED) {
        return vxc_error_set(err, vxc_error_from_errno(errno), "%s: map: %s", path,
                             strerror(errno));
    }
    (void)madvise(map, meta->file_size, MADV_WILLNEED); /* advice only */
    w.map = map;
    w.marks = vxc_calloc(meta->last_page / 8 + 1, 1);
    rv = w.marks == NULL ? vxc_error_set(err, VXC_ENOMEM, "out of memory") : walk_all(&w);
    vxc_free(w.marks);
    (void)munmap(map, meta->file_size);
    return rv;
}
