/* Targets vd_target_parse, vd_router_find and vd_req_query: what is accepted has exactly one
 * reading. */
#include <stdlib.h>

#include "shared/http/http.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static vd_rc nothing(const struct vd_req *req, struct vd_resp *resp, vd_err *err)
{
    (void)req;
    (void)resp;
    (void)err;
    return VD_OK;
}

static const struct vd_route routes[] = {
    { VD_GET, "/kbs/v0/resource/{repo}/{type}/{tag}", VD_OPEN, VD_NO_BODY, VD_SHAPE_KBS, VD_WORK,
      nothing },
    { VD_GET, "/kbs/v0/reference-value/*", VD_OPEN, VD_NO_BODY, VD_SHAPE_KBS, VD_WORK, nothing },
    { VD_POST, "/kbs/v0/auth", VD_OPEN, VD_NO_BODY, VD_SHAPE_KBS, VD_WORK, nothing },
};

static void check(bool ok)
{
    if (!ok)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    vd_span in = { data, size };
    uint8_t *room = malloc(size + 1), *room2 = malloc(size + 1);
    check(room && room2);
    struct vd_req req = { .method = VD_GET };
    vd_err err = { 0 };
    if (vd_target_parse(in, room, &req, &err).code == VD_E_OK) {
        vd_span p = req.path;
        check(p.n > 0 && p.p[0] == '/');
        for (size_t i = 0; i < p.n; i++) {
            check(p.p[i] > 0x20 && p.p[i] < 0x7f && p.p[i] != '%' && p.p[i] != '\\' &&
                  p.p[i] != '?');
            check(i == 0 || p.p[i] != '/' || p.p[i - 1] != '/');
        }
        struct vd_req again = { .method = VD_GET };
        check(vd_target_parse(p, room2, &again, &err).code == VD_E_OK && vd_span_eq(again.path, p));

        const struct vd_router router = { .route = routes, .n = sizeof routes / sizeof routes[0] };
        VD_AUTO_BUF allow = vd_buf_of(64);
        if (vd_router_find(&router, &req, &allow, &err).code == VD_E_OK) {
            check(vd_pattern_match(req.route->pattern, p));
            for (size_t i = 0; i < req.n_param; i++)
                check(req.param[i].n > 0 && req.param[i].p >= p.p &&
                      req.param[i].p + req.param[i].n <= p.p + p.n);
        }
        VD_AUTO_BUF value = vd_buf_of(4096);
        vd_err_clear(&err);
        if (vd_req_query(&req, "name", &value, &err).code == VD_E_OK)
            check(value.n <= req.query.n);
    }
    free(room);
    free(room2);
    return 0;
}
