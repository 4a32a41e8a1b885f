#include "policy/tokenizer/tokenizer.h"

#include <algorithm>
#include <utility>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/str_cat.h"
#include "core/status_macros.h"
#include "policy/tokenizer/byte_level.h"
#include "policy/tokenizer/unicode.h"

namespace tpo {
namespace {

// Finds two tokens that would be looked for as the same text.
absl::Status CheckDistinct(const std::vector<AddedToken>& tokens) {
  absl::flat_hash_set<std::string> contents;
  for (const AddedToken& token : tokens) {
    if (!contents.insert(token.content).second) {
      return absl::InvalidArgumentError(absl::StrCat(
          "not a valid tokenizer.json: two added tokens normalize to '", token.content, "'"));
    }
  }
  return absl::OkStatus();
}

std::string BytesOfContent(const std::string& content) {
  std::optional<std::string> bytes = FromByteLevel(content);
  return bytes.has_value() ? *std::move(bytes) : content;
}

}  // namespace

absl::StatusOr<std::unique_ptr<const Tokenizer>> Tokenizer::Parse(std::string_view json) {
  TPO_ASSIGN_OR_RETURN(TokenizerDefinition definition, ParseTokenizerDefinition(json));
  std::vector<AddedToken> in_raw_text, in_normalized_text;
  for (const AddedToken& token : definition.added_tokens) {
    if (!token.normalized) {
      in_raw_text.push_back(token);
      continue;
    }
    in_normalized_text.push_back(token);
    if (definition.nfc) in_normalized_text.back().content = unicode::ToNfc(token.content);
  }
  TPO_RETURN_IF_ERROR(CheckDistinct(in_normalized_text));
  return std::unique_ptr<const Tokenizer>(
      new Tokenizer(std::move(definition), std::move(in_raw_text), std::move(in_normalized_text)));
}

absl::StatusOr<std::unique_ptr<const Tokenizer>> Tokenizer::Load(FileSystem* file_system,
                                                                 const std::string& path) {
  TPO_ASSIGN_OR_RETURN(const std::string json, file_system->ReadFile(path));
  auto tokenizer = Parse(json);
  if (!tokenizer.ok()) {
    return absl::Status(tokenizer.status().code(),
                        absl::StrCat(path, ": ", tokenizer.status().message()));
  }
  return tokenizer;
}

Tokenizer::Tokenizer(TokenizerDefinition definition, std::vector<AddedToken> in_raw_text,
                     std::vector<AddedToken> in_normalized_text)
    : nfc_(definition.nfc),
      steps_(std::move(definition.steps)),
      before_(std::move(definition.before)),
      after_(std::move(definition.after)),
      in_raw_text_(std::move(in_raw_text)),
      in_normalized_text_(std::move(in_normalized_text)),
      encoder_(std::move(definition.model)),
      ids_(std::move(definition.vocabulary)) {
  absl::flat_hash_set<std::string> special;
  for (const AddedToken& added : definition.added_tokens) {
    ids_[added.content] = added.id;
    if (added.special) special.insert(added.content);
  }
  for (const auto& [content, id] : ids_) {
    if (static_cast<size_t>(id) >= tokens_.size()) tokens_.resize(id + 1);
    tokens_[id] = {content, BytesOfContent(content), true, special.contains(content)};
  }
  // A token that is looked for in its normalized form decodes to that, and is special only if that
  // is.
  for (const AddedToken& added : definition.added_tokens) {
    if (!added.normalized || !nfc_) continue;
    const std::string normalized = unicode::ToNfc(added.content);
    tokens_[added.id].bytes = BytesOfContent(normalized);
    tokens_[added.id].special = special.contains(normalized);
  }
}

void Tokenizer::EncodeNormalized(std::string_view text, BytePairEncoder::Session* session,
                                 std::vector<TokenId>* out) const {
  in_normalized_text_.ForEachPiece(text, [&](const AddedTokenPiece& piece) {
    if (piece.token >= 0) {
      out->push_back(piece.token);
      return;
    }
    ForEachWord(steps_, piece.text, [&](std::string_view word) { session->Encode(word, out); });
  });
}

std::vector<TokenId> Tokenizer::Encode(std::string_view text, EncodeOptions options) const {
  std::string repaired;
  if (unicode::ValidPrefix(text) != text.size()) {
    repaired = unicode::ReplaceMalformed(text);
    text = repaired;
  }
  BytePairEncoder::Session session(&encoder_);
  std::vector<TokenId> tokens;
  tokens.reserve(text.size() / 3 + 8);
  if (options.add_special_tokens) tokens.insert(tokens.end(), before_.begin(), before_.end());
  in_raw_text_.ForEachPiece(text, [&](const AddedTokenPiece& piece) {
    if (piece.token >= 0) {
      tokens.push_back(piece.token);
    } else if (nfc_ && !unicode::IsSurelyNfc(piece.text)) {
      EncodeNormalized(unicode::ToNfc(piece.text), &session, &tokens);
    } else {
      EncodeNormalized(piece.text, &session, &tokens);
    }
  });
  if (options.add_special_tokens) tokens.insert(tokens.end(), after_.begin(), after_.end());
  return tokens;
}

const Tokenizer::Token* Tokenizer::Find(TokenId token) const {
  if (token < 0 || token >= size() || !tokens_[token].exists) return nullptr;
  return &tokens_[token];
}

std::string Tokenizer::Decode(absl::Span<const TokenId> tokens, DecodeOptions options) const {
  std::string bytes;
  for (const TokenId token : tokens) {
    const Token* found = Find(token);
    if (found == nullptr || (options.skip_special_tokens && found->special)) continue;
    bytes += found->bytes;
  }
  if (unicode::ValidPrefix(bytes) == bytes.size()) return bytes;
  return unicode::ReplaceMalformed(bytes);
}

std::string_view Tokenizer::BytesOf(TokenId token) const {
  const Token* found = Find(token);
  return found == nullptr ? std::string_view() : found->bytes;
}

std::optional<TokenId> Tokenizer::IdOf(std::string_view content) const {
  const auto found = ids_.find(absl::string_view(content.data(), content.size()));
  if (found == ids_.end()) return std::nullopt;
  return found->second;
}

std::optional<std::string_view> Tokenizer::ContentOf(TokenId token) const {
  const Token* found = Find(token);
  if (found == nullptr) return std::nullopt;
  return found->content;
}

bool Tokenizer::IsSpecial(TokenId token) const {
  const Token* found = Find(token);
  return found != nullptr && found->special;
}

StreamDecoder::StreamDecoder(const Tokenizer* tokenizer, DecodeOptions options)
    : tokenizer_(tokenizer), options_(options) {}

std::string StreamDecoder::Append(TokenId token) {
  if (options_.skip_special_tokens && tokenizer_->IsSpecial(token)) return "";
  held_back_ += tokenizer_->BytesOf(token);
  std::string_view rest = held_back_;
  std::string complete;
  while (true) {
    const size_t valid = unicode::ValidPrefix(rest);
    complete += rest.substr(0, valid);
    rest.remove_prefix(valid);
    if (rest.empty()) break;
    bool truncated = false;
    const size_t malformed = unicode::MalformedPrefix(rest, &truncated);
    if (truncated) break;
    unicode::AppendUtf8(0xFFFD, &complete);
    rest.remove_prefix(malformed);
  }
  held_back_ = std::string(rest);
  return complete;
}

std::string StreamDecoder::Finish() {
  std::string rest = unicode::ReplaceMalformed(held_back_);
  held_back_.clear();
  return rest;
}

}  // namespace tpo
