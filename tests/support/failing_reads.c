/* With LD_PRELOAD, makes reads of one file fail as on a disk with bad sectors: FAILING_FILE is its path, and the bytes
   from FAILING_START up to FAILING_END cannot be read. Like the system, it reads up to the first bad byte. */

#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static int is_failing(int fd)
{
    struct stat wanted, opened;
    const char *path = getenv("FAILING_FILE");
    return path && !stat(path, &wanted) && !fstat(fd, &opened) && wanted.st_dev == opened.st_dev &&
           wanted.st_ino == opened.st_ino;
}

ssize_t read(int fd, void *buffer, size_t length)
{
    static ssize_t (*real)(int, void *, size_t);
    if (!real)
        real = (ssize_t (*)(int, void *, size_t))dlsym(RTLD_NEXT, "read");
    if (is_failing(fd)) {
        off_t at = lseek(fd, 0, SEEK_CUR);
        off_t start = strtoll(getenv("FAILING_START"), NULL, 10), end = strtoll(getenv("FAILING_END"), NULL, 10);
        if (at >= start && at < end) {
            errno = EIO;
            return -1;
        }
        if (at < start && (off_t)length > start - at)
            length = start - at;
    }
    return real(fd, buffer, length);
}
