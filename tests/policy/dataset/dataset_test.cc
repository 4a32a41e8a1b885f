#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"

#include "core/weight_snapshot.h"
#include "policy/dataset/dataset_prompt_source.h"
#include "policy/dataset/jsonl_dataset.h"
#include "policy/dataset/shuffle.h"
#include "tests/core/scratch_directory.h"
#include "tests/policy/tokenizer/test_tokenizers.h"

namespace tpo {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Pair;

TEST(ShuffleTest, IsAPermutationForEachSeedAndRound) {
  for (const uint64_t count : {1, 2, 3, 7, 64, 65, 1000}) {
    for (const uint64_t round : {0, 1}) {
      std::set<uint64_t> seen;
      for (uint64_t place = 0; place < count; ++place) {
        const uint64_t index = ShuffledIndex(5, round, place, count);
        EXPECT_LT(index, count);
        seen.insert(index);
      }
      EXPECT_EQ(seen.size(), count);
    }
  }
}

TEST(ShuffleTest, ReachesBeyond32Bits) {
  const uint64_t count = uint64_t{1} << 40;
  std::set<uint64_t> seen;
  for (uint64_t place = count - 1000; place < count; ++place) {
    seen.insert(ShuffledIndex(1, 0, place, count));
  }
  EXPECT_EQ(seen.size(), 1000u);
  EXPECT_LT(*seen.rbegin(), count);
}

// Not a proof of randomness: neighbors don't stay neighbors, and orders differ.
TEST(ShuffleTest, MixesDifferentlyForEachSeedAndRound) {
  constexpr uint64_t kCount = 1000;
  int neighbors = 0, same_for_seeds = 0, same_for_rounds = 0, same_for_late_rounds = 0;
  for (uint64_t place = 0; place + 1 < kCount; ++place) {
    const uint64_t here = ShuffledIndex(7, 0, place, kCount);
    neighbors += ShuffledIndex(7, 0, place + 1, kCount) == here + 1;
    same_for_seeds += ShuffledIndex(8, 0, place, kCount) == here;
    same_for_rounds += ShuffledIndex(7, 1, place, kCount) == here;
    same_for_late_rounds += ShuffledIndex(7, uint64_t{1} << 32, place, kCount) == here;
  }
  for (const int count : {neighbors, same_for_seeds, same_for_rounds, same_for_late_rounds}) {
    EXPECT_LT(count, 12);
  }
}

class DatasetTest : public testing::Test {
 protected:
  std::string Write(const std::string& content) {
    std::ofstream(directory_ / "rows.jsonl", std::ios::binary) << content;
    return directory_ / "rows.jsonl";
  }
  absl::StatusOr<std::unique_ptr<const JsonlDataset>> Open(const std::string& content,
                                                           JsonlOptions options = {}) {
    return JsonlDataset::Open(Write(content), std::move(options));
  }

  ScratchDirectory directory_;
};

TEST_F(DatasetTest, ReadsTheFieldsOfARow) {
  const auto dataset = Open(
      "\xEF\xBB\xBF"
      R"({"prompt": "2 + 2?", "answer": 4, "level": "easy", "tags": ["a", 1], "task": "sums", "none": null})"
      "\r\n\n  \n"
      R"({"messages": [{"role": "user", "content": "Hi"}], "tools": [{"name": "f"}]})");
  ASSERT_TRUE(dataset.ok()) << dataset.status();
  ASSERT_EQ((*dataset)->size(), 2u);
  const DatasetRow first = *(*dataset)->Row(0);
  EXPECT_EQ(first.prompt, "2 + 2?");
  EXPECT_EQ(first.answer, "4");
  EXPECT_EQ(first.task, "sums");
  EXPECT_THAT(first.metadata, ElementsAre(Pair("level", "easy"), Pair("tags", "[\"a\",1]")));
  EXPECT_EQ(first.line, 1u);
  const DatasetRow second = *(*dataset)->Row(1);
  EXPECT_EQ(second.prompt, "");
  EXPECT_EQ(second.messages[0]["content"], "Hi");
  EXPECT_EQ(second.tools.size(), 1u);
  EXPECT_EQ(second.line, 4u);
}

TEST_F(DatasetTest, TakesFieldsOfOtherNames) {
  JsonlOptions options;
  options.prompt_field = "question";
  options.answer_field = "solution";
  const auto dataset =
      Open(R"({"question": [{"role": "user", "content": "x"}], "solution": "y", "answer": "z"})",
           options);
  ASSERT_TRUE(dataset.ok()) << dataset.status();
  const DatasetRow row = *(*dataset)->Row(0);
  EXPECT_EQ(row.messages.size(), 1u);
  EXPECT_EQ(row.answer, "y");
  EXPECT_THAT(row.metadata, ElementsAre(Pair("answer", "z")));
}

TEST_F(DatasetTest, RefusesBadRowsWithTheirLine) {
  const std::string good = "{\"prompt\": \"x\"}\n";
  for (const auto& [bad, reason] : std::vector<std::pair<std::string, std::string>>{
           {"{\"prompt\": \"x\"", "parse error"},
           {"[1]", "isn't a JSON object"},
           {"{\"answer\": \"x\"}", "either a 'prompt' or 'messages'"},
           {"{\"prompt\": \"\"}", "either a 'prompt' or 'messages'"},
           {"{\"prompt\": \"x\", \"messages\": [{\"role\": \"user\"}]}", "either a 'prompt'"},
           {"{\"prompt\": 5}", "neither a text nor a list"},
           {"{\"messages\": []}", "empty"},
           {"{\"messages\": [{\"content\": \"x\"}]}", "role"},
           {"{\"prompt\": \"x\", \"task\": 1}", "'task'"},
           {"{\"prompt\": \"x\", \"tools\": {}}", "'tools'"},
           {"{\"prompt\": \"\xff\"}", "UTF-8"},
           {"{\"prompt\": \"x\", \"level\": 1, \"level\": 2}", "'level' occurs twice"},
           {"{\"prompt\": \"x\", \"level\": " + std::string(1'000'000, '['), "nested deeper than"},
           {"{\"prompt\": \"" + std::string(5'000'000, 'x') + "\"}", "more than 4000000 bytes"}}) {
    const absl::Status status = Open(good + "\n" + good + bad + "\n" + good).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << bad.substr(0, 80);
    EXPECT_THAT(std::string(status.message()),
                testing::AllOf(HasSubstr("rows.jsonl:4: "), HasSubstr(reason)));
  }
}

TEST_F(DatasetTest, RefusesAFileWithoutRows) {
  EXPECT_THAT(std::string(Open("").status().message()), HasSubstr("no rows"));
  EXPECT_THAT(std::string(Open("\n \n").status().message()), HasSubstr("no rows"));
  EXPECT_EQ(JsonlDataset::Open(directory_ / "missing").status().code(),
            absl::StatusCode::kNotFound);
}

TEST_F(DatasetTest, FindsEachRowOfMany) {
  std::string content;
  // Some rows are longer than what is read of the file at a time.
  const auto prompt = [](int i) {
    return absl::StrCat("p", i, std::string(i % 97 == 0 ? 100'000 : i % 13, 'x'));
  };
  for (int i = 0; i < 1000; ++i) {
    content += absl::StrCat(i % 7 == 0 ? "\n" : "", "{\"prompt\": \"", prompt(i), "\"}\n");
  }
  const auto dataset = Open(content);
  ASSERT_TRUE(dataset.ok()) << dataset.status();
  ASSERT_EQ((*dataset)->size(), 1000u);
  EXPECT_EQ((*dataset)->checksum(),
            Crc32c({reinterpret_cast<const std::byte*>(content.data()), content.size()}));
  for (int i = 999; i >= 0; --i) {
    const DatasetRow row = *(*dataset)->Row(i);
    EXPECT_EQ(row.prompt, prompt(i));
    EXPECT_EQ(row.line, static_cast<uint64_t>(i + 1 + i / 7 + 1));
  }
}

TEST_F(DatasetTest, AFileThatChangesUnderARunIsRefusedWithItsName) {
  std::string content;
  for (int i = 0; i < 100; ++i) content += absl::StrCat("{\"prompt\": \"p", i, "\"}\n");
  const auto dataset = Open(content);
  ASSERT_TRUE(dataset.ok()) << dataset.status();
  const auto refusal = [&](uint64_t row) {
    const absl::Status status = (*dataset)->Row(row).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
    return std::string(status.message());
  };
  Write(content + "{}");  // what is new isn't looked at
  EXPECT_EQ((*dataset)->Row(99)->prompt, "p99");
  Write(content.substr(0, content.size() / 2));
  EXPECT_THAT(refusal(99), testing::AllOf(HasSubstr("rows.jsonl"), HasSubstr("shorter")));
  Write("");
  EXPECT_THAT(refusal(0), HasSubstr("rows.jsonl"));
  Write(std::string(content.size(), 'x'));
  EXPECT_THAT(refusal(0), testing::AllOf(HasSubstr("rows.jsonl has changed"), HasSubstr(":1:")));
  // Another file under the same name is none of its business.
  Write(content);
  std::filesystem::rename(directory_ / "rows.jsonl", directory_ / "moved.jsonl");
  Write("");
  EXPECT_EQ((*dataset)->Row(99)->prompt, "p99");
}

// As by `cp` over it, which keeps the file and gives it other content.
TEST_F(DatasetTest, OtherRowsInTheSameFileAreRefusedWithItsName) {
  constexpr uint64_t kRows = 40;
  const auto rows = [](const std::string& prompt) {
    std::string content;
    for (uint64_t i = 0; i < kRows; ++i)
      absl::StrAppend(&content, "{\"prompt\": \"", prompt, " ", i, "\"}\n");
    return content;
  };
  const std::string content = rows("one");
  const auto dataset = Open(content);
  ASSERT_TRUE(dataset.ok()) << dataset.status();
  const auto expect_refused = [&](uint64_t row) {
    const absl::Status status = (*dataset)->Row(row).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition) << row;
    EXPECT_THAT(std::string(status.message()), HasSubstr("rows.jsonl has changed")) << row;
  };
  // Each row where the old one was; then longer ones.
  for (const char* const prompt : {"two", "another"}) {
    Write(rows(prompt));
    for (uint64_t row = 0; row < kRows; ++row) expect_refused(row);
  }
  // A single one, among them the last, after which there are fewer than in other places.
  for (const uint64_t row : {uint64_t{0}, uint64_t{15}, uint64_t{16}, kRows - 1}) {
    std::string changed = content;
    changed[changed.find(absl::StrCat("one ", row, "\""))] = 'O';
    Write(changed);
    expect_refused(row);
  }
  // The same rows in another order.
  std::string swapped = content;
  std::swap(swapped[swapped.find("one 3\"") + 4], swapped[swapped.find("one 4\"") + 4]);
  Write(swapped);
  expect_refused(3);
  expect_refused(4);
  Write(content);
  for (uint64_t row = 0; row < kRows; ++row) {
    EXPECT_EQ((*dataset)->Row(row)->prompt, absl::StrCat("one ", row));
  }
}

TEST_F(DatasetTest, TheChecksumFollowsTheBytes) {
  const uint32_t first = (*Open("{\"prompt\": \"a\"}"))->checksum();
  EXPECT_EQ((*Open("{\"prompt\": \"a\"}"))->checksum(), first);
  EXPECT_NE((*Open("{\"prompt\": \"b\"}"))->checksum(), first);
}

class PromptSourceTest : public DatasetTest {
 protected:
  void SetUp() override {
    auto tokenizer =
        Tokenizer::Load(FileSystem::Posix(), TokenizerTestPath("llama3.tokenizer.json"));
    ASSERT_TRUE(tokenizer.ok()) << tokenizer.status();
    tokenizer_ = *std::move(tokenizer);
  }

  std::unique_ptr<const Tokenizer> tokenizer_;
};

TEST_F(PromptSourceTest, GoesThroughAllRowsInEachRoundInAnotherOrder) {
  std::string content;
  for (int i = 0; i < 50; ++i)
    content += absl::StrCat("{\"prompt\": \"p", i, "\", \"answer\": ", i, "}\n");
  const auto dataset = *Open(content);
  DatasetPromptOptions options;
  options.seed = 3;
  options.task = "numbers";
  DatasetPromptSource source(dataset.get(), tokenizer_.get(), nullptr, options);
  std::vector<std::string> rounds[2];
  for (uint64_t index = 0; index < 100; ++index) {
    const Prompt prompt = *source.At(index);
    EXPECT_EQ(prompt.id, index);
    EXPECT_EQ(prompt.task, "numbers");
    EXPECT_EQ(prompt.text, "p" + prompt.reference_answer);
    EXPECT_EQ(prompt.metadata.at("row"), prompt.reference_answer);
    rounds[index / 50].push_back(prompt.text);
  }
  EXPECT_NE(rounds[0], rounds[1]);
  EXPECT_THAT(rounds[1], testing::UnorderedElementsAreArray(rounds[0]));
  // From the middle, as after a restart.
  DatasetPromptSource again(dataset.get(), tokenizer_.get(), nullptr, options);
  EXPECT_EQ(again.At(77)->text, rounds[1][27]);
}

TEST_F(PromptSourceTest, KeepsTheOrderOfTheFileWhereTold) {
  const auto dataset = *Open("{\"prompt\": \"a\", \"task\": \"own\"}\n{\"prompt\": \"b\"}\n");
  DatasetPromptOptions options;
  options.shuffle = false;
  options.task = "common";
  DatasetPromptSource source(dataset.get(), tokenizer_.get(), nullptr, options);
  EXPECT_EQ(source.At(0)->text, "a");
  EXPECT_EQ(source.At(0)->task, "own");
  EXPECT_EQ(source.At(1)->text, "b");
  EXPECT_EQ(source.At(1)->task, "common");
  EXPECT_EQ(source.At(2)->text, "a");
  EXPECT_EQ(source.At(2)->tokens, tokenizer_->Encode("a", {.add_special_tokens = true}));
}

TEST_F(PromptSourceTest, HeldOutRowsAreNeverTrainedOn) {
  std::string rows;
  for (int row = 0; row < 20; ++row) absl::StrAppend(&rows, "{\"prompt\": \"p", row, "\"}\n");
  const auto dataset = *Open(rows);
  for (const bool shuffle : {true, false}) {
    DatasetPromptOptions options;
    options.seed = 4;
    options.shuffle = shuffle;
    options.held_out = 6;
    DatasetPromptSource others(dataset.get(), tokenizer_.get(), nullptr, options);
    options.rows = DatasetPromptOptions::Rows::kHeldOut;
    DatasetPromptSource held_out(dataset.get(), tokenizer_.get(), nullptr, options);
    std::set<uint64_t> trained;
    std::set<uint64_t> kept;
    for (uint64_t index = 0; index < 42; ++index) trained.insert(others.RowOf(index));
    for (uint64_t index = 0; index < 6; ++index) kept.insert(held_out.RowOf(index));
    EXPECT_EQ(trained.size(), 14U);
    EXPECT_EQ(kept.size(), 6U);
    for (const uint64_t row : kept) EXPECT_FALSE(trained.contains(row)) << row;
    EXPECT_EQ(*kept.begin() == 14, !shuffle);
    // Each round has each of them once.
    std::set<uint64_t> round;
    for (uint64_t index = 14; index < 28; ++index) round.insert(others.RowOf(index));
    EXPECT_EQ(round, trained);
  }
}

TEST_F(PromptSourceTest, RendersTextsAndMessagesWithTheTemplate) {
  const auto dataset =
      *Open("{\"prompt\": \"a\"}\n{\"messages\": [{\"role\": \"user\", \"content\": \"b\"}]}\n");
  const auto chat = ChatTemplate::Parse(
      "{% for m in messages %}<|{{ m.role }}|>{{ m.content }}{% endfor %}{{ mood }}{{ '>' if "
      "add_generation_prompt }}");
  ASSERT_TRUE(chat.ok()) << chat.status();
  DatasetPromptOptions options;
  options.shuffle = false;
  options.system_prompt = "s";
  options.template_variables = {{"mood", "!"}};
  DatasetPromptSource source(dataset.get(), tokenizer_.get(), &*chat, options);
  EXPECT_EQ(source.At(0)->text, "<|system|>s<|user|>a!>");
  EXPECT_EQ(source.At(1)->text, "<|user|>b!>");
  EXPECT_EQ(source.At(1)->tokens, tokenizer_->Encode("<|user|>b!>"));
}

TEST_F(PromptSourceTest, TheDateIsTheConfigsWhateverTheClockSays) {
  const auto dataset = *Open("{\"prompt\": \"a\"}\n");
  const auto chat = ChatTemplate::Parse("{{ strftime_now('%d %b %Y') }}");
  ASSERT_TRUE(chat.ok()) << chat.status();
  DatasetPromptOptions options;
  options.date = absl::CivilDay(2031, 2, 3);
  DatasetPromptSource source(dataset.get(), tokenizer_.get(), &*chat, options);
  EXPECT_EQ(source.At(0)->text, "03 Feb 2031");
}

TEST_F(PromptSourceTest, ErrorsNameFileAndLine) {
  const auto dataset =
      *Open("\n{\"prompt\": \"a long prompt\"}\n{\"messages\": [{\"role\": \"user\"}]}\n");
  DatasetPromptOptions options;
  options.shuffle = false;
  options.max_prompt_tokens = 2;
  DatasetPromptSource source(dataset.get(), tokenizer_.get(), nullptr, options);
  EXPECT_THAT(std::string(source.At(0).status().message()),
              testing::AllOf(HasSubstr("rows.jsonl:2: "), HasSubstr("more than 2")));
  EXPECT_THAT(std::string(source.At(1).status().message()),
              testing::AllOf(HasSubstr("rows.jsonl:3: "), HasSubstr("chat template")));
}

}  // namespace
}  // namespace tpo
