// Whether what clients were told, who followed events while things broke, is what watches promise; after the validators
// of etcd's robustness tests. They work on a history: all that each client was told, and, read when all was quiet, what
// had happened.
//
//   const WatchValidators validators(history);
//   EXPECT_THAT(validators.NotOrdered(), IsEmpty());
//   EXPECT_THAT(validators.NotUnique(), IsEmpty());
//   ...
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/time/time.h"
#include "parley/event/v1/event_service.pb.h"

namespace parley::test {

// An entry, and the event as it is said to have stood after it.
struct ToldStep {
  event::v1::LogEntry log_entry;
  event::v1::Event event;
};

// One message. Positions are numbers of entries: of the event's log (the sequence), or of all logs in their order (with
// which a cursor begins).
struct Told {
  absl::Time time;
  int64_t position = 0;                  // all up to here was told, it says
  std::shared_ptr<const ToldStep> step;  // null where it says only this
};

struct ToldStream {
  std::optional<int64_t> from;  // entries after this one were asked for; nothing: only new ones
  std::vector<Told> told;
  std::string end;  // how it ended, for whoever reads the story
};

// A client that follows one event or all that it may see.
struct Follower {
  std::string name;
  std::string event = "";                                      // `events/{event}`; empty: all
  std::string party = "";                                      // whose events; empty: of everybody
  std::set<event::v1::LogEntry::Occurrence> occurrences = {};  // empty: all
  std::vector<ToldStream> streams = {};  // after the first, each from the last position of those before
};

// A change that a caller was told to have been made: the answer, or what else is known of it.
struct Acknowledged {
  std::string event;                            // `events/{event}`
  std::optional<event::v1::Event> answer = {};  // as it stood after the change
  std::string notification = "";                // that was made
  bool deleted = false;
};

struct WatchHistory {
  std::vector<Follower> followers;
  std::vector<Acknowledged> acknowledged;
  std::map<std::string, std::vector<event::v1::LogEntry>> logs;  // by event, whole
  std::vector<std::string> order;                                // the names of all entries, in the order of the tree
};

// Each answers with what is wrong, a line for each entry. Nobody must have been erased.
class WatchValidators {
 public:
  // `history` must outlive it.
  explicit WatchValidators(const WatchHistory& history);

  // Within a stream sequences of an event rise one by one, and entries come in the order of all logs.
  std::vector<std::string> NotOrdered() const;
  // No entry comes twice to a client, however often it resumed.
  std::vector<std::string> NotUnique() const;
  // An entry is the one on the log, and comes with the event as it stood after it, as the log tells and as others were
  // told; of the two entries of a reopening none comes without the other.
  std::vector<std::string> NotAtomic() const;
  // Nothing is missing between where a client began and what it was told last, and each change that was acknowledged
  // was told.
  std::vector<std::string> NotReliable() const;
  // A stream that goes on from somewhere tells exactly what follows there.
  std::vector<std::string> NotResumable() const;
  // Nobody is told what he may not see, or has not asked for.
  std::vector<std::string> NotDue() const;
  // What a message says of how far the stream is holds: nothing up to there comes later.
  std::vector<std::string> NotAsClaimed() const;

 private:
  struct Place {
    int64_t of_all;    // in the order of all logs, from 1 on
    int64_t of_event;  // in the event's log: the sequence
  };
  struct Teller {
    const Follower* follower;
    const ToldStep* step;
  };
  using PlacesByEntry = absl::flat_hash_map<std::string, Place>;

  // Where it stands for this client; 0 where it stands nowhere.
  int64_t PlaceFor(const Follower& follower, const std::string& entry) const;
  // The entries that this client is to be told, of the places after `from` up to `to`.
  std::vector<std::string> Due(const Follower& follower, int64_t from, int64_t to) const;
  bool MaySee(const Follower& follower, const std::string& event) const;

  const WatchHistory& history_;
  PlacesByEntry places_;
  absl::flat_hash_map<std::string, const event::v1::LogEntry*> entries_;
  // What was told of each entry, where it differs each of it.
  absl::flat_hash_map<std::string, std::vector<Teller>> told_;
};

}  // namespace parley::test
