// parleyctl log verify and log export on logs as they are: good ones, growing ones, other ones than before; and on
// files that are none.
#include "common/data/erasures.h"
#include "services/event/eraser.h"
#include "tests/integration/parleyctl/signed_log_test.h"

namespace parley::event {
namespace {

using ::testing::Not;

constexpr auto kFailedPrecondition = absl::StatusCode::kFailedPrecondition;
constexpr auto kInvalidArgument = absl::StatusCode::kInvalidArgument;

class VerifyLogTest : public SignedLogTest {
 protected:
  std::string NameOf(const std::string& letter) const { return "events/" + events.at(letter).ToString(); }

  // Makes leaves of all entries, which nobody signs.
  void SequenceAlone() {
    ASSERT_THAT(Do([](data::Transaction& tx) { return data::LogTree(tx).Sequence(); }), Succeeds());
  }

  static void ExpectRefused(const absl::StatusOr<std::string>& said, const std::string& why,
                            absl::StatusCode code = kInvalidArgument) {
    EXPECT_EQ(said.status().code(), code) << said.status() << ", not " << why;
    EXPECT_THAT(std::string(said.status().message()), HasSubstr(why));
  }
};

TEST_F(VerifyLogTest, L5_WhatNobodyTouchedIsGood) {
  MakeLog();
  const std::string origin = Head().origin;
  const std::string good = "good: 13 entries of 3 events, tree of 13 signed by " + origin;
  EXPECT_EQ(*VerifyOnline("", VerifierKey()), good);
  EXPECT_EQ(*VerifyOnline(), good + " (by a key that only this export vouches for)");
  EXPECT_EQ(*VerifyFile(*Export(), "", VerifierKey()), good);
  EXPECT_EQ(*VerifyFile(*Export("a"), "", VerifierKey()),
            "good: 8 entries of 1 events, tree of 13 signed by " + origin);
  EXPECT_EQ(*VerifyFile(*Export("b"), Checkpoint()), "good: 3 entries of 1 events, tree of 13 signed by " + origin +
                                                         " (by a key that only this export vouches for)");
  EXPECT_EQ(*VerifyFile(*Export("c"), *Export("c")), "good: 2 entries of 1 events, tree of 13 signed by " + origin);
}

TEST_F(VerifyLogTest, L5_AnEmptyLogIsGood) {
  ExpectRefused(VerifyOnline(), "there is no checkpoint yet", kFailedPrecondition);
  ExpectRefused(Export(), "there is no checkpoint yet", kFailedPrecondition);
  Sign();
  const std::string good = "good: 0 entries of 0 events, tree of 0 signed by " + Head().origin;
  const std::string empty = *Export(), checkpoint = Checkpoint();
  EXPECT_EQ(*VerifyOnline("", VerifierKey()), good);
  EXPECT_EQ(*VerifyFile(empty, "", VerifierKey()), good);

  MakeLog();
  ExpectVerdicts("since the empty log", {"good"}, empty);
  ExpectVerdicts("since its checkpoint", {"good"}, checkpoint);
  events = {{"a", Uuid::TimeOrdered()}};
  ExpectRefused(Export("a"), "there is no events/", absl::StatusCode::kNotFound);
}

TEST_F(VerifyLogTest, L5_WhatWaitsIsGoodUntilItIsTamperedWith) {
  MakeLog();
  const std::string checkpoint = Checkpoint(), known = VerifierKey();
  for (int i = 0; i < 2; ++i) ASSERT_THAT(Get(staff, NameOf("a")), Succeeds());
  ASSERT_THAT(Create(ann, Proposal()), Succeeds());
  Keep();
  EXPECT_EQ(*VerifyOnline("", known), "good: 16 entries of 4 events, tree of 13 signed by " + Head().origin);
  const struct {
    std::string sql;
    std::string before;  // what is bad while they are no leaves
    std::string after;   // and once they are, which nobody has signed
  } cases[] = {
      {"select 1", "good", "good"},
      {"update log_entries set revision = 7 where {a/9}", "a/9", "a/9"},
      {"delete from log_entries where {a/9}", "a/10", "a/9"},
      {"update log_entries set hash = '' where {a/10}", "a/10", "a/10"},
      {"delete from unsequenced_entries", "a/9", "good"},
      {"delete from log_leaves where leaf_index >= 13", "good", "a/9"},
      {"update log_leaves set hash = '' where {a/10}", "good", "a/10"},
  };
  for (const auto& each : cases) {
    Tamper(each.sql);
    ExpectVerdicts(each.sql, {each.before}, checkpoint, known);
    Undo();
    SequenceAlone();
    Tamper(each.sql);
    ExpectVerdicts(each.sql + " where there are leaves", {each.after}, checkpoint, known);
    Undo();
  }
}

TEST_F(VerifyLogTest, L5_AnOlderLogIsTheBeginningOfTheNewer) {
  MakeLog();
  ASSERT_THAT(Get(staff, NameOf("a")), Succeeds());  // which the older exports tell of, and no tree
  const std::string older[] = {Checkpoint(), *Export(), *Export("a"), *Export("b"), *Export("c")};
  ASSERT_THAT(Get(staff, NameOf("a")), Succeeds());
  ASSERT_THAT(Create(ann, Proposal()), Succeeds());
  Sign();
  for (const std::string& file : older) {
    ExpectVerdicts("grown", {"good"}, file);
    ExpectVerdicts("grown", {"good"}, file, VerifierKey());
  }
  const std::string newer = *Export(), newer_of_a = *Export("a"), newer_checkpoint = Checkpoint();
  ExpectVerdicts("the same", {"good"}, newer);
  ExpectVerdicts("the same", {"good"}, newer_of_a);
  ExpectVerdicts("the same", {"good"}, newer_checkpoint);

  // The export of one event must bring the proof, and of this older tree.
  for (const std::string& of_a : {newer_of_a, *Export("a", newer)}) {
    const auto unproved = VerifyFile(of_a, older[0]);
    ExpectRefused(unproved,
                  "the tree: the export does not prove that it begins with the older one of 13 leaves: "
                  "export it with --older",
                  absl::StatusCode::kDataLoss);
  }
  ExpectRefused(ctl::VerifyLog("", older[2], newer_checkpoint, ""), "it has 13 leaves, 16 were signed before",
                absl::StatusCode::kDataLoss);
  // What is newer is not in what is older.
  EXPECT_EQ(Verdict(VerifyFile(older[1], newer_checkpoint)), "the tree");
  EXPECT_EQ(Verdict(VerifyFile(older[1], newer)), "a/9");
  EXPECT_EQ(Verdict(VerifyFile(older[2], newer)), "a/9");
  EXPECT_EQ(Verdict(VerifyFile(older[2], newer_of_a)), "a/9");
  EXPECT_EQ(Verdict(VerifyFile(older[3], newer)), "the tree");
}

TEST_F(VerifyLogTest, L5_ARestoredCopyIsAnotherLogUnderANewOrigin) {
  MakeLog();
  Keep();
  const std::string before = *Export(), before_of_a = *Export("a"), checkpoint = Checkpoint(), known = VerifierKey();
  for (const std::string event : {"c", "a", "b"}) {
    ASSERT_THAT(Log(staff, NameOf(event)), Succeeds());
    ASSERT_THAT(Do([&](data::Transaction& tx) { return AppendViews(tx, {events.at(event)}); }), Succeeds());
    Sign();  // c/3 a/9 b/4
  }
  const std::string lost = *Export(), lost_checkpoint = Checkpoint();
  Undo();
  ExpectVerdicts("restored", {"good"}, before);
  EXPECT_EQ(Verdict(VerifyOnline(lost_checkpoint)), "the tree");
  EXPECT_EQ(Verdict(VerifyOnline(lost)), "c/3") << "the first that the tree had";
  EXPECT_EQ(Verdict(VerifyFile(*Export(), lost)), "c/3");
  EXPECT_EQ(Verdict(VerifyFile(*Export("a"), lost)), "a/9");
  ExpectRefused(Export("a", lost), "the older tree has 16 leaves, the present one 13", kFailedPrecondition);
  ASSERT_THAT(Get(ann, NameOf("a")), Succeeds());
  ASSERT_EQ(process.Step().status().code(), absl::StatusCode::kDataLoss);

  ASSERT_OK_AND_ASSIGN(const std::string origin, ctl::NewOrigin(database.owner_url()));
  EXPECT_THAT(origin, StartsWith("parley/"));
  ExpectRefused(VerifyOnline(), "there is no checkpoint yet", kFailedPrecondition);
  Sign();
  EXPECT_EQ(*VerifyOnline("", VerifierKey()), "good: 14 entries of 3 events, tree of 14 signed by " + origin);
  ExpectVerdicts("under a new origin", {"good"}, "", VerifierKey());
  // What was known before is of another log.
  ExpectVerdicts("by the key of before", {"the checkpoint"}, "", known);
  for (const std::string& older : {checkpoint, before, before_of_a, lost_checkpoint}) {
    EXPECT_EQ(Verdict(VerifyOnline(older)), "the checkpoint");
    EXPECT_EQ(Verdict(VerifyFile(*Export(), older)), "the checkpoint");
    EXPECT_EQ(Verdict(VerifyFile(*Export("a"), older)), "the checkpoint");
    ExpectRefused(Export("a", older), "the older checkpoint is of parley/", kFailedPrecondition);
  }
  ExpectRefused(VerifyOnline(checkpoint), "of another log", absl::StatusCode::kDataLoss);
}

TEST_F(VerifyLogTest, L5_A7_LogsThatNameErasedPeopleAreGood) {
  MakeLog();
  const std::string older[] = {*Export(), *Export("a")};
  auto proposal = Proposal();
  proposal.mutable_event()->add_parties()->set_address("staff@example.org");
  ASSERT_OK_AND_ASSIGN(const v1::Event d, Create(bob, proposal));
  events["d"] = IdOf(d);
  // The staff user, who is a party of d, erases ann and then himself.
  for (const rpc::Call& erased : {ann, staff}) {
    ASSERT_THAT(Do([&](data::Transaction& tx) {
                  return data::Erasures(tx).Erase(erased.principal.user_id, EffectorOf(staff.principal));
                }),
                Succeeds());
  }
  for (const std::string which : {"false", "user_id = effector_id", "true"}) {
    Tamper("update erasures set next_attempt_time = case when " + which + " then now() else 'infinity' end");
    for (auto more = Eraser(pool).Step(); more.ok() && *more;) more = Eraser(pool).Step();
    Sign();
    for (const std::string& file : older) ExpectVerdicts("told where " + which, {"good"}, file, VerifierKey());
    for (const std::string event : {"", "a", "d"}) {
      const std::string file = *Export(event);
      EXPECT_EQ(Verdict(VerifyFile(file)), "good") << event;
      EXPECT_THAT(test::Content(file), Not(AnyOf(HasSubstr("ann@"), HasSubstr("staff@")))) << event;
    }
  }
  EXPECT_EQ(Count("erasures"), 0);
}

TEST_F(VerifyLogTest, L5_AnExportThatIsCutOffIsNotGood) {
  MakeLog();
  const std::string all = test::Content(*Export()), of_a = test::Content(*Export("a"));
  const std::vector<std::string> lines = absl::StrSplit(all, '\n'), lines_of_a = absl::StrSplit(of_a, '\n');
  std::string begun, begun_of_a;
  for (size_t i = 0; i + 2 < lines.size(); ++i) {
    ExpectRefused(VerifyFile(File(begun + lines[i].substr(0, lines[i].size() - 1))),
                  absl::StrCat("line ", i + 1, " is no line of an export"));
    absl::StrAppend(&begun, lines[i], "\n");
    // Behind the header are the 13 leaves, then people.
    EXPECT_EQ(Verdict(VerifyFile(File(begun))), i < 13 ? "the tree" : "the people") << i;
  }
  for (size_t i = 0; i + 2 < lines_of_a.size(); ++i) {
    absl::StrAppend(&begun_of_a, lines_of_a[i], "\n");
    EXPECT_EQ(Verdict(VerifyFile(File(begun_of_a))), i == 0 ? "a/1" : "the people") << i;
  }
  EXPECT_EQ(Verdict(VerifyFile(File(all.substr(0, all.size() - 1)))), "good") << "without the last line's end";
}

TEST_F(VerifyLogTest, L5_WhatIsNoExportIsRefused) {
  MakeLog();
  const std::string good = test::Content(*Export()), file = File(good);
  const std::string header = good.substr(0, good.find('\n') + 1), rest = good.substr(header.size());
  for (const std::string& garbage :
       {std::string(""), std::string("{}"), std::string("[]"), std::string("null"), std::string("17"),
        std::string("parley"), std::string("\0", 1), std::string("{\"event\": \"\xff\"}"), std::string(5000, '['),
        std::string(R"({"parley_log_export": 1})")}) {
    ExpectRefused(VerifyFile(File(garbage + "\n" + rest)), ", line 1 is no line of an export");
    ExpectRefused(VerifyFile(File(header + garbage + "\n" + rest)), ", line 2 is no line of an export");
    // Behind a bad entry too.
    ExpectRefused(VerifyFile(File(header + rest.substr(rest.find('\n') + 1) + garbage + "\n")),
                  " is no line of an export");
    EXPECT_EQ(Verdict(VerifyFile(file, File(garbage + "\n"))), "unreadable") << garbage;
    EXPECT_EQ(Verdict(VerifyFile(file, File(header + garbage + "\n"))), "unreadable") << garbage;
  }
  const std::pair<const char*, const char*> changes[] = {
      {R"("parley_log_export":1)", R"("parley_log_export":2)"},
      {R"("checkpoint":)", R"("checkpoints":)"},
      {R"("verifier_key":")", R"("verifier_key":1,"key":")"},
      {R"("event":")", R"("event":"0)"},
      {R"("sequence":1,)", ""},
      {R"("sequence":1,)", R"("sequence":"1",)"},
      {R"("sequence":1,)", R"("sequence":1.0,)"},
      {R"("leaf":0,)", R"("leaf":true,)"},
      {R"("leaf_hash":)", R"("leafhash":)"},
      {R"("leaf_hash":")", R"("leaf_hash":"0)"},
      {R"("leaf_hash":")", R"("leaf_hash":"AB)"},
      {R"("hash":")", R"("hash":"g0)"},
      {R"("time":)", R"("time":0.5,"was":)"},
      {R"("occurrence":)", R"("occurrence":null,"was":)"},
      {R"("effector":")", R"("effector":"-)"},
      {R"("revision":)", R"("revisions":)"},
      {R"("slots":[[)", R"("slots":[[1,2,3],[)"},
      {R"("slots":[[)", R"("slots":[[1],[)"},
      {R"("slots":[[)", R"("slots":[1,[)"},
      {R"("data":")", R"("data":"0)"},
      {R"("named":[[")", R"("named":[[],[")"},
      {R"("named":[[")", R"("named":[["0)"},
      {R"("salt":")", R"("salt":"0)"},
      {R"("address":")", R"("address":0,"was":")"},
      {R"("address":")", R"("address":"ann","was":")"},
      {R"("address":")", R"("address":"@example.org","was":")"},
      {R"("address":")", R"("address":"ann@","was":")"},
  };
  for (const auto& [from, to] : changes) {
    std::string bad = good;
    ASSERT_NE(bad.find(from), std::string::npos) << from;
    bad.replace(bad.find(from), strlen(from), to);
    // The other verifier takes some of these for bad entries, or looks away.
    ExpectRefused(ctl::VerifyLog("", File(bad), "", ""), " is no line of an export");
  }

  for (const std::string& missing : {std::string("/nowhere"), std::string("/tmp"), File("")}) {
    ExpectRefused(VerifyFile(missing), "cannot read " + missing);
    ExpectRefused(VerifyFile(file, missing), "cannot read " + missing);
    ExpectRefused(VerifyOnline(missing), "cannot read " + missing);
    ExpectRefused(Export("a", missing), "cannot read " + missing);
  }
  ExpectRefused(VerifyFile(file, "", "parley"), "the verifier key");
  ExpectRefused(VerifyOnline("", "parley"), "the verifier key");
  ExpectRefused(Export("", file), "--older goes with an EVENT");
  std::stringstream nothing;
  EXPECT_EQ(ctl::ExportLog(database.service_url(), "events/17", "", nothing).code(), kInvalidArgument);
}

// More of everything than is read at once.
TEST_F(VerifyLogTest, L5_ALargeLogIsReadInPages) {
  constexpr int kEvents = 1100;
  Sign();
  const auto request = Proposal();
  std::vector<v1::Event> created(kEvents);
  for (int i = 0; i < kEvents; i += 100) {
    std::vector<CreateItem> creations;
    std::vector<CreateItem*> items;
    for (int k = 0; k < 100; ++k)
      creations.push_back({ann, request, created[static_cast<size_t>(i + k)], absl::OkStatus()});
    for (CreateItem& item : creations) items.push_back(&item);
    ASSERT_THAT(CreateEvents(context, items, turn), Succeeds());
  }
  std::ranges::sort(created, {}, &v1::Event::name);
  events = {{"a", IdOf(created[1050])}, {"b", IdOf(created[1060])}};
  const std::string good = "good: 1100 entries of 1100 events, tree of ";
  EXPECT_THAT(*VerifyOnline(), StartsWith(good + "0 "));
  EXPECT_THAT(*VerifyFile(*Export()), StartsWith(good + "0 "));
  const std::string older = Checkpoint();
  Sign();
  EXPECT_THAT(*VerifyOnline(older), StartsWith(good + "1100 "));
  Keep();
  ExpectVerdicts("large", {"good"}, older);
  Tamper("update log_entries set revision = 7 where {b/1}");
  ExpectVerdicts("an entry on the last page", {"b/1", "good"});
  Undo();
  Tamper("update event_parties set salt = substr(salt, 2) || 'x' where event_id = {b}");
  ExpectVerdicts("a person on the last page", {"b/1", "good"});
  Undo();
  Tamper("update events set last_sequence = 2 where event_id = {b}");
  EXPECT_EQ(Verdict(VerifyOnline()), "b/2");
  Undo();
  // The nodes follow from the leaves: no export has them, but for the proofs that are made of them.
  Tamper("update log_nodes set hash = sha256(hash) where position = 3");
  EXPECT_EQ(Verdict(VerifyOnline()), "the tree");
  EXPECT_EQ(Verdict(VerifyFile(*Export())), "good");
  EXPECT_EQ(Verdict(VerifyFile(*Export("a"))), "a/1");
  Tamper("delete from log_nodes where position = 3");
  EXPECT_EQ(Verdict(VerifyOnline()), kNoTree);
  EXPECT_EQ(Verdict(Export("a")), kNoTree);
}

}  // namespace
}  // namespace parley::event
