/* A state machine on a real table and store in a temporary folder, driven command by command.
 *
 * Errors of the set-up end the test at once. Results are copied, so that they outlive later
 * commands until the next fixture_run() or fixture_ask(). */
#ifndef TESTS_UNIT_FSM_FIXTURE_H
#define TESTS_UNIT_FSM_FIXTURE_H

#include "fsm/fsm.h"
#include "fsm/state.h"
#include "storage/store.h"
#include "storage/table.h"

enum { FIXTURE_EVENTS_MAX = 64 };

struct fixture_event {
    enum vxc_event_type type;
    enum vxc_watch_kind kind;
    uint64_t index;
    uint32_t ordinal;
    uint64_t session;
    uint64_t ticket;
    uint64_t token;
    int64_t number;
    char name[32], key[32], value[32]; /* as far as they fit */
};

struct fixture {
    char folder[64];
    struct vxc_store *store;
    struct vxc_table *table;
    struct vxc_fsm *fsm;
    uint64_t index;
    uint64_t stamp_ms;
    struct vxc_result result; /* of the last command or query */
    struct vxc_buffer kept;   /* its slices */
    struct vxc_buffer entry;
    struct fixture_event events[FIXTURE_EVENTS_MAX]; /* since fixture_forget_events() */
    unsigned event_count;
};

void fixture_open(struct fixture *f);
void fixture_close(struct fixture *f);
/* For cmocka: *state is a struct fixture. */
int fixture_setup(void **state);
int fixture_teardown(void **state);

/* Writes everything to LMDB, closes, opens again. */
void fixture_restart(struct fixture *f);
void fixture_commit(struct fixture *f);
/* Opens what lies in the folder, after the test has closed and replaced it. */
void fixture_reopen(struct fixture *f);

/* Applies one entry with this one command; returns &f->result. */
const struct vxc_result *fixture_run(struct fixture *f, const struct vxc_command *command);
const struct vxc_result *fixture_ask(struct fixture *f, const struct vxc_command *query);
/* Applies an empty entry, stamped so much later. */
void fixture_pass_time(struct fixture *f, uint64_t ms);
void fixture_forget_events(struct fixture *f);

/* Shorthand: strings for names, keys and values; NULL = not given. */
struct vxc_command fixture_command(uint16_t op, const char *name, const char *key,
                                   const char *value);
struct vxc_slice text(const char *string);
/* Item `index` of an encoded list; fails the test when there is none. */
struct vxc_slice fixture_item(struct vxc_slice list, uint32_t index);
uint32_t fixture_count(struct vxc_slice list);

#define assert_slice_is(slice, string)                                                             \
    do {                                                                                           \
        struct vxc_slice slice_is_ = (slice);                                                      \
        assert_int_equal(slice_is_.size, strlen(string));                                          \
        assert_memory_equal(slice_is_.data, string, strlen(string));                               \
    } while (0)

#endif
