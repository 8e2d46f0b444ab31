/* A node, from its birth to its end, and its numbers. node_stats DIR */
#include <vxc/node.h>

#include <inttypes.h>
#include <stdio.h>

int main(int argc, char **argv)
{
    struct vxc_node_options options = vxc_node_options();
    struct vxc_node_stats stats;
    struct vxc_node *node = NULL;
    struct vxc_error err;
    int rc;

    printf("%s\n", vxc_greeting());
    options.data = argc > 1 ? argv[1] : "./vxc-data";
    rc = vxc_node_create(&options, &node, &err);
    if (rc == VXC_OK) {
        rc = vxc_node_start(node, &err); /* opens, verifies, recovers, listens */
    }
    if (rc == VXC_OK) {
        rc = vxc_node_spawn(node, &err); /* from here on it serves, on a thread of its own */
    }
    if (rc != VXC_OK) {
        fprintf(stderr, "%s\n", err.text);
        vxc_node_free(node); /* NULL is fine */
        return 1;
    }
    printf("listening on %s\n", vxc_node_address(node));
    (void)vxc_node_stats(node, &stats, sizeof stats); /* fails only before a start */
    printf("node %" PRIu64 ": %s in term %" PRIu64 ", applied index %" PRIu64 "\n", stats.node_id,
           stats.role, stats.term, stats.applied_index);
    printf("%" PRIu64 " connections, %" PRIu64 " sessions, %" PRIu64 " bytes of keys and values\n",
           stats.connections, stats.sessions, stats.quota_bytes);
    printf("ready in %" PRIu64 " ms, last flush %" PRIu64 " us\n", stats.ready_ms,
           stats.flush_us_last);
    vxc_node_free(node); /* stops it first */
    return 0;
}
