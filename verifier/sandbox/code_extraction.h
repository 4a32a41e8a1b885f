// Finds the program in a completion's text. A pure function.
#ifndef TPO_VERIFIER_SANDBOX_CODE_EXTRACTION_H_
#define TPO_VERIFIER_SANDBOX_CODE_EXTRACTION_H_

#include <string>
#include <string_view>
#include <vector>

namespace tpo {

enum class CodeExtraction {
  // The last block between ``` fences whose info string is one of `languages`; one that is never
  // closed reaches to the end. Text without such a block is the program itself.
  kLastFence,
  // All of the text.
  kWholeText,
};

// A fence is a line that starts, after up to three blanks, with three or more backticks; the block
// ends at a line of at least as many. The info string's first word is compared without regard to
// case; an empty one matches the language "".
std::string ExtractCode(std::string_view text, CodeExtraction extraction,
                        const std::vector<std::string>& languages);

}  // namespace tpo

#endif  // TPO_VERIFIER_SANDBOX_CODE_EXTRACTION_H_
