/* dump: the whole state, one row per line, from the server or from the files. */
#include "base/error.h"

#include "tools/vxc/cli.h"

void vxc_cli_dump_row(struct vxc_cli *cli, struct vxc_bytes first, struct vxc_bytes second)
{
    if (cli->out.mode == VXC_OUT_TABLE) {
        vxc_out_bytes(&cli->out, vxc_slice(first.data, first.size));
        vxc_out_json(&cli->out, vxc_slice(second.data, second.size));
        vxc_out_end_row(&cli->out);
        return;
    }
    if (cli->out.mode == VXC_OUT_JSON) {
        vxc_out_plain(&cli->out, vxc_slice_of_string(cli->out.rows > 0 ? ",\n " : "["));
        cli->out.rows++;
    }
    vxc_out_plain(&cli->out, vxc_slice(second.data, second.size));
    if (cli->out.mode != VXC_OUT_JSON) {
        vxc_out_plain(&cli->out, vxc_slice_of_string("\n"));
    }
}

static int run_dump(struct vxc_cli *cli)
{
    static const char *const columns[] = {"database", "row", NULL};
    struct vxc_request request = vxc_request(VXC_CALL_DUMP);
    int rc;

    if (vxc_cli_has(cli, VXC_OPTION_DATA)) {
        return vxc_run_dump_offline(cli);
    }
    if (vxc_cli_has(cli, VXC_OPTION_LOG)) {
        return vxc_cli_fail(cli, VXC_EXIT_USAGE,
                            "the log is read from files only; add --data DIR (the node may run)");
    }
    vxc_out_begin(&cli->out, columns);
    rc = vxc_cli_pages(cli, &request, vxc_cli_dump_row);
    if (rc == 0 || cli->out.rows > 0) {
        vxc_out_end(&cli->out);
    }
    return rc;
}

const struct vxc_cli_command vxc_dump_commands[] = {
    {.name = "",
     .arguments = "",
     .help = "all rows as JSON lines; with --data also of a stopped node, its log's tail included",
     .options = VXC_OPTION_BIT(DATA) | VXC_OPTION_BIT(LOG) | VXC_OPTION_BIT(LIMIT),
     .run = run_dump},
    {0},
};
