/* Configuration of the daemon: flag > environment > file > default, for every option alike.
 *
 * One table (config.c) names each option once and yields its flag, its environment variable, its
 * key in the INI file, its bounds and its help text. An unknown flag or key, or a value out of
 * range, is an error that names the source, the value and the range.
 */
#ifndef VXC_NODE_CONFIG_H
#define VXC_NODE_CONFIG_H

#include "base/error.h"
#include "base/logger.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#define VXC_CONFIG_TEXT_MAX 1024

struct vxc_config {
    char data[VXC_CONFIG_TEXT_MAX]; /* folder */
    char host[VXC_CONFIG_TEXT_MAX]; /* numeric address to listen on */
    uint64_t port;                  /* 0 = any free one */
    uint64_t node_id;
    uint64_t timeout_ms;
    uint64_t ping_interval_ms;
    uint64_t election_timeout_ms;
    uint64_t heartbeat_ms;
    uint64_t clean_cache_mib;
    uint64_t connections_max;
    bool apply_each;
    enum vxc_log_level log_level;
    char accept_plaintext_on[VXC_CONFIG_TEXT_MAX]; /* flag only */
    bool plaintext;                                /* listening off loopback */
    bool help;
    bool version;
};

/* Reads everything. VXC_EINVAL with what and where on bad input. */
int vxc_config_load(int argc, char **argv, struct vxc_config *config, struct vxc_error *err);

/* Prints the options with defaults and environment variables. */
void vxc_config_help(FILE *out);

#endif
