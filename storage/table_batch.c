#include "table_internal.h"

#include "base/memory.h"

#include "storage/key_sort.h"

enum {
    ROWS_FIRST = 256,        /* rows of the first allocation of a batch */
    GROUPS_FIRST = 64,       /* buckets; a power of two */
    CHUNK_SIZE = 64 * 1024,  /* bytes of view memory per allocation … */
    CHUNK_SIZE_FIRST = 1024, /* … but little for a batch of few rows */
    BULK_MIN = 32,           /* pending rows from which sorting first pays */
    PREFETCH = 16,           /* rows fetched ahead of their turn */
    PENDING_FIRST = 2,       /* rows of a view's first chunk of pending ones; then it grows … */
    PENDING_FACTOR = 4,
    PENDING_MAX = 512, /* … up to this */
    HEIGHT_BITS = 2    /* each level has a quarter of the nodes of the one below */
};

struct vxc_view_group {
    struct vxc_view_group *next;
    enum vxc_database db;
    uint8_t key[VXC_ROW_ELEMENT_KEY_MIN]; /* id and generation */
    struct vxc_view view;
};

struct vxc_view_pending {
    struct vxc_view_pending *next;
    uint32_t count;
    uint32_t capacity;
    struct vxc_row *rows[];
};

struct vxc_view_chunk {
    struct vxc_view_chunk *next;
    size_t used;
    size_t size;
    max_align_t data[];
};

static _Noreturn void out_of_memory(void)
{
    vxc_fatal("out of memory for the changed rows of the table");
}

/* ---- memory of views ---- */

static void *allocate(struct vxc_batch *batch, size_t size)
{
    struct vxc_view_chunk *chunk = batch->chunks;
    void *at;

    size = (size + 7) & ~(size_t)7;
    if (chunk == NULL || chunk->size - chunk->used < size) {
        size_t chunk_size = chunk == NULL ? CHUNK_SIZE_FIRST : CHUNK_SIZE;

        chunk = vxc_malloc(sizeof *chunk + chunk_size);
        if (chunk == NULL) {
            out_of_memory();
        }
        chunk->next = batch->chunks;
        chunk->used = 0;
        chunk->size = chunk_size;
        batch->chunks = chunk;
    }
    at = (uint8_t *)chunk->data + chunk->used;
    chunk->used += size;
    return at;
}

/* ---- birth and death ---- */

struct vxc_batch *vxc_batch_create(uint32_t epoch)
{
    struct vxc_batch *batch = vxc_calloc(1, sizeof *batch);

    if (batch == NULL) {
        out_of_memory();
    }
    batch->epoch = epoch;
    batch->random = epoch;
    return batch;
}

void vxc_batch_drop_views(struct vxc_batch *batch)
{
    while (batch->chunks != NULL) {
        struct vxc_view_chunk *next = batch->chunks->next;

        vxc_free(batch->chunks);
        batch->chunks = next;
    }
    vxc_free(batch->groups);
    batch->groups = NULL;
    batch->group_buckets = 0;
    batch->group_count = 0;
    batch->group_last = NULL;
    memset(batch->views, 0, sizeof batch->views);
    memset(batch->view_taken, 0, sizeof batch->view_taken);
}

void vxc_batch_free(struct vxc_batch *batch)
{
    if (batch != NULL) {
        vxc_batch_drop_views(batch);
        vxc_free(batch->rows);
        vxc_free(batch);
    }
}

/* ---- groups ---- */

/* Splitmix64's finish: ids are small numbers. */
static size_t group_bucket(const struct vxc_batch *batch, enum vxc_database db, const uint8_t *key)
{
    uint64_t x = vxc_load_be64(key) * 0x9e3779b97f4a7c15u ^ vxc_load_be64(key + 8) ^ (uint64_t)db;

    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
    x = (x ^ x >> 27) * 0x94d049bb133111ebu;
    return (size_t)(x ^ x >> 31) & (batch->group_buckets - 1);
}

static void grow_groups(struct vxc_batch *batch)
{
    size_t buckets = batch->group_buckets == 0 ? GROUPS_FIRST : batch->group_buckets * 4;
    struct vxc_view_group **old = batch->groups;
    size_t old_buckets = batch->group_buckets;

    batch->groups = vxc_calloc(buckets, sizeof(struct vxc_view_group *));
    if (batch->groups == NULL) {
        out_of_memory();
    }
    batch->group_buckets = buckets;
    for (size_t i = 0; i < old_buckets; i++) {
        struct vxc_view_group *group = old[i];

        while (group != NULL) {
            struct vxc_view_group *next = group->next;
            size_t at = group_bucket(batch, group->db, group->key);

            group->next = batch->groups[at];
            batch->groups[at] = group;
            group = next;
        }
    }
    vxc_free(old);
}

static bool is_group(const struct vxc_view_group *group, enum vxc_database db, const uint8_t *key)
{
    return group->db == db && memcmp(group->key, key, sizeof group->key) == 0;
}

/* The group of the elements whose key begins with these 16 bytes; NULL if there are none. */
static struct vxc_view_group *find_group(struct vxc_batch *batch, enum vxc_database db,
                                         const uint8_t *key)
{
    struct vxc_view_group *group = batch->group_last;

    if (group != NULL && is_group(group, db, key)) {
        return group;
    }
    if (batch->group_buckets == 0) {
        return NULL;
    }
    group = batch->groups[group_bucket(batch, db, key)];
    while (group != NULL && !is_group(group, db, key)) {
        group = group->next;
    }
    if (group != NULL) {
        batch->group_last = group;
    }
    return group;
}

static struct vxc_view_group *find_or_add_group(struct vxc_batch *batch, enum vxc_database db,
                                                const uint8_t *key)
{
    struct vxc_view_group *group = find_group(batch, db, key);
    size_t at;

    if (group != NULL) {
        return group;
    }
    if (batch->group_count >= batch->group_buckets) {
        grow_groups(batch);
    }
    group = allocate(batch, sizeof *group);
    group->db = db;
    memcpy(group->key, key, sizeof group->key);
    group->view = (struct vxc_view){.word_offset = sizeof group->key};
    at = group_bucket(batch, db, key);
    group->next = batch->groups[at];
    batch->groups[at] = group;
    batch->group_count++;
    batch->group_last = group;
    return group;
}

/* ---- adding ---- */

static void add_pending(struct vxc_batch *batch, struct vxc_view *view, struct vxc_row *row)
{
    struct vxc_view_pending *pending = view->pending;

    if (pending == NULL || pending->count == pending->capacity) {
        uint32_t capacity = pending == NULL ? PENDING_FIRST : pending->capacity * PENDING_FACTOR;

        capacity = capacity > PENDING_MAX ? PENDING_MAX : capacity;
        pending = allocate(batch, sizeof *pending + capacity * sizeof(struct vxc_row *));
        pending->next = view->pending;
        pending->count = 0;
        pending->capacity = capacity;
        view->pending = pending;
    }
    pending->rows[pending->count++] = row;
    view->pending_count++;
}

void vxc_batch_add(struct vxc_batch *batch, struct vxc_row *row)
{
    enum vxc_database db = (enum vxc_database)row->db;

    if (batch->count == batch->capacity) {
        size_t capacity = batch->capacity == 0 ? ROWS_FIRST : batch->capacity * 2;
        struct vxc_row **rows = vxc_realloc(batch->rows, capacity * sizeof(struct vxc_row *));

        if (rows == NULL) {
            out_of_memory();
        }
        batch->rows = rows;
        batch->capacity = capacity;
    }
    batch->rows[batch->count++] = row;
    row->epoch = batch->epoch;
    if (!vxc_database_has_objects(db)) {
        add_pending(batch, &batch->views[db], row);
    } else if (row->key_size >= VXC_ROW_ELEMENT_KEY_MIN) {
        add_pending(batch, &find_or_add_group(batch, db, row->data)->view, row);
    }
}

/* ---- the ordered view ---- */

static uint64_t word_of(struct vxc_slice key, unsigned offset)
{
    uint64_t word = 0;
    size_t left = key.size > offset ? key.size - offset : 0;

    if (left >= 8) {
        return vxc_load_be64(key.data + offset);
    }
    for (size_t i = 0; i < left; i++) {
        word |= (uint64_t)key.data[offset + i] << (56 - 8 * i);
    }
    return word;
}

static bool node_before(const struct vxc_view_node *node, struct vxc_slice key, uint64_t word)
{
    if (node->word != word) {
        return node->word < word;
    }
    return vxc_slice_compare(vxc_row_key_of(node->row), key) < 0;
}

static unsigned random_height(struct vxc_batch *batch)
{
    unsigned height = 1;
    uint64_t x;

    batch->random += 0x9e3779b97f4a7c15u;
    x = (batch->random ^ batch->random >> 30) * 0xbf58476d1ce4e5b9u;
    x = (x ^ x >> 27) * 0x94d049bb133111ebu;
    while (height < VXC_VIEW_HEIGHT_MAX && (x & ((1u << HEIGHT_BITS) - 1)) == 0) {
        x >>= HEIGHT_BITS;
        height++;
    }
    return height;
}

/* For each level the link behind the last node before key. */
static void find_links(struct vxc_view *view, struct vxc_slice key, uint64_t word,
                       struct vxc_view_node **links[VXC_VIEW_HEIGHT_MAX])
{
    struct vxc_view_node **nexts = view->tower;

    for (unsigned level = VXC_VIEW_HEIGHT_MAX; level-- > 0;) {
        if (level < view->height) {
            while (nexts[level] != NULL && node_before(nexts[level], key, word)) {
                nexts = nexts[level]->next;
            }
        }
        links[level] = &nexts[level];
    }
}

/* Puts a node for row behind the links and, for the next in order, moves them behind it. */
static void link_node(struct vxc_batch *batch, struct vxc_view *view, struct vxc_row *row,
                      struct vxc_view_node **links[VXC_VIEW_HEIGHT_MAX])
{
    unsigned height = random_height(batch);
    struct vxc_view_node *node =
        allocate(batch, sizeof *node + height * sizeof(struct vxc_view_node *));

    node->row = row;
    node->word = word_of(vxc_row_key_of(row), view->word_offset);
    for (unsigned level = 0; level < height; level++) {
        node->next[level] = *links[level];
        *links[level] = node;
        links[level] = &node->next[level];
    }
    if (height > view->height) {
        view->height = height;
    }
}

static void insert_row(struct vxc_batch *batch, struct vxc_view *view, struct vxc_row *row)
{
    struct vxc_view_node **links[VXC_VIEW_HEIGHT_MAX];
    struct vxc_slice key = vxc_row_key_of(row);

    find_links(view, key, word_of(key, view->word_offset), links);
    link_node(batch, view, row, links);
}

/* Many rows: sorted first. Into an empty view they are appended without any search. */
static void insert_many(struct vxc_batch *batch, struct vxc_view *view, struct vxc_row **rows,
                        size_t count)
{
    struct vxc_view_node **links[VXC_VIEW_HEIGHT_MAX];
    struct vxc_key_sort_item *items;
    bool empty = view->height == 0;

    if (count == 0) {
        return;
    }
    items = vxc_malloc(count * sizeof *items);
    if (items == NULL) {
        out_of_memory();
    }
    for (size_t i = 0; i < count; i++) {
        if (i + PREFETCH < count) {
            __builtin_prefetch(rows[i + PREFETCH]);
        }
        items[i] = (struct vxc_key_sort_item){
            .key = rows[i]->data, .size = rows[i]->key_size, .index = (uint32_t)i};
    }
    vxc_key_sort(items, count);
    for (unsigned level = 0; level < VXC_VIEW_HEIGHT_MAX; level++) {
        links[level] = &view->tower[level];
    }
    for (size_t i = 0; i < count; i++) {
        if (i + PREFETCH < count) {
            __builtin_prefetch(items[i + PREFETCH].key);
        }
        if (empty) {
            link_node(batch, view, rows[items[i].index], links);
        } else {
            insert_row(batch, view, rows[items[i].index]);
        }
    }
    vxc_free(items);
}

static void copy_pending(const struct vxc_view *view, struct vxc_row **rows)
{
    size_t at = 0;

    for (const struct vxc_view_pending *p = view->pending; p != NULL; p = p->next) {
        memcpy(rows + at, p->rows, p->count * sizeof(struct vxc_row *));
        at += p->count;
    }
}

/* The newest chunk is kept for the next rows: a view scanned after each change does not grow. */
static void forget_pending(struct vxc_view *view)
{
    view->pending_count = 0;
    if (view->pending != NULL) {
        view->pending->count = 0;
        view->pending->next = NULL;
    }
}

static void take_in(struct vxc_batch *batch, struct vxc_view *view)
{
    if (view->tower == NULL) {
        size_t size = VXC_VIEW_HEIGHT_MAX * sizeof(struct vxc_view_node *);

        view->tower = allocate(batch, size);
        memset(view->tower, 0, size);
    }
    if (view->pending_count >= BULK_MIN) {
        struct vxc_row **rows = vxc_malloc(view->pending_count * sizeof(struct vxc_row *));

        if (rows == NULL) {
            out_of_memory();
        }
        copy_pending(view, rows);
        insert_many(batch, view, rows, view->pending_count);
        vxc_free(rows);
    } else {
        for (const struct vxc_view_pending *p = view->pending; p != NULL; p = p->next) {
            for (uint32_t i = 0; i < p->count; i++) {
                insert_row(batch, view, p->rows[i]);
            }
        }
    }
    forget_pending(view);
}

/* A walk over whole objects is rare (dumps): its view is filled from the list of rows. */
static void take_in_whole(struct vxc_batch *batch, enum vxc_database db)
{
    struct vxc_view *view = &batch->views[db];
    struct vxc_row **rows = vxc_malloc((batch->count + 1) * sizeof(struct vxc_row *));
    size_t count = 0;

    if (rows == NULL) {
        out_of_memory();
    }
    for (size_t i = batch->view_taken[db]; i < batch->count; i++) {
        if (batch->rows[i]->db == (uint8_t)db) {
            rows[count++] = batch->rows[i];
        }
    }
    batch->view_taken[db] = batch->count;
    take_in(batch, view); /* nothing is pending; makes the tower */
    insert_many(batch, view, rows, count);
    vxc_free(rows);
}

struct vxc_view_node *vxc_batch_seek(struct vxc_batch *batch, enum vxc_database db,
                                     struct vxc_slice prefix, struct vxc_slice from)
{
    struct vxc_view_node **links[VXC_VIEW_HEIGHT_MAX];
    struct vxc_view *view = &batch->views[db];

    if (batch->count == 0) {
        return NULL;
    }
    if (!vxc_database_has_objects(db)) {
        take_in(batch, view);
    } else if (prefix.size >= VXC_ROW_ELEMENT_KEY_MIN) {
        struct vxc_view_group *group = find_group(batch, db, prefix.data);

        if (group == NULL) {
            return NULL;
        }
        view = &group->view;
        take_in(batch, view);
    } else {
        take_in_whole(batch, db);
    }
    find_links(view, from, word_of(from, view->word_offset), links);
    return *links[0];
}
