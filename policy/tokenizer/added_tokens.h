// Finds added and special tokens in text, before anything else looks at it.
#ifndef TPO_POLICY_TOKENIZER_ADDED_TOKENS_H_
#define TPO_POLICY_TOKENIZER_ADDED_TOKENS_H_

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "core/types.h"

namespace tpo {

// An entry of added_tokens in tokenizer.json.
struct AddedToken {
  TokenId id = 0;
  std::string content;
  // Is found only where no word character is beside it.
  bool single_word = false;
  // Takes white space before (after) it along.
  bool lstrip = false;
  bool rstrip = false;
  // Is looked for in normalized text, and its content is normalized for that.
  bool normalized = false;
  // May be left out when decoding.
  bool special = false;
};

// A stretch of text: an added token, or text between them.
struct AddedTokenPiece {
  std::string_view text;
  TokenId token = -1;  // -1: text
};

// Looks for a fixed set of tokens: at each place the longest, from left to right. Immutable, so
// thread-safe.
class AddedTokenFinder {
 public:
  // `tokens` with their `content` as it is to be looked for. REQUIRES: contents differ and aren't
  // empty.
  explicit AddedTokenFinder(std::vector<AddedToken> tokens);

  // Calls visit(piece) for all of `text`, in order. REQUIRES: `text` is valid UTF-8.
  template <typename Visitor>
  void ForEachPiece(std::string_view text, const Visitor& visit) const {
    if (tokens_.empty()) {
      if (!text.empty()) visit(AddedTokenPiece{text});
      return;
    }
    size_t done = 0;
    for (size_t from = 0; from < text.size();) {
      const Match match = FindNext(text, from);
      if (match.token == nullptr) break;
      from = match.end;
      size_t begin = match.begin, end = match.end;
      if (!Widen(text, *match.token, done, &begin, &end)) continue;
      if (done < begin) visit(AddedTokenPiece{text.substr(done, begin - done)});
      visit(AddedTokenPiece{text.substr(begin, end - begin), match.token->id});
      done = end;
    }
    if (done < text.size()) visit(AddedTokenPiece{text.substr(done)});
  }

 private:
  struct Match {
    const AddedToken* token = nullptr;  // null: there is none
    size_t begin = 0;
    size_t end = 0;
  };

  Match FindNext(std::string_view text, size_t from) const;
  const AddedToken* LongestAt(std::string_view text) const;
  // Applies single_word (false: no match after all), lstrip and rstrip.
  static bool Widen(std::string_view text, const AddedToken& token, size_t done, size_t* begin,
                    size_t* end);

  std::vector<AddedToken> tokens_;  // sorted by content
  bool is_first_byte_[256] = {};
  int only_first_byte_ = -1;  // where all tokens have the same
};

}  // namespace tpo

#endif  // TPO_POLICY_TOKENIZER_ADDED_TOKENS_H_
