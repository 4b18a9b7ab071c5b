"""The files of `batch/`: they parse, and their command lines run."""

import os
import pathlib
import re
import shlex
import stat
import subprocess

import pytest
import tiny
import yaml

from benchmarks import memory_stability

BATCH = tiny.ROOT / "batch"
STUBS = {
    "python": '#!/usr/bin/env bash\necho "$*" >> "$SAID"\nexit "$(head -n 1 "$STATUS")"\n',
    "srun": '#!/usr/bin/env bash\n"$@"\n',
    "scontrol": '#!/usr/bin/env bash\necho "scontrol $*" >> "$SAID"\n',
    "gcloud": '#!/usr/bin/env bash\necho "gcloud $*" >> "$SAID"\n',
    "curl": '#!/usr/bin/env bash\ncase "$*" in *bucket) echo gs://b;; *) echo "NODE_ID: rnnjax-2";; esac\n',
    "python3.12": "#!/usr/bin/env bash\n",
}


@pytest.fixture
def said(tmp_path):
    """Runs bash on a script whose programs only say what they were asked; python ends with a status. Returns status and words."""
    for name, text in STUBS.items():
        (tmp_path / "bin").mkdir(exist_ok=True)
        (tmp_path / "bin" / name).write_text(text)
        (tmp_path / "bin" / name).chmod(stat.S_IRWXU)

    def run(*words, python=0, **environment):
        (tmp_path / "said").write_text("")
        (tmp_path / "status").write_text(str(python))
        known = {
            "PATH": f"{tmp_path}/bin:{os.environ['PATH']}",
            "SAID": f"{tmp_path}/said",
            "STATUS": f"{tmp_path}/status",
        }
        done = subprocess.run(
            ["bash", *words],
            cwd=tiny.ROOT,
            env=known | environment,
            capture_output=True,
            check=False,
        )
        return done.returncode, (tmp_path / "said").read_text().splitlines()

    return run


def runs(command, line):
    """Whether the command line of memory stability runs, tiny and in a local folder."""
    words = shlex.split(line)
    assert words[:2] == ["-m", "benchmarks.memory_stability"]
    words = [
        word
        for word in words[2:]
        if not word.startswith(("--out_dir", "--steps", "--cell=all"))
    ]
    status, _, err = command(
        memory_stability, *words, "--smoke", "--hidden_sizes=2", "--out_dir=run"
    )
    assert status == 0, err


def test_the_manifest_of_a_jobset(command, said):
    (job,) = yaml.safe_load((BATCH / "jobset.yaml").read_text())["spec"][
        "replicatedJobs"
    ]
    spec = job["template"]["spec"]
    (container,) = spec["template"]["spec"]["containers"]
    program, flag, script = container["command"]
    assert (program, flag) == ("bash", "-c") and spec["completions"] == spec[
        "parallelism"
    ] == 4
    ignored = [
        rule.get("onExitCodes", {}).get("values")
        for rule in spec["podFailurePolicy"]["rules"]
    ]
    assert ignored == [None, [75], [2]]
    for index in range(spec["completions"]):
        status, (line,) = said(
            "-c", script, JOB_COMPLETION_INDEX=str(index), OUT="gs://b/x"
        )
        assert (
            status == 0
            and f"--shard={index + 1}/4" in line
            and "--out_dir=gs://b/x" in line
        )
    runs(command, line)


def test_the_slurm_script(command, said):
    text = (BATCH / "slurm.sh").read_text()
    options = dict(re.findall(r"#SBATCH --([a-z-]+)(?:=(.*))?", text))
    assert (
        options["array"] == "1-4"
        and "requeue" in options
        and options["signal"].startswith("TERM")
    )
    job = {
        "SLURM_ARRAY_TASK_ID": "3",
        "SLURM_ARRAY_TASK_COUNT": "4",
        "SLURM_ARRAY_JOB_ID": "77",
    }
    status, (line,) = said("batch/slurm.sh", **job)
    assert status == 0 and "--shard=3/4" in line
    runs(command, line)
    assert said("batch/slurm.sh", python=75, **job) == (
        75,
        [line, "scontrol requeue 77_3"],
    )
    assert said("batch/slurm.sh", python=1, **job) == (1, [line])


def test_the_loop_over_cells(command, said, tmp_path):
    status, lines = said("batch/cells.sh", CELLS="rnn_tanh gru", OUT="x")
    assert status == 0
    assert [
        re.search("--cell=([a-z_]*) .*--out_dir=(.*)", line).groups() for line in lines
    ] == [
        ("rnn_tanh", "x/rnn_tanh"),
        ("gru", "x/gru"),
    ]
    runs(command, lines[0])
    assert said("batch/cells.sh", python=2, CELLS="rnn_tanh gru")[0] == 2


def test_the_request_for_tpu_machines(command, said, tmp_path):
    status, (line,) = said("batch/tpu.sh", ZONE="z", BUCKET="gs://b")
    assert status == 0 and line.startswith(
        "gcloud compute tpus queued-resources create rnnjax --zone=z --spot --node-count=4 "
    )
    (script,) = re.findall(r"startup-script=(\S+)", line)
    text = (tiny.ROOT / script).read_text().replace("cd /opt/rnnjax", f"cd {tmp_path}")
    pathlib.Path(tmp_path, "startup.sh").write_text(
        text.replace(".venv/bin/pip", "true")
    )
    status, (line,) = said(str(tmp_path / "startup.sh"))
    assert (
        status == 0
        and "--shard=3/4" in line
        and "--out_dir=gs://b/memory_stability/all" in line
    )
    runs(command, line)
