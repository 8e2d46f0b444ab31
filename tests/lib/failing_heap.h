/* An allocator that can be told to fail its k-th call, and sweeps that let each call of a story fail.
 *
 * Every block has a head that says whose it is: what did not come from here, or is given back twice,
 * ends the test. The balance tells what was not given back, in every build.
 *
 * A sweep runs one story again and again, each time in a child of its own, with the first, second,
 * third … call failing, until a run meets no failure; then the same with that call and all after it
 * failing. The order of calls of several threads is not the same each time, so k names a run, not a
 * place: where memory ran out is in the child's output, which is shown when something is wrong.
 *
 * VXC_MEMORY_STRIDE=n tries every n-th k only (1 when not set: each one).
 */
#ifndef VXC_TESTS_LIB_FAILING_HEAP_H
#define VXC_TESTS_LIB_FAILING_HEAP_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* ---- the allocator ---- */

/* Makes the library use this heap, which works until it is armed. */
void failing_heap_install(void);
/* libc's again. All that was allocated must have been given back. */
void failing_heap_uninstall(void);

/* From now on the k-th call fails (0: none), and with `onwards` all after it. */
void failing_heap_arm(uint64_t k, bool onwards);

uint64_t failing_heap_calls(void);    /* allocations asked for since install */
uint64_t failing_heap_failures(void); /* of these refused */
int64_t failing_heap_balance(void);   /* blocks allocated and not given back */

/* ---- stories ---- */

struct failing_heap_story {
    void *data;
    /* Before each run, in the test itself. NULL: nothing to do. */
    void (*prepare)(void *data);
    /* In the child, with the failing heap: 0 or a VXC_E… code. Must give back all memory. */
    int (*run)(void *data);
    /* In the test while the child runs; returns when the child has ended or soon will. NULL: nothing
     * to do. */
    void (*talk)(void *data, pid_t child);
    /* After each run, in the test: is what was acknowledged there? NULL: nothing to do. */
    void (*check)(void *data);
    /* The process may end by vxc_fatal() with "out of memory" or "not enough memory". */
    bool may_end;
    /* Codes besides VXC_ENOMEM that run may give because of a failure, ended by 0. NULL: none. */
    const int *codes;
};

/* Fails the cmocka test on: an end by a signal, a code that was not said, memory that is left, any
 * other message of a fatal end, or a child that does not end within 20 s. */
void failing_heap_sweep(const struct failing_heap_story *story);

/* The teardown of a test that sweeps: when talk or check failed the test, says in which run, shows
 * the child's output and ends it. */
int failing_heap_give_up(void **state);

#endif
