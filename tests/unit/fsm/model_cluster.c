/* The model's members of the cluster, and its state syncs. */
#include "model_internal.h"

/* ---- members ---- */

static struct model_member *find(struct model *m, uint64_t id)
{
    for (unsigned i = 0; i < m->member_count; i++) {
        if (m->members[i].id == id) {
            return &m->members[i];
        }
    }
    return NULL;
}

static struct model_member *ensure(struct model *m, uint64_t id)
{
    struct model_member *member = find(m, id);

    if (member == NULL) {
        vxc_check(m->member_count < MEMBERS_MAX);
        member = &m->members[m->member_count++];
        *member = (struct model_member){.id = id};
    }
    return member;
}

static void set(struct model *m, const struct vxc_command *c, struct model_result *out)
{
    struct model_member *old = find(m, (uint64_t)c->a);
    uint64_t life = c->value.size == 0 ? 0 : vxc_load_u64(c->value.data);
    struct model_member *member;

    if (old != NULL && old->gone) {
        out->result.code = VXC_EEXISTS;
    } else if (old != NULL && old->incarnation != 0 && c->b != 0 && c->b != old->incarnation) {
        out->result.code = VXC_ECONFLICT;
    } else if (old != NULL && c->value.size != 0 && life < old->life) {
        out->result.code = VXC_ECONFLICT;
    }
    if (out->result.code != 0) {
        return;
    }
    out->result.found = old == NULL || (c->b != 0 && c->b != old->incarnation) ||
                        (c->value.size != 0 && life != old->life) ||
                        (c->name.data != NULL && !vxc_slice_equal(c->name, old->address));
    member = ensure(m, (uint64_t)c->a);
    member->incarnation = c->b != 0 ? c->b : member->incarnation;
    member->life = c->value.size != 0 ? life : member->life;
    member->address = c->name.data != NULL ? model_intern(m, c->name) : member->address;
}

void model_apply_member(struct model *m, const struct vxc_command *c, struct model_result *out)
{
    if (c->a < 1) {
        out->result.code = VXC_EINVAL;
    } else if (c->op == VXC_OP_MEMBER_SET) {
        set(m, c, out);
    } else {
        struct model_member *member = ensure(m, (uint64_t)c->a);
        out->result.found = !member->gone;
        member->gone = true;
        member->address = vxc_slice(NULL, 0);
    }
}

const struct model_member *model_member(const struct model *m, unsigned position)
{
    return position < m->member_count ? &m->members[position] : NULL;
}

/* ---- state syncs ---- */

static bool was_applied(const struct model *m, uint64_t id)
{
    for (unsigned i = 0; i < m->sync_count; i++) {
        if (m->syncs[i] == id) {
            return true;
        }
    }
    return false;
}

/* What refuses an operation in the state before the first of them. */
static int refusal_of(struct model *m, const struct vxc_command *c)
{
    const struct lock *lock;

    if (c->op == VXC_OP_LOCK_DESTROY) {
        lock = model_find_lock(m, c->namespace_id, c->name);
        return lock != NULL && (lock->holder != 0 || lock->waiter_count != 0) ? VXC_EBUSY : 0;
    }
    return model_has_bad_ttl(c) ? VXC_EINVAL : 0;
}

void model_apply_sync(struct model *m, const struct vxc_command *sync, struct model_result *out)
{
    struct vxc_slice rest;
    struct vxc_command c;
    uint32_t count;

    must(vxc_list_read_head(sync->value, &count, &rest));
    out->result.number = count;
    out->result.replayed = was_applied(m, (uint64_t)sync->a);
    if (out->result.replayed) {
        out->result.index = m->index; /* by then it had been applied */
        return;
    }
    for (uint32_t i = 0; i < count && model_nested_next(&rest, sync->namespace_id, &c); i++) {
        int code = refusal_of(m, &c);
        if (code != 0) {
            out->result = (struct vxc_result){.code = code};
            return;
        }
    }
    must(vxc_list_read_head(sync->value, &count, &rest));
    for (uint32_t i = 0; i < count && model_nested_next(&rest, sync->namespace_id, &c); i++) {
        struct model_result nested = {0};
        if (!model_apply_data(m, &c, &nested)) {
            model_apply_lock(m, &c, &nested);
        }
        vxc_buffer_free(&nested.value);
    }
    vxc_check(m->sync_count < SYNCS_MAX);
    m->syncs[m->sync_count++] = (uint64_t)sync->a;
    out->result.found = true;
}
