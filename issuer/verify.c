/* The verb `verify`; see verify.h. Whatever can be wrong with options and files is exit 1 and said
 * in one line; whatever is wrong with the evidence is exit 8 and part of the printed verdict. */
#include "issuer/verify.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "issuer/collateral/collateral.h"
#include "issuer/config.h"
#include "issuer/rvps/rvps.h"
#include "shared/base/secret.h"
#include "shared/base/slurp.h"
#include "shared/codec/b64.h"
#include "shared/crypto/hash.h"
#include "shared/program/server.h"

enum { FILE_BYTES = 4u << 20 };

/* Everything that lives as long as the verb runs. */
struct verify {
    struct iss_verify_options o;
    struct vd_setting settings[ISS_SETTINGS_MAX];
    struct vd_config *config;
    struct iss_collateral *collateral;
    struct iss_tees *tees;
    struct iss_policies *policies;
    struct iss_rvps *rvps; /* NULL: none given */
    struct iss_init_data init;
    int64_t at;
    int64_t at_ns; /* the same: the clock of the collateral */
    vd_buf report_data;
    vd_buf runtime; /* canonical JSON */
    vd_buf vcek;
    vd_buf event_log;
    vd_buf file;
    vd_buf raw; /* decoded hexadecimal */
    struct vd_json *json;
};

static void verify_free(struct verify *v)
{
    if (!v)
        return;
    vd_json_free(v->json);
    vd_buf_done(&v->raw);
    vd_buf_done(&v->file);
    vd_buf_done(&v->event_log);
    vd_buf_done(&v->vcek);
    vd_buf_done(&v->runtime);
    vd_buf_done(&v->report_data);
    iss_init_data_done(&v->init);
    iss_rvps_free(v->rvps);
    iss_policies_free(v->policies);
    iss_tees_close(v->tees);
    iss_collateral_close(v->collateral);
    vd_config_free(v->config);
    free(v->o.set);
    free(v);
}
VD_DEFINE_CLEANUP(struct verify, verify_free)

static vd_rc read_file(const char *path, vd_buf *ret, vd_err *err)
{
    *ret = vd_buf_of(FILE_BYTES + 65536);
    return vd_file_read(path, FILE_BYTES, ret, NULL, err);
}

static vd_rc load_config(struct verify *v, vd_err *err)
{
    size_t n = iss_settings(v->settings);
    if (n == 0)
        return vd_fail(err, VD_E_INTERNAL, "more settings than ISS_SETTINGS_MAX");
    const struct vd_setting *tables[] = { v->settings, vd_settings_common };
    size_t sizes[] = { n, vd_settings_common_n };
    struct vd_config_src src = {
        .program = "issuer", .file = v->o.config, .set = v->o.set, .environment = true
    };
    return vd_config_load(&src, tables, sizes, 2, &v->config, err);
}

/* Everything is judged at this time, and of several pieces of collateral the one that was good then
 * is taken. */
static vd_rc read_time(struct verify *v, vd_err *err)
{
    struct vd_clock clock = vd_clock_real();
    v->at = vd_clock_s(&clock);
    const int64_t last = INT64_MAX / 1000000000;
    if (v->o.at && (vd_time_parse(vd_span_str(v->o.at), &v->at, NULL).code != VD_E_OK ||
                    v->at < 0 || v->at > last))
        return vd_fail(err, VD_E_CONFIG, "--at is no time such as 2026-06-01T00:00:00Z");
    v->at_ns = v->at * 1000000000;
    return VD_OK;
}

/* Drivers and collateral as a server has them, but for the network. */
static vd_rc open_drivers(struct verify *v, vd_err *err)
{
    struct iss_collateral_cfg cfg = { .config = v->config,
                                      .clock = vd_clock_fixed(&v->at_ns),
                                      .dir = v->o.collateral,
                                      .offline = true };
    cfg.kinds = iss_tee_collateral_kinds(&cfg.n_kinds);
    VD_TRY(iss_collateral_open(&cfg, &v->collateral, err));
    VD_TRY(iss_tees_open(v->config, NULL, &v->tees, err));
    const struct iss_tee *tee = NULL;
    for (size_t i = 0; iss_tee_at(i) && !tee; i++)
        if (strcmp(iss_tee_at(i)->name, v->o.tee) == 0)
            tee = iss_tee_at(i);
    if (!tee)
        return vd_fail(err, VD_E_CONFIG, "there is no TEE %.40s", v->o.tee);
    if (v->o.event_log && !tee->event_logs)
        return vd_fail(err, VD_E_CONFIG, "--event-log: evidence of %s has no event log", v->o.tee);
    if (!iss_tees_enabled(v->tees, v->o.tee))
        return vd_fail(err, VD_E_CONFIG, "tee.%s is not enabled; add --set tee.%s.enabled=true",
                       v->o.tee, v->o.tee);
    return VD_OK;
}

static vd_rc open_policies(struct verify *v, vd_err *err)
{
    const struct vd_limits *limits = vd_config_limits(v->config);
    if (v->o.refvalues) {
        VD_AUTO_BUF text = vd_buf_of(1);
        VD_TRY(read_file(v->o.refvalues, &text, err));
        vd_rc_ read = iss_rvps_fixed(vd_buf_span(&text), limits, &v->rvps, err);
        if (read.code != VD_E_OK) {
            vd_context(err, v->o.refvalues);
            return read;
        }
    }
    if (!v->o.policy)
        return iss_policies_new(NULL, NULL, limits, &v->policies, err);
    VD_AUTO_BUF rego = vd_buf_of(1);
    VD_TRY(read_file(v->o.policy, &rego, err));
    vd_rc_ rc = iss_policies_fixed(vd_buf_span(&rego), limits, &v->policies, err);
    if (rc.code != VD_E_OK)
        vd_context(err, v->o.policy);
    return rc;
}

static vd_rc read_runtime_data(struct verify *v, vd_err *err)
{
    VD_AUTO_BUF text = vd_buf_of(1);
    VD_TRY(read_file(v->o.runtime_data, &text, err));
    VD_AUTO(vd_json_free) struct vd_json *doc = NULL;
    vd_rc_ rc = vd_json_parse(vd_buf_span(&text), VD_JSON_LIMITS(FILE_BYTES), &doc, err);
    if (rc.code != VD_E_OK) {
        vd_context(err, v->o.runtime_data);
        return rc;
    }
    VD_TRY(vd_json_canonical(vd_json_root(doc), &v->runtime, err));
    uint8_t digest[VD_HASH_BYTES_MAX];
    VD_TRY(vd_hash_of(VD_SHA384, vd_buf_span(&v->runtime), digest, err));
    vd_buf_add(&v->report_data, vd_span_of(digest, vd_hash_size(VD_SHA384)));
    return vd_buf_check(&v->report_data, err);
}

static vd_rc read_expectations(struct verify *v, vd_err *err)
{
    v->report_data = vd_buf_of(4096);
    v->runtime = vd_buf_of(FILE_BYTES);
    if (v->o.report_data &&
        vd_hex_decode(vd_span_str(v->o.report_data), &v->report_data, NULL).code != VD_E_OK)
        return vd_fail(err, VD_E_CONFIG, "--report-data is no hexadecimal text");
    if (v->o.runtime_data)
        VD_TRY(read_runtime_data(v, err));
    if (v->o.init_data) {
        VD_AUTO_BUF text = vd_buf_of(1);
        VD_TRY(read_file(v->o.init_data, &text, err));
        vd_rc_ rc = iss_init_data_parse(vd_buf_span(&text), &v->init, err);
        if (rc.code != VD_E_OK) {
            vd_context(err, v->o.init_data);
            return rc;
        }
    }
    if (v->o.vcek)
        VD_TRY(read_file(v->o.vcek, &v->vcek, err));
    if (v->o.event_log) {
        VD_TRY(read_file(v->o.event_log, &v->event_log, err));
        if (v->event_log.n == 0)
            return vd_fail(err, VD_E_CONFIG, "--event-log: %.120s is empty", v->o.event_log);
    }
    return VD_OK;
}

/* Hexadecimal text, blanks and line ends aside; false: something else. */
static bool is_hex(vd_span s)
{
    for (size_t i = 0; i < s.n; i++)
        if (!isxdigit(s.p[i]) && !isspace(s.p[i]))
            return false;
    return true;
}

/* What the file is follows from its first bytes: an object is JSON, all digits are hexadecimal. */
static vd_rc decode_evidence(struct verify *v, struct iss_evidence *in, vd_err *err)
{
    vd_span all = vd_buf_span(&v->file);
    size_t at = 0;
    while (at < all.n && isspace(all.p[at]))
        at++;
    vd_span s = vd_span_part(all, at, all.n);
    if (s.n == 0)
        return vd_fail(err, VD_E_BAD_EVIDENCE, "the file of evidence is empty");
    if (s.p[0] == '{') {
        vd_err cause = { 0 };
        if (vd_json_parse(all, VD_JSON_LIMITS(FILE_BYTES), &v->json, &cause).code != VD_E_OK)
            return vd_fail(err, VD_E_BAD_EVIDENCE, "the evidence is no JSON: %s", cause.msg);
        in->json = vd_json_root(v->json);
        return VD_OK;
    }
    in->raw = all;
    if (!is_hex(all))
        return VD_OK;
    VD_AUTO_BUF digits = vd_buf_of(FILE_BYTES);
    for (size_t i = 0; i < all.n; i++)
        if (!isspace(all.p[i]))
            vd_buf_u8(&digits, all.p[i]);
    v->raw = vd_buf_of(FILE_BYTES);
    if (vd_hex_decode(vd_buf_span(&digits), &v->raw, NULL).code != VD_E_OK)
        return vd_fail(err, VD_E_BAD_EVIDENCE,
                       "the evidence has an odd number of hexadecimal digits");
    in->raw = vd_buf_span(&v->raw);
    return VD_OK;
}

static vd_rc check_evidence(struct verify *v, struct iss_claims_list *list, vd_err *err)
{
    struct iss_evidence in = { .vcek = vd_buf_span(&v->vcek),
                               .event_log = vd_buf_span(&v->event_log),
                               .now = v->at,
                               .collateral = v->collateral };
    VD_TRY(decode_evidence(v, &in, err));
    in.report_data.given = v->o.report_data || v->o.runtime_data;
    in.report_data.value = vd_buf_span(&v->report_data);
    in.init_data.given = v->o.init_data != NULL;
    in.init_data.value = iss_init_data_digest(&v->init);
    return iss_tees_verify(v->tees, v->o.tee, &in, list, err);
}

static vd_rc appraise(struct verify *v, const struct iss_claims_list *list,
                      struct iss_appraisals *out, vd_err *err)
{
    struct iss_plain plain[ISS_CLAIMS_MAX] = { 0 };
    for (size_t i = 0; i < list->n; i++) {
        plain[i].runtime = vd_buf_span(&v->runtime);
        plain[i].init = vd_buf_span(&v->init.claims);
    }
    const struct iss_appraise_in in = { .list = list,
                                        .plain = plain,
                                        .policy_base = "default",
                                        .policies = v->policies,
                                        .lookup = v->rvps ? iss_rvps_lookup : NULL,
                                        .lookup_ctx = v->rvps,
                                        .now_ns = v->at * 1000000000,
                                        .limits = vd_config_limits(v->config) };
    return iss_appraise(&in, out, err);
}

/* From here on everything is a verdict. */
static vd_rc run(struct verify *v, bool *ret_good, vd_err *err)
{
    VD_AUTO(iss_claims_list_free) struct iss_claims_list *list = iss_claims_list_new();
    VD_AUTO(iss_appraisals_free) struct iss_appraisals *appraisals = iss_appraisals_new();
    if (!list || !appraisals)
        return vd_fail(err, VD_E_NOMEM, "verify");
    vd_err why = { 0 };
    struct iss_verdict verdict = { .tee = v->o.tee,
                                   .file = v->o.evidence,
                                   .at = v->at,
                                   .list = list,
                                   .err = &why,
                                   .data_bound = v->o.report_data || v->o.runtime_data };
    VD_AUTO_BUF notes = vd_buf_of(FILE_BYTES);
    verdict.verified = check_evidence(v, list, &why).code == VD_E_OK;
    if (v->o.collateral)
        iss_collateral_notes(v->collateral, &notes);
    VD_TRY(vd_buf_check(&notes, err));
    verdict.notes = vd_buf_span(&notes);
    if (verdict.verified) {
        verdict.appraised = appraise(v, list, appraisals, &why).code == VD_E_OK;
        verdict.appraisals = appraisals;
    }
    *ret_good = verdict.verified && verdict.appraised;
    return iss_verify_print(&verdict, v->o.json, err);
}

static vd_rc prepare(struct verify *v, vd_err *err)
{
    VD_TRY(load_config(v, err));
    VD_TRY(read_time(v, err));
    VD_TRY(open_drivers(v, err));
    VD_TRY(open_policies(v, err));
    VD_TRY(read_expectations(v, err));
    return read_file(v->o.evidence, &v->file, err);
}

int iss_verify_verb(int argc, char **argv)
{
    vd_err err = { 0 };
    VD_AUTO(verify_free) struct verify *v = calloc(1, sizeof *v);
    vd_rc_ rc =
        v ? iss_verify_options_parse(argc, argv, &v->o, &err) : vd_fail(&err, VD_E_NOMEM, "verify");
    if (rc.code == VD_E_OK && v->o.help) {
        iss_verify_help();
        return VD_EXIT_OK;
    }
    bool good = false;
    if (rc.code == VD_E_OK)
        rc = prepare(v, &err);
    if (rc.code == VD_E_OK)
        rc = run(v, &good, &err);
    if (rc.code != VD_E_OK) {
        (void)fprintf(stderr, "vidimus-issuer: %s\n", err.msg);
        return VD_EXIT_USAGE;
    }
    return good ? VD_EXIT_OK : VD_EXIT_VERIFY;
}
