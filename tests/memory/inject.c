/* Linked into copies of the two servers: counts their allocations and lets the n-th fail, alone or
 * with all that follow. It is steered, and read, from outside through a small mapped file that
 * VD_MEMORY names (tests/memory/sweep.py). Ours are caught by the linker (--wrap), those of SQLite,
 * libevent and OpenSSL by their own hooks. What libc, civetweb and libcurl take for themselves, the
 * Rust library, and processes that a server forks are left alone (docs/limits.md). */
#include <event2/event.h>
#include <fcntl.h>
#include <openssl/crypto.h>
#include <pthread.h>
#include <sqlite3.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum who { OURS = 1, SQLITE = 2, EVENT = 4, OPENSSL = 8 };

struct control {
    _Atomic uint64_t count;   /* allocations of the chosen kinds since the file was made */
    _Atomic uint64_t fail_at; /* 0: none fails */
    _Atomic uint64_t fail_to; /* the last one that fails */
    _Atomic uint64_t kinds;   /* bits of enum who */
    _Atomic uint64_t failed;  /* how many did */
    _Atomic uint64_t caller;  /* of the last one that did */
};

/* The only state: what the process is steered by. Set before main, never changed after. */
static struct control *control;
static bool forked;
static sqlite3_mem_methods sqlite_memory;

static bool fails(enum who who, const void *caller)
{
    if (!control || forked || !(atomic_load(&control->kinds) & (uint64_t)who))
        return false;
    uint64_t n = atomic_fetch_add(&control->count, 1) + 1;
    uint64_t from = atomic_load(&control->fail_at);
    if (from == 0 || n < from || n > atomic_load(&control->fail_to))
        return false;
    atomic_fetch_add(&control->failed, 1);
    atomic_store(&control->caller, (uintptr_t)caller);
    return true;
}

#define CALLER __builtin_return_address(0)

void *__real_malloc(size_t n);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *p, size_t n);
void *__real_reallocarray(void *p, size_t n, size_t size);
char *__real_strdup(const char *s);
char *__real_strndup(const char *s, size_t n);
void *__real_sodium_malloc(size_t n);
void *__wrap_malloc(size_t n);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *p, size_t n);
void *__wrap_reallocarray(void *p, size_t n, size_t size);
char *__wrap_strdup(const char *s);
char *__wrap_strndup(const char *s, size_t n);
void *__wrap_sodium_malloc(size_t n);

void *__wrap_malloc(size_t n)
{
    return fails(OURS, CALLER) ? NULL : __real_malloc(n);
}

void *__wrap_calloc(size_t n, size_t size)
{
    return fails(OURS, CALLER) ? NULL : __real_calloc(n, size);
}

void *__wrap_realloc(void *p, size_t n)
{
    return fails(OURS, CALLER) ? NULL : __real_realloc(p, n);
}

void *__wrap_reallocarray(void *p, size_t n, size_t size)
{
    return fails(OURS, CALLER) ? NULL : __real_reallocarray(p, n, size);
}

char *__wrap_strdup(const char *s)
{
    return fails(OURS, CALLER) ? NULL : __real_strdup(s);
}

char *__wrap_strndup(const char *s, size_t n)
{
    return fails(OURS, CALLER) ? NULL : __real_strndup(s, n);
}

void *__wrap_sodium_malloc(size_t n)
{
    return fails(OURS, CALLER) ? NULL : __real_sodium_malloc(n);
}

/* The Rust library calls these: CMakeLists.txt renames its references. It ends the process when it
 * gets no memory, as every Rust program does. */
void *vd_rust_malloc(size_t n);
void *vd_rust_calloc(size_t n, size_t size);
void *vd_rust_realloc(void *p, size_t n);
char *vd_rust_strdup(const char *s);

void *vd_rust_malloc(size_t n)
{
    return __real_malloc(n);
}

void *vd_rust_calloc(size_t n, size_t size)
{
    return __real_calloc(n, size);
}

void *vd_rust_realloc(void *p, size_t n)
{
    return __real_realloc(p, n);
}

char *vd_rust_strdup(const char *s)
{
    return __real_strdup(s);
}

static void *sqlite_malloc(int n)
{
    return fails(SQLITE, CALLER) ? NULL : sqlite_memory.xMalloc(n);
}

static void *sqlite_realloc(void *p, int n)
{
    return fails(SQLITE, CALLER) ? NULL : sqlite_memory.xRealloc(p, n);
}

static void *event_malloc(size_t n)
{
    return fails(EVENT, CALLER) ? NULL : __real_malloc(n);
}

static void *event_realloc(void *p, size_t n)
{
    return fails(EVENT, CALLER) ? NULL : __real_realloc(p, n);
}

static void *openssl_malloc(size_t n, const char *file, int line)
{
    (void)file;
    (void)line;
    return fails(OPENSSL, CALLER) ? NULL : __real_malloc(n);
}

static void openssl_free(void *p, const char *file, int line)
{
    (void)file;
    (void)line;
    free(p);
}

static void *openssl_realloc(void *p, size_t n, const char *file, int line)
{
    if (n == 0) { /* OpenSSL frees with it */
        openssl_free(p, file, line);
        return NULL;
    }
    return fails(OPENSSL, CALLER) ? NULL : __real_realloc(p, n);
}

static void in_child(void)
{
    forked = true;
}

static bool hook_sqlite(void)
{
    if (sqlite3_config(SQLITE_CONFIG_GETMALLOC, &sqlite_memory) != SQLITE_OK)
        return false;
    sqlite3_mem_methods ours = sqlite_memory;
    ours.xMalloc = sqlite_malloc;
    ours.xRealloc = sqlite_realloc;
    return sqlite3_config(SQLITE_CONFIG_MALLOC, &ours) == SQLITE_OK;
}

__attribute__((constructor)) static void begin(void)
{
    const char *path = getenv("VD_MEMORY");
    int fd = path ? open(path, O_RDWR | O_CLOEXEC) : -1;
    if (fd < 0)
        return;
    void *p = mmap(NULL, sizeof *control, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    (void)close(fd);
    if (p == MAP_FAILED)
        return;
    event_set_mem_functions(event_malloc, event_realloc, free);
    if (!hook_sqlite() ||
        CRYPTO_set_mem_functions(openssl_malloc, openssl_realloc, openssl_free) != 1 ||
        pthread_atfork(NULL, NULL, in_child) != 0)
        abort(); /* a sweep that does not see them all is none */
    control = p;
}
