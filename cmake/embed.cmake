# vd_embed(target symbol file): puts a file's bytes into the target. C sees
#   extern const uint8_t symbol[]; extern const size_t symbol_n;   (a NUL follows the bytes)
function(vd_embed target symbol file)
  get_filename_component(path ${file} ABSOLUTE BASE_DIR ${CMAKE_SOURCE_DIR})
  set(out ${CMAKE_CURRENT_BINARY_DIR}/embed_${symbol}.S)
  file(CONFIGURE OUTPUT ${out} @ONLY CONTENT
".section .rodata,\"a\"
.global @symbol@
.type @symbol@, @object
@symbol@:
1: .incbin \"@path@\"
2: .byte 0
.balign 8
.global @symbol@_n
.type @symbol@_n, @object
@symbol@_n: .quad 2b-1b
.section .note.GNU-stack,\"\",@progbits
")
  set_source_files_properties(${out} PROPERTIES OBJECT_DEPENDS ${path})
  target_sources(${target} PRIVATE ${out})
endfunction()
