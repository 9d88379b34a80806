/* The attack surface of the issuer: two constant tables. */
#pragma once

#include "shared/http/http.h"

extern const struct vd_route iss_guest_routes[];
extern const size_t iss_guest_routes_n;
/* Without the ones that both programs have (shared/program). */
extern const struct vd_route iss_admin_routes[];
extern const size_t iss_admin_routes_n;

/* [as] enabled = false: the attestation service's surface is no route. */
struct vd_server;
bool iss_route_on(const struct vd_server *s, const struct vd_route *route);
