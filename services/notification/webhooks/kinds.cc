#include "services/notification/webhooks/kinds.h"

#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"

namespace parley::notification {

using event::v1::Event;
using v1::Webhook;

std::vector<Kind> KindsOf(const data::LogEntry& entry) {
  const internal::data::v1::EntryData& data = entry.data;
  std::vector<Kind> kinds;
  if (data.has_opened()) kinds.push_back(Webhook::CREATED);
  const bool changes = !data.title().empty() || !data.time_zone().empty() || data.slots_changed();
  if (changes && !data.has_opened()) kinds.push_back(Webhook::UPDATED);
  // Not by the occurrence: a VIEW closes an event too, where the policy says so.
  if (data.closed() && data.state() == Event::AGREED) kinds.push_back(Webhook::AGREED);
  if (data.closed() && data.state() == Event::ABANDONED) kinds.push_back(Webhook::ABANDONED);
  if (data.closed() && data.state() == Event::SUPERSEDED) kinds.push_back(Webhook::SUPERSEDED);
  if (!data.successor_id().empty()) kinds.push_back(Webhook::REOPENED);
  if (data.deleted()) kinds.push_back(Webhook::DELETED);
  return kinds;
}

std::string KindNames(const std::vector<Kind>& kinds) {
  return absl::StrJoin(kinds, ",", [](std::string* out, Kind kind) { out->append(Webhook::Kind_Name(kind)); });
}

std::vector<Kind> ParseKinds(std::string_view names) {
  std::vector<Kind> kinds;
  for (const std::string& name : std::vector<std::string>(
           absl::StrSplit(absl::string_view(names.data(), names.size()), ',', absl::SkipEmpty()))) {
    Kind kind = Webhook::KIND_UNSPECIFIED;
    if (Webhook::Kind_Parse(name, &kind)) kinds.push_back(kind);
  }
  return kinds;
}

}  // namespace parley::notification
