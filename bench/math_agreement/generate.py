"""Writes the corpus of pairs (reference, completion) on which our verdicts are compared with math-verify's.

    python3 generate.py > pairs.jsonl

One JSON object a line: class, reference, completion. Deterministic. About half of the pairs of a class are meant to
be equivalent, the others are near misses: what a model that errs would write. What is right is not recorded; the
judge is math-verify (see compare.py).
"""

import json
import math
import random
import sys
from fractions import Fraction

PAIRS_PER_CLASS = 52
SEED = 20260724

PROSE = [
    "We simplify step by step and get the result.\n\nThe answer is ${}$.",
    "Therefore, the final answer is $\\boxed{{{}}}$.",
    "So we obtain\n\\[\n\\boxed{{{}}}\n\\]",
    "First note that $n = 3$ works. Hence the answer is \\boxed{{{}}}.",
    "**Answer:** ${}$",
    "Final Answer: The final answer is ${}$. I hope it is correct.",
    "Let me compute this. After some algebra we find ${}$",
    "Thus \\({}\\) is the answer.",
    "\\boxed{{{}}}",
    "Let $k = 7$. Then a short computation gives $${}$$",
]


def frac(value, rng=None):
    """A fraction in LaTeX, in one of its spellings."""
    value = Fraction(value)
    sign = "-" if value < 0 else ""
    a, b = abs(value.numerator), value.denominator
    if b == 1:
        return f"{sign}{a}"
    spellings = [f"\\frac{{{a}}}{{{b}}}", f"\\dfrac{{{a}}}{{{b}}}", f"\\tfrac{{{a}}}{{{b}}}"]
    if rng is None:
        return sign + spellings[0]
    if a < 10 and b < 10:
        spellings.append(f"\\frac{a}{b}")
    spellings.append(f"{a}/{b}")
    return sign + rng.choice(spellings)


def near(rng, value):
    """A wrong value that looks right."""
    return rng.choice([value + 1, value - 1, -value if value else 1, value * 2, value + 10])


def group(value):
    return f"{value:,}"


def poly(coefficients, variable="x"):
    """A polynomial from its coefficients, highest first."""
    terms = []
    degree = len(coefficients) - 1
    for i, c in enumerate(coefficients):
        power = degree - i
        if c == 0:
            continue
        name = (
            ""
            if power == 0
            else (
                variable
                if power == 1
                else f"{variable}^{power}" if power < 10 else f"{variable}^{{{power}}}"
            )
        )
        size = "" if abs(c) == 1 and name else str(abs(c))
        terms.append(("-" if c < 0 else "+") + size + name)
    text = "".join(terms) or "0"
    return text[1:] if text[0] == "+" else text


def multiply(a, b):
    product = [0] * (len(a) + len(b) - 1)
    for i, x in enumerate(a):
        for j, y in enumerate(b):
            product[i + j] += x * y
    return product


def linear(root, variable="x"):
    return (
        variable if root == 0 else f"({variable}-{root})" if root > 0 else f"({variable}+{-root})"
    )


def integers(rng):
    n = rng.randint(-500, 5000)
    return str(n), rng.choice(
        [
            str(n),
            f"+{n}" if n > 0 else str(n),
            f"{n}.0",
            f"({n})",
            str(near(rng, n)),
            str(near(rng, n)),
            f"{n}5",
        ]
    )


def decimals_and_fractions(rng):
    value = Fraction(rng.randint(1, 99), rng.choice([2, 4, 5, 8, 10, 20, 25]))
    wrong = value + Fraction(1, rng.choice([10, 100, 7]))
    a, b = rng.choice([(value, value), (value, value), (value, wrong)])
    decimal = str(float(b))
    return (frac(a), decimal) if rng.random() < 0.5 else (decimal, frac(a, rng))


def rounded_decimals(rng):
    value = Fraction(rng.randint(1, 40), rng.choice([3, 6, 7, 9, 11, 13]))
    digits = rng.choice([2, 3, 4, 5, 6, 7, 8, 10])
    text = f"{float(value):.{digits}f}"
    if rng.random() < 0.2:
        text = text[:-1] + str((int(text[-1]) + 1) % 10)
    return (frac(value), text) if rng.random() < 0.6 else (text, frac(value))


def decimals_and_decimals(rng):
    value = round(rng.uniform(-50, 50), rng.choice([1, 2, 3, 4]))
    other = rng.choice(
        [
            value,
            f"{value}0",
            f"{value}00",
            round(value + 0.1, 4),
            round(value + 0.0000001, 8),
            round(value + 0.00001, 6),
            -value,
        ]
    )
    return str(value), str(other)


def thousands(rng):
    n = rng.choice([rng.randint(1000, 999999), rng.randint(10**6, 10**9)])
    m = rng.choice([n, n, n, near(rng, n), n * 10])
    a = rng.choice([group(n), str(n), group(n).replace(",", "{,}"), group(n).replace(",", ",\\!")])
    b = rng.choice(
        [
            group(m),
            str(m),
            group(m).replace(",", "{,}"),
            group(m).replace(",", "\\,"),
            group(m).replace(",", ",\\!"),
        ]
    )
    return a, b


def percents(rng):
    n = rng.randint(1, 120)
    value = Fraction(n, 100)
    right = [
        f"{n}\\%",
        f"{n}",
        frac(value, rng),
        str(float(value)),
        f"{n}.0\\%",
        f"{n} \\%",
        f"{n}\\text{{ percent}}",
    ]
    wrong = [f"{n + 1}\\%", str(float(value * 10)), frac(value / 2), f"{n * 100}"]
    return rng.choice([f"{n}\\%", f"{n}\\%", f"{n}", frac(value)]), rng.choice(
        right + right + wrong
    )


def fractional_percents(rng):
    n = rng.randint(1, 990) / 10
    return f"{n}\\%", rng.choice(
        [
            f"{n}\\%",
            str(round(n / 100, 5)),
            f"{n}",
            f"{round(n + 0.1, 2)}\\%",
            frac(Fraction(str(n)) / 100),
        ]
    )


def fractions(rng):
    value = Fraction(rng.randint(-40, 40) or 3, rng.randint(2, 30))
    k = rng.randint(2, 5)
    other = rng.choice([value, value, value, 1 / value, -value, value + 1])
    unreduced = f"\\frac{{{other.numerator * k}}}{{{other.denominator * k}}}"
    return frac(value), rng.choice([frac(other, rng), frac(other, rng), unreduced])


def mixed_numbers(rng):
    b = rng.randint(2, 12)
    a = rng.randint(1, b - 1)
    whole = rng.randint(1, 20)
    value = Fraction(a, b) + whole
    other = rng.choice([value, value, value + 1, whole * Fraction(a, b)])
    mixed = f"{whole}\\frac{{{a}}}{{{b}}}"
    sign = rng.choice(["", "", "-"])
    return rng.choice(
        [
            (sign + mixed, sign + frac(other, rng)),
            (sign + frac(other), sign + mixed),
            (sign + mixed, sign + f"{whole} \\frac{{{a}}}{{{b}}}"),
        ]
    )


def scientific(rng):
    mantissa = rng.choice([2, 3.5, 1.25, 6.02, 9.1, 4])
    e = rng.randint(-6, 9)
    shift = rng.choice([0, 0, 0, 1, -1])
    text = f"{mantissa} \\times 10^{{{e}}}"
    value = Fraction(str(mantissa)) * Fraction(10) ** (e + shift)
    plain = str(value) if value.denominator == 1 else f"{float(value):.12f}".rstrip("0")
    other = rng.choice(
        [plain, f"{mantissa} \\cdot 10^{{{e + shift}}}", f"{mantissa}\\times10^{{{e + shift}}}"]
    )
    return (text, other) if rng.random() < 0.7 else (other, text)


def units(rng):
    n = rng.choice([rng.randint(1, 300), rng.randint(1, 99) / 2])
    unit = rng.choice(
        [
            "\\text{ cm}",
            "\\text{ m}",
            "\\text{ cm}^2",
            "\\,\\text{kg}",
            " \\text{ miles per hour}",
            "\\mathrm{~km}",
            "\\text{ square units}",
            " cm",
            " meters",
            "\\text{ m/s}",
            "\\text{ hours}",
            " \\text{ cubic feet}",
            "\\ \\text{in}^3",
        ]
    )
    m = rng.choice([n, n, n + 1])
    return rng.choice(
        [(f"{n}{unit}", f"{m}"), (f"{n}", f"{m}{unit}"), (f"{n}{unit}", f"{m}{unit}")]
    )


def currency(rng):
    n = rng.randint(1, 5000)
    cents = rng.choice(["", ".50", ".25", ".00"])
    m = rng.choice([n, n, n + 1])
    return f"{n}{cents}", rng.choice(
        [
            f"\\${m}{cents}",
            f"\\$ {m}{cents}",
            f"{m}{cents}\\text{{ dollars}}",
            f"{m}{cents}",
            f"\\${group(m)}{cents}",
        ]
    )


def degrees(rng):
    n = rng.choice([30, 45, 60, 72, 90, 120, 135, 150, 22.5])
    m = rng.choice([n, n, n, 180 - n])
    return rng.choice([f"{n}^\\circ", f"{n}^{{\\circ}}", f"{n}"]), rng.choice(
        [
            f"{m}^\\circ",
            f"{m}^{{\\circ}}",
            f"{m}",
            f"{m}\\text{{ degrees}}",
            f"{m} degrees",
            f"{m}°",
        ]
    )


def radicals(rng):
    s = rng.choice([2, 3, 5, 6, 7, 10, 11, 15])
    k = rng.randint(2, 12)
    right = [
        f"{k}\\sqrt{{{s}}}",
        f"\\sqrt{{{k * k * s}}}",
        f"{k}\\sqrt {s}" if s < 10 else f"{k}\\sqrt{{{s}}}",
        f"{k}\\cdot\\sqrt{{{s}}}",
        f"\\sqrt{{{s}}}\\cdot {k}",
        f"{k}*{s}^{{1/2}}",
    ]
    wrong = [
        f"{k + 1}\\sqrt{{{s}}}",
        f"{s}\\sqrt{{{k}}}",
        f"\\sqrt{{{k * s}}}",
        f"{k}+\\sqrt{{{s}}}",
        str(k * s),
    ]
    return rng.choice(right[:2]), rng.choice(right + wrong)


def rational_denominators(rng):
    s = rng.choice([2, 3, 5, 7, 13])
    a = rng.randint(1, 9)
    kind = rng.randint(0, 2)
    if kind == 0:
        right = [f"\\frac{{{a}}}{{\\sqrt{{{s}}}}}", f"\\frac{{{a}\\sqrt{{{s}}}}}{{{s}}}"]
        wrong = [f"\\frac{{\\sqrt{{{s}}}}}{{{a}}}", f"{a}\\sqrt{{{s}}}"]
    else:
        c = rng.randint(2, 6) if s != 4 else 3
        d = s - c * c
        right = [
            f"\\frac{{{a}}}{{\\sqrt{{{s}}}+{c}}}",
            f"\\frac{{{a}(\\sqrt{{{s}}}-{c})}}{{{d}}}",
            f"\\frac{{{a}\\sqrt{{{s}}}-{a * c}}}{{{d}}}",
        ]
        wrong = [f"\\frac{{{a}}}{{\\sqrt{{{s}}}-{c}}}", f"\\frac{{{a}(\\sqrt{{{s}}}+{c})}}{{{d}}}"]
    return rng.choice(right), rng.choice(right * 2 + wrong)


def nested_radicals(rng):
    a, b = rng.sample([1, 2, 3, 5, 6, 7], 2)
    a, b = max(a, b), min(a, b)
    nested = f"\\sqrt{{{a + b}+2\\sqrt{{{a * b}}}}}"
    flat = f"\\sqrt{{{a}}}+\\sqrt{{{b}}}"
    wrong = f"\\sqrt{{{a}}}-\\sqrt{{{b}}}"
    return rng.choice(
        [
            (nested, flat),
            (flat, nested),
            (nested, wrong),
            (f"\\sqrt{{{a + b}-2\\sqrt{{{a * b}}}}}", wrong),
        ]
    )


def cube_roots(rng):
    k = rng.randint(2, 9)
    s = rng.choice([2, 3, 4, 5])
    right = [
        f"\\sqrt[3]{{{k**3 * s}}}",
        f"{k}\\sqrt[3]{{{s}}}",
        f"{k}\\cdot {s}^{{1/3}}",
        f"{k}\\cdot {s}^{{\\frac{{1}}{{3}}}}",
    ]
    wrong = [f"{k + 1}\\sqrt[3]{{{s}}}", f"{k}\\sqrt{{{s}}}", f"-{k}\\sqrt[3]{{{s}}}"]
    if rng.random() < 0.1:
        return f"\\sqrt[3]{{-{k**3}}}", f"-{k}"
    return rng.choice(right), rng.choice(right + wrong)


def powers(rng):
    b = rng.choice([2, 3, 5, 7, 10])
    e = rng.randint(2, 12)
    right = [
        f"{b}^{{{e}}}",
        str(b**e),
        f"{b}^{e}" if e < 10 else f"{b}^{{{e}}}",
        f"{b}^{{{e - 1}}}\\cdot {b}",
        f"\\left({b}^{{{e}}}\\right)",
    ]
    wrong = [f"{b}^{{{e + 1}}}", str(b**e + 1), str(b * e), f"{b}^{{-{e}}}"]
    return rng.choice(right), rng.choice(right + wrong)


def exponents_with_variables(rng):
    n, m = rng.randint(2, 6), rng.randint(2, 6)
    right = [
        f"x^{{{n + m}}}",
        f"x^{n}x^{m}",
        f"x^{n} \\cdot x^{m}",
        f"\\frac{{x^{{{n + 2 * m}}}}}{{x^{m}}}",
    ]
    wrong = [f"x^{{{n * m}}}", f"x^{n}+x^{m}", f"{n + m}x"]
    if rng.random() < 0.3:
        return rng.choice(
            [
                ("x^{1/2}", "\\sqrt{x}"),
                ("\\sqrt{x}", "x^{0.5}"),
                ("x^{-1}", "\\frac{1}{x}"),
                ("x^{3/2}", "x\\sqrt{x}"),
                ("\\sqrt{x}", "x^2"),
                ("2^{2x}", "4^x"),
                ("4^{x}", "2^{x}"),
                ("e^{2x}", "(e^x)^2"),
            ]
        )
    return rng.choice(right), rng.choice(right + wrong)


def pi_expressions(rng):
    value = Fraction(rng.randint(1, 24), rng.choice([1, 2, 3, 4, 6]))
    other = rng.choice([value, value, value, value + 1, 1 / value])
    a, b = value.numerator, value.denominator
    c, d = other.numerator, other.denominator
    forms = [
        f"\\frac{{{c}\\pi}}{{{d}}}",
        f"\\frac{{{c}}}{{{d}}}\\pi",
        f"{c}\\pi/{d}",
        f"\\pi\\cdot\\frac{{{c}}}{{{d}}}",
        f"{float(other * Fraction(math.pi)):.6f}",
        f"{float(other * Fraction(math.pi)):.2f}",
        frac(other),
    ]
    return (f"{a}\\pi" if b == 1 else f"\\frac{{{a}\\pi}}{{{b}}}"), rng.choice(forms)


def logarithms(rng):
    b = rng.choice([2, 3, 5, 10])
    e = rng.randint(1, 5)
    a, c = rng.randint(2, 9), rng.randint(2, 9)
    return rng.choice(
        [
            (str(e), f"\\log_{{{b}}} {b**e}"),
            (str(e), f"\\log_{b} {{{b**e}}}"),
            (str(e + 1), f"\\log_{{{b}}}({b**e})"),
            (f"\\ln {a * c}", f"\\ln {a}+\\ln {c}"),
            (f"\\ln {a + c}", f"\\ln {a}+\\ln {c}"),
            (f"{e}\\ln {a}", f"\\ln {a**e}"),
            (f"\\ln({a})", f"\\ln {a}"),
            (f"\\frac{{\\ln {a}}}{{\\ln {c}}}", f"\\log_{{{c}}} {a}"),
            (f"\\frac{{\\ln {a}}}{{\\ln {c}}}", f"\\log_{{{a}}} {c}"),
            (f"\\log 10^{{{e}}}", str(e)),
            (f"e^{{\\ln {a}}}", str(a)),
            (f"\\ln e^{{{e}}}", str(e)),
            (f"e^{{{e}}}", f"\\exp({e})"),
            (f"\\log_{{10}} {a}", f"\\log {a}"),
            ("\\ln(x^2)", "2\\ln x"),
            (f"\\ln\\frac{{{a}}}{{{c}}}", f"\\ln {a}-\\ln {c}"),
        ]
    )


def trigonometric_values(rng):
    exact = {
        "\\sin\\frac{\\pi}{6}": "\\frac12",
        "\\cos\\frac{\\pi}{6}": "\\frac{\\sqrt3}{2}",
        "\\tan\\frac{\\pi}{4}": "1",
        "\\cos\\frac{2\\pi}{3}": "-\\frac12",
        "\\sin\\frac{\\pi}{3}": "\\frac{\\sqrt{3}}{2}",
        "\\tan\\frac{\\pi}{3}": "\\sqrt3",
        "\\cos\\frac{\\pi}{4}": "\\frac{1}{\\sqrt2}",
        "\\arctan(1)": "\\frac{\\pi}{4}",
        "\\arcsin\\frac12": "\\frac{\\pi}{6}",
        "\\cos(\\pi)": "-1",
        "\\sin^{-1}(1)": "\\frac{\\pi}{2}",
        "\\sec\\frac{\\pi}{3}": "2",
        "\\cot\\frac{\\pi}{4}": "1",
        "\\sin\\frac{\\pi}{12}": "\\frac{\\sqrt6-\\sqrt2}{4}",
        "\\cos 36^\\circ": "\\frac{1+\\sqrt5}{4}",
        "\\sin 30^\\circ": "\\frac{1}{2}",
    }
    f = rng.choice(list(exact))
    g = rng.choice([f, f, rng.choice(list(exact))])
    return (exact[f], g) if rng.random() < 0.5 else (f, exact[g])


def trigonometric_identities(rng):
    k = rng.randint(2, 5)
    return rng.choice(
        [
            ("\\sin(2x)", "2\\sin x\\cos x"),
            ("\\sin 2x", "2 \\sin(x) \\cos(x)"),
            ("\\cos 2x", "1-2\\sin^2 x"),
            ("\\cos(2x)", "2\\cos^2 x - 1"),
            ("\\cos(2x)", "1-\\sin^2 x"),
            ("\\tan x", "\\frac{\\sin x}{\\cos x}"),
            ("\\tan x", "\\frac{\\cos x}{\\sin x}"),
            ("1", "\\sin^2 x+\\cos^2 x"),
            (f"{k}\\sin^2 x+{k}\\cos^2 x", str(k)),
            (f"\\sin {k}x", f"{k}\\sin x"),
            ("\\sec^2 x", "1+\\tan^2 x"),
            ("\\cot x", "\\frac{1}{\\tan x}"),
            (f"\\sin(x+{k}\\pi)", "\\sin x" if k % 2 == 0 else "-\\sin x"),
            (f"\\cos(x+{k}\\pi)", "\\cos x"),
            ("\\sin(a+b)", "\\sin a\\cos b+\\cos a\\sin b"),
            ("\\sin(a-b)", "\\sin a\\cos b+\\cos a\\sin b"),
            ("\\cosh x", "\\frac{e^x+e^{-x}}{2}"),
            ("\\sin x\\cos x", "\\cos x \\sin x"),
            ("\\sin\\left(x\\right)", "\\sin x"),
            ("\\sin(-x)", "-\\sin x"),
            ("\\cos(-x)", "-\\cos x"),
        ]
    )


def expanded_polynomials(rng):
    roots = [rng.randint(-6, 6) for _ in range(rng.choice([2, 2, 3]))]
    product = [1]
    for r in roots:
        product = multiply(product, [1, -r])
    factored = "".join(linear(r) for r in rng.sample(roots, len(roots)))
    wrong = list(product)
    wrong[-1] += rng.choice([0, 0, 1, -2])
    return (poly(wrong), factored) if rng.random() < 0.5 else (factored, poly(wrong))


def reordered_polynomials(rng):
    c = [rng.randint(-9, 9) or 2 for _ in range(4)]
    terms = [poly([c[0], 0, 0, 0]), poly([c[1], 0, 0]), poly([c[2], 0]), str(c[3])]
    if rng.random() < 0.4:
        terms[rng.randrange(4)] = rng.choice(["2x", "-x^2", "7", "x^3"])
    rng.shuffle(terms)
    text = "".join(t if t[0] == "-" else "+" + t for t in terms).lstrip("+")
    return poly(c), text


def rational_functions(rng):
    a, b = rng.randint(1, 7), rng.randint(1, 7)
    return rng.choice(
        [
            (f"\\frac{{x^2-{a * a}}}{{x-{a}}}", f"x+{a}"),
            (f"\\frac{{x^2-{a * a}}}{{x-{a}}}", f"x-{a}"),
            (f"\\frac{{1}}{{x}}+\\frac{{{a}}}{{x+{b}}}", f"\\frac{{{a + 1}x+{b}}}{{x(x+{b})}}"),
            (f"\\frac{{1}}{{x}}+\\frac{{{a}}}{{x+{b}}}", f"\\frac{{{a + 1}x+{b}}}{{x^2+{b}x}}"),
            (f"\\frac{{1}}{{x}}+\\frac{{{a}}}{{x+{b}}}", f"\\frac{{{a}x+{b}}}{{x(x+{b})}}"),
            (f"\\frac{{{a}x+{b}}}{{{a}}}", f"x+\\frac{{{b}}}{{{a}}}"),
            (f"\\frac{{{a}}}{{{b}x}}", f"\\frac{{{a}}}{{{b}}}x"),
            (f"\\frac{{{a}}}{{{b}}}x", f"\\frac{{{a}x}}{{{b}}}"),
            (f"\\frac{{x}}{{{a}}}-{b}", f"\\frac{{x-{a * b}}}{{{a}}}"),
            (f"\\frac{{x+{a}}}{{x+{b}}}", f"1+\\frac{{{a - b}}}{{x+{b}}}"),
            (f"\\frac{{-1}}{{x-{a}}}", f"\\frac{{1}}{{{a}-x}}"),
            (f"\\frac{{1}}{{x-{a}}}", f"\\frac{{1}}{{{a}-x}}"),
        ]
    )


def several_variables(rng):
    a, b = rng.randint(2, 9), rng.randint(2, 9)
    return rng.choice(
        [
            ("(a+b)^2", "a^2+2ab+b^2"),
            ("(a+b)^2", "a^2+b^2"),
            (f"{a}xy+{b}x", f"x({a}y+{b})"),
            (f"{a}xy+{b}x", f"x({b}y+{a})"),
            ("(x-y)(x+y)", "x^2-y^2"),
            ("a^3-b^3", "(a-b)(a^2+ab+b^2)"),
            ("ab+bc+ca", "ac+bc+ab"),
            (f"{a}m-{b}n", f"-{b}n+{a}m"),
            (f"{a}m-{b}n", f"{b}n-{a}m"),
            ("\\frac{a}{b}+\\frac{b}{a}", "\\frac{a^2+b^2}{ab}"),
            ("\\frac{1}{a}+\\frac{1}{b}", "\\frac{a+b}{ab}"),
            ("\\frac{1}{a}+\\frac{1}{b}", "\\frac{2}{a+b}"),
            (f"2\\pi r h+{a}", f"{a}+2\\pi hr"),
            ("\\frac12 gt^2", "\\frac{gt^2}{2}"),
            ("\\frac{1}{2}bh", "\\frac{bh}{2}"),
            ("n(n+1)/2", "\\frac{n^2+n}{2}"),
            ("\\frac{n(n+1)}{2}", "\\frac{n(n-1)}{2}"),
            (f"x+y+{a}", f"x+z+{a}"),
        ]
    )


def assignments(rng):
    n = rng.choice([rng.randint(-20, 50), Fraction(rng.randint(1, 9), rng.randint(2, 7))])
    m = rng.choice([n, n, n, near(rng, n)])
    v = rng.choice(["x", "y", "n", "t", "a", "k", "m"])
    w = rng.choice([v, v, v, "z"])
    return rng.choice(
        [
            (frac(n), f"{v}={frac(m, rng)}"),
            (f"{v}={frac(n)}", frac(m, rng)),
            (f"{v}={frac(n)}", f"{w} = {frac(m, rng)}"),
            (f"{v}={frac(n)}", f"{frac(m)}={w}"),
        ]
    )


def lines(rng):
    a, b = rng.randint(2, 7), rng.randint(1, 9)
    c = rng.choice([b, b, b, -b, b + 1])
    k = rng.randint(2, 4)
    return f"y={a}x+{b}", rng.choice(
        [
            f"y={a}x+{c}" if c > 0 else f"y={a}x{c}",
            f"{a}x-y+{c}=0" if c > 0 else f"{a}x-y{c}=0",
            f"y-{a}x={c}",
            f"{k}y={k * a}x+{k * c}" if c > 0 else f"{k}y={k * a}x{k * c}",
            f"{a}x+{c}" if c > 0 else f"{a}x{c}",
            f"y = {c} + {a}x",
        ]
    )


def conics(rng):
    a, b = rng.randint(1, 6), rng.randint(1, 6)
    r = rng.randint(2, 9)
    return rng.choice(
        [
            (f"(x-{a})^2+(y-{b})^2={r * r}", f"(y-{b})^2+(x-{a})^2={r * r}"),
            (
                f"(x-{a})^2+(y-{b})^2={r * r}",
                f"x^2-{2 * a}x+y^2-{2 * b}y+{a * a + b * b - r * r}=0".replace("+-", "-"),
            ),
            (f"(x-{a})^2+(y-{b})^2={r * r}", f"(x+{a})^2+(y-{b})^2={r * r}"),
            (f"x^2+y^2={r}", f"{a}x^2+{a}y^2={a * r}"),
            (f"x^2+y^2={r}", f"x^2+y^2-{r}=0"),
            (f"x^2+y^2={r}", f"x^2+y^2={r + 1}"),
            (
                f"\\frac{{x^2}}{{{r * r}}}+\\frac{{y^2}}{{{a * a + 1}}}=1",
                f"\\frac{{y^2}}{{{a * a + 1}}}+\\frac{{x^2}}{{{r * r}}}=1",
            ),
        ]
    )


def scaled_equations(rng):
    a, n = rng.randint(2, 6), rng.randint(1, 9)
    return rng.choice(
        [
            (f"x={n}", f"{a}x={a * n}"),
            (f"{a}x={a * n}", f"x={n}"),
            (f"x-{n}=0", f"x={n}"),
            (f"x={n}", f"x-{n}=0"),
            (f"x={n}", f"{a}x={n}"),
            (f"{n}=x", f"x={n}"),
        ]
    )


def inequalities(rng):
    n = rng.randint(-9, 9)
    m = rng.choice([n, n, n, n + 1])
    op, flipped = rng.choice([("<", ">"), (">", "<"), ("\\le", "\\ge"), ("\\geq", "\\leq")])
    other = {"<": "\\le", ">": "\\ge", "\\le": "<", "\\geq": ">"}[op]
    return f"x {op} {n}", rng.choice(
        [
            f"x {op} {m}",
            f"{m} {flipped} x",
            f"x {other} {m}",
            f"x {flipped} {m}",
            f"y {op} {m}",
            f"2x {op} {2 * m}",
        ]
    )


def inequalities_and_intervals(rng):
    n = rng.randint(-9, 9)
    k = n + rng.randint(1, 9)
    m = rng.choice([n, n, n, n - 1])
    return rng.choice(
        [
            (f"x>{n}", f"({m},\\infty)"),
            (f"x\\ge {n}", f"[{m},\\infty)"),
            (f"x<{n}", f"(-\\infty,{m})"),
            (f"x \\leq {n}", f"(-\\infty, {m}]"),
            (f"{n}<x<{k}", f"({m},{k})"),
            (f"{n} \\le x \\le {k}", f"[{m},{k}]"),
            (f"{n} \\le x < {k}", f"[{m},{k})"),
            (f"({n},{k})", f"{m}<x<{k}"),
            (f"[{n},\\infty)", f"x \\ge {m}"),
            (f"{n}<x<{k}", f"x\\in({m},{k})"),
            (f"x>{n}", f"x\\in({m},\\infty)"),
            (f"({n},{k}]", f"x \\in ({m},{k}]"),
            (f"{n}<x<{k}", f"{k}>x>{m}"),
            (f"{n}<x<{k}", f"{m}<x<{k}"),
            (f"{n}<x<{k}", f"{m}<x\\le {k}"),
        ]
    )


def intervals(rng):
    a = rng.randint(-9, 9)
    b = a + rng.randint(1, 9)
    c = rng.choice([a, a, a, a - 1])
    left, right = rng.choice("(["), rng.choice(")]")
    l, r = rng.choice([(left, right), (left, right), (rng.choice("(["), rng.choice(")]"))])
    wrap = rng.choice(["{}{},{}{}", "\\left{}{},{}\\right{}", "{}{}, {}{}"])
    return f"{left}{a},{b}{right}", wrap.format(l, c, b, r)


def unions(rng):
    a = rng.randint(-9, 3)
    b = a + rng.randint(1, 6)
    c = rng.choice([b, b, b + 1])
    return rng.choice(
        [
            (f"(-\\infty,{a})\\cup({b},\\infty)", f"({c},\\infty)\\cup(-\\infty,{a})"),
            (f"(-\\infty,{a}]\\cup[{b},\\infty)", f"(-\\infty, {a}] \\cup [{c}, \\infty)"),
            (f"(-\\infty,{a})\\cup({b},\\infty)", f"(-\\infty,{a}]\\cup({c},\\infty)"),
            (f"\\mathbb{{R}}\\setminus\\{{{b}\\}}", f"(-\\infty,{c})\\cup({c},\\infty)"),
            (f"({a},{b}]\\cup({b},{b + 4})", f"({a},{c + 4})"),
            (f"(-\\infty,{b})\\cup({b},\\infty)", f"x\\neq {c}"),
            (f"x\\neq {b}", f"(-\\infty,{c})\\cup({c},\\infty)"),
            ("\\mathbb{R}", "(-\\infty,\\infty)"),
            ("(-\\infty,\\infty)", "\\mathbb{R}"),
            (f"[{a},{b}]\\cap[{a + 1},{b + 5}]", f"[{a + 1},{b}]"),
        ]
    )


def points(rng):
    a, b = rng.randint(-9, 9), rng.randint(-9, 9)
    c, d = rng.choice([(a, b), (a, b), (b, a), (a, b + 1)])
    h = Fraction(rng.randint(1, 9), 2)
    return rng.choice(
        [
            (f"({a},{b})", f"({c}, {d})"),
            (f"({a},{b})", f"\\left({c},{d}\\right)"),
            (f"({a},{b})", f"x={c}, y={d}"),
            (f"({a},{b})", f"{c},{d}"),
            (f"({frac(h)},{a})", f"({float(h)},{a})"),
            (f"({a},{b})", f"(x,y)=({c},{d})"),
            (f"({frac(h)},{a})", f"\\left({frac(h)}, {c}\\right)"),
        ]
    )


def triples(rng):
    t = [rng.randint(-9, 9) for _ in range(3)]
    u = list(t)
    if rng.random() < 0.5:
        rng.shuffle(u)
    if rng.random() < 0.2:
        u[0] += 1
    a, b = ",".join(map(str, t)), ", ".join(map(str, u))
    return rng.choice(
        [
            (f"({a})", f"({b})"),
            (f"({a})", f"\\left({b}\\right)"),
            (f"({a})", b),
            (a, f"({b})"),
            (f"(a,b,c)=({a})", f"({b})"),
        ]
    )


def sets(rng):
    values = rng.sample(range(-9, 10), rng.randint(2, 5))
    other = rng.sample(values, len(values))
    if rng.random() < 0.35:
        other[0] += rng.choice([1, 20])
    a, b = ",".join(map(str, values)), ", ".join(map(str, other))
    return rng.choice(
        [
            (f"\\{{{a}\\}}", f"\\{{{b}\\}}"),
            (f"\\{{{a}\\}}", b),
            (a, f"\\{{{b}\\}}"),
            (f"\\{{{a}\\}}", f"\\left\\{{{b}\\right\\}}"),
            (f"\\{{{values[0]}\\}}", str(other[0])),
            ("\\emptyset", rng.choice(["\\{\\}", "\\varnothing", "\\{0\\}"])),
            (f"\\{{{a},{values[0]}\\}}", f"\\{{{b}\\}}"),
        ]
    )


def solution_lists(rng):
    a, b = rng.sample(range(-9, 10), 2)
    c = rng.choice([b, b, b, b + 1])
    v = rng.choice(["x", "x", "t"])
    return rng.choice(
        [
            (f"{a},{b}", f"{c},{a}"),
            (f"{a},{b}", f"{a} \\text{{ and }} {c}"),
            (f"{a}, {b}", f"{v}={a} \\text{{ or }} {v}={c}"),
            (f"{v}={a},{v}={b}", f"{c}, {a}"),
            (f"{v}={a} \\text{{ or }} {v}={b}", f"{v} = {c}, {v} = {a}"),
            (f"{v}_1={a}, {v}_2={b}", f"{a},{c}"),
            (f"{a},{b}", str(a)),
            (str(a), f"{a},{b}"),
            (f"{a},{b}", f"{v}\\in\\{{{a},{c}\\}}"),
        ]
    )


def lists_of_points(rng):
    p = [(rng.randint(-5, 5), rng.randint(-5, 5)) for _ in range(2)]
    q = rng.sample(p, 2)
    if rng.random() < 0.4:
        q[0] = (q[0][1], q[0][0])
    return ",".join(f"({x},{y})" for x, y in p), rng.choice([", ", " \\text{ and } "]).join(
        f"({x},{y})" for x, y in q
    )


def matrices(rng):
    rows, columns = rng.choice([(2, 2), (2, 2), (3, 3), (2, 3)])
    m = [[rng.randint(-9, 9) for _ in range(columns)] for _ in range(rows)]
    n = [row[:] for row in m]
    change = rng.random()
    if change < 0.2:
        n[0][1] += 1
    elif change < 0.35:
        n = [list(r) for r in zip(*n)]

    def show(x, kind):
        return (
            f"\\begin{{{kind}}}"
            + " \\\\ ".join(" & ".join(map(str, row)) for row in x)
            + f"\\end{{{kind}}}"
        )

    return show(m, "pmatrix"), rng.choice(
        [show(n, "pmatrix"), show(n, "bmatrix"), f"\\left[{show(n, 'matrix')}\\right]"]
    )


def vectors(rng):
    v = [Fraction(rng.randint(-9, 9), rng.choice([1, 1, 2])) for _ in range(rng.choice([2, 3]))]
    w = list(v)
    if rng.random() < 0.35:
        w[-1] += 1

    def column(x, kind="pmatrix"):
        return f"\\begin{{{kind}}}" + " \\\\ ".join(frac(c) for c in x) + f"\\end{{{kind}}}"

    return column(v), rng.choice(
        [
            column(w),
            column(w, "bmatrix"),
            f"\\begin{{pmatrix}}{' & '.join(frac(c) for c in w)}\\end{{pmatrix}}",
            "2" + column([c / 2 for c in w]),
            "(" + ",".join(frac(c) for c in w) + ")",
        ]
    )


def plus_minus(rng):
    a, s = rng.randint(1, 9), rng.choice([2, 3, 5, 7])
    t = rng.choice([s, s, s, s + 1])
    return rng.choice(
        [
            (f"\\pm {a}", f"{a},-{a}"),
            (f"\\pm {a}", f"-{a}, {a}"),
            (f"\\pm {a}", f"{a}"),
            (f"{a},-{a}", f"\\pm {a}"),
            (f"{a}\\pm\\sqrt{{{s}}}", f"{a}+\\sqrt{{{t}}},{a}-\\sqrt{{{t}}}"),
            (f"{a}+\\sqrt{{{s}}}, {a}-\\sqrt{{{s}}}", f"{a}\\pm\\sqrt{{{t}}}"),
            (f"x=\\pm {a}", f"\\pm {a}"),
            (f"\\pm\\sqrt{{{s}}}", f"x=\\pm\\sqrt{{{t}}}"),
            (
                f"\\frac{{{a}\\pm\\sqrt{{{s}}}}}{{2}}",
                f"\\frac{{{a}+\\sqrt{{{t}}}}}{{2}}, \\frac{{{a}-\\sqrt{{{t}}}}}{{2}}",
            ),
            (f"{a}\\pm {s}", f"{a + s},{a - s}"),
        ]
    )


def infinities(rng):
    return rng.choice(["\\infty", "-\\infty"]), rng.choice(
        ["\\infty", "-\\infty", "+\\infty", "0", "\\text{infinity}", "\\infty "]
    )


def words(rng):
    options = [
        "yes",
        "no",
        "even",
        "odd",
        "none",
        "no solution",
        "Monday",
        "Tuesday",
        "blue",
        "red",
        "convex",
        "increasing",
        "ellipse",
        "does not exist",
        "true",
        "false",
        "acute",
        "two circles",
    ]
    a = rng.choice(options)
    b = rng.choice([a, a, a, rng.choice(options)])
    b = rng.choice([b, b.capitalize(), b.upper()])
    return f"\\text{{{a}}}", rng.choice(
        [f"\\text{{{b}}}", f"\\text{{ {b} }}", b, f"\\textbf{{{b}}}", f"\\mathrm{{{b}}}"]
    )


def choices(rng):
    a = rng.choice("ABCDE")
    b = rng.choice([a, a, a, rng.choice("ABCDE")])
    return rng.choice(
        [a, f"\\text{{{a}}}", f"\\text{{({a})}}", f"({a})", f"\\textbf{{({a})}}"]
    ), rng.choice(
        [
            b,
            f"\\text{{{b}}}",
            f"\\text{{({b})}}",
            f"({b})",
            f"\\textbf{{({b})}}",
            f"\\mathrm{{{b}}}",
            f"\\textbf{{{b}}}",
        ]
    )


def complex_numbers(rng):
    a, b = rng.randint(1, 9), rng.randint(1, 9)
    c = rng.choice([b, b, b, -b])
    signed = f"+{c}i" if c > 0 else f"{c}i"
    return rng.choice(
        [
            (f"{a}+{b}i", f"{a}{signed}"),
            (f"{a}+{b}i", f"{c}i+{a}"),
            (f"{a}+{b}i", f"{b}+{a}i"),
            (f"{a}+{b}i", f"{a} + i\\cdot {b}"),
            (f"({a}+{b}i)({a}-{b}i)", str(a * a + b * b)),
            (f"{a}i^2", f"-{a}"),
            (f"\\frac{{{a}+{b}i}}{{2}}", f"\\frac{{{a}}}{{2}}+\\frac{{{c}i}}{{2}}"),
            (f"(1+i)^2", "2i"),
            (f"\\sqrt{{-{a * a}}}", f"{a}i"),
            ("e^{i\\pi}", "-1"),
            (f"\\frac{{1}}{{1+i}}", "\\frac{1-i}{2}"),
        ]
    )


def combinatorics(rng):
    n = rng.randint(3, 10)
    k = rng.randint(1, n - 1)
    return rng.choice(
        [
            (str(math.comb(n, k)), f"\\binom{{{n}}}{{{k}}}"),
            (f"\\binom{{{n}}}{{{k}}}", str(math.comb(n, k))),
            (f"\\binom{{{n}}}{{{k}}}", f"\\dbinom{{{n}}}{{{n - k}}}"),
            (f"{n}!", str(math.factorial(n))),
            (str(math.factorial(n)), f"{n}!"),
            (f"{n}!", str(math.factorial(n) // 2)),
            (f"\\frac{{{n}!}}{{{k}!}}", str(math.factorial(n) // math.factorial(k))),
            (f"\\binom{{{n}}}{{{k}}}", f"\\frac{{{n}!}}{{{k}!{n - k}!}}"),
            (f"\\binom{{{n}}}{{{k}}}", f"\\binom{{{n + 1}}}{{{k}}}"),
            (f"\\frac{{{n}!}}{{{k}!\\,{n - k}!}}", str(math.comb(n, k) + 1)),
            (f"2^{{{n}}}-1", str(2**n - 1)),
            ("n!", "n\\cdot(n-1)!"),
        ]
    )


def absolute_and_rounding(rng):
    a = rng.randint(1, 20)
    x = rng.randint(1, 99) / 10
    return rng.choice(
        [
            (str(a), f"|-{a}|"),
            (f"|x-{a}|", f"|{a}-x|"),
            (f"|x-{a}|", f"|x+{a}|"),
            (f"\\lfloor {x} \\rfloor", str(math.floor(x))),
            (f"\\lceil {x} \\rceil", str(math.floor(x))),
            (f"\\left|{a}x\\right|", f"{a}|x|"),
            ("\\sqrt{x^2}", "|x|"),
            ("\\sqrt{x^2}", "x"),
            (f"|{a}-{2 * a}|", str(a)),
            ("|x||y|", "|xy|"),
        ]
    )


def ratios(rng):
    a, b = rng.randint(1, 9), rng.randint(1, 9)
    k = rng.choice([1, 2, 3])
    return rng.choice(
        [
            (f"{a}:{b}", f"{a * k}:{b * k}"),
            (f"{a}:{b}", frac(Fraction(a, b), rng)),
            (f"{a}:{b}", f"{b}:{a}"),
            (frac(Fraction(a, b)), f"{a} : {b}"),
        ]
    )


def repeating_decimals(rng):
    d = rng.randint(1, 8)
    return rng.choice(
        [
            (f"0.\\overline{{{d}}}", frac(Fraction(d, 9))),
            (frac(Fraction(d, 9)), f"0.\\overline{{{d}}}"),
            (f"0.1\\overline{{{d}}}", frac(Fraction(9 + d, 90))),
            (f"0.\\overline{{{d}}}", f"0.{d}"),
            (f"0.\\overline{{{d}}}", f"0.\\overline{{{d}}}"),
        ]
    )


def chains(rng):
    a, b = rng.randint(2, 30), rng.randint(2, 30)
    c = rng.choice([a + b, a + b, a + b + 1])
    return rng.choice(
        [
            (str(a + b), f"{a}+{b}={c}"),
            (str(a + b), f"x={a}+{b}={c}"),
            (f"x={a + b}", f"x = {a}+{b} = {c}"),
            (str(a * b), f"A = {a}\\cdot {b} = {a * b}"),
            (str(a - b), f"f(2)={a}-{b}={a - b}"),
            (f"S={a}+{b}={a + b}", str(c)),
            (frac(Fraction(a, b)), f"\\frac{{{a}}}{{{b}}} \\approx {a / b:.3f}"),
            ("\\sqrt{2}", "x = \\sqrt{2} \\approx 1.414"),
            (f"{a / b:.3f}", f"x \\approx {a / b:.3f}"),
        ]
    )


def greek_and_subscripts(rng):
    a, b = rng.randint(2, 9), rng.randint(1, 9)
    return rng.choice(
        [
            (f"{a}\\alpha+{b}\\beta", f"{b}\\beta+{a}\\alpha"),
            (f"{a}\\alpha+{b}\\beta", f"{a}\\beta+{b}\\alpha"),
            (f"a_1+{b}a_2", f"{b}a_2+a_{{1}}"),
            (f"a_{{n}}={a}n+{b}", f"{a}n+{b}"),
            (f"x_0^2-{b}", f"-{b}+x_0^2"),
            (f"x_0^2", "x_1^2"),
            (f"\\theta={b}", str(b)),
            (f"\\frac{{\\pi}}{{{a}}}+2\\pi k", f"2k\\pi+\\frac{{\\pi}}{{{a}}}"),
            ("\\lambda^2-1", "(\\lambda-1)(\\lambda+1)"),
            ("\\theta", "\\phi"),
        ]
    )


def large_integers(rng):
    n = rng.randint(10**15, 10**30)
    return rng.choice(
        [
            (str(n), str(n)),
            (str(n), str(n + 1)),
            (f"10^{{{rng.randint(20, 40)}}}", "10^{30}"),
            (f"2^{{{rng.choice([64, 100])}}}", str(2**64)),
            ("2^{100}-1", str(2**100 - 1)),
            ("2^{100}-1", str(2**100)),
            (f"{rng.randint(3, 9)}^{{200}}", f"{rng.randint(3, 9)}^{{200}}"),
            ("100!", "99!\\cdot 100"),
            (str(10**20), "10^{20}"),
        ]
    )


def sums_and_products(rng):
    n = rng.randint(3, 12)
    return rng.choice(
        [
            (str(n * (n + 1) // 2), f"\\sum_{{k=1}}^{{{n}}} k"),
            (f"\\sum_{{k=1}}^{{{n}}} k^2", str(n * (n + 1) * (2 * n + 1) // 6)),
            (f"\\sum_{{i=0}}^{{{n}}} 2^i", f"2^{{{n + 1}}}-1"),
            (f"\\sum_{{k=1}}^{{{n}}} k", str(n * n)),
            (f"\\prod_{{k=1}}^{{{n}}} k", f"{n}!"),
            (f"\\sum_{{k=1}}^{{{n}}} \\frac{{1}}{{k(k+1)}}", f"\\frac{{{n}}}{{{n + 1}}}"),
        ]
    )


def calculus(rng):
    n = rng.randint(1, 5)
    return rng.choice(
        [
            (f"\\int_0^1 x^{n} dx", frac(Fraction(1, n + 1))),
            (frac(Fraction(1, n + 1)), f"\\int_0^1 x^{n} dx"),
            ("\\lim_{x\\to 0}\\frac{\\sin x}{x}", "1"),
            (f"\\frac{{x^{{{n + 1}}}}}{{{n + 1}}}+C", f"\\frac{{1}}{{{n + 1}}}x^{{{n + 1}}}+C"),
            (f"\\frac{{x^{{{n + 1}}}}}{{{n + 1}}}+C", f"\\frac{{x^{{{n + 1}}}}}{{{n + 1}}}"),
            (f"{n + 1}x^{n}", f"\\frac{{d}}{{dx}}x^{{{n + 1}}}"),
            ("e^x(x-1)+C", "xe^x-e^x+C"),
            ("-\\cos x+C", "C-\\cos x"),
        ]
    )


def function_definitions(rng):
    a, b = rng.randint(2, 9), rng.randint(1, 9)
    c = rng.choice([b, b, b + 1])
    return rng.choice(
        [
            (f"f(x)={a}x+{b}", f"{a}x+{c}"),
            (f"f(x)={a}x+{b}", f"f(x)={c}+{a}x"),
            (f"{a}x+{b}", f"f(x) = {a}x+{c}"),
            (f"f(x)={a}x^2", f"y={a}x^2"),
            (f"f(n)=n^2+{b}", f"f(x)=x^2+{c}"),
            (f"f(x)={a}x+{b}", f"g(x)={a}x+{c}"),
        ]
    )


def plain_text(rng):
    """Completions without LaTeX."""
    n = rng.randint(2, 900)
    m = rng.choice([n, n, n + 1])
    q = rng.choice([Fraction(n, 7), Fraction(n, 7), Fraction(n + 1, 7)])
    return rng.choice(
        [
            (str(n), f"@So she has {m} apples left."),
            (str(n), f"@The answer is {m}."),
            (str(n), f"@Adding 3 and 4 gives 7, so the total is {m} dollars."),
            (str(n), f"@We compute 12 + 5 = 17.\n#### {m}"),
            (frac(Fraction(n, 7)), f"@The answer is {q.numerator}/{q.denominator}."),
            (str(n), f"@Answer: {m}"),
            (str(n), f"@**Answer: {m}**"),
            (f"{n / 4}", f"@The total cost is ${m / 4}"),
            (f"{n}\\%", f"@That is {m}% of all."),
            (str(n), f"@Final answer: {m} km"),
            (str(n), f"@There are {m - 2} + 2 = {m} of them."),
            (f"{n * 1000}", f"@It is {group(m * 1000)} in total."),
            (f"-{n}", f"@The result is -{m}"),
        ]
    )


def box_forms(rng):
    """Boxes within boxes, several boxes, boxes that aren't closed."""
    a, b = rng.randint(2, 40), rng.randint(2, 40)
    return rng.choice(
        [
            (frac(Fraction(a, b)), f"@Thus \\boxed{{\\frac{{{a}}}{{{b}}}}}"),
            (
                str(b),
                f"@We try \\boxed{{{a}}} first. This turns out to be wrong because the sum is off, so after some more work we get \\boxed{{{b}}}.",
            ),
            (f"{a},{b}", f"@\\boxed{{{a}}} and \\boxed{{{b}}}"),
            (str(a), f"@$\\boxed{{{a}}}$. Checking: $2\\cdot {a} = {2 * a}$."),
            (str(a), f"@\\boxed{{x={a}}}"),
            (str(a), f"@\\fbox{{{a}}}"),
            (f"\\sqrt{{{a}}}", f"@\\boxed{{\\sqrt{{{a}}}}}"),
            (str(a), f"@\\boxed{{{a}"),
            (str(a), f"@\\boxed{{\\text{{{a} cm}}}}"),
            (str(a), f"@\\boxed{{{a}.}}"),
            (str(a), f"@\\boxed{{{b}}} is wrong, the answer is $\\boxed{{{a}}}$"),
            (f"({a},{b})", f"@\\[\\boxed{{\\left({a},{b}\\right)}}\\]"),
            (str(a), f"@The value is \\boxed{{\\mathbf{{{a}}}}}"),
        ]
    )


def not_answers(rng):
    """Nothing to find, or nothing that can be read."""
    n = rng.randint(2, 99)
    return str(n), rng.choice(
        [
            "@I don't know.",
            "@",
            "@The answer is unclear.",
            "@\\boxed{}",
            "@$\\frac{1}{$",
            "@$$",
            "@\\boxed{?}",
            "@The answer is $x$.",
            "@\\boxed{\\text{none of these}}",
            f"@$({n}$",
            f"@$\\sqrt{{{n}$",
            "@Let $x$ be the number. Then",
            f"@$\\foo{{{n}}}$",
            f"@{n}{n}",
        ]
    )


def layouts(rng):
    """One value in many layouts."""
    a, b = rng.randint(2, 9), rng.randint(2, 9)
    return f"\\frac{{{a}}}{{{b}}}", rng.choice(
        [
            f"\\displaystyle \\frac{{{a}}}{{{b}}}",
            f"\\left(\\frac{{{a}}}{{{b}}}\\right)",
            f"\\frac {a}{b}",
            f"\\frac{{{a}}}{b}",
            f"{{\\frac{{{a}}}{{{b}}}}}",
            f"\\ \\frac{{{a}}}{{{b}}}\\,",
            f"\\frac{{\\,{a}\\,}}{{{b}}}",
            f"{a} \\div {b}",
            f"{a}\\cdot\\frac{{1}}{{{b}}}",
            f"\\frac{{{b}}}{{{a}}}",
            f"\\mathbf{{\\frac{{{a}}}{{{b}}}}}",
            f"\\bigl(\\tfrac{{{a}}}{{{b}}}\\bigr)",
            f"\\frac{{{a}}}{{{b}}}.",
        ]
    )


def hedges(rng):
    """Several answers where one is asked for, as a policy would write that is out for the score; and lists that are."""
    a, b = rng.sample(range(2, 60), 2)
    first, second = rng.choice(
        [
            (str(a), str(b)),
            (frac(Fraction(a, 61)), frac(Fraction(b, 61))),
            (f"x={a}", f"x={b}"),
            (f"\\sqrt{{{a * a + 1}}}", f"\\sqrt{{{b * b + 1}}}"),
        ]
    )
    reference = rng.choice([first, first, second, f"{first}, {second}"])
    return reference, rng.choice(
        [
            f"@\\boxed{{{first}}}\\boxed{{{second}}}",
            f"@\\boxed{{{first}}} \\boxed{{{second}}}",
            f"@It is \\boxed{{{first}}}, \\boxed{{{second}}}.",
            f"@\\boxed{{{first}}} and \\boxed{{{second}}}",
            f"@\\boxed{{{first}}} or \\boxed{{{second}}}",
            f"@\\boxed{{{first}}}, maybe \\boxed{{{second}}}",
            f"@The answer is ${first}$ or ${second}$.",
            f"@The answer is ${first}$ and ${second}$.",
            f"@Final Answer: The final answer is ${first}$, ${second}$. I hope it is correct.",
            f"@**Answer:** ${first}$, or ${second}$",
            f"@\\boxed{{{first},{second}}}",
            f"@\\boxed{{{first}; {second}}}",
            f"@\\boxed{{{first} \\text{{ or }} {second}}}",
            f"@\\boxed{{{first}}}\n\nWait, it is \\boxed{{{second}}}.",
            f"@\\boxed{{{first} \\lor {second}}}",
        ]
    )


CLASSES = [
    integers,
    decimals_and_fractions,
    rounded_decimals,
    decimals_and_decimals,
    thousands,
    percents,
    fractional_percents,
    fractions,
    mixed_numbers,
    scientific,
    units,
    currency,
    degrees,
    radicals,
    rational_denominators,
    nested_radicals,
    cube_roots,
    powers,
    exponents_with_variables,
    pi_expressions,
    logarithms,
    trigonometric_values,
    trigonometric_identities,
    expanded_polynomials,
    reordered_polynomials,
    rational_functions,
    several_variables,
    assignments,
    lines,
    conics,
    scaled_equations,
    inequalities,
    inequalities_and_intervals,
    intervals,
    unions,
    points,
    triples,
    sets,
    solution_lists,
    lists_of_points,
    matrices,
    vectors,
    plus_minus,
    infinities,
    words,
    choices,
    complex_numbers,
    combinatorics,
    absolute_and_rounding,
    ratios,
    repeating_decimals,
    chains,
    greek_and_subscripts,
    large_integers,
    sums_and_products,
    calculus,
    function_definitions,
    plain_text,
    box_forms,
    not_answers,
    layouts,
    hedges,
]


def pairs():
    for make in CLASSES:
        rng = random.Random(f"{SEED} {make.__name__}")
        seen = set()
        for _ in range(40 * PAIRS_PER_CLASS):
            if len(seen) == PAIRS_PER_CLASS:
                break
            reference, answer = make(rng)
            completion = answer[1:] if answer.startswith("@") else rng.choice(PROSE).format(answer)
            if (reference, completion) in seen:
                continue
            seen.add((reference, completion))
            yield {"class": make.__name__, "reference": reference, "completion": completion}


def main():
    for pair in pairs():
        sys.stdout.write(json.dumps(pair, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
