/* The attestation service's REST surface (spec/wire 4.1), off unless [as] enabled: evidence in,
 * passport out, without a challenge of ours. Such a passport says `caller-data` or `none`, never
 * `issuer-nonce`. Raw runtime data is the expected report data as it stands; structured data is
 * hashed over its JCS form. */
#include "issuer/api/handlers.h"
#include "issuer/api/issue.h"
#include "issuer/api/names.h"
#include "issuer/appraise/initdata.h"
#include "shared/codec/b64.h"

enum { RAW_MAX = 8192, DIGEST_MAX = 128 };

/* One element of verification_requests; what verification needs lives here until the passport is
 * made. */
struct piece {
    const char *tee;
    vd_buf evidence_text;
    struct vd_json *evidence;
    bool has_runtime;
    vd_buf runtime_data; /* expected report data */
    vd_buf runtime;      /* structured data, compact; empty for raw data */
    bool has_init;
    vd_buf init_digest;
    struct iss_init_data init;
};

struct pieces {
    size_t n;
    struct piece item[VD_KBS_DEVICES_MAX];
};

static void pieces_done(struct pieces *p)
{
    for (size_t i = 0; i < p->n; i++) {
        vd_json_free(p->item[i].evidence);
        vd_buf_done(&p->item[i].evidence_text);
        vd_buf_done(&p->item[i].runtime_data);
        vd_buf_done(&p->item[i].runtime);
        vd_buf_done(&p->item[i].init_digest);
        iss_init_data_done(&p->item[i].init);
    }
}

/* `application/json`, with or without parameters, or any `+json`. */
static bool is_json_type(vd_span type)
{
    vd_span media = vd_span_part(type, 0, vd_span_find(type, ';'));
    while (media.n && media.p[media.n - 1] == ' ')
        media.n--;
    return vd_span_eq_str(media, "application/json") ||
           (media.n > 5 && vd_span_eq_str(vd_span_part(media, media.n - 5, 5), "+json"));
}

vd_rc iss_as_body(const struct vd_req *req, uint64_t max, struct vd_json **ret, vd_err *err)
{
    const struct vd_limits *l = iss_app_of(req)->server->limits;
    const struct vd_json_limits limits = { (size_t)max, (uint32_t)l->json_depth,
                                           (uint32_t)l->json_nodes };
    if (!is_json_type(vd_req_field(req, "Content-Type")))
        return vd_fail(err, VD_E_SYNTAX, "Content-Type is not application/json");
    return vd_json_parse(req->body, &limits, ret, err);
}

static vd_rc shape(vd_err *err, const char *what)
{
    return vd_fail(err, VD_E_SYNTAX, "/attestation: %s", what);
}

static bool given(vd_jv v)
{
    return vd_jv_ok(v) && !vd_jv_is(v, VD_JSON_NULL);
}

static vd_rc read_hash(vd_jv v, enum vd_hash *ret, vd_err *err)
{
    *ret = VD_SHA384;
    if (!given(v))
        return VD_OK;
    vd_err ignored = { 0 };
    if (!vd_jv_is(v, VD_JSON_STRING) ||
        vd_hash_by_name(vd_jv_str_raw(v), ret, &ignored).code != VD_E_OK)
        return shape(err, "runtime_data_hash_algorithm is none of sha256 sha384 sha512 sm3");
    return VD_OK;
}

static vd_rc read_runtime(vd_jv v, enum vd_hash alg, struct piece *p, vd_err *err)
{
    if (!given(v))
        return VD_OK;
    vd_jv raw = vd_jv_get(v, "raw"), structured = vd_jv_get(v, "structured");
    vd_err ignored = { 0 };
    if (vd_jv_count(v) != 1 || (!vd_jv_is(raw, VD_JSON_STRING) && !vd_jv_ok(structured)))
        return shape(err, "runtime_data is neither {raw: string} nor {structured: any JSON}");
    p->has_runtime = true;
    p->runtime_data = vd_buf_of(RAW_MAX);
    if (vd_jv_ok(raw)) {
        if (vd_jv_b64(raw, VD_B64_URL, &p->runtime_data, &ignored).code != VD_E_OK)
            return shape(err, "runtime_data.raw is no base64url without padding, or too long");
        return VD_OK;
    }
    VD_AUTO_BUF canonical = vd_buf_of(8 * vd_jv_raw(structured).n + 64);
    VD_TRY(vd_json_canonical(structured, &canonical, err));
    uint8_t *digest = vd_buf_extend(&p->runtime_data, vd_hash_size(alg));
    if (!digest)
        return vd_buf_check(&p->runtime_data, err);
    VD_TRY(vd_hash_of(alg, vd_buf_span(&canonical), digest, err));
    p->runtime = vd_buf_of(8 * vd_jv_raw(structured).n + 64);
    return vd_json_compact(structured, &p->runtime, err);
}

static vd_rc read_init(vd_jv v, struct piece *p, vd_err *err)
{
    if (!given(v))
        return VD_OK;
    vd_jv digest = vd_jv_get(v, "init_data_digest"), toml = vd_jv_get(v, "init_data_toml");
    vd_err ignored = { 0 };
    if (vd_jv_count(v) != 1 ||
        (!vd_jv_is(digest, VD_JSON_STRING) && !vd_jv_is(toml, VD_JSON_STRING)))
        return shape(
            err, "init_data is neither {init_data_digest: string} nor {init_data_toml: string}");
    p->has_init = true;
    p->init_digest = vd_buf_of(DIGEST_MAX);
    if (vd_jv_ok(digest)) {
        if (vd_jv_b64(digest, VD_B64_URL, &p->init_digest, &ignored).code != VD_E_OK)
            return shape(err,
                         "init_data.init_data_digest is no base64url without padding, or too long");
        return VD_OK;
    }
    VD_AUTO_BUF text = vd_buf_of(vd_jv_raw(toml).n);
    VD_TRY(vd_jv_str(toml, &text, err));
    VD_TRY(iss_init_data_parse(vd_buf_span(&text), &p->init, err));
    vd_buf_add(&p->init_digest, iss_init_data_digest(&p->init));
    return vd_buf_check(&p->init_digest, err);
}

static vd_rc read_piece(vd_jv v, const struct vd_limits *l, struct piece *p, vd_err *err)
{
    VD_AUTO_BUF name = vd_buf_of(64);
    vd_err ignored = { 0 };
    if (!vd_jv_is(v, VD_JSON_OBJECT) ||
        vd_jv_str(vd_jv_get(v, "tee"), &name, &ignored).code != VD_E_OK)
        return shape(err, "a request has no tee");
    p->tee = vd_kbs_tee_name(vd_buf_span(&name));
    if (!p->tee)
        return vd_fail(err, VD_E_SETTING, "/attestation: a tee of an unknown name");
    p->evidence_text = vd_buf_of((size_t)l->attest_body);
    const struct vd_json_limits limits = { (size_t)l->attest_body, (uint32_t)l->json_depth,
                                           (uint32_t)l->json_nodes };
    if (vd_jv_b64(vd_jv_get(v, "evidence"), VD_B64_URL, &p->evidence_text, &ignored).code !=
            VD_E_OK ||
        vd_json_parse(vd_buf_span(&p->evidence_text), &limits, &p->evidence, &ignored).code !=
            VD_E_OK)
        return shape(err, "evidence is no JSON in base64url without padding");
    enum vd_hash alg = VD_SHA384;
    VD_TRY(read_hash(vd_jv_get(v, "runtime_data_hash_algorithm"), &alg, err));
    VD_TRY(read_runtime(vd_jv_get(v, "runtime_data"), alg, p, err));
    return read_init(vd_jv_get(v, "init_data"), p, err);
}

static vd_rc read_pieces(vd_jv root, const struct vd_limits *l, struct pieces *ret, vd_err *err)
{
    vd_jv list = vd_jv_get(root, "verification_requests");
    if (!vd_jv_is(list, VD_JSON_ARRAY) || vd_jv_count(list) == 0 ||
        vd_jv_count(list) > VD_KBS_DEVICES_MAX)
        return shape(err, "verification_requests is no array of 1 to 16 requests");
    vd_jv_iter it = vd_jv_iter_of(list);
    while (vd_jv_next(&it)) {
        struct piece *p = &ret->item[ret->n++];
        VD_TRY(read_piece(it.value, l, p, err));
    }
    return VD_OK;
}

/* An empty array means `default`; more than one id would have to be ignored, so it is refused. */
static vd_rc read_policy(vd_jv root, char ret[ISS_POLICY_BASE + 1], vd_err *err)
{
    vd_jv ids = vd_jv_get(root, "policy_ids");
    if (!vd_jv_is(ids, VD_JSON_ARRAY))
        return shape(err, "policy_ids is no array");
    if (vd_jv_count(ids) > 1)
        return vd_fail(err, VD_E_SETTING, "/attestation: more than one policy id");
    (void)snprintf(ret, ISS_POLICY_BASE + 1, "default");
    vd_jv_iter it = vd_jv_iter_of(ids);
    while (vd_jv_next(&it)) {
        VD_AUTO_BUF id = vd_buf_of(ISS_POLICY_BASE);
        vd_err ignored = { 0 };
        if (vd_jv_str(it.value, &id, &ignored).code != VD_E_OK ||
            !iss_policy_name_ok(vd_buf_span(&id)))
            return vd_fail(err, VD_E_SETTING, "/attestation: a policy id that no policy can have");
        (void)snprintf(ret, ISS_POLICY_BASE + 1, "%.*s", (int)id.n, (const char *)id.p);
    }
    return VD_OK;
}

static vd_rc attestation(struct iss_work *w, const struct pieces *p, struct vd_resp *resp,
                         vd_err *err)
{
    w->freshness = ISS_FRESH_CALLER;
    for (size_t i = 0; i < p->n; i++) {
        const struct piece *q = &p->item[i];
        struct iss_evidence in = {
            .json = vd_json_root(q->evidence),
            .report_data = { q->has_runtime, vd_buf_span(&q->runtime_data) },
            .init_data = { q->has_init, vd_buf_span(&q->init_digest) },
        };
        const struct iss_plain plain = { vd_buf_span(&q->runtime), vd_buf_span(&q->init.claims) };
        if (!q->has_runtime || q->runtime_data.n == 0)
            w->freshness = ISS_FRESH_NONE;
        VD_TRY(iss_work_verify(w, q->tee, &in, &plain, err));
    }
    return iss_work_issue(w, resp, err);
}

vd_rc iss_as_attestation(const struct vd_req *req, struct vd_resp *resp, vd_err *err)
{
    ISS_AUTO_WORK w = { 0 };
    char base[ISS_POLICY_BASE + 1];
    VD_AUTO(vd_json_free) struct vd_json *doc = NULL;
    __attribute__((cleanup(pieces_done))) struct pieces p = { 0 };
    VD_TRY(iss_work_init(&w, req, "as", err));
    VD_TRY(iss_as_body(req, w.app->server->limits->attest_body, &doc, err));
    VD_TRY(iss_work_admit(&w, resp, err));
    VD_TRY(read_policy(vd_json_root(doc), base, err));
    w.policy_base = base;
    vd_err why = { 0 };
    vd_rc_ rc = read_pieces(vd_json_root(doc), w.app->server->limits, &p, &why);
    w.tee = p.n ? p.item[0].tee : NULL;
    if (rc.code == VD_E_OK)
        rc = attestation(&w, &p, resp, &why);
    if (rc.code != VD_E_OK) {
        iss_work_refuse(&w, &why);
        if (rc.code ==
            VD_E_POLICY_MISSING) /* here it is the caller's choice of a policy that is wrong */
            why.code = rc.code = VD_E_SETTING;
        *err = why;
        return VD_RC(rc.code);
    }
    vd_buf_add(&resp->body, vd_buf_span(&w.token));
    return vd_buf_check(&resp->body, err);
}

/* POST /challenge {"tee","tee_params"}: a supplemental challenge for the TEEs that have one, else
 * empty. */
vd_rc iss_as_challenge(const struct vd_req *req, struct vd_resp *resp, vd_err *err)
{
    struct iss_app *app = iss_app_of(req);
    VD_AUTO(vd_json_free) struct vd_json *doc = NULL;
    VD_AUTO_BUF name = vd_buf_of(64);
    vd_err ignored = { 0 };
    VD_TRY(iss_as_body(req, app->server->limits->auth_body, &doc, err));
    vd_jv root = vd_json_root(doc);
    vd_jv_iter it = vd_jv_iter_of(root);
    while (vd_jv_next(&it))
        if (!vd_jv_is(it.value, VD_JSON_STRING))
            return vd_fail(err, VD_E_SYNTAX, "/challenge: a member is no string");
    if (!vd_jv_ok(vd_jv_get(root, "tee_params")) ||
        vd_jv_str(vd_jv_get(root, "tee"), &name, &ignored).code != VD_E_OK)
        return vd_fail(err, VD_E_SYNTAX, "/challenge: tee and tee_params are required");
    const char *tee = vd_kbs_tee_name(vd_buf_span(&name));
    if (!tee || !iss_tees_enabled(app->tees, tee))
        return vd_fail(err, VD_E_SETTING, "/challenge: that tee is unknown or not enabled");
    return iss_tees_challenge(app->tees, tee, vd_jv_get(root, "tee_params"), &resp->body, err);
}
