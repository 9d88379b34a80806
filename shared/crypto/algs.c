/* Algorithms fetched once per process: a fetch by name costs as much as hashing a few hundred
 * bytes. The one cache of this room; written under pthread_once, constant afterwards. */
#include "shared/crypto/ossl_priv.h"

#include <openssl/err.h>
#include <pthread.h>

static struct vd_algs algs;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void fetch_all(void)
{
    static const char *const names[] = {
        [VD_SHA256] = "SHA2-256",
        [VD_SHA384] = "SHA2-384",
        [VD_SHA512] = "SHA2-512",
        [VD_SM3] = "SM3",
    };
    _Static_assert(sizeof names / sizeof names[0] == VD_HASH_MAX, "one name for each hash");
    for (size_t i = 0; i < VD_HASH_MAX; i++)
        algs.md[i] = EVP_MD_fetch(NULL, names[i], NULL);
    algs.aes256gcm = EVP_CIPHER_fetch(NULL, "AES-256-GCM", NULL);
    algs.aes256wrap = EVP_CIPHER_fetch(NULL, "AES-256-WRAP", NULL);
    algs.aes192wrap = EVP_CIPHER_fetch(NULL, "AES-192-WRAP", NULL);
    algs.hmac = EVP_MAC_fetch(NULL, "HMAC", NULL);
    algs.kmac256 = EVP_MAC_fetch(NULL, "KMAC-256", NULL);
    ERR_clear_error();
}

const struct vd_algs *vd_algs(void)
{
    (void)pthread_once(&once, fetch_all);
    return &algs;
}

void vd_ossl_forget(void)
{
    ERR_clear_error();
}

vd_rc vd_ossl_fail(vd_err *err, vd_code code, const char *what)
{
    unsigned long last = ERR_peek_last_error();
    const char *reason = last ? ERR_reason_error_string(last) : NULL;
    ERR_clear_error();
    return vd_fail(err, code, "%s%s%s", what, reason ? ": " : "", reason ? reason : "");
}
