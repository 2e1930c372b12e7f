#include "common/rpc/grpc_status.h"

#include <gtest/gtest.h>

#include "common/status/status.h"
#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"

namespace parley::rpc {
namespace {

google::rpc::Status Details(const grpc::Status& status) {
  google::rpc::Status proto;
  EXPECT_TRUE(proto.ParseFromString(status.error_details()));
  return proto;
}

google::rpc::ErrorInfo InfoOf(const grpc::Status& status) {
  google::rpc::ErrorInfo info;
  EXPECT_TRUE(Details(status).details(0).UnpackTo(&info));
  return info;
}

TEST(GrpcStatusTest, DetailsAndCallIdReachTheCaller) {
  const grpc::Status status = ToGrpc(EtagMismatch("12"), "c1");
  EXPECT_EQ(status.error_code(), grpc::StatusCode::ABORTED);
  EXPECT_EQ(InfoOf(status).domain(), "parley");
  EXPECT_EQ(InfoOf(status).reason(), "ETAG_MISMATCH");
  EXPECT_EQ(InfoOf(status).metadata().at("etag"), "12");
  EXPECT_EQ(InfoOf(status).metadata().at("call_id"), "c1");
}

TEST(GrpcStatusTest, ErrorInfoStandsFirst) {
  FieldViolations fields;
  fields.Add("a", "is bad");
  const auto details = Details(ToGrpc(fields.ToStatus(), "c1"));
  ASSERT_EQ(details.details_size(), 2);
  EXPECT_TRUE(details.details(0).Is<google::rpc::ErrorInfo>());
  EXPECT_TRUE(details.details(1).Is<google::rpc::BadRequest>());
}

TEST(GrpcStatusTest, ManyBadFieldsFitIntoTrailers) {
  FieldViolations fields;
  for (int i = 0; i < 1000; ++i) fields.Add("event.parties[" + std::to_string(i) + "].address", "must not be empty");
  const grpc::Status status = ToGrpc(fields.ToStatus(), "c1");
  EXPECT_LT((status.error_details().size() + 2) / 3 * 4 + status.error_message().size(), 8000u);
  google::rpc::BadRequest bad;
  ASSERT_TRUE(Details(status).details(1).UnpackTo(&bad));
  EXPECT_GE(bad.field_violations_size(), 50);
  const auto& last = bad.field_violations(bad.field_violations_size() - 1);
  EXPECT_EQ(last.field(), "event.parties");
  EXPECT_EQ(last.description(), "and more: " + std::to_string(1000 - bad.field_violations_size() + 1) +
                                    " further bad fields do not fit into an answer");
}

TEST(GrpcStatusTest, InternalErrorsTellNothing) {
  const grpc::Status status = ToGrpc(Internal("secret story"), "c1");
  EXPECT_EQ(status.error_message().find("secret"), std::string::npos);
  EXPECT_EQ(status.error_details().find("secret"), std::string::npos);
  EXPECT_NE(status.error_message().find("c1"), std::string::npos);
  EXPECT_EQ(InfoOf(status).reason(), "INTERNAL");
}

TEST(GrpcStatusTest, DetailsSurviveTheWayThroughTwoServices) {
  const absl::Status there = Precondition(error::v1::EVENT_CLOSED, "events/1", "closed", {{"state", "AGREED"}});
  const absl::Status here = FromGrpc(ToGrpc(there, "c1"), "event");
  EXPECT_EQ(here.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(ReasonOf(here), error::v1::EVENT_CLOSED);
}

TEST(GrpcStatusTest, AnAbsentServiceIsUnavailableWithDetails) {
  const absl::Status status = FromGrpc({grpc::StatusCode::UNAVAILABLE, "connection refused on 10.1.2.3"}, "event");
  EXPECT_EQ(ReasonOf(status), error::v1::UNAVAILABLE);
  EXPECT_EQ(status.message().find("10.1.2.3"), absl::string_view::npos);
}

}  // namespace
}  // namespace parley::rpc
