#include "common/rpc/request_id.h"

#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>

#include <utility>

#include "absl/strings/ascii.h"

namespace parley::rpc {
namespace {

constexpr std::string_view kPurpose = "request";

// Without the id itself, which may be spelled in capitals.
std::string ContentOf(const google::protobuf::Message& request) {
  const std::unique_ptr<google::protobuf::Message> content(request.New());
  content->CopyFrom(request);
  content->GetReflection()->ClearField(content.get(), content->GetDescriptor()->FindFieldByName("request_id"));
  std::string bytes;
  google::protobuf::io::StringOutputStream stream(&bytes);
  google::protobuf::io::CodedOutputStream coded(&stream);
  coded.SetSerializationDeterministic(true);
  content->SerializeToCodedStream(&coded);
  coded.Trim();
  return bytes;
}

absl::StatusOr<std::optional<data::RequestResult>> AnswerOf(
    const Signer& signer, const RequestId& request_id, const std::map<data::RequestKey, data::RequestRecord>& records) {
  const auto found = records.find(request_id.key);
  if (found == records.end()) return std::nullopt;
  if (signer.IsMac(found->second.digest, kPurpose, request_id.content)) return found->second.result;
  return RequestIdReused(request_id.key.request_id.ToString());
}

}  // namespace

std::optional<RequestId> ParseRequestId(const Call& call, const google::protobuf::Message& request,
                                        const std::string& text, FieldViolations& fields) {
  if (text.empty()) return std::nullopt;
  const auto id = Uuid::Parse(absl::AsciiStrToLower(text));
  if (!id) {
    fields.Add("request_id", "must be a UUID");
    return std::nullopt;
  }
  return RequestId{{call.principal.user_id, request.GetTypeName(), *id}, ContentOf(request)};
}

absl::StatusOr<std::vector<absl::StatusOr<std::optional<data::RequestResult>>>> FindAnswered(
    data::Transaction& tx, const Signer& signer, const std::vector<std::optional<RequestId>>& request_ids) {
  std::vector<absl::StatusOr<std::optional<data::RequestResult>>> answers(request_ids.size(), std::nullopt);
  std::vector<data::RequestKey> keys;
  for (const auto& request_id : request_ids) {
    if (request_id) keys.push_back(request_id->key);
  }
  if (keys.empty()) return answers;
  data::RequestRecords records(tx);
  PARLEY_RETURN_IF_ERROR(records.Lock(keys));
  PARLEY_ASSIGN_OR_RETURN(const auto found, records.Find(keys));
  for (size_t i = 0; i < request_ids.size(); ++i) {
    if (request_ids[i]) answers[i] = AnswerOf(signer, *request_ids[i], found);
  }
  return answers;
}

absl::StatusOr<std::optional<data::RequestResult>> FindAnswered(data::Transaction& tx, const Signer& signer,
                                                                const std::optional<RequestId>& request_id) {
  if (!request_id) return std::nullopt;
  PARLEY_ASSIGN_OR_RETURN(auto answers, FindAnswered(tx, signer, std::vector{request_id}));
  return std::move(answers.front());
}

data::RequestRecord RecordOf(const Signer& signer, const RequestId& request_id, data::RequestResult result) {
  return {request_id.key, signer.Mac(kPurpose, request_id.content), std::move(result)};
}

absl::Status Remember(data::Transaction& tx, const Signer& signer, const std::optional<RequestId>& request_id,
                      data::RequestResult result) {
  if (!request_id) return absl::OkStatus();
  return data::RequestRecords(tx).Insert({RecordOf(signer, *request_id, std::move(result))});
}

}  // namespace parley::rpc
