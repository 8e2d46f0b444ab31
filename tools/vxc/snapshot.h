/* What the commands on snapshot files share. */
#ifndef VXC_TOOLS_SNAPSHOT_H
#define VXC_TOOLS_SNAPSHOT_H

#include "tools/vxc/progress.h"

#include <jansson.h>

/* Exit 6 for damage, 2 for a newer version or a missing file, 7 for a folder that is not empty. */
int vxc_snapshot_fail(struct vxc_cli *cli, const struct vxc_progress_bar *bar, int code,
                      const struct vxc_error *err);

/* ---- what a file says (snapshot_show.c) ---- */

/* One object with all of it; lists are members. */
json_t *vxc_snapshot_describe(const struct vxc_image_info *info, const char *path);
/* Adds the numbers of objects and the largest of them. */
int vxc_snapshot_find_largest(struct vxc_store *store, json_t *all, struct vxc_error *err);
/* Prints and takes over the object; exit status. */
int vxc_snapshot_show(struct vxc_cli *cli, json_t *all);

/* A header row of an object as JSON, or NULL when no version of ours wrote it. */
json_t *vxc_snapshot_describe_header(enum vxc_database db, uint64_t id, struct vxc_slice body);
/* Its name as member "name", or "name64" when it is not UTF-8. */
void vxc_snapshot_take_name(json_t *to, const json_t *header);

/* ---- restore (snapshot_restore.c) ---- */

int vxc_run_snapshot_restore(struct vxc_cli *cli);

/* ---- save (snapshot_save.c) ---- */

int vxc_run_snapshot_save(struct vxc_cli *cli);

#endif
