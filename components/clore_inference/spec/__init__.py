"""What is wanted: configuration keys, the deployment's spec, findings.

`DeploymentSpec.parse(values)` reads flat values and raises ConfigError with all findings;
`read_values(values)` gives spec and findings; `read_stack_file(text)` needs no Pulumi.
"""

from __future__ import annotations

from clore_inference.spec.deployment import API_PORT, SSH_PORT, TLS_PORT, DeploymentSpec
from clore_inference.spec.finding import Finding, Severity
from clore_inference.spec.keys import KEYS, Key, camel, key, keys, snake, spec_keys
from clore_inference.spec.reading import Reading, read_values
from clore_inference.spec.stack_file import StackFile, read_stack_file

__all__ = [
    "API_PORT",
    "KEYS",
    "SSH_PORT",
    "TLS_PORT",
    "DeploymentSpec",
    "Finding",
    "Key",
    "Reading",
    "Severity",
    "StackFile",
    "camel",
    "key",
    "keys",
    "read_stack_file",
    "read_values",
    "snake",
    "spec_keys",
]
