#include "verifier/math/exact_form.h"

#include <algorithm>
#include <numeric>

#include "absl/strings/str_cat.h"
#include "verifier/math/integer_functions.h"

namespace tpo::math {
Comparison ExactAlgebra::Compare(const NodePtr& a, const NodePtr& b) {
  const Result left = Convert(a);
  const Result right = left ? Convert(b) : std::nullopt;
  if (!right || left->denominator.empty() || right->denominator.empty()) {
    return Comparison::kUnknown;
  }
  std::optional<Polynomial> difference = Multiply(left->numerator, right->denominator);
  const std::optional<Polynomial> other = Multiply(right->numerator, left->denominator);
  if (!difference || !other || !AddTo(*difference, *other, -1)) return Comparison::kUnknown;
  if (difference->empty()) return Comparison::kEqual;
  return complete_ ? Comparison::kDifferent : Comparison::kUnknown;
}

std::optional<mpq_class> ExactAlgebra::RationalValue(const NodePtr& node) {
  const Result value = Convert(node);
  if (!value) return std::nullopt;
  return AsRational(*value);
}

ExactAlgebra::Fraction ExactAlgebra::Constant(const mpq_class& value) {
  Fraction fraction;
  if (value != 0) fraction.numerator[{}] = value;
  fraction.denominator[{}] = 1;
  return fraction;
}

std::optional<mpq_class> ExactAlgebra::AsRational(const Fraction& fraction) {
  const auto constant = [](const Polynomial& polynomial) {
    return polynomial.size() == 1 && polynomial.begin()->first.empty();
  };
  if (!constant(fraction.denominator)) return std::nullopt;
  if (fraction.numerator.empty()) return mpq_class(0);
  if (!constant(fraction.numerator)) return std::nullopt;
  return mpq_class(fraction.numerator.begin()->second / fraction.denominator.begin()->second);
}

std::string ExactAlgebra::Spell(const Polynomial& polynomial) {
  std::string spelled;
  for (const auto& [monomial, coefficient] : polynomial) {
    absl::StrAppend(&spelled, "+", coefficient.get_str());
    for (const auto& [generator, exponent] : monomial) {
      absl::StrAppend(&spelled, "*g", generator, "^", exponent.numerator, "/",
                      exponent.denominator);
    }
  }
  return spelled;
}

std::string ExactAlgebra::Spell(const Fraction& fraction) {
  return absl::StrCat("(", Spell(fraction.numerator), ")/(", Spell(fraction.denominator), ")");
}

int ExactAlgebra::GeneratorOf(const std::string& key, GeneratorKind kind, const mpz_class& prime) {
  const auto [at, added] = keys_.emplace(key, static_cast<int>(generators_.size()));
  if (added) generators_.push_back({kind, prime});
  return at->second;
}

ExactAlgebra::Fraction ExactAlgebra::Single(int generator, Exponent exponent) const {
  Fraction fraction;
  fraction.numerator[{{generator, exponent}}] = 1;
  fraction.denominator[{}] = 1;
  return fraction;
}

ExactAlgebra::Fraction ExactAlgebra::Opaque(const std::string& key) {
  complete_ = false;
  return Single(GeneratorOf(key, GeneratorKind::kFree));
}

ExactAlgebra::Result ExactAlgebra::Convert(const NodePtr& node) {
  if (node == nullptr || !budget_.Spend()) return std::nullopt;
  switch (node->kind) {
    case Kind::kNumber:
      if (!Fits(node->value)) return std::nullopt;
      return Constant(node->value);
    case Kind::kSymbol:
      return Single(GeneratorOf("symbol " + node->name, GeneratorKind::kFree));
    case Kind::kConstant:
      if (node->name == "infinity") return std::nullopt;
      return Single(GeneratorOf("constant " + node->name, node->name == "i"
                                                              ? GeneratorKind::kImaginaryUnit
                                                              : GeneratorKind::kFree));
    case Kind::kSum:
      return ConvertSum(node);
    case Kind::kProduct:
      return ConvertProduct(node);
    case Kind::kPercent: {
      const Result child = Convert(node->children.front());
      return child ? Multiply(*child, Constant(mpq_class(1, 100))) : std::nullopt;
    }
    case Kind::kPower:
      return ConvertPower(node);
    case Kind::kFunction:
      return ConvertFunction(node);
    default:
      return std::nullopt;
  }
}

ExactAlgebra::Result ExactAlgebra::ConvertSum(const NodePtr& node) {
  Result sum = Constant(0);
  for (const NodePtr& child : node->children) {
    const Result term = Convert(child);
    sum = term && sum ? Add(*sum, *term) : std::nullopt;
    if (!sum) return std::nullopt;
  }
  return sum;
}

ExactAlgebra::Result ExactAlgebra::ConvertProduct(const NodePtr& node) {
  Result product = Constant(1);
  for (const NodePtr& child : node->children) {
    const Result factor = Convert(child);
    product = factor && product ? Multiply(*product, *factor) : std::nullopt;
    if (!product) return std::nullopt;
  }
  return product;
}

ExactAlgebra::Result ExactAlgebra::ConvertPower(const NodePtr& node) {
  const Result exponent = Convert(node->children[1]);
  if (!exponent) return std::nullopt;
  const Result base = Convert(node->children[0]);
  if (!base) return std::nullopt;
  const std::optional<mpq_class> rational = AsRational(*exponent);
  if (!rational) return Opaque(absl::StrCat("power ", Spell(*base), " ", Spell(*exponent)));
  if (rational->get_den() == 1) return IntegerPower(*base, rational->get_num());
  return RootPower(*base, *rational);
}

ExactAlgebra::Result ExactAlgebra::ConvertFunction(const NodePtr& node) {
  if (node->name == "sum" || node->name == "prod") return std::nullopt;
  std::vector<mpq_class> numbers;
  std::string key = node->name;
  for (const NodePtr& child : node->children) {
    const Result argument = Convert(child);
    if (!argument) return std::nullopt;
    absl::StrAppend(&key, " ", Spell(*argument));
    const std::optional<mpq_class> number = AsRational(*argument);
    if (number) numbers.push_back(*number);
  }
  if (numbers.size() == node->children.size()) {
    const std::optional<mpq_class> value = ApplyToRationals(node->name, numbers, budget_);
    if (value) return Constant(*value);
    if (budget_.exhausted()) return std::nullopt;
  }
  return Opaque(key);
}

bool ExactAlgebra::Fits(const mpq_class& value) {
  const size_t bits =
      std::max(mpz_sizeinbase(value.get_num_mpz_t(), 2), mpz_sizeinbase(value.get_den_mpz_t(), 2));
  if (bits > budget_.limits().max_number_bits) {
    budget_.Exhaust("a number is too large");
    return false;
  }
  // Products and greatest common divisors of long numbers cost about the square of their length.
  const int64_t words = static_cast<int64_t>(bits / 64);
  return budget_.Spend(1 + words + words * words / 64);
}

bool ExactAlgebra::Append(int generator, Exponent exponent, Monomial& product, mpq_class& factor) {
  const Generator& kind = generators_[static_cast<size_t>(generator)];
  const int whole = exponent.numerator / exponent.denominator;
  if (kind.kind == GeneratorKind::kPrime && whole > 0) {
    const size_t bits = mpz_sizeinbase(kind.prime.get_mpz_t(), 2) * static_cast<size_t>(whole);
    if (bits > budget_.limits().max_number_bits) {
      budget_.Exhaust("a number is too large");
      return false;
    }
    mpz_class power;
    mpz_pow_ui(power.get_mpz_t(), kind.prime.get_mpz_t(), static_cast<unsigned long>(whole));
    factor *= power;
    exponent.numerator -= whole * exponent.denominator;
  } else if (kind.kind == GeneratorKind::kImaginaryUnit && exponent.denominator == 1) {
    if (whole % 4 >= 2) factor = -factor;
    exponent.numerator = whole % 2;
  }
  if (exponent.numerator != 0) product.emplace_back(generator, exponent);
  return true;
}

bool ExactAlgebra::MultiplyMonomials(const Monomial& a, const Monomial& b, Monomial& product,
                                     mpq_class& factor) {
  size_t i = 0;
  size_t j = 0;
  while (i < a.size() || j < b.size()) {
    if (j == b.size() || (i < a.size() && a[i].first < b[j].first)) {
      product.push_back(a[i++]);
    } else if (i == a.size() || b[j].first < a[i].first) {
      product.push_back(b[j++]);
    } else {
      const Exponent x = a[i].second;
      const Exponent y = b[j].second;
      const int64_t denominator = std::lcm<int64_t>(x.denominator, y.denominator);
      const int64_t numerator =
          x.numerator * (denominator / x.denominator) + y.numerator * (denominator / y.denominator);
      const int64_t common = std::gcd(numerator, denominator);
      if (numerator / common > kLargestExponent || denominator / common > kLargestExponent) {
        budget_.Exhaust("an exponent is too large");
        return false;
      }
      const Exponent sum = {static_cast<int>(numerator / common),
                            static_cast<int>(denominator / common)};
      if (!Append(a[i].first, sum, product, factor)) return false;
      ++i;
      ++j;
    }
  }
  return budget_.Spend(static_cast<int64_t>(1 + product.size()));
}

std::optional<ExactAlgebra::Polynomial> ExactAlgebra::Multiply(const Polynomial& a,
                                                               const Polynomial& b) {
  Polynomial product;
  for (const auto& [left, left_coefficient] : a) {
    for (const auto& [right, right_coefficient] : b) {
      Monomial monomial;
      mpq_class coefficient = left_coefficient * right_coefficient;
      if (!MultiplyMonomials(left, right, monomial, coefficient) || !Fits(coefficient)) {
        return std::nullopt;
      }
      mpq_class& sum = product[monomial];
      sum += coefficient;
      if (sum == 0) product.erase(monomial);
    }
    if (product.size() > budget_.limits().max_terms) {
      budget_.Exhaust("a polynomial has too many terms");
      return std::nullopt;
    }
  }
  return product;
}

bool ExactAlgebra::AddTo(Polynomial& sum, const Polynomial& other, int sign) {
  for (const auto& [monomial, coefficient] : other) {
    mpq_class& at = sum[monomial];
    at += sign * coefficient;
    if (!Fits(at)) return false;
    if (at == 0) sum.erase(monomial);
  }
  return sum.size() <= budget_.limits().max_terms;
}

ExactAlgebra::Result ExactAlgebra::Add(const Fraction& a, const Fraction& b) {
  Fraction sum;
  if (a.denominator == b.denominator) {
    sum = a;
    if (!AddTo(sum.numerator, b.numerator, 1)) return std::nullopt;
    return sum;
  }
  const std::optional<Polynomial> left = Multiply(a.numerator, b.denominator);
  const std::optional<Polynomial> right = Multiply(b.numerator, a.denominator);
  std::optional<Polynomial> below = Multiply(a.denominator, b.denominator);
  if (!left || !right || !below) return std::nullopt;
  sum.numerator = *left;
  if (!AddTo(sum.numerator, *right, 1)) return std::nullopt;
  sum.denominator = *std::move(below);
  return sum;
}

ExactAlgebra::Result ExactAlgebra::Multiply(const Fraction& a, const Fraction& b) {
  std::optional<Polynomial> above = Multiply(a.numerator, b.numerator);
  std::optional<Polynomial> below = Multiply(a.denominator, b.denominator);
  if (!above || !below) return std::nullopt;
  // Constants go above, so that equal denominators are found to be equal.
  if (below->size() == 1 && below->begin()->first.empty() && below->begin()->second != 1) {
    for (auto& [monomial, coefficient] : *above) coefficient /= below->begin()->second;
    below->begin()->second = 1;
  }
  return Fraction{*std::move(above), *std::move(below)};
}

std::optional<ExactAlgebra::Polynomial> ExactAlgebra::PolynomialPower(const Polynomial& base,
                                                                      unsigned long exponent) {
  Polynomial power;
  power[{}] = 1;
  if (base.size() == 1 && base.begin()->first.empty()) {
    const mpq_class& value = base.begin()->second;
    const size_t bits =
        mpz_sizeinbase(value.get_num_mpz_t(), 2) + mpz_sizeinbase(value.get_den_mpz_t(), 2);
    const bool unit = value == 1 || value == -1;
    if (!unit && exponent > budget_.limits().max_number_bits / (bits - 1)) {
      budget_.Exhaust("a number is too large");
      return std::nullopt;
    }
    mpq_class result;
    mpz_pow_ui(result.get_num_mpz_t(), value.get_num_mpz_t(), unit ? exponent % 2 : exponent);
    mpz_pow_ui(result.get_den_mpz_t(), value.get_den_mpz_t(), unit ? 1 : exponent);
    if (!Fits(result)) return std::nullopt;
    power[{}] = result;
    return power;
  }
  std::optional<Polynomial> square = base;
  std::optional<Polynomial> result = power;
  for (unsigned long rest = exponent; rest > 0; rest /= 2) {
    if (rest % 2 == 1) result = Multiply(*result, *square);
    if (result && rest > 1) square = Multiply(*square, *square);
    if (!result || !square) return std::nullopt;
  }
  return result;
}

ExactAlgebra::Result ExactAlgebra::IntegerPower(const Fraction& base, const mpz_class& exponent) {
  if (exponent == 0) return Constant(1);
  const mpz_class size = abs(exponent);
  if (base.numerator.empty()) {
    if (exponent < 0) return std::nullopt;  // 1/0
    return Constant(0);
  }
  if (!size.fits_ulong_p()) {
    budget_.Exhaust("an exponent is too large");
    return std::nullopt;
  }
  std::optional<Polynomial> above = PolynomialPower(base.numerator, size.get_ui());
  std::optional<Polynomial> below = PolynomialPower(base.denominator, size.get_ui());
  if (!above || !below) return std::nullopt;
  if (exponent < 0) std::swap(above, below);
  // For the constant below.
  return Multiply(Fraction{*std::move(above), *std::move(below)}, Constant(1));
}

}  // namespace tpo::math
