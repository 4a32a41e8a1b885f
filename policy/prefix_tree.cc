#include "policy/prefix_tree.h"

#include <algorithm>
#include <cstring>
#include <map>
#include <numeric>

namespace tpo {
namespace {

// Tokens of a sequence that are forwarded: all but the last.
int ForwardedLength(const TreeSequence& sequence) {
  return static_cast<int>(sequence.prompt.size() + sequence.completion.size()) -
         (sequence.completion.empty() ? 0 : 1);
}

TokenId TokenAt(const TreeSequence& sequence, int position) {
  const int prompt_length = static_cast<int>(sequence.prompt.size());
  return position < prompt_length ? sequence.prompt[position]
                                  : sequence.completion[position - prompt_length];
}

int CommonPrefix(const TreeSequence& a, const TreeSequence& b) {
  const int limit = std::min(ForwardedLength(a), ForwardedLength(b));
  int length = 0;
  while (length < limit && TokenAt(a, length) == TokenAt(b, length)) ++length;
  return length;
}

// Indices of the sequences in lexicographic order of their forwarded tokens; equal ones keep their
// order.
std::vector<int> LexicographicOrder(absl::Span<const TreeSequence> sequences) {
  std::vector<int> order(sequences.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](int left, int right) {
    const TreeSequence& a = sequences[left];
    const TreeSequence& b = sequences[right];
    const int common = CommonPrefix(a, b);
    const bool a_ends = common == ForwardedLength(a);
    const bool b_ends = common == ForwardedLength(b);
    if (a_ends || b_ends) return a_ends && !b_ends;
    return TokenAt(a, common) < TokenAt(b, common);
  });
  return order;
}

// Appends what one sequence scores. `rows[p]` is the node at position p of the sequence.
void AppendScored(const TreeSequence& sequence, const std::vector<int32_t>& rows,
                  std::map<std::pair<int32_t, TokenId>, int32_t>& index_of, PrefixTree& tree,
                  std::vector<int32_t>& indices) {
  const bool has_candidates = !sequence.candidates.empty();
  const size_t per_position =
      has_candidates ? sequence.candidates.size() / sequence.completion.size() : 1;
  const auto tokens = has_candidates ? sequence.candidates : sequence.completion;
  indices.reserve(tokens.size());
  for (size_t i = 0; i < tokens.size(); ++i) {
    const int32_t node = rows[sequence.prompt.size() - 1 + i / per_position];
    const auto [entry, inserted] =
        index_of.try_emplace({node, tokens[i]}, static_cast<int32_t>(tree.scored.size()));
    if (inserted) tree.scored.push_back({node, tokens[i]});
    indices.push_back(entry->second);
  }
}

}  // namespace

void TreeNodes::Append(TokenId token, int32_t position, const int32_t* parent_path, int32_t row) {
  tokens.push_back(token);
  positions.push_back(position);
  parents.push_back(position > 0 ? parent_path[position - 1] : -1);
  if (path_stride == 0) return;
  const size_t offset = paths.size();
  paths.resize(offset + path_stride, 0);
  if (position > 0) {
    std::memcpy(paths.data() + offset, parent_path,
                static_cast<size_t>(position) * sizeof(int32_t));
  }
  paths[offset + position] = row;
}

PrefixTree BuildPrefixTree(absl::Span<const TreeSequence> sequences, int path_stride) {
  PrefixTree tree;
  tree.nodes.path_stride = path_stride;
  tree.sequence_scored.resize(sequences.size());
  std::map<std::pair<int32_t, TokenId>, int32_t> index_of;
  std::vector<int32_t> rows;  // of the sequence at hand, by position
  const TreeSequence* previous = nullptr;
  for (const int index : LexicographicOrder(sequences)) {
    const TreeSequence& sequence = sequences[index];
    const int length = ForwardedLength(sequence);
    rows.resize(length);
    int position = previous == nullptr ? 0 : CommonPrefix(*previous, sequence);
    for (; position < length; ++position) {
      const int32_t row = tree.nodes.size();
      tree.nodes.Append(TokenAt(sequence, position), position, rows.data(), row);
      rows[position] = row;
    }
    AppendScored(sequence, rows, index_of, tree, tree.sequence_scored[index]);
    previous = &sequence;
  }
  return tree;
}

int CountTreeNodes(absl::Span<const TreeSequence> sequences) {
  int count = 0;
  const TreeSequence* previous = nullptr;
  for (const int index : LexicographicOrder(sequences)) {
    const TreeSequence& sequence = sequences[index];
    count +=
        ForwardedLength(sequence) - (previous == nullptr ? 0 : CommonPrefix(*previous, sequence));
    previous = &sequence;
  }
  return count;
}

std::vector<std::vector<int>> PartitionByPrefix(absl::Span<const TreeSequence> sequences,
                                                int nodes_per_part) {
  std::vector<std::vector<int>> parts;
  int part_nodes = 0;
  const TreeSequence* previous = nullptr;
  for (const int index : LexicographicOrder(sequences)) {
    const TreeSequence& sequence = sequences[index];
    const int length = ForwardedLength(sequence);
    const int added = length - (previous == nullptr ? 0 : CommonPrefix(*previous, sequence));
    if (previous == nullptr || part_nodes + added > nodes_per_part) {
      parts.emplace_back();
      part_nodes = length;
    } else {
      part_nodes += added;
    }
    parts.back().push_back(index);
    previous = &sequence;
  }
  return parts;
}

}  // namespace tpo
