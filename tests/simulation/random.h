// Random numbers of the simulation: the same on every machine, from one seed.
#ifndef TPO_TESTS_SIMULATION_RANDOM_H_
#define TPO_TESTS_SIMULATION_RANDOM_H_

#include <cstdint>

#include "absl/time/time.h"

namespace tpo::simulation {

// A number that depends on all bits of both (splitmix64's finaliser).
inline uint64_t Mix(uint64_t a, uint64_t b) {
  uint64_t x = a * 0x9E3779B97F4A7C15ULL + b + 0x632BE59BD9B4E019ULL;
  x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9ULL;
  x = (x ^ (x >> 27)) * 0x94D049BB133111EBULL;
  return x ^ (x >> 31);
}

class Random {
 public:
  explicit Random(uint64_t seed) : state_(Mix(seed, 1)) {}

  uint64_t Next() { return Mix(++state_, 0); }

  // In [0, 1).
  double Uniform() { return static_cast<double>(Next() >> 11) * 0x1p-53; }

  bool Chance(double probability) { return Uniform() < probability; }

  // Both ends included.
  int64_t Int(int64_t lowest, int64_t highest) {
    return lowest + static_cast<int64_t>(Next() % static_cast<uint64_t>(highest - lowest + 1));
  }

  absl::Duration Between(absl::Duration shortest, absl::Duration longest) {
    return absl::Nanoseconds(
        Int(absl::ToInt64Nanoseconds(shortest), absl::ToInt64Nanoseconds(longest)));
  }

  // One that goes on by itself, so that what it is asked doesn't change what this one says.
  Random Fork() { return Random(Next()); }

 private:
  uint64_t state_;
};

}  // namespace tpo::simulation

#endif  // TPO_TESTS_SIMULATION_RANDOM_H_
