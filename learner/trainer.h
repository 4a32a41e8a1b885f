// Turns a batch of groups into optimizer steps: the exact gradient of the objective, in constant
// memory.
//
// The batch becomes prefix trees of bounded size (policy/prefix_tree.h). Each epoch takes the
// log-probs of all trees, asks the objective for the coefficients, and backpropagates tree by tree.
// While the batch is small, the trees' activations are kept between the two, so each tree is
// forwarded once; a larger one is forwarded again for the backward pass (in the first epoch the
// recorded log-probs stand in for the first pass when the batch is on-policy). Either way the sum
// is the gradient of the whole batch, and it is added up in a fixed order: neither threads nor
// scheduling change a bit of it.
//
// Of a batch that an older policy sampled, the log-probs of the first epoch's forward pass are the
// proximal ones: what the learner's own policy says when it takes the batch
// (learner/objectives/anchoring.h, importance.h).
//
// A policy whose passes work on all cores (policy.h) gets one pass at a time, which adds to the
// batch's gradient directly; its activations are kept only where one tree is the whole batch, so
// memory doesn't grow with the batch.
//
// An update whose loss or gradient isn't finite is left out, and with it the batch's later ones:
// parameters and optimizer stay as they were before it.
#ifndef TPO_LEARNER_TRAINER_H_
#define TPO_LEARNER_TRAINER_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>

#include "absl/status/statusor.h"
#include "core/lease_book.h"
#include "learner/batch.h"
#include "learner/objectives/importance.h"
#include "learner/objectives/objective.h"
#include "learner/optimizers/optimizer.h"
#include "learner/parallel.h"
#include "policy/policy.h"

namespace tpo {

// What one batch's training did.
struct TrainResult {
  double loss = 0.0;  // first epoch
  double loss_last_epoch = 0.0;
  double grad_norm = 0.0;            // L2, first epoch, before it is clipped
  ObjectiveDiagnostics diagnostics;  // first epoch; clip_fraction of the last
  // Mean over the sampled tokens of |the learner's log-prob - the recorded one|, first epoch: of an
  // on-policy batch rounding noise, of a stale one also what the policy has changed since.
  double logprob_mismatch = 0.0;
  // Mean over the sampled tokens of the entropy of the learner's distribution there, in nats, first
  // epoch.
  double token_entropy = 0.0;
  int64_t forward_nodes = 0;   // tree nodes forwarded per epoch
  int64_t forward_tokens = 0;  // tokens they stand for
  // Log-probs of the batch's entries before the last epoch's update (Batch::Entry), and before the
  // first's.
  std::vector<double> last_log_probs;
  std::vector<double> proximal_log_probs;
  // Scored tokens whose importance weight was truncated or masked.
  double importance_clip_fraction = 0.0;
  double reference_kl = 0.0;  // first epoch; unweighted
  // Why an update was left out; empty: none was. Sequences of the batch whose log-prob wasn't
  // finite then; none: it was the gradient.
  std::string skipped;
  std::vector<int> not_finite;
};

// Single-threaded to its caller (the learner's thread), whose LibTorch operators it makes run on
// one thread each; owns the other threads that compute.
class Trainer {
 public:
  struct Options {
    int epochs = 1;
    // Most tree nodes in one pass.
    int micro_batch_tokens = 512;
    int threads = 0;  // 0: one per core
    double temperature = 1.0;
    // With reference_kl above 0: the log-probs of a tree's scored tokens by the reference, valid
    // until the next call. The loss is reported without the penalty.
    double reference_kl = 0.0;
    std::function<absl::Span<const double>(const PrefixTree& tree, double temperature)> reference =
        nullptr;
    double gradient_clip_norm = 0.0;  // a larger gradient is scaled down to it; 0: none is
    // Called before parameters and optimizer change; may be empty.
    std::function<void()> before_update = nullptr;
    // For the objectives that aren't TPO; the loss is reported without the weights.
    ImportanceSpec importance = {};
  };

  // All borrowed; must outlive the trainer.
  Trainer(const Options& options, Policy* policy, const Objective* objective, Optimizer* optimizer);
  ~Trainer();

  // Trains on `batch`, all epochs. `on_policy`: the batch was sampled with the parameters as they
  // are now, so its recorded log-probs may stand in for the first epoch's. INTERNAL: a parameter
  // isn't finite after the last update, or LibTorch failed or ran out of memory.
  absl::StatusOr<TrainResult> Train(const Batch& batch, bool on_policy);

  // The gradient of the objective at the current parameters, in their order, without a step; for
  // tests and diagnosis.
  absl::StatusOr<std::vector<at::Tensor>> Gradient(const Batch& batch);

 private:
  struct Part;  // one tree

  // Calls work(index) for each tensor of the parameters; on all threads where they are large.
  void ForEachTensor(const std::function<void(int)>& work) const;
  // Calls work(part, thread) for all parts, on all threads, or one after the other.
  void ForEachPart(const std::vector<Part>& parts, const ParallelTasks::Task& work);

  std::vector<Part> MakeParts(const Batch& batch);
  // The pass that forwards a part, with room for its activations until the part's backward when
  // they are kept.
  TreePass& PassFor(const std::vector<Part>& parts, int part, int thread);
  // Forwards one part, and enters its log-probs, and how far they are from the recorded ones.
  void ForwardPart(const Batch& batch, const Part& part, TreePass& pass,
                   std::vector<double>& log_probs);
  bool ParametersAreFinite() const;
  // Log-probs of all entries.
  void ForwardAll(const Batch& batch, const std::vector<Part>& parts,
                  std::vector<double>& log_probs);
  // gradients_ = Σ coefficients · d log-probs. Forwards parts again whose activations weren't kept,
  // and enters their log-probs.
  void BackwardAll(const Batch& batch, const std::vector<Part>& parts,
                   const std::vector<double>& coefficients, std::vector<double>& log_probs);
  // Adds the penalty's coefficients of a part that has been forwarded to `scored`; returns its part
  // of the divergence.
  double AddReferencePenalty(const Batch& batch, const Part& part,
                             std::vector<double>& scored) const;
  // The first forward pass of a batch: remembers what depends on the policy that took it.
  void ForwardFirst(const Batch& batch, const std::vector<Part>& parts,
                    std::vector<double>& log_probs);
  ObjectiveInput InputFor(const Batch& batch, absl::Span<const double> log_probs) const;
  // By which the i-th scored token of a sequence counts; 1 without correction.
  double Importance(int sequence, size_t i) const {
    return importance_.empty() ? 1.0 : importance_[sequence][i].weight;
  }
  double ImportanceClipFraction() const;
  // One gradient. `log_probs` are those of the entries now; with `known` they are also given, as
  // far as the objective needs. The first call after proximal_ was cleared is the first epoch's.
  ObjectiveOutput ComputeGradient(const Batch& batch, const std::vector<Part>& parts, bool known,
                                  std::vector<double>& log_probs);
  double GradientNorm() const;
  // One update. False: it was left out, and `result` says why.
  bool Update(const Batch& batch, const ObjectiveOutput& output, int epoch, TrainResult& result);
  // Parts whose activations are kept.
  size_t most_kept() const;
  // Sequences with a log-prob that isn't finite.
  std::vector<int> NotFinite() const;

  const Options options_;
  Policy* const policy_;
  const Objective* const objective_;
  Optimizer* const optimizer_;
  mutable ParallelTasks tasks_;
  const bool serial_;  // passes work on all cores: one at a time
  // Kept activations: one pass per part; else one per thread.
  std::vector<std::unique_ptr<TreePass>> passes_;
  // Per sequence of the batch: Σ over its tokens of |log-prob - recorded|, of the last forward
  // pass.
  std::vector<double> mismatch_;
  std::vector<double> entropy_;  // by sequence: sum over its tokens, first epoch
  // Of the batch in training: its entries' log-probs when it was taken, and, with importance
  // correction, the weights of each sequence's scored tokens.
  std::vector<double> proximal_;
  // Of a language model's on-policy batch: per sequence, whether the recorded log-probs are the
  // learner's own, rounded; then the learner's own are the anchor, so that what rounding leaves of
  // a group without variance isn't a gradient, which Adam would make a full step of.
  std::vector<double> reference_kl_;  // of the last gradient, by part
  bool may_be_exact_ = false;
  bool first_pass_ = false;  // over the batch: enters exact_
  std::vector<char> exact_;
  std::vector<std::vector<ImportanceWeight>> importance_;
  bool weigh_tokens_ = false;                              // forward passes enter importance_
  std::vector<at::Tensor> gradients_;                      // of the batch
  std::vector<std::vector<at::Tensor>> thread_gradients_;  // of a part, by thread; unless serial_
};

}  // namespace tpo

#endif  // TPO_LEARNER_TRAINER_H_
