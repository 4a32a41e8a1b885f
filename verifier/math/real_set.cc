#include "verifier/math/real_set.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <set>
#include <string>
#include <utility>

#include "verifier/math/numeric.h"

namespace tpo::math {
namespace {

constexpr size_t kMostPoints = 200;
constexpr long double kInfinity = std::numeric_limits<long double>::infinity();

// 1 for infinity, -1 for minus infinity, 0 for anything else.
int InfinitySign(const NodePtr& node) {
  if (node->kind == Kind::kConstant && node->name == "infinity") return 1;
  if (node->kind != Kind::kProduct || node->children.size() != 2) return 0;
  const NodePtr& factor = node->children.front();
  if (!IsNumber(factor)) return 0;
  return InfinitySign(node->children.back()) * (factor->value < 0 ? -1 : 1);
}

// Ends nearer than this are one: an interval's ends come from one formula or are far apart.
bool Touch(long double a, long double b) {
  if (a == b || std::isinf(a) || std::isinf(b)) return a == b;
  return std::abs(a - b) <= 1e-12L * std::max({1.0L, std::abs(a), std::abs(b)});
}

}  // namespace

std::optional<RealSet> RealSet::Of(const NodePtr& node, Budget& budget) {
  if (!budget.Spend()) return std::nullopt;
  switch (node->kind) {
    case Kind::kInterval:
      return OfInterval(node, budget);
    case Kind::kSet:
    case Kind::kList:
      return OfFinite(node, budget);
    case Kind::kNamedSet:
      if (node->name == "R") return Line();
      if (node->name == "empty") return RealSet();
      return std::nullopt;
    case Kind::kRelation:
      return OfChain(node, budget);
    case Kind::kUnion:
    case Kind::kIntersection:
    case Kind::kDifference: {
      const std::optional<RealSet> left = Of(node->children[0], budget);
      const std::optional<RealSet> right = Of(node->children[1], budget);
      if (!left || !right) return std::nullopt;
      if (node->kind == Kind::kUnion) return left->Union(*right);
      return left->Intersection(node->kind == Kind::kIntersection ? *right : right->Complement());
    }
    default:
      return std::nullopt;
  }
}

RealSet RealSet::Line() {
  RealSet line;
  line.segments_.push_back({{-kInfinity, nullptr, true}, {kInfinity, nullptr, true}});
  return line;
}

std::optional<RealSet::End> RealSet::EndAt(const NodePtr& node, bool open, Budget& budget) {
  const int sign = InfinitySign(node);
  if (sign != 0) return End{static_cast<long double>(sign) * kInfinity, nullptr, true};
  const std::optional<long double> value = RealValue(node, budget);
  if (!value) return std::nullopt;
  return End{*value, node, open};
}

std::optional<RealSet> RealSet::OfInterval(const NodePtr& node, Budget& budget) {
  const std::optional<End> low = EndAt(node->children[0], node->left_open, budget);
  const std::optional<End> high = EndAt(node->children[1], node->right_open, budget);
  if (!low || !high) return std::nullopt;
  RealSet set;
  set.segments_.push_back({*low, *high});
  set.Normalize();
  return set;
}

std::optional<RealSet> RealSet::OfFinite(const NodePtr& node, Budget& budget) {
  if (node->children.size() > kMostPoints) return std::nullopt;
  RealSet set;
  for (const NodePtr& child : node->children) {
    const std::optional<End> end = EndAt(child, false, budget);
    if (!end || end->exact == nullptr) return std::nullopt;
    set.segments_.push_back({*end, *end});
  }
  set.Normalize();
  return set;
}

std::optional<RealSet> RealSet::OfChain(const NodePtr& node, Budget& budget) {
  if (Variables(node).size() != 1) return std::nullopt;
  RealSet set = Line();
  for (size_t i = 0; i < node->relations.size(); ++i) {
    const std::optional<RealSet> part =
        OfInequality(node->children[i], node->relations[i], node->children[i + 1], budget);
    if (!part) return std::nullopt;
    set = set.Intersection(*part);
  }
  return set;
}

// left - right = slope * x + offset, read off at x = 0 and 1, and checked to be linear.
std::optional<RealSet> RealSet::OfInequality(const NodePtr& left, Relation relation,
                                             const NodePtr& right, Budget& budget) {
  const NodePtr difference = Subtract(left, right, budget);
  if (difference == nullptr) return std::nullopt;
  const std::set<std::string> variables = Variables(difference);
  if (variables.size() != 1) return std::nullopt;
  const auto at = [&](int x) {
    return Substitute(difference, *variables.begin(), Number(x), budget);
  };
  const NodePtr offset = at(0);
  const NodePtr slope = Subtract(at(1), offset, budget);
  const NodePtr end = Divide(Negate(offset, budget), slope, budget);
  if (end == nullptr) return std::nullopt;
  for (const int x : {-7, 3}) {
    const NodePtr line = Compound(
        Kind::kSum, {Compound(Kind::kProduct, {Number(x), slope}, budget), offset}, budget);
    const NodePtr there = at(x);
    if (line == nullptr || there == nullptr) return std::nullopt;
    if (CompareNumerically(there, line, budget) != Comparison::kEqual) return std::nullopt;
  }
  const std::optional<long double> slope_value = RealValue(slope, budget);
  if (!slope_value || *slope_value == 0.0L) return std::nullopt;
  if (*slope_value < 0.0L) relation = Reversed(relation);
  const bool open = relation == Relation::kLess || relation == Relation::kGreater ||
                    relation == Relation::kNotEqual;
  const std::optional<End> border = EndAt(end, open, budget);
  if (!border) return std::nullopt;
  RealSet set;
  const bool below = relation == Relation::kLess || relation == Relation::kLessOrEqual;
  const bool above = relation == Relation::kGreater || relation == Relation::kGreaterOrEqual;
  if (below || relation == Relation::kNotEqual) {
    set.segments_.push_back({{-kInfinity, nullptr, true}, *border});
  }
  if (above || relation == Relation::kNotEqual) {
    set.segments_.push_back({*border, {kInfinity, nullptr, true}});
  }
  if (relation == Relation::kEqual) set.segments_.push_back({*border, *border});
  return set;
}

RealSet RealSet::Complement() const {
  RealSet complement;
  End low = {-kInfinity, nullptr, true};
  for (const Segment& segment : segments_) {
    End high = segment.low;
    high.open = high.exact == nullptr || !high.open;
    complement.segments_.push_back({low, high});
    low = segment.high;
    low.open = low.exact == nullptr || !low.open;
  }
  complement.segments_.push_back({low, {kInfinity, nullptr, true}});
  complement.Normalize();
  return complement;
}

RealSet RealSet::Intersection(const RealSet& other) const {
  RealSet intersection;
  for (const Segment& a : segments_) {
    for (const Segment& b : other.segments_) {
      Segment both;
      const bool same_low = Touch(a.low.value, b.low.value);
      const bool same_high = Touch(a.high.value, b.high.value);
      both.low = a.low.value > b.low.value ? a.low : b.low;
      both.high = a.high.value < b.high.value ? a.high : b.high;
      if (same_low) both.low.open = a.low.open || b.low.open;
      if (same_high) both.high.open = a.high.open || b.high.open;
      intersection.segments_.push_back(both);
    }
  }
  intersection.Normalize();
  return intersection;
}

RealSet RealSet::Union(const RealSet& other) const {
  RealSet both = *this;
  both.segments_.insert(both.segments_.end(), other.segments_.begin(), other.segments_.end());
  both.Normalize();
  return both;
}

void RealSet::Normalize() {
  std::erase_if(segments_, [](const Segment& segment) {
    if (Touch(segment.low.value, segment.high.value)) return segment.low.open || segment.high.open;
    return segment.low.value > segment.high.value;
  });
  std::sort(segments_.begin(), segments_.end(), [](const Segment& a, const Segment& b) {
    if (a.low.value != b.low.value) return a.low.value < b.low.value;
    return !a.low.open && b.low.open;
  });
  std::vector<Segment> joined;
  for (const Segment& next : segments_) {
    if (joined.empty()) {
      joined.push_back(next);
      continue;
    }
    Segment& last = joined.back();
    const bool meets = Touch(next.low.value, last.high.value) ? !(next.low.open && last.high.open)
                                                              : next.low.value < last.high.value;
    if (!meets) {
      joined.push_back(next);
    } else if (Touch(next.high.value, last.high.value)) {
      last.high.open = last.high.open && next.high.open;
    } else if (next.high.value > last.high.value) {
      last.high = next.high;
    }
  }
  segments_ = std::move(joined);
}

}  // namespace tpo::math
