/* One event per line, key=value, on stderr or to the embedder's sink.
 *
 * Layers below node return errors and never log. The levels are those of vxc.h.
 *
 *     vxc_log_event(logger, VXC_LOG_WARN, "conn_cut", "conn=%u reason=\"%s\"", id, text);
 *     → 2026-11-23T14:05:06.123Z warn conn_cut node=1 conn=7 reason="slow reader"
 */
#ifndef VXC_BASE_LOGGER_H
#define VXC_BASE_LOGGER_H

#include "vxc.h"

#include <stdint.h>

struct vxc_logger {
    void *data;               /* for the sink */
    enum vxc_log_level level; /* events above it are dropped */
    uint64_t node_id;         /* put on every line; 0 = not yet known */
    /* Receives one whole line without newline; called on the thread that drives the
     * node only. */
    void (*sink)(void *data, enum vxc_log_level level, const char *line);
};

/* Fills in a logger that writes to stderr. */
void vxc_logger_init(struct vxc_logger *logger, enum vxc_log_level level);

/* A NULL logger drops everything. */
void vxc_log_event(const struct vxc_logger *logger, enum vxc_log_level level, const char *event,
                   const char *format, ...) __attribute__((format(printf, 4, 5)));

/* 0 and *level for "error", "warn", "info", "debug"; VXC_EINVAL else. */
int vxc_log_level_parse(const char *text, enum vxc_log_level *level);

#endif
