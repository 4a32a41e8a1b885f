// A verifier of one's own: scores an answer by the share of the reference's tokens that it has in
// the right place, and abstains where the prompt has no reference.
//
//   closeness_verifier --listen 127.0.0.1:50052
//   tpo train CONFIG          with the line: verifiers: [{address: "127.0.0.1:50052"}]
#include <algorithm>
#include <memory>
#include <optional>

#include "services/verifier_sdk/verifier_sdk.h"

namespace {

std::optional<double> Closeness(const tpo::Prompt& prompt, const tpo::Completion& completion) {
  const auto& wanted = prompt.reference_tokens;
  if (wanted.empty()) return std::nullopt;
  const size_t length = std::min(wanted.size(), completion.tokens.size());
  double right = 0.0;
  for (size_t t = 0; t < length; ++t) right += completion.tokens[t] == wanted[t] ? 1.0 : 0.0;
  return right / static_cast<double>(wanted.size());
}

}  // namespace

int main(int argc, char** argv) {
  tpo::VerifierDescription description;
  description.verifier = "closeness";
  description.version = "1";
  description.tasks = {"sequence/*"};
  return tpo::RunVerifier(argc, argv, tpo::MakeCompletionVerifier(description, Closeness));
}
