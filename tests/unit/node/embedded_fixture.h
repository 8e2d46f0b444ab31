/* What the tests of embedded nodes share: a data directory of its own with a node on it, and the
 * other side of a connection without a socket. All of it is made of vxc/node.h and the wire codec;
 * what goes wrong fails the test.
 */
#ifndef VXC_TESTS_UNIT_NODE_EMBEDDED_FIXTURE_H
#define VXC_TESTS_UNIT_NODE_EMBEDDED_FIXTURE_H

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/bytes.h"
#include "vxc/node.h"
#include "wire/message.h"

/* ---- a node and where it lives ---- */

struct place {
    char root[64];
    char data[80];
    struct vxc_node_options options;
    struct vxc_node *node;
    atomic_int lines; /* that the sink received */
};

/* Options of a node on a folder of its own that listens nowhere. */
void make_place(struct place *p);
/* Creates and starts the node. */
void start(struct place *p);
/* The same, on a thread of its own. */
void spawn(struct place *p);
/* Frees the node and removes the folder. */
void remove_place(struct place *p);
/* With all that is in it. */
void remove_folder(const char *path);
/* One look at the node in this program's loop, waiting for at most a second. */
void drive(struct vxc_node *node);
struct vxc_node_stats stats_of(struct vxc_node *node);

/* ---- the other side of a connection ---- */

struct end {
    struct vxc_node *driven; /* by this thread; NULL = it has its own */
    struct vxc_connection *connection;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct vxc_buffer in; /* frames that came */
    size_t frames, seen;
    size_t at; /* of the first frame that was not looked at */
    uint32_t request_id;
    uint64_t sequence;
    int closes, code;
    char reason[200];
};

/* `driven`: while this end waits it drives the node. */
void dial(struct end *e, struct vxc_node *node, bool driven);
/* Waits until `frames` have come or the connection has ended; `ended`: for the end alone. To be
 * called with the lock. */
void wait_for(struct end *e, size_t frames, bool ended);
/* Disconnects, and waits for the one end of it. */
void hang_up(struct end *e);
/* What `dial` registers, with the end as data: they note a frame, and the end of the connection. */
void on_frame(void *data, const void *frame, size_t size);
void on_close(void *data, int code, const char *reason);

/* A request behind `out`, with the end's next request id. */
void encode(struct end *e, const struct vxc_message *m, bool sequenced, struct vxc_buffer *out);
void post(struct end *e, const struct vxc_message *m, bool sequenced);
/* The next frame's message; its slices live as long as the end. */
void next(struct end *e, struct vxc_message *m, uint32_t *request_id);
/* Posts and waits for the reply; events in between are passed over. */
void ask(struct end *e, const struct vxc_message *m, bool sequenced, struct vxc_message *reply);

/* ---- requests ---- */

struct vxc_message message(uint16_t kind);
struct vxc_message put_of(const char *key, const char *value);
void put(struct end *e, const char *key, const char *value);
bool holds(struct end *e, const char *key, const char *value);
struct vxc_message add_of(int64_t delta);
/* What the counter is afterwards. */
int64_t add(struct end *e, int64_t delta);
/* The new session. */
uint64_t open_session(struct end *e, uint32_t timeout_ms);
/* A thread that adds 300 times 1 over a connection of its own to the node `data`. */
void *write_much(void *data);

#endif
