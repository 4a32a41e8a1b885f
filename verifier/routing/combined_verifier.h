// Several verifiers as one: all whose tasks match a prompt judge it, at the same time, and their
// verdicts are combined (combine.h).
#ifndef TPO_VERIFIER_ROUTING_COMBINED_VERIFIER_H_
#define TPO_VERIFIER_ROUTING_COMBINED_VERIFIER_H_

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "core/run_spec.h"
#include "core/verifier_api.h"
#include "verifier/routing/async_verifier.h"

namespace tpo {

// Thread-safe.
class CombinedVerifier : public VerifierApi {
 public:
  struct Member {
    std::string name;                // each its own
    std::vector<std::string> tasks;  // patterns (task_pattern.h), at least one
    VerifierRole role = VerifierRole::kScore;
    double weight = 1.0;
    bool token_rewards = false;  // whether it can give them
    std::unique_ptr<AsyncVerifier> verifier;
  };

  // INVALID_ARGUMENT: no member scores; or token rewards are wanted and two members that score
  // may get the same prompt, or one of them can't give them.
  static absl::StatusOr<std::unique_ptr<CombinedVerifier>> Make(std::vector<Member> members,
                                                                ScoreCombination combination,
                                                                bool want_token_rewards);

  // NOT_FOUND: no member that scores takes this task; the message lists the tasks. Further errors
  // are the members': a group that one of them refused is refused.
  absl::StatusOr<std::vector<Verdict>> Verify(const VerifyRequest& request) override;
  std::vector<absl::StatusOr<std::vector<Verdict>>> VerifyAll(
      const std::vector<VerifyRequest>& requests) override;

  // The tasks of all members that score.
  absl::StatusOr<VerifierDescription> Describe() override;

  // Closes all members.
  void Close() override;

 private:
  struct Judgement;

  CombinedVerifier(std::vector<Member> members, ScoreCombination combination)
      : members_(std::move(members)), combination_(combination) {}

  absl::StatusOr<std::vector<const Member*>> MembersFor(const std::string& task) const;
  absl::StatusOr<std::vector<Verdict>> Combined(const VerifyRequest& request,
                                                Judgement judgement) const;

  const std::vector<Member> members_;
  const ScoreCombination combination_;
};

}  // namespace tpo

#endif  // TPO_VERIFIER_ROUTING_COMBINED_VERIFIER_H_
