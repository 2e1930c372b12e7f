// A dispatcher on a database of its own, with a token service that does as it is told, and an event of five parties:
// two of them are refused by the mail server, for good and for now.
#pragma once

#include <memory>
#include <string>

#include "services/notification/dispatcher.h"
#include "services/notification/transport/smtp_transport.h"
#include "tests/integration/notification/tokens.h"
#include "tests/integration/notification/world.h"
#include "tests/support/mail_server.h"

namespace parley::notification {

class Dispatches : public World {
 protected:
  Dispatches() {
    settings_.retry_pause = absl::Milliseconds(1);
    settings_.mail_from = *ParseAddress("parley@example.com");
    settings_.mails_per_second = 100000;
  }

  std::unique_ptr<Dispatcher> StartWith(Dispatcher::MakeTransport make_transport) {
    auto dispatcher =
        std::make_unique<Dispatcher>(settings_, pool_, signer_, suppression_key_, client_, std::move(make_transport));
    dispatcher->Start();
    return dispatcher;
  }
  std::unique_ptr<Dispatcher> StartSmtp(const std::string& url) {
    return StartWith([this, url] {
      return std::make_unique<SmtpTransport>(
          SmtpSettings{.url = url, .starttls = false, .timeout = settings_.send_timeout});
    });
  }

  Notification Only() { return NotificationsOf(event_).at(0); }
  bool Reaches(Notification::State state) {
    return test::Eventually([&] {
      return std::ranges::all_of(NotificationsOf(event_), [&](const auto& each) { return each.state == state; });
    });
  }
  int64_t CountOf(Notification::State state) {
    return std::ranges::count(NotificationsOf(event_), state, &Notification::state);
  }
  bool HasAttempt(Attempt::Outcome outcome) {
    return test::Eventually([&] {
      const auto attempts = Only().attempts;
      return std::ranges::find(attempts, outcome, &Attempt::outcome) != attempts.end();
    });
  }

  DispatcherSettings settings_;
  Tokens tokens_{signer_};
  TokenClient client_{signer_, tokens_.address()};
  const data::Event event_ =
      MakeEvent({"Bob@example.com", "cid@example.com", "refuse@example.com", "defer@example.com"});
};

}  // namespace parley::notification
