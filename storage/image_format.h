/* The bytes of image files: header, chunks, trailer. Pure; docs/format.md has the layout.
 *
 * Every part has its CRC at the same place in every version, so that it is checked before anything
 * else is believed. Errors speak of offsets within the file.
 */
#ifndef VXC_STORAGE_IMAGE_FORMAT_H
#define VXC_STORAGE_IMAGE_FORMAT_H

#include "storage/image.h"

#define VXC_IMAGE_VERSION        1u
#define VXC_IMAGE_CHUNK_SIZE     (1u * VXC_MIB) /* bytes; memory of a writer is four of these */
#define VXC_IMAGE_CHUNK_SIZE_MIN 4096u
#define VXC_IMAGE_CHUNK_SIZE_MAX (16u * VXC_MIB) /* bytes a reader is ready to allocate */

enum {
    VXC_IMAGE_PREFIX_SIZE = 16, /* of the header: magic, CRC, size */
    VXC_IMAGE_HEADER_SIZE_MIN = 108,
    VXC_IMAGE_HEADER_SIZE_MAX = VXC_IMAGE_HEADER_SIZE_MIN + VXC_IMAGE_CONFIGURATION_MAX,
    VXC_IMAGE_HEADER_SIZE_LIMIT = 65536, /* of headers of any version */
    VXC_IMAGE_CHUNK_HEAD_SIZE = 24,
    VXC_IMAGE_TRAILER_HEAD_SIZE = 40,
    VXC_IMAGE_TRAILER_SIZE_MAX =
        VXC_IMAGE_TRAILER_HEAD_SIZE + 64 * (1 + 255 + 8 + 8) + VXC_IMAGE_SHA256_SIZE + 4,
};

/* ---- header ---- */

/* Appends; VXC_ENOMEM. */
int vxc_image_header_encode(const struct vxc_image_info *info, struct vxc_buffer *out);

/* How many bytes the header has, from its first VXC_IMAGE_PREFIX_SIZE ones. */
int vxc_image_header_size(const uint8_t *prefix, uint32_t *size, struct vxc_error *err);
/* The whole header. VXC_ECORRUPT, or VXC_EVERSION when it is intact and newer. */
int vxc_image_header_decode(const uint8_t *bytes, uint32_t size, struct vxc_image_info *info,
                            struct vxc_error *err);

/* ---- chunks ---- */

struct vxc_image_chunk {
    uint32_t crc; /* of what follows it, to the chunk's end */
    uint32_t number;
    uint32_t raw_size;
    uint32_t stored_size; /* bytes behind the head */
    bool packed;          /* else they are the state as it is */
};

enum vxc_image_part { VXC_IMAGE_PART_CHUNK, VXC_IMAGE_PART_TRAILER };

/* What begins here? `bytes` are at least four. VXC_ECORRUPT. */
int vxc_image_part_of(const uint8_t *bytes, uint64_t offset, enum vxc_image_part *part,
                      struct vxc_error *err);

/* Fills in crc. */
void vxc_image_chunk_encode(struct vxc_image_chunk *chunk, const uint8_t *stored,
                            uint8_t out[VXC_IMAGE_CHUNK_HEAD_SIZE]);
/* The head alone: bounds, before anything is read or allocated by them. */
int vxc_image_chunk_decode(const uint8_t head[VXC_IMAGE_CHUNK_HEAD_SIZE], uint64_t offset,
                           const struct vxc_image_info *info, uint64_t number,
                           struct vxc_image_chunk *chunk, struct vxc_error *err);
/* Head and bytes against the CRC. */
int vxc_image_chunk_check(const struct vxc_image_chunk *chunk,
                          const uint8_t head[VXC_IMAGE_CHUNK_HEAD_SIZE], const uint8_t *stored,
                          uint64_t offset, struct vxc_error *err);

/* Largest stored_size that a chunk of this file can have. */
size_t vxc_image_stored_size_max(const struct vxc_image_info *info);
/* Packs raw bytes; false when that saves nothing (then they are stored as they are). `out` has
 * vxc_image_stored_size_max() bytes. */
bool vxc_image_pack(enum vxc_image_compression compression, const uint8_t *raw, uint32_t raw_size,
                    uint8_t *out, size_t capacity, uint32_t *stored_size);
/* Exactly raw_size bytes must come out: else VXC_ECORRUPT. */
int vxc_image_unpack(enum vxc_image_compression compression, const struct vxc_image_chunk *chunk,
                     const uint8_t *stored, uint8_t *raw, uint64_t offset, struct vxc_error *err);

/* ---- trailer ---- */

/* Appends all but the SHA-256 and the CRC, which seal() puts behind it. `out` holds nothing else;
 * info->file_bytes is where it begins. */
int vxc_image_trailer_begin(const struct vxc_image_info *info, struct vxc_buffer *out);
int vxc_image_trailer_seal(const uint8_t sha256[VXC_IMAGE_SHA256_SIZE], struct vxc_buffer *out);

/* How many bytes the trailer has, from its first VXC_IMAGE_TRAILER_HEAD_SIZE ones. */
int vxc_image_trailer_size(const uint8_t *head, uint64_t offset, uint32_t *size,
                           struct vxc_error *err);
/* The whole trailer; what it says is held against *info, which a reader has counted itself. */
int vxc_image_trailer_decode(const uint8_t *bytes, uint32_t size, uint64_t offset,
                             struct vxc_image_info *info, struct vxc_error *err);

#endif
