#include "world.h"

#include "check.h"
#include "faults.h"
#include "heap.h"
#include "witness.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

struct world *sim_world;

enum { QUIET_MS = 30000 };

/* ---- chance ---- */

static uint64_t mix(uint64_t z)
{
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

uint64_t sim_draw(struct stream *stream, uint64_t below)
{
    stream->state += 0x9e3779b97f4a7c15u; /* splitmix64 */
    return below == 0 ? 0 : mix(stream->state) % below;
}

uint64_t sim_between(struct stream *stream, uint64_t least, uint64_t most)
{
    return least + sim_draw(stream, most - least + 1);
}

bool sim_chance(struct stream *stream, unsigned per_mille)
{
    return sim_draw(stream, 1000) < per_mille;
}

static struct stream stream_of(uint64_t seed, uint64_t which)
{
    return (struct stream){mix(mix(seed) + which * 0x9e3779b97f4a7c15u)};
}

/* ---- events ---- */

static bool is_before(const struct sim_event *a, const struct sim_event *b)
{
    return a->at_ns < b->at_ns || (a->at_ns == b->at_ns && a->order < b->order);
}

void sim_at(struct world *world, uint64_t at_ns, sim_event_cb run, void *subject, uint64_t number)
{
    struct sim_event event = {.at_ns = at_ns < world->now_ns ? world->now_ns : at_ns,
                              .order = world->event_order++,
                              .run = run,
                              .subject = subject,
                              .number = number};
    size_t at = world->event_count++;

    if (world->event_count > world->event_room) {
        world->event_room = world->event_room == 0 ? 1024 : 2 * world->event_room;
        world->events = realloc(world->events, world->event_room * sizeof *world->events);
        if (world->events == NULL) {
            sim_broken("out of memory");
        }
    }
    while (at > 0 && is_before(&event, &world->events[(at - 1) / 2])) {
        world->events[at] = world->events[(at - 1) / 2];
        at = (at - 1) / 2;
    }
    world->events[at] = event;
}

void sim_after(struct world *world, uint64_t delay_ns, sim_event_cb run, void *subject,
               uint64_t number)
{
    sim_at(world, world->now_ns + delay_ns, run, subject, number);
}

static struct sim_event take_event(struct world *world)
{
    struct sim_event first = world->events[0];
    struct sim_event last = world->events[--world->event_count];
    size_t at = 0;

    for (;;) {
        size_t child = 2 * at + 1;

        if (child >= world->event_count) {
            break;
        }
        if (child + 1 < world->event_count &&
            is_before(&world->events[child + 1], &world->events[child])) {
            child++;
        }
        if (is_before(&last, &world->events[child])) {
            break;
        }
        world->events[at] = world->events[child];
        at = child;
    }
    world->events[at] = last;
    return first;
}

static void run_until(struct world *world, uint64_t until_ns)
{
    while (world->event_count > 0 && world->events[0].at_ns <= until_ns) {
        struct sim_event event = take_event(world);

        world->now_ns = event.at_ns;
        event.run(world, event.subject, event.number);
    }
    world->now_ns = until_ns;
}

/* ---- what is told ---- */

void sim_trace(struct world *world, enum sim_trace what, uint64_t a, uint64_t b, uint64_t c,
               uint64_t d)
{
    static const char *const texts[] = {
#define X(name, text) text,
        SIM_TRACES(X)
#undef X
    };
    uint64_t h = world->trace_hash ^ (world->now_ns + ((uint64_t)what << 56));

    h = mix(h) ^ a;
    h = mix(h) ^ b;
    h = mix(h) ^ c;
    world->trace_hash = mix(h) ^ d;
    if (world->options.trace) {
        printf("%10.6f %s: %" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64 "\n",
               (double)world->now_ns / 1e9, texts[what], a, b, c, d);
    }
}

_Noreturn void sim_violation(struct world *world, const char *format, ...)
{
    va_list args;

    printf("seed %" PRIu64 ": VIOLATION after %.6f s: ", world->options.seed,
           (double)world->now_ns / 1e9);
    va_start(args, format);
    (void)vprintf(format, args);
    va_end(args);
    printf("\nseed %" PRIu64 ": to see it again: vxc-sim --seed %" PRIu64
           " --seconds %u --nodes %u --trace\n",
           world->options.seed, world->options.seed, world->options.seconds, world->options.nodes);
    (void)fflush(stdout);
    _exit(1);
}

_Noreturn void sim_broken(const char *format, ...)
{
    va_list args;

    (void)fflush(stdout);
    fprintf(stderr, "vxc-sim: ");
    va_start(args, format);
    (void)vfprintf(stderr, format, args);
    va_end(args);
    fprintf(stderr, "\n");
    _exit(3);
}

void sim_counts_add(struct sim_counts *sum, const struct sim_counts *counts)
{
    sum->simulated_ms += counts->simulated_ms;
#define X(field, name) sum->field += counts->field;
    SIM_COUNTS(X)
#undef X
}

void sim_counts_print(const struct sim_counts *counts)
{
    printf(" simulated_s=%.1f", (double)counts->simulated_ms / 1e3);
#define X(field, name) printf(" " name "=%" PRIu64, counts->field);
    SIM_COUNTS(X)
#undef X
}

/* ---- a seed ---- */

static void begin(struct world *world, const struct sim_options *options, const char *folder)
{
    world->options = *options;
    world->folder = folder;
    world->now_ns = SIM_S;
    world->calm_ns = world->now_ns + (uint64_t)options->seconds * SIM_S;
    world->network = stream_of(options->seed, 1);
    world->disk = stream_of(options->seed, 2);
    world->faults = stream_of(options->seed, 3);
    world->load = stream_of(options->seed, 4);
    world->clients = stream_of(options->seed, 5);
    sim_world = world;
    sim_trace(world, SIM_TRACE_SEED, options->seed, options->seconds, options->nodes, 0);
    world->check = check_create(world);
    world->witness = witness_create(world);
    for (uint64_t id = 1; id <= SIM_NODES_MAX; id++) {
        node_init(&world->nodes[id], id, stream_of(options->seed, 100 + id));
        world->nodes[id].member = id <= options->nodes;
    }
    peers_begin(world);
    for (uint64_t id = 1; id <= options->nodes; id++) {
        node_boot(&world->nodes[id]);
    }
    clients_begin(world);
    faults_begin(world);
}

int sim_run(const struct sim_options *options, const char *folder, struct sim_counts *counts)
{
    static struct world world; /* large */

    heap_begin();
    begin(&world, options, folder);
    run_until(&world, world.calm_ns);
    world.healed = true;
    sim_trace(&world, SIM_TRACE_HEAL, 0, 0, 0, 0);
    faults_heal(&world);
    check_liveness_begin(&world);
    while (!check_is_live(&world)) {
        run_until(&world, world.now_ns + SIM_S / 2);
    }
    clients_stop(&world);
    for (uint64_t ms = 0; ms < QUIET_MS && !check_is_quiet(&world); ms += 100) {
        run_until(&world, world.now_ns + 100 * SIM_MS);
    }
    check_end(&world);
    sim_trace(&world, SIM_TRACE_END, world.counts.entries, 0, 0, 0);
    world.counts.simulated_ms = world.now_ns / SIM_MS;
    printf("seed %" PRIu64 ": ok hash=%016" PRIx64, options->seed, world.trace_hash);
    sim_counts_print(&world.counts);
    printf("\n");
    *counts = world.counts;
    return 0;
}
