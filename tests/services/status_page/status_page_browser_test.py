"""The status page in a real browser, headless Chromium: that it is drawn, and that texts of others stay texts.

Skipped, and says so, where there is no chromium.
"""

import pathlib
import re
import shutil
import struct
import subprocess
import sys
import tempfile
import unittest
import zlib

SERVER = sys.argv.pop(1)
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
SKIPPED = 77


def pixels_of(png):
    """Rows of (red, green, blue) of an 8-bit PNG without interlacing, as Chromium writes them."""
    assert png[:8] == b"\x89PNG\r\n\x1a\n"
    at, data, header = 8, b"", None
    while at < len(png):
        length, kind = struct.unpack(">I4s", png[at:at + 8])
        chunk = png[at + 8:at + 8 + length]
        if kind == b"IHDR":
            header = struct.unpack(">IIBBBBB", chunk)
        elif kind == b"IDAT":
            data += chunk
        at += 12 + length
    width, height, depth, color, _, _, interlace = header
    assert depth == 8 and color in (2, 6) and interlace == 0, header
    size = 3 if color == 2 else 4
    raw, stride = zlib.decompress(data), width * size
    previous, rows = bytearray(stride), []
    for y in range(height):
        start = y * (stride + 1)
        filtering, line = raw[start], bytearray(raw[start + 1:start + 1 + stride])
        for x in range(stride):
            left = line[x - size] if x >= size else 0
            up = previous[x]
            corner = previous[x - size] if x >= size else 0
            if filtering == 1:
                line[x] = (line[x] + left) & 255
            elif filtering == 2:
                line[x] = (line[x] + up) & 255
            elif filtering == 3:
                line[x] = (line[x] + (left + up) // 2) & 255
            elif filtering == 4:
                guess = left + up - corner
                near = min((abs(guess - left), 0, left), (abs(guess - up), 1, up), (abs(guess - corner), 2, corner))
                line[x] = (line[x] + near[2]) & 255
        rows.append([tuple(line[i:i + 3]) for i in range(0, stride, size)])
        previous = line
    return rows


class Served:
    def __init__(self, *arguments):
        self._process = subprocess.Popen([SERVER, *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.url = re.search(r"http://\S+", self._process.stdout.readline())[0]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._process.stdin.close()
        assert self._process.wait(timeout=60) == 0
        self._process.stdout.close()


def browse(*arguments):
    with tempfile.TemporaryDirectory() as profile:
        return subprocess.run(
            [CHROMIUM, "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars",
             "--no-first-run", "--disable-background-networking", "--force-color-profile=srgb", "--blink-settings=preferredColorScheme=1",
             f"--user-data-dir={profile}", *arguments], check=True, capture_output=True, text=True, timeout=100)


class BrowserTest(unittest.TestCase):
    def test_the_page_is_drawn(self):
        with tempfile.TemporaryDirectory() as folder, Served() as page:
            picture = pathlib.Path(folder) / "page.png"
            # At half the scale: there are fewer pixels to look at.
            browse("--force-device-scale-factor=0.5", "--window-size=1240,2000", f"--screenshot={picture}", page.url)
            rows = pixels_of(picture.read_bytes())
        self.assertEqual((len(rows[0]), len(rows)), (620, 1000))
        counts = {}
        for row in rows:
            for pixel in row:
                counts[pixel] = counts.get(pixel, 0) + 1
        # The bars and curves in their colours, on cards, with text.
        for name, color in (("target", (0x2a, 0x6f, 0xd0)), ("anchor", (0xd9, 0x62, 0x2b)), ("policy", (0x2e, 0x8b, 0x57))):
            self.assertGreater(counts.get(color, 0), 200, name)
        self.assertGreater(counts.get((0xff, 0xff, 0xff), 0), 100_000, "cards")
        self.assertGreater(len(counts), 100, "text has smooth edges")

    def test_texts_of_others_stay_texts(self):
        with Served("--hostile") as page:
            document = browse("--dump-dom", page.url).stdout
        self.assertNotIn("<title>owned", document)
        self.assertNotIn("<script", document)
        self.assertNotIn("<img", document)
        # The text itself is there to be read.
        self.assertIn("document.title='owned'", document)


if __name__ == "__main__":
    if CHROMIUM is None:
        print("SKIPPED: there is no chromium, so nobody looked at the status page (apt-get install chromium)")
        sys.exit(SKIPPED)
    unittest.main()
