#include "services/gateway/http/json.h"

#include "common/status/status.h"
#include "parley/event/v1/event_service.pb.h"
#include "tests/support/status_matchers.h"

namespace parley::gateway::http {
namespace {

using event::v1::CreateEventRequest;
using event::v1::Event;
using test::Fails;
using test::IsOkAndHolds;
using testing::HasSubstr;

const google::protobuf::Descriptor& kRequest = *CreateEventRequest::descriptor();

TEST(Json, GoesBothWays) {
  CreateEventRequest request;
  request.mutable_event()->set_title("é");
  request.mutable_event()->set_revision(int64_t{1} << 60);
  request.mutable_event()->set_state(Event::AGREED);
  auto* slot = request.mutable_event()->add_slots();
  slot->mutable_start_time()->set_seconds(1893456000);
  slot->mutable_duration()->set_nanos(500000000);
  const auto json = ToJson(kRequest, request.SerializeAsString());
  EXPECT_THAT(json, IsOkAndHolds(R"({"event":{"title":"é","slots":[{"startTime":"2030-01-01T00:00:00Z",)"
                                 R"("duration":"0.500s"}],"state":"AGREED","revision":"1152921504606846976"}})"));
  ASSERT_TRUE(json.ok());
  EXPECT_THAT(ToBinary(kRequest, *json), IsOkAndHolds(request.SerializeAsString()));
  EXPECT_THAT(ToBinary(kRequest, R"({"event": {"time_zone": "UTC"}})"),
              IsOkAndHolds(*ToBinary(kRequest, R"({"event":{"timeZone":"UTC"}})")));
}

TEST(Json, SaysWhatIsWrong) {
  const auto said = [](const std::string& json) { return std::string(ToBinary(kRequest, json).status().message()); };
  EXPECT_EQ(said(R"({"evnt":{}})"), "bad field: evnt is no field of the request");
  EXPECT_EQ(said(R"({"event":{"slots":[{"startTme":1}]}})"),
            "bad field: event.slots[0].startTme is no field of the request");
  EXPECT_THAT(said(R"({"event":{"title":5}})"), HasSubstr("event.title invalid value 5"));
  EXPECT_THAT(said(R"({"event":{"slots":[{"duration":"1h"}]}})"), HasSubstr("event.slots[0].duration"));
  EXPECT_THAT(said(R"({"event":{"state":"NOPE"}})"), HasSubstr("event.state invalid value \"NOPE\""));
  for (const char* json : {"", "[]", "null", "{", "{}{}", "{\"event\":{\"title\":\"\xff\"}}", "\"x\""}) {
    EXPECT_THAT(said(json), HasSubstr("bad field: request ")) << json;
    EXPECT_THAT(said(json), testing::Not(HasSubstr("\n"))) << json;
    EXPECT_EQ(ReasonOf(ToBinary(kRequest, json).status()), error::v1::INVALID_FIELDS) << json;
  }
}

TEST(Json, WhatItQuotesHasABound) {
  const std::string large(1000000, 'a');
  for (const std::string& json :
       {"{\"" + large + "\":1}", "{\"event\":{\"" + large + "\":1}}", "{\"requestId\":" + large + "}",
        "{\"event\":{\"revision\":\"" + large + "\"}}", large}) {
    const absl::Status status = ToBinary(kRequest, json).status();
    EXPECT_THAT(status, Fails(absl::StatusCode::kInvalidArgument, error::v1::INVALID_FIELDS));
    EXPECT_LT(status.message().size(), 500U);
  }
  // In whole characters.
  std::string letters = "a";
  for (int i = 0; i < 1000; ++i) letters += "\xc3\xa9";
  const std::string cut(ToBinary(kRequest, "{\"" + letters + "\":1}").status().message());
  EXPECT_THAT(cut, HasSubstr("\xc3\xa9... is no field"));
}

TEST(Json, DepthHasABound) {
  std::string deep;
  for (int i = 0; i < 50000; ++i) deep += "{\"event\":";
  EXPECT_THAT(ToBinary(kRequest, deep), Fails(absl::StatusCode::kInvalidArgument, error::v1::INVALID_FIELDS));
  EXPECT_THAT(ToBinary(kRequest, std::string(500000, '[')),
              Fails(absl::StatusCode::kInvalidArgument, error::v1::INVALID_FIELDS));
}

TEST(Json, WhatIsBinaryIsLookedAtToo) {
  EXPECT_THAT(CheckBinary(kRequest, ""), test::Succeeds());
  EXPECT_THAT(CheckBinary(kRequest, "\xff\xff"), Fails(absl::StatusCode::kInvalidArgument, error::v1::INVALID_FIELDS));
}

TEST(Json, AnAnswerThatIsNoneIsInternal) {
  EXPECT_THAT(ToJson(kRequest, "\xff"), Fails(absl::StatusCode::kInternal, error::v1::INTERNAL));
}

}  // namespace
}  // namespace parley::gateway::http
