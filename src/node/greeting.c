/* The line that says what this is and what it stands on. */
#include "vxc.h"

#include "consensus/engine.h"
#include "storage/store.h"
#include "wire/frame.h"

#include <pthread.h>
#include <stdio.h>

/* Written once, the same for all nodes of the process. */
static char greeting[160];
static pthread_once_t greeting_made = PTHREAD_ONCE_INIT;

static void make_greeting(void)
{
    const unsigned raft = vxc_engine_version();
    const unsigned lmdb = vxc_store_lmdb_version();

    (void)snprintf(greeting, sizeof greeting,
                   "vertx-cluster %s, protocol version %d, libraft %u.%u.%u, LMDB %u.%u.%u",
                   vxc_version(), VXC_PROTOCOL_VERSION, raft / 10000, raft / 100 % 100, raft % 100,
                   lmdb / 10000, lmdb / 100 % 100, lmdb % 100);
}

const char *vxc_greeting(void)
{
    (void)pthread_once(&greeting_made, make_greeting); /* cannot fail */
    return greeting;
}
