/* Image files: a whole state in one file (docs/format.md). What `vxc snapshot` saves, checks,
 * shows and restores, and what a node sends to one that is far behind.
 *
 * An image is a compact copy of the LMDB environment at one commit, cut into chunks that carry
 * their own CRC and are compressed each by itself. The header says whose state it is and at which
 * index; the trailer says how much there is and carries the SHA-256 of all before it. No byte of
 * the file is outside some checksum: damage or a cut anywhere is VXC_ECORRUPT with the offset, a
 * header that is whole but of a newer version VXC_EVERSION.
 *
 * Writing: LMDB copies itself into a pipe (writes of the node go on meanwhile), out of which it is
 * compressed into TARGET.part; that is flushed, read back and checked, renamed to TARGET, and the
 * folder is flushed. So a file of the final name is always whole, whatever fails and whenever.
 * Memory is bounded by a few chunks.
 *
 * Everything here blocks and belongs on a thread of its own in a running node. Messages name the
 * file. Errors beside those named: VXC_EIO, VXC_ENOMEM, VXC_ENOSPC, VXC_EREADONLY, VXC_ECANCELED
 * (the progress callback said so).
 */
#ifndef VXC_STORAGE_IMAGE_H
#define VXC_STORAGE_IMAGE_H

#include "base/bytes.h"
#include "base/error.h"
#include "storage/row.h"
#include "storage/store.h"

#include <stdbool.h>
#include <stdint.h>

enum vxc_image_compression {
    VXC_IMAGE_PLAIN = 0,
    VXC_IMAGE_LZ4 = 1,
    VXC_IMAGE_ZLIB = 2,
    VXC_IMAGE_COMPRESSIONS
};

#define VXC_IMAGE_CLUSTER_ID_SIZE   16u
#define VXC_IMAGE_SHA256_SIZE       32u
#define VXC_IMAGE_CONFIGURATION_MAX 4096u /* bytes; 16 members take less than 600 */

/* What a file says of itself. Header fields are known once it is open, the others at its end. */
struct vxc_image_info {
    /* header */
    uint16_t version;
    enum vxc_image_compression compression;
    uint32_t chunk_size; /* bytes of state per chunk; the last one may hold less */
    uint8_t cluster_id[VXC_IMAGE_CLUSTER_ID_SIZE];
    uint64_t node_id; /* who saved it */
    uint64_t applied_index;
    uint64_t applied_term;
    uint32_t applied_position; /* not 0: some commands of the entry behind are in it too */
    uint64_t cluster_time_ms;
    uint64_t digest;      /* total, as of vxc_store_digest() */
    uint64_t saved_at_us; /* wall clock; for people */
    uint64_t configuration_index;
    uint32_t configuration_size;
    uint8_t configuration[VXC_IMAGE_CONFIGURATION_MAX]; /* engine's encoding */
    /* trailer */
    uint64_t chunks;
    uint64_t raw_bytes;  /* of the state */
    uint64_t file_bytes; /* of the whole file */
    struct vxc_image_database {
        uint64_t rows;
        uint64_t bytes; /* of its pages */
    } databases[VXC_DB_COUNT];
    uint8_t sha256[VXC_IMAGE_SHA256_SIZE];
};

/* "none", "lz4", "zlib". */
const char *vxc_image_compression_name(enum vxc_image_compression compression);
/* VXC_EINVAL for any other word. */
int vxc_image_compression_parse(const char *text, enum vxc_image_compression *compression);

/* Of all databases. */
uint64_t vxc_image_rows(const struct vxc_image_info *info);

/* ---- progress ---- */

enum vxc_image_step {
    VXC_IMAGE_BEGINNING,  /* nothing is written yet */
    VXC_IMAGE_WRITING,    /* the state into the image */
    VXC_IMAGE_CHECKING,   /* reading an image */
    VXC_IMAGE_EXTRACTING, /* reading an image and writing the state */
    VXC_IMAGE_WALKING,    /* all rows of an extracted state */
    VXC_IMAGE_FETCHING,   /* an image from a node; not done here */
};

/* Bytes done of a total, from time to time and at the end of each step; called on the caller's
 * thread. False ends the work with VXC_ECANCELED. NULL wherever nobody wants to know. */
struct vxc_image_progress {
    void *data;
    bool (*on_progress)(void *data, enum vxc_image_step step, uint64_t done, uint64_t total);
};

/* ---- saving ---- */

/* Added to the name of an image until it is whole. */
#define VXC_IMAGE_PART_SUFFIX ".part"

struct vxc_image_write_options {
    enum vxc_image_compression compression;
    uint8_t cluster_id[VXC_IMAGE_CLUSTER_ID_SIZE];
    uint64_t node_id;
    uint64_t saved_at_us;
    uint32_t chunk_size; /* 0 = VXC_IMAGE_CHUNK_SIZE; small in tests */
    /* NULL, or how many bytes of the file are final by now: they may be read from its
     * VXC_IMAGE_PART_SUFFIX while the rest is written */
    _Atomic uint64_t *stored;
    /* nobody needs the file after a crash: it is not flushed, which would only hold up the flushes
     * of a log on the same disk */
    bool passing;
};

/* Saves the last commit of an open store as the file `path`; one that is there is replaced. May be
 * called on any thread beside the store's own commits, but not beside its death. *info is what the
 * file says, read back. VXC_ELOCKED when another process writes this file; VXC_EINVAL when the path
 * cannot be a file. */
int vxc_image_write(struct vxc_store *store, const char *path,
                    const struct vxc_image_write_options *options,
                    const struct vxc_image_progress *progress, struct vxc_image_info *info,
                    struct vxc_error *err);

/* The same of a state folder (DATA/state), of a stopped or a running node, after checking it:
 * VXC_ENOTFOUND, VXC_ECORRUPT as of vxc_verify_state(). What only the log holds is not in it. */
int vxc_image_write_folder(const char *state_path, const char *path,
                           const struct vxc_image_write_options *options,
                           const struct vxc_image_progress *progress, struct vxc_image_info *info,
                           struct vxc_error *err);

/* ---- looking ---- */

/* Reads all of the file and checks every checksum, sizes and the end. VXC_ENOTFOUND for no file. */
int vxc_image_inspect(const char *path, const struct vxc_image_progress *progress,
                      struct vxc_image_info *info, struct vxc_error *err);

/* The same, and then unpacks it in `scratch` (NULL: $TMPDIR or /tmp), walks all rows, and compares
 * digests and counts. Needs room for the whole state there, given back before it returns. */
int vxc_image_verify(const char *path, const char *scratch,
                     const struct vxc_image_progress *progress, struct vxc_image_info *info,
                     struct vxc_error *err);

/* Writes data.mdb into `folder`, which is made when absent and must be empty: VXC_EEXISTS. On
 * failure the folder is as before. */
int vxc_image_extract(const char *path, const char *folder,
                      const struct vxc_image_progress *progress, struct vxc_image_info *info,
                      struct vxc_error *err);

/* An image unpacked in a scratch folder, its rows verified and open for reading. */
struct vxc_image_view {
    struct vxc_image_info info;
    struct vxc_store *store; /* read-only; owned by the view */
    char folder[1024];       /* private: removed by close */
};
int vxc_image_view_open(const char *path, const char *scratch,
                        const struct vxc_image_progress *progress, struct vxc_image_view *view,
                        struct vxc_error *err);
void vxc_image_view_close(struct vxc_image_view *view); /* a zeroed one is fine */

/* Calls `each` with the header row's body of every map, set or multimap of a store, by id; a code
 * other than 0 ends it. Skips the elements: as cheap as there are objects. */
int vxc_image_each_object(struct vxc_store *store, enum vxc_database db, void *data,
                          int (*each)(void *data, uint64_t object_id, struct vxc_slice body),
                          struct vxc_error *err);

/* ---- comparing ---- */

/* Rows of one object, or of a whole database that has no objects (object_id 0, no headers). An
 * element counts as the same when its key and its body are, also after a clear. */
struct vxc_image_difference {
    enum vxc_database db;
    uint64_t object_id;
    struct vxc_slice before_header; /* body; data == NULL: the object is not in the first image */
    struct vxc_slice after_header;  /* not in the second */
    uint64_t added, removed, changed;
};

/* Calls on_difference for what differs, in order of database and object; slices are borrowed during
 * the call. Local rows (meta, garbage) are not compared. */
int vxc_image_diff(struct vxc_store *before, struct vxc_store *after, void *data,
                   void (*on_difference)(void *data, const struct vxc_image_difference *),
                   struct vxc_error *err);

/* ---- restoring ---- */

/* What only upper layers know how to do to a state that begins a new life. */
struct vxc_image_restore_hooks {
    void *data;
    /* Changes the open state (synchronous) and commits: its configuration, applied index and term
     * afterwards become the log's base. info is the image's. */
    int (*edit)(void *data, struct vxc_store *store, const struct vxc_image_info *info,
                struct vxc_error *err);
    /* Puts the file `node` of the new data directory into an empty folder. */
    int (*identify)(void *data, const char *folder, struct vxc_error *err);
};

/* Makes the data directory of a new node: state, log and vote, and last the file `node`, without
 * which no vxcd starts there. `folder` must be absent or empty: VXC_EEXISTS. On failure what was
 * made is removed. */
int vxc_image_restore(const char *path, const char *folder, uint64_t node_id,
                      const struct vxc_image_restore_hooks *hooks,
                      const struct vxc_image_progress *progress, struct vxc_image_info *info,
                      struct vxc_error *err);

#endif
