/* Two variables of libc under names of our own. Debian's libraft.a is built for programs and
 * addresses `stderr` and `__progname` as only a program may; in a shared library they have to lie
 * beside it. CMakeLists.txt renames them in its copy of the archive. */
#include <stdio.h>

extern const char *vxc_engine_progname;
extern FILE *vxc_engine_stderr;

const char *vxc_engine_progname = "libvxc"; /* the engine refuses to work in a "unit-test" */
FILE *vxc_engine_stderr;                    /* where it traces, if asked to by its environment */

__attribute__((constructor)) static void begin(void)
{
    vxc_engine_stderr = stderr;
}
