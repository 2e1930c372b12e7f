#include <map>

#include "common/access/access.h"
#include "common/data/entry_record.h"
#include "common/data/erasures.h"
#include "services/event/change.h"
#include "services/event/event_messages.h"
#include "services/event/event_server.h"

namespace parley::event {
namespace {

absl::StatusOr<std::vector<data::Party>> WithIds(data::Transaction& tx, const std::vector<Address>& addresses) {
  PARLEY_ASSIGN_OR_RETURN(const auto users, data::Users(tx).FindOrCreate(addresses));
  std::map<std::string, Uuid> ids;
  for (const data::User& user : users) ids.emplace(user.address.Key(), user.id);
  std::vector<data::Party> parties;
  for (const Address& address : addresses) parties.push_back({ids.at(address.Key()), address, data::MakeSalt()});
  return parties;
}

absl::StatusOr<data::Event> Reopen(data::Transaction& tx, const Context& context, const rpc::Call& call,
                                   const ParsedReopen& parsed) {
  const data::Effector effector = EffectorOf(call.principal);
  PARLEY_RETURN_IF_ERROR(data::Erasures(tx).Hold());
  data::Events events(tx);
  PARLEY_ASSIGN_OR_RETURN(const auto locked, events.Lock({parsed.target.id}));
  const absl::Status may = CheckLogAccess(call, parsed.target.id, locked.empty() ? nullptr : &locked.front());
  // To staff, whether it exists is told later.
  if (!may.ok() && !(IsStaff(call) && may.code() == absl::StatusCode::kNotFound)) return may;
  PARLEY_ASSIGN_OR_RETURN(const auto answered, rpc::FindAnswered(tx, context.signer, parsed.target.request_id));
  if (answered) return AnswerAgain(tx, *answered);
  PARLEY_RETURN_IF_ERROR(may);
  const data::Event& old = locked.front();
  PARLEY_RETURN_IF_ERROR(CheckNotDeleted(old));

  PARLEY_ASSIGN_OR_RETURN(const CreateCommand creation, Succession(old, parsed.command));
  PARLEY_ASSIGN_OR_RETURN(const auto callers, data::Users(tx).FindByIds({effector.user_id}));
  // Erased, since the credential was looked at.
  if (callers.empty()) return CredentialInvalid();
  const data::User& creator = callers.front();
  PARLEY_ASSIGN_OR_RETURN(const auto addresses, PartiesToBe(creation, creator, context.limits.max_parties, tx.now()));
  PARLEY_ASSIGN_OR_RETURN(auto parties, WithIds(tx, addresses));
  Outcome made = Create(creation, std::move(parties), creator, effector, Uuid::TimeOrdered(), tx.now());
  Outcome left = Succeeded(old, made.event, effector, tx.now());

  PARLEY_ASSIGN_OR_RETURN(const auto hashes, data::LogEntries(tx).Append({left.entry, made.entry}));
  left.event.last_hash = hashes[0];
  made.event.last_hash = hashes[1];
  PARLEY_RETURN_IF_ERROR(events.Save({left.event}));
  PARLEY_RETURN_IF_ERROR(events.Insert({made.event}));
  PARLEY_RETURN_IF_ERROR(
      rpc::Remember(tx, context.signer, parsed.target.request_id, {{made.event.id}, made.entry.sequence}));
  return made.event;
}

}  // namespace

absl::Status ReopenEvent(const Context& context, const rpc::Call& call, const v1::ReopenEventRequest& request,
                         v1::Event& response) {
  PARLEY_RETURN_IF_ERROR(CheckUser(call));
  PARLEY_ASSIGN_OR_RETURN(const ParsedReopen parsed, ParseReopen(call, request, context.limits));
  PARLEY_RETURN_IF_ERROR(OfResource(CheckMayCreate(call), kEventType, request.name()));
  PARLEY_ASSIGN_OR_RETURN(const data::Event event,
                          data::Transact(context.pool, call.deadline,
                                         [&](data::Transaction& tx) { return Reopen(tx, context, call, parsed); }));
  context.wrote(parsed.target.id);
  ToProto(event, response);
  return absl::OkStatus();
}

}  // namespace parley::event
