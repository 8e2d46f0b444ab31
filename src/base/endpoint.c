#define _GNU_SOURCE /* memrchr */
#include "base/endpoint.h"

#include "base/error.h"

#include <string.h>

static int parse_port(const char *text, size_t size, struct vxc_endpoint *endpoint)
{
    unsigned port = 0;

    if (size == 0 || size >= sizeof endpoint->port) {
        return VXC_EADDRESS;
    }
    for (size_t i = 0; i < size; i++) {
        if (text[i] < '0' || text[i] > '9') {
            return VXC_EADDRESS;
        }
        port = port * 10 + (unsigned)(text[i] - '0');
    }
    if (port == 0 || port > 65535) {
        return VXC_EADDRESS;
    }
    memcpy(endpoint->port, text, size);
    endpoint->port[size] = '\0';
    return VXC_OK;
}

int vxc_endpoint_parse(const char *text, size_t size, struct vxc_endpoint *endpoint)
{
    const char *host = text;
    const char *colon = memrchr(text, ':', size);
    size_t host_size;

    if (colon == NULL) {
        return VXC_EADDRESS;
    }
    host_size = (size_t)(colon - text);
    if (host_size >= 2 && host[0] == '[' && host[host_size - 1] == ']') {
        host++;
        host_size -= 2;
    } else if (memchr(host, ':', host_size) != NULL) {
        return VXC_EADDRESS; /* version 6 without brackets: where would the port begin? */
    }
    if (host_size == 0 || host_size >= sizeof endpoint->host) {
        return VXC_EADDRESS;
    }
    memcpy(endpoint->host, host, host_size);
    endpoint->host[host_size] = '\0';
    return parse_port(colon + 1, size - (size_t)(colon + 1 - text), endpoint);
}
