/* Memory: every allocation of the library goes through here, so that an embedder can bring an
 * allocator of its own and a test can let the k-th allocation fail.
 *
 * The functions keep the promises of their namesakes in libc: NULL when there is no memory, free of
 * NULL is fine. The allocator is chosen once, before anything else of the library is called
 * (vxc_memory_set); from then on any thread may allocate. What one function here gave is given back
 * by vxc_free() (vxc_aligned_free() for vxc_aligned_malloc()), never by libc's free().
 */
#ifndef VXC_BASE_MEMORY_H
#define VXC_BASE_MEMORY_H

#include <stdbool.h>
#include <stddef.h>

struct vxc_allocator; /* include/vxc.h */

/* Takes the allocator for the whole process; NULL = libc's. Nothing may be allocated at that time.
 */
void vxc_memory_set(const struct vxc_allocator *allocator);

void *vxc_malloc(size_t size);
void *vxc_calloc(size_t count, size_t size);
void *vxc_realloc(void *memory, size_t size);
void vxc_free(void *memory);

/* `alignment` is a power of two; the memory is not zeroed. */
void *vxc_aligned_malloc(size_t alignment, size_t size);
void vxc_aligned_free(void *memory);

char *vxc_strdup(const char *text);
char *vxc_strndup(const char *text, size_t size_max);
/* The formatted text, or NULL. */
char *vxc_format(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* For what has gone too far to be refused: ends the process by vxc_fatal() with "out of memory for
 * WHAT" unless the memory is there. */
void vxc_need_memory(bool there, const char *what);

#endif
