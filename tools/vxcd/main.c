/* vxcd: one durable node in the foreground. */
#include "node/config.h"
#include "vxc/node.h"

#include <inttypes.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

/* The statuses that operators and scripts go by (docs/operations.md). */
enum { EXIT_CONFIGURATION = 2, EXIT_REFUSED = 5, EXIT_DAMAGE = 6 };

static int exit_status(int code)
{
    switch (code) {
    case VXC_EINVAL:
    case VXC_EADDRINUSE:
    case VXC_EADDRESS:
        return EXIT_CONFIGURATION;
    case VXC_ELOCKED:
    case VXC_EREADONLY:
    case VXC_ENOSPC:
        return EXIT_REFUSED;
    case VXC_ECORRUPT:
    case VXC_EFOREIGN:
    case VXC_EVERSION:
    case VXC_ECRC:
        return EXIT_DAMAGE;
    default:
        return 1;
    }
}

static int fail(int code, const char *text)
{
    fprintf(stderr, "vxcd: %s\n", text);
    return exit_status(code);
}

/* At most eight lines, the last of which says that it is ready. */
static void describe(struct vxc_node *node, const struct vxc_node_options *options)
{
    static const char *const beginnings[] = {
        [VXC_NODE_NEW] = "new",
        [VXC_NODE_CLEAN] = "stopped cleanly",
        [VXC_NODE_RECOVERED] = "recovered after an unclean stop",
    };
    struct vxc_node_stats stats;

    (void)vxc_node_stats(node, &stats, sizeof stats); /* fails only before a start */
    printf("vxcd %s  node %" PRIu64 "  data %s (%s)\n", vxc_version(), stats.node_id, options->data,
           beginnings[stats.beginning]);
    printf("state: %" PRIu64 " entries recovered%s, role %s\n", stats.recovered_index,
           stats.verified_rows > 0 ? ", every row verified" : "", stats.role);
    if (stats.members != 1) {
        printf("cluster: %s%" PRIu64 " members\n", stats.members == 0 ? "joining, " : "",
               stats.members);
    }
    if (vxc_config_is_plaintext(options)) {
        printf("warning: plaintext on %s: everybody on that network can read and change "
               "everything\n",
               options->host);
    }
    printf("listening on %s, ready in %" PRIu64 " ms\n", vxc_node_address(node), stats.ready_ms);
    (void)fflush(stdout); /* whoever waits for the line may not wait for more */
}

/* Large buffers go back to the system when they are freed. Without a fixed threshold glibc raises it
 * to what was freed last, keeps them in its heap, and the heap in pieces. */
static void bound_the_heap(void)
{
    enum { OWN_MAPPING_BYTES = 1024 * 1024 };

    (void)mallopt(M_MMAP_THRESHOLD, OWN_MAPPING_BYTES); /* otherwise it only takes more memory */
}

/* glibc backs its heap with huge pages only when its tunables say so before main(). A large table,
 * whose rows are looked at in no order, is then read in two thirds of the time, for most of it goes
 * into finding pages. What the operator has set stands; where it cannot be done nothing is lost but
 * speed. */
static void have_huge_pages(char **argv)
{
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
    if (getenv("GLIBC_TUNABLES") == NULL &&
        setenv("GLIBC_TUNABLES", "glibc.malloc.hugetlb=1", 1) == 0) {
        (void)execv("/proc/self/exe", argv);
    }
    (void)prctl(PR_SET_NAME, "vxcd"); /* execv took the name from its path */
#else
    (void)argv;
#endif
}

/* Room for VXC_CONNECTIONS_MAX descriptors where the system allows it. */
static void raise_descriptor_limit(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
        limit.rlim_cur = limit.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &limit); /* fewer connections then, and accept says so */
    }
}

int main(int argc, char **argv)
{
    struct vxc_error err = {0};
    struct vxc_config config;
    struct vxc_node *node = NULL;
    int rv;

    have_huge_pages(argv);
    rv = vxc_config_load(argc, argv, &config, &err);
    if (rv != 0) {
        return fail(rv, err.text);
    }
    if (config.help) {
        vxc_config_help(stdout);
        return 0;
    }
    if (config.version) {
        printf("vxcd %s\n", vxc_version());
        return 0;
    }
    (void)signal(SIGPIPE, SIG_IGN);
    raise_descriptor_limit();
    bound_the_heap();
    rv = vxc_node_create(&config.node, &node, &err);
    if (rv == 0) {
        rv = vxc_node_start(node, &err);
    }
    if (rv == 0 && vxc_node_handle_signals(node) != 0) {
        rv = VXC_EIO;
        (void)snprintf(err.text, sizeof err.text, "cannot handle signals");
    }
    if (rv == 0) {
        describe(node, &config.node);
        (void)vxc_node_run(node); /* started, and by nobody else */
        rv = vxc_node_ended(node, &err);
    }
    vxc_node_free(node);
    return rv == 0 ? 0 : fail(rv, err.text);
}
