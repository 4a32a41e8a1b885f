// The gradients of a packed product's adapters (lora.h), without the gradient of its weights:
//
//   dB += s · dYᵀ (X Aᵀ)        dA += (s · dY B)ᵀ X
//
// Internal to policy/language_model/.
#ifndef TPO_POLICY_LANGUAGE_MODEL_LORA_GRADIENT_H_
#define TPO_POLICY_LANGUAGE_MODEL_LORA_GRADIENT_H_

#include <cstddef>
#include <memory>
#include <vector>

#include "policy/language_model/linear_gradient.h"
#include "policy/language_model/packed_matrix.h"
#include "policy/language_model/rows.h"
#include "policy/language_model/thread_team.h"
#include "policy/language_model/training_weights.h"

namespace tpo {

// Where the gradients of one product's adapters go; without modules: it has none.
template <typename T>
struct LoraTarget {
  struct Module {
    int first_panel = 0;    // of all modules' ranks
    std::vector<float*> a;  // rows of A's gradient, by output of its panels
    std::vector<float*> b;  // rows of B's gradient, by column of the product
  };

  LoraTarget() = default;
  // Borrows `adapters`.
  LoraTarget(const ProductAdapters<T>& adapters, const LinearShape& shape,
             const GradientTarget& target);

  const ProductAdapters<T>* adapters = nullptr;
  std::vector<Module> modules;
};

// Adds up the gradients of one product's adapters over the rows of a pass.
template <typename T>
class LoraGradient {
 public:
  LoraGradient(const LanguageLoops& loops, ThreadTeam* team)
      : loops_(loops.typed<T>()), team_(team) {}

  // Makes room; one thread. `adapters`: any layer's, for their sizes.
  void Begin(int row_count, const ProductAdapters<T>& adapters);
  // A thread's part, when inputs and gradients of all rows are there.
  void Multiply(int thread, const LoraTarget<T>& target, Rows<T>& inputs, Rows<T>& gradients);
  // A thread's part, after a barrier behind Multiply and behind `packed`'s Pack; has barriers.
  void Add(int thread, const LoraTarget<T>& target, const LinearGradient<T>& packed);

  size_t size_bytes() const;

 private:
  void MultiplyWith(int thread, const PackedMatrix<T>& matrix, Rows<T>& rows, Rows<float>& out);
  void RoundOwn(int thread, float scale, Rows<float>& from, Rows<T>& to);
  void AddModule(int thread, const LoraTarget<T>& target,
                 const typename LoraTarget<T>::Module& module, const LinearGradient<T>& packed);
  void AddItems(int thread, WeightGradient gradient, int output_panels);

  const TypedLanguageLoops<T>& loops_;
  ThreadTeam* const team_;
  int row_count_ = 0;
  // [rows, all modules' ranks, each in panels of its own]: X Aᵀ and dY B.
  std::unique_ptr<Rows<float>> inputs_;
  std::unique_ptr<Rows<float>> gradients_;
  std::unique_ptr<Rows<T>> rounded_inputs_;
  std::unique_ptr<Rows<T>> rounded_gradients_;
  PackedRows<T> packed_inputs_;
  PackedRows<T> packed_gradients_;
};

extern template class LoraGradient<float>;
extern template class LoraGradient<uint16_t>;

}  // namespace tpo

#endif  // TPO_POLICY_LANGUAGE_MODEL_LORA_GRADIENT_H_
