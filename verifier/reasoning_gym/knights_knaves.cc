#include "verifier/reasoning_gym/knights_knaves.h"

#include <algorithm>
#include <array>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/string_view.h"

namespace tpo {
namespace {

constexpr std::string_view kRoles[] = {"knight", "knave", "pioneer",  "laggard", "saint",
                                       "sinner", "hero",  "villain",  "angel",   "devil",
                                       "egoist", "sage",  "altruist", "fool"};

bool IsRole(std::string_view word) {
  return std::find(std::begin(kRoles), std::end(kRoles), word) != std::end(kRoles);
}

// White space beyond one byte that Python splits at.
constexpr std::string_view kLongSpaces[] = {"\u0085", "\u00a0", "\u1680", "\u2000", "\u2001",
                                            "\u2002", "\u2003", "\u2004", "\u2005", "\u2006",
                                            "\u2007", "\u2008", "\u2009", "\u200a", "\u2028",
                                            "\u2029", "\u202f", "\u205f", "\u3000"};

// Bytes of the white space at the beginning; 0: there is none.
size_t SpaceAt(std::string_view text) {
  const auto byte = static_cast<unsigned char>(text.front());
  if (byte < 0x80)
    return byte == ' ' || (byte >= 0x09 && byte <= 0x0d) || (byte >= 0x1c && byte <= 0x1f);
  for (const std::string_view space : kLongSpaces) {
    if (text.starts_with(space)) return space.size();
  }
  return 0;
}

std::vector<std::string_view> Words(std::string_view text) {
  std::vector<std::string_view> words;
  size_t begin = 0;
  size_t i = 0;
  while (i < text.size()) {
    const size_t space = SpaceAt(text.substr(i));
    if (space == 0) {
      ++i;
      continue;
    }
    if (i > begin) words.push_back(text.substr(begin, i - begin));
    i += space;
    begin = i;
  }
  if (text.size() > begin) words.push_back(text.substr(begin));
  return words;
}

}  // namespace

RoleAssignments ParseRoleAssignments(std::string_view text) {
  std::string plain = absl::AsciiStrToLower(absl::string_view(text.data(), text.size()));
  for (char& c : plain) {
    if (c == '.' || c == ',' || c == '(' || c == ')') c = ' ';
  }
  plain = absl::StrReplaceAll(plain, {{" and ", " "}});
  RoleAssignments assignments;
  std::string_view name;
  for (const std::string_view word : Words(plain)) {
    if (word == "is" || word == "a" || word == "an") continue;
    if (!IsRole(word)) {
      name = word;
    } else if (!name.empty()) {
      assignments.emplace(name, word);
      name = {};
    }
  }
  return assignments;
}

double ScoreRoleAssignments(const RoleAssignments& reference, const RoleAssignments& answer,
                            bool partial_credit) {
  if (answer == reference) return 1;
  if (!partial_credit || answer.size() != reference.size()) return 0;
  const auto right = std::count_if(answer.begin(), answer.end(), [&](const auto& assignment) {
    return reference.contains(assignment);
  });
  if (right == 0) return 0;
  return 0.3 + 0.7 * static_cast<double>(right) / static_cast<double>(reference.size());
}

}  // namespace tpo
