// Resource names (AIP-122) whose ids are UUIDs: `events/{event}`, `events/{event}/notifications/{notification}`.
#pragma once

#include <optional>
#include <string_view>
#include <utility>

#include "common/data/uuid.h"

namespace parley::rpc {

// The id in `{collection}/{id}`; nothing for any other text.
std::optional<Uuid> ParseName(std::string_view name, std::string_view collection);
// The ids in `{parents}/{id}/{children}/{id}`.
std::optional<std::pair<Uuid, Uuid>> ParseName(std::string_view name, std::string_view parents,
                                               std::string_view children);

}  // namespace parley::rpc
