/* base/check.h for the simulator: where a process would end, a life of a node does. */
#include "base/check.h"

#include "world.h"

#include <execinfo.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static _Noreturn void end(const char *what, const char *text)
{
    void *stack[48];

    if (sim_world == NULL) {
        sim_broken("%s: %s", what, text);
    }
    (void)fflush(stdout);
    backtrace_symbols_fd(stack, backtrace(stack, 48), STDERR_FILENO);
    sim_violation(sim_world, "node %d: %s: %s", node_current == NULL ? 0 : (int)node_current->id,
                  what, text);
}

_Noreturn void vxc_check_failed(const char *condition, const char *file, int line,
                                const char *function)
{
    char text[512];
    const char *name = file;

    for (const char *at = file; *at != '\0'; at++) {
        name = *at == '/' ? at + 1 : name; /* the same text wherever it was built */
    }
    (void)snprintf(text, sizeof text, "%s (%s:%d, %s)", condition, name, line, function);
    end("check failed", text);
}

/* Paths name the seed's folder, which has another name in each run. */
static void without_folder(char *text)
{
    const char *folder = sim_world == NULL ? NULL : sim_world->folder;
    const size_t size = folder == NULL ? 0 : strlen(folder);
    char *found;

    while (size > 0 && (found = strstr(text, folder)) != NULL) {
        memmove(found, found + size, strlen(found + size) + 1);
    }
}

_Noreturn void vxc_fatal(const char *format, ...)
{
    char text[1024];
    va_list args;

    va_start(args, format);
    (void)vsnprintf(text, sizeof text, format, args);
    va_end(args);
    without_folder(text);
    end("fatal", text);
}

_Noreturn void vxc_fatal_damage(const char *format, ...)
{
    char text[1024];
    va_list args;

    va_start(args, format);
    (void)vsnprintf(text, sizeof text, format, args);
    va_end(args);
    without_folder(text);
    end("damage", text);
}

void vxc_last_wish_add(struct vxc_last_wish *wish)
{
    (void)wish; /* what is half made when a life ends is there to be found */
}

void vxc_last_wish_withdraw(struct vxc_last_wish *wish)
{
    (void)wish;
}
