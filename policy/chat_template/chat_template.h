// Conversations to text by the template that a model brings along, as transformers'
// apply_chat_template renders it.
//
// Templates are Jinja. The part of it that chat templates use is here (docs/tokenizer.md); the rest
// is refused with its line and name, never rendered differently. A template is foreign code: it can
// read nothing but the conversation, and steps, nesting and sizes are limited.
//
// Immutable and thread-safe.
//
//   TPO_ASSIGN_OR_RETURN(const ChatTemplate chat, ChatTemplate::Load(file_system, "model"));
//   ChatOptions options;
//   options.add_generation_prompt = true;
//   auto text = chat.Render(Json::parse(R"([{"role": "user", "content": "Hi"}])"), options);
#ifndef TPO_POLICY_CHAT_TEMPLATE_CHAT_TEMPLATE_H_
#define TPO_POLICY_CHAT_TEMPLATE_CHAT_TEMPLATE_H_

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "core/file_system.h"
#include "nlohmann/json.hpp"

namespace tpo {

// Larger templates are refused; those in use have up to 20,000 bytes.
inline constexpr size_t kMaxChatTemplateBytes = 1'000'000;

struct ChatOptions {
  // Ends the text with the header of the assistant's turn.
  bool add_generation_prompt = false;
  // A list of JSON schemas; null: none.
  nlohmann::ordered_json tools;
  // More variables for the template, such as {"enable_thinking": false}.
  nlohmann::ordered_json variables;
  // For strftime_now.
  absl::Time now = absl::Now();
  absl::TimeZone time_zone = absl::LocalTimeZone();
};

class ChatTemplate {
 public:
  // `special_tokens` are variables such as bos_token. INVALID_ARGUMENT: no valid template;
  // UNIMPLEMENTED: something of Jinja that isn't supported; RESOURCE_EXHAUSTED: a limit. Messages
  // begin with the line.
  static absl::StatusOr<ChatTemplate> Parse(std::string_view source,
                                            std::map<std::string, std::string> special_tokens = {});

  // From a model's directory: chat_template.jinja, or else chat_template in tokenizer_config.json,
  // which also gives the special tokens. NOT_FOUND: it has no template. Errors name the file.
  static absl::StatusOr<ChatTemplate> Load(FileSystem* file_system,
                                           const std::string& model_directory);

  // `messages` is a list of objects, not empty; what is null in them counts as absent. Beside
  // Parse's errors FAILED_PRECONDITION: the template's own raise_exception, say because the roles
  // don't alternate.
  absl::StatusOr<std::string> Render(const nlohmann::ordered_json& messages,
                                     const ChatOptions& options = {}) const;

  // Of the templates' texts and the special tokens: a run that goes on has to find the same ones.
  uint32_t checksum() const { return checksum_; }

 private:
  struct Parsed;

  ChatTemplate() = default;

  std::shared_ptr<const Parsed> default_;
  // Instead of it where there are tools; may be null.
  std::shared_ptr<const Parsed> with_tools_;
  std::map<std::string, std::string> special_tokens_;
  uint32_t checksum_ = 0;
};

}  // namespace tpo

#endif  // TPO_POLICY_CHAT_TEMPLATE_CHAT_TEMPLATE_H_
