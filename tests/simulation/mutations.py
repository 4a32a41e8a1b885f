#!/usr/bin/env python3
"""Shows that the simulation can fail: breaks one rule of the code under test at a time and says which are noticed.

    tests/simulation/mutations.py [NAME…]

Compiles copies outside of the tree; takes some minutes. Exit status 0: every mutation was caught.
"""

import concurrent.futures
import os
import pathlib
import re
import subprocess
import sys
import tempfile

SOURCE = pathlib.Path(__file__).resolve().parent.parent.parent
SEEDS = 5000
# All that the simulation links (CMakeLists.txt here, in core/, learner/ and policy/).
UNITS = ["core/clock.cc", "core/crc32c.cc", "core/file_system.cc", "core/group_digest.cc", "core/lease_book.cc",
         "core/weight_snapshot.cc", "core/weight_store.cc", "learner/admission.cc", "learner/checkpoint.cc",
         "learner/checkpoint_format.cc", "learner/learner_endpoint.cc", "policy/safetensors.cc", "policy/strict_json.cc",
         "services/grpc/weight_assembler.cc",
         *(f"tests/simulation/{path.name}" for path in sorted((SOURCE / "tests/simulation").glob("*.cc")))]
LIBRARIES = ["absl_hash", "absl_raw_hash_set", "absl_status", "absl_statusor", "absl_strings",
             "absl_str_format_internal", "absl_synchronization", "absl_time"]

# Name: (file, what stands there, what to put in its place).
BOOK = "core/lease_book.cc"
MUTATIONS = {
    "a duplicate is taken in again": (
        BOOK, "if (state != PromptState::kWaiting && state != PromptState::kLeased) {",
        "if (state != PromptState::kWaiting && state != PromptState::kLeased && state != PromptState::kReady) {"),
    "what was trained on is taken in again": (
        BOOK, "if (state != PromptState::kWaiting && state != PromptState::kLeased) {",
        "if (state != PromptState::kWaiting && state != PromptState::kLeased && state != PromptState::kTrained) {"),
    "another payload counts as a repetition": (
        BOOK, "} else if (former.digest == digest) {", "} else if (former.digest == digest || true) {"),
    "exact staleness isn't waited for": (BOOK, "  if (options_.exact_staleness) {", "  if (false) {"),
    "staleness isn't checked": (
        BOOK, "if (weight_version_ - OldestWeightVersion(group) > options_.max_staleness)",
        "if (false)"),
    "staleness by the newest version of a group": (
        "core/types.h", "if (span.weight_version < oldest)", "if (span.weight_version > oldest)"),
    "one version too stale is admitted": (
        BOOK, "if (weight_version_ - OldestWeightVersion(group) > options_.max_staleness)",
        "if (weight_version_ - OldestWeightVersion(group) > options_.max_staleness + 1)"),
    "scores aren't counted": (
        BOOK, "if (ScoredCount(group) < options_.min_scored_completions)", "if (false)"),
    "leases never expire": (
        BOOK, "while (!deadlines_.empty() && deadlines_.begin()->first <= now)", "while (false)"),
    "an expired lease isn't counted": (BOOK, "    ++ledger_.expired;\n    --ledger_.in_flight;\n    any = true;",
                                       "    --ledger_.in_flight;\n    any = true;"),
    "an expired unit isn't leased again": (
        BOOK, "  if (waiting) {\n    waiting_units_.insert(first_prompt);", "  if (false) {\n"),
    "leases of a former life count": (
        BOOK, "if (closed_ || lease_id < first_own_lease_id_)", "if (closed_)"),
    "lease ids go on where the checkpoint was": (
        BOOK, "options_.first_lease_id > state.next_lease_id\n          ? options_.first_lease_id\n"
        "          : state.next_lease_id + kLeaseIdsPerIncarnation + options_.lease_id_salt", "state.next_lease_id"),
    "lives after a clock set back begin with the same lease id": (
        BOOK, "kLeaseIdsPerIncarnation + options_.lease_id_salt", "kLeaseIdsPerIncarnation"),
    "admission is one step too generous": (
        BOOK, "(weight_version_ + 1) * per_step + lookahead_", "(weight_version_ + 2) * per_step + lookahead_"),
    "the lookahead isn't bounded": (
        BOOK, "std::min(lookahead_ + units * options_.prompts_per_lease, most)",
        "std::max(lookahead_ + units * options_.prompts_per_lease, most)"),
    "a drop doesn't free its place": (BOOK, "  --ledger_.in_flight;\n  --unfinished_;", "  --ledger_.in_flight;\n"
                                      "  if (state == PromptState::kTrained) --unfinished_;"),
    "a checkpoint forgets what is in flight": (
        BOOK,
        "if (prompt == PromptState::kWaiting || prompt == PromptState::kLeased ||\n"
        "          prompt == PromptState::kReady)",
        "if (prompt == PromptState::kWaiting || prompt == PromptState::kLeased)"),
    "what was in flight isn't expired on restore": (
        BOOK, "  ledger_.expired += ledger_.in_flight;\n", ""),
    "a late group that is too stale takes the prompt": (
        BOOK, "if (late && DropOutcome(group) != SubmitOutcome::kAccepted)", "if (false)"),
    "draining still leases": (
        BOOK, "  if (draining_) return NoLease{.draining = true, .retry_after = kRetryAfter};\n", ""),
    "a learner that drains ends its workers": (
        BOOK, "return NoLease{.draining = true, .retry_after", "return NoLease{.finished = true, .retry_after"),
    "rejecting takes the prompt from its new holder": (
        BOOK, "check.outcome == SubmitOutcome::kUnspecified && lease_id == place.unit->second.lease_id",
        "check.outcome == SubmitOutcome::kUnspecified"),
    "a rejected prompt stays leased": (BOOK, "    if (state == PromptState::kLeased) {\n"
                                       "      state = PromptState::kWaiting;",
                                       "    if (false) {\n      state = PromptState::kWaiting;"),
    "versions that were never published are taken": (
        "learner/learner_endpoint.cc", "if (version > newest->version)", "if (false)"),
    "NaN is a log-prob": ("learner/admission.cc", "!std::isfinite(log_probs[i]) || ", ""),
    "an infinite score is a score": ("learner/admission.cc", "if (!std::isfinite(verdict.score)) return",
                                     "if (false) return"),
    "tokens outside of the vocabulary": ("learner/admission.cc", "tokens[i] < 0 || tokens[i] >= vocab_size", "false"),
    "the weights' checksum isn't looked at": (
        "services/grpc/weight_assembler.cc",
        "if (Crc32c(std::as_const(snapshot->weights).bytes()) != snapshot->crc32c)", "if (false)"),
    "nobody is told of new weights": ("core/weight_store.cc", "on_change();", "static_cast<void>(on_change);"),
    "a checkpoint is written under its own name": (
        "learner/checkpoint.cc", "absl::StrCat(std::string(kTemporaryPrefix), FolderName(data.step))",
        "FolderName(data.step)"),
    "a checkpoint's name isn't synced": (
        "learner/checkpoint.cc", "  return file_system_->SyncDirectory(directory_);\n}",
        "  return absl::OkStatus();\n}"),
    "a checkpoint that was found isn't synced": (
        "learner/checkpoint.cc", "  TPO_RETURN_IF_ERROR(file_system->SyncDirectory(store.directory_));\n", ""),
    "a checkpoint that is saved again isn't synced": (
        "learner/checkpoint.cc", "    TPO_RETURN_IF_ERROR(file_system_->SyncDirectory(directory_));\n  }\n  Prune",
        "  }\n  Prune"),
    "old checkpoints go before the new one is there": (
        "learner/checkpoint.cc", "  const std::string path = PathOf(data.step);\n",
        "  const std::string path = PathOf(data.step);\n  Prune(data.step - 1000);\n"),
}


def run(command, **options):
    return subprocess.run(command, capture_output=True, text=True, errors="replace", check=False, **options)


class Build:
    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self.objects = {}

    def compile(self, unit, root, name):
        """An object of the unit, with the tree at `root` in front of the true one."""
        target = self.folder / f"{name}.o"
        source = root / unit if (root / unit).exists() else SOURCE / unit
        result = run(["g++", "-std=c++20", "-O1", "-w", f"-I{root}", f"-I{SOURCE}", "-c", source, "-o", target])
        if result.returncode != 0:
            raise RuntimeError(f"{unit}: {result.stderr}")
        return target

    def link(self, objects, name):
        program = self.folder / name
        result = run(["g++", *objects, "-o", program, "-Wl,--copy-dt-needed-entries",
                      *(f"-l{library}" for library in LIBRARIES), "-lpthread"])
        if result.returncode != 0:
            raise RuntimeError(result.stderr)
        return program


def mutate(build, number, name):
    """How it was noticed; empty: it wasn't."""
    file, before, after = MUTATIONS[name]
    text = (SOURCE / file).read_text(encoding="utf-8")
    if text.count(before) != 1:
        return f"? {file} has {text.count(before)} places for it"
    root = build.folder / f"tree{number}"
    (root / file).parent.mkdir(parents=True)
    (root / file).write_text(text.replace(before, after), encoding="utf-8")
    units = [file] if file in UNITS else UNITS
    objects = dict(build.objects)
    for unit in units:
        objects[unit] = build.compile(unit, root, f"{number}_{unit.replace('/', '_')}")
    program = build.link(objects.values(), f"simulation{number}")
    result = run([program, "--seeds", str(SEEDS)], timeout=900)
    if result.returncode == 0:
        return ""
    rule = re.search(r"breaks a rule: (.*)|never seen: .*", result.stdout)
    return rule[1] or rule[0] if rule else f"it ended with {result.returncode}: {result.stderr[-300:].strip()}"


def main():
    names = sys.argv[1:] or list(MUTATIONS)
    caught = 0
    with tempfile.TemporaryDirectory(prefix="tpo_mutations_") as folder, \
            concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as threads:
        build = Build(folder)
        compiled = {unit: threads.submit(build.compile, unit, SOURCE, unit.replace("/", "_")) for unit in UNITS}
        build.objects = {unit: future.result() for unit, future in compiled.items()}
        sound = run([build.link(build.objects.values(), "simulation"), "--seeds", str(SEEDS)])
        if sound.returncode != 0:
            print(sound.stdout[-2000:], sound.stderr[-2000:])
            sys.exit("the code as it is breaks a rule")
        results = {name: threads.submit(mutate, build, number, name) for number, name in enumerate(names)}
        for name, future in results.items():
            how = future.result()
            caught += bool(how) and not how.startswith("?")
            print(f"{'caught ' if how and not how.startswith('?') else 'MISSED '} {name}: {how[:160]}", flush=True)
    print(f"{caught} of {len(names)} caught")
    sys.exit(caught != len(names))


if __name__ == "__main__":
    main()
