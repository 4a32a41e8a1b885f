#include "verifier/routing/combined_verifier.h"

#include <deque>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "core/status_macros.h"
#include "verifier/routing/combine.h"
#include "verifier/routing/count_down.h"
#include "verifier/routing/task_pattern.h"

namespace tpo {
namespace {

using Member = CombinedVerifier::Member;
using VerifyResult = absl::StatusOr<std::vector<Verdict>>;

bool MayGetTheSamePrompt(const Member& first, const Member& second) {
  for (const std::string& task : first.tasks) {
    for (const std::string& other : second.tasks) {
      if (Overlap(task, other)) return true;
    }
  }
  return false;
}

absl::Status CheckTokenRewards(const std::vector<const Member*>& scoring) {
  for (size_t i = 0; i < scoring.size(); ++i) {
    if (!scoring[i]->token_rewards) {
      return absl::InvalidArgumentError(
          absl::StrCat("verifier ", scoring[i]->name,
                       " gives no reward per token, which the run's objective needs"));
    }
    for (size_t k = 0; k < i; ++k) {
      if (!MayGetTheSamePrompt(*scoring[k], *scoring[i])) continue;
      return absl::InvalidArgumentError(
          absl::StrCat("verifiers ", scoring[k]->name, " and ", scoring[i]->name,
                       " would both score the same prompts, but the run's objective needs a reward "
                       "per token, which can come from one verifier only: give them different "
                       "tasks, or make one of them a gate"));
    }
  }
  return absl::OkStatus();
}

}  // namespace

// What the members said about one request.
struct CombinedVerifier::Judgement {
  std::vector<const Member*> members;
  std::vector<VerifyResult> results;  // one for each
};

absl::StatusOr<std::unique_ptr<CombinedVerifier>> CombinedVerifier::Make(
    std::vector<Member> members, ScoreCombination combination, bool want_token_rewards) {
  std::vector<const Member*> scoring;
  for (const Member& member : members) {
    if (member.role == VerifierRole::kScore) scoring.push_back(&member);
  }
  if (scoring.empty()) return absl::InvalidArgumentError("verifiers: all are gates, none scores");
  if (want_token_rewards) TPO_RETURN_IF_ERROR(CheckTokenRewards(scoring));
  return std::unique_ptr<CombinedVerifier>(new CombinedVerifier(std::move(members), combination));
}

absl::StatusOr<std::vector<Verdict>> CombinedVerifier::Verify(const VerifyRequest& request) {
  return std::move(VerifyAll({request}).front());
}

std::vector<VerifyResult> CombinedVerifier::VerifyAll(const std::vector<VerifyRequest>& requests) {
  std::vector<VerifyResult> combined(requests.size());
  std::vector<Judgement> judgements(requests.size());
  size_t calls = 0;
  for (size_t i = 0; i < requests.size(); ++i) {
    absl::StatusOr<std::vector<const Member*>> members = MembersFor(requests[i].prompt.task);
    if (!members.ok()) {
      combined[i] = members.status();
      continue;
    }
    judgements[i].members = *std::move(members);
    judgements[i].results.resize(judgements[i].members.size());
    calls += judgements[i].members.size();
  }
  CountDown left(calls);
  // Gates judge whole completions, whatever the run's objective needs.
  std::deque<VerifyRequest> for_gates;
  for (size_t i = 0; i < requests.size(); ++i) {
    for (size_t m = 0; m < judgements[i].members.size(); ++m) {
      const Member& member = *judgements[i].members[m];
      const VerifyRequest* request = &requests[i];
      if (member.role == VerifierRole::kGate && request->want_token_rewards) {
        for_gates.push_back(*request);
        for_gates.back().want_token_rewards = false;
        request = &for_gates.back();
      }
      member.verifier->VerifyAsync(
          *request, [&left, &result = judgements[i].results[m]](VerifyResult answer) {
            result = std::move(answer);
            left.Count();
          });
    }
  }
  left.Wait();
  for (size_t i = 0; i < requests.size(); ++i) {
    if (judgements[i].members.empty()) continue;
    combined[i] = Combined(requests[i], std::move(judgements[i]));
  }
  return combined;
}

VerifyResult CombinedVerifier::Combined(const VerifyRequest& request, Judgement judgement) const {
  std::vector<Opinion> opinions;
  for (size_t m = 0; m < judgement.members.size(); ++m) {
    const Member& member = *judgement.members[m];
    VerifyResult& result = judgement.results[m];
    if (!result.ok()) {
      return absl::Status(result.status().code(),
                          absl::StrCat("verifier ", member.name, ": ", result.status().message()));
    }
    opinions.push_back({.verifier = member.name,
                        .role = member.role,
                        .weight = member.weight,
                        .verdicts = *std::move(result)});
  }
  return Combine(combination_, opinions, request.completions.size());
}

absl::StatusOr<std::vector<const Member*>> CombinedVerifier::MembersFor(
    const std::string& task) const {
  std::vector<const Member*> matching;
  std::vector<std::string> tasks;
  bool scored = false;
  for (const Member& member : members_) {
    if (member.role == VerifierRole::kScore)
      tasks.insert(tasks.end(), member.tasks.begin(), member.tasks.end());
    if (!MatchesAnyTask(member.tasks, task)) continue;
    matching.push_back(&member);
    scored = scored || member.role == VerifierRole::kScore;
  }
  if (scored) return matching;
  return absl::NotFoundError(absl::StrCat("prompt.task: no verifier scores '", task,
                                          "'; there are verifiers for ",
                                          absl::StrJoin(tasks, ", ")));
}

absl::StatusOr<VerifierDescription> CombinedVerifier::Describe() {
  VerifierDescription description{
      .verifier = "combined", .version = "1", .tasks = {}, .token_rewards = true};
  for (const Member& member : members_) {
    if (member.role == VerifierRole::kGate) continue;
    description.tasks.insert(description.tasks.end(), member.tasks.begin(), member.tasks.end());
    description.token_rewards = description.token_rewards && member.token_rewards;
  }
  return description;
}

void CombinedVerifier::Close() {
  for (const Member& member : members_) member.verifier->Close();
}

}  // namespace tpo
