// What a rollout worker asks of its verifiers, without the sampling: loops that have a lease of
// groups judged, again and again, through the very pools that a worker uses. Prints one JSON
// object.
//
//   lease_load --addresses HOST:PORT,… --loops 2 --groups 25 --sample_ms 0 --seconds 10
//
// --sample_ms: pause before each lease, in place of sampling it. --plain: one attempt, no hedge, no
// breaker. A group counts when all of its completions have a score.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <atomic>
#include <cstdio>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_split.h"
#include "absl/time/clock.h"
#include "core/clock.h"
#include "core/sequence_task.h"
#include "services/grpc/verifier_pools.h"

namespace tpo {
namespace {

struct Load {
  std::string addresses;
  int loops = 2;
  int groups = 25;
  double sample_ms = 0.0;
  double seconds = 10.0;
  bool plain = false;
};

// The defaults of the config, or none of it.
VerificationSpec Rules(bool plain) {
  if (plain) return {};
  return {.combination = ScoreCombination::kWeightedSum,
          .max_attempts = 4,
          .attempt_time = absl::ZeroDuration(),
          .max_in_flight = 64,
          .first_pause = absl::Milliseconds(5),
          .longest_pause = absl::Seconds(1),
          .hedge_quantile = 0.95,
          .max_hedge_fraction = 0.05,
          .breaker_failures = 5,
          .breaker_failure_ratio = 0.5,
          .breaker_open_time = absl::Seconds(1)};
}

std::vector<VerifyRequest> MakeLease(int groups) {
  SequencePromptSource source({.target = SequenceTarget::kReverseCopy,
                               .reward = SequenceReward::kTerminal,
                               .vocab_size = 2,
                               .length = 7},
                              /*seed=*/1);
  std::vector<VerifyRequest> requests(static_cast<size_t>(groups));
  for (size_t g = 0; g < requests.size(); ++g) {
    requests[g].prompt = *source.At(g);
    for (int k = 0; k < 8; ++k) {
      Completion completion;
      completion.tokens = requests[g].prompt.reference_tokens;
      completion.behavior_log_probs.assign(completion.tokens.size(), -0.5F);
      completion.finish_reason = FinishReason::kLength;
      completion.weight_versions = {{.weight_version = 0, .first_token = 0}};
      requests[g].completions.push_back(std::move(completion));
    }
  }
  return requests;
}

int Run(const Load& load) {
  RunInfo run;
  const std::vector<std::string> addresses = absl::StrSplit(load.addresses, ',');
  run.verifiers.push_back({.address = addresses.front(), .deadline = absl::Seconds(30)});
  run.verifiers.back().further_addresses.assign(addresses.begin() + 1, addresses.end());
  run.verification = Rules(load.plain);
  PoolMonitor monitor;
  const auto verifier = MakeVerifierPools(run, /*allow_remote_plaintext=*/false, &monitor);
  if (!verifier.ok()) {
    std::fprintf(stderr, "%s\n", verifier.status().ToString().c_str());
    return 1;
  }
  const absl::Duration begin = Clock::Monotonic().Now();
  const absl::Duration end = begin + absl::Seconds(load.seconds);
  std::atomic<int64_t> scored = 0;
  std::atomic<int64_t> unscored = 0;
  std::vector<std::thread> loops;
  for (int i = 0; i < load.loops; ++i) {
    loops.emplace_back([&] {
      const std::vector<VerifyRequest> lease = MakeLease(load.groups);
      while (Clock::Monotonic().Now() < end) {
        absl::SleepFor(absl::Milliseconds(load.sample_ms));
        for (const auto& result : (*verifier)->VerifyAll(lease)) {
          const bool whole =
              result.ok() &&
              std::all_of(result->begin(), result->end(), [](const Verdict& verdict) {
                return verdict.kind == VerdictKind::kScored;
              });
          ++(whole ? scored : unscored);
        }
      }
    });
  }
  for (std::thread& loop : loops) loop.join();
  const double seconds = absl::ToDoubleSeconds(Clock::Monotonic().Now() - begin);
  uint64_t hedges = 0;
  uint64_t won = 0;
  uint64_t retries = 0;
  for (const PoolCounts& pool : monitor.Read()) {
    for (const ReplicaCounts& replica : pool.replicas) {
      hedges += replica.hedges;
      won += replica.hedges_won;
      retries += replica.retries;
    }
  }
  std::printf(
      "{\"groups_per_second\": %.2f, \"scored\": %lld, \"unscored\": %lld, \"hedges\": %llu, "
      "\"hedges_won\": %llu, \"retries\": %llu}\n",
      static_cast<double>(scored) / seconds, static_cast<long long>(scored),
      static_cast<long long>(unscored), static_cast<unsigned long long>(hedges),
      static_cast<unsigned long long>(won), static_cast<unsigned long long>(retries));
  return 0;
}

}  // namespace
}  // namespace tpo

int main(int argc, char** argv) {
  CLI::App app("Asks verifiers as a rollout worker does");
  tpo::Load load;
  app.add_option("--addresses", load.addresses)->required();
  app.add_option("--loops", load.loops);
  app.add_option("--groups", load.groups);
  app.add_option("--sample_ms", load.sample_ms);
  app.add_option("--seconds", load.seconds);
  app.add_flag("--plain", load.plain);
  CLI11_PARSE(app, argc, argv);
  return tpo::Run(load);
}
