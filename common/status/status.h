// Errors of Parley: an absl::Status whose payloads are the details of google.rpc.Status, as proto/README.md lists
// them.
//
// Each function below makes one row of the table of errors. The details travel inside the status; common/rpc puts them
// on the wire, and adds the call id there. Functions of ours return errors and never throw.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "parley/error/v1/reason.pb.h"

#define PARLEY_RETURN_IF_ERROR(expression)                                                    \
  do {                                                                                        \
    if (absl::Status parley_status = (expression); !parley_status.ok()) return parley_status; \
  } while (false)

#define PARLEY_CONCAT_(a, b) a##b
#define PARLEY_CONCAT(a, b) PARLEY_CONCAT_(a, b)
// PARLEY_ASSIGN_OR_RETURN(auto event, events.Find(id)): assigns the value, or returns the error.
#define PARLEY_ASSIGN_OR_RETURN(target, expression) \
  PARLEY_ASSIGN_OR_RETURN_(PARLEY_CONCAT(parley_or_, __LINE__), target, expression)
#define PARLEY_ASSIGN_OR_RETURN_(status_or, target, expression) \
  auto status_or = (expression);                                \
  if (!status_or.ok()) return std::move(status_or).status();    \
  target = *std::move(status_or)

namespace parley {

using Reason = error::v1::Reason;
using Metadata = std::map<std::string, std::string>;

// An error with its google.rpc.ErrorInfo. `metadata` repeats the parts of `message` that vary.
absl::Status Error(absl::StatusCode code, Reason reason, std::string_view message, const Metadata& metadata = {});

// The error with one more entry in its ErrorInfo's metadata; unchanged where it has no ErrorInfo.
absl::Status WithMetadata(absl::Status status, const std::string& key, const std::string& value);

// The reason of an error of ours; REASON_UNSPECIFIED where it has none.
Reason ReasonOf(const absl::Status& status);

absl::Status CredentialMissing();
absl::Status CredentialInvalid();
absl::Status TokenExpired();

// PERMISSION_DENIED of a resource (`parley.event.v1.Event`, `events/...`): the same bytes whether or not it exists.
absl::Status Hidden(std::string_view type, std::string_view name);
// PERMISSION_DENIED of a call, whatever it names.
absl::Status Forbidden(std::string_view message);
// The same status; where it is PERMISSION_DENIED, with google.rpc.ResourceInfo: of a call that names a resource.
absl::Status OfResource(absl::Status status, std::string_view type, std::string_view name);
absl::Status NotFound(std::string_view type, std::string_view name);
absl::Status AlreadyExists(std::string_view type, std::string_view name, std::string_view message);
absl::Status EtagMismatch(std::string_view present_etag);
absl::Status RequestIdReused(std::string_view request_id);
// FAILED_PRECONDITION with google.rpc.PreconditionFailure; `subject` is a resource name.
absl::Status Precondition(Reason reason, std::string_view subject, std::string_view message,
                          const Metadata& metadata = {});
absl::Status CursorInvalid();
// OUT_OF_RANGE: a watch cannot go on where it was, since the log has not been there. `field` is the path of what says
// where.
absl::Status CursorOutOfRange(std::string_view field);
absl::Status ReaderTooSlow();
absl::Status RateLimited(std::string_view message, absl::Duration retry_after);
absl::Status QueueFull();
// What is away, for a person: `the database`.
absl::Status Unavailable(std::string_view what);
// UNAVAILABLE too: it ends what goes on, and takes nothing new. `what` as above.
absl::Status Stopping(std::string_view what);
absl::Status OutcomeUnknown();
// DATA_LOSS. `entry` is the resource name of the first entry of the log that is not what it was.
absl::Status ChainBroken(std::string_view entry);
// INTERNAL. `story` is for the log; common/rpc sends a generic text in its place.
absl::Status Internal(std::string_view story);

// Collects all bad fields of a request. Not thread-safe.
//
//   FieldViolations fields;
//   if (title.empty()) fields.Add("event.title", "must not be empty");
//   PARLEY_RETURN_IF_ERROR(fields.ToStatus());
class FieldViolations {
 public:
  // `field` is a path from the request: `event.slots[2].duration`.
  void Add(std::string_view field, std::string_view description);
  bool empty() const { return violations_.empty(); }
  // OK where no field is bad; else INVALID_ARGUMENT that names all of them, as far as they fit into the trailers that
  // clients take (some fifty), and then says how many more there are.
  absl::Status ToStatus() const;

 private:
  std::vector<std::pair<std::string, std::string>> violations_;
};

}  // namespace parley
