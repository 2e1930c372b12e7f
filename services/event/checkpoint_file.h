// The last checkpoint that this process has signed, or seen published, in a file outside of the database: what the
// database says of the log is held against it. One file for each origin; those of earlier origins stay.
#pragma once

#include <optional>
#include <string>

#include "absl/status/statusor.h"

namespace parley::event {

// Used by one thread.
class CheckpointFile {
 public:
  // In this folder, which must be there.
  explicit CheckpointFile(std::string folder) : folder_(std::move(folder)) {}

  // The signed note; nothing where there is no file. UNAVAILABLE where it cannot be read.
  absl::StatusOr<std::optional<std::string>> Read(const std::string& origin) const;
  // Once it answers OK the note is on the disk; whatever happens before, the file is the old or the new one, and whole.
  absl::Status Write(const std::string& origin, const std::string& note) const;

 private:
  std::string PathOf(const std::string& origin) const;
  const std::string folder_;
};

}  // namespace parley::event
