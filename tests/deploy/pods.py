"""Pods of the manifests as processes of this machine, without a container engine or a cluster.

A pod gets what its YAML says: arguments, environment, volumes at their paths, user, a read-only root, no privileges.
Its image is stood in for by this machine's /usr and the programs of the build. Each has an address of its own in
127.0.0.0/8, at which it listens in the place of 0.0.0.0, and finds the others by the names of their Services
(/etc/hosts). Probes are the kubelet's: `ready` returns when startup and readiness probe hold.

Needs root, for the mounts; they are the process's own, and go with it.
"""

import contextlib
import http.client
import os
import pathlib
import random
import re
import shlex
import shutil
import signal
import socket
import subprocess
import threading
import time

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

import harness
import kustomize

# Where the images have them (deploy/Dockerfile).
PROGRAMS = "/usr/local/bin"
ROOT_SCRIPT = r"""
set -e
mount -t tmpfs -o mode=755 tmpfs "$ROOT"
cd "$ROOT"
mkdir -p usr proc dev etc $DIRECTORIES
mount --rbind /usr usr
for link in bin lib lib64; do ln -s usr/$link $link; done
mount --rbind /proc proc
mount --rbind /dev dev
mount --bind "$BIN" usr/local/bin
cp "$POD"/hosts "$POD"/passwd "$POD"/nsswitch.conf etc/
$MOUNTS
mount -o remount,bind,ro "$ROOT"
exec chroot "$ROOT" setpriv --pdeathsig KILL --reuid "$USER_ID" --regid "$GROUP_ID" --clear-groups --no-new-privs \
  --bounding-set=-all --inh-caps=-all env -i $ENVIRONMENT "$@"
"""


def can_run():
    """Why pods can't run here; empty when they can."""
    if os.geteuid() != 0:
        return "needs root, for mounts"
    probe = subprocess.run(["unshare", "--mount", "mount", "-t", "tmpfs", "tmpfs", "/mnt"], capture_output=True,
                           text=True, check=False)
    return "" if probe.returncode == 0 else f"mounting isn't allowed: {probe.stderr.strip()}"


def libtorch():
    """Where the engine's run path finds LibTorch; the pod has to have it at the same place."""
    text = subprocess.run(["readelf", "-d", str(harness.BIN / "tpo-engine")], capture_output=True, text=True,
                          check=True).stdout
    paths = [pathlib.Path(path) for path in re.search(r"R(?:UN)?PATH.*\[(.*)\]", text)[1].split(":")]
    # With what lies beside it: nvidia/ next to torch/.
    return sorted({path.parents[1] for path in paths if path.is_absolute() and path.name == "lib"})


class Cluster:
    """The pods of an overlay. `secrets` are files by the name of their Secret."""

    def __init__(self, objects, scratch, secrets=None):
        self.objects = objects
        self.scratch = pathlib.Path(scratch)
        self.scratch.chmod(0o755)
        self.secrets = secrets or {}
        network = f"127.{random.randrange(1, 255)}.{random.randrange(1, 255)}"
        self.pods = []
        for template in kustomize.pods(objects):
            if template.ours:
                for index in range(template.replicas):
                    number = len(self.pods) + 2
                    self.pods.append(RunningPod(self, template, f"{template.name}-{index}", f"{network}.{number}"))

    def named(self, name):
        return [pod for pod in self.pods if pod.template.name == name]

    @property
    def hosts(self):
        """Headless services: a name for the addresses of all their pods. One node: its relay."""
        lines = ["127.0.0.1 localhost"]
        for service in kustomize.named(self.objects, "Service"):
            assert service["metadata"]["name"] in ("tpo-prometheus", "tpo-grafana") or (
                service["spec"].get("clusterIP") == "None"
                or service["spec"].get("internalTrafficPolicy") == "Local"), service
            for pod in self.pods:
                if kustomize.matches({"matchLabels": service["spec"]["selector"]}, pod.template.labels):
                    lines.append(f"{pod.address} {service['metadata']['name']}")
        return "\n".join(lines) + "\n"

    def start(self, *pods):
        for pod in pods or self.pods:
            pod.start()

    def restart_ended(self):
        """What the kubelet does for pods that are always restarted. Those that failed fail the test."""
        for pod in self.pods:
            status = pod.process.poll()
            if status is not None:
                assert status == 0, f"ended with {status}: {pod}"
                pod.start()

    def kill(self):
        for pod in self.pods:
            pod.kill()


class RunningPod:
    """One replica. Started again it is a new process that finds what lasted, its claims."""

    def __init__(self, cluster, template, name, address):
        self.cluster = cluster
        self.template = template
        self.name = name
        self.address = address
        self.process = None
        self._lines = []
        self._reader = None

    def __str__(self):
        return f"{self.name}:\n{''.join(self._lines)}"

    @property
    def directory(self):
        return self.cluster.scratch / self.name

    def claim(self, name):
        """The folder of a persistent volume."""
        return self.cluster.scratch / "claims" / f"{name}-{self.name}"

    def start(self):
        self.kill()
        shutil.rmtree(self.directory, ignore_errors=True)
        root = self.directory / "root"
        root.mkdir(parents=True)
        for path in (self.cluster.scratch, self.directory):
            path.chmod(0o755)
        (self.directory / "hosts").write_text(self.cluster.hosts, encoding="ascii")
        (self.directory / "nsswitch.conf").write_text("hosts: files\n", encoding="ascii")
        (self.directory / "passwd").write_text("nonroot:x:65532:65532::/:/\n", encoding="ascii")
        mounts = [("ro", folder, str(folder)) for folder in libtorch()] + list(self._volumes())
        environment = kustomize.environment(self.template.container)
        environment["PATH"] = PROGRAMS
        context = self.template.spec["securityContext"]
        script = ROOT_SCRIPT.replace("$MOUNTS", "\n".join(
            f"mount --bind {shlex.quote(str(folder))} {shlex.quote(path.lstrip('/'))}"
            + (f" && mount -o remount,bind,ro {shlex.quote(path.lstrip('/'))}" if mode == "ro" else "")
            for mode, folder, path in mounts)).replace(
                "$ENVIRONMENT", shlex.join(f"{name}={value}" for name, value in environment.items()))
        self.process = subprocess.Popen(
            ["unshare", "--mount", "--propagation", "private", "sh", "-c", script, "pod", *self.command()],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace",
            env={"PATH": os.environ["PATH"], "ROOT": str(root), "POD": str(self.directory), "BIN": str(harness.BIN),
                 "DIRECTORIES": " ".join(shlex.quote(path.lstrip("/")) for _, _, path in mounts),
                 "USER_ID": str(context["runAsUser"]), "GROUP_ID": str(context["runAsGroup"])})
        self._lines = []
        self._reader = threading.Thread(target=self._lines.extend, args=(self.process.stdout,), daemon=True)
        self._reader.start()

    def command(self):
        """The image's entry point with the pod's arguments, at its own address."""
        program = "tpo-verifier" if "verifier" in self.template.container["image"] else "tpo"
        return [f"{PROGRAMS}/{program}",
                *(re.sub(r"=(0\.0\.0\.0|127\.0\.0\.1):", f"={self.address}:", argument)
                  for argument in kustomize.arguments(self.template.container))]

    def _volumes(self):
        """(mode, folder here, path in the pod) of each mount."""
        context = self.template.spec["securityContext"]
        sources = {volume["name"]: volume for volume in self.template.spec.get("volumes", [])}
        for mount in self.template.container.get("volumeMounts", []):
            volume = sources.get(mount["name"], {})
            if "configMap" in volume:
                folder = self._files(mount["name"],
                                     kustomize.config_files(self.cluster.objects, volume["configMap"]["name"]))
            elif "secret" in volume:
                folder = self._files(mount["name"], self.cluster.secrets[volume["secret"]["secretName"]])
            elif "emptyDir" in volume:
                folder = self._files(mount["name"], {})
                os.chown(folder, context["runAsUser"], context["fsGroup"])
            else:
                folder = self.claim(mount["name"])
                folder.mkdir(parents=True, exist_ok=True)
                folder.parent.chmod(0o755)
                # As fsGroup makes it: the group's, and writable for it.
                os.chown(folder, 0, context["fsGroup"])
                folder.chmod(0o2775)
            yield ("ro" if mount.get("readOnly") else "rw"), folder, mount["mountPath"]

    def _files(self, name, files):
        folder = self.directory / "volumes" / name
        folder.mkdir(parents=True)
        for path in (folder.parent, folder):
            path.chmod(0o755)
        for file, text in files.items():
            (folder / file).write_text(text, encoding="utf-8")
            (folder / file).chmod(0o644)
        return folder

    def ready(self):
        """Returns once the kubelet would send traffic here."""
        for kind in ("startupProbe", "readinessProbe"):
            probe = self.template.container[kind]
            give_up = time.monotonic() + max(harness.PATIENCE_SECONDS,
                                             probe.get("periodSeconds", 10) * probe.get("failureThreshold", 3))
            while not self.holds(probe):
                status = self.process.poll()
                if status is not None:
                    raise AssertionError(f"ended with {status} before its {kind} held: {self}")
                if time.monotonic() > give_up:
                    raise AssertionError(f"the {kind} fails: {self}")
                time.sleep(0.05)

    def alive(self):
        return self.holds(self.template.container["livenessProbe"])

    def holds(self, probe):
        """One try of a probe."""
        timeout = 10
        if "grpc" in probe:
            with grpc.insecure_channel(f"{self.address}:{probe['grpc']['port']}") as channel:
                request = health_pb2.HealthCheckRequest(service=probe["grpc"].get("service", ""))
                try:
                    answer = health_pb2_grpc.HealthStub(channel).Check(request, timeout=timeout)
                except grpc.RpcError:
                    return False
                return answer.status == health_pb2.HealthCheckResponse.SERVING
        try:
            if "tcpSocket" in probe:
                port = self.template.port(probe["tcpSocket"]["port"])
                socket.create_connection((self.address, port), timeout=timeout).close()
                return True
            status, _ = self._get(probe["httpGet"]["port"], probe["httpGet"]["path"], timeout)
            return 200 <= status < 400
        except (OSError, http.client.HTTPException):
            return False

    def metrics(self):
        return self._get("metrics", "/metrics", 10)[1]

    def _get(self, port, path, timeout):
        connection = http.client.HTTPConnection(self.address, self.template.port(port), timeout)
        with contextlib.closing(connection):
            connection.request("GET", path)
            response = connection.getresponse()
            return response.status, response.read().decode()

    def terminate(self):
        """What the kubelet does to end a pod, less the preStop pause. Returns the exit status."""
        self.process.send_signal(signal.SIGTERM)
        try:
            status = self.process.wait(self.template.spec["terminationGracePeriodSeconds"])
        except subprocess.TimeoutExpired:
            raise AssertionError(f"didn't end in its grace period: {self}") from None
        self._reader.join()
        return status

    def kill(self):
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self._reader.join()
            self.process.stdout.close()
            self.process = None
