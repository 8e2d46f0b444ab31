#include "history/keys.h"

#include <stdio.h>

/* Some hundred operations are judged in no time, and few enough unknown ones to be tried in every
 * order. */
enum { USES_MAX = 750, UNKNOWNS_MAX = 6 };

const char *kind_name(enum kind kind)
{
    static const char *const names[KIND_COUNT] = {"map", "counter", "set", "log", "lock"};

    return names[kind];
}

void keys_name(const struct keys *keys, enum kind kind, uint32_t slot, uint32_t generation,
               struct key *key)
{
    *key = (struct key){.kind = kind, .slot = slot, .generation = generation};
    (void)snprintf(key->name, sizeof key->name, "%s-%s%u.%u", keys->prefix, kind_name(kind), slot,
                   generation); /* fits: the prefix is short */
}

/* Of several that see a worn-out key one moves the slot on; a use that is counted for the key before
 * or after makes no difference. */
static void move_on(struct key_slot *slot, unsigned generation)
{
    if (atomic_compare_exchange_strong(&slot->generation, &generation, generation + 1)) {
        atomic_store(&slot->uses, 0);
        atomic_store(&slot->unknowns, 0);
    }
}

void keys_take(struct keys *keys, enum kind kind, uint32_t slot, struct key *key)
{
    struct key_slot *s = &keys->slots[kind][slot];

    if (atomic_fetch_add(&s->uses, 1) >= USES_MAX) {
        move_on(s, atomic_load(&s->generation));
    }
    keys_name(keys, kind, slot, atomic_load(&s->generation), key);
}

void keys_note_unknown(struct keys *keys, const struct key *key)
{
    struct key_slot *s = &keys->slots[key->kind][key->slot];

    if (atomic_fetch_add(&s->unknowns, 1) + 1 >= UNKNOWNS_MAX) {
        move_on(s, key->generation);
    }
}
