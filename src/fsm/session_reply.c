#include "fsm/session_reply.h"

#include "base/check.h"
#include "base/limits.h"
#include "base/memory.h"
#include "base/planted.h"
#include "fsm/memory.h"

enum {
    SLOT_SIZE = 128,      /* two cache lines */
    SLOT_SMALL_SIZE = 72, /* bytes of value and cursor kept inside */
    SLOT_WEIGHT = 48,     /* bytes each result counts beside its value and cursor */
    SLOTS_FIRST = 8,
    SLOTS_KEPT = 64, /* a ring this small is not given back */
    WINDOW_HEAD_SIZE = 8 + 8 + 4,
    WINDOW_ITEM_MIN = 8 + 4 + 1,
};

enum {
    SLOT_FOUND = 1,
    SLOT_VALUE = 2, /* value.data was not NULL */
    SLOT_NEXT = 4,
    SLOT_BLOCK = 8, /* value and cursor are in a block of their own */
};

struct vxc_reply_slot {
    uint64_t sequence;
    uint64_t index;
    uint64_t token;
    int64_t number;
    const char *text;
    int32_t code;
    uint32_t value_size;
    uint32_t next_size;
    uint16_t op; /* of the command that this answers */
    uint8_t flags;
    union {
        uint8_t small[SLOT_SMALL_SIZE]; /* value, then cursor */
        uint8_t *block;
    } data;
};

static_assert(sizeof(struct vxc_reply_slot) <= SLOT_SIZE + 8, "a slot stays small");
static_assert((VXC_SESSION_REPLIES_MAX & (VXC_SESSION_REPLIES_MAX - 1)) == 0,
              "the ring's capacity doubles up to exactly the bound");

/* ---- slots ---- */

static struct vxc_reply_slot *slot_at(const struct vxc_reply_window *window, uint32_t position)
{
    return &window->slots[(window->head + position) & (window->capacity - 1)];
}

static uint64_t slot_weight(const struct vxc_reply_slot *slot)
{
    return (uint64_t)SLOT_WEIGHT + slot->value_size + slot->next_size;
}

static void slot_write(struct vxc_reply_slot *slot, uint64_t sequence,
                       const struct vxc_result *result)
{
    size_t size = result->value.size + result->next.size;
    uint8_t *at = slot->data.small;

    vxc_check(result->value.size <= UINT32_MAX && result->next.size <= UINT32_MAX);
    slot->sequence = sequence;
    slot->index = result->index;
    slot->token = result->token;
    slot->number = result->number;
    slot->text = result->text;
    slot->code = result->code;
    slot->value_size = (uint32_t)result->value.size;
    slot->next_size = (uint32_t)result->next.size;
    slot->flags =
        (uint8_t)((result->found ? SLOT_FOUND : 0) | (result->value.data != NULL ? SLOT_VALUE : 0) |
                  (result->next.data != NULL ? SLOT_NEXT : 0));
    if (size > SLOT_SMALL_SIZE) {
        at = vxc_must_calloc(1, size);
        slot->data.block = at;
        slot->flags |= SLOT_BLOCK;
    }
    if (result->value.size != 0) {
        memcpy(at, result->value.data, result->value.size);
    }
    if (result->next.size != 0) {
        memcpy(at + result->value.size, result->next.data, result->next.size);
    }
}

static void slot_clear(struct vxc_reply_slot *slot)
{
    if ((slot->flags & SLOT_BLOCK) != 0) {
        vxc_free(slot->data.block);
    }
    slot->flags = 0;
}

static void slot_read(const struct vxc_reply_slot *slot, struct vxc_result *result)
{
    const uint8_t *at = (slot->flags & SLOT_BLOCK) != 0 ? slot->data.block : slot->data.small;

    *result = (struct vxc_result){
        .code = slot->code,
        .found = (slot->flags & SLOT_FOUND) != 0,
        .number = slot->number,
        .token = slot->token,
        .index = slot->index,
        .text = slot->text,
    };
    if ((slot->flags & SLOT_VALUE) != 0) {
        result->value = vxc_slice(at, slot->value_size);
    }
    if ((slot->flags & SLOT_NEXT) != 0) {
        result->next = vxc_slice(at + slot->value_size, slot->next_size);
    }
}

/* ---- the ring ---- */

static void resize(struct vxc_reply_window *window, uint32_t capacity)
{
    struct vxc_reply_slot *slots = vxc_must_calloc(capacity, sizeof *slots);

    for (uint32_t i = 0; i < window->count; i++) {
        slots[i] = *slot_at(window, i);
    }
    vxc_free(window->slots);
    window->slots = slots;
    window->capacity = capacity;
    window->head = 0;
}

/* Position of the first sequence ≥ the one given; count when there is none. */
static uint32_t lower_bound(const struct vxc_reply_window *window, uint64_t sequence)
{
    uint32_t low = 0;
    uint32_t high = window->count;

    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (slot_at(window, middle)->sequence < sequence) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

static struct vxc_reply_slot *find(const struct vxc_reply_window *window, uint64_t sequence)
{
    uint32_t position = lower_bound(window, sequence);

    if (position == window->count || slot_at(window, position)->sequence != sequence) {
        return NULL;
    }
    return slot_at(window, position);
}

static bool is_above_all(const struct vxc_reply_window *window, uint64_t sequence)
{
    return window->count == 0 || slot_at(window, window->count - 1)->sequence < sequence;
}

static void forget(struct vxc_reply_window *window, uint64_t floor)
{
    if (floor <= window->floor) {
        return;
    }
    window->floor = floor;
    while (window->count > 0 && slot_at(window, 0)->sequence <= floor) {
        struct vxc_reply_slot *slot = slot_at(window, 0);
        window->bytes -= slot_weight(slot);
        slot_clear(slot);
        window->head = (window->head + 1) & (window->capacity - 1);
        window->count--;
    }
}

/* Adds at the end, or for a sequence that overtook others moves those above it up by one. */
static void insert(struct vxc_reply_window *window, uint64_t sequence, uint16_t op,
                   const struct vxc_result *result)
{
    uint32_t position;

    if (window->count == window->capacity) {
        resize(window, window->capacity == 0 ? SLOTS_FIRST : window->capacity * 2);
    }
    position = is_above_all(window, sequence) ? window->count : lower_bound(window, sequence);
    for (uint32_t i = window->count; i > position; i--) {
        *slot_at(window, i) = *slot_at(window, i - 1);
    }
    slot_write(slot_at(window, position), sequence, result);
    slot_at(window, position)->op = op;
    window->bytes += slot_weight(slot_at(window, position));
    window->count++;
}

/* ---- work ---- */

void vxc_reply_window_deinit(struct vxc_reply_window *window)
{
    for (uint32_t i = 0; i < window->count; i++) {
        slot_clear(slot_at(window, i));
    }
    vxc_free(window->slots);
    *window = (struct vxc_reply_window){0};
}

int vxc_reply_window_admit(struct vxc_reply_window *window, uint64_t sequence, uint64_t floor,
                           uint16_t op, struct vxc_result *result)
{
    forget(window, floor);
    if (sequence <= window->floor) {
        return VXC_ESEQUENCE;
    }
    if (!is_above_all(window, sequence)) {
        const struct vxc_reply_slot *slot = find(window, sequence);
        if (slot != NULL && slot->op != op) {
            return VXC_ESEQUENCE;
        }
        if (slot != NULL && !VXC_PLANTED(retry_carried_out_again)) {
            slot_read(slot, result);
            result->replayed = true;
            return 1;
        }
    }
    if (window->count >= VXC_SESSION_REPLIES_MAX || window->bytes >= VXC_SESSION_REPLY_BYTES_MAX) {
        return VXC_EBUSY;
    }
    return 0;
}

void vxc_reply_window_remember(struct vxc_reply_window *window, uint64_t sequence, uint64_t index,
                               uint16_t op, const struct vxc_result *result)
{
    vxc_check(sequence > window->floor);
    vxc_check(window->count < VXC_SESSION_REPLIES_MAX);
    vxc_check(is_above_all(window, sequence) || find(window, sequence) == NULL);
    insert(window, sequence, op, result);
    window->heard_index = index;
}

bool vxc_reply_window_amend(struct vxc_reply_window *window, uint64_t sequence,
                            const struct vxc_result *result)
{
    struct vxc_reply_slot *slot = find(window, sequence);

    if (slot == NULL) {
        return false;
    }
    window->bytes -= slot_weight(slot);
    slot_clear(slot);
    slot_write(slot, sequence, result);
    window->bytes += slot_weight(slot);
    return true;
}

/* ---- the row ---- */

bool vxc_reply_window_is_blank(const struct vxc_reply_window *window)
{
    return window->floor == 0 && window->heard_index == 0 && window->count == 0;
}

void vxc_reply_window_encode(struct vxc_reply_window *window, struct vxc_buffer *out)
{
    vxc_must(vxc_buffer_put_u64(out, window->floor));
    vxc_must(vxc_buffer_put_u64(out, window->heard_index));
    vxc_must(vxc_buffer_put_u32(out, window->count));
    for (uint32_t i = 0; i < window->count; i++) {
        const struct vxc_reply_slot *slot = slot_at(window, i);
        struct vxc_result result;
        size_t at;

        slot_read(slot, &result);
        vxc_must(vxc_buffer_put_u64(out, slot->sequence));
        vxc_must(vxc_buffer_put_u16(out, slot->op));
        at = out->size;
        vxc_must(vxc_buffer_put_u32(out, 0));
        vxc_must(vxc_result_encode(&result, out));
        vxc_store_u32(out->data + at, (uint32_t)(out->size - at - 4));
    }
    if (window->capacity > SLOTS_KEPT && window->count < window->capacity / 4) {
        resize(window, window->capacity / 2);
    }
}

static int decode_items(struct vxc_reader *reader, uint32_t count, struct vxc_reply_window *window)
{
    for (uint32_t i = 0; i < count; i++) {
        uint64_t sequence = vxc_reader_u64(reader);
        uint16_t op = vxc_reader_u16(reader);
        struct vxc_slice bytes = vxc_reader_bytes(reader);
        struct vxc_result result;

        if (!vxc_reader_ok(reader) || sequence <= window->floor ||
            !is_above_all(window, sequence) || vxc_result_decode(bytes, &result) != 0) {
            return VXC_ECORRUPT;
        }
        insert(window, sequence, op, &result);
    }
    return vxc_reader_at_end(reader) ? 0 : VXC_ECORRUPT;
}

int vxc_reply_window_decode(struct vxc_slice body, struct vxc_reply_window *window)
{
    struct vxc_reader reader = vxc_reader(body);
    struct vxc_reply_window read = {0};
    uint32_t count;
    int rv;

    read.floor = vxc_reader_u64(&reader);
    read.heard_index = vxc_reader_u64(&reader);
    count = vxc_reader_u32(&reader);
    if (!vxc_reader_ok(&reader) || count > VXC_SESSION_REPLIES_MAX) {
        return VXC_ECORRUPT;
    }
    rv = decode_items(&reader, count, &read);
    if (rv != 0) {
        vxc_reply_window_deinit(&read);
        return rv;
    }
    *window = read;
    return 0;
}
