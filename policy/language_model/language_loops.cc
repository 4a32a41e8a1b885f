#include "policy/language_model/language_loops.h"

#if defined(__x86_64__)
#include <cpuid.h>
#include <sys/syscall.h>
#include <unistd.h>
#endif

namespace tpo {
namespace {

#if defined(__x86_64__)
// Whether the processor has AMX with bfloat16, and Linux lets this process use it: it asks for the
// tiles' memory in each thread's state ("Using XSTATE features in user space applications").
bool CanUseAmx() {
  constexpr unsigned kTilesAndBfloat16 = (1U << 24) | (1U << 22);
  constexpr int kArchRequestPermission = 0x1023;
  constexpr int kTileData = 18;
  unsigned a = 0;
  unsigned b = 0;
  unsigned c = 0;
  unsigned d = 0;
  return __get_cpuid_count(7, 0, &a, &b, &c, &d) != 0 &&
         (d & kTilesAndBfloat16) == kTilesAndBfloat16 &&
         syscall(SYS_arch_prctl, kArchRequestPermission, kTileData) == 0;
}
#endif

}  // namespace

std::vector<const LanguageLoops*> SupportedLanguageLoops() {
  std::vector<const LanguageLoops*> all = {&language_loops_baseline::kLoops};
#if defined(__x86_64__)
  if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("fma")) return all;
  all.push_back(&language_loops_avx2::kLoops);
  if (!__builtin_cpu_supports("avx512f") || !__builtin_cpu_supports("avx512vl") ||
      !__builtin_cpu_supports("avx512dq") || !__builtin_cpu_supports("avx512bw")) {
    return all;
  }
  all.push_back(&language_loops_avx512::kLoops);
  if (!__builtin_cpu_supports("avx512bf16")) return all;
  all.push_back(&language_loops_avx512_bf16::kLoops);
  if (CanUseAmx()) all.push_back(&language_loops_amx_bf16::kLoops);
#endif
  return all;
}

const LanguageLoops& BestLanguageLoops() {
  static const LanguageLoops* const best = SupportedLanguageLoops().back();
  return *best;
}

}  // namespace tpo
