/* All ceilings in one list: default value, and the hard value that no configuration can pass.
 * Rows become keys of [limits] in both programs' configuration. Reasons: SHAPES section 3. */
#pragma once

#include <stdint.h>

/* clang-format off */
/* X(field, default, hard, reason) */
#define VD_LIMITS(X)                                                                               \
    X(head_bytes, 16384, 65536, "request line and fields without Authorization")                   \
    X(head_fields, 48, 100, "header fields of one request")                                        \
    X(authorization_bytes, 81920, 131072, "one Authorization field (a passport is up to 64 KiB)")  \
    X(head_seconds, 5, 30, "a whole head, from its first byte")                                    \
    X(request_seconds, 30, 45, "a whole request")                                                  \
    X(body_bytes_per_second, 1024, 1048576, "slowest body that is waited for")                     \
    X(idle_seconds, 75, 600, "a kept connection without a request")                                \
    X(body_memory, 268435456, 4294967296, "all request bodies together")                           \
    X(connections, 20000, 200000, "open connections of the guest plane")                           \
    X(connections_per_source, 12000, 200000, "open connections of one source")                     \
    X(workers, 8, 256, "threads that verify and release")                                          \
    X(queue, 1024, 65536, "requests that wait for a worker; above it 503")                         \
    X(auth_body, 16384, 65536, "bytes of a body of /auth")                                         \
    X(attest_body, 2097152, 8388608, "bytes of a body of /attest")                                 \
    X(secret_body, 10485760, 67108864, "bytes of one secret")                                      \
    X(policy_body, 262144, 1048576, "bytes of one policy upload")                                  \
    X(refvalue_body, 4194304, 16777216, "bytes of one reference-value upload")                     \
    X(json_depth, 32, 64, "nesting of a JSON text of a stranger")                                  \
    X(json_nodes, 20000, 200000, "values of a JSON text of a stranger")                            \
    X(passport_mint, 49152, 65536, "bytes of a passport when minted")                              \
    X(passport_accept, 65536, 65536, "bytes of a passport when accepted")                          \
    X(passport_cache, 8192, 262144, "verified passports kept")                                     \
    X(chain_cache, 4096, 65536, "verified certificate chains kept")                                \
    X(leeway, 60, 300, "seconds of clock difference that are forgiven")                            \
    X(decisions, 10000, 1000000, "explanations kept in memory")                                    \
    X(decisions_per_owner, 5000, 1000000, "explanations kept for one owner")                       \
    X(releases_per_passport, 600, 100000, "releases for one passport in a minute")                 \
    X(attests_per_source, 60000, 1000000, "attests of one source in a minute")                     \
    X(relays_per_source, 600000, 10000000, "attests of one named relay in a minute")               \
    X(relay_waiting, 64, 1024, "relayed calls that wait for an answer")                            \
    X(fetch_seconds, 10, 30, "one fetch of collateral or of a key set")                            \
    X(fetch_bytes, 1048576, 16777216, "answer of one fetch")                                       \
    X(policy_workers, 4, 64, "processes that evaluate policies; started when they are needed")     \
    X(policy_instructions, 1000000, 100000000, "instructions of one policy evaluation")            \
    X(policy_milliseconds, 250, 5000, "time of one policy evaluation")                             \
    X(policy_memory, 67108864, 536870912, "memory of one policy evaluation")                       \
    X(policy_result, 262144, 1048576, "bytes of a policy result")                                  \
    X(sources_recorded, 1000, 100000, "sources with denial records of their own in a minute")

/* clang-format on */

struct vd_limits {
#define VD_LIMIT_FIELD(field, def, hard, reason) uint64_t field;
    VD_LIMITS(VD_LIMIT_FIELD)
#undef VD_LIMIT_FIELD
};

#define VD_LIMITS_DEFAULT                                                                          \
    {                                                                                              \
        VD_LIMITS(VD_LIMIT_DEFAULT)                                                                \
    }
#define VD_LIMIT_DEFAULT(field, def, hard, reason) .field = (def),

/* Seconds that are decisions of the design, not knobs: challenge, passport, key publication. */
enum {
    VD_CHALLENGE_SECONDS = 300,
    VD_PASSPORT_SECONDS = 300,
    VD_PASSPORT_SECONDS_MAX = 900,
    VD_JWKS_MAX_AGE = 300,
    VD_ADMIN_TOKEN_SECONDS = 900,
    VD_ADMIN_TOKEN_SECONDS_MAX = 86400,
    VD_EVIDENCE_MAX = 1258291, /* bytes of one piece of evidence, event logs included */
};
