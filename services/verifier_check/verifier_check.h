// The conformance kit: asks a running VerifierService everything that proto/tpo/v1/verifier.proto
// demands, and says what it does otherwise, with the sentence of the contract and how to mend it.
//
// Each check is a small function in one table (check_table.cc). It knows the server by its answers
// only, so a server in any language can be checked. Runs on the caller's thread and blocks; several
// reports may be made at a time. No LibTorch.
#ifndef TPO_SERVICES_VERIFIER_CHECK_VERIFIER_CHECK_H_
#define TPO_SERVICES_VERIFIER_CHECK_VERIFIER_CHECK_H_

#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace grpc {
class Channel;
}  // namespace grpc

namespace tpo {

struct VerifierCheckOptions {
  // Task to ask for; empty: the example's, else the first that the verifier describes.
  std::string task;
  // A VerifyRequest as protobuf JSON: a prompt that this verifier understands, and completions of
  // different worth. Empty: a built-in one that fits the task's name.
  std::string example_json;
  // Names of the checks to run; empty: all.
  std::vector<std::string> only;
  // Of one call.
  absl::Duration timeout = absl::Seconds(30);
  // How much longer than usual a call may take after many others were cancelled.
  absl::Duration latency_slack = absl::Seconds(1);
};

// What a check demands.
struct VerifierCheckInfo {
  std::string name;      // e.g. "order"
  std::string demands;   // in one sentence
  std::string contract;  // the sentence of the contract, word for word
  std::string source;    // where it stands, e.g. "verifier.proto, VerifyResponse.verdicts"
};

enum class CheckState { kOk, kFailed, kSkipped };

struct VerifierCheckResult {
  VerifierCheckInfo check;
  CheckState state = CheckState::kOk;
  std::string sent;      // what was asked
  std::string answered;  // what came back; kSkipped: why it wasn't asked
  std::string remedy;    // kFailed: how to mend it
  absl::Duration duration;
};

struct VerifierCheckReport {
  std::string verifier;  // as it describes itself; empty when it doesn't
  std::string version;
  std::string task;  // that was asked for
  std::vector<VerifierCheckResult> results;

  int Count(CheckState state) const;
};

// All checks, in the order in which they run.
std::vector<VerifierCheckInfo> VerifierChecks();

// Runs the checks. INVALID_ARGUMENT: `only` names no check, or the example isn't a VerifyRequest;
// the message says what is wrong. Whatever the server does is in the report.
//
// `channel` should neither retry calls nor limit the size of messages (check_channel.h makes one):
// what it hides is not seen.
absl::StatusOr<VerifierCheckReport> CheckVerifier(std::shared_ptr<grpc::Channel> channel,
                                                  const VerifierCheckOptions& options);

// The report for people, and as one JSON object in one line.
std::string ToText(const VerifierCheckReport& report, const std::string& address);
std::string ToJson(const VerifierCheckReport& report, const std::string& address);

}  // namespace tpo

#endif  // TPO_SERVICES_VERIFIER_CHECK_VERIFIER_CHECK_H_
