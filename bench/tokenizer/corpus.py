"""Texts that try a tokenizer: many languages, emoji, code, white space, numbers, broken UTF-8, special tokens, long runs.

Each text is bytes; the same seed gives the same texts.
"""

import random
import unicodedata
from collections.abc import Iterator

SENTENCES = [
    "The quick brown fox jumps over the lazy dog, but it wasn't amused; they'd've said so.",
    "Let x be a real number such that x^2 - 5x + 6 = 0. What's the sum of its roots?",
    "Der Käufer überprüfte die Größe der Straße; schließlich war's ihm gleichgültig.",
    "L'été dernier, j'ai acheté une bouteille de Côtes-du-Rhône à 12,50 € près du château.",
    "El niño comió piñas y ñoquis; ¿cuántos años tiene? ¡Qué día más bonito!",
    "A ação não é só do João; são três irmãos que já vêm amanhã.",
    "Czy zażółcisz gęślą jaźń? Łódź leży w środkowej Polsce.",
    "Příliš žluťoučký kůň úpěl ďábelské ódy.",
    "Pijamalı hasta yağız şoföre çabucak güvendi. İstanbul'da ığdır.",
    "Съешь же ещё этих мягких французских булок, да выпей чаю.",
    "Ξεσκεπάζω την ψυχοφθόρα βδελυγμία.",
    "Տարածված է ամբողջ աշխարհում, և բոլորը գիտեն։",
    "נתון איש חכם שקרא ספר טוב בשבת, ושָׁלוֹם לכולם.",
    "نص حكيم له سر قاطع وذو شأن عظيم مكتوب على ثوب أخضر. بِسْمِ اللَّهِ",
    "یہ ایک سادہ جملہ ہے جو اردو میں لکھا گیا ہے۔",
    "ऋषियों को सताने वाले दुष्ट राक्षसों के राजा रावण का सर्वनाश करने वाले।",
    "আমি বাংলায় গান গাই, আমি বাংলার গান গাই।",
    "தமிழ் மொழி மிகவும் பழமையான மொழிகளில் ஒன்றாகும்.",
    "เป็นมนุษย์สุดประเสริฐเลิศคุณค่า กว่าบรรดาฝูงสัตว์เดรัจฉาน",
    "မြန်မာစာသည် လှပသော အက္ခရာဖြစ်သည်။",
    "Con sói nâu nhảy qua con chó lười biếng; Tiếng Việt có nhiều dấu thanh.",
    "我能吞下玻璃而不伤身体。今天是2024年5月17日，天气很好！",
    "我能吞下玻璃而不傷身體。這是繁體中文的一個例子，「引號」也要。",
    "いろはにほへと ちりぬるを。東京タワーは高さ333メートルです。カタカナとひらがな。",
    "다람쥐 헌 쳇바퀴에 타고파. 서울특별시의 인구는 약 940만 명입니다.",
    "მზეს ადარებდნენ ქართველი პოეტები თავიანთ სატრფოს.",
    "የአማርኛ ፊደል በጣም ቆንጆ ነው።",
    "ᚠᛇᚻ᛫ᛒᛦᚦ᛫ᚠᚱᚩᚠᚢᚱ᛫ᚠᛁᚱᚪ᛫ᚷᛖᚻᚹᛦᛚᚳᚢᛗ",
    "∀x∈ℝ: ⌈x⌉ = −⌊−x⌋, α ∧ ¬β = ¬(¬α ∨ β), ℕ ⊆ ℤ ⊂ ℚ ⊂ ℝ ⊂ ℂ; ½ + ¼ = ¾; x² ≠ xⁿ",
    "“Curly quotes” — and ‘single’ ones… don’t, it’s, we’ll; «guillemets» „low“",
]
EMOJI = ["🙂", "🚀", "👨‍👩‍👧‍👦", "🏳️‍🌈", "👍🏽", "🇩🇪🇫🇷", "❤️", "☃", "1️⃣", "🤷🏿‍♀️", "🫠", "🪿", "©", "™"]
CODE = [
    "def f(self, x: int = 0) -> list[str]:",
    "    return [str(i) for i in range(x) if i % 2 == 0]  # even",
    "for (int i = 0; i < n; ++i) { a[i] += b[i] * 3.14e-5f; }",
    "#include <vector>\r\n#include \"a/b.h\"\r\n",
    "SELECT id, COUNT(*) FROM t WHERE name LIKE '%x%' GROUP BY 1;",
    '{"key": [1, 2.5, null, true], "nested": {"a": "b\\n"}}',
    "<div class='x'>&nbsp;<a href=\"https://example.org/?q=1&r=%20\">it's</a></div>",
    "\tif err != nil {\n\t\treturn fmt.Errorf(\"x: %w\", err)\n\t}\n\n\n",
    "x=y;z==w!=v<=u>=t&&s||r->q::p...o??n",
    "\\begin{align}\\frac{a}{b} &= \\sqrt{2}\\\\\\end{align}",
    "sudo rm -rf /tmp/*.log 2>&1 | tee -a ~/out.txt",
    "CamelCaseIdentifier snake_case_identifier kebab-case-name SCREAMING_CASE_42",
]
SPACES = [" ", "  ", "    ", "\t", "\n", "\n\n", "\r\n", "\r", " \n", "\n ", " \t ", "\u00a0", "\u3000", "\u2028", "\u2009",
          "\u0085", "\u200b", "\u180e", "\u1680", "\ufeff", "\v", "\f", "\x1c", "\x1f", "\x00"]
NUMBERS = ["0", "7", "42", "123", "1234", "12345678901234567890", "1,234,567.89", "-3.5e10", "0x1F", "٣٤٥", "४५६", "৭৮",
           "²³", "½", "Ⅷ", "①②", "五六", "1️⃣", "𝟘𝟙", "𑁦", "㉈", "1st", "v2.0.1", "2024-05-17T12:34:56Z"]
CONTRACTIONS = ["'s", "'S", "'t", "'T", "'re", "'RE", "'Re", "'ve", "'vE", "'m", "'M", "'ll", "'LL", "'lL", "'d", "'D",
                "'\u017f", "'x", "''s", "' s", "’s", "'r", "'v", "'l", "'lx", "'sS"]
MARKS = ["\u0301", "\u0300", "\u0327", "\u0323", "\u0345", "\u05b0", "\u0651", "\u093c", "\u0f71", "\u1161", "\u11a8",
         "\u3099", "\u0338", "\u20d2", "\u0e38", "\u1d165", "\U00011938", "\u0898", "\u1ac1"]
PRECOMPOSED = ["\u0958", "\u0344", "\u0f73", "\u212b", "\u2126", "\ufb2c", "\uf900", "\U0002f800", "\u1e9b\u0323", "\uac00\u11a8",
               "\u1100\u1161\u11a8", "a\u0300\u0327", "\u0928\u093c", "\u30cf\u309a", "\u1025\u102e", "\u0dd9\u0dcf\u0dca"]


def random_character(rng: random.Random) -> str:
    """Any code point, those of the lower planes more often."""
    limit = rng.choice([0x80, 0x250, 0x1000, 0x3000, 0x10000, 0x20000, 0x110000])
    while 0xD800 <= (point := rng.randrange(limit)) < 0xE000:
        pass
    return chr(point)


def fragment(rng: random.Random, special: list[str]) -> str:
    kind = rng.randrange(12)
    if kind < 3:
        words = rng.choice(SENTENCES).split(" ")
        begin = rng.randrange(len(words))
        return " ".join(words[begin : begin + rng.randrange(1, 12)])
    if kind == 3:
        return rng.choice(CODE)
    if kind == 4:
        return "".join(rng.choice(EMOJI) for _ in range(rng.randrange(1, 4)))
    if kind == 5:
        return "".join(rng.choice(SPACES) for _ in range(rng.randrange(1, 5)))
    if kind == 6:
        return rng.choice(NUMBERS)
    if kind == 7:
        return rng.choice(["I", "they", "x", "é", "我", ""]) + rng.choice(CONTRACTIONS)
    if kind == 8:
        return "".join(random_character(rng) for _ in range(rng.randrange(1, 8)))
    if kind == 9:
        base = rng.choice(SENTENCES).split(" ")
        text = unicodedata.normalize(rng.choice(["NFD", "NFKD"]), rng.choice(base))
        return text + "".join(rng.choice(MARKS + PRECOMPOSED) for _ in range(rng.randrange(3)))
    if kind == 10 and special:
        token = rng.choice(special)
        if rng.random() < 0.2:
            token = token[: rng.randrange(len(token) + 1)]
        return rng.choice(["", " ", "a", "\n"]) + token + rng.choice(["", " ", "  ", "b", "_", "é"])
    return "".join(rng.choice("abcdefghijklmnopqrstuvwxyzABCDE_-.,;:!?()[]{}<>@#$%^&*+=/\\|~`\"'0123456789 ") for _ in range(rng.randrange(1, 30)))


def broken(rng: random.Random, text: bytes) -> bytes:
    """UTF-8 with some bytes lost, changed or put in."""
    data = bytearray(text)
    for _ in range(rng.randrange(1, 4)):
        at = rng.randrange(len(data) + 1)
        if rng.random() < 0.5 and at < len(data):
            del data[at]
        else:
            data.insert(at, rng.choice([0x80, 0xBF, 0xC0, 0xC3, 0xE0, 0xED, 0xA0, 0xF0, 0xF4, 0x90, 0xF5, 0xFF, rng.randrange(256)]))
    return bytes(data)


def long_runs(rng: random.Random) -> Iterator[bytes]:
    for size in (1000, 10000, 50000):
        for text in ("a", " ", "\n", "\t", "9", "!", "ab", "é", "我", "🙂", "\r\n", " \n", "e\u0301", "x ", "'s"):
            yield (text * (size // len(text))).encode()
        yield "".join(rng.choice("abcdefghijklmnopqrstuvwxyz") for _ in range(size)).encode()
        yield "".join(rng.choice("的一是不了人我在有他这为之大来以个中上们") for _ in range(size // 3)).encode()
        yield rng.randbytes(size)


def texts(count: int, seed: int, special: list[str]) -> Iterator[bytes]:
    """`count` texts; `special` are tokens that some of them spell out."""
    rng = random.Random(seed)
    made = 0
    if count >= 10000:
        for text in long_runs(rng):
            yield text
            made += 1
    while made < count:
        pieces = [fragment(rng, special) for _ in range(rng.randrange(1, 8))]
        text = rng.choice(["", " ", "\n"]).join(pieces).encode()
        if rng.random() < 0.15:
            text = broken(rng, text)
        yield text
        made += 1
