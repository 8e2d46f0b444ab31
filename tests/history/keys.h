/* The keys of a run: what the clients work on, kind by kind.
 *
 * A kind has so many slots; a slot stands for one key at a time. After some hundred uses, or some
 * operations whose outcome nobody knows, the slot moves on to a fresh key, for the cost of judging
 * a key's history grows steeply with the operations in it that may have taken effect at any time.
 * A name is never used again: it holds the run's prefix, the kind, the slot and the generation.
 *
 * Any thread.
 */
#ifndef VXC_TESTS_HISTORY_KEYS_H
#define VXC_TESTS_HISTORY_KEYS_H

#include <stdatomic.h>
#include <stdint.h>

enum kind {
    KIND_MAP,     /* entries of one map */
    KIND_COUNTER, /* slots of even number see additions only: their end is a sum */
    KIND_SET,     /* sets with KEYS_SET_ELEMENTS possible values each */
    KIND_LOG,     /* sets to which unique values are added, and which are read at the end */
    KIND_LOCK,
    KIND_COUNT
};

enum { KEYS_NAME_MAX = 64, KEYS_SLOTS_MAX = 1000, KEYS_SET_ELEMENTS = 4 };

struct key_slot {
    atomic_uint generation; /* of the key that is in use, from 0 */
    atomic_uint uses;       /* operations on that key */
    atomic_uint unknowns;   /* those of them whose outcome is not known */
};

struct keys {
    char prefix[24];      /* of every name in this run */
    uint32_t slots_count; /* of each kind */
    struct key_slot slots[KIND_COUNT][KEYS_SLOTS_MAX];
};

/* One name, and where it came from. */
struct key {
    enum kind kind;
    uint32_t slot;
    uint32_t generation;
    char name[KEYS_NAME_MAX];
};

const char *kind_name(enum kind kind);

/* The slot's key of now, counted as used once. */
void keys_take(struct keys *keys, enum kind kind, uint32_t slot, struct key *key);
/* The slot's key of a generation, as it was or will be. */
void keys_name(const struct keys *keys, enum kind kind, uint32_t slot, uint32_t generation,
               struct key *key);
/* An operation on it ended without an outcome. */
void keys_note_unknown(struct keys *keys, const struct key *key);

#endif
