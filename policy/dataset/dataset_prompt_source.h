// Prompts of a run from a dataset, as the tokens of a model: round after round through all rows,
// each round in an order of its own.
//
// Which row prompt number n is, is a function of the seed and n, so the position alone, which the
// lease book keeps in its checkpoints, is enough to go on. Thread-safe. Dataset, tokenizer and chat
// template have to outlive it.
#ifndef TPO_POLICY_DATASET_DATASET_PROMPT_SOURCE_H_
#define TPO_POLICY_DATASET_DATASET_PROMPT_SOURCE_H_

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/civil_time.h"
#include "core/prompt_source.h"
#include "core/types.h"
#include "policy/chat_template/chat_template.h"
#include "policy/dataset/jsonl_dataset.h"
#include "policy/tokenizer/tokenizer.h"

namespace tpo {

struct DatasetPromptOptions {
  uint64_t seed = 0;
  // False: in the order of the file.
  bool shuffle = true;
  // So many rows are kept apart: chosen by the seed where rows are shuffled, else the last ones.
  uint64_t held_out = 0;  // less than the dataset's size
  enum class Rows { kOthers, kHeldOut } rows = Rows::kOthers;
  // Of rows without a task of their own.
  std::string task;
  // With a chat template, a prompt that is a text becomes the only turn of the user, after this
  // system turn where it isn't empty.
  std::string system_prompt;
  // For the template, such as {"enable_thinking": false}.
  nlohmann::ordered_json template_variables;
  // What day it is for the template. The clock doesn't count: a prompt is the same whenever it is
  // made, after a resume or past midnight.
  absl::CivilDay date = absl::CivilDay(2024, 7, 26);
  // Longer prompts are refused when they are asked for; 0: none is.
  size_t max_prompt_tokens = 0;
};

class DatasetPromptSource : public PromptSource {
 public:
  // Without a `chat_template` (null) rows have to be texts; they are encoded with the special
  // tokens that the tokenizer puts around a text.
  DatasetPromptSource(const JsonlDataset* dataset, const Tokenizer* tokenizer,
                      const ChatTemplate* chat_template, DatasetPromptOptions options);

  // `text` is what `tokens` were made of, `reference_answer` the answer; "row" of the metadata is
  // the row, from 0. INVALID_ARGUMENT names file and line.
  absl::StatusOr<Prompt> At(uint64_t index) override;

  // The row of prompt number `index`.
  uint64_t RowOf(uint64_t index) const;

 private:
  absl::StatusOr<std::string> TextOf(const DatasetRow& row) const;
  // Rows that prompts come from.
  uint64_t count() const;

  const JsonlDataset* const dataset_;
  const Tokenizer* const tokenizer_;
  const ChatTemplate* const chat_template_;
  const DatasetPromptOptions options_;
};

}  // namespace tpo

#endif  // TPO_POLICY_DATASET_DATASET_PROMPT_SOURCE_H_
