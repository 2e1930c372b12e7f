#include "services/notification/transport/smtp_transport.h"

#include <gmock/gmock.h>
#include <sys/stat.h>

#include <filesystem>

#include "absl/time/clock.h"
#include "services/notification/transport/file_transport.h"
#include "tests/integration/notification/mail_servers.h"

namespace parley::notification {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;
using Outcomes = v1::Notification::Attempt;
using Fault = BadMailServer::Fault;

constexpr char kFrom[] = "parley@example.com";
constexpr char kMessage[] = "Subject: x\r\n\r\n.dot\r\nlast\r\n";

SendResult Send(SmtpTransport& transport, const std::string& to, const std::stop_token& stop = {}) {
  return transport.Send(kFrom, to, kMessage, stop);
}

SendResult SendTo(const std::string& url, absl::Duration timeout = absl::Seconds(10)) {
  SmtpTransport transport({.url = url, .starttls = false, .timeout = timeout});
  return Send(transport, "bob@example.com");
}

TEST(SmtpTransport, HandsTheMailOver) {
  Mailbox mailbox;
  SmtpTransport transport({.url = mailbox.url(), .starttls = false});
  for (int i = 0; i < 3; ++i) {
    const SendResult result = Send(transport, "bob@example.com");
    EXPECT_EQ(result.outcome, Outcomes::ACCEPTED) << result.detail;
    EXPECT_EQ(result.detail, "");
  }
  ASSERT_THAT(mailbox.Mails(), SizeIs(3));
  EXPECT_THAT(mailbox.Mails()[0], HasSubstr("X-RcptTo: bob@example.com\r\n"));
  EXPECT_THAT(mailbox.Mails()[0], HasSubstr(kMessage));
}

TEST(SmtpTransport, TellsRefusalsForGoodFromRefusalsForNow) {
  Mailbox mailbox;
  SmtpTransport transport({.url = mailbox.url(), .starttls = false});
  const SendResult refused = Send(transport, "refuse@example.com");
  EXPECT_EQ(refused.outcome, Outcomes::REFUSED);
  EXPECT_THAT(refused.detail, HasSubstr("550 5.1.1 there is no such mailbox"));
  const SendResult deferred = Send(transport, "defer@example.com");
  EXPECT_EQ(deferred.outcome, Outcomes::DEFERRED);
  EXPECT_THAT(deferred.detail, HasSubstr("451"));
  EXPECT_EQ(Send(transport, "bob@example.com").outcome, Outcomes::ACCEPTED);
  EXPECT_THAT(mailbox.Mails(), SizeIs(1));
}

TEST(SmtpTransport, NobodyThereIsForNow) {
  // Port 1 is nobody's.
  const SendResult result = SendTo("smtp://127.0.0.1:1");
  EXPECT_EQ(result.outcome, Outcomes::DEFERRED);
  EXPECT_THAT(result.detail, Not(IsEmpty()));
}

TEST(SmtpTransport, WhatComesBeforeTheMailIsForNow) {
  for (const Fault fault : {Fault::kRefuseGreeting, Fault::kRefuseLogin, Fault::kCloseBeforeMail}) {
    BadMailServer server(fault);
    EXPECT_EQ(SendTo(server.url()).outcome, Outcomes::DEFERRED) << static_cast<int>(fault);
  }
  BadMailServer server(Fault::kHangAtGreeting);
  EXPECT_EQ(SendTo(server.url(), absl::Milliseconds(200)).outcome, Outcomes::DEFERRED);
}

TEST(SmtpTransport, ARefusalOfTheMailItselfIsForGood) {
  BadMailServer server(Fault::kRefuseMail);
  const SendResult result = SendTo(server.url());
  EXPECT_EQ(result.outcome, Outcomes::REFUSED);
  EXPECT_EQ(result.detail, "554 5.6.0 not for <address>");
}

TEST(SmtpTransport, WhatIsLostAfterTheMailIsUnknown) {
  BadMailServer closing(Fault::kCloseAfterMail);
  EXPECT_EQ(SendTo(closing.url()).outcome, Outcomes::UNKNOWN);
  BadMailServer hanging(Fault::kHangAfterMail);
  EXPECT_EQ(SendTo(hanging.url(), absl::Milliseconds(500)).outcome, Outcomes::UNKNOWN);
}

TEST(SmtpTransport, EndsSoonWhenToldTo) {
  BadMailServer server(Fault::kHangAfterMail);
  SmtpTransport transport({.url = server.url(), .starttls = false, .timeout = absl::Minutes(1)});
  std::stop_source stop;
  SendResult result{Outcomes::ACCEPTED, ""};
  std::thread sending([&] { result = Send(transport, "bob@example.com", stop.get_token()); });
  EXPECT_TRUE(Eventually([&] { return !server.Mails().empty(); }));
  const absl::Time stopped = absl::Now();
  stop.request_stop();
  sending.join();
  EXPECT_EQ(result.outcome, Outcomes::UNKNOWN);
  EXPECT_LT(absl::Now() - stopped, absl::Seconds(20));
}

TEST(FileTransport, MakesAFileForEachMailThatOthersCannotRead) {
  TemporaryFolder folder;
  FileTransport transport(folder.path());
  EXPECT_EQ(transport.Send(kFrom, "bob@example.com", kMessage, {}).outcome, Outcomes::ACCEPTED);
  EXPECT_EQ(transport.Send(kFrom, "bob@example.com", kMessage, {}).outcome, Outcomes::ACCEPTED);
  EXPECT_THAT(folder.Mails(), ElementsAre(kMessage, kMessage));
  int files = 0;
  for (const auto& entry : std::filesystem::directory_iterator(folder.path())) {
    struct stat status;
    ASSERT_EQ(stat(entry.path().c_str(), &status), 0);
    EXPECT_EQ(status.st_mode & 0777, 0600u);
    ++files;
  }
  EXPECT_EQ(files, 2);
}

TEST(FileTransport, AMissingFolderIsForNow) {
  FileTransport transport("/nowhere");
  const SendResult result = transport.Send(kFrom, "bob@example.com", kMessage, {});
  EXPECT_EQ(result.outcome, Outcomes::DEFERRED);
  EXPECT_EQ(result.detail, "cannot make a file for the mail: No such file or directory");
}

}  // namespace
}  // namespace parley::notification
