// The handlers of EventService on a real database, called as the worker threads call them.
#include <google/protobuf/util/message_differencer.h>
#include <gtest/gtest.h>

#include <set>
#include <thread>

#include "common/rpc/grpc_status.h"
#include "tests/integration/event/event_test.h"

namespace parley::event {
namespace {

using EventServiceTest = EventTest;

TEST_F(EventServiceTest, AWholeNegotiationAndItsLog) {
  ASSERT_OK_AND_ASSIGN(const v1::Event proposed, Create(ann, Proposal()));
  EXPECT_EQ(proposed.title().size(), 5u);
  EXPECT_EQ(proposed.initiator(), "ann@example.org");
  EXPECT_EQ(proposed.parties(1).address(), "Bob@example.org") << "U3";
  EXPECT_TRUE(proposed.parties(0).confirmed());
  EXPECT_FALSE(proposed.parties(1).confirmed());
  ASSERT_OK_AND_ASSIGN(const v1::Event seen, Get(bob, proposed.name()));
  EXPECT_TRUE(google::protobuf::util::MessageDifferencer::Equals(seen, proposed));
  ASSERT_OK_AND_ASSIGN(const v1::Event narrowed, Narrow(bob, seen, 1));
  EXPECT_EQ(narrowed.revision(), 2);
  rpc::Call guest = GuestOf(bob, proposed);
  guest.principal.user_id = *Uuid::Parse(database.Sql("select user_id from parley.users where local_part = 'guest'"));
  ASSERT_THAT(Confirm(guest, narrowed), Succeeds());
  ASSERT_OK_AND_ASSIGN(const v1::Event agreed, Confirm(ann, narrowed));
  EXPECT_EQ(agreed.state(), v1::Event::AGREED);
  EXPECT_THAT(Narrow(ann, agreed, 0), Fails(absl::StatusCode::kFailedPrecondition, error::v1::EVENT_CLOSED));

  ASSERT_OK_AND_ASSIGN(const auto entries, Log(ann, proposed.name(), 2));
  ASSERT_EQ(entries.size(), 5u) << "L1: what failed wrote none";
  const char* effectors[] = {"ann@example.org", "Bob@example.org", "Bob@example.org", "guest@example.net",
                             "ann@example.org"};
  for (size_t i = 0; i < entries.size(); ++i) {
    EXPECT_EQ(entries[i].sequence(), static_cast<int64_t>(i + 1)) << "L2: no gaps";
    EXPECT_EQ(entries[i].effector(), effectors[i]);
    EXPECT_EQ(entries[i].occurrence(), i == 1 ? v1::LogEntry::VIEW : v1::LogEntry::UPDATE);
  }
  EXPECT_EQ(entries[0].data().opened().parties_size(), 3);
  EXPECT_EQ(entries[0].slots_size(), 3);
  EXPECT_EQ(entries[2].slots_size(), 1);
  EXPECT_EQ(entries[3].data().email_token(),
            absl::StrCat(proposed.name(), "/emailTokens/", guest.principal.credential_id.ToString()));
  EXPECT_TRUE(entries[4].data().closed());
  EXPECT_EQ(entries[4].data().confirmed_size(), 3);
}

TEST_F(EventServiceTest, HiddenAndMissingAreTheSameBytes) {
  ASSERT_OK_AND_ASSIGN(const v1::Event event, Create(ann, Proposal()));
  v1::Event missing = event;
  missing.set_name(absl::StrCat("events/", Uuid::TimeOrdered().ToString()));
  auto bytes = [](const absl::Status& status, const std::string& name) {
    std::string text = rpc::ToGrpc(status, "call").error_details();
    for (size_t at = text.find(name); at != std::string::npos; at = text.find(name))
      text.replace(at, name.size(), "NAME");
    return text;
  };
  const rpc::Call other_guest = GuestOf(bob, missing);
  for (const rpc::Call* caller : std::initializer_list<const rpc::Call*>{&eve, &other_guest}) {
    const std::pair<absl::Status, absl::Status> answers[] = {
        {Get(*caller, event.name()).status(), Get(*caller, missing.name()).status()},
        {Narrow(*caller, event, 1).status(), Narrow(*caller, missing, 1).status()},
        {Confirm(*caller, event).status(), Confirm(*caller, missing).status()},
        {Delete(*caller, event), Delete(*caller, missing)},
        {Log(*caller, event.name()).status(), Log(*caller, missing.name()).status()},
    };
    for (const auto& [hidden, absent] : answers) {
      EXPECT_THAT(hidden, kHidden);
      EXPECT_EQ(bytes(hidden, event.name()), bytes(absent, missing.name()));
    }
  }
  EXPECT_THAT(Get(staff, missing.name()), kAbsent);
  EXPECT_EQ(Log(ann, event.name())->size(), 1u);
}

TEST_F(EventServiceTest, NobodyMayDoNothing) {
  ASSERT_OK_AND_ASSIGN(const v1::Event event, Create(ann, Proposal()));
  rpc::Call nobody;
  nobody.deadline = ann.deadline;
  EXPECT_THAT(Create(nobody, Proposal()), kNoCredential);
  EXPECT_THAT(Get(nobody, event.name()), kNoCredential);
  EXPECT_THAT(Narrow(nobody, event, 1), kNoCredential);
  EXPECT_THAT(Confirm(nobody, event), kNoCredential);
  EXPECT_THAT(Delete(nobody, event), kNoCredential);
  EXPECT_THAT(Log(nobody, event.name()), kNoCredential);
  v1::ListEventsResponse events;
  EXPECT_THAT(ListEvents(context, nobody, {}, events), kNoCredential);
}

TEST_F(EventServiceTest, T4_AGuestOpensOneEventAlone) {
  ASSERT_OK_AND_ASSIGN(const v1::Event event, Create(ann, Proposal()));
  ASSERT_OK_AND_ASSIGN(const v1::Event other, Create(ann, Proposal()));
  const rpc::Call guest = GuestOf(bob, event);
  EXPECT_THAT(Get(guest, event.name()), Succeeds());
  EXPECT_THAT(Get(guest, other.name()), kHidden);
  EXPECT_THAT(Create(guest, Proposal()), kHidden);
  EXPECT_THAT(Delete(guest, event), kHidden);
  v1::ListEventsResponse events;
  EXPECT_THAT(ListEvents(context, guest, {}, events), kHidden);
}

TEST_F(EventServiceTest, U6_AnInactiveUserActedForCannotCreate) {
  rpc::Call acted_for = bob;
  acted_for.principal.active = false;
  acted_for.principal.acting_id = staff.principal.user_id;
  EXPECT_THAT(Create(acted_for, Proposal()), kHidden);
  ASSERT_OK_AND_ASSIGN(const v1::Event event, Create(ann, Proposal()));
  ASSERT_THAT(Get(acted_for, event.name()), Succeeds());
  ASSERT_OK_AND_ASSIGN(const auto entries, Log(ann, event.name()));
  EXPECT_EQ(entries.back().effector(), "Bob@example.org");
  EXPECT_EQ(entries.back().data().acted_by(), "staff@example.org");
}

TEST_F(EventServiceTest, E10_L4_OnlyStaffDeleteAndTheLogStays) {
  ASSERT_OK_AND_ASSIGN(const v1::Event event, Create(ann, Proposal()));
  EXPECT_THAT(Delete(ann, event), kHidden);
  v1::Event stale = event;
  stale.set_etag("99");
  EXPECT_THAT(Delete(staff, stale), Fails(absl::StatusCode::kAborted, error::v1::ETAG_MISMATCH));
  ASSERT_THAT(Delete(staff, event), Succeeds());
  EXPECT_THAT(Get(ann, event.name()), kAbsent) << "parties learn that it is gone";
  EXPECT_THAT(Get(eve, event.name()), kHidden);
  EXPECT_THAT(Delete(staff, event), kAbsent);
  EXPECT_THAT(Log(GuestOf(bob, event), event.name()), kAbsent);
  for (const rpc::Call* caller : {&ann, &staff}) {
    ASSERT_OK_AND_ASSIGN(const auto entries, Log(*caller, event.name()));
    ASSERT_EQ(entries.size(), 2u);
    EXPECT_TRUE(entries[1].data().deleted());
    EXPECT_EQ(entries[1].effector(), "staff@example.org");
  }
}

TEST_F(EventServiceTest, ABatchGivesEachItsOwnAnswer) {
  std::vector<v1::CreateEventRequest> requests{Proposal(), Proposal(), Proposal(), Proposal()};
  requests[1].mutable_event()->add_parties()->set_address("nonsense");
  requests[2].mutable_event()->mutable_slots(0)->mutable_start_time()->set_seconds(1000);  // has ended
  requests[2].mutable_event()->add_parties()->set_address("never-made@example.net");
  std::vector<v1::Event> responses(4);
  std::vector<CreateItem> items;
  for (size_t i = 0; i < 4; ++i) items.push_back({i == 3 ? eve : ann, requests[i], responses[i], absl::OkStatus()});
  const std::vector<CreateItem*> batch{&items[0], &items[1], &items[2], &items[3]};
  ASSERT_THAT(CreateEvents(context, batch, turn), Succeeds());
  const auto bad = Fails(absl::StatusCode::kInvalidArgument, error::v1::INVALID_FIELDS);
  EXPECT_THAT(items[0].status, Succeeds());
  EXPECT_THAT(items[1].status, bad);
  EXPECT_THAT(items[2].status, bad);
  EXPECT_THAT(items[2].status.message(), testing::HasSubstr("event.slots[0]"));
  EXPECT_THAT(items[3].status, Succeeds());
  EXPECT_EQ(responses[3].parties_size(), 4) << "E2: the member who creates is added";
  EXPECT_EQ(database.Sql("select count(*) from parley.events"), "2");
  EXPECT_EQ(database.Sql("select count(*) from parley.users where local_part = 'never-made'"), "0")
      << "what fails makes no users";
}

TEST_F(EventServiceTest, ABatchOfViewsOfOneEventIsNumberedInOrder) {
  ASSERT_OK_AND_ASSIGN(const v1::Event event, Create(ann, Proposal()));
  v1::GetEventRequest request;
  request.set_name(event.name());
  std::vector<v1::Event> responses(5);
  std::vector<GetItem> items;
  for (size_t i = 0; i < 5; ++i) items.push_back({i == 2 ? eve : i % 2 == 0 ? ann : bob, request, responses[i], {}});
  std::vector<GetItem*> batch;
  for (GetItem& item : items) batch.push_back(&item);
  ASSERT_THAT(GetEvents(context, batch, turn), Succeeds());
  for (size_t i = 0; i < 5; ++i) EXPECT_EQ(items[i].status.ok(), i != 2);
  ASSERT_OK_AND_ASSIGN(const auto entries, Log(ann, event.name()));
  ASSERT_EQ(entries.size(), 5u);
  for (size_t i = 0; i < 5; ++i) EXPECT_EQ(entries[i].sequence(), static_cast<int64_t>(i + 1));
}

TEST_F(EventServiceTest, E8_OfABatchOfUpdatesOfOneEventTheFirstWins) {
  ASSERT_OK_AND_ASSIGN(const v1::Event event, Create(ann, Proposal()));
  ASSERT_OK_AND_ASSIGN(const v1::Event other, Create(ann, Proposal()));
  std::vector<v1::UpdateEventRequest> requests;
  for (const v1::Event* target : {&event, &event, &other, &event}) {
    requests.push_back(UpdateOf(*target));
    requests.back().mutable_event()->set_title(absl::StrCat("title ", requests.size()));
  }
  requests[3].mutable_event()->set_etag("2");  // that of the first one's answer
  std::vector<v1::Event> responses(4);
  std::vector<UpdateItem> items;
  for (size_t i = 0; i < 4; ++i) items.push_back({i == 1 ? bob : ann, requests[i], responses[i], absl::OkStatus()});
  const std::vector<UpdateItem*> batch{&items[0], &items[1], &items[2], &items[3]};
  ASSERT_THAT(UpdateEvents(context, batch, turn), Succeeds());
  EXPECT_THAT(items[0].status, Succeeds());
  EXPECT_THAT(items[1].status, kStaleEtag);
  EXPECT_THAT(items[2].status, Succeeds());
  EXPECT_THAT(items[3].status, Succeeds());
  EXPECT_EQ(responses[0].title(), "title 1");
  EXPECT_EQ(responses[3].revision(), 3);
  ASSERT_OK_AND_ASSIGN(const v1::Event seen, Get(ann, event.name()));
  EXPECT_EQ(seen.title(), "title 4");
  EXPECT_EQ(seen.revision(), 3);
  ASSERT_OK_AND_ASSIGN(const auto entries, Log(ann, event.name()));
  ASSERT_EQ(entries.size(), 4u);
  EXPECT_EQ(entries[1].data().title(), "title 1");
  EXPECT_EQ(entries[2].data().title(), "title 4");
  // The event's row knows the end of its chain.
  EXPECT_EQ(database.Sql("select count(*) from parley.events e join parley.log_entries l using (event_id) "
                         "where l.sequence = e.last_sequence and l.hash = e.last_hash"),
            "2");
}

TEST_F(EventServiceTest, ABatchWaitsShortlyForAnEventThatSomebodyHolds) {
  ASSERT_OK_AND_ASSIGN(const v1::Event held, Create(ann, Proposal()));
  ASSERT_OK_AND_ASSIGN(const v1::Event free, Create(ann, Proposal()));
  std::vector<v1::GetEventRequest> requests(2);
  requests[0].set_name(held.name());
  requests[1].set_name(free.name());
  std::vector<v1::Event> responses(2);
  std::vector<GetItem> items;
  for (size_t i = 0; i < 2; ++i) items.push_back({ann, requests[i], responses[i], absl::OkStatus()});
  const std::vector<GetItem*> batch{&items[0], &items[1]};
  const auto holder = data::Transaction::Begin(pool, absl::Now() + absl::Seconds(20));
  ASSERT_TRUE(holder.ok());
  ASSERT_TRUE(data::Events(**holder).Lock({IdOf(held)}).ok());
  const absl::Time begin = absl::Now();
  const absl::Status status = GetEvents(context, batch, turn);
  EXPECT_TRUE(data::IsLockTimeout(status)) << status;
  EXPECT_LT(absl::Now() - begin, absl::Seconds(2));
  // So each is run alone.
  EXPECT_THAT(GetEvents(context, std::vector<GetItem*>{&items[1]}, turn), Succeeds());
  EXPECT_THAT(items[1].status, Succeeds());
}

TEST_F(EventServiceTest, ABatchWithACallTwiceIsForRunningOneByOne) {
  ASSERT_OK_AND_ASSIGN(const v1::Event event, Create(ann, Proposal()));
  auto request = UpdateOf(event);
  request.mutable_event()->set_title("other");
  request.set_request_id("0190163d-8694-739b-aea5-966c26f8ad91");
  std::vector<v1::Event> responses(2);
  std::vector<UpdateItem> items;
  for (v1::Event& response : responses) items.push_back({ann, request, response, absl::OkStatus()});
  const std::vector<UpdateItem*> batch{&items[0], &items[1]};
  const std::string before = Digest();
  EXPECT_EQ(UpdateEvents(context, batch, turn).code(), absl::StatusCode::kAborted);
  EXPECT_EQ(Digest(), before);
  for (UpdateItem* item : batch) {
    const std::vector<UpdateItem*> alone{item};
    EXPECT_THAT(UpdateEvents(context, alone, turn), Succeeds());
    EXPECT_THAT(item->status, Succeeds());
  }
  EXPECT_THAT(responses[1], EqualsProto(responses[0]));
}

TEST_F(EventServiceTest, A2_AViewThatConfirmsClosesTheEventForTheRestOfTheBatch) {
  auto request = Proposal(1);
  request.mutable_event()->mutable_agreement_policy()->set_confirmed_by(v1::AgreementPolicy::VIEW);
  request.mutable_event()->mutable_parties()->RemoveLast();
  ASSERT_OK_AND_ASSIGN(const v1::Event event, Create(ann, request));
  v1::GetEventRequest get;
  get.set_name(event.name());
  std::vector<v1::Event> responses(3);
  std::vector<GetItem> items;
  for (size_t i = 0; i < 3; ++i) items.push_back({i == 1 ? bob : ann, get, responses[i], absl::OkStatus()});
  const std::vector<GetItem*> batch{&items[0], &items[1], &items[2]};
  ASSERT_THAT(GetEvents(context, batch, turn), Succeeds());
  EXPECT_EQ(responses[0].state(), v1::Event::OPEN);
  EXPECT_EQ(responses[1].state(), v1::Event::AGREED);
  EXPECT_EQ(responses[2].state(), v1::Event::AGREED);
  EXPECT_EQ(responses[2].revision(), 2);
  ASSERT_OK_AND_ASSIGN(const auto entries, Log(ann, event.name()));
  ASSERT_EQ(entries.size(), 4u);
  EXPECT_FALSE(entries[1].data().closed());
  EXPECT_TRUE(entries[2].data().closed());
  EXPECT_FALSE(entries[3].data().closed());
  EXPECT_EQ(database.Sql("select count(*) from parley.events e join parley.log_entries l using (event_id) "
                         "where e.last_sequence = 4 and l.sequence = 4 and l.hash = e.last_hash"),
            "1");
}

TEST_F(EventServiceTest, A2_AViewThatConfirmsClosesTheEvent) {
  auto request = Proposal(1);
  request.mutable_event()->mutable_agreement_policy()->set_confirmed_by(v1::AgreementPolicy::VIEW);
  request.mutable_event()->mutable_parties()->RemoveLast();
  ASSERT_OK_AND_ASSIGN(const v1::Event event, Create(ann, request));
  ASSERT_OK_AND_ASSIGN(const v1::Event by_staff, Get(staff, event.name()));
  EXPECT_EQ(by_staff.state(), v1::Event::OPEN);
  ASSERT_OK_AND_ASSIGN(const v1::Event seen, Get(bob, event.name()));
  EXPECT_EQ(seen.state(), v1::Event::AGREED);
  EXPECT_EQ(seen.revision(), 2);
  ASSERT_OK_AND_ASSIGN(const auto entries, Log(ann, event.name()));
  ASSERT_EQ(entries.size(), 3u);
  EXPECT_EQ(entries[2].occurrence(), v1::LogEntry::VIEW);
  EXPECT_TRUE(entries[2].data().closed());
}

TEST_F(EventServiceTest, A7_ADeactivatedPartyStillCounts) {
  auto request = Proposal(1);
  request.mutable_event()->mutable_parties()->RemoveLast();
  ASSERT_OK_AND_ASSIGN(const v1::Event event, Create(ann, request));
  database.Sql("update parley.users set state = 'DEACTIVATED' where local_part = 'bob'");
  ASSERT_OK_AND_ASSIGN(const v1::Event confirmed, Confirm(ann, event));
  EXPECT_EQ(confirmed.state(), v1::Event::OPEN);
  EXPECT_EQ(confirmed.parties_size(), 2);
}

TEST_F(EventServiceTest, ListsShowTheOwnEventsNewestFirstPageByPage) {
  std::vector<std::string> names;
  for (int i = 0; i < 5; ++i)
    names.push_back(Create(i == 2 ? eve : ann,
                           [&] {
                             auto request = Proposal();
                             if (i == 2) request.mutable_event()->clear_parties();
                             return request;
                           }())
                        ->name());
  auto list = [&](const rpc::Call& call) {
    std::vector<std::string> listed;
    v1::ListEventsRequest request;
    request.set_page_size(2);
    do {
      v1::ListEventsResponse response;
      EXPECT_THAT(ListEvents(context, call, request, response), Succeeds());
      EXPECT_LE(response.events_size(), 2);
      for (const auto& event : response.events()) listed.push_back(event.name());
      request.set_page_token(response.next_page_token());
    } while (!request.page_token().empty());
    return listed;
  };
  EXPECT_EQ(list(ann), (std::vector<std::string>{names[4], names[3], names[1], names[0]}));
  EXPECT_EQ(list(eve), (std::vector<std::string>{names[2]}));
  EXPECT_EQ(list(staff).size(), 5u);
  v1::ListEventsRequest request;
  request.set_page_size(-1);
  v1::ListEventsResponse response;
  EXPECT_THAT(ListEvents(context, ann, request, response),
              Fails(absl::StatusCode::kInvalidArgument, error::v1::INVALID_FIELDS));
  request.set_page_size(0);
  request.set_page_token("forged");
  EXPECT_THAT(ListEvents(context, ann, request, response),
              Fails(absl::StatusCode::kInvalidArgument, error::v1::CURSOR_INVALID));
}

TEST_F(EventServiceTest, PagesStayBelowWhatClientsTake) {
  auto request = Proposal();
  const std::string long_domain = absl::StrCat(std::string(60, 'd'), ".", std::string(60, 'd'), ".example");
  for (int i = 0; i < 90; ++i) {
    request.mutable_event()->add_parties()->set_address(absl::StrCat(std::string(50, 'p'), i, "@", long_domain));
  }
  for (int i = 0; i < 70; ++i) ASSERT_THAT(Create(ann, request), Succeeds());
  v1::ListEventsRequest list;
  list.set_page_size(100);
  int listed = 0;
  do {
    v1::ListEventsResponse response;
    ASSERT_THAT(ListEvents(context, ann, list, response), Succeeds());
    EXPECT_LT(response.ByteSizeLong(), size_t{3} << 20);
    EXPECT_LT(response.events_size(), 70);
    listed += response.events_size();
    list.set_page_token(response.next_page_token());
  } while (!list.page_token().empty());
  EXPECT_EQ(listed, 70);
}

TEST_F(EventServiceTest, E8_OfManyUpdatesAtOnceOneWinsEachRevision) {
  ASSERT_OK_AND_ASSIGN(const v1::Event event, Create(ann, Proposal()));
  constexpr int kThreads = 8;
  std::vector<absl::StatusOr<v1::Event>> results(kThreads, absl::UnknownError(""));
  std::vector<std::thread> threads;
  for (int i = 0; i < kThreads; ++i) {
    threads.emplace_back([&, i] { results[static_cast<size_t>(i)] = Narrow(i % 2 == 0 ? ann : bob, event, 2); });
  }
  for (auto& thread : threads) thread.join();
  int winners = 0;
  for (const auto& result : results) {
    if (result.ok()) {
      ++winners;
    } else {
      EXPECT_THAT(result, Fails(absl::StatusCode::kAborted, error::v1::ETAG_MISMATCH));
    }
  }
  EXPECT_EQ(winners, 1);
  EXPECT_EQ(Log(ann, event.name())->size(), 2u);
}

}  // namespace
}  // namespace parley::event
