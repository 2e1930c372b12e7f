// Matchers for statuses: EXPECT_THAT(status, Fails(absl::StatusCode::kAborted, error::v1::ETAG_MISMATCH)).
#pragma once

#include <gmock/gmock.h>

#include "common/data/transaction.h"
#include "common/status/status.h"

namespace parley::test {

MATCHER(Succeeds, "") {
  *result_listener << data::StatusOf(arg).ToString();
  return arg.ok();
}

MATCHER_P2(Fails, code, reason, "") {
  const absl::Status& status = data::StatusOf(arg);
  *result_listener << status.ToString();
  return status.code() == code && ReasonOf(status) == reason;
}

// Of a StatusOr: it has a value, which is this, or matches.
MATCHER_P(IsOkAndHolds, expected, "") {
  *result_listener << data::StatusOf(arg).ToString() << " ";
  return arg.ok() && testing::ExplainMatchResult(expected, *arg, result_listener);
}

}  // namespace parley::test

// The value of a StatusOr, which ends the test where there is none.
#define ASSERT_OK_AND_ASSIGN(target, expression) \
  ASSERT_OK_AND_ASSIGN_(PARLEY_CONCAT(parley_or_, __LINE__), target, expression)
#define ASSERT_OK_AND_ASSIGN_(status_or, target, expression) \
  auto status_or = (expression);                             \
  ASSERT_THAT(status_or, ::parley::test::Succeeds());        \
  target = *std::move(status_or)
