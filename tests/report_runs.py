"""Run folders with rows whose effects are known, for tests of the report."""

import json

import numpy as np

from rnnjax.memory_stability.schema import ROW_ID
from rnnjax.results import rows

COMMAND = "python -m benchmarks.memory_stability"
SLOPES = f"{COMMAND} --cell=lstm,gru --steps=6000"
WHERE = {
    "rnnjax": "0.4.0",
    "versions": {"jax": "0.12"},
    "commit": "0123456789abcdef",
    "dirty": False,
    "processor": "a processor",
    "device": "cpu",
    "devices": 2,
    "date": "2026-01-02",
}
NUMBERS = ("input_scale", "kernel_gain", "recurrent_gain", "keep_bias", "reset_bias")


def lane(cell, units, seed, time, **changes):
    """A row of memory stability with 16 inputs."""
    row = {"cell": cell, "weights": "fresh", "input_size": 16, "hidden_size": units}
    row |= {"layers": 1, "seed": seed, "status": "merged", "shared_steps": 5000}
    row |= dict.fromkeys(NUMBERS) | {"first_1e-4": time, "predicted_1e-4": 20.0}
    return row | {"lyapunov": -0.2, "lyapunov_status": "ok"} | changes


def growing(cell, slope, seeds=10, units=(16, 32, 64), start=20, sd=0.3):
    """Lanes whose times grow by `slope` steps with each doubling of the units."""
    rng = np.random.default_rng(sum(map(ord, cell)))
    return [
        lane(cell, size, seed, float(start + slope * k + noise))
        for seed in range(seeds)
        for k, size in enumerate(units)
        for noise in [rng.normal(0, sd)]
    ]


def write(folder, made, command=SLOPES, row_id=ROW_ID, **changes):
    """A run folder with these rows."""
    (folder / "rows").mkdir(parents=True)
    config = {"schema": rows.SCHEMA, "benchmark": "memory_stability"}
    config |= {"row_id": list(row_id), "commands": [command], "invocations": [WHERE]}
    rows.write_config(folder, config | changes)
    text = "".join(json.dumps(row) + "\n" for row in made)
    (folder / "rows/all.jsonl").write_text(text)


SVG = """<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 40 30">
<metadata><rdf:RDF xmlns:dc="http://purl.org/dc/elements/1.1/"
 xmlns:cc="http://creativecommons.org/ns#"
 xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><cc:Work>
<dc:title>Times &amp; sizes</dc:title>
<dc:description>Medians over 10 seeds.</dc:description></cc:Work></rdf:RDF></metadata>
<rect width="40" height="30" fill="#abc"/></svg>"""
