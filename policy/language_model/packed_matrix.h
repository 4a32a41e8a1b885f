// A weight matrix [out, in] in the order in which a product reads it.
//
// Panels of 32 outputs, one after another; within a panel the inputs in order, and for each (each
// pair of them in bfloat16) the 32 outputs side by side:
//
//   float      [panel][in][32]
//   bfloat16   [panel][in / 2][2 × 16][2]     16 outputs × a pair of inputs are 64 bytes: a
//   register
//                                             of vdpbf16ps, and a row of a tile of AMX
//
// Missing outputs and inputs are zero. Values only; no thread rules once it is packed.
#ifndef TPO_POLICY_LANGUAGE_MODEL_PACKED_MATRIX_H_
#define TPO_POLICY_LANGUAGE_MODEL_PACKED_MATRIX_H_

#include <cstdint>
#include <vector>

#include "core/aligned_memory.h"
#include "policy/language_model/language_loops.h"
#include "policy/safetensors.h"

namespace tpo {

// One output's weights: a row of a tensor [out, in]; none: zero.
struct MatrixRow {
  const SafetensorsView* tensor = nullptr;
  int64_t row = 0;
};

// T: float or uint16_t (bfloat16).
template <typename T>
class PackedMatrix {
 public:
  PackedMatrix() = default;
  // Packs `rows`, each of `depth` inputs, in their order.
  PackedMatrix(const std::vector<MatrixRow>& rows, int depth);

  // Zero, for `outputs` outputs of `depth` inputs, to be filled panel by panel.
  PackedMatrix(int outputs, int depth);

  const T* data() const { return memory_.data(); }
  T* panel(int panel) {
    return memory_.data() + static_cast<size_t>(panel) * kPanelColumns * depth_;
  }
  int panels() const { return panels_; }
  int columns() const { return panels_ * kPanelColumns; }
  // Inputs, made even in bfloat16.
  int depth() const { return depth_; }
  size_t size_bytes() const { return memory_.size() * sizeof(T); }

  // The weights of output `row`: out [depth()], in float.
  void Unpack(int row, float* out) const;

 private:
  // Where (row, input 0) is; further inputs follow at InputOffset.
  size_t RowOffset(int row) const;
  static size_t InputOffset(int input);

  int panels_ = 0;
  int depth_ = 0;
  AlignedMemory<T> memory_;
};

extern template class PackedMatrix<float>;
extern template class PackedMatrix<uint16_t>;

}  // namespace tpo

#endif  // TPO_POLICY_LANGUAGE_MODEL_PACKED_MATRIX_H_
