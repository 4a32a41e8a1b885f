#include "policy/language_model/tree_layout.h"

#include <algorithm>
#include <numeric>

namespace tpo {

TreeLayout::TreeLayout(const TreeNodes& nodes) {
  struct Run {
    int first_page = 0;
    int length = 0;
  };
  std::vector<Run> runs;  // of all rows
  std::vector<size_t> begins = {0};
  int pages = 0;
  for (int row = 0; row < nodes.size(); ++row) {
    const int parent = nodes.parents[row];
    if (parent >= 0) {
      for (size_t i = begins[parent]; i < begins[parent + 1]; ++i) runs.push_back(Run(runs[i]));
    }
    // The parent came just before: nothing has followed it yet, so the chain goes on.
    if (parent >= 0 && parent == row - 1) {
      ++runs.back().length;
    } else {
      runs.push_back({pages, 1});
    }
    const Run& own = runs.back();
    const int page = own.first_page + (own.length - 1) / kPagePositions;
    if (page == pages) {
      ++pages;
      row_at_.resize(row_at_.size() + kPagePositions, -1);
    }
    row_at_[page * kPagePositions + (own.length - 1) % kPagePositions] = row;
    begins.push_back(runs.size());
  }
  page_numbers_.resize(pages);
  std::iota(page_numbers_.begin(), page_numbers_.end(), 0);
  for (const Run& run : runs) visible_.push_back({&page_numbers_[run.first_page], run.length});
  for (int row = 0; row < nodes.size(); ++row) {
    rows_.push_back({nodes.tokens[row],
                     nodes.positions[row],
                     {&visible_[begins[row]], begins[row + 1] - begins[row]}});
  }
  ListVisits();
}

void TreeLayout::ListVisits() {
  const auto for_each = [&](const auto& function) {
    for (size_t row = 0; row < rows_.size(); ++row) {
      for (const VisiblePages& run : rows_[row].visible) {
        for (int first = 0; first < run.length; first += kPagePositions) {
          function(run.pages[first / kPagePositions],
                   PageVisit{static_cast<int32_t>(row),
                             std::min(run.length - first, int{kPagePositions})});
        }
      }
    }
  };
  page_begins_.assign(page_numbers_.size() + 1, 0);
  for_each([&](int32_t page, const PageVisit&) { ++page_begins_[page + 1]; });
  for (size_t page = 1; page < page_begins_.size(); ++page)
    page_begins_[page] += page_begins_[page - 1];
  visits_.resize(page_begins_.back());
  std::vector<size_t> next(page_begins_.begin(), page_begins_.end() - 1);
  for_each([&](int32_t page, const PageVisit& visit) { visits_[next[page]++] = visit; });
}

size_t TreeLayout::size_bytes() const {
  return rows_.size() * sizeof(LanguageModelRow) + visible_.size() * sizeof(VisiblePages) +
         (page_numbers_.size() + row_at_.size()) * sizeof(int32_t) +
         visits_.size() * sizeof(PageVisit) + page_begins_.size() * sizeof(size_t);
}

}  // namespace tpo
