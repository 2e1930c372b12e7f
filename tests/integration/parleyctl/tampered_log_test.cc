// parleyctl log verify on logs with which somebody has tampered who may do everything in the database: each way of
// verifying finds it, and names the same first bad entry.
#include "tests/integration/parleyctl/signed_log_test.h"

namespace parley::event {
namespace {

class TamperedLogTest : public SignedLogTest {
 protected:
  void SetUp() override {
    MakeLog();
    Keep();
  }

  // Entries in the tree of all, whoever is the event: the proofs of a lead to another tree from its first entry on.
  static constexpr char kUnproved[] = "a/1";

  struct Tampering {
    std::string sql;
    Verdicts verdicts;
    std::string rechained = {};  // the event whose hashes are all computed anew
  };
  void ExpectFound(const Tampering& tampering) {
    Tamper(tampering.sql);
    if (!tampering.rechained.empty()) Rechain(tampering.rechained);
    ExpectVerdicts(tampering.sql, tampering.verdicts, "", VerifierKey());
    Undo();
  }
};

TEST_F(TamperedLogTest, L5_AnEditOfAnyColumnIsFoundInItsEntry) {
  for (const std::string column : {
           "create_time = create_time + interval '1 microsecond'",
           "create_time = create_time - interval '1 day'",
           "create_time = 'infinity'",
           "create_time = '-infinity'",
           "create_time = null",
           "occurrence = 'VIEW'",
           "occurrence = 'NOTIFY'",
           "occurrence = 'update'",
           "occurrence = ''",
           "effector_id = (select user_id from users where address_key = 'bob@example.org')",
           "effector_id = '00000000-0000-0000-0000-000000000000'",
           "revision = revision + 1",
           "revision = -revision",
           "slots[1] = tstzrange(lower(slots[1]) - interval '1 microsecond', upper(slots[1]))",
           "slots[2] = tstzrange(lower(slots[2]), upper(slots[2]) + interval '1 microsecond')",
           "slots = array[slots[2], slots[1], slots[3]]",
           "slots = slots[1:2]",
           "slots = slots || slots[3]",
           "slots = '{}'",
           "slots = array[slots, slots]",
           "slots[1] = tstzrange(lower(slots[1]), upper(slots[1]), '[]')",
           "slots[1] = tstzrange(lower(slots[1]), upper(slots[1]), '()')",
           "slots[2] = tstzrange(null, upper(slots[2]))",
           "slots[3] = tstzrange(lower(slots[3]), null)",
           "slots[3] = tstzrange(lower(slots[3]), 'infinity')",
           "slots[3] = tstzrange('-infinity', 'infinity')",
           "slots[1] = 'empty'",
           "slots[2] = null",
           "data = set_byte(data, 0, get_byte(data, 0) # 1)",
           "data = set_byte(data, length(data) - 1, get_byte(data, length(data) - 1) # 128)",
           R"(data = data || '\x00')",
           R"(data = '\x00' || data)",
           "data = substr(data, 2)",
           "data = ''",
           "named = set_byte(named, 0, get_byte(named, 0) # 128)",
           "named = set_byte(named, 47, get_byte(named, 47) # 1)",
           R"(named = named || '\x00')",
           "named = named || named",
           "named = substr(named, 1, 47)",
           "named = ''",
           "hash = set_byte(hash, 0, get_byte(hash, 0) # 128)",
           "hash = set_byte(hash, 31, get_byte(hash, 31) # 1)",
           R"(hash = hash || '\x00')",
           "hash = substr(hash, 2)",
           "hash = ''",
       }) {
    ExpectFound({"update log_entries set " + column + " where {a/3}", {"a/3"}});
  }
  ExpectVerdicts("undone", {"good"});
}

TEST_F(TamperedLogTest, L5_WhatIsMovedSwappedOrRemovedIsFound) {
  const std::string kForget = "delete from log_leaves where {a/7} or {a/8};";
  const std::string kTruncate =
      "delete from log_entries where {a/7} or {a/8};"
      "update events set last_sequence = 6, last_hash = (select hash from log_entries where {a/6}) where event_id = "
      "{a};";
  const std::string kForgetC =
      "delete from log_entries where event_id = {c}; delete from log_leaves where event_id = {c};"
      "delete from event_parties where event_id = {c}; delete from events where event_id = {c};";
  for (const Tampering& tampering : std::vector<Tampering>{
           // To another event, and to none; to other places of the same one.
           {"update log_entries set event_id = {b} where {a/5}", {"a/5"}},
           {"update log_entries set event_id = {x} where {a/1}", {"a/1"}},
           {"update log_entries set sequence = 9 where {a/3}", {"a/3"}},
           {"update log_entries set sequence = 0 where {a/3}", {"a/3", "a/0"}},
           {"update log_entries set sequence = -7 where {a/8}", {"a/8", "a/-7"}},
           // Swapped: on one log, between two, and only what they say.
           {"update log_entries set sequence = 0 where {a/2}; update log_entries set sequence = 2 where {a/3};"
            "update log_entries set sequence = 3 where {a/0}",
            {"a/2"}},
           {"update log_entries set event_id = {x} where {a/2}; update log_entries set event_id = {a} where {b/2};"
            "update log_entries set event_id = {b} where {x/2}",
            {"a/2"}},
           {"update log_entries e set create_time = o.create_time, occurrence = o.occurrence, data = o.data,"
            " effector_id = o.effector_id, revision = o.revision, slots = o.slots, named = o.named "
            "from log_entries o where e.event_id = {a} and o.event_id = {a} and e.sequence in (2, 5)"
            " and o.sequence = 7 - e.sequence",
            {"a/2"}},
           // Removed: the first, one in the middle, the last, all of an event, all.
           {"delete from log_entries where {a/1}", {"a/1"}},
           {"delete from log_entries where {a/3}", {"a/3"}},
           {"delete from log_entries where {a/8}", {"a/8"}},
           {"delete from log_entries where {a/3}; delete from log_leaves where {a/3}", {"a/4", kNoTree}},
           {"delete from log_entries where event_id = {a}", {"a/1"}},
           {"delete from log_entries where event_id = {b}", {"b/1", "good"}},
           {"delete from log_entries", {"a/1"}},
           {kForgetC, {"the tree", kNoTree}},
           // Cut off, and the rest is made to fit: the tree shows it, and only an older one can say where.
           {kTruncate, {"a/7"}},
           {kTruncate + kForget, {"c/1", kNoTree}},
           {kTruncate + kForget + "update log_leaves set leaf_index = leaf_index - 2 where event_id = {c}",
            {"the tree", kNoTree}},
           {absl::StrCat(kTruncate, kForget, kForgetC), {"the tree", kNoTree}},
       }) {
    ExpectFound(tampering);
  }
}

TEST_F(TamperedLogTest, L5_WhatIsInsertedIsFound) {
  const std::string kColumns =
      "create_time, occurrence, effector_id, revision, slots, data, '', hash from log_entries ";
  const std::string kBehindEnd = "insert into log_entries select event_id, 9, " + kColumns + "where {a/4};";
  const std::string kInMiddle =
      "update log_entries set sequence = -sequence where event_id = {a} and sequence > 2;"
      "update log_entries set sequence = 1 - sequence where sequence < 0;"
      "insert into log_entries select event_id, 3, " +
      kColumns + "where {a/2};";
  const std::string kNewEvent =
      "insert into log_entries select {x}, sequence, create_time, occurrence, effector_id, revision, slots, data,"
      " named, hash from log_entries where event_id = {a};";
  for (const Tampering& tampering : std::vector<Tampering>{
           {kBehindEnd, {"a/9"}},
           {kBehindEnd, {"a/9"}, "a"},
           {kInMiddle, {"a/3"}},
           {kInMiddle, {"a/3"}, "a"},
           {kNewEvent, {"x/1", "good"}},
           {kNewEvent, {"x/1", "good"}, "x"},
           // A leaf without an entry; one where nobody looks; one between others.
           {"insert into log_leaves values (13, {x}, 1, '')", {"x/1", "good"}},
           {"insert into log_leaves values (13, {a}, 9, '')", {"a/9"}},
           {"insert into log_leaves values (14, {x}, 1, '')", {"x/1", "good"}},
           {"insert into log_leaves values (-1, {x}, 1, '')", {"x/1", "good"}},
           {kBehindEnd + "insert into log_leaves values (-1, {a}, 9, '')", {"a/9"}, "a"},
           {"update log_leaves set leaf_index = -leaf_index - 1 where leaf_index > 4;"
            "update log_leaves set leaf_index = -leaf_index where leaf_index < 0;"
            "insert into log_leaves values (5, {x}, 1, '')",
            {"x/1", kUnproved}},
       }) {
    ExpectFound(tampering);
  }
}

TEST_F(TamperedLogTest, L5_ALeafThatIsTamperedWithIsFound) {
  const std::string kOf = " where {a/3}", kSwap = "update log_leaves set leaf_index = case leaf_index ";
  for (const Tampering& tampering : std::vector<Tampering>{
           {"update log_leaves set hash = set_byte(hash, 0, get_byte(hash, 0) # 1)" + kOf, {"a/3", kUnproved}},
           {R"(update log_leaves set hash = hash || '\x00')" + kOf, {"a/3", kUnproved}},
           {"update log_leaves set hash = ''" + kOf, {"a/3", kUnproved}},
           {"update log_leaves set hash = ''" + kOf + " or {a/1}", {"a/1"}},
           {"update log_leaves set event_id = {x}" + kOf, {"x/3", "a/3"}},
           {"update log_leaves set sequence = 9" + kOf, {"a/9", "a/3"}},
           {"delete from log_leaves where {b/2}", {"b/3", kNoTree}},
           {"delete from log_leaves where {c/2}", {"c/2", kNoTree}},
           {"delete from log_leaves", {"a/1"}},
           // Swapped: those of a/3 and a/4; those of a/4 and b/2, which only the tree shows.
           {"update log_leaves set leaf_index = -1 where {a/3}; update log_leaves set leaf_index = 3 where {a/4};"
            "update log_leaves set leaf_index = 4 where {a/3}",
            {"a/4", kUnproved}},
           {"update log_leaves set leaf_index = -1 where {a/4}; update log_leaves set leaf_index = 4 where {b/2};"
            "update log_leaves set leaf_index = 5 where {a/4}",
            {"the tree", kUnproved}},
           // Said to wait for the tree, in which it was.
           {"insert into unsequenced_entries select array_agg(event_id), array_agg(sequence), array_agg(hash)"
            " from log_leaves where {c/1}; delete from log_leaves where {c/1}",
            {"c/2", kNoTree}},
       }) {
    ExpectFound(tampering);
  }
  // Twice in the queue, it is in the tree once.
  Tamper(
      "insert into unsequenced_entries select array_agg(event_id), array_agg(sequence), array_agg(hash)"
      " from log_leaves where {a/1}");
  ExpectVerdicts("queued again", {"good"});
}

TEST_F(TamperedLogTest, L5_WhoChainsTheLogAnewIsFoundByTheTree) {
  const auto older = Export(), older_of_a = Export("a");
  ASSERT_THAT(older, Succeeds());
  ASSERT_THAT(older_of_a, Succeeds());
  const std::string checkpoint = Checkpoint(), known = VerifierKey();
  const tlog::SigningKey another = MakeKey();
  for (const std::string sql : {
           "update log_entries set create_time = create_time + interval '1 microsecond' where {a/3}",
           "update log_entries set slots = slots[2:3] where {a/3}",
           "update log_entries set effector_id = (select user_id from users where local_part = 'bob') where {a/3}",
       }) {
    Tamper(sql);
    Rechain("a");
    ExpectVerdicts(sql + " and chained anew", {"a/3"}, "", known);
    RewriteLeaves();
    const std::string everywhere = sql + ", the tree too";
    ExpectVerdicts(everywhere, {"the tree", kUnproved}, "", known);
    ExpectVerdicts(everywhere, {"the tree", kUnproved}, checkpoint, known);
    ExpectVerdicts(everywhere, {"a/3", kUnproved}, *older);
    ExpectVerdicts(everywhere, {"a/3", kUnproved}, *older_of_a);

    SignAnew(another);
    const std::string by_another = everywhere + ", signed by another key";
    ExpectVerdicts(by_another, {"good"});  // as long as nobody knows anything of before
    ExpectVerdicts(by_another, {"the checkpoint"}, "", known);
    ExpectVerdicts(by_another, {"the checkpoint"}, checkpoint);
    ExpectVerdicts(by_another, {"the checkpoint"}, checkpoint, known);
    ExpectVerdicts(by_another, {"a/3"}, *older);
    ExpectVerdicts(by_another, {"a/3"}, *older_of_a);

    SignAnew(key);
    const std::string by_the_key = everywhere + ", signed by the key";
    ExpectVerdicts(by_the_key, {"the tree"}, checkpoint);
    ExpectVerdicts(by_the_key, {"the tree"}, checkpoint, known);
    ExpectVerdicts(by_the_key, {"a/3"}, *older);
    ExpectVerdicts(by_the_key, {"a/3"}, *older_of_a);
    Undo();
  }
}

TEST_F(TamperedLogTest, L5_AUserIsNamedByOneAddress) {
  const std::string kName = " where user_id = (select user_id from users where address_key = '";
  const std::string kAnn = kName + "ann@example.org') and event_id = {a}";
  const std::string kStaff = kName + "staff@example.org') and event_id = {a}";
  for (const Tampering& tampering : std::vector<Tampering>{
           {"update event_parties set local_part = 'Ann'" + kAnn, {"a/1"}},
           {"update event_parties set local_part = ''" + kAnn, {"a/1"}},
           {"update event_parties set salt = set_byte(salt, 15, get_byte(salt, 15) # 1)" + kAnn, {"a/1"}},
           {"update event_parties set salt = ''" + kAnn, {"a/1"}},
           {"update event_parties set salt = substr(salt, 1, 15)" + kAnn, {"a/1"}},
           // From the address to the salt, which makes the same bytes.
           {"update event_parties set salt = salt || 'a', local_part = 'nn'" + kAnn, {"a/1"}},
           {"delete from event_parties" + kAnn, {"the people"}},
           {"update event_staff set local_part = 'stuff'" + kStaff, {"a/3"}},
           {"update event_staff set salt = set_byte(salt, 0, get_byte(salt, 0) # 128)" + kStaff, {"a/3"}},
           {"delete from event_staff" + kStaff, {"the people"}},
           {"update event_staff set salt = substr(salt, 2) where event_id = {b}", {"b/1", "good"}},
           // Everywhere: at the first entry in the tree.
           {"update users set domain = 'example.com' where address_key = 'ann@example.org'", {"a/1"}},
           {"update users set domain = 'example.com' where address_key = 'staff@example.org'", {"b/1", "a/3"}},
           // Whom no entry names.
           {"insert into event_staff select {a}, user_id, local_part, 'salt' from users where local_part = 'eve'",
            {"the people"}},
           {"insert into event_staff select {x}, user_id, local_part, 'salt' from users where local_part = 'eve'",
            {"the people", "good"}},
       }) {
    ExpectFound(tampering);
  }
  // Nobody can tell these from an erasure.
  for (const std::string& sql : {"update event_parties set local_part = '', salt = ''" + kAnn,
                                 std::string("delete from users where address_key = 'ann@example.org'")}) {
    ExpectFound({sql, {"good"}});
  }

  for (const std::string commitment : {"sha256('eve@example.org')", "substr(named, 17, 32)"}) {
    Tamper("update log_entries set named = (select substr(named, 1, 16) || " + commitment +
           " from log_entries where {a/1}) where {a/5}");
    Rechain("a");
    RewriteLeaves();
    ExpectVerdicts("named again, with " + commitment, {"a/5", kUnproved});
    Undo();
  }
}

TEST_F(TamperedLogTest, L5_ACheckpointIsSignedByTheKeyThatIsKnown) {
  const std::string other = MakeKey().VerifierKey(Head().origin), known = VerifierKey();
  const std::string kUpdate = "update log_tree set checkpoint = ";
  for (const std::string& sql : {
           "update log_tree set verifier_key = '" + other + "'",
           std::string("update log_tree set verifier_key = ''"),
           std::string("update log_tree set verifier_key = null"),
           kUpdate + R"(replace(checkpoint, E'\n13\n', E'\n12\n'))",
           kUpdate + R"(replace(checkpoint, E'\n13\n', E'\n013\n'))",
           kUpdate + R"(replace(checkpoint, 'parley/', 'parleY/'))",
           kUpdate + "left(checkpoint, -1)",
           kUpdate + "left(checkpoint, -2)",
           // The bits of base64 that say nothing.
           kUpdate + "left(checkpoint, -3) || translate(right(checkpoint, 3), 'AEIMQUYcgkosw048', 'BFJNRVZdhlptx159')",
           kUpdate + "left(checkpoint, -9) || right(checkpoint, 1)",
           kUpdate + R"(checkpoint || E'\n')",
           kUpdate + "''",
       }) {
    ExpectFound({sql, {"the checkpoint"}});
  }
  ExpectVerdicts("by another key", {"the checkpoint"}, "", other);
  ExpectVerdicts("by no key", {"unreadable"}, "", known + "=");
}

// Only the database can say how its events stand.
TEST_F(TamperedLogTest, L5_AnEventEndsAsItsLogDoes) {
  const struct {
    std::string sql;
    std::string entry;
  } cases[] = {
      {"update events set last_sequence = 9 where event_id = {a}", "a/9"},
      {"update events set last_sequence = 7 where event_id = {a}", "a/7"},
      {"update events set last_hash = (select hash from log_entries where {a/7}) where event_id = {a}", "a/8"},
      {"update events set last_hash = '' where event_id = {c}", "c/2"},
      {"update events set event_id = {x} where event_id = {a}", "x/8"},
      {"delete from events where event_id = {b}", "b/3"},
  };
  for (const auto& each : cases) {
    Tamper(each.sql);
    EXPECT_EQ(Verdict(VerifyOnline()), each.entry) << each.sql;
    EXPECT_EQ(Verdict(VerifyFile(*Export())), "good") << each.sql;
    Undo();
  }
}

}  // namespace
}  // namespace parley::event
