/* Rows: how keys and values are laid out in LMDB, and their checksums.
 *
 * One named database per kind of data (never one per map). A row key is a fixed head and the user's
 * key: plainly up to VXC_ROW_KEY_PLAIN_MAX bytes, beyond that the first 440 bytes and 128 bits of
 * the SHA-256 of the whole; then the full key also stands in the value and is compared. Keys sort
 * by memcmp in both layers, without custom comparators, so that mdb_dump and mdb_load of Debian
 * work.
 *
 * Every value begins with the row checksum (XXH3-64 of database, row key and the rest of the
 * value), put and checked by storage/; what follows is the business of src/fsm (docs/format.md,
 * "Rows").
 */
#ifndef VXC_STORAGE_ROW_H
#define VXC_STORAGE_ROW_H

#include "base/bytes.h"
#include "base/limits.h"

#include <stdbool.h>

/* The named databases. Order = order within a commit and in dumps, and the number that seeds the
 * checksums of their rows: a new one goes to the end. At most VXC_LMDB_DATABASES_MAX. */
#define VXC_DATABASE_MAP(X)                                                                        \
    X(META, "meta")             /* applied index, term, cluster time, configuration, next ids */   \
    X(NAMESPACES, "namespaces") /* name → namespace id */                                        \
    X(NAMES, "names") /* (kind, namespace, name) → object id of maps, sets, multimaps */         \
    X(MAPS, "maps")   /* object rows: header, then elements */                                     \
    X(SETS, "sets")                                                                                \
    X(MULTIMAPS, "multimaps")                                                                      \
    X(COUNTERS, "counters")                                                                        \
    X(LOCKS, "locks") /* lock heads and their waiters */                                           \
    X(NODES, "nodes")                                                                              \
    X(REGISTRATIONS, "registrations")                                                              \
    X(SESSIONS, "sessions") /* leases, what they own, cached replies */                            \
    X(WATCHES, "watches")                                                                          \
    X(DEADLINES, "deadlines") /* (due time, what) of TTLs and lock waits */                        \
    X(EVENTS, "events")       /* membership and registration events kept for resuming */           \
    X(GARBAGE, "garbage")     /* local: rows of cleared generations still to be deleted */         \
    X(CLUSTER, "cluster")     /* members of the cluster, state syncs */

enum vxc_database {
#define X(name, text) VXC_DB_##name,
    VXC_DATABASE_MAP(X)
#undef X
        VXC_DB_COUNT
};

static_assert(VXC_DB_COUNT <= VXC_LMDB_DATABASES_MAX,
              "one named database per kind, not per object");

const char *vxc_database_name(enum vxc_database db);

/* True for maps, sets, multimaps: keys are id(8, big-endian) for the header row and
 * id(8) generation(8) user-key for element rows; header values begin with the generation (u64). */
bool vxc_database_has_objects(enum vxc_database db);

struct vxc_row_key {
    uint16_t size;
    bool hashed; /* the user's key was longer than VXC_ROW_KEY_PLAIN_MAX */
    uint8_t data[VXC_ROW_KEY_SIZE_MAX];
};

static inline struct vxc_slice vxc_row_key_slice(const struct vxc_row_key *key)
{
    return vxc_slice(key->data, key->size);
}

/* Begins a key with nothing, appends big-endian words, then at most one user key or name. */
void vxc_row_key_begin(struct vxc_row_key *key);
void vxc_row_key_u8(struct vxc_row_key *key, uint8_t v);
void vxc_row_key_u64(struct vxc_row_key *key, uint64_t v);
/* Sets key->hashed when only the head and the hash of user_key fit. */
void vxc_row_key_user(struct vxc_row_key *key, struct vxc_slice user_key);

/* What every object's header row begins with, and every element row's key. */
#define VXC_ROW_CHECKSUM_SIZE   8u  /* bytes before the body of every value in LMDB */
#define VXC_ROW_OBJECT_ID_SIZE  8u  /* bytes; a header row's whole key */
#define VXC_ROW_ELEMENT_KEY_MIN 16u /* bytes: id and generation */
#define VXC_ROW_DIGEST_OFFSET   8u  /* bytes into a header's body, after the generation (u64, LE) */
#define VXC_ROW_HEADER_SIZE_MIN 16u /* bytes: generation and digest slot */

/* True for the header row of a map, set or multimap. */
bool vxc_row_is_header(enum vxc_database db, struct vxc_slice key);

/* Checksum of a row: XXH3-64 over key and body, seeded by the database. The digest slot of a header
 * (u64 at body offset 8, kept by the storage thread; src/fsm always writes zero) is left out. */
uint64_t vxc_row_checksum(enum vxc_database db, struct vxc_slice key, struct vxc_slice body);

/* SHA-256 (OpenSSL); out is 32 bytes. */
void vxc_sha256(struct vxc_slice bytes, uint8_t out[32]);

#endif
