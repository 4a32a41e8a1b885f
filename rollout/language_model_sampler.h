// Answers leases with a language model: one generation engine for all lease loops of a worker, so
// that the completions of several leases share its batches.
//
//   lease loops ── Load(weights), Sample(prompts) ──► inbox ──► engine's thread: steps
//
// Weights are taken up when no completion is open that older ones have begun (new requests wait for
// it), or, with SamplingSpec::swap_in_flight, between two steps: then the engine's thread asks for
// newer ones itself, too. Every completion says which version drew which token.
//
// Thread-safe. Owns its thread. A completion is a function of the weights and of (seed, stream,
// prompt id, completion index), whoever else is answered at the same time.
#ifndef TPO_ROLLOUT_LANGUAGE_MODEL_SAMPLER_H_
#define TPO_ROLLOUT_LANGUAGE_MODEL_SAMPLER_H_

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/types/span.h"
#include "core/counter_random.h"
#include "core/learner_api.h"
#include "core/run_spec.h"
#include "core/types.h"
#include "core/weight_snapshot.h"
#include "policy/language_model/language_model_loader.h"
#include "policy/tokenizer/tokenizer.h"
#include "rollout/generation_engine.h"

namespace tpo {

class LanguageModelSampler {
 public:
  struct Options {
    SamplingSpec sampling;  // completions_per_prompt, temperature, max_tokens, …; greedy at 0
    uint64_t seed = 0;
    RandomStream stream = RandomStream::kCompletion;
    int threads = 0;  // of the engine; 0: one per core
    // Makes what computes; none: with kernels of the CPU.
    LanguageModelFactory factory = nullptr;
    // Told what computes, when it begins to; on the engine's thread. May be empty.
    std::function<void(const std::string& note)> on_note = nullptr;
    // With swap_in_flight: the newest weights at hand above a version, or null; called between two
    // steps, on the engine's thread, while no call of Load is at work. May be empty.
    std::function<std::shared_ptr<const WeightSnapshot>(WeightVersion newer_than)> newer_weights;
  };

  // INVALID_ARGUMENT, UNIMPLEMENTED: config or tokenizer are none that is supported. Further errors
  // are LanguageModelLoader's.
  static absl::StatusOr<std::unique_ptr<LanguageModelSampler>> Create(
      std::shared_ptr<const LanguageModelInfo> model, Options options);
  // Whoever waits gets CANCELLED.
  ~LanguageModelSampler();

  // Makes `weights` those of what is sampled from now on; returns when it is so. Nothing happens
  // when the same version or a newer one is there. `registration`: versions of another one don't
  // compare, the learner may have gone back to a checkpoint.
  absl::Status Load(const TensorBundle& weights, WeightVersion version,
                    const std::string& registration);

  // Completions [prompts][K], with text. INVALID_ARGUMENT: a prompt doesn't fit the model;
  // RESOURCE_EXHAUSTED: nor the cache; OUT_OF_RANGE: logits that are infinite or no numbers;
  // INTERNAL: out of memory, or no weights: call Load again. A call goes on to its end, or until
  // one of its prompts fails: what is generated after a lease has expired may still be taken.
  absl::StatusOr<std::vector<std::vector<Completion>>> Sample(absl::Span<const Prompt> prompts);

  // Ends calls in progress, and those to come, with CANCELLED.
  void Close();

 private:
  struct Call;
  // One prompt of a call.
  struct Request {
    GenerationRequest request;
    Call* call = nullptr;
    size_t index = 0;  // among the call's prompts
  };

  LanguageModelSampler(std::shared_ptr<const LanguageModelInfo> model, Options options);

  void Run();
  void Work();
  // Takes up weights that wait, once that is allowed; then hands the engine what is new.
  absl::Status TakeWeights();
  void TakeRequests();
  absl::StatusOr<std::shared_ptr<const LanguageModel>> Pack(const TensorBundle& weights) const;
  void SwapInFlight();
  void TakeNewest() ABSL_EXCLUSIVE_LOCKS_REQUIRED(load_mutex_);
  void Deliver(GenerationResult result);
  // Ends a request, and with it all of its call, which fails.
  void Fail(const Request& request, const absl::Status& failure);
  void FailAll(const absl::Status& failure);
  bool Wakes() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status Adopt(std::shared_ptr<const LanguageModel> model, WeightVersion version);
  GenerationRequest RequestFor(const Prompt& prompt) const;
  std::string TextOf(const Completion& completion) const;

  const std::shared_ptr<const LanguageModelInfo> model_info_;
  const Options options_;
  std::unique_ptr<LanguageModelLoader> loader_;
  std::unique_ptr<const Tokenizer> tokenizer_;  // null: no text

  // Held from when weights are packed until the engine has them, so that both are done once; taken
  // before mutex_. The engine's thread only tries to: who holds it may be waiting for that thread.
  absl::Mutex load_mutex_ ABSL_ACQUIRED_BEFORE(mutex_);
  absl::Mutex mutex_;
  bool closed_ ABSL_GUARDED_BY(mutex_) = false;
  std::string registration_ ABSL_GUARDED_BY(mutex_);
  WeightVersion version_ ABSL_GUARDED_BY(mutex_) = -1;  // that the engine has
  // That it is to have; null: none waits.
  std::shared_ptr<const LanguageModel> next_model_ ABSL_GUARDED_BY(mutex_);
  WeightVersion next_version_ ABSL_GUARDED_BY(mutex_) = -1;
  absl::Status load_status_ ABSL_GUARDED_BY(mutex_);
  std::deque<Request> inbox_ ABSL_GUARDED_BY(mutex_);

  // The engine's thread's.
  std::unique_ptr<GenerationEngine> engine_;
  std::deque<Request> taken_;            // from the inbox, and not yet the engine's
  std::map<uint64_t, Request> running_;  // by the engine's number
  std::thread thread_;                   // last: it uses the members above
};

}  // namespace tpo

#endif  // TPO_ROLLOUT_LANGUAGE_MODEL_SAMPLER_H_
