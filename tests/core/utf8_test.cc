#include "core/utf8.h"

#include <gtest/gtest.h>

#include <cstddef>
#include <cstdint>
#include <string>

namespace tpo {
namespace {

std::string Encoded(uint32_t code_point) {
  std::string text;
  const auto append = [&text](uint32_t byte) { text.push_back(static_cast<char>(byte)); };
  const auto append_rest = [&](int shift) {
    for (; shift >= 0; shift -= 6) append(0x80 | ((code_point >> shift) & 0x3F));
  };
  if (code_point < 0x80) {
    append(code_point);
  } else if (code_point < 0x800) {
    append(0xC0 | (code_point >> 6));
    append_rest(0);
  } else if (code_point < 0x10000) {
    append(0xE0 | (code_point >> 12));
    append_rest(6);
  } else {
    append(0xF0 | (code_point >> 18));
    append_rest(12);
  }
  return text;
}

TEST(Utf8Test, MeasuresEveryCodePointAndNoSurrogate) {
  for (uint32_t code_point = 0; code_point <= 0x10FFFF; ++code_point) {
    const bool surrogate = code_point >= 0xD800 && code_point <= 0xDFFF;
    const std::string text = Encoded(code_point);
    ASSERT_EQ(Utf8SequenceLength(text, 0), surrogate ? 0 : text.size()) << code_point;
    ASSERT_EQ(Utf8SequenceLength("a" + text + "a", 1), surrogate ? 0 : text.size()) << code_point;
  }
}

TEST(Utf8Test, WhatIsCutOffIsNone) {
  for (const uint32_t code_point : {0xE9U, 0x20ACU, 0x1F600U}) {
    const std::string text = Encoded(code_point);
    for (size_t size = 1; size < text.size(); ++size) {
      EXPECT_EQ(Utf8SequenceLength(text.substr(0, size), 0), 0U) << code_point << " " << size;
      EXPECT_EQ(Utf8SequenceLength(text.substr(0, size) + "z", 0), 0U) << code_point << " " << size;
      EXPECT_EQ(Utf8SequenceLength(text, size), 0U) << "a byte from within a character";
    }
  }
}

TEST(Utf8Test, OverlongFormsAndWhatIsBeyondUnicodeAreNone) {
  for (const char* text :
       {"\xC0\x80", "\xC1\xBF", "\xE0\x80\x80", "\xE0\x9F\xBF", "\xF0\x80\x80\x80",
        "\xF0\x8F\xBF\xBF", "\xF4\x90\x80\x80", "\xF5\x80\x80\x80", "\xFE\x80\x80\x80", "\xFF"}) {
    EXPECT_EQ(Utf8SequenceLength(text, 0), 0U) << testing::PrintToString(text);
  }
}

}  // namespace
}  // namespace tpo
