"""The tables of capacity on the terminal."""

from benchmarks.common import runs as _runs
from benchmarks.common import terminal as _terminal
from rnnjax.capacity import search
from rnnjax.capacity import study as capacity
from rnnjax.engine import estimate as estimates
from rnnjax.engine.mesh import Mesh
from rnnjax.figures import capacity as figures


def show(rows: list[dict], path) -> None:
    """Prints a line for each cell, depth and budget, and what was searched."""
    summary = figures.summary(rows)
    lines = figures.series(rows)
    titles = [figures.title(line, lines) for (line, _), _ in figures.points(rows)]
    if rows[0]["task"] == "parameters":
        columns = [
            "cell",
            "budget",
            "parameters",
            "units",
            "samples",
            "bits a parameter",
            "95 %",
            "bracketed",
            "most",
            "trials",
        ]
        table = [
            [
                name,
                *(str(line[key]) for key in ("budget", "parameters", "units")),
                _text(line["samples"], "d"),
                _text(line["bits_per_parameter"], ".2f"),
                _interval(
                    line["bits_per_parameter_low"],
                    line["bits_per_parameter_high"],
                    ".2f",
                ),
                "yes" if line["bracketed"] else "no",
                _text(line["max_bits_per_parameter"], ".2f"),
                str(line["trials"]),
            ]
            for name, line in zip(titles, summary)
        ]
        _terminal.table(
            "bits learned by heart, a parameter: mean of fresh draws, and the most of all trials",
            columns,
            table,
        )
    else:
        extra = [
            key for key in ("bound", "accuracy", "exact", "bits") if key in summary[0]
        ]
        columns = [
            "cell",
            "units",
            "parameters",
            "loss",
            "95 %",
            *extra,
            "best trial",
            "trials",
        ]
        table = [
            [
                name,
                str(line["units"]),
                str(line["parameters"]),
                _text(line["loss"], ".4f"),
                _interval(line["loss_low"], line["loss_high"], ".4f"),
                *(_text(line[key], ".3f") for key in extra),
                _text(line["best_loss"], ".4f"),
                str(line["trials"]),
            ]
            for name, line in zip(titles, summary)
        ]
        _terminal.table(
            f"{rows[0]['measure']}: mean of fresh draws (chance {rows[0]['chance']:.3f})",
            columns,
            table,
        )
    draws = len({row["seed"] for row in rows if row["stage"] == search.DRAWS})
    diverged = sum(row["status"] == "diverged" for row in rows)
    print(
        f"{len(rows)} trainings, {diverged} of them diverged. The best setting of each search was trained on {draws} fresh draws."
    )
    print(f"Rows, summary and pictures: {path}")


def _text(value: float | None, form: str) -> str:
    return "-" if value is None else format(value, form)


def _interval(low: float | None, high: float | None, form: str) -> str:
    return "-" if low is None else f"{low:{form}} to {high:{form}}"


def dry_run(
    points: list[capacity.Point], study: capacity.Study, known: dict, mesh: Mesh
) -> None:
    """Says what a run would do; tries the first group of the largest point and scales by cost."""
    if not points:
        print("no networks in this slice")
        return
    plan = study.plan
    trials = [plan.rung(r) for r in range(plan.rungs)]
    searched = (
        sum(count for count, _ in trials)
        + (plan.finalists if plan.finalists > 1 else 0) * plan.judges
    )
    rounds = ", ".join(f"{count} x {updates:,} updates" for count, updates in trials)
    print(
        f"{_runs.counted(len(points), 'network')}; for each a search ({rounds}), finals of {plan.finalists},",
        end=" ",
    )
    print(f"then its best on {len(plan.draws)} fresh draws")
    most = any("samples" in point.space for point in points)
    bracket = plan.judges * 3 if most else 0
    draws = len(plan.draws) + (plan.judges * plan.moves if most else 0)
    searched += bracket
    print(
        f"{len(points) * (searched + len(plan.draws))} lanes or more (at most {len(points) * (searched + draws)}), of which",
        end=" ",
    )
    print(
        f"{len(known)} are done; {capacity.lanes_at_once(mesh)} at once on "
        + _runs.counted(len(mesh.devices), f"{mesh.devices[0].platform} device")
    )
    largest = max(points, key=lambda point: point.labels["parameters"])
    group = next(capacity.groups([largest], study, {}, mesh))
    estimate = estimates.estimate(group, mesh)
    seconds = estimate.lane_chunk_seconds * len(group.seeds) * group.experiment.chunks
    total = capacity.expected_cost(points, study, known) / group.cost * seconds
    programs = len(points) * len(study.optimizers) * (5 if most else 1)
    print(
        f"about {2 * programs} programs, {programs * estimate.compile_seconds:.0f} s of compiling"
    )
    print(
        f"about {total:.0f} s of running, going by the first group of the largest network; state {estimate.state_bytes / 1e6:.1f} MB"
    )
