"""Lists what a package holds, for those who look for known flaws: a CycloneDX bill of materials. Main thread.

The same parts as in `licences.txt`, by the names under which others know them: package URLs
(https://github.com/package-url/purl-spec).
"""

from __future__ import annotations

import importlib.metadata
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from uuid import NAMESPACE_URL, uuid5

from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.output.json import JsonV1Dot6
from packageurl import PackageURL

import contents
import freeze
import licences
from tray_app import __version__
from tray_app.engine.builds.offers import published_builds

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from contents import Row

NAME = "sbom.cdx.json"


def write(folder: Path, binaries: Iterable[Row], carried: Path | None = None) -> Path:
    """Write the bill into a folder. `binaries` and `carried` as for `licences.write`."""
    binaries = list(binaries)
    distributions = [*contents.closure().values(), importlib.metadata.distribution("pyinstaller")]
    parts = [_component("pypi", part.name, part.version) for part in distributions]
    parts.append(_component("generic", "python", sys.version.split()[0]))
    parts.append(_component("generic", "qt", importlib.metadata.version("PySide6-Essentials")))
    parts.append(_component("github", "lucide", None, namespace="lucide-icons"))  # the symbols of the window
    if contents.has_llama_cpp():  # inside of xllamacpp, which does not say which state of it
        parts.append(_component("github", "llama.cpp", None, namespace="ggml-org"))
    if carried:
        (build,) = (each for each in published_builds() if carried.name in {file.name for file in each.files})
        parts.append(_component("github", "llama.cpp", build.release, namespace="ggml-org"))
    if any("resources/bin/" in name.replace("\\", "/") for name, _, _ in binaries):
        parts.append(_component("github", "PowerInfer", None, namespace="SJTU-IPADS"))
    if sys.platform == "linux":
        parts += [
            _component("deb", name, version, namespace="debian")
            for name, version in licences.debian_packages(source for _, source, _ in binaries).items()
        ]
    file = folder / NAME
    file.write_text(document(parts), encoding="utf-8")
    return file


def document(parts: Iterable[Component]) -> str:
    """The bill as JSON, dated as the sources are; of the same parts, with the same serial number."""
    parts = list(parts)
    number = uuid5(
        NAMESPACE_URL, " ".join([contents.APP_ID, __version__, *sorted(str(p.purl) for p in parts)])
    )
    bom = Bom(components=parts, serial_number=number)
    bom.metadata.timestamp = datetime.fromtimestamp(freeze.source_date(), UTC)
    app = Component(
        type=ComponentType.APPLICATION, name=contents.APP, version=__version__, bom_ref=contents.APP
    )
    bom.metadata.component = app
    bom.register_dependency(app, bom.components)
    return JsonV1Dot6(bom).output_as_string(indent=2)


def _component(kind: str, name: str, version: str | None, *, namespace: str | None = None) -> Component:
    purl = PackageURL(kind, namespace, name, version)
    return Component(type=ComponentType.LIBRARY, name=name, version=version, purl=purl, bom_ref=str(purl))
