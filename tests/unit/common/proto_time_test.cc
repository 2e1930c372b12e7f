#include "common/time/proto_time.h"

#include <gtest/gtest.h>

namespace parley {
namespace {

google::protobuf::Timestamp Timestamp(int64_t seconds, int32_t nanos) {
  google::protobuf::Timestamp timestamp;
  timestamp.set_seconds(seconds);
  timestamp.set_nanos(nanos);
  return timestamp;
}

google::protobuf::Duration Duration(int64_t seconds, int32_t nanos) {
  google::protobuf::Duration duration;
  duration.set_seconds(seconds);
  duration.set_nanos(nanos);
  return duration;
}

TEST(ProtoTimeTest, E5_TruncatedToTheMicrosecond) {
  EXPECT_EQ(FromProto(Timestamp(1, 1999)), absl::FromUnixMicros(1000001));
  EXPECT_EQ(FromProto(Timestamp(-1, 999999999)), absl::FromUnixMicros(-1));
  EXPECT_EQ(FromProto(Duration(1, 1999)), absl::Microseconds(1000001));
  EXPECT_EQ(FromProto(Duration(0, 999)), absl::ZeroDuration());
}

TEST(ProtoTimeTest, WhatIsNotValid) {
  EXPECT_FALSE(FromProto(Timestamp(253402300800, 0)));
  EXPECT_FALSE(FromProto(Timestamp(-62135596801, 0)));
  EXPECT_FALSE(FromProto(Timestamp(0, -1)));
  EXPECT_FALSE(FromProto(Timestamp(0, 1000000000)));
  EXPECT_FALSE(FromProto(Duration(1, -1)));
  EXPECT_FALSE(FromProto(Duration(315576000001, 0)));
}

TEST(ProtoTimeTest, ThereAndBack) {
  for (const int64_t micros : {int64_t{0}, int64_t{-1}, int64_t{1800000000123456}, int64_t{-62135596800000000}}) {
    google::protobuf::Timestamp timestamp;
    ToProto(absl::FromUnixMicros(micros), &timestamp);
    EXPECT_EQ(FromProto(timestamp), absl::FromUnixMicros(micros));
  }
}

}  // namespace
}  // namespace parley
