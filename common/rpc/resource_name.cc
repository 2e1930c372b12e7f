#include "common/rpc/resource_name.h"

#include <vector>

#include "absl/strings/str_split.h"

namespace parley::rpc {

std::optional<Uuid> ParseName(std::string_view name, std::string_view collection) {
  const std::vector<std::string> parts = absl::StrSplit(absl::string_view(name.data(), name.size()), '/');
  if (parts.size() != 2 || parts[0] != collection) return std::nullopt;
  return Uuid::Parse(parts[1]);
}

std::optional<std::pair<Uuid, Uuid>> ParseName(std::string_view name, std::string_view parents,
                                               std::string_view children) {
  const std::vector<std::string> parts = absl::StrSplit(absl::string_view(name.data(), name.size()), '/');
  if (parts.size() != 4 || parts[0] != parents || parts[2] != children) return std::nullopt;
  const auto parent = Uuid::Parse(parts[1]);
  const auto child = Uuid::Parse(parts[3]);
  if (!parent || !child) return std::nullopt;
  return std::pair(*parent, *child);
}

}  // namespace parley::rpc
