/* Options of a node by name: flag > environment > file > default, for every option alike.
 *
 * One table (config.c) names each option once and yields its flag, its environment variables, its
 * key in the INI file, its bounds and its help text. An unknown flag or key, or a value out of
 * range, is an error that names the source, the value and the range.
 */
#ifndef VXC_NODE_CONFIG_H
#define VXC_NODE_CONFIG_H

#include "base/error.h"
#include "vxc/node.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#define VXC_CONFIG_TEXT_MAX 1024

/* What vxcd is told. Not to be copied: the options point into `texts`. */
struct vxc_config {
    struct vxc_node_options node;
    char texts[6][VXC_CONFIG_TEXT_MAX]; /* private: of the options that are texts */
    bool help;
    bool version;
};

/* Reads everything. VXC_EINVAL with what and where on bad input. */
int vxc_config_load(int argc, char **argv, struct vxc_config *config, struct vxc_error *err);

/* The options of a caller that may have been compiled with an earlier version of the header: what it
 * did not know has its default. VXC_EINVAL: they were not begun by vxc_node_options(). */
int vxc_config_take(const struct vxc_node_options *from, struct vxc_node_options *to,
                    struct vxc_error *err);

/* Are the options of an embedder within their bounds? VXC_EINVAL names the first that is not. */
int vxc_config_check(const struct vxc_node_options *options, struct vxc_error *err);

struct vxc_cluster_spec;

/* Reads initial_cluster or join, whichever is given; count 0 = neither, the node is alone or knows
 * the others from its data. VXC_EINVAL: malformed, both, this node is not in it or listens elsewhere,
 * or a network is exposed without a secret. */
int vxc_config_cluster(const struct vxc_node_options *options, struct vxc_cluster_spec *spec,
                       struct vxc_error *err);

/* Does the node listen where everybody on a network could read what goes by? */
bool vxc_config_is_plaintext(const struct vxc_node_options *options);

/* Prints the options with defaults and environment variables. */
void vxc_config_help(FILE *out);

#endif
