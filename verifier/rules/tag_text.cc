#include "verifier/rules/tag_text.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/string_view.h"

namespace tpo {

bool IsTagName(std::string_view name) {
  return !name.empty() && std::none_of(name.begin(), name.end(), [](char c) {
    return c == '<' || c == '>' || c == '/' || absl::ascii_isspace(static_cast<unsigned char>(c));
  });
}

std::optional<std::string_view> TextWithin(std::string_view text, const std::string& tag) {
  const std::string opening = "<" + tag + ">";
  const std::string closing = "</" + tag + ">";
  std::optional<std::string_view> within;
  size_t at = 0;
  while (true) {
    const size_t open = text.find(opening, at);
    if (open == std::string_view::npos) break;
    const size_t begin = open + opening.size();
    const size_t close = text.find(closing, begin);
    if (close == std::string_view::npos) break;
    within = text.substr(begin, close - begin);
    at = close + closing.size();
  }
  if (!within.has_value()) return std::nullopt;
  const absl::string_view bare = absl::StripAsciiWhitespace({within->data(), within->size()});
  return std::string_view(bare.data(), bare.size());
}

}  // namespace tpo
