#include "node/secret.h"

#include "base/limits.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/crypto.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int check_file(int fd, const char *path, struct vxc_error *err)
{
    struct stat s;

    if (fstat(fd, &s) != 0) {
        return vxc_error_set(err, VXC_EIO, "cannot read the secret file %s: %s", path,
                             strerror(errno));
    }
    if (!S_ISREG(s.st_mode)) {
        return vxc_error_set(err, VXC_EINVAL, "the secret file %s is not a file", path);
    }
    if ((s.st_mode & 077) != 0) {
        return vxc_error_set(err, VXC_EINVAL,
                             "others may read the secret file %s (mode %03o): chmod 600 %s", path,
                             (unsigned)s.st_mode & 0777, path);
    }
    return 0;
}

/* What an editor or `openssl rand -hex 32 >file` puts behind the last line. */
static size_t without_line_end(const uint8_t *bytes, size_t size)
{
    while (size > 0 && (bytes[size - 1] == '\n' || bytes[size - 1] == '\r')) {
        size--;
    }
    return size;
}

int vxc_secret_read(const char *path, struct vxc_buffer *secret, struct vxc_error *err)
{
    uint8_t raw[VXC_PEER_SECRET_SIZE_MAX + 3];
    ssize_t size = 0;
    size_t count;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* does not wait at a pipe */
    int rv;

    if (fd < 0) {
        return vxc_error_set(err, VXC_EINVAL, "cannot read the secret file %s: %s", path,
                             strerror(errno));
    }
    rv = check_file(fd, path, err);
    if (rv == 0 && (size = read(fd, raw, sizeof raw)) < 0) {
        rv = vxc_error_set(err, VXC_EIO, "cannot read the secret file %s: %s", path,
                           strerror(errno));
    }
    (void)close(fd); /* only read from */
    count = rv == 0 ? without_line_end(raw, (size_t)size) : 0;
    if (rv == 0 && (count < VXC_PEER_SECRET_SIZE_MIN || count > VXC_PEER_SECRET_SIZE_MAX)) {
        rv = vxc_error_set(
            err, VXC_EINVAL,
            "the secret file %s has %s than %u bytes; make one by: openssl rand -hex "
            "32 >%s",
            path, count < VXC_PEER_SECRET_SIZE_MIN ? "fewer" : "more",
            count < VXC_PEER_SECRET_SIZE_MIN ? VXC_PEER_SECRET_SIZE_MIN : VXC_PEER_SECRET_SIZE_MAX,
            path);
    }
    if (rv == 0 && vxc_buffer_append(secret, raw, count) != 0) {
        rv = vxc_error_set(err, VXC_ENOMEM, "out of memory");
    }
    OPENSSL_cleanse(raw, sizeof raw);
    return rv;
}

void vxc_secret_free(struct vxc_buffer *secret)
{
    if (secret->data != NULL) {
        OPENSSL_cleanse(secret->data, secret->capacity);
    }
    vxc_buffer_free(secret);
}
