// The fused loops as plain functions on pointers, one table per instruction set. Internal to
// policy/kernels.
//
// fused_loops.inc holds the code; it is compiled once per instruction set with other compiler
// flags, in a namespace of its own, so it includes nothing whose inline functions could leak into
// other translation units.
#ifndef TPO_POLICY_KERNELS_FUSED_LOOPS_H_
#define TPO_POLICY_KERNELS_FUSED_LOOPS_H_

#include <cstdint>

namespace tpo {

template <typename T>
struct FusedLoops {
  void (*add_bias_layer_norm)(T* values, const T* bias, const T* scale, const T* shift, T epsilon,
                              int64_t rows, int64_t columns, T* normalised, T* mean,
                              T* inverse_std);
  void (*layer_norm_backward)(const T* d_normalised, const T* values, const T* scale, const T* mean,
                              const T* inverse_std, int64_t rows, int64_t columns, T* d_values,
                              T* d_scale, T* d_shift);
  void (*add_bias_gelu)(T* hidden, const T* bias, int64_t rows, int64_t columns, T* activated);
  void (*gelu_backward)(const T* hidden, int64_t rows, int64_t columns, T* gradient, T* d_bias);
  // `rows` is the query-key-value buffer of row stride 3 * width; `paths` of row stride
  // `path_stride`.
  void (*tree_attention)(const T* rows, const int32_t* paths, const int32_t* positions,
                         int64_t nodes, int64_t first_row, int64_t path_stride, int64_t heads,
                         int64_t width, T* attended, T* weights);
  void (*tree_attention_backward)(const T* rows, const T* weights, const T* attended,
                                  const T* d_attended, const int32_t* paths,
                                  const int32_t* positions, int64_t nodes, int64_t path_stride,
                                  int64_t heads, int64_t width, T* d_rows);
  void (*log_softmax)(T* logits, int64_t rows, int64_t columns, T inverse_temperature);
  void (*add_column_sums)(const T* values, int64_t rows, int64_t columns, T* sums);
};

namespace kernels_baseline {
extern const FusedLoops<float> kFloatLoops;
extern const FusedLoops<double> kDoubleLoops;
}  // namespace kernels_baseline
namespace kernels_avx2 {
extern const FusedLoops<float> kFloatLoops;
extern const FusedLoops<double> kDoubleLoops;
}  // namespace kernels_avx2
namespace kernels_avx512 {
extern const FusedLoops<float> kFloatLoops;
extern const FusedLoops<double> kDoubleLoops;
}  // namespace kernels_avx512

}  // namespace tpo

#endif  // TPO_POLICY_KERNELS_FUSED_LOOPS_H_
