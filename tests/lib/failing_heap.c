#include "lib/failing_heap.h"

#include <execinfo.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/error.h"
#include "base/memory.h"
#include "vxc.h"

enum {
    OURS = 0x6f757273,
    GONE = 0x676f6e65,
    STACK_DEPTH = 24,
    RUN_SECONDS_MAX = 20,
    WRONGS_MAX = 10
};
enum { FATAL_STATUS = 70, MISUSE_STATUS = 71, LEAK_STATUS = 72, CODE_STATUS = 73 };

/* Right before each block, and as large as malloc's own alignment. */
struct head {
    _Alignas(max_align_t) uint32_t mark;
    size_t size;
};

/* Shared with the processes that a story forks, as verify does. */
static struct counts {
    atomic_uint_fast64_t calls, failures;
} * counts;

static atomic_uint_fast64_t armed_at, fail_at;
static atomic_int_fast64_t balance;
static atomic_bool fail_onwards;

/* ---- the allocator ---- */

static _Noreturn void misuse(const char *what)
{
    fprintf(stderr, "failing heap: %s\n", what);
    fflush(stderr);
    _exit(MISUSE_STATUS);
}

/* Says where, for somebody who looks at a run that went wrong. */
static void tell(uint64_t k, size_t size)
{
    void *stack[STACK_DEPTH];

    if (atomic_fetch_add(&counts->failures, 1) == 0) {
        fprintf(stderr, "failing heap: call %llu, %zu bytes, refused in\n", (unsigned long long)k,
                size);
        fflush(stderr);
        backtrace_symbols_fd(stack, backtrace(stack, STACK_DEPTH), STDERR_FILENO);
    }
}

static bool refuses(size_t size)
{
    const uint64_t at = atomic_load(&fail_at);
    const uint64_t k = atomic_fetch_add(&counts->calls, 1) + 1 - atomic_load(&armed_at);

    if (at == 0 || (atomic_load(&fail_onwards) ? k < at : k != at)) {
        return false;
    }
    tell(k, size);
    return true;
}

static struct head *head_of(void *memory)
{
    struct head *head = (struct head *)memory - 1;

    if (head->mark != OURS) {
        misuse(head->mark == GONE ? "given back twice" : "memory of another allocator");
    }
    return head;
}

static void *heap_realloc(void *data, void *memory, size_t size)
{
    struct head *head = memory == NULL ? NULL : head_of(memory);

    (void)data;
    if (refuses(size) || size > SIZE_MAX - sizeof *head) {
        return NULL;
    }
    head = realloc(head, sizeof *head + size);
    if (head == NULL) {
        return NULL;
    }
    if (memory == NULL) {
        (void)atomic_fetch_add(&balance, 1);
    }
    *head = (struct head){.mark = OURS, .size = size};
    return head + 1;
}

/* Filled, so that nobody lives on zeros by luck. */
static void *heap_malloc(void *data, size_t size)
{
    enum { FILL_MAX = 4096 };
    void *memory = heap_realloc(data, NULL, size);

    return memory == NULL ? NULL : memset(memory, 0xa5, size < FILL_MAX ? size : FILL_MAX);
}

static void heap_free(void *data, void *memory)
{
    (void)data;
    if (memory != NULL) {
        struct head *head = head_of(memory);
        *(volatile uint32_t *)&head->mark = GONE; /* a compiler may leave out what free forgets */
        (void)atomic_fetch_sub(&balance, 1);
        free(head);
    }
}

void failing_heap_install(void)
{
    const struct vxc_allocator heap = {
        .malloc = heap_malloc, .realloc = heap_realloc, .free = heap_free};
    void *stack[1];

    (void)backtrace(stack, 1); /* the first one loads a library */
    counts = mmap(NULL, sizeof *counts, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (counts == MAP_FAILED) {
        abort();
    }
    atomic_store(&balance, 0);
    failing_heap_arm(0, false);
    vxc_set_allocator(&heap);
}

void failing_heap_uninstall(void)
{
    vxc_set_allocator(NULL);
    (void)munmap(counts, sizeof *counts);
}

void failing_heap_arm(uint64_t k, bool onwards)
{
    atomic_store(&fail_at, 0);
    atomic_store(&fail_onwards, onwards);
    atomic_store(&armed_at, atomic_load(&counts->calls));
    atomic_store(&fail_at, k);
}

uint64_t failing_heap_calls(void)
{
    return atomic_load(&counts->calls);
}

uint64_t failing_heap_failures(void)
{
    return atomic_load(&counts->failures);
}

int64_t failing_heap_balance(void)
{
    return atomic_load(&balance);
}

/* ---- stories ---- */

/* What the child tells by a pipe before it exits. */
struct verdict {
    uint64_t failures;
    int64_t balance;
    int code;
};

struct run {
    const struct failing_heap_story *story;
    uint64_t k;
    bool onwards;
    struct verdict verdict;
    bool spoke; /* the verdict came */
    bool went_wrong;
    pid_t child;  /* 0 = it was waited for */
    FILE *output; /* the child's stderr */
};

static _Noreturn void live(const struct run *run, int verdict_fd)
{
    const struct rlimit no_core = {0, 0};
    struct verdict v;
    int status = 0;

    (void)prctl(PR_SET_PDEATHSIG, SIGKILL); /* outlives no test */
    (void)setrlimit(RLIMIT_CORE, &no_core); /* would only be litter */
    (void)signal(SIGABRT, SIG_DFL);         /* cmocka's handlers are for the test */
    (void)signal(SIGSEGV, SIG_DFL);
    (void)dup2(fileno(run->output), STDERR_FILENO);
    failing_heap_install();
    failing_heap_arm(run->k, run->onwards);
    v.code = run->story->run(run->story->data);
    v.failures = failing_heap_failures();
    v.balance = failing_heap_balance();
    if (v.balance != 0) {
        fprintf(stderr, "failing heap: %lld blocks were not given back\n", (long long)v.balance);
        status = LEAK_STATUS;
    }
    if (write(verdict_fd, &v, sizeof v) != (ssize_t)sizeof v) {
        status = MISUSE_STATUS;
    }
    exit(status); /* not _exit: the leak checker of a sanitizer looks now */
}

static struct run *current; /* for a test that fails in the middle of it */

static void show(struct run *run)
{
    char line[512];

    rewind(run->output);
    while (fgets(line, sizeof line, run->output) != NULL) {
        print_message("    %s", line);
    }
}

/* One more run that went wrong. The sweep goes on, for the next may tell what this one does not. */
static void wrong(struct run *run, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void wrong(struct run *run, const char *format, ...)
{
    char text[256];
    va_list arguments;

    va_start(arguments, format);
    (void)vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    show(run);
    print_message("with allocation %llu%s failing: %s\n", (unsigned long long)run->k,
                  run->onwards ? " and all after it" : "", text);
    run->went_wrong = true;
}

static bool said(struct run *run, const char *what)
{
    char line[512];
    bool found = false;

    rewind(run->output);
    while (!found && fgets(line, sizeof line, run->output) != NULL) {
        found = strstr(line, "vxc: fatal: ") != NULL && strstr(line, what) != NULL;
    }
    return found;
}

static bool is_expected(const struct run *run, int code)
{
    const int *codes = run->story->codes;

    if (code == 0 || code == VXC_ENOMEM) {
        return true;
    }
    while (codes != NULL && *codes != 0 && *codes != code) {
        codes++;
    }
    return codes != NULL && *codes == code;
}

static void judge(struct run *run, int status)
{
    if (WIFSIGNALED(status)) {
        wrong(run, "ended by signal %d", WTERMSIG(status));
    } else if (WEXITSTATUS(status) == FATAL_STATUS && run->story->may_end) {
        if (!said(run, "memory")) {
            wrong(run, "the fatal end does not say that memory ran out");
        }
    } else if (WEXITSTATUS(status) != 0 || !run->spoke) {
        wrong(run, "exit status %d", WEXITSTATUS(status));
    } else if (!is_expected(run, run->verdict.code)) {
        wrong(run, "gave %s", vxc_error_name(run->verdict.code));
    } else if (run->verdict.failures == 0 && run->verdict.code != 0) {
        wrong(run, "gave %s without a failure", vxc_error_name(run->verdict.code));
    }
}

/* The verdict, or its absence, within the time limit. */
static bool hear(struct run *run, int verdict_fd)
{
    struct pollfd ready = {.fd = verdict_fd, .events = POLLIN};

    if (poll(&ready, 1, RUN_SECONDS_MAX * 1000) <= 0) {
        return false;
    }
    run->spoke =
        read(verdict_fd, &run->verdict, sizeof run->verdict) == (ssize_t)sizeof run->verdict;
    return true;
}

/* Runs the story once; true when an allocation was refused in it. */
static bool run_once(struct run *run)
{
    const struct failing_heap_story *story = run->story;
    int ends[2];
    int status;
    bool in_time;

    if (story->prepare != NULL) {
        story->prepare(story->data);
    }
    run->output = tmpfile();
    assert_non_null(run->output);
    assert_int_equal(pipe(ends), 0);
    fflush(NULL); /* or the child writes it again */
    run->child = fork();
    assert_true(run->child >= 0);
    if (run->child == 0) {
        (void)close(ends[0]);
        live(run, ends[1]);
    }
    (void)close(ends[1]);
    if (story->talk != NULL) {
        story->talk(story->data, run->child);
    }
    in_time = hear(run, ends[0]);
    if (!in_time) {
        (void)kill(run->child, SIGKILL);
    }
    assert_int_equal(waitpid(run->child, &status, 0), run->child);
    run->child = 0;
    (void)close(ends[0]);
    if (in_time) {
        judge(run, status);
    } else {
        wrong(run, "does not end within %d s", RUN_SECONDS_MAX);
    }
    if (story->check != NULL) {
        story->check(story->data);
    }
    (void)fclose(run->output);
    return !run->spoke || run->verdict.failures > 0;
}

void failing_heap_sweep(const struct failing_heap_story *story)
{
    const char *text = getenv("VXC_MEMORY_STRIDE");
    const uint64_t stride = text == NULL || atoi(text) < 1 ? 1 : (uint64_t)atoi(text);
    static struct run run; /* give_up looks at it after the test was left */
    struct timespec begun, ended;
    uint64_t runs = 0;
    int wrongs = 0;
    uint64_t last[2] = {0};

    (void)clock_gettime(CLOCK_MONOTONIC, &begun);
    for (int onwards = 0; onwards < 2; onwards++) {
        bool more = true;
        for (uint64_t k = 1; more; k += stride) {
            run = (struct run){.story = story, .k = k, .onwards = onwards != 0};
            current = &run;
            more = run_once(&run);
            current = NULL;
            last[onwards] = k;
            runs++;
            wrongs += run.went_wrong;
            if (wrongs >= WRONGS_MAX) {
                fail_msg("%d runs went wrong, so far", wrongs);
            }
        }
    }
    (void)clock_gettime(CLOCK_MONOTONIC, &ended);
    print_message(
        "%llu runs, the last with allocation %llu, %llu and all after it, in %.1f s\n",
        (unsigned long long)runs, (unsigned long long)last[0], (unsigned long long)last[1],
        (double)(ended.tv_sec - begun.tv_sec) + (double)(ended.tv_nsec - begun.tv_nsec) / 1e9);
    if (wrongs > 0) {
        fail_msg("%d runs went wrong", wrongs);
    }
}

int failing_heap_give_up(void **state)
{
    struct run *run = current;

    (void)state;
    current = NULL;
    if (run != NULL) {
        if (run->child > 0) {
            (void)kill(run->child, SIGKILL);
            (void)waitpid(run->child, NULL, 0);
        }
        wrong(run, "see above");
    }
    return 0;
}
