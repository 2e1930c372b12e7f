#include "common/rpc/stream.h"

namespace parley::rpc {

void OpenStream::End(absl::Status status) {
  absl::MutexLock lock(&mutex_);
  if (end_) return;
  end_ = std::move(status);
  Pump();
}

void OpenStream::Refuse(absl::Status status) {
  absl::MutexLock lock(&mutex_);
  end_ = std::move(status);
  DropWaiting();
}

void OpenStream::Cut(absl::Status status) {
  absl::MutexLock lock(&mutex_);
  if (is_finished_) return;
  end_ = cursor_.empty() ? std::move(status) : WithMetadata(std::move(status), "cursor", cursor_);
  DropWaiting();
}

void OpenStream::Abort() {
  absl::MutexLock lock(&mutex_);
  if (!is_over_) context_.TryCancel();
}

absl::Time OpenStream::progress_time() const {
  absl::MutexLock lock(&mutex_);
  return progress_time_;
}

bool OpenStream::is_waiting() const {
  absl::MutexLock lock(&mutex_);
  return is_writing_ || is_finished_;
}

bool OpenStream::is_ending() const {
  absl::MutexLock lock(&mutex_);
  return is_finished_;
}

}  // namespace parley::rpc
