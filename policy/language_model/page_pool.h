// The pages of a cache of keys and values, by number: which are free. What lies behind a number,
// and where, is the business of who forwards (key_value_cache.h: in the host's memory).
//
// A page is a piece of one sequence; who holds its number decides what it means, so that the
// completions of a prompt can share the prompt's pages. All memory is allocated at once, and taking
// a page never fails as long as one is free: whoever admits work counts pages first.
//
// Not thread-safe; during a forward pass nobody takes or gives back pages.
#ifndef TPO_POLICY_LANGUAGE_MODEL_PAGE_POOL_H_
#define TPO_POLICY_LANGUAGE_MODEL_PAGE_POOL_H_

#include <cstdint>
#include <vector>

#include "policy/language_model/language_layout.h"

namespace tpo {

class PagePool {
 public:
  virtual ~PagePool() = default;
  PagePool(const PagePool&) = delete;
  PagePool& operator=(const PagePool&) = delete;

  static int PagesFor(int positions) { return (positions + kPagePositions - 1) / kPagePositions; }

  int pages() const { return pages_; }
  int free_pages() const { return static_cast<int>(free_.size()); }

  // A page of undefined content. REQUIRES: free_pages() > 0.
  int32_t Take() {
    const int32_t page = free_.back();
    free_.pop_back();
    return page;
  }
  // REQUIRES: the page was taken.
  void GiveBack(int32_t page) { free_.push_back(page); }

 protected:
  explicit PagePool(int pages) : pages_(pages) {
    for (int page = pages - 1; page >= 0; --page) free_.push_back(page);
  }

 private:
  const int pages_;
  std::vector<int32_t> free_;
};

}  // namespace tpo

#endif  // TPO_POLICY_LANGUAGE_MODEL_PAGE_POOL_H_
