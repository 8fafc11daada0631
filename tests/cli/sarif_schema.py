"""The official JSON schema of SARIF 2.1.0.

No package of Debian holds it, so it comes from npm's registry, in the version that stands here, once for each machine. What
else comes by that name is refused, and where nothing comes the test fails.
"""

import hashlib
import json
import os
import subprocess
import tarfile
import tempfile
from pathlib import Path
from typing import Any

PACKAGE = "@microsoft/jest-sarif@1.0.0-beta.0"
MEMBER = "package/lib/schemas/sarif-2.1.0-rtm.5.json"
SHA256 = "2d99159ae54a3eea97f81781cff48780548657c35949f4b7f25e99a2ba4de4f8"


def is_it(data: bytes) -> bool:
    return hashlib.sha256(data).hexdigest() == SHA256


def fetch() -> bytes:
    """Of the package only that file is read: nothing of it runs."""
    with tempfile.TemporaryDirectory() as folder:
        argv = ["npm", "pack", "--silent", "--ignore-scripts", "--pack-destination", folder, PACKAGE]
        done = subprocess.run(
            argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, cwd=folder, timeout=120, check=False
        )
        assert done.returncode == 0, f"{PACKAGE} cannot be had: {done.stderr}"
        (archive,) = Path(folder).glob("*.tgz")
        with tarfile.open(archive) as tar:
            member = tar.extractfile(MEMBER)
            assert member
            return member.read(1 << 20)


def schema() -> Any:
    kept = Path(os.environ.get("QUAYWALL_TEST_CACHE", "/var/tmp/quaywall-tests")) / "sarif-2.1.0.json"
    if kept.is_file() and is_it(kept.read_bytes()):
        return json.loads(kept.read_bytes())
    data = fetch()
    assert is_it(data), f"{PACKAGE} holds another {MEMBER} than it did"
    kept.parent.mkdir(parents=True, exist_ok=True)
    fresh = kept.with_suffix(f".{os.getpid()}")
    fresh.write_bytes(data)
    fresh.rename(kept)
    return json.loads(data)
