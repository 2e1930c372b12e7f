#include <map>
#include <set>

#include "absl/random/random.h"
#include "common/access/access.h"
#include "common/data/entry_record.h"
#include "common/data/erasures.h"
#include "services/event/change.h"
#include "services/event/event_messages.h"
#include "services/event/event_server.h"
#include "services/event/nonsense_title.h"

namespace parley::event {
namespace {

struct Creation {
  CreateItem* item;
  ParsedCreate parsed;
};

absl::StatusOr<ParsedCreate> Check(const CreateItem& item, const Limits& limits) {
  PARLEY_RETURN_IF_ERROR(CheckUser(item.call));
  PARLEY_ASSIGN_OR_RETURN(ParsedCreate parsed, ParseCreate(item.call, item.request, limits));
  PARLEY_RETURN_IF_ERROR(CheckMayCreate(item.call));
  if (parsed.command.title.empty()) {
    absl::BitGen random;
    parsed.command.title = NonsenseTitle(random);
  }
  return parsed;
}

Uuid IdOf(const data::User& user) { return user.id; }
std::string KeyOf(const data::User& user) { return user.address.Key(); }

template <class Key>
absl::StatusOr<std::map<Key, data::User>> UsersBy(absl::StatusOr<std::vector<data::User>> users,
                                                  Key (*key_of)(const data::User&)) {
  PARLEY_RETURN_IF_ERROR(users.status());
  std::map<Key, data::User> found;
  for (data::User& user : *users) found.emplace(key_of(user), std::move(user));
  return found;
}

// By creation: why it cannot be made, or the event that it made.
using Results = std::vector<absl::StatusOr<data::Event>>;

absl::Status CreateBatch(data::Transaction& tx, const Context& context, const std::vector<Creation>& creations,
                         Results& results) {
  results.assign(creations.size(), absl::UnknownError("not decided yet"));
  std::vector<std::optional<rpc::RequestId>> request_ids;
  std::set<data::RequestKey> keys;
  for (const Creation& each : creations) {
    const auto& request_id = request_ids.emplace_back(each.parsed.request_id);
    // One by one they find each other's.
    if (request_id && !keys.insert(request_id->key).second) return absl::AbortedError("a call is in the batch twice");
  }
  PARLEY_ASSIGN_OR_RETURN(const auto answered, rpc::FindAnswered(tx, context.signer, request_ids));

  PARLEY_RETURN_IF_ERROR(data::Erasures(tx).Hold());
  data::Users users(tx);
  std::vector<Uuid> creator_ids;
  for (const Creation& each : creations) creator_ids.push_back(each.item->call.principal.user_id);
  PARLEY_ASSIGN_OR_RETURN(auto creators, UsersBy<Uuid>(users.FindByIds(creator_ids), &IdOf));

  // What will fail must make no users, so parties are looked up only of what will succeed.
  std::vector<std::vector<Address>> parties(creations.size());
  std::vector<Address> addresses;
  for (size_t i = 0; i < creations.size(); ++i) {
    if (!answered[i].ok()) {
      results[i] = answered[i].status();
      continue;
    }
    if (*answered[i]) {
      PARLEY_ASSIGN_OR_RETURN(results[i], AnswerAgain(tx, **answered[i]));
      continue;
    }
    const auto creator = creators.find(creations[i].item->call.principal.user_id);
    // Erased, since the credential was looked at.
    if (creator == creators.end()) {
      results[i] = CredentialInvalid();
      continue;
    }
    auto to_be = PartiesToBe(creations[i].parsed.command, creator->second, context.limits.max_parties, tx.now());
    if (!to_be.ok()) {
      results[i] = to_be.status();
      continue;
    }
    parties[i] = *std::move(to_be);
    addresses.insert(addresses.end(), parties[i].begin(), parties[i].end());
  }
  if (addresses.empty()) return absl::OkStatus();
  PARLEY_ASSIGN_OR_RETURN(auto named, UsersBy<std::string>(users.FindOrCreate(addresses), &KeyOf));

  std::vector<data::Event> events;
  std::vector<data::LogEntry> entries;
  std::vector<data::RequestRecord> records;
  for (size_t i = 0; i < creations.size(); ++i) {
    if (parties[i].empty()) continue;
    const rpc::Call& call = creations[i].item->call;
    std::vector<data::Party> with_ids;
    for (const Address& address : parties[i])
      with_ids.push_back({named.at(address.Key()).id, address, data::MakeSalt()});
    Outcome outcome = Create(creations[i].parsed.command, std::move(with_ids), creators.at(call.principal.user_id),
                             EffectorOf(call.principal), Uuid::TimeOrdered(), tx.now());
    results[i] = outcome.event;
    if (request_ids[i]) {
      records.push_back(rpc::RecordOf(context.signer, *request_ids[i], {{outcome.event.id}, outcome.entry.sequence}));
    }
    events.push_back(std::move(outcome.event));
    entries.push_back(std::move(outcome.entry));
  }
  PARLEY_ASSIGN_OR_RETURN(const auto hashes, data::LogEntries(tx).Append(entries));
  for (size_t i = 0; i < events.size(); ++i) events[i].last_hash = hashes[i];
  PARLEY_RETURN_IF_ERROR(data::Events(tx).Insert(events));
  return records.empty() ? absl::OkStatus() : data::RequestRecords(tx).Insert(records);
}

}  // namespace

absl::Status CreateEvents(const Context& context, absl::Span<CreateItem* const> items, data::Turn& turn) {
  std::vector<Creation> creations;
  for (CreateItem* item : items) {
    auto parsed = Check(*item, context.limits);
    item->status = parsed.status();
    if (parsed.ok()) creations.push_back({item, *std::move(parsed)});
  }
  if (creations.empty()) return absl::OkStatus();

  Results results;
  PARLEY_RETURN_IF_ERROR(data::Transact(
      context.pool, BatchDeadline(items),
      [&](data::Transaction& tx) { return CreateBatch(tx, context, creations, results); },
      data::Isolation::kReadCommitted, [&turn] { turn.Pass(); }));
  for (size_t i = 0; i < creations.size(); ++i) {
    CreateItem& item = *creations[i].item;
    item.status = results[i].status();
    if (results[i].ok()) ToProto(*results[i], item.response);
  }
  return absl::OkStatus();
}

}  // namespace parley::event
