#include "node/fetch.h"

#include "base/check.h"
#include "base/limits.h"
#include "base/memory.h"
#include "base/thread.h"
#include "storage/image_arrival.h"
#include "storage/image_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { LOOK_MS = 50 }; /* between looks at the thread */

struct vxc_fetch {
    struct vxc_fetch_options options;
    char *folder;
    char *part;     /* folder/image.part */
    char *source;   /* folder/image.source: whose it is */
    char *unpacked; /* folder/state */

    enum vxc_fetch_state state;
    uint64_t peer;
    uint64_t index; /* the image has to end there or later */
    bool any_cluster;
    uint8_t cluster_id[VXC_IMAGE_CLUSTER_ID_SIZE];
    uint64_t began_ms;
    uint64_t heard_ms; /* when the peer last said something about it */
    uint64_t asked_ms; /* when it was last asked without an answer since */

    uint64_t image; /* the peer's name for it */
    struct vxc_image_arrival arrival;
    uint64_t asked_to;    /* pieces up to here are asked for */
    uint64_t refused_at;  /* where damage was met last … */
    uint32_t refusals;    /* … and how often there */
    uint64_t again_total; /* pieces that were asked for again */
    uint64_t resumed_at;  /* bytes that a former life had got */
    uint64_t left_ms; /* when files of a former life go, if nobody wants them; 0 = there are none */

    struct vxc_error err;
    struct vxc_image_info info;

    /* shared with the thread; what is not atomic is the thread's until `finished` */
    pthread_t thread;
    bool running;
    atomic_bool canceled;
    atomic_bool finished;
    int code;
};

static uint64_t now_ms(const struct vxc_fetch *f)
{
    return vxc_clock_ms(f->options.clock);
}

int vxc_fetch_create(const struct vxc_fetch_options *options, struct vxc_fetch **fetch,
                     struct vxc_error *err)
{
    struct vxc_fetch *f = vxc_calloc(1, sizeof *f);

    if (f == NULL) {
        return vxc_error_set(err, VXC_ENOMEM, "out of memory");
    }
    f->options = *options;
    f->arrival.fd = -1;
    f->folder = vxc_strdup(options->folder);
    f->part = vxc_format("%s/image.part", options->folder);
    f->source = vxc_format("%s/image.source", options->folder);
    f->unpacked = vxc_format("%s/state", options->folder);
    if (f->folder == NULL || f->part == NULL || f->source == NULL || f->unpacked == NULL) {
        vxc_fetch_free(f);
        return vxc_error_set(err, VXC_ENOMEM, "out of memory");
    }
    if (access(f->part, F_OK) == 0) {
        f->left_ms = now_ms(f) + VXC_SNAPSHOT_IDLE_MS; /* the peer keeps its own no longer either */
    }
    *fetch = f;
    return 0;
}

static void leave(struct vxc_fetch *f);

void vxc_fetch_free(struct vxc_fetch *f)
{
    if (f == NULL) {
        return;
    }
    if (f->state == VXC_FETCH_READY || f->state == VXC_FETCH_FAILED) {
        vxc_fetch_end(f);
    } else if (f->state != VXC_FETCH_NONE) {
        leave(f);
    }
    vxc_free(f->folder);
    vxc_free(f->part);
    vxc_free(f->source);
    vxc_free(f->unpacked);
    vxc_free(f);
}

/* ---- its end ---- */

static void remove_files(const struct vxc_fetch *f)
{
    vxc_image_remove_folder(
        f->unpacked); /* all of it as far as it goes; a start removes the rest */
    (void)unlink(f->source);
    (void)unlink(f->part);
    (void)rmdir(f->folder);
}

static void join(struct vxc_fetch *f)
{
    if (f->running) {
        (void)pthread_join(f->thread, NULL); /* fails for no thread of ours */
        f->running = false;
    }
}

static void fail(struct vxc_fetch *f)
{
    f->state = VXC_FETCH_FAILED;
    vxc_image_arrival_end(&f->arrival);
    remove_files(f);
    vxc_log_event(f->options.logger, VXC_LOG_WARN, "image_fetch_failed",
                  "peer=%" PRIu64 " why=\"%s\"", f->peer, f->err.text);
}

static void stop(struct vxc_fetch *f)
{
    atomic_store(&f->canceled, true);
    join(f);
    vxc_image_arrival_end(&f->arrival);
}

/* The node ends in the middle: what has arrived stays for its next life. */
static void leave(struct vxc_fetch *f)
{
    stop(f);
    vxc_image_remove_folder(f->unpacked);
    (void)rmdir(f->folder); /* if nothing has arrived */
}

void vxc_fetch_end(struct vxc_fetch *f)
{
    stop(f);
    remove_files(f);
    f->state = VXC_FETCH_NONE;
    f->peer = 0;
}

/* ---- asking ---- */

static void ask_for_image(struct vxc_fetch *f)
{
    struct vxc_message m = {.kind = VXC_KIND_PEER_IMAGE_WANT};

    m.peer_image_want.index = f->index;
    (void)f->options.send(f->options.data, f->peer, &m); /* it is sent again until it is heard */
    f->asked_ms = now_ms(f);
}

static void ask_for_pieces(struct vxc_fetch *f)
{
    const uint64_t window = (uint64_t)VXC_PEER_IMAGE_INFLIGHT * VXC_PEER_IMAGE_READ_SIZE;
    const uint64_t next = vxc_image_arrival_next(&f->arrival);

    if (f->asked_to < next) {
        f->asked_to = next;
    }
    while (f->asked_to < f->arrival.file_bytes && f->asked_to < next + window) {
        uint64_t left = f->arrival.file_bytes - f->asked_to;
        uint32_t size = left < VXC_PEER_IMAGE_READ_SIZE ? (uint32_t)left : VXC_PEER_IMAGE_READ_SIZE;
        struct vxc_message m = {.kind = VXC_KIND_PEER_IMAGE_READ};

        m.peer_image_read.image = f->image;
        m.peer_image_read.offset = f->asked_to;
        m.peer_image_read.size = size;
        if (f->options.send(f->options.data, f->peer, &m) != 0) {
            return; /* asked again in a while */
        }
        f->asked_to += size;
        f->asked_ms = now_ms(f);
    }
}

void vxc_fetch_begin(struct vxc_fetch *f, uint64_t peer, uint64_t index, const uint8_t *cluster_id)
{
    if (f->state != VXC_FETCH_NONE) {
        vxc_fetch_end(f);
    }
    atomic_store(&f->canceled, false);
    f->state = VXC_FETCH_ASKING;
    f->peer = peer;
    f->index = index;
    f->any_cluster = cluster_id == NULL;
    if (cluster_id != NULL) {
        memcpy(f->cluster_id, cluster_id, sizeof f->cluster_id);
    }
    f->began_ms = f->heard_ms = now_ms(f);
    f->again_total = 0;
    f->err = (struct vxc_error){0};
    vxc_log_event(f->options.logger, VXC_LOG_INFO, "image_wanted",
                  "peer=%" PRIu64 " index=%" PRIu64, peer, index);
    ask_for_image(f);
}

/* ---- what the peer says ---- */

/* The file of this very image that a former life has begun, or a new one. */
static int open_arrival(struct vxc_fetch *f, const struct vxc_msg_peer_image *image)
{
    const struct vxc_image_source source = {.peer = f->peer,
                                            .image = image->image,
                                            .file_bytes = image->file_bytes,
                                            .index = image->index};
    int rv;

    if (vxc_image_source_is(f->source, &source) &&
        vxc_image_arrival_resume(f->part, image->file_bytes, &f->arrival, &f->err) == 0) {
        return 0;
    }
    f->err = (struct vxc_error){0};
    (void)unlink(f->source); /* first: a file never has the note of another one beside it */
    rv = vxc_image_arrival_begin(f->part, image->file_bytes, &f->arrival, &f->err);
    return rv != 0 ? rv : vxc_image_source_write(f->source, &source, &f->err);
}

static int begin_to_fetch(struct vxc_fetch *f, const struct vxc_msg_peer_image *image)
{
    vxc_image_arrival_end(&f->arrival);
    if (mkdir(f->folder, 0700) != 0 && errno != EEXIST) {
        return vxc_error_set(&f->err, vxc_error_from_errno(errno), "%s: create: %s", f->folder,
                             strerror(errno));
    }
    f->image = image->image;
    f->asked_to = 0;
    f->refused_at = UINT64_MAX;
    f->refusals = 0;
    f->resumed_at = 0;
    f->left_ms = 0;
    return open_arrival(f, image);
}

static void on_image(struct vxc_fetch *f, const struct vxc_msg_peer_image *image)
{
    const bool fetching = f->state == VXC_FETCH_FETCHING;

    if (image->term != 0 || image->image == 0 || image->index < f->index ||
        (fetching && image->image == f->image) || (!fetching && f->state != VXC_FETCH_ASKING)) {
        return; /* an announcement to the engine, or nothing new */
    }
    if (begin_to_fetch(f, image) != 0) {
        fail(f);
        return;
    }
    f->state = VXC_FETCH_FETCHING;
    vxc_log_event(f->options.logger, VXC_LOG_INFO, "image_fetch_begun",
                  "peer=%" PRIu64 " image=%" PRIu64 " index=%" PRIu64 " bytes=%" PRIu64, f->peer,
                  f->image, image->index, image->file_bytes);
    if (!f->arrival.again) {
        ask_for_pieces(f);
    }
}

/* What the header says decides whether it is worth while to fetch the rest. */
static int check_header(struct vxc_fetch *f)
{
    const struct vxc_image_info *info = &f->arrival.info;

    if (!f->any_cluster && memcmp(info->cluster_id, f->cluster_id, sizeof f->cluster_id) != 0) {
        return vxc_error_set(&f->err, VXC_EFOREIGN, "the image is of another cluster");
    }
    if (info->applied_index < f->index || info->applied_term == 0 ||
        info->configuration_size == 0 || info->configuration_index > info->applied_index) {
        return vxc_error_set(&f->err, VXC_ECORRUPT,
                             "the image ends at entry %" PRIu64 ", not at entry %" PRIu64
                             " or later",
                             info->applied_index, f->index);
    }
    return 0;
}

/* Damage is asked for again, but not for ever in one place. */
static void refuse(struct vxc_fetch *f, int code)
{
    f->refusals = f->arrival.good == f->refused_at ? f->refusals + 1 : 1;
    f->refused_at = f->arrival.good;
    vxc_log_event(f->options.logger, VXC_LOG_WARN, "image_piece_refused",
                  "peer=%" PRIu64 " offset=%" PRIu64 " why=\"%s\"", f->peer, f->arrival.good,
                  f->err.text);
    if (code != VXC_ECORRUPT || f->refusals >= VXC_PEER_IMAGE_REFUSALS_MAX) {
        fail(f);
        return;
    }
    f->asked_to = f->arrival.good;
    f->again_total++;
    ask_for_pieces(f);
}

static void begin_to_check(struct vxc_fetch *f);

/* A part of a turn: the file of a former life is looked through. */
static void look_again(struct vxc_fetch *f)
{
    if (vxc_image_arrival_look(&f->arrival, &f->err) != 0 ||
        (!f->arrival.again && f->arrival.good > 0 && check_header(f) != 0)) {
        fail(f);
        return;
    }
    if (f->arrival.again) {
        return;
    }
    f->resumed_at = f->arrival.good;
    f->heard_ms = f->asked_ms = now_ms(f); /* nothing was asked meanwhile */
    vxc_log_event(f->options.logger, VXC_LOG_INFO, "image_fetch_resumed",
                  "peer=%" PRIu64 " image=%" PRIu64 " at=%" PRIu64 " bytes=%" PRIu64, f->peer,
                  f->image, f->resumed_at, f->arrival.file_bytes);
    if (f->arrival.ended) {
        begin_to_check(f);
    } else {
        ask_for_pieces(f);
    }
}

static void on_piece(struct vxc_fetch *f, struct vxc_slice piece)
{
    const bool had_header = f->arrival.good > 0;
    int rv = vxc_image_arrival_take(&f->arrival, piece, &f->err);

    if (rv != 0) {
        refuse(f, rv);
        return;
    }
    if (!had_header && f->arrival.good > 0 && check_header(f) != 0) {
        fail(f);
        return;
    }
    if (f->arrival.ended) {
        begin_to_check(f);
        return;
    }
    f->asked_ms = now_ms(f); /* the rest is on its way */
    ask_for_pieces(f);
}

static void on_bytes(struct vxc_fetch *f, const struct vxc_msg_peer_image_bytes *bytes)
{
    if (f->state == VXC_FETCH_ASKING && bytes->image == 0) {
        if (bytes->code == VXC_ENOTFOUND) {
            (void)vxc_error_set(&f->err, VXC_ENOTFOUND,
                                "the peer has no image that ends at entry %" PRIu64 " or later",
                                f->index);
            fail(f);
        }
        return; /* busy: it is being made */
    }
    if (f->state != VXC_FETCH_FETCHING || bytes->image != f->image || f->arrival.again) {
        return;
    }
    if (bytes->code == VXC_EBUSY) {
        return; /* asked again in a while */
    }
    if (bytes->code != 0) {
        (void)vxc_error_set(&f->err, VXC_ENOTFOUND, "the peer has this image no more: %s",
                            bytes->code >= INT32_MIN && bytes->code < 0
                                ? vxc_strerror((int)bytes->code)
                                : "no reason");
        fail(f);
        return;
    }
    if (bytes->offset == vxc_image_arrival_next(&f->arrival) && bytes->bytes.size != 0) {
        on_piece(f, bytes->bytes);
    } /* else it was asked for twice, or before damage was met */
}

void vxc_fetch_on_message(struct vxc_fetch *f, uint64_t peer, const struct vxc_message *message)
{
    if (f->state == VXC_FETCH_NONE || peer != f->peer) {
        return;
    }
    f->heard_ms = now_ms(f);
    if (message->kind == VXC_KIND_PEER_IMAGE) {
        on_image(f, &message->peer_image);
    } else if (message->kind == VXC_KIND_PEER_IMAGE_BYTES) {
        on_bytes(f, &message->peer_image_bytes);
    }
}

/* ---- the thread ---- */

static bool on_progress(void *data, enum vxc_image_step step, uint64_t done, uint64_t total)
{
    struct vxc_fetch *f = data;

    (void)step;
    (void)done;
    (void)total;
    return !atomic_load(&f->canceled);
}

static void *unpack_and_walk(void *data)
{
    struct vxc_fetch *f = data;
    const struct vxc_image_progress progress = {f, on_progress};

    (void)pthread_setname_np(pthread_self(), "vxc-fetch"); /* for people who look at threads */
    vxc_thread_stand_back();                               /* votes and heartbeats come first */
    f->code = vxc_image_extract(f->part, f->unpacked, &progress, &f->info, &f->err);
    if (f->code == 0) {
        f->code = vxc_image_check_state(f->unpacked, &f->info, &progress, &f->err);
    }
    if (!atomic_load(&f->canceled)) {
        (void)unlink(f->source);
        (void)unlink(f->part); /* here: the loop cannot spare the time that a large file takes */
    }
    atomic_store(&f->finished, true);
    return NULL;
}

static void begin_to_check(struct vxc_fetch *f)
{
    int rc;

    vxc_image_arrival_end(&f->arrival);
    vxc_image_remove_folder(f->unpacked); /* of a fetch before */
    atomic_store(&f->finished, false);
    f->state = VXC_FETCH_CHECKING;
    rc = vxc_thread_create(&f->thread, unpack_and_walk, f);
    if (rc != 0) {
        (void)vxc_error_set(&f->err, vxc_error_from_errno(rc), "no thread to check the image");
        fail(f);
        return;
    }
    f->running = true;
}

static void collect(struct vxc_fetch *f)
{
    if (!atomic_load(&f->finished)) {
        return;
    }
    join(f);
    if (f->code != 0) {
        f->err.code = f->code;
        fail(f);
        return;
    }
    f->state = VXC_FETCH_READY;
    vxc_log_event(f->options.logger, VXC_LOG_INFO, "image_fetched",
                  "peer=%" PRIu64 " index=%" PRIu64 " rows=%" PRIu64 " bytes=%" PRIu64
                  " resumed_at=%" PRIu64 " again=%" PRIu64 " ms=%" PRIu64,
                  f->peer, f->info.applied_index, vxc_image_rows(&f->info), f->info.file_bytes,
                  f->resumed_at, f->again_total, now_ms(f) - f->began_ms);
}

/* ---- turns ---- */

static void judge_silence(struct vxc_fetch *f)
{
    const uint64_t now = now_ms(f);

    if (now - f->heard_ms >= VXC_PEER_IMAGE_SILENCE_MS) {
        (void)vxc_error_set(&f->err, VXC_ETIMEOUT, "the peer said nothing for %u ms",
                            VXC_PEER_IMAGE_SILENCE_MS);
        fail(f);
    } else if (now - f->asked_ms < VXC_PEER_IMAGE_RETRY_MS) {
        return;
    } else if (f->state == VXC_FETCH_ASKING) {
        ask_for_image(f);
    } else {
        f->asked_to = vxc_image_arrival_next(&f->arrival);
        f->asked_ms = now;
        f->again_total++;
        ask_for_pieces(f);
    }
}

/* Nobody has wanted what a former life has left: its room is given back. */
static uint64_t judge_leftovers(struct vxc_fetch *f)
{
    if (f->left_ms == 0) {
        return UINT64_MAX;
    }
    if (now_ms(f) < f->left_ms) {
        return f->left_ms - now_ms(f);
    }
    f->left_ms = 0;
    remove_files(f);
    return UINT64_MAX;
}

uint64_t vxc_fetch_turn(struct vxc_fetch *f)
{
    switch (f->state) {
    case VXC_FETCH_NONE:
        return judge_leftovers(f);
    case VXC_FETCH_ASKING:
    case VXC_FETCH_FETCHING:
        if (f->arrival.again) {
            look_again(f);
            return 0;
        }
        judge_silence(f);
        return LOOK_MS;
    case VXC_FETCH_CHECKING:
        collect(f);
        return f->state == VXC_FETCH_CHECKING ? LOOK_MS : 0;
    default:
        return UINT64_MAX;
    }
}

/* ---- looking ---- */

enum vxc_fetch_state vxc_fetch_state(const struct vxc_fetch *fetch)
{
    return fetch->state;
}

uint64_t vxc_fetch_peer(const struct vxc_fetch *fetch)
{
    return fetch->peer;
}

void vxc_fetch_progress(const struct vxc_fetch *fetch, uint64_t *done, uint64_t *total)
{
    const bool fetching = fetch->state == VXC_FETCH_FETCHING;
    const bool all = fetch->state == VXC_FETCH_CHECKING || fetch->state == VXC_FETCH_READY;

    *total = fetching || all ? fetch->arrival.file_bytes : 0;
    *done = fetching ? fetch->arrival.good : all ? *total : 0;
}

const struct vxc_image_info *vxc_fetch_info(const struct vxc_fetch *fetch)
{
    vxc_check(fetch->state == VXC_FETCH_READY);
    return &fetch->info;
}

const struct vxc_error *vxc_fetch_error(const struct vxc_fetch *fetch)
{
    return &fetch->err;
}
