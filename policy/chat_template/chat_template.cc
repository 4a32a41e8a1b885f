#include "policy/chat_template/chat_template.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/types/span.h"
#include "core/json_depth.h"
#include "core/status_macros.h"
#include "core/weight_snapshot.h"
#include "policy/chat_template/interpreter.h"
#include "policy/chat_template/parser.h"
#include "policy/chat_template/template_error.h"
#include "policy/chat_template/value.h"
#include "policy/strict_json.h"
#include "policy/tokenizer/unicode.h"

namespace tpo {
namespace {

using Json = nlohmann::ordered_json;
using jinja::Value;

constexpr size_t kMaxConfigBytes = 64'000'000;

absl::Status StatusOf(const jinja::TemplateError& error) {
  const std::string where = error.line() > 0 ? absl::StrCat("line ", error.line(), ": ") : "";
  const std::string message = absl::StrCat("chat template: ", where, error.what());
  switch (error.kind()) {
    case jinja::ErrorKind::kBroken:
      return absl::InvalidArgumentError(message);
    case jinja::ErrorKind::kUnsupported:
      return absl::UnimplementedError(absl::StrCat(message, " isn't supported"));
    case jinja::ErrorKind::kRaised:
      return absl::FailedPreconditionError(message);
    case jinja::ErrorKind::kTooMuch:
      return absl::ResourceExhaustedError(message);
  }
  return absl::InternalError(message);
}

absl::Status Named(const std::string& path, const absl::Status& status) {
  return absl::Status(status.code(), absl::StrCat(path, ": ", status.message()));
}

// Before anything is copied, which recursion does, too.
bool IsDeeper(const Json& json, int levels) {
  if (!json.is_structured()) return false;
  return levels == 0 || std::any_of(json.begin(), json.end(), [levels](const Json& item) {
           return IsDeeper(item, levels - 1);
         });
}

// As transformers hands messages to templates: null counts as absent, and reasoning is there under
// its two current names whatever name it came under.
absl::StatusOr<Json> PreparedMessages(const Json& messages) {
  if (!messages.is_array() || messages.empty()) {
    return absl::InvalidArgumentError("a conversation is a list of at least one message");
  }
  if (IsDeeper(messages, kMostJsonLevels)) {
    return absl::ResourceExhaustedError(
        absl::StrCat("a conversation nested deeper than ", kMostJsonLevels, " levels"));
  }
  Json prepared = Json::array();
  for (const Json& message : messages) {
    if (!message.is_object()) {
      return absl::InvalidArgumentError(
          absl::StrCat("message ", prepared.size() + 1, " isn't an object"));
    }
    Json reasoning;
    for (const char* name : {"reasoning", "thinking", "reasoning_content"}) {
      const auto found = message.find(name);
      if (found != message.end() && !found->is_null()) reasoning = *found;
    }
    Json copy = Json::object();
    if (!reasoning.is_null()) copy["thinking"] = reasoning;
    for (const auto& [key, value] : message.items()) {
      if (!value.is_null()) copy[key] = value;
    }
    if (!reasoning.is_null()) copy["reasoning_content"] = reasoning;
    prepared.push_back(std::move(copy));
  }
  return prepared;
}

// The named tokens of tokenizer_config.json, each a string or an object with content.
std::map<std::string, std::string> SpecialTokens(const Json& config) {
  std::map<std::string, std::string> tokens;
  for (const char* name : {"bos_token", "eos_token", "unk_token", "sep_token", "pad_token",
                           "cls_token", "mask_token"}) {
    auto found = config.find(name);
    if (found == config.end()) continue;
    const Json* value = &*found;
    if (value->is_object() && value->contains("content")) value = &value->at("content");
    if (value->is_string()) tokens[name] = value->get<std::string>();
  }
  return tokens;
}

// The templates of tokenizer_config.json by name; a single one is "default".
absl::StatusOr<std::map<std::string, std::string>> TemplatesOf(const Json& config) {
  std::map<std::string, std::string> templates;
  const auto found = config.find("chat_template");
  if (found == config.end() || found->is_null()) return templates;
  if (found->is_string()) {
    templates["default"] = found->get<std::string>();
    return templates;
  }
  const absl::Status refused = absl::InvalidArgumentError(
      "chat_template is neither a string nor a list of name and template");
  if (!found->is_array()) return refused;
  for (const Json& entry : *found) {
    if (!entry.is_object() || !entry.contains("name") || !entry["name"].is_string() ||
        !entry.contains("template") || !entry["template"].is_string()) {
      return refused;
    }
    templates[entry["name"].get<std::string>()] = entry["template"].get<std::string>();
  }
  if (!templates.contains("default")) {
    return absl::InvalidArgumentError("chat_template is a list without one named default");
  }
  return templates;
}

absl::StatusOr<Json> ReadConfig(FileSystem* file_system, const std::string& path) {
  auto text = file_system->ReadFile(path);
  if (absl::IsNotFound(text.status())) return Json::object();
  if (!text.ok()) return text.status();
  if (text->size() > kMaxConfigBytes) {
    return absl::InvalidArgumentError(
        absl::StrCat(path, ": larger than ", kMaxConfigBytes, " bytes"));
  }
  absl::StatusOr<Json> config = ParseStrictJson<Json>(*text);
  if (!config.ok()) return Named(path, config.status());
  if (!config->is_object())
    return absl::InvalidArgumentError(absl::StrCat(path, ": not a JSON object"));
  return config;
}

uint32_t Extend(uint32_t crc, std::string_view text) {
  // With its end: "a", "bc" isn't "ab", "c".
  const std::string ended =
      absl::StrCat(absl::string_view(text.data(), text.size()), absl::string_view("\0", 1));
  return ExtendCrc32c(
      crc, absl::MakeConstSpan(reinterpret_cast<const std::byte*>(ended.data()), ended.size()));
}

}  // namespace

struct ChatTemplate::Parsed {
  jinja::Block block;
};

absl::StatusOr<ChatTemplate> ChatTemplate::Parse(
    std::string_view source, std::map<std::string, std::string> special_tokens) {
  if (source.size() > kMaxChatTemplateBytes) {
    return absl::ResourceExhaustedError(absl::StrCat("chat template: ", source.size(),
                                                     " bytes, more than ", kMaxChatTemplateBytes));
  }
  if (unicode::ValidPrefix(source) != source.size()) {
    return absl::InvalidArgumentError("chat template: not valid UTF-8");
  }
  ChatTemplate made;
  made.special_tokens_ = std::move(special_tokens);
  made.checksum_ = Extend(0, source);
  for (const auto& [name, token] : made.special_tokens_)
    made.checksum_ = Extend(Extend(made.checksum_, name), token);
  try {
    auto parsed = std::make_shared<Parsed>();
    parsed->block = jinja::ParseTemplate(source);
    made.default_ = std::move(parsed);
  } catch (const jinja::TemplateError& error) {
    return StatusOf(error);
  }
  return made;
}

absl::StatusOr<ChatTemplate> ChatTemplate::Load(FileSystem* file_system,
                                                const std::string& model_directory) {
  const std::string config_path = JoinPath(model_directory, "tokenizer_config.json");
  TPO_ASSIGN_OR_RETURN(const Json config, ReadConfig(file_system, config_path));
  std::string path = JoinPath(model_directory, "chat_template.jinja");
  std::map<std::string, std::string> templates;
  if (auto file = file_system->ReadFile(path); file.ok()) {
    templates["default"] = *std::move(file);
  } else if (!absl::IsNotFound(file.status())) {
    return file.status();
  } else {
    path = config_path;
    auto found = TemplatesOf(config);
    if (!found.ok()) return Named(path, found.status());
    templates = *std::move(found);
  }
  if (templates.empty()) {
    return absl::NotFoundError(
        absl::StrCat(model_directory,
                     ": no chat_template.jinja, and no chat_template in tokenizer_config.json"));
  }
  auto made = Parse(templates["default"], SpecialTokens(config));
  if (!made.ok()) return Named(path, made.status());
  if (templates.contains("tool_use")) {
    auto with_tools = Parse(templates["tool_use"]);
    if (!with_tools.ok()) return Named(path, with_tools.status());
    made->with_tools_ = with_tools->default_;
    made->checksum_ = Extend(made->checksum_, templates["tool_use"]);
  }
  return made;
}

absl::StatusOr<std::string> ChatTemplate::Render(const Json& messages,
                                                 const ChatOptions& options) const {
  TPO_ASSIGN_OR_RETURN(const Json prepared, PreparedMessages(messages));
  try {
    std::map<std::string, Value> variables;
    for (const auto& [name, token] : special_tokens_) variables[name] = token;
    if (options.variables.is_object()) {
      for (const auto& [name, value] : options.variables.items()) {
        variables[name] = Value::FromJson(value);
      }
    }
    variables["messages"] = Value::FromJson(prepared);
    variables["tools"] = Value::FromJson(options.tools);
    variables["documents"] = jinja::None{};
    variables["add_generation_prompt"] = options.add_generation_prompt;
    const bool uses_tools = with_tools_ != nullptr && !options.tools.is_null();
    const Parsed& chosen = uses_tools ? *with_tools_ : *default_;
    return jinja::Interpreter(options.now, options.time_zone).Run(chosen.block, variables);
  } catch (const jinja::TemplateError& error) {
    return StatusOf(error);
  }
}

}  // namespace tpo
