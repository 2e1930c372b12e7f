#include <map>

#include "absl/random/random.h"
#include "common/access/access.h"
#include "services/event/change.h"
#include "services/event/event_messages.h"
#include "services/event/event_server.h"
#include "services/event/title.h"

namespace parley::event {
namespace {

struct Creation {
  CreateItem* item;
  CreateCommand command;
};

absl::StatusOr<CreateCommand> Check(const CreateItem& item, const Limits& limits) {
  PARLEY_RETURN_IF_ERROR(CheckUser(item.call));
  PARLEY_ASSIGN_OR_RETURN(CreateCommand command, ParseCreate(item.request, limits));
  PARLEY_RETURN_IF_ERROR(CheckMember(item.call));
  if (!item.call.principal.active) return Forbidden("only registered users create events");
  if (command.title.empty()) {
    absl::BitGen random;
    command.title = NonsenseTitle(random);
  }
  return command;
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

absl::Status CreateBatch(data::Transaction& tx, const Limits& limits, const std::vector<Creation>& creations,
                         Results& results) {
  data::Users users(tx);
  std::vector<Uuid> creator_ids;
  for (const Creation& each : creations) creator_ids.push_back(each.item->call.principal.user_id);
  PARLEY_ASSIGN_OR_RETURN(auto creators, UsersBy<Uuid>(users.FindByIds(creator_ids), &IdOf));

  // What will fail must make no users, so parties are looked up only of what will succeed.
  results.assign(creations.size(), absl::UnknownError("not decided yet"));
  std::vector<std::vector<Address>> parties(creations.size());
  std::vector<Address> addresses;
  for (size_t i = 0; i < creations.size(); ++i) {
    const auto creator = creators.find(creations[i].item->call.principal.user_id);
    if (creator == creators.end()) return Internal("the calling user does not exist");
    auto to_be = PartiesToBe(creations[i].command, creator->second, limits.max_parties, tx.now());
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
  for (size_t i = 0; i < creations.size(); ++i) {
    if (parties[i].empty()) continue;
    const rpc::Call& call = creations[i].item->call;
    std::vector<data::Party> with_ids;
    for (const Address& address : parties[i]) with_ids.push_back({named.at(address.Key()).id, address});
    Outcome outcome = Create(creations[i].command, std::move(with_ids), creators.at(call.principal.user_id),
                             EffectorOf(call.principal), Uuid::TimeOrdered(), tx.now());
    results[i] = outcome.event;
    events.push_back(std::move(outcome.event));
    entries.push_back(std::move(outcome.entry));
  }
  PARLEY_RETURN_IF_ERROR(data::Events(tx).Insert(events));
  return data::LogEntries(tx).Append(entries);
}

}  // namespace

absl::Status CreateEvents(const Context& context, absl::Span<CreateItem* const> items) {
  std::vector<Creation> creations;
  for (CreateItem* item : items) {
    auto command = Check(*item, context.limits);
    item->status = command.status();
    if (command.ok()) creations.push_back({item, *std::move(command)});
  }
  if (creations.empty()) return absl::OkStatus();

  Results results;
  PARLEY_RETURN_IF_ERROR(data::Transact(context.pool, BatchDeadline(items), [&](data::Transaction& tx) {
    return CreateBatch(tx, context.limits, creations, results);
  }));
  for (size_t i = 0; i < creations.size(); ++i) {
    CreateItem& item = *creations[i].item;
    item.status = results[i].status();
    if (results[i].ok()) ToProto(*results[i], item.response);
  }
  return absl::OkStatus();
}

}  // namespace parley::event
