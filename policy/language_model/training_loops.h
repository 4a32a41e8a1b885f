// The loops of the backward pass, beside those of language_loops.h, whose rules hold here too:
// compiled per instruction set, sums in one order whatever the threads. Internal to
// policy/language_model/.
//
// "Packed rows" are a pass's rows [row_count, columns] in the layout of a PackedMatrix whose inputs
// are the rows: panels of 32 columns, [panel][row][32] or, in bfloat16, [panel][row / 2][32][2].
#ifndef TPO_POLICY_LANGUAGE_MODEL_TRAINING_LOOPS_H_
#define TPO_POLICY_LANGUAGE_MODEL_TRAINING_LOOPS_H_

#include <cstdint>

#include "policy/language_model/language_layout.h"

namespace tpo {

// The gradient of a weight matrix [out, in]: += Σ over rows of (output's gradient) · (input). Work
// is cut into items, one per panel of outputs and panel of inputs, in this order.
struct WeightGradient {
  const void* outputs = nullptr;  // T, packed rows: gradients
  const void* inputs = nullptr;   // T, packed rows
  int depth = 0;                  // rows, made even in bfloat16 (zero)
  int input_panels = 0;
  int input_columns = 0;  // of the matrix; the rest of the last panel is padding
  // [columns of outputs]: the matrix's row of each, nullptr where it has none.
  float* const* out_rows = nullptr;
  int64_t first_item = 0;
  int64_t last_item = 0;  // exclusive
};

// The heads of one row or page that share a key-value head. Keys and values of the positions, each
// in both orders, T: "columns" [head_dim][16] and "rows" [16][head_dim to a multiple of 16].
struct AttentionPages {
  const void* key_columns = nullptr;  // page 0
  const void* value_columns = nullptr;
  const void* key_rows = nullptr;
  int64_t columns_stride = 0;  // elements from a page to the next
  int64_t rows_stride = 0;
  int64_t value_columns_stride = 0;
  int head_dim = 0;
  int heads = 0;
};

// What the gradient of a row's attention with one head needs again.
struct AttentionSums {
  float maximum = 0.0F;  // of the scores
  float inverse = 0.0F;  // of the sum of exponentials
  float dot = 0.0F;      // Σ weight · (weight's gradient)
};

struct QueryGradient {
  AttentionPages pages;
  const float* queries = nullptr;   // [heads, head_dim], as in Attention
  const float* attended = nullptr;  // gradient of the result, [heads, head_dim]
  const VisiblePages* visible = nullptr;
  int visible_count = 0;
  float* scratch = nullptr;       // [8, AttentionStride] and [4, head_dim to a multiple of 16]
  AttentionSums* sums = nullptr;  // [heads], out
  float* out = nullptr;           // gradient of the queries, [heads, head_dim]
};

// A row that attends to the first positions of a page.
struct PageVisit {
  int32_t row = 0;
  int32_t positions = 0;
};

struct KeyValueGradient {
  AttentionPages pages;
  int32_t page = 0;
  const PageVisit* visits = nullptr;
  int visit_count = 0;
  // By row: row r's are at r · stride.
  const float* queries = nullptr;
  int64_t query_stride = 0;
  const float* attended = nullptr;  // gradient
  int64_t attended_stride = 0;
  const AttentionSums* sums = nullptr;
  int64_t sums_stride = 0;
  float* keys = nullptr;    // gradient, [head_dim][16], out
  float* values = nullptr;  // gradient, [head_dim][16], out
};

template <typename T>
struct TypedTrainingLoops {
  void (*weight_gradient)(const WeightGradient& gradient);
  // Row `from` rounded to T.
  void (*round)(const float* from, int size, T* to);
  // One panel of packed rows. `from`: the panel's first column of row 0.
  void (*pack_rows)(const T* from, int64_t stride, int row_count, T* panel);
  // One panel of a PackedMatrix: rows[32] are its outputs' weights, `depth` each; nullptr: zero.
  void (*pack_outputs)(const float* const* rows, int depth, T* panel);
  // One panel of the transposed matrix: inputs `first` … of `columns` become outputs, and
  // rows[depth], nullptr where zero, its inputs.
  void (*pack_inputs)(const float* const* rows, int depth, int first, int columns, T* panel);
  // Of the sums of gates and values by turns (ProductEnd::kGate): silu(gate) · value, and the
  // gradients of the sums from that of the result.
  void (*gate)(const float* sums, int panels, T* gated);
  void (*gate_gradient)(const float* sums, const float* gated, int panels, T* out);
  void (*query_gradient)(const QueryGradient& gradient);
  void (*key_value_gradient)(const KeyValueGradient& gradient);
};

struct TrainingLoops {
  // out += the gradient of rms_norm's values; returns 1 / rms.
  float (*rms_norm_gradient)(const float* values, const float* weight, const float* gradient,
                             float epsilon, int size, float* out);
  // values = exp((values - maximum) · scale) · factor.
  void (*exponentials)(float* values, int size, float maximum, float scale, float factor);
  // to += from · factor.
  void (*add_scaled)(const float* from, int size, float factor, float* to);
  // to += a · b · factor.
  void (*add_product)(const float* a, const float* b, int size, float factor, float* to);
};

}  // namespace tpo

#endif  // TPO_POLICY_LANGUAGE_MODEL_TRAINING_LOOPS_H_
