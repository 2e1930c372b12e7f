// Mail servers for tests, each a process of its own: deploy/lib/mailbox.py, and one that fails as it is told.
#pragma once

#include <functional>
#include <string>
#include <vector>

namespace parley::notification {

// Asks again and again, for at most 20 s, whether it holds.
bool Eventually(const std::function<bool()>& holds);

// A folder that is removed at the end.
class TemporaryFolder {
 public:
  TemporaryFolder();
  ~TemporaryFolder();
  const std::string& path() const { return path_; }
  // The content of all .eml files, by name.
  std::vector<std::string> Mails() const;

 private:
  std::string path_;
};

// A real one, which keeps what it takes.
class Mailbox {
 public:
  Mailbox();
  ~Mailbox();
  const std::string& url() const { return url_; }
  std::vector<std::string> Mails() const { return folder_.Mails(); }

 private:
  TemporaryFolder folder_;
  pid_t pid_ = 0;
  std::string url_;
};

// How a BadMailServer listens.
struct MailServerSettings {
  std::string certificate = "";  // a file, as the key: it offers STARTTLS
  std::string key = "";
  bool tls = false;        // in place of that, TLS from the first byte
  std::string login = "";  // name:password, without which it takes nothing
  int delay_ms = 0;        // of each reply, for kSlow
};

// A real one too (tests/support/mail_server.py), which does what it was made for.
class BadMailServer {
 public:
  enum class Fault {
    kNone,
    kSlow,
    kHangAtGreeting,   // says nothing at all
    kRefuseGreeting,   // 554
    kRefuseLogin,      // 530 to MAIL
    kCloseBeforeMail,  // closes in place of a reply to DATA
    kCloseAmidMail,    // closes when a part of the mail has come
    kCloseAfterMail,   // takes the mail, and closes without a reply
    kHangAfterMail,    // takes the mail, and says nothing
    kRefuseMail,       // 554 to the mail as a whole, in several lines
    kDeferMail,        // 451 to the mail as a whole
    kCloseAfterReply,  // takes the mail, says so, and closes
  };
  // After so many connections it takes every mail.
  explicit BadMailServer(Fault fault, int times = 1000, const MailServerSettings& settings = {});
  ~BadMailServer();
  const std::string& url() const { return url_; }
  // What it was sent, whatever it said of it; before each how it came: X-RcptTo, X-Connection, X-Tls, X-Login.
  std::vector<std::string> Mails() const { return folder_.Mails(); }

 private:
  TemporaryFolder folder_;
  pid_t pid_ = 0;
  std::string url_;
};

}  // namespace parley::notification
