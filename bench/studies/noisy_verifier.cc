// The built-in sequence verifier with noise on its scores: what a grader adds that never says the
// same twice. For bench/studies/variants_study.py.
//
//   noisy_verifier --listen 127.0.0.1:0 --noise 0.001
//
// The noise is uniform in [0, noise), a pure function of the prompt and the completion's place in
// its group: it has nothing to do with what the completion says.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "core/counter_random.h"
#include "core/status_macros.h"
#include "services/verifier_sdk/verifier_sdk.h"
#include "verifier/sequence_verifier.h"

namespace tpo {
namespace {

class NoisyVerifier : public VerifierApi {
 public:
  explicit NoisyVerifier(double noise) : noise_(noise) {}

  absl::StatusOr<std::vector<Verdict>> Verify(const VerifyRequest& request) override {
    TPO_ASSIGN_OR_RETURN(std::vector<Verdict> verdicts, verifier_.Verify(request));
    for (size_t i = 0; i < verdicts.size(); ++i) {
      verdicts[i].score += noise_ * UniformAt(kSeed, RandomStream::kEvaluation, request.prompt.id,
                                              static_cast<uint32_t>(i), 0);
    }
    return verdicts;
  }

  absl::StatusOr<VerifierDescription> Describe() override { return verifier_.Describe(); }

 private:
  static constexpr uint64_t kSeed = 1;
  const double noise_;
  SequenceVerifier verifier_;
};

int Serve(int argc, char** argv) {
  CLI::App app("The verifier of the sequence tasks with noise on its scores");
  VerifierServerOptions options;
  double noise = 0.0;
  app.add_option("--listen", options.listen, "HOST:PORT")->capture_default_str();
  app.add_option("--noise", noise, "added to a score at most")->capture_default_str();
  CLI11_PARSE(app, argc, argv);
  const absl::Status status = ServeVerifier(options, std::make_unique<NoisyVerifier>(noise));
  if (!status.ok()) std::fprintf(stderr, "noisy_verifier: %s\n", status.ToString().c_str());
  return status.ok() ? 0 : 1;
}

}  // namespace
}  // namespace tpo

int main(int argc, char** argv) { return tpo::Serve(argc, argv); }
