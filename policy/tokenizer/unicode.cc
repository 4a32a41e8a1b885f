#include "policy/tokenizer/unicode.h"

#include <algorithm>
#include <cstring>
#include <map>

#include "absl/container/flat_hash_map.h"
#include "policy/tokenizer/unicode_tables.h"

namespace tpo::unicode {
namespace {

constexpr uint32_t kCodePoints = 0x110000;
constexpr uint32_t kReplacement = 0xFFFD;

// Hangul syllables are composed by arithmetic: The Unicode Standard, section 3.12.
constexpr uint32_t kSyllable = 0xAC00, kLead = 0x1100, kVowel = 0x1161, kTail = 0x11A7;
constexpr uint32_t kVowels = 21, kTails = 28, kLeads = 19;
constexpr uint32_t kSyllables = kLeads * kVowels * kTails;

unsigned char At(std::string_view text, size_t i) { return static_cast<unsigned char>(text[i]); }

uint8_t CombiningClass(uint32_t code_point) {
  const Run* end = kCombiningClassRuns + kCombiningClassRunCount;
  const Run* run =
      std::lower_bound(kCombiningClassRuns, end, code_point,
                       [](const Run& candidate, uint32_t value) { return candidate.last < value; });
  return run != end && run->first <= code_point ? run->value : 0;
}

void Decompose(uint32_t code_point, std::vector<uint32_t>* out) {
  if (code_point - kSyllable < kSyllables) {
    const uint32_t index = code_point - kSyllable;
    out->push_back(kLead + index / (kVowels * kTails));
    out->push_back(kVowel + index / kTails % kVowels);
    if (index % kTails != 0) out->push_back(kTail + index % kTails);
    return;
  }
  const Decomposition* end = kDecompositions + kDecompositionCount;
  const Decomposition* found = std::lower_bound(
      kDecompositions, end, code_point,
      [](const Decomposition& entry, uint32_t value) { return entry.code_point < value; });
  if (found == end || found->code_point != code_point) {
    out->push_back(code_point);
    return;
  }
  Decompose(found->first, out);
  if (found->second != 0) Decompose(found->second, out);
}

// The code point that the two compose to, or 0.
uint32_t Compose(uint32_t first, uint32_t second) {
  using Table = absl::flat_hash_map<uint64_t, uint32_t>;
  static const Table& table = *[] {
    auto* made = new Table;
    for (size_t i = 0; i < kDecompositionCount; ++i) {
      const Decomposition& entry = kDecompositions[i];
      if (entry.composed) (*made)[uint64_t{entry.first} << 32 | entry.second] = entry.code_point;
    }
    return made;
  }();
  if (first - kLead < kLeads && second - kVowel < kVowels) {
    return kSyllable + ((first - kLead) * kVowels + (second - kVowel)) * kTails;
  }
  if (first - kSyllable < kSyllables && (first - kSyllable) % kTails == 0 &&
      second - kTail - 1 < kTails - 1) {
    return first + (second - kTail);
  }
  const auto found = table.find(uint64_t{first} << 32 | second);
  return found == table.end() ? 0 : found->second;
}

// Sorts each stretch of nonstarters by class.
void Reorder(std::vector<uint32_t>* code_points) {
  const auto by_class = [](uint32_t a, uint32_t b) {
    return CombiningClass(a) < CombiningClass(b);
  };
  auto begin = code_points->begin();
  while (begin != code_points->end()) {
    if (CombiningClass(*begin) == 0) {
      ++begin;
      continue;
    }
    auto end = begin;
    while (end != code_points->end() && CombiningClass(*end) != 0) ++end;
    std::stable_sort(begin, end, by_class);
    begin = end;
  }
}

// Composes in place; The Unicode Standard, section 3.11, D117.
void ComposeAll(std::vector<uint32_t>* code_points) {
  size_t written = 0;
  size_t starter = 0;
  bool has_starter = false;
  int last_class = -1;  // of what was kept after the starter; -1: nothing was
  for (size_t i = 0; i < code_points->size(); ++i) {
    const uint32_t code_point = (*code_points)[i];
    const int its_class = CombiningClass(code_point);
    if (has_starter && last_class < its_class) {
      const uint32_t composed = Compose((*code_points)[starter], code_point);
      if (composed != 0) {
        (*code_points)[starter] = composed;
        continue;
      }
    }
    if (its_class == 0) {
      starter = written;
      has_starter = true;
      last_class = -1;
    } else {
      last_class = its_class;
    }
    (*code_points)[written++] = code_point;
  }
  code_points->resize(written);
}

// Length of the valid sequence at the start of `text`, or 0; `*seen` is how many bytes fit one.
size_t SequenceLength(std::string_view text, size_t* seen) {
  const unsigned char lead = At(text, 0);
  *seen = 1;
  if (lead < 0x80) return 1;
  if (lead < 0xC2 || lead > 0xF4) return 0;
  const size_t length = lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
  unsigned char low = lead == 0xE0 ? 0xA0 : lead == 0xF0 ? 0x90 : 0x80;
  unsigned char high = lead == 0xED ? 0x9F : lead == 0xF4 ? 0x8F : 0xBF;
  for (; *seen < length; ++*seen) {
    if (*seen == text.size() || At(text, *seen) < low || At(text, *seen) > high) return 0;
    low = 0x80;
    high = 0xBF;
  }
  return length;
}

}  // namespace

PropertyTable::PropertyTable() {
  std::vector<uint8_t> flat(kCodePoints, 0);
  for (size_t i = 0; i < kPropertyRunCount; ++i) {
    const Run& run = kPropertyRuns[i];
    std::fill(flat.begin() + run.first, flat.begin() + run.last + 1, run.value);
  }
  std::map<std::string_view, uint16_t> known;
  for (size_t begin = 0; begin < flat.size(); begin += 256) {
    const std::string_view block(reinterpret_cast<const char*>(flat.data() + begin), 256);
    const auto [entry, added] = known.emplace(block, static_cast<uint16_t>(known.size()));
    if (added) blocks_.insert(blocks_.end(), flat.begin() + begin, flat.begin() + begin + 256);
    block_of_.push_back(entry->second);
  }
}

const PropertyTable& PropertyTable::Get() {
  static const PropertyTable& table = *new PropertyTable;
  return table;
}

void AppendUtf8(uint32_t code_point, std::string* out) {
  const auto append = [&](uint32_t byte) { out->push_back(static_cast<char>(byte)); };
  if (code_point < 0x80) {
    append(code_point);
  } else if (code_point < 0x800) {
    append(0xC0 | code_point >> 6);
    append(0x80 | (code_point & 0x3F));
  } else if (code_point < 0x10000) {
    append(0xE0 | code_point >> 12);
    append(0x80 | (code_point >> 6 & 0x3F));
    append(0x80 | (code_point & 0x3F));
  } else {
    append(0xF0 | code_point >> 18);
    append(0x80 | (code_point >> 12 & 0x3F));
    append(0x80 | (code_point >> 6 & 0x3F));
    append(0x80 | (code_point & 0x3F));
  }
}

size_t ValidPrefix(std::string_view text) {
  size_t position = 0;
  while (position < text.size()) {
    uint64_t bytes = 0;
    if (text.size() - position >= sizeof(bytes)) {
      std::memcpy(&bytes, text.data() + position, sizeof(bytes));
      if ((bytes & 0x8080808080808080) == 0) {
        position += sizeof(bytes);
        continue;
      }
    }
    size_t seen = 0;
    const size_t length = SequenceLength(text.substr(position), &seen);
    if (length == 0) break;
    position += length;
  }
  return position;
}

size_t MalformedPrefix(std::string_view text, bool* truncated) {
  size_t seen = 0;
  SequenceLength(text, &seen);
  *truncated = seen == text.size() && At(text, 0) >= 0xC2 && At(text, 0) <= 0xF4;
  return seen;
}

std::string ReplaceMalformed(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  while (true) {
    const size_t valid = ValidPrefix(text);
    out.append(text.substr(0, valid));
    text.remove_prefix(valid);
    if (text.empty()) return out;
    bool truncated = false;
    text.remove_prefix(MalformedPrefix(text, &truncated));
    AppendUtf8(kReplacement, &out);
  }
}

bool IsSurelyNfc(std::string_view text) {
  const PropertyTable& properties = PropertyTable::Get();
  int last_class = 0;
  for (size_t position = 0; position < text.size();) {
    if (At(text, position) < 0x80) {
      ++position;
      last_class = 0;
      continue;
    }
    const uint32_t code_point = NextCodePoint(text, &position);
    const uint8_t of_it = properties[code_point];
    if (of_it & kMayBeUnnormalized) return false;
    const int its_class = of_it & kNonstarter ? CombiningClass(code_point) : 0;
    if (its_class != 0 && its_class < last_class) return false;
    last_class = its_class;
  }
  return true;
}

std::string ToNfc(std::string_view text) {
  std::vector<uint32_t> code_points;
  code_points.reserve(text.size());
  for (size_t position = 0; position < text.size();) {
    Decompose(NextCodePoint(text, &position), &code_points);
  }
  Reorder(&code_points);
  ComposeAll(&code_points);
  std::string out;
  out.reserve(text.size());
  for (const uint32_t code_point : code_points) AppendUtf8(code_point, &out);
  return out;
}

}  // namespace tpo::unicode
