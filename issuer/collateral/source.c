/* Where collateral comes from: the offline directory, the cache folder, the vendor. Bytes are
 * looked at only as far as "is this of its kind"; whether they are good is the driver's business.
 */
#include <errno.h>
#include <sys/stat.h>

#include "issuer/collateral/collateral_priv.h"
#include "shared/base/secret.h"
#include "shared/base/slurp.h"
#include "shared/codec/b64.h"
#include "shared/crypto/hash.h"

/* An operator may replace an offline file at any time: things that expire are read again soon. */
enum { OFFLINE_REREAD = 10, PAUSE_MISSING = 300, PAUSE_ASKED_TOO_OFTEN = 60, PAUSE_TROUBLE = 30 };
enum { PATH_BYTES = 4096 };

static int64_t sooner(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* Takes the content of `bytes`. */
static vd_rc make_item(const struct coll_kind *k, vd_buf *bytes, int64_t fetched_at, bool offline,
                       struct iss_collateral_item **ret, vd_err *err)
{
    VD_TRY(vd_buf_check(bytes, err));
    VD_TRY(k->kind->verify(vd_buf_span(bytes), err));
    int64_t expiry = k->kind->expiry(vd_buf_span(bytes));
    int64_t refetch = expiry;
    if (expiry != INT64_MAX && offline)
        refetch = fetched_at + OFFLINE_REREAD;
    else if (k->kind->max_age > 0)
        refetch = sooner(expiry, fetched_at + k->kind->max_age);
    struct iss_collateral_item *item = calloc(1, sizeof *item);
    if (!item)
        return vd_fail(err, VD_E_NOMEM, "%s", k->kind->name);
    item->refs = 1;
    item->refetch_at = refetch;
    item->bytes = *bytes;
    *bytes = vd_buf_of(bytes->max);
    *ret = item;
    return VD_OK;
}

/* VD_E_NOT_FOUND, VD_E_FILE. */
static vd_rc read_file(const struct coll_kind *k, const char *path, bool offline, int64_t now,
                       struct iss_collateral_item **ret, vd_err *err)
{
    VD_AUTO_BUF bytes = vd_buf_of(ISS_COLLATERAL_BYTES_MAX);
    int64_t changed = 0;
    vd_err cause = { 0 };
    vd_rc_ rc = vd_file_read(path, ISS_COLLATERAL_BYTES_MAX, &bytes, &changed, &cause);
    if (rc.code != VD_E_OK)
        return vd_fail(err, rc.code == VD_E_NOT_FOUND ? VD_E_NOT_FOUND : VD_E_FILE, "%s",
                       cause.msg);
    int64_t from = offline ? now : changed;
    if (from > now) /* a date of the future says nothing about age: counts as old */
        from = 0;
    if (make_item(k, &bytes, from, offline, ret, &cause).code != VD_E_OK)
        return vd_fail(err, VD_E_FILE, "%s: is no %s: %s", path, k->kind->name, cause.msg);
    return VD_OK;
}

static vd_rc read_offline(const struct coll_places *p, const struct coll_kind *k, vd_span key,
                          int64_t now, struct iss_collateral_item **ret, vd_err *err)
{
    for (unsigned nth = 0;; nth++) {
        VD_AUTO_BUF path = vd_buf_of(PATH_BYTES);
        vd_buf_str(&path, p->dir);
        vd_buf_str(&path, "/");
        VD_TRY(k->kind->offline_path(key, nth, &path, err));
        VD_TRY(vd_buf_check(&path, err));
        vd_err cause = { 0 };
        vd_rc_ rc = read_file(k, vd_buf_cstr(&path), true, now, ret, &cause);
        if (rc.code != VD_E_NOT_FOUND)
            return rc.code == VD_E_OK ? VD_OK : vd_fail(err, rc.code, "%s", cause.msg);
    }
}

/* The key is hashed: no text of a stranger becomes a file name. */
static vd_rc cache_path(const struct coll_places *p, const struct coll_kind *k, vd_span key,
                        vd_buf *ret, vd_err *err)
{
    uint8_t digest[COLL_HASH];
    VD_TRY(vd_hash_of(VD_SHA256, key, digest, err));
    vd_buf_printf(ret, "%s/%s-", p->cache, k->kind->name);
    vd_hex_encode(vd_span_of(digest, sizeof digest), ret);
    return vd_buf_check(ret, err);
}

/* A cached file that is damaged counts as absent: it is fetched again and replaced. */
static bool read_cache(const struct coll_places *p, const struct coll_kind *k, vd_span key,
                       int64_t now, struct iss_collateral_item **ret)
{
    VD_AUTO_BUF path = vd_buf_of(PATH_BYTES);
    return p->cache && cache_path(p, k, key, &path, NULL).code == VD_E_OK &&
           read_file(k, vd_buf_cstr(&path), false, now, ret, NULL).code == VD_E_OK;
}

vd_rc coll_read_local(const struct coll_places *p, const struct coll_kind *k, vd_span key,
                      struct iss_collateral_item **ret, vd_err *err)
{
    int64_t now = vd_clock_s(&p->clock);
    if (k->offline && p->dir) {
        vd_err cause = { 0 };
        vd_rc_ rc = read_offline(p, k, key, now, ret, &cause);
        if (rc.code == VD_E_OK)
            return VD_OK;
        if (rc.code != VD_E_NOT_FOUND)
            return vd_fail(err, VD_E_FILE, "%s", cause.msg);
    }
    if (k->vendor && read_cache(p, k, key, now, ret))
        return VD_OK;
    return vd_fail(err, VD_E_COLLATERAL, "no %s for %.*s at hand", k->kind->name,
                   (int)sooner((int64_t)key.n, 120), (const char *)key.p);
}

static bool write_all(int fd, vd_span s)
{
    for (size_t at = 0; at < s.n;) {
        ssize_t put = write(fd, s.p + at, s.n - at);
        if (put < 0 && errno == EINTR)
            continue;
        if (put <= 0)
            return false;
        at += (size_t)put;
    }
    return true;
}

/* Written under another name and renamed, so that a reader sees a whole file. A cache that cannot
 * be written costs speed, nothing else: it is logged and forgotten. */
static void write_cache(const struct coll_places *p, const struct coll_kind *k, vd_span key,
                        vd_span bytes)
{
    VD_AUTO_BUF path = vd_buf_of(PATH_BYTES);
    VD_AUTO_BUF tmp = vd_buf_of(PATH_BYTES);
    if (!p->cache || cache_path(p, k, key, &path, NULL).code != VD_E_OK)
        return;
    vd_buf_printf(&tmp, "%s.XXXXXX", vd_buf_cstr(&path));
    if (tmp.bad)
        return;
    (void)vd_buf_cstr(&tmp); /* puts the NUL behind the text */
    VD_AUTO_FD int fd = mkstemp((char *)tmp.p);
    bool ok =
        fd >= 0 && write_all(fd, bytes) && rename((const char *)tmp.p, vd_buf_cstr(&path)) == 0;
    if (fd >= 0 && !ok)
        (void)unlink((const char *)tmp.p);
    if (!ok)
        vd_log_msg(p->log, VD_LOG_WARN, "collateral",
                   "%s: cannot be written: %s; check [collateral] cache", vd_buf_cstr(&path),
                   strerror(errno));
}

static int64_t pause_after(int status)
{
    if (status == 404 || status == 400)
        return PAUSE_MISSING;
    return status == 429 ? PAUSE_ASKED_TOO_OFTEN : PAUSE_TROUBLE;
}

static vd_rc call_vendor(const struct coll_places *p, const char *url, struct vd_answer *answer,
                         vd_err *err)
{
    struct vd_call call = { .method = "GET",
                            .url = url,
                            .seconds = p->fetch_seconds,
                            .max_bytes = p->fetch_bytes,
                            .redirects = 0 };
    vd_err cause = { 0 };
    vd_rc_ rc = vd_client_call(p->client, &call, answer, &cause);
    if (rc.code != VD_E_OK)
        return vd_fail(err, rc.code == VD_E_TIMEOUT ? VD_E_TIMEOUT : VD_E_COLLATERAL, "%.120s: %s",
                       url, cause.msg);
    return VD_OK;
}

vd_rc coll_fetch(const struct coll_places *p, const struct coll_kind *k, vd_span key,
                 struct iss_collateral_item **ret, int64_t *ret_pause, vd_err *err)
{
    *ret_pause = PAUSE_TROUBLE;
    VD_AUTO_BUF url = vd_buf_of(PATH_BYTES);
    vd_buf_str(&url, k->base_url);
    vd_err cause = { 0 };
    if (k->kind->url(key, &url, &cause).code != VD_E_OK) {
        *ret_pause = PAUSE_MISSING;
        return vd_fail(err, VD_E_COLLATERAL, "%s", cause.msg);
    }
    VD_TRY(vd_buf_check(&url, err));
    __attribute__((cleanup(vd_answer_done))) struct vd_answer answer = { 0 };
    VD_TRY(call_vendor(p, vd_buf_cstr(&url), &answer, err));
    if (answer.status != 200) {
        *ret_pause = pause_after(answer.status);
        return vd_fail(err, VD_E_COLLATERAL, "%.120s: the vendor answers %d", vd_buf_cstr(&url),
                       answer.status);
    }
    VD_AUTO_BUF bytes = vd_buf_of(ISS_COLLATERAL_BYTES_MAX);
    vd_buf_add(&bytes, vd_buf_span(&answer.body));
    if (make_item(k, &bytes, vd_clock_s(&p->clock), false, ret, &cause).code != VD_E_OK)
        return vd_fail(err, VD_E_COLLATERAL, "%.120s: the answer is no %s: %s", vd_buf_cstr(&url),
                       k->kind->name, cause.msg);
    write_cache(p, k, key, vd_buf_span(&answer.body));
    return VD_OK;
}
