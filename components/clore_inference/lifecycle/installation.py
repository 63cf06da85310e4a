"""Which engine release an order runs, and whether it must be installed beside the image's own.

An order's image is the one it was bought with; the engine may change as often as one likes.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from clore_inference import catalog, units
from clore_inference.catalog import EngineLock
from clore_inference.errors import ConfigError
from clore_inference.host.job import Installation
from clore_inference.spec import DeploymentSpec

UNPACKED: Final = 2.25
"""Times the fetched bytes that an installed engine takes; measured: vLLM 0.32.0 takes 2.22."""


def installation(spec: DeploymentSpec) -> Installation:
    """What the host is told of the release; ConfigError where `engineLock` cannot be read."""
    lock = wanted_lock(spec)
    return Installation(
        engine=spec.engine,
        version=spec.version,
        exact=spec.engine_version is not None,
        index=spec.package_index or "",
        python=lock.python if lock else "",
        lock=lock.text if lock else "",
        lock_id=lock.digest if lock else "",
        fetch_bytes=lock.fetch_bytes if lock else 0,
    )


def wanted_lock(spec: DeploymentSpec) -> EngineLock | None:
    """The lock of the wanted release: one's own, else this package's; None where it has none."""
    if not spec.engine_lock:
        return catalog.engine_lock(spec.engine, spec.version)
    place = Path(spec.engine_lock)
    if place.is_dir():
        place /= f"{spec.engine}-{spec.version}.lock"
        if not place.exists():
            return None
    try:
        return catalog.parse_lock(place.read_text(encoding="utf-8"))
    except OSError as error:
        why = error.strerror or type(error).__name__
        raise ConfigError([f"engineLock {spec.engine_lock} cannot be read: {why}."]) from None
    except ValueError as error:
        raise ConfigError([f"engineLock {spec.engine_lock} is no lock: {error}."]) from None


def brought(spec: DeploymentSpec, image: str) -> str:
    """`vllm-0.32.0`, as the order's image has it; empty where the image does not say.

    Whoever names an image and no version means whatever version is in it.
    """
    found = catalog.release_of(image)
    named = spec.image is not None and spec.engine_version is None
    if named and found.startswith(f"{spec.engine}-"):
        return f"{spec.engine}-{spec.version}"
    return found


def beside(spec: DeploymentSpec, image: str) -> str:
    """Say what must be installed on an order of that image, in words; empty where nothing is."""
    own = brought(spec, image)
    if not own or own == f"{spec.engine}-{spec.version}":
        return ""
    release, had = f"{spec.engine} {spec.version}", own.replace("-", " ", 1)
    lock = wanted_lock(spec)
    if lock is None:
        known = ", ".join(catalog.locked_versions(spec.engine)) or "none"
        return (
            f"{release} is not in this order's image ({had}) and has no lock, so it cannot be "
            f"installed; the engine that runs goes on. Locked: {known}. Set engineVersion to one of "
            "them, set engineLock, or raise generation for a new order with its image"
        )
    size = units.size(lock.fetch_bytes)
    built = " and built on the host, some minutes," if spec.engine == "llamacpp" else ""
    return (
        f"{release} is installed beside the image's {had} first: {lock.count} files, {size} to fetch "
        f"(about {units.size(int(lock.fetch_bytes * UNPACKED))} on disk){built} unless the host has "
        "it from before; the engine that runs serves until then, then the new one starts"
    )
