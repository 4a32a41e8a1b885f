#include "verifier/math/numeric.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <set>
#include <vector>

namespace tpo::math {
namespace {

using Complex = std::complex<long double>;
using State = Approximation::State;

constexpr long double kRounding = 2 * std::numeric_limits<long double>::epsilon();
constexpr long double kPi = 3.141592653589793238462643383279502884L;
constexpr long double kE = 2.718281828459045235360287471352662498L;

Approximation Undefined() { return {State::kUndefined, {}, 0.0L}; }
Approximation OutOfRange() { return {State::kOutOfRange, {}, 0.0L}; }

// Adds the rounding of the last operation, and finds what went wrong.
Approximation Finish(Complex value, long double error) {
  if (std::isnan(value.real()) || std::isnan(value.imag()) || std::isnan(error)) {
    return Undefined();
  }
  if (std::isinf(value.real()) || std::isinf(value.imag()) || std::isinf(error)) {
    return OutOfRange();
  }
  return {State::kFinite, value, error + kRounding * std::abs(value)};
}

// The first 64 bits, as a fraction of 2^exponent.
long double Mantissa(const mpz_class& integer, int& exponent) {
  mpz_class top = abs(integer);
  exponent = static_cast<int>(mpz_sizeinbase(top.get_mpz_t(), 2));
  const int surplus = exponent > 64 ? exponent - 64 : 0;
  mpz_fdiv_q_2exp(top.get_mpz_t(), top.get_mpz_t(), static_cast<mp_bitcnt_t>(surplus));
  const long double mantissa =
      std::ldexp(static_cast<long double>(top.get_ui()), surplus - exponent);
  return integer < 0 ? -mantissa : mantissa;
}

long double ToLongDouble(const mpq_class& value) {
  int above_exponent = 0;
  int below_exponent = 0;
  const long double above = Mantissa(value.get_num(), above_exponent);
  const long double below = Mantissa(value.get_den(), below_exponent);
  return std::ldexp(above / below, above_exponent - below_exponent);
}

// Smaller ones lose digits.
constexpr long double kSmallest = 1e-4800L;

Approximation Multiply(const Approximation& a, const Approximation& b) {
  if (a.value != Complex() && b.value != Complex() && std::abs(a.value * b.value) < kSmallest) {
    return OutOfRange();
  }
  return Finish(a.value * b.value,
                std::abs(a.value) * b.error + std::abs(b.value) * a.error + a.error * b.error);
}

bool IsZero(const Approximation& a) { return std::abs(a.value) <= a.error; }

Approximation IntegerPower(const Approximation& base, long exponent) {
  if (exponent < 0 && IsZero(base)) return Undefined();
  Approximation power = {State::kFinite, 1.0L, 0.0L};
  Approximation square = base;
  for (unsigned long rest = static_cast<unsigned long>(std::labs(exponent)); rest > 0; rest /= 2) {
    if (rest % 2 == 1) power = Multiply(power, square);
    if (power.state != State::kFinite) return power;
    if (rest > 1) square = Multiply(square, square);
    if (square.state != State::kFinite) return square;
  }
  if (exponent > 0) return power;
  if (IsZero(power)) return Undefined();
  const Complex inverse = 1.0L / power.value;
  return Finish(inverse, power.error * std::norm(inverse));
}

// f(x) with |f'| near x for the error.
Approximation Apply(const Approximation& x, Complex value, Complex derivative) {
  if (std::isnan(derivative.real()) || std::isnan(derivative.imag())) return Undefined();
  return Finish(value, 2 * x.error * std::abs(derivative));
}

Approximation Logarithm(const Approximation& x) {
  if (IsZero(x)) return Undefined();
  return Apply(x, std::log(x.value), 1.0L / x.value);
}

Approximation GeneralPower(const Approximation& base, const Approximation& exponent) {
  if (IsZero(base)) {
    if (exponent.value.real() <= 0.0L) return Undefined();
    return {State::kFinite, 0.0L, std::pow(base.error, exponent.value.real())};
  }
  const Approximation log = Logarithm(base);
  if (log.state != State::kFinite) return log;
  const Approximation product = Multiply(exponent, log);
  if (product.state != State::kFinite) return product;
  if (std::abs(product.value.real()) > 11000.0L) return OutOfRange();
  const Complex value = std::exp(product.value);
  return Apply(product, value, value);
}

using Assignment = std::map<std::string, long double>;

class Evaluator {
 public:
  Evaluator(const Assignment& variables, Budget& budget) : variables_(variables), budget_(budget) {}

  Approximation Run(const NodePtr& node) {
    if (!budget_.Spend(8)) return Undefined();
    switch (node->kind) {
      case Kind::kNumber:
        return Finish(ToLongDouble(node->value), 0.0L);
      case Kind::kConstant:
        return Constant(node->name);
      case Kind::kSymbol: {
        const auto found = variables_.find(node->name);
        return found == variables_.end() ? Undefined() : Finish(found->second, 0.0L);
      }
      case Kind::kSum:
        return Sum(node);
      case Kind::kProduct:
        return Product(node);
      case Kind::kPercent: {
        const Approximation child = Run(node->children.front());
        if (child.state != State::kFinite) return child;
        return Finish(child.value / 100.0L, child.error / 100.0L);
      }
      case Kind::kPower:
        return Power(node);
      case Kind::kFunction:
        return Call(node);
      default:
        return Undefined();
    }
  }

 private:
  static Approximation Constant(const std::string& name) {
    if (name == "pi") return Finish(kPi, 0.0L);
    if (name == "e") return Finish(kE, 0.0L);
    if (name == "i") return Finish({0.0L, 1.0L}, 0.0L);
    return Undefined();
  }

  Approximation Sum(const NodePtr& node) {
    Complex sum = 0.0L;
    long double error = 0.0L;
    State worst = State::kFinite;
    for (const NodePtr& child : node->children) {
      const Approximation term = Run(child);
      worst = std::max(worst, term.state);
      sum += term.value;
      error += term.error + kRounding * std::abs(sum);
    }
    return worst == State::kFinite ? Finish(sum, error) : Approximation{worst, {}, 0.0L};
  }

  Approximation Product(const NodePtr& node) {
    Approximation product = {State::kFinite, 1.0L, 0.0L};
    State worst = State::kFinite;
    for (const NodePtr& child : node->children) {
      const Approximation factor = Run(child);
      worst = std::max(worst, factor.state);
      if (worst == State::kFinite) product = Multiply(product, factor);
      worst = std::max(worst, product.state);
    }
    return worst == State::kFinite ? product : Approximation{worst, {}, 0.0L};
  }

  Approximation Power(const NodePtr& node) {
    const NodePtr& exponent_node = node->children[1];
    const Approximation base = Run(node->children[0]);
    if (base.state != State::kFinite) return base;
    // The exponent as a rational, to know integers and odd roots for sure.
    std::optional<mpq_class> rational;
    if (exponent_node->kind == Kind::kNumber) rational = exponent_node->value;
    if (!rational && exponent_node->depth <= 4 && Variables(exponent_node).empty()) {
      rational = ExactAlgebra(budget_).RationalValue(exponent_node);
      budget_.Recover();
    }
    if (rational && rational->get_den() == 1 && abs(rational->get_num()) <= 1'000'000) {
      return IntegerPower(base, rational->get_num().get_si());
    }
    const Approximation exponent =
        rational ? Finish(ToLongDouble(*rational), 0.0L) : Run(exponent_node);
    if (exponent.state != State::kFinite) return exponent;
    const bool real = std::abs(base.value.imag()) <= base.error;
    if (rational && real && base.value.real() < 0.0L && rational->get_den() != 1 &&
        mpz_odd_p(rational->get_den_mpz_t()) != 0) {
      Approximation root = GeneralPower({base.state, -base.value.real(), base.error}, exponent);
      if (mpz_odd_p(rational->get_num_mpz_t()) != 0) root.value = -root.value;
      return root;
    }
    return GeneralPower(base, exponent);
  }

  Approximation Call(const NodePtr& node) {
    std::vector<Approximation> arguments;
    for (const NodePtr& child : node->children) {
      arguments.push_back(Run(child));
      if (arguments.back().state != State::kFinite) return arguments.back();
    }
    const std::string& name = node->name;
    if (name == "log" && arguments.size() == 2) {
      const Approximation base = Logarithm(arguments[1]);
      const Approximation log = Logarithm(arguments[0]);
      if (base.state != State::kFinite || log.state != State::kFinite) return Undefined();
      const Approximation inverse = IntegerPower(base, -1);
      return inverse.state == State::kFinite ? Multiply(log, inverse) : inverse;
    }
    if (name == "max" || name == "min") return Extreme(arguments, name == "max");
    if (name == "binomial" && arguments.size() == 2) return Binomial(arguments[0], arguments[1]);
    if (arguments.size() != 1) return Undefined();
    const Approximation& x = arguments.front();
    if (name == "abs") return Finish(std::abs(x.value), x.error);
    if (name == "floor" || name == "ceil") return Round(x, name == "floor");
    if (name == "factorial") return Factorial(x);
    return Elementary(name, x);
  }

  static Approximation Extreme(const std::vector<Approximation>& arguments, bool largest) {
    Approximation best = arguments.front();
    for (const Approximation& next : arguments) {
      if (std::abs(next.value.imag()) > next.error) return Undefined();
      if ((next.value.real() > best.value.real()) == largest) best = next;
    }
    return best;
  }

  static Approximation Round(const Approximation& x, bool down) {
    const long double value = x.value.real();
    const long double nearest = std::round(value);
    if (std::abs(x.value.imag()) > x.error) return Undefined();
    if (std::abs(value - nearest) <= x.error) return Finish(nearest, 0.0L);
    return Finish(down ? std::floor(value) : std::ceil(value), 0.0L);
  }

  // x! = gamma(x + 1), for real x.
  static Approximation Factorial(const Approximation& x) {
    const long double value = x.value.real();
    if (std::abs(x.value.imag()) > x.error || value > 1700.0L) return Undefined();
    if (value < 0.0L && std::abs(value - std::round(value)) <= x.error) return Undefined();
    const long double gamma = std::tgamma(value + 1.0L);
    return Finish(gamma, std::abs(gamma) * (x.error * 10.0L + 64 * kRounding));
  }

  static Approximation Binomial(const Approximation& n, const Approximation& k) {
    const Approximation above = Factorial(n);
    const Approximation left = Factorial(k);
    const Approximation right = Factorial(Finish(n.value - k.value, n.error + k.error));
    if (above.state != State::kFinite || left.state != State::kFinite ||
        right.state != State::kFinite) {
      return Undefined();
    }
    const Approximation inverse = IntegerPower(Multiply(left, right), -1);
    return inverse.state == State::kFinite ? Multiply(above, inverse) : inverse;
  }

  static Approximation Elementary(const std::string& name, const Approximation& x) {
    const Complex v = x.value;
    const Complex one = 1.0L;
    const bool pole = std::abs(v) <= x.error;
    if (std::abs(v.imag()) > 11300.0L) return OutOfRange();
    if (name == "sin") return Apply(x, std::sin(v), std::cos(v));
    if (name == "cos") return Apply(x, std::cos(v), std::sin(v));
    if (name == "tan" || name == "sec") {
      const Complex cosine = std::cos(v);
      if (std::abs(cosine) <= 4 * x.error) return Undefined();
      if (name == "sec") return Apply(x, one / cosine, std::sin(v) / (cosine * cosine));
      return Apply(x, std::sin(v) / cosine, one / (cosine * cosine));
    }
    if (name == "cot" || name == "csc") {
      const Complex sine = std::sin(v);
      if (std::abs(sine) <= 4 * x.error) return Undefined();
      if (name == "csc") return Apply(x, one / sine, std::cos(v) / (sine * sine));
      return Apply(x, std::cos(v) / sine, one / (sine * sine));
    }
    if (name == "asin") return Apply(x, std::asin(v), one / Guarded(std::sqrt(one - v * v)));
    if (name == "acos") return Apply(x, std::acos(v), one / Guarded(std::sqrt(one - v * v)));
    if (name == "atan") return Apply(x, std::atan(v), one / Guarded(one + v * v));
    if (name == "acot") {
      if (pole) return Finish(kPi / 2, x.error);
      return Apply(x, std::atan(one / v), one / Guarded(one + v * v));
    }
    if (name == "asec" && !pole) return Apply(x, std::acos(one / v), one / Guarded(v * v - one));
    if (name == "acsc" && !pole) return Apply(x, std::asin(one / v), one / Guarded(v * v - one));
    if (std::abs(v.real()) > 11300.0L) return OutOfRange();
    if (name == "sinh") return Apply(x, std::sinh(v), std::cosh(v));
    if (name == "cosh") return Apply(x, std::cosh(v), std::sinh(v));
    if (name == "tanh") return Apply(x, std::tanh(v), one);
    if (name == "coth" && !pole) return Apply(x, one / std::tanh(v), one / (v * v));
    if (name == "asinh") return Apply(x, std::asinh(v), one / Guarded(std::sqrt(one + v * v)));
    if (name == "acosh") return Apply(x, std::acosh(v), one / Guarded(std::sqrt(v * v - one)));
    if (name == "atanh") return Apply(x, std::atanh(v), one / Guarded(one - v * v));
    return Undefined();
  }

  // Keeps the derivative finite at the end of a domain, where it isn't.
  static Complex Guarded(Complex divisor) {
    return std::abs(divisor) < 1e-9L ? Complex(1e-9L) : divisor;
  }

  const Assignment& variables_;
  Budget& budget_;
};

// Magnitudes away from 0 and 1 with nothing in common; signs vary with point and variable.
Assignment Point(const std::set<std::string>& names, size_t point) {
  static constexpr std::array<long double, 7> kMagnitudes = {
      0.7320381L, 1.6180717L, 2.2360943L, 0.4142397L, 3.1071421L, 1.2599273L, 0.5772411L};
  Assignment variables;
  size_t index = 0;
  for (const std::string& name : names) {
    const long double magnitude = kMagnitudes[(index * 3 + point * 2) % kMagnitudes.size()] +
                                  0.0137L * static_cast<long double>(index + 5 * point);
    // The first point is positive for all, the second negative for all.
    const bool negative = point == 1 || (point > 1 && ((point >> (index % 3)) & 1) == 0);
    variables[name] = negative ? -magnitude : magnitude;
    ++index;
  }
  return variables;
}

Comparison CompareAt(const Approximation& a, const Approximation& b) {
  if (a.state != b.state) return Comparison::kDifferent;
  if (a.state != State::kFinite) return Comparison::kUnknown;
  const long double scale = std::max(std::abs(a.value), std::abs(b.value));
  const long double error = a.error + b.error;
  if (error > 1e-8L * std::max(scale, 1e-3L)) return Comparison::kUnknown;
  const long double tolerance = std::max(16 * error, 1e-15L * scale);
  return std::abs(a.value - b.value) <= tolerance ? Comparison::kEqual : Comparison::kDifferent;
}

}  // namespace

Approximation Evaluate(const NodePtr& node, const std::map<std::string, long double>& variables,
                       Budget& budget) {
  return Evaluator(variables, budget).Run(node);
}

std::optional<long double> RealValue(const NodePtr& node, Budget& budget) {
  const Approximation value = Evaluate(node, {}, budget);
  if (value.state != State::kFinite) return std::nullopt;
  if (std::abs(value.value.imag()) > 16 * value.error) return std::nullopt;
  return value.value.real();
}

Comparison CompareNumerically(const NodePtr& a, const NodePtr& b, Budget& budget) {
  std::set<std::string> names = Variables(a);
  names.merge(Variables(b));
  const size_t points = names.empty() ? 1 : 8;
  size_t equal = 0;
  size_t different_states = 0;
  for (size_t point = 0; point < points; ++point) {
    const Assignment at = Point(names, point);
    const Approximation left = Evaluate(a, at, budget);
    const Approximation right = Evaluate(b, at, budget);
    if (budget.exhausted()) return Comparison::kUnknown;
    const Comparison result = CompareAt(left, right);
    if (result == Comparison::kEqual) ++equal;
    if (result == Comparison::kDifferent && left.state == right.state) return result;
    if (result == Comparison::kDifferent) ++different_states;
  }
  if (different_states > 0) {
    // Defined here and not there: different for constants, perhaps only a hole for variables.
    return names.empty() || equal == 0 ? Comparison::kDifferent : Comparison::kUnknown;
  }
  return equal > (points - 1) / 3 ? Comparison::kEqual : Comparison::kUnknown;
}

}  // namespace tpo::math
