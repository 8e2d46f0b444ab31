/* A node that is told how to be: by the program, then by the environment. node_configured DIR */
#include <vxc/node.h>

#include <stdio.h>

/* Where log lines go: called on the thread that drives the node, one line at a time. */
static void on_log(void *data, enum vxc_log_level level, const char *line)
{
    FILE *out = data;

    if (level <= VXC_LOG_WARN) {
        fprintf(out, "look at this: ");
    }
    fprintf(out, "%s\n", line);
}

int main(int argc, char **argv)
{
    struct vxc_node_options options = vxc_node_options();
    struct vxc_node *node = NULL;
    struct vxc_error err;
    int rc;

    options.data = argc > 1 ? argv[1] : "./vxc-data";
    options.node_id = 7;
    options.host = "127.0.0.1";
    options.port = 0; /* any free one */
    options.timeout_ms = 5000;
    options.ping_interval_ms = 1000;
    options.connections_max = 100;
    options.log_level = VXC_LOG_DEBUG;
    options.data_of_log = stdout;
    options.on_log = on_log;
    /* NODE_ID, CLUSTER_HOST, CLUSTER_PORT and VERTX_CLUSTER_… have the last word. */
    rc = vxc_node_options_environment(&options, &err);
    if (rc == VXC_OK) {
        rc = vxc_node_create(&options, &node, &err);
    }
    if (rc == VXC_OK) {
        rc = vxc_node_start(node, &err);
    }
    if (rc != VXC_OK) {
        fprintf(stderr, "%s: %s\n", vxc_error_name(rc), err.text);
        vxc_node_free(node);
        return 1;
    }
    printf("node %u listens on %s\n", (unsigned)options.node_id, vxc_node_address(node));
    vxc_node_stop(node);
    (void)vxc_node_run(node); /* drives it here, until it has stopped */
    vxc_node_free(node);
    return 0;
}
