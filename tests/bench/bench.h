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
    size_t first; /* number of the first request */
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

/* ---- floor.c: what cannot be cached, measured with the same libraries ---- */

enum floor_part {
    FLOOR_P256_SIGN,
    FLOOR_P256_VERIFY,
    FLOOR_P256_AGREE, /* ephemeral key and agreement */
    FLOOR_P384_VERIFY,
    FLOOR_RSA, /* 2048-bit public operation */
    FLOOR_MLKEM,
    FLOOR_SYNC, /* one append of a record and fdatasync */
    FLOOR_POLICY_SAMPLE,
    FLOOR_POLICY_SNP,
    FLOOR_POLICY_TDX,
    FLOOR_POLICY_RELEASE,
    FLOOR_POLICY_WORKER, /* the same in a worker process, by the clock on the wall */
    FLOOR_PARTS
};
struct floors;
/* Keys and file; policies are added. dir: where the synced file goes. NULL with a message. */
struct floors *floors_new(const char *dir);
void floors_free(struct floors *f);
VD_DEFINE_CLEANUP(struct floors, floors_free)
/* A policy file below the sources on what a passport says: the very input that the measured flow
 * gives to it. workers: for FLOOR_POLICY_WORKER. */
bool floors_policy(struct floors *f, enum floor_part part, struct vd_policy_workers *workers,
                   const char *source_dir, const char *file, vd_span passport);
const char *floor_name(enum floor_part part);
/* Microseconds of one, now: the middle one of three short rounds. Negative with a message. */
double floor_now(struct floors *f, enum floor_part part);
double now_us(void);

/* ---- measure.c: a flow in slices, each with a floor of its own moment ---- */

struct bench;
struct recipe {
    unsigned times[FLOOR_PARTS]; /* FLOOR_SYNC: one, shared by the connections */
};
struct flow {
    const char *name;
    struct recipe recipe; /* beside one bare exchange */
    double goal;
    struct load load; /* seconds or requests are those of all slices together */
};
struct slice {
    struct load_result result;
    double exchange_us;
    double floor_us;
    double ratio;
};
struct measured {
    struct slice middle; /* by its ratio */
    double lowest;       /* ratio of a slice */
    double highest;
    size_t done;
    size_t failed;
};
/* False when the load could not be run, or a floor not be measured. */
bool flow_measure(const struct bench *b, struct floors *floors, const struct flow *f,
                  struct measured *ret);

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
/* This thread from now on; core -1: as it is. */
void pin(int core);
bool servers_start(struct bench *b);
/* Starts one of them (again) and waits until it is ready: s->ready_ms. */
bool server_serve(struct bench *b, struct server *s, const char *name);
void servers_stop(struct bench *b);
/* An administrator's token for either server, in tok. */
bool admin_token(struct bench *b, vd_buf *tok);
/* One request outside the measured loops; body may be empty. Status, or -1. */
int call(uint16_t port, const char *method, const char *path, const char *fields, vd_span body,
         vd_buf *answer);
