// The kinds of calls that are measured: what they ask for, and whether they are given it.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "tests/bench/load_call.h"
#include "tests/bench/load_events.h"

namespace parley::bench {

class Kind {
 public:
  explicit Kind(std::string path) : path_(std::move(path)) {}
  virtual ~Kind() = default;

  // `/package.Service/Method`
  const std::string& path() const { return path_; }
  // Writes the request of a new call. An error where there is nothing to be asked for.
  virtual absl::Status Ask(Call& call) = 0;
  // The call is over. An error where it failed, or the answer is not what was asked for.
  virtual absl::Status Take(const Call& call) = 0;

 private:
  const std::string path_;
};

// GetUser, of the caller, whose address is put into `address`.
std::unique_ptr<Kind> MakeWhoAmI(std::string& address);

// CreateEvent: the caller and two other ones of `users` users, three slots. Where `made` is not null the events that
// are made are put there, and users are taken in their turn, so that all are known from then on.
std::unique_ptr<Kind> MakeCreate(const std::string& caller, int users, std::vector<KnownEvent>* made);

// Of random ones of the events, of which there must be some:
std::unique_ptr<Kind> MakeGet(std::span<const KnownEvent> events);
// ConfirmEvent, by a caller who is a party: each call writes an entry, and leaves the event open and its etag as it is.
std::unique_ptr<Kind> MakeConfirm(std::span<const KnownEvent> events);
// The first page, of 50 entries; where `entries` is not 0, of logs that have as many.
std::unique_ptr<Kind> MakeList(std::span<const KnownEvent> events, int entries);
// UpdateEvent, with three new slots: never two calls at once of one event. Keeps the etags.
std::unique_ptr<Kind> MakeUpdate(std::span<KnownEvent> events);

// Echo, of the test-only service in echo.proto, of 100 bytes.
std::unique_ptr<Kind> MakeEcho();

}  // namespace parley::bench
