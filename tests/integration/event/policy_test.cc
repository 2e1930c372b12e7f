// Quorums, what a closed event allows, and how many parties an event has.
#include <algorithm>

#include "tests/integration/event/event_test.h"

namespace parley::event {
namespace {

using ::testing::HasSubstr;
using Policy = v1::AgreementPolicy;

class PolicyTest : public EventTest {
 protected:
  // By staff, who are no party, so that nobody has confirmed.
  static v1::CreateEventRequest With(int parties, int slots = 1) {
    auto request = Proposal(slots);
    request.mutable_event()->clear_parties();
    for (int i = 0; i < parties; ++i) {
      request.mutable_event()->add_parties()->set_address(absl::StrCat("party", i, "@example.org"));
    }
    return request;
  }

  // An event of ann alone that was closed so.
  v1::Event Closed(v1::Event::State state) {
    auto request = Proposal(state == v1::Event::ABANDONED ? 0 : 1);
    request.mutable_event()->clear_parties();
    v1::Event event = *Create(ann, request);
    if (state != v1::Event::SUPERSEDED) return *Confirm(ann, event);
    EXPECT_THAT(Reopen(ann, event), Succeeds());
    return *Get(ann, event.name());
  }
};

TEST_F(PolicyTest, A2_A3_WhoeverCompletesTheQuorumCloses) {
  for (const auto quorum : {Policy::ALL, Policy::ALL_BUT_ONE}) {
    for (const auto confirmed_by : {Policy::UPDATE, Policy::VIEW}) {
      for (int parties = 1; parties <= 4; ++parties) {
        SCOPED_TRACE(
            absl::StrCat(Policy::Quorum_Name(quorum), " ", Policy::ConfirmedBy_Name(confirmed_by), " of ", parties));
        auto request = With(parties);
        request.mutable_event()->mutable_agreement_policy()->set_quorum(quorum);
        request.mutable_event()->mutable_agreement_policy()->set_confirmed_by(confirmed_by);
        ASSERT_OK_AND_ASSIGN(v1::Event event, Create(staff, request));
        const int needed = quorum == Policy::ALL ? parties : std::max(std::min(parties, 2), parties - 1);
        for (int i = 0; i < needed; ++i) {
          const rpc::Call party = GuestOf(Named(absl::StrCat("party", i, "@example.org")), event);
          ASSERT_OK_AND_ASSIGN(const v1::Event seen, Get(party, event.name()));
          EXPECT_EQ(seen.parties(i).confirmed(), confirmed_by == Policy::VIEW);
          event = seen;
          if (confirmed_by == Policy::UPDATE) {
            ASSERT_OK_AND_ASSIGN(event, Confirm(party, seen));
          }
          EXPECT_TRUE(event.parties(i).confirmed());
          EXPECT_EQ(event.state(), i + 1 < needed ? v1::Event::OPEN : v1::Event::AGREED) << i;
          EXPECT_EQ(event.revision(), i + 1 < needed ? 1 : 2);
        }
        Replayed(event.name());
      }
    }
  }
}

TEST_F(PolicyTest, A2_A3_ViewsNeverConfirmAnEmptySetAndNeverCloseOnSeveral) {
  for (const int slots : {0, 2}) {
    auto request = With(1, slots);
    request.mutable_event()->mutable_agreement_policy()->set_confirmed_by(Policy::VIEW);
    ASSERT_OK_AND_ASSIGN(const v1::Event event, Create(staff, request));
    const rpc::Call party = GuestOf(Named("party0@example.org"), event);
    ASSERT_OK_AND_ASSIGN(const v1::Event seen, Get(party, event.name()));
    EXPECT_EQ(seen.state(), v1::Event::OPEN);
    EXPECT_EQ(seen.parties(0).confirmed(), slots == 2);
    ASSERT_OK_AND_ASSIGN(const v1::Event confirmed, Confirm(party, event));
    EXPECT_EQ(confirmed.state(), slots == 0 ? v1::Event::ABANDONED : v1::Event::OPEN);
    if (slots == 0) continue;
    // Staff leave one: nobody has confirmed it, until its party sees it.
    ASSERT_OK_AND_ASSIGN(const v1::Event narrowed, Narrow(staff, event, 1));
    EXPECT_FALSE(narrowed.parties(0).confirmed());
    ASSERT_OK_AND_ASSIGN(const v1::Event agreed, Get(party, event.name()));
    EXPECT_EQ(agreed.state(), v1::Event::AGREED);
  }
}

TEST_F(PolicyTest, A4_AClosedEventCanBeReadDeletedAndReopened) {
  for (const auto state : {v1::Event::AGREED, v1::Event::ABANDONED, v1::Event::SUPERSEDED}) {
    SCOPED_TRACE(v1::Event::State_Name(state));
    const v1::Event event = Closed(state);
    ASSERT_EQ(event.state(), state);
    const std::string before = Digest();
    v1::Event stale = event;
    stale.set_etag("99");
    for (const v1::Event& based_on : {event, stale}) {
      for (const absl::Status& refused :
           {Retitle(ann, based_on, "other").status(), Move(ann, based_on, 3).status(),
            Move(staff, based_on, 3).status(), Narrow(ann, based_on, event.slots_size()).status(),
            Confirm(ann, based_on).status()}) {
        EXPECT_THAT(refused, kClosedEvent) << "the state is looked at before the etag";
        EXPECT_EQ(MetadataOf(refused, "state"), v1::Event::State_Name(state));
      }
    }
    EXPECT_EQ(Digest(), before);
    ASSERT_OK_AND_ASSIGN(const v1::Event seen, Get(ann, event.name()));
    EXPECT_THAT(seen, EqualsProto(event));
    if (state == v1::Event::SUPERSEDED) {
      const auto again = Reopen(ann, stale);
      EXPECT_THAT(again, kReopenedEvent);
      EXPECT_EQ(MetadataOf(again.status(), "successor"), event.successor());
    } else {
      EXPECT_THAT(Reopen(ann, stale), kStaleEtag);
      ASSERT_OK_AND_ASSIGN(const v1::Event successor, Reopen(ann, event));
      EXPECT_EQ(successor.state(), v1::Event::OPEN);
      ASSERT_OK_AND_ASSIGN(const v1::Event kept, Get(ann, event.name()));
      EXPECT_EQ(kept.state(), state);
      EXPECT_EQ(kept.revision(), event.revision());
      EXPECT_THAT(kept.update_time(), EqualsProto(event.update_time()));
    }
    EXPECT_THAT(Delete(staff, event), Succeeds());
    Replayed(event.name());
  }
}

TEST_F(PolicyTest, N8_WhoeverViewsTooOftenIsToldWhenToComeAgain) {
  absl::Time now = absl::FromUnixSeconds(1900000000);
  rpc::Limiter limited(absl::Seconds(1), 60, [&now] { return now; });
  const Context strict{pool, signer, limited, Limits(), [](const Uuid&) {}};
  ASSERT_OK_AND_ASSIGN(const v1::Event event, Create(ann, Proposal()));
  auto view = [&](int64_t revision) -> absl::Status {
    v1::GetEventRequest request;
    request.set_name(event.name());
    request.set_revision(revision);
    v1::Event seen;
    GetItem item{ann, request, seen, absl::OkStatus()};
    const std::vector<GetItem*> items{&item};
    PARLEY_RETURN_IF_ERROR(GetEvents(strict, items, turn));
    return item.status;
  };
  for (int i = 0; i < 60; ++i) ASSERT_THAT(view(i % 2), Succeeds());
  const std::string before = Digest();
  const absl::Status refused = view(0);
  EXPECT_THAT(refused, Fails(absl::StatusCode::kResourceExhausted, error::v1::RATE_LIMITED));
  google::rpc::RetryInfo retry;
  ASSERT_TRUE(retry.ParseFromString(
      std::string(refused.GetPayload("type.googleapis.com/google.rpc.RetryInfo").value_or(absl::Cord()))));
  EXPECT_EQ(retry.retry_delay().seconds(), 1);
  EXPECT_EQ(Digest(), before);
  now += absl::Seconds(1);
  EXPECT_THAT(view(0), Succeeds());
  EXPECT_THAT(view(0), Fails(absl::StatusCode::kResourceExhausted, error::v1::RATE_LIMITED));
  EXPECT_EQ(Replayed(event.name()).size(), 32u) << "30 views, and one more";
}

TEST_F(PolicyTest, E2_E3_OneToAHundredParties) {
  auto parties_of = [](const absl::StatusOr<v1::Event>& event) { return event.ok() ? event->parties_size() : 0; };
  EXPECT_THAT(Create(staff, With(0)), kInvalid);
  EXPECT_THAT(std::string(Create(staff, With(0)).status().message()), HasSubstr("event.parties"));
  EXPECT_EQ(parties_of(Create(staff, With(1))), 1);
  EXPECT_EQ(parties_of(Create(staff, With(100))), 100);
  const int users = Count("users");
  auto too_many = With(101);
  too_many.mutable_event()->mutable_parties(100)->set_address("never-made@example.org");
  EXPECT_THAT(Create(staff, too_many), kInvalid);
  EXPECT_EQ(Count("users"), users);

  // A member is added as the last one, and counts.
  ASSERT_OK_AND_ASSIGN(const v1::Event alone, Create(ann, With(0)));
  ASSERT_EQ(alone.parties_size(), 1);
  EXPECT_EQ(alone.parties(0).address(), "ann@example.org");
  ASSERT_OK_AND_ASSIGN(const v1::Event full, Create(ann, With(99)));
  ASSERT_EQ(full.parties_size(), 100);
  EXPECT_EQ(full.parties(99).address(), "ann@example.org");
  EXPECT_THAT(Create(ann, With(100)), kInvalid);
  auto with_ann = With(100);
  with_ann.mutable_event()->mutable_parties(50)->set_address("ANN@Example.org");
  ASSERT_OK_AND_ASSIGN(const v1::Event named, Create(ann, with_ann));
  EXPECT_EQ(named.parties_size(), 100);
  EXPECT_EQ(named.parties(50).address(), "ANN@example.org") << "U3: spelled as it was given";
  EXPECT_TRUE(named.parties(50).confirmed());

  // Repeats collapse, then they are counted; the first spelling counts.
  auto repeated = With(100);
  for (int i = 0; i < 100; ++i) {
    repeated.mutable_event()->add_parties()->set_address(absl::StrCat("PARTY", i, "@EXAMPLE.org"));
  }
  ASSERT_OK_AND_ASSIGN(const v1::Event collapsed, Create(staff, repeated));
  EXPECT_EQ(collapsed.parties_size(), 100);
  EXPECT_EQ(collapsed.parties(7).address(), "party7@example.org");
  EXPECT_EQ(Count("users"), users) << "all of them were known";
}

}  // namespace
}  // namespace parley::event
