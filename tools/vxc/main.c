#include "tools/vxc/cli.h"

int main(int argc, char **argv)
{
    return vxc_cli_main(argc, argv);
}
