from pathlib import Path
from typing import Iterator

import pytest

from place import Daemon, Namespace


@pytest.fixture
def space() -> Iterator[Namespace]:
    made = Namespace()
    try:
        yield made
    finally:
        made.close()


@pytest.fixture
def daemon(space: Namespace, tmp_path: Path) -> Iterator[Daemon]:
    space.bridge("br-shopfront", "172.18.0.1/16")
    made = Daemon(space, tmp_path)
    try:
        yield made
    finally:
        made.close()
