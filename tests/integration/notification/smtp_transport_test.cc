#include "services/notification/transport/smtp_transport.h"

#include <gmock/gmock.h>
#include <sys/stat.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "services/notification/transport/file_transport.h"
#include "tests/support/mail_server.h"

namespace parley::notification {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;
using Outcomes = v1::Notification::Attempt;
using Fault = test::MailFault;
using test::Eventually;
using test::MailServer;
using test::TemporaryFolder;

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
  MailServer mailbox;
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
  MailServer mailbox;
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

TEST(SmtpTransport, KnowsWhatIsSaidOfTheRecipientsAddress) {
  MailServer mailbox;
  SmtpTransport transport({.url = mailbox.url(), .starttls = false});
  for (const char* code : {"5.1.1", "5.1.2", "5.1.3", "5.1.4", "5.1.6", "5.1.10"}) {
    const SendResult refused = Send(transport, absl::StrCat("reply-", code, "@example.com"));
    EXPECT_EQ(refused.outcome, Outcomes::REFUSED) << code;
    EXPECT_TRUE(refused.no_such_address) << code;
    EXPECT_EQ(refused.detail, absl::StrCat("550 ", code, " is what <address> is replied"));
  }
  // The sender's, nothing in particular, codes of one server's own, and what is no address.
  for (const char* code : {"5.1.0", "5.1.7", "5.1.8", "5.1.9", "5.1.11", "5.1.20", "5.1.90", "5.2.1", "5.7.1"}) {
    const SendResult refused = Send(transport, absl::StrCat("reply-", code, "@example.com"));
    EXPECT_EQ(refused.outcome, Outcomes::REFUSED) << code;
    EXPECT_FALSE(refused.no_such_address) << code;
  }
  EXPECT_FALSE(Send(transport, "defer@example.com").no_such_address);
  // What is said to MAIL is not about the recipient, on a new connection as on one that was used before.
  MailServer strange({.fault = Fault::kRefuseSender});
  SmtpTransport unknown({.url = strange.url(), .starttls = false});
  for (int i = 0; i < 2; ++i) {
    const SendResult refused = Send(unknown, "bob@example.com");
    EXPECT_EQ(refused.outcome, Outcomes::REFUSED);
    EXPECT_EQ(refused.detail, "550 5.1.1 we do not know you");
    EXPECT_FALSE(refused.no_such_address);
  }
}

TEST(SmtpTransport, NobodyThereIsForNow) {
  // Port 1 is nobody's.
  const SendResult result = SendTo("smtp://127.0.0.1:1");
  EXPECT_EQ(result.outcome, Outcomes::DEFERRED);
  EXPECT_THAT(result.detail, Not(IsEmpty()));
}

TEST(SmtpTransport, WhatComesBeforeTheMailIsForNow) {
  for (const Fault fault : {Fault::kRefuseGreeting, Fault::kRefuseLogin, Fault::kCloseBeforeMail}) {
    MailServer server({.fault = fault});
    EXPECT_EQ(SendTo(server.url()).outcome, Outcomes::DEFERRED) << static_cast<int>(fault);
    EXPECT_THAT(server.Mails(), IsEmpty());
  }
  MailServer server({.fault = Fault::kHangAtGreeting});
  EXPECT_EQ(SendTo(server.url(), absl::Milliseconds(200)).outcome, Outcomes::DEFERRED);
}

TEST(SmtpTransport, ARefusalOfTheMailItselfIsForGood) {
  MailServer server({.fault = Fault::kRefuseMail});
  const SendResult result = SendTo(server.url());
  EXPECT_EQ(result.outcome, Outcomes::REFUSED);
  EXPECT_EQ(result.detail, "554-5.6.0 not for <address> 554 5.6.0 at all");
  EXPECT_FALSE(result.no_such_address);
}

TEST(SmtpTransport, ARefusalForNowOfTheMailItself) {
  MailServer server({.fault = Fault::kDeferMail, .times = 1});
  const SendResult result = SendTo(server.url());
  EXPECT_EQ(result.outcome, Outcomes::DEFERRED);
  EXPECT_EQ(result.detail, "451 4.2.2 the mailbox of <address> is full");
}

TEST(SmtpTransport, WhatIsLostAfterTheMailIsUnknown) {
  MailServer closing({.fault = Fault::kCloseAfterMail});
  EXPECT_EQ(SendTo(closing.url()).outcome, Outcomes::UNKNOWN);
  MailServer hanging({.fault = Fault::kHangAfterMail});
  EXPECT_EQ(SendTo(hanging.url(), absl::Milliseconds(500)).outcome, Outcomes::UNKNOWN);
}

TEST(SmtpTransport, EndsSoonWhenToldTo) {
  MailServer server({.fault = Fault::kHangAfterMail});
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

TEST(SmtpTransport, ConnectionsAreUsedAgain) {
  MailServer server;
  SmtpTransport transport({.url = server.url(), .starttls = false});
  for (int i = 0; i < 3; ++i) EXPECT_EQ(Send(transport, "bob@example.com").outcome, Outcomes::ACCEPTED);
  ASSERT_THAT(server.Mails(), SizeIs(3));
  for (const std::string& mail : server.Mails()) EXPECT_THAT(mail, HasSubstr("X-Connection: 1\r\n"));
  // After a refusal there is another one.
  EXPECT_EQ(Send(transport, "refuse@example.com").outcome, Outcomes::REFUSED);
  EXPECT_EQ(Send(transport, "bob@example.com").outcome, Outcomes::ACCEPTED);
  EXPECT_THAT(server.Mails().at(3), HasSubstr("X-Connection: 2\r\n"));
}

TEST(SmtpTransport, AConnectionThatWasClosedMeanwhileIsMadeAnew) {
  MailServer server({.fault = Fault::kCloseAfterReply});
  SmtpTransport transport({.url = server.url(), .starttls = false});
  for (int i = 0; i < 3; ++i) {
    const SendResult result = Send(transport, "bob@example.com");
    EXPECT_EQ(result.outcome, Outcomes::ACCEPTED) << result.detail;
  }
  ASSERT_THAT(server.Mails(), SizeIs(3));
  EXPECT_THAT(server.Mails()[2], HasSubstr("X-Connection: 3\r\n"));
}

TEST(SmtpTransport, TheTimeOfEachStepIsLimited) {
  // Each by its own setting: the others have their defaults, of at least 10 s.
  const auto time_of = [](SmtpTransport& transport, Outcomes::Outcome outcome) {
    const absl::Time begin = absl::Now();
    EXPECT_EQ(Send(transport, "bob@example.com").outcome, outcome);
    return absl::Now() - begin;
  };
  MailServer silent({.fault = Fault::kHangAtGreeting});
  SmtpTransport connecting({.url = silent.url(), .starttls = false, .connect_timeout = absl::Milliseconds(300)});
  EXPECT_LT(time_of(connecting, Outcomes::DEFERRED), absl::Seconds(8));
  MailServer hanging({.fault = Fault::kHangAfterMail});
  SmtpTransport replying({.url = hanging.url(), .starttls = false, .reply_timeout = absl::Seconds(1)});
  EXPECT_LT(time_of(replying, Outcomes::UNKNOWN), absl::Seconds(8));
  // Each reply in its time, but all together too late.
  MailServer slow({.fault = Fault::kSlow, .delay_ms = 400});
  EXPECT_EQ(SendTo(slow.url(), absl::Seconds(1)).outcome, Outcomes::DEFERRED);
  const SendResult result = SendTo(slow.url(), absl::Seconds(20));
  EXPECT_EQ(result.outcome, Outcomes::ACCEPTED) << result.detail;
}

TEST(SmtpTransport, WhatIsLostAmidTheMailWasNotTaken) {
  MailServer server({.fault = Fault::kCloseAmidMail});
  std::string large = "Subject: x\r\n\r\n";
  for (int i = 0; i < 100000; ++i) large += "a line of many in a mail that does not fit into any buffer\r\n";
  SmtpTransport transport({.url = server.url(), .starttls = false});
  EXPECT_EQ(transport.Send(kFrom, "bob@example.com", large, {}).outcome, Outcomes::DEFERRED);
}

TEST(SmtpTransport, NothingThatIsNotOneAddressReachesTheWire) {
  MailServer server;
  SmtpTransport transport({.url = server.url(), .starttls = false});
  for (const char* to : {"bob@example.com>\r\nRCPT TO:<eve@example.net", "bob@example.com, eve@example.net", "bob",
                         "<bob@example.com>", "bob@example.com\n", ""}) {
    EXPECT_EQ(Send(transport, to).outcome, Outcomes::REFUSED) << to;
    EXPECT_EQ(transport.Send(to, "bob@example.com", kMessage, {}).outcome, Outcomes::REFUSED) << to;
  }
  using namespace std::string_literals;
  for (const std::string& message :
       {"Subject: x\r\n\r\na\0b\r\n"s, "Subject: x\n\nx\n"s, "Subject: x\r\n\r\n\rx\r\n"s}) {
    EXPECT_EQ(transport.Send(kFrom, "bob@example.com", message, {}).outcome, Outcomes::REFUSED);
  }
  EXPECT_THAT(server.Mails(), IsEmpty());
}

TEST(SmtpTransport, DotsArriveAsTheyWere) {
  MailServer server;
  SmtpTransport transport({.url = server.url(), .starttls = false});
  const std::string message = "Subject: x\r\n\r\n.\r\n..\r\n.hidden\r\n\r\n.\r\n";
  ASSERT_EQ(transport.Send(kFrom, "bob@example.com", message, {}).outcome, Outcomes::ACCEPTED);
  EXPECT_TRUE(server.Mails().at(0).ends_with(message)) << server.Mails()[0];
}

// Certificates as their owners make them, by the openssl command: an authority, and one by it for localhost, for
// another host, and one that has expired.
class SmtpTls : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    folder = new TemporaryFolder();
    Openssl("req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=Authority -keyout ca.key -out ca.pem");
    for (const std::string name : {"localhost", "elsewhere.example", "expired"}) {
      const std::string host = name == "expired" ? "localhost" : name;
      std::ofstream(Path(name + ".ext")) << "subjectAltName=DNS:" << host << "\n";
      Openssl(
          absl::StrCat("req -newkey rsa:2048 -nodes -subj /CN=", host, " -keyout ", name, ".key -out ", name, ".csr"));
      // An end in the past.
      Openssl(absl::StrCat("x509 -req -in ", name, ".csr -CA ca.pem -CAkey ca.key -CAcreateserial -days ",
                           name == "expired" ? "-1" : "2", " -extfile ", name, ".ext -out ", name, ".pem"));
    }
  }
  static void TearDownTestSuite() { delete folder; }

  static std::string Path(const std::string& file) { return folder->path() + "/" + file; }
  static void Openssl(const std::string& arguments) {
    const std::string command = "cd " + folder->path() + " && openssl " + arguments + " >>log 2>&1";
    ASSERT_EQ(std::system(command.c_str()), 0) << command;
  }
  static test::MailServerSettings With(const std::string& certificate, bool tls, const std::string& login = "") {
    return {.certificate = Path(certificate + ".pem"), .key = Path(certificate + ".key"), .tls = tls, .login = login};
  }
  static SmtpSettings Trusting(const MailServer& server) { return {.url = server.url(), .ca_file = Path("ca.pem")}; }
  static SendResult SendBy(const SmtpSettings& settings) {
    SmtpTransport transport(settings);
    return Send(transport, "bob@example.com");
  }

  static inline TemporaryFolder* folder = nullptr;
};

TEST_F(SmtpTls, StarttlsAndTls) {
  for (const bool tls : {false, true}) {
    MailServer server(With("localhost", tls));
    SmtpTransport transport(Trusting(server));
    for (int i = 0; i < 2; ++i) {
      const SendResult result = Send(transport, "bob@example.com");
      EXPECT_EQ(result.outcome, Outcomes::ACCEPTED) << result.detail;
    }
    ASSERT_THAT(server.Mails(), SizeIs(2));
    EXPECT_THAT(server.Mails()[1], HasSubstr("X-Connection: 1\r\nX-Tls: yes\r\n"));
  }
}

TEST_F(SmtpTls, NothingIsSentToAServerThatIsNotWhoItShouldBe) {
  for (const bool tls : {false, true}) {
    for (const char* certificate : {"elsewhere.example", "expired"}) {
      MailServer server(With(certificate, tls));
      const SendResult result = SendBy(Trusting(server));
      EXPECT_EQ(result.outcome, Outcomes::DEFERRED) << certificate;
      EXPECT_THAT(result.detail, HasSubstr("certificate")) << certificate;
      EXPECT_THAT(server.Mails(), IsEmpty());
    }
    // One that nobody knows.
    MailServer server(With("localhost", tls));
    EXPECT_EQ(SendBy({.url = server.url()}).outcome, Outcomes::DEFERRED);
    EXPECT_THAT(server.Mails(), IsEmpty());
    // Unless it is not looked at.
    EXPECT_EQ(SendBy({.url = server.url(), .verify_certificate = false}).outcome, Outcomes::ACCEPTED);
  }
}

TEST_F(SmtpTls, NothingIsSentInTheClear) {
  MailServer server;
  const SendResult result = SendBy({.url = server.url()});
  EXPECT_EQ(result.outcome, Outcomes::DEFERRED);
  EXPECT_EQ(result.detail, "the mail server offers no STARTTLS");
  EXPECT_THAT(server.Mails(), IsEmpty());
  // A login not either, whatever the settings.
  EXPECT_EQ(SendBy({.url = server.url(), .starttls = false, .username = "parley", .password = "secret"}).outcome,
            Outcomes::DEFERRED);
  EXPECT_THAT(server.Mails(), IsEmpty());
}

TEST_F(SmtpTls, Login) {
  for (const bool tls : {false, true}) {
    MailServer server(With("localhost", tls, "parley:right"));
    SmtpSettings settings = Trusting(server);
    EXPECT_EQ(SendBy(settings).outcome, Outcomes::DEFERRED) << "without a login";
    settings.username = "parley";
    settings.password = "wrong";
    const SendResult wrong = SendBy(settings);
    EXPECT_EQ(wrong.outcome, Outcomes::DEFERRED);
    EXPECT_THAT(wrong.detail, HasSubstr("535"));
    EXPECT_THAT(wrong.detail, Not(HasSubstr("wrong")));
    EXPECT_THAT(server.Mails(), IsEmpty());
    settings.password = "right";
    const SendResult right = SendBy(settings);
    EXPECT_EQ(right.outcome, Outcomes::ACCEPTED) << right.detail;
    EXPECT_THAT(server.Mails().at(0), HasSubstr("X-Login: parley\r\n"));
  }
}

TEST(FileTransport, MakesAFileForEachMailThatOthersCannotRead) {
  TemporaryFolder folder;
  FileTransport transport(folder.path());
  EXPECT_EQ(transport.Send(kFrom, "bob@example.com", kMessage, {}).outcome, Outcomes::ACCEPTED);
  EXPECT_EQ(transport.Send(kFrom, "bob@example.com", kMessage, {}).outcome, Outcomes::ACCEPTED);
  EXPECT_THAT(test::MailsIn(folder.path()), ElementsAre(kMessage, kMessage));
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
