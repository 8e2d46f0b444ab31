/* One client that writes at a steady pace, and says of each write when it began and when it was
 * acknowledged: what a failover is measured with.
 *
 *   write_probe HOST:PORT,… EVERY_MS
 *
 * A line per write, "BEGAN ENDED CODE": nanoseconds of the monotonic clock, and 0 or the error. A write
 * that takes longer than the pace delays the next one. Writes are within a session, so that one whose
 * answer was lost is sent again and takes effect once. Goes on until its output is closed or it is ended.
 */
#include "base/clock.h"

#include <vxc/client.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define SESSION_MS 60000 /* longer than any failover */

static void sleep_until(uint64_t ns)
{
    const struct timespec at = {.tv_sec = (time_t)(ns / 1000000000),
                                .tv_nsec = (long)(ns % 1000000000)};

    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, NULL) != 0) {
    }
}

static int write_once(struct vxc_client *client, uint64_t number)
{
    struct vxc_request put = vxc_request(VXC_CALL_MAP_PUT);

    put.name = vxc_text("probe");
    put.key = vxc_text("key");
    put.value = vxc_bytes(&number, sizeof number);
    return vxc_client_call(client, &put, NULL);
}

static void write_for_ever(struct vxc_client *client, uint64_t every_ns)
{
    const struct vxc_clock *clock = vxc_clock_system();
    uint64_t began_ns = clock->monotonic_ns(clock->data);

    for (uint64_t number = 0;; number++) {
        const int rc = write_once(client, number);
        const uint64_t ended_ns = clock->monotonic_ns(clock->data);
        if (printf("%" PRIu64 " %" PRIu64 " %d\n", began_ns, ended_ns, rc) < 0) {
            return;
        }
        if (ended_ns < began_ns + every_ns) {
            sleep_until(began_ns + every_ns);
        }
        began_ns = clock->monotonic_ns(clock->data);
    }
}

int main(int argc, char **argv)
{
    struct vxc_client_options options = vxc_client_options();
    struct vxc_client *client;
    const unsigned long every_ms = argc == 3 ? strtoul(argv[2], NULL, 10) : 0;
    int rc;

    if (every_ms == 0) {
        (void)fprintf(stderr, "usage: write_probe HOST:PORT,… EVERY_MS\n");
        return 2;
    }
    options.endpoints = argv[1];
    options.timeout_ms = 30000;
    (void)setvbuf(stdout, NULL, _IOLBF, 0);
    rc = vxc_client_create(&options, &client);
    if (rc == VXC_OK) {
        rc = vxc_client_session_open(client, SESSION_MS, vxc_text("probe"));
    }
    if (rc != VXC_OK) {
        (void)fprintf(stderr, "write_probe: %s\n", vxc_strerror(rc));
        return 1;
    }
    write_for_ever(client, every_ms * 1000000);
    vxc_client_free(client);
    return 0;
}
