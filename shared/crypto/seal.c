/* Sealing and key derivation on libsodium; see seal.h. Formats: XChaCha20-Poly1305 as in
 * draft-irtf-cfrg-xchacha-03 with a random 24-byte nonce in front; keyed BLAKE2b-256 (RFC 7693). */
#include "shared/crypto/seal.h"

#include <sodium.h>

#include "shared/base/file.h"

enum { NONCE = 24, TAG = 16 };
_Static_assert(NONCE == crypto_aead_xchacha20poly1305_ietf_NPUBBYTES, "nonce");
_Static_assert(TAG == crypto_aead_xchacha20poly1305_ietf_ABYTES, "tag");
_Static_assert(NONCE + TAG == VD_SEAL_OVERHEAD, "overhead");
_Static_assert(VD_SEAL_KEY == crypto_aead_xchacha20poly1305_ietf_KEYBYTES, "key");
_Static_assert(VD_ROOT_SALT == crypto_pwhash_argon2id_SALTBYTES, "salt");

/* Fixed for ever: they are part of what a passphrase means. About 0.7 s and 256 MiB, once a start.
 */
enum { PASS_OPS = 3, PASS_MEMORY = 256 << 20 };

vd_rc vd_seal(const uint8_t key[VD_SEAL_KEY], vd_span plain, vd_span aad, vd_buf *out, vd_err *err)
{
    if (plain.n > SIZE_MAX - VD_SEAL_OVERHEAD)
        return vd_fail(err, VD_E_TOO_LARGE, "%zu bytes cannot be sealed", plain.n);
    uint8_t *at = vd_buf_extend(out, plain.n + VD_SEAL_OVERHEAD);
    if (!at)
        return vd_buf_check(out, err);
    vd_random(at, NONCE);
    unsigned long long n = 0;
    if (crypto_aead_xchacha20poly1305_ietf_encrypt(at + NONCE, &n, plain.p, plain.n, aad.p, aad.n,
                                                   NULL, at, key) != 0)
        return vd_fail(err, VD_E_CRYPTO, "sealing %zu bytes failed", plain.n);
    return VD_OK;
}

/* Opens into exactly sealed.n - VD_SEAL_OVERHEAD bytes at p, which are wiped again on failure. */
static vd_rc open_into(const uint8_t key[VD_SEAL_KEY], vd_span sealed, vd_span aad, uint8_t *p,
                       vd_err *err)
{
    unsigned long long n = 0;
    if (crypto_aead_xchacha20poly1305_ietf_decrypt(p, &n, NULL, sealed.p + NONCE, sealed.n - NONCE,
                                                   aad.p, aad.n, sealed.p, key) != 0)
        return vd_fail(err, VD_E_STORE_CORRUPT,
                       "sealed bytes do not open: damaged, moved or another key");
    return VD_OK;
}

static vd_rc plain_size(vd_span sealed, size_t *ret, vd_err *err)
{
    if (sealed.n < VD_SEAL_OVERHEAD)
        return vd_fail(err, VD_E_STORE_CORRUPT, "sealed bytes are cut off (%zu bytes)", sealed.n);
    *ret = sealed.n - VD_SEAL_OVERHEAD;
    return VD_OK;
}

vd_rc vd_unseal(const uint8_t key[VD_SEAL_KEY], vd_span sealed, vd_span aad, vd_buf *out,
                vd_err *err)
{
    size_t n = 0;
    VD_TRY(plain_size(sealed, &n, err));
    uint8_t *at = vd_buf_reserve(out, n ? n : 1);
    if (!at)
        return vd_buf_check(out, err);
    vd_rc_ rc = open_into(key, sealed, aad, at, err);
    if (rc.code == VD_E_OK)
        out->n += n;
    return rc;
}

vd_rc vd_unseal_secret(const uint8_t key[VD_SEAL_KEY], vd_span sealed, vd_span aad, vd_secret *ret,
                       vd_err *err)
{
    size_t n = 0;
    VD_TRY(plain_size(sealed, &n, err));
    VD_AUTO_SECRET s = { 0 };
    VD_TRY(vd_secret_new(n, &s, err));
    VD_TRY(open_into(key, sealed, aad, s.p, err));
    *ret = s;
    s = (vd_secret){ 0 };
    return VD_OK;
}

static void put_be64(uint8_t p[8], uint64_t v)
{
    for (unsigned i = 8; i > 0; i--, v >>= 8)
        p[i - 1] = (uint8_t)v;
}

void vd_mac_parts(const uint8_t key[32], const vd_span *parts, size_t n, uint8_t ret[32])
{
    crypto_generichash_state st;
    (void)crypto_generichash_init(&st, key, 32, 32);
    for (size_t i = 0; i < n; i++) {
        uint8_t size[8];
        put_be64(size, parts[i].n);
        (void)crypto_generichash_update(&st, size, sizeof size);
        if (parts[i].n)
            (void)crypto_generichash_update(&st, parts[i].p, parts[i].n);
    }
    (void)crypto_generichash_final(&st, ret, 32);
    sodium_memzero(&st, sizeof st);
}

void vd_derive(const uint8_t root[32], const char *purpose, uint8_t ret[32])
{
    const vd_span parts[] = { VD_LIT("vidimus1 derive"), vd_span_str(purpose) };
    vd_mac_parts(root, parts, 2, ret);
}

vd_rc vd_root_key_create(const char *path, vd_err *err)
{
    VD_AUTO_SECRET key = { 0 };
    VD_TRY(vd_secret_new(VD_ROOT_KEY, &key, err));
    vd_random(key.p, key.n);
    return vd_file_create(path, vd_secret_span(&key), err);
}

vd_rc vd_root_salt_create(const char *path, vd_err *err)
{
    uint8_t salt[VD_ROOT_SALT];
    vd_random(salt, sizeof salt);
    return vd_file_create(path, vd_span_of(salt, sizeof salt), err);
}

static vd_rc load_passphrase(const char *path, const char *salt_path, vd_secret *ret, vd_err *err)
{
    VD_AUTO_SECRET text = { 0 };
    VD_AUTO_SECRET salt = { 0 };
    VD_TRY(vd_secret_read_file(path, VD_PASSPHRASE_MAX, true, &text, err));
    VD_TRY(vd_secret_read_file(salt_path, VD_ROOT_SALT, false, &salt, err));
    if (salt.n != VD_ROOT_SALT)
        return vd_fail(err, VD_E_FILE, "%s: has %zu bytes, a salt has %d; restore it from a backup",
                       salt_path, salt.n, VD_ROOT_SALT);
    size_t n = vd_span_find(vd_secret_span(&text), '\n');
    if (n > 0 && text.p[n - 1] == '\r')
        n--;
    if (n < VD_PASSPHRASE_MIN)
        return vd_fail(err, VD_E_FILE,
                       "%s: the first line must be a passphrase of %d characters or more", path,
                       VD_PASSPHRASE_MIN);
    VD_AUTO_SECRET key = { 0 };
    VD_TRY(vd_secret_new(VD_ROOT_KEY, &key, err));
    if (crypto_pwhash(key.p, key.n, (const char *)text.p, n, salt.p, PASS_OPS, PASS_MEMORY,
                      crypto_pwhash_ALG_ARGON2ID13) != 0)
        return vd_fail(err, VD_E_NOMEM, "%s: stretching the passphrase needs %d MiB of memory",
                       path, PASS_MEMORY >> 20);
    *ret = key;
    key = (vd_secret){ 0 };
    return VD_OK;
}

vd_rc vd_root_key_load(const char *file, const char *passphrase_file, const char *salt_file,
                       vd_secret *ret, vd_err *err)
{
    bool by_file = file && *file;
    bool by_phrase = passphrase_file && *passphrase_file;
    if (by_file == by_phrase)
        return vd_fail(err, VD_E_CONFIG, "root_key: set exactly one of file and passphrase_file");
    if (by_phrase && !(salt_file && *salt_file))
        return vd_fail(err, VD_E_CONFIG, "root_key: a passphrase needs its salt file");
    if (by_phrase)
        return load_passphrase(passphrase_file, salt_file, ret, err);

    VD_AUTO_SECRET key = { 0 };
    VD_TRY(vd_secret_read_file(file, 4096, true, &key, err));
    if (key.n != VD_ROOT_KEY)
        return vd_fail(err, VD_E_FILE,
                       "%s: has %zu bytes, a root key has %d; restore it from a backup", file,
                       key.n, VD_ROOT_KEY);
    *ret = key;
    key = (vd_secret){ 0 };
    return VD_OK;
}
