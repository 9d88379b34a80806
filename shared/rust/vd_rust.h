/* C ABI of the one small static library of crates (regorus, toml, aws-lc-rs). It binds and holds no
 * logic of ours. Every entry point catches panics (VDR_PANIC). Memory that it returns is freed with
 * vdr_free only. Included by shared/crypto (ec, kem), shared/codec/toml.c and shared/policy only.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

enum vdr_rc {
    VDR_OK = 0,
    VDR_BAD_INPUT = 1, /* malformed key, signature, document */
    VDR_REFUSED = 2,   /* signature does not verify */
    VDR_BUDGET = 3,    /* instructions, time or memory of a policy */
    VDR_PANIC = 4,
    VDR_NOMEM = 5,
    VDR_EVAL = 6, /* policy evaluation error */
    VDR_COMPILE = 7,
    VDR_TOO_LARGE = 8, /* the output would pass the maximum given */
};

struct vdr_bytes {
    uint8_t *p;
    size_t n;
};
void vdr_free(struct vdr_bytes b); /* wiped before it is freed */

/* Place and text of a failure; filled by the calls that take it. */
struct vdr_fault {
    uint32_t line; /* 1-based, 0 unknown */
    uint32_t column;
    char text[200];
};

/* ---- curves (AWS-LC) ---- */
enum vdr_curve { VDR_P256 = 0, VDR_P384 = 1, VDR_P521 = 2 };
enum vdr_digest { VDR_SHA256 = 0, VDR_SHA384 = 1, VDR_SHA512 = 2 };
enum vdr_sig_form { VDR_SIG_RAW = 0, VDR_SIG_DER = 1 };

struct vdr_ec_key; /* parsed key pair, thread safe */
/* d: big-endian scalar of full width; point: 04|x|y. The pair is checked. */
int vdr_ec_key_new(int curve, const uint8_t *d, size_t d_n, const uint8_t *point, size_t point_n,
                   struct vdr_ec_key **ret);
int vdr_ec_key_generate(int curve, struct vdr_ec_key **ret);
void vdr_ec_key_free(struct vdr_ec_key *k);
/* d has room for 66 bytes; wiped by the caller. */
int vdr_ec_key_export(const struct vdr_ec_key *k, uint8_t *d, size_t *ret_d, uint8_t *point,
                      size_t *ret_point);
/* On the curve? point 04|x|y. */
int vdr_ec_point_check(int curve, const uint8_t *point, size_t n);
/* Raw r|s, 64/96/132 bytes, over the message with the digest of the curve (P-256 SHA-256, P-384
 * SHA-384, P-521 SHA-512). */
int vdr_ecdsa_sign(const struct vdr_ec_key *k, const uint8_t *in, size_t n, uint8_t *sig,
                   size_t *ret_n);
int vdr_ecdsa_verify(int curve, int digest, int form, const uint8_t *point, size_t point_n,
                     const uint8_t *in, size_t in_n, const uint8_t *sig, size_t sig_n);
/* x coordinate of the shared point; z has room for 66 bytes. */
int vdr_ecdh(const struct vdr_ec_key *k, const uint8_t *point, size_t point_n, uint8_t *z,
             size_t *ret_n);
/* Ephemeral pair and agreement in one; ret_point has room for 133 bytes. */
int vdr_ecdh_ephemeral(int curve, const uint8_t *point, size_t point_n, uint8_t *z, size_t *ret_z,
                       uint8_t *ret_point, size_t *ret_point_n);

/* ---- ML-KEM-768 (AWS-LC) ---- */
int vdr_mlkem768_check(const uint8_t *pub, size_t n); /* 1184 bytes, modulus check */
int vdr_mlkem768_encapsulate(const uint8_t *pub, size_t n, uint8_t ct[1088], uint8_t ss[32]);
struct vdr_mlkem_key;
int vdr_mlkem768_generate(struct vdr_mlkem_key **ret, uint8_t pub[1184]);
int vdr_mlkem768_decapsulate(const struct vdr_mlkem_key *k, const uint8_t *ct, size_t n,
                             uint8_t ss[32]);
void vdr_mlkem768_free(struct vdr_mlkem_key *k);

/* ---- TOML ---- */
/* JSON text of the document; lines: JSON object dotted key path -> line. */
int vdr_toml_to_json(const uint8_t *in, size_t n, size_t max_out, struct vdr_bytes *ret_json,
                     struct vdr_bytes *ret_lines, struct vdr_fault *fault);

/* ---- Rego (regorus); used by shared/policy only ---- */
struct vdr_rego;     /* compiled policy: immutable, any number of threads */
struct vdr_rego_run; /* one evaluation: one thread at a time; outlives its policy's vdr_rego_free */

/* For a process that does nothing but evaluate, before any other call: nothing below starts a
 * thread, recursion stands on the caller's stack and may overflow it, memory comes in small
 * pieces. */
void vdr_rego_alone(void);
/* Live bytes of all policies of the process together, instead of 512 MiB. */
void vdr_rego_memory(uint64_t bytes);

/* What there is for an entry point. */
enum vdr_rego_entry {
    VDR_REGO_ABSENT = 0, /* no such rule */
    VDR_REGO_VM = 1,     /* the register VM evaluates it */
    VDR_REGO_INTERPRETED =
        2, /* the interpreter does, behind a run of the VM for its budgets where it compiles */
    VDR_REGO_BROKEN = 3, /* every evaluation fails, as the fault says */
};
struct vdr_rego_budget {
    uint64_t instructions; /* VM */
    uint64_t milliseconds; /* the host's answers not counted; 300 at most when interpreted */
    uint64_t memory;       /* VM: bytes requested in all */
    uint64_t result;       /* bytes of JSON */
};
struct vdr_rego_query {
    const uint8_t *input; /* JSON; empty is {} */
    size_t input_n;
    const uint8_t *data; /* JSON; empty is {} */
    size_t data_n;
    int64_t now_ns; /* answers time.now_ns */
    struct vdr_rego_budget budget;
};
enum vdr_rego_step {
    VDR_REGO_VALUE = 0, /* finished: bytes are the JSON of the rule's value */
    VDR_REGO_UNDEFINED = 1,
    VDR_REGO_LOOKUP =
        2, /* bytes are the name that query_reference_value asks for; resume with the answer */
};
/* entries: rule paths such as "data.policy.allow". lookups 0: query_reference_value does not exist.
 * VDR_COMPILE with the fault when the text does not parse. */
int vdr_rego_compile(const uint8_t *text, size_t n, const char *const *entries, size_t entries_n,
                     int lookups, struct vdr_rego **ret, struct vdr_fault *fault);
void vdr_rego_free(struct vdr_rego *r);
/* enum vdr_rego_entry; the fault is filled for BROKEN only. */
int vdr_rego_entry(const struct vdr_rego *r, size_t entry, struct vdr_fault *fault);
/* VDR_EVAL, VDR_BUDGET, VDR_PANIC and the fault, then there is no run; entry must not be ABSENT.
 * Otherwise ret_step says where the run stands. End every run. */
int vdr_rego_start(const struct vdr_rego *r, size_t entry, const struct vdr_rego_query *q,
                   struct vdr_rego_run **ret, int *ret_step, struct vdr_bytes *ret_bytes,
                   struct vdr_fault *fault);
/* Behind LOOKUP: the JSON of the answer, empty for null. After a failure only vdr_rego_end is
 * allowed. */
int vdr_rego_resume(struct vdr_rego_run *run, const uint8_t *json, size_t n, int *ret_step,
                    struct vdr_bytes *ret_bytes, struct vdr_fault *fault);
void vdr_rego_end(struct vdr_rego_run *run);
