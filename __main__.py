"""The deployment that this project's stacks describe: settings in, a proven endpoint out."""

import signal

import pulumi

from clore_inference import MistralDeployment, settings

# A failing update interrupts the program; with Python's own handler its traceback would bury the reason.
signal.signal(signal.SIGINT, signal.SIG_DFL)

deployment = MistralDeployment("mistral", settings.load())

for name, value in deployment.outputs.items():
    pulumi.export(name, value)
