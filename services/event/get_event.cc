#include <map>

#include "common/access/access.h"
#include "services/event/change.h"
#include "services/event/event_messages.h"
#include "services/event/event_server.h"
#include "services/event/replay.h"

namespace parley::event {
namespace {

struct Reading {
  GetItem* item;
  Uuid id;
  absl::Status status;    // whether the caller may
  bool confirms = false;  // then it is not part of the batch
  data::Event event;
};

absl::StatusOr<Uuid> Check(const Context& context, const GetItem& item) {
  PARLEY_RETURN_IF_ERROR(CheckUser(item.call));
  PARLEY_ASSIGN_OR_RETURN(const Uuid id, ParseGet(item.request));
  // Where a batch failed and is run again one by one, this one is counted twice: the limit is no exact one.
  PARLEY_RETURN_IF_ERROR(context.views.Take(item.call.principal.user_id.ToBytes() + id.ToBytes()));
  return id;
}

// Reads all and appends their VIEW entries. A view that would confirm is left out, with nothing written.
absl::Status ReadBatch(data::Transaction& tx, std::vector<Reading>& readings) {
  std::vector<Uuid> ids;
  for (const Reading& reading : readings) ids.push_back(reading.id);
  PARLEY_ASSIGN_OR_RETURN(auto locked, data::Events(tx).Lock(ids));
  std::map<Uuid, data::Event> events;
  for (data::Event& event : locked) events.emplace(event.id, std::move(event));

  std::vector<data::LogEntry> entries;
  for (Reading& reading : readings) {
    const rpc::Call& call = reading.item->call;
    const auto found = events.find(reading.id);
    const data::Event* event = found == events.end() ? nullptr : &found->second;
    reading.status = CheckEventAccess(call, reading.id, event);
    if (!reading.status.ok()) continue;
    reading.confirms = ViewConfirms(*event, EffectorOf(call.principal));
    if (reading.confirms) continue;
    Outcome outcome = View(*event, EffectorOf(call.principal), tx.now());
    found->second = outcome.event;  // the next of this batch takes the next sequence
    reading.event = std::move(outcome.event);
    entries.push_back(std::move(outcome.entry));
  }
  return entries.empty() ? absl::OkStatus() : data::LogEntries(tx).Append(entries).status();
}

absl::Status ReadAndConfirm(const Context& context, const rpc::Call& call, Reading& reading) {
  auto view = [&call](const data::Event& event, absl::Time now) {
    return absl::StatusOr<Outcome>(View(event, EffectorOf(call.principal), now));
  };
  PARLEY_ASSIGN_OR_RETURN(reading.event, ChangeEvent(context, call, {reading.id, std::nullopt}, Anybody, view));
  return absl::OkStatus();
}

// E11: of the log, not of the event, so it is no view.
absl::Status ReadRevision(const Context& context, const Uuid& id, GetItem& item) {
  auto read = [&](data::Transaction& tx) -> absl::StatusOr<data::Event> {
    PARLEY_ASSIGN_OR_RETURN(const auto found, data::Events(tx).Find({id}));
    PARLEY_RETURN_IF_ERROR(CheckEventAccess(item.call, id, found.empty() ? nullptr : &found.front()));
    return ReadBackRevision(tx, found.front(), item.request.revision());
  };
  PARLEY_ASSIGN_OR_RETURN(const data::Event event, data::Transact(context.pool, item.call.deadline, read));
  ToProto(event, item.response);
  return absl::OkStatus();
}

}  // namespace

absl::Status GetEvents(const Context& context, absl::Span<GetItem* const> items) {
  std::vector<Reading> readings;
  for (GetItem* item : items) {
    const auto id = Check(context, *item);
    item->status = id.status();
    if (!id.ok()) continue;
    if (item->request.revision() > 0) {
      item->status = ReadRevision(context, *id, *item);
    } else {
      readings.push_back({item, *id, absl::OkStatus(), false, {}});
    }
  }
  if (readings.empty()) return absl::OkStatus();

  PARLEY_RETURN_IF_ERROR(data::Transact(context.pool, BatchDeadline(items),
                                        [&](data::Transaction& tx) { return ReadBatch(tx, readings); }));
  for (Reading& reading : readings) {
    GetItem& item = *reading.item;
    if (reading.status.ok() && reading.confirms) {
      reading.status = ReadAndConfirm(context, item.call, reading);
    }
    item.status = reading.status;
    if (!item.status.ok()) continue;
    ToProto(reading.event, item.response);
    context.wrote(reading.id);
  }
  return absl::OkStatus();
}

}  // namespace parley::event
