// Byte-pair encoding of single words: starts from bytes and always merges the adjacent pair of the
// lowest rank, the leftmost first.
//
// Thread-safe. Encoded words are remembered in caches of fixed size, one for each thread that
// encodes at the same time.
#ifndef TPO_POLICY_TOKENIZER_BYTE_PAIR_ENCODER_H_
#define TPO_POLICY_TOKENIZER_BYTE_PAIR_ENCODER_H_

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/synchronization/mutex.h"
#include "core/types.h"

namespace tpo {

struct BytePairMerge {
  TokenId left = 0;
  TokenId right = 0;
  TokenId merged = 0;
};

struct BytePairModel {
  // Token of each byte; -1 where the vocabulary has none, and the byte is `unknown_token`.
  std::array<TokenId, 256> byte_tokens;
  // By rank. Of equal pairs the last counts.
  std::vector<BytePairMerge> merges;
  // Stands for a byte without a token; -1: such bytes are left out.
  TokenId unknown_token = -1;
  // Do neighboring bytes without a token become a single unknown_token?
  bool fuse_unknown = false;
  // Words that become one token whatever the merges say; their bytes.
  absl::flat_hash_map<std::string, TokenId> whole_words;
};

class BytePairEncoder {
 public:
  explicit BytePairEncoder(BytePairModel model);
  ~BytePairEncoder();
  BytePairEncoder(const BytePairEncoder&) = delete;
  BytePairEncoder& operator=(const BytePairEncoder&) = delete;

  class WordCache;

  // A cache to encode a text's words with; returns itself when it goes.
  class Session {
   public:
    explicit Session(const BytePairEncoder* encoder);
    ~Session();
    Session(const Session&) = delete;
    Session& operator=(const Session&) = delete;

    // Appends the tokens of a word. REQUIRES: the word has fewer than 2^31 bytes.
    void Encode(std::string_view word, std::vector<TokenId>* out);

   private:
    const BytePairEncoder* const encoder_;
    std::unique_ptr<WordCache> cache_;
  };

 private:
  struct PairEntry {
    uint64_t pair = kNoPair;
    int32_t rank = 0;
    TokenId merged = 0;
  };
  static constexpr uint64_t kNoPair = ~uint64_t{0};
  static constexpr int32_t kNoRank = INT32_MAX;
  struct Symbols;

  const PairEntry* Find(TokenId left, TokenId right) const;
  int32_t RankOf(TokenId left, TokenId right) const;
  void InsertPair(const BytePairMerge& merge, int32_t rank);
  void EncodeWord(std::string_view word, std::vector<TokenId>* out) const;
  void AppendBytes(std::string_view word, std::vector<TokenId>* out) const;
  int MergeFew(TokenId* symbols, int count) const;
  void MergeMany(std::vector<TokenId>* symbols) const;

  std::array<TokenId, 256> byte_tokens_;
  const TokenId unknown_token_;
  const bool fuse_unknown_;
  const absl::flat_hash_map<std::string, TokenId> whole_words_;
  std::vector<PairEntry> pairs_;  // open addressing; a power of two
  int pair_shift_ = 0;

  mutable absl::Mutex mutex_;
  mutable std::vector<std::unique_ptr<WordCache>> idle_caches_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace tpo

#endif  // TPO_POLICY_TOKENIZER_BYTE_PAIR_ENCODER_H_
