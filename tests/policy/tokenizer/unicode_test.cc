#include "policy/tokenizer/unicode.h"

#include <gtest/gtest.h>

namespace tpo::unicode {
namespace {

TEST(UnicodeTest, KnowsClasses) {
  const PropertyTable& properties = PropertyTable::Get();
  EXPECT_EQ(properties['a'], kLetter | kWord);
  EXPECT_EQ(properties['7'], kNumber | kNumeric | kWord);
  EXPECT_EQ(properties[' '], kSpace);
  EXPECT_EQ(properties['_'], kWord);
  EXPECT_EQ(properties['!'], 0);
  EXPECT_TRUE(properties[0x4E00] & kLetter);
  EXPECT_TRUE(properties[0x00BD] & kNumber);  // one half
  EXPECT_TRUE(properties[0x3000] & kSpace);
  EXPECT_TRUE(properties[0x0301] & kNonstarter);
  EXPECT_FALSE(properties[0x180E] & kSpace);
  EXPECT_EQ(properties[0x10FFFF], 0);
}

TEST(UnicodeTest, WritesWhatItReads) {
  for (const uint32_t code_point :
       {0u, 0x7Fu, 0x80u, 0x7FFu, 0x800u, 0xFFFFu, 0x10000u, 0x10FFFFu}) {
    std::string text;
    AppendUtf8(code_point, &text);
    size_t position = 0;
    EXPECT_EQ(NextCodePoint(text, &position), code_point);
    EXPECT_EQ(position, text.size());
    EXPECT_EQ(ValidPrefix(text), text.size());
  }
}

TEST(UnicodeTest, ReplacesEachMalformedStretchOnce) {
  const std::string r = "\uFFFD";
  EXPECT_EQ(ReplaceMalformed("a\xff"
                             "b"),
            "a" + r + "b");
  EXPECT_EQ(ReplaceMalformed("\xf0\x9f\x99"), r);  // a character cut short
  EXPECT_EQ(ReplaceMalformed("\xf0\x9f\x99z"), r + "z");
  EXPECT_EQ(ReplaceMalformed("\xc0\x80"), r + r);                  // overlong
  EXPECT_EQ(ReplaceMalformed("\xe0\x80\x80"), r + r + r);          // overlong
  EXPECT_EQ(ReplaceMalformed("\xed\xa0\x80"), r + r + r);          // a surrogate
  EXPECT_EQ(ReplaceMalformed("\xf4\x90\x80\x80"), r + r + r + r);  // beyond the last code point
  EXPECT_EQ(ReplaceMalformed("\x80\xc3\xa9"), r + "é");
  EXPECT_EQ(ReplaceMalformed("plain, é, 🙂"), "plain, é, 🙂");
}

TEST(UnicodeTest, FindsTheEndOfAValidPrefix) {
  EXPECT_EQ(ValidPrefix("eight bytes and more \xff eight bytes and more"), 21u);
  EXPECT_EQ(ValidPrefix("\xc3"), 0u);
  EXPECT_EQ(ValidPrefix(""), 0u);
}

TEST(UnicodeTest, NormalizesToFormC) {
  EXPECT_EQ(ToNfc("e\u0301"), "\u00e9");
  EXPECT_EQ(ToNfc("\u212b"), "\u00c5");              // a singleton
  EXPECT_EQ(ToNfc("\u0958"), "\u0915\u093c");        // excluded from composition
  EXPECT_EQ(ToNfc("\u1100\u1161\u11a8"), "\uac01");  // Hangul
  EXPECT_EQ(ToNfc("\uac00\u11a8"), "\uac01");
  EXPECT_EQ(ToNfc("\u1100\u1100\u1161"), "\u1100\uac00");
  EXPECT_EQ(ToNfc("a\u0327\u0301"), "\u00e1\u0327");  // over a mark of another class
  EXPECT_EQ(ToNfc("a\u0301\u0327"), "\u00e1\u0327");  // reordered
  EXPECT_EQ(ToNfc("\u0301a"), "\u0301a");
  EXPECT_EQ(ToNfc("a\u0301\u0301"), "\u00e1\u0301");
}

TEST(UnicodeTest, TheQuickCheckNeverPassesWhatNormalizingChanges) {
  int passed = 0;
  const uint32_t marks[] = {0x301, 0x327, 0x345, 0x11A8, 0x1161, 0x93C, 0x3099};
  for (uint32_t code_point = 1; code_point < 0x30000; ++code_point) {
    if (code_point >= 0xD800 && code_point < 0xE000) continue;
    std::string text;
    AppendUtf8(code_point, &text);
    if (code_point % 5 == 0) AppendUtf8(marks[code_point % 7], &text);
    if (code_point % 15 == 0) AppendUtf8(marks[code_point % 6], &text);
    if (!IsSurelyNfc(text)) continue;
    ++passed;
    ASSERT_EQ(ToNfc(text), text) << std::hex << code_point;
  }
  EXPECT_GT(passed, 100'000);
}

}  // namespace
}  // namespace tpo::unicode
