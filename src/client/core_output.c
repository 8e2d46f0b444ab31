/* What is to be sent: own bytes, and between them bytes that callers lent.
 *
 * Own bytes are a buffer that is compacted now and then; a loan knows before which own byte of the
 * connection it goes. Lent bytes are handed to the driver where they lie. They are the caller's
 * again when its request ends, which a deadline may bring before they were sent: the rest is copied
 * then, for a frame that was begun must be ended.
 */
#include "base/check.h"
#include "base/memory.h"
#include "client/core_internal.h"

/* Compacting moves at most what is left behind so many sent bytes. */
#define SENT_KEPT_MAX VXC_MIB

static void drop_loan(struct vxc_core *core, struct loan *loan)
{
    TAILQ_REMOVE(&core->loans, loan, link);
    if (loan->owner != NULL) {
        loan->owner->loan = NULL;
    }
    vxc_free(loan->copy);
    vxc_free(loan);
}

void vxc_core_output_clear(struct vxc_core *core)
{
    struct loan *loan;

    while ((loan = TAILQ_FIRST(&core->loans)) != NULL) {
        drop_loan(core, loan);
    }
    core->out.size = core->out_sent = 0;
    core->out_offset = core->lent_bytes = core->sent_bytes = 0;
    core->out_torn = false;
}

/* ---- adding ---- */

static int add_payload(struct vxc_core *core, struct pending *p, size_t offset)
{
    const size_t payload_at = core->out.size;
    struct loan *loan;
    int rc;

    if (vxc_buffer_append(&core->out, p->payload, p->payload_size) != VXC_OK) {
        vxc_frame_cancel(&core->out, offset);
        return VXC_ENOMEM;
    }
    if (p->lent.size == 0) {
        return vxc_frame_finish(&core->out, offset);
    }
    loan = vxc_malloc(sizeof *loan);
    if (loan == NULL) {
        vxc_frame_cancel(&core->out, offset);
        return VXC_ENOMEM;
    }
    *loan = (struct loan){
        .owner = p, .own_at = core->out_offset + payload_at + p->lent_at, .rest = p->lent};
    rc = vxc_frame_finish_around(&core->out, offset, p->lent, payload_at + p->lent_at);
    if (rc != VXC_OK) {
        vxc_free(loan);
        return rc;
    }
    TAILQ_INSERT_TAIL(&core->loans, loan, link);
    core->lent_bytes += p->lent.size;
    p->loan = loan;
    return VXC_OK;
}

int vxc_core_output_add(struct vxc_core *core, struct pending *p, uint64_t floor)
{
    size_t offset;
    int rc;

    /* An answer "busy" to what has not left whole, from an odd server: the first frame goes on. */
    vxc_core_output_release(core, p);
    if (p->sequence != 0) {
        offset = vxc_frame_begin_sequenced(&core->out, p->flags, p->kind, p->request_id,
                                           p->sequence, floor);
    } else {
        offset = vxc_frame_begin(&core->out, p->flags, p->kind, p->request_id);
    }
    rc = add_payload(core, p, offset);
    if (rc == VXC_OK) {
        p->end_offset = core->out_offset + core->out.size + core->lent_bytes;
    }
    return rc;
}

void vxc_core_output_release(struct vxc_core *core, struct pending *p)
{
    struct loan *loan = p->loan;

    if (loan == NULL) {
        return;
    }
    p->loan = NULL;
    loan->owner = NULL;
    loan->copy = vxc_malloc(loan->rest.size);
    if (loan->copy == NULL) {
        core->out_torn = true; /* nothing more is sent; the next tick ends the connection */
        loan->rest = vxc_slice(NULL, 0);
        return;
    }
    memcpy(loan->copy, loan->rest.data, loan->rest.size);
    loan->rest.data = loan->copy;
}

/* ---- sending ---- */

bool vxc_core_has_output(const struct vxc_core *core)
{
    return core->state != VXC_CORE_DOWN && !core->out_torn &&
           (core->out_sent < core->out.size || !TAILQ_EMPTY(&core->loans));
}

size_t vxc_core_output(const struct vxc_core *core, struct vxc_slice *parts, size_t parts_max)
{
    size_t own = core->out_sent, count = 0;
    const struct loan *loan;

    if (!vxc_core_has_output(core)) {
        return 0;
    }
    TAILQ_FOREACH(loan, &core->loans, link)
    {
        const size_t own_at = (size_t)(loan->own_at - core->out_offset);
        if (own < own_at && count < parts_max) {
            parts[count++] = vxc_slice(core->out.data + own, own_at - own);
        }
        if (count == parts_max) {
            return count;
        }
        parts[count++] = loan->rest;
        own = own_at;
    }
    if (own < core->out.size && count < parts_max) {
        parts[count++] = vxc_slice(core->out.data + own, core->out.size - own);
    }
    return count;
}

/* Own bytes up to the first loan, or all. */
static size_t own_before_loan(const struct vxc_core *core)
{
    const struct loan *loan = TAILQ_FIRST(&core->loans);
    return loan == NULL ? core->out.size - core->out_sent
                        : (size_t)(loan->own_at - core->out_offset) - core->out_sent;
}

static void take_sent(struct vxc_core *core, size_t size)
{
    while (size > 0) {
        struct loan *loan = TAILQ_FIRST(&core->loans);
        const size_t own = own_before_loan(core);
        if (own > 0 || loan == NULL) {
            const size_t step = size < own ? size : own;
            vxc_check(step > 0);
            core->out_sent += step;
            size -= step;
            continue;
        }
        const size_t step = size < loan->rest.size ? size : loan->rest.size;
        loan->rest = vxc_slice(loan->rest.data + step, loan->rest.size - step);
        size -= step;
        if (loan->rest.size == 0) {
            drop_loan(core, loan);
        }
    }
}

void vxc_core_sent(struct vxc_core *core, size_t size, uint64_t now_ms)
{
    take_sent(core, size);
    core->sent_bytes += size;
    if (core->ping_open && core->ping_ms == 0 && core->ping_end <= core->sent_bytes) {
        core->ping_ms = now_ms;
    }
    core->sent_ms = now_ms;
    if (core->out_sent == core->out.size) {
        core->out_offset += core->out.size;
        core->out.size = core->out_sent = 0;
    } else if (core->out_sent > SENT_KEPT_MAX) { /* keep what is left near the front */
        memmove(core->out.data, core->out.data + core->out_sent, core->out.size - core->out_sent);
        core->out_offset += core->out_sent;
        core->out.size -= core->out_sent;
        core->out_sent = 0;
    }
}
