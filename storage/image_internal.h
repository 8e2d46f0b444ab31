/* Inside the images: what image.c, image_diff.c and image_restore.c share. */
#ifndef VXC_STORAGE_IMAGE_INTERNAL_H
#define VXC_STORAGE_IMAGE_INTERNAL_H

#include "storage/image_read.h"

/* Opens the folder `path`, made when absent (*made). VXC_EEXISTS unless it is empty. */
int vxc_image_take_folder(const char *path, int *folder, bool *made, struct vxc_error *err);

/* Reads the rest of the image into data.mdb in the open folder: there whole and flushed, or not at
 * all. `path` is for messages. */
int vxc_image_unpack_state(struct vxc_image_reader *reader, int folder, const char *path,
                           const struct vxc_image_progress *progress, struct vxc_error *err);

/* Walks all rows of an unpacked state folder and holds it against what the image says. */
int vxc_image_check_state(const char *path, const struct vxc_image_info *info,
                          const struct vxc_image_progress *progress, struct vxc_error *err);

/* Removes a folder with the files in it, as far as that goes. Takes no memory. */
void vxc_image_remove_folder(const char *path);

/* First object with an id ≥ from; body borrowed until the store's reads end. VXC_ENOTFOUND. */
int vxc_image_next_object(struct vxc_store *store, enum vxc_database db, uint64_t from,
                          uint64_t *object_id, struct vxc_slice *body, struct vxc_error *err);

#endif
