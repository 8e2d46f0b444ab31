#include "check.h"

#include <execinfo.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    STACK_DEPTH_MAX = 48,
    FATAL_EXIT_STATUS = 70,
    DAMAGE_EXIT_STATUS = 6,
    LINE_SIZE_MAX = 4096, /* of a fatal end: paths and what LMDB says fit */
};

_Noreturn void vxc_check_failed(const char *condition, const char *file, int line,
                                const char *function)
{
    void *stack[STACK_DEPTH_MAX];
    int depth = backtrace(stack, STACK_DEPTH_MAX);

    fprintf(stderr, "vxc: check failed: %s (%s:%d, %s)\n", condition, file, line, function);
    fflush(stderr);
    backtrace_symbols_fd(stack, depth, STDERR_FILENO);
    abort();
}

/* ---- last wishes ---- */

/* Of the process, for it is the process that ends. */
static pthread_mutex_t wishes_lock = PTHREAD_MUTEX_INITIALIZER;
static struct vxc_last_wish *wishes;

void vxc_last_wish_add(struct vxc_last_wish *wish)
{
    (void)pthread_mutex_lock(&wishes_lock);
    wish->next = wishes;
    wishes = wish;
    (void)pthread_mutex_unlock(&wishes_lock);
}

void vxc_last_wish_withdraw(struct vxc_last_wish *wish)
{
    struct vxc_last_wish **at = &wishes;

    (void)pthread_mutex_lock(&wishes_lock);
    while (*at != wish) {
        at = &(*at)->next;
    }
    *at = wish->next;
    (void)pthread_mutex_unlock(&wishes_lock);
}

/* The lock is kept: who withdraws a wish now waits for the end. */
static void fulfil_wishes(void)
{
    (void)pthread_mutex_lock(&wishes_lock);
    for (const struct vxc_last_wish *wish = wishes; wish != NULL; wish = wish->next) {
        wish->run(wish->data);
    }
}

/* ---- fatal ends ---- */

/* No atexit handlers: nothing may be flushed or tidied after a failure of the disk but what was
 * wished for. */
static _Noreturn void end_process(int status, const char *format, va_list args)
    __attribute__((format(printf, 2, 0)));

/* One write, so that no other thread's words come in between. */
static _Noreturn void end_process(int status, const char *format, va_list args)
{
    static const char intro[] = "vxc: fatal: ";
    char line[LINE_SIZE_MAX];
    size_t size = sizeof intro - 1;
    int written;

    memcpy(line, intro, size);
    written = vsnprintf(line + size, sizeof line - size - 1, format, args);
    if (written > 0) {
        const size_t room = sizeof line - size - 2; /* the terminator's place takes the newline */
        size += (size_t)written < room ? (size_t)written : room;
    }
    line[size++] = '\n';
    (void)!write(STDERR_FILENO, line, size); /* or nobody reads it */
    fulfil_wishes();
    _exit(status);
}

_Noreturn void vxc_fatal(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    end_process(FATAL_EXIT_STATUS, format, args);
}

_Noreturn void vxc_fatal_damage(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    end_process(DAMAGE_EXIT_STATUS, format, args);
}
