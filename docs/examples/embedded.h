/* What the examples with a node and a client in one program share: a node on a thread of its own, and
 * a client that is connected to it over loopback. */
#ifndef EMBEDDED_H
#define EMBEDDED_H

#include <vxc/client.h>
#include <vxc/node.h>

#include <stdio.h>

/* NULL after it has said why. */
static inline struct vxc_node *start_node(const char *data)
{
    struct vxc_node_options options = vxc_node_options();
    struct vxc_node *node = NULL;
    struct vxc_error err;

    options.data = data;
    if (vxc_node_create(&options, &node, &err) != VXC_OK || vxc_node_start(node, &err) != VXC_OK ||
        vxc_node_spawn(node, &err) != VXC_OK) {
        fprintf(stderr, "%s\n", err.text);
        vxc_node_free(node);
        return NULL;
    }
    return node;
}

/* NULL after it has said why. session_ms 0 = without a session. */
static inline struct vxc_client *connect_client(const struct vxc_node *node, const char *name,
                                                uint32_t session_ms)
{
    struct vxc_client_options options = vxc_client_options();
    struct vxc_client *client = NULL;
    int rc;

    options.endpoints = vxc_node_address(node);
    options.client_name = name;
    rc = vxc_client_create(&options, &client);
    if (rc == VXC_OK) {
        rc = session_ms == 0 ? vxc_client_connect(client, NULL)
                             : vxc_client_session_open(client, session_ms, vxc_text(name));
    }
    if (rc != VXC_OK) {
        fprintf(stderr, "%s: %s\n", options.endpoints, vxc_strerror(rc));
        vxc_client_free(client);
        return NULL;
    }
    return client;
}

#endif
