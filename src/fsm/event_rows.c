#include "fsm/event_rows.h"

#include "base/check.h"
#include "base/memory.h"
#include "fsm/describe.h"
#include "fsm/memory.h"

#define uthash_fatal(message)     vxc_fatal("events: %s", message)
#define uthash_malloc(size)       vxc_malloc(size)
#define uthash_free(memory, size) vxc_free(memory)
#include <uthash.h>

enum {
    EVENT_KEY_SIZE = 8 + 8 + 8,
    PLACES_FIRST = 64,
};

enum { GIVEN_KEY = 1, GIVEN_VALUE = 2, GIVEN_VIEW = 4, GIVEN_ALL = 7 };

/* Where an event stands, and what it weighs: enough to find its row and to judge the bound. */
struct place {
    uint64_t index;
    uint32_t ordinal;
    uint32_t size;
};

struct vxc_event_space {
    uint64_t namespace_id;
    uint64_t dropped_index; /* of the newest event no longer kept */
    uint64_t bytes;
    struct place *places; /* oldest first, round the end */
    size_t capacity;      /* a power of two */
    size_t head;
    size_t count;
    UT_hash_handle hh;
};

/* ---- bodies ---- */

static void event_encode(const struct vxc_event *event, struct vxc_buffer *out)
{
    unsigned given = (event->key.data != NULL ? GIVEN_KEY : 0u) |
                     (event->value.data != NULL ? GIVEN_VALUE : 0u) |
                     (event->view.data != NULL ? GIVEN_VIEW : 0u);

    vxc_must(vxc_buffer_put_u8(out, (uint8_t)event->type));
    vxc_must(vxc_buffer_put_u8(out, (uint8_t)event->kind));
    vxc_must(vxc_buffer_put_u8(out, (uint8_t)given));
    vxc_must(vxc_buffer_put_u64(out, (uint64_t)event->number));
    vxc_must(vxc_buffer_put_bytes(out, event->name));
    vxc_must(vxc_buffer_put_bytes(out, event->key));
    vxc_must(vxc_buffer_put_bytes(out, event->value));
    vxc_must(vxc_buffer_put_bytes(out, event->view));
}

static struct vxc_slice when(struct vxc_slice part, unsigned given)
{
    return given != 0 ? part : vxc_slice(NULL, 0);
}

static int event_decode(struct vxc_slice body, struct vxc_event *event)
{
    struct vxc_reader reader = vxc_reader(body);
    uint8_t given;

    *event = (struct vxc_event){.type = vxc_reader_u8(&reader)};
    event->kind = vxc_reader_u8(&reader);
    given = vxc_reader_u8(&reader);
    event->number = (int64_t)vxc_reader_u64(&reader);
    event->name = vxc_reader_bytes(&reader);
    event->key = when(vxc_reader_bytes(&reader), given & GIVEN_KEY);
    event->value = when(vxc_reader_bytes(&reader), given & GIVEN_VALUE);
    event->view = when(vxc_reader_bytes(&reader), given & GIVEN_VIEW);
    if (!vxc_reader_at_end(&reader) || given > GIVEN_ALL ||
        (event->kind != VXC_WATCH_MEMBERS && event->kind != VXC_WATCH_REGISTRATIONS)) {
        return VXC_ECORRUPT;
    }
    return 0;
}

static void event_key(struct vxc_row_key *key, uint64_t namespace_id, const struct place *place)
{
    vxc_row_key_begin(key);
    vxc_row_key_u64(key, namespace_id);
    vxc_row_key_u64(key, place->index);
    vxc_row_key_u64(key, place->ordinal);
}

/* ---- spaces ---- */

static struct vxc_event_space *find(const struct vxc_event_rows *rows, uint64_t namespace_id)
{
    struct vxc_event_space *space = NULL;

    HASH_FIND(hh, rows->spaces, &namespace_id, sizeof namespace_id, space);
    return space;
}

static struct vxc_event_space *ensure(struct vxc_event_rows *rows, uint64_t namespace_id)
{
    struct vxc_event_space *space = find(rows, namespace_id);

    if (space == NULL) {
        space = vxc_must_calloc(1, sizeof *space);
        space->namespace_id = namespace_id;
        HASH_ADD(hh, rows->spaces, namespace_id, sizeof space->namespace_id, space);
    }
    return space;
}

static struct place *place_at(const struct vxc_event_space *space, size_t position)
{
    return &space->places[(space->head + position) & (space->capacity - 1)];
}

static void push(struct vxc_event_space *space, struct place place)
{
    if (space->count == space->capacity) {
        size_t capacity = space->capacity == 0 ? PLACES_FIRST : space->capacity * 2;
        struct place *places = vxc_must_calloc(capacity, sizeof *places);
        for (size_t i = 0; i < space->count; i++) {
            places[i] = *place_at(space, i);
        }
        vxc_free(space->places);
        space->places = places;
        space->capacity = capacity;
        space->head = 0;
    }
    space->count++;
    *place_at(space, space->count - 1) = place;
    space->bytes += place.size;
}

static void delete_oldest(struct vxc_fsm *fsm, struct vxc_event_space *space)
{
    struct place place = *place_at(space, 0);
    struct vxc_row_key key;

    event_key(&key, space->namespace_id, &place);
    vxc_table_del(fsm->table, VXC_DB_EVENTS, vxc_row_key_slice(&key));
    space->dropped_index = place.index;
    space->bytes -= place.size;
    space->head = (space->head + 1) & (space->capacity - 1);
    space->count--;
}

static void space_key(struct vxc_row_key *key, uint64_t namespace_id)
{
    vxc_row_key_begin(key);
    vxc_row_key_u64(key, namespace_id);
}

static void trim(struct vxc_fsm *fsm, struct vxc_event_space *space)
{
    uint8_t body[8];
    struct vxc_row_key key;

    if (space->count <= VXC_EVENT_ROWS_MAX && space->bytes <= VXC_EVENT_ROWS_BYTES_MAX) {
        return;
    }
    while (space->count > VXC_EVENT_ROWS_MAX || space->bytes > VXC_EVENT_ROWS_BYTES_MAX) {
        delete_oldest(fsm, space);
    }
    space_key(&key, space->namespace_id);
    vxc_store_u64(body, space->dropped_index);
    vxc_table_put(fsm->table, VXC_DB_EVENTS, vxc_row_key_slice(&key), vxc_slice(body, sizeof body),
                  vxc_slice(NULL, 0));
}

static void space_free(struct vxc_event_rows *rows, struct vxc_event_space *space)
{
    HASH_DELETE(hh, rows->spaces, space);
    vxc_free(space->places);
    vxc_free(space);
}

/* ---- birth and death ---- */

static int load_row(struct vxc_event_rows *rows, struct vxc_slice key, struct vxc_slice body)
{
    struct vxc_event_space *space;
    struct vxc_event event;

    if (key.size == 8 && body.size == 8) {
        space = ensure(rows, vxc_load_be64(key.data));
        space->dropped_index = vxc_load_u64(body.data);
        return 0;
    }
    if (key.size != EVENT_KEY_SIZE || body.size > UINT32_MAX || event_decode(body, &event) != 0) {
        return VXC_ECORRUPT;
    }
    space = ensure(rows, vxc_load_be64(key.data));
    push(space, (struct place){.index = vxc_load_be64(key.data + 8),
                               .ordinal = (uint32_t)vxc_load_be64(key.data + 16),
                               .size = (uint32_t)body.size});
    return 0;
}

int vxc_event_rows_load(struct vxc_fsm *fsm, struct vxc_event_rows *rows, struct vxc_error *err)
{
    struct vxc_slice all = {NULL, 0};
    struct vxc_table_scan *scan = vxc_table_scan_open(fsm->table, VXC_DB_EVENTS, all, all, false);
    struct vxc_slice key;
    struct vxc_slice body;
    int rv = 0;

    while (rv == 0 && vxc_table_scan_next(scan, &key, &body)) {
        rv = load_row(rows, key, body);
    }
    vxc_table_scan_close(scan);
    return rv == 0 ? 0 : vxc_error_set(err, rv, "events: a row cannot be read");
}

void vxc_event_rows_deinit(struct vxc_event_rows *rows)
{
    struct vxc_event_space *space;
    struct vxc_event_space *next;

    HASH_ITER(hh, rows->spaces, space, next)
    {
        space_free(rows, space);
    }
}

/* ---- work ---- */

void vxc_event_rows_add(struct vxc_fsm *fsm, struct vxc_event_rows *rows, uint64_t namespace_id,
                        const struct vxc_event *event)
{
    struct vxc_event_space *space = ensure(rows, namespace_id);
    struct place place = {.index = event->index, .ordinal = event->ordinal};
    struct vxc_buffer body = {0};
    struct vxc_row_key key;

    event_encode(event, &body);
    vxc_check(body.size <= UINT32_MAX);
    place.size = (uint32_t)body.size;
    event_key(&key, namespace_id, &place);
    vxc_table_put(fsm->table, VXC_DB_EVENTS, vxc_row_key_slice(&key), vxc_buffer_slice(&body),
                  vxc_slice(NULL, 0));
    vxc_buffer_free(&body);
    push(space, place);
    trim(fsm, space);
}

void vxc_event_rows_drop(struct vxc_fsm *fsm, struct vxc_event_rows *rows, uint64_t namespace_id)
{
    struct vxc_event_space *space = find(rows, namespace_id);
    struct vxc_row_key key;

    if (space == NULL) {
        return;
    }
    if (space->dropped_index != 0) {
        space_key(&key, namespace_id);
        vxc_table_del(fsm->table, VXC_DB_EVENTS, vxc_row_key_slice(&key));
    }
    while (space->count > 0) {
        delete_oldest(fsm, space);
    }
    space_free(rows, space);
}

/* ---- inspection ---- */

uint64_t vxc_event_rows_complete_after(const struct vxc_event_rows *rows, uint64_t namespace_id)
{
    const struct vxc_event_space *space = find(rows, namespace_id);

    return space == NULL ? 0 : space->dropped_index;
}

size_t vxc_event_rows_after(const struct vxc_event_rows *rows, uint64_t namespace_id,
                            uint64_t last_index)
{
    const struct vxc_event_space *space = find(rows, namespace_id);
    size_t low = 0;
    size_t high = space == NULL ? 0 : space->count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (place_at(space, middle)->index <= last_index) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

bool vxc_event_rows_place(const struct vxc_event_rows *rows, uint64_t namespace_id, size_t position,
                          uint64_t *index, uint32_t *ordinal)
{
    const struct vxc_event_space *space = find(rows, namespace_id);

    if (space == NULL || position >= space->count) {
        return false;
    }
    *index = place_at(space, position)->index;
    *ordinal = place_at(space, position)->ordinal;
    return true;
}

int vxc_event_rows_at(struct vxc_fsm *fsm, const struct vxc_event_rows *rows, uint64_t namespace_id,
                      size_t position, struct vxc_event *event)
{
    const struct vxc_event_space *space = find(rows, namespace_id);
    const struct place *place = place_at(space, position);
    struct vxc_row_key key;
    struct vxc_slice body;

    event_key(&key, namespace_id, place);
    if (vxc_table_get(fsm->table, VXC_DB_EVENTS, vxc_row_key_slice(&key), &body) != 0 ||
        event_decode(body, event) != 0) {
        vxc_fsm_damaged(fsm, VXC_DB_EVENTS, "an event that should be kept cannot be read");
        return VXC_ECORRUPT;
    }
    event->index = place->index;
    event->ordinal = place->ordinal;
    return 0;
}

int vxc_event_describe_row(struct vxc_slice key, struct vxc_slice body, struct vxc_json *json)
{
    struct vxc_event event;
    struct vxc_slice rest;
    uint32_t count = 0;

    if (key.size == 8 && body.size == 8) {
        vxc_json_u64(json, "namespace_id", vxc_load_be64(key.data));
        vxc_json_u64(json, "dropped_index", vxc_load_u64(body.data));
        return json->code;
    }
    if (key.size != EVENT_KEY_SIZE || event_decode(body, &event) != 0 ||
        vxc_list_read_head(event.view, &count, &rest) != 0) {
        return VXC_ECORRUPT;
    }
    vxc_json_u64(json, "namespace_id", vxc_load_be64(key.data));
    vxc_json_u64(json, "index", vxc_load_be64(key.data + 8));
    vxc_json_u64(json, "ordinal", vxc_load_be64(key.data + 16));
    vxc_json_u64(json, "type", event.type);
    if (event.kind == VXC_WATCH_MEMBERS) {
        vxc_json_bytes(json, "node", event.key);
        vxc_json_i64(json, "epoch", event.number);
        vxc_json_u64(json, "members", count);
    } else {
        vxc_json_bytes(json, "address", event.name);
        vxc_json_u64(json, "registrations", count / 2);
    }
    return json->code;
}
