import sys
from pathlib import Path
from typing import Iterator

import pytest

HERE = Path(__file__).resolve().parent
sys.path += [str(HERE), str(HERE.parent / "netns")]

from bed import Bed  # noqa: E402


@pytest.fixture
def bed() -> Iterator[Bed]:
    with Bed() as made:
        yield made
