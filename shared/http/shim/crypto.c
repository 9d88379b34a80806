/* Becomes lib/vidimus/libcrypto.so: only a name. civetweb loads "libcrypto.so", which without
 * OpenSSL's development package does not exist; this object has that name and is linked to the real
 * library. */
extern const int vd_shim_crypto;
__attribute__((visibility("default"))) const int vd_shim_crypto = 1;
