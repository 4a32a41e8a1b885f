// The forward pass of a language model's layers over rows, in pieces that the threads of a team run
// together; what sampling and training have in common. Internal to policy/language_model/.
//
// Each piece says whose rows it touches: "own" are the thread's part of the rows, and need no
// barrier to follow; otherwise the threads must meet before the next piece reads the result.
#ifndef TPO_POLICY_LANGUAGE_MODEL_FORWARD_LAYERS_H_
#define TPO_POLICY_LANGUAGE_MODEL_FORWARD_LAYERS_H_

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "absl/types/span.h"
#include "policy/language_model/key_value_cache.h"
#include "policy/language_model/language_loops.h"
#include "policy/language_model/language_model.h"
#include "policy/language_model/language_model_weights.h"
#include "policy/language_model/rotary_table.h"
#include "policy/language_model/rows.h"
#include "policy/language_model/thread_team.h"

namespace tpo {

// All borrowed.
template <typename T>
class ForwardLayers {
 public:
  ForwardLayers(const LanguageModelConfig& config, const LanguageLoops& loops,
                const LanguageModelWeights<T>& weights, ThreadTeam* team);

  // Takes up rows and makes room for them; one thread.
  void Begin(absl::Span<const LanguageModelRow> rows, KeyValueCache* cache);
  int row_count() const { return static_cast<int>(rows_.size()); }
  // The thread's own rows.
  std::pair<int, int> OwnRows(int thread) const { return team_->Part(thread, row_count()); }

  // stream = the tokens' embeddings; own rows.
  void Embed(int thread);
  // stream += attention and feed-forward of a layer, with the cache's layer `cache_layer`. Begins
  // and ends between barriers. Own rows of the result may be read at once.
  void Attend(int thread, int layer, int cache_layer);
  void FeedForward(int thread, int layer);

  // The first part of Attend: queries, keys and values of normalised(), in the cache, and
  // attended(). Barriers in between, and after it.
  void AttendOnly(int thread, int layer, int cache_layer);
  // normalised = norm(stream); own rows. `target` is the row of the result.
  void Normalise(const std::vector<float>& weight, int row, int target);
  void NormaliseOwn(int thread, const std::vector<float>& weight);
  // This thread's part of rows · matrix.
  void Multiply(int thread, Rows<T>& rows, const PackedLinear<T>& linear, ProductEnd end,
                Rows<float>* out);
  void MultiplyPart(int thread, const PackedMatrix<T>& matrix, Product& product);

  Rows<float>& stream() { return stream_; }
  Rows<T>& normalised() { return normalised_; }
  // Queries (turned and scaled), keys and values of the last layer; keys as the product gave them,
  // turned.
  Rows<float>& query_key_value() { return query_key_value_; }
  Rows<T>& attended() { return attended_; }
  Rows<T>& gated() { return gated_; }
  const RotaryTable& rotary() const { return rotary_; }
  // A thread's room for AttentionStride of all that a row sees, 8 times, and a head 4 times.
  float* scratch(int thread) { return scratch_[thread].data(); }
  size_t size_bytes() const;

  // Keeps what the product gave before norms of queries and keys, for their gradients; else empty.
  void KeepUnnormalised() { keep_unnormalised_ = true; }
  Rows<float>& unnormalised() { return unnormalised_; }

 private:
  void PlaceInCache(int cache_layer, const LanguageModelLayer<T>& layer, int row);
  void NormaliseHead(const std::vector<float>& weight, float* head);
  void AttendWith(int cache_layer, int row, int key_value_head, float* scratch);

  const LanguageModelConfig& config_;
  const LanguageLoops& all_loops_;
  const TypedLanguageLoops<T>& loops_;
  const LanguageModelWeights<T>& weights_;
  ThreadTeam* const team_;
  RotaryTable rotary_;
  Rows<float> stream_;
  Rows<T> normalised_;
  Rows<float> query_key_value_;
  Rows<float> unnormalised_;
  Rows<T> attended_;
  Rows<T> gated_;
  std::vector<std::vector<float>> scratch_;  // by thread
  bool keep_unnormalised_ = false;
  absl::Span<const LanguageModelRow> rows_;
  KeyValueCache* cache_ = nullptr;
};

extern template class ForwardLayers<float>;
extern template class ForwardLayers<uint16_t>;

}  // namespace tpo

#endif  // TPO_POLICY_LANGUAGE_MODEL_FORWARD_LAYERS_H_
