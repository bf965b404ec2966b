/* Preloaded into everything that commits: makes each fsync and fdatasync take at least 2 ms longer, as on a
   disk slower than this machine's. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <time.h>

#define DELAY_NANOSECONDS 2000000L

#define WRAP_SYNC(name) \
    int name(int fd) { \
        static int (*real)(int); \
        if (!real) real = (int (*)(int)) dlsym(RTLD_NEXT, #name); \
        struct timespec delay = {0, DELAY_NANOSECONDS}; \
        nanosleep(&delay, 0); \
        return real(fd); \
    }
WRAP_SYNC(fsync)
WRAP_SYNC(fdatasync)
