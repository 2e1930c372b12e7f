#include "tests/integration/notification/mail_servers.h"

#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>

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

const char* NameOf(BadMailServer::Fault fault) {
  using Fault = BadMailServer::Fault;
  switch (fault) {
    case Fault::kNone:
      return "none";
    case Fault::kSlow:
      return "slow";
    case Fault::kHangAtGreeting:
      return "hang-at-greeting";
    case Fault::kRefuseGreeting:
      return "refuse-greeting";
    case Fault::kRefuseLogin:
      return "refuse-login";
    case Fault::kCloseBeforeMail:
      return "close-before-mail";
    case Fault::kCloseAmidMail:
      return "close-amid-mail";
    case Fault::kCloseAfterMail:
      return "close-after-mail";
    case Fault::kHangAfterMail:
      return "hang-after-mail";
    case Fault::kRefuseMail:
      return "refuse-mail";
    case Fault::kDeferMail:
      return "defer-mail";
    case Fault::kCloseAfterReply:
      return "close-after-reply";
  }
  std::abort();
}

std::string PortFileOf(const TemporaryFolder& folder) { return folder.path() + "/port"; }
int PortOf(const TemporaryFolder& folder) { return std::atoi(Content(PortFileOf(folder)).c_str()); }

// Starts a program that keeps mails in the folder, and waits until it listens.
pid_t Start(std::vector<std::string> arguments, const TemporaryFolder& folder) {
  arguments.insert(arguments.begin(), {"/usr/bin/python3", "-I"});
  arguments.insert(arguments.end(), {"--folder", folder.path(), "--port-file", PortFileOf(folder)});
  std::vector<char*> argv;
  for (std::string& argument : arguments) argv.push_back(argument.data());
  argv.push_back(nullptr);
  pid_t pid = 0;
  if (posix_spawn(&pid, argv[0], nullptr, nullptr, argv.data(), environ) != 0) std::abort();
  if (!Eventually([&] { return std::filesystem::exists(PortFileOf(folder)); })) std::abort();
  return pid;
}

void Stop(pid_t pid) {
  kill(pid, SIGTERM);
  waitpid(pid, nullptr, 0);
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
  pid_ = Start({program}, folder_);
  url_ = absl::StrCat("smtp://127.0.0.1:", PortOf(folder_));
}

Mailbox::~Mailbox() { Stop(pid_); }

BadMailServer::BadMailServer(Fault fault, int times, const MailServerSettings& settings) {
  std::vector<std::string> arguments{PARLEY_MAIL_SERVER,
                                     "--fault",
                                     NameOf(fault),
                                     "--times",
                                     absl::StrCat(times),
                                     "--delay-ms",
                                     absl::StrCat(settings.delay_ms)};
  auto add = [&](const std::string& flag, const std::string& value) {
    if (!value.empty()) arguments.insert(arguments.end(), {flag, value});
  };
  add("--certificate", settings.certificate);
  add("--key", settings.key);
  add("--login", settings.login);
  if (settings.tls) arguments.push_back("--tls");
  pid_ = Start(arguments, folder_);
  // By the name that certificates are made for.
  url_ = absl::StrCat(settings.tls ? "smtps" : "smtp", "://localhost:", PortOf(folder_));
}

BadMailServer::~BadMailServer() { Stop(pid_); }

}  // namespace parley::notification
