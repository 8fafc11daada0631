"""The groups `image` and `secret`: what a container is made of and what it is given, one thing after the other."""

import datetime
from typing import Any

import pytest

from check_posture import CONTAINER, IMAGE_ID, Change, both, container, engine, found, image, judge
from program import Program

PINNED = CONTAINER["image"]
NAMED = "image " + str(PINNED)


def day(ago: int) -> str:
    return (datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(days=ago)).isoformat()


def registries(*globs: str) -> str:
    return "check: {registries: [" + ", ".join(f'"{g}"' for g in globs) + "]}\n"


# ---- names and digests


@pytest.mark.parametrize(
    "name, digests, wanted",
    [
        (PINNED, ["web@sha256:ab"], set()),
        ("web", ["web@sha256:ab"], {("image-latest", "image web", "low")}),
        ("web:latest", [], {("image-latest", "image web:latest", "low")}),
        ("web:latest@sha256:" + "ab" * 32, ["web@sha256:ab"], set()),
        ("localhost:5000/web", [], {("image-latest", "image localhost:5000/web", "low")}),
        ("web:1.2", ["web@sha256:ab"], {("image-unpinned", "image web:1.2", "info")}),
        # Built here: it has no digest that could be named.
        ("web:1.2", [], set()),
        (IMAGE_ID, ["web@sha256:ab"], set()),
        (IMAGE_ID.removeprefix("sha256:")[:12], ["web@sha256:ab"], set()),
        # No id, though it could be one.
        ("beefbeefbeef", [], {("image-latest", "image beefbeefbeef", "low")}),
    ],
)
def test_names(program: Program, name: str, digests: list[str], wanted: set[tuple[str, str, str]]) -> None:
    change = both(container(image=name), image(digests=digests, created=day(3)))
    assert found(program, "image", change) == wanted


# ---- registries

FOREIGN = {("image-foreign", NAMED, "medium")}
BUILT = both(container(image="web:1.2"), image(digests=[]))


@pytest.mark.parametrize(
    "settings, change, foreign",
    [
        ("{}", image(digests=["evil.example/web@sha256:ab"]), False),
        (registries("docker.io"), container(), False),
        (registries("docker.io/library"), container(), False),
        (registries("docker.io/library/web"), container(), False),
        (registries("docker.io/library/we"), container(), True),
        (registries("docker.io/shop"), container(), True),
        (registries("docker.io/*/web"), container(), False),
        (registries("registry.example", "docker.io"), container(), False),
        (registries("*.example"), image(digests=["a.example/x/y@sha256:ab"]), False),
        (registries("*.example"), image(digests=["a.b.example/x/y@sha256:ab"]), False),
        # A path that ends so is not the registry.
        (registries("*.example"), image(digests=["evil.org/x.example@sha256:ab"]), True),
        (registries("*.example"), image(digests=["evil.org/x.example/y@sha256:ab"]), True),
        (registries("a.example"), image(digests=["a.example:5000/x@sha256:ab"]), True),
        (registries("a.example:5000"), image(digests=["a.example:5000/x@sha256:ab"]), False),
        (registries("localhost"), image(digests=["localhost/x@sha256:ab"]), False),
        (registries("docker.io"), image(digests=["index.docker.io/x@sha256:ab"]), False),
        # What it is called here does not count where its registry is known.
        (registries("a.example"), both(container(image="a.example/x@sha256:" + "ab" * 32)), True),
        (registries("a.example"), image(digests=["web@sha256:ab", "a.example/x@sha256:ab"]), False),
        (registries("docker.io"), BUILT, False),
        (registries("a.example"), BUILT, True),
        (registries("a.example"), both(BUILT, container(image=IMAGE_ID), image(tags=["a.example/w:1"])), False),
        (registries("a.example"), both(BUILT, container(image=IMAGE_ID), image(tags=[])), True),
        (registries("docker.io"), image(digests=["x" * 600 + "@sha256:ab"]), True),
    ],
)
def test_registries(program: Program, settings: str, change: Change, foreign: bool) -> None:
    told = {check for check, _, _ in found(program, "image", both(image(created=day(3)), change), settings)}
    assert told == ({"image-foreign"} if foreign else set())


def test_a_foreign_image_is_told_once(program: Program) -> None:
    def change(posture: Any) -> None:
        (one,) = posture["containers"]
        posture["containers"] = [one | {"id": f"c{i}", "name": f"/web{i}"} for i in range(3)]
        posture["images"][0]["created"] = day(3)

    assert found(program, "image", change, registries("a.example")) == FOREIGN


# ---- age, user, secrets


@pytest.mark.parametrize(
    "settings, created, old",
    [
        ("{}", day(179), False),
        ("{}", day(182), True),
        ("{}", day(182).split("+")[0] + "+02:00", True),
        ("{}", day(182).split("+")[0].split(".")[0] + ".123456789Z", True),
        ("{}", day(-9), False),
        ("check: {image_age: 30d}\n", day(32), True),
        ("check: {image_age: 30d}\n", day(29), False),
        ("check: {image_age: never}\n", day(4000), False),
        ("check: {image_age: never}\n", "1970-01-01T00:00:00Z", False),
    ],
)
def test_age(program: Program, settings: str, created: str, old: bool) -> None:
    wanted = {("image-old", NAMED, "low")} if old else set()
    assert found(program, "image", image(created=created), settings) == wanted


@pytest.mark.parametrize("created", ["1970-01-01T00:00:00Z", "0001-01-01T00:00:00Z", "", "yesterday", None, 7])
def test_no_age(program: Program, created: Any) -> None:
    report = judge(program, "image", image(created=created))
    assert report["findings"] == []
    assert [g["why"] for g in report["not_checked"]] == [f"images: how old they are does not stand in them: {PINNED}"]


ROOT = {("image-root", NAMED, "low")}


@pytest.mark.parametrize(
    "change, wanted",
    [
        (both(image(user=""), container(user="")), ROOT),
        (both(image(user="0"), container(user="0")), ROOT),
        (image(user="root"), set()),  # no container runs so
        (both(image(user=""), container(user="", state="exited")), set()),
        (both(image(user=""), container(user=""), engine(security_options=["name=userns"])), set()),
        (image(env=["PATH", "API_TOKEN"]), {("image-secret", NAMED, "medium")}),
        (image(env=["PATH", "API_TOKEN_FILE"]), set()),
    ],
)
def test_the_image_itself(program: Program, change: Change, wanted: set[tuple[str, str, str]]) -> None:
    assert found(program, "image", both(image(created=day(3)), change)) == wanted


def test_an_image_is_told_once(program: Program) -> None:
    """By the first of its names, with whom it is about; and each name for itself."""

    def change(posture: Any) -> None:
        one = posture["containers"][0] | {"user": ""}
        names = {"b": "web:2", "a": "web:1", "c": IMAGE_ID, "d": "web:2"}
        posture["containers"] = [one | {"id": n, "name": f"/{n}", "image": i} for n, i in names.items()]
        posture["images"][0].update(user="", created=day(3))

    report = judge(program, "image", change)
    evidence = {(f["id"], f["subject"]): f["evidence"] for f in report["findings"]}
    assert set(evidence) == {
        ("image-root", "image web:1"), ("image-unpinned", "image web:1"), ("image-unpinned", "image web:2"),
    }  # fmt: skip
    assert evidence["image-root", "image web:1"] == 'Config.User is ""; so run c, a, b, d'
    assert evidence["image-unpinned", "image web:2"].startswith("Config.Image of b has no digest")


def test_an_image_that_is_not_there(program: Program) -> None:
    def change(posture: Any) -> None:
        posture["images"] = []
        posture["containers"][0]["image"] = "web"

    report = judge(program, "image", change)
    assert [f["id"] for f in report["findings"]] == ["image-latest"]
    assert [g["why"] for g in report["not_checked"]] == ["images: not in the posture: web"]


# ---- the environment

SECRETS = """PASSWORD DB_PASSWORD db_password dbPassword POSTGRES_PASSWORD PGPASSWORD MYSQL_ROOT_PASSWORD MYSQL_PWD SMTP_PASS
SECRET CLIENT_SECRET SECRET_KEY_BASE JWT_SECRET TOKEN GITHUB_TOKEN NPM_TOKEN API_KEY OPENAI_API_KEY APIKEY AWS_SECRET_ACCESS_KEY
SSH_PRIVATE_KEY PRIVATE-KEY AZURE_CLIENT_SECRET STORAGE_ACCOUNT_KEY CREDENTIALS DB_CREDENTIAL KEY_PASSPHRASE app.api.key
DB_CONNECTION_STRING LDAP_BIND_PASSWD REDIS_PASSWORDS PASSWORD1 DB_PASSWORD2 MASTERKEY TLS_PRIVKEY ACCESSKEY GITHUB_PAT s3SecretKey""".split()

OTHERS = """PATH HOME PWD OLDPWD LANG TOKENIZER TOKENIZERS_PARALLELISM MAX_TOKENS TOKEN_TTL PASSWORD_FILE POSTGRES_PASSWORD_FILE
SECRET_NAME SECRETS_DIR API_KEY_ID AWS_ACCESS_KEY_ID PASSWORDLESS GPG_KEY COMPASS BYPASS PASS PASSENGER MYSQL_RANDOM_ROOT_PASSWORD
MYSQL_ALLOW_EMPTY_PASSWORD PASSWORD_MIN_LENGTH TOKEN_URL GOOGLE_APPLICATION_CREDENTIALS SSH_AUTH_SOCK KEY PUBLIC_KEY
ACCESS_LOG SECRETARY _ __ - DATABASE_URL PATTERN PAT NODE1 1 22""".split()


def test_variables(program: Program) -> None:
    def change(posture: Any) -> None:
        (one,) = posture["containers"]
        made = [one | {"id": n, "name": "/" + n, "env": ["PATH", n]} for n in SECRETS + OTHERS]
        posture["containers"] = [*made, one | {"id": "e", "name": "/ended", "state": "exited", "env": ["TOKEN"]}]

    assert found(program, "secret", change) == {("secret-environment", n, "medium") for n in SECRETS}


def test_a_variable_of_the_image(program: Program) -> None:
    change = both(container(env=["PATH", "A_TOKEN", "B_TOKEN"]), image(env=["A_TOKEN"], created=day(3)))
    report = judge(program, "secret", change)
    assert [f["evidence"] for f in report["findings"]] == ["Config.Env: B_TOKEN"]
    assert found(program, "image", change) == {("image-secret", NAMED, "medium")}


def test_many_variables(program: Program) -> None:
    report = judge(program, "secret", container(env=[f"A{i}_TOKEN" for i in range(13)]))
    assert report["findings"][0]["evidence"].endswith("A9_TOKEN and 3 more")


def test_clean(program: Program) -> None:
    assert found(program, "runtime,image,secret,logging", image(created=day(3))) == set()


def test_every_check_has_a_case(program: Program) -> None:
    listed = program.out("check", "--list", "--only", "image,secret").splitlines()
    assert {line.split()[0] for line in listed} == {
        "image-foreign", "image-latest", "image-old", "image-root", "image-secret", "image-unpinned",
        "secret-environment",
    }  # fmt: skip
