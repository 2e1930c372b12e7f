#include "common/tlog/merkle.h"

#include <gtest/gtest.h>
#include <openssl/sha.h>

#include <array>
#include <limits>
#include <map>
#include <random>
#include <set>
#include <tuple>

#include "absl/strings/escaping.h"

namespace parley::tlog {
namespace {

using Proof = std::vector<std::string>;

constexpr auto kDataLoss = absl::StatusCode::kDataLoss;
constexpr auto kInvalidArgument = absl::StatusCode::kInvalidArgument;

std::string Sha256(const std::string& text) {
  std::array<unsigned char, SHA256_DIGEST_LENGTH> hash;
  SHA256(reinterpret_cast<const unsigned char*>(text.data()), text.size(), hash.data());
  return {reinterpret_cast<const char*>(hash.data()), hash.size()};
}

// RFC 6962, 2.1, word by word, over the hashes of leaves. A tree is here that of the leaves [begin, end).
class Reference {
 public:
  explicit Reference(std::vector<std::string> leaves) : leaves_(std::move(leaves)) {}

  std::string Root(int64_t begin, int64_t end) {
    if (begin == end) return Sha256("");
    if (begin + 1 == end) return leaves_[static_cast<size_t>(begin)];
    std::string& root = roots_[{begin, end}];
    if (root.empty()) {
      const int64_t middle = Middle(begin, end);
      root = Sha256("\1" + Root(begin, middle) + Root(middle, end));
    }
    return root;
  }

  Proof Path(int64_t index, int64_t begin, int64_t end) {
    if (begin + 1 == end) return {};
    const int64_t middle = Middle(begin, end);
    return index < middle ? With(Path(index, begin, middle), Root(middle, end))
                          : With(Path(index, middle, end), Root(begin, middle));
  }

  Proof Subproof(int64_t first, int64_t begin, int64_t end, bool known) {
    if (first == end) return known ? Proof() : Proof{Root(begin, end)};
    const int64_t middle = Middle(begin, end);
    return first <= middle ? With(Subproof(first, begin, middle, known), Root(middle, end))
                           : With(Subproof(first, middle, end, false), Root(begin, middle));
  }

 private:
  static int64_t Middle(int64_t begin, int64_t end) {
    int64_t left = 1;
    while (2 * left < end - begin) left *= 2;
    return begin + left;
  }
  static Proof With(Proof proof, const std::string& last) {
    proof.push_back(last);
    return proof;
  }

  std::vector<std::string> leaves_;
  std::map<std::pair<int64_t, int64_t>, std::string> roots_;
};

std::vector<std::string> MakeLeaves(int64_t size) {
  std::vector<std::string> leaves;
  for (int64_t i = 0; i < size; ++i) leaves.push_back(LeafHash("entry " + std::to_string(i)));
  return leaves;
}

MemoryNodes MakeNodes(const std::vector<std::string>& leaves) {
  MemoryNodes nodes;
  for (const std::string& leaf : leaves) nodes.Append(leaf);
  return nodes;
}

// Of more leaves than there could be otherwise: all are alike but one. Notes what is read.
class AlikeNodes final : public Nodes {
 public:
  AlikeNodes(int64_t size, int64_t odd_index) : size_(size), odd_index_(odd_index) {
    alike_[0] = LeafHash("alike");
    odd_[0] = LeafHash("odd");
    for (size_t height = 1; height < alike_.size(); ++height) {
      const std::string& alike = alike_[height - 1];
      const std::string& odd = odd_[height - 1];
      alike_[height] = NodeHash(alike, alike);
      odd_[height] = (odd_index >> (height - 1)) % 2 == 1 ? NodeHash(alike, odd) : NodeHash(odd, alike);
    }
  }

  std::string Node(int height, int64_t position) const {
    return (position == odd_index_ >> height ? odd_ : alike_)[static_cast<size_t>(height)];
  }

  absl::StatusOr<std::vector<std::string>> Read(int height, int64_t first, int64_t count) const override {
    EXPECT_EQ(height % kHeightStep, 0);
    EXPECT_GE(count, 1);
    EXPECT_LE(count, 256);
    EXPECT_LE((first + count) << height, size_) << "was not there yet";
    reads.emplace_back(height, first, count);
    std::vector<std::string> nodes;
    for (int64_t i = 0; i < count; ++i) nodes.push_back(Node(height, first + i));
    return nodes;
  }

  mutable std::vector<std::tuple<int, int64_t, int64_t>> reads;

 private:
  const int64_t size_, odd_index_;
  std::array<std::string, 49> alike_, odd_;
};

// That `check` is content with this proof and with none that is like it.
template <class Check>
void ExpectNoOther(const Proof& proof, Check check) {
  EXPECT_EQ(check(proof), absl::OkStatus());
  for (size_t i = 0; i < proof.size(); ++i) {
    for (size_t bit = 0; bit < 8 * proof[i].size(); ++bit) {
      Proof flipped = proof;
      flipped[i][bit / 8] = static_cast<char>(flipped[i][bit / 8] ^ (1 << bit % 8));
      EXPECT_EQ(check(flipped).code(), kDataLoss) << i << " " << bit;
    }
    Proof without = proof;
    without.erase(without.begin() + static_cast<ptrdiff_t>(i));
    EXPECT_EQ(check(without).code(), kDataLoss) << i;
    const std::string& hash = proof[i];
    for (const std::string& other : {std::string(), hash.substr(1), hash.substr(0, 31), hash + '\0', hash + hash}) {
      Proof replaced = proof;
      replaced[i] = other;
      EXPECT_EQ(check(replaced).code(), kDataLoss) << i;
    }
    for (size_t j = 0; j < i; ++j) {
      Proof swapped = proof;
      std::swap(swapped[i], swapped[j]);
      EXPECT_EQ(check(swapped).code(), kDataLoss) << i << " " << j;
    }
  }
  std::vector<std::string> more = {LeafHash("other"), std::string(32, 0), std::string()};
  more.insert(more.end(), proof.begin(), proof.end());
  for (size_t i = 0; i <= proof.size(); ++i) {
    for (const std::string& hash : more) {
      Proof longer = proof;
      longer.insert(longer.begin() + static_cast<ptrdiff_t>(i), hash);
      EXPECT_EQ(check(longer).code(), kDataLoss) << i;
    }
  }
}

void ExpectInclusion(const Nodes& nodes, Reference& reference, int64_t index, int64_t size) {
  const auto proof = InclusionProof(nodes, index, size);
  ASSERT_TRUE(proof.ok()) << proof.status();
  EXPECT_EQ(*proof, reference.Path(index, 0, size)) << index << " of " << size;
  EXPECT_EQ(CheckInclusion(reference.Root(index, index + 1), index, size, *proof, reference.Root(0, size)),
            absl::OkStatus())
      << index << " of " << size;
}

void ExpectConsistency(const Nodes& nodes, Reference& reference, int64_t first, int64_t second) {
  const auto proof = ConsistencyProof(nodes, first, second);
  ASSERT_TRUE(proof.ok()) << proof.status();
  EXPECT_EQ(*proof, first == 0 ? Proof() : reference.Subproof(first, 0, second, true)) << first << " " << second;
  EXPECT_EQ(CheckConsistency(first, reference.Root(0, first), second, reference.Root(0, second), *proof),
            absl::OkStatus())
      << first << " " << second;
}

// The entries of the tests of certificate-transparency, and the roots of their trees.
TEST(MerkleTest, ReferenceVectors) {
  const char* entries[] = {
      "", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"};
  const char* roots[] = {"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
                         "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
                         "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
                         "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
                         "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
                         "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
                         "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
                         "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
                         "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328"};
  MemoryNodes nodes;
  EXPECT_EQ(*Root(nodes, 0), EmptyRoot());
  EXPECT_EQ(EmptyRoot(), absl::HexStringToBytes(roots[0]));
  for (const char* entry : entries) {
    nodes.Append(LeafHash(absl::HexStringToBytes(entry)));
    EXPECT_EQ(*Root(nodes, nodes.size()), absl::HexStringToBytes(roots[nodes.size()])) << nodes.size();
  }
}

TEST(MerkleTest, EntriesAndNodesHashDifferently) {
  const std::string left = LeafHash("left"), right = LeafHash("right");
  EXPECT_EQ(LeafHash("left"), Sha256(std::string("\0left", 5)));
  EXPECT_EQ(NodeHash(left, right), Sha256("\1" + left + right));
  EXPECT_NE(NodeHash(left, right), LeafHash(left + right));
  const std::string large(1 << 20, 'x');
  EXPECT_EQ(LeafHash(large), Sha256('\0' + large));
}

TEST(MerkleTest, EverySmallTree) {
  constexpr int64_t kSize = 70;
  const auto leaves = MakeLeaves(kSize);
  const MemoryNodes nodes = MakeNodes(leaves);
  Reference reference(leaves);
  for (int64_t size = 0; size <= kSize; ++size) {
    EXPECT_EQ(*Root(nodes, size), reference.Root(0, size)) << size;
    for (int64_t index = 0; index < size; ++index) ExpectInclusion(nodes, reference, index, size);
    for (int64_t first = 0; first <= size; ++first) ExpectConsistency(nodes, reference, first, size);
  }
}

TEST(MerkleTest, TreesAroundTheKeptHeights) {
  const auto leaves = MakeLeaves(65536 + 259);
  const MemoryNodes nodes = MakeNodes(leaves);
  Reference reference(leaves);
  std::mt19937_64 random(1);
  for (const int64_t size :
       {127, 128, 129,   254,   255,   256,   257,       258,         511,         512,         513,
        767, 768, 32768, 65535, 65536, 65537, 65536 + 3, 65536 + 255, 65536 + 256, 65536 + 257, 65536 + 259}) {
    EXPECT_EQ(*Root(nodes, size), reference.Root(0, size)) << size;
    std::set<int64_t> sample = {0,         1,         2,         127,          128,          255,
                                256,       257,       511,       512,          65535,        65536,
                                65536 + 1, 65536 + 2, 65536 + 3, 65536 + 255,  65536 + 256,  65536 + 258,
                                size / 2,  size - 3,  size - 2,  size / 2 + 1, size / 3 + 1, size - 1};
    for (int i = 0; i < 20; ++i) sample.insert(static_cast<int64_t>(random() % static_cast<uint64_t>(size)));
    for (const int64_t index : sample) {
      if (index >= size) break;
      ExpectInclusion(nodes, reference, index, size);
      ExpectConsistency(nodes, reference, index, size);
    }
    ExpectConsistency(nodes, reference, size, size);
  }
}

TEST(MerkleTest, LargeTrees) {
  constexpr int64_t kLarge = int64_t{1} << 40;
  for (const int64_t size : {kLarge, kLarge - 1, kLarge + 1, kLarge / 2 + 12345, kLarge / 3}) {
    for (const int64_t odd : {int64_t{0}, int64_t{77}, size / 2, size / 5 * 3, size - 2, size - 1}) {
      const AlikeNodes nodes(size, odd);
      const std::string root = *Root(nodes, size);
      if (size == kLarge) {
        EXPECT_EQ(root, nodes.Node(40, 0));
      }
      for (const int64_t index : {odd, odd ^ 1, int64_t{0}, size / 2, size - 1}) {
        if (index >= size) continue;
        const auto proof = InclusionProof(nodes, index, size);
        ASSERT_TRUE(proof.ok()) << proof.status();
        EXPECT_EQ(CheckInclusion(nodes.Node(0, index), index, size, *proof, root), absl::OkStatus());
        const std::string other = nodes.Node(0, index == odd ? odd ^ 1 : odd);
        EXPECT_EQ(CheckInclusion(other, index, size, *proof, root).code(), kDataLoss);
      }
      for (const int64_t first : {int64_t{1}, odd, odd + 1, size / 2, size / 4 + 4321, size - 1, size}) {
        const auto proof = ConsistencyProof(nodes, first, size);
        ASSERT_TRUE(proof.ok()) << proof.status();
        EXPECT_EQ(CheckConsistency(first, *Root(nodes, first), size, root, *proof), absl::OkStatus());
      }
    }
  }
}

TEST(MerkleTest, NoMoreIsReadThanNeeded) {
  using Reads = std::vector<std::tuple<int, int64_t, int64_t>>;
  const AlikeNodes nodes(0x10305, 0);
  ASSERT_TRUE(Root(nodes, 0x10305).ok());
  EXPECT_EQ(nodes.reads, (Reads{{16, 0, 1}, {8, 256, 2}, {8, 258, 1}, {0, 0x10300, 4}, {0, 0x10304, 1}}));

  const AlikeNodes large(int64_t{1} << 40, 0);
  ASSERT_TRUE(InclusionProof(large, 0, int64_t{1} << 40).ok());
  EXPECT_EQ(large.reads.size(), 40u);
  for (const auto& [height, first, count] : large.reads) EXPECT_EQ(first, count) << height;
  large.reads.clear();
  ASSERT_TRUE(ConsistencyProof(large, int64_t{1} << 39, int64_t{1} << 40).ok());
  EXPECT_EQ(large.reads, (Reads{{32, 128, 128}}));
  large.reads.clear();
  ASSERT_TRUE(ConsistencyProof(large, 5, 5).ok());
  ASSERT_TRUE(ConsistencyProof(large, 0, 5).ok());
  ASSERT_TRUE(InclusionProof(large, 0, 1).ok());
  EXPECT_TRUE(large.reads.empty());
}

TEST(MerkleTest, NoOtherProofProvesIt) {
  constexpr int64_t kSize = 17;
  const auto leaves = MakeLeaves(kSize);
  Reference reference(leaves);
  for (int64_t size = 1; size <= kSize; ++size) {
    const std::string root = reference.Root(0, size);
    for (int64_t index = 0; index < size; ++index) {
      const std::string& leaf = leaves[static_cast<size_t>(index)];
      ExpectNoOther(reference.Path(index, 0, size),
                    [&](const Proof& proof) { return CheckInclusion(leaf, index, size, proof, root); });
    }
    for (int64_t first = 1; first <= size; ++first) {
      const std::string first_root = reference.Root(0, first);
      ExpectNoOther(reference.Subproof(first, 0, size, true),
                    [&](const Proof& proof) { return CheckConsistency(first, first_root, size, root, proof); });
    }
  }
}

// Else a leaf could take bytes from its neighbour, and what is hashed would stay the same.
TEST(MerkleTest, AHashHas32Bytes) {
  const auto leaves = MakeLeaves(7);
  Reference reference(leaves);
  Proof proof = reference.Path(1, 0, 7);
  const std::string longer = proof[0].back() + leaves[1];
  proof[0].pop_back();
  EXPECT_EQ(CheckInclusion(longer, 1, 7, proof, reference.Root(0, 7)).code(), kDataLoss);
  EXPECT_EQ(CheckInclusion("short", 0, 1, {}, "short").code(), kDataLoss);

  EXPECT_EQ(CheckConsistency(1, "short", 1, "short", {}).code(), kDataLoss);
}

TEST(MerkleTest, NothingElseIsProved) {
  constexpr int64_t kSize = 33;
  const auto leaves = MakeLeaves(kSize);
  Reference reference(leaves);
  const std::string other = LeafHash("other");
  for (int64_t size = 1; size <= kSize; ++size) {
    const std::string root = reference.Root(0, size);
    for (int64_t index = 0; index < size; ++index) {
      const std::string& leaf = leaves[static_cast<size_t>(index)];
      const Proof proof = reference.Path(index, 0, size);
      for (int64_t wrong = -1; wrong <= size; ++wrong) {
        if (wrong == index) continue;
        EXPECT_EQ(CheckInclusion(leaf, wrong, size, proof, root).code(), kDataLoss) << index << " " << wrong;
      }
      for (const std::string& bad : {other, root.substr(1), root + root, std::string()}) {
        EXPECT_EQ(CheckInclusion(leaf, index, size, proof, bad).code(), kDataLoss);
        EXPECT_EQ(CheckInclusion(bad, index, size, proof, root).code(), kDataLoss);
      }
    }
    for (int64_t first = 1; first <= size; ++first) {
      const std::string first_root = reference.Root(0, first);
      const Proof proof = reference.Subproof(first, 0, size, true);
      for (int64_t wrong = -1; wrong <= size + 1; ++wrong) {
        if (wrong == first) continue;
        EXPECT_EQ(CheckConsistency(wrong, first_root, size, root, proof).code(), kDataLoss) << first << " " << wrong;
      }
      for (const std::string& bad : {other, root.substr(1), root + root, std::string()}) {
        EXPECT_EQ(CheckConsistency(first, first_root, size, bad, proof).code(), kDataLoss);
        EXPECT_EQ(CheckConsistency(first, bad, size, root, proof).code(), kDataLoss);
      }
      if (first != size) {
        EXPECT_EQ(CheckConsistency(first, root, size, root, proof).code(), kDataLoss);
        EXPECT_EQ(CheckConsistency(first, first_root, size, first_root, proof).code(), kDataLoss);
        EXPECT_EQ(CheckConsistency(size, root, first, first_root, proof).code(), kDataLoss);
      }
    }
  }
}

TEST(MerkleTest, ConsistencyWithTheEmptyTreeAndWithItself) {
  const std::string root = LeafHash("entry"), other = LeafHash("other");
  EXPECT_EQ(CheckConsistency(0, EmptyRoot(), 5, root, {}), absl::OkStatus());
  EXPECT_EQ(CheckConsistency(0, EmptyRoot(), 0, EmptyRoot(), {}), absl::OkStatus());
  EXPECT_EQ(CheckConsistency(5, root, 5, root, {}), absl::OkStatus());
  EXPECT_EQ(CheckConsistency(0, root, 5, root, {}).code(), kDataLoss);
  EXPECT_EQ(CheckConsistency(0, root, 0, root, {}).code(), kDataLoss);
  EXPECT_EQ(CheckConsistency(0, EmptyRoot(), 0, root, {}).code(), kDataLoss);
  EXPECT_EQ(CheckConsistency(0, EmptyRoot(), 5, "", {}).code(), kDataLoss);
  EXPECT_EQ(CheckConsistency(0, EmptyRoot(), 5, root, {other}).code(), kDataLoss);
  EXPECT_EQ(CheckConsistency(5, root, 5, other, {}).code(), kDataLoss);
  EXPECT_EQ(CheckConsistency(5, root, 5, root, {other}).code(), kDataLoss);
  EXPECT_EQ(CheckConsistency(4, root, 5, root, {}).code(), kDataLoss);
}

TEST(MerkleTest, HostileProofsDoNoHarm) {
  constexpr int64_t kMost = std::numeric_limits<int64_t>::max();
  const int64_t numbers[] = {std::numeric_limits<int64_t>::min(),
                             -2,
                             -1,
                             0,
                             1,
                             2,
                             3,
                             7,
                             8,
                             int64_t{1} << 40,
                             int64_t{1} << 62,
                             kMost - 1,
                             kMost};
  const std::string hash = LeafHash("entry");
  for (const Proof& proof : {Proof(), Proof(1, ""), Proof(1, hash), Proof(2, hash), Proof(62, hash), Proof(63, hash),
                             Proof(64, hash), Proof(100'000, hash), Proof(63, std::string(1000, 'x'))}) {
    for (const int64_t a : numbers) {
      for (const int64_t b : numbers) {
        EXPECT_EQ(CheckInclusion(hash, a, b, proof, hash).ok(), a == 0 && b == 1 && proof.empty());
        EXPECT_EQ(CheckConsistency(a, hash, b, hash, proof).ok(), a == b && a > 0 && proof.empty());
      }
    }
  }
}

TEST(MerkleTest, L5_AGrowingRootIsThatOfTheKeptNodes) {
  MemoryNodes nodes;
  GrowingRoot growing;
  for (int64_t size = 0; size <= 600; ++size) {
    EXPECT_EQ(growing.size(), size);
    EXPECT_EQ(growing.Root(), *Root(nodes, size)) << size;
    const std::string leaf = LeafHash("entry " + std::to_string(size));
    nodes.Append(leaf);
    growing.Append(leaf);
  }
}

TEST(MerkleTest, BadSizesAndIndexes) {
  const MemoryNodes nodes = MakeNodes(MakeLeaves(5));
  EXPECT_EQ(Root(nodes, -1).status().code(), kInvalidArgument);
  for (const auto& [index, size] : {std::pair<int64_t, int64_t>{0, 0}, {-1, 5}, {5, 5}, {6, 5}, {0, -1}, {-2, -1}}) {
    EXPECT_EQ(InclusionProof(nodes, index, size).status().code(), kInvalidArgument) << index << " " << size;
  }
  for (const auto& [first, second] : {std::pair<int64_t, int64_t>{-1, 5}, {5, 4}, {0, -1}, {-2, -1}}) {
    EXPECT_EQ(ConsistencyProof(nodes, first, second).status().code(), kInvalidArgument) << first << " " << second;
  }
}

TEST(MerkleTest, MissingNodesAreDataLoss) {
  const MemoryNodes nodes = MakeNodes(MakeLeaves(300));
  for (const int64_t size : {int64_t{301}, int64_t{512}, int64_t{70'000}, std::numeric_limits<int64_t>::max()}) {
    EXPECT_EQ(Root(nodes, size).status().code(), kDataLoss) << size;
    EXPECT_EQ(InclusionProof(nodes, 3, size).status().code(), kDataLoss) << size;
    EXPECT_EQ(ConsistencyProof(nodes, 3, size).status().code(), kDataLoss) << size;
  }

  class WrongCount final : public Nodes {
   public:
    absl::StatusOr<std::vector<std::string>> Read(int, int64_t, int64_t count) const override {
      return std::vector<std::string>(static_cast<size_t>(count - 1), LeafHash(""));
    }
  };
  EXPECT_EQ(Root(WrongCount(), 1).status().code(), kDataLoss);
  EXPECT_EQ(Root(WrongCount(), 6).status().code(), kDataLoss);
}

TEST(MerkleTest, WhatIsKept) {
  const auto leaves = MakeLeaves(65536 + 256);
  const MemoryNodes nodes = MakeNodes(leaves);
  Reference reference(leaves);
  EXPECT_EQ(nodes.size(), 65536 + 256);
  EXPECT_EQ(*nodes.Read(0, 2, 3), (Proof{leaves[2], leaves[3], leaves[4]}));
  const auto folded = *nodes.Read(8, 0, 256);
  EXPECT_EQ(folded[255], reference.Root(65536 - 256, 65536));
  EXPECT_EQ(*nodes.Read(8, 256, 1), Proof{reference.Root(65536, 65536 + 256)});
  EXPECT_EQ(*nodes.Read(16, 0, 1), Proof{reference.Root(0, 65536)});
  EXPECT_EQ(Fold(folded), reference.Root(0, 65536));

  constexpr int64_t kMost = std::numeric_limits<int64_t>::max();
  for (const auto& [height, first, count] : {std::tuple<int, int64_t, int64_t>{0, 65536 + 255, 2},
                                             {0, -1, 1},
                                             {0, kMost, 1},
                                             {0, 1, kMost},
                                             {0, 0, -1},
                                             {8, 257, 1},
                                             {16, 1, 1},
                                             {24, 0, 1},
                                             {1, 0, 1},
                                             {-8, 0, 1},
                                             {-1, 0, 1},
                                             {1 << 30, 0, 1}}) {
    EXPECT_EQ(nodes.Read(height, first, count).status().code(), kDataLoss) << height << " " << first << " " << count;
  }
  EXPECT_EQ(MemoryNodes().size(), 0);
  EXPECT_EQ(MemoryNodes().Read(0, 0, 1).status().code(), kDataLoss);
}

}  // namespace
}  // namespace parley::tlog
