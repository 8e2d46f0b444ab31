/* Who is silent goes: a loop that has a look at the timeouts now and then, beside its other work.
 * node_timeouts DIR */
#include "embedded.h"

#include <inttypes.h>
#include <time.h>

static void other_work(void)
{
    const struct timespec pause = {.tv_nsec = 50000000};

    (void)nanosleep(&pause, NULL); /* shorter is fine too */
}

int main(int argc, char **argv)
{
    struct vxc_node *node = start_node(argc > 1 ? argv[1] : "./vxc-data");
    struct vxc_client *client = node == NULL ? NULL : connect_client(node, "silent", 300);
    struct vxc_node_stats stats;
    uint64_t cleaned = 0;

    if (client == NULL) {
        vxc_node_free(node);
        return 1;
    }
    vxc_client_free(client); /* without closing its session, as a client that crashes */
    for (int round = 0; round < 600 && cleaned == 0; round++) {
        other_work();
        cleaned = vxc_node_process_timeouts(node);
    }
    (void)vxc_node_stats(node, &stats, sizeof stats);
    printf("cleaned %" PRIu64 ", given up %" PRIu64 " sessions so far\n", cleaned,
           stats.sessions_silent_total);
    vxc_node_free(node);
    return cleaned == 1 ? 0 : 1;
}
