#include "policy/tokenizer/byte_pair_encoder.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace tpo {
namespace {

using testing::ElementsAre;

// Bytes are their own tokens; merges make 256, 257, … in the order given.
BytePairModel ModelWith(const std::vector<std::pair<TokenId, TokenId>>& merges) {
  BytePairModel model;
  for (int byte = 0; byte < 256; ++byte) model.byte_tokens[byte] = byte;
  TokenId next = 256;
  for (const auto& [left, right] : merges) model.merges.push_back({left, right, next++});
  return model;
}

std::vector<TokenId> Encode(const BytePairEncoder& encoder, std::string_view word) {
  BytePairEncoder::Session session(&encoder);
  std::vector<TokenId> tokens;
  session.Encode(word, &tokens);
  return tokens;
}

TEST(BytePairEncoderTest, MergesTheLowestRankFirst) {
  const BytePairEncoder encoder(ModelWith({{'b', 'c'}, {'a', 'b'}}));
  EXPECT_THAT(Encode(encoder, "abc"), ElementsAre('a', 256));
  EXPECT_THAT(Encode(encoder, "abd"), ElementsAre(257, 'd'));
}

TEST(BytePairEncoderTest, MergesTheLeftmostOfEqualPairsFirst) {
  const BytePairEncoder encoder(ModelWith({{'a', 'a'}, {256, 'a'}}));
  EXPECT_THAT(Encode(encoder, "aaa"), ElementsAre(257));
  EXPECT_THAT(Encode(encoder, "aaaaa"), ElementsAre(256, 257));
}

TEST(BytePairEncoderTest, LongWordsMergeAsShortOnesDo) {
  // Ranks in a random order, and one word just short enough for the other algorithm.
  std::vector<std::pair<TokenId, TokenId>> merges;
  uint32_t random = 1;
  for (int i = 0; i < 300; ++i) {
    const auto draw = [&] {
      random = random * 1664525 + 1013904223;
      const int choice = static_cast<int>(random >> 24);
      return choice % 3 == 0 && i > 0 ? 256 + choice % i : 'a' + choice % 4;
    };
    const TokenId left = draw();
    merges.push_back({left, draw()});
  }
  const BytePairEncoder encoder(ModelWith(merges));
  for (int round = 0; round < 200; ++round) {
    std::string word;
    for (int i = 0; i < 48; ++i) {
      random = random * 1664525 + 1013904223;
      word.push_back(static_cast<char>('a' + (random >> 24) % 4));
    }
    // '#' merges with nothing, so the long word is merged as if the short one stood alone.
    std::vector<TokenId> expected = Encode(encoder, word);
    for (int i = 0; i < 100; ++i) expected.push_back('#');
    EXPECT_EQ(Encode(encoder, word + std::string(100, '#')), expected) << word;
  }
}

TEST(BytePairEncoderTest, RemembersWordsUnderTheirOwnName) {
  const BytePairEncoder encoder(ModelWith({{'a', 'b'}}));
  for (int round = 0; round < 2; ++round) {
    for (int i = 0; i < 100'000; i += 7) {
      const std::string digits = std::to_string(i);
      std::vector<TokenId> expected(digits.begin(), digits.end());
      expected.push_back(256);
      ASSERT_EQ(Encode(encoder, digits + "ab"), expected);
    }
  }
}

TEST(BytePairEncoderTest, BytesWithoutATokenAreLeftOut) {
  BytePairModel model = ModelWith({{'a', 'b'}});
  model.byte_tokens['x'] = -1;
  const BytePairEncoder encoder(std::move(model));
  EXPECT_THAT(Encode(encoder, "axb"), ElementsAre(256));
  EXPECT_THAT(Encode(encoder, "xx"), ElementsAre());
}

TEST(BytePairEncoderTest, BytesWithoutATokenBecomeTheUnknownOne) {
  BytePairModel model = ModelWith({{'a', 'b'}});
  model.byte_tokens['x'] = -1;
  model.unknown_token = 500;
  EXPECT_THAT(Encode(BytePairEncoder(model), "axxb"), ElementsAre('a', 500, 500, 'b'));
  model.fuse_unknown = true;
  EXPECT_THAT(Encode(BytePairEncoder(model), "axxb"), ElementsAre('a', 500, 'b'));
}

TEST(BytePairEncoderTest, WholeWordsComeFirst) {
  BytePairModel model = ModelWith({{'a', 'b'}});
  model.whole_words["abc"] = 400;
  const BytePairEncoder encoder(std::move(model));
  EXPECT_THAT(Encode(encoder, "abc"), ElementsAre(400));
  EXPECT_THAT(Encode(encoder, "abcd"), ElementsAre(256, 'c', 'd'));
}

TEST(BytePairEncoderTest, OfEqualMergesTheLastCounts) {
  BytePairModel model = ModelWith({{'a', 'b'}, {'b', 'c'}});
  model.merges.push_back(model.merges[0]);
  EXPECT_THAT(Encode(BytePairEncoder(std::move(model)), "abc"), ElementsAre('a', 257));
}

}  // namespace
}  // namespace tpo
