/* Drivers `sample` and `sampledevice`; see sample.h. Evidence and claims are those of Trustee's
 * sample verifier: {"svn", "report_data"?}, report data in standard base64, compared exactly and
 * without padding. */
#include "issuer/tee/sample/sample.h"

#include "shared/base/secret.h"
#include "shared/codec/b64.h"

enum { SAMPLE_MAX_EVIDENCE = 16384, REPORT_DATA_MAX = 8192 };

static const struct vd_setting sample_settings[] = {
    { .key = "tee.sample.enabled",
      .type = VD_SET_BOOL,
      .def = "false",
      .help = "Accept sample evidence, which anybody can make. For trying out only; passports say "
              "so, and "
              "default policies refuse them." },
};
static const struct vd_setting device_settings[] = {
    { .key = "tee.sampledevice.enabled",
      .type = VD_SET_BOOL,
      .def = "false",
      .help = "Accept the sample device as additional evidence. For trying out only." },
};

struct sample {
    vd_buf svn; /* JSON text of the string, as sent */
    vd_buf report_text;
    vd_buf report;
};

static void sample_done(struct sample *s)
{
    vd_buf_done(&s->svn);
    vd_buf_done(&s->report_text);
    vd_buf_done(&s->report);
}

static vd_rc sample_parse(vd_jv json, struct sample *ret, vd_err *err)
{
    *ret = (struct sample){ .svn = vd_buf_of(SAMPLE_MAX_EVIDENCE),
                            .report_text = vd_buf_of(SAMPLE_MAX_EVIDENCE),
                            .report = vd_buf_of(REPORT_DATA_MAX) };
    vd_jv svn = vd_jv_get(json, "svn");
    vd_jv report = vd_jv_get(json, "report_data");
    if (!vd_jv_is(json, VD_JSON_OBJECT) || !vd_jv_is(svn, VD_JSON_STRING) ||
        (vd_jv_ok(report) && !vd_jv_is(report, VD_JSON_STRING)))
        return vd_fail(err, VD_E_BAD_EVIDENCE,
                       "sample evidence: svn, and report_data if present, are strings");
    vd_buf_add(&ret->svn, vd_jv_raw(svn));
    if (!vd_jv_ok(report))
        return vd_buf_check(&ret->svn, err);
    VD_TRY(vd_jv_str(report, &ret->report_text, err));
    if (vd_b64_decode(vd_buf_span(&ret->report_text), VD_B64_STD, &ret->report, NULL).code !=
        VD_E_OK)
        return vd_fail(err, VD_E_BAD_EVIDENCE, "sample evidence: report_data is no base64");
    return vd_buf_check(&ret->svn, err);
}

static vd_rc sample_check(const struct sample *s, const struct iss_evidence *in,
                          struct iss_claims_list *list, vd_err *err)
{
    if (!in->report_data.given)
        return VD_OK;
    bool ok = vd_ct_equal(vd_buf_span(&s->report), in->report_data.value);
    iss_check_add(list, "report data", ok, ok ? "equal" : "another", "what was expected");
    if (!ok)
        return vd_fail(err, VD_E_BINDING, "sample: report data is not what was expected");
    return VD_OK;
}

static vd_rc add_claims(const char *tee, const char *cls, const struct sample *s,
                        struct iss_claims_list *list, struct iss_claims **ret, vd_err *err)
{
    struct iss_claims *to = iss_claims_add(list, tee, cls);
    if (!to)
        return vd_fail(err, VD_E_TOO_LARGE, "%s: more than %d entries of claims", tee,
                       ISS_CLAIMS_MAX);
    to->has_report_data = true;
    vd_buf_add(&to->report_data, vd_buf_span(&s->report_text));
    to->simulated = true;
    *ret = to;
    return vd_buf_check(&to->report_data, err);
}

static vd_rc sample_claims(const struct sample *s, const struct iss_evidence *in,
                           struct iss_claims_list *list, vd_err *err)
{
    struct iss_claims *to = NULL;
    VD_TRY(add_claims("sample", "cpu", s, list, &to, err));
    vd_jw w = vd_jw_of(&to->claims);
    vd_jw_obj(&w);
    vd_jw_key(&w, "svn");
    vd_jw_raw(&w, vd_buf_span(&s->svn));
    vd_jw_kstr(&w, "launch_digest", "abcde");
    vd_jw_key(&w, "platform_version");
    vd_jw_obj(&w);
    vd_jw_ku64(&w, "major", 1);
    vd_jw_ku64(&w, "minor", 4);
    vd_jw_end(&w);
    vd_jw_kbool(&w, "debug", false);
    vd_jw_end(&w);
    if (in->init_data.given) {
        /* nothing in the evidence carries it: the expected digest is repeated, as Trustee does */
        to->has_init_data = true;
        vd_b64_encode(in->init_data.value, VD_B64_STD, &to->init_data);
        VD_TRY(vd_buf_check(&to->init_data, err));
    }
    return vd_buf_check(&to->claims, err);
}

static vd_rc sample_verify(void *state, const struct iss_evidence *in, struct iss_claims_list *list,
                           vd_err *err)
{
    (void)state;
    __attribute__((cleanup(sample_done))) struct sample s = { 0 };
    VD_TRY(sample_parse(in->json, &s, err));
    VD_TRY(sample_check(&s, in, list, err));
    return sample_claims(&s, in, list, err);
}

static vd_rc device_verify(void *state, const struct iss_evidence *in, struct iss_claims_list *list,
                           vd_err *err)
{
    (void)state;
    __attribute__((cleanup(sample_done))) struct sample s = { 0 };
    VD_TRY(sample_parse(in->json, &s, err));
    VD_TRY(sample_check(&s, in, list, err));
    struct iss_claims *to = NULL;
    VD_TRY(add_claims("sampledevice", "gpu", &s, list, &to, err));
    vd_jw w = vd_jw_of(&to->claims);
    vd_jw_obj(&w);
    vd_jw_key(&w, "svn");
    vd_jw_raw(&w, vd_buf_span(&s.svn));
    vd_jw_end(&w);
    return vd_buf_check(&to->claims, err);
}

const struct iss_tee iss_tee_sample = {
    .name = "sample",
    .abi = ISS_TEE_ABI,
    .max_evidence = SAMPLE_MAX_EVIDENCE,
    .default_enabled = false,
    .primary = true,
    .settings = sample_settings,
    .n_settings = sizeof sample_settings / sizeof sample_settings[0],
    .verify = sample_verify,
};

const struct iss_tee iss_tee_sampledevice = {
    .name = "sampledevice",
    .abi = ISS_TEE_ABI,
    .max_evidence = SAMPLE_MAX_EVIDENCE,
    .default_enabled = false,
    .primary = false,
    .settings = device_settings,
    .n_settings = sizeof device_settings / sizeof device_settings[0],
    .verify = device_verify,
};
