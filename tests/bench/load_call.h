// One call, as it is framed for gRPC: what it asks for, its request, and its answer as it comes.
#pragma once

#include <google/protobuf/message.h>

#include <chrono>
#include <cstdint>
#include <string>

#include "absl/status/status.h"

namespace parley::bench {

using Clock = std::chrono::steady_clock;

// Used again when it is over, so that its strings keep their memory.
struct Call {
  // What is asked for, by which the answer is checked; each kind of calls uses what it has of it.
  size_t event = 0;               // which of the events that are known
  int64_t start = 0;              // of the first slot
  int64_t second = 0, third = 0;  // users who are parties besides the caller
  Clock::time_point begun;        // when it was to be sent

  std::string request;  // framed
  size_t sent = 0;      // bytes of it

  int http_status = 0;
  int grpc_status = -1;      // none yet
  std::string grpc_message;  // as it stands in the trailers
  uint32_t reset = 0;        // why HTTP/2 ended the stream, where it did
  std::string reply;         // framed
};

// Frames the request, and forgets the answer before.
void SetRequest(const google::protobuf::Message& message, Call& call);

// Reads the answer of a call that is over; an error where there is none.
absl::Status GetAnswer(const Call& call, google::protobuf::Message& message);

// The error where an answer is not what was asked for.
absl::Status Wrong(const google::protobuf::Message& answer);

}  // namespace parley::bench
