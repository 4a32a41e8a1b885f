#include <string>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "nlohmann/json.hpp"
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

// A terminal must not obey what a verifier answered.
std::string Printable(const std::string& text) {
  std::string printable;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '\n') {
      printable += ' ';
    } else if (byte < ' ' || byte == 0x7F) {
      printable += '?';
    } else {
      printable += c;
    }
  }
  return printable;
}

void Append(std::string* text, const char* label, const std::string& content) {
  absl::StrAppend(text, "           ", Padded(label, 11), Printable(content), "\n");
}

void Append(std::string* text, const VerifierCheckResult& result) {
  absl::StrAppend(text, Padded(NameOf(result.state), 9), Padded(result.check.name, 22));
  switch (result.state) {
    case CheckState::kOk:
      absl::StrAppend(text, Printable(result.sent), " → ", Printable(result.answered), "\n");
      break;
    case CheckState::kSkipped:
      absl::StrAppend(text, Printable(result.answered), "\n");
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
      report.verifier.empty() ? std::string("without a name") : Printable(report.verifier),
      report.version.empty() ? "" : " ", Printable(report.version), ", asked for the task \"",
      Printable(report.task), "\"\n");
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
