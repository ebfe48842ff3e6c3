"""What the parts need from PyPI and npm, at the versions pinned here, installed once and kept outside the repository's files."""
import hashlib
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]


@dataclass(frozen=True)
class Caches:
    directory: Path

    @property
    def python(self):
        return self.directory / "venv/bin/python"

    @property
    def node_modules(self):
        return self.directory / "node/node_modules"


def prepare():
    """Installs what is missing or pinned otherwise than at the last time."""
    caches = Caches(Path(os.environ.get("RESTLAKE_REAL_CACHE", ROOT / "target/real")).resolve())
    caches.directory.mkdir(parents=True, exist_ok=True)
    once(caches.directory / "venv.pins", [HERE / "requirements.txt"], lambda: install_python(caches))
    once(caches.directory / "node.pins", [HERE / "package.json", HERE / "package-lock.json"], lambda: install_node(caches))
    return caches


def once(stamp, pins, install):
    """The stamp is written last: an installation that was broken off is done again."""
    wanted = hashlib.sha256(b"".join(pin.read_bytes() for pin in pins)).hexdigest()
    if not stamp.exists() or stamp.read_text() != wanted:
        stamp.unlink(missing_ok=True)
        install()
        stamp.write_text(wanted)


def install_python(caches):
    subprocess.run([sys.executable, "-m", "venv", "--clear", str(caches.directory / "venv")], check=True)
    pip = [str(caches.python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, "--requirement", str(HERE / "requirements.txt")], check=True)


def install_node(caches):
    directory = caches.directory / "node"
    directory.mkdir(exist_ok=True)
    for name in ("package.json", "package-lock.json"):
        (directory / name).write_bytes((HERE / name).read_bytes())
    subprocess.run(["npm", "ci", "--no-audit", "--no-fund", "--loglevel=error"], cwd=directory, check=True)
