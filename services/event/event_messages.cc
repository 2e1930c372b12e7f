#include "services/event/event_messages.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "common/slot/slot.h"
#include "common/status/status.h"
#include "common/time/proto_time.h"

namespace parley::event {

void ToProto(const data::Event& event, v1::Event& proto) {
  proto.set_name(event.name());
  proto.set_title(event.title);
  for (const data::Party& party : event.parties) {
    auto* shown = proto.add_parties();
    shown->set_address(party.address.Shown());
    shown->set_confirmed(event.HasConfirmed(party.user_id));
  }
  parley::ToProto(event.slots, proto.mutable_slots());
  proto.set_state(event.state);
  proto.set_revision(event.revision);
  proto.mutable_agreement_policy()->set_quorum(event.quorum);
  proto.mutable_agreement_policy()->set_confirmed_by(event.confirmed_by);
  proto.set_time_zone(event.time_zone);
  proto.set_initiator(event.initiator.Shown());
  parley::ToProto(event.create_time, proto.mutable_create_time());
  parley::ToProto(event.update_time, proto.mutable_update_time());
  proto.set_etag(event.etag());
  if (event.predecessor_id) proto.set_predecessor("events/" + event.predecessor_id->ToString());
  if (event.successor_id) proto.set_successor("events/" + event.successor_id->ToString());
}

std::vector<Uuid> UsersOf(const data::LogEntry& entry) {
  std::vector<Uuid> users{entry.effector_id};
  auto add = [&users](const std::string& bytes) {
    if (const auto id = Uuid::FromBytes(bytes)) users.push_back(*id);
  };
  add(entry.data.acted_by_id());
  add(entry.data.recipient_id());
  add(entry.data.sender_id());
  add(entry.data.erased_id());
  for (const auto& id : entry.data.opened().party_ids()) add(id);
  for (const auto& id : entry.data.confirmed_ids()) add(id);
  return users;
}

absl::StatusOr<Addresses> AddressesOf(data::Transaction& tx, const std::vector<data::Event>& events,
                                      absl::Span<const std::vector<data::LogEntry>> logs) {
  Addresses addresses;
  for (const data::Event& event : events) {
    for (const data::Party& party : event.parties) {
      addresses.emplace(std::pair(event.id, party.user_id), party.address.Shown());
    }
  }
  // Most logs name nobody but parties.
  std::vector<Uuid> others;
  for (const auto& entries : logs) {
    for (const data::LogEntry& entry : entries) {
      const bool names_others = std::ranges::any_of(UsersOf(entry), [&](const Uuid& id) {
        return !addresses.contains({entry.event_id, id});
      });
      if (names_others && (others.empty() || others.back() != entry.event_id)) others.push_back(entry.event_id);
    }
  }
  if (others.empty()) return addresses;
  PARLEY_ASSIGN_OR_RETURN(const auto named, data::LogEntries(tx).ListNamed(others));
  for (const data::NamedUser& user : named) {
    addresses.emplace(std::pair(user.event_id, user.user_id), user.address.Shown());
  }
  return addresses;
}

void ToProto(const data::LogEntry& entry, const Addresses& addresses, v1::LogEntry& proto) {
  const std::string event_name = "events/" + entry.event_id.ToString();
  auto address_of = [&](const std::string& bytes) -> std::string {
    const auto id = Uuid::FromBytes(bytes);
    if (!id) return "";
    const auto found = addresses.find({entry.event_id, *id});
    return found == addresses.end() ? Address().Shown() : found->second;
  };
  auto child_of_event = [&event_name](std::string_view collection, const std::string& bytes) -> std::string {
    const auto id = Uuid::FromBytes(bytes);
    return id ? absl::StrCat(event_name, "/", std::string(collection), "/", id->ToString()) : "";
  };
  proto.set_name(absl::StrCat(event_name, "/logEntries/", entry.sequence));
  proto.set_hash(entry.hash);
  proto.set_sequence(entry.sequence);
  parley::ToProto(entry.create_time, proto.mutable_create_time());
  proto.set_occurrence(entry.occurrence);
  proto.set_effector(address_of(entry.effector_id.ToBytes()));
  proto.set_revision(entry.revision);
  parley::ToProto(entry.slots, proto.mutable_slots());

  const auto& data = entry.data;
  auto& shown = *proto.mutable_data();
  shown.set_email_token(child_of_event("emailTokens", data.email_token_id()));
  shown.set_acted_by(address_of(data.acted_by_id()));
  if (data.has_opened()) {
    auto& opened = *shown.mutable_opened();
    opened.set_title(data.opened().title());
    for (const auto& id : data.opened().party_ids()) opened.add_parties(address_of(id));
    opened.mutable_agreement_policy()->set_quorum(static_cast<v1::AgreementPolicy::Quorum>(data.opened().quorum()));
    opened.mutable_agreement_policy()->set_confirmed_by(
        static_cast<v1::AgreementPolicy::ConfirmedBy>(data.opened().confirmed_by()));
    opened.set_time_zone(data.opened().time_zone());
  }
  shown.set_title(data.title());
  shown.set_time_zone(data.time_zone());
  shown.set_slots_changed(data.slots_changed());
  shown.set_affirmed(data.affirmed());
  shown.set_state(static_cast<v1::Event::State>(data.state()));
  for (const auto& id : data.confirmed_ids()) shown.add_confirmed(address_of(id));
  shown.set_closed(data.closed());
  shown.set_deleted(data.deleted());
  shown.set_erased(!data.erased_id().empty());
  shown.set_recipient(address_of(data.recipient_id()));
  shown.set_sender(address_of(data.sender_id()));
  shown.set_notification(child_of_event("notifications", data.notification_id()));
  if (const auto id = Uuid::FromBytes(data.predecessor_id())) shown.set_predecessor("events/" + id->ToString());
  if (const auto id = Uuid::FromBytes(data.successor_id())) shown.set_successor("events/" + id->ToString());
}

}  // namespace parley::event
