// Generates completions of a language model: many prompts at a time, K completions each.
//
// - Continuous batching: each Step forwards one batch, made of the next token of every open
//   completion and of prompts that have just been admitted. What finishes leaves at once and makes
//   room.
// - The K completions of a prompt share its prefill and its cached keys and values.
// - Memory is bounded by the cache's budget: a completion is admitted when pages for all its tokens
//   are free, in the order of submission, so nothing that was admitted is ever thrown out.
// - Reproducible: a token is a function of the weights and of (seed, stream, prompt id, completion
//   index, position). With kernels of the CPU to the last bit, whatever else is in the batch
//   (language_loops.h); composed of LibTorch's operators as far as rounding lets it.
// - Weights can change between two steps (SetModel). Cached keys and values of the completions in
//   flight are then kept or computed anew; no cache outlives its prompt, so no later prompt sees
//   them.
//
// Single-threaded to its caller; computes on the threads of its team, or on the model's device,
// from which logits come to the host. Errors of memory are std::bad_alloc (or LibTorch's), at
// construction, in Submit, or in Step for the buffers of a larger batch; none on the team's
// threads.
#ifndef TPO_ROLLOUT_GENERATION_ENGINE_H_
#define TPO_ROLLOUT_GENERATION_ENGINE_H_

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "core/counter_random.h"
#include "core/types.h"
#include "policy/language_model/language_model.h"
#include "policy/language_model/page_pool.h"
#include "policy/language_model/thread_team.h"
#include "rollout/token_distribution.h"

namespace tpo {

struct GenerationRequest {
  uint64_t prompt_id = 0;  // part of the sampling key
  std::vector<TokenId> prompt;
  int completions = 1;  // K
  TokenSampling sampling;
  int max_tokens = 1;
  // A completion ends with the first of these that is drawn, or whose text its text then contains;
  // what ended it stays part of it.
  std::vector<TokenId> stop_tokens;
  std::vector<std::string> stop_texts;
};

struct GenerationResult {
  uint64_t request = 0;                 // as Submit returned it
  std::vector<Completion> completions;  // [K]; without text
  // OUT_OF_RANGE: its logits are infinite or no numbers, as of weights that diverged; then there
  // are no completions.
  absl::Status status;
};

// What becomes of the cached keys and values of open completions when the weights change.
enum class CacheOnNewWeights {
  kKeep,      // further tokens attend to keys of the older weights
  kRecompute  // all tokens so far are forwarded again
};

class GenerationEngine {
 public:
  struct Options {
    uint64_t seed = 0;
    RandomStream stream = RandomStream::kCompletion;
    int threads = 0;  // 0: one per core
    uint64_t cache_bytes = uint64_t{1} << 30;
    int max_open_completions = 256;
    // Most tokens of prompts, or of a recomputation, that one step forwards.
    int max_prefill_tokens = 512;
    CacheOnNewWeights cache_on_new_weights = CacheOnNewWeights::kKeep;
    // The bytes of a token's text; needed for stop texts only.
    std::function<std::string(TokenId)> token_text = nullptr;
  };

  struct Statistics {
    int64_t steps = 0;
    int64_t prompt_tokens = 0;     // forwarded
    int64_t generated_tokens = 0;  // drawn
    int64_t recomputed_tokens = 0;
    double forward_seconds = 0.0;
    double draw_seconds = 0.0;
  };

  GenerationEngine(Options options, std::shared_ptr<const LanguageModel> model,
                   WeightVersion version);
  ~GenerationEngine();

  // Queues a request; returns its number. INVALID_ARGUMENT: empty, no room for it in the model's
  // positions, a token that isn't one, a value out of range; RESOURCE_EXHAUSTED: one completion of
  // it alone wouldn't fit the cache.
  absl::StatusOr<uint64_t> Submit(GenerationRequest request);

  // Forwards one batch and draws a token for each completion in it. Returns the requests that are
  // finished with it, or failed. Does nothing when idle.
  std::vector<GenerationResult> Step();

  // Forgets a request; false when there is none of that number (any more).
  bool Cancel(uint64_t request);

  // Further tokens come from `model`, of the same config, type and form. INVALID_ARGUMENT
  // otherwise.
  absl::Status SetModel(std::shared_ptr<const LanguageModel> model, WeightVersion version);

  // Nothing is queued or open.
  bool idle() const { return groups_.empty(); }
  int open_completions() const { return open_; }
  int free_pages() const { return cache_->free_pages(); }
  int pages() const { return cache_->pages(); }
  const Statistics& statistics() const { return statistics_; }

  // Submits all, steps until they are finished, and returns their completions in order, or the
  // first failure. For callers that have nothing else in flight.
  absl::StatusOr<std::vector<std::vector<Completion>>> Generate(
      std::vector<GenerationRequest> requests);

 private:
  struct Sequence;
  struct Group;
  struct Batch;

  absl::Status Check(const GenerationRequest& request) const;
  void Admit();
  bool AdmitNext(Group& group);
  void AddRows(Group& group, Batch& batch);
  int AddTokens(absl::Span<const TokenId> tokens, int first_position, int forwarded, int most,
                absl::Span<const VisiblePages> before, const std::vector<int32_t>& pages,
                Batch& batch);
  void Forward(Batch& batch);
  void Draw(Batch& batch);
  void Append(Sequence& sequence, const DrawnToken& drawn, WeightVersion version);
  void Finish(Sequence& sequence, FinishReason reason);
  void Release(std::vector<int32_t>& pages);
  void ReleaseAll(Group& group);
  std::vector<GenerationResult> TakeFinished();

  const Options options_;
  std::shared_ptr<const LanguageModel> model_;
  WeightVersion version_;
  ThreadTeam team_;
  const std::unique_ptr<PagePool> cache_;
  std::unique_ptr<LanguageModelPass> pass_;
  std::vector<TokenDistribution> distributions_;  // by thread
  std::deque<std::unique_ptr<Group>> groups_;     // in the order of submission
  uint64_t next_request_ = 1;
  int open_ = 0;
  Statistics statistics_;
};

}  // namespace tpo

#endif  // TPO_ROLLOUT_GENERATION_ENGINE_H_
