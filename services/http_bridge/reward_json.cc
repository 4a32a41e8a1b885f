#include "services/http_bridge/reward_json.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "core/json_depth.h"
#include "services/http_bridge/http_client.h"

namespace tpo {
namespace {

// Bytes before and after a fault that a message shows.
constexpr size_t kAround = 20;

absl::Status Fault(const std::string& why) {
  return absl::InvalidArgumentError(absl::StrCat("the server's answer: ", why));
}

}  // namespace

absl::StatusOr<nlohmann::json> ParseJson(const std::string& text) {
  if (text.empty()) return Fault("empty");
  if (JsonDepth(text) > kMostJsonLevels)
    return Fault(absl::StrCat("nested deeper than ", kMostJsonLevels, " levels"));
  size_t byte = 0;
  try {
    return nlohmann::json::parse(text);
  } catch (const nlohmann::json::parse_error& error) {
    byte = error.byte;
  } catch (const nlohmann::json::exception&) {
    return Fault("a number that is too large");
  }
  const size_t from = byte > kAround ? byte - kAround : 0;
  return Fault(absl::StrCat("not JSON at byte ", byte, ", near: ",
                            Excerpt(text.substr(std::min(from, text.size()), 2 * kAround))));
}

std::string JsonText(const nlohmann::json& value) {
  return value.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

std::string TypeText(const nlohmann::json& value) {
  if (value.is_null()) return "null";
  return absl::StrCat(value.is_structured() ? "an " : "a ", value.type_name());
}

absl::StatusOr<double> ReadNumber(const nlohmann::json& value, const std::string& field) {
  if (value.is_boolean()) return value.get<bool>() ? 1.0 : 0.0;
  if (!value.is_number()) {
    return Fault(
        absl::StrCat(field, " is ", TypeText(value), ", not a number: ", Excerpt(JsonText(value))));
  }
  const double number = value.get<double>();
  if (!std::isfinite(number)) return Fault(absl::StrCat(field, " is not finite"));
  return number;
}

absl::StatusOr<nlohmann::json> ReadMember(const nlohmann::json& answer, const std::string& field) {
  if (!answer.is_object())
    return Fault(absl::StrCat("expected an object with the field ", field, ", found ",
                              TypeText(answer), ": ", Excerpt(JsonText(answer))));
  const auto found = answer.find(field);
  if (found == answer.end())
    return Fault(absl::StrCat("no field ", field, ": ", Excerpt(JsonText(answer))));
  return *found;
}

std::string OptionalText(const nlohmann::json& object, const std::string& field) {
  const auto found = object.find(field);
  return found != object.end() && found->is_string() ? found->get<std::string>() : "";
}

Verdict FailedVerdict(std::string reason) {
  return Verdict::Unscored(VerdictKind::kFailed, std::move(reason));
}

std::vector<Verdict> AllFailed(size_t count, const std::string& reason) {
  return std::vector<Verdict>(count, FailedVerdict(reason));
}

}  // namespace tpo
