#include "learner/optimizers/orthogonalize.h"

#include <utility>

#include <ATen/core/grad_mode.h>
#include <ATen/ops/baddbmm.h>
#include <ATen/ops/bmm.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/linalg_vector_norm.h>

namespace tpo {
namespace {

// x <- a x + (b s + c s²) x with s = x xᵀ.
constexpr double kA = 3.4445;
constexpr double kB = -4.7750;
constexpr double kC = 2.0315;
constexpr int kIterations = 5;  // odd, so that the last one writes into `result`
constexpr double kNormEpsilon = 1e-8;

}  // namespace

Orthogonalizer::Orthogonalizer(int64_t matrices, int64_t rows, int64_t columns,
                               const at::TensorOptions& options) {
  TORCH_CHECK(rows <= columns, "a tall matrix has to be transposed first");
  norm_ = at::empty({matrices, 1, 1}, options);
  gram_ = at::empty({matrices, rows, rows}, options);
  polynomial_ = at::empty({matrices, rows, rows}, options);
}

void Orthogonalizer::Run(at::Tensor& stack, at::Tensor& result) {
  const at::NoGradGuard no_grad;
  at::linalg_vector_norm_out(norm_, stack, 2, at::IntArrayRef{1, 2}, /*keepdim=*/true);
  stack.div_(norm_.add_(kNormEpsilon));
  at::Tensor from = stack;
  at::Tensor to = result;
  for (int i = 0; i < kIterations; ++i) {
    at::bmm_out(gram_, from, from.transpose(1, 2));
    at::baddbmm_out(polynomial_, gram_, gram_, gram_, /*beta=*/kB, /*alpha=*/kC);
    at::baddbmm_out(to, from, polynomial_, from, /*beta=*/kA, /*alpha=*/1.0);
    std::swap(from, to);
  }
}

}  // namespace tpo
