#include <algorithm>
#include <cmath>
#include <cstddef>
#include <tuple>
#include <utility>
#include <vector>

#include "policy/language_model/language_model.h"
#include "policy/language_model/language_model_weights.h"
#include "policy/language_model/log_normaliser.h"
#include "policy/language_model/rotary_table.h"

namespace tpo {
namespace {

int64_t RoundUp(int64_t value, int64_t multiple) {
  return (value + multiple - 1) / multiple * multiple;
}

// A matrix whose rows are padded to whole panels, zero from the start; keeps its memory.
template <typename T>
class Rows {
 public:
  explicit Rows(int64_t columns) : stride_(RoundUp(columns, kPanelColumns)) {}

  void Resize(int64_t rows) {
    if (rows <= rows_) return;
    memory_ = AlignedMemory<T>();  // before the new one: they needn't fit side by side
    memory_ = AlignedMemory<T>(static_cast<size_t>(rows * stride_));
    rows_ = rows;
  }
  T* data() { return memory_.data(); }
  T* row(int64_t row) { return memory_.data() + row * stride_; }
  int64_t stride() const { return stride_; }

 private:
  const int64_t stride_;
  int64_t rows_ = 0;
  AlignedMemory<T> memory_;
};

void StoreAs(float value, float* to) { *to = value; }
void StoreAs(float value, uint16_t* to) { *to = ToBfloat16(value); }

template <typename T>
class PassOf : public LanguageModelPass {
 public:
  PassOf(std::shared_ptr<const LanguageModel> model, ThreadTeam* team)
      : model_(std::move(model)),
        config_(model_->config()),
        weights_(model_->weights<T>()),
        loops_(model_->loops().typed<T>()),
        team_(team),
        rotary_(config_),
        stream_(config_.hidden_size),
        normalised_(config_.hidden_size),
        query_key_value_((config_.heads + 2 * config_.key_value_heads) * config_.head_dim),
        attended_(int64_t{config_.heads} * config_.head_dim),
        gated_(config_.intermediate_size),
        logits_(config_.vocab_size),
        scratch_(team->size()),
        block_sums_(team->size()) {}

  absl::Span<float> Forward(absl::Span<const LanguageModelRow> rows, absl::Span<const int> wanted,
                            KeyValueCache& cache) override {
    rows_ = rows;
    cache_ = &cache;
    MakeRoom(wanted.size());
    team_->Run([&](int thread) {
      ForwardLayers(thread);
      ComputeLogits(thread, wanted);
    });
    return {logits_.data(), static_cast<size_t>(logits_.stride()) * wanted.size()};
  }

  int64_t logits_stride() const override { return logits_.stride(); }

  void Score(absl::Span<const LanguageModelRow> rows, absl::Span<const ScoredRow> scored,
             double temperature, KeyValueCache& cache, absl::Span<double> log_probs) override {
    rows_ = rows;
    cache_ = &cache;
    // The rows that are scored, each once, and where its entries begin.
    std::vector<int> scored_rows;
    std::vector<size_t> begins;
    for (size_t e = 0; e < scored.size(); ++e) {
      if (e > 0 && scored[e].row == scored[e - 1].row) continue;
      scored_rows.push_back(scored[e].row);
      begins.push_back(e);
    }
    begins.push_back(scored.size());
    MakeRoom(std::min<size_t>(scored_rows.size(), kScoredAtATime));
    team_->Run([&](int thread) {
      ForwardLayers(thread);
      const int count = static_cast<int>(scored_rows.size());
      for (int first = 0; first < count; first += kScoredAtATime) {
        const auto chunk = absl::MakeConstSpan(scored_rows).subspan(first, kScoredAtATime);
        ComputeLogits(thread, chunk);
        team_->Barrier();
        const auto [begin, end] = team_->Part(thread, static_cast<int>(chunk.size()));
        for (int i = begin; i < end; ++i) {
          const float* const logits = logits_.row(i);
          const LogNormaliser normaliser =
              MakeLogNormaliser(model_->loops(), {logits, static_cast<size_t>(config_.vocab_size)},
                                1.0 / temperature, &block_sums_[thread]);
          for (size_t e = begins[first + i]; e < begins[first + i + 1]; ++e)
            log_probs[e] = normaliser.LogProb(logits[scored[e].token]);
        }
        team_->Barrier();
      }
    });
  }

 private:
  void MakeRoom(size_t logits) {
    const int64_t count = static_cast<int64_t>(rows_.size());
    stream_.Resize(count);
    normalised_.Resize(count);
    query_key_value_.Resize(count);
    attended_.Resize(count);
    gated_.Resize(count);
    logits_.Resize(static_cast<int64_t>(logits));
    int positions = 0;
    int64_t visible = 0;
    for (const LanguageModelRow& row : rows_) {
      positions = std::max(positions, row.position + 1);
      int64_t length = 0;
      for (const VisiblePages& pages : row.visible) length += RoundUp(pages.length, kPagePositions);
      visible = std::max(visible, length);
    }
    rotary_.Extend(positions);
    constexpr int kHeadsAtATime = 4;
    const size_t scratch = kHeadsAtATime * (visible + RoundUp(config_.head_dim, kPagePositions));
    for (std::vector<float>& memory : scratch_) {
      if (memory.size() < scratch) memory.resize(scratch);
    }
  }

  // All that one thread does; the threads meet wherever one needs what another has computed.
  void ForwardLayers(int thread) {
    const auto [first, last] = team_->Part(thread, static_cast<int>(rows_.size()));
    for (int row = first; row < last; ++row) {
      weights_.embedding.Unpack(rows_[row].token, stream_.row(row));
      Normalise(weights_.layers.front().attention_norm, row, row);
    }
    team_->Barrier();
    for (size_t index = 0; index < weights_.layers.size(); ++index) {
      const LanguageModelLayer<T>& layer = weights_.layers[index];
      const bool is_last = index + 1 == weights_.layers.size();
      Attend(thread, static_cast<int>(index), layer);
      for (int row = first; row < last; ++row) Normalise(layer.feed_forward_norm, row, row);
      team_->Barrier();
      Multiply(thread, normalised_, layer.gate_up, ProductEnd::kGate, nullptr);
      team_->Barrier();
      Multiply(thread, gated_, layer.down, ProductEnd::kAdd, &stream_);
      team_->Barrier();
      if (is_last) break;
      for (int row = first; row < last; ++row) {
        Normalise(weights_.layers[index + 1].attention_norm, row, row);
      }
      team_->Barrier();
    }
  }

  void Attend(int thread, int index, const LanguageModelLayer<T>& layer) {
    Multiply(thread, normalised_, layer.query_key_value, ProductEnd::kStore, &query_key_value_);
    team_->Barrier();
    const auto [first, last] = team_->Part(thread, static_cast<int>(rows_.size()));
    for (int row = first; row < last; ++row) PlaceInCache(index, layer, row);
    team_->Barrier();
    const int heads = config_.key_value_heads;
    const auto [first_item, last_item] =
        team_->Part(thread, static_cast<int>(rows_.size()) * heads);
    for (int item = first_item; item < last_item; ++item) {
      AttendWith(index, item / heads, item % heads, scratch_[thread].data());
    }
    team_->Barrier();
    Multiply(thread, attended_, layer.attention_output, ProductEnd::kAdd, &stream_);
    team_->Barrier();
  }

  void Normalise(const std::vector<float>& weight, int row, int target) {
    loops_.rms_norm(stream_.row(row), weight.data(), static_cast<float>(config_.norm_epsilon),
                    config_.hidden_size, normalised_.row(target));
  }

  // This thread's part of rows · matrix.
  void Multiply(int thread, Rows<T>& rows, const PackedLinear<T>& linear, ProductEnd end,
                Rows<float>* out) {
    Product product;
    product.rows = rows.data();
    product.row_stride = rows.stride();
    product.row_count = static_cast<int>(rows_.size());
    product.bias = linear.bias.empty() ? nullptr : linear.bias.data();
    product.end = end;
    product.out = out != nullptr ? out->data() : nullptr;
    product.out_stride = out != nullptr ? out->stride() : gated_.stride();
    product.gated = gated_.data();
    MultiplyPart(thread, linear.matrix, product);
  }

  void MultiplyPart(int thread, const PackedMatrix<T>& matrix, Product& product) {
    product.matrix = matrix.data();
    product.depth = matrix.depth();
    std::tie(product.first_panel, product.last_panel) = team_->Part(thread, matrix.panels());
    loops_.product(product);
  }

  // Turns a row's queries and key by its position, and puts key and value into the cache.
  void PlaceInCache(int layer_index, const LanguageModelLayer<T>& layer, int row) {
    const LanguageModelRow& input = rows_[row];
    const int head_dim = config_.head_dim;
    float* head = query_key_value_.row(row);
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
      T* const keys = cache_->template Head<T>(layer_index, h) + page * cache_->page_elements();
      T* const values = keys + int64_t{head_dim} * kPagePositions + slot * width;
      for (int d = 0; d < head_dim; ++d) {
        StoreAs(head[d], keys + d * kPagePositions + slot);
        StoreAs(value[d], values + d);
      }
    }
  }

  void NormaliseHead(const std::vector<float>& weight, float* head) {
    if (weight.empty()) return;
    model_->loops().float_loops.rms_norm(
        head, weight.data(), static_cast<float>(config_.norm_epsilon), config_.head_dim, head);
  }

  void AttendWith(int layer, int row, int key_value_head, float* scratch) {
    const int group = config_.heads / config_.key_value_heads;
    const int64_t offset = int64_t{key_value_head} * group * config_.head_dim;
    Attention attention;
    attention.queries = query_key_value_.row(row) + offset;
    attention.heads = group;
    attention.head_dim = config_.head_dim;
    attention.cache = cache_->template Head<T>(layer, key_value_head);
    attention.page_stride = cache_->page_elements();
    attention.visible = rows_[row].visible.data();
    attention.visible_count = static_cast<int>(rows_[row].visible.size());
    attention.scratch = scratch;
    attention.out = attended_.row(row) + offset;
    loops_.attention(attention);
  }

  // Logits of the wanted rows, which move to the front of `normalised_`.
  void ComputeLogits(int thread, absl::Span<const int> wanted) {
    const int count = static_cast<int>(wanted.size());
    const auto [first, last] = team_->Part(thread, count);
    for (int i = first; i < last; ++i) Normalise(weights_.final_norm, wanted[i], i);
    team_->Barrier();
    if (count == 0) return;
    Product product;
    product.rows = normalised_.data();
    product.row_stride = normalised_.stride();
    product.row_count = count;
    product.out = logits_.data();
    product.out_stride = logits_.stride();
    MultiplyPart(thread, weights_.head(), product);
  }

  const std::shared_ptr<const LanguageModel> model_;
  const LanguageModelConfig& config_;
  const LanguageModelWeights<T>& weights_;
  const TypedLanguageLoops<T>& loops_;
  ThreadTeam* const team_;
  RotaryTable rotary_;
  Rows<float> stream_;
  Rows<T> normalised_;
  Rows<float> query_key_value_;
  Rows<T> attended_;
  Rows<T> gated_;
  Rows<float> logits_;
  // By thread.
  std::vector<std::vector<float>> scratch_;
  std::vector<std::vector<float>> block_sums_;
  // Of the pass at hand.
  absl::Span<const LanguageModelRow> rows_;
  KeyValueCache* cache_ = nullptr;
};

}  // namespace

std::unique_ptr<LanguageModelPass> LanguageModelPass::Create(
    std::shared_ptr<const LanguageModel> model, ThreadTeam* team) {
  if (model->bfloat16()) return std::make_unique<PassOf<uint16_t>>(std::move(model), team);
  return std::make_unique<PassOf<float>>(std::move(model), team);
}

}  // namespace tpo
