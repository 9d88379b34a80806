/* Helpers of the unit tests; see support.h. */
#include "tests/support/support.h"

#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#ifndef VD_SOURCE_DIR
#error "the build defines VD_SOURCE_DIR"
#endif

vd_buf vd_test_file(const char *path)
{
    VD_AUTO_BUF full = vd_buf_of(4096);
    vd_buf_printf(&full, "%s/%s", VD_SOURCE_DIR, path);
    FILE *f = fopen(vd_buf_cstr(&full), "rb");
    if (!f) {
        print_error("%s: cannot be read\n", path);
        fail();
    }
    vd_buf b = vd_buf_of(64u << 20);
    for (;;) {
        uint8_t *at = vd_buf_reserve(&b, 65536);
        assert_non_null(at);
        size_t got = fread(at, 1, 65536, f);
        if (got == 0)
            break;
        b.n += got;
    }
    (void)fclose(f);
    return b;
}

static size_t page(void)
{
    return (size_t)sysconf(_SC_PAGESIZE);
}

vd_span vd_test_guarded(vd_span in)
{
    size_t pages = (in.n + page() - 1) / page() + 1;
    uint8_t *p =
        mmap(NULL, pages * page(), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_true(p != MAP_FAILED);
    assert_int_equal(mprotect(p + (pages - 1) * page(), page(), PROT_NONE), 0);
    uint8_t *at = p + (pages - 1) * page() - in.n;
    if (in.n)
        memcpy(at, in.p, in.n);
    return (vd_span){ at, in.n };
}

void vd_test_guarded_free(vd_span s)
{
    size_t pages = (s.n + page() - 1) / page() + 1;
    uintptr_t end = (uintptr_t)s.p + s.n;
    (void)munmap((void *)(end - (pages - 1) * page()), pages * page());
}

char *vd_test_dir(const char *name)
{
    VD_AUTO_BUF b = vd_buf_of(4096);
    vd_buf_printf(&b, "%s/tmp", VD_BINARY_DIR);
    (void)mkdir(vd_buf_cstr(&b), 0700);
    vd_buf_printf(&b, "/%s-%ld-XXXXXX", name, (long)getpid());
    char *path = vd_strdup_span(vd_buf_span(&b));
    assert_non_null(path);
    assert_non_null(mkdtemp(path));
    return path;
}
