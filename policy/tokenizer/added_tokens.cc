#include "policy/tokenizer/added_tokens.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "policy/tokenizer/unicode.h"

namespace tpo {
namespace {

unsigned char ByteOf(const std::string& content, size_t i) {
  return static_cast<unsigned char>(content[i]);
}

// The code point that ends at `end`. REQUIRES: valid UTF-8, 0 < end.
uint32_t CodePointBefore(std::string_view text, size_t end, size_t* begin) {
  *begin = end - 1;
  while ((static_cast<unsigned char>(text[*begin]) & 0xC0) == 0x80) --*begin;
  size_t position = *begin;
  return unicode::NextCodePoint(text, &position);
}

bool Has(uint32_t code_point, unicode::Property property) {
  return (unicode::PropertyTable::Get()[code_point] & property) != 0;
}

bool WordBefore(std::string_view text, size_t end) {
  size_t begin = 0;
  return end > 0 && Has(CodePointBefore(text, end, &begin), unicode::kWord);
}

bool WordAfter(std::string_view text, size_t begin) {
  return begin < text.size() && Has(unicode::NextCodePoint(text, &begin), unicode::kWord);
}

// Looks no further back than `limit`.
size_t BeforeSpaces(std::string_view text, size_t limit, size_t end) {
  size_t begin = 0;
  while (end > limit && Has(CodePointBefore(text, end, &begin), unicode::kSpace)) end = begin;
  return end;
}

size_t AfterSpaces(std::string_view text, size_t begin) {
  for (size_t next = begin; begin < text.size(); begin = next) {
    if (!Has(unicode::NextCodePoint(text, &next), unicode::kSpace)) break;
  }
  return begin;
}

}  // namespace

AddedTokenFinder::AddedTokenFinder(std::vector<AddedToken> tokens) : tokens_(std::move(tokens)) {
  std::sort(tokens_.begin(), tokens_.end(),
            [](const AddedToken& a, const AddedToken& b) { return a.content < b.content; });
  for (const AddedToken& token : tokens_) is_first_byte_[ByteOf(token.content, 0)] = true;
  if (std::count(std::begin(is_first_byte_), std::end(is_first_byte_), true) == 1) {
    only_first_byte_ = ByteOf(tokens_.front().content, 0);
  }
}

const AddedToken* AddedTokenFinder::LongestAt(std::string_view text) const {
  // The tokens that begin as the text does are neighbors; each further byte leaves fewer.
  auto first = tokens_.begin();
  auto last = tokens_.end();
  const AddedToken* longest = nullptr;
  for (size_t depth = 0; first != last; ++depth) {
    if (first->content.size() == depth) {
      longest = &*first;
      if (++first == last) break;
    }
    if (depth == text.size()) break;
    const auto byte = static_cast<unsigned char>(text[depth]);
    first = std::partition_point(
        first, last, [&](const AddedToken& token) { return ByteOf(token.content, depth) < byte; });
    last = std::partition_point(
        first, last, [&](const AddedToken& token) { return ByteOf(token.content, depth) == byte; });
  }
  return longest;
}

AddedTokenFinder::Match AddedTokenFinder::FindNext(std::string_view text, size_t from) const {
  for (size_t begin = from; begin < text.size(); ++begin) {
    if (only_first_byte_ >= 0) {
      const void* found = std::memchr(text.data() + begin, only_first_byte_, text.size() - begin);
      if (found == nullptr) break;
      begin = static_cast<size_t>(static_cast<const char*>(found) - text.data());
    } else if (!is_first_byte_[static_cast<unsigned char>(text[begin])]) {
      continue;
    }
    if (const AddedToken* token = LongestAt(text.substr(begin)); token != nullptr) {
      return {token, begin, begin + token->content.size()};
    }
  }
  return {};
}

bool AddedTokenFinder::Widen(std::string_view text, const AddedToken& token, size_t done,
                             size_t* begin, size_t* end) {
  if (token.single_word && (WordBefore(text, *begin) || WordAfter(text, *end))) return false;
  if (token.lstrip) *begin = std::max(BeforeSpaces(text, done, *begin), done);
  if (token.rstrip) *end = AfterSpaces(text, *end);
  return true;
}

}  // namespace tpo
