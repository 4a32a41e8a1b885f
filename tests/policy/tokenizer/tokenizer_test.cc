#include "policy/tokenizer/tokenizer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>

#include "tests/policy/tokenizer/test_tokenizers.h"

namespace tpo {
namespace {

using nlohmann::json;

std::unique_ptr<const Tokenizer> LoadFamily(const std::string& family) {
  auto tokenizer =
      Tokenizer::Load(FileSystem::Posix(), TokenizerTestPath(family + ".tokenizer.json"));
  if (!tokenizer.ok()) ADD_FAILURE() << tokenizer.status();
  return *std::move(tokenizer);
}

std::string FromHex(const std::string& hex) {
  std::string bytes;
  for (size_t i = 0; i < hex.size(); i += 2) {
    bytes.push_back(static_cast<char>(std::stoi(hex.substr(i, 2), nullptr, 16)));
  }
  return bytes;
}

std::string TextOf(const json& test_case) {
  return test_case.contains("hex") ? FromHex(test_case["hex"]) : std::string(test_case["text"]);
}

std::string DecodeByToken(const Tokenizer& tokenizer, const std::vector<TokenId>& tokens,
                          DecodeOptions options) {
  StreamDecoder decoder(&tokenizer, options);
  std::string text;
  for (const TokenId token : tokens) text += decoder.Append(token);
  return text + decoder.Finish();
}

// Each family, against what the PyPI package made of the same texts.
class FamilyTest : public testing::TestWithParam<const char*> {};

TEST_P(FamilyTest, AgreesWithThePackage) {
  const auto tokenizer = LoadFamily(GetParam());
  const json cases = ReadTestJson(TokenizerTestPath(std::string(GetParam()) + ".cases.json"));
  ASSERT_GT(cases.size(), 100u);
  for (const json& test_case : cases) {
    SCOPED_TRACE(test_case.dump());
    const std::string text = TextOf(test_case);
    const std::vector<TokenId> ids = test_case["ids"];
    EXPECT_EQ(tokenizer->Encode(text), ids);
    EXPECT_EQ(tokenizer->Encode(text, {.add_special_tokens = true}),
              test_case.value("with_special", ids));
    for (const bool skip : {false, true}) {
      const DecodeOptions options = {.skip_special_tokens = skip};
      const std::string decoded = test_case[skip ? "skipped" : "decoded"];
      EXPECT_EQ(tokenizer->Decode(ids, options), decoded);
      EXPECT_EQ(DecodeByToken(*tokenizer, ids, options), decoded);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Families, FamilyTest, testing::Values("llama3", "qwen", "smollm2", "odd"),
                         [](const auto& tested) { return std::string(tested.param); });

TEST(TokenizerTest, KnowsItsTokensByContent) {
  const auto tokenizer = LoadFamily("qwen");
  const auto end = tokenizer->IdOf("<|im_end|>");
  ASSERT_TRUE(end.has_value());
  EXPECT_EQ(tokenizer->ContentOf(*end), "<|im_end|>");
  EXPECT_EQ(tokenizer->BytesOf(*end), "<|im_end|>");
  EXPECT_TRUE(tokenizer->IsSpecial(*end));
  const auto think = tokenizer->IdOf("<think>");
  ASSERT_TRUE(think.has_value());
  EXPECT_FALSE(tokenizer->IsSpecial(*think));
  EXPECT_EQ(tokenizer->size(), std::max(*end, *tokenizer->IdOf("</think>")) + 1);
}

TEST(TokenizerTest, HasNothingForIdsOfNoToken) {
  const auto tokenizer = LoadFamily("qwen");
  for (const TokenId id : {-1, tokenizer->size(), INT32_MAX}) {
    EXPECT_EQ(tokenizer->ContentOf(id), std::nullopt);
    EXPECT_EQ(tokenizer->BytesOf(id), "");
    EXPECT_FALSE(tokenizer->IsSpecial(id));
    EXPECT_EQ(tokenizer->Decode({id}), "");
  }
  EXPECT_EQ(tokenizer->IdOf("no such token"), std::nullopt);
}

TEST(TokenizerTest, StreamsTextAsSoonAsItIsComplete) {
  const auto tokenizer = LoadFamily("llama3");
  // The bytes of "é" and of a lone lead byte, one token each.
  const std::vector<TokenId> bytes = {*tokenizer->IdOf("Ã"), *tokenizer->IdOf("©"),
                                      *tokenizer->IdOf("a"), *tokenizer->IdOf("Ã"),
                                      *tokenizer->IdOf("b"), *tokenizer->IdOf("Ã")};
  StreamDecoder decoder(tokenizer.get());
  std::vector<std::string> returned;
  for (const TokenId token : bytes) returned.push_back(decoder.Append(token));
  EXPECT_THAT(returned, testing::ElementsAre("", "é", "a", "", "\uFFFDb", ""));
  EXPECT_EQ(decoder.Finish(), "\uFFFD");
  EXPECT_EQ(decoder.Finish(), "");
}

TEST(TokenizerTest, DecodesToTheSameTextAsItEncoded) {
  // A vocabulary with all bytes and no normalizer loses nothing.
  const auto tokenizer = LoadFamily("llama3");
  const std::string text = "Tabs\tand  spaces\r\n\r\n, 123456, naïve 我 🙂 <|eot_id|> <|eot";
  EXPECT_EQ(tokenizer->Decode(tokenizer->Encode(text)), text);
}

TEST(TokenizerTest, EncodesLongRunsInReasonableTime) {
  // Quadratic merging would take minutes.
  const auto tokenizer = LoadFamily("smollm2");
  for (const std::string unit : {"a", " ", "\n", "我", "\xff"}) {
    std::string text;
    while (text.size() < 400'000) text += unit;
    EXPECT_FALSE(tokenizer->Encode(text).empty());
  }
}

TEST(TokenizerTest, ThreadsShareATokenizer) {
  const auto tokenizer = LoadFamily("qwen");
  const json cases = ReadTestJson(TokenizerTestPath("qwen.cases.json"));
  std::vector<int> differences(4, 0);
  std::vector<std::thread> threads;
  for (int& count : differences) {
    threads.emplace_back([&] {
      for (const json& test_case : cases) {
        const std::vector<TokenId> ids = test_case["ids"];
        count += tokenizer->Encode(TextOf(test_case)) != ids;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_THAT(differences, testing::Each(0));
}

TEST(TokenizerTest, ErrorsNameTheFile) {
  const std::string path = TokenizerTestPath("make_golden.py");
  const auto tokenizer = Tokenizer::Load(FileSystem::Posix(), path);
  EXPECT_EQ(tokenizer.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(tokenizer.status().message()), testing::StartsWith(path));
}

}  // namespace
}  // namespace tpo
