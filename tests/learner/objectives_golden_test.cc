// Every case of losses/golden_losses.json: loss, gradient and intermediate quantities of the
// reference in float64.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <map>
#include <ostream>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "learner/objectives/dg.h"
#include "learner/objectives/grpo.h"
#include "learner/objectives/objective.h"
#include "learner/objectives/objective_math.h"
#include "learner/objectives/pg.h"
#include "learner/objectives/ppo.h"
#include "learner/objectives/tpo.h"
#include "tests/golden_data.h"

namespace tpo {
namespace {

using Json = nlohmann::json;
using Doubles = std::vector<double>;

constexpr double kTolerance = 1e-10;
// What rounding leaves where the exact value is 0. Far below what a wrong epsilon (1e-8) would
// show.
constexpr double kLossFloor = 1e-12;
constexpr double kGradientFloor = 1e-14;

const Json& Cases() {
  static const Json& cases = *new Json(GoldenJsonOrDie("losses/golden_losses.json")["losses"]);
  return cases;
}

// One batch that owns its memory.
struct Batch {
  int rows = 0;
  int columns = 0;
  Doubles log_probs;
  Doubles anchor_log_probs;
  Doubles scores;
  std::vector<uint8_t> valid;

  Batch(int rows_in, int columns_in, Doubles log_probs_in, Doubles anchors_in, Doubles scores_in)
      : rows(rows_in),
        columns(columns_in),
        log_probs(std::move(log_probs_in)),
        anchor_log_probs(std::move(anchors_in)),
        scores(std::move(scores_in)),
        valid(log_probs.size(), 1) {}

  ObjectiveInput input() const {
    return {rows, columns, log_probs, anchor_log_probs, scores, valid};
  }
};

ObjectiveOutput Evaluate(const ObjectiveSpec& spec, const Batch& batch) {
  auto objective = MakeObjective(spec);
  EXPECT_TRUE(objective.ok()) << objective.status();
  return (*objective)->Evaluate(batch.input());
}

ObjectiveSpec SpecOf(const Json& test_case) {
  static const std::map<std::string, ObjectiveKind> kKinds = {
      {"tpo", ObjectiveKind::kTpo},
      {"tpo_no_anchor", ObjectiveKind::kTpoNoAnchor},
      {"grpo", ObjectiveKind::kGrpo},
      {"grpo_no_kl", ObjectiveKind::kGrpoNoKl},
      {"group_pg", ObjectiveKind::kGroupPg},
      {"tpo_token", ObjectiveKind::kTpoToken},
      {"grpo_token", ObjectiveKind::kGrpoToken},
      {"grpo_token_no_kl", ObjectiveKind::kGrpoToken},  // with kl_beta 0
      {"pg", ObjectiveKind::kPg},
      {"dg", ObjectiveKind::kDg},
      {"ppo", ObjectiveKind::kPpo},
  };
  const Json& hyper = test_case["hyper"];
  ObjectiveSpec spec;
  spec.kind = kKinds.at(test_case["loss_name"]);
  spec.eta = hyper.value("tpo_eta", hyper.value("dg_eta", 1.0));
  spec.clip_epsilon = hyper.value("clip_eps", 0.2);
  spec.kl_beta = hyper.value("kl_beta", 0.04);
  // One case hands the reference's loss a KL weight in spite of its name.
  if (spec.kind == ObjectiveKind::kGrpoNoKl && spec.kl_beta != 0.0)
    spec.kind = ObjectiveKind::kGrpo;
  return spec;
}

// Largest relative errors seen, by kind of case; reported when the test program ends.
class ErrorReport : public ::testing::Environment {
 public:
  static void Add(const std::string& kind, const std::string& quantity, double error) {
    double& largest = Errors()[kind + " " + quantity];
    largest = std::max(largest, error);
  }
  void TearDown() override {
    for (const auto& [name, error] : Errors())
      std::printf("largest error: %s %.2g\n", name.c_str(), error);
  }

 private:
  static std::map<std::string, double>& Errors() {
    static auto& errors = *new std::map<std::string, double>();
    return errors;
  }
};
[[maybe_unused]] const auto* const kReport = ::testing::AddGlobalTestEnvironment(new ErrorReport);

double LargestMagnitude(const Doubles& values) {
  double largest = 0.0;
  for (const double value : values) largest = std::max(largest, std::abs(value));
  return largest;
}

void ExpectArray(const Json& test_case, const std::string& quantity, const Doubles& actual,
                 const Json& golden) {
  const Doubles expected = GoldenArrayOrDie(golden).values;
  ASSERT_EQ(actual.size(), expected.size()) << quantity;
  const double scale = LargestMagnitude(expected);
  double largest_error = 0.0;
  for (size_t i = 0; i < actual.size(); ++i) {
    const double error = std::abs(actual[i] - expected[i]);
    EXPECT_LE(error, kTolerance * scale + kGradientFloor)
        << quantity << " entry " << i << ": " << actual[i] << ", golden " << expected[i];
    largest_error = std::max(largest_error, error);
  }
  if (scale > 1e-6) ErrorReport::Add(test_case["kind"], quantity, largest_error / scale);
}

void ExpectLoss(const Json& test_case, double actual) {
  const double expected = test_case["loss"];
  const double error = std::abs(actual - expected);
  EXPECT_LE(error, kTolerance * std::abs(expected) + kLossFloor)
      << actual << ", golden " << expected;
  if (std::abs(expected) > 1e-6) {
    ErrorReport::Add(test_case["kind"], "loss", error / std::abs(expected));
  }
}

// Checks q, u and advantages against what the objectives work with.
void ExpectIntermediates(const Json& test_case, const ObjectiveSpec& spec, const Batch& batch) {
  const Json& aux = test_case["aux"];
  Doubles standardized(batch.scores.size());
  const size_t columns = static_cast<size_t>(batch.columns);
  for (size_t row = 0; row < static_cast<size_t>(batch.rows); ++row) {
    StandardizeScores(absl::MakeConstSpan(batch.scores).subspan(row * columns, columns),
                      absl::MakeSpan(standardized).subspan(row * columns, columns));
  }
  if (aux.contains("u")) ExpectArray(test_case, "u", standardized, aux["u"]);
  if (aux.contains("q")) {
    const TpoAnchor anchor =
        spec.kind == ObjectiveKind::kTpoNoAnchor ? TpoAnchor::kNone : TpoAnchor::kSnapshot;
    ExpectArray(test_case, "q", TpoTargets(batch.input(), spec.eta, anchor), aux["q"]);
  }
  if (aux.contains("adv")) {
    if (spec.kind == ObjectiveKind::kGroupPg) {
      for (double& weight : standardized) weight /= spec.eta;
      ExpectArray(test_case, "adv", standardized, aux["adv"]);
    } else {
      ExpectArray(test_case, "adv", GrpoAdvantages(batch.input()), aux["adv"]);
    }
  }
}

// Rows of logits, and how a gradient on log-probs of chosen entries gets back to them.
struct Logits {
  size_t classes = 0;
  Doubles log_softmax;  // [rows, classes]

  explicit Logits(const Json& json) {
    const GoldenArray array = GoldenArrayOrDie(json);
    classes = static_cast<size_t>(array.shape.back());
    log_softmax = array.values;
    for (size_t start = 0; start < log_softmax.size(); start += classes) {
      LogSoftmaxInPlace(absl::MakeSpan(log_softmax).subspan(start, classes));
    }
  }

  double LogProb(size_t row, size_t chosen) const { return log_softmax[row * classes + chosen]; }

  // Adds coefficient · d log softmax(row)[chosen] / d logits.
  void Backward(size_t row, size_t chosen, double coefficient, Doubles& gradient) const {
    for (size_t c = 0; c < classes; ++c) {
      gradient[row * classes + c] -= coefficient * std::exp(log_softmax[row * classes + c]);
    }
    gradient[row * classes + chosen] += coefficient;
  }
};

std::vector<size_t> Indices(const Json& json) {
  const Doubles values = GoldenArrayOrDie(json).values;
  return std::vector<size_t>(values.begin(), values.end());
}

Batch MatrixBatch(const Json& test_case, const char* scores) {
  const GoldenArray log_probs = GoldenArrayOrDie(test_case["logp"]);
  const int rows = static_cast<int>(log_probs.shape[0]);
  const int columns = log_probs.shape.size() > 1 ? static_cast<int>(log_probs.shape[1]) : 1;
  Batch batch(rows, columns, log_probs.values, GoldenArrayOrDie(test_case["old_logp"]).values,
              GoldenArrayOrDie(test_case[scores]).values);
  if (test_case.contains("mask")) {
    const Doubles mask = GoldenArrayOrDie(test_case["mask"]).values;
    std::copy(mask.begin(), mask.end(), batch.valid.begin());
  }
  return batch;
}

void CheckGrouped(const Json& test_case) {
  const ObjectiveSpec spec = SpecOf(test_case);
  const Batch batch = MatrixBatch(test_case, "score");
  const ObjectiveOutput output = Evaluate(spec, batch);
  ExpectLoss(test_case, output.loss);
  ExpectArray(test_case, "gradient", output.coefficients, test_case["grad_logp"]);
  ExpectIntermediates(test_case, spec, batch);
}

ObjectiveOutput WithAdvantages(const ObjectiveSpec& spec, const ObjectiveInput& input,
                               const Doubles& advantages) {
  switch (spec.kind) {
    case ObjectiveKind::kPg:
      return PgWithAdvantages(input, advantages);
    case ObjectiveKind::kDg:
      return DgWithAdvantages(input, advantages, spec.eta);
    case ObjectiveKind::kPpo:
      return PpoWithAdvantages(input, advantages, spec.clip_epsilon);
    default: {
      GrpoOptions options;
      options.clip_epsilon = spec.clip_epsilon;
      options.kl_beta = spec.kl_beta;
      return GrpoWithAdvantages(input, advantages, options);
    }
  }
}

void CheckGivenAdvantages(const Json& test_case) {
  const Batch batch = MatrixBatch(test_case, "adv");
  const ObjectiveOutput output = WithAdvantages(SpecOf(test_case), batch.input(), batch.scores);
  ExpectLoss(test_case, output.loss);
  ExpectArray(test_case, "gradient", output.coefficients, test_case["grad_logp"]);
}

void CheckPerToken(const Json& test_case) {
  CheckGivenAdvantages(test_case);
  if (test_case["reward"].is_null()) return;
  const Batch batch = MatrixBatch(test_case, "reward");
  const ObjectiveOutput output = Evaluate(SpecOf(test_case), batch);
  ExpectLoss(test_case, output.loss);
  ExpectArray(test_case, "gradient", output.coefficients, test_case["grad_logp"]);
  ExpectArray(test_case, "adv", BatchMeanAdvantages(batch.input()), test_case["adv"]);
}

// Sequence log-probs are masked sums over the log-probs of the actions taken.
void CheckGroupedFromLogits(const Json& test_case) {
  const GoldenArray mask = GoldenArrayOrDie(test_case["token_mask"]);
  const std::vector<size_t> actions = Indices(test_case["actions"]);
  const Logits logits(test_case["logits"]);
  const size_t length = static_cast<size_t>(mask.shape[2]);
  Doubles sums(actions.size() / length, 0.0);
  for (size_t i = 0; i < actions.size(); ++i) {
    sums[i / length] += mask.values[i] * logits.LogProb(i, actions[i]);
  }
  const ObjectiveSpec spec = SpecOf(test_case);
  const Batch batch(static_cast<int>(mask.shape[0]), static_cast<int>(mask.shape[1]), sums,
                    GoldenArrayOrDie(test_case["old_logp"]).values,
                    GoldenArrayOrDie(test_case["score"]).values);
  const ObjectiveOutput output = Evaluate(spec, batch);
  Doubles gradient(logits.log_softmax.size(), 0.0);
  for (size_t i = 0; i < actions.size(); ++i) {
    logits.Backward(i, actions[i], mask.values[i] * output.coefficients[i / length], gradient);
  }
  ExpectLoss(test_case, output.loss);
  ExpectArray(test_case, "gradient", gradient, test_case["grad_logits"]);
  ExpectIntermediates(test_case, spec, batch);
}

void CheckTokenCandidates(const Json& test_case) {
  const GoldenArray anchors = GoldenArrayOrDie(test_case["old_candidate_logp"]);
  const std::vector<size_t> candidates = Indices(test_case["candidates"]);
  const Logits logits(test_case["logits"]);
  const size_t count = static_cast<size_t>(anchors.shape[1]);
  Doubles log_probs(candidates.size());
  for (size_t i = 0; i < candidates.size(); ++i) {
    log_probs[i] = logits.LogProb(i / count, candidates[i]);
  }
  const ObjectiveSpec spec = SpecOf(test_case);
  const Batch batch(static_cast<int>(anchors.shape[0]), static_cast<int>(count), log_probs,
                    anchors.values, GoldenArrayOrDie(test_case["reward"]).values);
  const ObjectiveOutput output = Evaluate(spec, batch);
  Doubles gradient(logits.log_softmax.size(), 0.0);
  for (size_t i = 0; i < candidates.size(); ++i) {
    logits.Backward(i / count, candidates[i], output.coefficients[i], gradient);
  }
  ExpectLoss(test_case, output.loss);
  ExpectArray(test_case, "gradient", gradient, test_case["grad_logits"]);
  ExpectIntermediates(test_case, spec, batch);
}

// One sampled action per context (paper.md §4): advantage r - Σ π², held constant.
struct Bandit {
  Logits logits;
  std::vector<size_t> actions;
  Doubles rewards;
  int contexts;
  int arms;
  Doubles log_probs;   // of the actions taken
  Doubles advantages;  // of the actions taken
  Doubles scores;      // [contexts, arms]: the advantage at the action taken, 0 elsewhere

  explicit Bandit(const Json& test_case)
      : logits(test_case["logits"]),
        actions(Indices(test_case["actions"])),
        rewards(GoldenArrayOrDie(test_case["reward"]).values),
        contexts(static_cast<int>(actions.size())),
        arms(static_cast<int>(logits.classes)),
        scores(logits.log_softmax.size(), 0.0) {
    for (size_t i = 0; i < actions.size(); ++i) {
      double collision = 0.0;
      for (size_t c = 0; c < logits.classes; ++c) {
        collision += std::exp(2.0 * logits.LogProb(i, c));
      }
      log_probs.push_back(logits.LogProb(i, actions[i]));
      advantages.push_back(rewards[i] - collision);
      scores[i * logits.classes + actions[i]] = advantages[i];
    }
  }
};

// TPO over all arms of each context, the policy being its own anchor.
void CheckBanditTpo(const Json& test_case, const Bandit& bandit) {
  ObjectiveSpec spec;
  spec.kind = ObjectiveKind::kTpo;
  const Batch batch(bandit.contexts, bandit.arms, bandit.logits.log_softmax,
                    bandit.logits.log_softmax, bandit.scores);
  const ObjectiveOutput output = Evaluate(spec, batch);
  Doubles gradient(bandit.scores.size(), 0.0);
  for (size_t i = 0; i < bandit.scores.size(); ++i) {
    const size_t arms = bandit.logits.classes;
    bandit.logits.Backward(i / arms, i % arms, output.coefficients[i], gradient);
  }
  ExpectLoss(test_case, output.loss);
  ExpectArray(test_case, "gradient", gradient, test_case["grad_logits"]);
}

Doubles StandardizedScoreOfAction(const Bandit& bandit) {
  const size_t arms = bandit.logits.classes;
  Doubles standardized(arms);
  Doubles weights;
  for (size_t i = 0; i < bandit.actions.size(); ++i) {
    StandardizeScores(absl::MakeConstSpan(bandit.scores).subspan(i * arms, arms),
                      absl::MakeSpan(standardized));
    weights.push_back(standardized[bandit.actions[i]]);
  }
  return weights;
}

void CheckBandit(const Json& test_case) {
  const Bandit bandit(test_case);
  const std::string name = test_case["loss_name"];
  if (name == "bandit_tpo") return CheckBanditTpo(test_case, bandit);
  const Batch batch(bandit.contexts, 1, bandit.log_probs, bandit.log_probs, bandit.rewards);
  ObjectiveOutput output;
  if (name == "bandit_pg") {
    output = PgWithAdvantages(batch.input(), bandit.advantages);
  } else if (name == "bandit_dg") {
    output = DgWithAdvantages(batch.input(), bandit.advantages, 1.0);
  } else if (name == "bandit_group_pg") {
    output = PgWithAdvantages(batch.input(), StandardizedScoreOfAction(bandit));
  } else {
    ASSERT_EQ(name, "bandit_grpo");  // rewards normalised over the batch
    const Batch group(1, bandit.contexts, bandit.log_probs, bandit.log_probs, bandit.rewards);
    output = PgWithAdvantages(batch.input(), GrpoAdvantages(group.input()));
  }
  Doubles gradient(bandit.scores.size(), 0.0);
  for (size_t i = 0; i < bandit.actions.size(); ++i) {
    bandit.logits.Backward(i, bandit.actions[i], output.coefficients[i], gradient);
  }
  ExpectLoss(test_case, output.loss);
  ExpectArray(test_case, "gradient", gradient, test_case["grad_logits"]);
}

struct Kind {
  std::string name;
  int cases;
  void (*check)(const Json&);

  friend void PrintTo(const Kind& kind, std::ostream* out) { *out << kind.name; }
};

class GoldenObjectives : public ::testing::TestWithParam<Kind> {};

TEST_P(GoldenObjectives, AgreeWithTheReference) {
  int checked = 0;
  for (const Json& test_case : Cases()) {
    if (test_case["kind"] != GetParam().name) continue;
    SCOPED_TRACE(test_case["name"].get<std::string>());
    GetParam().check(test_case);
    ++checked;
  }
  EXPECT_EQ(checked, GetParam().cases);
}

INSTANTIATE_TEST_SUITE_P(AllKinds, GoldenObjectives,
                         ::testing::Values(Kind{"grouped", 330, CheckGrouped},
                                           Kind{"grouped_masked", 15, CheckGrouped},
                                           Kind{"grouped_from_logits", 20, CheckGroupedFromLogits},
                                           Kind{"token_candidates", 45, CheckTokenCandidates},
                                           Kind{"per_token", 117, CheckPerToken},
                                           Kind{"flat", 4, CheckGivenAdvantages},
                                           Kind{"bandit", 20, CheckBandit}),
                         [](const auto& kind) { return kind.param.name; });

}  // namespace
}  // namespace tpo
