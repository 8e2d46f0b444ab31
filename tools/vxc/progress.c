#include "tools/vxc/progress.h"

#include "base/clock.h"

#include <signal.h>
#include <sys/signalfd.h>
#include <unistd.h>

enum { WIDTH = 30, REDRAW_MS = 100 };

static uint64_t now_ns(void)
{
    const struct vxc_clock *clock = vxc_clock_system();

    return clock->monotonic_ns(clock->data);
}

static void draw(struct vxc_progress_bar *bar, uint64_t done, uint64_t total)
{
    static const char *const steps[] = {"beginning", "writing", "checking",
                                        "unpacking", "walking", "fetching"};
    const double seconds = (double)(now_ns() - bar->began_ns) / 1e9;
    const double part = total == 0 ? 1 : (double)done / (double)total;
    char cells[WIDTH + 1];
    char left[32] = "";

    memset(cells, '.', WIDTH);
    memset(cells, '#', (size_t)(part * WIDTH));
    cells[WIDTH] = '\0';
    if (part > 0 && part < 1) {
        (void)snprintf(left, sizeof left, "  %.0f s left", seconds / part - seconds);
    }
    (void)fprintf(stderr, "\r%-9s [%s] %3.0f %%  %.0f MB/s%s\033[K", steps[bar->step], cells,
                  part * 100, seconds > 0 ? (double)done / seconds / 1e6 : 0, left);
    bar->drawn = true;
}

static bool is_canceled(struct vxc_progress_bar *bar)
{
    struct signalfd_siginfo info;

    if (bar->signal_seen == 0 && read(bar->signal_fd, &info, sizeof info) == (ssize_t)sizeof info) {
        bar->signal_seen = (int)info.ssi_signo;
    }
    return bar->signal_seen != 0;
}

static bool on_progress(void *data, enum vxc_image_step step, uint64_t done, uint64_t total)
{
    struct vxc_progress_bar *bar = data;
    const uint64_t now = now_ns();

    if (step != bar->step || bar->began_ns == 0) {
        bar->step = step;
        bar->began_ns = now;
        bar->drawn_ns = 0;
    }
    if (bar->shown && (now - bar->drawn_ns >= REDRAW_MS * 1000000ull || done == total)) {
        bar->drawn_ns = now;
        draw(bar, done, total);
    }
    return !is_canceled(bar);
}

int vxc_progress_begin(struct vxc_cli *cli, struct vxc_progress_bar *bar)
{
    *bar = (struct vxc_progress_bar){.shown = !cli->quiet && isatty(STDERR_FILENO) == 1};
    bar->hooks = (struct vxc_image_progress){bar, on_progress};
    return vxc_cli_signals(cli, 0, &bar->signal_fd);
}

void vxc_progress_end(struct vxc_progress_bar *bar)
{
    if (bar->drawn) {
        (void)fputs("\r\033[K", stderr);
        bar->drawn = false;
    }
    (void)close(bar->signal_fd); /* the signals stay blocked: the run ends soon */
}
