#include "policy/composed/composed_generation.h"

#include <algorithm>
#include <limits>

#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/full.h>
#include <ATen/ops/scaled_dot_product_attention.h>
#include <c10/core/InferenceMode.h>

#include "policy/composed/composed_head.h"

namespace tpo {
namespace {

// Of keys that are gathered at a time, and as many of values.
constexpr int64_t kGatheredElements = int64_t{1} << 25;

// Consecutive rows that attend at a time, and where their positions lie in the cache.
struct GatheredRows {
  int64_t first = 0;
  int64_t count = 0;
  int64_t longest = 0;
  at::Tensor slots;  // [count · longest]
  at::Tensor mask;   // [count, 1, 1, longest], of the type of the computation
};

int LengthOf(const LanguageModelRow& row) {
  int length = 0;
  for (const VisiblePages& run : row.visible) length += run.length;
  return length;
}

int32_t SlotOf(const VisiblePages& run, int position) {
  return run.pages[position / kPagePositions] * kPagePositions + position % kPagePositions;
}

GatheredRows Gather(absl::Span<const LanguageModelRow> rows, int64_t first, int64_t count,
                    int64_t longest, const at::TensorOptions& options) {
  // Beyond a row's end stands its first position, which is hidden there.
  std::vector<int32_t> slots(count * longest);
  at::Tensor mask = at::full({count, 1, 1, longest}, -std::numeric_limits<float>::infinity());
  float* const hides = mask.mutable_data_ptr<float>();
  for (int64_t row = 0; row < count; ++row) {
    int64_t place = row * longest;
    for (const VisiblePages& run : rows[first + row].visible) {
      for (int position = 0; position < run.length; ++position) {
        hides[place] = 0.0F;
        slots[place++] = SlotOf(run, position);
      }
    }
    std::fill(slots.begin() + place, slots.begin() + (row + 1) * longest, slots[row * longest]);
  }
  return {first, count, longest, IndexTensor(slots.data(), {count * longest}, options.device()),
          mask.to(options)};
}

std::vector<GatheredRows> GatherAll(absl::Span<const LanguageModelRow> rows,
                                    int64_t elements_per_position,
                                    const at::TensorOptions& options) {
  const int64_t most = std::max<int64_t>(1, kGatheredElements / elements_per_position);
  std::vector<GatheredRows> chunks;
  int64_t first = 0;
  int64_t longest = 0;
  for (int64_t row = 0; row < static_cast<int64_t>(rows.size()); ++row) {
    // In whole pages, because LibTorch's kernels copy a mask whose rows aren't aligned.
    const int64_t length = PagePool::PagesFor(LengthOf(rows[row])) * int64_t{kPagePositions};
    if (row > first && std::max(longest, length) * (row + 1 - first) > most) {
      chunks.push_back(Gather(rows, first, row - first, longest, options));
      first = row;
      longest = 0;
    }
    longest = std::max(longest, length);
  }
  chunks.push_back(
      Gather(rows, first, static_cast<int64_t>(rows.size()) - first, longest, options));
  return chunks;
}

// [rows, heads · head_dim] of queries [rows, heads, head_dim] of these rows.
at::Tensor AttendToCache(const GatheredRows& rows, const at::Tensor& queries,
                         const at::Tensor& cached_keys, const at::Tensor& cached_values) {
  const int64_t key_value_heads = cached_keys.size(1);
  const int64_t head_dim = queries.size(2);
  const auto gathered = [&](const at::Tensor& cached) {
    return cached.index_select(0, rows.slots)
        .view({rows.count, rows.longest, key_value_heads, head_dim})
        .transpose(1, 2);
  };
  // The queries of a key are the rows of its attention.
  return at::scaled_dot_product_attention(
             queries.reshape({rows.count, key_value_heads, -1, head_dim}), gathered(cached_keys),
             gathered(cached_values), rows.mask)
      .reshape({rows.count, -1});
}

}  // namespace

ComposedCache::ComposedCache(const LanguageModelConfig& config, int pages,
                             const at::TensorOptions& options)
    : PagePool(pages) {
  for (int layer = 0; layer < config.layers; ++layer) {
    for (std::vector<at::Tensor>* const tensors : {&keys, &values}) {
      tensors->push_back(at::empty(
          {int64_t{pages} * kPagePositions, config.key_value_heads, config.head_dim}, options));
    }
  }
}

size_t ComposedCache::PageBytes(const LanguageModelConfig& config, bool bfloat16) {
  return size_t{2} * kPagePositions * config.layers * config.key_value_heads * config.head_dim *
         (bfloat16 ? 2 : 4);
}

at::Tensor ComposedGeneration::Hidden(absl::Span<const LanguageModelRow> rows,
                                      const at::Tensor& wanted, PagePool& cache) const {
  auto& pages = static_cast<ComposedCache&>(cache);
  std::vector<int32_t> tokens;
  std::vector<int32_t> positions;
  std::vector<int32_t> own;
  for (const LanguageModelRow& row : rows) {
    tokens.push_back(row.token);
    positions.push_back(row.position);
    own.push_back(SlotOf(row.visible.back(), row.visible.back().length - 1));
  }
  const auto indices = [&](const std::vector<int32_t>& values) {
    return IndexTensor(values.data(), {static_cast<int64_t>(values.size())}, device());
  };
  const at::Tensor slots = indices(own);
  const ComposedRotary rotary = RotaryOf(config_, indices(positions));
  const std::vector<GatheredRows> chunks = GatherAll(
      rows, int64_t{config_.key_value_heads} * config_.head_dim, weights_.embedding.options());
  at::Tensor x = weights_.embedding.index_select(0, indices(tokens)).to(at::kFloat);
  for (int layer = 0; layer < config_.layers; ++layer) {
    const auto attend = [&](const at::Tensor& queries, const at::Tensor& keys,
                            const at::Tensor& values) {
      pages.keys[layer].index_copy_(0, slots, keys);
      pages.values[layer].index_copy_(0, slots, values);
      std::vector<at::Tensor> attended;
      for (const GatheredRows& chunk : chunks) {
        attended.push_back(AttendToCache(chunk, queries.narrow(0, chunk.first, chunk.count),
                                         pages.keys[layer], pages.values[layer]));
      }
      return attended.size() == 1 ? attended.front() : at::cat(attended);
    };
    x = ForwardLayer(config_, weights_.layers[layer], weights_.lora_scale, rotary, attend, x);
  }
  return RootMeanSquareNorm(config_, x.index_select(0, wanted), weights_.final_norm)
      .to(weights_.head.scalar_type());
}

absl::Span<float> ComposedGeneration::Logits(absl::Span<const LanguageModelRow> rows,
                                             absl::Span<const int> wanted, PagePool& cache) {
  const c10::InferenceMode inference;
  const int64_t count = static_cast<int64_t>(wanted.size());
  const at::Tensor hidden = Hidden(rows, IndexTensor(wanted.data(), {count}, device()), cache);
  const int64_t vocabulary = config_.vocab_size;
  if (!host_logits_.defined() || host_logits_.size(0) < count) {
    host_logits_ = at::Tensor();  // before the new one: it is large
    host_logits_ = at::empty({count, vocabulary},
                             at::TensorOptions(at::kFloat).pinned_memory(device().is_cuda()));
  }
  if (count > 0) host_logits_.narrow(0, 0, count).copy_(HeadLogits(hidden, weights_.head));
  return {host_logits_.mutable_data_ptr<float>(), static_cast<size_t>(count * vocabulary)};
}

}  // namespace tpo
