// Tags such as <answer>…</answer> in texts. Pure functions; time is linear in the text.
#ifndef TPO_VERIFIER_RULES_TAG_TEXT_H_
#define TPO_VERIFIER_RULES_TAG_TEXT_H_

#include <optional>
#include <string>
#include <string_view>

namespace tpo {

// Whether this can be the name of a tag: not empty, and free of white space, '<', '>' and '/'.
bool IsTagName(std::string_view name);

// The text within the last <TAG>…</TAG>, without ASCII white space around it. Tags are paired from
// the left, so an opening tag before the closing one of another is text (the rule of
// reasoning_gym.utils.extract_answer).
std::optional<std::string_view> TextWithin(std::string_view text, const std::string& tag);

}  // namespace tpo

#endif  // TPO_VERIFIER_RULES_TAG_TEXT_H_
