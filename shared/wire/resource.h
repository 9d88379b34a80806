/* Identity of a resource (spec/wire.md 1.3): exactly three segments, each
 * [A-Za-z0-9_-][A-Za-z0-9_.-]*. */
#pragma once

#include "shared/base/err.h"
#include "shared/base/span.h"

enum { VD_RESOURCE_SEGMENT_MAX = 255 };

struct vd_resource_id {
    char repo[VD_RESOURCE_SEGMENT_MAX + 1];
    char type[VD_RESOURCE_SEGMENT_MAX + 1];
    char tag[VD_RESOURCE_SEGMENT_MAX + 1];
};
/* VD_E_RESOURCE_PATH. */
vd_rc vd_resource_id_of(vd_span repo, vd_span type, vd_span tag, struct vd_resource_id *ret,
                        vd_err *err);
/* "repo/type/tag" or "kbs:///repo/type/tag". VD_E_RESOURCE_PATH. */
vd_rc vd_resource_id_parse(vd_span text, struct vd_resource_id *ret, vd_err *err);
/* "repo/type/tag", the name of the object in the store. ret has room for VD_RESOURCE_NAME bytes. */
enum { VD_RESOURCE_NAME = 3 * VD_RESOURCE_SEGMENT_MAX + 3 };
void vd_resource_id_name(const struct vd_resource_id *id, char ret[VD_RESOURCE_NAME]);
