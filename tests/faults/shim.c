/* Preloaded into a process, fails or kills it at the N-th call that changes something below a folder.
 *
 * FAULT_ROOT: the folder. FAULT_COUNTER: a file of 8 bytes, the calls so far, of all processes together.
 * FAULT_AT: the call, from 1; 0 is none. FAULT_ERROR: the errno it fails with; 0 kills the process group.
 * FAULT_LOG: a file that gets a line for each call. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

static const char *root, *log_name;
static long long *counter, at;
static int error_number;

#define NEXT(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

__attribute__((constructor)) static void begin(void) {
    const char *name = getenv("FAULT_COUNTER");
    root = getenv("FAULT_ROOT");
    log_name = getenv("FAULT_LOG");
    if (!name || !root) return;
    at = atoll(getenv("FAULT_AT"));
    error_number = atoi(getenv("FAULT_ERROR"));
    int fd = syscall(SYS_openat, AT_FDCWD, name, O_RDWR | O_CLOEXEC);
    if (fd < 0) return;
    void *mapped = mmap(NULL, 8, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    syscall(SYS_close, fd);
    if (mapped != MAP_FAILED) counter = mapped;
}

/* The absolute path, without following a link at its end, which may be what is changed. */
static void absolute(char *full, int dir, const char *path) {
    char link[32];
    ssize_t length = 0;
    full[0] = 0;
    if (path[0] != '/') {
        if (dir == AT_FDCWD) {
            if (!getcwd(full, PATH_MAX)) full[0] = 0;
        } else {
            snprintf(link, sizeof link, "/proc/self/fd/%d", dir);
            length = readlink(link, full, PATH_MAX - 1);
            full[length > 0 ? length : 0] = 0;
        }
        strncat(full, "/", PATH_MAX - strlen(full) - 1);
    }
    strncat(full, path, PATH_MAX - strlen(full) - 1);
}

/* Counts a call; 1 if it is to fail. */
static int hit(const char *what, const char *full) {
    size_t length;
    if (!counter || strncmp(full, root, length = strlen(root)) || (full[length] && full[length] != '/')) return 0;
    long long number = __atomic_add_fetch(counter, 1, __ATOMIC_SEQ_CST);
    if (log_name && *log_name) {
        char line[PATH_MAX + 64];
        int size = snprintf(line, sizeof line, "%lld %s %s\n", number, what, full + length);
        int fd = syscall(SYS_openat, AT_FDCWD, log_name, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
        if (fd >= 0) {
            syscall(SYS_write, fd, line, size);
            syscall(SYS_close, fd);
        }
    }
    if (number != at) return 0;
    if (!error_number) {
        kill(0, SIGKILL);
        pause();
    }
    errno = error_number;
    return 1;
}

static int hit_path(const char *what, int dir, const char *path) {
    char full[PATH_MAX];
    int before = errno;
    absolute(full, dir, path);
    if (hit(what, full)) return 1;
    errno = before;
    return 0;
}

static int hit_fd(const char *what, int fd) {
    char link[32], full[PATH_MAX];
    int before = errno;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, full, sizeof full - 1);
    full[length > 0 ? length : 0] = 0;
    if (hit(what, full)) return 1;
    errno = before;
    return 0;
}

#define WRITES (O_WRONLY | O_RDWR | O_CREAT | O_TRUNC)
#define MODE(flags, last)                      \
    mode_t mode = 0;                           \
    if ((flags) & (O_CREAT | __O_TMPFILE)) {   \
        va_list list;                          \
        va_start(list, last);                  \
        mode = va_arg(list, mode_t);           \
        va_end(list);                          \
    }

int open(const char *path, int flags, ...) {
    MODE(flags, flags)
    if ((flags & WRITES) && hit_path("open", AT_FDCWD, path)) return -1;
    return NEXT(open)(path, flags, mode);
}
int open64(const char *path, int flags, ...) {
    MODE(flags, flags)
    if ((flags & WRITES) && hit_path("open", AT_FDCWD, path)) return -1;
    return NEXT(open64)(path, flags, mode);
}
int openat(int dir, const char *path, int flags, ...) {
    MODE(flags, flags)
    if ((flags & WRITES) && hit_path("open", dir, path)) return -1;
    return NEXT(openat)(dir, path, flags, mode);
}
int openat64(int dir, const char *path, int flags, ...) {
    MODE(flags, flags)
    if ((flags & WRITES) && hit_path("open", dir, path)) return -1;
    return NEXT(openat64)(dir, path, flags, mode);
}
ssize_t write(int fd, const void *from, size_t size) {
    return hit_fd("write", fd) ? -1 : NEXT(write)(fd, from, size);
}
ssize_t pwrite(int fd, const void *from, size_t size, off_t offset) {
    return hit_fd("write", fd) ? -1 : NEXT(pwrite)(fd, from, size, offset);
}
ssize_t pwrite64(int fd, const void *from, size_t size, off64_t offset) {
    return hit_fd("write", fd) ? -1 : NEXT(pwrite64)(fd, from, size, offset);
}
ssize_t writev(int fd, const struct iovec *from, int count) {
    return hit_fd("write", fd) ? -1 : NEXT(writev)(fd, from, count);
}
ssize_t sendfile(int to, int from, off_t *offset, size_t size) {
    return hit_fd("write", to) ? -1 : NEXT(sendfile)(to, from, offset, size);
}
ssize_t sendfile64(int to, int from, off64_t *offset, size_t size) {
    return hit_fd("write", to) ? -1 : NEXT(sendfile64)(to, from, offset, size);
}
int ftruncate(int fd, off_t size) { return hit_fd("truncate", fd) ? -1 : NEXT(ftruncate)(fd, size); }
int ftruncate64(int fd, off64_t size) { return hit_fd("truncate", fd) ? -1 : NEXT(ftruncate64)(fd, size); }
int fsync(int fd) { return hit_fd("fsync", fd) ? -1 : NEXT(fsync)(fd); }
int fdatasync(int fd) { return hit_fd("fsync", fd) ? -1 : NEXT(fdatasync)(fd); }
int rename(const char *from, const char *to) {
    return hit_path("rename", AT_FDCWD, to) ? -1 : NEXT(rename)(from, to);
}
int renameat(int a, const char *from, int b, const char *to) {
    return hit_path("rename", b, to) ? -1 : NEXT(renameat)(a, from, b, to);
}
int link(const char *from, const char *to) { return hit_path("link", AT_FDCWD, to) ? -1 : NEXT(link)(from, to); }
int symlink(const char *from, const char *to) {
    return hit_path("symlink", AT_FDCWD, to) ? -1 : NEXT(symlink)(from, to);
}
int unlink(const char *path) { return hit_path("unlink", AT_FDCWD, path) ? -1 : NEXT(unlink)(path); }
int unlinkat(int dir, const char *path, int flags) {
    return hit_path("unlink", dir, path) ? -1 : NEXT(unlinkat)(dir, path, flags);
}
int rmdir(const char *path) { return hit_path("unlink", AT_FDCWD, path) ? -1 : NEXT(rmdir)(path); }
int mkdir(const char *path, mode_t mode) { return hit_path("mkdir", AT_FDCWD, path) ? -1 : NEXT(mkdir)(path, mode); }
