// Any bytes as a chat template, rendered with a conversation that has a bit of everything; with a
// first byte of 128 or more the bytes are the conversation, for a fixed template.
#include <string>

#include "policy/chat_template/chat_template.h"
#include "policy/strict_json.h"
#include "policy/tokenizer/unicode.h"
#include "tests/fuzz/fuzz.h"

namespace tpo {
namespace {

using Json = nlohmann::ordered_json;

constexpr char kMessages[] = R"([
  {"role": "system", "content": " Be brief. "},
  {"role": "user", "content": [{"type": "text", "text": "2 + 2?"}]},
  {"role": "assistant", "content": "<think>\n4\n</think>\n", "tool_calls": [
    {"type": "function", "function": {"name": "add", "arguments": {"a": 2, "b": 2.5, "c": null}}}]},
  {"role": "tool", "content": "4"}])";

constexpr char kTemplate[] =
    "{% for m in messages %}{{ m.role ~ m['content'] | string | trim }}{% for k, v in m.items() %}"
    "{{ k | upper if k is defined }}{{ v | tojson(indent=1) }}{% endfor %}{% endfor %}";

void Check(const absl::StatusOr<std::string>& text) {
  if (text.ok()) {
    Require(unicode::ValidPrefix(*text) == text->size(), "what is rendered is valid UTF-8");
  } else {
    Require(!text.status().message().empty(), "a refusal has a reason");
  }
}

}  // namespace
}  // namespace tpo

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace tpo;  // NOLINT
  FuzzInput input(data, size);
  static const Json& messages = *new Json(Json::parse(kMessages));
  ChatOptions options;
  options.now = absl::FromUnixSeconds(1'750'000'000);
  options.add_generation_prompt = true;
  if (input.Byte() >= 128) {
    static const ChatTemplate& fixed = *new ChatTemplate(*ChatTemplate::Parse(kTemplate));
    const absl::StatusOr<Json> parsed = ParseStrictJson<Json>(input.Rest());
    if (parsed.ok()) Check(fixed.Render(*parsed, options));
    return 0;
  }
  const auto chat = ChatTemplate::Parse(input.Rest(), {{"bos_token", "<s>"}});
  if (chat.ok()) {
    Check(chat->Render(messages, options));
  } else {
    Check(chat.status());
  }
  return 0;
}
