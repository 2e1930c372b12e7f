#include "common/status/status.h"

#include "absl/strings/cord.h"
#include "absl/strings/str_cat.h"
#include "google/rpc/error_details.pb.h"

namespace parley {
namespace {

constexpr absl::Duration kRetryDelay = absl::Milliseconds(500);

// Clients of gRPC take 8 KiB of trailers, in which details count as base64.
constexpr size_t kMaxViolationBytes = 3000;
constexpr size_t kFieldsInMessage = 5;

template <class Detail>
void Attach(absl::Status& status, const Detail& detail) {
  status.SetPayload(absl::StrCat("type.googleapis.com/", Detail::descriptor()->full_name()),
                    absl::Cord(detail.SerializeAsString()));
}

void AttachResource(absl::Status& status, std::string_view type, std::string_view name) {
  google::rpc::ResourceInfo info;
  info.set_resource_type(std::string(type));
  info.set_resource_name(std::string(name));
  Attach(status, info);
}

void AttachRetry(absl::Status& status, absl::Duration delay) {
  google::rpc::RetryInfo info;
  info.mutable_retry_delay()->set_seconds(absl::IDivDuration(delay, absl::Seconds(1), &delay));
  info.mutable_retry_delay()->set_nanos(static_cast<int32_t>(absl::ToInt64Nanoseconds(delay)));
  Attach(status, info);
}

}  // namespace

absl::Status Error(absl::StatusCode code, Reason reason, std::string_view message, const Metadata& metadata) {
  absl::Status status(code, {message.data(), message.size()});
  google::rpc::ErrorInfo info;
  info.set_domain("parley");
  info.set_reason(error::v1::Reason_Name(reason));
  info.mutable_metadata()->insert(metadata.begin(), metadata.end());
  Attach(status, info);
  return status;
}

absl::Status WithMetadata(absl::Status status, const std::string& key, const std::string& value) {
  const auto payload = status.GetPayload("type.googleapis.com/google.rpc.ErrorInfo");
  google::rpc::ErrorInfo info;
  if (!payload || !info.ParseFromString(std::string(*payload))) return status;
  (*info.mutable_metadata())[key] = value;
  Attach(status, info);
  return status;
}

Reason ReasonOf(const absl::Status& status) {
  auto payload = status.GetPayload("type.googleapis.com/google.rpc.ErrorInfo");
  google::rpc::ErrorInfo info;
  Reason reason = error::v1::REASON_UNSPECIFIED;
  if (payload && info.ParseFromString(std::string(*payload))) error::v1::Reason_Parse(info.reason(), &reason);
  return reason;
}

absl::Status CredentialMissing() {
  return Error(absl::StatusCode::kUnauthenticated, error::v1::CREDENTIAL_MISSING,
               "this call needs a credential: authorization: Bearer KEY");
}

absl::Status CredentialInvalid() {
  return Error(absl::StatusCode::kUnauthenticated, error::v1::CREDENTIAL_INVALID,
               "the credential is unknown, revoked or not well formed");
}

absl::Status TokenExpired() {
  return Error(absl::StatusCode::kUnauthenticated, error::v1::TOKEN_EXPIRED, "the e-mail token has expired");
}

absl::Status Hidden(std::string_view type, std::string_view name) {
  auto status = Error(absl::StatusCode::kPermissionDenied, error::v1::PERMISSION_DENIED,
                      absl::StrCat("no access to ", std::string(name), ", or it does not exist"),
                      {{"resource", std::string(name)}});
  AttachResource(status, type, name);
  return status;
}

absl::Status Forbidden(std::string_view message) {
  return Error(absl::StatusCode::kPermissionDenied, error::v1::PERMISSION_DENIED, message);
}

absl::Status OfResource(absl::Status status, std::string_view type, std::string_view name) {
  if (status.code() == absl::StatusCode::kPermissionDenied) AttachResource(status, type, name);
  return status;
}

absl::Status NotFound(std::string_view type, std::string_view name) {
  auto status = Error(absl::StatusCode::kNotFound, error::v1::NOT_FOUND,
                      absl::StrCat(std::string(name), " does not exist"), {{"resource", std::string(name)}});
  AttachResource(status, type, name);
  return status;
}

absl::Status AlreadyExists(std::string_view type, std::string_view name, std::string_view message) {
  auto status =
      Error(absl::StatusCode::kAlreadyExists, error::v1::ALREADY_EXISTS, message, {{"resource", std::string(name)}});
  AttachResource(status, type, name);
  return status;
}

absl::Status EtagMismatch(std::string_view present_etag) {
  return Error(absl::StatusCode::kAborted, error::v1::ETAG_MISMATCH,
               absl::StrCat("it has changed meanwhile; its etag is now ", std::string(present_etag)),
               {{"etag", std::string(present_etag)}});
}

absl::Status RequestIdReused(std::string_view request_id) {
  return Error(absl::StatusCode::kInvalidArgument, error::v1::REQUEST_ID_REUSED,
               absl::StrCat("request_id ", std::string(request_id), " was sent before with other content"),
               {{"request_id", std::string(request_id)}});
}

absl::Status Precondition(Reason reason, std::string_view subject, std::string_view message, const Metadata& metadata) {
  auto status = Error(absl::StatusCode::kFailedPrecondition, reason, message, metadata);
  google::rpc::PreconditionFailure failure;
  auto* violation = failure.add_violations();
  violation->set_type(error::v1::Reason_Name(reason));
  violation->set_subject(std::string(subject));
  violation->set_description(std::string(message));
  Attach(status, failure);
  return status;
}

absl::Status CursorInvalid() {
  return Error(absl::StatusCode::kInvalidArgument, error::v1::CURSOR_INVALID,
               "page_token is not one that this list gave for these arguments");
}

absl::Status CursorOutOfRange(std::string_view field) {
  const std::string name(field);
  return Error(absl::StatusCode::kOutOfRange, error::v1::CURSOR_INVALID,
               absl::StrCat(name, " is of another log, or of what the log has not reached: begin anew"),
               {{"field", name}});
}

absl::Status ReaderTooSlow() {
  auto status = Error(absl::StatusCode::kResourceExhausted, error::v1::READER_TOO_SLOW,
                      "the reader of this stream does not take what is sent: go on from the cursor");
  AttachRetry(status, kRetryDelay);
  return status;
}

absl::Status RateLimited(std::string_view message, absl::Duration retry_after) {
  auto status = Error(absl::StatusCode::kResourceExhausted, error::v1::RATE_LIMITED, message);
  AttachRetry(status, retry_after);
  return status;
}

absl::Status QueueFull() {
  auto status =
      Error(absl::StatusCode::kResourceExhausted, error::v1::QUEUE_FULL, "the service has more work than it can queue");
  AttachRetry(status, kRetryDelay);
  return status;
}

absl::Status Unavailable(std::string_view what) {
  auto status =
      Error(absl::StatusCode::kUnavailable, error::v1::UNAVAILABLE,
            absl::StrCat(std::string(what), " cannot be reached at the moment"), {{"away", std::string(what)}});
  AttachRetry(status, kRetryDelay);
  return status;
}

absl::Status Stopping(std::string_view what) {
  auto status = Error(absl::StatusCode::kUnavailable, error::v1::UNAVAILABLE,
                      absl::StrCat(std::string(what), " is stopping: connect again"), {{"away", std::string(what)}});
  AttachRetry(status, kRetryDelay);
  return status;
}

absl::Status OutcomeUnknown() {
  return Error(absl::StatusCode::kUnknown, error::v1::OUTCOME_UNKNOWN,
               "the connection to the database broke during the commit: read before trying again");
}

absl::Status ChainBroken(std::string_view entry) {
  return Error(absl::StatusCode::kDataLoss, error::v1::CHAIN_BROKEN,
               absl::StrCat("the log is not what it was, from ", std::string(entry), " on"),
               {{"entry", std::string(entry)}});
}

absl::Status Internal(std::string_view story) { return Error(absl::StatusCode::kInternal, error::v1::INTERNAL, story); }

void FieldViolations::Add(std::string_view field, std::string_view description) {
  violations_.emplace_back(field, description);
}

absl::Status FieldViolations::ToStatus() const {
  if (violations_.empty()) return absl::OkStatus();
  std::string message = violations_.size() == 1 ? "bad field:" : "bad fields:";
  Metadata metadata;
  google::rpc::BadRequest bad_request;
  size_t bytes = 0;
  for (const auto& [field, description] : violations_) {
    const auto named = static_cast<size_t>(bad_request.field_violations_size());
    const std::string left = absl::StrCat(violations_.size() - named);
    bytes += field.size() + description.size();
    if (bytes > kMaxViolationBytes) {
      auto* rest = bad_request.add_field_violations();
      rest->set_field(field.substr(0, field.find('[')));
      rest->set_description(absl::StrCat("and more: ", left, " further bad fields do not fit into an answer"));
      break;
    }
    auto* violation = bad_request.add_field_violations();
    violation->set_field(field);
    violation->set_description(description);
    if (named < kFieldsInMessage) {
      absl::StrAppend(&message, named == 0 ? " " : "; ", field, " ", description);
      metadata[field] = description;
    } else if (named == kFieldsInMessage) {
      absl::StrAppend(&message, "; and ", left, " more");
    }
  }
  auto status = Error(absl::StatusCode::kInvalidArgument, error::v1::INVALID_FIELDS, message, metadata);
  Attach(status, bad_request);
  return status;
}

}  // namespace parley
