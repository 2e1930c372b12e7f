// What mails say: templates (mustache) in texts/, a folder for each language. Thread-safe.
#pragma once

#include <optional>
#include <string>

#include "services/notification/mail/mail.h"

namespace parley::notification {

struct MailTexts {
  std::string subject;
  std::string text;
  std::string html;
};

// In English, the only language so far.
MailTexts WriteTexts(const Mail& mail);

}  // namespace parley::notification
