"""Reward servers that behave as those of OpenRLHF, slime and NeMo Gym do, for the tests of the bridges.

    reward_server.py openrlhf|slime|nemo_gym [--certificate FILE --key FILE]

Listens on a free port of 127.0.0.1 and prints "listening on PORT". Checks requests as strictly as the project's own
schema does, and answers 422 with the field at fault. Any of them gives 1 for a right answer and 0 for a wrong one, and
behaves badly for responses that ask for it:

    "!null"   a reward that is null          "!nan"    one that is NaN (and so an answer that is not JSON)
    "!text"   a reward that is a string      "!crash"  500
    "!busy"   503, the first time            "!judge"  NeMo Gym: the judge failed
"""

import argparse
import http.server
import json
import ssl
import threading

FIRST_TIMES = set()
LOCK = threading.Lock()


class Refused(Exception):
    """What the request lacks; becomes status 422."""


class Crash(Exception):
    """Becomes status 500."""


class Busy(Exception):
    """Becomes status 503."""


def field(body: dict, name: str, kind: type):
    if name not in body:
        raise Refused(f"{name}: field required")
    if not isinstance(body[name], kind):
        raise Refused(f"{name}: not a {kind.__name__}")
    return body[name]


def reward(response: str, label: str):
    """What a grader makes of one response."""
    if response == "!null":
        return None
    if response == "!nan":
        return float("nan")
    if response == "!text":
        return "1.0"
    if response == "!crash":
        raise Crash()
    if response.startswith("!busy"):
        with LOCK:
            if response not in FIRST_TIMES:
                FIRST_TIMES.add(response)
                raise Busy()
        return 0.5
    return 1.0 if response == label else 0.0


def openrlhf(body: dict):
    """POST /get_reward: the rewards of all queries; a query is a prompt with its response."""
    queries = field(body, "query", list)
    prompts = field(body, "prompts", list)
    labels = field(body, "labels", list)
    if not len(queries) == len(prompts) == len(labels):
        raise Refused("query, prompts and labels differ in length")
    rewards = []
    for query, prompt, label in zip(queries, prompts, labels):
        if not query.startswith(prompt):
            raise Refused("query: doesn't start with its prompt")
        rewards.append(reward(query[len(prompt):].strip(), label))
    lengths = [len(query) for query in queries]
    return {"rewards": rewards, "scores": rewards, "extra_logs": {"query_length": lengths}}


def slime(body: dict):
    """POST anywhere: the reward itself."""
    if set(body) != {"prompt", "response", "label"}:
        raise Refused(f"fields: {sorted(body)}")
    for name in body:
        field(body, name, str)
    return reward(body["response"].strip(), body["label"])


RESPONSES_CREATE_PARAMS = {
    "background", "include", "input", "instructions", "max_output_tokens", "max_tool_calls", "metadata", "model",
    "parallel_tool_calls", "previous_response_id", "prompt", "reasoning", "service_tier", "store", "temperature",
    "text", "tool_choice", "tools", "top_logprobs", "top_p", "truncation", "user", "stream"
}


def assistant_text(response: dict) -> str:
    """All texts of the assistant's messages, checked as the Responses API has them."""
    for name, kind in (("id", str), ("created_at", (int, float)), ("model", str), ("output", list),
                       ("parallel_tool_calls", bool), ("tool_choice", str), ("tools", list)):
        if not isinstance(response.get(name), kind):
            raise Refused(f"response.{name}: field required")
    if response.get("object") != "response":
        raise Refused("response.object: must be 'response'")
    texts = []
    for item in response["output"]:
        if item.get("type") != "message" or item.get("role") != "assistant" or not isinstance(item.get("id"), str):
            raise Refused("response.output: not a message of the assistant")
        if item.get("status") not in ("in_progress", "completed", "incomplete"):
            raise Refused("response.output.status: unknown")
        for part in item["content"]:
            if part.get("type") != "output_text" or not isinstance(part.get("annotations"), list):
                raise Refused("response.output.content: not an output_text")
            texts.append(part["text"])
    return "\n".join(texts)


def nemo_gym(body: dict):
    """POST /verify: the request with its reward."""
    params = field(body, "responses_create_params", dict)
    unknown = set(params) - RESPONSES_CREATE_PARAMS
    if unknown:
        raise Refused(f"responses_create_params: extra fields {sorted(unknown)}")
    field(params, "input", (str, list))
    expected = field(body, "expected_answer", str)
    text = assistant_text(field(body, "response", dict)).strip()
    if text == "!judge":
        return body | {"reward": 0.0, "_ng_failure_class": "judge_failed", "_ng_failure_judge_error": "no judge"}
    return body | {"reward": reward(text, expected), "extracted_answer": text}


SHAPES = {
    "openrlhf": ("/get_reward", openrlhf),
    "slime": ("/", slime),
    "nemo_gym": ("/verify", nemo_gym),
}


class Handler(http.server.BaseHTTPRequestHandler):
    """One POST to the shape's path."""

    protocol_version = "HTTP/1.1"
    path_served = "/"
    grade = None

    def do_POST(self):  # pylint: disable=invalid-name
        """Grades the request, or says what is wrong with it."""
        text = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.path.split("?")[0] != self.path_served:
            # As FastAPI does for a slash too much or too little.
            if self.path.rstrip("/") == self.path_served.rstrip("/"):
                return self.answer(307, {}, {"Location": self.path_served})
            return self.answer(404, {"detail": "Not Found"})
        if self.headers.get("Authorization") == "Bearer wrong":
            return self.answer(401, {"detail": "unauthorized"})
        try:
            if self.headers.get("Content-Type") != "application/json":
                raise Refused("Content-Type: not application/json")
            return self.answer(200, type(self).grade(json.loads(text)))
        except Refused as error:
            return self.answer(422, {"detail": str(error)})
        except Crash:
            return self.answer(500, {"detail": "Internal Server Error"})
        except Busy:
            return self.answer(503, {"detail": "busy"})

    def answer(self, status: int, body, headers=None):
        """Sends `body` as JSON, the way json.dumps writes it: NaN included."""
        text = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, format, *args):  # pylint: disable=redefined-builtin
        """Quiet."""


def main():
    """Serves until it is killed."""
    parser = argparse.ArgumentParser()
    parser.add_argument("shape", choices=sorted(SHAPES))
    parser.add_argument("--certificate")
    parser.add_argument("--key")
    arguments = parser.parse_args()
    path, grade = SHAPES[arguments.shape]
    Handler.path_served = path
    Handler.grade = staticmethod(grade)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    if arguments.certificate:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(arguments.certificate, arguments.key)
        server.socket = context.wrap_socket(server.socket, server_side=True)
    print(f"listening on {server.server_address[1]}", flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
