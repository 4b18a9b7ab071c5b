"""How much the capacity tasks try, and the ranges their settings are searched over."""

from rnnjax.capacity.search import Range

# trials, rungs, factor and updates: see `search.Plan`. seeds: the draws of the last stage.
PRESETS = {
    "smoke": {
        "parameters": {
            "budgets": "60",
            "trials": "8",
            "rungs": "2",
            "updates": "500",
            "seeds": "3",
            "inputs": "12",
        },
        "units": {
            "hidden_sizes": "8,16",
            "trials": "2",
            "rungs": "1",
            "updates": "500",
            "seeds": "2",
            "size": "16",
        },
        "other": {
            "budgets": "400",
            "trials": "2",
            "rungs": "1",
            "updates": "250",
            "seeds": "2",
            "batch": "8",
        },
    },
    "quick": {
        "parameters": {
            "budgets": "100,200,300",
            "trials": "256",
            "rungs": "3",
            "updates": "8000",
            "finalists": "3",
            "judges": "5",
            "seeds": "5",
        },
        "units": {
            "hidden_sizes": "10,20,30,40,50,60,64,70,80,90,100",
            "trials": "8",
            "rungs": "2",
            "updates": "3000",
            "seeds": "3",
            "batch": "64",
        },
        "other": {
            "budgets": "1000,2000",
            "trials": "16",
            "rungs": "2",
            "updates": "2000",
            "seeds": "3",
        },
    },
    "long": {
        "parameters": {
            "budgets": "100,200,400",
            "trials": "512",
            "rungs": "3",
            "updates": "48000",
            "finalists": "12",
            "judges": "8",
            "seeds": "8",
        },
        "units": {
            "hidden_sizes": "10,20,30,40,50,60,64,70,80,90,100",
            "trials": "32",
            "rungs": "3",
            "updates": "10000",
            "seeds": "5",
            "batch": "64",
        },
        "other": {
            "budgets": "1000,3000,10000",
            "trials": "64",
            "rungs": "3",
            "updates": "8000",
            "finalists": "3",
            "judges": "5",
            "seeds": "5",
        },
    },
    "paper": {
        "parameters": {
            "budgets": "1000,3000,10000",
            "trials": "1024",
            "rungs": "4",
            "updates": "256000",
            "finalists": "10",
            "judges": "10",
            "seeds": "10",
        },
        "units": {
            "hidden_sizes": "10,20,30,40,50,60,64,70,80,90,100",
            "trials": "256",
            "rungs": "3",
            "updates": "50000",
            "seeds": "10",
        },
        "other": {
            "budgets": "10000,30000,100000",
            "trials": "256",
            "rungs": "4",
            "updates": "256000",
            "seeds": "5",
        },
    },
}
# The random continuous function of the paper has a million samples; a search on a small machine has to do with fewer.
PRESETS["paper"]["random_function"] = PRESETS["paper"]["other"] | {"samples": "1000000"}

SPACE = {
    "learning_rate": Range(1e-3, 2e-2),
    "decay": Range(0.5, 2.0, log=False),
    "momentum": Range(0.8, 0.95, log=False),
    "weight_decay": Range(1e-4, 1e-2),
    "clip": Range(1e-2, 1.0),
    "kernel_gain": Range(0.25, 1.0),
    "recurrent_gain": Range(0.5, 1.2),
    "readout_gain": Range(1.0, 8.0),
    "keep_bias": Range(-1.0, 2.0, log=False),
}
# Where a task differs: rows to learn by heart want weights that stay small; a text or a vector to keep wants none of that.
SPACES = {
    "parameters": SPACE,
    "other": SPACE
    | {
        "weight_decay": Range(1e-6, 1e-3),
        "clip": Range(0.1, 10.0),
        "kernel_gain": Range(0.5, 2.0),
        "readout_gain": Range(0.5, 2.0),
    },
}
SAMPLES_PER_PARAMETER = (2.0, 6.0)
# What a setting may be at all.
LIMITS = {
    "learning_rate": (1e-12, 1e6),
    "decay": (0.0, 100.0),
    "momentum": (0.0, 0.9999),
    "weight_decay": (0.0, 1e3),
    "clip": (1e-12, 1e12),
    "kernel_gain": (1e-6, 1e6),
    "recurrent_gain": (1e-6, 1e6),
    "readout_gain": (1e-6, 1e6),
    "keep_bias": (-1e3, 1e3),
}
