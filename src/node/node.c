#include "base/check.h"
#include "base/endpoint.h"
#include "base/limits.h"
#include "base/memory.h"
#include "node/config.h"
#include "node/connection.h"
#include "node/node_internal.h"
#include "node/reopen.h"
#include "node/secret.h"
#include "storage/install.h"

#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

enum { START_FULL_MS = 1000 }; /* a full disk is believed to be full after so long */

static const char *address_of(void *data, uint64_t node_id)
{
    const struct vxc_node *n = data;
    return n->cluster == NULL ? "" : vxc_cluster_address(n->cluster, node_id);
}

static void on_peer(void *data, struct vxc_conn *conn, const struct vxc_frame *hello)
{
    struct vxc_node *n = data;
    vxc_cluster_accept(n->cluster, conn, hello);
}

static void give_status(void *data, struct vxc_buffer *out)
{
    vxc_node_status(data, out);
}

/* ---- birth ---- */

/* A copy of its own; absent stays absent. */
static bool own(const char **text)
{
    if (*text != NULL) {
        *text = vxc_strdup(*text);
        return *text != NULL;
    }
    return true;
}

static void disown(const char *text)
{
    vxc_free((void *)(uintptr_t)text); /* made by own() */
}

static void free_parts(struct vxc_node *n)
{
    vxc_mailbox_release(n->mailbox);
    disown(n->options.data);
    disown(n->options.host);
    disown(n->options.accept_plaintext_on);
    disown(n->options.initial_cluster);
    disown(n->options.join);
    disown(n->options.secret_file);
    vxc_free(n);
}

static int make_parts(struct vxc_node *n, struct vxc_error *err)
{
    /* all are copied, or absent, before one failure counts */
    bool owned = own(&n->options.data);

    owned = own(&n->options.host) && owned;
    owned = own(&n->options.accept_plaintext_on) && owned;
    owned = own(&n->options.initial_cluster) && owned;
    owned = own(&n->options.join) && owned;
    owned = own(&n->options.secret_file) && owned;
    if (!owned) {
        return vxc_error_set(err, VXC_ENOMEM, "out of memory");
    }
    int rv = vxc_config_cluster(&n->options, &n->spec, err);
    rv = rv != 0 ? rv : vxc_loop_create(&n->loop, err);
    if (rv == 0 && (n->mailbox = vxc_mailbox_create(n->loop)) == NULL) {
        vxc_loop_free(n->loop);
        rv = vxc_error_set(err, VXC_ENOMEM, "out of memory");
    }
    return rv;
}

int vxc_node_create(const struct vxc_node_options *options, struct vxc_node **out,
                    struct vxc_error *err)
{
    struct vxc_node_options checked;
    struct vxc_node *n;
    int rv = vxc_config_take(options, &checked, err);

    rv = rv != 0 ? rv : vxc_config_check(&checked, err);
    if (rv != 0) {
        return rv;
    }
    n = vxc_calloc(1, sizeof *n);
    if (n == NULL) {
        return vxc_error_set(err, VXC_ENOMEM, "out of memory");
    }
    n->options = checked;
    vxc_logger_init(&n->logger, checked.log_level);
    n->logger.node_id = checked.node_id;
    if (checked.on_log != NULL) {
        n->logger.data = checked.data_of_log;
        n->logger.sink = checked.on_log;
    }
    n->clock = vxc_clock_system();
    n->identity.lock_descriptor = -1;
    rv = make_parts(n, err);
    if (rv != 0) {
        free_parts(n);
        return rv;
    }
    *out = n;
    return 0;
}

/* Replays the log and writes the entries that begin a life, which a full disk may have no room for. */
static int get_ready(struct vxc_node *n, struct vxc_error *err)
{
    uint64_t full_since_ms = 0;

    while (!vxc_replica_is_ready(n->replica)) {
        const uint64_t now_ms = vxc_clock_ms(n->clock);
        struct vxc_log_stats stats = {0};

        /* its waits are for the log, which is waited for here */
        (void)vxc_replica_turn(n->replica);
        vxc_log_sync(n->log);
        vxc_replica_on_log(n->replica);
        vxc_replica_on_store(n->replica); /* harmless when nothing is done */
        vxc_log_stats(n->log, &stats);
        if (!stats.no_space) {
            full_since_ms = 0;
            continue;
        }
        full_since_ms = full_since_ms == 0 ? now_ms : full_since_ms;
        if (now_ms - full_since_ms >= START_FULL_MS) {
            return vxc_error_set(err, stats.lack,
                                 "%s/log: %s for the entries that begin a life of this node; make "
                                 "room and start it again",
                                 n->options.data, vxc_strerror(stats.lack));
        }
        (void)poll(NULL, 0, 10);
    }
    return 0;
}

/* ---- the cluster ---- */

static bool is_initial(const struct vxc_node *n)
{
    return n->spec.count > 0 && n->spec.members[0].id != 0;
}

/* Every node of a new cluster begins with the same entry 1: in the order of ids. */
static void make_initial(const struct vxc_node *n, struct vxc_configuration *initial)
{
    memset(initial, 0, sizeof *initial);
    for (uint32_t i = 0; i < n->spec.count; i++) {
        uint32_t at = initial->count++;

        for (; at > 0 && initial->members[at - 1].id > n->spec.members[i].id; at--) {
            initial->members[at] = initial->members[at - 1];
        }
        initial->members[at].id = n->spec.members[i].id;
        initial->members[at].role = VXC_MEMBER_VOTER;
    }
}

/* Has this directory never seen another configuration than that of entry 1? */
static bool is_first_configuration(const struct vxc_node *n)
{
    if (vxc_store_meta(n->store)->configuration_index > 1 ||
        vxc_log_base(n->log)->configuration_index > 1) {
        return false;
    }
    for (uint64_t i = vxc_log_first_index(n->log); i <= vxc_log_last_index(n->log); i++) {
        if (i > 1 && vxc_log_type(n->log, i) == VXC_LOG_CHANGE) {
            return false;
        }
    }
    return true;
}

static bool same_members(const struct vxc_node *n, const struct vxc_replica_member *members,
                         uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        if (vxc_cluster_spec_address(&n->spec, members[i].id) == NULL) {
            return false;
        }
    }
    return count == n->spec.count;
}

/* What the options say of the cluster against what the data directory knows. */
static int check_spec(const struct vxc_node *n, struct vxc_error *err)
{
    struct vxc_replica_member members[VXC_CONFIGURATION_MEMBERS_MAX];
    uint32_t count = vxc_replica_members(n->replica, members);

    if (n->spec.count == 0 || count == 0 || (is_initial(n) && same_members(n, members, count))) {
        return 0;
    }
    if (!is_initial(n) && count == 1 && members[0].id == n->options.node_id) {
        return vxc_error_set(
            err, VXC_EINVAL,
            "%s holds a cluster of its own, whose only member is node %llu: --join "
            "needs an empty --data (and takes all data from the cluster it joins)",
            n->options.data, (unsigned long long)n->options.node_id);
    }
    if (is_initial(n) && is_first_configuration(n)) {
        return vxc_error_set(
            err, VXC_EINVAL,
            "--initial-cluster names other members than %s was made with: give the "
            "same as then, or none; members change by vxc member",
            n->options.data);
    }
    vxc_log_event(&n->logger, VXC_LOG_INFO,
                  is_initial(n) ? "initial-cluster ignored" : "join ignored",
                  "reason=\"the data directory knows the members\" members=%u", count);
    return 0;
}

/* Alone it elects itself, which a start waits for; with others that takes them. */
static bool is_sole_voter(const struct vxc_node *n)
{
    struct vxc_replica_member members[VXC_CONFIGURATION_MEMBERS_MAX];
    uint32_t count = vxc_replica_members(n->replica, members);
    uint32_t others = 0;
    bool votes = false;

    for (uint32_t i = 0; i < count; i++) {
        if (members[i].role == VXC_MEMBER_VOTER) {
            votes = votes || members[i].id == n->options.node_id;
            others += members[i].id != n->options.node_id;
        }
    }
    return votes && others == 0;
}

/* A copy of the directory that was started as often is told apart by the random half. */
static uint64_t name_life(const struct vxc_node *n)
{
    uint32_t random;

    n->clock->random(n->clock->data, &random, sizeof random);
    return n->identity.life << 32 | random;
}

static int create_cluster(struct vxc_node *n, struct vxc_error *err)
{
    struct vxc_cluster_options options = {
        .election_timeout_ms = (uint32_t)n->options.election_timeout_ms,
        .node_id = n->options.node_id,
        .incarnation = n->identity.incarnation,
        .life = name_life(n),
        .address = n->reached,
        .spec = &n->spec,
        .secret = vxc_buffer_slice(&n->secret),
        .listener = n->listener,
        .clock = n->clock,
        .logger = &n->logger,
        .data = n,
        .on_image_message = vxc_node_on_image_message,
    };
    int rv = vxc_cluster_create(&options, &n->cluster, err);

    vxc_secret_free(&n->secret); /* the cluster has a copy */
    return rv;
}

int vxc_node_bind_vote(struct vxc_node *n, struct vxc_error *err)
{
    const uint8_t *id = vxc_fsm_cluster_id(n->fsm);
    int rv = vxc_vote_bind(n->vote, vxc_load_u64(id), vxc_load_u64(id + 8), err);

    n->vote_bound = rv == 0;
    return rv;
}

/* ---- start ---- */

static void on_result(void *data, struct vxc_proposal *proposal, const struct vxc_result *result)
{
    vxc_gateway_on_result(((struct vxc_node *)data)->gateway, proposal, result);
}

static void on_event(void *data, const struct vxc_event *event)
{
    vxc_gateway_on_event(((struct vxc_node *)data)->gateway, event);
}

/* Who leads, and since when: what an operator looks for first. A node alone has nothing to tell. */
static void log_role(struct vxc_node *n)
{
    struct vxc_replica_status status;

    if (n->replica == NULL || is_sole_voter(n)) {
        return;
    }
    vxc_replica_status(n->replica, &status);
    if ((status.term == n->told.term && status.primary_id == n->told.primary_id) ||
        (status.primary_id == 0 && strcmp(status.role, "candidate") != 0)) {
        return; /* known; or not known yet, and nobody says that there is none */
    }
    n->told.term = status.term;
    n->told.primary_id = status.primary_id;
    vxc_log_event(&n->logger, status.primary_id == 0 ? VXC_LOG_WARN : VXC_LOG_INFO, "role",
                  "role=%s term=%llu primary=%llu%s", status.role, (unsigned long long)status.term,
                  (unsigned long long)status.primary_id,
                  status.primary_id == 0 ? "; there is none at present" : "");
}

static void on_role(void *data)
{
    struct vxc_node *n = data;

    log_role(n);
    vxc_gateway_on_role(n->gateway);
}

static void on_reads(void *data, uint64_t round, int code)
{
    vxc_gateway_on_reads(((struct vxc_node *)data)->gateway, round, code);
}

static int create_gateway(struct vxc_node *n, struct vxc_error *err)
{
    const struct vxc_gateway_options options = {
        .fsm = n->fsm,
        .clock = n->clock,
        .logger = &n->logger,
        .node_id = n->options.node_id,
        .address = n->reached,
        .timeout_ms = (uint32_t)n->options.timeout_ms,
        .ping_interval_ms = (uint32_t)n->options.ping_interval_ms,
        .election_timeout_ms = (uint32_t)n->options.election_timeout_ms,
        .data = n,
        .status = give_status,
        .snapshots = n->snapshots,
        .address_of = address_of,
        .on_peer = on_peer,
    };

    return vxc_gateway_create(&options, &n->gateway) == 0
               ? 0
               : vxc_error_set(err, VXC_ENOMEM, "out of memory");
}

int vxc_node_start_replica(struct vxc_node *n, const struct vxc_vote *vote, struct vxc_error *err)
{
    struct vxc_configuration initial;
    const struct vxc_replica_options options = {
        .node_id = n->options.node_id,
        .log = n->log,
        .vote = n->vote,
        .initial_vote = *vote,
        .store = n->store,
        .table = n->table,
        .fsm = n->fsm,
        .clock = n->clock,
        .logger = &n->logger,
        .election_timeout_ms = (uint32_t)n->options.election_timeout_ms,
        .heartbeat_ms = (uint32_t)n->options.heartbeat_ms,
        .apply_each = n->options.apply_each,
        .data = n,
        .on_result = on_result,
        .on_event = on_event,
        .on_role = on_role,
        .on_reads = on_reads,
        .on_image_wanted = vxc_node_on_image_wanted,
        .on_install = vxc_node_on_install,
        .on_damaged = vxc_node_on_damaged,
        .initial = is_initial(n) ? &initial : NULL,
        .joins = n->spec.count > 0 && !is_initial(n),
    };
    int rv;

    make_initial(n, &initial);
    rv = vxc_replica_start(&options, &n->replica, err);
    if (rv != 0) {
        return rv;
    }
    vxc_gateway_set_replica(n->gateway, n->replica, n->fsm);
    n->recovered_index = vxc_log_last_index(n->log);
    rv = check_spec(n, err);
    if (rv == 0 && is_sole_voter(n)) {
        rv = get_ready(n, err);
        n->recovered_index = vxc_fsm_applied_index(n->fsm);
    }
    if (rv != 0) {
        return rv;
    }
    vxc_gateway_on_role(n->gateway);
    return vxc_fsm_bootstrapped(n->fsm) ? vxc_node_bind_vote(n, err) : 0;
}

/* Where others find this node: as the cluster was told, else where it listens. */
static void find_address(struct vxc_node *n)
{
    const char *host = n->options.host;
    const char *told = vxc_cluster_spec_address(&n->spec, n->options.node_id);

    (void)snprintf(n->address, sizeof n->address,
                   strchr(host, ':') != NULL ? "[%.100s]:%u" : "%.100s:%u", host,
                   vxc_listener_port(n->listener));
    (void)snprintf(n->reached, sizeof n->reached, "%s",
                   told != NULL                 ? told
                   : vxc_host_is_wildcard(host) ? ""
                                                : n->address);
}

/* --initial-cluster names the port, if --port does not. */
static uint16_t port_to_listen_on(const struct vxc_node *n)
{
    const char *told = vxc_cluster_spec_address(&n->spec, n->options.node_id);
    const char *port = told == NULL ? NULL : strrchr(told, ':');

    return n->options.port == 0 && port != NULL ? (uint16_t)strtoul(port + 1, NULL, 10)
                                                : (uint16_t)n->options.port;
}

/* Clients never take the descriptors that log, state and members need. A process that has very few has
 * to do with what accept() says. */
static void bound_connections(struct vxc_node *n)
{
    const uint64_t few = 2 * VXC_DESCRIPTORS_RESERVED;
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur < few ||
        n->options.connections_max <= limit.rlim_cur - VXC_DESCRIPTORS_RESERVED) {
        return;
    }
    n->options.connections_max = limit.rlim_cur - VXC_DESCRIPTORS_RESERVED;
    vxc_log_event(&n->logger, VXC_LOG_WARN, "connections_bounded",
                  "connections_max=%" PRIu64 " descriptors=%" PRIu64
                  " why=\"the limit of open files\"",
                  n->options.connections_max, (uint64_t)limit.rlim_cur);
}

static int listen_for_clients(struct vxc_node *n, struct vxc_error *err)
{
    const char *host = n->options.host;
    struct vxc_listener_options options = {
        .host = host,
        .port = port_to_listen_on(n),
        .guests_max = VXC_CONN_GUESTS_MAX,
        .hooks = {.data = n->gateway,
                  .on_open = vxc_gateway_on_open,
                  .on_frame = vxc_gateway_on_frame,
                  .on_ahead = vxc_gateway_on_ahead,
                  .on_room = vxc_gateway_on_room,
                  .on_close = vxc_gateway_on_close},
    };
    int rv;

    bound_connections(n);
    options.connections_max = (uint32_t)n->options.connections_max;
    rv = vxc_listener_open(n->loop, &options, &n->listener, err);
    if (rv != 0) {
        return rv;
    }
    if (host == NULL) {
        return 0;
    }
    find_address(n);
    return vxc_identity_write_endpoint(&n->identity, n->address, err);
}

/* An install that a crash has interrupted is finished before anything is opened. */
static int finish_install(struct vxc_node *n, struct vxc_error *err)
{
    bool installed = false;
    int rv = vxc_install_finish(n->options.data, n->options.node_id, NULL, &installed, err);

    if (installed) {
        vxc_log_event(&n->logger, VXC_LOG_INFO, "image_installed", "after=\"an unclean stop\"");
    }
    return rv;
}

/* What lies on the disk; a damaged state may be one for the peers to give back (n->repair.active). */
static int open_disk(struct vxc_node *n, struct vxc_vote *vote, struct vxc_error *err)
{
    int rv = vxc_identity_open(n->options.data, n->options.node_id, &n->identity, err);

    rv = rv != 0 ? rv : finish_install(n, err);
    rv = rv != 0 ? rv : vxc_node_open_storage(n, true, vote, err);
    if (rv != 0 && n->repair.damaged) {
        rv = vxc_node_begin_repair(n, err);
    }
    rv = rv != 0 ? rv : vxc_node_open_snapshots(n, err);
    return rv != 0 ? rv : vxc_node_open_images(n, err);
}

static int open_net(struct vxc_node *n, struct vxc_error *err)
{
    int rv = listen_for_clients(n, err);

    rv = rv != 0 ? rv : create_cluster(n, err);
    if (rv == 0 && n->repair.active) {
        vxc_node_stand_in(n);
    } else if (rv == 0) {
        rv = vxc_node_attach(n, err);
    }
    return rv;
}

int vxc_node_start(struct vxc_node *n, struct vxc_error *err)
{
    struct vxc_vote vote = {0};
    int rv;

    if (n->begun) {
        return vxc_error_set(err, VXC_EEXISTS, "the node was started before; create another one");
    }
    n->begun = true;
    n->started_ns = n->clock->monotonic_ns(n->clock->data);
    rv = n->options.secret_file == NULL || n->options.secret_file[0] == '\0'
             ? 0
             : vxc_secret_read(n->options.secret_file, &n->secret, err);
    rv = rv != 0 ? rv : open_disk(n, &vote, err);
    rv = rv != 0 ? rv : create_gateway(n, err);
    if (rv == 0 && !n->repair.active) {
        rv = vxc_node_start_replica(n, &vote, err);
    }
    if (rv == VXC_ECORRUPT) {
        vxc_node_explain_loss(n, err);
    }
    rv = rv != 0 ? rv : open_net(n, err);
    if (rv != 0) {
        return rv;
    }
    n->ready_ms = (n->clock->monotonic_ns(n->clock->data) - n->started_ns) / 1000000;
    n->started = true;
    vxc_loop_on_turn(n->loop, vxc_node_on_turn, n);
    return 0;
}

int vxc_node_ended(const struct vxc_node *n, struct vxc_error *err)
{
    if (!atomic_load(&n->stopped) || n->ended.code == 0) {
        return 0;
    }
    return vxc_error_set(err, n->ended.code, "%s", n->ended.text);
}

const char *vxc_node_address(const struct vxc_node *n)
{
    return n->address;
}

int vxc_node_connect(struct vxc_node *n, const struct vxc_connection_options *options,
                     struct vxc_connection **connection, struct vxc_error *err)
{
    if (!n->started) {
        return vxc_error_set(err, VXC_EINVAL, "the node was not started");
    }
    return vxc_connection_open(n->mailbox, n->listener, options, connection, err);
}

/* ---- death ---- */

void vxc_node_free(struct vxc_node *n)
{
    struct vxc_pipe_guard guard;
    bool clean;

    if (n == NULL) {
        return;
    }
    if (n->spawned) {
        vxc_node_stop(n);
        vxc_node_join(n);
    }
    vxc_pipe_guard_begin(&guard);
    vxc_mailbox_close(n->mailbox); /* what was posted until now is still done */
    vxc_snapshots_cancel(n->snapshots);
    vxc_node_close_images(n); /* a supply holds the log of the replica */
    if (n->replica != NULL) {
        vxc_replica_stop(n->replica); /* unknown outcomes are told to whom is still there */
    }
    /* a full disk may have kept the last rows out of LMDB: the log has them, but it is not clean */
    clean = n->started && n->store != NULL &&
            vxc_store_meta(n->store)->applied_index == vxc_fsm_applied_index(n->fsm);
    if (n->listener != NULL) {
        if (n->started) {
            vxc_gateway_end_turn(n->gateway);
            vxc_listener_flush(n->listener);
        }
        vxc_listener_close(n->listener);
    }
    vxc_cluster_free(n->cluster); /* it ends its connections, whose last calls come in the loop */
    vxc_loop_free(n->loop);       /* closing callbacks of connections run in here */
    vxc_pipe_guard_end(&guard);
    if (n->started && n->address[0] != '\0') {
        vxc_identity_remove_endpoint(&n->identity);
    }
    vxc_gateway_free(n->gateway);
    vxc_snapshots_free(n->snapshots); /* its thread reads the store */
    vxc_fsm_free(n->fsm);
    vxc_table_free(n->table);
    vxc_store_close(n->store);
    vxc_log_close(n->log);
    if (n->vote != NULL) {
        vxc_vote_close(n->vote);
    }
    vxc_identity_close(&n->identity, clean);
    vxc_secret_free(&n->secret);
    free_parts(n);
}
