#include "tools/vxc/load_ops.h"

#include "wire/message.h"

#include <stdio.h>
#include <stdlib.h>

#define POOL_SIZE (256u * VXC_KIB) /* a power of two that fits a second-level cache */
#define KEY_SIZE  VXC_LOAD_KEY_SIZE
#define PUT_TAIL  9u /* ttl u64, want_old u8: both 0 */
#define NAME_MAP  "bench"
#define NAME_ADD  "bench/"

/* Offsets of what changes, from the frame's first byte. */
enum {
    AT_KEY = VXC_FRAME_HEADER_SIZE + 4 + (sizeof NAME_MAP - 1) + 4,
    AT_VALUE = AT_KEY + KEY_SIZE + 4,
    AT_NUMBER = VXC_FRAME_HEADER_SIZE + 4 + (sizeof NAME_ADD - 1)
};

/* ---- randomness, keys ---- */

static uint64_t next_random(struct vxc_load_ops *ops)
{
    ops->random ^= ops->random << 13;
    ops->random ^= ops->random >> 7;
    ops->random ^= ops->random << 17;
    return ops->random;
}

/* Uniform in 0 … limit − 1, for limits far below 2^32. */
static uint64_t random_below(struct vxc_load_ops *ops, uint64_t limit)
{
    return (next_random(ops) >> 32) * limit >> 32;
}

static void write_digits(uint8_t *at, unsigned width, uint64_t number)
{
    for (unsigned i = width; i > 0; i--) {
        at[i - 1] = (uint8_t)('0' + number % 10);
        number /= 10;
    }
}

static unsigned digits_of(uint64_t number)
{
    unsigned digits = 1;

    while (number >= 10) {
        number /= 10;
        digits++;
    }
    return digits;
}

void vxc_load_key(char out[VXC_LOAD_KEY_SIZE], uint64_t number)
{
    memcpy(out, "key:", 4);
    write_digits((uint8_t *)out + 4, KEY_SIZE - 4, number);
}

/* ---- birth ---- */

static int make_get(struct vxc_buffer *out)
{
    char key[KEY_SIZE];
    const size_t at = vxc_frame_begin(out, VXC_FRAME_REQUEST, VXC_KIND_MAP_GET, 0);

    vxc_load_key(key, 0);
    (void)vxc_buffer_put_bytes(out, vxc_slice_of_string(NAME_MAP)); /* room was reserved */
    (void)vxc_buffer_put_bytes(out, vxc_slice(key, KEY_SIZE));
    return vxc_frame_finish(out, at);
}

/* With a value of the right size, which is then cut off again: the size in the header stays. */
static int make_put(struct vxc_buffer *out, struct vxc_slice value)
{
    char key[KEY_SIZE];
    const size_t at = vxc_frame_begin(out, VXC_FRAME_REQUEST, VXC_KIND_MAP_PUT, 0);
    int rc;

    vxc_load_key(key, 0);
    (void)vxc_buffer_put_bytes(out, vxc_slice_of_string(NAME_MAP)); /* room was reserved */
    (void)vxc_buffer_put_bytes(out, vxc_slice(key, KEY_SIZE));
    (void)vxc_buffer_put_bytes(out, value);
    (void)vxc_buffer_put_u64(out, 0); /* no ttl */
    (void)vxc_buffer_put_u8(out, 0);  /* the old value is not wanted */
    rc = vxc_frame_finish(out, at);
    out->size = rc == VXC_OK ? AT_VALUE : out->size;
    return rc;
}

static int make_add(struct vxc_buffer *out, unsigned digits)
{
    uint8_t name[sizeof NAME_ADD + VXC_LOAD_DIGITS_MAX] = NAME_ADD "000000000";
    const size_t at = vxc_frame_begin(out, VXC_FRAME_REQUEST, VXC_KIND_COUNTER_ADD, 0);

    (void)vxc_buffer_put_bytes(out, vxc_slice(name, sizeof NAME_ADD - 1 + digits)); /* as above */
    (void)vxc_buffer_put_u64(out, 1);
    (void)vxc_buffer_put_u8(out, 0); /* the old number is not wanted */
    return vxc_frame_finish(out, at);
}

static void fill_pool(struct vxc_load_ops *ops, size_t size)
{
    static const char alphabet[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

    for (size_t i = 0; i < size; i++) {
        ops->pool[i] = (uint8_t)alphabet[next_random(ops) >> 58];
    }
}

int vxc_load_ops_init(struct vxc_load_ops *ops, const struct vxc_load_options *options,
                      uint64_t seed)
{
    const size_t room = vxc_load_request_size_max(options);
    int rc = VXC_OK;

    *ops = (struct vxc_load_ops){.options = options, .random = seed};
    ops->pool = malloc(POOL_SIZE + options->value_size);
    if (ops->pool == NULL || vxc_buffer_reserve(&ops->get, room) != VXC_OK ||
        vxc_buffer_reserve(&ops->put, room) != VXC_OK ||
        vxc_buffer_reserve(&ops->ping, room) != VXC_OK) {
        return VXC_ENOMEM;
    }
    fill_pool(ops, POOL_SIZE + options->value_size);
    rc = make_get(&ops->get);
    rc = rc != VXC_OK ? rc : make_put(&ops->put, vxc_slice(ops->pool, options->value_size));
    rc = rc != VXC_OK
             ? rc
             : vxc_frame_finish(&ops->ping,
                                vxc_frame_begin(&ops->ping, VXC_FRAME_REQUEST | VXC_FRAME_PING,
                                                VXC_KIND_PING, 0));
    for (unsigned i = 0; rc == VXC_OK && i < VXC_LOAD_DIGITS_MAX; i++) {
        rc = vxc_buffer_reserve(&ops->add[i], room);
        rc = rc != VXC_OK ? rc : make_add(&ops->add[i], i + 1);
    }
    return rc;
}

void vxc_load_ops_deinit(struct vxc_load_ops *ops)
{
    free(ops->pool);
    vxc_buffer_free(&ops->get);
    vxc_buffer_free(&ops->put);
    vxc_buffer_free(&ops->ping);
    for (unsigned i = 0; i < VXC_LOAD_DIGITS_MAX; i++) {
        vxc_buffer_free(&ops->add[i]);
    }
}

size_t vxc_load_request_size_max(const struct vxc_load_options *options)
{
    return 256u + options->value_size;
}

/* ---- requests ---- */

/* Appends a copy of a frame; it is to be sealed when its bytes are right. */
static uint8_t *copy_frame(struct vxc_buffer *out, const struct vxc_buffer *frame)
{
    uint8_t *at = out->data + out->size;

    memcpy(at, frame->data, frame->size);
    out->size += frame->size;
    return at;
}

static void put_get(struct vxc_load_ops *ops, uint32_t request_id, struct vxc_buffer *out)
{
    uint8_t *frame = copy_frame(out, &ops->get);

    write_digits(frame + AT_KEY + 4, KEY_SIZE - 4, random_below(ops, ops->options->keys));
    vxc_frame_seal(frame, request_id);
}

void vxc_load_put_fill(struct vxc_load_ops *ops, uint64_t key, uint32_t request_id,
                       struct vxc_buffer *out)
{
    const uint32_t value_size = ops->options->value_size;
    uint8_t *frame = copy_frame(out, &ops->put);

    write_digits(frame + AT_KEY + 4, KEY_SIZE - 4, key);
    memcpy(out->data + out->size, ops->pool + next_random(ops) % POOL_SIZE, value_size);
    memset(out->data + out->size + value_size, 0, PUT_TAIL);
    out->size += value_size + PUT_TAIL;
    vxc_frame_seal(frame, request_id);
}

static void put_add(struct vxc_load_ops *ops, uint32_t request_id, struct vxc_buffer *out)
{
    const uint64_t number = random_below(ops, ops->options->keys);
    const unsigned digits = digits_of(number);
    uint8_t *frame = copy_frame(out, &ops->add[digits - 1]);

    write_digits(frame + AT_NUMBER, digits, number);
    vxc_frame_seal(frame, request_id);
}

/* The only one that needs a session. Its sequence is its number from 1; what lies a whole pipeline
 * back has been answered, which the floor acknowledges. */
static void put_lock(const struct vxc_load_ops *ops, unsigned connection, uint64_t nth,
                     uint32_t request_id, struct vxc_buffer *out)
{
    char name[32];
    const int size = snprintf(name, sizeof name, "bench-%u", connection);
    const uint16_t kind = nth % 2 == 0 ? VXC_KIND_LOCK_ACQUIRE : VXC_KIND_LOCK_RELEASE;
    const unsigned pipeline = ops->options->pipeline;
    const uint64_t floor = nth > pipeline ? nth - pipeline : 0;
    const size_t at =
        vxc_frame_begin_sequenced(out, VXC_FRAME_REQUEST, kind, request_id, nth + 1, floor);

    (void)vxc_buffer_put_bytes(out, vxc_slice(name, (size_t)size)); /* room was reserved */
    (void)vxc_buffer_put_u64(out, 0); /* do not wait; whatever token */
    (void)vxc_frame_finish(out, at);  /* small, and begun */
}

/* Which operation the n-th request of a connection is. */
static enum vxc_load_op op_of(const struct vxc_load_ops *ops, unsigned connection, uint64_t nth)
{
    uint64_t dice;

    if (ops->options->op != VXC_LOAD_MIXED) {
        return ops->options->op;
    }
    dice = (((nth + connection) * UINT64_C(0x9e3779b97f4a7c15)) >> 32) * 10 >> 32;
    return dice < 7 ? VXC_LOAD_MAP_GET : dice < 9 ? VXC_LOAD_MAP_PUT : VXC_LOAD_COUNTER_ADD;
}

void vxc_load_put_request(struct vxc_load_ops *ops, unsigned connection, uint64_t nth,
                          uint32_t request_id, struct vxc_buffer *out)
{
    switch (op_of(ops, connection, nth)) {
    case VXC_LOAD_MAP_PUT:
        vxc_load_put_fill(ops, random_below(ops, ops->options->keys), request_id, out);
        break;
    case VXC_LOAD_MAP_GET:
        put_get(ops, request_id, out);
        break;
    case VXC_LOAD_COUNTER_ADD:
        put_add(ops, request_id, out);
        break;
    case VXC_LOAD_LOCK:
        put_lock(ops, connection, nth, request_id, out);
        break;
    default:
        vxc_frame_seal(copy_frame(out, &ops->ping), request_id);
    }
}

/* ---- replies ---- */

static int judge_error(const struct vxc_frame *reply)
{
    int64_t code;

    if (reply->kind != VXC_KIND_ERROR_REPLY || reply->payload.size < 8) {
        return VXC_EPROTO;
    }
    code = (int64_t)vxc_load_u64(reply->payload.data);
    return code < 0 && code > -10000 ? (int)code : VXC_EPROTO;
}

/* index u64, present u8, then length u32 and the bytes */
static int judge_value(const struct vxc_load_ops *ops, const struct vxc_frame *reply)
{
    const uint32_t value_size = ops->options->value_size;

    if (reply->payload.size < 9) {
        return VXC_EPROTO;
    }
    if (reply->payload.data[8] == 0) {
        return VXC_ENOTFOUND;
    }
    return reply->payload.size >= 13 && vxc_load_u32(reply->payload.data + 9) == value_size &&
                   reply->size >= VXC_FRAME_HEADER_SIZE + 13u + value_size
               ? VXC_OK
               : VXC_EPROTO;
}

/* index u64, then acquired u8 or truth u8 */
static int judge_lock(const struct vxc_frame *reply)
{
    return reply->payload.size < 9       ? VXC_EPROTO
           : reply->payload.data[8] == 1 ? VXC_OK
                                         : VXC_ENOTHELD;
}

int vxc_load_judge_fill(const struct vxc_frame *reply)
{
    return reply->kind != VXC_KIND_VALUE_REPLY ? judge_error(reply)
           : reply->payload.size >= 9          ? VXC_OK
                                               : VXC_EPROTO;
}

int vxc_load_judge(const struct vxc_load_ops *ops, unsigned connection, uint64_t nth,
                   const struct vxc_frame *reply)
{
    static const uint16_t lock_kinds[] = {VXC_KIND_LOCK_REPLY, VXC_KIND_TRUTH_REPLY};

    switch (op_of(ops, connection, nth)) {
    case VXC_LOAD_MAP_PUT:
        return vxc_load_judge_fill(reply);
    case VXC_LOAD_MAP_GET:
        return reply->kind == VXC_KIND_VALUE_REPLY ? judge_value(ops, reply) : judge_error(reply);
    case VXC_LOAD_COUNTER_ADD: /* index u64, number i64, found u8 */
        return reply->kind != VXC_KIND_NUMBER_REPLY ? judge_error(reply)
               : reply->payload.size >= 17          ? VXC_OK
                                                    : VXC_EPROTO;
    case VXC_LOAD_LOCK:
        return reply->kind == lock_kinds[nth % 2] ? judge_lock(reply) : judge_error(reply);
    default:
        return reply->kind == VXC_KIND_PONG && (reply->flags & VXC_FRAME_PONG) != 0
                   ? VXC_OK
                   : judge_error(reply);
    }
}
