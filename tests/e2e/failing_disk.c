/* Preloaded into the writer: makes the store's disk fail with the errno in the file named by FAILING_DISK. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int fails(int fd) {
    char link[64], path[4096];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length <= 0) return 0;
    path[length] = 0;
    if (!strstr(path, "store.sqlite3") || strstr(path, ".lease")) return 0;
    FILE *file = fopen(getenv("FAILING_DISK"), "r");
    if (!file) return 0;
    int code = 0;
    if (fscanf(file, "%d", &code) != 1) code = EIO;
    fclose(file);
    errno = code;
    return code;
}

#define WRAP(name, parameters, arguments) \
    ssize_t name parameters { \
        static ssize_t (*real) parameters; \
        if (!real) real = (ssize_t(*) parameters) dlsym(RTLD_NEXT, #name); \
        return fails(fd) ? -1 : real arguments; \
    }
WRAP(pwrite, (int fd, const void *data, size_t size, off_t offset), (fd, data, size, offset))
WRAP(pwrite64, (int fd, const void *data, size_t size, off64_t offset), (fd, data, size, offset))
WRAP(write, (int fd, const void *data, size_t size), (fd, data, size))

#define WRAP_SYNC(name) \
    int name(int fd) { \
        static int (*real)(int); \
        if (!real) real = (int (*)(int)) dlsym(RTLD_NEXT, #name); \
        return fails(fd) ? -1 : real(fd); \
    }
WRAP_SYNC(fsync)
WRAP_SYNC(fdatasync)
