/* Assertions that stay on in release. They guard our own invariants and never judge bytes that came
 * from outside (network, disk, user): those are checked and answered with a code. */
#ifndef VXC_BASE_CHECK_H
#define VXC_BASE_CHECK_H

/* Marks a large local that is filled before it is read, in a place so hot that the zeroing of all
 * locals (-ftrivial-auto-var-init) would show in a profile. */
#if defined(__has_attribute)
#if __has_attribute(uninitialized)
#define VXC_UNINITIALIZED __attribute__((uninitialized))
#endif
#endif
#ifndef VXC_UNINITIALIZED
#define VXC_UNINITIALIZED
#endif

/* Ends the process with a report when the condition is false. One fact per check, no side effects.
 */
#define vxc_check(condition)                                                                       \
    ((condition) ? (void)0 : vxc_check_failed(#condition, __FILE__, __LINE__, __func__))

/* The same for scans that are too slow for release builds. */
#ifdef VXC_DEBUG_CHECKS
#define vxc_check_slow(condition) vxc_check(condition)
#else
#define vxc_check_slow(condition) ((void)sizeof(condition))
#endif

/* Prints the expression, its place and a stack trace to stderr, then aborts. */
_Noreturn void vxc_check_failed(const char *condition, const char *file, int line,
                                const char *function);

/* Ends the process after an operating failure that must not be survived: a failed flush, an engine
 * error. Prints the text and aborts nothing twice; exit status 70 so that a supervisor restarts. */
_Noreturn void vxc_fatal(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* The same for damage met in what this node has stored; exit status 6, for a restart will not help. */
_Noreturn void vxc_fatal_damage(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* What is still to be done when the process ends by vxc_fatal or vxc_fatal_damage, after the message
 * and by the thread that says it, while others go on. For tidying away what nobody may find half
 * made; `run` makes system calls only, for memory may have run out. */
struct vxc_last_wish {
    void (*run)(void *data);
    void *data;
    struct vxc_last_wish *next; /* ours */
};

/* The wish stays the caller's, who withdraws it before it goes away. Any thread. */
void vxc_last_wish_add(struct vxc_last_wish *wish);
void vxc_last_wish_withdraw(struct vxc_last_wish *wish);

#endif
