#include "services/engine/language_task.h"

#include <algorithm>
#include <utility>

#include <nlohmann/json.hpp>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "core/file_system.h"
#include "core/status_macros.h"
#include "policy/language_model/language_model_loader.h"
#include "policy/strict_json.h"

namespace tpo {
namespace {

using Json = nlohmann::ordered_json;

absl::Status InField(const char* field, const absl::Status& status) {
  return absl::Status(status.code(), absl::StrCat(field, ": ", std::string(status.message())));
}

absl::StatusOr<DatasetPromptOptions> PromptOptions(const RunSpec& spec, int max_positions) {
  const DatasetTaskSpec& task = *spec.dataset;
  DatasetPromptOptions options;
  options.seed = spec.seed;
  options.shuffle = task.shuffle;
  options.task = task.task;
  options.system_prompt = task.system_prompt;
  options.date = task.date;
  if (!task.template_variables.empty()) {
    absl::StatusOr<Json> variables = ParseStrictJson<Json>(task.template_variables);
    if (!variables.ok() || !variables->is_object()) {
      return absl::InvalidArgumentError(
          "task.dataset.template_variables: isn't a JSON object, such as "
          "'{\"enable_thinking\": false}'");
    }
    options.template_variables = *std::move(variables);
  }
  // What doesn't fit the model with its completion is refused here, with its line.
  const int room = max_positions - spec.rollout.sampling.max_tokens;
  if (room < 1) {
    return absl::InvalidArgumentError(
        absl::StrCat("rollout.max_tokens: ", spec.rollout.sampling.max_tokens,
                     " leave no room for a prompt in the model's ", max_positions, " positions"));
  }
  options.max_prompt_tokens = room;
  if (task.max_prompt_tokens > 0)
    options.max_prompt_tokens = std::min<size_t>(room, task.max_prompt_tokens);
  return options;
}

}  // namespace

absl::StatusOr<std::unique_ptr<LanguageTask>> LanguageTask::Open(const RunSpec& spec) {
  std::unique_ptr<LanguageTask> task(new LanguageTask);
  TPO_RETURN_IF_ERROR(task->OpenModel(spec));
  TPO_RETURN_IF_ERROR(task->OpenDatasets(spec));
  TPO_RETURN_IF_ERROR(task->source_->At(0).status());
  if (task->evaluation_source_ != nullptr)
    TPO_RETURN_IF_ERROR(task->evaluation_source_->At(0).status());
  return task;
}

absl::Status LanguageTask::OpenModel(const RunSpec& spec) {
  const HuggingFaceModelSpec& model = *spec.hugging_face;
  absl::StatusOr<std::unique_ptr<ModelDirectory>> directory = ModelDirectory::Open(model.path);
  if (!directory.ok()) return InField("model.hf.path", directory.status());
  model_ = *std::move(directory);
  TPO_ASSIGN_OR_RETURN(LanguageModelInfo info, DescribeLanguageModel(*model_, model));
  info_ = std::make_shared<const LanguageModelInfo>(std::move(info));
  const std::string tokenizer_path = JoinPath(model.path, "tokenizer.json");
  absl::StatusOr<std::unique_ptr<const Tokenizer>> tokenizer =
      Tokenizer::Load(FileSystem::Posix(), tokenizer_path);
  if (!tokenizer.ok()) return InField("model.hf.path", tokenizer.status());
  tokenizer_ = *std::move(tokenizer);
  if (tokenizer_->size() > model_->config().vocab_size) {
    return absl::InvalidArgumentError(absl::StrCat(tokenizer_path, " has ", tokenizer_->size(),
                                                   " tokens, but the model only ",
                                                   model_->config().vocab_size));
  }
  if (!spec.dataset->chat) return absl::OkStatus();
  absl::StatusOr<ChatTemplate> chat = ChatTemplate::Load(FileSystem::Posix(), model.path);
  if (absl::IsNotFound(chat.status())) {
    return absl::InvalidArgumentError(
        absl::StrCat("task.dataset.chat: ", model.path,
                     " holds no chat template; with chat: false, prompts are texts to go on from"));
  }
  TPO_RETURN_IF_ERROR(chat.status());
  chat_template_ = *std::move(chat);
  return absl::OkStatus();
}

absl::Status LanguageTask::OpenDatasets(const RunSpec& spec) {
  const DatasetTaskSpec& task = *spec.dataset;
  const EvaluationSpec& evaluation = spec.evaluation;
  JsonlOptions fields;
  fields.prompt_field = task.prompt_field;
  fields.answer_field = task.answer_field;
  absl::StatusOr<std::unique_ptr<const JsonlDataset>> dataset =
      JsonlDataset::Open(task.path, fields);
  if (!dataset.ok()) return InField("task.dataset.path", dataset.status());
  dataset_ = *std::move(dataset);
  const auto held_out = static_cast<uint64_t>(task.held_out_prompts);
  if (held_out >= dataset_->size()) {
    return absl::InvalidArgumentError(absl::StrCat("task.dataset.held_out_prompts: ", held_out,
                                                   " leave nothing of the ", dataset_->size(),
                                                   " rows to train on"));
  }
  TPO_ASSIGN_OR_RETURN(DatasetPromptOptions options,
                       PromptOptions(spec, model_->config().max_positions));
  options.held_out = held_out;
  const ChatTemplate* const chat = chat_template_.has_value() ? &*chat_template_ : nullptr;
  source_ = std::make_unique<DatasetPromptSource>(dataset_.get(), tokenizer_.get(), chat, options);

  const JsonlDataset* rows = dataset_.get();
  if (!evaluation.path.empty()) {
    absl::StatusOr<std::unique_ptr<const JsonlDataset>> other =
        JsonlDataset::Open(evaluation.path, fields);
    if (!other.ok()) return InField("evaluation.path", other.status());
    evaluation_dataset_ = *std::move(other);
    rows = evaluation_dataset_.get();
    options.held_out = 0;
    options.shuffle = false;
    evaluation_prompts_ = rows->size();
  } else {
    if (held_out == 0) return absl::OkStatus();
    options.rows = DatasetPromptOptions::Rows::kHeldOut;
    evaluation_prompts_ = held_out;
  }
  if (evaluation.max_prompts > 0) {
    evaluation_prompts_ =
        std::min(evaluation_prompts_, static_cast<uint64_t>(evaluation.max_prompts));
  }
  evaluation_source_ =
      std::make_unique<DatasetPromptSource>(rows, tokenizer_.get(), chat, std::move(options));
  return absl::OkStatus();
}

std::map<std::string, std::string> LanguageTask::inputs() const {
  std::map<std::string, std::string> inputs = {
      {"task.dataset.path", ChecksumText(dataset_->checksum())},
      {"model.hf.path", ChecksumText(info_->checksum)},
      {"the end tokens of model.hf.path", absl::StrJoin(info_->end_tokens, " ")}};
  if (chat_template_.has_value())
    inputs["the chat template of model.hf.path"] = ChecksumText(chat_template_->checksum());
  return inputs;
}

}  // namespace tpo
