# How a target of Parley is built: warnings are errors, includes are relative to the top, heavy headers are precompiled.

# One precompiled header for all: gRPC and Abseil are most of what a file of ours would parse.
add_library(parley_pch OBJECT ${PROJECT_SOURCE_DIR}/cmake/pch.cc)
target_link_libraries(parley_pch PUBLIC gRPC::grpc++ absl::status absl::statusor absl::strings absl::time absl::synchronization
  absl::flat_hash_map)
target_precompile_headers(parley_pch PUBLIC
  <algorithm> <array> <cstdint> <functional> <memory> <optional> <string> <string_view> <utility> <vector>
  <absl/container/flat_hash_map.h> <absl/status/status.h> <absl/status/statusor.h> <absl/strings/str_cat.h>
  <absl/strings/str_format.h> <absl/synchronization/mutex.h> <absl/time/time.h> <grpcpp/grpcpp.h>)

function(parley_options target)
  target_compile_options(${target} PRIVATE -Wall -Wextra -Werror -Wshadow -Wnon-virtual-dtor -Woverloaded-virtual)
  target_include_directories(${target} PUBLIC ${PROJECT_SOURCE_DIR})
  target_precompile_headers(${target} REUSE_FROM parley_pch)
  target_link_libraries(${target} PUBLIC gRPC::grpc++)
endfunction()

# parley_library(common_status SOURCES a.cc b.cc LINKS absl::status): a static library, with an alias parley::common_status.
function(parley_library name)
  cmake_parse_arguments(ARG "" "" "SOURCES;LINKS" ${ARGN})
  add_library(parley_${name} STATIC ${ARG_SOURCES})
  add_library(parley::${name} ALIAS parley_${name})
  target_link_libraries(parley_${name} PUBLIC ${ARG_LINKS})
  parley_options(parley_${name})
endfunction()

# parley_binary(parley-event SOURCES main.cc LINKS ...): a program that deploy/ runs. With an allocator that suits the many
# small pieces of calls: a fifth of what a CreateEvent costs in the event service.
add_custom_target(services)
function(parley_binary name)
  cmake_parse_arguments(ARG "" "" "SOURCES;LINKS" ${ARGN})
  add_executable(${name} ${ARG_SOURCES})
  target_link_libraries(${name} PRIVATE ${ARG_LINKS} PkgConfig::TCMALLOC)
  parley_options(${name})
  add_dependencies(services ${name})
endfunction()

# parley_embed(HEADER NAMESPACE FILE...): makes a header with files of text as constants; see embed.cmake.
function(parley_embed header namespace)
  add_custom_command(OUTPUT ${header}
    COMMAND ${CMAKE_COMMAND} -DOUT=${header} -DNAMESPACE=${namespace} -P ${PROJECT_SOURCE_DIR}/cmake/embed.cmake ${ARGN}
    DEPENDS ${ARGN} ${PROJECT_SOURCE_DIR}/cmake/embed.cmake VERBATIM)
endfunction()
