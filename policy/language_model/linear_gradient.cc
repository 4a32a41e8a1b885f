#include "policy/language_model/linear_gradient.h"

#include "policy/hugging_face/model_directory.h"

namespace tpo {
namespace {

float ToFloat(float value) { return value; }
float ToFloat(uint16_t bits) { return FromBfloat16(bits); }

}  // namespace

LinearTarget::LinearTarget(const LinearShape& shape, const GradientTarget& target) : in(shape.in) {
  std::vector<float*> weight_of;
  std::vector<float*> bias_of;
  for (const LinearModule& module : shape.modules) {
    weight_of.push_back(target(module.name + ".weight"));
    bias_of.push_back(shape.bias ? target(module.name + ".bias") : nullptr);
    wants_weights = wants_weights || weight_of.back() != nullptr;
    wants_biases = wants_biases || bias_of.back() != nullptr;
  }
  for (const LinearShape::Column& column : shape.Columns()) {
    float* const weight = column.output < 0 ? nullptr : weight_of[column.module];
    float* const bias = column.output < 0 ? nullptr : bias_of[column.module];
    weights.push_back(weight == nullptr ? nullptr : weight + int64_t{column.output} * in);
    biases.push_back(bias == nullptr ? nullptr : bias + column.output);
  }
}

template <typename T>
void PackedRows<T>::Pack(int thread, const ThreadTeam& team, const TypedTrainingLoops<T>& loops,
                         Rows<T>& rows, int row_count) {
  const auto [first, last] = team.Part(thread, panels_);
  for (int panel = first; panel < last; ++panel) {
    loops.pack_rows(rows.data() + panel * kPanelColumns, rows.stride(), row_count,
                    memory_.data() + static_cast<size_t>(panel) * depth_ * kPanelColumns);
  }
}

template <typename T>
void LinearGradient<T>::Begin(int row_count, int64_t input_stride, int64_t output_stride) {
  row_count_ = row_count;
  inputs_.Resize(row_count, static_cast<int>(input_stride / kPanelColumns));
  outputs_.Resize(row_count, static_cast<int>(output_stride / kPanelColumns));
}

template <typename T>
void LinearGradient<T>::Pack(int thread, const LinearTarget& target, Rows<T>& inputs,
                             Rows<T>& gradients) {
  if (target.wants_biases) AddBiases(thread, target, gradients);
  inputs_.Pack(thread, *team_, loops_.training, inputs, row_count_);
  outputs_.Pack(thread, *team_, loops_.training, gradients, row_count_);
}

template <typename T>
void LinearGradient<T>::Add(int thread, const LinearTarget& target) {
  if (!target.wants_weights) return;
  WeightGradient gradient;
  gradient.outputs = outputs_.data();
  gradient.inputs = inputs_.data();
  gradient.depth = inputs_.depth();
  gradient.input_panels = inputs_.panels();
  gradient.input_columns = target.in;
  gradient.out_rows = target.weights.data();
  const int output_panels = static_cast<int>(target.weights.size()) / kPanelColumns;
  const auto [first, last] = team_->Part(thread, output_panels * inputs_.panels());
  gradient.first_item = first;
  gradient.last_item = last;
  loops_.training.weight_gradient(gradient);
}

template <typename T>
void LinearGradient<T>::AddBiases(int thread, const LinearTarget& target, Rows<T>& gradients) {
  const auto [first, last] = team_->Part(thread, static_cast<int>(target.biases.size()));
  std::vector<float> sums(last - first, 0.0F);
  for (int row = 0; row < row_count_; ++row) {
    const T* const values = gradients.row(row) + first;
    for (size_t i = 0; i < sums.size(); ++i) sums[i] += ToFloat(values[i]);
  }
  for (int column = first; column < last; ++column) {
    if (target.biases[column] != nullptr) *target.biases[column] += sums[column - first];
  }
}

template class PackedRows<float>;
template class PackedRows<uint16_t>;
template class LinearGradient<float>;
template class LinearGradient<uint16_t>;

}  // namespace tpo
