"""The one table of configuration keys: word, type, default, meaning.

`Pulumi.yaml`, `args.py` and `DeploymentSpec` repeat it, and a test compares all four.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from typing import Final, Literal

from clore_inference.catalog import catalog

Kind = Literal["string", "integer", "number", "money", "strings"]


@dataclass(frozen=True, slots=True)
class Key:
    """One configuration key, camelCase; `field` is the same word in snake_case."""

    name: str
    kind: Kind
    doc: str
    default: str | int | float | tuple[str, ...] | None = None
    """None: not set, and something else decides (see `doc`) unless the key is required."""
    required: bool = False
    secret: bool = False
    """Never part of a spec; comes from the environment or an encrypted value."""
    choices: tuple[str, ...] = ()
    unlisted: tuple[str, ...] = ()
    """Choices that exist only to be refused with a reason."""
    example: str = ""
    """How to set it, where neither a choice nor the default shows it."""
    least: float | None = None
    most: float | None = None

    @property
    def field(self) -> str:
        """The name in Python."""
        return snake(self.name)

    @property
    def listed(self) -> tuple[str, ...]:
        """The choices that are offered to people."""
        return tuple(one for one in self.choices if one not in self.unlisted)


def snake(name: str) -> str:
    """camelCase to snake_case."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()


SECRETS: Final = (
    Key(
        "cloreApiKey",
        "string",
        "Clore API key. CLORE_API_KEY in the environment wins.",
        secret=True,
    ),
    Key(
        "hfToken",
        "string",
        "Hugging Face token with read access, for gated repositories. HF_TOKEN in the environment wins.",
        secret=True,
    ),
)

WHERE: Final = (
    Key("apiUrl", "string", "Base URL of the marketplace, without /v1.", "https://api.clore.ai"),
    Key(
        "hfEndpoint", "string", "Where the host fetches the weights from.", "https://huggingface.co"
    ),
    Key(
        "timeScale",
        "number",
        "How many times faster than the wall the clock runs; above 1 only with an apiUrl on a loopback address (the emulator).",
        1,
        least=1,
        most=10_000,
    ),
    Key(
        "host",
        "string",
        "Where the engine runs: a rented Clore order, or a Docker host of your own.",
        "clore",
        choices=("clore", "docker"),
    ),
    Key(
        "generation",
        "integer",
        "Raise it to build and prove a successor before the old deployment is deleted.",
        1,
        least=1,
        most=1_000_000,
    ),
)


DOCKER: Final = (
    Key(
        "dockerHost",
        "string",
        "With host docker: where its engine is reached, unix:///path of a local socket or ssh://user@host.",
        "unix:///var/run/docker.sock",
    ),
    Key(
        "dockerHostKey",
        "string",
        "With an ssh:// dockerHost: the SSH key that it must show, as ssh-keyscan prints it without the name. Not set: the one in your known_hosts.",
    ),
    Key(
        "dockerGpus",
        "string",
        "With host docker: all, none, or the ids of the GPUs for the engine, as in 0,1,2,3.",
        "all",
    ),
    Key(
        "dockerPort",
        "integer",
        "With host docker: port of the host that leads to the API; on its loopback only, unless exposure is public.",
        8000,
        least=1,
        most=65535,
    ),
)


def _what() -> tuple[Key, ...]:
    facts = catalog()
    precisions = tuple(dict.fromkeys(row.precision for row in facts.checkpoint))
    dtypes = tuple(dict.fromkeys(word for row in facts.engine for word in row.kv_cache_dtypes))
    return (
        Key(
            "release",
            "string",
            "Which description of the model holds: Clore's guide, or what Mistral published upstream.",
            "guide",
            choices=("guide", "upstream"),
        ),
        Key("precision", "string", "Precision of the weights.", "fp8", choices=precisions),
        Key(
            "topology",
            "string",
            "GPU count and kind.",
            "4xH100",
            choices=tuple(row.id for row in facts.topology),
            unlisted=tuple(row.id for row in facts.topology if row.refused),
        ),
        Key(
            "engine",
            "string",
            "Inference engine.",
            "vllm",
            choices=tuple(row.id for row in facts.engine),
        ),
        Key(
            "engineVersion",
            "string",
            "Engine release. Not set: the recommended one of the catalog.",
        ),
        Key("image", "string", "Image of the order, tag@digest. Not set: the engine's own image."),
        Key(
            "packageIndex",
            "string",
            "Package index that another engine is installed from on a running order; every file is checked by its locked hash. Not set: the host's own.",
        ),
        Key(
            "engineLock",
            "string",
            "File with the locked packages of engine and engineVersion, or a folder of `<engine>-<version>.lock` files, in the place of what this package has.",
        ),
        Key(
            "repository",
            "string",
            "Hugging Face repository. Not set: the one of release and precision.",
        ),
        Key(
            "revision",
            "string",
            "Commit of the repository, 40 hex digits. Not set: the branch main.",
        ),
        Key(
            "weightsPath",
            "string",
            "Folder on the host that already holds the files: verified and linked there, not fetched. Not set: they are fetched.",
        ),
        Key(
            "maxModelLen",
            "integer",
            "Longest context of one request, tokens.",
            65536,
            least=256,
            most=max(row.max_context for row in facts.model),
        ),
        Key(
            "gpuMemoryUtilization",
            "number",
            "Share of GPU memory for the engine. Not set: the guide's value for engine and topology.",
            example="gpuMemoryUtilization 0.90",
            least=0.05,
            most=1,
        ),
        Key(
            "kvCacheDtype",
            "string",
            "Type of the KV cache; fp8 halves it and is translated to the engine's spelling.",
            "auto",
            choices=dtypes,
        ),
        Key(
            "maxNumSeqs",
            "integer",
            "Most requests served at the same time. Not set: the engine's own default.",
            example="maxNumSeqs 8",
            least=1,
            most=4096,
        ),
        Key("servedModelName", "string", "The model's name in the API.", "mistral-medium-3.5"),
        Key(
            "exposure",
            "string",
            "private: loopback of the host, reached through SSH. public: Clore's https name, behind guard and key.",
            "private",
            choices=("private", "public"),
        ),
        Key(
            "tls",
            "string",
            "Where TLS of a public endpoint ends. relay: at Clore's public name. host: on the host itself, by a certificate that is pinned; the order then has port 8443.",
            "relay",
            choices=("relay", "host"),
        ),
    )


TERMS: Final = (
    Key(
        "licenseUse",
        "string",
        "What the model is used for; there is no default.",
        required=True,
        choices=("research", "evaluation", "commercial"),
    ),
    Key(
        "licenseEvidence",
        "string",
        "Which license applies and why, as `<license>: <reference>`, for example `mistral-commercial: contract 2026-114`. Needed for commercial use.",
    ),
    Key(
        "maxUsdPerDay",
        "money",
        "Most that the order may cost, USD per day for the whole server, renter fee included; there is no default.",
        required=True,
        example="maxUsdPerDay 50",
        least=0.01,
        most=100_000,
    ),
    Key(
        "maxUsdTotal",
        "money",
        "Most that an order may cost in all, USD, if nobody ever ends it: only servers are rented whose longest rental costs less. Not set: it bills until it is destroyed or its term ends.",
        example="maxUsdTotal 200",
        least=0.01,
        most=1_000_000,
    ),
    Key(
        "currency",
        "string",
        "Wallet that pays.",
        "USD-Blockchain",
        choices=("USD-Blockchain", "CLORE-Blockchain", "bitcoin"),
    ),
    Key(
        "orderType",
        "string",
        "on-demand: the server is yours for its term. spot: cheaper, and over, with everything on it, as soon as anybody bids more.",
        "on-demand",
        choices=("on-demand", "spot"),
    ),
    Key(
        "spotBidUsdPerDay",
        "money",
        "With orderType spot: what is bid and paid, USD per day for the whole server, renter fee included; below maxUsdPerDay, and never raised by itself. Not set: the least bid that a server takes.",
        example="spotBidUsdPerDay 30",
        least=0.01,
        most=100_000,
    ),
)

OFFERS: Final = (
    Key(
        "minDownMbps",
        "number",
        "Least download rate of an offer, Mbps.",
        1000,
        least=0,
        most=1_000_000,
    ),
    Key(
        "minReliability", "number", "Least reliability of an offer, a share.", 0.9, least=0, most=1
    ),
    Key(
        "minTermHours",
        "number",
        "Least maximum rental length of an offer, hours.",
        24,
        least=1,
        most=3000,
    ),
    Key(
        "countries",
        "strings",
        "Two-letter codes of accepted countries; empty: all.",
        (),
        example="--path 'countries[0]' DE",
    ),
    Key(
        "excludedCountries",
        "strings",
        "Two-letter codes of countries to avoid.",
        (),
        example="--path 'excludedCountries[0]' RU",
    ),
    Key(
        "maxReplacements",
        "integer",
        "How many further servers are tried when a host proves unfit.",
        1,
        least=0,
        most=5,
    ),
    Key(
        "acceptDeadlineMinutes",
        "number",
        "Minutes from the accepted order to a proven host; after that the order is cancelled. Not set: from the image's size and the link that the offer advertises, at least 15.",
        example="acceptDeadlineMinutes 30",
        least=1,
        most=120,
    ),
)


@cache
def keys() -> tuple[Key, ...]:
    """Every configuration key, in the order of the documentation."""
    return (*SECRETS, *WHERE, *DOCKER, *_what(), *TERMS, *OFFERS)


@cache
def spec_keys() -> tuple[Key, ...]:
    """The keys that a spec holds: all but the secrets."""
    return tuple(key for key in keys() if not key.secret)


KEYS: Final = keys()
"""Every configuration key; the same as `keys()`."""


def camel(field: str) -> str:
    """snake_case to camelCase, as configuration spells it."""
    first, *rest = field.split("_")
    return first + "".join(word.capitalize() for word in rest)


def key(name: str) -> Key:
    """Return a key by its camelCase name; KeyError if there is none."""
    return {one.name: one for one in keys()}[name]
