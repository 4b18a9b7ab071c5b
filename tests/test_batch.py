"""The files of `batch/`: they parse, and their command lines run."""

import configparser
import os
import re
import shlex
import stat
import subprocess

import pytest
import tiny
import yaml

from benchmarks import memory_stability

pytestmark = pytest.mark.usefixtures("quick_compilation")

BATCH = tiny.ROOT / "batch"
STUBS = {
    "python": 'echo "$*" >> "$CALLS"\nexit "$(head -n 1 "$STATUS")"',
    "srun": '"$@"',
    "scontrol": 'echo "scontrol $*" >> "$CALLS"',
    "gcloud": 'echo "gcloud $*" >> "$CALLS"',
    "curl": 'case "$*" in *bucket) echo gs://b;; *) echo "NODE_ID: rnnjax-2";; esac',
    "python3.12": "",
}


@pytest.fixture
def bash(tmp_path):
    """Runs bash on a script whose programs are stubs; python ends with a status.

    Returns the exit status, and the command line of each call.
    """
    for name, text in STUBS.items():
        (tmp_path / "bin").mkdir(exist_ok=True)
        (tmp_path / "bin" / name).write_text(f"#!/usr/bin/env bash\n{text}\n")
        (tmp_path / "bin" / name).chmod(stat.S_IRWXU)

    def run(*words, python=0, **environment):
        (tmp_path / "calls").write_text("")
        (tmp_path / "status").write_text(str(python))
        stubbed = {
            "PATH": f"{tmp_path}/bin:{os.environ['PATH']}",
            "CALLS": f"{tmp_path}/calls",
            "STATUS": f"{tmp_path}/status",
        }
        done = subprocess.run(
            ["bash", *words],
            cwd=tiny.ROOT,
            env=stubbed | environment,
            capture_output=True,
            check=False,
        )
        return done.returncode, (tmp_path / "calls").read_text().splitlines()

    return run


def check_runs(command, line):
    """The command line of memory stability runs, tiny and in a local folder."""
    words = shlex.split(line)
    assert words[:2] == ["-m", "benchmarks.memory_stability"]
    replaced = ("--out_dir", "--steps", "--cell=all")
    kept = [word for word in words[2:] if not word.startswith(replaced)]
    small = ["--smoke", "--hidden_sizes=2", "--out_dir=run"]
    status, _, err = command(memory_stability, *kept, *small)
    assert status == 0, err


@pytest.mark.parametrize(
    "name, accelerator, resource",
    [
        ("jobset.yaml", "tpu", {"google.com/tpu": 8}),
        ("jobset_gpu.yaml", "cuda13", {"nvidia.com/gpu": 1}),
    ],
)
def test_the_manifest_of_a_jobset(command, bash, name, accelerator, resource):
    text = (BATCH / name).read_text()
    manifest = yaml.safe_load(text)
    assert f"of batch/Dockerfile, with ACCELERATOR={accelerator}\n" in text
    (job,) = manifest["spec"]["replicatedJobs"]
    spec = job["template"]["spec"]
    (container,) = spec["template"]["spec"]["containers"]
    assert container["resources"]["limits"] == resource
    program, flag, script = container["command"]
    assert (program, flag) == ("bash", "-c")
    assert spec["completions"] == spec["parallelism"] == 4
    rules = spec["podFailurePolicy"]["rules"]
    statuses = [rule.get("onExitCodes", {}).get("values") for rule in rules]
    assert statuses == [None, [75], [2]]
    for index in range(spec["completions"]):
        job = {"JOB_COMPLETION_INDEX": str(index), "OUT": "gs://b/x"}
        status, (line,) = bash("-c", script, **job)
        assert status == 0
        assert f"--shard={index + 1}/4" in line and "--out_dir=gs://b/x" in line
    check_runs(command, line)


def test_the_image_has_what_the_manifests_need():
    text = (BATCH / "Dockerfile").read_text()
    (pip,) = re.findall(r"RUN pip install .*", text)
    assert '-r requirements.txt "jax[${ACCELERATOR}]" fsspec gcsfs' in pip
    extras = configparser.ConfigParser()
    extras.read(tiny.ROOT / "setup.cfg")
    assert {"tpu", "cuda13"} <= set(extras["options.extras_require"])
    # What is in the image is ignored neither by docker nor by accident.
    ignored = (tiny.ROOT / ".dockerignore").read_text().split()
    needed = {"benchmarks", "rnnjax", "requirements.txt", ".git"}
    assert not needed & set(ignored)
    assert all((tiny.ROOT / name).exists() for name in needed - {".git"})


def test_the_slurm_script(command, bash):
    text = (BATCH / "slurm.sh").read_text()
    options = dict(re.findall(r"#SBATCH --([a-z-]+)(?:=(.*))?", text))
    assert options["array"] == "1-4" and "requeue" in options
    assert options["signal"].startswith("TERM")
    job = {
        "SLURM_ARRAY_TASK_ID": "3",
        "SLURM_ARRAY_TASK_COUNT": "4",
        "SLURM_ARRAY_JOB_ID": "77",
    }
    status, (line,) = bash("batch/slurm.sh", **job)
    assert status == 0 and "--shard=3/4" in line
    check_runs(command, line)
    preempted = bash("batch/slurm.sh", python=75, **job)
    assert preempted == (75, [line, "scontrol requeue 77_3"])
    assert bash("batch/slurm.sh", python=1, **job) == (1, [line])


def test_the_loop_over_cells(command, bash):
    status, lines = bash("batch/cells.sh", CELLS="rnn_tanh gru", OUT="x")
    assert status == 0
    pattern = re.compile("--cell=([a-z_]*) .*--out_dir=(.*)")
    flags = [pattern.search(line).groups() for line in lines]
    assert flags == [("rnn_tanh", "x/rnn_tanh"), ("gru", "x/gru")]
    check_runs(command, lines[0])
    assert bash("batch/cells.sh", python=2, CELLS="rnn_tanh gru")[0] == 2


def test_the_request_for_tpu_machines(command, bash, tmp_path):
    status, (line,) = bash("batch/tpu.sh", ZONE="z", BUCKET="gs://b")
    assert status == 0
    create = "gcloud compute tpus queued-resources create rnnjax"
    assert line.startswith(f"{create} --zone=z --spot --node-count=4 ")
    (script,) = re.findall(r"startup-script=(\S+)", line)
    text = (tiny.ROOT / script).read_text().replace("cd /opt/rnnjax", f"cd {tmp_path}")
    startup = tmp_path / "startup.sh"
    startup.write_text(text.replace(".venv/bin/pip", "true"))
    status, (line,) = bash(str(startup))
    assert status == 0
    assert "--shard=3/4" in line
    assert "--out_dir=gs://b/memory_stability/all" in line
    check_runs(command, line)
