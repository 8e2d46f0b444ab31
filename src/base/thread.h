/* What all threads have in common that the library starts. */
#ifndef VXC_BASE_THREAD_H
#define VXC_BASE_THREAD_H

#include <pthread.h>

/* Starts a thread that takes no signals, which are the program's. 0, or what pthread_create() says:
 * a number as in errno. */
int vxc_thread_create(pthread_t *thread, void *(*run)(void *data), void *data);

/* The calling thread's work, and that of all threads it starts, can wait: processor and disk are
 * others' first. Where the system refuses or its disk scheduler knows no classes, nothing is lost
 * but speed. */
void vxc_thread_stand_back(void);

#endif
