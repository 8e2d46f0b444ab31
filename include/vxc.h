/* What all of the library shares: its version, its words, its memory. */
#ifndef VXC_H
#define VXC_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

/* "0.1.0": of the library that is linked, which may be newer than the header. Any thread. */
const char *vxc_version(void);

/* One line for people: "vertx-cluster 0.1.0, protocol version 1, libraft 0.22.1, LMDB 0.9.24"; the
 * last is that of the LMDB that is linked. Static. Any thread. */
const char *vxc_greeting(void);

/* ---- log lines ---- */

/* error: somebody must act; warn: it went on, and the line says how; info: beginnings and ends. */
enum vxc_log_level { VXC_LOG_ERROR, VXC_LOG_WARN, VXC_LOG_INFO, VXC_LOG_DEBUG };

/* ---- snapshots ---- */

enum vxc_snapshot_compression {
    VXC_SNAPSHOT_PLAIN = 0,
    VXC_SNAPSHOT_LZ4 = 1,
    VXC_SNAPSHOT_ZLIB = 2
};

/* ---- memory ---- */

/* An allocator of the caller's. All functions may be called from any thread, and keep the promises
 * of libc's namesakes: NULL when there is no memory; free of NULL and realloc of NULL are fine. */
struct vxc_allocator {
    void *data; /* given to each function */
    void *(*malloc)(void *data, size_t size);
    void *(*realloc)(void *data, void *memory, size_t size);
    void (*free)(void *data, void *memory);
};

/* Makes all of the library in this process use `allocator` (copied), NULL = libc's again. To be
 * called while nothing of the library exists: before the first object is created, or after the last
 * was freed. Covered is what the library and the consensus engine allocate; LMDB, libuv, liburing
 * and the compressors keep libc's. */
void vxc_set_allocator(const struct vxc_allocator *allocator);

#ifdef __cplusplus
}
#endif

#endif
