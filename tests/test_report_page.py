"""The report as a page, as Markdown and as JSON, and its binary."""

import functools
import json
import re

import chrome
import pytest
from etils import epath
from pages import Document
from report_runs import COMMAND, SLOPES, SVG, growing, lane, write
from test_docs import ROOT, TEXTS
from test_numbers import flat

from benchmarks import report as binary_module
from docs import findings
from rnnjax.figures import canvas
from rnnjax.report import content, html, pictures, runs, verdicts
from rnnjax.report.claims import CLAIMS
from rnnjax.report.document import Cell, Details, Section, Table
from rnnjax.report.document import Document as Content

SLOPE = "stability.units.lstm.1e-4"
NASTY = '</script><b>"&\u2028 @@code@@'


@pytest.fixture
def binary(command):
    return functools.partial(command, binary_module)


@pytest.fixture
def results(tmp_path):
    """Two runs, one of which has a picture, and a damaged one."""
    made = [*growing("lstm", 2.0), *growing("gru", 0.1)]
    write(tmp_path / "in/all", made)
    (tmp_path / "in/all/times.svg").write_text(SVG)
    write(tmp_path / "in/long", [lane("irnn", 16, 0, None)], f"{COMMAND} --steps=9000")
    write(tmp_path / "in/bad", made)
    (tmp_path / "in/bad/rows/all.jsonl").write_text("?")
    return tmp_path


def test_a_report_has_verdicts_cells_pictures_commands_and_problems(binary, results):
    status, out, err = binary("--results=in", "--out_dir=out")
    assert status == 0
    assert err == ("report: in/bad: rows/all.jsonl is damaged\n")
    assert "LSTMs of more units remember longer (within 1e-4)." in out
    assert "Not measured yet: python -m benchmarks.capacity" in out
    assert "python -m benchmarks.suite makes all runs" in out
    assert out.rstrip().endswith("Report: out/report.html")
    document = Document((results / "out/report.html").read_text())
    ids = {e["id"] for e in document.elements if "id" in e}
    assert {
        "answer",
        "verdicts",
        "cells",
        "pictures",
        "claims",
        "runs",
        "problems",
    } < ids
    assert SLOPE in ids
    shown = [e["alt"] for e in document.all(tag="img") if "src" in e]
    assert shown == ["predicted", "Times & sizes"]  # the first is not rendered here
    shown = [e["text"] for e in document.all(tag="code")]
    assert f"{SLOPES}\npython -m benchmarks.report --results=results" in shown
    links = [e["href"][1:] for e in document.all(tag="a")]
    assert set(links) <= ids
    assert not re.search(
        r'(?:src|href)="(?!data:|#)', (results / "out/report.html").read_text()
    )
    markdown = (results / "out/report.md").read_text()
    assert "![Times & sizes](../in/all/times.svg)" in markdown
    assert max(map(len, re.findall(r"^[A-Z].*", markdown, re.MULTILINE))) <= 88


def test_claims_json_has_what_a_program_needs(binary, results):
    binary("--results=in", "--out_dir=out")
    whole = json.loads((results / "out/claims.json").read_text())
    claims = {claim["key"]: claim for claim in whole["claims"]}
    claim = claims[SLOPE]
    assert claim["verdict"] == "supported" and claim["n"] == 10
    assert claim["low"] < claim["effect"] < claim["high"]
    assert (claim["smallest"], claim["unit"]) == (0.5, "steps a doubling")
    assert claim["rows"] == ["all"]
    run = whole["runs"]["all"]
    assert (run["commit"], run["processor"]) == ("0123456789abcdef", "a processor")
    assert run["date"] == "2026-01-02" and run["versions"] == {"jax": "0.12"}
    assert run["commands"] == [f"{COMMAND} --cell=lstm,gru --steps=6000"]
    published = claims["capacity.level"]["published"]
    assert (published["value"], published["criteria"]) == (5, None)
    assert sum(whole["verdicts"].values()) == len(claims)
    times = whole["cells"]["merge_time"]
    assert times["setting"].startswith("input_size 16, hidden_size 16, layers 1")
    irnn, lstm, gru = (times["values"][cell] for cell in ("irnn", "lstm", "gru"))
    assert irnn["value"] is None  # beyond the run
    assert lstm["low"] < lstm["value"] < lstm["high"] and lstm["n"] == 10
    assert (irnn["rank"], lstm["rank"], gru["rank"]) == (1, 2, 3)
    assert whole["problems"] == {"bad": "rows/all.jsonl is damaged"}


def test_a_folder_without_runs_is_an_error_with_a_page(binary, tmp_path):
    (tmp_path / "in").mkdir()
    status, out, err = binary("--results=in", "--out_dir=out")
    assert (status, err) == (1, "report: no run could be read below in\n")
    assert "0 supported, 0 contradicted, 0 undecided" in out
    assert (tmp_path / "out/report.html").exists()
    status, _, err = binary("--results=none")
    assert (status, err) == (
        2,
        "report: --results=none: it is no folder; allowed: a folder with run folders\n",
    )


@pytest.mark.parametrize(
    "given, problem",
    [("in", "it holds something else"), ("file", "it is no folder"), ("", "no folder")],
)
def test_a_report_is_not_written_among_other_files(binary, results, given, problem):
    (results / "file").write_text("")
    before = sorted(results.rglob("*"))
    status, out, err = binary("--results=in", f"--out_dir={given}")
    assert (status, out, sorted(results.rglob("*"))) == (2, "", before)
    allowed = "an empty folder, or that of a report"
    assert err == f"report: --out_dir={given}: {problem}; allowed: {allowed}\n"


def test_a_report_may_be_written_again(binary, results):
    assert [binary("--results=in", "--out_dir=out")[0] for _ in "ab"] == [0, 0]
    (results / "stopped").mkdir()
    (results / "stopped/predicted.svg").write_text("")
    assert binary("--results=in", "--out_dir=stopped")[0] == 0


def test_no_text_breaks_the_page(tmp_path):
    table = Table(NASTY, [NASTY], [[Cell(NASTY, NASTY)]])
    details = Details("x", NASTY, [(NASTY, NASTY)], [NASTY])
    made = html.page(Content(NASTY, [Section("a", NASTY, [NASTY, table, details])]))
    document = Document(made)
    assert len(document.all(tag="script")) == 1 and not document.all(tag="b")
    for tag in ("h1", "caption", "dd", "code"):
        assert document.all(tag=tag)[0]["text"] == NASTY
    assert document.all(role="rowheader")[0]["data-text"] == NASTY


def test_a_picture_that_does_not_fit_is_named(tmp_path, monkeypatch):
    paths = []
    for name in ("a", "b"):
        (tmp_path / f"{name}.svg").write_text(SVG)
        paths.append(tmp_path / f"{name}.svg")
    monkeypatch.setattr(pictures, "MAX_BYTES", 1000)
    first, second = pictures.collect([], paths)
    assert (first.title, first.caption) == ("Times & sizes", "Medians over 10 seeds.")
    assert first.data.startswith("data:image/svg+xml,%3Csvg") and second.data == ""
    assert not set('"<>#&\n') & set(first.data)
    *shown, words = content._pictures([first, second])
    assert shown == [first] and "b.svg" in words


def test_pictures_of_other_seeds_are_not_shown_again(tmp_path):
    for name, words in (
        ("a", "--cell=gru --first_seed=0"),
        ("b", "--cell=gru --first_seed=5 --out_dir=b"),
        ("c", "--cell=lstm"),
    ):
        write(tmp_path / name, growing("gru", 1.0), f"{COMMAND} {words}")
        (tmp_path / name / "times.svg").write_text(SVG)
    made = pictures.collect(runs.find(epath.Path(tmp_path))[0], [])
    assert [picture.run for picture in made] == ["a", "c"]


def test_a_picture_says_in_its_file_what_it_shows(tmp_path):
    with canvas.figure(tmp_path, "a", 1, 1, (2, 1)) as (fig, _):
        canvas.caption(fig, "Times & sizes", "Medians over 10 seeds, of all shapes.")
    (picture,) = pictures.collect([], [tmp_path / "a.svg"])
    assert picture.title == "Times & sizes"
    assert picture.caption == "Medians over 10 seeds, of all shapes."


def test_a_picture_has_no_more_bytes_than_can_be_seen(tmp_path):
    """Coordinates have hundredths of points; letters have no rotation by nothing."""
    with canvas.figure(tmp_path, "a", 1, 1, (2, 1)) as (_, axes):
        axes[0, 0].plot([0, 1 / 3, 2 / 3], [1 / 7, 5 / 7, 2 / 7])
        axes[0, 0].text(1 / 3, 1 / 7, "0.123456")
    text = (tmp_path / "a.svg").read_text()
    paths = re.findall(r'd="(M[^"]*)"', text)
    assert any(re.search(r"\.\d\d", path) for path in paths)
    assert not any(re.search(r"\.\d{3}", path) for path in paths)
    assert ">0.123456</text>" in text and "rotate(-0" not in text


def test_a_lower_bound_is_shown_as_one(tmp_path):
    made = [
        lane("gru", 16, seed, 15.0 if weights == "fresh" else None, weights=weights)
        for seed in range(6)
        for weights in ("fresh", "trained")
    ]
    write(tmp_path / "a", made, f"{COMMAND} --network=nets")
    claims = [claim for claim in CLAIMS if claim.key == "stability.trained.gru"]
    (made,) = verdicts.judge(claims, runs.find(epath.Path(tmp_path))[0])
    assert content.effect(made) == "≥ 8.29 (8.29 to 8.29)"  # log2(5001) - 4


def test_numbers_have_three_digits():
    values = {0.0: "0", -1e-6: "0", 0.01234: "0.0123", 1.5: "1.50", 2345.6: "2,346"}
    assert {value: content.number(value) for value in values} == values


HEADER = "document.querySelectorAll('table.verdicts thead th')[2]"


def test_a_browser_sorts_and_enlarges_by_keyboard_without_an_error(binary, results):
    binary("--results=in", "--out_dir=out")
    path = results / "out/report.html"
    with chrome.page(path, results / "profile") as page:
        page.evaluate("document.querySelectorAll('.verdicts thead button')[1].focus()")
        page.press("Tab", "Enter")
        assert page.evaluate(f"{HEADER}.ariaSort") == "ascending"
        page.press("Enter")
        assert page.evaluate(f"{HEADER}.ariaSort") == "descending"
        said = page.evaluate("document.getElementById('sorted').textContent")
        assert said == "Sorted by effect, descending."
        keys = "[...document.querySelectorAll('.verdicts tbody td:nth-child(3)')]"
        shown = page.evaluate(f"{keys}.map(cell => cell.dataset.text)")
        known = [float(text.split()[0]) for text in shown if text != "-"]
        assert known == sorted(known, reverse=True) and len(known) > 2
        page.evaluate("document.querySelectorAll('.picture')[1].focus()")
        page.press("Enter")
        assert page.evaluate("document.querySelector('dialog').open")
        image = "document.querySelector('dialog img')"
        assert page.evaluate(f"{image}.decode().then(() => {image}.naturalWidth)") > 0
        page.press("Escape")
        assert not page.evaluate("document.querySelector('dialog').open")
        page.evaluate("dispatchEvent(new Event('beforeprint'))")
        closed = page.evaluate(
            "document.querySelectorAll('details:not([open])').length"
        )
        assert (closed, page.errors) == (0, [])


# The documents.


def test_readme_says_what_claims_json_says():
    text = (ROOT / "docs/claims.json").read_text()
    whole = json.loads(text)
    units = {claim["key"]: claim for claim in whole["claims"]}[SLOPE]
    stated = f"adds {units['effect']:.1f} ({units['low']:.1f} to {units['high']:.1f})"
    readme = flat(TEXTS["README.md"])
    assert stated in readme
    assert f"{whole['verdicts']['supported']} supported" in readme

    units["effect"] = 7.89
    assert "adds 7.9 (" in flat(findings.section(json.dumps(whole)))
    units["verdict"] = "undecided"
    with pytest.raises(ValueError, match=f"{SLOPE} is undecided, not supported"):
        findings.section(json.dumps(whole))
