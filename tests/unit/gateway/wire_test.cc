#include "services/gateway/http/wire.h"

#include <nlohmann/json.hpp>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "common/rpc/grpc_status.h"
#include "common/status/status.h"
#include "google/rpc/error_details.pb.h"
#include "tests/support/status_matchers.h"

namespace parley::gateway::http {
namespace {

using nlohmann::json;
using test::Fails;
using test::IsOkAndHolds;
using testing::HasSubstr;
using testing::Pair;
using testing::UnorderedElementsAre;
using Protocol = Wire::Protocol;

constexpr Wire kJson{Protocol::kConnect, true};
constexpr Wire kConnectStream{Protocol::kConnectStream, true};
constexpr Wire kGrpcWeb{Protocol::kGrpcWeb, false};
constexpr Wire kGrpcWebText{Protocol::kGrpcWeb, false, true};

std::string Envelope(char flags, const std::string& message) {
  return absl::StrCat(std::string{flags, 0, 0, 0, static_cast<char>(message.size())}, message);
}

Request With(const std::string& body, Headers headers = {}) {
  Request request;
  request.body = body;
  request.headers = std::move(headers);
  return request;
}

TEST(Wire, IsToldByItsContentType) {
  EXPECT_EQ(WireOf("application/json; charset=utf-8")->protocol, Protocol::kConnect);
  EXPECT_TRUE(WireOf("Application/JSON")->is_json);
  EXPECT_FALSE(WireOf("application/proto")->is_json);
  EXPECT_EQ(WireOf("application/connect+json")->protocol, Protocol::kConnectStream);
  EXPECT_FALSE(WireOf("application/connect+proto")->is_json);
  EXPECT_EQ(WireOf("application/grpc-web")->protocol, Protocol::kGrpcWeb);
  EXPECT_FALSE(WireOf("application/grpc-web+proto")->is_text);
  EXPECT_TRUE(WireOf("application/grpc-web+json")->is_json);
  EXPECT_TRUE(WireOf("application/grpc-web-text")->is_text);
  for (const char* other :
       {"", "text/plain", "application/grpc", "application/jsonp", "application/x-www-form-urlencoded"}) {
    EXPECT_FALSE(WireOf(other)) << other;
  }
}

TEST(Wire, TakesTheOneMessageOfACall) {
  EXPECT_THAT(MessageIn(kJson, With("{}")), IsOkAndHolds("{}"));
  EXPECT_THAT(MessageIn(kJson, With("{}", {{"connect-protocol-version", "1"}, {"content-encoding", "identity"}})),
              IsOkAndHolds("{}"));
  EXPECT_THAT(MessageIn(kConnectStream, With(Envelope(0, "{}"))), IsOkAndHolds("{}"));
  EXPECT_THAT(MessageIn(kGrpcWeb, With(Envelope(0, ""))), IsOkAndHolds(""));
  EXPECT_THAT(MessageIn(kGrpcWebText, With(absl::Base64Escape(Envelope(0, "abc")))), IsOkAndHolds("abc"));
  // Head and message, each with its padding.
  EXPECT_THAT(MessageIn(kGrpcWebText, With("AAAAAAM=" + absl::Base64Escape("abc"))), IsOkAndHolds("abc"));
}

TEST(Wire, RefusesWhatIsNotOneMessage) {
  const std::string one = Envelope(0, "{}");
  for (const std::string& body : {std::string(), std::string("{\"name\":\"\"}"), one.substr(0, 4), one.substr(0, 6),
                                  one + one, Envelope(2, "{}"), std::string("\0\xff\xff\xff\xff{}", 7)}) {
    EXPECT_THAT(MessageIn(kConnectStream, With(body)),
                Fails(absl::StatusCode::kInvalidArgument, error::v1::INVALID_FIELDS))
        << absl::CEscape(body);
  }
  EXPECT_THAT(MessageIn(kGrpcWebText, With("!")), Fails(absl::StatusCode::kInvalidArgument, error::v1::INVALID_FIELDS));
  EXPECT_THAT(MessageIn(kJson, With("{}", {{"connect-protocol-version", "2"}})),
              Fails(absl::StatusCode::kInvalidArgument, error::v1::INVALID_FIELDS));
  EXPECT_THAT(MessageIn(kConnectStream, With(Envelope(1, "{}"))),
              Fails(absl::StatusCode::kUnimplemented, error::v1::REASON_UNSPECIFIED));
  EXPECT_THAT(MessageIn(kJson, With("{}", {{"content-encoding", "gzip"}})),
              Fails(absl::StatusCode::kUnimplemented, error::v1::REASON_UNSPECIFIED));
}

TEST(Wire, TakesTheMessageOfAGet) {
  Wire wire;
  EXPECT_THAT(MessageInQuery(ParseQuery("connect=v1&encoding=json&message=%7B%22a%22%3A+1%7D"), wire),
              IsOkAndHolds("{\"a\": 1}"));
  EXPECT_TRUE(wire.is_json);
  EXPECT_THAT(
      MessageInQuery(ParseQuery("message=CgNh_-8&base64=1&encoding=proto&connect=v1&compression=identity"), wire),
      IsOkAndHolds(std::string("\x0a\x03\x61\xff\xef")));
  EXPECT_FALSE(wire.is_json);
  EXPECT_THAT(MessageInQuery(ParseQuery("connect=v1&encoding=json&message=&compression=gzip"), wire),
              Fails(absl::StatusCode::kUnimplemented, error::v1::REASON_UNSPECIFIED));
  // All that is wrong, at once.
  const auto bad = MessageInQuery(ParseQuery("connect=v2&&encoding=xml&x"), wire);
  for (const char* field : {"connect", "encoding", "message"}) EXPECT_THAT(bad.status().message(), HasSubstr(field));
  EXPECT_THAT(MessageInQuery(ParseQuery("connect=v1&encoding=json&message=!!&base64=1"), wire),
              Fails(absl::StatusCode::kInvalidArgument, error::v1::INVALID_FIELDS));
}

TEST(Wire, TakesEscapesAsTheyAre) {
  EXPECT_THAT(
      ParseQuery("a=%4&b=%zz&c=%41%&=d&e&f=%+4%0"),
      UnorderedElementsAre(Pair("a", "%4"), Pair("b", "%zz"), Pair("c", "A%"), Pair("e", ""), Pair("f", "% 4%0")));
}

TEST(Wire, KnowsHowLongTheCallerWaits) {
  const auto connect = [](const std::string& text) {
    return TimeoutOf(kJson, With("", {{"connect-timeout-ms", text}}));
  };
  const auto grpc = [](const std::string& text) { return TimeoutOf(kGrpcWeb, With("", {{"grpc-timeout", text}})); };
  EXPECT_THAT(TimeoutOf(kJson, With("")), IsOkAndHolds(absl::InfiniteDuration()));
  EXPECT_THAT(connect("0"), IsOkAndHolds(absl::ZeroDuration()));
  EXPECT_THAT(connect("9999999999"), IsOkAndHolds(absl::Milliseconds(9999999999)));
  EXPECT_THAT(grpc("2H"), IsOkAndHolds(absl::Hours(2)));
  EXPECT_THAT(grpc("2M"), IsOkAndHolds(absl::Minutes(2)));
  EXPECT_THAT(grpc("2S"), IsOkAndHolds(absl::Seconds(2)));
  EXPECT_THAT(grpc("99999999m"), IsOkAndHolds(absl::Milliseconds(99999999)));
  EXPECT_THAT(grpc("2u"), IsOkAndHolds(absl::Microseconds(2)));
  EXPECT_THAT(grpc("2n"), IsOkAndHolds(absl::Nanoseconds(2)));
  for (const char* bad : {"", "-1", "1.5", "1s", "10000000000"}) {
    EXPECT_THAT(connect(bad), Fails(absl::StatusCode::kInvalidArgument, error::v1::INVALID_FIELDS)) << bad;
  }
  for (const char* bad : {"", "S", "1", "1s", "100000000S", "-1S"}) {
    EXPECT_THAT(grpc(bad), Fails(absl::StatusCode::kInvalidArgument, error::v1::INVALID_FIELDS)) << bad;
  }
}

TEST(Wire, PassesOnWhatIsMeantForTheService) {
  EXPECT_THAT(MetadataIn(With("", {{"authorization", "Bearer x"},
                                   {"parley-act-for", "a@example.org"},
                                   {"x-mine", "1"},
                                   {"x-mine", "2"},
                                   {"x-mine-bin", "AAH/"},
                                   {"host", "x"},
                                   {"cookie", "x"},
                                   {"content-type", "application/json"},
                                   {"connect-timeout-ms", "5"},
                                   {"grpc-timeout", "5S"},
                                   {"sec-fetch-mode", "cors"},
                                   {"x-odd", "a\tb"}})),
              IsOkAndHolds(UnorderedElementsAre(Pair("authorization", "Bearer x"),
                                                Pair("parley-act-for", "a@example.org"), Pair("x-mine", "1"),
                                                Pair("x-mine", "2"), Pair("x-mine-bin", std::string("\0\1\xff", 3)))));
  // gRPC knows no such name, and would end the process.
  EXPECT_THAT(MetadataIn(With("", {{"-bin", "AA"}})), IsOkAndHolds(UnorderedElementsAre(Pair("-bin", "AA"))));
  // What says who calls is not passed over.
  EXPECT_THAT(MetadataIn(With("", {{"authorization", "Bearer \xff"}, {"parley-act-for", "\xff"}})),
              IsOkAndHolds(UnorderedElementsAre(Pair("authorization", ""), Pair("parley-act-for", ""))));
  EXPECT_THAT(MetadataIn(With("", {{"x-mine-bin", "!"}})),
              Fails(absl::StatusCode::kInvalidArgument, error::v1::INVALID_FIELDS));
}

End Failed() { return {rpc::ToGrpc(EtagMismatch("7"), "c1"), {{"parley-call-id", "c1"}}, {{"x-tail-bin", "\xff"}}}; }

TEST(Wire, AnswersOfConnectHaveTheirMetadataInHeaders) {
  const End end{grpc::Status::OK, {{"parley-call-id", "c1"}}, {{"x-tail-bin", "\xff"}}};
  const Response response = UnaryAnswer(kJson, end, "{}");
  EXPECT_EQ(response.status, 200);
  EXPECT_EQ(response.body, "{}");
  EXPECT_THAT(response.headers, UnorderedElementsAre(Pair("content-type", "application/json"),
                                                     Pair("parley-call-id", "c1"), Pair("trailer-x-tail-bin", "/w")));
}

TEST(Wire, ErrorsOfConnectAreJsonWithTheirDetails) {
  for (const bool is_json : {true, false}) {
    const Response response = UnaryAnswer({Protocol::kConnect, is_json}, Failed(), "");
    EXPECT_EQ(response.status, 409);
    EXPECT_EQ(response.headers.find("content-type")->second, "application/json");
    const json error = json::parse(response.body);
    EXPECT_EQ(error["code"], "aborted");
    EXPECT_THAT(error["message"].get<std::string>(), HasSubstr("7"));
    ASSERT_EQ(error["details"].size(), 1U);
    const json& detail = error["details"][0];
    EXPECT_EQ(detail["type"], "google.rpc.ErrorInfo");
    EXPECT_EQ(detail["debug"]["reason"], "ETAG_MISMATCH");
    std::string bytes;
    ASSERT_TRUE(absl::Base64Unescape(detail["value"].get<std::string>(), &bytes));
    google::rpc::ErrorInfo info;
    ASSERT_TRUE(info.ParseFromString(bytes));
    EXPECT_EQ(info.metadata().at("etag"), "7");
    EXPECT_EQ(info.metadata().at("call_id"), "c1");
  }
}

TEST(Wire, EachCodeHasItsHttpStatus) {
  const std::map<grpc::StatusCode, std::pair<std::string, int>> codes{
      {grpc::CANCELLED, {"canceled", 499}},
      {grpc::UNKNOWN, {"unknown", 500}},
      {grpc::INVALID_ARGUMENT, {"invalid_argument", 400}},
      {grpc::DEADLINE_EXCEEDED, {"deadline_exceeded", 504}},
      {grpc::NOT_FOUND, {"not_found", 404}},
      {grpc::ALREADY_EXISTS, {"already_exists", 409}},
      {grpc::PERMISSION_DENIED, {"permission_denied", 403}},
      {grpc::UNAUTHENTICATED, {"unauthenticated", 401}},
      {grpc::RESOURCE_EXHAUSTED, {"resource_exhausted", 429}},
      {grpc::FAILED_PRECONDITION, {"failed_precondition", 400}},
      {grpc::ABORTED, {"aborted", 409}},
      {grpc::OUT_OF_RANGE, {"out_of_range", 400}},
      {grpc::UNIMPLEMENTED, {"unimplemented", 501}},
      {grpc::INTERNAL, {"internal", 500}},
      {grpc::UNAVAILABLE, {"unavailable", 503}},
      {grpc::DATA_LOSS, {"data_loss", 500}},
      {static_cast<grpc::StatusCode>(99), {"unknown", 500}}};
  for (const auto& [code, shown] : codes) {
    const Response response = UnaryAnswer(kJson, {grpc::Status(code, "why \xff"), {}, {}}, "");
    EXPECT_EQ(response.status, shown.second) << shown.first;
    EXPECT_EQ(json::parse(response.body)["code"], shown.first);
  }
}

TEST(Wire, StreamsOfConnectEndInAnEnvelope) {
  EXPECT_EQ(StreamHead(kConnectStream, {}).headers.find("content-type")->second, "application/connect+json");
  EXPECT_EQ(StreamMessage(kConnectStream, "{}"), Envelope(0, "{}"));
  EXPECT_EQ(StreamEnd(kConnectStream, {grpc::Status::OK, {}, {}}), Envelope(2, "{}"));
  const std::string end = StreamEnd(kConnectStream, Failed());
  EXPECT_EQ(end[0], 2);
  const json shown = json::parse(end.substr(5));
  EXPECT_EQ(shown["error"]["code"], "aborted");
  EXPECT_EQ(shown["metadata"], json({{"x-tail-bin", {"/w"}}}));
}

TEST(Wire, AnswersOfGrpcWebEndInTheirTrailers) {
  const Response good = UnaryAnswer(kGrpcWeb, {grpc::Status::OK, {{"parley-call-id", "c1"}}, {{"x-tail", "t"}}}, "abc");
  EXPECT_EQ(good.status, 200);
  EXPECT_THAT(good.headers,
              UnorderedElementsAre(Pair("content-type", "application/grpc-web+proto"), Pair("parley-call-id", "c1")));
  EXPECT_EQ(good.body, Envelope(0, "abc") + Envelope('\x80', "grpc-status: 0\r\nx-tail: t\r\n"));

  const Response bad = UnaryAnswer(kGrpcWeb, {grpc::Status(grpc::ABORTED, "50 % \xc3\xa9\n", "d"), {}, {}}, "");
  EXPECT_EQ(bad.status, 200);
  EXPECT_EQ(bad.body, Envelope('\x80',
                               "grpc-status: 10\r\ngrpc-message: 50 %25 %C3%A9%0A\r\n"
                               "grpc-status-details-bin: ZA\r\n"));
  EXPECT_EQ(StreamMessage(kGrpcWebText, "abc"), absl::Base64Escape(Envelope(0, "abc")));
}

}  // namespace
}  // namespace parley::gateway::http
