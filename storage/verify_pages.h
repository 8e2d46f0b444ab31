/* The pages of an LMDB 0.9 file, read without LMDB, which trusts what it reads and dies of it.
 *
 * vxc_pages_read_meta() judges the two meta pages; vxc_pages_walk() follows both trees from the
 * newer one and checks everything that LMDB relies on: page numbers, types and depths, node bounds,
 * key order, entry counts, and that every page is used at most once or free, never both. Rows are
 * handed out in LMDB's order. The file is read through a private mapping: do it in a child
 * (verify.c), for a disk that fails answers with a signal. The format is that of liblmdb 0.9 on a
 * 64-bit little-endian machine; docs/format.md says where its fields are.
 */
#ifndef VXC_STORAGE_VERIFY_PAGES_H
#define VXC_STORAGE_VERIFY_PAGES_H

#include "base/bytes.h"
#include "base/error.h"

#include <stdbool.h>
#include <stdint.h>

/* One B+tree as its parent describes it. */
struct vxc_pages_tree {
    uint16_t flags;
    uint16_t depth;
    uint64_t entries;
    uint64_t root; /* page number; VXC_PAGES_NONE when empty */
};

#define VXC_PAGES_NONE UINT64_MAX

struct vxc_pages_meta {
    uint64_t file_size; /* bytes */
    uint64_t page_size; /* bytes */
    uint64_t last_page; /* greatest page number ever given out */
    uint64_t txnid;
    struct vxc_pages_tree free; /* freed pages by transaction */
    struct vxc_pages_tree main; /* named databases */
};

/* Reads and checks the meta pages of `fd` (path is for messages). VXC_ECORRUPT with the offset,
 * VXC_EFOREIGN for a file that is no LMDB file at all, VXC_EVERSION, VXC_EIO. */
int vxc_pages_read_meta(int fd, const char *path, struct vxc_pages_meta *meta,
                        struct vxc_error *err);

/* True when every page that was ever given out lies within the file. A file may rightly end early,
 * when its last pages were given out and taken back in one transaction: only a walk can tell. */
bool vxc_pages_complete(const struct vxc_pages_meta *meta);

/* Called for each row; a code other than 0 ends the walk and is prefixed with the page's offset. */
typedef int (*vxc_pages_row_cb)(void *data, struct vxc_slice database, struct vxc_slice key,
                                struct vxc_slice value, struct vxc_error *err);

/* Walks all named databases in order of name. VXC_ECORRUPT with the offset of the page. */
int vxc_pages_walk(int fd, const char *path, const struct vxc_pages_meta *meta, void *data,
                   vxc_pages_row_cb on_row, struct vxc_error *err);

#endif
