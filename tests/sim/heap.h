/* The memory that the product's code allocates: a heap for each node's life, another for the rest.
 *
 * When a life ends its heap is emptied as a whole, as the system does for a process, and the next one
 * gets the same pages. Under a sanitizer libc's heap stays, for that knows what was freed; what a
 * crashed life leaves is left there.
 */
#ifndef VXC_TESTS_SIM_HEAP_H
#define VXC_TESTS_SIM_HEAP_H

#include "sim.h"

/* Before the product's code allocates anything. */
void heap_begin(void);
/* All that the node's code has allocated and not freed is gone. */
void heap_end_life(const struct node *node);

/* Memory of the simulator's own, for contents of files: not zeroed, given back by heap_free. */
void *heap_new(size_t size);
void heap_free(void *piece);

#endif
