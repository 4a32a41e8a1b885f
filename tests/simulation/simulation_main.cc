// Runs simulated training runs, one for each seed, and stops at the first rule that is broken.
//
//   tpo-simulation --seeds 10000            seeds 0 to 9999
//   tpo-simulation --first 10000 --seeds 5  seeds 10000 to 10004
//   tpo-simulation --seed 4711              this one, with everything that happens in it
//
// Exit status: 0 all well; 1 a rule was broken; 2 the arguments are no good.
#include <algorithm>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <string>

#include "tests/simulation/simulation.h"

namespace tpo::simulation {
namespace {

// What the seeds have to reach together: a simulation in which none of it happens shows nothing.
constexpr const char* kWanted[] = {"accepted",
                                   "checkpoints",
                                   "checkpoints that failed",
                                   "altered groups refused",
                                   "clock jumps",
                                   "completions of two versions",
                                   "corrupt frames",
                                   "crashes in a checkpoint",
                                   "deaths of the learner",
                                   "deaths of workers",
                                   "determined runs",
                                   "drains",
                                   "dropped stale",
                                   "dropped unverified",
                                   "duplicates",
                                   "exactly stale groups",
                                   "given back at once",
                                   "invalid",
                                   "lease expired",
                                   "lease of a former life",
                                   "partitions",
                                   "repeats",
                                   "restores",
                                   "stale groups trained on",
                                   "stalls of the learner",
                                   "stalls of workers",
                                   "steps",
                                   "streams that broke",
                                   "weights received",
                                   "workers that left"};
// With as many seeds each of them happens for certain.
constexpr uint64_t kSeedsForAll = 1000;
constexpr size_t kShownLines = 400;

volatile uint64_t current_seed = 0;

// An assertion of the code under test failed.
void OnAbort(int /*signal*/) {
  std::fprintf(stderr, "aborted; replay with: tpo-simulation --seed %llu\n",
               static_cast<unsigned long long>(current_seed));
  std::_Exit(1);
}

int Replay(uint64_t seed, size_t lines) {
  current_seed = seed;
  const Result result = Simulate(seed, /*trace=*/true);
  const size_t count = result.trace.size();
  const size_t first = count > lines ? count - lines : 0;
  std::printf("%s\n", result.trace.front().c_str());
  if (first > 0) std::printf("… %zu lines; all of them: tpo-simulation --seed N\n", first);
  for (size_t i = std::max<size_t>(first, 1); i < count; ++i) {
    std::printf("%s\n", result.trace[i].c_str());
  }
  if (result.failure.empty()) return 0;
  std::printf("seed %llu breaks a rule: %s\nreplay with: tpo-simulation --seed %llu\n",
              static_cast<unsigned long long>(seed), result.failure.c_str(),
              static_cast<unsigned long long>(seed));
  return 1;
}

int RunAll(uint64_t first, uint64_t seeds) {
  Sightings total;
  uint64_t events = 0;
  for (uint64_t seed = first; seed < first + seeds; ++seed) {
    current_seed = seed;
    const Result result = Simulate(seed, /*trace=*/false);
    if (!result.failure.empty()) return Replay(seed, kShownLines);
    events += result.events;
    for (const auto& [what, times] : result.sightings) total[what] += times;
  }
  std::printf("%llu seeds from %llu, %llu events\n", static_cast<unsigned long long>(seeds),
              static_cast<unsigned long long>(first), static_cast<unsigned long long>(events));
  for (const auto& [what, times] : total) {
    std::printf("%12llu  %s\n", static_cast<unsigned long long>(times), what.c_str());
  }
  int status = 0;
  for (const char* what : kWanted) {
    if (seeds < kSeedsForAll || total[what] > 0) continue;
    std::printf("never seen: %s\n", what);
    status = 1;
  }
  return status;
}

// Whether a seed gives the same run every time.
int CheckRepeatable(uint64_t seed) {
  current_seed = seed;
  if (Simulate(seed, /*trace=*/true).trace == Simulate(seed, /*trace=*/true).trace) return 0;
  std::printf("seed %llu isn't repeatable\n", static_cast<unsigned long long>(seed));
  return 1;
}

int Main(int argc, char** argv) {
  uint64_t first = 0;
  uint64_t seeds = 1000;
  for (int i = 1; i + 1 < argc; i += 2) {
    const std::string flag = argv[i];
    const uint64_t value = std::strtoull(argv[i + 1], nullptr, 10);
    if (flag == "--seed") return Replay(value, static_cast<size_t>(-1));
    if (flag == "--first") {
      first = value;
    } else if (flag == "--seeds") {
      seeds = value;
    } else {
      std::fprintf(stderr, "unknown flag %s; known: --seed, --first, --seeds\n", argv[i]);
      return 2;
    }
  }
  for (uint64_t seed = first; seed < first + 10; ++seed) {
    if (CheckRepeatable(seed) != 0) return 1;
  }
  return RunAll(first, seeds);
}

}  // namespace
}  // namespace tpo::simulation

int main(int argc, char** argv) {
  std::signal(SIGABRT, tpo::simulation::OnAbort);
  return tpo::simulation::Main(argc, argv);
}
