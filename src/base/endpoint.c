#define _GNU_SOURCE /* memrchr */
#include "base/endpoint.h"

#include "base/error.h"

#include <arpa/inet.h>
#include <netinet/in.h>
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

bool vxc_host_is_loopback(const char *host)
{
    struct in_addr four;
    struct in6_addr six;

    if (inet_pton(AF_INET, host, &four) == 1) {
        return (ntohl(four.s_addr) >> 24) == 127;
    }
    if (inet_pton(AF_INET6, host, &six) == 1) {
        return IN6_IS_ADDR_LOOPBACK(&six);
    }
    return strcmp(host, "localhost") == 0;
}

bool vxc_host_is_wildcard(const char *host)
{
    struct in_addr four;
    struct in6_addr six;

    if (inet_pton(AF_INET, host, &four) == 1) {
        return four.s_addr == htonl(INADDR_ANY);
    }
    return inet_pton(AF_INET6, host, &six) == 1 && IN6_IS_ADDR_UNSPECIFIED(&six);
}

bool vxc_host_is_numeric(const char *host)
{
    struct in6_addr any; /* room for either */

    return inet_pton(AF_INET, host, &any) == 1 || inet_pton(AF_INET6, host, &any) == 1;
}
