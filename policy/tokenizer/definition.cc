#include "policy/tokenizer/definition.h"

#include <algorithm>
#include <utility>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/str_cat.h"
#include "core/status_macros.h"
#include "nlohmann/json.hpp"
#include "policy/strict_json.h"
#include "policy/tokenizer/byte_level.h"

namespace tpo {
namespace {

using Json = nlohmann::json;

constexpr int kMaxSequenceDepth = 4;

absl::Status Broken(const std::string& reason) {
  return absl::InvalidArgumentError(absl::StrCat("not a valid tokenizer.json: ", reason));
}

absl::Status Unsupported(const std::string& what) {
  return absl::UnimplementedError(absl::StrCat("unsupported in tokenizer.json: ", what));
}

// Null where there is no such key.
const Json& At(const Json& object, const char* key) {
  static const Json& none = *new Json;
  if (!object.is_object()) return none;
  const auto found = object.find(key);
  return found == object.end() ? none : *found;
}

// "" where it is no string.
std::string Text(const Json& value) {
  return value.is_string() ? value.get_ref<const std::string&>() : std::string();
}

bool IsTrue(const Json& value) { return value.is_boolean() && value.get<bool>(); }

// A value in a message, cut to a readable length.
std::string Shown(const Json& value) {
  std::string text = value.dump(-1, ' ', true, Json::error_handler_t::replace);
  if (text.size() > 100) text = text.substr(0, 100) + "...";
  return text;
}

absl::StatusOr<Json> ParseJson(std::string_view text) {
  absl::StatusOr<Json> parsed = ParseStrictJson<Json>(text);
  if (!parsed.ok()) return Broken(std::string(parsed.status().message()));
  if (!parsed->is_object()) return Broken("it isn't a JSON object");
  return parsed;
}

absl::StatusOr<TokenId> ParseId(const Json& value, const std::string& of_what) {
  if (!value.is_number_unsigned() || value.get<uint64_t>() >= uint64_t{kMaxTokenId}) {
    return Broken(absl::StrCat(of_what, " has the id ", Shown(value),
                               "; ids are integers from 0 to ", kMaxTokenId - 1));
  }
  return value.get<TokenId>();
}

// Reads the sections of the file, one after another, into a definition.
class Reader {
 public:
  explicit Reader(const Json& root) : root_(root) {}

  absl::StatusOr<TokenizerDefinition> Read() {
    const Json& version = At(root_, "version");
    if (!version.is_null() && version != "1.0") {
      return Unsupported(absl::StrCat("version ", Shown(version)));
    }
    for (const char* key : {"truncation", "padding"}) {
      if (!At(root_, key).is_null()) {
        return Unsupported(absl::StrCat(key, "; set it to null, tokens are never cut or padded"));
      }
    }
    TPO_RETURN_IF_ERROR(ReadNormalizer(At(root_, "normalizer"), 0));
    TPO_RETURN_IF_ERROR(ReadPreTokenizer(At(root_, "pre_tokenizer"), 0));
    if (!saw_byte_level_) return Unsupported("a pre_tokenizer without ByteLevel");
    TPO_RETURN_IF_ERROR(ReadModel(At(root_, "model")));
    TPO_RETURN_IF_ERROR(ReadAddedTokens(At(root_, "added_tokens")));
    TPO_RETURN_IF_ERROR(ReadPostProcessor(At(root_, "post_processor"), 0));
    TPO_RETURN_IF_ERROR(ReadDecoder(At(root_, "decoder")));
    return std::move(definition_);
  }

 private:
  // Calls `read` for each member of a Sequence.
  template <typename Read>
  absl::Status ForEachMember(const Json& sequence, const char* key, int depth, const Read& read) {
    const Json& members = At(sequence, key);
    if (!members.is_array()) return Broken(absl::StrCat("a Sequence without ", key));
    if (depth == kMaxSequenceDepth) return Unsupported("Sequences nested that deeply");
    for (const Json& member : members) TPO_RETURN_IF_ERROR(read(member));
    return absl::OkStatus();
  }

  absl::Status ReadNormalizer(const Json& normalizer, int depth) {
    const std::string type = Text(At(normalizer, "type"));
    if (normalizer.is_null()) return absl::OkStatus();
    if (type == "NFC") {
      definition_.nfc = true;
      return absl::OkStatus();
    }
    if (type == "Sequence") {
      return ForEachMember(normalizer, "normalizers", depth,
                           [&](const Json& member) { return ReadNormalizer(member, depth + 1); });
    }
    return Unsupported(absl::StrCat("normalizer ", Shown(normalizer)));
  }

  absl::Status ReadPreTokenizer(const Json& step, int depth) {
    const std::string type = Text(At(step, "type"));
    if (type == "Sequence") {
      return ForEachMember(step, "pretokenizers", depth,
                           [&](const Json& member) { return ReadPreTokenizer(member, depth + 1); });
    }
    if (saw_byte_level_) return Unsupported("a pre_tokenizer after ByteLevel");
    if (type == "ByteLevel") return ReadByteLevel(step);
    if (type == "Split") return ReadSplit(step);
    if (type == "Digits") {
      definition_.steps.push_back(IsTrue(At(step, "individual_digits"))
                                      ? PreTokenizerStep::kEachDigit
                                      : PreTokenizerStep::kDigitRuns);
      return absl::OkStatus();
    }
    return Unsupported(absl::StrCat("pre_tokenizer ", Shown(step)));
  }

  absl::Status ReadByteLevel(const Json& step) {
    // Absent means true for both.
    const auto says_no = [&](const char* key) {
      const Json& value = At(step, key);
      return value.is_boolean() && !value.get<bool>();
    };
    if (!says_no("add_prefix_space")) return Unsupported("ByteLevel with add_prefix_space");
    if (!says_no("use_regex")) definition_.steps.push_back(PreTokenizerStep::kGpt2);
    saw_byte_level_ = true;
    return absl::OkStatus();
  }

  absl::Status ReadSplit(const Json& step) {
    const Json& pattern = At(At(step, "pattern"), "Regex");
    if (!pattern.is_string() || At(step, "behavior") != "Isolated" || IsTrue(At(step, "invert"))) {
      return Unsupported(absl::StrCat("pre_tokenizer ", Shown(step),
                                      "; a Split has a known Regex, behavior Isolated and doesn't "
                                      "invert"));
    }
    const auto known = StepOfPattern(pattern.get_ref<const std::string&>());
    if (!known.has_value()) {
      return Unsupported(absl::StrCat("the Split pattern ", Shown(pattern),
                                      "; known are those of GPT-2, Llama-3 and Qwen2"));
    }
    definition_.steps.push_back(*known);
    return absl::OkStatus();
  }

  absl::Status ReadModel(const Json& model) {
    const Json& type = At(model, "type");
    if (!type.is_null() && type != "BPE") return Unsupported(absl::StrCat("model ", Shown(type)));
    const Json& dropout = At(model, "dropout");
    if (!dropout.is_null() && dropout != 0.0) return Unsupported("BPE with dropout");
    for (const char* key : {"continuing_subword_prefix", "end_of_word_suffix"}) {
      if (!At(model, key).is_null() && At(model, key) != "") {
        return Unsupported(absl::StrCat("BPE with ", key));
      }
    }
    if (IsTrue(At(model, "byte_fallback"))) return Unsupported("BPE with byte_fallback");
    TPO_RETURN_IF_ERROR(ReadVocabulary(At(model, "vocab")));
    TPO_RETURN_IF_ERROR(ReadMerges(At(model, "merges")));
    for (int byte = 0; byte < 256; ++byte) {
      const auto found =
          definition_.vocabulary.find(ToByteLevel(std::string(1, static_cast<char>(byte))));
      definition_.model.byte_tokens[byte] =
          found == definition_.vocabulary.end() ? -1 : found->second;
    }
    definition_.model.fuse_unknown = IsTrue(At(model, "fuse_unk"));
    if (!At(model, "unk_token").is_null()) {
      TPO_ASSIGN_OR_RETURN(definition_.model.unknown_token,
                           IdOf(Text(At(model, "unk_token")), "unk_token"));
    }
    if (IsTrue(At(model, "ignore_merges"))) AddWholeWords();
    return absl::OkStatus();
  }

  absl::Status ReadVocabulary(const Json& vocabulary) {
    if (!vocabulary.is_object() || vocabulary.empty()) return Broken("model.vocab isn't an object");
    for (const auto& [token, id] : vocabulary.items()) {
      TPO_ASSIGN_OR_RETURN(const TokenId its_id, ParseId(id, absl::StrCat("token '", token, "'")));
      if (!used_ids_.insert(its_id).second) {
        return Broken(absl::StrCat("token '", token, "' has the id ", its_id, " of another token"));
      }
      definition_.vocabulary.emplace(token, its_id);
    }
    return absl::OkStatus();
  }

  absl::StatusOr<TokenId> IdOf(const std::string& token, const std::string& of_what) const {
    const auto found = definition_.vocabulary.find(token);
    if (found != definition_.vocabulary.end()) return found->second;
    return Broken(absl::StrCat(of_what, ": '", token, "' isn't in model.vocab"));
  }

  absl::Status ReadMerges(const Json& merges) {
    if (!merges.is_array()) return Broken("model.merges isn't a list");
    // Older files write a merge as "left right", where one may begin with a comment.
    for (const Json& merge : merges) {
      std::string left, right;
      if (merge.is_string()) {
        const auto& line = merge.get_ref<const std::string&>();
        if (line.starts_with("#version")) continue;
        const size_t space = line.find(' ');
        left = line.substr(0, space);
        if (space != std::string::npos) right = line.substr(space + 1);
      } else if (merge.is_array() && merge.size() == 2) {
        left = Text(merge[0]);
        right = Text(merge[1]);
      }
      if (left.empty() || right.empty() ||
          (merge.is_string() && right.find(' ') != std::string::npos)) {
        return Broken(absl::StrCat("merge ", Shown(merge), " isn't a pair of tokens"));
      }
      BytePairMerge parsed;
      const std::string where =
          absl::StrCat("merge ", definition_.model.merges.size() + 1, " (", Shown(merge), ")");
      TPO_ASSIGN_OR_RETURN(parsed.left, IdOf(left, where));
      TPO_ASSIGN_OR_RETURN(parsed.right, IdOf(right, where));
      TPO_ASSIGN_OR_RETURN(parsed.merged, IdOf(left + right, where));
      definition_.model.merges.push_back(parsed);
    }
    return absl::OkStatus();
  }

  void AddWholeWords() {
    for (const auto& [token, id] : definition_.vocabulary) {
      if (auto bytes = FromByteLevel(token); bytes.has_value()) {
        definition_.model.whole_words.emplace(*std::move(bytes), id);
      }
    }
  }

  absl::Status ReadAddedTokens(const Json& tokens) {
    if (tokens.is_null()) return absl::OkStatus();
    if (!tokens.is_array()) return Broken("added_tokens isn't a list");
    absl::flat_hash_set<std::string> contents;
    // The ids that tokens get which aren't in the vocabulary.
    auto next_id = static_cast<TokenId>(definition_.vocabulary.size());
    for (const Json& token : tokens) {
      AddedToken added;
      added.content = Text(At(token, "content"));
      if (added.content.empty() || added.content.size() > kMaxAddedTokenBytes) {
        return Broken(absl::StrCat("added token ", Shown(token), ": its content has to have 1 to ",
                                   kMaxAddedTokenBytes, " bytes"));
      }
      const std::string name = absl::StrCat("added token '", added.content, "'");
      if (!contents.insert(added.content).second) return Broken(name + " occurs twice");
      TPO_ASSIGN_OR_RETURN(added.id, ParseId(At(token, "id"), name));
      const auto known = definition_.vocabulary.find(added.content);
      const TokenId expected = known != definition_.vocabulary.end() ? known->second : next_id++;
      if (added.id != expected) {
        return Broken(
            absl::StrCat(name, " has the id ", added.id, " where it would get ", expected));
      }
      if (known == definition_.vocabulary.end() && !used_ids_.insert(added.id).second) {
        return Broken(absl::StrCat(name, " has the id ", added.id, " of another token"));
      }
      added.single_word = IsTrue(At(token, "single_word"));
      added.lstrip = IsTrue(At(token, "lstrip"));
      added.rstrip = IsTrue(At(token, "rstrip"));
      added.special = IsTrue(At(token, "special"));
      added.normalized = IsTrue(At(token, "normalized"));
      definition_.added_tokens.push_back(std::move(added));
    }
    return absl::OkStatus();
  }

  absl::Status ReadPostProcessor(const Json& processor, int depth) {
    const std::string type = Text(At(processor, "type"));
    // ByteLevel's only moves offsets.
    if (processor.is_null() || type == "ByteLevel") return absl::OkStatus();
    if (type == "Sequence") {
      return ForEachMember(processor, "processors", depth, [&](const Json& member) {
        return ReadPostProcessor(member, depth + 1);
      });
    }
    if (type != "TemplateProcessing" || saw_template_) {
      return Unsupported(absl::StrCat("post_processor ", Shown(processor)));
    }
    saw_template_ = true;
    return ReadTemplate(processor);
  }

  absl::Status ReadTemplate(const Json& processor) {
    const Json& pieces = At(processor, "single");
    if (!pieces.is_array()) return Broken("TemplateProcessing without single");
    bool saw_text = false;
    for (const Json& piece : pieces) {
      if (At(At(piece, "Sequence"), "id") == "A" && !saw_text) {
        saw_text = true;
        continue;
      }
      const Json& id = At(At(piece, "SpecialToken"), "id");
      const Json& ids = At(At(At(processor, "special_tokens"), Text(id).c_str()), "ids");
      if (!id.is_string() || !ids.is_array()) {
        return Unsupported(absl::StrCat("TemplateProcessing with ", Shown(piece)));
      }
      for (const Json& value : ids) {
        TPO_ASSIGN_OR_RETURN(const TokenId token, ParseId(value, "special token " + Text(id)));
        if (!used_ids_.contains(token)) {
          return Broken(absl::StrCat("special token ", Text(id), " has the unknown id ", token));
        }
        (saw_text ? definition_.after : definition_.before).push_back(token);
      }
    }
    return saw_text ? absl::OkStatus() : Unsupported("TemplateProcessing without Sequence A");
  }

  static absl::Status ReadDecoder(const Json& decoder) {
    if (At(decoder, "type") == "ByteLevel") return absl::OkStatus();
    return Unsupported(absl::StrCat("decoder ", Shown(decoder)));
  }

  const Json& root_;
  TokenizerDefinition definition_;
  absl::flat_hash_set<TokenId> used_ids_;
  bool saw_byte_level_ = false;
  bool saw_template_ = false;
};

}  // namespace

absl::StatusOr<TokenizerDefinition> ParseTokenizerDefinition(std::string_view json) {
  if (json.size() > kMaxTokenizerJsonBytes) {
    return Broken(absl::StrCat("it has ", json.size(), " bytes, more than the ",
                               kMaxTokenizerJsonBytes, " that are read"));
  }
  TPO_ASSIGN_OR_RETURN(const Json root, ParseJson(json));
  return Reader(root).Read();
}

}  // namespace tpo
