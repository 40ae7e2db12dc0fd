"""The doctor finds nothing wrong here, and for each thing that can be wrong it says what to do."""

import importlib.metadata
import os
import platform
import subprocess
import sys
from collections import namedtuple
from types import SimpleNamespace

import pytest

from movierec.__main__ import main
from movierec.data import fingerprint
from movierec.play import doctor


def lines(look):
    return {finding.name: finding for finding in look()}


def test_the_command_examines_everything_and_names_a_mend_for_each_red_line(capfd):
    code = main(["doctor"])
    said, error = capfd.readouterr()
    assert error == ""
    names = ["Python", "tensorflow", "TensorFlow on Keras 2", "memory", "MovieLens-100K", "kernel python3", "LaTeX"]
    assert [name for name in names if f" {name} " not in said] == []
    red = [line for line in said.splitlines() if line.startswith("NO ")]
    assert code == int(bool(red)) and said.count("    -> ") >= len(red)
    assert red == [], "this environment is healthy, or the tests would not run"


@pytest.mark.parametrize(("version", "good"), [((3, 10), False), ((3, 11), True), ((3, 13), True), ((3, 14), False)])
def test_pythons_that_tensorflow_has_wheels_for(monkeypatch, version, good):
    monkeypatch.setattr(sys, "version_info", (*version, 0, "final", 0))
    assert (lines(doctor._python_and_system)["Python"].mend == "") == good


def test_an_intel_mac_a_missing_package_and_a_tensorflow_that_does_not_load(monkeypatch):
    def version(name):
        if name == "tf-keras":
            raise importlib.metadata.PackageNotFoundError(name)
        return "1.0"

    def broken(name):
        raise ImportError("libdevice is missing")

    assert lines(doctor._python_and_system)["system"].mend == ""
    monkeypatch.setattr(platform, "system", lambda: "Darwin")
    monkeypatch.setattr(platform, "machine", lambda: "x86_64")
    assert "2.16" in lines(doctor._python_and_system)["system"].mend
    monkeypatch.setattr(importlib.metadata, "version", version)
    found = lines(doctor._packages)
    assert found["tf-keras"].found == "not installed" and "make setup" in found["tf-keras"].mend
    assert found["numpy"].mend == ""
    monkeypatch.setitem(os.environ, "TF_USE_LEGACY_" + "KERAS", "0")
    monkeypatch.setattr("movierec.keras2.__getattr__", broken)
    switch, tensorflow = lines(doctor._keras).values()
    assert "shell's start file" in switch.mend  # it was turned off elsewhere
    assert "libdevice is missing" in tensorflow.found and "make setup" in tensorflow.mend


def test_little_memory_a_full_disk_and_data_that_are_not_there_or_are_others(monkeypatch, tmp_path, tiny):
    if hasattr(os, "sysconf"):
        monkeypatch.setattr(os, "sysconf", lambda name: {"SC_PAGE_SIZE": 4096, "SC_PHYS_PAGES": 250_000}[name])
        assert "close other programs" in lines(doctor._memory_and_disk)["memory"].mend
    monkeypatch.setattr("shutil.disk_usage", lambda path: SimpleNamespace(free=10**8))
    assert "MOVIEREC_DATA" in lines(doctor._memory_and_disk)["free disk"].mend
    monkeypatch.setenv("MOVIEREC_DATA", str(tmp_path))
    assert "make data" in lines(doctor._data)["MovieLens-100K"].mend
    (tmp_path / "raw/ml-100k").mkdir(parents=True)
    monkeypatch.setattr(doctor, "load", lambda name: tiny)
    finding = lines(doctor._data)["MovieLens-100K"]
    assert doctor.ML100K in finding.mend and finding.found == f"checksum {fingerprint(tiny)}"


def test_the_checksum_is_that_of_the_course(ml100k):
    assert fingerprint(ml100k) == doctor.ML100K


@pytest.mark.parametrize(
    ("code", "answer", "says"),
    [
        (0, '{"kernelspecs": {}}', "make setup"),
        (1, "no jupyter", "make setup"),
        (0, '{"kernelspecs": {"python3": {"resource_dir": "elsewhere"}}}', "make lab"),
    ],
)
def test_a_kernel_that_is_missing_or_another_environments(monkeypatch, code, answer, says):
    done = namedtuple("Done", "returncode stdout")(code, answer)
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: done)
    assert says in lines(doctor._kernel)["kernel python3"].mend


def test_what_the_course_can_do_without_is_not_red_and_whatever_breaks_is(monkeypatch, tmp_path, capsys):
    def broken():
        raise RuntimeError("boom")

    monkeypatch.setattr("shutil.which", lambda name: None)
    monkeypatch.setenv("MOVIEREC_MODEL", str(tmp_path))
    found = lines(doctor._programs) | lines(doctor._model)
    assert len(found) == 3 and all(finding.mend and not finding.needed for finding in found.values())
    monkeypatch.setattr(doctor, "_python_and_system", broken)
    findings = list(doctor.examine())
    assert findings[0].found == "RuntimeError: boom" and findings[0].mend and len(findings) > 10  # the rest is there
    for examined, code, said in ((found.values(), 0, "All is well"), (findings[:1], 1, "must be mended")):
        monkeypatch.setattr(doctor, "examine", lambda examined=examined: iter(examined))
        assert doctor.main() == code and said in capsys.readouterr().out
