#include "policy/language_model/training_pass.h"

#include <cstring>
#include <tuple>
#include <utility>

namespace tpo {
namespace {

LanguageModelConfig WithOneLayer(LanguageModelConfig config) {
  config.layers = 1;
  return config;
}

}  // namespace

template <typename T>
TrainingPass<T>::TrainingPass(const LanguageModelConfig& config, const LanguageLoops& loops,
                              const TrainingWeights<T>& weights, ThreadTeam* team)
    : config_(config),
      all_loops_(loops),
      loops_(loops.typed<T>()),
      weights_(weights),
      team_(team),
      layers_(config, loops, weights.forward, team),
      attention_(config, loops, &layers_, team),
      head_(config, loops, weights, team),
      query_key_value_(loops, team),
      attention_output_(loops, team),
      gate_up_(loops, team),
      down_(loops, team),
      gradient_(config.hidden_size),
      rounded_gradient_(config.hidden_size),
      normalised_gradient_(config.hidden_size),
      gate_sums_(2 * RoundUp(config.intermediate_size, kPanelColumns / 2)),
      gated_gradient_(config.intermediate_size),
      gate_gradient_(gate_sums_.stride()),
      attended_gradient_(int64_t{config.heads} * config.head_dim) {
  if (config.query_key_norm) layers_.KeepUnnormalised();
}

template <typename T>
size_t TrainingPass<T>::size_bytes() const {
  const size_t cache =
      cache_ == nullptr
          ? 0
          : KeyValueCache::PageBytes(WithOneLayer(config_), cache_->bfloat16()) * cache_->pages();
  size_t products = 0;
  for (const ProductGradient* const product :
       {&query_key_value_, &attention_output_, &gate_up_, &down_}) {
    products += product->weights.size_bytes() + product->adapters.size_bytes();
  }
  return cache + products + layers_.size_bytes() + attention_.size_bytes() + head_.size_bytes() +
         gradient_.size_bytes() + rounded_gradient_.size_bytes() +
         normalised_gradient_.size_bytes() + gate_sums_.size_bytes() +
         gated_gradient_.size_bytes() + gate_gradient_.size_bytes() +
         attended_gradient_.size_bytes();
}

template <typename T>
void TrainingPass<T>::BeginLayers(const KeptForward& kept) {
  const int pages = kept.layout.pages();
  if (cache_ == nullptr || cache_->pages() < pages) {
    cache_ = nullptr;
    cache_ = std::make_unique<KeyValueCache>(WithOneLayer(config_), sizeof(T) == sizeof(uint16_t),
                                             pages);
  }
  layers_.Begin(kept.layout.rows(), cache_.get());
}

template <typename T>
void TrainingPass<T>::Forward(const PrefixTree& tree, double temperature, KeptForward* kept) {
  kept->Begin(tree, config_.layers, config_.hidden_size);
  BeginLayers(*kept);
  head_.BeginForward();
  layers_.normalised().Resize(kScoredAtATime);
  team_->Run([&](int thread) {
    const auto [first, last] = layers_.OwnRows(thread);
    const auto keep = [&, first = first, last = last](int half) {
      for (int row = first; row < last; ++row) {
        std::memcpy(kept->stream(half, row), layers_.stream().row(row),
                    kept->hidden_stride * sizeof(float));
      }
    };
    layers_.Embed(thread);
    for (int layer = 0; layer < config_.layers; ++layer) {
      keep(2 * layer);
      layers_.Attend(thread, layer, 0);
      keep(2 * layer + 1);
      layers_.FeedForward(thread, layer);
    }
    keep(2 * config_.layers);
    team_->Barrier();
    head_.Forward(thread, temperature, layers_.normalised(), kept);
  });
}

template <typename T>
void TrainingPass<T>::Backward(absl::Span<const double> coefficients, const KeptForward& kept,
                               const GradientTarget& target) {
  BeginLayers(kept);
  attention_.Begin(kept.layout);
  const int rows = kept.row_count();
  gradient_.Resize(rows);
  rounded_gradient_.Resize(rows);
  normalised_gradient_.Resize(rows);
  gate_sums_.Resize(rows);
  gated_gradient_.Resize(rows);
  gate_gradient_.Resize(rows);
  attended_gradient_.Resize(rows);
  inverses_.resize(rows);
  query_key_value_.weights.Begin(rows, gradient_.stride(), attention_.rows().stride());
  attention_output_.weights.Begin(rows, attended_gradient_.stride(), gradient_.stride());
  gate_up_.weights.Begin(rows, gradient_.stride(), gate_sums_.stride());
  down_.weights.Begin(rows, gated_gradient_.stride(), gradient_.stride());
  const LayerAdapters<T>& adapters = weights_.adapters.front();
  query_key_value_.adapters.Begin(rows, adapters.query_key_value);
  attention_output_.adapters.Begin(rows, adapters.attention_output);
  gate_up_.adapters.Begin(rows, adapters.gate_up);
  down_.adapters.Begin(rows, adapters.down);
  head_.BeginBackward(coefficients, kept, target(HeadName(config_)), target("model.norm.weight"));
  std::vector<LayerTarget<T>> targets;
  for (int layer = 0; layer < config_.layers; ++layer)
    targets.emplace_back(ShapeOfLayer(config_, layer), weights_.adapters[layer], target);
  float* const embedding = target("model.embed_tokens.weight");
  team_->Run([&](int thread) {
    head_.Backward(thread, kept, gradient_);
    for (int layer = config_.layers - 1; layer >= 0; --layer)
      LayerBackward(thread, layer, kept, targets[layer]);
    team_->Barrier();
    AddEmbeddings(thread, kept, embedding);
  });
}

template <typename T>
void TrainingPass<T>::LayerBackward(int thread, int index, const KeptForward& kept,
                                    const LayerTarget<T>& target) {
  FeedForwardBackward(thread, index, kept, target);
  AttentionBackward(thread, index, kept, target);
}

template <typename T>
void TrainingPass<T>::FeedForwardBackward(int thread, int index, const KeptForward& kept,
                                          const LayerTarget<T>& target) {
  const LanguageModelLayer<T>& layer = weights_.forward.layers[index];
  const TransposedLayer<T>& transposed = weights_.transposed[index];
  const auto [first, last] = layers_.OwnRows(thread);
  const int half = 2 * index + 1;
  for (int row = first; row < last; ++row) {
    loops_.training.round(gradient_.row(row), config_.hidden_size, rounded_gradient_.row(row));
  }
  NormaliseKept(thread, half, layer.feed_forward_norm, kept);
  team_->Barrier();
  layers_.Multiply(thread, layers_.normalised(), layer.gate_up, ProductEnd::kStore, &gate_sums_);
  InputGradient(thread, rounded_gradient_, transposed.down, gated_gradient_);
  team_->Barrier();
  const int panels = layer.gate_up.matrix.panels();
  for (int row = first; row < last; ++row) {
    loops_.training.gate(gate_sums_.row(row), panels, layers_.gated().row(row));
    loops_.training.gate_gradient(gate_sums_.row(row), gated_gradient_.row(row), panels,
                                  gate_gradient_.row(row));
  }
  team_->Barrier();
  TakeUp(thread, target.down, layers_.gated(), rounded_gradient_, down_);
  TakeUp(thread, target.gate_up, layers_.normalised(), gate_gradient_, gate_up_);
  InputGradient(thread, gate_gradient_, transposed.gate_up, normalised_gradient_);
  team_->Barrier();
  Add(thread, target.down, down_);
  Add(thread, target.gate_up, gate_up_);
  NormBackward(thread, half, layer.feed_forward_norm, kept);
  NormaliseKept(thread, half - 1, layer.attention_norm, kept);
  team_->Barrier();
  AddNorm(thread, half, kept, target.feed_forward_norm);
}

template <typename T>
void TrainingPass<T>::AttentionBackward(int thread, int index, const KeptForward& kept,
                                        const LayerTarget<T>& target) {
  const LanguageModelLayer<T>& layer = weights_.forward.layers[index];
  const TransposedLayer<T>& transposed = weights_.transposed[index];
  const int half = 2 * index;
  layers_.AttendOnly(thread, index, 0);
  attention_.MirrorPages(thread, *cache_);
  InputGradient(thread, rounded_gradient_, transposed.attention_output, attended_gradient_);
  team_->Barrier();
  attention_.Queries(thread, attended_gradient_);
  team_->Barrier();
  attention_.KeysAndValues(thread, attended_gradient_);
  team_->Barrier();
  attention_.TurnBack(thread, layer);
  team_->Barrier();
  attention_.AddNorms(thread, target.head_norms);
  TakeUp(thread, target.attention_output, layers_.attended(), rounded_gradient_, attention_output_);
  TakeUp(thread, target.query_key_value, layers_.normalised(), attention_.rows(), query_key_value_);
  InputGradient(thread, attention_.rows(), transposed.query_key_value, normalised_gradient_);
  team_->Barrier();
  Add(thread, target.attention_output, attention_output_);
  Add(thread, target.query_key_value, query_key_value_);
  NormBackward(thread, half, layer.attention_norm, kept);
  team_->Barrier();
  AddNorm(thread, half, kept, target.attention_norm);
}

template <typename T>
void TrainingPass<T>::NormaliseKept(int thread, int half, const std::vector<float>& weight,
                                    const KeptForward& kept) {
  const auto [first, last] = layers_.OwnRows(thread);
  for (int row = first; row < last; ++row) {
    loops_.rms_norm(kept.stream(half, row), weight.data(), static_cast<float>(config_.norm_epsilon),
                    config_.hidden_size, layers_.normalised().row(row));
  }
}

template <typename T>
void TrainingPass<T>::NormBackward(int thread, int half, const std::vector<float>& weight,
                                   const KeptForward& kept) {
  const auto [first, last] = layers_.OwnRows(thread);
  for (int row = first; row < last; ++row) {
    inverses_[row] = all_loops_.training.rms_norm_gradient(
        kept.stream(half, row), weight.data(), normalised_gradient_.row(row),
        static_cast<float>(config_.norm_epsilon), config_.hidden_size, gradient_.row(row));
    loops_.training.round(gradient_.row(row), config_.hidden_size, rounded_gradient_.row(row));
  }
}

template <typename T>
void TrainingPass<T>::AddNorm(int thread, int half, const KeptForward& kept, float* target) {
  if (target == nullptr) return;
  const auto [first, last] = team_->Part(thread, config_.hidden_size);
  for (int row = 0; row < kept.row_count(); ++row) {
    all_loops_.training.add_product(normalised_gradient_.row(row) + first,
                                    kept.stream(half, row) + first, last - first, inverses_[row],
                                    target + first);
  }
}

template <typename T>
void TrainingPass<T>::AddEmbeddings(int thread, const KeptForward& kept, float* target) {
  if (target == nullptr) return;
  const auto [first, last] = team_->Part(thread, config_.hidden_size);
  for (int row = 0; row < kept.row_count(); ++row) {
    const int64_t token = kept.layout.rows()[row].token;
    all_loops_.training.add_scaled(gradient_.row(row) + first, last - first, 1.0F,
                                   target + token * config_.hidden_size + first);
  }
}

template <typename T>
void TrainingPass<T>::TakeUp(int thread, const ProductTarget<T>& target, Rows<T>& inputs,
                             Rows<T>& gradients, ProductGradient& gradient) {
  if (!target.wanted()) return;
  gradient.weights.Pack(thread, target.weights, inputs, gradients);
  gradient.adapters.Multiply(thread, target.adapters, inputs, gradients);
}

template <typename T>
void TrainingPass<T>::Add(int thread, const ProductTarget<T>& target, ProductGradient& gradient) {
  gradient.weights.Add(thread, target.weights);
  gradient.adapters.Add(thread, target.adapters, gradient.weights);
}

template <typename T>
void TrainingPass<T>::InputGradient(int thread, Rows<T>& rows, const PackedMatrix<T>& transposed,
                                    Rows<float>& out) {
  Product product;
  product.rows = rows.data();
  product.row_stride = rows.stride();
  product.row_count = layers_.row_count();
  product.out = out.data();
  product.out_stride = out.stride();
  layers_.MultiplyPart(thread, transposed, product);
}

template class TrainingPass<float>;
template class TrainingPass<uint16_t>;

}  // namespace tpo
