// The weights that training computes with: packed for the forward pass, and transposed for the
// gradients of inputs. Internal to policy/language_model/.
#ifndef TPO_POLICY_LANGUAGE_MODEL_TRAINING_WEIGHTS_H_
#define TPO_POLICY_LANGUAGE_MODEL_TRAINING_WEIGHTS_H_

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "policy/hugging_face/model_config.h"
#include "policy/language_model/language_loops.h"
#include "policy/language_model/language_model_weights.h"
#include "policy/language_model/lora.h"
#include "policy/language_model/packed_matrix.h"
#include "policy/language_model/thread_team.h"

namespace tpo {

// A parameter's values [shape of LanguageModelTensors], float32.
using ParameterSource = std::function<const float*(const std::string& name)>;

// A packed product's weights, where they lie in the parameters.
struct LinearModule {
  std::string name;  // "model.layers.0.self_attn.q_proj"
  int out = 0;
};
struct LinearShape {
  std::vector<LinearModule> modules;
  int in = 0;
  bool bias = false;
  bool by_turns = false;  // two modules, 16 outputs of each by turns (ProductEnd::kGate)

  // Module and its output of a column of the packed matrix; output -1: padding.
  struct Column {
    int module = 0;
    int output = -1;
  };
  // [panels · kPanelColumns].
  std::vector<Column> Columns() const;
};
struct LayerShape {
  std::string attention_norm;
  LinearShape query_key_value;
  std::string query_norm;  // empty: none
  std::string key_norm;
  LinearShape attention_output;
  std::string feed_forward_norm;
  LinearShape gate_up;
  LinearShape down;
};
LayerShape ShapeOfLayer(const LanguageModelConfig& config, int layer);
// The head's weight; the embedding's when it is tied.
std::string HeadName(const LanguageModelConfig& config);

// The transposed matrices: inputs of a product as outputs, its columns as inputs.
template <typename T>
struct TransposedLayer {
  PackedMatrix<T> query_key_value;
  PackedMatrix<T> attention_output;
  PackedMatrix<T> gate_up;
  PackedMatrix<T> down;
};

// The adapters of one product (lora.h), packed for the gradients' products.
template <typename T>
struct ProductAdapters {
  struct Module {
    int index = 0;  // in LinearShape::modules
    std::string a;
    std::string b;
  };
  std::vector<Module> modules;  // none: the product has no adapters
  int rank = 0;
  int in = 0;
  float scale = 0.0F;
  // Outputs: the ranks of all modules, each module's in panels of its own. Inputs of `a`: the
  // product's; of `b`: its columns, of which a module's are its own and the others zero.
  PackedMatrix<T> a;
  PackedMatrix<T> b;
};
template <typename T>
struct LayerAdapters {
  ProductAdapters<T> query_key_value;
  ProductAdapters<T> attention_output;
  ProductAdapters<T> gate_up;
  ProductAdapters<T> down;
};

template <typename T>
struct TrainingWeights {
  LanguageModelWeights<T> forward;
  std::vector<TransposedLayer<T>> transposed;
  PackedMatrix<T> transposed_head;
  std::vector<LayerAdapters<T>> adapters;
};

// Makes the weights of `source`, in the memory that `weights` has from an earlier call. Vectors
// (norms, biases) are rounded to T as a snapshot of them is. With all threads of the team. A
// parameter for which the source gives nullptr stays as it is. `lora`: the source also gives its
// adapters, and what it gives for their modules has them merged; may be nullptr.
template <typename T>
void PackTrainingWeights(const LanguageModelConfig& config, const LoraSpec* lora,
                         const LanguageLoops& loops, const ParameterSource& source,
                         ThreadTeam& team, TrainingWeights<T>* weights);

}  // namespace tpo

#endif  // TPO_POLICY_LANGUAGE_MODEL_TRAINING_WEIGHTS_H_
