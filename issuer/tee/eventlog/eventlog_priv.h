/* Inside of the event log room: what an event's data says. */
#pragma once

#include "issuer/tee/eventlog/eventlog.h"

/* Types whose data has a form (TCG PFP 1.06, table 14). */
enum evl_type {
    EVL_POST_CODE = 0x1,
    EVL_NO_ACTION = 0x3,
    EVL_ACTION = 0x5,
    EVL_EVENT_TAG = 0x6,
    EVL_PLATFORM_CONFIG_FLAGS = 0xA,
    EVL_COMPACT_HASH = 0xC,
    EVL_IPL = 0xD,
    EVL_OMIT_BOOT_DEVICE_EVENTS = 0x12,
};
#define EVL_EFI_TYPE(n) (UINT32_C(0x80000000) + (n))

/* A JSON string, NULs left out: strict readers of passports refuse them. */
void evl_put_str(vd_jw *w, vd_span utf8);
/* The value of "details", an object; {} for what cannot be read. `scratch` is overwritten. */
void evl_details(const struct evl_event *e, vd_jw *w, vd_buf *scratch);
/* Device path nodes, without the end node, as the array "device_paths"; nothing when the framing
 * of the nodes is wrong. */
void evl_device_paths(vd_span nodes, vd_jw *w, vd_buf *scratch);
