#include "verifier/registry.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "core/status_macros.h"
#include "verifier/sequence_verifier.h"

namespace tpo {

absl::StatusOr<std::unique_ptr<VerifierRegistry>> VerifierRegistry::BuiltIn() {
  auto registry = std::make_unique<VerifierRegistry>();
  TPO_RETURN_IF_ERROR(registry->Add(std::make_unique<SequenceVerifier>()));
  return registry;
}

absl::Status VerifierRegistry::Add(std::unique_ptr<VerifierApi> verifier) {
  TPO_ASSIGN_OR_RETURN(const VerifierDescription description, verifier->Describe());
  if (description.tasks.empty()) {
    return absl::InvalidArgumentError(
        absl::StrCat("verifier '", description.verifier, "' names no task"));
  }
  for (const std::string& pattern : description.tasks) {
    if (pattern.empty()) {
      return absl::InvalidArgumentError(
          absl::StrCat("verifier '", description.verifier, "' names an empty task"));
    }
    if (by_pattern_.count(pattern) > 0) {
      return absl::AlreadyExistsError(absl::StrCat("verifier '", description.verifier,
                                                   "' names the task '", pattern,
                                                   "', which another verifier has"));
    }
  }
  for (const std::string& pattern : description.tasks) {
    by_pattern_[pattern] = verifier.get();
    description_.tasks.push_back(pattern);
  }
  description_.token_rewards = description_.token_rewards && description.token_rewards;
  verifiers_.push_back(std::move(verifier));
  return absl::OkStatus();
}

absl::StatusOr<VerifierApi*> VerifierRegistry::Find(std::string_view task) const {
  const auto exact = by_pattern_.find(std::string(task));
  if (exact != by_pattern_.end()) return exact->second;
  for (size_t length = task.size() + 1; length-- > 0;) {
    const auto prefix = by_pattern_.find(std::string(task.substr(0, length)) + "*");
    if (prefix != by_pattern_.end()) return prefix->second;
  }
  return absl::NotFoundError(absl::StrCat("prompt.task: no verifier takes '", std::string(task),
                                          "'; there are verifiers for ",
                                          absl::StrJoin(description_.tasks, ", ")));
}

absl::StatusOr<std::vector<Verdict>> VerifierRegistry::Verify(const VerifyRequest& request) {
  TPO_ASSIGN_OR_RETURN(VerifierApi* const verifier, Find(request.prompt.task));
  return verifier->Verify(request);
}

std::vector<absl::StatusOr<std::vector<Verdict>>> VerifierRegistry::VerifyAll(
    const std::vector<VerifyRequest>& requests) {
  std::vector<absl::StatusOr<std::vector<Verdict>>> results(requests.size());
  std::map<VerifierApi*, std::vector<size_t>> shares;
  for (size_t i = 0; i < requests.size(); ++i) {
    const absl::StatusOr<VerifierApi*> verifier = Find(requests[i].prompt.task);
    if (verifier.ok()) {
      shares[*verifier].push_back(i);
    } else {
      results[i] = verifier.status();
    }
  }
  for (const auto& [verifier, indices] : shares) {
    if (indices.size() == requests.size()) return verifier->VerifyAll(requests);
    std::vector<VerifyRequest> share;
    for (const size_t i : indices) share.push_back(requests[i]);
    std::vector<absl::StatusOr<std::vector<Verdict>>> answers = verifier->VerifyAll(share);
    for (size_t k = 0; k < indices.size(); ++k) results[indices[k]] = std::move(answers[k]);
  }
  return results;
}

absl::StatusOr<VerifierDescription> VerifierRegistry::Describe() { return description_; }

void VerifierRegistry::Close() {
  for (const auto& verifier : verifiers_) verifier->Close();
}

}  // namespace tpo
