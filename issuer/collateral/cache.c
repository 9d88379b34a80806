/* The cache folder: bytes under the name of their digest, and for each key a small index of the
 * newest generations with the floor that nothing may fall below any more. Files are written under
 * another name and renamed, so that servers and verbs may use one folder at the same time; changes
 * of an index take a lock. A damaged file counts as absent. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "issuer/collateral/collateral_priv.h"
#include "shared/base/slurp.h"
#include "shared/codec/b64.h"
#include "shared/crypto/hash.h"

enum { INDEX_BYTES = 16384, HEX = 2 * COLL_HASH };

static const char index_suffix[] = ".index";

/* ---- names -------------------------------------------------------------------------------------
 */

/* The key is hashed: no text of a stranger becomes a file name. */
static vd_rc index_path(const struct coll_places *p, const struct coll_kind *k, vd_span key,
                        vd_buf *ret, vd_err *err)
{
    uint8_t digest[COLL_HASH];
    VD_TRY(vd_hash_of(VD_SHA256, key, digest, err));
    vd_buf_printf(ret, "%s/%s-", p->cache, k->kind->name);
    vd_hex_encode(vd_span_of(digest, sizeof digest), ret);
    vd_buf_str(ret, index_suffix);
    return vd_buf_check(ret, err);
}

static const char *blob_path(const struct coll_places *p, const char *sha256, vd_buf *ret)
{
    vd_buf_printf(ret, "%s/%s.blob", p->cache, sha256);
    return vd_buf_cstr(ret);
}

static vd_rc digest_hex(vd_span bytes, char ret[HEX + 1], vd_err *err)
{
    uint8_t digest[COLL_HASH];
    VD_AUTO_BUF hex = vd_buf_of(HEX + 1);
    VD_TRY(vd_hash_of(VD_SHA256, bytes, digest, err));
    vd_hex_encode(vd_span_of(digest, sizeof digest), &hex);
    VD_TRY(vd_buf_check(&hex, err));
    memcpy(ret, hex.p, HEX);
    ret[HEX] = '\0';
    return VD_OK;
}

/* ---- writing files -----------------------------------------------------------------------------
 */

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

static vd_rc write_file(const char *path, vd_span bytes, vd_err *err)
{
    VD_AUTO_BUF tmp = vd_buf_of(COLL_PATH_BYTES);
    vd_buf_printf(&tmp, "%s.XXXXXX", path);
    VD_TRY(vd_buf_check(&tmp, err));
    (void)vd_buf_cstr(&tmp); /* puts the NUL behind the text */
    VD_AUTO_FD int fd = mkstemp((char *)tmp.p);
    bool ok = fd >= 0 && write_all(fd, bytes) && rename((const char *)tmp.p, path) == 0;
    int why = errno;
    if (fd >= 0 && !ok)
        (void)unlink((const char *)tmp.p);
    if (!ok)
        return vd_fail(err, VD_E_FILE, "%s: cannot be written: %s; check [collateral] cache", path,
                       strerror(why));
    return VD_OK;
}

/* Held while an index is read and replaced; released by closing. */
static vd_rc lock_folder(const struct coll_places *p, int *ret, vd_err *err)
{
    VD_AUTO_BUF path = vd_buf_of(COLL_PATH_BYTES);
    vd_buf_printf(&path, "%s/lock", p->cache);
    VD_TRY(vd_buf_check(&path, err));
    VD_AUTO_FD int fd = open(vd_buf_cstr(&path), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0 || flock(fd, LOCK_EX) != 0)
        return vd_fail(err, VD_E_FILE, "%s: %s; check [collateral] cache", vd_buf_cstr(&path),
                       strerror(errno));
    *ret = fd;
    fd = -1;
    return VD_OK;
}

/* ---- the index ---------------------------------------------------------------------------------
 */

static void put_index(vd_buf *out, const struct coll_kind *k, vd_span key,
                      const struct coll_index *index)
{
    vd_jw w = vd_jw_of(out);
    vd_jw_obj(&w);
    vd_jw_ku64(&w, "v", 1);
    vd_jw_kstr(&w, "kind", k->kind->name);
    vd_jw_kspan(&w, "key", key);
    vd_jw_ku64(&w, "floor_level", index->floor.level);
    vd_jw_ki64(&w, "floor_issued", index->floor.issued);
    vd_jw_key(&w, "items");
    vd_jw_arr(&w);
    for (size_t i = 0; i < index->n; i++) {
        const struct coll_cached *c = &index->item[i];
        vd_jw_obj(&w);
        vd_jw_kstr(&w, "sha256", c->sha256);
        vd_jw_ku64(&w, "level", c->rank.level);
        vd_jw_ki64(&w, "issued", c->rank.issued);
        vd_jw_ki64(&w, "begin", c->rank.begin);
        vd_jw_ki64(&w, "expires", c->rank.expires);
        vd_jw_ki64(&w, "fetched", c->fetched);
        vd_jw_end(&w);
    }
    vd_jw_end(&w);
    vd_jw_end(&w);
}

static bool is_digest(vd_span s)
{
    for (size_t i = 0; i < s.n; i++)
        if (!((s.p[i] >= '0' && s.p[i] <= '9') || (s.p[i] >= 'a' && s.p[i] <= 'f')))
            return false;
    return s.n == HEX;
}

static vd_rc read_cached(vd_jv v, struct coll_cached *ret, vd_err *err)
{
    vd_span sha = vd_jv_str_raw(vd_jv_get(v, "sha256"));
    if (!is_digest(sha))
        return vd_fail(err, VD_E_SYNTAX, "index: no digest");
    memcpy(ret->sha256, sha.p, HEX);
    ret->sha256[HEX] = '\0';
    VD_TRY(vd_jv_u64(vd_jv_get(v, "level"), UINT64_MAX, &ret->rank.level, err));
    VD_TRY(vd_jv_i64(vd_jv_get(v, "issued"), &ret->rank.issued, err));
    VD_TRY(vd_jv_i64(vd_jv_get(v, "begin"), &ret->rank.begin, err));
    VD_TRY(vd_jv_i64(vd_jv_get(v, "expires"), &ret->rank.expires, err));
    return vd_jv_i64(vd_jv_get(v, "fetched"), &ret->fetched, err);
}

/* kind and key of the file are appended; they must be the expected ones, which the caller checks.
 */
static vd_rc parse_index(vd_span text, vd_buf *ret_kind, vd_buf *ret_key, struct coll_index *ret,
                         vd_err *err)
{
    VD_AUTO(vd_json_free) struct vd_json *doc = NULL;
    uint64_t version = 0;
    VD_TRY(vd_json_parse(text, VD_JSON_LIMITS(INDEX_BYTES), &doc, err));
    vd_jv root = vd_json_root(doc);
    VD_TRY(vd_jv_u64(vd_jv_get(root, "v"), 1, &version, err));
    VD_TRY(vd_jv_str(vd_jv_get(root, "kind"), ret_kind, err));
    VD_TRY(vd_jv_str(vd_jv_get(root, "key"), ret_key, err));
    VD_TRY(vd_jv_u64(vd_jv_get(root, "floor_level"), UINT64_MAX, &ret->floor.level, err));
    VD_TRY(vd_jv_i64(vd_jv_get(root, "floor_issued"), &ret->floor.issued, err));
    vd_jv_iter it = vd_jv_iter_of(vd_jv_get(root, "items"));
    while (ret->n < COLL_GENERATIONS && vd_jv_next(&it))
        VD_TRY(read_cached(it.value, &ret->item[ret->n++], err));
    return VD_OK;
}

bool coll_cache_index(const struct coll_places *p, const struct coll_kind *k, vd_span key,
                      struct coll_index *ret)
{
    VD_AUTO_BUF path = vd_buf_of(COLL_PATH_BYTES);
    VD_AUTO_BUF text = vd_buf_of((size_t)2 * INDEX_BYTES); /* a reader wants room behind */
    VD_AUTO_BUF kind = vd_buf_of(64);
    VD_AUTO_BUF name = vd_buf_of(ISS_COLLATERAL_KEY_MAX);
    struct coll_index index = { .n = 0 };
    if (!p->cache || index_path(p, k, key, &path, NULL).code != VD_E_OK ||
        vd_file_read(vd_buf_cstr(&path), INDEX_BYTES, &text, NULL, NULL).code != VD_E_OK ||
        parse_index(vd_buf_span(&text), &kind, &name, &index, NULL).code != VD_E_OK ||
        !vd_span_eq_str(vd_buf_span(&kind), k->kind->name) || !vd_span_eq(vd_buf_span(&name), key))
        return false;
    *ret = index;
    return true;
}

vd_rc coll_cache_read(const struct coll_places *p, const struct coll_index *index, vd_buf *ret,
                      const struct coll_cached **ret_item, vd_err *err)
{
    for (size_t i = 0; i < index->n; i++) {
        VD_AUTO_BUF path = vd_buf_of(COLL_PATH_BYTES);
        VD_AUTO_BUF bytes = vd_buf_of(ISS_COLLATERAL_BYTES_MAX);
        char sha256[HEX + 1] = "";
        if (vd_file_read(blob_path(p, index->item[i].sha256, &path), ISS_COLLATERAL_BYTES_MAX,
                         &bytes, NULL, NULL)
                    .code != VD_E_OK ||
            digest_hex(vd_buf_span(&bytes), sha256, NULL).code != VD_E_OK ||
            strcmp(sha256, index->item[i].sha256) != 0)
            continue;
        vd_buf_add(ret, vd_buf_span(&bytes));
        *ret_item = &index->item[i];
        return vd_buf_check(ret, err);
    }
    return vd_fail(err, VD_E_NOT_FOUND, "nothing in the cache");
}

static vd_rc write_index(const struct coll_places *p, const struct coll_kind *k, vd_span key,
                         const struct coll_index *index, vd_err *err)
{
    VD_AUTO_BUF path = vd_buf_of(COLL_PATH_BYTES);
    VD_AUTO_BUF text = vd_buf_of(INDEX_BYTES);
    VD_TRY(index_path(p, k, key, &path, err));
    put_index(&text, k, key, index);
    VD_TRY(vd_buf_check(&text, err));
    return write_file(vd_buf_cstr(&path), vd_buf_span(&text), err);
}

/* The new generation first, the same bytes of earlier only once; what falls out is removed. */
static void push(const struct coll_places *p, struct coll_index *index,
                 const struct coll_cached *new)
{
    size_t at = 0;
    while (at < index->n && strcmp(index->item[at].sha256, new->sha256) != 0)
        at++;
    if (at == COLL_GENERATIONS) {
        VD_AUTO_BUF path = vd_buf_of(COLL_PATH_BYTES);
        (void)unlink(blob_path(p, index->item[--at].sha256, &path));
    } else if (at == index->n) {
        index->n++;
    }
    for (; at > 0; at--)
        index->item[at] = index->item[at - 1];
    index->item[0] = *new;
}

vd_rc coll_cache_put(const struct coll_places *p, const struct coll_kind *k, vd_span key,
                     vd_span bytes, const struct iss_collateral_rank *rank, int64_t now,
                     vd_err *err)
{
    if (!p->cache)
        return VD_OK;
    struct coll_cached new = { .rank = *rank, .fetched = now };
    struct coll_index index = { .n = 0 };
    VD_AUTO_BUF path = vd_buf_of(COLL_PATH_BYTES);
    VD_AUTO_FD int lock = -1;
    VD_TRY(digest_hex(bytes, new.sha256, err));
    VD_TRY(lock_folder(p, &lock, err));
    (void)coll_cache_index(p, k, key, &index);
    VD_TRY(write_file(blob_path(p, new.sha256, &path), bytes, err));
    push(p, &index, &new);
    coll_raise(&index.floor, rank);
    return write_index(p, k, key, &index, err);
}

void coll_cache_raise(const struct coll_places *p, const struct coll_kind *k, vd_span key,
                      const struct iss_collateral_rank *rank)
{
    struct coll_index index = { .n = 0 };
    VD_AUTO_FD int lock = -1;
    vd_err why = { 0 };
    if (!p->cache)
        return;
    vd_rc_ rc = lock_folder(p, &lock, &why);
    if (rc.code == VD_E_OK) {
        (void)coll_cache_index(p, k, key, &index);
        coll_raise(&index.floor, rank);
        rc = write_index(p, k, key, &index, &why);
    }
    if (rc.code != VD_E_OK)
        vd_log_err(p->log, VD_LOG_WARN, "collateral", &why);
}

/* ---- the whole folder --------------------------------------------------------------------------
 */

static bool has_suffix(const char *name)
{
    size_t n = strlen(name);
    size_t s = sizeof index_suffix - 1;
    return n > s && strcmp(name + n - s, index_suffix) == 0;
}

static vd_rc each_file(const struct coll_places *p, const char *name, coll_cache_each_fn each,
                       void *ctx, vd_err *err)
{
    VD_AUTO_BUF path = vd_buf_of(COLL_PATH_BYTES);
    VD_AUTO_BUF text = vd_buf_of((size_t)2 * INDEX_BYTES); /* a reader wants room behind */
    VD_AUTO_BUF kind = vd_buf_of(64);
    VD_AUTO_BUF key = vd_buf_of(ISS_COLLATERAL_KEY_MAX);
    struct coll_index index = { .n = 0 };
    vd_buf_printf(&path, "%s/%s", p->cache, name);
    if (path.bad ||
        vd_file_read(vd_buf_cstr(&path), INDEX_BYTES, &text, NULL, NULL).code != VD_E_OK ||
        parse_index(vd_buf_span(&text), &kind, &key, &index, NULL).code != VD_E_OK)
        return VD_OK;
    const struct coll_kind *k = coll_kind_of(p, vd_buf_span(&kind));
    return k ? each(ctx, k, vd_buf_span(&key), &index, err) : VD_OK;
}

static void close_dir(DIR *d)
{
    (void)closedir(d);
}
VD_DEFINE_CLEANUP(DIR, close_dir)

vd_rc coll_cache_each(const struct coll_places *p, coll_cache_each_fn each, void *ctx, vd_err *err)
{
    if (!p->cache)
        return VD_OK;
    VD_AUTO(close_dir) DIR *d = opendir(p->cache);
    if (!d)
        return vd_fail(err, VD_E_FILE, "%s: %s", p->cache, strerror(errno));
    for (const struct dirent *e = readdir(d); e; e = readdir(d))
        if (has_suffix(e->d_name))
            VD_TRY(each_file(p, e->d_name, each, ctx, err));
    return VD_OK;
}
