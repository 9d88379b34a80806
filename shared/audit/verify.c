/* Checking a record offline: the chain over all of its files, every checkpoint against the tree of
 * the records before it, and, when somebody kept one, that a head is part of it. */
#include "shared/audit/verify_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "shared/codec/b64.h"

enum { NAME = 8192 };

static vd_rc wrong(const struct vd_verify *v, const struct vd_audit_line *line, const char *what,
                   vd_err *err)
{
    return vd_fail(err, VD_E_STORE_CORRUPT, "%s: record %llu %s", v->path,
                   (unsigned long long)line->seq, what);
}

/* ---- one record ------------------------------------------------------------------------------ */

static vd_rc take_key(struct vd_verify *v, vd_span jwk, vd_err *err)
{
    if (v->key || jwk.n == 0)
        return VD_OK;
    if (vd_key_from_jwk_text(jwk, VD_KEY_VERIFY, &v->key, NULL).code != VD_E_OK)
        return vd_fail(err, VD_E_STORE_CORRUPT, "%s: names a key that is none", v->path);
    return VD_OK;
}

static vd_rc take_begin(struct vd_verify *v, const struct vd_audit_line *line, vd_err *err)
{
    struct vd_audit_begin b;
    VD_AUTO_BUF jwk = vd_buf_of(4096);
    vd_err own = { 0 };
    if (vd_audit_begin_parse(line->detail, &b, &jwk, &own).code != VD_E_OK)
        return wrong(v, line, own.msg, err);
    if (v->log[0] && (strcmp(v->log, b.log) != 0 || strcmp(v->program, b.program) != 0))
        return wrong(v, line, "begins a file of another record", err);
    memcpy(v->program, b.program, sizeof v->program);
    memcpy(v->log, b.log, sizeof v->log);
    return take_key(v, b.key, err);
}

static vd_rc take_checkpoint(struct vd_verify *v, const struct vd_audit_line *line, vd_err *err)
{
    struct vd_audit_checkpoint c;
    uint8_t root[32];
    vd_err own = { 0 };
    if (vd_audit_checkpoint_parse(line, &c, &own).code != VD_E_OK)
        return wrong(v, line, own.msg, err);
    if (strcmp(c.program, v->program) != 0 || strcmp(c.log, v->log) != 0)
        return wrong(v, line, "is a checkpoint of another record", err);
    if (!v->key)
        return wrong(v, line, "is a checkpoint, and no key is known: give the public key", err);
    if (v->tree.n == 0 || c.from != v->from)
        return wrong(v, line, "is a checkpoint of other records than those before it", err);
    VD_TRY(vd_merkle_root(&v->tree, root, err));
    if (!vd_span_eq(vd_span_of(root, 32), vd_span_of(c.root, 32)))
        return wrong(v, line, "is a checkpoint whose root is not that of the records", err);
    if (vd_audit_checkpoint_verify(&c, line->time, v->key, NULL).code != VD_E_OK)
        return wrong(v, line, "is a checkpoint that this key did not sign", err);
    memcpy(v->report.key, c.key, sizeof v->report.key);
    v->report.checkpoints++;
    v->report.signed_to = c.to;
    v->tree = (struct vd_merkle){ 0 };
    v->from = line->seq + 1;
    return VD_OK;
}

static vd_rc take_head(struct vd_verify *v, const struct vd_audit_line *line, vd_err *err)
{
    if (v->head_seq == 0 || line->seq != v->head_seq)
        return VD_OK;
    v->head_found = true;
    if (!vd_span_eq(line->text, v->head))
        return wrong(v, line, "is not the head that was kept: another record stands in its place",
                     err);
    return VD_OK;
}

static vd_rc take_record(void *ctx, const struct vd_audit_line *line, uint64_t offset, vd_err *err)
{
    struct vd_verify *v = ctx;
    uint8_t leaf[32];
    (void)offset;
    VD_TRY(take_head(v, line, err));
    if (vd_span_eq_str(line->event, "begin"))
        VD_TRY(take_begin(v, line, err));
    if (v->each)
        VD_TRY(v->each(v->ctx, v, line, err));
    if (vd_span_eq_str(line->event, VD_AUDIT_CHECKPOINT))
        return take_checkpoint(v, line, err);
    if (v->tree.n == 0)
        v->from = line->seq;
    VD_TRY(vd_merkle_leaf(line->text, leaf, err));
    return vd_merkle_add(&v->tree, leaf, err);
}

/* ---- one file -------------------------------------------------------------------------------- */

/* The line in front of an export (docs/audit.md): what the range is and what it continues. */
static vd_rc read_export_line(struct vd_verify *v, int fd, struct vd_audit_scan *ret_start,
                              bool *ret_is, vd_err *err)
{
    uint8_t text[VD_EXPORT_LINE];
    ssize_t n = pread(fd, text, sizeof text, 0);
    vd_span in = vd_span_of(text, n > 0 ? (size_t)n : 0);
    vd_rd r = vd_rd_of(vd_span_part(in, 0, vd_span_find(in, '\n')));
    *ret_is = vd_audit_take_literal(&r, "{\"export\":1,");
    if (!*ret_is)
        return VD_OK;
    uint64_t from = 0;
    VD_AUTO_BUF jwk = vd_buf_of(256);
    char x[VD_AUDIT_THUMBPRINT + 1];
    bool ok = vd_audit_take_literal(&r, "\"program\":\"") &&
              vd_audit_take_word(&r, v->program, sizeof v->program) &&
              vd_audit_take_literal(&r, "\",\"log\":\"") &&
              vd_audit_take_word(&r, v->log, sizeof v->log) &&
              vd_audit_take_literal(&r, "\",\"from\":") && vd_audit_take_number(&r, &from) &&
              vd_audit_take_literal(&r, ",\"to\":") && vd_audit_take_number(&r, &v->export_to) &&
              vd_audit_take_literal(&r, ",\"prev\":\"") &&
              vd_audit_take_hex(&r, ret_start->head, 32) &&
              vd_audit_take_literal(&r, "\",\"key\":\"") && vd_audit_take_word(&r, x, sizeof x) &&
              vd_audit_take_literal(&r, "\"}");
    if (!ok || !vd_rd_end(&r))
        return vd_fail(err, VD_E_STORE_CORRUPT, "%s: its first line is damaged", v->path);
    vd_buf_printf(&jwk, "{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"%s\"}", x);
    VD_TRY(vd_buf_check(&jwk, err));
    ret_start->last_seq = from - 1;
    ret_start->good_end = r.at + 1;
    return take_key(v, vd_buf_span(&jwk), err);
}

static vd_rc check_joint(const struct vd_verify *v, const struct vd_audit_scan *s, vd_err *err)
{
    const struct vd_audit_report *r = &v->report;
    if (r->files == 0)
        return VD_OK;
    if (v->torn)
        return vd_fail(err, VD_E_STORE_CORRUPT,
                       "%s: does not continue a file whose last line is unfinished", v->path);
    if (s->first_seq != r->last_seq + 1)
        return vd_fail(err, VD_E_STORE_CORRUPT,
                       "%s: begins with record %llu behind record %llu: a file is missing", v->path,
                       (unsigned long long)s->first_seq, (unsigned long long)r->last_seq);
    if (!vd_span_eq(vd_span_of(s->before, 32), vd_span_of(v->last, 32)))
        return vd_fail(err, VD_E_STORE_CORRUPT,
                       "%s: does not continue the file before it: one of the two was changed",
                       v->path);
    return VD_OK;
}

static vd_rc verify_file(struct vd_verify *v, const char *path, vd_err *err)
{
    struct stat st;
    struct vd_audit_scan scan;
    struct vd_audit_scan start = { 0 };
    bool part = false;
    VD_AUTO_FD int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &st) != 0 || !S_ISREG(st.st_mode))
        return vd_fail(err, VD_E_FILE, "%s: %s", path, fd < 0 ? strerror(errno) : "is not a file");
    v->path = path;
    VD_TRY(read_export_line(v, fd, &start, &part, err));
    v->report.part = part;
    VD_TRY(vd_audit_scan(path, fd, part ? &start : NULL, take_record, v, &scan, err));
    if (part && (scan.last_seq != v->export_to || scan.torn > 0 || v->tree.n > 0))
        return vd_fail(err, VD_E_STORE_CORRUPT, "%s: is not the whole range that it names", path);
    VD_TRY(check_joint(v, &scan, err));
    if (v->report.files++ == 0)
        v->report.first_seq = scan.first_seq;
    v->report.records += scan.records;
    v->report.last_seq = scan.last_seq;
    v->report.torn = scan.torn;
    v->torn = scan.torn > 0;
    memcpy(v->last, scan.head, 32);
    return VD_OK;
}

/* ---- which files ----------------------------------------------------------------------------- */

struct one_file {
    char *path;
    uint64_t first;
};

struct file_list {
    struct one_file *item;
    size_t n;
};

static void file_list_done(struct file_list *l)
{
    for (size_t i = 0; i < l->n; i++)
        free(l->item[i].path);
    free(l->item);
    *l = (struct file_list){ 0 };
}

/* Sequence of the first line; 0 when it has none that can be read, which the check will explain. */
static uint64_t first_seq(const char *path)
{
    uint8_t text[64];
    uint64_t seq = 0;
    VD_AUTO_FD int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd >= 0 ? pread(fd, text, sizeof text, 0) : 0;
    vd_rd r = vd_rd_of(vd_span_of(text, n > 0 ? (size_t)n : 0));
    return vd_audit_take_literal(&r, "{\"seq\":") && vd_audit_take_number(&r, &seq) ? seq : 0;
}

static vd_rc add_file(struct file_list *l, const char *path, vd_err *err)
{
    struct one_file f = { strdup(path), first_seq(path) };
    struct one_file *p = f.path ? reallocarray(l->item, l->n + 1, sizeof *p) : NULL;
    if (!p) {
        free(f.path);
        return vd_fail(err, VD_E_NOMEM, "files");
    }
    l->item = p;
    size_t at = l->n++;
    for (; at > 0 && p[at - 1].first > f.first; at--)
        p[at] = p[at - 1];
    p[at] = f;
    return VD_OK;
}

/* Of a single file that continues others: those beside it. */
static vd_rc add_siblings(struct file_list *l, const char *path, vd_err *err)
{
    uint64_t own = first_seq(path);
    VD_AUTO(free) uint64_t *older = NULL;
    VD_AUTO_BUF name = vd_buf_of(NAME);
    size_t n = 0;
    if (own <= 1)
        return VD_OK;
    VD_TRY(vd_audit_older_find(path, &older, &n, err));
    for (size_t i = 0; i < n; i++) {
        VD_TRY(vd_audit_older_name(path, older[i], &name, err));
        if (older[i] < own)
            VD_TRY(add_file(l, vd_buf_cstr(&name), err));
    }
    return VD_OK;
}

static vd_rc find_files(const struct vd_audit_check *c, struct file_list *l, vd_err *err)
{
    for (size_t i = 0; i < c->n; i++)
        VD_TRY(add_file(l, c->file[i], err));
    return c->n == 1 ? add_siblings(l, c->file[0], err) : VD_OK;
}

/* ---- whole ----------------------------------------------------------------------------------- */

static vd_rc take_kept_head(struct vd_verify *v, vd_span head, vd_err *err)
{
    struct vd_audit_line line;
    struct vd_audit_checkpoint c;
    v->head = vd_span_part(head, 0, vd_span_find(head, '\n'));
    if (head.n == 0)
        return VD_OK;
    if (vd_audit_line_parse(v->head, &line, NULL).code != VD_E_OK ||
        vd_audit_checkpoint_parse(&line, &c, NULL).code != VD_E_OK)
        return vd_fail(err, VD_E_STORE_CORRUPT, "the head that was kept is no checkpoint");
    v->head_seq = line.seq;
    return VD_OK;
}

static vd_rc verify_list(struct vd_verify *v, const struct file_list *l, vd_err *err)
{
    for (size_t i = 0; i < l->n; i++)
        VD_TRY(verify_file(v, l->item[i].path, err));
    if (v->head_seq > 0 && !v->head_found)
        return vd_fail(err, VD_E_STORE_CORRUPT,
                       "record %llu of the head that was kept is not there: records %llu to %llu "
                       "are",
                       (unsigned long long)v->head_seq, (unsigned long long)v->report.first_seq,
                       (unsigned long long)v->report.last_seq);
    VD_AUTO_BUF hex = vd_buf_of(128);
    vd_hex_encode(vd_span_of(v->last, 32), &hex);
    VD_TRY(vd_buf_check(&hex, err));
    memcpy(v->report.head, hex.p, 64);
    return VD_OK;
}

vd_rc vd_verify_run(struct vd_verify *v, const struct vd_audit_check *check, vd_err *err)
{
    __attribute__((cleanup(file_list_done))) struct file_list l = { 0 };
    VD_TRY(take_kept_head(v, check->head, err));
    VD_TRY(find_files(check, &l, err));
    v->key = check->key ? vd_key_ref(check->key) : NULL;
    v->report.key_given = check->key != NULL;
    return verify_list(v, &l, err);
}

void vd_verify_done(struct vd_verify *v)
{
    vd_key_unref(v->key);
    v->key = NULL;
}

vd_rc vd_audit_verify_files(const struct vd_audit_check *check, struct vd_audit_report *ret,
                            vd_err *err)
{
    VD_AUTO_VERIFY v = { 0 };
    VD_TRY(vd_verify_run(&v, check, err));
    *ret = v.report;
    return VD_OK;
}

vd_rc vd_audit_verify(const char *path, struct vd_audit_report *ret, vd_err *err)
{
    VD_AUTO_VERIFY v = { 0 };
    __attribute__((cleanup(file_list_done))) struct file_list l = { 0 };
    VD_TRY(add_file(&l, path, err));
    VD_TRY(verify_list(&v, &l, err));
    *ret = v.report;
    return VD_OK;
}
