/* A vendor's service on loopback for tests: answers each request by a callback, counts them, one
 * thread a connection. Not a HTTP server to copy: it closes after each answer and reads nothing but
 * the target. */
#pragma once

#include "shared/base/auto.h"
#include "shared/base/buf.h"

struct sim_kds;
/* Appends a whole response ("HTTP/1.1 200 OK\r\n..."), or nothing to just close. Runs in its own
 * thread. */
typedef void (*sim_kds_answer)(void *ctx, const char *target, vd_buf *response);
struct sim_kds *sim_kds_start(sim_kds_answer answer, void *ctx);
void sim_kds_stop(struct sim_kds *k); /* waits for running answers */
VD_DEFINE_CLEANUP(struct sim_kds, sim_kds_stop)
const char *sim_kds_url(const struct sim_kds *k); /* http://127.0.0.1:PORT */
unsigned sim_kds_requests(struct sim_kds *k);
void sim_kds_last(struct sim_kds *k, char ret[512]); /* target of the newest request */
/* "HTTP/1.1 <status>" with a body and its length. */
void sim_kds_reply(vd_buf *response, const char *status, vd_span body);
