"""How the studies draw."""

import sys


def pyplot():
    """matplotlib.pyplot, for SVG files that are the same for the same figures; None, with a word why, where it is missing."""
    try:
        import matplotlib
    except ImportError:
        print("matplotlib isn't installed: no drawing", file=sys.stderr)
        return None
    matplotlib.use("svg")
    import matplotlib.pyplot as plt

    matplotlib.rcParams.update({"svg.hashsalt": "tpo", "font.size": 9})
    return plt
