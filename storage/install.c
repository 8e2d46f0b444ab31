#include "storage/install.h"

#include "base/check.h"
#include "base/crc.h"
#include "base/memory.h"
#include "storage/disk.h"
#include "storage/image_internal.h"
#include "storage/vote.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    VERSION = 1,
    AT_CRC = 8,
    AT_VERSION = 12,
    AT_FLAGS = 14,
    AT_CLUSTER_ID = 16,
    AT_INDEX = 32,
    AT_TERM = 40,
    AT_CONFIGURATION_INDEX = 48,
    AT_CONFIGURATION_SIZE = 56,
    FLAG_KEEP_LOG = 1,
};

static const uint8_t magic[8] = "VXCINST\n";

/* ---- the record ---- */

int vxc_install_encode(const struct vxc_install *install, struct vxc_buffer *out)
{
    const struct vxc_slice configuration = install->base.configuration;
    uint8_t head[VXC_INSTALL_HEAD_SIZE] = {0};
    uint32_t crc;

    if (configuration.size == 0 || configuration.size > VXC_INSTALL_CONFIGURATION_MAX) {
        return VXC_EINVAL;
    }
    memcpy(head, magic, sizeof magic);
    vxc_store_u16(head + AT_VERSION, VERSION);
    vxc_store_u16(head + AT_FLAGS, install->keep_log ? FLAG_KEEP_LOG : 0);
    memcpy(head + AT_CLUSTER_ID, install->cluster_id, sizeof install->cluster_id);
    vxc_store_u64(head + AT_INDEX, install->base.index);
    vxc_store_u64(head + AT_TERM, install->base.term);
    vxc_store_u64(head + AT_CONFIGURATION_INDEX, install->base.configuration_index);
    vxc_store_u32(head + AT_CONFIGURATION_SIZE, (uint32_t)configuration.size);
    crc = vxc_crc32(0, head + AT_VERSION, sizeof head - AT_VERSION);
    vxc_store_u32(head + AT_CRC, vxc_crc32(crc, configuration.data, configuration.size));
    if (vxc_buffer_reserve(out, sizeof head + configuration.size) != 0) {
        return VXC_ENOMEM;
    }
    (void)vxc_buffer_append(out, head, sizeof head); /* there is room */
    (void)vxc_buffer_append(out, configuration.data, configuration.size);
    return 0;
}

static int damaged(struct vxc_error *err, const char *what)
{
    return vxc_error_set(err, VXC_ECORRUPT, "%s", what);
}

int vxc_install_decode(struct vxc_slice bytes, struct vxc_install *install, struct vxc_error *err)
{
    const uint8_t *head = bytes.data;

    if (bytes.size < VXC_INSTALL_HEAD_SIZE || bytes.size > VXC_INSTALL_SIZE_MAX ||
        memcmp(head, magic, sizeof magic) != 0) {
        return damaged(err, "it is no record of an install");
    }
    if (vxc_load_u32(head + AT_CRC) != vxc_crc32(0, head + AT_VERSION, bytes.size - AT_VERSION)) {
        return damaged(err, "the checksum is wrong");
    }
    if (vxc_load_u16(head + AT_VERSION) != VERSION) {
        return vxc_error_set(err, VXC_EVERSION, "version %u, written by a newer program",
                             vxc_load_u16(head + AT_VERSION));
    }
    *install = (struct vxc_install){
        .base = {.index = vxc_load_u64(head + AT_INDEX),
                 .term = vxc_load_u64(head + AT_TERM),
                 .configuration_index = vxc_load_u64(head + AT_CONFIGURATION_INDEX),
                 .configuration =
                     vxc_slice(head + VXC_INSTALL_HEAD_SIZE, bytes.size - VXC_INSTALL_HEAD_SIZE)},
        .keep_log = (vxc_load_u16(head + AT_FLAGS) & FLAG_KEEP_LOG) != 0,
    };
    memcpy(install->cluster_id, head + AT_CLUSTER_ID, sizeof install->cluster_id);
    if (install->base.configuration.size != vxc_load_u32(head + AT_CONFIGURATION_SIZE) ||
        install->base.configuration.size == 0 || install->base.index == 0 ||
        install->base.term == 0 || install->base.configuration_index > install->base.index) {
        return damaged(err, "it contradicts itself");
    }
    return 0;
}

/* ---- paths ---- */

struct place {
    const char *data;
    const struct vxc_install_watch *watch;
    int fd;       /* of the data directory */
    int incoming; /* of DATA/incoming; -1 = absent */
};

static void step(const struct place *p, const char *name)
{
    if (p->watch != NULL) {
        p->watch->on_step(p->watch->data, name);
    }
}

static int failed(const struct place *p, struct vxc_error *err, const char *doing, const char *name)
{
    return vxc_error_set(err, vxc_error_from_errno(errno), "%s/%s: %s: %s", p->data, name, doing,
                         strerror(errno));
}

static int open_place(struct place *p, struct vxc_error *err)
{
    p->incoming = -1;
    p->fd = open(p->data, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (p->fd < 0) {
        return vxc_error_set(err, vxc_error_from_errno(errno), "%s: open: %s", p->data,
                             strerror(errno));
    }
    p->incoming = openat(p->fd, "incoming", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return p->incoming < 0 && errno != ENOENT ? failed(p, err, "open", "incoming") : 0;
}

static void close_place(struct place *p)
{
    if (p->incoming >= 0) {
        (void)close(p->incoming); /* only read from, as is the next one */
    }
    if (p->fd >= 0) {
        (void)close(p->fd);
    }
}

static bool is_there(int folder, const char *name)
{
    return folder >= 0 && faccessat(folder, name, F_OK, 0) == 0;
}

static int flush_folder(const struct place *p, struct vxc_error *err)
{
    return vxc_disk_sync_folder(p->fd) == 0 ? 0 : failed(p, err, "flush", "");
}

/* ---- the intent ---- */

static int write_record(const struct place *p, struct vxc_slice bytes, struct vxc_error *err)
{
    int fd = openat(p->fd, "install.part", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    int rv = 0;

    if (fd < 0) {
        return failed(p, err, "create", "install.part");
    }
    if (vxc_disk_write(fd, 0, bytes.data, bytes.size) != 0 || fsync(fd) != 0) {
        rv = failed(p, err, "write", "install.part");
    }
    if (close(fd) != 0 && rv == 0) {
        rv = failed(p, err, "write", "install.part");
    }
    step(p, "intent written");
    if (rv == 0 && renameat(p->fd, "install.part", p->fd, "install") != 0) {
        rv = failed(p, err, "rename", "install.part");
    }
    if (rv != 0) {
        (void)unlinkat(p->fd, "install.part", 0); /* the error that matters is told */
        return rv;
    }
    step(p, "intent named");
    rv = flush_folder(p, err);
    if (rv != 0) {
        (void)unlinkat(p->fd, "install", 0);
    }
    return rv;
}

bool vxc_install_keeps_log(const struct vxc_log *log, const struct vxc_log_base *base)
{
    const uint64_t first = vxc_log_first_index(log);
    const uint64_t term = vxc_log_term(log, base->index);

    if (vxc_log_last_index(log) < base->index) {
        return false;
    }
    vxc_check(first <= base->index + 1); /* nobody asks for an image that leaves a gap */
    /* 0: the one in front of the first entry that is left. What a log let go of was committed, as is
     * that where an image ends: they are the same. */
    return term == base->term || term == 0;
}

int vxc_install_plan(const char *data, const struct vxc_install *install,
                     const struct vxc_install_watch *watch, struct vxc_error *err)
{
    struct place p = {.data = data, .watch = watch};
    struct vxc_buffer bytes = {0};
    int rv = open_place(&p, err);

    if (rv == 0 && !is_there(p.incoming, "state/data.mdb")) {
        rv = vxc_error_set(err, VXC_ENOTFOUND, "%s/incoming/state: there is no state", data);
    }
    /* the new state's name, before the intent speaks of it */
    if (rv == 0 && vxc_disk_sync_folder(p.incoming) != 0) {
        rv = failed(&p, err, "flush", "incoming");
    }
    rv = rv != 0 ? rv : flush_folder(&p, err);
    if (rv == 0) {
        rv = vxc_install_encode(install, &bytes);
        rv = rv != 0 ? vxc_error_set(err, rv, "%s/install: %s", data, vxc_strerror(rv))
                     : write_record(&p, vxc_buffer_slice(&bytes), err);
    }
    vxc_buffer_free(&bytes);
    close_place(&p);
    return rv;
}

/* VXC_ENOTFOUND without text when there is none. */
static int read_record(const struct place *p, uint8_t bytes[VXC_INSTALL_SIZE_MAX + 1],
                       struct vxc_install *install, struct vxc_error *err)
{
    int fd = openat(p->fd, "install", O_RDONLY | O_CLOEXEC);
    ssize_t size;
    int rv;

    if (fd < 0) {
        return errno == ENOENT ? VXC_ENOTFOUND : failed(p, err, "open", "install");
    }
    size = read(fd, bytes, VXC_INSTALL_SIZE_MAX + 1);
    rv = size < 0 ? failed(p, err, "read", "install")
                  : vxc_install_decode(vxc_slice(bytes, (size_t)size), install, err);
    (void)close(fd); /* only read from */
    if (rv == VXC_ECORRUPT) {
        (void)vxc_error_prefix(err, "%s/install, which says how far an image was installed",
                               p->data);
    } else if (rv == VXC_EVERSION) {
        (void)vxc_error_prefix(err, "%s/install", p->data);
    }
    return rv;
}

/* ---- the steps ---- */

static void remove_inside(const struct place *p, const char *name)
{
    char *path = vxc_format("%s/incoming/%s", p->data, name);

    if (path != NULL) { /* else it stays until the next start */
        vxc_image_remove_folder(path);
        vxc_free(path);
    }
}

/* The old state aside, unless a crash came behind that; the new one to its place, likewise. */
static int replace_state(const struct place *p, struct vxc_error *err)
{
    if (!is_there(p->incoming, "state")) {
        return is_there(p->fd, "state")
                   ? 0
                   : vxc_error_set(err, VXC_ECORRUPT,
                                   "%s: an image was to be installed, but neither it nor a state "
                                   "is there",
                                   p->data);
    }
    if (is_there(p->fd, "state")) {
        remove_inside(p, "old");
        step(p, "before the old state moves");
        if (renameat(p->fd, "state", p->incoming, "old") != 0) {
            return failed(p, err, "move aside", "state");
        }
        step(p, "old state moved");
    }
    if (renameat(p->incoming, "state", p->fd, "state") != 0) {
        return failed(p, err, "move into place", "incoming/state");
    }
    step(p, "new state moved");
    if (vxc_disk_sync_folder(p->incoming) != 0) {
        return failed(p, err, "flush", "incoming");
    }
    return flush_folder(p, err);
}

static int reset_log(const struct place *p, const struct vxc_install *install, uint64_t node_id,
                     struct vxc_error *err)
{
    const struct vxc_log_options options = {.io = VXC_LOG_IO_THREAD, .node_id = node_id};
    struct vxc_log *log;
    char *path;
    int rv;

    if (install->keep_log) {
        return 0;
    }
    path = vxc_format("%s/log", p->data);
    if (path == NULL) {
        return vxc_error_set(err, VXC_ENOMEM, "out of memory");
    }
    rv = vxc_log_open(path, &options, &log, err);
    vxc_free(path);
    if (rv != 0) {
        return rv;
    }
    step(p, "before the log is emptied");
    rv = vxc_log_reset(log, &install->base, err);
    step(p, "log emptied");
    vxc_log_close(log);
    return rv;
}

/* In a term that this node had not heard of it has voted for nobody. */
static int raise_vote(const struct place *p, const struct vxc_install *install, uint64_t node_id,
                      struct vxc_error *err)
{
    struct vxc_vote_file *file;
    struct vxc_vote vote;
    char *path = vxc_format("%s/vote", p->data);
    int rv;

    if (path == NULL) {
        return vxc_error_set(err, VXC_ENOMEM, "out of memory");
    }
    rv = vxc_vote_open(path, 0, node_id, &file, &vote, err);
    vxc_free(path);
    if (rv != 0) {
        return rv;
    }
    if (vote.term < install->base.term) {
        vote = (struct vxc_vote){.term = install->base.term};
        vxc_vote_store(file, &vote);
        step(p, "vote raised");
    }
    vxc_vote_close(file);
    return 0;
}

static int remove_record(const struct place *p, struct vxc_error *err)
{
    step(p, "before the intent goes");
    if (unlinkat(p->fd, "install", 0) != 0) {
        return failed(p, err, "remove", "install");
    }
    step(p, "intent gone");
    return flush_folder(p, err);
}

static int carry_out(const struct place *p, const struct vxc_install *install, uint64_t node_id,
                     struct vxc_error *err)
{
    int rv = replace_state(p, err);

    rv = rv != 0 ? rv : reset_log(p, install, node_id, err);
    rv = rv != 0 ? rv : raise_vote(p, install, node_id, err);
    return rv != 0 ? rv : remove_record(p, err);
}

/* The file of an image that was still arriving, with a note of whose it is: it may be gone on with. */
static bool has_arrival(const struct place *p)
{
    return is_there(p->incoming, "image.part") && is_there(p->incoming, "image.source");
}

/* What is in it is nobody's; what cannot be removed is tried again at the next start. */
static void remove_leftovers(const struct place *p, bool installed)
{
    char *path;

    (void)unlinkat(p->fd, "install.part", 0);
    if (p->incoming < 0) {
        return;
    }
    remove_inside(p, "state");
    remove_inside(p, "old");
    step(p, "leftovers half gone");
    if (!installed && has_arrival(p)) {
        return;
    }
    path = vxc_format("%s/incoming", p->data);
    if (path != NULL) {
        vxc_image_remove_folder(path);
        vxc_free(path);
    }
}

int vxc_install_finish(const char *data, uint64_t node_id, const struct vxc_install_watch *watch,
                       bool *installed, struct vxc_error *err)
{
    struct place p = {.data = data, .watch = watch};
    uint8_t bytes[VXC_INSTALL_SIZE_MAX + 1];
    struct vxc_install install;
    bool found;
    int rv = open_place(&p, err);

    if (rv != 0) {
        close_place(&p);
        return rv;
    }
    rv = read_record(&p, bytes, &install, err);
    found = rv == 0;
    rv = rv == 0 ? carry_out(&p, &install, node_id, err) : rv == VXC_ENOTFOUND ? 0 : rv;
    if (rv == 0) {
        remove_leftovers(&p, found);
        *installed = found;
    }
    close_place(&p);
    return rv;
}
