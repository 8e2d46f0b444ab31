/* snapshot save: the node makes an image of its state and this run fetches it. FILE.part → flush →
 * read back and compared with what the node says → rename → flush of the folder; whatever fails
 * before the rename, nothing is left, and an older FILE stays as it was. */
#include "base/clock.h"
#include "base/error.h"
#include "base/thread.h"

#include "storage/disk.h"
#include "storage/image.h"
#include "tools/vxc/cli.h"
#include "tools/vxc/snapshot.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    SIGNAL_MS = 50,          /* between looks for a signal, while nothing else happens */
    LOOK_MS = 20,            /* between questions whether it is ready */
    READ_SIZE = 64 * 1024,   /* so that the node's turns stay short for others: it may answer all */
    READS_UNDER_WAY_MAX = 8, /* in one */
};

struct save;

/* One read under way. */
struct piece {
    struct save *save; /* NULL: free */
    uint64_t offset;
    uint32_t size;
};

struct save {
    struct vxc_cli *cli;
    struct vxc_progress_bar bar;
    const char *path;
    char *part;
    int fd;
    bool named;                       /* the part has its name, which is ours to remove */
    bool answered;                    /* the question about the image under way */
    struct vxc_snapshot_record image; /* as the node said last; its sha256 is the next: */
    uint8_t sha256[VXC_IMAGE_SHA256_SIZE];
    struct piece pieces[READS_UNDER_WAY_MAX];
    uint64_t asked; /* bytes of the file asked for */
    uint64_t taken; /* and written */
    struct vxc_disk_trickle trickle;
    uint64_t looked_ms; /* when the node was last asked how far it is */
    int code;
    bool local; /* it is our disk that failed */
    struct vxc_error err;
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
    return vxc_disk_empty(s->fd) == 0 ? 0 : failed(s, "empty", s->part);
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
    if (rv == 0 && (info.file_bytes != s->image.file_bytes ||
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

static int show_progress(struct save *s, enum vxc_image_step step, uint64_t done, uint64_t total)
{
    if (s->code == 0 && !s->bar.hooks.on_progress(s->bar.hooks.data, step, done, total)) {
        s->code = vxc_error_set(&s->err, VXC_ECANCELED, "interrupted");
    }
    return s->code;
}

static void on_image(void *data, const struct vxc_reply *reply)
{
    struct save *s = data;
    struct vxc_snapshot_record *image = &s->image;

    s->answered = true;
    if (s->code != 0) {
        return; /* the first failure counts */
    }
    if (reply->code != 0) {
        s->code = vxc_error_set(&s->err, reply->code, "%s", reply->message);
    } else if (vxc_snapshot_record_read(reply->value, image) != 0 ||
               (image->ready && image->sha256.size != sizeof s->sha256)) {
        s->code = vxc_error_set(&s->err, VXC_EPROTO, "the node's answer is no snapshot");
    } else if (image->ready) {
        memcpy(s->sha256, image->sha256.data, sizeof s->sha256);
    }
}

/* The steps of the node, as far as it said. */
static int show_image(struct save *s)
{
    const struct vxc_snapshot_record *image = &s->image;

    return show_progress(
        s, image->step < VXC_IMAGE_CHECKING ? (enum vxc_image_step)image->step : VXC_IMAGE_CHECKING,
        image->done < image->total ? image->done : image->total, image->total);
}

static void ask_image(struct save *s, const struct vxc_request *request)
{
    int rv = vxc_client_submit(s->cli->client, request, s, on_image);

    s->answered = rv != 0;
    if (rv != 0) {
        s->code = vxc_error_set(&s->err, rv, "%s", vxc_client_message(s->cli->client));
    }
}

static void begin_image(struct save *s, enum vxc_image_compression compression)
{
    struct vxc_request request = vxc_request(VXC_CALL_SNAPSHOT_BEGIN);

    request.what = (int)compression;
    ask_image(s, &request);
}

/* Asks how far the node is, when the last question is answered and a while ago. */
static void look_at_image(struct save *s)
{
    const uint64_t now_ms = vxc_clock_ms(vxc_clock_system());
    struct vxc_request request = vxc_request(VXC_CALL_SNAPSHOT_GET);

    if (s->answered && !s->image.ready && now_ms - s->looked_ms >= LOOK_MS) {
        s->looked_ms = now_ms;
        request.id = s->image.id;
        ask_image(s, &request);
    }
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
        s->taken += piece->size; /* one connection's answers come in the order of the questions */
        if (vxc_disk_trickle(&s->trickle, s->fd, s->taken) != 0) {
            (void)failed(s, "write out", s->part);
        }
    }
}

static void ask_piece(struct save *s, struct piece *piece, uint32_t size)
{
    struct vxc_request request = vxc_request(VXC_CALL_SNAPSHOT_READ);
    int rv;

    *piece = (struct piece){.save = s, .offset = s->asked, .size = size};
    request.id = s->image.id;
    request.number = (int64_t)piece->offset;
    request.limit_bytes = piece->size;
    rv = vxc_client_submit(s->cli->client, &request, piece, on_piece);
    if (rv != 0) {
        piece->save = NULL;
        s->code = vxc_error_set(&s->err, rv, "%s", vxc_client_message(s->cli->client));
    }
    s->asked += piece->size;
}

/* Asks for what the node has written and nobody asked for: whole pieces while it still writes. */
static void ask_pieces(struct save *s)
{
    for (size_t i = 0; s->code == 0 && i < READS_UNDER_WAY_MAX; i++) {
        const uint64_t left = s->image.file_bytes - s->asked;

        if (left == 0 || (left < READ_SIZE && !s->image.ready)) {
            return;
        }
        if (s->pieces[i].save == NULL) {
            ask_piece(s, &s->pieces[i], left < READ_SIZE ? (uint32_t)left : READ_SIZE);
        }
    }
}

/* The node makes the image, and what it has of it is fetched meanwhile. Waits so that a signal is
 * noticed. */
static int fetch(struct save *s, enum vxc_image_compression compression)
{
    begin_image(s, compression);
    while (s->code == 0 && (!s->image.ready || s->taken < s->image.file_bytes)) {
        look_at_image(s);
        ask_pieces(s);
        if (s->code == 0) {
            (void)vxc_client_wait(s->cli->client, s->image.ready ? SIGNAL_MS : LOOK_MS);
        }
        (void)(s->image.ready ? show_progress(s, VXC_IMAGE_FETCHING, s->taken, s->image.file_bytes)
                              : show_image(s));
    }
    return s->code;
}

/* Its room in the node is free earlier so; without it, when the connection ends. */
static void give_back(struct save *s)
{
    struct vxc_request request = vxc_request(VXC_CALL_SNAPSHOT_END);

    request.id = s->image.id;
    (void)vxc_client_call(s->cli->client, &request, NULL);
}

/* ---- all of it ---- */

static int fail(struct save *s)
{
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
    rc = vxc_cli_client(cli);
    rc = rc != 0 ? rc : vxc_progress_begin(cli, &s.bar);
    if (rc != 0) {
        return rc;
    }
    vxc_thread_stand_back();        /* on the machine of a node, its clients come first */
    (void)signal(SIGXFSZ, SIG_IGN); /* a file size limit is an error like any other */
    if (open_part(&s) == 0 && fetch(&s, compression) == 0 && check_part(&s) == 0) {
        (void)publish(&s);
    }
    close_part(&s);
    vxc_progress_end(&s.bar);
    if (s.code == 0) {
        give_back(&s);
        vxc_cli_say(cli, "%s: %" PRIu64 " bytes, index %" PRIu64, s.path, s.image.file_bytes,
                    s.image.index);
        return VXC_EXIT_DONE;
    }
    rc = fail(&s);
    vxc_client_free(cli->client); /* what is under way points to s */
    cli->client = NULL;
    return rc;
}
