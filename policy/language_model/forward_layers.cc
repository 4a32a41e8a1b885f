#include "policy/language_model/forward_layers.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <tuple>

namespace tpo {
namespace {

void StoreAs(float value, float* to) { *to = value; }
void StoreAs(float value, uint16_t* to) { *to = ToBfloat16(value); }

}  // namespace

template <typename T>
ForwardLayers<T>::ForwardLayers(const LanguageModelConfig& config, const LanguageLoops& loops,
                                const LanguageModelWeights<T>& weights, ThreadTeam* team)
    : config_(config),
      all_loops_(loops),
      loops_(loops.typed<T>()),
      weights_(weights),
      team_(team),
      rotary_(config_),
      stream_(config_.hidden_size),
      normalised_(config_.hidden_size),
      query_key_value_((config_.heads + 2 * config_.key_value_heads) * config_.head_dim),
      unnormalised_(query_key_value_.stride()),
      attended_(int64_t{config_.heads} * config_.head_dim),
      gated_(config_.intermediate_size),
      scratch_(team->size()) {}

template <typename T>
void ForwardLayers<T>::Begin(absl::Span<const LanguageModelRow> rows, KeyValueCache* cache) {
  rows_ = rows;
  cache_ = cache;
  const int64_t count = static_cast<int64_t>(rows_.size());
  stream_.Resize(count);
  normalised_.Resize(count);
  query_key_value_.Resize(count);
  if (keep_unnormalised_) unnormalised_.Resize(count);
  attended_.Resize(count);
  gated_.Resize(count);
  int positions = 0;
  int64_t visible = 0;
  for (const LanguageModelRow& row : rows_) {
    positions = std::max(positions, row.position + 1);
    int64_t length = 0;
    for (const VisiblePages& pages : row.visible) length += pages.length;
    visible = std::max(visible, length);
  }
  rotary_.Extend(positions);
  const size_t scratch =
      8 * AttentionStride(visible) + 4 * RoundUp(config_.head_dim, kPagePositions);
  for (std::vector<float>& memory : scratch_) {
    if (memory.size() < scratch) memory.resize(scratch);
  }
}

template <typename T>
size_t ForwardLayers<T>::size_bytes() const {
  size_t bytes = stream_.size_bytes() + normalised_.size_bytes() + query_key_value_.size_bytes() +
                 unnormalised_.size_bytes() + attended_.size_bytes() + gated_.size_bytes();
  for (const std::vector<float>& memory : scratch_) bytes += memory.size() * sizeof(float);
  return bytes;
}

template <typename T>
void ForwardLayers<T>::Embed(int thread) {
  const auto [first, last] = OwnRows(thread);
  for (int row = first; row < last; ++row)
    weights_.embedding.Unpack(rows_[row].token, stream_.row(row));
}

template <typename T>
void ForwardLayers<T>::Attend(int thread, int index, int cache_layer) {
  const LanguageModelLayer<T>& layer = weights_.layers[index];
  NormaliseOwn(thread, layer.attention_norm);
  team_->Barrier();
  AttendOnly(thread, index, cache_layer);
  Multiply(thread, attended_, layer.attention_output, ProductEnd::kAdd, &stream_);
  team_->Barrier();
}

template <typename T>
void ForwardLayers<T>::FeedForward(int thread, int index) {
  const LanguageModelLayer<T>& layer = weights_.layers[index];
  NormaliseOwn(thread, layer.feed_forward_norm);
  team_->Barrier();
  Multiply(thread, normalised_, layer.gate_up, ProductEnd::kGate, nullptr);
  team_->Barrier();
  Multiply(thread, gated_, layer.down, ProductEnd::kAdd, &stream_);
  team_->Barrier();
}

template <typename T>
void ForwardLayers<T>::AttendOnly(int thread, int index, int cache_layer) {
  const LanguageModelLayer<T>& layer = weights_.layers[index];
  Multiply(thread, normalised_, layer.query_key_value, ProductEnd::kStore, &query_key_value_);
  team_->Barrier();
  const auto [first, last] = OwnRows(thread);
  for (int row = first; row < last; ++row) PlaceInCache(cache_layer, layer, row);
  team_->Barrier();
  const int heads = config_.key_value_heads;
  const auto [first_item, last_item] = team_->Part(thread, row_count() * heads);
  for (int item = first_item; item < last_item; ++item)
    AttendWith(cache_layer, item / heads, item % heads, scratch(thread));
  team_->Barrier();
}

template <typename T>
void ForwardLayers<T>::Normalise(const std::vector<float>& weight, int row, int target) {
  loops_.rms_norm(stream_.row(row), weight.data(), static_cast<float>(config_.norm_epsilon),
                  config_.hidden_size, normalised_.row(target));
}

template <typename T>
void ForwardLayers<T>::NormaliseOwn(int thread, const std::vector<float>& weight) {
  const auto [first, last] = OwnRows(thread);
  for (int row = first; row < last; ++row) Normalise(weight, row, row);
}

template <typename T>
void ForwardLayers<T>::Multiply(int thread, Rows<T>& rows, const PackedLinear<T>& linear,
                                ProductEnd end, Rows<float>* out) {
  Product product;
  product.rows = rows.data();
  product.row_stride = rows.stride();
  product.row_count = row_count();
  product.bias = linear.bias.empty() ? nullptr : linear.bias.data();
  product.end = end;
  product.out = out != nullptr ? out->data() : nullptr;
  product.out_stride = out != nullptr ? out->stride() : gated_.stride();
  product.gated = gated_.data();
  MultiplyPart(thread, linear.matrix, product);
}

template <typename T>
void ForwardLayers<T>::MultiplyPart(int thread, const PackedMatrix<T>& matrix, Product& product) {
  product.matrix = matrix.data();
  product.depth = matrix.depth();
  std::tie(product.first_panel, product.last_panel) = team_->Part(thread, matrix.panels());
  loops_.product(product);
}

// Turns a row's queries and key by its position, and puts key and value into the cache.
template <typename T>
void ForwardLayers<T>::PlaceInCache(int cache_layer, const LanguageModelLayer<T>& layer, int row) {
  const LanguageModelRow& input = rows_[row];
  const int head_dim = config_.head_dim;
  float* head = query_key_value_.row(row);
  if (keep_unnormalised_) {
    std::memcpy(unnormalised_.row(row), head, query_key_value_.stride() * sizeof(float));
  }
  const float scale = 1.0F / std::sqrt(static_cast<float>(head_dim));
  for (int h = 0; h < config_.heads; ++h, head += head_dim) {
    NormaliseHead(layer.query_norm, head);
    rotary_.Turn(input.position, scale, head);
  }
  const VisiblePages& own = input.visible.back();
  const int32_t page = own.pages[(own.length - 1) / kPagePositions];
  const int slot = (own.length - 1) % kPagePositions;
  const int width = static_cast<int>(RoundUp(head_dim, kPagePositions));
  const float* value = head + int64_t{config_.key_value_heads} * head_dim;
  for (int h = 0; h < config_.key_value_heads; ++h, head += head_dim, value += head_dim) {
    NormaliseHead(layer.key_norm, head);
    rotary_.Turn(input.position, 1.0F, head);
    T* const keys = cache_->template Head<T>(cache_layer, h) + page * cache_->page_elements();
    T* const values = keys + int64_t{head_dim} * kPagePositions + slot * width;
    for (int d = 0; d < head_dim; ++d) {
      StoreAs(head[d], keys + d * kPagePositions + slot);
      StoreAs(value[d], values + d);
    }
  }
}

template <typename T>
void ForwardLayers<T>::NormaliseHead(const std::vector<float>& weight, float* head) {
  if (weight.empty()) return;
  all_loops_.float_loops.rms_norm(head, weight.data(), static_cast<float>(config_.norm_epsilon),
                                  config_.head_dim, head);
}

template <typename T>
void ForwardLayers<T>::AttendWith(int cache_layer, int row, int key_value_head, float* scratch) {
  const int group = config_.heads / config_.key_value_heads;
  const int64_t offset = int64_t{key_value_head} * group * config_.head_dim;
  Attention attention;
  attention.queries = query_key_value_.row(row) + offset;
  attention.heads = group;
  attention.head_dim = config_.head_dim;
  attention.cache = cache_->template Head<T>(cache_layer, key_value_head);
  attention.page_stride = cache_->page_elements();
  attention.visible = rows_[row].visible.data();
  attention.visible_count = static_cast<int>(rows_[row].visible.size());
  attention.scratch = scratch;
  attention.out = attended_.row(row) + offset;
  loops_.attention(attention);
}

template class ForwardLayers<float>;
template class ForwardLayers<uint16_t>;

}  // namespace tpo
