// Counter-based random numbers: a pure function of a key, so that a sample depends on what is
// sampled and not on which worker samples it, in what order, or how often it was tried before.
//
// Philox4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011).
#ifndef TPO_CORE_COUNTER_RANDOM_H_
#define TPO_CORE_COUNTER_RANDOM_H_

#include <array>
#include <cstdint>

namespace tpo {

// The generator itself: 128 random bits for a 128-bit counter under a 64-bit key.
std::array<uint32_t, 4> Philox4x32(std::array<uint32_t, 4> counter, std::array<uint32_t, 2> key);

// What numbers are drawn for: streams never share numbers.
enum class RandomStream : uint32_t {
  kPrompt = 1,
  kCompletion = 2,
  kInitialization = 3,
  kEvaluation = 4
};

// Uniform in [0, 1) with 53 bits for (run seed, stream, prompt id, completion index, position).
// With several candidates per position (token-level objectives), the candidate's index stands in
// the place of the completion's, so that candidate 0 is the token that the completion would have
// had without candidates.
double UniformAt(uint64_t seed, RandomStream stream, uint64_t prompt, uint32_t completion,
                 uint32_t position);

}  // namespace tpo

#endif  // TPO_CORE_COUNTER_RANDOM_H_
