// What the tests of the whole share: one Parley for each suite, and short ways to say what is asked of it.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "parley/event/v1/event_service.grpc.pb.h"
#include "parley/event/v1/log_service.grpc.pb.h"
#include "parley/notification/v1/notification_service.grpc.pb.h"
#include "parley/notification/v1/webhook_service.grpc.pb.h"
#include "parley/token/v1/token_service.grpc.pb.h"
#include "tests/support/database.h"
#include "tests/support/status_matchers.h"
#include "tests/support/system.h"

namespace parley::e2e {

using error::v1::Reason;
using event::v1::Event;
using event::v1::LogEntry;
using event::v1::Slot;
using notification::v1::Notification;
using test::Client;
using test::Eventually;
using test::Fails;
using test::InfoOf;
using test::Succeeds;
using test::System;
using test::TestDatabase;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;

using Events = event::v1::EventService::Stub;
using Logs = event::v1::LogService::Stub;
using Tokens = token::v1::TokenService::Stub;
using NotificationStub = notification::v1::NotificationService::Stub;
using WebhookStub = notification::v1::WebhookService::Stub;

inline constexpr char kEventService[] = "parley.event.v1.EventService";
inline constexpr char kTokenService[] = "parley.token.v1.TokenService";
inline constexpr char kNotificationService[] = "parley.notification.v1.NotificationService";
inline constexpr char kWebhookService[] = "parley.notification.v1.WebhookService";

// A slot of an hour that begins in so many days.
Slot SlotIn(int days);

// Requests.
event::v1::CreateEventRequest Proposal(const std::vector<std::string>& parties, const std::vector<Slot>& slots);
event::v1::GetEventRequest Named(const std::string& event);
event::v1::UpdateEventRequest Narrowed(const Event& event, const std::vector<Slot>& slots);
event::v1::ConfirmEventRequest Confirmation(const Event& event);
event::v1::ReopenEventRequest Reopening(const Event& event);
event::v1::DeleteEventRequest Deletion(const Event& event);
notification::v1::NotifyPartiesRequest Notice(const Event& event, const std::vector<std::string>& recipients);

// A webhook that is told of deletions, and leads nowhere.
notification::v1::Webhook NewWebhook();

std::vector<std::string> ConfirmedIn(const Event& event);
// All entries of an event's log; fails the test where they cannot be read.
std::vector<LogEntry> LogOf(Client& client, const std::string& event);

// Makes these calls again and again until all are refused: UNAUTHENTICATED, PERMISSION_DENIED or FAILED_PRECONDITION.
// How long after `since` the last one began that was not.
absl::Duration TrustedFor(absl::Time since, const std::vector<std::function<absl::Status()>>& calls);

// `UNAVAILABLE` as clients can act on it: with its reason and the time after which to try again.
MATCHER(IsUnavailable, "") {
  const absl::Status& status = data::StatusOf(arg);
  *result_listener << status.ToString();
  return status.code() == absl::StatusCode::kUnavailable && ReasonOf(status) == error::v1::UNAVAILABLE &&
         test::DetailOf<google::rpc::RetryInfo>(status).has_value();
}

// Fails the test where what has run did not end well, or its logs are not as they should be: every key that was used
// and every address that the database knows must be in none of them.
void ExpectGoodEnd(System& system, const TestDatabase& database);

// A running Parley that the tests of a suite share; each uses people of its own.
class E2eTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() { StartSystem({}); }
  // For suites that need settings of their own; see test::SystemSettings.
  static void StartSystem(const std::map<std::string, std::map<std::string, std::string>>& flags) {
    database = std::make_unique<TestDatabase>();
    system = std::make_unique<System>(test::SystemSettings{database->service_url(), flags});
    system->Start();
  }
  static void TearDownTestSuite() {
    ExpectGoodEnd(*system, *database);
    system.reset();
    database.reset();
  }

  static Client Staff() { return system->As(system->staff_key()); }
  // Somebody who is registered by this.
  static Client Member(const std::string& address) { return system->As(system->MakeMember(address)); }
  static Client StaffFor(const std::string& address) {
    return system->As(system->staff_key(), {{"parley-act-for", address}});
  }
  // `users/{user}` of an address that is known; fails the test where it is not.
  static std::string UserOf(const std::string& address);

  // The key in the link of the mail of this number (from 0) to the address; waits for it.
  static std::string MailedKey(const std::string& address, size_t number);
  // The token to unsubscribe in that mail's link.
  static std::string MailedUnsubscribeToken(const std::string& address, size_t number);
  // The key of a guest, whom this member of the event notifies: by a mail that is the guest's first one.
  static std::string GuestKey(Client& member, const Event& event, const std::string& guest);

  // A suppression of nobody's address, made in the database; its name.
  static std::string MakeSuppression();

  static inline std::unique_ptr<TestDatabase> database;
  static inline std::unique_ptr<System> system;
};

}  // namespace parley::e2e
