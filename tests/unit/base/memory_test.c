#include "base/memory.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "lib/failing_heap.h"
#include "vxc.h"

static int install(void **state)
{
    (void)state;
    failing_heap_install();
    return 0;
}

static int uninstall(void **state)
{
    (void)state;
    assert_int_equal(failing_heap_balance(), 0);
    failing_heap_uninstall();
    return 0;
}

static void every_function_asks_the_chosen_allocator(void **state)
{
    void *memory[7];

    (void)state;
    memory[0] = vxc_malloc(10);
    memory[1] = vxc_calloc(2, 5);
    memory[2] = vxc_realloc(NULL, 10);
    memory[3] = vxc_strdup("text");
    memory[4] = vxc_strndup("text", 2);
    memory[5] = vxc_format("%d", 42);
    memory[6] = vxc_aligned_malloc(4096, 10);
    assert_int_equal(failing_heap_calls(), 7);
    assert_int_equal(failing_heap_balance(), 7);
    for (int i = 0; i < 6; i++) {
        vxc_free(memory[i]);
    }
    vxc_aligned_free(memory[6]);
}

static void nothing_of_the_caller_is_used_after_it_was_taken_back(void **state)
{
    void *memory;

    (void)state;
    vxc_set_allocator(NULL);
    memory = vxc_malloc(1);
    assert_non_null(memory);
    vxc_free(memory);
    assert_int_equal(failing_heap_calls(), 0);
}

static void a_refusal_is_null_and_changes_nothing(void **state)
{
    char *text = vxc_strdup("kept");

    (void)state;
    failing_heap_arm(1, true);
    assert_null(vxc_malloc(1));
    assert_null(vxc_calloc(1, 1));
    assert_null(vxc_realloc(text, 100));
    assert_null(vxc_strdup("x"));
    assert_null(vxc_strndup("x", 1));
    assert_null(vxc_format("x"));
    assert_null(vxc_aligned_malloc(64, 1));
    assert_int_equal(failing_heap_failures(), 7);
    assert_string_equal(text, "kept");
    vxc_free(text);
}

static void only_the_kth_call_fails_unless_all_after_it_do(void **state)
{
    void *first;
    void *third;

    (void)state;
    failing_heap_arm(2, false);
    first = vxc_malloc(1);
    assert_non_null(first);
    assert_null(vxc_malloc(1));
    third = vxc_malloc(1);
    assert_non_null(third);
    vxc_free(first);
    vxc_free(third);
}

static void calloc_gives_zeros_and_sees_an_overflow(void **state)
{
    const uint8_t zeros[64] = {0};
    void *memory = vxc_calloc(8, 8);

    (void)state;
    assert_memory_equal(memory, zeros, sizeof zeros);
    vxc_free(memory);
    assert_null(vxc_calloc(SIZE_MAX / 2, 3));
    assert_null(vxc_calloc(3, SIZE_MAX / 2));
}

static void realloc_keeps_what_was_there(void **state)
{
    char *memory = vxc_realloc(NULL, 5);

    (void)state;
    memcpy(memory, "text", 5);
    memory = vxc_realloc(memory, 100000);
    assert_string_equal(memory, "text");
    memory = vxc_realloc(memory, 5);
    assert_string_equal(memory, "text");
    vxc_free(memory);
}

static void aligned_memory_is_aligned_and_wholly_usable(void **state)
{
    (void)state;
    for (size_t alignment = 8; alignment <= 65536; alignment *= 2) {
        for (size_t size = 0; size < 5000; size += 1237) {
            uint8_t *memory = vxc_aligned_malloc(alignment, size);
            assert_int_equal((uintptr_t)memory % alignment, 0);
            memset(memory, 0xff, size);
            vxc_aligned_free(memory);
        }
    }
    assert_null(vxc_aligned_malloc(4096, SIZE_MAX));
    assert_null(vxc_aligned_malloc(4096, SIZE_MAX - 4096));
}

static void free_of_null_is_fine(void **state)
{
    (void)state;
    vxc_free(NULL);
    vxc_aligned_free(NULL);
    assert_int_equal(failing_heap_balance(), 0);
}

static void texts_are_copied_and_formatted(void **state)
{
    char *copy = vxc_strndup("abc", 2);
    char *whole = vxc_strndup("abc", 100);
    char *line = vxc_format("%s-%0*d", "x", 600, 7); /* longer than any fixed buffer of ours */
    char *empty = vxc_format("%s", "");

    (void)state;
    assert_string_equal(copy, "ab");
    assert_string_equal(whole, "abc");
    assert_int_equal(strlen(line), 602);
    assert_int_equal(line[601], '7');
    assert_string_equal(empty, "");
    vxc_free(copy);
    vxc_free(whole);
    vxc_free(line);
    vxc_free(empty);
}

static void the_version_has_three_numbers(void **state)
{
    unsigned major, minor, patch;

    (void)state;
    assert_int_equal(sscanf(vxc_version(), "%u.%u.%u", &major, &minor, &patch), 3);
}

#define with_heap(test) cmocka_unit_test_setup_teardown(test, install, uninstall)

int main(void)
{
    const struct CMUnitTest tests[] = {
        with_heap(every_function_asks_the_chosen_allocator),
        with_heap(nothing_of_the_caller_is_used_after_it_was_taken_back),
        with_heap(a_refusal_is_null_and_changes_nothing),
        with_heap(only_the_kth_call_fails_unless_all_after_it_do),
        with_heap(calloc_gives_zeros_and_sees_an_overflow),
        with_heap(realloc_keeps_what_was_there),
        with_heap(aligned_memory_is_aligned_and_wholly_usable),
        with_heap(free_of_null_is_fine),
        with_heap(texts_are_copied_and_formatted),
        with_heap(the_version_has_three_numbers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
