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
  tensors.reserve(parameters.size());
  for (const NamedParameter& parameter : parameters)
    tensors.push_back(at::zeros_like(parameter.tensor));
  return tensors;
}

}  // namespace

struct Trainer::Part {
  std::vector<int> sequences;  // of the batch
  PrefixTree tree;
  // With a reference, of the tree's scored tokens: its log-probs, and those of the last forward
  // pass.
  std::vector<double> reference = {};
  mutable std::vector<double> log_probs = {};
};

Trainer::Trainer(const Options& options, Policy* policy, const Objective* objective,
                 Optimizer* optimizer)
    : options_(options),
      policy_(policy),
      objective_(objective),
      optimizer_(optimizer),
      tasks_(options.threads, PrepareComputingThread),
      serial_(policy->pass_uses_all_cores()),
      gradients_(ZerosLike(policy->parameters())) {
  if (serial_) return;
  for (int thread = 0; thread < tasks_.threads(); ++thread) {
    thread_gradients_.push_back(ZerosLike(policy->parameters()));
  }
}

Trainer::~Trainer() = default;

void Trainer::ForEachPart(const std::vector<Part>& parts, const ParallelTasks::Task& work) {
  const int count = static_cast<int>(parts.size());
  if (!serial_) {
    tasks_.Run(count, work);
    return;
  }
  for (int part = 0; part < count; ++part) work(part, 0);
}

void Trainer::ForEachTensor(const std::function<void(int)>& work) const {
  const int count = static_cast<int>(gradients_.size());
  if (serial_) {
    tasks_.Run(count, [&](int index, int) { work(index); });
  } else {
    for (int index = 0; index < count; ++index) work(index);
  }
}

size_t Trainer::most_kept() const { return serial_ ? 1 : kKeptParts; }

std::vector<Trainer::Part> Trainer::MakeParts(const Batch& batch) {
  const auto sequences = batch.sequences();
  // Pairs of equal parts, so that two cores finish together. Each part repeats the path to its
  // first sequence.
  const int total = CountTreeNodes(sequences);
  const int pairs =
      (total + 2 * options_.micro_batch_tokens - 1) / (2 * options_.micro_batch_tokens);
  const int parts_wanted = total < 2 * kSmallestPart ? 1 : 2 * pairs;
  const int nodes_per_part = serial_ ? options_.micro_batch_tokens
                                     : std::min(options_.micro_batch_tokens,
                                                total / parts_wanted + policy_->max_positions());
  std::vector<Part> parts;
  for (std::vector<int>& members : PartitionByPrefix(sequences, nodes_per_part))
    parts.push_back({std::move(members), {}, {}, {}});
  tasks_.Run(static_cast<int>(parts.size()), [&](int index, int) {
    Part& part = parts[index];
    std::vector<TreeSequence> part_sequences;
    for (const int member : part.sequences) part_sequences.push_back(sequences[member]);
    // All trees exist at a time: paths over a language model's sequences would be most of them.
    part.tree = BuildPrefixTree(part_sequences, serial_ ? 0 : policy_->max_positions());
  });
  if (options_.reference_kl > 0.0) {
    for (Part& part : parts) {
      const auto log_probs = options_.reference(part.tree, options_.temperature);
      part.reference.assign(log_probs.begin(), log_probs.end());
    }
  }
  return parts;
}

TreePass& Trainer::PassFor(const std::vector<Part>& parts, int part, int thread) {
  return *passes_[parts.size() <= most_kept() ? part : thread];
}

void Trainer::ForwardPart(const Batch& batch, const Part& part, TreePass& pass,
                          std::vector<double>& log_probs) {
  const auto scored = pass.Forward(part.tree, options_.temperature);
  if (!part.reference.empty()) part.log_probs.assign(scored.begin(), scored.end());
  for (size_t s = 0; s < part.sequences.size(); ++s) {
    const std::vector<int32_t>& indices = part.tree.sequence_scored[s];
    const absl::Span<const float> recorded = batch.recorded_log_probs(part.sequences[s]);
    const double weight = batch.TokenWeight(part.sequences[s]);
    double& mismatch = mismatch_[part.sequences[s]];
    mismatch = 0.0;
    bool exact = may_be_exact_;
    for (size_t i = 0; i < indices.size(); ++i) {
      log_probs[batch.Entry(part.sequences[s], i)] += weight * scored[indices[i]];
      const double log_ratio = scored[indices[i]] - static_cast<double>(recorded[i]);
      mismatch += std::abs(log_ratio);
      exact = exact && static_cast<float>(scored[indices[i]]) == recorded[i];
      if (weigh_tokens_) {
        importance_[part.sequences[s]][i] = TokenImportance(options_.importance, log_ratio);
      }
    }
    if (first_pass_) exact_[part.sequences[s]] = exact;
  }
  if (!first_pass_) return;
  const auto entropies = pass.Entropies();
  for (size_t s = 0; s < part.sequences.size(); ++s) {
    double& sum = entropy_[part.sequences[s]];
    sum = 0.0;
    for (const int32_t index : part.tree.sequence_scored[s]) sum += entropies[index];
  }
}

void Trainer::ForwardAll(const Batch& batch, const std::vector<Part>& parts,
                         std::vector<double>& log_probs) {
  std::fill(log_probs.begin(), log_probs.end(), 0.0);
  ForEachPart(parts, [&](int index, int thread) {
    ForwardPart(batch, parts[index], PassFor(parts, index, thread), log_probs);
  });
}

void Trainer::BackwardAll(const Batch& batch, const std::vector<Part>& parts,
                          const std::vector<double>& coefficients, std::vector<double>& log_probs) {
  const bool kept = parts.size() <= most_kept();
  if (!kept) std::fill(log_probs.begin(), log_probs.end(), 0.0);
  ForEachTensor([&](int i) { gradients_[i].zero_(); });
  reference_kl_.assign(parts.size(), 0.0);
  Turnstile turnstile;
  ForEachPart(parts, [&](int index, int thread) {
    std::vector<at::Tensor>& gradients = serial_ ? gradients_ : thread_gradients_[thread];
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
    if (!part.reference.empty()) reference_kl_[index] = AddReferencePenalty(batch, part, scored);
    // Late in training whole batches have equal scores only, and nothing to learn from.
    const auto is_zero = [](double coefficient) { return coefficient == 0.0; };
    if (std::all_of(scored.begin(), scored.end(), is_zero)) return;
    if (serial_) {
      pass.Backward(scored, gradients_);
      return;
    }
    for (at::Tensor& gradient : gradients) gradient.zero_();
    pass.Backward(scored, gradients);
    turnstile.WaitForTurn(index);
    for (size_t p = 0; p < gradients.size(); ++p) gradients_[p].add_(gradients[p]);
  });
}

ObjectiveOutput Trainer::ComputeGradient(const Batch& batch, const std::vector<Part>& parts,
                                         bool known, std::vector<double>& log_probs) {
  mismatch_.resize(batch.sequences().size());
  const bool kept = parts.size() <= most_kept();
  const size_t passes = serial_ ? 1 : kept ? parts.size() : tasks_.threads();
  while (passes_.size() < passes) passes_.push_back(policy_->NewPass());
  // Kept activations come with the log-probs; forwarding only for the log-probs is what knowing
  // them saves.
  const bool first = proximal_.empty();
  first_pass_ = first;
  if (first) {
    exact_.assign(batch.sequences().size(), 0);
    entropy_.resize(batch.sequences().size());
  }
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
  first_pass_ = false;
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
  const auto is_exact = [](char exact) { return exact != 0; };
  if (may_be_exact_ && !exact_.empty() && std::all_of(exact_.begin(), exact_.end(), is_exact))
    input.anchor_log_probs = proximal_;
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
  const std::vector<NamedParameter>& parameters = policy_->parameters();
  std::vector<double> sums(parameters.size());
  ForEachTensor([&](int i) { sums[i] = parameters[i].tensor.sum().item<double>(); });
  return std::isfinite(std::accumulate(sums.begin(), sums.end(), 0.0));
}

double Trainer::GradientNorm() const {
  std::vector<double> norms(gradients_.size());
  ForEachTensor([&](int i) { norms[i] = gradients_[i].norm().item<double>(); });
  double sum = 0.0;
  for (const double norm : norms) sum += norm * norm;
  return std::sqrt(sum);
}

double Trainer::AddReferencePenalty(const Batch& batch, const Part& part,
                                    std::vector<double>& scored) const {
  // Beyond, the policy has left the reference for good, and the estimate is noise: there it counts
  // as constant, so that one token doesn't outweigh the batch.
  constexpr double kLargestDifference = 20.0;
  const auto sequences = static_cast<double>(batch.sequences().size());
  double kl = 0.0;
  for (const std::vector<int32_t>& indices : part.tree.sequence_scored) {
    const double weight = 1.0 / (sequences * static_cast<double>(indices.size()));
    for (const int32_t index : indices) {
      const double difference = part.reference[index] - part.log_probs[index];
      const double bounded = std::min(difference, kLargestDifference);
      kl += weight * (std::exp(bounded) - bounded - 1.0);
      if (difference > kLargestDifference) continue;
      scored[index] += options_.reference_kl * weight * (1.0 - std::exp(bounded));
    }
  }
  return kl;
}

std::vector<int> Trainer::NotFinite() const {
  std::vector<int> sequences;
  for (size_t s = 0; s < mismatch_.size(); ++s) {
    if (!std::isfinite(mismatch_[s])) sequences.push_back(static_cast<int>(s));
  }
  return sequences;
}

bool Trainer::Update(const Batch& batch, const ObjectiveOutput& output, int epoch,
                     TrainResult& result) {
  const double norm = GradientNorm();
  if (epoch == 0) {
    result.loss = output.loss;
    result.grad_norm = norm;
    result.diagnostics = output.diagnostics;
    result.reference_kl = std::accumulate(reference_kl_.begin(), reference_kl_.end(), 0.0);
    const double tokens = std::max<double>(1.0, static_cast<double>(batch.scored_count()));
    result.logprob_mismatch = std::accumulate(mismatch_.begin(), mismatch_.end(), 0.0) / tokens;
    result.token_entropy = std::accumulate(entropy_.begin(), entropy_.end(), 0.0) / tokens;
  }
  result.loss_last_epoch = output.loss;
  result.diagnostics.clip_fraction = output.diagnostics.clip_fraction;
  if (!std::isfinite(output.loss) || !std::isfinite(norm)) {
    result.skipped = absl::StrCat("epoch ", epoch, ": loss ", output.loss, ", gradient norm ", norm,
                                  " is not finite");
    result.not_finite = NotFinite();
    return false;
  }
  if (options_.gradient_clip_norm > 0.0 && norm > options_.gradient_clip_norm) {
    const double scale = options_.gradient_clip_norm / norm;
    ForEachTensor([&](int i) { gradients_[i].mul_(scale); });
  }
  if (options_.before_update) options_.before_update();
  optimizer_->BeginStep();
  tasks_.Run(optimizer_->parts(), [&](int part, int) { optimizer_->StepPart(part, gradients_); });
  policy_->OnParametersChanged();
  return true;
}

absl::StatusOr<TrainResult> Trainer::Train(const Batch& batch, bool on_policy) {
  TrainResult result;
  PrepareComputingThread();
  try {
    const c10::InferenceMode inference;
    const std::vector<Part> parts = MakeParts(batch);
    for (const Part& part : parts) result.forward_nodes += part.tree.nodes.size();
    result.forward_tokens = batch.token_count();
    std::vector<double> log_probs(batch.anchor_log_probs().begin(), batch.anchor_log_probs().end());
    const bool may_know =
        on_policy && options_.importance.correction == ImportanceCorrection::kNone;
    proximal_.clear();
    may_be_exact_ = serial_ && may_know;
    for (int epoch = 0; epoch < options_.epochs; ++epoch) {
      const bool known = epoch == 0 && may_know;
      const ObjectiveOutput output = ComputeGradient(batch, parts, known, log_probs);
      if (!Update(batch, output, epoch, result)) break;
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
  PrepareComputingThread();
  try {
    const c10::InferenceMode inference;
    std::vector<double> log_probs(batch.entry_count());
    proximal_.clear();
    may_be_exact_ = false;
    ComputeGradient(batch, MakeParts(batch), /*known=*/false, log_probs);
    std::vector<at::Tensor> gradients;
    for (const at::Tensor& gradient : gradients_) gradients.push_back(gradient.clone());
    return gradients;
  } catch (const std::exception& error) {
    return absl::InternalError(absl::StrCat("gradient failed: ", error.what()));
  }
}

}  // namespace tpo
