#include "policy/tokenizer/byte_pair_encoder.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <queue>
#include <utility>

namespace tpo {
namespace {

// Words up to this length are merged by scanning all pairs for the lowest rank, longer ones, on
// which that would be quadratic, with a heap.
constexpr int kFewBytes = 48;

uint64_t PairOf(TokenId left, TokenId right) {
  return uint64_t{static_cast<uint32_t>(left)} << 32 | static_cast<uint32_t>(right);
}

// The upper bits are well mixed.
uint64_t Mix(uint64_t value) { return value * 0x9E3779B97F4A7C15ull; }

uint64_t HashOf(std::string_view word) {
  uint64_t hash = word.size();
  while (word.size() >= 8) {
    uint64_t bytes = 0;
    std::memcpy(&bytes, word.data(), 8);
    hash = Mix(hash ^ bytes);
    hash ^= hash >> 32;
    word.remove_prefix(8);
  }
  uint64_t bytes = 0;
  std::memcpy(&bytes, word.data(), word.size());
  return Mix(hash ^ bytes);
}

}  // namespace

// The last word of each hash. Direct-mapped: a lookup is one comparison.
class BytePairEncoder::WordCache {
 public:
  static constexpr size_t kMaxWordBytes = 62;
  static constexpr size_t kMaxTokens = 16;

  WordCache() : entries_(size_t{1} << kBits) {}

  // Appends the tokens of `word` if they are known. REQUIRES: at most kMaxWordBytes.
  bool Lookup(std::string_view word, std::vector<TokenId>* out) {
    const Entry& entry = EntryOf(word);
    if (entry.bytes != word.size() || std::memcmp(entry.word, word.data(), word.size()) != 0) {
      return false;
    }
    out->insert(out->end(), entry.tokens, entry.tokens + entry.count);
    return true;
  }

  void Remember(std::string_view word, const TokenId* tokens, size_t count) {
    if (count > kMaxTokens) return;
    Entry& entry = EntryOf(word);
    entry.bytes = static_cast<uint8_t>(word.size());
    entry.count = static_cast<uint8_t>(count);
    std::memcpy(entry.word, word.data(), word.size());
    std::copy(tokens, tokens + count, entry.tokens);
  }

 private:
  static constexpr int kBits = 14;
  struct alignas(64) Entry {
    uint8_t bytes = 0;  // 0: free
    uint8_t count = 0;
    char word[kMaxWordBytes];
    TokenId tokens[kMaxTokens];
  };
  static_assert(sizeof(Entry) == 128);

  Entry& EntryOf(std::string_view word) { return entries_[HashOf(word) >> (64 - kBits)]; }

  std::vector<Entry> entries_;
};

BytePairEncoder::BytePairEncoder(BytePairModel model)
    : byte_tokens_(model.byte_tokens),
      unknown_token_(model.unknown_token),
      fuse_unknown_(model.fuse_unknown),
      whole_words_(std::move(model.whole_words)) {
  const size_t capacity = std::bit_ceil(std::max<size_t>(16, model.merges.size() * 2));
  pairs_.resize(capacity);
  pair_shift_ = 64 - std::countr_zero(capacity);
  for (size_t rank = 0; rank < model.merges.size(); ++rank) {
    InsertPair(model.merges[rank], static_cast<int32_t>(rank));
  }
}

BytePairEncoder::~BytePairEncoder() = default;

void BytePairEncoder::InsertPair(const BytePairMerge& merge, int32_t rank) {
  const uint64_t pair = PairOf(merge.left, merge.right);
  size_t slot = Mix(pair) >> pair_shift_;
  while (pairs_[slot].pair != kNoPair && pairs_[slot].pair != pair) {
    slot = (slot + 1) & (pairs_.size() - 1);
  }
  pairs_[slot] = {pair, rank, merge.merged};
}

const BytePairEncoder::PairEntry* BytePairEncoder::Find(TokenId left, TokenId right) const {
  const uint64_t pair = PairOf(left, right);
  size_t slot = Mix(pair) >> pair_shift_;
  while (pairs_[slot].pair != pair) {
    if (pairs_[slot].pair == kNoPair) return nullptr;
    slot = (slot + 1) & (pairs_.size() - 1);
  }
  return &pairs_[slot];
}

int32_t BytePairEncoder::RankOf(TokenId left, TokenId right) const {
  const PairEntry* entry = Find(left, right);
  return entry == nullptr ? kNoRank : entry->rank;
}

void BytePairEncoder::AppendBytes(std::string_view word, std::vector<TokenId>* out) const {
  bool after_unknown = false;
  for (const char c : word) {
    const TokenId token = byte_tokens_[static_cast<unsigned char>(c)];
    if (token >= 0) {
      out->push_back(token);
    } else if (unknown_token_ >= 0 && !(fuse_unknown_ && after_unknown)) {
      out->push_back(unknown_token_);
    }
    after_unknown = token < 0;
  }
}

// Merges in place, returns how many symbols are left.
int BytePairEncoder::MergeFew(TokenId* symbols, int count) const {
  int32_t ranks[kFewBytes];  // of the pair that begins here
  for (int i = 0; i + 1 < count; ++i) ranks[i] = RankOf(symbols[i], symbols[i + 1]);
  while (count > 1) {
    const int at = static_cast<int>(std::min_element(ranks, ranks + count - 1) - ranks);
    if (ranks[at] == kNoRank) break;
    symbols[at] = Find(symbols[at], symbols[at + 1])->merged;
    std::copy(symbols + at + 2, symbols + count, symbols + at + 1);
    if (at + 2 < count) std::copy(ranks + at + 2, ranks + count - 1, ranks + at + 1);
    --count;
    if (at > 0) ranks[at - 1] = RankOf(symbols[at - 1], symbols[at]);
    if (at + 1 < count) ranks[at] = RankOf(symbols[at], symbols[at + 1]);
  }
  return count;
}

void BytePairEncoder::MergeMany(std::vector<TokenId>* symbols) const {
  const auto count = static_cast<int32_t>(symbols->size());
  std::vector<int32_t> previous(count), next(count);
  // By rank, then position: the lowest rank and the leftmost first. Entries of pairs that are gone
  // stay in it; a pair's rank tells them.
  std::priority_queue<uint64_t, std::vector<uint64_t>, std::greater<>> queue;
  const auto push = [&](int32_t at) {
    if (at < 0 || next[at] == count) return;
    const int32_t rank = RankOf((*symbols)[at], (*symbols)[next[at]]);
    if (rank != kNoRank) queue.push(PairOf(rank, at));
  };
  for (int32_t i = 0; i < count; ++i) {
    previous[i] = i - 1;
    next[i] = i + 1;
  }
  for (int32_t i = 0; i < count; ++i) push(i);
  constexpr TokenId kGone = -1;
  while (!queue.empty()) {
    const auto rank = static_cast<int32_t>(queue.top() >> 32);
    const auto at = static_cast<int32_t>(queue.top() & 0xFFFFFFFF);
    queue.pop();
    if ((*symbols)[at] == kGone || next[at] == count) continue;
    const PairEntry* entry = Find((*symbols)[at], (*symbols)[next[at]]);
    if (entry == nullptr || entry->rank != rank) continue;
    (*symbols)[at] = entry->merged;
    (*symbols)[next[at]] = kGone;
    next[at] = next[next[at]];
    if (next[at] != count) previous[next[at]] = at;
    push(previous[at]);
    push(at);
  }
  std::erase(*symbols, kGone);
}

void BytePairEncoder::EncodeWord(std::string_view word, std::vector<TokenId>* out) const {
  if (!whole_words_.empty()) {
    const auto found = whole_words_.find(absl::string_view(word.data(), word.size()));
    if (found != whole_words_.end()) {
      out->push_back(found->second);
      return;
    }
  }
  if (word.size() <= kFewBytes) {
    const size_t begin = out->size();
    AppendBytes(word, out);
    const int count = MergeFew(out->data() + begin, static_cast<int>(out->size() - begin));
    out->resize(begin + count);
    return;
  }
  std::vector<TokenId> symbols;
  symbols.reserve(word.size());
  AppendBytes(word, &symbols);
  MergeMany(&symbols);
  out->insert(out->end(), symbols.begin(), symbols.end());
}

BytePairEncoder::Session::Session(const BytePairEncoder* encoder) : encoder_(encoder) {
  {
    absl::MutexLock lock(&encoder_->mutex_);
    if (!encoder_->idle_caches_.empty()) {
      cache_ = std::move(encoder_->idle_caches_.back());
      encoder_->idle_caches_.pop_back();
    }
  }
  if (cache_ == nullptr) cache_ = std::make_unique<WordCache>();
}

BytePairEncoder::Session::~Session() {
  absl::MutexLock lock(&encoder_->mutex_);
  encoder_->idle_caches_.push_back(std::move(cache_));
}

void BytePairEncoder::Session::Encode(std::string_view word, std::vector<TokenId>* out) {
  if (word.empty()) return;
  if (word.size() > WordCache::kMaxWordBytes) {
    encoder_->EncodeWord(word, out);
    return;
  }
  if (cache_->Lookup(word, out)) return;
  const size_t begin = out->size();
  encoder_->EncodeWord(word, out);
  cache_->Remember(word, out->data() + begin, out->size() - begin);
}

}  // namespace tpo
