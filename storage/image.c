/* Reading image files as a whole: looking, checking, unpacking. */
#include "storage/image.h"

#include "storage/disk.h"
#include "storage/image_internal.h"
#include "storage/image_read.h"
#include "storage/verify.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int failed(struct vxc_error *err, const char *doing, const char *path)
{
    int code = errno == EFBIG ? VXC_ENOSPC : vxc_error_from_errno(errno);

    return vxc_error_set(err, code, "%s: %s: %s", path, doing, strerror(errno));
}

/* ---- from beginning to end ---- */

/* Reads on to the end; what comes is written to `out` when that is a descriptor. */
static int read_all(struct vxc_image_reader *r, int out, const char *out_path,
                    const struct vxc_image_progress *progress, struct vxc_error *err)
{
    const enum vxc_image_step step = out >= 0 ? VXC_IMAGE_EXTRACTING : VXC_IMAGE_CHECKING;
    uint64_t written = 0;
    struct vxc_slice raw;
    int rv;

    while ((rv = vxc_image_reader_next(r, &raw, err)) == 0) {
        if (out >= 0 && vxc_disk_write(out, written, raw.data, raw.size) != 0) {
            return failed(err, "write", out_path);
        }
        written += raw.size;
        rv = vxc_image_tell(progress, step, r->offset, r->file_size, err);
        if (rv != 0) {
            return rv;
        }
    }
    return rv == VXC_ENOTFOUND ? vxc_image_tell(progress, step, r->offset, r->offset, err) : rv;
}

int vxc_image_inspect(const char *path, const struct vxc_image_progress *progress,
                      struct vxc_image_info *info, struct vxc_error *err)
{
    struct vxc_image_reader reader;
    int rv = vxc_image_reader_open(path, &reader, err);

    if (rv != 0) {
        return rv;
    }
    rv = read_all(&reader, -1, NULL, progress, err);
    if (rv == 0) {
        *info = reader.info;
    }
    vxc_image_reader_close(&reader);
    return rv;
}

/* ---- unpacking ---- */

int vxc_image_unpack_state(struct vxc_image_reader *reader, int folder, const char *path,
                           const struct vxc_image_progress *progress, struct vxc_error *err)
{
    static const char part[] = "data.mdb.part";
    int fd = openat(folder, part, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    int rv;

    if (fd < 0) {
        return failed(err, "create data.mdb.part", path);
    }
    rv = read_all(reader, fd, path, progress, err);
    if (rv == 0 && fsync(fd) != 0) {
        rv = failed(err, "flush data.mdb", path);
    }
    if (close(fd) != 0 && rv == 0) {
        rv = failed(err, "write data.mdb", path);
    }
    if (rv == 0 && renameat(folder, part, folder, "data.mdb") != 0) {
        rv = failed(err, "rename data.mdb.part", path);
    }
    if (rv == 0 && vxc_disk_sync_folder(folder) != 0) {
        rv = failed(err, "flush", path);
    }
    if (rv != 0) {
        (void)unlinkat(folder, part, 0); /* one of the two is there, or none */
        (void)unlinkat(folder, "data.mdb", 0);
    }
    return rv;
}

static bool is_empty(int folder)
{
    const struct dirent *entry;
    bool empty = true;
    int fd = dup(folder);
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);

    if (dir == NULL) {
        if (fd >= 0) {
            (void)close(fd); /* only a second name of it */
        }
        return false;
    }
    rewinddir(dir);
    while ((entry = readdir(dir)) != NULL) {
        empty = empty && (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0);
    }
    (void)closedir(dir);
    return empty;
}

int vxc_image_take_folder(const char *path, int *folder, bool *made, struct vxc_error *err)
{
    struct stat status;
    bool absent = stat(path, &status) != 0 && errno == ENOENT;

    if (!absent && !S_ISDIR(status.st_mode)) {
        return vxc_error_set(err, VXC_EEXISTS, "%s: is there and is no folder", path);
    }
    if (vxc_disk_open_folder(path, true, folder) != 0) {
        return failed(err, "open the folder", path);
    }
    *made = absent;
    if (!is_empty(*folder)) {
        (void)close(*folder); /* only read from */
        return vxc_error_set(err, VXC_EEXISTS,
                             "%s: the folder is not empty; name an empty or a new one", path);
    }
    return 0;
}

int vxc_image_extract(const char *path, const char *folder,
                      const struct vxc_image_progress *progress, struct vxc_image_info *info,
                      struct vxc_error *err)
{
    struct vxc_image_reader reader;
    bool made;
    int fd;
    int rv = vxc_image_reader_open(path, &reader, err);

    if (rv != 0) {
        return rv;
    }
    rv = vxc_image_take_folder(folder, &fd, &made, err);
    if (rv == 0) {
        rv = vxc_image_unpack_state(&reader, fd, folder, progress, err);
        (void)close(fd); /* only read from */
        if (rv != 0 && made) {
            (void)rmdir(folder); /* empty again */
        }
    }
    if (rv == 0 && info != NULL) {
        *info = reader.info;
    }
    vxc_image_reader_close(&reader);
    return rv;
}

/* ---- checking what was unpacked ---- */

int vxc_image_check_state(const char *path, const struct vxc_image_info *info,
                          const struct vxc_image_progress *progress, struct vxc_error *err)
{
    struct vxc_verify_report report;
    int rv = vxc_image_tell(progress, VXC_IMAGE_WALKING, 0, info->raw_bytes, err);

    rv = rv != 0 ? rv : vxc_verify_state(path, &report, err);
    if (rv != 0) {
        return rv;
    }
    if (report.applied_index != info->applied_index || report.digest != info->digest ||
        report.rows != vxc_image_rows(info)) {
        return vxc_error_set(err, VXC_ECORRUPT,
                             "the state in it is not that of its header: index %" PRIu64
                             " and %" PRIu64 " rows instead of %" PRIu64 " and %" PRIu64,
                             report.applied_index, report.rows, info->applied_index,
                             vxc_image_rows(info));
    }
    return vxc_image_tell(progress, VXC_IMAGE_WALKING, info->raw_bytes, info->raw_bytes, err);
}

void vxc_image_remove_folder(const char *path)
{
    _Alignas(struct dirent64) char entries[4096]; /* opendir would want memory */
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    ssize_t size;

    while (fd >= 0 && (size = getdents64(fd, entries, sizeof entries)) > 0) {
        for (ssize_t at = 0; at < size;) {
            const struct dirent64 *entry = (const struct dirent64 *)(const void *)(entries + at);

            (void)unlinkat(fd, entry->d_name, 0); /* "." and ".." refuse, and are meant to */
            at += entry->d_reclen;
        }
    }
    if (fd >= 0) {
        (void)close(fd); /* only read from */
    }
    (void)rmdir(path);
}

static int make_scratch(struct vxc_image_view *view, const char *scratch, struct vxc_error *err)
{
    const char *parent = scratch != NULL ? scratch : getenv("TMPDIR");
    int size = snprintf(view->folder, sizeof view->folder, "%s/vxc-image.XXXXXX",
                        parent == NULL || *parent == '\0' ? "/tmp" : parent);

    if (size < 0 || (size_t)size >= sizeof view->folder) {
        view->folder[0] = '\0';
        return vxc_error_set(err, VXC_EINVAL, "the name of the scratch folder is too long");
    }
    if (mkdtemp(view->folder) == NULL) {
        int rv = failed(err, "make a scratch folder", view->folder);
        view->folder[0] = '\0';
        return rv;
    }
    return 0;
}

/* Unpacks into a fresh scratch folder, checks the state, and leaves it there. */
static int unpack_scratch(const char *path, const char *scratch,
                          const struct vxc_image_progress *progress, struct vxc_image_view *view,
                          struct vxc_error *err)
{
    int rv;

    *view = (struct vxc_image_view){0};
    rv = make_scratch(view, scratch, err);
    rv = rv != 0 ? rv : vxc_image_extract(path, view->folder, progress, &view->info, err);
    if (rv == 0) {
        rv = vxc_image_check_state(view->folder, &view->info, progress, err);
        if (rv != 0 && rv != VXC_ECANCELED) {
            (void)vxc_error_prefix(err, "%s, unpacked", path);
        }
    }
    return rv;
}

int vxc_image_verify(const char *path, const char *scratch,
                     const struct vxc_image_progress *progress, struct vxc_image_info *info,
                     struct vxc_error *err)
{
    struct vxc_image_view view;
    int rv = unpack_scratch(path, scratch, progress, &view, err);

    if (rv == 0) {
        *info = view.info;
    }
    vxc_image_view_close(&view);
    return rv;
}

/* ---- views ---- */

int vxc_image_view_open(const char *path, const char *scratch,
                        const struct vxc_image_progress *progress, struct vxc_image_view *view,
                        struct vxc_error *err)
{
    const struct vxc_store_options options = {.read_only = true};
    int rv = unpack_scratch(path, scratch, progress, view, err);

    rv = rv != 0 ? rv : vxc_store_open(view->folder, &options, &view->store, err);
    if (rv != 0) {
        vxc_image_view_close(view);
    }
    return rv;
}

void vxc_image_view_close(struct vxc_image_view *view)
{
    vxc_store_close(view->store);
    if (view->folder[0] != '\0') {
        vxc_image_remove_folder(view->folder);
    }
    *view = (struct vxc_image_view){0};
}

int vxc_image_next_object(struct vxc_store *store, enum vxc_database db, uint64_t from,
                          uint64_t *object_id, struct vxc_slice *body, struct vxc_error *err)
{
    struct vxc_store_cursor *cursor;
    struct vxc_row_key key;
    struct vxc_slice found;
    int rv;

    /* Elements without a header (cleared, not yet reclaimed) are skipped by their id. */
    for (;;) {
        vxc_row_key_begin(&key);
        vxc_row_key_u64(&key, from);
        rv = vxc_store_cursor_open(store, db, vxc_slice(NULL, 0), vxc_row_key_slice(&key), &cursor,
                                   err);
        if (rv != 0) {
            return rv;
        }
        rv = vxc_store_cursor_next(cursor, &found, body, err);
        vxc_store_cursor_close(cursor);
        if (rv != 0) {
            return rv;
        }
        *object_id = vxc_load_be64(found.data); /* the walk has seen that it is there */
        if (vxc_row_is_header(db, found)) {
            return 0;
        }
        if (*object_id == UINT64_MAX) {
            return VXC_ENOTFOUND;
        }
        from = *object_id + 1;
    }
}

int vxc_image_each_object(struct vxc_store *store, enum vxc_database db, void *data,
                          int (*each)(void *data, uint64_t object_id, struct vxc_slice body),
                          struct vxc_error *err)
{
    struct vxc_slice body;
    uint64_t id;
    int rv = vxc_image_next_object(store, db, 0, &id, &body, err);

    while (rv == 0) {
        rv = each(data, id, body);
        if (rv != 0) {
            return rv;
        }
        rv = id == UINT64_MAX ? VXC_ENOTFOUND
                              : vxc_image_next_object(store, db, id + 1, &id, &body, err);
    }
    return rv == VXC_ENOTFOUND ? 0 : rv;
}
