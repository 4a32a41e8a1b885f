#!/usr/bin/env python3
"""Writes prometheus_rule.yaml beside this file, from the rules in deploy/monitoring: kustomize can't wrap a file.

    deploy/components/monitoring-operator/make_prometheus_rule.py [--check]

tests/deploy holds the two equal.
"""

import pathlib
import sys

HERE = pathlib.Path(__file__).resolve().parent
RULES = HERE.parents[1] / "monitoring/prometheus/rules/tpo.rules.yaml"
RESOURCE = HERE / "prometheus_rule.yaml"
HEADER = """\
# Made by make_prometheus_rule.py from deploy/monitoring/prometheus/rules/tpo.rules.yaml: change that.
apiVersion: monitoring.coreos.com/v1
kind: PrometheusRule
metadata:
  name: tpo
spec:
"""


def resource() -> str:
    lines = RULES.read_text(encoding="utf-8").splitlines()
    return HEADER + "".join(f"  {line}\n" if line else "\n" for line in lines)


def main() -> None:
    if sys.argv[1:] == ["--check"]:
        if not RESOURCE.exists() or RESOURCE.read_text(encoding="utf-8") != resource():
            sys.exit(f"{RESOURCE} isn't up to date: run {__file__}")
    elif sys.argv[1:]:
        sys.exit(__doc__)
    else:
        RESOURCE.write_text(resource(), encoding="utf-8")


if __name__ == "__main__":
    main()
