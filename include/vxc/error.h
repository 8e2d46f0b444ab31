/* Errors: what a function that can fail returns, and what it says about it.
 *
 * 0 or a negative VXC_E… code. The numbers are those of the protocol (docs/protocol.md) and never
 * change meaning. The code says what, the text where and why; it is for people and may change.
 */
#ifndef VXC_ERROR_H
#define VXC_ERROR_H

#ifdef __cplusplus
extern "C" {
#endif

enum vxc_error_code {
    VXC_OK = 0,
    VXC_EINVAL = -1,        /* invalid argument */
    VXC_ENOMEM = -2,        /* out of memory */
    VXC_EIO = -3,           /* input/output error */
    VXC_ENOSPC = -4,        /* no space: growing writes are refused until there is room */
    VXC_EBUSY = -5,         /* a bound of the server is reached; try again */
    VXC_ENOTFOUND = -6,     /* no such thing */
    VXC_EEXISTS = -7,       /* already there */
    VXC_ECONFLICT = -8,     /* compare failed */
    VXC_EUNKNOWN = -9,      /* the outcome cannot be known */
    VXC_ETIMEOUT = -10,     /* no answer by the deadline; a write may still take effect */
    VXC_ECANCELED = -11,    /* the client was freed, or the request taken back */
    VXC_ENOTPRIMARY = -12,  /* not the primary */
    VXC_ENOQUORUM = -13,    /* no quorum */
    VXC_ESESSION = -14,     /* session unknown or expired */
    VXC_ESECRET = -15,      /* wrong session secret */
    VXC_ESEQUENCE = -16,    /* stale sequence */
    VXC_ETOOBIG = -17,      /* over the frame, key, name or value limit */
    VXC_EPROTO = -18,       /* malformed message */
    VXC_EVERSION = -19,     /* version not supported */
    VXC_EKIND = -20,        /* unknown message kind */
    VXC_ECRC = -21,         /* checksum mismatch */
    VXC_ECORRUPT = -22,     /* damaged data */
    VXC_EFOREIGN = -23,     /* data of another node or cluster */
    VXC_ELOCKED = -24,      /* in use by another process */
    VXC_EREADONLY = -25,    /* read-only */
    VXC_EADDRINUSE = -26,   /* address in use */
    VXC_ECLOSED = -27,      /* no connection */
    VXC_ELIMIT = -28,       /* limit reached */
    VXC_ENOTHELD = -29,     /* lock not held */
    VXC_EQUEUED = -30,      /* queued */
    VXC_ERESYNC = -31,      /* events no longer kept */
    VXC_EUNSUPPORTED = -32, /* not supported */
    VXC_EADDRESS = -33      /* bad address */
};

#define VXC_ERROR_TEXT_MAX 512 /* bytes, with the closing NUL */

/* Filled by a function that fails, untouched by one that succeeds. The caller's own; wherever a
 * function takes one it may be NULL. */
struct vxc_error {
    int code;                      /* what the function returned */
    char text[VXC_ERROR_TEXT_MAX]; /* one line without newline */
};

/* Text of a code ("no space"); "unknown error" for a number that is not ours. Any thread. */
const char *vxc_strerror(int code);
/* Name of a code without prefix ("ENOSPC"); "EUNDEFINED" for a number that is not ours. Any thread.
 */
const char *vxc_error_name(int code);

#ifdef __cplusplus
}
#endif

#endif
