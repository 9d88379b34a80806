/* Becomes lib/vidimus/libssl.so. Debian's civetweb looks a function up at run time that OpenSSL 3
 * turned into a macro; this object, loaded first under the name civetweb asks for, has it and
 * passes every other name on to the real library that it is linked to. */
#include <openssl/ssl.h>

#undef SSL_get_peer_certificate
__attribute__((visibility("default"))) X509 *SSL_get_peer_certificate(const SSL *ssl);

X509 *SSL_get_peer_certificate(const SSL *ssl)
{
    return SSL_get1_peer_certificate(ssl);
}
