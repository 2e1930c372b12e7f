#include "common/tlog/merkle.h"

#include <openssl/evp.h>

#include <algorithm>
#include <bit>
#include <cstdlib>
#include <utility>

namespace parley::tlog {

namespace {

constexpr size_t kHashSize = 32;
constexpr int64_t kFoldedNodes = 1 << kHeightStep;

// Half as long as SHA256() takes, since OpenSSL looks up the algorithm only once.
std::string Sha256(std::string_view prefix, std::string_view first, std::string_view second) {
  static const EVP_MD* const algorithm = EVP_MD_fetch(nullptr, "SHA256", nullptr);
  std::string text;
  text.reserve(prefix.size() + first.size() + second.size());
  text.append(prefix).append(first).append(second);
  std::string hash(kHashSize, 0);
  // A tree with wrong hashes would be worse than none.
  if (EVP_Digest(text.data(), text.size(), reinterpret_cast<unsigned char*>(hash.data()), nullptr, algorithm,
                 nullptr) != 1) {
    std::abort();
  }
  return hash;
}

// Where RFC 6962 divides a tree of `size` > 1 leaves: the largest power of two less than that.
int64_t LeftSize(int64_t size) { return static_cast<int64_t>(std::bit_floor(static_cast<uint64_t>(size - 1))); }

// The root of the 2^height leaves from `begin` on, a multiple of as many.
absl::StatusOr<std::string> CompleteRoot(const Nodes& nodes, int height, int64_t begin) {
  const int kept_height = height - height % kHeightStep;
  const int64_t count = int64_t{1} << (height - kept_height);
  const auto kept = nodes.Read(kept_height, begin >> kept_height, count);
  if (!kept.ok()) return kept.status();
  if (static_cast<int64_t>(kept->size()) != count) return absl::DataLossError("nodes of the tree are missing");
  return Fold(*kept);
}

// The root of `size` > 0 leaves from `begin` on, a multiple of a power of two that is at least `size`. These are
// complete trees, from large to small, one for each bit of `size`.
absl::StatusOr<std::string> RootOf(const Nodes& nodes, int64_t begin, int64_t size) {
  std::vector<std::string> roots;
  for (uint64_t rest = static_cast<uint64_t>(size); rest != 0; rest -= std::bit_floor(rest)) {
    auto root = CompleteRoot(nodes, std::bit_width(rest) - 1, begin + size - static_cast<int64_t>(rest));
    if (!root.ok()) return root.status();
    roots.push_back(*std::move(root));
  }
  std::string root = std::move(roots.back());
  for (size_t i = roots.size() - 1; i > 0; --i) root = NodeHash(roots[i - 1], root);
  return root;
}

// From the subtree of `size` leaves from `begin` on to that half of it in which the leaf is. The other goes to the
// proof.
absl::Status StepDown(const Nodes& nodes, int64_t leaf, int64_t& begin, int64_t& size,
                      std::vector<std::string>& proof) {
  const int64_t left = LeftSize(size);
  const bool in_left = leaf < begin + left;
  auto other = in_left ? RootOf(nodes, begin + left, size - left) : RootOf(nodes, begin, left);
  if (!other.ok()) return other.status();
  proof.push_back(*std::move(other));
  if (!in_left) begin += left;
  size = in_left ? left : size - left;
  return absl::OkStatus();
}

absl::Status NotProved() { return absl::DataLossError("the proof does not prove it"); }

bool AreHashes(absl::Span<const std::string> proof) {
  return std::ranges::all_of(proof, [](const std::string& hash) { return hash.size() == kHashSize; });
}

}  // namespace

std::string LeafHash(std::string_view entry) { return Sha256({"\0", 1}, entry, ""); }

std::string NodeHash(std::string_view left, std::string_view right) { return Sha256("\1", left, right); }

std::string EmptyRoot() { return Sha256("", "", ""); }

absl::StatusOr<std::string> Root(const Nodes& nodes, int64_t size) {
  if (size < 0) return absl::InvalidArgumentError("no tree has this size");
  return size == 0 ? EmptyRoot() : RootOf(nodes, 0, size);
}

absl::StatusOr<std::vector<std::string>> InclusionProof(const Nodes& nodes, int64_t index, int64_t size) {
  if (index < 0 || index >= size) return absl::InvalidArgumentError("no leaf of the tree has this index");
  std::vector<std::string> proof;
  int64_t begin = 0;
  while (size > 1) {
    if (auto status = StepDown(nodes, index, begin, size, proof); !status.ok()) return status;
  }
  std::ranges::reverse(proof);
  return proof;
}

absl::StatusOr<std::vector<std::string>> ConsistencyProof(const Nodes& nodes, int64_t first, int64_t second) {
  if (first < 0 || first > second) return absl::InvalidArgumentError("no tree of this size is at its beginning");
  std::vector<std::string> proof;
  if (first == 0) return proof;
  // Down along the end of the first tree, to a subtree that ends there too.
  int64_t begin = 0;
  int64_t size = second;
  while (begin + size != first) {
    if (auto status = StepDown(nodes, first - 1, begin, size, proof); !status.ok()) return status;
  }
  // Where that is all of the first tree, its root is known.
  if (begin != 0) {
    auto last = RootOf(nodes, begin, size);
    if (!last.ok()) return last.status();
    proof.push_back(*std::move(last));
  }
  std::ranges::reverse(proof);
  return proof;
}

// The steps and names of RFC 9162, 2.1.3.2.
absl::Status CheckInclusion(std::string_view leaf_hash, int64_t index, int64_t size,
                            absl::Span<const std::string> proof, std::string_view root) {
  if (index < 0 || index >= size || leaf_hash.size() != kHashSize || !AreHashes(proof)) return NotProved();
  int64_t fn = index;
  int64_t sn = size - 1;
  std::string r(leaf_hash);
  for (const std::string& p : proof) {
    if (sn == 0) return NotProved();
    if (fn % 2 == 1 || fn == sn) {
      r = NodeHash(p, r);
      for (; fn % 2 == 0 && fn != 0; fn /= 2) sn /= 2;
    } else {
      r = NodeHash(r, p);
    }
    fn /= 2;
    sn /= 2;
  }
  return sn == 0 && r == root ? absl::OkStatus() : NotProved();
}

// The steps and names of RFC 9162, 2.1.4.2.
absl::Status CheckConsistency(int64_t first, std::string_view first_root, int64_t second, std::string_view second_root,
                              absl::Span<const std::string> proof) {
  if (first < 0 || first > second || first_root.size() != kHashSize || second_root.size() != kHashSize ||
      !AreHashes(proof)) {
    return NotProved();
  }
  // Of these the RFC does not speak.
  if (first == 0 && first_root != EmptyRoot()) return NotProved();
  if (first == second && first_root != second_root) return NotProved();
  if (first == 0 || first == second) return proof.empty() ? absl::OkStatus() : NotProved();

  if (proof.empty()) return NotProved();
  int64_t fn = first - 1;
  int64_t sn = second - 1;
  for (; fn % 2 == 1; fn /= 2) sn /= 2;
  std::string fr(first_root);
  // Otherwise the first tree is complete, and its root is not in the proof.
  if (!std::has_single_bit(static_cast<uint64_t>(first))) {
    fr = proof.front();
    proof.remove_prefix(1);
  }
  std::string sr = fr;
  for (const std::string& c : proof) {
    if (sn == 0) return NotProved();
    if (fn % 2 == 1 || fn == sn) {
      fr = NodeHash(c, fr);
      sr = NodeHash(c, sr);
      for (; fn % 2 == 0 && fn != 0; fn /= 2) sn /= 2;
    } else {
      sr = NodeHash(sr, c);
    }
    fn /= 2;
    sn /= 2;
  }
  return sn == 0 && fr == first_root && sr == second_root ? absl::OkStatus() : NotProved();
}

std::string Fold(absl::Span<const std::string> nodes) {
  if (nodes.size() == 1) return nodes.front();
  std::vector<std::string> above;
  above.reserve(nodes.size() / 2);
  for (size_t i = 0; i + 1 < nodes.size(); i += 2) above.push_back(NodeHash(nodes[i], nodes[i + 1]));
  return Fold(above);
}

void GrowingRoot::Append(std::string leaf_hash) {
  complete_.push_back(std::move(leaf_hash));
  for (int64_t size = size_++; (size & 1) != 0; size >>= 1) {
    const std::string right = std::move(complete_.back());
    complete_.pop_back();
    complete_.back() = NodeHash(complete_.back(), right);
  }
}

std::string GrowingRoot::Root() const {
  if (complete_.empty()) return EmptyRoot();
  std::string root = complete_.back();
  for (size_t i = complete_.size() - 1; i > 0; --i) root = NodeHash(complete_[i - 1], root);
  return root;
}

void MemoryNodes::Append(std::string leaf_hash) {
  std::string node = std::move(leaf_hash);
  for (size_t level = 0;; ++level) {
    if (level == levels_.size()) levels_.emplace_back();
    auto& nodes = levels_[level];
    nodes.push_back(std::move(node));
    if (nodes.size() % kFoldedNodes != 0) return;
    node = Fold(absl::MakeConstSpan(nodes).last(kFoldedNodes));
  }
}

absl::StatusOr<std::vector<std::string>> MemoryNodes::Read(int height, int64_t first, int64_t count) const {
  const size_t level = static_cast<size_t>(height / kHeightStep);
  if (height < 0 || height % kHeightStep != 0 || level >= levels_.size()) {
    return absl::DataLossError("no nodes are at this height");
  }
  const auto& nodes = levels_[level];
  const int64_t size = static_cast<int64_t>(nodes.size());
  if (first < 0 || count < 0 || count > size || first > size - count) {
    return absl::DataLossError("the nodes are not there");
  }
  return std::vector<std::string>(nodes.begin() + first, nodes.begin() + first + count);
}

}  // namespace parley::tlog
