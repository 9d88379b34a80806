/* Event logs of the confidential computing firmware (CCEL) and what they replay to; see simtdx.h.
 */
#include <string.h>

#include "tests/support/simtdx/priv.h"

enum { LOG_MAX = 4u << 20 };

void simtdx_log_start(struct simtdx_log *log)
{
    *log = (struct simtdx_log){ .bytes = vd_buf_of(LOG_MAX) };
    vd_buf *b = &log->bytes;
    static const uint8_t sha1[20];
    vd_buf_le(b, 1, 4);
    vd_buf_le(b, SIMTDX_EV_NO_ACTION, 4);
    vd_buf_add(b, vd_span_of(sha1, sizeof sha1));
    vd_buf_le(b, 33, 4);
    vd_buf_add(b, vd_span_of("Spec ID Event03", 16));
    vd_buf_le(b, 0, 4);          /* platform class */
    vd_buf_le(b, 0x02000200, 4); /* 2.00, errata 0, size 2 */
    vd_buf_le(b, 1, 4);          /* algorithms */
    vd_buf_le(b, SIMTDX_ALG_SHA384, 2);
    vd_buf_le(b, 48, 2);
    vd_buf_u8(b, 0); /* vendor's bytes */
}

void simtdx_log_done(struct simtdx_log *log)
{
    vd_buf_done(&log->bytes);
}

void simtdx_log_forge(struct simtdx_log *log, uint32_t index, uint32_t type, vd_span digests,
                      vd_span data)
{
    vd_buf_le(&log->bytes, index, 4);
    vd_buf_le(&log->bytes, type, 4);
    vd_buf_add(&log->bytes, digests);
    vd_buf_le(&log->bytes, data.n, 4);
    vd_buf_add(&log->bytes, data);
    simtdx_must(!log->bytes.bad, "writing a log");
}

void simtdx_log_add(struct simtdx_log *log, uint32_t index, uint32_t type, const uint8_t *digest,
                    vd_span data)
{
    uint8_t both[96];
    VD_AUTO_BUF list = vd_buf_of(128);
    simtdx_must(index >= 1 && index <= 4, "a register");
    uint8_t *rtmr = log->rtmr[index - 1];
    memcpy(both, rtmr, 48);
    if (digest)
        memcpy(both + 48, digest, 48);
    else
        simtdx_sha384(data, both + 48);
    simtdx_sha384(vd_span_of(both, sizeof both), rtmr);
    vd_buf_le(&list, 1, 4);
    vd_buf_le(&list, SIMTDX_ALG_SHA384, 2);
    vd_buf_add(&list, vd_span_of(both + 48, 48));
    simtdx_log_forge(log, index, type, vd_buf_span(&list), data);
}

static void put_utf16(vd_buf *b, const char *text)
{
    for (; *text; text++)
        vd_buf_le(b, (uint8_t)*text, 2);
}

void simtdx_log_application(struct simtdx_log *log, uint32_t index, const char *name,
                            const uint8_t digest[48])
{
    VD_AUTO_BUF data = vd_buf_of(4096);
    VD_AUTO_BUF path = vd_buf_of(4096);
    static const uint8_t pci[6] = { 1, 1, 6, 0, 0, 3 };
    static const uint8_t end[4] = { 0x7f, 0xff, 4, 0 };
    vd_buf_add(&path, vd_span_of(pci, sizeof pci));
    vd_buf_u8(&path, 4);
    vd_buf_u8(&path, 4);
    vd_buf_le(&path, 4 + 2 * (strlen(name) + 1), 2);
    put_utf16(&path, name);
    vd_buf_le(&path, 0, 2);
    vd_buf_add(&path, vd_span_of(end, sizeof end));
    vd_buf_le(&data, UINT64_C(0x7c000000), 8);
    vd_buf_le(&data, 1u << 20, 8);
    vd_buf_le(&data, 0, 8);
    vd_buf_le(&data, path.n, 8);
    vd_buf_add(&data, vd_buf_span(&path));
    simtdx_log_add(log, index, SIMTDX_EV_APPLICATION, digest, vd_buf_span(&data));
}

static void tag_data(uint32_t id, const char *text, vd_buf *data)
{
    vd_buf_le(data, id, 4);
    vd_buf_le(data, strlen(text), 4);
    vd_buf_str(data, text);
}

void simtdx_log_tag(struct simtdx_log *log, uint32_t index, uint32_t id, const char *text)
{
    VD_AUTO_BUF data = vd_buf_of(65536);
    tag_data(id, text, &data);
    simtdx_log_add(log, index, SIMTDX_EV_EVENT_TAG, NULL, vd_buf_span(&data));
}

void simtdx_log_agent(struct simtdx_log *log, const char *text)
{
    simtdx_log_tag(log, 4, UINT32_C(0x4141454c), text);
}

static void put_variable(struct simtdx_log *log, uint32_t index, const char *name, size_t size)
{
    static const uint8_t guid[16] = { 0x61, 0xdf, 0xe4, 0x8b, 0xca, 0x93, 0xd2, 0x11,
                                      0xaa, 0x0d, 0x00, 0xe0, 0x98, 0x03, 0x2b, 0x8c };
    VD_AUTO_BUF data = vd_buf_of(65536);
    vd_buf_add(&data, vd_span_of(guid, sizeof guid));
    vd_buf_le(&data, strlen(name), 8);
    vd_buf_le(&data, size, 8);
    put_utf16(&data, name);
    for (size_t i = 0; i < size; i++)
        vd_buf_u8(&data, (uint8_t)i);
    simtdx_log_add(log, index, SIMTDX_EV_VARIABLE, NULL, vd_buf_span(&data));
}

void simtdx_log_boot_kernel(uint8_t kernel[48], uint8_t options[48])
{
    simtdx_sha384(VD_LIT("a simulated kernel"), kernel);
    simtdx_sha384(VD_LIT("console=hvc0 ro"), options);
}

void simtdx_log_boot(struct simtdx_log *log, size_t size)
{
    uint8_t kernel[48], options[48];
    VD_AUTO_BUF load = vd_buf_of(256);
    simtdx_log_boot_kernel(kernel, options);
    simtdx_log_start(log);
    put_variable(log, 1, "SecureBoot", 1);
    put_variable(log, 1, "PK", 0);
    while (log->bytes.n + 1024 < size)
        put_variable(log, 1, "dbx", 128);
    simtdx_log_add(log, 1, SIMTDX_EV_SEPARATOR, NULL, vd_span_of("\0\0\0\0", 4));
    simtdx_log_add(log, 2, SIMTDX_EV_ACTION, NULL,
                   VD_LIT("Calling EFI Application from Boot Option"));
    simtdx_log_application(log, 2, "kernel", kernel);
    tag_data(UINT32_C(0x8f3b22ed), "LOADED_IMAGE::LoadOptions", &load);
    simtdx_log_add(log, 3, SIMTDX_EV_EVENT_TAG, options, vd_buf_span(&load));
    simtdx_log_agent(log, "github.com/confidential-containers PullImage {\"image\":\"alpine\"}");
}

void simtdx_log_end(struct simtdx_log *log)
{
    vd_buf_le(&log->bytes, UINT64_MAX, 8);
}
