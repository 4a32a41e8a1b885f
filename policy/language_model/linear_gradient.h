// The gradients of a packed product's weights and biases. Internal to
// policy/language_model/.
#ifndef TPO_POLICY_LANGUAGE_MODEL_LINEAR_GRADIENT_H_
#define TPO_POLICY_LANGUAGE_MODEL_LINEAR_GRADIENT_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "core/aligned_memory.h"
#include "policy/language_model/language_loops.h"
#include "policy/language_model/rows.h"
#include "policy/language_model/thread_team.h"
#include "policy/language_model/training_weights.h"

namespace tpo {

// Where the gradient of a parameter is added up [its shape], float32; nullptr: it isn't wanted.
using GradientTarget = std::function<float*(const std::string& name)>;

// Where one product's gradients go, by column of its packed matrix; nullptr: nowhere.
struct LinearTarget {
  std::vector<float*> weights;  // rows of the weights' gradients
  std::vector<float*> biases;   // empty: the product has none
  int in = 0;
  bool wants_weights = false;
  bool wants_biases = false;

  LinearTarget() = default;
  LinearTarget(const LinearShape& shape, const GradientTarget& target);
};

// Packed rows (training_loops.h) of one matrix; keeps its memory.
template <typename T>
class PackedRows {
 public:
  void Resize(int64_t rows, int panels) {
    depth_ = static_cast<int>(RoundUp(rows, sizeof(T) == sizeof(float) ? 1 : 2));
    panels_ = panels;
    const size_t needed = static_cast<size_t>(depth_) * panels * kPanelColumns;
    if (memory_.size() >= needed) return;
    memory_ = AlignedMemory<T>();
    memory_ = AlignedMemory<T>(needed);
  }
  // One thread's part of packing rows [row_count]. Resize comes first.
  void Pack(int thread, const ThreadTeam& team, const TypedTrainingLoops<T>& loops, Rows<T>& rows,
            int row_count);

  const T* data() const { return memory_.data(); }
  int depth() const { return depth_; }
  int panels() const { return panels_; }
  size_t size_bytes() const { return memory_.size() * sizeof(T); }

 private:
  int depth_ = 0;
  int panels_ = 0;
  AlignedMemory<T> memory_;
};

// Rows of one product: its inputs, and the gradients of its outputs, packed.
template <typename T>
class LinearGradient {
 public:
  LinearGradient(const LanguageLoops& loops, ThreadTeam* team)
      : loops_(loops.typed<T>()), team_(team) {}

  // Makes room for rows of these strides; one thread.
  void Begin(int row_count, int64_t input_stride, int64_t output_stride);
  // A thread's part, when inputs and gradients of all rows are there.
  void Pack(int thread, const LinearTarget& target, Rows<T>& inputs, Rows<T>& gradients);
  // A thread's part, after a barrier behind Pack.
  void Add(int thread, const LinearTarget& target);

  const PackedRows<T>& inputs() const { return inputs_; }
  const PackedRows<T>& outputs() const { return outputs_; }
  size_t size_bytes() const { return inputs_.size_bytes() + outputs_.size_bytes(); }

 private:
  void AddBiases(int thread, const LinearTarget& target, Rows<T>& gradients);

  const TypedLanguageLoops<T>& loops_;
  ThreadTeam* const team_;
  int row_count_ = 0;
  PackedRows<T> inputs_;
  PackedRows<T> outputs_;
};

}  // namespace tpo

#endif  // TPO_POLICY_LANGUAGE_MODEL_LINEAR_GRADIENT_H_
