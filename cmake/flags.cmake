# Warnings, sanitizers and hardening, in one interface target that every room links.
add_library(vd_flags INTERFACE)
target_include_directories(vd_flags INTERFACE ${CMAKE_SOURCE_DIR} ${CMAKE_BINARY_DIR}/generated)
target_compile_definitions(vd_flags INTERFACE _GNU_SOURCE VD_VERSION="${PROJECT_VERSION}"
                           VD_WITH_SAMPLE=$<BOOL:${VD_WITH_SAMPLE}>)
target_compile_options(vd_flags INTERFACE
  -Wall -Wextra -Wshadow -Wconversion -Wformat=2 -Wstrict-prototypes -Wmissing-prototypes -Wvla -Wundef
  -Wpointer-arith -Wcast-qual -Wswitch-enum -fno-omit-frame-pointer
  -fmacro-prefix-map=${CMAKE_SOURCE_DIR}/=)
if(VD_WERROR)
  target_compile_options(vd_flags INTERFACE -Werror)
endif()
if(VD_SANITIZE)
  target_compile_options(vd_flags INTERFACE -fsanitize=address,undefined -fno-sanitize-recover=undefined)
  target_link_options(vd_flags INTERFACE -fsanitize=address,undefined)
elseif(VD_TSAN)
  target_compile_options(vd_flags INTERFACE -fsanitize=thread)
  target_link_options(vd_flags INTERFACE -fsanitize=thread)
endif()
if(VD_FUZZ)
  target_compile_options(vd_flags INTERFACE -fsanitize=fuzzer-no-link)
endif()
if(CMAKE_BUILD_TYPE STREQUAL "Release")
  set(CMAKE_C_FLAGS_RELEASE "-O2 -g1" CACHE STRING "" FORCE)
  target_compile_options(vd_flags INTERFACE -fstack-protector-strong -fstack-clash-protection
                         $<$<STREQUAL:${CMAKE_SYSTEM_PROCESSOR},x86_64>:-fcf-protection>)
  target_compile_definitions(vd_flags INTERFACE _FORTIFY_SOURCE=2)
  if(CMAKE_C_COMPILER_ID STREQUAL "GNU")
    target_compile_options(vd_flags INTERFACE -ftrivial-auto-var-init=zero)
  endif()
  target_link_options(vd_flags INTERFACE -pie -Wl,-z,relro,-z,now)
  # What nobody calls stays out of the programs (a third of the Rust library), and relative relocations
  # take 20 KiB instead of 900, all of it read at each start.
  target_compile_options(vd_flags INTERFACE -ffunction-sections -fdata-sections)
  target_link_options(vd_flags INTERFACE -Wl,--gc-sections)
  include(CheckLinkerFlag)
  check_linker_flag(C -Wl,-z,pack-relative-relocs VD_HAVE_RELR)
  if(VD_HAVE_RELR)
    target_link_options(vd_flags INTERFACE -Wl,-z,pack-relative-relocs)
  endif()
endif()
