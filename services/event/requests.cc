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
#include "common/title/title.h"

namespace parley::event {
namespace {

constexpr char kNameViolation[] = "must be events/{event} with the event's id";
constexpr size_t kMaxTimeZoneBytes = 64;

// Of the request's field `path`.
GivenSlots ParseGivenSlots(const SlotProtos& slots, std::string_view path, const Limits& limits,
                           FieldViolations& fields) {
  GivenSlots given{ParseSlots(slots, path, limits.max_slots, fields), {}};
  given.paths.resize(given.slots.size());
  for (int i = slots.size() - 1; i >= 0; --i) {
    const auto start = FromProto(slots[i].start_time());
    const auto duration = FromProto(slots[i].duration());
    if (!start || !duration) continue;
    const auto found = std::ranges::find(given.slots, Slot{*start, *duration});
    if (found == given.slots.end()) continue;  // a bad one
    given.paths[static_cast<size_t>(found - given.slots.begin())] = absl::StrCat(std::string(path), "[", i, "]");
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

using PartyProtos = google::protobuf::RepeatedPtrField<v1::Party>;

// How many there are is checked where they are too many in any case; see PartiesToBe.
std::vector<Address> ParseParties(const PartyProtos& protos, const std::string& path, const Limits& limits,
                                  FieldViolations& fields) {
  std::vector<Address> parties;
  const std::string wrong_number = absl::StrCat("must be 1 to ", limits.max_parties, " different parties");
  // Far more are not looked at: that would be work for nothing.
  if (protos.size() > 10 * limits.max_parties) {
    fields.Add(path, wrong_number);
    return parties;
  }
  std::set<std::string> seen;
  for (int i = 0; i < protos.size(); ++i) {
    const auto address = ParseAddress(protos[i].address());
    if (!address.ok()) {
      fields.Add(absl::StrCat(path, "[", i, "].address"), std::string(address.status().message()));
    } else if (seen.insert(address->Key()).second) {
      parties.push_back(*address);
    }
  }
  if (parties.size() > static_cast<size_t>(limits.max_parties)) fields.Add(path, wrong_number);
  return parties;
}

void ParseOrder(std::string_view order_by, data::EventQuery& query, FieldViolations& fields) {
  using Order = data::EventQuery::Order;
  if (order_by.empty()) return;
  constexpr std::string_view kDescending = " desc";
  query.descending = order_by.ends_with(kDescending);
  if (query.descending) order_by.remove_suffix(kDescending.size());
  if (order_by == "create_time") {
    query.order = Order::kCreateTime;
  } else if (order_by == "update_time") {
    query.order = Order::kUpdateTime;
  } else if (order_by == "slots.start_time") {
    query.order = Order::kFirstSlot;
  } else {
    fields.Add("order_by", "must be create_time, update_time or slots.start_time, perhaps with desc behind it");
  }
}

// Nil where it is not well formed.
Uuid ParseId(std::string_view name, std::string_view field, FieldViolations& fields) {
  const auto id = rpc::ParseName(name, "events");
  if (!id) fields.Add(field, kNameViolation);
  return id.value_or(Uuid{});
}

template <class Request>
absl::StatusOr<Target> ParseNameAndEtag(const rpc::Call& call, const Request& request) {
  FieldViolations fields;
  Target target{ParseId(request.name(), "name", fields), rpc::RequestIdOf(call, request, fields)};
  CheckEtag(request.etag(), "etag", fields);
  PARLEY_RETURN_IF_ERROR(fields.ToStatus());
  return target;
}

}  // namespace

absl::StatusOr<ParsedCreate> ParseCreate(const rpc::Call& call, const v1::CreateEventRequest& request,
                                         const Limits& limits) {
  const v1::Event& event = request.event();
  FieldViolations fields;
  ParsedCreate parsed{{}, rpc::RequestIdOf(call, request, fields)};
  CreateCommand& command = parsed.command;
  if (!request.has_event()) fields.Add("event", "is required");
  command.title = event.title();
  if (!command.title.empty()) CheckTitle(command.title, fields);
  command.parties = ParseParties(event.parties(), "event.parties", limits, fields);
  command.given = ParseGivenSlots(event.slots(), "event.slots", limits, fields);
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
  // Whether slots have ended the database's clock decides. Where the answer is an error anyway it says what it can.
  if (!fields.empty()) CheckAdded(command.given, {}, absl::Now(), fields);
  PARLEY_RETURN_IF_ERROR(fields.ToStatus());
  return parsed;
}

absl::StatusOr<ParsedUpdate> ParseUpdate(const rpc::Call& call, const v1::UpdateEventRequest& request,
                                         const Limits& limits) {
  const v1::Event& event = request.event();
  FieldViolations fields;
  ParsedUpdate parsed;
  if (!request.has_event()) fields.Add("event", "is required");
  parsed.target = {ParseId(event.name(), "event.name", fields), rpc::RequestIdOf(call, request, fields)};
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
  if (mask.erase("slots") > 0) parsed.command.given = ParseGivenSlots(event.slots(), "event.slots", limits, fields);
  if (mask.erase("time_zone") > 0) {
    CheckTimeZone(event.time_zone(), fields);
    parsed.command.time_zone = event.time_zone();
  }
  if (!mask.empty()) fields.Add("update_mask", "must name only title, slots and time_zone");
  PARLEY_RETURN_IF_ERROR(fields.ToStatus());
  return parsed;
}

absl::StatusOr<ParsedReopen> ParseReopen(const rpc::Call& call, const v1::ReopenEventRequest& request,
                                         const Limits& limits) {
  FieldViolations fields;
  ParsedReopen parsed;
  parsed.target = {ParseId(request.name(), "name", fields), rpc::RequestIdOf(call, request, fields)};
  CheckEtag(request.etag(), "etag", fields);
  parsed.command.etag = request.etag();
  parsed.command.parties = ParseParties(request.parties(), "parties", limits, fields);
  if (request.has_slots()) {
    parsed.command.given = ParseGivenSlots(request.slots().slots(), "slots.slots", limits, fields);
  }
  PARLEY_RETURN_IF_ERROR(fields.ToStatus());
  return parsed;
}

absl::StatusOr<Target> ParseTarget(const rpc::Call& call, const v1::ConfirmEventRequest& request) {
  return ParseNameAndEtag(call, request);
}

absl::StatusOr<Target> ParseTarget(const rpc::Call& call, const v1::DeleteEventRequest& request) {
  return ParseNameAndEtag(call, request);
}

absl::StatusOr<ParsedList> ParseList(const v1::ListEventsRequest& request) {
  FieldViolations fields;
  ParsedList parsed;
  if (request.page_size() < 0) fields.Add("page_size", "must not be negative");
  if (!v1::Event::State_IsValid(request.state())) {
    fields.Add("state", "must be OPEN, AGREED, ABANDONED or SUPERSEDED");
  } else if (request.state() != v1::Event::STATE_UNSPECIFIED) {
    parsed.query.state = request.state();
  }
  if (!request.party().empty()) {
    const auto address = ParseAddress(request.party());
    if (!address.ok()) fields.Add("party", std::string(address.status().message()));
    if (address.ok()) parsed.party = *address;
  }
  if (request.has_overlapping()) parsed.query.overlapping = ParseTimeSpan(request.overlapping(), "overlapping", fields);
  ParseOrder(request.order_by(), parsed.query, fields);
  PARLEY_RETURN_IF_ERROR(fields.ToStatus());
  return parsed;
}

absl::StatusOr<Uuid> ParseGet(const v1::GetEventRequest& request) {
  FieldViolations fields;
  const Uuid id = ParseId(request.name(), "name", fields);
  if (request.revision() < 0) fields.Add("revision", "must not be negative");
  PARLEY_RETURN_IF_ERROR(fields.ToStatus());
  return id;
}

}  // namespace parley::event
