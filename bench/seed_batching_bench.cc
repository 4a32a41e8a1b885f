// Would training many seeds of a small model in one batch pay? The products of a layer for several
// seeds, one after the other and as one batched product, on one thread. Items are multiply-adds, so
// that items_per_second compares directly; docs/paper/README.md has the answer.
#include <cstdint>
#include <vector>

#include <ATen/Parallel.h>
#include <ATen/ops/bmm.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/rand.h>
#include <benchmark/benchmark.h>

namespace tpo {
namespace {

constexpr int64_t kSeeds = 8;

// Arguments: token positions of a seed, rows and columns of the kernel.
void Arguments(benchmark::internal::Benchmark* benchmark) {
  for (const int64_t positions : {300, 600, 1200}) {
    benchmark->Args({positions, 64, 64});
    benchmark->Args({positions, 64, 256});
    benchmark->Args({positions, 256, 64});
  }
}

int64_t MultiplyAdds(const benchmark::State& state) {
  return kSeeds * state.range(0) * state.range(1) * state.range(2);
}

void OneSeedAfterTheOther(benchmark::State& state) {
  at::set_num_threads(1);
  const at::Tensor activations = at::rand({kSeeds, state.range(0), state.range(1)});
  const at::Tensor kernels = at::rand({kSeeds, state.range(1), state.range(2)});
  std::vector<at::Tensor> results;
  for (int64_t seed = 0; seed < kSeeds; ++seed) {
    results.push_back(at::empty({state.range(0), state.range(2)}));
  }
  for ([[maybe_unused]] auto _ : state) {
    for (int64_t seed = 0; seed < kSeeds; ++seed) {
      at::mm_out(results[seed], activations[seed], kernels[seed]);
    }
  }
  state.SetItemsProcessed(state.iterations() * MultiplyAdds(state));
}
BENCHMARK(OneSeedAfterTheOther)->Apply(Arguments);

void AllSeedsInOneBatch(benchmark::State& state) {
  at::set_num_threads(1);
  const at::Tensor activations = at::rand({kSeeds, state.range(0), state.range(1)});
  const at::Tensor kernels = at::rand({kSeeds, state.range(1), state.range(2)});
  at::Tensor results = at::empty({kSeeds, state.range(0), state.range(2)});
  for ([[maybe_unused]] auto _ : state) at::bmm_out(results, activations, kernels);
  state.SetItemsProcessed(state.iterations() * MultiplyAdds(state));
}
BENCHMARK(AllSeedsInOneBatch)->Apply(Arguments);

}  // namespace
}  // namespace tpo
