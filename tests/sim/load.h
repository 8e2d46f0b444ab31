/* What clients ask, and what they note about it for the checks. */
#ifndef VXC_TESTS_SIM_LOAD_H
#define VXC_TESTS_SIM_LOAD_H

#include "client.h"

/* One request, from its submission to its answer. */
struct op {
    struct client *client;
    struct op *next; /* free ones */
    int kind;        /* enum vxc_operation */
    unsigned flags;  /* of the request */
    char name[8];
    char key[8];
    uint64_t begun_ns;
    uint64_t floor_index; /* what was acknowledged to anybody when it began */
    uint64_t session;     /* under which it was asked */
    bool is_read;
    bool is_probe; /* asked by the check of liveness */
};

void load_begin(struct client *client);
void load_stop(struct client *client);
void load_after_turn(struct client *client);
void load_on_notice(struct client *client, const struct vxc_notice *notice);
/* A write that must succeed soon, of client's. */
void load_probe(struct client *client);
unsigned load_pending(const struct client *client);

#endif
