/* damage_file FILE KIND SEED: damages one file in one way, and prints what it did and where.
 *
 * KIND is flip (one bit), zero (a sector of 512 bytes), cut (the file ends earlier), misplace (one
 * 4096-byte page is replaced by a copy of another one) or garbage (a sector of random bytes). The
 * seed decides everything. Places are drawn from blocks that hold something nine times in ten, for
 * a file of the log is mostly zeros; a file that is all zeros is damaged anywhere.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define BLOCK  4096u
#define SECTOR 512u

struct target {
    const char *path;
    int fd;
    uint64_t size;  /* bytes */
    uint64_t *used; /* numbers of the blocks that hold something */
    uint64_t used_count;
    uint64_t random; /* state of splitmix64 */
};

static uint64_t draw(struct target *t)
{
    uint64_t z = (t->random += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

static void fail(const char *what, const char *path)
{
    fprintf(stderr, "damage_file: %s %s: %s\n", what, path, strerror(errno));
    exit(1);
}

static size_t read_at(struct target *t, void *bytes, size_t size, uint64_t offset)
{
    ssize_t got = pread(t->fd, bytes, size, (off_t)offset);
    if (got < 0) {
        fail("read", t->path);
    }
    return (size_t)got;
}

static void write_at(struct target *t, const void *bytes, size_t size, uint64_t offset)
{
    if (pwrite(t->fd, bytes, size, (off_t)offset) != (ssize_t)size) {
        fail("write", t->path);
    }
}

static void find_used_blocks(struct target *t)
{
    uint64_t block_count = (t->size + BLOCK - 1) / BLOCK;
    unsigned char block[BLOCK];
    t->used = calloc(block_count, sizeof *t->used);
    if (t->used == NULL) {
        fail("allocate for", t->path);
    }
    for (uint64_t i = 0; i < block_count; i++) {
        size_t got = read_at(t, block, sizeof block, i * BLOCK);
        bool empty = got == 0 || (block[0] == 0 && memcmp(block, block + 1, got - 1) == 0);
        if (!empty) {
            t->used[t->used_count++] = i;
        }
    }
}

/* An offset below t->size, mostly within a block that holds something. */
static uint64_t draw_offset(struct target *t)
{
    if (t->used_count > 0 && draw(t) % 10 != 0) {
        uint64_t offset = t->used[draw(t) % t->used_count] * BLOCK + draw(t) % BLOCK;
        if (offset < t->size) {
            return offset;
        }
    }
    return draw(t) % t->size;
}

static void flip(struct target *t)
{
    unsigned char byte;
    uint64_t offset = draw_offset(t);
    unsigned bit = (unsigned)(draw(t) % 8);
    (void)read_at(t, &byte, 1, offset); /* below the size: one byte is there */
    byte = (unsigned char)(byte ^ (1u << bit));
    write_at(t, &byte, 1, offset);
    printf("flip bit %u of byte %" PRIu64, bit, offset);
}

static void overwrite_sector(struct target *t, bool with_zeros)
{
    unsigned char sector[SECTOR] = {0};
    uint64_t offset = draw_offset(t) / SECTOR * SECTOR;
    uint64_t size = t->size - offset < SECTOR ? t->size - offset : SECTOR;
    for (size_t i = 0; !with_zeros && i < size; i++) {
        sector[i] = (unsigned char)draw(t);
    }
    write_at(t, sector, size, offset);
    printf("%s sector at byte %" PRIu64, with_zeros ? "zero" : "garbage in", offset);
}

static void cut(struct target *t)
{
    uint64_t size = draw_offset(t);
    if (draw(t) % 2 == 0) {
        size = size / SECTOR * SECTOR;
    }
    if (ftruncate(t->fd, (off_t)size) != 0) {
        fail("truncate", t->path);
    }
    printf("cut to %" PRIu64 " of %" PRIu64 " bytes", size, t->size);
}

static void misplace(struct target *t)
{
    unsigned char block[BLOCK] = {0};
    uint64_t from = draw_offset(t) / BLOCK * BLOCK;
    uint64_t to = draw_offset(t) / BLOCK * BLOCK;
    size_t size = read_at(t, block, sizeof block, from);
    if (to + size > t->size) {
        size = (size_t)(t->size - to);
    }
    write_at(t, block, size, to);
    printf("page at byte %" PRIu64 " written to byte %" PRIu64, from, to);
}

int main(int argc, char **argv)
{
    if (argc != 4) {
        fprintf(stderr, "usage: damage_file FILE flip|zero|cut|misplace|garbage SEED\n");
        return 2;
    }
    struct target t = {.path = argv[1], .random = strtoull(argv[3], NULL, 10)};
    struct stat info;
    t.fd = open(t.path, O_RDWR | O_CLOEXEC);
    if (t.fd < 0 || fstat(t.fd, &info) != 0) {
        fail("open", t.path);
    }
    t.size = (uint64_t)info.st_size;
    if (t.size == 0) {
        printf("nothing: the file is empty\n");
        return 0;
    }
    find_used_blocks(&t);
    if (strcmp(argv[2], "flip") == 0) {
        flip(&t);
    } else if (strcmp(argv[2], "zero") == 0) {
        overwrite_sector(&t, true);
    } else if (strcmp(argv[2], "garbage") == 0) {
        overwrite_sector(&t, false);
    } else if (strcmp(argv[2], "cut") == 0) {
        cut(&t);
    } else if (strcmp(argv[2], "misplace") == 0) {
        misplace(&t);
    } else {
        fprintf(stderr, "damage_file: no kind of damage is called '%s'\n", argv[2]);
        return 2;
    }
    printf(", size %" PRIu64 "\n", t.size);
    free(t.used);
    if (close(t.fd) != 0) {
        fail("close", t.path);
    }
    return 0;
}
