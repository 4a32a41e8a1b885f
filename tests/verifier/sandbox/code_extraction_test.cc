#include "verifier/sandbox/code_extraction.h"

#include <gtest/gtest.h>

namespace tpo {
namespace {

std::string Extract(const std::string& text) {
  return ExtractCode(text, CodeExtraction::kLastFence, {"python", "py", ""});
}

TEST(CodeExtractionTest, TheLastBlockOfALanguageCounts) {
  EXPECT_EQ(Extract("First:\n```python\na = 1\n```\nBetter:\n```py\na = 2\n```\nRun it:\n"
                    "```bash\npython a.py\n```\n"),
            "a = 2\n");
  EXPECT_EQ(Extract("```\na = 1\n```"), "a = 1\n");
  EXPECT_EQ(Extract("``` Python {.numberLines}\r\na = 1\n```"), "a = 1\n");
}

TEST(CodeExtractionTest, ABlockThatIsCutOffReachesToTheEnd) {
  EXPECT_EQ(Extract("```python\na = 1\n```\nBetter:\n```python\na = 2\nb ="), "a = 2\nb =");
  EXPECT_EQ(Extract("```python\n"), "");
}

TEST(CodeExtractionTest, TextWithoutABlockIsTheProgram) {
  EXPECT_EQ(Extract("a = 1\n"), "a = 1\n");
  EXPECT_EQ(Extract(""), "");
  EXPECT_EQ(Extract("a = '```'\n"), "a = '```'\n");
  EXPECT_EQ(Extract("```bash\nls\n```\n"), "```bash\nls\n```\n");
  EXPECT_EQ(Extract("Use ```python code``` here"), "Use ```python code``` here");
}

TEST(CodeExtractionTest, ALongerFenceHoldsShorterOnes) {
  EXPECT_EQ(Extract("````python\ns = '''\n```\nx\n```\n'''\n````\n"),
            "s = '''\n```\nx\n```\n'''\n");
  EXPECT_EQ(Extract("  ```python\n  a\n  ```"), "  a\n");
}

TEST(CodeExtractionTest, TheWholeTextOnRequest) {
  EXPECT_EQ(ExtractCode("```python\na\n```", CodeExtraction::kWholeText, {"python"}),
            "```python\na\n```");
}

}  // namespace
}  // namespace tpo
