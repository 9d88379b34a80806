/* Configuration of a program: TOML file, --set, environment and defaults over one table of
 * settings. An unknown key, a wrong type or a bad value stops the start with file, line, key and
 * cure. The default file and docs/configuration.md come from the same table (SHAPES section 2). */
#pragma once

#include "shared/base/auto.h"
#include "shared/base/buf.h"
#include "shared/base/limits.h"

enum vd_setting_type {
    VD_SET_STR, /* string; default NULL: unset */
    VD_SET_U64, /* integer within min..max */
    VD_SET_BOOL,
    VD_SET_STRS, /* array of strings; default is a TOML array text */
    VD_SET_ENUM, /* string out of `choices`, blank separated */
    VD_SET_PATH, /* string; relative paths are resolved against the file's folder */
    VD_SET_TYPE_MAX
};

/* One row. Key "guest.listen"; a row of an array of tables is "trusted_issuer[].name". Of two rows
 * with the same key the first counts, so a program gives a common key another default by a row of
 * its own. */
struct vd_setting {
    const char *key;
    enum vd_setting_type type;
    const char *def;   /* default as text, {program} stands for "issuer" or "broker"; NULL: none */
    bool required;     /* in each table of an array of tables, or always */
    uint64_t min, max; /* U64 */
    const char *choices; /* ENUM */
    const char *help;    /* one or two sentences, for the commented default file */
};

struct vd_config; /* immutable after load */

struct vd_config_src {
    const char *program; /* "issuer" or "broker": {program} of defaults, and the cure in messages */
    const char *file;    /* NULL: no file */
    bool file_optional;  /* a missing default file is no error */
    const char *const *set; /* "table.key=value", NULL-terminated; may be NULL */
    bool environment;       /* look at VIDIMUS_TABLE__KEY */
};
/* settings: rows of the program, then the common ones; both arrays outlive the config. VD_E_CONFIG;
 * the message is one line for the operator. */
vd_rc vd_config_load(const struct vd_config_src *src, const struct vd_setting *const *tables,
                     const size_t *n, size_t n_tables, struct vd_config **ret, vd_err *err);
void vd_config_free(struct vd_config *c);
VD_DEFINE_CLEANUP(struct vd_config, vd_config_free)

/* Getters; the key must be in the table (assert). Strings live with the config; NULL when unset. */
const char *vd_config_str(const struct vd_config *c, const char *key);
uint64_t vd_config_u64(const struct vd_config *c, const char *key);
bool vd_config_bool(const struct vd_config *c, const char *key);
const char *const *vd_config_strs(const struct vd_config *c, const char *key,
                                  size_t *ret_n); /* NULL-terminated */
bool vd_config_is_set(const struct vd_config *c,
                      const char *key); /* by file, environment or --set */
/* Arrays of tables: "trusted_issuer", i < n, "name". */
size_t vd_config_tables(const struct vd_config *c, const char *table);
const char *vd_config_tstr(const struct vd_config *c, const char *table, size_t i, const char *key);
uint64_t vd_config_tu64(const struct vd_config *c, const char *table, size_t i, const char *key);
bool vd_config_tbool(const struct vd_config *c, const char *table, size_t i, const char *key);
const char *const *vd_config_tstrs(const struct vd_config *c, const char *table, size_t i,
                                   const char *key, size_t *ret_n);
/* Where a key was set, for messages: "issuer.toml:12 guest.listen". */
void vd_config_where(const struct vd_config *c, const char *key, vd_buf *out);
/* [limits] over the defaults of limits.h, checked against the hard values. */
const struct vd_limits *vd_config_limits(const struct vd_config *c);

/* The commented default file. */
void vd_config_default(const char *program, const struct vd_setting *const *tables, const size_t *n,
                       size_t n_tables, vd_buf *out);

/* Settings both servers have: [guest] [admin] [root_key] [store] [audit] [limits] [log]. */
extern const struct vd_setting vd_settings_common[];
extern const size_t vd_settings_common_n;
