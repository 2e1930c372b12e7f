#include "tests/support/watch_validators.h"

#include <algorithm>
#include <limits>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/str_cat.h"

namespace parley::test {
namespace {

using event::v1::Event;
using event::v1::LogEntry;

std::string EventOf(const std::string& entry) { return entry.substr(0, entry.find("/logEntries/")); }

bool IsSame(const google::protobuf::Message& a, const google::protobuf::Message& b) {
  return a.SerializeAsString() == b.SerializeAsString();
}

// Takes the event on by its next entry, as proto/README.md says that the log is to be read.
void Apply(const LogEntry& entry, Event& event) {
  const LogEntry::Data& data = entry.data();
  if (data.has_opened()) {
    event.set_name(EventOf(entry.name()));
    event.set_title(data.opened().title());
    event.set_time_zone(data.opened().time_zone());
    *event.mutable_agreement_policy() = data.opened().agreement_policy();
    for (const auto& party : data.opened().parties()) event.add_parties()->set_address(party);
    event.set_initiator(entry.effector());
    *event.mutable_create_time() = entry.create_time();
    event.set_predecessor(data.predecessor());
  }
  if (entry.revision() != event.revision()) *event.mutable_update_time() = entry.create_time();
  event.set_revision(entry.revision());
  *event.mutable_slots() = entry.slots();
  if (!data.title().empty()) event.set_title(data.title());
  if (!data.time_zone().empty()) event.set_time_zone(data.time_zone());
  if (!data.successor().empty()) event.set_successor(data.successor());
  if (data.state() == Event::STATE_UNSPECIFIED) return;
  event.set_state(data.state());
  for (auto& party : *event.mutable_parties()) {
    party.set_confirmed(std::ranges::find(data.confirmed(), party.address()) != data.confirmed().end());
  }
}

// The last position that a client was told of; where it began, where there is none.
int64_t LastPosition(const ToldStream& stream) {
  return stream.told.empty() ? stream.from.value_or(0) : stream.told.back().position;
}

}  // namespace

WatchValidators::WatchValidators(const WatchHistory& history) : history_(history) {
  for (const auto& [event, log] : history.logs) {
    for (const LogEntry& entry : log) {
      places_[entry.name()].of_event = entry.sequence();
      entries_[entry.name()] = &entry;
    }
  }
  for (size_t i = 0; i < history.order.size(); ++i) places_[history.order[i]].of_all = static_cast<int64_t>(i) + 1;
  for (const Follower& follower : history.followers) {
    for (const ToldStream& stream : follower.streams) {
      for (const Told& told : stream.told) {
        if (!told.step) continue;
        auto& tellers = told_[told.step->log_entry.name()];
        const bool is_known = std::ranges::any_of(tellers, [&](const Teller& teller) {
          return teller.step == told.step.get() ||
                 (IsSame(teller.step->log_entry, told.step->log_entry) && IsSame(teller.step->event, told.step->event));
        });
        if (!is_known) tellers.push_back({&follower, told.step.get()});
      }
    }
  }
}

int64_t WatchValidators::PlaceFor(const Follower& follower, const std::string& entry) const {
  const auto found = places_.find(entry);
  if (found == places_.end()) return 0;
  return follower.event.empty() ? found->second.of_all : found->second.of_event;
}

bool WatchValidators::MaySee(const Follower& follower, const std::string& event) const {
  if (follower.party.empty()) return true;
  const auto found = history_.logs.find(event);
  if (found == history_.logs.end() || found->second.empty()) return false;
  const auto& parties = found->second.front().data().opened().parties();
  return std::ranges::find(parties, follower.party) != parties.end();
}

std::vector<std::string> WatchValidators::Due(const Follower& follower, int64_t from, int64_t to) const {
  std::vector<std::string> due;
  if (!follower.event.empty()) {
    const auto found = history_.logs.find(follower.event);
    if (found == history_.logs.end()) return due;
    for (const LogEntry& entry : found->second) {
      if (entry.sequence() > from && entry.sequence() <= to) due.push_back(entry.name());
    }
    return due;
  }
  const auto end = std::min(to, static_cast<int64_t>(history_.order.size()));
  absl::flat_hash_map<std::string, bool> visible;
  for (int64_t i = from; i < end; ++i) {
    const std::string& name = history_.order[i];
    const std::string event = EventOf(name);
    const auto [seen, is_new] = visible.try_emplace(event);
    if (is_new) seen->second = MaySee(follower, event);
    if (!seen->second) continue;
    const auto entry = entries_.find(name);
    const bool is_asked_for = follower.occurrences.empty() || entry == entries_.end() ||
                              follower.occurrences.contains(entry->second->occurrence());
    if (is_asked_for) due.push_back(name);
  }
  return due;
}

std::vector<std::string> WatchValidators::NotOrdered() const {
  std::vector<std::string> wrong;
  for (const Follower& follower : history_.followers) {
    for (const ToldStream& stream : follower.streams) {
      absl::flat_hash_map<std::string, int64_t> sequences;
      const LogEntry* before = nullptr;
      for (const Told& told : stream.told) {
        if (!told.step) continue;
        const LogEntry& entry = told.step->log_entry;
        if (PlaceFor(follower, entry.name()) == 0) {
          wrong.push_back(absl::StrCat(follower.name, " was told ", entry.name(), ", which is on no log"));
          continue;
        }
        if (before && PlaceFor(follower, entry.name()) <= PlaceFor(follower, before->name())) {
          wrong.push_back(absl::StrCat(follower.name, " was told ", entry.name(), " after ", before->name()));
        }
        before = &entry;
        const auto [last, is_first] = sequences.try_emplace(EventOf(entry.name()), entry.sequence());
        const bool is_next =
            follower.occurrences.empty() ? entry.sequence() == last->second + 1 : entry.sequence() > last->second;
        if (!is_first && !is_next) {
          wrong.push_back(absl::StrCat(follower.name, " was told ", entry.name(), " after its entry ", last->second));
        }
        last->second = entry.sequence();
      }
    }
  }
  return wrong;
}

std::vector<std::string> WatchValidators::NotUnique() const {
  std::vector<std::string> wrong;
  for (const Follower& follower : history_.followers) {
    absl::flat_hash_set<std::string> names;
    for (const ToldStream& stream : follower.streams) {
      for (const Told& told : stream.told) {
        if (!told.step || names.insert(told.step->log_entry.name()).second) continue;
        wrong.push_back(absl::StrCat(follower.name, " was told ", told.step->log_entry.name(), " twice"));
      }
    }
  }
  return wrong;
}

std::vector<std::string> WatchValidators::NotAtomic() const {
  std::vector<std::string> wrong;
  for (const auto& [event, log] : history_.logs) {
    Event expected;
    for (const LogEntry& entry : log) {
      Apply(entry, expected);
      const auto found = told_.find(entry.name());
      if (found == told_.end()) continue;
      for (const auto& [follower, step] : found->second) {
        // The log does not tell it: it stands for the revision.
        expected.set_etag(step->event.etag());
        if (!IsSame(step->log_entry, entry)) {
          wrong.push_back(absl::StrCat(follower->name, " was told of ", entry.name(), " ",
                                       step->log_entry.ShortDebugString(), " and the log ", entry.ShortDebugString()));
        }
        if (!IsSame(step->event, expected)) {
          wrong.push_back(absl::StrCat(follower->name, " was told with ", entry.name(), " ",
                                       step->event.ShortDebugString(), " in place of ", expected.ShortDebugString()));
        }
      }
      if (found->second.size() > 1) {
        wrong.push_back(absl::StrCat(found->second[0].follower->name, " and ", found->second[1].follower->name,
                                     " were told different things of ", entry.name()));
      }
    }
  }
  // Reopenings: who follows all events, may see both and was told one was told the other, unless it was told nothing of
  // that place.
  for (const Follower& follower : history_.followers) {
    if (!follower.event.empty()) continue;
    absl::flat_hash_map<std::string, const LogEntry*> told_entries;
    int64_t begin = INT64_MAX, end = 0;
    for (const ToldStream& stream : follower.streams) {
      for (const Told& told : stream.told) {
        end = std::max(end, told.position);
        begin = std::min(begin, stream.from.value_or(told.position));
        if (told.step) told_entries.emplace(told.step->log_entry.name(), &told.step->log_entry);
      }
    }
    const auto expect_told = [&](const std::string& entry, const std::string& other) {
      const int64_t place = PlaceFor(follower, other);
      if (place <= begin || place > end || !MaySee(follower, EventOf(other)) || told_entries.contains(other)) return;
      wrong.push_back(absl::StrCat(follower.name, " was told ", entry, " without ", other));
    };
    for (const auto& [name, entry] : told_entries) {
      if (!entry->data().successor().empty()) expect_told(name, entry->data().successor() + "/logEntries/1");
      if (entry->data().predecessor().empty()) continue;
      const auto log = history_.logs.find(entry->data().predecessor());
      if (log == history_.logs.end()) continue;
      for (const LogEntry& other : log->second) {
        if (other.data().successor() == EventOf(name)) expect_told(name, other.name());
      }
    }
  }
  return wrong;
}

std::vector<std::string> WatchValidators::NotReliable() const {
  std::vector<std::string> wrong;
  for (const Follower& follower : history_.followers) {
    std::optional<int64_t> begin;
    int64_t end = 0;
    absl::flat_hash_set<std::string> names;
    for (const ToldStream& stream : follower.streams) {
      // One that wants only what is new begins where its first message says.
      if (!begin && stream.from) begin = stream.from;
      for (const Told& told : stream.told) {
        if (!begin) begin = told.step ? told.position - 1 : told.position;
        end = std::max(end, told.position);
        if (told.step) names.insert(told.step->log_entry.name());
      }
    }
    for (const std::string& entry : Due(follower, begin.value_or(0), end)) {
      if (!names.contains(entry)) wrong.push_back(absl::StrCat(follower.name, " was not told ", entry));
    }
  }
  absl::flat_hash_set<std::string> events, notifications, deleted;
  for (const auto& [entry, tellers] : told_) {
    for (const auto& [follower, step] : tellers) {
      events.insert(step->event.SerializeAsString());
      notifications.insert(step->log_entry.data().notification());
      if (step->log_entry.data().deleted()) deleted.insert(EventOf(entry));
    }
  }
  for (const Acknowledged& change : history_.acknowledged) {
    const bool was_told = change.answer    ? events.contains(change.answer->SerializeAsString())
                          : change.deleted ? deleted.contains(change.event)
                                           : notifications.contains(change.notification);
    if (was_told) continue;
    const std::string what = change.answer    ? change.answer->ShortDebugString()
                             : change.deleted ? "its deletion"
                                              : change.notification;
    wrong.push_back(absl::StrCat("nobody was told what was acknowledged of ", change.event, ": ", what));
  }
  return wrong;
}

std::vector<std::string> WatchValidators::NotResumable() const {
  std::vector<std::string> wrong;
  for (const Follower& follower : history_.followers) {
    for (const ToldStream& stream : follower.streams) {
      if (stream.from.value_or(0) == 0) continue;
      const auto due = Due(follower, *stream.from, LastPosition(stream));
      size_t next = 0;
      for (const Told& told : stream.told) {
        if (!told.step) continue;
        const std::string& entry = told.step->log_entry.name();
        if (next < due.size() && due[next] == entry) {
          ++next;
          continue;
        }
        wrong.push_back(absl::StrCat(follower.name, ", which went on from ", *stream.from, ", was told ", entry,
                                     " in place of ", next < due.size() ? due[next] : "nothing"));
        next = due.size() + 1;
        break;
      }
      if (next < due.size()) {
        wrong.push_back(
            absl::StrCat(follower.name, ", which went on from ", *stream.from, ", was not told ", due[next]));
      }
    }
  }
  return wrong;
}

std::vector<std::string> WatchValidators::NotDue() const {
  std::vector<std::string> wrong;
  for (const Follower& follower : history_.followers) {
    const auto due = Due(follower, 0, std::numeric_limits<int64_t>::max());
    const absl::flat_hash_set<std::string> names(due.begin(), due.end());
    for (const ToldStream& stream : follower.streams) {
      for (const Told& told : stream.told) {
        if (!told.step || names.contains(told.step->log_entry.name())) continue;
        wrong.push_back(
            absl::StrCat(follower.name, " was told ", told.step->log_entry.name(), ", which it was not to be told"));
      }
    }
  }
  return wrong;
}

std::vector<std::string> WatchValidators::NotAsClaimed() const {
  std::vector<std::string> wrong;
  for (const Follower& follower : history_.followers) {
    int64_t claimed = 0;
    for (const ToldStream& stream : follower.streams) {
      for (const Told& told : stream.told) {
        if (told.step) {
          const std::string& entry = told.step->log_entry.name();
          const int64_t place = PlaceFor(follower, entry);
          if (place <= claimed) {
            wrong.push_back(absl::StrCat(follower.name, " was told ", entry, " after it had been told all up to ",
                                         claimed, ", it was said"));
          }
          if (told.position != place) {
            wrong.push_back(absl::StrCat(follower.name, " was told ", entry, " with the position ", told.position));
          }
        } else if (told.position < claimed) {
          wrong.push_back(absl::StrCat(follower.name, " was told that it is at ", told.position, " after ", claimed));
        }
        claimed = std::max(claimed, told.position);
      }
    }
    const auto log = history_.logs.find(follower.event);
    const size_t end = follower.event.empty()       ? history_.order.size()
                       : log == history_.logs.end() ? 0
                                                    : log->second.size();
    if (claimed > static_cast<int64_t>(end)) {
      wrong.push_back(absl::StrCat(follower.name, " was told that it is at ", claimed, " of ", end));
    }
  }
  return wrong;
}

}  // namespace parley::test
