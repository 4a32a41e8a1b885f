// Trees from text, and back, for the tests of verifier/math.
#ifndef TPO_TESTS_VERIFIER_MATH_MATH_TEST_SUPPORT_H_
#define TPO_TESTS_VERIFIER_MATH_MATH_TEST_SUPPORT_H_

#include <string>
#include <string_view>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "verifier/math/expression.h"
#include "verifier/math/lexer.h"
#include "verifier/math/parser.h"

namespace tpo::math {

inline absl::StatusOr<NodePtr> TryParse(std::string_view text, const Limits& limits = {}) {
  Budget budget(limits);
  return Parse(Tokenize(text, budget), budget);
}

// REQUIRES: the text can be parsed; the test fails where it can't.
inline NodePtr ParseText(std::string_view text) {
  absl::StatusOr<NodePtr> node = TryParse(text);
  EXPECT_TRUE(node.ok()) << text << ": " << node.status();
  return node.ok() ? *node : Number(0);
}

// A tree as an expression in prefix form: (+ x (^ y 2)).
inline std::string Show(const NodePtr& node) {
  switch (node->kind) {
    case Kind::kNumber:
      return node->value.get_str() + (node->decimal ? "." : "");
    case Kind::kSymbol:
      return node->name;
    case Kind::kConstant:
      return "#" + node->name;
    case Kind::kNamedSet:
      return "set" + node->name;
    default:
      break;
  }
  static const char* const kNames[] = {"", "",      "",     "+",     "*",        "^",
                                       "", "%",     "list", "set",   "tuple",    "interval",
                                       "", "union", "cap",  "minus", "relation", "matrix"};
  std::string shown = absl::StrCat("(", kNames[static_cast<int>(node->kind)]);
  if (node->kind == Kind::kFunction) shown += node->name;
  if (node->kind == Kind::kInterval) {
    shown += node->left_open ? " open" : " closed";
    shown += node->right_open ? " open" : " closed";
  }
  static const char* const kRelations[] = {"=", "<", "<=", ">", ">=", "!="};
  for (const Relation relation : node->relations) {
    absl::StrAppend(&shown, " ", kRelations[static_cast<int>(relation)]);
  }
  for (const NodePtr& child : node->children) absl::StrAppend(&shown, " ", Show(child));
  return shown + ")";
}

}  // namespace tpo::math

#endif  // TPO_TESTS_VERIFIER_MATH_MATH_TEST_SUPPORT_H_
