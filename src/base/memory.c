#include "base/memory.h"

#include "base/check.h"
#include "vxc.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void *libc_malloc(void *data, size_t size)
{
    (void)data;
    return malloc(size);
}

static void *libc_realloc(void *data, void *memory, size_t size)
{
    (void)data;
    return realloc(memory, size);
}

static void libc_free(void *data, void *memory)
{
    (void)data;
    free(memory);
}

static const struct vxc_allocator libc = {
    .malloc = libc_malloc, .realloc = libc_realloc, .free = libc_free};

/* The one mutable global of the library: memory outlives every object that could own it. */
static struct vxc_allocator current = {
    .malloc = libc_malloc, .realloc = libc_realloc, .free = libc_free};

void vxc_memory_set(const struct vxc_allocator *allocator)
{
    current = allocator == NULL ? libc : *allocator;
}

void *vxc_malloc(size_t size)
{
    return current.malloc(current.data, size);
}

void *vxc_calloc(size_t count, size_t size)
{
    void *memory;

    if (current.malloc == libc_malloc) {
        return calloc(count, size); /* large ones come zeroed from the system */
    }
    if (size != 0 && count > SIZE_MAX / size) {
        return NULL;
    }
    memory = current.malloc(current.data, count * size);
    return memory == NULL ? NULL : memset(memory, 0, count * size);
}

void *vxc_realloc(void *memory, size_t size)
{
    return current.realloc(current.data, memory, size);
}

void vxc_free(void *memory)
{
    current.free(current.data, memory);
}

/* The address that the allocator gave stands right before the aligned one. */
void *vxc_aligned_malloc(size_t alignment, size_t size)
{
    uint8_t *memory;
    uintptr_t at;

    if (size > SIZE_MAX - alignment - sizeof(void *)) {
        return NULL;
    }
    memory = vxc_malloc(size + alignment + sizeof(void *));
    if (memory == NULL) {
        return NULL;
    }
    at = ((uintptr_t)memory + sizeof(void *) + alignment - 1) & ~((uintptr_t)alignment - 1);
    memcpy((uint8_t *)at - sizeof(void *), &memory, sizeof(void *));
    return (void *)at;
}

void vxc_aligned_free(void *memory)
{
    void *given;

    if (memory != NULL) {
        memcpy(&given, (uint8_t *)memory - sizeof(void *), sizeof(void *));
        vxc_free(given);
    }
}

char *vxc_strdup(const char *text)
{
    return vxc_strndup(text, SIZE_MAX);
}

char *vxc_strndup(const char *text, size_t size_max)
{
    const size_t size = strnlen(text, size_max);
    char *copy = vxc_malloc(size + 1);

    if (copy != NULL) {
        memcpy(copy, text, size);
        copy[size] = '\0';
    }
    return copy;
}

char *vxc_format(const char *format, ...)
{
    char *text = NULL;
    va_list arguments;
    int size;

    va_start(arguments, format);
    size = vsnprintf(NULL, 0, format, arguments);
    va_end(arguments);
    if (size >= 0) {
        text = vxc_malloc((size_t)size + 1);
    }
    if (text != NULL) {
        va_start(arguments, format);
        (void)vsnprintf(text, (size_t)size + 1, format, arguments); /* measured above */
        va_end(arguments);
    }
    return text;
}

void vxc_need_memory(bool there, const char *what)
{
    if (!there) {
        vxc_fatal("out of memory for %s; give the node more memory and start it again", what);
    }
}

void vxc_set_allocator(const struct vxc_allocator *allocator)
{
    vxc_memory_set(allocator);
}

const char *vxc_version(void)
{
    return VXC_VERSION;
}
