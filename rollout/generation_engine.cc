#include "rollout/generation_engine.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <typeinfo>
#include <utility>

#include "absl/strings/str_cat.h"
#include "core/status_macros.h"

namespace tpo {
namespace {

double Now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

}  // namespace

// One completion that is open.
struct GenerationEngine::Sequence {
  Group* group = nullptr;
  int index = 0;  // within its group
  Completion* completion = nullptr;
  std::vector<int32_t> pages;  // of its tokens
  int forwarded = 0;           // tokens that are in the cache
  std::string text_end;        // of its text, as much as a stop text may begin in
};

// A request.
struct GenerationEngine::Group {
  uint64_t number = 0;
  GenerationRequest request;
  std::vector<Completion> completions;
  std::vector<int32_t> prompt_pages;  // empty until it is admitted
  int forwarded = 0;                  // tokens of the prompt that are in the cache
  int admitted = 0;                   // completions
  int finished = 0;
  std::vector<std::unique_ptr<Sequence>> open;
  // After the prompt, for completions that haven't drawn their first token; with the version that
  // they come from.
  std::vector<float> first_logits;
  WeightVersion first_version = 0;
  size_t longest_stop_text = 0;
  int recompute = 0;  // tokens to forward that had been forwarded before
  absl::Status failure;
};

// One step's forward pass, and what is drawn from its logits.
struct GenerationEngine::Batch {
  struct Wanted {
    Group* prompt = nullptr;  // the logits after its prompt
    Sequence* sequence = nullptr;
  };
  struct Draw {
    absl::Span<float> logits;
    std::vector<Sequence*> sequences;  // of one group
    std::vector<DrawnToken> drawn;     // empty: the logits have no distribution
    WeightVersion version = 0;
  };
  std::deque<std::array<VisiblePages, 2>> visible;
  std::vector<LanguageModelRow> rows;
  std::vector<int> wanted_rows;
  std::vector<Wanted> wanted;
  std::vector<Draw> draws;
  int prefill_left = 0;
};

GenerationEngine::GenerationEngine(Options options, std::shared_ptr<const LanguageModel> model,
                                   WeightVersion version)
    : options_(std::move(options)),
      model_(std::move(model)),
      version_(version),
      team_(options_.threads),
      cache_(model_->NewCache(options_.cache_bytes)),
      pass_(LanguageModelPass::Create(model_, &team_)),
      distributions_(team_.size(), TokenDistribution(model_->loops())) {}

GenerationEngine::~GenerationEngine() = default;

absl::Status GenerationEngine::Check(const GenerationRequest& request) const {
  const LanguageModelConfig& config = model_->config();
  const auto invalid = [&](auto&&... parts) {
    return absl::InvalidArgumentError(absl::StrCat("prompt ", request.prompt_id, ": ", parts...));
  };
  if (request.prompt.empty()) return invalid("has no tokens");
  if (request.completions < 1 || request.max_tokens < 1)
    return invalid("completions and max_tokens must be at least 1");
  const int64_t length = static_cast<int64_t>(request.prompt.size()) + request.max_tokens;
  if (length > config.max_positions) {
    return invalid(request.prompt.size(), " tokens and a completion of ", request.max_tokens,
                   " don't fit the model's ", config.max_positions, " positions");
  }
  for (size_t i = 0; i < request.prompt.size(); ++i) {
    if (request.prompt[i] < 0 || request.prompt[i] >= config.vocab_size) {
      return invalid("token ", i, " is ", request.prompt[i], ", the vocabulary has ",
                     config.vocab_size);
    }
  }
  if (absl::Status status = CheckTokenSampling(request.sampling, config.vocab_size); !status.ok())
    return invalid(std::string(status.message()));
  for (const std::string& text : request.stop_texts) {
    if (text.empty()) return invalid("a stop text is empty");
  }
  if (!request.stop_texts.empty() && options_.token_text == nullptr)
    return invalid("has stop texts, but the engine was given no text of tokens");
  const int needed = PagePool::PagesFor(static_cast<int>(request.prompt.size())) +
                     PagePool::PagesFor(request.max_tokens - 1);
  if (needed > cache_->pages()) {
    return absl::ResourceExhaustedError(absl::StrCat(
        "prompt ", request.prompt_id, ": one completion needs ", needed, " pages of the cache, ",
        "which has ", cache_->pages(), "; give it more memory or ask for fewer tokens"));
  }
  return absl::OkStatus();
}

absl::StatusOr<uint64_t> GenerationEngine::Submit(GenerationRequest request) {
  TPO_RETURN_IF_ERROR(Check(request));
  for (TokenDistribution& distribution : distributions_)
    distribution.MakeRoom(model_->config().vocab_size, request.sampling);
  auto group = std::make_unique<Group>();
  group->number = next_request_++;
  group->completions.resize(request.completions);
  for (const std::string& text : request.stop_texts)
    group->longest_stop_text = std::max(group->longest_stop_text, text.size());
  group->request = std::move(request);
  const uint64_t number = group->number;
  groups_.push_back(std::move(group));
  return number;
}

// Strictly in order: a small request doesn't overtake a large one that waits for room.
void GenerationEngine::Admit() {
  for (const std::unique_ptr<Group>& group : groups_) {
    while (group->admitted < group->request.completions) {
      if (open_ >= options_.max_open_completions || !AdmitNext(*group)) return;
    }
  }
}

bool GenerationEngine::AdmitNext(Group& group) {
  const int own = PagePool::PagesFor(group.request.max_tokens - 1);
  const int prompt = group.prompt_pages.empty()
                         ? PagePool::PagesFor(static_cast<int>(group.request.prompt.size()))
                         : 0;
  if (own + prompt > cache_->free_pages()) return false;
  for (int i = 0; i < prompt; ++i) group.prompt_pages.push_back(cache_->Take());
  auto sequence = std::make_unique<Sequence>();
  sequence->group = &group;
  sequence->index = group.admitted++;
  sequence->completion = &group.completions[sequence->index];
  for (int i = 0; i < own; ++i) sequence->pages.push_back(cache_->Take());
  group.open.push_back(std::move(sequence));
  ++open_;
  return true;
}

// Appends rows for `tokens` from the first that isn't in the cache, at most `most`; returns how
// many.
int GenerationEngine::AddTokens(absl::Span<const TokenId> tokens, int first_position, int forwarded,
                                int most, absl::Span<const VisiblePages> before,
                                const std::vector<int32_t>& pages, Batch& batch) {
  const int count = std::min(static_cast<int>(tokens.size()) - forwarded, most);
  for (int i = forwarded; i < forwarded + count; ++i) {
    std::array<VisiblePages, 2>& visible = batch.visible.emplace_back();
    std::copy(before.begin(), before.end(), visible.begin());
    visible[before.size()] = {pages.data(), i + 1};
    batch.rows.push_back({tokens[i], first_position + i, {visible.data(), before.size() + 1}});
  }
  return count;
}

void GenerationEngine::AddRows(Group& group, Batch& batch) {
  if (group.prompt_pages.empty()) return;  // not admitted yet
  const int prompt = static_cast<int>(group.request.prompt.size());
  const auto want_last = [&](Batch::Wanted wanted) {
    batch.wanted_rows.push_back(static_cast<int>(batch.rows.size()) - 1);
    batch.wanted.push_back(wanted);
  };
  if (group.forwarded < prompt) {
    const int added = AddTokens(group.request.prompt, 0, group.forwarded, batch.prefill_left, {},
                                group.prompt_pages, batch);
    group.forwarded += added;
    batch.prefill_left -= added;
    const int again = std::min(added, group.recompute);
    group.recompute -= again;
    statistics_.recomputed_tokens += again;
    statistics_.prompt_tokens += added - again;
    if (group.forwarded < prompt) return;
    want_last({&group, nullptr});
  }
  const VisiblePages before = {group.prompt_pages.data(), prompt};
  for (const std::unique_ptr<Sequence>& sequence : group.open) {
    const std::vector<TokenId>& tokens = sequence->completion->tokens;
    if (tokens.empty()) continue;  // draws from the prompt's logits
    const int missing = static_cast<int>(tokens.size()) - sequence->forwarded;
    // One token is decoding, more are a recomputation.
    const int most = missing == 1 ? 1 : batch.prefill_left;
    const int added =
        AddTokens(tokens, prompt, sequence->forwarded, most, {&before, 1}, sequence->pages, batch);
    sequence->forwarded += added;
    if (missing > 1) {
      batch.prefill_left -= added;
      statistics_.recomputed_tokens += added;
    }
    if (added == missing) want_last({nullptr, sequence.get()});
  }
}

void GenerationEngine::Forward(Batch& batch) {
  if (batch.rows.empty()) return;
  const absl::Span<float> logits = pass_->Forward(batch.rows, batch.wanted_rows, *cache_);
  const size_t vocabulary = model_->config().vocab_size;
  for (size_t i = 0; i < batch.wanted.size(); ++i) {
    float* const row = logits.data() + i * pass_->logits_stride();
    const Batch::Wanted& wanted = batch.wanted[i];
    if (wanted.sequence != nullptr) {
      batch.draws.push_back({{row, vocabulary}, {wanted.sequence}, {}, version_});
    } else {
      wanted.prompt->first_logits.assign(row, row + vocabulary);
      wanted.prompt->first_version = version_;
    }
  }
}

void GenerationEngine::Draw(Batch& batch) {
  for (const std::unique_ptr<Group>& group : groups_) {
    if (group->first_logits.empty()) continue;
    Batch::Draw draw = {absl::MakeSpan(group->first_logits), {}, {}, group->first_version};
    for (const std::unique_ptr<Sequence>& sequence : group->open) {
      if (sequence->completion->tokens.empty()) draw.sequences.push_back(sequence.get());
    }
    if (!draw.sequences.empty()) batch.draws.push_back(std::move(draw));
  }
  // Threads of the team must not throw, so all memory for their draws is there before.
  for (Batch::Draw& draw : batch.draws) draw.drawn.reserve(draw.sequences.size());
  team_.Run([&](int thread) {
    const auto [first, last] = team_.Part(thread, static_cast<int>(batch.draws.size()));
    for (int i = first; i < last; ++i) {
      Batch::Draw& draw = batch.draws[i];
      const GenerationRequest& request = draw.sequences.front()->group->request;
      distributions_[thread].Reset(draw.logits, request.sampling);
      if (!distributions_[thread].valid()) continue;
      for (const Sequence* const sequence : draw.sequences) {
        const double uniform =
            UniformAt(options_.seed, options_.stream, request.prompt_id,
                      static_cast<uint32_t>(sequence->index),
                      static_cast<uint32_t>(sequence->completion->tokens.size()));
        draw.drawn.push_back(distributions_[thread].Draw(uniform));
      }
    }
  });
  for (const Batch::Draw& draw : batch.draws) {
    if (draw.drawn.empty()) {
      Group& group = *draw.sequences.front()->group;
      group.failure.Update(absl::OutOfRangeError(
          absl::StrCat("prompt ", group.request.prompt_id, ": the logits of weight version ",
                       draw.version, " are infinite or not numbers")));
      continue;
    }
    for (size_t i = 0; i < draw.sequences.size(); ++i)
      Append(*draw.sequences[i], draw.drawn[i], draw.version);
  }
}

void GenerationEngine::Append(Sequence& sequence, const DrawnToken& drawn, WeightVersion version) {
  Completion& completion = *sequence.completion;
  const GenerationRequest& request = sequence.group->request;
  if (completion.weight_versions.empty() ||
      completion.weight_versions.back().weight_version != version) {
    completion.weight_versions.push_back(
        {version, static_cast<uint32_t>(completion.tokens.size())});
  }
  completion.tokens.push_back(drawn.token);
  completion.behavior_log_probs.push_back(drawn.log_prob);
  ++statistics_.generated_tokens;
  bool stopped = std::find(request.stop_tokens.begin(), request.stop_tokens.end(), drawn.token) !=
                 request.stop_tokens.end();
  if (!request.stop_texts.empty()) {
    std::string& text = sequence.text_end;
    text += options_.token_text(drawn.token);
    for (const std::string& stop : request.stop_texts)
      stopped = stopped || text.find(stop) != std::string::npos;
    const size_t kept = sequence.group->longest_stop_text - 1;
    if (text.size() > kept) text.erase(0, text.size() - kept);
  }
  if (stopped) {
    Finish(sequence, FinishReason::kStop);
  } else if (static_cast<int>(completion.tokens.size()) == request.max_tokens) {
    Finish(sequence, FinishReason::kLength);
  }
}

void GenerationEngine::Finish(Sequence& sequence, FinishReason reason) {
  sequence.completion->finish_reason = reason;
  Release(sequence.pages);
  ++sequence.group->finished;
  --open_;
}

void GenerationEngine::Release(std::vector<int32_t>& pages) {
  for (const int32_t page : pages) cache_->GiveBack(page);
  pages.clear();
}

// What its open completions and its prompt hold.
void GenerationEngine::ReleaseAll(Group& group) {
  for (const std::unique_ptr<Sequence>& sequence : group.open) {
    Release(sequence->pages);
    --open_;
  }
  Release(group.prompt_pages);
}

std::vector<GenerationResult> GenerationEngine::TakeFinished() {
  std::vector<GenerationResult> finished;
  for (std::unique_ptr<Group>& group : groups_) {
    std::erase_if(group->open, [](const std::unique_ptr<Sequence>& sequence) {
      return sequence->completion->finish_reason != FinishReason::kUnspecified;
    });
    if (!group->failure.ok()) {
      ReleaseAll(*group);
      finished.push_back({group->number, {}, std::move(group->failure)});
      group.reset();
      continue;
    }
    if (group->finished < group->request.completions) {
      const bool all_began = group->admitted == group->request.completions &&
                             std::none_of(group->open.begin(), group->open.end(),
                                          [](const std::unique_ptr<Sequence>& sequence) {
                                            return sequence->completion->tokens.empty();
                                          });
      if (all_began) group->first_logits = {};  // nobody draws from them any more
      continue;
    }
    Release(group->prompt_pages);
    finished.push_back({group->number, std::move(group->completions), absl::OkStatus()});
    group.reset();
  }
  std::erase(groups_, nullptr);
  return finished;
}

std::vector<GenerationResult> GenerationEngine::Step() {
  if (idle()) return {};
  Admit();
  Batch batch;
  batch.prefill_left = options_.max_prefill_tokens;
  for (const std::unique_ptr<Group>& group : groups_) AddRows(*group, batch);
  const double start = Now();
  Forward(batch);
  const double forwarded = Now();
  Draw(batch);
  statistics_.forward_seconds += forwarded - start;
  statistics_.draw_seconds += Now() - forwarded;
  ++statistics_.steps;
  return TakeFinished();
}

bool GenerationEngine::Cancel(uint64_t request) {
  for (auto group = groups_.begin(); group != groups_.end(); ++group) {
    if ((*group)->number != request) continue;
    ReleaseAll(**group);
    groups_.erase(group);
    return true;
  }
  return false;
}

absl::Status GenerationEngine::SetModel(std::shared_ptr<const LanguageModel> model,
                                        WeightVersion version) {
  const LanguageModel& old = *model_;
  const LanguageModel& next = *model;
  if (!(next.config() == old.config()) || next.bfloat16() != old.bfloat16() ||
      typeid(next) != typeid(old)) {
    return absl::InvalidArgumentError(
        "new weights must be of the same model, type and form as the old ones");
  }
  pass_.reset();  // before the new one: its memory is large
  model_ = std::move(model);
  version_ = version;
  pass_ = LanguageModelPass::Create(model_, &team_);
  if (options_.cache_on_new_weights == CacheOnNewWeights::kKeep) return absl::OkStatus();
  for (const std::unique_ptr<Group>& group : groups_) {
    group->recompute += group->forwarded;
    group->forwarded = 0;
    group->first_logits = {};
    for (const std::unique_ptr<Sequence>& sequence : group->open) sequence->forwarded = 0;
  }
  return absl::OkStatus();
}

absl::StatusOr<std::vector<std::vector<Completion>>> GenerationEngine::Generate(
    std::vector<GenerationRequest> requests) {
  for (const GenerationRequest& request : requests) TPO_RETURN_IF_ERROR(Check(request));
  std::vector<std::vector<Completion>> completions(requests.size());
  const uint64_t first = next_request_;
  for (GenerationRequest& request : requests) {
    TPO_RETURN_IF_ERROR(Submit(std::move(request)).status());
  }
  absl::Status failure;
  while (!idle()) {
    for (GenerationResult& result : Step()) {
      failure.Update(result.status);
      completions[result.request - first] = std::move(result.completions);
    }
  }
  TPO_RETURN_IF_ERROR(failure);
  return completions;
}

}  // namespace tpo
