"""Serves a Python reward function as a verifier of tpo.

    from tpo_verifier import verifier, serve

    @verifier(tasks=["my_task"])
    def reward(prompt, completions, answer, **fields):
        return [float(completion.strip() == answer) for completion in completions]

    if __name__ == "__main__":
        serve(reward, listen="127.0.0.1:50052")

or, from a shell, `python -m tpo_verifier my_module:reward --listen 127.0.0.1:50052`. The README of
this package says what a function may take and return, and what becomes of every way in which it can
fail.
"""

from tpo_verifier.call import Call
from tpo_verifier.function import verifier
from tpo_verifier.server import ServerOptions, Tls, serve
from tpo_verifier.verdict import Kind, Verdict

__all__ = ["Call", "Kind", "ServerOptions", "Tls", "Verdict", "serve", "verifier"]
