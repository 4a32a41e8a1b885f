// Newton–Schulz orthogonalization of a stack of matrices, Muon's core (paper.md §3).
#ifndef TPO_LEARNER_OPTIMIZERS_ORTHOGONALIZE_H_
#define TPO_LEARNER_OPTIMIZERS_ORTHOGONALIZE_H_

#include <cstdint>

#include <ATen/core/Tensor.h>

namespace tpo {

// Scratch memory for stacks of one shape, dtype and device; one thread's.
class Orthogonalizer {
 public:
  // REQUIRES: rows <= columns (the caller transposes tall matrices).
  Orthogonalizer(int64_t matrices, int64_t rows, int64_t columns, const at::TensorOptions& options);

  // Divides each matrix of `stack` [matrices, rows, columns] by its Frobenius norm and moves its
  // singular values towards 1 by five quintic iterations; zeros stay zeros. The result is left in
  // `result`, of the same shape; `stack` is overwritten. All five iterations of all matrices are
  // batched products.
  void Run(at::Tensor& stack, at::Tensor& result);

 private:
  at::Tensor norm_;        // [matrices, 1, 1]
  at::Tensor gram_;        // [matrices, rows, rows]
  at::Tensor polynomial_;  // [matrices, rows, rows]
};

}  // namespace tpo

#endif  // TPO_LEARNER_OPTIMIZERS_ORTHOGONALIZE_H_
