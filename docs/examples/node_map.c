/* A map in an embedded node: created, written, read. node_map DIR */
#include "embedded.h"

static int create_put_get(struct vxc_client *client)
{
    struct vxc_request create = vxc_request(VXC_CALL_MAP_CREATE);
    struct vxc_request put = vxc_request(VXC_CALL_MAP_PUT);
    struct vxc_request get = vxc_request(VXC_CALL_MAP_GET);
    struct vxc_reply reply;
    int rc;

    create.name = put.name = get.name = vxc_text("greetings");
    put.key = get.key = vxc_text("hello");
    put.value = vxc_text("world");
    rc = vxc_client_call(client, &create, NULL);
    if (rc == VXC_OK) {
        rc = vxc_client_call(client, &put, NULL); /* on the disk when this returns */
    }
    if (rc != VXC_OK) {
        return rc;
    }
    rc = vxc_client_call(client, &get, &reply);
    if (rc == VXC_OK && reply.found) {
        printf("hello: %.*s\n", (int)reply.value.size, (const char *)reply.value.data);
    }
    vxc_reply_free(&reply);
    return rc;
}

int main(int argc, char **argv)
{
    struct vxc_node *node = start_node(argc > 1 ? argv[1] : "./vxc-data");
    struct vxc_client *client = node == NULL ? NULL : connect_client(node, "node_map", 0);
    int rc = client == NULL ? VXC_ECLOSED : create_put_get(client);

    if (client != NULL && rc != VXC_OK) {
        fprintf(stderr, "%s\n", vxc_client_message(client));
    }
    vxc_client_free(client);
    vxc_node_free(node);
    return rc == VXC_OK ? 0 : 1;
}
