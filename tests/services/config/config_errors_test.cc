// What a user reads when a config is refused: file, line, path, reason.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdio>
#include <fstream>
#include <ostream>
#include <string>

#include "absl/strings/str_cat.h"
#include "services/config/config.h"
#include "tests/services/config/config_text.h"

namespace tpo {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::StartsWith;

struct Refusal {
  const char* name;
  std::string text;      // appended to kLeast, so it begins on line 7
  std::string starts;    // of the message
  std::string contains;  // somewhere in the message
};

// What GoogleTest prints of a case.
void PrintTo(const Refusal& refusal, std::ostream* out) { *out << refusal.name; }

std::string NameOf(const ::testing::TestParamInfo<Refusal>& refusal) { return refusal.param.name; }

class RefusalTest : public ::testing::TestWithParam<Refusal> {};

TEST_P(RefusalTest, NamesPlaceFieldAndReason) {
  const auto config = ParseLeastAnd(GetParam().text);
  ASSERT_FALSE(config.ok());
  EXPECT_EQ(config.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(ErrorOf(config),
              AllOf(StartsWith(GetParam().starts), HasSubstr(GetParam().contains)));
}

INSTANTIATE_TEST_SUITE_P(
    Reading, RefusalTest,
    ::testing::Values(
        Refusal{"UnknownField", "learner:\n  epoch: 4\n",
                "run.yaml:8: learner.epoch: is no field; did you mean epochs?", "min_scored"},
        Refusal{"UnknownSection", "\n\nlerner: {epochs: 4}\n",
                "run.yaml:9: lerner: is no field; did you mean learner?", ""},
        Refusal{"FieldOfAnotherSection", "max_staleness: 1\n",
                "run.yaml:7: max_staleness: is no field; did you mean learner.max_staleness?", ""},
        Refusal{"WrongCase", "learner: {Epochs: 4}\n", "run.yaml:7: learner.Epochs: is no field",
                "did you mean epochs?"},
        Refusal{"StringForNumber", "learner:\n  eta: large\n",
                "run.yaml:8: learner.eta: expected a number, found \"large\"", ""},
        Refusal{"QuotedNumber", "learner:\n  epochs: '4'\n",
                "run.yaml:8: learner.epochs: expected a whole number, found the string \"4\"", ""},
        Refusal{"FractionForCount", "learner:\n  epochs: 4.5\n",
                "run.yaml:8: learner.epochs: expected a whole number, found \"4.5\"", ""},
        Refusal{"YesForBoolean", "output:\n  tensorboard: yes\n",
                "run.yaml:8: output.tensorboard: expected a boolean (true or false), found \"yes\"",
                ""},
        Refusal{"ListForNumber", "learner:\n  epochs: [4]\n",
                "run.yaml:8: learner.epochs: expected a whole number, found a list", ""},
        Refusal{"MappingForNumber", "learner:\n  epochs: {a: 1}\n",
                "run.yaml:8: learner.epochs: expected a whole number, found a mapping", ""},
        Refusal{"NothingForNumber", "learner:\n  epochs:\n",
                "run.yaml:8: learner.epochs: expected a whole number, found nothing", ""},
        Refusal{"NothingForSection", "learner:\n",
                "run.yaml:7: learner: expected a mapping with the fields objective",
                "found nothing"},
        Refusal{"NumberForSection", "learner: 3\n", "run.yaml:7: learner: expected a mapping",
                "found \"3\""},
        Refusal{"MappingForList", "verifiers: {address: 'a:1'}\n",
                "run.yaml:7: verifiers: expected a list, found a mapping", ""},
        Refusal{"ScalarInList", "verifiers:\n  - a:1\n",
                "run.yaml:8: verifiers[0]: expected a mapping with the fields address", ""},
        Refusal{"ErrorInSecondEntry", "verifiers:\n  - address: a:1\n  - adress: b:1\n",
                "run.yaml:9: verifiers[1].adress: is no field; did you mean address?", ""},
        Refusal{"WrongAddress", "verifiers:\n  - address: nowhere\n",
                "run.yaml:8: verifiers[0].address: \"nowhere\" is not HOST:PORT", ""},
        Refusal{"UnknownName", "learner:\n  objective: gprro\n",
                "run.yaml:8: learner.objective: \"gprro\" is none of tpo, tpo_no_anchor,",
                "did you mean grpo?"},
        Refusal{"UpperCaseName", "learner:\n  objective: TPO\n",
                "run.yaml:8: learner.objective: \"TPO\" is none of", ""},
        Refusal{"UnspecifiedName", "learner:\n  objective: unspecified\n",
                "run.yaml:8: learner.objective: \"unspecified\" is none of", ""},
        Refusal{"TwoOptimizers",
                "learner:\n  optimizer:\n    muon: {}\n    adam: {learning_rate: 0.1}\n",
                "run.yaml:10: learner.optimizer.adam: cannot be given together with "
                "learner.optimizer.muon (run.yaml:9)",
                ""}),
    NameOf);

INSTANTIATE_TEST_SUITE_P(
    Ranges, RefusalTest,
    ::testing::Values(
        Refusal{"TooSmall", "learner:\n  epochs: 0\n",
                "run.yaml:8: learner.epochs: 0 is out of range: must be at least 1", ""},
        Refusal{"Negative", "learner:\n  max_staleness: -1\n",
                "run.yaml:8: learner.max_staleness: -1 is out of range: must be at least 0", ""},
        Refusal{"ExclusiveLowerBound", "learner:\n  clip_epsilon: 0\n",
                "run.yaml:8: learner.clip_epsilon: 0 is out of range: must be above 0 and below 1",
                ""},
        Refusal{"ExclusiveUpperBound", "learner:\n  optimizer: {muon: {momentum: 1.0}}\n",
                "run.yaml:8: learner.optimizer.muon.momentum: 1.0 is out of range: must be at "
                "least 0 and below 1",
                ""},
        Refusal{"BeyondInt32", "learner:\n  epochs: 4294967297\n",
                "run.yaml:8: learner.epochs: 4294967297 is out of range", ""},
        Refusal{"BeyondInt64", "learner:\n  steps: 99999999999999999999\n",
                "run.yaml:8: learner.steps: 99999999999999999999 is out of range", ""},
        Refusal{"BeyondUint64", "seed: 18446744073709551616\n",
                "run.yaml:7: seed: 18446744073709551616 is out of range: must be from 0 to "
                "18446744073709551615",
                ""},
        Refusal{"NegativeSeed", "seed: -1\n", "run.yaml:7: seed: -1 is out of range", ""},
        Refusal{"NotANumber", "learner:\n  eta: .nan\n",
                "run.yaml:8: learner.eta: .nan is not a finite number", ""},
        Refusal{"Infinite", "learner:\n  eta: -.inf\n",
                "run.yaml:8: learner.eta: -.inf is not a finite number", ""},
        Refusal{"OverflowsDouble", "learner:\n  eta: 1e999\n",
                "run.yaml:8: learner.eta: 1e999 is not a finite number", ""},
        Refusal{"HexadecimalNumber", "learner:\n  eta: 0x10\n",
                "run.yaml:8: learner.eta: expected a number, found \"0x10\"", ""}),
    NameOf);

INSTANTIATE_TEST_SUITE_P(
    Combinations, RefusalTest,
    ::testing::Values(
        Refusal{"HeadsDontDivideWidth", "model:\n  transformer:\n    heads: 3\n",
                "run.yaml:9: model.transformer.heads: 3 does not divide d_model (64)", ""},
        Refusal{"TooFewPositions", "model:\n  transformer:\n    max_positions: 13\n",
                "run.yaml:9: model.transformer.max_positions: 13 is too few",
                "task.sequence.length 7 need 14"},
        Refusal{"GroupOfOne", "rollout:\n  group_size: 1\n",
                "run.yaml:8: rollout.group_size: 1 is too few for tpo: it compares the "
                "completions of a prompt",
                "use at least 2, or ppo, dg or pg"},
        Refusal{"OneCandidate", "rollout: {group_size: 1}\nlearner: {objective: grpo_token}\n",
                "run.yaml:7: rollout.group_size: 1 is too few for grpo_token",
                "candidates at a position"},
        Refusal{"DgWithEpochs", "learner:\n  objective: dg\n  epochs: 4\n",
                "run.yaml:9: learner.epochs: 4 is too many for dg", ""},
        Refusal{"AnchorOfWhatHasNone", "learner:\n  objective: grpo\n  anchor: ratio\n",
                "run.yaml:9: learner.anchor: does nothing with grpo", "use tpo or tpo_token"},
        Refusal{"GateOfWhatHasNoAnchor",
                "learner:\n  objective: tpo_no_anchor\n  effective_sample_gate: drop\n",
                "run.yaml:9: learner.effective_sample_gate: does nothing with tpo_no_anchor", ""},
        Refusal{"WeightsForTpo", "learner:\n  importance_correction: truncate\n",
                "run.yaml:8: learner.importance_correction: does nothing with tpo",
                "use learner.anchor"},
        Refusal{"MoreScoredThanSampled", "learner:\n  min_scored_completions: 9\n",
                "run.yaml:8: learner.min_scored_completions: 9 is more than rollout.group_size (8)",
                ""},
        Refusal{"MoreScoredThanOne",
                "learner:\n  objective: tpo_token\n  min_scored_completions: 2\n",
                "run.yaml:9: learner.min_scored_completions: 2 is more than the one completion per "
                "prompt that tpo_token takes",
                ""},
        Refusal{
            "DeadlineBeyondLease",
            "learner: {lease_seconds: 5}\nverifiers:\n  - address: a:1\n    deadline_seconds: 5\n",
            "run.yaml:10: verifiers[0].deadline_seconds: 5 is not below learner.lease_seconds (5)",
            ""},
        // The field itself isn't given; the place is that of the section around it.
        Refusal{"SgdWithoutLearningRate", "learner:\n  optimizer:\n    sgd: {momentum: 0.9}\n",
                "run.yaml:9: learner.optimizer.sgd.learning_rate: is missing", ""}),
    NameOf);

INSTANTIATE_TEST_SUITE_P(
    Yaml, RefusalTest,
    ::testing::Values(
        Refusal{"DuplicateKey", "seed: 1\nlearner: {}\nseed: 2\n",
                "run.yaml:9: key seed is given twice; first at run.yaml:7", ""},
        Refusal{"SecondDocument", "---\nseed: 1\n", "run.yaml:", "a second document begins"},
        Refusal{"Anchor", "seed: &one 1\n", "run.yaml:7: anchor &one", "write the value out"},
        Refusal{"UnknownAlias", "seed: *one\n", "run.yaml:7: not valid YAML", ""},
        Refusal{"Tag", "seed: !!str 1\n", "run.yaml:7: tag ", "tags are not allowed"},
        Refusal{"ListAsKey", "? [a, b]\n: 1\n", "run.yaml:7: a key must be a plain name", ""},
        Refusal{"NothingAsKey", ": 1\n", "run.yaml:7: a key is missing", ""},
        Refusal{"OpenBracket", "learner: {epochs: 4\n", "run.yaml:", "not valid YAML"},
        Refusal{"Tabulator", "learner:\n\tepochs: 4\n", "run.yaml:", "not valid YAML"},
        Refusal{"ControlCharacter", "seed: 1\n# \x04\n", "run.yaml:8: control character 4", ""},
        Refusal{"Latin1", "verifiers:\n- address: a:1\n  name: caf\xe9\n",
                "run.yaml:9: byte 0xe9 isn't UTF-8", "is this a text file in UTF-8?"},
        Refusal{"HalfACharacter", "seed: 1\n# \xe2\x82", "run.yaml:8: byte 0xe2 isn't UTF-8", ""},
        Refusal{"Surrogate", "# \xed\xa0\x80\n", "run.yaml:7: byte 0xed isn't UTF-8", ""},
        Refusal{"DeepNesting", "x: " + std::string(5000, '[') + std::string(5000, ']'),
                "run.yaml:7: not valid YAML", ""}),
    NameOf);

TEST(ConfigErrorsTest, AnAliasBombIsRefusedAtItsFirstAnchor) {
  std::string bomb = "a0: &a0 [x, x]\n";
  for (int i = 1; i < 40; ++i) {
    absl::StrAppend(&bomb, "a", i, ": &a", i, " [*a", i - 1, ", *a", i - 1, "]\n");
  }
  EXPECT_THAT(ErrorOf(ParseConfig(bomb, "bomb.yaml", {})), StartsWith("bomb.yaml:1: anchor &a0"));
}

TEST(ConfigErrorsTest, EmptyTextsAreRefused) {
  for (const char* text : {"", "\n\n", "# only a comment\n"}) {
    EXPECT_EQ(ErrorOf(ParseConfig(text, "run.yaml", {})), "run.yaml:1: is empty") << text;
  }
  EXPECT_THAT(ErrorOf(ParseConfig("---\n", "run.yaml", {})), HasSubstr("found nothing"));
}

TEST(ConfigErrorsTest, TopLevelMustBeAMapping) {
  EXPECT_THAT(ErrorOf(ParseConfig("- seed: 1\n", "run.yaml", {})),
              AllOf(StartsWith("run.yaml:1: expected a mapping"), HasSubstr("found a list")));
  EXPECT_THAT(ErrorOf(ParseConfig("seed\n", "run.yaml", {})),
              AllOf(StartsWith("run.yaml:1: expected a mapping"), HasSubstr("found \"seed\"")));
}

TEST(ConfigErrorsTest, MissingTaskAndItsFieldsAreNamed) {
  EXPECT_EQ(ErrorOf(ParseConfig("seed: 1\n", "run.yaml", {})),
            "run.yaml:1: task: is missing; give it one of sequence, dataset");
  EXPECT_THAT(
      ErrorOf(ParseConfig("seed: 1\ntask:\n  sequence: {target: copy, reward: terminal}\n",
                          "run.yaml", {})),
      AllOf(StartsWith("run.yaml:3: task.sequence.vocab_size: is missing; it has no default."),
            HasSubstr("\nrun.yaml:3: task.sequence.length: is missing; it has no default.")));
}

TEST(ConfigErrorsTest, ADatasetNeedsALanguageModelAndTheOtherWayRound) {
  EXPECT_THAT(ErrorOf(ParseConfig("task: {dataset: {path: a.jsonl}}\n", "run.yaml", {})),
              HasSubstr("model: task.dataset needs a language model; give model.hf"));
  EXPECT_THAT(ErrorOf(ParseLeastAnd("model: {hf: {path: m}}\n")),
              HasSubstr("run.yaml:7: model.hf: a language model needs prompts of text"));
}

std::string DatasetErrorOf(const std::string& task, const std::string& more = "") {
  return ErrorOf(
      ParseConfig("task: {dataset: {path: a.jsonl" + task + "}}\nmodel: {hf: {path: m}}\n" + more,
                  "run.yaml", {}));
}

TEST(ConfigErrorsTest, WhatADatasetCannotHaveIsRefused) {
  EXPECT_EQ(DatasetErrorOf(""), "");
  EXPECT_THAT(DatasetErrorOf(", chat: false, system_prompt: hi"),
              HasSubstr("task.dataset.system_prompt: needs chat: true"));
  EXPECT_THAT(DatasetErrorOf("", "learner: {objective: tpo_token}\n"),
              HasSubstr("learner.objective: tpo_token needs a reward for each token"));
  EXPECT_THAT(DatasetErrorOf("", "learner: {objective: ppo}\n"),
              HasSubstr("learner.objective: ppo needs a reward for each token"));
  EXPECT_THAT(DatasetErrorOf("", "evaluation: {every_steps: 5}\n"),
              HasSubstr("evaluation.every_steps: there is nothing to evaluate on"));
  EXPECT_EQ(DatasetErrorOf(", held_out_prompts: 3", "evaluation: {every_steps: 5}\n"), "");
  EXPECT_THAT(DatasetErrorOf(", verifier: {exact_match: {}}", "verifiers: [{address: 'a:1'}]\n"),
              HasSubstr("task.dataset.verifier: excludes verifiers"));
  EXPECT_THAT(DatasetErrorOf(", verifier: {tasks: ['*'], exact_match: {}}"),
              HasSubstr("task.dataset.verifier.tasks: has no place here"));
  EXPECT_THAT(DatasetErrorOf("", "rollout: {stop: ['']}\n"),
              HasSubstr("rollout.stop[0]: is empty"));
  EXPECT_THAT(ErrorOf(ParseLeastAnd("rollout: {stop: [x]}\n")),
              HasSubstr("rollout.stop: is for task.dataset"));
}

TEST(ConfigErrorsTest, TasksAndModelsThatThereAreNotAreUnknownFields) {
  EXPECT_THAT(
      ErrorOf(ParseConfig("task:\n  bandit: {arms: 3}\n", "run.yaml", {})),
      StartsWith("run.yaml:2: task.bandit: is no field. The fields here: sequence, dataset"));
  EXPECT_THAT(ErrorOf(ParseLeastAnd("model: {gguf: {path: x}}\n")),
              StartsWith("run.yaml:7: model.gguf: is no field. The fields here: transformer, hf"));
  EXPECT_THAT(ErrorOf(ParseLeastAnd("model: {hf: {compute_type: float32}}\n")),
              HasSubstr("model.hf.path: is missing"));
}

TEST(ConfigErrorsTest, TokenLevelObjectivesRefuseTerminalReward) {
  const std::string text =
      "task: {sequence: {target: copy, vocab_size: 2, length: 3,\n"
      "  reward: terminal}}\n"
      "learner: {objective: tpo_token}\n";
  EXPECT_THAT(
      ErrorOf(ParseConfig(text, "run.yaml", {})),
      StartsWith("run.yaml:2: task.sequence.reward: terminal gives no reward to a single token"));
}

TEST(ConfigErrorsTest, AllErrorsAreReportedOnePerLine) {
  EXPECT_THAT(
      ErrorOf(ParseLeastAnd("learner:\n  epochs: 0\n  eta: x\n  what: 1\n")),
      AllOf(StartsWith("run.yaml:8: learner.epochs: "), HasSubstr("\nrun.yaml:9: learner.eta: "),
            HasSubstr("\nrun.yaml:10: learner.what: ")));
}

TEST(ConfigErrorsTest, ManyErrorsAreCutShort) {
  std::string text;
  for (int i = 0; i < 1000; ++i) absl::StrAppend(&text, "x", i, ": 1\n");
  const std::string error = ErrorOf(ParseLeastAnd(text));
  EXPECT_THAT(error, HasSubstr("(further errors are not shown)"));
  EXPECT_LT(error.size(), 5000U);
}

TEST(ConfigErrorsTest, UnreadableFilesAreRefusedByName) {
  EXPECT_EQ(ErrorOf(LoadConfig("no/such.yaml", {})),
            "no/such.yaml: cannot be read: No such file or directory");
  EXPECT_EQ(ErrorOf(LoadConfig(::testing::TempDir(), {})),
            ::testing::TempDir() + ": is a directory, not a config file");
  EXPECT_EQ(LoadConfig("no/such.yaml", {}).status().code(), absl::StatusCode::kInvalidArgument);
}

TEST(ConfigErrorsTest, EndlessAndOversizedFilesAreRefused) {
  EXPECT_THAT(ErrorOf(LoadConfig("/dev/zero", {})), HasSubstr("larger than 1 MiB"));
  EXPECT_THAT(ErrorOf(ParseLeastAnd("# " + std::string(1 << 20, 'x'))),
              HasSubstr("larger than 1 MiB"));
}

TEST(ConfigErrorsTest, ReadsAFileByItsName) {
  const std::string file = ::testing::TempDir() + "config_errors_test.yaml";
  std::ofstream(file) << kLeast << "learner: {epochs: x}\n";
  EXPECT_THAT(ErrorOf(LoadConfig(file, {})), StartsWith(file + ":7: learner.epochs: "));
  std::remove(file.c_str());
}

}  // namespace
}  // namespace tpo
