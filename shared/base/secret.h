/* Secret bytes: guarded, locked, wiped (libsodium); constant-time comparison; randomness.
 * Source: house style, section 7. vd_base_init must have succeeded before any call here. */
#pragma once

#include "shared/base/err.h"
#include "shared/base/span.h"

typedef struct {
    uint8_t *p;
    size_t n;
} vd_secret; /* owns; guarded heap; wiped on done */

/* Once per process, before threads: libsodium, and nothing else. VD_E_INTERNAL is fatal. */
vd_rc vd_base_init(vd_err *err);
/* No core files, not traceable by other users of the same uid. For servers and any holder of keys.
 */
vd_rc vd_base_harden(vd_err *err);

vd_rc vd_secret_new(size_t n, vd_secret *ret, vd_err *err); /* n zero bytes; n may be 0 */
vd_rc vd_secret_copy(vd_span in, vd_secret *ret, vd_err *err);
void vd_secret_done(vd_secret *s);
static inline vd_span vd_secret_span(const vd_secret *s)
{
    return (vd_span){ s->p, s->n };
}
#define VD_AUTO_SECRET __attribute__((cleanup(vd_secret_done))) vd_secret

/* Equal in constant time; lengths are public. For MACs, nonces, tokens, report data. */
bool vd_ct_equal(vd_span a, vd_span b);
/* Overwrites; the compiler cannot remove it. */
void vd_wipe(void *p, size_t n);
/* Random bytes; cannot fail after vd_base_init. */
void vd_random(void *p, size_t n);
/* Reads a file of at most max bytes into guarded memory: regular file, not followed through a
 * link, owner-only when `private_file`. VD_E_FILE names the file and the cause. */
vd_rc vd_secret_read_file(const char *path, size_t max, bool private_file, vd_secret *ret,
                          vd_err *err);
