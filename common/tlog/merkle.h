// A Merkle tree over a log, as RFC 6962 defines it (2.1): how its root, its proofs of inclusion and of consistency are
// computed, and how they are checked. Where the tree's nodes are kept is not known here. Hashes are SHA-256, 32 bytes.
// Everything is thread-safe as far as the Nodes are.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"

namespace parley::tlog {

inline constexpr int kHeightStep = 8;

// Of an entry, whatever it consists of; of a node, by its children; of a tree without entries.
std::string LeafHash(std::string_view entry);
std::string NodeHash(std::string_view left, std::string_view right);
std::string EmptyRoot();

// The nodes of a growing tree that are kept: at the heights 0 (the leaves), 8, 16 ..., each as soon as all of the
// 2^height leaves below it are there. The others are computed from these.
class Nodes {
 public:
  virtual ~Nodes() = default;
  // The nodes at `height`, from the one at `first` on; the one at p is above the leaves from p * 2^height on.
  // Exactly `count` (1 to 256) of them, 32 bytes each; DATA_LOSS where they are not there.
  virtual absl::StatusOr<std::vector<std::string>> Read(int height, int64_t first, int64_t count) const = 0;
};

// What follows reads no more than it needs, and fails as reading does, or with INVALID_ARGUMENT where no tree has such
// sizes or indexes.

// The root of the tree's first `size` leaves, which are there.
absl::StatusOr<std::string> Root(const Nodes& nodes, int64_t size);

// That the leaf at `index` is in the tree of `size` leaves (2.1.1): 0 <= index < size.
absl::StatusOr<std::vector<std::string>> InclusionProof(const Nodes& nodes, int64_t index, int64_t size);

// That the tree of `second` leaves begins with that of `first` (2.1.2): 0 <= first <= second. Empty for 0 and for equal
// sizes.
absl::StatusOr<std::vector<std::string>> ConsistencyProof(const Nodes& nodes, int64_t first, int64_t second);

// DATA_LOSS where the proof does not prove it, whatever is given.
absl::Status CheckInclusion(std::string_view leaf_hash, int64_t index, int64_t size,
                            absl::Span<const std::string> proof, std::string_view root);
absl::Status CheckConsistency(int64_t first, std::string_view first_root, int64_t second, std::string_view second_root,
                              absl::Span<const std::string> proof);

// The kept node above 256 kept ones of the next lower height.
std::string Fold(absl::Span<const std::string> nodes);

// The root of a growing tree whose nodes nobody needs any more.
class GrowingRoot {
 public:
  void Append(std::string leaf_hash);
  int64_t size() const { return size_; }
  std::string Root() const;

 private:
  int64_t size_ = 0;
  std::vector<std::string> complete_;  // the roots of complete trees, from large to small, one for each bit of size_
};

// All kept nodes of a tree, in memory.
class MemoryNodes final : public Nodes {
 public:
  void Append(std::string leaf_hash);
  int64_t size() const { return levels_.empty() ? 0 : static_cast<int64_t>(levels_.front().size()); }
  absl::StatusOr<std::vector<std::string>> Read(int height, int64_t first, int64_t count) const override;

 private:
  std::vector<std::vector<std::string>> levels_;  // at the heights 0, 8, 16 ...
};

}  // namespace parley::tlog
