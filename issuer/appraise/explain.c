/* Explanations of appraisals. A policy says only numbers; what it asked for is known, though. Each
 * reference value that it asked for is compared with the claim whose name fits best, and what does
 * not match is reported with the nearest value on file. That is a help for people: nothing decides
 * by it. */
#include "issuer/appraise/appraise.h"

enum { LEAVES_MAX = 256, TOKENS_MAX = 12, SHOWN_MAX = 200 };

/* Words of a name by their hashes. Two words with one hash would only spoil a hint. */
struct words {
    uint32_t hash[TOKENS_MAX];
    uint64_t bits; /* one of each hash: nothing in common, no word in common */
    size_t n;
};
struct leaf {
    size_t path; /* "snp.platform_version.major", in `paths` */
    size_t path_n;
    vd_jv value;
    struct words words;
};
struct leaves {
    vd_buf paths;
    size_t n;
    struct leaf item[LEAVES_MAX];
};

static void leaves_done(struct leaves *l)
{
    vd_buf_done(&l->paths);
}

static vd_span path_of(const struct leaves *l, const struct leaf *f)
{
    return vd_span_part(vd_buf_span(&l->paths), f->path, f->path_n);
}

static void add_words(struct words *w, vd_span text)
{
    uint32_t h = 0;
    for (size_t i = 0; i <= text.n && w->n < TOKENS_MAX; i++) {
        uint8_t c = i < text.n ? text.p[i] : '.';
        if (c != '_' && c != '-' && c != '.' && c != '/') {
            h = ((h ? h : 2166136261u) ^ c) * 16777619u; /* FNV-1a */
        } else if (h) {
            w->bits |= UINT64_C(1) << (h >> 26);
            w->hash[w->n++] = h;
            h = 0;
        }
    }
}

static struct words words_of(vd_span text)
{
    struct words w = { .n = 0 };
    add_words(&w, text);
    return w;
}

/* An object on the way down: where its names are put behind, and the words that are there. */
struct level {
    vd_jv_iter at;
    size_t cut;
    struct words words;
};

static struct level level_of(vd_jv object, const vd_buf *path)
{
    return (struct level){ vd_jv_iter_of(object), path->n, words_of(vd_buf_span(path)) };
}

/* Scalars of the object and of objects directly in it, two levels down at most. */
static void collect(struct leaves *l, const char *prefix, vd_jv object, unsigned depth)
{
    struct level stack[3];
    VD_AUTO_BUF path = vd_buf_of(1024);
    vd_buf_str(&path, prefix);
    unsigned level = 0;
    stack[0] = level_of(object, &path);
    for (;;) {
        struct level *now = &stack[level];
        path.n = now->cut;
        if (l->n == LEAVES_MAX || path.bad)
            return;
        if (!vd_jv_next(&now->at)) {
            if (level == 0)
                return;
            level--;
            continue;
        }
        vd_jv v = now->at.value;
        vd_buf_u8(&path, '.');
        vd_buf_add(&path, vd_jv_str_raw(now->at.name));
        if (vd_jv_is(v, VD_JSON_OBJECT) && level + 1 < depth && level + 1 < 3) {
            stack[++level] = level_of(v, &path);
        } else if (!vd_jv_is(v, VD_JSON_OBJECT) && !vd_jv_is(v, VD_JSON_ARRAY)) {
            struct leaf *f = &l->item[l->n++];
            f->value = v;
            f->path = l->paths.n;
            f->path_n = path.n;
            f->words = now->words;
            add_words(&f->words, vd_jv_str_raw(now->at.name));
            vd_buf_add(&l->paths, vd_buf_span(&path));
        }
    }
}

/* ---- which claim is a reference value about? ---------------------------------------------------
 */

static unsigned common_words(const struct words *a, size_t from_a, const struct words *b,
                             size_t from_b)
{
    unsigned common = 0;
    for (size_t i = from_a; i < a->n; i++)
        for (size_t j = from_b; j < b->n; j++)
            if (a->hash[i] == b->hash[j]) {
                common++;
                break;
            }
    return common;
}

static const struct leaf *best_leaf(const struct leaves *l, const char *tee, vd_span name)
{
    struct words want = words_of(name), own = words_of(vd_span_str(tee));
    size_t skip = want.n > 1 && want.hash[0] == own.hash[0] ? 1 : 0;
    const struct leaf *best = NULL;
    unsigned score = 0;
    for (size_t i = 0; i < l->n; i++) {
        const struct leaf *f = &l->item[i];
        if ((want.bits & f->words.bits) == 0)
            continue;
        /* the first word of a path is the TEE's own name */
        unsigned common = common_words(&want, skip, &f->words, 1);
        if (common > score || (best && common == score && f->words.n < best->words.n)) {
            best = f;
            score = common;
        }
    }
    return best;
}

/* ---- comparing with what is on file ------------------------------------------------------------
 */

static bool same_scalar(vd_jv a, vd_jv b)
{
    return vd_jv_type(a) == vd_jv_type(b) && vd_span_eq(vd_jv_raw(a), vd_jv_raw(b));
}

static bool matches(vd_jv reference, vd_jv observed)
{
    if (!vd_jv_is(reference, VD_JSON_ARRAY))
        return same_scalar(reference, observed);
    vd_jv_iter it = vd_jv_iter_of(reference);
    while (vd_jv_next(&it))
        if (same_scalar(it.value, observed))
            return true;
    return false;
}

static double distance(vd_jv a, vd_jv b)
{
    double x = 0, y = 0;
    if (vd_jv_is(a, VD_JSON_NUMBER) && vd_jv_is(b, VD_JSON_NUMBER) &&
        vd_jv_double(a, &x, NULL).code == VD_E_OK && vd_jv_double(b, &y, NULL).code == VD_E_OK)
        return x > y ? x - y : y - x;
    vd_span p = vd_jv_raw(a), q = vd_jv_raw(b);
    size_t equal = 0;
    while (equal < p.n && equal < q.n && p.p[equal] == q.p[equal])
        equal++;
    return 1e6 - (double)equal;
}

/* The element of a list that is nearest: by difference for numbers, by equal beginning for texts.
 */
static vd_jv nearest(vd_jv reference, vd_jv observed)
{
    if (!vd_jv_is(reference, VD_JSON_ARRAY))
        return reference;
    vd_jv best = { 0 };
    double least = 0;
    vd_jv_iter it = vd_jv_iter_of(reference);
    while (vd_jv_next(&it)) {
        double d = distance(it.value, observed);
        if (!vd_jv_ok(best) || d < least) {
            best = it.value;
            least = d;
        }
    }
    return best;
}

/* The value's text, cut. */
static void kshown(vd_jw *w, const char *key, vd_jv v)
{
    vd_jw_key(w, key);
    vd_span raw = vd_jv_raw(v);
    if (!vd_jv_ok(v)) {
        vd_jw_null(w);
    } else if (raw.n <= SHOWN_MAX) {
        vd_jw_raw(w, raw);
    } else {
        VD_AUTO_BUF cut = vd_buf_of(SHOWN_MAX + 8);
        vd_text_escape(raw, SHOWN_MAX, &cut);
        vd_buf_str(&cut, "...");
        vd_jw_str_span(w, vd_buf_span(&cut));
    }
}

static void vector_findings(vd_jw *w, const struct iss_appraisal *a)
{
    for (int i = 0; i < VD_EAR_CLAIM_MAX; i++) {
        enum vd_ear_tier t = vd_ear_tier_of(a->value[i]);
        if (!a->set[i] || t == VD_EAR_NONE || t == VD_EAR_AFFIRMING)
            continue;
        vd_jw_obj(w);
        vd_jw_kstr(w, "rule", "trust_claims");
        vd_jw_kstr(w, "claim", vd_ear_claim_name((enum vd_ear_claim)i));
        vd_jw_ki64(w, "observed", a->value[i]);
        vd_jw_kstr(w, "expected", "2 to 31");
        vd_jw_kstr(w, "means", vd_ear_tier_name(t));
        vd_jw_end(w);
    }
}

static vd_rc refvalue_finding(vd_jw *w, const struct iss_appraisal *a, size_t i,
                              const struct leaves *l, vd_err *err)
{
    VD_AUTO(vd_json_free) struct vd_json *doc = NULL;
    vd_span name = iss_trace_name(a, i), text = iss_trace_value(a, i);
    bool known = text.n != 0;
    vd_jv reference = { 0 };
    if (known) {
        const struct vd_json_limits limits = { text.n, 32, 1000000 };
        VD_TRY(vd_json_parse(text, &limits, &doc, err));
        reference = vd_json_root(doc);
    }
    const struct leaf *leaf = best_leaf(l, a->claims->tee, name);
    if (leaf && known && matches(reference, leaf->value))
        return VD_OK;
    vd_jw_obj(w);
    vd_jw_kstr(w, "rule", known ? "reference value" : "reference value is not set or expired");
    vd_jw_kspan(w, "reference_value", name);
    if (leaf) {
        vd_jw_kspan(w, "claim", path_of(l, leaf));
        kshown(w, "observed", leaf->value);
    }
    kshown(w, "expected", reference);
    if (leaf && known)
        kshown(w, "nearest", nearest(reference, leaf->value));
    vd_jw_end(w);
    return VD_OK;
}

static vd_rc findings(vd_jw *w, const struct iss_appraisal *a, vd_err *err)
{
    __attribute__((cleanup(leaves_done))) struct leaves l;
    l.n = 0;
    l.paths = vd_buf_of((size_t)LEAVES_MAX * 1024);
    VD_AUTO(vd_json_free) struct vd_json *doc = NULL;
    vd_span text = vd_buf_span(&a->claims->claims);
    const struct vd_json_limits limits = { text.n, 32, 1000000 };
    VD_TRY(vd_json_parse(text, &limits, &doc, err));
    collect(&l, a->claims->tee, vd_json_root(doc), 3);
    vector_findings(w, a);
    for (size_t i = 0; i < a->n_trace; i++)
        VD_TRY(refvalue_finding(w, a, i, &l, err));
    return VD_OK;
}

static vd_rc explain_one(vd_jw *w, const struct iss_appraisal *a, vd_err *err)
{
    vd_jw_obj(w);
    vd_jw_kstr(w, "submod", a->name);
    vd_jw_kstr(w, "tee", a->claims->tee);
    vd_jw_kstr(w, "status", vd_ear_tier_name(a->tier));
    vd_jw_kstr(w, "policy", a->policy_id);
    vd_jw_khex(w, "policy_sha256", vd_span_of(a->policy_sha256, sizeof a->policy_sha256));
    vd_jw_key(w, "vector");
    vd_jw_obj(w);
    for (int i = 0; i < VD_EAR_CLAIM_MAX; i++)
        if (a->set[i])
            vd_jw_ki64(w, vd_ear_claim_name((enum vd_ear_claim)i), a->value[i]);
    vd_jw_end(w);
    vd_jw_key(w, "findings");
    vd_jw_arr(w);
    if (a->tier != VD_EAR_AFFIRMING)
        VD_TRY(findings(w, a, err));
    vd_jw_end(w);
    vd_jw_end(w);
    return VD_OK;
}

vd_rc iss_explain(const struct iss_appraisals *a, vd_buf *out, vd_err *err)
{
    vd_jw w = vd_jw_of(out);
    vd_jw_arr(&w);
    for (size_t i = 0; i < a->n; i++)
        VD_TRY(explain_one(&w, &a->item[i], err));
    vd_jw_end(&w);
    return vd_buf_check(out, err);
}
