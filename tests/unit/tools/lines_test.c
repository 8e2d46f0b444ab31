#include "tools/vxc/lines.h"

#include "base/error.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

static void write_all(int fd, const char *text)
{
    assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
}

static void expect_line(struct vxc_lines *lines, const char *text, uint64_t number)
{
    struct vxc_slice line;
    assert_true(vxc_lines_next(lines, &line));
    assert_true(vxc_slice_equal(line, vxc_slice_of_string(text)));
    assert_int_equal(lines->number, number);
}

static void lines_come_when_they_are_whole_and_blank_ones_are_counted(void **state)
{
    struct vxc_lines lines;
    struct vxc_slice line;
    int fds[2];

    (void)state;
    assert_int_equal(pipe(fds), 0);
    vxc_lines_init(&lines, fds[0], 100);
    assert_false(vxc_lines_next(&lines, &line));
    write_all(fds[1], "one\n\n  \ntwo\nthr");
    assert_int_equal(vxc_lines_read(&lines), 0);
    expect_line(&lines, "one", 1);
    expect_line(&lines, "two", 4);
    assert_false(vxc_lines_next(&lines, &line));
    assert_false(lines.at_end);
    write_all(fds[1], "ee\nlast");
    assert_int_equal(vxc_lines_read(&lines), 0);
    expect_line(&lines, "three", 5);
    assert_false(vxc_lines_next(&lines, &line));
    (void)close(fds[1]);
    assert_int_equal(vxc_lines_read(&lines), 0);
    assert_true(lines.at_end);
    expect_line(&lines, "last", 6);
    assert_false(vxc_lines_next(&lines, &line));
    vxc_lines_free(&lines);
}

static void a_line_without_end_is_bounded(void **state)
{
    struct vxc_lines lines;
    char text[201];
    int fds[2];

    (void)state;
    assert_int_equal(pipe(fds), 0);
    memset(text, 'x', 200);
    text[200] = '\0';
    vxc_lines_init(&lines, fds[0], 100);
    write_all(fds[1], text);
    assert_int_equal(vxc_lines_read(&lines), 0);
    assert_int_equal(vxc_lines_read(&lines), VXC_ETOOBIG);
    assert_true(lines.at_end);
    (void)close(fds[1]);
    vxc_lines_free(&lines);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_come_when_they_are_whole_and_blank_ones_are_counted),
        cmocka_unit_test(a_line_without_end_is_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
