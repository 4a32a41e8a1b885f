// The inner loops of the language model on a CPU: one source (language_loops.inc), compiled once
// per instruction set; BestLanguageLoops chooses at start. Internal to policy/language_model/.
//
// What a loop computes for a row never depends on the other rows of the call, nor on how the work
// is split over threads: each sum is taken in one fixed order. So a token's log-prob is the same to
// the last bit whether it is sampled or trained on, alone or in a batch.
//
// T is the computation's type: float, or the bits of a bfloat16 (uint16_t). Sums are float.
#ifndef TPO_POLICY_LANGUAGE_MODEL_LANGUAGE_LOOPS_H_
#define TPO_POLICY_LANGUAGE_MODEL_LANGUAGE_LOOPS_H_

#include <cstdint>
#include <type_traits>
#include <vector>

#include "policy/language_model/language_layout.h"
#include "policy/language_model/training_loops.h"

namespace tpo {

// Values that one sum of ExponentialSums is over.
inline constexpr int kSumBlock = 256;

// What becomes of a product's sums [rows, columns], the bias added.
enum class ProductEnd {
  kStore,  // out = sums
  kAdd,    // out += sums
  // Of each panel, columns 0–15 are gates and 16–31 values: gated[row, 16 · panel + i] =
  // silu(gate i) · value i.
  kGate
};

// Rows times a packed matrix, for some of its panels.
struct Product {
  const void* rows = nullptr;  // T [row_count, row_stride], zero from the depth to its even end
  int64_t row_stride = 0;      // in elements
  int row_count = 0;
  const void* matrix = nullptr;
  int depth = 0;             // of the packed matrix, or of a part of it
  int64_t panel_stride = 0;  // elements from a panel to the next; 0: depth · kPanelColumns
  int first_panel = 0;
  int last_panel = 0;           // exclusive
  const float* bias = nullptr;  // [columns of the packed matrix], or none
  ProductEnd end = ProductEnd::kStore;
  float* out = nullptr;  // [row_count, out_stride]
  int64_t out_stride = 0;
  void* gated = nullptr;  // T [row_count, out_stride], kGate
};

// The heads of one row that share a key-value head. A sum over positions has one order, however the
// positions are cut into runs.
struct Attention {
  const float* queries = nullptr;  // [heads, head_dim], scaled by 1/sqrt(head_dim)
  int heads = 0;
  int head_dim = 0;
  const void* cache = nullptr;  // T: page 0 of the layer and key-value head
  int64_t page_stride = 0;      // elements from a page to the next
  const VisiblePages* visible = nullptr;
  int visible_count = 0;
  // [4, AttentionStride(visible positions)] and [4, head_dim to a multiple of 16].
  float* scratch = nullptr;
  void* out = nullptr;  // T [heads, head_dim]
};

// Room for the scores of that many positions.
inline constexpr int64_t AttentionStride(int64_t positions) {
  return (positions + 2 * kPagePositions - 1) / kPagePositions * kPagePositions;
}

template <typename T>
struct TypedLanguageLoops {
  void (*product)(const Product& product);
  // out = values / rms(values) · weight
  void (*rms_norm)(const float* values, const float* weight, float epsilon, int size, T* out);
  void (*attention)(const Attention& attention);
  TypedTrainingLoops<T> training;
};

struct LanguageLoops {
  const char* name;
  TypedLanguageLoops<float> float_loops;
  TypedLanguageLoops<uint16_t> bfloat16_loops;
  float (*maximum)(const float* values, int size);
  // Over block b of kSumBlock values, x = (values[i] - maximum) · scale: sums[b] = Σ exp(x), and,
  // unless it is null, weighted_sums[b] = Σ x exp(x). Asking for both changes no bit of the first.
  void (*exponential_sums)(const float* values, int size, float maximum, float scale, float* sums,
                           float* weighted_sums);
  TrainingLoops training;

  template <typename T>
  const TypedLanguageLoops<T>& typed() const {
    if constexpr (std::is_same_v<T, float>) {
      return float_loops;
    } else {
      return bfloat16_loops;
    }
  }
};

// The best for this processor; its name is "amx_bf16", "avx512_bf16", "avx512", "avx2" or
// "baseline".
const LanguageLoops& BestLanguageLoops();

// All that this processor has, the best last.
std::vector<const LanguageLoops*> SupportedLanguageLoops();

namespace language_loops_amx_bf16 {
extern const LanguageLoops kLoops;
}
namespace language_loops_avx512_bf16 {
extern const LanguageLoops kLoops;
}
namespace language_loops_avx512 {
extern const LanguageLoops kLoops;
}
namespace language_loops_avx2 {
extern const LanguageLoops kLoops;
}
namespace language_loops_baseline {
extern const LanguageLoops kLoops;
}

}  // namespace tpo

#endif  // TPO_POLICY_LANGUAGE_MODEL_LANGUAGE_LOOPS_H_
