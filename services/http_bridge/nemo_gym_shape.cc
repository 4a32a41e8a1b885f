// NeMo Gym's resources servers: POST /verify with BaseVerifyRequest, {"responses_create_params",
// "response"} as in the OpenAI Responses API, beside the fields of the data set's row that the
// server grades by; the answer is the request with `reward` (nemo_gym/base_resources_server.py,
// nemo_gym/openai_utils.py).
//
// Two answers carry a reward that is none: a row that its server masks (`mask_sample`), and one
// whose judge failed (`_ng_failure_class`, nemo_gym/judge.py, with reward 0). Both are failures.
#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "services/http_bridge/http_client.h"
#include "services/http_bridge/reward_json.h"
#include "services/http_bridge/reward_shape.h"

namespace tpo {
namespace {

using nlohmann::json;

constexpr char kParameters[] = "responses_create_params";

// What the model would have answered over the Responses API.
json ResponseOf(const RewardQuestion& question) {
  const RewardItem& item = question.items.front();
  const std::string status = item.is_truncated ? "incomplete" : "completed";
  const json text = {
      {"type", "output_text"}, {"text", item.response}, {"annotations", json::array()}};
  const json message = {{"id", absl::StrCat("msg_", question.prompt_id)},
                        {"type", "message"},
                        {"role", "assistant"},
                        {"status", status},
                        {"content", json::array({text})}};
  json response = {{"id", absl::StrCat("resp_", question.prompt_id)},
                   {"object", "response"},
                   {"created_at", 0},
                   {"model", "policy"},
                   {"status", status},
                   {"output", json::array({message})},
                   {"parallel_tool_calls", true},
                   {"tool_choice", "auto"},
                   {"tools", json::array()}};
  if (item.is_truncated) response["incomplete_details"] = {{"reason", "max_output_tokens"}};
  return response;
}

class NemoGymShape : public RewardShape {
 public:
  explicit NemoGymShape(const RewardShapeOptions& options)
      : score_field_(options.score_field.empty() ? "reward" : options.score_field),
        label_field_(options.label_field),
        json_metadata_(options.json_metadata) {}

  size_t CompletionsPerRequest() const override { return 1; }

  absl::StatusOr<std::string> RequestBody(const RewardQuestion& question) const override {
    json body = json::object();
    if (!label_field_.empty()) body[label_field_] = question.label;
    body[kParameters] = {
        {"input", json::array({{{"role", "user"}, {"content", question.prompt}}})}};
    for (const auto& [key, value] : question.metadata) {
      if (!IsJson(key)) {
        body[key] = value;
        continue;
      }
      absl::StatusOr<json> parsed = ParseJson(value);
      if (!parsed.ok()) {
        return absl::InvalidArgumentError(absl::StrCat(
            "the prompt's metadata: ", key, " is not JSON, or nested too deep: ", Excerpt(value)));
      }
      body[key] = *std::move(parsed);
    }
    body["response"] = ResponseOf(question);
    return JsonText(body);
  }

  std::vector<Verdict> Verdicts(const std::string& body, size_t count) const override {
    const absl::StatusOr<json> answer = ParseJson(body);
    if (!answer.ok()) return AllFailed(count, std::string(answer.status().message()));
    const absl::StatusOr<json> score = ReadMember(*answer, score_field_);
    if (!score.ok()) return AllFailed(count, std::string(score.status().message()));
    if (const std::string failure = FailureIn(*answer); !failure.empty())
      return AllFailed(count, failure);
    const absl::StatusOr<double> number = ReadNumber(*score, score_field_);
    if (!number.ok()) return AllFailed(count, std::string(number.status().message()));
    Verdict verdict = Verdict::Scored(*number);
    verdict.explanation = OptionalText(*answer, "failure_reason");
    if (const auto components = answer->find("reward_components");
        components != answer->end() && components->is_object()) {
      for (const auto& [name, value] : components->items()) {
        if (value.is_number()) verdict.components[name] = value.get<double>();
      }
    }
    return std::vector<Verdict>(count, verdict);
  }

 private:
  bool IsJson(const std::string& key) const {
    return key == kParameters ||
           std::find(json_metadata_.begin(), json_metadata_.end(), key) != json_metadata_.end();
  }

  // Why the server doesn't stand by its reward; empty when it does.
  static std::string FailureIn(const json& answer) {
    if (const std::string kind = OptionalText(answer, "_ng_failure_class"); !kind.empty()) {
      return absl::StrCat("the server's answer: _ng_failure_class is ", Excerpt(kind), ": ",
                          Excerpt(OptionalText(answer, "_ng_failure_judge_error")));
    }
    const auto masked = answer.find("mask_sample");
    if (masked == answer.end() || *masked != true) return "";
    return absl::StrCat(
        "the server's answer: mask_sample is true: ", Excerpt(OptionalText(answer, "failure_kind")),
        " ", Excerpt(OptionalText(answer, "failure_reason")));
  }

  const std::string score_field_;
  const std::string label_field_;
  const std::vector<std::string> json_metadata_;
};

}  // namespace

std::unique_ptr<RewardShape> MakeNemoGymShape(const RewardShapeOptions& options) {
  return std::make_unique<NemoGymShape>(options);
}

}  // namespace tpo
