#include "services/event/checkpoint_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fstream>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "common/data/uuid.h"
#include "common/status/status.h"

namespace parley::event {
namespace {

absl::Status Failed(const char* what, const std::string& path) {
  return absl::UnavailableError(absl::StrCat("cannot ", what, " ", path, ": ", std::strerror(errno)));
}

absl::Status Sync(const std::string& path, int flags) {
  const int descriptor = open(path.c_str(), flags);
  if (descriptor < 0) return Failed("open", path);
  const bool synced = fsync(descriptor) == 0;
  absl::Status status = synced ? absl::OkStatus() : Failed("sync", path);
  close(descriptor);
  return status;
}

}  // namespace

std::string CheckpointFile::PathOf(const std::string& origin) const {
  return absl::StrCat(folder_, "/", absl::StrReplaceAll(origin, {{"/", "-"}}), ".checkpoint");
}

absl::StatusOr<std::optional<std::string>> CheckpointFile::Read(const std::string& origin) const {
  const std::string path = PathOf(origin);
  if (access(path.c_str(), F_OK) != 0) {
    if (errno == ENOENT) return std::nullopt;
    return Failed("read", path);
  }
  std::ifstream stream(path);
  std::string note;
  for (char part[1024]; stream.read(part, sizeof(part)) || stream.gcount() > 0;) {
    note.append(part, static_cast<size_t>(stream.gcount()));
  }
  if (!stream.eof()) return Failed("read", path);
  return note;
}

absl::Status CheckpointFile::Write(const std::string& origin, const std::string& note) const {
  const std::string path = PathOf(origin);
  const std::string fresh = absl::StrCat(path, ".", Uuid::TimeOrdered().ToString());  // processes may share the folder
  const auto replace = [&]() -> absl::Status {
    std::ofstream stream(fresh);
    stream << note;
    stream.close();
    if (!stream) return Failed("write", fresh);
    PARLEY_RETURN_IF_ERROR(Sync(fresh, O_RDONLY));
    return std::rename(fresh.c_str(), path.c_str()) == 0 ? absl::OkStatus() : Failed("write", path);
  };
  if (absl::Status replaced = replace(); !replaced.ok()) {
    std::remove(fresh.c_str());  // it will be tried again and again, also on a disk that is full
    return replaced;
  }
  return Sync(folder_, O_RDONLY | O_DIRECTORY);
}

}  // namespace parley::event
