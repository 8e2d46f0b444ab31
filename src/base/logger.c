#include "logger.h"

#include "error.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

enum { LINE_SIZE_MAX = 2048 };

static const char *const level_names[] = {"error", "warn", "info", "debug"};

static void stderr_sink(void *data, enum vxc_log_level level, const char *line)
{
    (void)data;
    (void)level;
    fprintf(stderr, "%s\n", line);
}

void vxc_logger_init(struct vxc_logger *logger, enum vxc_log_level level)
{
    *logger = (struct vxc_logger){.level = level, .sink = stderr_sink};
}

void vxc_log_event(const struct vxc_logger *logger, enum vxc_log_level level, const char *event,
                   const char *format, ...)
{
    char line[LINE_SIZE_MAX];
    struct timespec now;
    struct tm utc;
    va_list args;
    int used;

    if (logger == NULL || logger->sink == NULL || level > logger->level) {
        return;
    }
    (void)clock_gettime(CLOCK_REALTIME, &now); /* shown to people only */
    (void)gmtime_r(&now.tv_sec, &utc);
    used =
        snprintf(line, sizeof line, "%04d-%02d-%02dT%02d:%02d:%02d.%03ldZ %s %s node=%" PRIu64 " ",
                 utc.tm_year + 1900, utc.tm_mon + 1, utc.tm_mday, utc.tm_hour, utc.tm_min,
                 utc.tm_sec, now.tv_nsec / 1000000, level_names[level], event, logger->node_id);
    va_start(args, format);
    (void)vsnprintf(line + used, sizeof line - (size_t)used, format, args);
    va_end(args);
    logger->sink(logger->data, level, line);
}

int vxc_log_level_parse(const char *text, enum vxc_log_level *level)
{
    for (int i = 0; i < 4; i++) {
        if (strcmp(text, level_names[i]) == 0) {
            *level = (enum vxc_log_level)i;
            return 0;
        }
    }
    return VXC_EINVAL;
}
