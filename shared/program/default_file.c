/* The commented default file: every key with its help and default, commented out, grouped by table
 * in the order of the settings. Putting it in place unchanged means the defaults. */
#include <stdio.h>
#include <string.h>

#include "shared/program/config_priv.h"

enum { WIDTH = 98 };

/* Comment lines of at most WIDTH columns. */
static void comment(const char *text, vd_buf *out)
{
    size_t column = 0;
    while (*text) {
        size_t n = strcspn(text, " ");
        if (column && column + 1 + n > WIDTH) {
            vd_buf_str(out, "\n");
            column = 0;
        }
        if (column == 0) {
            vd_buf_str(out, "#");
            column = 1;
        }
        vd_buf_str(out, " ");
        vd_buf_add(out, vd_span_of(text, n));
        column += n + 1;
        text += n;
        while (*text == ' ')
            text++;
    }
    if (column)
        vd_buf_str(out, "\n");
}

static void facts(const struct vd_setting *row, vd_buf *out)
{
    VD_AUTO_BUF text = vd_buf_of(1024);
    vd_buf_str(&text, row->required ? "Required. " : "");
    if (row->type == VD_SET_ENUM) {
        vd_buf_str(&text, "One of: ");
        for (const char *c = row->choices; *c; c++)
            vd_buf_str(&text, *c == ' ' ? ", " : (const char[]){ *c, 0 });
        vd_buf_str(&text, ".");
    }
    if (row->type == VD_SET_U64 && row->max)
        vd_buf_printf(&text, "%llu to %llu.", (unsigned long long)row->min,
                      (unsigned long long)row->max);
    if (text.n)
        comment(vd_buf_cstr(&text), out);
}

static void assignment(const struct vd_setting *row, const char *program, vd_buf *out)
{
    bool quoted = row->type == VD_SET_STR || row->type == VD_SET_ENUM || row->type == VD_SET_PATH;
    vd_buf_printf(out, "#%s =", vd_row_leaf(row));
    if (!row->def && row->type == VD_SET_STRS) {
        vd_buf_str(out, " []\n");
        return;
    }
    if (!row->def && row->type == VD_SET_U64) {
        vd_buf_str(out, "\n");
        return;
    }
    vd_buf_str(out, quoted ? " \"" : " ");
    vd_default_text(row->def ? row->def : row->type == VD_SET_BOOL ? "false" : "", program, out);
    vd_buf_str(out, quoted ? "\"\n" : "\n");
}

static bool same_table(const struct vd_setting *a, const struct vd_setting *b)
{
    return vd_row_table(a) == vd_row_table(b) && (vd_row_group(a) == 0) == (vd_row_group(b) == 0) &&
           strncmp(a->key, b->key, vd_row_table(a)) == 0;
}

static void table(const struct vd_setting *const *row, size_t n, size_t first, const char *program,
                  vd_buf *out)
{
    int len = (int)vd_row_table(row[first]);
    bool group = vd_row_group(row[first]) != 0;
    vd_buf_printf(out, group ? "\n#[[%.*s]]\n" : "\n[%.*s]\n", len, row[first]->key);
    for (size_t i = first; i < n; i++) {
        if (!same_table(row[first], row[i]))
            continue;
        comment(row[i]->help ? row[i]->help : "", out);
        facts(row[i], out);
        assignment(row[i], program, out);
    }
}

void vd_config_default(const char *program, const struct vd_setting *const *tables, const size_t *n,
                       size_t n_tables, vd_buf *out)
{
    size_t rows = 0;
    VD_AUTO(free) const struct vd_setting **row = vd_rows_merge(tables, n, n_tables, &rows);
    if (!row) {
        out->bad = true;
        return;
    }
    vd_buf_printf(
        out,
        "# Configuration of vidimus-%s. Every key stands here with its default, commented out.\n"
        "# An unknown key, a wrong type or a bad value stops the start. Also: --set "
        "table.key=value,\n"
        "# and VIDIMUS_TABLE__KEY in the environment (--set > environment > file > default).\n",
        program);
    for (size_t i = 0; i < rows; i++) {
        size_t k = 0;
        while (k < i && !same_table(row[k], row[i]))
            k++;
        if (k == i)
            table(row, rows, i, program, out);
    }
}
