// What the tests of proofs share: a negotiation whose log is signed again and again, and proofs as callers get them.
#pragma once

#include <openssl/sha.h>

#include <map>
#include <string>
#include <vector>

#include "common/time/proto_time.h"
#include "tests/integration/event/tree_test.h"

namespace parley::event {

inline std::string Sha256(const std::string& text) {
  unsigned char hash[SHA256_DIGEST_LENGTH];
  SHA256(reinterpret_cast<const unsigned char*>(text.data()), text.size(), hash);
  return {reinterpret_cast<const char*>(hash), sizeof(hash)};
}

inline std::string LeafOf(const std::string& record) { return Sha256('\0' + record); }

template <class Proof>
std::vector<std::string> HashesOf(const Proof& proof) {
  return {proof.hashes().begin(), proof.hashes().end()};
}

class ProofsTest : public TreeTest {
 protected:
  absl::StatusOr<v1::Checkpoint> Checkpoint(const rpc::Call& call) {
    v1::Checkpoint checkpoint;
    PARLEY_RETURN_IF_ERROR(GetCheckpoint(context, call, {}, checkpoint));
    return checkpoint;
  }

  absl::StatusOr<v1::InclusionProof> Inclusion(const rpc::Call& call, const std::string& name, int64_t tree_size = 0) {
    v1::GetInclusionProofRequest request;
    request.set_name(name);
    request.set_tree_size(tree_size);
    v1::InclusionProof proof;
    PARLEY_RETURN_IF_ERROR(GetInclusionProof(context, call, request, proof));
    return proof;
  }

  absl::StatusOr<v1::ConsistencyProof> Consistency(const rpc::Call& call, int64_t first, int64_t second = 0) {
    v1::GetConsistencyProofRequest request;
    request.set_first_tree_size(first);
    request.set_second_tree_size(second);
    v1::ConsistencyProof proof;
    PARLEY_RETURN_IF_ERROR(GetConsistencyProof(context, call, request, proof));
    return proof;
  }

  static std::string EntryOf(const v1::Event& event, int64_t sequence) {
    return absl::StrCat(event.name(), "/logEntries/", sequence);
  }

  // The checkpoint as anybody reads it who has the key from before.
  tlog::Checkpoint Opened(const v1::Checkpoint& checkpoint) const {
    EXPECT_EQ(checkpoint.verifier_key(), key.VerifierKey(checkpoint.origin()));
    const auto opened = tlog::Open(checkpoint.note(), checkpoint.verifier_key());
    EXPECT_THAT(opened, Succeeds());
    if (!opened.ok()) return {};
    EXPECT_EQ(*opened, (tlog::Checkpoint{checkpoint.origin(), checkpoint.tree_size(), checkpoint.root_hash()}));
    return *opened;
  }

  // Signs what is new, and keeps what was signed.
  void Sign() {
    ASSERT_THAT(process.Step(), Succeeds());
    ASSERT_OK_AND_ASSIGN(const v1::Checkpoint checkpoint, Checkpoint(eve));
    EXPECT_LE(absl::AbsDuration(absl::Now() - *FromProto(checkpoint.create_time())), absl::Minutes(5));
    const tlog::Checkpoint opened = Opened(checkpoint);
    signed_[opened.size] = opened;
  }

  v1::Event Kept(const absl::StatusOr<v1::Event>& answer) {
    EXPECT_THAT(answer, Succeeds());
    Sign();
    return answer.value_or(v1::Event());
  }

  // An entry as the notification service writes it.
  void Notify(const v1::Event& event) {
    EXPECT_THAT(Do([&](data::Transaction& tx) -> absl::Status {
                  PARLEY_ASSIGN_OR_RETURN(auto locked, data::Events(tx).Lock({IdOf(event)}));
                  ++locked.front().last_sequence;
                  auto entry = data::EntryOf(locked.front(), v1::LogEntry::NOTIFY,
                                             {ann.principal.user_id, std::nullopt, std::nullopt}, tx.now());
                  entry.data.set_recipient_id(bob.principal.user_id.ToBytes());
                  entry.data.set_sender_id(ann.principal.user_id.ToBytes());
                  entry.data.set_notification_id(Uuid::TimeOrdered().ToBytes());
                  return data::LogEntries(tx).Append({entry}).status();
                }),
                Succeeds());
    Sign();
  }

  // Entries of all kinds by callers of all kinds, on the logs of several events, signed again and again.
  void Negotiate() {
    Sign();
    auto request = Proposal(2);
    request.mutable_event()->mutable_agreement_policy()->set_confirmed_by(v1::AgreementPolicy::VIEW);
    v1::Event event = Kept(Create(ActingFor(ann, staff), request));
    const v1::Event plain = Kept(Create(ann, Proposal(5)));
    Kept(Get(staff, event.name()));
    Kept(Get(bob, event.name()));  // which confirms
    const rpc::Call guest = GuestOf(Named("guest@example.net"), event);
    auto update = UpdateOf(event);
    update.mutable_event()->set_title("Dinner");
    update.mutable_event()->set_time_zone("Asia/Tokyo");
    AddSlot(*update.mutable_event(), 7);
    event = Kept(Update(guest, update));
    Notify(event);
    Kept(Get(ActingFor(ann, second_staff), event.name()));
    event = Kept(Move(staff, event, 9));
    Kept(Get(second_staff, plain.name()));
    event = Kept(Confirm(ann, event));
    event = Kept(Confirm(bob, event));
    event = Kept(Get(guest, event.name()));
    ASSERT_EQ(event.state(), v1::Event::AGREED);
    const v1::Event successor = Kept(Reopen(bob, event));
    Kept(Narrow(ann, plain, 0));
    ASSERT_THAT(Delete(staff, successor), Succeeds());
    Sign();
    events_ = {event, plain, successor};
  }

  // Of all logs: each entry as ListLogEntries shows it, with its proof in the present tree.
  struct Proved {
    v1::LogEntry entry;
    v1::InclusionProof proof;
  };
  std::vector<std::vector<Proved>> AllProved() {
    std::vector<std::vector<Proved>> logs;
    for (const v1::Event& event : events_) {
      const auto entries = Log(staff, event.name());
      EXPECT_THAT(entries, Succeeds());
      logs.emplace_back();
      for (const v1::LogEntry& entry : *entries) {
        const auto proof = Inclusion(ann, entry.name());
        EXPECT_THAT(proof, Succeeds()) << entry.name();
        logs.back().push_back({entry, proof.value_or(v1::InclusionProof())});
      }
    }
    return logs;
  }

  // Of all rows of all tables.
  std::string WholeDigest() const {
    return database.Sql(R"(
      select md5(string_agg(table_name || query_to_xml(format('select t::text as row from parley.%I t order by 1',
                                                              table_name), true, false, '')::text, '' order by table_name))
      from information_schema.tables where table_schema = 'parley')");
  }

  rpc::Call second_staff = UserOf("second@example.org", token::v1::User::STAFF);
  std::vector<v1::Event> events_;
  std::map<int64_t, tlog::Checkpoint> signed_;  // by size
};

}  // namespace parley::event
