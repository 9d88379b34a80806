/* Output of `verify`: for people (coloured on a terminal), and one JSON object for programs. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "issuer/verify.h"
#include "shared/codec/b64.h"

enum { OUT_BYTES = 8u << 20, ONE_LINE = 70, WHERE = 47, NAME_WIDTH = 34, CLAIMS_DEPTH = 6 };

/* Escape sequences, or empty texts when nobody watches. */
struct paint {
    const char *good;
    const char *bad;
    const char *warn;
    const char *dim;
    const char *bold;
    const char *end;
};
static const struct paint colours = { "\033[32m", "\033[31m", "\033[33m",
                                      "\033[2m",  "\033[1m",  "\033[0m" };
static const struct paint plain = { "", "", "", "", "", "" };

/* Text of evidence never reaches a terminal unescaped. */
static void put_safe(vd_buf *out, vd_span s)
{
    vd_text_escape(s, 4096, out);
}

/* Beside the observed value, or below it when the line would be too long. */
static void put_expected(vd_buf *out, const struct iss_check *c, const struct paint *p)
{
    bool wide = strlen(c->observed) + strlen(c->expected) > ONE_LINE;
    vd_buf_printf(out, "%s%*s%s(expected ", wide ? "\n" : "", wide ? WHERE : 1, "", p->dim);
    put_safe(out, vd_span_str(c->expected));
    vd_buf_printf(out, ")%s\n", p->end);
}

static void put_checks(vd_buf *out, const struct iss_verdict *v, const struct paint *p)
{
    vd_buf_printf(out, "\n%schecks%s\n", p->bold, p->end);
    for (size_t i = 0; i < v->list->n_checks; i++) {
        const struct iss_check *c = &v->list->check[i];
        vd_buf_printf(out, "  %s%-7s%s %-36s ", c->ok ? p->good : p->bad, c->ok ? "ok" : "REFUSED",
                      p->end, c->name);
        put_safe(out, vd_span_str(c->observed));
        if (strcmp(c->observed, c->expected) == 0)
            vd_buf_printf(out, " %s(equal)%s\n", p->dim, p->end);
        else
            put_expected(out, c, p);
    }
    if (!v->data_bound)
        vd_buf_printf(out,
                      "  %snote%s    report data was compared with nothing: give --report-data or "
                      "--runtime-data\n",
                      p->warn, p->end);
}

static void put_strings(vd_buf *out, vd_jv array, const char *before)
{
    vd_jv_iter it = vd_jv_iter_of(array);
    while (vd_jv_next(&it)) {
        vd_buf_str(out, before);
        bool text = vd_jv_is(it.value, VD_JSON_STRING);
        put_safe(out, text ? vd_jv_str_raw(it.value) : vd_jv_raw(it.value));
        before = ", ";
    }
}

static void put_value(vd_buf *out, vd_jv v)
{
    if (vd_jv_is(v, VD_JSON_ARRAY) && vd_jv_count(v) > 0)
        put_strings(out, v, "");
    else
        put_safe(out, vd_jv_is(v, VD_JSON_STRING) ? vd_jv_str_raw(v) : vd_jv_raw(v));
}

/* "quote.body.mr_td"; returns how wide it is. */
static size_t put_path(vd_buf *out, const vd_jv_iter *level, size_t depth)
{
    size_t before = out->n;
    for (size_t i = 0; i <= depth; i++) {
        vd_span name = vd_jv_str_raw(level[i].name);
        vd_buf_printf(out, i ? ".%.*s" : "  %.*s", (int)name.n, (const char *)name.p);
    }
    return out->n - before;
}

/* Members of claims, one a line, those of objects by their path. */
static void put_claims(vd_buf *out, vd_span json)
{
    VD_AUTO(vd_json_free) struct vd_json *doc = NULL;
    if (vd_json_parse(json, VD_JSON_LIMITS(OUT_BYTES), &doc, NULL).code != VD_E_OK)
        return;
    vd_jv_iter level[CLAIMS_DEPTH] = { vd_jv_iter_of(vd_json_root(doc)) };
    size_t depth = 0;
    for (;;) {
        if (!vd_jv_next(&level[depth])) {
            if (depth == 0)
                return;
            depth--;
            continue;
        }
        vd_jv v = level[depth].value;
        if (depth == 0 && vd_jv_str_eq(level[0].name, "tcb_parts"))
            continue; /* a table of its own */
        if (vd_jv_is(v, VD_JSON_OBJECT) && depth + 1 < CLAIMS_DEPTH) {
            level[++depth] = vd_jv_iter_of(v);
            continue;
        }
        size_t width = put_path(out, level, depth);
        vd_buf_printf(out, "%*s ", width < NAME_WIDTH ? (int)(NAME_WIDTH - width) : 0, "");
        put_value(out, v);
        vd_buf_str(out, "\n");
    }
}

/* The day of a time in RFC 3339. */
static vd_span day_of(vd_jv time)
{
    return vd_span_part(vd_jv_str_raw(time), 0, sizeof "2026-06-01" - 1);
}

static void put_part(vd_buf *out, vd_jv name, vd_jv part, const struct paint *p)
{
    vd_span title = vd_jv_str_raw(name);
    vd_span status = vd_jv_str_raw(vd_jv_get(part, "status"));
    vd_span day = day_of(vd_jv_get(part, "date"));
    const char *colour = vd_span_eq_str(status, "UpToDate") ? p->good : p->warn;
    vd_buf_printf(out, "  %-16.*s %s%-36.*s%s %.*s", (int)title.n, (const char *)title.p, colour,
                  (int)status.n, (const char *)status.p, p->end, (int)day.n, (const char *)day.p);
    vd_jv limit = vd_jv_get(part, "held_back_by");
    if (vd_jv_ok(limit)) {
        vd_buf_printf(out, "  %sheld back by%s ", p->dim, p->end);
        put_safe(out, vd_jv_str_raw(limit));
    }
    put_strings(out, vd_jv_get(part, "advisory_ids"), "  ");
    vd_buf_str(out, "\n");
}

/* TCB status, date and advisories, and what keeps each part from a better level; of TEEs whose
 * claims tell the parts. */
static void put_tcb(vd_buf *out, const struct iss_claims *c, const struct paint *p)
{
    VD_AUTO(vd_json_free) struct vd_json *doc = NULL;
    if (vd_json_parse(vd_buf_span(&c->claims), VD_JSON_LIMITS(OUT_BYTES), &doc, NULL).code !=
        VD_E_OK)
        return;
    vd_jv claims = vd_json_root(doc);
    vd_jv parts = vd_jv_get(claims, "tcb_parts");
    if (!vd_jv_ok(parts))
        return;
    vd_buf_printf(out, "\n%sTCB of %s%s\n", p->bold, c->tee, p->end);
    vd_jv_iter it = vd_jv_iter_of(parts);
    while (vd_jv_next(&it))
        put_part(out, it.name, it.value, p);
    vd_span status = vd_jv_str_raw(vd_jv_get(claims, "tcb_status"));
    vd_span day = day_of(vd_jv_get(claims, "tcb_date"));
    const char *colour = vd_span_eq_str(status, "UpToDate") ? p->good : p->warn;
    vd_buf_printf(out, "  %sstatus%s           %s%-36.*s%s %.*s", p->bold, p->end, colour,
                  (int)status.n, (const char *)status.p, p->end, (int)day.n, (const char *)day.p);
    put_strings(out, vd_jv_get(claims, "advisory_ids"), "  ");
    vd_buf_str(out, "\n");
}

static void put_event_log(vd_buf *out, const struct iss_claims *c)
{
    if (c->event_log == ISS_EVENT_LOG_NONE)
        return;
    vd_buf_str(out, "  event log                        ");
    if (c->event_log == ISS_EVENT_LOG_REPLAYED) {
        vd_buf_str(out, "replayed, sha256 ");
        vd_hex_encode(vd_span_of(c->event_log_sha256, sizeof c->event_log_sha256), out);
    } else {
        vd_buf_str(out, "absent");
    }
    vd_buf_str(out, "\n");
}

static const char *tier_colour(enum vd_ear_tier t, const struct paint *p)
{
    return t == VD_EAR_AFFIRMING ? p->good : t == VD_EAR_CONTRAINDICATED ? p->bad : p->warn;
}

static void put_appraisal(vd_buf *out, const struct iss_appraisal *a, const struct paint *p)
{
    vd_buf_printf(out, "\n%strust vector of %s%s (policy %s%s)\n", p->bold, a->name, p->end,
                  a->policy_id, a->builtin ? ", built in" : "");
    for (unsigned i = 0; i < VD_EAR_CLAIM_MAX; i++) {
        if (!a->set[i])
            continue;
        enum vd_ear_tier t = vd_ear_tier_of(a->value[i]);
        vd_buf_printf(out, "  %-20s %4d  %s%s%s\n", vd_ear_claim_name((enum vd_ear_claim)i),
                      a->value[i], tier_colour(t, p), vd_ear_tier_name(t), p->end);
    }
    vd_buf_printf(out, "  %sstatus%s %s%s%s\n", p->bold, p->end, tier_colour(a->tier, p),
                  vd_ear_tier_name(a->tier), p->end);
}

/* Why the vector is not better: what the policy asked the reference values for, and what is on
 * file. */
static void put_findings(vd_buf *out, const struct iss_verdict *v, const struct paint *p)
{
    VD_AUTO_BUF text = vd_buf_of(OUT_BYTES);
    VD_AUTO(vd_json_free) struct vd_json *doc = NULL;
    if (iss_explain(v->appraisals, &text, NULL).code != VD_E_OK ||
        vd_json_parse(vd_buf_span(&text), VD_JSON_LIMITS(OUT_BYTES), &doc, NULL).code != VD_E_OK)
        return;
    vd_jv_iter submods = vd_jv_iter_of(vd_json_root(doc));
    bool titled = false;
    while (vd_jv_next(&submods)) {
        vd_jv_iter it = vd_jv_iter_of(vd_jv_get(submods.value, "findings"));
        while (vd_jv_next(&it)) {
            static const char *const part[] = { "rule", "claim", "observed", "expected",
                                                "nearest" };
            if (!titled)
                vd_buf_printf(out, "\n%swhat did not match%s\n", p->bold, p->end);
            else
                vd_buf_str(out, "\n");
            titled = true;
            for (size_t i = 0; i < sizeof part / sizeof part[0]; i++) {
                vd_jv value = vd_jv_get(it.value, part[i]);
                if (!vd_jv_ok(value) || vd_jv_is(value, VD_JSON_NULL))
                    continue;
                vd_buf_printf(out, "  %s%-9s%s ", p->dim, part[i], p->end);
                put_safe(out,
                         vd_jv_is(value, VD_JSON_STRING) ? vd_jv_str_raw(value) : vd_jv_raw(value));
                vd_buf_str(out, "\n");
            }
        }
    }
}

static void put_head(vd_buf *out, const struct iss_verdict *v, const struct paint *p)
{
    bool simulated = false;
    for (size_t i = 0; i < v->list->n; i++)
        simulated = simulated || v->list->item[i].simulated;
    if (!v->verified)
        vd_buf_printf(out, "%s%sREFUSED%s", p->bold, p->bad, p->end);
    else if (!v->appraised)
        vd_buf_printf(out, "%s%sVERIFIED, BUT NOT APPRAISED%s", p->bold, p->bad, p->end);
    else
        vd_buf_printf(out, "%s%sVERIFIED%s", p->bold, p->good, p->end);
    vd_buf_printf(out, "  %s evidence in ", v->tee);
    put_safe(out, vd_span_str(v->file));
    vd_buf_str(out, " at ");
    vd_time_rfc3339(v->at, out);
    vd_buf_str(out, "\n");
    if (simulated)
        vd_buf_printf(out, "%ssimulated: this is no genuine hardware%s\n", p->warn, p->end);
    if (!v->verified || !v->appraised) {
        vd_buf_printf(out, "%sreason:%s ", p->bold, p->end);
        put_safe(out, vd_span_str(v->err->msg[0] ? v->err->msg : vd_error_row(v->err->code)->text));
        vd_buf_printf(out, "  (%s)\n", vd_error_row(v->err->code)->slug);
    }
}

/* The next line; false behind the last. */
static bool next_line(vd_span *rest, vd_span *ret)
{
    if (rest->n == 0)
        return false;
    size_t n = vd_span_find(*rest, '\n');
    *ret = vd_span_part(*rest, 0, n);
    *rest = vd_span_part(*rest, n + 1, rest->n);
    return true;
}

static void put_notes(vd_buf *out, vd_span notes, const struct paint *p)
{
    if (notes.n == 0)
        return;
    vd_buf_printf(out, "\n%scollateral that was not used%s\n", p->bold, p->end);
    vd_span line;
    while (next_line(&notes, &line)) {
        vd_buf_str(out, "  ");
        put_safe(out, line);
        vd_buf_str(out, "\n");
    }
}

static void put_human(vd_buf *out, const struct iss_verdict *v, const struct paint *p)
{
    put_head(out, v, p);
    put_checks(out, v, p);
    put_notes(out, v->notes, p);
    if (!v->verified && v->list->unverified.n > 0) {
        vd_buf_printf(out, "\n%sclaims, %sUNVERIFIED%s: what the evidence says, not what is so\n",
                      p->bold, p->bad, p->end);
        put_claims(out, vd_buf_span(&v->list->unverified));
    }
    for (size_t i = 0; v->verified && i < v->list->n; i++) {
        const struct iss_claims *c = &v->list->item[i];
        vd_buf_printf(out, "\n%sclaims of %s%s (%s)\n", p->bold, c->tee, p->end, c->cls);
        put_claims(out, vd_buf_span(&c->claims));
        if (c->has_report_data) {
            vd_buf_str(out, "  report_data                      ");
            put_safe(out, vd_buf_span(&c->report_data));
            vd_buf_str(out, "\n");
        }
        if (c->has_init_data) {
            vd_buf_str(out, "  init_data                        ");
            put_safe(out, vd_buf_span(&c->init_data));
            vd_buf_str(out, "\n");
        }
        put_event_log(out, c);
        put_tcb(out, c, p);
    }
    for (size_t i = 0; v->appraised && i < v->appraisals->n; i++)
        put_appraisal(out, &v->appraisals->item[i], p);
    if (v->appraised)
        put_findings(out, v, p);
}

static void json_checks(vd_jw *w, const struct iss_claims_list *list)
{
    vd_jw_key(w, "checks");
    vd_jw_arr(w);
    for (size_t i = 0; i < list->n_checks; i++) {
        vd_jw_obj(w);
        vd_jw_kstr(w, "name", list->check[i].name);
        vd_jw_kbool(w, "ok", list->check[i].ok);
        vd_jw_kstr(w, "observed", list->check[i].observed);
        vd_jw_kstr(w, "expected", list->check[i].expected);
        vd_jw_end(w);
    }
    vd_jw_end(w);
}

static void json_appraisal(vd_jw *w, const struct iss_appraisal *a)
{
    vd_jw_kstr(w, "status", vd_ear_tier_name(a->tier));
    vd_jw_kstr(w, "policy", a->policy_id);
    vd_jw_khex(w, "policy_sha256", vd_span_of(a->policy_sha256, sizeof a->policy_sha256));
    vd_jw_key(w, "vector");
    vd_jw_obj(w);
    for (unsigned i = 0; i < VD_EAR_CLAIM_MAX; i++)
        if (a->set[i])
            vd_jw_ki64(w, vd_ear_claim_name((enum vd_ear_claim)i), a->value[i]);
    vd_jw_end(w);
}

static void json_event_log(vd_jw *w, const struct iss_claims *c)
{
    vd_jw_key(w, "event_log");
    vd_jw_obj(w);
    bool replayed = c->event_log == ISS_EVENT_LOG_REPLAYED;
    if (replayed)
        vd_jw_khex(w, "sha256", vd_span_of(c->event_log_sha256, sizeof c->event_log_sha256));
    vd_jw_kstr(w, "state", replayed ? "replayed" : "absent");
    vd_jw_end(w);
}

static void json_submods(vd_jw *w, const struct iss_verdict *v)
{
    vd_jw_key(w, "submods");
    vd_jw_arr(w);
    for (size_t i = 0; i < v->list->n; i++) {
        const struct iss_claims *c = &v->list->item[i];
        vd_jw_obj(w);
        if (v->appraised && i < v->appraisals->n)
            vd_jw_kstr(w, "name", v->appraisals->item[i].name);
        vd_jw_kstr(w, "tee", c->tee);
        vd_jw_kstr(w, "class", c->cls);
        vd_jw_kbool(w, "simulated", c->simulated);
        vd_jw_kbool(w, "debug", c->debug);
        if (c->hw_id[0])
            vd_jw_kstr(w, "hw_id", c->hw_id);
        if (c->has_report_data)
            vd_jw_kspan(w, "report_data", vd_buf_span(&c->report_data));
        if (c->has_init_data)
            vd_jw_kspan(w, "init_data", vd_buf_span(&c->init_data));
        if (c->event_log != ISS_EVENT_LOG_NONE)
            json_event_log(w, c);
        vd_jw_key(w, "claims");
        vd_jw_raw(w, vd_buf_span(&c->claims));
        iss_claims_put_events(vd_buf_span(&c->events), w->out);
        if (v->appraised && i < v->appraisals->n)
            json_appraisal(w, &v->appraisals->item[i]);
        vd_jw_end(w);
    }
    vd_jw_end(w);
}

static vd_rc put_json(vd_buf *out, const struct iss_verdict *v, vd_err *err)
{
    vd_jw w = vd_jw_of(out);
    vd_jw_obj(&w);
    vd_jw_kbool(&w, "verified", v->verified);
    vd_jw_kbool(&w, "appraised", v->appraised);
    vd_jw_kstr(&w, "tee", v->tee);
    vd_jw_key(&w, "at");
    vd_jw_time(&w, v->at);
    vd_jw_kbool(&w, "report_data_bound", v->data_bound);
    json_checks(&w, v->list);
    vd_jw_key(&w, "collateral_not_used");
    vd_jw_arr(&w);
    vd_span rest = v->notes;
    vd_span line;
    while (next_line(&rest, &line))
        vd_jw_str_span(&w, line);
    vd_jw_end(&w);
    if (v->verified)
        json_submods(&w, v);
    if (v->appraised) {
        VD_AUTO_BUF explanation = vd_buf_of(OUT_BYTES);
        VD_TRY(iss_explain(v->appraisals, &explanation, err));
        vd_jw_key(&w, "explanation");
        vd_jw_raw(&w, vd_buf_span(&explanation));
    } else {
        vd_jw_key(&w, "error");
        vd_jw_obj(&w);
        vd_jw_kstr(&w, "slug", vd_error_row(v->err->code)->slug);
        vd_jw_kstr(&w, "reason", v->err->msg);
        vd_jw_end(&w);
        if (!v->verified && v->list->unverified.n > 0) {
            vd_jw_key(&w, "unverified_claims");
            vd_jw_raw(&w, vd_buf_span(&v->list->unverified));
        }
    }
    vd_jw_end(&w);
    vd_buf_str(out, "\n");
    return VD_OK;
}

vd_rc iss_verify_print(const struct iss_verdict *v, bool json, vd_err *err)
{
    VD_AUTO_BUF out = vd_buf_of(OUT_BYTES);
    if (json)
        VD_TRY(put_json(&out, v, err));
    else
        put_human(&out, v, isatty(STDOUT_FILENO) == 1 ? &colours : &plain);
    VD_TRY(vd_buf_check(&out, err));
    if (fwrite(out.p, 1, out.n, stdout) != out.n || fflush(stdout) != 0)
        return vd_fail(err, VD_E_FILE, "standard output cannot be written");
    return VD_OK;
}
