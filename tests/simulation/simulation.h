// One simulated run: everything but sockets, tensors and threads, from one seed.
#ifndef TPO_TESTS_SIMULATION_SIMULATION_H_
#define TPO_TESTS_SIMULATION_SIMULATION_H_

#include <cstdint>
#include <string>
#include <vector>

#include "tests/simulation/auditor.h"

namespace tpo::simulation {

struct Result {
  std::string failure;  // the rule that was broken; empty: none
  uint64_t events = 0;
  Sightings sightings;
  std::vector<std::string> trace;  // when it was asked for
};

// Runs until all steps are done, or a rule is broken. The same for the same seed.
Result Simulate(uint64_t seed, bool trace);

}  // namespace tpo::simulation

#endif  // TPO_TESTS_SIMULATION_SIMULATION_H_
