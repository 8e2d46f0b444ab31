#include "fsm/object.h"

#include <xxhash.h>

#include "base/check.h"
#include "base/memory.h"

enum {
    BUCKET_COUNT = 65536,
    EVICTION_STEPS = 64, /* looked at per newcomer: bounds the time of one lookup */
    HEADER_SIZE_FIXED = VXC_ROW_HEADER_SIZE_MIN + 1 + 4 * 8,
};

struct vxc_object_cache {
    size_t count;
    struct vxc_object *dirty; /* changed since the last flush */
    struct vxc_object *hand;  /* of the eviction clock; NULL when empty */
    struct vxc_object *last;  /* found by the last lookup: most that follow ask for it again */
    struct vxc_object *buckets[BUCKET_COUNT];
};

int vxc_objects_create(struct vxc_fsm *fsm)
{
    fsm->objects = vxc_calloc(1, sizeof *fsm->objects);
    return fsm->objects == NULL ? VXC_ENOMEM : 0;
}

void vxc_objects_free(struct vxc_fsm *fsm)
{
    if (fsm->objects == NULL) {
        return;
    }
    for (size_t i = 0; i < BUCKET_COUNT; i++) {
        struct vxc_object *object = fsm->objects->buckets[i];
        while (object != NULL) {
            struct vxc_object *next = object->next_in_bucket;
            vxc_free(object);
            object = next;
        }
    }
    vxc_free(fsm->objects);
    fsm->objects = NULL;
}

enum vxc_database vxc_object_database(enum vxc_watch_kind kind)
{
    vxc_check(kind == VXC_WATCH_MAP || kind == VXC_WATCH_SET || kind == VXC_WATCH_MULTIMAP);
    return kind == VXC_WATCH_MAP   ? VXC_DB_MAPS
           : kind == VXC_WATCH_SET ? VXC_DB_SETS
                                   : VXC_DB_MULTIMAPS;
}

/* ---- header rows ---- */

int vxc_object_header_decode(struct vxc_slice body, struct vxc_object_header *header)
{
    struct vxc_reader reader = vxc_reader(body);
    struct vxc_object_header read = {.generation = vxc_reader_u64(&reader)};

    (void)vxc_reader_u64(&reader); /* the digest slot belongs to the store */
    read.kind = vxc_reader_u8(&reader);
    read.namespace_id = vxc_reader_u64(&reader);
    read.count = vxc_reader_u64(&reader);
    read.bytes = vxc_reader_u64(&reader);
    read.created_index = vxc_reader_u64(&reader);
    read.name = vxc_slice(reader.cursor, vxc_reader_left(&reader));
    if (!vxc_reader_ok(&reader)) {
        return VXC_ECORRUPT;
    }
    *header = read;
    return 0;
}

static void write_header(struct vxc_fsm *fsm, const struct vxc_object *object)
{
    const struct vxc_object_header *header = &object->header;
    uint8_t body[HEADER_SIZE_FIXED];
    struct vxc_row_key key;

    vxc_row_key_begin(&key);
    vxc_row_key_u64(&key, object->id);
    vxc_store_u64(body, header->generation);
    vxc_store_u64(body + VXC_ROW_DIGEST_OFFSET, 0);
    body[16] = header->kind;
    vxc_store_u64(body + 17, header->namespace_id);
    vxc_store_u64(body + 25, header->count);
    vxc_store_u64(body + 33, header->bytes);
    vxc_store_u64(body + 41, header->created_index);
    vxc_table_put(fsm->table, vxc_object_database(header->kind), vxc_row_key_slice(&key),
                  vxc_slice(body, sizeof body), header->name);
}

static void names_row_key(enum vxc_watch_kind kind, uint64_t namespace_id, struct vxc_slice name,
                          struct vxc_row_key *key)
{
    vxc_row_key_begin(key);
    vxc_row_key_u8(key, (uint8_t)kind);
    vxc_row_key_u64(key, namespace_id);
    vxc_row_key_user(key, name);
}

void vxc_objects_flush(struct vxc_fsm *fsm)
{
    struct vxc_object *object = fsm->objects->dirty;

    while (object != NULL) {
        struct vxc_object *next = object->next_dirty;
        write_header(fsm, object);
        object->dirty = false;
        object = next;
    }
    fsm->objects->dirty = NULL;
}

/* ---- residence ---- */

static uint64_t hash_of(enum vxc_watch_kind kind, uint64_t namespace_id, struct vxc_slice name)
{
    return XXH3_64bits_withSeed(name.data, name.size, namespace_id * 8 + (uint64_t)kind);
}

static struct vxc_object **bucket_of(struct vxc_object_cache *cache, uint64_t hash)
{
    return &cache->buckets[hash % BUCKET_COUNT];
}

static bool is_named(const struct vxc_object *object, enum vxc_watch_kind kind,
                     uint64_t namespace_id, struct vxc_slice name)
{
    return object->header.kind == kind && object->header.namespace_id == namespace_id &&
           vxc_slice_equal(object->header.name, name);
}

static struct vxc_object *find_resident(struct vxc_object_cache *cache, enum vxc_watch_kind kind,
                                        uint64_t namespace_id, struct vxc_slice name)
{
    struct vxc_object *object = cache->last;

    if (object != NULL && is_named(object, kind, namespace_id, name)) {
        return object;
    }
    object = *bucket_of(cache, hash_of(kind, namespace_id, name));
    while (object != NULL && !is_named(object, kind, namespace_id, name)) {
        object = object->next_in_bucket;
    }
    if (object != NULL) {
        cache->last = object;
    }
    return object;
}

const struct vxc_object *vxc_object_resident(struct vxc_fsm *fsm, enum vxc_watch_kind kind,
                                             uint64_t namespace_id, struct vxc_slice name)
{
    return find_resident(fsm->objects, kind, namespace_id, name);
}

/* Frees an object and forgets it; it must not be in the list of dirty ones. */
static void forget(struct vxc_object_cache *cache, struct vxc_object *object)
{
    struct vxc_object **link = bucket_of(cache, object->hash);

    vxc_check(!object->dirty);
    while (*link != object) {
        link = &(*link)->next_in_bucket;
    }
    *link = object->next_in_bucket;
    if (cache->last == object) {
        cache->last = NULL;
    }
    if (cache->hand == object) {
        cache->hand = object->next_in_ring == object ? NULL : object->next_in_ring;
    }
    object->previous_in_ring->next_in_ring = object->next_in_ring;
    object->next_in_ring->previous_in_ring = object->previous_in_ring;
    cache->count--;
    vxc_free(object);
}

/* Clock eviction: what was used since the hand passed gets a second round. */
static void make_room(struct vxc_object_cache *cache)
{
    for (int step = 0; step < EVICTION_STEPS && cache->count >= VXC_OBJECTS_RESIDENT_MAX; step++) {
        struct vxc_object *object = cache->hand;
        cache->hand = object->next_in_ring;
        if (object->used) {
            object->used = false;
        } else if (!object->dirty) {
            forget(cache, object);
        }
    }
}

static struct vxc_object *make_resident(struct vxc_object_cache *cache, uint64_t id,
                                        const struct vxc_object_header *header)
{
    size_t name_size = header->name.size;
    struct vxc_object *object;
    uint8_t *name;

    make_room(cache);
    object = vxc_malloc(sizeof *object + name_size);
    if (object == NULL) {
        vxc_fatal("out of memory for an object header");
    }
    name = (uint8_t *)(object + 1);
    if (name_size != 0) {
        memcpy(name, header->name.data, name_size);
    }
    *object = (struct vxc_object){.id = id, .header = *header};
    object->header.name = vxc_slice(name, name_size);
    object->hash = hash_of(header->kind, header->namespace_id, header->name);
    object->next_in_bucket = *bucket_of(cache, object->hash);
    *bucket_of(cache, object->hash) = object;
    if (cache->hand == NULL) {
        object->next_in_ring = object->previous_in_ring = object;
        cache->hand = object;
    } else { /* just behind the hand: looked at last */
        object->next_in_ring = cache->hand;
        object->previous_in_ring = cache->hand->previous_in_ring;
        object->previous_in_ring->next_in_ring = object;
        cache->hand->previous_in_ring = object;
    }
    cache->count++;
    return object;
}

static void mark_dirty(struct vxc_object_cache *cache, struct vxc_object *object)
{
    if (!object->dirty) {
        object->dirty = true;
        object->previous_dirty = NULL;
        object->next_dirty = cache->dirty;
        if (cache->dirty != NULL) {
            cache->dirty->previous_dirty = object;
        }
        cache->dirty = object;
    }
}

static void unmark_dirty(struct vxc_object_cache *cache, struct vxc_object *object)
{
    if (!object->dirty) {
        return;
    }
    if (object->previous_dirty == NULL) {
        cache->dirty = object->next_dirty;
    } else {
        object->previous_dirty->next_dirty = object->next_dirty;
    }
    if (object->next_dirty != NULL) {
        object->next_dirty->previous_dirty = object->previous_dirty;
    }
    object->dirty = false;
}

/* Reads the header row of `id`: false when it is not there or cannot be read (a broken state). */
static bool read_header(struct vxc_fsm *fsm, enum vxc_watch_kind kind, uint64_t id,
                        struct vxc_object_header *header)
{
    enum vxc_database db = vxc_object_database(kind);
    struct vxc_row_key key;
    struct vxc_slice body;

    vxc_row_key_begin(&key);
    vxc_row_key_u64(&key, id);
    if (vxc_table_get(fsm->table, db, vxc_row_key_slice(&key), &body) != 0 ||
        vxc_object_header_decode(body, header) != 0 || header->kind != kind) {
        vxc_fsm_damaged(fsm, db, "header row of a named object");
        return false;
    }
    return true;
}

/* ---- life ---- */

/* vxc_object_find() of one that is not resident. */
static int find_stored(struct vxc_fsm *fsm, enum vxc_watch_kind kind, uint64_t namespace_id,
                       struct vxc_slice name, struct vxc_object **object)
{
    struct vxc_object_header header;
    struct vxc_row_key key;
    struct vxc_slice body;
    uint64_t id;

    *object = NULL;
    names_row_key(kind, namespace_id, name, &key);
    if (vxc_table_get(fsm->table, VXC_DB_NAMES, vxc_row_key_slice(&key), &body) != 0) {
        return 0;
    }
    if (body.size != 8) {
        vxc_fsm_damaged(fsm, VXC_DB_NAMES, "object id of a name");
        return 0;
    }
    id = vxc_load_u64(body.data);
    if (!read_header(fsm, kind, id, &header)) {
        return 0;
    }
    if (!vxc_slice_equal(header.name, name)) {
        return VXC_ECONFLICT;
    }
    *object = make_resident(fsm->objects, id, &header);
    return 0;
}

int vxc_object_find(struct vxc_fsm *fsm, enum vxc_watch_kind kind, uint64_t namespace_id,
                    struct vxc_slice name, struct vxc_object **object)
{
    struct vxc_object *found = find_resident(fsm->objects, kind, namespace_id, name);

    if (found == NULL) {
        return find_stored(fsm, kind, namespace_id, name, object);
    }
    found->used = true;
    *object = found;
    return 0;
}

struct vxc_object *vxc_object_find_by_id(struct vxc_fsm *fsm, enum vxc_watch_kind kind, uint64_t id)
{
    struct vxc_object_header header;
    struct vxc_object *object;
    struct vxc_row_key key;
    struct vxc_slice body;

    vxc_row_key_begin(&key);
    vxc_row_key_u64(&key, id);
    if (vxc_table_get(fsm->table, vxc_object_database(kind), vxc_row_key_slice(&key), &body) != 0 ||
        vxc_object_header_decode(body, &header) != 0) {
        return NULL;
    }
    /* The row may be older than the resident header; only id, kind and name never change. */
    if (vxc_object_find(fsm, kind, header.namespace_id, header.name, &object) != 0) {
        return NULL;
    }
    return object != NULL && object->id == id ? object : NULL;
}

struct vxc_object *vxc_object_create(struct vxc_fsm *fsm, enum vxc_watch_kind kind,
                                     uint64_t namespace_id, struct vxc_slice name)
{
    struct vxc_object_header header = {
        .generation = 1,
        .kind = (uint8_t)kind,
        .namespace_id = namespace_id,
        .created_index = fsm->index,
        .name = name,
    };
    struct vxc_object *object = make_resident(fsm->objects, vxc_fsm_take_id(fsm), &header);
    struct vxc_row_key key;
    uint8_t body[8];

    names_row_key(kind, namespace_id, name, &key);
    vxc_store_u64(body, object->id);
    vxc_table_put(fsm->table, VXC_DB_NAMES, vxc_row_key_slice(&key), vxc_slice(body, sizeof body),
                  vxc_slice(NULL, 0));
    write_header(fsm, object); /* so that every name has its header row at any time */
    vxc_quota_move(fsm, (int64_t)vxc_object_cost(name));
    fsm->stats.objects++;
    return object;
}

void vxc_quota_move(struct vxc_fsm *fsm, int64_t bytes)
{
    vxc_check(bytes >= 0 || fsm->quota_bytes_used >= (uint64_t)-bytes);
    fsm->quota_bytes_used += (uint64_t)bytes;
    fsm->meta_dirty = true;
}

void vxc_object_changed(struct vxc_fsm *fsm, struct vxc_object *object, int64_t count,
                        int64_t bytes)
{
    vxc_check(count >= 0 || object->header.count >= (uint64_t)-count);
    vxc_check(bytes >= 0 || object->header.bytes >= (uint64_t)-bytes);
    object->header.count += (uint64_t)count;
    object->header.bytes += (uint64_t)bytes;
    vxc_quota_move(fsm, bytes);
    mark_dirty(fsm->objects, object);
}

void vxc_object_clear(struct vxc_fsm *fsm, struct vxc_object *object)
{
    if (object->header.count == 0) {
        return;
    }
    vxc_object_changed(fsm, object, -(int64_t)object->header.count, -(int64_t)object->header.bytes);
    object->header.generation++;
}

void vxc_object_destroy(struct vxc_fsm *fsm, struct vxc_object *object)
{
    const struct vxc_object_header *header = &object->header;
    struct vxc_row_key key;

    names_row_key(header->kind, header->namespace_id, header->name, &key);
    vxc_table_del(fsm->table, VXC_DB_NAMES, vxc_row_key_slice(&key));
    vxc_row_key_begin(&key);
    vxc_row_key_u64(&key, object->id);
    vxc_table_del(fsm->table, vxc_object_database(header->kind), vxc_row_key_slice(&key));
    vxc_quota_move(fsm, -(int64_t)(header->bytes + vxc_object_cost(header->name)));
    fsm->stats.objects--;
    unmark_dirty(fsm->objects, object);
    forget(fsm->objects, object);
}

/* ---- operations on an object as a whole ---- */

void vxc_object_notify(struct vxc_fsm *fsm, enum vxc_event_type type, enum vxc_watch_kind kind,
                       const struct vxc_command *command, struct vxc_slice key,
                       struct vxc_slice value)
{
    if (vxc_watched(fsm, kind, command->namespace_id, command->name)) {
        struct vxc_event event = {
            .type = type,
            .kind = kind,
            .name = command->name,
            .key = key,
            .value = value,
        };
        vxc_watch_notify(fsm, command->namespace_id, &event);
    }
}

/* Finds the object of a command; false when the result already says why not. */
static bool find_for(struct vxc_fsm *fsm, enum vxc_watch_kind kind,
                     const struct vxc_command *command, struct vxc_result *result,
                     struct vxc_object **object)
{
    if (vxc_object_find(fsm, kind, command->namespace_id, command->name, object) == 0) {
        return true;
    }
    vxc_result_fail(result, VXC_ECONFLICT, VXC_TEXT_NAME_COLLISION);
    return false;
}

void vxc_object_apply_create(struct vxc_fsm *fsm, enum vxc_watch_kind kind,
                             const struct vxc_command *command, struct vxc_result *result)
{
    struct vxc_object *object;

    if (!find_for(fsm, kind, command, result, &object) || object != NULL) {
        return;
    }
    if (!vxc_quota_has_room(fsm, vxc_object_cost(command->name))) {
        vxc_result_fail(result, VXC_ENOSPC, VXC_TEXT_QUOTA);
        return;
    }
    (void)vxc_object_create(fsm, kind, command->namespace_id, command->name);
    result->found = true;
}

void vxc_object_apply_clear(struct vxc_fsm *fsm, enum vxc_watch_kind kind,
                            const struct vxc_command *command, struct vxc_result *result)
{
    struct vxc_object *object;

    if (!find_for(fsm, kind, command, result, &object) || object == NULL) {
        return;
    }
    result->found = true;
    result->number = (int64_t)object->header.count;
    if (object->header.count != 0) {
        vxc_object_clear(fsm, object);
        vxc_object_notify(fsm, VXC_EVENT_CLEAR, kind, command, vxc_slice(NULL, 0),
                          vxc_slice(NULL, 0));
    }
}

void vxc_object_apply_destroy(struct vxc_fsm *fsm, enum vxc_watch_kind kind,
                              const struct vxc_command *command, struct vxc_result *result)
{
    struct vxc_object *object;

    if (!find_for(fsm, kind, command, result, &object) || object == NULL) {
        return;
    }
    result->found = true;
    result->number = (int64_t)object->header.count;
    vxc_object_destroy(fsm, object);
    vxc_object_notify(fsm, VXC_EVENT_DESTROY, kind, command, vxc_slice(NULL, 0),
                      vxc_slice(NULL, 0));
}

void vxc_object_query_size(struct vxc_fsm *fsm, enum vxc_watch_kind kind,
                           const struct vxc_command *query, struct vxc_result *result)
{
    struct vxc_object *object;

    if (find_for(fsm, kind, query, result, &object) && object != NULL) {
        result->found = true;
        result->number = (int64_t)object->header.count;
    }
}

/* Count and bytes as of now: the resident header is newer than its row. */
static void current_sizes(struct vxc_fsm *fsm, const struct vxc_object_header *header,
                          uint8_t sizes[16])
{
    const struct vxc_object *object =
        vxc_object_resident(fsm, header->kind, header->namespace_id, header->name);
    const struct vxc_object_header *newest = object != NULL ? &object->header : header;

    vxc_store_u64(sizes, newest->count);
    vxc_store_u64(sizes + 8, newest->bytes);
}

void vxc_object_query_list(struct vxc_fsm *fsm, enum vxc_watch_kind kind,
                           const struct vxc_command *query, struct vxc_result *result)
{
    struct vxc_table_scan *scan;
    struct vxc_page page;
    struct vxc_row_key prefix;
    struct vxc_slice key, body;
    bool more = false;

    names_row_key(kind, query->namespace_id, vxc_slice(NULL, 0), &prefix);
    scan = vxc_page_scan(fsm, VXC_DB_NAMES, &prefix, query->key, result);
    if (scan == NULL) {
        return;
    }
    vxc_page_begin(fsm, &page, query->b);
    while (!more && vxc_table_scan_next(scan, &key, &body)) {
        struct vxc_object_header header;
        struct vxc_slice sizes_item;
        uint8_t sizes[16];
        if (body.size != 8 || !read_header(fsm, kind, vxc_load_u64(body.data), &header)) {
            break;
        }
        more = !vxc_page_has_room(&page, header.name.size + sizeof sizes);
        if (!more) {
            current_sizes(fsm, &header, sizes);
            sizes_item = vxc_slice(sizes, sizeof sizes);
            vxc_page_add(&page, vxc_slice(key.data + prefix.size, key.size - prefix.size),
                         header.name, &sizes_item);
        }
    }
    vxc_table_scan_close(scan);
    vxc_page_end(&page, more, result);
}
