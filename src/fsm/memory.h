/* Memory that applying cannot do without. The state machine must not answer "out of memory": a node
 * that carries out less than the others has lost its state, so it ends instead and replays its log.
 */
#ifndef VXC_FSM_MEMORY_H
#define VXC_FSM_MEMORY_H

#include "base/bytes.h"
#include "base/check.h"
#include "base/error.h"
#include "base/memory.h"

static inline void vxc_must(int rv)
{
    if (rv != 0) {
        vxc_fatal("state machine: %s while applying; give the node more memory and start it again",
                  vxc_strerror(rv));
    }
}

/* Zeroed. */
static inline void *vxc_must_calloc(size_t count, size_t size)
{
    void *memory = vxc_calloc(count == 0 ? 1 : count, size == 0 ? 1 : size);

    vxc_must(memory == NULL ? VXC_ENOMEM : 0);
    return memory;
}

static inline void *vxc_must_realloc(void *old, size_t count, size_t size)
{
    void *memory = NULL;

    if (count <= SIZE_MAX / 2 / size) {
        memory = vxc_realloc(old, count == 0 ? size : count * size);
    }
    vxc_must(memory == NULL ? VXC_ENOMEM : 0);
    return memory;
}

/* An owned copy; data is never NULL, so that "given, but empty" survives. */
static inline struct vxc_slice vxc_must_copy(struct vxc_slice bytes)
{
    uint8_t *copy = vxc_must_calloc(1, bytes.size);

    if (bytes.size != 0) {
        memcpy(copy, bytes.data, bytes.size);
    }
    return vxc_slice(copy, bytes.size);
}

/* Frees what vxc_must_copy() gave and leaves an empty slice. */
static inline void vxc_slice_free(struct vxc_slice *owned)
{
    vxc_free((void *)(uintptr_t)owned->data);
    *owned = vxc_slice(NULL, 0);
}

#endif
