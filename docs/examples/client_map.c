/* A map: created, written, read. client_map ENDPOINT */
#include <vxc/client.h>

#include <stdio.h>

static int create_put_get(struct vxc_client *client)
{
    struct vxc_request create = vxc_request(VXC_CALL_MAP_CREATE);
    struct vxc_request put = vxc_request(VXC_CALL_MAP_PUT);
    struct vxc_request get = vxc_request(VXC_CALL_MAP_GET);
    struct vxc_reply reply;
    int rc;

    create.name = vxc_text("greetings");
    rc = vxc_client_call(client, &create, NULL);
    if (rc != VXC_OK) {
        return rc;
    }
    put.name = vxc_text("greetings");
    put.key = vxc_text("hello");
    put.value = vxc_text("world");
    rc = vxc_client_call(client, &put, NULL); /* durable when this returns 0 */
    if (rc != VXC_OK) {
        return rc;
    }
    get.name = vxc_text("greetings");
    get.key = vxc_text("hello");
    rc = vxc_client_call(client, &get, &reply);
    if (rc == VXC_OK && reply.found) {
        printf("hello: %.*s\n", (int)reply.value.size, (const char *)reply.value.data);
    }
    vxc_reply_free(&reply);
    return rc;
}

int main(int argc, char **argv)
{
    struct vxc_client_options options = vxc_client_options();
    struct vxc_client *client;
    int rc;

    options.endpoints = argc > 1 ? argv[1] : "127.0.0.1:7400";
    rc = vxc_client_create(&options, &client);
    if (rc != VXC_OK) {
        fprintf(stderr, "%s: %s\n", options.endpoints, vxc_strerror(rc));
        return 1;
    }
    rc = create_put_get(client);
    if (rc != VXC_OK) {
        fprintf(stderr, "%s\n", vxc_client_message(client));
    }
    vxc_client_free(client);
    return rc == VXC_OK ? 0 : 1;
}
