/* Native routes over versioned objects of one kind (SHAPES section 7): list, get, history, one
 * version, put with If-Match / If-None-Match, delete. Policies of both programs use them; each
 * handler of a program is a thin function that calls one of these with its row. */
#pragma once

#include "shared/program/server.h"

struct vd_object_kind {
    const char *kind;         /* "attestation-policy" */
    const char *content_type; /* of the body, "text/plain; charset=utf-8" */
    bool sealed;
    const char *what_put; /* audit: "attestation-policy.put" */
    const char *what_delete;
    /* Checks a body before it is stored (compiles a policy). NULL: any. */
    vd_rc (*check)(struct vd_server *s, const char *name, vd_span body, vd_err *err);
    /* Name allowed? NULL: 1..255 bytes of [A-Za-z0-9._-] not beginning with a dot. */
    vd_rc (*name_ok)(vd_span name, vd_err *err);
};
/* GET /x?prefix=&after=&limit= ->
 * {"items":[{name,version,sha256,created_at,created_by,size}],"next":...} */
vd_rc vd_objects_list(const struct vd_object_kind *k, const struct vd_req *req,
                      struct vd_resp *resp, vd_err *err);
/* GET /x/{id}: the body itself with ETag; metadata only for sealed kinds. */
vd_rc vd_objects_get(const struct vd_object_kind *k, const char *name, const struct vd_req *req,
                     struct vd_resp *resp, vd_err *err);
/* GET /x/{id}/versions and /x/{id}/versions/{n} */
vd_rc vd_objects_history(const struct vd_object_kind *k, const char *name, const struct vd_req *req,
                         struct vd_resp *resp, vd_err *err);
vd_rc vd_objects_version(const struct vd_object_kind *k, const char *name, vd_span n,
                         const struct vd_req *req, struct vd_resp *resp, vd_err *err);
/* PUT /x/{id} with If-Match: "N" or If-None-Match: *: 201 or 200 with the new metadata. */
vd_rc vd_objects_put(const struct vd_object_kind *k, const char *name, const struct vd_req *req,
                     struct vd_resp *resp, vd_err *err);
/* DELETE /x/{id} with If-Match. 204. */
vd_rc vd_objects_delete(const struct vd_object_kind *k, const char *name, const struct vd_req *req,
                        struct vd_resp *resp, vd_err *err);
/* If-Match / If-None-Match of a request as a match value. VD_E_PRECONDITION, VD_E_SETTING. */
vd_rc vd_objects_match(const struct vd_req *req, int64_t *ret, vd_err *err);
/* ?limit= of a list: 100 unless given, 1 to 1000. VD_E_SETTING. */
vd_rc vd_objects_page(const struct vd_req *req, size_t *ret_limit, vd_err *err);
