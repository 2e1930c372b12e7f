#include "services/event/requests.h"

#include <algorithm>
#include <filesystem>
#include <set>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "common/rpc/resource_name.h"
#include "common/slot/slot.h"
#include "common/time/proto_time.h"
#include "services/event/title.h"

namespace parley::event {
namespace {

constexpr char kNameViolation[] = "must be events/{event} with the event's id";
constexpr size_t kMaxTimeZoneBytes = 64;

GivenSlots ParseGivenSlots(const v1::Event& event, const Limits& limits, FieldViolations& fields) {
  GivenSlots given{ParseSlots(event.slots(), "event.slots", limits.max_slots, fields), {}};
  given.paths.resize(given.slots.size());
  for (int i = event.slots_size() - 1; i >= 0; --i) {
    const auto start = FromProto(event.slots(i).start_time());
    const auto duration = FromProto(event.slots(i).duration());
    if (!start || !duration) continue;
    const auto found = std::ranges::find(given.slots, Slot{*start, *duration});
    if (found == given.slots.end()) break;  // too many: they were not looked at
    given.paths[static_cast<size_t>(found - given.slots.begin())] = absl::StrCat("event.slots[", i, "]");
  }
  return given;
}

bool IsTimeZone(const std::string& name) {
  const bool spelled = !name.empty() && name.size() <= kMaxTimeZoneBytes && name.front() != '/' &&
                       name.find("..") == std::string::npos && std::ranges::all_of(name, [](char c) {
                         return absl::ascii_isalnum(static_cast<unsigned char>(c)) ||
                                std::string_view("_+-/").find(c) != std::string_view::npos;
                       });
  if (!spelled || name.starts_with("right/") || name.starts_with("posix")) return false;
  // Looked for first: Abseil keeps every name that it was ever asked for, also of zones that are none.
  std::error_code error;
  if (!std::filesystem::is_regular_file("/usr/share/zoneinfo/" + name, error)) return false;
  absl::TimeZone time_zone;
  return name != "localtime" && absl::LoadTimeZone(name, &time_zone);
}

void CheckTimeZone(const std::string& name, FieldViolations& fields) {
  if (IsTimeZone(name)) return;
  fields.Add("event.time_zone", "must be a name of the IANA time zone database, such as Europe/Berlin");
}

void CheckTitle(const std::string& title, FieldViolations& fields) {
  if (const std::string violation = TitleViolation(title); !violation.empty()) fields.Add("event.title", violation);
}

void CheckEtag(std::string_view etag, std::string_view field, FieldViolations& fields) {
  if (etag.empty()) fields.Add(field, "is required: the etag of the event as you saw it");
}

std::vector<Address> ParseParties(const v1::Event& event, const Limits& limits, FieldViolations& fields) {
  std::vector<Address> parties;
  // Far more are not looked at: that would be work for nothing.
  if (event.parties_size() > 10 * limits.max_parties) {
    fields.Add("event.parties", absl::StrCat("must be 1 to ", limits.max_parties, " different parties"));
    return parties;
  }
  std::set<std::string> seen;
  for (int i = 0; i < event.parties_size(); ++i) {
    const auto address = ParseAddress(event.parties(i).address());
    if (!address.ok()) {
      fields.Add(absl::StrCat("event.parties[", i, "].address"), std::string(address.status().message()));
    } else if (seen.insert(address->Key()).second) {
      parties.push_back(*address);
    }
  }
  return parties;
}

}  // namespace

absl::StatusOr<CreateCommand> ParseCreate(const v1::CreateEventRequest& request, const Limits& limits) {
  const v1::Event& event = request.event();
  FieldViolations fields;
  CreateCommand command;
  if (!request.has_event()) fields.Add("event", "is required");
  command.title = event.title();
  if (!command.title.empty()) CheckTitle(command.title, fields);
  command.parties = ParseParties(event, limits, fields);
  command.given = ParseGivenSlots(event, limits, fields);
  command.time_zone = event.time_zone().empty() ? "UTC" : event.time_zone();
  CheckTimeZone(command.time_zone, fields);
  const auto& policy = event.agreement_policy();
  if (!v1::AgreementPolicy::Quorum_IsValid(policy.quorum())) {
    fields.Add("event.agreement_policy.quorum", "must be ALL or ALL_BUT_ONE");
  } else if (policy.quorum() != v1::AgreementPolicy::QUORUM_UNSPECIFIED) {
    command.quorum = policy.quorum();
  }
  if (!v1::AgreementPolicy::ConfirmedBy_IsValid(policy.confirmed_by())) {
    fields.Add("event.agreement_policy.confirmed_by", "must be UPDATE or VIEW");
  } else if (policy.confirmed_by() != v1::AgreementPolicy::CONFIRMED_BY_UNSPECIFIED) {
    command.confirmed_by = policy.confirmed_by();
  }
  PARLEY_RETURN_IF_ERROR(fields.ToStatus());
  return command;
}

absl::StatusOr<ParsedUpdate> ParseUpdate(const v1::UpdateEventRequest& request, const Limits& limits) {
  const v1::Event& event = request.event();
  FieldViolations fields;
  ParsedUpdate parsed;
  if (!request.has_event()) fields.Add("event", "is required");
  if (const auto id = rpc::ParseName(event.name(), "events")) {
    parsed.id = *id;
  } else {
    fields.Add("event.name", kNameViolation);
  }
  CheckEtag(event.etag(), "event.etag", fields);
  parsed.command.etag = event.etag();

  std::set<std::string> mask(request.update_mask().paths().begin(), request.update_mask().paths().end());
  if (!request.has_update_mask()) {
    if (!event.title().empty()) mask.insert("title");
    if (event.slots_size() > 0) mask.insert("slots");
    if (!event.time_zone().empty()) mask.insert("time_zone");
  } else if (mask.erase("*") > 0) {
    mask.insert({"title", "slots", "time_zone"});
  }
  if (mask.erase("title") > 0) {
    CheckTitle(event.title(), fields);
    parsed.command.title = event.title();
  }
  if (mask.erase("slots") > 0) parsed.command.given = ParseGivenSlots(event, limits, fields);
  if (mask.erase("time_zone") > 0) {
    CheckTimeZone(event.time_zone(), fields);
    parsed.command.time_zone = event.time_zone();
  }
  if (!mask.empty()) fields.Add("update_mask", "must name only title, slots and time_zone");
  PARLEY_RETURN_IF_ERROR(fields.ToStatus());
  return parsed;
}

absl::StatusOr<Uuid> ParseEventName(std::string_view name, std::string_view field) {
  if (const auto id = rpc::ParseName(name, "events")) return *id;
  FieldViolations fields;
  fields.Add(field, kNameViolation);
  return fields.ToStatus();
}

absl::StatusOr<Uuid> ParseNameAndEtag(std::string_view name, std::string_view etag) {
  FieldViolations fields;
  const auto id = rpc::ParseName(name, "events");
  if (!id) fields.Add("name", kNameViolation);
  CheckEtag(etag, "etag", fields);
  PARLEY_RETURN_IF_ERROR(fields.ToStatus());
  return *id;
}

}  // namespace parley::event
