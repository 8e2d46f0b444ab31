#include "base/logger.h"

#include "base/error.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

struct kept {
    unsigned lines;
    enum vxc_log_level level;
    char line[4096];
};

static void keep(void *data, enum vxc_log_level level, const char *line)
{
    struct kept *kept = data;

    kept->lines++;
    kept->level = level;
    (void)snprintf(kept->line, sizeof kept->line, "%s", line);
}

static struct vxc_logger logger_to(struct kept *kept, enum vxc_log_level level)
{
    struct vxc_logger logger;

    vxc_logger_init(&logger, level);
    logger.data = kept;
    logger.sink = keep;
    logger.node_id = 3;
    return logger;
}

static void line_has_time_level_event_node_and_fields(void **state)
{
    struct kept kept = {0};
    struct vxc_logger logger = logger_to(&kept, VXC_LOG_INFO);
    unsigned number;
    char rest[256];

    (void)state;
    vxc_log_event(&logger, VXC_LOG_WARN, "conn_cut", "conn=%u reason=\"%s\"", 7u, "slow reader");
    assert_int_equal(kept.lines, 1);
    assert_int_equal(kept.level, VXC_LOG_WARN);
    assert_int_equal(
        sscanf(kept.line, "%*4u-%*2u-%*2uT%*2u:%*2u:%*2u.%3uZ %255[^\n]", &number, rest), 2);
    assert_int_equal(strlen(kept.line) - strlen(rest), strlen("2026-11-23T14:05:06.123Z "));
    assert_string_equal(rest, "warn conn_cut node=3 conn=7 reason=\"slow reader\"");
}

static void events_above_the_level_are_dropped(void **state)
{
    struct kept kept = {0};
    struct vxc_logger logger = logger_to(&kept, VXC_LOG_WARN);

    (void)state;
    vxc_log_event(&logger, VXC_LOG_ERROR, "a", "x=1");
    vxc_log_event(&logger, VXC_LOG_WARN, "b", "x=1");
    vxc_log_event(&logger, VXC_LOG_INFO, "c", "x=1");
    vxc_log_event(&logger, VXC_LOG_DEBUG, "d", "x=1");
    assert_int_equal(kept.lines, 2);
    vxc_log_event(NULL, VXC_LOG_ERROR, "e", "x=1");
    assert_int_equal(kept.lines, 2);
}

static void long_line_is_cut_not_split(void **state)
{
    struct kept kept = {0};
    struct vxc_logger logger = logger_to(&kept, VXC_LOG_INFO);
    char text[4000];

    (void)state;
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    vxc_log_event(&logger, VXC_LOG_INFO, "long", "text=%s", text);
    assert_int_equal(kept.lines, 1);
    assert_int_equal(strlen(kept.line), 2047);
}

static void levels_are_read_by_name(void **state)
{
    enum vxc_log_level level = VXC_LOG_INFO;

    (void)state;
    assert_int_equal(vxc_log_level_parse("debug", &level), 0);
    assert_int_equal(level, VXC_LOG_DEBUG);
    assert_int_equal(vxc_log_level_parse("error", &level), 0);
    assert_int_equal(level, VXC_LOG_ERROR);
    assert_int_equal(vxc_log_level_parse("loud", &level), VXC_EINVAL);
    assert_int_equal(vxc_log_level_parse("", &level), VXC_EINVAL);
    assert_int_equal(level, VXC_LOG_ERROR);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(line_has_time_level_event_node_and_fields),
        cmocka_unit_test(events_above_the_level_are_dropped),
        cmocka_unit_test(long_line_is_cut_not_split),
        cmocka_unit_test(levels_are_read_by_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
