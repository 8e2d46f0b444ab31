/* --initial-cluster and --join: texts into ids and addresses. */
#include "base/endpoint.h"
#include "node/cluster.h"

#include <stdio.h>
#include <string.h>

const char *vxc_cluster_spec_address(const struct vxc_cluster_spec *spec, uint64_t id)
{
    for (uint32_t i = 0; i < spec->count; i++) {
        if (spec->members[i].id == id) {
            return spec->members[i].address;
        }
    }
    return NULL;
}

/* The number before '='; 0: there is none from 1 to UINT32_MAX. */
static uint64_t read_id(const char *text, size_t size)
{
    uint64_t id = 0;

    if (size == 0 || size > 10) {
        return 0;
    }
    for (size_t i = 0; i < size; i++) {
        if (text[i] < '0' || text[i] > '9') {
            return 0;
        }
        id = id * 10 + (uint64_t)(text[i] - '0');
    }
    return id <= UINT32_MAX ? id : 0;
}

/* Puts a member behind those that are there. */
static int add(struct vxc_cluster_spec *spec, const char *option, uint64_t id, const char *address,
               size_t size, struct vxc_error *err)
{
    struct vxc_endpoint endpoint;
    struct vxc_cluster_address *member;

    if (vxc_endpoint_parse(address, size, &endpoint) != 0 || size >= VXC_ADDRESS_TEXT_MAX ||
        vxc_host_is_wildcard(endpoint.host)) {
        return vxc_error_set(
            err, VXC_EINVAL,
            "%s: \"%.*s\" is not where others reach a node; expected host:port, as "
            "in 10.0.0.1:7400",
            option, size < 300 ? (int)size : 300, address);
    }
    if (spec->count == VXC_CONFIGURATION_MEMBERS_MAX) {
        return vxc_error_set(err, VXC_EINVAL, "%s: more than %d nodes", option,
                             VXC_CONFIGURATION_MEMBERS_MAX);
    }
    member = &spec->members[spec->count];
    member->id = id;
    (void)snprintf(member->address, sizeof member->address, "%.*s", (int)size, address);
    for (uint32_t i = 0; i < spec->count; i++) {
        if (id != 0 && spec->members[i].id == id) {
            return vxc_error_set(err, VXC_EINVAL, "%s: node %llu is named twice", option,
                                 (unsigned long long)id);
        }
        if (strcmp(spec->members[i].address, member->address) == 0) {
            return vxc_error_set(err, VXC_EINVAL, "%s: %s is named twice", option, member->address);
        }
    }
    spec->count++;
    return 0;
}

static int add_initial(struct vxc_cluster_spec *spec, const char *part, size_t size,
                       struct vxc_error *err)
{
    static const char option[] = "--initial-cluster";
    const char *equals = memchr(part, '=', size);
    uint64_t id = equals == NULL ? 0 : read_id(part, (size_t)(equals - part));

    if (id == 0) {
        return vxc_error_set(
            err, VXC_EINVAL,
            "%s: \"%.*s\" does not begin with a node id; expected ID=host:port, as "
            "in 1=10.0.0.1:7400",
            option, size < 300 ? (int)size : 300, part);
    }
    equals++;
    return add(spec, option, id, equals, size - (size_t)(equals - part), err);
}

/* Walks the parts between commas. */
static int parse(const char *text, bool with_ids, struct vxc_cluster_spec *out,
                 struct vxc_error *err)
{
    struct vxc_cluster_spec spec = {0};

    for (const char *at = text;;) {
        size_t size = strcspn(at, ",");
        int rv =
            with_ids ? add_initial(&spec, at, size, err) : add(&spec, "--join", 0, at, size, err);

        if (rv != 0) {
            return rv;
        }
        if (at[size] == '\0') {
            *out = spec;
            return 0;
        }
        at += size + 1;
    }
}

int vxc_cluster_parse_initial(const char *text, struct vxc_cluster_spec *spec,
                              struct vxc_error *err)
{
    return parse(text, true, spec, err);
}

int vxc_cluster_parse_join(const char *text, struct vxc_cluster_spec *spec, struct vxc_error *err)
{
    return parse(text, false, spec, err);
}
