// What a run with a language model reads: the model's directory, its tokenizer and chat template,
// and the datasets. All is opened and checked before a run directory is touched, the first prompt
// rendered.
//
// Thread-safe once it is open.
#ifndef TPO_SERVICES_ENGINE_LANGUAGE_TASK_H_
#define TPO_SERVICES_ENGINE_LANGUAGE_TASK_H_

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "core/learner_api.h"
#include "core/prompt_source.h"
#include "core/run_spec.h"
#include "policy/chat_template/chat_template.h"
#include "policy/dataset/dataset_prompt_source.h"
#include "policy/dataset/jsonl_dataset.h"
#include "policy/hugging_face/model_directory.h"
#include "policy/tokenizer/tokenizer.h"

namespace tpo {

class LanguageTask {
 public:
  // REQUIRES: spec.dataset and spec.hugging_face. NOT_FOUND, INVALID_ARGUMENT, UNIMPLEMENTED name
  // the file, and the field of the config where that is at fault.
  static absl::StatusOr<std::unique_ptr<LanguageTask>> Open(const RunSpec& spec);

  // REQUIRES: CloseModel wasn't called.
  const ModelDirectory& model() const { return *model_; }
  // Once the policy is made: gives the memory back that the mapped files take.
  void CloseModel() { model_.reset(); }
  const std::shared_ptr<const LanguageModelInfo>& info() const { return info_; }
  // The prompts to train on.
  PromptSource* source() { return source_.get(); }
  // The prompts to evaluate on, the first evaluation_prompts() of it; null: there are none.
  PromptSource* evaluation_source() { return evaluation_source_.get(); }
  uint64_t evaluation_prompts() const { return evaluation_prompts_; }
  // What of it must not change on resume (CheckpointData::inputs). Not the rows to evaluate on: as
  // all of `evaluation` they may.
  std::map<std::string, std::string> inputs() const;

 private:
  LanguageTask() = default;

  absl::Status OpenModel(const RunSpec& spec);
  absl::Status OpenDatasets(const RunSpec& spec);

  std::unique_ptr<ModelDirectory> model_;
  std::shared_ptr<const LanguageModelInfo> info_;
  std::unique_ptr<const Tokenizer> tokenizer_;
  std::optional<ChatTemplate> chat_template_;
  std::unique_ptr<const JsonlDataset> dataset_;
  std::unique_ptr<const JsonlDataset> evaluation_dataset_;  // null: rows of dataset_
  std::unique_ptr<DatasetPromptSource> source_;
  std::unique_ptr<DatasetPromptSource> evaluation_source_;
  uint64_t evaluation_prompts_ = 0;
};

}  // namespace tpo

#endif  // TPO_SERVICES_ENGINE_LANGUAGE_TASK_H_
