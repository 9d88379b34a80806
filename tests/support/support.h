/* Helpers every unit test may use. Include this first: it pulls cmocka in, in the order it wants.
 */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "shared/base/auto.h"
#include "shared/base/buf.h"
#include "shared/base/secret.h"

/* Whole file below the source folder ("tests/vectors/..."), fails the test when it cannot be read.
 */
vd_buf vd_test_file(const char *path);
/* The bytes end exactly at an unreadable page: an overrun of one byte is a crash, sanitizer or not.
 */
vd_span vd_test_guarded(vd_span in);
void vd_test_guarded_free(vd_span s);
/* Fresh folder below the build folder's tmp/, removed by nobody (kept for a look). Owned, caller
 * frees. */
char *vd_test_dir(const char *name);

/* assert_rc(VD_E_SIG, call) and assert_ok(call): the code of a vd_rc, with err's message on
 * failure. */
#define assert_rc(want, call)                                                                      \
    do {                                                                                           \
        vd_rc_ rc_ = (call);                                                                       \
        if (rc_.code != (want)) {                                                                  \
            print_error("%s:%d: got %s, wanted %s\n", __FILE__, __LINE__,                          \
                        rc_.code ? vd_error_row(rc_.code)->symbol : "OK",                          \
                        (want) ? vd_error_row((vd_code)(want))->symbol : "OK");                    \
            fail();                                                                                \
        }                                                                                          \
    } while (0)
#define assert_ok(call) assert_rc(VD_E_OK, call)
#define assert_span_str(s, text)                                                                   \
    do {                                                                                           \
        vd_span s_ = (s);                                                                          \
        assert_int_equal(s_.n, strlen(text));                                                      \
        assert_memory_equal(s_.p, text, s_.n);                                                     \
    } while (0)
