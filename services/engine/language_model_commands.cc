#include "services/engine/language_model_commands.h"

#include <cstdio>
#include <exception>
#include <memory>
#include <new>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "core/file_system.h"
#include "core/status_macros.h"
#include "policy/chat_template/chat_template.h"
#include "policy/hugging_face/model_directory.h"
#include "policy/hugging_face/model_export.h"
#include "policy/language_model/language_model.h"
#include "policy/tokenizer/tokenizer.h"
#include "rollout/generation_engine.h"

namespace tpo {
namespace {

using Json = nlohmann::ordered_json;

struct NamedPrompt {
  std::string text;
  std::vector<TokenId> tokens;
};

absl::StatusOr<std::vector<TokenId>> ParseTokens(const char* flag, const std::string& text) {
  std::vector<TokenId> tokens;
  for (const absl::string_view word :
       absl::StrSplit(text, absl::ByAnyChar(" ,"), absl::SkipEmpty())) {
    TokenId token = 0;
    if (!absl::SimpleAtoi(word, &token))
      return absl::InvalidArgumentError(absl::StrCat(flag, ": ", word, " is no token's number"));
    tokens.push_back(token);
  }
  return tokens;
}

// A user's message in the model's chat template, ready for the answer.
absl::StatusOr<std::string> AsChat(const ChatTemplate& chat, const std::string& text) {
  return chat.Render(Json::array({{{"role", "user"}, {"content", text}}}),
                     {.add_generation_prompt = true, .tools = {}, .variables = {}});
}

absl::StatusOr<std::vector<NamedPrompt>> ReadPrompts(const GenerateCommand& command,
                                                     const std::string& directory,
                                                     const Tokenizer* tokenizer) {
  const LanguageModelFlags& flags = command.language_model;
  std::vector<NamedPrompt> prompts;
  if (!flags.tokens.empty()) {
    TPO_ASSIGN_OR_RETURN(std::vector<TokenId> tokens, ParseTokens("--tokens", flags.tokens));
    prompts.push_back({flags.tokens, std::move(tokens)});
  }
  std::optional<ChatTemplate> chat;
  if (flags.chat) {
    TPO_ASSIGN_OR_RETURN(chat, ChatTemplate::Load(FileSystem::Posix(), directory));
  }
  for (const std::string& text : flags.prompts) {
    if (tokenizer == nullptr) {
      return absl::InvalidArgumentError(
          absl::StrCat(directory, " holds no tokenizer.json: give --tokens instead of --prompt"));
    }
    std::string whole = text;
    if (chat.has_value()) {
      TPO_ASSIGN_OR_RETURN(whole, AsChat(*chat, text));
    }
    prompts.push_back({text, tokenizer->Encode(whole, {.add_special_tokens = !chat.has_value()})});
  }
  if (prompts.empty()) {
    return absl::InvalidArgumentError("a language model needs --prompt or --tokens to go on from");
  }
  return prompts;
}

absl::StatusOr<GenerationRequest> MakeRequest(const GenerateCommand& command,
                                              const ModelDirectory& model, uint64_t id,
                                              const NamedPrompt& prompt) {
  const LanguageModelFlags& flags = command.language_model;
  GenerationRequest request;
  request.prompt_id = id;
  request.prompt = prompt.tokens;
  request.completions = command.samples;
  request.max_tokens = flags.max_tokens;
  request.sampling.temperature = command.greedy ? 0.0F : static_cast<float>(flags.temperature);
  request.sampling.top_k = flags.top_k;
  request.sampling.top_p = static_cast<float>(flags.top_p);
  request.sampling.min_p = static_cast<float>(flags.min_p);
  TPO_ASSIGN_OR_RETURN(request.sampling.banned, ParseTokens("--ban", flags.ban));
  request.stop_tokens = model.end_tokens();
  request.stop_texts = flags.stop;
  return request;
}

void Print(const LanguageModelFlags& flags, const Tokenizer* tokenizer, const NamedPrompt& prompt,
           const std::vector<Completion>& completions) {
  if (!flags.json) std::printf("prompt    %s\n", prompt.text.c_str());
  for (const Completion& completion : completions) {
    double log_prob = 0.0;
    for (const float token : completion.behavior_log_probs) log_prob += token;
    const bool stopped = completion.finish_reason == FinishReason::kStop;
    const std::string text =
        tokenizer == nullptr ? ""
                             : tokenizer->Decode(completion.tokens, {.skip_special_tokens = true});
    if (flags.json) {
      const Json record = {{"prompt", prompt.text},
                           {"text", text},
                           {"tokens", completion.tokens},
                           {"log_probs", completion.behavior_log_probs},
                           {"finish_reason", stopped ? "stop" : "length"}};
      std::printf("%s\n", record.dump(-1, ' ', false, Json::error_handler_t::replace).c_str());
      continue;
    }
    std::string shown = text;
    if (tokenizer == nullptr) {
      for (const TokenId token : completion.tokens) absl::StrAppend(&shown, token, " ");
    }
    std::printf("sampled   %s\n          (%zu tokens, %s, log-prob %.3f)\n", shown.c_str(),
                completion.tokens.size(), stopped ? "ended" : "cut", log_prob);
  }
  if (!flags.json) std::printf("\n");
}

}  // namespace

absl::Status GenerateWithLanguageModel(const GenerateCommand& command, const std::string& directory,
                                       const TensorBundle* weights,
                                       const LanguageModelFactory& factory) {
  const LanguageModelFlags& flags = command.language_model;
  TPO_ASSIGN_OR_RETURN(const std::unique_ptr<ModelDirectory> source,
                       ModelDirectory::Open(directory));
  std::unique_ptr<const Tokenizer> tokenizer;
  const std::string tokenizer_file = JoinPath(directory, "tokenizer.json");
  if (FileSystem::Posix()->ReadFile(tokenizer_file).ok()) {
    TPO_ASSIGN_OR_RETURN(tokenizer, Tokenizer::Load(FileSystem::Posix(), tokenizer_file));
  }
  TPO_ASSIGN_OR_RETURN(const std::vector<NamedPrompt> prompts,
                       ReadPrompts(command, directory, tokenizer.get()));
  std::vector<GenerationRequest> requests;
  for (size_t i = 0; i < prompts.size(); ++i) {
    TPO_ASSIGN_OR_RETURN(GenerationRequest request, MakeRequest(command, *source, i, prompts[i]));
    requests.push_back(std::move(request));
  }
  try {
    const bool bfloat16 = flags.compute_type != "float32";
    const TensorSource own = [&](const std::string& name) { return source->tensor(name); };
    const TensorSource tensors = weights != nullptr ? BundleSource(*weights) : own;
    const auto model = factory != nullptr
                           ? factory(source->config(), tensors, bfloat16)
                           : LanguageModel::Create(source->config(), tensors, bfloat16);
    std::fprintf(stderr, "%s\n", model->description().c_str());
    GenerationEngine::Options options;
    options.seed = flags.seed;
    options.stream = RandomStream::kEvaluation;
    options.threads = flags.threads;
    if (tokenizer != nullptr) {
      options.token_text = [&](TokenId token) { return std::string(tokenizer->BytesOf(token)); };
    }
    GenerationEngine engine(std::move(options), model, 0);
    TPO_ASSIGN_OR_RETURN(const auto groups, engine.Generate(std::move(requests)));
    for (size_t i = 0; i < groups.size(); ++i) Print(flags, tokenizer.get(), prompts[i], groups[i]);
  } catch (const std::bad_alloc&) {
    return absl::ResourceExhaustedError("not enough memory for the model and its cache");
  } catch (const std::exception& error) {  // LibTorch's
    return absl::InternalError(absl::StrCat("generating failed: ", error.what()));
  }
  return absl::OkStatus();
}

absl::Status ExportLanguageModel(const ExportCommand& command) {
  TPO_ASSIGN_OR_RETURN(const std::unique_ptr<ModelDirectory> model,
                       ModelDirectory::Open(command.run));
  const TensorType type = command.type == "bfloat16" ? TensorType::kBfloat16 : TensorType::kFloat32;
  TPO_ASSIGN_OR_RETURN(const TensorBundle weights, model->ReadTensors(type));
  TPO_RETURN_IF_ERROR(ExportModel(FileSystem::Posix(), command.run, weights, command.directory));
  std::printf("exported %s to %s\n", command.run.c_str(), command.directory.c_str());
  return absl::OkStatus();
}

}  // namespace tpo
