from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.fakes.app import (
    make_engine,
    make_host,
    make_loaded,
    make_plan,
    make_snapshot,
    make_status,
    with_engines,
)
from tests.fakes.engines_shown import (
    ADVICE,
    BUILT_IN,
    CARD,
    CPU,
    CUDA,
    OFFERS,
    VULKAN,
    make_installed,
    make_installed_engine,
    make_overview,
    make_published,
)
from tests.fakes.languages import ENGLISH
from tray_app.engine.builds.build import BackEnd, SetAside, Verdict, WeightKind
from tray_app.engine.builds.choice import Advice
from tray_app.engine.builds.installation import Installation, InstallPhase
from tray_app.engine.builds.store import BrokenBuild
from tray_app.engine.engine_kind import EngineKind
from tray_app.engine.launch_plan import LaunchPlan
from tray_app.engine.lifecycle import State
from tray_app.engine.program import PassedOver, WhyPassedOver
from tray_app.errors import DownloadError, EngineError, ErrorCode
from tray_app.settings.schema import Settings
from tray_app.system.host import System
from tray_app.ui.presenters.builds import (
    EngineAction,
    action_label,
    action_name,
    build_rows,
    offer_rows,
    removal_text,
    terms_of,
)
from tray_app.ui.presenters.engine_cards import fallback_card, installation_card, offer_card
from tray_app.ui.presenters.engine_names import build_title, engine_choices
from tray_app.ui.presenters.notices import Page, key_of, notices
from tray_app.ui.presenters.tone import Tone

if TYPE_CHECKING:
    from tray_app.app.status import AppStatus
    from tray_app.ui.presenters.builds import (
        BuildRow,
    )

HOST = make_host()
HALFWAY = Installation(CUDA.id, InstallPhase.DOWNLOADING, 43_000_000, 100_000_000, 12_300_000, 200.0)
BROKEN = BrokenBuild(
    VULKAN.id,
    5_000_000,
    EngineError(ErrorCode.ENGINE_NOTES_UNREADABLE, "The engine cannot be used", "What was noted is missing."),
)
ASIDE = SetAside(CUDA.id, "bge-m3-q8_0", "It stopped with SIGSEGV.")


def not_used(why: WhyPassedOver) -> AppStatus:
    """A model runs on the built-in engine, because an installed one is not used."""
    passed = PassedOver(make_installed(), why, "It stopped with SIGSEGV.")
    loaded = make_loaded("BGE M3 Q8_0")
    assert isinstance(loaded.told, LaunchPlan)
    plan = replace(loaded.told, engine=replace(BUILT_IN, passed_over=(passed,)))
    return with_engines(make_status(State.READY), replace(loaded, told=plan))


def row_of(*installed: object, **changes: object) -> BuildRow:
    """The row of the one engine that is installed."""
    engine = make_installed_engine(*installed, **changes)  # type: ignore[arg-type]
    return build_rows(make_overview(engine), HOST, make_status(), ENGLISH)[0]


@pytest.mark.parametrize(
    ("build", "title"),
    [
        (CUDA, "llama.cpp b11194 for NVIDIA (CUDA 13.4)"),
        (VULKAN, "llama.cpp b11194 for graphics cards (Vulkan)"),
        (CPU, "llama.cpp b11194 for the processor (CPU)"),
        (
            make_published("rocm-10.0", back_end=BackEnd.ROCM, version="10.0"),
            "llama.cpp b11194 for AMD (ROCm 10.0)",
        ),
        (make_published("metal", back_end=BackEnd.METAL), "llama.cpp b11194 for Apple silicon (Metal)"),
        (make_installed(CUDA), "llama.cpp b11194 for NVIDIA (CUDA 13.4)"),
        (
            make_installed(CPU, kind=EngineKind.POWERINFER, id="mine", release="1.2"),
            "PowerInfer 1.2 for the processor (CPU)",
        ),
    ],
)
def test_a_build_is_called_by_engine_release_and_device(build: object, title: str) -> None:
    assert build_title(build, ENGLISH, OFFERS) == title  # type: ignore[arg-type]


@pytest.mark.parametrize("action", EngineAction)
def test_every_action_has_a_word_and_a_name_that_says_for_what(action: EngineAction) -> None:
    label = action_label(action, ENGLISH)
    assert label
    assert action_name(label, "llama.cpp", ENGLISH).endswith(": llama.cpp")
    assert "…" not in action_name(label, "llama.cpp", ENGLISH)


def test_what_suits_this_machine_is_offered_with_its_sentence() -> None:
    card = offer_card(make_overview(), None, ENGLISH)

    assert card is not None
    assert card.title == "Use your graphics card"
    assert card.text.startswith(f"Use your {CARD}: llama.cpp b11194 for NVIDIA (CUDA 13.4), 152 MB + 424 MB")
    assert card.actions == (EngineAction.INSTALL,)


def test_nothing_is_offered_while_it_is_on_its_way_or_there_or_where_nothing_would_be_better() -> None:
    none = Advice(None, "This machine has no graphics card.")

    assert offer_card(make_overview(), HALFWAY, ENGLISH) is None
    assert offer_card(make_overview(make_installed_engine()), None, ENGLISH) is None
    assert offer_card(make_overview(advice=none), None, ENGLISH) is None


def test_what_failed_to_be_installed_is_offered_by_the_card_that_tells_it_alone() -> None:
    failed = replace(HALFWAY, phase=InstallPhase.FAILED)

    assert offer_card(make_overview(), failed, ENGLISH) is None
    assert offer_card(make_overview(), replace(failed, build_id=CPU.id), ENGLISH) is not None


def test_an_update_is_called_so() -> None:
    old = make_installed(make_published("cuda-13.4", release="b10800"))

    card = offer_card(
        make_overview(make_installed_engine(old), advice=replace(ADVICE, replaces=old)), None, ENGLISH
    )

    assert card is not None
    assert (card.title, card.actions) == ("A newer engine is available", (EngineAction.UPDATE,))


def test_a_build_for_the_processor_is_offered_as_such() -> None:
    card = offer_card(make_overview(advice=Advice(CPU, "It is faster.")), None, ENGLISH)

    assert card is not None
    assert card.title == "A faster engine for this processor"


@pytest.mark.parametrize(
    ("installation", "note", "permille", "actions"),
    [
        (
            HALFWAY,
            "Downloading · 43 % · 12.3 MB/s · 3 min left",
            430,
            (EngineAction.PAUSE, EngineAction.CANCEL),
        ),
        (
            replace(HALFWAY, total_bytes=None, rate_bytes_per_s=0, remaining_s=None),
            "Downloading · 43.0 MB",
            None,
            (EngineAction.PAUSE, EngineAction.CANCEL),
        ),
        (
            replace(HALFWAY, phase=InstallPhase.PAUSED),
            "Paused at 43 %",
            430,
            (EngineAction.RESUME, EngineAction.CANCEL),
        ),
        (replace(HALFWAY, phase=InstallPhase.UNPACKING), "Unpacking …", 430, (EngineAction.CANCEL,)),
        (
            replace(HALFWAY, phase=InstallPhase.PROVING),
            "Testing its answers on this computer …",
            None,
            (EngineAction.CANCEL,),
        ),
    ],
)
def test_an_installation_says_what_it_does_and_what_can_be_done(
    installation: Installation, note: str, permille: int | None, actions: tuple[EngineAction, ...]
) -> None:
    card = installation_card(installation, make_overview(), ENGLISH)

    assert card is not None
    assert card.title == "Installing llama.cpp b11194 for NVIDIA (CUDA 13.4)"
    assert (card.note, card.permille, card.busy) == (note, permille, permille is None)
    assert card.actions == actions


def test_a_failed_installation_says_why_and_can_be_begun_again() -> None:
    error = DownloadError(ErrorCode.CHECKSUM_DIFFERS, "It is not what was announced", "Why.", "Try later.")
    failed = replace(HALFWAY, phase=InstallPhase.FAILED, error=error)

    card = installation_card(failed, make_overview(), ENGLISH)
    own = installation_card(replace(failed, build_id="mine.zip"), make_overview(), ENGLISH)

    assert card is not None
    assert own is not None
    assert card.title == "llama.cpp b11194 for NVIDIA (CUDA 13.4) could not be installed"
    assert card.text == "It is not what was announced.\nWhy.\nTry later."
    assert card.actions == (EngineAction.RETRY, EngineAction.CLOSE)
    assert own.title == "mine.zip could not be installed"


def test_nothing_is_said_of_an_installation_that_is_over() -> None:
    assert installation_card(None, None, ENGLISH) is None
    assert installation_card(replace(HALFWAY, phase=InstallPhase.DONE), make_overview(), ENGLISH) is None


def test_an_installed_engine_that_is_proven_again_is_called_by_its_name() -> None:
    overview = make_overview(make_installed_engine())
    proof = Installation(CUDA.id, InstallPhase.PROVING, weights=WeightKind.Q4_0)
    failed = replace(proof, phase=InstallPhase.FAILED)

    card, failed_card = (installation_card(each, overview, ENGLISH) for each in (proof, failed))

    assert card is not None
    assert failed_card is not None
    assert card.title == "Testing llama.cpp b11194 for NVIDIA (CUDA 13.4)"
    assert card.note == "Testing its answers with Q4_0 …"
    assert failed_card.title == "llama.cpp b11194 for NVIDIA (CUDA 13.4) failed its test"
    assert failed_card.text == "unknown cause"


def test_an_engine_that_is_installed_again_is_not_said_to_be_proven() -> None:
    overview = make_overview(make_installed_engine())

    card = installation_card(replace(HALFWAY, phase=InstallPhase.PROVING), overview, ENGLISH)

    assert card is not None
    assert card.title == "Installing llama.cpp b11194 for NVIDIA (CUDA 13.4)"


def test_a_download_that_waits_says_for_what_and_how_else_it_gets_here() -> None:
    error = DownloadError(ErrorCode.SERVER_UNREACHABLE, "There is no network")

    card = installation_card(replace(HALFWAY, error=error), make_overview(), ENGLISH)

    assert card is not None
    assert card.note.startswith("Waiting: There is no network · 43 %")
    assert card.text.startswith(
        "Without an internet connection: download llama-b11194-bin-ubuntu-cuda-13.4-x64.tar.gz"
    )


def test_an_engine_that_is_ready_says_its_device_its_proof_its_size_and_where_it_comes_from() -> None:
    row = row_of()

    assert row.title == "llama.cpp b11194 for NVIDIA (CUDA 13.4)"
    assert row.state == "Ready"
    assert row.details == (CARD, "tested with F16, Q8_0, Q4_0, Q4_K", "812 MB")
    assert row.origin == "from github.com"
    assert row.actions == ()
    assert row.more == (EngineAction.PROVE, EngineAction.REVEAL, EngineAction.REMOVE)


def test_an_engine_that_was_measured_says_how_fast_it_is() -> None:
    assert "1.9 times as fast as the built-in engine" in row_of(make_installed(CPU, speed=1.87)).details


def test_an_engine_of_the_persons_own_tells_the_digest_of_what_it_came_from() -> None:
    row = row_of(make_installed(CPU, source="/home/me/native.zip", sha256="0123456789abcdef" * 4))

    assert row.origin == "from native.zip · SHA-256 01234567…"


def test_an_engine_of_a_folder_has_no_digest() -> None:
    assert row_of(make_installed(CPU, source="/home/me/native", sha256="")).origin == "from native"


def test_an_engine_says_which_models_it_runs_by_their_names() -> None:
    status = with_engines(make_status(State.READY), make_loaded("BGE M3 Q8_0"))
    engine = make_installed_engine(in_use_by=("bge-m3-q8_0", "gone"))

    row = build_rows(make_overview(engine), HOST, status, ENGLISH)[0]

    assert (row.tone, row.state) == (Tone.GOOD, "In use by BGE M3 Q8_0, gone")


def test_an_engine_that_was_set_aside_says_why_and_can_try_again() -> None:
    row = row_of(set_aside=(ASIDE,))

    assert (row.tone, row.state) == (Tone.WARNING, "Not used")
    assert row.warnings == ("Not used for bge-m3-q8_0: It stopped with SIGSEGV.",)
    assert row.actions == (EngineAction.ALLOW,)


def test_an_engine_whose_files_have_changed_is_installed_again() -> None:
    row = row_of(changed=True)

    assert row.state == "Changed"
    assert row.warnings[0].startswith("Its files have changed since it was installed")
    assert (row.actions, row.successor_id) == ((EngineAction.INSTALL,), CUDA.id)


def test_a_changed_engine_that_is_no_longer_on_offer_can_only_go() -> None:
    row = row_of(make_installed(id="mine", source="/home/me/native.zip"), changed=True)

    assert row.actions == ()
    assert EngineAction.REMOVE in row.more


def test_weights_that_an_engine_computes_wrongly_are_named() -> None:
    verdicts = {
        WeightKind.F16: Verdict(works=True),
        WeightKind.Q4_K: Verdict(works=False, reason="It crashed."),
    }

    row = row_of(make_installed(verdicts=verdicts))

    assert "tested with F16" in row.details
    assert row.warnings == ("Not used for Q4_K: It crashed.",)


def test_an_engine_that_works_with_nothing_is_proven_again() -> None:
    row = row_of(make_installed(verdicts={WeightKind.F16: Verdict(works=False)}))

    assert (row.tone, row.state) == (Tone.BAD, "Does not work here")
    assert row.warnings == ("Not used for F16: unknown cause",)
    assert row.actions == (EngineAction.PROVE,)
    assert EngineAction.PROVE not in row.more


def test_an_older_release_can_be_updated_unless_the_newer_one_is_there() -> None:
    old = make_installed_engine(
        make_installed(make_published("vulkan", release="b1", back_end=BackEnd.VULKAN))
    )
    new = make_installed_engine(make_installed(VULKAN))

    alone = build_rows(make_overview(old), HOST, make_status(), ENGLISH)[0]
    beside = build_rows(make_overview(old, new), HOST, make_status(), ENGLISH)[0]

    assert (alone.actions, alone.successor_id) == ((EngineAction.UPDATE,), VULKAN.id)
    assert beside.actions == ()


def test_what_needs_no_installation_stands_last_and_can_not_be_removed() -> None:
    installed = make_engine(EngineKind.POWERINFER)
    overview = make_overview(make_installed_engine(), at_hand=(BUILT_IN, installed))

    rows = build_rows(overview, HOST, make_status(), ENGLISH)[1:]

    assert [row.title for row in rows] == ["llama.cpp 2026.11.2", "PowerInfer 1.2"]
    assert [row.details for row in rows] == [
        ("processor", "comes with the app"),
        ("processor", "found on this computer"),
    ]
    assert [row.more for row in rows] == [(), (EngineAction.REVEAL,)]
    assert rows[1].path == Path(installed.command[0])


def test_the_built_in_engine_computes_with_the_graphics_of_apple_silicon() -> None:
    mac = make_host(system=System.MACOS, machine="arm64")

    row = build_rows(make_overview(), mac, make_status(), ENGLISH)[0]

    assert row.details == ("Apple silicon graphics", "comes with the app")


def test_the_built_in_engine_says_what_it_runs() -> None:
    plan = make_plan(Settings(), BUILT_IN)
    status = make_status(State.READY, engine=make_snapshot(State.READY, plan=plan))

    row = build_rows(make_overview(), HOST, status, ENGLISH)[0]

    assert (row.tone, row.state) == (Tone.GOOD, "In use by Bamboo 7B Q4_0")


def test_other_builds_are_offered_with_the_reasons_against_them() -> None:
    rows = offer_rows(make_overview(make_installed_engine(make_installed(CPU))), ENGLISH)

    assert [(row.title, row.details, row.origin) for row in rows] == [
        (
            "llama.cpp b11194 for graphics cards (Vulkan)",
            ("31 MB from github.com/ggml-org, license: MIT",),
            "llama.cpp b11194 for NVIDIA (CUDA 13.4) is faster.",
        )
    ]
    assert (rows[0].actions, rows[0].successor_id) == ((EngineAction.INSTALL,), VULKAN.id)


def test_terms_of_others_are_shown_with_the_files_that_they_hold_for() -> None:
    terms = terms_of(CUDA, ENGLISH)

    assert terms is not None
    assert terms.owner == "NVIDIA"
    assert terms.page.startswith("https://docs.nvidia.com/")
    assert terms.files == (
        "llama-b11194-bin-ubuntu-cuda-13.4-x64.tar.gz: 152 MB, license: MIT",
        "cudart-cuda-13.4-x64.tar.gz: 424 MB, license: NVIDIA",
    )
    assert terms_of(CPU, ENGLISH) is None


def test_an_engine_that_is_not_used_is_told_until_it_has_been_read() -> None:
    status = not_used(WhyPassedOver.SET_ASIDE)

    card = fallback_card(status, ENGLISH)

    assert card is not None
    assert (card.build_id, card.text) == (CUDA.id, "It stopped with SIGSEGV.")
    assert card.title.startswith("BGE M3 Q8_0 is not using")
    assert card.actions == (EngineAction.ALLOW, EngineAction.HIDE)
    assert fallback_card(status, ENGLISH, read=set(map(key_of, status.notices))) is None
    assert fallback_card(make_status(State.READY), ENGLISH) is None


def test_an_engine_that_cannot_be_used_now_is_not_let_try_again() -> None:
    card = fallback_card(not_used(WhyPassedOver.UNUSABLE), ENGLISH)

    assert card is not None
    assert card.actions == (EngineAction.HIDE,)


def test_a_person_is_told_once_that_an_engine_is_not_used() -> None:
    before, after = make_status(State.READY), not_used(WhyPassedOver.SET_ASIDE)

    (notice,) = notices(before, after, ENGLISH)

    assert (notice.text, notice.page) == ("It stopped with SIGSEGV.", Page.HOME)
    assert notices(after, not_used(WhyPassedOver.SET_ASIDE), ENGLISH) == ()


def test_a_person_is_told_once_how_an_installation_ended() -> None:
    going, done, failed = (
        replace(make_status(), installation=replace(HALFWAY, phase=phase))
        for phase in (InstallPhase.PROVING, InstallPhase.DONE, InstallPhase.FAILED)
    )

    assert [each.page for each in notices(going, done, ENGLISH)] == [Page.ENGINES]
    assert [each.title for each in notices(going, failed, ENGLISH)] == ["An engine could not be installed"]
    assert notices(make_status(), going, ENGLISH) == ()
    assert notices(done, done, ENGLISH) == ()


def test_what_a_removal_frees_is_said() -> None:
    overview = make_overview(make_installed_engine(), broken=(BROKEN,))

    installed, broken, _ = build_rows(overview, HOST, make_status(), ENGLISH)

    assert removal_text(installed, overview, ENGLISH) == "This frees 812 MB of disk space."
    assert removal_text(broken, overview, ENGLISH) == "This frees 5.00 MB of disk space."


def test_what_is_left_of_a_damaged_build_can_be_installed_again_or_removed() -> None:
    own = replace(BROKEN, id="mine")

    offered, unknown, _ = build_rows(make_overview(broken=(BROKEN, own)), HOST, make_status(), ENGLISH)

    assert (offered.title, offered.state) == ("llama.cpp b11194 for graphics cards (Vulkan)", "Damaged")
    assert offered.warnings == ("The engine cannot be used. What was noted is missing.",)
    assert (offered.actions, offered.successor_id) == ((EngineAction.INSTALL,), VULKAN.id)
    assert offered.more == (EngineAction.REMOVE,)
    assert (unknown.title, unknown.actions) == ("mine", (EngineAction.REMOVE,))


def test_what_is_left_of_a_build_is_not_offered_a_second_time() -> None:
    overview = make_overview(broken=(replace(BROKEN, id=CUDA.id),))

    assert offer_card(overview, None, ENGLISH) is None


def test_the_setting_offers_the_installed_builds_the_newest_of_each_kind() -> None:
    older = make_installed(make_published("cuda-12.8", release="b1", version="12.8"))
    own = make_installed(CPU, kind=EngineKind.POWERINFER, id="mine", release="1.2")
    overview = make_overview(*map(make_installed_engine, (make_installed(), older, own)))

    assert engine_choices(overview, ENGLISH) == (
        ("auto", "Automatic"),
        ("llama.cpp-cuda", "llama.cpp b11194 for NVIDIA (CUDA 13.4)"),
        ("powerinfer-cpu", "PowerInfer 1.2 for the processor (CPU)"),
        ("powerinfer", "PowerInfer"),
        ("llama.cpp", "llama.cpp (comes with the app)"),
        ("remote", "A server on another computer"),
    )
