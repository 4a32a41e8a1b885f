// OpenRLHF's remote reward model. Its client posts {"query", "prompts", "labels"}, lists of one
// length (openrlhf/utils/agent.py, SingleTurnAgentExecutor); its server answers {"rewards",
// "scores", "extra_logs"} (openrlhf/cli/serve_rm.py). Older servers answer `rewards` alone.
#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "services/http_bridge/reward_json.h"
#include "services/http_bridge/reward_shape.h"

namespace tpo {
namespace {

using nlohmann::json;

// Element `i` of a list that is meant to hold a number for each of `count` completions; null when
// it is no such list. What only informs never fails a verdict.
json ElementOf(const json& list, size_t i, size_t count) {
  return list.is_array() && list.size() == count ? list[i] : json();
}

class OpenRlhfShape : public RewardShape {
 public:
  explicit OpenRlhfShape(const RewardShapeOptions& options)
      : score_field_(options.score_field.empty() ? "rewards" : options.score_field),
        completions_per_request_(options.completions_per_request) {}

  size_t CompletionsPerRequest() const override { return completions_per_request_; }

  absl::StatusOr<std::string> RequestBody(const RewardQuestion& question) const override {
    json queries = json::array();
    for (const RewardItem& item : question.items) queries.push_back(item.query);
    const size_t count = question.items.size();
    return JsonText({{"query", std::move(queries)},
                     {"prompts", std::vector<std::string>(count, question.prompt)},
                     {"labels", std::vector<std::string>(count, question.label)}});
  }

  std::vector<Verdict> Verdicts(const std::string& body, size_t count) const override {
    const absl::StatusOr<json> answer = ParseJson(body);
    if (!answer.ok()) return AllFailed(count, std::string(answer.status().message()));
    absl::StatusOr<json> scores = ReadMember(*answer, score_field_);
    if (!scores.ok()) return AllFailed(count, std::string(scores.status().message()));
    // Servers that were only ever asked about one completion may answer without a list.
    if (count == 1 && (scores->is_number() || scores->is_boolean()))
      *scores = json::array({*scores});
    if (!scores->is_array()) {
      return AllFailed(count, absl::StrCat("the server's answer: ", score_field_, " is ",
                                           TypeText(*scores), ", not a list"));
    }
    if (scores->size() != count) {
      return AllFailed(count, absl::StrCat("the server's answer: ", score_field_, " has ",
                                           scores->size(), " entries for ", count, " completions"));
    }
    std::vector<Verdict> verdicts;
    for (size_t i = 0; i < count; ++i)
      verdicts.push_back(VerdictOf(*answer, (*scores)[i], i, count));
    return verdicts;
  }

 private:
  Verdict VerdictOf(const json& answer, const json& score, size_t i, size_t count) const {
    const std::string field = absl::StrCat(score_field_, "[", i, "]");
    if (score.is_null()) {
      return Verdict::Unscored(VerdictKind::kAbstained,
                               absl::StrCat("the server's answer: ", field, " is null"));
    }
    const absl::StatusOr<double> number = ReadNumber(score, field);
    if (!number.ok()) return FailedVerdict(std::string(number.status().message()));
    Verdict verdict = Verdict::Scored(*number);
    if (const auto logs = answer.find("extra_logs"); logs != answer.end() && logs->is_object()) {
      for (const auto& [name, list] : logs->items())
        AddComponent(name, ElementOf(list, i, count), &verdict);
    }
    if (const auto scores = answer.find("scores"); scores != answer.end())
      AddComponent("scores", ElementOf(*scores, i, count), &verdict);
    return verdict;
  }

  static void AddComponent(const std::string& name, const json& value, Verdict* verdict) {
    if (value.is_number()) verdict->components[name] = value.get<double>();
  }

  const std::string score_field_;
  const size_t completions_per_request_;
};

}  // namespace

std::unique_ptr<RewardShape> MakeOpenRlhfShape(const RewardShapeOptions& options) {
  return std::make_unique<OpenRlhfShape>(options);
}

}  // namespace tpo
