"""Renderings have the files and modes of the manifest, and the same bytes on every machine."""

from __future__ import annotations

import shutil
import stat
import sys
from pathlib import Path

import pytest

from tests.template import COMBINATIONS, ROOT, environment, files, run
from tools import manifest

ANSWERS = """\
default_context:
  project_name: Büro 日本 👩\u200d🔧
  project_slug: buro
  description: "Größe, naïve, мир: it's 100 %"
  author_name: Seán
  database: mysql
"""
# How machines and the people at them differ; the rest is as in the first.
USUAL = {"TZ": "UTC", "LC_ALL": "C.UTF-8", "LANG": "C.UTF-8", "PYTHONHASHSEED": "0"}
ELSEWHERE: dict[str, dict[str, str]] = {
    "far east": {"TZ": "Pacific/Kiritimati"},
    "far west": {"TZ": "Etc/GMT+12"},
    "the locale C": {"LC_ALL": "C", "LANG": "C"},
    "no UTF-8": {"LC_ALL": "C", "LANG": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
    "another order of sets": {"PYTHONHASHSEED": "4711"},
    "any order of sets": {"PYTHONHASHSEED": "random"},
}


# --- Which choices render which files


def test_the_manifest_is_current() -> None:
    assert manifest.MANIFEST.read_text(encoding="utf-8") == manifest.current(), "make manifest"


def test_the_manifest_names_modes_and_choices() -> None:
    everywhere = {"a": 0o644, "run.sh": 0o755}
    sets = {tuple(choices.values()): dict(everywhere) for choices in COMBINATIONS}
    for choices, found in sets.items():
        if choices[1] == "oidc":
            found["b"] = 0o600
        if choices[0] == "mysql":
            found["run.sh"] = 0o644
    assert manifest.manifest(sets).removeprefix(manifest.HEADER).splitlines() == [
        "644 a",
        '600 b  auth == "oidc"',
        '644 run.sh  database == "mysql"',
        '755 run.sh  database in ["sqlite", "postgresql"]',
    ]


# --- The same every time


def rendered(
    folder: Path,
    output: str = "output",
    umask: int = 0o022,
    cwd: str = ".",
    template: str = str(ROOT),
    **values: str,
) -> Path:
    """Render the service with the program cookiecutter, from the same answers."""
    (folder / output).mkdir(parents=True)
    (folder / "answers.yaml").write_text(ANSWERS, encoding="utf-8")
    result = run(
        *(sys.executable, "-m", "cookiecutter", template, "--no-input", "--output-dir"),
        *(folder / output, "--config-file", folder / "answers.yaml"),
        env=environment(folder, **USUAL | values),
        cwd=folder / cwd,
        umask=umask,
        errors="replace",
    )
    assert result.returncode == 0, result.stdout
    return folder / output / "buro"


def content(project: Path) -> dict[str, tuple[int, bytes]]:
    """Return mode and bytes of each file; for secrets only the mode."""
    return {
        name: (stat.S_IMODE(path.stat().st_mode), b"" if name == ".env" else path.read_bytes())
        for path in files(project)
        if (name := path.relative_to(project).as_posix())
    }


@pytest.fixture(scope="module")
def usual(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[int, bytes]]:
    found = content(rendered(tmp_path_factory.mktemp("usual")))
    assert "Büro 日本".encode() in found["README.md"][1]
    assert found[".env"] == (0o600, b"")
    return found


@pytest.mark.parametrize("values", ELSEWHERE.values(), ids=list(ELSEWHERE))
def test_it_is_the_same_elsewhere(
    values: dict[str, str], usual: dict[str, tuple[int, bytes]], tmp_path: Path
) -> None:
    assert content(rendered(tmp_path, **values)) == usual


def test_it_is_the_same_in_another_language(
    usual: dict[str, tuple[int, bytes]], tmp_path: Path
) -> None:
    """In a locale whose encoding lacks letters of the template and of the answers."""
    if not shutil.which("localedef") or not Path("/usr/share/i18n/locales/de_DE").exists():
        pytest.skip("no sources of locales on this machine: apt-get install locales")
    made = run("localedef", "-f", "ISO-8859-1", "-i", "de_DE", tmp_path / "de_DE")
    values = {"LOCPATH": str(tmp_path), "LC_ALL": "de_DE", "LANG": "de_DE"}
    asked = "import locale; print(locale.getpreferredencoding())"
    known = run(sys.executable, "-c", asked, env=environment(tmp_path, **values))
    assert known.stdout.strip().upper() == "ISO-8859-1", made.stdout
    assert content(rendered(tmp_path, **values)) == usual


@pytest.mark.parametrize("umask", [0o000, 0o077], ids=oct)
def test_the_umask_changes_only_modes_of_folders(
    umask: int, usual: dict[str, tuple[int, bytes]], tmp_path: Path
) -> None:
    project = rendered(tmp_path, umask=umask)
    assert content(project) == usual
    assert stat.S_IMODE((project / "app").stat().st_mode) == 0o777 & ~umask


def test_it_is_the_same_from_and_to_another_folder(
    usual: dict[str, tuple[int, bytes]], tmp_path: Path
) -> None:
    (tmp_path / "template").symlink_to(ROOT)
    assert content(rendered(tmp_path, output="a b/ü $x/-o", cwd="/")) == usual
    assert content(rendered(tmp_path, output="output", cwd="a b", template="../template")) == usual
    for _, text in usual.values():
        assert str(ROOT).encode() not in text
        assert str(tmp_path.parent).encode() not in text
