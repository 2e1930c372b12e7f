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

// To plan all statements of a service takes some milliseconds. A plan that was made for an empty table reads all of it
// each time, and PostgreSQL keeps it until the table is analyzed: a minute, in which a new system may grow by a
// hundred thousand events.
constexpr std::chrono::seconds kPlansKept(5);

// Parameters as libpq takes them.
struct Arguments {
  template <class Values>
  explicit Arguments(const Values& all) : formats(all.size(), 1) {
    for (const auto& value : all) {
      values.push_back(value.null ? nullptr : value.bytes.data());
      lengths.push_back(static_cast<int>(value.bytes.size()));
    }
  }
  int count() const { return static_cast<int>(values.size()); }

  std::vector<const char*> values;
  std::vector<int> lengths;
  std::vector<int> formats;  // binary
};

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

absl::Status Connection::Prepare(const Statement& statement, const Params& params) {
  if (prepared_.contains(&statement)) return absl::OkStatus();
  std::vector<Oid> types;
  for (const auto& value : params.values_) types.push_back(value.type);
  Result prepared(PQprepare(connection_, statement.name, statement.sql, static_cast<int>(types.size()), types.data()));
  PARLEY_RETURN_IF_ERROR(ResultStatus(connection_, prepared.get(), statement.name));
  prepared_.insert(&statement);
  return absl::OkStatus();
}

absl::StatusOr<Result> Connection::Execute(const Statement& statement, const Params& params) {
  PARLEY_RETURN_IF_ERROR(Prepare(statement, params));
  const Arguments arguments(params.values_);
  Result result(PQexecPrepared(connection_, statement.name, arguments.count(), arguments.values.data(),
                               arguments.lengths.data(), arguments.formats.data(), 1));
  PARLEY_RETURN_IF_ERROR(ResultStatus(connection_, result.get(), statement.name));
  return result;
}

absl::StatusOr<std::vector<Result>> Connection::ExecuteAll(absl::Span<const Query> queries) {
  for (const Query& query : queries) PARLEY_RETURN_IF_ERROR(Prepare(query.statement, query.params));
  int sent = PQenterPipelineMode(connection_);
  for (const Query& query : queries) {
    const Arguments arguments(query.params.values_);
    sent &= PQsendQueryPrepared(connection_, query.statement.name, arguments.count(), arguments.values.data(),
                                arguments.lengths.data(), arguments.formats.data(), 1);
  }
  sent &= PQpipelineSync(connection_);
  // Whatever was sent, the connection is not to be used again: it stays in pipeline mode.
  if (sent == 0) return LostStatus(connection_);
  std::vector<Result> results;
  for (size_t i = 0; i < queries.size(); ++i) {
    results.emplace_back(PQgetResult(connection_));
    const Result end(PQgetResult(connection_));
  }
  const Result sync(PQgetResult(connection_));
  PQexitPipelineMode(connection_);
  // Only now is it known whether the connection is lost.
  for (size_t i = 0; i < queries.size(); ++i) {
    PARLEY_RETURN_IF_ERROR(ResultStatus(connection_, results[i].get(), queries[i].statement.name));
  }
  return results;
}

absl::StatusOr<Result> Connection::Script(const std::string& sql) {
  Result result(PQexec(connection_, sql.c_str()));
  PARLEY_RETURN_IF_ERROR(ResultStatus(connection_, result.get(), "script"));
  return result;
}

absl::Status Connection::RenewPlans() {
  const auto now = std::chrono::steady_clock::now();
  if (now < plans_renewed_ + kPlansKept) return absl::OkStatus();
  plans_renewed_ = now;
  return Script("discard plans").status();
}

bool Connection::broken() const {
  return PQstatus(connection_) != CONNECTION_OK || PQtransactionStatus(connection_) != PQTRANS_IDLE ||
         PQpipelineStatus(connection_) != PQ_PIPELINE_OFF;
}

}  // namespace parley::data
