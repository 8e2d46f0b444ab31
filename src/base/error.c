#include "error.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

const char *vxc_strerror(int code)
{
    switch (code) {
    case VXC_OK:
        return "ok";
#define X(name, text)                                                                              \
    case VXC_##name:                                                                               \
        return text;
        VXC_ERROR_MAP(X)
#undef X
    default:
        return "unknown error";
    }
}

const char *vxc_error_name(int code)
{
    switch (code) {
    case VXC_OK:
        return "OK";
#define X(name, text)                                                                              \
    case VXC_##name:                                                                               \
        return #name;
        VXC_ERROR_MAP(X)
#undef X
    default:
        return "EUNDEFINED";
    }
}

int vxc_error_set(struct vxc_error *err, int code, const char *format, ...)
{
    if (err != NULL) {
        va_list args;
        va_start(args, format);
        err->code = code;
        (void)vsnprintf(err->text, sizeof err->text, format, args); /* a cut text is still a text */
        va_end(args);
    }
    return code;
}

int vxc_error_prefix(struct vxc_error *err, const char *format, ...)
{
    char prefix[VXC_ERROR_TEXT_MAX];
    char whole[VXC_ERROR_TEXT_MAX];
    va_list args;

    if (err == NULL) {
        return VXC_EINVAL;
    }
    va_start(args, format);
    (void)vsnprintf(prefix, sizeof prefix, format, args);
    va_end(args);
    (void)snprintf(whole, sizeof whole, "%.200s: %.300s", prefix, err->text);
    memcpy(err->text, whole, sizeof whole);
    return err->code;
}

int vxc_error_from_errno(int errnum)
{
    switch (errnum) {
    case 0:
        return VXC_OK;
    case ENOSPC:
    case EDQUOT:
        return VXC_ENOSPC;
    case EROFS:
    case EACCES:
    case EPERM:
        return VXC_EREADONLY;
    case ENOENT:
        return VXC_ENOTFOUND;
    case EEXIST:
        return VXC_EEXISTS;
    case ENOMEM:
        return VXC_ENOMEM;
    case EADDRINUSE:
        return VXC_EADDRINUSE;
    case EINVAL:
        return VXC_EINVAL;
    default:
        return VXC_EIO;
    }
}
