/* What the data of an event says, by its type; forms and quirks are those of Trustee's claims, so
 * that policies written for them find the same texts. */
#include "issuer/tee/eventlog/eventlog_priv.h"

#include "shared/codec/b64.h"
#include "shared/codec/text.h"
#include "shared/codec/utf.h"

#define AAEL UINT32_C(0x4141454C) /* the agent's events: "AAEL" read as a big-endian number */
enum { GUID_BYTES = 16, CONTENT_DEPTH = 12, CONTENT_NODES = 4096, END_NODE_BYTES = 4 };

void evl_put_str(vd_jw *w, vd_span utf8)
{
    if (vd_span_find(utf8, 0) == utf8.n) {
        vd_jw_str_span(w, utf8);
        return;
    }
    VD_AUTO_BUF rest = vd_buf_of(utf8.n);
    for (size_t i = 0; i < utf8.n; i++)
        if (utf8.p[i] != 0)
            vd_buf_u8(&rest, utf8.p[i]);
    vd_jw_str_span(w, vd_buf_span(&rest));
    w->out->bad = w->out->bad || rest.bad;
}

static void put_string(vd_jw *w, vd_span utf8)
{
    vd_jw_key(w, "string");
    evl_put_str(w, utf8);
}

/* Text that must be UTF-8 as it is. */
static void put_text(vd_jw *w, vd_span data)
{
    if (vd_utf8_valid(data))
        put_string(w, data);
}

/* GUID bytes in the order of memory, which is not how UEFI writes them. */
static void put_memory_guid(vd_jw *w, const char *key, vd_span guid)
{
    static const size_t at[] = { 0, 4, 6, 8, 10, GUID_BYTES };
    VD_AUTO_BUF text = vd_buf_of(64);
    for (size_t i = 0; i + 1 < sizeof at / sizeof at[0]; i++) {
        if (i > 0)
            vd_buf_u8(&text, '-');
        vd_hex_encode(vd_span_part(guid, at[i], at[i + 1] - at[i]), &text);
    }
    vd_jw_kspan(w, key, vd_buf_span(&text));
}

/* UEFI_VARIABLE_DATA */
static void put_variable(vd_jw *w, vd_span data, vd_buf *scratch)
{
    vd_rd r = vd_rd_of(data);
    vd_span guid = vd_rd_take(&r, GUID_BYTES);
    uint64_t units = vd_rd_u64le(&r);
    uint64_t bytes = vd_rd_u64le(&r);
    if (r.bad || units > data.n / 2)
        return;
    vd_span name = vd_rd_take(&r, (size_t)units * 2);
    vd_span value = vd_rd_take(&r, bytes);
    vd_buf_reset(scratch);
    if (r.bad || !vd_utf16le_put(name, scratch))
        return;
    vd_jw_key(w, "unicode_name");
    evl_put_str(w, vd_buf_span(scratch));
    vd_jw_ku64(w, "unicode_name_length", units);
    vd_jw_key(w, "variable_data");
    vd_jw_b64(w, value, VD_B64_STD);
    vd_jw_ku64(w, "variable_data_length", bytes);
    put_memory_guid(w, "variable_name", guid);
}

/* UEFI_IMAGE_LOAD_EVENT: where in memory, how long, linked where, and the device path. */
static void put_image(vd_jw *w, vd_span data, vd_buf *scratch)
{
    vd_rd r = vd_rd_of(data);
    vd_rd_skip(&r, 24);
    uint64_t n = vd_rd_u64le(&r);
    if (r.bad || n <= END_NODE_BYTES)
        return;
    vd_span nodes = vd_rd_take(&r, n - END_NODE_BYTES);
    if (!r.bad)
        evl_device_paths(nodes, w, scratch);
}

/* "domain operation content" of the agent; content is JSON if it can be read as such. */
static void put_agent_data(vd_jw *w, vd_span text)
{
    size_t first = vd_span_find(text, ' ');
    vd_span rest = vd_span_part(text, first + 1, text.n);
    size_t second = vd_span_find(rest, ' ');
    if (first == text.n || second == rest.n)
        return;
    vd_span content = vd_span_part(rest, second + 1, rest.n);
    vd_jw_key(w, "data");
    vd_jw_obj(w);
    VD_AUTO(vd_json_free) struct vd_json *doc = NULL;
    const struct vd_json_limits limits = { content.n, CONTENT_DEPTH, CONTENT_NODES };
    vd_jw_key(w, "content");
    if (vd_json_parse(content, &limits, &doc, NULL).code == VD_E_OK)
        vd_jw_raw(w, vd_jv_raw(vd_json_root(doc)));
    else
        vd_jw_str_span(w, content);
    vd_jw_kspan(w, "domain", vd_span_part(text, 0, first));
    vd_jw_kspan(w, "operation", vd_span_part(rest, 0, second));
    vd_jw_end(w);
}

/* TCG_PCClientTaggedEvent */
static void put_tag(vd_jw *w, vd_span data, vd_buf *scratch)
{
    vd_rd r = vd_rd_of(data);
    uint32_t id = vd_rd_u32le(&r);
    vd_span text = vd_rd_take(&r, vd_rd_u32le(&r));
    if (r.bad)
        return;
    vd_buf_reset(scratch);
    for (size_t i = 0; i < text.n; i++)
        if (text.p[i] != 0)
            vd_buf_u8(scratch, text.p[i]);
    if (id == AAEL)
        put_agent_data(w, vd_buf_span(scratch));
    put_string(w, vd_buf_span(scratch));
    if (id == AAEL)
        vd_jw_kstr(w, "unicode_name", "AAEL");
}

/* Boot loaders: one cloud writes '.' and UTF-16, the others text up to a NUL. */
static void put_ipl(vd_jw *w, vd_span data, vd_buf *scratch)
{
    if (data.n < 2)
        return;
    vd_buf_reset(scratch);
    if (data.p[0] == '.' && data.p[1] == 0) {
        if (data.n == 2 || data.n % 2 != 0)
            return;
        (void)vd_utf16le_put(vd_span_part(data, 2, data.n - 4), scratch);
        put_string(w, vd_buf_span(scratch));
        return;
    }
    vd_span text = vd_span_part(data, 0, vd_span_find(data, 0));
    if (!vd_utf8_valid(text)) {
        vd_hex_encode(data, scratch);
        text = vd_buf_span(scratch);
    }
    put_string(w, text);
}

/* UEFI_PLATFORM_FIRMWARE_BLOB2 and UEFI_HANDOFF_TABLE_POINTERS2: a counted text, whose last byte,
 * normally its NUL, is not part of it. */
static void put_counted(vd_jw *w, vd_span data)
{
    vd_rd r = vd_rd_of(data);
    uint8_t n = vd_rd_u8(&r);
    if (!r.bad && n > 0 && data.n >= n)
        put_text(w, vd_span_part(data, 1, (size_t)n - 1));
}

static void put_flags(vd_jw *w, vd_span data, vd_buf *scratch)
{
    vd_buf_reset(scratch);
    size_t at = 0;
    bool valid = vd_utf8_valid(data);
    while (valid && at < data.n) {
        uint32_t cp = vd_utf8_next(data, &at);
        if (cp == 0x10)
            vd_buf_u8(scratch, ' ');
        else if (cp >= 0x20 && (cp < 0x7F || cp > 0x9F))
            vd_utf8_put(scratch, cp);
    }
    put_string(w, vd_buf_span(scratch));
}

void evl_details(const struct evl_event *e, vd_jw *w, vd_buf *scratch)
{
    vd_jw_obj(w);
    switch (e->type) {
    case EVL_EFI_TYPE(0x1): /* variables: driver configuration, boot, boot2, authority */
    case EVL_EFI_TYPE(0x2):
    case EVL_EFI_TYPE(0xC):
    case EVL_EFI_TYPE(0xE0):
        put_variable(w, e->data, scratch);
        break;
    case EVL_EFI_TYPE(0x3): /* boot services application */
        put_image(w, e->data, scratch);
        break;
    case EVL_EFI_TYPE(0xA): /* firmware blob 2, handoff tables 2 */
    case EVL_EFI_TYPE(0xB):
        put_counted(w, e->data);
        break;
    case EVL_EVENT_TAG:
        put_tag(w, e->data, scratch);
        break;
    case EVL_IPL:
        put_ipl(w, e->data, scratch);
        break;
    case EVL_PLATFORM_CONFIG_FLAGS:
        put_flags(w, e->data, scratch);
        break;
    case EVL_POST_CODE:
    case EVL_ACTION:
    case EVL_COMPACT_HASH:
    case EVL_OMIT_BOOT_DEVICE_EVENTS:
    case EVL_EFI_TYPE(0x7): /* action */
        put_text(w, e->data);
        break;
    default:
        break;
    }
    vd_jw_end(w);
}
