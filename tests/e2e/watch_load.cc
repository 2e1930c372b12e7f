#include "tests/e2e/watch_load.h"

#include "absl/time/clock.h"

namespace parley::e2e {
namespace {

// Each makes at most so many calls a second, so that a run of ten minutes can be remembered.
constexpr absl::Duration kInterval = absl::Milliseconds(40);
constexpr absl::Duration kPause = absl::Milliseconds(20);
// The events that one negotiates at once, beside the shared ones.
constexpr size_t kOwn = 10;

Event WithTitle(const Event& event, const std::string& title) {
  Event changed;
  changed.set_name(event.name());
  changed.set_etag(event.etag());
  changed.set_title(title);
  return changed;
}

}  // namespace

bool SureCaller::IsInDoubt(const absl::Status& status) {
  switch (status.code()) {
    case absl::StatusCode::kUnavailable:
    case absl::StatusCode::kDeadlineExceeded:
    case absl::StatusCode::kResourceExhausted:
      return true;
    // Of gRPC: the connection broke.
    case absl::StatusCode::kInternal:
    case absl::StatusCode::kUnknown:
    case absl::StatusCode::kCancelled:
      return ReasonOf(status) == error::v1::REASON_UNSPECIFIED;
    default:
      return false;
  }
}

void SureCaller::Pause() { absl::SleepFor(kPause); }

// One member at work.
class WatchLoad::Negotiator {
 public:
  Negotiator(WatchLoad& load, Client client, size_t number, std::vector<Event> shared, uint32_t seed)
      : load_(load), caller_(std::move(client)), number_(number), shared_(std::move(shared)), random_(seed) {}

  void Step() {
    const int dice = Random(100);
    // Now and then something is new.
    if (dice < 15 || own_.empty()) return Propose();
    if (dice < 30) return TakeInvitation();
    const bool is_shared = Random(3) == 0;
    auto& events = is_shared ? shared_ : own_;
    const size_t i = Random(static_cast<int>(events.size()));
    Event& event = events[i];
    bool goes_on = true;
    if (dice < 45) {
      goes_on = Take("UpdateEvent", caller_.Call(&Events::UpdateEvent, Change(event, is_shared)), event);
    } else if (dice < 70) {
      goes_on = Take("ConfirmEvent", caller_.Call(&Events::ConfirmEvent, Confirmation(event)), event);
    } else if (dice < 80) {
      goes_on = Notify(event);
    } else if (dice < 90 && !is_shared) {
      goes_on = Take("ReopenEvent", caller_.Call(&Events::ReopenEvent, Reopening(event)), event);
    } else {
      goes_on = Take("GetEvent", caller_.Call(&Events::GetEvent, Named(event.name())), event);
    }
    if (!goes_on && !is_shared) own_.erase(own_.begin() + static_cast<std::ptrdiff_t>(i));
  }

 private:
  int Random(int end) { return std::uniform_int_distribution(0, end - 1)(random_); }

  void Propose() {
    const std::string& other = load_.addresses_[(number_ + 1 + Random(static_cast<int>(load_.addresses_.size()) - 1)) %
                                                load_.addresses_.size()];
    Event event;
    if (!Take("CreateEvent", caller_.Call(&Events::CreateEvent, Proposal({other}, {SlotIn(1), SlotIn(2)})), event))
      return;
    Keep(event);
    absl::MutexLock lock(&load_.mutex_);
    load_.invitations_[other].push_back(event);
    if (Random(3) == 0) load_.to_delete_.push_back(event.name());
  }

  // Goes on with an event that another one proposed to this party: by a choice, so that some are agreed.
  void TakeInvitation() {
    std::optional<Event> event;
    {
      absl::MutexLock lock(&load_.mutex_);
      auto& invitations = load_.invitations_[load_.addresses_[number_]];
      if (invitations.empty()) return;
      event = std::move(invitations.back());
      invitations.pop_back();
    }
    if (Take("UpdateEvent", caller_.Call(&Events::UpdateEvent, Narrowed(*event, {event->slots(0)})), *event))
      Keep(*event);
  }

  void Keep(const Event& event) {
    if (own_.size() < kOwn) {
      own_.push_back(event);
    } else {
      own_[Random(kOwn)] = event;
    }
  }

  event::v1::UpdateEventRequest Change(const Event& event, bool is_shared) {
    event::v1::UpdateEventRequest request;
    const int dice = Random(3);
    if (dice == 0) {
      *request.mutable_event() = WithTitle(event, absl::StrCat("title ", Random(1000000)));
      return request;
    }
    // What has one slot is agreed when all confirm: nobody does that to a shared one.
    std::vector<Slot> slots{SlotIn(1 + Random(300))};
    if (is_shared || dice == 1) slots.push_back(SlotIn(301 + Random(60)));
    return Narrowed(event, slots);
  }

  bool Notify(const Event& event) {
    const std::string recipient = event.parties(Random(event.parties_size())).address();
    const auto told = caller_.Call(&NotificationStub::NotifyParties, Notice(event, {recipient}));
    if (!told.ok()) return Refused("NotifyParties", told.status(), event.name());
    ++load_.calls_;
    for (const auto& notification : told->notifications()) {
      load_.Note({.event = event.name(), .notification = notification.name()});
    }
    return true;
  }

  // False where there is nothing more to be done with the event.
  bool Take(const std::string& what, const absl::StatusOr<Event>& answer, Event& event) {
    if (!answer.ok()) return Refused(what, answer.status(), event.name());
    ++load_.calls_;
    event = *answer;
    load_.Note({.event = event.name(), .answer = event});
    return true;
  }

  bool Refused(const std::string& what, const absl::Status& status, const std::string& name) {
    switch (ReasonOf(status)) {
      case error::v1::ETAG_MISMATCH:
        return Reread(name);
      // Closed, reopened or deleted by another.
      case error::v1::EVENT_CLOSED:
      case error::v1::EVENT_REOPENED:
      case error::v1::NOT_FOUND:
        return false;
      default:
        load_.NoteRefusal(what, status);
        return false;
    }
  }

  bool Reread(const std::string& name) {
    const auto answer = caller_.Call(&Events::GetEvent, Named(name));
    if (!answer.ok()) return Refused("GetEvent", answer.status(), name);
    ++load_.calls_;
    load_.Note({.event = name, .answer = *answer});
    for (auto* events : {&shared_, &own_}) {
      for (Event& event : *events) {
        if (event.name() == name) event = *answer;
      }
    }
    return true;
  }

  WatchLoad& load_;
  SureCaller caller_;
  const size_t number_;
  std::vector<Event> shared_;
  std::vector<Event> own_;
  std::mt19937 random_;
};

WatchLoad::WatchLoad(const Client& staff, const std::vector<Client>& members, std::vector<std::string> addresses,
                     const std::vector<Event>& shared, uint32_t seed)
    : addresses_(std::move(addresses)) {
  for (size_t i = 0; i < members.size(); ++i) {
    threads_.emplace_back([this, client = members[i], i, shared, seed] {
      Negotiate(client, i % addresses_.size(), shared, seed + static_cast<uint32_t>(i));
    });
  }
  threads_.emplace_back([this, staff] { Delete(staff); });
}

bool WatchLoad::Await(int64_t more) const {
  const int64_t present = calls_;
  return Eventually([&] { return calls_ >= present + more; });
}

void WatchLoad::Stop() {
  is_stopping_ = true;
  for (std::thread& thread : threads_) {
    if (thread.joinable()) thread.join();
  }
}

void WatchLoad::Negotiate(Client client, size_t number, const std::vector<Event>& shared, uint32_t seed) {
  Negotiator negotiator(*this, std::move(client), number, shared, seed);
  while (!is_stopping_) {
    const absl::Time next = absl::Now() + kInterval;
    negotiator.Step();
    absl::SleepFor(next - absl::Now());
  }
}

void WatchLoad::Delete(Client client) {
  SureCaller caller(std::move(client));
  while (!is_stopping_) {
    absl::SleepFor(kInterval);
    std::string name;
    {
      absl::MutexLock lock(&mutex_);
      // The last ones are still being negotiated.
      if (to_delete_.size() < kOwn) continue;
      name = to_delete_.front();
      to_delete_.erase(to_delete_.begin());
    }
    const auto event = caller.Call(&Events::GetEvent, Named(name));
    if (!event.ok()) {
      NoteRefusal("GetEvent by staff", event.status());
      continue;
    }
    ++calls_;
    Note({.event = name, .answer = *event});
    const auto deleted = caller.Call(&Events::DeleteEvent, Deletion(*event));
    if (deleted.ok()) {
      ++calls_;
      Note({.event = name, .deleted = true});
    } else if (ReasonOf(deleted.status()) != error::v1::ETAG_MISMATCH) {
      NoteRefusal("DeleteEvent", deleted.status());
    }
  }
}

void WatchLoad::Note(test::Acknowledged change) {
  absl::MutexLock lock(&mutex_);
  if (change.answer) made_.insert(change.event);
  acknowledged_.push_back(std::move(change));
}

void WatchLoad::NoteRefusal(const std::string& what, const absl::Status& status) {
  absl::MutexLock lock(&mutex_);
  unexplained_.push_back(absl::StrCat(what, ": ", status.ToString()));
}

}  // namespace parley::e2e
