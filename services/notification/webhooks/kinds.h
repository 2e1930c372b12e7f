// What entries of the log do to their events, as webhooks are told of it. Thread-safe.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "common/data/log_entries.h"
#include "parley/notification/v1/webhook.pb.h"

namespace parley::notification {

using Kind = v1::Webhook::Kind;

// In the order of the enum; empty for an entry of which no webhook is told.
std::vector<Kind> KindsOf(const data::LogEntry& entry);

// As they stand in tables: `CREATED,UPDATED`.
std::string KindNames(const std::vector<Kind>& kinds);
std::vector<Kind> ParseKinds(std::string_view names);

}  // namespace parley::notification
