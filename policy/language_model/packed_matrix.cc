#include "policy/language_model/packed_matrix.h"

#include <type_traits>

#include "policy/hugging_face/model_directory.h"

namespace tpo {
namespace {

template <typename T>
constexpr int kStepDepth = std::is_same_v<T, float> ? 1 : 2;

int RoundUp(int value, int multiple) { return (value + multiple - 1) / multiple * multiple; }

float ToFloat(float value) { return value; }
float ToFloat(uint16_t bits) { return FromBfloat16(bits); }

}  // namespace

template <typename T>
PackedMatrix<T>::PackedMatrix(int outputs, int depth)
    : panels_(RoundUp(outputs, kPanelColumns) / kPanelColumns),
      depth_(RoundUp(depth, kStepDepth<T>)),
      memory_(static_cast<size_t>(panels_) * kPanelColumns * depth_) {}

template <typename T>
PackedMatrix<T>::PackedMatrix(const std::vector<MatrixRow>& rows, int depth)
    : PackedMatrix(static_cast<int>(rows.size()), depth) {
  std::vector<T> row(depth);
  for (size_t i = 0; i < rows.size(); ++i) {
    if (rows[i].tensor == nullptr) continue;
    ConvertElements(*rows[i].tensor, static_cast<size_t>(rows[i].row) * depth, depth, row.data());
    T* const target = memory_.data() + RowOffset(static_cast<int>(i));
    for (int input = 0; input < depth; ++input) target[InputOffset(input)] = row[input];
  }
}

template <typename T>
size_t PackedMatrix<T>::RowOffset(int row) const {
  const size_t panel = row / kPanelColumns;
  return panel * kPanelColumns * depth_ + static_cast<size_t>(row % kPanelColumns) * kStepDepth<T>;
}

template <typename T>
size_t PackedMatrix<T>::InputOffset(int input) {
  constexpr int kDepth = kStepDepth<T>;
  return static_cast<size_t>(input / kDepth) * kPanelColumns * kDepth + input % kDepth;
}

template <typename T>
void PackedMatrix<T>::Unpack(int row, float* out) const {
  const T* const source = memory_.data() + RowOffset(row);
  for (int input = 0; input < depth_; ++input) out[input] = ToFloat(source[InputOffset(input)]);
}

template class PackedMatrix<float>;
template class PackedMatrix<uint16_t>;

}  // namespace tpo
