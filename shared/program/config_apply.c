/* Puts a document, or one "table.key=value", over a configuration, and says in one line what is
 * wrong: origin, line, key, cure. The walk goes down only where the table of settings has a table,
 * so its depth is the table's, not the input's. */
#include "shared/program/config_priv.h"

#include <stdio.h>
#include <string.h>

#include "shared/base/log.h"

enum { NEAREST_MAX = 64 };

vd_rc vd_config_fail(const struct vd_config_at *at, uint32_t line, const char *path, vd_err *err,
                     const char *fmt, ...)
{
    char text[200];
    va_list ap;
    va_start(ap, fmt);
    (void)vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    char place[16] = "";
    if (line)
        (void)snprintf(place, sizeof place, "%u:", line);
    return vd_fail(err, VD_E_CONFIG, "%s%s%s %s: %s", at->origin,
                   at->from == VD_FROM_SET ? "" : ":", place, path, text);
}

/* Edits between two short words, swapped neighbours counting one (optimal string alignment). */
static unsigned distance(vd_span a, vd_span b)
{
    unsigned row[3][NEAREST_MAX + 1];
    if (a.n > NEAREST_MAX || b.n > NEAREST_MAX)
        return NEAREST_MAX;
    for (size_t j = 0; j <= b.n; j++)
        row[0][j] = (unsigned)j;
    for (size_t i = 1; i <= a.n; i++) {
        unsigned *now = row[i % 3];
        const unsigned *last = row[(i + 2) % 3];
        const unsigned *before = row[(i + 1) % 3];
        now[0] = (unsigned)i;
        for (size_t j = 1; j <= b.n; j++) {
            unsigned best = last[j - 1] + (a.p[i - 1] != b.p[j - 1]);
            if (last[j] + 1 < best)
                best = last[j] + 1;
            if (now[j - 1] + 1 < best)
                best = now[j - 1] + 1;
            if (i > 1 && j > 1 && a.p[i - 1] == b.p[j - 2] && a.p[i - 2] == b.p[j - 1] &&
                before[j - 2] + 1 < best)
                best = before[j - 2] + 1;
            now[j] = best;
        }
    }
    return row[a.n % 3][b.n];
}

/* "admin.identity[].name" as it is spoken of: "admin.identity.name". */
static void spoken(const struct vd_setting *row, bool table, vd_buf *out)
{
    vd_buf_reset(out);
    vd_buf_add(out, vd_span_of(row->key, vd_row_table(row)));
    if (table)
        return;
    if (out->n)
        vd_buf_u8(out, '.');
    vd_buf_str(out, vd_row_leaf(row));
}

vd_rc vd_config_unknown(const struct vd_config_at *at, uint32_t line, const char *path, bool table,
                        vd_err *err)
{
    const struct vd_config *c = at->c;
    const char *dot = strrchr(path, '.');
    const char *leaf = dot ? dot + 1 : path;
    unsigned best = 2 + (unsigned)strlen(leaf) / 4;
    if (best > strlen(leaf) / 2 + 1)
        best = (unsigned)strlen(leaf) / 2 + 1;
    VD_AUTO_BUF name = vd_buf_of(VD_CONFIG_PATH);
    VD_AUTO_BUF near = vd_buf_of(VD_CONFIG_PATH);
    for (size_t i = 0; i < c->n_rows; i++) {
        spoken(c->row[i], table, &name);
        unsigned d = distance(vd_buf_span(&name), vd_span_str(path));
        /* The right word in the wrong table is the second most frequent slip. */
        if (!table && d > 1 && strcmp(vd_row_leaf(c->row[i]), leaf) == 0)
            d = 1;
        if (d < best) {
            best = d;
            vd_buf_reset(&near);
            vd_buf_add(&near, vd_buf_span(&name));
        }
    }
    const char *what = table ? "table" : "key";
    if (near.n && !near.bad)
        return vd_config_fail(at, line, path, err, "unknown %s; did you mean %s%s%s?", what,
                              table ? "[" : "", vd_buf_cstr(&near), table ? "]" : "");
    return vd_config_fail(at, line, path, err, "unknown %s; all keys: vidimus-%s config-default",
                          what, c->program);
}

long vd_config_row(const struct vd_config *c, const char *key)
{
    for (size_t i = 0; i < c->n_rows; i++)
        if (strcmp(c->row[i]->key, key) == 0)
            return (long)i;
    return VD_CONFIG_NONE;
}

struct vd_config_group *vd_config_group_of(const struct vd_config *c, const char *name)
{
    for (size_t i = 0; i < c->n_groups; i++)
        if (strcmp(c->group[i].name, name) == 0)
            return &c->group[i];
    return NULL;
}

static long group_row(const struct vd_config *c, const char *group, const char *leaf)
{
    for (size_t i = 0; i < c->n_rows; i++) {
        size_t n = vd_row_group(c->row[i]);
        if (n == strlen(group) && n && strncmp(c->row[i]->key, group, n) == 0 &&
            strcmp(vd_row_leaf(c->row[i]), leaf) == 0)
            return (long)i;
    }
    return VD_CONFIG_NONE;
}

/* Is there a key or a group below this path? */
static bool is_table(const struct vd_config *c, const char *path)
{
    size_t n = strlen(path);
    for (size_t i = 0; i < c->n_rows; i++)
        if (strncmp(c->row[i]->key, path, n) == 0 && c->row[i]->key[n] == '.')
            return true;
    return false;
}

/* Names with blanks, dots or quotes are no key of ours; a quoted "guest.listen" must not pass for
 * one. */
static bool plain_name(vd_jv name, vd_buf *out)
{
    vd_err none = { 0 };
    vd_buf_reset(out);
    if (vd_jv_str(name, out, &none).code != VD_E_OK || out->n == 0)
        return false;
    for (size_t i = 0; i < out->n; i++) {
        uint8_t ch = out->p[i];
        if (!((ch >= 'a' && ch <= 'z') || (ch >= 'A' && ch <= 'Z') || (ch >= '0' && ch <= '9') ||
              ch == '_' || ch == '-'))
            return false;
    }
    return true;
}

static vd_rc strange_name(const struct vd_config_at *at, const char *table, vd_jv name, vd_err *err)
{
    VD_AUTO_BUF shown = vd_buf_of(256);
    vd_text_escape(vd_jv_str_raw(name), 40, &shown);
    return vd_config_fail(at, 0, *table ? table : "(top)", err,
                          "unknown key \"%s\"; all keys: vidimus-%s config-default",
                          vd_buf_cstr(&shown), at->c->program);
}

void vd_config_items_free(const struct vd_config *c, struct vd_config_item *item, size_t n)
{
    for (size_t i = 0; item && i < n; i++) {
        for (size_t k = 0; item[i].value && k < c->n_rows; k++)
            vd_value_done(&item[i].value[k]);
        free(item[i].value);
    }
    free(item);
}

static vd_rc item_defaults(const struct vd_config_at *at, const char *group,
                           struct vd_config_item *item, vd_err *err)
{
    const struct vd_config *c = at->c;
    item->value = calloc(c->n_rows, sizeof *item->value);
    if (!item->value)
        return vd_fail(err, VD_E_NOMEM, "configuration");
    size_t n = strlen(group);
    for (size_t i = 0; i < c->n_rows; i++)
        if (vd_row_group(c->row[i]) == n && strncmp(c->row[i]->key, group, n) == 0)
            VD_TRY(vd_value_default(c, c->row[i], &item->value[i], err));
    return VD_OK;
}

static vd_rc item_required(const struct vd_config_at *at, const char *group, size_t index,
                           const struct vd_config_item *item, vd_err *err)
{
    const struct vd_config *c = at->c;
    size_t n = strlen(group);
    for (size_t i = 0; i < c->n_rows; i++) {
        if (vd_row_group(c->row[i]) != n || strncmp(c->row[i]->key, group, n) != 0)
            continue;
        if (!c->row[i]->required || item->value[i].given)
            continue;
        char path[VD_CONFIG_PATH];
        (void)snprintf(path, sizeof path, "%s[%zu].%s", group, index + 1, vd_row_leaf(c->row[i]));
        return vd_config_fail(at, item->line, path, err, "required; add %s = %s below [[%s]]",
                              vd_row_leaf(c->row[i]),
                              c->row[i]->type == VD_SET_STRS ? "[\"...\"]" : "\"...\"", group);
    }
    return VD_OK;
}

static vd_rc read_item(const struct vd_config_at *at, const char *group, size_t index, vd_jv v,
                       struct vd_config_item *item, vd_err *err)
{
    VD_TRY(item_defaults(at, group, item, err));
    item->line = vd_config_line(at, group, (long)index, NULL);
    VD_AUTO_BUF name = vd_buf_of(64);
    vd_jv_iter it = vd_jv_iter_of(v);
    while (vd_jv_next(&it)) {
        char path[VD_CONFIG_PATH];
        if (!plain_name(it.name, &name))
            return strange_name(at, group, it.name, err);
        const char *leaf = vd_buf_cstr(&name);
        uint32_t line = vd_config_line(at, group, (long)index, leaf);
        long row = group_row(at->c, group, leaf);
        (void)snprintf(path, sizeof path, "%s.%s", group, leaf);
        if (row == VD_CONFIG_NONE)
            return vd_config_unknown(at, line, path, false, err);
        VD_TRY(vd_value_read(at, at->c->row[row], path, line, it.value, &item->value[row], err));
        if (item->line == 0 || line < item->line)
            item->line = line;
    }
    return item_required(at, group, index, item, err);
}

static vd_rc apply_group(const struct vd_config_at *at, struct vd_config_group *g, vd_jv v,
                         vd_err *err)
{
    uint32_t line = vd_config_line(at, g->name, VD_CONFIG_NONE, NULL);
    bool tables = vd_jv_is(v, VD_JSON_ARRAY);
    vd_jv_iter it = vd_jv_iter_of(v);
    while (tables && vd_jv_next(&it))
        tables = vd_jv_is(it.value, VD_JSON_OBJECT);
    if (!tables)
        return vd_config_fail(at, line, g->name, err, "expected an array of tables; write [[%s]]",
                              g->name);
    size_t n = vd_jv_count(v);
    struct vd_config_item *item = calloc(n + 1, sizeof *item);
    if (!item)
        return vd_fail(err, VD_E_NOMEM, "configuration");
    it = vd_jv_iter_of(v);
    for (size_t i = 0; vd_jv_next(&it); i++) {
        vd_rc_ rc = read_item(at, g->name, i, it.value, &item[i], err);
        if (rc.code != VD_E_OK) {
            vd_config_items_free(at->c, item, n);
            return rc;
        }
    }
    vd_config_items_free(at->c, g->item, g->n);
    g->item = item;
    g->n = n;
    g->from = at->from;
    return VD_OK;
}

/* One member at `path`. *ret_table: it is a table whose members are next. */
static vd_rc apply_member(const struct vd_config_at *at, const char *path, vd_jv v, bool *ret_table,
                          vd_err *err)
{
    uint32_t line = vd_config_line(at, path, VD_CONFIG_NONE, NULL);
    long row = vd_config_row(at->c, path);
    *ret_table = false;
    if (row != VD_CONFIG_NONE)
        return vd_value_read(at, at->c->row[row], path, line, v, &at->c->value[row], err);
    struct vd_config_group *g = vd_config_group_of(at->c, path);
    if (g)
        return apply_group(at, g, v, err);
    bool object = vd_jv_is(v, VD_JSON_OBJECT);
    if (!is_table(at->c, path))
        return vd_config_unknown(at, line, path, object || vd_jv_is(v, VD_JSON_ARRAY), err);
    if (!object)
        return vd_config_fail(at, line, path, err, "expected a table; write [%s]", path);
    *ret_table = true;
    return VD_OK;
}

vd_rc vd_config_apply(const struct vd_config_at *at, vd_jv root, vd_err *err)
{
    struct {
        vd_jv_iter it;
        size_t path;
    } frame[VD_CONFIG_DEPTH] = { { vd_jv_iter_of(root), 0 } };
    VD_AUTO_BUF path = vd_buf_of(VD_CONFIG_PATH);
    VD_AUTO_BUF name = vd_buf_of(64);
    size_t depth = 1;
    while (depth) {
        path.n = frame[depth - 1].path;
        if (!vd_jv_next(&frame[depth - 1].it)) {
            depth--;
            continue;
        }
        vd_jv_iter *it = &frame[depth - 1].it;
        if (!plain_name(it->name, &name))
            return strange_name(at, path.n ? vd_buf_cstr(&path) : "", it->name, err);
        if (path.n)
            vd_buf_u8(&path, '.');
        vd_buf_add(&path, vd_buf_span(&name));
        VD_TRY(vd_buf_check(&path, err));
        bool table = false;
        VD_TRY(apply_member(at, vd_buf_cstr(&path), it->value, &table, err));
        if (table && depth == VD_CONFIG_DEPTH)
            return vd_fail(err, VD_E_INTERNAL, "settings are nested deeper than %d",
                           VD_CONFIG_DEPTH);
        if (table) {
            frame[depth].it = vd_jv_iter_of(it->value);
            frame[depth++].path = path.n;
        }
    }
    return VD_OK;
}

vd_rc vd_config_apply_text(const struct vd_config_at *at, const char *path, const char *text,
                           vd_err *err)
{
    long row = vd_config_row(at->c, path);
    if (row != VD_CONFIG_NONE && vd_row_group(at->c->row[row]) == 0)
        return vd_value_text(at, at->c->row[row], path, text, &at->c->value[row], err);
    struct vd_config_group *g = vd_config_group_of(at->c, path);
    if (!g)
        return vd_config_unknown(at, 0, path, false, err);
    VD_AUTO_BUF json = vd_buf_of(1u << 20);
    VD_AUTO(vd_json_free) struct vd_json *j = vd_config_toml(text, &json);
    if (!j)
        return vd_config_fail(at, 0, path, err,
                              "expected an array of tables, such as [{ name = \"...\" }]");
    return apply_group(at, g, vd_jv_get(vd_json_root(j), "v"), err);
}
