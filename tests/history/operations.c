/* What a worker asks for, and what of the answers is noted. */
#include "history/worker.h"

#include <inttypes.h>
#include <string.h>

/* ---- parts of operations ---- */

/* A value that nobody else writes: a stale read is then unmistakable. */
static void new_value(struct worker *worker, struct text_field *field)
{
    char text[VALUE_MAX];

    (void)snprintf(text, sizeof text, "%" PRIu64 "-%" PRIu64, worker->number, ++worker->values);
    text_set(field, text);
}

/* What an answer shows of a value; none when there is none. */
static void note_value(struct text_field *field, struct vxc_bytes value)
{
    char text[VALUE_MAX];
    const size_t size = value.size < sizeof text - 1 ? value.size : sizeof text - 1;

    if (value.data == NULL) {
        text_set(field, NULL);
        return;
    }
    memcpy(text, value.data, size);
    text[size] = '\0';
    text_set(field, text);
}

static void note_write(const struct record *record)
{
    if (record->outcome == OUTCOME_OK) {
        record_note_write(record->ended_ns);
    }
}

/* A conditional write that was answered, but did nothing. */
static void note_condition(struct record *record, bool done)
{
    if (record->error == VXC_OK && !done) {
        record->outcome = OUTCOME_FAIL;
    }
}

static void pick_key(struct worker *worker, enum kind kind, struct key *key)
{
    const struct settings *s = worker->settings;
    /* Few locks, so that they are waited for. */
    const uint32_t slots = kind == KIND_LOCK ? s->keys->slots_count / 5 + 1 : s->keys->slots_count;

    keys_take(s->keys, kind, (uint32_t)worker_random(worker, slots), key);
}

/* ---- maps ---- */

static struct vxc_request map_request(struct worker *worker, int operation, const struct key *key)
{
    struct vxc_request request = vxc_request(operation);

    request.name = vxc_text(worker->settings->keys->prefix);
    request.key = vxc_text(key->name);
    return request;
}

/* What stands there, to have something to compare with. */
static bool map_get(struct worker *worker, const struct key *key, struct text_field *seen)
{
    struct record record = {.function = "map_get", .key = key->name};
    struct vxc_request request = map_request(worker, VXC_CALL_MAP_GET, key);
    struct vxc_reply reply;

    worker_call(worker, &request, &record, &reply);
    if (record.error == VXC_OK) {
        note_value(&record.v, reply.found ? reply.value : vxc_bytes(NULL, 0));
        *seen = record.v;
    }
    vxc_reply_free(&reply);
    worker_record(worker, &record, key);
    return record.error == VXC_OK;
}

/* put, put_if_absent, remove: each tells what was there. */
static void map_write(struct worker *worker, const struct key *key, int operation,
                      const char *function)
{
    struct record record = {.function = function, .key = key->name};
    struct vxc_request request = map_request(worker, operation, key);
    struct vxc_reply reply;

    request.flags = VXC_REQUEST_WANT_OLD;
    if (operation != VXC_CALL_MAP_REMOVE) {
        new_value(worker, &record.a);
        request.value = vxc_text(record.a.text);
    }
    worker_call(worker, &request, &record, &reply);
    if (record.error == VXC_OK) {
        note_value(&record.v, reply.found ? reply.value : vxc_bytes(NULL, 0));
        note_condition(&record, operation != VXC_CALL_MAP_PUT_IF_ABSENT || !reply.found);
    }
    vxc_reply_free(&reply);
    note_write(&record);
    worker_record(worker, &record, key);
}

/* replace_if, remove_if: on what was read just before, which others may have changed since. */
static void map_compare(struct worker *worker, const struct key *key, int operation,
                        const char *function)
{
    struct record record = {.function = function, .key = key->name};
    struct vxc_request request = map_request(worker, operation, key);
    struct vxc_reply reply;

    if (!map_get(worker, key, &record.a) || !worker_has_session(worker)) {
        return;
    }
    if (record.a.none) {
        text_set(&record.a, "never-written");
    }
    request.expected = vxc_text(record.a.text);
    if (operation == VXC_CALL_MAP_REPLACE_IF) {
        new_value(worker, &record.b);
        request.value = vxc_text(record.b.text);
    }
    worker_call(worker, &request, &record, &reply);
    note_condition(&record, reply.found);
    vxc_reply_free(&reply);
    note_write(&record);
    worker_record(worker, &record, key);
}

static void run_map(struct worker *worker, const struct key *key)
{
    struct text_field seen;
    const uint64_t choice = worker_random(worker, 100);

    if (choice < 35) {
        (void)map_get(worker, key, &seen);
    } else if (choice < 55) {
        map_write(worker, key, VXC_CALL_MAP_PUT, "map_put");
    } else if (choice < 65) {
        map_write(worker, key, VXC_CALL_MAP_PUT_IF_ABSENT, "map_put_if_absent");
    } else if (choice < 72) {
        map_write(worker, key, VXC_CALL_MAP_REMOVE, "map_remove");
    } else if (choice < 92) {
        map_compare(worker, key, VXC_CALL_MAP_REPLACE_IF, "map_replace_if");
    } else {
        map_compare(worker, key, VXC_CALL_MAP_REMOVE_IF, "map_remove_if");
    }
}

/* ---- counters ---- */

static bool counter_get(struct worker *worker, const struct key *key, int64_t *seen)
{
    struct record record = {.function = "counter_get", .key = key->name};
    struct vxc_request request = vxc_request(VXC_CALL_COUNTER_GET);
    struct vxc_reply reply;

    request.name = vxc_text(key->name);
    worker_call(worker, &request, &record, &reply);
    if (record.error == VXC_OK) {
        record.n = (struct number_field){.given = true, .number = reply.number};
        *seen = reply.number;
    }
    vxc_reply_free(&reply);
    worker_record(worker, &record, key);
    return record.error == VXC_OK;
}

static void counter_add(struct worker *worker, const struct key *key)
{
    struct record record = {.function = "counter_add", .key = key->name};
    struct vxc_request request = vxc_request(VXC_CALL_COUNTER_ADD);
    struct vxc_reply reply;

    request.name = vxc_text(key->name);
    request.number = (int64_t)worker_random(worker, 9) + 1;
    record.a_number = (struct number_field){.given = true, .number = request.number};
    worker_call(worker, &request, &record, &reply);
    if (record.error == VXC_OK) {
        record.n = (struct number_field){.given = true, .number = reply.number};
    }
    vxc_reply_free(&reply);
    note_write(&record);
    worker_record(worker, &record, key);
}

static void counter_compare_and_set(struct worker *worker, const struct key *key)
{
    struct record record = {.function = "counter_cas", .key = key->name};
    struct vxc_request request = vxc_request(VXC_CALL_COUNTER_COMPARE_AND_SET);
    struct vxc_reply reply;

    if (!counter_get(worker, key, &request.expected_number) || !worker_has_session(worker)) {
        return;
    }
    request.name = vxc_text(key->name);
    request.number = (int64_t)worker_random(worker, 1000000);
    record.a_number = (struct number_field){.given = true, .number = request.expected_number};
    record.b_number = (struct number_field){.given = true, .number = request.number};
    worker_call(worker, &request, &record, &reply);
    note_condition(&record, reply.found);
    vxc_reply_free(&reply);
    note_write(&record);
    worker_record(worker, &record, key);
}

static void run_counter(struct worker *worker, const struct key *key)
{
    int64_t seen;
    const uint64_t choice = worker_random(worker, 100);

    if (choice < 30) {
        (void)counter_get(worker, key, &seen);
    } else if (choice < 80 || key->slot % 2 == 0) {
        counter_add(worker, key);
    } else {
        counter_compare_and_set(worker, key);
    }
}

/* ---- sets ---- */

static bool set_call(struct worker *worker, const struct key *key, int operation,
                     const char *function, const char *element)
{
    struct record record = {.function = function, .key = key->name};
    struct vxc_request request = vxc_request(operation);
    struct vxc_reply reply;

    request.name = vxc_text(key->name);
    request.value = vxc_text(element);
    text_set(&record.a, element);
    worker_call(worker, &request, &record, &reply);
    if (record.error == VXC_OK) {
        record.n = (struct number_field){.given = true, .number = reply.found};
    }
    vxc_reply_free(&reply);
    if (operation != VXC_CALL_SET_CONTAINS) {
        note_write(&record);
    }
    worker_record(worker, &record, key);
    return record.error == VXC_OK;
}

static void run_set(struct worker *worker, const struct key *key)
{
    const uint64_t choice = worker_random(worker, 100);
    char element[VALUE_MAX];

    (void)snprintf(element, sizeof element, "e%" PRIu64, worker_random(worker, KEYS_SET_ELEMENTS));
    if (choice < 40) {
        (void)set_call(worker, key, VXC_CALL_SET_CONTAINS, "set_contains", element);
    } else if (choice < 70) {
        (void)set_call(worker, key, VXC_CALL_SET_ADD, "set_add", element);
    } else {
        (void)set_call(worker, key, VXC_CALL_SET_REMOVE, "set_remove", element);
    }
}

static void run_log(struct worker *worker, const struct key *key)
{
    struct text_field value;

    new_value(worker, &value);
    (void)set_call(worker, key, VXC_CALL_SET_ADD, "log_add", value.text);
}

/* All values, each a record of its own, and then one that counts them. */
static bool log_scan(struct worker *worker, const struct key *key)
{
    struct vxc_request request = vxc_request(VXC_CALL_SET_SCAN);
    struct vxc_bytes value;
    struct vxc_bytes unused;
    struct vxc_reply reply;
    char cursor[4096];
    int64_t count = 0;

    request.name = vxc_text(key->name);
    for (;;) {
        struct record record = {.function = "log_element", .key = key->name};
        worker_call(worker, &request, &record, &reply);
        if (record.error != VXC_OK && record.error != VXC_ENOTFOUND) {
            vxc_reply_free(&reply);
            return false;
        }
        while (record.error == VXC_OK && vxc_rows_next(&reply.rows, &value, &unused)) {
            note_value(&record.a, value);
            record_write(&record);
            count++;
        }
        if (reply.next.data == NULL || reply.next.size > sizeof cursor) {
            record = (struct record){.client = worker->number,
                                     .function = "log_scan",
                                     .key = key->name,
                                     .n = {.given = true, .number = count},
                                     .begun_ns = record.begun_ns,
                                     .ended_ns = record.ended_ns,
                                     .endpoint = record.endpoint};
            vxc_reply_free(&reply);
            record_write(&record);
            return true;
        }
        memcpy(cursor, reply.next.data, reply.next.size);
        request.cursor = vxc_bytes(cursor, reply.next.size);
        vxc_reply_free(&reply);
    }
}

/* ---- locks ---- */

static uint64_t lock_acquire(struct worker *worker, const struct key *key)
{
    static const int64_t waits_ms[] = {0, 20, 200, 1000};
    struct record record = {.function = "lock_acquire", .key = key->name};
    struct vxc_request request = vxc_request(VXC_CALL_LOCK_ACQUIRE);
    struct vxc_reply reply;

    request.name = vxc_text(key->name);
    request.number = waits_ms[worker_random(worker, sizeof waits_ms / sizeof waits_ms[0])];
    request.timeout_ms = request.number + (int64_t)worker->timeout_ms;
    record.a_number = (struct number_field){.given = true, .number = request.number};
    worker_call(worker, &request, &record, &reply);
    note_condition(&record, reply.found);
    record.fence = reply.token;
    vxc_reply_free(&reply);
    note_write(&record);
    worker_record(worker, &record, key);
    return record.outcome == OUTCOME_OK ? record.fence : 0;
}

static void lock_release(struct worker *worker, const struct key *key, uint64_t fence)
{
    struct record record = {.function = "lock_release", .key = key->name};
    struct vxc_request request = vxc_request(VXC_CALL_LOCK_RELEASE);
    struct vxc_reply reply;

    request.name = vxc_text(key->name);
    request.id = fence;
    record.a_number = (struct number_field){.given = true, .number = (int64_t)fence};
    worker_call(worker, &request, &record, &reply);
    note_condition(&record, reply.found);
    vxc_reply_free(&reply);
    note_write(&record);
    worker_record(worker, &record, key);
}

static void run_lock(struct worker *worker, const struct key *key)
{
    const uint64_t session = worker->session;
    const uint64_t fence = lock_acquire(worker, key);

    if (fence == 0) {
        return;
    }
    worker_pause(worker, (int64_t)worker_random(worker, 4));
    if (worker_has_session(worker) && worker->session == session) {
        lock_release(worker, key, fence);
    }
}

/* ---- all of them ---- */

static enum kind pick_kind(struct worker *worker)
{
    const uint32_t *mix = worker->settings->mix;
    uint64_t sum = 0;
    uint64_t choice;
    int kind = 0;

    for (int i = 0; i < KIND_COUNT; i++) {
        sum += mix[i];
    }
    for (choice = worker_random(worker, sum); choice >= mix[kind]; kind++) {
        choice -= mix[kind];
    }
    return (enum kind)kind;
}

void operation_run(struct worker *worker)
{
    static void (*const run[KIND_COUNT])(struct worker *, const struct key *) = {
        run_map, run_counter, run_set, run_log, run_lock};
    const enum kind kind = pick_kind(worker);
    struct key key;

    pick_key(worker, kind, &key);
    run[kind](worker, &key);
}

bool operation_final_read(struct worker *worker, const struct key *key)
{
    struct text_field seen;
    char element[VALUE_MAX];
    int64_t number;

    switch (key->kind) {
    case KIND_MAP:
        return map_get(worker, key, &seen);
    case KIND_COUNTER:
        return counter_get(worker, key, &number);
    case KIND_SET:
        for (int i = 0; i < KEYS_SET_ELEMENTS; i++) {
            (void)snprintf(element, sizeof element, "e%d", i);
            if (!set_call(worker, key, VXC_CALL_SET_CONTAINS, "set_contains", element)) {
                return false;
            }
        }
        return true;
    case KIND_LOG:
        return log_scan(worker, key);
    default:
        return true; /* a lock's last word was its release */
    }
}
