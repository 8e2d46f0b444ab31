/* --initial-cluster and --join: who is in the cluster and where, as people write it.
 *
 *   1=10.0.0.1:7400,2=node-b.example:7400,3=[fd00::3]:7400
 *
 * Every node of a new cluster has to be given the same text, and a restore derives the new cluster's
 * id from it (restore.c). So one thing has one spelling: no blanks, no leading zeros, version 6 in
 * brackets. Names are not looked up here.
 */
#include "node/cluster.h"

#include <arpa/inet.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#define SHOWN_MAX 80 /* characters of a wrong part that a message repeats */

static_assert(VXC_MEMBER_ADDRESS_SIZE_MAX == VXC_ADDRESS_TEXT_MAX - 1,
              "the member table keeps every address");
static_assert(VXC_MEMBERS_MAX >= 2 * VXC_CONFIGURATION_MEMBERS_MAX,
              "the member table has room for a configuration and for those who come and go");

enum { HOST_SIZE_MAX = 253 }; /* bytes; longest host name of DNS */

/* One part of the list, and which one it is. */
struct part {
    const char *text;
    size_t size;
    uint32_t position; /* from 1 */
};

static int wrong(const struct part *part, const char *what, struct vxc_error *err)
{
    return vxc_error_set(err, VXC_EINVAL, "part %" PRIu32 ", \"%.*s%s\": %s", part->position,
                         part->size < SHOWN_MAX ? (int)part->size : SHOWN_MAX, part->text,
                         part->size < SHOWN_MAX ? "" : "…", what);
}

/* Reads a decimal number without leading zeros. False when it is none or over `max`. */
static bool read_number(const char *text, size_t size, uint64_t max, uint64_t *number)
{
    uint64_t value = 0;

    if (size == 0 || text[0] == '0') {
        return false;
    }
    for (size_t i = 0; i < size; i++) {
        if (text[i] < '0' || text[i] > '9') {
            return false;
        }
        value = value * 10 + (uint64_t)(text[i] - '0');
        if (value > max) {
            return false;
        }
    }
    *number = value;
    return true;
}

/* ---- hosts ---- */

static bool is_version_6(const char *host, size_t size)
{
    char text[INET6_ADDRSTRLEN] = {0};
    struct in6_addr address;

    if (size >= sizeof text) {
        return false;
    }
    memcpy(text, host, size);
    return inet_pton(AF_INET6, text, &address) == 1 && !IN6_IS_ADDR_UNSPECIFIED(&address);
}

static bool is_version_4(const char *host, size_t size)
{
    char text[INET_ADDRSTRLEN] = {0};
    struct in_addr address;

    if (size >= sizeof text) {
        return false;
    }
    memcpy(text, host, size);
    return inet_pton(AF_INET, text, &address) == 1 && address.s_addr != htonl(INADDR_ANY);
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_of_a_name(char c)
{
    return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' || c == '_';
}

/* Labels of letters, digits, '-' and '_', with dots between. */
static bool is_name(const char *host, size_t size)
{
    size_t label = 0; /* where it begins */

    if (size == 0 || size > HOST_SIZE_MAX) {
        return false;
    }
    for (size_t i = 0; i <= size; i++) {
        if (i < size && host[i] != '.') {
            if (!is_of_a_name(host[i])) {
                return false;
            }
        } else if (i == label || i - label > 63) {
            return false; /* no label, or one that DNS has no room for */
        } else if (i < size) {
            label = i + 1;
        }
    }
    return true;
}

/* A last label of digits alone is no name: that was meant to be an address. */
static bool ends_in_a_number(const char *host, size_t size)
{
    size_t at = size;

    while (at > 0 && is_digit(host[at - 1])) {
        at--;
    }
    return at < size && (at == 0 || host[at - 1] == '.');
}

static bool is_host(const char *host, size_t size)
{
    if (size >= 2 && host[0] == '[' && host[size - 1] == ']') {
        return is_version_6(host + 1, size - 2);
    }
    return ends_in_a_number(host, size) ? is_version_4(host, size) : is_name(host, size);
}

/* ---- parts ---- */

static int read_address(const struct part *part, const char *text, size_t size,
                        struct vxc_cluster_address *member, struct vxc_error *err)
{
    const char *colon = memrchr(text, ':', size);
    size_t host_size = colon == NULL ? 0 : (size_t)(colon - text);
    uint64_t port;

    if (colon == NULL || text[size - 1] == ']') {
        return wrong(part, "has no port; expected HOST:PORT", err);
    }
    if (!read_number(colon + 1, size - host_size - 1, UINT16_MAX, &port)) {
        return wrong(part, "the port is no number from 1 to 65535", err);
    }
    if (host_size > 0 && text[0] != '[' && memchr(text, ':', host_size) != NULL) {
        return wrong(part, "an address of IP version 6 stands in brackets, as in [::1]:7400", err);
    }
    if (!is_host(text, host_size)) {
        return wrong(part, "has no host that others could reach; expected a name or an address",
                     err);
    }
    memcpy(member->address, text, size); /* a host and a port have room in it */
    member->address[size] = '\0';
    return 0;
}

static int read_id(const struct part *part, size_t size, uint64_t *id, struct vxc_error *err)
{
    if (!read_number(part->text, size, UINT32_MAX, id)) {
        return wrong(part, "the id is no number from 1 to 4294967295", err);
    }
    return 0;
}

/* "ID=HOST:PORT", or only "HOST:PORT". */
static int read_part(const struct part *part, bool with_id, struct vxc_cluster_address *member,
                     struct vxc_error *err)
{
    const char *equals = memchr(part->text, '=', part->size);
    size_t id_size = equals == NULL ? 0 : (size_t)(equals - part->text);
    int rv;

    *member = (struct vxc_cluster_address){0};
    if (part->size == 0) {
        return vxc_error_set(err, VXC_EINVAL, "part %" PRIu32 " is empty", part->position);
    }
    if (!with_id) {
        return equals == NULL ? read_address(part, part->text, part->size, member, err)
                              : wrong(part, "expected HOST:PORT, without an id", err);
    }
    if (equals == NULL || id_size + 1 == part->size) {
        return wrong(part, "expected ID=HOST:PORT", err);
    }
    rv = read_id(part, id_size, &member->id, err);
    return rv != 0 ? rv : read_address(part, equals + 1, part->size - id_size - 1, member, err);
}

static int check_unique(const struct part *part, const struct vxc_cluster_spec *spec,
                        const struct vxc_cluster_address *member, struct vxc_error *err)
{
    for (uint32_t i = 0; i < spec->count; i++) {
        if (member->id != 0 && spec->members[i].id == member->id) {
            return wrong(part, "this id stands there twice", err);
        }
        if (strcasecmp(spec->members[i].address, member->address) == 0) {
            return wrong(part, "this address stands there twice", err);
        }
    }
    return 0;
}

static int parse(const char *text, bool with_id, struct vxc_cluster_spec *spec,
                 struct vxc_error *err)
{
    struct vxc_cluster_spec read = {0};
    const char *at = text;

    for (;; at++) { /* over the comma */
        const struct part part = {at, strcspn(at, ","), read.count + 1};
        struct vxc_cluster_address member;
        int rv;

        if (read.count == VXC_CONFIGURATION_MEMBERS_MAX) {
            return wrong(&part, "a cluster has at most 16 members", err);
        }
        rv = read_part(&part, with_id, &member, err);
        rv = rv != 0 ? rv : check_unique(&part, &read, &member, err);
        if (rv != 0) {
            return rv;
        }
        read.members[read.count++] = member;
        at += part.size;
        if (*at == '\0') {
            *spec = read;
            return 0;
        }
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
