"""Verdicts on claims: which rows count, what an effect is, and when it decides."""

import json
import math

import numpy as np
import pytest
from etils import epath
from report_runs import COMMAND, SLOPES, growing, lane, write
from scipy import stats

from docs import error_rates
from rnnjax.report import cells, effects, forms, pools, runs, verdicts
from rnnjax.report.claims import CLAIMS
from rnnjax.report.effects import Contrast, Line, Scale, Share
from rnnjax.report.pools import AXES

BY_KEY = {claim.key: claim for claim in CLAIMS}
UNITS = {cell: BY_KEY[f"stability.units.{cell}.1e-4"] for cell in ("lstm", "gru")}


def found(folder):
    return runs.find(epath.Path(folder))


def judge(folder, *claims):
    return verdicts.judge(claims, found(folder)[0])


# Effects.


def test_few_seeds_have_the_interval_of_student_and_of_welch():
    rng = np.random.default_rng(0)
    x, y = rng.normal(1, 1, 4), rng.normal(0, 2, 5)
    one = effects.over_seeds(x).estimate()
    student = stats.ttest_1samp(x, 0).confidence_interval()
    assert (one.low, one.high) == pytest.approx((student.low, student.high))
    two, welch = effects.difference(x, y), stats.ttest_ind(x, y, equal_var=False)
    limits = welch.confidence_interval()
    found = two.estimate()
    assert (found.low, found.high) == pytest.approx((limits.low, limits.high))
    assert 2 * min(two.above(0), 1 - two.above(0)) == pytest.approx(welch.pvalue)


def test_many_seeds_have_a_bootstrap_interval_that_is_stratified():
    rng = np.random.default_rng(1)
    groups = tuple(rng.normal(k, 1, 40) for k in range(3))
    contrast = Contrast(groups, (-0.5, 0.0, 0.5))
    error = (0.25 * (groups[0].var(ddof=1) + groups[2].var(ddof=1)) / 40) ** 0.5
    found = contrast.estimate()
    assert found.value == pytest.approx((groups[2].mean() - groups[0].mean()) / 2)
    assert found.high - found.low == pytest.approx(2 * 1.99 * error, rel=0.08)


def test_seeds_that_are_all_alike_have_the_p_value_of_signs():
    alike = effects.over_seeds([2.0] * 10)
    assert alike.above(1) == 2**-10 and alike.above(3) == 1 - 2**-10
    one = effects.over_seeds([2.0])
    assert one.above(1) is None and one.estimate().low is None


@pytest.mark.parametrize(
    "effect", [Share(3, 20), Line(9, 0.4, 0.1), Scale(30, 1.2)], ids=repr
)
def test_an_interval_ends_where_its_test_has_the_tails_left(effect):
    found = effect.estimate(0.9)
    assert effect.above(found.low) == pytest.approx(0.05, abs=1e-6)
    assert effect.above(found.high) == pytest.approx(0.95, abs=1e-6)


def test_pairs_are_those_of_a_seed_and_shape():
    a = [lane("lstm", 16, seed, 30 + seed) for seed in range(3)]
    b = [lane("gru", 16, seed, 20 + 2 * seed) for seed in (2, 1, 5)]
    found = effects.paired(a, b, "first_1e-4", ("seed", "hidden_size"))
    assert found.strata[0].tolist() == [9, 8]


# Verdicts.


@pytest.mark.parametrize("name", error_rates.CASES)
def test_verdicts_are_wrong_no_more_often_than_stated(name):
    """An effect that is absent, too small, or clearly there, 100 times each."""
    limits = {error_rates.WRONG: "contradicted", error_rates.SMALL: "contradicted"}
    limits |= {error_rates.OUTSIDE: "contradicted", error_rates.RIGHT: "supported"}
    for truth in error_rates.CASES[name].truths.keys() & limits.keys():
        found = error_rates.rates(name, truth, 100)
        right = limits[truth]
        wrong = "supported" if right == "contradicted" else "contradicted"
        assert found[wrong] <= 0.06, truth
        assert found[right] > found[wrong], truth


def test_an_interval_on_both_sides_of_the_smallest_effect_decides_nothing():
    above_zero = effects.over_seeds(np.linspace(0.3, 0.9, 10))
    for form in (forms.Direction(1, 0.5), forms.none(0.5), forms.near(0.6, 0.05)):
        tested = form.test(above_zero)
        assert not tested.holds and not tested.fails
    assert forms.Direction(1, 0.2).test(above_zero).holds
    assert forms.Direction(-1, 0.2).test(above_zero).fails
    assert forms.at_most(1, 0.1).test(above_zero).holds
    assert forms.at_least(1, 0.1).test(above_zero).fails


def test_simulated_lanes_get_the_verdict_of_their_slope(tmp_path):
    write(tmp_path / "run", [*growing("lstm", 2.0), *growing("gru", 0.1)])
    lstm, gru = judge(tmp_path, UNITS["lstm"], UNITS["gru"])
    assert (lstm.verdict, gru.verdict) == ("supported", "contradicted")
    assert lstm.value == pytest.approx(2, abs=0.2) and lstm.n == 10
    assert lstm.interval[0] < lstm.value < lstm.interval[1]
    assert [run.name for run in lstm.runs] == ["run"]


def test_p_values_are_adjusted_for_the_claims_of_the_family_that_were_measured(
    tmp_path,
):
    write(tmp_path / "run", [*growing("lstm", 1.0, 6), *growing("gru", 0.9, 6)])
    (alone,) = judge(tmp_path, UNITS["lstm"])
    both = judge(tmp_path, *UNITS.values())
    assert both[0].p == pytest.approx(2 * alone.p)
    several = judge(tmp_path, *[claim for claim in CLAIMS if "capacity" in claim.key])
    assert {one.verdict for one in several} == {"not measured"}


def test_too_few_seeds_are_undecided_and_say_so(tmp_path):
    write(tmp_path / "run", growing("lstm", 2.0, seeds=1))
    (one,) = judge(tmp_path, UNITS["lstm"])
    assert one.verdict == "undecided" and "too few seeds" in one.reason


def test_what_is_missing_is_named(tmp_path):
    write(tmp_path / "run", growing("lstm", 2.0, units=(16, 32)))
    short, other, keys = judge(
        tmp_path, *UNITS.values(), BY_KEY["stability.units.lstm.1e-2"]
    )
    assert "that it needs are missing" in short.reason
    assert other.reason == "its runs have no gru"
    assert keys.reason == "its rows have no first_1e-2"
    (elsewhere,) = judge(tmp_path, BY_KEY["capacity.relu"])
    assert elsewhere.reason == "no run like that of its command"


def test_published_numbers_are_compared_in_three_ways(tmp_path):
    claim = BY_KEY["capacity.failed.rnn_tanh.gru"]
    tested = claim.form.test(effects.over_seeds(np.linspace(0.0, 0.3, 20)))
    made = verdicts.Verdict(claim, "supported", "", [], 20, tested, 0.01)
    assert list(made.criteria().values()) == [True, False, None]
    level = BY_KEY["capacity.level"]
    tested = level.form.test(effects.over_seeds(np.linspace(3.5, 6.4, 6)))
    made = verdicts.Verdict(level, "supported", "", [], 6, tested, 0.01)
    assert list(made.criteria().values()) == [None, True, True]
    assert (
        verdicts.Verdict(UNITS["gru"], "supported", "", [], 6, tested).criteria()
        is None
    )


# Which rows count.


def test_runs_with_another_setting_and_smoke_runs_do_not_count(tmp_path):
    write(tmp_path / "a", growing("lstm", 2.0), f"{SLOPES} --dtype=float64")
    write(tmp_path / "b", growing("lstm", 2.0), f"{SLOPES} --smoke=True")
    (one,) = judge(tmp_path, UNITS["lstm"])
    assert one.verdict == "not measured"
    assert [run.name for run in found(tmp_path)[0]] == ["a", "b"]
    (problem,) = found(tmp_path)[1]
    assert problem.name == "b" and "smoke" in problem.text
    assert {
        run.name for one in cells.compare(found(tmp_path)[0]) for run in one.runs
    } == {"a"}


def test_numbers_on_a_command_line_have_one_form():
    flags = runs.flags_of("python -m x --clip=1e6 --rate=1e-4:1 --text='a b' --learn")
    assert flags == {
        "clip": "1e+06",
        "rate": "0.0001:1",
        "text": "a b",
        "learn": "True",
    }


def test_a_verdict_names_the_commands_that_make_its_rows_again(tmp_path):
    probed = f"{COMMAND} --steps=6000 --network=somewhere/units"
    trained = [lane("gru", 16, s, 40.0, weights="trained") for s in range(6)]
    write(tmp_path / "probed", trained, probed)
    write(
        tmp_path / "units", growing("gru", 1.0), f"{COMMAND} --out_dir=somewhere/units"
    )
    write(tmp_path / "all", growing("lstm", 1.0))
    every, _ = found(tmp_path)
    (of_networks,) = [run for run in every if run.name == "probed"]
    commands = runs.commands_of([of_networks], every)
    assert commands == [f"{COMMAND} --out_dir=somewhere/units", probed]
    report = "python -m benchmarks.report --results="
    for folders, shared in (
        (["a/b", "a/c"], "a"),
        (["a/b"], "a/b"),
        (["a", "b"], "."),
        (["results/a", None], "results"),
        (["/data/a", None], "."),
        (["gs://bucket/a/x", "gs://bucket/a/y"], "gs://bucket/a"),
    ):
        made = [f"{COMMAND} --out_dir={f}" if f else COMMAND for f in folders]
        assert runs.judging(made) == f"{report}{shared}"
    measured, missing = judge(tmp_path, UNITS["lstm"], BY_KEY["capacity.level"])
    assert measured.commands == [SLOPES]
    assert missing.commands == missing.claim.commands


def test_rows_of_runs_are_put_together_and_each_lane_counts_once(tmp_path):
    lanes = growing("lstm", 2.0)
    write(tmp_path / "a", lanes[:18])
    again = [row | {"first_1e-4": 0, "shared_steps": 10} for row in lanes[:3]]
    write(tmp_path / "b", again + lanes[18:], row_id=pools_id())
    (pool,) = pools.pools(found(tmp_path)[0], SLOPES)
    times = sorted(row["first_1e-4"] for row in pool.rows)
    assert times == sorted(row["first_1e-4"] for row in lanes)


def pools_id():
    """Keys by which an older version told rows apart."""
    return ("cell", "weights", "input_size", "hidden_size", "layers", "seed")


def test_runs_without_which_the_effect_is_the_same_are_not_named(tmp_path):
    write(tmp_path / "all", growing("lstm", 1.0))
    write(tmp_path / "again", growing("lstm", 1.0, seeds=3))
    write(tmp_path / "other", [lane("lstm", 16, 0, 20.0, layers=2)])
    (verdict,) = judge(tmp_path, UNITS["lstm"])
    assert [run.name for run in verdict.runs] == ["all"]
    assert not verdict.unfinished
    write(tmp_path / "more", growing("lstm", 1.5, seeds=12)[30:], axes={})
    (verdict,) = judge(tmp_path, UNITS["lstm"])
    assert [run.name for run in verdict.runs] == ["all", "more"]
    assert verdict.unfinished and verdict.n == 12


def test_rows_that_differ_in_effort_are_not_mixed(tmp_path):
    command = "python -m benchmarks.capacity --cell=rnn_tanh"
    row = dict.fromkeys(runs.KEYS["capacity"], 0) | {"cell": "rnn_tanh"}
    for name, updates in (("a", 10), ("b", 20), ("c", 20)):
        write(
            tmp_path / name,
            [row | {"stage": name}],
            f"{command} --updates={updates}",
            ("cell", "stage", "seed"),
            benchmark="capacity",
        )
    made = pools.pools(found(tmp_path)[0], f"{command} --task=parameters")
    names = sorted([run.name for run in pool.runs] for pool in made)
    assert names == [["a"], ["b", "c"]]


def test_folders_with_problems_are_named_and_the_others_count(tmp_path):
    write(tmp_path / "deep/good", growing("lstm", 2.0))
    write(tmp_path / "damaged", growing("lstm", 2.0))
    (tmp_path / "damaged/rows/all.jsonl").write_text("{")
    write(tmp_path / "other", growing("lstm", 2.0), benchmark="chess")
    write(tmp_path / "empty", [])
    write(tmp_path / "older", growing("lstm", 2.0))
    config = json.loads((tmp_path / "older/config.json").read_text()) | {"schema": 1}
    (tmp_path / "older/config.json").write_text(json.dumps(config))
    write(tmp_path / "unfinished", growing("gru", 2.0), axes={})
    write(tmp_path / "without", [lane("gru", 8, 0, 9)])
    text = (tmp_path / "without/rows/all.jsonl").read_text()
    (tmp_path / "without/rows/all.jsonl").write_text(text.replace("status", "state"))
    (tmp_path / "noise/run").mkdir(parents=True)
    (tmp_path / "noise/config.json").write_text("{}")
    write(tmp_path / "noise/run/of", growing("lstm", 2.0))
    made, problems = found(tmp_path)
    assert [run.name for run in made] == ["deep/good", "noise/run/of", "unfinished"]
    words = {"damaged": "rows/all.jsonl is damaged", "empty": "no rows"}
    words |= {"older": "schema 1, which rnnjax 0.1", "other": "benchmark, 'chess'"}
    words |= {"unfinished": "unfinished: 30 rows", "noise": "it is no run folder"}
    words |= {"without": "no key 'status'"}
    assert {problem.name for problem in problems} == set(words)
    assert all(words[problem.name] in problem.text for problem in problems)


# Claims and cells.


def test_every_claim_has_a_key_a_command_and_a_smallest_effect():
    assert len(BY_KEY) == len(CLAIMS)
    for claim in CLAIMS:
        assert pools.benchmark_of(claim.commands[-1]) in AXES
        assert (
            claim.form.smallest > 0
            or claim.form == forms.Region(3, 6)
            or (claim.family == "optimization")
        )
        assert claim.statement.endswith(".") and claim.key.count(".") >= 1
        assert claim.effect is not None or claim.caveat


def test_a_line_of_a_cell_has_its_rank_at_the_setting_with_most_cells(tmp_path):
    lanes = [
        *growing("lstm", 2.0, units=(16,), start=40),
        *growing("gru", 0, units=(16,)),
    ]
    never = [lane("irnn", 16, seed, None) for seed in range(5)]
    write(tmp_path / "run", [*lanes, *never, *growing("lstm", 2.0, units=(32,))])
    merge, exponent = cells.compare(found(tmp_path)[0])
    assert (merge.column.key, exponent.column.key) == ("merge_time", "exponent")
    ranks = {cell: entry.rank for cell, entry in merge.entries.items()}
    assert ranks == {"irnn": 1, "lstm": 2, "gru": 3}
    assert math.isinf(merge.entries["irnn"].value)
    assert "hidden_size 16" in merge.setting
    assert {entry.rank for entry in exponent.entries.values()} == {1}
