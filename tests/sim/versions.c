#include "versions.h"

#include <stdlib.h>
#include <string.h>

enum { HISTORIES_MAX = 256, NAME_MAX_SIZE = 8 };

struct history {
    char what;
    char name[NAME_MAX_SIZE];
    char key[NAME_MAX_SIZE];
    uint64_t due_ms; /* of a map's value; 0 = lives for ever */
    struct version *versions;
    size_t count, room;
};

struct versions {
    struct history histories[HISTORIES_MAX];
    unsigned count;
    uint64_t stamp_ms;
};

struct versions *versions_create(void)
{
    struct versions *v = calloc(1, sizeof *v);

    if (v == NULL) {
        sim_broken("out of memory");
    }
    return v;
}

static bool is_text(const char *text, struct vxc_slice bytes)
{
    return strlen(text) == bytes.size &&
           (bytes.size == 0 || memcmp(text, bytes.data, bytes.size) == 0);
}

static struct history *find(struct versions *v, char what, struct vxc_slice name,
                            struct vxc_slice key)
{
    for (unsigned i = 0; i < v->count; i++) {
        if (v->histories[i].what == what && is_text(v->histories[i].name, name) &&
            is_text(v->histories[i].key, key)) {
            return &v->histories[i];
        }
    }
    return NULL;
}

static struct history *ensure(struct versions *v, char what, struct vxc_slice name,
                              struct vxc_slice key)
{
    struct history *h = find(v, what, name, key);

    if (h != NULL) {
        return h;
    }
    if (v->count == HISTORIES_MAX || name.size >= NAME_MAX_SIZE || key.size >= NAME_MAX_SIZE) {
        sim_broken("the load uses more keys than the versions hold");
    }
    h = &v->histories[v->count++];
    h->what = what;
    memcpy(h->name, name.data, name.size);
    if (key.size > 0) {
        memcpy(h->key, key.data, key.size);
    }
    return h;
}

static void add(struct history *h, struct version version)
{
    if (h->count == h->room) {
        h->room = h->room == 0 ? 16 : 2 * h->room;
        h->versions = realloc(h->versions, h->room * sizeof *h->versions);
        if (h->versions == NULL) {
            sim_broken("out of memory");
        }
    }
    h->versions[h->count++] = version;
}

void versions_begin_entry(struct versions *v, uint64_t index, uint64_t stamp_ms)
{
    v->stamp_ms = stamp_ms;
    for (unsigned i = 0; i < v->count; i++) {
        struct history *h = &v->histories[i];

        if (h->due_ms != 0 && h->due_ms <= stamp_ms) {
            h->due_ms = 0;
            add(h, (struct version){.index = index});
        }
    }
}

static void put(struct versions *v, struct version at, const struct vxc_command *c)
{
    struct history *h = ensure(v, 'm', c->name, c->key);

    at.found = true;
    at.value = witness_hash(c->value);
    h->due_ms = c->a > 0 ? v->stamp_ms + (uint64_t)c->a : 0;
    add(h, at);
}

static void del(struct versions *v, struct version at, const struct vxc_command *c)
{
    struct history *h = ensure(v, 'm', c->name, c->key);

    h->due_ms = 0;
    add(h, at);
}

static void note_map(struct versions *v, struct version at, const struct vxc_command *c,
                     const struct vxc_result *r)
{
    switch (c->op) {
    case VXC_OP_MAP_PUT:
        put(v, at, c);
        break;
    case VXC_OP_MAP_PUT_IF_ABSENT:
        if (!r->found) {
            put(v, at, c);
        }
        break;
    case VXC_OP_MAP_REPLACE:
    case VXC_OP_MAP_REPLACE_IF:
        if (r->found) {
            put(v, at, c);
        }
        break;
    default: /* the removals */
        if (r->found) {
            del(v, at, c);
        }
        break;
    }
}

void versions_note(struct versions *v, uint64_t index, uint32_t position,
                   const struct vxc_command *c, const struct vxc_result *r)
{
    struct version at = {.index = index, .position = position};

    switch (c->op) {
    case VXC_OP_MAP_PUT:
    case VXC_OP_MAP_PUT_IF_ABSENT:
    case VXC_OP_MAP_REMOVE:
    case VXC_OP_MAP_REMOVE_IF:
    case VXC_OP_MAP_REPLACE:
    case VXC_OP_MAP_REPLACE_IF:
        note_map(v, at, c, r);
        break;
    case VXC_OP_SET_ADD:
    case VXC_OP_SET_REMOVE:
        at.found = c->op == VXC_OP_SET_ADD;
        at.value = at.found;
        if (r->found) {
            add(ensure(v, 's', c->name, c->key), at);
        }
        break;
    case VXC_OP_COUNTER_ADD:
        at.found = true;
        at.number = r->number + ((c->flags & VXC_COMMAND_WANT_OLD) != 0 ? c->a : 0);
        add(ensure(v, 'c', c->name, (struct vxc_slice){0}), at);
        break;
    case VXC_OP_COUNTER_CAS:
        at.found = true;
        at.number = (int64_t)c->b;
        if (r->found) {
            add(ensure(v, 'c', c->name, (struct vxc_slice){0}), at);
        }
        break;
    default:
        break;
    }
}

const struct version *versions_of(struct versions *v, char what, const char *name, const char *key,
                                  size_t *count)
{
    const struct history *h = find(v, what, vxc_slice_of_string(name), vxc_slice_of_string(key));

    *count = h == NULL ? 0 : h->count;
    return h == NULL ? NULL : h->versions;
}
