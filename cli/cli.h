/* What the verbs of `vidimus` share: options, output, the native API, the guest protocol. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "shared/base/auto.h"
#include "shared/base/buf.h"
#include "shared/base/clock.h"
#include "shared/codec/json.h"
#include "shared/crypto/key.h"
#include "shared/http/client.h"
#include "shared/program/server.h"

enum { CLI_ARGS_MAX = 64, CLI_LIST_MAX = 16, CLI_FILE_MAX = 16 << 20 };

/* A repeatable option. */
struct cli_list {
    const char *item[CLI_LIST_MAX + 1]; /* NULL-terminated */
    size_t n;
};

/* Every option of every verb; a verb names those it takes. Strings are borrowed from argv or
 * environment. */
struct cli_args {
    const char *issuer;       /* guest plane of an issuer */
    const char *broker;       /* guest plane of a broker */
    const char *issuer_admin; /* admin plane of an issuer */
    const char *broker_admin;
    const char *server;     /* "issuer" or "broker" */
    const char *token_file; /* administrator's token */
    const char *ca_file;
    bool json;
    bool quiet;
    const char *tee;
    const char *attester;
    const char *key;
    const char *passport;
    const char *init_data;
    const char *out;
    struct cli_list audience;
    const char *role;
    const char *ttl;
    const char *type;
    const char *if_version;
    const char *iss;
    const char *jwks;
    const char *jwks_url;
    const char *at;
    const char *prefix;
    const char *after;
    const char *limit;
    const char *expires;
    const char *revocation_url;
    const char *reason;
    const char *head;
    const char *record;
    const char *from;
    const char *to;
    const char *fmspc;
    const char *ca;
    struct cli_list alg;
    struct cli_list tee_allowed;
    struct cli_list repository;
    struct cli_list policy;
    bool accept_simulated;
    bool resume;
    bool now;
    bool revocation;
    bool require_revocation;
    const char *arg[CLI_ARGS_MAX]; /* positional */
    size_t n_arg;
};

struct cli_verb {
    const char *noun;
    const char *verb;     /* NULL: the noun alone */
    const char *synopsis; /* positional arguments */
    const char *options;  /* names, blank separated */
    size_t min_args;
    size_t max_args;
    const char *help;
    int (*run)(const struct cli_args *a);
};

/* ---- output (out.c) ---- */
void cli_note(const struct cli_args *a, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* "vidimus: text" to stderr, and the exit code back: return cli_fail(VD_EXIT_USAGE, ...). */
int cli_fail(int code, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* A filled err as a message; the exit code that belongs to it. */
int cli_fail_err(const vd_err *err);
/* Bytes to stdout; a line end is added on a terminal-like text when `line`. */
int cli_write(vd_span bytes, bool line);
/* A JSON value as indented "name: value" lines for people. */
void cli_print_people(vd_jv v);
/* JSON text as it is (--json), or for people. */
int cli_print(const struct cli_args *a, vd_span json);

/* ---- files (out.c) ---- */
/* "-" is standard input. */
vd_rc cli_read(const char *path, size_t max, vd_buf *out, vd_err *err);
/* Owner-only, replaced as a whole; "-" or NULL is standard output. */
vd_rc cli_save(const char *path, vd_span bytes, vd_err *err);
/* Text without white space at both ends. */
vd_span cli_trim(vd_span s);
/* "15m", "900", "2h", "1d" as seconds. */
vd_rc cli_duration(const char *text, int64_t *ret, vd_err *err);

/* ---- the native API (api.c) ---- */
struct cli_api {
    const char *url; /* of the admin plane */
    const char *server;
    vd_secret token;
    struct vd_client *client;
};
/* Chooses the server (fixed: "issuer"/"broker", or NULL: --server) and reads the token. */
vd_rc cli_api_open(const struct cli_args *a, const char *fixed, struct cli_api *ret, vd_err *err);
void cli_api_done(struct cli_api *api);
#define CLI_AUTO_API __attribute__((cleanup(cli_api_done))) struct cli_api
struct cli_req {
    const char *method;
    const char *path; /* behind /api/v1 */
    vd_span body;
    bool has_body;
    const char *content_type;
    const char *match; /* value of If-Match, or "*" with `create` for If-None-Match */
    bool create;
};
vd_rc cli_api_call(struct cli_api *api, const struct cli_req *req, struct vd_answer *ret,
                   vd_err *err);
/* Prints a problem document (or says what else came) and gives the exit code of the status. */
int cli_api_problem(const struct cli_args *a, const struct vd_answer *answer);
/* Finds the version to change (If-Match) by a GET, unless --if-version says it; *ret_create when
 * there is none. */
vd_rc cli_api_version(const struct cli_args *a, struct cli_api *api, const char *path, char ret[24],
                      bool *ret_create, vd_err *err);
/* PUT or DELETE with the right precondition, and the answer printed. */
int cli_api_change(const struct cli_args *a, struct cli_api *api, const char *method,
                   const char *path, vd_span body, const char *content_type);
/* GET and print. */
int cli_api_show(const struct cli_args *a, struct cli_api *api, const char *path);
/* POST without a precondition, and the answer printed. `body` empty: none. */
int cli_api_post(const struct cli_args *a, struct cli_api *api, const char *path, vd_span body);
/* Percent-encodes everything but unreserved characters. */
void cli_percent(vd_span in, vd_buf *out);

/* ---- the guest protocol (guest.c) ---- */
struct cli_guest {
    struct vd_client *client;
    const char *url;
    const char *tee;
    const char *attester;
    const char *init_data; /* file, may be NULL */
    const struct cli_list *audience;
    vd_buf cookie; /* name=value of the last /auth */
};
/* /auth and /attest at g->url with the key; the passport is appended. VD_E_REMOTE, or the server's
 * refusal as VD_E_POLICY_DENY / VD_E_PASSPORT with its text in msg. */
vd_rc cli_guest_attest(struct cli_guest *g, const struct vd_key *key, vd_buf *ret_passport,
                       vd_err *err);
/* GET of a resource: by passport (Bearer) or, when empty, by the cookie of cli_guest_attest. */
vd_rc cli_guest_get(struct cli_guest *g, vd_span passport, const char *resource,
                    const struct vd_key *key, vd_secret *ret, int *ret_exit, vd_err *err);
/* Evidence for report data: the built-in sample, or the attester command. */
vd_rc cli_evidence(const char *tee, const char *attester, vd_span report_data, vd_span runtime_data,
                   vd_buf *ret_json, vd_err *err);

/* ---- the table ---- */
extern const struct cli_verb cli_verbs[];
extern const size_t cli_verbs_n;
int cli_attest(const struct cli_args *a);
int cli_get(const struct cli_args *a);
int cli_passport_show(const struct cli_args *a);
int cli_passport_verify(const struct cli_args *a);
int cli_policy_put(const struct cli_args *a);
int cli_policy_show(const struct cli_args *a);
int cli_policy_list(const struct cli_args *a);
int cli_policy_history(const struct cli_args *a);
int cli_policy_rm(const struct cli_args *a);
int cli_refvalue_put(const struct cli_args *a);
int cli_refvalue_show(const struct cli_args *a);
int cli_refvalue_list(const struct cli_args *a);
int cli_refvalue_rm(const struct cli_args *a);
int cli_secret_put(const struct cli_args *a);
int cli_secret_rm(const struct cli_args *a);
int cli_secret_list(const struct cli_args *a);
int cli_issuer_trust(const struct cli_args *a);
int cli_issuer_list(const struct cli_args *a);
int cli_issuer_suspend(const struct cli_args *a);
int cli_issuer_reset(const struct cli_args *a);
int cli_key_list(const struct cli_args *a);
int cli_key_rotate(const struct cli_args *a);
int cli_key_revoke(const struct cli_args *a);
int cli_revoke_jti(const struct cli_args *a);
int cli_revoke_hw_id(const struct cli_args *a);
int cli_revoke_policy(const struct cli_args *a);
int cli_revoke_before(const struct cli_args *a);
int cli_revoke_list(const struct cli_args *a);
int cli_revoke_rm(const struct cli_args *a);
int cli_admin_keygen(const struct cli_args *a);
int cli_admin_token(const struct cli_args *a);
int cli_explain(const struct cli_args *a);
int cli_audit_verify(const struct cli_args *a);
int cli_audit_show(const struct cli_args *a);
int cli_audit_export(const struct cli_args *a);
int cli_audit_head(const struct cli_args *a);
int cli_audit_key(const struct cli_args *a);
int cli_audit_receipt(const struct cli_args *a);
int cli_audit_check_receipt(const struct cli_args *a);
int cli_collateral_status(const struct cli_args *a);
int cli_collateral_fetch(const struct cli_args *a);
int cli_collateral_import(const struct cli_args *a);
int cli_collateral_export(const struct cli_args *a);
int cli_status(const struct cli_args *a);
