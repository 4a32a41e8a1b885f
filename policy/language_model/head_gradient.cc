#include "policy/language_model/head_gradient.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <tuple>

#include "policy/language_model/language_model.h"

namespace tpo {

template <typename T>
HeadGradient<T>::HeadGradient(const LanguageModelConfig& config, const LanguageLoops& loops,
                              const TrainingWeights<T>& weights, ThreadTeam* team)
    : config_(config),
      all_loops_(loops),
      loops_(loops.typed<T>()),
      weights_(weights),
      team_(team),
      logits_(config.vocab_size),
      block_sums_(team->size()),
      inputs_(config.hidden_size),
      input_gradient_(config.hidden_size),
      block_(kHeadColumns),
      rounded_block_(kHeadColumns) {}

template <typename T>
size_t HeadGradient<T>::size_bytes() const {
  return logits_.size_bytes() + inputs_.size_bytes() + input_gradient_.size_bytes() +
         block_.size_bytes() + rounded_block_.size_bytes() + packed_inputs_.size_bytes() +
         packed_block_.size_bytes();
}

template <typename T>
void HeadGradient<T>::BeginForward() {
  logits_.Resize(kScoredAtATime);
}

template <typename T>
void HeadGradient<T>::Forward(int thread, double temperature, Rows<T>& normalised,
                              KeptForward* kept) {
  const int count = static_cast<int>(kept->scored_rows.size());
  const int last_half = 2 * config_.layers;
  for (int first = 0; first < count; first += kScoredAtATime) {
    const int rows = std::min(count - first, kScoredAtATime);
    const auto [begin, end] = team_->Part(thread, rows);
    for (int i = begin; i < end; ++i) {
      loops_.rms_norm(kept->stream(last_half, kept->scored_rows[first + i]),
                      weights_.forward.final_norm.data(), static_cast<float>(config_.norm_epsilon),
                      config_.hidden_size, normalised.row(i));
    }
    team_->Barrier();
    const PackedMatrix<T>& head = weights_.forward.head();
    Product product;
    product.rows = normalised.data();
    product.row_stride = normalised.stride();
    product.row_count = rows;
    product.matrix = head.data();
    product.depth = head.depth();
    product.out = logits_.data();
    product.out_stride = logits_.stride();
    std::tie(product.first_panel, product.last_panel) = team_->Part(thread, head.panels());
    loops_.product(product);
    team_->Barrier();
    for (int i = begin; i < end; ++i) {
      const float* const logits = logits_.row(i);
      LogNormaliser& normaliser = kept->normalisers[first + i];
      double entropy = 0.0;
      normaliser =
          MakeLogNormaliser(all_loops_, {logits, static_cast<size_t>(config_.vocab_size)},
                            1.0 / static_cast<float>(temperature), &block_sums_[thread], &entropy);
      for (size_t e = kept->begins[first + i]; e < kept->begins[first + i + 1]; ++e) {
        const int32_t entry = kept->entries[e];
        kept->log_probs[entry] = normaliser.LogProb(logits[kept->scored[entry].token]);
        kept->entropies[entry] = entropy;
      }
    }
    team_->Barrier();
  }
}

template <typename T>
void HeadGradient<T>::BeginBackward(absl::Span<const double> coefficients, const KeptForward& kept,
                                    float* weight, float* norm) {
  const int count = static_cast<int>(kept.scored_rows.size());
  inputs_.Resize(count);
  input_gradient_.Resize(count);
  block_.Resize(count);
  rounded_block_.Resize(count);
  packed_inputs_.Resize(count, inputs_.panels());
  packed_block_.Resize(count, rounded_block_.panels());
  inverses_.resize(count);
  norm_ = norm;
  entries_.clear();
  entry_begins_.assign(1, 0);
  totals_.assign(count, 0.0);
  for (int i = 0; i < count; ++i) {
    for (size_t e = kept.begins[i]; e < kept.begins[i + 1]; ++e) {
      const int32_t entry = kept.entries[e];
      entries_.push_back({i, kept.scored[entry].token, coefficients[entry]});
      totals_[i] += coefficients[entry];
    }
    entry_begins_.push_back(entries_.size());
  }
  weight_rows_.clear();
  if (weight == nullptr) return;
  weight_rows_.resize(RoundUp(config_.vocab_size, kHeadColumns), nullptr);
  for (int token = 0; token < config_.vocab_size; ++token)
    weight_rows_[token] = weight + int64_t{token} * config_.hidden_size;
}

template <typename T>
void HeadGradient<T>::Backward(int thread, const KeptForward& kept, Rows<float>& stream_gradient) {
  const int count = static_cast<int>(kept.scored_rows.size());
  const int last_half = 2 * config_.layers;
  const auto [begin, end] = team_->Part(thread, count);
  for (int i = begin; i < end; ++i) {
    loops_.rms_norm(kept.stream(last_half, kept.scored_rows[i]), weights_.forward.final_norm.data(),
                    static_cast<float>(config_.norm_epsilon), config_.hidden_size, inputs_.row(i));
    std::memset(input_gradient_.row(i), 0, input_gradient_.stride() * sizeof(float));
  }
  team_->Barrier();
  packed_inputs_.Pack(thread, *team_, loops_.training, inputs_, count);
  for (int first = 0; first < config_.vocab_size; first += kHeadColumns) {
    const int columns = std::min(config_.vocab_size - first, kHeadColumns);
    BlockLogits(thread, first, columns);
    team_->Barrier();
    BlockSoftmax(thread, first, columns, kept);
    team_->Barrier();
    BlockInputs(thread, first, columns);
    if (weight_rows_.empty()) continue;
    packed_block_.Pack(thread, *team_, loops_.training, rounded_block_, count);
    team_->Barrier();
    BlockWeights(thread, first, columns);
  }
  team_->Barrier();
  NormBackward(thread, kept, stream_gradient);
}

template <typename T>
void HeadGradient<T>::BlockLogits(int thread, int first_column, int columns) {
  const PackedMatrix<T>& head = weights_.forward.head();
  Product product;
  product.rows = inputs_.data();
  product.row_stride = inputs_.stride();
  product.row_count = static_cast<int>(totals_.size());
  product.matrix = head.data() + int64_t{first_column} * head.depth();
  product.depth = head.depth();
  product.out = block_.data();
  product.out_stride = block_.stride();
  std::tie(product.first_panel, product.last_panel) =
      team_->Part(thread, static_cast<int>(RoundUp(columns, kPanelColumns) / kPanelColumns));
  loops_.product(product);
}

// The gradient of Σ c_e log softmax(logits / T)[t_e] of a row: (Σ_e c_e 1[t_e] - p Σ c_e) / T.
template <typename T>
void HeadGradient<T>::BlockSoftmax(int thread, int first_column, int columns,
                                   const KeptForward& kept) {
  const auto [begin, end] = team_->Part(thread, static_cast<int>(totals_.size()));
  for (int i = begin; i < end; ++i) {
    const LogNormaliser& normaliser = kept.normalisers[i];
    const double inverse = normaliser.inverse_temperature;
    float* const row = block_.row(i);
    all_loops_.training.exponentials(row, columns, normaliser.maximum, static_cast<float>(inverse),
                                     static_cast<float>(-totals_[i] * inverse / normaliser.total));
    std::fill(row + columns, row + kHeadColumns, 0.0F);
    for (size_t e = entry_begins_[i]; e < entry_begins_[i + 1]; ++e) {
      const int column = entries_[e].token - first_column;
      if (column < 0 || column >= columns) continue;
      row[column] += static_cast<float>(entries_[e].coefficient * inverse);
    }
    loops_.training.round(row, kHeadColumns, rounded_block_.row(i));
  }
}

template <typename T>
void HeadGradient<T>::BlockInputs(int thread, int first_column, int columns) {
  const PackedMatrix<T>& transposed = weights_.transposed_head;
  Product product;
  product.rows = rounded_block_.data();
  product.row_stride = rounded_block_.stride();
  product.row_count = static_cast<int>(totals_.size());
  product.matrix = transposed.data() + int64_t{first_column} * kPanelColumns;
  // The matrix has whole panels of the vocabulary.
  product.depth = static_cast<int>(RoundUp(columns, kPanelColumns));
  product.panel_stride = int64_t{transposed.depth()} * kPanelColumns;
  product.end = ProductEnd::kAdd;
  product.out = input_gradient_.data();
  product.out_stride = input_gradient_.stride();
  std::tie(product.first_panel, product.last_panel) = team_->Part(thread, transposed.panels());
  loops_.product(product);
}

template <typename T>
void HeadGradient<T>::BlockWeights(int thread, int first_column, int columns) {
  WeightGradient gradient;
  gradient.outputs = packed_block_.data();
  gradient.inputs = packed_inputs_.data();
  gradient.depth = packed_inputs_.depth();
  gradient.input_panels = packed_inputs_.panels();
  gradient.input_columns = config_.hidden_size;
  gradient.out_rows = weight_rows_.data() + first_column;
  const int panels = static_cast<int>(RoundUp(columns, kPanelColumns) / kPanelColumns);
  const auto [first, last] = team_->Part(thread, panels * packed_inputs_.panels());
  gradient.first_item = first;
  gradient.last_item = last;
  loops_.training.weight_gradient(gradient);
}

template <typename T>
void HeadGradient<T>::NormBackward(int thread, const KeptForward& kept,
                                   Rows<float>& stream_gradient) {
  const int last_half = 2 * config_.layers;
  const int rows = kept.row_count();
  const auto [first, last] = team_->Part(thread, rows);
  size_t i = std::lower_bound(kept.scored_rows.begin(), kept.scored_rows.end(), first) -
             kept.scored_rows.begin();
  for (int row = first; row < last; ++row) {
    std::memset(stream_gradient.row(row), 0, stream_gradient.stride() * sizeof(float));
    if (i == kept.scored_rows.size() || kept.scored_rows[i] != row) continue;
    inverses_[i] = all_loops_.training.rms_norm_gradient(
        kept.stream(last_half, row), weights_.forward.final_norm.data(), input_gradient_.row(i),
        static_cast<float>(config_.norm_epsilon), config_.hidden_size, stream_gradient.row(row));
    ++i;
  }
  team_->Barrier();
  if (norm_ == nullptr) return;
  const auto [column, end] = team_->Part(thread, config_.hidden_size);
  for (size_t s = 0; s < kept.scored_rows.size(); ++s) {
    all_loops_.training.add_product(input_gradient_.row(s) + column,
                                    kept.stream(last_half, kept.scored_rows[s]) + column,
                                    end - column, inverses_[s], norm_ + column);
  }
}

template class HeadGradient<float>;
template class HeadGradient<uint16_t>;

}  // namespace tpo
