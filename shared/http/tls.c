/* TLS 1.2 and 1.3, forward-secret AEAD suites only, ALPN http/1.1, stateless session tickets. A
 * reload builds a whole new context and swaps it in, so a half-read pair of files is never
 * served. */
#include "shared/http/tls_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <sys/stat.h>

struct vd_tls {
    char *cert;
    char *key;
    pthread_mutex_t lock; /* guards `now` */
    SSL_CTX *now;
    SSL_CTX *front;
};

static const char suites12[] = "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:"
                               "ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384:"
                               "ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305";

static int choose_alpn(SSL *ssl, const unsigned char **out, unsigned char *outlen,
                       const unsigned char *in, unsigned int inlen, void *arg)
{
    static const unsigned char ours[] = "\x08http/1.1";
    (void)ssl;
    (void)arg;
    unsigned char *chosen = NULL;
    if (SSL_select_next_proto(&chosen, outlen, ours, sizeof ours - 1, in, inlen) !=
        OPENSSL_NPN_NEGOTIATED)
        return SSL_TLSEXT_ERR_ALERT_FATAL; /* RFC 7301 3.2: no_application_protocol */
    *out = chosen;
    return SSL_TLSEXT_ERR_OK;
}

/* Everything but the certificate. */
static SSL_CTX *bare_context(void)
{
    static const unsigned char id[] = "vidimus";
    SSL_CTX *c = SSL_CTX_new(TLS_server_method());
    if (!c)
        return NULL;
    (void)SSL_CTX_set_options(c, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
                                     SSL_OP_IGNORE_UNEXPECTED_EOF);
    (void)SSL_CTX_set_mode(c, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
                                  SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    (void)SSL_CTX_set_session_cache_mode(c, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_alpn_select_cb(c, choose_alpn, NULL);
    if (SSL_CTX_set_min_proto_version(c, TLS1_2_VERSION) != 1 ||
        SSL_CTX_set_cipher_list(c, suites12) != 1 ||
        SSL_CTX_set1_groups_list(c, "X25519:P-256:P-384") != 1 ||
        SSL_CTX_set_num_tickets(c, 1) != 1 ||
        SSL_CTX_set_session_id_context(c, id, sizeof id - 1) != 1) {
        SSL_CTX_free(c);
        return NULL;
    }
    return c;
}

/* Links are followed on purpose: certificate tools and container secrets are links. */
static vd_rc check_key_file(const char *path, vd_err *err)
{
    VD_AUTO_FD int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    struct stat st;
    if (fd < 0 || fstat(fd, &st) != 0)
        return vd_fail(err, VD_E_CONFIG,
                       "tls_key %s cannot be read (errno %d): check the path and its owner", path,
                       errno);
    if (!S_ISREG(st.st_mode))
        return vd_fail(err, VD_E_CONFIG, "tls_key %s is not a regular file", path);
    if (st.st_mode & S_IRWXO)
        return vd_fail(err, VD_E_CONFIG, "tls_key %s is open to every user: chmod o-rwx it", path);
    return VD_OK;
}

static int no_password(char *buf, int size, int rwflag, void *u)
{
    (void)buf;
    (void)size;
    (void)rwflag;
    (void)u;
    return -1; /* an encrypted key is an error, never a prompt on the terminal */
}

static vd_rc load(const char *cert, const char *key, SSL_CTX **ret, vd_err *err)
{
    VD_TRY(check_key_file(key, err));
    SSL_CTX *c = bare_context();
    if (!c)
        return vd_fail(err, VD_E_CRYPTO, "the TLS library refused our settings");
    SSL_CTX_set_default_passwd_cb(c, no_password);
    ERR_clear_error();
    vd_rc_ rc = VD_OK;
    if (SSL_CTX_use_certificate_chain_file(c, cert) != 1)
        rc = vd_fail(err, VD_E_CONFIG,
                     "tls_cert %s is not a readable PEM certificate (leaf first, then its chain)",
                     cert);
    else if (SSL_CTX_use_PrivateKey_file(c, key, SSL_FILETYPE_PEM) != 1 ||
             SSL_CTX_check_private_key(c) != 1)
        rc =
            vd_fail(err, VD_E_CONFIG,
                    "tls_key %s is not an unencrypted PEM key of the certificate in %s", key, cert);
    ERR_clear_error();
    if (rc.code != VD_E_OK) {
        SSL_CTX_free(c);
        return rc;
    }
    *ret = c;
    return VD_OK;
}

/* The newest context with a reference of the caller's own. */
static SSL_CTX *current(struct vd_tls *t)
{
    (void)pthread_mutex_lock(&t->lock);
    SSL_CTX *c = t->now;
    (void)SSL_CTX_up_ref(c);
    (void)pthread_mutex_unlock(&t->lock);
    return c;
}

static int choose_certificate(SSL *ssl, void *arg)
{
    SSL_CTX *c = current(arg);
    int ok = SSL_set_SSL_CTX(ssl, c) != NULL;
    SSL_CTX_free(c);
    return ok;
}

vd_rc vd_tls_new(const char *cert, const char *key, struct vd_tls **ret, vd_err *err)
{
    if (!cert || !key)
        return vd_fail(err, VD_E_CONFIG, "tls_cert and tls_key belong together: set both or none");
    struct vd_tls *t = calloc(1, sizeof *t);
    if (!t || pthread_mutex_init(&t->lock, NULL) != 0) {
        free(t);
        return vd_fail(err, VD_E_NOMEM, "tls");
    }
    t->cert = vd_strdup_span(vd_span_str(cert));
    t->key = vd_strdup_span(vd_span_str(key));
    t->front = bare_context();
    vd_rc_ rc = VD_OK;
    if (!t->cert || !t->key || !t->front)
        rc = vd_fail(err, VD_E_NOMEM, "tls");
    else
        rc = load(cert, key, &t->now, err);
    if (rc.code != VD_E_OK) {
        vd_tls_free(t);
        return rc;
    }
    SSL_CTX_set_cert_cb(t->front, choose_certificate, t);
    *ret = t;
    return VD_OK;
}

void vd_tls_free(struct vd_tls *t)
{
    if (!t)
        return;
    SSL_CTX_free(t->front);
    SSL_CTX_free(t->now);
    (void)pthread_mutex_destroy(&t->lock);
    free(t->cert);
    free(t->key);
    free(t);
}

vd_rc vd_tls_reload(struct vd_tls *t, vd_err *err)
{
    SSL_CTX *fresh = NULL;
    VD_TRY(load(t->cert, t->key, &fresh, err));
    (void)pthread_mutex_lock(&t->lock);
    SSL_CTX *old = t->now;
    t->now = fresh;
    (void)pthread_mutex_unlock(&t->lock);
    SSL_CTX_free(old);
    return VD_OK;
}

SSL *vd_tls_connection(struct vd_tls *t, int fd)
{
    SSL_CTX *c = current(t);
    SSL *ssl = SSL_new(c);
    SSL_CTX_free(c);
    if (ssl && SSL_set_fd(ssl, fd) != 1) {
        SSL_free(ssl);
        ssl = NULL;
    }
    ERR_clear_error();
    return ssl;
}

SSL_CTX *vd_tls_front(struct vd_tls *t)
{
    return t->front;
}
