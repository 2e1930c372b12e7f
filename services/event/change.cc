#include "services/event/change.h"

#include <map>
#include <set>

#include "common/access/access.h"
#include "services/event/replay.h"

namespace parley::event {
namespace {

absl::Status CheckMay(const Change& change, const data::Event* event) {
  PARLEY_RETURN_IF_ERROR(CheckLogAccess(change.call, change.target.id, event));
  return change.permit(*event);
}

absl::StatusOr<Outcome> DecideOn(const Change& change, const data::Event& event, absl::Time now) {
  PARLEY_RETURN_IF_ERROR(CheckNotDeleted(event));
  return change.decide(event, now);
}

absl::Status ChangeBatch(data::Transaction& tx, const Context& context, std::vector<Change>& changes) {
  std::vector<Uuid> ids;
  for (const Change& change : changes) ids.push_back(change.target.id);
  data::Events table(tx);
  PARLEY_ASSIGN_OR_RETURN(auto locked, table.Lock(ids));
  std::map<Uuid, data::Event> events;
  for (data::Event& event : locked) events.emplace(event.id, std::move(event));

  std::vector<absl::Status> may;
  std::vector<std::optional<rpc::RequestId>> request_ids;
  std::set<data::RequestKey> keys;
  for (const Change& change : changes) {
    const auto found = events.find(change.target.id);
    may.push_back(CheckMay(change, found == events.end() ? nullptr : &found->second));
    // To staff, whether it exists is told later.
    const bool goes_on = may.back().ok() || (IsStaff(change.call) && absl::IsNotFound(may.back()));
    request_ids.push_back(goes_on ? change.target.request_id : std::nullopt);
    // One by one they find each other's.
    if (request_ids.back() && !keys.insert(request_ids.back()->key).second) {
      return absl::AbortedError("a call is in the batch twice");
    }
  }
  PARLEY_ASSIGN_OR_RETURN(const auto answered, rpc::FindAnswered(tx, context.signer, request_ids));

  std::vector<data::LogEntry> entries;
  std::vector<data::RequestRecord> records;
  std::set<Uuid> changed;
  for (size_t i = 0; i < changes.size(); ++i) {
    Change& change = changes[i];
    if (!answered[i].ok()) {
      change.result = answered[i].status();
      continue;
    }
    if (*answered[i]) {
      PARLEY_ASSIGN_OR_RETURN(change.result, AnswerAgain(tx, **answered[i]));
      continue;
    }
    if (!may[i].ok()) {
      change.result = may[i];
      continue;
    }
    // As the calls before it in the batch have left it.
    data::Event& event = events.at(change.target.id);
    absl::StatusOr<Outcome> outcome = DecideOn(change, event, tx.now());
    if (!outcome.ok()) {
      change.result = outcome.status();
      continue;
    }
    event = outcome->event;
    change.result = std::move(outcome->event);
    if (outcome->entry.with_event) changed.insert(event.id);
    if (request_ids[i]) {
      records.push_back(rpc::RecordOf(context.signer, *request_ids[i], {{event.id}, outcome->entry.sequence}));
    }
    entries.push_back(std::move(outcome->entry));
  }
  if (entries.empty()) return absl::OkStatus();
  PARLEY_ASSIGN_OR_RETURN(const auto hashes, data::LogEntries(tx).Append(entries));
  for (size_t i = 0; i < entries.size(); ++i) events.at(entries[i].event_id).last_hash = hashes[i];
  std::vector<data::Event> saved;
  for (const Uuid& id : changed) saved.push_back(std::move(events.at(id)));
  if (!saved.empty()) PARLEY_RETURN_IF_ERROR(table.Save(saved));
  return records.empty() ? absl::OkStatus() : data::RequestRecords(tx).Insert(records);
}

}  // namespace

absl::Status CheckMayCreate(const rpc::Call& call) {
  PARLEY_RETURN_IF_ERROR(CheckMember(call));
  return call.principal.active ? absl::OkStatus() : Forbidden("only registered users create events");
}

absl::StatusOr<data::Event> AnswerAgain(data::Transaction& tx, const data::RequestResult& answered) {
  PARLEY_ASSIGN_OR_RETURN(const auto events, data::Events(tx).Find(answered.ids));
  if (events.empty()) return Internal("a call is remembered whose event does not exist");
  return ReadBackEntry(tx, events.front(), answered.sequence);
}

absl::Status ChangeEvents(const Context& context, std::vector<Change>& changes, absl::Time deadline, data::Turn& turn) {
  PARLEY_RETURN_IF_ERROR(data::Transact(
      context.pool, deadline, [&](data::Transaction& tx) { return ChangeBatch(tx, context, changes); },
      data::Isolation::kReadCommitted, [&turn] { turn.Pass(); }));
  for (const Change& change : changes) {
    if (change.result.ok()) context.wrote(change.target.id);
  }
  return absl::OkStatus();
}

}  // namespace parley::event
