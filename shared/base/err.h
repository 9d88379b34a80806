/* Results and the one error table. Numbers and slugs are public and append-only; docs/errors.md is
 * checked against this list. Statuses and texts: SHAPES section 6; KBS names: the KBS protocol's
 * ErrorInformation variants. A text may carry {client_version} {own_version} {role} {endpoint}
 * {decision}, at most two of them, and nothing else. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "shared/base/span.h"

#define VD_KBS_ERROR_PREFIX "https://github.com/confidential-containers/kbs/errors/"
#define VD_NATIVE_ERROR_PREFIX "urn:vidimus:error:"

#define VD_T_ATTEST "Attestation error: RCAR handshake Attest failed"
#define VD_T_AUTH "Attestation error: RCAR handshake Auth failed: "

/* clang-format off */
/* X(symbol, number, slug, http (native), kbs_name, kbs_http, public text) */
#define VD_ERRORS(X)                                                                               \
    /* 1-99: general */                                                                            \
    X(NOMEM, 1, "internal.memory", 500, "PluginInternalError", 500, "internal error")              \
    X(INTERNAL, 2, "internal", 500, "PluginInternalError", 500, "internal error")                  \
    X(FILE, 3, "internal.file", 500, "PluginInternalError", 500, "internal error")                 \
    X(CONFIG, 4, "config", 500, "PluginInternalError", 500, "internal error")                      \
    X(SYNTAX, 5, "request.syntax", 400, "AttestationError", 400, "request is malformed")           \
    X(TOO_LARGE, 6, "request.too-large", 413, "PluginInternalError", 413,                          \
      "request body is too large")                                                                 \
    X(NOT_FOUND, 7, "not-found", 404, "PluginInternalError", 404, "not found")                     \
    X(EXISTS, 8, "conflict.exists", 412, "PluginInternalError", 412, "it exists already")          \
    X(VERSION, 9, "conflict.version", 412, "PluginInternalError", 412,                             \
      "it was changed by somebody else; read it again and repeat")                                 \
    X(PRECONDITION, 10, "conflict.precondition-required", 428, "PluginInternalError", 428,         \
      "If-Match or If-None-Match is required")                                                     \
    X(UNAVAILABLE, 11, "unavailable", 503, "PluginInternalError", 503,                             \
      "a service this request needs is not available; try again later")                            \
    X(BUSY, 12, "unavailable.busy", 503, "PluginInternalError", 503,                               \
      "the server is at its limit; try again later")                                               \
    X(RATE, 13, "rate-limited", 429, "PluginInternalError", 429,                                   \
      "too many requests; try again later")                                                        \
    X(STORE, 14, "unavailable.store", 503, "PluginInternalError", 503,                             \
      "the store is not available")                                                                \
    X(STORE_CORRUPT, 15, "store.corrupt", 500, "PluginInternalError", 500, "internal error")       \
    X(AUDIT, 16, "unavailable.audit", 503, "PluginInternalError", 503,                             \
      "the audit record cannot be written; nothing is released")                                   \
    X(READ_ONLY, 17, "read-only", 409, "PluginInternalError", 409,                                 \
      "it is set by the configuration file and cannot be changed here")                            \
    X(SETTING, 18, "request.value", 400, "PluginInternalError", 400,                               \
      "a value in the request is not allowed")                                                     \
    X(CRYPTO, 19, "internal.crypto", 500, "PluginInternalError", 500, "internal error")            \
    X(REMOTE, 20, "unavailable.remote", 503, "PluginInternalError", 503,                           \
      "a service this request needs is not available; try again later")                            \
    X(TIMEOUT, 21, "unavailable.timeout", 503, "PluginInternalError", 503,                         \
      "a service this request needs did not answer in time")                                       \
    /* 100-199: /auth, /attest, evidence */                                                        \
    X(AUTH_BODY, 100, "auth.malformed", 400, "AttestationError", 400,                              \
      VD_T_AUTH "deserialize Request")                                                             \
    X(KBS_VERSION_SYNTAX, 101, "auth.version-syntax", 401, "AttestationError", 401,                \
      VD_T_AUTH "failed to parse KBS version")                                                     \
    X(KBS_VERSION, 102, "auth.version", 401, "AttestationError", 401,                              \
      VD_T_AUTH                                                                                    \
      "KBS Client Protocol Version Mismatch: expect =0.4.0 while the request is {client_version}") \
    X(TEE_UNKNOWN, 103, "auth.tee-unknown", 401, "AttestationError", 401,                          \
      VD_T_AUTH "deserialize Request")                                                             \
    X(TEE_DISABLED, 104, "auth.tee-disabled", 401, "AttestationError", 401,                        \
      VD_T_AUTH "Attestation Service generate challenge failed")                                   \
    X(AUDIENCE, 105, "auth.audience", 400, "AttestationError", 400,                                \
      VD_T_AUTH "vidimus-audience is not valid")                                                   \
    X(ATTEST_BODY, 110, "attest.malformed", 400, "AttestationError", 400, VD_T_ATTEST)             \
    X(NO_SESSION, 111, "attest.no-session", 401, "AttestationError", 401, VD_T_ATTEST)             \
    X(SESSION_BAD, 112, "attest.session-unknown", 401, "AttestationError", 401, VD_T_ATTEST)       \
    X(SESSION_EXPIRED, 113, "attest.session-expired", 401, "AttestationError", 401, VD_T_ATTEST)   \
    X(SESSION_SPENT, 114, "attest.session-spent", 401, "AttestationError", 401, VD_T_ATTEST)       \
    X(NONCE, 115, "attest.nonce", 401, "AttestationError", 401, VD_T_ATTEST)                       \
    X(BAD_EVIDENCE, 120, "evidence.malformed", 400, "AttestationError", 401, VD_T_ATTEST)          \
    X(EVIDENCE_VERSION, 121, "evidence.version", 403, "AttestationError", 401, VD_T_ATTEST)        \
    X(SIG, 122, "evidence.signature", 403, "AttestationError", 401, VD_T_ATTEST)                   \
    X(CHAIN, 123, "evidence.chain", 403, "AttestationError", 401, VD_T_ATTEST)                     \
    X(CERT_EXPIRED, 124, "evidence.certificate-expired", 403, "AttestationError", 401,             \
      VD_T_ATTEST)                                                                                 \
    X(REVOKED, 125, "evidence.revoked", 403, "AttestationError", 401, VD_T_ATTEST)                 \
    X(BINDING, 126, "evidence.report-data", 403, "AttestationError", 401, VD_T_ATTEST)             \
    X(INIT_DATA, 127, "evidence.init-data", 403, "AttestationError", 401, VD_T_ATTEST)             \
    X(INIT_DATA_SYNTAX, 128, "evidence.init-data-malformed", 400, "AttestationError", 401,         \
      VD_T_ATTEST)                                                                                 \
    X(TCB, 129, "evidence.tcb", 403, "AttestationError", 401, VD_T_ATTEST)                         \
    X(DEBUG, 130, "evidence.debug", 403, "AttestationError", 401, VD_T_ATTEST)                     \
    X(MIGRATABLE, 131, "evidence.migratable", 403, "AttestationError", 401, VD_T_ATTEST)           \
    X(VMPL, 132, "evidence.vmpl", 403, "AttestationError", 401, VD_T_ATTEST)                       \
    X(CHIP, 133, "evidence.chip-id", 403, "AttestationError", 401, VD_T_ATTEST)                    \
    X(KEY_TYPE, 134, "evidence.signing-key", 403, "AttestationError", 401, VD_T_ATTEST)            \
    X(CSP, 135, "evidence.cloud-provider", 403, "AttestationError", 401, VD_T_ATTEST)              \
    X(COLLATERAL, 136, "evidence.collateral-missing", 503, "AttestationError", 401, VD_T_ATTEST)   \
    X(PRODUCT, 137, "evidence.product", 403, "AttestationError", 401, VD_T_ATTEST)                 \
    X(SIMULATED, 138, "evidence.simulated", 403, "AttestationError", 401, VD_T_ATTEST)             \
    X(COLLATERAL_EXPIRED, 139, "evidence.collateral-expired", 403, "AttestationError", 401,        \
      VD_T_ATTEST)                                                                                 \
    X(TEE_KEY_SHAPE, 140, "attest.tee-key", 400, "AttestationError", 401, VD_T_ATTEST)             \
    X(POLICY_MISSING, 141, "appraise.policy-missing", 403, "AttestationError", 401, VD_T_ATTEST)   \
    X(POLICY_RESULT, 142, "appraise.policy-result", 403, "AttestationError", 401, VD_T_ATTEST)     \
    X(PASSPORT_TOO_LARGE, 143, "passport.too-large", 403, "AttestationError", 401, VD_T_ATTEST)    \
    X(EVIDENCE_TEE, 144, "evidence.tee-disabled", 403, "AttestationError", 401, VD_T_ATTEST)       \
    X(APPRAISE_EVAL, 145, "appraise.policy-evaluation", 403, "AttestationError", 401, VD_T_ATTEST) \
    X(EVENT_LOG, 170, "evidence.event-log", 403, "AttestationError", 401, VD_T_ATTEST)             \
    X(SET_POLICY, 150, "policy.refused", 400, "AttestationError", 401,                             \
      "Attestation error: Set Attestation Policy failed")                                          \
    X(REFVALUE_UNKNOWN, 151, "refvalue.unknown", 404, "RvpsError", 404,                            \
      "RVPS configuration failed: Failed to get reference_values: No reference value found for "   \
      "the given id")                                                                              \
    X(REFVALUE_REFUSED, 152, "refvalue.refused", 400, "RvpsError", 401,                            \
      "RVPS configuration failed: Failed to register reference value: register reference value")   \
    X(QE_SIG, 160, "evidence.qe-signature", 403, "AttestationError", 401, VD_T_ATTEST)             \
    X(QE_BINDING, 161, "evidence.qe-binding", 403, "AttestationError", 401, VD_T_ATTEST)           \
    X(QE_IDENTITY, 162, "evidence.qe-identity", 403, "AttestationError", 401, VD_T_ATTEST)         \
    X(CERT_DATA, 163, "evidence.certification-data", 403, "AttestationError", 401, VD_T_ATTEST)    \
    X(TDX_MODULE, 164, "evidence.tdx-module", 403, "AttestationError", 401, VD_T_ATTEST)           \
    X(TCB_UNSUPPORTED, 165, "evidence.tcb-unsupported", 403, "AttestationError", 401, VD_T_ATTEST) \
    X(TCB_REVOKED, 166, "evidence.tcb-revoked", 403, "AttestationError", 401, VD_T_ATTEST)         \
    X(TCB_FLOOR, 167, "evidence.tcb-floor", 403, "AttestationError", 401, VD_T_ATTEST)             \
    X(COLLATERAL_SYNTAX, 171, "collateral.malformed", 403, "AttestationError", 401, VD_T_ATTEST)   \
    X(COLLATERAL_VERSION, 172, "collateral.version", 403, "AttestationError", 401, VD_T_ATTEST)    \
    X(COLLATERAL_CHAIN, 173, "collateral.chain", 403, "AttestationError", 401, VD_T_ATTEST)        \
    X(COLLATERAL_SIG, 174, "collateral.signature", 403, "AttestationError", 401, VD_T_ATTEST)      \
    X(COLLATERAL_MISMATCH, 175, "collateral.mismatch", 403, "AttestationError", 401, VD_T_ATTEST)  \
    X(COLLATERAL_OLD, 176, "collateral.old", 403, "AttestationError", 401, VD_T_ATTEST)            \
    /* 200-299: passports, release, policies */                                                    \
    X(NO_PASSPORT, 200, "passport.missing", 401, "TokenNotFound", 401,                             \
      "Attestation Token not found")                                                               \
    X(PASSPORT, 201, "passport.refused", 401, "TokenVerifierError", 401, "Token Verifier error")   \
    X(PASSPORT_EXPIRED, 202, "passport.expired", 401, "TokenVerifierError", 401,                   \
      "Token Verifier error")                                                                      \
    X(PASSPORT_ISSUER, 203, "passport.issuer", 401, "TokenVerifierError", 401,                     \
      "Token Verifier error")                                                                      \
    X(PASSPORT_KEY, 204, "passport.key", 401, "TokenVerifierError", 401, "Token Verifier error")   \
    X(PASSPORT_AUDIENCE, 205, "passport.audience", 401, "TokenVerifierError", 401,                 \
      "Token Verifier error")                                                                      \
    X(ISSUER_SUSPENDED, 206, "passport.issuer-suspended", 401, "TokenVerifierError", 401,          \
      "Token Verifier error")                                                                      \
    X(PASSPORT_TEE_KEY, 207, "passport.tee-key", 401, "TokenVerifierError", 401,                   \
      "Token Verifier error")                                                                      \
    X(PASSPORT_SCOPE, 208, "passport.scope", 403, "PolicyDeny", 403, "Access denied by policy")    \
    X(POLICY_DENY, 210, "policy.deny", 403, "PolicyDeny", 403, "Access denied by policy")          \
    X(POLICY_EVAL, 211, "policy.evaluation", 403, "PolicyEngineError", 403,                        \
      "Policy engine error: Failed to eval policy")                                                \
    X(POLICY_COMPILE, 212, "policy.compile", 400, "PolicyEngineError", 401,                        \
      "Policy engine error: Failed to load policy")                                                \
    X(POLICY_BODY, 213, "policy.malformed", 400, "ParsePolicyError", 400,                          \
      "Failed to parse policy")                                                                    \
    X(POLICY_BUDGET, 214, "policy.budget", 403, "PolicyEngineError", 403,                          \
      "Policy engine error: Failed to eval policy")                                                \
    X(JWE_KEY, 220, "release.tee-key", 403, "JweError", 403, "JWE failed")                         \
    X(SECRET_UNKNOWN, 221, "secret.unknown", 404, "PluginInternalError", 404,                      \
      "Plugin internal error")                                                                     \
    X(RESOURCE_PATH, 222, "secret.path", 404, "PluginInternalError", 404, "Plugin internal error") \
    X(DENIED_AS_401, 223, "policy.deny-401", 401, "PolicyDeny", 401, "Access denied by policy")    \
    X(POLICY_FAILED_AS_401, 224, "policy.evaluation-401", 401, "PolicyEngineError", 401, "Policy engine error: Failed to eval policy") \
    X(PASSPORT_REVOKED, 225, "passport.revoked", 401, "TokenVerifierError", 401, "Token Verifier error") \
    X(REVOCATION_STALE, 226, "passport.revocation-unknown", 503, "TokenVerifierError", 503, "Token Verifier error") \
    X(OLDER_SET, 227, "trusted-issuer.older", 409, "PluginInternalError", 409, "it is older than what its issuer published before") \
    X(KEYS_FULL, 228, "keys.full", 409, "PluginInternalError", 409, "too many keys are published; wait until old ones have retired") \
    X(KEY_STATE, 229, "keys.state", 409, "PluginInternalError", 409, "the key is not in a state that allows this") \
    /* 300-399: requests and routing */                                                            \
    X(BAD_PATH, 300, "request.path", 404, "InvalidRequestPath", 404, "no such path")               \
    X(METHOD, 301, "request.method", 405, "InvalidRequestPath", 405,                               \
      "method not allowed for this path")                                                          \
    X(BAD_REQUEST, 302, "request.framing", 400, "InvalidRequestPath", 400,                         \
      "the request is not well-formed HTTP")                                                       \
    X(BAD_TARGET, 303, "request.target", 400, "InvalidRequestPath", 400,                           \
      "the request target is not acceptable")                                                      \
    X(HEAD_TOO_LARGE, 304, "request.head-too-large", 431, "InvalidRequestPath", 431,               \
      "the request head is too large")                                                             \
    X(REQUEST_TIMEOUT, 305, "request.timeout", 408, "InvalidRequestPath", 408,                     \
      "the request was not complete in time")                                                      \
    X(PLUGIN_UNKNOWN, 306, "request.plugin", 404, "PluginNotFound", 404, "Plugin not found")       \
    /* 400-499: administrators */                                                                  \
    X(ADMIN_MISSING, 400, "admin.token-missing", 401, "AdminAuthAccess", 401,                      \
      "admin access denied for endpoint {endpoint}: Failed to parse HTTP Auth Bearer header")      \
    X(ADMIN_TOKEN, 401, "admin.token-refused", 401, "AdminAuthAccess", 401,                        \
      "admin access denied for endpoint {endpoint}: Admin access denied: Cannot verify token "     \
      "with any of the issuers")                                                                   \
    X(ADMIN_ROLE, 402, "admin.role", 403, "AdminAuthAccess", 403,                                  \
      "admin access denied for endpoint {endpoint}: Admin access denied: Role {role} not allowed") \
    X(ADMIN_DENY_ALL, 403, "admin.deny-all", 403, "AdminAuthAccess", 403,                          \
      "admin access denied for endpoint {endpoint}: Admin access denied as DenyAll "               \
      "authorization_mode is enabled")                                                             \
    X(ADMIN_NO_ROLE, 404, "admin.role-missing", 401, "AdminAuthAccess", 401,                       \
      "admin access denied for endpoint {endpoint}: Admin access denied: Missing required `role` " \
      "claim in JWT")

/* clang-format on */

typedef enum {
    VD_E_OK = 0,
#define VD_ERROR_ENUM(sym, num, slug, http, kbs, kbs_http, text) VD_E_##sym = (num),
    VD_ERRORS(VD_ERROR_ENUM)
#undef VD_ERROR_ENUM
} vd_code;

/* A one-field struct: `if (f())` does not compile, so success can never be mistaken for failure,
 * and dropping the result draws a warning. */
typedef struct {
    vd_code code;
} vd_rc_;
#define vd_rc __attribute__((warn_unused_result)) vd_rc_
#define VD_OK ((vd_rc_){ VD_E_OK })
#define VD_RC(c) ((vd_rc_){ (c) })
#define VD_TRY(call)                                                                               \
    do {                                                                                           \
        vd_rc_ try_ = (call);                                                                      \
        if (try_.code != VD_E_OK)                                                                  \
            return try_;                                                                           \
    } while (0)

/* Filled only on failure. `msg` is for the operator's log and for explanations that owners read,
 * never for clients; it never holds secrets, tokens or evidence. The parameters are the closed set
 * that a public text may carry. */
typedef struct {
    vd_code code;
    const char *file;
    int line;
    char msg[240];
    char client_version[33]; /* empty unless it parsed as semver */
    char role[65];           /* of a verified token */
    char decision[24];       /* decision id, empty if none */
    uint32_t text_line; /* place in an uploaded policy or file, 1-based; 0 none. Native API only */
    uint32_t text_column;
} vd_err;

struct vd_error_row {
    vd_code code;
    const char *symbol;
    const char *slug;
    int http;
    const char *kbs_name;
    int kbs_http;
    const char *text;
};

/* Never NULL: an unknown code gives the row of INTERNAL. */
const struct vd_error_row *vd_error_row(vd_code code);
/* The i-th row of the table, NULL behind the end. */
const struct vd_error_row *vd_error_at(size_t i);

/* err may be NULL. The first cause is kept: a filled err is not overwritten. */
vd_rc vd_fail_(vd_err *err, const char *file, int line, vd_code code, const char *fmt, ...)
    __attribute__((format(printf, 5, 6)));
/* Says its own code once more, so that readers and analysers see that it never succeeds. */
#define vd_fail(err, failed, ...)                                                                  \
    __extension__({                                                                                \
        vd_code failed_ = (failed);                                                                \
        (void)vd_fail_((err), __FILE__, __LINE__, failed_, __VA_ARGS__).code;                      \
        VD_RC(failed_);                                                                            \
    })
/* Puts "prefix: " before the message of a filled err. */
void vd_context(vd_err *err, const char *prefix);
static inline void vd_err_clear(vd_err *err)
{
    *err = (vd_err){ 0 };
}

/* A branch believed unreachable: aborts in debug builds, an internal error in release. */
#ifdef NDEBUG
#define VD_NEVER(err) return vd_fail((err), VD_E_INTERNAL, "unreachable")
#else
#define VD_NEVER(err) __builtin_trap()
#endif
