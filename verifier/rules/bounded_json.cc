#include "verifier/rules/bounded_json.h"

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "core/json_depth.h"

namespace tpo {

absl::StatusOr<nlohmann::json> ParseBoundedJson(std::string_view text, const JsonBounds& bounds) {
  if (text.size() > bounds.bytes) {
    return absl::InvalidArgumentError(
        absl::StrCat("is longer than ", bounds.bytes, " bytes of JSON"));
  }
  if (static_cast<size_t>(JsonDepth(text)) > bounds.depth)
    return absl::InvalidArgumentError(absl::StrCat("is nested deeper than ", bounds.depth));
  if (text.starts_with("\xEF\xBB\xBF"))
    return absl::InvalidArgumentError("starts with a byte order mark");
  nlohmann::json value = nlohmann::json::parse(text.begin(), text.end(), nullptr, false);
  if (value.is_discarded()) return absl::InvalidArgumentError("is not JSON");
  return value;
}

}  // namespace tpo
