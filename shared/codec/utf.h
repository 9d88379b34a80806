/* UTF-8 and UTF-16 text of foreign formats: is it well-formed, and the second as the first. */
#pragma once

#include "shared/base/buf.h"

/* True when every byte belongs to well-formed UTF-8 (RFC 3629: no surrogates, no long forms). */
bool vd_utf8_valid(vd_span s);
/* UTF-16LE appended as UTF-8; an unpaired surrogate becomes U+FFFD and makes the answer false, and
 * so does an odd last byte, which is dropped. */
bool vd_utf16le_put(vd_span s, vd_buf *out);
