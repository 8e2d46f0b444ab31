/* What differs between two states: two walks in step, object by object, element by element. */
#include "storage/image_internal.h"

/* One side of a walk over rows; what distinguishes a row is its key behind `skip` bytes. */
struct side {
    struct vxc_store_cursor *cursor;
    size_t skip;
    bool there;
    struct vxc_slice key; /* without what is skipped */
    struct vxc_slice body;
};

static int step(struct side *side, struct vxc_error *err)
{
    struct vxc_slice key;
    int rv;

    if (side->cursor == NULL) {
        return 0;
    }
    rv = vxc_store_cursor_next(side->cursor, &key, &side->body, err);
    side->there = rv == 0;
    if (rv == 0) {
        side->key = vxc_slice(key.data + side->skip, key.size - side->skip);
    }
    return rv == VXC_ENOTFOUND ? 0 : rv;
}

/* prefix == NULL: this side has nothing. */
static int begin(struct side *side, struct vxc_store *store, enum vxc_database db,
                 const struct vxc_row_key *prefix, struct vxc_error *err)
{
    int rv;

    *side = (struct side){0};
    if (prefix == NULL) {
        return 0;
    }
    side->skip = prefix->size;
    rv = vxc_store_cursor_open(store, db, vxc_row_key_slice(prefix), vxc_slice(NULL, 0),
                               &side->cursor, err);
    return rv != 0 ? rv : step(side, err);
}

static void end(struct side *side)
{
    if (side->cursor != NULL) {
        vxc_store_cursor_close(side->cursor);
    }
}

static int compare_rows(struct side *before, struct side *after, struct vxc_image_difference *d,
                        struct vxc_error *err)
{
    int rv = 0;

    while (rv == 0 && (before->there || after->there)) {
        int order = !before->there  ? 1
                    : !after->there ? -1
                                    : vxc_slice_compare(before->key, after->key);
        if (order < 0) {
            d->removed++;
            rv = step(before, err);
        } else if (order > 0) {
            d->added++;
            rv = step(after, err);
        } else {
            d->changed += vxc_slice_equal(before->body, after->body) ? 0 : 1;
            rv = step(before, err);
            rv = rv != 0 ? rv : step(after, err);
        }
    }
    return rv;
}

struct diff {
    struct vxc_store *before;
    struct vxc_store *after;
    void *data;
    void (*on_difference)(void *data, const struct vxc_image_difference *);
};

static int compare(const struct diff *diff, struct vxc_image_difference *d,
                   const struct vxc_row_key *before_prefix, const struct vxc_row_key *after_prefix,
                   struct vxc_error *err)
{
    struct side before = {0};
    struct side after = {0};
    int rv = begin(&before, diff->before, d->db, before_prefix, err);

    rv = rv != 0 ? rv : begin(&after, diff->after, d->db, after_prefix, err);
    rv = rv != 0 ? rv : compare_rows(&before, &after, d, err);
    end(&before);
    end(&after);
    return rv;
}

static void report(const struct diff *diff, const struct vxc_image_difference *d)
{
    bool whole = vxc_database_has_objects(d->db) &&
                 (d->before_header.data == NULL || d->after_header.data == NULL);

    if (whole || d->added + d->removed + d->changed > 0) {
        diff->on_difference(diff->data, d);
    }
}

/* ---- objects ---- */

struct object {
    bool there;
    uint64_t id;
    struct vxc_slice header;
};

static int next_object(struct vxc_store *store, enum vxc_database db, uint64_t from,
                       struct object *object, struct vxc_error *err)
{
    int rv = vxc_image_next_object(store, db, from, &object->id, &object->header, err);

    object->there = rv == 0;
    return rv == VXC_ENOTFOUND ? 0 : rv;
}

static int follow(struct vxc_store *store, enum vxc_database db, struct object *object,
                  struct vxc_error *err)
{
    if (object->id == UINT64_MAX) {
        object->there = false;
        return 0;
    }
    return next_object(store, db, object->id + 1, object, err);
}

static const struct vxc_row_key *prefix_of(const struct object *object, struct vxc_row_key *key)
{
    vxc_row_key_begin(key);
    vxc_row_key_u64(key, object->id);
    vxc_row_key_u64(key, vxc_load_u64(object->header.data)); /* generation */
    return key;
}

static int compare_object(const struct diff *diff, enum vxc_database db,
                          const struct object *before, const struct object *after,
                          struct vxc_error *err)
{
    struct vxc_image_difference d = {.db = db};
    struct vxc_row_key keys[2];
    const struct vxc_row_key *prefixes[2] = {NULL, NULL};
    int rv;

    if (before != NULL) {
        d.object_id = before->id;
        d.before_header = before->header;
        prefixes[0] = prefix_of(before, &keys[0]);
    }
    if (after != NULL) {
        d.object_id = after->id;
        d.after_header = after->header;
        prefixes[1] = prefix_of(after, &keys[1]);
    }
    rv = compare(diff, &d, prefixes[0], prefixes[1], err);
    if (rv == 0) {
        report(diff, &d);
    }
    return rv;
}

static int compare_objects(const struct diff *diff, enum vxc_database db, struct vxc_error *err)
{
    struct object before = {0};
    struct object after = {0};
    int rv = next_object(diff->before, db, 0, &before, err);

    rv = rv != 0 ? rv : next_object(diff->after, db, 0, &after, err);
    while (rv == 0 && (before.there || after.there)) {
        bool first = before.there && (!after.there || before.id <= after.id);
        bool second = after.there && (!before.there || after.id <= before.id);

        rv = compare_object(diff, db, first ? &before : NULL, second ? &after : NULL, err);
        if (rv == 0 && first) {
            rv = follow(diff->before, db, &before, err);
        }
        if (rv == 0 && second) {
            rv = follow(diff->after, db, &after, err);
        }
    }
    return rv;
}

static int compare_database(const struct diff *diff, enum vxc_database db, struct vxc_error *err)
{
    struct vxc_image_difference d = {.db = db};
    struct vxc_row_key all;
    int rv;

    vxc_row_key_begin(&all);
    rv = compare(diff, &d, &all, &all, err);
    if (rv == 0) {
        report(diff, &d);
    }
    return rv;
}

int vxc_image_diff(struct vxc_store *before, struct vxc_store *after, void *data,
                   void (*on_difference)(void *data, const struct vxc_image_difference *),
                   struct vxc_error *err)
{
    const struct diff diff = {before, after, data, on_difference};
    int rv = 0;

    for (int i = 0; rv == 0 && i < VXC_DB_COUNT; i++) {
        enum vxc_database db = (enum vxc_database)i;

        if (vxc_database_has_objects(db)) {
            rv = compare_objects(&diff, db, err);
        } else if (db != VXC_DB_META && db != VXC_DB_GARBAGE) {
            rv = compare_database(&diff, db, err);
        }
    }
    return rv;
}
