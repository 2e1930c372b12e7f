#include "tests/e2e/e2e_test.h"

#include <regex>

#include "absl/strings/str_split.h"
#include "absl/time/clock.h"

namespace parley::e2e {

Slot SlotIn(int days) {
  Slot slot;
  slot.mutable_start_time()->set_seconds(absl::ToUnixSeconds(absl::Now()) + int64_t{days} * 86400);
  slot.mutable_duration()->set_seconds(3600);
  return slot;
}

event::v1::CreateEventRequest Proposal(const std::vector<std::string>& parties, const std::vector<Slot>& slots) {
  event::v1::CreateEventRequest request;
  for (const std::string& party : parties) request.mutable_event()->add_parties()->set_address(party);
  request.mutable_event()->mutable_slots()->Add(slots.begin(), slots.end());
  return request;
}

event::v1::GetEventRequest Named(const std::string& event) {
  event::v1::GetEventRequest request;
  request.set_name(event);
  return request;
}

event::v1::UpdateEventRequest Narrowed(const Event& event, const std::vector<Slot>& slots) {
  event::v1::UpdateEventRequest request;
  request.mutable_event()->set_name(event.name());
  request.mutable_event()->set_etag(event.etag());
  request.mutable_event()->mutable_slots()->Add(slots.begin(), slots.end());
  return request;
}

event::v1::ConfirmEventRequest Confirmation(const Event& event) {
  event::v1::ConfirmEventRequest request;
  request.set_name(event.name());
  request.set_etag(event.etag());
  return request;
}

event::v1::ReopenEventRequest Reopening(const Event& event) {
  event::v1::ReopenEventRequest request;
  request.set_name(event.name());
  request.set_etag(event.etag());
  return request;
}

event::v1::DeleteEventRequest Deletion(const Event& event) {
  event::v1::DeleteEventRequest request;
  request.set_name(event.name());
  request.set_etag(event.etag());
  return request;
}

notification::v1::NotifyPartiesRequest Notice(const Event& event, const std::vector<std::string>& recipients) {
  notification::v1::NotifyPartiesRequest request;
  request.set_event(event.name());
  for (const std::string& recipient : recipients) request.add_recipients(recipient);
  request.set_etag(event.etag());
  return request;
}

notification::v1::Webhook NewWebhook() {
  notification::v1::Webhook webhook;
  webhook.set_url("https://webhook.invalid/");
  webhook.add_kinds(notification::v1::Webhook::DELETED);
  return webhook;
}

std::vector<std::string> ConfirmedIn(const Event& event) {
  std::vector<std::string> addresses;
  for (const auto& party : event.parties()) {
    if (party.confirmed()) addresses.push_back(party.address());
  }
  return addresses;
}

std::vector<LogEntry> LogOf(Client& client, const std::string& event) {
  event::v1::ListLogEntriesRequest request;
  request.set_parent(event);
  request.set_page_size(1000);
  const auto log = client.Call(&Events::ListLogEntries, request);
  EXPECT_THAT(log, Succeeds());
  return log.ok() ? std::vector<LogEntry>(log->log_entries().begin(), log->log_entries().end())
                  : std::vector<LogEntry>();
}

absl::Duration TrustedFor(absl::Time since, const std::vector<std::function<absl::Status()>>& calls) {
  absl::Time last_trusted = since;
  const bool ended = Eventually([&] {
    bool trusted = false;
    for (const auto& call : calls) {
      const absl::Time start = absl::Now();
      const absl::StatusCode code = call().code();
      if (code == absl::StatusCode::kUnauthenticated || code == absl::StatusCode::kPermissionDenied ||
          code == absl::StatusCode::kFailedPrecondition) {
        continue;
      }
      last_trusted = start;
      trusted = true;
    }
    return !trusted;
  });
  return ended ? last_trusted - since : absl::InfiniteDuration();
}

void ExpectGoodEnd(System& system, const TestDatabase& database) {
  const std::string addresses =
      database.Sql("select coalesce(string_agg(local_part || '@' || domain, ' '), '') from parley.users");
  EXPECT_THAT(system.End(absl::StrSplit(addresses, ' ', absl::SkipEmpty())), IsEmpty());
}

std::string E2eTest::UserOf(const std::string& address) {
  token::v1::ListUsersRequest request;
  request.set_address(address);
  const auto users = Staff().Call(&Tokens::ListUsers, request);
  EXPECT_THAT(users, Succeeds());
  EXPECT_TRUE(users.ok() && users->users_size() == 1) << address;
  return users.ok() && users->users_size() == 1 ? users->users(0).name() : "";
}

namespace {

// What stands in the mail of this number; waits for it.
std::string Mailed(const test::System& system, const std::string& address, size_t number, const std::string& pattern) {
  if (!Eventually([&] { return system.Mails(address).size() > number; })) return "";
  const std::string mail = system.Mails(address)[number];
  std::smatch found;
  return std::regex_search(mail, found, std::regex(pattern)) ? found[1].str() : "";
}

}  // namespace

std::string E2eTest::MailedKey(const std::string& address, size_t number) {
  return Mailed(*system, address, number, "#(parley_guest_[0-9a-f]{40})\r\n");
}

std::string E2eTest::MailedUnsubscribeToken(const std::string& address, size_t number) {
  return Mailed(*system, address, number, "/(parley_unsubscribe_[0-9a-f]+)");
}

std::string E2eTest::MakeSuppression() {
  const std::string id = Uuid::TimeOrdered().ToString();
  database->Sql("insert into parley.suppressions values ('" + id + "', sha256('" + id +
                "'), 'UNSUBSCRIBED', 'of a test', now())");
  return "suppressions/" + id;
}

std::string E2eTest::GuestKey(Client& member, const Event& event, const std::string& guest) {
  EXPECT_THAT(member.Call(&NotificationStub::NotifyParties, Notice(event, {guest})), Succeeds());
  std::string key = MailedKey(guest, 0);
  EXPECT_NE(key, "");
  return key;
}

}  // namespace parley::e2e
