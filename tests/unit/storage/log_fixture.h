/* What the tests of the log share: folders, and entries whose payload follows from index, term,
 * size. */
#ifndef VXC_TESTS_LOG_FIXTURE_H
#define VXC_TESTS_LOG_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/limits.h"
#include "storage/log.h"

enum { NODE = 7, PATH_SIZE = 512 };

static inline void folder_make(char path[PATH_SIZE])
{
    const char *tmp = getenv("TMPDIR");

    snprintf(path, PATH_SIZE, "%s/vxc-log-XXXXXX", tmp == NULL ? "/tmp" : tmp);
    assert_non_null(mkdtemp(path));
}

static inline void folder_each(const char *path, void (*visit)(const char *file, void *data),
                               void *data)
{
    DIR *dir = opendir(path);
    struct dirent *e;

    if (dir == NULL) {
        return;
    }
    while ((e = readdir(dir)) != NULL) {
        char file[2 * PATH_SIZE];
        if (e->d_name[0] != '.') {
            snprintf(file, sizeof file, "%s/%s", path, e->d_name);
            visit(file, data);
        }
    }
    closedir(dir);
}

static inline void file_remove(const char *file, void *data)
{
    (void)data;
    unlink(file);
}

static inline void folder_empty(const char *path)
{
    folder_each(path, file_remove, NULL);
}

static inline void folder_remove(const char *path)
{
    folder_empty(path);
    rmdir(path);
}

static inline uint8_t *file_load(const char *file, size_t *size)
{
    int fd = open(file, O_RDONLY);
    struct stat st;
    uint8_t *bytes;

    assert_true(fd >= 0);
    assert_int_equal(fstat(fd, &st), 0);
    *size = (size_t)st.st_size;
    bytes = malloc(*size + 1);
    assert_non_null(bytes);
    assert_int_equal(read(fd, bytes, *size), *size);
    close(fd);
    return bytes;
}

static inline void file_save(const char *file, const void *bytes, size_t size)
{
    int fd = open(file, O_WRONLY | O_CREAT | O_TRUNC, 0600);

    assert_true(fd >= 0);
    assert_int_equal(write(fd, bytes, size), size);
    close(fd);
}

static inline void file_copy_to(const char *file, void *data)
{
    char to[2 * PATH_SIZE];
    size_t size;
    uint8_t *bytes;

    if (access(file, R_OK) != 0) {
        return; /* just unlinked in the background */
    }
    bytes = file_load(file, &size);
    snprintf(to, sizeof to, "%s/%s", (const char *)data, strrchr(file, '/') + 1);
    file_save(to, bytes, size);
    free(bytes);
}

/* What a kill at this moment leaves behind, provided that nothing is in flight. */
static inline void folder_copy(const char *from, char *to)
{
    folder_empty(to);
    folder_each(from, file_copy_to, to);
}

static inline void file_find_segment(const char *file, void *data)
{
    const char *name = strrchr(file, '/') + 1;
    size_t length = strlen(name);
    char *best = data;

    /* the last one by name */
    if (length > 4 && strcmp(name + length - 4, ".log") == 0 &&
        (best[0] == 0 || strcmp(file, best) > 0)) {
        snprintf(best, 2 * PATH_SIZE, "%s", file);
    }
}

static inline void last_segment(const char *path, char file[2 * PATH_SIZE])
{
    file[0] = 0;
    folder_each(path, file_find_segment, file);
    assert_true(file[0] != 0);
}

static inline void payload_make(uint8_t *out, size_t size, uint64_t index, uint64_t term)
{
    uint64_t x = index * 0x9E3779B97F4A7C15u + term;

    for (size_t i = 0; i < size; i++) {
        x = x * 6364136223846793005u + 1442695040888963407u;
        out[i] = (uint8_t)(x >> 56);
    }
}

static inline struct vxc_log_options options_small(enum vxc_log_io io)
{
    return (struct vxc_log_options){
        .io = io, .cluster_id_lo = 1, .cluster_id_hi = 2, .node_id = NODE, .segment_size = 65536};
}

static inline struct vxc_log *log_open_ok(const char *path, const struct vxc_log_options *options)
{
    struct vxc_error err = {0};
    struct vxc_log *log = NULL;
    int rv = vxc_log_open(path, options, &log, &err);

    if (rv != 0) {
        print_error("open: %d %s\n", rv, err.text);
    }
    assert_int_equal(rv, 0);
    return log;
}

static inline void entry_append(struct vxc_log *log, uint64_t term, size_t size)
{
    uint64_t index = vxc_log_last_index(log) + 1;
    uint8_t *bytes = malloc(size + 1);
    int rv;

    assert_non_null(bytes);
    payload_make(bytes, size, index, term);
    rv = vxc_log_append(log, index, term, VXC_LOG_COMMAND, vxc_slice(bytes, size));
    free(bytes);
    assert_int_equal(rv, 0);
}

/* True when entry `index` is there with the payload that its index, term and size call for. */
static inline int entry_is_right(struct vxc_log *log, uint64_t index)
{
    struct vxc_log_entry e;
    struct vxc_error err = {0};
    uint8_t *bytes;
    int right;
    int rv = vxc_log_get(log, index, &e, &err);

    if (rv != 0) {
        print_error("get %llu: %d %s\n", (unsigned long long)index, rv, err.text);
        return 0;
    }
    bytes = malloc(e.payload.size + 1);
    assert_non_null(bytes);
    payload_make(bytes, e.payload.size, index, e.term);
    right = e.index == index && e.term == vxc_log_term(log, index) &&
            vxc_slice_equal(e.payload, vxc_slice(bytes, e.payload.size));
    free(bytes);
    return right;
}

static inline void entries_are_right(struct vxc_log *log, uint64_t first, uint64_t last)
{
    for (uint64_t i = first; i <= last; i++) {
        if (!entry_is_right(log, i)) {
            fail_msg("entry %llu is wrong", (unsigned long long)i);
        }
    }
}

/* The same pseudo-random numbers for a seed on every machine. */
static inline uint64_t random_next(uint64_t *state)
{
    uint64_t z = (*state += 0x9E3779B97F4A7C15u);

    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return z ^ (z >> 31);
}

#endif
