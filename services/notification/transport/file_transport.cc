#include "services/notification/transport/file_transport.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "common/data/uuid.h"

namespace parley::notification {
namespace {

using Outcomes = v1::Notification::Attempt;

SendResult Deferred(std::string_view what) {
  return {Outcomes::DEFERRED, absl::StrCat(std::string(what), ": ", std::strerror(errno))};
}

bool WriteAll(int file, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t written = write(file, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return false;
    bytes.remove_prefix(static_cast<size_t>(written));
  }
  return fsync(file) == 0;
}

}  // namespace

SendResult FileTransport::Send(const std::string&, const std::string&, const std::string& message,
                               const std::stop_token&) {
  // Names sort by time.
  const std::string name = Uuid::TimeOrdered().ToString() + ".eml";
  const std::string temporary = directory_ + "/." + name + ".new";
  const int file = open(temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (file < 0) return Deferred("cannot make a file for the mail");
  absl::Cleanup remove = [&temporary] { unlink(temporary.c_str()); };
  const bool written = WriteAll(file, message);
  const SendResult failure = Deferred("cannot write the mail");
  if (close(file) != 0 || !written) return failure;
  if (std::rename(temporary.c_str(), (directory_ + "/" + name).c_str()) != 0) return Deferred("cannot name the mail");
  std::move(remove).Cancel();
  // Where the name is lost with the machine, so is the mail: nobody could tell.
  const int directory = open(directory_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (directory >= 0) {
    fsync(directory);
    close(directory);
  }
  return {Outcomes::ACCEPTED, ""};
}

}  // namespace parley::notification
