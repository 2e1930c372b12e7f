// A mail server for tests, a process of its own (tests/support/mail_server.py): it keeps what it is sent, and fails as
// it is told.
#pragma once

#include <string>
#include <vector>

#include "tests/support/process.h"

namespace parley::test {

enum class MailFault {
  kNone,
  kSlow,             // each reply comes late
  kHangAtGreeting,   // says nothing at all
  kRefuseGreeting,   // 554
  kRefuseLogin,      // 530 to MAIL
  kRefuseSender,     // 550 5.1.1 to MAIL
  kCloseBeforeMail,  // closes in place of a reply to DATA
  kCloseAmidMail,    // closes when a part of the mail has come
  kCloseAfterMail,   // takes the mail, and closes without a reply
  kHangAfterMail,    // takes the mail, and says nothing
  kRefuseMail,       // 554 to the mail as a whole, in several lines
  kDeferMail,        // 451 to the mail as a whole
  kCloseAfterReply,  // takes the mail, says so, and closes
};

struct MailServerSettings {
  MailFault fault = MailFault::kNone;
  int times = 1000;              // after so many connections it takes every mail
  int delay_ms = 0;              // of each reply, for kSlow
  std::string certificate = "";  // a file, as the key: it offers STARTTLS
  std::string key = "";
  bool tls = false;        // in place of that, TLS from the first byte
  std::string login = "";  // name:password, without which it takes nothing
};

// Recipients whose local part starts with `refuse` are refused for good (550 5.1.1), with `defer` for now (451), with
// `reply-` by what follows it: `reply-5.1.0` by 550 5.1.0.
class MailServer {
 public:
  explicit MailServer(const MailServerSettings& settings = {});

  // smtp://localhost:port, or smtps: the name for which certificates are made.
  const std::string& url() const { return url_; }
  // What it was sent, whatever it said of it, oldest first; before each how it came: X-MailFrom, X-RcptTo,
  // X-Connection, X-Tls, X-Login.
  std::vector<std::string> Mails() const;
  // Sends that process a signal, once: at `data` before it replies to a mail, at `accepted` after that.
  void SignalAt(const std::string& moment, pid_t pid, int signal);

 private:
  std::string PathOf(const std::string& file) const { return folder_.path() + "/" + file; }

  const TemporaryFolder folder_;
  Process process_;
  std::string url_;
};

// What starts one that keeps its mails in the folder. Once it listens its port stands in that file.
std::vector<std::string> MailServerCommand(const std::string& folder, const std::string& port_file,
                                           const MailServerSettings& settings = {});

// The contents of the .eml files of a folder, by name.
std::vector<std::string> MailsIn(const std::string& folder);

}  // namespace parley::test
