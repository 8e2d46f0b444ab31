#include "vote.h"

#include "base/bytes.h"
#include "base/check.h"
#include "base/crc.h"
#include "base/memory.h"
#include "storage/disk.h"
#include "storage/pair.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

/* One copy on disk (little-endian; docs/format.md). The CRC covers all that follows it and stands
 * at the same place in every version, so that it can be checked before the version is believed. */
enum {
    AT_MAGIC = 0,       /* 8 bytes */
    AT_CRC = 8,         /* u32 over bytes 12–63 */
    AT_VERSION = 12,    /* u16 */
    AT_RESERVED = 14,   /* u16, zero */
    AT_NODE_ID = 16,    /* u64 */
    AT_CLUSTER_LO = 24, /* u64; 0, 0 = not bound to a cluster yet */
    AT_CLUSTER_HI = 32, /* u64 */
    AT_SEQUENCE = 40,   /* u64; +1 per store */
    AT_TERM = 48,       /* u64 */
    AT_VOTED_FOR = 56,  /* u64 */
    VOTE_SIZE = 64,
    VOTE_VERSION = 1,
};

static const uint8_t MAGIC[8] = "VXCVOTE\n";

struct record {
    uint64_t node_id;
    uint64_t cluster_id_lo, cluster_id_hi;
    uint64_t sequence;
    struct vxc_vote vote;
};

struct vxc_vote_file {
    struct vxc_pair pair;
    struct record record; /* as stored last */
};

static void record_encode(const struct record *r, uint8_t out[VOTE_SIZE])
{
    memset(out, 0, VOTE_SIZE);
    memcpy(out + AT_MAGIC, MAGIC, sizeof MAGIC);
    vxc_store_u16(out + AT_VERSION, VOTE_VERSION);
    vxc_store_u64(out + AT_NODE_ID, r->node_id);
    vxc_store_u64(out + AT_CLUSTER_LO, r->cluster_id_lo);
    vxc_store_u64(out + AT_CLUSTER_HI, r->cluster_id_hi);
    vxc_store_u64(out + AT_SEQUENCE, r->sequence);
    vxc_store_u64(out + AT_TERM, r->vote.term);
    vxc_store_u64(out + AT_VOTED_FOR, r->vote.voted_for);
    vxc_store_u32(out + AT_CRC, vxc_crc32(0, out + AT_VERSION, VOTE_SIZE - AT_VERSION));
}

static int record_decode(const uint8_t *bytes, uint64_t size, struct record *r,
                         struct vxc_error *err)
{
    if (size != VOTE_SIZE) {
        return vxc_error_set(err, VXC_ECORRUPT, "offset %" PRIu64 ": a vote has %d bytes", size,
                             VOTE_SIZE);
    }
    if (memcmp(bytes + AT_MAGIC, MAGIC, sizeof MAGIC) != 0) {
        return vxc_error_set(err, VXC_ECORRUPT, "offset %d: not a vote file", AT_MAGIC);
    }
    if (vxc_load_u32(bytes + AT_CRC) != vxc_crc32(0, bytes + AT_VERSION, VOTE_SIZE - AT_VERSION)) {
        return vxc_error_set(err, VXC_ECORRUPT, "offset %d: checksum mismatch", AT_CRC);
    }
    if (vxc_load_u16(bytes + AT_VERSION) != VOTE_VERSION) {
        return vxc_error_set(err, VXC_EVERSION,
                             "offset %d: format version %u, this program knows %d", AT_VERSION,
                             vxc_load_u16(bytes + AT_VERSION), VOTE_VERSION);
    }
    r->node_id = vxc_load_u64(bytes + AT_NODE_ID);
    r->cluster_id_lo = vxc_load_u64(bytes + AT_CLUSTER_LO);
    r->cluster_id_hi = vxc_load_u64(bytes + AT_CLUSTER_HI);
    r->sequence = vxc_load_u64(bytes + AT_SEQUENCE);
    r->vote.term = vxc_load_u64(bytes + AT_TERM);
    r->vote.voted_for = vxc_load_u64(bytes + AT_VOTED_FOR);
    return 0;
}

int vxc_vote_decode(const void *bytes, uint64_t size, struct vxc_vote *vote, uint64_t *sequence,
                    uint64_t *node_id, struct vxc_error *err)
{
    struct record r;
    int rv = record_decode(bytes, size, &r, err);

    if (rv != 0) {
        return rv;
    }
    *vote = r.vote;
    *sequence = r.sequence;
    *node_id = r.node_id;
    return 0;
}

/* A valid copy of another node is final (VXC_EFOREIGN), or a healed pair could change its owner. */
static int judge(void *data, const void *bytes, size_t size, uint64_t *sequence,
                 struct vxc_error *err)
{
    const uint64_t *node_id = data;
    struct record r;
    int rv = record_decode(bytes, size, &r, err);

    if (rv != 0) {
        return rv;
    }
    if (r.node_id != *node_id) {
        return vxc_error_set(err, VXC_EFOREIGN,
                             "the vote of node %" PRIu64 ", this is node %" PRIu64, r.node_id,
                             *node_id);
    }
    *sequence = r.sequence;
    return 0;
}

int vxc_vote_open(const char *path, int create, uint64_t node_id, struct vxc_vote_file **file,
                  struct vxc_vote *vote, struct vxc_error *err)
{
    uint8_t bytes[VOTE_SIZE];
    struct vxc_vote_file *f = vxc_calloc(1, sizeof *f);
    int folder;
    int rv;

    if (f == NULL) {
        return vxc_error_set(err, VXC_ENOMEM, "%s: out of memory", path);
    }
    rv = vxc_disk_open_folder(path, create != 0, &folder);
    if (rv != 0) {
        (void)vxc_error_set(err, rv, "%s: %s", path, strerror(errno));
        goto free_file;
    }
    rv = vxc_pair_open(&f->pair, folder, "vote", bytes, sizeof bytes, false, judge, &node_id, err);
    if (rv == VXC_ENOTFOUND && create) {
        f->record = (struct record){.node_id = node_id, .sequence = 1};
        record_encode(&f->record, bytes);
        rv = vxc_pair_create(&f->pair, folder, "vote", bytes, sizeof bytes, err);
    } else if (rv == VXC_ENOTFOUND) {
        (void)vxc_error_set(err, rv, "vote-a and vote-b are missing");
    }
    (void)close(folder); /* opened for reading: nothing can be lost */
    if (rv != 0) {
        (void)vxc_error_prefix(err, "%s", path);
        goto free_file;
    }
    rv = record_decode(bytes, sizeof bytes, &f->record, err);
    vxc_check(rv == 0); /* just judged or just encoded */
    *vote = f->record.vote;
    *file = f;
    return 0;

free_file:
    vxc_free(f);
    return rv;
}

static void store(struct vxc_vote_file *file)
{
    uint8_t bytes[VOTE_SIZE];

    file->record.sequence++;
    record_encode(&file->record, bytes);
    vxc_pair_store(&file->pair, bytes);
}

int vxc_vote_bind(struct vxc_vote_file *file, uint64_t cluster_id_lo, uint64_t cluster_id_hi,
                  struct vxc_error *err)
{
    struct record *r = &file->record;

    if (r->cluster_id_lo == cluster_id_lo && r->cluster_id_hi == cluster_id_hi) {
        return 0;
    }
    if (r->cluster_id_lo != 0 || r->cluster_id_hi != 0) {
        return vxc_error_set(err, VXC_EFOREIGN,
                             "the vote belongs to cluster %016" PRIx64 "%016" PRIx64,
                             r->cluster_id_hi, r->cluster_id_lo);
    }
    r->cluster_id_lo = cluster_id_lo;
    r->cluster_id_hi = cluster_id_hi;
    store(file);
    return 0;
}

void vxc_vote_cluster_id(const struct vxc_vote_file *file, uint64_t *cluster_id_lo,
                         uint64_t *cluster_id_hi)
{
    *cluster_id_lo = file->record.cluster_id_lo;
    *cluster_id_hi = file->record.cluster_id_hi;
}

void vxc_vote_store(struct vxc_vote_file *file, const struct vxc_vote *vote)
{
    /* The engine's term never goes back, and within a term a vote once given stays. */
    vxc_check(vote->term >= file->record.vote.term);
    vxc_check(vote->term > file->record.vote.term || file->record.vote.voted_for == 0 ||
              vote->voted_for == file->record.vote.voted_for);
    file->record.vote = *vote;
    store(file);
}

void vxc_vote_close(struct vxc_vote_file *file)
{
    if (file != NULL) {
        vxc_pair_close(&file->pair);
        vxc_free(file);
    }
}
