#include "store_internal.h"

#include <stdio.h>

/* Readable form of a key for messages: printable ASCII as it is, the rest as \xx. */
static const char *printable(struct vxc_slice key, char *out, size_t capacity)
{
    size_t used = 0;

    for (size_t i = 0; i < key.size && used + 8 < capacity; i++) {
        uint8_t b = key.data[i];

        if (b > 0x20 && b < 0x7f && b != '\\') {
            out[used++] = (char)b;
        } else {
            used += (size_t)snprintf(out + used, 4, "\\%02x", b);
        }
    }
    if (used + 8 >= capacity) {
        memcpy(out + used, "...", 3);
        used += 3;
    }
    out[used] = '\0';
    return out;
}

int vxc_store_row_decode(enum vxc_database db, struct vxc_slice key, MDB_val value,
                         struct vxc_slice *body, struct vxc_error *err)
{
    char text[160];
    struct vxc_slice rest;

    if (value.mv_size < VXC_ROW_CHECKSUM_SIZE) {
        return vxc_error_set(err, VXC_ECORRUPT, "row of %zu bytes in %s, key %s", value.mv_size,
                             vxc_database_name(db), printable(key, text, sizeof text));
    }
    rest = vxc_slice((const uint8_t *)value.mv_data + VXC_ROW_CHECKSUM_SIZE,
                     value.mv_size - VXC_ROW_CHECKSUM_SIZE);
    if (vxc_row_is_header(db, key) && rest.size < VXC_ROW_HEADER_SIZE_MIN) {
        return vxc_error_set(err, VXC_ECORRUPT, "object header of %zu bytes in %s, key %s",
                             rest.size, vxc_database_name(db), printable(key, text, sizeof text));
    }
    if (vxc_load_u64(value.mv_data) != vxc_row_checksum(db, key, rest)) {
        return vxc_error_set(err, VXC_ECORRUPT, "row checksum mismatch in %s, key %s",
                             vxc_database_name(db), printable(key, text, sizeof text));
    }
    *body = rest;
    return 0;
}

/* Layout of the commit row: docs/format.md, "Meta rows". */
void vxc_store_commit_encode(const struct vxc_store_meta *meta, const struct vxc_store_sums *sums,
                             uint8_t out[VXC_STORE_COMMIT_SIZE])
{
    vxc_store_u64(out, meta->applied_index);
    vxc_store_u64(out + 8, meta->applied_term);
    vxc_store_u32(out + 16, meta->applied_position);
    vxc_store_u64(out + 20, meta->cluster_time_ms);
    vxc_store_u64(out + 28, meta->configuration_index);
    vxc_store_u64(out + 36, sums->total);
    vxc_store_u64(out + 44, sums->local);
}

int vxc_store_commit_decode(struct vxc_slice body, struct vxc_store_meta *meta,
                            struct vxc_store_sums *sums, struct vxc_error *err)
{
    if (body.size < VXC_STORE_COMMIT_SIZE) {
        return vxc_error_set(err, VXC_ECORRUPT, "row %s of %zu bytes in meta", VXC_STORE_KEY_COMMIT,
                             body.size);
    }
    meta->applied_index = vxc_load_u64(body.data);
    meta->applied_term = vxc_load_u64(body.data + 8);
    meta->applied_position = vxc_load_u32(body.data + 16);
    meta->cluster_time_ms = vxc_load_u64(body.data + 20);
    meta->configuration_index = vxc_load_u64(body.data + 28);
    sums->total = vxc_load_u64(body.data + 36);
    sums->local = vxc_load_u64(body.data + 44);
    return 0;
}

int vxc_store_format_check(struct vxc_slice body, struct vxc_error *err)
{
    uint32_t version;

    if (body.size < VXC_STORE_FORMAT_SIZE || memcmp(body.data, VXC_STORE_FORMAT_MAGIC, 8) != 0) {
        return vxc_error_set(err, VXC_EFOREIGN, "the row %s in meta is not of this program",
                             VXC_STORE_KEY_FORMAT);
    }
    version = vxc_load_u32(body.data + 8);
    if (version > VXC_STORE_FORMAT_VERSION) {
        return vxc_error_set(err, VXC_EVERSION, "state format %u; this program reads up to %u",
                             version, VXC_STORE_FORMAT_VERSION);
    }
    return 0;
}
