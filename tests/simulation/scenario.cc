#include "tests/simulation/scenario.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "tests/simulation/random.h"

namespace tpo::simulation {
namespace {

// A fault that half of the scenarios have, with a probability up to `most`.
double Sometimes(Random& random, double most) {
  const bool has = random.Chance(0.5);
  const double value = random.Uniform() * most;
  return has ? value : 0.0;
}

absl::Duration SometimesEvery(Random& random, absl::Duration shortest, absl::Duration longest) {
  const bool has = random.Chance(0.5);
  const absl::Duration value = random.Between(shortest, longest);
  return has ? value : absl::InfiniteDuration();
}

void ShapeRun(Random& random, Scenario& scenario) {
  LeaseBook::Options& leases = scenario.leases;
  leases.prompts_per_step = static_cast<int>(random.Int(1, 6));
  leases.prompts_per_lease = static_cast<int>(random.Int(1, leases.prompts_per_step + 1));
  leases.steps = random.Int(2, 7);
  leases.max_staleness = random.Chance(0.35) ? 0 : static_cast<int>(random.Int(1, 8));
  leases.exact_staleness = leases.max_staleness > 0 && random.Chance(0.2);
  leases.lease_time_to_live = random.Between(absl::Seconds(2), absl::Seconds(30));
  SamplingSpec& sampling = scenario.sampling;
  sampling.completions_per_prompt = static_cast<int>(random.Int(1, 3));
  sampling.max_tokens = static_cast<int>(random.Int(1, 3));
  sampling.temperature = 1.0F;
  leases.min_scored_completions = static_cast<int>(random.Int(1, sampling.completions_per_prompt));
  scenario.vocab_size = static_cast<int>(random.Int(2, 5));
  scenario.checkpoint_every = random.Int(0, 3);
  scenario.checkpoints_kept = static_cast<int>(random.Int(1, 3));
  scenario.background_checkpoints = random.Chance(0.5);
  scenario.swap_in_flight = random.Chance(0.5);
  scenario.weight_floats = static_cast<int>(random.Int(2, 48));
  scenario.frame_bytes = static_cast<uint64_t>(random.Int(16, 128));
}

void ShapeWorkers(Random& random, Scenario& scenario) {
  scenario.workers = static_cast<int>(random.Int(1, 4));
  scenario.leases_per_worker = static_cast<int>(random.Int(1, 2));
  scenario.stubborn_workers = random.Chance(0.3);
  scenario.longest_sampling = random.Between(absl::Milliseconds(50), absl::Seconds(3));
  scenario.longest_verification = random.Between(absl::Milliseconds(50), absl::Seconds(3));
  scenario.longest_training = random.Between(absl::Milliseconds(50), absl::Seconds(3));
  scenario.unscored_per_mille = random.Chance(0.5) ? static_cast<int>(random.Int(0, 300)) : 0;
  scenario.verifier_failure = random.Chance(0.3) ? random.Uniform() * 0.2 : 0.0;
}

void ShapeFaults(Random& random, Scenario& scenario) {
  scenario.latency = random.Between(absl::Milliseconds(1), absl::Milliseconds(300));
  scenario.fault_time = random.Between(absl::Seconds(10), absl::Seconds(60));
  // One in ten goes through with nothing but delays.
  if (random.Chance(0.1)) scenario.fault_time = absl::ZeroDuration();
  scenario.loss = Sometimes(random, 0.3);
  scenario.duplicate = Sometimes(random, 0.3);
  scenario.reorder = Sometimes(random, 0.3);
  scenario.lie = Sometimes(random, 0.1);
  scenario.source_failure = Sometimes(random, 0.05);
  scenario.slow_subscriber = Sometimes(random, 0.3);
  scenario.corrupt_frame = Sometimes(random, 0.02);
  scenario.between_worker_kills = SometimesEvery(random, absl::Seconds(3), absl::Seconds(30));
  scenario.between_worker_exits = SometimesEvery(random, absl::Seconds(3), absl::Seconds(30));
  scenario.between_worker_stalls = SometimesEvery(random, absl::Seconds(3), absl::Seconds(30));
  scenario.between_partitions = SometimesEvery(random, absl::Seconds(3), absl::Seconds(30));
  scenario.between_learner_kills = SometimesEvery(random, absl::Seconds(4), absl::Seconds(30));
  scenario.between_learner_drains = SometimesEvery(random, absl::Seconds(10), absl::Seconds(60));
  scenario.between_learner_stalls = SometimesEvery(random, absl::Seconds(5), absl::Seconds(40));
  scenario.checkpoint_crash = Sometimes(random, 0.5);
  scenario.checkpoint_error = Sometimes(random, 0.6);
  scenario.power_failure = Sometimes(random, 1.0);
  scenario.wall_clock_set_back = Sometimes(random, 1.0);
}

}  // namespace

Scenario MakeScenario(uint64_t seed) {
  Random random(seed);
  Scenario scenario;
  scenario.seed = seed;
  ShapeRun(random, scenario);
  ShapeWorkers(random, scenario);
  ShapeFaults(random, scenario);
  return scenario;
}

absl::Duration Scenario::patience() const {
  // Far more than it takes: what is looked for is a run that stands still.
  const absl::Duration lease =
      longest_sampling + longest_verification + 100 * latency + absl::Seconds(10);
  const int64_t prompts = leases.steps * leases.prompts_per_step;
  return 3 * leases.lease_time_to_live + leases.steps * (longest_training + absl::Seconds(5)) +
         4 * prompts * lease;
}

std::string Scenario::Describe() const {
  return absl::StrCat("seed ", seed, ": ", leases.steps, " steps of ", leases.prompts_per_step,
                      " prompts, leases of ", leases.prompts_per_lease, " for ",
                      absl::FormatDuration(leases.lease_time_to_live),
                      ", S = ", leases.max_staleness, ", ", workers, " workers with ",
                      leases_per_worker, " leases, checkpoint every ", checkpoint_every,
                      background_checkpoints ? " in the background" : "", ", faults until ",
                      absl::FormatDuration(fault_time), determined(false) ? ", determined" : "");
}

}  // namespace tpo::simulation
