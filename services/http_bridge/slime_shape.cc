// slime's remote reward model: {"prompt", "response", "label"} of one completion; the answer is the
// reward itself (slime/rollout/rm_hub/__init__.py, remote_rm), or an object that holds it under the
// name that --reward-key gives (slime/utils/types.py, Sample.get_reward_value).
#include "absl/strings/str_cat.h"
#include "services/http_bridge/reward_json.h"
#include "services/http_bridge/reward_shape.h"

namespace tpo {
namespace {

using nlohmann::json;

class SlimeShape : public RewardShape {
 public:
  explicit SlimeShape(const RewardShapeOptions& options) : score_field_(options.score_field) {}

  size_t CompletionsPerRequest() const override { return 1; }

  absl::StatusOr<std::string> RequestBody(const RewardQuestion& question) const override {
    return JsonText({{"prompt", question.prompt},
                     {"response", question.items.front().response},
                     {"label", question.label}});
  }

  std::vector<Verdict> Verdicts(const std::string& body, size_t count) const override {
    const absl::StatusOr<Verdict> verdict = VerdictOf(body);
    if (!verdict.ok()) return AllFailed(count, std::string(verdict.status().message()));
    return std::vector<Verdict>(count, *verdict);
  }

 private:
  absl::StatusOr<Verdict> VerdictOf(const std::string& body) const {
    absl::StatusOr<json> answer = ParseJson(body);
    if (!answer.ok()) return answer.status();
    if (score_field_.empty() && answer->is_object()) {
      return absl::InvalidArgumentError(
          "the server's answer: an object; name its field with the score (score_field)");
    }
    const absl::StatusOr<json> score =
        score_field_.empty() ? *answer : ReadMember(*answer, score_field_);
    if (!score.ok()) return score.status();
    const absl::StatusOr<double> number =
        ReadNumber(*score, score_field_.empty() ? "the whole" : score_field_);
    if (!number.ok()) return number.status();
    Verdict verdict = Verdict::Scored(*number);
    if (answer->is_object()) {
      for (const auto& [name, value] : answer->items()) {
        if (name != score_field_ && value.is_number())
          verdict.components[name] = value.get<double>();
      }
    }
    return verdict;
  }

  const std::string score_field_;
};

}  // namespace

std::unique_ptr<RewardShape> MakeSlimeShape(const RewardShapeOptions& options) {
  return std::make_unique<SlimeShape>(options);
}

}  // namespace tpo
