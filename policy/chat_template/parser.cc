#include "policy/chat_template/parser.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "policy/chat_template/expression_parser.h"
#include "policy/chat_template/template_error.h"

namespace tpo::jinja {
namespace {

constexpr int kMaxDepth = 50;

class Parser {
 public:
  explicit Parser(std::string_view source) : tokens_(Tokenize(source)), cursor_(&tokens_) {}

  Block Run() {
    Block block = ParseBlock({});
    if (cursor_.Current().kind != TokenKind::kEnd) {
      Broken(absl::StrCat("unexpected '", cursor_.Current().text, "'"), cursor_.Current().line);
    }
    return block;
  }

 private:
  using StatementPointer = std::unique_ptr<Statement>;

  StatementPointer Make(StatementKind kind) const {
    auto made = std::make_unique<Statement>();
    made->kind = kind;
    made->line = cursor_.Current().line;
    return made;
  }

  // Statements until a tag that begins with one of `ends`, where the cursor is at that name then.
  Block ParseBlock(const std::vector<std::string>& ends) {
    const int begin_line = cursor_.Current().line;
    if (++depth_ > kMaxDepth) {
      throw TemplateError(ErrorKind::kTooMuch, "statements nested too deeply", begin_line);
    }
    Block block;
    while (true) {
      const Token& token = cursor_.Current();
      if (token.kind == TokenKind::kEnd) {
        if (!ends.empty())
          Broken(absl::StrCat("the template ends where ", ends.back(), " is missing"), begin_line);
        break;
      }
      StatementPointer statement;
      if (token.kind == TokenKind::kText) {
        statement = Make(StatementKind::kText);
        statement->text = cursor_.Take().text;
      } else if (token.kind == TokenKind::kVariableBegin) {
        cursor_.Take();
        statement = Make(StatementKind::kOutput);
        statement->expression = cursor_.ParseExpressionOrTuple();
        cursor_.ExpectKind(TokenKind::kVariableEnd, "'}}'");
      } else {
        cursor_.Take();
        if (cursor_.Current().kind == TokenKind::kName &&
            std::find(ends.begin(), ends.end(), cursor_.Current().text) != ends.end()) {
          break;
        }
        statement = ParseStatement();
      }
      block.push_back(std::move(statement));
    }
    --depth_;
    return block;
  }

  void EndTag() { cursor_.ExpectKind(TokenKind::kBlockEnd, "'%}'"); }

  StatementPointer ParseStatement() {
    const int line = cursor_.Current().line;
    const std::string name = cursor_.ExpectName();
    if (name == "if") return ParseIf();
    if (name == "for") return ParseFor();
    if (name == "set") return ParseSet();
    if (name == "macro") return ParseMacro();
    if (name == "generation") {
      StatementPointer made = Make(StatementKind::kScope);
      EndTag();
      made->body = ParseBody("endgeneration");
      return made;
    }
    if (name == "break" || name == "continue") {
      if (loops_ == 0) Broken(absl::StrCat("'", name, "' outside of a loop"), line);
      StatementPointer made =
          Make(name == "break" ? StatementKind::kBreak : StatementKind::kContinue);
      EndTag();
      return made;
    }
    for (const char* known : {"include", "import", "from", "extends", "block", "call", "filter",
                              "with", "autoescape", "print", "do", "trans"}) {
      if (name == known) Unsupported(absl::StrCat("the statement '", name, "'"), line);
    }
    Broken(absl::StrCat("unknown statement '", name, "'"), line);
  }

  // A block, its end tag included.
  Block ParseBody(const std::string& end) {
    Block body = ParseBlock({end});
    cursor_.Take();
    EndTag();
    return body;
  }

  StatementPointer ParseIf() {
    StatementPointer made = Make(StatementKind::kIf);
    while (true) {
      ExpressionPointer condition = cursor_.ParseExpressionOrTuple(/*with_conditional=*/false);
      EndTag();
      Block body = ParseBlock({"elif", "else", "endif"});
      made->branches.emplace_back(std::move(condition), std::move(body));
      if (cursor_.SkipName("elif")) continue;
      if (cursor_.SkipName("else")) {
        EndTag();
        made->otherwise = ParseBody("endif");
      } else {
        cursor_.Take();
        EndTag();
      }
      return made;
    }
  }

  // Names to assign to: x or x, y or (x, y).
  void ParseTargets(Statement* statement) {
    const bool parenthesized = cursor_.SkipOperator("(");
    statement->targets.push_back(ParseTarget());
    while (cursor_.SkipOperator(",")) {
      statement->unpack = true;
      if (cursor_.Current().kind != TokenKind::kName || cursor_.AtName("in")) break;
      statement->targets.push_back(ParseTarget());
    }
    if (parenthesized) cursor_.ExpectOperator(")");
  }

  std::string ParseTarget() {
    if (cursor_.AtOperator("("))
      Unsupported("nested targets of an assignment", cursor_.Current().line);
    return cursor_.ExpectName();
  }

  StatementPointer ParseFor() {
    StatementPointer made = Make(StatementKind::kFor);
    ParseTargets(made.get());
    if (!cursor_.SkipName("in")) Broken("'for' without 'in'", made->line);
    made->expression = cursor_.ParseExpressionOrTuple(/*with_conditional=*/false);
    if (cursor_.SkipName("if")) made->condition = cursor_.ParseExpression();
    if (cursor_.AtName("recursive")) Unsupported("a recursive loop", made->line);
    EndTag();
    ++loops_;
    made->body = ParseBlock({"else", "endfor"});
    --loops_;
    if (cursor_.SkipName("else")) {
      EndTag();
      made->otherwise = ParseBody("endfor");
    } else {
      cursor_.Take();
      EndTag();
    }
    return made;
  }

  StatementPointer ParseSet() {
    StatementPointer made = Make(StatementKind::kSet);
    ParseTargets(made.get());
    if (made->targets.size() == 1 && !made->unpack && cursor_.SkipOperator(".")) {
      made->kind = StatementKind::kSetAttribute;
      made->text = std::exchange(made->targets[0], cursor_.ExpectName());
    }
    if (cursor_.SkipOperator("=")) {
      made->expression = cursor_.ParseExpressionOrTuple();
      EndTag();
      return made;
    }
    if (cursor_.AtOperator("|")) Unsupported("a set block with a filter", made->line);
    EndTag();
    made->body = ParseBody("endset");
    return made;
  }

  StatementPointer ParseMacro() {
    StatementPointer made = Make(StatementKind::kMacro);
    made->text = cursor_.ExpectName();
    cursor_.ExpectOperator("(");
    while (!cursor_.SkipOperator(")")) {
      if (!made->targets.empty()) cursor_.ExpectOperator(",");
      made->targets.push_back(cursor_.ExpectName());
      if (cursor_.SkipOperator("=")) {
        made->defaults.push_back(cursor_.ParseExpression());
      } else if (!made->defaults.empty()) {
        Broken("a parameter without a default after one with a default", made->line);
      }
    }
    EndTag();
    const int loops = std::exchange(loops_, 0);
    made->body = ParseBody("endmacro");
    loops_ = loops;
    return made;
  }

  const std::vector<Token> tokens_;
  ExpressionParser cursor_;
  int depth_ = 0;
  int loops_ = 0;
};

}  // namespace

Block ParseTemplate(std::string_view source) { return Parser(source).Run(); }

}  // namespace tpo::jinja
