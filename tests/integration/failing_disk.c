/* A disk that fails on demand: loaded into a daemon (LD_PRELOAD), it has fsync, fdatasync or pwrite fail while the
 * file named by FAILING_DISK says so: "sync" and "write" choose what fails, followed by the error number. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int fails(const char *what) {
    char word[16] = "";
    int number = 0;
    const char *path = getenv("FAILING_DISK");
    FILE *file = path ? fopen(path, "r") : NULL;
    if (!file) return 0;
    int found = fscanf(file, "%15s %d", word, &number);
    fclose(file);
    if (found != 2 || strcmp(word, what)) return 0;
    errno = number;
    return 1;
}

int fsync(int descriptor) {
    int (*real)(int) = (int (*)(int))dlsym(RTLD_NEXT, "fsync");
    return fails("sync") ? -1 : real(descriptor);
}

int fdatasync(int descriptor) {
    int (*real)(int) = (int (*)(int))dlsym(RTLD_NEXT, "fdatasync");
    return fails("sync") ? -1 : real(descriptor);
}

ssize_t pwrite(int descriptor, const void *bytes, size_t count, off_t offset) {
    ssize_t (*real)(int, const void *, size_t, off_t) =
        (ssize_t (*)(int, const void *, size_t, off_t))dlsym(RTLD_NEXT, "pwrite");
    return fails("write") ? -1 : real(descriptor, bytes, count, offset);
}

ssize_t pwrite64(int descriptor, const void *bytes, size_t count, off64_t offset) {
    ssize_t (*real)(int, const void *, size_t, off64_t) =
        (ssize_t (*)(int, const void *, size_t, off64_t))dlsym(RTLD_NEXT, "pwrite64");
    return fails("write") ? -1 : real(descriptor, bytes, count, offset);
}
