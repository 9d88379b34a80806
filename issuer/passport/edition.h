/* Numbers of published documents (key set, revocation statement): the same content keeps its number
 * and time, another one gets the next. */
#pragma once

#include "shared/store/store.h"

struct iss_edition {
    uint64_t seq; /* 1.. */
    int64_t iat;  /* when this content came, unix seconds */
    char sha256[65];
};
/* `name` is where the store keeps it. VD_E_STORE_CORRUPT; errors of the store. */
vd_rc iss_edition_of(struct vd_store *s, const char *name, vd_span content, int64_t now,
                     struct iss_edition *ret, vd_err *err);
