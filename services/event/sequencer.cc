#include "services/event/sequencer.h"

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "common/log/log.h"
#include "common/status/status.h"

namespace parley::event {
namespace {

// A checkpoint is to be there within a second; each of them costs two commits.
constexpr absl::Duration kInterval = absl::Milliseconds(200);
// After a long pause very many entries wait, and become leaves in one statement.
constexpr absl::Duration kStepTime = absl::Minutes(10);
// How often the log says that it still does not work.
constexpr absl::Duration kComplaint = absl::Minutes(1);

// What is to be put on file and published.
struct Signed {
  std::string origin;
  data::PublishedCheckpoint checkpoint;
  bool more = false;  // leaves are left over, or may be
};

}  // namespace

absl::Duration Sequencer::Run() {
  const absl::Time start = absl::Now();
  const auto more = Step();
  const std::string error = more.ok() ? "" : std::string(more.status().message());
  if (error != complaint_ || (!error.empty() && start >= complain_again_)) {
    if (error.empty()) {
      Log(LogLevel::kInfo, "checkpoints are signed again");
    } else if (absl::IsDataLoss(more.status())) {
      Log(LogLevel::kError,
          "no checkpoint is signed: the log in the database is not the one that was signed before. Verify it, and "
          "where the database was restored from a copy, begin a new log by parleyctl log new-origin",
          {{"error", error}});
    } else {
      Log(LogLevel::kWarning, "no checkpoint is signed", {{"error", error}});
    }
    complaint_ = error;
    complain_again_ = start + kComplaint;
  }
  return more.ok() && *more ? absl::ZeroDuration() : start + kInterval - absl::Now();
}

absl::Status Sequencer::CheckGrownFrom(const std::string& note, const data::TreeHead& head,
                                       const data::LogTree& tree) const {
  const auto last = tlog::Open(note, key_.VerifierKey(head.origin));
  if (!last.ok()) return absl::DataLossError(absl::StrCat("the last checkpoint: ", last.status().message()));
  if (head.size < last->size) {
    return absl::DataLossError(absl::StrCat("the database has ", head.size, " leaves, ", last->size, " were signed"));
  }
  PARLEY_ASSIGN_OR_RETURN(const std::string root, tlog::Root(tree, last->size));
  if (root == last->root) return absl::OkStatus();
  return absl::DataLossError(absl::StrCat("the first ", last->size, " leaves are not those that were signed"));
}

absl::StatusOr<bool> Sequencer::Step() {
  // Also the file is only written by who holds the head: of processes that share it, the slower one would put it back.
  const auto grow = [this](data::Transaction& tx) -> absl::StatusOr<std::optional<Signed>> {
    data::LogTree tree(tx);
    PARLEY_ASSIGN_OR_RETURN(const auto head, tree.TryLock());
    if (!head) return std::nullopt;
    PARLEY_ASSIGN_OR_RETURN(const auto on_file, file_.Read(head->origin));
    if (on_file) PARLEY_RETURN_IF_ERROR(CheckGrownFrom(*on_file, *head, tree));
    if (!on_file && head->checkpoint) {
      Log(LogLevel::kWarning, "there is no checkpoint of this log on file: the database is taken at its word",
          {{"origin", head->origin}});
    }
    // Others may have signed since, and be gone with their files.
    if (head->checkpoint && head->checkpoint->note != on_file) {
      PARLEY_RETURN_IF_ERROR(CheckGrownFrom(head->checkpoint->note, *head, tree));
    }
    PARLEY_RETURN_IF_ERROR(tree.Sequence());
    PARLEY_ASSIGN_OR_RETURN(const int64_t size, tree.Grow(head->size));
    if (head->checkpoint && head->checkpoint->size >= size) {
      // What another has signed: a database from before it is to be refused here too.
      if (head->checkpoint->note != on_file) {
        PARLEY_RETURN_IF_ERROR(file_.Write(head->origin, head->checkpoint->note));
      }
      return std::nullopt;
    }
    PARLEY_ASSIGN_OR_RETURN(const std::string root, tlog::Root(tree, size));
    const auto note = key_.Sign({head->origin, size, root});
    if (!note.ok()) return absl::DataLossError(std::string(note.status().message()));
    return Signed{head->origin,
                  {*note, key_.VerifierKey(head->origin), size, absl::Time()},
                  size - head->size == data::LogTree::kMaxGrowth};
  };
  PARLEY_ASSIGN_OR_RETURN(const auto grown, data::Transact(pool_, absl::Now() + kStepTime, grow));
  if (!grown) return false;
  // Only what is committed may go on file: what is not could still be lost, and another tree grow in its place.
  return data::Transact(pool_, absl::Now() + kStepTime, [&](data::Transaction& tx) -> absl::StatusOr<bool> {
    data::LogTree tree(tx);
    PARLEY_ASSIGN_OR_RETURN(const data::TreeHead head, tree.Lock());
    // Another has been quicker, or a new log has begun.
    if (head.origin != grown->origin || (head.checkpoint && head.checkpoint->size >= grown->checkpoint.size))
      return grown->more;
    PARLEY_ASSIGN_OR_RETURN(const auto on_file, file_.Read(grown->origin));
    const auto last = tlog::Parse(on_file.value_or(""));
    if (!last.ok() || last->size < grown->checkpoint.size) {
      PARLEY_RETURN_IF_ERROR(file_.Write(grown->origin, grown->checkpoint.note));
    }
    PARLEY_RETURN_IF_ERROR(tree.Publish(grown->origin, grown->checkpoint));
    return grown->more;
  });
}

}  // namespace parley::event
