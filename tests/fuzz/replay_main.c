/* The main of a fuzz target outside libFuzzer: gives it each named file, and each file of each
 * named folder, once. A folder that is missing or empty is a failure: a corpus that is not there
 * proves nothing.
 */
#include <dirent.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void fail(const char *what, const char *path)
{
    fprintf(stderr, "replay: %s %s: %s\n", what, path, strerror(errno));
    exit(1);
}

static void replay_file(const char *path, size_t size)
{
    /* Exactly as large as the input, so that the address sanitizer sees a read past its end. */
    uint8_t *bytes = malloc(size);
    FILE *file = fopen(path, "rbe");
    if (bytes == NULL && size > 0) {
        fail("allocate for", path);
    }
    if (file == NULL || fread(bytes, 1, size, file) != size) {
        fail("read", path);
    }
    (void)fclose(file); /* only read from */
    (void)LLVMFuzzerTestOneInput(bytes, size);
    free(bytes);
}

/* Inputs replayed from `path`: 1 for a file, the files directly in it for a folder. */
static unsigned replay(const char *path)
{
    struct stat info;
    if (stat(path, &info) != 0) {
        fail("find", path);
    }
    if (S_ISREG(info.st_mode)) {
        replay_file(path, (size_t)info.st_size);
        return 1;
    }
    struct dirent **entries;
    int count = scandir(path, &entries, NULL, alphasort);
    if (count < 0) {
        fail("list", path);
    }
    unsigned replayed = 0;
    for (int i = 0; i < count; i++) {
        char *inside;
        if (asprintf(&inside, "%s/%s", path, entries[i]->d_name) < 0) {
            fail("allocate for", path);
        }
        if (stat(inside, &info) == 0 && S_ISREG(info.st_mode)) {
            replay_file(inside, (size_t)info.st_size);
            replayed++;
        }
        free(inside);
        free(entries[i]);
    }
    free(entries);
    return replayed;
}

int main(int argc, char **argv)
{
    unsigned total = 0;
    for (int i = 1; i < argc; i++) {
        unsigned replayed = replay(argv[i]);
        if (replayed == 0) {
            fprintf(stderr, "replay: %s holds no input\n", argv[i]);
            return 1;
        }
        total += replayed;
    }
    printf("%u inputs replayed\n", total);
    return total > 0 ? 0 : 2;
}
