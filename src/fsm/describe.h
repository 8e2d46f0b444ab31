/* Rows and commands as JSON for people: one object on one line.
 *
 * Byte strings that are valid UTF-8 come as text under their name ("key": "a"), all others as
 * base64 under the name with 64 behind it ("key64": "/w=="); nothing is lost either way. Each
 * module describes the rows of its own database. Pure: needs no state machine, so offline tools use
 * it too.
 */
#ifndef VXC_FSM_DESCRIBE_H
#define VXC_FSM_DESCRIBE_H

#include "base/bytes.h"

#include <stdbool.h>
#include <stdint.h>

/* A JSON object being written. Every call adds one member; what fails is remembered in `code`. */
struct vxc_json {
    struct vxc_buffer *out; /* borrowed */
    bool comma;             /* a member stands before */
    int code;               /* 0 or VXC_ENOMEM */
};

void vxc_json_open(struct vxc_json *json, struct vxc_buffer *out); /* writes { */
void vxc_json_close(struct vxc_json *json);                        /* writes } */
void vxc_json_u64(struct vxc_json *json, const char *name, uint64_t value);
void vxc_json_i64(struct vxc_json *json, const char *name, int64_t value);
void vxc_json_bool(struct vxc_json *json, const char *name, bool value);
void vxc_json_string(struct vxc_json *json, const char *name, const char *value); /* plain ASCII */
void vxc_json_bytes(struct vxc_json *json, const char *name, struct vxc_slice value);
void vxc_json_hex(struct vxc_json *json, const char *name, struct vxc_slice value);
/* Opens "name": [ … ]; members inside are objects begun by vxc_json_item(). */
void vxc_json_array_open(struct vxc_json *json, const char *name);
void vxc_json_item_open(struct vxc_json *json);
void vxc_json_item_close(struct vxc_json *json);
void vxc_json_array_close(struct vxc_json *json);

/* One function per database, in the module that owns the rows: adds the members of one row to an
 * object that already has "db". 0, VXC_ENOTFOUND (a row that is not shown), VXC_ECORRUPT. */
int vxc_lock_describe_row(struct vxc_slice key, struct vxc_slice body, struct vxc_json *json);
int vxc_member_describe_row(struct vxc_slice key, struct vxc_slice body, struct vxc_json *json);
int vxc_registration_describe_row(struct vxc_slice key, struct vxc_slice body,
                                  struct vxc_json *json);
int vxc_session_describe_row(struct vxc_slice key, struct vxc_slice body, struct vxc_json *json);
int vxc_watch_describe_row(struct vxc_slice key, struct vxc_slice body, struct vxc_json *json);
int vxc_event_describe_row(struct vxc_slice key, struct vxc_slice body, struct vxc_json *json);
int vxc_cluster_describe_row(struct vxc_slice key, struct vxc_slice body, struct vxc_json *json);

#endif
