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
#ifndef TPO_LEARNER_TRAINER_H_
#define TPO_LEARNER_TRAINER_H_

#include <cstdint>
#include <memory>
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
  double grad_norm = 0.0;            // L2, first epoch
  ObjectiveDiagnostics diagnostics;  // first epoch; clip_fraction of the last
  // Mean over the sampled tokens of |the learner's log-prob - the recorded one|; only of an
  // on-policy batch, for which it is rounding noise, else 0.
  double logprob_mismatch = 0.0;
  int64_t forward_nodes = 0;   // tree nodes forwarded per epoch
  int64_t forward_tokens = 0;  // tokens they stand for
  // Log-probs of the batch's entries before the last epoch's update (Batch::Entry), and before the
  // first's.
  std::vector<double> last_log_probs;
  std::vector<double> proximal_log_probs;
  // Scored tokens whose importance weight was truncated or masked.
  double importance_clip_fraction = 0.0;
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
    // For the objectives that aren't TPO; the loss is reported without the weights.
    ImportanceSpec importance = {};
  };

  // All borrowed; must outlive the trainer.
  Trainer(Options options, Policy* policy, const Objective* objective, Optimizer* optimizer);
  ~Trainer();

  // Trains on `batch`, all epochs. `on_policy`: the batch was sampled with the parameters as they
  // are now, so its recorded log-probs may stand in for the first epoch's. INTERNAL: the loss or
  // the gradient isn't finite (the parameters are as before the epoch that failed), a parameter
  // isn't finite after the last one, or LibTorch failed.
  absl::StatusOr<TrainResult> Train(const Batch& batch, bool on_policy);

  // The gradient of the objective at the current parameters, in their order, without a step; for
  // tests and diagnosis.
  absl::StatusOr<std::vector<at::Tensor>> Gradient(const Batch& batch);

 private:
  struct Part;  // one tree

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

  const Options options_;
  Policy* const policy_;
  const Objective* const objective_;
  Optimizer* const optimizer_;
  ParallelTasks tasks_;
  // Kept activations: one pass per part; else one per thread.
  std::vector<std::unique_ptr<TreePass>> passes_;
  // Per sequence of the batch: Σ over its tokens of |log-prob - recorded|, of the last forward
  // pass.
  std::vector<double> mismatch_;
  // Of the batch in training: its entries' log-probs when it was taken, and, with importance
  // correction, the weights of each sequence's scored tokens.
  std::vector<double> proximal_;
  std::vector<std::vector<ImportanceWeight>> importance_;
  bool weigh_tokens_ = false;                              // forward passes enter importance_
  std::vector<at::Tensor> gradients_;                      // of the batch
  std::vector<std::vector<at::Tensor>> thread_gradients_;  // of a part, by thread
};

}  // namespace tpo

#endif  // TPO_LEARNER_TRAINER_H_
