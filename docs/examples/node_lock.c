/* A lock of an embedded node: acquired by one client, waited for by nobody, released, and free for the
 * next. node_lock DIR */
#include "embedded.h"

#include <inttypes.h>

/* Its fencing token, 0 = somebody else has it, or an error that has been told. */
static uint64_t acquire(struct vxc_client *client)
{
    struct vxc_request request = vxc_request(VXC_CALL_LOCK_ACQUIRE);
    struct vxc_reply reply;
    uint64_t token;

    request.name = vxc_text("deploy");
    request.number = 0; /* ms to wait; -1 = for ever */
    if (vxc_client_call(client, &request, &reply) != VXC_OK) {
        fprintf(stderr, "%s\n", reply.message);
    }
    token = reply.code == VXC_OK && reply.found ? reply.token : 0;
    vxc_reply_free(&reply);
    return token;
}

static bool release(struct vxc_client *client, uint64_t token)
{
    struct vxc_request request = vxc_request(VXC_CALL_LOCK_RELEASE);
    struct vxc_reply reply;
    bool released;

    request.name = vxc_text("deploy");
    request.id = token;
    released = vxc_client_call(client, &request, &reply) == VXC_OK && reply.found;
    vxc_reply_free(&reply);
    return released;
}

static bool take_turns(struct vxc_client *first, struct vxc_client *second)
{
    uint64_t token = acquire(first);
    uint64_t later;

    printf("first holds the lock, token %" PRIu64 "\n", token);
    if (token == 0 || acquire(second) != 0 || !release(first, token)) {
        return false;
    }
    later = acquire(second);
    printf("then second does, token %" PRIu64 "\n", later);
    return later > token && release(second, later); /* tokens only ever rise */
}

int main(int argc, char **argv)
{
    struct vxc_node *node = start_node(argc > 1 ? argv[1] : "./vxc-data");
    /* A lock belongs to a session: it is free again when 10 s pass without a sign of life. */
    struct vxc_client *first = node == NULL ? NULL : connect_client(node, "first", 10000);
    struct vxc_client *second = first == NULL ? NULL : connect_client(node, "second", 10000);
    bool done = second != NULL && take_turns(first, second);

    vxc_client_free(second);
    vxc_client_free(first);
    vxc_node_free(node);
    return done ? 0 : 1;
}
