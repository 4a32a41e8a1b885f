#include "policy/dataset/shuffle.h"

#include "core/counter_random.h"

namespace tpo {
namespace {

constexpr uint32_t kFeistelRounds = 6;
// Keeps these numbers apart from those of sampling, which share the generator and the seed.
constexpr uint32_t kShuffleKey = 0x53485546;

uint32_t RandomBits(uint64_t seed, uint64_t round, uint32_t step, uint32_t half) {
  const std::array<uint32_t, 4> counter = {half, step, static_cast<uint32_t>(round),
                                           static_cast<uint32_t>(round >> 32)};
  return Philox4x32(
      counter, {static_cast<uint32_t>(seed) ^ kShuffleKey, static_cast<uint32_t>(seed >> 32)})[0];
}

}  // namespace

uint64_t ShuffledIndex(uint64_t seed, uint64_t round, uint64_t place, uint64_t count) {
  // A Feistel network permutes the numbers of 2 * half_bits bits, less than four times `count`;
  // walking its cycle until a number is below `count` permutes just those.
  int half_bits = 1;
  while (half_bits < 32 && (uint64_t{1} << (2 * half_bits)) < count) ++half_bits;
  const uint64_t mask = (uint64_t{1} << half_bits) - 1;
  do {
    uint64_t left = place >> half_bits;
    uint64_t right = place & mask;
    for (uint32_t step = 0; step < kFeistelRounds; ++step) {
      const uint64_t mixed = RandomBits(seed, round, step, static_cast<uint32_t>(right)) & mask;
      const uint64_t next = left ^ mixed;
      left = right;
      right = next;
    }
    place = left << half_bits | right;
  } while (place >= count);
  return place;
}

}  // namespace tpo
