/* Tokens of a megabyte that are nothing but dots (or nearly): a page that cannot be read behind
 * the first bytes counts what is looked at, the linker's wrapping counts what is allocated. */
#include "tests/support/support.h"

#include <sys/mman.h>

#include "shared/crypto/jose.h"

enum { PAGE = 4096, TOKEN = 1 << 20 };

static size_t allocations;
static size_t allocated;

void *__real_malloc(size_t n);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *p, size_t n);
void *__wrap_malloc(size_t n);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *p, size_t n);

void *__wrap_malloc(size_t n)
{
    allocations++;
    allocated += n;
    return __real_malloc(n);
}

void *__wrap_calloc(size_t n, size_t size)
{
    allocations++;
    allocated += n * size;
    return __real_calloc(n, size);
}

void *__wrap_realloc(void *p, size_t n)
{
    allocations++;
    allocated += n;
    return __real_realloc(p, n);
}

/* `head`, then dots to the end of the first page; what follows of the megabyte is unreadable. */
static uint8_t *dots(const char *head)
{
    uint8_t *p = mmap(NULL, TOKEN, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_true(p != MAP_FAILED);
    memset(p, '.', PAGE);
    memcpy(p, head, strlen(head));
    assert_int_equal(mprotect(p + PAGE, TOKEN - PAGE, PROT_NONE), 0);
    return p;
}

static void most_of_a_megabyte_of_dots_is_never_looked_at(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        const char *head;
        size_t max;
        vd_code want;
        size_t allocations; /* at most */
    } rows[] = {
        { "above the size, not one byte is read", "", 65536, VD_E_TOO_LARGE, 0 },
        { "above the size, a header first", "eyJhbGciOiJFUzI1NiJ9.e30.", 65536, VD_E_TOO_LARGE, 0 },
        { "dots only", "", TOKEN, VD_E_SYNTAX, 0 },
        { "first part there", "A", TOKEN, VD_E_SYNTAX, 0 },
        { "two parts there", "A.A", TOKEN, VD_E_SYNTAX, 0 },
        { "a good header", "eyJhbGciOiJFUzI1NiJ9", TOKEN, VD_E_SYNTAX, 0 },
        { "a good header and payload", "eyJhbGciOiJFUzI1NiJ9.e30", TOKEN, VD_E_SYNTAX, 0 },
        { "signature begins well", "eyJhbGciOiJFUzI1NiJ9.e30.AAAA", TOKEN, VD_E_SYNTAX, 0 },
    };
    size_t most = 0;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        VD_AUTO(vd_jws_free) struct vd_jws *j = NULL;
        uint8_t *p = dots(rows[i].head);
        allocations = 0;
        allocated = 0;
        vd_code got = vd_jws_parse(vd_span_of(p, TOKEN), rows[i].max, &j, NULL).code;
        size_t n = allocations;
        if (got != rows[i].want || n > rows[i].allocations || allocated > PAGE)
            print_error("%s: %s, %zu allocations of %zu bytes\n", rows[i].name,
                        vd_error_row(got)->symbol, n, allocated);
        assert_int_equal(got, rows[i].want);
        assert_true(n <= rows[i].allocations && allocated <= PAGE);
        assert_null(j);
        most = n > most ? n : most;
        assert_int_equal(munmap(p, TOKEN), 0);
    }
    print_message("dots: %zu tokens of a megabyte, at most %d bytes of each were read, at most %zu "
                  "allocations\n",
                  sizeof rows / sizeof *rows, PAGE, most);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(most_of_a_megabyte_of_dots_is_never_looked_at),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
