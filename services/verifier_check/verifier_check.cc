#include "services/verifier_check/verifier_check.h"

#include <algorithm>
#include <utility>

#include "absl/random/random.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "core/status_macros.h"
#include "services/config/did_you_mean.h"
#include "services/verifier_check/check.h"

namespace tpo {
namespace {

// Completions that the checks count on.
constexpr int kLeastCompletions = 4;
// How long a verifier gets to prove after a fault that it still answers.
constexpr absl::Duration kLongestProbe = absl::Seconds(5);

VerifierCheckInfo Info(const Check& check) {
  return {check.name, check.demands, check.contract, check.source};
}

absl::StatusOr<std::vector<Check>> Select(const std::vector<std::string>& only) {
  const std::vector<Check>& all = CheckTable();
  if (only.empty()) return all;
  std::vector<std::string> names;
  for (const Check& check : all) names.push_back(check.name);
  for (const std::string& name : only) {
    if (std::find(names.begin(), names.end(), name) == names.end()) {
      return absl::InvalidArgumentError(
          absl::StrCat("--only ", name, ": there is no such check", DidYouMean(name, names),
                       "; repeat --only for several, --list names them"));
    }
  }
  std::vector<Check> selected;
  for (const Check& check : all) {
    if (std::find(only.begin(), only.end(), check.name) != only.end()) selected.push_back(check);
  }
  return selected;
}

absl::StatusOr<v1::VerifyRequest> MakeSample(const VerifierCheckOptions& options,
                                             const v1::DescribeResponse& description) {
  if (!options.example_json.empty()) {
    absl::StatusOr<v1::VerifyRequest> sample = SampleFromJson(options.example_json);
    if (!sample.ok()) {
      return absl::InvalidArgumentError(
          absl::StrCat("--example: ", std::string(sample.status().message())));
    }
    if (!options.task.empty()) sample->mutable_prompt()->set_task(options.task);
    return Resize(*sample, std::max(kLeastCompletions, sample->completions_size()));
  }
  if (!options.task.empty()) return BuiltInSample(options.task);
  return BuiltInSample(description.tasks().empty() ? std::string("verifier-check")
                                                   : TaskThatMatches(description.tasks(0)));
}

// Runs checks one after the other, and stops asking a verifier that has fallen silent.
class Runner {
 public:
  explicit Runner(CheckContext* context)
      : context_(context), run_(absl::Uniform<uint64_t>(absl::BitGen())) {}

  VerifierCheckResult Run(const Check& check) {
    context_->key_prefix = absl::StrCat("verifier-check/", absl::Hex(run_), "/", check.name);
    const absl::Time start = absl::Now();
    CheckOutcome outcome = Outcome(check);
    const absl::Duration duration = absl::Now() - start;
    if (outcome.state == CheckState::kFailed && silent_since_.empty()) LookForLife(check.name);
    return {Info(check),
            outcome.state,
            std::move(outcome.sent),
            std::move(outcome.answered),
            std::move(outcome.remedy),
            duration};
  }

 private:
  CheckOutcome Outcome(const Check& check) {
    if (!silent_since_.empty()) {
      return CheckOutcome::Skipped(
          absl::StrCat("the verifier no longer answers since the check \"", silent_since_, "\""));
    }
    if (check.needs_answer && !context_->sample_answer.ok())
      return CheckOutcome::Skipped("the sample wasn't answered (check \"answers\")");
    return check.run(*context_);
  }

  void LookForLife(const char* after) {
    if (!context_->sample_answer.ok()) return;
    const VerifyAnswer probe = context_->client->VerifyPatiently(
        context_->Fresh(context_->sample), std::min(kLongestProbe, context_->client->timeout()));
    if (probe.code() == grpc::StatusCode::DEADLINE_EXCEEDED ||
        probe.code() == grpc::StatusCode::UNAVAILABLE) {
      silent_since_ = after;
    }
  }

  CheckContext* const context_;
  const uint64_t run_;
  std::string silent_since_;
};

}  // namespace

int VerifierCheckReport::Count(CheckState state) const {
  return static_cast<int>(
      std::count_if(results.begin(), results.end(),
                    [state](const VerifierCheckResult& result) { return result.state == state; }));
}

std::vector<VerifierCheckInfo> VerifierChecks() {
  std::vector<VerifierCheckInfo> infos;
  for (const Check& check : CheckTable()) infos.push_back(Info(check));
  return infos;
}

absl::StatusOr<VerifierCheckReport> CheckVerifier(std::shared_ptr<grpc::Channel> channel,
                                                  const VerifierCheckOptions& options) {
  TPO_ASSIGN_OR_RETURN(const std::vector<Check> checks, Select(options.only));
  CheckClient client(std::move(channel), options.timeout);
  CheckContext context;
  context.client = &client;
  context.latency_slack = options.latency_slack;
  context.own_example = !options.example_json.empty();
  context.description = client.Describe();
  TPO_ASSIGN_OR_RETURN(context.sample, MakeSample(options, context.description.response));
  Runner runner(&context);
  context.key_prefix = "verifier-check/sample";
  context.sample_answer = context.Verify(context.sample);

  VerifierCheckReport report;
  report.verifier = context.description.response.verifier();
  report.version = context.description.response.verifier_version();
  report.task = context.sample.prompt().task();
  for (const Check& check : checks) report.results.push_back(runner.Run(check));
  return report;
}

}  // namespace tpo
