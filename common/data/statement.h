// What goes to PostgreSQL and comes back: a prepared statement, its parameters, its rows. Values travel in binary; no
// SQL is ever put together from them.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/time/time.h"
#include "absl/types/span.h"
#include "common/data/uuid.h"
#include "common/slot/slot.h"

typedef struct pg_result PGresult;  // libpq's, which is included in this folder's .cc files alone

namespace parley::data {

// A constant right above the method that uses it. Prepared on a connection at its first use there; `name` is unique.
struct Statement {
  const char* name;
  const char* sql;
};

// $1, $2 ... in the order of the calls.
class Params {
 public:
  Params& Add(const Uuid& value);
  Params& Add(int64_t value);
  Params& Add(bool value);
  Params& Add(absl::Time value);
  Params& Add(std::string_view text);
  Params& Add(const char* text) { return Add(std::string_view(text)); }
  Params& AddBytes(std::string_view bytes);
  Params& AddUuids(absl::Span<const Uuid> values);
  Params& AddInts(absl::Span<const int64_t> values);
  Params& AddBools(const std::vector<bool>& values);
  Params& AddTimes(absl::Span<const absl::Time> values);
  Params& AddTexts(absl::Span<const std::string> values);
  Params& AddByteStrings(absl::Span<const std::string> values);
  // tstzrange[]
  Params& AddSlots(absl::Span<const Slot> values);
  Params& AddNull();

 private:
  friend class Connection;
  struct Value {
    uint32_t type;
    std::string bytes;
    bool null = false;
  };
  std::vector<Value> values_;
};

// A statement that is to be executed.
struct Query {
  const Statement& statement;
  Params params;
};

// One row of a Result, which must outlive it. Columns count from 0; their types are those that the statement selects.
class Row {
 public:
  bool IsNull(int column) const;
  Uuid GetUuid(int column) const;    // nil where it is null
  int64_t GetInt(int column) const;  // int2, int4, int8
  bool GetBool(int column) const;
  absl::Time GetTime(int column) const;
  std::string_view GetText(int column) const;    // also bytea
  std::vector<Uuid> GetUuids(int column) const;  // empty where it is null
  std::vector<std::string> GetTexts(int column) const;
  std::vector<Slot> GetSlots(int column) const;

 private:
  friend class Result;
  Row(PGresult* result, int row) : result_(result), row_(row) {}
  std::string_view Bytes(int column) const;
  PGresult* result_;
  int row_;
};

class Result {
 public:
  explicit Result(PGresult* result) : result_(result, &Clear) {}
  int size() const;
  bool empty() const { return size() == 0; }
  Row operator[](int row) const { return {result_.get(), row}; }
  // The command tag: `COMMIT`, `INSERT 0 3`.
  std::string_view command() const;
  // How many rows an INSERT, UPDATE or DELETE touched.
  int64_t affected() const;

 private:
  friend class Connection;
  PGresult* get() const { return result_.get(); }
  static void Clear(PGresult* result);
  std::unique_ptr<PGresult, void (*)(PGresult*)> result_;
};

}  // namespace parley::data
