// Sends each request to the verifier whose task pattern fits best, so that one object serves all
// tasks.
//
// A pattern is a task's name, or a prefix followed by '*'. An exact name wins over patterns, a
// longer prefix over a shorter one.
//
// Thread-safe once filled: add all verifiers before the first request.
#ifndef TPO_VERIFIER_REGISTRY_H_
#define TPO_VERIFIER_REGISTRY_H_

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "core/verifier_api.h"

namespace tpo {

class VerifierRegistry : public VerifierApi {
 public:
  // With the verifiers that are built in and need no settings: sequence, exact_match and math.
  static absl::StatusOr<std::unique_ptr<VerifierRegistry>> BuiltIn();

  // Gives the verifier the tasks that it describes. ALREADY_EXISTS: another one has such a pattern;
  // nothing is added then. INVALID_ARGUMENT: it names no task, or an empty one. Further errors are
  // Describe's.
  absl::Status Add(std::unique_ptr<VerifierApi> verifier);
  // Gives it these tasks instead, unless there are none.
  absl::Status Add(std::unique_ptr<VerifierApi> verifier, std::vector<std::string> tasks);

  // NOT_FOUND: no verifier takes this task; the message lists the patterns there are. Further
  // errors are the verifier's.
  absl::StatusOr<std::vector<Verdict>> Verify(const VerifyRequest& request) override;
  // Hands each verifier its requests together.
  std::vector<absl::StatusOr<std::vector<Verdict>>> VerifyAll(
      const std::vector<VerifyRequest>& requests) override;

  // All patterns; token_rewards when some verifier gives them; the least of their limits. A single
  // verifier is described as itself.
  absl::StatusOr<VerifierDescription> Describe() override;

  std::optional<VerifierIdentity> JudgeOf(const std::string& task) const override;

  // Closes all verifiers.
  void Close() override;

 private:
  struct Entry {
    std::unique_ptr<VerifierApi> verifier;
    VerifierIdentity identity;
  };

  // nullptr when no verifier takes the task.
  const Entry* FindOrNull(std::string_view task) const;
  absl::StatusOr<VerifierApi*> Find(std::string_view task) const;
  // Takes what one more verifier says about itself into description_.
  void Merge(const VerifierDescription& description);

  std::vector<std::unique_ptr<Entry>> entries_;
  std::map<std::string, const Entry*> by_pattern_;
  VerifierDescription description_{
      .verifier = "registry", .version = "1", .tasks = {}, .token_rewards = false};
};

}  // namespace tpo

#endif  // TPO_VERIFIER_REGISTRY_H_
