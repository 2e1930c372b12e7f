// RequestEmailToken: rule T7. Whoever asks, for whatever, gets the same answer after the same work: that the call is
// written down. requested_keys.h is what becomes of it.
#include "common/data/key.h"
#include "common/rpc/resource_name.h"
#include "services/notification/email_token_requests.h"
#include "services/notification/notification_messages.h"
#include "services/notification/notification_server.h"
#include "services/notification/requested_keys.h"

namespace parley::notification {
namespace {

absl::StatusOr<EmailTokenRequest> Parse(const v1::RequestEmailTokenRequest& request, const rpc::Signer& signer) {
  FieldViolations fields;
  EmailTokenRequest parsed;
  parsed.id = Uuid::TimeOrdered();
  if (request.has_key()) {
    if (!data::IsKey(request.key(), data::kGuestKeyPrefix)) fields.Add("key", "must be a key as it was mailed");
    parsed.key_hash = data::HashKey(request.key());
  } else if (request.has_party()) {
    parsed.event_id = rpc::ParseName(request.party().event(), "events");
    if (!parsed.event_id) fields.Add("party.event", kEventNameViolation);
    const auto address = ParseAddress(request.party().address());
    if (!address.ok()) fields.Add("party.address", std::string(address.status().message()));
    if (address.ok()) parsed.address_mac = signer.Mac(kAddressPurpose, address->Key());
  } else {
    fields.Add("subject", "is required: the key, or the event and the address");
  }
  PARLEY_RETURN_IF_ERROR(fields.ToStatus());
  return parsed;
}

}  // namespace

absl::Status RequestEmailToken(const Context& context, const rpc::Call& call,
                               const v1::RequestEmailTokenRequest& request, google::protobuf::Empty&) {
  PARLEY_ASSIGN_OR_RETURN(const EmailTokenRequest parsed, Parse(request, context.signer));
  PARLEY_RETURN_IF_ERROR(data::Transact(context.pool, call.deadline,
                                        [&](data::Transaction& tx) { return EmailTokenRequests(tx).Insert(parsed); }));
  context.wake();
  return absl::OkStatus();
}

}  // namespace parley::notification
