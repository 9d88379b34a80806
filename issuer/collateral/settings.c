/* The settings of [collateral], and opening a store from them. */
#include <sys/stat.h>

#include "issuer/collateral/store_priv.h"
#include "shared/base/slurp.h"

enum { KEY_FILE_BYTES = 65536 };

const struct vd_setting iss_collateral_settings[] = {
    { .key = "collateral.dir",
      .type = VD_SET_PATH,
      .help = "Directory of vendor certificates, CRLs and TCB documents that were brought here by "
              "hand. AMD's lie in vcek/<chip id>/... and crl/<line>.crl; Intel's may have any name "
              "at any depth: every file is told by its content." },
    { .key = "collateral.bundle",
      .type = VD_SET_PATH,
      .help = "Signed file of collateral, made by `vidimus-issuer collateral export`, for sites "
              "without a network. It is looked at first, and read again when it changes." },
    { .key = "collateral.bundle_key",
      .type = VD_SET_PATH,
      .help = "Public key (PEM or JWK) that bundles must be signed with. Unset: any signature of a "
              "whole bundle will do, because what is in it has its vendor's own." },
    { .key = "collateral.key_file",
      .type = VD_SET_PATH,
      .help = "PEM file with the private key that signs bundles exported here. Unset: the verb "
              "takes one by --key, and the API exports none." },
    { .key = "collateral.cache",
      .type = VD_SET_PATH,
      .help = "Folder where fetched and imported collateral is kept across restarts, with the "
              "highest evaluation numbers and dates that were seen: nothing older is taken any "
              "more. Unset: in memory only." },
    { .key = "collateral.sources",
      .type = VD_SET_STRS,
      .def = "[\"offline\", \"vendor\"]",
      .help = "Where collateral may come from: \"offline\" is the bundle and the directory above, "
              "\"vendor\" the vendor's service." },
    { .key = "collateral.ca_file",
      .type = VD_SET_PATH,
      .help = "PEM file of the CAs that the certificates of the vendors' services come from, for a "
              "caching service with a CA of its own. Unset: the system's CAs." },
    { .key = "collateral.fetches_per_source",
      .type = VD_SET_U64,
      .def = "60",
      .min = 1,
      .max = 100000,
      .help = "Different things that one source (an IPv4 address or an IPv6 /64) may make us fetch "
              "in a minute." },
};
const size_t iss_collateral_settings_n =
    sizeof iss_collateral_settings / sizeof iss_collateral_settings[0];

static vd_rc check_folder(const char *key, const char *path, bool file_too, vd_err *err)
{
    struct stat st;
    if (!path)
        return VD_OK;
    bool ok = stat(path, &st) == 0 && (S_ISDIR(st.st_mode) || (file_too && S_ISREG(st.st_mode)));
    if (!ok)
        return vd_fail(err, VD_E_CONFIG, "%s: %s is no %s; create it or change the setting", key,
                       path, file_too ? "directory and no file" : "directory");
    return VD_OK;
}

static vd_rc check_file(const char *key, const char *path, vd_err *err)
{
    struct stat st;
    if (path && (stat(path, &st) != 0 || !S_ISREG(st.st_mode)))
        return vd_fail(err, VD_E_CONFIG,
                       "%s: %s cannot be read as a file; put it there or change the setting", key,
                       path);
    return VD_OK;
}

static vd_rc read_sources(const struct vd_config *config, const char *key, struct coll_kind *k,
                          vd_err *err)
{
    size_t n = 0;
    const char *const *name = vd_config_strs(config, key, &n);
    for (size_t i = 0; i < n; i++) {
        vd_span s = vd_span_str(name[i]);
        k->offline |= vd_span_eq_str(s, "offline");
        k->vendor |= vd_span_eq_str(s, "vendor");
        /* "evidence" in a kind's own list is for its driver */
        if (!vd_span_eq_str(s, "offline") && !vd_span_eq_str(s, "vendor") &&
            !vd_span_eq_str(s, "evidence"))
            return vd_fail(err, VD_E_CONFIG, "%s: \"%.40s\" is neither offline nor vendor", key,
                           name[i]);
    }
    return VD_OK;
}

/* Each family once, whatever number of kinds it has. */
static vd_rc open_family(struct coll_places *at, const struct iss_collateral_cfg *cfg,
                         struct coll_kind *k, vd_err *err)
{
    if (!k->kind->family)
        return VD_OK;
    size_t i = 0;
    while (i < at->n_families && at->family[i].family != k->kind->family)
        i++;
    if (i == at->n_families) {
        VD_TRY(k->kind->family->open(cfg->config, &at->family[i].state, err));
        at->family[i].family = k->kind->family;
        at->n_families++;
    }
    k->state = at->family[i].state;
    return VD_OK;
}

static vd_rc open_kinds(struct coll_places *at, const struct iss_collateral_cfg *cfg, vd_err *err)
{
    size_t room = cfg->n_kinds ? cfg->n_kinds : 1;
    at->kind = calloc(room, sizeof *at->kind);
    at->family = calloc(room, sizeof *at->family);
    if (!at->kind || !at->family)
        return vd_fail(err, VD_E_NOMEM, "kinds of collateral");
    at->n_kinds = cfg->n_kinds;
    bool vendor = false;
    for (size_t i = 0; i < cfg->n_kinds; i++) {
        struct coll_kind *k = &at->kind[i];
        k->kind = cfg->kinds[i];
        VD_TRY(open_family(at, cfg, k, err));
        bool own = k->kind->sources_key && vd_config_is_set(cfg->config, k->kind->sources_key);
        VD_TRY(
            read_sources(cfg->config, own ? k->kind->sources_key : "collateral.sources", k, err));
        if (k->kind->base_url_key)
            k->base_url = vd_config_str(cfg->config, k->kind->base_url_key);
        k->vendor = k->vendor && (k->base_url || k->kind->address) && !cfg->offline;
        k->offline = k->offline || cfg->dir; /* a directory given by hand is meant */
        vendor = vendor || k->vendor;
    }
    const struct vd_client_cfg client = { .ca_file =
                                              vd_config_str(cfg->config, "collateral.ca_file") };
    VD_TRY(check_file("collateral.ca_file", client.ca_file, err));
    return vendor ? vd_client_new(&client, &at->client, err) : VD_OK;
}

/* PEM or JWK. */
static vd_rc read_key(const char *path, struct vd_key **ret, vd_err *err)
{
    VD_AUTO_BUF text = vd_buf_of((size_t)2 * KEY_FILE_BYTES);
    vd_err why = { 0 };
    VD_TRY(vd_file_read(path, KEY_FILE_BYTES, &text, NULL, err));
    vd_span s = vd_buf_span(&text);
    vd_rc_ rc = vd_span_starts(s, VD_LIT("-----BEGIN"))
                    ? vd_key_from_pem(s, ret, &why)
                    : vd_key_from_jwk_text(s, VD_KEY_VERIFY, ret, &why);
    return rc.code == VD_E_OK
               ? VD_OK
               : vd_fail(err, VD_E_CONFIG, "collateral.bundle_key: %s: %s", path, why.msg);
}

static vd_rc open_files(struct coll_places *at, const struct iss_collateral_cfg *cfg, vd_err *err)
{
    const char *dir = cfg->dir ? cfg->dir : vd_config_str(cfg->config, "collateral.dir");
    const char *bundle = vd_config_str(cfg->config, "collateral.bundle");
    const char *key = vd_config_str(cfg->config, "collateral.bundle_key");
    struct stat st;
    if (cfg->dir)
        bundle = NULL;
    VD_TRY(check_folder(cfg->dir ? "--collateral" : "collateral.dir", dir, cfg->dir != NULL, err));
    VD_TRY(check_file("collateral.bundle", bundle, err));
    VD_TRY(check_file("collateral.bundle_key", key, err));
    if (key)
        VD_TRY(read_key(key, &at->bundle_key, err));
    /* Paths are made below a directory only. */
    at->dir = dir && stat(dir, &st) == 0 && S_ISDIR(st.st_mode) ? dir : NULL;
    return bundle || dir ? coll_files_new(at, bundle, dir, &at->files, err) : VD_OK;
}

vd_rc coll_places_open(struct coll_places *at, const struct iss_collateral_cfg *cfg, vd_err *err)
{
    const struct vd_limits *limits = vd_config_limits(cfg->config);
    at->clock = cfg->clock;
    at->log = cfg->log;
    at->fetch_seconds = (unsigned)limits->fetch_seconds;
    at->fetch_bytes = (size_t)limits->fetch_bytes;
    at->cache = cfg->cache ? cfg->cache : vd_config_str(cfg->config, "collateral.cache");
    if (cfg->offline && !cfg->cache)
        at->cache = NULL;
    VD_TRY(check_folder(cfg->cache ? "--cache" : "collateral.cache", at->cache, false, err));
    VD_TRY(open_files(at, cfg, err));
    return open_kinds(at, cfg, err);
}

void coll_places_close(struct coll_places *at)
{
    vd_client_free(at->client);
    coll_files_free(at->files);
    vd_key_unref(at->bundle_key);
    for (size_t i = 0; i < at->n_families; i++)
        if (at->family[i].family->close)
            at->family[i].family->close(at->family[i].state);
    free(at->family);
    free(at->kind);
}
