#include "rollout/language_model_sampler.h"

#include <exception>
#include <iterator>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "core/status_macros.h"

namespace tpo {
namespace {

const absl::Status& Closed() {
  static const absl::Status* const closed =
      new absl::Status(absl::StatusCode::kCancelled, "the sampler was closed");
  return *closed;
}

}  // namespace

// One call of Sample; lives on its caller's stack until nothing of it is left.
struct LanguageModelSampler::Call {
  std::vector<std::vector<Completion>> completions;
  size_t missing = 0;  // prompts; guarded by the sampler's mutex, as is `status`
  absl::Status status;
};

LanguageModelSampler::LanguageModelSampler(std::shared_ptr<const LanguageModelInfo> model,
                                           Options options)
    : model_info_(std::move(model)), options_(std::move(options)) {}

absl::StatusOr<std::unique_ptr<LanguageModelSampler>> LanguageModelSampler::Create(
    std::shared_ptr<const LanguageModelInfo> model, Options options) {
  std::unique_ptr<LanguageModelSampler> sampler(
      new LanguageModelSampler(std::move(model), std::move(options)));
  const LanguageModelInfo& info = *sampler->model_info_;
  TPO_ASSIGN_OR_RETURN(sampler->loader_,
                       LanguageModelLoader::Create(info, sampler->options_.factory));
  if (!info.tokenizer_json.empty()) {
    TPO_ASSIGN_OR_RETURN(sampler->tokenizer_, Tokenizer::Parse(info.tokenizer_json));
  } else if (!sampler->options_.sampling.stop_texts.empty()) {
    return absl::InvalidArgumentError(
        "rollout.stop needs the text of tokens, but the model has no tokenizer.json");
  }
  sampler->thread_ = std::thread([pointer = sampler.get()] { pointer->Run(); });
  return sampler;
}

LanguageModelSampler::~LanguageModelSampler() {
  Close();
  if (thread_.joinable()) thread_.join();
}

void LanguageModelSampler::Close() {
  const absl::MutexLock lock(&mutex_);
  closed_ = true;
}

absl::StatusOr<std::shared_ptr<const LanguageModel>> LanguageModelSampler::Pack(
    const TensorBundle& weights) const {
  try {
    return loader_->Load(weights);
  } catch (const std::exception& error) {
    return absl::InternalError(absl::StrCat("loading weights failed: ", error.what()));
  }
}

absl::Status LanguageModelSampler::Load(const TensorBundle& weights, WeightVersion version,
                                        const std::string& registration) {
  const absl::MutexLock loading(&load_mutex_);
  {
    const absl::MutexLock lock(&mutex_);
    if (registration_ == registration && version_ >= version) return absl::OkStatus();
  }
  TPO_ASSIGN_OR_RETURN(std::shared_ptr<const LanguageModel> model, Pack(weights));
  const absl::MutexLock lock(&mutex_);
  next_model_ = std::move(model);
  next_version_ = version;
  load_status_ = absl::OkStatus();
  const auto taken = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return next_model_ == nullptr || closed_;
  };
  mutex_.Await(absl::Condition(&taken));
  if (closed_) return Closed();
  TPO_RETURN_IF_ERROR(load_status_);
  registration_ = registration;
  return absl::OkStatus();
}

GenerationRequest LanguageModelSampler::RequestFor(const Prompt& prompt) const {
  GenerationRequest request;
  request.prompt_id = prompt.id;
  request.prompt = prompt.tokens;
  request.completions = options_.sampling.completions_per_prompt;
  request.sampling.temperature = options_.sampling.temperature;
  request.max_tokens = options_.sampling.max_tokens;
  request.stop_tokens = model_info_->end_tokens;
  request.stop_texts = options_.sampling.stop_texts;
  return request;
}

absl::StatusOr<std::vector<std::vector<Completion>>> LanguageModelSampler::Sample(
    absl::Span<const Prompt> prompts) {
  Call call;
  call.completions.resize(prompts.size());
  call.missing = prompts.size();
  std::vector<Request> requests;
  requests.reserve(prompts.size());
  for (size_t i = 0; i < prompts.size(); ++i)
    requests.push_back({RequestFor(prompts[i]), &call, i});
  {
    const absl::MutexLock lock(&mutex_);
    if (closed_) return Closed();
    if (version_ < 0) return absl::InternalError("no weights have been loaded");
    // All or none: without memory for all, none may stay behind that points at this call.
    inbox_.insert(inbox_.end(), std::make_move_iterator(requests.begin()),
                  std::make_move_iterator(requests.end()));
    const auto done = [&call] { return call.missing == 0; };
    mutex_.Await(absl::Condition(&done));
    TPO_RETURN_IF_ERROR(call.status);
  }
  for (std::vector<Completion>& group : call.completions) {
    for (Completion& completion : group) completion.text = TextOf(completion);
  }
  return std::move(call.completions);
}

std::string LanguageModelSampler::TextOf(const Completion& completion) const {
  if (tokenizer_ == nullptr) return "";
  return tokenizer_->Decode(completion.tokens, {.skip_special_tokens = true});
}

bool LanguageModelSampler::Wakes() const {
  return closed_ || !inbox_.empty() || next_model_ != nullptr;
}

void LanguageModelSampler::Run() {
  while (true) {
    {
      const absl::MutexLock lock(&mutex_);
      const auto wakes = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return Wakes(); };
      if (engine_ == nullptr || engine_->idle()) mutex_.Await(absl::Condition(&wakes));
      if (closed_) break;
    }
    try {
      Work();
    } catch (const std::exception& error) {
      FailAll(absl::InternalError(absl::StrCat("sampling failed: ", error.what())));
    }
  }
  FailAll(Closed());
}

void LanguageModelSampler::Work() {
  if (const absl::Status status = TakeWeights(); !status.ok()) {
    const absl::MutexLock lock(&mutex_);
    load_status_ = status;
    next_model_ = nullptr;
  }
  if (options_.sampling.swap_in_flight) SwapInFlight();
  TakeRequests();
  if (engine_ == nullptr) return;
  for (GenerationResult& result : engine_->Step()) Deliver(std::move(result));
}

absl::Status LanguageModelSampler::TakeWeights() {
  std::shared_ptr<const LanguageModel> model;
  WeightVersion version = 0;
  {
    const absl::MutexLock lock(&mutex_);
    const bool may = engine_ == nullptr || engine_->idle() || options_.sampling.swap_in_flight;
    if (next_model_ == nullptr || !may) return absl::OkStatus();
    model = next_model_;
    version = next_version_;
  }
  TPO_RETURN_IF_ERROR(Adopt(std::move(model), version));
  const absl::MutexLock lock(&mutex_);
  next_model_ = nullptr;
  return absl::OkStatus();
}

absl::Status LanguageModelSampler::Adopt(std::shared_ptr<const LanguageModel> model,
                                         WeightVersion version) {
  if (engine_ == nullptr) {
    GenerationEngine::Options options;
    options.seed = options_.seed;
    options.stream = options_.stream;
    options.threads = options_.threads;
    options.cache_bytes = options_.sampling.cache_bytes;
    options.cache_on_new_weights = options_.sampling.recompute_cache ? CacheOnNewWeights::kRecompute
                                                                     : CacheOnNewWeights::kKeep;
    if (tokenizer_ != nullptr) {
      options.token_text = [this](TokenId token) {
        return std::string(tokenizer_->BytesOf(token));
      };
    }
    if (options_.on_note) options_.on_note(absl::StrCat("samples with ", model->description()));
    engine_ = std::make_unique<GenerationEngine>(std::move(options), std::move(model), version);
  } else {
    TPO_RETURN_IF_ERROR(engine_->SetModel(std::move(model), version));
  }
  const absl::MutexLock lock(&mutex_);
  version_ = version;
  return absl::OkStatus();
}

void LanguageModelSampler::SwapInFlight() {
  if (engine_ == nullptr || engine_->idle() || !options_.newer_weights) return;
  // A lease loop that is loading weights has the newest.
  if (!load_mutex_.TryLock()) return;
  try {
    TakeNewest();
  } catch (...) {
    load_mutex_.Unlock();
    throw;
  }
  load_mutex_.Unlock();
}

void LanguageModelSampler::TakeNewest() {
  WeightVersion version = 0;
  {
    const absl::MutexLock lock(&mutex_);
    version = version_;
  }
  const std::shared_ptr<const WeightSnapshot> newest = options_.newer_weights(version);
  if (newest == nullptr || newest->version <= version) return;
  absl::StatusOr<std::shared_ptr<const LanguageModel>> model = Pack(newest->weights);
  // What can't be loaded is found out by the lease loop that asks for it.
  if (model.ok()) Adopt(*std::move(model), newest->version).IgnoreError();
}

void LanguageModelSampler::TakeRequests() {
  {
    const absl::MutexLock lock(&mutex_);
    // What was asked for before new weights came may be answered with the old ones, but that would
    // hold up the new ones.
    if (engine_ == nullptr || next_model_ != nullptr) return;
    taken_.swap(inbox_);
  }
  // Each stays until it is in running_ or has failed: if memory ends in between, FailAll finds it.
  for (; !taken_.empty(); taken_.pop_front()) {
    Request& request = taken_.front();
    {
      const absl::MutexLock lock(&mutex_);
      if (!request.call->status.ok()) {  // by a prompt before it
        --request.call->missing;
        continue;
      }
    }
    const absl::StatusOr<uint64_t> number = engine_->Submit(std::move(request.request));
    if (number.ok()) {
      running_.emplace(*number, std::move(request));
    } else {
      Fail(request, number.status());
    }
  }
}

void LanguageModelSampler::Deliver(GenerationResult result) {
  const auto found = running_.find(result.request);
  if (found == running_.end()) return;  // another prompt of its call failed in the same step
  const Request request = std::move(found->second);
  running_.erase(found);
  if (!result.status.ok()) {
    Fail(request, result.status);
    return;
  }
  const absl::MutexLock lock(&mutex_);
  request.call->completions[request.index] = std::move(result.completions);
  --request.call->missing;
}

void LanguageModelSampler::Fail(const Request& request, const absl::Status& failure) {
  Call* const call = request.call;
  size_t ended = 1;
  for (auto other = running_.begin(); other != running_.end();) {
    if (other->second.call != call) {
      ++other;
      continue;
    }
    engine_->Cancel(other->first);
    other = running_.erase(other);
    ++ended;
  }
  const absl::MutexLock lock(&mutex_);
  call->status.Update(failure);
  call->missing -= ended;
}

void LanguageModelSampler::FailAll(const absl::Status& failure) {
  engine_.reset();
  const absl::MutexLock lock(&mutex_);
  const auto fail = [&failure](const Request& request) {
    request.call->status.Update(failure);
    --request.call->missing;
  };
  for (const auto& [number, request] : running_) fail(request);
  for (const Request& request : taken_) fail(request);
  for (const Request& request : inbox_) fail(request);
  running_.clear();
  taken_.clear();
  inbox_.clear();
  // The next call loads its weights again.
  version_ = -1;
  load_status_ = failure;
  next_model_ = nullptr;
}

}  // namespace tpo
