#include "common/data/connection.h"

#include <libpq-fe.h>

#include "common/data/sql_status.h"
#include "common/status/status.h"

namespace parley::data {
namespace {

// All of Parley's tables are in one schema; the session is told once. Plans do not depend on the values: planning anew
// for each of them would cost more than most statements, and so would compiling them. Nobody waits long for a row, or
// keeps one that he forgot.
constexpr const char* kSession =
    "set search_path = parley; set timezone = 'UTC'; set plan_cache_mode = force_generic_plan; "
    "set jit = off; "
    "set lock_timeout = '3s'; set idle_in_transaction_session_timeout = '10s'";

}  // namespace

absl::StatusOr<std::unique_ptr<Connection>> Connection::Open(const std::string& url) {
  // libpq would quote the whole of a URL that it cannot read, with the password.
  PQconninfoOption* options = PQconninfoParse(url.c_str(), nullptr);
  if (options == nullptr)
    return absl::FailedPreconditionError("the database URL is not one: postgresql://USER@HOST/DB");
  PQconninfoFree(options);
  // A host that vanishes must not hold a worker longer than a caller would wait. What the URL says of the same things
  // wins: a later keyword does, and `dbname` is expanded last.
  const char* const keywords[] = {"application_name",    "connect_timeout",  "keepalives_idle",
                                  "keepalives_interval", "keepalives_count", "tcp_user_timeout",
                                  "client_encoding",     "dbname",           nullptr};
  const char* const values[] = {"parley", "5", "10", "5", "2", "10000", "UTF8", url.c_str(), nullptr};
  std::unique_ptr<Connection> connection(new Connection(PQconnectdbParams(keywords, values, 1)));
  if (PQstatus(connection->connection_) != CONNECTION_OK) return ConnectionStatus(connection->connection_);
  PARLEY_RETURN_IF_ERROR(connection->Script(kSession).status());
  return connection;
}

Connection::~Connection() { PQfinish(connection_); }

absl::StatusOr<Result> Connection::Execute(const Statement& statement, const Params& params) {
  std::vector<Oid> types;
  std::vector<const char*> values;
  std::vector<int> lengths;
  const std::vector<int> formats(params.values_.size(), 1);
  for (const auto& value : params.values_) {
    types.push_back(value.type);
    values.push_back(value.null ? nullptr : value.bytes.data());
    lengths.push_back(static_cast<int>(value.bytes.size()));
  }
  const int count = static_cast<int>(values.size());
  if (!prepared_.contains(&statement)) {
    Result prepared(PQprepare(connection_, statement.name, statement.sql, count, types.data()));
    PARLEY_RETURN_IF_ERROR(ResultStatus(connection_, prepared.get(), statement.name));
    prepared_.insert(&statement);
  }
  Result result(PQexecPrepared(connection_, statement.name, count, values.data(), lengths.data(), formats.data(), 1));
  PARLEY_RETURN_IF_ERROR(ResultStatus(connection_, result.get(), statement.name));
  return result;
}

absl::StatusOr<Result> Connection::Script(const std::string& sql) {
  Result result(PQexec(connection_, sql.c_str()));
  PARLEY_RETURN_IF_ERROR(ResultStatus(connection_, result.get(), "script"));
  return result;
}

bool Connection::broken() const {
  return PQstatus(connection_) != CONNECTION_OK || PQtransactionStatus(connection_) != PQTRANS_IDLE;
}

}  // namespace parley::data
