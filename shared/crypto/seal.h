/* Sealing with libsodium: XChaCha20-Poly1305, keyed BLAKE2b, the root key of a server, passphrases.
 */
#pragma once

#include "shared/base/buf.h"
#include "shared/base/secret.h"

enum { VD_SEAL_KEY = 32, VD_SEAL_OVERHEAD = 24 + 16 };

/* nonce(24) | ciphertext | tag(16) appended to out. */
vd_rc vd_seal(const uint8_t key[VD_SEAL_KEY], vd_span plain, vd_span aad, vd_buf *out, vd_err *err);
/* VD_E_STORE_CORRUPT when it does not open. Plaintext appended to out (vd_buf_wipe it). */
vd_rc vd_unseal(const uint8_t key[VD_SEAL_KEY], vd_span sealed, vd_span aad, vd_buf *out,
                vd_err *err);
vd_rc vd_unseal_secret(const uint8_t key[VD_SEAL_KEY], vd_span sealed, vd_span aad, vd_secret *ret,
                       vd_err *err);
/* Keyed BLAKE2b-256 over the parts, each length-prefixed (be64). */
void vd_mac_parts(const uint8_t key[32], const vd_span *parts, size_t n, uint8_t ret[32]);
/* Subkey of a root key for one purpose (BLAKE2b keyed, context string). */
void vd_derive(const uint8_t root[32], const char *purpose, uint8_t ret[32]);

/* Root key of a server: 32 random bytes in a private file (`file`), or stretched from the first
 * line of a private passphrase file (Argon2id; the salt lies in the state folder). Exactly one of
 * file and passphrase_file is given, else VD_E_CONFIG. VD_E_FILE names the file and the cure. */
enum { VD_ROOT_KEY = 32, VD_ROOT_SALT = 16, VD_PASSPHRASE_MIN = 12, VD_PASSPHRASE_MAX = 1024 };
vd_rc vd_root_key_create(const char *path, vd_err *err);  /* VD_E_EXISTS; durable on return */
vd_rc vd_root_salt_create(const char *path, vd_err *err); /* VD_E_EXISTS; durable on return */
vd_rc vd_root_key_load(const char *file, const char *passphrase_file, const char *salt_file,
                       vd_secret *ret, vd_err *err);
