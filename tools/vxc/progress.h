/* Progress of long work on files: a bar with rate and time left on stderr when that is a terminal
 * (and not --quiet), and Ctrl-C as a clean end: the work is given up and tidies up behind itself. */
#ifndef VXC_TOOLS_PROGRESS_H
#define VXC_TOOLS_PROGRESS_H

#include "storage/image.h"
#include "tools/vxc/cli.h"

/* A bar on stderr; does nothing where nobody sees it. */
struct vxc_bar {
    bool shown; /* is stderr a terminal that wants it? */
    bool drawn; /* a bar stands on the line */
};

void vxc_bar_init(struct vxc_bar *bar, const struct vxc_cli *cli);
/* part: 0 to 1; `text` stands behind it. */
void vxc_bar_draw(struct vxc_bar *bar, const char *step, double part, const char *text);
/* Takes it from the line; messages may follow. */
void vxc_bar_clear(struct vxc_bar *bar);

struct vxc_progress_bar {
    struct vxc_image_progress hooks; /* to be given to vxc_image_… */
    int signal_fd;
    int signal_seen; /* 0 = none */
    struct vxc_bar bar;
    enum vxc_image_step step;
    uint64_t began_ns; /* of the step */
    uint64_t drawn_ns;
};

/* From here on SIGINT, SIGTERM and SIGHUP cancel. 0 or an exit status, said. */
int vxc_progress_begin(struct vxc_cli *cli, struct vxc_progress_bar *bar);
/* Takes the bar from the line; messages may follow. */
void vxc_progress_end(struct vxc_progress_bar *bar);

#endif
