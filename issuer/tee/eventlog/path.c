/* UEFI device paths as text (UEFI 2.10, section 10.6.1.6), in the spelling of Trustee's claims. A
 * node of a kind that has no text here, or too short for its kind, is written as Path(type,
 * subtype, bytes). */
#include <stdio.h>

#include "issuer/tee/eventlog/eventlog_priv.h"
#include "shared/codec/b64.h"
#include "shared/codec/utf.h"

enum { NODE_HEAD = 4, GUID_BYTES = 16, MAC_BYTES = 31, MAC_PADDED = 32 };

static void put_guid(vd_buf *out, vd_span guid)
{
    /* the first three fields are little-endian numbers, the rest are bytes; -1: a hyphen */
    static const int8_t order[] = { 3,  2, 1, 0,  -1, 5,  4,  -1, 7,  6,
                                    -1, 8, 9, -1, 10, 11, 12, 13, 14, 15 };
    static const char digit[] = "0123456789ABCDEF";
    for (size_t i = 0; i < sizeof order; i++) {
        if (order[i] < 0) {
            vd_buf_u8(out, '-');
            continue;
        }
        uint8_t v = (size_t)order[i] < guid.n ? guid.p[order[i]] : 0;
        vd_buf_u8(out, (uint8_t)digit[v >> 4]);
        vd_buf_u8(out, (uint8_t)digit[v & 15]);
    }
}

static bool put_pci(vd_rd *r, vd_buf *out)
{
    unsigned function = vd_rd_u8(r);
    unsigned device = vd_rd_u8(r);
    vd_buf_printf(out, "Pci(%u,%u)", function, device);
    return !r->bad;
}

/* The compressed EISA id: three letters of five bits, and four hexadecimal digits. */
static bool put_acpi(vd_rd *r, vd_buf *out)
{
    uint32_t hid = vd_rd_u32le(r);
    uint32_t uid = vd_rd_u32le(r);
    char letter[3] = { (char)('@' + (hid >> 10 & 31)), (char)('@' + (hid >> 5 & 31)),
                       (char)('@' + (hid & 31)) };
    vd_buf_printf(out, "ACPI(%.3s%04X,%u)", letter, (unsigned)(hid >> 16), (unsigned)uid);
    return !r->bad;
}

static bool put_usb(vd_rd *r, vd_buf *out)
{
    unsigned port = vd_rd_u8(r);
    unsigned interface = vd_rd_u8(r);
    vd_buf_printf(out, "USB(%u,%u)", port, interface);
    return !r->bad;
}

static bool put_fibre(vd_rd *r, vd_buf *out)
{
    vd_buf_str(out, "FibreEx(0x");
    vd_hex_encode(vd_rd_take(r, 8), out);
    vd_buf_str(out, ",0x");
    vd_hex_encode(vd_rd_take(r, 8), out);
    vd_buf_u8(out, ')');
    return !r->bad;
}

/* The padding goes digit by digit, so a last digit of zero goes with it. */
static bool put_mac(vd_rd *r, vd_buf *out)
{
    vd_span padded = vd_rd_take(r, MAC_PADDED);
    unsigned type = vd_rd_u8(r);
    if (r->bad || !padded.p)
        return false;
    char digit[2 * MAC_BYTES + 1];
    size_t n = 0;
    for (size_t i = 0; i < (size_t)2 * MAC_BYTES; i++) {
        digit[i] = "0123456789ABCDEF"[i % 2 ? padded.p[i / 2] & 15 : padded.p[i / 2] >> 4];
        if (digit[i] != '0')
            n = i + 1;
    }
    vd_buf_printf(out, "Mac(%.*s,0x%02X)", (int)n, digit, type);
    return true;
}

static void put_ip(vd_buf *out, uint32_t a)
{
    vd_buf_printf(out, "%u.%u.%u.%u", (unsigned)(a >> 24), (unsigned)(a >> 16 & 255),
                  (unsigned)(a >> 8 & 255), (unsigned)(a & 255));
}

static bool put_ipv4(vd_rd *r, vd_buf *out)
{
    uint32_t local = vd_rd_u32le(r);
    uint32_t remote = vd_rd_u32le(r);
    vd_rd_skip(r, 4); /* ports */
    uint16_t protocol = vd_rd_u16le(r);
    uint8_t fixed = vd_rd_u8(r);
    uint32_t gateway = vd_rd_u32le(r);
    uint32_t mask = vd_rd_u32le(r);
    vd_buf_str(out, "IPv4(");
    put_ip(out, remote);
    vd_buf_printf(out, ",%s,%s,",
                  protocol == 6    ? "TCP"
                  : protocol == 17 ? "UDP"
                                   : "",
                  fixed == 0   ? "DHCP"
                  : fixed == 1 ? "Static"
                               : "");
    put_ip(out, local);
    if (gateway != 0 || mask != 0) /* as plain numbers: a quirk of the claims */
        vd_buf_printf(out, ",%u,%u", (unsigned)gateway, (unsigned)mask);
    vd_buf_u8(out, ')');
    return !r->bad;
}

static bool put_drive(vd_rd *r, vd_buf *out)
{
    uint32_t partition = vd_rd_u32le(r);
    uint64_t start = vd_rd_u64le(r);
    uint64_t size = vd_rd_u64le(r);
    vd_span signature = vd_rd_take(r, GUID_BYTES);
    uint8_t format = vd_rd_u8(r);
    vd_rd_skip(r, 1); /* kind of the signature */
    if (r->bad || (format != 1 && format != 2))
        return false;
    vd_buf_printf(out, "HD(%u,", (unsigned)partition);
    if (format == 1) {
        vd_rd s = vd_rd_of(signature);
        vd_buf_printf(out, "MBR,0x%08x", (unsigned)vd_rd_u32le(&s));
    } else {
        vd_buf_str(out, "GPT,");
        put_guid(out, signature);
    }
    if (partition != 0)
        vd_buf_printf(out, ",0x%llx,0x%llx", (unsigned long long)start, (unsigned long long)size);
    vd_buf_u8(out, ')');
    return true;
}

static bool put_media(vd_rd *r, vd_buf *out)
{
    vd_span guid = vd_rd_take(r, GUID_BYTES);
    vd_buf_str(out, "VenMedia(");
    put_guid(out, guid);
    vd_buf_u8(out, ',');
    vd_hex_encode(vd_rd_take(r, vd_rd_left(r)), out);
    vd_buf_u8(out, ')');
    return !r->bad;
}

static bool put_file(vd_rd *r, vd_buf *out)
{
    size_t n = vd_rd_left(r);
    if (n == 0 || n % 2 != 0)
        return false;
    vd_buf_str(out, "File(");
    (void)vd_utf16le_put(vd_rd_take(r, n - 2), out); /* without its NUL */
    vd_buf_u8(out, ')');
    return true;
}

static bool put_bbs(vd_rd *r, vd_buf *out)
{
    static const char *const name[] = { NULL,     "FLOPPY", "HARD_DRIVE",      "CDROM",
                                        "PCMCIA", "USB",    "EMBEDDED_NETWORK" };
    uint16_t device = vd_rd_u16le(r);
    uint16_t flags = vd_rd_u16le(r);
    vd_span text = vd_rd_take(r, vd_rd_left(r));
    text = vd_span_part(text, 0, vd_span_find(text, 0));
    if (r->bad || !vd_utf8_valid(text))
        return false;
    if (device > 0 && device < sizeof name / sizeof name[0])
        vd_buf_printf(out, "BBS(%s,", name[device]);
    else if (device == 0x80 || device == 0xFF)
        vd_buf_printf(out, "BBS(%s,", device == 0x80 ? "DEV" : "UNKNOWN");
    else
        vd_buf_printf(out, "BBS(%u,", device);
    vd_buf_add(out, text);
    vd_buf_printf(out, ",%u)", flags);
    return true;
}

static const struct {
    uint8_t type;
    uint8_t subtype;
    bool (*put)(vd_rd *r, vd_buf *out);
} kinds[] = {
    { 1, 0x01, put_pci },  { 2, 0x01, put_acpi },  { 3, 0x05, put_usb },   { 3, 0x0B, put_mac },
    { 3, 0x0C, put_ipv4 }, { 3, 0x15, put_fibre }, { 4, 0x01, put_drive }, { 4, 0x03, put_media },
    { 4, 0x04, put_file }, { 5, 0x01, put_bbs },
};

static void put_node(uint8_t type, uint8_t subtype, vd_span data, vd_buf *out)
{
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        if (kinds[i].type != type || kinds[i].subtype != subtype)
            continue;
        vd_rd r = vd_rd_of(data);
        if (kinds[i].put(&r, out))
            return;
    }
    if (out->bad)
        return;
    vd_buf_reset(out);
    vd_buf_printf(out, "Path(%u,%u,", type, subtype);
    vd_hex_encode(data, out);
    vd_buf_u8(out, ')');
}

/* The next node; false at the end, and with r->bad when the lengths are wrong. */
static bool next_node(vd_rd *r, uint8_t *ret_type, uint8_t *ret_subtype, vd_span *ret_data)
{
    if (r->bad || vd_rd_left(r) == 0)
        return false;
    *ret_type = vd_rd_u8(r);
    *ret_subtype = vd_rd_u8(r);
    uint16_t n = vd_rd_u16le(r);
    if (n < NODE_HEAD)
        r->bad = true;
    *ret_data = vd_rd_take(r, (size_t)n - NODE_HEAD);
    return !r->bad;
}

void evl_device_paths(vd_span nodes, vd_jw *w, vd_buf *scratch)
{
    uint8_t type = 0;
    uint8_t subtype = 0;
    vd_span data;
    vd_rd check = vd_rd_of(nodes);
    while (next_node(&check, &type, &subtype, &data))
        ;
    if (nodes.n == 0 || check.bad)
        return;
    vd_jw_key(w, "device_paths");
    vd_jw_arr(w);
    vd_rd r = vd_rd_of(nodes);
    while (next_node(&r, &type, &subtype, &data)) {
        vd_buf_reset(scratch);
        put_node(type, subtype, data, scratch);
        evl_put_str(w, vd_buf_span(scratch));
        w->out->bad = w->out->bad || scratch->bad;
    }
    vd_jw_end(w);
}
