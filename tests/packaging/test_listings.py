"""What winget, Homebrew and apt are told of a release, made of small stand-ins for its packages."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest

import contents
import dev
import listings
from freeze import PackagingError
from tray_app import __version__

pytestmark = pytest.mark.skipif(shutil.which("apt-ftparchive") is None, reason="needs Debian's tools")

REPOSITORY = "o-wner/power.infer_tray"


@pytest.fixture
def release(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the packages of all systems, of which the one for Debian is real."""
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")
    monkeypatch.delenv("APT_SIGNING_KEY", raising=False)
    folder = tmp_path / "dist é"
    folder.mkdir()
    for name in listings.PACKAGES.values():
        (folder / name).write_bytes(name.encode())
    tree = tmp_path / "tree"
    (tree / "DEBIAN").mkdir(parents=True)
    fields = {
        "Package": contents.APP,
        "Version": __version__,
        "Architecture": "amd64",
        "Maintainer": "a <b@c.invalid>",
    }
    text = "".join(f"{name}: {value}\n" for name, value in fields.items()) + "Description: for a test\n"
    (tree / "DEBIAN" / "control").write_text(text)
    deb = folder / f"{contents.APP}_{__version__}_amd64.deb"
    run("dpkg-deb", "--build", tree, deb)
    return folder


def digest(folder: Path, name: str) -> str:
    return hashlib.sha256((folder / listings.PACKAGES[name]).read_bytes()).hexdigest()


def test_the_manifests_for_winget_name_the_installer_and_its_digest(release: Path) -> None:
    listings.make(release, REPOSITORY)

    manifests = {
        file.name: file.read_text(encoding="utf-8") for file in (release / "listings/winget").iterdir()
    }
    installer = manifests["o-wner.PowerInferTray.installer.yaml"]
    address = f"https://github.com/{REPOSITORY}/releases/download/v{__version__}/{listings.PACKAGES['setup']}"
    assert f"InstallerUrl: {address}\n" in installer
    assert f"InstallerSha256: {digest(release, 'setup').upper()}\n" in installer
    assert "ReleaseDate: 2023-11-14\n" in installer
    assert len(manifests) == 5
    for text in manifests.values():
        assert f'PackageIdentifier: o-wner.PowerInferTray\nPackageVersion: "{__version__}"\n' in text
        assert text.startswith("# yaml-language-server: $schema=https://aka.ms/winget-manifest.")


def test_the_installer_is_found_again_by_the_name_that_it_registers(release: Path) -> None:
    listings.make(release, REPOSITORY)

    installer = (release / "listings/winget/o-wner.PowerInferTray.installer.yaml").read_text(encoding="utf-8")
    script = (listings.TEMPLATES.with_name("windows") / "installer.nsi").read_text(encoding="utf-8")
    (registered,) = re.findall(r'UNINSTALL_KEY ".*\\Uninstall\\(\w+)"', script)
    assert f"ProductCode: {registered}\n" in installer


def test_the_cask_has_the_digests_of_both_kinds_of_macs(release: Path) -> None:
    listings.make(release, REPOSITORY)

    cask = (release / "listings/homebrew/powerinfer-tray.rb").read_text(encoding="utf-8")
    assert f'arm:   "{digest(release, "arm")}"' in cask
    assert f'intel: "{digest(release, "intel")}"' in cask
    assert f'version "{__version__}"' in cask
    assert f"https://github.com/{REPOSITORY}/releases/download/v#{{version}}/" in cask
    assert contents.APP_ID in cask


def test_apt_installs_from_the_signed_repository(
    release: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "gpg"
    home.mkdir(mode=0o700)
    monkeypatch.setenv("GNUPGHOME", str(home))
    gpg = ["gpg", "--batch", "--passphrase", "", "--pinentry-mode", "loopback"]
    run(*gpg, "--quick-gen-key", "test@powerinfer-tray.invalid", "ed25519", "sign")
    keyring = tmp_path / "key.gpg"
    run(*gpg, "--output", keyring, "--export")
    monkeypatch.setenv("APT_SIGNING_KEY", "test@powerinfer-tray.invalid")
    monkeypatch.chdir(release.parent)

    listings.make(Path(release.name), REPOSITORY)

    try:
        assert __version__ in apt(tmp_path, release / "listings/apt", keyring, "policy", contents.APP)
        (release / "listings/apt/Packages").write_text("Package: something-else\n")
        with pytest.raises(subprocess.CalledProcessError):
            apt(tmp_path, release / "listings/apt", keyring, "policy", contents.APP)
    finally:
        run("gpgconf", "--kill", "all")


def apt(tmp_path: Path, repository: Path, keyring: Path, *command: str) -> str:
    """What apt-cache says once apt has read this repository, and nothing but it."""
    root = tmp_path / "apt"
    shutil.rmtree(root, ignore_errors=True)
    for folder in ("state/lists/partial", "cache/archives/partial", "etc"):
        (root / folder).mkdir(parents=True)
    (root / "etc/sources.list").write_text(
        f"deb [signed-by={keyring}] file:{str(repository).replace(' ', '%20')} ./\n"
    )
    (root / "status").touch()
    places = {"Dir::State": "state", "Dir::State::status": "status", "Dir::Cache": "cache", "Dir::Etc": "etc"}
    options = [f"-o{name}={root / place}" for name, place in places.items()]
    options += ["-oAPT::Architecture=amd64", "-oAPT::Sandbox::User=root", "-oAcquire::Languages=none"]
    run("apt-get", *options, "-oAPT::Update::Error-Mode=any", "update")
    return run("apt-cache", *options, *command)


def run(program: str, *arguments: str | Path) -> str:
    """What a program of the system prints; it must succeed."""
    found = shutil.which(program)
    assert found
    environ = os.environ | {"LC_ALL": "C.UTF-8"}
    done = subprocess.run([found, *arguments], check=True, capture_output=True, text=True, env=environ)
    return done.stdout


def test_a_version_of_two_numbers_is_a_text_for_winget(tmp_path: Path) -> None:
    names = ("owner", "identity", "repository", "date", "setup_url", "setup_sha256")
    values = {**dict.fromkeys(names, "x"), "version": "1.10"}
    schema = tmp_path / "schema.json"
    schema.write_text(json.dumps({"properties": {"PackageVersion": {"const": "1.10"}}}))

    manifests = listings.winget_manifests(tmp_path / "winget", values)

    check: list[str | Path] = [sys.executable, "-m", "check_jsonschema", "--schemafile", schema, *manifests]
    done = subprocess.run(check, check=False, capture_output=True, text=True)
    assert (done.returncode, len(manifests)) == (0, 5), done.stdout


def test_an_owner_with_a_long_name_is_cut_for_winget_alone(release: Path) -> None:
    owner = "o" * 39

    listings.make(release, f"{owner}/name")

    (manifest,) = (release / "listings/winget").glob("*Tray.yaml")
    assert manifest.name == f"{'o' * 32}.PowerInferTray.yaml"
    cask = (release / "listings/homebrew/powerinfer-tray.rb").read_text(encoding="utf-8")
    assert f"https://github.com/{owner}/name/" in cask


def test_only_the_package_that_was_made_is_in_the_repository_and_no_copy_of_it(release: Path) -> None:
    deb = next(release.glob("*.deb"))
    shutil.copyfile(deb, deb.with_name(f"{deb.stem} (1).deb"))
    shutil.copyfile(deb, deb.with_name(f"{contents.APP}_{__version__}_amd64.old.deb"))

    listings.make(release, REPOSITORY)
    listings.make(release, REPOSITORY)

    assert [each.name for each in (release / "listings/apt").glob("*.deb")] == [deb.name]
    assert (release / "listings/apt/Packages").read_text().count("Package: ") == 1


def test_a_web_server_can_read_what_somebody_has_made_who_keeps_files_private(release: Path) -> None:
    usual = os.umask(0o077)
    try:
        listings.make(release, REPOSITORY)
    finally:
        os.umask(usual)

    made = [release / "listings", *(release / "listings").rglob("*")]
    assert {(path.is_dir(), stat.S_IMODE(path.stat().st_mode)) for path in made} == {
        (True, 0o755),
        (False, 0o644),
    }


def test_a_folder_is_named_in_every_locale(release: Path) -> None:
    script = str(Path(listings.__file__))
    environ = {**os.environ, "PYTHONPATH": str(dev.ROOT), "PYTHONIOENCODING": "ascii"}

    command = [sys.executable, script, REPOSITORY, str(release)]
    done = subprocess.run(command, env=environ, check=False, capture_output=True, text=True)

    assert done.returncode == 0, done.stderr
    assert r"/dist \xe9/listings/apt/Release" in done.stdout


@pytest.mark.parametrize("bytes_left", [0, 100, 600])
def test_a_damaged_package_is_not_left_out_in_silence(
    release: Path, bytes_left: int, capsys: pytest.CaptureFixture[str]
) -> None:
    """As a download leaves it that was cut short. apt's own tool then lists nothing, and succeeds."""
    deb = next(release.glob("*.deb"))
    deb.write_bytes(deb.read_bytes()[:bytes_left])

    nothing_is_listed(release, capsys, f"Damaged: {deb.name}")


def nothing_is_listed(release: Path, capsys: pytest.CaptureFixture[str], why: str) -> None:
    (release / "listings").mkdir()  # of an earlier version
    assert listings.main([REPOSITORY, str(release)]) == 1
    assert why in capsys.readouterr().err
    assert not (release / "listings").exists()


def test_without_its_signature_nothing_is_listed(
    release: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "gpg").mkdir(mode=0o700)
    monkeypatch.setenv("GNUPGHOME", str(tmp_path / "gpg"))
    monkeypatch.setenv("APT_SIGNING_KEY", "nobody@powerinfer-tray.invalid")

    nothing_is_listed(release, capsys, "No secret key")


def test_without_a_tool_nothing_is_listed_and_the_tool_is_named(
    release: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))

    nothing_is_listed(release, capsys, "apt-ftparchive cannot be run")


def test_a_folder_that_cannot_be_written_is_said(release: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (release / "listings").write_text("in the way")

    assert listings.main([REPOSITORY, str(release)]) == 1

    assert "listings" in capsys.readouterr().err
    assert (release / "listings").read_text() == "in the way"


@pytest.mark.parametrize("absent", ["setup", "arm", "intel"])
def test_a_release_without_one_of_its_packages_is_refused(release: Path, absent: str) -> None:
    (release / listings.PACKAGES[absent]).unlink()

    with pytest.raises(PackagingError, match=re.escape(listings.PACKAGES[absent])):
        listings.make(release, REPOSITORY)
    assert not (release / "listings").exists()


@pytest.mark.parametrize(
    "name", ["o", "o/n/m", "o w/n", "https://github.com/o/n", "", "o/n\n", "o/.", "o/..", "o/n.git", "é/n"]
)
def test_what_is_no_repository_is_refused(
    release: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert listings.main([name, str(release)]) == 1

    assert not (release / "listings").exists()
    assert "Name it as OWNER/NAME" in capsys.readouterr().err
