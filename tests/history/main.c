/* vxc-history: several sequential clients work on a cluster's maps, counters, sets and locks, and
 * every operation becomes a line of JSON (record.h). tests/porcupine judges whether one order of
 * them all explains what the clients saw.
 *
 * At the end every key is read once more, so that what was acknowledged must show. Exit status: 0
 * all done, 1 no cluster, or keys that could not be read at the end, 2 usage.
 */
#include "history/worker.h"
#include "vxc/error.h"

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { CLIENTS_MAX = 256, EXIT_USAGE = 2 };

static struct keys keys;
static struct settings settings = {
    .clients = 8,
    .seconds = 10,
    .session_ms = 5000,
    .timeout_ms = 2000,
    .final_seconds = 30,
    .mix =
        {[KIND_MAP] = 40, [KIND_COUNTER] = 20, [KIND_SET] = 20, [KIND_LOG] = 10, [KIND_LOCK] = 10},
    .keys = &keys,
};

/* ---- the command line ---- */

static void usage(FILE *to)
{
    (void)fputs(
        "usage: vxc-history -e HOST:PORT[,HOST:PORT...] --out FILE [OPTION...]\n"
        "  --clients N        sequential clients, each with a session of its own (8)\n"
        "  --seconds S        how long they work (10)\n"
        "  --keys N           keys of each kind that are in use at a time (20)\n"
        "  --rate N           operations per second of all clients together; 0 = no limit (0)\n"
        "  --mix KIND=N,...   shares of map, counter, set, log and lock (40, 20, 20, 10, 10)\n"
        "  --seed N           of what the clients choose\n"
        "  --session-ms N     lease of the sessions (5000)\n"
        "  --timeout-ms N     deadline of an operation (2000)\n"
        "  --impatient N      so many of the clients wait a tenth of that and then go to another\n"
        "                     server (0)\n"
        "  --idle N           so many others wait for up to a second before each operation (0)\n"
        "  --final-seconds N  how long the reads at the end may take (30)\n"
        "SIGINT and SIGTERM end the work early; the reads at the end are done all the same.\n",
        to);
}

static void refuse(const char *what, const char *why)
{
    (void)fprintf(stderr, "vxc-history: %s: %s\n", what, why);
    exit(EXIT_USAGE);
}

static double number_of(const char *option, const char *text, double least, double most)
{
    char *end;
    const double number = strtod(text, &end);

    if (end == text || *end != '\0' || !(number >= least && number <= most)) {
        refuse(option, "not a number, or out of bounds");
    }
    return number;
}

static void read_mix(const char *text)
{
    uint32_t sum = 0;

    memset(settings.mix, 0, sizeof settings.mix);
    while (*text != '\0') {
        int kind = 0;
        size_t size = 0;
        char *end;

        for (; kind < KIND_COUNT; kind++) {
            size = strlen(kind_name((enum kind)kind));
            if (strncmp(text, kind_name((enum kind)kind), size) == 0 && text[size] == '=') {
                break;
            }
        }
        if (kind == KIND_COUNT) {
            refuse("--mix", "its parts read KIND=N; kinds are map, counter, set, log and lock");
        }
        settings.mix[kind] = (uint32_t)strtoul(text + size + 1, &end, 10) % 10000;
        sum += settings.mix[kind];
        if (end == text + size + 1 || (*end != '\0' && *end != ',')) {
            refuse("--mix", "its parts read KIND=N");
        }
        text = *end == ',' ? end + 1 : end;
    }
    if (sum == 0) {
        refuse("--mix", "nothing to do");
    }
}

static const char *read_options(int argc, char **argv)
{
    static const struct option options[] = {
        {"endpoints", required_argument, NULL, 'e'},
        {"clients", required_argument, NULL, 'c'},
        {"seconds", required_argument, NULL, 's'},
        {"keys", required_argument, NULL, 'k'},
        {"rate", required_argument, NULL, 'r'},
        {"mix", required_argument, NULL, 'm'},
        {"seed", required_argument, NULL, 'S'},
        {"session-ms", required_argument, NULL, 'l'},
        {"timeout-ms", required_argument, NULL, 't'},
        {"final-seconds", required_argument, NULL, 'f'},
        {"out", required_argument, NULL, 'o'},
        {"impatient", required_argument, NULL, 'i'},
        {"idle", required_argument, NULL, 'd'},
        {"help", no_argument, NULL, 'h'},
        {NULL, 0, NULL, 0},
    };
    const char *out = NULL;
    int option;

    keys.slots_count = 20;
    settings.seed = (uint64_t)now_ns() ^ (uint64_t)getpid() << 40;
    while ((option = getopt_long(argc, argv, "e:o:h", options, NULL)) != -1) {
        switch (option) {
        case 'e':
            settings.endpoints = optarg;
            break;
        case 'c':
            settings.clients = (uint32_t)number_of("--clients", optarg, 1, CLIENTS_MAX);
            break;
        case 's':
            settings.seconds = number_of("--seconds", optarg, 0, 1e6);
            break;
        case 'k':
            keys.slots_count = (uint32_t)number_of("--keys", optarg, 1, KEYS_SLOTS_MAX);
            break;
        case 'r':
            settings.rate = number_of("--rate", optarg, 0, 1e9);
            break;
        case 'm':
            read_mix(optarg);
            break;
        case 'S':
            settings.seed = (uint64_t)number_of("--seed", optarg, 0, 1e15);
            break;
        case 'l':
            settings.session_ms = (uint32_t)number_of("--session-ms", optarg, 100, 3.6e6);
            break;
        case 't':
            settings.timeout_ms = (uint32_t)number_of("--timeout-ms", optarg, 10, 3.6e6);
            break;
        case 'i':
            settings.impatient = (uint32_t)number_of("--impatient", optarg, 0, CLIENTS_MAX);
            break;
        case 'd':
            settings.idle = (uint32_t)number_of("--idle", optarg, 0, CLIENTS_MAX);
            break;
        case 'f':
            settings.final_seconds = (uint32_t)number_of("--final-seconds", optarg, 0, 3600);
            break;
        case 'o':
            out = optarg;
            break;
        case 'h':
            usage(stdout);
            exit(0);
        default:
            usage(stderr);
            exit(EXIT_USAGE);
        }
    }
    if (optind < argc || out == NULL || settings.endpoints == NULL ||
        strlen(settings.endpoints) >= sizeof(((struct worker *)NULL)->endpoints)) {
        usage(stderr);
        exit(EXIT_USAGE);
    }
    return out;
}

/* ---- work ---- */

/* Each operation has its moment, so that a stall is followed by what was missed, not by a pause. */
static void *work(void *data)
{
    struct worker *worker = data;
    const double step_ns = settings.rate > 0 ? 1e9 * (double)settings.clients / settings.rate : 0;
    double due_ns = (double)now_ns();

    while (!atomic_load(&settings.stopping) && worker_has_session(worker)) {
        const double early_ns = due_ns - (double)now_ns();

        if (step_ns > 0 && early_ns > 1e6) {
            worker_pause(worker, (int64_t)(early_ns / 1e6));
        }
        due_ns += step_ns;
        if (worker->idle) {
            worker_pause(worker, (int64_t)worker_random(worker, 1000));
        }
        operation_run(worker);
    }
    return NULL;
}

/* Waits for the time to be up, or for a signal. */
static void wait_for_end(const sigset_t *signals)
{
    const struct timespec time = {
        .tv_sec = (time_t)settings.seconds,
        .tv_nsec = (long)((settings.seconds - (double)(time_t)settings.seconds) * 1e9)};

    (void)sigtimedwait(signals, NULL, &time); /* either is the end */
    atomic_store(&settings.stopping, true);
}

static bool read_slot(struct worker *worker, enum kind kind, uint32_t slot, int64_t end_ns)
{
    const uint32_t last = atomic_load(&keys.slots[kind][slot].generation);
    struct key key;

    for (uint32_t generation = 0; generation <= last; generation++) {
        keys_name(&keys, kind, slot, generation, &key);
        while (!operation_final_read(worker, &key)) {
            if (now_ns() > end_ns) {
                (void)fprintf(stderr, "vxc-history: %s could not be read at the end: %s\n",
                              key.name, vxc_client_message(worker->client));
                return false;
            }
        }
    }
    return true;
}

/* By a client of its own, for those that worked may wait for what they cannot have. */
static bool read_all(void)
{
    const int64_t end_ns = now_ns() + (int64_t)settings.final_seconds * 1000000000;
    struct worker worker;
    bool good;

    settings.impatient = 0;
    good = worker_init(&worker, &settings, 0) == VXC_OK;
    for (int kind = 0; good && kind < KIND_COUNT; kind++) {
        for (uint32_t slot = 0; good && slot < keys.slots_count; slot++) {
            good = read_slot(&worker, (enum kind)kind, slot, end_ns);
        }
    }
    worker_deinit(&worker);
    return good;
}

static void start(struct worker *workers, pthread_t *threads)
{
    for (uint32_t i = 0; i < settings.clients; i++) {
        const int rc = worker_init(&workers[i], &settings, i);
        if (rc != VXC_OK) {
            refuse(settings.endpoints, vxc_strerror(rc));
        }
        if (pthread_create(&threads[i], NULL, work, &workers[i]) != 0) {
            refuse("threads", "cannot be started");
        }
    }
}

static int report(void)
{
    struct record_totals totals;

    if (record_close(&totals) != 0) {
        (void)fprintf(stderr, "vxc-history: the history could not be written: %s\n",
                      strerror(errno));
        return 1;
    }
    (void)fprintf(stderr,
                  "ok %" PRIu64 ", fail %" PRIu64 ", info %" PRIu64 ", sessions lost %" PRIu64
                  ", longest time without a write %" PRId64 " ms\n",
                  totals.ok, totals.fail, totals.info, totals.sessions_lost,
                  totals.gap_ns / 1000000);
    return totals.ok > 0 ? 0 : 1;
}

int main(int argc, char **argv)
{
    static struct worker workers[CLIENTS_MAX];
    static pthread_t threads[CLIENTS_MAX];
    const char *out = read_options(argc, argv);
    sigset_t signals;
    bool complete;
    int status;

    /* Names must be new on a cluster that an earlier run has worked on. */
    (void)snprintf(keys.prefix, sizeof keys.prefix, "h%" PRIx64,
                   (uint64_t)now_ns() & UINT64_C(0xffffffffffff));
    (void)fprintf(stderr, "seed %" PRIu64 ", names begin with %s\n", settings.seed, keys.prefix);
    (void)sigemptyset(&signals);
    (void)sigaddset(&signals, SIGINT);
    (void)sigaddset(&signals, SIGTERM);
    (void)pthread_sigmask(SIG_BLOCK, &signals, NULL); /* of the workers too */
    if (record_open(out) != 0) {
        refuse(out, strerror(errno));
    }
    start(workers, threads);
    wait_for_end(&signals);
    for (uint32_t i = 0; i < settings.clients; i++) {
        (void)pthread_join(threads[i], NULL);
        worker_deinit(&workers[i]);
    }
    complete = read_all();
    status = report();
    return complete ? status : 1;
}
