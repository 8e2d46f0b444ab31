/* vxc-sim: runs seeds, each in a process of its own, and prints a line for each. */
#include "sim.h"

#include <dirent.h>
#include <errno.h>
#include <ftw.h>
#include <getopt.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum {
    JOBS_MAX = 64,
    RUNS_MAX = 4 * JOBS_MAX, /* under way, or ended before one that comes before them */
    OUTPUT_PART = 64 * 1024,
    STATUS_VIOLATION = 1,
    STATUS_USAGE = 2,
    STATUS_BROKEN = 3,
    STATUS_STOPPED = 130,
};

static const char usage[] =
    "usage: vxc-sim [--seed N | --seeds FROM..TO] [--seconds S] [--nodes N] [--jobs N] [--for S]\n"
    "               [--trace]\n"
    "\n"
    "Runs a cluster and its clients in simulated time, with faults, and checks what must hold.\n"
    "  --seed N         one run (1)\n"
    "  --seeds A..B     one run for each number, then a line with their sum\n"
    "  --seconds S      of simulated load and faults in each (10)\n"
    "  --nodes N        voters at the start, 1 to 5 (3)\n"
    "  --jobs N         runs at a time (one per processor)\n"
    "  --for S          begins no more runs after S seconds of real time\n"
    "  --trace          prints every event\n"
    "Stdout is the same in each run of a seed; what depends on the machine goes to stderr.\n"
    "Status: 0 clean, 1 a violation was found, 2 usage, 3 the simulator itself failed.\n";

/* One seed. */
struct run {
    uint64_t seed;
    pid_t pid;
    bool ended;
    int status;   /* as of waitpid, once ended */
    FILE *output; /* its stdout; NULL = it has ours */
    char folder[256];
};

struct all {
    struct sim_options options;
    uint64_t from, to;
    unsigned jobs;
    unsigned real_seconds; /* 0 = as long as it takes */
    struct timespec begun;
    char folder[200];
    struct sim_counts *counts; /* by seed % RUNS_MAX; shared with the runs */

    struct run runs[RUNS_MAX]; /* by seed % RUNS_MAX: those in done … started - 1 */
    uint64_t started, done;    /* the next seed to be begun, to be printed */
    unsigned under_way;
    struct sim_counts sum; /* of those that were printed and clean */
    uint64_t clean;
};

static _Noreturn void fail_usage(const char *text)
{
    fprintf(stderr, "vxc-sim: %s\n%s", text, usage);
    exit(STATUS_USAGE);
}

static uint64_t number(const char *text, uint64_t least, uint64_t most, const char *name)
{
    char *end;
    unsigned long long value;
    char line[128];

    errno = 0;
    value = strtoull(text, &end, 10);
    if (errno != 0 || end == text || *end != '\0' || text[0] == '-' || value < least ||
        value > most) {
        (void)snprintf(line, sizeof line, "--%s wants a number from %" PRIu64 " to %" PRIu64, name,
                       least, most);
        fail_usage(line);
    }
    return value;
}

static void seeds(struct all *all, char *text)
{
    char *dots = strstr(text, "..");

    if (dots == NULL) {
        fail_usage("--seeds wants two numbers, such as 1..1000");
    }
    *dots = '\0';
    all->from = number(text, 0, UINT64_MAX, "seeds");
    all->to = number(dots + 2, all->from, UINT64_MAX - 1, "seeds");
}

static unsigned processors(void)
{
    const long count = sysconf(_SC_NPROCESSORS_ONLN);

    return count < 1 ? 1 : count > JOBS_MAX ? JOBS_MAX : (unsigned)count;
}

static void read_options(struct all *all, int argc, char **argv)
{
    static const struct option options[] = {{"seed", required_argument, NULL, 's'},
                                            {"seeds", required_argument, NULL, 'S'},
                                            {"seconds", required_argument, NULL, 't'},
                                            {"nodes", required_argument, NULL, 'n'},
                                            {"jobs", required_argument, NULL, 'j'},
                                            {"for", required_argument, NULL, 'f'},
                                            {"trace", no_argument, NULL, 'T'},
                                            {"help", no_argument, NULL, 'h'},
                                            {0}};
    int option;

    *all = (struct all){
        .options = {.seconds = 10, .nodes = 3}, .from = 1, .to = 1, .jobs = processors()};
    opterr = 0;
    while ((option = getopt_long(argc, argv, "h", options, NULL)) != -1) {
        switch (option) {
        case 's':
            all->from = all->to = number(optarg, 0, UINT64_MAX - 1, "seed");
            break;
        case 'S':
            seeds(all, optarg);
            break;
        case 't':
            all->options.seconds = (unsigned)number(optarg, 1, 100000, "seconds");
            break;
        case 'n':
            all->options.nodes = (unsigned)number(optarg, 1, 5, "nodes");
            break;
        case 'j':
            all->jobs = (unsigned)number(optarg, 1, JOBS_MAX, "jobs");
            break;
        case 'f':
            all->real_seconds = (unsigned)number(optarg, 1, 100000, "for");
            break;
        case 'T':
            all->options.trace = true;
            break;
        case 'h':
            fputs(usage, stdout);
            exit(0);
        default:
            fail_usage("unknown option, or one without its value");
        }
    }
    if (optind < argc) {
        fail_usage("there are no arguments beside the options");
    }
}

/* ---- folders ---- */

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st, (void)type, (void)ftw;
    return remove(path);
}

static void remove_tree(const char *path)
{
    (void)nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS); /* in memory: what stays is little */
}

/* In memory if there is any: a run flushes thousands of times. */
static void make_folder(char *path, size_t size)
{
    const char *base = getenv("TMPDIR");

    (void)snprintf(path, size, "%s/vxc-sim-XXXXXX",
                   access("/dev/shm", W_OK) == 0 ? "/dev/shm"
                   : base == NULL                ? "/tmp"
                                                 : base);
    if (mkdtemp(path) == NULL) {
        fprintf(stderr, "vxc-sim: %s: %s\n", path, strerror(errno));
        exit(STATUS_BROKEN);
    }
}

/* ---- runs ---- */

/* A time limit ends it by a signal: the folders go all the same. */
static volatile sig_atomic_t is_to_stop;

static void on_signal(int number)
{
    (void)number;
    is_to_stop = 1;
}

static void take_signals(void)
{
    struct sigaction action = {.sa_handler = on_signal}; /* and a read is interrupted */

    (void)sigaction(SIGINT, &action, NULL);
    (void)sigaction(SIGTERM, &action, NULL);
}

static _Noreturn void fail_run(void)
{
    fprintf(stderr, "vxc-sim: a run: %s\n", strerror(errno));
    exit(STATUS_BROKEN);
}

static double seconds_since(const struct timespec *begun)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)(now.tv_sec - begun->tv_sec) + (double)(now.tv_nsec - begun->tv_nsec) / 1e9;
}

static struct run *run_of(struct all *all, uint64_t seed)
{
    return &all->runs[seed % RUNS_MAX];
}

/* A file and no pipe: a run that is ahead of others is not to wait until it is read. */
static FILE *open_output(const struct all *all, const struct run *run)
{
    char path[300];
    FILE *output;

    if (all->from == all->to) {
        return NULL;
    }
    (void)snprintf(path, sizeof path, "%s/output", run->folder);
    output = fopen(path, "w+e");
    if (output == NULL) {
        fail_run();
    }
    return output;
}

static void start(struct all *all)
{
    const uint64_t seed = all->started++;
    struct run *run = run_of(all, seed);
    struct sim_options options = all->options;

    *run = (struct run){.seed = seed};
    options.seed = seed;
    (void)snprintf(run->folder, sizeof run->folder, "%s/%" PRIu64, all->folder, seed);
    if (mkdir(run->folder, 0700) != 0) {
        fail_run();
    }
    run->output = open_output(all, run);
    run->pid = fork();
    if (run->pid < 0) {
        fail_run();
    }
    if (run->pid == 0) {
        int status;

        (void)signal(SIGTERM, SIG_DFL);
        (void)signal(SIGINT, SIG_DFL);
        if (run->output != NULL) {
            (void)dup2(fileno(run->output), STDOUT_FILENO);
        }
        status = sim_run(&options, run->folder, &all->counts[seed % RUNS_MAX]);
        (void)fflush(stdout);
        _exit(status);
    }
    all->under_way++;
}

/* One of those under way has ended; or a signal came, and nothing is known yet. */
static void await_one(struct all *all)
{
    int status;
    const pid_t pid = waitpid(-1, &status, 0);

    for (uint64_t seed = all->done; pid > 0 && seed < all->started; seed++) {
        struct run *run = run_of(all, seed);

        if (run->pid == pid && !run->ended) {
            run->ended = true;
            run->status = status;
            all->under_way--;
        }
    }
}

static void forget(struct run *run)
{
    if (run->output != NULL) {
        (void)fclose(run->output);
    }
    remove_tree(run->folder);
}

static void pass_on_output(FILE *output)
{
    static char bytes[OUTPUT_PART];
    size_t got;

    rewind(output);
    while ((got = fread(bytes, 1, sizeof bytes, output)) > 0) {
        (void)fwrite(bytes, 1, got, stdout);
    }
}

/* Passes on what it printed; returns its status. */
static int finish(struct all *all, struct run *run)
{
    int status = STATUS_VIOLATION;

    if (run->output != NULL) {
        pass_on_output(run->output);
    }
    if (WIFSIGNALED(run->status)) {
        printf("seed %" PRIu64 ": VIOLATION: ended by signal %d (%s)\n", run->seed,
               WTERMSIG(run->status), strsignal(WTERMSIG(run->status)));
    } else {
        status = WEXITSTATUS(run->status);
    }
    if (status == 0) {
        sim_counts_add(&all->sum, &all->counts[run->seed % RUNS_MAX]);
        all->clean++;
    }
    (void)fflush(stdout);
    forget(run);
    return status;
}

static bool may_start(const struct all *all)
{
    return all->started <= all->to && all->under_way < all->jobs &&
           all->started - all->done < RUNS_MAX &&
           (all->real_seconds == 0 || seconds_since(&all->begun) < all->real_seconds);
}

/* Seeds in order, several at a time; ends at the first that is not clean. */
static int run_all(struct all *all)
{
    int status = 0;

    all->started = all->done = all->from;
    while (status == 0 && !is_to_stop) {
        while (may_start(all)) {
            start(all);
        }
        if (all->done == all->started) {
            break;
        }
        await_one(all);
        while (status == 0 && !is_to_stop && all->done < all->started &&
               run_of(all, all->done)->ended) {
            status = finish(all, run_of(all, all->done));
            all->done++;
        }
    }
    for (; all->done < all->started; all->done++) {
        struct run *run = run_of(all, all->done);

        if (!run->ended) {
            (void)kill(run->pid, SIGKILL);
            (void)waitpid(run->pid, NULL, 0);
        }
        forget(run);
    }
    return is_to_stop ? STATUS_STOPPED : status;
}

static void print_sum(const struct all *all)
{
    if (all->from != all->to && all->clean > 0) {
        printf("seeds %" PRIu64 "..%" PRIu64 ": %" PRIu64 " ok", all->from,
               all->from + all->clean - 1, all->clean);
        sim_counts_print(&all->sum);
        printf("\n");
        (void)fflush(stdout);
    }
}

int main(int argc, char **argv)
{
    static struct all all; /* large */
    double took;
    int status;

    read_options(&all, argc, argv);
    (void)clock_gettime(CLOCK_MONOTONIC, &all.begun);
    take_signals();
    all.counts = mmap(NULL, RUNS_MAX * sizeof *all.counts, PROT_READ | PROT_WRITE,
                      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (all.counts == MAP_FAILED) {
        fail_run();
    }
    make_folder(all.folder, sizeof all.folder);
    status = run_all(&all);
    remove_tree(all.folder);
    print_sum(&all);
    took = seconds_since(&all.begun);
    fprintf(stderr, "vxc-sim: %.1f s; %.0f simulated seconds of load per second\n", took,
            (double)all.clean * all.options.seconds / took);
    return status;
}
