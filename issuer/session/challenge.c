/* Sealed challenges. Layout of the plaintext, version 1: version u8, protocol u8, hash u8, serial
 * be64, expires be64, tee length u8 + bytes, nonce length be16 + text, audiences u8, each length u8
 * + bytes. */
#include "issuer/session/challenge.h"

#include <stdlib.h>

#include "shared/base/secret.h"
#include "shared/codec/b64.h"
#include "shared/crypto/seal.h"

enum {
    FORMAT = 1,
    PLAIN_MAX = 3 + 16 + 1 + 255 + 2 + ISS_NONCE_TEXT_MAX + 1 +
                VD_KBS_AUDIENCES_MAX * (1 + VD_KBS_AUDIENCE_BYTES),
    SEALED_MAX = PLAIN_MAX + VD_SEAL_OVERHEAD,
    COOKIE_MAX = (SEALED_MAX + 2) / 3 * 4,
};
#define AAD VD_LIT("vidimus1 challenge")

struct iss_challenges {
    struct iss_ring ring;
    vd_secret key;
    uint64_t lifetime;
};

vd_rc iss_challenges_new(uint64_t lifetime_s, struct iss_challenges **ret, vd_err *err)
{
    VD_AUTO(iss_challenges_free) struct iss_challenges *s = calloc(1, sizeof *s);
    if (!s)
        return vd_fail(err, VD_E_NOMEM, "challenges");
    VD_TRY(iss_ring_init(&s->ring, err));
    VD_TRY(vd_secret_new(VD_SEAL_KEY, &s->key, err));
    vd_random(s->key.p, s->key.n);
    s->lifetime = lifetime_s;
    *ret = VD_TAKE(s);
    return VD_OK;
}

void iss_challenges_free(struct iss_challenges *s)
{
    if (!s)
        return;
    vd_secret_done(&s->key);
    iss_ring_done(&s->ring);
    free(s);
}

uint64_t iss_challenges_lifetime(const struct iss_challenges *s)
{
    return s->lifetime;
}

void iss_challenge_nonce(struct iss_challenge *c)
{
    uint8_t bytes[ISS_NONCE_BYTES];
    vd_random(bytes, sizeof bytes);
    VD_AUTO_BUF text = vd_buf_of(sizeof c->nonce);
    vd_b64_encode(vd_span_of(bytes, sizeof bytes), VD_B64_STD, &text);
    c->nonce_n = text.bad ? 0 : text.n;
    if (c->nonce_n)
        memcpy(c->nonce, text.p, c->nonce_n);
    c->nonce[c->nonce_n] = '\0';
}

static void write_plain(const struct iss_challenge *c, vd_buf *out)
{
    vd_buf_u8(out, FORMAT);
    vd_buf_u8(out, (uint8_t)c->version);
    vd_buf_u8(out, (uint8_t)c->hash);
    vd_buf_be(out, c->serial, 8);
    vd_buf_be(out, (uint64_t)c->expires, 8);
    vd_span tee = vd_span_str(c->tee);
    vd_buf_u8(out, (uint8_t)tee.n);
    vd_buf_add(out, tee);
    vd_buf_be(out, c->nonce_n, 2);
    vd_buf_add(out, vd_span_of(c->nonce, c->nonce_n));
    vd_buf_u8(out, (uint8_t)c->n_audience);
    for (size_t i = 0; i < c->n_audience; i++) {
        vd_span aud = vd_span_str(c->audience[i]);
        vd_buf_u8(out, (uint8_t)aud.n);
        vd_buf_add(out, aud);
    }
}

vd_rc iss_challenge_issue(struct iss_challenges *s, struct iss_challenge *c, int64_t now,
                          vd_buf *ret_cookie, vd_err *err)
{
    if (c->nonce_n == 0 || c->nonce_n > ISS_NONCE_TEXT_MAX || c->n_audience > VD_KBS_AUDIENCES_MAX)
        return vd_fail(err, VD_E_INTERNAL, "challenge without a nonce, or with too many audiences");
    c->serial = iss_ring_next(&s->ring);
    c->expires = now + (int64_t)s->lifetime;

    VD_AUTO_BUF plain = vd_buf_of(PLAIN_MAX);
    VD_AUTO_BUF sealed = vd_buf_of(SEALED_MAX);
    write_plain(c, &plain);
    VD_TRY(vd_buf_check(&plain, err));
    VD_TRY(vd_seal(s->key.p, vd_buf_span(&plain), AAD, &sealed, err));
    vd_b64_encode(vd_buf_span(&sealed), VD_B64_URL, ret_cookie);
    return vd_buf_check(ret_cookie, err);
}

static void take_text(vd_rd *r, size_t n, char *to, size_t room)
{
    vd_span s = vd_rd_take(r, n);
    if (s.n >= room) {
        r->bad = true;
        return;
    }
    if (s.p)
        memcpy(to, s.p, s.n);
    to[s.n] = '\0';
}

static bool read_plain(vd_span plain, struct iss_challenge *c)
{
    vd_rd r = vd_rd_of(plain);
    unsigned format = vd_rd_u8(&r);
    unsigned version = vd_rd_u8(&r);
    unsigned hash = vd_rd_u8(&r);
    c->serial = vd_rd_u64be(&r);
    c->expires = (int64_t)vd_rd_u64be(&r);
    c->tee = vd_kbs_tee_name(vd_rd_take(&r, vd_rd_u8(&r)));
    c->nonce_n = vd_rd_u16be(&r);
    take_text(&r, c->nonce_n, c->nonce, sizeof c->nonce);
    c->n_audience = vd_rd_u8(&r);
    if (r.bad || c->n_audience > VD_KBS_AUDIENCES_MAX)
        return false;
    for (size_t i = 0; i < c->n_audience; i++)
        take_text(&r, vd_rd_u8(&r), c->audience[i], sizeof c->audience[i]);
    if (!vd_rd_end(&r) || format != FORMAT || hash >= VD_HASH_MAX || !c->tee)
        return false;
    if (version != VD_KBS_0_2_0 && version != VD_KBS_0_4_0)
        return false;
    c->version = (enum vd_kbs_version)version;
    c->hash = (enum vd_hash)hash;
    return true;
}

vd_rc iss_challenge_open(struct iss_challenges *s, vd_span cookie, int64_t now,
                         struct iss_challenge *ret, vd_err *err)
{
    if (cookie.n == 0)
        return vd_fail(err, VD_E_NO_SESSION, "no session cookie");
    if (cookie.n > COOKIE_MAX)
        return vd_fail(err, VD_E_SESSION_BAD, "session cookie of %zu bytes", cookie.n);

    VD_AUTO_BUF sealed = vd_buf_of(SEALED_MAX + 3);
    VD_AUTO_BUF plain = vd_buf_of(SEALED_MAX);
    vd_err why = { 0 };
    struct iss_challenge c = { 0 };
    if (vd_b64_decode(cookie, VD_B64_URL, &sealed, &why).code != VD_E_OK ||
        vd_unseal(s->key.p, vd_buf_span(&sealed), AAD, &plain, &why).code != VD_E_OK ||
        !read_plain(vd_buf_span(&plain), &c))
        return vd_fail(err, VD_E_SESSION_BAD, "session cookie is not one of this process: %.120s",
                       why.msg);
    if (now >= c.expires)
        return vd_fail(err, VD_E_SESSION_EXPIRED, "challenge expired %lld s ago",
                       (long long)(now - c.expires));
    if (iss_ring_spent(&s->ring, c.serial))
        return vd_fail(err, VD_E_SESSION_SPENT,
                       "challenge was used before, or a flood of newer ones ended it");
    *ret = c;
    return VD_OK;
}

vd_rc iss_challenge_spend(struct iss_challenges *s, const struct iss_challenge *c, vd_err *err)
{
    if (!iss_ring_spend(&s->ring, c->serial))
        return vd_fail(err, VD_E_SESSION_SPENT,
                       "challenge was used before, or a flood of newer ones ended it");
    return VD_OK;
}
