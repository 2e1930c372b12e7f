#include "services/event/requests.h"

#include <google/protobuf/text_format.h>
#include <gtest/gtest.h>

#include "google/rpc/error_details.pb.h"
#include "tests/support/status_matchers.h"

namespace parley::event {
namespace {

using test::Fails;

template <class Message>
Message FromText(const std::string& text) {
  Message message;
  EXPECT_TRUE(google::protobuf::TextFormat::ParseFromString(text, &message)) << text;
  return message;
}

// The paths of the bad fields, in order.
std::vector<std::string> BadFields(const absl::Status& status) {
  google::rpc::BadRequest bad;
  const auto payload = status.GetPayload("type.googleapis.com/google.rpc.BadRequest");
  EXPECT_TRUE(payload && bad.ParseFromString(std::string(*payload))) << status;
  std::vector<std::string> fields;
  for (const auto& violation : bad.field_violations()) fields.push_back(violation.field());
  return fields;
}

constexpr char kEventName[] = "events/0190163d-8694-739b-aea5-966c26f8ad91";

TEST(RequestsTest, CreateNamesAllBadFields) {
  const auto request = FromText<v1::CreateEventRequest>(R"pb(
    event {
      title: "  "
      parties { address: "fine@example.org" }
      parties { address: "not an address" }
      slots {
        start_time { seconds: 1800000000 }
        duration { seconds: 3600 }
      }
      slots {
        start_time { seconds: 1800000000 }
        duration { seconds: 0 }
      }
      slots { duration { seconds: 3600 } }
      slots {
        start_time { seconds: 1800000000 }
        duration { seconds: 31622401 }
      }
      slots {
        start_time { seconds: 1000000000 }
        duration { seconds: 3600 }
      }
      time_zone: "Mars/Olympus"
    })pb");
  EXPECT_EQ(BadFields(ParseCreate(rpc::Call(), request, Limits()).status()),
            (std::vector<std::string>{"event.title", "event.parties[1].address", "event.slots[1].duration",
                                      "event.slots[2].start_time", "event.slots[3].duration", "event.time_zone",
                                      "event.slots[4]"}))
      << "slots that have ended are named along with the rest";
}

TEST(RequestsTest, E2_E5_RepeatsCollapseBeforeTheyAreCounted) {
  auto request = FromText<v1::CreateEventRequest>(R"pb(
    event {
      parties { address: "One@example.org" }
      parties { address: "one@EXAMPLE.org" }
      slots {
        start_time { seconds: 1800003600 }
        duration { seconds: 60 }
      }
      slots {
        start_time { seconds: 1800000000 nanos: 1999 }
        duration { seconds: 60 }
      }
      slots {
        start_time { seconds: 1800000000 nanos: 1000 }
        duration { seconds: 60 nanos: 999 }
      }
    })pb");
  ASSERT_OK_AND_ASSIGN(const ParsedCreate parsed,
                       ParseCreate(rpc::Call(), request, Limits{.max_parties = 100, .max_slots = 2}));
  const CreateCommand& command = parsed.command;
  ASSERT_EQ(command.parties.size(), 1u);
  EXPECT_EQ(command.parties[0].local_part, "One");
  EXPECT_EQ(command.given.slots.size(), 2u);
  EXPECT_EQ(command.given.paths, (std::vector<std::string>{"event.slots[1]", "event.slots[0]"}));
  EXPECT_EQ(command.time_zone, "UTC");
  EXPECT_THAT(ParseCreate(rpc::Call(), request, Limits{.max_parties = 100, .max_slots = 1}),
              Fails(absl::StatusCode::kInvalidArgument, error::v1::INVALID_FIELDS));
}

TEST(RequestsTest, E1_TimeZonesAreIanaNames) {
  for (const char* name : {"UTC", "Europe/Berlin", "America/Argentina/Buenos_Aires", "Etc/GMT+5"}) {
    v1::CreateEventRequest request;
    request.mutable_event()->set_time_zone(name);
    EXPECT_THAT(ParseCreate(rpc::Call(), request, Limits()), test::Succeeds()) << name;
  }
  for (const char* name : {"/etc/localtime", "../../etc/passwd", "localtime", "Fixed/UTC+01:00:00", "Berlin", "Europe",
                           "europe/berlin?", "right/UTC", "posix/UTC", "posixrules"}) {
    v1::CreateEventRequest request;
    request.mutable_event()->set_time_zone(name);
    EXPECT_EQ(BadFields(ParseCreate(rpc::Call(), request, Limits()).status()),
              std::vector<std::string>{"event.time_zone"})
        << name;
  }
}

TEST(RequestsTest, AnUpdateWithoutAMaskSetsWhatIsPopulated) {
  v1::UpdateEventRequest request;
  request.mutable_event()->set_name(kEventName);
  request.mutable_event()->set_etag("3");
  request.mutable_event()->set_title("other");
  request.mutable_event()->set_state(v1::Event::AGREED);  // output only: ignored
  ASSERT_OK_AND_ASSIGN(ParsedUpdate parsed, ParseUpdate(rpc::Call(), request, Limits()));
  EXPECT_EQ(parsed.command.title, "other");
  EXPECT_FALSE(parsed.command.given.has_value());
  EXPECT_FALSE(parsed.command.time_zone.has_value());
}

TEST(RequestsTest, E7_OnlyAMaskEmptiesTheSlots) {
  v1::UpdateEventRequest request;
  request.mutable_event()->set_name(kEventName);
  request.mutable_event()->set_etag("3");
  request.mutable_update_mask()->add_paths("slots");
  ASSERT_OK_AND_ASSIGN(ParsedUpdate parsed, ParseUpdate(rpc::Call(), request, Limits()));
  ASSERT_TRUE(parsed.command.given.has_value());
  EXPECT_TRUE(parsed.command.given->slots.empty());
}

TEST(RequestsTest, E3_E9_OtherFieldsCannotBeUpdated) {
  v1::UpdateEventRequest request;
  request.mutable_event()->set_name("events/17");
  request.mutable_update_mask()->add_paths("parties");
  request.mutable_update_mask()->add_paths("colour");
  request.mutable_update_mask()->add_paths("title");
  EXPECT_EQ(BadFields(ParseUpdate(rpc::Call(), request, Limits()).status()),
            (std::vector<std::string>{"event.name", "event.etag", "event.title", "update_mask"}));
}

TEST(RequestsTest, E8_TheEtagIsRequired) {
  v1::ConfirmEventRequest confirm;
  confirm.set_name("events/");
  confirm.set_request_id("seventeen");
  EXPECT_EQ(BadFields(ParseTarget(rpc::Call(), confirm).status()),
            (std::vector<std::string>{"name", "request_id", "etag"}));
  v1::DeleteEventRequest remove;
  remove.set_name(kEventName);
  EXPECT_EQ(BadFields(ParseTarget(rpc::Call(), remove).status()), std::vector<std::string>{"etag"});
  v1::ReopenEventRequest reopen;
  reopen.set_name(kEventName);
  reopen.add_parties()->set_address("nobody");
  reopen.mutable_slots()->add_slots()->mutable_duration()->set_seconds(1);
  EXPECT_EQ(BadFields(ParseReopen(rpc::Call(), reopen, Limits()).status()),
            (std::vector<std::string>{"etag", "parties[0].address", "slots.slots[0].start_time"}));
}

TEST(RequestsTest, E11_ARevisionIsNotNegative) {
  v1::GetEventRequest request;
  request.set_name("17");
  request.set_revision(-1);
  EXPECT_EQ(BadFields(ParseGet(request).status()), (std::vector<std::string>{"name", "revision"}));
}

TEST(RequestsTest, ListsNameAllBadFields) {
  const auto request = FromText<v1::ListEventsRequest>(R"pb(
    page_size: -1
    state: 17
    party: "nobody"
    overlapping { start_time { nanos: -1 } }
    order_by: "title"
  )pb");
  EXPECT_EQ(BadFields(ParseList(request).status()),
            (std::vector<std::string>{"page_size", "state", "party", "overlapping.start_time", "order_by"}));
  v1::ListEventsRequest empty_span;
  empty_span.mutable_overlapping()->mutable_start_time()->set_seconds(5);
  empty_span.mutable_overlapping()->mutable_end_time()->set_seconds(5);
  EXPECT_EQ(BadFields(ParseList(empty_span).status()), std::vector<std::string>{"overlapping.end_time"});
}

TEST(RequestsTest, ListsAreNewestFirstUnlessAskedOtherwise) {
  using Order = data::EventQuery::Order;
  const struct {
    const char* order_by;
    Order order;
    bool descending;
  } cases[] = {{"", Order::kCreateTime, true},
               {"create_time", Order::kCreateTime, false},
               {"create_time desc", Order::kCreateTime, true},
               {"update_time", Order::kUpdateTime, false},
               {"update_time desc", Order::kUpdateTime, true},
               {"slots.start_time", Order::kFirstSlot, false},
               {"slots.start_time desc", Order::kFirstSlot, true}};
  for (const auto& each : cases) {
    v1::ListEventsRequest request;
    request.set_order_by(each.order_by);
    ASSERT_OK_AND_ASSIGN(const ParsedList parsed, ParseList(request));
    EXPECT_EQ(parsed.query.order, each.order) << each.order_by;
    EXPECT_EQ(parsed.query.descending, each.descending) << each.order_by;
  }
}

}  // namespace
}  // namespace parley::event
