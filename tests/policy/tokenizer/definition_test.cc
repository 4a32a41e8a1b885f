// What tokenizer.json is refused, and that the message names the reason.
#include "policy/tokenizer/definition.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>

#include "tests/policy/tokenizer/test_tokenizers.h"

namespace tpo {
namespace {

using nlohmann::json;
using testing::HasSubstr;

const json& Llama3() {
  static const json& definition =
      *new json(ReadTestJson(TokenizerTestPath("llama3.tokenizer.json")));
  return definition;
}

absl::Status StatusOf(const json& definition) {
  return ParseTokenizerDefinition(definition.dump()).status();
}

struct Refusal {
  const char* name;
  std::function<void(json&)> change;
  absl::StatusCode code;
  const char* message;
};

class RefusalTest : public testing::TestWithParam<Refusal> {};

TEST_P(RefusalTest, NamesTheReason) {
  json definition = Llama3();
  ASSERT_TRUE(StatusOf(definition).ok()) << StatusOf(definition);
  GetParam().change(definition);
  const absl::Status status = StatusOf(definition);
  EXPECT_EQ(status.code(), GetParam().code);
  EXPECT_THAT(std::string(status.message()), HasSubstr(GetParam().message));
}

constexpr auto kBroken = absl::StatusCode::kInvalidArgument;
constexpr auto kUnsupported = absl::StatusCode::kUnimplemented;

json TypeOnly(const char* type) { return json{{"type", type}}; }

INSTANTIATE_TEST_SUITE_P(
    Refusals, RefusalTest,
    testing::Values(
        Refusal{"Version", [](json& d) { d["version"] = "2.0"; }, kUnsupported, "version \"2.0\""},
        Refusal{"Truncation",
                [](json& d) {
                  d["truncation"] = {{"max_length", 8}};
                },
                kUnsupported, "truncation"},
        Refusal{"Padding",
                [](json& d) {
                  d["padding"] = {{"pad_id", 0}};
                },
                kUnsupported, "padding"},
        Refusal{"Normalizer", [](json& d) { d["normalizer"] = TypeOnly("NFKC"); }, kUnsupported,
                "NFKC"},
        Refusal{
            "NormalizerInASequence",
            [](json& d) {
              d["normalizer"] = {{"type", "Sequence"}, {"normalizers", {TypeOnly("Lowercase")}}};
            },
            kUnsupported, "Lowercase"},
        Refusal{"PreTokenizer", [](json& d) { d["pre_tokenizer"] = TypeOnly("Metaspace"); },
                kUnsupported, "Metaspace"},
        Refusal{"NoPreTokenizer", [](json& d) { d["pre_tokenizer"] = nullptr; }, kUnsupported,
                "pre_tokenizer"},
        Refusal{"NoByteLevel", [](json& d) { d["pre_tokenizer"]["pretokenizers"].erase(1); },
                kUnsupported, "without ByteLevel"},
        Refusal{
            "Pattern",
            [](json& d) { d["pre_tokenizer"]["pretokenizers"][0]["pattern"]["Regex"] = "\\w+"; },
            kUnsupported, "\"\\\\w+\""},
        Refusal{"Behavior",
                [](json& d) { d["pre_tokenizer"]["pretokenizers"][0]["behavior"] = "Removed"; },
                kUnsupported, "Removed"},
        Refusal{"PrefixSpace",
                [](json& d) { d["pre_tokenizer"]["pretokenizers"][1]["add_prefix_space"] = true; },
                kUnsupported, "add_prefix_space"},
        Refusal{"Model", [](json& d) { d["model"]["type"] = "Unigram"; }, kUnsupported, "Unigram"},
        Refusal{"Dropout", [](json& d) { d["model"]["dropout"] = 0.1; }, kUnsupported, "dropout"},
        Refusal{"Prefix", [](json& d) { d["model"]["continuing_subword_prefix"] = "##"; },
                kUnsupported, "continuing_subword_prefix"},
        Refusal{"Suffix", [](json& d) { d["model"]["end_of_word_suffix"] = "</w>"; }, kUnsupported,
                "end_of_word_suffix"},
        Refusal{"ByteFallback", [](json& d) { d["model"]["byte_fallback"] = true; }, kUnsupported,
                "byte_fallback"},
        Refusal{"NoVocabulary", [](json& d) { d["model"].erase("vocab"); }, kBroken, "vocab"},
        Refusal{"NegativeId", [](json& d) { d["model"]["vocab"]["a"] = -1; }, kBroken, "'a'"},
        Refusal{"HugeId", [](json& d) { d["model"]["vocab"]["a"] = 1u << 31; }, kBroken,
                "2147483648"},
        Refusal{"FractionalId", [](json& d) { d["model"]["vocab"]["a"] = 1.5; }, kBroken, "1.5"},
        Refusal{"SharedId", [](json& d) { d["model"]["vocab"]["a"] = d["model"]["vocab"]["b"]; },
                kBroken, "of another token"},
        Refusal{"MergeOfUnknown",
                [](json& d) {
                  d["model"]["merges"][3] = {"a", "\u2603"};
                },
                kBroken, "merge 4"},
        Refusal{"MergeOfThree", [](json& d) { d["model"]["merges"][0] = "a b c"; }, kBroken,
                "a b c"},
        Refusal{"MergeOfNumbers",
                [](json& d) {
                  d["model"]["merges"][0] = {1, 2};
                },
                kBroken, "[1,2]"},
        Refusal{"NoMerges", [](json& d) { d["model"]["merges"] = 1; }, kBroken, "merges"},
        Refusal{"UnknownUnknown", [](json& d) { d["model"]["unk_token"] = "<what>"; }, kBroken,
                "<what>"},
        Refusal{"AddedTokenId", [](json& d) { d["added_tokens"][0]["id"] = 7; }, kBroken,
                "<|begin_of_text|>"},
        Refusal{"AddedTokenTwice", [](json& d) { d["added_tokens"][1] = d["added_tokens"][0]; },
                kBroken, "occurs twice"},
        Refusal{"EmptyAddedToken", [](json& d) { d["added_tokens"][0]["content"] = ""; }, kBroken,
                "bytes"},
        Refusal{"LongAddedToken",
                [](json& d) { d["added_tokens"][0]["content"] = std::string(2000, 'x'); }, kBroken,
                "bytes"},
        Refusal{"PostProcessor", [](json& d) { d["post_processor"] = TypeOnly("BertProcessing"); },
                kUnsupported, "BertProcessing"},
        Refusal{"TemplateOfPairs",
                [](json& d) {
                  d["post_processor"]["processors"][1]["single"][1]["Sequence"]["id"] = "B";
                },
                kUnsupported, "\"B\""},
        Refusal{
            "TemplateOfUnknownId",
            [](json& d) {
              d["post_processor"]["processors"][1]["special_tokens"]["<|begin_of_text|>"]["ids"] = {
                  1'000'000};
            },
            kBroken, "1000000"},
        Refusal{"Decoder", [](json& d) { d["decoder"] = TypeOnly("WordPiece"); }, kUnsupported,
                "WordPiece"},
        Refusal{"NoDecoder", [](json& d) { d.erase("decoder"); }, kUnsupported, "decoder"}),
    [](const auto& tested) { return std::string(tested.param.name); });

TEST(TokenizerDefinitionTest, RefusesWhatIsNoJson) {
  for (const std::string text : {"", "{", "[]", "nul", "{\"model\": \xff}", "\"text\""}) {
    EXPECT_EQ(ParseTokenizerDefinition(text).status().code(), kBroken) << text;
  }
}

TEST(TokenizerDefinitionTest, RefusesAKeyThatOccursTwice) {
  const absl::Status status =
      ParseTokenizerDefinition(R"({"model": {"vocab": {"a": 0, "a": 1}}})").status();
  EXPECT_THAT(std::string(status.message()), HasSubstr("'a' occurs twice"));
}

TEST(TokenizerDefinitionTest, RefusesDeepNesting) {
  std::string text = "{\"x\": ";
  for (int i = 0; i < 100'000; ++i) text += "[";
  EXPECT_THAT(std::string(ParseTokenizerDefinition(text).status().message()),
              HasSubstr("nested deeper than 100 levels"));
  json sequence = TypeOnly("NFC");
  for (int i = 0; i < 20; ++i) sequence = {{"type", "Sequence"}, {"normalizers", {sequence}}};
  json definition = Llama3();
  definition["normalizer"] = sequence;
  EXPECT_EQ(StatusOf(definition).code(), kUnsupported);
}

TEST(TokenizerDefinitionTest, NeverCrashesOnChangedBytes) {
  const std::string text = ReadTestFile(TokenizerTestPath("smollm2.tokenizer.json"));
  int refused = 0;
  for (size_t at = 0; at < text.size(); at += 211) {
    std::string changed = text;
    changed[at] = changed[at] == '1' ? '}' : '1';
    refused += !ParseTokenizerDefinition(changed).ok();
    refused += !ParseTokenizerDefinition(text.substr(0, at)).ok();
  }
  EXPECT_GT(refused, 200);
}

}  // namespace
}  // namespace tpo
