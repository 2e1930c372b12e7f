#include "services/event/watch.h"

#include "absl/time/clock.h"
#include "common/status/status.h"

namespace parley::event {

bool IsPassing(const absl::Status& status) {
  return absl::IsUnavailable(status) || absl::IsDeadlineExceeded(status) || absl::IsUnknown(status);
}

absl::Status ForReader(const absl::Status& status) { return IsPassing(status) ? Unavailable("the database") : status; }

class Pages::Page final : public data::Task {
 public:
  Page(Pages& pages, std::shared_ptr<PageReader> behind)
      : data::Task(pages, absl::InfiniteFuture()), reader(std::move(behind)) {}
  void Expire() override { delete this; }
  bool Abandoned() const override { return reader->stream().is_ending(); }

  const std::shared_ptr<PageReader> reader;
};

void Pages::Submit(const std::shared_ptr<PageReader>& reader) {
  auto* page = new Page(*this, reader);
  const absl::Status status = workers_.Submit(page);
  if (status.ok()) return;
  delete page;
  reader->stream().Cut(status);
}

void Pages::Run(absl::Span<data::Task* const> tasks, data::Turn&) {
  for (data::Task* task : tasks) {
    const std::unique_ptr<Page> page(static_cast<Page*>(task));
    if (may_send_()) {
      page->reader->ReadPage();
    } else {
      absl::MutexLock lock(&mutex_);
      held_back_.push_back(page->reader);
    }
  }
}

void Pages::Resume() {
  std::vector<std::shared_ptr<PageReader>> readers;
  {
    absl::MutexLock lock(&mutex_);
    readers.swap(held_back_);
  }
  for (const auto& reader : readers) Submit(reader);
}

}  // namespace parley::event
