/* Inside of a loaded configuration; shared by config.c, config_value.c, config_apply.c and
 * default_file.c only. A value belongs to a row; the items of an array of tables have one value a
 * row. */
#pragma once

#include "shared/codec/json.h"
#include "shared/program/config.h"

enum vd_config_from { VD_FROM_DEFAULT, VD_FROM_FILE, VD_FROM_ENV, VD_FROM_SET };

struct vd_value {
    enum vd_config_from from;
    bool given; /* a default, or set by somebody */
    uint32_t line;
    uint64_t u64;
    bool yes;
    char *str;
    char **strs; /* NULL-terminated */
    size_t n_strs;
};

struct vd_config_item {
    uint32_t line;
    struct vd_value *value; /* one for every row of the configuration */
};

struct vd_config_group {
    const char *name; /* "admin.identity", owned */
    char *owned;
    enum vd_config_from from;
    size_t n;
    struct vd_config_item *item;
};

struct vd_config {
    char *file; /* NULL: none was read */
    char *folder;
    char *program;
    const struct vd_setting *
        *row; /* first row of a key counts, later ones of the same key do not */
    size_t n_rows;
    struct vd_value *value;
    struct vd_config_group *group;
    size_t n_groups;
    struct vd_limits limits;
};

/* Where a value comes from while it is applied. */
struct vd_config_at {
    struct vd_config *c;
    enum vd_config_from from;
    const char *origin;    /* file name, "--set", or name of the variable */
    struct vd_json *lines; /* file only */
};

enum { VD_CONFIG_DEPTH = 8, VD_CONFIG_PATH = 160, VD_CONFIG_NONE = -1 };

/* Name of the array of tables of a row: length of "admin.identity" in "admin.identity[].name"; 0
 * for others. */
size_t vd_row_group(const struct vd_setting *row);
/* The part of a key behind its table: "name". */
const char *vd_row_leaf(const struct vd_setting *row);
/* Length of the table part of a key: "guest" in "guest.listen", "admin.identity" in
 * "admin.identity[].name". */
size_t vd_row_table(const struct vd_setting *row);

/* One array of rows out of the tables, the first of equal keys. Caller frees. NULL: no memory. */
const struct vd_setting **vd_rows_merge(const struct vd_setting *const *tables, const size_t *n,
                                        size_t n_tables, size_t *ret_n);
/* Default text with {program} replaced. */
void vd_default_text(const char *def, const char *program, vd_buf *out);

/* Line of "a.b" or, index >= 0, of a member of an array's table; 0 when it is not known. */
uint32_t vd_config_line(const struct vd_config_at *at, const char *path, long index,
                        const char *leaf);
/* One-line failure: "origin:line: path: text". */
vd_rc vd_config_fail(const struct vd_config_at *at, uint32_t line, const char *path, vd_err *err,
                     const char *fmt, ...) __attribute__((format(printf, 5, 6)));
/* "unknown key; did you mean ...?" */
vd_rc vd_config_unknown(const struct vd_config_at *at, uint32_t line, const char *path, bool table,
                        vd_err *err);

void vd_value_done(struct vd_value *v);
vd_rc vd_value_default(const struct vd_config *c, const struct vd_setting *row,
                       struct vd_value *ret, vd_err *err);
/* Reads a JSON value as the row wants it; `path` is for messages. */
vd_rc vd_value_read(const struct vd_config_at *at, const struct vd_setting *row, const char *path,
                    uint32_t line, vd_jv v, struct vd_value *ret, vd_err *err);
/* `text` as the one TOML value "v" of a document that lives in json; NULL when it is none. */
struct vd_json *vd_config_toml(const char *text, vd_buf *json);
/* The same as vd_value_read for the text of --set or a variable. */
vd_rc vd_value_text(const struct vd_config_at *at, const struct vd_setting *row, const char *path,
                    const char *text, struct vd_value *ret, vd_err *err);

/* Frees the items of an array of tables. */
void vd_config_items_free(const struct vd_config *c, struct vd_config_item *item, size_t n);
/* Applies a whole document. */
vd_rc vd_config_apply(const struct vd_config_at *at, vd_jv root, vd_err *err);
/* Applies one "table.key" with the text of its value. */
vd_rc vd_config_apply_text(const struct vd_config_at *at, const char *path, const char *text,
                           vd_err *err);
/* Index of a plain row by key, or VD_CONFIG_NONE. */
long vd_config_row(const struct vd_config *c, const char *key);
struct vd_config_group *vd_config_group_of(const struct vd_config *c, const char *name);
