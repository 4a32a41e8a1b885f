// What the language models' product reaches by itself, for benchmarks to compare with.
#ifndef TPO_BENCH_PRODUCT_RATE_H_
#define TPO_BENCH_PRODUCT_RATE_H_

#include <benchmark/benchmark.h>

#include <algorithm>
#include <chrono>
#include <vector>

#include "core/aligned_memory.h"
#include "policy/language_model/language_loops.h"
#include "policy/language_model/packed_matrix.h"
#include "policy/language_model/thread_team.h"

namespace tpo {

// 120 rows times a matrix that fits the cache, on all cores: operations a second of the fastest
// iteration, also in the counter "GFLOP/s". T: float or uint16_t (bfloat16).
template <typename T>
double ProductFlopPerSecond(benchmark::State& state) {
  constexpr int kRows = 120;
  constexpr int kDepth = 576;
  constexpr int kColumns = 512;
  constexpr int kRepeats = 20;
  PackedMatrix<T> matrix(kColumns, kDepth);
  AlignedMemory<T> inputs(size_t{kRows} * kDepth);
  // Until it is written to, all memory is one page of zeros. (As a bfloat16 the number is small.)
  std::fill_n(matrix.panel(0), size_t{kColumns} * kDepth, T{1 << 10});
  std::fill_n(inputs.data(), inputs.size(), T{1 << 10});
  ThreadTeam team(0);
  std::vector<AlignedMemory<float>> outs;
  for (int i = 0; i < team.size(); ++i) outs.emplace_back(size_t{kRows} * kColumns);
  double fastest = 1e9;
  for (auto _ : state) {
    const auto start = std::chrono::steady_clock::now();
    team.Run([&](int thread) {
      Product product;
      product.rows = inputs.data();
      product.row_stride = kDepth;
      product.row_count = kRows;
      product.matrix = matrix.data();
      product.depth = kDepth;
      product.last_panel = matrix.panels();
      product.out = outs[thread].data();
      product.out_stride = kColumns;
      for (int i = 0; i < kRepeats; ++i) BestLanguageLoops().typed<T>().product(product);
    });
    const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
    fastest = std::min(fastest, seconds.count());
  }
  const double rate = 2.0 * kRows * kDepth * kColumns * kRepeats * team.size() / fastest;
  state.counters["GFLOP/s"] = rate * 1e-9;
  return rate;
}

}  // namespace tpo

#endif  // TPO_BENCH_PRODUCT_RATE_H_
