#include "bench/paper/bandits/loops.h"

namespace tpo {
namespace {

enum class InstructionSet { kBaseline, kAvx2, kAvx512 };

InstructionSet Detect() {
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") &&
      __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512bw")) {
    return InstructionSet::kAvx512;
  }
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return InstructionSet::kAvx2;
#endif
  return InstructionSet::kBaseline;
}

InstructionSet Best() {
  static const InstructionSet best = Detect();
  return best;
}

template <typename Table>
const Table& Choose(const Table& baseline, const Table& avx2, const Table& avx512) {
  switch (Best()) {
    case InstructionSet::kAvx512:
      return avx512;
    case InstructionSet::kAvx2:
      return avx2;
    case InstructionSet::kBaseline:
      break;
  }
  return baseline;
}

}  // namespace

const char* InstructionSetName() {
  static constexpr const char* kNames[] = {"baseline", "avx2", "avx512"};
  return kNames[static_cast<int>(Best())];
}

const TableLoops& BestTableLoops() {
  return Choose(bandit_loops_baseline::kTableLoops, bandit_loops_avx2::kTableLoops,
                bandit_loops_avx512::kTableLoops);
}

template <>
const LayerLoops<float>& BestLayerLoops<float>() {
  return Choose(bandit_loops_baseline::kFloatLoops, bandit_loops_avx2::kFloatLoops,
                bandit_loops_avx512::kFloatLoops);
}

template <>
const LayerLoops<double>& BestLayerLoops<double>() {
  return Choose(bandit_loops_baseline::kDoubleLoops, bandit_loops_avx2::kDoubleLoops,
                bandit_loops_avx512::kDoubleLoops);
}

}  // namespace tpo
