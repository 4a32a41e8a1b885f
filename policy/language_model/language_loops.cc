#include "policy/language_model/language_loops.h"

namespace tpo {

const LanguageLoops& BestLanguageLoops() {
#if defined(__x86_64__)
  const bool avx512 = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") &&
                      __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512bw");
  if (avx512 && __builtin_cpu_supports("avx512bf16")) return language_loops_avx512_bf16::kLoops;
  if (avx512) return language_loops_avx512::kLoops;
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) {
    return language_loops_avx2::kLoops;
  }
#endif
  return language_loops_baseline::kLoops;
}

}  // namespace tpo
