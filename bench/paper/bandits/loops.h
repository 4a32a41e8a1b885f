// The inner loops of the bandit studies as plain functions on pointers, one table per instruction
// set (as policy/kernels/fused_loops.h has it for the transformer). Internal to this folder.
//
// loops.inc holds the code; it is compiled once per instruction set with other compiler flags, in a
// namespace of its own, so it includes nothing whose inline functions could leak into other
// translation units.
//
// Thread-safe: pure functions of what they are given.
#ifndef TPO_BENCH_PAPER_BANDITS_LOOPS_H_
#define TPO_BENCH_PAPER_BANDITS_LOOPS_H_

#include <cstdint>

namespace tpo {

// Matrices whose columns count a multiple of this have rows that fill whole vectors.
inline constexpr int64_t kColumnUnit = 16;
// Rows of a product that are computed together.
inline constexpr int64_t kTileRows = 6;

// The terms of a sum over k that are not zero for all rows of a tile.
struct TileTerms {
  const int32_t* first = nullptr;
  int64_t count = 0;
};

// For a network's layers.
template <typename T>
struct LayerLoops {
  // c[rows, columns] = bias[columns] + Σ_k a(row, k) · b[k, columns], k over the terms of the row's
  // tile; a(row, k) = a[row * row_stride + k * term_stride]. `bias` may be null. One TileTerms per
  // kTileRows rows. REQUIRES: columns a multiple of kColumnUnit.
  void (*multiply)(const T* a, int64_t row_stride, int64_t term_stride, const T* b, const T* bias,
                   int64_t rows, int64_t columns, const TileTerms* terms, T* c);
  // One step of Adam; `first` and `second` are the moments, the corrections 1 / (1 - beta^t).
  void (*adam)(const T* gradient, int64_t count, T rate, T first_correction, T second_correction,
               T* first, T* second, T* parameters);
  // sums[columns] = Σ_rows values[rows, columns].
  void (*column_sums)(const T* values, int64_t rows, int64_t columns, T* sums);
  void (*relu)(T* values, int64_t count);
  // gradient = 0 where activated is 0.
  void (*relu_backward)(const T* activated, int64_t count, T* gradient);
  // values = bytes / 255.
  void (*scale_bytes)(const uint8_t* bytes, int64_t count, T* values);
};

// For tables of logits, arm by arm: [arms, contexts], so that the contexts fill the vectors.
struct TableLoops {
  // policy = softmax over the arms. `scratch` holds 2 * contexts numbers.
  void (*softmax)(const double* logits, int64_t arms, int64_t contexts, double* scratch,
                  double* policy);
  // direction = q - policy with q proportional to (policy + 1e-8) · factors[arm]. `scratch` holds
  // `contexts` numbers.
  void (*target_direction)(const double* policy, const double* factors, int64_t arms,
                           int64_t contexts, double* scratch, double* direction);
  // direction = weights[context] · (1[arm = 0] - policy).
  void (*weighted_direction)(const double* policy, const double* weights, int64_t arms,
                             int64_t contexts, double* direction);
  // With v = 1[arm = 0] - policy: sums = {direction · v, direction · direction, v · v}.
  void (*products)(const double* policy, const double* direction, int64_t arms, int64_t contexts,
                   double* sums);
  // logits += scale * direction.
  void (*add_scaled)(const double* direction, int64_t count, double scale, double* logits);
};

namespace bandit_loops_baseline {
extern const LayerLoops<float> kFloatLoops;
extern const LayerLoops<double> kDoubleLoops;
extern const TableLoops kTableLoops;
}  // namespace bandit_loops_baseline
namespace bandit_loops_avx2 {
extern const LayerLoops<float> kFloatLoops;
extern const LayerLoops<double> kDoubleLoops;
extern const TableLoops kTableLoops;
}  // namespace bandit_loops_avx2
namespace bandit_loops_avx512 {
extern const LayerLoops<float> kFloatLoops;
extern const LayerLoops<double> kDoubleLoops;
extern const TableLoops kTableLoops;
}  // namespace bandit_loops_avx512

// The best of them for this machine.
const char* InstructionSetName();
const TableLoops& BestTableLoops();
template <typename T>
const LayerLoops<T>& BestLayerLoops();

}  // namespace tpo

#endif  // TPO_BENCH_PAPER_BANDITS_LOOPS_H_
