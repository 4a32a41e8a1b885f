#include <string>
#include <string_view>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "nlohmann/json.hpp"
#include "services/grpc/utf8.h"
#include "services/verifier_check/verifier_check.h"

namespace tpo {
namespace {

const char* NameOf(CheckState state) {
  switch (state) {
    case CheckState::kOk:
      return "ok";
    case CheckState::kFailed:
      return "FAIL";
    case CheckState::kSkipped:
      break;
  }
  return "skipped";
}

std::string Padded(std::string text, size_t width) {
  text.resize(std::max(width, text.size() + 1), ' ');
  return text;
}

// The beginnings of the characters that a terminal may obey, in UTF-8, and of those that make it
// show text in another order than it stands.
bool IsObeyed(std::string_view text) {
  const auto byte = [text](size_t i) {
    return i < text.size() ? static_cast<unsigned char>(text[i]) : 0U;
  };
  if (byte(0) < ' ' || byte(0) == 0x7F) return true;
  if (byte(0) == 0xC2) return byte(1) < 0xA0;  // U+0080 to U+009F
  if (byte(0) != 0xE2) return false;
  return (byte(1) == 0x80 && byte(2) >= 0xAA && byte(2) <= 0xAE) ||  // U+202A to U+202E
         (byte(1) == 0x81 && byte(2) >= 0xA6 && byte(2) <= 0xA9);    // U+2066 to U+2069
}

size_t CharacterBytes(char first) {
  const auto byte = static_cast<unsigned char>(first);
  return byte < 0xC0 ? 1 : byte < 0xE0 ? 2 : byte < 0xF0 ? 3 : 4;
}

// A terminal must not obey what a verifier answered.
std::string ForTerminal(const std::string& text) {
  const std::string valid = ValidUtf8(text);
  std::string shown;
  for (size_t i = 0; i < valid.size(); i += CharacterBytes(valid[i])) {
    const std::string_view rest = std::string_view(valid).substr(i);
    if (valid[i] == '\n') {
      shown += ' ';
    } else if (IsObeyed(rest)) {
      shown += '?';
    } else {
      shown += rest.substr(0, CharacterBytes(valid[i]));
    }
  }
  return shown;
}

void Append(std::string* text, const char* label, const std::string& content) {
  absl::StrAppend(text, "           ", Padded(label, 11), ForTerminal(content), "\n");
}

void Append(std::string* text, const VerifierCheckResult& result) {
  absl::StrAppend(text, Padded(NameOf(result.state), 9), Padded(result.check.name, 22));
  switch (result.state) {
    case CheckState::kOk:
      absl::StrAppend(text, ForTerminal(result.sent), " → ", ForTerminal(result.answered), "\n");
      break;
    case CheckState::kSkipped:
      absl::StrAppend(text, ForTerminal(result.answered), "\n");
      break;
    case CheckState::kFailed:
      absl::StrAppend(text, result.check.demands, "\n");
      Append(text, "sent", result.sent);
      Append(text, "came back", result.answered);
      Append(text, "contract",
             absl::StrCat("\"", result.check.contract, "\" (", result.check.source, ")"));
      Append(text, "mend", result.remedy);
      break;
  }
}

}  // namespace

std::string ToText(const VerifierCheckReport& report, const std::string& address) {
  std::string text = absl::StrCat(
      "verifier at ", address, ": ",
      report.verifier.empty() ? std::string("without a name") : ForTerminal(report.verifier),
      report.version.empty() ? "" : " ", ForTerminal(report.version), ", asked for the task \"",
      ForTerminal(report.task), "\"\n");
  for (const VerifierCheckResult& result : report.results) Append(&text, result);
  const int failed = report.Count(CheckState::kFailed);
  absl::StrAppend(&text, report.results.size(), " checks: ", report.Count(CheckState::kOk), " ok, ",
                  failed, failed > 0 ? " FAILED, " : " failed, ",
                  report.Count(CheckState::kSkipped), " skipped\n");
  return text;
}

std::string ToJson(const VerifierCheckReport& report, const std::string& address) {
  using Json = nlohmann::ordered_json;
  Json checks = Json::array();
  for (const VerifierCheckResult& result : report.results) {
    checks.push_back(
        {{"name", result.check.name},
         {"state", result.state == CheckState::kFailed ? "failed" : NameOf(result.state)},
         {"demands", result.check.demands},
         {"sent", result.sent},
         {"answered", result.answered},
         {"contract", result.check.contract},
         {"source", result.check.source},
         {"remedy", result.remedy},
         {"seconds", absl::ToDoubleSeconds(result.duration)}});
  }
  const Json json = {{"address", address},
                     {"verifier", report.verifier},
                     {"version", report.version},
                     {"task", report.task},
                     {"ok", report.Count(CheckState::kOk)},
                     {"failed", report.Count(CheckState::kFailed)},
                     {"skipped", report.Count(CheckState::kSkipped)},
                     {"checks", checks}};
  return json.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace tpo
