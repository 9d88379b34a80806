/* Loading of a configuration (defaults, file, environment, --set, in rising order) and its getters.
 * What is wrong with a value is said by config_value.c and config_apply.c. */
#include "shared/program/config.h"

#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "shared/base/log.h"
#include "shared/base/slurp.h"
#include "shared/codec/toml.h"
#include "shared/program/config_priv.h"

enum { FILE_MAX_BYTES = 1 << 20, JSON_MAX_BYTES = 4 << 20, NAME_SHOWN = 80 };

size_t vd_row_group(const struct vd_setting *row)
{
    const char *mark = strstr(row->key, "[].");
    return mark ? (size_t)(mark - row->key) : 0;
}

const char *vd_row_leaf(const struct vd_setting *row)
{
    const char *dot = strrchr(row->key, '.');
    return dot ? dot + 1 : row->key;
}

size_t vd_row_table(const struct vd_setting *row)
{
    size_t group = vd_row_group(row);
    const char *dot = strrchr(row->key, '.');
    return group ? group : dot ? (size_t)(dot - row->key) : 0;
}

const struct vd_setting **vd_rows_merge(const struct vd_setting *const *tables, const size_t *n,
                                        size_t n_tables, size_t *ret_n)
{
    size_t all = 0;
    for (size_t t = 0; t < n_tables; t++)
        all += n[t];
    const struct vd_setting **row = calloc(all + 1, sizeof *row);
    size_t kept = 0;
    for (size_t t = 0; row && t < n_tables; t++)
        for (size_t i = 0; i < n[t]; i++) {
            size_t k = 0;
            while (k < kept && strcmp(row[k]->key, tables[t][i].key) != 0)
                k++;
            if (k == kept)
                row[kept++] = &tables[t][i];
        }
    *ret_n = kept;
    return row;
}

uint32_t vd_config_line(const struct vd_config_at *at, const char *path, long index,
                        const char *leaf)
{
    if (!at->lines)
        return 0;
    char key[VD_CONFIG_PATH * 2];
    if (index == VD_CONFIG_NONE)
        (void)snprintf(key, sizeof key, "%s", path);
    else if (!leaf)
        (void)snprintf(key, sizeof key, "%s.%ld", path, index);
    else
        (void)snprintf(key, sizeof key, "%s.%ld.%s", path, index, leaf);
    uint64_t line = 0;
    vd_err none = { 0 };
    vd_jv v = vd_jv_get(vd_json_root(at->lines), key);
    if (vd_jv_u64(v, UINT32_MAX, &line, &none).code != VD_E_OK)
        return 0;
    return (uint32_t)line;
}

/* The arrays of tables that the rows speak of. */
static vd_rc make_groups(struct vd_config *c, vd_err *err)
{
    c->group = calloc(c->n_rows + 1, sizeof *c->group);
    if (!c->group)
        return vd_fail(err, VD_E_NOMEM, "configuration");
    for (size_t i = 0; i < c->n_rows; i++) {
        size_t n = vd_row_group(c->row[i]);
        if (n == 0)
            continue;
        char *name = vd_strdup_span(vd_span_of(c->row[i]->key, n));
        if (!name)
            return vd_fail(err, VD_E_NOMEM, "configuration");
        if (vd_config_group_of(c, name)) {
            free(name);
            continue;
        }
        c->group[c->n_groups].owned = name;
        c->group[c->n_groups++].name = name;
    }
    return VD_OK;
}

static vd_rc make(const struct vd_config_src *src, const struct vd_setting *const *tables,
                  const size_t *n, size_t n_tables, struct vd_config **ret, vd_err *err)
{
    VD_AUTO(vd_config_free) struct vd_config *c = calloc(1, sizeof *c);
    if (!c)
        return vd_fail(err, VD_E_NOMEM, "configuration");
    c->program = vd_strdup_span(vd_span_str(src->program ? src->program : "server"));
    c->row = vd_rows_merge(tables, n, n_tables, &c->n_rows);
    c->value = c->row ? calloc(c->n_rows + 1, sizeof *c->value) : NULL;
    if (!c->program || !c->value)
        return vd_fail(err, VD_E_NOMEM, "configuration");
    VD_TRY(make_groups(c, err));
    for (size_t i = 0; i < c->n_rows; i++)
        if (vd_row_group(c->row[i]) == 0)
            VD_TRY(vd_value_default(c, c->row[i], &c->value[i], err));
    *ret = VD_TAKE(c);
    return VD_OK;
}

void vd_config_free(struct vd_config *c)
{
    if (!c)
        return;
    for (size_t i = 0; i < c->n_groups; i++) {
        vd_config_items_free(c, c->group[i].item, c->group[i].n);
        free(c->group[i].owned);
    }
    for (size_t i = 0; c->value && i < c->n_rows; i++)
        vd_value_done(&c->value[i]);
    free(c->group);
    free(c->value);
    free(c->row);
    free(c->file);
    free(c->folder);
    free(c->program);
    free(c);
}

/* ---- file ------------------------------------------------------------------------------------ */

/* A message has 240 bytes; of a long path its end tells more. */
static const char *shown(const char *file)
{
    size_t n = strlen(file);
    return n > NAME_SHOWN ? file + n - NAME_SHOWN : file;
}

static vd_rc set_names(struct vd_config *c, const char *file, vd_err *err)
{
    const char *slash = strrchr(file, '/');
    vd_span folder = slash == file ? VD_LIT("/")
                     : slash       ? vd_span_of(file, (size_t)(slash - file))
                                   : VD_LIT(".");
    c->file = vd_strdup_span(vd_span_str(file));
    c->folder = vd_strdup_span(folder);
    return c->file && c->folder ? VD_OK : vd_fail(err, VD_E_NOMEM, "configuration");
}

static vd_rc syntax_error(const char *file, const vd_err *cause, vd_err *err)
{
    VD_AUTO_BUF text = vd_buf_of(512);
    vd_text_escape(vd_span_str(cause->msg), 150, &text);
    if (cause->text_line)
        return vd_fail(err, VD_E_CONFIG, "%s:%u: not valid TOML: %s", shown(file), cause->text_line,
                       vd_buf_cstr(&text));
    return vd_fail(err, VD_E_CONFIG, "%s: not valid TOML: %s", shown(file), vd_buf_cstr(&text));
}

static vd_rc load_file(struct vd_config *c, const struct vd_config_src *src, vd_err *err)
{
    VD_AUTO_BUF toml = vd_buf_of(FILE_MAX_BYTES + 65536);
    if (src->file_optional && access(src->file, F_OK) != 0 && errno == ENOENT)
        return VD_OK;
    vd_err cause = { 0 };
    if (vd_file_read(src->file, FILE_MAX_BYTES, &toml, NULL, &cause).code != VD_E_OK) {
        bool missing = cause.code == VD_E_NOT_FOUND;
        return vd_fail(err, VD_E_CONFIG,
                       missing ? "%.150s; make one with: vidimus-%s config-default"
                               : "%.150s; vidimus-%s must be able to read its configuration",
                       cause.msg, c->program);
    }
    VD_TRY(set_names(c, src->file, err));
    VD_AUTO_BUF json = vd_buf_of(JSON_MAX_BYTES);
    VD_AUTO_BUF lines = vd_buf_of(JSON_MAX_BYTES);
    if (vd_toml_to_json(vd_buf_span(&toml), &json, &lines, &cause).code != VD_E_OK)
        return syntax_error(src->file, &cause, err);
    VD_AUTO(vd_json_free) struct vd_json *doc = NULL;
    VD_AUTO(vd_json_free) struct vd_json *where = NULL;
    if (vd_json_parse(vd_buf_span(&json), VD_JSON_LIMITS(JSON_MAX_BYTES), &doc, &cause).code !=
            VD_E_OK ||
        vd_json_parse(vd_buf_span(&lines), VD_JSON_LIMITS(JSON_MAX_BYTES), &where, &cause).code !=
            VD_E_OK)
        return syntax_error(src->file, &cause, err);
    const struct vd_config_at at = { c, VD_FROM_FILE, shown(src->file), where };
    return vd_config_apply(&at, vd_json_root(doc), err);
}

/* ---- environment and --set ------------------------------------------------------------------- */

extern char **environ;

/* VIDIMUS_TEE__SNP__ALLOW_V2 -> tee.snp.allow_v2; false for names that are not of this form. */
static bool variable_key(const char *entry, vd_buf *name, vd_buf *key)
{
    static const char prefix[] = "VIDIMUS_";
    size_t n = strcspn(entry, "=");
    if (strncmp(entry, prefix, sizeof prefix - 1) != 0 || n >= VD_CONFIG_PATH)
        return false;
    vd_buf_reset(name);
    vd_buf_add(name, vd_span_of(entry, n));
    vd_buf_reset(key);
    bool dotted = false;
    for (size_t i = sizeof prefix - 1; i < n; i++) {
        if (entry[i] == '_' && entry[i + 1] == '_') {
            vd_buf_u8(key, '.');
            dotted = true;
            i++;
        } else {
            vd_buf_u8(key, (uint8_t)tolower((unsigned char)entry[i]));
        }
    }
    return dotted;
}

static vd_rc load_environment(struct vd_config *c, vd_err *err)
{
    VD_AUTO_BUF name = vd_buf_of(VD_CONFIG_PATH);
    VD_AUTO_BUF key = vd_buf_of(VD_CONFIG_PATH);
    for (char **e = environ; e && *e; e++) {
        if (!variable_key(*e, &name, &key))
            continue;
        const char *value = secure_getenv(vd_buf_cstr(&name));
        if (!value)
            continue;
        const struct vd_config_at at = { c, VD_FROM_ENV, vd_buf_cstr(&name), NULL };
        VD_TRY(vd_config_apply_text(&at, vd_buf_cstr(&key), value, err));
    }
    return VD_OK;
}

static vd_rc load_set(struct vd_config *c, const char *const *set, vd_err *err)
{
    for (; set && *set; set++) {
        size_t n = strcspn(*set, "=");
        if (n == 0 || (*set)[n] != '=' || n >= VD_CONFIG_PATH)
            return vd_fail(err, VD_E_CONFIG, "--set %.100s: write table.key=value", *set);
        VD_AUTO(free) char *key = vd_strdup_span(vd_span_of(*set, n));
        if (!key)
            return vd_fail(err, VD_E_NOMEM, "configuration");
        const struct vd_config_at at = { c, VD_FROM_SET, "--set", NULL };
        VD_TRY(vd_config_apply_text(&at, key, *set + n + 1, err));
    }
    return VD_OK;
}

/* ---- whole ----------------------------------------------------------------------------------- */

static vd_rc check_required(const struct vd_config *c, vd_err *err)
{
    for (size_t i = 0; i < c->n_rows; i++) {
        const struct vd_setting *row = c->row[i];
        if (!row->required || vd_row_group(row) || c->value[i].given)
            continue;
        return vd_fail(err, VD_E_CONFIG, "%s: %s: required; add %s = %s below [%.*s]",
                       c->file ? shown(c->file) : "configuration", row->key, vd_row_leaf(row),
                       row->type == VD_SET_STRS  ? "[\"...\"]"
                       : row->type == VD_SET_U64 ? "NUMBER"
                                                 : "\"...\"",
                       (int)vd_row_table(row), row->key);
    }
    return VD_OK;
}

static void take_limits(struct vd_config *c)
{
    const struct vd_limits defaults = VD_LIMITS_DEFAULT;
    c->limits = defaults;
#define VD_LIMIT_TAKE(field, def, hard, reason)                                                    \
    if (vd_config_row(c, "limits." #field) != VD_CONFIG_NONE)                                      \
        c->limits.field = vd_config_u64(c, "limits." #field);
    VD_LIMITS(VD_LIMIT_TAKE)
#undef VD_LIMIT_TAKE
}

vd_rc vd_config_load(const struct vd_config_src *src, const struct vd_setting *const *tables,
                     const size_t *n, size_t n_tables, struct vd_config **ret, vd_err *err)
{
    VD_AUTO(vd_config_free) struct vd_config *c = NULL;
    VD_TRY(make(src, tables, n, n_tables, &c, err));
    if (src->file)
        VD_TRY(load_file(c, src, err));
    if (src->environment)
        VD_TRY(load_environment(c, err));
    VD_TRY(load_set(c, src->set, err));
    VD_TRY(check_required(c, err));
    take_limits(c);
    *ret = VD_TAKE(c);
    return VD_OK;
}

/* ---- getters --------------------------------------------------------------------------------- */

static const struct vd_value *value_of(const struct vd_config *c, const char *key, unsigned types)
{
    long row = vd_config_row(c, key);
    assert(row != VD_CONFIG_NONE && (1u << c->row[row]->type & types));
    return &c->value[row];
}

static const struct vd_value *item_value(const struct vd_config *c, const char *table, size_t i,
                                         const char *key, unsigned types)
{
    const struct vd_config_group *g = vd_config_group_of(c, table);
    char full[VD_CONFIG_PATH];
    (void)snprintf(full, sizeof full, "%s[].%s", table, key);
    long row = vd_config_row(c, full);
    assert(g && i < g->n && row != VD_CONFIG_NONE && (1u << c->row[row]->type & types));
    return &g->item[i].value[row];
}

enum {
    AS_STR = 1u << VD_SET_STR | 1u << VD_SET_ENUM | 1u << VD_SET_PATH,
    AS_U64 = 1u << VD_SET_U64,
    AS_BOOL = 1u << VD_SET_BOOL,
    AS_STRS = 1u << VD_SET_STRS,
    AS_ANY = AS_STR | AS_U64 | AS_BOOL | AS_STRS,
};

static const char *const *strs_of(const struct vd_value *v, size_t *ret_n)
{
    static const char *const none[] = { NULL };
    if (ret_n)
        *ret_n = v->n_strs;
    return v->strs ? (const char *const *)v->strs : none;
}

const char *vd_config_str(const struct vd_config *c, const char *key)
{
    return value_of(c, key, AS_STR)->str;
}

uint64_t vd_config_u64(const struct vd_config *c, const char *key)
{
    return value_of(c, key, AS_U64)->u64;
}

bool vd_config_bool(const struct vd_config *c, const char *key)
{
    return value_of(c, key, AS_BOOL)->yes;
}

const char *const *vd_config_strs(const struct vd_config *c, const char *key, size_t *ret_n)
{
    return strs_of(value_of(c, key, AS_STRS), ret_n);
}

bool vd_config_is_set(const struct vd_config *c, const char *key)
{
    return value_of(c, key, AS_ANY)->from != VD_FROM_DEFAULT;
}

size_t vd_config_tables(const struct vd_config *c, const char *table)
{
    const struct vd_config_group *g = vd_config_group_of(c, table);
    assert(g);
    return g->n;
}

const char *vd_config_tstr(const struct vd_config *c, const char *table, size_t i, const char *key)
{
    return item_value(c, table, i, key, AS_STR)->str;
}

uint64_t vd_config_tu64(const struct vd_config *c, const char *table, size_t i, const char *key)
{
    return item_value(c, table, i, key, AS_U64)->u64;
}

bool vd_config_tbool(const struct vd_config *c, const char *table, size_t i, const char *key)
{
    return item_value(c, table, i, key, AS_BOOL)->yes;
}

const char *const *vd_config_tstrs(const struct vd_config *c, const char *table, size_t i,
                                   const char *key, size_t *ret_n)
{
    return strs_of(item_value(c, table, i, key, AS_STRS), ret_n);
}

void vd_config_where(const struct vd_config *c, const char *key, vd_buf *out)
{
    const struct vd_value *v = value_of(c, key, AS_ANY);
    switch (v->from) {
    case VD_FROM_FILE:
        vd_buf_printf(out, "%s:%u ", shown(c->file), v->line);
        break;
    case VD_FROM_ENV:
        vd_buf_str(out, "environment ");
        break;
    case VD_FROM_SET:
        vd_buf_str(out, "--set ");
        break;
    case VD_FROM_DEFAULT:
        vd_buf_str(out, "default ");
        break;
    }
    vd_buf_str(out, key);
}

const struct vd_limits *vd_config_limits(const struct vd_config *c)
{
    return &c->limits;
}
