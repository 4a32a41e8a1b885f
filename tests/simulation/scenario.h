// What one seed stands for: the shape of a run, and how badly its surroundings behave.
#ifndef TPO_TESTS_SIMULATION_SCENARIO_H_
#define TPO_TESTS_SIMULATION_SCENARIO_H_

#include <cstdint>
#include <string>

#include "absl/time/time.h"
#include "core/lease_book.h"
#include "core/run_spec.h"

namespace tpo::simulation {

struct Scenario {
  uint64_t seed = 0;

  // The run.
  LeaseBook::Options leases;
  SamplingSpec sampling;
  int vocab_size = 0;
  int64_t checkpoint_every = 0;  // steps; 0: at the end only
  int checkpoints_kept = 1;
  bool background_checkpoints = false;  // the next step begins while one is being written
  bool swap_in_flight = false;          // workers take up new weights within a lease
  int weight_floats = 0;                // of the policy
  uint64_t frame_bytes = 0;             // of the weight stream

  // The workers.
  int workers = 0;
  int leases_per_worker = 0;
  bool stubborn_workers = false;  // submit what they have to a learner that has come back
  absl::Duration longest_sampling;
  absl::Duration longest_verification;
  absl::Duration longest_training;

  // Verifiers: of 1000 completions, so many have no score whoever asks ...
  int unscored_per_mille = 0;
  // ... and groups fail as a whole with this probability. With 0 the run's data are determined by
  // its seed when S = 0.
  double verifier_failure = 0.0;

  // Faults stop after this time.
  absl::Duration fault_time;
  double loss = 0.0;       // of a message
  double duplicate = 0.0;  // of a message
  double reorder = 0.0;    // a message is late by up to ten times the latency
  double lie = 0.0;        // a worker submits a malformed group
  double source_failure = 0.0;
  double slow_subscriber = 0.0;
  double corrupt_frame = 0.0;
  absl::Duration latency;
  // Mean times between two of a kind; infinite: none.
  absl::Duration between_worker_kills;
  absl::Duration between_worker_exits;
  absl::Duration between_worker_stalls;
  absl::Duration between_partitions;
  absl::Duration between_learner_kills;
  absl::Duration between_learner_drains;
  absl::Duration between_learner_stalls;
  double checkpoint_crash = 0.0;     // the learner dies in the middle of writing one
  double checkpoint_error = 0.0;     // the disk is full
  double power_failure = 0.0;        // when the learner dies, what wasn't synced is lost
  double wall_clock_set_back = 0.0;  // before the learner starts

  // The time within which a run without further faults has to finish.
  absl::Duration patience() const;
  // Whether the weights at the end follow from the seed alone. With exact staleness a restart
  // changes them: what waited to be trained on is sampled again, with newer weights.
  bool determined(bool restarted) const {
    const bool exact = leases.max_staleness == 0 || (leases.exact_staleness && !restarted);
    return exact && verifier_failure == 0.0;
  }
  std::string Describe() const;
};

Scenario MakeScenario(uint64_t seed);

}  // namespace tpo::simulation

#endif  // TPO_TESTS_SIMULATION_SCENARIO_H_
