#include "services/config/yaml_tree.h"

#include <sstream>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "core/utf8.h"
#include "yaml-cpp/eventhandler.h"
#include "yaml-cpp/exceptions.h"
#include "yaml-cpp/parser.h"

namespace tpo {
namespace {

constexpr size_t kMaxBytes = 1 << 20;

// Ends yaml-cpp's parse from within a handler; never leaves this file.
struct Refusal {
  std::string message;
};

// Builds the tree from yaml-cpp's events. yaml-cpp's own node type loses duplicates and expands
// aliases.
class TreeBuilder : public YAML::EventHandler {
 public:
  explicit TreeBuilder(const YamlPlace& place) : place_(place) {}

  bool has_document() const { return documents_ > 0; }
  YamlNode TakeRoot() { return std::move(root_); }

  void OnDocumentStart(const YAML::Mark& mark) override {
    if (++documents_ > 1) Refuse(mark, "a second document begins; a config file is one document");
  }
  void OnDocumentEnd() override {}

  void OnAnchor(const YAML::Mark& mark, const std::string& name) override {
    Refuse(mark, absl::StrCat("anchor &", name,
                              ": anchors and aliases are not allowed; write the value out"));
  }
  void OnAlias(const YAML::Mark& mark, YAML::anchor_t) override {
    Refuse(mark, "anchors and aliases are not allowed; write the value out");
  }

  void OnNull(const YAML::Mark& mark, YAML::anchor_t) override {
    if (AtKey()) Refuse(mark, "a key is missing");
    Add(NodeAt(mark, YamlNode::Kind::kNull));
  }

  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t,
                const std::string& value) override {
    RefuseTag(mark, tag);
    if (AtKey()) {
      StartEntry(mark, value);
      return;
    }
    YamlNode node = NodeAt(mark, YamlNode::Kind::kScalar);
    node.scalar = value;
    node.quoted = tag == "!";
    Add(std::move(node));
  }

  void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t,
                       YAML::EmitterStyle::value) override {
    RefuseTag(mark, tag);
    if (AtKey()) Refuse(mark, "a key must be a plain name, not a list; is a bracket left open?");
    Open(NodeAt(mark, YamlNode::Kind::kSequence));
  }
  void OnSequenceEnd() override { CloseInnermost(); }

  void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t,
                  YAML::EmitterStyle::value) override {
    RefuseTag(mark, tag);
    if (AtKey()) Refuse(mark, "a key must be a plain name, not a mapping; is a brace left open?");
    Open(NodeAt(mark, YamlNode::Kind::kMapping));
  }
  void OnMapEnd() override { CloseInnermost(); }

 private:
  // A collection whose end is still to come. `entry_open`: in a mapping, a key waits for its value.
  struct OpenNode {
    YamlNode node;
    bool entry_open = false;
  };

  [[noreturn]] void Refuse(const YAML::Mark& mark, const std::string& why) const {
    throw Refusal{absl::StrCat(place_(mark.line + 1), ": ", why)};
  }

  void RefuseTag(const YAML::Mark& mark, const std::string& tag) const {
    if (tag != "?" && tag != "!" && !tag.empty()) {
      Refuse(mark, absl::StrCat("tag ", tag, ": tags are not allowed"));
    }
  }

  YamlNode NodeAt(const YAML::Mark& mark, YamlNode::Kind kind) const {
    YamlNode node;
    node.kind = kind;
    node.where = place_(mark.line + 1);
    return node;
  }

  bool AtKey() const {
    return !stack_.empty() && stack_.back().node.kind == YamlNode::Kind::kMapping &&
           !stack_.back().entry_open;
  }

  void StartEntry(const YAML::Mark& mark, const std::string& key) {
    YamlNode& mapping = stack_.back().node;
    if (const YamlNode* earlier = mapping.Find(key)) {
      Refuse(mark, absl::StrCat("key ", key, " is given twice; first at ", earlier->where));
    }
    YamlEntry entry;
    entry.key = key;
    entry.value.where = place_(mark.line + 1);
    mapping.entries.push_back(std::move(entry));
    stack_.back().entry_open = true;
  }

  void Open(YamlNode node) { stack_.push_back({std::move(node)}); }

  void CloseInnermost() {
    YamlNode node = std::move(stack_.back().node);
    stack_.pop_back();
    Add(std::move(node));
  }

  void Add(YamlNode node) {
    if (stack_.empty()) {
      root_ = std::move(node);
    } else if (stack_.back().node.kind == YamlNode::Kind::kSequence) {
      stack_.back().node.items.push_back(std::move(node));
    } else {
      YamlNode& value = stack_.back().node.entries.back().value;
      node.where = value.where;
      value = std::move(node);
      stack_.back().entry_open = false;
    }
  }

  const YamlPlace& place_;
  int documents_ = 0;
  std::vector<OpenNode> stack_;
  YamlNode root_;
};

// yaml-cpp takes some control characters for the end of the file and skips others. Bytes that
// aren't UTF-8 it passes on, but writes them as U+FFFD: the run's config.yaml would be another
// config, and no message could carry them.
absl::Status CheckCharacters(const std::string& text, const YamlPlace& place) {
  int line = 1;
  size_t length = 0;
  for (size_t i = 0; i < text.size(); i += length) {
    const char c = text[i];
    const auto byte = static_cast<unsigned char>(c);
    length = Utf8SequenceLength(text, i);
    if (length == 0) {
      return absl::InvalidArgumentError(
          absl::StrCat(place(line), ": byte 0x", absl::Hex(byte, absl::kZeroPad2),
                       " isn't UTF-8; is this a text file in UTF-8?"));
    }
    if (c == '\n') ++line;
    if ((byte < 0x20 && c != '\n' && c != '\r' && c != '\t') || byte == 0x7f) {
      return absl::InvalidArgumentError(absl::StrCat(place(line), ": control character ",
                                                     static_cast<int>(byte),
                                                     "; is this a text file in UTF-8?"));
    }
  }
  return absl::OkStatus();
}

}  // namespace

YamlNode* YamlNode::Find(const std::string& key) {
  for (YamlEntry& entry : entries) {
    if (entry.key == key) return &entry.value;
  }
  return nullptr;
}

absl::StatusOr<YamlNode> ParseYaml(const std::string& text, const YamlPlace& place) {
  if (text.size() > kMaxBytes) {
    return absl::InvalidArgumentError(
        absl::StrCat(place(1), ": is larger than 1 MiB, which no config is"));
  }
  if (absl::Status status = CheckCharacters(text, place); !status.ok()) return status;
  try {
    std::istringstream stream(text);
    YAML::Parser parser(stream);
    TreeBuilder builder(place);
    while (parser.HandleNextDocument(builder)) {
    }
    if (!builder.has_document()) {
      return absl::InvalidArgumentError(absl::StrCat(place(1), ": is empty"));
    }
    return builder.TakeRoot();
  } catch (const Refusal& refusal) {
    return absl::InvalidArgumentError(refusal.message);
  } catch (const YAML::Exception& exception) {
    return absl::InvalidArgumentError(
        absl::StrCat(place(exception.mark.line + 1), ": not valid YAML: ", exception.msg));
  } catch (const std::exception& exception) {
    return absl::InvalidArgumentError(
        absl::StrCat(place(1), ": not valid YAML: ", exception.what()));
  }
}

}  // namespace tpo
