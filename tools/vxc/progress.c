#include "tools/vxc/progress.h"

#include "base/clock.h"

#include <signal.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <unistd.h>

enum { WIDTH = 30, REDRAW_MS = 100 };

static uint64_t now_ns(void)
{
    const struct vxc_clock *clock = vxc_clock_system();

    return clock->monotonic_ns(clock->data);
}

void vxc_bar_init(struct vxc_bar *bar, const struct vxc_cli *cli)
{
    *bar = (struct vxc_bar){.shown = !cli->quiet && isatty(STDERR_FILENO) == 1};
}

/* What a line of the terminal holds: a longer one would go on in the next, and stay there. */
static int columns(void)
{
    struct winsize size;

    return ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;
}

void vxc_bar_draw(struct vxc_bar *bar, const char *step, double part, const char *text)
{
    char cells[WIDTH + 1];
    char line[160];

    if (!bar->shown) {
        return;
    }
    part = part < 1 ? part : 1;
    memset(cells, '.', WIDTH);
    memset(cells, '#', (size_t)(part * WIDTH));
    cells[WIDTH] = '\0';
    (void)snprintf(line, sizeof line, "%-11s [%s] %3.0f %%%s", step, cells, part * 100, text);
    (void)fprintf(stderr, "\r%.*s\033[K", columns() - 1, line);
    bar->drawn = true;
}

void vxc_bar_clear(struct vxc_bar *bar)
{
    if (bar->drawn) {
        (void)fputs("\r\033[K", stderr);
        bar->drawn = false;
    }
}

static void draw(struct vxc_progress_bar *bar, uint64_t done, uint64_t total)
{
    static const char *const steps[] = {"beginning", "writing", "checking",
                                        "unpacking", "walking", "fetching"};
    const double seconds = (double)(now_ns() - bar->began_ns) / 1e9;
    const double part = total == 0 ? 1 : (double)done / (double)total;
    char left[32] = "";
    char text[64];

    if (part > 0 && part < 1) {
        (void)snprintf(left, sizeof left, "  %.0f s left", seconds / part - seconds);
    }
    (void)snprintf(text, sizeof text, "  %.0f MB/s%s",
                   seconds > 0 ? (double)done / seconds / 1e6 : 0, left);
    vxc_bar_draw(&bar->bar, steps[bar->step], part, text);
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
    if (bar->bar.shown && (now - bar->drawn_ns >= REDRAW_MS * 1000000ull || done == total)) {
        bar->drawn_ns = now;
        draw(bar, done, total);
    }
    return !is_canceled(bar);
}

int vxc_progress_begin(struct vxc_cli *cli, struct vxc_progress_bar *bar)
{
    *bar = (struct vxc_progress_bar){.signal_seen = 0};
    vxc_bar_init(&bar->bar, cli);
    bar->hooks = (struct vxc_image_progress){bar, on_progress};
    return vxc_cli_signals(cli, 0, &bar->signal_fd);
}

void vxc_progress_end(struct vxc_progress_bar *bar)
{
    vxc_bar_clear(&bar->bar);
    (void)close(bar->signal_fd); /* the signals stay blocked: the run ends soon */
}
