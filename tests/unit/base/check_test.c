#include "base/check.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

/* Runs `die` in a child and gives its status and what it wrote to stderr. */
static int status_of(void (*die)(void), char *text, size_t size)
{
    int ends[2];
    int status;
    size_t used = 0;
    ssize_t got;
    pid_t child;

    assert_int_equal(pipe(ends), 0);
    child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        const struct rlimit no_core = {0, 0};
        (void)setrlimit(RLIMIT_CORE, &no_core); /* a core file would only be litter */
        (void)signal(SIGABRT, SIG_DFL);
        (void)dup2(ends[1], STDERR_FILENO);
        die();
        _exit(0);
    }
    (void)close(ends[1]);
    while ((got = read(ends[0], text + used, size - 1 - used)) > 0) {
        used += (size_t)got;
    }
    text[used] = '\0';
    (void)close(ends[0]);
    assert_int_equal(waitpid(child, &status, 0), child);
    return status;
}

static void break_invariant(void)
{
    int held = 1;
    vxc_check(held == 2);
}

static void fail_a_flush(void)
{
    vxc_fatal("flush of %s failed: %s", "log/0001", "No space");
}

static void say(void *data)
{
    (void)!write(STDERR_FILENO, data, strlen(data));
}

static void fail_with_wishes(void)
{
    char words[3][8] = {"first\n", "second\n", "third\n"};
    struct vxc_last_wish first = {.run = say, .data = words[0]};
    struct vxc_last_wish second = {.run = say, .data = words[1]};
    struct vxc_last_wish third = {.run = say, .data = words[2]};

    vxc_last_wish_add(&first);
    vxc_last_wish_add(&second);
    vxc_last_wish_add(&third);
    vxc_last_wish_withdraw(&second);
    vxc_fatal("flush failed");
}

static void broken_invariant_aborts_with_its_place(void **state)
{
    char text[8192];
    int status = status_of(break_invariant, text, sizeof text);

    (void)state;
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGABRT);
    assert_non_null(strstr(text, "check failed: held == 2"));
    assert_non_null(strstr(text, "check_test.c"));
    assert_non_null(strstr(text, "break_invariant"));
}

static void fatal_failure_ends_with_status_70_and_its_text(void **state)
{
    char text[8192];
    int status = status_of(fail_a_flush, text, sizeof text);

    (void)state;
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 70);
    assert_string_equal(text, "vxc: fatal: flush of log/0001 failed: No space\n");
}

static void last_wishes_are_done_unless_they_were_withdrawn(void **state)
{
    char text[8192];
    int status = status_of(fail_with_wishes, text, sizeof text);

    (void)state;
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 70);
    assert_string_equal(text, "vxc: fatal: flush failed\nthird\nfirst\n");
}

static void true_condition_is_evaluated_once(void **state)
{
    int times = 0;

    (void)state;
    vxc_check(++times == 1);
    assert_int_equal(times, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(broken_invariant_aborts_with_its_place),
        cmocka_unit_test(fatal_failure_ends_with_status_70_and_its_text),
        cmocka_unit_test(last_wishes_are_done_unless_they_were_withdrawn),
        cmocka_unit_test(true_condition_is_evaluated_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
