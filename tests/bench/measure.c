/* A flow is measured in slices. What the machine's host gives varies from second to second, so each
 * slice is compared with a floor that was measured just before it, on the server's core; the slice
 * with the middle ratio stands for the flow. */
#include <stdio.h>
#include <stdlib.h>

#include "tests/bench/bench.h"

enum { SLICES = 7 };

static vd_span healthz(void *ctx, size_t i)
{
    (void)ctx;
    (void)i;
    return VD_LIT("GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n");
}

/* One bare exchange with the server of the flow, over as many connections. */
static bool exchange_now(const struct flow *f, double *ret)
{
    struct load l = { .port = f->load.port,
                      .connections = f->load.connections,
                      .seconds = 0.08,
                      .request = healthz };
    struct load_result r;
    bool ok = load_run(&l, &r) && r.rate > 0;
    *ret = ok ? 1e6 / r.rate : 0;
    return ok;
}

static bool floor_of(const struct bench *b, struct floors *floors, const struct flow *f,
                     struct slice *s)
{
    bool ok = exchange_now(f, &s->exchange_us);
    s->floor_us = s->exchange_us;
    pin(b->core_server);
    for (int part = 0; ok && part < FLOOR_PARTS; part++) {
        unsigned times = f->recipe.times[part];
        double us = times > 0 ? floor_now(floors, (enum floor_part)part) : 0;
        ok = us >= 0;
        s->floor_us += part == FLOOR_SYNC ? us / f->load.connections : us * times;
    }
    pin(b->core_client);
    return ok;
}

static int by_ratio(const void *a, const void *b)
{
    double x = ((const struct slice *)a)->ratio;
    double y = ((const struct slice *)b)->ratio;
    return (x > y) - (x < y);
}

bool flow_measure(const struct bench *b, struct floors *floors, const struct flow *f,
                  struct measured *ret)
{
    struct slice slice[SLICES];
    *ret = (struct measured){ .done = 0 };
    struct load l = f->load;
    struct load_result warm;
    l.seconds = f->load.seconds / SLICES;
    l.requests = f->load.requests / (SLICES + 1);
    if (!load_run(&l, &warm))
        return false;
    for (int i = 0; i < SLICES; i++) {
        struct slice *s = &slice[i];
        l.first += l.requests;
        if (!floor_of(b, floors, f, s) || !load_run(&l, &s->result) || s->result.rate <= 0)
            return false;
        s->ratio = s->floor_us * s->result.rate / 1e6;
        ret->done += s->result.done;
        ret->failed += s->result.failed;
    }
    qsort(slice, SLICES, sizeof slice[0], by_ratio);
    ret->middle = slice[SLICES / 2];
    ret->lowest = slice[0].ratio;
    ret->highest = slice[SLICES - 1].ratio;
    return true;
}
