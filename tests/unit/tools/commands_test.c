/* The tables of commands are consistent with themselves. */
#include "tools/vxc/cli.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static void every_command_can_be_found_and_run(void **state)
{
    (void)state;
    for (const struct vxc_family *f = vxc_families; f->name != NULL; f++) {
        assert_ptr_equal(vxc_family_find(f->name), f);
        assert_non_null(f->commands[0].name);
        for (const struct vxc_cli_command *c = f->commands; c->name != NULL; c++) {
            assert_ptr_equal(vxc_command_find(f, c->name), c);
            assert_non_null(c->arguments);
            assert_non_null(c->help);
            assert_true(c->run != NULL || c->operation != 0);
            assert_true(c->args_max < 0 || c->args_min <= c->args_max);
        }
    }
}

/* Each argument of a simple command has its field, and a missing last one can only be a value. */
static void fields_match_the_arguments(void **state)
{
    (void)state;
    for (const struct vxc_family *f = vxc_families; f->name != NULL; f++) {
        for (const struct vxc_cli_command *c = f->commands; c->name != NULL; c++) {
            if (c->run != NULL) {
                continue;
            }
            assert_int_equal((int)strlen(c->fields), c->args_max);
            assert_int_equal(strspn(c->fields, "nkvxdDi"), strlen(c->fields));
            if (c->args_min < c->args_max) {
                assert_int_equal(c->fields[c->args_min], 'v');
                assert_true((c->options & VXC_OPTION_BIT(FILE)) != 0);
            }
        }
    }
}

static void options_have_names_of_their_own(void **state)
{
    (void)state;
    for (size_t i = 0; i < VXC_OPTIONS_COUNT; i++) {
        for (size_t k = i + 1; k < VXC_OPTIONS_COUNT; k++) {
            assert_string_not_equal(vxc_options[i].name, vxc_options[k].name);
            assert_true(vxc_options[i].letter == 0 ||
                        vxc_options[i].letter != vxc_options[k].letter);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_command_can_be_found_and_run),
        cmocka_unit_test(fields_match_the_arguments),
        cmocka_unit_test(options_have_names_of_their_own),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
