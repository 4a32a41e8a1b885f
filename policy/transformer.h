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
#include "absl/types/span.h"
#include "core/run_spec.h"
#include "policy/policy.h"
#include "policy/prefix_tree.h"

namespace tpo {

// Incremental forward passes over a growing tree with a key-value cache, for sampling; one thread's
// scratch memory, like a TreePass. A rollout worker gives each weight version a policy of its own.
class TreeDecoder {
 public:
  virtual ~TreeDecoder() = default;

  // Forgets everything; room for `rows` nodes.
  virtual void Reset(int rows) = 0;

  // Forwards `nodes`, which become the next rows of the cache in order (the first call's nodes are
  // rows 0, 1, …). Returns the log-probs of all next tokens [N, vocabulary], float32, row-major;
  // valid until the next call.
  virtual absl::Span<const float> Extend(const TreeNodes& nodes, double temperature) = 0;

  // Rows in use.
  virtual int rows() const = 0;
};

class TransformerPolicy : public Policy {
 public:
  virtual std::unique_ptr<TreeDecoder> NewDecoder() const = 0;
};

struct TransformerOptions {
  at::ScalarType dtype = at::kFloat;  // float32 or float64
  at::Device device = at::kCPU;
  // Uses the composed kernels on the CPU too; for tests.
  bool composed_kernels = false;
};

// Makes a transformer with all parameters zero. INVALID_ARGUMENT names the field of `spec` that is
// out of range.
absl::StatusOr<std::unique_ptr<TransformerPolicy>> MakeTransformer(
    const TransformerSpec& spec, const TransformerOptions& options);

// Draws initial parameters as the reference does (paper.md §3): LeCun truncated normal kernels,
// zero biases, unit scales, token embedding N(0, 0.125²), positions N(0, 0.02²); a pure function of
// `seed`, whatever device or dtype.
void InitializeTransformer(uint64_t seed, Policy& policy);

}  // namespace tpo

#endif  // TPO_POLICY_TRANSFORMER_H_
