/* How fast are resident rows, freezes and commits? A plain program, not a test:
 *
 *     table_bench [rows] [seconds per figure] [folder]
 *
 * prints one figure per line: name, rate or time, unit. Keys are those of map elements (16 bytes of
 * id and generation, then a random user key of 16), values are 64 bytes. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "storage/store.h"
#include "storage/table.h"
#include "storage/verify.h"

enum { VALUE_SIZE = 64, KEY_SIZE = 32, CHUNK = 4096 };

struct bench {
    struct vxc_store *store;
    struct vxc_table *table;
    uint8_t (*keys)[KEY_SIZE];
    uint32_t *order; /* random indices into keys */
    size_t rows;
    double seconds;
    uint64_t applied_index;
    uint64_t random;
};

static double now(void)
{
    struct timespec t;

    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* Time that this thread had a core: what other processes take away does not count. */
static double now_cpu(void)
{
    struct timespec t;

    (void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static uint64_t next_random(struct bench *b)
{
    b->random ^= b->random << 13;
    b->random ^= b->random >> 7;
    return b->random ^= b->random << 17;
}

static void print_figure(const char *name, double value, const char *unit)
{
    printf("%-44s %12.3f %s\n", name, value, unit);
    fflush(stdout);
}

static struct vxc_slice key_slice(const struct bench *b, size_t i)
{
    return vxc_slice(b->keys[i], KEY_SIZE);
}

static void put_row(struct bench *b, size_t i, uint64_t word)
{
    uint8_t value[VALUE_SIZE];

    memset(value, (int)(uint8_t)word, sizeof value);
    vxc_table_put(b->table, VXC_DB_MAPS, key_slice(b, i), vxc_slice(value, 8),
                  vxc_slice(value + 8, sizeof value - 8));
}

static void put_header(struct bench *b)
{
    uint8_t body[24] = {1};
    uint8_t id[8];

    vxc_store_be64(id, 1);
    vxc_table_put(b->table, VXC_DB_MAPS, vxc_slice(id, sizeof id), vxc_slice(body, sizeof body),
                  vxc_slice("", 0));
}

static double freeze(struct bench *b)
{
    struct vxc_store_meta meta = {.applied_index = ++b->applied_index};
    double begun = now();

    put_header(b);
    vxc_table_freeze(b->table, &meta);
    return now() - begun;
}

static double thaw(struct bench *b)
{
    double begun = now();

    vxc_table_thaw(b->table);
    return now() - begun;
}

static void commit_all(struct bench *b)
{
    (void)freeze(b);
    vxc_store_wait(b->store);
    if (vxc_store_collect(b->store)) {
        (void)thaw(b);
    }
}

static void make_keys(struct bench *b)
{
    b->keys = calloc(b->rows, sizeof *b->keys);
    b->order = calloc(b->rows, sizeof *b->order);
    for (size_t i = 0; i < b->rows; i++) {
        char text[17];

        (void)snprintf(text, sizeof text, "%016llx", (unsigned long long)next_random(b));
        vxc_store_be64(b->keys[i], 1);
        vxc_store_be64(b->keys[i] + 8, 1);
        memcpy(b->keys[i] + 16, text, 16);
        b->order[i] = (uint32_t)i;
    }
    for (size_t i = b->rows; i > 1; i--) {
        size_t j = next_random(b) % i;
        uint32_t t = b->order[i - 1];

        b->order[i - 1] = b->order[j];
        b->order[j] = t;
    }
}

static void bench_load(struct bench *b)
{
    double begun = now();
    double worst = 0;

    for (size_t i = 0; i < b->rows; i++) {
        double at = now();

        put_row(b, i, i);
        at = now() - at;
        worst = at > worst ? at : worst;
    }
    print_figure("insert new rows, no commit", (double)b->rows / (now() - begun) / 1e6, "M/s");
    print_figure("  slowest single insert", worst * 1e3, "ms");
    begun = now();
    commit_all(b);
    print_figure("first commit of all of them", now() - begun, "s");
    for (int i = 0; i < 10000; i++) {
        vxc_table_end_turn(b->table);
    }
}

static void bench_get(struct bench *b)
{
    double begun = now_cpu();
    size_t done = 0;
    uint64_t sum = 0;

    while (now_cpu() - begun < b->seconds) {
        for (size_t i = 0; i < CHUNK; i++, done++) {
            struct vxc_slice body;

            if (vxc_table_get(b->table, VXC_DB_MAPS, key_slice(b, b->order[done % b->rows]),
                              &body) == 0) {
                sum += body.data[VALUE_SIZE - 1];
            }
        }
    }
    print_figure("random gets of resident rows, per core", (double)done / (now_cpu() - begun) / 1e6,
                 "M/s");
    if (sum == 1) { /* never: keeps the reads */
        puts("");
    }
}

static void bench_overwrite(struct bench *b)
{
    double begun = now_cpu();
    size_t done = 0;

    while (now_cpu() - begun < b->seconds) {
        for (size_t i = 0; i < CHUNK; i++, done++) {
            put_row(b, b->order[done % b->rows], done);
        }
    }
    print_figure("random overwrites, no commit, per core", (double)done / (now_cpu() - begun) / 1e6,
                 "M/s");
    commit_all(b);
}

/* Get and put, a turn every 1000, commits of 250k rows beside it: the node's steady state. */
static void bench_steady(struct bench *b, size_t freeze_rows, const char *name)
{
    struct vxc_table_stats stats;
    struct vxc_store_stats store;
    double begun = now();
    double freeze_worst = 0;
    double thaw_worst = 0;
    double turn_worst = 0;
    size_t done = 0;
    size_t commits = 0;
    double waited = 0;

    while (now() - begun < 3 * b->seconds) {
        for (size_t i = 0; i < 1000; i++, done++) {
            size_t at = b->order[next_random(b) % b->rows];
            struct vxc_slice body;

            (void)vxc_table_get(b->table, VXC_DB_MAPS, key_slice(b, at), &body);
            put_row(b, at, done);
        }
        if (vxc_store_collect(b->store)) {
            double t = thaw(b);

            thaw_worst = t > thaw_worst ? t : thaw_worst;
            commits++;
        }
        vxc_table_stats(b->table, &stats);
        if (stats.dirty_rows >= freeze_rows) {
            if (vxc_table_freezing(b->table) && stats.dirty_rows > 2 * freeze_rows) {
                double t = now();

                vxc_store_wait(b->store);
                waited += now() - t;
                (void)vxc_store_collect(b->store);
                (void)thaw(b);
                commits++;
            }
            if (!vxc_table_freezing(b->table)) {
                double t = freeze(b);

                freeze_worst = t > freeze_worst ? t : freeze_worst;
            }
        }
        double t = now();
        vxc_table_end_turn(b->table);
        t = now() - t;
        turn_worst = t > turn_worst ? t : turn_worst;
    }
    double took = now() - begun;
    vxc_store_stats(b->store, &store);
    printf("%s\n", name);
    print_figure("  get + put", (double)done / took / 1e6, "M/s");
    print_figure("  the same, less time waited for commits", (double)done / (took - waited) / 1e6,
                 "M/s");
    print_figure("  commits", (double)commits, "");
    print_figure("  last commit on the storage thread", (double)store.commit_us_last / 1e3, "ms");
    print_figure("  slowest freeze", freeze_worst * 1e3, "ms");
    print_figure("  slowest thaw", thaw_worst * 1e3, "ms");
    print_figure("  slowest end of turn", turn_worst * 1e3, "ms");
    vxc_store_wait(b->store);
    if (vxc_store_collect(b->store)) {
        (void)thaw(b);
    }
    commit_all(b);
}

static size_t scan_page(struct bench *b, struct vxc_row_key *from, bool after, size_t limit)
{
    struct vxc_row_key prefix;
    struct vxc_slice key;
    struct vxc_slice body;
    size_t count = 0;

    vxc_row_key_begin(&prefix);
    vxc_row_key_u64(&prefix, 1);
    vxc_row_key_u64(&prefix, 1);
    struct vxc_table_scan *scan = vxc_table_scan_open(
        b->table, VXC_DB_MAPS, vxc_row_key_slice(&prefix), vxc_row_key_slice(from), after);
    while (count < limit && vxc_table_scan_next(scan, &key, &body)) {
        memcpy(from->data, key.data, key.size);
        from->size = (uint16_t)key.size;
        count++;
    }
    vxc_table_scan_close(scan);
    return count;
}

/* Pages of 1000 rows through the whole map, 1000 random puts between two pages. */
static void bench_pages(struct bench *b)
{
    struct vxc_row_key from = {0};
    double first = 0;
    double worst = 0;
    double total = 0;
    size_t rows = 0;
    size_t pages = 0;

    for (size_t i = 0; i < 250000; i++) {
        put_row(b, b->order[i % b->rows], i);
    }
    for (;;) {
        double t = now();
        size_t count = scan_page(b, &from, pages > 0, 1000);

        t = now() - t;
        vxc_table_end_turn(b->table);
        total += t;
        rows += count;
        if (pages == 0) {
            first = t;
        } else if (t > worst) {
            worst = t;
        }
        pages++;
        if (count < 1000) {
            break;
        }
        for (size_t i = 0; i < 1000; i++) {
            put_row(b, b->order[next_random(b) % b->rows], i);
        }
    }
    print_figure("paged scan, 250k dirty rows: first page", first * 1e3, "ms");
    print_figure("  slowest other page of 1000", worst * 1e3, "ms");
    print_figure("  rows scanned", (double)rows / total / 1e6, "M/s");
    commit_all(b);
}

/* A queue of deadlines: one added at the end, the first found and taken off, with commits beside.
 */
static void bench_queue(struct bench *b)
{
    enum { DEPTH = 100000 };
    struct vxc_slice none = vxc_slice("", 0);
    struct vxc_table_stats stats;
    uint64_t next = 0;
    size_t done = 0;
    double begun;
    double worst = 0;

    for (; next < DEPTH; next++) {
        uint8_t key[16] = {0};

        vxc_store_be64(key, next);
        vxc_table_put(b->table, VXC_DB_DEADLINES, vxc_slice(key, sizeof key), none, none);
    }
    begun = now();
    while (now() - begun < 2 * b->seconds) {
        struct vxc_slice key;
        struct vxc_slice body;
        uint8_t first[16] = {0};
        uint8_t last[16] = {0};
        double t = now();

        struct vxc_table_scan *scan =
            vxc_table_scan_open(b->table, VXC_DB_DEADLINES, none, none, false);
        if (vxc_table_scan_next(scan, &key, &body)) {
            memcpy(first, key.data, sizeof first);
        }
        vxc_table_scan_close(scan);
        vxc_table_del(b->table, VXC_DB_DEADLINES, vxc_slice(first, sizeof first));
        vxc_store_be64(last, next++);
        vxc_table_put(b->table, VXC_DB_DEADLINES, vxc_slice(last, sizeof last), none, none);
        if (done > 0) {
            t = now() - t;
            worst = t > worst ? t : worst;
        }
        done++;
        if (done % 1000 == 0) {
            if (vxc_store_collect(b->store)) {
                (void)thaw(b);
            }
            vxc_table_stats(b->table, &stats);
            if (stats.dirty_rows > 50000 && !vxc_table_freezing(b->table)) {
                (void)freeze(b);
            }
            vxc_table_end_turn(b->table);
        }
    }
    print_figure("queue of 100k: first row, del, put", (double)done / (now() - begun) / 1e6, "M/s");
    print_figure("  slowest of them but the first", worst * 1e3, "ms");
    vxc_store_wait(b->store);
    if (vxc_store_collect(b->store)) {
        (void)thaw(b);
    }
    commit_all(b);
}

static int run(struct bench *b, const char *folder, uint64_t clean_bytes_max)
{
    struct vxc_store_options options = {0};
    struct vxc_verify_report report;
    struct vxc_error err = {0, ""};
    char path[4200];
    double begun;

    (void)snprintf(path, sizeof path, "%s/state", folder);
    if (vxc_store_open(path, &options, &b->store, &err) != 0 ||
        vxc_table_create(b->store, clean_bytes_max, &b->table) != 0) {
        fprintf(stderr, "table_bench: %s\n", err.text);
        return 1;
    }
    bench_load(b);
    bench_get(b);
    bench_overwrite(b);
    bench_steady(b, VXC_FREEZE_ROWS, "steady state, commits of 250k rows");
    bench_pages(b);
    bench_queue(b);
    vxc_table_free(b->table);
    vxc_store_close(b->store);
    begun = now();
    if (vxc_verify_state(path, &report, &err) != 0) {
        fprintf(stderr, "table_bench: %s\n", err.text);
        return 1;
    }
    print_figure("verify", (now() - begun) * 1e3, "ms");
    print_figure("  rows", (double)report.rows / 1e6, "M");
    return 0;
}

static void remove_files(const char *folder)
{
    static const char *const names[] = {"state/data.mdb", "state/lock.mdb", "state", "."};
    char path[4200];

    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        (void)snprintf(path, sizeof path, "%s/%s", folder, names[i]);
        (void)remove(i == 3 ? folder : path);
    }
}

int main(int argc, char **argv)
{
    struct bench b = {.random = 88172645463325252u};
    char folder[4096];
    const char *base = argc > 3 ? argv[3] : "/tmp";
    int status;

    if (strlen(base) > sizeof folder - 32) {
        base = "/tmp";
    }
    b.rows = argc > 1 ? strtoul(argv[1], NULL, 10) : 1000000;
    b.seconds = argc > 2 ? strtod(argv[2], NULL) : 2;
    (void)snprintf(folder, sizeof folder, "%.4000s/table-bench-XXXXXX", base);
    if (b.rows == 0 || b.seconds <= 0 || mkdtemp(folder) == NULL) {
        fprintf(stderr, "usage: table_bench [rows] [seconds per figure] [folder]\n");
        return 2;
    }
    make_keys(&b);
    status = run(&b, folder, 4ull << 30);
    remove_files(folder);
    free(b.keys);
    free(b.order);
    return status;
}
