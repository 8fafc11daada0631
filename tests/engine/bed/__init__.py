"""The test bed: private Docker Engines of several generations, each in namespaces of its own, a LAN
around them, packets through all of it, and quaywall beside it.

Nothing here touches the machine's own network, engine or mounts. An engine lives in one pid, mount and
network namespace whose first process is held by this Python process: when that ends, for whatever reason
and be it by SIGKILL, the kernel ends every process inside and with them the mounts, links and rules.
"""

from .daemon import Quaywall
from .engine import Container, Engine, HostEngine, PrivateEngine
from .firewalld import Firewalld
from .lan import Lan
from .probe import Answer, Ask, Held, Place, eventually, matrix, reach, reach_all, serve, stays
from .roots import GENERATIONS, ensure_root
from .state import State
from .streams import Carried, Live, Many

__all__ = [
    "GENERATIONS",
    "Answer",
    "Ask",
    "Carried",
    "Container",
    "Engine",
    "Firewalld",
    "Held",
    "HostEngine",
    "Lan",
    "Live",
    "Many",
    "Place",
    "PrivateEngine",
    "Quaywall",
    "State",
    "ensure_root",
    "eventually",
    "matrix",
    "reach",
    "reach_all",
    "serve",
    "stays",
]
