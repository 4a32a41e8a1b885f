#include "policy/composed/composed_head.h"

#include <algorithm>
#include <numeric>

#include <ATen/TensorIndexing.h>
#include <ATen/TensorOperators.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/linear.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/zeros.h>

#include "policy/composed/composed_layers.h"

namespace tpo {
namespace {

// Of logits that exist at a time, as long as these are some rows; in the forward pass their
// exponentials do, too.
constexpr int64_t kLogitsAtATime = int64_t{1} << 25;
constexpr int64_t kFewestRows = 16;

// A chunk of rows and its entries.
struct Chunk {
  Chunk(const ScoredTokens& scored, int64_t first, int64_t count)
      : first_entry(scored.first_entry(first)),
        entries(scored.first_entry(first + count) - first_entry),
        places(scored.places().narrow(0, first_entry, entries) - first),
        tokens(scored.tokens().narrow(0, first_entry, entries)) {}

  int64_t first_entry;
  int64_t entries;
  at::Tensor places;
  at::Tensor tokens;
};

}  // namespace

at::Tensor HeadLogits(const at::Tensor& hidden, const at::Tensor& head) {
  if (!hidden.is_cpu() && hidden.scalar_type() != at::kFloat)
    return at::mm(hidden, head.t(), at::kFloat);
  return at::linear(hidden, head).to(at::kFloat);
}

ScoredTokens::ScoredTokens(absl::Span<const ScoredRow> scored, at::Device device)
    : order_(scored.size()) {
  std::iota(order_.begin(), order_.end(), 0);
  std::stable_sort(order_.begin(), order_.end(), [&](int32_t left, int32_t right) {
    return scored[left].row < scored[right].row;
  });
  std::vector<int32_t> rows;
  std::vector<int32_t> tokens;
  std::vector<int32_t> places;
  for (const int32_t index : order_) {
    if (rows.empty() || rows.back() != scored[index].row) {
      rows.push_back(scored[index].row);
      begins_.push_back(static_cast<int64_t>(tokens.size()));
    }
    tokens.push_back(scored[index].token);
    places.push_back(static_cast<int32_t>(rows.size()) - 1);
  }
  begins_.push_back(static_cast<int64_t>(tokens.size()));
  const auto on_device = [&](const std::vector<int32_t>& values) {
    return IndexTensor(values.data(), {static_cast<int64_t>(values.size())}, device);
  };
  rows_ = on_device(rows);
  tokens_ = on_device(tokens);
  places_ = on_device(places);
}

at::Tensor ScoredTokens::FromGivenOrder(absl::Span<const double> values) const {
  at::Tensor sorted = at::empty({static_cast<int64_t>(order_.size())}, at::kFloat);
  float* const out = sorted.mutable_data_ptr<float>();
  for (size_t entry = 0; entry < order_.size(); ++entry)
    out[entry] = static_cast<float>(values[order_[entry]]);
  return sorted.to(rows_.device());
}

void ScoredTokens::ToGivenOrder(const at::Tensor& values, absl::Span<double> out) const {
  const at::Tensor host = values.to(at::kCPU);
  const double* const sorted = host.const_data_ptr<double>();
  for (size_t entry = 0; entry < order_.size(); ++entry) out[order_[entry]] = sorted[entry];
}

int64_t ComposedHead::RowsAtATime(const at::Tensor& head) const {
  if (rows_at_a_time_ > 0) return rows_at_a_time_;
  return std::max(kFewestRows, kLogitsAtATime / head.size(0));
}

at::Tensor ComposedHead::Forward(const ScoredTokens& scored, const at::Tensor& hidden,
                                 const at::Tensor& head, double temperature) {
  inverse_temperature_ = 1.0 / static_cast<float>(temperature);
  const auto options = at::TensorOptions().dtype(at::kFloat).device(hidden.device());
  const int64_t rows = hidden.size(0);
  maxima_ = at::empty({rows, 1}, options);
  log_sums_ = at::empty({rows, 1}, options);
  at::Tensor log_probs = at::empty({scored.tokens().size(0)}, options.dtype(at::kDouble));
  entropies_ = at::empty_like(log_probs);
  for (int64_t first = 0; first < rows; first += RowsAtATime(head)) {
    const int64_t count = std::min(RowsAtATime(head), rows - first);
    const Chunk chunk(scored, first, count);
    at::Tensor logits = HeadLogits(hidden.narrow(0, first, count), head);
    const at::Tensor maxima = logits.amax(-1, /*keepdim=*/true);
    logits.sub_(maxima).mul_(inverse_temperature_);
    const at::Tensor picked = logits.index({chunk.places, chunk.tokens}).to(at::kDouble);
    const at::Tensor exponentials = logits.exp();
    const at::Tensor sums = exponentials.sum(-1, /*keepdim=*/true);
    const at::Tensor log_sums = sums.log();
    // -Σ p log p, where log p is the logit less log Σ.
    const at::Tensor means = logits.mul_(exponentials).sum(-1, /*keepdim=*/true).div_(sums);
    entropies_.narrow(0, chunk.first_entry, chunk.entries)
        .copy_((log_sums - means).squeeze(-1).index_select(0, chunk.places));
    maxima_.narrow(0, first, count).copy_(maxima);
    log_sums_.narrow(0, first, count).copy_(log_sums);
    log_probs.narrow(0, chunk.first_entry, chunk.entries)
        .copy_(picked - log_sums.squeeze(-1).index_select(0, chunk.places));
  }
  return log_probs;
}

at::Tensor ComposedHead::Backward(const ScoredTokens& scored, const at::Tensor& hidden,
                                  const at::Tensor& head, const at::Tensor& coefficients,
                                  at::Tensor head_gradient) const {
  at::Tensor hidden_gradient = at::empty_like(hidden);
  for (int64_t first = 0; first < hidden.size(0); first += RowsAtATime(head)) {
    const int64_t count = std::min(RowsAtATime(head), hidden.size(0) - first);
    const Chunk chunk(scored, first, count);
    const at::Tensor rows = hidden.narrow(0, first, count);
    const at::Tensor own = coefficients.narrow(0, chunk.first_entry, chunk.entries);
    const at::Tensor totals = at::zeros({count}, own.options()).index_add_(0, chunk.places, own);
    // d Σ c_e log p_e / d logits[n, v] = (c of v at n - p[n, v] Σ c_e of n) / temperature.
    at::Tensor d_logits = HeadLogits(rows, head);
    d_logits.sub_(maxima_.narrow(0, first, count))
        .mul_(inverse_temperature_)
        .sub_(log_sums_.narrow(0, first, count))
        .exp_()
        .mul_(totals.neg().unsqueeze(-1));
    d_logits.index_put_({chunk.places, chunk.tokens}, own, /*accumulate=*/true);
    const at::Tensor rounded = d_logits.mul_(inverse_temperature_).to(head.scalar_type());
    hidden_gradient.narrow(0, first, count).copy_(at::matmul(rounded, head));
    if (!head_gradient.defined()) continue;
    if (rounded.scalar_type() == head_gradient.scalar_type()) {
      head_gradient.addmm_(rounded.t(), rows);
    } else {
      head_gradient.add_(at::matmul(rounded.t(), rows));
    }
  }
  return hidden_gradient;
}

}  // namespace tpo
