#include "tools/vxc/cli.h"
#include "tools/vxc/text.h"

static const char *const exit_statuses =
    "Exit status: 0 done or true · 1 not found or false · 2 usage or configuration · 3 no server\n"
    "reached · 4 conflict · 5 refused · 6 integrity · 7 unsafe without --yes · 124 no answer in "
    "time\n";

static void print_options(FILE *file, uint64_t set)
{
    for (size_t i = 0; i < VXC_OPTIONS_COUNT; i++) {
        const struct vxc_option *o = &vxc_options[i];
        char left[64];
        if ((set >> i & 1) == 0) {
            continue;
        }
        (void)snprintf(left, sizeof left, "%c%c%s --%s %s", o->letter != 0 ? '-' : ' ',
                       o->letter != 0 ? o->letter : ' ', o->letter != 0 ? "," : " ", o->name,
                       o->argument == NULL ? "" : o->argument);
        (void)fprintf(file, "  %-32s %s\n", left, o->help);
    }
}

static uint64_t global_options(void)
{
    uint64_t set = 0;
    for (size_t i = 0; i < VXC_OPTIONS_COUNT; i++) {
        set |= (uint64_t)vxc_options[i].global << i;
    }
    return set;
}

void vxc_help_program(FILE *file)
{
    (void)fprintf(file, "vxc %s: the command line of vertx-cluster\n\nusage: vxc COMMAND …\n\n",
                  VXC_VERSION);
    for (const struct vxc_family *f = vxc_families; f->name != NULL; f++) {
        (void)fprintf(file, "  %-14s %s\n", f->name, f->help);
    }
    (void)fprintf(file, "\noptions, before or after the command (-- ends them):\n");
    print_options(file, global_options());
    (void)fprintf(file,
                  "\nWithout -e the cluster is where VERTX_CLUSTER_ENDPOINTS says, else where the "
                  "file\n./vxc-data/endpoint says. Help on a command: vxc help COMMAND …\n\n%s",
                  exit_statuses);
}

void vxc_help_family(FILE *file, const struct vxc_family *family)
{
    (void)fprintf(file, "vxc %s: %s\n\n", family->name, family->help);
    for (const struct vxc_cli_command *c = family->commands; c->name != NULL; c++) {
        char left[96];
        (void)snprintf(left, sizeof left, "vxc %s%s%s %s", family->name,
                       c->name[0] != '\0' ? " " : "", c->name, c->arguments);
        (void)fprintf(file, "  %-52s %s\n", left, c->help);
    }
    (void)fprintf(file, "\nMore on each: vxc help %s COMMAND\n", family->name);
}

void vxc_help_command(FILE *file, const struct vxc_family *family,
                      const struct vxc_cli_command *command)
{
    (void)fprintf(file, "usage: vxc %s%s%s %s\n\n%s%s\n", family->name,
                  command->name[0] != '\0' ? " " : "", command->name, command->arguments,
                  command->help, command->destructive ? " (asks first, or needs --yes)" : "");
    if (command->options != 0) {
        (void)fprintf(file, "\noptions:\n");
        print_options(file, command->options);
    }
    (void)fprintf(file, "\noptions of all commands:\n");
    print_options(file, global_options());
    (void)fprintf(file, "\n%s", exit_statuses);
}

static int run_help(struct vxc_cli *cli)
{
    const struct vxc_family *family;
    const struct vxc_cli_command *command;

    if (cli->argc == 0) {
        vxc_help_program(stdout);
        return VXC_EXIT_DONE;
    }
    family = vxc_family_find(cli->argv[0]);
    if (family == NULL) {
        return vxc_cli_fail(cli, VXC_EXIT_USAGE, "there is no such command; all of them: vxc help");
    }
    if (family->commands[0].name[0] == '\0') {
        vxc_help_command(stdout, family, &family->commands[0]);
        return VXC_EXIT_DONE;
    }
    if (cli->argc == 1) {
        vxc_help_family(stdout, family);
        return VXC_EXIT_DONE;
    }
    command = vxc_command_find(family, cli->argv[1]);
    if (command == NULL) {
        return vxc_cli_fail(cli, VXC_EXIT_USAGE, "there is no \"%s %s\"; all of them: vxc help %s",
                            cli->argv[0], cli->argv[1], cli->argv[0]);
    }
    vxc_help_command(stdout, family, command);
    return VXC_EXIT_DONE;
}

const struct vxc_cli_command vxc_help_commands[] = {
    {.name = "", .arguments = "[COMMAND …]", .help = "show help", .args_max = 2, .run = run_help},
    {0},
};
