// The network, its gradients and four epochs of Muon against the paper's JAX code
// (tests/golden/README.md).
#include <algorithm>
#include <cmath>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "learner/batch.h"
#include "learner/objectives/objective.h"
#include "learner/optimizers/optimizer.h"
#include "learner/trainer.h"
#include "policy/transformer.h"
#include "tests/golden_data.h"

namespace tpo {
namespace {

// The reference's name of one of our parameters.
std::string ReferenceName(const std::string& name) {
  static const std::map<std::string, std::string> kTop = {
      {"token_embedding", "Embed_0/embedding"},  {"position_embedding", "pos_emb"},
      {"final_norm.scale", "LayerNorm_4/scale"}, {"final_norm.shift", "LayerNorm_4/bias"},
      {"head.kernel", "Dense_4/kernel"},         {"head.bias", "Dense_4/bias"}};
  if (const auto top = kTop.find(name); top != kTop.end()) return "params/" + top->second;
  const int layer = name[7] - '0';
  const std::string rest = name.substr(9);
  const auto numbered = [](const char* kind, int number, const std::string& leaf) {
    return "params/" + std::string(kind) + "_" + std::to_string(number) + "/" + leaf;
  };
  if (rest.rfind("norm", 0) == 0) {
    const int second = rest[4] == '2' ? 1 : 0;
    return numbered("LayerNorm", 2 * layer + second, rest.substr(6) == "scale" ? "scale" : "bias");
  }
  if (rest.rfind("feed_forward", 0) == 0) {
    const bool out = rest.find(".out.") != std::string::npos;
    return numbered("Dense", 2 * layer + (out ? 1 : 0), rest.substr(rest.rfind('.') + 1));
  }
  std::string leaf = rest.substr(std::string("attention.").size());
  std::replace(leaf.begin(), leaf.end(), '.', '/');
  return numbered("SelfAttention", layer, leaf);
}

// Its gradient is zero but for rounding, which Muon blows up to a step of full size.
bool IsKeyBias(const std::string& name) { return name.find("key.bias") != std::string::npos; }

struct Case {
  std::string file;   // golden file
  std::string model;  // key of the model within it
};

class GoldenModel {
 public:
  GoldenModel(const Case& golden_case, at::ScalarType dtype)
      : golden_(GoldenJsonOrDie(golden_case.file).at(golden_case.model)) {
    const auto& config = golden_.at("config");
    length_ = config.at("H");
    members_ = config.at("K");
    const int width = config.at("d_model");
    const TransformerSpec spec = {
        config.at("V"),      2 * length_,        width,
        config.at("layers"), config.at("heads"), width * config.at("ffn_mult").get<int>()};
    policy_ = MakeTransformer(spec, {.dtype = dtype}).value();
    for (const NamedParameter& parameter : policy_->parameters()) {
      const GoldenArray array =
          GoldenArrayOrDie(golden_.at("params").at(ReferenceName(parameter.name)));
      parameter.tensor.view({-1}).copy_(at::tensor(array.values, at::kDouble));
    }
    MakeGroups();
  }

  void MakeGroups() {
    const auto& tokens = golden_.at("tokens");
    for (size_t row = 0; row < tokens.size(); ++row) {
      const std::vector<TokenId> all = tokens[row];
      if (row % members_ == 0) groups_.emplace_back();
      ReadyGroup& ready = groups_.back();
      ready.prompt.id = groups_.size() - 1;
      ready.prompt.tokens.assign(all.begin(), all.begin() + length_);
      Completion completion;
      completion.tokens.assign(all.begin() + length_, all.end());
      completion.behavior_log_probs.resize(length_);
      completion.weight_versions = {{0, 0}};
      ready.group.completions.push_back(completion);
      ready.group.verdicts.push_back(
          Verdict::Scored(golden_.at("score")[row / members_][row % members_].get<double>()));
    }
  }

  Batch MakeBatch(const Objective& objective) const {
    Batch batch = Batch::Create(groups_, objective).value();
    batch.set_anchor_log_probs(GoldenArrayOrDie(golden_.at("old_logp")).values);
    return batch;
  }

  Policy& policy() { return *policy_; }
  const nlohmann::json& golden() const { return golden_; }
  const std::vector<ReadyGroup>& groups() const { return groups_; }
  int length() const { return length_; }

 private:
  const nlohmann::json golden_;
  int length_ = 0;
  int members_ = 0;
  std::unique_ptr<Policy> policy_;
  std::vector<ReadyGroup> groups_;
};

// Compares a tensor with the reference's digest of it: L2 norm and first elements.
void ExpectDigest(const at::Tensor& tensor, const nlohmann::json& digest, double tolerance,
                  const std::string& what) {
  const double norm = digest.at("l2");
  const at::Tensor flat = tensor.to(at::kDouble).reshape({-1});
  EXPECT_NEAR(flat.norm().item<double>(), norm, tolerance * norm + 1e-14) << what;
  const auto& head = digest.at("head");
  for (size_t i = 0; i < head.size(); ++i) {
    EXPECT_NEAR(flat[static_cast<int64_t>(i)].item<double>(), head[i].get<double>(),
                tolerance * norm + 1e-14)
        << what << "[" << i << "]";
  }
}

const Case kCases[] = {{"losses/golden_losses.json", "tiny_model"},
                       {"model/golden_model_v2h7.json", "model"}};

class TransformerGoldenTest : public ::testing::TestWithParam<Case> {};

void ExpectLogProbs(const Case& golden_case, at::ScalarType dtype, double tolerance) {
  GoldenModel model(golden_case, dtype);
  const auto& expected = model.golden().at("log_probs_first16");
  const auto& tokens = model.golden().at("tokens");
  for (size_t row = 0; row < expected.size(); ++row) {
    const std::vector<TokenId> all = tokens[row];
    const int positions = static_cast<int>(expected[row].size());
    // Every (position, token) pair is scored through the candidates.
    std::vector<TokenId> candidates;
    const int vocabulary = model.policy().vocabulary_size();
    for (int p = 0; p < positions - 1; ++p) {
      for (int v = 0; v < vocabulary; ++v) candidates.push_back(v);
    }
    const std::vector<TokenId> prompt = {all[0]};
    const std::vector<TokenId> completion(all.begin() + 1, all.begin() + positions);
    const PrefixTree tree =
        BuildPrefixTree({{prompt, completion, candidates}}, model.policy().max_positions());
    auto pass = model.policy().NewPass();
    const auto log_probs = pass->Forward(tree, 1.0);
    for (size_t i = 0; i < candidates.size(); ++i) {
      const double reference = expected[row][i / vocabulary][i % vocabulary];
      EXPECT_NEAR(log_probs[tree.sequence_scored[0][i]], reference, tolerance)
          << "row " << row << " entry " << i;
    }
  }
}

TEST_P(TransformerGoldenTest, LogProbsAgreeInDoublePrecision) {
  ExpectLogProbs(GetParam(), at::kDouble, 1e-8);
}
TEST_P(TransformerGoldenTest, LogProbsAgreeInSinglePrecision) {
  ExpectLogProbs(GetParam(), at::kFloat, 1e-5);
}

void ExpectFourEpochs(const Case& golden_case, at::ScalarType dtype,
                      const std::string& objective_name, ObjectiveKind kind,
                      double gradient_tolerance, double parameter_tolerance) {
  GoldenModel model(golden_case, dtype);
  const auto& updates = model.golden().at("updates");
  if (!updates.contains(objective_name)) GTEST_SKIP() << "not in " << golden_case.file;
  const auto objective = MakeObjective({.kind = kind}).value();
  MuonSpec muon;
  muon.learning_rate = model.golden().at("config").at("lr");
  const auto optimizer = MakeOptimizer(muon, model.policy().parameters()).value();
  Trainer trainer({.epochs = 1, .micro_batch_tokens = 64, .threads = 2}, &model.policy(),
                  objective.get(), optimizer.get());
  const Batch batch = model.MakeBatch(*objective);
  int epoch_number = 0;
  for (const auto& epoch : updates.at(objective_name).at("epochs")) {
    const std::string where = objective_name + " epoch " + std::to_string(epoch_number++) + " ";
    const auto gradients = trainer.Gradient(batch).value();
    const auto result = trainer.Train(batch, /*on_policy=*/false).value();
    const double loss = epoch.at("loss_before");
    EXPECT_NEAR(result.loss, loss, gradient_tolerance * std::max(1.0, std::abs(loss))) << where;
    for (size_t p = 0; p < gradients.size(); ++p) {
      const NamedParameter& parameter = model.policy().parameters()[p];
      if (IsKeyBias(parameter.name)) {
        EXPECT_LT(gradients[p].norm().item<double>(), 1e-6) << where << parameter.name;
        continue;
      }
      const std::string name = ReferenceName(parameter.name);
      ExpectDigest(gradients[p], epoch.at("grad").at(name), gradient_tolerance,
                   where + "gradient of " + name);
      ExpectDigest(parameter.tensor, epoch.at("param_after").at(name), parameter_tolerance,
                   where + name);
    }
  }
}

TEST_P(TransformerGoldenTest, FourEpochsOfTpoAgree) {
  ExpectFourEpochs(GetParam(), at::kDouble, "tpo", ObjectiveKind::kTpo, 1e-8, 1e-8);
}
TEST_P(TransformerGoldenTest, FourEpochsOfGrpoAgree) {
  ExpectFourEpochs(GetParam(), at::kDouble, "grpo", ObjectiveKind::kGrpo, 1e-8, 1e-8);
}
TEST_P(TransformerGoldenTest, FourEpochsOfGroupPgAgree) {
  ExpectFourEpochs(GetParam(), at::kDouble, "group_pg", ObjectiveKind::kGroupPg, 1e-8, 1e-8);
}

INSTANTIATE_TEST_SUITE_P(Models, TransformerGoldenTest, ::testing::ValuesIn(kCases),
                         [](const auto& parameter) { return parameter.param.model; });

// In single precision only the first epoch is comparable: Muon makes full-size steps out of small
// differences.
TEST(TransformerGoldenSinglePrecisionTest, GradientsAgree) {
  GoldenModel model(kCases[1], at::kFloat);
  for (const auto& [name, kind] :
       {std::pair{"tpo", ObjectiveKind::kTpo}, std::pair{"grpo", ObjectiveKind::kGrpo}}) {
    const auto objective = MakeObjective({.kind = kind}).value();
    const auto optimizer =
        MakeOptimizer(MuonSpec{.learning_rate = 1e-3}, model.policy().parameters()).value();
    Trainer trainer({.epochs = 1, .micro_batch_tokens = 64, .threads = 2}, &model.policy(),
                    objective.get(), optimizer.get());
    const auto gradients = trainer.Gradient(model.MakeBatch(*objective)).value();
    const auto& epoch = model.golden().at("updates").at(name).at("epochs")[0];
    for (size_t p = 0; p < gradients.size(); ++p) {
      const std::string& ours = model.policy().parameters()[p].name;
      if (IsKeyBias(ours)) continue;
      const std::string reference = ReferenceName(ours);
      ExpectDigest(gradients[p], epoch.at("grad").at(reference), 1e-4,
                   std::string(name) + " " + reference);
    }
  }
}

}  // namespace
}  // namespace tpo
