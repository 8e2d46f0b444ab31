/* Connections between nodes. */
#ifndef VXC_TESTS_SIM_PEERS_H
#define VXC_TESTS_SIM_PEERS_H

#include "sim.h"

/* From one node to another; the way back is another one. */
struct link {
    bool cut; /* partitioned: what is sent is lost */
};

#endif
