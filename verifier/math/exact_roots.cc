#include <cstdlib>

#include "absl/strings/str_cat.h"
#include "verifier/math/exact_form.h"

namespace tpo::math {
namespace {

// Above this, what is left of a number after division by small primes may be composite.
constexpr unsigned long kLargestTriedPrime = 1000;

}  // namespace

ExactAlgebra::Result ExactAlgebra::RootPower(const Fraction& base, const mpq_class& exponent) {
  if (!exponent.get_num().fits_sint_p() || !exponent.get_den().fits_sint_p() ||
      abs(exponent.get_num()) > kLargestExponent || exponent.get_den() > kLargestExponent) {
    budget_.Exhaust("an exponent is too large");
    return std::nullopt;
  }
  const std::optional<mpq_class> rational = AsRational(base);
  if (rational) return RationalRoot(*rational, exponent);
  const Polynomial& above = base.numerator;
  const bool single = base.denominator.size() == 1 && base.denominator.begin()->first.empty() &&
                      above.size() == 1 && above.begin()->second == 1 &&
                      above.begin()->first.size() == 1 &&
                      above.begin()->first.front().second == Exponent{1, 1};
  const std::string key = absl::StrCat("power ", Spell(base), " ", exponent.get_str());
  if (!single) return Opaque(key);
  const int generator = above.begin()->first.front().first;
  if (generators_[static_cast<size_t>(generator)].kind != GeneratorKind::kFree) return Opaque(key);
  complete_ = false;
  Fraction power = Single(generator, {std::abs(static_cast<int>(exponent.get_num().get_si())),
                                      static_cast<int>(exponent.get_den().get_si())});
  if (exponent < 0) std::swap(power.numerator, power.denominator);
  return power;
}

ExactAlgebra::Result ExactAlgebra::RationalRoot(const mpq_class& base, const mpq_class& exponent) {
  if (base == 0) return exponent > 0 ? Result(Constant(0)) : std::nullopt;
  Fraction product = Constant(1);
  if (base < 0) {
    // Odd roots of negative numbers are the real ones.
    const bool odd_power = mpz_odd_p(exponent.get_num_mpz_t()) != 0;
    if (mpz_odd_p(exponent.get_den_mpz_t()) != 0) {
      if (odd_power) product = Constant(-1);
    } else if (exponent.get_den() == 2) {
      const Result unit = IntegerPower(
          Single(GeneratorOf("constant i", GeneratorKind::kImaginaryUnit)), exponent.get_num());
      if (!unit) return std::nullopt;
      product = *unit;
    } else {
      return Opaque(absl::StrCat("power ", base.get_str(), " ", exponent.get_str()));
    }
  }
  const mpz_class above = abs(base.get_num());
  if (!AppendRoots(above, exponent, product)) return std::nullopt;
  if (!AppendRoots(base.get_den(), -exponent, product)) return std::nullopt;
  return product;
}

bool ExactAlgebra::AppendRoots(mpz_class positive, const mpq_class& exponent, Fraction& product) {
  const auto append = [&](const mpz_class& prime, unsigned long multiplicity) {
    const mpq_class power = exponent * multiplicity;
    const int generator = GeneratorOf("prime " + prime.get_str(), GeneratorKind::kPrime, prime);
    if (abs(power.get_num()) > kLargestExponent || power.get_den() > kLargestExponent) {
      budget_.Exhaust("an exponent is too large");
      return false;
    }
    Fraction factor;
    mpq_class coefficient = 1;
    Monomial monomial;
    if (!Append(generator,
                {std::abs(static_cast<int>(power.get_num().get_si())),
                 static_cast<int>(power.get_den().get_si())},
                monomial, coefficient)) {
      return false;
    }
    factor.numerator[monomial] = coefficient;
    factor.denominator[{}] = 1;
    if (power < 0) std::swap(factor.numerator, factor.denominator);
    const Result next = Multiply(product, factor);
    if (next) product = *next;
    return next.has_value();
  };
  const size_t words = mpz_size(positive.get_mpz_t());
  if (!budget_.Spend(static_cast<int64_t>(kLargestTriedPrime + 64 * words))) return false;
  for (unsigned long prime = 2; prime <= kLargestTriedPrime && positive > 1; ++prime) {
    unsigned long multiplicity = 0;
    while (mpz_divisible_ui_p(positive.get_mpz_t(), prime) != 0) {
      if (!budget_.Spend(4)) return false;
      mpz_divexact_ui(positive.get_mpz_t(), positive.get_mpz_t(), prime);
      ++multiplicity;
    }
    if (multiplicity > 0 && !append(prime, multiplicity)) return false;
  }
  if (positive == 1) return true;
  // What is left has large factors only: perhaps a power of one, perhaps a product of several.
  unsigned long multiplicity = 1;
  mpz_class root;
  for (unsigned long index = 7; index >= 2; --index) {
    if (mpz_root(root.get_mpz_t(), positive.get_mpz_t(), index) != 0) {
      positive = root;
      multiplicity = index;
      break;
    }
  }
  if (positive > kLargestTriedPrime * kLargestTriedPrime) complete_ = false;
  return append(positive, multiplicity);
}

}  // namespace tpo::math
