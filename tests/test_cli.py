"""The command line, as it is typed, and as it is typed wrong."""

import errno
import functools
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from replaylib.cli.commands import device_named
from replaylib.cli.main import main
from replaylib.cli.running import failed_elsewhere
from replaylib.data import catalogue
from replaylib.errors import InputError
from replaylib.lab import checkpoints, failures, machine, records, runs
from replaylib.lab.experiments import experiment
from replaylib.lab.fast import compiler
from replaylib.steps import Diverged

QUICK = ["run", "split-digits", "--iterations", "3"]


def test_run_prints_the_matrix_and_its_mean_with_its_spread(capsys):
    assert main([*QUICK, "--method", "joint", "--scenario", "domain", "--seeds", "2"]) == 0
    out, err = capsys.readouterr()
    assert len(re.findall(r"^after task \d +(\d+\.\d\d *){5}$", out, re.M)) == 5
    assert re.search(r"^ACC \d+\.\d\d % \+- \d+\.\d\d \(SEM\)$", out, re.M)
    assert "split-digits (digits), domain-incremental, joint, seeds 0, 1" in out
    assert "30/30" in err  # the progress bar: 2 seeds x 5 tasks x 3 steps


def test_json_is_one_object_and_agrees_with_itself(capsys):
    assert main([*QUICK, "--method", "exact", "--per-class", "2", "--seeds", "2", "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert {k: answer[k] for k in ("protocol", "scenario", "method", "dataset", "seeds", "per_class")} == {
        "protocol": "split-digits", "scenario": "class", "method": "exact",
        "dataset": "digits", "seeds": 2, "per_class": 2,
    }  # fmt: skip
    assert answer["acc"] == pytest.approx(sum(answer["matrix"][-1]) / 5)
    assert answer["acc"] == pytest.approx(sum(answer["acc_per_seed"]) / 2)
    assert answer["acc_sem"] == pytest.approx(abs(answer["acc_per_seed"][0] - answer["acc_per_seed"][1]) / 2)
    assert answer["matrix"][0][1] is None  # not testable before it arrives
    assert answer["memory_bytes"] == 2 * 10 * (64 + 8)
    assert answer["seconds"] > 0
    assert answer["device"] == machine.device_name(torch.device(device_named("auto")))


def test_what_was_saved_is_not_run_again(capsys, tmp_path):
    command = [*QUICK, "--save", str(tmp_path), "--json"]
    main([*command, "--seeds", "1"])
    first = json.loads(capsys.readouterr().out)
    main([*command, "--seeds", "2"])
    both, err = capsys.readouterr()
    assert "15/15" in err  # only the second seed's steps
    assert json.loads(both)["acc_per_seed"][0] == first["acc_per_seed"][0]
    main([*command, "--seeds", "2"])
    assert capsys.readouterr().out == both
    assert len(list(tmp_path.iterdir())) == 2


def test_a_damaged_encoder_is_listed_as_such_beside_the_others(capsys, tmp_path, monkeypatch):
    monkeypatch.setenv("REPLAYLIB_DATA", str(tmp_path))
    (tmp_path / "encoders").mkdir()
    (tmp_path / "encoders" / "mine.safetensors").write_bytes(b"x")
    assert main(["list"]) == 0
    out = capsys.readouterr().out
    assert re.search(r"^  mine +\S+mine.safetensors is damaged or no encoder", out, re.M)
    assert re.search(r"^  glyphs +\d+ epochs on glyphs", out, re.M)


def test_list_and_info_name_what_there_is(capsys):
    assert main(["list"]) == 0
    out = capsys.readouterr().out
    for name in ("split-mnist", "permuted-mnist", "class", "exact", "bi-r-si", "digits", "glyphs", "cifar100"):
        assert re.search(rf"^  {name} ", out, re.M)
    assert re.search(r"^  strength of ewc online-ewc in split-mnist, task +1000000000.0, van de Ven", out, re.M)
    assert main(["info", "--json"]) == 0
    assert {"replaylib", "torch", "python", "device", "data", "profile"} <= set(json.loads(capsys.readouterr().out))


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ([], "required"),
        (["rum"], "rum"),
        (["run"], "protocol"),
        (["run", "split-mnits"], "unknown protocol 'split-mnits'. Did you mean split-mnist"),
        (["run", "split-digits", "--method", "exacct"], "unknown method 'exacct'. Did you mean exact"),
        (["run", "split-digits", "--scenario", "domian"], "unknown scenario 'domian'. Did you mean domain"),
        (["run", "split-digits", "--dataset", "mnits"], "unknown dataset 'mnits'. Did you mean mnist"),
        (["run", "split-digits", "--method", "none", "--per-class", "5"], "method none has no per_class"),
        (["run", "split-digits", "--method", "exact", "--per-class", "0"], "per_class is 0"),
        (
            ["run", "split-digits", "--method", "exact", "--per-class", "9" * 30],
            "expected a whole number from 1 to 1000000",
        ),
        (["run", "split-digits", "--method", "exact", "--policy", "fifo"], "unknown policy"),
        (["run", "split-digits", "--method", "xdg"], "xdg cannot serve the class scenario"),
        (["run", "split-digits", "--method", "gr+gatting"], "unknown modification 'gatting'. Did you mean gating"),
        (["run", "split-digits", "--method", "si", "--strength", "-1"], "strength is -1"),
        (["run", "split-digits", "--method", "bi-r", "--gate-prop", "1"], "gate_prop is 1"),
        (["run", "split-digits", "--method", "gr", "--gate-prop", "0.5"], "method gr has no gate_prop"),
        (["run", "split-digits", "--tasks", "3"], "over 3 tasks: choose one of 2, 5, 10, or an uneven"),
        (["run", "split-digits", "--tasks", "10", "--scenario", "task"], "nothing to tell apart"),
        (["run", "split-digits", "--seeds", "0"], "seeds is 0"),
        (["run", "split-digits", "--seeds", "-3"], "seeds is -3"),
        (["run", "split-digits", "--iterations", "many"], "--iterations"),
        (["run", "split-digits", "--iterations", "99999999999"], "iterations is 99999999999"),
        (["run", "split-digits", "--lr", "1e9"], "lr is 1e+09"),
        (["run", "split-digits", "--lr", "nan"], "lr is nan"),
        (["run", "split-digits", "--lr", "-1e-3"], "lr is -0.001: expected a number above 0"),
        (["run", "split-digits", "--lr", "-.5"], "lr is -0.5: expected a number above 0"),
        (["run", "split-digits", "--seeds", "7-3"], "seeds 7-3 go backwards: a range is 3-7"),
        (["run", "split-digits", "--save", __file__], "(it is a file): choose another folder"),
        (["run", "split-digits", "--hidden", "400x400"], "400,400"),
        (["run", "split-digits", "--device", "tpu"], "choose cpu, cuda, cuda:1"),
        (["run", "split-digits", "--device", "cpu", "--capture"], "steps on a cpu cannot be captured"),
        (["bench", "split-digits", "--device", "cpu", "--capture", "--steps", "1"], "ask for that on a GPU only"),
        (["run", "split-digits", "--dataset", "nowhere/images.zip"], "nowhere/images.zip"),
        (["run", "split-digits", "--itrations", "5"], "--itrations"),
    ],
)
def test_input_that_is_wrong_gets_one_line_and_status_2(arguments, says, capsys, tmp_path, monkeypatch):
    monkeypatch.setenv("REPLAYLIB_DATA", str(tmp_path))
    assert main(arguments) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    assert err.startswith("replaylib: ")
    assert says in err
    assert not list(tmp_path.iterdir())


def test_a_damaged_record_is_named_and_stops_nothing(capsys, caplog, tmp_path):
    (tmp_path / "0123456789ab.json").write_text("{")
    assert main([*QUICK, "--save", str(tmp_path)]) == 0
    assert "0123456789ab.json is damaged" in caplog.text
    assert (tmp_path / "0123456789ab.json").read_text() == "{"


def test_an_unwritable_place_is_found_before_any_computing(capsys, tmp_path):
    (tmp_path / "0123456789ab.json").write_text("{")
    assert main([*QUICK, "--iterations", "10000000", "--save", str(tmp_path / "0123456789ab.json")]) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_ctrl_c_is_clean(tmp_path):
    command = [
        sys.executable,
        "-m",
        "replaylib",
        "run",
        "split-digits",
        "--iterations",
        "10000000",
        "--save",
        tmp_path / "kept",
    ]
    root = Path(__file__).resolve().parents[1]
    # A shell that runs the tests in the background has its children ignore Ctrl-C.
    heed = functools.partial(signal.signal, signal.SIGINT, signal.SIG_DFL)
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, cwd=root, preexec_fn=heed, **pipes) as process:
        assert process.stderr is not None
        seen = ""
        while "step/s" not in seen:  # however long a busy machine takes to get there
            more = process.stderr.read(1)
            assert more, f"it ended before its progress bar began: {seen}"
            seen += more
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert "Traceback" not in err
    assert "stopped" in err
    assert out == ""
    assert not list((tmp_path / "kept").glob("*"))


@pytest.mark.parametrize(
    ("arguments", "where", "says"),
    [
        (["run", "split-digits"], "lab.runs.run_seeds", "nothing is kept: give --save FOLDER"),
        (["run", "split-digits", "--save", "new"], "lab.runs.run_seeds", "runs that had finished are kept"),
        (["reproduce", "fig6", "--protocol", "permuted-digits"], "cli.sweeping.sweep", "runs that had finished are"),
        (["pretrain", "digits", "--out", "x"], "cli.commands.pretrain", "the same command goes on from the last state"),
        (["bench", "split-digits"], "lab.bench.measure", "nothing is kept\n"),
    ],
)
def test_a_command_that_is_stopped_says_what_is_kept_of_it(arguments, where, says, capsys, tmp_path, monkeypatch):
    def stopped(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("replaylib.cli.planning.seconds_of", lambda *_: 1.0)
    monkeypatch.setattr(f"replaylib.{where}", stopped)
    assert main(arguments) == 130
    assert f"replaylib: stopped; {says}" in capsys.readouterr().err


INTERRUPTED = """
import os
import signal
import sys


class Interrupts:
    def find_spec(self, name, path=None, target=None):
        if name == "MODULE":
            os.kill(os.getpid(), signal.SIGINT)


sys.meta_path.insert(0, Interrupts())
signal.signal(signal.SIGINT, signal.default_int_handler)  # as in a terminal
"""


@pytest.mark.parametrize(
    "module", ["replaylib.cli.main", "replaylib.lab.experiments", "replaylib.cli.running", "torch"]
)
@pytest.mark.parametrize("started", ["-m replaylib", "-c from~replaylib.__main__~import~start;start()"])
def test_ctrl_c_while_something_is_imported_is_one_line(module, started, tmp_path):
    """As the script `replaylib` starts it as well. The signal comes in the middle of importing the module."""
    (tmp_path / "sitecustomize.py").write_text(INTERRUPTED.replace("MODULE", module))
    root = Path(__file__).resolve().parents[1]
    command = [sys.executable, *(part.replace("~", " ") for part in started.split(" ")), "run", "split-digits"]
    env = os.environ | {"PYTHONPATH": f"{tmp_path}{os.pathsep}{root}"}
    done = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True)
    assert done.stderr == "replaylib: stopped before it began; nothing was computed\n"
    assert (done.returncode, done.stdout) == (130, "")


def test_output_may_be_cut_short_by_its_reader():
    run = subprocess.run(
        f"{sys.executable} -m replaylib list | head -1", shell=True, capture_output=True, text=True,
        cwd=Path(__file__).resolve().parents[1], env=os.environ | {"PYTHONUNBUFFERED": ""},
    )  # fmt: skip
    assert run.stdout == "protocols:\n"
    assert run.stderr == ""


def test_trained_networks_are_kept_where_asked(capsys, tmp_path):
    assert main([*QUICK, "--method", "rtf", "--save", str(tmp_path), "--weights"]) == 0
    record, weights = sorted(tmp_path.iterdir())
    assert record.with_suffix(".safetensors") == weights
    assert checkpoints.describe(weights).method == "rtf"
    assert "the network is not" not in capsys.readouterr().err
    weights.unlink()
    assert main([*QUICK, "--method", "rtf", "--save", str(tmp_path), "--weights", "--seeds", "2"]) == 0
    assert "seeds 0: the record is stored and the network is not" in capsys.readouterr().err
    assert len(list(tmp_path.glob("*.safetensors"))) == 1
    assert main([*QUICK, "--weights"]) == 2
    assert "--save FOLDER" in capsys.readouterr().err


def test_training_that_diverges_says_so_and_keeps_the_last_good_network(capsys, tmp_path):
    assert main([*QUICK, "--method", "si", "--lr", "1", "--strength", "1e30", "--save", str(tmp_path)]) == 2
    err = capsys.readouterr().err.splitlines()[-1]
    assert re.match(
        r"replaylib: si: the loss or its gradient stopped being finite in task 2, step \d; check the data", err
    )
    (kept,) = tmp_path.glob("*.safetensors")
    assert str(kept) in err
    net = runs.network(checkpoints.describe(kept), catalogue.load_dataset("digits"))
    checkpoints.load_weights(net, kept)


def test_seeds_are_trained_together_where_asked(capsys, tmp_path):
    command = [*QUICK, "--method", "gr", "--seeds", "3", "--save", str(tmp_path), "--json"]
    assert main([*command, "--together"]) == 0
    out, err = capsys.readouterr()
    assert "3 seeds together, task 5/5" in err
    assert json.loads(out)["together"] == 3
    assert len(list(tmp_path.iterdir())) == 3
    assert main([*command, "--no-together"]) == 0  # they are all there
    assert capsys.readouterr().out == out
    assert main([*QUICK, "--method", "generative-classifier", "--seeds", "2", "--together"]) == 2
    assert "train seeds one by one" in capsys.readouterr().err


def test_a_combination_of_modifications_is_a_method(capsys):
    assert main([*QUICK, "--method", "gr+conditional+distill", "--noise-dim", "7", "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert (answer["method"], answer["noise_dim"], answer["gate_prop"]) == ("gr+conditional+distill", 7, None)


@pytest.mark.parametrize(
    ("method", "earlier", "today"),
    [
        ("exact", ["--budget", "2"], ["--per-class", "2"]),
        ("gr", ["--latent", "3"], ["--noise-dim", "3"]),
        ("none", ["--front-end", "pixels"], ["--backbone", "none"]),
    ],
)
def test_earlier_names_of_options_still_work_and_no_help_mentions_them(method, earlier, today, capsys):
    ids = []
    for named in (earlier, today):
        assert main([*QUICK, "--method", method, *named, "--json"]) == 0
        ids.append(json.loads(capsys.readouterr().out)["ids"])
    assert ids[0] == ids[1]
    with pytest.raises(SystemExit):
        main(["run", "--help"])
    shown = capsys.readouterr().out
    assert today[0] in shown
    assert earlier[0] not in shown


@pytest.mark.skipif(compiler() is None, reason="no C++ compiler")
def test_a_long_run_is_compiled_and_says_so(capsys, monkeypatch):
    short = ["run", "split-digits", "--iterations", "2", "--hidden", "20,16", "--json"]
    monkeypatch.setattr("replaylib.lab.fast.LONG", 10)
    assert main(short) == 0
    printed = capsys.readouterr()
    assert "10 steps: compiling the loss first (--no-compile: leave it)" in printed.err
    assert json.loads(printed.out)["compiled"]
    assert main([*short, "--no-compile"]) == 0
    printed = capsys.readouterr()
    assert "compiling" not in printed.err
    assert not json.loads(printed.out)["compiled"]
    assert main([*short, "--compile", "--seeds", "2", "--together"]) == 2
    assert "2 seeds as one program are not compiled" in capsys.readouterr().err


def test_a_long_run_goes_on_where_nothing_can_be_compiled(capsys, monkeypatch):
    short = ["run", "split-digits", "--iterations", "3", "--hidden", "20,16", "--method", "bi-r", "--json"]
    monkeypatch.setattr("replaylib.lab.fast.LONG", 10)
    monkeypatch.setattr("replaylib.cli.running.why_not_compiled", lambda: "fatal error: Python.h: No such file")
    assert main([*short, "--no-compile"]) == 0
    plain = json.loads(capsys.readouterr().out)
    assert main(short) == 0
    printed = capsys.readouterr()
    assert "going on without compiling, a little slower (fatal error: Python.h: No such file); install" in printed.err
    answer = json.loads(printed.out)
    assert answer["device"] == plain["device"]
    assert answer["matrix"] == plain["matrix"]


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (MemoryError(), "more than there is on this machine"),
        (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB. GPU 0 has"), "20.00 GiB on a GPU"),
        (RuntimeError("[enforce fail at alloc_cpu.cpp:117] . DefaultCPUAllocator: can't allocate memory: you tried "
                      "to allocate 2621440000 bytes. Error code 12"), "2.4 GiB on this machine"),
        (RuntimeError("MPS backend out of memory (allocated: 8 GB). Tried to allocate 1.50 GB"), "1.50 GB on a GPU"),
        (RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"), "on a GPU"),
        (RuntimeError("std::bad_alloc"), "more than there is on this machine"),
        (OSError(errno.ENOMEM, "Cannot allocate memory"), "more than there is on this machine"),
    ],
)  # fmt: skip
def test_out_of_memory_is_one_line_that_says_what_to_reduce(error, says, capsys, monkeypatch):
    def fails(*_, **__):
        raise error

    monkeypatch.setattr(runs, "run_seeds", fails)
    assert main(QUICK) == 2
    last = capsys.readouterr().err.splitlines()[-1]
    assert last.startswith("replaylib: out of memory: ")
    assert says in last
    assert "take a smaller --batch" in last
    assert "nothing is kept: give --save" in last


def test_other_errors_are_not_taken_for_want_of_memory(monkeypatch):
    def fails(*_, **__):
        raise RuntimeError("mat1 and mat2 shapes cannot be multiplied")

    monkeypatch.setattr(runs, "run_seeds", fails)
    with pytest.raises(RuntimeError, match="mat1"):
        main(QUICK)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device that is always full")
def test_results_that_cannot_be_printed_are_no_success():
    run = subprocess.run(
        f"{sys.executable} -m replaylib list > /dev/full", shell=True, capture_output=True, text=True,
        cwd=Path(__file__).resolve().parents[1],
    )  # fmt: skip
    assert run.returncode == 2
    assert run.stderr == "replaylib: what was printed could not be written (No space left on device); nothing is kept\n"


def test_a_closed_output_is_no_error():
    run = subprocess.run(
        f"{sys.executable} -m replaylib list >&-", shell=True, capture_output=True, text=True,
        cwd=Path(__file__).resolve().parents[1],
    )  # fmt: skip
    assert (run.returncode, run.stderr) == (0, "")


def test_an_apple_gpu_is_taken_where_there_is_one_and_what_falls_back_is_said(capsys, monkeypatch):
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    with pytest.raises(InputError, match="torch sees no Apple GPU: choose cpu"):
        device_named("mps")
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    monkeypatch.setenv("PYTORCH_ENABLE_MPS_FALLBACK", "1")
    assert device_named("mps") == "mps"
    assert "is computed on the processor, and PyTorch warns" in capsys.readouterr().err
    monkeypatch.setenv("PYTORCH_ENABLE_MPS_FALLBACK", "0")  # as PyTorch has it: it stops there
    assert device_named("mps:0") == "mps:0"
    assert capsys.readouterr().err == ""


def test_the_variable_for_apple_gpus_is_set_before_pytorch_is_imported():
    code = (
        "import os, sys; import replaylib.cli.main as one\n"
        "def found(options): print('torch' in sys.modules, os.environ.get('PYTORCH_ENABLE_MPS_FALLBACK'))\n"
        "real = one.importlib.import_module\n"
        "one.importlib.import_module = lambda name: found(None) or real(name)\n"
        "sys.exit(one.main(['run', 'split-digits', '--device', 'mps']))"
    )
    environment = {name: value for name, value in os.environ.items() if name != "PYTORCH_ENABLE_MPS_FALLBACK"}
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment)
    assert run.stdout.splitlines()[0] == "False 1"


def test_a_gpu_is_chosen_by_its_number(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert device_named("auto") == "cuda"
    assert device_named("cuda:1") == "cuda:1"
    with pytest.raises(InputError, match="device cuda:2 was asked for and torch sees 2: count from cuda:0"):
        device_named("cuda:2")
    for wrong in ("cuda:", "cuda:-1", "cuda:x", "cpu:1", "gpu", ""):
        with pytest.raises(InputError, match="choose cpu, cuda, cuda:1"):
            device_named(wrong)


def test_help_and_list_need_no_pytorch_and_half_a_second():
    code = (
        "import sys, time; from replaylib.cli.main import main\n"
        "try: main(sys.argv[1:])\n"
        "except SystemExit: pass\n"
        "print('torch' in sys.modules, time.process_time() < 0.5)"
    )
    for arguments in (["--help"], ["run", "--help"], ["--version"]):
        done = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=True)
        assert done.stdout.splitlines()[-1] == "False True", arguments


def test_an_empty_name_is_none(capsys):
    for arguments in (["--save", ""], ["--dataset", ""], ["--log", ""]):
        assert main(["run", "split-digits", *arguments]) == 2
        assert capsys.readouterr().err.startswith("replaylib: ")


def test_a_seed_that_diverges_stops_no_other(capsys, tmp_path, monkeypatch):
    whole = runs.run_seeds

    def trained(group, *given, **named):
        if group[0].seed == 0:
            raise Diverged(runs.network(group[0], catalogue.load_dataset("digits")), 1, 2)
        return whole(group, *given, **named)

    monkeypatch.setattr(runs, "run_seeds", trained)
    assert main([*QUICK, "--seeds", "2", "--save", str(tmp_path)]) == 2
    out, err = capsys.readouterr()
    assert "seeds 1" in out
    assert "stopped being finite in task 1, step 2" in err.splitlines()[-1]
    assert len(list(tmp_path.glob("*.json"))) == 1
    assert not list(tmp_path.glob("*.claim"))


def test_a_seed_that_diverges_takes_none_along_that_is_trained_together_with_it(capsys, tmp_path, monkeypatch):
    whole = runs.run_seeds

    def trained(group, *given, **named):
        if places := [place for place, one in enumerate(group) if one.seed == 1]:
            raise Diverged(runs.network(group[0], catalogue.load_dataset("digits")), 1, 2, place=places[0])
        return whole(group, *given, **named)

    monkeypatch.setattr(runs, "run_seeds", trained)
    assert main([*QUICK, "--seeds", "3", "--together", "--save", str(tmp_path)]) == 2
    out, err = capsys.readouterr()
    assert "seeds 0, 2" in out
    assert "stopped being finite in task 1, step 2" in err.splitlines()[-1]
    assert {record.together for record in records.below(tmp_path)} == {2}
    assert len(list(tmp_path.glob("*.failed"))) == 1


def test_results_are_printed_before_they_cannot_be_saved(capsys, tmp_path, monkeypatch):
    def full(*given):
        raise InputError("cannot write to there (No space left on device): choose another folder")

    monkeypatch.setattr("replaylib.cli.running.write", full)
    assert main([*QUICK, "--seeds", "2", "--save", str(tmp_path)]) == 2
    out, err = capsys.readouterr()
    assert "seeds 0, 1" in out
    assert "ACC" in out
    assert err.splitlines()[-1].startswith("replaylib: cannot write to there (No space left on device)")


def test_a_folder_that_is_removed_while_seeds_run_loses_no_result(capsys, tmp_path, monkeypatch):
    whole, folder = runs.run_seeds, tmp_path / "runs"

    def trained(group, *given, **named):
        if group[0].seed == 1:
            shutil.rmtree(folder)
        return whole(group, *given, **named | {"unfinished": None})

    monkeypatch.setattr(runs, "run_seeds", trained)
    assert main([*QUICK, "--seeds", "3", "--save", str(folder)]) == 2
    out, err = capsys.readouterr()
    assert "seeds 0, 1, 2" in out
    assert f"and is not stored: cannot write to {folder} (No such file or directory)" in err
    assert f"cannot write to {folder} (No such file or directory): choose another folder; what is left runs" in err
    assert (
        err.splitlines()[-1]
        == f"replaylib: cannot write to {folder} (No such file or directory): choose another folder"
    )
    assert not folder.exists()


def test_two_equal_commands_into_one_folder_share_the_seeds(tmp_path):
    command = [sys.executable, "-m", "replaylib", *QUICK, "--method", "gr", "--seeds", "3", "--save", str(tmp_path)]
    both = [subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in range(2)]
    said = [one.communicate(timeout=300) for one in both]
    assert [one.returncode for one in both] == [0, 0], said
    assert len(list(tmp_path.glob("*.json"))) == 3
    tables = [[line for line in out.splitlines() if not line.startswith("BWT")] for out, _ in said]
    assert tables[0] == tables[1]


@pytest.mark.parametrize(
    ("line", "words"),
    [("replaylib be", "bench"), ("replaylib run split-mnist-", "split-mnist-5k"),
     ("replaylib run split-digits --method bi-r-no-d", "bi-r-no-distill"), ("replaylib run --gate", "--gate-prop")],
)  # fmt: skip
def test_the_shell_completes_commands_options_and_names(line, words, tmp_path):
    said = tmp_path / "said"
    asked = {"COMP_LINE": line, "COMP_POINT": str(len(line)), "_ARGCOMPLETE": "1", "_ARGCOMPLETE_STDOUT_FILENAME": said}
    subprocess.run([sys.executable, "-m", "replaylib"], env={**os.environ, **asked}, check=True, capture_output=True)
    assert said.read_text().split() == [words]


def test_what_every_command_takes_is_refused_in_the_name_of_the_command_line(capsys):
    assert main(["--threads", "0", "list"]) == 2
    assert capsys.readouterr().err.endswith("give a whole number from 1 to 1024 (try: python -m replaylib --help)\n")


@pytest.mark.parametrize("written", ["--precison float16", "--precison=float16"])
def test_an_option_that_is_none_is_told_beside_those_that_its_command_has(written, capsys):
    assert main(["run", "split-digits", *written.split()]) == 2
    said = capsys.readouterr().err
    assert said.startswith("replaylib: unknown option '--precison'. Did you mean --precision")
    assert said.endswith("All are in: python -m replaylib run --help\n")


def test_what_failed_in_another_process_is_said(tmp_path):
    e = experiment("split-digits", "class", "none", 3)
    assert failed_elsewhere([e], tmp_path) == {}
    failures.of(e, ZeroDivisionError("there"), tmp_path)
    assert failed_elsewhere([e], tmp_path) == {
        e.id: f"none, class-incremental, seed 3, id {e.id}: ZeroDivisionError: there"
    }
