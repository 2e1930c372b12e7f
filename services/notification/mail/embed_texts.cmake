# cmake -DOUT=texts_en.h -P embed_texts.cmake FILE...: the templates of a language as constants of a header.
math(EXPR last "${CMAKE_ARGC} - 1")
set(constants "")
foreach(i RANGE 0 ${last})
  if(CMAKE_ARGV${i} MATCHES "/([a-z]+)\\.mustache$")
    set(name ${CMAKE_MATCH_1})
    file(READ ${CMAKE_ARGV${i}} text)
    string(APPEND constants "inline constexpr char k_${name}[] = R\"mustache(${text})mustache\";\n")
  endif()
endforeach()
file(WRITE ${OUT} "// Generated from texts/en/*.mustache.
#pragma once

namespace parley::notification::texts_en {

${constants}
}  // namespace parley::notification::texts_en
")
