#include "tests/integration/notification/mail_servers.h"

#include <arpa/inet.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <sstream>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"

namespace parley::notification {
namespace {

std::string Content(const std::filesystem::path& path) {
  std::stringstream content;
  content << std::ifstream(path).rdbuf();
  return content.str();
}

void Say(int connection, std::string_view text) {
  const std::string line = std::string(text) + "\r\n";
  static_cast<void>(send(connection, line.data(), line.size(), MSG_NOSIGNAL));
}

}  // namespace

bool Eventually(const std::function<bool()>& holds) {
  const absl::Time end = absl::Now() + absl::Seconds(20);
  while (!holds()) {
    if (absl::Now() >= end) return false;
    absl::SleepFor(absl::Milliseconds(10));
  }
  return true;
}

TemporaryFolder::TemporaryFolder() {
  std::string path = std::filesystem::temp_directory_path() / "parley-test-XXXXXX";
  if (mkdtemp(path.data()) == nullptr) std::abort();
  path_ = path;
}

TemporaryFolder::~TemporaryFolder() { std::filesystem::remove_all(path_); }

std::vector<std::string> TemporaryFolder::Mails() const {
  std::vector<std::filesystem::path> files;
  for (const auto& entry : std::filesystem::directory_iterator(path_)) {
    if (entry.path().extension() == ".eml") files.push_back(entry.path());
  }
  std::ranges::sort(files);
  std::vector<std::string> mails;
  for (const auto& file : files) mails.push_back(Content(file));
  return mails;
}

Mailbox::Mailbox() {
  const char* program = std::getenv("PARLEY_TEST_MAILBOX");
  if (program == nullptr) {
    std::cerr << "PARLEY_TEST_MAILBOX is not set: run the tests with tests/run\n";
    std::exit(1);
  }
  const std::string port_file = folder_.path() + "/port";
  std::vector<std::string> arguments{"/usr/bin/python3", "-I",          program,  "--folder",
                                     folder_.path(),     "--port-file", port_file};
  std::vector<char*> argv;
  for (std::string& argument : arguments) argv.push_back(argument.data());
  argv.push_back(nullptr);
  if (posix_spawn(&pid_, argv[0], nullptr, nullptr, argv.data(), environ) != 0) std::abort();
  if (!Eventually([&] { return std::filesystem::exists(port_file); })) std::abort();
  url_ = absl::StrCat("smtp://127.0.0.1:", std::atoi(Content(port_file).c_str()));
}

Mailbox::~Mailbox() {
  kill(pid_, SIGTERM);
  waitpid(pid_, nullptr, 0);
}

BadMailServer::BadMailServer(Fault fault, int times) : fault_(fault), times_(times) {
  listener_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof(address);
  if (bind(listener_, reinterpret_cast<sockaddr*>(&address), size) != 0 || listen(listener_, 16) != 0 ||
      getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size) != 0 || pipe(end_) != 0) {
    std::abort();
  }
  url_ = absl::StrCat("smtp://127.0.0.1:", ntohs(address.sin_port));
  thread_ = std::thread([this] { Run(); });
}

BadMailServer::~BadMailServer() {
  close(end_[1]);
  thread_.join();
  close(end_[0]);
  close(listener_);
}

std::vector<std::string> BadMailServer::Mails() {
  absl::MutexLock lock(&mutex_);
  return mails_;
}

void BadMailServer::Run() {
  for (int count = 0;; ++count) {
    pollfd wait[] = {{listener_, POLLIN, 0}, {end_[0], POLLIN, 0}};
    poll(wait, 2, -1);
    if (wait[1].revents != 0) return;
    const int connection = accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
    Speak(connection, count < times_);
    close(connection);
  }
}

bool BadMailServer::ReadUntil(int connection, std::string& buffer, const std::string& end, std::string& text) {
  size_t found;
  while ((found = buffer.find(end)) == std::string::npos) {
    pollfd wait[] = {{connection, POLLIN, 0}, {end_[0], POLLIN, 0}};
    poll(wait, 2, -1);
    char bytes[4096];
    const ssize_t size = wait[1].revents != 0 ? 0 : recv(connection, bytes, sizeof(bytes), 0);
    if (size <= 0) return false;
    buffer.append(bytes, static_cast<size_t>(size));
  }
  text = buffer.substr(0, found);
  buffer.erase(0, found + end.size());
  return true;
}

void BadMailServer::Speak(int connection, bool faulty) {
  std::string buffer;
  std::string line;
  auto fails = [&](Fault fault) { return faulty && fault_ == fault; };
  // Until the client gives up.
  auto hang = [&] { ReadUntil(connection, buffer, "this is never sent", line); };
  if (fails(Fault::kHangAtGreeting)) return hang();
  Say(connection, fails(Fault::kRefuseGreeting) ? "554 no service" : "220 ready");
  while (ReadUntil(connection, buffer, "\r\n", line)) {
    if (line.starts_with("MAIL") && fails(Fault::kRefuseLogin)) {
      Say(connection, "530 5.7.0 authentication required");
    } else if (line.starts_with("DATA")) {
      if (fails(Fault::kCloseBeforeMail)) return;
      Say(connection, "354 go on");
      if (!ReadUntil(connection, buffer, "\r\n.\r\n", line)) return;
      {
        absl::MutexLock lock(&mutex_);
        mails_.push_back(line);
      }
      if (fails(Fault::kCloseAfterMail)) return;
      if (fails(Fault::kHangAfterMail)) return hang();
      Say(connection, fails(Fault::kRefuseMail) ? "554 5.6.0 not for <bob@example.com>" : "250 taken");
    } else {
      Say(connection, "250 ok");
    }
  }
}

}  // namespace parley::notification
