"""What the package says of itself: its version, what its import costs, its pins."""

import configparser
import pathlib
import re
import subprocess
import sys

import rnnjax

ROOT = pathlib.Path(__file__).parent.parent


def setup_cfg():
    parser = configparser.ConfigParser(delimiters="=")
    parser.read(ROOT / "setup.cfg")
    return parser


def names(requirements):
    """Distributions, without versions and extras."""
    found = re.findall(r"^\s*([A-Za-z][\w.-]*)", requirements, re.MULTILINE)
    return {name.lower() for name in found}


def test_importing_rnnjax_imports_no_jax():
    code = "import sys, rnnjax; sys.exit('jax' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT).returncode == 0


def test_the_version_of_the_package_is_that_of_rnnjax():
    assert setup_cfg()["metadata"]["version"] == "attr: rnnjax.__version__"
    assert re.fullmatch(r"\d+\.\d+\.\d+", rnnjax.__version__)


def test_everything_the_tests_need_is_pinned():
    config = setup_cfg()
    extras = config["options.extras_require"]
    needed = names(config["options"]["install_requires"]).union(
        *(names(extras[extra]) for extra in ("test", "lint", "timing"))
    )
    lines = (ROOT / "requirements.txt").read_text().splitlines()
    pinned = {line.split("==")[0].lower() for line in lines if "==" in line}
    assert needed <= pinned
