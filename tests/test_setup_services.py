"""Set-up leaves the machine's services as it found them, and says in one line what it cannot do."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tools"))

from muster_setup import axe, environment, interrupts, main, packages, programs, services  # noqa: E402
from muster_setup.console import SetupError, run  # noqa: E402


def link(root: Path, name: str) -> Path:
    """Enable a service by hand, the way systemctl does."""
    path = root / "etc/systemd/system/multi-user.target.wants" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.symlink_to(f"/lib/systemd/system/{name}")
    return path


def runlevel(root: Path, name: str) -> Path:
    path = root / "etc/rc2.d" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.symlink_to(f"../init.d/{name[3:]}")
    return path


def test_no_service_may_start_while_packages_are_installed(tmp_path: Path) -> None:
    """policy-rc.d says no (101) while the window is open, and is gone afterwards."""
    policy = tmp_path / services.POLICY
    with services.left_alone(tmp_path):
        assert policy.stat().st_mode & 0o111
        assert os.waitstatus_to_exitcode(os.system(str(policy))) == 101
    assert not policy.exists()
    assert list(policy.parent.iterdir()) == []


def test_what_was_enabled_before_stays_and_what_this_run_enabled_goes(tmp_path: Path) -> None:
    """Only the links that appeared while the window was open are taken back."""
    mine, old_level = link(tmp_path, "mine.service"), runlevel(tmp_path, "S01mine")
    with services.left_alone(tmp_path):
        new, level = link(tmp_path, "redis-server.service"), runlevel(tmp_path, "S01redis-server")
    assert mine.is_symlink()
    assert old_level.is_symlink()
    assert not new.is_symlink()
    assert not level.is_symlink()


@pytest.mark.parametrize("kind", ["file", "link"])
def test_a_policy_of_the_users_own_comes_back(tmp_path: Path, kind: str) -> None:
    """The same file (or link) with the same mode stands there again, also after an error."""
    policy = tmp_path / services.POLICY
    policy.parent.mkdir(parents=True)
    if kind == "file":
        policy.write_text("#!/bin/sh\nexit 104\n")
        policy.chmod(0o750)
    else:
        policy.symlink_to("/etc/alternatives/policy-rc.d")
    before = policy.lstat()
    with pytest.raises(RuntimeError, match="apt fell over"), services.left_alone(tmp_path):
        raise RuntimeError("apt fell over")
    assert policy.lstat().st_ino == before.st_ino
    assert policy.lstat().st_mode == before.st_mode
    assert [path.name for path in policy.parent.iterdir()] == ["policy-rc.d"]


def test_a_run_that_was_killed_is_put_right_by_the_next(tmp_path: Path) -> None:
    """A policy left by SIGKILL is not taken for the user's own: theirs comes back, ours goes."""
    policy = tmp_path / services.POLICY
    policy.parent.mkdir(parents=True)
    policy.write_text("#!/bin/sh\nexit 104\n")
    services._deny(tmp_path)
    with services.left_alone(tmp_path):
        pass
    assert policy.read_text() == "#!/bin/sh\nexit 104\n"
    policy.unlink()
    services._deny(tmp_path)
    services.mend(tmp_path)
    assert list(policy.parent.iterdir()) == []


def test_a_policy_that_is_not_ours_is_never_removed(tmp_path: Path) -> None:
    """Mending touches nothing where nothing of ours is left."""
    policy = tmp_path / services.POLICY
    policy.parent.mkdir(parents=True)
    policy.write_text("#!/bin/sh\nexit 0\n")
    services.mend(tmp_path)
    assert policy.read_text() == "#!/bin/sh\nexit 0\n"


def test_an_interrupt_waits_for_what_must_not_be_cut_off() -> None:
    """The work is finished first; then set-up ends with 128 and the signal's number."""
    done = []

    def work() -> None:
        with interrupts.held("a test"):
            os.kill(os.getpid(), signal.SIGTERM)
            done.append("finished")

    with pytest.raises(SystemExit) as ended:
        work()
    assert done == ["finished"]
    assert ended.value.code == 128 + signal.SIGTERM


def program_file(folder: Path, name: str, says: str) -> Path:
    """A program that tells a version of our choosing."""
    folder.mkdir(exist_ok=True)
    path = folder / name
    path.write_text(f"#!/bin/sh\necho '{says}'\n")
    path.chmod(0o755)
    return path


@pytest.mark.parametrize(
    ("name", "says", "version", "good"),
    [
        ("redis-server", "Redis server v=7.0.15 sha=00000000:0 malloc=libc", (7, 0, 15), True),
        ("redis-server", "Redis server v=5.0.14 sha=0", (5, 0, 14), False),
        ("prometheus", "prometheus, version 2.42.0+ds (branch: d)", (2, 42, 0), True),
        ("prometheus", "prometheus, version 2.31.2+ds1", (2, 31, 2), False),
        ("prometheus", "prometheus, version 3.5.0 (branch: HEAD)", (3, 5, 0), True),
        ("toxiproxy-server", "toxiproxy-server version 2.12.0", (2, 12, 0), True),
        ("toxiproxy-server", "toxiproxy-server version 2.9.0", (2, 9, 0), False),
        ("toxiproxy-server", "toxiproxy-server version git", None, False),
    ],
)
def test_a_program_on_path_is_asked_for_its_version(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    says: str,
    version: tuple[int, ...] | None,
    good: bool,
) -> None:
    """A version that is too old, or not told, does not pass for a good one."""
    program_file(tmp_path, name, says)
    monkeypatch.setenv("PATH", str(tmp_path))
    wanted = {"redis": programs.REDIS, "prome": programs.PROMETHEUS, "toxip": programs.TOXIPROXY}
    program = wanted[name[:5]]
    found = programs.find(program)
    assert found is not None
    assert found.version == version
    assert found.is_good(program) is good


def test_a_toxiproxy_that_go_built_by_itself_is_known_by_its_build_facts(tmp_path: Path) -> None:
    """`go install` leaves the version "git"; the module's version stands in the file."""
    path = program_file(tmp_path, "toxiproxy-server", "toxiproxy-server version git")
    with path.open("ab") as out:
        out.write(b"# mod\tgithub.com/Shopify/toxiproxy/v2\tv2.12.0\th1:\n")
    assert programs.ask(path, programs.TOXIPROXY).version == (2, 12, 0)


def test_what_is_missing_is_said_in_one_line_without_root(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No root, no sudo, no Homebrew: every missing program and every way to get it, once."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(SetupError) as refused:
        packages.provide(
            [programs.REDIS, programs.PROMETHEUS, programs.PROMTOOL],
            tmp_path,
            venv_package="python3.11-venv",
        )
    line = str(refused.value)
    assert "\n" not in line
    assert line == (
        "redis-server, prometheus, promtool, python3.11-venv are missing: "
        "as root: apt-get install redis-server prometheus python3.11-venv; "
        "or with Homebrew: brew install redis && brew install prometheus"
    )


def test_a_program_that_is_too_old_is_named_with_what_was_expected(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An old redis-server on PATH is refused in one line, and nothing is installed beside it."""
    path = program_file(tmp_path, "redis-server", "Redis server v=5.0.14 sha=0")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SetupError) as refused:
        packages.provide([programs.REDIS], tmp_path)
    assert f"{path}: version: got 5.0.14, expected 6 or newer" in str(refused.value)
    assert "\n" not in str(refused.value)


def test_nothing_is_installed_where_nothing_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With all programs there, neither apt nor Homebrew is called."""
    program_file(tmp_path, "redis-server", "Redis server v=7.0.15 sha=0")
    for name in ("apt-get", "brew", "sudo"):
        (tmp_path / name).write_text(f"#!/bin/sh\ntouch {tmp_path}/called\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    packages.provide([programs.REDIS], tmp_path / "log")
    assert not (tmp_path / "called").exists()


def test_homebrew_is_used_where_it_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`brew install redis` brings the missing program; brew starts no service by itself."""
    brew = tmp_path / "brew"
    brew.write_text(
        f'#!/bin/sh\n/bin/echo "$@" > {tmp_path}/called\n'
        f"/bin/echo '#!/bin/sh' > {tmp_path}/redis-server\n"
        f"/bin/echo '/bin/echo Redis server v=8.2.1' >> {tmp_path}/redis-server\n"
        f"/bin/chmod +x {tmp_path}/redis-server\n"
    )
    brew.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(os, "geteuid", lambda: 501)
    packages.provide([programs.REDIS], tmp_path / "log")
    assert (tmp_path / "called").read_text() == "install redis\n"


def test_a_failing_step_shows_the_end_of_its_log(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """One line says what failed and where the log is; the last lines of it are shown."""
    with pytest.raises(SetupError, match=r"a step: failed with exit code 3; all of it is in"):
        run("a step", ["/bin/sh", "-c", "echo first; echo the cause; exit 3"], tmp_path / "log")
    assert "    the cause" in capsys.readouterr().err


def test_a_stamp_that_fits_means_that_nothing_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second run of set-up starts no program at all for `.venv`; a changed pin does."""
    (tmp_path / "constraints.txt").write_text("a==1\n")
    (tmp_path / "pyproject.toml").write_text("[project]\n")
    (tmp_path / ".venv/bin").mkdir(parents=True)
    (tmp_path / ".venv/bin/chaos").touch()
    called: list[str] = []
    monkeypatch.setattr(environment, "is_made", lambda root: True)
    monkeypatch.setattr(environment, "_install_pinned", lambda *a: called.append("pins"))
    monkeypatch.setattr(environment, "_pip", lambda *a, **k: called.append("clone"))
    environment.provide(tmp_path, tmp_path)
    assert called == ["pins", "clone"]
    environment.provide(tmp_path, tmp_path)
    assert called == ["pins", "clone"]
    (tmp_path / "constraints.txt").write_text("a==2\n")
    environment.provide(tmp_path, tmp_path)
    assert called == ["pins", "clone", "pins"]


def test_an_environment_of_another_place_is_not_taken_for_ours(tmp_path: Path) -> None:
    """A clone that was moved or copied has scripts that point elsewhere: it is made anew."""
    (tmp_path / ".venv/bin").mkdir(parents=True)
    (tmp_path / ".venv/bin/python").symlink_to(sys.executable)
    (tmp_path / ".venv/muster-place").write_text(str(tmp_path))
    assert environment.is_made(tmp_path)
    (tmp_path / ".venv/muster-place").write_text("/somewhere/else")
    assert not environment.is_made(tmp_path)


def test_set_up_ends_with_2_and_one_line_when_something_is_missing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whatever a step cannot do is one line on stderr and exit code 2."""

    def refuse(root: Path, *, with_browser: bool) -> None:
        raise SetupError("redis-server is missing: as root: apt-get install redis-server")

    monkeypatch.setattr(main, "_provide", refuse)
    assert main.main([]) == 2
    assert capsys.readouterr().err == (
        "setup: redis-server is missing: as root: apt-get install redis-server\n"
    )


def test_modules_are_compiled_where_the_user_keeps_python_from_it(tmp_path, monkeypatch):
    """Else no process of a drill would find byte code; without that setting nothing is done."""
    python = tmp_path / ".venv/bin/python"
    python.parent.mkdir(parents=True)
    python.symlink_to(sys.executable)
    for folder in ("src", "probes"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "one.py").write_text("ONE = 1\n")
    (tmp_path / "src/broken.py").write_text("not Python\n")
    monkeypatch.delenv("PYTHONDONTWRITEBYTECODE", raising=False)
    monkeypatch.delenv("PYTHONPYCACHEPREFIX", raising=False)
    environment.compile_once(tmp_path)
    assert not list(tmp_path.rglob("*.pyc"))
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    environment.compile_once(tmp_path)
    found = {path.parent.parent.name for path in tmp_path.rglob("one.*.pyc")}
    assert found == {"src", "probes"}


def test_a_package_that_is_not_the_pinned_one_is_refused(tmp_path: Path) -> None:
    """Nothing of it is unpacked; one that npm did not pack is told too."""
    package = tmp_path / "axe-core.tgz"
    package.write_bytes(b"another")
    with pytest.raises(SetupError, match="expected 5e6edba515e70d25"):
        axe.unpack(package, tmp_path / "axe")
    assert not (tmp_path / "axe").exists()
    with pytest.raises(SetupError, match="expected npm to pack it"):
        axe.unpack(tmp_path / "none.tgz", tmp_path / "axe")
