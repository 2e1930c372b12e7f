// The logs in the database as an export tells them. In one snapshot, so that nothing comes in between.
#pragma once

#include <functional>

#include "common/data/log_tree.h"
#include "services/parleyctl/log_export.h"
#include "services/parleyctl/log_verifier.h"

namespace parley::ctl {

// Who takes the lines of an export; an error ends the reading.
struct ExportSink {
  std::function<absl::Status(const ExportEntry&)> entry;
  std::function<absl::Status(const data::NamedUser&)> person;
};

// Within one transaction at Isolation::kSnapshot, which must outlive it.
class LogReader {
 public:
  explicit LogReader(data::Transaction& tx) : tx_(tx), tree_(tx) {}

  // Of all logs or of one event. FAILED_PRECONDITION before the first checkpoint, and where the tree is smaller than
  // the older one.
  absl::StatusOr<ExportHeader> ReadHeader(const std::optional<Uuid>& event_id, const std::optional<Older>& older);
  // Its entries and people. NOT_FOUND where nothing was ever known of the event.
  absl::Status Read(const ExportHeader& header, const ExportSink& sink);
  // That each event that was verified is there, and its row ends where its log ends. DATA_LOSS, naming the entry.
  absl::Status CheckEvents(const LogVerifier& verifier);
  // That the nodes of the tree are what its leaves make. DATA_LOSS.
  absl::Status CheckNodes();

 private:
  absl::Status ReadTree(int64_t checkpoint_size, const ExportSink& sink);
  absl::Status ReadBehindTree(const ExportSink& sink);
  absl::Status ReadPeople(const ExportSink& sink);
  absl::Status ReadEvent(const Uuid& event_id, int64_t checkpoint_size, const ExportSink& sink);

  data::Transaction& tx_;
  const data::LogTree tree_;
};

}  // namespace parley::ctl
