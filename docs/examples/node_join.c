/* Two members join an embedded node, and each sees the other. node_join DIR */
#include "embedded.h"

static int join(struct vxc_client *client, const char *name)
{
    struct vxc_request request = vxc_request(VXC_CALL_NODE_JOIN);

    request.key = vxc_text(name);
    request.value = vxc_text("10.0.0.1:8080"); /* what others are to know of it */
    return vxc_client_call(client, &request, NULL);
}

/* How many there are; -1 after it has said why. */
static int list(struct vxc_client *client)
{
    struct vxc_request request = vxc_request(VXC_CALL_NODE_LIST);
    struct vxc_bytes name;
    struct vxc_bytes info;
    struct vxc_reply reply;
    int count = -1;

    if (vxc_client_call(client, &request, &reply) == VXC_OK) {
        for (count = 0; vxc_rows_next(&reply.rows, &name, &info); count++) {
            printf("%.*s at %.*s\n", (int)name.size, (const char *)name.data, (int)info.size,
                   (const char *)info.data);
        }
    } else {
        fprintf(stderr, "%s\n", reply.message);
    }
    vxc_reply_free(&reply);
    return count;
}

int main(int argc, char **argv)
{
    struct vxc_node *node = start_node(argc > 1 ? argv[1] : "./vxc-data");
    /* A member is there for as long as its session lives. */
    struct vxc_client *anna = node == NULL ? NULL : connect_client(node, "anna", 10000);
    struct vxc_client *bert = anna == NULL ? NULL : connect_client(node, "bert", 10000);
    bool done = bert != NULL && join(anna, "anna") == VXC_OK && join(bert, "bert") == VXC_OK &&
                list(anna) == 2;

    if (done) {
        done = vxc_client_session_close(bert) == VXC_OK && list(anna) == 1; /* bert has left */
    }
    vxc_client_free(bert);
    vxc_client_free(anna);
    vxc_node_free(node);
    return done ? 0 : 1;
}
