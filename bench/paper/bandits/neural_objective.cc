#include "bench/paper/bandits/neural_objective.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "learner/objectives/dg.h"
#include "learner/objectives/objective_math.h"
#include "learner/objectives/tpo.h"

namespace tpo {
namespace {

constexpr double kEta = 1.0;
constexpr double kDeviationFloor = 1e-8;

size_t EntryOf(const BanditFeedback& feedback, int row) {
  return static_cast<size_t>(row) * static_cast<size_t>(feedback.classes) +
         static_cast<size_t>(feedback.actions[row]);
}

std::vector<double> Advantages(const BanditFeedback& feedback) {
  std::vector<double> advantages(feedback.rewards.begin(), feedback.rewards.end());
  for (int row = 0; row < feedback.rows; ++row) {
    for (const double log_prob : feedback.log_probs.subspan(
             static_cast<size_t>(row) * static_cast<size_t>(feedback.classes), feedback.classes)) {
      const double probability = std::exp(log_prob);
      advantages[row] -= probability * probability;
    }
  }
  return advantages;
}

std::vector<double> ActionLogProbs(const BanditFeedback& feedback) {
  std::vector<double> chosen(static_cast<size_t>(feedback.rows));
  for (int row = 0; row < feedback.rows; ++row) {
    chosen[row] = feedback.log_probs[EntryOf(feedback, row)];
  }
  return chosen;
}

// Scores that are 0 but for the action's, which is its advantage, [rows, classes].
std::vector<double> ActionScores(const BanditFeedback& feedback) {
  const std::vector<double> advantages = Advantages(feedback);
  std::vector<double> scores(feedback.log_probs.size(), 0.0);
  for (int row = 0; row < feedback.rows; ++row) {
    scores[EntryOf(feedback, row)] = advantages[row];
  }
  return scores;
}

// d loss / d log π(a) of the methods that weight the log-prob of the action.
std::vector<double> ActionCoefficients(BanditMethod method, const BanditFeedback& feedback) {
  const double rows = feedback.rows;
  std::vector<double> coefficients;
  if (method == BanditMethod::kDg) {
    const std::vector<double> chosen = ActionLogProbs(feedback);
    const std::vector<uint8_t> valid(chosen.size(), 1);
    return DgWithAdvantages({.rows = feedback.rows,
                             .columns = 1,
                             .log_probs = chosen,
                             .anchor_log_probs = chosen,
                             .scores = chosen,
                             .valid = valid},
                            Advantages(feedback), kEta)
        .coefficients;
  }
  if (method == BanditMethod::kGroupPg) {
    std::vector<double> scores = ActionScores(feedback);
    for (int row = 0; row < feedback.rows; ++row) {
      const absl::Span<double> group = absl::MakeSpan(scores).subspan(
          static_cast<size_t>(row) * static_cast<size_t>(feedback.classes), feedback.classes);
      StandardizeScores(group, group);
      coefficients.push_back(group[feedback.actions[row]]);
    }
  } else if (method == BanditMethod::kGrpo) {
    const Moments moments = PopulationMoments(feedback.rewards);
    for (const double reward : feedback.rewards) {
      coefficients.push_back((reward - moments.mean) / (moments.deviation + kDeviationFloor));
    }
  } else {
    coefficients = Advantages(feedback);
  }
  for (double& coefficient : coefficients) coefficient /= -rows;
  return coefficients;
}

double EvaluateTpo(const BanditFeedback& feedback, absl::Span<double> gradient) {
  const std::vector<double> scores = ActionScores(feedback);
  const std::vector<uint8_t> valid(scores.size(), 1);
  const ObjectiveOutput output = TpoObjective(kEta, TpoAnchor::kSnapshot, /*token_level=*/false)
                                     .Evaluate({.rows = feedback.rows,
                                                .columns = feedback.classes,
                                                .log_probs = feedback.log_probs,
                                                .anchor_log_probs = feedback.log_probs,
                                                .scores = scores,
                                                .valid = valid});
  // The classes are the members of a group, so the coefficient of a log-prob is that of its logit.
  std::copy(output.coefficients.begin(), output.coefficients.end(), gradient.begin());
  return output.loss;
}

}  // namespace

double EvaluateBandit(BanditMethod method, const BanditFeedback& feedback,
                      absl::Span<double> gradient) {
  if (method == BanditMethod::kTpo) return EvaluateTpo(feedback, gradient);
  const std::vector<double> coefficients = ActionCoefficients(method, feedback);
  double loss = 0.0;
  for (int row = 0; row < feedback.rows; ++row) {
    const size_t start = static_cast<size_t>(row) * static_cast<size_t>(feedback.classes);
    const double coefficient = coefficients[row];
    for (int i = 0; i < feedback.classes; ++i) {
      gradient[start + i] = -coefficient * std::exp(feedback.log_probs[start + i]);
    }
    const size_t entry = EntryOf(feedback, row);
    gradient[entry] += coefficient;
    loss += coefficient * feedback.log_probs[entry];
  }
  return loss;
}

}  // namespace tpo
