# cmake -DOUT=migrations.h -P embed_migrations.cmake FILE...: the migrations as constants of a header.
math(EXPR last "${CMAKE_ARGC} - 1")
set(rows "")
set(count 0)
foreach(i RANGE 0 ${last})
  if(CMAKE_ARGV${i} MATCHES "/([0-9]+_[a-z0-9_]+)\\.sql$")
    set(name ${CMAKE_MATCH_1})
    math(EXPR count "${count} + 1")
    if(NOT name MATCHES "^0*${count}_")
      message(FATAL_ERROR "migration ${name} should have number ${count}")
    endif()
    file(READ ${CMAKE_ARGV${i}} sql)
    string(APPEND rows "    Migration{\"${name}\", R\"sql(${sql})sql\"},\n")
  endif()
endforeach()
file(WRITE ${OUT} "// Generated from schema/*.sql.
#pragma once

#include <array>

namespace parley::data {

struct Migration {
  const char* name;
  const char* sql;
};

inline constexpr std::array<Migration, ${count}> kMigrations{
${rows}};

}  // namespace parley::data
")
