#include "verifier/math/spellings.h"

#include <map>
#include <unordered_map>
#include <unordered_set>

namespace tpo::math {
namespace {

using Table = std::unordered_map<std::string_view, std::string_view>;
using Words = std::unordered_set<std::string_view>;

}  // namespace

bool IsLayoutCommand(std::string_view command) {
  static const Words* const words = new Words{
      "displaystyle", "textstyle",  "scriptstyle", "limits", "nolimits", "quad",   "qquad",
      "hspace",       "vspace",     "hfill",       "bf",     "rm",       "it",     "boldmath",
      "phantom",      "thinspace",  "enspace",     "space",  "hline",    "strut",  "mathstrut",
      "middle",       "allowbreak", "nonumber",    "notag",  "bold",     "dotfill"};
  return words->count(command) > 0;
}

bool IsDelimiterSize(std::string_view command) {
  static const Words* const words =
      new Words{"left", "right", "big",   "Big",   "bigg",  "Bigg",  "bigl",   "bigr", "Bigl",
                "Bigr", "biggl", "biggr", "Biggl", "Biggr", "mleft", "mright", "bigm", "Bigm"};
  return words->count(command) > 0;
}

bool IsTextCommand(std::string_view command) {
  static const Words* const words =
      new Words{"text",   "textbf", "textit", "textrm", "textnormal", "textsf",     "texttt",
                "mathrm", "mathbf", "mathit", "mathsf", "mathtt",     "boldsymbol", "mbox",
                "hbox",   "bm",     "emph",   "textsc", "mathnormal", "textup"};
  return words->count(command) > 0;
}

std::string_view CanonicalCommand(std::string_view command) {
  static const Table* const table = new Table{{"dfrac", "frac"},
                                              {"tfrac", "frac"},
                                              {"cfrac", "frac"},
                                              {"dbinom", "binom"},
                                              {"tbinom", "binom"},
                                              {"leq", "<="},
                                              {"le", "<="},
                                              {"leqslant", "<="},
                                              {"lt", "<"},
                                              {"geq", ">="},
                                              {"ge", ">="},
                                              {"geqslant", ">="},
                                              {"gt", ">"},
                                              {"neq", "!="},
                                              {"ne", "!="},
                                              {"times", "*"},
                                              {"cdot", "*"},
                                              {"ast", "*"},
                                              {"div", "/"},
                                              {"lbrace", "\\{"},
                                              {"rbrace", "\\}"},
                                              {"lbrack", "["},
                                              {"rbrack", "]"},
                                              {"vert", "|"},
                                              {"lvert", "|"},
                                              {"rvert", "|"},
                                              {"mid", "|"},
                                              {"colon", ":"},
                                              {"infin", "infty"},
                                              {"arcsin", "asin"},
                                              {"arccos", "acos"},
                                              {"arctan", "atan"},
                                              {"arccot", "acot"},
                                              {"arcsec", "asec"},
                                              {"arccsc", "acsc"},
                                              {"arsinh", "asinh"},
                                              {"arcosh", "acosh"},
                                              {"artanh", "atanh"},
                                              {"arcsinh", "asinh"},
                                              {"arccosh", "acosh"},
                                              {"arctanh", "atanh"},
                                              {"tg", "tan"},
                                              {"ctg", "cot"},
                                              {"arctg", "atan"},
                                              {"varnothing", "emptyset"},
                                              {"approx", "approx"},
                                              {"simeq", "approx"},
                                              {"thickapprox", "approx"},
                                              {"fbox", "boxed"},
                                              {"framebox", "boxed"},
                                              {"degree", "circ"},
                                              {"imath", "i"},
                                              {"mod", "bmod"},
                                              {"dots", "ldots"},
                                              {"cdots", "ldots"},
                                              {"langle", "("},
                                              {"rangle", ")"},
                                              {"lgroup", "("},
                                              {"rgroup", ")"},
                                              {"sup", "max"},
                                              {"smallsetminus", "setminus"},
                                              {"backslash", "setminus"},
                                              {"widehat", "hat"},
                                              {"overrightarrow", "vec"},
                                              {"widetilde", "tilde"},
                                              {"bar", "overline"},
                                              {"Re", "re"},
                                              {"Im", "im"},
                                              {"exponentialE", "exp"},
                                              {"mathbbm", "mathbb"},
                                              {"prime", "'"}};
  const auto found = table->find(command);
  return found == table->end() ? command : found->second;
}

std::string_view MeaningOfWord(std::string_view word) {
  static const Table* const table =
      new Table{{"and", ","},       {"or", ","},        {"percent", "%"},      {"percentage", "%"},
                {"pct", "%"},       {"inf", "infty"},   {"infinity", "infty"}, {"sqrt", "sqrt"},
                {"pi", "pi"},       {"sin", "sin"},     {"cos", "cos"},        {"tan", "tan"},
                {"log", "log"},     {"ln", "ln"},       {"exp", "exp"},        {"cup", "cup"},
                {"arcsin", "asin"}, {"arccos", "acos"}, {"arctan", "atan"}};
  const auto found = table->find(word);
  return found == table->end() ? std::string_view() : found->second;
}

Spelling SpellCharacter(std::string_view text) {
  static const std::map<std::string_view, std::string_view>* const table =
      new std::map<std::string_view, std::string_view>{
          {"−", "-"},         {"–", "-"},           {"×", "\\times "},    {"·", "\\cdot "},
          {"⋅", "\\cdot "},   {"÷", "\\div "},      {"π", "\\pi "},       {"√", "\\sqrt "},
          {"∞", "\\infty "},  {"°", "^\\circ "},    {"²", "^2"},          {"³", "^3"},
          {"≤", "\\le "},     {"≥", "\\ge "},       {"≠", "\\ne "},       {"±", "\\pm "},
          {"∓", "\\mp "},     {"∪", "\\cup "},      {"∩", "\\cap "},      {"∅", "\\emptyset "},
          {"∈", "\\in "},     {"ℝ", "\\mathbb{R}"}, {"ℤ", "\\mathbb{Z}"}, {"≈", "\\approx "},
          {"½", "\\frac12 "}, {"¼", "\\frac14 "},   {"¾", "\\frac34 "},   {"α", "\\alpha "},
          {"β", "\\beta "},   {"γ", "\\gamma "},    {"θ", "\\theta "},    {"λ", "\\lambda "},
          {"μ", "\\mu "},     {"φ", "\\phi "},      {"ω", "\\omega "},    {"Δ", "\\Delta "},
          {"€", "\\$"},       {"£", "\\$"},         {"¥", "\\$"},         {"₹", "\\$"},
          {"’", "'"},         {"′", "'"},           {"…", "\\ldots "},    {"\u00a0", " "},
          {"\u2009", " "},    {"\u202f", " "},      {"ℂ", "\\mathbb{C}"}, {"₩", "\\$"}};
  for (size_t length = 2; length <= 3 && length <= text.size(); ++length) {
    const auto found = table->find(text.substr(0, length));
    if (found != table->end()) return {found->second, length};
  }
  return {};
}

bool IsUnit(std::string_view word) {
  static const Words* const words =
      new Words{"mm",     "cm",    "dm",      "m",      "km",       "inch",     "inches",  "ft",
                "foot",   "feet",  "yd",      "yard",   "mile",     "mi",       "meter",   "metre",
                "kg",     "g",     "gm",      "mg",     "lb",       "pound",    "ounce",   "oz",
                "ton",    "gram",  "l",       "ml",     "liter",    "litre",    "gallon",  "gal",
                "s",      "sec",   "second",  "min",    "minute",   "h",        "hr",      "hour",
                "day",    "week",  "month",   "year",   "yr",       "mph",      "kmph",    "kmh",
                "degree", "deg",   "unit",    "square", "sq",       "cubic",    "cube",    "dollar",
                "cent",   "euro",  "rupee",   "rs",     "usd",      "apple",    "student", "men",
                "man",    "women", "woman",   "coin",   "marble",   "ball",     "digit",   "edge",
                "tile",   "acre",  "hectare", "c",      "d",        "t",        "o",       "am",
                "pm",     "noon",  "ohm",     "volt",   "watt",     "joule",    "newton",  "people",
                "person", "page",  "book",    "car",    "child",    "children", "integer", "point",
                "hz",     "mark",  "number",  "way",    "meal",     "ticket",   "per",     "less",
                "more",   "loss",  "gain",    "profit", "increase", "decrease", "th",      "st"};
  if (words->count(word) > 0) return true;
  if (word.size() > 2 && word.back() == 's' && words->count(word.substr(0, word.size() - 1)) > 0) {
    return true;
  }
  return word.size() > 3 && word.substr(word.size() - 2) == "es" &&
         words->count(word.substr(0, word.size() - 2)) > 0;
}

}  // namespace tpo::math
