/* LD_PRELOAD: counts the calls of a program that change files durably, and kills it at the n-th or
 * lets them fail from the n-th to the m-th; and puts its wall clock. It is steered, and read, from
 * outside through a small mapped file that VD_SHIM names (tests/crash/shim.py). Sockets, pipes,
 * standard output and error are left alone, and so are children that a program forks. */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum call {
    CALL_WRITE = 1,
    CALL_SYNC = 2,
    CALL_TRUNCATE = 4,
    CALL_NAME = 8,   /* rename, link, unlink */
    CALL_CREATE = 16 /* open that makes a file */
};

struct control {
    _Atomic uint64_t count;
    _Atomic uint64_t kill_at;   /* 0: never */
    _Atomic uint64_t fail_from; /* 0: never */
    _Atomic uint64_t fail_to;   /* the last one that fails */
    _Atomic uint64_t error;     /* errno */
    _Atomic uint64_t calls;     /* which kinds fail, bits of enum call */
    _Atomic uint64_t half;      /* the write that is killed, or fails, is half done first */
    _Atomic uint64_t failed;    /* how many did */
    _Atomic int64_t clock;      /* nanoseconds by which the wall clock is put forward */
};

/* The only state: what the process is steered by. Set before main, never changed after. */
static struct control *control;
static bool forked;

static void in_child(void)
{
    forked = true;
}

__attribute__((constructor)) static void begin(void)
{
    const char *path = getenv("VD_SHIM");
    int fd = path ? open(path, O_RDWR | O_CLOEXEC) : -1;
    if (fd < 0)
        return;
    void *p = mmap(NULL, sizeof *control, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    (void)close(fd);
    if (p == MAP_FAILED)
        return;
    control = p;
    (void)pthread_atfork(NULL, NULL, in_child);
}

static void *real(const char *name)
{
    void *p = dlsym(RTLD_NEXT, name);
    if (!p)
        abort();
    return p;
}

static bool is_file(int fd)
{
    struct stat st;
    return fd > STDERR_FILENO && fstat(fd, &st) == 0 &&
           (S_ISREG(st.st_mode) || S_ISDIR(st.st_mode));
}

static _Noreturn void die(void)
{
    (void)kill(getpid(), SIGKILL);
    for (;;)
        (void)pause();
}

enum fate { GOES_ON, FAILS, DIES };

static enum fate decide(enum call kind)
{
    if (!control || forked)
        return GOES_ON;
    uint64_t n = atomic_fetch_add(&control->count, 1) + 1;
    if (n == atomic_load(&control->kill_at))
        return DIES;
    uint64_t from = atomic_load(&control->fail_from);
    if (from == 0 || n < from || n > atomic_load(&control->fail_to) ||
        !(atomic_load(&control->calls) & (uint64_t)kind))
        return GOES_ON;
    atomic_fetch_add(&control->failed, 1);
    errno = (int)atomic_load(&control->error);
    return FAILS;
}

/* For calls of which nothing can be half done. */
static bool fails(enum call kind)
{
    enum fate f = decide(kind);
    if (f == DIES)
        die();
    return f == FAILS;
}

static bool half(size_t n)
{
    return n > 1 && atomic_load(&control->half) != 0;
}

ssize_t write(int fd, const void *p, size_t n)
{
    ssize_t (*next)(int, const void *, size_t) =
        (ssize_t(*)(int, const void *, size_t))real("write");
    int saved = errno;
    enum fate f = is_file(fd) ? decide(CALL_WRITE) : GOES_ON;
    if (f != GOES_ON && half(n)) {
        ssize_t done = next(fd, p, n / 2);
        if (f == FAILS)
            return done;
    }
    if (f == DIES)
        die();
    if (f == FAILS)
        return -1;
    errno = saved;
    return next(fd, p, n);
}

static ssize_t pwrite_as(const char *name, int fd, const void *p, size_t n, off_t at)
{
    ssize_t (*next)(int, const void *, size_t, off_t) =
        (ssize_t(*)(int, const void *, size_t, off_t))real(name);
    int saved = errno;
    enum fate f = is_file(fd) ? decide(CALL_WRITE) : GOES_ON;
    if (f != GOES_ON && half(n)) {
        ssize_t done = next(fd, p, n / 2, at);
        if (f == FAILS)
            return done;
    }
    if (f == DIES)
        die();
    if (f == FAILS)
        return -1;
    errno = saved;
    return next(fd, p, n, at);
}

ssize_t pwrite(int fd, const void *p, size_t n, off_t at)
{
    return pwrite_as("pwrite", fd, p, n, at);
}

ssize_t pwrite64(int fd, const void *p, size_t n, off64_t at)
{
    return pwrite_as("pwrite64", fd, p, n, at);
}

int fsync(int fd)
{
    int (*next)(int) = (int (*)(int))real("fsync");
    return is_file(fd) && fails(CALL_SYNC) ? -1 : next(fd);
}

int fdatasync(int fd)
{
    int (*next)(int) = (int (*)(int))real("fdatasync");
    return is_file(fd) && fails(CALL_SYNC) ? -1 : next(fd);
}

int ftruncate(int fd, off_t size)
{
    int (*next)(int, off_t) = (int (*)(int, off_t))real("ftruncate");
    return fails(CALL_TRUNCATE) ? -1 : next(fd, size);
}

int ftruncate64(int fd, off64_t size)
{
    int (*next)(int, off64_t) = (int (*)(int, off64_t))real("ftruncate64");
    return fails(CALL_TRUNCATE) ? -1 : next(fd, size);
}

/* Setting blocks aside is writing, as far as a full disk is concerned. */
int posix_fallocate(int fd, off_t at, off_t n)
{
    int (*next)(int, off_t, off_t) = (int (*)(int, off_t, off_t))real("posix_fallocate");
    return fails(CALL_WRITE) ? errno : next(fd, at, n);
}

int posix_fallocate64(int fd, off64_t at, off64_t n)
{
    int (*next)(int, off64_t, off64_t) = (int (*)(int, off64_t, off64_t))real("posix_fallocate64");
    return fails(CALL_WRITE) ? errno : next(fd, at, n);
}

int rename(const char *from, const char *to)
{
    int (*next)(const char *, const char *) = (int (*)(const char *, const char *))real("rename");
    return fails(CALL_NAME) ? -1 : next(from, to);
}

int link(const char *from, const char *to)
{
    int (*next)(const char *, const char *) = (int (*)(const char *, const char *))real("link");
    return fails(CALL_NAME) ? -1 : next(from, to);
}

int unlink(const char *path)
{
    int (*next)(const char *) = (int (*)(const char *))real("unlink");
    return fails(CALL_NAME) ? -1 : next(path);
}

static int open_as(const char *name, const char *path, int flags, mode_t mode)
{
    int (*next)(const char *, int, ...) = (int (*)(const char *, int, ...))real(name);
    if ((flags & O_CREAT) && fails(CALL_CREATE))
        return -1;
    return next(path, flags, mode);
}

int open(const char *path, int flags, ...)
{
    va_list args;
    va_start(args, flags);
    mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(args, mode_t) : 0;
    va_end(args);
    return open_as("open", path, flags, mode);
}

int open64(const char *path, int flags, ...)
{
    va_list args;
    va_start(args, flags);
    mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(args, mode_t) : 0;
    va_end(args);
    return open_as("open64", path, flags, mode);
}

int clock_gettime(clockid_t id, struct timespec *t)
{
    static int (*next)(clockid_t, struct timespec *);
    if (!next)
        next = (int (*)(clockid_t, struct timespec *))real("clock_gettime");
    int rc = next(id, t);
    if (rc == 0 && control && (id == CLOCK_REALTIME || id == CLOCK_REALTIME_COARSE)) {
        int64_t now = (int64_t)t->tv_sec * 1000000000 + t->tv_nsec + atomic_load(&control->clock);
        t->tv_sec = now / 1000000000;
        t->tv_nsec = now % 1000000000;
    }
    return rc;
}
