/* One value of the configuration: reading it from JSON (TOML came through shared/codec/toml.h),
 * from the text of --set or a variable, or from a row's default, and the one-line messages for what
 * is wrong. */
#include "shared/program/config_priv.h"

#include "shared/base/log.h"
#include "shared/codec/toml.h"

enum { TEXT_MAX = 1 << 16, SHOW_MAX = 40 };

void vd_value_done(struct vd_value *v)
{
    free(v->str);
    for (size_t i = 0; i < v->n_strs; i++)
        free(v->strs[i]);
    free(v->strs);
    *v = (struct vd_value){ 0 };
}

static const char *expected(enum vd_setting_type type)
{
    switch (type) {
    case VD_SET_STR:
    case VD_SET_ENUM:
        return "a string";
    case VD_SET_PATH:
        return "a string with a path";
    case VD_SET_U64:
        return "an integer";
    case VD_SET_BOOL:
        return "true or false";
    case VD_SET_STRS:
        return "an array of strings";
    case VD_SET_TYPE_MAX:
        break;
    }
    return "another type";
}

static bool whole_number(vd_jv v)
{
    vd_span text = vd_jv_raw(v);
    for (size_t i = 0; i < text.n; i++)
        if (!(text.p[i] >= '0' && text.p[i] <= '9') && !(i == 0 && text.p[i] == '-'))
            return false;
    return text.n > 0;
}

static const char *found(vd_jv v)
{
    switch (vd_jv_type(v)) {
    case VD_JSON_OBJECT:
        return "a table";
    case VD_JSON_ARRAY:
        return "an array";
    case VD_JSON_STRING:
        return "a string";
    case VD_JSON_NUMBER:
        return whole_number(v) ? "an integer" : "a number with a fraction";
    case VD_JSON_TRUE:
    case VD_JSON_FALSE:
        return "a boolean";
    case VD_JSON_NULL:
    case VD_JSON_NONE:
        break;
    }
    return "nothing";
}

/* A right line to copy, with the default when the row has one. */
static void cure(const struct vd_config_at *at, const struct vd_setting *row, vd_buf *out)
{
    static const char *const any[VD_SET_TYPE_MAX] = {
        [VD_SET_STR] = "\"...\"",    [VD_SET_U64] = "1",        [VD_SET_BOOL] = "true",
        [VD_SET_STRS] = "[\"...\"]", [VD_SET_ENUM] = "\"...\"", [VD_SET_PATH] = "\"/...\"",
    };
    bool quoted = row->type == VD_SET_STR || row->type == VD_SET_ENUM || row->type == VD_SET_PATH;
    vd_buf_printf(out, "%s = ", vd_row_leaf(row));
    if (!row->def) {
        vd_buf_str(out, any[row->type]);
        return;
    }
    vd_buf_str(out, quoted ? "\"" : "");
    vd_default_text(row->def, at->c->program, out);
    vd_buf_str(out, quoted ? "\"" : "");
}

static vd_rc wrong_type(const struct vd_config_at *at, const struct vd_setting *row,
                        const char *path, uint32_t line, vd_jv v, vd_err *err)
{
    VD_AUTO_BUF example = vd_buf_of(512);
    cure(at, row, &example);
    return vd_config_fail(at, line, path, err, "expected %s, found %s; write %s",
                          expected(row->type), found(v), vd_buf_cstr(&example));
}

static vd_rc read_u64(const struct vd_config_at *at, const struct vd_setting *row, const char *path,
                      uint32_t line, vd_jv v, uint64_t *ret, vd_err *err)
{
    if (!vd_jv_is(v, VD_JSON_NUMBER) || !whole_number(v))
        return wrong_type(at, row, path, line, v, err);
    uint64_t max = row->max ? row->max : INT64_MAX;
    uint64_t n = 0;
    vd_err none = { 0 };
    vd_rc_ rc = vd_jv_u64(v, max, &n, &none);
    if (rc.code == VD_E_OK && n >= row->min) {
        *ret = n;
        return VD_OK;
    }
    vd_span text = vd_jv_raw(v);
    return vd_config_fail(at, line, path, err, "%.*s is out of range; allowed are %llu to %llu",
                          (int)(text.n < SHOW_MAX ? text.n : SHOW_MAX), (const char *)text.p,
                          (unsigned long long)row->min, (unsigned long long)max);
}

static bool is_choice(const char *choices, const char *word)
{
    vd_span left = vd_span_str(choices);
    while (left.n) {
        size_t n = vd_span_find(left, ' ');
        if (vd_span_eq_str(vd_span_part(left, 0, n), word))
            return true;
        left = vd_span_part(left, n + 1, SIZE_MAX);
    }
    return false;
}

static vd_rc check_choice(const struct vd_config_at *at, const struct vd_setting *row,
                          const char *path, uint32_t line, const char *word, vd_err *err)
{
    if (is_choice(row->choices, word))
        return VD_OK;
    VD_AUTO_BUF shown = vd_buf_of(256);
    vd_text_escape(vd_span_str(word), SHOW_MAX, &shown);
    VD_AUTO_BUF list = vd_buf_of(512);
    for (const char *c = row->choices; *c; c++)
        vd_buf_str(&list, *c == ' ' ? ", " : (const char[]){ *c, 0 });
    return vd_config_fail(at, line, path, err, "\"%s\" is not allowed; choose one of: %s",
                          vd_buf_cstr(&shown), vd_buf_cstr(&list));
}

/* A relative path of the file means the file's folder, wherever the server was started. */
static vd_rc resolve(const struct vd_config_at *at, const char *path, uint32_t line, char **text,
                     vd_err *err)
{
    if (!**text)
        return vd_config_fail(at, line, path, err,
                              "the path is empty; name a file, or leave the key out");
    if (at->from != VD_FROM_FILE || **text == '/')
        return VD_OK;
    VD_AUTO_BUF full = vd_buf_of(TEXT_MAX);
    vd_buf_printf(&full, "%s/%s", at->c->folder, *text);
    char *copy = vd_strdup_span(vd_buf_span(&full));
    if (!copy || full.bad) {
        free(copy);
        return vd_fail(err, VD_E_NOMEM, "configuration");
    }
    free(*text);
    *text = copy;
    return VD_OK;
}

static vd_rc read_str(const struct vd_config_at *at, const struct vd_setting *row, const char *path,
                      uint32_t line, vd_jv v, char **ret, vd_err *err)
{
    if (!vd_jv_is(v, VD_JSON_STRING))
        return wrong_type(at, row, path, line, v, err);
    VD_AUTO(free) char *text = NULL;
    VD_TRY(vd_jv_strdup(v, &text, err));
    if (row->type == VD_SET_ENUM)
        VD_TRY(check_choice(at, row, path, line, text, err));
    if (row->type == VD_SET_PATH)
        VD_TRY(resolve(at, path, line, &text, err));
    *ret = VD_TAKE(text);
    return VD_OK;
}

static vd_rc read_strs(const struct vd_config_at *at, const struct vd_setting *row,
                       const char *path, uint32_t line, vd_jv v, struct vd_value *out, vd_err *err)
{
    if (!vd_jv_is(v, VD_JSON_ARRAY))
        return wrong_type(at, row, path, line, v, err);
    out->strs = calloc(vd_jv_count(v) + 1, sizeof *out->strs);
    if (!out->strs)
        return vd_fail(err, VD_E_NOMEM, "configuration");
    vd_jv_iter it = vd_jv_iter_of(v);
    while (vd_jv_next(&it)) {
        if (!vd_jv_is(it.value, VD_JSON_STRING))
            return wrong_type(at, row, path, line, it.value, err);
        VD_TRY(vd_jv_strdup(it.value, &out->strs[out->n_strs], err));
        out->n_strs++;
    }
    return VD_OK;
}

vd_rc vd_value_read(const struct vd_config_at *at, const struct vd_setting *row, const char *path,
                    uint32_t line, vd_jv v, struct vd_value *ret, vd_err *err)
{
    struct vd_value out = { .from = at->from, .given = true, .line = line };
    vd_rc_ rc = VD_OK;
    switch (row->type) {
    case VD_SET_U64:
        rc = read_u64(at, row, path, line, v, &out.u64, err);
        break;
    case VD_SET_BOOL:
        out.yes = vd_jv_is(v, VD_JSON_TRUE);
        if (!out.yes && !vd_jv_is(v, VD_JSON_FALSE))
            rc = wrong_type(at, row, path, line, v, err);
        break;
    case VD_SET_STR:
    case VD_SET_ENUM:
    case VD_SET_PATH:
        rc = read_str(at, row, path, line, v, &out.str, err);
        break;
    case VD_SET_STRS:
        rc = read_strs(at, row, path, line, v, &out, err);
        break;
    case VD_SET_TYPE_MAX:
        rc = vd_fail(err, VD_E_INTERNAL, "setting %s has no type", row->key);
        break;
    }
    if (rc.code != VD_E_OK) {
        vd_value_done(&out);
        return rc;
    }
    vd_value_done(ret);
    *ret = out;
    return VD_OK;
}

struct vd_json *vd_config_toml(const char *text, vd_buf *json)
{
    VD_AUTO_BUF doc = vd_buf_of(TEXT_MAX);
    vd_buf_printf(&doc, "v = %s\n", text);
    vd_err none = { 0 };
    struct vd_json *j = NULL;
    if (doc.bad || vd_toml_to_json(vd_buf_span(&doc), json, NULL, &none).code != VD_E_OK ||
        vd_json_parse(vd_buf_span(json), VD_JSON_LIMITS(TEXT_MAX), &j, &none).code != VD_E_OK)
        return NULL;
    if (vd_jv_count(vd_json_root(j)) != 1) { /* a line end in the text smuggled a second key in */
        vd_json_free(j);
        return NULL;
    }
    return j;
}

vd_rc vd_value_text(const struct vd_config_at *at, const struct vd_setting *row, const char *path,
                    const char *text, struct vd_value *ret, vd_err *err)
{
    bool wants_string =
        row->type == VD_SET_STR || row->type == VD_SET_ENUM || row->type == VD_SET_PATH;
    VD_AUTO_BUF json = vd_buf_of(TEXT_MAX);
    VD_AUTO(vd_json_free) struct vd_json *j = vd_config_toml(text, &json);
    vd_jv v = j ? vd_jv_get(vd_json_root(j), "v") : (vd_jv){ 0 };
    if (vd_jv_ok(v) && (!wants_string || vd_jv_is(v, VD_JSON_STRING)))
        return vd_value_read(at, row, path, 0, v, ret, err);
    /* Not TOML, or a number where a string is wanted: the text itself is the string. */
    vd_buf_reset(&json);
    vd_jw w = vd_jw_of(&json);
    vd_jw_arr(&w);
    vd_jw_str(&w, text);
    vd_jw_end(&w);
    VD_AUTO(vd_json_free) struct vd_json *plain = NULL;
    vd_err none = { 0 };
    if (json.bad ||
        vd_json_parse(vd_buf_span(&json), VD_JSON_LIMITS(TEXT_MAX), &plain, &none).code != VD_E_OK)
        return vd_config_fail(at, 0, path, err, "the value is not readable text");
    vd_jv_iter it = vd_jv_iter_of(vd_json_root(plain));
    (void)vd_jv_next(&it);
    return vd_value_read(at, row, path, 0, it.value, ret, err);
}

void vd_default_text(const char *def, const char *program, vd_buf *out)
{
    static const char mark[] = "{program}";
    for (const char *s = def; *s;) {
        if (strncmp(s, mark, sizeof mark - 1) == 0) {
            vd_buf_str(out, program);
            s += sizeof mark - 1;
        } else {
            vd_buf_u8(out, (uint8_t)*s++);
        }
    }
}

/* Defaults are ours: one that its own row would refuse is a mistake in the table. */
vd_rc vd_value_default(const struct vd_config *c, const struct vd_setting *row,
                       struct vd_value *ret, vd_err *err)
{
    if (!row->def)
        return VD_OK;
    VD_AUTO_BUF text = vd_buf_of(TEXT_MAX);
    vd_default_text(row->def, c->program, &text);
    VD_AUTO_BUF json = vd_buf_of(TEXT_MAX);
    bool quoted = row->type == VD_SET_STR || row->type == VD_SET_ENUM || row->type == VD_SET_PATH;
    vd_jw w = vd_jw_of(&json);
    vd_jw_arr(&w);
    if (quoted)
        vd_jw_str(&w, vd_buf_cstr(&text));
    else
        vd_jw_raw(&w, vd_buf_span(&text));
    vd_jw_end(&w);
    VD_AUTO(vd_json_free) struct vd_json *j = NULL;
    VD_TRY(vd_json_parse(vd_buf_span(&json), VD_JSON_LIMITS(TEXT_MAX), &j, err));
    vd_jv_iter it = vd_jv_iter_of(vd_json_root(j));
    (void)vd_jv_next(&it);
    union {
        const struct vd_config *in;
        struct vd_config *out;
    } whose = { .in = c };
    const struct vd_config_at at = { .c = whose.out, .from = VD_FROM_DEFAULT, .origin = "default" };
    return vd_value_read(&at, row, row->key, 0, it.value, ret, err);
}
