// The paper's causal transformer (paper.md §3): decoder-only, pre-LayerNorm, learned positions,
// tanh-GELU, biases everywhere, untied head. Forward and backward are written out by hand over
// preallocated memory, because at this size an operator-by-operator autograd spends its time
// outside of the matrix products (bench/).
#ifndef TPO_POLICY_TRANSFORMER_H_
#define TPO_POLICY_TRANSFORMER_H_

#include <cstdint>
#include <memory>

#include <ATen/core/Tensor.h>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "core/run_spec.h"
#include "policy/policy.h"

namespace tpo {

struct TransformerOptions {
  at::ScalarType dtype = at::kFloat;  // float32 or float64
  at::Device device = at::kCPU;
  // Uses the composed kernels on the CPU too; for tests.
  bool composed_kernels = false;
};

// Makes a transformer with all parameters zero. INVALID_ARGUMENT names the field of `spec` that is
// out of range.
absl::StatusOr<std::unique_ptr<Policy>> MakeTransformer(const TransformerSpec& spec,
                                                        const TransformerOptions& options);

// Draws initial parameters as the reference does (paper.md §3): LeCun truncated normal kernels,
// zero biases, unit scales, token embedding N(0, 0.125²), positions N(0, 0.02²); a pure function of
// `seed`, whatever device or dtype.
void InitializeTransformer(uint64_t seed, Policy& policy);

}  // namespace tpo

#endif  // TPO_POLICY_TRANSFORMER_H_
