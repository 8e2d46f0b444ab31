/* The model's registrations: one list, in the order of first adding. */
#include "model_internal.h"

#include <stdlib.h>

static bool is_of(const struct registration *r, const struct vxc_command *c)
{
    return r->space == c->namespace_id && vxc_slice_equal(r->address, c->name) &&
           vxc_slice_equal(r->node_id, c->key) && r->seq == (uint64_t)c->a;
}

/* Its position; the count when it is not there. */
static unsigned find(const struct model *m, const struct vxc_command *c)
{
    unsigned at = 0;

    while (at < m->registration_count && !is_of(&m->registrations[at], c)) {
        at++;
    }
    return at;
}

int64_t model_registrations_of(const struct model *m, const struct vxc_command *c)
{
    int64_t count = 0;

    for (unsigned i = 0; i < m->registration_count; i++) {
        count += m->registrations[i].space == c->namespace_id &&
                 vxc_slice_equal(m->registrations[i].address, c->name);
    }
    return count;
}

static void drop(struct model *m, unsigned position)
{
    m->registration_count--;
    memmove(&m->registrations[position], &m->registrations[position + 1],
            (m->registration_count - position) * sizeof m->registrations[0]);
}

void model_apply_registration(struct model *m, const struct vxc_command *c,
                              struct model_result *out)
{
    unsigned at;
    struct registration *r;

    if (model_find_session(m, c->session) == NULL || c->name.size == 0) {
        out->result.code = c->name.size == 0 && c->session != 0 ? VXC_EINVAL : VXC_ESESSION;
        return;
    }
    at = find(m, c);
    out->result.found = at < m->registration_count;
    if (c->op == VXC_OP_REGISTRATION_ADD) {
        r = &m->registrations[at];
        out->result.found = !out->result.found || !vxc_slice_equal(r->data, c->value);
        if (at == m->registration_count) {
            m->registration_count++;
            vxc_check(m->registration_count < ITEMS_MAX);
        }
        *r = (struct registration){c->namespace_id,         c->session,
                                   (uint64_t)c->a,          model_intern(m, c->name),
                                   model_intern(m, c->key), model_intern(m, c->value)};
    } else if (out->result.found) {
        drop(m, at);
    }
    out->result.number = model_registrations_of(m, c);
}

void model_drop_registrations_of(struct model *m, uint64_t session)
{
    for (unsigned i = m->registration_count; i-- > 0;) {
        if (m->registrations[i].session == session) {
            drop(m, i);
        }
    }
}

/* ---- resync ---- */

static int compare_adds(const void *a, const void *b)
{
    const struct vxc_command *left = a;
    const struct vxc_command *right = b;
    int order = vxc_slice_compare(left->name, right->name);

    order = order != 0 ? order : vxc_slice_compare(left->key, right->key);
    return order != 0 ? order : (left->a > right->a) - (left->a < right->a);
}

static unsigned read_adds(const struct vxc_command *c, struct vxc_command *adds)
{
    struct vxc_slice rest;
    uint32_t count;

    must(vxc_list_read_head(c->value, &count, &rest));
    vxc_check(count <= RESYNC_MAX);
    for (uint32_t i = 0; i < count && model_nested_next(&rest, c->namespace_id, &adds[i]); i++) {
        adds[i].session = c->session;
    }
    qsort(adds, count, sizeof *adds, compare_adds);
    return count;
}

static bool is_wanted(const struct registration *r, const struct vxc_command *adds, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        if (is_of(r, &adds[i])) {
            return true;
        }
    }
    return false;
}

void model_apply_resync(struct model *m, const struct vxc_command *c, struct model_result *out)
{
    struct vxc_command adds[RESYNC_MAX];
    unsigned count = read_adds(c, adds);
    bool changed = false;

    if (model_find_session(m, c->session) == NULL) {
        out->result.code = VXC_ESESSION;
        return;
    }
    for (unsigned i = 1; i < count; i++) {
        if (compare_adds(&adds[i - 1], &adds[i]) == 0) {
            out->result.code = VXC_EINVAL;
            return;
        }
    }
    for (unsigned i = m->registration_count; i-- > 0;) {
        if (m->registrations[i].session == c->session &&
            !is_wanted(&m->registrations[i], adds, count)) {
            drop(m, i);
            changed = true;
        }
    }
    for (unsigned i = 0; i < count; i++) {
        struct model_result added = {0};

        model_apply_registration(m, &adds[i], &added);
        changed = changed || added.result.found;
    }
    out->result.found = changed;
    out->result.number = (int64_t)count;
}
