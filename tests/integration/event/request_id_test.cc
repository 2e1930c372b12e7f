// Calls with a request_id: sent again, they have one effect and one answer (proto/README.md, "request_id").
#include <algorithm>

#include "tests/integration/event/event_test.h"

namespace parley::event {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

class RequestIdTest : public EventTest {
 protected:
  // One call, and the same with other content. Deletion is answered with an event that says nothing.
  struct Sending {
    const char* method;
    rpc::Call caller;
    v1::Event event;  // on which; none for CreateEvent
    std::function<absl::StatusOr<v1::Event>(const rpc::Call&, const std::string&request_id)> send, send_other;
  };

  static std::string NewId() { return Uuid::TimeOrdered().ToString(); }

  Sending Creating(const rpc::Call& caller, const std::string& party) {
    auto send = [this, party](const rpc::Call& call, const std::string& request_id, const char* title) {
      auto request = Proposal();
      request.mutable_event()->add_parties()->set_address(party);
      request.mutable_event()->set_title(title);
      request.set_request_id(request_id);
      return Create(call, request);
    };
    return {"CreateEvent", caller, v1::Event(),
            [send](const auto& call, const auto& id) { return send(call, id, "Quarterly"); },
            [send](const auto& call, const auto& id) { return send(call, id, "Yearly"); }};
  }

  Sending Updating(const rpc::Call& caller, const v1::Event& event, const std::string& etag) {
    auto send = [this, event, etag](const rpc::Call& call, const std::string& request_id, const char* title) {
      auto request = UpdateOf(event);
      request.mutable_event()->set_etag(etag);
      request.mutable_event()->set_title(title);
      *request.mutable_event()->add_slots() = event.slots(0);
      request.set_request_id(request_id);
      return Update(call, request);
    };
    return {"UpdateEvent", caller, event,
            [send](const auto& call, const auto& id) { return send(call, id, "Monthly"); },
            [send](const auto& call, const auto& id) { return send(call, id, "Weekly"); }};
  }

  Sending Confirming(const rpc::Call& caller, const v1::Event& event, const std::string& etag) {
    auto send = [this, name = event.name()](const rpc::Call& call, const std::string& request_id,
                                            const std::string& given) -> absl::StatusOr<v1::Event> {
      v1::ConfirmEventRequest request;
      request.set_name(name);
      request.set_etag(given);
      request.set_request_id(request_id);
      v1::Event confirmed;
      PARLEY_RETURN_IF_ERROR(Alone(ConfirmEvents, call, request, confirmed));
      return confirmed;
    };
    return {"ConfirmEvent", caller, event,
            [send, etag](const auto& call, const auto& id) { return send(call, id, etag); },
            [send](const auto& call, const auto& id) { return send(call, id, "77"); }};
  }

  Sending Reopening(const rpc::Call& caller, const v1::Event& event, const std::string& etag,
                    const std::string& party) {
    auto send = [this, name = event.name(), etag](const rpc::Call& call, const std::string& request_id,
                                                  const std::string& named) {
      v1::ReopenEventRequest request;
      request.set_name(name);
      request.set_etag(etag);
      request.add_parties()->set_address("Bob@Example.org");
      request.add_parties()->set_address(named);
      request.set_request_id(request_id);
      return Reopen(call, request);
    };
    return {"ReopenEvent", caller, event,
            [send, party](const auto& call, const auto& id) { return send(call, id, party); },
            [send](const auto& call, const auto& id) { return send(call, id, "somebody@example.com"); }};
  }

  Sending Deleting(const rpc::Call& caller, const v1::Event& event, const std::string& etag) {
    auto send = [this, name = event.name()](const rpc::Call& call, const std::string& request_id,
                                            const std::string& given) -> absl::StatusOr<v1::Event> {
      v1::DeleteEventRequest request;
      request.set_name(name);
      request.set_etag(given);
      request.set_request_id(request_id);
      google::protobuf::Empty nothing;
      PARLEY_RETURN_IF_ERROR(Alone(DeleteEvents, call, request, nothing));
      return v1::Event();
    };
    return {"DeleteEvent", caller, event,
            [send, etag](const auto& call, const auto& id) { return send(call, id, etag); },
            [send](const auto& call, const auto& id) { return send(call, id, "77"); }};
  }

  // One of each method, on events of their own, based on this etag.
  std::vector<Sending> OneOfEach(const std::string& etag) {
    auto proposed = [this] { return *Create(ann, Proposal()); };
    return {Creating(ann, "New.One@example.com"), Updating(bob, proposed(), etag), Confirming(bob, proposed(), etag),
            Reopening(ann, proposed(), etag, "new.two@example.com"), Deleting(staff, proposed(), etag)};
  }
};

TEST_F(RequestIdTest, L1_FiftyEqualCallsAtOnceHaveOneEffectAndEqualAnswers) {
  // What each of them makes: events, log entries, users.
  const int made[][3] = {{1, 1, 1}, {0, 1, 0}, {0, 1, 0}, {1, 2, 1}, {0, 1, 0}};
  const auto sendings = OneOfEach("1");
  for (size_t i = 0; i < sendings.size(); ++i) {
    const Sending& sending = sendings[i];
    SCOPED_TRACE(sending.method);
    const int before[] = {Count("events"), Count("log_entries"), Count("users"), Count("request_records")};
    const std::string id = NewId();
    std::vector<absl::StatusOr<v1::Event>> answers(50, absl::UnknownError(""));
    AtOnce(answers.size(), [&](size_t caller) { answers[caller] = sending.send(sending.caller, id); });
    for (const auto& answer : answers) {
      ASSERT_THAT(answer, Succeeds());
      EXPECT_EQ(answer->SerializeAsString(), answers[0]->SerializeAsString()) << answer->DebugString();
    }
    EXPECT_EQ(Count("events"), before[0] + made[i][0]);
    EXPECT_EQ(Count("log_entries"), before[1] + made[i][1]);
    EXPECT_EQ(Count("users"), before[2] + made[i][2]);
    EXPECT_EQ(Count("request_records"), before[3] + 1);
    if (!answers[0]->name().empty()) Replayed(answers[0]->name());
  }
}

TEST_F(RequestIdTest, A4_A5_E10_TheSameAnswerWhateverHasHappenedSince) {
  struct Sent {
    Sending sending;
    std::string id;
    v1::Event answer;
  };
  std::vector<Sent> sent;
  auto send = [&](const Sending& sending) {
    const std::string id = NewId();
    const auto answer = sending.send(sending.caller, id);
    EXPECT_THAT(answer, Succeeds()) << sending.method;
    sent.push_back({sending, id, answer.value_or(v1::Event())});
    return sent.back().answer;
  };
  auto send_all_again = [&](const char* when) {
    const std::string before = Digest();
    for (const Sent& each : sent) {
      SCOPED_TRACE(absl::StrCat(each.sending.method, ", ", when));
      const auto again = each.sending.send(each.sending.caller, each.id);
      ASSERT_THAT(again, Succeeds());
      EXPECT_THAT(*again, EqualsProto(each.answer));
      EXPECT_EQ(again->SerializeAsString(), each.answer.SerializeAsString());
    }
    EXPECT_EQ(Digest(), before);
  };

  const v1::Event created = send(Creating(ann, "bob@example.org"));
  ASSERT_EQ(created.parties_size(), 3);
  send_all_again("at once");
  const v1::Event narrowed = send(Updating(bob, created, "1"));
  send(Confirming(ann, narrowed, "2"));
  ASSERT_THAT(Retitle(staff, narrowed, "otherwise"), Succeeds());
  ASSERT_THAT(Get(bob, created.name()), Succeeds());
  send_all_again("after further changes and views");

  const rpc::Call guest = GuestOf(Named("guest@example.net"), created);
  const v1::Event agreed = send(Confirming(guest, narrowed, "3"));
  ASSERT_EQ(agreed.state(), v1::Event::AGREED);
  send_all_again("after closing");

  const v1::Event successor = send(Reopening(ann, created, agreed.etag(), "new@example.com"));
  send_all_again("after reopening");
  ASSERT_OK_AND_ASSIGN(const v1::Event moved, Move(bob, successor, 50));
  ASSERT_OK_AND_ASSIGN(const v1::Event left, Reopen(bob, moved));
  ASSERT_OK_AND_ASSIGN(const v1::Event superseded, Get(staff, successor.name()));
  send_all_again("after reopening what was reopened");
  send(Deleting(staff, superseded, superseded.etag()));
  send_all_again("after the deletion of the successor");

  sent.erase(
      std::find_if(sent.begin(), sent.end(), [](const Sent& each) { return each.sending.caller.principal.guest(); }));
  send(Deleting(staff, created, agreed.etag()));
  send_all_again("after the deletion");
  EXPECT_THAT(Confirm(guest, agreed), kAbsent) << "its tokens are gone with the event";
}

TEST_F(RequestIdTest, OtherContentIsRefusedAndChangesNothing) {
  for (const Sending& sending : OneOfEach("1")) {
    SCOPED_TRACE(sending.method);
    const std::string id = NewId();
    ASSERT_THAT(sending.send(sending.caller, id), Succeeds());
    const std::string before = Digest();
    const auto other = sending.send_other(sending.caller, id);
    EXPECT_THAT(other, kReusedId);
    EXPECT_EQ(MetadataOf(other.status(), "request_id"), id);
    EXPECT_EQ(Digest(), before);
    EXPECT_THAT(sending.send(sending.caller, id), Succeeds()) << "the first one is remembered still";
    EXPECT_THAT(sending.send(sending.caller, "no-uuid"), kInvalid);
    EXPECT_EQ(Digest(), before);
  }
}

TEST_F(RequestIdTest, AnIdBelongsToOneUserAndMethod) {
  const std::string id = NewId();
  const Sending creating = Creating(ann, "new@example.com");
  ASSERT_OK_AND_ASSIGN(const v1::Event first, creating.send(ann, id));
  ASSERT_OK_AND_ASSIGN(const v1::Event others, creating.send(bob, id));
  EXPECT_NE(first.name(), others.name());
  const Sending confirming = Confirming(ann, first, "1");
  EXPECT_THAT(confirming.send(ann, id), Succeeds()) << "another method";
  ASSERT_OK_AND_ASSIGN(const v1::Event by_bob, confirming.send(bob, id));
  EXPECT_TRUE(by_bob.parties(1).confirmed());
  EXPECT_EQ(Count("request_records"), 4);
  EXPECT_EQ(Replayed(first.name()).size(), 3u);

  const Sending updating = Updating(ann, first, "1");
  ASSERT_OK_AND_ASSIGN(const v1::Event updated, updating.send(ann, id));
  EXPECT_THAT(updating.send(bob, id), kStaleEtag) << "a call of its own";
  EXPECT_THAT(updating.send(eve, id), kHidden);
}

TEST_F(RequestIdTest, U6_T4_WhateverTheCredentialOfTheUser) {
  ASSERT_OK_AND_ASSIGN(const v1::Event event, Create(ann, Proposal()));
  const rpc::Call guest = GuestOf(bob, event), other_guest = GuestOf(bob, event), acted_for = ActingFor(bob, staff);
  for (const Sending& sending : {Updating(bob, event, "1"), Confirming(bob, event, "2")}) {
    SCOPED_TRACE(sending.method);
    const std::string id = NewId();
    ASSERT_OK_AND_ASSIGN(const v1::Event answer, sending.send(guest, id));
    const std::string before = Digest();
    for (const rpc::Call& caller : {guest, other_guest, bob, acted_for}) {
      ASSERT_OK_AND_ASSIGN(const v1::Event again, sending.send(caller, id));
      EXPECT_THAT(again, EqualsProto(answer));
      EXPECT_THAT(sending.send_other(caller, id), kReusedId);
    }
    EXPECT_EQ(Digest(), before);
  }
}

TEST_F(RequestIdTest, AFailedCallIsNotRemembered) {
  for (const Sending& sending : OneOfEach("2")) {
    SCOPED_TRACE(sending.method);
    const std::string id = NewId(), before = Digest();
    if (sending.event.name().empty()) {
      rpc::Call inactive = sending.caller;
      inactive.principal.active = false;
      EXPECT_THAT(sending.send(inactive, id), kHidden);
    } else {
      EXPECT_THAT(sending.send(sending.caller, id), kStaleEtag);
    }
    EXPECT_EQ(Digest(), before);
    if (!sending.event.name().empty()) {
      ASSERT_THAT(Retitle(ann, sending.event, "meanwhile"), Succeeds());
    }
    ASSERT_OK_AND_ASSIGN(const v1::Event answer, sending.send(sending.caller, id));
    EXPECT_THAT(*sending.send(sending.caller, id), EqualsProto(answer));
  }
  EXPECT_EQ(Count("request_records"), 5);
}

TEST_F(RequestIdTest, AfterADayACallIsANewOne) {
  const std::string id = NewId();
  const Sending creating = Creating(ann, "new@example.com");
  ASSERT_OK_AND_ASSIGN(const v1::Event first, creating.send(ann, id));
  const Sending updating = Updating(ann, first, "1"), deleting = Deleting(staff, first, "2");
  ASSERT_OK_AND_ASSIGN(const v1::Event updated, updating.send(ann, id));
  ASSERT_THAT(deleting.send(staff, id), Succeeds());

  database.Sql("update parley.request_records set create_time = create_time - interval '23 hours 59 minutes'");
  EXPECT_THAT(*creating.send(ann, id), EqualsProto(first));
  EXPECT_THAT(*updating.send(ann, id), EqualsProto(updated));
  EXPECT_THAT(deleting.send(staff, id), Succeeds());

  database.Sql("update parley.request_records set create_time = create_time - interval '1 minute'");
  EXPECT_THAT(updating.send(ann, id), kAbsent);
  EXPECT_THAT(deleting.send(staff, id), kAbsent);
  ASSERT_OK_AND_ASSIGN(const v1::Event second, creating.send_other(ann, id));
  EXPECT_NE(second.name(), first.name());
  EXPECT_THAT(*creating.send_other(ann, id), EqualsProto(second));
  EXPECT_THAT(creating.send(ann, id), kReusedId) << "what is remembered now is the new one";
  EXPECT_EQ(Count("request_records"), 3);
}

TEST_F(RequestIdTest, OrderOfChecksOnADeletedEvent) {
  // Whoever may is answered as first, or learns that it is gone; whoever may not learns nothing.
  ASSERT_OK_AND_ASSIGN(const v1::Event event, Create(ann, Proposal()));
  std::vector<Sending> sendings{Updating(ann, event, "1"), Confirming(ann, event, "2"),
                                Reopening(ann, event, "2", "new@example.com"), Deleting(staff, event, "3")};
  const std::string id = NewId();
  std::vector<v1::Event> answers;
  for (const Sending& sending : sendings) {
    ASSERT_OK_AND_ASSIGN(const v1::Event answer, sending.send(sending.caller, id));
    answers.push_back(answer);
  }
  const std::string before = Digest();
  for (size_t i = 0; i < sendings.size(); ++i) {
    const Sending& sending = sendings[i];
    SCOPED_TRACE(sending.method);
    EXPECT_THAT(*sending.send(sending.caller, id), EqualsProto(answers[i])) << "its etag is stale, its event gone";
    EXPECT_THAT(sending.send_other(sending.caller, id), kReusedId);
    EXPECT_THAT(sending.send(sending.caller, NewId()), kAbsent);
    EXPECT_THAT(sending.send(eve, id), kHidden);
    EXPECT_THAT(sending.send(eve, NewId()), kHidden);
    EXPECT_THAT(sending.send(sending.caller, "no-uuid"), kInvalid);
    EXPECT_THAT(sending.send(rpc::Call(), id), kNoCredential);
    rpc::Call guest = GuestOf(sending.caller, event);
    EXPECT_FALSE(sending.send(guest, id).ok()) << "its token is gone with the event";
  }
  EXPECT_EQ(Digest(), before);
}

TEST_F(RequestIdTest, OrderOfChecksForStaffOnAnAbsentEvent) {
  v1::Event missing;
  missing.set_name("events/" + NewId());
  AddSlot(missing, 0);
  auto staffs = [&](const v1::Event& event) {
    return std::vector<Sending>{Updating(staff, event, "1"), Reopening(staff, event, "2", "new@example.com"),
                                Deleting(staff, event, "3")};
  };
  ASSERT_OK_AND_ASSIGN(const v1::Event event, Create(ann, Proposal()));
  const std::string id = NewId();
  for (const Sending& sending : staffs(event)) ASSERT_THAT(sending.send(staff, id), Succeeds()) << sending.method;
  for (const Sending& sending : staffs(missing)) {
    EXPECT_THAT(sending.send(staff, id), kReusedId) << sending.method << ": asked before whether the event exists";
    EXPECT_THAT(sending.send(staff, NewId()), kAbsent) << sending.method;
    EXPECT_THAT(sending.send(eve, id), kHidden) << sending.method;
  }
}

TEST_F(RequestIdTest, WhatIsRememberedHoldsNoAddressAndNoTitle) {
  for (const Sending& sending : OneOfEach("1")) ASSERT_THAT(sending.send(sending.caller, NewId()), Succeeds());
  ASSERT_EQ(Count("request_records"), 5);
  const std::string text =
      database.Sql("select string_agg(r || ' ' || encode(digest, 'escape'), E'\\n') from parley.request_records r");
  for (const char* word : {"example", "ann@", "bob@", "new.", "Quarterly", "Monthly"}) {
    EXPECT_THAT(text, Not(HasSubstr(word)));
  }
  EXPECT_EQ(database.Sql("select count(*) from parley.request_records where length(digest) <> 32"), "0");
}

TEST_F(RequestIdTest, OfTwoEqualCallsInOneBatchTheSecondIsAnsweredAsTheFirst) {
  auto request = Proposal();
  request.set_request_id(NewId());
  std::vector<v1::Event> responses(3);
  std::vector<CreateItem> items;
  const auto plain = Proposal();
  for (size_t i = 0; i < 3; ++i) items.push_back({ann, i == 1 ? plain : request, responses[i], absl::OkStatus()});
  const std::vector<CreateItem*> batch{&items[0], &items[1], &items[2]};
  const std::string before = Digest();
  const absl::Status status = CreateEvents(context, batch, turn);
  ASSERT_FALSE(status.ok());
  EXPECT_NE(status.code(), absl::StatusCode::kUnavailable) << "then rpc::Method does not run each alone";
  EXPECT_NE(status.code(), absl::StatusCode::kUnknown);
  EXPECT_EQ(Digest(), before);

  ASSERT_OK_AND_ASSIGN(const v1::Event first, Create(ann, request));
  ASSERT_OK_AND_ASSIGN(const v1::Event second, Create(ann, request));
  EXPECT_THAT(second, EqualsProto(first));
  EXPECT_EQ(Count("events"), 1);

  // Together with others it is answered again, refused, or made, each for itself.
  auto reused = request, fresh = request;
  reused.mutable_event()->set_title("other");
  reused.mutable_event()->add_parties()->set_address("never-made@example.com");
  fresh.set_request_id(NewId());
  const v1::CreateEventRequest* requests[] = {&request, &fresh, &plain};
  for (size_t i = 0; i < 3; ++i) responses[i].Clear();
  std::vector<CreateItem> mixed;
  for (size_t i = 0; i < 3; ++i) mixed.push_back({ann, *requests[i], responses[i], absl::OkStatus()});
  const std::vector<CreateItem*> mixed_batch{&mixed[0], &mixed[1], &mixed[2]};
  ASSERT_THAT(CreateEvents(context, mixed_batch, turn), Succeeds());
  for (const CreateItem& item : mixed) EXPECT_THAT(item.status, Succeeds());
  EXPECT_THAT(responses[0], EqualsProto(first));
  EXPECT_THAT(*Create(ann, fresh), EqualsProto(responses[1]));
  EXPECT_EQ(Count("events"), 3);

  v1::Event refused, made;
  CreateItem bad{ann, reused, refused, absl::OkStatus()}, good{ann, plain, made, absl::OkStatus()};
  const std::vector<CreateItem*> with_bad{&bad, &good};
  ASSERT_THAT(CreateEvents(context, with_bad, turn), Succeeds());
  EXPECT_THAT(bad.status, kReusedId);
  EXPECT_THAT(good.status, Succeeds());
  EXPECT_EQ(Count("events"), 4);
  EXPECT_EQ(database.Sql("select count(*) from parley.users where local_part = 'never-made'"), "0");
}

}  // namespace
}  // namespace parley::event
