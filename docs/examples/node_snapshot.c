/* A snapshot of a node at work, restored into a new one. node_snapshot DIR
 * Writes DIR, DIR.snap and DIR.restored. */
#include "embedded.h"

#include <inttypes.h>

static bool put(const struct vxc_node *node, const char *value)
{
    struct vxc_client *client = connect_client(node, "writer", 0);
    struct vxc_request request = vxc_request(VXC_CALL_MAP_PUT);
    bool done;

    request.name = vxc_text("settings");
    request.key = vxc_text("colour");
    request.value = vxc_text(value);
    done = client != NULL && vxc_client_call(client, &request, NULL) == VXC_OK;
    vxc_client_free(client);
    return done;
}

static bool holds(const struct vxc_node *node, const char *value)
{
    struct vxc_client *client = connect_client(node, "reader", 0);
    struct vxc_request request = vxc_request(VXC_CALL_MAP_GET);
    struct vxc_reply reply;
    bool equal = false;

    request.name = vxc_text("settings");
    request.key = vxc_text("colour");
    if (client != NULL) {
        equal = vxc_client_call(client, &request, &reply) == VXC_OK && reply.found &&
                reply.value.size == strlen(value) &&
                memcmp(reply.value.data, value, reply.value.size) == 0;
        vxc_reply_free(&reply);
    }
    vxc_client_free(client);
    return equal;
}

static bool save(struct vxc_node *node, const char *path)
{
    struct vxc_snapshot_info info;
    struct vxc_error err;

    /* All that was acknowledged until now; the node goes on serving meanwhile. */
    if (vxc_node_snapshot(node, path, VXC_SNAPSHOT_LZ4, &info, &err) != VXC_OK) {
        fprintf(stderr, "%s\n", err.text);
        return false;
    }
    printf("saved index %" PRIu64 ", %" PRIu64 " rows, %" PRIu64 " bytes\n", info.index, info.rows,
           info.file_bytes);
    return true;
}

static bool restore(const char *path, const char *data)
{
    struct vxc_restore_options options = vxc_restore_options();
    struct vxc_restore_report report;
    struct vxc_error err;

    options.path = path;
    options.data = data; /* absent or empty */
    if (vxc_node_restore(&options, &report, &err) != VXC_OK) {
        fprintf(stderr, "%s\n", err.text);
        return false;
    }
    printf("restored: a new cluster, tokens from %" PRIu64 "\n", report.next_token);
    return true;
}

int main(int argc, char **argv)
{
    const char *data = argc > 1 ? argv[1] : "./vxc-data";
    char path[1000];
    char copy[1000];
    struct vxc_node *node = start_node(data);
    struct vxc_node *restored = NULL;
    bool done;

    (void)snprintf(path, sizeof path, "%s.snap", data);
    (void)snprintf(copy, sizeof copy, "%s.restored", data);
    done = node != NULL && put(node, "blue") && save(node, path) && put(node, "green") &&
           restore(path, copy) && (restored = start_node(copy)) != NULL; /* beside the first */
    done = done && holds(restored, "blue") && holds(node, "green");
    vxc_node_free(restored);
    vxc_node_free(node);
    return done ? 0 : 1;
}
