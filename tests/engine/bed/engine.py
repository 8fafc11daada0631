"""A Docker Engine and its containers, driven by its own command line client."""

import io
import json
import os
import signal
import socket
import subprocess
import tarfile
import time
from pathlib import Path
from typing import Any, Mapping, Sequence

from .roots import root_of
from .space import DIES_WITH_US, CommandError, Space, children, run, wait_gone
from .state import State, base, build_probe

IMAGE = "quaywall-probe"

# Everything is mounted in a namespace of its own, so it goes with its last process. {run} is shared
# between the two roots of that namespace: what the engine mounts in its exec root (the containers'
# network namespaces) is seen under the same path by quaywall, which runs in the machine's root.
# /etc is a copy because the engine writes its identity there (20.10) and would read the machine's settings.
MOUNTS = """
mount --bind {root} {top}
mount --bind {run} {run}
mount --make-shared {run}
mkdir -p {top}{run}
mount --bind {run} {top}{run}
mount -t proc proc {top}/proc
mount -t sysfs sysfs {top}/sys
if mountpoint -q /sys/fs/cgroup; then mount --rbind /sys/fs/cgroup {top}/sys/fs/cgroup
else mount -t cgroup2 cgroup2 {top}/sys/fs/cgroup; fi
mount --rbind /dev {top}/dev
mount -t tmpfs -o mode=755 tmpfs {top}/run
mount -t tmpfs -o mode=755 tmpfs {top}/etc
cp -a {etc}/. {top}/etc
rm -rf {top}/etc/docker
exec chroot {top} {probe} init
"""


class Container:
    """A container that runs the probe's server."""

    def __init__(self, engine: "Engine", name: str) -> None:
        self.engine = engine
        self.name = name

    def inspect(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.engine.docker("inspect", self.name))[0]
        return found

    @property
    def id(self) -> str:
        return str(self.inspect()["Id"])

    @property
    def netns(self) -> str:
        """Asked anew each time: a restart brings another one."""
        return self.engine.netns_of(int(self.inspect()["State"]["Pid"]))

    def addr(self, family: int = 4, network: str | None = None) -> str:
        """Its address in NETWORK, else in the one that the engine lists first."""
        networks = self.inspect()["NetworkSettings"]["Networks"]
        found = networks[network] if network else next(iter(networks.values()))
        addr = str(found["IPAddress" if family == 4 else "GlobalIPv6Address"])
        if not addr:
            raise RuntimeError(f"{self.name} has no IPv{family} address in {network or 'any network'}")
        return addr

    def at(self) -> "FixedPlace":
        """The namespace of now, found once: for many packets from a container that stays."""
        return FixedPlace(self.name, self.netns)

    def ip(self, *argv: str) -> str:
        """`ip ARGV` in its namespace, with rights that it does not have itself."""
        return run(["nsenter", f"--net={self.netns}", "--", "ip", *argv])

    def stop(self) -> None:
        self.engine.docker("stop", "-t", "2", self.name)

    def start(self) -> None:
        self.engine.docker("start", self.name)

    def restart(self) -> None:
        self.engine.docker("restart", "-t", "2", self.name)

    def remove(self) -> None:
        self.engine.docker("rm", "-f", "-v", self.name)


class FixedPlace:
    def __init__(self, name: str, netns: str) -> None:
        self.name = name
        self.netns = netns


class Engine:
    """What both kinds of engines have: a socket, a network namespace, a way to processes."""

    name = "host"  # as a place that packets come from
    url: str
    netns: str
    prefix = ""  # of all names, where others use the engine too

    def __init__(self) -> None:
        self._environment = dict(os.environ, DOCKER_CONFIG="/nonexistent")
        for name in ("DOCKER_HOST", "DOCKER_CONTEXT", "DOCKER_TLS_VERIFY", "DOCKER_API_VERSION"):
            self._environment.pop(name, None)

    def netns_of(self, pid: int) -> str:
        raise NotImplementedError

    def client(self) -> list[str]:
        return ["docker"]

    def docker(self, *argv: str, stdin: bytes | None = None, timeout: float = 60) -> str:
        done = subprocess.run(
            [*self.client(), "-H", self.url, *argv],
            input=stdin if stdin is not None else b"",
            capture_output=True,
            env=self._environment,
            timeout=timeout,
            check=False,
        )
        if done.returncode:
            raise CommandError(f"docker {' '.join(argv)}: {done.stderr.decode(errors='replace').strip()}")
        return done.stdout.decode(errors="replace").strip()

    def load_image(self, name: str = IMAGE, labels: Mapping[str, str] | None = None) -> None:
        tar = io.BytesIO()
        with tarfile.open(fileobj=tar, mode="w") as archive:
            archive.add(build_probe(), "probe")
        changes = [f"--change=LABEL {key}={value}" for key, value in (labels or {}).items()]
        self.docker("import", *changes, "-", self.prefix + name, stdin=tar.getvalue())

    def network(
        self,
        name: str,
        subnet: str,
        subnet6: str | None = None,
        options: Mapping[str, str] | None = None,
        flags: Sequence[str] = (),
    ) -> str:
        argv = ["network", "create", "--subnet", subnet, *flags]
        if subnet6:
            argv += ["--ipv6", "--subnet", subnet6]
        for key, value in (options or {}).items():
            argv += ["-o", f"{key}={value}"]
        return self.docker(*argv, self.prefix + name)

    def run(
        self,
        name: str,
        network: str | None = None,
        serve: Sequence[str] = ("tcp:80", "udp:53", "tcp:5432"),
        publish: Sequence[str] = (),
        labels: Mapping[str, str] | None = None,
        service: str | None = None,
        flags: Sequence[str] = (),
        image: str = IMAGE,
    ) -> Container:
        """SERVICE is PROJECT/SERVICE: the labels that Compose would give. The server's name is NAME."""
        wanted = dict(labels or {})
        if service:
            project, _, of = service.partition("/")
            wanted |= {"com.docker.compose.project": project, "com.docker.compose.service": of}
        argv = ["run", "-d", "--name", self.prefix + name, "--security-opt", "apparmor=unconfined"]
        if network:
            known = ("bridge", "host", "none") if ":" not in network else (network,)
            argv += ["--network", network if network in known else self.prefix + network]
        for text in publish:
            argv += ["-p", text]
        for key, value in wanted.items():
            argv += ["-l", f"{key}={value}"]
        self.docker(*argv, *flags, self.prefix + image, "/probe", "serve", name, *serve)
        return Container(self, self.prefix + name)

    def remove_all(self) -> None:
        """Every container and every network but the engine's own: for a fresh test on a running engine."""
        ids = self.docker("ps", "-aq").split()
        if ids:
            self.docker("rm", "-f", "-v", *ids)
        networks = self.docker("network", "ls", "-q", "--filter", "type=custom").split()
        if networks:
            self.docker("network", "rm", *networks)


class HostEngine(Engine):
    """The engine that the machine runs already, in the namespace that we are in."""

    def __init__(self, prefix: str, url: str = "unix:///var/run/docker.sock") -> None:
        super().__init__()
        self.prefix = prefix
        self.url = url
        self.netns = f"/proc/{os.getpid()}/ns/net"

    def netns_of(self, pid: int) -> str:
        return f"/proc/{pid}/ns/net"


class PrivateEngine(Engine):
    """An engine of GENERATION in its own namespaces. OPTIONS are lines of its daemon.json."""

    def __init__(
        self, generation: str, options: Mapping[str, Any] | None = None, start: bool = True
    ) -> None:
        super().__init__()
        self.generation = generation
        root = root_of(generation)
        self.state = State()
        self.path = self.state.path
        self.socket = self.path / "docker.sock"
        self.url = f"unix://{self.socket}"
        self.options = dict(options or {})
        self._own_client = (root / "usr/bin/docker").exists()
        self._process: subprocess.Popen[bytes] | None = None
        names = {
            "root": root,
            "etc": root / "etc",
            "top": base() / "mnt",
            "run": base() / "run",
            "probe": self.state.probe,
        }
        self.space: Space | None = None
        try:
            self.space = Space(self.state.probe, MOUNTS.format(**names))
            self.netns = self.space.netns
            self._prepare(self.space)
            if start:
                self.start()
        except BaseException:
            self.close()
            raise

    def _prepare(self, space: Space) -> None:
        # br_netfilter off, as on a machine where nobody has loaded it: the harder case for quaywall.
        # Forwarding on before the engine starts, else it sets the forward policy to drop and the
        # paths that are open on other machines cannot be seen here.
        space.sysctl(
            net__ipv4__ip_forward=1,
            net__ipv6__conf__all__forwarding=1,
            net__ipv6__conf__default__accept_dad=0,
        )
        space.sysctl(**{"net__bridge__bridge-nf-call-iptables": 0})
        space.sysctl(**{"net__bridge__bridge-nf-call-ip6tables": 0})

    def client(self) -> list[str]:
        """Its own where it has one: clients refuse engines that are much older than they are."""
        if self._own_client and self.space:
            return self.space.inside_argv("/usr/bin/docker")
        return ["/usr/bin/docker"]

    def netns_of(self, pid: int) -> str:
        if pid == 0:
            raise RuntimeError("the container does not run")
        assert self.space
        # The engine's own /proc, seen through the first process's root, knows its own pids.
        return f"/proc/{self.space.pid}/root/proc/{pid}/ns/net"

    # ---- the daemon itself ----

    def start(self) -> None:
        assert self.space
        options: dict[str, Any] = {
            "data-root": str(self.path / "data"),
            "exec-root": str(self.path / "exec"),
            "pidfile": str(self.path / "docker.pid"),
            "hosts": [self.url],
            "storage-driver": "vfs",
            "exec-opts": ["native.cgroupdriver=cgroupfs"],
            "cgroup-parent": f"/{self.state.name}",
            "log-driver": "none",
        } | self.options
        config = self.path / "daemon.json"
        config.write_text(json.dumps(options, indent=1), encoding="utf-8")
        argv = ["dockerd", "--config-file", str(config)]
        (self.path / "docker.pid").unlink(missing_ok=True)
        with open(self.path / "dockerd.log", "ab") as log:
            self._process = subprocess.Popen(
                [*DIES_WITH_US, *self.space.inside_argv(*argv)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self._wait_ready()

    def _wait_ready(self, within: float = 60) -> None:
        end = time.monotonic() + within
        while not self.answers():
            assert self._process
            if self._process.poll() is not None or time.monotonic() > end:
                raise RuntimeError(f"dockerd {self.generation} does not answer: {self.log_tail()}")
            time.sleep(0.05)
        if not self.docker("images", "-q", IMAGE):
            self.load_image()

    def answers(self) -> bool:
        try:
            with socket.socket(socket.AF_UNIX) as s:
                s.settimeout(5)
                s.connect(str(self.socket))
                s.sendall(b"GET /_ping HTTP/1.0\r\n\r\n")
                return b" 200 " in s.recv(100)
        except OSError:
            return False

    def log_tail(self, lines: int = 15) -> str:
        text = (self.path / "dockerd.log").read_text(encoding="utf-8", errors="replace")
        return "\n".join(text.splitlines()[-lines:])

    def stop(self, how: signal.Signals = signal.SIGTERM) -> None:
        """Ends dockerd alone; with live-restore, or by SIGKILL, its containers run on."""
        if not self._process:
            return
        for pid in children(self._process.pid):  # nsenter waits for it and then ends itself
            os.kill(pid, how)
            wait_gone(pid)
        self._process.wait()
        self._process = None

    def restart(self, how: signal.Signals = signal.SIGTERM) -> None:
        self.stop(how)
        self.start()

    # ---- looking at the host ----

    def host(self, *argv: str) -> str:
        assert self.space
        return self.space.net(*argv)

    def host_addr(self, family: int = 4) -> str:
        """The host's address on lan0, once there is a Lan."""
        return "192.0.2.1" if family == 4 else "2001:db8:1::1"

    def close(self) -> None:
        if self.space:
            self.space.close()
            self.space = None
        if self._process:
            self._process.kill()
            self._process.wait()
            self._process = None
        self.state.close()

    def keep_log(self, to: Path) -> None:
        to.write_text(self.log_tail(1000), encoding="utf-8")
