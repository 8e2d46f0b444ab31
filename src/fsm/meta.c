/* Row "fsm" of the meta database; the store keeps rows of its own beside it. */
#include "fsm/meta.h"

#include "base/planted.h"

enum {
    META_FORMAT = 1,
    META_WORD_COUNT = 17,
    META_BODY_SIZE = 1 + 1 + 4 + 4 + 16 + META_WORD_COUNT * 8,
};

static struct vxc_slice row_key(void)
{
    return vxc_slice_of_string("fsm");
}

/* The 64-bit words of the row, in their order. */
static void words_of(struct vxc_fsm *fsm, uint64_t *words[META_WORD_COUNT])
{
    uint64_t *const all[META_WORD_COUNT] = {
        &fsm->applied_index,
        &fsm->applied_term,
        &fsm->stamp_ms,
        &fsm->time_ms,
        &fsm->next_id,
        &fsm->next_token,
        &fsm->quota_bytes,
        &fsm->quota_bytes_used,
        &fsm->deadline_count,
        &fsm->stats.objects,
        &fsm->stats.counters,
        &fsm->stats.locks,
        &fsm->stats.locks_held,
        &fsm->stats.locks_waiting,
        &fsm->stats.nodes,
        &fsm->stats.registrations,
        &fsm->stats.expired_rows_total,
    };

    memcpy(words, all, sizeof all);
}

void vxc_meta_begin(struct vxc_fsm *fsm)
{
    fsm->next_id = 1; /* 0 is the default namespace, and "none" elsewhere */
    fsm->next_token = 1;
    fsm->quota_bytes = VXC_QUOTA_BYTES_DEFAULT;
    fsm->next_due_ms = UINT64_MAX;
}

int vxc_meta_load(struct vxc_fsm *fsm, struct vxc_error *err)
{
    uint64_t *words[META_WORD_COUNT];
    struct vxc_reader reader;
    struct vxc_slice body, cluster_id;

    if (vxc_table_get(fsm->table, VXC_DB_META, row_key(), &body) != 0) {
        return vxc_table_error(fsm->table, err);
    }
    reader = vxc_reader(body);
    if (vxc_reader_u8(&reader) > META_FORMAT) {
        return vxc_error_set(err, VXC_EVERSION, "meta: row \"fsm\" is of a newer version");
    }
    fsm->bootstrapped = vxc_reader_u8(&reader) != 0;
    fsm->applied_position = vxc_reader_u32(&reader);
    fsm->ordinal = vxc_reader_u32(&reader);
    cluster_id = vxc_reader_raw(&reader, sizeof fsm->cluster_id);
    words_of(fsm, words);
    for (int i = 0; i < META_WORD_COUNT; i++) {
        *words[i] = vxc_reader_u64(&reader);
    }
    if (!vxc_reader_at_end(&reader)) {
        return vxc_error_set(err, VXC_ECORRUPT, "meta: row \"fsm\" has %zu bytes instead of %d",
                             body.size, META_BODY_SIZE);
    }
    memcpy(fsm->cluster_id, cluster_id.data, sizeof fsm->cluster_id);
    fsm->flushed_index = fsm->applied_index;
    fsm->flushed_position = fsm->applied_position;
    if (VXC_PLANTED(fence_from_each_node)) {
        fsm->next_token = 1;
    }
    return 0;
}

void vxc_meta_flush(struct vxc_fsm *fsm)
{
    uint64_t *words[META_WORD_COUNT];
    uint8_t body[META_BODY_SIZE];
    uint8_t *at = body;

    if (!fsm->meta_dirty && fsm->flushed_index == fsm->applied_index &&
        fsm->flushed_position == fsm->applied_position) {
        return;
    }
    *at++ = META_FORMAT;
    *at++ = fsm->bootstrapped;
    vxc_store_u32(at, fsm->applied_position);
    vxc_store_u32(at + 4, fsm->ordinal);
    memcpy(at + 8, fsm->cluster_id, sizeof fsm->cluster_id);
    at += 8 + sizeof fsm->cluster_id;
    words_of(fsm, words);
    for (int i = 0; i < META_WORD_COUNT; i++) {
        vxc_store_u64(at, *words[i]);
        at += 8;
    }
    vxc_table_put(fsm->table, VXC_DB_META, row_key(), vxc_slice(body, sizeof body),
                  vxc_slice(NULL, 0));
    fsm->meta_dirty = false;
    fsm->flushed_index = fsm->applied_index;
    fsm->flushed_position = fsm->applied_position;
}
