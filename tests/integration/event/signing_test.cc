// L5: what of the tree over all logs is signed and published, and what never is, as after a restored copy.
#include <filesystem>

#include "absl/strings/escaping.h"
#include "tests/integration/event/sequencer_test.h"

namespace parley::event {
namespace {

constexpr auto kUnavailable = absl::StatusCode::kUnavailable;

using SigningTest = SequencerTest;

TEST_F(SigningTest, L5_NothingIsPublishedThatIsNotOnFile) {
  const std::string folder = process.folder.path(), away = folder + "-away";
  const std::string origin = Head().origin,
                    file = folder + "/" + std::string(origin).replace(6, 1, "-") + ".checkpoint";
  const Uuid event = MakeEvent();
  int64_t size = 0;
  for (const int64_t published : {-1, 1}) {
    std::filesystem::rename(folder, away);
    const auto refused = process.Step();
    EXPECT_EQ(refused.status().code(), kUnavailable) << refused.status();
    EXPECT_THAT(refused.status().message(), testing::HasSubstr(folder));
    EXPECT_EQ(PublishedSize(), published);
    std::filesystem::rename(away, folder);
    ASSERT_THAT(process.Step(), Succeeds());
    ExpectPublished(++size);
    EXPECT_EQ(process.OnFile(origin), Head().checkpoint->note);
    View({event});
  }

  // What cannot be read may say anything.
  ASSERT_TRUE(std::filesystem::remove(file)) << file;
  std::filesystem::create_directory(file);
  ExpectRefuses(process, "a file that cannot be read", kUnavailable);
  std::filesystem::remove(file);
  ASSERT_THAT(process.Step(), Succeeds());
  ExpectPublished(3);
}

TEST_F(SigningTest, L5_ARestoredDatabaseIsNotSigned) {
  const Uuid event = MakeEvent();
  View({event});
  ASSERT_THAT(process.Step(), Succeeds());
  Copy();
  const std::string origin = Head().origin;

  // As long as nothing signed is lost it goes on.
  View({event});
  Restore();
  View({event});
  ASSERT_THAT(process.Step(), Succeeds());
  ExpectPublished(3);
  View({event});
  ASSERT_THAT(process.Step(), Succeeds());
  ASSERT_EQ(tlog::Parse(process.OnFile(origin))->size, 4);

  Restore();
  View({event});
  ExpectRefuses(process, "fewer leaves than were signed");
  // Another knows of nothing but the database.
  SigningProcess newcomer(database.service_url(), key);
  for (int64_t size = 3; size <= 5; ++size) {
    ASSERT_THAT(newcomer.Step(), Succeeds());
    ExpectPublished(size);
    View({event});
    ExpectRefuses(process, absl::StrCat(size, " leaves of another log"));
  }
}

TEST_F(SigningTest, L5_WhatOthersSignedIsRememberedToo) {
  SigningProcess other(database.service_url(), key);
  const Uuid event = MakeEvent();
  ASSERT_THAT(process.Step(), Succeeds());
  View({event});
  ASSERT_THAT(other.Step(), Succeeds());
  Copy();
  View({event});
  ASSERT_THAT(other.Step(), Succeeds());
  ASSERT_THAT(process.Step(), Succeeds());  // there is nothing for it to do
  EXPECT_EQ(process.OnFile(Head().origin), other.OnFile(Head().origin));
  Restore();
  View({event});
  ExpectRefuses(other, "who signed");
  ExpectRefuses(process, "who saw it");
}

TEST_F(SigningTest, L5_NothingIsSignedThatContradictsTheFile) {
  const Uuid event = MakeEvent();
  View({event});
  ASSERT_THAT(process.Step(), Succeeds());
  View({event});
  const std::string origin = Head().origin, right = process.OnFile(origin);
  const tlog::Checkpoint present = *tlog::Parse(right);
  const tlog::SigningKey other_key = MakeKey();
  std::string damaged = right;
  damaged[damaged.size() - 10] ^= 1;
  const std::pair<const char*, std::string> files[] = {
      {"signed by another key", *other_key.Sign(present)},
      {"of another log", *key.Sign({"parley/other", present.size, present.root})},
      {"of other leaves", *key.Sign({origin, present.size, tlog::LeafHash("other")})},
      {"of more leaves", *key.Sign({origin, present.size + 1, present.root})},
      {"with a damaged signature", damaged},
      {"cut off", right.substr(0, 60)},
      {"of something else", "nonsense"},
      {"empty", ""}};
  for (const auto& [what, note] : files) {
    ASSERT_THAT(process.file.Write(origin, note), Succeeds());
    ExpectRefuses(process, what);
  }
  ASSERT_THAT(process.file.Write(origin, right), Succeeds());
  ASSERT_THAT(process.Step(), Succeeds());
  ExpectPublished(3);
}

TEST_F(SigningTest, L5_NothingIsSignedThatContradictsWhatWasPublished) {
  const Uuid event = MakeEvent();
  ASSERT_THAT(process.Step(), Succeeds());
  // Another has signed since, and is gone with its file.
  View({event});
  {
    SigningProcess gone(database.service_url(), key);
    ASSERT_THAT(gone.Step(), Succeeds());
  }
  View({event});
  Copy();
  const data::TreeHead head = Head();
  const tlog::Checkpoint present = *tlog::Parse(head.checkpoint->note);
  SigningProcess newcomer(database.service_url(), key);
  const auto published = [](const std::string& note) {
    return absl::StrCat("update parley.log_tree set checkpoint = $note$", note, "$note$");
  };
  const std::pair<const char*, std::string> edits[] = {
      {"an edited leaf", "update parley.log_leaves set hash = sha256('') where leaf_index = 1"},
      {"a lost leaf", "delete from parley.log_leaves where leaf_index = 1"},
      {"a smaller tree", "update parley.log_tree set size = 1"},
      {"other leaves", published(*key.Sign({head.origin, present.size, tlog::LeafHash("other")}))},
      {"more leaves", published(*key.Sign({head.origin, present.size + 1, present.root}))},
      {"another key", published(*MakeKey().Sign(present))},
      {"nonsense", published("nonsense")}};
  for (const auto& [what, edit] : edits) {
    database.Sql(edit);
    ExpectRefuses(newcomer, absl::StrCat("without a file: ", what));
    ExpectRefuses(process, absl::StrCat("with an older file: ", what));
    Restore();
  }
  ASSERT_THAT(newcomer.Step(), Succeeds());
  ExpectPublished(3);
}

TEST_F(SigningTest, L5_AnOriginThatIsMoreThanANameIsNotSigned) {
  const Uuid event = MakeEvent();
  ASSERT_THAT(process.Step(), Succeeds());
  View({event});
  const std::string origin = Head().origin;
  // As a note that is opened under the right origin would say it, before its own size and root.
  for (const std::string& more :
       {"\n9000\n" + absl::Base64Escape(tlog::LeafHash("fork")), std::string(" "), std::string("+")}) {
    BeginOrigin(origin + more);
    ExpectRefuses(process, "an origin with" + more);
  }
  BeginOrigin(origin);
  ASSERT_THAT(process.Step(), Succeeds());
  ExpectPublished(2);
}

TEST_F(SigningTest, L5_AFileThatCannotBeReplacedLeavesNothingBehind) {
  const std::string path = process.folder.path() + "/log.checkpoint";
  std::filesystem::create_directory(path);
  for (int i = 0; i < 3; ++i) EXPECT_EQ(process.file.Write("log", "note").code(), kUnavailable);
  EXPECT_EQ(Files(process), "log.checkpoint\n\n");
}

TEST_F(SigningTest, L5_ANewOriginBeginsANewLog) {
  const Uuid event = MakeEvent();
  ASSERT_THAT(process.Step(), Succeeds());
  Copy();
  View({event});
  ASSERT_THAT(process.Step(), Succeeds());
  const std::string old_origin = Head().origin, old_note = process.OnFile(old_origin);
  Restore();
  View({event});
  ExpectRefuses(process, "restored");

  BeginOrigin("parley/another");
  EXPECT_EQ(PublishedSize(), -1) << "what was signed is of the old log";
  ASSERT_THAT(process.Step(), Succeeds());
  ExpectPublished(2);
  EXPECT_EQ(Head().origin, "parley/another");
  EXPECT_EQ(process.OnFile("parley/another"), Head().checkpoint->note);
  EXPECT_EQ(process.OnFile(old_origin), old_note);
  ExpectLeavesAreTheLog();
  // Back to the old one, against which its file still stands.
  View({event});
  BeginOrigin(old_origin);
  ExpectRefuses(process, "the old origin");
}

TEST_F(SigningTest, L5_OnlyALargerTreeThatStandsIsPublished) {
  const Uuid event = MakeEvent();
  View({event});
  ASSERT_THAT(process.Step(), Succeeds());
  const data::TreeHead head = Head();
  struct Case {
    const char* what;
    std::string origin;
    int64_t size;
  };
  for (const Case& each : {Case{"smaller", head.origin, 1}, Case{"as large", head.origin, 2},
                           Case{"larger than the tree", head.origin, 3}, Case{"of an older log", "parley/old", 2}}) {
    const data::PublishedCheckpoint checkpoint{"note", "key", each.size, absl::Time()};
    EXPECT_THAT(Do([&](data::Transaction& tx) { return data::LogTree(tx).Publish(each.origin, checkpoint); }),
                Succeeds());
    EXPECT_EQ(Head().checkpoint->note, head.checkpoint->note) << each.what;
  }
}

}  // namespace
}  // namespace parley::event
