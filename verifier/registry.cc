#include "verifier/registry.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "core/status_macros.h"
#include "verifier/exact_match_verifier.h"
#include "verifier/math/math_verifier.h"
#include "verifier/sequence_verifier.h"

namespace tpo {

absl::StatusOr<std::unique_ptr<VerifierRegistry>> VerifierRegistry::BuiltIn() {
  auto registry = std::make_unique<VerifierRegistry>();
  TPO_RETURN_IF_ERROR(registry->Add(std::make_unique<SequenceVerifier>()));
  TPO_RETURN_IF_ERROR(registry->Add(std::make_unique<ExactMatchVerifier>()));
  TPO_RETURN_IF_ERROR(registry->Add(std::make_unique<MathVerifier>()));
  return registry;
}

absl::Status VerifierRegistry::Add(std::unique_ptr<VerifierApi> verifier) {
  return Add(std::move(verifier), {});
}

absl::Status VerifierRegistry::Add(std::unique_ptr<VerifierApi> verifier,
                                   std::vector<std::string> tasks) {
  TPO_ASSIGN_OR_RETURN(VerifierDescription description, verifier->Describe());
  if (!tasks.empty()) description.tasks = std::move(tasks);
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
  auto entry = std::make_unique<Entry>();
  entry->verifier = std::move(verifier);
  entry->identity = {.verifier = description.verifier, .version = description.version};
  for (const std::string& pattern : description.tasks) {
    by_pattern_[pattern] = entry.get();
    description_.tasks.push_back(pattern);
  }
  Merge(description);
  entries_.push_back(std::move(entry));
  return absl::OkStatus();
}

void VerifierRegistry::Merge(const VerifierDescription& description) {
  const bool first = entries_.empty();
  description_.verifier = first ? description.verifier : "registry";
  description_.version = first ? description.version : "1";
  description_.token_rewards = description_.token_rewards || description.token_rewards;
  description_.max_completions =
      LesserLimit(description_.max_completions, description.max_completions);
  description_.max_request_bytes =
      LesserLimit(description_.max_request_bytes, description.max_request_bytes);
  description_.typical_latency =
      std::max(description_.typical_latency, description.typical_latency);
}

const VerifierRegistry::Entry* VerifierRegistry::FindOrNull(std::string_view task) const {
  std::string key(task);
  const auto exact = by_pattern_.find(key);
  if (exact != by_pattern_.end()) return exact->second;
  while (true) {
    key.push_back('*');
    const auto prefix = by_pattern_.find(key);
    if (prefix != by_pattern_.end()) return prefix->second;
    key.pop_back();
    if (key.empty()) return nullptr;
    key.pop_back();
  }
}

absl::StatusOr<VerifierApi*> VerifierRegistry::Find(std::string_view task) const {
  if (const Entry* entry = FindOrNull(task)) return entry->verifier.get();
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

std::optional<VerifierIdentity> VerifierRegistry::JudgeOf(const std::string& task) const {
  const Entry* entry = FindOrNull(task);
  return entry == nullptr ? std::nullopt : std::make_optional(entry->identity);
}

void VerifierRegistry::Close() {
  for (const auto& entry : entries_) entry->verifier->Close();
}

}  // namespace tpo
