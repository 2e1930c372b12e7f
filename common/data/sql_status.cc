#include "common/data/sql_status.h"

#include <libpq-fe.h>

#include "absl/strings/ascii.h"
#include "absl/strings/cord.h"
#include "absl/strings/str_cat.h"
#include "common/log/log.h"
#include "common/status/status.h"

namespace parley::data {
namespace {

constexpr const char* kSqlStatePayload = "parley/sqlstate";
constexpr const char* kLostPayload = "parley/connection_lost";
constexpr const char* kStoryPayload = "parley/story";

constexpr std::string_view kDeadlockDetected = "40P01", kSerializationFailure = "40001", kQueryCanceled = "57014",
                           kReadOnly = "25006", kLockNotAvailable = "55P03";
constexpr std::string_view kConnectionClass = "08", kResourcesClass = "53", kOperatorClass = "57", kSystemClass = "58";

std::string Field(const PGresult* result, int field) {
  const char* text = PQresultErrorField(result, field);
  return text == nullptr ? "" : text;
}

absl::Status Away(std::string_view story) {
  Log(LogLevel::kWarning, "the database is away", {{"error", story}});
  absl::Status status = Unavailable("the database");
  status.SetPayload(kStoryPayload, absl::Cord(absl::string_view(story.data(), story.size())));
  return status;
}

}  // namespace

absl::Status ConnectionStatus(const PGconn* connection) {
  return Away(std::string(absl::StripTrailingAsciiWhitespace(PQerrorMessage(connection))));
}

absl::Status LostStatus(const PGconn* connection) {
  absl::Status status = ConnectionStatus(connection);
  status.SetPayload(kLostPayload, absl::Cord("1"));
  return status;
}

absl::Status ResultStatus(const PGconn* connection, const PGresult* result, std::string_view statement) {
  const ExecStatusType type = result == nullptr ? PGRES_FATAL_ERROR : PQresultStatus(result);
  if (type == PGRES_COMMAND_OK || type == PGRES_TUPLES_OK) return absl::OkStatus();
  const std::string sql_state = result == nullptr ? "" : Field(result, PG_DIAG_SQLSTATE);
  const std::string kind = sql_state.substr(0, 2);
  const std::string story =
      absl::StrCat(std::string(statement), ": ", sql_state, " ",
                   result == nullptr ? PQerrorMessage(connection) : Field(result, PG_DIAG_MESSAGE_PRIMARY));
  absl::Status status;
  if (PQstatus(connection) != CONNECTION_OK) {
    status = Away(story);
    status.SetPayload(kLostPayload, absl::Cord("1"));
  } else if (sql_state == kQueryCanceled) {
    status = absl::DeadlineExceededError("the deadline passed in the database");
  } else if (kind == kConnectionClass || kind == kResourcesClass || kind == kOperatorClass || kind == kSystemClass ||
             sql_state == kReadOnly || sql_state == kLockNotAvailable) {
    status = Away(story);
  } else if (sql_state == kDeadlockDetected || sql_state == kSerializationFailure) {
    status = Unavailable("the database");  // most often the next run succeeds
  } else {
    status = Internal(story);
  }
  status.SetPayload(kSqlStatePayload, absl::Cord(sql_state));
  return status;
}

bool MayRunAgain(const absl::Status& status) {
  const auto sql_state = status.GetPayload(kSqlStatePayload);
  return sql_state && (*sql_state == kDeadlockDetected.data() || *sql_state == kSerializationFailure.data());
}

bool IsLockTimeout(const absl::Status& status) {
  const auto sql_state = status.GetPayload(kSqlStatePayload);
  return sql_state && *sql_state == kLockNotAvailable.data();
}

bool ConnectionLost(const absl::Status& status) { return status.GetPayload(kLostPayload).has_value(); }

std::string StoryOf(const absl::Status& status) {
  const auto story = status.GetPayload(kStoryPayload);
  return story ? std::string(*story) : "";
}

}  // namespace parley::data
