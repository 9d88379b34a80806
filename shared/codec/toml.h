/* TOML 1.0 to JSON, by the toml crate behind shared/rust. For configuration and init data. */
#pragma once

#include "shared/base/buf.h"

/* Appends the JSON of the document: date-times become strings as written, floats numbers (inf and
 * nan are refused). `ret_lines`, if not NULL, gets a JSON object dotted.path -> line (1-based) of
 * every key. VD_E_SYNTAX with err->text_line/text_column; VD_E_TOO_LARGE above max bytes of output.
 */
vd_rc vd_toml_to_json(vd_span toml, vd_buf *ret_json, vd_buf *ret_lines, vd_err *err);
