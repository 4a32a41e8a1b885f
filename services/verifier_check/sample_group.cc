#include "services/verifier_check/sample_group.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "google/protobuf/util/json_util.h"
#include "verifier/routing/task_pattern.h"

namespace tpo {
namespace {

constexpr char kSequencePrefix[] = "sequence/";
constexpr char kSequenceTask[] = "sequence/reverse_copy/bag_of_tokens";

v1::VerifyRequest SequenceSample() {
  v1::VerifyRequest sample;
  v1::Prompt* prompt = sample.mutable_prompt();
  for (const int token : {0, 1, 1, 0, 1}) prompt->add_tokens(token);
  for (const int token : {1, 0, 1, 1, 0}) prompt->add_reference_tokens(token);
  prompt->mutable_metadata()->insert({"vocab_size", "2"});
  // All of it right, then 4, 2 and none of 5.
  *sample.add_completions() = MakeTokenCompletion({1, 0, 1, 1, 0});
  *sample.add_completions() = MakeTokenCompletion({1, 0, 1, 1, 1});
  *sample.add_completions() = MakeTokenCompletion({1, 0, 0, 0, 1});
  *sample.add_completions() = MakeTokenCompletion({0, 1, 0, 0, 1});
  return sample;
}

v1::VerifyRequest TextSample() {
  v1::VerifyRequest sample;
  v1::Prompt* prompt = sample.mutable_prompt();
  prompt->set_text("What is 6 * 7? Answer with the number only.");
  for (const unsigned char byte : prompt->text()) prompt->add_tokens(byte);
  prompt->set_reference_answer("42");
  for (const char* text : {"42", "41", "I do not know.", "42 or 43"})
    *sample.add_completions() = MakeTextCompletion(text);
  return sample;
}

void SetLogProbs(v1::Completion* completion) {
  completion->mutable_behavior_log_probs()->Resize(completion->tokens_size(), -0.5F);
}

void FillIn(v1::Completion* completion) {
  if (completion->tokens().empty()) {
    for (const unsigned char byte : completion->text()) completion->add_tokens(byte);
  }
  if (completion->behavior_log_probs().empty()) SetLogProbs(completion);
  if (completion->finish_reason() == v1::FINISH_REASON_UNSPECIFIED)
    completion->set_finish_reason(v1::FINISH_REASON_STOP);
  if (completion->weight_versions().empty()) completion->add_weight_versions();
}

// Another completion than all its siblings, and of the same kind.
v1::Completion Variation(const v1::Completion& original, int number) {
  v1::Completion completion = original;
  if (!completion.text().empty())
    completion.set_text(absl::StrCat(completion.text(), " #", number));
  // A binary tail keeps to small vocabularies.
  for (int rest = number; rest > 0; rest /= 2) completion.add_tokens(rest % 2);
  SetLogProbs(&completion);
  completion.clear_candidate_tokens();
  completion.clear_candidate_log_probs();
  return completion;
}

}  // namespace

std::string TaskThatMatches(const std::string& pattern) {
  if (!pattern.ends_with('*')) return pattern;
  const std::string prefix = pattern.substr(0, pattern.size() - 1);
  if (!prefix.empty() && std::string(kSequenceTask).starts_with(prefix)) return kSequenceTask;
  return absl::StrCat(prefix, "check");
}

bool IsDescribed(const v1::DescribeResponse& description, const std::string& task) {
  return std::any_of(description.tasks().begin(), description.tasks().end(),
                     [&task](const std::string& pattern) { return MatchesTask(pattern, task); });
}

v1::VerifyRequest BuiltInSample(const std::string& task) {
  v1::VerifyRequest sample = task.starts_with(kSequencePrefix) ? SequenceSample() : TextSample();
  sample.mutable_prompt()->set_id(1);
  sample.mutable_prompt()->set_task(task);
  return sample;
}

absl::StatusOr<v1::VerifyRequest> SampleFromJson(const std::string& json) {
  v1::VerifyRequest sample;
  const auto status = google::protobuf::util::JsonStringToMessage(json, &sample);
  if (!status.ok()) {
    return absl::InvalidArgumentError(
        absl::StrCat("not a VerifyRequest as protobuf JSON: ", std::string(status.message())));
  }
  if (!sample.has_prompt()) return absl::InvalidArgumentError("prompt: missing");
  if (sample.completions().empty())
    return absl::InvalidArgumentError("completions: empty; give some of different worth");
  if (sample.prompt().tokens().empty()) {
    const std::string text = sample.prompt().text().empty() ? "?" : sample.prompt().text();
    for (const unsigned char byte : text) sample.mutable_prompt()->add_tokens(byte);
  }
  for (v1::Completion& completion : *sample.mutable_completions()) FillIn(&completion);
  sample.clear_want_token_rewards();
  return sample;
}

v1::Completion MakeTextCompletion(const std::string& text) {
  v1::Completion completion;
  completion.set_text(text);
  FillIn(&completion);
  return completion;
}

v1::Completion MakeTokenCompletion(const std::vector<int>& tokens) {
  v1::Completion completion;
  completion.mutable_tokens()->Add(tokens.begin(), tokens.end());
  completion.set_finish_reason(v1::FINISH_REASON_LENGTH);
  FillIn(&completion);
  return completion;
}

v1::VerifyRequest Pick(const v1::VerifyRequest& sample, const std::vector<int>& which) {
  v1::VerifyRequest request = sample;
  request.clear_completions();
  for (const int index : which) *request.add_completions() = sample.completions(index);
  return request;
}

v1::VerifyRequest Resize(const v1::VerifyRequest& sample, int count) {
  v1::VerifyRequest request = sample;
  request.clear_completions();
  const int own = sample.completions_size();
  for (int i = 0; i < count; ++i) {
    const v1::Completion& original = sample.completions(i % own);
    *request.add_completions() = i < own ? original : Variation(original, i);
  }
  return request;
}

}  // namespace tpo
