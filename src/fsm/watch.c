/* Watches: who wants to hear of what.
 *
 *   WATCH_ADD     session, a enum vxc_watch_kind, name, key (optional) → number watch id
 *                   map, set, multimap   name of the object; key: only this key or member
 *                   counter, lock        name of the object; no key
 *                   members              no name; key: only this node id
 *                   registrations        name: only this address, empty = all; no key
 *   WATCH_REMOVE  session, a watch id → found
 *   WATCH_LIST    session (0 = of all), key cursor, b limits → value a list of watch records
 *
 *   watch record  watch id u64 | session u64 | namespace u64 | kind u8 | has key u8 |
 *                 name | key (u32 length + bytes each; of an address watch the address is the key)
 *
 * All watches are resident, hung under what they look at, so that an unwatched change costs one
 * look at a counter. Every change that somebody watches takes one place (index, ordinal) in the
 * order of events, the same for all who watch it. Events of members and registrations are rows
 * (event_rows.h); data events and what a session is told about itself stand in memory
 * (event_ring.h). Replay of both: watch_replay.c.
 *
 * Rows.  session(8) watch id(8)   added index u64 | added ordinal u32 | namespace u64 | kind u8 |
 *                                 has key u8 | name | key (u32 length + bytes each)
 */
#include "fsm/watch_internal.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "base/limits.h"
#include "base/memory.h"
#include "fsm/describe.h"
#include "fsm/memory.h"

/* Names and keys of all watches together: they stay resident, so they need a bound of their own. */
#define WATCH_NAME_BYTES_MAX (256ull * VXC_MIB)

enum {
    BUCKETS_FIRST = 64,
    WATCH_KEY_SIZE = 8 + 8,
};

/* ---- the index of what is watched ---- */

static uint64_t hash_of(enum vxc_watch_kind kind, uint64_t namespace_id, struct vxc_slice name)
{
    return XXH3_64bits_withSeed(name.data, name.size,
                                namespace_id * UINT64_C(0x9e3779b97f4a7c15) + (uint64_t)kind);
}

static struct vxc_watched *find_watched(const struct vxc_watch_set *set, enum vxc_watch_kind kind,
                                        uint64_t namespace_id, struct vxc_slice name)
{
    uint64_t hash;
    struct vxc_watched *on;

    if (set->count_of_kind[kind] == 0) {
        return NULL;
    }
    hash = hash_of(kind, namespace_id, name);
    on = set->buckets[hash & (set->bucket_count - 1)];
    while (on != NULL && (on->hash != hash || on->kind != kind ||
                          on->namespace_id != namespace_id || !vxc_slice_equal(on->name, name))) {
        on = on->next;
    }
    return on;
}

static void grow_buckets(struct vxc_watch_set *set)
{
    size_t count = set->bucket_count == 0 ? BUCKETS_FIRST : set->bucket_count * 2;
    struct vxc_watched **buckets = vxc_must_calloc(count, sizeof *buckets);

    for (size_t i = 0; i < set->bucket_count; i++) {
        struct vxc_watched *on = set->buckets[i];
        while (on != NULL) {
            struct vxc_watched *next = on->next;
            on->next = buckets[on->hash & (count - 1)];
            buckets[on->hash & (count - 1)] = on;
            on = next;
        }
    }
    vxc_free(set->buckets);
    set->buckets = buckets;
    set->bucket_count = count;
}

static struct vxc_watched *ensure_watched(struct vxc_watch_set *set, enum vxc_watch_kind kind,
                                          uint64_t namespace_id, struct vxc_slice name)
{
    struct vxc_watched *on = find_watched(set, kind, namespace_id, name);
    struct vxc_watched **bucket;

    if (on != NULL) {
        return on;
    }
    if (set->watched_count == set->bucket_count) {
        grow_buckets(set);
    }
    on = vxc_must_calloc(1, sizeof *on);
    on->kind = kind;
    on->namespace_id = namespace_id;
    on->name = vxc_must_copy(name);
    on->hash = hash_of(kind, namespace_id, name);
    TAILQ_INIT(&on->watches);
    bucket = &set->buckets[on->hash & (set->bucket_count - 1)];
    on->next = *bucket;
    *bucket = on;
    set->watched_count++;
    return on;
}

static void drop_watched(struct vxc_watch_set *set, struct vxc_watched *on)
{
    struct vxc_watched **link = &set->buckets[on->hash & (set->bucket_count - 1)];

    while (*link != on) {
        link = &(*link)->next;
    }
    *link = on->next;
    set->watched_count--;
    vxc_slice_free(&on->name);
    vxc_free(on);
}

/* ---- watches ---- */

struct vxc_watch *vxc_watch_find(const struct vxc_watch_set *set, uint64_t id)
{
    struct vxc_watch *watch = NULL;

    HASH_FIND(hh, set->by_id, &id, sizeof id, watch);
    return watch;
}

static uint64_t resident_bytes(const struct vxc_watch *watch)
{
    return watch->on->name.size + watch->filter.size;
}

/* Takes a watch with id, session, filter and place set into the indexes. */
static void attach(struct vxc_watch_set *set, struct vxc_watch *watch, struct vxc_watched *on)
{
    watch->on = on;
    TAILQ_INSERT_TAIL(&on->watches, watch, on_link);
    HASH_ADD(hh, set->by_id, id, sizeof watch->id, watch);
    set->count_of_kind[on->kind]++;
    set->name_bytes += resident_bytes(watch);
}

static void watch_free(struct vxc_watch *watch)
{
    vxc_slice_free(&watch->filter);
    vxc_free(watch);
}

static void detach(struct vxc_watch_set *set, struct vxc_watch *watch)
{
    struct vxc_watched *on = watch->on;

    TAILQ_REMOVE(&on->watches, watch, on_link);
    HASH_DELETE(hh, set->by_id, watch);
    set->count_of_kind[on->kind]--;
    set->name_bytes -= resident_bytes(watch);
    if (TAILQ_EMPTY(&on->watches)) {
        drop_watched(set, on);
    }
    watch_free(watch);
}

/* ---- rows ---- */

static void row_key(struct vxc_row_key *key, uint64_t session, uint64_t id)
{
    vxc_row_key_begin(key);
    vxc_row_key_u64(key, session);
    vxc_row_key_u64(key, id);
}

static void write_row(struct vxc_fsm *fsm, const struct vxc_watch *watch, struct vxc_slice key)
{
    struct vxc_buffer body = {0};

    vxc_must(vxc_buffer_put_u64(&body, watch->added.index));
    vxc_must(vxc_buffer_put_u32(&body, watch->added.ordinal));
    vxc_must(vxc_buffer_put_u64(&body, watch->on->namespace_id));
    vxc_must(vxc_buffer_put_u8(&body, (uint8_t)watch->on->kind));
    vxc_must(vxc_buffer_put_u8(&body, watch->filter.data != NULL));
    vxc_must(vxc_buffer_put_bytes(&body, watch->on->name));
    vxc_must(vxc_buffer_put_bytes(&body, watch->filter));
    vxc_table_put(fsm->table, VXC_DB_WATCHES, key, vxc_buffer_slice(&body), vxc_slice(NULL, 0));
    vxc_buffer_free(&body);
}

struct watch_row {
    struct vxc_event_place added;
    uint64_t namespace_id;
    enum vxc_watch_kind kind;
    struct vxc_slice name;
    struct vxc_slice filter;
};

static int row_decode(struct vxc_slice body, struct watch_row *row)
{
    struct vxc_reader reader = vxc_reader(body);
    uint8_t kind;
    uint8_t has_filter;

    row->added.index = vxc_reader_u64(&reader);
    row->added.ordinal = vxc_reader_u32(&reader);
    row->namespace_id = vxc_reader_u64(&reader);
    kind = vxc_reader_u8(&reader);
    has_filter = vxc_reader_u8(&reader);
    row->name = vxc_reader_bytes(&reader);
    row->filter = vxc_reader_bytes(&reader);
    if (!vxc_reader_at_end(&reader) || kind < 1 || kind > VXC_WATCH_KINDS || has_filter > 1) {
        return VXC_ECORRUPT;
    }
    row->kind = kind;
    if (has_filter == 0) {
        row->filter = vxc_slice(NULL, 0);
    }
    return 0;
}

static int load_row(struct vxc_fsm *fsm, struct vxc_slice key, struct vxc_slice body)
{
    struct vxc_watch_set *set = fsm->watches;
    struct watch_row row;
    struct vxc_watch *watch;

    if (key.size != WATCH_KEY_SIZE || row_decode(body, &row) != 0) {
        return VXC_ECORRUPT;
    }
    watch = vxc_must_calloc(1, sizeof *watch);
    watch->session = vxc_load_be64(key.data);
    watch->id = vxc_load_be64(key.data + 8);
    watch->added = row.added;
    if (row.filter.data != NULL) {
        watch->filter = vxc_must_copy(row.filter);
    }
    attach(set, watch, ensure_watched(set, row.kind, row.namespace_id, row.name));
    fsm->stats.watches++;
    return 0;
}

int vxc_watches_create(struct vxc_fsm *fsm, struct vxc_error *err)
{
    struct vxc_slice all = {NULL, 0};
    struct vxc_table_scan *scan;
    struct vxc_slice key;
    struct vxc_slice body;
    int rv = 0;

    fsm->watches = vxc_calloc(1, sizeof *fsm->watches);
    if (fsm->watches == NULL) {
        return vxc_error_set(err, VXC_ENOMEM, "watches");
    }
    fsm->stats.watches = 0;
    /* Events of an entry that is in the state by half are gone like those before it. */
    vxc_event_ring_init(&fsm->watches->ring, fsm->applied_index + (fsm->applied_position != 0));
    scan = vxc_table_scan_open(fsm->table, VXC_DB_WATCHES, all, all, false);
    while (rv == 0 && vxc_table_scan_next(scan, &key, &body)) {
        rv = load_row(fsm, key, body);
    }
    vxc_table_scan_close(scan);
    if (rv != 0) {
        (void)vxc_error_set(err, rv, "watches: a row cannot be read");
    } else {
        rv = vxc_event_rows_load(fsm, &fsm->watches->rows, err);
    }
    if (rv != 0) {
        vxc_watches_free(fsm);
    }
    return rv;
}

void vxc_watches_free(struct vxc_fsm *fsm)
{
    struct vxc_watch_set *set = fsm->watches;
    struct vxc_watch *watch;
    struct vxc_watch *next;

    if (set == NULL) {
        return;
    }
    HASH_ITER(hh, set->by_id, watch, next)
    {
        detach(set, watch);
    }
    vxc_free(set->buckets);
    vxc_event_ring_deinit(&set->ring);
    vxc_event_rows_deinit(&set->rows);
    vxc_free(set);
    fsm->watches = NULL;
}

/* ---- notifying ---- */

bool vxc_watched(const struct vxc_fsm *fsm, enum vxc_watch_kind kind, uint64_t namespace_id,
                 struct vxc_slice name)
{
    if (vxc_watch_is_of_state(kind)) {
        name = vxc_slice(NULL, 0);
    }
    return find_watched(fsm->watches, kind, namespace_id, name) != NULL;
}

/* What a filter is compared with. */
static struct vxc_slice filtered_part(const struct vxc_event *event)
{
    return event->kind == VXC_WATCH_REGISTRATIONS ? event->name : event->key;
}

bool vxc_watch_passes(const struct vxc_watch *watch, const struct vxc_event *event)
{
    if (watch->filter.data == NULL || event->type == VXC_EVENT_CLEAR ||
        event->type == VXC_EVENT_DESTROY) {
        return true;
    }
    return vxc_slice_equal(watch->filter, filtered_part(event));
}

struct vxc_watched *vxc_watched_of(const struct vxc_watch_set *set, uint64_t namespace_id,
                                   const struct vxc_event *event)
{
    struct vxc_slice name = vxc_watch_is_of_state(event->kind) ? vxc_slice(NULL, 0) : event->name;

    return find_watched(set, event->kind, namespace_id, name);
}

void vxc_event_emit(struct vxc_fsm *fsm, const struct vxc_event *event)
{
    if (fsm->hooks.on_event != NULL) {
        fsm->hooks.on_event(fsm->hooks.data, event);
    }
}

/* Gives the event the next place in the order. */
static void place_event(struct vxc_fsm *fsm, struct vxc_event *event)
{
    event->index = fsm->index;
    event->ordinal = fsm->ordinal++;
}

static void keep_data_event(struct vxc_fsm *fsm, uint64_t namespace_id,
                            const struct vxc_event *event)
{
    vxc_event_ring_add(&fsm->watches->ring, namespace_id, event);
    fsm->stats.event_ring_bytes = fsm->watches->ring.bytes;
}

void vxc_watch_notify(struct vxc_fsm *fsm, uint64_t namespace_id, struct vxc_event *event)
{
    struct vxc_watch_set *set = fsm->watches;
    const struct vxc_watched *on = vxc_watched_of(set, namespace_id, event);
    const struct vxc_watch *watch;
    bool placed = false;

    if (on == NULL) {
        return;
    }
    TAILQ_FOREACH(watch, &on->watches, on_link)
    {
        if (!vxc_watch_passes(watch, event) || !vxc_session_live(fsm, watch->session)) {
            continue;
        }
        if (!placed) {
            place_event(fsm, event);
            placed = true;
        }
        event->session = watch->session;
        event->watch = watch->id;
        vxc_event_emit(fsm, event);
    }
    if (!placed) {
        return;
    }
    event->session = 0;
    event->watch = 0;
    if (vxc_watch_is_of_state(event->kind)) {
        vxc_event_rows_add(fsm, &set->rows, namespace_id, event);
    } else {
        keep_data_event(fsm, namespace_id, event);
    }
}

void vxc_session_notify(struct vxc_fsm *fsm, uint64_t id, struct vxc_event *event)
{
    struct vxc_session *session = vxc_session_find(fsm, id);

    place_event(fsm, event);
    event->kind = 0;
    event->session = id;
    event->watch = 0;
    if (session != NULL) {
        vxc_session_set_notified(fsm, session, fsm->index);
        keep_data_event(fsm, 0, event);
    }
    vxc_event_emit(fsm, event);
}

/* ---- commands ---- */

static int check_add(struct vxc_fsm *fsm, const struct vxc_command *command, const char **text)
{
    bool has_key = command->key.data != NULL;

    if (!vxc_session_live(fsm, command->session)) {
        *text = "a watch needs a live session";
        return VXC_ESESSION;
    }
    if (command->a < 1 || command->a > VXC_WATCH_KINDS) {
        *text = "nothing of that kind can be watched";
        return VXC_EINVAL;
    }
    if (command->a == VXC_WATCH_MEMBERS && command->name.size != 0) {
        *text = "members are watched per namespace, without a name";
        return VXC_EINVAL;
    }
    if (has_key && (command->a == VXC_WATCH_COUNTER || command->a == VXC_WATCH_LOCK ||
                    command->a == VXC_WATCH_REGISTRATIONS)) {
        *text = "a watch of this kind takes no key";
        return VXC_EINVAL;
    }
    if (vxc_session_owned_count(fsm, command->session, VXC_OWNED_WATCH) >=
        VXC_SESSION_WATCHES_MAX) {
        *text = "the session has too many watches; watch whole maps, or remove some";
        return VXC_ELIMIT;
    }
    if (fsm->watches->name_bytes + command->name.size + command->key.size > WATCH_NAME_BYTES_MAX) {
        *text = "names and keys of watches take too much room";
        return VXC_ELIMIT;
    }
    return 0;
}

static void apply_add(struct vxc_fsm *fsm, const struct vxc_command *command,
                      struct vxc_result *result)
{
    enum vxc_watch_kind kind = (enum vxc_watch_kind)command->a;
    struct vxc_slice name = command->name;
    struct vxc_slice filter = command->key;
    const char *text = NULL;
    int rv = check_add(fsm, command, &text);
    struct vxc_watch *watch;
    struct vxc_row_key key;

    if (rv != 0) {
        vxc_result_fail(result, rv, text);
        return;
    }
    if (kind == VXC_WATCH_REGISTRATIONS) {
        filter = name.size != 0 ? name : vxc_slice(NULL, 0);
        name = vxc_slice(NULL, 0);
    }
    watch = vxc_must_calloc(1, sizeof *watch);
    watch->id = vxc_fsm_take_id(fsm);
    watch->session = command->session;
    watch->added = (struct vxc_event_place){fsm->index, fsm->ordinal};
    if (filter.data != NULL) {
        watch->filter = vxc_must_copy(filter);
    }
    attach(fsm->watches, watch, ensure_watched(fsm->watches, kind, command->namespace_id, name));
    row_key(&key, watch->session, watch->id);
    write_row(fsm, watch, vxc_row_key_slice(&key));
    vxc_session_own(fsm, watch->session, VXC_OWNED_WATCH, vxc_row_key_slice(&key));
    result->found = true;
    result->number = (int64_t)watch->id;
}

static void remove_watch(struct vxc_fsm *fsm, struct vxc_watch *watch)
{
    struct vxc_watch_set *set = fsm->watches;
    uint64_t namespace_id = watch->on->namespace_id;
    bool was_state = vxc_watch_is_of_state(watch->on->kind);
    struct vxc_slice no_name = {NULL, 0};
    struct vxc_row_key key;

    row_key(&key, watch->session, watch->id);
    vxc_table_del(fsm->table, VXC_DB_WATCHES, vxc_row_key_slice(&key));
    vxc_session_disown(fsm, watch->session, VXC_OWNED_WATCH, vxc_row_key_slice(&key));
    detach(set, watch);
    if (was_state && !vxc_watched(fsm, VXC_WATCH_MEMBERS, namespace_id, no_name) &&
        !vxc_watched(fsm, VXC_WATCH_REGISTRATIONS, namespace_id, no_name)) {
        vxc_event_rows_drop(fsm, &set->rows, namespace_id);
    }
}

void vxc_watch_disown(struct vxc_fsm *fsm, uint64_t session, struct vxc_slice key)
{
    struct vxc_watch *watch;

    vxc_check(key.size == WATCH_KEY_SIZE);
    watch = vxc_watch_find(fsm->watches, vxc_load_be64(key.data + 8));
    vxc_check(watch != NULL);
    vxc_check(watch->session == session);
    remove_watch(fsm, watch);
}

static void apply_remove(struct vxc_fsm *fsm, const struct vxc_command *command,
                         struct vxc_result *result)
{
    struct vxc_watch *watch;

    if (!vxc_session_live(fsm, command->session)) {
        vxc_result_fail(result, VXC_ESESSION, "the session is unknown or has expired");
        return;
    }
    watch = vxc_watch_find(fsm->watches, (uint64_t)command->a);
    if (watch != NULL && watch->session == command->session) {
        remove_watch(fsm, watch);
        result->found = true;
    }
}

void vxc_watch_apply(struct vxc_fsm *fsm, const struct vxc_command *command,
                     struct vxc_result *result)
{
    if (command->op == VXC_OP_WATCH_ADD) {
        apply_add(fsm, command, result);
    } else if (command->op == VXC_OP_WATCH_REMOVE) {
        apply_remove(fsm, command, result);
    } else {
        vxc_result_fail(result, VXC_EUNSUPPORTED, "not an operation of watches");
    }
}

/* ---- inspection ---- */

static void record_encode(const struct watch_row *row, struct vxc_slice key, struct vxc_buffer *out)
{
    vxc_buffer_clear(out);
    vxc_must(vxc_buffer_put_u64(out, vxc_load_be64(key.data + 8)));
    vxc_must(vxc_buffer_put_u64(out, vxc_load_be64(key.data)));
    vxc_must(vxc_buffer_put_u64(out, row->namespace_id));
    vxc_must(vxc_buffer_put_u8(out, (uint8_t)row->kind));
    vxc_must(vxc_buffer_put_u8(out, row->filter.data != NULL));
    vxc_must(vxc_buffer_put_bytes(out, row->name));
    vxc_must(vxc_buffer_put_bytes(out, row->filter));
}

void vxc_watch_query(struct vxc_fsm *fsm, const struct vxc_command *query,
                     struct vxc_result *result)
{
    struct vxc_buffer record = {0};
    struct vxc_table_scan *scan;
    struct vxc_row_key prefix;
    struct vxc_page page;
    struct vxc_slice key;
    struct vxc_slice body;
    bool more = false;

    if (query->op != VXC_OP_WATCH_LIST) {
        vxc_result_fail(result, VXC_EUNSUPPORTED, "not a query of watches");
        return;
    }
    vxc_row_key_begin(&prefix);
    if (query->session != 0) {
        vxc_row_key_u64(&prefix, query->session);
    }
    scan = vxc_page_scan(fsm, VXC_DB_WATCHES, &prefix, query->key, result);
    if (scan == NULL) {
        return;
    }
    vxc_page_begin(fsm, &page, query->b);
    while (!more && vxc_table_scan_next(scan, &key, &body)) {
        struct watch_row row;
        if (key.size != WATCH_KEY_SIZE || row_decode(body, &row) != 0) {
            vxc_fsm_damaged(fsm, VXC_DB_WATCHES, "a watch cannot be read");
            break;
        }
        record_encode(&row, key, &record);
        more = !vxc_page_has_room(&page, record.size);
        if (!more) {
            vxc_page_add(&page, vxc_slice(key.data + prefix.size, key.size - prefix.size),
                         vxc_buffer_slice(&record), NULL);
        }
    }
    vxc_table_scan_close(scan);
    vxc_page_end(&page, more, result);
    vxc_buffer_free(&record);
}

int vxc_watch_describe_row(struct vxc_slice key, struct vxc_slice body, struct vxc_json *json)
{
    static const char *const kinds[] = {NULL,      "map",  "set",     "multimap",
                                        "counter", "lock", "members", "registrations"};
    struct watch_row row;

    if (key.size != WATCH_KEY_SIZE || row_decode(body, &row) != 0) {
        return VXC_ECORRUPT;
    }
    vxc_json_u64(json, "session", vxc_load_be64(key.data));
    vxc_json_u64(json, "watch", vxc_load_be64(key.data + 8));
    vxc_json_u64(json, "namespace_id", row.namespace_id);
    vxc_json_string(json, "kind", kinds[row.kind]);
    vxc_json_bytes(json, "name", row.name);
    if (row.filter.data != NULL) {
        vxc_json_bytes(json, "only", row.filter);
    }
    return json->code;
}
