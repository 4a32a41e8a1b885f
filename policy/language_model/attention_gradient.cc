#include "policy/language_model/attention_gradient.h"

#include <algorithm>
#include <cmath>
#include <cstring>

namespace tpo {

template <typename T>
AttentionGradient<T>::AttentionGradient(const LanguageModelConfig& config,
                                        const LanguageLoops& loops, ForwardLayers<T>* layers,
                                        ThreadTeam* team)
    : config_(config),
      all_loops_(loops),
      loops_(loops.typed<T>().training),
      layers_(layers),
      team_(team),
      width_(static_cast<int>(RoundUp(config.head_dim, kPagePositions))),
      gradient_((config.heads + 2 * config.key_value_heads) * config.head_dim),
      rows_(gradient_.stride()),
      scratch_(team->size()) {
  for (std::vector<float>& memory : scratch_)
    memory.resize(2 * RoundUp(gradient_.stride(), kPagePositions) +
                  2 * kPagePositions * static_cast<size_t>(width_));
}

template <typename T>
void AttentionGradient<T>::Begin(const TreeLayout& layout) {
  layout_ = &layout;
  const int rows = static_cast<int>(layout.rows().size());
  gradient_.Resize(rows);
  rows_.Resize(rows);
  sums_.resize(std::max(sums_.size(), size_t{1} * rows * config_.heads));
  if (config_.query_key_norm) {
    inverses_.resize(
        std::max(inverses_.size(), size_t{1} * rows * (config_.heads + config_.key_value_heads)));
  }
  const size_t columns = size_t{1} * config_.key_value_heads * layout.pages() * kPagePositions;
  const auto make_room = [](size_t count, AlignedMemory<T>* memory) {
    if (memory->size() >= count) return;
    *memory = AlignedMemory<T>();
    *memory = AlignedMemory<T>(count);
  };
  make_room(columns * config_.head_dim, &key_columns_);
  make_room(columns * config_.head_dim, &value_columns_);
  make_room(columns * width_, &key_rows_);
}

template <typename T>
size_t AttentionGradient<T>::size_bytes() const {
  return (key_columns_.size() + value_columns_.size() + key_rows_.size()) * sizeof(T) +
         gradient_.size_bytes() + rows_.size_bytes() + sums_.size() * sizeof(AttentionSums) +
         inverses_.size() * sizeof(float);
}

// The cache has keys as columns and values as rows; the gradient reads both both ways.
template <typename T>
void AttentionGradient<T>::MirrorPages(int thread, KeyValueCache& cache) {
  const int pages = layout_->pages();
  const int head_dim = config_.head_dim;
  const size_t columns = size_t{kPagePositions} * head_dim;
  const auto [first, last] = team_->Part(thread, pages * config_.key_value_heads);
  for (int item = first; item < last; ++item) {
    const T* const keys =
        cache.template Head<T>(0, item / pages) + int64_t{item % pages} * cache.page_elements();
    const T* const values = keys + columns;
    std::memcpy(key_columns_.data() + item * columns, keys, columns * sizeof(T));
    T* const key_rows = key_rows_.data() + size_t{1} * item * kPagePositions * width_;
    T* const value_columns = value_columns_.data() + item * columns;
    for (int place = 0; place < kPagePositions; ++place) {
      for (int d = 0; d < head_dim; ++d) {
        key_rows[place * width_ + d] = keys[d * kPagePositions + place];
        value_columns[d * kPagePositions + place] = values[place * width_ + d];
      }
    }
  }
}

template <typename T>
AttentionPages AttentionGradient<T>::Pages(int head) const {
  const size_t columns = size_t{kPagePositions} * config_.head_dim;
  const size_t first_page = size_t{1} * head * layout_->pages();
  AttentionPages pages;
  pages.key_columns = key_columns_.data() + first_page * columns;
  pages.value_columns = value_columns_.data() + first_page * columns;
  pages.key_rows = key_rows_.data() + first_page * kPagePositions * width_;
  pages.columns_stride = pages.value_columns_stride = static_cast<int64_t>(columns);
  pages.rows_stride = int64_t{kPagePositions} * width_;
  pages.head_dim = config_.head_dim;
  pages.heads = config_.heads / config_.key_value_heads;
  return pages;
}

template <typename T>
void AttentionGradient<T>::Queries(int thread, Rows<float>& attended_gradient) {
  const int heads = config_.key_value_heads;
  const int group = config_.heads / heads;
  const auto [first, last] = team_->Part(thread, layers_->row_count() * heads);
  for (int item = first; item < last; ++item) {
    const int row = item / heads;
    const int head = item % heads;
    const int64_t offset = int64_t{head} * group * config_.head_dim;
    const absl::Span<const VisiblePages> visible = layout_->rows()[row].visible;
    QueryGradient gradient;
    gradient.pages = Pages(head);
    gradient.queries = layers_->query_key_value().row(row) + offset;
    gradient.attended = attended_gradient.row(row) + offset;
    gradient.visible = visible.data();
    gradient.visible_count = static_cast<int>(visible.size());
    gradient.scratch = layers_->scratch(thread);
    gradient.sums = sums_.data() + size_t{1} * row * config_.heads + head * group;
    gradient.out = gradient_.row(row) + offset;
    loops_.query_gradient(gradient);
  }
}

template <typename T>
void AttentionGradient<T>::KeysAndValues(int thread, Rows<float>& attended_gradient) {
  const int pages = layout_->pages();
  const int head_dim = config_.head_dim;
  const int group = config_.heads / config_.key_value_heads;
  float* const keys = scratch_[thread].data();
  float* const values = keys + kPagePositions * width_;
  const auto [first, last] = team_->Part(thread, pages * config_.key_value_heads);
  for (int item = first; item < last; ++item) {
    const int page = item / config_.key_value_heads;
    const int head = item % config_.key_value_heads;
    const int64_t offset = int64_t{head} * group * head_dim;
    const absl::Span<const PageVisit> visits = layout_->visits(page);
    KeyValueGradient gradient;
    gradient.pages = Pages(head);
    gradient.page = page;
    gradient.visits = visits.data();
    gradient.visit_count = static_cast<int>(visits.size());
    gradient.queries = layers_->query_key_value().data() + offset;
    gradient.query_stride = layers_->query_key_value().stride();
    gradient.attended = attended_gradient.data() + offset;
    gradient.attended_stride = attended_gradient.stride();
    gradient.sums = sums_.data() + head * group;
    gradient.sums_stride = config_.heads;
    gradient.keys = keys;
    gradient.values = values;
    loops_.key_value_gradient(gradient);
    for (int place = 0; place < kPagePositions; ++place) {
      const int row = layout_->RowAt(page, place);
      if (row < 0) break;
      float* const key = gradient_.row(row) + (config_.heads + head) * head_dim;
      float* const value = key + config_.key_value_heads * head_dim;
      for (int d = 0; d < head_dim; ++d) {
        key[d] = keys[d * kPagePositions + place];
        value[d] = values[d * kPagePositions + place];
      }
    }
  }
}

template <typename T>
void AttentionGradient<T>::TurnHeadBack(int row, int head, float scale,
                                        const std::vector<float>& norm, float* out) {
  const int head_dim = config_.head_dim;
  float* const gradient = gradient_.row(row) + int64_t{head} * head_dim;
  layers_->rotary().TurnBack(layout_->rows()[row].position, scale, gradient);
  float* const result = out + int64_t{head} * head_dim;
  if (norm.empty()) {
    std::memcpy(result, gradient, head_dim * sizeof(float));
    return;
  }
  std::memset(result, 0, head_dim * sizeof(float));
  inverses_[size_t{1} * row * (config_.heads + config_.key_value_heads) + head] =
      all_loops_.training.rms_norm_gradient(
          layers_->unnormalised().row(row) + int64_t{head} * head_dim, norm.data(), gradient,
          static_cast<float>(config_.norm_epsilon), head_dim, result);
}

template <typename T>
void AttentionGradient<T>::TurnBack(int thread, const LanguageModelLayer<T>& layer) {
  const int head_dim = config_.head_dim;
  const int turned = config_.heads + config_.key_value_heads;
  const float scale = 1.0F / std::sqrt(static_cast<float>(head_dim));
  float* const out = scratch_[thread].data();
  const auto [first, last] = layers_->OwnRows(thread);
  for (int row = first; row < last; ++row) {
    for (int head = 0; head < turned; ++head) {
      const bool query = head < config_.heads;
      TurnHeadBack(row, head, query ? scale : 1.0F, query ? layer.query_norm : layer.key_norm, out);
    }
    loops_.round(out, turned * head_dim, rows_.row(row));
    loops_.round(gradient_.row(row) + int64_t{turned} * head_dim,
                 config_.key_value_heads * head_dim, rows_.row(row) + int64_t{turned} * head_dim);
  }
}

template <typename T>
void AttentionGradient<T>::AddNorm(int first_head, int head_count, float* target) {
  if (target == nullptr) return;
  const int head_dim = config_.head_dim;
  const int turned = config_.heads + config_.key_value_heads;
  for (int row = 0; row < layers_->row_count(); ++row) {
    for (int head = first_head; head < first_head + head_count; ++head) {
      const int64_t offset = int64_t{head} * head_dim;
      all_loops_.training.add_product(gradient_.row(row) + offset,
                                      layers_->unnormalised().row(row) + offset, head_dim,
                                      inverses_[size_t{1} * row * turned + head], target);
    }
  }
}

template <typename T>
void AttentionGradient<T>::AddNorms(int thread, const HeadNormTargets& targets) {
  if (!config_.query_key_norm) return;
  if (thread == 0) AddNorm(0, config_.heads, targets.query);
  if (thread == team_->size() - 1) AddNorm(config_.heads, config_.key_value_heads, targets.key);
}

template class AttentionGradient<float>;
template class AttentionGradient<uint16_t>;

}  // namespace tpo
