#include "policy/language_model/training_weights.h"

#include "absl/strings/str_cat.h"
#include "policy/hugging_face/model_directory.h"

namespace tpo {
namespace {

constexpr int kHalfPanel = kPanelColumns / 2;

int RoundUpToPanels(int columns) {
  return (columns + kPanelColumns - 1) / kPanelColumns * kPanelColumns;
}

// A vector's values as `T` holds them.
template <typename T>
void PackVector(const ParameterSource& source, const std::string& name, int size,
                std::vector<float>* vector) {
  const float* const values = source(name);
  if (values == nullptr) return;
  vector->resize(size);
  for (int i = 0; i < size; ++i) (*vector)[i] = RoundedTo<T>(values[i]);
}

template <typename T>
void PackBias(const ParameterSource& source, const LinearShape& shape, std::vector<float>* bias) {
  const std::vector<LinearShape::Column> columns = shape.Columns();
  std::vector<const float*> values;
  for (const LinearModule& module : shape.modules) values.push_back(source(module.name + ".bias"));
  if (values.front() == nullptr) return;
  bias->assign(columns.size(), 0.0F);
  for (size_t c = 0; c < columns.size(); ++c) {
    if (columns[c].output < 0) continue;
    (*bias)[c] = RoundedTo<T>(values[columns[c].module][columns[c].output]);
  }
}

template <typename T>
void PackMatrix(const LanguageLoops& loops, const std::vector<const float*>& rows, int outputs,
                int in, ThreadTeam& team, PackedMatrix<T>* matrix, PackedMatrix<T>* transposed) {
  if (matrix->panels() == 0) *matrix = PackedMatrix<T>(outputs, in);
  // The transposed product's inputs are all columns of the packed matrix, padding included.
  if (transposed != nullptr && transposed->panels() == 0)
    *transposed = PackedMatrix<T>(in, static_cast<int>(rows.size()));
  const TypedTrainingLoops<T>& training = loops.typed<T>().training;
  team.Run([&](int thread) {
    const auto [first, last] = team.Part(thread, matrix->panels());
    for (int panel = first; panel < last; ++panel)
      training.pack_outputs(rows.data() + panel * kPanelColumns, in, matrix->panel(panel));
    if (transposed == nullptr) return;
    const auto [first_in, last_in] = team.Part(thread, transposed->panels());
    for (int panel = first_in; panel < last_in; ++panel) {
      training.pack_inputs(rows.data(), static_cast<int>(rows.size()), panel * kPanelColumns, in,
                           transposed->panel(panel));
    }
  });
}

// Embedding or head: [vocabulary, hidden].
template <typename T>
void PackTable(const LanguageModelConfig& config, const LanguageLoops& loops,
               const ParameterSource& source, const std::string& name, ThreadTeam& team,
               PackedMatrix<T>* matrix, PackedMatrix<T>* transposed) {
  const float* const values = source(name);
  if (values == nullptr) return;
  std::vector<const float*> rows(RoundUpToPanels(config.vocab_size), nullptr);
  for (int token = 0; token < config.vocab_size; ++token)
    rows[token] = values + int64_t{token} * config.hidden_size;
  PackMatrix(loops, rows, config.vocab_size, config.hidden_size, team, matrix, transposed);
}

template <typename T>
void PackLinear(const LanguageLoops& loops, const LinearShape& shape, const ParameterSource& source,
                ThreadTeam& team, PackedMatrix<T>* matrix, PackedMatrix<T>* transposed) {
  const std::vector<LinearShape::Column> columns = shape.Columns();
  std::vector<const float*> values;
  for (const LinearModule& module : shape.modules)
    values.push_back(source(module.name + ".weight"));
  if (values.front() == nullptr) return;
  std::vector<const float*> rows;
  for (const LinearShape::Column& column : columns) {
    rows.push_back(column.output < 0 ? nullptr
                                     : values[column.module] + int64_t{column.output} * shape.in);
  }
  PackMatrix(loops, rows, static_cast<int>(rows.size()), shape.in, team, matrix, transposed);
}

// Makes the adapters of a product known, at first, and packs them.
template <typename T>
void PackAdapters(const LoraSpec& lora, const LanguageLoops& loops, const LinearShape& shape,
                  const ParameterSource& source, ThreadTeam& team, ProductAdapters<T>* adapters) {
  if (adapters->modules.empty()) {
    for (size_t m = 0; m < shape.modules.size(); ++m) {
      const std::string& name = shape.modules[m].name;
      if (!IsLoraTarget(lora, name)) continue;
      adapters->modules.push_back({static_cast<int>(m), LoraAName(name), LoraBName(name)});
    }
    adapters->rank = lora.rank;
    adapters->in = shape.in;
    adapters->scale = LoraScale(lora);
  }
  if (adapters->modules.empty()) return;
  const std::vector<LinearShape::Column> columns = shape.Columns();
  const int rank_panels = RoundUpToPanels(lora.rank) / kPanelColumns;
  const int panels = rank_panels * static_cast<int>(adapters->modules.size());
  if (adapters->a.panels() == 0) {
    adapters->a = PackedMatrix<T>(panels * kPanelColumns, shape.in);
    adapters->b = PackedMatrix<T>(panels * kPanelColumns, static_cast<int>(columns.size()));
  }
  team.Run([&](int thread) {
    const auto [first, last] = team.Part(thread, panels);
    for (int panel = first; panel < last; ++panel) {
      const typename ProductAdapters<T>::Module& module = adapters->modules[panel / rank_panels];
      const int first_rank = panel % rank_panels * kPanelColumns;
      const float* a[kPanelColumns] = {};
      for (int r = first_rank; r < lora.rank && r < first_rank + kPanelColumns; ++r)
        a[r - first_rank] = source(module.a) + int64_t{r} * shape.in;
      loops.typed<T>().training.pack_outputs(a, shape.in, adapters->a.panel(panel));
      const float* const b = source(module.b);
      std::vector<const float*> rows;
      for (const LinearShape::Column& column : columns) {
        const bool own = column.output >= 0 && column.module == module.index;
        rows.push_back(own ? b + int64_t{column.output} * lora.rank : nullptr);
      }
      loops.typed<T>().training.pack_inputs(rows.data(), static_cast<int>(rows.size()), first_rank,
                                            lora.rank, adapters->b.panel(panel));
    }
  });
}

}  // namespace

std::vector<LinearShape::Column> LinearShape::Columns() const {
  std::vector<Column> columns;
  if (by_turns) {
    const int outputs = modules[0].out;
    for (int first = 0; first < outputs; first += kHalfPanel) {
      for (int module = 0; module < 2; ++module) {
        for (int i = first; i < first + kHalfPanel; ++i)
          columns.push_back({module, i < outputs ? i : -1});
      }
    }
    return columns;
  }
  for (size_t module = 0; module < modules.size(); ++module) {
    for (int output = 0; output < modules[module].out; ++output)
      columns.push_back({static_cast<int>(module), output});
  }
  columns.resize(RoundUpToPanels(static_cast<int>(columns.size())));
  return columns;
}

LayerShape ShapeOfLayer(const LanguageModelConfig& config, int layer) {
  const std::string prefix = absl::StrCat("model.layers.", layer, ".");
  const std::string attention = prefix + "self_attn.";
  const int queries = config.heads * config.head_dim;
  const int keys = config.key_value_heads * config.head_dim;
  const int inner = config.intermediate_size;
  LayerShape shape;
  shape.attention_norm = prefix + "input_layernorm.weight";
  shape.query_key_value = {
      {{attention + "q_proj", queries}, {attention + "k_proj", keys}, {attention + "v_proj", keys}},
      config.hidden_size,
      config.query_key_value_bias};
  if (config.query_key_norm) {
    shape.query_norm = attention + "q_norm.weight";
    shape.key_norm = attention + "k_norm.weight";
  }
  shape.attention_output = {
      {{attention + "o_proj", config.hidden_size}}, queries, config.output_bias};
  shape.feed_forward_norm = prefix + "post_attention_layernorm.weight";
  shape.gate_up = {{{prefix + "mlp.gate_proj", inner}, {prefix + "mlp.up_proj", inner}},
                   config.hidden_size,
                   config.feed_forward_bias,
                   true};
  shape.down = {{{prefix + "mlp.down_proj", config.hidden_size}}, inner, config.feed_forward_bias};
  return shape;
}

std::string HeadName(const LanguageModelConfig& config) {
  return config.tied_head ? "model.embed_tokens.weight" : "lm_head.weight";
}

template <typename T>
void PackTrainingWeights(const LanguageModelConfig& config, const LoraSpec* lora,
                         const LanguageLoops& loops, const ParameterSource& source,
                         ThreadTeam& team, TrainingWeights<T>* weights) {
  LanguageModelWeights<T>& forward = weights->forward;
  forward.layers.resize(config.layers);
  weights->transposed.resize(config.layers);
  weights->adapters.resize(config.layers);
  PackTable<T>(config, loops, source, "model.embed_tokens.weight", team, &forward.embedding,
               config.tied_head ? &weights->transposed_head : nullptr);
  if (!config.tied_head) {
    PackTable<T>(config, loops, source, "lm_head.weight", team, &forward.own_head,
                 &weights->transposed_head);
  }
  const auto linear = [&](const LinearShape& shape, PackedLinear<T>* packed,
                          PackedMatrix<T>* transposed, ProductAdapters<T>* adapters) {
    PackLinear<T>(loops, shape, source, team, &packed->matrix, transposed);
    if (shape.bias) PackBias<T>(source, shape, &packed->bias);
    if (lora != nullptr) PackAdapters<T>(*lora, loops, shape, source, team, adapters);
  };
  for (int index = 0; index < config.layers; ++index) {
    const LayerShape shape = ShapeOfLayer(config, index);
    LanguageModelLayer<T>& layer = forward.layers[index];
    TransposedLayer<T>& transposed = weights->transposed[index];
    LayerAdapters<T>& adapters = weights->adapters[index];
    PackVector<T>(source, shape.attention_norm, config.hidden_size, &layer.attention_norm);
    linear(shape.query_key_value, &layer.query_key_value, &transposed.query_key_value,
           &adapters.query_key_value);
    if (config.query_key_norm) {
      PackVector<T>(source, shape.query_norm, config.head_dim, &layer.query_norm);
      PackVector<T>(source, shape.key_norm, config.head_dim, &layer.key_norm);
    }
    linear(shape.attention_output, &layer.attention_output, &transposed.attention_output,
           &adapters.attention_output);
    PackVector<T>(source, shape.feed_forward_norm, config.hidden_size, &layer.feed_forward_norm);
    linear(shape.gate_up, &layer.gate_up, &transposed.gate_up, &adapters.gate_up);
    linear(shape.down, &layer.down, &transposed.down, &adapters.down);
  }
  PackVector<T>(source, "model.norm.weight", config.hidden_size, &forward.final_norm);
}

template void PackTrainingWeights<float>(const LanguageModelConfig&, const LoraSpec*,
                                         const LanguageLoops&, const ParameterSource&, ThreadTeam&,
                                         TrainingWeights<float>*);
template void PackTrainingWeights<uint16_t>(const LanguageModelConfig&, const LoraSpec*,
                                            const LanguageLoops&, const ParameterSource&,
                                            ThreadTeam&, TrainingWeights<uint16_t>*);

}  // namespace tpo
