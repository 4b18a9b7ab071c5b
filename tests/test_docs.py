"""What README and the documents show exists, parses, and works as written."""

import pathlib
import re
import shlex

import pytest
from absl import flags

from benchmarks import (
    compare,
    merge,
    peers,
    registry,
    regret,
    report,
    suite,
    timing,
    verify,
)
from benchmarks.common import flags as flags_lib
from benchmarks.common import main
from docs import pictures
from docs.__main__ import PAGES as PAGES_OF_DATA
from rnnjax.cells.activations import ACTIVATIONS
from rnnjax.cells.initializers import INITIALIZERS
from rnnjax.cells.registry import CELLS
from rnnjax.memory_stability.config import CELL_OPTIONS
from rnnjax.settings import SettingError
from rnnjax.tasks.registry import TASKS

ROOT = pathlib.Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")])
TEXTS = {str(page.relative_to(ROOT)): page.read_text() for page in PAGES}
MAX_README = 8 * 1024
MAX_COLUMNS = 88

BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\(([^)\s]+)\)")
PATH = re.compile(r"^((?:[\w.]+/)+)(?=\s)", re.MULTILINE)
NAME = re.compile(r"`(\w+)`")
OTHERS = (merge, verify, timing, compare, peers, regret, report, suite)
COMMANDS = {
    command.name: command
    for command in (
        *(main.command_of(benchmark) for benchmark in registry.BENCHMARKS.values()),
        *(module.COMMAND for module in OTHERS),
    )
}
OWN_CELL = re.compile(r"--cell=\w+:")  # in a file that is not here
# Flags whose config needs a file, a folder or a download that is not here.
UNAVAILABLE = ("network", "text")


def blocks(text: str, language: str) -> list[str]:
    """The code blocks of a language."""
    return [code for kind, code in BLOCK.findall(text) if kind == language]


def command_lines(code: str) -> list[list[str]]:
    """The words of each `python -m benchmarks.X ...` or `rnnjax X`, X first."""
    joined = re.sub(r"\\\n\s*", " ", code)
    start = r"(?:python -m benchmarks\.|^rnnjax (?=\w))"
    found = re.findall(start + r"([^\n&;|)]*)", joined, re.MULTILINE)
    lines = [shlex.split(words, comments=True) for words in found]
    return [line for line in lines if not OWN_CELL.search(" ".join(line))]


def shown_commands() -> dict[str, list[str]]:
    """Every command line that the documents show, by itself."""
    codes = [code for text in TEXTS.values() for code in blocks(text, "sh")]
    codes.append(pictures.__doc__ or "")
    found = [line for code in codes for line in command_lines(code)]
    return {shlex.join(line): line for line in found}


def anchors(text: str) -> set[str]:
    """The anchors of the headings of a page, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", BLOCK.sub("", text), re.MULTILINE)
    lowered = [re.sub(r"[^\w\- ]", "", heading.lower()) for heading in headings]
    return {heading.replace(" ", "-") for heading in lowered}


def prose(text: str) -> list[str]:
    """The lines of a page without code blocks, tables, and targets of links."""
    lines = LINK.sub("]", BLOCK.sub("", text)).splitlines()
    return [line for line in lines if not line.lstrip().startswith("|")]


def test_readme_is_short():
    assert len(README.encode()) <= MAX_README


@pytest.mark.parametrize("name", TEXTS)
def test_prose_has_at_most_88_columns(name):
    assert [line for line in prose(TEXTS[name]) if len(line) > MAX_COLUMNS] == []


@pytest.mark.parametrize("name", TEXTS)
def test_links_lead_to_files_and_headings_that_exist(name):
    for link in LINK.findall(BLOCK.sub("", TEXTS[name])):
        if not link.startswith("https://"):
            path, _, anchor = link.partition("#")
            target = (ROOT / name).parent / path if path else ROOT / name
            assert target.exists(), link
            assert not anchor or anchor in anchors(target.read_text()), link


def test_every_picture_is_shown():
    links = {link for text in TEXTS.values() for link in LINK.findall(text)}
    shown = {pathlib.Path(link).name for link in links}
    assert {path.name for path in ROOT.glob("docs/*.png")} <= shown


def test_the_map_of_readme_is_the_tree():
    (tree,) = [code for code in blocks(README, "") if "rnnjax/engine/" in code]
    named = set(PATH.findall(tree))
    packages = {f"rnnjax/{path.parent.name}/" for path in ROOT.glob("rnnjax/*/*.py")}
    assert packages < named
    assert all((ROOT / path).is_dir() for path in named)


@pytest.mark.parametrize("line", shown_commands().values(), ids=shlex.join)
def test_every_command_line_parses(line):
    name, *arguments = line
    if "--help" in arguments:
        return
    command = COMMANDS[name]
    argv = [name, *arguments]
    given = flags_lib.parse(argv, command.words, *command.options.values())
    benchmark = registry.BENCHMARKS.get(name)
    if benchmark is not None and not any(flag in given for flag in UNAVAILABLE):
        main.run_options(given)
        main.configure(benchmark, given)


def test_command_lines_that_share_a_folder_have_the_same_settings():
    """Otherwise the second one would be refused."""
    by_folder: dict = {}
    for name, *arguments in shown_commands().values():
        benchmark = registry.BENCHMARKS.get(name)
        if benchmark is None or "--help" in arguments or "--smoke" in arguments:
            continue
        options = main.command_of(benchmark).options.values()
        given = flags_lib.parse([name, *arguments], (), *options)
        if not any(flag in given for flag in UNAVAILABLE):
            config = main.configure(benchmark, given)
            folder = given.get("out_dir", f"results/{name}/{config.name}")
            settings = by_folder.setdefault(folder, config.settings)
            assert settings == config.settings, folder
    assert len(by_folder) > 10


def test_a_wrong_command_line_would_be_found():
    (line,) = command_lines(
        "python -m benchmarks.memory_stability \\\n  --cell=gruu  # x"
    )
    with pytest.raises((flags.Error, SettingError), match="gruu"):
        test_every_command_line_parses(line)
    (line,) = command_lines("cd /tmp && python -m benchmarks.merge; ls")
    with pytest.raises(flags.Error, match="RUN_DIR"):
        test_every_command_line_parses(line)


@pytest.mark.usefixtures("quick_compilation")
def test_the_python_example_of_readme_runs(capsys):
    (example,) = blocks(README, "python")
    exec(example, {})
    median, fraction, exponent = map(float, capsys.readouterr().out.split())
    assert 5 < median < 50
    assert fraction == 1
    assert -1 < exponent < 0


@pytest.mark.parametrize("path", PAGES_OF_DATA, ids=lambda path: path.name)
def test_pages_are_what_schemas_and_kept_rows_give(path):
    """If this fails: python -m docs."""
    assert path.read_text() == PAGES_OF_DATA[path]()


def test_every_cell_initializer_nonlinearity_and_option_is_named():
    page = TEXTS["docs/cells.md"]
    assert {*CELLS, *INITIALIZERS, *ACTIVATIONS} <= set(NAME.findall(page))
    assert [name for name in CELL_OPTIONS if f"`--{name}`" not in page] == []


def test_every_task_is_named():
    assert set(TASKS) <= set(NAME.findall(TEXTS["docs/experiments.md"]))
