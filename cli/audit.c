/* The audit verbs: verify, export, check-receipt work on files alone; show, head, key and receipt
 * ask a server. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"
#include "shared/base/slurp.h"

enum { KEY_MAX = 16384, HEAD_MAX = 8192, RECEIPT_MAX = 2 << 20 };

/* PEM or JWK. */
static vd_rc read_key(const char *path, struct vd_key **ret, vd_err *err)
{
    VD_AUTO_BUF text = vd_buf_of(KEY_MAX + 65536);
    VD_AUTO(vd_key_unref) struct vd_key *key = NULL;
    VD_TRY(vd_file_read(path, KEY_MAX, &text, NULL, err));
    vd_span in = cli_trim(vd_buf_span(&text));
    vd_rc_ rc = vd_span_starts(in, VD_LIT("{")) ? vd_key_from_jwk_text(in, VD_KEY_VERIFY, &key, err)
                                                : vd_key_from_pem(in, &key, err);
    if (rc.code != VD_E_OK)
        return rc;
    if (vd_key_type(key) != VD_KTY_ED25519)
        return vd_fail(err, VD_E_SETTING, "%s: checkpoints are signed with Ed25519 keys", path);
    *ret = VD_TAKE(key);
    return VD_OK;
}

static void write_report(vd_jw *w, const struct vd_audit_report *r)
{
    vd_jw_obj(w);
    vd_jw_kbool(w, "verified", true);
    vd_jw_ku64(w, "records", r->records);
    vd_jw_ku64(w, "first_seq", r->first_seq);
    vd_jw_ku64(w, "last_seq", r->last_seq);
    vd_jw_kstr(w, "head", r->head);
    vd_jw_ku64(w, "files", r->files);
    vd_jw_kbool(w, "export", r->part);
    vd_jw_ku64(w, "checkpoints", r->checkpoints);
    vd_jw_ku64(w, "signed_to", r->signed_to);
    if (r->checkpoints > 0) {
        vd_jw_kstr(w, "key", r->key);
        vd_jw_kbool(w, "key_given", r->key_given);
    }
    if (r->torn > 0)
        vd_jw_ku64(w, "unfinished_bytes", r->torn);
    vd_jw_end(w);
}

/* What the files are checked against; check->key and head are the caller's to free. */
static vd_rc read_check(const struct cli_args *a, struct vd_key **key, vd_buf *head,
                        struct vd_audit_check *ret, vd_err *err)
{
    if (a->key)
        VD_TRY(read_key(a->key, key, err));
    if (a->head)
        VD_TRY(vd_file_read(a->head, HEAD_MAX, head, NULL, err));
    *ret = (struct vd_audit_check){
        .file = a->arg, .n = a->n_arg, .key = *key, .head = vd_buf_span(head)
    };
    return VD_OK;
}

int cli_audit_verify(const struct cli_args *a)
{
    vd_err err = { 0 };
    struct vd_audit_report report = { 0 };
    struct vd_audit_check check;
    VD_AUTO(vd_key_unref) struct vd_key *key = NULL;
    VD_AUTO_BUF head = vd_buf_of(HEAD_MAX + 65536);
    VD_AUTO_BUF out = vd_buf_of(4096);
    vd_rc_ rc = read_check(a, &key, &head, &check, &err);
    if (rc.code == VD_E_OK)
        rc = vd_audit_verify_files(&check, &report, &err);
    if (rc.code != VD_E_OK)
        return cli_fail_err(&err);
    if (report.checkpoints > 0 && !key)
        cli_note(a, "checked against the key that the file itself names; give --key to be sure");
    if (report.first_seq > 1 && !report.part)
        cli_note(a, "the files with the records before %llu were not given",
                 (unsigned long long)report.first_seq);
    vd_jw w = vd_jw_of(&out);
    write_report(&w, &report);
    return cli_print(a, vd_buf_span(&out));
}

/* ---- export ---------------------------------------------------------------------------------- */

static vd_rc to_file(void *ctx, vd_span bytes, vd_err *err)
{
    FILE *f = ctx;
    if (bytes.n > 0 && fwrite(bytes.p, 1, bytes.n, f) != bytes.n)
        return vd_fail(err, VD_E_FILE, "writing: %s", strerror(errno));
    return VD_OK;
}

static vd_rc number(const char *text, uint64_t otherwise, uint64_t *ret, vd_err *err)
{
    vd_span s = vd_span_str(text);
    *ret = text ? 0 : otherwise;
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] < '0' || s.p[i] > '9' || s.n > 18)
            return vd_fail(err, VD_E_SETTING, "%.40s: not a sequence number", text);
        *ret = *ret * 10 + (uint64_t)(s.p[i] - '0');
    }
    return VD_OK;
}

static vd_rc export_to(const struct cli_args *a, const struct vd_audit_check *check, FILE *f,
                       struct vd_audit_report *ret, vd_err *err)
{
    uint64_t from = 0;
    uint64_t to = 0;
    if (!a->from || !a->to)
        VD_TRY(vd_audit_verify_files(check, ret, err));
    VD_TRY(number(a->from, ret->first_seq, &from, err));
    VD_TRY(number(a->to, ret->signed_to, &to, err));
    VD_TRY(vd_audit_export(check, from, to, to_file, f, ret, err));
    if (fflush(f) != 0)
        return vd_fail(err, VD_E_FILE, "writing: %s", strerror(errno));
    return VD_OK;
}

int cli_audit_export(const struct cli_args *a)
{
    vd_err err = { 0 };
    struct vd_audit_report report = { 0 };
    struct vd_audit_check check;
    VD_AUTO(vd_key_unref) struct vd_key *key = NULL;
    VD_AUTO_BUF head = vd_buf_of(HEAD_MAX + 65536);
    VD_AUTO_BUF out = vd_buf_of(4096);
    if (!a->out)
        return cli_fail(VD_EXIT_USAGE, "where to? add --out FILE");
    if (read_check(a, &key, &head, &check, &err).code != VD_E_OK)
        return cli_fail_err(&err);
    VD_AUTO(fclose) FILE *f = fopen(a->out, "wxe");
    if (!f)
        return cli_fail(VD_EXIT_USAGE, "%s: %s", a->out, strerror(errno));
    if (export_to(a, &check, f, &report, &err).code != VD_E_OK) {
        (void)remove(a->out);
        return cli_fail_err(&err);
    }
    vd_jw w = vd_jw_of(&out);
    write_report(&w, &report);
    return cli_print(a, vd_buf_span(&out));
}

/* ---- receipts -------------------------------------------------------------------------------- */

int cli_audit_check_receipt(const struct cli_args *a)
{
    vd_err err = { 0 };
    struct vd_audit_receipt_facts facts = { 0 };
    VD_AUTO(vd_key_unref) struct vd_key *key = NULL;
    VD_AUTO_BUF receipt = { 0 };
    VD_AUTO_BUF out = vd_buf_of(4096);
    if (!a->key)
        return cli_fail(VD_EXIT_USAGE, "which key? add --key FILE, the public key of the record");
    vd_rc_ rc = read_key(a->key, &key, &err);
    if (rc.code == VD_E_OK)
        rc = cli_read(a->arg[0], RECEIPT_MAX, &receipt, &err);
    if (rc.code == VD_E_OK)
        rc = vd_audit_receipt_check(vd_buf_span(&receipt), key, cli_trim(vd_span_str(a->record)),
                                    &facts, &err);
    if (rc.code != VD_E_OK)
        return cli_fail_err(&err);
    vd_jw w = vd_jw_of(&out);
    vd_jw_obj(&w);
    vd_jw_kbool(&w, "verified", true);
    vd_jw_ku64(&w, "seq", facts.seq);
    vd_jw_kstr(&w, "time", facts.time);
    vd_jw_kstr(&w, "event", facts.event);
    vd_jw_kstr(&w, "program", facts.program);
    vd_jw_kstr(&w, "log", facts.log);
    vd_jw_ku64(&w, "checkpoint", facts.checkpoint);
    vd_jw_end(&w);
    return cli_print(a, vd_buf_span(&out));
}

/* ---- from a server --------------------------------------------------------------------------- */

/* The answer's bytes as they are: a head and a receipt are kept and checked byte by byte. */
static int fetch(const struct cli_args *a, const char *path)
{
    vd_err err = { 0 };
    CLI_AUTO_API api = { 0 };
    __attribute__((cleanup(vd_answer_done))) struct vd_answer answer = { 0 };
    const struct cli_req req = { .method = "GET", .path = path };
    vd_rc_ rc = cli_api_open(a, NULL, &api, &err);
    if (rc.code == VD_E_OK)
        rc = cli_api_call(&api, &req, &answer, &err);
    if (rc.code != VD_E_OK)
        return cli_fail_err(&err);
    if (answer.status != 200)
        return cli_api_problem(a, &answer);
    rc = cli_save(a->out, vd_buf_span(&answer.body), &err);
    return rc.code == VD_E_OK ? VD_EXIT_OK : cli_fail_err(&err);
}

int cli_audit_head(const struct cli_args *a)
{
    return fetch(a, "/audit/head");
}

int cli_audit_key(const struct cli_args *a)
{
    return fetch(a, "/audit/key");
}

int cli_audit_receipt(const struct cli_args *a)
{
    VD_AUTO_BUF path = vd_buf_of(512);
    vd_buf_str(&path, "/audit/receipts/");
    cli_percent(vd_span_str(a->arg[0]), &path);
    const char *text = vd_buf_cstr(&path);
    return text ? fetch(a, text) : cli_fail(VD_EXIT_USAGE, "the sequence number is too long");
}

int cli_audit_show(const struct cli_args *a)
{
    vd_err err = { 0 };
    CLI_AUTO_API api = { 0 };
    VD_AUTO_BUF path = vd_buf_of(512);
    vd_buf_printf(&path, "/audit?after=%s&limit=%s", a->after ? a->after : "0",
                  a->limit ? a->limit : "100");
    if (cli_api_open(a, NULL, &api, &err).code != VD_E_OK)
        return cli_fail_err(&err);
    return cli_api_show(a, &api, vd_buf_cstr(&path));
}
