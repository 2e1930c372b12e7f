#include "common/tlog/checkpoint.h"

#include <gtest/gtest.h>
#include <openssl/err.h>

#include <limits>
#include <thread>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"

namespace parley::tlog {
namespace {

constexpr auto kDataLoss = absl::StatusCode::kDataLoss;
constexpr auto kInvalidArgument = absl::StatusCode::kInvalidArgument;

// All this is by the openssl command and a few lines of Python.
constexpr char kPem[] =
    "-----BEGIN PRIVATE KEY-----\n"
    "MC4CAQAwBQYDK2VwBCIEIGUdy2MgbtqQRtywj5Meh8jzughM21MdXAC6gBlFI9wJ\n"
    "-----END PRIVATE KEY-----\n";
constexpr char kOtherPem[] =
    "-----BEGIN PRIVATE KEY-----\n"
    "MC4CAQAwBQYDK2VwBCIEIHQk/FJGq17+GIZ4hxK0isXhwSPaaBwXkBtS8AYsdE9s\n"
    "-----END PRIVATE KEY-----\n";
constexpr char kEncryptedPem[] =
    "-----BEGIN ENCRYPTED PRIVATE KEY-----\n"
    "MIGbMFcGCSqGSIb3DQEFDTBKMCkGCSqGSIb3DQEFDDAcBAilE5S2ELQH7gICCAAw\n"
    "DAYIKoZIhvcNAgkFADAdBglghkgBZQMEASoEEKoyqLLDyEOpQANOxKC4nXIEQJvq\n"
    "+mc0H10yqKWRmbkbC1FP/JanPKQROj0acwvWRAwO9q3y9aOL68LKuIZpExr40reQ\n"
    "5Zu6I0HkCY01pMgKbaQ=\n"
    "-----END ENCRYPTED PRIVATE KEY-----\n";
constexpr char kOrigin[] = "parley/0190163d-8694-739b-aea5-966c26f8ad91";
constexpr char kVerifierKey[] =
    "parley/0190163d-8694-739b-aea5-966c26f8ad91+1a6af28a+AdXEnf7bnzRu1+RlJqeJjJjv+CtlJITVnbPtqnUvbfed";
constexpr char kBody[] =
    "parley/0190163d-8694-739b-aea5-966c26f8ad91\n"
    "8\n"
    "XcnaeacGWamtVZy3Ad7ZoqudgjqtL0lgz+Nw7/RgQyg=\n";
constexpr char kSignature[] =
    "— parley/0190163d-8694-739b-aea5-966c26f8ad91 "
    "Gmryit1WyqKMNx2Z/pek5C+SrMZetIhGj8d7oC2B3GxIa8Tj5/3E+MfaPwuy9rVX/4909HIW/nvYMyLuVWKZT7FxBgw=\n";
constexpr char kExtensions[] = "an extension\nanother\n";
constexpr char kSignatureOfExtended[] =
    "— parley/0190163d-8694-739b-aea5-966c26f8ad91 "
    "GmryiodgziVyh6rc7bomSUKYoAp7nFyxALEUcL1kObO5nRMPa8NIh29Db/v5gPqk4Ra8ouzT+r2nmC8jE+h51U9wEw0=\n";

std::string Note() { return absl::StrCat(kBody, "\n", kSignature); }

Checkpoint Eight() {
  return {kOrigin, 8, absl::HexStringToBytes("5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328")};
}

SigningKey Key(const char* pem = kPem) { return *SigningKey::FromPem(pem); }

std::string SignatureLine(std::string_view name, const std::string& bytes) {
  return absl::StrCat("— ", std::string(name), " ", absl::Base64Escape(bytes), "\n");
}

std::string Replaced(const std::string& text, const std::string& part, const std::string& by) {
  EXPECT_NE(text.find(part), std::string::npos) << part;
  return absl::StrReplaceAll(text, {{part, by}});
}

TEST(CheckpointTest, KnownAnswer) {
  EXPECT_EQ(*Key().Sign(Eight()), Note());
  EXPECT_EQ(Key().VerifierKey(kOrigin), kVerifierKey);
  EXPECT_EQ(*Parse(Note()), Eight());
  EXPECT_EQ(*Open(Note(), kVerifierKey), Eight());
}

TEST(CheckpointTest, WhatIsSignedIsRead) {
  const SigningKey key = Key(kOtherPem);
  for (const int64_t size :
       {int64_t{0}, int64_t{1}, int64_t{10}, int64_t{1} << 40, std::numeric_limits<int64_t>::max()}) {
    for (const std::string& origin : {std::string("a"), std::string("example.org/log"), std::string("größe/—")}) {
      const Checkpoint checkpoint{origin, size, std::string(32, static_cast<char>(size))};
      const std::string note = *key.Sign(checkpoint);
      EXPECT_EQ(*Parse(note), checkpoint);
      const auto opened = Open(note, key.VerifierKey(origin));
      ASSERT_TRUE(opened.ok()) << opened.status();
      EXPECT_EQ(*opened, checkpoint);
      EXPECT_EQ(Open(note, key.VerifierKey("other")).status().code(), kDataLoss);
      EXPECT_EQ(Open(note, Key().VerifierKey(origin)).status().code(), kDataLoss);
    }
  }
}

// Lines that stand in the origin would be signed as what they look like.
TEST(CheckpointTest, OnlyTheNameOfAKeyIsSigned) {
  const std::string lines = absl::StrCat(std::string(kOrigin), "\n9000\n", absl::Base64Escape(std::string(32, 'x')));
  for (const std::string& origin :
       {std::string(), std::string("a b"), std::string("a+b"), std::string("a\n"), std::string("a\0b", 3), lines}) {
    EXPECT_EQ(Key().Sign({origin, 8, Eight().root}).status().code(), kInvalidArgument) << origin;
  }
}

TEST(CheckpointTest, ManyThreadsSignWithOneKey) {
  const SigningKey key = Key();
  std::vector<std::thread> threads;
  for (int i = 0; i < 8; ++i) {
    threads.emplace_back([copy = key] {
      for (int j = 0; j < 50; ++j) EXPECT_EQ(*copy.Sign(Eight()), Note());
    });
  }
  for (auto& thread : threads) thread.join();
}

TEST(CheckpointTest, WhatIsNoSigningKey) {
  const std::string pem = kPem;
  const std::string x25519 = Replaced(pem, "K2Vw", "K2Vu");
  const std::string public_key =
      "-----BEGIN PUBLIC KEY-----\n"
      "MCowBQYDK2VwAyEA1cSd/tufNG7X5GUmp4mMmO/4K2UkhNWds+2qdS9t950=\n"
      "-----END PUBLIC KEY-----\n";
  for (const std::string& text : {std::string(), std::string("key"), std::string(kEncryptedPem), x25519, public_key,
                                  Replaced(pem, "MC4C", "MC5C"), pem.substr(0, 60), pem.substr(0, pem.size() - 10)}) {
    EXPECT_EQ(SigningKey::FromPem(text).status().code(), kInvalidArgument) << text;
    EXPECT_EQ(ERR_peek_error(), 0u) << text;
  }
}

TEST(CheckpointTest, EveryTamperingIsFound) {
  const std::string note = Note();
  for (size_t i = 0; i < note.size(); ++i) {
    for (int bit = 0; bit < 8; ++bit) {
      std::string tampered = note;
      tampered[i] = static_cast<char>(tampered[i] ^ (1 << bit));
      EXPECT_FALSE(Open(tampered, kVerifierKey).ok()) << tampered;
    }
    EXPECT_FALSE(Parse(note.substr(0, i)).ok()) << note.substr(0, i);
    EXPECT_FALSE(Open(note.substr(i + 1), kVerifierKey).ok()) << note.substr(i + 1);
    std::string without = note;
    without.erase(i, 1);
    EXPECT_FALSE(Open(without, kVerifierKey).ok()) << without;
  }
  EXPECT_EQ(ERR_peek_error(), 0u);
  for (const auto& [part, by] : {std::pair("\n8\n", "\n9\n"), std::pair("XcnaeacG", "XcnaeacH"),
                                 std::pair("8\n", "80\n"), std::pair("Qyg=\n", "Qyg=\nan extension\n")}) {
    const std::string tampered = absl::StrCat(Replaced(kBody, part, by), "\n", kSignature);
    EXPECT_TRUE(Parse(tampered).ok()) << tampered;
    EXPECT_EQ(Open(tampered, kVerifierKey).status().code(), kDataLoss) << tampered;
  }
}

TEST(CheckpointTest, OtherLogsAndKeys) {
  EXPECT_EQ(Open(Note(), Key(kOtherPem).VerifierKey(kOrigin)).status().code(), kDataLoss);
  EXPECT_EQ(Open(Note(), Key().VerifierKey("parley/other")).status().code(), kDataLoss);

  // Of this log, but signed in the name of another; of another, but signed in the name of this.
  const std::string of_other = Replaced(Note(), kOrigin, "parley/other");
  EXPECT_EQ(Open(absl::StrCat(kBody, "\n", of_other.substr(of_other.find("— "))), kVerifierKey).status().code(),
            kDataLoss);
  EXPECT_EQ(Open(absl::StrCat(of_other.substr(0, of_other.find("— ")), kSignature), kVerifierKey).status().code(),
            kDataLoss);

  std::string bytes;
  ASSERT_TRUE(absl::Base64Unescape(std::string(kSignature).substr(std::string(kSignature).rfind(' ') + 1), &bytes));
  ASSERT_EQ(Note(), absl::StrCat(kBody, "\n", SignatureLine(kOrigin, bytes)));
  const std::string id = bytes.substr(0, 4), signature = bytes.substr(4);

  // A signature that is right, with a key id that is not.
  EXPECT_EQ(Open(absl::StrCat(kBody, "\n", SignatureLine(kOrigin, "!" + id.substr(1) + signature)), kVerifierKey)
                .status()
                .code(),
            kDataLoss);

  // The key of this log has signed this, but it is the checkpoint of another.
  const std::string others = *Key().Sign({"parley/other", 8, Eight().root});
  std::string others_bytes;
  ASSERT_TRUE(absl::Base64Unescape(others.substr(others.rfind(' ') + 1), &others_bytes));
  const std::string note = others.substr(0, others.find("— ")) + SignatureLine(kOrigin, id + others_bytes.substr(4));
  EXPECT_EQ(Parse(note)->origin, "parley/other");
  EXPECT_EQ(Open(note, kVerifierKey).status().code(), kDataLoss);
}

TEST(CheckpointTest, ExtensionsArePassedOver) {
  const std::string note = absl::StrCat(kBody, kExtensions, "\n", kSignatureOfExtended);
  EXPECT_EQ(*Parse(note), Eight());
  EXPECT_EQ(*Open(note, kVerifierKey), Eight());
  // They are signed too.
  EXPECT_EQ(Open(Replaced(note, "another", "yet another"), kVerifierKey).status().code(), kDataLoss);
  EXPECT_EQ(Open(Replaced(note, kExtensions, ""), kVerifierKey).status().code(), kDataLoss);
}

TEST(CheckpointTest, SignaturesOfOthersArePassedOver) {
  const std::string witness = SignatureLine("witness.example/w", std::string(4 + 8 + 64, 'w'));
  const std::string post_quantum = SignatureLine("pq.example", std::string(4 + 2420, 'q'));
  const std::string old_key = SignatureLine(kOrigin, std::string(4 + 64, 'o'));
  const std::string same_id = SignatureLine("same.example", "\x1a\x6a\xf2\x8a" + std::string(64, 's'));
  for (const std::string& note : {absl::StrCat(kBody, "\n", witness, kSignature, post_quantum),
                                  absl::StrCat(kBody, "\n", old_key, same_id, kSignature),
                                  absl::StrCat(kBody, "\n", kSignature, old_key, kSignature)}) {
    EXPECT_EQ(*Parse(note), Eight());
    EXPECT_EQ(*Open(note, kVerifierKey), Eight());
  }
  const std::string foreign = absl::StrCat(kBody, "\n", witness, old_key, same_id);
  EXPECT_EQ(*Parse(foreign), Eight());
  EXPECT_EQ(Open(foreign, kVerifierKey).status().code(), kDataLoss);

  // One of ours that is wrong is not made good by another.
  for (const size_t size : {1, 63, 64, 65, 2420}) {
    const std::string wrong = SignatureLine(kOrigin, "\x1a\x6a\xf2\x8a" + std::string(size, 'x'));
    const std::string note = absl::StrCat(kBody, "\n", wrong, kSignature);
    EXPECT_EQ(*Parse(note), Eight());
    EXPECT_EQ(Open(note, kVerifierKey).status().code(), kDataLoss) << size;
  }
}

TEST(CheckpointTest, WhatIsNoCheckpoint) {
  const std::string note = Note();
  const std::string body = kBody;
  const std::string signature = kSignature;
  std::vector<std::string> bad = {"",
                                  "\n",
                                  "\n\n",
                                  "\n\n\n",
                                  body,
                                  body + "\n",
                                  signature,
                                  "\n" + signature,
                                  body + signature,
                                  "\n" + note,
                                  note + "\n",
                                  note + "more\n",
                                  body + "\n\n" + signature,
                                  body + "\n" + signature + "\n" + signature,
                                  note.substr(0, note.size() - 1),
                                  note + signature.substr(0, signature.size() - 1),
                                  "a\n\n" + signature,
                                  "a\n8\n\n" + signature,
                                  "\n8\n" + body.substr(body.find("Xc")) + "\n" + signature};
  // Origins, sizes and roots.
  bad.push_back(Replaced(note, absl::StrCat(kOrigin, "\n"), "\n"));
  for (const char* size : {"", "08", "00", "+8", "-8", "-0", " 8", "8 ", "8.0", "0x8", "eight", "8\r", "8\n8",
                           "9223372036854775808", "18446744073709551624", "99999999999999999999999999"}) {
    bad.push_back(Replaced(note, "\n8\n", absl::StrCat("\n", size, "\n")));
  }
  for (const std::string& root :
       {std::string("Qyh="), std::string("Qyg"), std::string("Qyg=="), std::string("Qyg= "), std::string(" Qyg="),
        std::string("Qy g="), std::string("Qyg."), std::string("Qygg"), std::string("Qw=="), std::string("QygAAAA="),
        std::string("Q\tyg="), std::string("")}) {
    bad.push_back(Replaced(note, "Qyg=", root));
  }
  bad.push_back(Replaced(note, "z+Nw7/Rg", "z-Nw7_Rg"));
  bad.push_back(Replaced(note, "XcnaeacGWamtVZy3Ad7ZoqudgjqtL0lgz+Nw7/RgQyg=", ""));
  // Signatures.
  for (const char* mark : {"- ", "– ", "—", "—  ", " — ", ""}) bad.push_back(Replaced(note, "— ", mark));
  for (const char* name : {"", "a b", "a+b", " a", "a\tb"}) {
    bad.push_back(absl::StrCat(body, "\n", Replaced(signature, kOrigin, name)));
  }
  for (const char* end : {"Bgx=", "Bgw", "Bgw==", "Bgw= ", " Bgw=", "B gw=", "Bgw.", "Bgw=\n\n", "Bgw=\r", "Bgw= x"}) {
    bad.push_back(Replaced(note, "Bgw=", end));
  }
  bad.push_back(body + "\n" + SignatureLine(kOrigin, ""));
  bad.push_back(body + "\n" + SignatureLine(kOrigin, "\x1a\x6a\xf2\x8a"));
  bad.push_back(body + "\n— " + kOrigin + "\n");
  // Control characters, wherever they are.
  for (const char control : {'\0', '\t', '\r', '\x1b', '\x1f'}) {
    const std::string text(1, control);
    bad.push_back(text + note);
    bad.push_back(note + text);
    bad.push_back(Replaced(note, kOrigin, absl::StrCat(kOrigin, text)));
    bad.push_back(absl::StrCat(body, "an extension", text, "\n\n", signature));
  }
  for (const std::string& text : bad) {
    EXPECT_EQ(Parse(text).status().code(), kInvalidArgument) << text;
    EXPECT_EQ(Open(text, kVerifierKey).status().code(), kInvalidArgument) << text;
  }
}

TEST(CheckpointTest, WhatIsNoVerifierKey) {
  const std::string key = kVerifierKey;
  const std::string other_algorithm =
      absl::StrCat(kOrigin, "+1a6af28a+", absl::Base64Escape("\2" + std::string(32, 'k')));
  for (const std::string& text : {std::string(),
                                  std::string("+"),
                                  std::string("++"),
                                  std::string(kOrigin),
                                  key + "A",
                                  key + "AAAA",
                                  key + "\n",
                                  " " + key,
                                  key.substr(0, key.size() - 1),
                                  key.substr(0, key.size() - 4),
                                  key.substr(key.find('+')),
                                  Replaced(key, "1a6af28a", "1a6af28b"),
                                  Replaced(key, "1a6af28a", "1A6AF28A"),
                                  Replaced(key, "1a6af28a", ""),
                                  Replaced(key, "1a6af28a+", ""),
                                  Replaced(key, "+AdX", "+AtX"),
                                  Replaced(key, "1+Rl", "1-Rl"),
                                  Replaced(key, "parley/", "parley"),
                                  Replaced(key, "parley/", "par ley/"),
                                  Replaced(key, "parley/", "par+ley/"),
                                  Key().VerifierKey(""),
                                  Key().VerifierKey("a b"),
                                  Key().VerifierKey("a\nb"),
                                  Key().VerifierKey("a+b"),
                                  other_algorithm}) {
    EXPECT_EQ(Open(Note(), text).status().code(), kInvalidArgument) << text;
  }
}

}  // namespace
}  // namespace parley::tlog
