#include "row.h"

#include <openssl/evp.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "base/check.h"

enum { HASH_KEPT_SIZE = 16 }; /* bytes of the SHA-256 that stand for the rest of a long key */

const char *vxc_database_name(enum vxc_database db)
{
    static const char *const names[] = {
#define X(name, text) text,
        VXC_DATABASE_MAP(X)
#undef X
    };

    vxc_check((unsigned)db < VXC_DB_COUNT);
    return names[db];
}

bool vxc_database_has_objects(enum vxc_database db)
{
    return db == VXC_DB_MAPS || db == VXC_DB_SETS || db == VXC_DB_MULTIMAPS;
}

void vxc_row_key_begin(struct vxc_row_key *key)
{
    key->size = 0;
    key->hashed = false;
}

void vxc_row_key_u8(struct vxc_row_key *key, uint8_t v)
{
    vxc_check(key->size + 1u <= VXC_ROW_KEY_SIZE_MAX);
    key->data[key->size] = v;
    key->size = (uint16_t)(key->size + 1);
}

void vxc_row_key_u64(struct vxc_row_key *key, uint64_t v)
{
    vxc_check(key->size + 8u <= VXC_ROW_KEY_SIZE_MAX);
    vxc_store_be64(key->data + key->size, v);
    key->size = (uint16_t)(key->size + 8);
}

void vxc_row_key_user(struct vxc_row_key *key, struct vxc_slice user_key)
{
    size_t plain = user_key.size;

    key->hashed = user_key.size > VXC_ROW_KEY_PLAIN_MAX;
    if (key->hashed) {
        plain = VXC_ROW_KEY_PLAIN_MAX;
    }
    vxc_check(key->size + plain + (key->hashed ? HASH_KEPT_SIZE : 0) <= VXC_ROW_KEY_SIZE_MAX);
    if (plain != 0) {
        memcpy(key->data + key->size, user_key.data, plain);
        key->size = (uint16_t)(key->size + plain);
    }
    if (key->hashed) {
        uint8_t digest[32];

        vxc_sha256(user_key, digest);
        memcpy(key->data + key->size, digest, HASH_KEPT_SIZE);
        key->size = (uint16_t)(key->size + HASH_KEPT_SIZE);
    }
}

bool vxc_row_is_header(enum vxc_database db, struct vxc_slice key)
{
    return vxc_database_has_objects(db) && key.size == VXC_ROW_OBJECT_ID_SIZE;
}

/* The key's hash seeds that of the body, so that no byte can move between them unnoticed. A
 * header's digest slot is left out by hashing the parts around it, again one seeding the other. */
uint64_t vxc_row_checksum(enum vxc_database db, struct vxc_slice key, struct vxc_slice body)
{
    uint64_t sum = XXH3_64bits_withSeed(key.data, key.size, (XXH64_hash_t)db + 1);

    if (vxc_row_is_header(db, key) && body.size >= VXC_ROW_HEADER_SIZE_MIN) {
        sum = XXH3_64bits_withSeed(body.data, VXC_ROW_DIGEST_OFFSET, sum);
        body.data += VXC_ROW_HEADER_SIZE_MIN;
        body.size -= VXC_ROW_HEADER_SIZE_MIN;
    }
    return XXH3_64bits_withSeed(body.data, body.size, sum);
}

void vxc_sha256(struct vxc_slice bytes, uint8_t out[32])
{
    unsigned size = 0;
    int done =
        EVP_Digest(bytes.size == 0 ? out : bytes.data, bytes.size, out, &size, EVP_sha256(), NULL);

    vxc_check(done == 1);
    vxc_check(size == 32);
}
