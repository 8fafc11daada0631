"""Files as strings of C, with their sums as a Content-Security-Policy names them: embed.py OUTPUT FILE..."""

import base64
import hashlib
import sys
from pathlib import Path


def embed(file: Path) -> str:
    data = file.read_bytes()
    name = file.name.replace(".", "_")
    digest = base64.b64encode(hashlib.sha256(data).digest()).decode()
    numbers = ",".join(str(byte) for byte in data + b"\0")
    return f'const char {name}[] = {{{numbers}}};\nconst char {name}_sum[] = "sha256-{digest}";\n'


def main() -> None:
    output, *files = map(Path, sys.argv[1:])
    text = "".join(embed(file) for file in files)
    output.write_text(text, encoding="ascii")


main()
