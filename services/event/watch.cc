#include "services/event/watch.h"

#include "absl/time/clock.h"

namespace parley::event {

class Pages::Page final : public data::Task {
 public:
  Page(Pages& pages, std::shared_ptr<PageReader> behind)
      : data::Task(pages, absl::InfiniteFuture()), reader(std::move(behind)) {}
  void Expire() override { delete this; }
  bool Abandoned() const override { return false; }

  const std::shared_ptr<PageReader> reader;
};

void Pages::Submit(std::shared_ptr<PageReader> reader) {
  auto page = std::make_unique<Page>(*this, std::move(reader));
  // No watch has two pages waiting, so that there is always room.
  if (workers_.Submit(page.get(), next_.fetch_add(1, std::memory_order_relaxed)).ok()) page.release();
}

void Pages::Run(absl::Span<data::Task* const> tasks) {
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
  for (auto& reader : readers) Submit(std::move(reader));
}

}  // namespace parley::event
