#include "learner/trainer.h"

#include <algorithm>
#include <cmath>
#include <exception>
#include <numeric>
#include <utility>

#include <ATen/ATen.h>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "core/status_macros.h"
#include "policy/threads.h"

namespace tpo {
namespace {

// Parts whose activations are kept between the forward and the backward pass.
constexpr int kKeptParts = 16;
// Trees smaller than this aren't worth a second thread.
constexpr int kSmallestPart = 64;

std::vector<at::Tensor> ZerosLike(const std::vector<NamedParameter>& parameters) {
  std::vector<at::Tensor> tensors;
  for (const NamedParameter& parameter : parameters)
    tensors.push_back(at::zeros_like(parameter.tensor));
  return tensors;
}

}  // namespace

struct Trainer::Part {
  std::vector<int> sequences;  // of the batch
  PrefixTree tree;
};

Trainer::Trainer(Options options, Policy* policy, const Objective* objective, Optimizer* optimizer)
    : options_(options),
      policy_(policy),
      objective_(objective),
      optimizer_(optimizer),
      tasks_(options.threads, UseOneThreadPerOperator),
      gradients_(ZerosLike(policy->parameters())) {
  for (int thread = 0; thread < tasks_.threads(); ++thread) {
    thread_gradients_.push_back(ZerosLike(policy->parameters()));
  }
}

Trainer::~Trainer() = default;

std::vector<Trainer::Part> Trainer::MakeParts(const Batch& batch) {
  const auto sequences = batch.sequences();
  // Pairs of equal parts, so that two cores finish together. Each part repeats the path to its
  // first sequence.
  const int total = CountTreeNodes(sequences);
  const int pairs =
      (total + 2 * options_.micro_batch_tokens - 1) / (2 * options_.micro_batch_tokens);
  const int parts_wanted = total < 2 * kSmallestPart ? 1 : 2 * pairs;
  const int nodes_per_part =
      std::min(options_.micro_batch_tokens, total / parts_wanted + policy_->max_positions());
  std::vector<Part> parts;
  for (std::vector<int>& members : PartitionByPrefix(sequences, nodes_per_part))
    parts.push_back({std::move(members), {}});
  tasks_.Run(static_cast<int>(parts.size()), [&](int index, int) {
    Part& part = parts[index];
    std::vector<TreeSequence> part_sequences;
    for (const int member : part.sequences) part_sequences.push_back(sequences[member]);
    part.tree = BuildPrefixTree(part_sequences, policy_->max_positions());
  });
  return parts;
}

TreePass& Trainer::PassFor(const std::vector<Part>& parts, int part, int thread) {
  return *passes_[parts.size() <= kKeptParts ? part : thread];
}

void Trainer::ForwardPart(const Batch& batch, const Part& part, TreePass& pass,
                          std::vector<double>& log_probs) {
  const auto scored = pass.Forward(part.tree, options_.temperature);
  for (size_t s = 0; s < part.sequences.size(); ++s) {
    const std::vector<int32_t>& indices = part.tree.sequence_scored[s];
    const absl::Span<const float> recorded = batch.recorded_log_probs(part.sequences[s]);
    const double weight = batch.TokenWeight(part.sequences[s]);
    double& mismatch = mismatch_[part.sequences[s]];
    mismatch = 0.0;
    for (size_t i = 0; i < indices.size(); ++i) {
      log_probs[batch.Entry(part.sequences[s], i)] += weight * scored[indices[i]];
      const double log_ratio = scored[indices[i]] - static_cast<double>(recorded[i]);
      mismatch += std::abs(log_ratio);
      if (weigh_tokens_) {
        importance_[part.sequences[s]][i] = TokenImportance(options_.importance, log_ratio);
      }
    }
  }
}

void Trainer::ForwardAll(const Batch& batch, const std::vector<Part>& parts,
                         std::vector<double>& log_probs) {
  std::fill(log_probs.begin(), log_probs.end(), 0.0);
  tasks_.Run(static_cast<int>(parts.size()), [&](int index, int thread) {
    ForwardPart(batch, parts[index], PassFor(parts, index, thread), log_probs);
  });
}

void Trainer::BackwardAll(const Batch& batch, const std::vector<Part>& parts,
                          const std::vector<double>& coefficients, std::vector<double>& log_probs) {
  const bool kept = parts.size() <= kKeptParts;
  if (!kept) std::fill(log_probs.begin(), log_probs.end(), 0.0);
  for (at::Tensor& gradient : gradients_) gradient.zero_();
  Turnstile turnstile;
  tasks_.Run(static_cast<int>(parts.size()), [&](int index, int thread) {
    std::vector<at::Tensor>& gradients = thread_gradients_[thread];
    // Passes even when this part fails: later parts wait for it.
    const absl::Cleanup pass_turn = [&] {
      turnstile.WaitForTurn(index);
      turnstile.Pass();
    };
    const Part& part = parts[index];
    TreePass& pass = PassFor(parts, index, thread);
    if (!kept) ForwardPart(batch, part, pass, log_probs);
    std::vector<double> scored(part.tree.scored.size(), 0.0);
    for (size_t s = 0; s < part.sequences.size(); ++s) {
      const std::vector<int32_t>& indices = part.tree.sequence_scored[s];
      const double weight = batch.TokenWeight(part.sequences[s]);
      for (size_t i = 0; i < indices.size(); ++i) {
        scored[indices[i]] += weight * Importance(part.sequences[s], i) *
                              coefficients[batch.Entry(part.sequences[s], i)];
      }
    }
    // Late in training whole batches have equal scores only, and nothing to learn from.
    const auto is_zero = [](double coefficient) { return coefficient == 0.0; };
    if (std::all_of(scored.begin(), scored.end(), is_zero)) return;
    for (at::Tensor& gradient : gradients) gradient.zero_();
    pass.Backward(scored, gradients);
    turnstile.WaitForTurn(index);
    for (size_t p = 0; p < gradients.size(); ++p) gradients_[p].add_(gradients[p]);
  });
}

ObjectiveOutput Trainer::ComputeGradient(const Batch& batch, const std::vector<Part>& parts,
                                         bool known, std::vector<double>& log_probs) {
  mismatch_.resize(batch.sequences().size());
  const bool kept = parts.size() <= kKeptParts;
  const size_t passes = kept ? parts.size() : tasks_.threads();
  while (passes_.size() < passes) passes_.push_back(policy_->NewPass());
  // Kept activations come with the log-probs; forwarding only for the log-probs is what knowing
  // them saves.
  const bool first = proximal_.empty();
  if (kept || !known) {
    if (first) {
      ForwardFirst(batch, parts, log_probs);
    } else {
      ForwardAll(batch, parts, log_probs);
    }
  }
  if (first) proximal_ = log_probs;
  ObjectiveOutput output = objective_->Evaluate(InputFor(batch, log_probs));
  BackwardAll(batch, parts, output.coefficients, log_probs);
  // The recorded ones stood in for them; the backward pass has forwarded the batch.
  if (first && known && !kept) proximal_ = log_probs;
  return output;
}

void Trainer::ForwardFirst(const Batch& batch, const std::vector<Part>& parts,
                           std::vector<double>& log_probs) {
  importance_.clear();
  weigh_tokens_ = options_.importance.correction != ImportanceCorrection::kNone;
  if (weigh_tokens_) {
    importance_.resize(batch.sequences().size());
    for (size_t s = 0; s < importance_.size(); ++s) {
      importance_[s].resize(batch.recorded_log_probs(static_cast<int>(s)).size());
    }
  }
  ForwardAll(batch, parts, log_probs);
  weigh_tokens_ = false;
}

ObjectiveInput Trainer::InputFor(const Batch& batch, absl::Span<const double> log_probs) const {
  ObjectiveInput input = batch.InputFor(log_probs);
  input.proximal_log_probs = proximal_;
  // The weights lead from the sampling policy to the one that took the batch; from there on it is
  // the ratio to that one which must stay small.
  if (options_.importance.correction != ImportanceCorrection::kNone) {
    input.anchor_log_probs = proximal_;
  }
  return input;
}

double Trainer::ImportanceClipFraction() const {
  int64_t clipped = 0;
  int64_t tokens = 0;
  for (const std::vector<ImportanceWeight>& sequence : importance_) {
    tokens += static_cast<int64_t>(sequence.size());
    clipped += std::count_if(sequence.begin(), sequence.end(),
                             [](const ImportanceWeight& token) { return token.clipped; });
  }
  return static_cast<double>(clipped) / static_cast<double>(std::max<int64_t>(tokens, 1));
}

bool Trainer::ParametersAreFinite() const {
  double sum = 0.0;
  for (const NamedParameter& parameter : policy_->parameters())
    sum += parameter.tensor.sum().item<double>();
  return std::isfinite(sum);
}

double Trainer::GradientNorm() const {
  double sum = 0.0;
  for (const at::Tensor& gradient : gradients_) {
    const double norm = gradient.norm().item<double>();
    sum += norm * norm;
  }
  return std::sqrt(sum);
}

absl::StatusOr<TrainResult> Trainer::Train(const Batch& batch, bool on_policy) {
  TrainResult result;
  UseOneThreadPerOperator();
  try {
    const c10::InferenceMode inference;
    const std::vector<Part> parts = MakeParts(batch);
    for (const Part& part : parts) result.forward_nodes += part.tree.nodes.size();
    result.forward_tokens = batch.token_count();
    std::vector<double> log_probs(batch.anchor_log_probs().begin(), batch.anchor_log_probs().end());
    const bool may_know =
        on_policy && options_.importance.correction == ImportanceCorrection::kNone;
    proximal_.clear();
    for (int epoch = 0; epoch < options_.epochs; ++epoch) {
      const bool known = epoch == 0 && may_know;
      const ObjectiveOutput output = ComputeGradient(batch, parts, known, log_probs);
      const double norm = GradientNorm();
      if (!std::isfinite(output.loss) || !std::isfinite(norm)) {
        return absl::InternalError(absl::StrCat("epoch ", epoch, ": loss ", output.loss,
                                                ", gradient norm ", norm, " is not finite"));
      }
      if (epoch == 0) {
        result.loss = output.loss;
        result.grad_norm = norm;
        result.diagnostics = output.diagnostics;
        if (on_policy) {
          result.logprob_mismatch =
              std::accumulate(mismatch_.begin(), mismatch_.end(), 0.0) /
              std::max<double>(1.0, static_cast<double>(batch.scored_count()));
        }
      }
      result.loss_last_epoch = output.loss;
      result.diagnostics.clip_fraction = output.diagnostics.clip_fraction;
      optimizer_->BeginStep();
      tasks_.Run(optimizer_->parts(),
                 [&](int part, int) { optimizer_->StepPart(part, gradients_); });
    }
    if (!ParametersAreFinite()) {
      return absl::InternalError(
          "a parameter is not finite after the update: the learning rate is too high");
    }
    result.importance_clip_fraction = ImportanceClipFraction();
    result.proximal_log_probs = std::move(proximal_);
    result.last_log_probs = std::move(log_probs);
  } catch (const std::exception& error) {
    return absl::InternalError(absl::StrCat("training failed: ", error.what()));
  }
  return result;
}

absl::StatusOr<std::vector<at::Tensor>> Trainer::Gradient(const Batch& batch) {
  UseOneThreadPerOperator();
  try {
    const c10::InferenceMode inference;
    std::vector<double> log_probs(batch.entry_count());
    proximal_.clear();
    ComputeGradient(batch, MakeParts(batch), /*known=*/false, log_probs);
    std::vector<at::Tensor> gradients;
    for (const at::Tensor& gradient : gradients_) gradients.push_back(gradient.clone());
    return gradients;
  } catch (const std::exception& error) {
    return absl::InternalError(absl::StrCat("gradient failed: ", error.what()));
  }
}

}  // namespace tpo
