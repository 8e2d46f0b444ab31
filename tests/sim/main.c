/* vxc-sim: runs seeds, each in a process of its own, and prints a line for each. */
#include "sim.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <getopt.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum {
    JOBS_MAX = 64,
    LINE_MAX_SIZE = 4096,
    STATUS_VIOLATION = 1,
    STATUS_USAGE = 2,
    STATUS_BROKEN = 3,
    STATUS_STOPPED = 130,
};

static const char usage[] =
    "usage: vxc-sim [--seed N | --seeds FROM..TO] [--seconds S] [--nodes N] [--jobs N] [--trace]\n"
    "\n"
    "Runs a cluster and its clients in simulated time, with faults, and checks what must hold.\n"
    "  --seed N         one run (1)\n"
    "  --seeds A..B     one run for each number\n"
    "  --seconds S      of simulated load and faults in each (10)\n"
    "  --nodes N        voters at the start, 1 to 5 (3)\n"
    "  --jobs N         runs at a time (1)\n"
    "  --trace          prints every event\n"
    "Stdout is the same in each run of a seed; what depends on the machine goes to stderr.\n"
    "Status: 0 clean, 1 a violation was found, 2 usage, 3 the simulator itself failed.\n";

struct run {
    uint64_t seed;
    pid_t pid;
    int output; /* its stdout */
    char folder[256];
};

struct all {
    struct sim_options options;
    uint64_t from, to;
    unsigned jobs;
    char folder[200];
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

static void read_options(struct all *all, int argc, char **argv)
{
    static const struct option options[] = {
        {"seed", required_argument, NULL, 's'},    {"seeds", required_argument, NULL, 'S'},
        {"seconds", required_argument, NULL, 't'}, {"nodes", required_argument, NULL, 'n'},
        {"jobs", required_argument, NULL, 'j'},    {"trace", no_argument, NULL, 'T'},
        {"help", no_argument, NULL, 'h'},          {0}};
    int option;

    *all = (struct all){.options = {.seconds = 10, .nodes = 3}, .from = 1, .to = 1, .jobs = 1};
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

static void start(const struct all *all, struct run *run, uint64_t seed)
{
    struct sim_options options = all->options;
    int ends[2];

    run->seed = options.seed = seed;
    (void)snprintf(run->folder, sizeof run->folder, "%s/%" PRIu64, all->folder, seed);
    if (mkdir(run->folder, 0700) != 0 || pipe2(ends, O_CLOEXEC) != 0 || (run->pid = fork()) < 0) {
        fprintf(stderr, "vxc-sim: a run: %s\n", strerror(errno));
        exit(STATUS_BROKEN);
    }
    if (run->pid == 0) {
        (void)signal(SIGTERM, SIG_DFL);
        (void)dup2(ends[1], STDOUT_FILENO);
        int status = sim_run(&options, run->folder);
        (void)fflush(stdout);
        _exit(status);
    }
    (void)close(ends[1]);
    run->output = ends[0];
}

/* Passes on what it printed; returns its status. */
static int finish(const struct run *run)
{
    char bytes[LINE_MAX_SIZE];
    ssize_t got;
    int status;

    while ((got = read(run->output, bytes, sizeof bytes)) > 0) {
        (void)fwrite(bytes, 1, (size_t)got, stdout);
    }
    (void)close(run->output);
    if (is_to_stop) {
        (void)kill(run->pid, SIGKILL);
    }
    (void)waitpid(run->pid, &status, 0);
    remove_tree(run->folder);
    if (is_to_stop) {
        status = STATUS_STOPPED;
    } else if (WIFSIGNALED(status)) {
        printf("seed %" PRIu64 ": VIOLATION: ended by signal %d (%s)\n", run->seed,
               WTERMSIG(status), strsignal(WTERMSIG(status)));
        status = STATUS_VIOLATION;
    } else {
        status = WEXITSTATUS(status);
    }
    (void)fflush(stdout);
    return status;
}

/* Seeds in order, several at a time; ends at the first that is not clean. */
static int run_all(const struct all *all)
{
    const unsigned jobs = all->jobs > 0 ? all->jobs : 1;
    struct run runs[JOBS_MAX];
    uint64_t started = all->from;
    uint64_t done = all->from;
    int status = 0;

    while (done <= all->to && status == 0) {
        while (started <= all->to && started - done < jobs) {
            start(all, &runs[started % jobs], started);
            started++;
        }
        status = finish(&runs[done % jobs]);
        done++;
    }
    for (; done < started; done++) {
        const struct run *run = &runs[done % jobs];

        (void)kill(run->pid, SIGKILL);
        (void)waitpid(run->pid, NULL, 0);
        remove_tree(run->folder);
    }
    return status;
}

int main(int argc, char **argv)
{
    struct timespec begun, ended;
    struct all all;
    double took;
    int status;

    read_options(&all, argc, argv);
    (void)clock_gettime(CLOCK_MONOTONIC, &begun);
    take_signals();
    make_folder(all.folder, sizeof all.folder);
    status = run_all(&all);
    remove_tree(all.folder);
    (void)clock_gettime(CLOCK_MONOTONIC, &ended);
    took = (double)(ended.tv_sec - begun.tv_sec) + (double)(ended.tv_nsec - begun.tv_nsec) / 1e9;
    fprintf(stderr, "vxc-sim: %.1f s; %.0f simulated seconds of load per second\n", took,
            (double)(all.to - all.from + 1) * all.options.seconds / took);
    return status;
}
