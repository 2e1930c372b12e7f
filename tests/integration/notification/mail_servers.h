// Mail servers for tests: deploy/lib/mailbox.py as a process of its own, and one that fails as it is told.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/synchronization/mutex.h"

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

// Speaks as much SMTP as a client needs, one connection after the other, and then does what it was made for.
class BadMailServer {
 public:
  enum class Fault {
    kCloseAfterMail,   // takes the mail, and closes without a reply
    kHangAfterMail,    // takes the mail, and says nothing
    kHangAtGreeting,   // says nothing at all
    kRefuseGreeting,   // 554
    kRefuseMail,       // 554 to the mail as a whole
    kRefuseLogin,      // 530 to MAIL
    kCloseBeforeMail,  // closes in place of a reply to DATA
  };
  // From the connection number `times` on it takes every mail.
  explicit BadMailServer(Fault fault, int times = 1000);
  ~BadMailServer();
  const std::string& url() const { return url_; }
  // What it was sent, whatever it said of it.
  std::vector<std::string> Mails();

 private:
  void Run();
  void Speak(int connection, bool faulty);
  // False at the end of the connection, or of the test.
  bool ReadUntil(int connection, std::string& buffer, const std::string& end, std::string& text);

  const Fault fault_;
  const int times_;
  int listener_ = -1;
  int end_[2];
  std::string url_;
  absl::Mutex mutex_;
  std::vector<std::string> mails_ ABSL_GUARDED_BY(mutex_);
  std::thread thread_;
};

}  // namespace parley::notification
