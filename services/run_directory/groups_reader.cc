#include "services/run_directory/groups_reader.h"

#include <string_view>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "services/run_directory/json_lines.h"

namespace tpo {
namespace {

std::string Escaped(unsigned char byte) {
  switch (byte) {
    case '\n':
      return "\\n";
    case '\t':
      return "\\t";
    case '\r':
      return "\\r";
    default:
      return absl::StrFormat("\\x%02x", byte);
  }
}

bool IsControl(unsigned char byte) { return byte < 0x20 || byte == 0x7f; }

// The second byte of a two-byte character from U+0080 to U+009F, which terminals obey as well.
bool IsControlPair(unsigned char first, unsigned char second) {
  return first == 0xc2 && second >= 0x80 && second < 0xa0;
}

bool IsContinuation(char byte) { return (static_cast<unsigned char>(byte) & 0xc0) == 0x80; }

}  // namespace

const nlohmann::json& MemberOrEmpty(const nlohmann::json& object, const char* key) {
  static const nlohmann::json* const empty = new nlohmann::json(nlohmann::json::object());
  const auto member = object.find(key);
  return member != object.end() && member->is_structured() ? *member : *empty;
}

absl::StatusOr<InspectedStep> ReadInspectedStep(const RunPaths& paths,
                                                std::optional<int64_t> step) {
  InspectedStep result;
  result.step = step.value_or(-1);
  const auto visit = [&](const nlohmann::json& group, std::string_view line) {
    const int64_t group_step = IntegerOr(group, "step", -1);
    result.steps.insert(group_step);
    if (!step && group_step > result.step) {
      result.step = group_step;
      result.groups.clear();
    }
    if (group_step == result.step) result.groups.push_back({group, std::string(line)});
  };
  const absl::Status older = ReadJsonLines(paths.groups_older, visit).status();
  const absl::Status newer = ReadJsonLines(paths.groups, visit).status();
  if (!older.ok() && !newer.ok()) return newer;
  return result;
}

std::string TextOrTokens(const nlohmann::json& object, const char* text_key,
                         const char* tokens_key) {
  std::string text = StringOr(object, text_key, "");
  const auto tokens = object.find(tokens_key);
  if (!text.empty() || tokens == object.end() || !tokens->is_array()) return text;
  for (const nlohmann::json& token : *tokens) {
    absl::StrAppend(&text, text.empty() ? "" : " ", token.dump());
  }
  return text;
}

std::string OneLine(const std::string& text, size_t max_bytes) {
  std::string line;
  for (size_t i = 0; i < text.size(); ++i) {
    if (line.size() >= max_bytes && !IsContinuation(text[i])) return line + "...";
    const auto byte = static_cast<unsigned char>(text[i]);
    const auto next = static_cast<unsigned char>(i + 1 < text.size() ? text[i + 1] : 0);
    if (IsControlPair(byte, next)) {
      line += Escaped(next);
      ++i;
    } else if (IsControl(byte)) {
      line += Escaped(byte);
    } else {
      line += text[i];
    }
  }
  return line;
}

}  // namespace tpo
