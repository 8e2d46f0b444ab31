/* Joining: a node of the caller's enters the registry, hears who comes and goes, and leaves.
 * client_join ENDPOINT */
#include <vxc/client.h>

#include <stdio.h>

struct seen {
    int joined, left;
};

static void on_notice(void *data, const struct vxc_notice *notice)
{
    struct seen *seen = data;

    if (notice->watched != VXC_WATCHED_MEMBERS) {
        return;
    }
    seen->joined += notice->type == VXC_NOTICE_NODE_JOINED;
    seen->left += notice->type == VXC_NOTICE_NODE_LEFT;
    printf("%.*s %s; %u nodes now\n", (int)notice->key.size, (const char *)notice->key.data,
           notice->type == VXC_NOTICE_NODE_LEFT ? "left" : "joined", notice->view.count);
}

/* Opens a session, which owns the entry: when it ends, however it ends, the node has left. */
static struct vxc_client *join(const char *endpoints, const char *node_id, struct seen *seen)
{
    struct vxc_client_options options = vxc_client_options();
    struct vxc_request watch = vxc_request(VXC_CALL_WATCH_ADD);
    struct vxc_request enter = vxc_request(VXC_CALL_NODE_JOIN);
    struct vxc_client *client;
    int rc;

    options.endpoints = endpoints;
    options.data = seen;
    options.on_notice = seen == NULL ? NULL : on_notice;
    rc = vxc_client_create(&options, &client);
    if (rc != VXC_OK) {
        fprintf(stderr, "%s: %s\n", endpoints, vxc_strerror(rc));
        return NULL;
    }
    watch.what = VXC_WATCHED_MEMBERS;
    enter.key = vxc_text(node_id);
    enter.value = vxc_text("{\"address\":\"10.0.0.7:8080\"}"); /* others see it in NODE_GET */
    rc = vxc_client_session_open(client, 10000, vxc_text(node_id));
    if (rc == VXC_OK && seen != NULL) {
        rc = vxc_client_call(client, &watch, NULL);
    }
    if (rc == VXC_OK) {
        rc = vxc_client_call(client, &enter, NULL);
    }
    if (rc != VXC_OK) {
        fprintf(stderr, "%s: %s\n", node_id, vxc_client_message(client));
        vxc_client_free(client);
        return NULL;
    }
    return client;
}

/* Notices are callbacks of whoever drives; here that is us, while we wait. */
static int wait_for(struct vxc_client *client, const int *count, int wanted)
{
    for (int i = 0; i < 100 && *count < wanted; i++) {
        if (vxc_client_wait(client, 100) < 0) {
            break;
        }
    }
    return *count >= wanted;
}

int main(int argc, char **argv)
{
    const char *endpoints = argc > 1 ? argv[1] : "127.0.0.1:7400";
    struct seen seen = {0, 0};
    struct vxc_client *first = join(endpoints, "first", &seen);
    struct vxc_client *second = first == NULL ? NULL : join(endpoints, "second", NULL);
    int ok = second != NULL && wait_for(first, &seen.joined, 2);

    if (ok) {
        ok = vxc_client_session_close(second) == VXC_OK && wait_for(first, &seen.left, 1);
    }
    if (first != NULL) {
        (void)vxc_client_session_close(first); /* else its lease ends it */
    }
    vxc_client_free(second);
    vxc_client_free(first);
    return ok ? 0 : 1;
}
