// A prefix tree as the rows of a pass and the pages of a cache: chains of nodes lie in pages of
// their own, and a node sees the chains on its path. Internal to policy/language_model/.
//
//        1 ─ 2 ─ 3 ─ 4          chain 0: 1 2 3 4      node 6 sees the first 2 of chain 0 and
//            └── 5 ─ 6          chain 1: 5 6          the first 2 of chain 1
//
// Plain data; borrows nothing.
#ifndef TPO_POLICY_LANGUAGE_MODEL_TREE_LAYOUT_H_
#define TPO_POLICY_LANGUAGE_MODEL_TREE_LAYOUT_H_

#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/types/span.h"
#include "policy/language_model/language_model.h"
#include "policy/language_model/training_loops.h"
#include "policy/prefix_tree.h"

namespace tpo {

class TreeLayout {
 public:
  TreeLayout() = default;
  explicit TreeLayout(const TreeNodes& nodes);
  TreeLayout(TreeLayout&&) = default;
  TreeLayout& operator=(TreeLayout&&) = default;

  // In the order of the nodes.
  absl::Span<const LanguageModelRow> rows() const { return rows_; }
  int pages() const { return static_cast<int>(page_begins_.size()) - 1; }
  // The row whose key and value are at a place of a page; -1: none.
  int32_t RowAt(int page, int place) const { return row_at_[page * kPagePositions + place]; }
  // The rows that see a page, in order.
  absl::Span<const PageVisit> visits(int page) const {
    return absl::MakeConstSpan(visits_).subspan(page_begins_[page],
                                                page_begins_[page + 1] - page_begins_[page]);
  }
  size_t size_bytes() const;

 private:
  void ListVisits();

  std::vector<LanguageModelRow> rows_;
  std::vector<VisiblePages> visible_;  // of all rows
  std::vector<int32_t> page_numbers_;  // 0, 1, …
  std::vector<int32_t> row_at_;
  std::vector<PageVisit> visits_;
  std::vector<size_t> page_begins_;
};

}  // namespace tpo

#endif  // TPO_POLICY_LANGUAGE_MODEL_TREE_LAYOUT_H_
