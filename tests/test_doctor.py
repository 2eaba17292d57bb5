"""`doctor` finds what is missing and says so; what is only extra never fails it."""

import shutil

from currlab import doctor


def by_name():
    return {check.name: check for check in doctor.examine()}


def test_this_machine_is_examined_and_fit():
    checks = by_name()
    assert set(checks) == set(doctor.CHECKS)
    assert {c.status for c in checks.values()} <= {"OK", "INFO"}, checks
    assert "tiny-warm" in checks["model"].detail


def test_a_missing_extra_is_information(monkeypatch):
    monkeypatch.setattr(shutil, "which", lambda _: None)
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    checks = by_name()
    assert checks["browser"].status == "INFO"
    assert "C compiler" in checks["reasoning-gym"].detail


def test_a_package_that_is_not_as_pinned_fails_and_is_named(monkeypatch):
    real = doctor.version
    monkeypatch.setattr(doctor, "version", lambda name: "0.1" if name == "trl" else real(name))
    assert by_name()["packages"].status == "FAIL"
    assert "trl==1.16.0 (found: 0.1)" in by_name()["packages"].detail


def test_too_little_memory_fails(monkeypatch):
    class Small:
        total = 2**29

    monkeypatch.setattr(doctor.psutil, "virtual_memory", Small)
    assert by_name()["memory"].status == "FAIL"


def test_a_check_that_breaks_is_a_failure_and_the_others_go_on(monkeypatch):
    def broken():
        raise ImportError("no such\nlibrary")

    monkeypatch.setitem(doctor.CHECKS, "torch", broken)
    checks = by_name()
    assert checks["torch"] == doctor.Check("torch", "FAIL", "ImportError: no such library")
    assert checks["disk"].status == "OK"
