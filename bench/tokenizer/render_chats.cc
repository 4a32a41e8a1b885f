// Renders conversations with chat templates; chat_agreement.py compares the texts with those of
// transformers.
//
//   render_chats < REQUESTS > REPLIES
//
// A request is a line of JSON: {"template", "messages", "tools", "variables", "special_tokens",
// "add_generation_prompt", "now"}, all but the first two optional; `now` in seconds since 1970. The
// reply is a line: {"text"} or {"code", "message"}.
#include <iostream>
#include <map>
#include <string>

#include "policy/chat_template/chat_template.h"

namespace tpo {
namespace {

using Json = nlohmann::ordered_json;

Json Reply(const Json& request) {
  std::map<std::string, std::string> special_tokens;
  if (request.contains("special_tokens")) {
    special_tokens = request["special_tokens"].get<std::map<std::string, std::string>>();
  }
  const auto refused = [](const absl::Status& status) {
    return Json{{"code", absl::StatusCodeToString(status.code())},
                {"message", std::string(status.message())}};
  };
  const auto chat = ChatTemplate::Parse(request["template"].get<std::string>(), special_tokens);
  if (!chat.ok()) return refused(chat.status());
  ChatOptions options;
  options.add_generation_prompt = request.value("add_generation_prompt", false);
  options.tools = request.value("tools", Json());
  options.variables = request.value("variables", Json());
  if (request.contains("now")) options.now = absl::FromUnixSeconds(request["now"].get<int64_t>());
  const auto text = chat->Render(request["messages"], options);
  return text.ok() ? Json{{"text", *text}} : refused(text.status());
}

}  // namespace
}  // namespace tpo

int main() {
  std::string line;
  while (std::getline(std::cin, line)) {
    std::cout << tpo::Reply(nlohmann::ordered_json::parse(line)).dump() << "\n";
  }
  return 0;
}
