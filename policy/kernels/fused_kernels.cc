#include <cmath>
#include <string>

#include <ATen/core/Tensor.h>

#include "policy/kernels/fused_loops.h"
#include "policy/kernels/kernels.h"

namespace tpo {
namespace {

// The loops for one element type out of a table for one instruction set.
struct InstructionSet {
  const char* name;
  const FusedLoops<float>* float_loops;
  const FusedLoops<double>* double_loops;
};

InstructionSet BestInstructionSet() {
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") &&
      __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512bw")) {
    return {"avx512", &kernels_avx512::kFloatLoops, &kernels_avx512::kDoubleLoops};
  }
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) {
    return {"avx2", &kernels_avx2::kFloatLoops, &kernels_avx2::kDoubleLoops};
  }
#endif
  return {"baseline", &kernels_baseline::kFloatLoops, &kernels_baseline::kDoubleLoops};
}

template <typename T>
T* Data(const at::Tensor& tensor) {
  return tensor.defined() ? tensor.data_ptr<T>() : nullptr;
}

class FusedTransformerKernels : public TransformerKernels {
 public:
  std::string name() const override { return std::string("fused ") + instructions_.name; }

  void AddBiasLayerNorm(at::Tensor& values, const at::Tensor& bias, const at::Tensor& scale,
                        const at::Tensor& shift, double epsilon, at::Tensor& normalised,
                        at::Tensor& mean, at::Tensor& inverse_std) const override {
    Dispatch(values, [&]<typename T>(const FusedLoops<T>& loops) {
      loops.add_bias_layer_norm(Data<T>(values), Data<T>(bias), Data<T>(scale), Data<T>(shift),
                                static_cast<T>(epsilon), values.size(0), values.size(1),
                                Data<T>(normalised), Data<T>(mean), Data<T>(inverse_std));
    });
  }

  void LayerNormBackward(const at::Tensor& d_normalised, const at::Tensor& values,
                         const at::Tensor& scale, const at::Tensor& mean,
                         const at::Tensor& inverse_std, at::Tensor& d_values, at::Tensor& d_scale,
                         at::Tensor& d_shift) const override {
    Dispatch(values, [&]<typename T>(const FusedLoops<T>& loops) {
      loops.layer_norm_backward(Data<T>(d_normalised), Data<T>(values), Data<T>(scale),
                                Data<T>(mean), Data<T>(inverse_std), values.size(0), values.size(1),
                                Data<T>(d_values), Data<T>(d_scale), Data<T>(d_shift));
    });
  }

  void AddBiasGelu(at::Tensor& hidden, const at::Tensor& bias,
                   at::Tensor& activated) const override {
    Dispatch(hidden, [&]<typename T>(const FusedLoops<T>& loops) {
      loops.add_bias_gelu(Data<T>(hidden), Data<T>(bias), hidden.size(0), hidden.size(1),
                          Data<T>(activated));
    });
  }

  void GeluBackward(const at::Tensor& hidden, at::Tensor& gradient,
                    at::Tensor& d_bias) const override {
    Dispatch(hidden, [&]<typename T>(const FusedLoops<T>& loops) {
      loops.gelu_backward(Data<T>(hidden), hidden.size(0), hidden.size(1), Data<T>(gradient),
                          Data<T>(d_bias));
    });
  }

  void TreeAttention(const TreeAttentionShape& shape, const at::Tensor& query_key_value,
                     at::Tensor& attended, at::Tensor& weights) const override {
    Dispatch(query_key_value, [&]<typename T>(const FusedLoops<T>& loops) {
      loops.tree_attention(Data<T>(query_key_value), shape.nodes->paths.data(),
                           shape.nodes->positions.data(), shape.nodes->size(), shape.first_row,
                           shape.nodes->path_stride, shape.heads, attended.size(1),
                           Data<T>(attended), Data<T>(weights));
    });
  }

  void TreeAttentionBackward(const TreeAttentionShape& shape, const at::Tensor& query_key_value,
                             const at::Tensor& weights, const at::Tensor& attended,
                             const at::Tensor& d_attended,
                             at::Tensor& d_query_key_value) const override {
    Dispatch(query_key_value, [&]<typename T>(const FusedLoops<T>& loops) {
      loops.tree_attention_backward(
          Data<T>(query_key_value), Data<T>(weights), Data<T>(attended), Data<T>(d_attended),
          shape.nodes->paths.data(), shape.nodes->positions.data(), shape.nodes->size(),
          shape.nodes->path_stride, shape.heads, d_attended.size(1), Data<T>(d_query_key_value));
    });
  }

  void LogSoftmax(at::Tensor& logits, double temperature) const override {
    Dispatch(logits, [&]<typename T>(const FusedLoops<T>& loops) {
      loops.log_softmax(Data<T>(logits), logits.size(0), logits.size(1),
                        static_cast<T>(1.0 / temperature));
    });
  }

  void AddColumnSums(const at::Tensor& values, at::Tensor& sums) const override {
    Dispatch(values, [&]<typename T>(const FusedLoops<T>& loops) {
      loops.add_column_sums(Data<T>(values), values.size(0), values.size(1), Data<T>(sums));
    });
  }

 private:
  template <typename Function>
  void Dispatch(const at::Tensor& tensor, const Function& function) const {
    if (tensor.scalar_type() == at::kFloat) {
      function.template operator()<float>(*instructions_.float_loops);
    } else {
      TORCH_CHECK(tensor.scalar_type() == at::kDouble, "fused kernels take float32 or float64");
      function.template operator()<double>(*instructions_.double_loops);
    }
  }

  const InstructionSet instructions_ = BestInstructionSet();
};

}  // namespace

const TransformerKernels& FusedKernels() {
  static const FusedTransformerKernels kernels;
  return kernels;
}

}  // namespace tpo
