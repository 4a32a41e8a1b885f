#include "verifier/math/integer_functions.h"

#include <algorithm>

namespace tpo::math {
namespace {

mpz_class Floor(const mpq_class& value) {
  mpz_class floor;
  mpz_fdiv_q(floor.get_mpz_t(), value.get_num_mpz_t(), value.get_den_mpz_t());
  return floor;
}

bool IsCount(const mpq_class& value) { return value.get_den() == 1 && value >= 0; }

std::optional<mpq_class> Factorial(const mpq_class& n, Budget& budget) {
  if (!IsCount(n)) return std::nullopt;
  // n! has less than n * log2(n) bits.
  const size_t bits = mpz_sizeinbase(n.get_num_mpz_t(), 2);
  if (n * static_cast<unsigned long>(bits) > budget.limits().max_number_bits) {
    budget.Exhaust("a number is too large");
    return std::nullopt;
  }
  if (!budget.Spend(static_cast<int64_t>(n.get_num().get_ui()))) return std::nullopt;
  mpz_class factorial;
  mpz_fac_ui(factorial.get_mpz_t(), n.get_num().get_ui());
  return mpq_class(factorial);
}

std::optional<mpq_class> Binomial(const mpq_class& n, const mpq_class& k, Budget& budget) {
  if (!IsCount(n) || !IsCount(k)) return std::nullopt;
  if (k > n) return mpq_class(0);
  if (n > budget.limits().max_number_bits) {  // it has up to n bits
    budget.Exhaust("a number is too large");
    return std::nullopt;
  }
  if (!budget.Spend(static_cast<int64_t>(n.get_num().get_ui()))) return std::nullopt;
  mpz_class binomial;
  mpz_bin_ui(binomial.get_mpz_t(), n.get_num_mpz_t(), k.get_num().get_ui());
  return mpq_class(binomial);
}

std::optional<mpq_class> CommonDivisor(const std::vector<mpq_class>& values, bool multiple) {
  mpz_class result = multiple ? 1 : 0;
  for (const mpq_class& value : values) {
    if (value.get_den() != 1) return std::nullopt;
    if (multiple) {
      result = lcm(result, value.get_num());
    } else {
      result = gcd(result, value.get_num());
    }
  }
  return mpq_class(result);
}

std::optional<mpq_class> Logarithm(const mpq_class& value, const mpq_class& base) {
  if (value <= 0 || base <= 0 || base == 1) return std::nullopt;
  mpq_class power = 1;
  for (int exponent = 0; exponent < 64; ++exponent) {
    if (power == value) return mpq_class(exponent);
    if (power * value == 1) return mpq_class(-exponent);
    power *= base;
    if (mpz_sizeinbase(power.get_num_mpz_t(), 2) > 4096) break;
  }
  return std::nullopt;
}

}  // namespace

std::optional<mpq_class> ApplyToRationals(std::string_view function,
                                          const std::vector<mpq_class>& arguments, Budget& budget) {
  if (arguments.empty()) return std::nullopt;
  const mpq_class& first = arguments.front();
  if (function == "gcd" || function == "lcm") {
    size_t bits = 0;
    for (const mpq_class& argument : arguments) {
      bits += mpz_sizeinbase(argument.get_num_mpz_t(), 2);
    }
    if (bits > budget.limits().max_number_bits) {
      budget.Exhaust("a number is too large");
      return std::nullopt;
    }
    return CommonDivisor(arguments, function == "lcm");
  }
  if (function == "max") return *std::max_element(arguments.begin(), arguments.end());
  if (function == "min") return *std::min_element(arguments.begin(), arguments.end());
  if (arguments.size() == 2) {
    const mpq_class& second = arguments[1];
    if (function == "binomial") return Binomial(first, second, budget);
    if (function == "log") return Logarithm(first, second);
    if (function == "mod" && second != 0) {
      return mpq_class(first - second * Floor(mpq_class(first / second)));
    }
    return std::nullopt;
  }
  if (function == "abs") return mpq_class(abs(first));
  if (function == "floor") return mpq_class(Floor(first));
  if (function == "ceil") return mpq_class(-Floor(-first));
  if (function == "factorial") return Factorial(first, budget);
  return std::nullopt;
}

}  // namespace tpo::math
