// Random orders that need no memory: place by place, a pure function of the seed, so that a stream
// of prompts goes on after a restart from its position alone.
#ifndef TPO_POLICY_DATASET_SHUFFLE_H_
#define TPO_POLICY_DATASET_SHUFFLE_H_

#include <cstdint>

namespace tpo {

// What stands at `place` of permutation number `round` of 0 … count - 1: a bijection for each seed
// and round. Takes a few dozen random numbers. REQUIRES: place < count.
uint64_t ShuffledIndex(uint64_t seed, uint64_t round, uint64_t place, uint64_t count);

}  // namespace tpo

#endif  // TPO_POLICY_DATASET_SHUFFLE_H_
