#include "services/engine/trained_policy.h"

#include <algorithm>
#include <exception>
#include <filesystem>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "core/file_system.h"
#include "core/run_info.h"
#include "core/sequence_task.h"
#include "core/status_macros.h"
#include "learner/checkpoint.h"
#include "policy/hugging_face/model_directory.h"
#include "policy/language_model/language_model_loader.h"
#include "policy/safetensors.h"
#include "policy/threads.h"
#include "rollout/sampler.h"
#include "services/config/config.h"
#include "services/engine/language_task.h"
#include "services/engine/verifiers.h"
#include "services/run_directory/run_directory.h"
#include "spdlog/spdlog.h"

namespace tpo {
namespace {

// Far beyond the prompts of any run.
constexpr uint64_t kFirstHeldOutPrompt = uint64_t{1} << 48;
constexpr int kPromptsAtATime = 100;

// Splits runs/x/checkpoints/step_00000100 into the run and the step.
void ResolveCheckpointPath(std::string& run, std::optional<int64_t>& step) {
  std::filesystem::path path(run);
  if (path.filename().empty()) path = path.parent_path();
  const std::string name = path.filename().string();
  absl::string_view digits = name;
  int64_t number = 0;
  if (absl::ConsumePrefix(&digits, "step_") && absl::SimpleAtoi(digits, &number) &&
      path.parent_path().filename() == "checkpoints") {
    step = number;
    run = path.parent_path().parent_path().string();
  }
}

absl::StatusOr<CheckpointData> LoadData(const CheckpointStore& store, std::optional<int64_t> step,
                                        const std::string& run) {
  if (step.has_value()) {
    TPO_ASSIGN_OR_RETURN(LoadedCheckpoint loaded, store.Load(*step));
    return std::move(loaded.data);
  }
  TPO_ASSIGN_OR_RETURN(std::optional<LoadedCheckpoint> newest, store.LoadNewest());
  if (!newest.has_value()) return absl::NotFoundError(absl::StrCat(run, " holds no checkpoint"));
  if (!newest->warning.empty()) spdlog::warn("{}", newest->warning);
  return std::move(newest->data);
}

// Adapters belong to one model; whole weights to its config and tokenizer. `checksum`: of what
// model.hf.path holds now.
absl::Status CheckIsWhatWasTrained(const TrainedPolicy& trained, uint32_t checksum) {
  const auto then = trained.inputs.find("model.hf.path");
  const std::string now = ChecksumText(checksum);
  if (then == trained.inputs.end() || then->second == now) return absl::OkStatus();
  return absl::FailedPreconditionError(absl::StrCat(
      trained.run_dir, " was trained with another model than model.hf.path, ",
      trained.spec.hugging_face->path, ", holds now: ", then->second, " then, ", now, " now"));
}

}  // namespace

absl::StatusOr<TrainedPolicy> LoadTrainedPolicy(const std::string& run,
                                                std::optional<int64_t> step) {
  TrainedPolicy trained;
  trained.run_dir = run;
  ResolveCheckpointPath(trained.run_dir, step);
  const RunPaths paths(trained.run_dir);
  TPO_ASSIGN_OR_RETURN(const v1::Config config, LoadConfig(paths.config, {}));
  trained.spec = ToRunSpec(config);
  const CheckpointStore store = CheckpointStore::ForReading(paths.checkpoints, FileSystem::Posix());
  TPO_ASSIGN_OR_RETURN(CheckpointData data, LoadData(store, step, trained.run_dir));
  trained.step = data.step;
  trained.inputs = std::move(data.inputs);
  if (trained.spec.hugging_face.has_value()) {
    trained.weights = std::move(data.model);
    return trained;
  }
  TPO_ASSIGN_OR_RETURN(trained.policy,
                       MakeTransformer(trained.spec.model, {.device = DefaultDevice()}));
  TPO_RETURN_IF_ERROR(LoadTensors(*data.model, trained.policy->parameters()));
  trained.weights = std::move(data.model);
  return trained;
}

absl::StatusOr<TensorBundle> HuggingFaceWeights(const TrainedPolicy& trained, TensorType type) {
  const HuggingFaceModelSpec& model = *trained.spec.hugging_face;
  TPO_ASSIGN_OR_RETURN(const auto directory, ModelDirectory::Open(model.path));
  TPO_ASSIGN_OR_RETURN(const uint32_t checksum, ModelChecksum(*directory));
  TPO_RETURN_IF_ERROR(CheckIsWhatWasTrained(trained, checksum));
  if (model.lora.has_value()) {
    return MergeLora(*directory, ToLoraSpec(*model.lora, trained.spec.seed), *trained.weights,
                     type);
  }
  std::vector<TensorSpec> specs = trained.weights->tensors();
  for (TensorSpec& spec : specs) spec.type = type;
  TPO_ASSIGN_OR_RETURN(TensorBundle bundle, TensorBundle::Create(std::move(specs)));
  for (size_t i = 0; i < bundle.tensors().size(); ++i) {
    const TensorSpec& from = trained.weights->tensors()[i];
    const TensorSpec& to = bundle.tensors()[i];
    const absl::Span<const std::byte> bytes = trained.weights->bytes(from);
    const SafetensorsView view = {from,
                                  {reinterpret_cast<const char*>(bytes.data()), bytes.size()}};
    const size_t count = to.size_bytes / ElementSizeBytes(type);
    std::byte* const target = bundle.bytes(to).data();
    if (type == TensorType::kBfloat16) {
      ConvertElements(view, 0, count, reinterpret_cast<uint16_t*>(target));
    } else {
      ConvertElements(view, 0, count, reinterpret_cast<float*>(target));
    }
  }
  return bundle;
}

namespace {

absl::StatusOr<std::unique_ptr<VerifierApi>> VerifierOf(const RunInfo& run,
                                                        const EvaluationQuestions& questions) {
  return MakeVerifier(run, questions.allow_remote_plaintext, nullptr, questions.own_tls);
}

absl::StatusOr<EvaluationAnswers> AnswerDatasetPrompts(const TrainedPolicy& trained,
                                                       const EvaluationQuestions& questions) {
  TPO_ASSIGN_OR_RETURN(const auto task, LanguageTask::Open(trained.spec));
  TPO_RETURN_IF_ERROR(CheckIsWhatWasTrained(trained, task->info()->checksum));
  EvaluatorOptions options;
  options.run = RunInfoOf(trained.spec);
  options.run.language_model = task->info();
  TPO_ASSIGN_OR_RETURN(const auto verifier, VerifierOf(options.run, questions));
  options.verifier = verifier.get();
  options.evaluation.samples = questions.samples;
  options.evaluation.greedy = questions.greedy;
  const bool held_out = task->evaluation_source() != nullptr;
  options.source = held_out ? task->evaluation_source() : task->source();
  options.prompts = static_cast<uint64_t>(questions.prompts);
  if (held_out) {
    options.prompts = std::min(options.prompts, task->evaluation_prompts());
  } else {
    spdlog::warn(
        "nothing of the dataset was held out, so these are prompts of training: "
        "task.dataset.held_out_prompts keeps rows back, evaluation.path takes others");
  }
  EvaluationAnswers answers;
  answers.held_out = held_out;
  TPO_ASSIGN_OR_RETURN(answers.answered,
                       AnswerWithLanguageModel(options, *trained.weights, trained.step));
  return answers;
}

}  // namespace

absl::StatusOr<EvaluationAnswers> AnswerEvaluationPrompts(const TrainedPolicy& trained,
                                                          const EvaluationQuestions& questions) {
  if (trained.spec.hugging_face.has_value()) return AnswerDatasetPrompts(trained, questions);
  SequencePromptSource source(trained.spec.task, trained.spec.seed);
  TPO_ASSIGN_OR_RETURN(const auto verifier, VerifierOf(RunInfoOf(trained.spec), questions));
  SamplingSpec sampling = trained.spec.rollout.sampling;
  sampling.completions_per_prompt = questions.samples;
  sampling.candidates_per_token = 0;
  if (questions.greedy) sampling.temperature = 0.0F;
  const auto decoder = trained.policy->NewDecoder();
  EvaluationAnswers answers;
  for (int first = 0; first < questions.prompts; first += kPromptsAtATime) {
    std::vector<Prompt> batch;
    for (int i = first; i < std::min(questions.prompts, first + kPromptsAtATime); ++i) {
      TPO_ASSIGN_OR_RETURN(Prompt prompt, source.At(kFirstHeldOutPrompt + i));
      batch.push_back(std::move(prompt));
    }
    std::vector<std::vector<Completion>> completions;
    try {
      TPO_ASSIGN_OR_RETURN(completions,
                           SampleCompletions(sampling, trained.spec.seed, RandomStream::kEvaluation,
                                             *trained.policy, trained.step, batch, *decoder));
    } catch (const std::exception& error) {
      return absl::InternalError(absl::StrCat("sampling failed: ", error.what()));
    }
    JudgeAnswers(verifier.get(), std::move(batch), std::move(completions), &answers.answered);
  }
  return answers;
}

}  // namespace tpo
