/* The measuring program of `./run bench`: closed-loop load over loopback, floors of the same run,
 * flows. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "shared/base/auto.h"
#include "shared/base/buf.h"
#include "shared/crypto/key.h"
#include "shared/policy/workers.h"

/* ---- load.c: a closed loop over kept connections ---- */

struct load {
    uint16_t port;
    int pid; /* of the server, for its processor time; 0: not measured */
    unsigned connections;
    double seconds;  /* stop after so long, or */
    size_t requests; /* after so many (0: no limit) */
    /* Bytes of the i-th request (a complete HTTP request); an empty span ends the run. */
    vd_span (*request)(void *ctx, size_t i);
    /* Status and body of an answer; called in order of arrival. May be NULL. */
    void (*answer)(void *ctx, size_t i, int status, vd_span head, vd_span body);
    void *ctx;
};
struct load_result {
    size_t done;
    size_t failed; /* status other than 200 */
    double seconds;
    double rate; /* answers a second */
    double p50_us;
    double p99_us;
    double cpu_us; /* processor time of the server for one answer, all threads and workers */
};
/* False when no connection could be made or the server closed one. */
bool load_run(const struct load *l, struct load_result *ret);

/* ---- floor.c: what cannot be cached, measured with the same libraries in the same run ---- */

struct floors {
    double exchange_us; /* one bare HTTP exchange: GET /healthz, same loop, same connections */
    double sync_us;     /* one append of a record and fdatasync */
    double p256_sign_us;
    double p256_verify_us;
    double p384_verify_us;
    double p256_agree_us; /* ephemeral key and agreement */
    double rsa_us;        /* 2048-bit public operation */
    double mlkem_us;
    double policy_sample_us;
    double policy_snp_us;
    double policy_tdx_us;
    double policy_release_us;
};
/* Keys and sync. dir: where the synced file goes. False with a message when something is missing.
 */
bool floors_measure(const char *dir, struct floors *ret);
/* One evaluation in this process (or in a worker, by the clock on the wall), of a policy file below
 * the sources, on what a passport says: the very input that the measured flow gives to it.
 * Microseconds; negative with a message on failure.
 */
double floor_attestation(const char *source_dir, const char *file, vd_span passport);
double floor_release(struct vd_policy_workers *workers, const char *source_dir, const char *file,
                     vd_span passport);
double now_us(void);

/* ---- process.c: what a server uses, its policy workers included ---- */

struct memory {
    size_t rss_kib;        /* of the server's own process */
    size_t processes;      /* itself and those below it */
    size_t family_rss_kib; /* of all; pages that they share count in each */
    size_t family_pss_kib; /* of all; pages that they share count once */
};
struct memory memory_of(int pid);
size_t rss_kib(int pid);
/* Processor time so far, in microseconds. */
double used_us(int pid);

/* ---- servers.c: scratch folder, configuration, the two programs ---- */

struct server {
    int pid;
    uint16_t guest;
    uint16_t admin;
    double ready_ms;
};
struct bench {
    const char *bin;    /* folder of the programs */
    const char *source; /* root of the sources: policies */
    char dir[256];
    struct server issuer;
    struct server broker;
    struct vd_key *admin_key;
    const char *roots;      /* PEM file of the simulated platform, for tee.snp.extra_roots */
    const char *intel_root; /* and for tee.dcap.extra_roots */
    const char *collateral; /* folder of its TCB info and the like */
    int core_server;        /* -1: not pinned */
    int core_client;
};
bool servers_start(struct bench *b);
/* Starts one of them (again) and waits until it is ready: s->ready_ms. */
bool server_serve(struct bench *b, struct server *s, const char *name);
void servers_stop(struct bench *b);
/* An administrator's token for either server, in tok. */
bool admin_token(struct bench *b, vd_buf *tok);
/* One request outside the measured loops; body may be empty. Status, or -1. */
int call(uint16_t port, const char *method, const char *path, const char *fields, vd_span body,
         vd_buf *answer);
