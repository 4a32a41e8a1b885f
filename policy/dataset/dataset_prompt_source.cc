#include "policy/dataset/dataset_prompt_source.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "core/status_macros.h"
#include "policy/dataset/shuffle.h"

namespace tpo {
namespace {

using Json = nlohmann::ordered_json;

// The permutation whose first places are the held-out rows; no run goes round so often.
constexpr uint64_t kHeldOutRound = ~uint64_t{0};

}  // namespace

DatasetPromptSource::DatasetPromptSource(const JsonlDataset* dataset, const Tokenizer* tokenizer,
                                         const ChatTemplate* chat_template,
                                         DatasetPromptOptions options)
    : dataset_(dataset),
      tokenizer_(tokenizer),
      chat_template_(chat_template),
      options_(std::move(options)) {}

uint64_t DatasetPromptSource::RowOf(uint64_t index) const {
  const uint64_t round = index / count();
  uint64_t place = index % count();
  if (options_.shuffle && options_.rows == DatasetPromptOptions::Rows::kOthers)
    place = ShuffledIndex(options_.seed, round, place, count());
  if (options_.held_out == 0) return place;
  if (options_.shuffle) {
    if (options_.rows == DatasetPromptOptions::Rows::kOthers) place += options_.held_out;
    return ShuffledIndex(options_.seed, kHeldOutRound, place, dataset_->size());
  }
  return options_.rows == DatasetPromptOptions::Rows::kOthers
             ? place
             : dataset_->size() - options_.held_out + place;
}

uint64_t DatasetPromptSource::count() const {
  return options_.rows == DatasetPromptOptions::Rows::kHeldOut
             ? options_.held_out
             : dataset_->size() - options_.held_out;
}

absl::StatusOr<std::string> DatasetPromptSource::TextOf(const DatasetRow& row) const {
  if (chat_template_ == nullptr) {
    if (row.messages.is_null()) return row.prompt;
    return absl::InvalidArgumentError("messages need a model with a chat template");
  }
  Json messages = row.messages;
  if (messages.is_null()) {
    messages = Json::array();
    if (!options_.system_prompt.empty()) {
      messages.push_back({{"role", "system"}, {"content", options_.system_prompt}});
    }
    messages.push_back({{"role", "user"}, {"content", row.prompt}});
  }
  ChatOptions chat;
  chat.add_generation_prompt = true;
  chat.tools = row.tools;
  chat.variables = options_.template_variables;
  chat.time_zone = absl::UTCTimeZone();
  chat.now = absl::FromCivil(options_.date, chat.time_zone);
  return chat_template_->Render(messages, chat);
}

absl::StatusOr<Prompt> DatasetPromptSource::At(uint64_t index) {
  const uint64_t row_number = RowOf(index);
  TPO_ASSIGN_OR_RETURN(DatasetRow row, dataset_->Row(row_number));
  const std::string where = absl::StrCat(dataset_->path(), ":", row.line, ": ");
  auto text = TextOf(row);
  if (!text.ok()) {
    return absl::Status(text.status().code(), absl::StrCat(where, text.status().message()));
  }
  Prompt prompt;
  prompt.id = index;
  prompt.task = row.task.empty() ? options_.task : std::move(row.task);
  prompt.tokens = tokenizer_->Encode(*text, {.add_special_tokens = chat_template_ == nullptr});
  prompt.text = *std::move(text);
  prompt.reference_answer = std::move(row.answer);
  prompt.metadata = std::move(row.metadata);
  prompt.metadata["row"] = absl::StrCat(row_number);
  if (prompt.tokens.empty()) return absl::InvalidArgumentError(where + "the prompt has no tokens");
  if (options_.max_prompt_tokens > 0 && prompt.tokens.size() > options_.max_prompt_tokens) {
    return absl::InvalidArgumentError(absl::StrCat(where, "the prompt has ", prompt.tokens.size(),
                                                   " tokens, more than ",
                                                   options_.max_prompt_tokens));
  }
  return prompt;
}

}  // namespace tpo
