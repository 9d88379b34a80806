/* Names of event types (TCG PC Client Platform Firmware Profile 1.06, table 14). */
#include "issuer/tee/eventlog/eventlog_priv.h"

static const char *const low[] = {
    "EV_PREBOOT_CERT",
    "EV_POST_CODE",
    "EV_UNUSED",
    "EV_NO_ACTION",
    "EV_SEPARATOR",
    "EV_ACTION",
    "EV_EVENT_TAG",
    "EV_S_CRTM_CONTENTS",
    "EV_S_CRTM_VERSION",
    "EV_CPU_MICROCODE",
    "EV_PLATFORM_CONFIG_FLAGS",
    "EV_TABLE_OF_DEVICES",
    "EV_COMPACT_HASH",
    "EV_IPL",
    "EV_IPL_PARTITION_DATA",
    "EV_NONHOST_CODE",
    "EV_NONHOST_CONFIG",
    "EV_NONHOST_INFO",
    "EV_OMIT_BOOT_DEVICE_EVENTS",
};

static const struct {
    uint32_t type;
    const char *name;
} efi[] = {
    { 0x0, "EV_EFI_EVENT_BASE" },
    { 0x1, "EV_EFI_VARIABLE_DRIVER_CONFIG" },
    { 0x2, "EV_EFI_VARIABLE_BOOT" },
    { 0x3, "EV_EFI_BOOT_SERVICES_APPLICATION" },
    { 0x4, "EV_EFI_BOOT_SERVICES_DRIVER" },
    { 0x5, "EV_EFI_RUNTIME_SERVICES_DRIVER" },
    { 0x6, "EV_EFI_GPT_EVENT" },
    { 0x7, "EV_EFI_ACTION" },
    { 0x8, "EV_EFI_PLATFORM_FIRMWARE_BLOB" },
    { 0x9, "EV_EFI_HANDOFF_TABLES" },
    { 0xA, "EV_EFI_PLATFORM_FIRMWARE_BLOB2" },
    { 0xB, "EV_EFI_HANDOFF_TABLES2" },
    { 0xC, "EV_EFI_VARIABLE_BOOT2" },
    { 0x10, "EV_EFI_HCRTM_EVENT" },
    { 0xE0, "EV_EFI_VARIABLE_AUTHORITY" },
    { 0xE1, "EV_EFI_SPDM_FIRMWARE_BLOB" },
    { 0xE2, "EV_EFI_SPDM_FIRMWARE_CONFIG" },
};

const char *evl_type_name(uint32_t type)
{
    if (type < sizeof low / sizeof low[0])
        return low[type];
    for (size_t i = 0; i < sizeof efi / sizeof efi[0]; i++)
        if (type == EVL_EFI_TYPE(efi[i].type))
            return efi[i].name;
    return NULL;
}
