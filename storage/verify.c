#include "verify.h"

#include "base/memory.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "storage/store_internal.h"
#include "storage/verify_pages.h"

/* ---- in the child: the sums ---- */

struct tally {
    enum vxc_database db; /* of the row before; VXC_DB_COUNT at the start */
    /* the object being walked */
    bool object_open;
    uint64_t object_id;
    uint64_t generation;
    uint64_t digest_stored;
    uint64_t digest;
    /* of all */
    struct vxc_store_sums sums;
    struct vxc_store_sums sums_stored;
    bool format_seen;
    bool commit_seen;
    struct vxc_store_meta meta;
    struct vxc_verify_report report;
};

static int close_object(struct tally *t, struct vxc_error *err)
{
    if (!t->object_open) {
        return 0;
    }
    t->object_open = false;
    if (t->digest != t->digest_stored) {
        return vxc_error_set(err, VXC_ECORRUPT,
                             "digest of object %" PRIu64 " in %s is %016" PRIx64
                             ", its rows give %016" PRIx64,
                             t->object_id, vxc_database_name(t->db), t->digest_stored, t->digest);
    }
    return 0;
}

/* VXC_DB_COUNT for a name that is not ours. */
static enum vxc_database find_database(struct vxc_slice name)
{
    int db = 0;

    while (db < VXC_DB_COUNT &&
           !vxc_slice_equal(name, vxc_slice_of_string(vxc_database_name((enum vxc_database)db)))) {
        db++;
    }
    return (enum vxc_database)db;
}

static int enter_database(struct tally *t, struct vxc_slice name, struct vxc_error *err)
{
    enum vxc_database db;
    int rv;

    if (t->db != VXC_DB_COUNT &&
        vxc_slice_equal(name, vxc_slice_of_string(vxc_database_name(t->db)))) {
        return 0;
    }
    rv = close_object(t, err);
    if (rv != 0) {
        return rv;
    }
    db = find_database(name);
    if (db == VXC_DB_COUNT) {
        return vxc_error_set(err, VXC_ECORRUPT, "a database of unknown name");
    }
    t->db = db;
    return 0;
}

static int tally_object_row(struct tally *t, struct vxc_slice key, struct vxc_slice body,
                            uint64_t checksum, struct vxc_error *err)
{
    uint64_t id;

    if (key.size != VXC_ROW_OBJECT_ID_SIZE && key.size < VXC_ROW_ELEMENT_KEY_MIN) {
        return vxc_error_set(err, VXC_ECORRUPT, "a key of %zu bytes in %s", key.size,
                             vxc_database_name(t->db));
    }
    id = vxc_load_be64(key.data);
    if (t->object_open && id != t->object_id) {
        int rv = close_object(t, err);

        if (rv != 0) {
            return rv;
        }
    }
    if (key.size == VXC_ROW_OBJECT_ID_SIZE) {
        t->object_open = true;
        t->object_id = id;
        t->generation = vxc_load_u64(body.data);
        t->digest_stored = vxc_load_u64(body.data + VXC_ROW_DIGEST_OFFSET);
        t->digest = 0;
        t->sums.total += checksum + t->digest_stored;
    } else if (t->object_open &&
               vxc_load_be64(key.data + VXC_ROW_OBJECT_ID_SIZE) == t->generation) {
        t->digest += checksum;
    } /* else it waits to be reclaimed */
    return 0;
}

static int tally_meta_row(struct tally *t, struct vxc_slice key, struct vxc_slice body,
                          uint64_t checksum, struct vxc_error *err)
{
    if (vxc_slice_equal(key, vxc_slice_of_string(VXC_STORE_KEY_COMMIT))) {
        t->commit_seen = true;
        return vxc_store_commit_decode(body, &t->meta, &t->sums_stored, err);
    }
    t->sums.local += checksum;
    if (vxc_slice_equal(key, vxc_slice_of_string(VXC_STORE_KEY_FORMAT))) {
        t->format_seen = true;
        return vxc_store_format_check(body, err);
    }
    return 0;
}

static int on_row(void *data, struct vxc_slice database, struct vxc_slice key,
                  struct vxc_slice value, struct vxc_error *err)
{
    struct tally *t = data;
    struct vxc_slice body;
    uint64_t checksum;
    int rv = enter_database(t, database, err);

    if (rv == 0) {
        MDB_val v = {value.size, (void *)(uintptr_t)value.data};

        rv = vxc_store_row_decode(t->db, key, v, &body, err);
    }
    if (rv != 0) {
        return rv;
    }
    checksum = vxc_load_u64(value.data);
    t->report.rows++;
    t->report.bytes += key.size + value.size;
    if (vxc_database_has_objects(t->db)) {
        return tally_object_row(t, key, body, checksum, err);
    }
    if (t->db == VXC_DB_META) {
        return tally_meta_row(t, key, body, checksum, err);
    }
    if (t->db == VXC_DB_GARBAGE) {
        t->sums.local += checksum;
    } else {
        t->sums.total += checksum;
    }
    return 0;
}

static int compare_sums(struct tally *t, const char *path, struct vxc_error *err)
{
    int rv = close_object(t, err);

    if (rv != 0) {
        return vxc_error_prefix(err, "%s", path);
    }
    if (!t->format_seen || !t->commit_seen) {
        return vxc_error_set(err, VXC_EFOREIGN, "%s: an LMDB file without the meta rows of a state",
                             path);
    }
    if (t->sums.total != t->sums_stored.total) {
        return vxc_error_set(err, VXC_ECORRUPT,
                             "%s: digest of the state is %016" PRIx64 ", its rows give %016" PRIx64,
                             path, t->sums_stored.total, t->sums.total);
    }
    if (t->sums.local != t->sums_stored.local) {
        return vxc_error_set(err, VXC_ECORRUPT,
                             "%s: sum of the local rows is %016" PRIx64 ", they give %016" PRIx64,
                             path, t->sums_stored.local, t->sums.local);
    }
    t->report.applied_index = t->meta.applied_index;
    t->report.digest = t->sums.total;
    return 0;
}

static int verify_file(int fd, const char *path, struct vxc_verify_report *report,
                       struct vxc_error *err)
{
    struct tally t = {.db = VXC_DB_COUNT};
    struct vxc_pages_meta meta;
    int rv = vxc_pages_read_meta(fd, path, &meta, err);

    if (rv == 0) {
        rv = vxc_pages_walk(fd, path, &meta, &t, on_row, err);
    }
    if (rv == 0) {
        rv = compare_sums(&t, path, err);
    }
    if (rv == 0) {
        *report = t.report;
    }
    return rv;
}

/* ---- the child and its pipe ---- */

struct verdict {
    struct vxc_verify_report report;
    struct vxc_error err;
};

/* The verdict goes through a pipe between two images of the same program: raw bytes are fine. */
/* Closes every descriptor but the standard ones, fd and out. The node's lock above all: an flock is
 * shared with a child, and would outlive a node that is killed while its state is being walked. */
static void close_others(int fd, int out)
{
    const unsigned low = (unsigned)(fd < out ? fd : out);
    const unsigned high = (unsigned)(fd < out ? out : fd);

    if (low > 3) {
        (void)close_range(3, low - 1, 0);
    }
    if (high > low + 1) {
        (void)close_range(low + 1, high - 1, 0);
    }
    (void)close_range(high + 1, ~0u, 0);
}

static _Noreturn void run_child(int fd, int out, const char *path, pid_t parent)
{
    static const int deadly[] = {SIGSEGV, SIGBUS, SIGABRT, SIGFPE, SIGILL, SIGTERM, SIGINT};
    struct verdict verdict;
    const uint8_t *p = (const uint8_t *)&verdict;
    size_t left = sizeof verdict;

    close_others(fd, out);
    for (size_t i = 0; i < sizeof deadly / sizeof deadly[0]; i++) {
        (void)signal(deadly[i], SIG_DFL); /* the parent's handlers are not meant for this process */
    }
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL); /* must not outlive the node: it holds its sockets */
    if (getppid() != parent) {
        _exit(1);
    }
    memset(&verdict, 0, sizeof verdict);
    verdict.err.code = verify_file(fd, path, &verdict.report, &verdict.err);
    while (left > 0) {
        ssize_t n = write(out, p, left);

        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n <= 0) {
            _exit(1);
        }
        p += n;
        left -= (size_t)n;
    }
    _exit(0);
}

static bool read_verdict(int in, struct verdict *verdict)
{
    uint8_t *p = (uint8_t *)verdict;
    size_t left = sizeof *verdict;

    while (left > 0) {
        ssize_t n = read(in, p, left);

        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n <= 0) {
            return false;
        }
        p += n;
        left -= (size_t)n;
    }
    return true;
}

static int judge(pid_t child, int in, const char *path, struct vxc_verify_report *report,
                 struct vxc_error *err)
{
    struct verdict verdict;
    bool whole = read_verdict(in, &verdict);
    int status = 0;

    while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
    }
    if (WIFSIGNALED(status)) {
        return vxc_error_set(err, VXC_ECORRUPT, "%s: reading it ended with signal %d (%s)", path,
                             WTERMSIG(status), strsignal(WTERMSIG(status)));
    }
    if (!whole || !WIFEXITED(status) || WEXITSTATUS(status) != 0) {
        return vxc_error_set(err, VXC_EIO, "%s: the verifying process gave no answer", path);
    }
    if (verdict.err.code != 0) {
        if (err != NULL) {
            *err = verdict.err;
        }
        return verdict.err.code;
    }
    *report = verdict.report;
    return 0;
}

static int verify_in_child(int fd, const char *path, struct vxc_verify_report *report,
                           struct vxc_error *err)
{
    pid_t parent = getpid();
    int ends[2];
    pid_t child;
    int rv;

    if (pipe2(ends, O_CLOEXEC) != 0) {
        return vxc_error_set(err, vxc_error_from_errno(errno), "pipe: %s", strerror(errno));
    }
    child = fork();
    if (child == 0) {
        (void)close(ends[0]);
        run_child(fd, ends[1], path, parent);
    }
    (void)close(ends[1]);
    if (child < 0) {
        rv = vxc_error_set(err, vxc_error_from_errno(errno), "fork: %s", strerror(errno));
    } else {
        rv = judge(child, ends[0], path, report, err);
    }
    (void)close(ends[0]);
    return rv;
}

int vxc_verify_state(const char *path, struct vxc_verify_report *report, struct vxc_error *err)
{
    char *file = NULL;
    int fd;
    int rv = vxc_verify_presence(path, err);

    if (rv != 0) {
        return rv;
    }
    file = vxc_format("%s/data.mdb", path);
    if (file == NULL) {
        return vxc_error_set(err, VXC_ENOMEM, "out of memory");
    }
    fd = open(file, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        rv = vxc_error_set(err, vxc_error_from_errno(errno), "%s: %s", file, strerror(errno));
    } else {
        rv = verify_in_child(fd, file, report, err);
        (void)close(fd);
    }
    vxc_free(file);
    return rv;
}

/* ---- what is there ---- */

static int folder_is_empty(const char *path, bool *empty, struct vxc_error *err)
{
    DIR *dir = opendir(path);
    const struct dirent *entry;

    if (dir == NULL) {
        return errno == ENOENT ? vxc_error_set(err, VXC_ENOTFOUND, "%s: there is no state", path)
                               : vxc_error_set(err, vxc_error_from_errno(errno), "%s: %s", path,
                                               strerror(errno));
    }
    *empty = true;
    while ((entry = readdir(dir)) != NULL) {
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0) {
            *empty = false;
        }
    }
    (void)closedir(dir);
    return 0;
}

int vxc_verify_presence(const char *path, struct vxc_error *err)
{
    char *file = NULL;
    struct stat info;
    bool empty = false;
    int rv = folder_is_empty(path, &empty, err);

    if (rv != 0) {
        return rv;
    }
    if (empty) {
        return vxc_error_set(err, VXC_ENOTFOUND, "%s: there is no state", path);
    }
    file = vxc_format("%s/data.mdb", path);
    if (file == NULL) {
        return vxc_error_set(err, VXC_ENOMEM, "out of memory");
    }
    if (lstat(file, &info) != 0) {
        rv = errno == ENOENT
                 ? vxc_error_set(err, VXC_ECORRUPT, "%s: the file is missing", file)
                 : vxc_error_set(err, vxc_error_from_errno(errno), "%s: %s", file, strerror(errno));
    } else if (!S_ISREG(info.st_mode)) {
        rv = vxc_error_set(err, VXC_ECORRUPT, "%s: not a regular file", file);
    }
    vxc_free(file);
    return rv;
}
