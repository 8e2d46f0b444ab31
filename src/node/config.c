#include "node/config.h"

#include "base/endpoint.h"
#include "base/limits.h"
#include "base/logger.h"
#include "node/cluster.h"

#include <errno.h>
#include <ini.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

enum kind { KIND_TEXT, KIND_ADDRESS, KIND_NUMBER, KIND_APPLY, KIND_LEVEL };

/* Where a value may come from besides the flag. */
enum origin { FLAG_ONLY = 0, ENV_AND_FILE = 1 };

struct option {
    const char *name;  /* --name; key in the file; VERTX_CLUSTER_NAME */
    const char *value; /* what stands for the value in the help */
    enum kind kind;
    enum origin origin;
    size_t offset;
    uint64_t low, high; /* of numbers */
    const char *initial;
    const char *help;
};

#define AT(field) offsetof(struct vxc_node_options, field)

static const struct option options[] = {
    {"data", "DIR", KIND_TEXT, ENV_AND_FILE, AT(data), 0, 0, "./vxc-data",
     "data directory of this node"},
    {"host", "ADDRESS", KIND_ADDRESS, ENV_AND_FILE, AT(host), 0, 0, "127.0.0.1",
     "numeric address to listen on"},
    {"port", "PORT", KIND_NUMBER, ENV_AND_FILE, AT(port), 0, 65535, "0",
     "port for clients and peers; 0 = any free one, printed and written to DIR/endpoint"},
    {"node-id", "ID", KIND_NUMBER, ENV_AND_FILE, AT(node_id), 1, UINT32_MAX, "1",
     "id of this node, for ever the same for one data directory"},
    {"timeout", "MS", KIND_NUMBER, ENV_AND_FILE, AT(timeout_ms), VXC_SESSION_TIMEOUT_MS_MIN,
     VXC_SESSION_TIMEOUT_MS_MAX, "20000", "default session timeout in ms"},
    {"ping-interval", "MS", KIND_NUMBER, ENV_AND_FILE, AT(ping_interval_ms), 10, 3600000, "20000",
     "pace at which nodes of the original protocol ping, in ms"},
    {"election-timeout", "MS", KIND_NUMBER, ENV_AND_FILE, AT(election_timeout_ms), 50, 60000, "500",
     "election timeout in ms"},
    {"heartbeat", "MS", KIND_NUMBER, ENV_AND_FILE, AT(heartbeat_ms), 10, 10000, "100",
     "heartbeat interval in ms"},
    {"clean-cache-mib", "MIB", KIND_NUMBER, ENV_AND_FILE, AT(clean_cache_mib), 1, 1048576, "256",
     "bound of clean rows kept in memory"},
    {"connections-max", "N", KIND_NUMBER, ENV_AND_FILE, AT(connections_max), 1, VXC_CONNECTIONS_MAX,
     "16384", "bound of client connections"},
    {"apply", "each|fast", KIND_APPLY, ENV_AND_FILE, AT(apply_each), 0, 0, "fast",
     "each = commit LMDB once per message (reference mode, slow)"},
    {"log-level", "LEVEL", KIND_LEVEL, ENV_AND_FILE, AT(log_level), 0, 0, "info",
     "error, warn, info or debug"},
    {"i-accept-plaintext-on", "ADDRESS", KIND_TEXT, FLAG_ONLY, AT(accept_plaintext_on), 0, 0, "",
     "listen without TLS on exactly this address off loopback"},
    {"initial-cluster", "ID=ADDRESS,...", KIND_TEXT, ENV_AND_FILE, AT(initial_cluster), 0, 0, "",
     "all nodes of a new cluster, this one included, as 1=host:port,2=host:port,3=host:port"},
    {"join", "ADDRESS,...", KIND_TEXT, ENV_AND_FILE, AT(join), 0, 0, "",
     "nodes of a running cluster that this one is to become part of (vxc member add)"},
    {"secret-file", "FILE", KIND_TEXT, ENV_AND_FILE, AT(secret_file), 0, 0, "",
     "what all nodes of a cluster prove to each other to know; 16 to 4096 bytes, mode 0600"},
};

enum { OPTION_COUNT = sizeof options / sizeof options[0] };

/* What programs that embed a node may call these in their environment. */
static const struct {
    const char *name;
    const char *variable;
} short_names[] = {{"node-id", "NODE_ID"}, {"host", "CLUSTER_HOST"}, {"port", "CLUSTER_PORT"}};

static const struct option *find_option(const char *name, size_t size)
{
    for (size_t i = 0; i < OPTION_COUNT; i++) {
        if (strlen(options[i].name) == size && memcmp(options[i].name, name, size) == 0) {
            return &options[i];
        }
    }
    return NULL;
}

/* Edits between two short words; for "did you mean". */
static size_t distance(const char *a, const char *b)
{
    size_t row[64];
    size_t wide = strlen(b);

    if (wide >= 64) {
        return SIZE_MAX;
    }
    for (size_t j = 0; j <= wide; j++) {
        row[j] = j;
    }
    for (size_t i = 1; a[i - 1] != '\0'; i++) {
        size_t corner = row[0];
        row[0] = i;
        for (size_t j = 1; j <= wide; j++) {
            size_t best = corner + (a[i - 1] != b[j - 1]);
            corner = row[j];
            best = row[j] + 1 < best ? row[j] + 1 : best;
            row[j] = row[j - 1] + 1 < best ? row[j - 1] + 1 : best;
        }
    }
    return row[wide];
}

static int unknown(const char *where, const char *name, struct vxc_error *err)
{
    static const char *const others[] = {"config", "help", "version"};
    const char *best = NULL;
    size_t best_distance = 4;

    for (size_t i = 0; i < OPTION_COUNT + 3; i++) {
        const char *candidate = i < OPTION_COUNT ? options[i].name : others[i - OPTION_COUNT];
        size_t d = distance(name, candidate);
        if (d < best_distance) {
            best_distance = d;
            best = candidate;
        }
    }
    return vxc_error_set(err, VXC_EINVAL, "%s: unknown option \"%s\"%s%s%s; see vxcd --help", where,
                         name, best == NULL ? "" : "; did you mean \"", best == NULL ? "" : best,
                         best == NULL ? "" : "\"?");
}

static int set_number(uint64_t *out, const struct option *o, const char *where, const char *value,
                      struct vxc_error *err)
{
    char *end;
    unsigned long long number;

    errno = 0;
    number = strtoull(value, &end, 10);
    if (value[0] < '0' || value[0] > '9' || *end != '\0' || errno != 0 || number < o->low ||
        number > o->high) {
        return vxc_error_set(err, VXC_EINVAL, "%s: \"%s\" is not a number from %llu to %llu; %s",
                             where, value, (unsigned long long)o->low, (unsigned long long)o->high,
                             o->help);
    }
    *out = number;
    return 0;
}

static const char **text_of(struct vxc_node_options *node, const struct option *o)
{
    return (const char **)(void *)((char *)node + o->offset);
}

/* Sets one option from a text. The text itself is borrowed for as long as the options are. */
static int set_option(struct vxc_node_options *node, const struct option *o, const char *where,
                      const char *value, struct vxc_error *err)
{
    char *at = (char *)node + o->offset;

    switch (o->kind) {
    case KIND_ADDRESS:
        if (!vxc_host_is_numeric(value)) {
            return vxc_error_set(err, VXC_EINVAL,
                                 "%s: \"%s\" is not a numeric IPv4 or IPv6 address, such as "
                                 "127.0.0.1",
                                 where, value);
        }
        /* fall through */
    case KIND_TEXT:
        if (strlen(value) >= VXC_CONFIG_TEXT_MAX) {
            return vxc_error_set(err, VXC_EINVAL, "%s: longer than %d bytes", where,
                                 VXC_CONFIG_TEXT_MAX - 1);
        }
        *text_of(node, o) = value;
        return 0;
    case KIND_NUMBER:
        return set_number((uint64_t *)(void *)at, o, where, value, err);
    case KIND_APPLY:
        if (strcmp(value, "each") != 0 && strcmp(value, "fast") != 0) {
            return vxc_error_set(err, VXC_EINVAL, "%s: \"%s\" is neither \"each\" nor \"fast\"",
                                 where, value);
        }
        *(bool *)at = strcmp(value, "each") == 0;
        return 0;
    case KIND_LEVEL:
        if (vxc_log_level_parse(value, (enum vxc_log_level *)(void *)at) != 0) {
            return vxc_error_set(err, VXC_EINVAL,
                                 "%s: \"%s\" is not one of error, warn, info, debug", where, value);
        }
        return 0;
    }
    return VXC_EINVAL;
}

static void environment_name(const struct option *o, char name[64])
{
    size_t i = sizeof "VERTX_CLUSTER_" - 1;

    memcpy(name, "VERTX_CLUSTER_", i);
    for (const char *c = o->name; *c != '\0'; c++) {
        name[i++] = *c == '-' ? '_' : (char)(*c >= 'a' && *c <= 'z' ? *c - 'a' + 'A' : *c);
    }
    name[i] = '\0';
}

static const char *short_name(const struct option *o)
{
    for (size_t i = 0; i < sizeof short_names / sizeof short_names[0]; i++) {
        if (strcmp(short_names[i].name, o->name) == 0) {
            return short_names[i].variable;
        }
    }
    return NULL;
}

static int load_environment(struct vxc_node_options *node, bool embedded, struct vxc_error *err)
{
    for (size_t i = 0; i < OPTION_COUNT; i++) {
        char name[64];
        const char *where = name;
        const char *value;
        int rv;

        if (options[i].origin == FLAG_ONLY) {
            continue;
        }
        environment_name(&options[i], name);
        value = getenv(name);
        if (value == NULL && embedded && short_name(&options[i]) != NULL) {
            where = short_name(&options[i]);
            value = getenv(where);
        }
        rv = value == NULL ? 0 : set_option(node, &options[i], where, value, err);
        if (rv != 0) {
            return rv;
        }
    }
    return 0;
}

/* Texts that were set from elsewhere move in. */
static void keep_texts(struct vxc_config *config)
{
    size_t place = 0;

    for (size_t i = 0; i < OPTION_COUNT; i++) {
        if (options[i].kind == KIND_TEXT || options[i].kind == KIND_ADDRESS) {
            char *kept = config->texts[place++];
            const char **text = text_of(&config->node, &options[i]);

            if (*text != kept) {
                memmove(kept, *text, strlen(*text) + 1); /* set_option() has seen its length */
                *text = kept;
            }
        }
    }
}

struct file_state {
    struct vxc_config *config;
    struct vxc_error *err;
    const char *path;
    int code;
};

static int on_file_line(void *data, const char *section, const char *name, const char *value)
{
    struct file_state *f = data;
    const struct option *o = find_option(name, strlen(name));
    char where[VXC_CONFIG_TEXT_MAX];

    (void)section; /* sections are for the reader's eyes */
    if (f->code != 0) {
        return 1;
    }
    (void)snprintf(where, sizeof where, "%s: %.64s", f->path, name);
    if (o == NULL || o->origin == FLAG_ONLY) {
        f->code = unknown(where, name, f->err);
    } else {
        f->code = set_option(&f->config->node, o, where, value, f->err);
        if (f->code == 0) {
            keep_texts(f->config); /* the value is the parser's */
        }
    }
    return 1;
}

static int load_file(struct vxc_config *config, const char *path, struct vxc_error *err)
{
    struct file_state f = {.config = config, .err = err, .path = path};
    FILE *file = fopen(path, "re");
    int line;

    if (file == NULL) {
        return vxc_error_set(err, VXC_EINVAL, "cannot read the configuration file %s: %s", path,
                             strerror(errno));
    }
    line = ini_parse_file(file, on_file_line, &f);
    (void)fclose(file); /* it was only read */
    if (f.code == 0 && line > 0) {
        return vxc_error_set(err, VXC_EINVAL, "%s:%d: neither a section nor key = value", path,
                             line);
    }
    return f.code;
}

/* Walks the arguments. */
static int load_flags(int argc, char **argv, struct vxc_config *config, const char **file,
                      struct vxc_error *err)
{
    for (int i = 1; i < argc; i++) {
        const char *name = argv[i];
        const char *equals = strchr(name, '=');
        const char *value = equals == NULL ? NULL : equals + 1;
        const struct option *o;
        size_t size;

        if (strncmp(name, "--", 2) != 0 || name[2] == '\0') {
            return vxc_error_set(err, VXC_EINVAL, "unexpected argument \"%s\"; see vxcd --help",
                                 name);
        }
        name += 2;
        size = equals == NULL ? strlen(name) : (size_t)(equals - name);
        o = find_option(name, size);
        if (size == 4 && memcmp(name, "help", 4) == 0) {
            config->help = true;
            continue;
        }
        if (size == 7 && memcmp(name, "version", 7) == 0) {
            config->version = true;
            continue;
        }
        if (o == NULL && !(size == 6 && memcmp(name, "config", 6) == 0)) {
            char plain[64];
            (void)snprintf(plain, sizeof plain, "%.*s", (int)(size < 60 ? size : 60), name);
            return unknown("command line", plain, err);
        }
        if (value == NULL) {
            if (++i == argc) {
                return vxc_error_set(err, VXC_EINVAL, "--%s needs a value", name);
            }
            value = argv[i];
        }
        if (o == NULL) {
            *file = value;
        } else {
            char where[72];
            int rv;
            (void)snprintf(where, sizeof where, "--%s", o->name);
            rv = set_option(&config->node, o, where, value, err);
            if (rv != 0) {
                return rv;
            }
        }
    }
    keep_texts(config);
    return 0;
}

static bool is_given(const char *text)
{
    return text != NULL && text[0] != '\0';
}

static int check_address(const struct vxc_node_options *node, struct vxc_error *err)
{
    if (node->host == NULL || vxc_host_is_loopback(node->host)) {
        return 0;
    }
    if (node->accept_plaintext_on == NULL || strcmp(node->host, node->accept_plaintext_on) != 0) {
        return vxc_error_set(
            err, VXC_EINVAL,
            "refusing to listen on %s: without TLS everybody on that network could "
            "read and change everything; stay on 127.0.0.1 or say "
            "--i-accept-plaintext-on %s",
            node->host, node->host);
    }
    return 0;
}

/* Nodes that talk across a network prove who they are, and say that they know who can listen. */
static int check_exposure(const struct vxc_node_options *node, const struct vxc_cluster_spec *spec,
                          struct vxc_error *err)
{
    for (uint32_t i = 0; i < spec->count; i++) {
        const char *address = spec->members[i].address;
        struct vxc_endpoint endpoint = {0};

        (void)vxc_endpoint_parse(address, strlen(address), &endpoint); /* it was parsed before */
        if (vxc_host_is_loopback(endpoint.host)) {
            continue;
        }
        if (!is_given(node->secret_file)) {
            return vxc_error_set(err, VXC_EINVAL,
                                 "%s is off loopback: whoever reaches this port could take part in "
                                 "the cluster; give all nodes the same --secret-file",
                                 address);
        }
        if (!is_given(node->accept_plaintext_on)) {
            return vxc_error_set(err, VXC_EINVAL,
                                 "%s is off loopback, and nodes talk without TLS: say so by --host "
                                 "ADDRESS --i-accept-plaintext-on ADDRESS",
                                 address);
        }
    }
    return 0;
}

/* This node is one of the initial ones, and listens where they say that it does. */
static int check_own_address(const struct vxc_node_options *node,
                             const struct vxc_cluster_spec *spec, struct vxc_error *err)
{
    const char *address = vxc_cluster_spec_address(spec, node->node_id);
    struct vxc_endpoint endpoint = {0};

    if (address == NULL) {
        return vxc_error_set(err, VXC_EINVAL,
                             "--initial-cluster does not name node %llu, which this one is "
                             "(--node-id)",
                             (unsigned long long)node->node_id);
    }
    (void)vxc_endpoint_parse(address, strlen(address), &endpoint); /* it was parsed before */
    if (node->port != 0 && node->port != strtoull(endpoint.port, NULL, 10)) {
        return vxc_error_set(
            err, VXC_EINVAL, "--port %llu, but --initial-cluster says that node %llu listens on %s",
            (unsigned long long)node->port, (unsigned long long)node->node_id, address);
    }
    if (vxc_host_is_numeric(endpoint.host) && !vxc_host_is_wildcard(node->host) &&
        strcmp(endpoint.host, node->host) != 0) {
        return vxc_error_set(err, VXC_EINVAL,
                             "--host %s, but --initial-cluster says that node %llu listens on %s",
                             node->host, (unsigned long long)node->node_id, address);
    }
    return 0;
}

int vxc_config_cluster(const struct vxc_node_options *node, struct vxc_cluster_spec *spec,
                       struct vxc_error *err)
{
    int rv;

    memset(spec, 0, sizeof *spec);
    if (!is_given(node->initial_cluster) && !is_given(node->join)) {
        return 0;
    }
    if (is_given(node->initial_cluster) && is_given(node->join)) {
        return vxc_error_set(err, VXC_EINVAL,
                             "--initial-cluster makes a new cluster and --join takes part in one "
                             "that runs: give one of them");
    }
    if (node->host == NULL) {
        return vxc_error_set(err, VXC_EINVAL,
                             "a node of a cluster has to listen: option host is not set");
    }
    rv = is_given(node->join) ? vxc_cluster_parse_join(node->join, spec, err)
                              : vxc_cluster_parse_initial(node->initial_cluster, spec, err);
    if (rv != 0) {
        return vxc_error_prefix(err, is_given(node->join) ? "--join" : "--initial-cluster");
    }
    if (is_given(node->initial_cluster)) {
        rv = check_own_address(node, spec, err);
    }
    return rv != 0 ? rv : check_exposure(node, spec, err);
}

static int check_together(const struct vxc_node_options *node, struct vxc_error *err)
{
    struct vxc_cluster_spec spec;
    int rv = check_address(node, err);

    return rv != 0 ? rv : vxc_config_cluster(node, &spec, err);
}

bool vxc_config_is_plaintext(const struct vxc_node_options *node)
{
    return node->host != NULL && !vxc_host_is_loopback(node->host);
}

struct vxc_node_options vxc_node_options(void)
{
    struct vxc_node_options node = {.struct_size = sizeof node};

    for (size_t i = 0; i < OPTION_COUNT; i++) {
        (void)set_option(&node, &options[i], "default", options[i].initial,
                         NULL); /* all are good */
    }
    return node;
}

int vxc_config_take(const struct vxc_node_options *from, struct vxc_node_options *to,
                    struct vxc_error *err)
{
    if (from->struct_size < sizeof from->struct_size) {
        return vxc_error_set(err, VXC_EINVAL,
                             "options without a size: begin with "
                             "vxc_node_options()");
    }
    *to = vxc_node_options();
    memcpy(to, from, from->struct_size < sizeof *to ? from->struct_size : sizeof *to);
    return 0;
}

int vxc_node_options_environment(struct vxc_node_options *node, struct vxc_error *err)
{
    struct vxc_node_options filled;
    int rv = vxc_config_take(node, &filled, err);

    rv = rv != 0 ? rv : load_environment(&filled, true, err);
    if (rv == 0) {
        memcpy(node, &filled,
               node->struct_size < sizeof filled ? node->struct_size : sizeof filled);
    }
    return rv;
}

int vxc_config_check(const struct vxc_node_options *node, struct vxc_error *err)
{
    struct vxc_node_options scratch = *node;
    char number[32];
    int rv = 0;

    if (node->data == NULL || node->data[0] == '\0') {
        return vxc_error_set(err, VXC_EINVAL, "option data: a node needs a data directory");
    }
    for (size_t i = 0; rv == 0 && i < OPTION_COUNT; i++) {
        const struct option *o = &options[i];
        const char *value = NULL;
        char where[80];

        (void)snprintf(where, sizeof where, "option %s", o->name);
        if (o->kind == KIND_TEXT || o->kind == KIND_ADDRESS) {
            value = *text_of(&scratch, o);
        } else if (o->kind == KIND_NUMBER) {
            const uint64_t *at = (const uint64_t *)(const void *)((const char *)node + o->offset);
            (void)snprintf(number, sizeof number, "%llu", (unsigned long long)*at);
            value = number;
        }
        rv = value == NULL ? 0 : set_option(&scratch, o, where, value, err);
    }
    if (rv == 0 && (node->log_level < VXC_LOG_ERROR || node->log_level > VXC_LOG_DEBUG)) {
        rv = vxc_error_set(err, VXC_EINVAL, "option log-level: %d is none", (int)node->log_level);
    }
    return rv != 0 ? rv : check_together(node, err);
}

int vxc_config_load(int argc, char **argv, struct vxc_config *config, struct vxc_error *err)
{
    struct vxc_config probe;
    const char *file = NULL;
    int rv;

    memset(config, 0, sizeof *config);
    memset(&probe, 0, sizeof probe);
    config->node = probe.node = vxc_node_options();
    keep_texts(config);
    /* the flags first, for the file's name and for --help; then in order of rank */
    rv = load_flags(argc, argv, &probe, &file, err);
    if (rv != 0 || probe.help || probe.version) {
        config->help = probe.help;
        config->version = probe.version;
        return rv;
    }
    if (file != NULL && (rv = load_file(config, file, err)) != 0) {
        return rv;
    }
    if ((rv = load_environment(&config->node, false, err)) != 0) {
        return rv;
    }
    if ((rv = load_flags(argc, argv, config, &file, err)) != 0) {
        return rv;
    }
    return check_together(&config->node, err);
}

void vxc_config_help(FILE *out)
{
    fprintf(out,
            "Usage: vxcd [options]\n\n"
            "Runs one durable node in the foreground. Flags beat environment variables, which\n"
            "beat the file given with --config (INI, the same names), which beats defaults.\n\n");
    for (size_t i = 0; i < OPTION_COUNT; i++) {
        const struct option *o = &options[i];
        char flag[80];
        char name[64];

        (void)snprintf(flag, sizeof flag, "--%s %s", o->name, o->value);
        environment_name(o, name);
        fprintf(out, "  %-34s %s\n", flag, o->help);
        if (o->origin == ENV_AND_FILE) {
            fprintf(out, "  %-34s [%s, default %s]\n", "", name,
                    o->initial[0] != '\0' ? o->initial : "none");
        }
    }
    fprintf(out, "  %-34s %s\n  %-34s %s\n  %-34s %s\n", "--config FILE",
            "read options from a file", "--version", "print the version", "--help", "print this");
    fprintf(out,
            "\nExit status: 0 stopped, 2 configuration or port in use, 5 data directory locked,\n"
            "read-only or full, 6 damaged or foreign data, or refused by its cluster, 70 a failed "
            "flush or lost invariant.\n");
}
