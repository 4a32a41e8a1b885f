// Exact comparison: expressions as quotients of multivariate polynomials with rational
// coefficients.
//
// The polynomials' variables are the expression's own, i with i^2 = -1, pi, e, roots of primes
// (sqrt(12) is 2 * 3^(1/2)), and one for each subexpression that isn't understood further, such as
// sin(x): equal subexpressions share one. a/b = c/d is decided by ad - bc = 0.
//
// Equality is a proof. So is difference, as long as nothing but variables, constants and roots of
// rationals occurs: roots of different primes are linearly independent over the rationals.
//
// Exact integers are GMP's; no intermediate result exceeds the budget's bits and terms.
#ifndef TPO_VERIFIER_MATH_EXACT_FORM_H_
#define TPO_VERIFIER_MATH_EXACT_FORM_H_

#include <gmpxx.h>

#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "verifier/math/expression.h"

namespace tpo::math {

enum class Comparison { kEqual, kDifferent, kUnknown };

class ExactAlgebra {
 public:
  explicit ExactAlgebra(Budget& budget) : budget_(budget) {}

  // kUnknown as well when the budget is exhausted.
  Comparison Compare(const NodePtr& a, const NodePtr& b);

  // The value of an expression that is a rational number.
  std::optional<mpq_class> RationalValue(const NodePtr& node);

 private:
  struct Exponent {
    int numerator = 0;
    int denominator = 1;
    auto operator<=>(const Exponent&) const = default;
  };
  // By generator, none with exponent 0. No exponent is negative.
  using Monomial = std::vector<std::pair<int, Exponent>>;
  using Polynomial = std::map<Monomial, mpq_class>;  // no coefficient 0
  struct Fraction {
    Polynomial numerator;
    Polynomial denominator;
  };
  using Result = std::optional<Fraction>;
  static constexpr int kLargestExponent = 1'000'000;
  enum class GeneratorKind { kFree, kPrime, kImaginaryUnit };
  struct Generator {
    GeneratorKind kind = GeneratorKind::kFree;
    mpz_class prime;
  };

  static Fraction Constant(const mpq_class& value);
  static std::optional<mpq_class> AsRational(const Fraction& fraction);
  static std::string Spell(const Polynomial& polynomial);
  static std::string Spell(const Fraction& fraction);

  int GeneratorOf(const std::string& key, GeneratorKind kind, const mpz_class& prime = 0);
  Fraction Single(int generator, Exponent exponent = {1, 1}) const;
  Fraction Opaque(const std::string& key);

  Result Convert(const NodePtr& node);
  Result ConvertSum(const NodePtr& node);
  Result ConvertProduct(const NodePtr& node);
  Result ConvertPower(const NodePtr& node);
  Result ConvertFunction(const NodePtr& node);

  bool Fits(const mpq_class& value);
  bool MultiplyMonomials(const Monomial& a, const Monomial& b, Monomial& product,
                         mpq_class& factor);
  bool Append(int generator, Exponent exponent, Monomial& product, mpq_class& factor);
  std::optional<Polynomial> Multiply(const Polynomial& a, const Polynomial& b);
  bool AddTo(Polynomial& sum, const Polynomial& other, int sign);
  Result Add(const Fraction& a, const Fraction& b);
  Result Multiply(const Fraction& a, const Fraction& b);
  Result IntegerPower(const Fraction& base, const mpz_class& exponent);
  std::optional<Polynomial> PolynomialPower(const Polynomial& base, unsigned long exponent);
  // exact_roots.cc
  Result RootPower(const Fraction& base, const mpq_class& exponent);
  Result RationalRoot(const mpq_class& base, const mpq_class& exponent);
  bool AppendRoots(mpz_class positive, const mpq_class& exponent, Fraction& product);

  Budget& budget_;
  std::map<std::string, int> keys_;
  std::vector<Generator> generators_;
  bool complete_ = true;  // generators are independent
};

}  // namespace tpo::math

#endif  // TPO_VERIFIER_MATH_EXACT_FORM_H_
