// What makes a call that is sent twice have one effect (proto/README.md, "request_id"). A handler parses the id with
// its request; inside its transaction, once it knows that the caller may do this, it asks whether the call has been
// answered, and remembers what it did:
//
//   const auto request_id = rpc::RequestIdOf(call, request, fields);
//   ...
//   data::Transact(pool, call.deadline, [&](data::Transaction& tx) -> ... {
//     PARLEY_ASSIGN_OR_RETURN(const auto answered, rpc::FindAnswered(tx, signer, request_id));
//     if (answered) return ReadAgain(tx, *answered);
//     ...
//     PARLEY_RETURN_IF_ERROR(rpc::Remember(tx, signer, request_id, {{event.id}, event.last_sequence}));
//     return ...;
//   });
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "common/data/request_records.h"
#include "common/rpc/call.h"
#include "common/status/status.h"

namespace parley::rpc {

struct RequestId {
  data::RequestKey key;
  std::string content;  // of the request, as bytes
};

// Nothing where `text` is empty; a bad field `request_id` where it is no UUID. `request` is the whole message.
std::optional<RequestId> ParseRequestId(const Call& call, const google::protobuf::Message& request,
                                        const std::string& text, FieldViolations& fields);

// Of a request that has a field request_id.
template <class Request>
std::optional<RequestId> RequestIdOf(const Call& call, const Request& request, FieldViolations& fields) {
  return ParseRequestId(call, request, request.request_id(), fields);
}

// What the call did when it was sent first; nothing where it was not, or has no id. From here on until the transaction
// ends nobody else has this id. INVALID_ARGUMENT (REQUEST_ID_REUSED) where it was another call.
absl::StatusOr<std::optional<data::RequestResult>> FindAnswered(data::Transaction& tx, const Signer& signer,
                                                                const std::optional<RequestId>& request_id);
// The same for the calls of a batch: an answer or an error for each, in their order. One that comes twice in the batch
// is not known the second time.
absl::StatusOr<std::vector<absl::StatusOr<std::optional<data::RequestResult>>>> FindAnswered(
    data::Transaction& tx, const Signer& signer, const std::vector<std::optional<RequestId>>& request_ids);

// To be answered again for a day. Does nothing without an id.
absl::Status Remember(data::Transaction& tx, const Signer& signer, const std::optional<RequestId>& request_id,
                      data::RequestResult result);

// One that a batch has to remember.
data::RequestRecord RecordOf(const Signer& signer, const RequestId& request_id, data::RequestResult result);

}  // namespace parley::rpc
