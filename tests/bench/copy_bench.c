/* What LMDB's compacting copy and lz4 reach alone: the yardstick for `vxc snapshot save`.
 *
 *   copy_bench piped  STATE FILE    the copy runs into a pipe, out of which it is compressed
 *   copy_bench staged STATE FILE    the copy goes to FILE.stage first, which is compressed then
 *
 * Either way FILE is flushed to the disk. Prints {"seconds":…,"copied":bytes,"written":bytes}. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <lmdb.h>
#include <lz4.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define CHUNK (1 << 20) /* bytes compressed at a time */

struct copy {
    MDB_env *env;
    int fd; /* written to */
    bool close_it;
    int rc;
};

static void fail(const char *what, const char *why)
{
    fprintf(stderr, "copy_bench: %s: %s\n", what, why);
    exit(1);
}

static double now(void)
{
    struct timespec t;

    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void *run_copy(void *data)
{
    struct copy *copy = data;

    copy->rc = mdb_env_copyfd2(copy->env, copy->fd, MDB_CP_COMPACT);
    if (copy->close_it) {
        (void)close(copy->fd); /* the other end sees the end of the file */
    }
    return NULL;
}

static void write_all(int fd, const char *data, size_t size)
{
    while (size > 0) {
        const ssize_t done = write(fd, data, size);
        if (done < 0 && errno != EINTR) {
            fail("writing", strerror(errno));
        }
        data += done < 0 ? 0 : done;
        size -= done < 0 ? 0 : (size_t)done;
    }
}

/* A whole chunk unless the input ends. */
static size_t read_chunk(int fd, char *data)
{
    size_t size = 0;

    while (size < CHUNK) {
        const ssize_t got = read(fd, data + size, CHUNK - size);
        if (got == 0) {
            break;
        }
        if (got < 0 && errno != EINTR) {
            fail("reading", strerror(errno));
        }
        size += got < 0 ? 0 : (size_t)got;
    }
    return size;
}

static void compress_all(int from, const char *path, uint64_t *copied, uint64_t *written)
{
    const int to = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    const int room = LZ4_compressBound(CHUNK);
    char *input = malloc(CHUNK), *output = malloc((size_t)room);
    size_t size;

    if (to < 0 || input == NULL || output == NULL) {
        fail(path, strerror(errno));
    }
    while ((size = read_chunk(from, input)) > 0) {
        const int packed = LZ4_compress_default(input, output, (int)size, room);
        write_all(to, output, (size_t)packed);
        *copied += size;
        *written += (uint64_t)packed;
    }
    if (fsync(to) != 0 || close(to) != 0) {
        fail(path, strerror(errno));
    }
    free(input);
    free(output);
}

static void run_piped(MDB_env *env, const char *path, uint64_t *copied, uint64_t *written)
{
    struct copy copy = {.env = env, .close_it = true};
    pthread_t thread;
    int ends[2];

    if (pipe2(ends, O_CLOEXEC) != 0) {
        fail("pipe", strerror(errno));
    }
    (void)fcntl(ends[0], F_SETPIPE_SZ, CHUNK); /* else it works too, slower */
    copy.fd = ends[1];
    if (pthread_create(&thread, NULL, run_copy, &copy) != 0) {
        fail("thread", strerror(errno));
    }
    compress_all(ends[0], path, copied, written);
    (void)pthread_join(thread, NULL);
    (void)close(ends[0]); /* was only read */
    if (copy.rc != 0) {
        fail("copying", mdb_strerror(copy.rc));
    }
}

static void run_staged(MDB_env *env, const char *path, uint64_t *copied, uint64_t *written)
{
    struct copy copy = {.env = env};
    char stage[4096];

    (void)snprintf(stage, sizeof stage, "%.4000s.stage", path);
    copy.fd = open(stage, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (copy.fd < 0) {
        fail(stage, strerror(errno));
    }
    (void)unlink(stage); /* lives as long as it is open */
    (void)run_copy(&copy);
    if (copy.rc != 0 || lseek(copy.fd, 0, SEEK_SET) != 0) {
        fail("copying", mdb_strerror(copy.rc));
    }
    compress_all(copy.fd, path, copied, written);
    (void)close(copy.fd); /* goes with its last descriptor */
}

int main(int argc, char **argv)
{
    uint64_t copied = 0, written = 0;
    MDB_env *env;
    double began;
    int rc;

    if (argc != 4 || (strcmp(argv[1], "piped") != 0 && strcmp(argv[1], "staged") != 0)) {
        fprintf(stderr, "usage: copy_bench piped|staged STATE FILE\n");
        return 2;
    }
    rc = mdb_env_create(&env);
    rc = rc != 0 ? rc : mdb_env_set_mapsize(env, (size_t)1 << 40);
    rc = rc != 0 ? rc : mdb_env_open(env, argv[2], MDB_RDONLY | MDB_NOTLS, 0600);
    if (rc != 0) {
        fail(argv[2], mdb_strerror(rc));
    }
    began = now();
    if (argv[1][0] == 'p') {
        run_piped(env, argv[3], &copied, &written);
    } else {
        run_staged(env, argv[3], &copied, &written);
    }
    printf("{\"seconds\":%.4f,\"copied\":%" PRIu64 ",\"written\":%" PRIu64 "}\n", now() - began,
           copied, written);
    mdb_env_close(env);
    return 0;
}
