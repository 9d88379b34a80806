/* DER, as far as certificates and their extensions need it: one element after the other through a
 * vd_rd, which goes bad at the first thing that is not in DER (X.690 10.1: definite, shortest
 * lengths). Nothing here recurses. */
#pragma once

#include "shared/base/span.h"

enum {
    VD_DER_BOOLEAN = 0x01,
    VD_DER_INTEGER = 0x02,
    VD_DER_OCTETS = 0x04,
    VD_DER_OID = 0x06,
    VD_DER_ENUMERATED = 0x0a,
    VD_DER_SEQUENCE = 0x30,
};

/* The content of the next element, which must have this tag; the child is bad when it has not. */
vd_rd vd_der_enter(vd_rd *r, uint8_t tag);
/* The same as bytes. */
vd_span vd_der_value(vd_rd *r, uint8_t tag);
/* The whole next element, tag and length included. */
vd_span vd_der_element(vd_rd *r);
/* INTEGER or ENUMERATED from 0 to max, shortest form; other values make the reader bad. */
uint64_t vd_der_uint(vd_rd *r, uint8_t tag, uint64_t max);
/* 00 or FF. */
bool vd_der_bool(vd_rd *r);
