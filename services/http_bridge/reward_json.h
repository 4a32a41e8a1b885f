// Reading JSON answers without trusting them. Include in sources only.
#ifndef TPO_SERVICES_HTTP_BRIDGE_REWARD_JSON_H_
#define TPO_SERVICES_HTTP_BRIDGE_REWARD_JSON_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "core/types.h"
#include "nlohmann/json.hpp"

namespace tpo {

// INVALID_ARGUMENT: nested deeper than 100 levels, or not JSON; the message has the byte and what
// stands around it. NaN and Infinity, which Python writes without being asked, are not JSON.
absl::StatusOr<nlohmann::json> ParseJson(const std::string& text);

// The text of `value`; bytes that aren't UTF-8 become U+FFFD.
std::string JsonText(const nlohmann::json& value);

// "an array", "a string", "null": what `value` is, within a sentence.
std::string TypeText(const nlohmann::json& value);

// A finite number, or true or false as 1 or 0. INVALID_ARGUMENT names `field` and what stands
// there.
absl::StatusOr<double> ReadNumber(const nlohmann::json& value, const std::string& field);

// The member `field` of an answer. INVALID_ARGUMENT: `answer` is no object, or has no such member.
absl::StatusOr<nlohmann::json> ReadMember(const nlohmann::json& answer, const std::string& field);

// The text of a string member; empty when there is none.
std::string OptionalText(const nlohmann::json& object, const std::string& field);

Verdict FailedVerdict(std::string reason);
std::vector<Verdict> AllFailed(size_t count, const std::string& reason);

}  // namespace tpo

#endif  // TPO_SERVICES_HTTP_BRIDGE_REWARD_JSON_H_
