// Subsets of the real line: finite unions of intervals and points.
#ifndef TPO_VERIFIER_MATH_REAL_SET_H_
#define TPO_VERIFIER_MATH_REAL_SET_H_

#include <optional>
#include <vector>

#include "verifier/math/expression.h"

namespace tpo::math {

class RealSet {
 public:
  // Of an interval, a finite set of numbers, R, the empty set, their unions, intersections and
  // differences, and of a chain of linear inequalities in one variable. Nothing for other trees,
  // and where an endpoint is no real constant.
  static std::optional<RealSet> Of(const NodePtr& node, Budget& budget);

  // Endpoints are compared with `equal(endpoint, endpoint)`.
  template <typename Equal>
  bool SameAs(const RealSet& other, Equal equal) const;

 private:
  struct End {
    long double value = 0.0L;  // perhaps infinite
    NodePtr exact;             // null when infinite
    bool open = false;
  };
  struct Segment {
    End low;
    End high;
  };

  static std::optional<End> EndAt(const NodePtr& node, bool open, Budget& budget);
  static std::optional<RealSet> OfFinite(const NodePtr& node, Budget& budget);
  static std::optional<RealSet> OfInterval(const NodePtr& node, Budget& budget);
  static std::optional<RealSet> OfChain(const NodePtr& node, Budget& budget);
  static std::optional<RealSet> OfInequality(const NodePtr& left, Relation relation,
                                             const NodePtr& right, Budget& budget);
  static RealSet Line();
  RealSet Complement() const;
  RealSet Intersection(const RealSet& other) const;
  RealSet Union(const RealSet& other) const;
  // Sorts, drops what is empty and joins what touches.
  void Normalize();

  std::vector<Segment> segments_;
};

template <typename Equal>
bool RealSet::SameAs(const RealSet& other, Equal equal) const {
  const auto same = [&equal](const End& a, const End& b) {
    if (a.open != b.open || (a.exact == nullptr) != (b.exact == nullptr)) return false;
    return a.exact == nullptr ? a.value == b.value : equal(a.exact, b.exact);
  };
  if (segments_.size() != other.segments_.size()) return false;
  for (size_t i = 0; i < segments_.size(); ++i) {
    if (!same(segments_[i].low, other.segments_[i].low) ||
        !same(segments_[i].high, other.segments_[i].high)) {
      return false;
    }
  }
  return true;
}

}  // namespace tpo::math

#endif  // TPO_VERIFIER_MATH_REAL_SET_H_
