/* Errors from the inside: how the texts of vxc/error.h, which has the codes, come about.
 *
 * Functions that can fail return int: 0 or a negative VXC_E… code. The code says what, the text
 * says where: each layer that knows more (a path, a peer, an index) puts it in front with
 * vxc_error_prefix().
 */
#ifndef VXC_BASE_ERROR_H
#define VXC_BASE_ERROR_H

#include "vxc/error.h"

#include <stdarg.h>
#include <stdbool.h>

/* X(NAME, text): what vxc/error.h lists, each with its text. */
#define VXC_ERROR_MAP(X)                                                                           \
    X(EINVAL, "invalid argument")                                                                  \
    X(ENOMEM, "out of memory")                                                                     \
    X(EIO, "input/output error")                                                                   \
    X(ENOSPC, "no space")                                                                          \
    X(EBUSY, "busy")                                                                               \
    X(ENOTFOUND, "not found")                                                                      \
    X(EEXISTS, "already exists")                                                                   \
    X(ECONFLICT, "compare failed")                                                                 \
    X(EUNKNOWN, "outcome unknown")                                                                 \
    X(ETIMEOUT, "timed out")                                                                       \
    X(ECANCELED, "canceled")                                                                       \
    X(ENOTPRIMARY, "not the primary")                                                              \
    X(ENOQUORUM, "no quorum")                                                                      \
    X(ESESSION, "session unknown or expired")                                                      \
    X(ESECRET, "wrong session secret")                                                             \
    X(ESEQUENCE, "stale sequence")                                                                 \
    X(ETOOBIG, "too big")                                                                          \
    X(EPROTO, "malformed message")                                                                 \
    X(EVERSION, "version not supported")                                                           \
    X(EKIND, "unknown message kind")                                                               \
    X(ECRC, "checksum mismatch")                                                                   \
    X(ECORRUPT, "damaged data")                                                                    \
    X(EFOREIGN, "data of another node or cluster")                                                 \
    X(ELOCKED, "in use by another process")                                                        \
    X(EREADONLY, "read-only")                                                                      \
    X(EADDRINUSE, "address in use")                                                                \
    X(ECLOSED, "connection closed")                                                                \
    X(ELIMIT, "limit reached")                                                                     \
    X(ENOTHELD, "lock not held")                                                                   \
    X(EQUEUED, "queued")                                                                           \
    X(ERESYNC, "events no longer kept, resynchronise")                                             \
    X(EUNSUPPORTED, "not supported")                                                               \
    X(EADDRESS, "bad address")

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
