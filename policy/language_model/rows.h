// Memory for the rows of a pass. Internal to policy/language_model/.
#ifndef TPO_POLICY_LANGUAGE_MODEL_ROWS_H_
#define TPO_POLICY_LANGUAGE_MODEL_ROWS_H_

#include <cstddef>
#include <cstdint>

#include "core/aligned_memory.h"
#include "policy/language_model/language_layout.h"

namespace tpo {

inline constexpr int64_t RoundUp(int64_t value, int64_t multiple) {
  return (value + multiple - 1) / multiple * multiple;
}

// A matrix whose rows are padded to whole panels, zero from the start; keeps its memory.
template <typename T>
class Rows {
 public:
  explicit Rows(int64_t columns) : stride_(RoundUp(columns, kPanelColumns)) {}

  // What the rows held is lost when there were fewer.
  void Resize(int64_t rows) {
    if (rows <= rows_) return;
    memory_ = AlignedMemory<T>();  // before the new one: they needn't fit side by side
    memory_ = AlignedMemory<T>(static_cast<size_t>(rows * stride_));
    rows_ = rows;
  }
  T* data() { return memory_.data(); }
  T* row(int64_t row) { return memory_.data() + row * stride_; }
  int64_t stride() const { return stride_; }
  int panels() const { return static_cast<int>(stride_ / kPanelColumns); }
  size_t size_bytes() const { return memory_.size() * sizeof(T); }

 private:
  const int64_t stride_;
  int64_t rows_ = 0;
  AlignedMemory<T> memory_;
};

}  // namespace tpo

#endif  // TPO_POLICY_LANGUAGE_MODEL_ROWS_H_
