#include "policy/language_model/lora_gradient.h"

#include <tuple>
#include <utility>

namespace tpo {

template <typename T>
LoraTarget<T>::LoraTarget(const ProductAdapters<T>& product, const LinearShape& shape,
                          const GradientTarget& target)
    : adapters(&product) {
  if (product.modules.empty()) return;
  const std::vector<LinearShape::Column> columns = shape.Columns();
  const int rank_columns = static_cast<int>(RoundUp(product.rank, kPanelColumns));
  for (const typename ProductAdapters<T>::Module& module : product.modules) {
    float* const a = target(module.a);
    float* const b = target(module.b);
    Module to;
    to.first_panel = static_cast<int>(modules.size()) * rank_columns / kPanelColumns;
    for (int r = 0; r < rank_columns; ++r)
      to.a.push_back(a == nullptr || r >= product.rank ? nullptr : a + int64_t{r} * shape.in);
    for (const LinearShape::Column& column : columns) {
      const bool own = b != nullptr && column.output >= 0 && column.module == module.index;
      to.b.push_back(own ? b + int64_t{column.output} * product.rank : nullptr);
    }
    modules.push_back(std::move(to));
  }
}

template <typename T>
void LoraGradient<T>::Begin(int row_count, const ProductAdapters<T>& adapters) {
  row_count_ = row_count;
  if (adapters.modules.empty()) return;
  if (inputs_ == nullptr) {
    const int64_t width = int64_t{adapters.a.panels()} * kPanelColumns;
    inputs_ = std::make_unique<Rows<float>>(width);
    gradients_ = std::make_unique<Rows<float>>(width);
    rounded_inputs_ = std::make_unique<Rows<T>>(width);
    rounded_gradients_ = std::make_unique<Rows<T>>(width);
  }
  inputs_->Resize(row_count);
  gradients_->Resize(row_count);
  rounded_inputs_->Resize(row_count);
  rounded_gradients_->Resize(row_count);
  packed_inputs_.Resize(row_count, adapters.a.panels());
  packed_gradients_.Resize(row_count, adapters.a.panels());
}

template <typename T>
size_t LoraGradient<T>::size_bytes() const {
  if (inputs_ == nullptr) return 0;
  return inputs_->size_bytes() + gradients_->size_bytes() + rounded_inputs_->size_bytes() +
         rounded_gradients_->size_bytes() + packed_inputs_.size_bytes() +
         packed_gradients_.size_bytes();
}

template <typename T>
void LoraGradient<T>::Multiply(int thread, const LoraTarget<T>& target, Rows<T>& inputs,
                               Rows<T>& gradients) {
  if (target.modules.empty()) return;
  MultiplyWith(thread, target.adapters->a, inputs, *inputs_);
  MultiplyWith(thread, target.adapters->b, gradients, *gradients_);
}

template <typename T>
void LoraGradient<T>::MultiplyWith(int thread, const PackedMatrix<T>& matrix, Rows<T>& rows,
                                   Rows<float>& out) {
  Product product;
  product.rows = rows.data();
  product.row_stride = rows.stride();
  product.row_count = row_count_;
  product.matrix = matrix.data();
  product.depth = matrix.depth();
  product.out = out.data();
  product.out_stride = out.stride();
  std::tie(product.first_panel, product.last_panel) = team_->Part(thread, matrix.panels());
  loops_.product(product);
}

// Scaled and rounded.
template <typename T>
void LoraGradient<T>::RoundOwn(int thread, float scale, Rows<float>& from, Rows<T>& to) {
  const auto [first, last] = team_->Part(thread, row_count_);
  for (int row = first; row < last; ++row) {
    float* const values = from.row(row);
    for (int64_t i = 0; i < from.stride(); ++i) values[i] *= scale;
    loops_.training.round(values, static_cast<int>(from.stride()), to.row(row));
  }
}

template <typename T>
void LoraGradient<T>::Add(int thread, const LoraTarget<T>& target,
                          const LinearGradient<T>& packed) {
  if (target.modules.empty()) return;
  RoundOwn(thread, target.adapters->scale, *inputs_, *rounded_inputs_);
  RoundOwn(thread, target.adapters->scale, *gradients_, *rounded_gradients_);
  team_->Barrier();
  packed_inputs_.Pack(thread, *team_, loops_.training, *rounded_inputs_, row_count_);
  packed_gradients_.Pack(thread, *team_, loops_.training, *rounded_gradients_, row_count_);
  team_->Barrier();
  for (const typename LoraTarget<T>::Module& module : target.modules)
    AddModule(thread, target, module, packed);
}

template <typename T>
void LoraGradient<T>::AddModule(int thread, const LoraTarget<T>& target,
                                const typename LoraTarget<T>::Module& module,
                                const LinearGradient<T>& packed) {
  const int rank_panels = static_cast<int>(module.a.size()) / kPanelColumns;
  const int64_t offset = int64_t{module.first_panel} * packed_inputs_.depth() * kPanelColumns;
  WeightGradient gradient;
  gradient.depth = packed_inputs_.depth();
  gradient.outputs = packed.outputs().data();
  gradient.inputs = packed_inputs_.data() + offset;
  gradient.input_panels = rank_panels;
  gradient.input_columns = target.adapters->rank;
  gradient.out_rows = module.b.data();
  AddItems(thread, gradient, packed.outputs().panels());
  gradient.outputs = packed_gradients_.data() + offset;
  gradient.inputs = packed.inputs().data();
  gradient.input_panels = packed.inputs().panels();
  gradient.input_columns = target.adapters->in;
  gradient.out_rows = module.a.data();
  AddItems(thread, gradient, rank_panels);
}

template <typename T>
void LoraGradient<T>::AddItems(int thread, WeightGradient gradient, int output_panels) {
  const auto [first, last] = team_->Part(thread, output_panels * gradient.input_panels);
  gradient.first_item = first;
  gradient.last_item = last;
  loops_.training.weight_gradient(gradient);
}

template struct LoraTarget<float>;
template struct LoraTarget<uint16_t>;
template class LoraGradient<float>;
template class LoraGradient<uint16_t>;

}  // namespace tpo
