#include "verifier/math/simplify.h"

#include <algorithm>
#include <utility>
#include <vector>

namespace tpo::math {
namespace {

constexpr int kMostTerms = 1000;

bool IsMatrix(const NodePtr& node) { return node->kind == Kind::kMatrix; }

bool SameShape(const NodePtr& a, const NodePtr& b) {
  return a->rows == b->rows && a->columns == b->columns;
}

NodePtr Scale(const NodePtr& matrix, const NodePtr& factor, Budget& budget) {
  Node scaled = *matrix;
  for (NodePtr& entry : scaled.children) {
    entry = Compound(Kind::kProduct, {factor, entry}, budget);
  }
  return MakeNode(std::move(scaled), budget);
}

NodePtr MultiplyMatrices(const NodePtr& a, const NodePtr& b, Budget& budget) {
  Node product;
  product.kind = Kind::kMatrix;
  product.rows = a->rows;
  product.columns = b->columns;
  for (int row = 0; row < a->rows; ++row) {
    for (int column = 0; column < b->columns; ++column) {
      std::vector<NodePtr> terms;
      for (int k = 0; k < a->columns; ++k) {
        terms.push_back(Compound(Kind::kProduct,
                                 {a->children[static_cast<size_t>(row * a->columns + k)],
                                  b->children[static_cast<size_t>(k * b->columns + column)]},
                                 budget));
      }
      product.children.push_back(Compound(Kind::kSum, std::move(terms), budget));
      if (product.children.back() == nullptr) return nullptr;
    }
  }
  return MakeNode(std::move(product), budget);
}

// Null when the children aren't matrices of one shape.
NodePtr AddMatrices(const NodePtr& sum, Budget& budget) {
  const NodePtr& first = sum->children.front();
  for (const NodePtr& child : sum->children) {
    if (!IsMatrix(child) || !SameShape(child, first)) return nullptr;
  }
  Node total = *first;
  for (size_t entry = 0; entry < total.children.size(); ++entry) {
    std::vector<NodePtr> terms;
    for (const NodePtr& child : sum->children) terms.push_back(child->children[entry]);
    total.children[entry] = Compound(Kind::kSum, std::move(terms), budget);
  }
  return MakeNode(std::move(total), budget);
}

NodePtr MultiplyAll(const NodePtr& product, Budget& budget) {
  NodePtr total = product->children.front();
  for (size_t i = 1; i < product->children.size() && total != nullptr; ++i) {
    const NodePtr& next = product->children[i];
    if (IsMatrix(total) && IsMatrix(next)) {
      if (total->columns != next->rows) return nullptr;
      total = MultiplyMatrices(total, next, budget);
    } else if (IsMatrix(total)) {
      total = Scale(total, next, budget);
    } else if (IsMatrix(next)) {
      total = Scale(next, total, budget);
    } else {
      total = Compound(Kind::kProduct, {total, next}, budget);
    }
  }
  return total;
}

NodePtr Transpose(const NodePtr& matrix, Budget& budget) {
  Node transposed = *matrix;
  std::swap(transposed.rows, transposed.columns);
  for (int row = 0; row < matrix->rows; ++row) {
    for (int column = 0; column < matrix->columns; ++column) {
      transposed.children[static_cast<size_t>(column * matrix->rows + row)] =
          matrix->children[static_cast<size_t>(row * matrix->columns + column)];
    }
  }
  return MakeNode(std::move(transposed), budget);
}

NodePtr ExpandSummation(const NodePtr& node, Budget& budget) {
  const NodePtr& index = node->children[0];
  const NodePtr& from = node->children[1];
  const NodePtr& to = node->children[2];
  if (index->kind != Kind::kSymbol || !IsInteger(from) || !IsInteger(to)) return node;
  const mpz_class count = to->value.get_num() - from->value.get_num() + 1;
  const bool sum = node->name == "sum";
  if (count <= 0) return Number(sum ? 0 : 1);
  if (count > kMostTerms) return node;
  std::vector<NodePtr> terms;
  for (mpz_class at = from->value.get_num(); at <= to->value.get_num(); ++at) {
    terms.push_back(Substitute(node->children[3], index->name, Number(at), budget));
  }
  return Compound(sum ? Kind::kSum : Kind::kProduct, std::move(terms), budget);
}

}  // namespace

NodePtr Simplify(const NodePtr& node, Budget& budget) {
  if (node == nullptr || !budget.Spend()) return nullptr;
  if (node->children.empty()) return node;
  Node copy = *node;
  bool changed = false;
  for (NodePtr& child : copy.children) {
    NodePtr simple = Simplify(child, budget);
    if (simple == nullptr) return nullptr;
    changed = changed || simple != child;
    child = std::move(simple);
  }
  const NodePtr result = changed ? MakeNode(std::move(copy), budget) : node;
  if (result == nullptr) return nullptr;
  if (result->kind == Kind::kFunction && (result->name == "sum" || result->name == "prod")) {
    return ExpandSummation(result, budget);
  }
  if (!std::any_of(result->children.begin(), result->children.end(), IsMatrix)) return result;
  NodePtr matrix;
  if (result->kind == Kind::kSum) {
    matrix = AddMatrices(result, budget);
  } else if (result->kind == Kind::kProduct) {
    matrix = MultiplyAll(result, budget);
  } else if (result->kind == Kind::kPower && IsMatrix(result->children[0]) &&
             result->children[1]->kind == Kind::kSymbol && result->children[1]->name == "t") {
    matrix = Transpose(result->children[0], budget);
  }
  return matrix == nullptr && !budget.exhausted() ? result : matrix;
}

}  // namespace tpo::math
