// What the tests of `parleyctl log verify` share: a log as it comes about, signed; SQL that tampers with it; and what
// each way of verifying it says. The other verifier, tests/clients/verify_log.py, is asked at the end about all files
// that were looked at, and must have said the same.
#pragma once

#include <gmock/gmock.h>

#include <fstream>
#include <map>
#include <regex>

#include "absl/strings/escaping.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "common/data/entry_record.h"
#include "services/parleyctl/commands.h"
#include "tests/integration/event/tree_test.h"

namespace parley::event {

using ::testing::AnyOf;
using ::testing::HasSubstr;
using ::testing::StartsWith;

class SignedLogTest : public TreeTest {
 protected:
  // The logs of the events a, b and c, of which a and b have leaves before and after each other's; c comes from a.
  void MakeLog() {
    ASSERT_OK_AND_ASSIGN(v1::Event a, Create(ann, Proposal()));
    ASSERT_THAT(Get(bob, a.name()), Succeeds());
    ASSERT_OK_AND_ASSIGN(const v1::Event b, Create(staff, Proposal(1)));
    Sign();  // a/1 a/2 b/1
    ASSERT_OK_AND_ASSIGN(a, Retitle(staff, a, "Dinner"));
    const rpc::Call guest = Named("guest@example.net");
    ASSERT_THAT(Get(ActingFor(guest, staff), a.name()), Succeeds());
    ASSERT_THAT(Get(ann, b.name()), Succeeds());
    ASSERT_THAT(Delete(staff, b), Succeeds());
    Sign();  // a/3 a/4 b/2 b/3
    ASSERT_OK_AND_ASSIGN(a, Narrow(bob, a, 1));
    ASSERT_OK_AND_ASSIGN(a, Confirm(ann, a));
    ASSERT_OK_AND_ASSIGN(a, Confirm(ActingFor(guest, staff), a));
    ASSERT_EQ(a.state(), v1::Event::AGREED);
    ASSERT_OK_AND_ASSIGN(const v1::Event c, Reopen(ann, a));
    ASSERT_THAT(Get(GuestOf(guest, c), c.name()), Succeeds());
    Sign();  // a/5 a/6 a/7 a/8 c/1 c/2
    events = {{"a", IdOf(a)}, {"b", IdOf(b)}, {"c", IdOf(c)}, {"x", Uuid::TimeOrdered()}};
    ASSERT_EQ(PublishedSize(), 13);
  }

  // Makes leaves of all entries, and signs them.
  void Sign() { EXPECT_THAT(process.Step(), Succeeds()); }

  // As the owner of the tables: `{a}` stands for the id of the event a, `{a/3}` for that a row is of its entry 3.
  void Tamper(std::string sql) {
    std::smatch found;
    while (std::regex_search(sql, found, std::regex(R"(\{(\w)(/(-?\d+))?\})"))) {
      const std::string id = absl::StrCat("'", events.at(found[1]).ToString(), "'");
      sql = absl::StrCat(
          found.prefix().str(),
          found[2].matched ? absl::StrCat("(event_id = ", id, " and sequence = ", found[3].str(), ")") : id,
          found.suffix().str());
    }
    EXPECT_THAT(owner_->Script(sql), Succeeds()) << sql;
  }

  // Gives each entry of the event the hash that it should have, and the event's row the last one: as whoever knows the
  // rules, and may write everything but the signature.
  void Rechain(const std::string& event) {
    const auto entries =
        Do([&](data::Transaction& tx) { return data::LogEntries(tx).List(events.at(event), 0, 1000); });
    std::string hash(32, '\0'), sql;
    for (const data::LogEntry& entry : *entries) {
      hash = tlog::LeafHash(data::RecordOf(entry, hash));
      const std::string to = absl::StrCat(" = '\\x", absl::BytesToHexString(hash), "'");
      absl::StrAppend(&sql, "update log_entries set hash", to, " where {", event, "/", entry.sequence, "};");
      absl::StrAppend(&sql, "update events set last_sequence = ", entry.sequence, ", last_hash", to,
                      " where event_id = {", event, "};");
    }
    Tamper(sql);
  }
  // And gives each leaf the hash of its entry.
  void RewriteLeaves() {
    Tamper(
        "update log_leaves l set hash = e.hash from log_entries e "
        "where e.event_id = l.event_id and e.sequence = l.sequence");
  }
  // And has it signed by this key, as if nothing had been signed before.
  void SignAnew(const tlog::SigningKey& by) {
    Tamper("update log_tree set checkpoint = null, checkpoint_size = 0, checkpoint_time = null, verifier_key = null");
    EXPECT_THAT(SigningProcess(database.service_url(), by).Step(), Succeeds());
  }

  // What Undo leads back to, whatever was tampered with: also by whoever had let go of what guards the tables.
  void Keep() {
    std::string sql = "create schema kept;";
    for (const char* table : kTables) absl::StrAppend(&sql, "create table kept.", table, " as table ", table, ";");
    Tamper(sql +
           "alter table log_entries alter column create_time drop not null,"
           " drop constraint log_entries_occurrence_check");
  }
  void Undo() {
    std::string sql;
    for (const char* table : kTables)
      absl::StrAppend(&sql, "delete from ", table, "; insert into ", table, " table kept.", table, ";");
    Tamper(sql);
  }

  std::string VerifierKey() { return key.VerifierKey(Head().origin); }

  // A new file with this content.
  std::string File(const std::string& content) {
    std::string path = absl::StrCat(folder_.path(), "/", ++files_);
    std::ofstream(path) << content;
    return path;
  }
  // A new file with an export; what `export` fails with, where it does.
  absl::StatusOr<std::string> Export(const std::string& event = "", const std::string& older = "") {
    std::stringstream content;
    PARLEY_RETURN_IF_ERROR(
        ctl::ExportLog(database.service_url(), event.empty() ? "" : events.at(event).ToString(), older, content));
    return File(content.str());
  }
  // A new file with the last checkpoint.
  std::string Checkpoint() { return File(Head().checkpoint->note); }

  absl::StatusOr<std::string> VerifyOnline(const std::string& older = "", const std::string& by = "") {
    return ctl::VerifyLog(database.service_url(), "", older, by);
  }
  absl::StatusOr<std::string> VerifyFile(const std::string& file, const std::string& older = "",
                                         const std::string& by = "") {
    asked_.push_back({absl::StrCat(file, older.empty() ? "" : " --older ", older, by.empty() ? "" : " --key ", by),
                      case_, ctl::VerifyLog("", file, older, by)});
    return asked_.back().said;
  }

  // `good`, the first bad entry (`a/3`), what else is bad (`the tree`), or `unreadable`.
  std::string Verdict(const absl::StatusOr<std::string>& said) const {
    if (said.ok()) return std::string(absl::string_view(*said).substr(0, said->find(':')));
    if (absl::IsInvalidArgument(said.status())) return "unreadable";
    if (!absl::IsDataLoss(said.status())) return said.status().ToString();
    return ShortName(std::string(said.status().message()));
  }
  std::string ShortName(std::string message) const {
    for (const auto& [letter, id] : events) {
      const std::string name = absl::StrCat("events/", id.ToString(), "/logEntries");
      message = absl::StrReplaceAll(message, {{name, letter}});
    }
    return message.substr(0, message.find(':'));
  }

  // No export of one event can be made then, since nothing proves its entries.
  static constexpr char kNoTree[] = "the tree of the log has lost nodes";

  // What all ways of verifying say of the database as it is. Of the export of a alone it may be something else: its
  // proofs lead to the tree of all.
  struct Verdicts {
    std::string all;
    std::string of_a = all;
  };
  void ExpectVerdicts(const std::string& what, const Verdicts& verdicts, const std::string& older = "",
                      const std::string& by = "") {
    case_ = what;
    EXPECT_EQ(Verdict(VerifyOnline(older, by)), verdicts.all) << what;
    const auto all = Export(), of_a = Export("a", older);
    EXPECT_EQ(Verdict(all.ok() ? VerifyFile(*all, older, by) : all), verdicts.all) << what;
    EXPECT_EQ(Verdict(of_a.ok() ? VerifyFile(*of_a, older, by) : of_a), verdicts.of_a) << what << ", of a";
  }

  void TearDown() override {
    std::string lines;
    for (const Asked& asked : asked_) absl::StrAppend(&lines, asked.arguments, "\n");
    const test::Output output = test::Run({"/usr/bin/python3", "-I", "-c", kEachLine, PARLEY_VERIFY_LOG, File(lines)});
    EXPECT_EQ(output.exit_code, 0) << output.err;
    const std::vector<std::string> answers = absl::StrSplit(output.out, '\n', absl::SkipEmpty());
    ASSERT_EQ(answers.size(), asked_.size()) << output.out;
    for (size_t i = 0; i < asked_.size(); ++i) {
      const Asked& asked = asked_[i];
      if (asked.said.ok()) {
        EXPECT_THAT(answers[i], StartsWith("0 " + asked.said->substr(0, asked.said->find(" (")))) << asked.what;
      } else if (Verdict(asked.said) == "unreadable") {
        // What is no checkpoint, or no key, it says to have signed nothing.
        EXPECT_THAT(answers[i], AnyOf(StartsWith("2 "), StartsWith("1 bad: the checkpoint: "))) << asked.said.status();
      } else {
        EXPECT_THAT(answers[i], StartsWith("1 bad: ")) << asked.what;
        EXPECT_EQ(ShortName(answers[i].substr(std::min(answers[i].size(), strlen("1 bad: ")))), Verdict(asked.said))
            << asked.what << "\n"
            << answers[i] << "\n"
            << asked.said.status();
      }
    }
  }

  std::map<std::string, Uuid> events;  // by their letters; there is none of the id of x

 private:
  struct Asked {
    std::string arguments;
    std::string what;
    absl::StatusOr<std::string> said;
  };

  // Runs the verifier once for each line of a file, which has its arguments, and prints a line: its exit code, and what
  // it has printed. Checks the same signature only once, which is most of its work.
  static constexpr char kEachLine[] = R"(
import contextlib, functools, io, sys
definitions, main = open(sys.argv[1]).read().split("if __name__ ==")
names = {}
exec(definitions, names)
names["signed"] = functools.cache(names["signed"])
for line in open(sys.argv[2]).readlines():
    sys.argv[1:], code = line.split(), 0
    with io.StringIO() as said, contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
        try:
            exec("if '__main__' ==" + main, names)
        except SystemExit as end:
            code = end.code
        text = said.getvalue()
    print(code, text.replace("\n", " "))
)";

  static constexpr const char* kTables[] = {"users",       "events",      "event_parties",
                                            "event_staff", "log_entries", "log_leaves",
                                            "log_nodes",   "log_tree",    "unsequenced_entries"};

  const std::unique_ptr<data::Connection> owner_ = *data::Connection::Open(database.owner_url());
  const test::TemporaryFolder folder_;
  int files_ = 0;
  std::string case_;
  std::vector<Asked> asked_;
};

}  // namespace parley::event
