"""A set of policies on trial: it stays if it is confirmed in time, and else what was before returns."""

import json
import os
import random
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from place import NOBODY, POLICY, Daemon, eventually
from test_daemon import Talk

WEB_TO_DB = ("shop/web", "shop/db", "5432")
NARROW = POLICY.replace("5432, 5433", "5433")
ROUNDS = int(os.environ.get("QUAYWALL_CONFIRM_ROUNDS", "6"))


def trial(daemon: Daemon) -> dict[str, Any]:
    found: dict[str, Any] = daemon.status()["confirm"]
    return found


def state_file(daemon: Daemon) -> Path:
    return Path(f"{daemon.control}.state") / "trial"


def by_hand(daemon: Daemon) -> None:
    """Changed files wait for `reload`."""
    config = daemon.folder / "quaywall.yaml"
    config.write_text(f"policies: {daemon.policies}\nwatch: false\n", encoding="utf-8")
    daemon.options = ["--config", str(config)]


@pytest.fixture
def quiet(daemon: Daemon) -> Daemon:
    by_hand(daemon)
    return daemon


def try_narrow(daemon: Daemon, within: str = "4s") -> str:
    daemon.policy(NARROW)
    return daemon.verb("reload", "--confirm", within)


def is_narrow(daemon: Daemon) -> bool:
    return "5432" not in daemon.table()


# ---- in time, and not in time ----


def test_confirmed_in_time(quiet: Daemon) -> None:
    quiet.start()
    out = try_narrow(quiet, "6s")
    assert out.startswith("1 policy in force\non trial until 20") and "(6 s): then the policies" in out
    assert is_narrow(quiet)
    assert trial(quiet)["state"] == "pending"
    quiet.verb("status")
    assert quiet.verb("confirm") == "confirmed: 1 policy in force\n"
    assert trial(quiet)["state"] == "none"
    time.sleep(6.5)
    assert is_narrow(quiet)
    done = quiet.call("confirm")
    assert (done.returncode, done.stderr) == (1, "quaywall: nothing is on trial\n")


def test_not_confirmed(quiet: Daemon) -> None:
    quiet.start()
    before = quiet.table()
    try_narrow(quiet)
    assert is_narrow(quiet)
    assert eventually(lambda: quiet.table() == before, 20)
    assert quiet.allows(*WEB_TO_DB)
    status = json.loads(quiet.verb("status", "--json", code=1))
    assert status["state"] == "enforcing"
    assert "not confirmed in time" in status["policies"]["not_in_force"]
    assert (status["confirm"]["state"], status["confirm"]["before"]) == ("over", "policies")
    assert "ATTENTION: the files are not in force" in quiet.verb("status", code=1)
    done = quiet.call("confirm")
    assert (done.returncode, done.stderr) == (
        1,
        "quaywall: nothing is on trial: it was not confirmed in time\n",
    )


def test_settings_return_too(quiet: Daemon) -> None:
    quiet.start()
    config = quiet.folder / "quaywall.yaml"
    config.write_text(config.read_text() + "defaults: {mode: audit}\n", encoding="utf-8")
    quiet.verb("reload", "--confirm", "4s")
    assert quiet.status()["policies"]["mode"] == "audit"
    assert eventually(lambda: quiet.status()["policies"]["mode"] == "enforce", 20)


def test_errors_keep_their_lines(quiet: Daemon) -> None:
    """What returns is the text as it was: `explain` names its lines."""
    quiet.policy("# one line more\n" + POLICY)
    quiet.start()
    where = quiet.verb("explain", *WEB_TO_DB)
    assert "shop.yaml:5 " in where
    try_narrow(quiet, "1s")
    assert eventually(lambda: quiet.call("explain", *WEB_TO_DB).stdout == where, 20)


def test_flows_that_only_the_trial_allowed_are_cut(quiet: Daemon) -> None:
    quiet.policy(NARROW)
    quiet.start()
    quiet.policy(POLICY)
    quiet.verb("reload", "--confirm", "6s")
    with Talk(quiet) as talkers:
        refused, allowed = talkers.begin(5432), talkers.begin(5433)
        assert eventually(lambda: trial(quiet)["state"] == "over", 10)
        assert eventually(lambda: refused.poll() is not None, 10)
        time.sleep(1)
        assert allowed.poll() is None
        assert quiet.status()["kernel"]["flows_cut"] == 1


def test_all_that_changes_meanwhile_returns(daemon: Daemon) -> None:
    """Where changed files are taken up by themselves: say so first, then change."""
    daemon.start()
    out = daemon.verb("reload", "--confirm", "8s")
    assert "note: the files were in force already" in out
    daemon.policy(NARROW)
    assert eventually(lambda: is_narrow(daemon), 6)
    assert trial(daemon)["changed"]
    assert eventually(lambda: not is_narrow(daemon), 20)
    daemon.policy(NARROW + "# again\n")
    time.sleep(1)
    assert not is_narrow(daemon)
    assert trial(daemon)["state"] == "over"


def test_nothing_changed(daemon: Daemon) -> None:
    daemon.start()
    daemon.verb("reload", "--confirm", "1s")
    assert eventually(lambda: trial(daemon)["state"] == "none", 20)
    daemon.policy(NARROW)
    assert eventually(lambda: is_narrow(daemon), 20)


# ---- afterwards ----


def test_reload_takes_the_files_for_good(quiet: Daemon) -> None:
    quiet.start()
    try_narrow(quiet, "1s")
    assert eventually(lambda: trial(quiet)["state"] == "over", 20)
    assert quiet.verb("reload") == "1 policy in force\n"
    assert is_narrow(quiet)
    assert trial(quiet)["state"] == "none"
    quiet.verb("status")


def test_reload_tries_again(quiet: Daemon) -> None:
    quiet.start()
    try_narrow(quiet, "1s")
    assert eventually(lambda: trial(quiet)["state"] == "over", 20)
    quiet.verb("reload", "--confirm", "1m")
    assert is_narrow(quiet)
    quiet.verb("confirm")
    assert is_narrow(quiet)
    quiet.verb("status")


def test_files_put_back_are_in_force_again(daemon: Daemon) -> None:
    """Then files and kernel say the same: changes are taken up as before."""
    daemon.start()
    daemon.verb("reload", "--confirm", "2s")
    daemon.policy(NARROW)
    assert eventually(lambda: trial(daemon)["state"] == "over", 20)
    daemon.policy(POLICY)
    assert eventually(lambda: trial(daemon)["state"] == "none", 20)
    daemon.verb("status")
    daemon.policy(NARROW)
    assert eventually(lambda: is_narrow(daemon), 20)


# ---- a second word while it is on trial ----


def test_a_second_trial_begins_anew_and_returns_to_the_confirmed_set(quiet: Daemon) -> None:
    quiet.start()
    before = quiet.table()
    try_narrow(quiet, "4s")
    quiet.policy(NARROW.replace("5433", "5434"))
    quiet.verb("reload", "--confirm", "9s")
    time.sleep(4.5)
    assert "5434" in quiet.table()
    assert eventually(lambda: quiet.table() == before, 20)


def test_a_plain_reload_is_no_confirmation(quiet: Daemon) -> None:
    """Nor is SIGHUP: what else asks for a reload must not confirm what an administrator has on trial."""
    process = quiet.start()
    before = quiet.table()
    try_narrow(quiet, "5s")
    assert "on trial until" in quiet.verb("reload")
    process.send_signal(signal.SIGHUP)
    assert eventually(lambda: quiet.table() == before, 20)


def test_flush_while_on_trial(quiet: Daemon) -> None:
    """It stays flushed, also beyond the end; then the files are in force by reload."""
    quiet.start()
    try_narrow(quiet, "1s")
    quiet.verb("flush")
    assert eventually(lambda: trial(quiet)["state"] == "over", 20)
    assert quiet.table() == ""
    assert quiet.state() == "flushed"
    quiet.verb("reload")
    assert is_narrow(quiet)


def test_after_a_flush_nothing_returns(quiet: Daemon) -> None:
    quiet.start()
    quiet.verb("flush")
    assert "then nothing is enforced" in quiet.verb("reload", "--confirm", "4s")
    assert quiet.table()
    assert eventually(lambda: quiet.table() == "", 20)
    assert quiet.state() == "flushed"
    quiet.verb("reload")
    assert quiet.table()


# ---- what is refused changes nothing ----


def test_wrong_files(quiet: Daemon) -> None:
    quiet.start()
    before = quiet.table()
    quiet.policy(NARROW + "alow: []\n")
    done = quiet.call("reload", "--confirm", "2s")
    assert done.returncode == 2
    assert "shop.yaml:5:1: error: unknown key" in done.stderr
    assert trial(quiet)["state"] == "none"
    assert quiet.table() == before
    try_narrow(quiet, "2s")
    quiet.policy(NARROW + "alow: []\n")
    quiet.verb("reload", "--confirm", "10m", code=2)
    assert eventually(lambda: quiet.table() == before, 20)


@pytest.mark.parametrize("wrong", ['"120"', "0", "-1", "700000", "1.5", "true"])
def test_wrong_requests(quiet: Daemon, wrong: str) -> None:
    quiet.start()
    answer = json.loads(quiet.ask(b'{"verb": "reload", "confirm": %s}\n' % wrong.encode()))
    assert answer["exit"] == 2 and "seconds" in answer["error"]
    assert trial(quiet)["state"] == "none"


FULL = ("unshare", "--mount", "--", "sh", "-c", 'mount -t tmpfs -o size=4k,mode=0700 none "$0" && exec "$@"')


def test_a_full_disk(quiet: Daemon) -> None:
    """What could not return must not come in force on trial. Without --confirm it may."""
    folder = state_file(quiet).parent
    folder.mkdir(mode=0o700)
    quiet.policy(POLICY + "# " + "x" * 8000 + "\n")
    process = quiet.start(enter=(*FULL, str(folder)))
    before = quiet.table()
    assert "No space left" in trial(quiet)["error"]
    quiet.policy(NARROW)
    done = quiet.call("reload", "--confirm", "2s")
    assert done.returncode == 2
    assert "cannot be put on trial" in done.stderr and "No space left on device" in done.stderr
    assert quiet.table() == before
    assert trial(quiet)["state"] == "none"
    assert quiet.verb("reload") == "1 policy in force\n"
    assert is_narrow(quiet)
    assert quiet.stop(process) == 0


def test_a_folder_that_others_may_write_to(quiet: Daemon) -> None:
    folder = state_file(quiet).parent
    folder.mkdir()
    folder.chmod(0o777)
    quiet.start()
    quiet.policy(NARROW)
    assert "others may write there" in quiet.call("reload", "--confirm", "2s").stderr
    assert not is_narrow(quiet)


def test_places_do_not_change_on_trial(quiet: Daemon) -> None:
    quiet.start()
    config = quiet.folder / "quaywall.yaml"
    config.write_text(config.read_text() + "state: elsewhere\n", encoding="utf-8")
    assert "cannot change on trial" in quiet.call("reload", "--confirm", "2s").stderr
    assert trial(quiet)["state"] == "none"


def test_the_folder_of_choice(quiet: Daemon, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Nowhere near the control socket, as /var/lib/quaywall is to /run."""
    folder = tmp_path_factory.mktemp("var") / "state"
    config = quiet.folder / "quaywall.yaml"
    config.write_text(config.read_text() + f"state: {folder}\n", encoding="utf-8")
    process = quiet.start()
    before = quiet.table()
    try_narrow(quiet, "3s")
    assert (folder / "trial").exists() and not state_file(quiet).parent.exists()
    kill(quiet, process)
    quiet.start()
    assert eventually(lambda: quiet.table() == before, 20)


def test_only_root_confirms(quiet: Daemon) -> None:
    quiet.start()
    try_narrow(quiet, "1m")
    os.chmod(quiet.control, 0o666)
    quiet.open_to_others()
    done = quiet.call("confirm", enter=NOBODY)
    assert (done.returncode, done.stderr) == (3, "quaywall: only root may do that\n")
    assert trial(quiet)["state"] == "pending"
    assert state_file(quiet).stat().st_mode & 0o777 == 0o600
    assert state_file(quiet).parent.stat().st_mode & 0o777 == 0o700


def test_confirm_without_a_daemon(quiet: Daemon) -> None:
    assert quiet.call("confirm").returncode == 3


# ---- the daemon ends meanwhile ----


def kill(daemon: Daemon, process: "subprocess.Popen[bytes]") -> None:
    daemon.stop(process, signal.SIGKILL)


def test_killed_in_between(quiet: Daemon) -> None:
    """However often: the time counts on."""
    process = quiet.start()
    before = quiet.table()
    try_narrow(quiet, "8s")
    end = time.monotonic() + 8
    for options in ((), (), ("--confirm", "10m")):
        kill(quiet, process)
        process = quiet.start(*options)
        asked = time.monotonic()
        now = trial(quiet)
        if now["state"] == "over":
            break  # on a machine that is busy
        assert now["state"] == "pending"
        assert is_narrow(quiet) or trial(quiet)["state"] == "over"
        assert now["seconds_left"] <= end - asked + 1.1
    assert eventually(lambda: quiet.table() == before, 60)
    kill(quiet, process)
    quiet.start("--confirm", "10m")
    assert quiet.table() == before
    assert trial(quiet)["state"] == "over"


def test_confirmed_after_a_restart(quiet: Daemon) -> None:
    process = quiet.start()
    try_narrow(quiet, "8s")
    kill(quiet, process)
    process = quiet.start()
    quiet.verb("confirm")
    kill(quiet, process)
    quiet.start(enter=("unshare", "--time", "--boottime", "3600", "--fork", "--kill-child", "--"))
    assert is_narrow(quiet)
    assert trial(quiet)["state"] == "none"


def test_dead_when_the_time_was_over(quiet: Daemon) -> None:
    process = quiet.start()
    before = quiet.table()
    try_narrow(quiet, "1s")
    kill(quiet, process)
    time.sleep(1.2)
    assert is_narrow(quiet)
    process = quiet.start()
    assert quiet.table() == before
    since = trial(quiet)["since"]
    kill(quiet, process)
    time.sleep(1.1)
    quiet.start()
    assert quiet.table() == before
    assert (trial(quiet)["state"], trial(quiet)["since"]) == ("over", since)
    quiet.verb("reload")
    assert is_narrow(quiet)


OTHER_BOOT = (
    "unshare",
    "--mount",
    "--",
    "sh",
    "-c",
    'mount --bind "$0" /proc/sys/kernel/random/boot_id && exec "$@"',
)


def test_after_a_reboot(quiet: Daemon) -> None:
    """No table, another boot, and its own count of time: the confirmed set, at once."""
    process = quiet.start()
    before = quiet.table()
    try_narrow(quiet, "10m")
    kill(quiet, process)
    quiet.space.call("nft", "delete", "table", "inet", "quaywall")
    boot = quiet.folder / "boot"
    boot.write_text("00000000-0000-4000-8000-000000000000\n", encoding="ascii")
    quiet.start(enter=(*OTHER_BOOT, str(boot)))
    assert quiet.table() == before
    assert trial(quiet)["state"] == "over"


def test_the_time_is_that_of_the_machine(quiet: Daemon) -> None:
    """A daemon whose CLOCK_BOOTTIME is an hour ahead (as after a sleep) finds the time over, one whose
    CLOCK_MONOTONIC is does not."""
    process = quiet.start()
    before = quiet.table()
    try_narrow(quiet, "10m")
    kill(quiet, process)
    process = quiet.start(enter=("unshare", "--time", "--monotonic", "3600", "--fork", "--kill-child", "--"))
    assert is_narrow(quiet)
    assert 590 < trial(quiet)["seconds_left"] <= 600
    kill(quiet, process)
    # That was unshare; its child is killed by the kernel, a moment later.
    assert eventually(lambda: not quiet.state())
    quiet.start(enter=("unshare", "--time", "--boottime", "3600", "--fork", "--kill-child", "--"))
    assert quiet.table() == before


def test_killed_at_random(quiet: Daemon) -> None:
    """At any instant around the beginning, the confirmation and the end, several times over: what is in force
    is one of the two sets, and afterwards the one that was confirmed."""
    seed = int(os.environ.get("QUAYWALL_SEED", str(random.randrange(10**6))))
    dice = random.Random(seed)
    print(f"QUAYWALL_SEED={seed}")
    sets = [POLICY, NARROW]
    process = quiet.start()
    tables = [quiet.table()]
    quiet.policy(NARROW)
    quiet.verb("reload")
    tables.append(quiet.table())
    quiet.policy(POLICY)
    quiet.verb("reload")
    confirmed = 0
    for number in range(ROUNDS):
        other = 1 - confirmed
        quiet.policy(sets[other])
        asks = [quiet.argv("reload", "--confirm", "1s")]
        wants_confirm = dice.random() < 0.5
        if wants_confirm:
            asks.append(quiet.argv("confirm"))
        end = time.monotonic() + dice.choice([0.02, 0.1, 1.3])
        when = time.monotonic() + dice.random() * (end - time.monotonic())
        answers = []
        for ask in asks:
            answers.append(subprocess.Popen(ask, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))
            if len(asks) > len(answers):
                time.sleep(dice.random() * 0.02)
        time.sleep(max(0.0, when - time.monotonic()))
        kill(quiet, process)
        codes = [a.wait(timeout=20) for a in answers]
        process = quiet.start()
        if wants_confirm and codes[-1] == 0:
            expected = [other]
        elif wants_confirm and codes[-1] == 3:
            expected = [confirmed, other]  # killed before it could answer, or before it could act
        else:
            expected = [confirmed]
        end = time.monotonic() + 8
        while trial(quiet)["state"] == "pending" and time.monotonic() < end:
            time.sleep(0.1)
        now = trial(quiet)
        if now["state"] == "none" and codes[0] == 3:
            # killed before the trial began: the start took the files, as a start does
            expected = [other]
        found = tables.index(quiet.table())
        assert found in expected, (number, seed, codes, now)
        confirmed = found
        if now["state"] == "over":
            quiet.policy(sets[confirmed])
            quiet.verb("reload")


# ---- run --confirm ----


def test_first_run_leaves_nothing(quiet: Daemon) -> None:
    """Who tries it for the first time is not locked out by it, whatever restarts the daemon."""
    process = quiet.start("--confirm", "5s")
    assert quiet.table()
    assert trial(quiet)["before"] == "nothing"
    assert eventually(lambda: quiet.table() == "", 20)
    assert quiet.state() == "flushed"
    kill(quiet, process)
    process = quiet.start(wait_for="flushed")
    assert quiet.table() == ""
    kill(quiet, process)
    process = quiet.start("--confirm", "1m", wait_for="flushed")
    assert quiet.table() == ""
    kill(quiet, process)
    quiet.policy(NARROW)
    quiet.start("--confirm", "1m")
    assert is_narrow(quiet)
    quiet.verb("confirm")
    assert is_narrow(quiet)


def test_run_returns_to_the_last_run(quiet: Daemon) -> None:
    process = quiet.start()
    before = quiet.table()
    quiet.stop(process)
    quiet.policy(NARROW)
    quiet.start("--confirm", "5s")
    assert is_narrow(quiet)
    assert eventually(lambda: quiet.table() == before, 20)


def test_run_with_wrong_files(quiet: Daemon) -> None:
    process = quiet.start()
    before = quiet.table().splitlines()[2:]
    quiet.stop(process)
    quiet.policy(POLICY + "alow: []\n")
    done = quiet.call("run", "--snapshot", str(quiet.snapshot), "--confirm", "2s")
    assert done.returncode == 2
    assert quiet.table().splitlines()[2:] == before


def test_run_beside_an_unknown_table(quiet: Daemon) -> None:
    quiet.stop(quiet.start())
    state_file(quiet).unlink()
    before = quiet.table().splitlines()[2:]
    done = quiet.call("run", "--snapshot", str(quiet.snapshot), "--confirm", "2s")
    assert done.returncode == 2
    assert "so it could not return" in done.stderr
    assert quiet.table().splitlines()[2:] == before


def test_a_broken_state_file(quiet: Daemon) -> None:
    quiet.stop(quiet.start())
    file = state_file(quiet)
    file.write_bytes(file.read_bytes()[:-30])
    quiet.start()
    assert "cannot be read" in quiet.log_text() and "checksum is wrong" in quiet.log_text()
    assert trial(quiet)["error"] is None  # by now it is whole again


def test_changed_files_wait_where_asked_to(quiet: Daemon) -> None:
    quiet.start()
    quiet.policy(NARROW)
    assert eventually(lambda: quiet.status()["policies"]["not_in_force"] is not None, 20)
    assert not is_narrow(quiet)
    quiet.verb("status", code=1)
    quiet.policy(POLICY)
    assert eventually(lambda: quiet.status()["policies"]["not_in_force"] is None, 20)
    quiet.policy(NARROW)
    quiet.verb("reload")
    assert is_narrow(quiet)
    quiet.verb("status")
