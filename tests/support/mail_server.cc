#include "tests/support/mail_server.h"

#include <algorithm>
#include <cstdlib>
#include <fstream>

#include "absl/strings/str_cat.h"

namespace parley::test {
namespace {

const char* NameOf(MailFault fault) {
  switch (fault) {
    case MailFault::kNone:
      return "none";
    case MailFault::kSlow:
      return "slow";
    case MailFault::kHangAtGreeting:
      return "hang-at-greeting";
    case MailFault::kRefuseGreeting:
      return "refuse-greeting";
    case MailFault::kRefuseLogin:
      return "refuse-login";
    case MailFault::kRefuseSender:
      return "refuse-sender";
    case MailFault::kCloseBeforeMail:
      return "close-before-mail";
    case MailFault::kCloseAmidMail:
      return "close-amid-mail";
    case MailFault::kCloseAfterMail:
      return "close-after-mail";
    case MailFault::kHangAfterMail:
      return "hang-after-mail";
    case MailFault::kRefuseMail:
      return "refuse-mail";
    case MailFault::kDeferMail:
      return "defer-mail";
    case MailFault::kCloseAfterReply:
      return "close-after-reply";
  }
  Die("there is no such fault");
}

}  // namespace

MailServer::MailServer(const MailServerSettings& settings)
    : process_(MailServerCommand(folder_.path(), PathOf("port"), settings), {}, PathOf("out"), PathOf("err")) {
  if (!Eventually([this] { return std::filesystem::exists(PathOf("port")); })) {
    Die("the mail server does not start: " + Content(PathOf("err")));
  }
  url_ = absl::StrCat(settings.tls ? "smtps" : "smtp", "://localhost:", std::atoi(Content(PathOf("port")).c_str()));
}

std::vector<std::string> MailServer::Mails() const { return MailsIn(folder_.path()); }

void MailServer::SignalAt(const std::string& moment, pid_t pid, int signal) {
  std::ofstream(PathOf("signal.new")) << moment << " " << pid << " " << signal << "\n";
  std::filesystem::rename(PathOf("signal.new"), PathOf("signal"));
}

std::vector<std::string> MailServerCommand(const std::string& folder, const std::string& port_file,
                                           const MailServerSettings& settings) {
  std::vector<std::string> command{"/usr/bin/python3", "-I", PARLEY_MAIL_SERVER};
  const auto add = [&command](const std::string& flag, const std::string& value) {
    if (!value.empty()) command.insert(command.end(), {flag, value});
  };
  add("--folder", folder);
  add("--port-file", port_file);
  add("--signal-file", folder + "/signal");
  add("--fault", NameOf(settings.fault));
  add("--times", absl::StrCat(settings.times));
  add("--delay-ms", absl::StrCat(settings.delay_ms));
  add("--certificate", settings.certificate);
  add("--key", settings.key);
  add("--login", settings.login);
  if (settings.tls) command.push_back("--tls");
  return command;
}

std::vector<std::string> MailsIn(const std::string& folder) {
  std::vector<std::filesystem::path> files;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    if (entry.path().extension() == ".eml") files.push_back(entry.path());
  }
  std::ranges::sort(files);
  std::vector<std::string> mails;
  for (const auto& file : files) mails.push_back(Content(file));
  return mails;
}

}  // namespace parley::test
