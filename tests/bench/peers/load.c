#include "load.h"

#include "base/clock.h"

#include <errno.h> /* the name of the program */
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char usage[] =
    "usage: %s --endpoints HOST:PORT,… --op put|get [--connections N] [--pipeline N]\n"
    "          [--seconds N] [--keys N] [--value-size BYTES] | --fill\n";

_Noreturn void load_fail(const char *what, const char *why)
{
    (void)fprintf(stderr, "%s: %s: %s\n", program_invocation_short_name, what, why);
    exit(1);
}

static uint64_t number(const char *name, const char *text, uint64_t most)
{
    char *end;
    const unsigned long long value = strtoull(text, &end, 10);

    if (*text == 0 || *end != 0 || value < 1 || value > most) {
        (void)fprintf(stderr, "--%s %s: expected a number from 1 to %" PRIu64 "\n", name, text,
                      most);
        exit(2);
    }
    return value;
}

struct load_options load_options(int argc, char **argv)
{
    static const struct option known[] = {
        {"endpoints", required_argument, NULL, 'e'},
        {"op", required_argument, NULL, 'o'},
        {"connections", required_argument, NULL, 'c'},
        {"pipeline", required_argument, NULL, 'p'},
        {"seconds", required_argument, NULL, 's'},
        {"keys", required_argument, NULL, 'k'},
        {"value-size", required_argument, NULL, 'v'},
        {"fill", no_argument, NULL, 'f'},
        {0},
    };
    struct load_options o = {
        .connections = 1, .pipeline = 64, .seconds = 5, .keys = 100000, .value_size = 256};
    bool right = true;
    int index = 0, option;

    while ((option = getopt_long(argc, argv, "", known, &index)) != -1) {
        const char *name = known[index].name;
        switch (option) {
        case 'e':
            o.endpoints = optarg;
            break;
        case 'o':
            o.get = strcmp(optarg, "get") == 0;
            right = right && (o.get || strcmp(optarg, "put") == 0);
            break;
        case 'c':
            o.connections = (unsigned)number(name, optarg, 1000);
            break;
        case 'p':
            o.pipeline = (unsigned)number(name, optarg, 4096);
            break;
        case 's':
            o.seconds = (unsigned)number(name, optarg, 86400);
            break;
        case 'k':
            o.keys = number(name, optarg, 1000000000);
            break;
        case 'v':
            o.value_size = (unsigned)number(name, optarg, 1 << 20);
            break;
        case 'f':
            o.fill = true;
            break;
        default:
            right = false;
        }
    }
    if (!right || optind != argc || o.endpoints == NULL) {
        (void)fprintf(stderr, usage, argv[0]);
        exit(2);
    }
    return o;
}

uint64_t load_now_ns(void)
{
    const struct vxc_clock *clock = vxc_clock_system();

    return clock->monotonic_ns(clock->data);
}

void load_key(char out[LOAD_KEY_SIZE], uint64_t key)
{
    memcpy(out, "key:", 4);
    for (unsigned i = LOAD_KEY_SIZE; i > 4; key /= 10) {
        out[--i] = (char)('0' + key % 10);
    }
}

uint64_t load_random_key(const struct load_options *options, uint64_t *state)
{
    uint64_t x = *state; /* xorshift64 */

    x ^= x << 13;
    x ^= x >> 7;
    x ^= x << 17;
    *state = x;
    return (x >> 16) % options->keys;
}

static double us(uint64_t ns)
{
    return (double)ns / 1000;
}

void load_report(const struct load_options *o, const struct load_tally *tally, uint64_t began_ns,
                 uint64_t ended_ns)
{
    const double seconds = (double)(ended_ns - began_ns) / 1e9;

    (void)printf("{\"op\":\"%s\",\"connections\":%u,\"pipeline\":%u,\"keys\":%" PRIu64
                 ",\"value_size\":%u,\"operations\":%" PRIu64 ",\"seconds\":%.3f"
                 ",\"ops_per_second\":%.0f,\"p50_us\":%.1f,\"p99_us\":%.1f,\"max_us\":%.1f}\n",
                 o->fill  ? "fill"
                 : o->get ? "get"
                          : "put",
                 o->connections, o->pipeline, o->keys, o->value_size, tally->operations, seconds,
                 seconds > 0 ? (double)tally->operations / seconds : 0,
                 us(vxc_histogram_percentile(&tally->latency_ns, 50)),
                 us(vxc_histogram_percentile(&tally->latency_ns, 99)), us(tally->latency_ns.max));
}
