// Verdicts of ordinary groups: how many, in which order, and what they hold.
#include <algorithm>
#include <cmath>
#include <numeric>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "services/verifier_check/check.h"

namespace tpo {
namespace {

// What is wrong with the kind of a verdict; empty: nothing.
std::string FaultInKind(const v1::Verdict& verdict) {
  if (verdict.kind() == v1::VERDICT_KIND_UNSPECIFIED) return "kind is UNSPECIFIED; set it";
  if (!v1::VerdictKind_IsValid(verdict.kind()))
    return "kind is none of the contract; set one of it";
  if (verdict.kind() == v1::VERDICT_KIND_FAILED && verdict.reason().empty())
    return "FAILED without a reason; say why in `reason`";
  return "";
}

// What is wrong with the numbers of a verdict; empty: nothing.
std::string FaultInNumbers(const v1::Verdict& verdict) {
  if (!std::isfinite(verdict.score()))
    return absl::StrCat("score is ", verdict.score(), "; answer FAILED when there is no number");
  for (const auto& [name, value] : verdict.components()) {
    if (!std::isfinite(value))
      return absl::StrCat("components[\"", name, "\"] is ", value, "; leave it out");
  }
  if (!std::isfinite(verdict.cost()))
    return absl::StrCat("cost is ", verdict.cost(), "; leave it out when it isn't known");
  return "";
}

CheckOutcome CheckEachVerdict(CheckContext& context, const v1::VerifyRequest& request,
                              const std::string& sent,
                              std::string (*fault_in)(const v1::Verdict&)) {
  const VerifyAnswer answer = context.Verify(request);
  if (!answer.ok()) return CheckOutcome::Failed(sent, Show(answer), "answer OK, as for the sample");
  for (int i = 0; i < answer.response.verdicts_size(); ++i) {
    const std::string fault = fault_in(answer.response.verdicts(i));
    if (!fault.empty())
      return CheckOutcome::Failed(sent, Show(answer), absl::StrCat("verdicts[", i, "]: ", fault));
  }
  return CheckOutcome::Ok(sent, Show(answer));
}

CheckOutcome CheckEachVerdict(CheckContext& context, std::string (*fault_in)(const v1::Verdict&)) {
  return CheckEachVerdict(context, Resize(context.sample, 8), "a group of 8", fault_in);
}

// What a verifier that reads numbers may take for one that isn't finite.
v1::VerifyRequest WithoutFiniteNumbers(const v1::VerifyRequest& sample) {
  v1::VerifyRequest request = Pick(sample, {0});
  for (const char* text : {"nan", "inf", "1e999"})
    *request.add_completions() = MakeTextCompletion(text);
  return request;
}

std::vector<int> Rotated(int count, int by) {
  std::vector<int> order(count);
  for (int i = 0; i < count; ++i) order[i] = (i + by) % count;
  return order;
}

// Orders that together betray every fixed rearrangement: all rotations, and a swap, which no
// rotation undoes.
std::vector<std::vector<int>> TellingOrders(int count) {
  std::vector<std::vector<int>> orders;
  for (int by = 1; by < count; ++by) orders.push_back(Rotated(count, by));
  orders.push_back(Rotated(count, 0));
  std::swap(orders.back()[0], orders.back()[1]);
  return orders;
}

bool AllAlike(const v1::VerifyResponse& response) {
  const auto& verdicts = response.verdicts();
  return std::all_of(verdicts.begin(), verdicts.end(), [&](const v1::Verdict& verdict) {
    return SameVerdict(verdict, verdicts.Get(0));
  });
}

// What is wrong with the token rewards of an answer, where they were asked for or not.
std::string FaultInTokenRewards(const v1::VerifyRequest& request,
                                const v1::VerifyResponse& response) {
  for (int i = 0; i < std::min(request.completions_size(), response.verdicts_size()); ++i) {
    const v1::Verdict& verdict = response.verdicts(i);
    if (verdict.kind() != v1::VERDICT_KIND_SCORED) continue;
    const int wanted = request.want_token_rewards() ? request.completions(i).tokens_size() : 0;
    if (verdict.token_rewards_size() != wanted) {
      return absl::StrCat("verdicts[", i, "] has ", verdict.token_rewards_size(),
                          " token_rewards where ", wanted, " belong");
    }
    for (const float reward : verdict.token_rewards()) {
      if (!std::isfinite(reward))
        return absl::StrCat("verdicts[", i, "].token_rewards holds ", reward);
    }
  }
  return "";
}

}  // namespace

CheckOutcome CheckAnswers(CheckContext& context) {
  const VerifyAnswer& answer = context.sample_answer;
  const std::string sent =
      absl::StrCat("the sample: ", context.own_example ? "your example" : "a built-in prompt",
                   " of the task \"", context.sample.prompt().task(), "\" with ",
                   context.sample.completions_size(), " completions");
  if (!answer.ok()) {
    std::string remedy = "answer OK with one verdict per completion";
    if (answer.code() == grpc::StatusCode::NOT_FOUND)
      remedy = "name a task that this verifier serves: --task NAME";
    if (answer.code() == grpc::StatusCode::INVALID_ARGUMENT && !context.own_example)
      remedy = "if it needs another prompt, e.g. with metadata, give one: --example FILE";
    return CheckOutcome::Failed(sent, Show(answer), remedy);
  }
  return CheckOutcome::Ok(sent, Show(answer));
}

CheckOutcome CheckCount(CheckContext& context) {
  std::vector<std::string> shown;
  for (int count : {1, 2, 64}) {
    const uint32_t most = context.description.response.max_completions();
    if (most != 0) count = std::min(count, static_cast<int>(std::min(most, 64U)));
    const v1::VerifyRequest request = Resize(context.sample, count);
    const VerifyAnswer answer = context.Verify(request);
    if (!IsComplete(request, answer)) {
      return CheckOutcome::Failed(
          absl::StrCat("a group of ", count), Show(answer),
          "answer one verdict per completion, for those too that can't be judged (ABSTAINED, "
          "TIMED_OUT, FAILED)");
    }
    shown.push_back(absl::StrCat(answer.response.verdicts_size()));
  }
  return CheckOutcome::Ok("groups of 1, 2 and 64, or as many as it takes",
                          absl::StrCat(absl::StrJoin(shown, ", "), " verdicts"));
}

CheckOutcome CheckOrder(CheckContext& context) {
  const int count = context.sample.completions_size();
  const VerifyAnswer first = context.Verify(context.sample);
  if (!IsComplete(context.sample, first))
    return CheckOutcome::Failed("the sample", Show(first), "answer it as before");
  if (AllAlike(first.response)) {
    return CheckOutcome::Skipped(absl::StrCat(
        "all completions of the sample got the same verdict (", Show(first.response.verdicts(0)),
        "), which shows no order; give completions of different worth: --example FILE"));
  }
  for (const std::vector<int>& order : TellingOrders(count)) {
    const v1::VerifyRequest request = Pick(context.sample, order);
    const VerifyAnswer answer = context.Verify(request);
    bool same = IsComplete(request, answer);
    for (int i = 0; same && i < count; ++i)
      same = SameVerdict(answer.response.verdicts(i), first.response.verdicts(order[i]));
    if (!same) {
      return CheckOutcome::Failed(
          absl::StrCat("the sample, and again with its completions in the order ",
                       absl::StrJoin(order, ", ")),
          absl::StrCat("first ", Show(first), "; then ", Show(answer)),
          "put the verdict of completions[i] at verdicts[i], whatever is finished first, and give "
          "the same completion the same verdict");
    }
  }
  return CheckOutcome::Ok(absl::StrCat("the sample in ", count + 1, " orders"), Show(first));
}

CheckOutcome CheckKinds(CheckContext& context) { return CheckEachVerdict(context, FaultInKind); }

CheckOutcome CheckNumbers(CheckContext& context) {
  CheckOutcome outcome = CheckEachVerdict(context, FaultInNumbers);
  const auto& verdicts = context.sample_answer.response.verdicts();
  const bool scored = std::any_of(verdicts.begin(), verdicts.end(), [](const auto& verdict) {
    return verdict.kind() == v1::VERDICT_KIND_SCORED;
  });
  if (outcome.state == CheckState::kOk && !scored) {
    return CheckOutcome::Skipped(
        absl::StrCat("nothing of the sample was scored (", Show(context.sample_answer),
                     "); give a prompt that this verifier scores: --example FILE"));
  }
  if (outcome.state != CheckState::kOk) return outcome;
  CheckOutcome odd =
      CheckEachVerdict(context, WithoutFiniteNumbers(context.sample),
                       "one of the sample, then \"nan\", \"inf\" and \"1e999\"", FaultInNumbers);
  if (odd.state != CheckState::kOk) return odd;
  return CheckOutcome::Ok(absl::StrCat(outcome.sent, "; ", odd.sent),
                          absl::StrCat(outcome.answered, "; ", odd.answered));
}

CheckOutcome CheckTokenRewards(CheckContext& context) {
  v1::VerifyRequest request = context.sample;
  const VerifyAnswer without = context.Verify(request);
  if (const std::string fault = FaultInTokenRewards(request, without.response); !fault.empty()) {
    return CheckOutcome::Failed("the sample without want_token_rewards",
                                absl::StrCat(Show(without), "; ", fault),
                                "set token_rewards only when the request wants them");
  }
  request.set_want_token_rewards(true);
  const VerifyAnswer with = context.Verify(request);
  const std::string sent = "the sample with want_token_rewards";
  const std::string remedy =
      context.description.response.token_rewards()
          ? "give one finite reward per token to each SCORED completion, or don't describe "
            "token_rewards"
          : "answer FAILED with a reason when token rewards are wanted, as Describe says that "
            "there "
            "are none";
  if (!IsComplete(request, with)) return CheckOutcome::Failed(sent, Show(with), remedy);
  const std::string fault = FaultInTokenRewards(request, with.response);
  if (!fault.empty())
    return CheckOutcome::Failed(sent, absl::StrCat(Show(with), "; ", fault), remedy);
  return CheckOutcome::Ok(sent, Show(with));
}

}  // namespace tpo
