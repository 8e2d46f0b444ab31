/* Errors: one list of codes, one text object that collects where it happened.
 *
 * Functions that can fail return int: 0 or a negative VXC_E… code. The numbers are part of the wire
 * protocol (docs/protocol.md) and of the clients in other languages; they never change meaning.
 * The code says what, the text says where: each layer that knows more (a path, a peer, an index)
 * puts it in front with vxc_error_prefix().
 */
#ifndef VXC_BASE_ERROR_H
#define VXC_BASE_ERROR_H

#include <stdarg.h>
#include <stdbool.h>

/* X(NAME, number, text) */
#define VXC_ERROR_MAP(X)                                                                           \
    X(EINVAL, -1, "invalid argument")                                                              \
    X(ENOMEM, -2, "out of memory")                                                                 \
    X(EIO, -3, "input/output error")                                                               \
    X(ENOSPC, -4, "no space")                                                                      \
    X(EBUSY, -5, "busy")                                                                           \
    X(ENOTFOUND, -6, "not found")                                                                  \
    X(EEXISTS, -7, "already exists")                                                               \
    X(ECONFLICT, -8, "compare failed")                                                             \
    X(EUNKNOWN, -9, "outcome unknown")                                                             \
    X(ETIMEOUT, -10, "timed out")                                                                  \
    X(ECANCELED, -11, "canceled")                                                                  \
    X(ENOTPRIMARY, -12, "not the primary")                                                         \
    X(ENOQUORUM, -13, "no quorum")                                                                 \
    X(ESESSION, -14, "session unknown or expired")                                                 \
    X(ESECRET, -15, "wrong session secret")                                                        \
    X(ESEQUENCE, -16, "stale sequence")                                                            \
    X(ETOOBIG, -17, "too big")                                                                     \
    X(EPROTO, -18, "malformed message")                                                            \
    X(EVERSION, -19, "version not supported")                                                      \
    X(EKIND, -20, "unknown message kind")                                                          \
    X(ECRC, -21, "checksum mismatch")                                                              \
    X(ECORRUPT, -22, "damaged data")                                                               \
    X(EFOREIGN, -23, "data of another node or cluster")                                            \
    X(ELOCKED, -24, "in use by another process")                                                   \
    X(EREADONLY, -25, "read-only")                                                                 \
    X(EADDRINUSE, -26, "address in use")                                                           \
    X(ECLOSED, -27, "connection closed")                                                           \
    X(ELIMIT, -28, "limit reached")                                                                \
    X(ENOTHELD, -29, "lock not held")                                                              \
    X(EQUEUED, -30, "queued")                                                                      \
    X(ERESYNC, -31, "events no longer kept, resynchronise")                                        \
    X(EUNSUPPORTED, -32, "not supported")                                                          \
    X(EADDRESS, -33, "bad address")

enum vxc_error_code {
    VXC_OK = 0,
#define X(name, number, text) VXC_##name = (number),
    VXC_ERROR_MAP(X)
#undef X
};

#define VXC_ERROR_TEXT_MAX 512 /* bytes, with the closing NUL */

struct vxc_error {
    int code;                      /* the code last set; 0 = none */
    char text[VXC_ERROR_TEXT_MAX]; /* what and where, for people */
};

/* Text of a code ("no space"); "unknown error" for a number that is not ours. */
const char *vxc_strerror(int code);

/* Name of a code without prefix ("ENOSPC"); "EUNDEFINED" for a number that is not ours. */
const char *vxc_error_name(int code);

/* Sets code and text; returns code, so that `return vxc_error_set(err, VXC_EIO, …)` reads well.
 * err may be NULL: then only the code travels. */
int vxc_error_set(struct vxc_error *err, int code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Puts "<prefix>: " in front of the text. Returns err->code (VXC_EINVAL when err is NULL). */
int vxc_error_prefix(struct vxc_error *err, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* The code for an errno value: ENOSPC and EDQUOT → VXC_ENOSPC, EROFS and EACCES → VXC_EREADONLY, …
 */
int vxc_error_from_errno(int errnum);

#endif
