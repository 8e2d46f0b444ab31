/* snapshot save: the node makes an image of its state and this run fetches it. FILE.part → flush →
 * read back and compared with what the node says → rename → flush of the folder; whatever fails
 * before the rename, nothing is left, and an older FILE stays as it was. */
#include "base/clock.h"
#include "base/error.h"

#include "storage/disk.h"
#include "storage/image.h"
#include "tools/vxc/cli.h"
#include "tools/vxc/snapshot.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    LOOK_MS = 20,             /* between questions whether it is ready */
    READ_SIZE = 256 * 1024,   /* so that the node's turns stay short for others */
    READS_UNDER_WAY_MAX = 16, /* below the 4 MiB at which a connection is choked */
};

struct save {
    struct vxc_cli *cli;
    struct vxc_progress_bar bar;
    const char *path;
    char *part;
    int fd;
    bool named;  /* the part has its name, which is ours to remove */
    uint64_t id; /* 0: the node has not answered yet */
    uint64_t index;
    uint64_t file_bytes;
    uint8_t sha256[VXC_IMAGE_SHA256_SIZE];
    uint64_t asked; /* bytes of the file asked for */
    uint64_t taken; /* and written */
    int code;
    bool local; /* it is our disk that failed */
    bool told;  /* the failure was said */
    int status;
    struct vxc_error err;
};

/* One read under way. */
struct piece {
    struct save *save; /* NULL: free */
    uint64_t offset;
    uint32_t size;
};

/* ---- the file ---- */

static int failed(struct save *s, const char *doing, const char *path)
{
    /* A file size limit is to the user what a full disk is. */
    int code = errno == EFBIG ? VXC_ENOSPC : vxc_error_from_errno(errno);

    s->local = true;
    return s->code = vxc_error_set(&s->err, code, "%s: %s: %s", path, doing, strerror(errno));
}

/* True when the part is what its name means: another save may just have published it. */
static bool is_named(const struct save *s)
{
    struct stat mine;
    struct stat named;

    return fstat(s->fd, &mine) == 0 && stat(s->part, &named) == 0 && mine.st_ino == named.st_ino &&
           mine.st_dev == named.st_dev;
}

static int open_part(struct save *s)
{
    struct stat status;

    if (asprintf(&s->part, "%s.part", s->path) < 0) {
        s->part = NULL;
        return s->code = vxc_error_set(&s->err, VXC_ENOMEM, "out of memory");
    }
    if (stat(s->path, &status) == 0 && !S_ISREG(status.st_mode)) {
        return s->code = vxc_error_set(&s->err, VXC_EINVAL,
                                       "%s: there is something that is no file", s->path);
    }
    s->fd = open(s->part, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (s->fd < 0) {
        return failed(s, "create", s->part);
    }
    if (flock(s->fd, LOCK_EX | LOCK_NB) != 0 || !is_named(s)) {
        (void)close(s->fd); /* another's: not ours to empty or remove */
        s->fd = -1;
        return s->code = vxc_error_set(&s->err, VXC_ELOCKED,
                                       "%s: another save writes it at this moment", s->part);
    }
    s->named = true;
    return ftruncate(s->fd, 0) == 0 ? 0 : failed(s, "empty", s->part);
}

/* All of it is on the disk, is whole, and is what the node has. */
static int check_part(struct save *s)
{
    struct vxc_image_info info;
    int rv;

    if (fsync(s->fd) != 0) {
        return failed(s, "flush", s->part);
    }
    rv = vxc_image_inspect(s->part, &s->bar.hooks, &info, &s->err);
    if (rv == 0 && (info.file_bytes != s->file_bytes ||
                    memcmp(info.sha256, s->sha256, sizeof info.sha256) != 0)) {
        rv = vxc_error_set(&s->err, VXC_ECORRUPT, "%s: is not what the node has", s->part);
    }
    return s->code = rv;
}

static int publish(struct save *s)
{
    const char *slash = strrchr(s->path, '/');
    char *parent = slash == NULL      ? strdup(".")
                   : slash == s->path ? strdup("/")
                                      : strndup(s->path, (size_t)(slash - s->path));
    int folder = -1;

    if (parent == NULL) {
        return s->code = vxc_error_set(&s->err, VXC_ENOMEM, "out of memory");
    }
    if (vxc_disk_open_folder(parent, false, &folder) != 0) {
        (void)failed(s, "open", parent);
    } else if (rename(s->part, s->path) != 0) {
        (void)failed(s, "rename", s->part);
    } else {
        s->named = false;
        if (vxc_disk_sync_folder(folder) != 0) { /* whole, but perhaps not after a power cut */
            (void)failed(s, "flush", parent);
        }
    }
    if (folder >= 0) {
        (void)close(folder); /* only read from */
    }
    free(parent);
    return s->code;
}

static void close_part(struct save *s)
{
    if (s->named) {
        (void)unlink(s->part); /* one that stays is overwritten by the next save */
    }
    if (s->fd >= 0) {
        (void)close(s->fd); /* flushed, or of no use */
    }
    free(s->part);
}

/* ---- the node ---- */

/* Asks, and says what went wrong. Snapshots belong to a connection, so "not found" is its loss. */
static int ask(struct save *s, const struct vxc_request *request, struct vxc_reply *reply)
{
    int rv = vxc_cli_client(s->cli);

    if (rv != 0) {
        s->told = true;
        s->status = rv;
        return s->code = VXC_EINVAL;
    }
    s->code = vxc_client_call(s->cli->client, request, reply);
    if (s->code != 0) {
        (void)vxc_error_set(&s->err, s->code, "%s", reply->message);
    }
    return s->code;
}

static int read_record(struct save *s, const struct vxc_reply *reply,
                       struct vxc_snapshot_record *record)
{
    if (vxc_snapshot_record_read(reply->value, record) != 0 ||
        (record->ready && record->sha256.size != sizeof s->sha256)) {
        return s->code = vxc_error_set(&s->err, VXC_EPROTO, "the node's answer is no snapshot");
    }
    return 0;
}

static int show_progress(struct save *s, enum vxc_image_step step, uint64_t done, uint64_t total)
{
    if (!s->bar.hooks.on_progress(s->bar.hooks.data, step, done, total)) {
        return s->code = vxc_error_set(&s->err, VXC_ECANCELED, "interrupted");
    }
    return 0;
}

/* Asks until the node has the file. */
static int await_image(struct save *s, enum vxc_image_compression compression)
{
    struct vxc_request request = vxc_request(VXC_CALL_SNAPSHOT_BEGIN);
    struct vxc_snapshot_record record = {0};
    struct vxc_reply reply;

    request.what = (int)compression;
    for (;;) {
        if (ask(s, &request, &reply) != 0 || read_record(s, &reply, &record) != 0) {
            return s->code;
        }
        s->id = record.id;
        if (record.ready) {
            break;
        }
        if (show_progress(s,
                          record.step < VXC_IMAGE_CHECKING ? (enum vxc_image_step)record.step
                                                           : VXC_IMAGE_CHECKING,
                          record.done < record.total ? record.done : record.total,
                          record.total) != 0) {
            return s->code;
        }
        (void)poll(NULL, 0, LOOK_MS);
        request = vxc_request(VXC_CALL_SNAPSHOT_GET);
        request.id = record.id;
    }
    s->index = record.index;
    s->file_bytes = record.file_bytes;
    memcpy(s->sha256, record.sha256.data, sizeof s->sha256);
    return 0;
}

static void on_piece(void *data, const struct vxc_reply *reply)
{
    struct piece *piece = data;
    struct save *s = piece->save;

    piece->save = NULL;
    if (s->code != 0) {
        return; /* the first failure counts */
    }
    if (reply->code != 0) {
        s->code = vxc_error_set(&s->err, reply->code, "%s", reply->message);
    } else if (reply->value.size != piece->size) {
        s->code = vxc_error_set(&s->err, VXC_EPROTO, "the node gave %zu bytes instead of %" PRIu32,
                                reply->value.size, piece->size);
    } else if (vxc_disk_write(s->fd, piece->offset, reply->value.data, reply->value.size) != 0) {
        (void)failed(s, "write", s->part);
    } else {
        s->taken += piece->size;
    }
}

static int ask_piece(struct save *s, struct piece *piece)
{
    struct vxc_request request = vxc_request(VXC_CALL_SNAPSHOT_READ);
    uint64_t left = s->file_bytes - s->asked;
    int rv;

    *piece = (struct piece){
        .save = s, .offset = s->asked, .size = left < READ_SIZE ? (uint32_t)left : READ_SIZE};
    request.id = s->id;
    request.number = (int64_t)piece->offset;
    request.limit_bytes = piece->size;
    rv = vxc_client_submit(s->cli->client, &request, piece, on_piece);
    if (rv != 0) {
        piece->save = NULL;
        return s->code = vxc_error_set(&s->err, rv, "%s", vxc_client_message(s->cli->client));
    }
    s->asked += piece->size;
    return 0;
}

static int fetch(struct save *s)
{
    struct piece pieces[READS_UNDER_WAY_MAX] = {{0}};

    while (s->code == 0 && s->taken < s->file_bytes) {
        for (size_t i = 0; i < READS_UNDER_WAY_MAX && s->asked < s->file_bytes; i++) {
            if (pieces[i].save == NULL && ask_piece(s, &pieces[i]) != 0) {
                break;
            }
        }
        if (s->code == 0) {
            (void)vxc_client_wait(s->cli->client, 1000);
        }
        if (s->code == 0) {
            (void)show_progress(s, VXC_IMAGE_FETCHING, s->taken, s->file_bytes);
        }
    }
    while (vxc_client_pending(s->cli->client) > 0) { /* their callbacks need the pieces */
        (void)vxc_client_wait(s->cli->client, 1000);
    }
    return s->code;
}

/* Its room in the node is free earlier so; without it, when the connection ends. */
static void give_back(struct save *s)
{
    struct vxc_request request = vxc_request(VXC_CALL_SNAPSHOT_END);
    struct vxc_reply reply;

    request.id = s->id;
    if (s->id != 0) {
        (void)vxc_client_call(s->cli->client, &request, &reply);
    }
}

/* ---- all of it ---- */

static int fail(struct save *s)
{
    if (s->told) {
        return s->status;
    }
    if (s->local || s->code == VXC_ECANCELED) {
        return vxc_snapshot_fail(s->cli, &s->bar, s->code, &s->err);
    }
    if (s->code == VXC_ENOTFOUND) {
        return vxc_cli_fail(s->cli, VXC_EXIT_REFUSED, "%s", s->err.text);
    }
    if (s->code == VXC_EKIND) {
        return vxc_cli_fail(s->cli, VXC_EXIT_REFUSED,
                            "this node cannot save snapshots while it runs; it is too old");
    }
    return vxc_cli_fail_code(s->cli, s->code, s->err.text);
}

int vxc_run_snapshot_save(struct vxc_cli *cli)
{
    const char *word = cli->value[VXC_OPTION_COMPRESSION];
    enum vxc_image_compression compression = VXC_IMAGE_LZ4;
    struct save s = {.cli = cli, .path = cli->argv[0], .fd = -1};
    int rc;

    if (word != NULL && vxc_image_compression_parse(word, &compression) != 0) {
        return vxc_cli_fail(cli, VXC_EXIT_USAGE, "--compression \"%s\": expected lz4, zlib or none",
                            word);
    }
    rc = vxc_progress_begin(cli, &s.bar);
    if (rc != 0) {
        return rc;
    }
    (void)signal(SIGXFSZ, SIG_IGN); /* a file size limit is an error like any other */
    if (open_part(&s) == 0 && await_image(&s, compression) == 0 && fetch(&s) == 0 &&
        check_part(&s) == 0) {
        (void)publish(&s);
    }
    close_part(&s);
    vxc_progress_end(&s.bar);
    if (s.code != 0) {
        return fail(&s);
    }
    give_back(&s);
    vxc_cli_say(cli, "%s: %" PRIu64 " bytes, index %" PRIu64, s.path, s.file_bytes, s.index);
    return VXC_EXIT_DONE;
}
